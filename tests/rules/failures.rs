//! A network without what failed: what each rule says of it, and the vocabulary of failures.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use azroute::Network;
use azroute::model::{
    Asn, Backend, Change, Connection, ConnectionType, Document, Element, FrontendIpConfiguration,
    GatewayType, HubRoutingPreference, HubVirtualNetworkConnection, LearnedRoute, LinkRole, LoadBalancer,
    LocalNetworkGateway, RouteServer, RouteSource, TopologyBuilder, VirtualHub,
};
use azroute::resolve::ResolveError;

use crate::walk::support::*;

fn link_of(circuit: &str, link: LinkRole) -> Element {
    Element::CircuitLink { circuit: circuit.into(), link }
}

fn instance(gateway: &str, instance: u8) -> Element {
    Element::GatewayInstance { gateway: gateway.into(), instance }
}

fn without(network: &Network, elements: &[Element]) -> Network {
    network.without(elements).unwrap()
}

/// Prefixes of gateway routes, each with what Azure prints as next hop.
fn gateway_rows(network: &Network, subnet: &str) -> Vec<String> {
    let rows = network.effective_routes(&subnet.into()).unwrap().rows();
    let learned = rows.into_iter().filter(|row| row.source == RouteSource::VirtualNetworkGateway);
    learned.map(|row| format!("{} {:?}", row.prefix, row.next_hop_ip_addresses)).collect()
}

fn there(network: &Network, destination: &str) -> azroute::resolve::Answer {
    network.resolve("vm", ip(destination)).unwrap().into_answer()
}

fn back(network: &Network) -> azroute::resolve::Answer {
    network.resolve("dc", ip("10.0.0.4")).unwrap().into_answer()
}

/// Forced tunnelling fails open: with the circuit goes its default route, and the Internet is reached directly.
#[test]
fn ft_9_without_the_circuit_of_the_default_route_packets_go_to_the_internet() {
    let tunnelled = er(base()).with(site("dc", &["10.50.0.0/16"], &["c1"])).configure(|d: &mut Document| {
        d.on_premises_sites.retain(|s| s.advertisements.len() == 1);
        d.on_premises_sites.truncate(1);
        d.on_premises_sites[0].advertisements[0].prefixes.push(net("0.0.0.0/0"));
    });
    let network = build(tunnelled);
    assert!(ends(&there(&network, "8.8.8.8"))[0].starts_with("OnPremises"), "{}", there(&network, "8.8.8.8"));
    let one = without(&network, &[link_of("c1", LinkRole::Primary)]);
    assert_eq!(ends(&there(&one, "8.8.8.8")), ends(&there(&network, "8.8.8.8")));
    let open = without(&network, &[Element::Circuit("c1".into())]);
    assert_eq!(ends(&there(&open, "8.8.8.8")), ["Egress(Internet, default outbound access)"]);
    let same = without(&network, &[Element::Gateway("ergw".into())]);
    assert_eq!(ends(&there(&same, "8.8.8.8")), ["Egress(Internet, default outbound access)"]);
}

/// ExpressRoute and VPN to one site.
fn both_ways() -> TopologyBuilder {
    let mut local = LocalNetworkGateway { id: "lng".into(), ..LocalNetworkGateway::default() };
    local.site = Some("dc".into());
    local.address_prefixes = nets(&["10.50.0.0/16"]);
    let connection = Connection::new("s2s", ConnectionType::IPsec, "vpngw", "lng");
    er(base()).with(vpn_gateway("vpngw", "v")).with(local).with(connection)
}

