//! What a session or a speaker can be told to do: one small design for each behaviour.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use azroute::bgp::decision::Refusal;
use azroute::bgp::{BgpChange, Engine, NotAccepted, NotSent, Passed, Stage};
use azroute::model::bgp::PathAttributes;

fn build(text: &str) -> Engine {
    Engine::build(&toml::from_str(text).unwrap()).unwrap()
}

/// The problems of a design that is refused.
fn refused(text: &str) -> String {
    Engine::build(&toml::from_str(text).unwrap()).unwrap_err().to_string()
}

/// A path and what else there is, on one line.
fn text(a: &PathAttributes) -> String {
    let mut text = format!("[{}]", a.as_path);
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&format!(" {name} {value}"));
        }
    };
    add("via", join(a.next_hop.as_slice()));
    add("med", join(a.med.as_slice()));
    add("lp", join(a.local_preference.as_slice()));
    add("communities", join(a.communities.standard()));
    text
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

/// A speaker's best route.
fn best(engine: &Engine, speaker: &str, prefix: &str) -> String {
    let best = engine.best(&speaker.into(), &prefix.parse().unwrap());
    best.map_or_else(|| "none".to_owned(), |route| text(route.attributes))
}

/// Its path alone.
fn path(engine: &Engine, speaker: &str, prefix: &str) -> String {
    let best = engine.best(&speaker.into(), &prefix.parse().unwrap());
    best.map_or_else(|| "none".to_owned(), |route| route.attributes.as_path.to_string())
}

fn not_sent(engine: &Engine, session: &str, speaker: &str, prefix: &str) -> Option<NotSent> {
    engine.not_sent(&session.into(), &speaker.into(), &prefix.parse().unwrap())
}

/// `a` announces 10.0.0.0/24 to `b`, which passes it on to `c`; `{a}`, `{b}` and so on stand for more fields.
fn line(a: &str, b: &str, ab_b: &str, bc_b: &str, bc_c: &str, more: &str) -> String {
    format!(
        r#"
        speakers = [
            {{ id = "a", asn = 65001, router_id = "1.1.1.1", originate = [{{ prefixes = ["10.0.0.0/24"], attributes = {{ {a} }} }}] }},
            {{ id = "b", asn = 65002, router_id = "2.2.2.2" {b} }},
            {{ id = "c", asn = 65003, router_id = "3.3.3.3" }},
        ]
        sessions = [
            {{ id = "ab", a = {{ speaker = "a" }}, b = {{ speaker = "b" {ab_b} }} }},
            {{ id = "bc", a = {{ speaker = "b" {bc_b} }}, b = {{ speaker = "c" {bc_c} }} }},
        ]
        {more}
        "#
    )
}

const P: &str = "10.0.0.0/24";

// ---- numbers ----

#[test]
fn allow_own_as_takes_so_many_of_the_own_number() {
    let design = |allowed: u8| {
        line("as_path = \"65003 65003\"", "", "", "", &format!(", allow_own_as = {allowed}"), "")
    };
    let one = build(&design(1));
    assert_eq!(path(&one, "c", P), "none");
    assert_eq!(
        one.not_accepted(&"bc".into(), &"c".into(), &P.parse().unwrap()),
        Some(NotAccepted::Refused(Refusal::OwnAs))
    );
    assert_eq!(path(&build(&design(2)), "c", P), "65002 65001 65003 65003");
}

#[test]
fn as_override_puts_the_own_number_in_place_of_the_neighbours() {
    let design = |profile: &str| {
        line(
            "as_path = \"65003 3356 65003\"",
            &format!(", profile = \"{profile}\""),
            "",
            ", as_override = true",
            "",
            "",
        )
    };
    assert_eq!(path(&build(&design("rfc4271")), "c", P), "65002 65001 65002 3356 65002");
    // It would not send a path with the neighbour's number, but that number is gone by then.
    assert_eq!(path(&build(&design("gobgp-3")), "c", P), "65002 65001 65002 3356 65002");
}

#[test]
fn remove_private_as_in_three_ways() {
    let design = |path: &str, action: &str, profile: &str| {
        let text = line(
            &format!("as_path = \"{path}\""),
            &format!(", profile = \"{profile}\""),
            ", ebgp_requires_policy = false",
            &format!(", ebgp_requires_policy = false, remove_private_as = \"{action}\""),
            "",
            "",
        );
        let text = text.replace("id = \"a\", asn = 65001", "id = \"a\", asn = 1000");
        build(&text.replace("id = \"c\", asn = 65003", "id = \"c\", asn = 2000"))
    };
    let mixed = "64999 3356 64998";
    assert_eq!(path(&design(mixed, "remove", "rfc4271"), "c", P), "65002 1000 3356");
    assert_eq!(path(&design(mixed, "replace", "rfc4271"), "c", P), "65002 1000 65002 3356 65002");
    assert_eq!(path(&design(mixed, "remove_if_all", "rfc4271"), "c", P), "65002 1000 64999 3356 64998");
    // All private: the announcing speaker's number too.
    let all = |profile: &str, action: &str| {
        let private = format!(", remove_private_as = \"{action}\"");
        let open = ", ebgp_requires_policy = false";
        let text = line(
            "as_path = \"64999 65003\"",
            &format!(", profile = \"{profile}\""),
            open,
            &format!("{open}{private}"),
            ", allow_own_as = 1",
            "",
        );
        path(&build(&text), "c", P)
    };
    assert_eq!(all("rfc4271", "remove_if_all"), "65002");
    assert_eq!(all("rfc4271", "remove"), "65002");
    // FRR leaves the neighbour's own number, private as it is, so that the neighbour sees its loop.
    assert_eq!(all("frr-8", "remove"), "65002 65003");
    assert_eq!(all("frr-8", "replace"), "65002 65002 65002 65003");
}

