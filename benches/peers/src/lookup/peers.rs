//! The tables side by side, behind one trait.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use azroute::fib::Fib;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use ts_bart::RoutingTable;

/// A stream in the form that tables take.
pub enum Stream {
    V4(Vec<Ipv4Addr>),
    V6(Vec<Ipv6Addr>),
}

impl Stream {
    pub fn new(addresses: &[IpAddr]) -> Self {
        let v4 = |address: &IpAddr| if let IpAddr::V4(address) = address { Some(*address) } else { None };
        let v6 = |address: &IpAddr| if let IpAddr::V6(address) = address { Some(*address) } else { None };
        match addresses.first() {
            Some(IpAddr::V4(_)) => Self::V4(addresses.iter().filter_map(v4).collect()),
            _ => Self::V6(addresses.iter().filter_map(v6).collect()),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::V4(addresses) => addresses.len(),
            Self::V6(addresses) => addresses.len(),
        }
    }
}

/// Sums of what is found, one more than each handle: what all tables must agree on.
pub trait Peer {
    fn one(&self, address: IpAddr) -> Option<u32>;
    /// One look-up after the other, none waiting for another.
    fn plain(&self, stream: &Stream) -> u64;
    /// Each look-up waits for the one before.
    fn dependent(&self, stream: &Stream) -> u64;
    /// The table's own batches, where it has them.
    fn batch(&self, _stream: &Stream, _out: &mut [u32]) -> Option<u64> {
        None
    }
}

fn plus(found: Option<u32>) -> u64 {
    found.map_or(0, |handle| u64::from(handle) + 1)
}

#[inline(always)]
fn chase<A: Copy>(addresses: &[A], find: impl Fn(A) -> Option<u32>) -> u64 {
    let mut sum = 0;
    let mut last = 0;
    for at in 0..addresses.len() {
        // Always 0, which only we know: no handle is that great.
        let found = find(addresses[at + (last >> 62) as usize]);
        last = plus(found);
        sum += last;
    }
    sum
}

macro_rules! walks {
    () => {
        fn plain(&self, stream: &Stream) -> u64 {
            match stream {
                Stream::V4(all) => all.iter().map(|address| plus(self.find4(*address))).sum(),
                Stream::V6(all) => all.iter().map(|address| plus(self.find6(*address))).sum(),
            }
        }

        fn one(&self, address: IpAddr) -> Option<u32> {
            match address {
                IpAddr::V4(address) => self.find4(address),
                IpAddr::V6(address) => self.find6(address),
            }
        }

        fn dependent(&self, stream: &Stream) -> u64 {
            match stream {
                Stream::V4(all) => chase(all, |address| self.find4(address)),
                Stream::V6(all) => chase(all, |address| self.find6(address)),
            }
        }
    };
}

pub struct Ours(pub Fib);

impl Ours {
    #[inline(always)]
    fn find4(&self, address: Ipv4Addr) -> Option<u32> {
        self.0.longest_match_v4(address)
    }

    #[inline(always)]
    fn find6(&self, address: Ipv6Addr) -> Option<u32> {
        self.0.longest_match_v6(address)
    }
}

impl Peer for Ours {
    walks!();

    fn batch(&self, stream: &Stream, out: &mut [u32]) -> Option<u64> {
        // As many at a time as a caller would have at hand.
        let sum = |found: &[u32]| found.iter().map(|handle| u64::from(handle.wrapping_add(1))).sum::<u64>();
        let mut total = 0;
        match stream {
            Stream::V4(all) => {
                for part in all.chunks(out.len()) {
                    self.0.longest_match_many_v4(part, out);
                    total += sum(&out[..part.len()]);
                }
            }
            Stream::V6(all) => {
                for part in all.chunks(out.len()) {
                    self.0.longest_match_many_v6(part, out);
                    total += sum(&out[..part.len()]);
                }
            }
        }
        Some(total)
    }
}

macro_rules! peer {
    ($name:ident, $v4:ty, $v6:ty, |$table:ident, $address:ident| $find:expr, |$t:ident, $net:ident, $handle:ident| $insert:expr, $new4:expr, $new6:expr) => {
        pub struct $name {
            v4: $v4,
            v6: $v6,
        }

        impl $name {
            pub fn new(routes: impl Iterator<Item = (IpNet, u32)>) -> Self {
                let mut v4: $v4 = $new4;
                let mut v6: $v6 = $new6;
                for (net, $handle) in routes {
                    match net {
                        IpNet::V4($net) => {
                            let $t = &mut v4;
                            $insert;
                        }
                        IpNet::V6($net) => {
                            let $t = &mut v6;
                            $insert;
                        }
                    }
                }
                Self { v4, v6 }
            }

            #[inline(always)]
            fn find4(&self, $address: Ipv4Addr) -> Option<u32> {
                let $table = &self.v4;
                $find
            }

            #[inline(always)]
            fn find6(&self, $address: Ipv6Addr) -> Option<u32> {
                let $table = &self.v6;
                $find
            }
        }

        impl Peer for $name {
            walks!();
        }
    };
}

