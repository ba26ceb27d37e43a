//! Where gateway rows come from: the declared routes of gateways, sites, Route Servers and virtual hubs, and which of
//! them is taken for a prefix (sections 9, 11, 14 to 18 of the rules, as far as the model declares them).

use std::net::IpAddr;

use ipnet::IpNet;

use super::propagation::{customer_wins, passed_on, takes};
use super::{
    Row, connected_halves, find_subnet, find_vnet, host_prefix, is_default_route, reverse_half, same_region,
};
use crate::model::{
    Asn, CircuitSkuTier, Connection, ConnectionType, CrossTenantLinks, Document, EffectiveNextHopType, Era,
    ExpressRouteCircuit, GatewayType, HubRoutingPreference, HubVirtualNetworkConnection, Limits, LinkRole,
    PeeringType, ResourceId, RouteServer, VirtualHub, VirtualNetwork, VirtualNetworkGateway, VpnType,
};

/// What a gateway route was supplied by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GatewayKind {
    /// An ExpressRoute gateway.
    ExpressRoute,
    /// A VPN gateway.
    Vpn,
    /// An appliance, by way of a Route Server.
    RouteServer,
    /// The router of a virtual hub.
    VirtualHub,
}

/// One equal-cost member of a gateway row (SEL-11).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GatewayMember {
    /// What supplied it.
    pub kind: GatewayKind,
    /// The gateway, Route Server or hub.
    pub gateway: ResourceId,
    /// The connection, where one is known.
    pub connection: Option<ResourceId>,
    /// The appliance behind a Route Server route (ARS-2).
    pub next_hop: Option<IpAddr>,
}

/// The members that are taken for a prefix among the gateway routes offered to a subnet, sorted; empty where none
/// offers it (COEX-1, ER-8, ER-9, VPN-2, VPN-7, ARS-4, ARS-6). The filters of SEL-6 are not applied.
pub fn gateway_members(document: &Document, subnet: &ResourceId, prefix: &IpNet) -> Vec<GatewayMember> {
    let Some((vnet, _)) = find_subnet(document, subnet) else { return Vec::new() };
    let offer = offered(document, vnet);
    let found = offer.into_iter().find(|r| r.prefix == prefix.trunc());
    found.map_or_else(Vec::new, |r| r.members)
}

pub(super) struct OfferedRoute {
    pub(super) prefix: IpNet,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) members: Vec<GatewayMember>,
}

/// Whose gateways serve a network.
enum Domain<'a> {
    Nobody,
    /// The network itself, or a hub network by gateway transit.
    Network {
        home: &'a VirtualNetwork,
        transit: bool,
    },
    Hub {
        hub: &'a VirtualHub,
        connection: &'a HubVirtualNetworkConnection,
    },
}

/// A route as one speaker knows it.
struct Learned {
    prefix: IpNet,
    member: GatewayMember,
    addresses: Vec<IpAddr>,
    /// VPN-2.
    is_static: bool,
    /// ER-8.
    weight: u16,
    /// Length of the AS path.
    path: usize,
}

fn gateways_of<'a>(document: &'a Document, vnet: &VirtualNetwork) -> Vec<&'a VirtualNetworkGateway> {
    document
        .virtual_network_gateways
        .iter()
        .filter(|g| g.virtual_network == vnet.id && g.gateway_type != GatewayType::LocalGateway)
        .collect()
}

fn route_server_of<'a>(document: &'a Document, vnet: &VirtualNetwork) -> Option<&'a RouteServer> {
    document.route_servers.iter().find(|r| r.virtual_network == vnet.id)
}

fn is_basic_vpn(gateway: &VirtualNetworkGateway) -> bool {
    gateway.gateway_type == GatewayType::Vpn
        && gateway.sku.as_ref().is_some_and(|sku| sku.eq_ignore_ascii_case("Basic"))
}