#[test]
fn local_as_shows_another_number() {
    let design =
        |local: &str| build(&line("", "", "", &format!(", local_as = {{ asn = 64700 {local} }}"), "", ""));
    assert_eq!(path(&design(""), "c", P), "64700 65002 65001");
    assert_eq!(path(&design(", replace_as = true"), "c", P), "64700 65001");
}

#[test]
fn local_as_stands_in_received_paths_too() {
    let design = |local: &str, announced: &str| {
        build(&line(announced, "", &format!(", local_as = {{ asn = 64700 {local} }}"), "", "", ""))
    };
    assert_eq!(path(&design("", ""), "b", P), "64700 65001");
    assert_eq!(path(&design("", ""), "c", P), "65002 64700 65001");
    assert_eq!(path(&design(", no_prepend = true", ""), "b", P), "65001");
    // The number shown is an own one.
    assert_eq!(path(&design("", "as_path = \"64700\""), "b", P), "none");
}

#[test]
fn local_as_is_for_external_neighbours() {
    let text = line("", "", "", ", local_as = { asn = 64700 }", "", "").replace("asn = 65003", "asn = 65002");
    assert!(refused(&text).contains("external"), "{}", refused(&text));
}

// ---- next hops ----

#[test]
fn next_hop_self_but_not_on_what_is_reflected() {
    let text = r#"
        speakers = [
            { id = "x", asn = 65009, router_id = "9.9.9.9", originate = [{ prefixes = ["10.9.0.0/16"] }] },
            { id = "c1", asn = 65000, router_id = "1.1.1.1", originate = [{ prefixes = ["10.1.0.0/16"] }] },
            { id = "rr", asn = 65000, router_id = "2.2.2.2" },
            { id = "c2", asn = 65000, router_id = "3.3.3.3" },
        ]
        sessions = [
            { id = "x", a = { speaker = "x" }, b = { speaker = "rr" } },
            { id = "1", a = { speaker = "rr", route_reflector_client = true, next_hop_self = true }, b = { speaker = "c1" } },
            { id = "2", a = { speaker = "rr", route_reflector_client = true, next_hop_self = true }, b = { speaker = "c2" } },
        ]
    "#;
    let engine = build(text);
    assert_eq!(best(&engine, "c2", "10.9.0.0/16"), "[65009] via 2.2.2.2 lp 100");
    assert_eq!(best(&engine, "c2", "10.1.0.0/16"), "[] via 1.1.1.1 lp 100");
}

#[test]
fn next_hop_unchanged_towards_external_neighbours() {
    let text = line("", "", "", ", next_hop_unchanged = true", "", "");
    let engine = build(&text);
    let sent = engine.adj_rib_out(&"bc".into(), &"b".into(), Stage::PostPolicy);
    assert_eq!(text_of(&sent), ["[65002 65001] via 1.1.1.1"]);
    assert_eq!(best(&engine, "c", P), "none", "nothing leads there");
}

fn text_of(passed: &[Passed]) -> Vec<String> {
    passed.iter().map(|p| text(&p.attributes)).collect()
}

/// RFC 4271 section 5.1.3: a router on the shared network may be named, unless the session says otherwise; of IPv6
/// prefixes the IPv6 network counts, over whatever the session runs.
#[test]
fn third_party_next_hops_on_a_shared_network() {
    let text = |far: &str, more: &str| {
        format!(
            r#"
        [[speakers]]
        id = "a"
        asn = 65001
        interfaces = [{{ address = "192.0.2.1/24" }}, {{ address = "2001:db8::1/64" }}]
        originate = [{{ prefixes = ["10.0.0.0/24", "2001:db8:a::/48"] }}]
        [[speakers]]
        id = "b"
        asn = 65002
        interfaces = [{{ address = "192.0.2.2/24" }}, {{ address = "2001:db8::2/64" }}, {{ address = "198.51.100.2/24" }}]
        [[speakers]]
        id = "c"
        asn = 65003
        interfaces = [{{ address = "{far}" }}, {{ address = "2001:db8::3/64" }}]
        [[sessions]]
        id = "ab"
        a = {{ speaker = "a" }}
        b = {{ speaker = "b" }}
        [[sessions]]
        id = "bc"
        a = {{ speaker = "b" {more} }}
        b = {{ speaker = "c" }}
    "#
        )
    };
    let shared = build(&text("192.0.2.3/24", ""));
    assert_eq!(best(&shared, "c", P), "[65002 65001] via 192.0.2.1");
    assert_eq!(best(&shared, "c", "2001:db8:a::/48"), "[65002 65001] via 2001:db8::1");
    let told = build(&text("192.0.2.3/24", ", next_hop_self = true"));
    assert_eq!(best(&told, "c", P), "[65002 65001] via 192.0.2.2");
    assert_eq!(best(&told, "c", "2001:db8:a::/48"), "[65002 65001] via 2001:db8::2");
    let elsewhere = build(&text("198.51.100.3/24", ""));
    assert_eq!(best(&elsewhere, "c", P), "[65002 65001] via 198.51.100.2");
}

// ---- default routes ----

const DEFAULT: &str = "0.0.0.0/0";

#[test]
fn a_default_route_is_made_for_one_neighbour() {
    let engine = build(&line("", "", "", ", default_originate = {}", "", ""));
    assert_eq!(best(&engine, "c", DEFAULT), "[65002] via 2.2.2.2");
    assert_eq!(path(&engine, "c", "::/0"), "65002");
    assert_eq!(path(&engine, "b", DEFAULT), "none", "its maker has none");
    assert_eq!(path(&engine, "a", DEFAULT), "none");
    assert_eq!(not_sent(&engine, "bc", "b", DEFAULT), None);
}

