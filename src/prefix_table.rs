//! A map from prefixes of both families to values: one prefix trie a family. Vocabulary of several stages.

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

    /// How many prefixes it holds.
    pub(crate) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
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