/// Own gateways or Route Server; else those of a hub network (PEER-6, PEER-7); else the virtual hub (VWAN-2).
fn domain<'a>(document: &'a Document, vnet: &'a VirtualNetwork) -> Domain<'a> {
    if !gateways_of(document, vnet).is_empty() || route_server_of(document, vnet).is_some() {
        return Domain::Network { home: vnet, transit: false };
    }
    for half in connected_halves(document, vnet) {
        if !half.use_remote_gateways {
            continue;
        }
        let Some(remote) = find_vnet(document, &half.remote_virtual_network) else { continue };
        if !reverse_half(remote, vnet).is_some_and(|back| back.allow_gateway_transit) {
            continue;
        }
        // PEER-7: not over global peering before 2019.
        let global = !same_region(vnet.location.as_deref(), remote.location.as_deref());
        if global && !Era(document.as_of).global_gateway_transit() {
            continue;
        }
        // PEER-7: never through a Basic VPN gateway.
        let usable = gateways_of(document, remote).iter().any(|g| !is_basic_vpn(g));
        if usable || route_server_of(document, remote).is_some() {
            return Domain::Network { home: remote, transit: true };
        }
    }
    for hub in &document.virtual_hubs {
        for connection in &hub.virtual_network_connections {
            if connection.remote_virtual_network == vnet.id {
                return Domain::Hub { hub, connection };
            }
        }
    }
    Domain::Nobody
}

/// The network whose gateways a network uses; none for a virtual hub's.
pub(super) fn home<'a>(document: &'a Document, vnet: &'a VirtualNetwork) -> Option<&'a VirtualNetwork> {
    match domain(document, vnet) {
        Domain::Network { home, .. } => Some(home),
        Domain::Hub { .. } | Domain::Nobody => None,
    }
}

/// The networks that use the gateways of `home` (PEER-6).
fn transit_spokes<'a>(document: &'a Document, home: &VirtualNetwork) -> Vec<&'a VirtualNetwork> {
    document
        .virtual_networks
        .iter()
        .filter(|v| {
            matches!(domain(document, v), Domain::Network { home: other, transit: true } if other.id == home.id)
        })
        .collect()
}

/// What the gateways of a network tell others: its own space and that of its transit spokes (ER-6).
pub(super) fn advertised_space(document: &Document, home: &VirtualNetwork) -> Vec<IpNet> {
    let mut prefixes: Vec<IpNet> = home.address_space.iter().map(IpNet::trunc).collect();
    for spoke in transit_spokes(document, home) {
        prefixes.extend(spoke.address_space.iter().map(IpNet::trunc));
    }
    prefixes.sort();
    prefixes.dedup();
    prefixes
}

/// The network that a gateway stands in.
pub(super) fn home_of<'a>(
    document: &'a Document,
    gateway: &VirtualNetworkGateway,
) -> Option<&'a VirtualNetwork> {
    find_vnet(document, &gateway.virtual_network)
}

/// The hub's own prefix, a protected row of every spoke (VWAN-2).
pub(super) fn hub_prefix_row(document: &Document, vnet: &VirtualNetwork) -> Option<Row> {
    let Domain::Hub { hub, .. } = domain(document, vnet) else { return None };
    let prefix = hub.address_prefix?.trunc();
    // V6-4: a virtual WAN is IPv4 only.
    prefix.addr().is_ipv4().then(|| Row::system(prefix, EffectiveNextHopType::VNetPeering))
}

/// Every gateway route offered to a network, one per prefix, before the filters of the receiver.
pub(super) fn offered(document: &Document, vnet: &VirtualNetwork) -> Vec<OfferedRoute> {
    match domain(document, vnet) {
        Domain::Nobody => Vec::new(),
        Domain::Hub { hub, connection } => hub_routes(document, vnet, hub, connection),
        Domain::Network { home, transit } => {
            let server = route_server_of(document, home);
            let mut learned = Vec::new();
            for gateway in gateways_of(document, home) {
                if transit && is_basic_vpn(gateway) {
                    continue;
                }
                match gateway.gateway_type {
                    GatewayType::ExpressRoute => learned.extend(express_route(document, home, gateway)),
                    GatewayType::Vpn => learned.extend(vpn(document, gateway)),
                    _ => {}
                }
            }
            if let Some(server) = server {
                learned.extend(injected(document, server));
            }
            choose(learned, server)
        }
    }
}