#[test]
fn a_made_default_route_has_a_local_preference_inside() {
    let text = line("", "", "", ", default_originate = {}", "", "").replace("asn = 65003", "asn = 65002");
    assert_eq!(best(&build(&text), "c", DEFAULT), "[] via 2.2.2.2 lp 100");
}

#[test]
fn a_default_route_only_while_there_is_one() {
    let made = ", default_originate = { only_if_present = true, policies = [\"mark\"] }";
    let policy = r#"
        [[routing_policy.policy_definitions]]
        name = "mark"
        statements = [{ actions = { set_med = 7, policy_result = "accept_route" } }]
    "#;
    let text = line("", "", "", made, "", policy);
    assert_eq!(best(&build(&text), "c", DEFAULT), "none");
    let mut engine = build(&text.replace("\"10.0.0.0/24\"", "\"10.0.0.0/24\", \"0.0.0.0/0\""));
    // Made anew: the learned one's path is not seen.
    assert_eq!(best(&engine, "c", DEFAULT), "[65002] via 2.2.2.2 med 7");
    engine.apply(&[BgpChange::SessionDown("ab".into())]).unwrap();
    assert_eq!(best(&engine, "c", DEFAULT), "none");
}

#[test]
fn a_rejected_default_route_is_not_replaced_by_a_learned_one() {
    let made = ", default_originate = { policies = [\"no\"] }";
    let policy = r#"
        [[routing_policy.policy_definitions]]
        name = "no"
        statements = [{ actions = { policy_result = "reject_route" } }]
    "#;
    let text =
        line("", "", "", made, "", policy).replace("\"10.0.0.0/24\"", "\"10.0.0.0/24\", \"0.0.0.0/0\"");
    let engine = build(&text);
    assert_eq!(path(&engine, "b", DEFAULT), "65001");
    assert_eq!(path(&engine, "c", DEFAULT), "none");
    assert_eq!(not_sent(&engine, "bc", "b", DEFAULT), Some(NotSent::Policy));
}

#[test]
fn a_made_default_route_goes_to_neighbours_that_take_several() {
    let engine = build(&line(
        "",
        "",
        "",
        ", default_originate = {}, add_path = { send = 2 }",
        ", add_path = { receive = true }",
        "",
    ));
    assert_eq!(path(&engine, "c", DEFAULT), "65002");
    let received = engine.adj_rib_in(&"bc".into(), &"c".into(), Stage::PostPolicy);
    assert_eq!(received.iter().filter(|p| p.prefix.prefix_len() == 0).count(), 2, "one a family");
}

// ---- limits, communities, weight ----

#[test]
fn a_prefix_limit_counts_what_the_policy_accepts() {
    let policy = r#"
        [routing_policy]
        prefix_sets = [{ name = "one", prefixes = [{ prefix = "10.0.0.0/24" }] }]
        [[routing_policy.policy_definitions]]
        name = "one"
        statements = [{ conditions = { match_prefix_set = { set = "one" } }, actions = { policy_result = "accept_route" } }]
    "#;
    let two = |import: &str| {
        let text = line("", "", &format!(", prefix_limit = 1 {import}"), "", "", policy);
        build(&text.replace("\"10.0.0.0/24\"],", "\"10.0.0.0/24\", \"10.0.1.0/24\"],"))
    };
    let over = two("");
    assert_eq!(over.over_limit().collect::<Vec<_>>(), [&"ab".into()]);
    assert_eq!(path(&over, "c", P), "none");
    assert_eq!(not_sent(&over, "ab", "a", P), Some(NotSent::SessionDown));
    let filtered = two(", import_policies = [\"one\"]");
    assert_eq!(filtered.over_limit().count(), 0);
    assert_eq!(path(&filtered, "c", P), "65002 65001");
}

#[test]
fn communities_are_not_sent_where_a_session_says_so() {
    let announced = "communities = [\"65001:1\"], large_communities = [\"65001:1:1\"]";
    let engine = build(&line(announced, "", "", ", send_communities = false", "", ""));
    let c = engine.best(&"c".into(), &P.parse().unwrap()).unwrap();
    assert!(c.attributes.communities.is_empty());
    assert!(!engine.best(&"b".into(), &P.parse().unwrap()).unwrap().attributes.communities.is_empty());
    // IOS does so unless told otherwise.
    let ios = |more: &str| build(&line(announced, ", profile = \"cisco-ios\"", "", more, "", ""));
    assert_eq!(best(&ios(""), "c", P), "[65002 65001] via 2.2.2.2");
    assert_eq!(
        best(&ios(", send_communities = true"), "c", P),
        "[65002 65001] via 2.2.2.2 communities 65001:1"
    );
}

#[test]
fn the_weight_of_a_session_decides_first_and_stays_there() {
    let text = |profile: &str| {
        format!(
            r#"
        speakers = [
            {{ id = "near", asn = 65001, originate = [{{ prefixes = ["10.0.0.0/24"] }}] }},
            {{ id = "far", asn = 65002, originate = [{{ prefixes = ["10.0.0.0/24"], attributes = {{ as_path = "7 8 9" }} }}] }},
            {{ id = "b", asn = 65003, profile = "{profile}" }},
            {{ id = "c", asn = 65004 }},
        ]
        sessions = [
            {{ id = "1", a = {{ speaker = "near" }}, b = {{ speaker = "b", ebgp_requires_policy = false }} }},
            {{ id = "2", a = {{ speaker = "far" }}, b = {{ speaker = "b", ebgp_requires_policy = false, weight = 100 }} }},
            {{ id = "3", a = {{ speaker = "b", ebgp_requires_policy = false }}, b = {{ speaker = "c" }} }},
        ]
    "#
        )
    };
    let engine = build(&text("frr-8"));
    assert_eq!(path(&engine, "b", P), "65002 7 8 9");
    assert_eq!(engine.best(&"c".into(), &P.parse().unwrap()).unwrap().attributes.weight, None);
    assert_eq!(path(&build(&text("rfc4271")), "b", P), "65001", "no weight there");
}

