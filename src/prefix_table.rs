//! A map from prefixes of both families to values: one prefix trie a family. Vocabulary of several stages.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

/// Prefixes of both families with a value each. Look-ups cost the length of the prefix at most.
#[derive(Clone, Debug)]
pub(crate) struct PrefixTable<T> {
    pub(crate) v4: PrefixMap<Ipv4Net, T>,
    pub(crate) v6: PrefixMap<Ipv6Net, T>,
}

impl<T> Default for PrefixTable<T> {
    fn default() -> Self {
        Self { v4: PrefixMap::new(), v6: PrefixMap::new() }
    }
}

impl<T> PrefixTable<T> {
    /// Adds a prefix; host bits are ignored. The value that was there, if any.
    pub(crate) fn insert(&mut self, prefix: IpNet, value: T) -> Option<T> {
        match prefix {
            IpNet::V4(p) => self.v4.insert(p.trunc(), value),
            IpNet::V6(p) => self.v6.insert(p.trunc(), value),
        }
    }

    /// The value of exactly this prefix.
    pub(crate) fn get(&self, prefix: &IpNet) -> Option<&T> {
        match prefix {
            IpNet::V4(p) => self.v4.get(p),
            IpNet::V6(p) => self.v6.get(p),
        }
    }

    /// Takes a prefix out. The value that was there, if any.
    pub(crate) fn remove(&mut self, prefix: &IpNet) -> Option<T> {
        match prefix {
            IpNet::V4(p) => self.v4.remove(p),
            IpNet::V6(p) => self.v6.remove(p),
        }
    }

    /// The value of exactly this prefix, added if missing.
    pub(crate) fn entry(&mut self, prefix: IpNet) -> &mut T
    where
        T: Default,
    {
        match prefix {
            IpNet::V4(p) => self.v4.entry(p.trunc()).or_default(),
            IpNet::V6(p) => self.v6.entry(p.trunc()).or_default(),
        }
    }

    /// The longest prefix that covers this one (or is it).
    pub(crate) fn longest(&self, prefix: &IpNet) -> Option<(IpNet, &T)> {
        match prefix {
            IpNet::V4(p) => self.v4.get_lpm(p).map(|(p, v)| (IpNet::V4(p), v)),
            IpNet::V6(p) => self.v6.get_lpm(p).map(|(p, v)| (IpNet::V6(p), v)),
        }
    }

    /// The longest prefix that covers this address.
    pub(crate) fn longest_match(&self, address: IpAddr) -> Option<(IpNet, &T)> {
        self.longest(&IpNet::from(address))
    }

    /// The shortest prefix that covers this one (or is it).
    pub(crate) fn shortest(&self, prefix: &IpNet) -> Option<IpNet> {
        match prefix {
            IpNet::V4(p) => self.v4.get_spm_prefix(p).map(IpNet::V4),
            IpNet::V6(p) => self.v6.get_spm_prefix(p).map(IpNet::V6),
        }
    }

    /// Every prefix that covers this one, shortest first.
    pub(crate) fn covering(&self, prefix: &IpNet) -> Vec<(IpNet, &T)> {
        match prefix {
            IpNet::V4(p) => self.v4.cover(p).map(|(p, v)| (IpNet::V4(p), v)).collect(),
            IpNet::V6(p) => self.v6.cover(p).map(|(p, v)| (IpNet::V6(p), v)).collect(),
        }
    }

    /// Every prefix inside this one (or is it), in address order. Lazy: taking a few costs a few.
    pub(crate) fn children(&self, prefix: &IpNet) -> impl Iterator<Item = (IpNet, &T)> {
        let (v4, v6) = match prefix {
            IpNet::V4(p) => (Some(self.v4.children(p)), None),
            IpNet::V6(p) => (None, Some(self.v6.children(p))),
        };
        let v4 = v4.into_iter().flatten().map(|(p, v)| (IpNet::V4(p), v));
        v4.chain(v6.into_iter().flatten().map(|(p, v)| (IpNet::V6(p), v)))
    }

