//! Where questions start: names, addresses, tenants, host ranges, routers; and IPv6 walks.

use azroute::model::{
    Change, HostRange, Knobs, LinkRole, NetworkInterface, OnPremisesNextHop, Router, VirtualNetwork,
};
use azroute::resolve::{DispositionKind, NextHop, ResolveError, Source};

use super::support::*;

#[test]
fn sys_14_and_sys_16_ends_without_an_interface() {
    assert_end(&ask(base(), "vm", "168.63.129.16"), "PlatformHost");
    assert_end(&ask(base(), "vm", "10.0.0.77"), "Delivered(subnet v/subnets/s)");
    assert_end(&ask(base(), "vm", "10.0.77.7"), "Delivered(virtual network v)");
    let strict = base().knobs(Knobs { strict_hosts: true, ..Knobs::default() });
    assert_end(&ask(strict, "vm", "10.0.77.7"), "Drop(NoSuchHost)");
}

#[test]
fn iso_1_an_address_of_several_tenants_is_an_error_that_lists_them() {
    let mut other = VirtualNetwork::new("w", nets(&["10.0.0.0/16"]));
    other.tenant = Some("fabrikam".into());
    let network = build(base().with(other).subnet("w", "t", "10.0.0.0/24"));
    match network.resolve("10.0.0.4", ip("8.8.8.8")) {
        Err(ResolveError::AmbiguousSource { candidates, .. }) => {
            assert_eq!(candidates, ["vm".into(), "w/subnets/t".into()]);
        }
        found => assert!(found.is_err(), "{found:?}"),
    }
    let named = network.resolve("w/subnets/t", ip("8.8.8.8")).unwrap();
    assert_eq!(named.header().source, ip("10.0.0.4"), "the first address Azure gives out");
    assert!(network.resolve("10.9.9.9", ip("8.8.8.8")).is_err());
}

#[test]
fn walk_1_positions_are_ids_or_ends_of_ids() {
    let network = build(er(spokes(base())));
    let start = |name: &str| network.resolve(name, ip("10.0.0.9")).map(|a| a.position().to_string());
    assert_eq!(start("p/subnets/s").unwrap(), "subnet p/subnets/s");
    assert_eq!(start("P/SUBNETS/S").unwrap(), "subnet p/subnets/s");
    assert_eq!(start("nva").unwrap(), "subnet v/subnets/nva", "the end of an id, at a slash");
    assert!(matches!(start("va"), Err(ResolveError::UnknownSource { .. })));
    match start("s") {
        Err(ResolveError::AmbiguousSource { candidates, .. }) => assert_eq!(candidates.len(), 3),
        found => assert!(found.is_err(), "{found:?}"),
    }
    assert_eq!(start("10.1.0.4").unwrap(), "network interface pvm");
    assert_eq!(start("10.1.0.77").unwrap(), "subnet p/subnets/s");
    assert_eq!(start("10.50.3.3").unwrap(), "on-premises dc");
    let unplaced = NetworkInterface { id: "loose".into(), ..NetworkInterface::default() };
    let network = network.apply(&[Change::upsert(unplaced)]).unwrap();
    let found = network.resolve("loose", ip("10.0.0.4"));
    assert!(matches!(found, Err(ResolveError::UnplacedSource { .. })), "{found:?}");
}

#[test]
fn walk_17_host_ranges_and_routers_are_positions() {
    let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
    dc.host_ranges = vec![HostRange { name: "branch".into(), prefix: net("10.50.7.0/24") }];
    dc.routers =
        vec![Router { addresses: vec![ip("192.168.0.1")], stateful: true, ..router("r1") }, router("r2")];
    let network = build(er(base()).with(dc));
    let from = |name: &str| network.resolve(name, ip("10.0.0.4")).unwrap();
    let range = from("branch");
    assert_eq!(
        (range.header().source, ends(&range)[0].as_str()),
        (ip("10.50.7.1"), "Delivered(network interface vm)")
    );
    let router = from("dc/routers/r1");
    assert_eq!(router.header().source, ip("192.168.0.1"));
    assert!(router.hops().next().unwrap().stateful);
    assert_eq!(from("192.168.0.1").position(), router.position());
    assert!(matches!(router.next_hop(), NextHop::OnPremises(places) if places.len() == 2));
    // The router answers its own address.
    assert_end(&network.resolve("dc/routers/r2", ip("192.168.0.1")).unwrap(), "OnPremises(dc/routers/r1)");
    assert_end(&network.resolve("dc", ip("10.50.9.9")).unwrap(), "OnPremises(dc)");
}