/// Other connected networks' spaces and what the hub is declared to know (VWAN-2, VWAN-4).
fn hub_routes(
    document: &Document,
    vnet: &VirtualNetwork,
    hub: &VirtualHub,
    connection: &HubVirtualNetworkConnection,
) -> Vec<OfferedRoute> {
    // A network's space by its own connection, path length 0; what the hub is declared to know, by its AS path.
    let mut heard: Vec<(IpNet, usize, Vec<IpAddr>)> = Vec::new();
    for other in &hub.virtual_network_connections {
        if let Some(far) = find_vnet(document, &other.remote_virtual_network) {
            let printed = &hub.route_next_hop_addresses;
            heard.extend(far.address_space.iter().map(|p| (p.trunc(), 0, printed.clone())));
        }
    }
    for route in &hub.learned_routes {
        let printed = route.next_hop.map_or_else(|| hub.route_next_hop_addresses.clone(), |ip| vec![ip]);
        heard.push((route.prefix.trunc(), route.as_path.len(), printed));
    }
    // V6-4; VWAN-5: never what is equal to or inside the spoke's own space; VWAN-4.
    heard.retain(|(p, ..)| p.addr().is_ipv4());
    heard.retain(|(p, ..)| !vnet.address_space.iter().any(|own| own.contains(p)));
    if !connection.enable_internet_security {
        heard.retain(|(p, ..)| !is_default_route(p));
    }
    let mut prefixes: Vec<IpNet> = heard.iter().map(|(p, ..)| *p).collect();
    prefixes.sort();
    prefixes.dedup();
    let mut routes = Vec::new();
    for prefix in prefixes {
        // VWAN-6, as far as it is declared: the shorter path, then all of them.
        let here: Vec<_> = heard.iter().filter(|(p, ..)| *p == prefix).collect();
        let least = here.iter().map(|(_, path, _)| *path).min();
        let mut addresses: Vec<IpAddr> = here
            .iter()
            .filter(|(_, path, _)| Some(*path) == least)
            .flat_map(|(_, _, printed)| printed.iter().copied())
            .collect();
        addresses.sort();
        addresses.dedup();
        let members = vec![GatewayMember {
            kind: GatewayKind::VirtualHub,
            gateway: hub.id.clone(),
            connection: None,
            next_hop: None,
        }];
        routes.push(OfferedRoute { prefix, addresses, members });
    }
    routes
}

/// What a Route Server learned from appliances (ARS-2); IPv4 only (ARS-14), no loop (BGP-5), no number 0 (BGP-6), and
/// nothing of a peer that told more than 1,000 routes (ARS-12).
fn injected(document: &Document, server: &RouteServer) -> Vec<Learned> {
    let told = |peer: Option<IpAddr>| server.learned_routes.iter().filter(|r| r.next_hop == peer).count();
    let v4 = server.learned_routes.iter().filter(|r| {
        r.prefix.addr().is_ipv4()
            && !r.as_path.iter().any(|asn| *asn == Asn::AZURE_GATEWAY || asn.0 == 0)
            && (document.knobs.limits == Limits::LintOnly || told(r.next_hop) <= 1_000)
    });
    v4.map(|route| Learned {
        prefix: route.prefix.trunc(),
        member: GatewayMember {
            kind: GatewayKind::RouteServer,
            gateway: server.id.clone(),
            connection: None,
            next_hop: route.next_hop,
        },
        addresses: route.next_hop.into_iter().collect(),
        is_static: false,
        weight: 0,
        path: route.as_path.len(),
    })
    .collect()
}

// ---------------------------------------------------------------------------------------------------------------------
// ExpressRoute.

fn circuit_of<'a>(document: &'a Document, connection: &Connection) -> Option<&'a ExpressRouteCircuit> {
    document.express_route_circuits.iter().find(|c| c.id == connection.peer)
}

fn tenant(name: Option<&String>) -> String {
    name.map_or_else(String::new, |t| t.to_ascii_lowercase())
}

