//! Faults that the engine had, each in the smallest design that shows it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use azroute::bgp::{BgpChange, Engine, NotSent, Stage};
use azroute::model::bgp::{AddPath, BgpDesign, BgpSession, Community, DefaultOriginate, PathAttributes};

fn build(text: &str) -> Engine {
    Engine::build(&toml::from_str(text).unwrap()).unwrap()
}

fn best(engine: &Engine, speaker: &str, prefix: &str) -> Option<PathAttributes> {
    engine.best(&speaker.into(), &prefix.parse().unwrap()).map(|route| route.attributes.clone())
}

/// Nothing is received where there are no sessions; what is announced stands all the same.
#[test]
fn a_speaker_alone_has_its_own_routes() {
    let engine = build(r#"speakers = [{ id = "a", asn = 1, originate = [{ prefixes = ["10.0.0.0/8"] }] }]"#);
    assert!(best(&engine, "a", "10.0.0.0/8").is_some());
}

/// The second prefix of a block took the attributes that the block's policy gave to the first.
#[test]
fn a_policy_on_entry_tells_the_prefixes_of_a_block_apart() {
    let engine = build(
        r#"
        speakers = [{ id = "a", asn = 1, originate = [{ prefixes = ["10.0.0.0/24", "10.0.1.0/24"], policies = ["mark"] }] }]
        [routing_policy]
        prefix_sets = [{ name = "first", prefixes = [{ prefix = "10.0.0.0/24" }] }]
        [[routing_policy.policy_definitions]]
        name = "mark"
        statements = [{ conditions = { match_prefix_set = { set = "first" } }, actions = { set_communities = [{ option = "add", communities = ["1:1"] }] } }]
        "#,
    );
    let marked = |prefix| best(&engine, "a", prefix).unwrap().communities.contains(Community::new(1, 1));
    assert!(marked("10.0.0.0/24") && !marked("10.0.1.0/24"));
}

/// A MED that is the cost of the next hop follows the cost, though the best route stays.
#[test]
fn a_changed_cost_is_sent_on() {
    let mut engine = build(
        r#"
        speakers = [
            { id = "x", asn = 1, router_id = "1.0.0.1", originate = [{ prefixes = ["10.0.0.0/8"] }] },
            { id = "e", asn = 2, router_id = "1.0.0.2" },
            { id = "f", asn = 2, router_id = "1.0.0.3" },
            { id = "y", asn = 3, router_id = "1.0.0.4" },
        ]
        sessions = [
            { id = "xe", a = { speaker = "x" }, b = { speaker = "e" } },
            { id = "ef", a = { speaker = "e" }, b = { speaker = "f" } },
            { id = "fy", a = { speaker = "f", export_policies = ["cost"] }, b = { speaker = "y" } },
        ]
        links = [{ id = "near", a = "e", b = "f", cost = 3 }, { id = "far", a = "e", b = "f", cost = 8 }]
        [[routing_policy.policy_definitions]]
        name = "cost"
        statements = [{ actions = { set_med = "igp", policy_result = "accept_route" } }]
        "#,
    );
    assert_eq!(best(&engine, "y", "10.0.0.0/8").unwrap().med, Some(3));
    engine.apply(&[BgpChange::LinkDown("near".into())]).unwrap();
    assert_eq!(best(&engine, "y", "10.0.0.0/8").unwrap().med, Some(8));
}

/// A default route is made for a neighbour that takes several routes too: once, and without one to start from.
#[test]
fn a_default_is_made_once_where_several_routes_go() {
    let mut design: BgpDesign =
        toml::from_str(r#"speakers = [{ id = "a", asn = 1 }, { id = "b", asn = 2 }]"#).unwrap();
    let mut session = BgpSession::new("ab", "a", "b");
    session.a.default_originate = Some(DefaultOriginate::default());
    session.a.add_path = AddPath { send: 3, receive: false };
    session.b.add_path.receive = true;
    design.sessions.push(session);
    let engine = Engine::build(&design).unwrap();
    assert_eq!(best(&engine, "b", "0.0.0.0/0").unwrap().as_path.to_string(), "1");
    let kept = engine.adj_rib_in(&"ab".into(), &"b".into(), Stage::PostPolicy);
    assert_eq!(kept.iter().filter(|p| p.prefix.addr().is_ipv4()).count(), 1);
    assert_eq!(engine.not_sent(&"ab".into(), &"a".into(), &"0.0.0.0/0".parse().unwrap()), None);
    let back = engine.not_sent(&"ab".into(), &"b".into(), &"0.0.0.0/0".parse().unwrap());
    assert_eq!(back, Some(NotSent::BackToSender));
}

/// Numbers of members stay in confederation segments when paths are summed up, and so inside (RFC 5065 section 5).
#[test]
fn an_aggregate_does_not_tell_of_confederation_members() {
    let engine = build(
        r#"
        speakers = [
            { id = "a", asn = 65001, confederation = { identifier = 100 }, originate = [{ prefixes = ["10.0.0.0/24"] }] },
            { id = "b", asn = 65002, confederation = { identifier = 100 }, originate = [{ prefixes = ["10.0.1.0/24"] }] },
            { id = "c", asn = 65003, confederation = { identifier = 100 }, aggregates = [{ prefix = "10.0.0.0/23", as_set = true }] },
            { id = "y", asn = 200 },
        ]
        sessions = [
            { id = "ac", a = { speaker = "a" }, b = { speaker = "c" } },
            { id = "bc", a = { speaker = "b" }, b = { speaker = "c" } },
            { id = "cy", a = { speaker = "c" }, b = { speaker = "y" } },
        ]
        "#,
    );
    assert_eq!(best(&engine, "c", "10.0.0.0/23").unwrap().as_path.to_string(), "[65001 65002]");
    assert_eq!(best(&engine, "y", "10.0.0.0/23").unwrap().as_path.to_string(), "100");
}

/// BIRD chooses a route whose next hop does not resolve where there is no other; the view and the table agree on it.
#[test]
fn a_lone_unresolved_route_is_chosen_where_the_profile_says_so() {
    let engine = build(
        r#"
        speakers = [
            { id = "a", asn = 1, originate = [{ prefixes = ["10.0.0.0/8"], attributes = { next_hop = "198.18.0.9" } }] },
            { id = "b", asn = 1, profile = "bird-2" },
        ]
        sessions = [{ id = "ab", a = { speaker = "a" }, b = { speaker = "b" } }]
        "#,
    );
    assert!(best(&engine, "b", "10.0.0.0/8").is_some());
    let rib = engine.routes(&"b".into(), &"10.0.0.0/8".parse().unwrap()).unwrap();
    assert_eq!(rib.best().unwrap().igp_cost, None);
}
