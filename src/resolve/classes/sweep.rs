//! Sweeps over an address space: sorted prefixes in, runs of addresses out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::Peekable;
use std::net::IpAddr;

use ipnet::IpNet;

/// No prefix holds the addresses.
pub(super) const NOTHING: u32 = u32::MAX;

/// The first and last address of a prefix, as numbers in its family.
pub(crate) fn span(prefix: &IpNet) -> (u128, u128) {
    match prefix {
        IpNet::V4(p) => (u32::from(p.network()).into(), u32::from(p.broadcast()).into()),
        IpNet::V6(p) => (u128::from(p.network()), u128::from(p.broadcast())),
    }
}

/// The last address of a family.
pub(super) fn last_of(v4: bool) -> u128 {
    if v4 { u32::MAX.into() } else { u128::MAX }
}

/// A number as an address of a family.
pub(crate) fn address(number: u128, v4: bool) -> IpAddr {
    match u32::try_from(number) {
        Ok(number) if v4 => IpAddr::V4(number.into()),
        _ => IpAddr::V6(number.into()),
    }
}

/// What happens to the open prefixes of a sweep before a run.
pub(super) trait Open {
    /// A value that a prefix brings, given the one around it.
    fn open(&mut self, around: u32, value: u32) -> u32;

    /// What is said of a run that starts at this address, inside this value.
    fn say(&mut self, value: u32, start: u128) -> u32;
}

/// The prefix's own value counts, whatever is around it: longest-prefix match.
pub(super) struct Longest;

impl Open for Longest {
    fn open(&mut self, _around: u32, value: u32) -> u32 {
        value
    }

    fn say(&mut self, value: u32, _start: u128) -> u32 {
        value
    }
}

/// Runs of addresses that the same prefixes hold, first to last: the start of each and its value.
///
/// Takes prefixes in address order, shorter ones before those inside them; of equal ones the last counts.
pub(super) struct Sweep<I: Iterator<Item = (IpNet, u32)>, O> {
    prefixes: Peekable<I>,
    opener: O,
    /// The last address and the value of each prefix that holds the place of the sweep.
    open: Vec<(u128, u32)>,
    /// Where the next run starts; none once the space is used up.
    at: Option<u128>,
    last: u128,
}

impl<I: Iterator<Item = (IpNet, u32)>, O: Open> Sweep<I, O> {
    pub(super) fn new(prefixes: I, v4: bool, opener: O) -> Self {
        Self { prefixes: prefixes.peekable(), opener, open: Vec::new(), at: Some(0), last: last_of(v4) }
    }
}

impl<I: Iterator<Item = (IpNet, u32)>, O: Open> Iterator for Sweep<I, O> {
    type Item = (u128, u32);

    fn next(&mut self) -> Option<(u128, u32)> {
        let at = self.at?;
        while self.open.pop_if(|(last, _)| *last < at).is_some() {}
        while let Some((prefix, value)) = self.prefixes.next_if(|(prefix, _)| span(prefix).0 <= at) {
            let around = self.open.last().map_or(NOTHING, |(_, value)| *value);
            let value = self.opener.open(around, value);
            self.open.push((span(&prefix).1, value));
        }
        let (ends, value) = self.open.last().copied().unwrap_or((self.last, NOTHING));
        let before_next = self.prefixes.peek().map_or(self.last, |(prefix, _)| span(prefix).0 - 1);
        let end = ends.min(before_next);
        self.at = (end < self.last).then(|| end + 1);
        Some((at, self.opener.say(value, at)))
    }
}

/// Several sweeps side by side: at every address where one of them starts a run, what each of them says.
pub(super) struct Abreast<'s> {
    layers: Vec<Box<dyn Iterator<Item = (u128, u32)> + 's>>,
    /// The next run of each layer.
    waiting: BinaryHeap<Reverse<(u128, usize, u32)>>,
    said: Vec<u32>,
}

