//! The 36 worked vectors of the rules (section 24): virtual network 10.0.0.0/16, subnet `s` 10.0.0.0/24, an appliance at
//! 10.0.100.4 in another subnet. Each test is named by its number and the rules it shows.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use azroute::Network;
use azroute::model::Topology;
use azroute::model::{
    Advertisement, Asn, BgpShadow, CircuitPeering, Connection, ConnectionType, EffectiveNextHopType,
    ExpressRouteCircuit, GatewayType, Knobs, LearnedRoute, NoneProfile, OnPremisesSite, PeeringType,
    PrivateEndpoint, PrivateEndpointNetworkPolicies, ServiceEndpoint, ServiceTag, TopologyBuilder,
    VirtualNetworkGateway,
};
use azroute::resolve::{Answer, Disposition, DispositionKind, DropReason, Egress};
use ipnet::IpNet;

const NVA: &str = "10.0.100.4";

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn base_with(space: &str) -> TopologyBuilder {
    Topology::builder()
        .virtual_network("v", &[space])
        .subnet("v", "s", "10.0.0.0/24")
        .subnet("v", "nva", "10.0.100.0/24")
        .subnet("v", "GatewaySubnet", "10.0.255.0/27")
        .appliance("fw", "v/subnets/nva", NVA)
}

fn base() -> TopologyBuilder {
    base_with("10.0.0.0/16")
}

/// A route table on `s`.
fn udr(builder: TopologyBuilder, routes: &[(&str, &str)]) -> TopologyBuilder {
    let mut builder = builder;
    for (i, (prefix, hop)) in routes.iter().enumerate() {
        let name = format!("r{i}");
        builder = match *hop {
            "NVA" => builder.route("rt", &name, prefix, "VirtualAppliance", &[NVA]),
            hop => builder.route("rt", &name, prefix, hop, &[]),
        };
    }
    builder.bind("v/subnets/s", "rt")
}

/// An ExpressRoute gateway that is declared to have learned these prefixes.
fn bgp(builder: TopologyBuilder, prefixes: &[&str]) -> TopologyBuilder {
    let mut gateway = VirtualNetworkGateway::new("ergw", "v", GatewayType::ExpressRoute);
    gateway.learned_routes = prefixes.iter().map(|p| LearnedRoute::new(net(p), [Asn(65001)])).collect();
    builder.with(gateway)
}

fn vpn(builder: TopologyBuilder, prefixes: &[&str]) -> TopologyBuilder {
    let mut gateway = VirtualNetworkGateway::new("vpngw", "v", GatewayType::Vpn);
    gateway.learned_routes = prefixes.iter().map(|p| LearnedRoute::new(net(p), [Asn(65002)])).collect();
    builder.with(gateway)
}

fn peer(builder: TopologyBuilder) -> TopologyBuilder {
    builder.virtual_network("p", &["10.1.0.0/16"]).subnet("p", "pe", "10.1.1.0/24").peer("v", "p")
}

fn endpoint(builder: TopologyBuilder, policy: PrivateEndpointNetworkPolicies) -> TopologyBuilder {
    peer(builder).configure_subnet("p/subnets/pe", |s| s.private_endpoint_network_policies = policy).with(
        PrivateEndpoint {
            id: "pe".into(),
            subnet: "p/subnets/pe".into(),
            private_ip_addresses: vec!["10.1.1.4".parse().unwrap()],
            ..PrivateEndpoint::default()
        },
    )
}

fn ask(builder: TopologyBuilder, destination: &str) -> Answer {
    let network = Network::build(&builder.build().unwrap()).unwrap();
    network.resolve("v/subnets/s", destination.parse().unwrap()).unwrap().into_answer()
}

/// The next hop type, and the prefix that won.
fn hop(answer: &Answer) -> (EffectiveNextHopType, String) {
    let route = answer.next_hop().route().unwrap();
    (route.next_hop_type, route.prefix.to_string())
}

fn expect(
    builder: TopologyBuilder,
    destination: &str,
    next_hop: EffectiveNextHopType,
    prefix: &str,
) -> Answer {
    let answer = ask(builder, destination);
    assert_eq!(hop(&answer), (next_hop, prefix.to_owned()), "{answer}");
    answer
}

use EffectiveNextHopType as Hop;

#[test]
fn vector_01_sys_1() {
    expect(base(), "10.0.7.7", Hop::VnetLocal, "10.0.0.0/16");
}

