//! Tables and AS paths at Azure's BGP speakers.

use std::collections::BTreeSet;
use std::net::IpAddr;

use azroute::Network;
use azroute::bgp::Stage;
use azroute::model::bgp::Asn;
use azroute::model::tables::{GatewayNextHop, GatewayRoute};
use azroute::model::{Document, ResourceId, Topology};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use super::report::{Item, Outcome};
use super::schema::{Case, ExpectedBgp, Words, words_of};
use super::translate::{Scene, same};

const PATHS: &str = "as_paths_newest_first";

impl Case {
    /// Whether it tells tables or AS paths.
    pub(crate) fn tells_tables(&self) -> bool {
        !self.expect.bgp.is_empty() || self.expect.extra.contains_key(PATHS)
    }
}

/// The network whose gateways learn nothing that is declared: a table must not be compared with itself.
pub(crate) fn computed_only(document: &Document) -> Option<Network> {
    let mut document = document.clone();
    document.virtual_network_gateways.iter_mut().for_each(|g| g.learned_routes.clear());
    Network::build(&Topology::new(document).ok()?).ok()
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
        // Nothing is computed of what has to be declared: appliances are no speakers here.
        let declared = |prefix| place.declared.contains(&prefix) && paths_of(&computed, prefix).is_empty();
        if path.prefix.prefixes().any(declared) {
            continue;
        }
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
#[derive(Default)]
struct Place {
    speaker: ResourceId,
    /// The addresses of its instances.
    own: Vec<IpAddr>,
    peer: Option<String>,
    /// Prefixes that it is declared to have learned.
    declared: Vec<IpNet>,
    /// A site, whose table is what Azure tells it.
    is_site: bool,
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
            let declared = gateway.learned_routes.iter().map(|r| r.prefix).collect();
            return Some(Self { speaker: gateway.id.clone(), own, peer, declared, is_site: false });
        }
        let server = match servers.as_slice() {
            [only] if same(name, "route server") => Some(only),
            _ => servers.iter().find(|s| same(s.id.name(), name)),
        };
        if let Some(server) = server {
            let own = server.virtual_router_ips.clone();
            return Some(Self { speaker: server.id.clone(), own, peer, ..Self::default() });
        }
        let sites = &document.on_premises_sites;
        let site = match sites.as_slice() {
            [only] if name.starts_with("on-prem") && !name.contains("circuit") => Some(only),
            _ => sites
                .iter()
                .find(|s| same(s.id.name(), name) || s.routers.iter().any(|router| same(&router.name, name))),
        };
        let speaker = site.filter(|_| peer.is_none())?.id.clone();
        Some(Self { speaker, is_site: true, ..Self::default() })
    }

    /// What Azure tells a site over every circuit and connection that the site announces over.
    fn told(&self, network: &Network) -> Option<Vec<GatewayRoute>> {
        let (engine, document) = (network.bgp()?, network.topology().document());
        let site = document.on_premises_sites.iter().find(|s| s.id == self.speaker)?;
        let over: Vec<&ResourceId> = site.advertisements.iter().map(|a| &a.over).collect();
        let mut rows = Vec::new();
        for speaker in engine.speakers() {
            for neighbor in engine.neighbors(speaker) {
                let Some(line) = neighbor.session.parent().filter(|_| neighbor.speaker.name() == "declared")
                else {
                    continue;
                };
                // `{circuit}/peerings/{…}/links/{…}/customer/declared` or `{connection}/site/declared`.
                let circuit = line.parent().and_then(|peering| peering.parent());
                let local = document.connections.iter().find(|c| c.id == line).map(|c| &c.peer);
                let here =
                    |id: &&ResourceId| **id == line || Some(*id) == circuit.as_ref() || Some(*id) == local;
                if !over.iter().any(here) {
                    continue;
                }
                // A gateway is one speaker for its instances, each of which tells the site the same (BGP-9).
                let gateway = document.virtual_network_gateways.iter().find(|g| g.id == *speaker);
                let instances = gateway.map_or(Vec::new(), |g| g.bgp_peering_addresses.clone());
                let from: BTreeSet<IpAddr> = neighbor.local_address.into_iter().chain(instances).collect();
                for route in engine.adj_rib_out(neighbor.session, speaker, Stage::PostPolicy) {
                    let row = GatewayRoute::new(route.prefix, route.attributes.as_path);
                    let row_from = |ip: &IpAddr| GatewayRoute {
                        next_hop: Some(GatewayNextHop::Address(*ip)),
                        ..row.clone()
                    };
                    rows.push(row.clone());
                    rows.extend(from.iter().map(row_from));
                }
            }
        }
        Some(rows)
    }

    fn rows(&self, kind: Option<&str>, network: &Network) -> Option<Vec<GatewayRoute>> {
        if self.is_site {
            return self.told(network);
        }
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
        // A site's own routes are what the case gives.
        if place.is_site && row.as_path.is_empty() {
            continue;
        }
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
    // Of a site, links on the way to it are not told apart from its own.
    if printed.is_empty() {
        return;
    }
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

#[cfg(test)]
mod tests {
    use super::super::report::{CaseReport, Count};
    use super::super::{run, schema};

    const CASE: &str = "
schema_version: 1
cases:
  - id: planted
    given:
      vnets:
        left: {space: [10.1.0.0/16]}
        right: {space: [10.2.0.0/16]}
      gateways:
        - {name: a, vnet: left, kind: vpn, asn: 65001, active_active: true, bgp_ips: [10.1.0.4, 10.1.0.5]}
        - {name: b, vnet: right, kind: vpn, asn: 65002, bgp_ip: 10.2.0.4}
      connections: [a - b]
    expect:
      bgp:
        - at: a
          kind: learned
          rows: [{prefix: 10.2.0.0/16, next_hop: 10.2.0.4, as_path: [65002]}]
        - at: a to 10.2.0.4
          kind: advertised
          rows: [{prefix: 10.1.0.0/16, next_hop: 10.1.0.5, as_path: [65001]}]
      as_paths_newest_first: [{prefix: 10.1.0.0/16, at: b, path: [65001]}]
";

    #[test]
    fn a_planted_wrong_row_or_path_is_different() {
        let count = |text: &str| {
            let file = schema::read(text).unwrap();
            let reports: Vec<CaseReport> = file.cases.iter().map(|case| run::run(case, &[])).collect();
            Count::of(&reports)
        };
        let right = count(CASE);
        assert_eq!((right.equal, right.different, right.not_comparable), (5, 0, 0));
        for (from, to, wrong) in [
            // The row is missing, and what is computed in its place is one too many.
            ("next_hop: 10.2.0.4, as_path: [65002]", "next_hop: 10.2.0.4, as_path: [65002, 65002]", 2),
            ("next_hop: 10.2.0.4, as_path", "next_hop: 10.2.0.9, as_path", 1),
            ("prefix: 10.1.0.0/16, next_hop", "prefix: 10.1.0.0/17, next_hop", 1),
            ("next_hop: 10.1.0.5", "next_hop: 10.1.0.6", 1),
            ("at: b, path: [65001]", "at: b, path: [65002]", 1),
        ] {
            let planted = CASE.replace(from, to);
            assert_ne!(planted, CASE, "{to}");
            assert_eq!(count(&planted).different, wrong, "{to}");
        }
    }
}
