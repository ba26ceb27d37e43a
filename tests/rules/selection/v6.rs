//! V6: the second family.

use azroute::model::{LearnedRoute, RouteServer, ServiceEndpoint, Topology, TopologyBuilder};
use azroute::resolve::{Disposition, DropReason, NextHop, ResolveError, Source};

use crate::selection::support::{Lab, NVA, S, Steps, ip, net};

/// `v` with both families.
fn dual() -> TopologyBuilder {
    Topology::builder()
        .virtual_network("v", &["10.0.0.0/16", "fd00:a::/48"])
        .subnet("v", "s", "10.0.0.0/24")
        .subnet("v", "nva", "10.0.100.0/24")
        .configure_subnet(S, |s| s.address_prefixes.push(net("fd00:a:0:1::/64")))
        .configure_subnet("v/subnets/nva", |s| s.address_prefixes.push(net("fd00:a:0:2::/64")))
        .appliance("fw6", "v/subnets/nva", "fd00:a:0:2::4")
        .appliance("fw", "v/subnets/nva", NVA)
}

fn hop6(lab: &Lab, destination: &str) -> String {
    match lab.network.next_hop(Source::at(S, ip("fd00:a:0:1::9")), ip(destination)).unwrap() {
        NextHop::Route(found) => format!("{} {}", found.route.next_hop_type, found.route.prefix),
        other => unreachable!("{other}"),
    }
}

/// A default of one family says nothing about the other.
#[test]
fn v6_1_families_are_resolved_apart() {
    let lab = dual()
        .er(&["0.0.0.0/0"])
        .route("rt", "six", "::/0", "VirtualAppliance", &["fd00:a:0:2::4"])
        .bind(S, "rt")
        .lab();
    assert_eq!(lab.hop("8.8.8.8"), "VirtualNetworkGateway 0.0.0.0/0");
    assert_eq!(hop6(&lab, "2001:db8::1"), "VirtualAppliance ::/0");
    let question = lab.network.resolve(Source::at(S, ip("10.0.0.9")), ip("2001:db8::1"));
    assert!(matches!(question, Err(ResolveError::FamilyMismatch { .. })), "{question:?}");
    // The None rows of IPv4 go by the default of IPv4 alone (SYS-9).
    let six = dual().route("rt", "six", "::/0", "VirtualAppliance", &["fd00:a:0:2::4"]).bind(S, "rt").lab();
    assert_eq!(six.s("10.0.0.0/8"), ["Active Default None SYS-3"]);
    assert_eq!(six.hop("8.8.8.8"), "Internet 0.0.0.0/0");
}

/// Own space, peers and a default; no reserved ranges, and private addresses drop at the edge.
#[test]
fn v6_2_system_rows() {
    let lab = dual().virtual_network("p", &["fd00:b::/48"]).peer("v", "p").lab();
    assert_eq!(lab.s("fd00:a::/48"), ["Active Default VnetLocal SYS-1"]);
    assert_eq!(lab.s("fd00:b::/48"), ["Active Default VNetPeering PEER-1"]);
    assert_eq!(lab.s("::/0"), ["Active Default Internet V6-2"]);
    let six = lab.rows(S).into_iter().filter(|r| r.prefix.addr().is_ipv6()).count();
    assert_eq!(six, 3, "no None rows");
    assert_eq!(hop6(&lab, "fd00:c::1"), "Internet ::/0");
    let answer = lab.network.resolve(Source::at(S, ip("fd00:a:0:1::9")), ip("fd00:c::1")).unwrap();
    assert_eq!(*answer.disposition(), Disposition::Dropped(DropReason::NoRoute));
    let answer = lab.network.resolve(Source::at(S, ip("fd00:a:0:1::9")), ip("2001:db8::1")).unwrap();
    assert!(matches!(answer.disposition(), Disposition::Egress(_)));
    // Without IPv6 space there is no default for it.
    let plain =
        Topology::builder().virtual_network("v", &["10.0.0.0/16"]).subnet("v", "s", "10.0.0.0/24").lab();
    assert!(plain.s("::/0").is_empty());
}

