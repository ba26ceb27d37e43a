//! What running FRR 8.4 does with route maps, each finding a test.
//!
//! One finding has none: of two `match ip address prefix-list` lines in one entry the last replaces the first. That is how
//! FRR reads its configuration; a statement here has one field for the prefix set, and a document that says it twice is
//! refused by its reader.

use azroute::model::bgp::{DefaultPolicy, RoutingPolicy};

use crate::policy::naive::Route;
use crate::policy::support::{attributes, frr, policy, route, run, run_all, statements};

const ACCEPT: &str = "policy_result = 'accept_route'";

fn with(toml: &str) -> Route {
    Route { attributes: attributes(toml), ..route() }
}

fn accepts(declared: &RoutingPolicy, route: &Route) -> bool {
    run(declared, route).accepted
}

#[test]
fn a_later_entry_sees_what_an_earlier_one_set() {
    let declared = statements(
        "",
        &[
            " / set_communities = [{ option = 'replace', communities = ['65000:7'] }], set_med = 5",
            "match_community_set = { set = 'seven' }, med = { eq = 5 } / policy_result = 'accept_route'",
        ],
    );
    let declared = RoutingPolicy {
        community_sets: policy("community_sets = [{ name = 'seven', members = ['65000:7'] }]").community_sets,
        ..declared
    };
    assert!(accepts(&declared, &route()));
    let mut without = declared;
    without.policy_definitions[0].statements.remove(0);
    assert!(!accepts(&without, &route()));
}

#[test]
fn a_route_map_that_does_not_exist_denies() {
    let declared = policy("undefined_names = true");
    assert!(!run_all(&declared, &["nowhere"], DefaultPolicy::AcceptRoute, &route()).accepted);
    // Elsewhere it may pass; the setting decides.
    let settings = azroute::bgp::Settings { undefined_policy: DefaultPolicy::AcceptRoute, ..frr() };
    let lenient = Route { settings, ..route() };
    assert!(run_all(&declared, &["nowhere"], DefaultPolicy::RejectRoute, &lenient).accepted);
}

#[test]
fn a_prefix_list_that_does_not_exist_matches_nothing() {
    let declared = statements(
        "undefined_names = true",
        &["match_prefix_set = { set = 'nowhere' } / policy_result = 'accept_route'"],
    );
    assert!(!accepts(&declared, &route()));
    // Nor does it match the other way round.
    let inverted = statements(
        "undefined_names = true",
        &[
            "match_prefix_set = { set = 'nowhere', options = 'invert' } / policy_result = 'accept_route'",
            " / policy_result = 'reject_route'",
        ],
    );
    assert!(!accepts(&inverted, &route()));
    let settings = azroute::bgp::Settings { undefined_set_matches: true, ..frr() };
    let lenient = Route { settings, ..route() };
    assert!(accepts(&declared, &lenient) && accepts(&inverted, &lenient));
}

#[test]
fn after_a_community_list_that_does_not_exist_the_next_entry_is_tried() {
    let declared = statements(
        "undefined_names = true",
        &[
            "match_community_set = { set = 'nowhere' } / set_med = 1, policy_result = 'accept_route'",
            " / set_med = 2, policy_result = 'accept_route'",
        ],
    );
    let ran = run(&declared, &with("communities = ['65000:1']"));
    assert_eq!((ran.accepted, ran.attributes.med), (true, Some(2)));
}

#[test]
fn lengths_of_prefix_lists() {
    let list = |range: &str| {
        statements(
            &format!("prefix_sets = [{{ name = 's', prefixes = [{range}] }}]"),
            &["match_prefix_set = { set = 's' } / policy_result = 'accept_route'"],
        )
    };
    let at = |prefix: &str| Route { prefix: prefix.parse().unwrap(), ..route() };
    let (p24, p25, p26) = (at("10.1.2.0/24"), at("10.1.2.128/25"), at("10.1.2.0/26"));
    // `le` alone takes the prefix itself too.
    let le = list("{ prefix = '10.1.2.0/24', le = 25 }");
    assert!(accepts(&le, &p24) && accepts(&le, &p25) && !accepts(&le, &p26));
    let plain = list("{ prefix = '10.1.2.0/24' }");
    assert!(accepts(&plain, &p24) && !accepts(&plain, &p25) && !accepts(&plain, &at("10.1.0.0/16")));
    // `ge` above its length does not.
    let ge = list("{ prefix = '10.1.2.0/24', ge = 25 }");
    assert!(
        !accepts(&ge, &p24) && accepts(&ge, &p25) && accepts(&ge, &p26) && accepts(&ge, &at("10.1.2.3/32"))
    );
}

