//! The decision process (RFC 4271 section 9.1.2): which of the routes to one prefix a speaker uses.
//!
//! [`select`] gives the best one and nothing else; [`decide`] also gives the routes used beside it and, of every route
//! that lost, the step and the route that beat it. [`refuse`] tells what is not even considered, [`on_receipt`] what a
//! speaker drops from a received route; both come before import policy. [`Case`] is a whole question as data, in any
//! format of serde; the example `bgp_decide` reads one a line as JSON.
//!
//! The steps are those of [`Step`], in that order; a [`Settings`] value switches each on or off. MED makes the comparison
//! of two routes no order of the set (it holds within one neighbouring system only), so with
//! [`Settings::deterministic_med`] the best of each system is found first, and without it the outcome depends on the order
//! in which routes came, as on the routers that work so ([`Arrival`]). Hence candidates are given oldest first.

mod case;
mod key;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

pub use case::{Case, CaseCandidate, CaseError, CasePeer, CaseReceiver, Lost, Outcome, Refused};

pub(in crate::bgp) use key::{Ages, Key, compare, rank};

use super::{Arrival, ClusterListCheck, MultipathAsPath, Settings};
use crate::model::bgp::{Asn, ClusterList, PathAttributes, SegmentKind};
use key::{address, are_comparable, clusters, cost, is_external, med, med_group, router_id};

/// A route that may be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its attributes, after the import policy.
    pub attributes: &'a PathAttributes,
    /// Where it came from.
    pub source: RouteSource,
    /// What it costs to reach its next hop; `None` where that does not resolve (RFC 4271 section 9.1.2.1).
    pub igp_cost: Option<u32>,
    /// For how many seconds it has been there. Equal ages say nothing.
    pub age: u32,
    /// Which of its peer's routes it is (RFC 7911).
    pub path_id: u32,
    /// Kept while its peer restarts (RFC 9494).
    pub stale: bool,
}

/// Where a route came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteSource {
    /// Made here.
    Local(LocalRoute),
    /// Received.
    Peer(Peer),
}

/// How a route was made here. Ordered by preference where that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalRoute {
    /// Announced as such.
    Network,
    /// Taken over from another protocol.
    Redistributed,
    /// A summary of others.
    Aggregate,
}

/// The other end of the session a route came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// What kind of session it is.
    pub kind: SessionKind,
    /// Its autonomous system.
    pub asn: Asn,
    /// Its BGP identifier.
    pub router_id: Ipv4Addr,
    /// Its address on the session.
    pub address: Option<IpAddr>,
}

/// What a session crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// A border between autonomous systems; the border of the confederation where there is one.
    Ebgp,
    /// A border between members of one confederation (RFC 5065).
    ConfedEbgp,
    /// Nothing.
    Ibgp,
}

/// The speaker that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receiver {
    /// Its autonomous system; in a confederation its member's number.
    pub asn: Asn,
    /// The confederation's number.
    pub confederation: Option<Asn>,
    /// Its BGP identifier.
    pub router_id: Ipv4Addr,
    /// Its cluster (RFC 4456).
    pub cluster_id: Ipv4Addr,
    /// Whether it has clients.
    pub reflects: bool,
}

/// Why a received route is not considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The path holds AS 0 (RFC 7607).
    AsZero,
    /// The path does not begin with the peer's number (RFC 4271 section 6.3).
    NotFirstAs,
    /// The path holds a set (RFC 9774).
    AsSet,
    /// The path holds the own number, or the confederation's (RFC 4271 section 9.1.2).
    OwnAs,
    /// It was originated here (RFC 4456 section 8).
    OwnOriginator,
    /// The own cluster reflected it before (RFC 4456 section 8).
    OwnCluster,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AsZero => "AS 0 in the path",
            Self::NotFirstAs => "the path does not begin with the peer's AS",
            Self::AsSet => "a set in the path",
            Self::OwnAs => "own AS in the path",
            Self::OwnOriginator => "own router id as originator",
            Self::OwnCluster => "own cluster id in the cluster list",
        })
    }
}

