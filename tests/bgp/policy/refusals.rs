//! What a routing policy is refused for: each reason by its message.

use azroute::bgp::policy::{DefinitionKind, Policies, PolicyReason};
use azroute::model::bgp::{DefaultPolicy, PolicyDefinition, RoutingPolicy, Statement};

use crate::policy::support::{policy, statements};

#[track_caller]
fn refused(declared: &RoutingPolicy, message: &str) {
    let error = Policies::compile(declared).unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn names_that_do_not_exist() {
    for (field, kind) in [
        ("match_prefix_set", "prefix set"),
        ("match_neighbor_set", "neighbour set"),
        ("match_next_hop_set", "next-hop set"),
        ("match_as_path_set", "AS-path set"),
        ("match_community_set", "community set"),
        ("match_extended_community_set", "extended community set"),
        ("match_large_community_set", "large community set"),
    ] {
        // Names are of their kind: the policy of that name is no set.
        let lines = ["med = { eq = 1 } / ", &format!("{field} = {{ set = 'p' }} / ")];
        let message = format!("policy `p`, statement `2`, {field}: {kind} `p` is not defined");
        refused(&statements("", &lines), &message);
        Policies::compile(&statements("undefined_names = true", &lines)).unwrap();
    }
    for (field, kind) in [
        ("set_communities", "community set"),
        ("set_extended_communities", "extended community set"),
        ("set_large_communities", "large community set"),
    ] {
        let line = format!(" / {field} = [{{ option = 'remove', set = 'P' }}]");
        refused(
            &statements("", &[&line]),
            &format!("policy `p`, statement `1`, {field}: {kind} `P` is not defined"),
        );
        Policies::compile(&statements("undefined_names = true", &[&line])).unwrap();
    }
    refused(
        &statements("", &["call_policy = 'q' / "]),
        "policy `p`, statement `1`, call_policy: policy `q` is not defined",
    );
    let chain = |declared: &RoutingPolicy| {
        let policies = Policies::compile(declared).unwrap();
        policies.chain(&["p".to_owned(), "q".to_owned()], DefaultPolicy::RejectRoute)
    };
    let error = chain(&statements("", &[" / "])).unwrap_err();
    assert_eq!(error.to_string(), "chain of policies: policy `q` is not defined");
    assert_eq!(error.kind, DefinitionKind::Chain);
    chain(&statements("undefined_names = true", &[" / "])).unwrap();
}

#[test]
fn names_that_are_there_twice_or_empty() {
    for (list, member, kind) in [
        ("prefix_sets", "prefixes", "prefix set"),
        ("as_path_sets", "members", "AS-path set"),
        ("community_sets", "members", "community set"),
        ("extended_community_sets", "members", "extended community set"),
        ("large_community_sets", "members", "large community set"),
        ("neighbor_sets", "addresses", "neighbour set"),
        ("next_hop_sets", "addresses", "next-hop set"),
        ("policy_definitions", "statements", "policy"),
    ] {
        let one = |name: &str| format!("{{ name = '{name}', {member} = [] }}");
        let twice = format!("{list} = [{}, {}, {}]", one("a"), one("b"), one("a"));
        refused(&policy(&twice), &format!("{kind} `a`, name: there is a second one of this name"));
        refused(&policy(&format!("{list} = [{}]", one(""))), &format!("{kind} ``, name: its name is empty"));
        Policies::compile(&policy(&format!("{list} = [{}, {}]", one("a"), one("A")))).unwrap();
    }
    let named = |name: &str| Statement { name: name.to_owned(), ..Statement::default() };
    let statements = |names: &[&str]| RoutingPolicy {
        policy_definitions: vec![PolicyDefinition {
            name: "p".to_owned(),
            statements: names.iter().map(|name| named(name)).collect(),
        }],
        ..RoutingPolicy::default()
    };
    refused(
        &statements(&["10", "20", "", "", "10"]),
        "policy `p`, statement `10`, statements: there is a second one of this name",
    );
    Policies::compile(&statements(&["10", "20", "", ""])).unwrap();
}

#[test]
fn expressions() {
    let error =
        Policies::compile(&policy("as_path_sets = [{ name = 's', members = ['_9_', '(1'] }]")).unwrap_err();
    assert!(matches!(&error.reason, PolicyReason::BadExpression { expression, .. } if expression == "(1"));
    let text = error.to_string();
    assert!(text.starts_with("AS-path set `s`, members: `(1` is no regular expression: "), "{text}");
    for (list, kind) in [
        ("community_sets", "community set"),
        ("extended_community_sets", "extended community set"),
        ("large_community_sets", "large community set"),
    ] {
        let error = Policies::compile(&policy(&format!("{list} = [{{ name = 's', members = ['^[1'] }}]")));
        let text = error.unwrap_err().to_string();
        assert!(text.starts_with(&format!("{kind} `s`, members: `^[1` is no regular")), "{text}");
    }
    // One that is too large, or nested too deep.
    for large in ["(((a{100}){100}){100}){100}".to_owned(), "(".repeat(5_000) + &")".repeat(5_000)] {
        let mut declared = policy("as_path_sets = [{ name = 's', members = [] }]");
        declared.as_path_sets[0].members.push(large);
        Policies::compile(&declared).unwrap_err();
    }
}

/// A text that reads as neither: as an expression it would find nothing.
#[test]
fn communities() {
    for (list, kind, text, wanted) in [
        ("community_sets", "community set", "65536:1", "a community such as `65000:100` or `no-export`"),
        ("community_sets", "community set", "no-exprot", "a community such as `65000:100` or `no-export`"),
        ("community_sets", "community set", "", "a community such as `65000:100` or `no-export`"),
        (
            "extended_community_sets",
            "extended community set",
            "rt:1.70000:7",
            "an extended community such as `rt:65000:100` or `0x` and sixteen digits",
        ),
        ("large_community_sets", "large community set", "64500:1", "a large community such as `64500:1:2`"),
    ] {
        let declared = policy(&format!("{list} = [{{ name = 's', members = ['{text}'] }}]"));
        refused(&declared, &format!("{kind} `s`, members: `{text}` is not {wanted}"));
    }
    for (field, text, wanted) in [
        ("set_communities", "^65000:1$", "a community such as `65000:100` or `no-export`"),
        (
            "set_extended_communities",
            "1:1",
            "an extended community such as `rt:65000:100` or `0x` and sixteen digits",
        ),
        ("set_large_communities", "1:1", "a large community such as `64500:1:2`"),
    ] {
        let line = format!(" / {field} = [{{ option = 'remove', communities = ['{text}'] }}]");
        refused(
            &statements("", &[&line]),
            &format!("policy `p`, statement `1`, {field}: `{text}` is not {wanted}"),
        );
    }
}

#[test]
fn expressions_where_communities_are_put_on_a_route() {
    for (list, field, expression) in [
        ("community_sets", "set_communities", "^1:"),
        ("extended_community_sets", "set_extended_communities", "^rt:"),
        ("large_community_sets", "set_large_communities", "^1:"),
    ] {
        let sets = format!("{list} = [{{ name = 's', members = ['{expression}'] }}]");
        for option in ["add", "replace"] {
            refused(
                &statements(&sets, &[&format!(" / {field} = [{{ option = '{option}', set = 's' }}]")]),
                &format!(
                    "policy `p`, statement `1`, {field}: `s` holds an expression; only communities can be put on a route"
                ),
            );
        }
        let remove = format!(" / {field} = [{{ option = 'remove', set = 's' }}]");
        Policies::compile(&statements(&sets, &[&remove])).unwrap();
    }
}

#[test]
fn lengths_that_no_prefix_has() {
    for (range, message) in [
        (
            "prefix = '10.0.0.0/16', ge = 8",
            "10.0.0.0/16: lengths from 8 to 32 are none, or not all between 16 and 32",
        ),
        (
            "prefix = '10.0.0.0/16', le = 8",
            "10.0.0.0/16: lengths from 16 to 8 are none, or not all between 16 and 32",
        ),
        (
            "prefix = '10.0.0.0/16', ge = 24, le = 20",
            "10.0.0.0/16: lengths from 24 to 20 are none, or not all between 16 and 32",
        ),
        (
            "prefix = '10.0.0.0/16', le = 33",
            "10.0.0.0/16: lengths from 16 to 33 are none, or not all between 16 and 32",
        ),
        (
            "prefix = '2001:db8::/32', le = 129",
            "2001:db8::/32: lengths from 32 to 129 are none, or not all between 32 and 128",
        ),
    ] {
        let declared = policy(&format!("prefix_sets = [{{ name = 's', prefixes = [{{ {range} }}] }}]"));
        refused(&declared, &format!("prefix set `s`, prefixes: {message}"));
    }
    for range in ["prefix = '10.0.0.0/16', ge = 16", "prefix = '::/0', ge = 0, le = 128"] {
        let declared = policy(&format!("prefix_sets = [{{ name = 's', prefixes = [{{ {range} }}] }}]"));
        Policies::compile(&declared).unwrap();
    }
}

#[test]
fn options_that_a_set_cannot_meet() {
    let sets = "
        prefix_sets = [{ name = 's', prefixes = [{ prefix = '10.0.0.0/8' }, { prefix = '11.0.0.0/8' }] }, { name = 'e', prefixes = [] }]
        neighbor_sets = [{ name = 's', addresses = ['10.0.0.0/8', '11.0.0.0/8'] }, { name = 'e', addresses = [] }]
        next_hop_sets = [{ name = 's', addresses = ['10.0.0.0/8', '11.0.0.0/8'] }, { name = 'e', addresses = [] }]
        as_path_sets = [{ name = 's', members = ['1'] }]";
    for field in ["match_prefix_set", "match_neighbor_set", "match_next_hop_set"] {
        for (set, members) in [("s", 2), ("e", 0)] {
            let line = format!("{field} = {{ set = '{set}', options = 'all' }} / ");
            refused(
                &statements(sets, &[&line]),
                &format!(
                    "policy `p`, statement `1`, {field}: `all` of the {members} members of `{set}`: a route has one \
                     value here, so only a set of one can match"
                ),
            );
        }
    }
    for field in ["match_prefix_set", "match_neighbor_set", "match_next_hop_set", "match_as_path_set"] {
        let line = format!("{field} = {{ set = 's', options = 'exact' }} / ");
        refused(
            &statements(sets, &[&line]),
            &format!("policy `p`, statement `1`, {field}: `exact` is for communities only"),
        );
    }
}

/// Policies that call those at these places.
fn callers(calls: &[&[usize]]) -> RoutingPolicy {
    let mut text = String::new();
    for (n, callees) in calls.iter().enumerate() {
        text.push_str(&format!("[[policy_definitions]]\nname = 'p{n}'\nstatements = [\n"));
        for callee in *callees {
            text.push_str(&format!("  {{ conditions = {{ call_policy = 'p{callee}' }} }},\n"));
        }
        text.push_str("]\n");
    }
    policy(&text)
}

#[test]
fn calls() {
    refused(&callers(&[&[0]]), "policy `p0`: policies call each other in a circle: p0 -> p0");
    refused(
        &callers(&[&[1], &[2, 3], &[], &[1]]),
        "policy `p1`: policies call each other in a circle: p1 -> p3 -> p1",
    );
    Policies::compile(&callers(&[&[1, 2, 2], &[2], &[]])).unwrap();
    let line =
        |length: usize| -> Vec<Vec<usize>> { (1..length).map(|n| vec![n]).chain([Vec::new()]).collect() };
    let of = |calls: &[Vec<usize>]| callers(&calls.iter().map(Vec::as_slice).collect::<Vec<_>>());
    Policies::compile(&of(&line(64))).unwrap();
    refused(&of(&line(65)), "policy `p0`: calls are nested deeper than 64");
    // Each calls the next twice.
    let doubling: Vec<Vec<usize>> = (1..30).map(|n| vec![n, n]).chain([Vec::new()]).collect();
    let error = Policies::compile(&of(&doubling)).unwrap_err();
    assert_eq!(
        error.reason.to_string(),
        "with its calls it may look at more than 65536 statements for one route"
    );
}

#[test]
fn numbers_in_front_of_a_path() {
    for (prepend, message) in [
        ("path = '1 {2}'", "`1 {2}` is not a plain sequence of numbers"),
        ("path = '(65010) 1'", "`(65010) 1` is not a plain sequence of numbers"),
        ("path = '[65010]'", "`[65010]` is not a plain sequence of numbers"),
        ("asn = 'own'", "a number without `repeat` puts nothing in front"),
        ("asn = 7, path = '1'", "a number without `repeat` puts nothing in front"),
        ("", "nothing is put in front: neither `repeat` nor `path` is given"),
        ("asn = 0, repeat = 1", "0 must not stand in an AS path (RFC 7607)"),
        ("path = '1 0'", "0 must not stand in an AS path (RFC 7607)"),
    ] {
        refused(
            &statements("", &[&format!(" / set_as_path_prepend = {{ {prepend} }}")]),
            &format!("policy `p`, statement `1`, set_as_path_prepend: {message}"),
        );
    }
    // Statements that go on add up; those that end the policy do not.
    let many = |result: &str| {
        let line = format!("med = {{ eq = 1 }} / set_as_path_prepend = {{ repeat = 255 }}{result}");
        statements("", &vec![line.as_str(); 17])
    };
    refused(&many(""), "policy `p`: it may put more than 4096 numbers in front of one path");
    Policies::compile(&many(", policy_result = 'accept_route'")).unwrap();
}

#[test]
fn an_error_has_its_reason_as_source() {
    let error = Policies::compile(&callers(&[&[0]])).unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), error.reason.to_string());
}
