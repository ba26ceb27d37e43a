//! Every condition on a route that meets it and on one that does not; every action by what it changes; calls, chains and
//! what a trace says of them.

use azroute::bgp::Settings;
use azroute::bgp::policy::{Chain, ConditionName, Context, Policies};
use azroute::model::bgp::{DefaultPolicy, PathAttributes, RouteType, RoutingPolicy, SourceProtocol};

use crate::policy::naive::Route;
use crate::policy::support::{attributes, frr, policy, route, run, run_all, statements};

const SETS: &str = r"
    prefix_sets = [
        { name = 'ten', prefixes = [{ prefix = '10.0.0.0/8', ge = 8 }] },
        { name = 'several', prefixes = [
            { prefix = '10.0.0.0/8', ge = 24, le = 25 },
            { prefix = '10.0.0.0/8', ge = 30 },
            { prefix = '10.1.0.9/16' },
            { prefix = '2001:db8::/32', le = 128 },
        ] },
        { name = 'empty', prefixes = [] },
    ]
    as_path_sets = [
        { name = 'nine', members = ['_9_'] },
        { name = 'both', members = ['_9_', '^65002 '] },
        { name = 'empty', members = [] },
    ]
    community_sets = [
        { name = 'one', members = ['65000:1'] },
        { name = 'two', members = ['65000:1', '65000:2'] },
        { name = 'named', members = ['no-export'] },
        { name = 'expression', members = ['^65000:1..$'] },
        { name = 'mixed', members = ['65000:2', '^65000:1..$'] },
        { name = 'empty', members = [] },
    ]
    extended_community_sets = [{ name = 'rt', members = ['rt:65000:1', '^soo:'] }]
    large_community_sets = [{ name = 'large', members = ['64500:1:1', '^64500:2:'] }]
    neighbor_sets = [
        { name = 'net', addresses = ['192.0.2.7/24', '2001:db8::/64'] },
        { name = 'host', addresses = ['192.0.2.2/32'] },
    ]
    next_hop_sets = [{ name = 'hop', addresses = ['192.0.2.2/32'] }]
";

/// Whether a route meets conditions.
fn meets(conditions: &str, route: &Route) -> bool {
    let declared = statements(SETS, &[&format!("{conditions} / policy_result = 'accept_route'")]);
    run(&declared, route).accepted
}

fn with(toml: &str) -> Route {
    Route { attributes: attributes(toml), ..route() }
}

fn at(prefix: &str) -> Route {
    Route { prefix: prefix.parse().unwrap(), ..route() }
}

#[track_caller]
fn check(conditions: &str, route: &Route, wanted: bool) {
    assert_eq!(meets(conditions, route), wanted, "{conditions}\n{route:?}");
}

#[test]
fn source_protocol() {
    for (text, protocol) in [
        ("bgp", SourceProtocol::Bgp),
        ("connected", SourceProtocol::Connected),
        ("static", SourceProtocol::Static),
    ] {
        let condition = format!("source_protocol = '{text}'");
        for source_protocol in [SourceProtocol::Bgp, SourceProtocol::Connected, SourceProtocol::Static] {
            check(&condition, &Route { source_protocol, ..route() }, source_protocol == protocol);
        }
    }
}

#[test]
fn route_type() {
    for (text, kind) in
        [("internal", RouteType::Internal), ("external", RouteType::External), ("local", RouteType::Local)]
    {
        for route_type in [RouteType::Internal, RouteType::External, RouteType::Local] {
            let route = Route { route_type, ..route() };
            check(&format!("route_type = '{text}'"), &route, route_type == kind);
        }
    }
}

#[test]
fn address_family() {
    check("address_family = 'ipv4_unicast'", &at("10.0.0.0/8"), true);
    check("address_family = 'ipv4_unicast'", &at("2001:db8::/32"), false);
    check("address_family = 'ipv6_unicast'", &at("2001:db8::/32"), true);
    check("address_family = 'ipv6_unicast'", &at("10.0.0.0/8"), false);
}

#[test]
fn origin() {
    check("origin = 'egp'", &with("origin = 'egp'"), true);
    check("origin = 'egp'", &with("origin = 'incomplete'"), false);
    check("origin = 'igp'", &with(""), true);
}

