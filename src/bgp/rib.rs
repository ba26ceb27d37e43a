//! What stands in the tables: RIB views (RFC 4271 section 3.2), before and after policy.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Serialize;

use super::decision::{self, Candidate, LocalRoute, Step};
use super::engine::{Engine, best_of};
use super::exchange::{Gathered, NotAccepted, NotSent};
use super::plan::{EndIx, SpeakerIx};
use super::pool::AttrId;
use super::prefixes::Signature;
use super::state::{Best, Group};
use crate::model::ResourceId;
use crate::model::bgp::PathAttributes;

/// Before or after policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// As it is before the policy of this end looks at it.
    PrePolicy,
    /// What the policy of this end left of it.
    PostPolicy,
}

/// Where a speaker has a route from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LearnedFrom<'e> {
    /// It made the route itself.
    Local(LocalRoute),
    /// A neighbour sent it.
    Neighbor {
        /// The neighbour.
        speaker: &'e ResourceId,
        /// Over this session.
        session: &'e ResourceId,
    },
}

impl fmt::Display for LearnedFrom<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(LocalRoute::Network) => f.write_str("announced here"),
            Self::Local(LocalRoute::Redistributed) => f.write_str("redistributed here"),
            Self::Local(LocalRoute::Aggregate) => f.write_str("aggregated here"),
            Self::Neighbor { speaker, session } => write!(f, "from `{speaker}` over `{session}`"),
        }
    }
}

/// A route in a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Route<'e> {
    /// What it is for.
    pub prefix: IpNet,
    /// Its attributes there.
    pub attributes: &'e PathAttributes,
    /// Where from.
    pub from: LearnedFrom<'e>,
}

/// How a route stands against the others of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The one that is sent on.
    Best,
    /// As good: used beside the best.
    Multipath,
    /// Beaten.
    Lost {
        /// At this step of the decision.
        step: Step,
        /// By the route at this position.
        to: usize,
    },
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best => f.write_str("best"),
            Self::Multipath => f.write_str("multipath"),
            Self::Lost { step, to } => write!(f, "lost by {step} to {}", to + 1),
        }
    }
}

/// A route of a speaker with how it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RibEntry<'e> {
    /// The route, after import policy.
    pub route: Route<'e>,
    /// How it stands.
    pub standing: Standing,
    /// What the next hop costs; `None` where it cannot be reached.
    pub igp_cost: Option<u32>,
}

/// All of a speaker's routes of one prefix.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RibPrefix<'e> {
    /// The prefix.
    pub prefix: IpNet,
    /// Its routes: the speaker's own, then received ones, older sessions first.
    pub entries: Vec<RibEntry<'e>>,
    /// Nothing documented decides between the routes used: an Azure speaker with a set.
    pub undetermined: bool,
}

impl<'e> RibPrefix<'e> {
    /// The route that is sent on.
    pub fn best(&self) -> Option<&RibEntry<'e>> {
        self.entries.iter().find(|e| e.standing == Standing::Best)
    }

    /// The routes that are used: the best, then those as good.
    pub fn used(&self) -> impl Iterator<Item = &RibEntry<'e>> {
        let multipath = self.entries.iter().filter(|e| e.standing == Standing::Multipath);
        self.best().into_iter().chain(multipath)
    }
}

/// A route as one end of a session sends or receives it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Passed {
    /// What it is for.
    pub prefix: IpNet,
    /// Its attributes there.
    pub attributes: PathAttributes,
    /// Its number among several of one prefix (RFC 7911); 0 is the first.
    pub path_id: u32,
}