/// Whether an ExpressRoute connection carries routes: connected, its circuit's private peering enabled with a link up,
/// of the same tenant where links across tenants are refused (ISO-2), and within what may be told to it (ER-5).
pub(super) fn express_route_is_up(
    document: &Document,
    home: &VirtualNetwork,
    connection: &Connection,
) -> bool {
    if !connection.connected {
        return false;
    }
    if let Some(circuit) = circuit_of(document, connection) {
        if circuit.peering(PeeringType::AzurePrivatePeering).is_none() {
            return false;
        }
        if !circuit.primary.up && !circuit.secondary.up {
            return false;
        }
        let links =
            document.knobs.cross_tenant_links.unwrap_or_else(|| Era(document.as_of).cross_tenant_links());
        if links == CrossTenantLinks::Deny2016
            && tenant(circuit.tenant.as_ref()) != tenant(home.tenant.as_ref())
        {
            return false;
        }
    }
    if document.knobs.limits == Limits::Enforce {
        let mut told = advertised_space(document, home);
        if let Some(server) = route_server_of(document, home).filter(|s| s.allow_branch_to_branch_traffic) {
            told.extend(server.learned_routes.iter().map(|r| r.prefix.trunc()));
            told.sort();
            told.dedup();
        }
        let v4 = told.iter().filter(|p| p.addr().is_ipv4()).count();
        if v4 > 1000 || told.len() - v4 > 100 {
            return false;
        }
    }
    true
}

/// ER-4: what one session of one family takes before it drops.
fn session_limit(circuit: &ExpressRouteCircuit, v4: bool) -> usize {
    match (v4, circuit.sku_tier) {
        (false, _) => 100,
        (true, CircuitSkuTier::Premium) => 10_000,
        (true, _) => 4_000,
    }
}

/// What arrives over one link of a circuit's private peering, with its AS path, after sessions over their limit have
/// dropped (ER-4, FT-4, BGP-9).
fn session<'a>(
    document: &'a Document,
    circuit: &ExpressRouteCircuit,
    link: LinkRole,
) -> Vec<(IpNet, &'a [Asn])> {
    if circuit.peering(PeeringType::AzurePrivatePeering).is_none() || !circuit.link(link).up {
        return Vec::new();
    }
    let mut heard: Vec<(IpNet, &[Asn])> = Vec::new();
    for site in &document.on_premises_sites {
        for advertisement in &site.advertisements {
            let here = advertisement.over == circuit.id
                && advertisement.peering == PeeringType::AzurePrivatePeering
                && advertisement.link.is_none_or(|l| l == link);
            if here {
                // BGP-5.
                if advertisement.as_path.contains(&Asn::MICROSOFT_EDGE) {
                    continue;
                }
                let path = advertisement.as_path.as_slice();
                heard.extend(advertisement.prefixes.iter().map(|p| (p.trunc(), path)));
            }
        }
    }
    if document.knobs.limits == Limits::Enforce {
        for v4 in [true, false] {
            let mut prefixes: Vec<IpNet> =
                heard.iter().map(|(p, _)| *p).filter(|p| p.addr().is_ipv4() == v4).collect();
            prefixes.sort();
            prefixes.dedup();
            if prefixes.len() > session_limit(circuit, v4) {
                heard.retain(|(p, _)| p.addr().is_ipv4() != v4);
            }
        }
    }
    heard
}

/// The length of a path that came over Microsoft's edge, which adds its own number.
fn over_the_edge(path: &[Asn]) -> usize {
    path.len() + usize::from(path.first() != Some(&Asn::MICROSOFT_EDGE))
}

/// ER-12: whether a gateway takes traffic of other networks on its circuits.
fn takes_remote_vnets(document: &Document, gateway: &VirtualNetworkGateway) -> bool {
    gateway.allow_remote_vnet_traffic.unwrap_or_else(|| Era(document.as_of).vnet_to_vnet_over_circuit())
}

