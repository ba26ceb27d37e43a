//! Policies as documents: they survive JSON, TOML and YAML, short forms read as they should, and unknown fields are refused.

use azroute::model::bgp::{PrependAsn, RoutingPolicy, SetMed, SetNextHop, SetNumber};
use azroute::testing::strategies;
use proptest::prelude::*;

use crate::policy::support::policy;

/// Names that a format might take for something else.
fn name() -> impl Strategy<Value = String> {
    let awkward = proptest::sample::select(vec![
        "yes",
        "no",
        "null",
        "~",
        "true",
        "1",
        "-1",
        "+10",
        "0x10",
        "1e3",
        "1:2",
        "a: b",
        "# a",
        "- a",
        "'",
        "\"",
        "{a}",
        "[a]",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a`",
        "a\nb",
        " a ",
        "\t",
        "é",
        "\u{1F980}",
        "\u{7f}",
        "<<",
        "=",
        "|",
        ">",
        "2001:db8::/32",
        "2026-01-01",
        ".inf",
        "\u{feff}a",
        "\\",
    ]);
    prop_oneof![awkward.prop_map(str::to_owned), "[a-z]{1,5}", any::<String>()]
}

fn renamed() -> impl Strategy<Value = RoutingPolicy> {
    (strategies::routing_policy(), proptest::collection::vec(name(), 12)).prop_map(|(mut declared, names)| {
        let mut next = names.into_iter().cycle();
        let mut give = |name: &mut String| *name = next.next().unwrap();
        declared.prefix_sets.iter_mut().for_each(|s| give(&mut s.name));
        declared.as_path_sets.iter_mut().for_each(|s| give(&mut s.name));
        declared.community_sets.iter_mut().for_each(|s| give(&mut s.name));
        declared.neighbor_sets.iter_mut().for_each(|s| give(&mut s.name));
        for policy in &mut declared.policy_definitions {
            give(&mut policy.name);
            policy.statements.iter_mut().for_each(|s| give(&mut s.name));
            policy
                .statements
                .iter_mut()
                .filter_map(|s| s.conditions.call_policy.as_mut())
                .for_each(&mut give);
        }
        declared
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn documents_survive_every_format(declared in renamed()) {
        let json = serde_json::to_string(&declared).unwrap();
        prop_assert_eq!(&serde_json::from_str::<RoutingPolicy>(&json).unwrap(), &declared, "{}", json);
        let toml = toml::to_string(&declared).unwrap();
        prop_assert_eq!(&toml::from_str::<RoutingPolicy>(&toml).unwrap(), &declared, "{}", toml);
        let yaml = serde_saphyr::to_string(&declared).unwrap();
        let read = serde_saphyr::from_str::<RoutingPolicy>(&yaml);
        prop_assert!(read.is_ok(), "{:?}\n{}", read, yaml);
        prop_assert_eq!(&read.unwrap(), &declared, "{}", yaml);
    }
}

fn reads<T: std::str::FromStr<Err: std::fmt::Debug> + ToString + PartialEq + std::fmt::Debug>(
    text: &str,
    value: &T,
) {
    assert_eq!(&text.parse::<T>().unwrap(), value);
    assert_eq!(value.to_string(), text);
}

#[test]
fn short_forms() {
    reads("200", &SetNumber::Value(200));
    reads("+10", &SetNumber::Add(10));
    reads("-4294967295", &SetNumber::Subtract(u32::MAX));
    reads("igp", &SetMed::Igp);
    reads("-0", &SetMed::Number(SetNumber::Subtract(0)));
    reads("self", &SetNextHop::Own);
    reads("peer", &SetNextHop::Peer);
    reads("unchanged", &SetNextHop::Unchanged);
    reads("2001:db8::1", &SetNextHop::Address("2001:db8::1".parse().unwrap()));
    reads("own", &PrependAsn::Own);
    reads("last", &PrependAsn::Last);
    reads("65546", &PrependAsn::Asn(65546.into()));
    assert_eq!("1.10".parse::<PrependAsn>().unwrap(), PrependAsn::Asn(65546.into()));
    for bad in ["", "+", "-", "++1", "+-1", "1.5", "4294967296", "+4294967296", " 1", "ten", "é"] {
        assert!(bad.parse::<SetNumber>().is_err() && bad.parse::<SetMed>().is_err(), "{bad}");
    }
    for bad in ["", "Self", "own", "192.0.2", "192.0.2.1/32"] {
        assert!(bad.parse::<SetNextHop>().is_err(), "{bad}");
    }
    for bad in ["", "first", "self", "-1", "4294967296"] {
        assert!(bad.parse::<PrependAsn>().is_err(), "{bad}");
    }
    let error = "ten".parse::<SetNumber>().unwrap_err();
    assert_eq!(error.to_string(), "`ten` is not a number such as `200`, `+10` or `-10`");
}

/// Numbers may be written as numbers or as texts; sums are texts, since a bare `+10` is the number 10 to these formats.
#[test]
fn numbers_and_texts() {
    let actions = |text: &str| {
        policy(&format!(
            "policy_definitions = [{{ name = 'p', statements = [{{ actions = {{ {text} }} }}] }}]"
        ))
        .policy_definitions[0]
            .statements[0]
            .actions
            .clone()
    };
    let number = |text: &str| actions(&format!("set_local_preference = {text}")).set_local_preference;
    assert_eq!(number("200"), Some(SetNumber::Value(200)));
    assert_eq!(number("'200'"), Some(SetNumber::Value(200)));
    assert_eq!(number("'+200'"), Some(SetNumber::Add(200)));
    assert_eq!(number("'-200'"), Some(SetNumber::Subtract(200)));
    assert_eq!(number("-200"), Some(SetNumber::Subtract(200)));
    assert_eq!(number("+200"), Some(SetNumber::Value(200)));
    assert_eq!(actions("set_med = 'igp'").set_med, Some(SetMed::Igp));
    let prepend = actions("set_as_path_prepend = { asn = 65001, repeat = 2, path = [1, 2] }")
        .set_as_path_prepend
        .unwrap();
    assert_eq!((prepend.asn, prepend.repeat), (Some(PrependAsn::Asn(65001.into())), 2));
    assert_eq!(prepend.path.to_string(), "1 2");
}

#[test]
fn unknown_fields_are_refused() {
    for (at, text) in [
        ("the policy", "tag_sets = []"),
        ("a prefix set", "prefix_sets = [{ name = 's', prefixes = [], mode = 'ipv4' }]"),
        ("a prefix", "prefix_sets = [{ name = 's', prefixes = [{ prefix = '10.0.0.0/8', lt = 9 }] }]"),
        ("an AS-path set", "as_path_sets = [{ name = 's', members = [], x = 1 }]"),
        ("a community set", "community_sets = [{ name = 's', members = [], x = 1 }]"),
        ("an extended community set", "extended_community_sets = [{ name = 's', members = [], x = 1 }]"),
        ("a large community set", "large_community_sets = [{ name = 's', members = [], x = 1 }]"),
        ("a neighbour set", "neighbor_sets = [{ name = 's', addresses = [], x = 1 }]"),
        ("a next-hop set", "next_hop_sets = [{ name = 's', addresses = [], x = 1 }]"),
        ("a definition", "policy_definitions = [{ name = 'p', statements = [], x = 1 }]"),
        ("a statement", "policy_definitions = [{ name = 'p', statements = [{ condition = {} }] }]"),
        ("conditions", "policy_definitions = [{ name = 'p', statements = [{ conditions = { tag = 1 } }] }]"),
        (
            "a condition on a set",
            "policy_definitions = [{ name = 'p', statements = [{ conditions = { match_prefix_set = { set = 's', option = 'any' } } }] }]",
        ),
        ("actions", "policy_definitions = [{ name = 'p', statements = [{ actions = { set_tag = 1 } }] }]"),
        (
            "numbers in front",
            "policy_definitions = [{ name = 'p', statements = [{ actions = { set_as_path_prepend = { times = 1 } } }] }]",
        ),
        (
            "a change of communities",
            "policy_definitions = [{ name = 'p', statements = [{ actions = { set_communities = [{ option = 'add', ext = true }] } }] }]",
        ),
        (
            "a comparison",
            "policy_definitions = [{ name = 'p', statements = [{ conditions = { med = { gt = 1 } } }] }]",
        ),
    ] {
        assert!(toml::from_str::<RoutingPolicy>(text).is_err(), "{at}");
    }
}
