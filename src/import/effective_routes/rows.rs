//! From rows to tables: one reader a kind, whatever the rows were printed as.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::super::format::{kind_of, short};
use super::super::raw::text_of;
use super::super::{ImportError, Warning, WarningKind};
use super::{Kind, NextHop, ObservedRoutes, ObservedTable, Section};
use crate::model::bgp::{AsPath, Origin};
use crate::model::tables::{
    BgpPeerStatus, CircuitPath, EffectiveRouteMapRoute, ExpressRouteCircuitRoutesTable,
    ExpressRouteCircuitRoutesTableSummary, GatewayRoute, VirtualHubEffectiveRoute,
};
use crate::model::{
    EffectiveNextHopType, EffectiveRouteRow, ResourceId, RouteSource, RouteState, parse_prefix,
};

pub(super) struct Reader<'a> {
    input: &'a str,
    pub(super) observed: ObservedRoutes,
}

type Done = Result<(), ImportError>;

impl<'a> Reader<'a> {
    pub(super) fn new(input: &'a str) -> Self {
        Self { input, observed: ObservedRoutes::default() }
    }

    fn refuse(
        &self,
        variant: fn(super::super::Refusal) -> ImportError,
        place: &str,
        reason: &str,
    ) -> ImportError {
        ImportError::new(variant, self.input, place, reason)
    }

    /// Takes the wrapping off.
    pub(super) fn value(&mut self, name: Option<String>, value: Value, place: &str, depth: usize) -> Done {
        if depth > 6 {
            return Err(self.refuse(ImportError::Unrecognised, place, "wrapped too many times"));
        }
        let mut map = match value {
            Value::Array(items) => return self.list(name, items, place),
            Value::Object(map) => map,
            other => {
                let reason = format!("a bare {} is no route table", kind_of(&other));
                return Err(self.refuse(ImportError::Unrecognised, place, &reason));
            }
        };
        if let Some(Value::Object(responses)) = map.get_mut("responses") {
            let body = responses.get_mut("200").and_then(|r| r.get_mut("body")).map(Value::take);
            let place = format!("{place}.responses.200.body");
            return match body {
                Some(Value::Object(body)) if body.is_empty() => Err(self.refuse(
                    ImportError::Empty,
                    &place,
                    "the published example leaves the answer out",
                )),
                Some(body) => self.value(name, body, &place, depth + 1),
                None => Err(self.refuse(
                    ImportError::Unrecognised,
                    &place,
                    "a REST example without an answer body",
                )),
            };
        }
        if map.contains_key("status")
            && let Some(output) = map.get_mut("properties").and_then(|p| p.get_mut("output")).map(Value::take)
        {
            return self.value(name, output, &format!("{place}.properties.output"), depth + 1);
        }
        // A Route Server answers once an instance.
        let roles: Vec<String> = map.keys().filter(|k| k.starts_with("routeservicerole_")).cloned().collect();
        if !roles.is_empty() {
            for role in roles {
                let suffix = role.strip_prefix("routeservicerole_").unwrap_or(&role).to_ascii_uppercase();
                let name = format!("RouteServiceRole_{suffix}");
                let place = format!("{place}.{name}");
                match map.get_mut(&role).map(Value::take) {
                    None | Some(Value::Null) => self.list(Some(name), Vec::new(), &place)?,
                    Some(inner) => self.value(Some(name), inner, &place, depth + 1)?,
                }
            }
            return Ok(());
        }
        if super::super::service_tags::read(self.input, &map, &mut Vec::new()).is_some() {
            let reason = "service tags: add them to an `Importer`";
            return Err(self.refuse(ImportError::NotRead, place, reason));
        }
        if let Some(Value::Array(items)) = map.get_mut("value").map(Value::take) {
            return self.list(name, items, &format!("{place}.value"));
        }
        match Kind::of(&map) {
            Some(_) => self.rows(name, vec![map], place),
            None => {
                let keys: Vec<&str> = map.keys().map(String::as_str).take(6).collect();
                let reason = format!(
                    "an object with the members `{}` is no route table",
                    short(&keys.join("`, `"), 200)
                );
                Err(self.refuse(ImportError::Unrecognised, place, &reason))
            }
        }
    }

