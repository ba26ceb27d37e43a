//! A subnet's table as layers that are matched together: routes of its own, a base that many tables share (gateway
//! routes), and pinned layers (service prefixes) that win whatever their length. Masks cut the base: inside a masked
//! prefix only shorter base routes count. Which route stands in which layer, and what a handle means, is settled in
//! [`selection`](crate::selection).

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::prefix_table::PrefixTable;

/// An immutable table: `O(prefix length)` a look-up in each layer, no allocation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layered {
    own: PrefixTable<Own>,
    base: Option<Base>,
    services: Vec<Service>,
}

#[derive(Clone, Copy, Debug)]
struct Own {
    handle: u32,
    /// Stands even against a pinned layer, where it is longer.
    firm: bool,
}

#[derive(Clone, Debug)]
struct Base {
    table: Arc<PrefixTable<u32>>,
    masks: PrefixTable<()>,
    default_route: bool,
    encode: fn(u32) -> u32,
}

#[derive(Clone, Debug)]
struct Service {
    table: Arc<PrefixTable<()>>,
    handle: u32,
    pinned: bool,
}

impl Layered {
    /// Adds a route of the table's own.
    pub(crate) fn insert(&mut self, prefix: IpNet, handle: u32, firm: bool) {
        self.own.insert(prefix, Own { handle, firm });
    }

    /// Lays the table over a shared base. A base route at the same prefix as one of the table's own loses.
    pub(crate) fn set_base(
        &mut self,
        table: Arc<PrefixTable<u32>>,
        masks: PrefixTable<()>,
        default_route: bool,
        encode: fn(u32) -> u32,
    ) {
        self.base = Some(Base { table, masks, default_route, encode });
    }

    /// Adds a layer whose prefixes all have one handle: pinned above everything that is not firm and longer, or below
    /// everything of the same length.
    pub(crate) fn add_service(&mut self, table: Arc<PrefixTable<()>>, handle: u32, pinned: bool) {
        self.services.push(Service { table, handle, pinned });
    }

    /// The route that an address follows: the matched prefix and its handle.
    pub(crate) fn longest_match(&self, address: IpAddr) -> Option<(IpNet, u32)> {
        let own = self.own.longest_match(address);
        let base = self.base.as_ref().and_then(|base| base.longest_match(address));
        let mut best = match (own, base) {
            (Some((p, own)), Some((q, _))) if p.prefix_len() >= q.prefix_len() => {
                Some((p, own.handle, own.firm))
            }
            (_, Some((q, handle))) => Some((q, handle, false)),
            (Some((p, own)), None) => Some((p, own.handle, own.firm)),
            (None, None) => None,
        };
        for service in &self.services {
            let Some((prefix, ())) = service.table.longest_match(address) else { continue };
            let wins = match best {
                None => true,
                Some((p, _, firm)) if service.pinned => !firm || p.prefix_len() < prefix.prefix_len(),
                Some((p, ..)) => p.prefix_len() < prefix.prefix_len(),
            };
            if wins {
                best = Some((prefix, service.handle, service.pinned));
            }
        }
        best.map(|(prefix, handle, _)| (prefix, handle))
    }
}

impl Base {
    fn longest_match(&self, address: IpAddr) -> Option<(IpNet, u32)> {
        let host = IpNet::from(address);
        let cut = match self.masks.shortest(&host) {
            Some(mask) => mask.supernet()?,
            None => host,
        };
        // The supernet of the mask, in the address's own bits, bounds the length of what may match.
        let (prefix, handle) = self.table.longest(&cut)?;
        if prefix.prefix_len() == 0 && !self.default_route {
            return None;
        }
        Some((prefix, (self.encode)(*handle)))
    }
}