#[test]
fn vector_02_sys_3_sys_6() {
    let answer = expect(base(), "10.9.9.9", Hop::None, "10.0.0.0/8");
    assert_eq!(*answer.disposition(), Disposition::Dropped(DropReason::NoneRoute(net("10.0.0.0/8"))));
}

#[test]
fn vector_03_sys_2() {
    let answer = expect(base(), "8.8.8.8", Hop::Internet, "0.0.0.0/0");
    assert!(matches!(answer.disposition(), Disposition::Egress(Egress::Internet(_))));
}

#[test]
fn vector_04_sys_4_legacy_profile_by_era() {
    let era = base().as_of("2019-06-01".parse().unwrap());
    expect(era, "172.20.0.1", Hop::Internet, "0.0.0.0/0");
    let knob = base().knobs(Knobs { none_profile: Some(NoneProfile::Legacy3), ..Knobs::default() });
    expect(knob, "172.20.0.1", Hop::Internet, "0.0.0.0/0");
    expect(base(), "172.20.0.1", Hop::None, "172.16.0.0/12");
}

#[test]
fn vector_05_sys_9() {
    expect(udr(base(), &[("0.0.0.0/0", "NVA")]), "192.168.9.9", Hop::VirtualAppliance, "0.0.0.0/0");
}

#[test]
fn vector_06_sys_10_none() {
    expect(udr(base(), &[("0.0.0.0/0", "None")]), "192.168.9.9", Hop::None, "192.168.0.0/16");
}

#[test]
fn vector_07_sys_10_internet() {
    expect(udr(base(), &[("0.0.0.0/0", "Internet")]), "192.168.9.9", Hop::None, "192.168.0.0/16");
}

#[test]
fn vector_08_ft_1() {
    expect(bgp(base(), &["0.0.0.0/0"]), "8.8.8.8", Hop::VirtualNetworkGateway, "0.0.0.0/0");
}

#[test]
fn vector_09_sys_9_gateway() {
    expect(bgp(base(), &["0.0.0.0/0"]), "172.16.5.5", Hop::VirtualNetworkGateway, "0.0.0.0/0");
}

#[test]
fn vector_10_ft_5() {
    let both = udr(bgp(base(), &["0.0.0.0/0"]), &[("0.0.0.0/0", "Internet")]);
    expect(both, "8.8.8.8", Hop::Internet, "0.0.0.0/0");
}

fn storage() -> ServiceTag {
    ServiceTag { name: "Storage".into(), address_prefixes: vec![net("198.51.100.0/24")] }
}

#[test]
fn vector_11_se_3() {
    let built = bgp(base(), &["0.0.0.0/0"]).with(storage()).configure_subnet("v/subnets/s", |s| {
        s.service_endpoints.push(ServiceEndpoint::new("Microsoft.Storage"))
    });
    let answer = expect(built, "198.51.100.7", Hop::VirtualNetworkServiceEndpoint, "198.51.100.0/24");
    assert_eq!(*answer.disposition(), Disposition::ServiceEndpoint("Microsoft.Storage".into()));
}

#[test]
fn vector_12_sel_5() {
    expect(bgp(base(), &["10.0.5.0/24"]), "10.0.5.9", Hop::VnetLocal, "10.0.0.0/16");
}

#[test]
fn vector_13_sys_15() {
    expect(udr(base(), &[("10.0.0.0/16", "NVA")]), "10.0.0.9", Hop::VirtualAppliance, "10.0.0.0/16");
}

#[test]
fn vector_14_sys_15_restored() {
    let built = udr(base(), &[("10.0.0.0/16", "NVA"), ("10.0.0.0/24", "VnetLocal")]);
    let answer = expect(built, "10.0.0.9", Hop::VnetLocal, "10.0.0.0/24");
    assert_eq!(answer.disposition().kind(), DispositionKind::Delivered);
}

#[test]
fn vector_15_sel_9() {
    let built = udr(bgp(base(), &["10.50.0.0/16"]), &[("10.0.0.0/8", "NVA")]);
    expect(built, "10.50.1.1", Hop::VirtualNetworkGateway, "10.50.0.0/16");
}

#[test]
fn vector_16_sel_3() {
    expect(udr(base(), &[("10.0.0.0/8", "NVA")]), "10.0.7.7", Hop::VnetLocal, "10.0.0.0/16");
}

