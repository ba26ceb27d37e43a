//! What a domain offers, held by *group*: prefixes that are offered alike share one list of offers, so that a prefix
//! costs its place in one trie.

use std::ops::{Index, Range};
use std::sync::Arc;

use indexmap::IndexSet;
use ipnet::IpNet;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::Offer;
use crate::bgp::Arrivals;
use crate::model::bgp::PathAttributes;
use crate::prefix_table::PrefixTable;

/// The offers of a domain. Offers and groups stand once and are numbered as they first come up, by prefix.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offers {
    kinds: Vec<Offer>,
    /// The offers of each group, as positions, in the order in which they were made.
    groups: Vec<Box<[u32]>>,
    /// The group of each prefix; shared with selection and the compiled tables.
    pub(crate) by_prefix: Arc<PrefixTable<u32>>,
}

impl Offers {
    /// The offers of each group, as positions here.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &[u32]> {
        self.groups.iter().map(|group| &**group)
    }

    /// Every offer, once.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Offer> {
        self.kinds.iter()
    }
}

impl PartialEq for Offers {
    fn eq(&self, other: &Self) -> bool {
        let same_index = Arc::ptr_eq(&self.by_prefix, &other.by_prefix) || self.by_prefix == other.by_prefix;
        same_index && (&self.kinds, &self.groups) == (&other.kinds, &other.groups)
    }
}

impl Eq for Offers {}

impl Index<usize> for Offers {
    type Output = Offer;

    fn index(&self, at: usize) -> &Offer {
        &self.kinds[at]
    }
}

/// Offers while they are gathered.
#[derive(Debug, Default)]
pub(super) struct OfferList {
    kinds: IndexSet<Offer, FxBuildHasher>,
    rows: Vec<(IpNet, u32)>,
}

impl OfferList {
    pub(super) fn push(&mut self, prefix: IpNet, offer: Offer) {
        let kind = self.kind(offer);
        self.push_kind(prefix, kind);
    }

    /// The position of an offer, for prefixes that are offered alike.
    pub(super) fn kind(&mut self, offer: Offer) -> u32 {
        position(self.kinds.insert_full(offer).0)
    }

    pub(super) fn push_kind(&mut self, prefix: IpNet, kind: u32) {
        self.rows.push((prefix.trunc(), kind));
    }

    /// What arrives over a session, as offers. Prefixes of a route group are offered alike.
    pub(super) fn learn(
        &mut self,
        arrivals: &Arrivals,
        takes: impl Fn(&IpNet) -> bool,
        offer: impl Fn(&PathAttributes) -> Option<Offer>,
    ) {
        let mut by_group: FxHashMap<u32, Range<usize>> = FxHashMap::default();
        let mut kinds: Vec<u32> = Vec::new();
        for (prefix, group, routes) in arrivals.iter().filter(|(prefix, ..)| takes(prefix)) {
            let of_group = by_group.entry(group).or_insert_with(|| {
                let first = kinds.len();
                kinds.extend(routes.iter().filter_map(&offer).map(|offer| self.kind(offer)));
                first..kinds.len()
            });
            for kind in kinds.get(of_group.clone()).into_iter().flatten() {
                self.rows.push((prefix, *kind));
            }
        }
    }

