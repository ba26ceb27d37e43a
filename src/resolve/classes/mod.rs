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
mod together;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use crate::fib::{Fib, FibError};
pub(super) use cuts::{Cuts, Declared, Learned, Plain};
pub(super) use judge::Judge;
use sweep::{Abreast, Longest, NOTHING, Open, Sweep, last_of};
pub(crate) use sweep::{address, prefixes_of, span};

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
    fib: Fib,
    v4: Side<u32>,
    v6: Side<u128>,
    /// The first address of each class.
    first: Vec<IpAddr>,
}

/// The runs of one family: where each starts, and its class.
#[derive(Debug)]
struct Side<A> {
    starts: Vec<A>,
    classes: Vec<u32>,
}

impl<A: Copy + Into<u128>> Side<A> {
    fn at(&self, number: u128) -> usize {
        self.starts.partition_point(|start| (*start).into() <= number) - 1
    }

    fn each(&self, first: u128, last: u128, end: u128, run: &mut impl FnMut(u128, u128, Class)) {
        let mut at = self.at(first);
        let mut from = first;
        while from <= last {
            let Some(class) = self.classes.get(at) else { return };
            let until = self.starts.get(at + 1).map_or(end, |next| (*next).into() - 1);
            run(from, until.min(last), Class(*class));
            if until >= last {
                return;
            }
            from = until + 1;
            at += 1;
        }
    }

    /// The classes from one address to another, each run's.
    fn between(&self, first: u128, last: u128) -> &[u32] {
        &self.classes[self.at(first)..=self.at(last)]
    }

    fn prefixes(&self, class: u32, v4: bool, into: &mut Vec<IpNet>) {
        for (at, _) in self.classes.iter().enumerate().filter(|(_, c)| **c == class) {
            let last = self.starts.get(at + 1).map_or(last_of(v4), |next| (*next).into() - 1);
            prefixes_of(self.starts[at].into(), last, v4, into);
        }
    }

    fn bytes(&self) -> usize {
        self.starts.capacity() * size_of::<A>() + self.classes.capacity() * size_of::<u32>()
    }
}

