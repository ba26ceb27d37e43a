//! Every rule has a test that is named after it, or stands in a list with the reason why not.
//!
//! A test is named after a rule by its function name (`sys_7_…`, `vector_18_sel_8`) or by a line of documentation that is
//! attached to it and holds the rule's id. The lists are `tests/data/rules/not_modelled*.tsv`: rule, status
//! (`not-modelled`, `later issue 3`, …; `partly` in front where a test shows the rest), reason.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use azroute::rule::Rule;

/// Every family of the rules, in their order.
const FAMILIES: [&str; 24] = [
    "SYS", "PEER", "SE", "PE", "UDR", "SEL", "GWR", "BGP", "ER", "MSP", "PUB", "FT", "VPN", "COEX", "ARS",
    "VWAN", "WALK", "OUT", "NSG", "ISO", "CSP", "ENC", "BW", "V6",
];

const LISTS: [&str; 2] = ["tests/data/rules/not_modelled.tsv", "tests/data/rules/not_modelled_walk.tsv"];

/// Families that the first list answers for.
const OF_THE_FIRST: [&str; 10] = ["SYS", "PEER", "SE", "PE", "UDR", "SEL", "GWR", "FT", "COEX", "V6"];

/// A row of a list.
struct Listed {
    status: String,
    partly: bool,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn family(id: &str) -> &str {
    id.rsplit_once('-').unwrap().0
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Whether `text` holds `id` with no letter, digit, `-` or `_` beside it.
fn holds(text: &str, id: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.match_indices(id)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + id.len()..].starts_with(part))
}

/// Whether a function's name holds the id in snake case, between underscores or at an end.
fn named(function: &str, id: &str) -> bool {
    let snake = id.to_ascii_lowercase().replace('-', "_");
    format!("_{function}_").contains(&format!("_{snake}_"))
}

/// The tests of a file: each function's name, and the lines of documentation attached to it.
fn tests(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut attached = String::new();
    let mut is_test = false;
    for line in text.lines() {
        let line = line.trim();
        if let Some(documentation) = line.strip_prefix("///") {
            attached.push_str(documentation);
            attached.push('\n');
        } else if line == "#[test]" {
            is_test = true;
        } else if line.starts_with("#[") || line.starts_with("//") {
        } else {
            if is_test && let Some(rest) = line.strip_prefix("fn ") {
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                found.push((name, std::mem::take(&mut attached)));
            }
            is_test = false;
            attached.clear();
        }
    }
    found
}

fn listed() -> BTreeMap<String, Listed> {
    let mut rules = BTreeMap::new();
    for list in LISTS {
        let Ok(text) = fs::read_to_string(root().join(list)) else { continue };
        for (n, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
            let place = format!("{list}:{}", n + 1);
            let columns: Vec<&str> = line.split('\t').collect();
            let [id, status, reason] = columns[..] else {
                unreachable!("{place}: three columns, not {}", columns.len())
            };
            assert!(Rule::ALL.iter().any(|rule| rule.id() == id), "{place}: `{id}` is no rule");
            assert!(reason.trim().len() > 20 && reason.ends_with('.'), "{place}: the reason is a sentence");
            let rest = status.strip_prefix("partly").map(|s| s.trim_start_matches([',', ':', ' ']));
            let status_word = rest.filter(|s| !s.is_empty()).unwrap_or(status);
            let known = status_word == "not-modelled"
                || status_word.starts_with("later issue ")
                || status == "partly";
            assert!(known, "{place}: `{status}` is no status");
            let row = Listed { status: status_word.to_owned(), partly: rest.is_some() };
            assert!(rules.insert(id.to_owned(), row).is_none(), "{place}: `{id}` stands twice");
        }
    }
    rules
}

#[test]
fn every_rule_is_tested_or_listed() {
    let families: BTreeSet<&str> = Rule::ALL.iter().map(|rule| family(rule.id())).collect();
    assert_eq!(families, FAMILIES.into_iter().collect(), "the families of the rules");

    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        sources(&root().join(folder), &mut files);
    }
    let mut all = Vec::new();
    for file in files {
        all.extend(tests(&fs::read_to_string(file).unwrap()));
    }
    assert!(all.len() > 100, "only {} tests were found", all.len());

    let listed = listed();
    let (mut tested, mut not_modelled, mut later) = (0, 0, 0);
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut both = Vec::new();
    for rule in Rule::ALL {
        let id = rule.id();
        let has_test = all.iter().any(|(name, attached)| named(name, id) || holds(attached, id));
        let row = listed.get(id);
        tested += usize::from(has_test);
        match row {
            Some(row) if row.status.starts_with("later") => later += 1,
            Some(_) => not_modelled += 1,
            None if !has_test => missing.entry(family(id)).or_default().push(id),
            None => {}
        }
        if has_test && row.is_some_and(|row| !row.partly) {
            both.push(id);
        }
    }
    println!(
        "{} rules: {tested} with a test, {not_modelled} not modelled (some of them partly), {later} later",
        Rule::ALL.len()
    );
    for (family, rules) in &missing {
        println!("pending {family}: {}", rules.join(", "));
    }
    assert!(both.is_empty(), "both tested and listed, without `partly`: {}", both.join(", "));
    // While a list is still to come, only the families of the first one must be whole.
    let to_come: Vec<&str> = LISTS.into_iter().filter(|list| !root().join(list).exists()).collect();
    if !to_come.is_empty() {
        println!("still to come: {}; families that wait for it are pending", to_come.join(", "));
        missing.retain(|family, _| OF_THE_FIRST.contains(family));
    }
    assert!(missing.is_empty(), "rules with neither a test nor a reason: {missing:?}");
}

#[test]
fn ids_are_found_whole() {
    assert!(named("sys_1_a_row", "SYS-1") && named("vector_18_sel_8", "SEL-8"));
    assert!(!named("sys_10_a_row", "SYS-1") && !named("mysys_1_x", "SYS-1") && !named("pe_1_x", "E-1"));
    assert!(holds(" SYS-1, SYS-10.", "SYS-1") && holds("(SEL-5)", "SEL-5"));
    assert!(!holds("SYS-10", "SYS-1") && !holds("PSE-1", "SE-1"));
    let found = tests("/// SEL-3: x\n#[test]\nfn a_b() {\n/// SEL-4\nlet x = 1;\n}\nfn helper() {}\n");
    assert_eq!(found, [("a_b".to_owned(), " SEL-3: x\n".to_owned())]);
}