/// The next hop is of the prefix's family; a tag gives the prefixes of its next hop's family.
#[test]
fn v6_3_a_next_hop_of_the_same_family() {
    let route = |prefix: &str, hop: &str| {
        dual().route("rt", "x", prefix, "VirtualAppliance", &[hop]).bind(S, "rt").build()
    };
    assert!(route("fd00:c::/48", "fd00:a:0:2::4").is_ok());
    assert!(route("fd00:c::/48", NVA).is_err());
    assert!(route("10.50.0.0/16", "fd00:a:0:2::4").is_err());
    let tag = |hop: &str| {
        dual()
            .tag("Storage", &["198.51.100.0/24", "2001:db8:1::/48"])
            .route("rt", "x", "Storage", "VirtualAppliance", &[hop])
            .bind(S, "rt")
            .lab()
    };
    let row = "Active User VirtualAppliance UDR-10";
    assert_eq!(tag(NVA).s("198.51.100.0/24"), [row]);
    assert!(tag(NVA).s("2001:db8:1::/48").is_empty());
    assert_eq!(tag("fd00:a:0:2::4").s("2001:db8:1::/48"), [row]);
    assert!(tag("fd00:a:0:2::4").s("198.51.100.0/24").is_empty());
}

/// Only ExpressRoute carries it.
#[test]
fn v6_4_gateway_rows_come_from_express_route_only() {
    let both = ["10.50.0.0/16", "fd00:50::/32"];
    let row = "Active VirtualNetworkGateway VirtualNetworkGateway GWR-1";
    let er = dual().er(&both).lab();
    assert_eq!(er.s("fd00:50::/32"), [row]);
    assert_eq!(hop6(&er, "fd00:50::1"), "VirtualNetworkGateway fd00:50::/32");
    let over_circuit = dual().er(&[]).circuit("c", 0).site("dc", "fd00:50::/32", "c").lab();
    assert_eq!(over_circuit.s("fd00:50::/32"), [row]);
    let vpn = dual().vpn(&both).branch("b", &["10.60.0.0/16", "fd00:60::/32"], true).lab();
    let server = dual().with(RouteServer {
        id: "ars".into(),
        virtual_network: "v".into(),
        virtual_router_ips: Vec::new(),
        allow_branch_to_branch_traffic: false,
        hub_routing_preference: azroute::model::HubRoutingPreference::default(),
        bgp_connections: Vec::new(),
        learned_routes: both
            .iter()
            .map(|p| LearnedRoute { next_hop: Some(ip(NVA)), ..LearnedRoute::new(net(p), [65010.into()]) })
            .collect(),
    });
    let server = server.lab();
    for (name, lab) in [("vpn", vpn), ("server", server)] {
        assert_eq!(lab.s("10.50.0.0/16"), [row], "{name}");
        assert!(lab.s("fd00:50::/32").is_empty(), "{name}");
        assert!(lab.s("fd00:60::/32").is_empty(), "{name}");
    }
}

/// A dual-stack network and one of IPv4 alone: rows of the family that both have.
#[test]
fn v6_5_peering_gives_rows_of_each_family_present() {
    let lab =
        dual().virtual_network("p", &["10.1.0.0/16"]).subnet("p", "a", "10.1.1.0/24").peer("v", "p").lab();
    let row = "Active Default VNetPeering PEER-1";
    assert_eq!(lab.s("10.1.0.0/16"), [row]);
    assert_eq!(lab.at("p/subnets/a", "10.0.0.0/16"), [row]);
    assert_eq!(lab.at("p/subnets/a", "fd00:a::/48"), ["Absent Default VNetPeering V6-5"]);
    assert!(lab.at("p/subnets/a", "::/0").is_empty());
    let six = dual()
        .virtual_network("p", &["10.1.0.0/16", "fd00:b::/48"])
        .subnet("p", "a", "10.1.1.0/24")
        .peer_with("v", "p", |half| half.enable_only_ipv6_peering = true)
        .peer_with("p", "v", |half| half.enable_only_ipv6_peering = true)
        .lab();
    assert_eq!(six.s("fd00:b::/48"), [row]);
    assert_eq!(six.at("p/subnets/a", "fd00:a::/48"), [row]);
    assert!(six.s("10.1.0.0/16").is_empty());
}

#[test]
fn v6_6_service_endpoints_are_ipv4_only() {
    let lab = dual()
        .tag("Storage", &["198.51.100.0/24", "2001:db8:1::/48"])
        .configure_subnet(S, |s| s.service_endpoints.push(ServiceEndpoint::new("Microsoft.Storage")))
        .lab();
    assert_eq!(lab.s("198.51.100.0/24"), ["Active Default VirtualNetworkServiceEndpoint SE-1"]);
    assert!(lab.s("2001:db8:1::/48").is_empty());
    assert_eq!(hop6(&lab, "2001:db8:1::1"), "Internet ::/0");
}