/// Why a received route is not considered; before import policy. `allow_own_as` is how often the own number may stand in
/// the path.
pub fn refuse(
    attributes: &PathAttributes,
    peer: &Peer,
    receiver: &Receiver,
    allow_own_as: u8,
    settings: &Settings,
) -> Option<Refusal> {
    let path = &attributes.as_path;
    if settings.rejects_as_zero && path.count(Asn(0)) > 0 {
        return Some(Refusal::AsZero);
    }
    if settings.enforce_first_as && peer.kind == SessionKind::Ebgp && path.first() != Some(peer.asn) {
        return Some(Refusal::NotFirstAs);
    }
    let is_set = |kind| matches!(kind, SegmentKind::Set | SegmentKind::ConfedSet);
    if settings.rejects_as_sets && path.segments().any(|(kind, _)| is_set(kind)) {
        return Some(Refusal::AsSet);
    }
    let allowed = usize::from(allow_own_as);
    if path.count(receiver.asn) > allowed || receiver.confederation.is_some_and(|id| path.count(id) > allowed)
    {
        return Some(Refusal::OwnAs);
    }
    // From outside these two mean nothing.
    if peer.kind == SessionKind::Ebgp {
        return None;
    }
    if attributes.originator_id == Some(receiver.router_id) {
        return Some(Refusal::OwnOriginator);
    }
    let looks = match settings.checks_cluster_list {
        ClusterListCheck::Always => true,
        ClusterListCheck::Reflectors => receiver.reflects,
        ClusterListCheck::Never => false,
    };
    (looks && attributes.cluster_list.ids().contains(&receiver.cluster_id)).then_some(Refusal::OwnCluster)
}

/// What is left of a received route before import policy: from an external peer no LOCAL_PREF (RFC 4271 section 5.1.5;
/// but [`Settings::local_preference_from_ebgp`]) and nothing of route reflection (RFC 4456 section 8).
pub fn on_receipt<'a>(
    attributes: &'a PathAttributes,
    kind: SessionKind,
    settings: &Settings,
) -> Cow<'a, PathAttributes> {
    let drops_preference = attributes.local_preference.is_some() && !settings.local_preference_from_ebgp;
    let reflected = attributes.originator_id.is_some() || !attributes.cluster_list.ids().is_empty();
    if kind != SessionKind::Ebgp || !(drops_preference || reflected) {
        return Cow::Borrowed(attributes);
    }
    let mut kept = attributes.clone();
    if drops_preference {
        kept.local_preference = None;
    }
    kept.originator_id = None;
    kept.cluster_list = ClusterList::default();
    Cow::Owned(kept)
}

/// A step of the decision, in the order in which they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The next hop does not resolve (RFC 4271 section 9.1.2.1).
    Unresolved,
    /// Made here before received, by the preference of the protocol.
    Preference,
    /// Fresh before stale (RFC 9494).
    Stale,
    /// The highest weight.
    Weight,
    /// The highest LOCAL_PREF (RFC 4271 section 9.1.1).
    LocalPreference,
    /// Made here before received.
    LocalOrigin,
    /// The shortest AS path (RFC 4271 section 9.1.2.2 a).
    AsPathLength,
    /// The lowest ORIGIN (b).
    Origin,
    /// The lowest MED of one neighbouring system (c).
    Med,
    /// External before internal (d).
    PeerType,
    /// The lowest cost to the next hop (e).
    IgpCost,
    /// From another member of the confederation before from the own one.
    ConfederationPeer,
    /// The older of two external ones (RFC 5004).
    Oldest,
    /// The lowest BGP identifier, of the originator where it was reflected (f; RFC 4456 section 9).
    RouterId,
    /// The shortest cluster list (RFC 4456 section 9).
    ClusterListLength,
    /// The lowest peer address (g).
    PeerAddress,
    /// The lowest path id (RFC 7911).
    PathId,
    /// The first that came: nothing else tells them apart.
    FirstReceived,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unresolved => "next hop",
            Self::Preference => "protocol preference",
            Self::Stale => "stale",
            Self::Weight => "weight",
            Self::LocalPreference => "local preference",
            Self::LocalOrigin => "local origin",
            Self::AsPathLength => "AS path length",
            Self::Origin => "origin",
            Self::Med => "MED",
            Self::PeerType => "external over internal",
            Self::IgpCost => "IGP cost",
            Self::ConfederationPeer => "confederation peer",
            Self::Oldest => "age",
            Self::RouterId => "router id",
            Self::ClusterListLength => "cluster list length",
            Self::PeerAddress => "peer address",
            Self::PathId => "path id",
            Self::FirstReceived => "received first",
        })
    }
}

/// What was decided, by the indices of the candidates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The best, if any can be used. Of an undetermined set its lowest index.
    pub best: Option<usize>,
    /// The routes used at once, the best among them, in the order of indices.
    pub multipath: Vec<usize>,
    /// `multipath` is a set between which nothing documented decides: `best` is then only one of them.
    pub undetermined: bool,
    /// The routes that are not the best, in the order of indices, each with the step that beat it and the route it lost
    /// to (the best one wherever that beats it directly). Routes used beside the best one are here too, unless
    /// undetermined. What cannot be used at all while nothing else can stands against itself.
    pub lost: Vec<(usize, Step, usize)>,
}

