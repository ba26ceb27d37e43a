//! What paths carry, and how a circuit's bandwidth changes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use azroute::model::{Change, LinkRole, TopologyBuilder};
use azroute::resolve::Bandwidth;
use azroute::rule::Rule;

use crate::walk::support::*;

/// `er` with this bandwidth and gateway SKU.
fn sized(mbps: u32, sku: &str) -> TopologyBuilder {
    let sku = sku.to_owned();
    er(base()).configure(move |d| {
        d.express_route_circuits[0].bandwidth_in_mbps = Some(mbps);
        d.virtual_network_gateways[0].sku = (!sku.is_empty()).then_some(sku);
    })
}

fn carries(builder: TopologyBuilder, source: &str, destination: &str) -> Option<(u32, u32, String)> {
    let answer = ask(builder, source, destination);
    let Bandwidth { guaranteed_in_mbps, most_in_mbps, bottleneck } = answer.path().bandwidth()?;
    Some((guaranteed_in_mbps, most_in_mbps, bottleneck.to_string()))
}

fn some(guaranteed: u32, most: u32, bottleneck: &str) -> Option<(u32, u32, String)> {
    Some((guaranteed, most, bottleneck.to_owned()))
}

#[test]
fn bw_1_answers_carry_the_circuits_bandwidth() {
    for mbps in [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000] {
        assert_eq!(carries(sized(mbps, ""), "vm", "10.50.0.9"), some(mbps, 2 * mbps, "c1"));
    }
    let none = ask(er(base()), "vm", "10.50.0.9");
    assert!(none.path().bandwidth().is_none(), "nothing is known of it");
    assert!(ask(base(), "vm", "10.0.0.9").path().bandwidth().is_none());
}

#[test]
fn bw_2_all_peerings_and_networks_of_a_circuit_share_it_both_ways() {
    let built = sized(200, "");
    assert_eq!(carries(built.clone(), "vm", "10.50.0.9"), carries(built.clone(), "dc", "10.0.0.4"));
    let second = built
        .virtual_network("w", &["10.9.0.0/16"])
        .subnet("w", "s", "10.9.0.0/24")
        .subnet("w", "GatewaySubnet", "10.9.255.0/27")
        .nic("wvm", "w/subnets/s", "10.9.0.4")
        .with(er_gateway("wgw", "w"))
        .with(er_connection("wgw", "c1"));
    assert_eq!(carries(second, "wvm", "10.50.0.9"), some(200, 400, "c1"));
}

#[test]
fn bw_3_twice_over_both_links_and_once_over_one() {
    let network = azroute::Network::build(&sized(500, "").build().unwrap()).unwrap();
    let most = |network: &azroute::Network| {
        let answer = network.resolve("vm", ip("10.50.0.9")).unwrap();
        let bandwidth = answer.path().bandwidth().unwrap();
        (bandwidth.guaranteed_in_mbps, bandwidth.most_in_mbps)
    };
    assert_eq!(most(&network), (500, 1_000));
    let down = Change::SetLink { circuit: "c1".into(), link: LinkRole::Secondary, up: false };
    assert_eq!(most(&network.apply(&[down]).unwrap()), (500, 500));
}

#[test]
fn bw_4_raised_in_place_and_lowered_by_creating_it_anew() {
    let network = azroute::Network::build(&sized(500, "").build().unwrap()).unwrap();
    let set = |mbps| Change::SetBandwidth { circuit: "c1".into(), bandwidth_in_mbps: mbps };
    let raise = network.transitions(&[set(1_000)]).unwrap();
    assert_eq!(raise.len(), 1);
    assert!(!raise[0].downtime() && raise[0].meanwhile().is_none());
    assert_eq!((raise[0].resource.as_str(), raise[0].rule), ("c1", Rule::BW_4));
    let lower = network.transitions(&[set(1_000), set(200), set(200)]).unwrap();
    assert_eq!(lower.iter().map(azroute::analysis::Transition::downtime).collect::<Vec<_>>(), [false, true]);
    // Meanwhile the circuit is not there.
    let meanwhile = network.apply(&[lower[1].meanwhile().unwrap()]).unwrap();
    assert_end(&meanwhile.resolve("vm", ip("10.50.0.9")).unwrap(), "Drop(NoneRoute, 10.0.0.0/8)");
    // A replaced circuit counts the same.
    let mut small = network.topology().document().express_route_circuits[0].clone();
    small.bandwidth_in_mbps = Some(50);
    assert!(network.transitions(&[Change::upsert(small)]).unwrap()[0].downtime());
    assert!(
        network.transitions(&[Change::SetBandwidth { circuit: "x".into(), bandwidth_in_mbps: 1 }]).is_err()
    );
    let after = network.apply(&[set(200)]).unwrap().resolve("vm", ip("10.50.0.9")).unwrap().into_answer();
    assert_eq!(after.path().bandwidth().unwrap().guaranteed_in_mbps, 200);
}

