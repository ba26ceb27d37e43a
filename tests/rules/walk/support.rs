//! Small designs, and answers as short texts.

use std::net::IpAddr;

use azroute::Network;
use azroute::model::{
    Advertisement, Asn, CircuitPeering, Connection, ConnectionType, ExpressRouteCircuit, GatewayType,
    LinkRole, LocalNetworkGateway, OnPremisesLink, OnPremisesNextHop, OnPremisesRoute, OnPremisesSite,
    PeeringType, Router, SiteRole, Topology, TopologyBuilder, VirtualNetworkGateway,
};
use azroute::resolve::{Answer, Path, Place};
use ipnet::IpNet;

pub(crate) const NVA: &str = "10.0.100.4";

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub(crate) fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| net(text)).collect()
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// `v` 10.0.0.0/16 with `vm` (10.0.0.4) in `s` and the appliance `fw` in `nva`.
pub(crate) fn base() -> TopologyBuilder {
    Topology::builder()
        .virtual_network("v", &["10.0.0.0/16"])
        .subnet("v", "s", "10.0.0.0/24")
        .subnet("v", "nva", "10.0.100.0/24")
        .subnet("v", "GatewaySubnet", "10.0.255.0/27")
        .nic("vm", "v/subnets/s", "10.0.0.4")
        .appliance("fw", "v/subnets/nva", NVA)
}

/// `v` as hub with the spokes `p` 10.1.0.0/16 (`pvm` 10.1.0.4) and `q` 10.2.0.0/16 (`qvm` 10.2.0.4): plain peerings
/// with forwarded traffic allowed.
pub(crate) fn spokes(builder: TopologyBuilder) -> TopologyBuilder {
    let mut builder = builder;
    for (spoke, n) in [("p", 1), ("q", 2)] {
        builder = builder
            .virtual_network(spoke, &[&format!("10.{n}.0.0/16")])
            .subnet(spoke, "s", &format!("10.{n}.0.0/24"))
            .nic(&format!("{spoke}vm"), &format!("{spoke}/subnets/s"), &format!("10.{n}.0.4"))
            .peer_with("v", spoke, |half| half.allow_forwarded_traffic = true)
            .peer_with(spoke, "v", |half| half.allow_forwarded_traffic = true);
    }
    builder
}

/// As [`spokes`], with gateway transit.
pub(crate) fn transit_spokes(builder: TopologyBuilder) -> TopologyBuilder {
    spokes(builder).configure(|d| {
        for vnet in &mut d.virtual_networks {
            let hub = vnet.id.as_str() == "v";
            for half in &mut vnet.peerings {
                half.allow_gateway_transit = hub;
                half.use_remote_gateways = !hub;
            }
        }
    })
}

/// Routes of the table `rt`, bound to these subnets.
pub(crate) fn routes(
    builder: TopologyBuilder,
    table: &str,
    routes: &[(&str, &str)],
    subnets: &[&str],
) -> TopologyBuilder {
    let mut builder = builder;
    for (i, (prefix, hop)) in routes.iter().enumerate() {
        let name = format!("r{i}");
        builder = match hop.parse::<IpAddr>() {
            Ok(_) => builder.route(table, &name, prefix, "VirtualAppliance", &[hop]),
            Err(_) => builder.route(table, &name, prefix, hop, &[]),
        };
    }
    for subnet in subnets {
        builder = builder.bind(subnet, table);
    }
    builder
}

pub(crate) fn circuit(id: &str) -> ExpressRouteCircuit {
    let mut circuit = ExpressRouteCircuit::new(id);
    circuit.peerings.push(CircuitPeering::new(PeeringType::AzurePrivatePeering));
    circuit
}

pub(crate) fn er_connection(gateway: &str, circuit: &str) -> Connection {
    Connection::new(format!("{gateway}-{circuit}"), ConnectionType::ExpressRoute, gateway, circuit)
}

pub(crate) fn er_gateway(id: &str, vnet: &str) -> VirtualNetworkGateway {
    VirtualNetworkGateway::new(id, vnet, GatewayType::ExpressRoute)
}

pub(crate) fn vpn_gateway(id: &str, vnet: &str) -> VirtualNetworkGateway {
    VirtualNetworkGateway::new(id, vnet, GatewayType::Vpn)
}

pub(crate) fn advertise(over: &str, prefixes: &[&str]) -> Advertisement {
    Advertisement::new(over, nets(prefixes), [Asn(65001)])
}