/// How many candidates are decided without an allocation.
const INLINE: usize = 64;
/// How many of those may be left when MED is looked at, before a larger array is set up.
const FEW: usize = 8;

/// The best of the candidates (oldest first), by index; no allocation for up to 64.
pub fn select(candidates: &[Candidate<'_>], settings: &Settings) -> Option<usize> {
    if candidates.len() > INLINE {
        return select_many(candidates, settings);
    }
    let (mut best, mut left): (u128, u64) = (u128::MAX, 0);
    for (i, candidate) in candidates.iter().enumerate() {
        match rank(candidate, settings) {
            Some(rank) if rank < best || left == 0 => (best, left) = (rank, 1 << i),
            Some(rank) if rank == best => left |= 1 << i,
            _ => {}
        }
    }
    if left & left.wrapping_sub(1) == 0 {
        return (left != 0).then_some(left.trailing_zeros() as usize);
    }
    let best = (Elimination { candidates, settings, left }).run();
    Some(best.unwrap_or_else(|| select_in_order(candidates, settings, left)))
}

/// The steps from MED on, each over the routes that are left: right wherever the steps order the routes.
struct Elimination<'a> {
    candidates: &'a [Candidate<'a>],
    settings: &'a Settings,
    left: u64,
}

impl Elimination<'_> {
    /// Keeps those with the lowest value.
    #[inline]
    fn keep_lowest<T: Ord>(&mut self, value: impl Fn(&Candidate<'_>) -> T) {
        if self.left.is_power_of_two() {
            return;
        }
        let mut lowest = None;
        let mut kept = 0;
        for i in Bits(self.left) {
            let value = value(&self.candidates[i]);
            match lowest.as_ref().map_or(Ordering::Less, |lowest| value.cmp(lowest)) {
                Ordering::Less => (lowest, kept) = (Some(value), 1 << i),
                Ordering::Equal => kept |= 1 << i,
                Ordering::Greater => {}
            }
        }
        self.left = kept;
    }

    /// Whether all that are left say the same.
    fn agree<T: PartialEq>(&self, value: impl Fn(&Candidate<'_>) -> T) -> bool {
        let mut values = Bits(self.left).map(|i| value(&self.candidates[i]));
        let first = values.next();
        values.all(|value| Some(value) == first)
    }

    /// The best, or `None` where two routes compare otherwise than with a third.
    fn run(mut self) -> Option<usize> {
        let settings = self.settings;
        if settings.med && !self.agree(|c| med(c, settings)) {
            self.keep_lowest_med()?;
        }
        self.keep_lowest(|c| cost(c, settings));
        let external = is_external(&self.candidates[self.left.trailing_zeros() as usize], settings);
        let kinds_matter = settings.prefer_oldest || !settings.router_id_between_external;
        if kinds_matter && !self.agree(|c| is_external(c, settings)) {
            return None;
        }
        if settings.prefer_oldest && external {
            self.keep_lowest(|c| !c.age);
        }
        if settings.router_id && (settings.router_id_between_external || !external) {
            self.keep_lowest(|c| router_id(c, settings));
        }
        if settings.cluster_list_length {
            self.keep_lowest(clusters);
        }
        if settings.peer_address {
            self.keep_lowest(address);
        }
        if settings.path_id {
            self.keep_lowest(|c| c.path_id);
        }
        Some(self.left.trailing_zeros() as usize)
    }

    fn keep_lowest_med(&mut self) -> Option<()> {
        let settings = self.settings;
        let first = med_group(&self.candidates[self.left.trailing_zeros() as usize], settings);
        if are_comparable(first, first) && self.agree(|c| med_group(c, settings) == first) {
            self.keep_lowest(|c| med(c, settings));
            return Some(());
        }
        let count = self.left.count_ones() as usize;
        if !settings.deterministic_med || count > FEW {
            return None;
        }
        let mut meds = [((0, 0), 0); FEW];
        for (slot, i) in meds.iter_mut().zip(Bits(self.left)) {
            *slot = (med_group(&self.candidates[i], settings), med(&self.candidates[i], settings));
            // A path may then be comparable with two that are not with each other.
            if slot.0.1 != 0 {
                return None;
            }
        }
        let meds = &meds[..count];
        let beaten = |own: &((u64, u64), u32)| meds.iter().any(|m| m.1 < own.1 && are_comparable(m.0, own.0));
        for (own, i) in meds.iter().zip(Bits(self.left)) {
            if beaten(own) {
                self.left &= !(1 << i);
            }
        }
        Some(())
    }
}

/// The best of those left, each compared with each in the order that the settings say.
#[cold]
fn select_in_order(candidates: &[Candidate<'_>], settings: &Settings, left: u64) -> usize {
    let count = left.count_ones() as usize;
    let (mut few, mut many);
    let (mut few_places, mut many_places);
    let (keys, places): (&mut [Key], &mut [usize]) = if count <= FEW {
        (few, few_places) = ([Key::default(); FEW], [0; FEW]);
        (&mut few[..count], &mut few_places[..count])
    } else {
        (many, many_places) = ([Key::default(); INLINE], [0; INLINE]);
        (&mut many[..count], &mut many_places[..count])
    };
    for (key, i) in keys.iter_mut().zip(Bits(left)) {
        *key = Key::new(i, &candidates[i], settings);
    }
    choose(keys, settings, places)
}

/// The same for any number of them.
fn select_many(candidates: &[Candidate<'_>], settings: &Settings) -> Option<usize> {
    let ranks: Vec<Option<u128>> = candidates.iter().map(|c| rank(c, settings)).collect();
    let best = ranks.iter().flatten().min().copied()?;
    let left = ranks.iter().enumerate().filter(|(_, rank)| **rank == Some(best));
    let keys: Vec<Key> = left.map(|(i, _)| Key::new(i, &candidates[i], settings)).collect();
    Some(choose(&keys, settings, &mut vec![0; keys.len()]))
}

/// The places of the set bits.
struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let lowest = (self.0 != 0).then_some(self.0.trailing_zeros() as usize);
        self.0 &= self.0.wrapping_sub(1);
        lowest
    }
}

/// The index of the best of the routes that no step before MED separates, oldest first. `places` is room to work in, as
/// long as `keys`.
fn choose(keys: &[Key], settings: &Settings, places: &mut [usize]) -> usize {
    let keeps_holder = settings.prefer_oldest && settings.arrival == Arrival::NewestFirst;
    let aged = keeps_holder && keys.iter().any(|k| k.age != keys[0].age);
    if !aged {
        return keys[best_of(keys, settings, Ages::Compared, places)].index;
    }
    // "Older" means the one in use there, so the routes have to come one by one.
    let mut holder = None;
    for count in 1..=keys.len() {
        let best = best_of(&keys[..count], settings, Ages::Holder(holder), &mut places[..count]);
        holder = Some(keys[best].index);
    }
    holder.unwrap_or_default()
}

/// The place of the best key.
fn best_of(keys: &[Key], settings: &Settings, ages: Ages, places: &mut [usize]) -> usize {
    let beats = |a: usize, b: usize| compare(&keys[a], &keys[b], settings, ages).0;
    let newest = keys.len().saturating_sub(1);
    if settings.deterministic_med {
        // The best of each neighbouring system, then the best of those. 0 is not looked at yet, 1 beaten, 2 left.
        places.fill(0);
        for first in (0..keys.len()).rev() {
            if places[first] != 0 {
                continue;
            }
            let mut ahead = first;
            for i in (0..first).rev() {
                if places[i] == 0 && keys[i].is_comparable(&keys[first]) {
                    places[i] = 1;
                    // Of equal ones the older stays.
                    if beats(i, ahead) != Ordering::Greater {
                        ahead = i;
                    }
                }
            }
            places[first] = 1;
            places[ahead] = 2;
        }
        let mut left = (0..keys.len()).rev().filter(|i| places[*i] == 2);
        let first = left.next().unwrap_or(newest);
        return left.fold(first, |best, i| if beats(i, best) == Ordering::Greater { best } else { i });
    }
    match settings.arrival {
        Arrival::NewestFirst => (0..newest)
            .rev()
            .fold(newest, |best, i| if beats(i, best) == Ordering::Greater { best } else { i }),
        Arrival::OldestFirst => {
            (1..keys.len()).fold(0, |best, i| if beats(i, best) == Ordering::Less { i } else { best })
        }
        Arrival::Sorted => {
            for i in 0..keys.len() {
                let mut at = i;
                while at > 0 && beats(i, places[at - 1]) == Ordering::Less {
                    places[at] = places[at - 1];
                    at -= 1;
                }
                places[at] = i;
            }
            places.first().copied().unwrap_or_default()
        }
    }
}

/// The whole decision over the candidates, oldest first.
pub fn decide(candidates: &[Candidate<'_>], settings: &Settings) -> Decision {
    let Some(best) = select(candidates, settings) else {
        let lost = (0..candidates.len()).map(|i| (i, Step::Unresolved, i)).collect();
        return Decision { lost, ..Decision::default() };
    };
    let keys: Vec<Option<Key>> = candidates
        .iter()
        .enumerate()
        .map(|(i, c)| rank(c, settings).map(|rank| Key::new(i, c, settings).ranked(rank)))
        .collect();
    let multipath = multipath(candidates, &keys, best, settings);
    let undetermined = settings.undetermined && multipath.len() > 1;
    let lost = (0..candidates.len())
        .filter(|i| *i != best && !(undetermined && multipath.contains(i)))
        .map(|i| {
            let (step, to) = beaten_by(&keys, i, best, settings);
            (i, step, to)
        })
        .collect();
    Decision { best: Some(best), multipath, undetermined, lost }
}

/// The step at which a route lost, and to whom.
fn beaten_by(keys: &[Option<Key>], loser: usize, best: usize, settings: &Settings) -> (Step, usize) {
    let (Some(own), Some(winner)) = (&keys[loser], &keys[best]) else { return (Step::Unresolved, best) };
    let against = |other: &Key| compare(other, own, settings, Ages::Compared);
    match against(winner) {
        (Ordering::Less, step) => return (step, best),
        (Ordering::Equal, _) => return (Step::FirstReceived, best),
        (Ordering::Greater, _) => {}
    }
    // It would beat the best one: another one beat it before. By MED, except where age or arrival came in.
    let others = || keys.iter().flatten().map(|k| (k, against(k))).filter(|(_, (o, _))| *o == Ordering::Less);
    let by_med = others().filter(|(_, (_, step))| *step == Step::Med).min_by_key(|(k, _)| k.med);
    match by_med.or_else(|| others().next()) {
        Some((other, (_, step))) => (step, other.index),
        // Only the one in use, which is no older, stood in its way.
        None => (Step::FirstReceived, best),
    }
}

/// The routes used at once, in the order of indices.
fn multipath(
    candidates: &[Candidate<'_>],
    keys: &[Option<Key>],
    best: usize,
    settings: &Settings,
) -> Vec<usize> {
    let Some(winner) = &keys[best] else { return vec![best] };
    let equal = |key: &Key| {
        key.rank == winner.rank
            && key.cost == winner.cost
            && (key.med == winner.med || !key.is_comparable(winner))
    };
    if settings.undetermined {
        return keys.iter().flatten().filter(|k| equal(k)).map(|k| k.index).collect();
    }
    let RouteSource::Peer(peer) = candidates[best].source else { return vec![best] };
    let limit = match peer.kind {
        SessionKind::Ibgp => settings.maximum_paths_ibgp,
        SessionKind::Ebgp | SessionKind::ConfedEbgp => settings.maximum_paths_ebgp,
    };
    if limit <= 1 {
        return vec![best];
    }
    let own = candidates[best].attributes;
    let fits = |candidate: &Candidate<'_>| {
        let RouteSource::Peer(other) = candidate.source else { return false };
        let path = &candidate.attributes.as_path;
        let same_path = settings.multipath_relax
            || match settings.multipath_as_path {
                MultipathAsPath::Equal => *path == own.as_path,
                MultipathAsPath::EqualOrPeer if peer.kind == SessionKind::Ibgp => *path == own.as_path,
                MultipathAsPath::EqualOrPeer => other.asn == peer.asn,
                MultipathAsPath::Neighbor => path.neighbor_as() == own.as_path.neighbor_as(),
            };
        same_path && !(settings.multipath_distinct_next_hops && candidate.attributes.next_hop == own.next_hop)
    };
    let mut others: Vec<usize> = keys
        .iter()
        .flatten()
        .filter(|k| k.index != best && equal(k) && fits(&candidates[k.index]))
        .map(|k| k.index)
        .collect();
    // Too many: those with the lowest next hops, then peer addresses (FRR).
    others.sort_by_key(|i| (candidates[*i].attributes.next_hop, keys[*i].map(|k| k.address), *i));
    if settings.multipath_distinct_next_hops {
        others.dedup_by_key(|i| candidates[*i].attributes.next_hop);
    }
    others.truncate(usize::from(limit) - 1);
    others.push(best);
    others.sort_unstable();
    others
}