peer!(
    PrefixTrie,
    prefix_trie::PrefixMap<Ipv4Net, u32>,
    prefix_trie::PrefixMap<Ipv6Net, u32>,
    |table, address| table.get_lpm(&address.into()).map(|(_, handle)| *handle),
    |table, net, handle| table.insert(net, handle),
    prefix_trie::PrefixMap::new(),
    prefix_trie::PrefixMap::new()
);

peer!(
    TreeBitmap,
    ip_network_table_deps_treebitmap::IpLookupTable<Ipv4Addr, u32>,
    ip_network_table_deps_treebitmap::IpLookupTable<Ipv6Addr, u32>,
    |table, address| table.longest_match(address).map(|(_, _, handle)| *handle),
    |table, net, handle| table.insert(net.network(), u32::from(net.prefix_len()), handle),
    ip_network_table_deps_treebitmap::IpLookupTable::new(),
    ip_network_table_deps_treebitmap::IpLookupTable::new()
);

/// Collected: inserting one by one moves all that lies behind.
pub struct Poptrie {
    v4: poptrie::Poptrie<(Ipv4Addr, u8), u32>,
    v6: poptrie::Poptrie<(Ipv6Addr, u8), u32>,
}

impl Poptrie {
    pub fn new(routes: impl Iterator<Item = (IpNet, u32)> + Clone) -> Self {
        let v4 = |(net, handle)| match net {
            IpNet::V4(net) => Some(((net.network(), net.prefix_len()), handle)),
            IpNet::V6(_) => None,
        };
        let v6 = |(net, handle)| match net {
            IpNet::V6(net) => Some(((net.network(), net.prefix_len()), handle)),
            IpNet::V4(_) => None,
        };
        Self { v4: routes.clone().filter_map(v4).collect(), v6: routes.filter_map(v6).collect() }
    }

    #[inline(always)]
    fn find4(&self, address: Ipv4Addr) -> Option<u32> {
        self.v4.lookup(address).copied()
    }

    #[inline(always)]
    fn find6(&self, address: Ipv6Addr) -> Option<u32> {
        self.v6.lookup(address).copied()
    }
}

impl Peer for Poptrie {
    walks!();
}

/// Level-compressed. Its root must have a value: one of its own for "no route".
pub struct Iptrie {
    v4: iptrie::map::LCTrieMap<iptrie::Ipv4Prefix, u32>,
    v6: iptrie::map::LCTrieMap<iptrie::Ipv6Prefix, u32>,
}

impl Iptrie {
    pub fn new(routes: impl Iterator<Item = (IpNet, u32)>) -> Self {
        let mut v4 = iptrie::map::RTrieMap::with_root(u32::MAX);
        let mut v6 = iptrie::map::RTrieMap::with_root(u32::MAX);
        for (net, handle) in routes {
            match net {
                IpNet::V4(net) => drop(v4.insert(iptrie::Ipv4Prefix::from(net), handle)),
                IpNet::V6(net) => drop(v6.insert(iptrie::Ipv6Prefix::from(net), handle)),
            }
        }
        Self { v4: v4.compress(), v6: v6.compress() }
    }

    #[inline(always)]
    fn find4(&self, address: Ipv4Addr) -> Option<u32> {
        let handle = *self.v4.lookup(&address).1;
        (handle != u32::MAX).then_some(handle)
    }

    #[inline(always)]
    fn find6(&self, address: Ipv6Addr) -> Option<u32> {
        let handle = *self.v6.lookup(&address).1;
        (handle != u32::MAX).then_some(handle)
    }
}

impl Peer for Iptrie {
    walks!();
}

pub struct TsBart(ts_bart::Table<u32>);

impl TsBart {
    pub fn new(routes: impl Iterator<Item = (IpNet, u32)>) -> Self {
        let mut table = ts_bart::Table::default();
        for (net, handle) in routes {
            table.insert(net, handle);
        }
        Self(table)
    }

    #[inline(always)]
    fn find4(&self, address: Ipv4Addr) -> Option<u32> {
        self.0.lookup(IpAddr::V4(address)).copied()
    }

    #[inline(always)]
    fn find6(&self, address: Ipv6Addr) -> Option<u32> {
        self.0.lookup(IpAddr::V6(address)).copied()
    }
}

impl Peer for TsBart {
    walks!();
}