#[test]
fn without_policy_nothing_passes_an_external_session_of_frr() {
    let text = |more: &str| line("", ", profile = \"frr-8\"", more, more, "", "");
    assert_eq!(path(&build(&text("")), "b", P), "none");
    assert_eq!(path(&build(&text(", ebgp_requires_policy = false")), "c", P), "65002 65001");
    assert_eq!(
        path(
            &build(&text(
                ", default_import_policy = \"accept_route\", default_export_policy = \"accept_route\""
            )),
            "c",
            P
        ),
        "65002 65001"
    );
    // Towards internal neighbours nothing is asked for.
    let inside = text("").replace("asn = 65003", "asn = 65002").replace("asn = 65001", "asn = 65002");
    assert_eq!(path(&build(&inside), "b", P), "");
    // And any speaker can be told to ask for it.
    let strict = line("", "", ", ebgp_requires_policy = true", "", "", "");
    assert_eq!(path(&build(&strict), "b", P), "none");
}

#[test]
fn graceful_shutdown_lowers_the_preference_after_the_policy() {
    let policy = r#"
        [[routing_policy.policy_definitions]]
        name = "high"
        statements = [{ actions = { set_local_preference = 300, policy_result = "accept_route" } }]
        [[routing_policy.policy_definitions]]
        name = "strip"
        statements = [{ actions = { set_communities = [{ option = "remove", communities = ["graceful-shutdown"] }], policy_result = "accept_route" } }]
    "#;
    let announced = "communities = [\"graceful-shutdown\"]";
    let lp = |profile: &str, import: &str| {
        let engine = build(&line(announced, &format!(", profile = \"{profile}\""), import, "", "", policy));
        engine.best(&"b".into(), &P.parse().unwrap()).unwrap().attributes.local_preference
    };
    assert_eq!(lp("frr-8", ", ebgp_requires_policy = false"), Some(0));
    assert_eq!(lp("frr-8", ", import_policies = [\"high\"]"), Some(0));
    assert_eq!(lp("frr-8", ", import_policies = [\"strip\"]"), None);
    assert_eq!(lp("bird-2", ""), None, "a filter's matter there");
}

/// RFC 7999 leaves to the receiver's policy whether traffic is dropped, and whether the route goes on.
#[test]
fn blackhole_is_a_matter_of_policy() {
    let engine = build(&line("communities = [\"blackhole\"]", "", "", "", "", ""));
    assert_eq!(best(&engine, "c", P), "[65002 65001] via 2.2.2.2 communities blackhole");
    let policy = r#"
        [routing_policy]
        community_sets = [{ name = "blackhole", members = ["blackhole"] }]
        [[routing_policy.policy_definitions]]
        name = "honour"
        statements = [
            { conditions = { match_community_set = { set = "blackhole" } }, actions = { set_next_hop = "192.0.2.1", set_communities = [{ option = "add", communities = ["no-export"] }] } },
            { actions = { policy_result = "accept_route" } },
        ]
    "#;
    let text = line("communities = [\"blackhole\"]", "", ", import_policies = [\"honour\"]", "", "", policy);
    let engine = build(&text);
    assert_eq!(not_sent(&engine, "bc", "b", P), Some(NotSent::Nothing), "the next hop leads nowhere");
    let discard = ", static_routes = [{ prefix = \"192.0.2.1/32\", next_hop = \"discard\" }]";
    let engine = build(&line(
        "communities = [\"blackhole\"]",
        discard,
        ", import_policies = [\"honour\"]",
        "",
        "",
        policy,
    ));
    assert_eq!(path(&engine, "c", P), "none");
}

// ---- several routes ----

/// Three ways out of `rr` for one prefix, and a client that takes several.
fn several(send: u16, import: &str, policy: &str) -> Engine {
    build(&format!(
        r#"
        speakers = [
            {{ id = "x", asn = 65001, router_id = "1.1.1.1", originate = [{{ prefixes = ["10.0.0.0/24"] }}] }},
            {{ id = "y", asn = 65002, router_id = "2.2.2.2", originate = [{{ prefixes = ["10.0.0.0/24"], attributes = {{ as_path = "7" }} }}] }},
            {{ id = "z", asn = 65003, router_id = "3.3.3.3", originate = [{{ prefixes = ["10.0.0.0/24"], attributes = {{ as_path = "7 8" }} }}] }},
            {{ id = "b", asn = 65000, router_id = "4.4.4.4" }},
            {{ id = "c", asn = 65000, router_id = "5.5.5.5" }},
        ]
        sessions = [
            {{ id = "x", a = {{ speaker = "x" }}, b = {{ speaker = "b" }} }},
            {{ id = "y", a = {{ speaker = "y" }}, b = {{ speaker = "b" }} }},
            {{ id = "z", a = {{ speaker = "z" }}, b = {{ speaker = "b" }} }},
            {{ id = "bc", a = {{ speaker = "b", next_hop_self = true, add_path = {{ send = {send} }} }}, b = {{ speaker = "c", add_path = {{ receive = true }} {import} }} }},
        ]
        {policy}
        "#
    ))
}

