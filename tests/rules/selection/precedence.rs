//! SEL: which route an address follows.

use std::collections::BTreeSet;

use azroute::model::{BgpShadow, Connection, ConnectionType, GatewayType, LearnedRoute, TopologyBuilder};
use azroute::resolve::{Flow, Source};

use crate::selection::support::{S, Steps, base, ip, net, peered, space};

const LEARNED: &str = "Active VirtualNetworkGateway VirtualNetworkGateway GWR-1";
const REFUSED: &str = "Absent VirtualNetworkGateway VirtualNetworkGateway SEL-6";

#[test]
fn sel_1_only_the_destination_selects() {
    let lab = base().nic("a", S, "10.0.0.4").er(&["10.50.0.0/16"]).udr(&[("10.50.1.0/24", "NVA")]).lab();
    for destination in ["10.50.1.1", "10.50.2.1", "8.8.8.8", "10.0.0.200"] {
        let from = |source: Source| lab.answer(source, destination).next_hop().clone();
        let expected = from(S.into());
        for source in ["10.0.0.4", "10.0.0.99", "10.50.1.7", "203.0.113.5"] {
            assert_eq!(from(Source::at(S, ip(source))), expected, "{source} -> {destination}");
        }
        assert_eq!(from("a".into()), expected);
    }
}

#[test]
fn sel_2_the_longest_prefix_wins() {
    let lab = base()
        .er(&["10.50.0.0/16", "10.50.1.0/24", "10.50.1.128/25"])
        .udr(&[("10.50.0.0/15", "NVA"), ("10.50.1.129/32", "None")])
        .lab();
    assert_eq!(lab.hop("10.51.0.1"), "VirtualAppliance 10.50.0.0/15");
    assert_eq!(lab.hop("10.50.2.1"), "VirtualNetworkGateway 10.50.0.0/16");
    assert_eq!(lab.hop("10.50.1.1"), "VirtualNetworkGateway 10.50.1.0/24");
    assert_eq!(lab.hop("10.50.1.128"), "VirtualNetworkGateway 10.50.1.128/25");
    assert_eq!(lab.hop("10.50.1.129"), "None 10.50.1.129/32");
    let explained = lab.network.explain(S, ip("10.50.1.128")).unwrap();
    let shorter = explained.decisions()[0].losers.iter().filter(|l| l.beaten_by.id() == "SEL-2");
    assert_eq!(shorter.map(|l| l.candidate.prefix.prefix_len()).collect::<Vec<_>>(), [24, 16, 15, 8, 0]);
}

#[test]
fn sel_3_unequal_prefixes_do_not_invalidate_each_other() {
    let lab = peered().er(&["10.50.0.0/16"]).udr(&[("10.0.0.0/8", "NVA"), ("10.0.3.0/24", "None")]).lab();
    assert_eq!(lab.s("10.0.0.0/16"), ["Active Default VnetLocal SYS-1"]);
    assert_eq!(lab.s("10.1.0.0/16"), ["Active Default VNetPeering PEER-1"]);
    assert_eq!(lab.s("10.50.0.0/16"), [LEARNED]);
    assert_eq!(lab.hop("10.0.7.7"), "VnetLocal 10.0.0.0/16");
    assert_eq!(lab.hop("10.0.3.7"), "None 10.0.3.0/24");
}

#[test]
fn sel_4_user_then_gateway_then_system() {
    let user = "Active User VirtualAppliance UDR-2";
    let beaten = "Invalid VirtualNetworkGateway VirtualNetworkGateway SEL-4";
    let lab =
        base().er(&["0.0.0.0/0", "10.50.0.0/16"]).udr(&[("0.0.0.0/0", "NVA"), ("10.50.0.0/16", "NVA")]).lab();
    assert_eq!(lab.s("10.50.0.0/16"), [user, beaten]);
    assert_eq!(lab.s("0.0.0.0/0")[..2], [user, beaten]);
    let gateway = base().er(&["0.0.0.0/0"]).lab();
    assert_eq!(gateway.s("0.0.0.0/0")[0], LEARNED);
    assert_eq!(gateway.hop("8.8.8.8"), "VirtualNetworkGateway 0.0.0.0/0");
}

