//! What hubs' tables hold, and what connected networks and branches get of them.

use azroute::Network;
use azroute::model::HubRoutingPreference::{AsPath, ExpressRoute};
use azroute::model::{
    HubNextHop, HubRoute, HubRouteTable, LocalNetworkGateway, Propagation, StaticVnetRoute,
};

use super::support::{DEFAULT, Wan, gateway_rows, ip, net, row, table};

fn static_route(name: &str, prefix: &str, next_hop: HubNextHop) -> HubRoute {
    HubRoute { name: name.to_owned(), destinations: vec![net(prefix)], next_hop }
}

fn to(id: &str) -> HubNextHop {
    HubNextHop::Resource(id.into())
}

fn behind(prefix: &str, address: &str) -> StaticVnetRoute {
    StaticVnetRoute {
        name: "behind".to_owned(),
        address_prefixes: vec![net(prefix)],
        next_hop_ip_address: ip(address),
    }
}

/// What a hub tells the edge of a circuit, a VPN site or an appliance.
fn told(network: &Network, session: &str, to: &str) -> Vec<String> {
    let engine = network.bgp().unwrap();
    let routes = engine.adj_rib_in(&session.into(), &to.into(), azroute::bgp::Stage::PostPolicy);
    routes.iter().map(|route| format!("{} {}", route.prefix, route.attributes.as_path)).collect()
}

fn prefixes(told: &[String]) -> Vec<&str> {
    told.iter().map(|text| text.split(' ').next().unwrap()).collect()
}

/// Two hubs with a spoke each, a circuit at the one and a VPN site at the other.
fn two_hubs() -> Wan {
    Wan::new()
        .hub(1, ExpressRoute)
        .hub(2, ExpressRoute)
        .spoke(1, 1)
        .spoke(1, 2)
        .spoke(2, 3)
        .circuit(1, "er1", &[(&["172.16.0.0/16"], &[64601])])
        .vpn(2, "site", &[(&["172.17.0.0/16"], &[64602])])
}

/// VWAN-1: by default everyone is in the default table of every hub; VWAN-2: spokes get it as gateway rows.
#[test]
fn vwan_1_everything_meets_in_the_default_tables() {
    let network = two_hubs().build();
    assert_eq!(
        table(&network, 1, DEFAULT),
        [
            "10.1.0.0/16 Virtual Network Connection",
            "10.2.0.0/16 Virtual Network Connection",
            "10.3.0.0/16 Remote Hub 65520-65520",
            "172.16.0.0/16 ExpressRouteGateway 12076-64601",
            "172.17.0.0/16 Remote Hub 65520-65520-64602",
        ]
    );
    assert_eq!(
        table(&network, 2, DEFAULT),
        [
            "10.1.0.0/16 Remote Hub 65520-65520",
            "10.2.0.0/16 Remote Hub 65520-65520",
            "10.3.0.0/16 Virtual Network Connection",
            "172.16.0.0/16 Remote Hub 65520-65520-12076-64601",
            "172.17.0.0/16 VPN_S2S_Gateway 64602",
        ]
    );
    assert_eq!(
        gateway_rows(&network, "v1/subnets/s"),
        [
            "10.2.0.0/16 198.51.100.1",
            "10.3.0.0/16 198.51.100.1",
            "172.16.0.0/16 198.51.100.1",
            "172.17.0.0/16 198.51.100.1"
        ]
    );
    assert_eq!(network.hub_effective_routes(&"h1".into(), "other"), None);
    assert_eq!(network.hub_effective_routes(&"v1".into(), DEFAULT), None);
    // Hubs of different virtual WANs, or of none, know nothing of each other.
    let apart = two_hubs().change(2, |hub| hub.virtual_wan = Some("other".into())).build();
    assert_eq!(row(&apart, 1, "10.3.0.0/16"), [""; 0]);
    let none = two_hubs().change(1, |h| h.virtual_wan = None).change(2, |h| h.virtual_wan = None).build();
    assert_eq!(row(&none, 1, "10.3.0.0/16"), [""; 0]);
}

