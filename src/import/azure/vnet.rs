//! Virtual networks, subnets, peerings, route tables.

use std::collections::{BTreeMap, HashMap};

use super::super::WarningKind;
use super::super::read::{Body, Context};
use crate::model::{
    AddressPrefix, PeeringState, PrivateEndpointNetworkPolicies, ResourceId, RouteNextHopType, RouteTable,
    ServiceEndpoint, Subnet, UserDefinedRoute, VirtualNetwork, VirtualNetworkPeering, parse_prefix,
};

/// What resources say of the subnets they are bound to, where the subnet itself does not.
pub(super) struct BackReferences {
    route_tables: HashMap<ResourceId, ResourceId>,
    nat_gateways: HashMap<ResourceId, ResourceId>,
    security_groups: HashMap<ResourceId, ResourceId>,
}

impl BackReferences {
    pub(super) fn new(context: &Context<'_>) -> Self {
        let read = |kind: &str| {
            let mut found = HashMap::new();
            for raw in context.store.raws.iter().filter(|raw| raw.kind == kind) {
                let body = context.body(raw);
                if !body.has("subnets") {
                    continue;
                }
                for subnet in body.ids_in("subnets") {
                    found.entry(subnet).or_insert_with(|| raw.id.clone());
                }
            }
            found
        };
        Self {
            route_tables: read("routetables"),
            nat_gateways: read("natgateways"),
            security_groups: read("networksecuritygroups"),
        }
    }
}

pub(super) fn virtual_network(body: &Body<'_>, back: &BackReferences) -> VirtualNetwork {
    let context = body.context;
    let space = body.inner("addressSpace");
    let communities = body.inner("bgpCommunities");
    if let Some(encryption) = body.inner("encryption")
        && encryption.flag("enabled") == Some(true)
        && encryption.text("enforcement").is_some_and(|e| e.eq_ignore_ascii_case("DropUnencrypted"))
    {
        let reason = "dropping what is not encrypted is not modelled";
        encryption.warn(WarningKind::NotModelled, "enforcement", reason);
    }
    VirtualNetwork {
        location: body.text("location"),
        address_space: space.map(|s| s.prefixes("addressPrefixes")).unwrap_or_default(),
        subnets: context
            .children(body.id, "virtualnetworks/subnets")
            .iter()
            .map(|s| subnet(s, back))
            .collect(),
        peerings: context
            .children(body.id, "virtualnetworks/virtualnetworkpeerings")
            .iter()
            .filter_map(peering)
            .collect(),
        bgp_community: communities.as_ref().and_then(|c| c.text("virtualNetworkCommunity")),
        regional_bgp_community: communities.as_ref().and_then(|c| c.text("regionalCommunity")),
        tags: tags(body),
        ..VirtualNetwork::new(body.id, [])
    }
}

/// Tags stand beside the properties; a value that is no text is left out.
fn tags(body: &Body<'_>) -> BTreeMap<String, String> {
    let tags = body.get("tags").and_then(|tags| tags.as_object());
    let text =
        |(name, value): (&String, &serde_json::Value)| Some((name.clone(), value.as_str()?.to_owned()));
    tags.into_iter().flatten().filter_map(text).collect()
}

fn subnet(body: &Body<'_>, back: &BackReferences) -> Subnet {
    // Dual-stack subnets list their prefixes; some bodies hold both forms.
    let mut address_prefixes = body.prefixes("addressPrefixes");
    if address_prefixes.is_empty() {
        address_prefixes = body.prefixes("addressPrefix");
    }
    let bound = |field, name, other: &HashMap<ResourceId, ResourceId>| {
        body.reference(field, name).or_else(|| other.get(body.id).cloned())
    };
    let endpoints = body.list("serviceEndpoints");
    Subnet {
        name: body.name.to_owned(),
        address_prefixes,
        route_table: bound("routeTable", "route_table", &back.route_tables),
        network_security_group: bound(
            "networkSecurityGroup",
            "network_security_group",
            &back.security_groups,
        ),
        nat_gateway: bound("natGateway", "nat_gateway", &back.nat_gateways),
        service_endpoints: endpoints
            .iter()
            .filter_map(|e| {
                let service = e.text("service")?;
                Some(ServiceEndpoint { locations: e.texts("locations"), ..ServiceEndpoint::new(service) })
            })
            .collect(),
        private_endpoint_network_policies: {
            use PrivateEndpointNetworkPolicies as Policies;
            body.word(
                "privateEndpointNetworkPolicies",
                &[
                    ("Disabled", Policies::Disabled),
                    ("Enabled", Policies::Enabled),
                    ("NetworkSecurityGroupEnabled", Policies::NetworkSecurityGroupEnabled),
                    ("RouteTableEnabled", Policies::RouteTableEnabled),
                ],
            )
            .unwrap_or_default()
        },
        default_outbound_access: body.flag("defaultOutboundAccess"),
    }
}