#[test]
fn vector_17_sel_4_sys_7() {
    expect(udr(base(), &[("10.0.0.0/8", "NVA")]), "10.77.0.1", Hop::VirtualAppliance, "10.0.0.0/8");
}

#[test]
fn vector_18_sel_8() {
    let built = || udr(bgp(base(), &["10.0.5.0/24"]), &[("10.0.0.0/16", "NVA")]);
    expect(built(), "10.0.5.9", Hop::VirtualAppliance, "10.0.0.0/16");
    let by_row = built().knobs(Knobs { bgp_shadow: BgpShadow::ByActiveRow, ..Knobs::default() });
    expect(by_row, "10.0.5.9", Hop::VirtualNetworkGateway, "10.0.5.0/24");
}

#[test]
fn vector_19_sel_5_peer() {
    expect(bgp(peer(base()), &["10.1.0.0/16"]), "10.1.2.3", Hop::VNetPeering, "10.1.0.0/16");
}

#[test]
fn vector_20_sel_5_inside_peer() {
    expect(bgp(peer(base()), &["10.1.2.0/24"]), "10.1.2.3", Hop::VNetPeering, "10.1.0.0/16");
}

#[test]
fn vector_21_sel_7() {
    expect(udr(peer(base()), &[("10.1.0.0/16", "None")]), "10.1.2.3", Hop::None, "10.1.0.0/16");
}

#[test]
fn vector_22_pe_4_policy_disabled() {
    let built = udr(endpoint(base(), PrivateEndpointNetworkPolicies::Disabled), &[("10.1.0.0/16", "NVA")]);
    let answer = expect(built, "10.1.1.4", Hop::InterfaceEndpoint, "10.1.1.4/32");
    assert_eq!(*answer.disposition(), Disposition::PrivateEndpoint("pe".into()));
}

#[test]
fn vector_23_pe_4_policy_enabled() {
    let policy = PrivateEndpointNetworkPolicies::RouteTableEnabled;
    let built = udr(endpoint(base(), policy), &[("10.1.0.0/16", "NVA")]);
    expect(built, "10.1.1.4", Hop::VirtualAppliance, "10.1.0.0/16");
}

#[test]
fn vector_24_pe_4_too_short() {
    let policy = PrivateEndpointNetworkPolicies::RouteTableEnabled;
    let built = udr(endpoint(base(), policy), &[("10.0.0.0/8", "NVA")]);
    expect(built, "10.1.1.4", Hop::InterfaceEndpoint, "10.1.1.4/32");
}

#[test]
fn vector_25_udr_15() {
    let built = udr(bgp(base(), &["10.50.0.0/16", "0.0.0.0/0"]), &[("203.0.113.0/24", "None")])
        .configure(|d| d.route_tables[0].disable_bgp_route_propagation = true);
    expect(built, "10.50.1.1", Hop::None, "10.0.0.0/8");
}

#[test]
fn vector_26_coex_1_same_prefix() {
    let built = vpn(bgp(base(), &["10.50.0.0/16"]), &["10.50.0.0/16"]);
    let answer = expect(built, "10.50.1.1", Hop::VirtualNetworkGateway, "10.50.0.0/16");
    assert!(answer.path().passes(&"ergw".into()) && !answer.path().passes(&"vpngw".into()), "{answer}");
}

#[test]
fn vector_27_coex_1_longer_by_vpn() {
    let built = vpn(bgp(base(), &["10.50.0.0/16"]), &["10.50.1.0/24"]);
    let answer = expect(built, "10.50.1.1", Hop::VirtualNetworkGateway, "10.50.1.0/24");
    assert!(answer.path().passes(&"vpngw".into()), "{answer}");
}

fn circuit(id: &str) -> ExpressRouteCircuit {
    let mut circuit = ExpressRouteCircuit::new(id);
    circuit.peerings.push(CircuitPeering::new(PeeringType::AzurePrivatePeering));
    circuit
}

fn linked(builder: TopologyBuilder, id: &str, weight: u16) -> TopologyBuilder {
    let mut connection = Connection::new(format!("{id}-conn"), ConnectionType::ExpressRoute, "ergw", id);
    connection.routing_weight = weight;
    builder.with(circuit(id)).with(connection)
}