impl<'s> Abreast<'s> {
    pub(super) fn new(mut layers: Vec<Box<dyn Iterator<Item = (u128, u32)> + 's>>) -> Self {
        let said = vec![NOTHING; layers.len()];
        let first = |(at, layer): (usize, &mut Box<dyn Iterator<Item = (u128, u32)> + 's>)| {
            layer.next().map(|(start, value)| Reverse((start, at, value)))
        };
        let waiting = layers.iter_mut().enumerate().filter_map(first).collect();
        Self { layers, waiting, said }
    }

    /// The next address where anything changes, and what every layer says from there on.
    pub(super) fn advance(&mut self) -> Option<(u128, &[u32])> {
        let &Reverse((start, ..)) = self.waiting.peek()?;
        while let Some(mut top) = self.waiting.peek_mut() {
            let Reverse((at, layer, value)) = *top;
            if at != start {
                break;
            }
            self.said[layer] = value;
            match self.layers[layer].next() {
                Some((next, value)) => *top = Reverse((next, layer, value)),
                None => {
                    std::collections::binary_heap::PeekMut::pop(top);
                }
            }
        }
        Some((start, &self.said))
    }
}

/// The fewest prefixes that hold exactly the addresses from one to another.
pub(crate) fn prefixes_of(mut first: u128, last: u128, v4: bool, into: &mut Vec<IpNet>) {
    let width: u32 = if v4 { 32 } else { 128 };
    loop {
        // As large as the alignment of the first address and what is left allow.
        let aligned = first.trailing_zeros().min(width);
        let left = match (last - first).checked_add(1) {
            Some(count) => 127 - count.leading_zeros(),
            None => width,
        };
        let bits = aligned.min(left);
        let length = u8::try_from(width - bits).unwrap_or(u8::MAX);
        if let Ok(prefix) = IpNet::new(address(first, v4), length) {
            into.push(prefix);
        }
        match 1_u128.checked_shl(bits).and_then(|size| first.checked_add(size)) {
            Some(next) if next <= last => first = next,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn number(address: IpAddr) -> u128 {
        span(&IpNet::from(address)).0
    }

    fn runs(prefixes: &[(&str, u32)]) -> Vec<(IpAddr, u32)> {
        let prefixes = prefixes.iter().map(|(p, v)| (p.parse::<IpNet>().unwrap(), *v));
        Sweep::new(prefixes, true, Longest).map(|(start, value)| (address(start, true), value)).collect()
    }

    #[test]
    fn nested_prefixes_give_runs() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let found = runs(&[("10.0.0.0/8", 1), ("10.0.0.0/16", 2), ("10.255.0.0/16", 3), ("255.0.0.0/8", 4)]);
        let wanted = [
            (ip("0.0.0.0"), NOTHING),
            (ip("10.0.0.0"), 2),
            (ip("10.1.0.0"), 1),
            (ip("10.255.0.0"), 3),
            (ip("11.0.0.0"), NOTHING),
            (ip("255.0.0.0"), 4),
        ];
        assert_eq!(found, wanted);
        assert_eq!(runs(&[]), [(ip("0.0.0.0"), NOTHING)]);
        assert_eq!(runs(&[("0.0.0.0/0", 7)]), [(ip("0.0.0.0"), 7)]);
    }

    #[test]
    fn ranges_become_the_fewest_prefixes() {
        let of = |first: &str, last: &str| {
            let (first, last): (IpAddr, IpAddr) = (first.parse().unwrap(), last.parse().unwrap());
            let mut found = Vec::new();
            prefixes_of(number(first), number(last), first.is_ipv4(), &mut found);
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of("0.0.0.0", "255.255.255.255"), ["0.0.0.0/0"]);
        assert_eq!(of("10.0.0.1", "10.0.0.6"), ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"]);
        assert_eq!(of("255.255.255.254", "255.255.255.255"), ["255.255.255.254/31"]);
        assert_eq!(of("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ["::/0"]);
        assert_eq!(of("::1", "::1"), ["::1/128"]);
    }
}