#[test]
fn coex_5_vpn_takes_over_when_expressroute_is_gone_and_not_before() {
    let network = build(both_ways());
    let ways_of = |n: &Network| (ways(&there(n, "10.50.0.9"))[0].clone(), ways(&back(n))[0].clone());
    let over_circuit =
        |link: &str| (format!("vm > ergw > c1:{link} > dc"), format!("dc > c1:{link} > ergw > vm"));
    assert_eq!(ways_of(&network), over_circuit("primary"));
    let one = without(&network, &[link_of("c1", LinkRole::Primary)]);
    assert_eq!(ways_of(&one), over_circuit("secondary"));
    let over_vpn = ("vm > vpngw > dc".to_owned(), "dc > vpngw > vm".to_owned());
    for lost in [
        Element::Circuit("c1".into()),
        Element::Connection("ergw-c1".into()),
        Element::Gateway("ergw".into()),
    ] {
        assert_eq!(ways_of(&without(&network, std::slice::from_ref(&lost))), over_vpn, "{lost}");
    }
    let second = without(&one, &[link_of("c1", LinkRole::Secondary)]);
    assert_eq!(ways_of(&second), over_vpn);
    assert_eq!(second.failed().len(), 2);
    assert_end(
        &there(&without(&second, &[Element::Connection("s2s".into())]), "10.50.0.9"),
        "Drop(NoneRoute, 10.0.0.0/8)",
    );
}

#[test]
fn er_1_one_link_lost_costs_capacity_and_nothing_else() {
    let network = build(er(base()).configure(|d: &mut Document| {
        d.express_route_circuits[0].bandwidth_in_mbps = Some(1_000);
    }));
    let most = |n: &Network| there(n, "10.50.0.9").path().bandwidth().unwrap().most_in_mbps;
    assert_eq!(most(&network), 2_000);
    for lost in LinkRole::BOTH {
        let one = without(&network, &[link_of("c1", lost)]);
        assert_eq!(ends(&there(&one, "10.50.0.9")), ends(&there(&network, "10.50.0.9")));
        assert_eq!(ends(&back(&one)), ends(&back(&network)));
        assert_eq!(gateway_rows(&one, "v/subnets/s"), gateway_rows(&network, "v/subnets/s"));
        assert_eq!(there(&one, "10.50.0.9").paths().count(), 1);
        assert_eq!(most(&one), 1_000);
    }
}

/// The site announces over each link of `c1`, with these lengths of path.
fn per_link(primary: usize, secondary: usize) -> TopologyBuilder {
    er(base()).configure(move |d: &mut Document| {
        let over = |link, length| {
            let mut told = on_link(link, advertise("c1", &["10.50.0.0/16"]));
            told.as_path = vec![Asn(65001); length];
            told
        };
        d.on_premises_sites[0].advertisements =
            vec![over(LinkRole::Primary, primary), over(LinkRole::Secondary, secondary)];
    })
}

#[test]
fn er_10_of_an_active_passive_pair_the_passive_link_takes_over() {
    let network = build(per_link(1, 3));
    assert_way(&there(&network, "10.50.0.9"), "vm > ergw > c1:primary > dc");
    let passive_lost = without(&network, &[link_of("c1", LinkRole::Secondary)]);
    assert_way(&there(&passive_lost, "10.50.0.9"), "vm > ergw > c1:primary > dc");
    let active_lost = without(&network, &[link_of("c1", LinkRole::Primary)]);
    assert_way(&there(&active_lost, "10.50.0.9"), "vm > ergw > c1:secondary > dc");
}

#[test]
fn bgp_9_a_prefix_of_one_session_is_lost_with_it_one_of_both_is_not() {
    let built = per_link(1, 1).configure(|d: &mut Document| {
        let only = advertise("c1", &["10.51.0.0/16"]);
        d.on_premises_sites[0].prefixes.push(net("10.51.0.0/16"));
        d.on_premises_sites[0].advertisements.push(on_link(LinkRole::Primary, only));
    });
    let network = build(built);
    let lost = without(&network, &[link_of("c1", LinkRole::Primary)]);
    assert_eq!(gateway_rows(&network, "v/subnets/s"), ["10.50.0.0/16 []", "10.51.0.0/16 []"]);
    assert_eq!(gateway_rows(&lost, "v/subnets/s"), ["10.50.0.0/16 []"]);
    let other = without(&network, &[link_of("c1", LinkRole::Secondary)]);
    assert_eq!(gateway_rows(&other, "v/subnets/s").len(), 2);
}

