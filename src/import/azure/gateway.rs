//! Gateways, connections and Route Servers.

use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::Value;

use super::super::WarningKind;
use super::super::read::{Body, Context, owner};
use crate::model::{
    Asn, BgpConnection, Connection, ConnectionType, GatewayType, HubRoutingPreference, LocalNetworkGateway,
    ResourceId, RouteServer, VirtualNetworkGateway, VpnType,
};

/// The subnet of each IP configuration, as the subnets themselves say: the only clue where the configuration was not
/// exported.
pub(super) fn configuration_subnets(context: &Context<'_>) -> HashMap<ResourceId, ResourceId> {
    let mut found = HashMap::new();
    for raw in context.store.raws.iter().filter(|raw| raw.kind == "virtualnetworks/subnets") {
        let listed = raw.body.get("ipconfigurations").and_then(Value::as_array);
        for id in listed.into_iter().flatten().filter_map(|c| c.get("id")?.as_str()) {
            let id = ResourceId::new(id);
            // Also by the resource that owns the configuration.
            if let Some(owner) = id.parent() {
                found.entry(owner).or_insert_with(|| raw.id.clone());
            }
            found.insert(id, raw.id.clone());
        }
    }
    found
}

pub(super) fn virtual_network_gateway(
    body: &Body<'_>,
    subnets: &HashMap<ResourceId, ResourceId>,
) -> Option<VirtualNetworkGateway> {
    let sku = body.inner("sku").and_then(|s| s.text("name"));
    let types = [
        ("Vpn", GatewayType::Vpn),
        ("ExpressRoute", GatewayType::ExpressRoute),
        ("LocalGateway", GatewayType::LocalGateway),
    ];
    let Some(gateway_type) = body.word("gatewayType", &types) else {
        body.warn(WarningKind::Missing, "gatewayType", "a gateway without type was left out");
        return None;
    };
    let mut gateway = VirtualNetworkGateway::new(body.id, ResourceId::default(), gateway_type);
    gateway.sku = sku;
    let mut subnet = None;
    for configuration in body.list("ipConfigurations") {
        gateway.public_ip_addresses.extend(configuration.id_in("publicIPAddress"));
        let known = || configuration.id_in("id").and_then(|id| subnets.get(&id).cloned());
        if subnet.is_none() {
            subnet = configuration.id_in("subnet").or_else(known);
        }
    }
    let vnet = subnet.as_ref().and_then(owner);
    match vnet {
        Some(vnet) => gateway.virtual_network = vnet,
        // A gateway of an extended zone names its network elsewhere.
        None => match body.id_in("vNetExtendedLocationResourceId") {
            Some(vnet) => gateway.virtual_network = vnet,
            None => {
                let reason = "its virtual network cannot be told: it gives no routes";
                body.warn(WarningKind::Missing, "ipConfigurations", reason);
            }
        },
    }
    if !gateway.virtual_network.is_empty() {
        body.refers("virtual_network", &gateway.virtual_network);
    }
    gateway.vpn_type = body
        .word("vpnType", &[("RouteBased", VpnType::RouteBased), ("PolicyBased", VpnType::PolicyBased)])
        .unwrap_or_default();
    gateway.active_active = body.flag("activeActive").or_else(|| body.flag("active")).unwrap_or(false);
    gateway.enable_bgp = body.flag("enableBgp").unwrap_or(false);
    bgp_settings(body, &mut gateway);
    gateway.gateway_default_site = body.reference("gatewayDefaultSite", "gateway_default_site");
    if let Some(clients) = body.inner("vpnClientConfiguration") {
        let pool = clients.inner("vpnClientAddressPool");
        gateway.vpn_client_address_pools = pool.map(|p| p.prefixes("addressPrefixes")).unwrap_or_default();
    }
    gateway.allow_remote_vnet_traffic = body.flag("allowRemoteVnetTraffic");
    gateway.allow_virtual_wan_traffic = body.flag("allowVirtualWanTraffic");
    if let Some(custom) = body.inner("customRoutes")
        && custom.has("addressPrefixes")
    {
        let reason = format!(
            "routes for point-to-site clients are not modelled: `{}`",
            custom.texts("addressPrefixes").join("`, `")
        );
        body.warn(WarningKind::NotModelled, "customRoutes.addressPrefixes", reason);
    }
    if body.text("adminState").is_some_and(|state| state.eq_ignore_ascii_case("Disabled")) {
        body.warn(
            WarningKind::NotModelled,
            "adminState",
            "a gateway that is switched off is taken as one that works",
        );
    }
    body.not_modelled(&["natRules", "enableBgpRouteTranslationForNat"]);
    Some(gateway)
}

/// The ASN and the instances' addresses.
pub(super) fn bgp_settings(body: &Body<'_>, gateway: &mut VirtualNetworkGateway) {
    if let Some(bgp) = body.inner("bgpSettings") {
        gateway.asn = bgp.asn("asn").filter(|asn| asn.0 != 0).unwrap_or(Asn::AZURE_GATEWAY);
        let addresses = bgp.list("bgpPeeringAddresses");
        let defaults: Vec<IpAddr> =
            addresses.iter().flat_map(|a| a.addresses("defaultBgpIpAddresses")).collect();
        // Old API versions have only the joined text.
        gateway.bgp_peering_addresses =
            if defaults.is_empty() { bgp.addresses("bgpPeeringAddress") } else { defaults };
    }
}

