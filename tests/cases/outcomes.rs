//! Comparison of an expected outcome of a packet with the engine's answer.

use std::collections::BTreeSet;
use std::net::IpAddr;

use azroute::Network;
use azroute::model::{EffectiveNextHopType, PeeringType, ResourceId, RouteSource};
use azroute::resolve::{Answer, Disposition, DispositionKind, DropReason, Flow, Hop, Place, Source};
use ipnet::IpNet;
use serde_json::Value;

use super::places::{Position, host, id};
use super::report::{Item, Outcome};
use super::rows::is_masked;
use super::schema::{ExpectedAnswer, ExpectedFlow, Given, Words, prefix, words_of};
use super::translate::{SERVICE, Scene, nva_id};

/// What was compared of an outcome, and what was not.
#[derive(Default)]
pub(crate) struct Check {
    compared: usize,
    wrong: Vec<String>,
    open: Vec<(&'static str, String)>,
}

impl Check {
    pub(crate) fn that(&mut self, right: bool, otherwise: impl FnOnce() -> String) {
        self.compared += 1;
        if !right {
            self.wrong.push(otherwise());
        }
    }

    fn open(&mut self, field: &'static str, why: impl Into<String>) {
        self.open.push((field, why.into()));
    }
}

fn text(expected: &ExpectedAnswer) -> String {
    let to = [&expected.to, &expected.to_prefix, &expected.to_any].into_iter().flatten().next();
    let mut text = format!("{} -> {}", expected.from, to.map_or("?", String::as_str));
    if let Some(when) = &expected.when {
        text.push_str(&format!(" ({when})"));
    }
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!(", {name} {value}"));
        }
    };
    let list = |words: &super::schema::Words| (!words.is_empty()).then(|| words.0.join(" "));
    add("next hop", expected.next_hop_type.clone());
    add("at", list(&expected.next_hop_ip));
    add("by", expected.matched_prefix.clone());
    add("path", list(&expected.path));
    add("via", list(&expected.via_circuit));
    add("dropped", expected.dropped.map(|v| v.to_string()));
    add("looped", expected.looped.map(|v| v.to_string()));
    add("delivered", expected.delivered.as_ref().map(words_of));
    add("ecmp", expected.ecmp.map(|v| v.to_string()));
    text
}

/// An outcome whose moment is not understood.
pub(crate) fn not_comparable(key: &str, expected: &ExpectedAnswer, why: &str) -> Vec<Item> {
    vec![Item::new(key, text(expected), Outcome::NotComparable(why.to_owned()))]
}

/// A source of a stated document.
fn stated(meant: &str) -> (Source, Option<IpAddr>) {
    let outside = |kind: &str| meant.strip_prefix(kind).and_then(|ip| ip.parse::<IpAddr>().ok());
    if let Some(ip) = outside("service:") {
        return (Source::ServiceAddress(ip), Some(ip));
    }
    match outside("internet:") {
        Some(ip) => (Source::Internet(ip), Some(ip)),
        None => (Source::Position(meant.into()), None),
    }
}

/// The packet's source.
fn source(scene: &Scene, text: &str) -> Result<(Source, Option<IpAddr>), String> {
    let places = &scene.places;
    if let Some(meant) = scene.terms.places.get(text) {
        return Ok(stated(meant));
    }
    match places.find(text) {
        Some(Position::Azure { station: Some(station), .. }) => {
            Ok((Source::Position(places.station_id(station)), places.stations[station].address))
        }
        Some(Position::Azure { spot, station: None }) => {
            let ip = text.parse::<IpAddr>().ok().or_else(|| places.spots[spot].prefix.map(|p| host(p, 0)));
            let subnet = places.subnet_id(spot);
            Ok((ip.map_or_else(|| Source::Position(subnet.clone()), |ip| Source::at(subnet.clone(), ip)), ip))
        }
        Some(Position::Other(id)) if id.as_str().starts_with("sites/") => {
            if scene.document.on_premises_sites.iter().any(|site| site.id == id) {
                Ok((Source::Position(id), None))
            } else {
                Err(format!("{text} is connected to nothing that is given"))
            }
        }
        // What a gateway does is what happens to a host of its network.
        Some(Position::Other(id)) if id.as_str().starts_with("gateways/") => {
            let gateway = scene.document.virtual_network_gateways.iter().find(|g| g.id == id);
            let spot = gateway.and_then(|g| places.default_spot(g.virtual_network.name()));
            let spot = spot.ok_or_else(|| format!("{text} is in no network"))?;
            Ok((Source::Position(places.subnet_id(spot)), places.spots[spot].prefix.map(|p| host(p, 0))))
        }
        Some(Position::Other(_)) => Err(format!("a packet starts at a host, and {text} is none")),
        None => Err(format!("`{text}` is no place of the case")),
    }
}

