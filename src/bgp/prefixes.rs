//! Prefixes and the groups they fall into.
//!
//! A prefix's *signature* is everything the engine can tell it by: what enters BGP for it and where, what policies see
//! of it, which aggregates cover it. Signatures are chains of items, each chain stored once, so that a million prefixes
//! cost one small look-up for each announcement.

use std::ops::Range;

use indexmap::IndexMap;
use ipnet::IpNet;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::plan::index;
use super::state::Local;

/// A signature: a position among all chains. 0 is the empty one: nothing enters BGP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Signature(u32);

impl Signature {
    pub(super) const EMPTY: Self = Self(0);
}

/// One thing that tells prefixes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Item {
    /// A route that a speaker has of its own: its position in the table of those.
    Local(u32),
    /// What policies see.
    Treatment(u32),
    /// An aggregate around it, which may keep it from being sent.
    Inside(u32),
    /// An aggregate of just this prefix.
    Aggregate(u32),
    /// The default route, which ends may make.
    Default,
    /// IPv6: treated by its family.
    V6,
}

/// Chains of items, each stored once.
#[derive(Clone, Debug)]
pub(super) struct Signatures {
    /// What a chain adds to which.
    chains: Vec<(u32, Item)>,
    index: FxHashMap<(u32, Item), u32>,
    /// Routes of speakers' own, each stored once.
    locals: indexmap::IndexSet<Local, FxBuildHasher>,
    treatments: indexmap::IndexSet<Box<[u32]>, FxBuildHasher>,
}

impl Signatures {
    pub(super) fn new() -> Self {
        Self {
            chains: vec![(0, Item::Default)],
            index: FxHashMap::default(),
            locals: indexmap::IndexSet::default(),
            treatments: indexmap::IndexSet::default(),
        }
    }

    pub(super) fn with(&mut self, signature: Signature, item: Item) -> Signature {
        let next = index(self.chains.len());
        let found = *self.index.entry((signature.0, item)).or_insert(next);
        if found == next {
            self.chains.push((signature.0, item));
        }
        Signature(found)
    }

    pub(super) fn local(&mut self, local: Local) -> Item {
        Item::Local(index(self.locals.insert_full(local).0))
    }

    pub(super) fn local_at(&self, at: u32) -> Local {
        self.locals[at as usize]
    }

    pub(super) fn treatment(&mut self, treatment: &[u32]) -> Option<Item> {
        if treatment.is_empty() {
            return None;
        }
        let at = match self.treatments.get_index_of(treatment) {
            Some(at) => at,
            None => self.treatments.insert_full(treatment.into()).0,
        };
        Some(Item::Treatment(index(at)))
    }

    /// The items of a chain, first to last.
    pub(super) fn items(&self, signature: Signature) -> Vec<Item> {
        let mut items = Vec::new();
        let mut at = signature.0;
        while at != 0 {
            let (before, item) = self.chains[at as usize];
            items.push(item);
            at = before;
        }
        items.reverse();
        items
    }

    /// The last item of a chain.
    pub(super) fn last(&self, signature: Signature) -> Option<Item> {
        (signature.0 != 0).then(|| self.chains[signature.0 as usize].1)
    }

    pub(super) fn len(&self) -> usize {
        self.chains.len()
    }

    pub(super) fn shrink(&mut self) {
        self.chains.shrink_to_fit();
        self.index.shrink_to_fit();
        self.locals.shrink_to_fit();
    }

    pub(super) fn position(signature: Signature) -> usize {
        signature.0 as usize
    }
}

/// Every prefix that was ever announced, with its group.
#[derive(Clone, Debug, Default)]
pub(super) struct Prefixes {
    groups: IndexMap<IpNet, Signature, FxBuildHasher>,
}

impl Prefixes {
    /// The prefix's entry, made if missing, where it is probably the one at `next`, which then moves on. Speakers that
    /// announce the same list are spared a look-up for each of its prefixes.
    pub(super) fn entry_near(&mut self, prefix: IpNet, next: &mut usize) -> &mut Signature {
        let found = self.groups.get_index(*next).is_some_and(|(known, _)| *known == prefix);
        let at = match found {
            true => *next,
            false => {
                let entry = self.groups.entry(prefix);
                let at = entry.index();
                entry.or_insert(Signature::EMPTY);
                at
            }
        };
        *next = at + 1;
        &mut self.groups[at]
    }

    /// The prefix's entry, made if missing.
    pub(super) fn entry(&mut self, prefix: IpNet) -> &mut Signature {
        self.groups.entry(prefix.trunc()).or_insert(Signature::EMPTY)
    }

    pub(super) fn get(&self, prefix: &IpNet) -> Option<Signature> {
        self.groups.get(&prefix.trunc()).copied().filter(|s| *s != Signature::EMPTY)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&IpNet, Signature)> {
        self.groups.iter().map(|(prefix, signature)| (prefix, *signature))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&IpNet, &mut Signature)> {
        self.groups.iter_mut()
    }

    pub(super) fn reserve(&mut self, more: usize) {
        self.groups.reserve(more);
    }

    pub(super) fn shrink(&mut self) {
        self.groups.shrink_to_fit();
    }

    /// All prefixes with their groups, sorted: IPv4 first, by address, shorter ones first.
    pub(super) fn sorted(&self) -> Vec<(IpNet, Signature)> {
        let mut all: Vec<(IpNet, Signature)> =
            self.iter().filter(|(_, s)| *s != Signature::EMPTY).map(|(p, s)| (*p, s)).collect();
        all.sort_unstable_by_key(|(prefix, _)| *prefix);
        all
    }
}

/// The prefixes strictly inside one, as a range of a sorted list.
pub(super) fn inside(sorted: &[(IpNet, Signature)], prefix: &IpNet) -> Range<usize> {
    let start = sorted.partition_point(|(p, _)| p <= prefix);
    let end = start + sorted[start..].partition_point(|(p, _)| prefix.contains(p));
    start..end
}
