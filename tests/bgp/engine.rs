//! The BGP engine on small designs: what is sent, what is kept, what changes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use azroute::bgp::{BgpChange, Engine, Stage};
use azroute::model::bgp::{BgpDesign, Community};

fn design(text: &str) -> BgpDesign {
    toml::from_str(text).unwrap()
}

fn path(engine: &Engine, speaker: &str, prefix: &str) -> Option<String> {
    let best = engine.best(&speaker.into(), &prefix.parse().unwrap())?;
    Some(best.attributes.as_path.to_string())
}

const CHAIN: &str = r#"
    [[speakers]]
    id = "a"
    asn = 65001
    originate = [{ prefixes = ["10.0.0.0/24", "10.0.1.0/24"] }, { prefixes = ["10.0.2.0/24"], attributes = { communities = ["no-export"] } }]
    [[speakers]]
    id = "b"
    asn = 65002
    [[speakers]]
    id = "c"
    asn = 65003
    [[sessions]]
    id = "ab"
    a.speaker = "a"
    b.speaker = "b"
    [[sessions]]
    id = "bc"
    a.speaker = "b"
    b.speaker = "c"
"#;

#[test]
fn a_chain_of_systems_prepends_each() {
    let engine = Engine::build(&design(CHAIN)).unwrap();
    assert_eq!(path(&engine, "c", "10.0.0.0/24").unwrap(), "65002 65001");
    assert_eq!(path(&engine, "a", "10.0.2.0/24").unwrap(), "");
    assert_eq!(path(&engine, "b", "10.0.2.0/24"), None, "NO_EXPORT");
    assert_eq!(engine.statistics().groups, 2);
    let sent = engine.adj_rib_out(&"bc".into(), &"b".into(), Stage::PostPolicy);
    let received = engine.adj_rib_in(&"bc".into(), &"c".into(), Stage::PrePolicy);
    assert_eq!(sent, received);
    assert_eq!(sent.len(), 2);
}

#[test]
fn a_lost_session_withdraws_and_returns() {
    let before = Engine::build(&design(CHAIN)).unwrap();
    let mut engine = before.clone();
    engine.apply(&[BgpChange::SessionDown("ab".into())]).unwrap();
    assert_eq!(path(&engine, "c", "10.0.0.0/24"), None);
    engine.apply(&[BgpChange::SessionUp("ab".into())]).unwrap();
    let rib =
        |e: &Engine| e.loc_rib(&"c".into()).map(|r| (r.prefix, r.attributes.clone())).collect::<Vec<_>>();
    assert_eq!(rib(&engine), rib(&before));
    engine.apply(&[BgpChange::Withdraw("a".into(), vec!["10.0.1.0/24".parse().unwrap()])]).unwrap();
    assert_eq!(path(&engine, "c", "10.0.1.0/24"), None);
    assert_eq!(path(&engine, "c", "10.0.0.0/24").unwrap(), "65002 65001");
}

/// RFC 4456: reflectors pass routes of clients on, with originator and cluster list; plain internal peers do not.
#[test]
fn reflectors_reflect_and_plain_peers_do_not() {
    let text = r#"
        speakers = [
            { id = "rr", asn = 65000, router_id = "1.1.1.1" },
            { id = "c1", asn = 65000, router_id = "2.2.2.2", originate = [{ prefixes = ["10.1.0.0/16"] }] },
            { id = "c2", asn = 65000, router_id = "3.3.3.3" },
        ]
        sessions = [
            { id = "1", a = { speaker = "rr", route_reflector_client = true }, b = { speaker = "c1" } },
            { id = "2", a = { speaker = "rr" }, b = { speaker = "c2" } },
        ]
    "#;
    let engine = Engine::build(&design(text)).unwrap();
    let best = engine.best(&"c2".into(), &"10.1.0.0/16".parse().unwrap()).unwrap();
    assert_eq!(best.attributes.originator_id, Some("2.2.2.2".parse().unwrap()));
    assert_eq!(best.attributes.cluster_list.ids(), ["1.1.1.1".parse::<std::net::Ipv4Addr>().unwrap()]);
    assert_eq!(best.attributes.next_hop, Some("2.2.2.2".parse().unwrap()));
    let plain = text.replace(", route_reflector_client = true", "");
    assert_eq!(path(&Engine::build(&design(&plain)).unwrap(), "c2", "10.1.0.0/16"), None);
}

#[test]
fn policies_work_on_import_and_export() {
    let text = r#"
        speakers = [
            { id = "a", asn = 65001, originate = [{ prefixes = ["10.0.0.0/24", "10.0.1.0/24"] }] },
            { id = "b", asn = 65002 },
        ]
        [[sessions]]
        id = "ab"
        a = { speaker = "a", export_policies = ["out"] }
        b = { speaker = "b", import_policies = ["in"] }
        [routing_policy]
        prefix_sets = [{ name = "first", prefixes = [{ prefix = "10.0.0.0/24" }] }]
        [[routing_policy.policy_definitions]]
        name = "out"
        statements = [
            { conditions = { match_prefix_set = { set = "first" } }, actions = { set_communities = [{ option = "add", communities = ["65001:7"] }] } },
            { actions = { policy_result = "accept_route" } },
        ]
        [[routing_policy.policy_definitions]]
        name = "in"
        statements = [{ actions = { set_local_preference = 150, policy_result = "accept_route" } }]
    "#;
    let engine = Engine::build(&design(text)).unwrap();
    let best = |prefix: &str| engine.best(&"b".into(), &prefix.parse().unwrap()).unwrap().attributes.clone();
    assert!(best("10.0.0.0/24").communities.contains(Community::new(65001, 7)));
    assert!(!best("10.0.1.0/24").communities.contains(Community::new(65001, 7)));
    assert_eq!(best("10.0.1.0/24").local_preference, Some(150));
    assert_eq!(engine.statistics().groups, 2);
}

