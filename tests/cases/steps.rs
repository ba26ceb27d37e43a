//! The phrases in `when`, `change` and `fix` that change a topology, and what they do to it.
//!
//! A phrase that is not understood is an error with the phrase: the outcome that hangs on it is not comparable.

use ipnet::IpNet;
use serde_json::Value;

use super::schema::{
    Circuit, Connection, Given, OnPrem, Peering, Route, RouteServer, RouteTable, Words, prefix,
};

/// The topology of one moment of a case.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) given: Given,
    /// Every connection is down.
    pub(crate) all_down: bool,
    /// Whether hosts of the case's circuits reach each other by Global Reach.
    pub(crate) global_reach: bool,
    /// Steps that were read but do not change anything the engine sees.
    pub(crate) remarks: Vec<String>,
}

/// The topology at `when` (none is the case as given, with its change carried out).
pub(crate) fn moment(given: &Given, when: Option<&str>) -> Result<Moment, String> {
    let mut moment =
        Moment { given: given.clone(), all_down: false, global_reach: false, remarks: Vec::new() };
    let phrase = when.unwrap_or("").trim();
    let change = given.change.text();
    let about_change = !change.is_empty() && is_before(phrase);
    if !change.is_empty()
        && !about_change
        && let Err(rest) = carry_out(&mut moment, &change)
    {
        moment.remarks.push(format!("change not understood: {rest}"));
        if is_after(phrase) {
            return Err(rest);
        }
    }
    if !phrase.is_empty() {
        step(&mut moment, phrase)?;
    }
    moment.given = complete(moment.given, &mut moment.remarks);
    Ok(moment)
}

/// Adds the parts that others imply: circuits that sites name, and the Route Server that an appliance announces to.
fn complete(mut given: Given, remarks: &mut Vec<String>) -> Given {
    let of_hubs: Vec<String> = given.hubs.iter().filter_map(|h| h.er_circuit.clone()).collect();
    let known: Vec<String> = given.circuits.iter().map(|c| c.name.clone()).chain(of_hubs).collect();
    let mut named: Vec<String> = given.on_prem.iter().flat_map(|s| s.circuit.0.clone()).collect();
    named.sort();
    named.dedup();
    named.retain(|name| !known.iter().any(|k| k.eq_ignore_ascii_case(name)));
    // A prefix that the case tells apart from its circuits is behind each of them.
    if let Some(net) = given.extra.get("prefix").and_then(Value::as_str).filter(|t| prefix(t).is_some()) {
        let net = net.to_owned();
        for circuit in &mut given.circuits.items {
            if circuit.on_prem.is_empty() && circuit.on_prem_advertises.is_empty() {
                circuit.on_prem.0.push(net.clone());
            }
        }
        given.extra.remove("prefix");
    }
    // "<router> and <router> also peer with each other".
    let mesh = given.extra.remove("ibgp").unwrap_or_default();
    if let Some(text) = mesh.as_str().map(str::to_ascii_lowercase) {
        let names = |site: &OnPrem| site.names().map(str::to_owned).collect::<Vec<_>>();
        let said = |site: &OnPrem| {
            site.names()
                .find(|n| text.split_whitespace().any(|w| w.eq_ignore_ascii_case(n)))
                .map(str::to_owned)
        };
        let members: Vec<String> = given.on_prem.iter().filter_map(said).collect();
        for site in &mut given.on_prem.items {
            let own = names(site);
            if members.iter().any(|m| own.contains(m)) {
                site.ibgp_to.0.extend(members.iter().filter(|m| !own.contains(m)).cloned());
            }
        }
    }
    let links = given.extra.remove("links").unwrap_or_default();
    let to_all = links.as_str().is_some_and(|text| text.to_ascii_lowercase().contains("both vnets"));
    for name in named {
        let mut circuit = Circuit { name, ..Circuit::default() };
        if to_all || given.vnets.items.len() == 1 {
            circuit.linked = Words(given.vnets.items.keys().cloned().collect());
        }
        given.circuits.items.push(circuit);
    }
    let served = given.route_server.is_some() || !given.route_servers.is_empty();
    let client = given
        .nvas
        .iter()
        .find(|n| !n.announces_to_route_server.is_empty() || !n.advertises_to_route_server.is_empty());
    if let (false, Some(nva)) = (served, client) {
        remarks.push(format!("a Route Server in the network of {}, to which it announces", nva.name));
        let peers = Words(vec![nva.name.clone()]);
        given.route_server = Some(RouteServer { vnet: nva.vnet.clone(), peers, ..RouteServer::default() });
    }
    given
}