impl Engine {
    /// A speaker's routes of a prefix; `None` where there is no such speaker, or nobody announces the prefix.
    pub fn routes(&self, speaker: &ResourceId, prefix: &IpNet) -> Option<RibPrefix<'_>> {
        let speaker = *self.plan.by_id.get(speaker)?;
        let prefix = prefix.trunc();
        Some(self.rib_prefix(self.group(&prefix)?, speaker, prefix))
    }

    /// A speaker's best route of a prefix.
    pub fn best(&self, speaker: &ResourceId, prefix: &IpNet) -> Option<Route<'_>> {
        let speaker = *self.plan.by_id.get(speaker)?;
        let prefix = prefix.trunc();
        self.best_in(self.group(&prefix)?, speaker, prefix)
    }

    /// A speaker's best route of the longest prefix that covers an address. Costs a look-up for each prefix length.
    pub fn longest_match(&self, speaker: &ResourceId, address: IpAddr) -> Option<Route<'_>> {
        let speaker = *self.plan.by_id.get(speaker)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        (0..=longest).rev().find_map(|length| {
            let prefix = match address {
                IpAddr::V4(a) => IpNet::V4(Ipv4Net::new(a, length).ok()?.trunc()),
                IpAddr::V6(a) => IpNet::V6(Ipv6Net::new(a, length).ok()?.trunc()),
            };
            self.best_in(self.group(&prefix)?, speaker, prefix)
        })
    }

    /// A speaker's best routes, sorted by prefix: IPv4 first, by address, shorter ones first. Empty where there is no
    /// such speaker.
    pub fn loc_rib(&self, speaker: &ResourceId) -> impl Iterator<Item = Route<'_>> {
        let speaker = self.plan.by_id.get(speaker).copied();
        self.sorted_prefixes(speaker.is_some())
            .into_iter()
            .filter_map(move |(prefix, signature)| self.best_in(self.group_at(signature)?, speaker?, prefix))
    }

    /// All of a speaker's routes, sorted by prefix.
    pub fn rib(&self, speaker: &ResourceId) -> impl Iterator<Item = RibPrefix<'_>> {
        let speaker = self.plan.by_id.get(speaker).copied();
        self.sorted_prefixes(speaker.is_some()).into_iter().filter_map(move |(prefix, signature)| {
            let found = self.rib_prefix(self.group_at(signature)?, speaker?, prefix);
            (!found.entries.is_empty()).then_some(found)
        })
    }

    /// Every announced prefix, sorted, with the number of its group: prefixes of one group have the same routes at every
    /// speaker.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (IpNet, u32)> {
        let numbered = |(prefix, signature)| {
            let number = u32::try_from(super::prefixes::Signatures::position(signature)).unwrap_or(u32::MAX);
            (prefix, number)
        };
        self.sorted_prefixes(true).into_iter().map(numbered)
    }

    /// What a speaker receives over a session, sorted by prefix. Empty where it has no such session.
    pub fn adj_rib_in(&self, session: &ResourceId, speaker: &ResourceId, stage: Stage) -> Vec<Passed> {
        let Some(e) = self.end_of(session, speaker) else { return Vec::new() };
        self.passed(|group| self.arrives(group, e, stage))
    }

    /// What an end receives.
    pub(super) fn arrives(&self, group: &Group, e: EndIx, stage: Stage) -> Vec<(u32, PathAttributes)> {
        match stage {
            Stage::PrePolicy => self.sent(group, e ^ 1),
            Stage::PostPolicy => {
                let slots = &self.plan.ends[e as usize].slots;
                let stored = group.slots.get(slots.start as usize..slots.end as usize).unwrap_or(&[]);
                // What the policy rejects leaves a gap in the numbers.
                (0..).zip(stored).filter_map(|(id, a)| Some((id, self.pool.get(a.some()?).clone()))).collect()
            }
        }
    }

    /// What a speaker sends over a session, sorted by prefix: before policy what it would send unchanged, after policy
    /// what is on its way, the protocol's own changes included. Empty where it has no such session.
    pub fn adj_rib_out(&self, session: &ResourceId, speaker: &ResourceId, stage: Stage) -> Vec<Passed> {
        let Some(e) = self.end_of(session, speaker) else { return Vec::new() };
        self.passed(|group| match stage {
            Stage::PrePolicy => {
                let several = self.plan.ends[(e ^ 1) as usize].slots.len();
                let offered = self.offered(group, e).into_iter();
                let sent = offered.filter(|route| {
                    self.exchange().withheld(group, e, (route.from, route.attributes)).is_none()
                });
                let sent = sent.take(several).map(|route| self.pool.get(route.attributes).clone());
                (0..).zip(sent).collect()
            }
            Stage::PostPolicy => self.sent(group, e),
        })
    }

    /// The speaker of the same system with a router id.
    pub(crate) fn with_router_id(&self, speaker: &ResourceId, id: std::net::Ipv4Addr) -> Option<&ResourceId> {
        let asn = self.plan.speakers[*self.plan.by_id.get(speaker)? as usize].outer_asn;
        let mut of_system = self.plan.speakers.iter().filter(|s| s.outer_asn == asn);
        of_system.find(|s| s.receiver.router_id == id).map(|s| &s.id)
    }

    /// The end of a session at a speaker.
    pub(super) fn end_of(&self, session: &ResourceId, speaker: &ResourceId) -> Option<EndIx> {
        let first = 2 * *self.plan.session_by_id.get(session)?;
        let speaker = *self.plan.by_id.get(speaker)?;
        [first, first + 1].into_iter().find(|e| self.plan.ends[*e as usize].speaker == speaker)
    }

    fn sorted_prefixes(&self, wanted: bool) -> Vec<(IpNet, Signature)> {
        if wanted { self.prefixes.sorted() } else { Vec::new() }
    }

    fn passed(&self, what: impl Fn(&Group) -> Vec<(u32, PathAttributes)>) -> Vec<Passed> {
        let mut passed = Vec::new();
        for &(prefix, signature) in self.sorted().iter() {
            let Some(group) = self.group_at(signature) else { continue };
            for (path_id, attributes) in what(group) {
                passed.push(Passed { prefix, attributes, path_id });
            }
        }
        passed
    }

    /// The routes that a speaker has to offer over an end: the best, or all it could use, best first.
    fn offered(&self, group: &Group, e: EndIx) -> Vec<Gathered> {
        let speaker = self.plan.ends[e as usize].speaker;
        if self.plan.ends[(e ^ 1) as usize].slots.len() > 1 {
            let exchange = self.exchange();
            let mut left = Vec::new();
            exchange.gather(group, speaker, &mut left);
            return std::iter::from_fn(|| exchange.next_best(group, speaker, &mut left)).collect();
        }
        match best_of(group, speaker) {
            (Best::None, _) => Vec::new(),
            (from, attributes) => vec![Gathered { from, attributes }],
        }
    }

    /// What an end sends of each of the speaker's routes in turn, until all places at the other end are taken: each with
    /// the route it was made of.
    pub(super) fn sends(&self, group: &Group, e: EndIx) -> Vec<((Best, AttrId), PathAttributes)> {
        let exchange = self.exchange();
        if exchange.makes_default(group, e) {
            let best = best_of(group, self.plan.ends[e as usize].speaker);
            let made = exchange.send(group, e, best, None);
            return made.into_iter().map(|made| ((Best::None, AttrId::NONE), made)).collect();
        }
        let several = self.plan.ends[(e ^ 1) as usize].slots.len();
        let offered = self.offered(group, e).into_iter().map(|route| (route.from, route.attributes));
        let sent = offered.filter_map(|route| Some((route, exchange.send(group, e, route, None).ok()?)));
        sent.take(several).collect()
    }

    /// What an end sends.
    fn sent(&self, group: &Group, e: EndIx) -> Vec<(u32, PathAttributes)> {
        (0..).zip(self.sends(group, e).into_iter().map(|(_, sent)| sent)).collect()
    }

    /// Why a speaker does not send its best route of a prefix to a neighbour; `None` where it does.
    pub fn not_sent(&self, session: &ResourceId, speaker: &ResourceId, prefix: &IpNet) -> Option<NotSent> {
        let e = self.end_of(session, speaker)?;
        let Some(group) = self.group(&prefix.trunc()) else { return Some(NotSent::Nothing) };
        let route = best_of(group, self.plan.ends[e as usize].speaker);
        self.exchange().send(group, e, route, None).err()
    }

    /// Why a speaker does not keep what a neighbour sends it for a prefix; `None` where it does, or nothing is sent.
    pub fn not_accepted(
        &self,
        session: &ResourceId,
        speaker: &ResourceId,
        prefix: &IpNet,
    ) -> Option<NotAccepted> {
        let e = self.end_of(session, speaker)?;
        let group = self.group(&prefix.trunc())?;
        let (_, sent) = self.sends(group, e ^ 1).into_iter().next()?;
        self.exchange().accept(group, e, sent, None).err()
    }

    fn best_in(&self, group: &Group, speaker: SpeakerIx, prefix: IpNet) -> Option<Route<'_>> {
        let (from, attributes) = best_of(group, speaker);
        (from != Best::None).then(|| self.route(group, prefix, from, attributes))
    }

    fn route(&self, group: &Group, prefix: IpNet, from: Best, attributes: AttrId) -> Route<'_> {
        Route { prefix, attributes: self.pool.get(attributes), from: self.from(group, from) }
    }

    pub(super) fn from(&self, group: &Group, from: Best) -> LearnedFrom<'_> {
        match from {
            Best::Slot(slot) => {
                let e = self.plan.slot_end[slot as usize] as usize;
                LearnedFrom::Neighbor {
                    speaker: &self.plan.speakers[self.plan.ends[e].peer as usize].id,
                    session: &self.plan.sessions[e / 2].id,
                }
            }
            Best::Local(i) => LearnedFrom::Local(group.locals[i as usize].kind),
            Best::None => LearnedFrom::Local(LocalRoute::Network),
        }
    }

    pub(super) fn rib_prefix(&self, group: &Group, speaker: SpeakerIx, prefix: IpNet) -> RibPrefix<'_> {
        let exchange = self.exchange();
        let mut found = Vec::new();
        exchange.gather(group, speaker, &mut found);
        let candidates: Vec<Candidate<'_>> =
            found.iter().map(|route| exchange.candidate(group, speaker, route)).collect();
        let decision = decision::decide(&candidates, &self.plan.speakers[speaker as usize].settings);
        let entries = found.iter().enumerate().map(|(i, route)| {
            let lost = decision.lost.iter().find(|(loser, ..)| *loser == i);
            RibEntry {
                route: self.route(group, prefix, route.from, route.attributes),
                standing: match lost {
                    _ if decision.best == Some(i) => Standing::Best,
                    Some((_, step, to)) if !decision.multipath.contains(&i) => {
                        Standing::Lost { step: *step, to: *to }
                    }
                    _ => Standing::Multipath,
                },
                igp_cost: candidates[i].igp_cost,
            }
        });
        RibPrefix { prefix, entries: entries.collect(), undetermined: decision.undetermined }
    }
}
