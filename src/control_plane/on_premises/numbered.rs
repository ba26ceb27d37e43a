//! What tables say, by numbers: prefixes that a table treats alike have one.

use std::hash::Hash;
use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::{CONNECTED, OnPremises, Standing};

/// What a table by prefix says, its prefixes in order: those that it treats alike have one number.
pub(crate) type Numbered<'t> = Box<dyn Iterator<Item = (IpNet, u32)> + 't>;

/// Numbers what a table says, in the order in which it says it first.
pub(crate) fn numbered<'t, K: Eq + Hash + 't>(rows: impl Iterator<Item = (IpNet, K)> + 't) -> Numbered<'t> {
    let mut numbers: FxHashMap<K, u32> = FxHashMap::default();
    Box::new(rows.map(move |(prefix, key)| {
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        (prefix, *numbers.entry(key).or_insert(next))
    }))
}

impl OnPremises {
    /// Every table by prefix that [`route`](Self::route) and the entries read, of a family, computed BGP aside.
    pub(crate) fn tables(&self, v4: bool) -> Vec<Numbered<'_>> {
        let standing = &self.exits.standing;
        vec![
            Box::new(standing.table.iter_numbered(v4)),
            Box::new(self.told(v4)),
            Box::new(standing.announced_at.iter_numbered(v4)),
        ]
    }

    /// The table of what is told over sessions and links, which failures of them change.
    pub(crate) fn told(&self, v4: bool) -> impl Iterator<Item = (IpNet, u32)> {
        self.table.iter_numbered(v4)
    }

    /// Prefixes that lead to hosts whatever longer prefixes others tell: they part addresses by themselves. What stands
    /// by itself has all of them.
    pub(crate) fn connected(&self) -> impl Iterator<Item = IpNet> {
        let connected = |exits: &[usize]| exits.iter().any(|e| self.exits[*e].preference == CONNECTED);
        self.exits.standing.table.iter().filter(move |(_, exits)| connected(exits)).map(|(prefix, _)| prefix)
    }

    /// What stands by itself, to be told from that of another network.
    pub(crate) fn standing(&self) -> StandingKey {
        StandingKey(Arc::clone(&self.exits.standing))
    }
}

/// What sites have by themselves, by identity: equal where it is shared.
#[derive(Clone, Debug)]
pub(crate) struct StandingKey(Arc<Standing>);

impl PartialEq for StandingKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
