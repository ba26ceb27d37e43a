//! The oracle against the worked vectors of section 24 of the rules, each named by its number, and against single rules
//! whose row display the vectors do not show.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "helpers of tests")]

use std::net::IpAddr;

use azroute::model::{
    Advertisement, BgpShadow, CircuitPeering, CircuitSkuTier, Connection, ConnectionType, Document,
    EffectiveNextHopType as Hop, EffectiveRouteRow, ExpressRouteCircuit, GatewayType, Knobs, LearnedRoute,
    LocalNetworkGateway, OnPremisesSite, PeeringType, PrivateEndpoint, PrivateEndpointNetworkPolicies,
    ResourceId, RouteServer, RouteSource, RouteState, SePrecedence, ServiceEndpoint, ServiceTag, Topology,
    TopologyBuilder, VirtualHub, VirtualNetworkGateway,
};
use azroute::testing::oracle::{GatewayKind, effective_rows, gateway_members, next_hop, walk};
use ipnet::IpNet;

const S: &str = "v/subnets/s";

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// VNet V with subnet S and an appliance at 10.0.100.4.
fn base() -> TopologyBuilder {
    Topology::builder()
        .virtual_network("v", &["10.0.0.0/16"])
        .subnet("v", "s", "10.0.0.0/24")
        .subnet("v", "nva", "10.0.100.0/24")
        .appliance("nva", "v/subnets/nva", "10.0.100.4")
        .nic("vm", S, "10.0.0.4")
}

/// A user route in the table of S.
fn udr(builder: TopologyBuilder, prefix: &str, hop: &str) -> TopologyBuilder {
    let next_hops: &[&str] = if hop == "VirtualAppliance" { &["10.0.100.4"] } else { &[] };
    builder.route("rt", &format!("to {prefix}"), prefix, hop, next_hops).bind(S, "rt")
}

/// An ExpressRoute gateway in V that learned these prefixes.
fn bgp(builder: TopologyBuilder, prefixes: &[&str]) -> TopologyBuilder {
    let mut gateway = VirtualNetworkGateway::new("er", "v", GatewayType::ExpressRoute);
    gateway.learned_routes = prefixes.iter().map(|p| LearnedRoute::new(net(p), [65001.into()])).collect();
    builder.with(gateway)
}

fn done(builder: TopologyBuilder) -> Document {
    builder.build().unwrap().document().clone()
}

fn hop(builder: TopologyBuilder, dst: &str) -> Hop {
    next_hop(&done(builder), &S.into(), ip(dst)).unwrap().1
}

fn via(builder: TopologyBuilder, dst: &str) -> (String, Hop) {
    let (prefix, hop) = next_hop(&done(builder), &S.into(), ip(dst)).unwrap();
    (prefix.map(|p| p.to_string()).unwrap_or_default(), hop)
}

fn rows(builder: TopologyBuilder) -> Vec<EffectiveRouteRow> {
    effective_rows(&done(builder), &S.into()).unwrap()
}

/// `source state prefix hop` of the rows with this prefix.
fn lines(rows: &[EffectiveRouteRow], prefix: &str) -> Vec<String> {
    rows.iter()
        .filter(|r| r.prefix == net(prefix))
        .map(|r| format!("{} {} {}", r.source, r.state, r.next_hop_type))
        .collect()
}

#[test]
fn vectors_1_2_3_plain_network() {
    assert_eq!(hop(base(), "10.0.7.7"), Hop::VnetLocal);
    assert_eq!(via(base(), "10.9.9.9"), ("10.0.0.0/8".to_owned(), Hop::None));
    assert_eq!(hop(base(), "8.8.8.8"), Hop::Internet);
}

#[test]
fn vector_4_legacy_profile() {
    let era = base().as_of("2019-06-01".parse().unwrap());
    assert_eq!(hop(era, "172.20.0.1"), Hop::Internet);
    assert_eq!(hop(base(), "172.20.0.1"), Hop::None);
}

