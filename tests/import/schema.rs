//! The JSON Schema of a document is up to date, takes every document of ours, and refuses mistakes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use azroute::model::{Document, schema};
use azroute::testing::strategies;
use boon::{Compiler, Draft, SchemaIndex, Schemas};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/model/document.schema.json");

struct Validator {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Validator {
    fn check(&self, value: &Value) -> Result<(), String> {
        self.schemas.validate(value, self.index).map_err(|error| format!("{error:#}"))
    }
}

/// Compiling it checks the schema against the one of schemas.
fn validator() -> Validator {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.set_default_draft(Draft::V2020_12);
    compiler.add_resource("document.json", schema()).unwrap();
    let index = compiler.compile("document.json", &mut schemas).unwrap();
    Validator { schemas, index }
}

fn fits(validator: &Validator, name: &str, value: &Value) {
    if let Err(error) = validator.check(value) {
        panic!("{name}: {error}");
    }
}

/// `AZROUTE_BLESS=1` writes it anew.
#[test]
fn the_file_is_up_to_date() {
    let schema = schema();
    if std::env::var_os("AZROUTE_BLESS").is_some() {
        std::fs::write(FILE, format!("{schema:#}\n")).unwrap();
    }
    // As values: the order of members follows a feature of serde_json that any other crate may turn on.
    let file: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    assert!(file == schema, "run with AZROUTE_BLESS=1 to write {FILE} anew");
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
    found.sort();
}

/// Every file of the examples and tests that is a document, by being one to serde.
#[test]
fn sample_documents_fit() {
    let validator = validator();
    let mut found = Vec::new();
    for folder in ["examples/data", "tests/data"] {
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    }
    let mut names = Vec::new();
    for path in found {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let value = if path.extension().is_some_and(|e| e == "toml") {
            toml::from_str::<Value>(&text).ok()
        } else {
            serde_json::from_str::<Value>(&text).ok()
        };
        let Some(value) = value else { continue };
        if value.get("schema_version").is_some() && serde_json::from_value::<Document>(value.clone()).is_ok()
        {
            fits(&validator, &path.to_string_lossy(), &value);
            names.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    for wanted in ["on-premises.json", "two-customers.toml", "seed-virtual-hub"] {
        assert!(names.iter().any(|name| name == wanted), "{wanted} is not among {names:?}");
    }
}

#[test]
fn random_documents_fit() {
    let validator = validator();
    let mut runner = TestRunner::deterministic();
    for drawn in [strategies::any_topology().boxed(), strategies::dressed(strategies::any_topology()).boxed()]
    {
        for i in 0..150 {
            let document = drawn.new_tree(&mut runner).unwrap().current();
            fits(&validator, &format!("design {i}"), &serde_json::to_value(&document).unwrap());
        }
    }
    // Every field of BGP that the sample sets, as it is written.
    let sample = include_str!("../../examples/data/bgp/two-customers.toml");
    let document: Document = toml::from_str(sample).unwrap();
    fits(&validator, "sample", &serde_json::to_value(&document).unwrap());
}

/// Refused by serde and by the schema.
#[test]
fn mistakes_do_not_fit() {
    let validator = validator();
    let speaker = |more: Value| {
        let mut speaker = json!({"id": "a", "asn": 65001});
        speaker.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"schema_version": 1, "bgp_speakers": [speaker]})
    };
    let originated = |attributes: Value| {
        speaker(json!({"originate": [{"prefixes": ["10.0.0.0/8"], "attributes": attributes}]}))
    };
    let action = |actions: Value| {
        let statement = json!({"actions": actions});
        json!({"routing_policy": {"policy_definitions": [{"name": "p", "statements": [statement]}]}})
    };
    for right in [
        json!({}),
        speaker(json!({"asn": "1.10"})),
        originated(json!({"as_path": "1 {2}", "communities": ["NO_EXPORT"], "next_hop": "2001:db8::1"})),
        action(json!({"set_med": "igp", "set_next_hop": "::1", "set_as_path_prepend": {"asn": "last"}})),
    ] {
        serde_json::from_value::<Document>(right.clone()).unwrap();
        fits(&validator, "right", &right);
    }
    let wrong = [
        json!("document"),
        json!({"schema_versio": 1}),
        json!({"schema_version": -1}),
        json!({"schema_version": 4_294_967_296_u64}),
        json!({"as_of": "2024-13-01"}),
        json!({"as_of": "today"}),
        json!({"knobs": {"limits": "Enforced"}}),
        json!({"virtual_networks": [{}]}),
        json!({"virtual_networks": [{"id": "v", "address_space": ["10.0.0.0"]}]}),
        json!({"virtual_networks": [{"id": "v", "address_space": ["10.0.0.0/33"]}]}),
        json!({"virtual_networks": [{"id": "v", "address_space": ["10.0.0.256/8"]}]}),
        json!({"virtual_networks": [{"id": "v", "address_space": ["2001:db8::/129"]}]}),
        json!({"virtual_networks": [{"id": 1, "address_space": []}]}),
        json!({"bgp_speakers": [{"id": "a"}]}),
        speaker(json!({"asn": 4_294_967_296_u64})),
        speaker(json!({"asn": "65001x"})),
        speaker(json!({"router_id": "10.0.0"})),
        speaker(json!({"router_id": "::1"})),
        speaker(json!({"profile": "ios"})),
        speaker(json!({"maximum_paths": {"ebgp": 65536}})),
        originated(json!({"origin": "bgp"})),
        originated(json!({"as_path": "one two"})),
        originated(json!({"as_path": [-1]})),
        originated(json!({"next_hop": "router"})),
        originated(json!({"communities": ["65000"]})),
        originated(json!({"communities": [65000]})),
        originated(json!({"communities": ["no-exprot"]})),
        originated(json!({"extended_communities": ["rt:1"]})),
        originated(json!({"large_communities": ["1:2"]})),
        originated(json!({"local_pref": 100})),
        action(json!({"set_med": "+"})),
        action(json!({"set_med": 1.5})),
        action(json!({"set_local_preference": "igp"})),
        action(json!({"set_next_hop": "own"})),
        action(json!({"set_as_path_prepend": {"asn": "first"}})),
        action(json!({"policy_result": "accept"})),
        json!({"bgp_sessions": [{"id": "s", "a": {"speaker": "a"}}]}),
        json!({"bgp_sessions": [{"id": "s", "a": {}, "b": {"speaker": "b"}}]}),
        json!({"bgp_sessions": [{"id": "s", "a": {"speaker": "a"}, "b": {"speaker": "b"}, "families": ["ipv4"]}]}),
    ];
    let taken: Vec<String> = wrong
        .iter()
        .filter_map(|wrong| {
            let read = serde_json::from_value::<Document>(wrong.clone()).is_ok();
            let fits = validator.check(wrong).is_ok();
            (read || fits).then(|| format!("read: {read}, fits: {fits}: {wrong}"))
        })
        .collect();
    assert!(taken.is_empty(), "{}", taken.join("\n"));
}