/// VWAN-1: association and propagation, by table and by label, in this hub and others.
#[test]
fn vwan_1_tables_hold_what_is_propagated_to_them() {
    let shared =
        |name: &str| HubRouteTable { name: name.into(), labels: vec!["shared".into()], routes: vec![] };
    let isolated = || {
        two_hubs()
            .change(1, |hub| hub.route_tables.push(shared("red")))
            .change(2, |hub| hub.route_tables.push(shared("blue")))
            // v1 sees only what is labelled `shared`, and is seen by the default table alone.
            .connection(1, 1, |c| c.associated_route_table = Some("h1/hubRouteTables/red".into()))
            // v2 propagates to the label only.
            .connection(1, 2, |c| {
                c.propagation = Propagation { labels: vec!["SHARED".into()], ..Propagation::default() };
            })
            // v3, of the other hub, propagates to v1's table by name, and to nothing else.
            .connection(2, 3, |c| {
                let route_tables = vec!["h1/hubRouteTables/red".into()];
                c.propagation = Propagation { route_tables, labels: Vec::new() };
            })
    };
    let network = isolated().build();
    assert_eq!(
        table(&network, 1, "red"),
        ["10.2.0.0/16 Virtual Network Connection", "10.3.0.0/16 Remote Hub 65520-65520"]
    );
    assert_eq!(table(&network, 2, "BLUE"), ["10.2.0.0/16 Remote Hub 65520-65520"]);
    assert_eq!(
        table(&network, 1, DEFAULT),
        [
            "10.1.0.0/16 Virtual Network Connection",
            "172.16.0.0/16 ExpressRouteGateway 12076-64601",
            "172.17.0.0/16 Remote Hub 65520-65520-64602",
        ]
    );
    assert_eq!(
        gateway_rows(&network, "v1/subnets/s"),
        ["10.2.0.0/16 198.51.100.1", "10.3.0.0/16 198.51.100.1"]
    );
    assert_eq!(
        gateway_rows(&network, "v2/subnets/s"),
        ["10.1.0.0/16 198.51.100.1", "172.16.0.0/16 198.51.100.1", "172.17.0.0/16 198.51.100.1"]
    );
    // Branches use the default table, so that v2 and v3 are not announced to them.
    let told = told(&network, "h1-er1/links/primary", "er1/peerings/AzurePrivatePeering/links/primary");
    assert_eq!(prefixes(&told), ["10.1.0.0/16", "10.201.0.0/23", "172.17.0.0/16"]);
    // Branches propagate alike: here to the label.
    let network = isolated()
        .change(1, |hub| {
            hub.branch_propagation = Propagation { labels: vec!["shared".into()], ..Propagation::default() };
        })
        .build();
    assert_eq!(table(&network, 1, "red")[2], "172.16.0.0/16 ExpressRouteGateway 12076-64601");
    assert_eq!(row(&network, 1, "172.16.0.0/16"), [""; 0]);
    // A connection with the table that holds nothing.
    let network = two_hubs()
        .connection(1, 1, |c| {
            c.associated_route_table = Some("h1/hubRouteTables/noneRouteTable".into());
            c.propagation = Propagation::none();
        })
        .build();
    assert_eq!(gateway_rows(&network, "v1/subnets/s"), [""; 0]);
    assert_eq!(row(&network, 1, "10.1.0.0/16"), [""; 0]);
}

