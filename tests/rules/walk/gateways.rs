//! VPN, ARS, VWAN, and what coexisting gateways mean for the walk.

use azroute::analysis::FindingCode;
use azroute::model::{
    Asn, Change, Connection, ConnectionType, HubRoutingPreference, HubVirtualNetworkConnection, Knobs,
    LearnedRoute, Limits, LocalNetworkGateway, RouteServer, TopologyBuilder, VirtualHub, VpnType,
};
use azroute::rule::Rule;

use super::support::*;

fn vpn() -> TopologyBuilder {
    branch(base().with(vpn_gateway("vpngw", "v")), "s2s", "10.60.0.0/16")
}

const NONE: &str = "Drop(NoneRoute, 10.0.0.0/8)";

#[test]
fn vpn_1_bgp_needs_a_route_based_gateway_that_is_not_basic_and_a_connection_that_runs_it() {
    let end =
        |change: fn(&mut azroute::model::Document)| ends(&ask(vpn().configure(change), "vm", "10.60.0.9"));
    assert_eq!(end(|_| {}), ["OnPremises(s2s-site)"]);
    assert_eq!(end(|d| d.virtual_network_gateways[0].sku = Some("basic".into())), [NONE]);
    assert_eq!(end(|d| d.virtual_network_gateways[0].vpn_type = VpnType::PolicyBased), [NONE]);
    assert_eq!(end(|d| d.connections[0].enable_bgp = false), [NONE]);
    // Static prefixes work on all of them; both kinds mix.
    let fixed = |d: &mut azroute::model::Document| {
        d.virtual_network_gateways[0].sku = Some("Basic".into());
        d.local_network_gateways[0].address_prefixes = nets(&["10.60.0.0/16"]);
    };
    assert_eq!(end(fixed), ["OnPremises(s2s-site)"]);
}

#[test]
fn vpn_2_a_static_prefix_beats_the_same_one_by_bgp() {
    let built = branch(vpn(), "other", "10.60.0.0/16").configure(|d| {
        d.on_premises_sites[1].advertisements[0].as_path = Vec::new();
        d.local_network_gateways[0].address_prefixes = nets(&["10.60.0.0/16"]);
    });
    assert_way(&ask(built, "vm", "10.60.0.9"), "vm > vpngw > s2s-site");
}

#[test]
fn vpn_3_networks_and_spokes_are_advertised() {
    let built = branch(transit_spokes(base()).with(vpn_gateway("vpngw", "v")), "s2s", "10.60.0.0/16");
    assert_way(&ask(built.clone(), "s2s-site", "10.0.0.4"), "s2s-site > vpngw > vm");
    assert_way(&ask(built.clone(), "s2s-site", "10.1.0.4"), "s2s-site > vpngw > pvm");
    assert_end(&ask(built, "s2s-site", "10.77.0.1"), "Drop(NoRoute)");
}

#[test]
fn vpn_4_past_4000_prefixes_the_session_drops_and_static_ones_stay() {
    let built = |count: u32| {
        vpn().configure(move |d| {
            let prefixes = &mut d.on_premises_sites[0].advertisements[0].prefixes;
            prefixes.extend((1..count).map(|i| net(&format!("20.{}.{}.0/24", i >> 8, i & 255))));
            d.on_premises_sites[0].prefixes.push(net("10.61.0.0/16"));
            d.local_network_gateways[0].address_prefixes = nets(&["10.61.0.0/16"]);
        })
    };
    assert_end(&ask(built(4_000), "vm", "10.60.0.9"), "OnPremises(s2s-site)");
    assert_end(&ask(built(4_001), "vm", "10.60.0.9"), NONE);
    assert_end(&ask(built(4_001), "vm", "10.61.0.9"), "OnPremises(s2s-site)");
    let lint = built(4_001).knobs(Knobs { limits: Limits::LintOnly, ..Knobs::default() });
    assert_end(&ask(lint, "vm", "10.60.0.9"), "OnPremises(s2s-site)");
}

