//! Forwarding: longest-prefix match and nothing else. Addresses in, a `u32` handle out.
//!
//! ```
//! use azroute::fib::Fib;
//!
//! let routes = [("10.0.0.0/8", 1), ("10.1.0.0/16", 2), ("2001:db8::/32", 3)];
//! let routes = routes.into_iter().map(|(prefix, handle)| (prefix.parse().unwrap(), handle));
//! let fib = Fib::by_route(routes)?;
//! assert_eq!(fib.longest_match("10.1.2.3".parse().unwrap()), Some(2));
//! assert_eq!(fib.longest_match("192.0.2.1".parse().unwrap()), None);
//! # Ok::<(), azroute::fib::FibError>(())
//! ```

mod blocks;
mod dispatch;
mod layered;
mod layout;
mod leaf;
mod lookup;
mod rib;
mod sorted;
mod sweep;
#[cfg(test)]
mod tests;
mod tree;
mod words;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

pub(crate) use layered::Layered;
pub(crate) use layout::Shape;
use layout::{Layout4, Layout6};
pub use rib::Rib;
use sweep::{Ranges, Sweep};

/// Why a table was not compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FibError {
    /// Routes are not in order: IPv4 before IPv6, by address, then by length.
    #[error("routes: {prefix} comes after {previous}; they go by family, address and length")]
    Unsorted {
        /// The route that comes too late.
        prefix: IpNet,
        /// The one before it.
        previous: IpNet,
    },
    /// A handle is greater than the table can hold.
    #[error("handle of {prefix}: {handle} is more than {max}")]
    HandleOutOfRange {
        /// Whose handle it is; of a range, its first address.
        prefix: IpNet,
        /// The handle.
        handle: u32,
        /// The greatest that fits: [`Fib::MAX_ROUTE`] or [`Fib::MAX_VALUE`].
        max: u32,
    },
    /// More ranges than 32 bits count.
    #[error("routes: more than a table holds")]
    TooLarge,
}

/// What an address matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// The handle given with the route.
    pub handle: u32,
    /// The route's prefix, without host bits. None in a table by value, which does not know it.
    pub prefix: Option<IpNet>,
}

/// A compiled longest-prefix-match table for both families: immutable, `Send + Sync`, cheap to clone (clones share).
///
/// Compiled by one pass over sorted routes, in one of two flavours:
///
/// - [`by_route`](Self::by_route): every route keeps its handle and length, so that the matched prefix is known.
/// - [`by_value`](Self::by_value): handles are values such as next hops, and neighbours with the same value merge. The
///   fewer values and the smaller their numbers, the smaller the table: up to 253 take one byte a range, up to 65,533 two.
///
/// The layout follows the size of the table, from some hundred bytes up. A look-up is a fixed number of reads and
/// never allocates, except that routes that are finer than the large layouts' grid (past /24 and /48) are searched in a
/// sorted list. Batches are up to several times faster than as many single look-ups.
#[derive(Clone, Debug)]
pub struct Fib {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    v4: Layout4,
    v6: Layout6,
    /// The part of what is stored that is the handle, one more than it.
    mask: u32,
    prefixes: usize,
}

/// In a table by route the upper byte is the length.
const LENGTH: u32 = 24;
const ROUTE_MASK: u32 = (1 << LENGTH) - 1;

impl Default for Fib {
    /// No routes, by value: nothing matches.
    fn default() -> Self {
        let nothing = || {
            let (v4, v6) = (Ranges::unanswered(), Ranges::unanswered());
            Ok::<_, FibError>((Layout4::new(v4, Shape::Fit)?, Layout6::new(v6, Shape::Fit)?))
        };
        // One range is never too many.
        let (v4, v6) = nothing().unwrap_or_else(|_| unreachable!("one range fits"));
        Self { inner: Arc::new(Inner { v4, v6, mask: u32::MAX, prefixes: 0 }) }
    }
}

impl Fib {
    /// What batches answer where nothing matches.
    pub const NONE: u32 = u32::MAX;
    /// The greatest handle of a table by route.
    pub const MAX_ROUTE: u32 = ROUTE_MASK - 1;
    /// The greatest handle of a table by value.
    pub const MAX_VALUE: u32 = u32::MAX - 2;

    /// Compiles routes, each with a handle of its own choice, and keeps their prefixes.
    ///
    /// Routes go by family (IPv4 first), address and length, as [`IpNet`] orders them. Host bits are cut off first. Of
    /// two routes for one prefix the later wins.
    ///
    /// # Errors
    ///
    /// [`FibError::Unsorted`]; [`FibError::HandleOutOfRange`] above [`MAX_ROUTE`](Self::MAX_ROUTE).
    pub fn by_route(routes: impl IntoIterator<Item = (IpNet, u32)>) -> Result<Self, FibError> {
        Self::compile(routes, true, Shape::Fit)
    }

