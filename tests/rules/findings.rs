//! Findings: for each kind a small design that has it and a twin that does not, named by the rule. A clean design has
//! none.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use azroute::Network;
use azroute::analysis::{Finding, FindingCode as Code, Severity};
use azroute::model::{
    Advertisement, Asn, AzureFirewall, Backend, BgpConnection, CircuitLink, CircuitPeering, CircuitSkuTier,
    Connection, ConnectionType, CrossTenantLinks, Document, ExpressRouteCircuit, FrontendIpConfiguration,
    GatewayType, HubVirtualNetworkConnection, Knobs, LearnedRoute, Limits, LoadBalancer, LoadBalancerSku,
    LocalNetworkGateway, NatGateway, NetworkInterface, NetworkSecurityGroup, NetworkVirtualAppliance,
    OnPremisesSite, PeeringState, PeeringType, PrivateEndpoint, PrivateEndpointNetworkPolicies,
    PublicIpAddress, RouteFilter, RouteServer, RouteTable, Router, SecurityRule, SecurityRuleAccess,
    SecurityRuleDirection, ServiceEndpoint, ServiceTag, Snat, Topology, TopologyBuilder, UserDefinedRoute,
    VirtualHub, VirtualNetwork, VirtualNetworkGateway, VpnType,
};
use azroute::rule::Rule;
use ipnet::IpNet;

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub(crate) fn findings(builder: TopologyBuilder) -> Vec<Finding> {
    Network::build(&builder.build().unwrap()).unwrap().findings().to_vec()
}

/// The findings of one kind.
pub(crate) fn of(builder: TopologyBuilder, code: Code) -> Vec<Finding> {
    findings(builder).into_iter().filter(|f| f.code == code).collect()
}

/// One finding of the kind, by the rule, on the resource.
#[track_caller]
pub(crate) fn has(
    builder: TopologyBuilder,
    code: Code,
    rule: impl Into<Option<Rule>>,
    resource: &str,
) -> Finding {
    let all = findings(builder);
    let found: Vec<_> = all.iter().filter(|f| f.code == code).cloned().collect();
    assert_eq!(found.len(), 1, "{code}: {all:#?}");
    let finding = found.into_iter().next().unwrap();
    assert_eq!((finding.rule, finding.resource.as_str()), (rule.into(), resource), "{finding}");
    finding
}

/// No finding at all, but that several peerings share a circuit: it is there to be known, and
/// `bw_2_mixed_peerings` looks at it.
#[track_caller]
pub(crate) fn clean(builder: TopologyBuilder) {
    let mut found = findings(builder);
    found.retain(|finding| finding.code != Code::MixedPeerings);
    assert_eq!(found, []);
}

/// No finding of the kind.
#[track_caller]
pub(crate) fn lacks(builder: TopologyBuilder, code: Code) {
    assert_eq!(of(builder, code), []);
}

/// A hub with a firewall, gateways' subnet, and a spoke that uses its gateways.
pub(crate) fn hub() -> TopologyBuilder {
    Topology::builder()
        .virtual_network("hub", &["10.0.0.0/16"])
        .subnet("hub", "GatewaySubnet", "10.0.0.0/27")
        .subnet("hub", "nva", "10.0.1.0/24")
        .subnet("hub", "work", "10.0.2.0/24")
        .appliance("fw", "hub/subnets/nva", "10.0.1.4")
        .virtual_network("spoke", &["10.1.0.0/16"])
        .subnet("spoke", "web", "10.1.0.0/24")
        .nic("vm", "spoke/subnets/web", "10.1.0.4")
}

pub(crate) fn express_route() -> VirtualNetworkGateway {
    VirtualNetworkGateway { sku: Some("ErGw1Az".to_owned()), ..gateway("er", GatewayType::ExpressRoute) }
}

fn vpn() -> VirtualNetworkGateway {
    VirtualNetworkGateway { sku: Some("VpnGw1AZ".to_owned()), ..gateway("vpn", GatewayType::Vpn) }
}

fn gateway(id: &str, kind: GatewayType) -> VirtualNetworkGateway {
    VirtualNetworkGateway::new(id, "hub", kind)
}

pub(crate) fn learned(mut gateway: VirtualNetworkGateway, prefixes: &[&str]) -> VirtualNetworkGateway {
    let routes = prefixes.iter().map(|p| LearnedRoute::new(net(p), [Asn(65_001)]));
    gateway.learned_routes.extend(routes);
    gateway
}

/// The hub with an ExpressRoute gateway that learned this, used by the spoke.
pub(crate) fn on_premises(prefixes: &[&str]) -> TopologyBuilder {
    hub().with(learned(express_route(), prefixes)).peer_with_gateway_transit("hub", "spoke")
}

pub(crate) fn with_route(
    builder: TopologyBuilder,
    prefix: &str,
    kind: &str,
    hops: &[&str],
) -> TopologyBuilder {
    builder.route("rt", "r", prefix, kind, hops).bind("spoke/subnets/web", "rt")
}

pub(crate) fn to_fw(builder: TopologyBuilder, prefix: &str) -> TopologyBuilder {
    with_route(builder, prefix, "VirtualAppliance", &["10.0.1.4"])
}

fn group(id: &str, rules: impl IntoIterator<Item = SecurityRule>) -> NetworkSecurityGroup {
    NetworkSecurityGroup { id: id.into(), security_rules: rules.into_iter().collect() }
}

fn outbound(priority: u16, access: SecurityRuleAccess, to: &str) -> SecurityRule {
    let mut rule =
        SecurityRule::new(format!("r{priority}"), priority, SecurityRuleDirection::Outbound, access);
    rule.destination_address_prefixes = vec![to.to_owned()];
    rule
}

fn secured(builder: TopologyBuilder, rules: impl IntoIterator<Item = SecurityRule>) -> TopologyBuilder {
    builder
        .with(group("nsg", rules))
        .configure_subnet("spoke/subnets/web", |s| s.network_security_group = Some("nsg".into()))
}

pub(crate) fn circuit(id: &str) -> ExpressRouteCircuit {
    let mut circuit = ExpressRouteCircuit::new(id);
    circuit.bandwidth_in_mbps = Some(1_000);
    circuit.peerings.push(CircuitPeering::new(PeeringType::AzurePrivatePeering));
    circuit
}

pub(crate) fn link(id: &str, gateway: &str, circuit: &str) -> Connection {
    Connection::new(id, ConnectionType::ExpressRoute, gateway, circuit)
}

/// The hub's ExpressRoute gateway on a circuit.
pub(crate) fn linked(circuit: ExpressRouteCircuit) -> TopologyBuilder {
    let connection = link("c", "er", circuit.id.as_str());
    hub().with(express_route()).with(circuit).with(connection)
}

/// `n` prefixes of IPv4, all /32 in 172.16.0.0/12.
fn many(n: u32) -> Vec<IpNet> {
    (0..n).map(|i| IpNet::from(std::net::IpAddr::from((0xac10_0000 + i).to_be_bytes()))).collect()
}

fn told(over: &str, peering: PeeringType, prefixes: Vec<IpNet>) -> OnPremisesSite {
    let mut site = OnPremisesSite::new("dc", []);
    let mut advertisement = Advertisement::new(over, prefixes, [Asn(65_001)]);
    advertisement.peering = peering;
    site.advertisements.push(advertisement);
    site
}

// --- clean designs

#[test]
fn a_hub_and_spoke_design_is_clean() {
    clean(to_fw(on_premises(&["172.16.0.0/12"]), "0.0.0.0/0"));
    clean(linked(circuit("x")).peer_with_gateway_transit("hub", "spoke"));
    clean(hub().with(vpn()).peer_with_gateway_transit("hub", "spoke"));
    clean(Topology::builder());
}

/// Everything through the firewall in both directions: propagation off in the spoke, a route on `GatewaySubnet`.
#[test]
fn walk_11_inspection_in_both_directions_is_clean() {
    clean(inspected());
}

#[cfg(feature = "testing")]
#[test]
fn generated_networks_of_legal_size_are_clean() {
    use azroute::testing::generate::{HubAndSpoke, hub_and_spoke};
    let small = HubAndSpoke { vpn_sites: 5, circuits: 2, ..HubAndSpoke::default() };
    let large = HubAndSpoke {
        spokes: 1_001,
        subnets_per_spoke: 4,
        learned_routes: 8_999,
        vpn_sites: 7,
        ..HubAndSpoke::default()
    };
    let endpoints = HubAndSpoke { private_endpoints: 30, ..HubAndSpoke::default() };
    for design in [small, large, endpoints, HubAndSpoke::default()] {
        let document = hub_and_spoke(&design).unwrap();
        let network = Network::build(&Topology::new(document).unwrap()).unwrap();
        let start = std::time::Instant::now();
        let found = network.findings();
        assert_eq!(found, [], "{design:?}");
        let limit = if cfg!(debug_assertions) { 60 } else { 5 };
        assert!(start.elapsed().as_secs() < limit, "{:?} for {design:?}", start.elapsed());
    }
}