#[test]
fn vpn_5_prefixes_of_the_network_are_refused_supersets_accepted() {
    let built = |prefix: &str| branch(base().with(vpn_gateway("vpngw", "v")), "s2s", prefix);
    for inside in ["10.0.0.0/16", "10.0.7.0/24"] {
        assert_end(&ask(built(inside), "vm", "10.0.7.7"), "Delivered(virtual network v)");
    }
    assert_end(&ask(built("10.0.0.0/8"), "vm", "10.0.7.7"), "Delivered(virtual network v)");
    assert_end(&ask(built("10.0.0.0/8"), "vm", "10.9.9.9"), "OnPremises(s2s-site)");
}

/// Two branches on one gateway; the first has a route of its own to the second.
fn two_branches(change: impl FnOnce(&mut azroute::model::Document)) -> TopologyBuilder {
    branch(vpn(), "other", "10.61.0.0/16")
        .configure(|d| {
            let hop = azroute::model::OnPremisesNextHop::Connection("s2s".into());
            d.on_premises_sites[0].routes = vec![given("0.0.0.0/0", hop)];
        })
        .configure(change)
}

#[test]
fn vpn_6_branches_reach_each_other_where_both_connections_run_bgp() {
    let to = |built, destination| ask(built, "s2s-site", destination);
    let answer = to(two_branches(|_| {}), "10.61.0.9");
    assert_way(&answer, "s2s-site > vpngw > vpngw > other-site");
    assert!(answer.path().is_encrypted());
    for connection in [0, 1] {
        let fixed = two_branches(|d| {
            d.connections[connection].enable_bgp = false;
            for local in &mut d.local_network_gateways {
                local.address_prefixes =
                    nets(&[if local.id == "s2s-lng".into() { "10.60.0.0/16" } else { "10.61.0.0/16" }]);
            }
        });
        assert_end(&to(fixed, "10.61.0.9"), "Drop(NoTransit, vpngw)");
    }
    // A default route is not passed on (FT-11), and nothing goes back where it came from.
    let default = two_branches(|d| d.on_premises_sites[1].advertisements[0].prefixes.push(net("0.0.0.0/0")));
    assert_end(&to(default, "8.8.8.8"), "Drop(NoTransit, vpngw)");
    // ExpressRoute beside it changes nothing about branches, and is no way on (ER-14, COEX-4).
    let beside = er(two_branches(|_| {}));
    assert_end(&to(beside.clone(), "10.50.0.9"), "Drop(NoTransit, vpngw)");
    assert_end(&to(beside, "10.61.0.9"), "OnPremises(other-site)");
}

/// `v` and `w` joined by VPN gateways, by BGP.
fn vnet_to_vnet(back: bool) -> TopologyBuilder {
    let mut far = vpn_gateway("wgw", "w");
    far.asn = Asn(65010);
    let mut built = vpn()
        .virtual_network("w", &["10.9.0.0/16"])
        .subnet("w", "s", "10.9.0.0/24")
        .nic("wvm", "w/subnets/s", "10.9.0.4")
        .with(far);
    for (id, from, to, there) in [("v-w", "vpngw", "wgw", true), ("w-v", "wgw", "vpngw", back)] {
        if there {
            let mut connection = Connection::new(id, ConnectionType::Vnet2Vnet, from, to);
            connection.enable_bgp = true;
            built = built.with(connection);
        }
    }
    built
}

#[test]
fn vpn_6_networks_are_joined_by_a_connection_on_either_side() {
    let answer = ask(vnet_to_vnet(true), "vm", "10.9.0.4");
    assert_way(&answer, "vm > vpngw > wgw > wvm");
    assert!(answer.hops().nth(1).unwrap().encrypted);
    assert!(build(vnet_to_vnet(true)).resolve_pair("vm", ip("10.9.0.4")).unwrap().returns());
    assert_end(&ask(vnet_to_vnet(false), "vm", "10.9.0.4"), NONE);
}

