//! One case: every moment built under every reading, compared, and the best fitting reading kept.

use std::collections::BTreeSet;

use azroute::Network;
use azroute::model::{Document, EffectiveRouteRow, NoneProfile, Topology};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use super::outcomes;
use super::places::Position;
use super::report::{CaseReport, Item, Outcome};
use super::rows;
use super::schema::{Case, ExpectedAnswer, ExpectedTable, Given, OnPrem, Words, prefix, words_of};
use super::steps::{Moment, moment};
use super::tables;
use super::translate::{Reading, Scene, Terms, translate};

/// Routes that a source leaves out because a control plane made them, declared here.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Supplement {
    pub(crate) case: String,
    /// Only at these moments; none is always.
    #[serde(default)]
    pub(crate) when: Words,
    pub(crate) why: String,
    #[serde(default)]
    pub(crate) given: Given,
    /// A document in place of what the case's words translate to, where they name places without addresses or links.
    document: Option<Document>,
    /// What the words of the case mean in that document.
    #[serde(default)]
    terms: Terms,
    /// Facts of the case that are told in words, said again as rows and outcomes.
    #[serde(default)]
    facts: Vec<Fact>,
}

/// A fact told in words, as rows and outcomes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    /// Its place in `expect.facts`.
    fact: usize,
    #[serde(default)]
    effective_routes: Vec<ExpectedTable>,
    #[serde(default)]
    resolve: Vec<ExpectedAnswer>,
}

/// Reads the file of supplements.
pub(crate) fn supplements(text: &str) -> Result<Vec<Supplement>, String> {
    let root: Value = serde_saphyr::from_str(text).map_err(|e| e.to_string())?;
    let list = root.get("supplements").cloned().unwrap_or_default();
    let read: Vec<Supplement> = serde_json::from_value(list).map_err(|e| e.to_string())?;
    match read.iter().find(|s| s.why.trim().is_empty()) {
        Some(s) => Err(format!("{}: no reason", s.case)),
        None => Ok(read),
    }
}

/// Lays a supplement over what is given: learned routes and circuits' prefixes are added, parts that the source only
/// mentions are appended.
fn lay(given: &mut Given, more: &Given) {
    for gateway in more.gateways.iter() {
        match given.gateways.items.iter_mut().find(|g| g.name == gateway.name) {
            Some(found) => found.learned.items.extend(gateway.learned.items.iter().cloned()),
            None => given.gateways.items.push(gateway.clone()),
        }
    }
    match (&mut given.route_server, &more.route_server) {
        (Some(found), Some(server)) => found.learned.items.extend(server.learned.items.iter().cloned()),
        (None, Some(server)) => given.route_server = Some(server.clone()),
        (_, None) => {}
    }
    for server in more.route_servers.iter() {
        if let Some(found) = given.route_servers.items.iter_mut().find(|s| s.name == server.name) {
            found.learned.items.extend(server.learned.items.iter().cloned());
        }
    }
    for hub in more.hubs.iter() {
        if let Some(found) = given.hubs.items.iter_mut().find(|h| h.name == hub.name) {
            found.learned.items.extend(hub.learned.items.iter().cloned());
        }
    }
    for circuit in more.circuits.iter() {
        match given.circuits.items.iter_mut().find(|c| c.name == circuit.name) {
            Some(found) => found.on_prem.0.extend(circuit.on_prem.0.iter().cloned()),
            None => given.circuits.items.push(circuit.clone()),
        }
    }
    for site in more.on_prem.iter() {
        let same = |s: &&mut OnPrem| s.names().next().is_some() && s.names().next() == site.names().next();
        match given.on_prem.items.iter_mut().find(same) {
            Some(found) => found.learns.0.extend(site.learns.0.iter().cloned()),
            None => given.on_prem.items.push(site.clone()),
        }
    }
    given.overlays.items.extend(more.overlays.items.iter().cloned());
    given.nvas.items.extend(more.nvas.items.iter().cloned());
    for (name, table) in &more.route_tables.items {
        match given.route_tables.items.get_mut(name) {
            Some(found) => found.routes.items.extend(table.routes.items.iter().cloned()),
            None => {
                given.route_tables.items.insert(name.clone(), table.clone());
            }
        }
    }
    given.peerings.items.extend(more.peerings.items.iter().cloned());
}