#[test]
fn numbers() {
    for (field, attribute) in [("med", "med"), ("local_preference", "local_preference")] {
        for (number, below, same, above) in [(5_u32, 4_u32, 5_u32, 6_u32), (u32::MAX, 7, u32::MAX, u32::MAX)]
        {
            let has = |n: u32| with(&format!("{attribute} = {n}"));
            check(&format!("{field} = {{ eq = {number} }}"), &has(same), true);
            check(&format!("{field} = {{ eq = {number} }}"), &has(below), false);
            check(&format!("{field} = {{ ge = {number} }}"), &has(above), true);
            check(&format!("{field} = {{ ge = {number} }}"), &has(below), false);
            check(&format!("{field} = {{ le = {number} }}"), &has(same), true);
            check(&format!("{field} = {{ le = {below} }}"), &has(same), false);
        }
    }
    // A missing MED compares as 0.
    check("med = { eq = 0 }", &with(""), true);
    check("med = { ge = 1 }", &with(""), false);
}

#[test]
fn community_count_counts_standard_ones() {
    let two = with("communities = ['65000:1', '65000:2', '65000:1']\nlarge_communities = ['1:2:3']");
    check("community_count = { eq = 2 }", &two, true);
    check("community_count = { ge = 3 }", &two, false);
    check("community_count = { eq = 0 }", &with("extended_communities = ['rt:1:1']"), true);
}

/// RFC 4271 section 9.1.2.2 a), RFC 5065 section 5.3.
#[test]
fn as_path_length_is_what_the_decision_compares() {
    let path = "as_path = '(65010 65011) [65012] 1 2 {3 4}'";
    check("as_path_length = { eq = 3 }", &with(path), true);
    let settings = Settings { as_path_confederation: true, ..frr() };
    let counted = Route { settings, ..with(path) };
    check("as_path_length = { eq = 3 }", &counted, false);
    check("as_path_length = { eq = 6 }", &counted, true);
    check("as_path_length = { eq = 0 }", &with(""), true);
}

#[test]
fn prefix_set() {
    let any = "match_prefix_set = { set = 'several' }";
    for (prefix, wanted) in [
        ("10.0.0.0/8", false),
        ("10.9.9.0/23", false),
        ("10.9.9.0/24", true),
        ("10.9.9.0/25", true),
        ("10.9.9.0/26", false),
        ("10.9.9.0/29", false),
        ("10.9.9.0/30", true),
        ("10.9.9.1/32", true),
        // Host bits are ignored.
        ("10.1.0.0/16", true),
        ("10.2.0.0/16", false),
        // Lengths of what lies around hold inside as well.
        ("10.1.7.0/24", true),
        ("10.1.7.0/26", false),
        ("11.1.7.0/24", false),
        ("2001:db8::/32", true),
        ("2001:db8::1/128", true),
        ("2001:db8::/31", false),
        ("::/0", false),
    ] {
        check(any, &at(prefix), wanted);
        check("match_prefix_set = { set = 'several', options = 'invert' }", &at(prefix), !wanted);
    }
    check("match_prefix_set = { set = 'ten', options = 'all' }", &route(), true);
    check("match_prefix_set = { set = 'ten', options = 'all' }", &at("11.0.0.0/8"), false);
    check("match_prefix_set = { set = 'empty' }", &route(), false);
    check("match_prefix_set = { set = 'empty', options = 'invert' }", &route(), true);
}

#[test]
fn neighbor_set() {
    let by = |address: Option<&str>| Route { neighbor: address.map(|a| a.parse().unwrap()), ..route() };
    let any = "match_neighbor_set = { set = 'net' }";
    let invert = "match_neighbor_set = { set = 'net', options = 'invert' }";
    for (address, wanted) in [
        (Some("192.0.2.200"), true),
        (Some("192.0.3.1"), false),
        (Some("2001:db8::9"), true),
        (Some("2001:db8:0:1::9"), false),
        (None, false),
    ] {
        check(any, &by(address), wanted);
        check(invert, &by(address), !wanted);
    }
    check("match_neighbor_set = { set = 'host', options = 'all' }", &by(Some("192.0.2.2")), true);
    check("match_neighbor_set = { set = 'host', options = 'all' }", &by(Some("192.0.2.3")), false);
}

#[test]
fn next_hop_set() {
    let any = "match_next_hop_set = { set = 'hop' }";
    check(any, &with("next_hop = '192.0.2.2'"), true);
    check(any, &with("next_hop = '192.0.2.3'"), false);
    check(any, &with(""), false);
    check("match_next_hop_set = { set = 'hop', options = 'invert' }", &with(""), true);
}

