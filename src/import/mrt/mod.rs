//! Reader for MRT dumps of BGP (RFC 6396): tables and updates as route collectors publish them and as routers write
//! them.
//!
//! [`read`] gives, for each peer in a dump, what that peer announces, grouped by attributes: [`Origination`]s, as a
//! [`BgpSpeaker`](crate::model::bgp::BgpSpeaker) declares them. [`events`] gives announcements and withdrawals one by
//! one, in their order.
//!
//! ```
//! use azroute::import::mrt::{self, MrtOptions};
//!
//! // A state change: the session of AS 64500 at 192.0.2.1 goes from OpenConfirm to Established.
//! let dump = [
//!     [0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 20].as_slice(), // time, BGP4MP, STATE_CHANGE, 20 bytes
//!     &[0xFB, 0xF4, 0xFB, 0xF5, 0, 0, 0, 1, 192, 0, 2, 1, 192, 0, 2, 2, 0, 5, 0, 6],
//! ]
//! .concat();
//! let tables = mrt::read(&dump[..], &MrtOptions::default())?;
//! assert_eq!(tables.peers[0].asn.0, 64500);
//! assert_eq!(tables.peers[0].route_count(), 0);
//! # Ok::<(), mrt::MrtError>(())
//! ```
//!
//! What is read: `TABLE_DUMP`, `TABLE_DUMP_V2` (unicast, `RIB_GENERIC`, and both with additional paths, RFC 8050),
//! `BGP4MP` and `BGP4MP_ET` with 2-byte and 4-byte numbers, and the older type 5 (`BGP`). Unicast of IPv4 and IPv6 only.
//!
//! Rules:
//! - an input is the dump itself; whoever has it compressed unpacks it on the way (a reader will do);
//! - what a collector sent itself (the `_LOCAL` subtypes) is no route of the peer, and is counted as skipped;
//! - on a session that leaves *Established* the peer's routes go;
//! - malformed attributes make an announcement a withdrawal, or are left out alone, as RFC 7606 says; a table's entry
//!   with such attributes is left out;
//! - a table's entry may lack ORIGIN, AS_PATH and NEXT_HOP, as a router's own routes do: it has origin INCOMPLETE then,
//!   an empty path, and no next hop;
//! - host bits behind a prefix's length are cleared (RFC 4271 section 4.3);
//! - nothing is lost silently: see [`MrtReport`].
//!
//! Any bytes give a value or an error. Attributes are kept once for each distinct set; a route costs 28 bytes while a
//! dump is read and 18 afterwards.

mod attributes;
mod decode;
mod error;
mod table;

use std::collections::BTreeMap;
use std::collections::vec_deque::VecDeque;
use std::fmt;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::IpNet;

pub use error::MrtError;

use crate::model::Asn;
use crate::model::bgp::{AddressFamily, Origination, PathAttributes};
use decode::{Change, Decoder, Step};
use table::Tables;

/// What to read of a dump. The default reads everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MrtOptions {
    /// Only peers of this autonomous system.
    pub peer_asn: Option<Asn>,
    /// Only the peers at this address.
    pub peer_address: Option<IpAddr>,
    /// The families to read.
    pub families: Vec<AddressFamily>,
    /// How many routes may be held at once, of all peers together; 100 million (2.8 GB).
    pub max_routes: usize,
}

impl Default for MrtOptions {
    fn default() -> Self {
        Self {
            peer_asn: None,
            peer_address: None,
            families: vec![AddressFamily::Ipv4Unicast, AddressFamily::Ipv6Unicast],
            max_routes: 100_000_000,
        }
    }
}

/// What a dump holds in the end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MrtTables {
    /// The peers, by address and number. One that announces nothing is there too.
    pub peers: Vec<MrtPeer>,
    /// What was read, skipped and found wrong.
    pub report: MrtReport,
}

/// A peer, and what it announces.
#[derive(Clone, Debug, PartialEq)]
pub struct MrtPeer {
    /// Its autonomous system.
    pub asn: Asn,
    /// Its address.
    pub address: IpAddr,
    /// Its BGP identifier, where the dump says it (a peer table, or an OPEN message).
    pub router_id: Option<Ipv4Addr>,
    /// Its routes: one entry for each distinct set of attributes, with its prefixes sorted; entries by first prefix.
    /// With additional paths a prefix may stand in several.
    pub originations: Vec<Origination>,
}

impl MrtPeer {
    /// How many routes it announces.
    pub fn route_count(&self) -> usize {
        self.originations.iter().map(|o| o.prefixes.len()).sum()
    }
}

/// What was read, skipped and found wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MrtReport {
    /// Records, of any kind.
    pub records: u64,
    /// Announcements taken, a table's entries among them.
    pub announced: u64,
    /// Withdrawals taken.
    pub withdrawn: u64,
    /// Messages whose announcements became withdrawals (RFC 7606), and entries of tables left out, because their
    /// attributes or prefixes are malformed.
    pub malformed: u64,
    /// Records and routes that are not read, by what they are.
    pub skipped: BTreeMap<String, u64>,
    /// Attributes that the model does not hold, by type code, with how often they stood there.
    pub unread_attributes: BTreeMap<u8, u64>,
    /// Attributes left out alone, because RFC 7606 or RFC 6793 says so, by type code.
    pub discarded_attributes: BTreeMap<u8, u64>,
    /// How many warnings there were.
    pub warning_count: u64,
    /// The first [`MrtReport::MAX_WARNINGS`] of them.
    pub warnings: Vec<MrtWarning>,
}