pub(super) fn local_network_gateway(body: &Body<'_>) -> LocalNetworkGateway {
    let mut local = LocalNetworkGateway { id: body.id.clone(), ..LocalNetworkGateway::default() };
    if let Some(space) = body.inner("localNetworkAddressSpace") {
        local.address_prefixes = space.prefixes("addressPrefixes");
    }
    local.gateway_ip_address = body.address("gatewayIpAddress");
    if let Some(bgp) = body.inner("bgpSettings") {
        local.asn = bgp.asn("asn").filter(|asn| asn.0 != 0);
        local.bgp_peering_address = bgp.address("bgpPeeringAddress");
    }
    local
}

pub(super) fn connection(body: &Body<'_>) -> Option<Connection> {
    let types = [
        ("IPsec", ConnectionType::IPsec),
        ("Vnet2Vnet", ConnectionType::Vnet2Vnet),
        ("ExpressRoute", ConnectionType::ExpressRoute),
        ("VPNClient", ConnectionType::VpnClient),
    ];
    let Some(connection_type) = body.word("connectionType", &types) else {
        body.warn(WarningKind::Missing, "connectionType", "a connection without type was left out");
        return None;
    };
    let end = |field: &str, name| {
        body.reference(field, name).unwrap_or_else(|| {
            body.warn(WarningKind::Missing, field, "this end of the connection is not given");
            ResourceId::default()
        })
    };
    let gateway = end("virtualNetworkGateway1", "virtual_network_gateway");
    let peer = match connection_type {
        ConnectionType::Vnet2Vnet => end("virtualNetworkGateway2", "peer"),
        ConnectionType::ExpressRoute => end("peer", "peer"),
        ConnectionType::VpnClient => ResourceId::default(),
        _ => end("localNetworkGateway2", "peer"),
    };
    let mut connection = Connection::new(body.id, connection_type, gateway, peer);
    connection.enable_bgp = body.flag("enableBgp").unwrap_or(false);
    connection.routing_weight = body.number("routingWeight").unwrap_or(0);
    connection.express_route_gateway_bypass = body.flag("expressRouteGatewayBypass").unwrap_or(false);
    connection.use_local_azure_ip_address = body.flag("useLocalAzureIpAddress").unwrap_or(false);
    let states = [
        ("Connected", true),
        ("NotConnected", false),
        ("Connecting", true),
        ("Unknown", true),
        ("NotSet", true),
    ];
    connection.connected = body.word("connectionStatus", &states).unwrap_or(true);
    body.not_modelled(&["ingressNatRules", "egressNatRules", "trafficSelectorPolicies"]);
    Some(connection)
}

/// Whether a virtual hub is a Route Server (templates leave `kind` out).
pub(super) fn is_route_server(body: &Body<'_>) -> bool {
    let kind = body.get("kind").and_then(Value::as_str);
    if let Some(kind) = kind {
        return kind.eq_ignore_ascii_case("RouteServer");
    }
    let wan = body.has("virtualWan") || body.has("addressPrefix");
    let configured = body.context.sightings(body.id, "virtualhubs/ipconfigurations").next().is_some();
    !wan && (configured || body.get("sku").is_some_and(|s| s == "Standard"))
}

pub(super) fn preference(body: &Body<'_>) -> HubRoutingPreference {
    body.word(
        "hubRoutingPreference",
        &[
            ("ExpressRoute", HubRoutingPreference::ExpressRoute),
            ("VpnGateway", HubRoutingPreference::VpnGateway),
            ("ASPath", HubRoutingPreference::AsPath),
            ("None", HubRoutingPreference::ExpressRoute),
        ],
    )
    .unwrap_or_default()
}

pub(super) fn route_server(body: &Body<'_>, subnets: &HashMap<ResourceId, ResourceId>) -> RouteServer {
    let context = body.context;
    let own = context.sightings(body.id, "virtualhubs/ipconfigurations");
    let subnet = own
        .map(|raw| context.body(raw))
        .find_map(|c| c.id_in("subnet").or_else(|| subnets.get(c.id).cloned()))
        .or_else(|| subnets.get(body.id).cloned());
    let virtual_network = subnet.and_then(|s| owner(&s)).unwrap_or_default();
    if virtual_network.is_empty() {
        let reason =
            "its virtual network cannot be told: add the output of the subnets or of the IP configurations";
        body.warn(WarningKind::Missing, "ipConfigurations", reason);
    } else {
        body.refers("virtual_network", &virtual_network);
    }
    let bgp_connections = context.children(body.id, "virtualhubs/bgpconnections");
    RouteServer {
        id: body.id.clone(),
        virtual_network,
        virtual_router_ips: body.addresses("virtualRouterIps"),
        allow_branch_to_branch_traffic: body.flag("allowBranchToBranchTraffic").unwrap_or(false),
        hub_routing_preference: preference(body),
        bgp_connections: bgp_connections.iter().filter_map(bgp_connection).collect(),
        learned_routes: Vec::new(),
    }
}

fn bgp_connection(body: &Body<'_>) -> Option<BgpConnection> {
    let (Some(peer_ip), Some(peer_asn)) = (body.address("peerIp"), body.asn("peerAsn")) else {
        body.warn(WarningKind::Missing, "peerIp", "a peer without address or ASN was left out");
        return None;
    };
    Some(BgpConnection { name: body.name.to_owned(), peer_ip, peer_asn })
}