impl Classes {
    /// Cuts and refines. `judge` answers for an address all that learned routes decide.
    ///
    /// # Errors
    /// More runs than a table holds.
    pub(super) fn new(cuts: &Cuts<'_>, learned: &Learned, judge: &mut Judge<'_>) -> Result<Self, FibError> {
        let mut first = Vec::new();
        let v4 = Side::<u32>::refine(cuts, learned, judge, true, &mut first);
        let v6 = Side::<u128>::refine(cuts, learned, judge, false, &mut first);
        let fib = Fib::from_ranges(
            v4.starts.iter().zip(&v4.classes).map(|(start, class)| (Ipv4Addr::from(*start), Some(*class))),
            v6.starts.iter().zip(&v6.classes).map(|(start, class)| (Ipv6Addr::from(*start), Some(*class))),
        )?;
        Ok(Self { fib, v4, v6, first })
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
    #[inline(always)]
    pub fn class_of(&self, address: IpAddr) -> Class {
        // Every address is in a class; the first one stands in for what cannot be.
        Class(self.fib.longest_match(address).unwrap_or(0))
    }

    /// The classes of many IPv4 addresses, by number; pairs beyond the shorter slice are left alone.
    pub(super) fn classes_of_v4(&self, addresses: &[Ipv4Addr], classes: &mut [u32]) {
        self.fib.longest_match_many_v4(addresses, classes);
    }

    /// The first address of a class of this network; `None` for a number that another network made.
    pub fn first_address(&self, class: Class) -> Option<IpAddr> {
        self.first.get(class.index()).copied()
    }

    /// All addresses of a class, as the fewest prefixes, in order. Costs a pass over the family's runs.
    pub fn prefixes(&self, class: Class) -> Vec<IpNet> {
        let mut found = Vec::new();
        self.v4.prefixes(class.0, true, &mut found);
        self.v6.prefixes(class.0, false, &mut found);
        found
    }

    /// The classes that a prefix's addresses are in, sorted.
    pub fn within(&self, prefix: &IpNet) -> Vec<Class> {
        let (first, last) = sweep::span(prefix);
        let runs = match prefix.addr().is_ipv4() {
            true => self.v4.between(first, last),
            false => self.v6.between(first, last),
        };
        let mut found: Vec<Class> = runs.iter().map(|class| Class(*class)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Calls with each run of addresses, cut to those from a first to a last, and its class.
    pub(crate) fn each_run(
        &self,
        v4: bool,
        (first, last): (u128, u128),
        mut run: impl FnMut(u128, u128, Class),
    ) {
        match v4 {
            true => self.v4.each(first, last, u128::from(u32::MAX), &mut run),
            false => self.v6.each(first, last, u128::MAX, &mut run),
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let firsts = self.first.capacity() * size_of::<IpAddr>();
        self.fib.memory() + self.v4.bytes() + self.v6.bytes() + firsts
    }
}

impl<A: Copy + Into<u128> + TryFrom<u128>> Side<A> {
    /// Cuts one family; `first` takes the first address of each new class.
    fn refine(
        cuts: &Cuts<'_>,
        learned: &Learned,
        judge: &mut Judge<'_>,
        v4: bool,
        first: &mut Vec<IpAddr>,
    ) -> Self {
        let declared = cuts.declared.sorted[usize::from(!v4)].iter().copied();
        let mut layers: Vec<Box<dyn Iterator<Item = (u128, u32)>>> =
            vec![Box::new(Sweep::new(declared, v4, Longest))];
        for marks in &cuts.marks {
            let marked = marks.iter_family(v4).map(|(prefix, ())| (prefix, 0));
            layers.push(Box::new(Sweep::new(marked, v4, Longest)));
        }
        let learned = learned.prefixes[usize::from(!v4)].iter().copied();
        layers.push(Box::new(Sweep::new(
            learned,
            v4,
            Chains { judge, v4, numbers: FxHashMap::default(), answers: FxHashMap::default() },
        )));
        let mut abreast = Abreast::new(layers);
        let mut known: FxHashMap<Box<[u32]>, u32> = FxHashMap::default();
        let mut side = Self { starts: Vec::new(), classes: Vec::new() };
        while let Some((start, said)) = abreast.advance() {
            let class = match known.get(said) {
                Some(class) => *class,
                None => {
                    let class = u32::try_from(first.len()).unwrap_or(u32::MAX);
                    known.insert(said.into(), class);
                    first.push(address(start, v4));
                    class
                }
            };
            if side.classes.last() != Some(&class)
                && let Ok(start) = A::try_from(start)
            {
                side.starts.push(start);
                side.classes.push(class);
            }
        }
        side.starts.shrink_to_fit();
        side.classes.shrink_to_fit();
        side
    }
}

/// What is decided inside nested prefixes. It is asked once for each chain of them: by what is said of the innermost one
/// and what is decided around it, where that was asked already.
///
/// That is enough, because a step that finds nothing to its taste at a prefix goes on to the ones around it, and how much
/// farther it looks (to hosts that are connected there) hangs on declared prefixes, which are part of what is said.
struct Chains<'j, 'n> {
    judge: &'j mut Judge<'n>,
    v4: bool,
    numbers: FxHashMap<(Around, u32), u32>,
    /// By number of a chain: all answers, and what of them is met there.
    answers: FxHashMap<u32, (u32, u32)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Around {
    Answer(u32),
    /// No address of its own has been asked yet.
    Chain(u32),
}

impl Open for Chains<'_, '_> {
    fn open(&mut self, around: u32, value: u32) -> u32 {
        let around = self.answers.get(&around).map_or(Around::Chain(around), |(all, _)| Around::Answer(*all));
        let next = u32::try_from(self.numbers.len()).unwrap_or(NOTHING - 1);
        *self.numbers.entry((around, value)).or_insert(next)
    }

    fn say(&mut self, chain: u32, start: u128) -> u32 {
        let said = *self.answers.entry(chain).or_insert_with(|| self.judge.ask(address(start, self.v4)));
        debug_assert_eq!(said, self.judge.ask(address(start, self.v4)), "{}", address(start, self.v4));
        said.1
    }
}