#[test]
fn vpn_7_shorter_path_then_every_tunnel_and_no_weight() {
    let built = |first: usize, second: usize| {
        branch(vpn(), "other", "10.60.0.0/16").configure(move |d| {
            for (site, length) in [(0, first), (1, second)] {
                d.on_premises_sites[site].advertisements[0].as_path = vec![Asn(65001); length];
            }
            d.connections[0].routing_weight = 10;
        })
    };
    assert_way(&ask(built(2, 1), "vm", "10.60.0.9"), "vm > vpngw > other-site");
    let both = ask(built(1, 1), "vm", "10.60.0.9");
    assert_eq!(ways(&both), ["vm > vpngw > other-site", "vm > vpngw > s2s-site"]);
    // A flow sticks to one.
    let network = build(built(1, 1));
    let pick = |port| {
        let flow = azroute::resolve::Flow::tcp("vm", port, ip("10.60.0.9"), 443);
        way(&network.resolve_flow(&flow).unwrap().path())
    };
    assert!((0..32).all(|port| pick(port) == pick(port)));
    assert!((0..32).any(|port| pick(port) != pick(0)));
}

#[test]
fn vpn_8_an_active_active_gateway_prints_both_instances() {
    let built = vpn().configure(|d| {
        d.virtual_network_gateways[0].active_active = true;
        d.virtual_network_gateways[0].bgp_peering_addresses = vec![ip("10.0.255.5"), ip("10.0.255.4")];
    });
    let answer = ask(built.clone(), "vm", "10.60.0.9");
    let printed = &answer.next_hop().route().unwrap().next_hop_ip_addresses;
    assert_eq!(*printed, [ip("10.0.255.4"), ip("10.0.255.5")]);
    assert_end(&ask(built, "vm", "10.0.255.4"), "Delivered(gateway vpngw)");
}

#[test]
fn vpn_13_ipv4_only() {
    let six = |d: &mut azroute::model::Document| {
        d.virtual_networks[0].address_space.push(net("fd00:1::/48"));
        d.local_network_gateways[0].address_prefixes = nets(&["fd61::/48"]);
    };
    let built = build(branch(vpn(), "six", "fd60::/48").configure(six));
    let rows = built.effective_routes(&"v/subnets/s".into()).unwrap().rows();
    assert!(rows.iter().any(|row| row.prefix == net("10.60.0.0/16")));
    assert!(rows.iter().all(|row| ![net("fd60::/48"), net("fd61::/48")].contains(&row.prefix)));
    assert!(
        built.findings().iter().any(|f| f.code == FindingCode::RoutesRefused && f.rule == Some(Rule::VPN_13))
    );
}

#[test]
fn vpn_14_point_to_site_pools_are_gateway_routes() {
    let built = vpn().configure(|d| {
        d.virtual_network_gateways[0].vpn_client_address_pools = nets(&["172.16.201.0/24"]);
    });
    assert_way(&ask(built.clone(), "vm", "172.16.201.7"), "vm > vpngw");
    assert_end(&ask(built, "vm", "172.16.201.7"), "OnPremises(vpngw)");
}

#[test]
fn coex_5_vpn_carries_what_expressroute_lost() {
    let mut local = LocalNetworkGateway { id: "lng".into(), ..LocalNetworkGateway::default() };
    local.site = Some("dc".into());
    local.address_prefixes = nets(&["10.50.0.0/16"]);
    let connection = Connection::new("s2s", ConnectionType::IPsec, "vpngw", "lng");
    let network = build(er(base()).with(vpn_gateway("vpngw", "v")).with(local).with(connection));
    let ways_of = |n: &azroute::Network| {
        let pair = n.resolve_pair("vm", ip("10.50.0.9")).unwrap();
        assert!(pair.returns());
        (ways(pair.forward())[0].clone(), ways(pair.reply().unwrap())[0].clone())
    };
    let before = ("vm > ergw > c1:primary > dc".into(), "dc > c1:primary > ergw > vm".into());
    assert_eq!(ways_of(&network), before);
    let down = Change::SetConnection { connection: "ergw-c1".into(), connected: false };
    let after = network.apply(&[down]).unwrap();
    assert_eq!(ways_of(&after), ("vm > vpngw > dc".into(), "dc > vpngw > vm".into()));
}

// Route Server.

fn injected(prefix: &str, next_hop: &str, path: usize) -> LearnedRoute {
    let mut route = LearnedRoute::new(net(prefix), vec![Asn(65020); path]);
    route.next_hop = Some(ip(next_hop));
    route
}