/// Own space, peering and service endpoints against gateway routes of the same or longer prefix.
#[test]
fn sel_5_protected_rows_beat_gateway_routes() {
    let lab = peered()
        .er(&[
            "10.0.0.0/16",
            "10.0.5.0/24",
            "10.1.0.0/16",
            "10.1.5.0/24",
            "198.51.100.0/24",
            "198.51.100.0/28",
        ])
        .tag("Storage", &["198.51.100.0/24"])
        .configure_subnet(S, |s| {
            s.service_endpoints.push(azroute::model::ServiceEndpoint::new("Microsoft.Storage"));
        })
        .lab();
    assert_eq!(lab.hop("10.0.5.9"), "VnetLocal 10.0.0.0/16");
    assert_eq!(lab.hop("10.1.5.9"), "VNetPeering 10.1.0.0/16");
    assert_eq!(lab.hop("198.51.100.9"), "VirtualNetworkServiceEndpoint 198.51.100.0/24");
    assert!(
        lab.s("198.51.100.0/24")
            .contains(&"Invalid VirtualNetworkGateway VirtualNetworkGateway SEL-5".to_owned())
    );
    // The default is not protected.
    assert_eq!(base().er(&["0.0.0.0/0"]).lab().hop("8.8.8.8"), "VirtualNetworkGateway 0.0.0.0/0");
}

/// Equal to or inside own or directly peered space: absent, in each receiving network by its own peers. Supersets are
/// taken.
#[test]
fn sel_6_what_a_network_knows_is_not_programmed() {
    let lab = peered()
        .peer_with("v", "q", |half| half.allow_gateway_transit = true)
        .virtual_network("q", &["10.2.0.0/16"])
        .subnet("q", "a", "10.2.1.0/24")
        .peer_with("q", "v", |half| half.use_remote_gateways = true)
        .er(&["10.0.0.0/16", "10.0.5.0/24", "10.0.0.0/15", "10.1.0.0/16", "10.1.1.0/24", "10.2.3.0/24"])
        .lab();
    for refused in ["10.0.0.0/16", "10.0.5.0/24", "10.1.0.0/16", "10.1.1.0/24", "10.2.3.0/24"] {
        assert!(lab.s(refused).contains(&REFUSED.to_owned()), "{refused}");
        assert!(!lab.rows(S).iter().any(|r| r.prefix == net(refused) && r.source.as_str() != "Default"));
    }
    assert_eq!(lab.s("10.0.0.0/15"), [LEARNED]);
    assert_eq!(lab.hop("10.1.1.1"), "VNetPeering 10.1.0.0/16");
    // `q` is not peered with `p`: there the same routes are taken.
    assert_eq!(lab.at("q/subnets/a", "10.1.0.0/16"), [LEARNED]);
    assert_eq!(lab.at("q/subnets/a", "10.1.1.0/24"), [LEARNED]);
    assert!(lab.at("q/subnets/a", "10.0.5.0/24").contains(&REFUSED.to_owned()));
    assert!(lab.at("q/subnets/a", "10.2.3.0/24").contains(&REFUSED.to_owned()));
    assert_eq!(lab.hop_from("q/subnets/a", "10.1.1.1"), "VirtualNetworkGateway 10.1.1.0/24");
}