fn express_route(
    document: &Document,
    home: &VirtualNetwork,
    gateway: &VirtualNetworkGateway,
) -> Vec<Learned> {
    let mut learned = Vec::new();
    let entry = |prefix: IpNet, connection: Option<&Connection>, path: usize| Learned {
        prefix: prefix.trunc(),
        member: GatewayMember {
            kind: GatewayKind::ExpressRoute,
            gateway: gateway.id.clone(),
            connection: connection.map(|c| c.id.clone()),
            next_hop: None,
        },
        // VOC-13: an address inside Microsoft's network, printed only where it is known.
        addresses: gateway.route_next_hop_addresses.clone(),
        is_static: false,
        weight: connection.map_or(0, |c| c.routing_weight),
        path,
    };
    for route in &gateway.learned_routes {
        let over = route.connection.as_ref().and_then(|id| document.connections.iter().find(|c| c.id == *id));
        // BGP-5.
        let looped = route.as_path.contains(&gateway.asn);
        if !looped && over.is_none_or(|c| express_route_is_up(document, home, c)) {
            learned.push(entry(route.prefix, over, over_the_edge(&route.as_path)));
        }
    }
    for connection in connections_of(document, gateway, ConnectionType::ExpressRoute) {
        if !express_route_is_up(document, home, connection) {
            continue;
        }
        let Some(circuit) = circuit_of(document, connection) else { continue };
        for link in LinkRole::BOTH {
            for (prefix, path) in session(document, circuit, link) {
                // BGP-5, at the gateway; and what the edge passes on.
                if !path.contains(&gateway.asn) && customer_wins(document, circuit, link, &prefix, path.len())
                {
                    learned.push(entry(prefix, Some(connection), over_the_edge(path)));
                }
            }
        }
        // ER-12: the spaces of other networks on the circuit, where both gateways allow it. The edge puts its own number
        // in place of the far gateway's, which would be a loop (BGP-5), and once more in front.
        for other in &document.connections {
            let far =
                document.virtual_network_gateways.iter().find(|g| g.id == other.virtual_network_gateway);
            let Some(far) = far else { continue };
            let Some(far_home) = find_vnet(document, &far.virtual_network) else { continue };
            let joined = other.connection_type == ConnectionType::ExpressRoute
                && other.peer == circuit.id
                && far.gateway_type == GatewayType::ExpressRoute
                && far.id != gateway.id
                && far_home.id != home.id
                && express_route_is_up(document, far_home, other)
                && takes_remote_vnets(document, gateway)
                && takes_remote_vnets(document, far);
            if joined {
                for prefix in advertised_space(document, far_home) {
                    learned.push(entry(prefix, Some(connection), 2));
                }
            }
        }
    }
    learned
}

pub(super) fn connections_of<'a>(
    document: &'a Document,
    gateway: &VirtualNetworkGateway,
    connection_type: ConnectionType,
) -> Vec<&'a Connection> {
    document
        .connections
        .iter()
        .filter(|c| c.connection_type == connection_type && c.virtual_network_gateway == gateway.id)
        .collect()
}

// ---------------------------------------------------------------------------------------------------------------------
// VPN.

/// VOC-13: stated; else the instances' addresses when active-active; else the public address.
fn vpn_addresses(document: &Document, gateway: &VirtualNetworkGateway) -> Vec<IpAddr> {
    if !gateway.route_next_hop_addresses.is_empty() {
        return gateway.route_next_hop_addresses.clone();
    }
    if gateway.active_active {
        return gateway.bgp_peering_addresses.clone();
    }
    let public = document.public_ip_addresses.iter();
    public.filter(|p| gateway.public_ip_addresses.contains(&p.id)).filter_map(|p| p.ip_address).collect()
}

/// VPN-1: BGP runs where the connection says so, on route-based gateways that are not Basic.
pub(super) fn speaks_bgp(gateway: &VirtualNetworkGateway, connection: &Connection) -> bool {
    connection.enable_bgp && gateway.vpn_type == VpnType::RouteBased && !is_basic_vpn(gateway)
}

