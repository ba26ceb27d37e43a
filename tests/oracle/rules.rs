//! The oracle, rule by rule: what the worked vectors of section 24 do not reach.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::net::IpAddr;

use azroute::model::{
    Advertisement, CircuitPeering, Connection, ConnectionType, CrossTenantLinks, Document,
    EffectiveNextHopType as Hop, EffectiveRouteRow, ExpressRouteCircuit, GatewayType, Knobs, LearnedRoute,
    Limits, LinkRole, LocalNetworkGateway, NoneProfile, OnPremisesSite, PeeringState, PeeringType,
    PrivateEndpoint, PublicIpAddress, RouteServer, RouteSource, RouteState, ServiceEndpoint, ServiceTag,
    Topology, TopologyBuilder, VirtualNetworkGateway, VpnType,
};
use azroute::testing::oracle::{effective_rows, gateway_members, next_hop};
use ipnet::IpNet;

const S: &str = "v/subnets/s";

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn base() -> TopologyBuilder {
    Topology::builder().virtual_network("v", &["10.0.0.0/16"]).subnet("v", "s", "10.0.0.0/24").appliance(
        "nva",
        S,
        "10.0.0.100",
    )
}

fn done(builder: TopologyBuilder) -> Document {
    builder.build().unwrap().document().clone()
}

fn rows_of(builder: TopologyBuilder, subnet: &str) -> Vec<EffectiveRouteRow> {
    effective_rows(&done(builder), &subnet.into()).unwrap()
}

fn rows(builder: TopologyBuilder) -> Vec<EffectiveRouteRow> {
    rows_of(builder, S)
}

/// `state hop` of the rows with this prefix, with the source's initial.
fn at(rows: &[EffectiveRouteRow], prefix: &str) -> Vec<String> {
    let here = rows.iter().filter(|r| r.prefix == net(prefix));
    here.map(|r| format!("{} {} {}", &r.source.as_str()[..1], r.state, r.next_hop_type)).collect()
}

fn gateway(kind: GatewayType, prefixes: &[&str]) -> VirtualNetworkGateway {
    let id = if kind == GatewayType::Vpn { "vpn" } else { "er" };
    let mut gateway = VirtualNetworkGateway::new(id, "v", kind);
    gateway.learned_routes = prefixes.iter().map(|p| LearnedRoute::new(net(p), [65001.into()])).collect();
    gateway
}

/// SYS-1, SYS-5, SYS-6.
#[test]
fn system_rows() {
    let two = || {
        Topology::builder().virtual_network("v", &["10.0.0.0/7", "192.168.0.0/16"]).subnet(
            "v",
            "s",
            "10.0.0.0/24",
        )
    };
    let found = rows(two());
    assert_eq!(at(&found, "10.0.0.0/7"), ["D Active VnetLocal"]);
    assert_eq!(at(&found, "10.0.0.0/8"), [""; 0]);
    assert_eq!(at(&found, "192.168.0.0/16"), ["D Active VnetLocal"]);
    assert_eq!(at(&found, "172.16.0.0/12"), ["D Active None"]);
    let seen = rows(base().knobs(Knobs { none_profile: Some(NoneProfile::Seen2022), ..Knobs::default() }));
    assert_eq!(at(&seen, "198.18.0.0/15"), ["D Active None"]);
    assert_eq!(seen.len(), 17 + 2);
}

/// SYS-7 with a gateway's and a peer's prefix; SYS-9 with a gateway default that a user default beats.
#[test]
fn none_rows_that_go() {
    let taken = rows(
        base()
            .with(gateway(GatewayType::ExpressRoute, &["10.0.0.0/8", "0.0.0.0/0"]))
            .virtual_network("p", &["192.168.0.0/16"])
            .peer("v", "p")
            .route("rt", "d", "0.0.0.0/0", "None", &[])
            .bind(S, "rt"),
    );
    assert_eq!(at(&taken, "10.0.0.0/8"), ["V Active VirtualNetworkGateway"]);
    assert_eq!(at(&taken, "192.168.0.0/16"), ["D Active VNetPeering"]);
    assert_eq!(at(&taken, "172.16.0.0/12"), ["D Active None"]);
    assert_eq!(at(&taken, "0.0.0.0/0"), ["U Active None", "V Invalid VirtualNetworkGateway"]);
}