#[test]
fn gwr_5_the_rows_of_a_lost_gateway_vanish_here_and_in_spokes() {
    let network = build(er(transit_spokes(base())));
    let lost = without(&network, &[Element::Gateway("ERGW".into())]);
    for subnet in ["v/subnets/s", "p/subnets/s"] {
        assert_eq!(gateway_rows(&network, subnet), ["10.50.0.0/16 []"]);
        assert!(gateway_rows(&lost, subnet).is_empty());
    }
    assert_end(&there(&lost, "10.50.0.9"), "Drop(NoneRoute, 10.0.0.0/8)");
    assert_end(&back(&lost), "Drop(NoRoute)");
    assert_end(&lost.resolve("pvm", ip("10.0.0.4")).unwrap(), "Delivered(network interface vm)");
    // A failed gateway is still configured, named as it is declared.
    assert_eq!(lost.topology().document().virtual_network_gateways.len(), 1);
    assert_eq!(lost.failed()[0].to_string(), "gateway `ergw`");
}

/// A VPN gateway with two instances and a site behind it.
fn two_instances(active_active: bool) -> TopologyBuilder {
    let mut gateway = vpn_gateway("vpngw", "v");
    gateway.active_active = active_active;
    gateway.bgp_peering_addresses = vec![ip("10.0.255.4"), ip("10.0.255.5")];
    branch(base().with(gateway), "s2s", "10.60.0.0/16")
}

#[test]
fn vpn_8_an_active_active_gateway_goes_on_with_one_instance() {
    let network = build(two_instances(true));
    let row = |hops: &str| vec![format!("10.60.0.0/16 [{hops}]")];
    assert_eq!(gateway_rows(&network, "v/subnets/s"), row("10.0.255.4, 10.0.255.5"));
    for (lost, left) in [(0, "10.0.255.5"), (1, "10.0.255.4")] {
        let one = without(&network, &[instance("vpngw", lost)]);
        assert_eq!(gateway_rows(&one, "v/subnets/s"), row(left));
        assert_eq!(ways(&there(&one, "10.60.0.9")), ways(&there(&network, "10.60.0.9")));
    }
    let both = without(&network, &[instance("vpngw", 0), instance("vpngw", 1)]);
    assert!(gateway_rows(&both, "v/subnets/s").is_empty());
    assert_end(&there(&both, "10.60.0.9"), "Drop(NoneRoute, 10.0.0.0/8)");
    // ExpressRoute: both instances forward (BGP-9), and Azure prints both addresses.
    let circuit = build(er(base()).configure(|d: &mut Document| {
        d.virtual_network_gateways[0].route_next_hop_addresses = vec![ip("10.0.255.12"), ip("10.0.255.13")];
    }));
    assert_eq!(
        gateway_rows(&without(&circuit, &[instance("ergw", 0)]), "v/subnets/s"),
        ["10.50.0.0/16 [10.0.255.13]"]
    );
}

#[test]
fn vpn_11_of_an_active_standby_gateway_the_other_instance_takes_over() {
    let network = build(two_instances(false));
    for lost in [0, 1] {
        let one = without(&network, &[instance("vpngw", lost)]);
        assert_eq!(gateway_rows(&one, "v/subnets/s"), gateway_rows(&network, "v/subnets/s"));
        assert_eq!(ways(&there(&one, "10.60.0.9")), ways(&there(&network, "10.60.0.9")));
        let none = without(&one, &[instance("vpngw", 1 - lost)]);
        assert_end(&there(&none, "10.60.0.9"), "Drop(NoneRoute, 10.0.0.0/8)");
    }
}

/// A Route Server that has one route from the appliance.
fn injected() -> TopologyBuilder {
    let mut route = LearnedRoute::new(net("10.99.0.0/16"), [Asn(65020)]);
    route.next_hop = Some(ip(NVA));
    base().with(RouteServer {
        id: "rs".into(),
        virtual_network: "v".into(),
        virtual_router_ips: vec![ip("10.0.250.4"), ip("10.0.250.5")],
        allow_branch_to_branch_traffic: false,
        hub_routing_preference: HubRoutingPreference::default(),
        bgp_connections: Vec::new(),
        learned_routes: vec![route],
    })
}