fn numbered(passed: &[Passed]) -> Vec<(u32, String)> {
    passed.iter().map(|p| (p.path_id, p.attributes.as_path.to_string())).collect()
}

#[test]
fn so_many_routes_as_are_sent_and_taken() {
    let (x, y, z) = ("65001".to_owned(), "65002 7".to_owned(), "65003 7 8".to_owned());
    for (send, expected) in [
        (0, vec![(0, x.clone())]),
        (1, vec![(0, x.clone())]),
        (2, vec![(0, x.clone()), (1, y.clone())]),
        (3, vec![(0, x.clone()), (1, y.clone()), (2, z.clone())]),
        (9, vec![(0, x), (1, y), (2, z)]),
    ] {
        let engine = several(send, "", "");
        let out = engine.adj_rib_out(&"bc".into(), &"b".into(), Stage::PostPolicy);
        assert_eq!(numbered(&out), expected, "{send}");
        assert_eq!(out, engine.adj_rib_in(&"bc".into(), &"c".into(), Stage::PrePolicy));
        assert_eq!(out, engine.adj_rib_in(&"bc".into(), &"c".into(), Stage::PostPolicy));
        let before = engine.adj_rib_out(&"bc".into(), &"b".into(), Stage::PrePolicy);
        assert_eq!(numbered(&before), expected);
        assert_eq!(engine.routes(&"c".into(), &P.parse().unwrap()).unwrap().entries.len(), expected.len());
        assert_eq!(path(&engine, "c", P), "65001");
    }
}

#[test]
fn several_routes_change_when_one_goes() {
    let mut engine = several(2, "", "");
    engine.apply(&[BgpChange::SessionDown("x".into())]).unwrap();
    let received = engine.adj_rib_in(&"bc".into(), &"c".into(), Stage::PostPolicy);
    assert_eq!(numbered(&received), [(0, "65002 7".to_owned()), (1, "65003 7 8".to_owned())]);
    assert_eq!(path(&engine, "c", P), "65002 7");
}

/// The sender does not know what the receiver rejects.
#[test]
fn a_rejected_route_makes_no_place_for_another() {
    let policy = r#"
        [routing_policy]
        as_path_sets = [{ name = "x", members = ["^65001$"] }]
        [[routing_policy.policy_definitions]]
        name = "not-x"
        statements = [
            { conditions = { match_as_path_set = { set = "x" } }, actions = { policy_result = "reject_route" } },
            { actions = { policy_result = "accept_route" } },
        ]
    "#;
    let engine = several(2, ", import_policies = [\"not-x\"]", policy);
    let received = engine.adj_rib_in(&"bc".into(), &"c".into(), Stage::PostPolicy);
    assert_eq!(numbered(&received), [(1, "65002 7".to_owned())]);
    assert_eq!(path(&engine, "c", P), "65002 7");
}

// ---- confederations ----

/// Members 65101 and 65102 of confederation 100; `out` is beyond it.
fn confederation(announced: &str, more: &str) -> Engine {
    build(&format!(
        r#"
        speakers = [
            {{ id = "in", asn = 200, router_id = "1.1.1.1", originate = [{{ prefixes = ["10.0.0.0/24"], attributes = {{ {announced} }} }}], profile = "gobgp-3" }},
            {{ id = "m1", asn = 65101, router_id = "2.2.2.2", confederation = {{ identifier = 100, members = [65102] }} }},
            {{ id = "m2", asn = 65102, router_id = "3.3.3.3", confederation = {{ identifier = 100, members = [65101] }} }},
            {{ id = "m2b", asn = 65102, router_id = "4.4.4.4", confederation = {{ identifier = 100, members = [65101] }} }},
            {{ id = "out", asn = 300, router_id = "5.5.5.5" }},
        ]
        sessions = [
            {{ id = "i", a = {{ speaker = "in" }}, b = {{ speaker = "m1" {more} }} }},
            {{ id = "m", a = {{ speaker = "m1" }}, b = {{ speaker = "m2" }} }},
            {{ id = "n", a = {{ speaker = "m2" }}, b = {{ speaker = "m2b" }} }},
            {{ id = "o", a = {{ speaker = "m2b" }}, b = {{ speaker = "out" }} }},
            {{ id = "p", a = {{ speaker = "m2b" }}, b = {{ speaker = "m1" }} }},
        ]
        [[routing_policy.policy_definitions]]
        name = "prefer"
        statements = [{{ actions = {{ set_local_preference = 200, policy_result = "accept_route" }} }}]
        "#
    ))
}

/// RFC 5065: LOCAL_PREF, MED and next hop stay inside the confederation, its members show in segments of their own.
#[test]
fn a_confederation_is_one_system_from_outside() {
    let engine = confederation("med = 5", ", import_policies = [\"prefer\"]");
    assert_eq!(best(&engine, "m1", P), "[200] via 1.1.1.1 med 5 lp 200");
    assert_eq!(best(&engine, "m2", P), "[(65101) 200] via 1.1.1.1 med 5 lp 200");
    // From m1 itself, and by m2.
    assert_eq!(best(&engine, "m2b", P), "[(65101) 200] via 1.1.1.1 med 5 lp 200");
    assert_eq!(best(&engine, "out", P), "[100 200] via 4.4.4.4");
}

#[test]
fn a_confederation_sees_its_loops_by_member() {
    let engine = confederation("", "");
    // m2b sends it to m1, whose member number is in front.
    assert_eq!(not_sent(&engine, "p", "m2b", P), Some(NotSent::BackToSender));
    let mut engine = confederation("", "");
    engine.apply(&[BgpChange::SessionDown("m".into())]).unwrap();
    assert_eq!(best(&engine, "m2", P), "[(65101) 200] via 1.1.1.1 lp 100");
    let looped = confederation("as_path = \"65102\"", "");
    assert_eq!(
        looped.not_accepted(&"m".into(), &"m2".into(), &P.parse().unwrap()),
        Some(NotAccepted::Refused(Refusal::OwnAs))
    );
    let whole = confederation("as_path = \"100\"", "");
    assert_eq!(path(&whole, "m1", P), "none", "the confederation's number is an own one");
}