/// Whatever stands in a document, findings are computed, and are the same each time.
#[cfg(feature = "testing")]
#[test]
fn random_networks_have_the_same_findings_each_time() {
    use azroute::testing::strategies::any_topology;
    use proptest::test_runner::{Config, TestRunner};
    let config = Config { cases: 256, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&any_topology(), |document| {
        let build = || Network::build(&Topology::new(document.clone()).unwrap()).unwrap();
        let found = build().findings().to_vec();
        assert!(found.is_sorted());
        assert_eq!(found, build().findings());
        Ok(())
    });
    run.unwrap();
}

#[test]
fn findings_are_sorted_and_print_their_rule() {
    let found = findings(with_route(on_premises(&[]), "10.9.0.0/16", "VirtualNetworkGateway", &[]));
    assert!(found.is_sorted());
    let text = found.first().unwrap().to_string();
    assert!(text.starts_with("error UnsupportedGatewayNextHop: `rt/routes/r`:"), "{text}");
    assert!(text.ends_with("(in `spoke`) (UDR-6)"), "{text}");
}

/// One table in many networks is told once, with the networks counted.
#[test]
fn what_repeats_is_told_once() {
    let mut builder = hub().with(learned(express_route(), &[]));
    for n in 0..20 {
        let (vnet, space) = (format!("s{n}"), format!("10.{}.0.0/16", n + 100));
        builder = builder
            .virtual_network(&vnet, &[&space])
            .subnet(&vnet, "a", &format!("10.{}.0.0/24", n + 100))
            .peer_with_gateway_transit("hub", &vnet)
            .bind_later(&vnet);
    }
    let found = of(
        builder.route("rt", "r", "10.1.0.0/16", "VirtualNetworkGateway", &[]),
        Code::UnsupportedGatewayNextHop,
    );
    assert_eq!(found.len(), 1);
    assert!(found.first().unwrap().message.contains("and 15 more"), "{}", found.first().unwrap());
}

trait BindLater {
    fn bind_later(self, vnet: &str) -> Self;
}

impl BindLater for TopologyBuilder {
    fn bind_later(self, vnet: &str) -> Self {
        self.bind(&format!("{vnet}/subnets/a"), "rt")
    }
}

// --- what the control plane noticed

#[test]
fn er_4_prefix_limit_and_session_down() {
    let at = |n: u32| linked(circuit("x")).with(told("x", PeeringType::AzurePrivatePeering, many(n)));
    let found = findings(at(4_001));
    assert_eq!(found.iter().filter(|f| f.code == Code::PrefixLimit && f.rule == Some(Rule::ER_4)).count(), 2);
    assert_eq!(found.iter().filter(|f| f.code == Code::SessionDown).count(), 2, "one a link");
    clean(at(3_599));
    let near = has(at(3_600), Code::PrefixLimitNear, Rule::ER_4, "x");
    assert_eq!(near.severity, Severity::Info);
    let lint_only = at(4_001).knobs(Knobs { limits: Limits::LintOnly, ..Knobs::default() });
    let found = findings(lint_only);
    assert!(found.iter().any(|f| f.code == Code::PrefixLimit));
    assert!(found.iter().all(|f| f.code != Code::SessionDown));
}

#[test]
fn er_4_a_circuit_without_connection_is_counted_too() {
    let at = |n| hub().with(circuit("x")).with(told("x", PeeringType::AzurePrivatePeering, many(n)));
    both_links(at(4_001), Rule::ER_4);
    clean(at(10));
}

fn spaces(n: u32) -> TopologyBuilder {
    let mut big = VirtualNetwork::new("big", many(n));
    big.peerings.clear();
    linked(circuit("x")).with(big).peer_with_gateway_transit("hub", "big")
}

#[test]
fn er_5_connection_down_and_near() {
    let found = findings(spaces(1_000));
    assert!(found.iter().any(|f| f.code == Code::ConnectionDown && f.rule == Some(Rule::ER_5)));
    has(spaces(900), Code::PrefixLimitNear, Rule::ER_5, "er");
    clean(spaces(800));
}

#[test]
fn vpn_4_prefixes_over_a_tunnel() {
    let at = |n| {
        let mut connection = Connection::new("c", ConnectionType::IPsec, "vpn", "site");
        connection.enable_bgp = true;
        let site = LocalNetworkGateway {
            id: "site".into(),
            asn: Some(Asn(65_001)),
            ..LocalNetworkGateway::default()
        };
        let mut speaking = vpn();
        speaking.enable_bgp = true;
        hub().with(speaking).with(site).with(connection).with(told(
            "c",
            PeeringType::AzurePrivatePeering,
            many(n),
        ))
    };
    has(at(4_001), Code::SessionDown, Rule::VPN_4, "c");
    has(at(3_600), Code::PrefixLimitNear, Rule::VPN_4, "c");
    clean(at(100));
}

#[test]
fn er_20_gateway_route_capacity() {
    let at = |n| {
        let mut gateway = express_route();
        gateway.learned_routes = many(n).into_iter().map(|p| LearnedRoute::new(p, [Asn(65_001)])).collect();
        hub().with(gateway)
    };
    has(at(4_001), Code::GatewayRouteCapacityExceeded, Rule::ER_20, "er");
    clean(at(4_000));
}

fn microsoft(change: impl FnOnce(&mut CircuitPeering)) -> TopologyBuilder {
    let mut peering = CircuitPeering::new(PeeringType::MicrosoftPeering);
    peering.route_filter = Some("filter".into());
    peering.advertised_public_prefixes = vec![net("203.0.113.0/24")];
    change(&mut peering);
    let mut circuit = circuit("x");
    circuit.peerings.push(peering);
    let filter = RouteFilter { id: "filter".into(), communities: vec!["12076:51004".to_owned()] };
    Topology::builder().with(circuit).with(filter)
}

#[test]
fn msp_3_msp_4_routes_refused() {
    clean(microsoft(|_| {}));
    has(microsoft(|p| p.validated = false), Code::RoutesRefused, Rule::MSP_3, "x");
    let refused = microsoft(|p| p.advertised_public_prefixes.push(net("10.0.0.0/8")));
    has(refused, Code::RoutesRefused, Rule::MSP_4, "x");
}

#[test]
fn msp_5_prefixes_on_microsoft_peering() {
    let public = |n: u32| (0..n).map(|i| net(&format!("203.0.113.{i}/32"))).collect();
    let at = |n| microsoft(|_| {}).with(told("x", PeeringType::MicrosoftPeering, public(n)));
    assert!(!of(at(201), Code::PrefixLimit).is_empty());
    has(at(180), Code::PrefixLimitNear, Rule::MSP_5, "x");
    clean(at(100));
}

#[test]
fn msp_8_route_filter() {
    has(microsoft(|p| p.route_filter = None), Code::RouteFilterMissing, Rule::MSP_8, "x");
    let empty = microsoft(|_| {}).with(RouteFilter { id: "filter".into(), communities: Vec::new() });
    has(empty, Code::RouteFilterMissing, Rule::MSP_8, "x");
    clean(microsoft(|p| {
        p.route_filter = None;
        p.configured = Some("2017-07-31".parse().unwrap());
    }));
    clean(microsoft(|p| p.route_filter = None).as_of("2017-01-01".parse().unwrap()));
}

#[test]
fn pub_1_pub_5_public_peering() {
    let at = |day: &str, created: Option<&str>| {
        let mut circuit = circuit("x");
        circuit.created = created.map(|day| day.parse().unwrap());
        circuit.peerings.push(CircuitPeering::new(PeeringType::AzurePublicPeering));
        Topology::builder().with(circuit).as_of(day.parse().unwrap())
    };
    has(at("2024-04-01", None), Code::SessionDown, Rule::PUB_1, "x");
    has(at("2020-01-01", Some("2018-04-01")), Code::SessionDown, Rule::PUB_1, "x");
    clean(at("2020-01-01", Some("2018-03-31")));
    let many = at("2020-01-01", None).with(told("x", PeeringType::AzurePublicPeering, many(201)));
    both_links(many, Rule::PUB_5);
}

/// The sessions of both links are past their limit, and down.
fn both_links(topology: TopologyBuilder, rule: Rule) {
    let found = findings(topology);
    for code in [Code::PrefixLimit, Code::SessionDown] {
        let of_links =
            found.iter().filter(|f| f.code == code && f.rule == Some(rule) && f.resource.as_str() == "x");
        assert_eq!(of_links.count(), 2, "{found:?}");
    }
}

#[test]
fn vpn_13_routes_refused() {
    has(hub().with(learned(vpn(), &["2001:db8::/32"])), Code::RoutesRefused, Rule::VPN_13, "vpn");
    clean(hub().with(learned(vpn(), &["172.16.0.0/12"])));
}

