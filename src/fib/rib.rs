//! Routes that change, beside the table that is compiled of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};
use prefix_trie::PrefixMap;
use rustc_hash::FxHashSet;

use super::layout::{Layout4, Layout6};
use super::sweep::{Ranges, Sweep};
use super::{Fib, FibError, Inner, LENGTH, ROUTE_MASK, Shape};
use crate::prefix_table::PrefixTable;

/// Routes with their handles, kept in a trie, and a table by route compiled of them that follows each change.
///
/// The table names slots, and slots hold handles, which may be any number. What an update costs:
///
/// | Change | Cost |
/// |---|---|
/// | another handle for a prefix that is there | one look-up (and one search of the trie, where a longer prefix holds the same first address) and one word written |
/// | a new or a withdrawn prefix, IPv4, large table (some 260,000 ranges and up) | the words of 64 /24s that the prefix touches are made anew: one for /18 and longer |
/// | a new or a withdrawn prefix otherwise | the family is compiled anew, once for all changes of a call |
///
/// Look-ups always answer as a table would that is compiled from the routes as they are.
#[derive(Clone, Debug, Default)]
pub struct Rib {
    slots: PrefixTable<u32>,
    handles: Vec<u32>,
    free: Vec<u32>,
    pub(super) fib: Fib,
}

/// Which parts of the table a call has to make anew.
#[derive(Debug, Default)]
struct Touched {
    v4: Vec<Ipv4Net>,
    /// The same, where there was a table before.
    seen: FxHashSet<Ipv4Net>,
    v6: bool,
}