#[test]
fn as_path_set() {
    let condition =
        |set: &str, options: &str| format!("match_as_path_set = {{ set = '{set}', options = '{options}' }}");
    let (both, one, none) = (with("as_path = '65002 9'"), with("as_path = '1 9'"), with("as_path = '1 19'"));
    for (set, options, wanted) in [
        ("both", "any", [true, true, false]),
        ("both", "all", [true, false, false]),
        ("both", "invert", [false, false, true]),
        ("nine", "any", [true, true, false]),
        ("empty", "any", [false, false, false]),
        ("empty", "all", [true, true, true]),
    ] {
        for (route, wanted) in [&both, &one, &none].into_iter().zip(wanted) {
            check(&condition(set, options), route, wanted);
        }
    }
}

#[test]
fn community_set() {
    let condition = |set: &str, options: &str| {
        format!("match_community_set = {{ set = '{set}', options = '{options}' }}")
    };
    let has = |list: &str| with(&format!("communities = [{list}]"));
    for (set, options, list, wanted) in [
        ("two", "any", "'65000:2', '1:1'", true),
        ("two", "any", "'1:1', '2:2', '3:3'", false),
        ("two", "any", "", false),
        ("two", "all", "'65000:2', '65000:1', '1:1'", true),
        ("two", "all", "'65000:2', '1:1'", false),
        ("two", "invert", "'65000:2', '1:1'", false),
        ("two", "invert", "'1:1'", true),
        ("two", "exact", "'65000:2', '65000:1'", true),
        ("two", "exact", "'65000:2', '65000:1', '1:1'", false),
        ("two", "exact", "'65000:2'", false),
        ("named", "any", "'65535:65281'", true),
        ("expression", "any", "'65000:123'", true),
        ("expression", "any", "'65000:12'", false),
        ("expression", "any", "'65000:1234'", false),
        ("mixed", "all", "'65000:2', '65000:100'", true),
        ("mixed", "all", "'65000:100'", false),
        ("mixed", "exact", "'65000:2', '65000:100', '65000:101'", true),
        ("mixed", "exact", "'65000:2', '65000:100', '65001:101'", false),
        ("mixed", "any", "'65000:2'", true),
        ("empty", "any", "'1:1'", false),
        ("empty", "exact", "", true),
        ("empty", "exact", "'1:1'", false),
    ] {
        check(&condition(set, options), &has(list), wanted);
    }
}

#[test]
fn extended_and_large_community_sets() {
    let extended =
        |options: &str| format!("match_extended_community_set = {{ set = 'rt', options = '{options}' }}");
    let all = with("extended_communities = ['rt:65000:1', 'soo:1.1:1']");
    let one = with("extended_communities = ['rt:65000:1']");
    let other = with("extended_communities = ['rt:65000:2']");
    let large =
        |options: &str| format!("match_large_community_set = {{ set = 'large', options = '{options}' }}");
    let all_large = with("large_communities = ['64500:1:1', '64500:2:9']");
    let one_large = with("large_communities = ['64500:2:9']");
    let other_large = with("large_communities = ['64500:1:2']");
    for (options, wanted) in [
        ("any", [true, true, false]),
        ("all", [true, false, false]),
        ("invert", [false, false, true]),
        ("exact", [true, false, false]),
    ] {
        for (n, wanted) in wanted.into_iter().enumerate() {
            check(&extended(options), [&all, &one, &other][n], wanted);
            check(&large(options), [&all_large, &one_large, &other_large][n], wanted);
        }
    }
}

#[test]
fn all_conditions_must_hold() {
    check("med = { eq = 1 }, origin = 'egp'", &with("med = 1\norigin = 'egp'"), true);
    check("med = { eq = 1 }, origin = 'egp'", &with("med = 2\norigin = 'egp'"), false);
    check("med = { eq = 1 }, origin = 'egp'", &with("med = 1"), false);
    check("", &route(), true);
}

/// The attributes after actions.
fn after(actions: &str, route: &Route) -> PathAttributes {
    let declared = statements(SETS, &[&format!(" / {actions}"), " / policy_result = 'accept_route'"]);
    let ran = run(&declared, route);
    assert!(ran.accepted);
    ran.attributes
}

#[test]
fn set_origin_and_weight() {
    assert_eq!(after("set_origin = 'incomplete'", &with("")), attributes("origin = 'incomplete'"));
    assert_eq!(after("set_weight = 7", &with("weight = 3")), attributes("weight = 7"));
}