#[test]
fn unresolved_reference() {
    let found =
        has(hub().bind("spoke/subnets/web", "nowhere"), Code::UnresolvedReference, None, "spoke/subnets/web");
    assert_eq!(found.severity, Severity::Info);
}

// --- limits

fn table(routes: impl IntoIterator<Item = UserDefinedRoute>) -> TopologyBuilder {
    let mut table = RouteTable::new("rt");
    table.routes.extend(routes);
    hub().peer("hub", "spoke").with(table).bind("spoke/subnets/web", "rt")
}

fn routes(n: u32) -> TopologyBuilder {
    let hop = "10.0.1.4".parse().unwrap();
    table(many(n).into_iter().map(|p| UserDefinedRoute::to_appliance(p.to_string(), p, hop)))
}

#[test]
fn udr_18_routes_per_table_by_era() {
    clean(routes(600));
    assert_eq!(has(routes(601), Code::RoutesPerTable, Rule::UDR_18, "rt").severity, Severity::Warning);
    assert_eq!(has(routes(1_001), Code::RoutesPerTable, Rule::UDR_18, "rt").severity, Severity::Error);
    let then = |n, day: &str| routes(n).as_of(day.parse().unwrap());
    clean(then(400, "2020-01-01"));
    assert_eq!(
        has(then(401, "2020-01-01"), Code::RoutesPerTable, Rule::UDR_18, "rt").severity,
        Severity::Error
    );
    assert_eq!(
        has(then(101, "2016-01-01"), Code::RoutesPerTable, Rule::UDR_18, "rt").severity,
        Severity::Warning
    );
    clean(then(100, "2016-01-01"));
}

fn tag(name: &str, prefixes: &[&str]) -> ServiceTag {
    ServiceTag { name: name.to_owned(), address_prefixes: prefixes.iter().map(|p| net(p)).collect() }
}

#[test]
fn udr_10_service_tag_routes_per_table() {
    let at = |n: usize| {
        let hop = "10.0.1.4".parse().unwrap();
        let names: Vec<String> = (0..n).map(|i| format!("Tag{i}")).collect();
        let routes = names.iter().map(|name| UserDefinedRoute::to_appliance(name, name.as_str(), hop));
        names.iter().fold(table(routes), |b, name| b.with(tag(name, &[])))
    };
    has(at(26), Code::ServiceTagRoutesPerTable, Rule::UDR_10, "rt");
    clean(at(25));
}

#[test]
fn subnets_and_peerings_per_network() {
    let subnets = |n: u32| {
        hub().configure(|d: &mut Document| {
            let vnet = d.virtual_network_mut(&"spoke".into()).unwrap();
            vnet.address_space.push(net("172.16.0.0/12"));
            let subnets =
                many(n).into_iter().map(|p| azroute::model::Subnet::new(p.to_string().replace('/', "-"), p));
            vnet.subnets.extend(subnets);
        })
    };
    has(subnets(3_000), Code::SubnetsPerNetwork, None, "spoke");
    clean(subnets(2_999));
    let peers = |n: u32| {
        many(n).into_iter().enumerate().fold(hub(), |b, (i, p)| {
            let name = format!("p{i}");
            b.with(VirtualNetwork::new(name.as_str(), [p])).peer("hub", &name)
        })
    };
    has(peers(501), Code::PeeringsPerNetwork, None, "hub");
    clean(peers(500));
}

#[test]
fn networks_per_subscription() {
    let at = |n: u32| {
        many(n).into_iter().enumerate().fold(Topology::builder(), |b, (i, p)| {
            let mut vnet = VirtualNetwork::new(format!("/subscriptions/S/x/y/z/v{i}"), [p]);
            vnet.location = Some(if i % 2 == 0 { "West Europe" } else { "westeurope" }.to_owned());
            b.configure(|d| d.virtual_networks.push(vnet))
        })
    };
    has(at(1_001), Code::NetworksPerSubscription, None, "/subscriptions/s");
    clean(at(1_000));
}

#[test]
fn private_addresses_per_network_and_group() {
    // Interfaces without address count as much as others.
    let at = |n: usize, vnet: &str| {
        let subnet = format!("{vnet}/subnets/{}", if vnet == "hub" { "work" } else { "web" });
        let one = azroute::model::IpConfiguration { subnet: subnet.as_str().into(), ..Default::default() };
        NetworkInterface {
            id: format!("n-{vnet}").into(),
            ip_configurations: vec![one; n],
            ..Default::default()
        }
    };
    has(hub().with(at(65_537, "hub")), Code::AddressesPerNetwork, None, "hub");
    clean(hub().with(at(65_000, "hub")));
    let both = |n| hub().with(at(65_000, "hub")).with(at(n, "spoke")).peer("hub", "spoke");
    assert_eq!(of(both(64_000), Code::AddressesPerNetwork).len(), 2);
    clean(both(60_000));
}

#[test]
fn gateways_per_network() {
    clean(hub().with(vpn()).with(express_route()));
    let two = hub().with(vpn()).with(gateway("vpn2", GatewayType::Vpn));
    has(two, Code::GatewaysPerNetwork, None, "hub");
}

#[test]
fn nsg_rules_addresses_and_nsg_2_priorities() {
    let rules = |n: u16| (0..n).map(|i| outbound(100 + i, SecurityRuleAccess::Allow, "VirtualNetwork"));
    has(secured(hub(), rules(1_001)), Code::RulesPerSecurityGroup, None, "nsg");
    clean(secured(hub(), rules(1_000)));
    let wide = |n: u32| {
        let mut rule = outbound(100, SecurityRuleAccess::Allow, "*");
        rule.source_address_prefixes = many(n).iter().map(ToString::to_string).collect();
        secured(hub(), [rule])
    };
    has(wide(4_001), Code::AddressesPerSecurityRule, None, "nsg");
    clean(wide(4_000));
    let twice = [100, 100].map(|p| outbound(p, SecurityRuleAccess::Deny, "*"));
    has(secured(hub(), twice), Code::DuplicateRulePriority, Rule::NSG_2, "nsg");
    let mut inbound = outbound(100, SecurityRuleAccess::Deny, "*");
    inbound.direction = SecurityRuleDirection::Inbound;
    clean(secured(hub(), [outbound(100, SecurityRuleAccess::Deny, "*"), inbound]));
}

#[test]
fn er_18_circuits_per_gateway() {
    let at = |n: usize, sku: &str, same_place: bool| {
        let gateway = VirtualNetworkGateway { sku: Some(sku.to_owned()), ..express_route() };
        (0..n).fold(hub().with(gateway), |b, i| {
            let mut circuit = circuit(&format!("x{i}"));
            circuit.peering_location = Some(if same_place { "London".to_owned() } else { format!("p{i}") });
            b.with(circuit).with(link(&format!("c{i}"), "er", &format!("x{i}")))
        })
    };
    has(at(5, "ErGw1Az", false), Code::CircuitsPerGateway, Rule::ER_18, "er");
    clean(at(4, "ErGw1Az", true));
    has(at(5, "ErGw2Az", true), Code::CircuitsPerGateway, Rule::ER_18, "er");
    clean(at(5, "ErGw2Az", false));
    has(at(9, "ErGw3Az", false), Code::GatewaySubnetSize, Rule::ER_18, "hub/subnets/GatewaySubnet");
}

#[test]
fn er_19_er_15_links_per_circuit() {
    let at = |n: usize, premium: Option<u32>, reach: usize| {
        let mut shared = circuit("x");
        if let Some(mbps) = premium {
            shared.sku_tier = CircuitSkuTier::Premium;
            shared.bandwidth_in_mbps = Some(mbps);
        }
        shared.peering_location = Some("London".to_owned());
        shared.global_reach = (0..reach).map(|i| format!("y{i}").into()).collect();
        let far =
            |i| ExpressRouteCircuit { peering_location: Some(format!("p{i}")), ..circuit(&format!("y{i}")) };
        let builder = (0..reach).fold(Topology::builder().with(shared), |b, i| b.with(far(i)));
        (0..n).fold(builder, |b, i| {
            let (vnet, gateway) = (format!("v{i}"), format!("g{i}"));
            b.virtual_network(&vnet, &[&format!("10.{i}.0.0/16")])
                .with(VirtualNetworkGateway::new(gateway.as_str(), vnet.as_str(), GatewayType::ExpressRoute))
                .with(link(&format!("c{i}"), &gateway, "x"))
        })
    };
    clean(at(10, None, 0));
    has(at(11, None, 0), Code::LinksPerCircuit, Rule::ER_19, "x");
    has(at(10, None, 1), Code::LinksPerCircuit, Rule::ER_19, "x");
    clean(at(20, Some(50), 0));
    has(at(21, Some(50), 0), Code::LinksPerCircuit, Rule::ER_19, "x");
    has(at(26, Some(200), 0), Code::LinksPerCircuit, Rule::ER_19, "x");
    clean(at(50, Some(1_000), 0));
    has(at(51, Some(1_000), 0), Code::LinksPerCircuit, Rule::ER_19, "x");
    has(at(100, Some(10_000), 1), Code::LinksPerCircuit, Rule::ER_19, "x");
}