/// VWAN-3: a static route comes before a learned one of the same prefix, and stays in its hub.
#[test]
fn vwan_3_static_routes_come_first_and_stay() {
    let wan = |routes: Vec<HubRoute>| {
        two_hubs()
            .vpn(1, "near", &[(&["172.18.0.0/16"], &[64603])])
            .change(1, |hub| {
                hub.route_tables.push(HubRouteTable { name: DEFAULT.into(), labels: vec![], routes });
            })
            .build()
    };
    assert_eq!(row(&wan(vec![]), 1, "172.16.0.0/16"), ["ExpressRouteGateway 12076-64601"]);
    let network = wan(vec![
        static_route("a", "172.16.0.0/16", to("h1/hubVirtualNetworkConnections/v1")),
        static_route("b", "172.17.0.0/16", HubNextHop::IpAddress(ip("10.1.9.4"))),
        static_route("c", "172.19.0.0/16", to("h1/hubVirtualNetworkConnections/v2")),
    ]);
    assert_eq!(row(&network, 1, "172.16.0.0/16"), ["Virtual Network Connection"]);
    assert_eq!(row(&network, 1, "172.17.0.0/16"), ["Virtual Network Connection"]);
    let routes = network.hub_effective_routes(&"h1".into(), DEFAULT).unwrap();
    let origin = |prefix: &str| {
        let route = routes.iter().find(|r| r.address_prefixes == [net(prefix)]).unwrap();
        (route.route_origin.as_str(), route.next_hops[0].as_str())
    };
    let v2 = "h1/hubVirtualNetworkConnections/v2";
    assert_eq!(origin("172.19.0.0/16"), ("h1/hubRouteTables/defaultRouteTable", v2));
    assert_eq!(origin("10.2.0.0/16"), (v2, v2));
    // The other hub knows neither the static routes nor what they hide.
    assert_eq!(row(&network, 2, "172.19.0.0/16"), [""; 0]);
    assert_eq!(row(&network, 2, "172.16.0.0/16"), [""; 0]);
    assert_eq!(row(&network, 2, "172.17.0.0/16"), ["VPN_S2S_Gateway 64602"]);
    // Nor are they BGP's towards branches.
    let told = told(&network, "h1-near/site/declared", "h1-near/site/declared");
    assert!(prefixes(&told).contains(&"10.3.0.0/16"), "{told:?}");
    assert!(!prefixes(&told).contains(&"172.19.0.0/16"), "{told:?}");
}

/// VWAN-4, FT-11: a default route stays in its hub, and only who is flagged takes it.
#[test]
fn vwan_4_ft_11_default_routes_stay_and_follow_the_flag() {
    let mut wan = two_hubs()
        .vpn(1, "near", &[(&["0.0.0.0/0"], &[64603])])
        .vpn(1, "other", &[(&["172.18.0.0/16"], &[64604])])
        .connection(1, 2, |c| c.enable_internet_security = false);
    let network = wan.clone().build();
    assert_eq!(row(&network, 1, "0.0.0.0/0"), ["VPN_S2S_Gateway 64603"]);
    assert_eq!(row(&network, 2, "0.0.0.0/0"), [""; 0]);
    let has_default =
        |network: &Network, subnet: &str| gateway_rows(network, subnet)[0].starts_with("0.0.0.0/0");
    assert!(has_default(&network, "v1/subnets/s"));
    assert!(!has_default(&network, "v2/subnets/s"));
    assert!(!has_default(&network, "v3/subnets/s"));
    let branch = |network: &Network| {
        prefixes(&told(network, "h1-other/site/declared", "h1-other/site/declared")).contains(&"0.0.0.0/0")
    };
    assert!(!branch(&network));
    for connection in &mut wan.document.connections {
        connection.enable_internet_security = connection.id.as_str() == "h1-other";
    }
    assert!(branch(&wan.build()));
}

/// VWAN-5: what lies in a spoke's own space does not reach it from the hub.
#[test]
fn vwan_5_nothing_inside_a_spokes_space() {
    let network = two_hubs().vpn(1, "near", &[(&["10.1.7.0/24", "10.0.0.0/8"], &[64603])]).build();
    assert_eq!(row(&network, 1, "10.1.7.0/24"), ["VPN_S2S_Gateway 64603"]);
    let rows = gateway_rows(&network, "v1/subnets/s");
    assert!(!rows.iter().any(|row| row.starts_with("10.1.7.0/24")), "{rows:?}");
    assert!(rows.iter().any(|row| row.starts_with("10.0.0.0/8")), "{rows:?}");
    assert!(gateway_rows(&network, "v2/subnets/s").iter().any(|row| row.starts_with("10.1.7.0/24")));
}

