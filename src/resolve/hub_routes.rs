//! The effective routes of a virtual hub, in the terms of `az network vhub get-effective-routes`.

use crate::control_plane::{ControlPlane, HubKind, HubMember, HubWay};
use crate::model::bgp::AsPath;
use crate::model::tables::VirtualHubEffectiveRoute;
use crate::model::{Entity, ResourceId, Topology, VirtualHub};

/// The routes of a table, by prefix. Equal-cost ways that print alike are one route with several next hops; `None` where the hub has no such table.
pub(crate) fn hub_effective_routes(
    topology: &Topology,
    plane: &ControlPlane,
    hub: usize,
    table: &str,
) -> Option<Vec<VirtualHubEffectiveRoute>> {
    let declared = &topology.document().virtual_hubs[hub];
    let routes = &plane.hubs.get(hub)?.tables;
    let (name, table) = routes.iter().find(|(name, _)| name.eq_ignore_ascii_case(table))?;
    let mut found: Vec<VirtualHubEffectiveRoute> = Vec::new();
    for row in &table.rows {
        for member in &row.members {
            let (next_hop_type, next_hop, mut origin) = printed(topology, declared, member);
            if member.kind == HubKind::Static {
                origin = declared.route_table_id(name);
            }
            let as_path = AsPath::sequence(member.as_path.iter().copied());
            let (next_hop_type, route_origin) = (Some(next_hop_type.to_owned()), Some(origin));
            let alike = found.iter_mut().rev().take_while(|r| r.address_prefixes == [row.prefix]).find(|r| {
                r.next_hop_type == next_hop_type && r.as_path == as_path && r.route_origin == route_origin
            });
            match alike {
                Some(known) if known.next_hops.contains(&next_hop) => {}
                Some(known) => known.next_hops.push(next_hop),
                None => found.push(VirtualHubEffectiveRoute {
                    address_prefixes: vec![row.prefix],
                    as_path,
                    next_hop_type,
                    next_hops: vec![next_hop],
                    route_origin,
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
) -> (&'static str, ResourceId, ResourceId) {
    let document = topology.document();
    let gateway = |c: &usize| document.connections[*c].virtual_network_gateway.clone();
    match &member.way {
        HubWay::Connection(c) | HubWay::Behind { connection: c, .. } => {
            let id = hub.connection_id(&hub.virtual_network_connections[*c].name);
            ("Virtual Network Connection", id.clone(), id)
        }
        HubWay::Appliance { peer, .. } => {
            let id = hub.bgp_connection_id(&hub.bgp_connections[*peer].name);
            ("HubBgpConnection", id.clone(), id)
        }
        HubWay::Circuit { connection, .. } => {
            ("ExpressRouteGateway", gateway(connection), gateway(connection))
        }
        HubWay::Vpn { connection } => ("VPN_S2S_Gateway", gateway(connection), gateway(connection)),
        HubWay::Hub(other) => {
            let id = document.virtual_hubs[*other].id.clone();
            ("Remote Hub", id.clone(), id)
        }
        HubWay::Firewall(id) => {
            let kind = match topology.entity(id) {
                Some(Entity::Firewall(_)) => "Azure Firewall",
                _ => "ResourceId",
            };
            (kind, id.clone(), id.clone())
        }
        HubWay::Unknown(id) => ("ResourceId", id.clone(), id.clone()),
    }
}
