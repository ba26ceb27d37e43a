//! What Azure's speakers hold, in the shapes in which Azure prints it.
//!
//! A gateway is one speaker of the model, whose instances hold the same (BGP-9): its rows stand once for each instance
//! whose address is declared. What an instance hears from its twin is not repeated. An address that nothing declares is
//! not said; nor is the weight of an ExpressRoute gateway, which is not documented.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::TableError;
use super::speakers::{Far, Speaker, Speakers};
use crate::bgp::{Engine, LearnedFrom, Neighbor, RibEntry, Stage, Standing};
use crate::model::bgp::{AddressFamily, AsPath, Asn, Origin, PathAttributes};
use crate::model::tables::{
    BgpPeerState, BgpPeerStatus, CircuitPath, ExpressRouteCircuitRoutesTable,
    ExpressRouteCircuitRoutesTableSummary, GatewayNextHop, GatewayRoute, GatewayRouteOrigin, ListResult,
    PeerRouteList, StatePfxRcd,
};
use crate::model::{GatewayType, LearnedRoute, LinkRole, PeeringType, ResourceId, RouteServer, Topology};

/// The weight that VPN gateways and Route Servers print for what they learned.
const LEARNED: u32 = 32_768;

/// The version of BGP.
const VERSION: u32 = 4;

/// The number of a stand-in for a site of which none is known: reserved (RFC 7300), so never a customer's.
const UNKNOWN: std::ops::RangeInclusive<u32> = 4_294_967_294..=4_294_967_295;

/// Views of one converged network.
pub(crate) struct Views<'n> {
    speakers: Speakers<'n>,
    declared: BTreeSet<IpAddr>,
}

impl<'n> Views<'n> {
    pub(crate) fn new(topology: &'n Topology, engine: &'n Engine) -> Self {
        let speakers = Speakers { topology, engine };
        Self { speakers, declared: speakers.declared() }
    }

    /// An address that is declared.
    fn known(&self, address: Option<IpAddr>) -> Option<IpAddr> {
        let address = address?;
        if self.declared.contains(&address) { Some(address) } else { self.speakers.engine.declared(address) }
    }

    /// The neighbour behind a route.
    fn neighbor<'a>(neighbors: &'a [Neighbor<'n>], entry: &RibEntry<'_>) -> Option<&'a Neighbor<'n>> {
        match entry.route.from {
            LearnedFrom::Neighbor { session, .. } => neighbors.iter().find(|n| n.session == session),
            LearnedFrom::Local(_) => None,
        }
    }