#[test]
fn vectors_5_6_7_default_routes_and_private_space() {
    assert_eq!(hop(udr(base(), "0.0.0.0/0", "VirtualAppliance"), "192.168.9.9"), Hop::VirtualAppliance);
    let none = via(udr(base(), "0.0.0.0/0", "None"), "192.168.9.9");
    assert_eq!(none, ("192.168.0.0/16".to_owned(), Hop::None));
    assert_eq!(hop(udr(base(), "0.0.0.0/0", "Internet"), "192.168.9.9"), Hop::None);
}

#[test]
fn vectors_8_9_10_forced_tunnelling() {
    assert_eq!(hop(bgp(base(), &["0.0.0.0/0"]), "8.8.8.8"), Hop::VirtualNetworkGateway);
    assert_eq!(hop(bgp(base(), &["0.0.0.0/0"]), "172.16.5.5"), Hop::VirtualNetworkGateway);
    let exempt = || udr(bgp(base(), &["0.0.0.0/0"]), "0.0.0.0/0", "Internet");
    assert_eq!(hop(exempt(), "8.8.8.8"), Hop::Internet);
    // SYS-11: the system default is absent where a gateway default is present, Active or not.
    assert_eq!(
        lines(&rows(exempt()), "0.0.0.0/0"),
        ["User Active Internet", "VirtualNetworkGateway Invalid VirtualNetworkGateway"]
    );
    let alone = udr(base(), "0.0.0.0/0", "Internet");
    assert_eq!(lines(&rows(alone), "0.0.0.0/0"), ["Default Invalid Internet", "User Active Internet"]);
}

fn storage(builder: TopologyBuilder) -> TopologyBuilder {
    builder
        .with(ServiceTag { name: "Storage".into(), address_prefixes: vec![net("13.70.96.0/20")] })
        .configure_subnet(S, |s| s.service_endpoints.push(ServiceEndpoint::new("Microsoft.Storage")))
}

#[test]
fn vector_11_service_endpoint_under_forced_tunnelling() {
    let topology = storage(bgp(base(), &["0.0.0.0/0"]));
    assert_eq!(hop(topology, "13.70.99.20"), Hop::VirtualNetworkServiceEndpoint);
}

/// SE-4.
#[test]
fn service_endpoints_are_unbeatable_as_documented_and_not_in_labs() {
    let topology = || udr(storage(base()), "13.70.99.16/28", "VirtualAppliance");
    assert_eq!(hop(topology(), "13.70.99.20"), Hop::VirtualNetworkServiceEndpoint);
    let lab = Knobs { se_precedence: SePrecedence::LabObserved, ..Knobs::default() };
    assert_eq!(hop(topology().knobs(lab), "13.70.99.20"), Hop::VirtualAppliance);
}

#[test]
fn vector_12_gateway_route_inside_own_space() {
    assert_eq!(hop(bgp(base(), &["10.0.5.0/24"]), "10.0.5.9"), Hop::VnetLocal);
    // SEL-6: absent, not Invalid.
    assert_eq!(lines(&rows(bgp(base(), &["10.0.5.0/24"])), "10.0.5.0/24"), [""; 0]);
}

#[test]
fn vectors_13_14_user_routes_over_own_space() {
    let whole = || udr(base(), "10.0.0.0/16", "VirtualAppliance");
    assert_eq!(hop(whole(), "10.0.0.9"), Hop::VirtualAppliance);
    assert_eq!(hop(udr(whole(), "10.0.0.0/24", "VnetLocal"), "10.0.0.9"), Hop::VnetLocal);
}

#[test]
fn vectors_15_16_17_short_user_route() {
    let short = || udr(base(), "10.0.0.0/8", "VirtualAppliance");
    assert_eq!(hop(bgp(short(), &["10.50.0.0/16"]), "10.50.1.1"), Hop::VirtualNetworkGateway);
    assert_eq!(hop(short(), "10.0.7.7"), Hop::VnetLocal);
    assert_eq!(hop(short(), "10.77.0.1"), Hop::VirtualAppliance);
    assert_eq!(lines(&rows(short()), "10.0.0.0/8"), ["User Active VirtualAppliance"]);
}

