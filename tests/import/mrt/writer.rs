//! Writes MRT dumps, from the RFCs and not from the reader: RFC 6396, RFC 8050, RFC 4271, RFC 6793.
#![allow(dead_code, reason = "tests and benches use different parts")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr};

use azroute::model::Asn;
use azroute::model::bgp::{Origin, PathAttributes, SegmentKind};
use ipnet::IpNet;

/// A peer as a dump names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) asn: Asn,
    pub(crate) address: IpAddr,
    pub(crate) router_id: Ipv4Addr,
}

/// A dump in the making.
#[derive(Default)]
pub(crate) struct Dump {
    pub(crate) bytes: Vec<u8>,
    sequence: u32,
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

fn afi(v4: bool) -> u16 {
    if v4 { 1 } else { 2 }
}

pub(crate) fn nlri(prefix: &IpNet, path_id: Option<u32>) -> Vec<u8> {
    let mut bytes = path_id.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default();
    bytes.push(prefix.prefix_len());
    let n = usize::from(prefix.prefix_len()).div_ceil(8);
    bytes.extend_from_slice(&octets(prefix.addr())[..n]);
    bytes
}

pub(crate) fn attribute(flags: u8, code: u8, value: &[u8]) -> Vec<u8> {
    let n = u16::try_from(value.len()).unwrap();
    let mut bytes = match u8::try_from(n) {
        Ok(n) => vec![flags, code, n],
        Err(_) => [[flags | 0x10, code].as_slice(), &n.to_be_bytes()].concat(),
    };
    bytes.extend_from_slice(value);
    bytes
}

fn as_path(attributes: &PathAttributes, wide: bool, confederations: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, asns) in attributes.as_path.segments() {
        let code = match kind {
            SegmentKind::Set => 1,
            SegmentKind::Sequence => 2,
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet if !confederations => continue,
            SegmentKind::ConfedSequence => 3,
            SegmentKind::ConfedSet => 4,
        };
        for part in asns.chunks(255) {
            bytes.extend_from_slice(&[code, u8::try_from(part.len()).unwrap()]);
            for asn in part {
                bytes.extend(number(*asn, wide));
            }
        }
    }
    bytes
}

fn number(asn: Asn, wide: bool) -> Vec<u8> {
    if wide {
        return asn.0.to_be_bytes().to_vec();
    }
    u16::try_from(asn.0).unwrap_or(23456).to_be_bytes().to_vec()
}

/// The attributes of a section, without what announces prefixes.
pub(crate) fn section(a: &PathAttributes, wide: bool) -> Vec<u8> {
    let origin = match a.origin {
        Origin::Igp => 0,
        Origin::Egp => 1,
        Origin::Incomplete => 2,
    };
    let mut bytes = attribute(0x40, 1, &[origin]);
    bytes.extend(attribute(0x40, 2, &as_path(a, wide, true)));
    if let Some(med) = a.med {
        bytes.extend(attribute(0x80, 4, &med.to_be_bytes()));
    }
    if let Some(preference) = a.local_preference {
        bytes.extend(attribute(0x40, 5, &preference.to_be_bytes()));
    }
    if a.atomic_aggregate {
        bytes.extend(attribute(0x40, 6, &[]));
    }
    if let Some(aggregator) = a.aggregator {
        let mut value = number(aggregator.asn, wide);
        value.extend_from_slice(&aggregator.address.octets());
        bytes.extend(attribute(0xC0, 7, &value));
        if !wide && aggregator.asn.0 > 65535 {
            let mut value = number(aggregator.asn, true);
            value.extend_from_slice(&aggregator.address.octets());
            bytes.extend(attribute(0xC0, 18, &value));
        }
    }
    let list = |bytes: &mut Vec<u8>, code: u8, flags: u8, value: Vec<u8>| {
        if !value.is_empty() {
            bytes.extend(attribute(flags, code, &value));
        }
    };
    let communities = &a.communities;
    list(&mut bytes, 8, 0xC0, communities.standard().iter().flat_map(|c| c.0.to_be_bytes()).collect());
    if let Some(id) = a.originator_id {
        bytes.extend(attribute(0x80, 9, &id.octets()));
    }
    list(&mut bytes, 10, 0x80, a.cluster_list.ids().iter().flat_map(Ipv4Addr::octets).collect());
    list(&mut bytes, 16, 0xC0, communities.extended().iter().flat_map(|c| c.0).collect());
    if !wide && a.as_path.asns().any(|asn| asn.0 > 65535) {
        bytes.extend(attribute(0xC0, 17, &as_path(a, true, false)));
    }
    let large = communities.large().iter().flat_map(|c| [c.global, c.local_1, c.local_2]);
    list(&mut bytes, 32, 0xC0, large.flat_map(u32::to_be_bytes).collect());
    bytes
}

