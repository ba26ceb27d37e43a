//! The effective routes of a virtual hub, in the terms of `az network vhub get-effective-routes`.

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::control_plane::{ControlPlane, HubKind, HubMember, HubWay};
use crate::model::{Asn, Entity, ResourceId, Topology, VirtualHub};

/// A route of a table of a virtual hub. Equal-cost ways that print alike are one route with several next hops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HubEffectiveRoute {
    /// `addressPrefixes`, of which there is one.
    pub address_prefixes: Vec<IpNet>,
    /// `asPath`, newest first.
    pub as_path: Vec<Asn>,
    /// `nextHopType`.
    pub next_hop_type: HubNextHopType,
    /// `nextHops`: connections, gateways, hubs, firewalls.
    pub next_hops: Vec<ResourceId>,
    /// `routeOrigin`: the resource that brought it in.
    pub route_origin: ResourceId,
}

/// `nextHopType`, in the words that Azure prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum HubNextHopType {
    /// A connected virtual network.
    #[serde(rename = "Virtual Network Connection")]
    VirtualNetworkConnection,
    /// A circuit.
    ExpressRouteGateway,
    /// A VPN site.
    #[serde(rename = "VPN_S2S_Gateway")]
    VpnS2sGateway,
    /// Another hub of the virtual WAN.
    #[serde(rename = "Remote Hub")]
    RemoteHub,
    /// An appliance that peers with the hub.
    HubBgpConnection,
    /// The firewall in the hub.
    #[serde(rename = "Azure Firewall")]
    AzureFirewall,
    /// Another resource, or an address, of a static route.
    #[serde(rename = "ResourceId")]
    Resource,
}

impl HubNextHopType {
    /// The words that Azure prints.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VirtualNetworkConnection => "Virtual Network Connection",
            Self::ExpressRouteGateway => "ExpressRouteGateway",
            Self::VpnS2sGateway => "VPN_S2S_Gateway",
            Self::RemoteHub => "Remote Hub",
            Self::HubBgpConnection => "HubBgpConnection",
            Self::AzureFirewall => "Azure Firewall",
            Self::Resource => "ResourceId",
        }
    }
}

impl fmt::Display for HubNextHopType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for HubEffectiveRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefixes: Vec<String> = self.address_prefixes.iter().map(ToString::to_string).collect();
        write!(f, "{} {}", prefixes.join(","), self.next_hop_type)?;
        if !self.as_path.is_empty() {
            let path: Vec<String> = self.as_path.iter().map(|asn| asn.0.to_string()).collect();
            write!(f, " {}", path.join("-"))?;
        }
        Ok(())
    }
}

/// The routes of a table, by prefix; `None` where the hub has no such table.
pub(crate) fn hub_effective_routes(
    topology: &Topology,
    plane: &ControlPlane,
    hub: usize,
    table: &str,
) -> Option<Vec<HubEffectiveRoute>> {
    let declared = &topology.document().virtual_hubs[hub];
    let routes = &plane.hubs.get(hub)?.tables;
    let (name, table) = routes.iter().find(|(name, _)| name.eq_ignore_ascii_case(table))?;
    let mut found: Vec<HubEffectiveRoute> = Vec::new();
    for row in &table.rows {
        for member in &row.members {
            let (next_hop_type, next_hop, mut origin) = printed(topology, declared, member);
            if member.kind == HubKind::Static {
                origin = declared.route_table_id(name);
            }
            let alike = found.iter_mut().rev().take_while(|r| r.address_prefixes == [row.prefix]).find(|r| {
                r.next_hop_type == next_hop_type && r.as_path == member.as_path && r.route_origin == origin
            });
            match alike {
                Some(known) if known.next_hops.contains(&next_hop) => {}
                Some(known) => known.next_hops.push(next_hop),
                None => found.push(HubEffectiveRoute {
                    address_prefixes: vec![row.prefix],
                    as_path: member.as_path.clone(),
                    next_hop_type,
                    next_hops: vec![next_hop],
                    route_origin: origin,
                }),
            }
        }
    }
    found.sort();
    Some(found)
}

/// How a way prints: the type, the next hop, and the origin.
fn printed(
    topology: &Topology,
    hub: &VirtualHub,
    member: &HubMember,
) -> (HubNextHopType, ResourceId, ResourceId) {
    let document = topology.document();
    let gateway = |c: &usize| document.connections[*c].virtual_network_gateway.clone();
    match &member.way {
        HubWay::Connection(c) | HubWay::Behind { connection: c, .. } => {
            let id = hub.connection_id(&hub.virtual_network_connections[*c].name);
            (HubNextHopType::VirtualNetworkConnection, id.clone(), id)
        }
        HubWay::Appliance { peer, .. } => {
            let id = hub.bgp_connection_id(&hub.bgp_connections[*peer].name);
            (HubNextHopType::HubBgpConnection, id.clone(), id)
        }
        HubWay::Circuit { connection, .. } => {
            (HubNextHopType::ExpressRouteGateway, gateway(connection), gateway(connection))
        }
        HubWay::Vpn { connection } => {
            (HubNextHopType::VpnS2sGateway, gateway(connection), gateway(connection))
        }
        HubWay::Hub(other) => {
            let id = document.virtual_hubs[*other].id.clone();
            (HubNextHopType::RemoteHub, id.clone(), id)
        }
        HubWay::Firewall(id) => {
            let kind = match topology.entity(id) {
                Some(Entity::Firewall(_)) => HubNextHopType::AzureFirewall,
                _ => HubNextHopType::Resource,
            };
            (kind, id.clone(), id.clone())
        }
        HubWay::Unknown(id) => (HubNextHopType::Resource, id.clone(), id.clone()),
    }
}