#[test]
fn vector_18_shadow_of_an_overridden_row() {
    let topology = || udr(bgp(base(), &["10.0.5.0/24"]), "10.0.0.0/16", "VirtualAppliance");
    assert_eq!(hop(topology(), "10.0.5.9"), Hop::VirtualAppliance);
    let knobs = Knobs { bgp_shadow: BgpShadow::ByActiveRow, ..Knobs::default() };
    assert_eq!(hop(topology().knobs(knobs.clone()), "10.0.5.9"), Hop::VirtualNetworkGateway);
    // While the row stands, it shadows.
    assert_eq!(hop(bgp(base(), &["10.0.5.0/24"]).knobs(knobs), "10.0.5.9"), Hop::VnetLocal);
}

fn peer(builder: TopologyBuilder) -> TopologyBuilder {
    builder
        .virtual_network("p", &["10.1.0.0/16"])
        .subnet("p", "pe", "10.1.1.0/24")
        .subnet("p", "other", "10.1.2.0/24")
        .peer("v", "p")
}

#[test]
fn vectors_19_20_gateway_routes_over_peer_space() {
    assert_eq!(hop(bgp(peer(base()), &["10.1.0.0/16"]), "10.1.2.3"), Hop::VNetPeering);
    assert_eq!(hop(bgp(peer(base()), &["10.1.2.0/24"]), "10.1.2.3"), Hop::VNetPeering);
}

#[test]
fn vector_21_user_route_over_a_peer() {
    let topology = || udr(peer(base()), "10.1.0.0/16", "None");
    assert_eq!(hop(topology(), "10.1.2.3"), Hop::None);
    assert_eq!(lines(&rows(topology()), "10.1.0.0/16"), ["Default Invalid VNetPeering", "User Active None"]);
}

fn endpoint(policy: PrivateEndpointNetworkPolicies, route: &str) -> TopologyBuilder {
    udr(peer(base()), route, "VirtualAppliance")
        .with(PrivateEndpoint {
            id: "pe".into(),
            subnet: "p/subnets/pe".into(),
            private_ip_addresses: vec![ip("10.1.1.4")],
            ..PrivateEndpoint::default()
        })
        .configure_subnet("p/subnets/pe", |s| s.private_endpoint_network_policies = policy)
}

#[test]
fn vectors_22_23_24_private_endpoint_policies() {
    use PrivateEndpointNetworkPolicies as Policies;
    assert_eq!(hop(endpoint(Policies::Disabled, "10.1.0.0/16"), "10.1.1.4"), Hop::InterfaceEndpoint);
    assert_eq!(hop(endpoint(Policies::RouteTableEnabled, "10.1.0.0/16"), "10.1.1.4"), Hop::VirtualAppliance);
    assert_eq!(hop(endpoint(Policies::RouteTableEnabled, "10.0.0.0/8"), "10.1.1.4"), Hop::InterfaceEndpoint);
    // PE-3, and PE-8: before the policies a host route was the only way.
    assert_eq!(hop(endpoint(Policies::Disabled, "10.1.1.4/32"), "10.1.1.4"), Hop::VirtualAppliance);
    let old = endpoint(Policies::RouteTableEnabled, "10.1.0.0/16").as_of("2022-03-01".parse().unwrap());
    assert_eq!(hop(old, "10.1.1.4"), Hop::InterfaceEndpoint);
}

#[test]
fn vector_25_propagation_off() {
    let topology = bgp(base(), &["10.50.0.0/16", "0.0.0.0/0"])
        .with(azroute::model::RouteTable {
            disable_bgp_route_propagation: true,
            ..azroute::model::RouteTable::new("rt")
        })
        .bind(S, "rt");
    assert_eq!(via(topology, "10.50.1.1"), ("10.0.0.0/8".to_owned(), Hop::None));
}

/// A VPN gateway in V with a static site.
fn vpn(builder: TopologyBuilder, prefixes: &[&str]) -> TopologyBuilder {
    builder
        .with(VirtualNetworkGateway::new("vpn", "v", GatewayType::Vpn))
        .with(LocalNetworkGateway {
            id: "site".into(),
            address_prefixes: prefixes.iter().map(|p| net(p)).collect(),
            ..LocalNetworkGateway::default()
        })
        .with(Connection::new("to site", ConnectionType::IPsec, "vpn", "site"))
}