#[test]
fn ars_1_a_route_server_is_lost_with_both_instances_and_stands_in_no_way() {
    let network = build(injected());
    let of_server = |i| Element::RouteServerInstance { route_server: "rs".into(), instance: i };
    let rows = |n: &Network| gateway_rows(n, "v/subnets/s");
    assert_eq!(rows(&network), ["10.99.0.0/16 [10.0.100.4]"]);
    let one = without(&network, &[of_server(1)]);
    assert_eq!(rows(&one), rows(&network));
    assert!(rows(&without(&one, &[of_server(0)])).is_empty());
    let server = Element::RouteServer("rs".into());
    assert!(rows(&without(&network, std::slice::from_ref(&server))).is_empty());
    // Without the appliance it tells nothing.
    assert!(rows(&without(&network, &[Element::Appliance("fw".into())])).is_empty());
    let routed = build(routes(injected(), "rt", &[("10.98.0.0/16", NVA)], &["v/subnets/s"]));
    let before = ways(&there(&routed, "10.98.0.1"));
    assert_eq!(ways(&there(&without(&routed, &[server]), "10.98.0.1")), before);
}

/// A session that names the address of one instance goes with that instance.
#[test]
fn ars_1_an_appliance_that_peers_with_both_instances_loses_one_session() {
    let text = r#"
        virtual_networks = [{ id = "v", address_space = ["10.0.0.0/16"], subnets = [
            { name = "s", address_prefixes = ["10.0.0.0/24"] },
            { name = "nva", address_prefixes = ["10.0.100.0/24"] },
        ] }]
        network_interfaces = [{ id = "fw-nic", enable_ip_forwarding = true, ip_configurations = [
            { name = "a", subnet = "v/subnets/nva", private_ip_address = "10.0.100.4" },
        ] }]
        network_virtual_appliances = [{ id = "fw", network_interfaces = ["fw-nic"] }]
        route_servers = [{ id = "rs", virtual_network = "v", virtual_router_ips = ["10.0.250.4", "10.0.250.5"] }]
        bgp_speakers = [{ id = "fw", asn = 65020, originate = [{ prefixes = ["10.99.0.0/16"] }] }]
        [[bgp_sessions]]
        id = "first"
        a = { speaker = "fw", addresses = ["10.0.100.4"] }
        b = { speaker = "rs", addresses = ["10.0.250.4"] }
        [[bgp_sessions]]
        id = "second"
        a = { speaker = "fw", addresses = ["10.0.100.4"] }
        b = { speaker = "rs", addresses = ["10.0.250.5"] }
    "#;
    let document: Document = toml::from_str(text).unwrap();
    let network = Network::build(&azroute::model::Topology::new(document).unwrap()).unwrap();
    let rows = |n: &Network| gateway_rows(n, "v/subnets/s");
    let of_server = |i| Element::RouteServerInstance { route_server: "rs".into(), instance: i };
    let up = |n: &Network| n.bgp().unwrap().sessions().filter(|(_, up)| *up).count();
    assert_eq!(rows(&network), ["10.99.0.0/16 [10.0.100.4]"]);
    assert_eq!(up(&network), 2);
    let one = without(&network, &[of_server(0)]);
    assert_eq!((rows(&one), up(&one)), (rows(&network), 1));
    assert!(rows(&without(&one, &[Element::Session("second".into())])).is_empty());
    assert!(rows(&without(&network, &[Element::Appliance("fw".into())])).is_empty());
}