#[test]
fn set_numbers() {
    for (action, field, before, wanted) in [
        ("set_local_preference", "local_preference", 100, [7, 105, 95]),
        ("set_med", "med", 100, [7, 105, 95]),
        ("set_med", "med", u32::MAX, [7, u32::MAX, u32::MAX - 5]),
        ("set_local_preference", "local_preference", 3, [7, 8, 0]),
    ] {
        for (n, change) in ["7", "'+5'", "'-5'"].into_iter().enumerate() {
            let got = after(&format!("{action} = {change}"), &with(&format!("{field} = {before}")));
            assert_eq!(got, attributes(&format!("{field} = {}", wanted[n])), "{action} {change} on {before}");
        }
    }
}

#[test]
fn set_med_to_the_igp_cost() {
    let route = with("med = 5");
    assert_eq!(after("set_med = 'igp'", &Route { igp_cost: Some(30), ..route.clone() }).med, Some(30));
    assert_eq!(after("set_med = 'igp'", &route).med, Some(5));
}

#[test]
fn set_next_hop() {
    let set = |value: &str, route: &Route| {
        let line = format!(" / set_next_hop = '{value}', policy_result = 'accept_route'");
        let ran = run(&statements("", &[&line]), route);
        (ran.attributes.next_hop.map(|hop| hop.to_string()), ran.next_hop_set)
    };
    let route = Route { attributes: attributes("next_hop = '203.0.113.1'"), ..route() };
    assert_eq!(set("self", &route), (Some("192.0.2.1".to_owned()), true));
    assert_eq!(set("peer", &route), (Some("192.0.2.2".to_owned()), true));
    assert_eq!(set("unchanged", &route), (Some("203.0.113.1".to_owned()), true));
    assert_eq!(set("2001:db8::1", &route), (Some("2001:db8::1".to_owned()), true));
    // Without a session: the speaker itself, and no peer.
    let made_here = Route { neighbor: None, own_address: None, peer_asn: None, ..route.clone() };
    assert_eq!(set("self", &made_here), (None, true));
    assert_eq!(set("peer", &made_here), (Some("203.0.113.1".to_owned()), false));
    // Nothing said, nothing set; and a rejected route has no next hop to keep.
    let ran = run(&statements("", &[" / policy_result = 'accept_route'"]), &route);
    assert!(!ran.next_hop_set);
    assert!(!run(&statements("", &[" / set_next_hop = 'unchanged'"]), &route).next_hop_set);
}

fn path_after(actions: &str, path: &str, route: &Route) -> String {
    let attributes = attributes(&format!("as_path = '{path}'"));
    after(actions, &Route { attributes, ..route.clone() }).as_path.to_string()
}

#[test]
fn set_as_path_exclude() {
    assert_eq!(path_after("set_as_path_exclude = [9, 2]", "9 1 2 {9} (9 3)", &route()), "1 (3)");
    assert_eq!(path_after("set_as_path_exclude = [9]", "19 91", &route()), "19 91");
}

#[test]
fn set_private_as() {
    let mixed = "1 64512 2 {3 65534} 4200000000 64511";
    let all = "64512 {65000 65001}";
    for (action, path, wanted) in [
        ("remove", mixed, "1 2 {3} 64511"),
        ("remove", all, ""),
        ("replace", mixed, "1 65001 2 {3 65001} 65001 64511"),
        ("replace", all, "65001 {65001}"),
        ("remove_if_all", mixed, mixed),
        ("remove_if_all", all, ""),
        ("remove_if_all", "", ""),
        // Members of the own confederation stay, and do not count.
        ("remove", "(64600 64601) 64512 1", "(64600 64601) 1"),
        ("remove_if_all", "(7) 64512", "(7)"),
        ("remove", "4294967295 65535", "4294967295 65535"),
    ] {
        let action = format!("set_private_as = '{action}'");
        assert_eq!(path_after(&action, path, &route()), wanted, "{action} on {path}");
    }
}

#[test]
fn set_as_override_on_export_only() {
    let export = Route { export: true, ..route() };
    assert_eq!(path_after("set_as_override = true", "65002 9 65002", &export), "65001 9 65001");
    assert_eq!(path_after("set_as_override = true", "65002 9 65002", &route()), "65002 9 65002");
    assert_eq!(path_after("set_as_override = false", "65002 9 65002", &export), "65002 9 65002");
    let nobody = Route { peer_asn: None, ..export };
    assert_eq!(path_after("set_as_override = true", "65002 9 65002", &nobody), "65002 9 65002");
}

