//! Compiled sets: of prefixes and addresses, and of communities.

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;
use regex_lite::Regex;

use super::pattern::Text;
use crate::model::bgp::{MatchSetOptions, PrefixRange};

/// The bits of an address.
trait Bits: Copy + Ord {
    /// Whether the first so many bits are the same.
    fn agree(self, other: Self, length: u8) -> bool;
}

impl Bits for u32 {
    fn agree(self, other: Self, length: u8) -> bool {
        // Nothing is left of a shift by all the bits there are.
        let rest = Self::BITS.saturating_sub(length.into());
        (self ^ other).checked_shr(rest).unwrap_or(0) == 0
    }
}

impl Bits for u128 {
    fn agree(self, other: Self, length: u8) -> bool {
        let rest = Self::BITS.saturating_sub(length.into());
        (self ^ other).checked_shr(rest).unwrap_or(0) == 0
    }
}

/// Prefixes of one family with values, in the order of address and length, each knowing the next shorter one around it.
///
/// Whatever covers a prefix covers everything between itself and that prefix in the order. So all that cover it are
/// found by one binary search and the climb from there.
#[derive(Debug, Default)]
struct Cover<B> {
    nodes: Vec<Node<B>>,
}

#[derive(Debug)]
struct Node<B> {
    bits: B,
    length: u8,
    /// One more than the place of the next shorter one; 0 is none.
    parent: usize,
    /// Where its values end; those of the node before it end where they begin.
    end: usize,
}

impl<B: Bits> Cover<B> {
    /// Prefixes in their order, without host bits; equal ones are one node with several values.
    fn new(prefixes: impl Iterator<Item = (B, u8)>) -> Self {
        let mut cover = Self { nodes: Vec::new() };
        for (at, (bits, length)) in prefixes.enumerate() {
            match cover.nodes.last_mut() {
                Some(last) if (last.bits, last.length) == (bits, length) => last.end = at + 1,
                _ => {
                    let parent = cover.climb(cover.nodes.len(), bits, length).next().map_or(0, |at| at + 1);
                    cover.nodes.push(Node { bits, length, parent, end: at + 1 });
                }
            }
        }
        cover
    }

    /// Places of the nodes that cover a prefix, the longest first.
    fn covering(&self, bits: B, length: u8) -> impl Iterator<Item = usize> {
        let place = self.nodes.partition_point(|node| (node.bits, node.length) <= (bits, length));
        self.climb(place, bits, length)
    }

    /// From the node before this place upwards: those that cover a prefix.
    fn climb(&self, place: usize, bits: B, length: u8) -> impl Iterator<Item = usize> {
        let mut next = place;
        std::iter::from_fn(move || {
            loop {
                let at = next.checked_sub(1)?;
                let node = self.nodes.get(at)?;
                next = node.parent;
                if node.length <= length && node.bits.agree(bits, node.length) {
                    return Some(at);
                }
            }
        })
    }

    /// Which values are a node's.
    fn values(&self, at: usize) -> Range<usize> {
        let end = |at: usize| self.nodes.get(at).map_or(0, |node| node.end);
        at.checked_sub(1).map_or(0, end)..end(at)
    }
}

/// Prefixes of both families with values.
#[derive(Debug, Default)]
struct Covers<T> {
    v4: Cover<u32>,
    v6: Cover<u128>,
    v4_values: Vec<T>,
    v6_values: Vec<T>,
}

impl<T> Covers<T> {
    fn new(items: impl Iterator<Item = (IpNet, T)>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (prefix, value) in items {
            match prefix {
                IpNet::V4(p) => v4.push(((u32::from(p.network()), p.prefix_len()), value)),
                IpNet::V6(p) => v6.push(((u128::from(p.network()), p.prefix_len()), value)),
            }
        }
        v4.sort_by_key(|(key, _)| *key);
        v6.sort_by_key(|(key, _)| *key);
        Self {
            v4: Cover::new(v4.iter().map(|(key, _)| *key)),
            v6: Cover::new(v6.iter().map(|(key, _)| *key)),
            v4_values: v4.into_iter().map(|(_, value)| value).collect(),
            v6_values: v6.into_iter().map(|(_, value)| value).collect(),
        }
    }

    /// The values of all that cover a prefix, the longest first.
    fn each(&self, prefix: &IpNet, mut see: impl FnMut(&T)) {
        match prefix {
            IpNet::V4(p) => {
                for at in self.v4.covering(u32::from(p.addr()), p.prefix_len()) {
                    self.v4_values.get(self.v4.values(at)).unwrap_or_default().iter().for_each(&mut see);
                }
            }
            IpNet::V6(p) => {
                for at in self.v6.covering(u128::from(p.addr()), p.prefix_len()) {
                    self.v6_values.get(self.v6.values(at)).unwrap_or_default().iter().for_each(&mut see);
                }
            }
        }
    }

    /// The place of the longest that covers a prefix, among those of its family.
    fn longest(&self, prefix: &IpNet) -> Option<usize> {
        match prefix {
            IpNet::V4(p) => self.v4.covering(u32::from(p.addr()), p.prefix_len()).next(),
            IpNet::V6(p) => self.v6.covering(u128::from(p.addr()), p.prefix_len()).next(),
        }
    }
}

/// Lengths of prefixes, 0 to 128.
#[derive(Clone, Copy, Debug, Default)]
struct Lengths {
    /// One bit each for 0 to 127.
    shorter: u128,
    /// 128.
    host: bool,
}

impl Lengths {
    fn add(&mut self, low: u8, high: u8) {
        for length in low..=high {
            match 1_u128.checked_shl(length.into()) {
                Some(bit) => self.shorter |= bit,
                None => self.host = true,
            }
        }
    }