#[test]
fn walk_9_a_balancer_leaves_a_lost_appliance_out() {
    let front = "10.0.100.100";
    let balanced = base().appliance("fw2", "v/subnets/nva", "10.0.100.5").configure(|d: &mut Document| {
        let nics: Vec<_> = ["fw", "fw2"].into_iter().map(Into::into).collect();
        let mut balancer = LoadBalancer { id: "ilb".into(), ..LoadBalancer::default() };
        balancer.frontend_ip_configurations.push(FrontendIpConfiguration {
            name: "f".into(),
            private_ip_address: Some(ip(front)),
            subnet: Some("v/subnets/nva".into()),
            public_ip_address: None,
        });
        let backend = |nic| Backend { network_interface: Some(nic), ..Backend::default() };
        balancer.backends = nics.into_iter().map(backend).collect();
        d.load_balancers.push(balancer);
    });
    let network = build(routes(balanced, "rt", &[("10.98.0.0/16", front)], &["v/subnets/s"]));
    let passes = |n: &Network, id: &str| ways(&there(n, "10.98.0.1")).iter().any(|way| way.contains(id));
    assert!(passes(&network, "fw2"));
    let one = without(&network, &[Element::Appliance("fw2".into())]);
    assert!(!passes(&one, "fw2") && passes(&one, "fw"));
    // A route to the appliance itself leads nowhere.
    let direct = build(routes(base(), "rt", &[("10.98.0.0/16", NVA)], &["v/subnets/s"]));
    let lost = without(&direct, &[Element::Appliance("fw".into())]);
    assert!(ends(&there(&lost, "10.98.0.1"))[0].starts_with("Drop(NextHopUnreachable"));
}

#[test]
fn vwan_2_without_a_hub_its_networks_do_not_reach_each_other() {
    let connection = |name: &str| HubVirtualNetworkConnection::new(name, name);
    let two = base()
        .virtual_network("w", &["10.7.0.0/16"])
        .subnet("w", "s", "10.7.0.0/24")
        .nic("wvm", "w/subnets/s", "10.7.0.4")
        .with(VirtualHub {
            address_prefix: Some(net("10.200.0.0/24")),
            virtual_network_connections: vec![connection("v"), connection("w")],
            ..VirtualHub::new("hub")
        });
    let network = build(two);
    assert_eq!(ends(&there(&network, "10.7.0.4")), ["Delivered(network interface wvm)"]);
    let lost = without(&network, &[Element::Hub("hub".into())]);
    assert_end(&there(&lost, "10.7.0.4"), "Drop(NoneRoute, 10.0.0.0/8)");
}

/// Two edge routers, one on each link, and a core behind them; BGP on both.
fn edges() -> Network {
    let text = r#"
        virtual_networks = [{ id = "v", address_space = ["10.0.0.0/16"], subnets = [
            { name = "GatewaySubnet", address_prefixes = ["10.0.255.0/27"] },
            { name = "s", address_prefixes = ["10.0.0.0/24"] },
        ] }]
        network_interfaces = [{ id = "vm", ip_configurations = [
            { name = "a", subnet = "v/subnets/s", private_ip_address = "10.0.0.4" },
        ] }]
        virtual_network_gateways = [{ id = "gw", virtual_network = "v", gateway_type = "ExpressRoute" }]
        connections = [{ id = "c", connection_type = "ExpressRoute", virtual_network_gateway = "gw", peer = "er1" }]
        [[express_route_circuits]]
        id = "er1"
        peerings = [{ peering_type = "AzurePrivatePeering" }]
        primary = { edge_router = "edge/routers/r1" }
        secondary = { edge_router = "edge/routers/r2" }
        [[on_premises_sites]]
        id = "edge"
        routers = [{ name = "r1" }, { name = "r2" }]
        [[on_premises_sites]]
        id = "dc"
        prefixes = ["192.168.0.0/16"]
        [[on_premises_links]]
        id = "l1"
        a = "dc"
        b = "edge/routers/r1"
        [[on_premises_links]]
        id = "l2"
        a = "dc"
        b = "edge/routers/r2"
        [[bgp_speakers]]
        id = "dc"
        asn = 65001
        originate = [{ prefixes = ["192.168.0.0/16"] }]
        [[bgp_speakers]]
        id = "r1"
        asn = 65001
        router = "edge/routers/r1"
        [[bgp_speakers]]
        id = "r2"
        asn = 65001
        router = "edge/routers/r2"
        [[bgp_sessions]]
        id = "dc-r1"
        a = { speaker = "dc" }
        b = { speaker = "r1", next_hop_self = true }
        [[bgp_sessions]]
        id = "dc-r2"
        a = { speaker = "dc" }
        b = { speaker = "r2", next_hop_self = true }
        [[bgp_sessions]]
        id = "primary"
        a = { speaker = "r1" }
        b = { speaker = "er1/peerings/AzurePrivatePeering/links/primary" }
        [[bgp_sessions]]
        id = "secondary"
        a = { speaker = "r2" }
        b = { speaker = "er1/peerings/AzurePrivatePeering/links/secondary" }
    "#;
    let document: Document = toml::from_str(text).unwrap();
    Network::build(&azroute::model::Topology::new(document).unwrap()).unwrap()
}