#[test]
fn vectors_26_27_expressroute_beside_vpn() {
    let kinds = |builder: TopologyBuilder, prefix: &str| -> Vec<GatewayKind> {
        gateway_members(&done(builder), &S.into(), &net(prefix)).iter().map(|m| m.kind).collect()
    };
    let same = || vpn(bgp(base(), &["10.50.0.0/16"]), &["10.50.0.0/16"]);
    assert_eq!(kinds(same(), "10.50.0.0/16"), [GatewayKind::ExpressRoute]);
    let longer = || vpn(bgp(base(), &["10.50.0.0/16"]), &["10.50.1.0/24"]);
    assert_eq!(via(longer(), "10.50.1.1"), ("10.50.1.0/24".to_owned(), Hop::VirtualNetworkGateway));
    assert_eq!(kinds(longer(), "10.50.1.0/24"), [GatewayKind::Vpn]);
}

fn circuit(builder: TopologyBuilder, name: &str, weight: u16) -> TopologyBuilder {
    let mut circuit = ExpressRouteCircuit::new(name);
    circuit.peerings.push(CircuitPeering::new(PeeringType::AzurePrivatePeering));
    let to = format!("to {name}");
    let mut connection = Connection::new(&*to, ConnectionType::ExpressRoute, "er", name);
    connection.routing_weight = weight;
    builder.with(circuit).with(connection)
}

fn site(builder: TopologyBuilder, advertisements: Vec<Advertisement>) -> TopologyBuilder {
    let mut site = OnPremisesSite::new("dc", [net("10.50.0.0/16")]);
    site.advertisements = advertisements;
    builder.with(site)
}

#[test]
fn vector_28_weight_before_as_path() {
    let asn = |n: usize| vec![azroute::model::Asn(65001); n];
    let topology = site(
        circuit(circuit(bgp(base(), &[]), "c1", 0), "c2", 100),
        vec![
            Advertisement::new("c1", [net("10.50.0.0/16")], asn(1)),
            Advertisement::new("c2", [net("10.50.0.0/16")], asn(5)),
        ],
    );
    let members = gateway_members(&done(topology), &S.into(), &net("10.50.0.0/16"));
    assert_eq!(members.len(), 1);
    assert_eq!(members[0].connection, Some(ResourceId::new("to c2")));
}

#[test]
fn vector_29_user_route_to_a_coexisting_gateway() {
    let topology = udr(vpn(bgp(base(), &[]), &[]), "10.60.0.0/16", "VirtualNetworkGateway");
    let outcomes = walk(&done(topology), &S.into(), ip("10.0.0.4"), ip("10.60.1.1"));
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), ["Drop(UnsupportedGatewayNextHop)"]);
}

#[test]
fn vector_30_cidr_beside_a_tag() {
    let topology = || {
        udr(udr(base(), "Storage", "VirtualAppliance"), "13.70.99.0/24", "Internet").with(ServiceTag {
            name: "Storage".into(),
            address_prefixes: vec![net("13.70.99.0/24"), net("13.71.0.0/24")],
        })
    };
    assert_eq!(hop(topology(), "13.70.99.1"), Hop::Internet);
    assert_eq!(hop(topology(), "13.71.0.1"), Hop::VirtualAppliance);
}

#[test]
fn vector_31_network_that_covers_a_reserved_range() {
    let topology =
        || Topology::builder().virtual_network("v", &["10.0.0.0/8"]).subnet("v", "s", "10.0.0.0/24");
    assert_eq!(hop(topology(), "10.200.0.1"), Hop::VnetLocal);
    assert_eq!(lines(&rows(topology()), "10.0.0.0/8"), ["Default Active VnetLocal"]);
}

#[test]
fn vector_32_split_default() {
    let topology = || bgp(base(), &["0.0.0.0/1", "128.0.0.0/1"]);
    assert_eq!(hop(topology(), "10.9.9.9"), Hop::None);
    assert_eq!(hop(topology(), "8.8.8.8"), Hop::VirtualNetworkGateway);
    assert_eq!(lines(&rows(topology()), "0.0.0.0/0"), ["Default Active Internet"]);
}

