//! What circuits and connections carry towards the customer.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::super::ExitKind;
use super::Build;
use crate::bgp::{LearnedFrom, Stage};
use crate::control_plane::LearnedOver;
use crate::control_plane::azure::{AzureSession, Use};
use crate::control_plane::bgp::Bgp;
use crate::control_plane::offers::advertised_space;
use crate::model::bgp::{Communities, Community, Origination, PathAttributes};
use crate::model::is_default_route;
use crate::model::{
    BgpServiceCommunity, CircuitSkuTier, Connection, Entity, ExpressRouteCircuit, LinkRole,
    MICROSOFT_365_COMMUNITIES, PUBLIC_PEERING_CLOSED, PeeringType, ROUTE_FILTER_REQUIRED, Topology,
};

/// Whether Global Reach joins two circuits: both with private peering, neither on the Local SKU, at different peering
/// locations where both are known, and across geopolitical areas both Premium (ER-15).
pub(in crate::control_plane) fn may_join(circuit: &ExpressRouteCircuit, other: &ExpressRouteCircuit) -> bool {
    let fit = |c: &ExpressRouteCircuit| {
        c.sku_tier != CircuitSkuTier::Local && c.peering(PeeringType::AzurePrivatePeering).is_some()
    };
    let same_place = match (&circuit.peering_location, &other.peering_location) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    };
    (circuit.global_reach.contains(&other.id) || other.global_reach.contains(&circuit.id))
        && fit(circuit)
        && fit(other)
        && !same_place
        && circuit.reaches_area(other.geopolitical_area.as_deref())
        && other.reaches_area(circuit.geopolitical_area.as_deref())
}

/// What Microsoft or public peering carries towards the customer: the prefixes of the communities that the route filter
/// allows (MSP-8), authorised (MSP-11) and within reach (ER-17), or of the cloud's tag on public peering (PUB-2). A prefix of several communities carries them all.
pub(in crate::control_plane) fn microsoft_prefixes(
    topology: &Topology,
    circuit: &ExpressRouteCircuit,
    peering: PeeringType,
) -> Vec<Origination> {
    let document = topology.document();
    let Some(found) = circuit.peering(peering) else { return Vec::new() };
    if peering == PeeringType::AzurePublicPeering {
        let open =
            topology.era().public_peering() && circuit.created.is_none_or(|day| day < PUBLIC_PEERING_CLOSED);
        let tag = topology.service_tag("AzureCloud").filter(|_| open);
        let prefixes = tag.map_or_else(Vec::new, |tag| tag.address_prefixes.clone());
        return vec![Origination { prefixes, ..Origination::default() }];
    }
    let filter = found.route_filter.as_ref().and_then(|id| match topology.entity(id) {
        Some(Entity::RouteFilter(f)) => document.route_filters.get(f),
        _ => None,
    });
    // Peerings older than the requirement advertise the Microsoft 365 services whatever the filter says.
    let legacy = found.configured.is_some_and(|day| day < ROUTE_FILTER_REQUIRED);
    let allowed = |community: &str| {
        let of_365 = MICROSOFT_365_COMMUNITIES.contains(&community);
        let chosen = filter.is_some_and(|f| f.communities.iter().any(|c| c == community));
        (chosen || (legacy && of_365)) && (found.microsoft_365_authorised || !of_365)
    };
    let within_reach = |service: &&BgpServiceCommunity| {
        allowed(&service.community) && circuit.reaches_area(service.geopolitical_area.as_deref())
    };
    let mut carried: BTreeMap<IpNet, BTreeSet<Community>> = BTreeMap::new();
    for service in document.bgp_service_communities.iter().filter(within_reach) {
        for prefix in service.prefixes.iter().map(IpNet::trunc).filter(|p| !is_default_route(p)) {
            // What reads as no community of RFC 1997 is a name only.
            carried.entry(prefix).or_default().extend(service.community.parse::<Community>().ok());
        }
    }
    let mut by_communities: BTreeMap<BTreeSet<Community>, Vec<IpNet>> = BTreeMap::new();
    for (prefix, communities) in carried {
        by_communities.entry(communities).or_default().push(prefix);
    }
    let origination = |(communities, prefixes)| Origination {
        prefixes,
        attributes: PathAttributes {
            communities: Communities::new(communities, [], []),
            ..PathAttributes::default()
        },
        policies: Vec::new(),
    };
    by_communities.into_iter().map(origination).collect()
}

impl Build<'_> {
    /// What a circuit's private peering carries towards the customer, as its edge tells it: the spaces behind each linked
    /// gateway (ER-6), other branches where they are exchanged (ARS-5), and the sites behind circuits joined by Global
    /// Reach (ER-15).
    pub(super) fn private_prefixes(&self, c: usize, link: LinkRole) -> Vec<(IpNet, ExitKind)> {
        let Some(bgp) = &self.world.bgp else { return Vec::new() };
        let mut found = Vec::new();
        for session in bgp.wiring.outside(LearnedOver::Circuit(c, PeeringType::AzurePrivatePeering, link)) {
            let (id, edge) = (&session.id, &session.speaker);
            // What the customer's end takes: not what its own number is in.
            for told in bgp.engine.adj_rib_in(id, &session.peer, Stage::PostPolicy) {
                let routes = bgp.engine.routes(edge, &told.prefix);
                let mut kinds = Vec::new();
                for entry in routes.iter().flat_map(|routes| routes.used()) {
                    let LearnedFrom::Neighbor { session, .. } = entry.route.from else { continue };
                    let kind = match bgp.wiring.get(session).map(|s| s.what) {
                        Some(Use::Gateway { connection, .. }) => {
                            ExitKind::Private { circuit: c, link, connection }
                        }
                        Some(Use::GlobalReach { near, far }) => {
                            let far = if near.0 == c { far.0 } else { near.0 };
                            ExitKind::GlobalReach { circuit: c, link, far }
                        }
                        _ => continue,
                    };
                    kinds.push(kind);
                }
                kinds.sort_unstable();
                kinds.dedup();
                found.extend(kinds.into_iter().map(|kind| (told.prefix, kind)));
            }
        }
        found
    }

    /// What a VPN gateway tells over a connection: by BGP what the session carries, without it the networks' spaces.
    pub(super) fn vpn_prefixes(&self, n: usize, connection: &Connection, gateway: usize) -> Vec<IpNet> {
        let sessions: Vec<_> = match &self.world.bgp {
            Some(bgp) if connection.enable_bgp => {
                bgp.wiring.outside(LearnedOver::Connection(n)).map(|s| (bgp, s)).collect()
            }
            _ => Vec::new(),
        };
        if sessions.is_empty() {
            return advertised_space(self.topology, self.served, gateway);
        }
        let told = |(bgp, session): (&Bgp, &AzureSession)| {
            bgp.engine.adj_rib_in(&session.id, &session.peer, Stage::PostPolicy)
        };
        sessions.into_iter().flat_map(told).map(|route| route.prefix).collect()
    }
}
