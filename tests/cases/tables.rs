//! Tables and AS paths at Azure's BGP speakers.

use std::collections::BTreeSet;
use std::net::IpAddr;

use azroute::Network;
use azroute::model::ResourceId;
use azroute::model::bgp::Asn;
use azroute::model::tables::{GatewayNextHop, GatewayRoute};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use super::report::{Item, Outcome};
use super::schema::{Case, ExpectedBgp, Words, words_of};
use super::translate::{Scene, same};

const PATHS: &str = "as_paths_newest_first";

/// Whether a case tells AS paths.
pub(crate) fn has_paths(case: &Case) -> bool {
    case.expect.extra.contains_key(PATHS)
}

/// A row of a table; what else stands in it is told in words.
#[derive(Deserialize)]
struct Row {
    prefix: IpNet,
    #[serde(default)]
    next_hop: Words,
    #[serde(default)]
    as_path: Vec<Asn>,
}

/// An AS path somewhere.
#[derive(Deserialize)]
struct Path {
    prefix: Words,
    at: String,
    path: Vec<Asn>,
}

/// Compares what can be: tables of gateways and Route Servers, and paths there. What stays out is told by the caller.
pub(crate) fn compare(case: &Case, scene: &Scene, network: &Network) -> Vec<Item> {
    let mut items = Vec::new();
    for (i, table) in case.expect.bgp.iter().enumerate() {
        if let Some(place) = Place::read(&table.at, scene)
            && let Some(computed) = place.rows(table.kind.as_deref(), network)
        {
            rows(&format!("bgp[{i}]"), table, &computed, &place, &mut items);
        }
    }
    let paths = case.expect.extra.get(PATHS).and_then(Value::as_array);
    for (i, told) in paths.into_iter().flatten().enumerate() {
        let Ok(path) = serde_json::from_value::<Path>(told.clone()) else { continue };
        let Some(place) = Place::read(&path.at, scene) else { continue };
        let Some(computed) = place.rows(None, network) else { continue };
        let wrong: Vec<String> = path
            .prefix
            .prefixes()
            .filter_map(|prefix| {
                let found = paths_of(&computed, prefix);
                (!found.contains(&path.path)).then(|| format!("{prefix}: computed {}", listed(&found)))
            })
            .collect();
        let outcome = match wrong.is_empty() {
            true => Outcome::Equal,
            false => Outcome::Different(wrong.join("; ")),
        };
        items.push(Item::new(format!("{PATHS}[{i}]"), words_of(told), outcome));
    }
    items
}

/// A speaker, and whom its table is for.
struct Place {
    speaker: ResourceId,
    /// The addresses of its instances.
    own: Vec<IpAddr>,
    peer: Option<String>,
}

impl Place {
    /// `gateway`, `gateway to peer`, `gateway instance address`; a moment behind the name is not a place.
    fn read(text: &str, scene: &Scene) -> Option<Self> {
        let document = &scene.document;
        let (name, peer) = match text.split_once(" to ") {
            Some((name, peer)) => (name, Some(peer.to_owned())),
            None => (text.split_once(" instance ").map_or(text, |(name, _)| name), None),
        };
        let gateways = &document.virtual_network_gateways;
        let servers = &document.route_servers;
        let gateway = match gateways.as_slice() {
            [only] if same(name, "VNet gateway") => Some(only),
            _ => gateways.iter().find(|g| same(g.id.name(), name)),
        };
        if let Some(gateway) = gateway {
            let own = gateway.bgp_peering_addresses.clone();
            return Some(Self { speaker: gateway.id.clone(), own, peer });
        }
        let server = match servers.as_slice() {
            [only] if same(name, "route server") => only,
            _ => servers.iter().find(|s| same(s.id.name(), name))?,
        };
        Some(Self { speaker: server.id.clone(), own: server.virtual_router_ips.clone(), peer })
    }

    fn rows(&self, kind: Option<&str>, network: &Network) -> Option<Vec<GatewayRoute>> {
        match (kind, &self.peer) {
            (Some("advertised"), Some(peer)) => network.advertised_routes(&self.speaker, peer).ok(),
            (Some("learned" | "rib") | None, None) => network.learned_routes(&self.speaker).ok(),
            _ => None,
        }
        .map(|list| list.value)
    }
}

