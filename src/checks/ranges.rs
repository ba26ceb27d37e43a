//! Sets of addresses, as sorted ranges that neither overlap nor touch.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::resolve::{address, prefixes_of, span};

type Range = (u128, u128);

/// A set of addresses of both families, exact: what a check asks about, or what fails it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressRanges {
    v4: Vec<Range>,
    v6: Vec<Range>,
}

/// Sorts, and joins what overlaps or touches.
fn normal(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut joined: Vec<Range> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match joined.last_mut() {
            Some(before) if before.1.checked_add(1).is_none_or(|next| first <= next) => {
                before.1 = before.1.max(last);
            }
            _ => joined.push((first, last)),
        }
    }
    joined
}

fn common(one: &[Range], other: &[Range]) -> Vec<Range> {
    let (mut a, mut b) = (0, 0);
    let mut found = Vec::new();
    while let (Some(left), Some(right)) = (one.get(a), other.get(b)) {
        let (first, last) = (left.0.max(right.0), left.1.min(right.1));
        if first <= last {
            found.push((first, last));
        }
        if left.1 < right.1 { a += 1 } else { b += 1 }
    }
    found
}

fn rest(from: &[Range], taken: &[Range]) -> Vec<Range> {
    let mut left = Vec::new();
    let mut at = 0;
    for &(mut first, last) in from {
        while taken.get(at).is_some_and(|t| t.1 < first) {
            at += 1;
        }
        let mut next = at;
        let mut done = false;
        while let Some(t) = taken.get(next).filter(|t| t.0 <= last) {
            if t.0 > first {
                left.push((first, t.0 - 1));
            }
            if t.1 >= last {
                done = true;
                break;
            }
            first = t.1 + 1;
            next += 1;
        }
        if !done {
            left.push((first, last));
        }
    }
    left
}

impl AddressRanges {
    /// Every address of both families.
    pub fn everything() -> Self {
        Self { v4: vec![(0, u128::from(u32::MAX))], v6: vec![(0, u128::MAX)] }
    }

    pub(super) fn from_ranges(v4: Vec<Range>, v6: Vec<Range>) -> Self {
        Self { v4: normal(v4), v6: normal(v6) }
    }

    pub(super) fn family(&self, v4: bool) -> &[Range] {
        if v4 { &self.v4 } else { &self.v6 }
    }

    /// The first of them, IPv4's before IPv6's.
    pub fn first(&self) -> Option<IpAddr> {
        let v4 = self.v4.first().map(|range| address(range.0, true));
        v4.or_else(|| self.v6.first().map(|range| address(range.0, false)))
    }

    /// Whether no address is in it.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (number, _) = span(&address.into());
        let ranges = self.family(address.is_ipv4());
        let at = ranges.partition_point(|range| range.1 < number);
        ranges.get(at).is_some_and(|range| range.0 <= number)
    }

    /// The addresses of either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let both = |v4| normal([self.family(v4), other.family(v4)].concat());
        Self { v4: both(true), v6: both(false) }
    }

    /// The addresses of any of these.
    pub(super) fn all<'s>(sets: impl Iterator<Item = &'s Self> + Clone) -> Self {
        let of = |v4| normal(sets.clone().flat_map(|set| set.family(v4)).copied().collect());
        Self { v4: of(true), v6: of(false) }
    }

    /// The addresses of both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self { v4: common(&self.v4, &other.v4), v6: common(&self.v6, &other.v6) }
    }

    /// The addresses that are not in the other.
    #[must_use]
    pub fn except(&self, other: &Self) -> Self {
        Self { v4: rest(&self.v4, &other.v4), v6: rest(&self.v6, &other.v6) }
    }

    /// The same addresses as the fewest prefixes, IPv4 first, in order.
    pub fn prefixes(&self) -> Vec<IpNet> {
        let mut found = Vec::new();
        for v4 in [true, false] {
            for (first, last) in self.family(v4) {
                prefixes_of(*first, *last, v4, &mut found);
            }
        }
        found
    }
}

impl FromIterator<IpNet> for AddressRanges {
    fn from_iter<I: IntoIterator<Item = IpNet>>(prefixes: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for prefix in prefixes {
            if prefix.addr().is_ipv4() { &mut v4 } else { &mut v6 }.push(span(&prefix.trunc()));
        }
        Self::from_ranges(v4, v6)
    }
}

impl fmt::Display for AddressRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let prefixes = self.prefixes();
        for (at, prefix) in prefixes.iter().take(SHOWN).enumerate() {
            write!(f, "{}{prefix}", if at == 0 { "" } else { ", " })?;
        }
        match prefixes.len().checked_sub(SHOWN) {
            Some(more) if more > 0 => write!(f, " and {more} more prefixes"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn set(prefixes: &[&str]) -> AddressRanges {
        prefixes.iter().map(|p| p.parse::<IpNet>().unwrap()).collect()
    }

    #[test]
    fn sets_are_exact() {
        let ten = set(&["10.0.0.0/8", "2001:db8::/32"]);
        let part = set(&["10.64.0.0/10", "10.128.0.0/9", "2001:db8::/33"]);
        assert_eq!(ten.except(&part), set(&["10.0.0.0/10", "2001:db8:8000::/33"]));
        assert_eq!(ten.and(&part), part);
        assert_eq!(ten.except(&part).or(&part), ten);
        assert_eq!(ten.except(&ten), AddressRanges::default());
        assert_eq!(AddressRanges::everything().prefixes().len(), 2);
        assert_eq!(set(&["10.0.0.0/9", "10.128.0.0/9"]).prefixes(), ["10.0.0.0/8".parse::<IpNet>().unwrap()]);
        assert!(part.contains("10.64.0.0".parse().unwrap()));
        assert!(!part.contains("10.63.255.255".parse().unwrap()));
    }
}