#[test]
fn set_as_path_prepend() {
    for (prepend, path, wanted) in [
        ("asn = 'own', repeat = 2", "9", "65001 65001 9"),
        ("repeat = 2", "9", "65001 65001 9"),
        ("asn = 7018, repeat = 3", "", "7018 7018 7018"),
        ("asn = 'last', repeat = 2", "9 1", "9 9 9 1"),
        // Not a confederation's member, nor one of a set, whose order nobody knows.
        ("asn = 'last', repeat = 1", "(65010) 9", "9 (65010) 9"),
        ("asn = 'last', repeat = 1", "{8 9} 1", "{8 9} 1"),
        ("asn = 'last', repeat = 1", "", ""),
        ("path = '1 2'", "9", "1 2 9"),
        ("asn = 5, repeat = 2, path = '1 2'", "9", "5 5 1 2 9"),
        ("asn = 'last', repeat = 2, path = '1 2'", "9", "1 1 1 2 9"),
        ("path = '1'", "{2 3}", "1 {2 3}"),
    ] {
        let action = format!("set_as_path_prepend = {{ {prepend} }}");
        assert_eq!(path_after(&action, path, &route()), wanted, "{action} on {path}");
    }
}

#[test]
fn set_communities_of_each_kind() {
    for (action, field, [a, b, c]) in [
        ("set_communities", "communities", ["65000:1", "65000:2", "no-export"]),
        ("set_extended_communities", "extended_communities", ["rt:65000:1", "soo:65000:1", "rt:7:7"]),
        ("set_large_communities", "large_communities", ["64500:1:1", "64500:2:5", "9:9:9"]),
    ] {
        let others =
            "communities = ['7:7']\nextended_communities = ['rt:9:9']\nlarge_communities = ['7:7:7']\n";
        let own = |list: &[&str]| {
            let other: String =
                others.lines().filter(|l| !l.starts_with(field)).map(|l| format!("{l}\n")).collect();
            attributes(&format!("{other}{field} = {list:?}"))
        };
        let set = match field {
            "communities" => "two",
            "extended_communities" => "rt",
            _ => "large",
        };
        for (changes, wanted) in [
            (format!("{{ option = 'add', communities = ['{c}'] }}"), vec![a, b, c]),
            (format!("{{ option = 'add', communities = ['{a}'] }}"), vec![a, b]),
            (format!("{{ option = 'remove', communities = ['{a}', '{c}'] }}"), vec![b]),
            (format!("{{ option = 'remove', communities = ['{c}'] }}"), vec![a, b]),
            (format!("{{ option = 'replace', communities = ['{c}', '{a}'] }}"), vec![c, a]),
            ("{ option = 'replace' }".to_owned(), vec![]),
            // Members and expressions of a set.
            (format!("{{ option = 'remove', set = '{set}' }}"), vec![]),
            // One after the other.
            (format!("{{ option = 'replace' }}, {{ option = 'add', communities = ['{c}'] }}"), vec![c]),
            (format!("{{ option = 'add', communities = ['{c}'] }}, {{ option = 'replace' }}"), vec![]),
        ] {
            let route = Route { attributes: own(&[a, b]), ..route() };
            assert_eq!(after(&format!("{action} = [{changes}]"), &route), own(&wanted), "{action} {changes}");
        }
    }
    // A set whose members are added to those given.
    let change = "set_communities = [{ option = 'replace', communities = ['1:1'], set = 'two' }]";
    assert_eq!(after(change, &with("")), attributes("communities = ['1:1', '65000:1', '65000:2']"));
    // One that does not exist is as good as none.
    let declared = statements(
        "undefined_names = true",
        &[
            " / set_communities = [{ option = 'add', communities = ['1:1'], set = 'nowhere' }], policy_result = 'accept_route'",
        ],
    );
    assert_eq!(run(&declared, &with("")).attributes, attributes("communities = ['1:1']"));
}

/// The order is that of the fields, whatever the document's: numbers are excluded before others are put in front.
#[test]
fn actions_come_in_the_order_of_their_fields() {
    let actions = "set_as_path_prepend = { asn = 9, repeat = 1 }, set_as_path_exclude = [9]";
    assert_eq!(path_after(actions, "9 1", &route()), "9 1");
    let actions = "set_as_path_prepend = { asn = 64512, repeat = 1 }, set_private_as = 'remove'";
    assert_eq!(path_after(actions, "64513 1", &route()), "64512 1");
}

