//! COEX, ER-8 and ER-9: several ways to one prefix.

use std::collections::BTreeSet;

use azroute::model::{
    Advertisement, Asn, Change, HubRoutingPreference, OnPremisesNextHop, RouteServer, TopologyBuilder,
};
use azroute::resolve::{Disposition, DropReason};

use crate::selection::support::{Lab, S, Steps, base, net};

/// Circuits or gateways on the ways to an address.
fn ways(lab: &Lab, destination: &str) -> BTreeSet<String> {
    let answer = lab.answer(S, destination);
    let mut found = BTreeSet::new();
    for path in answer.paths() {
        let via = path.hops().iter().find(|hop| matches!(hop.place, azroute::resolve::Place::Gateway(_)));
        let hop = via.unwrap();
        found.insert(hop.via.as_ref().or(hop.place.id()).unwrap().to_string());
    }
    found
}

fn only(id: &str) -> BTreeSet<String> {
    [id.to_owned()].into()
}

fn route_server(preference: HubRoutingPreference) -> RouteServer {
    RouteServer {
        id: "ars".into(),
        virtual_network: "v".into(),
        virtual_router_ips: Vec::new(),
        allow_branch_to_branch_traffic: false,
        hub_routing_preference: preference,
        bgp_connections: Vec::new(),
        learned_routes: Vec::new(),
    }
}

/// A site behind circuits `a` and `b`, with a weight and an AS path length each.
fn circuits(a: (u16, usize), b: (u16, usize)) -> TopologyBuilder {
    base().er(&[]).circuit("a", a.0).circuit("b", b.0).site("dc", "10.50.0.0/16", "a").configure(|d| {
        let site = &mut d.on_premises_sites[0];
        site.advertisements[0].as_path = vec![Asn(65001); a.1];
        site.advertisements.push(Advertisement::new("b", [net("10.50.0.0/16")], vec![Asn(65001); b.1]));
    })
}

/// Longest prefix, then weight, then path, then equal cost.
#[test]
fn er_8_weight_then_path_then_equal_cost() {
    let to = |a, b| ways(&circuits(a, b).lab(), "10.50.0.1");
    assert_eq!(to((0, 1), (100, 5)), only("b-conn"), "weight before path");
    assert_eq!(to((101, 5), (100, 1)), only("a-conn"));
    assert_eq!(to((7, 1), (7, 2)), only("a-conn"), "path at equal weight");
    assert_eq!(to((0, 3), (0, 2)), only("b-conn"));
    assert_eq!(to((7, 2), (7, 2)).len(), 2, "equal cost");
    let longer = circuits((0, 1), (100, 1))
        .configure(|d| d.on_premises_sites[0].advertisements[0].prefixes.push(net("10.50.0.0/25")))
        .lab();
    assert_eq!(ways(&longer, "10.50.0.1"), only("a-conn"), "the longest prefix before weight");
    assert_eq!(ways(&longer, "10.50.0.129"), only("b-conn"));
    let lost = circuits((0, 1), (100, 5)).lab();
    assert_eq!(
        lost.s("10.50.0.0/16"),
        [
            "Active VirtualNetworkGateway VirtualNetworkGateway ER-8",
            "Absent VirtualNetworkGateway VirtualNetworkGateway ER-8"
        ]
    );
    assert!(circuits((32_000, 1), (0, 1)).build().is_ok());
    assert!(circuits((32_001, 1), (0, 1)).build().is_err(), "weights end at 32000");
}

/// With a Route Server in the network one connection carries all: the one with the lowest id.
#[test]
fn er_9_equal_advertisements_share_or_with_a_route_server_do_not() {
    let both = circuits((0, 1), (0, 1));
    assert_eq!(ways(&both.clone().lab(), "10.50.0.1"), ["a-conn".to_owned(), "b-conn".to_owned()].into());
    let server = || both.clone().with(route_server(HubRoutingPreference::ExpressRoute));
    assert_eq!(ways(&server().lab(), "10.50.0.1"), only("a-conn"));
    // By id, not by order of declaration.
    let reversed = server().configure(|d| d.connections.reverse()).lab();
    assert_eq!(ways(&reversed, "10.50.0.1"), only("a-conn"));
    let heavier = circuits((0, 1), (1, 1)).with(route_server(HubRoutingPreference::ExpressRoute)).lab();
    assert_eq!(ways(&heavier, "10.50.0.1"), only("b-conn"), "only among equal ones");
}

