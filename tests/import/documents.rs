//! Documents as text: one document in TOML, JSON and YAML, and what is said of a mistake in one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use azroute::model::bgp::{AsPath, Community, Comparison, Profile, SetMed, SetNumber};
use azroute::model::{Asn, Document, Topology};

const SAMPLE: &str = include_str!("../../examples/data/bgp/two-customers.toml");

#[test]
fn the_sample_says_what_it_says() {
    let document: Document = toml::from_str(SAMPLE).unwrap();
    let counts = (document.bgp_speakers.len(), document.bgp_sessions.len(), document.on_premises_sites.len());
    assert_eq!(counts, (4, 4, 3));
    let policy = &document.routing_policy;
    assert_eq!((policy.prefix_sets.len(), policy.policy_definitions.len()), (3, 3));
    let own = &policy.policy_definitions[0].statements[1];
    assert_eq!(own.actions.set_local_preference, Some(SetNumber::Add(20)));
    assert_eq!(policy.policy_definitions[1].statements[0].conditions.as_path_length, Some(Comparison::Le(3)));
    assert_eq!(policy.policy_definitions[2].statements[2].actions.set_med, Some(SetMed::Igp));
    let speakers = &document.bgp_speakers;
    assert_eq!((speakers[0].profile, speakers[2].profile), (Profile::Frr10, Profile::Rfc4271));
    assert_eq!(speakers[3].asn, Asn(70000));
    assert_eq!(speakers[3].originate[0].attributes.as_path, AsPath::sequence([Asn(65021), Asn(65022)]));
    assert!(speakers[2].originate[0].attributes.communities.contains(Community::NO_EXPORT));
    assert_eq!(document.bgp_sessions[0].families.len(), 2);
    assert!(document.bgp_sessions[1].a.default_originate.is_some());
    let topology = Topology::new(document).unwrap();
    assert_eq!(topology.unresolved_references(), []);
}

/// The text of the sample, word by word in another format, is the same document.
#[test]
fn three_formats_are_one_document() {
    let document: Document = toml::from_str(SAMPLE).unwrap();
    let value: serde_json::Value = toml::from_str(SAMPLE).unwrap();
    let json = serde_json::to_string_pretty(&value).unwrap();
    assert_eq!(serde_json::from_str::<Document>(&json).unwrap(), document);
    let yaml = serde_saphyr::to_string(&value).unwrap();
    assert_eq!(serde_saphyr::from_str::<Document>(&yaml).unwrap(), document);
}

#[test]
fn a_document_survives_each_format() {
    let document: Document = toml::from_str(SAMPLE).unwrap();
    let written = toml::to_string(&document).unwrap();
    assert_eq!(toml::from_str::<Document>(&written).unwrap(), document);
    let written = serde_json::to_string(&document).unwrap();
    assert_eq!(serde_json::from_str::<Document>(&written).unwrap(), document);
    let written = serde_saphyr::to_string(&document).unwrap();
    assert_eq!(serde_saphyr::from_str::<Document>(&written).unwrap(), document);
}

/// A mistake in the sample: what is put in place of what, and words that the message must have in TOML and in JSON.
const MISTAKES: &[(&str, &str, &[&str])] = &[
    ("set_med = 50", "set_mad = 50", &["unknown field `set_mad`", "set_med"]),
    ("router_id = \"198.51.100.1\"", "router_id = \"198.51.100\"", &["IPv4 address"]),
    ("asn = 65010\nrouter", "asn = 4294967296\nrouter", &["4294967296", "4294967295"]),
    ("asn = 65010\nrouter", "asn = \"x\"\nrouter", &["`x` is not an autonomous system number"]),
    ("prefix = \"2001:db8:b::/48\"", "prefix = \"2001:db8:b::/148\"", &["invalid IP address syntax"]),
    ("\"no-export\"", "\"no-exprot\"", &["`no-exprot` is not a community", "no-export"]),
    ("\"rt:65010:1\"", "\"rt:65010\"", &["`rt:65010` is not an extended community"]),
    ("\"65010:1:2\"", "\"65010:1\"", &["`65010:1` is not a large community"]),
    ("\"65010 {65011 65012}\"", "\"65010 {65011\"", &["`65010 {65011` is not an AS path"]),
    ("set_local_preference = \"+20\"", "set_local_preference = \"*20\"", &["`*20` is not a number"]),
    ("set_next_hop = \"self\"", "set_next_hop = \"own\"", &["`own` is not a next hop", "self"]),
    ("asn = \"own\"", "asn = \"mine\"", &["`mine` is not a number to prepend"]),
    ("profile = \"junos\"", "profile = \"junOS\"", &["unknown variant `junOS`", "junos"]),
    ("le = 3", "lt = 3", &["unknown variant `lt`", "le"]),
    ("policy_result = \"reject_route\"", "policy_result = \"reject\"", &["`reject`", "reject_route"]),
    ("families = [\"ipv4_unicast\"]", "families = [\"ipv4\"]", &["unknown variant `ipv4`", "ipv4_unicast"]),
    ("speaker = \"alder-ce\", ", "", &["missing field `speaker`"]),
    ("as_of = \"2024-06-01\"", "as_of = \"2024-06-31\"", &["`2024-06-31` is not a date"]),
    ("repeat = 1", "repeat = 256", &["256", "u8"]),
];

#[test]
fn a_mistake_is_told_by_name_and_place() {
    for (right, wrong, words) in MISTAKES {
        assert!(SAMPLE.contains(right), "{right}");
        let text = SAMPLE.replacen(right, wrong, 1);
        let value: serde_json::Value = toml::from_str(&text).unwrap();
        let json = serde_json::to_string_pretty(&value).unwrap();
        let yaml = serde_saphyr::to_string(&value).unwrap();
        let told = [
            ("TOML", toml::from_str::<Document>(&text).unwrap_err().to_string()),
            ("JSON", serde_json::from_str::<Document>(&json).unwrap_err().to_string()),
            ("YAML", serde_saphyr::from_str::<Document>(&yaml).unwrap_err().to_string()),
        ];
        for (format, message) in told {
            for word in *words {
                assert!(message.contains(word), "{format}: {wrong}: lacks `{word}`:\n{message}");
            }
            assert!(message.contains("line"), "{format}: {message}");
        }
    }
}