fn server(builder: TopologyBuilder, routes: Vec<LearnedRoute>) -> TopologyBuilder {
    builder.with(RouteServer {
        id: "rs".into(),
        virtual_network: "v".into(),
        virtual_router_ips: vec![ip("10.0.250.4")],
        allow_branch_to_branch_traffic: false,
        hub_routing_preference: HubRoutingPreference::default(),
        bgp_connections: Vec::new(),
        learned_routes: routes,
    })
}

/// The appliance's own subnet does not take the routes (ARS-9).
fn exempt(builder: TopologyBuilder) -> TopologyBuilder {
    builder
        .route("own", "keep", "10.70.0.0/16", "None", &[])
        .bind("v/subnets/nva", "own")
        .configure(|d| d.route_tables.last_mut().unwrap().disable_bgp_route_propagation = true)
}

#[test]
fn ars_1_the_server_is_never_a_hop() {
    let built = exempt(server(base(), vec![injected("10.70.0.0/16", NVA, 1)]));
    let answer = ask(built.clone(), "vm", "10.70.0.9");
    assert_way(&answer, "vm > fw");
    assert!(answer.paths().all(|path| !path.passes(&"rs".into())));
    assert_end(&ask(built, "vm", "10.0.250.4"), "Delivered(gateway rs)");
}

#[test]
fn ars_2_the_appliance_or_its_front_end_is_the_next_hop_also_for_spokes() {
    let built = exempt(server(transit_spokes(base()), vec![injected("10.70.0.0/16", NVA, 1)]));
    for source in ["vm", "pvm"] {
        let answer = ask(built.clone(), source, "10.70.0.9");
        assert_way(&answer, &format!("{source} > fw"));
        let route = answer.next_hop().route().unwrap();
        assert_eq!(
            (route.next_hop_type.as_str(), &route.next_hop_ip_addresses[..]),
            ("VirtualNetworkGateway", &[ip(NVA)][..])
        );
    }
    let front = exempt(server(super::path::balanced(), vec![injected("10.70.0.0/16", "10.0.100.100", 1)]));
    assert_eq!(ways(&ask(front, "vm", "10.70.0.9")), ["vm > ilb > fw", "vm > ilb > fw2"]);
}

#[test]
fn ars_3_equal_or_longer_than_the_networks_space_is_not_injected() {
    for prefix in ["10.0.0.0/16", "10.0.7.0/24"] {
        let built = server(base(), vec![injected(prefix, NVA, 1)]);
        assert_way(&ask(built, "vm", "10.0.7.7"), "vm > v");
    }
    let superset = exempt(server(base(), vec![injected("10.0.0.0/8", NVA, 1)]));
    assert_way(&ask(superset.clone(), "vm", "10.0.7.7"), "vm > v");
    assert_way(&ask(superset, "vm", "10.9.9.9"), "vm > fw");
}

#[test]
fn ars_4_shortest_path_wins_equal_ones_share() {
    let built = |second: usize| {
        let routes = vec![injected("10.70.0.0/16", NVA, 2), injected("10.70.0.0/16", "10.0.100.5", second)];
        exempt(server(super::path::balanced(), routes))
    };
    assert_eq!(ways(&ask(built(2), "vm", "10.70.0.9")), ["vm > fw", "vm > fw2"]);
    assert_way(&ask(built(3), "vm", "10.70.0.9"), "vm > fw");
    assert_way(&ask(built(1), "vm", "10.70.0.9"), "vm > fw2");
}

/// 10.50.0.0/16 over ExpressRoute (path 3 with the edge), VPN and from an appliance.
fn contested(preference: HubRoutingPreference, vpn_path: usize, nva_path: usize) -> String {
    let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
    dc.advertisements[0].as_path = vec![Asn(65001); 2];
    let built = branch(er(base()).with(dc).with(vpn_gateway("vpngw", "v")), "s2s", "10.50.0.0/16");
    let built = exempt(server(built, vec![injected("10.50.0.0/16", NVA, nva_path)])).configure(|d| {
        d.route_servers[0].hub_routing_preference = preference;
        let s2s = d.on_premises_sites.iter_mut().find(|s| s.id == "s2s-site".into()).unwrap();
        s2s.advertisements[0].as_path = vec![Asn(65002); vpn_path];
    });
    ways(&ask(built, "vm", "10.50.0.9"))[0].clone()
}