#[test]
fn walk_17_costs_pick_the_way_and_equal_ones_are_all_taken() {
    // Two sites in a row, two ways: by `a` or `b`.
    let built = |cost: u32| {
        let mut edge = provider("edge");
        edge.routers = vec![router("e")];
        let mut core = provider("core");
        core.routers = vec![router("a"), router("b")];
        let mut second = link("l2", "dc", "core/routers/b");
        second.cost = cost;
        // Inside a site routers reach each other at no cost, so each has its own way on.
        er(base())
            .with(site("dc", &["10.50.0.0/16"], &[]))
            .with(edge)
            .with(core)
            .with(link("l1", "dc", "core/routers/a"))
            .with(second)
            .with(link("l3", "core/routers/a", "edge"))
            .with(link("l4", "core/routers/b", "edge"))
            .configure(|d| {
                let c1 = &mut d.express_route_circuits[0];
                c1.primary.edge_router = Some("edge/routers/e".into());
                c1.secondary.up = false;
            })
    };
    let tail = "edge/routers/e > c1:primary > ergw > vm";
    let (a, b) = (format!("dc > core/routers/a > {tail}"), format!("dc > core/routers/b > {tail}"));
    assert_eq!(ways(&ask(built(1), "dc", "10.0.0.4")), [a.clone(), b]);
    assert_eq!(ways(&ask(built(5), "dc", "10.0.0.4")), [a]);
}

#[test]
fn walk_17_given_routes_internet_and_discard() {
    let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
    dc.internet_breakout = true;
    dc.routes = vec![
        given("198.51.100.0/24", OnPremisesNextHop::Discard),
        given("10.0.0.0/16", by_circuit("c1", Some(LinkRole::Secondary))),
        given("203.0.113.0/24", OnPremisesNextHop::Site("dc2".into())),
    ];
    let mut far = site("dc2", &["203.0.113.0/24"], &[]);
    far.routes = vec![given("192.0.2.0/24", OnPremisesNextHop::Internet)];
    let built = er(base()).with(dc).with(far).with(link("l", "dc", "dc2"));
    let to = |destination| ask(built.clone(), "dc", destination);
    assert_end(&to("8.8.8.8"), "Egress(Internet, from dc)");
    assert_end(&to("198.51.100.7"), "Drop(Discarded, dc)");
    assert_way(&to("10.0.0.4"), "dc > c1:secondary > ergw > vm");
    assert_way(&to("203.0.113.9"), "dc > dc2");
    assert_end(&ask(built.clone(), "dc2", "192.0.2.9"), "Egress(Internet, from dc2)");
    // The breakout is `dc`'s; `dc2` reaches it over the link.
    assert_way(&ask(built, "dc2", "8.8.8.8"), "dc2 > dc");
}

#[test]
fn walk_7_given_routes_that_point_at_each_other_loop() {
    let at = |id: &str, to: &str| {
        let mut site = site(id, &[], &[]);
        site.routes = vec![given("192.0.2.0/24", OnPremisesNextHop::Site(to.into()))];
        site.prefixes = nets(&[if id == "a" { "10.1.0.0/16" } else { "10.2.0.0/16" }]);
        site
    };
    let built = base().with(at("a", "b")).with(at("b", "a")).with(link("l", "a", "b"));
    assert_end(&ask(built, "a", "192.0.2.1"), "Loop(on-premises a -> on-premises b)");
}

fn dual() -> azroute::model::TopologyBuilder {
    azroute::model::Topology::builder()
        .virtual_network("v", &["10.0.0.0/16", "fd00:1::/48"])
        .subnet("v", "s", "fd00:1:0:1::/64")
        .subnet("v", "nva", "fd00:1:0:2::/64")
        .nic("vm", "v/subnets/s", "fd00:1:0:1::4")
        .appliance("fw", "v/subnets/nva", "fd00:1:0:2::4")
}

#[test]
fn v6_1_a_v6_packet_walks_by_v6_routes() {
    let answer = ask(dual(), "vm", "fd00:1:0:2::4");
    assert_end(&answer, "Delivered(network interface fw)");
    let through = dual()
        .route("rt", "r", "2001:db8::/32", "VirtualAppliance", &["fd00:1:0:2::4"])
        .bind("v/subnets/s", "rt");
    assert_end(&ask(through, "vm", "2001:db8::9"), "Drop(PrivateSourceToInternet)");
    let network = build(dual());
    assert!(matches!(network.resolve("vm", ip("10.0.0.9")), Err(ResolveError::NoAddress { .. })));
    let mixed = network.resolve(Source::at("vm", ip("fd00:1:0:1::4")), ip("10.0.0.9"));
    assert!(matches!(mixed, Err(ResolveError::FamilyMismatch { .. })));
}