impl MrtReport {
    /// How many warnings are kept in words; all are counted.
    pub const MAX_WARNINGS: usize = 100;

    fn warn(&mut self, record: u64, field: &'static str, reason: String) {
        self.warning_count += 1;
        if self.warnings.len() < Self::MAX_WARNINGS {
            self.warnings.push(MrtWarning { record, field, reason });
        }
    }

    fn skip(&mut self, what: String) {
        *self.skipped.entry(what).or_default() += 1;
    }
}

/// Something that could not be taken as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MrtWarning {
    /// The number of the record, from 1.
    pub record: u64,
    /// The field, in the words of the RFCs.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for MrtWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}: {}: {}", self.record, self.field, self.reason)
    }
}

/// Reads a dump to its end: for each peer in it, what that peer announces then, grouped by attributes.
///
/// Updates are applied in their order, so a table followed by the updates after it gives the newer table.
///
/// # Errors
/// The reader fails, the dump ends within a record or its framing is lost, it is compressed or empty, or holds more
/// routes than the options allow. Everything else that is wrong is a warning.
pub fn read(reader: impl Read, options: &MrtOptions) -> Result<MrtTables, MrtError> {
    let mut source = decode::Source::new(reader)?;
    let mut decoder = Decoder::new(options);
    let mut tables = Tables::new(options.max_routes);
    while let Step::Record = decoder.step(&mut source)? {
        for change in decoder.changes.drain(..) {
            tables.apply(change, decoder.report.records)?;
        }
    }
    let (peers, sets, report) = decoder.finish();
    let mut peers = tables.finish(peers, &sets, report.records)?;
    peers.sort_by_key(|peer| (peer.address, peer.asn));
    Ok(MrtTables { peers, report })
}

/// Reads a dump step by step.
///
/// # Errors
/// As the items of the iterator, and those of [`read`] that show at the start.
pub fn events<R: Read>(reader: R, options: &MrtOptions) -> Result<MrtEvents<R>, MrtError> {
    let source = decode::Source::new(reader)?;
    Ok(MrtEvents { source, decoder: Decoder::new(options), waiting: VecDeque::new(), over: false })
}

/// The events of a dump in their order; made by [`events`]. After an error there is nothing more.
///
/// Attribute sets are kept for as long as this stands, so that equal ones are one.
pub struct MrtEvents<R> {
    source: decode::Source<R>,
    decoder: Decoder,
    waiting: VecDeque<MrtEvent>,
    over: bool,
}

impl<R> MrtEvents<R> {
    /// What was read so far.
    pub fn report(&self) -> &MrtReport {
        &self.decoder.report
    }
}

impl<R> fmt::Debug for MrtEvents<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MrtEvents").field("report", &self.decoder.report).finish_non_exhaustive()
    }
}

impl<R: Read> Iterator for MrtEvents<R> {
    type Item = Result<MrtEvent, MrtError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(Ok(event));
            }
            if self.over {
                return None;
            }
            match self.decoder.step(&mut self.source) {
                Ok(Step::Record) => {
                    let decoder = &mut self.decoder;
                    let (record, time) = (decoder.report.records, decoder.time);
                    for change in decoder.changes.drain(..) {
                        let (peer, change) = match change {
                            Change::Announce { peer, prefix, path_id, set } => {
                                let Some(attributes) = decoder.attributes.get(set) else { continue };
                                (peer, MrtChange::Announce { prefix, path_id, attributes })
                            }
                            Change::Withdraw { peer, prefix, path_id } => {
                                (peer, MrtChange::Withdraw { prefix, path_id })
                            }
                            Change::State { peer, old, new } => (peer, MrtChange::State { old, new }),
                        };
                        let Some(peer) = decoder.peers.get(peer as usize) else { continue };
                        let (peer_asn, peer_address) = (peer.asn, peer.address);
                        self.waiting.push_back(MrtEvent { record, time, peer_asn, peer_address, change });
                    }
                }
                Ok(Step::End) => self.over = true,
                Err(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// One thing that a dump tells of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MrtEvent {
    /// The number of the record, from 1.
    pub record: u64,
    /// Seconds since 1970, as the record says. In a table: when the table was written.
    pub time: u32,
    /// The peer's autonomous system.
    pub peer_asn: Asn,
    /// The peer's address.
    pub peer_address: IpAddr,
    /// What it is.
    pub change: MrtChange,
}

/// What becomes of a route, or of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MrtChange {
    /// A route is there: it is in a table, or was announced.
    Announce {
        /// Where to.
        prefix: IpNet,
        /// Which of several paths (RFC 7911).
        path_id: Option<u32>,
        /// Its attributes; equal ones are one value.
        attributes: Arc<PathAttributes>,
    },
    /// A route goes.
    Withdraw {
        /// Where to.
        prefix: IpNet,
        /// Which of several paths.
        path_id: Option<u32>,
    },
    /// The session with the peer changes its state (RFC 4271 section 8: 1 is Idle, 6 is Established).
    State {
        /// From this.
        old: u16,
        /// To this.
        new: u16,
    },
}