/// Declares the routes of the case's BGP tables at its gateways, those that are not known there already.
fn learn(case: &Case, network: &Network, scene: &Scene, given: &mut Given) -> bool {
    let mut any = false;
    for table in case.expect.bgp.iter().filter(|t| t.kind.as_deref() == Some("learned")) {
        let Some(gateway) = given
            .gateways
            .items
            .iter_mut()
            .find(|g| g.name.as_ref().is_some_and(|n| n.eq_ignore_ascii_case(&table.at)))
        else {
            continue;
        };
        let vnet = gateway.vnet.clone().unwrap_or_default();
        let spot = scene.places.spots.iter().position(|s| s.name == "GatewaySubnet" && s.vnet == vnet);
        let routes = spot.and_then(|spot| network.effective_routes(&scene.places.subnet_id(spot)).ok());
        for row in table.rows.iter() {
            let Ok(learned) = serde_json::from_value::<super::schema::Learned>(row.clone()) else { continue };
            let Some(place) = prefix(&learned.prefix) else { continue };
            let known = routes.as_ref().is_none_or(|r| r.candidates().iter().any(|c| c.prefix == place));
            if !known && !learned.as_path.is_empty() {
                gateway.learned.items.push(learned);
                any = true;
            }
        }
    }
    any
}

/// A moment, built.
struct Stage {
    scene: Scene,
    network: Result<Network, String>,
    /// The network whose gateways learn only what is computed: what the case's BGP tables are compared with.
    unlearned: Option<Network>,
    remarks: Vec<String>,
    declared: Vec<IpNet>,
    given: Given,
}

impl Stage {
    fn new(
        case: &Case,
        when: Option<&str>,
        reading: Reading,
        supplements: &[Supplement],
    ) -> Result<Self, String> {
        let mut given = case.given.clone();
        let mut declared = Vec::new();
        let mut told = false;
        for supplement in supplements.iter().filter(|s| s.case == case.id) {
            let here = supplement.when.is_empty() || supplement.when.0.iter().any(|w| Some(&**w) == when);
            if here {
                told |= !supplement.when.is_empty();
                lay(&mut given, &supplement.given);
                declared.extend(supplement.given.circuits.iter().flat_map(|c| c.on_prem.prefixes()));
                let sites = supplement.given.on_prem.iter();
                declared.extend(sites.flat_map(|s| s.announces.prefixes().chain(s.learns.prefixes())));
            }
        }
        let stated = supplements.iter().filter(|s| s.case == case.id && s.document.is_some());
        let stated = stated
            .filter(|s| s.when.is_empty() || s.when.0.iter().any(|w| Some(&**w) == when))
            .find_map(|s| s.document.clone().map(|document| (document, s.terms.clone())));
        let moment = match moment(&given, when) {
            // A phrase that only a supplement explains.
            Err(_) if told => moment(&given, None)?,
            other => other?,
        };
        let remarks = moment.remarks.clone();
        let positions: Vec<&str> = case.expect.effective_routes.iter().map(|t| &*t.at).collect();
        let build = |moment: &Moment| {
            let mut scene = translate(moment, &positions, reading);
            if let Some((document, terms)) = &stated {
                let knobs = scene.document.knobs.clone();
                scene.document = Document { knobs, ..document.clone() };
                scene.terms = terms.clone();
            }
            let network = Topology::new(scene.document.clone())
                .map_err(|e| e.to_string())
                .and_then(|topology| Network::build(&topology).map_err(|e| e.to_string()));
            (scene, network)
        };
        let (mut scene, mut network) = build(&moment);
        let unlearned = (case.tells_tables()).then(|| tables::computed_only(&scene.document)).flatten();
        // What the case's own BGP tables say a gateway learned, where nothing else that is given leads to it.
        if let (Ok(built), false) = (&network, moment.all_down) {
            let mut more = moment.clone();
            if learn(case, built, &scene, &mut more.given) {
                (scene, network) = build(&more);
                scene.assumptions.insert("gateways learned what the BGP tables of the case say".to_owned());
            }
        }
        declared.extend(&scene.declared);
        Ok(Self { scene, network, unlearned, remarks, declared, given: moment.given })
    }
}