#[test]
fn sel_7_protected_rows_give_way_to_user_routes() {
    let equal = peered().udr(&[("10.0.0.0/16", "NVA"), ("10.1.0.0/16", "None")]).lab();
    assert_eq!(
        equal.s("10.0.0.0/16"),
        ["Active User VirtualAppliance UDR-2", "Invalid Default VnetLocal SEL-7"]
    );
    assert_eq!(equal.s("10.1.0.0/16"), ["Active User None UDR-2", "Invalid Default VNetPeering SEL-7"]);
    assert_eq!(equal.hop("10.1.2.3"), "None 10.1.0.0/16");
    let longer = peered().udr(&[("10.0.5.0/24", "NVA"), ("10.1.2.0/24", "None")]).lab();
    assert_eq!(longer.s("10.0.0.0/16"), ["Active Default VnetLocal SYS-1"]);
    assert_eq!(longer.hop("10.0.5.5"), "VirtualAppliance 10.0.5.0/24");
    assert_eq!(longer.hop("10.1.2.3"), "None 10.1.2.0/24");
    assert_eq!(longer.hop("10.1.3.3"), "VNetPeering 10.1.0.0/16");
    let shorter = peered().udr(&[("10.0.0.0/15", "None")]).lab();
    assert_eq!(shorter.hop("10.1.3.3"), "VNetPeering 10.1.0.0/16");
}

/// What an overridden protected row still keeps out.
#[test]
fn sel_8_gateway_routes_beneath_an_overridden_protected_row() {
    let with = |shadow, udr: &str| {
        peered()
            .er(&["10.0.5.0/24", "10.1.5.0/24"])
            .udr(&[(udr, "NVA")])
            .knob(|k| k.bgp_shadow = shadow)
            .lab()
    };
    for (udr, inside, learned) in
        [("10.0.0.0/16", "10.0.5.9", "10.0.5.0/24"), ("10.1.0.0/16", "10.1.5.9", "10.1.5.0/24")]
    {
        let space = with(BgpShadow::ByAddressSpace, udr);
        assert_eq!(space.hop(inside), format!("VirtualAppliance {udr}"));
        assert_eq!(space.s(learned), [REFUSED]);
        let row = with(BgpShadow::ByActiveRow, udr);
        assert_eq!(row.hop(inside), format!("VirtualNetworkGateway {learned}"));
        assert_eq!(row.s(learned), [LEARNED]);
    }
    // A row that is Active still shields, and a longer user route does not override it.
    let longer = with(BgpShadow::ByActiveRow, "10.0.5.0/25");
    for shielded in ["10.0.5.0/24", "10.1.5.0/24"] {
        assert_eq!(longer.s(shielded), ["Invalid VirtualNetworkGateway VirtualNetworkGateway SEL-8"]);
    }
    assert_eq!(longer.hop("10.0.5.200"), "VnetLocal 10.0.0.0/16");
}

#[test]
fn sel_9_user_routes_do_not_suppress_longer_gateway_routes() {
    let lab = base().er(&["10.50.0.0/16"]).udr(&[("10.0.0.0/8", "NVA"), ("10.50.0.0/15", "None")]).lab();
    assert_eq!(lab.hop("10.50.1.1"), "VirtualNetworkGateway 10.50.0.0/16");
    assert_eq!(lab.hop("10.51.1.1"), "None 10.50.0.0/15");
    assert_eq!(lab.hop("10.60.1.1"), "VirtualAppliance 10.0.0.0/8");
}

/// The two ways to send on-premises traffic through an appliance.
#[test]
fn sel_10_as_specific_as_each_learned_prefix_or_no_propagation() {
    let learned = || base().er(&["10.50.0.0/16", "10.50.8.0/24"]);
    let bypassed = learned().udr(&[("10.50.0.0/16", "NVA")]).lab();
    assert_eq!(bypassed.hop("10.50.1.1"), "VirtualAppliance 10.50.0.0/16");
    assert_eq!(bypassed.hop("10.50.8.1"), "VirtualNetworkGateway 10.50.8.0/24");
    let each = learned().udr(&[("10.50.0.0/16", "NVA"), ("10.50.8.0/24", "NVA")]).lab();
    assert_eq!(each.hop("10.50.8.1"), "VirtualAppliance 10.50.8.0/24");
    let refused = learned()
        .udr(&[("10.50.0.0/16", "NVA")])
        .configure(|d| d.route_tables[0].disable_bgp_route_propagation = true)
        .lab();
    assert_eq!(refused.hop("10.50.8.1"), "VirtualAppliance 10.50.0.0/16");
}