/// The subnet of a place: interfaces of the model have IPv4 addresses, their subnets both.
fn in_six(scene: &Scene, text: &str) -> Option<Source> {
    match scene.places.find(text) {
        Some(Position::Azure { spot, .. }) if text.parse::<IpAddr>().is_err() => {
            Some(Source::Position(scene.places.subnet_id(spot)))
        }
        _ => None,
    }
}

/// The destination: as given, of the prefix, or what the words mean.
fn destination(scene: &Scene, expected: &ExpectedAnswer) -> Result<IpAddr, String> {
    let first =
        |net: IpNet| if net.prefix_len() + 2 <= net.max_prefix_len() { host_of(net) } else { net.network() };
    if let Some(text) = &expected.to {
        return text.parse().map_err(|_| format!("`{text}` is no address"));
    }
    if let Some(text) = &expected.to_prefix {
        return prefix(text).map(first).ok_or_else(|| format!("`{text}` is no prefix"));
    }
    let Some(text) = &expected.to_any else { return Err("no destination".to_owned()) };
    if let Some(ip) = scene.terms.addresses.get(text) {
        return Ok(*ip);
    }
    let lower = text.to_ascii_lowercase();
    if ["internet address", "internet", "an internet address", "any internet address"].contains(&&*lower) {
        return Ok(IpAddr::from([198, 51, 100, 1]));
    }
    if lower.contains("address of the endpoint") || lower.contains("of the service endpoint") {
        return prefix(SERVICE).map(first).ok_or_else(|| text.clone());
    }
    if let Some(ip) = text.split_whitespace().find_map(|w| w.parse::<IpAddr>().ok()) {
        return Ok(ip);
    }
    match scene.places.find(text) {
        Some(Position::Azure { station: Some(station), .. }) => {
            scene.places.stations[station].address.ok_or_else(|| format!("{text} has no address"))
        }
        Some(Position::Azure { spot, .. }) => scene.places.spots[spot]
            .prefix
            .map(|p| host(p, 0))
            .ok_or_else(|| format!("{text} has no address")),
        Some(Position::Other(id)) => {
            let site = scene.document.on_premises_sites.iter().find(|site| site.id == id);
            let net = site.and_then(|site| site.prefixes.first()).copied();
            net.map(first).ok_or_else(|| format!("`{text}` is told in words"))
        }
        None => Err(format!("`{text}` is told in words")),
    }
}

fn host_of(net: IpNet) -> IpAddr {
    match net.network() {
        IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) + 1).into()),
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) + 1).into()),
    }
}

/// Compares one outcome; the parts that cannot be compared are items of their own.
pub(crate) fn compare(key: &str, expected: &ExpectedAnswer, scene: &Scene, network: &Network) -> Vec<Item> {
    let (from, address) = match source(scene, &expected.from) {
        Ok(found) => found,
        Err(why) => return not_comparable(key, expected, &why),
    };
    let to = match destination(scene, expected) {
        Ok(to) => to,
        Err(why) => return not_comparable(key, expected, &why),
    };
    let from = if to.is_ipv6() { in_six(scene, &expected.from).unwrap_or(from) } else { from };
    let answer = match network.resolve(from.clone(), to) {
        Ok(answer) => answer,
        Err(error) => {
            return vec![Item::new(key, text(expected), Outcome::Different(format!("no answer: {error}")))];
        }
    };
    let mut check = Check::default();
    next_hop(&mut check, expected, scene, &answer);
    let in_azure = matches!(scene.places.at_address(to), Some(Position::Azure { .. }));
    fate(&mut check, expected, scene, &answer, network, address, to);
    way(&mut check, expected, scene, &answer, in_azure);
    super::checked::compare(&mut check, expected, network, &from, to, &answer);
    for name in expected.extra.keys() {
        check.open("key", format!("`{name}` is not of the schema"));
    }
    let outcome = if !check.wrong.is_empty() {
        Outcome::Different(check.wrong.join("; "))
    } else if check.compared > 0 {
        Outcome::Equal
    } else {
        Outcome::NotComparable("nothing that an answer has".to_owned())
    };
    let mut items = vec![Item::new(key, text(expected), outcome)];
    for (field, why) in check.open {
        items.push(Item::new(format!("{key}.{field}"), String::new(), Outcome::NotComparable(why)));
    }
    items
}