/// Runs a case.
pub(crate) fn run(case: &Case, supplements: &[Supplement]) -> CaseReport {
    let mut best: Option<CaseReport> = None;
    let several = case.given.circuits.len() + case.given.hubs.len() > 0;
    for through_circuit in if several { &[false, true][..] } else { &[false][..] } {
        for none_profile in NoneProfile::ALL {
            let reading = Reading { none_profile, through_circuit: *through_circuit };
            let report = read_as(case, reading, supplements);
            let fit = |r: &CaseReport| (r.differences(), usize::MAX - r.equal());
            if best.as_ref().is_none_or(|b| fit(&report) < fit(b)) {
                best = Some(report);
            }
        }
    }
    best.unwrap_or_default()
}

fn read_as(case: &Case, reading: Reading, supplements: &[Supplement]) -> CaseReport {
    let mut report = CaseReport {
        id: case.id.clone(),
        title: format!("{}; {}", case.title, case.evidence),
        reading: format!(
            "None rows of {:?}{}",
            reading.none_profile,
            if reading.through_circuit { ", networks on one circuit reach each other" } else { "" }
        ),
        ..CaseReport::default()
    };
    let mut stages: Vec<(Option<String>, Result<Stage, String>)> = Vec::new();
    let mut note = |stage: &Result<Stage, String>| {
        if let Ok(stage) = stage {
            for line in &stage.scene.assumptions {
                push_new(&mut report.assumptions, line);
            }
            for line in stage.scene.unused.iter().chain(&stage.remarks) {
                push_new(&mut report.unused, line);
            }
        }
    };
    let facts: Vec<&Fact> = supplements.iter().filter(|s| s.case == case.id).flat_map(|s| &s.facts).collect();
    let mut routes: Vec<(String, &ExpectedTable)> = Vec::new();
    let mut answers: Vec<(String, &ExpectedAnswer)> = Vec::new();
    let key = |prefix: &str, section: &str, i: usize| format!("{prefix}{section}[{i}]");
    routes.extend(
        case.expect.effective_routes.iter().enumerate().map(|(i, t)| (key("", "effective_routes", i), t)),
    );
    answers.extend(case.expect.resolve.iter().enumerate().map(|(i, r)| (key("", "resolve", i), r)));
    for fact in &facts {
        let at = format!("facts[{}].", fact.fact);
        let of_fact = fact.effective_routes.iter().enumerate();
        routes.extend(of_fact.map(|(i, t)| (key(&at, "effective_routes", i), t)));
        answers.extend(fact.resolve.iter().enumerate().map(|(i, r)| (key(&at, "resolve", i), r)));
    }
    let whens = routes.iter().map(|(_, t)| &t.when).chain(answers.iter().map(|(_, r)| &r.when));
    let results: &[Value] =
        case.expect.extra.get("table").and_then(Value::as_array).map_or(&[], Vec::as_slice);
    let when_of = |row: &Value| row.get("when").and_then(Value::as_str).map(str::to_owned);
    let of_results: Vec<Option<String>> = results.iter().map(when_of).collect();
    // The case's BGP tables are those of the design as it is given.
    let as_given = case.tells_tables().then_some(None);
    let moments = whens.chain(case.expect.nsg.iter().map(|f| &f.when)).chain(&of_results);
    for when in moments.chain(&as_given) {
        if !stages.iter().any(|(w, _)| w == when) {
            let stage = Stage::new(case, when.as_deref(), reading, supplements);
            note(&stage);
            stages.push((when.clone(), stage));
        }
    }
    let stage = |when: &Option<String>| stages.iter().find(|(w, _)| w == when).map(|(_, s)| s);
    for supplement in supplements.iter().filter(|s| s.case == case.id) {
        push_new(&mut report.assumptions, &format!("declared: {}", supplement.why));
    }
    for key in case.extra.keys() {
        push_new(&mut report.unused, &format!("the case's key `{key}`"));
    }
    for (key, table) in &routes {
        let mut items = match stage(&table.when) {
            Some(Ok(stage)) => table_items(key, table, stage),
            Some(Err(phrase)) => unread_table(key, table, &format!("`{phrase}` is not understood")),
            None => Vec::new(),
        };
        for item in &mut items {
            let at = format!(
                " at {}{}",
                table.at,
                table.when.as_ref().map_or(String::new(), |w| format!(" ({w})"))
            );
            item.text.push_str(&at);
        }
        let of_rows = table.rows.iter().chain(table.absent.iter()).flat_map(|row| row.extra.keys());
        for name in table.extra.keys().chain(of_rows) {
            push_new(&mut report.unused, &format!("{key}.{name}"));
        }
        report.items.extend(items);
    }
    for (key, expected) in &answers {
        report.items.extend(match stage(&expected.when) {
            Some(Ok(Stage { network: Err(error), .. })) => outcomes::not_comparable(key, expected, error),
            Some(Ok(Stage { network: Ok(network), scene, declared, .. })) => {
                let mut items = outcomes::compare(key, expected, scene, network);
                let words = [&expected.to_prefix, &expected.matched_prefix];
                let net = expected
                    .to
                    .as_deref()
                    .and_then(prefix)
                    .or(words.into_iter().flatten().find_map(|w| prefix(w)));
                let rests = net.is_some_and(|net| declared.iter().any(|d| d.contains(&net)));
                items.iter_mut().for_each(|item| item.declared = rests);
                items
            }
            Some(Err(phrase)) => {
                outcomes::not_comparable(key, expected, &format!("`{phrase}` is not understood"))
            }
            None => Vec::new(),
        });
    }
    for (i, expected) in case.expect.nsg.iter().enumerate() {
        let key = format!("nsg[{i}]");
        for name in expected.extra.keys() {
            push_new(&mut report.unused, &format!("{key}.{name}"));
        }
        report.items.push(match stage(&expected.when) {
            Some(Ok(Stage { network: Ok(network), scene, .. })) => {
                outcomes::compare_flow(&key, expected, scene, network)
            }
            _ => Item::new(
                key,
                expected.at.clone(),
                Outcome::NotComparable("the moment is not understood".to_owned()),
            ),
        });
    }
    let mut compared = Vec::new();
    for (j, (row, when)) in results.iter().zip(&of_results).enumerate() {
        if let Some(Ok(Stage { network: Ok(network), scene, given, .. })) = stage(when) {
            let item = outcomes::compare_result(&format!("table[{j}]"), row, given, scene, network);
            compared.extend(item.is_some().then_some(j));
            report.items.extend(item);
        }
    }
    if let Some(Ok(stage)) = stages.iter().find(|(when, _)| when.is_none()).map(|(_, s)| s) {
        report.items.extend(super::hubs::compare(case, stage.network.as_ref()));
    }
    if let Some(Ok(Stage { unlearned: Some(network), scene, .. })) = stage(&None) {
        report.items.extend(tables::compare(case, scene, network));
    }
    let said: Vec<usize> = facts.iter().map(|fact| fact.fact).collect();
    told(case, &compared, &said, &mut report);
    report
}

