//! Records, one after the other, as changes of peers' routes.

use std::collections::HashMap;
use std::io::{Cursor, ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bgpkit_parser::ParserError;
use bgpkit_parser::parser::chunk_mrt_record;
use ipnet::IpNet;

use super::attributes::{Attributes, Place, Width};
use super::{MrtError, MrtOptions, MrtReport};
use crate::model::Asn;
use crate::model::bgp::{AddressFamily, PathAttributes};

/// What cannot be taken as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    field: &'static str,
    reason: String,
}

impl Problem {
    pub(super) fn new(field: &'static str, reason: String) -> Self {
        Self { field, reason }
    }

    pub(super) fn missing(field: &'static str) -> Self {
        Self::new(field, "is missing".to_owned())
    }
}

/// A peer that the dump names.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) asn: Asn,
    pub(super) address: IpAddr,
    pub(super) router_id: Option<Ipv4Addr>,
}

/// What becomes of a route or a session; `peer` and `set` are numbers of this dump.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Announce { peer: u32, prefix: IpNet, path_id: Option<u32>, set: u32 },
    Withdraw { peer: u32, prefix: IpNet, path_id: Option<u32> },
    State { peer: u32, old: u16, new: u16 },
}

/// Whether there was another record.
pub(super) enum Step {
    Record,
    End,
}

/// Where records come from.
pub(super) struct Source<R>(std::io::Chain<Cursor<Vec<u8>>, R>);

impl<R: Read> Source<R> {
    pub(super) fn new(mut reader: R) -> Result<Self, MrtError> {
        let mut head = Vec::new();
        reader
            .by_ref()
            .take(4)
            .read_to_end(&mut head)
            .map_err(|error| MrtError::Read { record: 1, reason: error.to_string() })?;
        // A dump begins with a time; these would be in 1986, 2005, 2104 and 1991. Nothing else gives a hint so early, and
        // a refusal that says what to do is worth a table of one day in 2005.
        let packed: [(&[u8], &str); 4] = [
            (&[0x1F, 0x8B, 0x08], "gzip"),
            (b"BZh", "bzip2"),
            (&[0xFD, 0x37, 0x7A, 0x58], "xz"),
            (&[0x28, 0xB5, 0x2F, 0xFD], "zstd"),
        ];
        match packed.iter().find(|(magic, _)| head.starts_with(magic)) {
            Some((_, name)) => Err(MrtError::Compressed(name)),
            None if head.is_empty() => Err(MrtError::Empty),
            None => Ok(Self(Cursor::new(head).chain(reader))),
        }
    }
}

/// Bytes that are read from their front.
#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize, field: &'static str) -> Result<&'a [u8], Problem> {
        let (front, rest) = self
            .0
            .split_at_checked(n)
            .ok_or_else(|| Problem::new(field, format!("wants {n} bytes where {} are left", self.0.len())))?;
        self.0 = rest;
        Ok(front)
    }

    fn number<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Problem> {
        let bytes = self.take(N, field)?;
        bytes.try_into().map_err(|_| Problem::missing(field))
    }

    fn u8(&mut self, field: &'static str) -> Result<u8, Problem> {
        Ok(u8::from_be_bytes(self.number(field)?))
    }

    fn u16(&mut self, field: &'static str) -> Result<u16, Problem> {
        Ok(u16::from_be_bytes(self.number(field)?))
    }

    fn u32(&mut self, field: &'static str) -> Result<u32, Problem> {
        Ok(u32::from_be_bytes(self.number(field)?))
    }

    fn asn(&mut self, width: Width, field: &'static str) -> Result<Asn, Problem> {
        match width {
            Width::Two => self.u16(field).map(|n| Asn(n.into())),
            Width::Four => self.u32(field).map(Asn),
        }
    }

    fn address(&mut self, family: AddressFamily, field: &'static str) -> Result<IpAddr, Problem> {
        Ok(match family {
            AddressFamily::Ipv4Unicast => IpAddr::V4(Ipv4Addr::from(self.number::<4>(field)?)),
            AddressFamily::Ipv6Unicast => IpAddr::V6(Ipv6Addr::from(self.number::<16>(field)?)),
        })
    }

    /// A prefix as NLRI: its length in bits, and as many bytes as these need.
    fn prefix(&mut self, family: AddressFamily, field: &'static str) -> Result<IpNet, Problem> {
        let length = self.u8(field)?;
        let bytes = self.take(usize::from(length).div_ceil(8), field)?;
        let mut whole = [0; 16];
        let prefix = match (whole.get_mut(..bytes.len()), family) {
            (Some(front), AddressFamily::Ipv4Unicast) if length <= 32 => {
                front.copy_from_slice(bytes);
                let [a, b, c, d, ..] = whole;
                net(IpAddr::from([a, b, c, d]), length)
            }
            (Some(front), AddressFamily::Ipv6Unicast) => {
                front.copy_from_slice(bytes);
                net(IpAddr::from(whole), length)
            }
            _ => None,
        };
        prefix.ok_or_else(|| Problem::new(field, format!("a length of {length} bits")))
    }
}

