//! Virtual hubs with their tables, intent, gateways and branches.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::super::WarningKind;
use super::super::read::{Body, owner};
use super::gateway::{bgp_settings, preference};
use crate::model::{
    Asn, Connection, ConnectionType, GatewayType, HubBgpConnection, HubNextHop, HubRoute, HubRouteTable,
    HubVirtualNetworkConnection, LocalNetworkGateway, NetworkVirtualAppliance, Propagation, ResourceId,
    RoutingIntent, StaticVnetRoute, VirtualHub, VirtualNetworkGateway, VnetLocalRouteOverride,
};

pub(super) fn virtual_hub(body: &Body<'_>) -> VirtualHub {
    let context = body.context;
    let mut hub = VirtualHub {
        address_prefix: body.prefix("addressPrefix"),
        location: body.text("location"),
        virtual_wan: body.id_in("virtualWan"),
        hub_routing_preference: preference(body),
        ..VirtualHub::new(body.id.clone())
    };
    for connection in context.children(body.id, "virtualhubs/hubvirtualnetworkconnections") {
        hub.virtual_network_connections.extend(hub_connection(&connection));
    }
    for peer in context.children(body.id, "virtualhubs/bgpconnections") {
        hub.bgp_connections.extend(bgp_connection(&peer));
    }
    for intent in context.children(body.id, "virtualhubs/routingintent") {
        if hub.routing_intent.is_some() {
            intent.warn(WarningKind::InvalidValue, "", "a hub has one routing intent: left out");
        } else {
            hub.routing_intent = routing_intent(&intent);
        }
    }
    for table in context.children(body.id, "virtualhubs/hubroutetables") {
        let table = route_table(&table, hub.routing_intent.as_mut());
        hub.route_tables.extend(table);
    }
    old_routes(body, &mut hub);
    body.not_modelled(&["virtualHubRouteTableV2s", "routeMaps"]);
    hub
}

fn hub_connection(body: &Body<'_>) -> Option<HubVirtualNetworkConnection> {
    let Some(remote) = body.reference("remoteVirtualNetwork", "remote_virtual_network") else {
        body.warn(WarningKind::Missing, "remoteVirtualNetwork", "the connection was left out");
        return None;
    };
    let mut connection = HubVirtualNetworkConnection {
        // Left out in ARM means off. On is what `az network vhub connection create` and a document of ours take where
        // nothing is said: a default of theirs, not of the API.
        enable_internet_security: body.flag("enableInternetSecurity").unwrap_or(false),
        ..HubVirtualNetworkConnection::new(body.name, remote)
    };
    let Some(routing) = body.inner("routingConfiguration") else { return Some(connection) };
    connection.associated_route_table = associated(&routing);
    connection.propagation = propagation(&routing);
    if let Some(routes) = routing.inner("vnetRoutes") {
        for route in routes.list("staticRoutes") {
            connection.static_routes.extend(static_route(&route));
        }
        if let Some(how) = routes.inner("staticRoutesConfig") {
            connection.propagate_static_routes = how.flag("propagateStaticRoutes").unwrap_or(true);
            let words =
                [("Contains", VnetLocalRouteOverride::Contains), ("Equal", VnetLocalRouteOverride::Equal)];
            connection.vnet_local_route_override =
                how.word("vnetLocalRouteOverrideCriteria", &words).unwrap_or_default();
        }
    }
    routing.not_modelled(&["inboundRouteMap", "outboundRouteMap"]);
    Some(connection)
}

/// The associated table, unless it is the default one, which need not be named.
fn associated(routing: &Body<'_>) -> Option<ResourceId> {
    let table = routing.id_in("associatedRouteTable")?;
    (!table.name().eq_ignore_ascii_case(VirtualHub::DEFAULT_ROUTE_TABLE)).then_some(table)
}

fn propagation(routing: &Body<'_>) -> Propagation {
    let Some(body) = routing.inner("propagatedRouteTables") else { return Propagation::default() };
    let found = Propagation { route_tables: body.ids_in("ids"), labels: body.texts("labels") };
    // Azure always writes the default out, as the table, the label or both.
    let usual = found.route_tables.iter().all(|t| t.name().eq_ignore_ascii_case("defaultRouteTable"))
        && found.labels.iter().all(|l| l.eq_ignore_ascii_case("default"))
        && !found.labels.is_empty();
    if usual { Propagation::default() } else { found }
}

