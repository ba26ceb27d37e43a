//! What the steps compare, as numbers of which the lower is better.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::{Candidate, LocalRoute, Peer, RouteSource, SessionKind, Step};
use crate::bgp::{ConfederationPeers, LocalOrigin, MedNeighbor, Settings};
use crate::model::bgp::{AsPath, SegmentKind};

/// Where each step before MED has its bits in a rank, the last step lowest.
const ORIGIN: u32 = 0;
const AS_PATH_LENGTH: u32 = 2;
const LOCAL_ORIGIN: u32 = 26;
const LOCAL_PREFERENCE: u32 = 28;
const WEIGHT: u32 = 60;
const STALE: u32 = 92;
const PREFERENCE: u32 = 93;
const UNRESOLVED: u32 = 95;

/// The most that an AS-path length may say in its bits; longer paths are equally bad.
const LONGEST: usize = (1 << (LOCAL_ORIGIN - AS_PATH_LENGTH)) - 1;

/// No MED is comparable with this group's, not even its own.
const NEVER: u64 = u64::MAX;

/// The steps before MED in one number; `None` where the route cannot be used.
pub(in crate::bgp) fn rank(candidate: &Candidate<'_>, settings: &Settings) -> Option<u128> {
    let attributes = candidate.attributes;
    let unresolved = candidate.igp_cost.is_none() && settings.checks_next_hop;
    // What is not on the link to an external peer is not even kept.
    if unresolved && !(settings.keeps_unresolved && kind(candidate) == SessionKind::Ibgp) {
        return None;
    }
    let (local, made_here) = match candidate.source {
        RouteSource::Local(LocalRoute::Aggregate) => (1, true),
        RouteSource::Local(_) => (0, true),
        RouteSource::Peer(_) => (2, false),
    };
    let (preference, local_origin) = match settings.local_origin {
        LocalOrigin::Ignored => (0, 0),
        LocalOrigin::Preferred => (0, if made_here { 0 } else { 2 }),
        LocalOrigin::BeforeAggregates => (0, local),
        LocalOrigin::ByProtocol => (local, 0),
    };
    let weight = match attributes.weight {
        _ if !settings.weight => 0,
        Some(weight) => weight,
        None if made_here => settings.local_weight,
        None => 0,
    };
    let local_preference = if settings.local_preference {
        attributes.local_preference.unwrap_or(settings.default_local_preference)
    } else {
        0
    };
    let length = if settings.as_path_ignore { 0 } else { path_length(&attributes.as_path, settings) };
    let origin = if settings.origin { attributes.origin as u8 } else { 0 };
    Some(
        u128::from(unresolved) << UNRESOLVED
            | preference << PREFERENCE
            | u128::from(candidate.stale && settings.stale_last) << STALE
            | u128::from(!weight) << WEIGHT
            | u128::from(!local_preference) << LOCAL_PREFERENCE
            | local_origin << LOCAL_ORIGIN
            | (length.min(LONGEST) as u128) << AS_PATH_LENGTH
            | u128::from(origin) << ORIGIN,
    )
}

fn path_length(path: &AsPath, settings: &Settings) -> usize {
    let confederation = if settings.as_path_confederation {
        path.segments()
            .map(|(kind, asns)| match kind {
                SegmentKind::ConfedSequence => asns.len(),
                SegmentKind::ConfedSet => 1,
                SegmentKind::Sequence | SegmentKind::Set => 0,
            })
            .sum()
    } else {
        0
    };
    path.hop_count() + confederation
}

/// The step of the highest bit in which two ranks differ.
fn step_of(difference: u128) -> Step {
    match difference.checked_ilog2().unwrap_or_default() {
        UNRESOLVED.. => Step::Unresolved,
        PREFERENCE.. => Step::Preference,
        STALE.. => Step::Stale,
        WEIGHT.. => Step::Weight,
        LOCAL_PREFERENCE.. => Step::LocalPreference,
        LOCAL_ORIGIN.. => Step::LocalOrigin,
        AS_PATH_LENGTH.. => Step::AsPathLength,
        ORIGIN.. => Step::Origin,
    }
}