    fn list(&mut self, name: Option<String>, items: Vec<Value>, place: &str) -> Done {
        if items.is_empty() {
            self.observed.sections.push(Section { name, table: ObservedTable::Empty });
            return Ok(());
        }
        let mut rows = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            match item {
                Value::Object(row) => rows.push(row),
                other => {
                    let reason = format!("a {} where a route was expected", kind_of(&other));
                    return Err(self.refuse(ImportError::Unrecognised, &format!("{place}[{at}]"), &reason));
                }
            }
        }
        self.rows(name, rows, place)
    }

    /// Reads rows of one kind.
    pub(super) fn rows(&mut self, name: Option<String>, rows: Vec<Map<String, Value>>, place: &str) -> Done {
        let Some(kind) = rows.iter().find_map(Kind::of) else {
            let keys: Vec<&str> = rows.iter().flat_map(Map::keys).map(String::as_str).take(6).collect();
            let reason = format!("rows with the members `{}` are no routes", short(&keys.join("`, `"), 200));
            return Err(self.refuse(ImportError::Unrecognised, place, &reason));
        };
        let mut cells = Cells { input: self.input, place, row: 0, map: &Map::new(), warnings: Vec::new() };
        let table = match kind {
            Kind::Effective => ObservedTable::Effective(effective(&rows, &mut cells)),
            Kind::Gateway => ObservedTable::Gateway(each(&rows, &mut cells, gateway)),
            Kind::Circuit => ObservedTable::Circuit(each(&rows, &mut cells, circuit)),
            Kind::CircuitSummary => ObservedTable::CircuitSummary(each(&rows, &mut cells, circuit_neighbor)),
            Kind::Hub => ObservedTable::Hub(each(&rows, &mut cells, hub)),
            Kind::HubPeer => ObservedTable::HubPeer(each(&rows, &mut cells, hub_peer)),
            Kind::BgpPeers => ObservedTable::BgpPeers(each(&rows, &mut cells, bgp_peer)),
            Kind::NextHop => match each(&rows, &mut cells, next_hop).pop() {
                Some(answer) => ObservedTable::NextHop(answer),
                None => ObservedTable::Empty,
            },
            other => {
                let reason = format!("{}: recognised, and not read", other.as_str());
                return Err(self.refuse(ImportError::NotRead, place, &reason));
            }
        };
        let warnings = cells.warnings;
        self.observed.warnings.extend(warnings);
        self.observed.sections.push(Section { name, table });
        Ok(())
    }
}

/// Reads the cells of one row.
struct Cells<'a> {
    input: &'a str,
    place: &'a str,
    row: usize,
    map: &'a Map<String, Value>,
    warnings: Vec<Warning>,
}

fn each<'a, T>(
    rows: &'a [Map<String, Value>],
    cells: &mut Cells<'a>,
    read: impl Fn(&mut Cells<'a>) -> Option<T>,
) -> Vec<T> {
    let mut found = Vec::with_capacity(rows.len());
    for (at, row) in rows.iter().enumerate() {
        cells.row = at;
        cells.map = row;
        found.extend(read(cells));
    }
    found
}

