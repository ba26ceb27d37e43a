//! Destination classes: addresses that every forwarding step of a network treats alike.
//!
//! Each family is cut at every prefix that any step tests. What is *declared* (spaces, subnets' own routes, tunnels,
//! rewrites, addresses of appliances and front ends, …) parts addresses by the longest such prefix. What is *learned* (BGP,
//! gateway routes, hub tables) may be a million prefixes that behave alike, so there the answers are asked for, once for
//! each way in which prefixes nest, and addresses with equal answers are one class. Which interface owns an address is
//! not part of a class, unless it does more than receive: the last hop looks it up.

mod cuts;
mod judge;
mod sweep;

use std::net::IpAddr;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

pub(super) use cuts::{Cuts, Plain};
pub(super) use judge::Judge;
pub(super) use sweep::number;
use sweep::{Abreast, Longest, NOTHING, Open, Sweep, address, last_of, prefixes_of};

/// A destination class of one network: a number, dense from 0, IPv4's before IPv6's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub(crate) u32);

impl Class {
    /// Its number, below [`Classes::len`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The destination classes of a network: every address is in exactly one.
///
/// Two addresses of a class take the same ways from every place, with the same ends, up to which host of a subnet
/// receives the packet and which learned prefix matched. The reverse does not hold: two classes may behave alike.
#[derive(Debug)]
pub struct Classes {
    v4: Side,
    v6: Side,
    /// The first address of each class.
    first: Vec<IpAddr>,
}

/// The runs of one family: where each starts, and its class.
#[derive(Debug, Default)]
struct Side {
    starts: Vec<u128>,
    classes: Vec<u32>,
}

impl Side {
    fn at(&self, number: u128) -> usize {
        self.starts.partition_point(|start| *start <= number) - 1
    }
}

impl Classes {
    /// Cuts and refines. `judge` answers for an address all that learned routes decide.
    pub(super) fn new(cuts: &Cuts<'_>, judge: &mut Judge<'_>) -> Self {
        let mut classes = Self { v4: Side::default(), v6: Side::default(), first: Vec::new() };
        classes.v4 = classes.refine(cuts, judge, true);
        classes.v6 = classes.refine(cuts, judge, false);
        classes
    }

    fn refine(&mut self, cuts: &Cuts<'_>, judge: &mut Judge<'_>, v4: bool) -> Side {
        let family = move |(prefix, _): &(IpNet, u32)| prefix.addr().is_ipv4() == v4;
        let declared = cuts.declared.iter_family(v4).map(|(prefix, id)| (prefix, *id));
        let mut layers: Vec<Box<dyn Iterator<Item = (u128, u32)>>> =
            vec![Box::new(Sweep::new(declared, v4, Longest))];
        for marks in &cuts.marks {
            let marked = marks.iter_family(v4).map(|(prefix, ())| (prefix, 0));
            layers.push(Box::new(Sweep::new(marked, v4, Longest)));
        }
        let tables = cuts.learned();
        let learned = tables
            .into_iter()
            .map(|table| -> Box<dyn Iterator<Item = (IpNet, u32)>> { Box::new(table.filter(family)) });
        let learned = Together::new(learned.collect(), cuts);
        layers.push(Box::new(Sweep::new(learned, v4, Chains::default())));
        let asked = layers.len() - 1;
        let mut abreast = Abreast::new(layers);
        // By the chain of learned prefixes: what is decided there.
        let mut decided: FxHashMap<u32, u32> = FxHashMap::default();
        let mut known: FxHashMap<Box<[u32]>, u32> = FxHashMap::default();
        let mut side = Side::default();
        let mut said = Vec::new();
        while let Some((start, layers)) = abreast.advance() {
            said.clear();
            said.extend_from_slice(layers);
            let chain = said[asked];
            said[asked] = *decided.entry(chain).or_insert_with(|| judge.ask(address(start, v4)));
            let class = match known.get(&said[..]) {
                Some(class) => *class,
                None => {
                    let class = u32::try_from(self.first.len()).unwrap_or(u32::MAX);
                    known.insert(said.clone().into_boxed_slice(), class);
                    self.first.push(address(start, v4));
                    class
                }
            };
            if side.classes.last() != Some(&class) {
                side.starts.push(start);
                side.classes.push(class);
            }
        }
        side.starts.shrink_to_fit();
        side.classes.shrink_to_fit();
        side
    }