/// All that is compared of a route.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::bgp) struct Key {
    /// Its place among the candidates.
    pub(in crate::bgp) index: usize,
    /// The steps before MED. Left 0 where those are known to be equal.
    pub(in crate::bgp) rank: u128,
    pub(in crate::bgp) med: u32,
    /// Whose MED it is: comparable within one group.
    group: u64,
    /// Or with the same one of these, if not 0.
    member: u64,
    /// See [`cost`].
    pub(in crate::bgp) cost: u64,
    pub(in crate::bgp) age: u32,
    /// See [`is_external`].
    external: bool,
    router_id: u32,
    clusters: usize,
    pub(in crate::bgp) address: u128,
    path_id: u32,
}

/// What "older" means.
#[derive(Clone, Copy, Debug)]
pub(in crate::bgp) enum Ages {
    /// The higher age.
    Compared,
    /// The one in use, by index, if its age is higher.
    Holder(Option<usize>),
}

impl Key {
    /// The steps from MED on.
    pub(in crate::bgp) fn new(index: usize, candidate: &Candidate<'_>, settings: &Settings) -> Self {
        let (group, member) = med_group(candidate, settings);
        Self {
            index,
            rank: 0,
            med: med(candidate, settings),
            group,
            member,
            cost: cost(candidate, settings),
            age: candidate.age,
            external: is_external(candidate, settings),
            router_id: if settings.router_id { router_id(candidate, settings) } else { 0 },
            clusters: if settings.cluster_list_length { clusters(candidate) } else { 0 },
            address: if settings.peer_address { address(candidate) } else { 0 },
            path_id: if settings.path_id { candidate.path_id } else { 0 },
        }
    }

    /// With the steps before MED.
    pub(in crate::bgp) fn ranked(self, rank: u128) -> Self {
        Self { rank, ..self }
    }

    /// Whether age counts, and router ids may not.
    pub(in crate::bgp) fn is_external(&self) -> bool {
        self.external
    }

    /// The system whose MEDs this one's is comparable with; `None` where comparability is no equivalence.
    pub(in crate::bgp) fn med_system(&self) -> Option<u64> {
        (self.group != NEVER && self.member == 0).then_some(self.group)
    }

    /// Whether the MEDs of both may be compared.
    pub(in crate::bgp) fn is_comparable(&self, other: &Self) -> bool {
        are_comparable((self.group, self.member), (other.group, other.member))
    }
}

fn kind(candidate: &Candidate<'_>) -> SessionKind {
    match candidate.source {
        RouteSource::Local(_) => SessionKind::Ebgp,
        RouteSource::Peer(peer) => peer.kind,
    }
}

pub(super) fn med(candidate: &Candidate<'_>, settings: &Settings) -> u32 {
    let missing = if settings.missing_med_as_worst { u32::MAX } else { 0 };
    if settings.med { candidate.attributes.med.unwrap_or(missing) } else { 0 }
}

/// Kind of session, IGP cost, and kind of internal session, in one number.
pub(super) fn cost(candidate: &Candidate<'_>, settings: &Settings) -> u64 {
    let (internal, late) = match kind(candidate) {
        SessionKind::Ebgp => (false, false),
        SessionKind::ConfedEbgp => (settings.confederation_peers != ConfederationPeers::External, false),
        SessionKind::Ibgp => (true, settings.confederation_peers == ConfederationPeers::InternalAtFirst),
    };
    let cost = if settings.igp_cost { candidate.igp_cost.unwrap_or(u32::MAX) } else { 0 };
    u64::from(internal && settings.peer_type) << 33
        | u64::from(cost) << 1
        | u64::from(late && settings.peer_type)
}

/// Whether age counts, and router ids may not.
pub(super) fn is_external(candidate: &Candidate<'_>, settings: &Settings) -> bool {
    match kind(candidate) {
        SessionKind::Ebgp => true,
        SessionKind::ConfedEbgp => matches!(
            settings.confederation_peers,
            ConfederationPeers::External | ConfederationPeers::InternalByAge
        ),
        SessionKind::Ibgp => false,
    }
}

