//! Azure's speakers by name, and who the neighbours of each are.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::TableError;
use crate::bgp::{Engine, Neighbor};
use crate::control_plane::{msee, peer_addresses};
use crate::model::{
    Connection, ConnectionType, Entity, ExpressRouteCircuit, GatewayType, LinkRole, LocalNetworkGateway,
    PeeringType, ResourceId, RouteServer, Topology, VirtualNetworkGateway, VpnType,
};

/// A gateway or Route Server.
#[derive(Clone, Copy)]
pub(super) enum Speaker<'t> {
    Gateway(&'t VirtualNetworkGateway),
    RouteServer(&'t RouteServer),
}

impl<'t> Speaker<'t> {
    pub(super) fn id(self) -> &'t ResourceId {
        match self {
            Self::Gateway(gateway) => &gateway.id,
            Self::RouteServer(server) => &server.id,
        }
    }

    /// The addresses of its instances in a family; one unknown address where none is declared. A gateway that is not
    /// active-active serves with its first instance (VPN-8); a Route Server has two.
    pub(super) fn instances(self, v4: bool) -> Vec<Option<IpAddr>> {
        let (addresses, least, most) = match self {
            Self::Gateway(gateway) => {
                let both = gateway.active_active || gateway.gateway_type == GatewayType::ExpressRoute;
                (&gateway.bgp_peering_addresses, 1, if both { usize::MAX } else { 1 })
            }
            Self::RouteServer(server) => (&server.virtual_router_ips, 2, 2),
        };
        let known = addresses.iter().filter(|a| a.is_ipv4() == v4).copied().map(Some);
        let mut found: Vec<Option<IpAddr>> = known.take(most).collect();
        found.resize(found.len().max(least), None);
        found
    }

    /// Whether its neighbours know it by an address.
    pub(super) fn owns(self, address: &IpAddr) -> bool {
        match self {
            Self::Gateway(gateway) => gateway.bgp_peering_addresses.contains(address),
            Self::RouteServer(server) => server.virtual_router_ips.contains(address),
        }
    }
}

/// Who a neighbour is.
#[derive(Clone, Copy)]
pub(super) enum Far<'t> {
    /// A gateway or Route Server.
    Azure(Speaker<'t>),
    /// Microsoft's edge.
    Edge,
    /// A router outside, or an appliance: over a VPN connection, where it is one.
    Outside { connection: Option<&'t Connection>, local: Option<&'t LocalNetworkGateway> },
}

/// Names and neighbours in one topology.
#[derive(Clone, Copy)]
pub(super) struct Speakers<'t> {
    pub(super) topology: &'t Topology,
    pub(super) engine: &'t Engine,
}

impl<'t> Speakers<'t> {
    /// The one of several that has an id, or a name that no other has.
    fn named<T>(
        items: impl Iterator<Item = (&'t ResourceId, T)>,
        name: &ResourceId,
        kind: &'static str,
    ) -> Result<T, TableError> {
        let mut found: Vec<(&ResourceId, T)> = Vec::new();
        for (id, item) in items {
            if id == name {
                return Ok(item);
            }
            if id.name().eq_ignore_ascii_case(name.as_str()) {
                found.push((id, item));
            }
        }
        if found.len() > 1 {
            let mut candidates: Vec<ResourceId> = found.iter().map(|(id, _)| (*id).clone()).collect();
            candidates.sort();
            return Err(TableError::Ambiguous { name: name.clone(), candidates });
        }
        let one = found.pop().map(|(_, item)| item);
        one.ok_or_else(|| TableError::Unknown { kind, name: name.clone() })
    }

    /// A circuit, and its peering's edge on one link.
    pub(super) fn edge(
        self,
        circuit: &ResourceId,
        peering: PeeringType,
        link: LinkRole,
    ) -> Result<(&'t ExpressRouteCircuit, ResourceId), TableError> {
        let circuits = &self.topology.document().express_route_circuits;
        let found = Self::named(circuits.iter().map(|c| (&c.id, c)), circuit, "circuit")?;
        match found.peering(peering) {
            Some(_) => Ok((found, msee(&found.id, peering, link))),
            None => Err(TableError::NoPeering { circuit: found.id.clone(), peering }),
        }
    }

    /// A gateway or Route Server that speaks BGP.
    pub(super) fn speaker(self, name: &ResourceId) -> Result<Speaker<'t>, TableError> {
        let document = self.topology.document();
        let gateways = document.virtual_network_gateways.iter().map(|g| (&g.id, Speaker::Gateway(g)));
        let servers = document.route_servers.iter().map(|s| (&s.id, Speaker::RouteServer(s)));
        let found = Self::named(gateways.chain(servers), name, "gateway or Route Server")?;
        if let Speaker::Gateway(gateway) = found
            && self.engine.neighbors(&gateway.id).next().is_none()
            && !self.engine.speakers().any(|s| *s == gateway.id)
        {
            let reason = match (gateway.gateway_type, gateway.vpn_type) {
                (GatewayType::Vpn, VpnType::PolicyBased) => "it is policy-based",
                (GatewayType::Vpn, VpnType::RouteBased) => "its SKU is Basic",
                _ => "its type has none",
            };
            return Err(TableError::NoBgp { gateway: gateway.id.clone(), reason });
        }
        Ok(found)
    }