fn push_new(list: &mut Vec<String>, line: &str) {
    if !list.iter().any(|l| l == line) {
        list.push(line.to_owned());
    }
}

fn unread_table(key: &str, table: &ExpectedTable, why: &str) -> Vec<Item> {
    let outcome = || Outcome::NotComparable(why.to_owned());
    let rows = table.rows.iter().enumerate().map(|(j, row)| (format!("{key}.rows[{j}]"), row));
    let absent = table.absent.iter().enumerate().map(|(j, row)| (format!("{key}.absent[{j}]"), row));
    rows.chain(absent).map(|(key, row)| Item::new(key, rows::expected_text(row), outcome())).collect()
}

fn table_items(key: &str, table: &ExpectedTable, stage: &Stage) -> Vec<Item> {
    let network = match &stage.network {
        Ok(network) => network,
        Err(error) => return unread_table(key, table, error),
    };
    let Some(Position::Azure { spot, .. }) = stage.scene.places.find(&table.at) else {
        return unread_table(key, table, &format!("`{}` is no place in Azure", table.at));
    };
    let subnet = stage.scene.places.subnet_id(spot);
    let routes = match network.effective_routes(&subnet) {
        Ok(routes) => routes,
        Err(error) => return unread_table(key, table, &error.to_string()),
    };
    let computed: Vec<EffectiveRouteRow> = routes.rows();
    let known = |place: IpNet| {
        use azroute::model::RouteSource;
        let candidates = routes.candidates().iter();
        candidates.into_iter().any(|c| c.source == RouteSource::VirtualNetworkGateway && c.prefix == place)
    };
    let mut items = rows::compare(key, table, &computed, &known);
    for (j, row) in table.rows.iter().enumerate() {
        let place = row.prefix.as_deref().and_then(prefix);
        let gateway = row.source.as_deref() == Some("VirtualNetworkGateway");
        items[j].declared = gateway && place.is_some_and(|p| stage.declared.contains(&p));
    }
    items
}

