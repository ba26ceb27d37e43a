//! What the tables of hubs offer to connected networks.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::super::azure::HubWay;
use super::super::hub_tables::{HubMember, HubTable};
use super::super::offered::OfferList;
use super::super::{ControlPlane, Offer, Via};
use super::{Builder, static_offer};
use crate::model::{Entity, ResourceId, VirtualHub};

impl Builder<'_> {
    /// What a table of a hub gives the networks that are associated with it (VWAN-2): what it holds, and what the hub is
    /// declared to know beside that.
    pub(super) fn hub_offers(&mut self, plane: &ControlPlane, h: usize, table: Option<&str>) -> OfferList {
        let document = self.topology.document();
        let hub = &document.virtual_hubs[h];
        let routes = &plane.hubs[h];
        let mut offers = OfferList::default();
        let (at, held) = match table {
            None => (0, routes.tables.first()),
            Some(name) => {
                let at = routes.tables.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
                // The table without routes, or one that does not exist.
                let Some(at) = at else { return offers };
                (at, routes.tables.get(at))
            }
        };
        if let Some((_, held)) = held {
            self.held(plane, (h, hub), (at, held), &mut offers);
        }
        let computed: HashSet<IpNet> = offers.prefixes_from(0).copied().collect();
        for route in hub.learned_routes.iter().filter(|_| at == 0) {
            let prefix = route.prefix.trunc();
            if computed.contains(&prefix) {
                continue;
            }
            let via = Via::Hub { hub: h, table: None, vnet: None, connection: route.connection.clone() };
            let next_hops =
                route.next_hop.map_or_else(|| hub.route_next_hop_addresses.clone(), |ip| vec![ip]);
            let as_path = route.as_path.clone();
            offers.push(prefix, Offer { via, as_path, weight: 0, is_static: false, next_hops });
        }
        offers.drop_ipv6_from(0);
        offers
    }

    fn held(
        &self,
        plane: &ControlPlane,
        (h, hub): (usize, &VirtualHub),
        (at, table): (usize, &HubTable),
        offers: &mut OfferList,
    ) {
        for row in &table.rows {
            let mut here: Vec<u32> = Vec::new();
            for member in &row.members {
                let (vnet, connection, next_hops) = self.leads(plane, hub, member);
                let via = Via::Hub { hub: h, table: Some(at), vnet, connection };
                let offer = match vnet {
                    Some(_) => static_offer(via, &next_hops),
                    None => Offer {
                        via,
                        // All are equally good for the hub, whatever their paths.
                        as_path: row.members[0].as_path.clone(),
                        weight: 0,
                        is_static: false,
                        next_hops,
                    },
                };
                let kind = offers.kind(offer);
                if !here.contains(&kind) {
                    here.push(kind);
                    offers.push_kind(row.prefix, kind);
                }
            }
        }
    }

    /// The network a member leads into, what it leads over otherwise, and what Azure prints as next hop (VOC-13).
    fn leads(
        &self,
        plane: &ControlPlane,
        hub: &VirtualHub,
        member: &HubMember,
    ) -> (Option<usize>, Option<ResourceId>, Vec<IpAddr>) {
        let document = self.topology.document();
        let router = || hub.route_next_hop_addresses.clone();
        let of_gateway = |c: usize| {
            let gateway = self.topology.entity(&document.connections[c].virtual_network_gateway);
            let printed = match gateway {
                Some(Entity::Gateway(g)) => plane.printed_next_hops[g].clone(),
                _ => Vec::new(),
            };
            if printed.is_empty() { router() } else { printed }
        };
        let named = |c: &usize| Some(hub.connection_id(&hub.virtual_network_connections[*c].name));
        match &member.way {
            HubWay::Connection(c) => {
                let network = &hub.virtual_network_connections[*c].remote_virtual_network;
                match self.topology.entity(network) {
                    Some(Entity::VirtualNetwork(v)) => (Some(v), None, router()),
                    _ => (None, named(c), router()),
                }
            }
            HubWay::Behind { connection, .. } => (None, named(connection), router()),
            HubWay::Appliance { peer, .. } => {
                (None, Some(hub.bgp_connection_id(&hub.bgp_connections[*peer].name)), router())
            }
            HubWay::Circuit { connection, .. } | HubWay::Vpn { connection } => {
                (None, Some(document.connections[*connection].id.clone()), of_gateway(*connection))
            }
            HubWay::Hub(other) => (None, Some(document.virtual_hubs[*other].id.clone()), router()),
            HubWay::Firewall(id) | HubWay::Unknown(id) => (None, Some(id.clone()), router()),
        }
    }
}
