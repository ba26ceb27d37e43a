//! What changes while the engine runs: what is up, and each group's routes.

use ipnet::IpNet;

use super::decision::LocalRoute;
use super::plan::{EndIx, Plan, SlotIx, SpeakerIx};
use super::pool::AttrId;
use crate::model::bgp::SourceProtocol;

/// What is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) speakers: Vec<bool>,
    /// Sessions that nobody switched off.
    pub(super) sessions: Vec<bool>,
    pub(super) links: Vec<bool>,
    /// Sessions that a prefix limit took down.
    pub(super) over_limit: Vec<bool>,
}

impl Live {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            speakers: vec![true; plan.speakers.len()],
            sessions: plan.sessions.iter().map(|s| !s.shutdown).collect(),
            links: vec![true; plan.links.len()],
            over_limit: vec![false; plan.sessions.len()],
        }
    }

    /// Whether the session of an end is established.
    pub(super) fn up(&self, plan: &Plan, end: EndIx) -> bool {
        let session = end as usize / 2;
        let ends = [end, end ^ 1].map(|e| plan.ends[e as usize].speaker as usize);
        self.sessions[session] && !self.over_limit[session] && ends.iter().all(|s| self.speakers[*s])
    }
}

/// A route that a speaker has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Local {
    pub(super) speaker: SpeakerIx,
    pub(super) kind: LocalRoute,
    pub(super) protocol: SourceProtocol,
    pub(super) attributes: AttrId,
}

/// Which of a speaker's routes is its best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Best {
    None,
    /// One of the group's own routes.
    Local(u32),
    /// A received one.
    Slot(SlotIx),
}

/// Prefixes that enter at the same places with the same attributes and that every policy treats alike: their routes
/// everywhere.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// A prefix that stands for all.
    pub(super) prefix: IpNet,
    /// How many prefixes there are.
    pub(super) members: u32,
    pub(super) locals: Box<[Local]>,
    /// Aggregates that the prefixes lie strictly inside and that may keep them from being sent.
    pub(super) inside: Box<[u32]>,
    /// Every end may make its own default route for it.
    pub(super) default_route: bool,
    /// What is received, after import policy.
    pub(super) slots: Box<[AttrId]>,
    pub(super) best: Box<[(Best, AttrId)]>,
    pub(super) outcome: Outcome,
}

/// How a group's run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Not run yet.
    Fresh,
    /// Nothing changes any more.
    Stable,
    /// The same states come again and again: this many steps.
    Cycle(u32),
    /// The budget ended first.
    Unknown,
}

impl Group {
    pub(super) fn v4(&self) -> bool {
        matches!(self.prefix, IpNet::V4(_))
    }

    /// A speaker's own routes with their positions.
    pub(super) fn locals_of(&self, speaker: SpeakerIx) -> impl Iterator<Item = (u32, &Local)> {
        (0..).zip(&self.locals).filter(move |(_, l)| l.speaker == speaker)
    }
}