/// What no answer of the engine can be held against: listed by key.
fn told(case: &Case, compared: &[usize], said: &[usize], report: &mut CaseReport) {
    let done: BTreeSet<String> = report.items.iter().map(|item| item.key.clone()).collect();
    let mut add = |key: String, text: String, why: &str| {
        if !done.contains(&key) {
            report.items.push(Item::new(key, text, Outcome::NotComparable(why.to_owned())));
        }
    };
    for (i, table) in case.expect.bgp.iter().enumerate() {
        let kind = table.kind.as_deref().unwrap_or("");
        for (j, row) in table.rows.iter().enumerate() {
            add(format!("bgp[{i}].rows[{j}]"), format!("{} {kind} {row}", table.at), "a BGP table");
        }
        for name in table.extra.keys().filter(|k| *k != "subset") {
            add(format!("bgp[{i}].{name}"), table.at.clone(), "a BGP table");
        }
    }
    for (section, value) in case.expect.extra.iter().filter(|(section, _)| **section != "hub_routes") {
        let why = match &**section {
            "facts" => "told in words",
            "as_paths_newest_first" | "as_paths_origin_first" => "an AS path at a BGP speaker",
            "table" => "a table with columns of its own",
            _ => "not a section of the schema",
        };
        match value {
            Value::Array(list) => {
                for (j, member) in list.iter().enumerate() {
                    if section == "table" && compared.contains(&j) || section == "facts" && said.contains(&j)
                    {
                        continue;
                    }
                    add(format!("{section}[{j}]"), words_of(member), why);
                }
            }
            other => add(section.clone(), words_of(other), why),
        }
    }
    for (section, texts) in [
        ("effective_routes", &case.expect.effective_routes.other),
        ("resolve", &case.expect.resolve.other),
        ("nsg", &case.expect.nsg.other),
        ("bgp", &case.expect.bgp.other),
    ] {
        for (j, text) in texts.iter().enumerate() {
            add(format!("{section}.unread[{j}]"), text.clone(), "cannot be read");
        }
    }
}