fn next_hop(check: &mut Check, expected: &ExpectedAnswer, scene: &Scene, answer: &Answer) {
    let route = answer.next_hop().route();
    if let Some(word) = &expected.next_hop_type {
        let right = route.is_some_and(|r| EffectiveNextHopType::parse(word) == Some(r.next_hop_type));
        check.that(right, || format!("next hop is {}", answer.next_hop()));
    }
    for shown in &expected.next_hop_ip.0 {
        let ips = route.map_or(&[][..], |r| &r.next_hop_ip_addresses);
        let ip = shown.parse::<IpAddr>().ok().or_else(|| {
            match scene.places.find(shown.trim_end_matches(" itself")) {
                Some(Position::Azure { station: Some(s), .. }) => scene.places.stations[s].address,
                _ => match scene.places.find(shown.trim_start_matches("the ").trim_end_matches(" itself")) {
                    Some(Position::Azure { station: Some(s), .. }) => scene.places.stations[s].address,
                    _ => None,
                },
            }
        });
        match ip {
            Some(ip) => check.that(ips.contains(&ip), || format!("next hop is {}", answer.next_hop())),
            None if is_masked(shown) => {}
            None => check.open("next_hop_ip", format!("`{shown}` is told in words")),
        }
    }
    if let Some(text) = &expected.matched_prefix {
        let right = route.is_some_and(|r| prefix(text) == Some(r.prefix));
        check.that(right, || format!("matched by {}", answer.next_hop()));
    }
    if let Some(table) = &expected.route_table {
        let system = table.eq_ignore_ascii_case("System Route");
        let right = route.is_some_and(|r| (r.source != RouteSource::User) == system);
        check.that(right, || format!("next hop is {}", answer.next_hop()));
    }
}

/// Whether a packet is dropped because a stateful hop saw no other direction of its conversation.
pub(crate) fn is_for_state(expected: &ExpectedAnswer) -> bool {
    expected.reason.as_deref().is_some_and(|reason| {
        let reason = reason.to_ascii_lowercase();
        reason.contains("has not seen") || reason.contains("no flow state")
    })
}