    fn contains(self, length: u8) -> bool {
        1_u128.checked_shl(length.into()).map_or(self.host, |bit| self.shorter & bit != 0)
    }
}

/// A compiled set of prefixes: each member with the lengths that it or any member around it stands for.
#[derive(Debug)]
pub(super) struct Prefixes {
    covers: Covers<(u8, u8)>,
    v4: Vec<Lengths>,
    v6: Vec<Lengths>,
}

impl Prefixes {
    pub(super) fn new(ranges: &[PrefixRange]) -> Self {
        let mut covers = Covers::new(ranges.iter().map(|range| (range.prefix, range.lengths())));
        let v4 = lengths(&covers.v4, &std::mem::take(&mut covers.v4_values));
        let v6 = lengths(&covers.v6, &std::mem::take(&mut covers.v6_values));
        Self { covers, v4, v6 }
    }

    pub(super) fn contains(&self, prefix: &IpNet) -> bool {
        let lengths = if prefix.addr().is_ipv4() { &self.v4 } else { &self.v6 };
        let longest = self.covers.longest(prefix).and_then(|at| lengths.get(at));
        longest.is_some_and(|lengths| lengths.contains(prefix.prefix_len()))
    }
}

/// The lengths of each node, handed down from parents (which stand first) to children.
fn lengths<B: Bits>(cover: &Cover<B>, values: &[(u8, u8)]) -> Vec<Lengths> {
    let mut all: Vec<Lengths> = Vec::with_capacity(cover.nodes.len());
    for (at, node) in cover.nodes.iter().enumerate() {
        let mut own = node.parent.checked_sub(1).and_then(|p| all.get(p)).copied().unwrap_or_default();
        for (low, high) in values.get(cover.values(at)).unwrap_or_default() {
            own.add(*low, *high);
        }
        all.push(own);
    }
    all
}

/// A compiled set of addresses.
#[derive(Debug)]
pub(super) struct Addresses(Covers<()>);

impl Addresses {
    pub(super) fn new(nets: &[IpNet]) -> Self {
        Self(Covers::new(nets.iter().map(|net| (*net, ()))))
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.0.longest(&IpNet::from(address)).is_some()
    }
}

/// Which of several prefix sets a prefix is in.
#[derive(Debug, Default)]
pub(super) struct Membership(Covers<(u32, u8, u8)>);

impl Membership {
    /// Sets with their ids.
    pub(super) fn new<'a>(sets: impl IntoIterator<Item = (u32, &'a [PrefixRange])>) -> Self {
        let items = sets.into_iter().flat_map(|(id, ranges)| {
            ranges.iter().map(move |range| {
                let (low, high) = range.lengths();
                (range.prefix, (id, low, high))
            })
        });
        Self(Covers::new(items))
    }

    /// Adds the ids of the sets that a prefix is in, in ascending order, each once.
    pub(super) fn ids(&self, prefix: &IpNet, out: &mut Vec<u32>) {
        let start = out.len();
        self.0.each(prefix, |(id, low, high)| {
            if (*low..=*high).contains(&prefix.prefix_len()) {
                out.push(*id);
            }
        });
        if let Some(added) = out.get_mut(start..) {
            added.sort_unstable();
        }
        // What stood there before is left alone, even where it ends in an equal number.
        let (mut at, mut last) = (0, None);
        out.retain(|id| {
            at += 1;
            at <= start || last.replace(*id) != Some(*id)
        });
    }
}

/// A compiled set of communities of one kind.
#[derive(Debug)]
pub(super) struct Members<T> {
    /// Sorted, each once.
    pub(super) plain: Vec<T>,
    pub(super) expressions: Vec<Regex>,
}

impl<T: Copy + Ord + fmt::Display> Members<T> {
    pub(super) fn new(mut plain: Vec<T>, expressions: Vec<Regex>) -> Self {
        plain.sort_unstable();
        plain.dedup();
        Self { plain, expressions }
    }

    /// Whether one community matches a member.
    pub(super) fn matches_one(&self, community: T) -> bool {
        self.plain.binary_search(&community).is_ok() || self.expression_matches(community)
    }

    fn expression_matches(&self, community: T) -> bool {
        if self.expressions.is_empty() {
            return false;
        }
        let text = Text::of(&community);
        self.expressions.iter().any(|regex| regex.is_match(text.as_str()))
    }

    /// Whether a route's communities stand so to the set. They must be sorted.
    pub(super) fn matches(&self, options: MatchSetOptions, communities: &[T]) -> bool {
        match options {
            MatchSetOptions::Any => self.any(communities),
            MatchSetOptions::Invert => !self.any(communities),
            MatchSetOptions::All => self.all(communities),
            MatchSetOptions::Exact => {
                self.all(communities) && communities.iter().all(|c| self.matches_one(*c))
            }
        }
    }

    fn any(&self, communities: &[T]) -> bool {
        // The shorter list is walked, the longer one searched.
        let plain = if self.plain.len() < communities.len() {
            self.plain.iter().any(|c| communities.binary_search(c).is_ok())
        } else {
            communities.iter().any(|c| self.plain.binary_search(c).is_ok())
        };
        plain || communities.iter().any(|c| self.expression_matches(*c))
    }

    fn all(&self, communities: &[T]) -> bool {
        let found = |regex: &Regex| communities.iter().any(|c| regex.is_match(Text::of(c).as_str()));
        self.plain.iter().all(|c| communities.binary_search(c).is_ok()) && self.expressions.iter().all(found)
    }
}