/// ER-1, BGP-9: a session, a router or a link outside takes one link's way with it, whichever fails.
#[test]
fn er_1_what_fails_outside_takes_its_link_and_leaves_the_other() {
    let network = edges();
    assert_eq!(ways(&there(&network, "192.168.0.9")).len(), 2);
    for lost in [
        Element::Session("primary".into()),
        Element::Session("dc-r1".into()),
        Element::Router("edge/routers/r1".into()),
        link_of("er1", LinkRole::Primary),
    ] {
        let one = without(&network, std::slice::from_ref(&lost));
        let expected = "vm > gw > er1:secondary > edge/routers/r2 > dc";
        assert_eq!(ways(&there(&one, "192.168.0.9")), [expected], "{lost}");
        let reply = one.resolve("dc", ip("10.0.0.4")).unwrap();
        assert_eq!(ways(&reply), ["dc > edge/routers/r2 > er1:secondary > gw > vm"], "{lost}");
    }
    let routers = [Element::Router("edge/routers/r1".into()), Element::Router("edge/routers/r2".into())];
    for lost in [&routers[..], &[Element::Site("edge".into())], &[Element::Site("dc".into())]] {
        let none = without(&network, lost);
        assert!(gateway_rows(&none, "v/subnets/s").is_empty(), "{lost:?}");
    }
}

#[test]
fn a_source_that_failed_cannot_be_asked() {
    let network = edges();
    let lost = without(&network, &[Element::Site("dc".into())]);
    let error = lost.resolve("dc", ip("10.0.0.4")).unwrap_err();
    assert_eq!(error, ResolveError::FailedSource { name: "dc".into() });
    assert!(matches!(lost.resolve("nobody", ip("10.0.0.4")), Err(ResolveError::UnknownSource { .. })));
}

#[test]
fn elements_are_sorted_named_and_serialised() {
    let network = edges();
    let elements = network.elements();
    assert!(elements.is_sorted());
    let texts: Vec<String> = elements.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "primary link of circuit `er1`",
            "secondary link of circuit `er1`",
            "circuit `er1`",
            "connection `c`",
            "gateway `gw`",
            "instance 0 of gateway `gw`",
            "instance 1 of gateway `gw`",
            "session `dc-r1`",
            "session `dc-r2`",
            "session `primary`",
            "session `secondary`",
            "link `l1`",
            "link `l2`",
            "router `edge/routers/r1`",
            "router `edge/routers/r2`",
            "site `dc`",
            "site `edge`",
        ]
    );
    let written = serde_json::to_string(&elements).unwrap();
    assert!(written.starts_with(r#"[{"circuit_link":{"circuit":"er1","link":"Primary"}}"#), "{written}");
    assert_eq!(serde_json::from_str::<Vec<Element>>(&written).unwrap(), elements);
    let error = network.without(&[Element::Gateway("gw2".into())]).unwrap_err();
    assert_eq!(error.to_string(), "there is no gateway `gw2` in the network");
    let error = network.without(&[instance("gw", 2)]).unwrap_err();
    assert_eq!(error.to_string(), "there is no instance 2 of gateway `gw` in the network");
}

/// What failed stays failed through changes of what is declared, as long as it is there.
#[test]
fn changes_keep_what_failed() {
    let network = without(&build(both_ways()), &[Element::Circuit("c1".into())]);
    let same = network.apply(&[]).unwrap();
    assert_eq!(same.failed(), network.failed());
    assert_eq!(ways(&there(&same, "10.50.0.9")), ways(&there(&network, "10.50.0.9")));
    let gone = network.apply(&[Change::Remove("c1".into())]).unwrap();
    assert!(gone.failed().is_empty());
    let gateways = &gone.topology().document().virtual_network_gateways;
    assert!(gateways.iter().any(|g| g.gateway_type == GatewayType::ExpressRoute));
}