pub(super) fn router_id(candidate: &Candidate<'_>, settings: &Settings) -> u32 {
    match (candidate.attributes.originator_id, candidate.source) {
        (Some(originator), _) if settings.originator_as_router_id => originator.into(),
        (_, RouteSource::Peer(peer)) => peer.router_id.into(),
        (_, RouteSource::Local(_)) => 0,
    }
}

pub(super) fn clusters(candidate: &Candidate<'_>) -> usize {
    candidate.attributes.cluster_list.ids().len()
}

pub(super) fn address(candidate: &Candidate<'_>) -> u128 {
    match candidate.source {
        // Below every IPv6 address in use.
        RouteSource::Peer(Peer { address: Some(IpAddr::V4(address)), .. }) => address.to_ipv6_mapped().into(),
        RouteSource::Peer(Peer { address: Some(IpAddr::V6(address)), .. }) => address.into(),
        RouteSource::Peer(Peer { address: None, .. }) | RouteSource::Local(_) => 0,
    }
}

/// Whose MED a route has: the neighbouring system, and for FRR the confederation member that its path begins with.
pub(super) fn med_group(candidate: &Candidate<'_>, settings: &Settings) -> (u64, u64) {
    /// No neighbouring system: from inside the own one.
    const OWN: u64 = 1 << 32;
    if !settings.med || settings.always_compare_med {
        return (0, 0);
    }
    let path = &candidate.attributes.as_path;
    let plain = |kind| matches!(kind, SegmentKind::Sequence | SegmentKind::Set);
    match settings.med_neighbor {
        MedNeighbor::Neighbor => (path.neighbor_as().map_or(OWN, |asn| u64::from(asn.0)), 0),
        MedNeighbor::NeighborOrMember => {
            let group = match path.neighbor_as() {
                Some(asn) => u64::from(asn.0),
                None if path.hop_count() == 0 => OWN,
                None => NEVER,
            };
            let member = match path.segments().next() {
                Some((SegmentKind::ConfedSequence, [first, ..])) => u64::from(first.0) + 1,
                _ => 0,
            };
            (group, member)
        }
        MedNeighbor::FirstNumber => {
            let first = path.segments().find(|(kind, _)| plain(*kind)).and_then(|(_, asns)| asns.first());
            (first.map_or(OWN, |asn| u64::from(asn.0)), 0)
        }
    }
}

/// Whether the MEDs of two such groups may be compared.
pub(super) fn are_comparable(a: (u64, u64), b: (u64, u64)) -> bool {
    a.0 == b.0 && a.0 != NEVER || a.1 != 0 && a.1 == b.1
}

/// How two routes compare, and the step that tells them apart.
#[inline]
pub(in crate::bgp) fn compare(a: &Key, b: &Key, settings: &Settings, ages: Ages) -> (Ordering, Step) {
    if a.rank != b.rank {
        return (a.rank.cmp(&b.rank), step_of(a.rank ^ b.rank));
    }
    if a.med != b.med && a.is_comparable(b) {
        return (a.med.cmp(&b.med), Step::Med);
    }
    if a.cost != b.cost {
        let step = match (a.cost ^ b.cost).checked_ilog2() {
            Some(33..) => Step::PeerType,
            Some(1..) => Step::IgpCost,
            _ => Step::ConfederationPeer,
        };
        return (a.cost.cmp(&b.cost), step);
    }
    if settings.prefer_oldest && a.external && b.external && a.age != b.age {
        let older = if a.age > b.age { a } else { b };
        let counts = match ages {
            Ages::Compared => true,
            Ages::Holder(holder) => holder == Some(older.index),
        };
        if counts {
            return (b.age.cmp(&a.age), Step::Oldest);
        }
    }
    if a.router_id != b.router_id && (settings.router_id_between_external || !(a.external || b.external)) {
        return (a.router_id.cmp(&b.router_id), Step::RouterId);
    }
    if a.clusters != b.clusters {
        return (a.clusters.cmp(&b.clusters), Step::ClusterListLength);
    }
    if a.address != b.address {
        return (a.address.cmp(&b.address), Step::PeerAddress);
    }
    (a.path_id.cmp(&b.path_id), if a.path_id == b.path_id { Step::FirstReceived } else { Step::PathId })
}
