//! Routes of each peer while a dump is read, and what is left of them at its end.

use std::sync::Arc;

use ipnet::IpNet;

use super::decode::{Change, Peer};
use super::{MrtError, MrtPeer};
use crate::model::bgp::{Origination, PathAttributes};

/// Stands for a withdrawal in place of a set of attributes.
const WITHDRAWN: u32 = u32::MAX;
/// Below this many rows a table is not worth sorting.
const FEW: usize = 1 << 16;
const ESTABLISHED: u16 = 6;

/// One announcement or withdrawal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    prefix: IpNet,
    path_id: u32,
    set: u32,
}

/// A peer's routes as a log: a later row of a prefix replaces an earlier one. A table of a dump is then a plain list,
/// with no index beside it, and updates cost a sort each time the list has doubled.
struct Table {
    rows: Vec<Row>,
    compact_at: usize,
}

impl Table {
    fn compact(&mut self) {
        // Stable: of one key the last row is the newest.
        self.rows.sort_by_key(|row| (row.prefix, row.path_id));
        self.rows.dedup_by(|later, kept| {
            let same = (later.prefix, later.path_id) == (kept.prefix, kept.path_id);
            if same {
                *kept = *later;
            }
            same
        });
        self.rows.retain(|row| row.set != WITHDRAWN);
        self.compact_at = FEW.max(self.rows.len().saturating_mul(2));
    }
}

pub(super) struct Tables {
    tables: Vec<Table>,
    /// Rows of all tables together.
    rows: usize,
    max_routes: usize,
}

impl Tables {
    pub(super) fn new(max_routes: usize) -> Self {
        Self { tables: Vec::new(), rows: 0, max_routes }
    }

    pub(super) fn apply(&mut self, change: Change, record: u64) -> Result<(), MrtError> {
        let (peer, row) = match change {
            Change::Announce { peer, prefix, path_id, set } => {
                (peer, Row { prefix, path_id: path_id.unwrap_or_default(), set })
            }
            Change::Withdraw { peer, prefix, path_id } => {
                (peer, Row { prefix, path_id: path_id.unwrap_or_default(), set: WITHDRAWN })
            }
            Change::State { peer, old, new } => {
                if let (ESTABLISHED, Some(table)) = (old, self.tables.get_mut(peer as usize))
                    && new != ESTABLISHED
                {
                    self.rows -= table.rows.len();
                    table.rows.clear();
                }
                return Ok(());
            }
        };
        let at = peer as usize;
        if at >= self.tables.len() {
            self.tables.resize_with(at + 1, || Table { rows: Vec::new(), compact_at: FEW });
        }
        let Some(table) = self.tables.get_mut(at) else { return Ok(()) };
        table.rows.push(row);
        self.rows += 1;
        if table.rows.len() >= table.compact_at {
            let before = table.rows.len();
            table.compact();
            self.rows -= before - table.rows.len();
        }
        // Rows are counted, not routes, until there are twice as many: else each update of a full table would sort it.
        if self.rows > self.max_routes.saturating_mul(2) { self.limit(record) } else { Ok(()) }
    }

    fn limit(&mut self, record: u64) -> Result<(), MrtError> {
        self.tables.iter_mut().for_each(Table::compact);
        self.rows = self.tables.iter().map(|table| table.rows.len()).sum();
        let limit = self.max_routes;
        if self.rows > limit { Err(MrtError::TooManyRoutes { record, limit }) } else { Ok(()) }
    }

    /// The tables, grouped by attributes.
    pub(super) fn finish(
        mut self,
        peers: Vec<Peer>,
        sets: &[Arc<PathAttributes>],
        record: u64,
    ) -> Result<Vec<MrtPeer>, MrtError> {
        self.limit(record)?;
        let mut tables = self.tables.into_iter();
        let peers = peers
            .into_iter()
            .map(|peer| MrtPeer {
                asn: peer.asn,
                address: peer.address,
                router_id: peer.router_id,
                originations: tables.next().map(|table| grouped(table, sets)).unwrap_or_default(),
            })
            .collect();
        Ok(peers)
    }
}

fn grouped(table: Table, sets: &[Arc<PathAttributes>]) -> Vec<Origination> {
    let mut rows = table.rows;
    rows.sort_unstable_by_key(|row| (row.set, row.prefix));
    // Two paths of one prefix with the same attributes are one route here.
    rows.dedup_by_key(|row| (row.set, row.prefix));
    let mut originations: Vec<Origination> = rows
        .chunk_by(|a, b| a.set == b.set)
        .filter_map(|group| {
            let set = sets.get(group.first()?.set as usize)?;
            Some(Origination {
                prefixes: group.iter().map(|row| row.prefix).collect(),
                attributes: PathAttributes::clone(set),
                policies: Vec::new(),
            })
        })
        .collect();
    // Stable: sets that share their first prefix stay in the order the dump has them.
    originations.sort_by_key(|origination| origination.prefixes.first().copied());
    originations
}