fn vpn(document: &Document, gateway: &VirtualNetworkGateway) -> Vec<Learned> {
    let mut learned = Vec::new();
    let entry = |prefix: IpNet, connection: Option<&Connection>, is_static: bool, path: usize| Learned {
        prefix: prefix.trunc(),
        member: GatewayMember {
            kind: GatewayKind::Vpn,
            gateway: gateway.id.clone(),
            connection: connection.map(|c| c.id.clone()),
            next_hop: None,
        },
        addresses: vpn_addresses(document, gateway),
        is_static,
        // VPN-7: weight is ExpressRoute's.
        weight: 0,
        path,
    };
    for route in &gateway.learned_routes {
        let over = route.connection.as_ref().and_then(|id| document.connections.iter().find(|c| c.id == *id));
        // BGP-5.
        if over.is_none_or(|c| c.connected) && !route.as_path.contains(&gateway.asn) {
            learned.push(entry(route.prefix, over, false, route.as_path.len()));
        }
    }
    // VPN-14.
    for pool in &gateway.vpn_client_address_pools {
        learned.push(entry(*pool, None, true, 0));
    }
    for connection in connections_of(document, gateway, ConnectionType::IPsec) {
        let local = document.local_network_gateways.iter().find(|l| l.id == connection.peer);
        let Some(local) = local.filter(|_| connection.connected) else { continue };
        for prefix in &local.address_prefixes {
            learned.push(entry(*prefix, Some(connection), true, 0));
        }
        if !speaks_bgp(gateway, connection) {
            continue;
        }
        // GWR-3.
        if let Some(peer) = local.bgp_peering_address {
            learned.push(entry(host_prefix(peer), Some(connection), true, 0));
        }
        let mut heard: Vec<(IpNet, usize)> = Vec::new();
        for site in &document.on_premises_sites {
            for advertisement in &site.advertisements {
                let looped = advertisement.as_path.contains(&gateway.asn);
                if !looped && (advertisement.over == connection.id || advertisement.over == local.id) {
                    let path = advertisement.as_path.len();
                    let v4 = advertisement.prefixes.iter().filter(|p| p.addr().is_ipv4());
                    heard.extend(v4.map(|p| (p.trunc(), path)));
                }
            }
        }
        // VPN-4.
        let mut distinct: Vec<IpNet> = heard.iter().map(|(p, _)| *p).collect();
        distinct.sort();
        distinct.dedup();
        if distinct.len() > 4_000 && document.knobs.limits == Limits::Enforce {
            continue;
        }
        for (prefix, path) in heard {
            if takes(document, gateway, &prefix) {
                learned.push(entry(prefix, Some(connection), false, path));
            }
        }
    }
    // FT-3. Choice: the default site stands while not every connection to it is down.
    if let Some(site) = &gateway.gateway_default_site {
        let mut tunnels = connections_of(document, gateway, ConnectionType::IPsec);
        tunnels.retain(|c| c.peer == *site);
        let up = tunnels.iter().find(|c| c.connected).copied();
        if tunnels.is_empty() || up.is_some() {
            learned.push(entry(IpNet::V4(ipnet::Ipv4Net::default()), up, true, 0));
        }
    }
    // VNet to VNet: the far space with or without BGP, the far instances' addresses with it.
    for connection in connections_of(document, gateway, ConnectionType::Vnet2Vnet) {
        let far = document.virtual_network_gateways.iter().find(|g| g.id == connection.peer);
        let Some(far) = far.filter(|_| connection.connected) else { continue };
        // Each direction is a connection of its own; BGP runs where both ends run it.
        let back: Vec<&Connection> = document
            .connections
            .iter()
            .filter(|c| c.connected && c.virtual_network_gateway == far.id && c.peer == gateway.id)
            .collect();
        if back.is_empty() {
            continue;
        }
        let bgp = speaks_bgp(gateway, connection) && back.iter().any(|c| speaks_bgp(far, c));
        if let Some(far_home) = find_vnet(document, &far.virtual_network) {
            // PEER-7: a Basic gateway speaks for its own network alone.
            let space = if is_basic_vpn(far) {
                far_home.address_space.iter().map(IpNet::trunc).collect()
            } else {
                advertised_space(document, far_home)
            };
            for prefix in space {
                learned.push(entry(prefix, Some(connection), !bgp, usize::from(bgp)));
            }
        }
        if bgp {
            for address in &far.bgp_peering_addresses {
                learned.push(entry(host_prefix(*address), Some(connection), true, 0));
            }
        }
    }
    for (connection, route) in passed_on(document, gateway) {
        let connection = document.connections.get(connection);
        learned.push(entry(route.prefix, connection, false, route.path.len()));
    }
    // V6-4, VPN-13.
    learned.retain(|l| l.prefix.addr().is_ipv4());
    learned
}

// ---------------------------------------------------------------------------------------------------------------------
// The choice for one prefix.

