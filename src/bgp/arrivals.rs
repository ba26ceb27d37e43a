//! What arrives over a session, by route group: for callers that look at every prefix of a large table.

use std::sync::Arc;

use ipnet::IpNet;

use super::engine::Engine;
use super::prefixes::{Signature, Signatures};
use super::rib::Stage;
use super::state::Group;
use crate::model::ResourceId;
use crate::model::bgp::PathAttributes;

/// What a speaker receives over a session; attributes stand once for a route group.
#[derive(Debug)]
pub(crate) struct Arrivals<'e> {
    engine: &'e Engine,
    /// By position of the group.
    groups: Vec<Vec<PathAttributes>>,
    /// All prefixes of the engine, sorted.
    sorted: Arc<Vec<(IpNet, Signature)>>,
}

impl Arrivals<'_> {
    /// Prefixes for which something arrives, sorted, each with its group and what arrives.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (IpNet, u32, &[PathAttributes])> {
        let arrives = |(prefix, signature): &(IpNet, Signature)| {
            let group = *self.engine.group_of.get(Signatures::position(*signature))?;
            let routes = self.groups.get(group as usize)?.as_slice();
            (!routes.is_empty()).then_some((*prefix, group, routes))
        };
        self.sorted.iter().filter_map(arrives)
    }

    /// What arrives for the prefixes of a group.
    pub(crate) fn of_group(&self, group: u32) -> &[PathAttributes] {
        self.groups.get(group as usize).map_or(&[], Vec::as_slice)
    }
}

impl Engine {
    /// What [`adj_rib_in`](Self::adj_rib_in) tells, by group.
    pub(crate) fn arrivals(&self, session: &ResourceId, speaker: &ResourceId, stage: Stage) -> Arrivals<'_> {
        let groups = self.arriving(session, speaker, stage).map(|(_, routes)| routes).collect();
        Arrivals { engine: self, groups, sorted: self.sorted() }
    }

    /// How many routes arrive over a session that count, each prefix for itself. One of a group stands for all.
    pub(crate) fn count_arrivals(
        &self,
        session: &ResourceId,
        speaker: &ResourceId,
        stage: Stage,
        counts: impl Fn(&IpNet, &PathAttributes) -> bool,
    ) -> usize {
        let of_group = |(group, routes): (&Group, Vec<PathAttributes>)| {
            let routes = routes.iter().filter(|attributes| counts(&group.prefix, attributes)).count();
            routes * group.members as usize
        };
        self.arriving(session, speaker, stage).map(of_group).sum()
    }

    /// Whether a speaker receives over a session just what it received before this engine, a clone of `before`, was
    /// told of lost sessions, links or speakers.
    pub(crate) fn receives_as(&self, before: &Self, session: &ResourceId, speaker: &ResourceId) -> bool {
        let (Some(e), Some(was)) = (self.end_of(session, speaker), before.end_of(session, speaker)) else {
            return false;
        };
        let slots = |engine: &Self, group: &Group, e: u32| {
            let slots = &engine.plan.ends[e as usize].slots;
            group.slots.get(slots.start as usize..slots.end as usize).unwrap_or(&[]).to_vec()
        };
        // Attributes are stored once and never moved, so that equal positions are equal attributes.
        Arc::ptr_eq(&self.plan, &before.plan)
            && self.groups.len() == before.groups.len()
            && self.groups.iter().zip(&before.groups).all(|(now, then)| {
                now.members == then.members && slots(self, now, e) == slots(before, then, was)
            })
    }

    /// Whether there is such a session.
    pub(crate) fn has_session(&self, session: &ResourceId) -> bool {
        self.plan.session_by_id.contains_key(session)
    }

    /// By group what arrives.
    fn arriving<'e>(
        &'e self,
        session: &ResourceId,
        speaker: &ResourceId,
        stage: Stage,
    ) -> impl Iterator<Item = (&'e Group, Vec<PathAttributes>)> {
        let end = self.end_of(session, speaker);
        self.groups.iter().map(move |group| {
            let routes = match end {
                Some(e) if group.members > 0 => self.arrives(group, e, stage),
                _ => Vec::new(),
            };
            (group, routes.into_iter().map(|(_, attributes)| attributes).collect())
        })
    }
}