#[test]
fn ars_6_the_preference_decides_one_prefix_of_several_kinds() {
    use HubRoutingPreference as P;
    let (er, vpn, nva) = ("vm > ergw > c1:primary > dc", "vm > vpngw > s2s-site", "vm > fw");
    assert_eq!(contested(P::ExpressRoute, 1, 1), er);
    assert_eq!(contested(P::VpnGateway, 8, 9), vpn, "VPN or appliance first, the shorter of them");
    assert_eq!(contested(P::VpnGateway, 9, 8), nva);
    assert_eq!(contested(P::AsPath, 4, 5), er, "the shortest of all");
    assert_eq!(contested(P::AsPath, 2, 5), vpn);
    assert_eq!(contested(P::AsPath, 4, 1), nva);
}

#[test]
fn ars_7_the_default_setting_programs_expressroute() {
    let built = exempt(server(er(base()), vec![injected("10.50.0.0/16", NVA, 1)]));
    let network = build(built);
    assert!(network.resolve("vm", ip("10.50.0.9")).unwrap().path().passes(&"ergw".into()));
    let told = network.explain("vm", ip("10.50.0.9")).unwrap().to_string();
    assert!(told.contains("ARS-7"), "{told}");
}

#[test]
fn ars_9_the_appliances_own_subnet_takes_the_route_too_and_loops() {
    let routes = vec![injected("0.0.0.0/0", NVA, 1)];
    assert_end(&ask(server(base(), routes.clone()), "vm", "8.8.8.8"), "Loop(appliance fw)");
    // A default route to the Internet on that subnet, or no propagation there, breaks the loop.
    let udr = super::support::routes(
        server(base(), routes.clone()),
        "own",
        &[("0.0.0.0/0", "Internet")],
        &["v/subnets/nva"],
    );
    assert_end(&ask(udr, "vm", "8.8.8.8"), "Drop(PrivateSourceToInternet)");
    assert_end(&ask(exempt(server(base(), routes)), "vm", "8.8.8.8"), "Drop(PrivateSourceToInternet)");
}

#[test]
fn ars_12_past_1000_routes_a_peers_session_drops_the_others_stand() {
    let built = |count: u32| {
        let mut routes = vec![injected("10.70.0.0/16", NVA, 1), injected("10.71.0.0/16", "10.0.100.5", 1)];
        routes.extend((1..count).map(|i| injected(&format!("20.{}.{}.0/24", i >> 8, i & 255), NVA, 1)));
        exempt(server(super::path::balanced(), routes))
    };
    assert_way(&ask(built(1_000), "vm", "10.70.0.9"), "vm > fw");
    assert_end(&ask(built(1_001), "vm", "10.70.0.9"), NONE);
    assert_way(&ask(built(1_001), "vm", "10.71.0.9"), "vm > fw2");
}

#[test]
fn ars_13_its_presence_makes_it_the_designated_gateway() {
    let udr = |built| routes(built, "rt", &[("10.60.0.0/16", "VirtualNetworkGateway")], &["v/subnets/s"]);
    assert_end(&ask(udr(vpn()), "vm", "10.60.0.9"), "OnPremises(s2s-site)");
    assert_end(&ask(udr(server(vpn(), Vec::new())), "vm", "10.60.0.9"), "Drop(UnsupportedGatewayNextHop)");
}

#[test]
fn ars_14_ipv4_only() {
    let built = server(base(), vec![injected("fd70::/48", NVA, 1), injected("10.70.0.0/16", NVA, 1)]);
    let rows = build(built).effective_routes(&"v/subnets/s".into()).unwrap().rows();
    assert!(rows.iter().any(|row| row.prefix == net("10.70.0.0/16")));
    assert!(rows.iter().all(|row| row.prefix != net("fd70::/48")));
}

// Virtual WAN.