pub(crate) fn advertise_on(over: &str, prefixes: &[&str], peering: PeeringType) -> Advertisement {
    Advertisement { peering, ..advertise(over, prefixes) }
}

pub(crate) fn on_link(link: LinkRole, advertisement: Advertisement) -> Advertisement {
    Advertisement { link: Some(link), ..advertisement }
}

/// A site that advertises its prefixes over each of these.
pub(crate) fn site(id: &str, prefixes: &[&str], over: &[&str]) -> OnPremisesSite {
    let mut site = OnPremisesSite::new(id, nets(prefixes));
    site.advertisements = over.iter().map(|over| advertise(over, prefixes)).collect();
    site
}

pub(crate) fn provider(id: &str) -> OnPremisesSite {
    OnPremisesSite { role: SiteRole::Provider, ..OnPremisesSite::new(id, []) }
}

pub(crate) fn router(name: &str) -> Router {
    Router { name: name.to_owned(), ..Router::default() }
}

pub(crate) fn link(id: &str, a: &str, b: &str) -> OnPremisesLink {
    OnPremisesLink { id: id.into(), a: a.into(), b: b.into(), cost: 1, encrypted: false, tenant: None }
}

pub(crate) fn given(prefix: &str, next_hop: OnPremisesNextHop) -> OnPremisesRoute {
    OnPremisesRoute { prefix: net(prefix), next_hop, local_preference: 200, tenant: None }
}

pub(crate) fn by_circuit(circuit: &str, link: Option<LinkRole>) -> OnPremisesNextHop {
    OnPremisesNextHop::Circuit { circuit: circuit.into(), peering: PeeringType::AzurePrivatePeering, link }
}

/// The gateway `ergw` in `v`, linked to `c1`; the site `dc` 10.50.0.0/16 behind it.
pub(crate) fn er(builder: TopologyBuilder) -> TopologyBuilder {
    builder.with(er_gateway("ergw", "v")).with(circuit("c1")).with(er_connection("ergw", "c1")).with(site(
        "dc",
        &["10.50.0.0/16"],
        &["c1"],
    ))
}

/// A VPN connection `id` of the gateway `vpngw` to a site of the same name with `-site`, by BGP.
pub(crate) fn branch(builder: TopologyBuilder, id: &str, prefix: &str) -> TopologyBuilder {
    let name = format!("{id}-site");
    let local = LocalNetworkGateway {
        id: format!("{id}-lng").into(),
        site: Some(name.as_str().into()),
        ..LocalNetworkGateway::default()
    };
    let mut connection = Connection::new(id, ConnectionType::IPsec, "vpngw", format!("{id}-lng"));
    connection.enable_bgp = true;
    builder.with(site(&name, &[prefix], &[id])).with(local).with(connection)
}

pub(crate) fn build(builder: TopologyBuilder) -> Network {
    Network::build(&builder.build().unwrap()).unwrap()
}

pub(crate) fn ask(builder: TopologyBuilder, source: &str, destination: &str) -> Answer {
    build(builder).resolve(source, ip(destination)).unwrap().into_answer()
}

/// What becomes of the packet, every end.
pub(crate) fn ends(answer: &Answer) -> Vec<String> {
    answer.dispositions().into_iter().map(ToString::to_string).collect()
}

#[track_caller]
pub(crate) fn assert_end(answer: &Answer, expected: &str) {
    assert_eq!(ends(answer), [expected], "{answer}");
}

fn step(place: &Place) -> String {
    match place {
        Place::Msee { circuit, link, .. } => format!("{circuit}:{}", link.as_str()),
        Place::InternetEdge => "edge".to_owned(),
        Place::Internet => "internet".to_owned(),
        Place::Service(name) => name.clone().unwrap_or_else(|| "service".to_owned()),
        place => place.id().unwrap().to_string(),
    }
}

pub(crate) fn way(path: &Path<'_>) -> String {
    path.hops().iter().map(|hop| step(&hop.place)).collect::<Vec<_>>().join(" > ")
}

/// Every way, sorted.
pub(crate) fn ways(answer: &Answer) -> Vec<String> {
    let mut ways: Vec<String> = answer.paths().map(|path| way(&path)).collect();
    ways.sort();
    ways
}

#[track_caller]
pub(crate) fn assert_way(answer: &Answer, expected: &str) {
    assert_eq!(ways(answer), [expected], "{answer}");
}

/// Whether a rule took part at some hop.
pub(crate) fn decided(answer: &Answer, rule: azroute::rule::Rule) -> bool {
    answer.hops().any(|hop| hop.decisions.iter().any(|decision| decision.rule == rule))
}