fn peering(body: &Body<'_>) -> Option<VirtualNetworkPeering> {
    let Some(remote) = body.reference("remoteVirtualNetwork", "remote_virtual_network") else {
        body.warn(WarningKind::Missing, "remoteVirtualNetwork", "a peering with nothing was left out");
        return None;
    };
    let default = VirtualNetworkPeering::new(body.name, &remote);
    let flag = |field, default| body.flag(field).unwrap_or(default);
    Some(VirtualNetworkPeering {
        allow_virtual_network_access: flag("allowVirtualNetworkAccess", true),
        allow_forwarded_traffic: flag("allowForwardedTraffic", false),
        allow_gateway_transit: flag("allowGatewayTransit", false),
        use_remote_gateways: flag("useRemoteGateways", false),
        peering_state: body.word(
            "peeringState",
            &[
                ("Initiated", PeeringState::Initiated),
                ("Connected", PeeringState::Connected),
                ("Disconnected", PeeringState::Disconnected),
            ],
        ),
        // As last synced: this, and not the space that the far network has now, is routed.
        remote_address_space: body
            .inner("remoteAddressSpace")
            .map(|s| s.prefixes("addressPrefixes"))
            .unwrap_or_default(),
        peer_complete_vnets: flag("peerCompleteVnets", true),
        local_subnet_names: body.texts("localSubnetNames"),
        remote_subnet_names: body.texts("remoteSubnetNames"),
        enable_only_ipv6_peering: flag("enableOnlyIPv6Peering", false),
        ..default
    })
}

pub(super) fn route_table(body: &Body<'_>) -> RouteTable {
    let mut table = RouteTable::new(body.id);
    table.disable_bgp_route_propagation = body.flag("disableBgpRoutePropagation").unwrap_or(false);
    table.disable_peering_route =
        body.word("disablePeeringRoute", &[("None", false), ("All", true)]).unwrap_or(false);
    let routes = body.context.children(body.id, "routetables/routes");
    table.routes = routes.iter().filter_map(route).collect();
    table
}

fn route(body: &Body<'_>) -> Option<UserDefinedRoute> {
    // A route that cannot be told apart from another one is worse than none: it is left out, and said so.
    let left_out = |field: &str| {
        body.warn(WarningKind::Missing, field, "the route was left out");
    };
    let Some(text) = body.texts("addressPrefix").into_iter().next() else {
        left_out("addressPrefix");
        return None;
    };
    let looks_like_prefix =
        text.contains('/') || text.contains(':') || text.starts_with(|c: char| c.is_ascii_digit());
    let prefix = match (parse_prefix(&text), looks_like_prefix) {
        (None, false) => AddressPrefix::ServiceTag(text),
        _ => match body.prefix_of("addressPrefix", &text) {
            Some(prefix) => AddressPrefix::Cidr(prefix),
            None => {
                left_out("addressPrefix");
                return None;
            }
        },
    };
    let Some(word) = body.text("nextHopType") else {
        left_out("nextHopType");
        return None;
    };
    let Ok(next_hop_type) = word.parse::<RouteNextHopType>() else {
        body.warn(
            WarningKind::UnknownValue,
            "nextHopType",
            format!("`{word}` is no next hop type of a user-defined route: the route was left out"),
        );
        return None;
    };
    body.not_modelled(&["hasBgpOverride"]);
    let mut route = UserDefinedRoute::new(body.name, prefix, next_hop_type);
    if next_hop_type.is_appliance() {
        route.next_hop_ip_addresses = body.addresses("nextHopIpAddress");
        if let Some(hops) = body.inner("nextHop") {
            route.next_hop_ip_addresses.extend(hops.addresses("nextHopIpAddresses"));
        }
        if route.next_hop_ip_addresses.is_empty() {
            left_out("nextHopIpAddress");
            return None;
        }
    } else if body.has("nextHopIpAddress") {
        let reason = format!("a next hop address with `{next_hop_type}` has no meaning and was left out");
        body.warn(WarningKind::InvalidValue, "nextHopIpAddress", reason);
    }
    Some(route)
}