fn net(address: IpAddr, length: u8) -> Option<IpNet> {
    IpNet::new(address, length).ok().map(|net| net.trunc())
}

fn family(afi: u16) -> Option<AddressFamily> {
    match afi {
        1 => Some(AddressFamily::Ipv4Unicast),
        2 => Some(AddressFamily::Ipv6Unicast),
        _ => None,
    }
}

fn unicast(afi: u16, safi: u8) -> Option<AddressFamily> {
    if safi == 1 { family(afi) } else { None }
}

/// Prefixes of one message, with their path identifiers.
type Prefixes = Vec<(Option<u32>, IpNet)>;

/// Everything that lasts longer than a record.
pub(super) struct Decoder {
    options: MrtOptions,
    pub(super) report: MrtReport,
    pub(super) peers: Vec<Peer>,
    numbers: HashMap<(IpAddr, Asn), u32>,
    /// The peers of the last peer table by their index; none where they are not wanted.
    index: Vec<Option<u32>>,
    pub(super) attributes: Attributes,
    /// What the last record brought.
    pub(super) changes: Vec<Change>,
    /// Its time.
    pub(super) time: u32,
}

impl Decoder {
    pub(super) fn new(options: &MrtOptions) -> Self {
        Self {
            options: options.clone(),
            report: MrtReport::default(),
            peers: Vec::new(),
            numbers: HashMap::new(),
            index: Vec::new(),
            attributes: Attributes::default(),
            changes: Vec::new(),
            time: 0,
        }
    }

    pub(super) fn finish(self) -> (Vec<Peer>, Vec<Arc<PathAttributes>>, MrtReport) {
        (self.peers, self.attributes.into_sets(), self.report)
    }

    /// Reads one record; what it brings stands in `changes`.
    pub(super) fn step<R: Read>(&mut self, source: &mut Source<R>) -> Result<Step, MrtError> {
        let record = self.report.records + 1;
        let raw = match chunk_mrt_record(&mut source.0) {
            Ok(raw) => raw,
            Err(failed) => {
                return match failed.error {
                    ParserError::EofExpected => Ok(Step::End),
                    ParserError::IoError(error) | ParserError::EofError(error) => {
                        let reason = error.to_string();
                        Err(if error.kind() == ErrorKind::UnexpectedEof {
                            MrtError::Framing { record, reason }
                        } else {
                            MrtError::Read { record, reason }
                        })
                    }
                    error @ ParserError::OversizedRecord { .. } => {
                        Err(MrtError::Framing { record, reason: error.to_string() })
                    }
                    // The header makes no sense, and the record was passed over.
                    error => {
                        self.report.records = record;
                        self.report.warn(record, "type", error.to_string());
                        self.report.skip("records of unknown types".to_owned());
                        Ok(Step::Record)
                    }
                };
            }
        };
        self.report.records = record;
        self.time = raw.common_header.timestamp;
        let (kind, subtype) = (raw.common_header.entry_type as u16, raw.common_header.entry_subtype);
        let body = Bytes(&raw.message_bytes);
        let done = match kind {
            5 => self.legacy(subtype, body),
            12 => self.table_dump(subtype, body),
            13 => self.table_dump_v2(subtype, body),
            16 | 17 => self.bgp4mp(kind, subtype, body),
            _ => {
                self.skip_record(kind, subtype);
                Ok(())
            }
        };
        if let Err(problem) = done {
            self.warn(problem);
        }
        Ok(Step::Record)
    }