impl Rib {
    /// No routes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The given routes; of two for one prefix the later wins. Any order.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn from_routes(routes: impl IntoIterator<Item = (IpNet, u32)>) -> Result<Self, FibError> {
        let mut rib = Self::new();
        rib.update(routes.into_iter().map(|(prefix, handle)| (prefix, Some(handle))))?;
        Ok(rib)
    }

    /// Takes changes in turn: a prefix with its handle, or none to withdraw it. Host bits are cut off; withdrawing
    /// what is not there changes nothing. The table follows at the end of the call.
    ///
    /// # Errors
    ///
    /// [`FibError::HandleOutOfRange`] where a prefix would be one more than [`Fib::MAX_ROUTE`]; the changes
    /// before it are made.
    pub fn update(
        &mut self,
        changes: impl IntoIterator<Item = (IpNet, Option<u32>)>,
    ) -> Result<(), FibError> {
        const PART: usize = 256;
        let mut touched = Touched::default();
        let mut changes = changes.into_iter().map(|(prefix, handle)| (prefix.trunc(), handle));
        let mut part: Vec<(IpNet, Option<u32>)> = Vec::new();
        let mut outcome = Ok(());
        while outcome.is_ok() {
            part.clear();
            part.extend(changes.by_ref().take(PART));
            if part.is_empty() {
                break;
            }
            let said = self.said(&part);
            let mut said = said.into_iter();
            for (prefix, handle) in part.drain(..) {
                let said = said.next().flatten();
                outcome = self.change(prefix, handle, said, &mut touched);
                if outcome.is_err() {
                    break;
                }
            }
        }
        self.follow(&touched)?;
        outcome
    }

    /// What the compiled table says at the first address of each IPv4 prefix, the look-ups overlapping: the length and slot
    /// of the longest prefix there, or that there is none. Empty where it cannot be asked, or for so few.
    fn said(&self, part: &[(IpNet, Option<u32>)]) -> Vec<Option<u32>> {
        const FEW: usize = 8;
        if part.len() < FEW || self.fib.is_empty() || !self.fib.keeps_prefixes() {
            return Vec::new();
        }
        let first = |(prefix, _): &(IpNet, Option<u32>)| match prefix {
            IpNet::V4(net) => net.network(),
            IpNet::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        let addresses: Vec<Ipv4Addr> = part.iter().map(first).collect();
        let mut stored = vec![0; part.len()];
        super::dispatch::many4(&self.fib.inner.v4, &addresses, &mut stored, u32::MAX);
        let v4 = part.iter().map(|(prefix, _)| prefix.addr().is_ipv4());
        v4.zip(stored).map(|(v4, stored)| v4.then_some(stored)).collect()
    }

    /// `said` is what the table said before this call; see [`said`](Self::said).
    fn change(
        &mut self,
        prefix: IpNet,
        handle: Option<u32>,
        said: Option<u32>,
        touched: &mut Touched,
    ) -> Result<(), FibError> {
        let known = match (said, &prefix) {
            // Whether the prefix is there has not changed in this call: the table still knows.
            (Some(said), IpNet::V4(net)) if !touched.seen.contains(net) => {
                let length = if said == u32::MAX { None } else { Some((said >> LENGTH) as u8) };
                match length {
                    Some(length) if length == net.prefix_len() => Some(said & ROUTE_MASK),
                    Some(length) if length > net.prefix_len() => self.slot(&prefix, touched),
                    _ => None,
                }
            }
            _ => self.slot(&prefix, touched),
        };
        match (known, handle) {
            (Some(slot), Some(handle)) => {
                if let Some(at) = self.handles.get_mut(slot as usize) {
                    *at = handle;
                }
                return Ok(());
            }
            (None, None) => return Ok(()),
            (Some(slot), None) => {
                self.slots.remove(&prefix);
                self.free.push(slot);
            }
            (None, Some(handle)) => {
                let slot = if let Some(slot) = self.free.pop() {
                    if let Some(at) = self.handles.get_mut(slot as usize) {
                        *at = handle;
                    }
                    slot
                } else {
                    let max = Fib::MAX_ROUTE;
                    let slot = super::leaf::index(self.handles.len())?;
                    if slot > max {
                        return Err(FibError::HandleOutOfRange { prefix, handle: slot, max });
                    }
                    self.handles.push(handle);
                    slot
                };
                self.slots.insert(prefix, slot);
            }
        }
        match prefix {
            IpNet::V4(net) => {
                if !self.fib.is_empty() {
                    touched.seen.insert(net);
                }
                touched.v4.push(net);
            }
            IpNet::V6(_) => touched.v6 = true,
        }
        Ok(())
    }

    /// The slot of a prefix, if it is there. The compiled table tells at once, while it says what the trie says and no
    /// longer prefixes hold both the first and the last address.
    fn slot(&self, prefix: &IpNet, touched: &Touched) -> Option<u32> {
        let follows = match prefix {
            IpNet::V4(_) => touched.v4.is_empty(),
            IpNet::V6(_) => !touched.v6,
        };
        if follows && self.fib.keeps_prefixes() {
            for address in [prefix.network(), prefix.broadcast()] {
                let found = self.fib.longest_match_prefix(address);
                match found.and_then(|found| Some((found.prefix?.prefix_len(), found.handle))) {
                    Some((length, slot)) if length == prefix.prefix_len() => return Some(slot),
                    Some((length, _)) if length > prefix.prefix_len() => {}
                    _ => return None,
                }
            }
        }
        self.slots.get(prefix).copied()
    }

    fn follow(&mut self, touched: &Touched) -> Result<(), FibError> {
        if touched.v4.is_empty() && !touched.v6 {
            return Ok(());
        }
        // Clones share what is compiled; ours is its own from here on.
        let Some(inner) = std::sync::Arc::get_mut(&mut self.fib.inner) else {
            return self.compile_all();
        };
        if inner.mask != ROUTE_MASK {
            return self.compile_all();
        }
        if touched.v6 {
            inner.v6 = compile6(&self.slots)?;
        }
        let words = |net: &Ipv4Net| 1_usize << 18_u8.saturating_sub(net.prefix_len());
        let many = touched.v4.iter().map(words).sum::<usize>() > 1 << 17;
        if !touched.v4.is_empty() && (many || !mend(&mut inner.v4, &self.slots.v4, &touched.v4)?) {
            inner.v4 = compile4(&self.slots.v4)?;
        }
        inner.prefixes = self.slots.len();
        Ok(())
    }

    fn compile_all(&mut self) -> Result<(), FibError> {
        let (v4, v6) = (compile4(&self.slots.v4)?, compile6(&self.slots)?);
        let inner = Inner { v4, v6, mask: ROUTE_MASK, prefixes: self.slots.len() };
        self.fib = Fib { inner: std::sync::Arc::new(inner) };
        Ok(())
    }

    /// The handle of the longest prefix that covers an address.
    #[inline]
    pub fn longest_match(&self, address: IpAddr) -> Option<u32> {
        self.handle(self.fib.longest_match(address)?)
    }

    /// [`longest_match`](Self::longest_match) of an IPv4 address.
    #[inline]
    pub fn longest_match_v4(&self, address: Ipv4Addr) -> Option<u32> {
        self.handle(self.fib.longest_match_v4(address)?)
    }

    /// [`longest_match`](Self::longest_match) of an IPv6 address.
    #[inline]
    pub fn longest_match_v6(&self, address: Ipv6Addr) -> Option<u32> {
        self.handle(self.fib.longest_match_v6(address)?)
    }

    #[inline]
    fn handle(&self, slot: u32) -> Option<u32> {
        self.handles.get(slot as usize).copied()
    }

    /// The handle of exactly this prefix.
    pub fn get(&self, prefix: &IpNet) -> Option<u32> {
        self.handle(*self.slots.get(&prefix.trunc())?)
    }

    /// The routes in order: IPv4 first, by address, then by length.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, u32)> {
        self.slots.iter().filter_map(|(prefix, slot)| Some((prefix, self.handle(*slot)?)))
    }

    /// How many routes there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn stored(length: u8, slot: u32) -> u32 {
    u32::from(length) << LENGTH | (slot + 1)
}