fn paths_of(computed: &[GatewayRoute], prefix: IpNet) -> BTreeSet<Vec<Asn>> {
    let rows = computed.iter().filter(|row| row.network == prefix);
    rows.map(|row| row.as_path.asns().collect()).collect()
}

fn listed(paths: &BTreeSet<Vec<Asn>>) -> String {
    if paths.is_empty() {
        return "nothing".to_owned();
    }
    let text = |path: &Vec<Asn>| {
        let numbers: Vec<String> = path.iter().map(Asn::to_string).collect();
        format!("[{}]", numbers.join(" "))
    };
    paths.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// Each printed row has its prefix and path, and its next hop where both know one; of the printed prefixes there is no
/// other path.
fn rows(key: &str, table: &ExpectedBgp, computed: &[GatewayRoute], place: &Place, items: &mut Vec<Item>) {
    let kind = table.kind.as_deref().unwrap_or("");
    let mut printed: BTreeSet<(IpNet, Vec<Asn>)> = BTreeSet::new();
    for (j, value) in table.rows.iter().enumerate() {
        let Ok(row) = serde_json::from_value::<Row>(value.clone()) else { continue };
        let text = format!("{} {kind} {value}", table.at);
        let prefix = row.prefix.trunc();
        let outcome = compared(prefix, &row, computed, place);
        printed.insert((prefix, row.as_path));
        items.push(Item::new(format!("{key}.rows[{j}]"), text, outcome));
    }
    if let Some(Value::Object(paths)) = table.extra.get("paths") {
        for (prefix, paths) in paths {
            let (Ok(prefix), Ok(paths)) =
                (prefix.parse::<IpNet>(), serde_json::from_value::<BTreeSet<Vec<Asn>>>(paths.clone()))
            else {
                return;
            };
            printed.extend(paths.into_iter().map(|path| (prefix, path)));
        }
        let missing =
            printed.iter().filter(|(prefix, path)| !paths_of(computed, *prefix).contains(path)).count();
        let outcome = match missing {
            0 => Outcome::Equal,
            n => Outcome::Different(format!("{n} paths are not computed")),
        };
        items.push(Item::new(format!("{key}.paths"), table.at.clone(), outcome));
    }
    let prefixes: BTreeSet<IpNet> = printed.iter().map(|(prefix, _)| *prefix).collect();
    let others: BTreeSet<String> = computed
        .iter()
        .filter(|row| prefixes.contains(&row.network))
        .filter(|row| !printed.contains(&(row.network, row.as_path.asns().collect())))
        .map(|row| format!("{} [{}]", row.network, row.as_path))
        .collect();
    let outcome = match others.is_empty() {
        true => Outcome::Equal,
        false => Outcome::Different(format!("computed as well: {}", Vec::from_iter(others).join(", "))),
    };
    let text = format!("{} {kind}: no other path of these prefixes", table.at);
    items.push(Item::new(format!("{key}.complete"), text, outcome));
}

fn compared(prefix: IpNet, row: &Row, computed: &[GatewayRoute], place: &Place) -> Outcome {
    let alike: Vec<&GatewayRoute> = computed
        .iter()
        .filter(|c| c.network == prefix && c.as_path.asns().eq(row.as_path.iter().copied()))
        .collect();
    if alike.is_empty() {
        let paths = paths_of(computed, prefix);
        return Outcome::Different(format!("computed {}", listed(&paths)));
    }
    let told: Vec<IpAddr> = row.next_hop.addresses().collect();
    // A copy that the twin passed on says the same as the twin's own row, which is compared; nobody lists it twice.
    if told.is_empty() || told.iter().all(|ip| place.own.contains(ip) && place.peer.is_none()) {
        return Outcome::Equal;
    }
    let known: BTreeSet<IpAddr> = alike
        .iter()
        .filter_map(|c| match c.next_hop {
            Some(GatewayNextHop::Address(ip)) => Some(ip),
            _ => None,
        })
        .collect();
    if known.is_empty() || told.iter().any(|ip| known.contains(ip)) {
        return Outcome::Equal;
    }
    let known: Vec<String> = known.iter().map(IpAddr::to_string).collect();
    Outcome::Different(format!("next hops {}", known.join(", ")))
}