fn static_route(body: &Body<'_>) -> Option<StaticVnetRoute> {
    let address_prefixes = body.prefixes("addressPrefixes");
    let Some(next_hop_ip_address) = body.address("nextHopIpAddress").filter(|_| !address_prefixes.is_empty())
    else {
        let reason = "a static route without prefixes or next hop was left out";
        body.warn(WarningKind::Missing, "nextHopIpAddress", reason);
        return None;
    };
    Some(StaticVnetRoute { name: body.name.to_owned(), address_prefixes, next_hop_ip_address })
}

fn bgp_connection(body: &Body<'_>) -> Option<HubBgpConnection> {
    let (Some(peer_ip), Some(peer_asn)) = (body.address("peerIp"), body.asn("peerAsn")) else {
        body.warn(WarningKind::Missing, "peerIp", "a peer without address or ASN was left out");
        return None;
    };
    Some(HubBgpConnection {
        name: body.name.to_owned(),
        peer_ip,
        peer_asn,
        hub_virtual_network_connection: body.id_in("hubVirtualNetworkConnection"),
    })
}

fn routing_intent(body: &Body<'_>) -> Option<RoutingIntent> {
    let mut intent = RoutingIntent::default();
    for policy in body.list("routingPolicies") {
        let Some(next_hop) = policy.id_in("nextHop") else {
            policy.warn(WarningKind::Missing, "nextHop", "a policy without next hop was left out");
            continue;
        };
        for word in policy.texts("destinations") {
            match word.to_ascii_lowercase().as_str() {
                "internet" => intent.internet = Some(next_hop.clone()),
                "privatetraffic" => intent.private_traffic = Some(next_hop.clone()),
                _ => {
                    let reason = format!("`{word}` is no known destination: left out");
                    policy.warn(WarningKind::UnknownValue, "destinations", reason);
                }
            }
        }
    }
    if intent.internet.is_none() && intent.private_traffic.is_none() {
        body.warn(WarningKind::Missing, "routingPolicies", "an intent without policies was left out");
        return None;
    }
    Some(intent)
}

/// A table, without the routes by which Azure itself carries out the routing intent.
fn route_table(body: &Body<'_>, intent: Option<&mut RoutingIntent>) -> Option<HubRouteTable> {
    let mut table = HubRouteTable {
        name: body.name.to_owned(),
        labels: body.texts("labels"),
        routes: body.list("routes").iter().filter_map(route).collect(),
    };
    if table.name.eq_ignore_ascii_case(VirtualHub::DEFAULT_ROUTE_TABLE)
        && let Some(intent) = intent
    {
        table.routes.retain(|route| {
            let towards = |to: &Option<ResourceId>| {
                to.as_ref().is_some_and(|to| route.next_hop == HubNextHop::Resource(to.clone()))
            };
            // The portal keeps further private prefixes in a route of this name.
            if route.name.eq_ignore_ascii_case("private_traffic") && towards(&intent.private_traffic) {
                let own =
                    |p: &&IpNet| RoutingIntent::PRIVATE_PREFIXES.iter().all(|known| **p != IpNet::V4(*known));
                intent.additional_private_prefixes.extend(route.destinations.iter().filter(own));
                return false;
            }
            !(route.name.starts_with("_policy_")
                && (towards(&intent.private_traffic) || towards(&intent.internet)))
        });
        if table.routes.is_empty() {
            return None;
        }
    }
    Some(table)
}

fn route(body: &Body<'_>) -> Option<HubRoute> {
    if let Some(kind) = body.text("destinationType").filter(|kind| !kind.eq_ignore_ascii_case("CIDR")) {
        let reason = format!("destinations of the type `{kind}` are not modelled: the route was left out");
        body.warn(WarningKind::NotModelled, "destinationType", reason);
        return None;
    }
    let destinations = body.prefixes("destinations");
    let Some(next_hop) = body.text("nextHop").filter(|_| !destinations.is_empty()) else {
        body.warn(WarningKind::Missing, "nextHop", "a route without destinations or next hop was left out");
        return None;
    };
    let next_hop = match next_hop.parse::<IpAddr>() {
        Ok(address) => HubNextHop::IpAddress(address),
        Err(_) => HubNextHop::Resource(ResourceId::new(connection_name(&next_hop))),
    };
    Some(HubRoute { name: body.name.to_owned(), destinations, next_hop })
}

