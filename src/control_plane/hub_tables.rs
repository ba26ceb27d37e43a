//! What the tables of virtual hubs hold once BGP has converged.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::azure::{HubKind, HubMarks, HubWay, Hubs, Marks};
use super::bgp::{Bgp, flat};
use crate::bgp::{LearnedFrom, RibEntry};
use crate::model::{Asn, ResourceId, Topology, VirtualHub};
use crate::prefix_table::PrefixTable;

/// A hub's tables.
#[derive(Debug, Default)]
pub(crate) struct HubRoutes {
    /// All that its router knows: what a packet follows that comes from another hub or from the hub's firewall.
    pub(crate) router: HubTable,
    /// Its tables by name, the default one first.
    pub(crate) tables: Vec<(String, HubTable)>,
}

/// Routes of a table, by prefix.
#[derive(Debug, Default)]
pub(crate) struct HubTable {
    pub(crate) rows: Vec<HubRow>,
    by_prefix: PrefixTable<usize>,
}

/// A route with its equal-cost members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HubRow {
    pub(crate) prefix: IpNet,
    pub(crate) kind: HubKind,
    pub(crate) members: Vec<HubMember>,
    /// Whether something else was beaten by VWAN-6.
    pub(crate) contested: bool,
}

/// One way of a route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HubMember {
    pub(crate) way: HubWay,
    /// Where the hub that brought it in has it from.
    pub(crate) kind: HubKind,
    pub(crate) as_path: Vec<Asn>,
    /// The gateway in Azure behind a circuit (ER-12, VWAN-14).
    pub(crate) gateway: Option<usize>,
    /// The circuit behind Global Reach (ER-16).
    pub(crate) reached: Option<usize>,
}

impl HubTable {
    fn new(mut rows: Vec<HubRow>) -> Self {
        rows.retain(|row| !row.members.is_empty());
        rows.sort_by_key(|row| row.prefix);
        let by_prefix = rows.iter().enumerate().map(|(at, row)| (row.prefix, at)).collect();
        Self { rows, by_prefix }
    }

    /// The route of the longest prefix that holds an address.
    pub(crate) fn longest_match(&self, address: IpAddr) -> Option<&HubRow> {
        let (_, at) = self.by_prefix.longest_match(address)?;
        self.rows.get(*at)
    }

    /// The same, of routes that no hand wrote: what a packet follows after the hub's firewall has seen it.
    pub(crate) fn longest_learned(&self, address: IpAddr) -> Option<&HubRow> {
        let covering = self.by_prefix.covering(&IpNet::from(address));
        let through_firewall =
            |row: &&HubRow| row.members.iter().any(|m| matches!(m.way, HubWay::Firewall(_)));
        covering.into_iter().rev().filter_map(|(_, at)| self.rows.get(*at)).find(|row| !through_firewall(row))
    }
}

/// The tables of every hub.
pub(super) fn build(topology: &Topology, bgp: Option<&Bgp>) -> Vec<HubRoutes> {
    let hubs = &topology.document().virtual_hubs;
    let Some(bgp) = bgp else { return hubs.iter().map(|_| HubRoutes::default()).collect() };
    let register = &bgp.wiring.hubs;
    let of = |h: usize, hub: &VirtualHub| {
        let all: Vec<(HubRow, Vec<usize>)> = rows(bgp, &hub.id, register);
        let mut routes = HubRoutes::default();
        for (at, table) in register.tables.iter().enumerate().filter(|(_, t)| t.hub == h) {
            let private = hub.routing_intent.as_ref().filter(|_| table.is_default);
            let private =
                private.and_then(|i| i.private_traffic.as_ref().map(|to| (to, i.private_prefixes())));
            let rows = if let Some((to, prefixes)) = private {
                // Everything learned is behind the firewall: connections propagate to no table (VWAN-11).
                let own = all.iter().filter(|(row, _)| row.kind == HubKind::Static).map(|(row, _)| row);
                let own = own.filter(|row| !prefixes.contains(&row.prefix)).cloned();
                let policy = prefixes.iter().map(|prefix| through(*prefix, to));
                own.chain(policy).collect()
            } else if table.is_default {
                all.iter().filter(|(_, tables)| tables.contains(&at)).map(|(row, _)| row.clone()).collect()
            } else {
                rows(bgp, &table.speaker, register).into_iter().map(|(row, _)| row).collect()
            };
            routes.tables.push((table.name.clone(), HubTable::new(rows)));
        }
        routes.router = HubTable::new(all.into_iter().map(|(row, _)| row).collect());
        routes
    };
    hubs.iter().enumerate().map(|(h, hub)| of(h, hub)).collect()
}

/// A private policy's route for one of its prefixes (VWAN-11).
fn through(prefix: IpNet, resource: &ResourceId) -> HubRow {
    let member = HubMember {
        way: HubWay::Firewall(resource.clone()),
        kind: HubKind::Static,
        as_path: Vec::new(),
        gateway: None,
        reached: None,
    };
    HubRow { prefix: prefix.trunc(), kind: HubKind::Static, members: vec![member], contested: false }
}

/// A speaker's routes, each with the tables that take it.
fn rows(bgp: &Bgp, speaker: &ResourceId, register: &Hubs) -> Vec<(HubRow, Vec<usize>)> {
    let mut found = Vec::new();
    for rib in bgp.engine.rib(speaker) {
        let mut members: Vec<HubMember> = Vec::new();
        let mut tables = Vec::new();
        let mut kind = None;
        let used: Vec<&RibEntry<'_>> = rib.used().collect();
        for entry in &used {
            let attributes = entry.route.attributes;
            let marks = HubMarks::of(attributes);
            let Some(of_route) = marks.kind else { continue };
            kind.get_or_insert(of_route);
            tables.extend(&marks.tables);
            // Of a hub's own routes nobody in Azure is behind: marks of gateways travel on those over circuits.
            let behind = match entry.route.from {
                LearnedFrom::Local(_) => Marks::default(),
                LearnedFrom::Neighbor { .. } => Marks::of(attributes),
            };
            let as_path = flat(&attributes.as_path);
            for way in marks.ways.iter().filter_map(|way| register.ways.get(*way)) {
                members.push(HubMember {
                    way: way.1.clone(),
                    kind: of_route,
                    as_path: as_path.clone(),
                    gateway: behind.gateway,
                    reached: behind.reached,
                });
            }
        }
        let Some(kind) = kind else { continue };
        members.sort();
        members.dedup();
        tables.sort_unstable();
        tables.dedup();
        let contested = rib.entries.len() > used.len();
        found.push((HubRow { prefix: rib.prefix, kind, members, contested }, tables));
    }
    found
}

/// A connection, the gateway in Azure behind the circuit, and the circuit behind Global Reach.
pub(crate) type OverCircuit = (usize, Option<usize>, Option<usize>);

/// Members that leave alike, whichever link of a circuit they take.
pub(crate) fn by_connection(row: &HubRow) -> BTreeMap<OverCircuit, Vec<&HubMember>> {
    let mut found: BTreeMap<_, Vec<&HubMember>> = BTreeMap::new();
    for member in &row.members {
        if let HubWay::Circuit { connection, .. } = member.way {
            found.entry((connection, member.gateway, member.reached)).or_default().push(member);
        }
    }
    found
}
