//! Findings that need the whole picture: for each kind a small design that has it and a twin that does not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use azroute::analysis::{FindingCode as Code, Severity};
use azroute::model::{Advertisement, Asn, OnPremisesSite, TopologyBuilder};
use azroute::rule::Rule;

use super::findings::{circuit, express_route, has, hub, lacks, link, net, on_premises, to_fw};

#[test]
fn sel_2_a_route_that_longer_routes_cover_is_told() {
    let code = Code::ShadowedUserRoute;
    let halves = |count: usize| {
        let mut design = to_fw(hub().peer("hub", "spoke"), "172.16.0.0/12");
        for (at, half) in ["172.16.0.0/13", "172.24.0.0/13"].into_iter().take(count).enumerate() {
            design = design.route("rt", &format!("half{at}"), half, "VirtualAppliance", &["10.0.1.4"]);
        }
        design
    };
    has(halves(2), code, Rule::SEL_2, "rt/routes/r");
    // An address is left.
    lacks(halves(1), code);
    lacks(halves(0), code);
    // Gateway routes cover it as well, where the table takes them.
    let prefixes = ["172.16.0.0/13", "172.24.0.0/13"];
    has(to_fw(on_premises(&prefixes), "172.16.0.0/12"), code, Rule::SEL_2, "rt/routes/r");
    let refused = to_fw(on_premises(&prefixes), "172.16.0.0/12")
        .configure(|d| d.route_tables[0].disable_bgp_route_propagation = true);
    lacks(refused, code);
    // One subnet that follows it is enough.
    let twice = halves(2).bind("hub/subnets/work", "rt2").route("rt2", "r", "172.16.0.0/12", "None", &[]);
    has(twice, code, Rule::SEL_2, "rt/routes/r");
}

#[test]
fn udr_1_a_table_that_nobody_is_bound_to_is_told() {
    let code = Code::UnboundRouteTable;
    let loose = hub().route("loose", "r", "172.16.0.0/12", "None", &[]);
    assert_eq!(has(loose, code, Rule::UDR_1, "loose").severity, Severity::Info);
    lacks(hub().route("rt", "r", "172.16.0.0/12", "None", &[]).bind("spoke/subnets/web", "rt"), code);
}

fn two_spokes(prefixes: &[&str]) -> TopologyBuilder {
    on_premises(prefixes)
        .virtual_network("spoke2", &["10.2.0.0/16"])
        .subnet("spoke2", "web", "10.2.0.0/24")
        .peer_with_gateway_transit("hub", "spoke2")
}

#[test]
fn sel_2_a_summary_that_takes_in_a_network_is_told() {
    let code = Code::LeakedSummary;
    let found = has(two_spokes(&["10.0.0.0/8", "192.168.0.0/16"]), code, Rule::SEL_2, "hub");
    assert!(found.message.starts_with("10.0.0.0/8 takes in "), "{found}");
    assert!(found.message.contains("`spoke`") && found.message.contains("`spoke2`"), "{found}");
    // What is longer than the space is no summary of it, and a default route is meant for everything.
    lacks(two_spokes(&["10.2.0.0/24", "0.0.0.0/0", "192.168.0.0/16"]), code);
    // Spokes that know each other, or a user route that is as long, keep packets in Azure.
    lacks(two_spokes(&["10.0.0.0/8"]).peer("spoke", "spoke2"), code);
    let by_fw = two_spokes(&["10.0.0.0/8"])
        .route("rt", "r", "10.0.0.0/8", "VirtualAppliance", &["10.0.1.4"])
        .bind("spoke/subnets/web", "rt")
        .bind("spoke2/subnets/web", "rt");
    lacks(by_fw, code);
}

fn with_sites(one: (&str, &str), other: (&str, &str)) -> TopologyBuilder {
    let site = |id: &str, (tenant, prefix): (&str, &str), over: &str| {
        let mut site = OnPremisesSite::new(id, [net(prefix)]);
        site.tenant = (!tenant.is_empty()).then(|| tenant.to_owned());
        site.advertisements = vec![Advertisement::new(over, [net(prefix)], [Asn(65_001)])];
        site
    };
    let circuit_of = |id: &str, tenant: &str| {
        let mut circuit = circuit(id);
        circuit.tenant = (!tenant.is_empty()).then(|| tenant.to_owned());
        circuit
    };
    hub()
        .with(express_route())
        .with(circuit_of("er1", one.0))
        .with(circuit_of("er2", other.0))
        .with(link("c1", "er", "er1"))
        .with(link("c2", "er", "er2"))
        .with(site("a", one, "er1"))
        .with(site("b", other, "er2"))
}

#[test]
fn iso_1_tenants_with_overlapping_addresses_that_meet_are_told() {
    let code = Code::TenantsMeet;
    let found = has(with_sites(("red", "172.16.0.0/12"), ("blue", "172.20.0.0/16")), code, Rule::ISO_1, "er");
    assert!(found.message.contains("172.20.0.0/16"), "{found}");
    lacks(with_sites(("red", "172.16.0.0/16"), ("blue", "172.20.0.0/16")), code);
    lacks(with_sites(("red", "172.16.0.0/12"), ("RED", "172.20.0.0/16")), code);
    lacks(with_sites(("", "172.16.0.0/12"), ("", "172.20.0.0/16")), code);
    // A default route is everybody's.
    lacks(with_sites(("red", "0.0.0.0/0"), ("blue", "172.20.0.0/16")), code);
    // Each at a gateway of its own, they do not meet.
    let apart = with_sites(("red", "172.16.0.0/12"), ("blue", "172.20.0.0/16")).configure(|document| {
        document.connections.retain(|connection| connection.id != "c2".into());
    });
    lacks(apart, code);
}