#[test]
fn vector_33_session_over_its_prefix_limit() {
    let many = |n: u32| {
        let mut prefixes = vec![net("10.50.0.0/16")];
        prefixes.extend((1..n).map(|i| {
            let address = std::net::Ipv4Addr::from((11 << 24) + (i << 8));
            IpNet::new(address.into(), 24).unwrap()
        }));
        site(circuit(bgp(base(), &[]), "c1", 0), vec![Advertisement::new("c1", prefixes, [65001.into()])])
    };
    assert_eq!(via(many(4001), "10.50.1.1"), ("10.0.0.0/8".to_owned(), Hop::None));
    assert_eq!(hop(many(4000), "10.50.1.1"), Hop::VirtualNetworkGateway);
    let premium = many(4001).configure(|d| d.express_route_circuits[0].sku_tier = CircuitSkuTier::Premium);
    assert_eq!(hop(premium, "10.50.1.1"), Hop::VirtualNetworkGateway);
}

#[test]
fn vector_34_default_route_on_microsoft_peering() {
    let mut advertisement = Advertisement::new("c1", [net("0.0.0.0/0")], [65001.into()]);
    advertisement.peering = PeeringType::MicrosoftPeering;
    let topology = site(circuit(bgp(base(), &[]), "c1", 0), vec![advertisement]).configure(|d| {
        d.express_route_circuits[0].peerings.push(CircuitPeering::new(PeeringType::MicrosoftPeering))
    });
    assert_eq!(hop(topology, "8.8.8.8"), Hop::Internet);
}

#[test]
fn vector_35_default_route_withdrawn_fails_open() {
    let topology = |up: bool| {
        let advertisement = Advertisement::new("c1", [net("0.0.0.0/0")], [65001.into()]);
        site(circuit(bgp(base(), &[]), "c1", 0), vec![advertisement]).configure(|d| {
            d.express_route_circuits[0].primary.up = up;
            d.express_route_circuits[0].secondary.up = up;
        })
    };
    assert_eq!(hop(topology(true), "8.8.8.8"), Hop::VirtualNetworkGateway);
    assert_eq!(hop(topology(false), "8.8.8.8"), Hop::Internet);
}

#[test]
fn vector_36_appliance_that_routes_to_itself() {
    let topology = udr(base(), "0.0.0.0/0", "VirtualAppliance").bind("v/subnets/nva", "rt");
    let outcomes = walk(&done(topology), &S.into(), ip("10.0.0.4"), ip("8.8.8.8"));
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), ["Loop"]);
}

// Rules beside the vectors.

/// SYS-14, SEL-13.
#[test]
fn addresses_without_a_row() {
    let topology = || udr(base(), "0.0.0.0/0", "VirtualAppliance");
    assert_eq!(via(topology(), "168.63.129.16"), (String::new(), Hop::VnetLocal));
    assert_eq!(via(topology(), "2001:db8::1"), (String::new(), Hop::None));
    assert_eq!(next_hop(&done(topology()), &"v/subnets/none".into(), ip("10.0.0.1")), None);
}

/// FT-3, GWR-3, VPN-2, VPN-14, VOC-13.
#[test]
fn vpn_gateways_give_what_they_are_told() {
    let topology = vpn(base(), &["10.60.0.0/16"]).configure(|d| {
        let gateway = &mut d.virtual_network_gateways[0];
        gateway.gateway_default_site = Some("site".into());
        gateway.vpn_client_address_pools = vec![net("172.31.0.0/24")];
        gateway.active_active = true;
        gateway.bgp_peering_addresses = vec![ip("10.0.200.5"), ip("10.0.200.4")];
        d.connections[0].enable_bgp = true;
        d.local_network_gateways[0].bgp_peering_address = Some(ip("10.61.0.1"));
    });
    let rows = rows(topology);
    for prefix in ["0.0.0.0/0", "10.60.0.0/16", "10.61.0.1/32", "172.31.0.0/24"] {
        let row = rows.iter().find(|r| r.prefix == net(prefix)).unwrap();
        assert_eq!(
            (row.source, row.state),
            (RouteSource::VirtualNetworkGateway, RouteState::Active),
            "{prefix}"
        );
        assert_eq!(row.next_hop_ip_addresses, [ip("10.0.200.4"), ip("10.0.200.5")], "{prefix}");
    }
}