#[test]
fn an_aggregate_stands_for_what_is_inside() {
    let text = r#"
        speakers = [
            { id = "a", asn = 65001, originate = [{ prefixes = ["10.0.0.0/24", "10.0.1.0/24"] }] },
            { id = "b", asn = 65002, aggregates = [{ prefix = "10.0.0.0/16", summary_only = true, as_set = true }] },
            { id = "c", asn = 65003 },
        ]
        sessions = [
            { id = "ab", a = { speaker = "a" }, b = { speaker = "b" } },
            { id = "bc", a = { speaker = "b" }, b = { speaker = "c" } },
        ]
    "#;
    let mut engine = Engine::build(&design(text)).unwrap();
    assert_eq!(path(&engine, "c", "10.0.0.0/16").unwrap(), "65002 65001");
    assert_eq!(path(&engine, "c", "10.0.0.0/24"), None);
    assert_eq!(path(&engine, "a", "10.0.0.0/16"), None, "its own number is in the path");
    engine.apply(&[BgpChange::SessionDown("ab".into())]).unwrap();
    assert_eq!(path(&engine, "c", "10.0.0.0/16"), None, "nothing inside is left");
}

#[test]
fn a_prefix_limit_takes_the_session_down() {
    let limited = CHAIN.replace("b.speaker = \"b\"", "b = { speaker = \"b\", prefix_limit = 1 }");
    let mut engine = Engine::build(&design(&limited)).unwrap();
    assert_eq!(path(&engine, "b", "10.0.0.0/24"), None);
    assert_eq!(engine.over_limit().map(|s| s.as_str()).collect::<Vec<_>>(), ["ab"]);
    engine.apply(&[BgpChange::Withdraw("a".into(), vec!["10.0.1.0/24".parse().unwrap()])]).unwrap();
    assert_eq!(path(&engine, "c", "10.0.0.0/24").unwrap(), "65002 65001");
}

/// Neighbours that are told alike are told together, save the one that the route came from or speaks of.
#[test]
fn what_neighbours_share_is_refused_by_whom_it_names() {
    let text = r#"
        speakers = [
            { id = "hub", asn = 65000 },
            { id = "a", asn = 65001, originate = [{ prefixes = ["10.1.0.0/16"], attributes = { as_path = "64500 65002" } }] },
            { id = "b", asn = 65002 },
            { id = "c", asn = 65003 },
            { id = "d", asn = 65004 },
            { id = "client-1", asn = 65000, originate = [{ prefixes = ["10.2.0.0/16"] }] },
            { id = "client-2", asn = 65000 },
            { id = "client-3", asn = 65000 },
        ]
        sessions = [
            { id = "a", a = { speaker = "hub" }, b = { speaker = "a" } },
            { id = "b", a = { speaker = "hub" }, b = { speaker = "b" } },
            { id = "c", a = { speaker = "hub" }, b = { speaker = "c" } },
            { id = "d", a = { speaker = "hub" }, b = { speaker = "d" } },
            { id = "1", a = { speaker = "hub", route_reflector_client = true }, b = { speaker = "client-1" } },
            { id = "1-again", a = { speaker = "hub", route_reflector_client = true }, b = { speaker = "client-1" } },
            { id = "2", a = { speaker = "hub", route_reflector_client = true }, b = { speaker = "client-2" } },
            { id = "3", a = { speaker = "hub", route_reflector_client = true }, b = { speaker = "client-3" } },
        ]
    "#;
    let mut engine = Engine::build(&design(text)).unwrap();
    for (speaker, expected) in
        [("b", None), ("c", Some("65000 65001 64500 65002")), ("client-3", Some("65001 64500 65002"))]
    {
        assert_eq!(path(&engine, speaker, "10.1.0.0/16").as_deref(), expected, "{speaker}");
    }
    assert_eq!(path(&engine, "d", "10.2.0.0/16").unwrap(), "65000");
    assert_eq!(path(&engine, "client-3", "10.2.0.0/16").unwrap(), "");
    for session in ["1", "1-again"] {
        let received = engine.adj_rib_in(&session.into(), &"client-1".into(), Stage::PostPolicy);
        assert!(received.iter().all(|r| r.prefix.to_string() != "10.2.0.0/16"), "its own");
    }
    engine.apply(&[BgpChange::SessionDown("a".into()), BgpChange::SessionDown("2".into())]).unwrap();
    assert_eq!(path(&engine, "c", "10.1.0.0/16"), None);
    assert_eq!(path(&engine, "client-2", "10.2.0.0/16"), None);
    assert_eq!(path(&engine, "client-3", "10.2.0.0/16").unwrap(), "");
}
