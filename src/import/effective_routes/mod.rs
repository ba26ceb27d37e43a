//! Route tables that Azure computed, to compare with what azroute computes: effective routes of interfaces, and the
//! tables of gateways, circuits and hubs, as JSON in any wrapping, as `-o table` prints them, or as PowerShell lists.

mod rows;
mod text;

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::{ImportError, ImportLimits, Warning, json};
use crate::model::tables::{
    BgpPeerStatus, EffectiveRouteMapRoute, ExpressRouteCircuitRoutesTable,
    ExpressRouteCircuitRoutesTableSummary, GatewayRoute, VirtualHubEffectiveRoute,
};
use crate::model::{EffectiveNextHopType, EffectiveRouteRow, ResourceId};

/// Everything one input held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedRoutes {
    /// The tables, in the order of the input. JSON holds one, but for a Route Server, whose instances have one each;
    /// a text may hold many.
    pub sections: Vec<Section>,
    /// Words and values that were not understood, each with its row.
    pub warnings: Vec<Warning>,
}

impl ObservedRoutes {
    /// The effective routes of interfaces: the name of each table, and its rows.
    pub fn effective(&self) -> impl Iterator<Item = (Option<&str>, &[EffectiveRouteRow])> {
        self.sections.iter().filter_map(|section| match &section.table {
            ObservedTable::Effective(rows) => Some((section.name.as_deref(), rows.as_slice())),
            _ => None,
        })
    }
}

/// One table, with the words that stand above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The lines above the table, joined by ` / `, or the member that held it; none where nothing names it.
    pub name: Option<String>,
    /// The table.
    pub table: ObservedTable,
}

/// A table by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObservedTable {
    /// Effective routes of an interface, one row a prefix, sorted; equal-cost rows are one (VOC-9, VOC-12).
    Effective(Vec<EffectiveRouteRow>),
    /// Routes that a gateway or Route Server learned or advertises.
    Gateway(Vec<GatewayRoute>),
    /// The table of one link of a circuit.
    Circuit(Vec<ExpressRouteCircuitRoutesTable>),
    /// The neighbours of one link of a circuit.
    CircuitSummary(Vec<ExpressRouteCircuitRoutesTableSummary>),
    /// Effective routes of a hub, a hub's table or a connection of a hub.
    Hub(Vec<VirtualHubEffectiveRoute>),
    /// Routes that a connection of a hub brings in or takes out.
    HubPeer(Vec<EffectiveRouteMapRoute>),
    /// BGP peers of a gateway.
    BgpPeers(Vec<BgpPeerStatus>),
    /// The answer to one question.
    NextHop(NextHop),
    /// A list without items, which does not say what it is a list of.
    Empty,
}

/// The answer of `az network watcher show-next-hop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// Its type.
    pub next_hop_type: EffectiveNextHopType,
    /// Its address.
    pub address: Option<IpAddr>,
    /// The route table that decided; none for a system route.
    pub route_table: Option<ResourceId>,
}

/// Reads the route tables in one input.
///
/// ```
/// use azroute::import::effective_routes::parse;
/// let text = "\
/// Source    State    Address Prefix    Next Hop Type     Next Hop IP
/// --------  -------  ----------------  ----------------  -------------
/// Default   Active   10.0.0.0/16       VnetLocal
/// User      Active   0.0.0.0/0         VirtualAppliance  10.0.0.4";
/// let observed = parse("nic.txt", text.as_bytes()).unwrap();
/// let (_, rows) = observed.effective().next().unwrap();
/// assert_eq!(rows.len(), 2);
/// ```
///
/// # Errors
/// The input cannot be read, or holds something else; answers of Azure that are recognised and not read (effective
/// security rules, ARP tables, …) are [`ImportError::NotRead`], which says what they are.
pub fn parse(name: &str, bytes: &[u8]) -> Result<ObservedRoutes, ImportError> {
    parse_with_limits(name, bytes, &ImportLimits::default())
}

