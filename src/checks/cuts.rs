//! Prefixes at which answers may change inside a class.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::ranges::AddressRanges;
use crate::resolve::span;

type Range = (u128, u128);

/// Prefixes, as ranges that do not overlap, each with the longest prefix that holds it. Prefixes nest, so that addresses with
/// the same longest one are in the same set of them.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    v4: Vec<(Range, usize)>,
    v6: Vec<(Range, usize)>,
}

impl FromIterator<IpNet> for Cuts {
    fn from_iter<I: IntoIterator<Item = IpNet>>(prefixes: I) -> Self {
        let (v4, v6) = prefixes.into_iter().partition(|prefix: &IpNet| prefix.addr().is_ipv4());
        Self { v4: flat(v4), v6: flat(v6) }
    }
}

/// The ranges of which each prefix is the longest, in order.
fn flat(prefixes: Vec<IpNet>) -> Vec<(Range, usize)> {
    let mut spans: Vec<Range> = prefixes.iter().map(|prefix| span(&prefix.trunc())).collect();
    // What holds others comes before them.
    spans.sort_unstable_by_key(|(first, last)| (*first, u128::MAX - *last));
    spans.dedup();
    let mut found: Vec<(Range, usize)> = Vec::with_capacity(spans.len() * 2);
    // Prefixes that hold where the sweep stands, with the first address of each that is not yet told.
    let mut open: Vec<(usize, u128)> = Vec::new();
    let close = |open: &mut Vec<(usize, u128)>, found: &mut Vec<(Range, usize)>, before: Option<u128>| {
        while let Some((at, from)) = open.last().copied() {
            let last = spans[at].1;
            if before.is_some_and(|next| next <= last) {
                break;
            }
            if from <= last {
                found.push(((from, last), at));
            }
            open.pop();
            if let (Some((_, outer)), Some(next)) = (open.last_mut(), last.checked_add(1)) {
                *outer = (*outer).max(next);
            }
        }
    };
    for (at, (first, _)) in spans.iter().copied().enumerate() {
        close(&mut open, &mut found, Some(first));
        if let Some((outer, from)) = open.last().copied()
            && from < first
        {
            found.push(((from, first - 1), outer));
        }
        open.push((at, first));
    }
    close(&mut open, &mut found, None);
    found
}

impl Cuts {
    pub(super) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// The parts of a set that no prefix divides.
    pub(super) fn of(&self, ranges: AddressRanges) -> Vec<AddressRanges> {
        if self.is_empty() {
            return vec![ranges];
        }
        let mut parts = Vec::new();
        for v4 in [true, false] {
            let cuts = if v4 { &self.v4 } else { &self.v6 };
            // Outside of every prefix is a part, too.
            let mut found: BTreeMap<Option<usize>, Vec<Range>> = BTreeMap::new();
            for (mut first, last) in ranges.family(v4).iter().copied() {
                let mut at = cuts.partition_point(|((_, end), _)| *end < first);
                loop {
                    match cuts.get(at).filter(|((begin, _), _)| *begin <= last) {
                        None => {
                            found.entry(None).or_default().push((first, last));
                            break;
                        }
                        Some(((begin, _), _)) if first < *begin => {
                            found.entry(None).or_default().push((first, begin - 1));
                            first = *begin;
                        }
                        Some(((_, end), cut)) => {
                            found.entry(Some(*cut)).or_default().push((first, last.min(*end)));
                            if *end >= last {
                                break;
                            }
                            first = end + 1;
                            at += 1;
                        }
                    }
                }
            }
            parts.extend(found.into_values().map(|of| match v4 {
                true => AddressRanges::from_ranges(of, Vec::new()),
                false => AddressRanges::from_ranges(Vec::new(), of),
            }));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn prefix() -> impl Strategy<Value = IpNet> {
        // Few addresses, so that prefixes nest and touch.
        (0_u32..64, 26_u8..=32).prop_map(|(low, length)| {
            let host = std::net::Ipv4Addr::from((low << 2) | (0xffff_ff00 * (low & 1)));
            IpNet::new(host.into(), length).unwrap().trunc()
        })
    }

    proptest! {
        #[test]
        fn parts_are_those_that_no_prefix_divides(
            cuts in prop::collection::vec(prefix(), 0..8),
            asked in prop::collection::vec(prefix(), 1..6),
        ) {
            let ranges: AddressRanges = asked.iter().copied().collect();
            let parts = cuts.iter().copied().collect::<Cuts>().of(ranges.clone());
            let joined = parts.iter().fold(AddressRanges::default(), |all, part| all.or(part));
            prop_assert_eq!(&joined, &ranges);
            for part in &parts {
                prop_assert!(!part.is_empty());
                for cut in &cuts {
                    let inside = part.and(&std::iter::once(*cut).collect());
                    prop_assert!(inside.is_empty() || inside == *part, "{part} and {cut}");
                }
            }
            // No two parts are in the same prefixes.
            let of = |part: &AddressRanges| {
                let first = part.first().unwrap();
                cuts.iter().map(|cut| cut.contains(&first)).collect::<Vec<_>>()
            };
            let mut kinds: Vec<_> = parts.iter().map(of).collect();
            kinds.sort();
            kinds.dedup();
            prop_assert_eq!(kinds.len(), parts.len());
        }
    }
}