    /// Every prefix with its value, IPv4 first, in address order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (IpNet, &T)> {
        let v4 = self.v4.iter().map(|(p, v)| (IpNet::V4(p), v));
        v4.chain(self.v6.iter().map(|(p, v)| (IpNet::V6(p), v)))
    }

    /// Every prefix of one family with its value, in address order: shorter ones before those inside them.
    pub(crate) fn iter_family(&self, v4: bool) -> impl Iterator<Item = (IpNet, &T)> {
        let (v4, v6) = match v4 {
            true => (Some(self.v4.iter()), None),
            false => (None, Some(self.v6.iter())),
        };
        let v4 = v4.into_iter().flatten().map(|(p, v)| (IpNet::V4(p), v));
        v4.chain(v6.into_iter().flatten().map(|(p, v)| (IpNet::V6(p), v)))
    }

    /// Whether it holds the same prefixes, whatever their values.
    pub(crate) fn same_prefixes(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().map(|(p, _)| p).eq(other.iter().map(|(p, _)| p))
    }

    /// Whether it holds exactly these, which are in its order: IPv4 first, in address order.
    pub(crate) fn is_of(&self, rows: &[(IpNet, T)]) -> bool
    where
        T: PartialEq,
    {
        self.len() == rows.len() && self.iter().eq(rows.iter().map(|(prefix, value)| (*prefix, value)))
    }

    /// How many prefixes it holds.
    pub(crate) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }
}

impl<T: PartialEq> PartialEq for PrefixTable<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<T> FromIterator<(IpNet, T)> for PrefixTable<T> {
    fn from_iter<I: IntoIterator<Item = (IpNet, T)>>(items: I) -> Self {
        let mut table = Self::default();
        for (prefix, value) in items {
            table.insert(prefix, value);
        }
        table
    }
}

/// Prefixes with a list of values each. Equal lists stand once, so that prefixes with the same few lists cost their place
/// in a trie.
#[derive(Debug)]
pub(crate) struct PrefixLists<T> {
    lists: Vec<Box<[T]>>,
    /// What a list becomes with one value more.
    longer: HashMap<(u32, T), u32>,
    by_prefix: PrefixTable<u32>,
}

impl<T> Default for PrefixLists<T> {
    fn default() -> Self {
        // The first is empty: what a prefix begins with.
        Self { lists: vec![Box::default()], longer: HashMap::new(), by_prefix: PrefixTable::default() }
    }
}

impl<T: Clone + Eq + Hash> PrefixLists<T> {
    /// Adds a value to the end of a prefix's list.
    pub(crate) fn push(&mut self, prefix: IpNet, value: T) {
        let at = self.by_prefix.entry(prefix);
        let (lists, from) = (&mut self.lists, *at);
        *at = *self.longer.entry((from, value)).or_insert_with_key(|(_, value)| {
            let mut list = lists.get(from as usize).map_or_else(Vec::new, |list| list.to_vec());
            list.push(value.clone());
            lists.push(list.into());
            // Of more lists than that memory is short first.
            u32::try_from(lists.len() - 1).unwrap_or_default()
        });
    }
}

impl<T> PrefixLists<T> {
    /// The list of exactly this prefix.
    pub(crate) fn get(&self, prefix: &IpNet) -> &[T] {
        self.by_prefix.get(prefix).map_or(&[], |list| self.list(*list))
    }

    /// Every prefix that covers this one, shortest first.
    pub(crate) fn covering(&self, prefix: &IpNet) -> Vec<(IpNet, &[T])> {
        let covering = self.by_prefix.covering(prefix).into_iter();
        covering.map(|(prefix, list)| (prefix, self.list(*list))).collect()
    }

    /// Every prefix with its list, IPv4 first, in address order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (IpNet, &[T])> {
        self.by_prefix.iter().map(|(prefix, list)| (prefix, self.list(*list)))
    }

    /// Every prefix of a family with the number of its list: prefixes with equal lists have one.
    pub(crate) fn iter_numbered(&self, v4: bool) -> impl Iterator<Item = (IpNet, u32)> {
        self.by_prefix.iter_family(v4).map(|(prefix, list)| (prefix, *list))
    }

    fn list(&self, at: u32) -> &[T] {
        self.lists.get(at as usize).map_or(&[], |list| &**list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_stand_once() {
        let net = |text: &str| -> IpNet { text.parse().unwrap_or_default() };
        let mut lists: PrefixLists<u8> = PrefixLists::default();
        for prefix in ["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"] {
            lists.push(net(prefix), 1);
            lists.push(net(prefix), 2);
        }
        lists.push(net("10.1.0.0/16"), 1);
        assert_eq!(lists.get(&net("10.0.0.0/8")), [1, 2]);
        assert_eq!(lists.get(&net("2001:db8::/32")), [1, 2]);
        assert!(lists.get(&net("10.0.0.0/9")).is_empty());
        let covering = lists.covering(&net("10.1.2.0/24"));
        let expected: [(IpNet, &[u8]); 2] = [(net("10.0.0.0/8"), &[1, 2]), (net("10.1.0.0/16"), &[1, 2, 1])];
        assert_eq!(covering, expected);
        // The empty one, and each that came up.
        assert_eq!(lists.lists.len(), 4);
    }
}
