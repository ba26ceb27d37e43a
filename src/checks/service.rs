//! What of a flow security groups ask for: its protocol, and the ports that it goes to.

use std::fmt;
use std::ops::RangeInclusive;

use crate::model::SecurityRule;
use crate::resolve::{Protocol, port_range};

/// A set of ports, exact.
///
/// ```
/// use azroute::checks::Ports;
/// let web = Ports::from(80).or(443).or(8000..=8999);
/// assert!(web.contains(8080) && !web.contains(81));
/// assert_eq!(web.to_string(), "80, 443, 8000-8999");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports(Vec<(u16, u16)>);

impl Ports {
    /// Every port.
    pub fn all() -> Self {
        Self(vec![(0, u16::MAX)])
    }

    /// Those of either.
    #[must_use]
    pub fn or(mut self, other: impl Into<Self>) -> Self {
        self.0.extend(other.into().0);
        self.0.sort_unstable();
        let mut joined: Vec<(u16, u16)> = Vec::with_capacity(self.0.len());
        for (first, last) in self.0 {
            match joined.last_mut() {
                Some(before) if before.1.checked_add(1).is_none_or(|next| first <= next) => {
                    before.1 = before.1.max(last);
                }
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    /// Whether a port is in it.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&port))
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ports as ranges that neither overlap nor touch, in order.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u16>> {
        self.0.iter().map(|(first, last)| *first..=*last)
    }
}

impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        Self(vec![(port, port)])
    }
}

impl From<RangeInclusive<u16>> for Ports {
    fn from(ports: RangeInclusive<u16>) -> Self {
        match ports.is_empty() {
            true => Self::default(),
            false => Self(vec![(*ports.start(), *ports.end())]),
        }
    }
}

impl<const N: usize> From<[u16; N]> for Ports {
    fn from(ports: [u16; N]) -> Self {
        ports.into_iter().fold(Self::default(), Self::or)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.0.iter().enumerate() {
            write!(f, "{}{first}", if at == 0 { "" } else { ", " })?;
            if last > first {
                write!(f, "-{last}")?;
            }
        }
        Ok(())
    }
}

/// Flows as security groups see them: by protocol and destination port, from a port of 49152.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The protocol.
    pub protocol: Protocol,
    /// The ports that flows go to; of a protocol without ports any one.
    pub ports: Ports,
}

impl Service {
    /// Flows of a protocol to these ports.
    pub fn new(protocol: Protocol, ports: impl Into<Ports>) -> Self {
        Self { protocol, ports: ports.into() }
    }

    /// Its ports, in parts that no rule divides.
    pub(super) fn parts<'r>(&self, rules: impl Iterator<Item = &'r SecurityRule>) -> Vec<Ports> {
        // Where something begins to hold, or holds no longer.
        let mut edges: Vec<u16> = Vec::new();
        for (first, last) in
            rules.flat_map(|r| &r.destination_port_ranges).filter_map(|word| port_range(word))
        {
            edges.push(first);
            edges.extend(last.checked_add(1));
        }
        edges.sort_unstable();
        edges.dedup();
        let mut parts = Vec::new();
        for (mut first, last) in self.ports.0.iter().copied() {
            for edge in edges.iter().copied() {
                if first < edge && edge <= last {
                    parts.push(Ports(vec![(first, edge - 1)]));
                    first = edge;
                }
            }
            parts.push(Ports(vec![(first, last)]));
        }
        parts
    }

    pub(super) fn first_port(ports: &Ports) -> u16 {
        ports.0.first().map_or(0, |(first, _)| *first)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Tcp | Protocol::Udp => write!(f, "{:?} {}", self.protocol, self.ports),
            protocol => write!(f, "{protocol:?}"),
        }
    }
}