fn is_before(phrase: &str) -> bool {
    ["before the change", "before the prepend", "before the filter", "before", "different as numbers"]
        .contains(&&*phrase.to_ascii_lowercase())
        || phrase.starts_with("before local")
}

fn is_after(phrase: &str) -> bool {
    ["after the change", "after the prepend", "after the filter", "after", "same as number"]
        .contains(&&*phrase.to_ascii_lowercase())
}

/// One phrase, or several joined by `and` or commas.
fn step(moment: &mut Moment, phrase: &str) -> Result<(), String> {
    let before = moment.clone();
    if single(moment, phrase.trim()) {
        return Ok(());
    }
    *moment = before;
    for joint in [" and ", ", ", "; ", " but "] {
        if let Some((first, rest)) = phrase.split_once(joint) {
            let before = moment.clone();
            if step(moment, first).is_ok() && step(moment, rest).is_ok() {
                return Ok(());
            }
            *moment = before;
        }
    }
    Err(phrase.to_owned())
}

fn single(moment: &mut Moment, phrase: &str) -> bool {
    let lower = phrase.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let given = &mut moment.given;
    if is_before(phrase) || is_after(phrase) {
        return true;
    }
    match &*lower {
        "initial" | "initially" | "any" | "baseline" | "nominal" | "all weights 0" | "base state" => {
            return true;
        }
        "before the udr exists"
        | "no udr"
        | "without udr"
        | "without the udr"
        | "before the udr"
        | "no route table"
        | "before the route table"
        | "before the user routes" => {
            for table in given.route_tables.items.values_mut() {
                table.routes.items.clear();
                table.propagate_gateway_routes = None;
            }
            return true;
        }
        "udr present"
        | "with udr"
        | "with the udr"
        | "after the udr exists"
        | "after the udr"
        | "route table present"
        | "udr exists" => return !given.route_tables.items.is_empty(),
        "before transit flags" | "without transit flags" | "no transit flags" => {
            for peering in &mut given.peerings.items {
                peering.allow_gateway_transit = Some(false);
                peering.use_remote_gateways = Some(false);
            }
            return true;
        }
        "transit flags set" | "after transit flags" | "with transit flags" => return true,
        // The peerings of the given are those with the flag on.
        "use_remote_gateways true" => return true,
        "use_remote_gateways false" => {
            for peering in &mut given.peerings.items {
                peering.use_remote_gateways = Some(false);
            }
            return true;
        }
        "tunnel down" | "tunnels down" | "bgp down" | "vpn down" | "connection down" | "gateway down" => {
            moment.all_down = true;
            return true;
        }
        "tunnel up" | "tunnels up" | "bgp up" | "vpn up" | "connection up" => return true,
        "before route server" | "without route server" | "no route server" => {
            given.route_server = None;
            given.route_servers.items.clear();
            return true;
        }
        "with route server" | "after route server" | "route server present" => {
            return given.route_server.is_some() || !given.route_servers.is_empty();
        }
        "without branch-to-branch"
        | "branch-to-branch off"
        | "with branch-to-branch"
        | "branch-to-branch on" => {
            let on = !lower.contains("without") && !lower.ends_with("off");
            for server in given.route_server.iter_mut().chain(given.route_servers.items.iter_mut()) {
                server.branch_to_branch = on;
            }
            return true;
        }
        "fastpath on" | "fastpath off" => {
            for gateway in &mut given.gateways.items {
                gateway.fastpath = Some(lower.ends_with("on"));
            }
            return true;
        }
        "without global reach" | "no global reach" => {
            moment.global_reach = false;
            return true;
        }
        "with global reach" | "global reach" => {
            moment.global_reach = true;
            return true;
        }
        "circuit private peering disabled" | "both links disabled" | "circuit down" | "expressroute down" => {
            for circuit in &mut given.circuits.items {
                circuit.down = true;
            }
            return !given.circuits.is_empty();
        }
        "fix applied" | "with fix" | "with the fix" => return fix(moment),
        _ => {}
    }
    // fix_1, fix_2: steps of their own, written as keys.
    if lower.starts_with("fix_") {
        if let Some(steps) = given.extra.remove(&lower) {
            return keyed(moment, &steps);
        }
        return false;
    }
    // "local preference 150 for <prefix> at <edge> and for <prefix> at <edge>".
    if let Some(rest) = lower.strip_prefix("local preference ") {
        return preference(given, rest);
    }
    // "<edge> uplinks down".
    if let Some(edge) = lower.strip_suffix(" uplinks down") {
        let at = |c: &&mut Circuit| c.ce.as_deref().is_some_and(|ce| ce.eq_ignore_ascii_case(edge));
        return given.circuits.items.iter_mut().find(at).is_some_and(|circuit| {
            circuit.down = true;
            true
        });
    }
    // "<table> present", "route <name> present", and the same with "absent".
    if let Some(name) = lower.strip_suffix(" present").or_else(|| lower.strip_suffix(" absent")) {
        let absent = lower.ends_with("absent");
        let name = name.trim_start_matches("route ").trim_start_matches("the ").trim();
        for (table, routes) in &mut given.route_tables.items {
            if table.eq_ignore_ascii_case(name) {
                if absent {
                    routes.routes.items.clear();
                }
                return true;
            }
            if routes.routes.iter().any(|route| route.name.eq_ignore_ascii_case(name)) {
                if absent {
                    routes.routes.items.retain(|route| !route.name.eq_ignore_ascii_case(name));
                }
                return true;
            }
        }
        return false;
    }
    // "weight of conn1 above 0", "weights of conn1 and conn3 above 0".
    if let Some(rest) = lower.strip_prefix("weight of ").or_else(|| lower.strip_prefix("weights of ")) {
        let Some(names) = rest.strip_suffix(" above 0") else { return false };
        for name in names.split(" and ").flat_map(|n| n.split(", ")) {
            let found = given
                .connections
                .items
                .iter_mut()
                .find(|c| c.name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(name)));
            match found {
                Some(connection) => connection.weight = 100,
                None => return false,
            }
        }
        return true;
    }
    // "[both links of] <circuit> down".
    if let Some(name) = lower.strip_suffix(" down").or_else(|| lower.strip_suffix(" fails")) {
        let name = name.trim_start_matches("both links of ").trim_start_matches("circuit ").trim();
        if let Some(circuit) = given.circuits.items.iter_mut().find(|c| c.name.eq_ignore_ascii_case(name)) {
            circuit.down = true;
            return true;
        }
        return false;
    }
    announcement(moment, &words)
}