/// PEER-6, PEER-7, SEL-6.
#[test]
fn gateway_transit_needs_both_flags_and_its_era() {
    let topology = |flags: (bool, bool), far: &str| {
        bgp(Topology::builder().virtual_network("v", &["10.0.0.0/16"]), &["10.50.0.0/16", "10.2.3.0/24"])
            .virtual_network("spoke", &["10.2.0.0/16"])
            .subnet("spoke", "s", "10.2.0.0/24")
            .peer_with("v", "spoke", |p| p.allow_gateway_transit = flags.0)
            .peer_with("spoke", "v", |p| p.use_remote_gateways = flags.1)
            .configure(|d| {
                d.virtual_networks[0].location = Some("westeurope".into());
                d.virtual_networks[1].location = Some(far.into());
            })
    };
    let look = |builder: TopologyBuilder| {
        next_hop(&done(builder), &"spoke/subnets/s".into(), ip("10.50.0.1")).unwrap().1
    };
    assert_eq!(look(topology((true, true), "West Europe")), Hop::VirtualNetworkGateway);
    assert_eq!(look(topology((true, false), "West Europe")), Hop::None);
    assert_eq!(look(topology((false, true), "West Europe")), Hop::None);
    assert_eq!(look(topology((true, true), "eastus")), Hop::VirtualNetworkGateway);
    let old = topology((true, true), "eastus").as_of("2018-01-01".parse().unwrap());
    assert_eq!(look(old), Hop::None);
    let rows = effective_rows(&done(topology((true, true), "eastus")), &"spoke/subnets/s".into()).unwrap();
    assert_eq!(lines(&rows, "10.2.3.0/24"), [""; 0]);
    assert_eq!(lines(&rows, "10.0.0.0/16"), ["Default Active VNetGlobalPeering"]);
}

/// ARS-4, ARS-6, ARS-7, ER-9.
#[test]
fn a_route_server_chooses_by_its_preference() {
    use azroute::model::HubRoutingPreference as Preference;
    let kinds = |preference: Preference, nva_path: usize| -> Vec<GatewayKind> {
        let mut server = RouteServer {
            id: "rs".into(),
            virtual_network: "v".into(),
            virtual_router_ips: Vec::new(),
            allow_branch_to_branch_traffic: true,
            hub_routing_preference: preference,
            bgp_connections: Vec::new(),
            learned_routes: Vec::new(),
        };
        for last in [4, 5] {
            let mut route = LearnedRoute::new(net("10.50.0.0/16"), vec![65002.into(); nva_path]);
            route.next_hop = Some(ip(&format!("10.0.100.{last}")));
            server.learned_routes.push(route);
        }
        let document = done(bgp(base(), &["10.50.0.0/16"]).with(server));
        gateway_members(&document, &S.into(), &net("10.50.0.0/16")).iter().map(|m| m.kind).collect()
    };
    assert_eq!(kinds(Preference::ExpressRoute, 0), [GatewayKind::ExpressRoute]);
    assert_eq!(kinds(Preference::VpnGateway, 9), [GatewayKind::RouteServer; 2]);
    assert_eq!(kinds(Preference::AsPath, 0), [GatewayKind::RouteServer; 2]);
    assert_eq!(kinds(Preference::AsPath, 2), [GatewayKind::ExpressRoute]);
}