fn peered() -> TopologyBuilder {
    base().virtual_network("p", &["10.1.0.0/16", "10.2.0.0/16"]).subnet("p", "a", "10.1.1.0/24").subnet(
        "p",
        "b",
        "10.2.1.0/24",
    )
}

/// PEER-1, PEER-2, PEER-15.
#[test]
fn peerings() {
    let both = rows(peered().peer("v", "p").virtual_network("q", &["10.3.0.0/16"]).peer("p", "q"));
    assert_eq!(at(&both, "10.1.0.0/16"), ["D Active VNetPeering"]);
    assert_eq!(at(&both, "10.2.0.0/16"), ["D Active VNetPeering"]);
    assert_eq!(at(&both, "10.3.0.0/16"), [""; 0]);
    let one_half = rows(peered().peer_with("v", "p", |_| {}));
    assert_eq!(at(&one_half, "10.1.0.0/16"), [""; 0]);
    let initiated = rows(peered().peer_with("v", "p", |_| {}).peer_with("p", "v", |p| {
        p.peering_state = Some(PeeringState::Initiated);
    }));
    assert_eq!(at(&initiated, "10.1.0.0/16"), [""; 0]);
    let partial = rows(peered().peer_with("p", "v", |_| {}).peer_with("v", "p", |p| {
        p.peer_complete_vnets = false;
        p.remote_subnet_names = vec!["A".to_owned()];
    }));
    assert_eq!(at(&partial, "10.1.1.0/24"), ["D Active VNetPeering"]);
    assert_eq!(at(&partial, "10.1.0.0/16"), [""; 0]);
    let synced = rows(peered().peer_with("p", "v", |_| {}).peer_with("v", "p", |p| {
        p.remote_address_space = vec![net("10.1.0.0/16")];
    }));
    assert_eq!(at(&synced, "10.2.0.0/16"), [""; 0]);
}

/// PEER-13, with SEL-8: a hidden peer does not shield its space; PE-1 rows stay.
#[test]
fn hidden_peers() {
    let topology = peered()
        .peer("v", "p")
        .with(gateway(GatewayType::ExpressRoute, &["10.1.0.0/16"]))
        .with(PrivateEndpoint {
            id: "pe".into(),
            subnet: "p/subnets/b".into(),
            private_ip_addresses: vec![ip("10.2.1.4")],
            ..PrivateEndpoint::default()
        })
        .route("rt", "x", "203.0.113.0/24", "None", &[])
        .bind(S, "rt")
        .configure(|d| d.route_tables[0].disable_peering_route = true);
    let found = rows(topology);
    assert_eq!(at(&found, "10.1.0.0/16"), ["V Active VirtualNetworkGateway"]);
    assert_eq!(at(&found, "10.2.0.0/16"), [""; 0]);
    assert_eq!(at(&found, "10.2.1.4/32"), ["D Active InterfaceEndpoint"]);
}

/// PEER-14.
#[test]
fn connected_groups() {
    let topology = |peer: bool| {
        let builder = peered().virtual_network("q", &["10.3.0.0/16"]).configure(|d| {
            for vnet in &mut d.virtual_networks {
                vnet.connected_group = Some("mesh".to_owned());
            }
        });
        if peer { builder.peer("v", "p") } else { builder }
    };
    assert_eq!(at(&rows(topology(false)), "10.1.0.0/16"), ["D Active ConnectedGroup"]);
    assert_eq!(at(&rows(topology(true)), "10.1.0.0/16"), ["D Active VNetPeering"]);
    assert_eq!(at(&rows(topology(true)), "10.3.0.0/16"), ["D Active ConnectedGroup"]);
    // SEL-6.
    let told = topology(false).with(gateway(GatewayType::ExpressRoute, &["10.3.4.0/24"]));
    assert_eq!(at(&rows(told), "10.3.4.0/24"), [""; 0]);
}