#[test]
fn circuits_per_subscription() {
    let at =
        |n| (0..n).fold(Topology::builder(), |b, i| b.with(circuit(&format!("/subscriptions/s/x/c{i}"))));
    has(at(51), Code::CircuitsPerSubscription, None, "/subscriptions/s");
    clean(at(50));
}

#[test]
fn bw_1_circuit_bandwidth() {
    let at = |mbps, provider: bool| {
        let mut circuit = circuit("x");
        circuit.bandwidth_in_mbps = Some(mbps);
        circuit.service_provider_name = provider.then(|| "P".to_owned());
        Topology::builder().with(circuit)
    };
    for mbps in [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000] {
        clean(at(mbps, true));
    }
    clean(at(100_000, false));
    has(at(40_000, true), Code::CircuitBandwidth, Rule::BW_1, "x");
    has(at(300, true), Code::CircuitBandwidth, Rule::BW_1, "x");
}

fn route_server(change: impl FnOnce(&mut RouteServer)) -> TopologyBuilder {
    let mut server = RouteServer {
        id: "rs".into(),
        virtual_network: "hub".into(),
        virtual_router_ips: Vec::new(),
        allow_branch_to_branch_traffic: false,
        hub_routing_preference: Default::default(),
        bgp_connections: Vec::new(),
        learned_routes: Vec::new(),
    };
    change(&mut server);
    hub().subnet("hub", "RouteServerSubnet", "10.0.3.0/26").with(server)
}

fn peer(n: u8, asn: u32) -> BgpConnection {
    BgpConnection { name: format!("p{n}"), peer_ip: [10, 0, 1, n].into(), peer_asn: Asn(asn) }
}

#[test]
fn ars_12_route_server_peers_routes_machines() {
    let peers = |n| route_server(|s| s.bgp_connections = (0..n).map(|i| peer(10 + i, 65_001)).collect());
    has(peers(9), Code::RouteServerPeers, Rule::ARS_12, "rs");
    clean(peers(8));
    let routes = |n| {
        route_server(|s| {
            let route = |p| LearnedRoute {
                next_hop: Some("10.0.1.4".parse().unwrap()),
                ..LearnedRoute::new(p, [Asn(65_001)])
            };
            s.learned_routes = many(n).into_iter().map(route).collect();
        })
    };
    clean(routes(800));
    has(routes(900), Code::PrefixLimitNear, Rule::ARS_12, "rs");
    has(routes(1_001), Code::SessionDown, Rule::ARS_12, "rs");
    has(routes(201).as_of("2021-06-01".parse().unwrap()), Code::PrefixLimit, Rule::ARS_12, "rs");
    let machines = |n: u32| {
        route_server(|_| {}).configure(|d| {
            for i in 0..n {
                let id = format!("m{i}");
                let ip = std::net::IpAddr::from((0x0a00_0204 + i).to_be_bytes());
                d.network_interfaces.push(NetworkInterface::new(id, "hub/subnets/work", ip));
            }
        })
    };
    has(machines(4_000), Code::RouteServerMachines, Rule::ARS_12, "rs");
    clean(machines(3_000));
}

#[test]
fn out_1_nat_gateway_addresses() {
    let at = |n: usize| {
        let ids: Vec<String> = (0..n).map(|i| format!("ip{i}")).collect();
        let nat = NatGateway {
            id: "nat".into(),
            public_ip_addresses: ids.iter().map(|i| i.as_str().into()).collect(),
        };
        ids.iter().fold(Topology::builder().with(nat), |b, id| {
            b.with(PublicIpAddress { id: id.as_str().into(), ip_address: None })
        })
    };
    has(at(17), Code::NatGatewayAddresses, Rule::OUT_1, "nat");
    clean(at(16));
}

fn sized(length: u8) -> TopologyBuilder {
    Topology::builder().virtual_network("hub", &["10.0.0.0/16"]).subnet(
        "hub",
        "GatewaySubnet",
        &format!("10.0.0.0/{length}"),
    )
}

#[test]
fn coex_6_gateway_subnet_size() {
    let id = "hub/subnets/GatewaySubnet";
    clean(sized(27).with(vpn()).with(express_route()));
    let found = has(sized(28).with(vpn()).with(express_route()), Code::GatewaySubnetSize, Rule::COEX_6, id);
    assert_eq!(found.severity, Severity::Error);
    let found = has(sized(28).with(express_route()), Code::GatewaySubnetSize, Rule::COEX_6, id);
    assert_eq!(found.severity, Severity::Warning);
    assert_eq!(has(sized(29).with(vpn()), Code::GatewaySubnetSize, None, id).severity, Severity::Info);
    assert_eq!(has(sized(30).with(vpn()), Code::GatewaySubnetSize, None, id).severity, Severity::Error);
    clean(sized(29));
}

#[test]
fn coex_6_vpn_beside_express_route() {
    let basic = VirtualNetworkGateway { sku: Some("Basic".to_owned()), ..vpn() };
    has(hub().with(basic.clone()).with(express_route()), Code::CoexistenceUnsupported, Rule::COEX_6, "vpn");
    clean(hub().with(basic));
    let policy = VirtualNetworkGateway { vpn_type: VpnType::PolicyBased, ..vpn() };
    has(hub().with(policy).with(express_route()), Code::CoexistenceUnsupported, Rule::COEX_6, "vpn");
}

#[test]
fn v6_1_ipv6_subnet_size() {
    let at = |prefix| {
        Topology::builder().virtual_network("v", &["10.0.0.0/16", "fd00::/48"]).subnet("v", "s", prefix)
    };
    has(at("fd00::/63"), Code::Ipv6SubnetSize, Rule::V6_1, "v/subnets/s");
    clean(at("fd00::/64"));
}

// --- routes

#[test]
fn ft_9_fail_open_default() {
    use SecurityRuleAccess::{Allow, Deny};
    // The hub's own subnets learn it too, so only the spoke is asked.
    let open = |b: TopologyBuilder| -> usize {
        of(b, Code::FailOpenDefault).iter().filter(|f| f.resource == "spoke/subnets/web".into()).count()
    };
    let forced = || on_premises(&["0.0.0.0/0"]);
    assert_eq!(open(forced()), 1);
    let found = of(forced(), Code::FailOpenDefault);
    assert!(found.iter().all(|f| f.rule == Some(Rule::FT_9) && f.severity == Severity::Warning));
    assert!(found.iter().all(|f| f.resource != "hub/subnets/GatewaySubnet".into()));
    assert_eq!(open(on_premises(&["172.16.0.0/12"])), 0);
    assert_eq!(open(secured(forced(), [outbound(200, Deny, "Internet")])), 0);
    assert_eq!(open(secured(forced(), [outbound(200, Deny, "*")])), 0);
    assert_eq!(open(secured(forced(), [])), 1, "the default rules allow the Internet");
    assert_eq!(open(secured(forced(), [outbound(200, Deny, "Internet"), outbound(100, Allow, "*")])), 1);
    let mut https = outbound(100, Allow, "Internet");
    https.destination_port_ranges = vec!["443".to_owned()];
    assert_eq!(open(secured(forced(), [https.clone(), outbound(200, Deny, "Internet")])), 0, "an exception");
    https.access = Deny;
    assert_eq!(open(secured(forced(), [https])), 1, "one port only");
    assert_eq!(open(to_fw(forced(), "0.0.0.0/0")), 0, "the default is the appliance's");
    let private = forced().configure_subnet("spoke/subnets/web", |s| s.default_outbound_access = Some(false));
    assert_eq!(open(private), 0, "no way out (OUT-4)");
    let on_nic = forced()
        .with(group("nsg", [outbound(200, Deny, "Internet")]))
        .configure(|d| d.network_interfaces[1].network_security_group = Some("nsg".into()));
    assert_eq!(open(on_nic), 0);
    let refused = forced().with(RouteTable { disable_bgp_route_propagation: true, ..RouteTable::new("rt") });
    assert_eq!(open(refused.bind("spoke/subnets/web", "rt")), 0);
}