/// VWAN-2, VWAN-4, VWAN-5.
#[test]
fn spokes_of_a_virtual_hub() {
    let hub = VirtualHub {
        id: "hub".into(),
        address_prefix: Some(net("10.100.0.0/24")),
        virtual_network_connections: ["v", "w"]
            .map(|name| azroute::model::HubVirtualNetworkConnection {
                enable_internet_security: name == "w",
                ..azroute::model::HubVirtualNetworkConnection::new(name, name)
            })
            .to_vec(),
        learned_routes: vec![
            LearnedRoute::new(net("0.0.0.0/0"), []),
            LearnedRoute::new(net("10.50.0.0/16"), []),
            LearnedRoute::new(net("10.0.9.0/24"), []),
        ],
        route_next_hop_addresses: vec![ip("20.1.2.3")],
        ..VirtualHub::default()
    };
    let rows = rows(base().virtual_network("w", &["10.7.0.0/16"]).with(hub));
    assert_eq!(lines(&rows, "10.100.0.0/24"), ["Default Active VNetPeering"]);
    assert_eq!(lines(&rows, "10.7.0.0/16"), ["VirtualNetworkGateway Active VirtualNetworkGateway"]);
    assert_eq!(lines(&rows, "10.50.0.0/16").len(), 1);
    assert_eq!(lines(&rows, "0.0.0.0/0"), ["Default Active Internet"]);
    assert_eq!(lines(&rows, "10.0.9.0/24"), [""; 0]);
}

// The walk.

fn ends(builder: TopologyBuilder, src: &str, dst: &str) -> Vec<String> {
    walk(&done(builder), &S.into(), ip(src), ip(dst)).into_iter().collect()
}

/// WALK-2 to WALK-4, WALK-8, OUT-1, OUT-4, SYS-8.
#[test]
fn a_walk_through_an_appliance() {
    use azroute::model::{NetworkVirtualAppliance, Snat};
    let topology = || udr(base(), "0.0.0.0/0", "VirtualAppliance");
    let appliance = |change: fn(&mut NetworkVirtualAppliance)| {
        let mut appliance = NetworkVirtualAppliance::new("fw", ["nva".into()]);
        change(&mut appliance);
        topology().with(appliance)
    };
    assert_eq!(ends(topology(), "10.0.0.4", "8.8.8.8"), ["Drop(PrivateSourceToInternet)"]);
    assert_eq!(ends(appliance(|a| a.snat = Snat::Internet), "10.0.0.4", "8.8.8.8"), ["Egress(Internet)"]);
    assert_eq!(
        ends(appliance(|a| a.os_forwarding = false), "10.0.0.4", "8.8.8.8"),
        ["Drop(NotForwardingOs)"]
    );
    let off = topology().configure(|d| d.network_interfaces[0].enable_ip_forwarding = false);
    assert_eq!(ends(off, "10.0.0.4", "8.8.8.8"), ["Drop(NoIpForwarding)"]);
    let elsewhere = udr(base(), "0.0.0.0/0", "VirtualAppliance").configure(|d| d.network_interfaces.clear());
    assert_eq!(ends(elsewhere, "10.0.0.4", "8.8.8.8"), ["Drop(NextHopUnreachable)"]);
    let private = || base().configure_subnet(S, |s| s.default_outbound_access = Some(false));
    assert_eq!(ends(private(), "10.0.0.4", "8.8.8.8"), ["Drop(NoOutboundMethod)"]);
    assert_eq!(ends(storage(base()), "10.0.0.4", "13.70.96.1"), ["ServiceEndpoint(Storage)"]);
    assert_eq!(ends(base(), "10.0.0.4", "10.0.100.4"), ["Delivered(nva)"]);
    assert_eq!(ends(base(), "10.0.0.4", "10.0.0.9"), ["Delivered(unassigned)"]);
}

/// PEER-4, PEER-5, WALK-15: spoke to spoke through the hub's appliance.
#[test]
fn a_walk_between_spokes_needs_forwarded_traffic() {
    let topology = |forwarded: bool| {
        Topology::builder()
            .virtual_network("hub", &["10.1.0.0/16"])
            .subnet("hub", "nva", "10.1.0.0/24")
            .appliance("nva", "hub/subnets/nva", "10.1.0.4")
            .virtual_network("v", &["10.2.0.0/16"])
            .subnet("v", "s", "10.2.0.0/24")
            .virtual_network("w", &["10.3.0.0/16"])
            .subnet("w", "s", "10.3.0.0/24")
            .nic("far", "w/subnets/s", "10.3.0.4")
            .peer("hub", "v")
            .peer_with("hub", "w", |_| {})
            .peer_with("w", "hub", |p| p.allow_forwarded_traffic = forwarded)
            .route("rt", "r", "10.0.0.0/8", "VirtualAppliance", &["10.1.0.4"])
            .bind(S, "rt")
    };
    assert_eq!(ends(topology(true), "10.2.0.4", "10.3.0.4"), ["Delivered(far)"]);
    assert_eq!(ends(topology(false), "10.2.0.4", "10.3.0.4"), ["Drop(ForwardedTrafficNotAllowed)"]);
    let closed =
        topology(true).configure(|d| d.virtual_networks[2].peerings[0].allow_virtual_network_access = false);
    assert_eq!(ends(closed, "10.2.0.4", "10.3.0.4"), ["Drop(PeeringAccessDisabled)"]);
}