    fn warn(&mut self, problem: Problem) {
        self.report.warn(self.report.records, problem.field, problem.reason);
    }

    fn malformed(&mut self, problem: Problem) {
        self.report.malformed += 1;
        self.warn(problem);
    }

    fn skip_record(&mut self, kind: u16, subtype: u16) {
        self.report.skip(format!("records of type {kind}, subtype {subtype}"));
    }

    /// The number of a peer; none where it is not wanted.
    fn peer(&mut self, address: IpAddr, asn: Asn, router_id: Option<Ipv4Addr>) -> Option<u32> {
        let wanted = self.options.peer_asn.is_none_or(|only| only == asn)
            && self.options.peer_address.is_none_or(|only| only == address);
        if !wanted {
            return None;
        }
        let number = match self.numbers.get(&(address, asn)) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.peers.len()).ok()?;
                self.peers.push(Peer { asn, address, router_id: None });
                self.numbers.insert((address, asn), number);
                number
            }
        };
        if let (Some(id), Some(peer)) = (router_id, self.peers.get_mut(number as usize)) {
            peer.router_id = Some(id);
        }
        Some(number)
    }

    fn wants(&self, family: AddressFamily) -> bool {
        self.options.families.contains(&family)
    }

    fn announce(&mut self, peer: u32, path_id: Option<u32>, prefix: IpNet, set: u32) {
        if self.wants(AddressFamily::of(&prefix)) {
            self.report.announced += 1;
            self.changes.push(Change::Announce { peer, prefix, path_id, set });
        }
    }

    fn withdraw(&mut self, peer: u32, prefixes: Prefixes) {
        for (path_id, prefix) in prefixes {
            if self.wants(AddressFamily::of(&prefix)) {
                self.report.withdrawn += 1;
                self.changes.push(Change::Withdraw { peer, prefix, path_id });
            }
        }
    }

    /// RFC 6396 section 4.2. One entry a record; the oldest dumps have several behind one head.
    fn table_dump(&mut self, subtype: u16, mut body: Bytes<'_>) -> Result<(), Problem> {
        let Some(family) = family(subtype) else {
            self.skip_record(12, subtype);
            return Ok(());
        };
        body.take(4, "view and sequence number")?;
        while !body.0.is_empty() {
            let address = body.address(family, "prefix")?;
            let length = body.u8("prefix length")?;
            body.take(5, "status and time")?;
            let peer_address = body.address(family, "peer address")?;
            let asn = body.asn(Width::Two, "peer AS")?;
            let n = body.u16("attribute length")?;
            let section = body.take(n.into(), "attributes")?;
            let Some(peer) = self.peer(peer_address, asn, None) else { continue };
            match net(address, length) {
                Some(prefix) => self.entry(peer, None, prefix, section, Width::Two),
                None => self.malformed(Problem::new("prefix length", format!("{length} bits"))),
            }
        }
        Ok(())
    }

    /// RFC 6396 section 4.3, RFC 8050.
    fn table_dump_v2(&mut self, subtype: u16, mut body: Bytes<'_>) -> Result<(), Problem> {
        const PEER_INDEX_TABLE: u16 = 1;
        const RIB_GENERIC: u16 = 6;
        const RIB_GENERIC_ADDPATH: u16 = 12;
        let (mut unicast_family, add_path) = match subtype {
            PEER_INDEX_TABLE => return self.peer_index_table(body),
            2 => (family(1), false),
            4 => (family(2), false),
            8 => (family(1), true),
            10 => (family(2), true),
            RIB_GENERIC => (None, false),
            RIB_GENERIC_ADDPATH => (None, true),
            _ => {
                self.skip_record(13, subtype);
                return Ok(());
            }
        };
        body.take(4, "sequence number")?;
        if matches!(subtype, RIB_GENERIC | RIB_GENERIC_ADDPATH) {
            let (afi, safi) = (body.u16("AFI")?, body.u8("SAFI")?);
            unicast_family = unicast(afi, safi);
            if unicast_family.is_none() {
                self.report.skip(format!("routes of AFI {afi}, SAFI {safi}"));
            }
        }
        let Some(family) = unicast_family else { return Ok(()) };
        let prefix = body.prefix(family, "prefix")?;
        let entries = body.u16("entry count")?;
        if !self.wants(family) {
            return Ok(());
        }
        for _ in 0..entries {
            let at = body.u16("peer index")?;
            body.take(4, "originated time")?;
            let path_id = if add_path { Some(body.u32("path identifier")?) } else { None };
            let n = body.u16("attribute length")?;
            let section = body.take(n.into(), "attributes")?;
            match self.index.get(usize::from(at)) {
                Some(Some(peer)) => self.entry(*peer, path_id, prefix, section, Width::Four),
                Some(None) => {}
                None => self.malformed(Problem::new("peer index", format!("{at} is not in the peer table"))),
            }
        }
        Ok(())
    }

    fn peer_index_table(&mut self, mut body: Bytes<'_>) -> Result<(), Problem> {
        self.index.clear();
        body.take(4, "collector id")?;
        let name = body.u16("view name length")?;
        body.take(name.into(), "view name")?;
        let count = body.u16("peer count")?;
        for _ in 0..count {
            let kind = body.u8("peer type")?;
            let id = Ipv4Addr::from(body.number::<4>("peer BGP id")?);
            let family = if kind & 1 == 0 { AddressFamily::Ipv4Unicast } else { AddressFamily::Ipv6Unicast };
            let address = body.address(family, "peer address")?;
            let asn = body.asn(if kind & 2 == 0 { Width::Two } else { Width::Four }, "peer AS")?;
            let peer = self.peer(address, asn, (!id.is_unspecified()).then_some(id));
            self.index.push(peer);
        }
        Ok(())
    }

    /// One route of a table.
    fn entry(&mut self, peer: u32, path_id: Option<u32>, prefix: IpNet, section: &[u8], width: Width) {
        if !self.wants(AddressFamily::of(&prefix)) {
            return;
        }
        let parts = self.attributes.take_apart(section, &mut self.report);
        let found = match parts.problem {
            Some(problem) => Err(problem),
            None => {
                let hop = match parts.mp_reach {
                    Some(mp) => table_next_hop(mp).map(Some),
                    None => Ok(parts.next_hop),
                };
                hop.and_then(|hop| self.attributes.set(hop, width, Place::Table, &mut self.report))
            }
        };
        match found {
            Ok(set) => self.announce(peer, path_id, prefix, set),
            Err(problem) => self.malformed(problem),
        }
    }

    /// RFC 6396 appendix B.2: the type before BGP4MP.
    fn legacy(&mut self, subtype: u16, mut body: Bytes<'_>) -> Result<(), Problem> {
        const UPDATE: u16 = 1;
        const STATE_CHANGE: u16 = 3;
        if !matches!(subtype, UPDATE | STATE_CHANGE) {
            self.skip_record(5, subtype);
            return Ok(());
        }
        let asn = body.asn(Width::Two, "peer AS")?;
        let address = body.address(AddressFamily::Ipv4Unicast, "peer address")?;
        let Some(peer) = self.peer(address, asn, None) else { return Ok(()) };
        if subtype == STATE_CHANGE {
            return self.state(peer, body);
        }
        body.take(6, "local AS and address")?;
        self.update(peer, body, Width::Two, false)
    }

    /// RFC 6396 section 4.4, RFC 8050.
    fn bgp4mp(&mut self, kind: u16, subtype: u16, mut body: Bytes<'_>) -> Result<(), Problem> {
        const STATE_CHANGE: u16 = 0;
        const STATE_CHANGE_AS4: u16 = 5;
        const OPEN: u8 = 1;
        const UPDATE: u8 = 2;
        let (width, add_path) = match subtype {
            STATE_CHANGE | 1 => (Width::Two, false),
            4 | STATE_CHANGE_AS4 => (Width::Four, false),
            8 => (Width::Two, true),
            9 => (Width::Four, true),
            // Among them the _LOCAL ones: what the collector itself sent.
            _ => {
                self.skip_record(kind, subtype);
                return Ok(());
            }
        };
        let asn = body.asn(width, "peer AS")?;
        body.asn(width, "local AS")?;
        body.take(2, "interface index")?;
        let afi = body.u16("AFI")?;
        let of = family(afi).ok_or_else(|| Problem::new("AFI", format!("{afi} is neither IPv4 nor IPv6")))?;
        let address = body.address(of, "peer address")?;
        body.address(of, "local address")?;
        let Some(peer) = self.peer(address, asn, None) else { return Ok(()) };
        if matches!(subtype, STATE_CHANGE | STATE_CHANGE_AS4) {
            return self.state(peer, body);
        }
        body.take(16, "BGP marker")?;
        let length = usize::from(body.u16("BGP length")?);
        let what = body.u8("BGP type")?;
        let inside = length.checked_sub(19).ok_or_else(|| {
            Problem::new("BGP length", format!("{length} is less than the head of a message"))
        })?;
        let mut message = Bytes(body.take(inside, "BGP message")?);
        match what {
            UPDATE => self.update(peer, message, width, add_path),
            OPEN => {
                message.take(5, "version, AS and hold time")?;
                let id = Ipv4Addr::from(message.number::<4>("BGP identifier")?);
                if let Some(peer) = self.peers.get_mut(peer as usize) {
                    peer.router_id = Some(id);
                }
                Ok(())
            }
            other => {
                self.report.skip(format!("BGP messages of type {other}"));
                Ok(())
            }
        }
    }

    fn state(&mut self, peer: u32, mut body: Bytes<'_>) -> Result<(), Problem> {
        let (old, new) = (body.u16("old state")?, body.u16("new state")?);
        self.changes.push(Change::State { peer, old, new });
        Ok(())
    }

    /// RFC 4271 section 4.3, RFC 4760, and RFC 7606 where something is wrong: what can be read of the prefixes is
    /// withdrawn then.
    fn update(
        &mut self,
        peer: u32,
        mut body: Bytes<'_>,
        width: Width,
        add_path: bool,
    ) -> Result<(), Problem> {
        let n = body.u16("withdrawn routes length")?;
        let withdrawn = body.take(n.into(), "withdrawn routes")?;
        let n = body.u16("attribute length")?;
        let section = body.take(n.into(), "attributes")?;
        let v4 = AddressFamily::Ipv4Unicast;

        let (gone, problem) = prefixes(Bytes(withdrawn), v4, add_path, "withdrawn routes");
        self.withdraw(peer, gone);
        if let Some(problem) = problem {
            self.malformed(problem);
        }
        let parts = self.attributes.take_apart(section, &mut self.report);
        if let Some(mut unreach) = parts.mp_unreach.map(Bytes) {
            let (afi, safi) = (unreach.u16("MP_UNREACH_NLRI")?, unreach.u8("MP_UNREACH_NLRI")?);
            match unicast(afi, safi) {
                Some(of) => {
                    let (gone, problem) = prefixes(unreach, of, add_path, "MP_UNREACH_NLRI");
                    self.withdraw(peer, gone);
                    if let Some(problem) = problem {
                        self.malformed(problem);
                    }
                }
                None => self.report.skip(format!("routes of AFI {afi}, SAFI {safi}")),
            }
        }

        let mut wrong = parts.problem;
        let (announced, problem) = prefixes(body, v4, add_path, "NLRI");
        wrong = wrong.or(problem);
        let mut reached: Option<(&[u8], Prefixes)> = None;
        if let Some(mp) = parts.mp_reach {
            match mp_reach(mp) {
                Ok(MpReach { family: Some(of), next_hop, prefixes: rest, .. }) => {
                    let (list, problem) = prefixes(rest, of, add_path, "MP_REACH_NLRI");
                    wrong = wrong.or(problem);
                    reached = Some((next_hop, list));
                }
                Ok(MpReach { afi, safi, .. }) => {
                    self.report.skip(format!("routes of AFI {afi}, SAFI {safi}"));
                }
                Err(problem) => wrong = wrong.or(Some(problem)),
            }
        }
        // A set for each next hop: both lists share the other attributes, and fall together.
        let mut v4_set = None;
        if wrong.is_none() && !announced.is_empty() {
            let set = match parts.next_hop {
                Some(hop) => self.attributes.set(Some(hop), width, Place::Update, &mut self.report),
                None => Err(Problem::missing("NEXT_HOP")),
            };
            match set {
                Ok(set) => v4_set = Some(set),
                Err(problem) => wrong = Some(problem),
            }
        }
        let mut mp_set = None;
        if let (None, Some((hop, list))) = (&wrong, &reached)
            && !list.is_empty()
        {
            match self.attributes.set(Some(hop), width, Place::Update, &mut self.report) {
                Ok(set) => mp_set = Some(set),
                Err(problem) => wrong = Some(problem),
            }
        }
        let lists = [(announced, v4_set), (reached.map(|(_, list)| list).unwrap_or_default(), mp_set)];
        for (list, set) in lists {
            match (set, &wrong) {
                (Some(set), None) => {
                    for (path_id, prefix) in list {
                        self.announce(peer, path_id, prefix, set);
                    }
                }
                _ => self.withdraw(peer, list),
            }
        }
        if let Some(problem) = wrong {
            self.malformed(problem);
        }
        Ok(())
    }
}