/// Connections have two older names in ids.
fn connection_name(id: &str) -> String {
    let lower = id.to_ascii_lowercase();
    for old in ["/virtualhubvnetconnections/", "/virtualnetworkconnections/"] {
        if let Some(at) = lower.find(old)
            && let (Some(before), Some(after)) = (id.get(..at), id.get(at + old.len()..))
        {
            return format!("{before}/hubVirtualNetworkConnections/{after}");
        }
    }
    id.to_owned()
}

/// `routeTable.routes` of older API versions: routes of the default table by address.
fn old_routes(body: &Body<'_>, hub: &mut VirtualHub) {
    let Some(old) = body.inner("routeTable") else { return };
    let is_default = |t: &HubRouteTable| t.name.eq_ignore_ascii_case(VirtualHub::DEFAULT_ROUTE_TABLE);
    let at = hub.route_tables.iter().position(is_default);
    let mut known: BTreeSet<IpNet> = at
        .and_then(|at| hub.route_tables.get(at))
        .iter()
        .flat_map(|t| &t.routes)
        .flat_map(|r| r.destinations.iter().copied())
        .collect();
    let mut routes = Vec::new();
    for (n, route) in old.list("routes").iter().enumerate() {
        let mut destinations = route.prefixes("addressPrefixes");
        destinations.retain(|prefix| known.insert(*prefix));
        if let Some(address) = route.address("nextHopIpAddress")
            && !destinations.is_empty()
        {
            let name = format!("routeTable-{n}");
            routes.push(HubRoute { name, destinations, next_hop: HubNextHop::IpAddress(address) });
        }
    }
    match at.and_then(|at| hub.route_tables.get_mut(at)) {
        Some(table) => table.routes.extend(routes),
        None if routes.is_empty() => {}
        None => hub.route_tables.push(HubRouteTable {
            name: VirtualHub::DEFAULT_ROUTE_TABLE.to_owned(),
            labels: Vec::new(),
            routes,
        }),
    }
}

/// Where the branches of each hub propagate to. Azure has it on every connection and keeps all of them alike (VWAN-1).
#[derive(Default)]
pub(super) struct Branches(Vec<(ResourceId, Propagation)>);

impl Branches {
    fn branch(&mut self, hub: &ResourceId, body: &Body<'_>) {
        let routing = body.inner("routingConfiguration");
        let found = routing.as_ref().map(propagation).unwrap_or_default();
        if let Some(routing) = routing {
            if associated(&routing).is_some() {
                let reason = "branches are associated with the default table (VWAN-1)";
                routing.warn(WarningKind::NotModelled, "associatedRouteTable", reason);
            }
            routing.not_modelled(&["inboundRouteMap", "outboundRouteMap"]);
        }
        match self.0.iter().find(|(known, _)| known == hub) {
            Some((_, first)) if *first != found => {
                let reason = "differs from another branch of the hub: all propagate as the first (VWAN-1)";
                body.warn(WarningKind::Conflict, "routingConfiguration.propagatedRouteTables", reason);
            }
            Some(_) => {}
            None => self.0.push((hub.clone(), found)),
        }
    }

    /// Hands each hub what its branches say.
    pub(super) fn settle(self, hubs: &mut [VirtualHub]) {
        for (id, found) in self.0 {
            if let Some(hub) = hubs.iter_mut().find(|hub| hub.id == id) {
                hub.branch_propagation = found;
            }
        }
    }
}

/// The hub that a gateway serves.
fn hub_of(body: &Body<'_>) -> ResourceId {
    body.reference("virtualHub", "virtual_network").unwrap_or_else(|| {
        body.warn(WarningKind::Missing, "virtualHub", "its hub cannot be told: it gives no routes");
        ResourceId::default()
    })
}

pub(super) fn express_route_gateway(
    body: &Body<'_>,
    branches: &mut Branches,
) -> (VirtualNetworkGateway, Vec<Connection>) {
    let hub = hub_of(body);
    let mut gateway = VirtualNetworkGateway::new(body.id, hub.clone(), GatewayType::ExpressRoute);
    gateway.allow_remote_vnet_traffic = body.flag("allowNonVirtualWanTraffic");
    let mut connections = Vec::new();
    for child in body.context.children(body.id, "expressroutegateways/expressrouteconnections") {
        let Some(circuit) = child.id_in("expressRouteCircuitPeering").and_then(|id| owner(&id)) else {
            child.warn(WarningKind::Missing, "expressRouteCircuitPeering", "the connection was left out");
            continue;
        };
        let mut connection =
            Connection::new(child.id, ConnectionType::ExpressRoute, body.id.clone(), circuit);
        connection.routing_weight = child.number("routingWeight").unwrap_or(0);
        connection.express_route_gateway_bypass = child.flag("expressRouteGatewayBypass").unwrap_or(false);
        connection.enable_internet_security = child.flag("enableInternetSecurity").unwrap_or(false);
        branches.branch(&hub, &child);
        connections.push(connection);
    }
    (gateway, connections)
}