impl Cells<'_> {
    fn warn(&mut self, kind: WarningKind, field: &str, reason: String) {
        self.warnings.push(Warning {
            kind,
            input: self.input.to_owned(),
            resource: ResourceId::default(),
            field: format!("{}[{}].{field}", self.place, self.row),
            reason,
        });
    }

    fn text(&self, field: &str) -> Option<String> {
        let text = match self.map.get(field)? {
            Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(" "),
            other => text_of(other),
        };
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Every value of a list; one text may hold several, apart by blanks or commas.
    fn texts(&self, field: &str) -> Vec<String> {
        let Some(text) = self.text(field) else { return Vec::new() };
        text.split([' ', ',']).filter(|t| !t.is_empty()).map(str::to_owned).collect()
    }

    fn parsed<T: FromStr>(&mut self, field: &str, what: &str) -> Option<T> {
        let text = self.text(field)?;
        let value = text.parse().ok();
        if value.is_none() {
            let reason = format!("`{}` is no {what}: taken as not set", short(&text, 80));
            self.warn(WarningKind::InvalidValue, field, reason);
        }
        value
    }

    fn address(&mut self, field: &str) -> Option<IpAddr> {
        self.parsed(field, "address")
    }

    /// The neighbour that a row is about. A row without one still counts.
    fn neighbor(&mut self) -> Option<IpAddr> {
        if self.text("neighbor").is_none() {
            self.warn(WarningKind::Missing, "neighbor", "the row does not say whom it is about".to_owned());
        }
        self.address("neighbor")
    }

    fn number(&mut self, field: &str) -> Option<u32> {
        self.parsed(field, "number")
    }

    fn prefixes(&mut self, field: &str) -> Vec<IpNet> {
        let mut found = Vec::new();
        for text in self.texts(field) {
            match parse_prefix(&text) {
                Some(prefix) => {
                    if prefix.trunc() != prefix {
                        let reason = format!("`{text}` has host bits set, taken as {}", prefix.trunc());
                        self.warn(WarningKind::HostBits, field, reason);
                    }
                    found.push(prefix.trunc());
                }
                None => {
                    let reason = format!("`{}` is no prefix and was left out", short(&text, 80));
                    self.warn(WarningKind::InvalidValue, field, reason);
                }
            }
        }
        found
    }

    /// The prefix that a row is about.
    fn prefix(&mut self, field: &str) -> Option<IpNet> {
        let found = self.prefixes(field).into_iter().next();
        if found.is_none() {
            self.warn(WarningKind::Missing, field, "the row was left out".to_owned());
        }
        found
    }

    /// A value that any text gives.
    fn word<T: FromStr<Err = Infallible>>(&self, field: &str) -> Option<T> {
        self.text(field).map(|text| text.parse().unwrap_or_else(|never: Infallible| match never {}))
    }

    /// ASNs joined by `-` (gateways, hubs) or blanks (circuits, which add a letter for the origin).
    fn as_path(&mut self, field: &str) -> CircuitPath {
        let text = self.text(field).unwrap_or_default().replace('-', " ");
        if let Ok(path) = text.parse() {
            return path;
        }
        // One word that is none must not cost the rest of the path.
        let (mut path, mut origin) = (Vec::new(), None);
        for part in text.split_whitespace() {
            match (part.parse(), part) {
                (Ok(asn), _) => path.push(asn),
                (Err(_), "i") => origin = Some(Origin::Igp),
                (Err(_), "e") => origin = Some(Origin::Egp),
                (Err(_), "?") => origin = Some(Origin::Incomplete),
                (Err(_), _) => {
                    let reason =
                        format!("`{}` is no autonomous system number and was left out", short(part, 80));
                    self.warn(WarningKind::InvalidValue, field, reason);
                }
            }
        }
        CircuitPath { as_path: AsPath::sequence(path), origin }
    }

    fn next_hop_type(&mut self) -> Option<EffectiveNextHopType> {
        let word = self.text("nexthoptype");
        let found = word.as_deref().and_then(EffectiveNextHopType::parse);
        if found.is_none() {
            let word = word.unwrap_or_default();
            let reason = format!("`{}` is no known next hop type: the row was left out", short(&word, 80));
            self.warn(WarningKind::UnknownValue, "nextHopType", reason);
        }
        found
    }
}

/// VOC-9, VOC-12: one row a prefix, and one row for equal-cost next hops.
fn effective<'a>(rows: &'a [Map<String, Value>], cells: &mut Cells<'a>) -> Vec<EffectiveRouteRow> {
    type Key = (IpNet, RouteSource, RouteState, EffectiveNextHopType, Option<String>);
    let mut merged: BTreeMap<Key, BTreeSet<IpAddr>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        cells.row = at;
        cells.map = row;
        let source = match cells.text("source").as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("default") => RouteSource::Default,
            Some("user") => RouteSource::User,
            Some("virtualnetworkgateway") => RouteSource::VirtualNetworkGateway,
            Some("unknown") => RouteSource::Unknown,
            other => {
                let word = other.unwrap_or_default().to_owned();
                let reason = format!("`{}` is no known source: taken as `Unknown`", short(&word, 80));
                cells.warn(WarningKind::UnknownValue, "source", reason);
                RouteSource::Unknown
            }
        };
        let state = match cells.text("state").as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("active") => RouteState::Active,
            Some("invalid") => RouteState::Invalid,
            other => {
                let word = other.unwrap_or_default().to_owned();
                let reason = format!("`{}` is no known state: the row was left out", short(&word, 80));
                cells.warn(WarningKind::UnknownValue, "state", reason);
                continue;
            }
        };
        let Some(next_hop_type) = cells.next_hop_type() else { continue };
        let mut addresses = BTreeSet::new();
        for text in cells.texts("nexthopipaddress") {
            match text.parse::<IpAddr>() {
                Ok(address) => {
                    addresses.insert(address);
                }
                Err(_) => {
                    let reason = format!("`{}` is no address and was left out", short(&text, 80));
                    cells.warn(WarningKind::InvalidValue, "nextHopIpAddress", reason);
                }
            }
        }
        let name = cells.text("name");
        let prefixes = cells.prefixes("addressprefix");
        if prefixes.is_empty() {
            cells.warn(WarningKind::Missing, "addressPrefix", "the row was left out".to_owned());
        }
        for prefix in prefixes {
            let key = (prefix, source, state, next_hop_type, name.clone());
            merged.entry(key).or_default().extend(&addresses);
        }
    }
    merged
        .into_iter()
        .map(|((prefix, source, state, next_hop_type, name), addresses)| EffectiveRouteRow {
            prefix,
            source,
            state,
            next_hop_type,
            next_hop_ip_addresses: addresses.into_iter().collect(),
            name,
        })
        .collect()
}