/// "150 for <prefix> at <edge> and for <prefix> at <edge>".
fn preference(given: &mut Given, text: &str) -> bool {
    let Some((number, places)) = text.split_once(" for ") else { return false };
    let Ok(number) = number.trim().parse::<u32>() else { return false };
    for place in places.split(" and for ") {
        let Some((net, edge)) = place.split_once(" at ") else { return false };
        let Some(net) = prefix(net) else { return false };
        let at = |c: &&mut Circuit| c.ce.as_deref().is_some_and(|ce| ce.eq_ignore_ascii_case(edge.trim()));
        match given.circuits.items.iter_mut().find(at) {
            Some(circuit) => circuit.preferred.push((net, number)),
            None => return false,
        }
    }
    true
}

/// "<speaker> prepends <number> once on <prefix>", several joined by commas or `and`.
fn prepends(given: &mut Given, text: &str) -> bool {
    // A clause starts with the word before its verb.
    let words: Vec<&str> = text.split_whitespace().collect();
    let verbs: Vec<usize> = (0..words.len()).filter(|i| words[*i] == "prepends").collect();
    for (n, verb) in verbs.iter().enumerate() {
        let end = verbs.get(n + 1).map_or(words.len(), |next| next - 1);
        let (Some(speaker), Some(rest)) = (verb.checked_sub(1).map(|i| words[i]), words.get(verb + 1..end))
        else {
            return false;
        };
        let mut times = 1;
        let mut on: Vec<IpNet> = Vec::new();
        for word in rest {
            let word = word.trim_end_matches([',', '.']);
            match word {
                "twice" | "two" => times = 2,
                "three" => times = 3,
                "four" => times = 4,
                _ => on.extend(word.contains('/').then(|| prefix(word)).flatten()),
            }
        }
        if on.is_empty() {
            return false;
        }
        let told = on.into_iter().map(|net| (net, times));
        let named = |name: &str| name.eq_ignore_ascii_case(speaker);
        if let Some(nva) = given.nvas.items.iter_mut().find(|n| named(&n.name)) {
            nva.prepends.extend(told);
        } else if let Some(site) = given.on_prem.items.iter_mut().find(|s| s.names().any(named)) {
            site.prepends.extend(told);
        } else if let Some(circuit) =
            given.circuits.items.iter_mut().find(|c| c.ce.as_deref().is_some_and(named))
        {
            circuit.prepends.extend(told);
        } else {
            return false;
        }
    }
    !verbs.is_empty()
}