#[test]
fn sel_9_udr_bypassed_by_bgp() {
    let at = |prefixes: &[&str]| to_fw(on_premises(prefixes), "172.16.0.0/12");
    let found = has(at(&["172.20.0.0/16"]), Code::UdrBypassedByBgp, Rule::SEL_9, "rt/routes/r");
    assert!(found.message.contains("172.20.0.0/16"), "{found}");
    lacks(at(&["172.16.0.0/12"]), Code::UdrBypassedByBgp);
    lacks(at(&["172.0.0.0/8"]), Code::UdrBypassedByBgp);
    lacks(at(&["192.168.0.0/16"]), Code::UdrBypassedByBgp);
    lacks(
        at(&["172.20.0.0/16"]).configure(|d| {
            d.route_tables[0].disable_bgp_route_propagation = true;
        }),
        Code::UdrBypassedByBgp,
    );
    // The longer prefix has a route of its own.
    let covered = at(&["172.20.0.0/16"]).route("rt", "s", "172.20.0.0/16", "VirtualAppliance", &["10.0.1.4"]);
    lacks(covered, Code::UdrBypassedByBgp);
    // A default route is for what nothing else covers.
    lacks(to_fw(on_premises(&["172.20.0.0/16"]), "0.0.0.0/0"), Code::UdrBypassedByBgp);
    // Lists are cut short.
    let prefixes: Vec<String> = (0..40).map(|n| format!("172.16.{n}.0/24")).collect();
    let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
    let found = has(at(&prefixes), Code::UdrBypassedByBgp, Rule::SEL_9, "rt/routes/r");
    assert!(found.message.contains("and more") && found.message.len() < 400, "{found}");
    // Inside the spaces of networks no gateway route is eligible (SEL-5).
    lacks(to_fw(on_premises(&["10.0.9.0/24"]), "10.0.0.0/16"), Code::UdrBypassedByBgp);
    // What the appliance itself injects goes to the appliance.
    let injected = |hop: &str| {
        let route = LearnedRoute {
            next_hop: Some(hop.parse().unwrap()),
            ..LearnedRoute::new(net("172.20.0.0/16"), [Asn(65_001)])
        };
        to_fw(
            route_server(|s| s.learned_routes.push(route)).peer_with_gateway_transit("hub", "spoke"),
            "172.16.0.0/12",
        )
    };
    lacks(injected("10.0.1.4"), Code::UdrBypassedByBgp);
    has(injected("10.0.1.5"), Code::UdrBypassedByBgp, Rule::SEL_9, "rt/routes/r");
}

#[test]
fn udr_9_not_local() {
    let at = |prefix| with_route(hub(), prefix, "VnetLocal", &[]);
    has(at("10.9.0.0/16"), Code::NotLocal, Rule::UDR_9, "rt/routes/r");
    has(at("10.0.0.0/8"), Code::NotLocal, Rule::UDR_9, "rt/routes/r");
    clean(at("10.1.0.0/24"));
}

#[test]
fn udr_6_udr_7_gateway_next_hop() {
    let code = Code::UnsupportedGatewayNextHop;
    let at = |b| with_route(b, "10.9.0.0/16", "VirtualNetworkGateway", &[]);
    has(at(hub()), code, Rule::UDR_7, "rt/routes/r");
    let transit = |b: TopologyBuilder| at(b.peer_with_gateway_transit("hub", "spoke"));
    clean(transit(hub().with(vpn())));
    has(transit(hub().with(express_route())), code, Rule::UDR_6, "rt/routes/r");
    has(transit(hub().with(vpn()).with(express_route())), code, Rule::UDR_6, "rt/routes/r");
    has(transit(route_server(|_| {}).with(vpn())), code, Rule::UDR_6, "rt/routes/r");
    let virtual_hub = VirtualHub {
        virtual_network_connections: vec![HubVirtualNetworkConnection::new("spoke", "spoke")],
        ..VirtualHub::new("wan")
    };
    has(at(hub().with(virtual_hub)), code, Rule::UDR_6, "rt/routes/r");
    // The gateway may stand in a network that is not part of the topology.
    lacks(at(hub().peer_with("spoke", "elsewhere", |h| h.use_remote_gateways = true)), code);
}

#[test]
fn udr_4_next_hop_unreachable() {
    let code = Code::NextHopUnreachable;
    let at = |b: TopologyBuilder, hop| with_route(b, "10.9.0.0/16", "VirtualAppliance", &[hop]);
    clean(at(hub().peer("hub", "spoke"), "10.0.1.4"));
    let far = has(at(hub(), "10.0.1.4"), code, Rule::UDR_4, "rt/routes/r");
    assert!(far.message.contains("direct peer"), "{far}");
    let nobody = has(at(hub().peer("hub", "spoke"), "10.0.1.99"), code, Rule::UDR_4, "rt/routes/r");
    assert!(nobody.message.contains("nothing in `hub`"), "{nobody}");
    // A firewall in a template has no address yet.
    let template = AzureFirewall {
        id: "afw".into(),
        subnet: Some("hub/subnets/work".into()),
        ..AzureFirewall::default()
    };
    clean(at(hub().peer("hub", "spoke").with(template), "10.0.2.4"));
    // A network that is not part of the topology may hold it.
    lacks(at(hub().peer_with("spoke", "elsewhere", |_| {}), "10.200.0.4"), code);
    let endpoint = PrivateEndpoint {
        id: "pe".into(),
        subnet: "hub/subnets/work".into(),
        private_ip_addresses: vec!["10.0.2.9".parse().unwrap()],
        ..PrivateEndpoint::default()
    };
    has(at(hub().peer("hub", "spoke").with(endpoint), "10.0.2.9"), code, Rule::UDR_4, "rt/routes/r");
}

fn balanced(change: impl FnOnce(&mut LoadBalancer)) -> TopologyBuilder {
    let mut balancer = LoadBalancer {
        id: "ilb".into(),
        frontend_ip_configurations: vec![FrontendIpConfiguration {
            name: "f".to_owned(),
            private_ip_address: Some("10.0.1.100".parse().unwrap()),
            subnet: Some("hub/subnets/nva".into()),
            public_ip_address: None,
        }],
        backends: vec![Backend { network_interface: Some("fw".into()), ..Backend::default() }],
        ..LoadBalancer::default()
    };
    change(&mut balancer);
    let builder = hub().with(balancer).peer("hub", "spoke");
    with_route(builder, "10.9.0.0/16", "VirtualAppliance", &["10.0.1.100"])
}

#[test]
fn walk_9_peer_12_load_balancers() {
    let code = Code::NextHopUnreachable;
    clean(balanced(|_| {}));
    has(balanced(|b| b.backends.clear()), code, Rule::WALK_9, "rt/routes/r");
    has(balanced(|b| b.backends[0].unhealthy = true), code, Rule::WALK_9, "rt/routes/r");
    let global = |sku| {
        balanced(|b| b.sku = sku).configure(|d| {
            d.virtual_networks[0].location = Some("westeurope".to_owned());
            d.virtual_networks[1].location = Some("eastus".to_owned());
        })
    };
    has(global(LoadBalancerSku::Basic), code, Rule::PEER_12, "rt/routes/r");
    clean(global(LoadBalancerSku::Standard));
    clean(balanced(|b| b.sku = LoadBalancerSku::Basic));
}

#[test]
fn walk_3_walk_4_forwarding() {
    let at = |b: TopologyBuilder| to_fw(b.peer("hub", "spoke"), "10.9.0.0/16");
    let off = at(hub()).configure(|d| d.network_interfaces[0].enable_ip_forwarding = false);
    has(off, Code::NoIpForwarding, Rule::WALK_3, "rt/routes/r");
    let guest = |os_forwarding| {
        let appliance = NetworkVirtualAppliance::new("nva", ["fw".into()]);
        at(hub().with(NetworkVirtualAppliance { os_forwarding, ..appliance }))
    };
    has(guest(false), Code::NotForwardingOs, Rule::WALK_4, "rt/routes/r");
    clean(guest(true));
    let behind = balanced(|_| {}).configure(|d| d.network_interfaces[0].enable_ip_forwarding = false);
    has(behind, Code::NoIpForwarding, Rule::WALK_3, "rt/routes/r");
}

#[test]
fn walk_6_appliance_loop() {
    let code = Code::ApplianceLoop;
    let at = |b: TopologyBuilder, subnet: &str, hop: &str| {
        b.peer("hub", "spoke").route("own", "r", "0.0.0.0/0", "VirtualAppliance", &[hop]).bind(subnet, "own")
    };
    has(at(hub(), "hub/subnets/nva", "10.0.1.4"), code, Rule::WALK_6, "own/routes/r");
    clean(at(hub(), "hub/subnets/work", "10.0.1.4"));
    clean(at(hub().appliance("fw2", "hub/subnets/work", "10.0.2.4"), "hub/subnets/nva", "10.0.2.4"));
    has(
        balanced(|_| {})
            .route("own", "r", "0.0.0.0/0", "VirtualAppliance", &["10.0.1.100"])
            .bind("hub/subnets/nva", "own"),
        code,
        Rule::WALK_6,
        "own/routes/r",
    );
    let firewall = AzureFirewall {
        id: "afw".into(),
        subnet: Some("hub/subnets/work".into()),
        private_ip_address: Some("10.0.2.4".parse().unwrap()),
        ..AzureFirewall::default()
    };
    has(at(hub().with(firewall), "hub/subnets/work", "10.0.2.4"), code, Rule::WALK_6, "own/routes/r");
    // Two interfaces: what comes in by the inner one leaves by the primary, outer one.
    let two = |outer_primary: bool| {
        let inner = hub().appliance("outer", "hub/subnets/work", "10.0.2.4").configure(|d| {
            for nic in &mut d.network_interfaces {
                if nic.id != "vm".into() {
                    nic.virtual_machine = Some("machine".into());
                    nic.primary = (nic.id == "outer".into()) == outer_primary;
                }
            }
        });
        at(inner, "hub/subnets/nva", "10.0.1.4")
    };
    clean(two(true));
    has(two(false), code, Rule::WALK_6, "own/routes/r");
}