    /// A Route Server.
    pub(super) fn route_server(self, name: &ResourceId) -> Result<&'t RouteServer, TableError> {
        let servers = &self.topology.document().route_servers;
        Self::named(servers.iter().map(|s| (&s.id, s)), name, "Route Server")
    }

    /// Who a neighbour is.
    pub(super) fn far(self, neighbor: &Neighbor<'_>) -> Far<'t> {
        let document = self.topology.document();
        match self.topology.entity(neighbor.speaker) {
            Some(Entity::Gateway(g)) => {
                return Far::Azure(Speaker::Gateway(&document.virtual_network_gateways[g]));
            }
            Some(Entity::RouteServer(r)) => {
                return Far::Azure(Speaker::RouteServer(&document.route_servers[r]));
            }
            _ => {}
        }
        // `{circuit}/peerings/{peering}/links/{link}`, and nothing after it.
        if let Some(circuit) = neighbor.speaker.parent().and_then(|peering| peering.parent())
            && let Some(Entity::Circuit(c)) = self.topology.entity(&circuit)
        {
            let circuit = &document.express_route_circuits[c];
            let is_edge =
                |p: PeeringType| LinkRole::BOTH.iter().any(|l| *neighbor.speaker == msee(&circuit.id, p, *l));
            if circuit.peerings.iter().any(|p| is_edge(p.peering_type)) {
                return Far::Edge;
            }
        }
        let connection = self.connection(neighbor);
        let local = connection.and_then(|c| self.topology.local_network_gateway(&c.peer));
        Far::Outside { connection, local }
    }

    /// The VPN connection that a session runs over: a session of the document names it at Azure's end, of others it is
    /// the first part of the id.
    fn connection(self, neighbor: &Neighbor<'_>) -> Option<&'t Connection> {
        let document = self.topology.document();
        let by_id = |id: &ResourceId| match self.topology.entity(id) {
            Some(Entity::Connection(c)) => Some(&document.connections[c]),
            _ => None,
        };
        let declared = document.bgp_sessions.iter().find(|s| s.id == *neighbor.session);
        match declared {
            Some(session) => by_id(&session.a.speaker).or_else(|| by_id(&session.b.speaker)),
            None => std::iter::successors(Some(neighbor.session.clone()), ResourceId::parent)
                .find_map(|id| by_id(&id)),
        }
    }

    /// The addresses of a VPN gateway's BGP peers, to each of which it has a host route (GWR-3), sorted.
    pub(super) fn peer_addresses(self, gateway: &VirtualNetworkGateway) -> BTreeSet<IpAddr> {
        let document = self.topology.document();
        let own =
            document.connections.iter().filter(|c| c.enable_bgp && c.virtual_network_gateway == gateway.id);
        let of_peer = own.flat_map(|connection| match connection.connection_type {
            ConnectionType::IPsec => {
                let local = self.topology.local_network_gateway(&connection.peer);
                local.and_then(|l| l.bgp_peering_address).into_iter().collect()
            }
            ConnectionType::Vnet2Vnet => match self.topology.entity(&connection.peer) {
                Some(Entity::Gateway(g)) => {
                    document.virtual_network_gateways[g].bgp_peering_addresses.clone()
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        });
        of_peer.collect()
    }

    /// The customer's address on a circuit's link (ER-2).
    pub(super) fn customer_address(
        circuit: &ExpressRouteCircuit,
        peering: PeeringType,
        link: LinkRole,
        v4: bool,
    ) -> Option<IpAddr> {
        let addresses = peer_addresses(circuit.peering(peering)?, link);
        addresses.into_iter().map(|(customer, _)| customer).find(|a| a.is_ipv4() == v4)
    }

    /// Every address that the document declares for a speaker: one of them is no stand-in, whatever it looks like.
    pub(super) fn declared(self) -> BTreeSet<IpAddr> {
        let document = self.topology.document();
        let ends = document.bgp_sessions.iter().flat_map(|s| [&s.a, &s.b]);
        let mut found: BTreeSet<IpAddr> = ends.flat_map(|end| end.addresses.iter().copied()).collect();
        found.extend(document.bgp_speakers.iter().filter_map(|s| s.router_id).map(IpAddr::V4));
        found.extend(document.virtual_network_gateways.iter().flat_map(|g| &g.bgp_peering_addresses));
        found.extend(document.route_servers.iter().flat_map(|s| &s.virtual_router_ips));
        found.extend(document.local_network_gateways.iter().filter_map(|l| l.bgp_peering_address));
        found
    }
}