    /// Compiles routes whose handles are values: neighbours with the same one merge, and prefixes are forgotten.
    ///
    /// Order, host bits and duplicates as in [`by_route`](Self::by_route).
    ///
    /// # Errors
    ///
    /// [`FibError::Unsorted`]; [`FibError::HandleOutOfRange`] above [`MAX_VALUE`](Self::MAX_VALUE).
    pub fn by_value(routes: impl IntoIterator<Item = (IpNet, u32)>) -> Result<Self, FibError> {
        Self::compile(routes, false, Shape::Fit)
    }

    pub(crate) fn compile(
        routes: impl IntoIterator<Item = (IpNet, u32)>,
        keep: bool,
        shape: Shape,
    ) -> Result<Self, FibError> {
        let max = if keep { Self::MAX_ROUTE } else { Self::MAX_VALUE };
        let (mut v4, mut v6) = (Sweep::new(), Sweep::new());
        let mut previous: Option<IpNet> = None;
        let mut prefixes = 0;
        for (prefix, handle) in routes {
            if handle > max {
                return Err(FibError::HandleOutOfRange { prefix, handle, max });
            }
            let prefix = prefix.trunc();
            match previous {
                Some(previous) if previous > prefix => return Err(FibError::Unsorted { prefix, previous }),
                Some(previous) if previous == prefix => {}
                _ => prefixes += 1,
            }
            previous = Some(prefix);
            let length = if keep { u32::from(prefix.prefix_len()) << LENGTH } else { 0 };
            let stored = length | (handle + 1);
            match prefix {
                IpNet::V4(net) => v4.push(net.network().to_bits(), net.broadcast().to_bits(), stored),
                IpNet::V6(net) => v6.push(net.network().to_bits(), net.broadcast().to_bits(), stored),
            }
        }
        let mask = if keep { ROUTE_MASK } else { u32::MAX };
        Self::assemble(v4.finish(), v6.finish(), mask, prefixes, shape)
    }

    /// A table by value from ranges in ascending order, each from its first address to before the next one's; none
    /// where nothing matches, as before the first range. Ranges count as prefixes.
    ///
    /// # Errors
    ///
    /// As [`by_value`](Self::by_value), with the first address of the range for its prefix.
    pub(crate) fn from_ranges(
        v4: impl IntoIterator<Item = (Ipv4Addr, Option<u32>)>,
        v6: impl IntoIterator<Item = (Ipv6Addr, Option<u32>)>,
    ) -> Result<Self, FibError> {
        let mut previous: Option<IpNet> = None;
        let mut prefixes = 0;
        let mut stored = |prefix: IpNet, value: Option<u32>| {
            if let Some(previous) = previous.replace(prefix)
                && previous >= prefix
            {
                return Err(FibError::Unsorted { prefix, previous });
            }
            prefixes += usize::from(value.is_some());
            let max = Self::MAX_VALUE;
            match value {
                Some(handle) if handle > max => Err(FibError::HandleOutOfRange { prefix, handle, max }),
                value => Ok(value.map_or(0, |handle| handle + 1)),
            }
        };
        let (mut ranges4, mut ranges6) = (Ranges::unanswered(), Ranges::unanswered());
        for (start, value) in v4 {
            ranges4.emit(start.to_bits(), stored(IpAddr::V4(start).into(), value)?);
        }
        for (start, value) in v6 {
            ranges6.emit(start.to_bits(), stored(IpAddr::V6(start).into(), value)?);
        }
        Self::assemble(ranges4, ranges6, u32::MAX, prefixes, Shape::Quick)
    }

    fn assemble(
        v4: Ranges<u32>,
        v6: Ranges<u128>,
        mask: u32,
        prefixes: usize,
        shape: Shape,
    ) -> Result<Self, FibError> {
        let (v4, v6) = (Layout4::new(v4, shape)?, Layout6::new(v6, shape)?);
        Ok(Self { inner: Arc::new(Inner { v4, v6, mask, prefixes }) })
    }

    /// The handle of the longest prefix that covers an address.
    #[inline(always)]
    pub fn longest_match(&self, address: IpAddr) -> Option<u32> {
        match address {
            IpAddr::V4(address) => self.longest_match_v4(address),
            IpAddr::V6(address) => self.longest_match_v6(address),
        }
    }

    /// [`longest_match`](Self::longest_match) of an IPv4 address.
    #[inline(always)]
    pub fn longest_match_v4(&self, address: Ipv4Addr) -> Option<u32> {
        (self.inner.v4.one(address.to_bits()) & self.inner.mask).checked_sub(1)
    }