fn compile4(routes: &PrefixMap<Ipv4Net, u32>) -> Result<Layout4, FibError> {
    let mut sweep = Sweep::new();
    for (net, slot) in routes {
        sweep.push(net.network().to_bits(), net.broadcast().to_bits(), stored(net.prefix_len(), *slot));
    }
    Layout4::new(sweep.finish(), Shape::Fit)
}

fn compile6(routes: &PrefixTable<u32>) -> Result<Layout6, FibError> {
    let mut sweep = Sweep::new();
    for (net, slot) in &routes.v6 {
        sweep.push(net.network().to_bits(), net.broadcast().to_bits(), stored(net.prefix_len(), *slot));
    }
    Layout6::new(sweep.finish(), Shape::Fit)
}

/// Makes the words anew that prefixes touch. False where the layout has none, or has been mended often enough.
fn mend(
    layout: &mut Layout4,
    routes: &PrefixMap<Ipv4Net, u32>,
    touched: &[Ipv4Net],
) -> Result<bool, FibError> {
    let Layout4::Words32(words) = layout else { return Ok(false) };
    for net in touched {
        let (first, last) = (net.network().to_bits() >> 14, net.broadcast().to_bits() >> 14);
        for word in first..=last {
            let Ok(span) = Ipv4Net::new(Ipv4Addr::from_bits(word << 14), 18) else { return Ok(false) };
            words.replace(word, &ranges_of(routes, span))?;
        }
    }
    Ok(!words.is_worn())
}

/// The ranges of one word.
fn ranges_of(routes: &PrefixMap<Ipv4Net, u32>, span: Ipv4Net) -> Ranges<u32> {
    let mut sweep = Sweep::new();
    let (first, last) = (span.network().to_bits(), span.broadcast().to_bits());
    if let Some((net, slot)) = routes.get_lpm(&span) {
        sweep.push(first, last, stored(net.prefix_len(), *slot));
    }
    for (net, slot) in routes.children(&span) {
        sweep.push(net.network().to_bits(), net.broadcast().to_bits(), stored(net.prefix_len(), *slot));
    }
    sweep.finish()
}