#[test]
fn coex_1_express_route_wins_at_equal_prefix_the_longest_otherwise() {
    let lab = base()
        .er(&["10.50.0.0/16", "10.60.0.0/24"])
        .vpn(&["10.50.0.0/16", "10.50.1.0/24", "10.60.0.0/16"])
        .lab();
    assert_eq!(ways(&lab, "10.50.2.1"), only("er"));
    assert_eq!(ways(&lab, "10.50.1.1"), only("vpn"));
    assert_eq!(ways(&lab, "10.60.0.1"), only("er"));
    assert_eq!(ways(&lab, "10.60.1.1"), only("vpn"));
    assert_eq!(
        lab.s("10.50.0.0/16"),
        [
            "Active VirtualNetworkGateway VirtualNetworkGateway COEX-1",
            "Absent VirtualNetworkGateway VirtualNetworkGateway COEX-1"
        ]
    );
    // A static prefix of the VPN makes no difference.
    let fixed = base().er(&["10.50.0.0/16"]).vpn(&[]).branch("b", &["10.50.0.0/16"], false).lab();
    assert_eq!(ways(&fixed, "10.50.0.1"), only("er"));
}

/// Only the preference of a Route Server makes the path count.
#[test]
fn coex_2_the_path_does_not_count_by_default() {
    let long = || {
        base().er(&["10.50.0.0/16"]).vpn(&["10.50.0.0/16"]).configure(|d| {
            d.virtual_network_gateways[0].learned_routes[0].as_path = vec![Asn(65001); 8];
        })
    };
    assert_eq!(ways(&long().lab(), "10.50.0.1"), only("er"));
    let with = |preference| ways(&long().with(route_server(preference)).lab(), "10.50.0.1");
    assert_eq!(with(HubRoutingPreference::ExpressRoute), only("er"));
    assert_eq!(with(HubRoutingPreference::AsPath), only("vpn"));
    assert_eq!(with(HubRoutingPreference::VpnGateway), only("vpn"));
}

/// Overruled: routes of both gateways are never one equal-cost set.
#[test]
fn coex_3_the_two_gateways_are_no_equal_cost_set() {
    let lab = base().er(&["10.50.0.0/16"]).vpn(&["10.50.0.0/16"]).lab();
    assert_eq!(ways(&lab, "10.50.0.1").len(), 1);
}

/// Sites `dc` behind the circuit and `site` behind the tunnel.
fn both() -> TopologyBuilder {
    base().er(&[]).circuit("c", 0).site("dc", "10.50.0.0/16", "c").vpn(&[]).branch("b", &[], true).site(
        "site",
        "10.60.0.0/16",
        "b",
    )
}

#[test]
fn coex_4_no_routing_between_the_vpn_and_the_circuit() {
    let lab = both().sends("site", "10.50.0.0/16", OnPremisesNextHop::Connection("b".into())).lab();
    assert_eq!(lab.dropped("site", "10.50.0.1"), DropReason::NoTransit("vpn".into()));
    assert!(matches!(lab.end("site", "10.0.0.1"), Disposition::Delivered(_)));
    let untold = both().lab();
    assert_eq!(untold.dropped("site", "10.50.0.1"), DropReason::NoRoute, "not even advertised");
    assert_eq!(untold.dropped("dc", "10.60.0.1"), DropReason::NoRoute);
}

/// One site on both: VPN takes over when the circuit goes, in both directions.
#[test]
fn coex_5_vpn_takes_over_when_express_route_goes() {
    let lab = base()
        .er(&[])
        .circuit("c", 0)
        .site("dc", "10.50.0.0/16", "c")
        .vpn(&[])
        .branch("b", &[], true)
        .configure(|d| {
            let backup = Advertisement::new("b", [net("10.50.0.0/16")], [Asn(65001)]);
            d.on_premises_sites[0].advertisements.push(backup);
        })
        .lab();
    assert_eq!(ways(&lab, "10.50.0.1"), only("c-conn"));
    assert!(lab.passes("dc", "10.0.0.1", "er") && !lab.passes("dc", "10.0.0.1", "vpn"));
    let cut = Change::SetConnection { connection: "c-conn".into(), connected: false };
    let cut = Lab { network: lab.network.apply(&[cut]).unwrap() };
    assert_eq!(ways(&cut, "10.50.0.1"), only("b"));
    assert_eq!(cut.end(S, "10.50.0.1"), Disposition::OnPremises("dc".into()));
    assert!(cut.passes("dc", "10.0.0.1", "vpn"));
    assert!(matches!(cut.end("dc", "10.0.0.1"), Disposition::Delivered(_)));
}

#[test]
fn coex_7_no_user_route_to_the_gateway() {
    let with = |builder: TopologyBuilder| builder.udr(&[("10.60.0.0/16", "VirtualNetworkGateway")]).lab();
    assert_eq!(with(both()).dropped(S, "10.60.0.1"), DropReason::UnsupportedGatewayNextHop);
    let alone = base().vpn(&[]).branch("b", &[], true).site("site", "10.60.0.0/16", "b");
    assert_eq!(with(alone).end(S, "10.60.0.1"), Disposition::OnPremises("site".into()));
    // Without the user route both sites are reached.
    assert_eq!(both().lab().end(S, "10.60.0.1"), Disposition::OnPremises("site".into()));
}