#[test]
fn a_list_line_with_two_communities_needs_both() {
    let set = "community_sets = [{ name = 's', members = ['65000:1', '65000:2'] }]";
    let declared = statements(
        set,
        &["match_community_set = { set = 's', options = 'all' } / policy_result = 'accept_route'"],
    );
    assert!(!accepts(&declared, &with("communities = ['65000:1', '65000:3']")));
    assert!(accepts(&declared, &with("communities = ['65000:1', '65000:2', '65000:3']")));
}

#[test]
fn exact_match_needs_no_other() {
    let set = "community_sets = [{ name = 's', members = ['65000:1', '65000:2'] }]";
    let declared = statements(
        set,
        &["match_community_set = { set = 's', options = 'exact' } / policy_result = 'accept_route'"],
    );
    assert!(!accepts(&declared, &with("communities = ['65000:1']")));
    assert!(!accepts(&declared, &with("communities = ['65000:1', '65000:2', '65000:3']")));
    assert!(accepts(&declared, &with("communities = ['65000:2', '65000:1']")));
}

#[test]
fn set_community_replaces_and_additive_adds() {
    let change = |option: &str| {
        let line =
            format!(" / set_communities = [{{ option = '{option}', communities = ['65000:9'] }}], {ACCEPT}");
        let ran = run(&statements("", &[&line]), &with("communities = ['65000:1', 'no-export']"));
        ran.attributes.communities.standard().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(change("replace"), ["65000:9"]);
    assert_eq!(change("add"), ["65000:1", "65000:9", "no-export"]);
}

#[test]
fn prepend_puts_numbers_in_front_on_input_too() {
    for export in [false, true] {
        let declared = statements("", &[&format!(" / set_as_path_prepend = {{ path = '1 2' }}, {ACCEPT}")]);
        let ran = run(&declared, &Route { export, ..route() });
        assert_eq!(ran.attributes.as_path.to_string(), "1 2 65002 9");
    }
}

#[test]
fn last_as_repeats_the_neighbour() {
    let line = format!(" / set_as_path_prepend = {{ asn = 'last', repeat = 2 }}, {ACCEPT}");
    let ran = run(&statements("", &[&line]), &route());
    assert_eq!(ran.attributes.as_path.to_string(), "65002 65002 65002 9");
}

#[test]
fn exclude_removes_every_occurrence() {
    let declared = statements("", &[&format!(" / set_as_path_exclude = [9], {ACCEPT}")]);
    let ran = run(&declared, &with("as_path = '9 1 9 2 {9 3}'"));
    assert_eq!(ran.attributes.as_path.to_string(), "1 2 {3}");
}

#[test]
fn sums_of_metric_and_local_preference() {
    let declared = statements("", &[&format!(" / set_med = '+10', set_local_preference = '+5', {ACCEPT}")]);
    // A local preference that is missing, as from an external peer, counts as 0 and not as 100.
    let ran = run(&declared, &with("med = 50"));
    assert_eq!((ran.attributes.med, ran.attributes.local_preference), (Some(60), Some(5)));
    let settings = azroute::bgp::Settings { sum_local_preference_from: 100, ..frr() };
    let ran = run(&declared, &Route { settings, ..with("") });
    assert_eq!((ran.attributes.med, ran.attributes.local_preference), (Some(10), Some(105)));
}

/// FRR's `match local-preference` reads a missing one as it reads it in sums (`route_match_local_pref`).
#[test]
fn a_missing_local_preference_compares_as_it_sums() {
    let declared = statements("", &["local_preference = { eq = 0 } / policy_result = 'accept_route'"]);
    assert!(accepts(&declared, &route()));
    let settings = azroute::bgp::Settings { sum_local_preference_from: 100, ..frr() };
    assert!(!accepts(&declared, &Route { settings, ..route() }));
}

/// `on-match next` on a deny: a statement that rejects ends everything, so there is nothing to go on to.
#[test]
fn deny_denies_whatever_would_follow() {
    let declared = statements(
        "",
        &[" / set_med = 1, policy_result = 'reject_route'", " / policy_result = 'accept_route'"],
    );
    assert!(!accepts(&declared, &route()));
    let both = policy(
        "policy_definitions = [
            { name = 'p', statements = [{ actions = { policy_result = 'reject_route' } }] },
            { name = 'q', statements = [{ actions = { policy_result = 'accept_route' } }] },
        ]",
    );
    assert!(!run_all(&both, &["p", "q"], DefaultPolicy::AcceptRoute, &route()).accepted);
}

#[test]
fn nine_between_borders_is_not_in_nineteen() {
    let declared = statements(
        "as_path_sets = [{ name = 's', members = ['_9_'] }]",
        &["match_as_path_set = { set = 's' } / policy_result = 'accept_route'"],
    );
    assert!(!accepts(&declared, &with("as_path = '65002 19'")));
    for path in ["9", "9 65002", "65002 9", "65002 9 1", "65002 {8 9}", "(9) 1", "[9] 1"] {
        assert!(accepts(&declared, &with(&format!("as_path = '{path}'"))), "{path}");
    }
}