fn fate(
    check: &mut Check,
    expected: &ExpectedAnswer,
    scene: &Scene,
    answer: &Answer,
    network: &Network,
    from: Option<IpAddr>,
    to: IpAddr,
) {
    let in_azure = matches!(scene.places.at_address(to), Some(Position::Azure { .. }));
    let ends: Vec<&Disposition> = answer.dispositions().into_iter().collect();
    let said =
        || format!("it ends as {}", ends.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    let is = |kind: DispositionKind| ends.iter().any(|end| end.kind() == kind);
    if let Some(dropped) = expected.dropped {
        if is_for_state(expected) {
            // The packet is a reply: the flow started at the other end, or behind its translation.
            let behind = expected.to_any.as_ref().and_then(|to| scene.terms.behind.get(to));
            let started = |from| match behind {
                Some(behind) => network.resolve_pair(behind.as_str(), from),
                None => network.resolve_pair(to, from),
            };
            match from.map(started) {
                Some(Ok(pair)) if behind.is_some() => {
                    let lost = pair.lost_at().is_some();
                    check.that(lost == dropped, || "no stateful hop misses a direction".to_owned());
                }
                Some(Ok(pair)) => {
                    let found = !pair.asymmetries().is_empty();
                    check.that(found == dropped, || "no stateful hop misses a direction".to_owned());
                }
                Some(Err(error)) => check.open("dropped", error.to_string()),
                None => check.open("dropped", "the reply's source has no address"),
            }
        } else {
            check.that(is(DispositionKind::Dropped) == dropped, said);
        }
    }
    if let Some(looped) = expected.looped {
        check.that(is(DispositionKind::Loop) == looped, said);
    }
    if let Some(delivered) = &expected.delivered {
        let delivered = *delivered != Value::Bool(false) && *delivered != Value::Null;
        let arrived = |end: &&Disposition| arrives(end, in_azure);
        let success = ends.iter().copied().any(|end| arrived(&end));
        let all = ends.iter().copied().all(|end| arrived(&end));
        check.that(if delivered { all } else { !success }, said);
    }
}

/// Whether an end is the one that the destination asks for: an address of the case's networks is reached in Azure.
fn arrives(end: &Disposition, in_azure: bool) -> bool {
    if in_azure { end.kind() == DispositionKind::Delivered } else { end.is_success() }
}

/// What stands on paths for Microsoft's network and for the Internet, which are no resources.
const MICROSOFT: &str = "places/microsoft";
const INTERNET: &str = "places/internet";

/// Whether the packet is here at the place that the id stands for.
fn at(hop: &Hop, ids: &[ResourceId]) -> bool {
    let outside = match &hop.place {
        // A customer's packet is with Microsoft once it is at the edge router of a public domain.
        Place::Service(_) | Place::Msee { peering: PeeringType::MicrosoftPeering, .. } => Some(MICROSOFT),
        Place::InternetEdge | Place::Internet => Some(INTERNET),
        _ => None,
    };
    if outside.is_some_and(|outside| ids.iter().any(|id| id.as_str() == outside)) {
        return true;
    }
    let inner = match &hop.place {
        Place::Appliance { interface, .. } => interface.as_ref(),
        _ => None,
    };
    let named = [hop.place.id(), inner, hop.via.as_ref()];
    named.into_iter().flatten().any(|id| ids.contains(id))
}

/// What an element of a path stands for: ids of places, and an address.
fn element(scene: &Scene, text: &str) -> Option<(Vec<ResourceId>, Option<IpAddr>)> {
    let text = super::places::bare(text);
    let mut ids = Vec::new();
    if let Some(meant) = scene.terms.places.get(&text) {
        let place = meant.split_once(':').map_or(&**meant, |(kind, _)| kind);
        let known = match place {
            "service" | "microsoft" => MICROSOFT,
            "internet" => INTERNET,
            id => id,
        };
        return Some((vec![known.into()], None));
    }
    // "X or Y": either.
    if let Some((one, other)) = text.split_once(" or ") {
        for part in [one, other] {
            ids.extend(element(scene, part)?.0);
        }
        return Some((ids, None));
    }
    let is_circuit = |id: &ResourceId| scene.document.express_route_circuits.iter().any(|c| c.id == *id);
    if let Some(circuit) = text.strip_suffix(" circuit").map(|n| id("circuits", n)).filter(is_circuit) {
        return Some((vec![circuit], None));
    }
    let mut address = text.parse::<IpAddr>().ok();
    if let Some(id) = scene.places.other(&text) {
        ids.push(id);
        return Some((ids, None));
    }
    match scene.places.find(&text) {
        Some(Position::Azure { station: Some(station), .. }) => {
            let name = &scene.places.stations[station].name;
            ids.push(scene.places.station_id(station));
            ids.push(nva_id(name));
            address = scene.places.stations[station].address;
        }
        Some(Position::Azure { .. }) if address.is_some() => {}
        _ => {
            // An address outside Azure: of a site, or not told.
            let ip = address?;
            let site = scene
                .document
                .on_premises_sites
                .iter()
                .find(|s| s.prefixes.iter().any(|p| p.contains(&ip)))?;
            ids.push(site.id.clone());
        }
    }
    if let Some(ip) = address {
        let firewall = scene.document.azure_firewalls.iter().filter(|f| f.private_ip_address == Some(ip));
        ids.extend(firewall.map(|f| f.id.clone()));
        let owns = |b: &&azroute::model::LoadBalancer| {
            b.frontend_ip_configurations.iter().any(|f| f.private_ip_address == Some(ip))
        };
        ids.extend(scene.document.load_balancers.iter().filter(owns).map(|b| b.id.clone()));
        let endpoint =
            scene.document.private_endpoints.iter().filter(|e| e.private_ip_addresses.contains(&ip));
        ids.extend(endpoint.map(|e| e.id.clone()));
    }
    Some((ids, address))
}

fn way(check: &mut Check, expected: &ExpectedAnswer, scene: &Scene, answer: &Answer, in_azure: bool) {
    const MANY: usize = 64;
    if !expected.path.is_empty() {
        let mut wanted = Vec::new();
        let mut unknown = Vec::new();
        for text in &expected.path.0 {
            match element(scene, text) {
                Some(found) if wanted.last() == Some(&found) => {}
                Some(found) => wanted.push(found),
                None => unknown.push(text.clone()),
            }
        }
        if !unknown.is_empty() {
            check.open("path", format!("not places of the model: {}", unknown.join(", ")));
        }
        if !wanted.is_empty() {
            let right = answer.paths().take(MANY).any(|path| {
                let hops = path.hops();
                let mut next = 0;
                for (ids, ip) in &wanted {
                    let found = (next..hops.len()).find(|i| {
                        let ends = *i + 1 == hops.len() && arrives(path.disposition(), in_azure);
                        let arrived = ends && ip.is_some_and(|ip| hops[*i].header.destination == ip);
                        at(&hops[*i], ids) || arrived
                    });
                    match found {
                        Some(i) => next = i,
                        None => return false,
                    }
                }
                // A source may leave out gateways and edges, but not an appliance that forwards.
                let told = |hop: &&Hop| wanted.iter().any(|(ids, _)| at(hop, ids));
                let appliances =
                    hops.iter().skip(1).filter(|hop| matches!(hop.place, Place::Appliance { .. }));
                !unknown.is_empty() || appliances.filter(|hop| !told(hop)).count() == 0
            });
            check.that(right, || format!("the path is {}", shown(answer)));
        }
    }
    if !expected.via_circuit.is_empty() {
        let ids: BTreeSet<ResourceId> =
            expected.via_circuit.0.iter().filter_map(|c| scene.places.other(c)).collect();
        let mut passed = BTreeSet::new();
        let mut none = false;
        for path in answer.paths().take(MANY) {
            let here: Vec<ResourceId> = scene
                .document
                .express_route_circuits
                .iter()
                .map(|c| c.id.clone())
                .filter(|c| path.passes(c))
                .collect();
            none |= here.is_empty();
            passed.extend(here);
        }
        if ids.len() == expected.via_circuit.0.len() {
            check.that(passed == ids && !none, || format!("the path is {}", shown(answer)));
        } else {
            check.open("via_circuit", "a circuit that is not given");
        }
    }
    if let Some(ecmp) = expected.ecmp {
        let several = answer.paths().take(2).count() > 1;
        check.that(several == ecmp, || format!("the path is {}", shown(answer)));
    }
}

fn shown(answer: &Answer) -> String {
    let path = answer.path();
    let hops: Vec<String> = path.hops().iter().map(|hop| hop.place.to_string()).collect();
    format!("{} => {}", hops.join(" > "), path.disposition())
}

/// Compares a row `{at, prefix, next_hops}` of a small result table, or `{next_hop, preferred}`: next hops are compared
/// as the circuits that they stand for.
pub(crate) fn compare_result(
    key: &str,
    row: &Value,
    given: &Given,
    scene: &Scene,
    network: &Network,
) -> Option<Item> {
    let words = |name: &str| -> Words {
        row.get(name).and_then(|v| serde_json::from_value(v.clone()).ok()).unwrap_or_default()
    };
    let at = row.get("at").and_then(Value::as_str).unwrap_or("VNet");
    let preferred = row.get("preferred").and_then(Value::as_bool);
    let (shown, net) = match (preferred, row.get("prefix").and_then(Value::as_str).and_then(prefix)) {
        (None, Some(net)) => (words("next_hops"), net),
        (Some(_), _) => (words("next_hop"), given.circuits.first()?.on_prem.prefixes().next()?),
        _ => return None,
    };
    if shown.is_empty() {
        return None;
    }
    // The next hops that stand for a circuit here.
    let hops = |circuit: &super::schema::Circuit| -> Vec<IpAddr> {
        let here = circuit.next_hops_at.iter().filter(|(v, _)| v.eq_ignore_ascii_case(at)).map(|(_, w)| w);
        let site = given.on_prem.iter().filter(|s| s.names().any(|n| n.eq_ignore_ascii_case(at)));
        let edge = site.flat_map(|s| &s.ce_next_hops).filter(|(ce, _)| Some(*ce) == circuit.ce.as_ref());
        let plain = preferred.map(|_| &circuit.next_hops);
        here.chain(edge.map(|(_, w)| w))
            .chain(plain)
            .flat_map(|w| w.addresses().collect::<Vec<_>>())
            .collect()
    };
    let stands = |circuit: &&super::schema::Circuit| {
        hops(circuit).iter().any(|ip| shown.addresses().any(|s| s == *ip))
    };
    let wanted: BTreeSet<ResourceId> =
        given.circuits.iter().filter(stands).map(|c| id("circuits", &c.name)).collect();
    let told: usize = given.circuits.iter().filter(stands).map(|c| hops(c).len()).sum();
    let text = super::schema::words_of(row);
    if wanted.is_empty() || told != shown.0.len() {
        return Some(Item::new(
            key,
            text,
            Outcome::NotComparable("next hops of no circuit that is given".to_owned()),
        ));
    }
    let (from, _) = source(scene, at).ok()?;
    let to = host_of(net);
    let outcome = match network.resolve(from, to) {
        Err(error) => Outcome::Different(format!("no answer: {error}")),
        Ok(answer) => {
            let circuits = scene.document.express_route_circuits.iter().map(|c| &c.id);
            let passed: BTreeSet<ResourceId> =
                circuits.filter(|c| answer.paths().take(64).any(|p| p.passes(c))).cloned().collect();
            let right = match preferred {
                None => passed == wanted,
                Some(preferred) => wanted.iter().all(|c| passed.contains(c)) == preferred,
            };
            if right {
                Outcome::Equal
            } else {
                Outcome::Different(format!("the path is {}", shown_all(&answer)))
            }
        }
    };
    Some(Item::new(key, text, outcome))
}

fn shown_all(answer: &Answer) -> String {
    let mut seen: Vec<String> = Vec::new();
    for path in answer.paths().take(8) {
        let hops: Vec<String> = path.hops().iter().map(|hop| hop.place.to_string()).collect();
        seen.push(format!("{} => {}", hops.join(" > "), path.disposition()));
    }
    seen.join(" | ")
}

/// Compares what security rules do to a flow, where the case gives both ends with ports.
pub(crate) fn compare_flow(key: &str, expected: &ExpectedFlow, scene: &Scene, network: &Network) -> Item {
    let text = format!(
        "{} {} {} -> {}: {}",
        expected.at,
        expected.direction.as_deref().unwrap_or(""),
        expected.from.as_deref().unwrap_or("?"),
        expected.to.as_deref().unwrap_or("?"),
        expected.access.as_deref().unwrap_or("?")
    );
    let not = |why: &str| Item::new(key, text.clone(), Outcome::NotComparable(why.to_owned()));
    let end = |text: &Option<String>| -> Option<(IpAddr, u16)> {
        let (ip, port) = text.as_deref()?.rsplit_once(':')?;
        Some((ip.parse().ok()?, port.parse().ok()?))
    };
    let port = expected.extra.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    let (flow, access) = match (end(&expected.from), end(&expected.to), port, &expected.access) {
        (Some((from, from_port)), Some((to, to_port)), _, Some(access)) => {
            if scene.places.at_address(from).is_none() {
                return not("the flow starts at an address that no place of the case owns");
            }
            match source(scene, &from.to_string()) {
                Ok((source, _)) => (Flow::tcp(source, from_port, to, to_port), access),
                Err(why) => return not(&why),
            }
        }
        // From the Internet to the public address of a machine.
        (None, None, Some(port), Some(access)) if expected.direction.as_deref() == Some("in") => {
            let Some(to) = scene.terms.addresses.get(&expected.at) else {
                return not("the flow is not given with addresses and ports");
            };
            (Flow::tcp(Source::Internet(IpAddr::from([192, 0, 2, 77])), 50_000, *to, port), access)
        }
        _ => return not("the flow is not given with addresses and ports"),
    };
    let outcome = match network.evaluate(&flow) {
        Err(error) => Outcome::Different(format!("no answer: {error}")),
        Ok(answer) => {
            let denied = match answer.disposition() {
                Disposition::Dropped(DropReason::NsgDeny { rule, group, .. }) => Some((rule, group)),
                _ => None,
            };
            let right = match (&denied, access.eq_ignore_ascii_case("Deny")) {
                (Some((rule, group)), true) => expected.rule.as_ref().is_none_or(|expected| {
                    let named = expected.split_once(" of ");
                    let (name, owner) =
                        named.map_or((&**expected, None), |(name, owner)| (name, Some(owner)));
                    name.eq_ignore_ascii_case(rule) && owner.is_none_or(|owner| group.name() == owner)
                }),
                (None, false) => true,
                _ => false,
            };
            if right { Outcome::Equal } else { Outcome::Different(answer.disposition().to_string()) }
        }
    };
    Item::new(key, text, outcome)
}