/// VWAN-10, ER-14: circuits of hubs do not hear of each other; sites and networks do.
#[test]
fn vwan_10_no_transit_between_circuits() {
    let wan = || {
        two_hubs().circuit(1, "er1b", &[(&["172.20.0.0/16"], &[64605])]).circuit(
            2,
            "er2",
            &[(&["172.21.0.0/16"], &[64606])],
        )
    };
    let network = wan().build();
    let edge = |network: &Network, circuit: &str, hub: u8| {
        let session = format!("h{hub}-{circuit}/links/primary");
        let edge = format!("{circuit}/peerings/AzurePrivatePeering/links/primary");
        let told = told(network, &session, &edge);
        prefixes(&told).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let networks = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "10.201.0.0/23", "172.17.0.0/16"];
    assert_eq!(edge(&network, "er1", 1), networks);
    assert_eq!(row(&network, 1, "172.21.0.0/16"), ["Remote Hub 65520-65520-12076-64606"]);
    // The site hears of all circuits.
    let site = told(&network, "h2-site/site/declared", "h2-site/site/declared");
    assert!(prefixes(&site).contains(&"172.16.0.0/16") && prefixes(&site).contains(&"172.21.0.0/16"));
    // Support may let circuits meet through routing intent.
    let network = wan()
        .intent(1, true, false)
        .change(1, |hub| {
            hub.routing_intent.as_mut().unwrap().express_route_transit = true;
        })
        .build();
    // Paths with Microsoft's number come to nothing at its edge: what is announced there are the private ranges.
    let all: Vec<String> = edge(&network, "er1", 1);
    let more: Vec<&str> = all.iter().map(String::as_str).filter(|p| !networks.contains(p)).collect();
    assert_eq!(more, ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]);
}

/// VWAN-14: a circuit that is linked to two hubs bounces their networks, not their branches.
#[test]
fn vwan_14_a_shared_circuit_bounces_networks() {
    let wan = |preference| {
        Wan::new()
            .hub(1, preference)
            .hub(2, preference)
            .spoke(1, 1)
            .spoke(2, 2)
            .circuit(1, "er", &[])
            .circuit(2, "er", &[])
            .vpn(2, "site", &[(&["172.17.0.0/16"], &[64602])])
            .build()
    };
    let network = wan(ExpressRoute);
    assert_eq!(row(&network, 1, "10.2.0.0/16"), ["ExpressRouteGateway 12076-12076"]);
    assert_eq!(row(&network, 1, "10.202.0.0/23"), ["ExpressRouteGateway 12076-12076"]);
    assert_eq!(row(&network, 1, "172.17.0.0/16"), ["Remote Hub 65520-65520-64602"]);
    assert_eq!(row(&network, 2, "10.1.0.0/16"), ["ExpressRouteGateway 12076-12076"]);
    // By AS path both are two long, and local comes first.
    assert_eq!(row(&wan(AsPath), 1, "10.2.0.0/16"), ["ExpressRouteGateway 12076-12076"]);
}

/// ER-16 at hubs: what comes back over Global Reach carries Microsoft's number twice more, which only the AS-path
/// setting minds.
#[test]
fn er_16_global_reach_between_hubs_circuits() {
    let wan = |preference, reach: bool| {
        let mut wan = Wan::new()
            .hub(1, preference)
            .hub(2, preference)
            .spoke(1, 1)
            .spoke(2, 2)
            .circuit(1, "er1", &[(&["172.16.0.0/16"], &[64601])])
            .circuit(2, "er2", &[(&["172.17.0.0/16"], &[64602])]);
        if reach {
            wan.document.express_route_circuits[0].global_reach.push("er2".into());
        }
        wan.build()
    };
    let joined = wan(ExpressRoute, true);
    assert_eq!(row(&joined, 1, "10.2.0.0/16"), ["ExpressRouteGateway 12076-12076-12076-12076"]);
    assert_eq!(row(&joined, 1, "172.17.0.0/16"), ["ExpressRouteGateway 12076-12076-12076-64602"]);
    let apart = wan(ExpressRoute, false);
    assert_eq!(row(&apart, 1, "10.2.0.0/16"), ["Remote Hub 65520-65520"]);
    assert_eq!(row(&apart, 1, "172.17.0.0/16"), ["Remote Hub 65520-65520-12076-64602"]);
    assert_eq!(row(&wan(AsPath, true), 1, "10.2.0.0/16"), ["Remote Hub 65520-65520"]);
}

/// VWAN-15: static routes of a connection go where its network goes.
#[test]
fn vwan_15_static_routes_of_a_connection() {
    let wan = |propagate: bool| {
        two_hubs()
            .connection(1, 1, |c| {
                c.static_routes.push(behind("10.9.0.0/16", "10.1.9.4"));
                c.propagate_static_routes = propagate;
            })
            .build()
    };
    let network = wan(true);
    assert_eq!(row(&network, 1, "10.9.0.0/16"), ["Virtual Network Connection"]);
    assert_eq!(row(&network, 2, "10.9.0.0/16"), ["Remote Hub 65520-65520"]);
    assert_eq!(row(&wan(false), 1, "10.9.0.0/16"), [""; 0]);
}