/// "<speaker> [also] announces <prefixes>".
fn announcement(moment: &mut Moment, words: &[&str]) -> bool {
    let Some(at) = words.iter().position(|w| ["announces", "advertises"].contains(w)) else {
        return false;
    };
    let speaker = words[..at].join(" ");
    let speaker = speaker.trim_end_matches(" also").trim_start_matches("the ").to_owned();
    let mut prefixes: Vec<IpNet> = Vec::new();
    for word in &words[at + 1..] {
        let word = word.trim_end_matches([',', '.']);
        match prefix(word) {
            Some(prefix) => prefixes.push(prefix),
            None if ["and", "also", "its", "as", "own", "number", "once", "on", "the", "prefix"]
                .contains(&word) => {}
            None => return false,
        }
    }
    if prefixes.is_empty() {
        return false;
    }
    let texts = || prefixes.iter().map(ToString::to_string);
    let given = &mut moment.given;
    if let Some(nva) = given.nvas.items.iter_mut().find(|n| n.name.eq_ignore_ascii_case(&speaker)) {
        nva.announces.0.extend(texts());
        return true;
    }
    let sites = &mut given.on_prem.items;
    let one = sites.len() == 1 && ["branch", "site", "on-premises", "customer"].contains(&&*speaker);
    let found = sites.iter_mut().find(|s| one || s.names().any(|n| n.eq_ignore_ascii_case(&speaker)));
    match found {
        Some(site) => {
            site.announces.0.extend(texts());
            true
        }
        None => false,
    }
}