fn with_next_hop(a: &PathAttributes, wide: bool, mp: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = section(a, wide);
    match a.next_hop {
        Some(IpAddr::V4(hop)) => bytes.extend(attribute(0x40, 3, &hop.octets())),
        Some(IpAddr::V6(hop)) => bytes.extend(attribute(0x80, 14, &mp(&hop.octets()))),
        None => {}
    }
    bytes
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

impl Dump {
    pub(crate) fn record(&mut self, kind: u16, subtype: u16, body: &[u8]) {
        self.bytes.extend_from_slice(&1_700_000_000_u32.to_be_bytes());
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&subtype.to_be_bytes());
        self.bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
        self.bytes.extend_from_slice(body);
    }

    /// PEER_INDEX_TABLE.
    pub(crate) fn peer_table(&mut self, peers: &[Peer]) {
        let mut body = vec![192, 0, 2, 254];
        body.extend(counted(b"view"));
        body.extend_from_slice(&u16::try_from(peers.len()).unwrap().to_be_bytes());
        for peer in peers {
            body.push(2 | u8::from(peer.address.is_ipv6()));
            body.extend_from_slice(&peer.router_id.octets());
            body.extend(octets(peer.address));
            body.extend_from_slice(&peer.asn.0.to_be_bytes());
        }
        self.record(13, 1, &body);
    }

    /// A RIB record: entries are peer index, path identifier and attributes; with identifiers, the add-path subtype.
    pub(crate) fn rib(&mut self, prefix: &IpNet, entries: &[(u16, Option<u32>, &PathAttributes)]) {
        let add_path = entries.iter().any(|(_, id, _)| id.is_some());
        let v4 = prefix.addr().is_ipv4();
        let mut body = self.sequence.to_be_bytes().to_vec();
        self.sequence += 1;
        body.extend(nlri(prefix, None));
        body.extend_from_slice(&u16::try_from(entries.len()).unwrap().to_be_bytes());
        for (peer, id, attributes) in entries {
            body.extend_from_slice(&peer.to_be_bytes());
            body.extend_from_slice(&[0; 4]);
            if add_path {
                body.extend_from_slice(&id.unwrap_or_default().to_be_bytes());
            }
            let short = |hop: &[u8]| [&[u8::try_from(hop.len()).unwrap()], hop].concat();
            body.extend(counted(&with_next_hop(attributes, true, short)));
        }
        let subtype = match (v4, add_path) {
            (true, false) => 2,
            (false, false) => 4,
            (true, true) => 8,
            (false, true) => 10,
        };
        self.record(13, subtype, &body);
    }

    /// TABLE_DUMP; the peer and the prefix are of one family there.
    pub(crate) fn table_dump(&mut self, peer: &Peer, prefix: &IpNet, attributes: &PathAttributes) {
        let v4 = prefix.addr().is_ipv4();
        let mut body = vec![0; 4];
        body.extend(octets(prefix.addr()));
        body.extend_from_slice(&[prefix.prefix_len(), 1, 0, 0, 0, 0]);
        body.extend(octets(peer.address));
        body.extend(number(peer.asn, false));
        body.extend(counted(&with_next_hop(attributes, false, |hop| {
            let family = [afi(v4).to_be_bytes().as_slice(), &[1]].concat();
            [&family, [u8::try_from(hop.len()).unwrap()].as_slice(), hop, &[0], &nlri(prefix, None)].concat()
        })));
        self.record(12, afi(v4), &body);
    }

    fn envelope(peer: &Peer, wide: bool) -> Vec<u8> {
        let mut body = number(peer.asn, wide);
        body.extend(number(Asn(64999), wide));
        body.extend_from_slice(&[0, 0]);
        body.extend_from_slice(&afi(peer.address.is_ipv4()).to_be_bytes());
        body.extend(octets(peer.address));
        body.extend(octets(peer.address));
        body
    }

    /// A BGP4MP UPDATE of one prefix: announced with attributes, or withdrawn.
    pub(crate) fn update(
        &mut self,
        peer: &Peer,
        wide: bool,
        prefix: &IpNet,
        path_id: Option<u32>,
        announced: Option<&PathAttributes>,
    ) {
        let v4 = prefix.addr().is_ipv4();
        let nlri = nlri(prefix, path_id);
        let family = [afi(v4).to_be_bytes().as_slice(), &[1]].concat();
        let message = match announced {
            Some(attributes) => {
                let attributes = with_next_hop(attributes, wide, |hop| {
                    [&family, [u8::try_from(hop.len()).unwrap()].as_slice(), hop, &[0], &nlri].concat()
                });
                let plain = v4 && !attributes_reach(&attributes);
                let behind: &[u8] = if plain { &nlri } else { &[] };
                [&[0, 0], counted(&attributes).as_slice(), behind].concat()
            }
            None if v4 => [counted(&nlri).as_slice(), &[0, 0]].concat(),
            None => {
                let unreach = attribute(0x80, 15, &[family.as_slice(), &nlri].concat());
                [&[0, 0], counted(&unreach).as_slice()].concat()
            }
        };
        self.message(peer, wide, path_id.is_some(), &message);
    }

    /// A BGP4MP UPDATE with a body of any bytes.
    pub(crate) fn message(&mut self, peer: &Peer, wide: bool, add_path: bool, message: &[u8]) {
        let mut body = Self::envelope(peer, wide);
        body.extend_from_slice(&[0xFF; 16]);
        body.extend_from_slice(&u16::try_from(message.len() + 19).unwrap().to_be_bytes());
        body.push(2);
        body.extend_from_slice(message);
        let subtype = match (wide, add_path) {
            (false, false) => 1,
            (true, false) => 4,
            (false, true) => 8,
            (true, true) => 9,
        };
        self.record(16, subtype, &body);
    }

    pub(crate) fn state(&mut self, peer: &Peer, wide: bool, old: u16, new: u16) {
        let mut body = Self::envelope(peer, wide);
        body.extend_from_slice(&old.to_be_bytes());
        body.extend_from_slice(&new.to_be_bytes());
        self.record(16, if wide { 5 } else { 0 }, &body);
    }
}