pub(super) fn vpn_gateway(
    body: &Body<'_>,
    branches: &mut Branches,
) -> (VirtualNetworkGateway, Vec<Connection>) {
    let hub = hub_of(body);
    let mut gateway = VirtualNetworkGateway::new(body.id, hub.clone(), GatewayType::Vpn);
    // A hub's VPN gateway has two instances, both active, and speaks BGP with whom it is told to.
    gateway.active_active = true;
    gateway.enable_bgp = true;
    bgp_settings(body, &mut gateway);
    body.not_modelled(&["natRules", "enableBgpRouteTranslationForNat"]);
    let mut connections = Vec::new();
    for child in body.context.children(body.id, "vpngateways/vpnconnections") {
        let Some(site) = child.id_in("remoteVpnSite") else {
            child.warn(WarningKind::Missing, "remoteVpnSite", "the connection was left out");
            continue;
        };
        let before = connections.len();
        for link in child.list("vpnLinkConnections") {
            let Some(peer) = link.id_in("vpnSiteLink") else {
                link.warn(WarningKind::Missing, "vpnSiteLink", "the link was left out");
                continue;
            };
            let id = child.id.child("vpnLinkConnections", link.name);
            connections.push(site_connection(&link, id, body.id, peer));
        }
        // Older API versions have no links.
        if connections.len() == before && !child.has("vpnLinkConnections") {
            connections.push(site_connection(&child, child.id.clone(), body.id, site));
        }
        for connection in connections.iter_mut().skip(before) {
            connection.enable_internet_security = child.flag("enableInternetSecurity").unwrap_or(false);
        }
        branches.branch(&hub, &child);
    }
    (gateway, connections)
}

fn site_connection(body: &Body<'_>, id: ResourceId, gateway: &ResourceId, peer: ResourceId) -> Connection {
    let mut connection = Connection::new(id, ConnectionType::IPsec, gateway.clone(), peer);
    connection.enable_bgp = body.flag("enableBgp").unwrap_or(false);
    connection.use_local_azure_ip_address = body.flag("useLocalAzureIpAddress").unwrap_or(false);
    let states = [("Connected", true), ("NotConnected", false), ("Connecting", true), ("Unknown", true)];
    connection.connected = body.word("connectionStatus", &states).unwrap_or(true);
    body.not_modelled(&["ingressNatRules", "egressNatRules", "trafficSelectorPolicies"]);
    connection
}

/// A site as one local network gateway a link: each has an address and perhaps a BGP speaker of its own. A site without
/// links, as in older API versions, is one itself.
pub(super) fn vpn_site(body: &Body<'_>) -> Vec<LocalNetworkGateway> {
    let prefixes = body.inner("addressSpace").map(|space| space.prefixes("addressPrefixes"));
    let prefixes = prefixes.unwrap_or_default();
    let gateway = |id: ResourceId, body: &Body<'_>| {
        let bgp = body.inner("bgpProperties");
        LocalNetworkGateway {
            id,
            address_prefixes: prefixes.clone(),
            gateway_ip_address: body.address("ipAddress"),
            asn: bgp.as_ref().and_then(|bgp| bgp.asn("asn")).filter(|asn| *asn != Asn(0)),
            bgp_peering_address: bgp.as_ref().and_then(|bgp| bgp.address("bgpPeeringAddress")),
            site: None,
        }
    };
    let links = body.list("vpnSiteLinks");
    if links.is_empty() {
        return vec![gateway(body.id.clone(), body)];
    }
    links.iter().map(|link| gateway(body.id.child("vpnSiteLinks", link.name), link)).collect()
}

/// An appliance that Azure runs in a hub; others are not resources of Azure's.
pub(super) fn network_virtual_appliance(body: &Body<'_>) -> Option<NetworkVirtualAppliance> {
    let Some(hub) = body.reference("virtualHub", "virtual_hub") else {
        let reason = "an appliance outside a hub is told by its network interfaces: left out";
        body.warn(WarningKind::NotModelled, "", reason);
        return None;
    };
    let mut appliance = NetworkVirtualAppliance::new(body.id.clone(), []);
    appliance.virtual_hub = Some(hub);
    Some(appliance)
}
