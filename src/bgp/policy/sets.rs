//! Compiled sets: of prefixes and addresses, and of communities.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use regex_lite::Regex;

use super::pattern::Text;
use crate::model::bgp::{MatchSetOptions, PrefixRange};

/// A prefix of one family: ordered by address, then by length.
pub(super) trait Net: Copy + Ord {
    fn covers(&self, other: &Self) -> bool;
}

impl Net for Ipv4Net {
    fn covers(&self, other: &Self) -> bool {
        self.contains(other)
    }
}

impl Net for Ipv6Net {
    fn covers(&self, other: &Self) -> bool {
        self.contains(other)
    }
}

/// Prefixes with a value each, in order, each knowing the next shorter one that covers it.
///
/// Whatever covers a prefix covers everything between itself and that prefix in the order. So all that cover it are
/// found by one binary search and the climb from there: no node but the members, no pointer to chase before them.
#[derive(Debug, Default)]
struct Cover<N, T> {
    nets: Vec<N>,
    /// One more than the place of the next shorter one; 0 is none.
    parents: Vec<usize>,
    values: Vec<T>,
}

impl<N: Net, T> Cover<N, T> {
    /// Prefixes must be without host bits.
    fn new(members: BTreeMap<N, T>) -> Self {
        let mut cover = Self { nets: Vec::new(), parents: Vec::new(), values: Vec::new() };
        for (net, value) in members {
            let parent = cover.climb(cover.nets.len(), &net).next().map_or(0, |at| at + 1);
            cover.nets.push(net);
            cover.parents.push(parent);
            cover.values.push(value);
        }
        cover
    }

    /// Places of what covers a prefix, the longest first.
    fn covering(&self, net: &N) -> impl Iterator<Item = usize> {
        self.climb(self.nets.partition_point(|member| member <= net), net)
    }

    /// From the member before this place upwards: those that cover a prefix.
    fn climb(&self, place: usize, net: &N) -> impl Iterator<Item = usize> {
        let mut next = place;
        std::iter::from_fn(move || {
            let at = next.checked_sub(1)?;
            next = self.parents.get(at).copied().unwrap_or(0);
            Some(at)
        })
        .filter(|at| self.nets.get(*at).is_some_and(|member| member.covers(net)))
    }
}

/// Prefixes of both families with a value each.
#[derive(Debug, Default)]
struct Covers<T> {
    v4: Cover<Ipv4Net, T>,
    v6: Cover<Ipv6Net, T>,
}

impl<T> Covers<T> {
    fn new<I>(items: impl IntoIterator<Item = (IpNet, I)>, mut add: impl FnMut(&mut T, I)) -> Self
    where
        T: Default,
    {
        let (mut v4, mut v6) = (BTreeMap::new(), BTreeMap::new());
        for (prefix, item) in items {
            let value: &mut T = match prefix {
                IpNet::V4(p) => v4.entry(p.trunc()).or_default(),
                IpNet::V6(p) => v6.entry(p.trunc()).or_default(),
            };
            add(value, item);
        }
        Self { v4: Cover::new(v4), v6: Cover::new(v6) }
    }

    /// The value of the longest that covers a prefix.
    fn longest(&self, prefix: &IpNet) -> Option<&T> {
        match prefix {
            IpNet::V4(p) => self.v4.covering(p).next().and_then(|at| self.v4.values.get(at)),
            IpNet::V6(p) => self.v6.covering(p).next().and_then(|at| self.v6.values.get(at)),
        }
    }

    /// The values of all that cover a prefix.
    fn each(&self, prefix: &IpNet, see: impl FnMut(&T)) {
        match prefix {
            IpNet::V4(p) => self.v4.covering(p).filter_map(|at| self.v4.values.get(at)).for_each(see),
            IpNet::V6(p) => self.v6.covering(p).filter_map(|at| self.v6.values.get(at)).for_each(see),
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
pub(super) struct Prefixes(Covers<Lengths>);

impl Prefixes {
    pub(super) fn new(ranges: &[PrefixRange]) -> Self {
        let items = ranges.iter().map(|range| (range.prefix, range.lengths()));
        let mut covers = Covers::new(items, |lengths: &mut Lengths, (low, high)| lengths.add(low, high));
        inherit(&covers.v4.parents, &mut covers.v4.values);
        inherit(&covers.v6.parents, &mut covers.v6.values);
        Self(covers)
    }

    pub(super) fn contains(&self, prefix: &IpNet) -> bool {
        self.0.longest(prefix).is_some_and(|lengths| lengths.contains(prefix.prefix_len()))
    }
}

/// Hands lengths down, from parents (which stand first) to children.
fn inherit(parents: &[usize], values: &mut [Lengths]) {
    for (at, parent) in parents.iter().enumerate() {
        let above = parent.checked_sub(1).and_then(|p| values.get(p)).copied().unwrap_or_default();
        if let Some(own) = values.get_mut(at) {
            own.shorter |= above.shorter;
            own.host |= above.host;
        }
    }
}

/// A compiled set of addresses.
#[derive(Debug)]
pub(super) struct Addresses(Covers<()>);

impl Addresses {
    pub(super) fn new(nets: &[IpNet]) -> Self {
        Self(Covers::new(nets.iter().map(|net| (*net, ())), |(), ()| ()))
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.0.longest(&IpNet::from(address)).is_some()
    }
}

/// Which of several prefix sets a prefix is in.
#[derive(Debug, Default)]
pub(super) struct Membership(Covers<Vec<(u32, u8, u8)>>);

impl Membership {
    /// Sets with their ids.
    pub(super) fn new<'a>(sets: impl IntoIterator<Item = (u32, &'a [PrefixRange])>) -> Self {
        let items = sets.into_iter().flat_map(|(id, ranges)| {
            ranges.iter().map(move |range| {
                let (low, high) = range.lengths();
                (range.prefix, (id, low, high))
            })
        });
        Self(Covers::new(items, Vec::push))
    }

    /// Adds the ids of the sets that a prefix is in, in ascending order, each once.
    pub(super) fn ids(&self, prefix: &IpNet, out: &mut Vec<u32>) {
        let start = out.len();
        self.0.each(prefix, |members| {
            for (id, low, high) in members {
                if (*low..=*high).contains(&prefix.prefix_len()) {
                    out.push(*id);
                }
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
