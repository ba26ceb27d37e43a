//! What tables say, by numbers: prefixes that a table treats alike have one.

use std::hash::Hash;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::{CONNECTED, Exit, OnPremises};

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
    /// Every table by prefix that [`route`](Self::route) and the entries read, computed BGP aside.
    pub(crate) fn tables(&self) -> Vec<Numbered<'_>> {
        let key = |exits: &Vec<usize>| -> Vec<_> {
            let one = |e: &usize| {
                let Exit { at, prefix: _, kind, preference, scope, only_site, computed } = &self.exits[*e];
                (*at, kind.clone(), *preference, scope.clone(), *only_site, *computed)
            };
            exits.iter().map(one).collect()
        };
        let standing = numbered(self.exits.standing.table.iter().map(move |(p, exits)| (p, key(exits))));
        let mut tables = vec![standing, numbered(self.table.iter().map(move |(p, exits)| (p, key(exits))))];
        let mut announced: Vec<_> = self.exits.standing.announced_at.iter().collect();
        announced.sort_by(|a, b| a.0.cmp(b.0));
        tables.extend(announced.into_iter().map(|(_, at)| numbered(at.iter())));
        tables
    }

    /// Prefixes that lead to hosts whatever longer prefixes others tell: they part addresses by themselves.
    pub(crate) fn connected(&self) -> impl Iterator<Item = IpNet> {
        let all = self.exits.standing.exits.iter().chain(&self.exits.others);
        all.filter(|exit| exit.preference == CONNECTED).map(|exit| exit.prefix)
    }
}