/// WALK-3, WALK-8, WALK-15, PEER-4: source rewriting satisfies the receiver, a foreign source needs IP forwarding on the
/// way out, and either half of a peering closes it.
#[test]
fn a_walk_that_rewrites_or_is_refused() {
    use azroute::model::{GuestRoute, NetworkVirtualAppliance, Snat};
    let topology = |snat: Snat| {
        let mut guest = NetworkVirtualAppliance::new("fw", ["nva".into(), "out".into()]);
        guest.snat = snat;
        guest.guest_routes =
            vec![GuestRoute { prefix: net("10.3.0.0/16"), network_interface: Some("out".into()) }];
        Topology::builder()
            .virtual_network("hub", &["10.1.0.0/16"])
            .subnet("hub", "nva", "10.1.0.0/24")
            .appliance("nva", "hub/subnets/nva", "10.1.0.4")
            .nic("out", "hub/subnets/nva", "10.1.0.5")
            .virtual_network("v", &["10.2.0.0/16"])
            .subnet("v", "s", "10.2.0.0/24")
            .virtual_network("w", &["10.3.0.0/16"])
            .subnet("w", "s", "10.3.0.0/24")
            .nic("far", "w/subnets/s", "10.3.0.4")
            .peer("hub", "v")
            .peer("hub", "w")
            .route("rt", "r", "10.0.0.0/8", "VirtualAppliance", &["10.1.0.4"])
            .bind(S, "rt")
            .with(guest)
    };
    assert_eq!(ends(topology(Snat::All), "10.2.0.4", "10.3.0.4"), ["Delivered(far)"]);
    assert_eq!(ends(topology(Snat::None), "10.2.0.4", "10.3.0.4"), ["Drop(NoIpForwarding)"]);
    for vnet in 0..2 {
        let closed = topology(Snat::All)
            .configure(|d| d.virtual_networks[vnet].peerings[0].allow_virtual_network_access = false);
        assert_eq!(ends(closed, "10.2.0.4", "10.3.0.4"), ["Drop(PeeringAccessDisabled)"]);
    }
}

/// OUT-1, OUT-2, OUT-4, V6-2, SYS-8.
#[test]
fn ways_out() {
    let private = || base().configure_subnet(S, |s| s.default_outbound_access = Some(false));
    let nat = private().configure_subnet(S, |s| s.nat_gateway = Some("nat".into()));
    assert_eq!(ends(nat, "10.0.0.4", "8.8.8.8"), ["Egress(Internet)"]);
    let public = private().configure(|d| {
        d.network_interfaces[1].ip_configurations[0].public_ip_address = Some("pip".into());
    });
    assert_eq!(ends(public, "10.0.0.4", "8.8.8.8"), ["Egress(Internet)"]);
    let created = base().configure(|d| d.virtual_networks[0].created = Some("2026-06-01".parse().unwrap()));
    assert_eq!(ends(created, "10.0.0.4", "8.8.8.8"), ["Drop(NoOutboundMethod)"]);
    let tagged = base().with(ServiceTag { name: "Sql".into(), address_prefixes: vec![net("40.112.0.0/20")] });
    assert_eq!(ends(tagged, "10.0.0.4", "40.112.0.9"), ["Egress(MicrosoftBackbone)"]);
    let dual = base().configure(|d| d.virtual_networks[0].address_space.push(net("fd00:1::/48")));
    assert_eq!(ends(dual, "fd00:1::4", "fd00:2::4"), ["Drop(NoRoute)"]);
}