const RESULTS: &str = "policy_definitions = [
    { name = 'p', statements = [
        { conditions = { med = { eq = 1 } }, actions = { policy_result = 'accept_route' } },
        { conditions = { med = { eq = 2 } }, actions = { policy_result = 'reject_route' } },
        { conditions = { med = { eq = 3 } }, actions = { policy_result = 'next_policy' } },
        { conditions = { med = { eq = 4 } }, actions = { policy_result = 'next_statement' } },
        { actions = { set_weight = 1 } },
    ] },
    { name = 'q', statements = [
        { conditions = { weight_is_not_a_condition = 1 } },
    ] },
]";

/// RFC 9067 section 5: results, the next policy of the chain, and the default at its end.
#[test]
fn results_and_chains() {
    let text = RESULTS.replace(
        "conditions = { weight_is_not_a_condition = 1 }",
        "conditions = { origin = 'egp' }, actions = { policy_result = 'accept_route' }",
    );
    let declared = policy(&text);
    let result = |names: &[&str], default, toml: &str| {
        let ran = run_all(&declared, names, default, &with(toml));
        (ran.accepted, ran.attributes.weight)
    };
    use DefaultPolicy::{AcceptRoute, RejectRoute};
    assert_eq!(result(&["p", "q"], RejectRoute, "med = 1"), (true, None));
    assert!(!result(&["p", "q"], AcceptRoute, "med = 2\norigin = 'egp'").0);
    // On with the next policy, past the rest of this one.
    assert_eq!(result(&["p", "q"], RejectRoute, "med = 3\norigin = 'egp'"), (true, None));
    assert_eq!(result(&["p"], AcceptRoute, "med = 3"), (true, None));
    assert!(!result(&["p"], RejectRoute, "med = 3").0);
    // On with the next statement, said or not.
    assert_eq!(result(&["p"], AcceptRoute, "med = 4"), (true, Some(1)));
    assert_eq!(result(&["p"], AcceptRoute, "med = 5"), (true, Some(1)));
    assert_eq!(result(&["p", "q"], RejectRoute, "origin = 'egp'"), (true, Some(1)));
    assert!(!result(&["p", "q"], RejectRoute, "").0);
    // No policy at all.
    assert!(result(&[], AcceptRoute, "").0 && !result(&[], RejectRoute, "").0);
}

fn calling(called: &str) -> RoutingPolicy {
    policy(&format!(
        "policy_definitions = [
            {{ name = 'p', statements = [
                {{ conditions = {{ call_policy = 'called' }}, actions = {{ set_med = 1, policy_result = 'accept_route' }} }},
                {{ actions = {{ set_med = 2, policy_result = 'accept_route' }} }},
            ] }},
            {{ name = 'called', statements = [{called}] }},
        ]"
    ))
}

/// RFC 9067 section 4.4.
#[test]
fn call_policy() {
    let med = |called: &str, default| {
        let ran = run_all(&calling(called), &["p"], default, &route());
        (ran.attributes.med, ran.attributes.weight)
    };
    use DefaultPolicy::{AcceptRoute, RejectRoute};
    let accepts = "{ actions = { set_weight = 9, policy_result = 'accept_route' } }";
    assert_eq!(med(accepts, RejectRoute), (Some(1), Some(9)));
    // What it changed stays, though it rejects.
    let rejects = "{ actions = { set_weight = 9, policy_result = 'reject_route' } }";
    assert_eq!(med(rejects, AcceptRoute), (Some(2), Some(9)));
    // Without a result the chain's default answers; `next_policy` ends it without one.
    for silent in [
        "{ actions = { set_weight = 9 } }",
        "{ actions = { set_weight = 9, policy_result = 'next_policy' } }",
    ] {
        assert_eq!(med(silent, AcceptRoute), (Some(1), Some(9)));
        assert_eq!(med(silent, RejectRoute), (Some(2), Some(9)));
    }
}

#[test]
fn a_policy_is_called_only_where_all_else_holds() {
    let declared = policy(
        "policy_definitions = [
            { name = 'p', statements = [
                { conditions = { call_policy = 'called', origin = 'egp' } },
                { actions = { policy_result = 'accept_route' } },
            ] },
            { name = 'called', statements = [{ actions = { set_weight = 9, policy_result = 'accept_route' } }] },
        ]",
    );
    assert_eq!(run(&declared, &with("")).attributes.weight, None);
    assert_eq!(run(&declared, &with("origin = 'egp'")).attributes.weight, Some(9));
}