    pub(super) fn reserve(&mut self, more: usize) {
        self.rows.reserve(more);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The prefixes of those from a position on.
    pub(super) fn prefixes_from(&self, first: usize) -> impl Iterator<Item = &IpNet> {
        self.rows.get(first..).unwrap_or_default().iter().map(|(prefix, _)| prefix)
    }

    /// Of those from a position on keeps those of IPv4; how many went.
    pub(super) fn drop_ipv6_from(&mut self, first: usize) -> usize {
        let before = self.rows.len();
        let mut at = 0;
        self.rows.retain(|(prefix, _)| {
            at += 1;
            at <= first || prefix.addr().is_ipv4()
        });
        before - self.rows.len()
    }

    /// The groups that these make. What is equal with offers from before is shared: all of them, or which prefix is in
    /// which group.
    pub(super) fn finish(mut self, before: Option<&Arc<Offers>>) -> Arc<Offers> {
        // Stable: the offers of a prefix stay in their order.
        self.rows.sort_by_key(|(prefix, _)| *prefix);
        let mut groups: IndexSet<Box<[u32]>, FxBuildHasher> = IndexSet::default();
        let mut rows: Vec<(IpNet, u32)> = Vec::with_capacity(self.rows.len());
        let mut kinds: Vec<u32> = Vec::new();
        for same in self.rows.chunk_by(|(a, _), (b, _)| a == b) {
            kinds.clear();
            kinds.extend(same.iter().map(|(_, kind)| *kind));
            let group = match groups.get_index_of(kinds.as_slice()) {
                Some(group) => group,
                None => groups.insert_full(kinds.as_slice().into()).0,
            };
            rows.extend(same.first().map(|(prefix, _)| (*prefix, position(group))));
        }
        let kinds: Vec<Offer> = self.kinds.into_iter().collect();
        let groups: Vec<Box<[u32]>> = groups.into_iter().collect();
        // Rows stand in the order of a table: one that says the same needs not be made.
        let known = before.filter(|before| before.by_prefix.is_of(&rows));
        match known {
            Some(before) if (&kinds, &groups) == (&before.kinds, &before.groups) => Arc::clone(before),
            Some(before) => {
                let by_prefix = Arc::clone(&before.by_prefix);
                Arc::new(Offers { kinds, groups, by_prefix })
            }
            None => Arc::new(Offers { kinds, groups, by_prefix: Arc::new(rows.into_iter().collect()) }),
        }
    }
}

/// Positions are of 32 bits: a table of more offers than that does not fit into memory.
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control_plane::Via;
    use crate::model::Asn;

    fn offer(path: &[u32]) -> Offer {
        let via = Via::Vpn { gateway: 0, connection: None, far: None };
        let as_path = path.iter().copied().map(Asn).collect();
        Offer { via, as_path, weight: 0, is_static: false, next_hops: Vec::new() }
    }

    fn offers(rows: &[(&str, &[u32])]) -> OfferList {
        let mut list = OfferList::default();
        for (prefix, path) in rows {
            list.push(prefix.parse().unwrap_or_default(), offer(path));
        }
        list
    }

    fn made(rows: &[(&str, &[u32])]) -> Arc<Offers> {
        offers(rows).finish(None)
    }

    #[test]
    fn prefixes_that_are_offered_alike_are_a_group() {
        let made = made(&[
            ("10.2.0.0/16", &[1]),
            ("10.1.0.0/16", &[1]),
            ("10.3.0.0/16", &[2]),
            ("10.2.0.0/16", &[2]),
            ("10.1.0.0/16", &[2]),
        ]);
        let groups: Vec<Vec<usize>> = made
            .groups()
            .map(|group| group.iter().map(|o| made[*o as usize].as_path.len()).collect())
            .collect();
        assert_eq!(groups, [vec![1, 1], vec![1]]);
        let by_prefix: Vec<(String, u32)> = made.by_prefix.iter().map(|(p, g)| (p.to_string(), *g)).collect();
        let expected = [("10.1.0.0/16", 0), ("10.2.0.0/16", 0), ("10.3.0.0/16", 1)];
        assert_eq!(by_prefix, expected.map(|(prefix, group)| (prefix.to_owned(), group)));
    }

    #[test]
    fn what_is_equal_is_shared() {
        let before = made(&[("10.1.0.0/16", &[1]), ("10.2.0.0/16", &[2])]);
        let same = offers(&[("10.2.0.0/16", &[2]), ("10.1.0.0/16", &[1])]);
        // The numbers of offers differ, the index does not.
        assert!(Arc::ptr_eq(&same.finish(Some(&before)).by_prefix, &before.by_prefix));
        let same = offers(&[("10.1.0.0/16", &[1]), ("10.2.0.0/16", &[2])]);
        assert!(Arc::ptr_eq(&same.finish(Some(&before)), &before));
        let other = offers(&[("10.1.0.0/16", &[1]), ("10.2.0.0/16", &[1])]);
        assert!(!Arc::ptr_eq(&other.finish(Some(&before)).by_prefix, &before.by_prefix));
    }
}