    /// A speaker's routes, prefix by prefix: the best first, then those used beside it, then the others.
    fn routes(&self, speaker: &ResourceId, mut row: impl FnMut(IpNet, &RibEntry<'_>)) {
        for found in self.speakers.engine.rib(speaker) {
            let mut entries: Vec<&RibEntry<'_>> = found.entries.iter().collect();
            entries.sort_by_key(|entry| match entry.standing {
                Standing::Best => 0,
                Standing::Multipath => 1,
                Standing::Lost { .. } => 2,
            });
            entries.into_iter().for_each(|entry| row(found.prefix, entry));
        }
    }

    pub(crate) fn circuit(
        &self,
        circuit: &ResourceId,
        peering: PeeringType,
        link: LinkRole,
    ) -> Result<ListResult<ExpressRouteCircuitRoutesTable>, TableError> {
        let (circuit, edge) = self.speakers.edge(circuit, peering, link)?;
        let neighbors: Vec<Neighbor<'n>> = self.speakers.engine.neighbors(&edge).collect();
        let mut rows = Vec::new();
        self.routes(&edge, |network, entry| {
            let v4 = network.addr().is_ipv4();
            let attributes = entry.route.attributes;
            let next_hops = match Self::neighbor(&neighbors, entry).map(|n| self.speakers.far(n)) {
                None => vec![None],
                Some(Far::Azure(gateway)) => gateway.instances(v4),
                Some(Far::Edge) => vec![self.known(attributes.next_hop)],
                Some(Far::Outside { .. }) => {
                    let customer = || Speakers::customer_address(circuit, peering, link, v4);
                    vec![self.known(attributes.next_hop).or_else(customer)]
                }
            };
            for next_hop in next_hops {
                rows.push(ExpressRouteCircuitRoutesTable {
                    network,
                    next_hop,
                    loc_prf: attributes.local_preference,
                    // An edge's weights are ours, to put customers before branches (ARS-7).
                    weight: Some(0),
                    path: CircuitPath {
                        as_path: attributes.as_path.clone(),
                        origin: Some(attributes.origin),
                    },
                });
            }
        });
        Ok(rows.into())
    }

    pub(crate) fn circuit_summary(
        &self,
        circuit: &ResourceId,
        peering: PeeringType,
        link: LinkRole,
    ) -> Result<ListResult<ExpressRouteCircuitRoutesTableSummary>, TableError> {
        let (circuit, edge) = self.speakers.edge(circuit, peering, link)?;
        let mut rows = Vec::new();
        for neighbor in self.speakers.engine.neighbors(&edge) {
            let v4 = neighbor.carries(AddressFamily::Ipv4Unicast);
            let far = self.speakers.far(&neighbor);
            let addresses = match far {
                Far::Azure(gateway) => gateway.instances(v4),
                Far::Edge => vec![self.known(neighbor.address)],
                Far::Outside { .. } => {
                    let customer = || Speakers::customer_address(circuit, peering, link, v4);
                    vec![self.known(neighbor.address).or_else(customer)]
                }
            };
            let declared = circuit.peering(peering).and_then(|p| p.peer_asn);
            let asn = match far {
                Far::Outside { .. } => shown(neighbor.asn).or(declared),
                _ => shown(neighbor.asn),
            };
            let state = match neighbor.established {
                true => StatePfxRcd::Prefixes(self.received(&neighbor, &edge)),
                false => StatePfxRcd::State("Idle".to_owned()),
            };
            rows.extend(addresses.into_iter().map(|address| ExpressRouteCircuitRoutesTableSummary {
                neighbor: address,
                v: Some(VERSION),
                asn,
                up_down: (!neighbor.established).then(|| "never".to_owned()),
                state_pfx_rcd: Some(state.clone()),
            }));
        }
        Ok(rows.into())
    }

    /// How many routes a speaker took from a neighbour.
    fn received(&self, neighbor: &Neighbor<'_>, speaker: &ResourceId) -> u32 {
        let taken = self.speakers.engine.adj_rib_in(neighbor.session, speaker, Stage::PostPolicy).len();
        u32::try_from(taken).unwrap_or(u32::MAX)
    }

    pub(crate) fn learned(&self, name: &ResourceId) -> Result<ListResult<GatewayRoute>, TableError> {
        match self.speakers.speaker(name)? {
            Speaker::RouteServer(server) => {
                let instances = self.learned_of(server, |_, _| true).instances;
                Ok(instances.into_values().flatten().collect::<Vec<_>>().into())
            }
            speaker @ Speaker::Gateway(_) => Ok(self.learned_by_gateway(speaker).into()),
        }
    }

    fn learned_by_gateway(&self, speaker: Speaker<'n>) -> Vec<GatewayRoute> {
        let express_route =
            matches!(speaker, Speaker::Gateway(g) if g.gateway_type == GatewayType::ExpressRoute);
        let weight = (!express_route).then_some(LEARNED);
        let neighbors: Vec<Neighbor<'n>> = self.speakers.engine.neighbors(speaker.id()).collect();
        let mut rows = Vec::new();
        self.routes(speaker.id(), |network, entry| {
            for local_address in speaker.instances(network.addr().is_ipv4()) {
                let attributes = entry.route.attributes;
                let row = |origin, source_peer, next_hop: Option<IpAddr>| GatewayRoute {
                    network,
                    next_hop: next_hop.map(GatewayNextHop::Address),
                    origin: Some(origin),
                    source_peer,
                    as_path: attributes.as_path.clone(),
                    weight,
                    local_address,
                };
                let Some(neighbor) = Self::neighbor(&neighbors, entry) else {
                    rows.push(row(GatewayRouteOrigin::Network, local_address, None));
                    continue;
                };
                for (peer, next_hop) in self.learned_over(neighbor, attributes) {
                    rows.push(row(origin_of(neighbor), peer, next_hop));
                }
            }
        });
        let Speaker::Gateway(gateway) = speaker else { return rows };
        let mut more: Vec<GatewayRoute> = Vec::new();
        for address in self.speakers.peer_addresses(gateway) {
            let network = IpNet::from(address);
            if rows
                .iter()
                .all(|row| row.network != network || row.origin != Some(GatewayRouteOrigin::Network))
            {
                let own = Some(GatewayRouteOrigin::Network);
                more.push(GatewayRoute { origin: own, ..GatewayRoute::new(network, AsPath::default()) });
            }
        }
        for route in &gateway.learned_routes {
            let path = AsPath::sequence(route.as_path.iter().copied());
            let next_hop = route.next_hop.map(GatewayNextHop::Address);
            let origin = Some(GatewayRouteOrigin::EBgp);
            more.push(GatewayRoute { next_hop, origin, ..GatewayRoute::new(route.prefix, path) });
        }
        for row in more {
            for local_address in speaker.instances(row.network.addr().is_ipv4()) {
                let own = row.origin == Some(GatewayRouteOrigin::Network);
                let source_peer = local_address.filter(|_| own);
                rows.push(GatewayRoute { local_address, source_peer, weight, ..row.clone() });
            }
        }
        rows.sort_by_key(|row| row.network);
        rows
    }

    /// The peers that a route came from, as a gateway sees them, each with the route's next hop.
    fn learned_over(
        &self,
        neighbor: &Neighbor<'n>,
        attributes: &PathAttributes,
    ) -> Vec<(Option<IpAddr>, Option<IpAddr>)> {
        let told = self.known(attributes.next_hop);
        match self.speakers.far(neighbor) {
            // Each instance is a peer, and the next hop of what it announces itself.
            Far::Azure(far) => {
                let next_hop = |peer| told.filter(|told| !far.owns(told)).or(peer);
                far.instances(true).into_iter().map(|peer| (peer, next_hop(peer))).collect()
            }
            // Microsoft's addresses inside are not declared (VOC-13).
            Far::Edge => vec![(None, None)],
            Far::Outside { local, .. } => {
                let peer = self.known(neighbor.address).or_else(|| local?.bgp_peering_address);
                vec![(peer, told.or(peer))]
            }
        }
    }

    pub(crate) fn learned_from_peer(
        &self,
        server: &ResourceId,
        peer: &str,
    ) -> Result<PeerRouteList, TableError> {
        let server = self.speakers.route_server(server)?;
        let named = |name: &str| name.eq_ignore_ascii_case(peer);
        let connection = server.bgp_connections.iter().find(|c| named(&c.name));
        let address = connection.map(|c| c.peer_ip).or_else(|| peer.parse().ok());
        let matches = |session: Option<&Neighbor<'_>>, source: Option<IpAddr>| {
            let by_name = session.is_some_and(|n| is_called(n.session, peer) || is_called(n.speaker, peer));
            by_name || (source.is_some() && source == address)
        };
        let appliances = self.appliances(server);
        let known = connection.is_some()
            || appliances.iter().any(|n| matches(Some(n), self.known(n.address)))
            || server.learned_routes.iter().any(|r| matches(None, source_of(server, r)));
        if !known {
            let declared = server.bgp_connections.iter().map(|c| c.name.clone());
            let peers = declared.chain(appliances.iter().map(|n| self.called(n))).collect();
            return Err(TableError::UnknownPeer { speaker: server.id.clone(), peer: peer.to_owned(), peers });
        }
        Ok(self.learned_of(server, matches))
    }