#[test]
fn a_called_policy_that_does_not_exist_answers_as_the_setting_says() {
    let declared =
        statements("undefined_names = true", &["call_policy = 'nowhere' / policy_result = 'accept_route'"]);
    assert!(!run(&declared, &route()).accepted);
    let settings = Settings { undefined_policy: DefaultPolicy::AcceptRoute, ..frr() };
    assert!(run(&declared, &Route { settings, ..route() }).accepted);
}

fn chain(declared: &RoutingPolicy, names: &[&str], default: DefaultPolicy) -> Chain {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Policies::compile(declared).unwrap().chain(&names, default).unwrap()
}

#[test]
fn what_needs_no_route_is_known_of_a_chain() {
    use DefaultPolicy::{AcceptRoute, RejectRoute};
    let declared = policy(
        "undefined_names = true
        policy_definitions = [
            { name = 'empty', statements = [] },
            { name = 'talk', statements = [{ conditions = { origin = 'egp' }, actions = { policy_result = 'next_statement' } }] },
            { name = 'accept', statements = [{ actions = { policy_result = 'accept_route' } }, { actions = { set_med = 1 } }] },
            { name = 'reject', statements = [{ actions = { set_med = 1, policy_result = 'reject_route' } }] },
            { name = 'on', statements = [{ actions = { policy_result = 'next_policy' } }, { actions = { policy_result = 'reject_route' } }] },
            { name = 'change', statements = [{ actions = { set_med = 1 } }] },
            { name = 'call', statements = [{ conditions = { call_policy = 'change' } }] },
            { name = 'some', statements = [{ conditions = { origin = 'egp' }, actions = { policy_result = 'accept_route' } }] },
        ]",
    );
    for (names, default, transparent, rejects) in [
        (vec![], AcceptRoute, true, false),
        (vec![], RejectRoute, false, true),
        (vec!["empty", "talk", "on"], AcceptRoute, true, false),
        (vec!["empty", "talk", "on"], RejectRoute, false, true),
        (vec!["talk", "accept", "change"], RejectRoute, true, false),
        (vec!["talk", "reject", "change"], AcceptRoute, false, true),
        (vec!["change"], AcceptRoute, false, false),
        (vec!["call"], AcceptRoute, false, false),
        (vec!["some"], RejectRoute, false, false),
        (vec!["some", "reject"], AcceptRoute, false, false),
        // It depends on the speaker.
        (vec!["nowhere"], AcceptRoute, false, false),
    ] {
        let chain = chain(&declared, &names, default);
        assert_eq!((chain.is_transparent(), chain.rejects_all()), (transparent, rejects), "{names:?}");
    }
    assert_eq!(chain(&declared, &["some"], AcceptRoute), chain(&declared, &["some"], AcceptRoute));
    assert_ne!(chain(&declared, &["some"], AcceptRoute), chain(&declared, &["some"], RejectRoute));
}

#[test]
fn treatment_names_the_family_and_the_sets_that_are_asked_for() {
    let treatments = |line: &str| {
        let policies = Policies::compile(&statements(SETS, &[line])).unwrap();
        ["10.9.9.0/24", "10.9.9.0/23", "11.0.0.0/8", "2001:db8::/48", "::/0"].map(|prefix| {
            let mut ids = vec![77];
            policies.treatment(&prefix.parse().unwrap(), &mut ids);
            ids
        })
    };
    let none = treatments(" / ");
    assert!(none.iter().all(|ids| *ids == [77]), "sets that nobody asks for count: {none:?}");
    let family = treatments("address_family = 'ipv4_unicast' / ");
    assert!(family[0] == family[2] && family[3] == family[4] && family[0] != family[3]);
    let [p24, p23, eleven, v6, all] = treatments("match_prefix_set = { set = 'several' } / ");
    assert!(p24 == v6 && p23 == eleven && p23 == all && p24 != p23);
    let set = "prefix_sets = [{ name = 's', prefixes = [{ prefix = '10.0.0.0/8', le = 24 }, { prefix = '10.9.0.0/16', le = 24 }] }]";
    let policies = Policies::compile(&statements(set, &["match_prefix_set = { set = 's' } / "])).unwrap();
    // In a set twice, it is in it once; what stood before is left alone.
    let mut ids = vec![2, 2];
    policies.treatment(&"10.9.9.0/24".parse().unwrap(), &mut ids);
    assert_eq!(ids, [2, 2, 2]);
}