#[test]
fn v6_2_private_v6_follows_the_default_and_drops_at_the_edge() {
    let private = ask(dual(), "vm", "fd77::1");
    assert_end(&private, "Drop(NoRoute)");
    assert_eq!(private.next_hop().route().unwrap().prefix, net("::/0"));
    assert_end(&ask(dual(), "vm", "2001:db8::1"), "Egress(Internet, source unchanged)");
}

#[test]
fn v6_4_expressroute_carries_v6_vpn_does_not() {
    let mut dc = site("dc", &["fd50::/48"], &["c1"]);
    dc.advertisements[0].prefixes = nets(&["fd50::/48"]);
    let built =
        dual().with(er_gateway("ergw", "v")).with(circuit("c1")).with(er_connection("ergw", "c1")).with(dc);
    let pair = build(built).resolve_pair("vm", ip("fd50::9")).unwrap();
    assert_end(pair.forward(), "OnPremises(dc)");
    assert!(pair.returns(), "{}", pair.reply().unwrap());
    let vpn = branch(dual().with(vpn_gateway("vpngw", "v")), "s2s", "fd50::/48");
    assert_end(&ask(vpn.clone(), "vm", "fd50::9"), "Drop(NoRoute)");
    assert_end(&ask(vpn, "s2s-site", "fd00:1:0:1::4"), "Drop(NoRoute)");
}

#[test]
fn sel_13_no_route_at_all_is_said_so() {
    let network = build(base());
    let answer = network.resolve(Source::at("v/subnets/s", ip("fd00::4")), ip("2001:db8::1")).unwrap();
    assert_end(&answer, "Drop(NoRoute)");
    assert_eq!(*answer.next_hop(), NextHop::NoRoute);
    assert_eq!(answer.disposition().kind(), DispositionKind::Dropped);
}

#[test]
fn pe_6_a_private_endpoint_answers_past_the_appliance() {
    let built = |snat| {
        let nva = azroute::model::NetworkVirtualAppliance::new("nva", ["fw".into()]);
        let endpoint = azroute::model::PrivateEndpoint {
            id: "pe".into(),
            subnet: "v/subnets/pe".into(),
            private_ip_addresses: vec![ip("10.0.3.4")],
            ..Default::default()
        };
        routes(base(), "rt", &[("10.0.3.4/32", NVA)], &["v/subnets/s"])
            .subnet("v", "pe", "10.0.3.0/24")
            .with(endpoint)
            .with(azroute::model::NetworkVirtualAppliance { snat, ..nva })
    };
    let without = build(built(azroute::model::Snat::None)).resolve_pair("vm", ip("10.0.3.4")).unwrap();
    assert_end(without.forward(), "PrivateEndpoint(pe)");
    assert_way(without.forward(), "vm > nva > pe");
    assert_way(without.reply().unwrap(), "pe > vm");
    assert_eq!(without.asymmetries()[0].rule, azroute::rule::Rule::PE_6);
    let with = build(built(azroute::model::Snat::All)).resolve_pair("vm", ip("10.0.3.4")).unwrap();
    assert!(with.returns(), "{:?}", with.replies());
    assert_eq!(with.replies().len(), 2, "the appliance answers for the endpoint");
}

#[test]
fn se_2_a_service_endpoint_is_an_end_of_its_own() {
    let tag =
        azroute::model::ServiceTag { name: "Storage".into(), address_prefixes: nets(&["198.51.100.0/24"]) };
    let built = base().with(tag).configure_subnet("v/subnets/s", |s| {
        s.service_endpoints.push(azroute::model::ServiceEndpoint::new("Microsoft.Storage"));
    });
    assert_end(&ask(built, "vm", "198.51.100.7"), "ServiceEndpoint(Microsoft.Storage)");
}

#[test]
fn enc_2_a_tunnel_to_nowhere_is_down() {
    let end =
        |node: &str, prefix: &str| azroute::model::TunnelEnd { node: node.into(), prefixes: nets(&[prefix]) };
    let tunnel = azroute::model::OverlayTunnel {
        id: "t".into(),
        a: end("fw", "10.0.0.0/16"),
        b: end("gone", "10.77.0.0/16"),
        encrypted: true,
    };
    let built = routes(base(), "rt", &[("10.77.0.0/16", NVA)], &["v/subnets/s"]).with(tunnel);
    assert_end(&ask(built, "vm", "10.77.0.1"), "Drop(ConnectionDown, t)");
}