/// Spokes `p` and `q` on a hub that knows 10.50.0.0/16 and a default route.
fn hub(security: bool) -> TopologyBuilder {
    let connection = |spoke: &str, enable_internet_security| HubVirtualNetworkConnection {
        enable_internet_security,
        ..HubVirtualNetworkConnection::new(spoke, spoke)
    };
    let mut known = LearnedRoute::new(net("10.50.0.0/16"), [Asn(65001)]);
    known.connection = Some("hub-s2s".into());
    let mut built = azroute::model::Topology::builder();
    for (spoke, n) in [("p", 1), ("q", 2)] {
        built = built
            .virtual_network(spoke, &[&format!("10.{n}.0.0/16")])
            .subnet(spoke, "s", &format!("10.{n}.0.0/24"))
            .nic(&format!("{spoke}vm"), &format!("{spoke}/subnets/s"), &format!("10.{n}.0.4"));
    }
    built.with(VirtualHub {
        id: "hub".into(),
        address_prefix: Some(net("10.100.0.0/24")),
        virtual_network_connections: vec![connection("p", true), connection("q", security)],
        learned_routes: vec![known, LearnedRoute::new(net("0.0.0.0/0"), [Asn(65001)])],
        route_next_hop_addresses: vec![ip("20.1.2.3")],
        ..VirtualHub::default()
    })
}

#[test]
fn vwan_1_the_hub_router_joins_its_spokes_and_branches() {
    assert_way(&ask(hub(true), "pvm", "10.2.0.4"), "pvm > hub > qvm");
    let answer = ask(hub(true), "pvm", "10.50.0.9");
    assert_way(&answer, "pvm > hub");
    assert_end(&answer, "OnPremises(hub-s2s)");
}

#[test]
fn vwan_2_hub_routes_are_gateway_rows_and_the_hubs_prefix_a_peering() {
    let answer = ask(hub(true), "pvm", "10.2.0.4");
    let route = answer.next_hop().route().unwrap();
    assert_eq!(
        (route.source.as_str(), &route.next_hop_ip_addresses[..]),
        ("VirtualNetworkGateway", &[ip("20.1.2.3")][..])
    );
    let own = ask(hub(true), "pvm", "10.100.0.7");
    assert_eq!(own.next_hop().route().unwrap().next_hop_type.as_str(), "VNetPeering");
    assert_end(&own, "Delivered(virtual hub hub)");
    // Propagation must stay on.
    let off = routes(hub(true), "rt", &[("203.0.113.0/24", "None")], &["p/subnets/s"])
        .configure(|d| d.route_tables[0].disable_bgp_route_propagation = true);
    assert_end(&ask(off, "pvm", "10.2.0.4"), NONE);
}

#[test]
fn vwan_4_a_connection_may_refuse_the_default_route() {
    assert_end(&ask(hub(true), "qvm", "8.8.8.8"), "OnPremises(hub)");
    assert_end(&ask(hub(false), "qvm", "8.8.8.8"), "Egress(Internet, default outbound access)");
    assert_end(&ask(hub(false), "pvm", "8.8.8.8"), "OnPremises(hub)");
}

#[test]
fn vwan_5_a_hub_injects_nothing_inside_a_spokes_space() {
    let built = hub(true).configure(|d| {
        let inside = LearnedRoute::new(net("10.1.7.0/24"), [Asn(65001)]);
        d.virtual_hubs[0].learned_routes.push(inside);
    });
    assert_way(&ask(built.clone(), "pvm", "10.1.7.7"), "pvm > p");
    assert_way(&ask(built, "qvm", "10.1.7.7"), "qvm > hub");
}

#[test]
fn vwan_6_among_declared_routes_of_a_hub_the_shorter_path_stays() {
    let built = hub(true).configure(|d| {
        let mut longer = LearnedRoute::new(net("10.50.0.0/16"), [Asn(65001), Asn(65001)]);
        longer.connection = Some("hub-er".into());
        d.virtual_hubs[0].learned_routes.push(longer);
    });
    assert_end(&ask(built, "pvm", "10.50.0.9"), "OnPremises(hub-s2s)");
}

#[test]
fn vwan_16_a_hub_carries_ipv4_only() {
    let built = hub(true).configure(|d| {
        d.virtual_hubs[0].learned_routes.push(LearnedRoute::new(net("fd50::/48"), [Asn(65001)]));
        d.virtual_networks[0].address_space.push(net("fd00:1::/48"));
    });
    let rows = build(built).effective_routes(&"p/subnets/s".into()).unwrap().rows();
    assert!(rows.iter().all(|row| row.prefix != net("fd50::/48")));
}