#[test]
fn a_trace_says_what_each_statement_saw_and_did() {
    let declared = policy(&format!(
        "{SETS}\nundefined_names = true
        policy_definitions = [
            {{ name = 'in', statements = [
                {{ name = 'bogons', conditions = {{ match_prefix_set = {{ set = 'several' }} }}, actions = {{ policy_result = 'reject_route' }} }},
                {{ conditions = {{ match_community_set = {{ set = 'nowhere' }} }} }},
                {{ conditions = {{ call_policy = 'tag' }}, actions = {{ set_local_preference = 200, set_next_hop = 'unchanged' }} }},
                {{ conditions = {{ call_policy = 'away' }} }},
            ] }},
            {{ name = 'tag', statements = [
                {{ conditions = {{ med = {{ ge = 9 }} }} }},
                {{ actions = {{ set_origin = 'egp', set_weight = 3, set_communities = [{{ option = 'add', communities = ['65000:1', 'no-export'] }}],
                   set_as_path_prepend = {{ repeat = 1 }}, policy_result = 'accept_route' }} }},
            ] }},
        ]"
    ));
    let route = Route { prefix: "10.2.0.0/16".parse().unwrap(), ..route() };
    let ran = run_all(&declared, &["in", "out"], DefaultPolicy::AcceptRoute, &route);
    assert!(!ran.accepted);
    let lines: Vec<String> = ran.traces.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "policy `in`, statement `bogons`: match_prefix_set `several` does not hold",
            "policy `in`, statement `2`: match_community_set `nowhere` does not hold",
            "policy `in`, statement `3`: matches; local_preference none -> 200; next_hop 192.0.2.2 -> unchanged",
            "  policy `tag`, statement `1`: med does not hold",
            "  policy `tag`, statement `2`: matches; origin igp -> egp; weight none -> 3; as_path 65002 9 -> 65001 65002 9; \
             communities none -> 65000:1 no-export; accept_route",
            "policy `in`, statement `4`: call_policy `away` does not hold",
            "policy `out` is not defined: reject_route",
        ]
    );
    assert_eq!(ran.traces[5].failed.as_ref().unwrap().condition, ConditionName::CallPolicy);
    let json = serde_json::to_value(&ran.traces[2]).unwrap();
    assert_eq!(
        json,
        serde_json::json!({ "policy": "in", "statement": "3", "changes": [
            { "attribute": "local_preference", "before": "none", "after": "200" },
            { "attribute": "next_hop", "before": "192.0.2.2", "after": "unchanged" },
        ] })
    );
}

/// Nothing is allocated where nothing changes, not even where an expression is held against a path.
#[test]
fn evaluation_without_a_change_does_not_allocate() {
    let sets = "
        prefix_sets = [{ name = 's', prefixes = [{ prefix = '10.0.0.0/8', le = 24 }] }]
        as_path_sets = [{ name = 's', members = ['_9_', '^(65002_)+1'] }]
        community_sets = [{ name = 's', members = ['65000:1', '^65000:1..$'] }]";
    let declared = statements(
        sets,
        &[
            "match_prefix_set = { set = 's', options = 'invert' } / policy_result = 'reject_route'",
            "match_as_path_set = { set = 's', options = 'all' } / policy_result = 'reject_route'",
            "match_community_set = { set = 's' } / set_as_path_exclude = [77], set_private_as = 'remove_if_all', \
             set_communities = [{ option = 'add', communities = ['65000:1'] }, { option = 'remove', communities = ['1:1'] }, \
             { option = 'replace', communities = ['65000:100', '65000:1'] }], \
             policy_result = 'accept_route'",
        ],
    );
    let route = with("as_path = '65002 9'\ncommunities = ['65000:1', '65000:100']");
    let policies = Policies::compile(&declared).unwrap();
    let chain = policies.chain(&["p".to_owned()], DefaultPolicy::RejectRoute).unwrap();
    let context: Context<'_> = crate::policy::support::context(&route);
    let mut attributes = route.attributes.clone();
    // The first use of an expression makes room for its state.
    assert!(policies.evaluate(&chain, &context, &mut attributes).accepted);
    let counted = allocation_counter::measure(|| {
        assert!(policies.evaluate(&chain, &context, &mut attributes).accepted);
    });
    assert_eq!(counted.count_total, 0);
    assert_eq!(attributes, route.attributes);
}

#[test]
fn policies_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Policies>();
    shared::<Chain>();
}