#[test]
fn ars_9_injected_default_comes_back() {
    let at = || {
        route_server(|s| {
            let mut route = LearnedRoute::new(net("0.0.0.0/0"), [Asn(65_001)]);
            route.next_hop = Some("10.0.1.4".parse().unwrap());
            s.learned_routes.push(route);
        })
    };
    has(at(), Code::ApplianceLoop, Rule::ARS_9, "hub/subnets/nva");
    lacks(
        at().route("own", "r", "0.0.0.0/0", "Internet", &[]).bind("hub/subnets/nva", "own"),
        Code::ApplianceLoop,
    );
}

fn on_gateway_subnet(prefix: &str, kind: &str, hops: &[&str]) -> TopologyBuilder {
    hub()
        .with(vpn())
        .peer_with_gateway_transit("hub", "spoke")
        .route("gw", "r", prefix, kind, hops)
        .bind("hub/subnets/GatewaySubnet", "gw")
}

#[test]
fn udr_12_gateway_subnet() {
    let id = "hub/subnets/GatewaySubnet";
    let fine = || on_gateway_subnet("10.1.0.0/16", "VirtualAppliance", &["10.0.1.4"]);
    clean(fine());
    let default = on_gateway_subnet("0.0.0.0/0", "VirtualAppliance", &["10.0.1.4"]);
    has(default, Code::GatewaySubnetDefaultRoute, Rule::UDR_12, id);
    let off = fine().configure(|d| d.route_tables[0].disable_bgp_route_propagation = true);
    has(off, Code::GatewaySubnetPropagationDisabled, Rule::UDR_12, id);
    let nsg =
        fine().with(group("nsg", [])).configure_subnet(id, |s| s.network_security_group = Some("nsg".into()));
    has(nsg, Code::GatewaySubnetSecurityGroup, Rule::UDR_12, id);
    let nat = NatGateway { id: "nat".into(), public_ip_addresses: Vec::new() };
    let nat = fine().with(nat).configure_subnet(id, |s| s.nat_gateway = Some("nat".into()));
    has(nat, Code::GatewaySubnetNatGateway, Rule::OUT_2, id);
}

#[test]
fn udr_13_control_traffic() {
    let (code, id) = (Code::ControlTrafficDiverted, "gw/routes/r");
    let at = |prefix| on_gateway_subnet(prefix, "VirtualAppliance", &["10.0.1.4"]);
    has(at("10.0.0.0/16"), code, Rule::UDR_13, id);
    has(at("10.0.0.0/28"), code, Rule::UDR_13, id);
    lacks(at("10.0.0.0/8"), code);
    lacks(at("10.0.2.0/24"), code);
    lacks(at("10.0.0.0/16").route("gw", "own", "10.0.0.0/27", "VnetLocal", &[]), code);
    let public = |prefix| {
        let address = PublicIpAddress { id: "ip".into(), ip_address: Some("20.1.2.3".parse().unwrap()) };
        at(prefix).with(address).configure(|d| {
            d.virtual_network_gateways[0].public_ip_addresses.push("ip".into());
        })
    };
    has(public("20.0.0.0/8"), code, Rule::UDR_13, id);
    lacks(public("21.0.0.0/8"), code);
}

#[test]
fn udr_13_route_server_subnet() {
    let at = |prefix: &str| {
        route_server(|s| s.bgp_connections.push(peer(4, 65_001)))
            .appliance("fw2", "hub/subnets/work", "10.0.2.4")
            .route("own", "r", prefix, "VirtualAppliance", &["10.0.2.4"])
            .bind("hub/subnets/nva", "own")
    };
    has(at("10.0.0.0/16"), Code::ControlTrafficDiverted, Rule::UDR_13, "own/routes/r");
    clean(at("0.0.0.0/0"));
    clean(at("10.0.0.0/16").route("own", "keep", "10.0.3.0/26", "VnetLocal", &[]));
}

/// On-premises traffic of the spoke passes the firewall in both directions.
fn inspected() -> TopologyBuilder {
    to_fw(on_premises(&["172.16.0.0/12"]), "0.0.0.0/0")
        .configure(|d| d.route_tables[0].disable_bgp_route_propagation = true)
        .route("gw", "spoke", "10.1.0.0/16", "VirtualAppliance", &["10.0.1.4"])
        .bind("hub/subnets/GatewaySubnet", "gw")
}

#[test]
fn walk_11_asymmetric() {
    let code = Code::Asymmetric;
    let unbind = |b: TopologyBuilder, subnet: &str| b.configure_subnet(subnet, |s| s.route_table = None);
    // Out through the appliance, in past it.
    has(unbind(inspected(), "hub/subnets/GatewaySubnet"), code, Rule::WALK_11, "rt/routes/r");
    has(to_fw(on_premises(&["172.16.0.0/12"]), "172.16.0.0/12"), code, Rule::WALK_11, "rt/routes/r");
    has(to_fw(on_premises(&["172.16.0.0/12"]), "172.20.0.0/16"), code, Rule::WALK_11, "rt/routes/r");
    // In through the appliance, out past it.
    has(unbind(inspected(), "spoke/subnets/web"), code, Rule::WALK_11, "gw/routes/spoke");
    let propagated = inspected().configure(|d| d.route_tables[0].disable_bgp_route_propagation = false);
    has(propagated, code, Rule::WALK_11, "gw/routes/spoke");
    // Through different appliances.
    let other = inspected()
        .appliance("fw2", "hub/subnets/work", "10.0.2.4")
        .configure(|d| d.route_tables[1].routes[0].next_hop_ip_addresses = vec!["10.0.2.4".parse().unwrap()]);
    has(other, code, Rule::WALK_10, "gw/routes/spoke");
    // Traffic between networks is no traffic with on-premises.
    clean(to_fw(on_premises(&["10.0.0.0/8"]), "10.0.2.0/24"));
    // A stateless appliance does not mind (WALK-12).
    let stateless =
        NetworkVirtualAppliance { stateful: false, ..NetworkVirtualAppliance::new("nva", ["fw".into()]) };
    // The table that nobody is bound to any more is there to be known.
    let left = findings(unbind(inspected(), "hub/subnets/GatewaySubnet").with(stateless));
    assert_eq!(left.iter().map(|f| f.code).collect::<Vec<_>>(), [Code::UnboundRouteTable]);
}

fn endpoint(change: impl FnOnce(&mut NetworkVirtualAppliance)) -> TopologyBuilder {
    let mut appliance = NetworkVirtualAppliance::new("nva", ["fw".into()]);
    change(&mut appliance);
    hub()
        .with(appliance)
        .with(PrivateEndpoint {
            id: "pe".into(),
            subnet: "hub/subnets/work".into(),
            private_ip_addresses: vec!["10.0.2.9".parse().unwrap()],
            ..PrivateEndpoint::default()
        })
        .peer_with_gateway_transit("hub", "spoke")
        .configure(|d| d.virtual_networks[1].peerings[0].use_remote_gateways = false)
}

#[test]
fn pe_6_asymmetric_needs_snat() {
    let code = Code::AsymmetricNeedsSnat;
    let at = |change: fn(&mut NetworkVirtualAppliance), prefix| to_fw(endpoint(change), prefix);
    has(at(|_| {}, "10.0.2.9/32"), code, Rule::PE_6, "rt/routes/r");
    clean(at(|a| a.snat = Snat::All, "10.0.2.9/32"));
    has(at(|a| a.snat = Snat::Internet, "10.0.2.9/32"), code, Rule::PE_6, "rt/routes/r");
    clean(at(|a| a.stateful = false, "10.0.2.9/32"));
    // A shorter route does not take the host route away (PE-4), so the packet goes straight.
    clean(at(|_| {}, "10.0.2.0/24"));
    // With policies on, replies follow the routes of the endpoint's subnet.
    clean(at(|_| {}, "10.0.2.9/32").configure_subnet("hub/subnets/work", |s| {
        s.private_endpoint_network_policies = PrivateEndpointNetworkPolicies::Enabled;
    }));
    // Two peerings away there is no host route (PE-2).
    let two_away = |change: fn(&mut NetworkVirtualAppliance)| {
        endpoint(change)
            .virtual_network("client", &["10.2.0.0/16"])
            .subnet("client", "c", "10.2.0.0/24")
            .peer("hub", "client")
            .configure(|d| d.private_endpoints[0].subnet = "spoke/subnets/web".into())
            .configure(|d| d.private_endpoints[0].private_ip_addresses = vec!["10.1.0.9".parse().unwrap()])
            .route("far", "r", "10.1.0.0/16", "VirtualAppliance", &["10.0.1.4"])
            .bind("client/subnets/c", "far")
    };
    has(two_away(|_| {}), code, Rule::PE_6, "far/routes/r");
    clean(two_away(|a| a.snat = Snat::All));
}