#[test]
fn communities_stop_at_the_borders_of_a_confederation_and_its_members() {
    let inside = confederation("communities = [\"no-export\"]", "");
    assert_eq!(path(&inside, "m2b", P), "(65101) 200");
    assert_eq!(
        not_sent(&inside, "o", "m2b", P).unwrap().to_string(),
        "its route carries the community no-export"
    );
    let member = confederation("communities = [\"no-export-subconfed\"]", "");
    assert_eq!(path(&member, "m1", P), "200");
    assert_eq!(path(&member, "m2", P), "none");
    let nobody = confederation("communities = [\"no-advertise\"]", "");
    assert_eq!(path(&nobody, "m2", P), "none");
}

#[test]
fn an_aggregate_inside_a_confederation_names_no_member() {
    let text = r#"
        speakers = [
            { id = "m1", asn = 65101, router_id = "1.1.1.1", confederation = { identifier = 100 }, originate = [{ prefixes = ["10.0.0.0/24"], attributes = { as_path = "7" } }] },
            { id = "m2", asn = 65102, router_id = "2.2.2.2", confederation = { identifier = 100 }, aggregates = [{ prefix = "10.0.0.0/16", as_set = true }] },
            { id = "out", asn = 300 },
        ]
        sessions = [
            { id = "m", a = { speaker = "m1" }, b = { speaker = "m2" } },
            { id = "o", a = { speaker = "m2" }, b = { speaker = "out" } },
        ]
    "#;
    let engine = build(text);
    let out = engine.best(&"out".into(), &"10.0.0.0/16".parse().unwrap()).unwrap().attributes;
    assert_eq!(out.as_path.to_string(), "100 7");
    assert_eq!(out.aggregator.unwrap().asn.0, 100);
}

// ---- what enters BGP ----

#[test]
fn connected_and_static_routes_are_taken_over() {
    let text = r#"
        [[speakers]]
        id = "a"
        asn = 65001
        interfaces = [{ address = "10.1.0.1/24" }, { address = "10.2.0.1/24" }]
        static_routes = [{ prefix = "10.3.0.0/24", next_hop = { address = "10.1.0.9" } }]
        redistribute = [{ protocol = "connected", policies = ["pick"] }, { protocol = "static" }]
        [[speakers]]
        id = "b"
        asn = 65002
        [[sessions]]
        id = "ab"
        a.speaker = "a"
        b.speaker = "b"
        [routing_policy]
        prefix_sets = [{ name = "first", prefixes = [{ prefix = "10.1.0.0/24" }] }]
        [[routing_policy.policy_definitions]]
        name = "pick"
        [[routing_policy.policy_definitions.statements]]
        conditions = { match_prefix_set = { set = "first" }, source_protocol = "connected" }
        actions = { set_med = 20, policy_result = "accept_route" }
        [[routing_policy.policy_definitions.statements]]
        actions = { policy_result = "reject_route" }
    "#;
    let engine = build(text);
    let b = |prefix: &str| engine.best(&"b".into(), &prefix.parse().unwrap()).map(|r| r.attributes.clone());
    let first = b("10.1.0.0/24").unwrap();
    assert_eq!((first.med, format!("{:?}", first.origin)), (Some(20), "Incomplete".to_owned()));
    assert!(b("10.2.0.0/24").is_none());
    assert_eq!(b("10.3.0.0/24").unwrap().as_path.to_string(), "65001");
}

/// Two systems behind `b`, which aggregates them.
fn aggregate(aggregate: &str) -> Engine {
    build(&format!(
        r#"
        speakers = [
            {{ id = "x", asn = 65001, originate = [{{ prefixes = ["10.0.0.0/24"], attributes = {{ as_path = "7 8", communities = ["1:1"] }} }}] }},
            {{ id = "y", asn = 65002, originate = [{{ prefixes = ["10.0.1.0/24"], attributes = {{ as_path = "7", origin = "incomplete", communities = ["1:2"] }} }}] }},
            {{ id = "b", asn = 65003, router_id = "3.3.3.3", aggregates = [{{ prefix = "10.0.0.0/16" {aggregate} }}] }},
            {{ id = "c", asn = 65004 }},
        ]
        sessions = [
            {{ id = "x", a = {{ speaker = "x" }}, b = {{ speaker = "b" }} }},
            {{ id = "y", a = {{ speaker = "y" }}, b = {{ speaker = "b" }} }},
            {{ id = "bc", a = {{ speaker = "b" }}, b = {{ speaker = "c" }} }},
        ]
        [routing_policy]
        prefix_sets = [{{ name = "first", prefixes = [{{ prefix = "10.0.0.0/24" }}] }}]
        [[routing_policy.policy_definitions]]
        name = "first"
        statements = [{{ conditions = {{ match_prefix_set = {{ set = "first" }} }}, actions = {{ policy_result = "accept_route" }} }}]
        [[routing_policy.policy_definitions]]
        name = "mark"
        statements = [{{ actions = {{ set_med = 9, set_communities = [{{ option = "add", communities = ["3:3"] }}], policy_result = "accept_route" }} }}]
        "#
    ))
}

const SUM: &str = "10.0.0.0/16";

