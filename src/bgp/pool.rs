//! Attribute sets, each stored once.

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

use super::plan::index;
use crate::model::bgp::PathAttributes;

/// A stored attribute set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct AttrId(u32);

impl AttrId {
    /// No route.
    pub(super) const NONE: Self = Self(u32::MAX);

    pub(super) fn is_some(self) -> bool {
        self != Self::NONE
    }

    pub(super) fn some(self) -> Option<Self> {
        self.is_some().then_some(self)
    }
}

/// Every attribute set that a run met. Sets are never taken out: a long series of changes keeps what it met.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    sets: IndexSet<PathAttributes, FxBuildHasher>,
    /// The next hop of each set, resolved once: its row of the IGP, and one more than that; 0 is not looked up yet.
    next_hops: Vec<u32>,
}

impl Pool {
    pub(super) fn store(&mut self, attributes: PathAttributes) -> AttrId {
        let (position, new) = self.sets.insert_full(attributes);
        if new {
            self.next_hops.push(0);
        }
        AttrId(index(position))
    }

    pub(super) fn get(&self, id: AttrId) -> &PathAttributes {
        &self.sets[id.0 as usize]
    }

    /// The row of the next hop, if it was looked up.
    pub(super) fn next_hop(&self, id: AttrId) -> Option<u32> {
        self.next_hops[id.0 as usize].checked_sub(1)
    }

    pub(super) fn set_next_hop(&mut self, id: AttrId, row: u32) {
        self.next_hops[id.0 as usize] = row + 1;
    }

    pub(super) fn shrink(&mut self) {
        self.sets.shrink_to_fit();
        self.next_hops.shrink_to_fit();
    }

    pub(super) fn len(&self) -> usize {
        self.sets.len()
    }
}