// --- peerings

#[test]
fn peer_1_peering_not_connected_or_out_of_sync() {
    let id = "spoke/virtualNetworkPeerings/hub";
    has(hub().peer_with("spoke", "hub", |_| {}), Code::PeeringNotConnected, Rule::PEER_1, id);
    let gone = hub().peer_with("hub", "spoke", |_| {}).peer_with("spoke", "hub", |h| {
        h.peering_state = Some(PeeringState::Disconnected);
    });
    has(gone, Code::PeeringNotConnected, Rule::PEER_1, id);
    let synced = |space: &'static [&str]| {
        hub().peer_with("hub", "spoke", |_| {}).peer_with("spoke", "hub", |h| {
            h.remote_address_space = space.iter().map(|p| net(p)).collect();
        })
    };
    has(synced(&["10.0.0.0/17"]), Code::PeeringOutOfSync, Rule::PEER_1, id);
    clean(synced(&["10.0.0.0/16"]));
    lacks(hub().peer_with("spoke", "elsewhere", |_| {}), Code::PeeringNotConnected);
}

#[test]
fn peer_4_access_differs() {
    let at = |a, b| {
        hub().peer_with("hub", "spoke", |h| h.allow_virtual_network_access = a).peer_with(
            "spoke",
            "hub",
            |h| h.allow_virtual_network_access = b,
        )
    };
    has(at(false, true), Code::PeeringAccessDiffers, Rule::PEER_4, "hub/virtualNetworkPeerings/spoke");
    clean(at(true, true));
    clean(at(false, false));
}

#[test]
fn peer_6_peer_7_remote_gateways() {
    let id = "spoke/virtualNetworkPeerings/hub";
    let good = || hub().with(vpn()).peer_with_gateway_transit("hub", "spoke");
    clean(good());
    let refused = good().configure(|d| d.virtual_networks[0].peerings[0].allow_gateway_transit = false);
    has(refused, Code::GatewayTransitNotAllowed, Rule::PEER_6, id);
    has(hub().peer_with_gateway_transit("hub", "spoke"), Code::RemoteGatewayMissing, Rule::PEER_6, id);
    let own = VirtualNetworkGateway::new("own", "spoke", GatewayType::ExpressRoute);
    has(good().with(own), Code::RemoteGatewayConflict, Rule::PEER_7, "spoke");
    let two = good()
        .virtual_network("hub2", &["10.2.0.0/16"])
        .with(VirtualNetworkGateway::new("g2", "hub2", GatewayType::Vpn))
        .peer_with_gateway_transit("hub2", "spoke");
    has(two, Code::RemoteGatewayConflict, Rule::PEER_7, "spoke");
    let basic = good().with(VirtualNetworkGateway { sku: Some("Basic".to_owned()), ..vpn() });
    has(basic, Code::GatewayTransitUnsupported, Rule::PEER_7, id);
    let global = |day: &str| {
        good().as_of(day.parse().unwrap()).configure(|d| {
            d.virtual_networks[0].location = Some("westeurope".to_owned());
            d.virtual_networks[1].location = Some("eastus".to_owned());
        })
    };
    has(global("2018-01-01"), Code::GatewayTransitUnsupported, Rule::PEER_7, id);
    clean(global("2020-01-01"));
}

// --- gateways, circuits, Route Server

#[test]
fn er_1_both_links_on_one_router() {
    let at = |a: &str, b: &str, routers: &[&str]| {
        let mut site = OnPremisesSite::new("dc", []);
        let router = |name: &&str| Router { name: (*name).to_owned(), ..Router::default() };
        site.routers = routers.iter().map(router).collect();
        let mut circuit = circuit("x");
        let end = |id: &str| CircuitLink { edge_router: Some(id.into()), up: true };
        (circuit.primary, circuit.secondary) = (end(a), end(b));
        Topology::builder().with(circuit).with(site)
    };
    let code = Code::CircuitLinksShareRouter;
    has(at("dc/routers/a", "dc/routers/a", &["a", "b"]), code, Rule::ER_1, "x");
    clean(at("dc/routers/a", "dc/routers/b", &["a", "b"]));
    has(at("dc", "dc", &["a"]), code, Rule::ER_1, "x");
    clean(at("dc", "dc", &["a", "b"]));
    clean(at("dc", "dc", &[]));
}

#[test]
fn csp_2_iso_2_circuit_shared() {
    let at = |first: &'static str, second: &'static str| {
        linked(circuit("x"))
            .with(VirtualNetworkGateway::new("er2", "spoke", GatewayType::ExpressRoute))
            .with(link("c2", "er2", "x"))
            .configure(move |d| {
                d.virtual_networks[0].tenant = Some(first.to_owned());
                d.virtual_networks[1].tenant = Some(second.to_owned());
            })
    };
    has(at("a", "b"), Code::CircuitShared, Rule::CSP_2, "x");
    clean(at("a", "A"));
    let owned = at("a", "a").configure(|d| d.express_route_circuits[0].tenant = Some("b".to_owned()));
    let knobs = Knobs { cross_tenant_links: Some(CrossTenantLinks::Deny2016), ..Knobs::default() };
    assert_eq!(of(owned.clone(), Code::ConnectionDown), []);
    let found = of(owned.knobs(knobs), Code::ConnectionDown);
    assert!(!found.is_empty() && found.iter().all(|f| f.rule == Some(Rule::ISO_2)));
    let site = |tenant: &str| {
        let mut site = told("x", PeeringType::AzurePrivatePeering, many(1));
        site.tenant = Some(tenant.to_owned());
        at("a", "a").with(site)
    };
    has(site("b"), Code::CircuitShared, Rule::CSP_2, "x");
    clean(site("a"));
}

#[test]
fn er_15_global_reach() {
    let at = |place: &str, tier| {
        let near = ExpressRouteCircuit {
            peering_location: Some("London".to_owned()),
            global_reach: vec!["y".into()],
            ..circuit("x")
        };
        let far =
            ExpressRouteCircuit { peering_location: Some(place.to_owned()), sku_tier: tier, ..circuit("y") };
        Topology::builder().with(near).with(far)
    };
    clean(at("Paris", CircuitSkuTier::Standard));
    has(at("london", CircuitSkuTier::Standard), Code::GlobalReachUnsupported, Rule::ER_15, "x");
    has(at("Paris", CircuitSkuTier::Local), Code::GlobalReachUnsupported, Rule::ER_15, "x");
}

#[test]
fn bgp_2_reserved_asn() {
    let code = Code::ReservedAsn;
    let peering = |asn| {
        let mut circuit = circuit("x");
        circuit.peerings[0].peer_asn = Some(Asn(asn));
        Topology::builder().with(circuit)
    };
    for asn in [8_074, 12_076, 23_456, 64_500, 65_515, 65_516, 65_518, 65_540] {
        has(peering(asn), code, Rule::BGP_2, "x");
    }
    clean(peering(65_001));
    let tunnel = |asn, bgp| {
        let mut connection = Connection::new("c", ConnectionType::IPsec, "vpn", "site");
        connection.enable_bgp = bgp;
        let site =
            LocalNetworkGateway { id: "site".into(), asn: Some(Asn(asn)), ..LocalNetworkGateway::default() };
        hub().with(vpn()).with(site).with(connection)
    };
    has(tunnel(65_518, true), code, Rule::BGP_2, "site");
    clean(tunnel(65_518, false));
    clean(tunnel(65_001, true));
    let own = |asn| hub().with(VirtualNetworkGateway { asn: Asn(asn), enable_bgp: true, ..vpn() });
    has(own(65_517), code, Rule::BGP_2, "vpn");
    clean(own(65_515));
    let server = |asn| route_server(|s| s.bgp_connections.push(peer(4, asn)));
    has(server(65_520), code, Rule::BGP_2, "rs");
    has(server(4_200_000_000), code, Rule::BGP_2, "rs");
    clean(server(65_001));
}