/// RFC 4271 section 9.2.2.2.
#[test]
fn an_aggregate_without_a_set_is_atomic() {
    let engine = aggregate("");
    let sum = engine.best(&"c".into(), &SUM.parse().unwrap()).unwrap().attributes;
    assert_eq!(sum.as_path.to_string(), "65003");
    assert!(sum.atomic_aggregate);
    assert_eq!(format!("{:?}", sum.origin), "Incomplete", "the worst of its parts");
    let aggregator = sum.aggregator.unwrap();
    assert_eq!((aggregator.asn.0, aggregator.address.to_string()), (65003, "3.3.3.3".to_owned()));
    assert_eq!(path(&engine, "c", P), "65003 65001 7 8", "its parts are sent too");
}

#[test]
fn an_aggregate_with_a_set_names_all_systems() {
    let engine = aggregate(", as_set = true");
    let sum = engine.best(&"c".into(), &SUM.parse().unwrap()).unwrap().attributes;
    assert_eq!(sum.as_path.to_string(), "65003 {7 8 65001 65002}");
    assert!(!sum.atomic_aggregate);
    assert_eq!(join(sum.communities.standard()), "1:1 1:2");
    assert_eq!(path(&engine, "x", SUM), "none", "its own number is in the set");
}

#[test]
fn an_aggregate_can_hide_all_of_its_parts_or_some() {
    let all = aggregate(", summary_only = true");
    assert_eq!(not_sent(&all, "bc", "b", P), Some(NotSent::Suppressed));
    assert_eq!(path(&all, "c", "10.0.1.0/24"), "none");
    assert_eq!(path(&all, "b", P), "65001 7 8", "it keeps them itself");
    let some = aggregate(", suppress = [\"first\"]");
    assert_eq!(path(&some, "c", P), "none");
    assert_eq!(path(&some, "c", "10.0.1.0/24"), "65003 65002 7");
}

#[test]
fn an_aggregate_gets_attributes_by_policy() {
    let engine = aggregate(", attributes = [\"mark\"]");
    let sum = engine.best(&"c".into(), &SUM.parse().unwrap()).unwrap().attributes;
    assert_eq!((sum.med, join(sum.communities.standard())), (Some(9), "3:3".to_owned()));
}

#[test]
fn an_aggregate_follows_its_parts() {
    let mut engine = aggregate(", as_set = true");
    engine.apply(&[BgpChange::SessionDown("y".into())]).unwrap();
    assert_eq!(path(&engine, "c", SUM), "65003 65001 7 8");
    engine.apply(&[BgpChange::SessionDown("x".into())]).unwrap();
    assert_eq!(path(&engine, "c", SUM), "none");
}

// ---- next hops that resolve, or do not ----

/// `b` gets a route with a next hop of the announcing system's choice.
fn resolves(b: &str, next_hop: &str) -> String {
    let policy = format!(
        r#"
        [[routing_policy.policy_definitions]]
        name = "hop"
        statements = [{{ actions = {{ set_next_hop = "{next_hop}", policy_result = "accept_route" }} }}]
        "#
    );
    path(&build(&line("", b, ", import_policies = [\"hop\"]", "", "", &policy)), "b", P)
}