    /// [`longest_match`](Self::longest_match) of an IPv6 address.
    #[inline]
    pub fn longest_match_v6(&self, address: Ipv6Addr) -> Option<u32> {
        (self.inner.v6.one(address.to_bits()) & self.inner.mask).checked_sub(1)
    }

    /// [`longest_match`](Self::longest_match) with the matched prefix, for the price of it.
    #[inline]
    pub fn longest_match_prefix(&self, address: IpAddr) -> Option<Match> {
        match address {
            IpAddr::V4(address) => self.longest_match_prefix_v4(address),
            IpAddr::V6(address) => self.longest_match_prefix_v6(address),
        }
    }

    /// [`longest_match_prefix`](Self::longest_match_prefix) of an IPv4 address.
    pub fn longest_match_prefix_v4(&self, address: Ipv4Addr) -> Option<Match> {
        let stored = self.inner.v4.one(address.to_bits());
        let prefix = |length| Ipv4Net::new(address, length).ok().map(|net| IpNet::V4(net.trunc()));
        self.matched(stored, prefix)
    }

    /// [`longest_match_prefix`](Self::longest_match_prefix) of an IPv6 address.
    pub fn longest_match_prefix_v6(&self, address: Ipv6Addr) -> Option<Match> {
        let stored = self.inner.v6.one(address.to_bits());
        let prefix = |length| Ipv6Net::new(address, length).ok().map(|net| IpNet::V6(net.trunc()));
        self.matched(stored, prefix)
    }

    #[inline]
    fn matched(&self, stored: u32, prefix: impl FnOnce(u8) -> Option<IpNet>) -> Option<Match> {
        let handle = (stored & self.inner.mask).checked_sub(1)?;
        let prefix = if self.keeps_prefixes() { prefix((stored >> LENGTH) as u8) } else { None };
        Some(Match { handle, prefix })
    }

    /// The handles of many IPv4 addresses at once, [`NONE`](Self::NONE) where nothing matches. Answers as many as the
    /// shorter of the two slices holds.
    pub fn longest_match_many_v4(&self, addresses: &[Ipv4Addr], handles: &mut [u32]) {
        let count = addresses.len().min(handles.len());
        dispatch::many4(&self.inner.v4, &addresses[..count], &mut handles[..count], self.inner.mask);
    }

    /// [`longest_match_many_v4`](Self::longest_match_many_v4) for IPv6.
    pub fn longest_match_many_v6(&self, addresses: &[Ipv6Addr], handles: &mut [u32]) {
        let count = addresses.len().min(handles.len());
        dispatch::many6(&self.inner.v6, &addresses[..count], &mut handles[..count], self.inner.mask);
    }

    /// [`longest_match_many_v4`](Self::longest_match_many_v4) for both families mixed: parted, answered, put back.
    pub fn longest_match_many(&self, addresses: &[IpAddr], handles: &mut [u32]) {
        const CHUNK: usize = 128;
        for (addresses, handles) in addresses.chunks(CHUNK).zip(handles.chunks_mut(CHUNK)) {
            let (mut v4, mut v6) = ([Ipv4Addr::UNSPECIFIED; CHUNK], [Ipv6Addr::UNSPECIFIED; CHUNK]);
            let (mut from4, mut from6) = ([0; CHUNK], [0; CHUNK]);
            let (mut count4, mut count6) = (0, 0);
            for (at, (address, _)) in addresses.iter().zip(&*handles).enumerate() {
                match address {
                    IpAddr::V4(address) => {
                        (v4[count4], from4[count4]) = (*address, at);
                        count4 += 1;
                    }
                    IpAddr::V6(address) => {
                        (v6[count6], from6[count6]) = (*address, at);
                        count6 += 1;
                    }
                }
            }
            let mut found = [Self::NONE; CHUNK];
            self.longest_match_many_v4(&v4[..count4], &mut found);
            for (at, handle) in from4[..count4].iter().zip(found) {
                handles[*at] = handle;
            }
            self.longest_match_many_v6(&v6[..count6], &mut found);
            for (at, handle) in from6[..count6].iter().zip(found) {
                handles[*at] = handle;
            }
        }
    }

    /// Whether the table is by route, so that a [`Match`] names its prefix.
    pub fn keeps_prefixes(&self) -> bool {
        self.inner.mask == ROUTE_MASK
    }

    /// How many prefixes it was compiled from, duplicates once.
    pub fn len(&self) -> usize {
        self.inner.prefixes
    }

    /// Whether it was compiled from nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory that the table takes and its clones share, in bytes.
    pub fn memory(&self) -> usize {
        // Two counters lie before what an `Arc` holds.
        2 * size_of::<usize>() + size_of::<Inner>() + self.inner.v4.bytes() + self.inner.v6.bytes()
    }
}