    /// How many classes there are.
    pub fn len(&self) -> usize {
        self.first.len()
    }

    /// Never: each family has one at least.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// How many runs of addresses the classes consist of, both families together.
    pub fn runs(&self) -> usize {
        self.v4.starts.len() + self.v6.starts.len()
    }

    /// Every class, in order.
    pub fn iter(&self) -> impl Iterator<Item = Class> + use<> {
        (0..u32::try_from(self.first.len()).unwrap_or(u32::MAX)).map(Class)
    }

    /// The class of an address. One look-up.
    pub fn class_of(&self, address: IpAddr) -> Class {
        let side = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        Class(side.classes[side.at(number(address))])
    }

    /// The first address of a class of this network; `None` for a number that another network made.
    pub fn first_address(&self, class: Class) -> Option<IpAddr> {
        self.first.get(class.index()).copied()
    }

    /// All addresses of a class, as the fewest prefixes, in order. Costs a pass over the family's runs.
    pub fn prefixes(&self, class: Class) -> Vec<IpNet> {
        let mut found = Vec::new();
        for (v4, side) in [(true, &self.v4), (false, &self.v6)] {
            for (at, _) in side.classes.iter().enumerate().filter(|(_, c)| **c == class.0) {
                let last = side.starts.get(at + 1).map_or(last_of(v4), |next| next - 1);
                prefixes_of(side.starts[at], last, v4, &mut found);
            }
        }
        found
    }

    /// The classes that a prefix's addresses are in, sorted.
    pub fn within(&self, prefix: &IpNet) -> Vec<Class> {
        let v4 = prefix.addr().is_ipv4();
        let side = if v4 { &self.v4 } else { &self.v6 };
        let (first, last) = sweep::span(prefix);
        let mut found: Vec<Class> =
            side.classes[side.at(first)..=side.at(last)].iter().map(|class| Class(*class)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let side = |side: &Side| side.starts.capacity() * 16 + side.classes.capacity() * 4;
        side(&self.v4) + side(&self.v6) + self.first.capacity() * size_of::<IpAddr>()
    }
}

/// Tables side by side: each prefix that any of them has, with a number for what all of them say of it and for the
/// longest declared prefix around it.
struct Together<'t> {
    tables: Vec<std::iter::Peekable<Box<dyn Iterator<Item = (IpNet, u32)> + 't>>>,
    declared: &'t crate::prefix_table::PrefixTable<u32>,
    numbers: FxHashMap<Box<[u32]>, u32>,
    said: Vec<u32>,
}

impl<'t> Together<'t> {
    fn new(tables: Vec<Box<dyn Iterator<Item = (IpNet, u32)> + 't>>, cuts: &'t Cuts<'_>) -> Self {
        let tables = tables.into_iter().map(Iterator::peekable).collect();
        Self { tables, declared: &cuts.declared, numbers: FxHashMap::default(), said: Vec::new() }
    }
}

impl Iterator for Together<'_> {
    type Item = (IpNet, u32);

    fn next(&mut self) -> Option<(IpNet, u32)> {
        // Few tables hold many prefixes each: a scan of their heads is cheaper than a heap.
        let heads = self.tables.iter_mut().filter_map(|table| table.peek().map(|(prefix, _)| *prefix));
        let prefix = heads.min_by_key(|prefix| (sweep::span(prefix).0, prefix.prefix_len()))?;
        self.said.clear();
        self.said.push(self.declared.longest(&prefix).map_or(NOTHING, |(_, id)| *id));
        // The default route counts by itself (FT-11, VWAN-4).
        self.said.push(u32::from(prefix.prefix_len() == 0));
        for table in &mut self.tables {
            let here = table.next_if(|(head, _)| *head == prefix);
            self.said.push(here.map_or(NOTHING, |(_, number)| number));
        }
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

/// Numbers chains of nested prefixes by what is said of each of them.
#[derive(Default)]
struct Chains {
    numbers: FxHashMap<(u32, u32), u32>,
}

impl Open for Chains {
    fn open(&mut self, around: u32, value: u32) -> u32 {
        let next = u32::try_from(self.numbers.len()).unwrap_or(NOTHING - 1);
        *self.numbers.entry((around, value)).or_insert(next)
    }
}