/// VWAN-16: hubs carry IPv4 only.
#[test]
fn vwan_16_hubs_carry_ipv4_only() {
    let mut wan = two_hubs();
    wan.document.virtual_networks[0].address_space.push(net("fd12:1::/48"));
    let network = wan.build();
    assert!(table(&network, 1, DEFAULT).iter().all(|row| !row.contains(':')));
    assert!(gateway_rows(&network, "v2/subnets/s").iter().all(|row| !row.contains(':')));
}

/// VWAN-16: a hub with routing intent takes 600 address spaces; a finding says so, from nine tenths on.
#[test]
fn vwan_16_address_spaces_of_a_hub_with_intent() {
    use azroute::analysis::{FindingCode, Severity};
    let found = |spaces: u16, intent: bool| {
        let mut wan = Wan::new().hub(1, ExpressRoute).spoke(1, 1);
        let space = &mut wan.document.virtual_networks[0].address_space;
        space.extend((1..spaces).map(|n| net(&format!("172.{}.{}.0/24", 16 + n / 256, n % 256))));
        let network = if intent { wan.intent(1, true, false) } else { wan }.build();
        let findings = network.findings().iter().filter(|f| f.code == FindingCode::HubAddressSpaces);
        findings.map(|f| f.severity).collect::<Vec<_>>()
    };
    assert_eq!(found(540, true), []);
    assert_eq!(found(541, true), [Severity::Warning]);
    assert_eq!(found(601, true), [Severity::Error]);
    assert_eq!(found(601, false), []);
}

/// ER-12 at hubs: a network on a hub's circuit is let in where the hub takes traffic from outside its WAN and the
/// network's gateway takes traffic of virtual WANs.
#[test]
fn er_12_a_network_beside_a_virtual_wan() {
    use azroute::model::{
        Connection, ConnectionType, GatewayType, Subnet, VirtualNetwork, VirtualNetworkGateway,
    };
    let wan = |hub: bool, network: bool| {
        let mut wan = two_hubs();
        let document = &mut wan.document;
        let mut beside = VirtualNetwork::new("beside", [net("10.50.0.0/16")]);
        beside.subnets.push(Subnet::new("GatewaySubnet", net("10.50.255.0/27")));
        document.virtual_networks.push(beside);
        let mut gateway = VirtualNetworkGateway::new("gw", "beside", GatewayType::ExpressRoute);
        gateway.allow_virtual_wan_traffic = Some(network);
        gateway.allow_remote_vnet_traffic = Some(!network);
        document.virtual_network_gateways.push(gateway);
        document.connections.push(Connection::new("gw-er1", ConnectionType::ExpressRoute, "gw", "er1"));
        for gateway in &mut document.virtual_network_gateways {
            if gateway.virtual_network.as_str() == "h1" {
                gateway.allow_remote_vnet_traffic = Some(hub);
            }
        }
        let network = wan.build();
        let back = gateway_rows(&network, "beside/subnets/GatewaySubnet");
        (row(&network, 1, "10.50.0.0/16"), back.iter().any(|row| row.starts_with("10.1.0.0/16")))
    };
    assert_eq!(wan(true, true), (vec!["ExpressRouteGateway 12076-12076".to_owned()], true));
    assert_eq!(wan(true, false), (vec![], false));
    assert_eq!(wan(false, true), (vec![], false));
}

/// Static prefixes of a site without BGP arrive like learned ones, and the site knows what the hub would tell it.
#[test]
fn vwan_1_a_site_without_bgp() {
    let mut wan = two_hubs();
    for connection in &mut wan.document.connections {
        connection.enable_bgp = false;
    }
    let local: &mut LocalNetworkGateway = &mut wan.document.local_network_gateways[0];
    local.address_prefixes = vec![net("172.22.0.0/16")];
    let network = wan.build();
    assert_eq!(row(&network, 2, "172.22.0.0/16"), ["VPN_S2S_Gateway"]);
    assert_eq!(row(&network, 2, "172.17.0.0/16"), [""; 0]);
    assert_eq!(row(&network, 1, "172.22.0.0/16"), ["Remote Hub 65520-65520"]);
}