#[test]
fn bw_5_the_least_of_circuit_and_gateway() {
    assert_eq!(carries(sized(5_000, "ErGw1Az"), "vm", "10.50.0.9"), some(1_000, 1_000, "ergw"));
    assert_eq!(carries(sized(5_000, "HighPerformance"), "vm", "10.50.0.9"), some(2_000, 2_000, "ergw"));
    assert_eq!(carries(sized(5_000, "UltraPerformance"), "vm", "10.50.0.9"), some(5_000, 10_000, "c1"));
    // Twice the circuit may flow, and the gateway lets no more through than it has.
    assert_eq!(carries(sized(1_000, "ErGw1Az"), "vm", "10.50.0.9"), some(1_000, 1_000, "ergw"));
    assert_eq!(carries(sized(10_000, "ErGwScale"), "vm", "10.50.0.9"), some(1_000, 20_000, "ergw"));
}

/// BW-5, ER-15: Global Reach carries what the smaller circuit does.
#[test]
fn bw_5_over_global_reach_the_smaller_circuit_counts() {
    let mut far = site("far", &["10.60.0.0/16"], &["c2"]);
    far.advertisements[0].as_path = vec![azroute::model::Asn(65_002)];
    let built = er(base()).with(circuit("c2")).with(far).configure(|d| {
        d.express_route_circuits[0].bandwidth_in_mbps = Some(1_000);
        d.express_route_circuits[1].bandwidth_in_mbps = Some(200);
        d.express_route_circuits[0].global_reach = vec!["c2".into()];
    });
    assert_eq!(carries(built.clone(), "dc", "10.60.0.9"), some(200, 400, "c2"));
    assert_eq!(carries(built, "far", "10.50.0.9"), some(200, 400, "c2"));
}

/// BW-6, ER-22: inbound FastPath passes the gateway by, outbound it does not.
#[test]
fn bw_6_fastpath_takes_the_gateways_ceiling_away_inbound() {
    let built = |fast: bool| {
        sized(5_000, "ErGw1Az").configure(move |d| d.connections[0].express_route_gateway_bypass = fast)
    };
    assert_eq!(carries(built(true), "dc", "10.0.0.4"), some(5_000, 10_000, "c1"));
    assert_eq!(carries(built(false), "dc", "10.0.0.4"), some(1_000, 1_000, "ergw"));
    assert_eq!(carries(built(true), "vm", "10.50.0.9"), some(1_000, 1_000, "ergw"));
}

/// BW-7: one circuit is capped; a second one adds its own, and each path says what its own circuit carries.
#[test]
fn bw_7_a_large_customer_takes_several_circuits() {
    let mut dc = site("dc", &["10.50.0.0/16"], &["c1", "c2"]);
    dc.advertisements[1].as_path = dc.advertisements[0].as_path.clone();
    let built =
        sized(10_000, "").with(dc).with(circuit("c2")).with(er_connection("ergw", "c2")).configure(|d| {
            d.express_route_circuits[1].bandwidth_in_mbps = Some(5_000);
        });
    let answer = ask(built, "vm", "10.50.0.9");
    let mut all: Vec<u32> = answer.paths().map(|path| path.bandwidth().unwrap().guaranteed_in_mbps).collect();
    all.sort_unstable();
    assert_eq!(all, [5_000, 5_000, 10_000, 10_000]);
}
