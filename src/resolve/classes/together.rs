//! Sorted tables of prefixes, side by side.

use std::ops::Range;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::cuts::Cuts;
use super::sweep::{NOTHING, span};
use crate::control_plane::Numbered;

/// Where a prefix stands among others: its first address, then its length.
type Place = (u128, u8);

/// A sorted table, with what comes next of it.
struct Ahead<'t> {
    rest: Numbered<'t>,
    next: Option<(Place, IpNet, u32)>,
}

impl<'t> Ahead<'t> {
    fn new(rest: Numbered<'t>) -> Self {
        let mut table = Self { rest, next: None };
        table.step();
        table
    }

    fn step(&mut self) {
        let place = |prefix: &IpNet| (span(prefix).0, prefix.prefix_len());
        self.next = self.rest.next().map(|(prefix, number)| (place(&prefix), prefix, number));
    }

    /// The number of the prefix at a place, if it is the next one.
    fn take(&mut self, at: Place) -> Option<u32> {
        let (.., number) = self.next.filter(|(place, ..)| *place == at)?;
        self.step();
        Some(number)
    }
}

/// A sorted table, with those of its prefixes that may hold the next place that is asked for.
struct Holding<'t> {
    ahead: Ahead<'t>,
    /// The last address, the place and the number of each.
    around: Vec<(u128, Place, u32)>,
}

impl<'t> Holding<'t> {
    fn new(rows: &'t [(IpNet, u32)]) -> Self {
        Self { ahead: Ahead::new(Box::new(rows.iter().copied())), around: Vec::new() }
    }

    /// The longest prefix around a place, and whether it is that one. Places are asked for in order.
    fn longest(&mut self, at: Place) -> (u32, bool) {
        while let Some((place, prefix, number)) = self.ahead.next.filter(|(place, ..)| *place <= at) {
            while self.around.pop_if(|(last, ..)| *last < place.0).is_some() {}
            self.around.push((span(&prefix).1, place, number));
            self.ahead.step();
        }
        while self.around.pop_if(|(last, ..)| *last < at.0).is_some() {}
        self.around.last().map_or((NOTHING, false), |(_, place, number)| (*number, *place == at))
    }
}

/// Tables side by side: each prefix that any of them has, with a number for what all of them say of it and for the
/// longest declared prefix around it, as far as what is learned there can be told apart by it: where gateways know the
/// prefix, every declared one counts, and else those outside.
pub(super) struct Together<'t> {
    tables: Vec<Ahead<'t>>,
    declared: Holding<'t>,
    outside: Holding<'t>,
    gateways: Range<usize>,
    /// None but gateways asks where a learned prefix lies.
    alone: bool,
    numbers: FxHashMap<Box<[u32]>, u32>,
    said: Vec<u32>,
}

/// What is said of a prefix before what tables say.
const HEAD: usize = 3;

impl<'t> Together<'t> {
    pub(super) fn new(cuts: &'t Cuts<'_>, v4: bool) -> Self {
        let family = usize::from(!v4);
        let (gateways, alone) = cuts.gateways();
        Self {
            tables: cuts.tables(v4).into_iter().map(Ahead::new).collect(),
            declared: Holding::new(&cuts.declared.sorted[family]),
            outside: Holding::new(&cuts.declared.outside[family]),
            gateways,
            alone,
            numbers: FxHashMap::default(),
            said: Vec::new(),
        }
    }
}

impl Iterator for Together<'_> {
    type Item = (IpNet, u32);

    fn next(&mut self) -> Option<(IpNet, u32)> {
        // Few tables hold many prefixes each: a scan of their heads is cheaper than a heap.
        let heads = self.tables.iter().filter_map(|table| table.next);
        let (at, prefix, _) = heads.min_by_key(|(place, ..)| *place)?;
        self.said.clear();
        self.said.resize(HEAD, 0);
        self.said.extend(self.tables.iter_mut().map(|table| table.take(at).unwrap_or(NOTHING)));
        let of_gateways = self.said.get(HEAD..).and_then(|said| said.get(self.gateways.clone()));
        let unknown = of_gateways.is_none_or(|said| said.iter().all(|number| *number == NOTHING));
        let holding = if unknown && self.alone { &mut self.outside } else { &mut self.declared };
        let (around, same) = holding.longest(at);
        // A declared prefix may be learned too, which is not the same as one learned inside it. The default route counts
        // by itself (FT-11, VWAN-4).
        let head = [around, u32::from(same), u32::from(prefix.prefix_len() == 0)];
        self.said[..HEAD].copy_from_slice(&head);
        let next = u32::try_from(self.numbers.len()).unwrap_or(NOTHING - 1);
        let number = match self.numbers.get(&self.said[..]) {
            Some(number) => *number,
            None => {
                self.numbers.insert(self.said.clone().into_boxed_slice(), next);
                next
            }
        };
        Some((prefix, number))
    }
}