fn gateway(cells: &mut Cells<'_>) -> Option<GatewayRoute> {
    Some(GatewayRoute {
        network: cells.prefix("network")?,
        next_hop: cells.word("nexthop"),
        origin: cells.word("origin"),
        source_peer: cells.address("sourcepeer"),
        as_path: cells.as_path("aspath").as_path,
        weight: cells.number("weight"),
        local_address: cells.address("localaddress"),
    })
}

fn circuit(cells: &mut Cells<'_>) -> Option<ExpressRouteCircuitRoutesTable> {
    Some(ExpressRouteCircuitRoutesTable {
        network: cells.prefix("network")?,
        next_hop: cells.address("nexthop"),
        loc_prf: cells.number("locprf"),
        weight: cells.number("weight"),
        path: cells.as_path("path"),
    })
}

fn circuit_neighbor(cells: &mut Cells<'_>) -> Option<ExpressRouteCircuitRoutesTableSummary> {
    let asn_field = if cells.map.contains_key("as") { "as" } else { "asn" };
    Some(ExpressRouteCircuitRoutesTableSummary {
        neighbor: cells.neighbor(),
        v: cells.number("v"),
        asn: cells.parsed(asn_field, "autonomous system number"),
        up_down: cells.text("updown"),
        state_pfx_rcd: cells.word("statepfxrcd").or_else(|| cells.word("stateorprefixesreceived")),
    })
}

fn hub(cells: &mut Cells<'_>) -> Option<VirtualHubEffectiveRoute> {
    let prefixes = cells.prefixes("addressprefixes");
    if prefixes.is_empty() {
        cells.warn(WarningKind::Missing, "addressPrefixes", "the row was left out".to_owned());
        return None;
    }
    let next_hops = match cells.map.get("nexthops") {
        Some(Value::Array(items)) => {
            items.iter().map(text_of).filter(|t| !t.is_empty()).map(ResourceId::new).collect()
        }
        // A table for people joins them.
        Some(other) => {
            let text = text_of(other);
            text.split(", ").map(str::trim).filter(|t| !t.is_empty()).map(ResourceId::new).collect()
        }
        None => Vec::new(),
    };
    Some(VirtualHubEffectiveRoute {
        address_prefixes: prefixes,
        next_hops,
        next_hop_type: cells.text("nexthoptype"),
        route_origin: cells.text("routeorigin").map(ResourceId::new),
        as_path: cells.as_path("aspath").as_path,
    })
}

fn hub_peer(cells: &mut Cells<'_>) -> Option<EffectiveRouteMapRoute> {
    Some(EffectiveRouteMapRoute {
        prefix: cells.prefix("prefix")?,
        bgp_communities: cells.text("bgpcommunities"),
        as_path: cells.as_path("aspath").as_path,
    })
}

fn bgp_peer(cells: &mut Cells<'_>) -> Option<BgpPeerStatus> {
    Some(BgpPeerStatus {
        neighbor: cells.neighbor(),
        asn: cells.parsed("asn", "autonomous system number"),
        state: cells.word("state"),
        connected_duration: cells.text("connectedduration"),
        routes_received: cells.number("routesreceived"),
        messages_sent: cells.parsed("messagessent", "number"),
        messages_received: cells.parsed("messagesreceived", "number"),
        local_address: cells.address("localaddress"),
    })
}

fn next_hop(cells: &mut Cells<'_>) -> Option<NextHop> {
    Some(NextHop {
        next_hop_type: cells.next_hop_type()?,
        address: cells.address("nexthopipaddress"),
        route_table: cells
            .text("routetableid")
            .filter(|t| !t.eq_ignore_ascii_case("System Route"))
            .map(ResourceId::new),
    })
}
