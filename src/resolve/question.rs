//! What is asked: where a packet starts, and which flow it belongs to.

use std::fmt;
use std::net::IpAddr;

use super::compiled::Position;
use crate::model::{ResourceId, SecurityRuleProtocol};

/// Where a packet starts.
///
/// An address will do where one place owns it. A name (a subnet, a network interface, a virtual machine, an on-premises
/// site, router or host range) will do always: an id, or the end of one (`spoke1/subnets/web`, or `web` where only one
/// place is called that).
///
/// ```
/// use azroute::resolve::Source;
/// assert!(matches!(Source::from("10.0.0.4"), Source::Address(_)));
/// assert!(matches!(Source::from("spoke1/subnets/web"), Source::Position(_)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The one place that owns this address.
    Address(IpAddr),
    /// A named place; packets carry its own address (or the first usable one of its prefix).
    Position(ResourceId),
    /// A place that was looked up before ([`Network::position`](crate::Network::position)): the fastest to ask.
    Known(Position),
    /// A named place, sending from this address.
    PositionWithAddress(ResourceId, IpAddr),
    /// A Microsoft service by the name of its service tag (`Storage.WestEurope`, compared without case), sending from
    /// the first address of the tag, at Microsoft's own edge (MSP-2).
    Service(String),
    /// A Microsoft service at this public address.
    ServiceAddress(IpAddr),
    /// A host on the Internet with this public address.
    Internet(IpAddr),
}

/// Which half of a conversation a packet belongs to. A reply may go where a new flow may not (PUB-3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leg {
    /// It opens a flow.
    #[default]
    Initiate,
    /// It answers one that the other side opened.
    Reply,
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initiate => "initiate",
            Self::Reply => "reply",
        })
    }
}

/// A source that takes no search to find.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Quick<'a> {
    Known(Position),
    Address(&'a IpAddr),
}

impl Source {
    #[inline(always)]
    pub(crate) fn quick(&self) -> Option<Quick<'_>> {
        match self {
            Self::Known(position) => Some(Quick::Known(*position)),
            Self::Address(address) => Some(Quick::Address(address)),
            _ => None,
        }
    }

    /// A named place, sending from this address.
    pub fn at(position: impl Into<ResourceId>, address: IpAddr) -> Self {
        Self::PositionWithAddress(position.into(), address)
    }
}

impl From<IpAddr> for Source {
    #[inline]
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

impl From<Position> for Source {
    #[inline]
    fn from(position: Position) -> Self {
        Self::Known(position)
    }
}

impl From<ResourceId> for Source {
    fn from(position: ResourceId) -> Self {
        Self::Position(position)
    }
}

impl From<&ResourceId> for Source {
    fn from(position: &ResourceId) -> Self {
        Self::Position(position.clone())
    }
}

impl From<&str> for Source {
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Position(text.into()), Self::Address)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(ip) => ip.fmt(f),
            Self::Position(id) => id.fmt(f),
            Self::Known(position) => write!(f, "position {}", position.index()),
            Self::PositionWithAddress(id, ip) => write!(f, "{id} ({ip})"),
            Self::Service(name) => write!(f, "service {name}"),
            Self::ServiceAddress(ip) => write!(f, "service at {ip}"),
            Self::Internet(ip) => write!(f, "Internet host {ip}"),
        }
    }
}

/// An IP protocol, as far as security rules and flow hashes tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP (6).
    Tcp,
    /// UDP (17).
    Udp,
    /// ICMP (1) and ICMPv6 (58).
    Icmp,
    /// ESP (50).
    Esp,
    /// AH (51).
    Ah,
    /// Another protocol number.
    Other(u8),
}

impl Protocol {
    /// The protocol number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Icmp => 1,
            Self::Esp => 50,
            Self::Ah => 51,
            Self::Other(number) => number,
        }
    }

    /// Whether a security rule for `rule` matches it.
    pub(crate) fn matches(self, rule: SecurityRuleProtocol) -> bool {
        match rule {
            SecurityRuleProtocol::Any => true,
            SecurityRuleProtocol::Tcp => self == Self::Tcp,
            SecurityRuleProtocol::Udp => self == Self::Udp,
            SecurityRuleProtocol::Icmp => self == Self::Icmp,
            SecurityRuleProtocol::Esp => self == Self::Esp,
            SecurityRuleProtocol::Ah => self == Self::Ah,
        }
    }
}

/// One flow: the 5-tuple of its first packet, and where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Where it starts.
    pub source: Source,
    /// Its destination.
    pub destination: IpAddr,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its source port; 0 for protocols without ports.
    pub source_port: u16,
    /// Its destination port; 0 for protocols without ports.
    pub destination_port: u16,
}

impl Flow {
    /// A TCP flow.
    pub fn tcp(
        source: impl Into<Source>,
        source_port: u16,
        destination: IpAddr,
        destination_port: u16,
    ) -> Self {
        Self { source: source.into(), destination, protocol: Protocol::Tcp, source_port, destination_port }
    }

    /// A UDP flow.
    pub fn udp(
        source: impl Into<Source>,
        source_port: u16,
        destination: IpAddr,
        destination_port: u16,
    ) -> Self {
        Self { protocol: Protocol::Udp, ..Self::tcp(source, source_port, destination, destination_port) }
    }
}

/// The ports and protocol of a flow on its way: what hashes and security rules see beside the header's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FlowKey {
    pub(crate) protocol: Protocol,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
}

/// The flow hash, version 1: FNV-1a (64 bit) over source address, destination address (network byte order, 4 or 16
/// bytes each), protocol number, source port and destination port (big endian).
///
/// Azure's own hash is not published; this one is fixed so that the same flow takes the same member every time
/// (SEL-12). A choice among `n` equal members takes member `hash % n` of them in a fixed order: by id, by address, primary
/// link before secondary; the order of the document decides nothing. It is taken anew at each hop, from the header as it
/// is there (after NAT).
///
/// ```
/// use azroute::resolve::{flow_hash, Protocol};
/// let (a, b) = ("10.0.0.4".parse().unwrap(), "10.1.0.4".parse().unwrap());
/// assert_eq!(flow_hash(a, b, Protocol::Tcp, 50000, 443), 0xd97a_a3cf_1968_7d63);
/// ```
pub fn flow_hash(
    source: IpAddr,
    destination: IpAddr,
    protocol: Protocol,
    source_port: u16,
    destination_port: u16,
) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut feed = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for address in [source, destination] {
        match address {
            IpAddr::V4(ip) => feed(&ip.octets()),
            IpAddr::V6(ip) => feed(&ip.octets()),
        }
    }
    feed(&[protocol.number()]);
    feed(&source_port.to_be_bytes());
    feed(&destination_port.to_be_bytes());
    hash
}