fn tag(name: &str, prefixes: &[&str]) -> ServiceTag {
    ServiceTag { name: name.into(), address_prefixes: prefixes.iter().map(|p| net(p)).collect() }
}

/// SE-1, SE-7, V6-6.
#[test]
fn service_endpoints() {
    let topology = |endpoint: ServiceEndpoint| {
        base()
            .subnet("v", "t", "10.0.1.0/24")
            .with(tag("Storage", &["20.1.0.0/16", "20.2.0.0/16", "2603::/32"]))
            .with(tag("Storage.WestEurope", &["20.2.0.0/16"]))
            .configure_subnet(S, |s| s.service_endpoints.push(endpoint))
    };
    let mut regional = ServiceEndpoint::new("Microsoft.Storage");
    regional.locations = vec!["west europe".to_owned()];
    let exact = ServiceEndpoint { prefixes: vec![net("20.9.0.0/24")], ..regional.clone() };
    let count = |builder| {
        let service = Hop::VirtualNetworkServiceEndpoint;
        rows(builder)
            .iter()
            .filter(|r| r.next_hop_type == service)
            .map(|r| r.prefix.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(count(topology(ServiceEndpoint::new("Microsoft.Storage"))), ["20.1.0.0/16", "20.2.0.0/16"]);
    assert_eq!(count(topology(regional.clone())), ["20.2.0.0/16"]);
    assert_eq!(count(topology(exact)), ["20.9.0.0/24"]);
    let elsewhere = rows_of(topology(regional), "v/subnets/t");
    assert!(elsewhere.iter().all(|r| r.next_hop_type != Hop::VirtualNetworkServiceEndpoint));
}

/// PE-1, PE-2.
#[test]
fn private_endpoints_reach_one_peering_far() {
    let topology = || {
        peered()
            .peer("v", "p")
            .virtual_network("q", &["10.3.0.0/16"])
            .subnet("q", "s", "10.3.0.0/24")
            .peer("v", "q")
            .with(PrivateEndpoint {
                id: "pe".into(),
                subnet: "p/subnets/a".into(),
                private_ip_addresses: vec![ip("10.1.1.4")],
                ..PrivateEndpoint::default()
            })
    };
    for (subnet, rows) in [("p/subnets/b", 1), (S, 1), ("q/subnets/s", 0)] {
        assert_eq!(at(&rows_of(topology(), subnet), "10.1.1.4/32").len(), rows, "{subnet}");
    }
}

/// UDR-11, UDR-17, V6-3.
#[test]
fn user_routes() {
    let tags = base()
        .with(tag("Storage", &["20.1.0.0/16", "20.2.0.0/16"]))
        .with(tag("Storage.EastUS", &["20.1.0.0/16"]))
        .with(tag("AzureCloud", &["20.1.0.0/16", "20.3.0.0/16"]))
        .with(tag("AzureCloud.eastus", &["20.3.0.0/16", "2603::/32"]))
        .route("rt", "cloud", "AzureCloud", "None", &[])
        .route("rt", "cloud east", "AzureCloud.eastus", "VirtualAppliance", &["10.0.0.100"])
        .route("rt", "storage", "Storage", "Internet", &[])
        .route("rt", "east", "Storage.EastUS", "VirtualAppliance", &["10.0.0.100"])
        .route("rt", "both", "10.9.0.0/16", "VirtualApplianceEcmp", &["10.0.0.101", "10.0.0.100"])
        .bind(S, "rt");
    let found = rows(tags);
    let active = |prefix: &str| -> Option<String> {
        let mut here = found.iter().filter(|r| r.prefix == net(prefix) && r.state == RouteState::Active);
        here.next().and_then(|r| r.name.clone())
    };
    assert_eq!(active("20.1.0.0/16").unwrap(), "east");
    assert_eq!(active("20.2.0.0/16").unwrap(), "storage");
    assert_eq!(active("20.3.0.0/16").unwrap(), "cloud east");
    assert_eq!(found.iter().filter(|r| r.prefix == net("20.1.0.0/16")).count(), 3);
    assert_eq!(at(&found, "2603::/32"), [""; 0]);
    let ecmp = found.iter().find(|r| r.prefix == net("10.9.0.0/16")).unwrap();
    assert_eq!(ecmp.next_hop_type, Hop::VirtualAppliance);
    assert_eq!(ecmp.next_hop_ip_addresses, [ip("10.0.0.100"), ip("10.0.0.101")]);
}

/// UDR-12: route tables on `GatewaySubnet` since mid-2016.
#[test]
fn gateway_subnet_tables_have_an_era() {
    let topology = || {
        base()
            .subnet("v", "GatewaySubnet", "10.0.255.0/27")
            .route("rt", "r", "10.0.0.0/24", "None", &[])
            .bind("v/subnets/GatewaySubnet", "rt")
    };
    let look = |builder| at(&rows_of(builder, "v/subnets/GatewaySubnet"), "10.0.0.0/24").len();
    assert_eq!(look(topology()), 1);
    assert_eq!(look(topology().as_of("2016-03-01".parse().unwrap())), 0);
}

fn vpn_site(bgp: bool, fixed: &[&str], advertised: &[&str]) -> TopologyBuilder {
    let mut connection = Connection::new("tunnel", ConnectionType::IPsec, "vpn", "lng");
    connection.enable_bgp = bgp;
    let mut site = OnPremisesSite::new("site", []);
    site.advertisements.push(Advertisement::new("lng", advertised.iter().map(|p| net(p)), [65010.into()]));
    base()
        .with(gateway(GatewayType::Vpn, &[]))
        .with(LocalNetworkGateway {
            id: "lng".into(),
            address_prefixes: fixed.iter().map(|p| net(p)).collect(),
            bgp_peering_address: Some(ip("192.168.5.1")),
            ..LocalNetworkGateway::default()
        })
        .with(connection)
        .with(site)
}

/// GWR-1, GWR-3, GWR-5, UDR-15, VOC-13, VPN-1, VPN-4, VPN-13.
#[test]
fn vpn_routes() {
    let gateway_rows = |builder| -> Vec<String> {
        let found = rows(builder);
        let source = RouteSource::VirtualNetworkGateway;
        found.iter().filter(|r| r.source == source).map(|r| r.prefix.to_string()).collect()
    };
    let fixed = ["10.60.0.0/16"];
    let told = ["10.61.0.0/16", "2001:db8::/32"];
    let all = ["10.60.0.0/16", "10.61.0.0/16", "192.168.5.1/32"];
    assert_eq!(gateway_rows(vpn_site(true, &fixed, &told)), all);
    assert_eq!(gateway_rows(vpn_site(false, &fixed, &told)), fixed);
    let policy = |d: &mut Document| d.virtual_network_gateways[0].vpn_type = VpnType::PolicyBased;
    assert_eq!(gateway_rows(vpn_site(true, &fixed, &told).configure(policy)), fixed);
    let down = |d: &mut Document| d.connections[0].connected = false;
    assert_eq!(gateway_rows(vpn_site(true, &fixed, &told).configure(down)), [""; 0]);
    let kind = |d: &mut Document| d.virtual_network_gateways[0].gateway_type = GatewayType::LocalGateway;
    assert_eq!(gateway_rows(vpn_site(true, &fixed, &told).configure(kind)), [""; 0]);
    let unpropagated = vpn_site(true, &fixed, &told)
        .route("rt", "x", "203.0.113.0/24", "None", &[])
        .bind(S, "rt")
        .configure(|d| d.route_tables[0].disable_bgp_route_propagation = true);
    assert_eq!(gateway_rows(unpropagated), [""; 0]);
    let public = vpn_site(false, &fixed, &[])
        .with(PublicIpAddress { id: "pip".into(), ip_address: Some(ip("20.5.5.5")) })
        .configure(|d| d.virtual_network_gateways[0].public_ip_addresses = vec!["pip".into()]);
    let found = rows(public);
    let row = found.iter().find(|r| r.prefix == net("10.60.0.0/16")).unwrap();
    assert_eq!(row.next_hop_ip_addresses, [ip("20.5.5.5")]);
    // VPN-4: 4,001 prefixes take the session down; the static ones stay.
    let many = |limits: Limits| {
        let told: Vec<String> = (0..4001).map(|n| format!("11.{}.{}.0/24", n / 256, n % 256)).collect();
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        let knobs = Knobs { limits, ..Knobs::default() };
        gateway_rows(vpn_site(true, &fixed, &told).knobs(knobs)).len()
    };
    assert_eq!((many(Limits::Enforce), many(Limits::LintOnly)), (2, 4003));
}

/// VPN-2, and VNet-to-VNet with and without BGP.
#[test]
fn vnet_to_vnet() {
    let topology = |bgp: bool| {
        let mut connection = Connection::new("to far", ConnectionType::Vnet2Vnet, "vpn", "far vpn");
        connection.enable_bgp = bgp;
        // Each direction is a connection of its own.
        let mut back = Connection::new("to near", ConnectionType::Vnet2Vnet, "far vpn", "vpn");
        back.enable_bgp = bgp;
        let mut far = VirtualNetworkGateway::new("far vpn", "far", GatewayType::Vpn);
        far.bgp_peering_addresses = vec![ip("10.8.255.4")];
        base()
            .with(gateway(GatewayType::Vpn, &[]))
            .with(far)
            .with(connection)
            .with(back)
            .virtual_network("far", &["10.8.0.0/16"])
            .virtual_network("spoke", &["10.9.0.0/16"])
            .peer_with_gateway_transit("far", "spoke")
    };
    for bgp in [false, true] {
        let found = rows(topology(bgp));
        assert_eq!(at(&found, "10.8.0.0/16"), ["V Active VirtualNetworkGateway"]);
        assert_eq!(at(&found, "10.9.0.0/16"), ["V Active VirtualNetworkGateway"]);
        assert_eq!(at(&found, "10.8.255.4/32").len(), usize::from(bgp));
    }
}

/// An ExpressRoute gateway in `v`, and another in `w`, both on one circuit.
fn shared_circuit() -> TopologyBuilder {
    let mut circuit = ExpressRouteCircuit::new("c");
    circuit.peerings.push(CircuitPeering::new(PeeringType::AzurePrivatePeering));
    let mut primary = Advertisement::new("c", [net("10.50.0.0/16"), net("2001:db8:50::/48")], [65001.into()]);
    primary.link = Some(LinkRole::Primary);
    let mut site = OnPremisesSite::new("dc", []);
    site.advertisements.push(primary);
    base()
        .virtual_network("w", &["10.20.0.0/16"])
        .virtual_network("spoke", &["10.21.0.0/16"])
        .with(gateway(GatewayType::ExpressRoute, &[]))
        .with(VirtualNetworkGateway::new("er w", "w", GatewayType::ExpressRoute))
        .peer_with_gateway_transit("w", "spoke")
        .with(circuit)
        .with(site)
        .with(Connection::new("c v", ConnectionType::ExpressRoute, "er", "c"))
        .with(Connection::new("c w", ConnectionType::ExpressRoute, "er w", "c"))
}

/// ER-4, ER-12, GWR-5, BGP-9, ISO-2, V6-4.
#[test]
fn expressroute_routes() {
    let count =
        |change: fn(&mut Document), prefix: &str| at(&rows(shared_circuit().configure(change)), prefix).len();
    let site = "10.50.0.0/16";
    assert_eq!(count(|_| {}, site), 1);
    // The site is told on the primary link only.
    assert_eq!(count(|d| d.express_route_circuits[0].secondary.up = false, site), 1);
    assert_eq!(count(|d| d.express_route_circuits[0].primary.up = false, site), 0);
    assert_eq!(count(|d| d.express_route_circuits[0].peerings[0].enabled = false, site), 0);
    assert_eq!(count(|d| d.connections[0].connected = false, site), 0);
    // ISO-2: another tenant's circuit, by authorisation or not at all.
    assert_eq!(count(|d| d.express_route_circuits[0].tenant = Some("x".into()), site), 1);
    let denied = |d: &mut Document| {
        d.express_route_circuits[0].tenant = Some("x".into());
        d.knobs.cross_tenant_links = Some(CrossTenantLinks::Deny2016);
    };
    assert_eq!(count(denied, site), 0);
    // V6-5: no IPv6 rows in a network without IPv6 space.
    assert_eq!(count(|_| {}, "2001:db8:50::/48"), 0);
    let dual = |d: &mut Document| d.virtual_networks[0].address_space.push("fd00::/48".parse().unwrap());
    assert_eq!(count(dual, "2001:db8:50::/48"), 1);
    assert_eq!(count(dual, "::/0"), 1);
    // ER-12: both ends must allow; by era.
    let both = |d: &mut Document| {
        for gateway in &mut d.virtual_network_gateways {
            gateway.allow_remote_vnet_traffic = Some(true);
        }
    };
    assert_eq!(count(|_| {}, "10.20.0.0/16"), 0);
    assert_eq!(count(both, "10.20.0.0/16"), 1);
    assert_eq!(count(both, "10.21.0.0/16"), 1);
    assert_eq!(
        count(|d| d.virtual_network_gateways[0].allow_remote_vnet_traffic = Some(true), "10.20.0.0/16"),
        0
    );
    assert_eq!(count(|d| d.as_of = Some("2023-01-01".parse().unwrap()), "10.20.0.0/16"), 1);
}

/// ER-5: more than 1,000 prefixes towards the circuit take its connection down.
#[test]
fn too_much_told_takes_the_connection_down() {
    let topology = |n: u32| {
        shared_circuit().configure(|d| {
            let extra = (0..n).map(|n| net(&format!("11.{}.{}.0/24", n / 256, n % 256)));
            d.virtual_networks[0].address_space.extend(extra);
        })
    };
    assert_eq!(at(&rows(topology(999)), "10.50.0.0/16").len(), 1);
    assert_eq!(at(&rows(topology(1000)), "10.50.0.0/16").len(), 0);
    let study = topology(1000).knobs(Knobs { limits: Limits::LintOnly, ..Knobs::default() });
    assert_eq!(at(&rows(study), "10.50.0.0/16").len(), 1);
}

/// ER-8, ER-9: equal cost over two circuits, until a Route Server takes the multipath information away.
#[test]
fn equal_circuits() {
    let topology = || {
        let mut second = ExpressRouteCircuit::new("c2");
        second.peerings.push(CircuitPeering::new(PeeringType::AzurePrivatePeering));
        let mut site = OnPremisesSite::new("dc2", []);
        site.advertisements.push(Advertisement::new("c2", [net("10.50.0.0/16")], [65001.into()]));
        let connection = Connection::new("a second", ConnectionType::ExpressRoute, "er", "c2");
        shared_circuit().with(second).with(site).with(connection)
    };
    let members = |builder| {
        let found = gateway_members(&done(builder), &S.into(), &net("10.50.0.0/16"));
        found.into_iter().map(|m| m.connection.unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(members(topology()), ["a second", "c v"]);
    let server = RouteServer {
        id: "rs".into(),
        virtual_network: "v".into(),
        virtual_router_ips: Vec::new(),
        allow_branch_to_branch_traffic: false,
        hub_routing_preference: azroute::model::HubRoutingPreference::default(),
        bgp_connections: Vec::new(),
        learned_routes: Vec::new(),
    };
    assert_eq!(members(topology().with(server)), ["a second"]);
}

/// V6-2: no reserved rows for IPv6; fc00::/7 follows ::/0.
#[test]
fn ipv6_rows() {
    let dual = base().configure(|d| d.virtual_networks[0].address_space.push(net("fd00:1::/48")));
    let document = done(dual);
    let hop = |dst: &str| next_hop(&document, &S.into(), ip(dst)).unwrap().1;
    assert_eq!(hop("fd00:1::9"), Hop::VnetLocal);
    assert_eq!(hop("fd00:2::9"), Hop::Internet);
    assert_eq!(hop("2001:db8::9"), Hop::Internet);
}

/// PEER-7: a Basic VPN gateway serves its own network only.
#[test]
fn no_transit_through_a_basic_gateway() {
    let topology = |sku: &str| {
        let mut vpn = gateway(GatewayType::Vpn, &["10.60.0.0/16"]);
        vpn.sku = Some(sku.to_owned());
        base()
            .with(vpn)
            .virtual_network("w", &["10.7.0.0/16"])
            .subnet("w", "s", "10.7.0.0/24")
            .peer_with_gateway_transit("v", "w")
    };
    let look = |sku, subnet| at(&rows_of(topology(sku), subnet), "10.60.0.0/16").len();
    assert_eq!((look("Basic", S), look("Basic", "w/subnets/s")), (1, 0));
    assert_eq!((look("VpnGw1", S), look("VpnGw1", "w/subnets/s")), (1, 1));
}

/// SEL-6 in a spoke of a virtual hub: what the hub says inside a direct peer or inside its own prefix is not programmed.
#[test]
fn hub_routes_over_peers_are_absent() {
    let connection = |name: &str| azroute::model::HubVirtualNetworkConnection::new(name, name);
    let hub = azroute::model::VirtualHub {
        address_prefix: Some(net("10.100.0.0/23")),
        virtual_network_connections: vec![connection("v"), connection("p")],
        learned_routes: ["10.1.7.0/24", "10.100.1.0/24", "0.0.0.0/0"]
            .map(|p| LearnedRoute::new(net(p), []))
            .to_vec(),
        ..azroute::model::VirtualHub::new("hub")
    };
    let found = rows(peered().peer("v", "p").with(hub));
    assert_eq!(at(&found, "10.1.0.0/16"), ["D Active VNetPeering"]);
    assert_eq!(at(&found, "10.1.7.0/24"), [""; 0]);
    assert_eq!(at(&found, "10.100.1.0/24"), [""; 0]);
    // VWAN-4, SYS-9, SYS-11.
    assert_eq!(at(&found, "0.0.0.0/0"), ["V Active VirtualNetworkGateway"]);
    assert_eq!(at(&found, "192.168.0.0/16"), [""; 0]);
}

/// V6-4, V6-6, VPN-13, ARS-14: in a dual-stack network only ExpressRoute gives IPv6 gateway rows, and a service endpoint
/// gives none.
#[test]
fn what_is_ipv4_only() {
    let told = "2001:db8:1::/48";
    let dual = |builder: TopologyBuilder| {
        builder.configure(|d| d.virtual_networks[0].address_space.push(net("fd00:1::/48")))
    };
    let count = |builder: TopologyBuilder| at(&rows(dual(builder)), told).len();
    assert_eq!(count(base().with(gateway(GatewayType::ExpressRoute, &[told]))), 1);
    assert_eq!(count(base().with(gateway(GatewayType::Vpn, &[told]))), 0);
    let server = RouteServer {
        id: "rs".into(),
        virtual_network: "v".into(),
        virtual_router_ips: Vec::new(),
        allow_branch_to_branch_traffic: false,
        hub_routing_preference: azroute::model::HubRoutingPreference::default(),
        bgp_connections: Vec::new(),
        learned_routes: vec![LearnedRoute::new(net(told), [])],
    };
    assert_eq!(count(base().with(server)), 0);
    let endpoint = ServiceEndpoint { prefixes: vec![net(told)], ..ServiceEndpoint::new("Microsoft.Storage") };
    assert_eq!(count(base().configure_subnet(S, |s| s.service_endpoints.push(endpoint))), 0);
}