/// Two VPN connections that advertise one prefix, with these AS path lengths.
fn tunnels(lengths: [usize; 2]) -> TopologyBuilder {
    let mut gateway = crate::selection::support::gateway("vpn", GatewayType::Vpn, &[]);
    for (id, length) in [("a", lengths[0]), ("b", lengths[1])] {
        let mut route = LearnedRoute::new(net("10.50.0.0/16"), vec![65001.into(); length]);
        route.connection = Some(id.into());
        gateway.learned_routes.push(route);
    }
    base()
        .with(gateway)
        .with(Connection::new("a", ConnectionType::IPsec, "vpn", "device-a"))
        .with(Connection::new("b", ConnectionType::IPsec, "vpn", "device-b"))
}

/// The gateway has chosen: one row, whose equal members are all in the answer; the rest lost before.
#[test]
fn sel_11_survivors_form_an_equal_cost_set() {
    let ways = |lab: &crate::selection::support::Lab| {
        let answer = lab.answer(S, "10.50.0.1");
        answer
            .paths()
            .map(|p| p.hops().last().unwrap().via.clone().unwrap().to_string())
            .collect::<BTreeSet<_>>()
    };
    let equal = tunnels([1, 1]).lab();
    assert_eq!(ways(&equal), ["a".to_owned(), "b".to_owned()].into());
    assert_eq!(equal.s("10.50.0.0/16"), [LEARNED], "one row");
    let chosen = tunnels([2, 1]).lab();
    assert_eq!(ways(&chosen), ["b".to_owned()].into());
    assert_eq!(chosen.rows(S).iter().filter(|r| r.prefix == net("10.50.0.0/16")).count(), 1);
    assert_eq!(chosen.s("10.50.0.0/16").len(), 2, "the loser is a candidate that is not listed");
}

/// A flow takes one member of the set, the same one each time; different flows take different ones.
#[test]
fn sel_12_a_flow_picks_one_member() {
    let lab = tunnels([1, 1]).lab();
    assert_eq!(lab.answer(S, "10.50.0.1").paths().count(), 2);
    assert!(lab.rules(S, "10.50.0.1").contains(&"SEL-12"));
    let pick = |port| {
        let answer = lab.network.resolve_flow(&Flow::tcp(S, port, ip("10.50.0.1"), 443)).unwrap();
        assert_eq!(answer.paths().count(), 1);
        answer.path().hops().last().unwrap().via.clone().unwrap().to_string()
    };
    let picks: Vec<String> = (40_000..40_050).map(pick).collect();
    assert_eq!(picks, (40_000..40_050).map(pick).collect::<Vec<_>>());
    assert_eq!(picks.iter().collect::<BTreeSet<_>>().len(), 2);
}

/// IPv4 always has its default; a network without IPv6 space has no route for an IPv6 destination.
#[test]
fn sel_13_no_route() {
    let v4_only = base().lab();
    assert_eq!(v4_only.hop("255.255.255.255"), "Internet 0.0.0.0/0");
    let dual = space(&["10.0.0.0/16", "fd00:1::/48"]).udr(&[("fd00:2::/48", "None")]);
    assert_eq!(
        dual.lab()
            .network
            .next_hop(Source::at(S, ip("fd00:1::1")), ip("fd00:3::1"))
            .unwrap()
            .route()
            .unwrap()
            .prefix,
        net("::/0")
    );
    let answer = v4_only.network.resolve(Source::at(S, ip("fd00:1::1")), ip("2001:db8::1"));
    let answer = answer.unwrap();
    assert_eq!(
        *answer.disposition(),
        azroute::resolve::Disposition::Dropped(azroute::resolve::DropReason::NoRoute)
    );
}