/// The sentence in `given.change`: every clause is carried out; what is not understood is the error.
fn carry_out(moment: &mut Moment, change: &str) -> Result<(), String> {
    let lower = change.to_ascii_lowercase();
    // "use_remote_gateways of spoke is false in the first tests …": each `when` tells it again.
    if lower.starts_with("use_remote_gateways of ") {
        return Ok(());
    }
    let mut rest = lower.clone();
    if let Some((first, second)) = rest.clone().split_once(" and translates ") {
        // The appliance rewrites sources.
        let speaker = first.split_whitespace().next().unwrap_or("").to_owned();
        let Some(nva) = moment.given.nvas.items.iter_mut().find(|n| n.name.eq_ignore_ascii_case(&speaker))
        else {
            return Err(second.to_owned());
        };
        nva.translates = true;
        rest = first.to_owned();
    }
    // "<site> uses AS <number>".
    if rest.contains(" prepends ") {
        return if prepends(&mut moment.given, &rest) { Ok(()) } else { Err(change.to_owned()) };
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    if let [site, "uses", "as", number] = words[..]
        && let (Ok(number), Some(site)) = (
            number.parse(),
            moment.given.on_prem.items.iter_mut().find(|s| s.names().any(|n| n.eq_ignore_ascii_case(site))),
        )
    {
        site.asn = Some(number);
        return Ok(());
    }
    if announcement(moment, &words) { Ok(()) } else { Err(change.to_owned()) }
}

/// `given.fix`: a route table for one subnet.
fn fix(moment: &mut Moment) -> bool {
    let fix = std::mem::take(&mut moment.given.fix);
    let Some(on) = fix.get("route_table_on").and_then(Value::as_str) else { return false };
    let Some(routes) = fix.get("routes").and_then(Value::as_array) else { return false };
    let mut table = RouteTable { associated_with: Words(vec![on.to_owned()]), ..RouteTable::default() };
    for route in routes {
        match serde_json::from_value::<Route>(route.clone()) {
            Ok(route) => table.routes.items.push(route),
            Err(_) => return false,
        }
    }
    moment.given.route_tables.items.insert("fix".to_owned(), table);
    true
}

/// `fix_1`, `fix_2`: keys that take routes, flags and peerings off or on.
fn keyed(moment: &mut Moment, steps: &Value) -> bool {
    let Some(steps) = steps.as_object() else { return false };
    for (key, value) in steps {
        let names = || -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let done = match &**key {
            "base" => true,
            "remove_routes" => {
                for table in moment.given.route_tables.items.values_mut() {
                    table.routes.items.retain(|r| !names().contains(&r.name));
                }
                true
            }
            "hub_transit_flags" => {
                let off = value.as_str().is_some_and(|text| text.starts_with("removed"));
                off && single(moment, "before transit flags")
            }
            "added_peerings" => names().iter().all(|text| peer(&mut moment.given, text)),
            "added_connections" => {
                let texts = names();
                moment
                    .given
                    .connections
                    .items
                    .extend(texts.into_iter().map(|text| Connection { text, ..Connection::default() }));
                true
            }
            "added" => value.as_str().is_some_and(|text| endpoints(&mut moment.given, text)),
            _ => false,
        };
        if !done {
            return false;
        }
    }
    true
}

/// "a - b, both v": both halves with access only; with `f` forwarded traffic as well.
fn peer(given: &mut Given, text: &str) -> bool {
    let (names, flags) = text.split_once(", both ").unwrap_or((text, "v"));
    let Some((a, b)) = names.split_once(" - ") else { return false };
    for (from, to) in [(a, b), (b, a)] {
        given.peerings.items.push(Peering {
            from: from.trim().to_owned(),
            to: to.trim().to_owned(),
            allow_vnet_access: Some(flags.contains('v')),
            allow_forwarded_traffic: Some(flags.contains('f')),
            allow_gateway_transit: None,
            use_remote_gateways: None,
            extra: Default::default(),
        });
    }
    true
}

/// "private endpoints <ip> and <ip> in a new subnet <prefix> of <vnet>".
fn endpoints(given: &mut Given, text: &str) -> bool {
    let Some(rest) = text.strip_prefix("private endpoints ") else { return false };
    let Some((ips, place)) = rest.split_once(" in a new subnet ") else { return false };
    let Some((subnet, vnet)) = place.split_once(" of ") else { return false };
    let ips: Vec<String> = ips.split(" and ").map(|ip| ip.trim().to_owned()).collect();
    let Some(vnet) = given.vnets.items.get_mut(vnet.trim()) else { return false };
    let entry = vnet.subnets.items.entry("endpoints".to_owned()).or_default();
    entry.prefix = Some(subnet.trim().to_owned());
    entry.private_endpoints = Words(ips);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Given {
        serde_saphyr::from_str(text).unwrap()
    }

    const SMALL: &str = "
vnets: {hub: {space: [10.0.0.0/16]}, spoke: {space: [10.1.0.0/16]}}
peerings:
  - {from: spoke, to: hub, use_remote_gateways: true}
  - {from: hub, to: spoke, allow_gateway_transit: true}
nvas: [{name: fw, asn: 65001, announces: [10.9.0.0/16]}]
circuits: [{name: ER1, ce: CE1}, {name: ER2, ce: CE2}]
connections: [{name: c1, vnet: hub, circuit: ER1}]
route_tables: {rt: {routes: [{name: d, prefix: 0.0.0.0/0, next_hop_type: None}]}}
change: fw prepends its AS number on 10.9.0.0/16
";

    #[test]
    fn phrases_change_what_they_name() {
        let given = given(SMALL);
        let at = |when: &str| moment(&given, Some(when)).unwrap();
        assert!(at("before the UDR exists").given.route_tables.items["rt"].routes.is_empty());
        assert_eq!(at("rt present").given.route_tables.items["rt"].routes.len(), 1);
        assert_eq!(at("before transit flags").given.peerings[0].use_remote_gateways, Some(false));
        assert!(at("tunnel down").all_down);
        assert_eq!(
            at("tunnel up and use_remote_gateways false").given.peerings[0].use_remote_gateways,
            Some(false)
        );
        let weighted = at("weight of c1 above 0 and ER1 down").given;
        assert_eq!((weighted.connections[0].weight, weighted.circuits[0].down), (100, true));
        assert_eq!(at("fw also announces 10.8.0.0/16 and 10.7.0.0/16").given.nvas[0].announces.0.len(), 3);
        let preferred = at("local preference 150 for 10.0.0.0/16 at CE1 and for 10.1.0.0/16 at CE2").given;
        assert_eq!(preferred.circuits[1].preferred, [("10.1.0.0/16".parse().unwrap(), 150)]);
    }

    #[test]
    fn the_change_is_carried_out_but_before_it() {
        let given = given(SMALL);
        assert!(moment(&given, Some("before the change")).unwrap().given.nvas[0].prepends.is_empty());
        for when in [None, Some("after the change")] {
            let prepends = moment(&given, when).unwrap().given.nvas[0].prepends.clone();
            assert_eq!(prepends, [("10.9.0.0/16".parse().unwrap(), 1)], "{when:?}");
        }
    }

    #[test]
    fn an_unknown_phrase_is_an_error_and_not_a_guess() {
        let given = given(SMALL);
        for when in ["on a rainy day", "tunnel down and on a rainy day", "ER9 down", "rt9 present", "fix_3"] {
            assert!(moment(&given, Some(when)).is_err(), "{when}");
        }
        let mut odd = given;
        odd.change = Words(vec!["fw sings".to_owned()]);
        assert!(moment(&odd, Some("after the change")).is_err());
        assert_eq!(moment(&odd, None).unwrap().remarks.len(), 1);
    }
}