#[test]
fn vector_28_er_8() {
    let mut site = OnPremisesSite::new("site", [net("10.50.0.0/16")]);
    site.advertisements = vec![
        Advertisement::new("c1", [net("10.50.0.0/16")], [Asn(65001)]),
        Advertisement::new("c2", [net("10.50.0.0/16")], [Asn(65001); 5]),
    ];
    let built = linked(linked(bgp(base(), &[]), "c1", 0), "c2", 100).with(site);
    let answer = expect(built, "10.50.1.1", Hop::VirtualNetworkGateway, "10.50.0.0/16");
    for path in answer.paths() {
        assert!(path.passes(&"c2".into()) && !path.passes(&"c1".into()), "{answer}");
    }
    assert_eq!(*answer.disposition(), Disposition::OnPremises("site".into()));
}

#[test]
fn vector_29_udr_6() {
    let built = udr(vpn(bgp(base(), &[]), &["10.60.0.0/16"]), &[("10.60.0.0/16", "VirtualNetworkGateway")]);
    let answer = expect(built, "10.60.1.1", Hop::VirtualNetworkGateway, "10.60.0.0/16");
    assert_eq!(*answer.disposition(), Disposition::Dropped(DropReason::UnsupportedGatewayNextHop));
}

#[test]
fn vector_30_udr_11() {
    let built = udr(base().with(storage()), &[("Storage", "NVA"), ("198.51.100.0/24", "Internet")]);
    expect(built, "198.51.100.9", Hop::Internet, "198.51.100.0/24");
}

#[test]
fn vector_31_sys_6() {
    expect(base_with("10.0.0.0/8"), "10.200.0.1", Hop::VnetLocal, "10.0.0.0/8");
}

#[test]
fn vector_32_ft_13() {
    let halves = ["0.0.0.0/1", "128.0.0.0/1"];
    expect(bgp(base(), &halves), "10.9.9.9", Hop::None, "10.0.0.0/8");
    expect(bgp(base(), &halves), "8.8.8.8", Hop::VirtualNetworkGateway, "0.0.0.0/1");
}

#[test]
fn vector_33_er_4() {
    let site = |n: u32| {
        let mut prefixes = vec![net("10.50.0.0/16")];
        prefixes.extend((1..n).map(|i| {
            let [_, a, b, c] = (i << 8).to_be_bytes();
            IpNet::new([20 + a, b, c, 0].into(), 24).unwrap()
        }));
        let mut site = OnPremisesSite::new("site", []);
        site.advertisements.push(Advertisement::new("c1", prefixes, [Asn(65001)]));
        site
    };
    let built = |n| linked(bgp(base(), &[]), "c1", 0).with(site(n));
    expect(built(4_001), "10.50.1.1", Hop::None, "10.0.0.0/8");
    expect(built(4_000), "10.50.1.1", Hop::VirtualNetworkGateway, "10.50.0.0/16");
}

#[test]
fn vector_34_msp_4_ft_4() {
    let mut site = OnPremisesSite::new("site", []);
    let mut default = Advertisement::new("c1", [net("0.0.0.0/0")], [Asn(65001)]);
    default.peering = PeeringType::MicrosoftPeering;
    site.advertisements.push(default);
    let built = linked(bgp(base(), &[]), "c1", 0).with(site).configure(|d| {
        d.express_route_circuits[0].peerings.push(CircuitPeering::new(PeeringType::MicrosoftPeering));
    });
    let answer = expect(built, "8.8.8.8", Hop::Internet, "0.0.0.0/0");
    assert!(matches!(answer.disposition(), Disposition::Egress(Egress::Internet(_))), "{answer}");
}

#[test]
fn vector_35_ft_9() {
    let network = Network::build(&bgp(base(), &["0.0.0.0/0"]).build().unwrap()).unwrap();
    let gone = bgp(base(), &[]).build().unwrap().document().virtual_network_gateways[0].clone();
    let after = network.apply(&[azroute::model::Change::upsert(gone)]).unwrap();
    let ask = |n: &Network| hop(&n.resolve("v/subnets/s", "8.8.8.8".parse().unwrap()).unwrap());
    assert_eq!(ask(&network).0, Hop::VirtualNetworkGateway);
    assert_eq!(ask(&after), (Hop::Internet, "0.0.0.0/0".to_owned()));
}

#[test]
fn vector_36_walk_6() {
    let built = udr(base(), &[("0.0.0.0/0", "NVA")]).bind("v/subnets/nva", "rt");
    let answer = ask(built, "8.8.8.8");
    assert!(matches!(answer.disposition(), Disposition::Loop(cycle) if cycle.len() == 1), "{answer}");
}