/// A list of prefixes to its end, or to where it breaks.
fn prefixes(
    mut bytes: Bytes<'_>,
    family: AddressFamily,
    add_path: bool,
    field: &'static str,
) -> (Prefixes, Option<Problem>) {
    let mut found = Vec::new();
    while !bytes.0.is_empty() {
        let mut next = || {
            let path_id = if add_path { Some(bytes.u32(field)?) } else { None };
            Ok((path_id, bytes.prefix(family, field)?))
        };
        match next() {
            Ok(prefix) => found.push(prefix),
            Err(problem) => return (found, Some(problem)),
        }
    }
    (found, None)
}

/// MP_REACH_NLRI (RFC 4760 section 3).
struct MpReach<'a> {
    afi: u16,
    safi: u8,
    /// None where it is not read.
    family: Option<AddressFamily>,
    next_hop: &'a [u8],
    prefixes: Bytes<'a>,
}

fn mp_reach(value: &[u8]) -> Result<MpReach<'_>, Problem> {
    const FIELD: &str = "MP_REACH_NLRI";
    let mut bytes = Bytes(value);
    let (afi, safi) = (bytes.u16(FIELD)?, bytes.u8(FIELD)?);
    let n = bytes.u8(FIELD)?;
    let next_hop = bytes.take(n.into(), FIELD)?;
    bytes.u8(FIELD)?;
    Ok(MpReach { afi, safi, family: unicast(afi, safi), next_hop, prefixes: bytes })
}

/// The next hop in MP_REACH_NLRI of a table's entry: that alone with its length (RFC 6396 section 4.3.4), or, as many
/// routers write it, the whole attribute. The whole one begins with a zero byte.
fn table_next_hop(value: &[u8]) -> Result<&[u8], Problem> {
    match value.split_first() {
        Some((&n, hop)) if n != 0 && usize::from(n) == hop.len() => Ok(hop),
        _ => mp_reach(value).map(|mp| mp.next_hop),
    }
}