fn attributes_reach(section: &[u8]) -> bool {
    let mut rest = section;
    while let [flags, code, tail @ ..] = rest {
        let (n, tail) = match tail {
            [a, b, tail @ ..] if flags & 0x10 != 0 => (usize::from(u16::from_be_bytes([*a, *b])), tail),
            [a, tail @ ..] => (usize::from(*a), tail),
            [] => return false,
        };
        if *code == 14 {
            return true;
        }
        rest = &tail[n..];
    }
    false
}

/// A full table as one peer announces it: `routes` IPv4 prefixes, in their order, with a new set of attributes every
/// few routes. The same bytes for the same number.
pub(crate) fn full_table(routes: u32) -> Vec<u8> {
    let peer = Peer {
        asn: Asn(64500),
        address: IpAddr::from([192, 0, 2, 1]),
        router_id: Ipv4Addr::new(192, 0, 2, 1),
    };
    let mut dump = Dump::default();
    dump.peer_table(&[peer]);
    // A dump of today has about one set for eight routes.
    let sets: Vec<PathAttributes> = (0..routes.div_ceil(8)).map(some_attributes).collect();
    for i in 0..routes {
        let prefix =
            IpNet::new(IpAddr::from(0x0100_0000_u32.wrapping_add(i << 8).to_be_bytes()), 24).unwrap();
        let set = &sets[i.wrapping_mul(2_654_435_761) as usize % sets.len()];
        dump.rib(&prefix, &[(0, None, set)]);
    }
    dump.bytes
}

fn some_attributes(n: u32) -> PathAttributes {
    use azroute::model::bgp::{AsPath, Communities, Community};
    let mixed = n.wrapping_mul(2_654_435_761);
    let path = (0..3 + mixed % 3).map(|i| Asn(64501 + (mixed.rotate_left(i * 7) & 0x3FFFF)));
    let low = |i: u32| u16::try_from((n >> (i * 3)) & 0xFFFF).unwrap();
    PathAttributes {
        as_path: AsPath::sequence(std::iter::once(Asn(64500)).chain(path)),
        next_hop: Some(IpAddr::from([192, 0, 2, 1])),
        med: Some(n),
        communities: Communities::new((0..n % 5).map(|i| Community::new(64500, low(i))), [], []),
        ..PathAttributes::default()
    }
}