/// Among all routes of each prefix, the members taken (SEL-11).
fn choose(learned: Vec<Learned>, server: Option<&RouteServer>) -> Vec<OfferedRoute> {
    let mut prefixes: Vec<IpNet> = learned.iter().map(|l| l.prefix).collect();
    prefixes.sort();
    prefixes.dedup();
    let mut routes = Vec::with_capacity(prefixes.len());
    for prefix in prefixes {
        let of = |kind: GatewayKind| -> Vec<&Learned> {
            learned.iter().filter(|l| l.prefix == prefix && l.member.kind == kind).collect()
        };
        let er = best_express_route(of(GatewayKind::ExpressRoute), server.is_some());
        let vpn = best_vpn(of(GatewayKind::Vpn));
        let nva = shortest(of(GatewayKind::RouteServer));
        let preference = server.map_or(HubRoutingPreference::ExpressRoute, |s| s.hub_routing_preference);
        let taken = match preference {
            // ARS-6, ARS-7, COEX-1. Choice: between VPN and appliance the path decides here too, and a tie keeps both.
            HubRoutingPreference::ExpressRoute if !er.is_empty() => er,
            HubRoutingPreference::VpnGateway if vpn.is_empty() && nva.is_empty() => er,
            HubRoutingPreference::ExpressRoute | HubRoutingPreference::VpnGateway => {
                shortest([vpn, nva].concat())
            }
            // ARS-6: the shortest path whatever the kind. Choice: at equal length ExpressRoute first, as everywhere.
            _ => {
                let all = shortest([er, vpn, nva].concat());
                let only_er: Vec<&Learned> =
                    all.iter().filter(|l| l.member.kind == GatewayKind::ExpressRoute).copied().collect();
                if only_er.is_empty() { all } else { only_er }
            }
        };
        let mut addresses: Vec<IpAddr> = taken.iter().flat_map(|l| l.addresses.iter().copied()).collect();
        addresses.sort();
        addresses.dedup();
        let mut members: Vec<GatewayMember> = taken.iter().map(|l| l.member.clone()).collect();
        members.sort();
        members.dedup();
        routes.push(OfferedRoute { prefix, addresses, members });
    }
    routes
}

fn shortest(routes: Vec<&Learned>) -> Vec<&Learned> {
    let least = routes.iter().map(|l| l.path).min();
    routes.into_iter().filter(|l| Some(l.path) == least).collect()
}

/// ER-8: weight, then AS path, then all of them; with a Route Server one connection carries all (ER-9).
fn best_express_route(routes: Vec<&Learned>, with_route_server: bool) -> Vec<&Learned> {
    let heaviest = routes.iter().map(|l| l.weight).max();
    let mut best = shortest(routes.into_iter().filter(|l| Some(l.weight) == heaviest).collect());
    if with_route_server {
        let first = best.iter().map(|l| l.member.connection.clone()).min();
        best.retain(|l| Some(&l.member.connection) == first.as_ref());
    }
    best
}

/// VPN-2: static before BGP; then the AS path (VPN-7), then all of them.
fn best_vpn(routes: Vec<&Learned>) -> Vec<&Learned> {
    let any_static = routes.iter().any(|l| l.is_static);
    shortest(routes.into_iter().filter(|l| l.is_static == any_static).collect())
}

// ---------------------------------------------------------------------------------------------------------------------
// The designated gateway.

/// What a user route to `VirtualNetworkGateway` meets (UDR-5, UDR-6, UDR-7).
pub(super) enum Designated<'a> {
    Nobody,
    Vpn(&'a VirtualNetworkGateway),
    Unsupported,
}

/// Route Server, else ExpressRoute, else VPN, of the network or of the hub network it uses; in a spoke of a virtual hub
/// the hub's router (UDR-5). Only a VPN gateway will do (UDR-6).
pub(super) fn designated<'a>(document: &'a Document, vnet: &'a VirtualNetwork) -> Designated<'a> {
    match domain(document, vnet) {
        Domain::Nobody => Designated::Nobody,
        Domain::Hub { .. } => Designated::Unsupported,
        Domain::Network { home, .. } => {
            let gateways = gateways_of(document, home);
            if route_server_of(document, home).is_some()
                || gateways.iter().any(|g| g.gateway_type == GatewayType::ExpressRoute)
            {
                return Designated::Unsupported;
            }
            match gateways.into_iter().find(|g| g.gateway_type == GatewayType::Vpn) {
                Some(gateway) => Designated::Vpn(gateway),
                None => Designated::Nobody,
            }
        }
    }
}

/// The addresses that a user route to the designated gateway prints.
pub(super) fn designated_addresses(document: &Document, vnet: &VirtualNetwork) -> Vec<IpAddr> {
    match designated(document, vnet) {
        Designated::Vpn(gateway) => vpn_addresses(document, gateway),
        Designated::Nobody | Designated::Unsupported => Vec::new(),
    }
}