#[test]
fn vpn_1_bgp_unsupported() {
    let at = |gateway: VirtualNetworkGateway, bgp| {
        let mut connection = Connection::new("c", ConnectionType::IPsec, "vpn", "site");
        connection.enable_bgp = bgp;
        let site = LocalNetworkGateway { id: "site".into(), ..LocalNetworkGateway::default() };
        hub().with(gateway).with(site).with(connection)
    };
    let basic = VirtualNetworkGateway { sku: Some("basic".to_owned()), ..vpn() };
    let policy = VirtualNetworkGateway { vpn_type: VpnType::PolicyBased, ..vpn() };
    has(at(basic.clone(), true), Code::BgpUnsupported, Rule::VPN_1, "c");
    has(at(policy, true), Code::BgpUnsupported, Rule::VPN_1, "c");
    clean(at(basic.clone(), false));
    clean(at(vpn(), true));
    has(
        hub().with(VirtualNetworkGateway { enable_bgp: true, ..basic }),
        Code::BgpUnsupported,
        Rule::VPN_1,
        "vpn",
    );
}

#[test]
fn vpn_9_overlapping_local_gateways() {
    let at = |a: &str, b: &str, same_site: bool, bgp: bool| {
        let local = |id: &str, prefix: &str, site: &str| LocalNetworkGateway {
            id: id.into(),
            address_prefixes: vec![net(prefix)],
            asn: Some(Asn(65_001)),
            site: Some(site.into()),
            ..LocalNetworkGateway::default()
        };
        let tunnel = |id: &str, peer: &str| {
            let connection = Connection::new(id, ConnectionType::IPsec, "vpn", peer);
            Connection { enable_bgp: bgp, ..connection }
        };
        hub()
            .with(vpn())
            .with(local("l1", a, "dc1"))
            .with(local("l2", b, if same_site { "dc1" } else { "dc2" }))
            .with(tunnel("c1", "l1"))
            .with(tunnel("c2", "l2"))
            .with(OnPremisesSite::new("dc1", []))
            .with(OnPremisesSite::new("dc2", []))
    };
    let code = Code::OverlappingLocalGateways;
    clean(at("172.16.0.0/16", "172.17.0.0/16", false, false));
    clean(at("172.16.0.0/12", "172.17.0.0/16", false, false));
    has(at("172.16.0.0/16", "172.16.0.0/16", false, false), code, Rule::VPN_9, "vpn");
    has(at("172.16.0.0/12", "172.17.0.0/16", true, true), code, Rule::VPN_9, "vpn");
    has(at("172.16.0.1/32", "172.16.0.2/32", true, false), code, Rule::VPN_9, "vpn");
    clean(at("172.16.0.1/32", "172.16.0.2/32", true, true));
}

#[test]
fn ars_5_vpn_gateway_beside_route_server() {
    let at = |branch, active_active, asn| {
        let gateway = VirtualNetworkGateway { active_active, asn: Asn(asn), ..vpn() };
        route_server(|s| s.allow_branch_to_branch_traffic = branch).with(gateway)
    };
    let code = Code::RouteServerGatewayUnsupported;
    has(at(true, false, 65_515), code, Rule::ARS_5, "vpn");
    has(at(true, true, 65_010), code, Rule::ARS_5, "vpn");
    clean(at(true, true, 65_515));
    clean(at(false, false, 65_515));
}

// --- security groups and hygiene

#[test]
fn nsg_10_service_tags_leave_internet() {
    let at = |to: &str, hop: &str, hops: &[&str]| {
        let builder = hub().peer("hub", "spoke").with(tag("Storage", &["20.60.0.0/16"]));
        secured(with_route(builder, "Storage", hop, hops), [outbound(100, SecurityRuleAccess::Deny, to)])
    };
    let code = Code::ServiceTagLeavesInternet;
    has(at("Internet", "VirtualAppliance", &["10.0.1.4"]), code, Rule::NSG_10, "nsg");
    clean(at("Internet", "Internet", &[]));
    clean(at("Storage", "VirtualAppliance", &["10.0.1.4"]));
}

#[test]
fn nsg_12_appliance_gate() {
    let inbound = |to: &str| {
        let mut rule = outbound(100, SecurityRuleAccess::Allow, to);
        rule.direction = SecurityRuleDirection::Inbound;
        rule
    };
    let at = |rules: Vec<SecurityRule>, prefix| {
        to_fw(hub().peer("hub", "spoke"), prefix)
            .with(group("gate", rules))
            .configure(|d| d.network_interfaces[0].network_security_group = Some("gate".into()))
    };
    let code = Code::ApplianceGateDenies;
    has(at(Vec::new(), "0.0.0.0/0"), code, Rule::NSG_12, "gate");
    clean(at(vec![inbound("*")], "0.0.0.0/0"));
    clean(at(vec![inbound("Internet")], "0.0.0.0/0"));
    has(at(vec![inbound("VirtualNetwork")], "0.0.0.0/0"), code, Rule::NSG_12, "gate");
    clean(at(Vec::new(), "10.9.0.0/16"));
    // Where the appliance's own default is another appliance's, the tag is everything (NSG-7).
    let chained = at(Vec::new(), "0.0.0.0/0")
        .appliance("next", "hub/subnets/work", "10.0.2.4")
        .route("own", "r", "0.0.0.0/0", "VirtualAppliance", &["10.0.2.4"])
        .bind("hub/subnets/nva", "own");
    clean(chained);
}

#[test]
fn udr_10_se_1_unknown_service_tags() {
    let code = Code::UnknownServiceTag;
    let route = || with_route(hub().peer("hub", "spoke"), "Storage", "Internet", &[]);
    has(route(), code, Rule::UDR_10, "rt/routes/r");
    clean(route().with(tag("storage", &["20.60.0.0/16"])));
    let rule = |word| secured(hub(), [outbound(100, SecurityRuleAccess::Deny, word)]);
    assert_eq!(has(rule("Storage"), code, None, "nsg").severity, Severity::Info);
    clean(rule("Storage").with(tag("Storage", &[])));
    for word in ["*", "Internet", "virtualnetwork", "10.0.0.0/8", "10.0.0.1", "10.0.0.1-10.0.0.9"] {
        clean(rule(word));
    }
    let endpoint = || {
        hub().configure_subnet("spoke/subnets/web", |s| {
            s.service_endpoints.push(ServiceEndpoint::new("Microsoft.Storage"));
        })
    };
    has(endpoint(), code, Rule::SE_1, "spoke");
    clean(endpoint().with(tag("Storage", &["20.60.0.0/16"])));
}

#[test]
fn section_30_not_yet_available() {
    let code = Code::NotYetAvailable;
    let then = |b: TopologyBuilder, day: &str| b.as_of(day.parse().unwrap());
    let tags = || {
        with_route(hub().peer("hub", "spoke"), "Storage", "Internet", &[])
            .with(tag("Storage", &["20.60.0.0/16"]))
    };
    has(then(tags(), "2020-01-01"), code, Rule::UDR_10, "rt/routes/r");
    clean(then(tags(), "2022-01-01"));
    clean(tags());
    let several = || {
        let builder = hub().peer("hub", "spoke").appliance("fw2", "hub/subnets/nva", "10.0.1.5");
        with_route(builder, "10.9.0.0/16", "VirtualApplianceEcmp", &["10.0.1.4", "10.0.1.5"])
    };
    has(then(several(), "2025-06-30"), code, Rule::UDR_17, "rt/routes/r");
    clean(then(several(), "2025-07-01"));
    let hidden = || hub().with(RouteTable { disable_peering_route: true, ..RouteTable::new("rt") });
    has(then(hidden(), "2025-06-30"), code, Rule::PEER_13, "rt");
    clean(hidden());
    let gateway = || on_gateway_subnet("10.1.0.0/16", "VirtualAppliance", &["10.0.1.4"]);
    has(then(gateway(), "2016-06-30"), code, Rule::UDR_12, "hub/subnets/GatewaySubnet");
    clean(then(gateway(), "2016-07-01"));
    let policies = || {
        hub().configure_subnet("spoke/subnets/web", |s| {
            s.private_endpoint_network_policies = PrivateEndpointNetworkPolicies::Enabled;
        })
    };
    has(then(policies(), "2022-08-31"), code, Rule::PE_8, "spoke/subnets/web");
    clean(policies());
    let reach = || {
        let near = ExpressRouteCircuit { global_reach: vec!["y".into()], ..circuit("x") };
        Topology::builder().with(near).with(circuit("y"))
    };
    has(then(reach(), "2018-01-01"), code, Rule::ER_15, "x");
    clean(reach());
}

/// Seed statement 13: private and Microsoft peering on one circuit share its bandwidth.
#[test]
fn bw_2_mixed_peerings() {
    let with = |peerings: &[PeeringType]| {
        let mut circuit = circuit("x");
        circuit.peerings = peerings.iter().map(|p| CircuitPeering::new(*p)).collect();
        circuit.peerings.iter_mut().for_each(|p| p.configured = Some("2017-01-01".parse().unwrap()));
        Topology::builder().with(circuit)
    };
    let (private, microsoft) = (PeeringType::AzurePrivatePeering, PeeringType::MicrosoftPeering);
    has(with(&[private, microsoft]), Code::MixedPeerings, Rule::BW_2, "x");
    lacks(with(&[private]), Code::MixedPeerings);
    lacks(with(&[microsoft]), Code::MixedPeerings);
}
