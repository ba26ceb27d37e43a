//! Data flows one way: a stage imports only the stages before it. Read from the `use crate::` lines and inline paths.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

/// What each module may import. `rule` and `prefix_table` are vocabulary; `network` is the façade over all.
const ARROWS: &[(&str, &[&str])] = &[
    ("rule", &[]),
    ("prefix_table", &[]),
    ("model", &[]),
    ("bgp", &["model", "rule", "prefix_table"]),
    ("control_plane", &["model", "bgp", "rule", "prefix_table"]),
    ("selection", &["model", "control_plane", "rule", "prefix_table"]),
    ("fib", &["prefix_table"]),
    ("resolve", &["model", "bgp", "control_plane", "selection", "fib", "rule", "prefix_table"]),
    ("analysis", &["model", "bgp", "control_plane", "selection", "fib", "resolve", "rule", "prefix_table"]),
    ("checks", &["model", "resolve", "network"]),
    ("import", &["model"]),
    (
        "network",
        &["model", "bgp", "control_plane", "selection", "fib", "resolve", "analysis", "rule", "prefix_table"],
    ),
];

fn files(folder: &Path, into: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// The modules of this crate that a source text names: `crate::x`, outside comments.
fn named(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines().map(str::trim).filter(|l| !l.starts_with("//")) {
        for (_, rest) in line.match_indices("crate::").map(|(at, _)| line.split_at(at + "crate::".len())) {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            found.insert(rest[..end].to_owned());
        }
    }
    found
}

#[test]
fn no_arrow_runs_back() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    files(&src, &mut sources);
    let modules: BTreeSet<&str> = ARROWS.iter().map(|(module, _)| *module).collect();
    let mut seen = BTreeSet::new();
    for source in sources {
        let relative = source.strip_prefix(&src).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_string_lossy();
        let module = first.trim_end_matches(".rs");
        // The edge that sees all, and the front page.
        if matches!(module, "testing" | "lib") {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
            unreachable!("{module} stands in no order");
        };
        seen.insert(module.to_owned());
        for name in named(&std::fs::read_to_string(&source).unwrap()) {
            let fine = name == module || allowed.contains(&&*name) || !modules.contains(&*name);
            assert!(fine, "{} imports {name}", relative.display());
        }
    }
    assert_eq!(seen.len(), ARROWS.len(), "{seen:?}");
}

#[test]
fn an_arrow_that_runs_back_is_seen() {
    let text = "// crate::network\nuse crate::analysis::Finding;\nlet x = crate::model::Date::new(1, 1, 1);";
    assert_eq!(named(text).into_iter().collect::<Vec<_>>(), ["analysis", "model"]);
}