    /// The peers of a Route Server that are no gateways.
    fn appliances(&self, server: &'n RouteServer) -> Vec<Neighbor<'n>> {
        let neighbors = self.speakers.engine.neighbors(&server.id);
        neighbors.filter(|n| matches!(self.speakers.far(n), Far::Outside { .. })).collect()
    }

    /// What a Route Server learned from appliances: over sessions, and what it is declared to have learned.
    fn learned_of(
        &self,
        server: &'n RouteServer,
        wanted: impl Fn(Option<&Neighbor<'_>>, Option<IpAddr>) -> bool,
    ) -> PeerRouteList {
        let appliances = self.appliances(server);
        let mut learned: Vec<GatewayRoute> = Vec::new();
        let row = |network, as_path, next_hop: Option<IpAddr>, source_peer| GatewayRoute {
            network,
            next_hop: next_hop.map(GatewayNextHop::Address),
            origin: Some(GatewayRouteOrigin::EBgp),
            source_peer,
            as_path,
            weight: Some(LEARNED),
            local_address: None,
        };
        self.routes(&server.id, |network, entry| {
            let Some(neighbor) = Self::neighbor(&appliances, entry) else { return };
            let peer = self.known(neighbor.address);
            if wanted(Some(neighbor), peer) {
                let attributes = entry.route.attributes;
                let next_hop = self.known(attributes.next_hop).or(peer);
                learned.push(row(network, attributes.as_path.clone(), next_hop, peer));
            }
        });
        for route in &server.learned_routes {
            let peer = source_of(server, route);
            if wanted(None, peer) {
                let path = AsPath::sequence(route.as_path.iter().copied());
                learned.push(row(route.prefix.trunc(), path, route.next_hop.or(peer), peer));
            }
        }
        learned.sort_by_key(|row| row.network);
        let instances = Speaker::RouteServer(server).instances(true);
        let of = |local_address| {
            learned.iter().map(|row| GatewayRoute { local_address, ..row.clone() }).collect::<Vec<_>>()
        };
        let tables = instances.into_iter().enumerate();
        PeerRouteList {
            instances: tables.map(|(i, local)| (PeerRouteList::instance(i), of(local))).collect(),
        }
    }

    pub(crate) fn advertised(
        &self,
        name: &ResourceId,
        peer: &str,
    ) -> Result<ListResult<GatewayRoute>, TableError> {
        let speaker = self.speakers.speaker(name)?;
        let mut rows = Vec::new();
        for neighbor in self.peers(speaker, peer)? {
            let sent = self.speakers.engine.adj_rib_out(neighbor.session, speaker.id(), Stage::PostPolicy);
            for route in sent {
                let told = self.known(route.attributes.next_hop).filter(|told| !speaker.owns(told));
                for local_address in speaker.instances(route.prefix.addr().is_ipv4()) {
                    rows.push(GatewayRoute {
                        network: route.prefix,
                        next_hop: told.or(local_address).map(GatewayNextHop::Address),
                        origin: Some(match route.attributes.origin {
                            Origin::Igp => GatewayRouteOrigin::Igp,
                            Origin::Egp => GatewayRouteOrigin::Other("Egp".to_owned()),
                            Origin::Incomplete => GatewayRouteOrigin::Incomplete,
                        }),
                        source_peer: local_address,
                        as_path: route.attributes.as_path.clone(),
                        weight: Some(0),
                        local_address,
                    });
                }
            }
        }
        Ok(rows.into())
    }

    /// The sessions with one peer: one, or one for each family.
    fn peers(&self, speaker: Speaker<'n>, peer: &str) -> Result<Vec<Neighbor<'n>>, TableError> {
        let all: Vec<Neighbor<'n>> = self.speakers.engine.neighbors(speaker.id()).collect();
        let found: Vec<Neighbor<'n>> =
            all.iter().filter(|n| self.is_peer(speaker, n, peer)).copied().collect();
        if found.is_empty() {
            let mut peers: Vec<String> = all.iter().map(|n| self.called(n)).collect();
            peers.sort();
            peers.dedup();
            return Err(TableError::UnknownPeer {
                speaker: speaker.id().clone(),
                peer: peer.to_owned(),
                peers,
            });
        }
        if found.iter().any(|n| n.speaker != found[0].speaker) {
            let mut sessions: Vec<ResourceId> = found.iter().map(|n| n.session.clone()).collect();
            sessions.sort();
            let (speaker, peer) = (speaker.id().clone(), peer.to_owned());
            return Err(TableError::AmbiguousPeer { speaker, peer, sessions });
        }
        Ok(found)
    }

    /// Whether a neighbour is meant: by its address, its id or name, those of the session, of the connection or of the
    /// local network gateway, or by the name of a Route Server's peer.
    fn is_peer(&self, speaker: Speaker<'n>, neighbor: &Neighbor<'_>, peer: &str) -> bool {
        let far = self.speakers.far(neighbor);
        let mut address = peer.parse::<IpAddr>().ok();
        if let Speaker::RouteServer(server) = speaker {
            let named = server.bgp_connections.iter().find(|c| c.name.eq_ignore_ascii_case(peer));
            address = address.or(named.map(|c| c.peer_ip));
        }
        let by_address = address.is_some_and(|address| {
            self.known(neighbor.address) == Some(address)
                || match far {
                    Far::Azure(far) => far.owns(&address),
                    Far::Edge => false,
                    Far::Outside { local, .. } => local.and_then(|l| l.bgp_peering_address) == Some(address),
                }
        });
        let by_name = match far {
            Far::Outside { connection, local } => {
                connection.is_some_and(|c| is_called(&c.id, peer))
                    || local.is_some_and(|l| is_called(&l.id, peer))
            }
            Far::Azure(far) => is_called(far.id(), peer),
            Far::Edge => false,
        };
        by_address || by_name || is_called(neighbor.session, peer) || is_called(neighbor.speaker, peer)
    }

    /// How to name a neighbour: by its address, else by its id.
    fn called(&self, neighbor: &Neighbor<'_>) -> String {
        let address = match self.speakers.far(neighbor) {
            Far::Outside { local, .. } => local.and_then(|l| l.bgp_peering_address),
            _ => None,
        };
        let address = self.known(neighbor.address).or(address);
        address.map_or_else(|| neighbor.speaker.to_string(), |a| a.to_string())
    }

    pub(crate) fn peer_status(&self, name: &ResourceId) -> Result<ListResult<BgpPeerStatus>, TableError> {
        let speaker = self.speakers.speaker(name)?;
        let mut rows = Vec::new();
        for neighbor in self.speakers.engine.neighbors(speaker.id()) {
            let v4 = neighbor.carries(AddressFamily::Ipv4Unicast);
            let (addresses, declared) = match self.speakers.far(&neighbor) {
                Far::Azure(far) => (far.instances(v4), None),
                Far::Edge => (vec![None], None),
                Far::Outside { local, .. } => {
                    let address = self.known(neighbor.address).or_else(|| local?.bgp_peering_address);
                    (vec![address], local.and_then(|l| l.asn))
                }
            };
            let up = neighbor.established;
            let state = if up { BgpPeerState::Connected } else { BgpPeerState::Connecting };
            let received = if up { self.received(&neighbor, speaker.id()) } else { 0 };
            for local_address in speaker.instances(v4) {
                rows.extend(addresses.iter().map(|address| BgpPeerStatus {
                    neighbor: *address,
                    asn: shown(neighbor.asn).or(declared),
                    state: Some(state.clone()),
                    connected_duration: None,
                    routes_received: Some(received),
                    messages_sent: None,
                    messages_received: None,
                    local_address,
                }));
            }
        }
        Ok(rows.into())
    }
}

fn shown(asn: Asn) -> Option<Asn> {
    (!UNKNOWN.contains(&asn.0)).then_some(asn)
}

fn origin_of(neighbor: &Neighbor<'_>) -> GatewayRouteOrigin {
    if neighbor.internal { GatewayRouteOrigin::IBgp } else { GatewayRouteOrigin::EBgp }
}

fn is_called(id: &ResourceId, name: &str) -> bool {
    id.as_str().eq_ignore_ascii_case(name) || id.name().eq_ignore_ascii_case(name)
}

/// The appliance that a Route Server is declared to have learned a route from: the next hop where it is a peer, else the
/// one peer whose number the path begins with.
fn source_of(server: &RouteServer, route: &LearnedRoute) -> Option<IpAddr> {
    let by_address = server.bgp_connections.iter().find(|c| Some(c.peer_ip) == route.next_hop);
    let mut by_number = server.bgp_connections.iter().filter(|c| Some(&c.peer_asn) == route.as_path.first());
    let only = match (by_number.next(), by_number.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    };
    by_address.or(only).map(|c| c.peer_ip)
}