/// As [`parse`], with other limits.
///
/// # Errors
/// As [`parse`].
pub fn parse_with_limits(
    name: &str,
    bytes: &[u8],
    limits: &ImportLimits,
) -> Result<ObservedRoutes, ImportError> {
    let text = json::text(name, bytes, limits)?;
    let mut reader = rows::Reader::new(name);
    if matches!(text.trim_start().bytes().next(), Some(b'{' | b'[')) {
        let value = json::parse(name, &text, limits)?;
        reader.value(None, value, "$", 0)?;
    } else {
        for table in text::tables(&text) {
            reader.rows(table.name, table.rows, "$")?;
        }
        if reader.observed.sections.is_empty() {
            let reason = "neither JSON nor a table or list of routes";
            return Err(ImportError::new(ImportError::Unrecognised, name, "$", reason));
        }
    }
    Ok(reader.observed)
}

/// What a list's items are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Effective,
    Gateway,
    Circuit,
    CircuitSummary,
    Hub,
    HubPeer,
    BgpPeers,
    NextHop,
    EffectiveNsg,
    Arp,
    FirewallPrefixes,
    Topology,
    IpFlow,
    CircuitStats,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Effective => "effective routes of an interface",
            Self::Gateway => "routes learned or advertised by a gateway",
            Self::Circuit => "the route table of a circuit",
            Self::CircuitSummary => "the route table summary of a circuit",
            Self::Hub => "effective routes of a hub",
            Self::HubPeer => "inbound or outbound routes of a hub's connection",
            Self::BgpPeers => "the BGP peers of a gateway",
            Self::NextHop => "the answer of a next hop query",
            Self::EffectiveNsg => "effective security rules of an interface",
            Self::Arp => "the ARP table of a circuit",
            Self::FirewallPrefixes => "prefixes learned by a firewall",
            Self::Topology => "a Network Watcher topology",
            Self::IpFlow => "the answer of an IP flow query",
            Self::CircuitStats => "byte counts of a circuit",
        }
    }

    /// What one object is, by its members.
    fn of(map: &Map<String, Value>) -> Option<Self> {
        let has = |key: &str| map.contains_key(key);
        let any = |keys: &[&str]| keys.iter().any(|key| map.contains_key(*key));
        // Whatever has an id is a resource; a Network Watcher topology is the exception, its id is no path.
        if map.get("id").and_then(Value::as_str).is_some_and(|id| id.contains('/')) {
            return None;
        }
        Some(if has("addressprefix") && has("nexthoptype") && any(&["source", "state"]) {
            Self::Effective
        } else if has("addressprefixes") && any(&["nexthoptype", "nexthops"]) && !has("properties") {
            Self::Hub
        } else if has("network") && any(&["locprf", "path"]) {
            Self::Circuit
        } else if has("network") && any(&["origin", "sourcepeer", "localaddress", "aspath"]) {
            Self::Gateway
        } else if has("neighbor") && any(&["statepfxrcd", "stateorprefixesreceived", "updown"]) {
            Self::CircuitSummary
        } else if has("neighbor") && any(&["connectedduration", "routesreceived", "messagessent"]) {
            Self::BgpPeers
        } else if has("macaddress") && has("ipaddress") {
            Self::Arp
        } else if has("prefix") && any(&["aspath", "bgpcommunities"]) {
            Self::HubPeer
        } else if has("effectivesecurityrules") {
            Self::EffectiveNsg
        } else if has("nexthoptype") && any(&["routetableid", "nexthopipaddress"]) && !has("addressprefix") {
            Self::NextHop
        } else if has("ipprefixes") && map.len() == 1 {
            Self::FirewallPrefixes
        } else if has("createddatetime") && has("resources") {
            Self::Topology
        } else if has("access") && has("rulename") {
            Self::IpFlow
        } else if has("primarybytesin") {
            Self::CircuitStats
        } else {
            return None;
        })
    }
}

/// What an answer of Azure is, where it is one that lists no resources.
pub(super) fn what(map: &Map<String, Value>) -> Option<&'static str> {
    let roles = map.iter().find(|(key, value)| key.starts_with("routeservicerole_") && value.is_array());
    if roles.is_some() {
        return Some(Kind::Gateway.as_str());
    }
    match map.get("value").and_then(Value::as_array) {
        Some(items) => items.first().and_then(Value::as_object).and_then(is_row),
        None => is_row(map),
    }
}

/// What a row of such an answer is.
pub(super) fn is_row(map: &Map<String, Value>) -> Option<&'static str> {
    Kind::of(map).map(Kind::as_str)
}