#[test]
fn next_hops_resolve_by_interfaces_and_static_routes() {
    let interface = r#"interfaces = [{ address = "192.0.2.1/24" }]"#;
    assert_eq!(resolves("", "192.0.2.9"), "none");
    assert_eq!(resolves(&format!(", {interface}"), "192.0.2.9"), "65001");
    let by = |routes: &str| resolves(&format!(", {interface}, static_routes = [{routes}]"), "203.0.113.1");
    assert_eq!(by(""), "none");
    assert_eq!(by(r#"{ prefix = "203.0.113.0/24", next_hop = { address = "192.0.2.9" } }"#), "65001");
    // By another static route in turn.
    assert_eq!(
        by(
            r#"{ prefix = "203.0.113.0/24", next_hop = { address = "198.51.100.1" } }, { prefix = "198.51.100.0/24", next_hop = { address = "192.0.2.9" } }"#
        ),
        "65001"
    );
    // The longest decides, even where it leads nowhere.
    assert_eq!(
        by(
            r#"{ prefix = "203.0.113.0/24", next_hop = { address = "192.0.2.9" } }, { prefix = "203.0.113.1/32", next_hop = "discard" }"#
        ),
        "none"
    );
    // In a circle.
    assert_eq!(
        by(
            r#"{ prefix = "203.0.113.0/24", next_hop = { address = "198.51.100.1" } }, { prefix = "198.51.100.0/24", next_hop = { address = "203.0.113.1" } }"#
        ),
        "none"
    );
}

#[test]
fn what_does_not_resolve_is_not_chosen_where_that_is_looked_at() {
    let unresolved = |profile: &str| {
        let engine = build(&format!(
            r#"
            speakers = [
                {{ id = "short", asn = 65001, originate = [{{ prefixes = ["10.0.0.0/24"] }}] }},
                {{ id = "long", asn = 65002, originate = [{{ prefixes = ["10.0.0.0/24"], attributes = {{ as_path = "7 8" }} }}] }},
                {{ id = "b", asn = 65003, profile = "{profile}" }},
            ]
            sessions = [
                {{ id = "1", a = {{ speaker = "short" }}, b = {{ speaker = "b", import_policies = ["hop"] }} }},
                {{ id = "2", a = {{ speaker = "long" }}, b = {{ speaker = "b", ebgp_requires_policy = false }} }},
            ]
            [[routing_policy.policy_definitions]]
            name = "hop"
            statements = [{{ actions = {{ set_next_hop = "203.0.113.1", policy_result = "accept_route" }} }}]
            "#
        ));
        path(&engine, "b", P)
    };
    assert_eq!(unresolved("frr-8"), "65002 7 8");
    assert_eq!(unresolved("bird-2"), "65002 7 8");
    assert_eq!(unresolved("gobgp-3"), "65001");
}

/// A square of links; `n` hears of two ways out.
const SQUARE: &str = r#"
    speakers = [
        { id = "x", asn = 65001, router_id = "1.0.0.1", originate = [{ prefixes = ["10.0.0.0/24"] }] },
        { id = "y", asn = 65002, router_id = "1.0.0.2", originate = [{ prefixes = ["10.0.0.0/24"] }] },
        { id = "e1", asn = 65000, router_id = "1.0.0.3" },
        { id = "e2", asn = 65000, router_id = "1.0.0.4" },
        { id = "n", asn = 65000, router_id = "1.0.0.5" },
        { id = "o", asn = 65009, router_id = "1.0.0.6" },
    ]
    links = [
        { id = "n1", a = "n", b = "e1", cost = 10 },
        { id = "n2", a = "n", b = "e2", cost = 20 },
        { id = "12", a = "e1", b = "e2", cost = 5 },
    ]
    sessions = [
        { id = "x", a = { speaker = "x" }, b = { speaker = "e1" } },
        { id = "y", a = { speaker = "y" }, b = { speaker = "e2" } },
        { id = "1", a = { speaker = "e1" }, b = { speaker = "n" } },
        { id = "2", a = { speaker = "e2" }, b = { speaker = "n" } },
        { id = "o", a = { speaker = "n", export_policies = ["cost"] }, b = { speaker = "o" } },
    ]
    [[routing_policy.policy_definitions]]
    name = "cost"
    statements = [{ actions = { set_med = "igp", policy_result = "accept_route" } }]
"#;

#[test]
fn costs_decide_and_follow_the_links() {
    let mut engine = build(SQUARE);
    let costs = |engine: &Engine| {
        let routes = engine.routes(&"n".into(), &P.parse().unwrap()).unwrap();
        routes.entries.iter().map(|e| e.igp_cost).collect::<Vec<_>>()
    };
    assert_eq!(path(&engine, "n", P), "65001");
    assert_eq!(costs(&engine), [Some(10), Some(15)]);
    engine.apply(&[BgpChange::LinkDown("n1".into())]).unwrap();
    assert_eq!(path(&engine, "n", P), "65002");
    assert_eq!(costs(&engine), [Some(25), Some(20)]);
    engine.apply(&[BgpChange::LinkDown("n2".into())]).unwrap();
    assert_eq!(path(&engine, "n", P), "none");
    assert_eq!(costs(&engine), [None, None]);
    engine.apply(&[BgpChange::LinkUp("n1".into()), BgpChange::LinkUp("n2".into())]).unwrap();
    assert_eq!(path(&engine, "n", P), "65001");
}

/// A MED taken from the cost follows it, though the route sent stays the same.
#[test]
fn a_med_of_the_cost_follows_the_links() {
    let mut engine = build(SQUARE);
    assert_eq!(best(&engine, "o", P), "[65000 65001] via 1.0.0.5 med 10");
    engine.apply(&[BgpChange::SessionDown("2".into())]).unwrap();
    engine.apply(&[BgpChange::LinkDown("n1".into())]).unwrap();
    assert_eq!(best(&engine, "o", P), "[65000 65001] via 1.0.0.5 med 25");
}

// ---- families ----

#[test]
fn a_session_carries_the_families_it_is_told_to() {
    let text = |families: &str| {
        format!(
            r#"
        speakers = [
            {{ id = "a", asn = 65001, router_id = "1.1.1.1", originate = [{{ prefixes = ["10.0.0.0/24", "2001:db8:a::/48"] }}] }},
            {{ id = "b", asn = 65002 }},
        ]
        [[sessions]]
        id = "ab"
        a = {{ speaker = "a", addresses = ["192.0.2.1", "2001:db8::1"] }}
        b = {{ speaker = "b", addresses = ["192.0.2.2", "2001:db8::2"] }}
        {families}
        "#
        )
    };
    let both = build(&text(""));
    assert_eq!(best(&both, "b", P), "[65001] via 192.0.2.1");
    assert_eq!(best(&both, "b", "2001:db8:a::/48"), "[65001] via 2001:db8::1");
    let v6 = build(&text("families = [\"ipv6_unicast\"]"));
    assert_eq!(best(&v6, "b", P), "none");
    assert_eq!(not_sent(&v6, "ab", "a", P), Some(NotSent::Family));
    assert_eq!(best(&v6, "b", "2001:db8:a::/48"), "[65001] via 2001:db8::1");
}

#[test]
fn without_ipv6_addresses_next_hops_are_mapped() {
    let engine = build(&line("", "", "", "", "", "").replace("\"10.0.0.0/24\"", "\"2001:db8:a::/48\""));
    assert_eq!(best(&engine, "c", "2001:db8:a::/48"), "[65002 65001] via ::ffff:2.2.2.2");
}

/// FRR adds the local preference before the export policy, which may add to it.
#[test]
fn a_sum_on_export_starts_from_the_preference_that_is_sent() {
    let policy = r#"
        [[routing_policy.policy_definitions]]
        name = "more"
        statements = [{ actions = { set_local_preference = "+10", policy_result = "accept_route" } }]
    "#;
    let text = line(
        "",
        ", profile = \"frr-8\"",
        ", ebgp_requires_policy = false",
        ", export_policies = [\"more\"]",
        "",
        policy,
    );
    let engine = build(&text.replace("asn = 65003", "asn = 65002"));
    assert_eq!(best(&engine, "c", P), "[65001] via 1.1.1.1 lp 110");
}
