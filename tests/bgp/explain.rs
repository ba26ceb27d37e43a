//! Why a speaker has a route or has none, and its table as routers print it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use azroute::bgp::decision::{Refusal, Step};
use azroute::bgp::{Engine, Explanation, NotAccepted, NotSent, PassRule, PassStep, Standing, WhyAbsent};
use azroute::model::bgp::AddressFamily;

fn build(text: &str) -> Engine {
    Engine::build(&toml::from_str(text).unwrap()).unwrap()
}

fn explain<'e>(engine: &'e Engine, speaker: &str, prefix: &str) -> Explanation<'e> {
    engine.explain(&speaker.into(), &prefix.parse().unwrap()).unwrap()
}

/// An edge router between two upstreams, one with a dead next hop, and a reflector.
const EDGE: &str = r#"
    [[speakers]]
    id = "up-1"
    asn = 65101
    router_id = "192.0.2.1"
    originate = [
        { prefixes = ["10.1.0.0/16"], attributes = { med = 50 } },
        { prefixes = ["10.2.0.0/16", "2001:db8:1::/48", "2001:db8:1234:5678::/64"], attributes = { origin = "incomplete" } },
    ]
    [[speakers]]
    id = "up-2"
    asn = 65101
    router_id = "192.0.2.2"
    originate = [{ prefixes = ["10.1.0.0/16"], attributes = { med = 50 } }, { prefixes = ["10.2.0.0/16"], attributes = { as_path = "65102 {7 8}" } }]
    [[speakers]]
    id = "up-3"
    asn = 65103
    router_id = "192.0.2.3"
    originate = [{ prefixes = ["10.3.0.0/16"], attributes = { origin = "egp" } }]
    [[speakers]]
    id = "edge"
    asn = 65000
    router_id = "10.255.0.1"
    profile = "frr-8"
    originate = [{ prefixes = ["100.64.128.0/17"] }]
    [[speakers]]
    id = "rr"
    asn = 65000
    router_id = "10.255.0.2"
    profile = "bird-2"
    originate = [{ prefixes = ["10.1.0.0/16"], attributes = { as_path = "64999" } }, { prefixes = ["10.4.0.0/16"], attributes = { local_preference = 200 } }]
    [[sessions]]
    id = "1"
    age = 30
    a = { speaker = "up-1", addresses = ["192.0.2.1", "2001:db8:ffff:ffff::1"] }
    b = { speaker = "edge", default_import_policy = "accept_route", export_policies = ["own"] }
    [[sessions]]
    id = "2"
    age = 20
    a = { speaker = "up-2" }
    b = { speaker = "edge", default_import_policy = "accept_route" }
    [[sessions]]
    id = "3"
    age = 10
    a = { speaker = "up-3" }
    b = { speaker = "edge", import_policies = ["dead"], weight = 7 }
    [[sessions]]
    id = "i"
    a = { speaker = "edge", next_hop_self = true }
    b = { speaker = "rr" }
    [routing_policy]
    prefix_sets = [{ name = "own", prefixes = [{ prefix = "100.64.128.0/17" }] }]
    [[routing_policy.policy_definitions]]
    name = "own"
    statements = [{ name = "ours", conditions = { match_prefix_set = { set = "own" } }, actions = { set_as_path_prepend = { repeat = 2 }, policy_result = "accept_route" } }]
    [[routing_policy.policy_definitions]]
    name = "dead"
    statements = [{ actions = { set_next_hop = "203.0.113.250", policy_result = "accept_route" } }]
"#;

const HEADER: &str = "\
BGP table version is 0, local router ID is 10.255.0.1, vrf id 0
Default local pref 100, local AS 65000
Status codes:  s suppressed, d damped, h history, * valid, > best, = multipath,
               i internal, r RIB-failure, S Stale, R Removed
Origin codes:  i - IGP, e - EGP, ? - incomplete

   Network          Next Hop            Metric LocPrf Weight Path
";

#[test]
fn a_table_looks_as_routers_print_it() {
    let engine = build(EDGE);
    let table = engine.show(&"edge".into()).unwrap().to_string();
    let rows = "\
*> 10.1.0.0/16      192.0.2.1               50             0 65101 i
*=                  192.0.2.2               50             0 65101 i
* i                 10.255.0.2                    100      0 64999 i
*> 10.2.0.0/16      192.0.2.1                              0 65101 ?
*                   192.0.2.2                              0 65101 65102 {7,8} i
   10.3.0.0/16      203.0.113.250                          7 65103 e
*>i10.4.0.0/16      10.255.0.2                    200      0 i
*> 100.64.128.0/17  0.0.0.0                            32768 i
*> 2001:db8:1::/48  2001:db8:ffff:ffff::1
                                                           0 65101 ?
*> 2001:db8:1234:5678::/64
                    2001:db8:ffff:ffff::1
                                                           0 65101 ?

Displayed  7 routes and 10 total paths
";
    assert_eq!(table, format!("{HEADER}{rows}"));
    assert!(engine.show(&"nobody".into()).is_none());
}

#[test]
fn a_table_of_one_family_or_of_what_is_inside_a_prefix() {
    let engine = build(EDGE);
    let edge = || engine.show(&"edge".into()).unwrap();
    let v6 = edge().family(AddressFamily::Ipv6Unicast).to_string();
    assert!(v6.ends_with("Displayed  2 routes and 2 total paths\n"), "{v6}");
    let inside = edge().inside("10.2.0.0/15".parse().unwrap()).to_string();
    assert!(inside.ends_with("Displayed  2 routes and 3 total paths\n"), "{inside}");
    assert!(!inside.contains("10.1.0.0"), "{inside}");
}

#[test]
fn an_explanation_reads_back_to_where_the_route_entered() {
    let engine = build(EDGE);
    let expected = "\
10.2.0.0/16 at `rr`, from `up-1`
`rr`, AS 65000
  > from `edge` over `i`: path 65101 ?, next hop 10.255.0.1, local preference 100; best
    `edge` sends it over `i`:
        inside there is a local preference: local_preference none -> 100
        own address as next hop: next_hop 192.0.2.1 -> 10.255.0.1
      on the way: path 65101 ?, next hop 10.255.0.1, local preference 100
`edge`, AS 65000
  > from `up-1` over `1`: path 65101 ?, next hop 192.0.2.1; best
    from `up-2` over `2`: path 65101 65102 {7 8} i, next hop 192.0.2.2; lost by AS path length to the one from `up-1` over `1`
    none from `up-3` over `3`; not sent: it has no route
    none from `rr` over `i`; not sent: its route came over this session
    `up-1` sends it over `1`:
        own address as next hop: next_hop none -> 192.0.2.1
        own AS in front: as_path none -> 65101
      on the way: path 65101 ?, next hop 192.0.2.1
`up-1`, AS 65101
  > announced here: path ?, weight 0; best
    none from `edge` over `1`; not sent: the export policy rejects it
        policy `own`, statement `ours`: match_prefix_set `own` does not hold
";
    assert_eq!(explain(&engine, "rr", "10.2.0.0/16").to_string(), expected);
}

#[test]
fn every_candidate_says_where_it_lost_and_to_whom() {
    let engine = build(EDGE);
    let explanation = explain(&engine, "edge", "10.1.0.0/16");
    let standings: Vec<Standing> = explanation.places[0].rib.entries.iter().map(|e| e.standing).collect();
    assert_eq!(
        standings,
        [Standing::Best, Standing::Multipath, Standing::Lost { step: Step::PeerType, to: 0 }]
    );
    assert_eq!(explanation.places[0].route, Some(0));
    let dead = explain(&engine, "edge", "10.3.0.0/16");
    assert_eq!(dead.places.len(), 1, "nothing is used");
    assert_eq!(dead.places[0].rib.entries[0].standing, Standing::Lost { step: Step::Unresolved, to: 0 });
    assert!(dead.to_string().contains("which cannot be reached; not usable: next hop"), "{dead}");
}

/// What each neighbour's absence is put down to.
fn absences(engine: &Engine, speaker: &str, prefix: &str) -> Vec<(String, WhyAbsent)> {
    let explanation = explain(engine, speaker, prefix);
    let absent = &explanation.places[0].absent;
    absent.iter().map(|a| (a.session.to_string(), a.why)).collect()
}

#[test]
fn what_is_missing_has_a_reason_at_each_neighbour() {
    let not_sent = |session: &str, why| (session.to_owned(), WhyAbsent::NotSent(why));
    let mut engine = build(EDGE);
    assert_eq!(
        absences(&engine, "edge", "10.2.0.0/16"),
        [not_sent("3", NotSent::Nothing), not_sent("i", NotSent::BackToSender)]
    );
    assert_eq!(absences(&engine, "up-2", "100.64.128.0/17"), [not_sent("2", NotSent::PolicyMissing)]);
    assert_eq!(absences(&engine, "up-1", "10.4.0.0/16"), [not_sent("1", NotSent::Policy)]);
    // Nobody ever heard of it.
    assert_eq!(absences(&engine, "rr", "172.16.0.0/12"), [not_sent("i", NotSent::Nothing)]);
    engine.apply(&[azroute::bgp::BgpChange::SessionDown("i".into())]).unwrap();
    assert_eq!(absences(&engine, "rr", "100.64.128.0/17"), [not_sent("i", NotSent::SessionDown)]);
    let text = explain(&engine, "rr", "100.64.128.0/17").to_string();
    let expected = "\
100.64.128.0/17 at `rr`: no route
`rr`, AS 65000
    none from `edge` over `i`; not sent: the session is down
";
    assert_eq!(text, expected);
}

#[test]
fn what_is_refused_shows_how_far_it_came() {
    let text =
        EDGE.replace("b = { speaker = \"rr\" }", "b = { speaker = \"rr\", import_policies = [\"own\"] }");
    let engine = build(&text);
    let explanation = explain(&engine, "rr", "10.2.0.0/16");
    let absence = &explanation.places[0].absent[0];
    assert_eq!(absence.why, WhyAbsent::NotAccepted(NotAccepted::Policy));
    let [PassStep::Statement(statement)] = absence.steps.as_slice() else { unreachable!() };
    assert_eq!(statement.statement.as_deref(), Some("ours"));
    let looped = build(&EDGE.replace("as_path = \"65102 {7 8}\"", "as_path = \"65000\""));
    let absent = absences(&looped, "edge", "10.2.0.0/16");
    assert!(absent.contains(&("2".to_owned(), WhyAbsent::NotAccepted(NotAccepted::Refused(Refusal::OwnAs)))));
}

#[test]
fn a_made_default_route_ends_at_its_maker() {
    let text = r#"
        speakers = [{ id = "a", asn = 65001 }, { id = "b", asn = 65002 }]
        sessions = [{ id = "ab", a = { speaker = "a", default_originate = {} }, b = { speaker = "b" } }]
    "#;
    let engine = build(text);
    let explanation = explain(&engine, "b", "0.0.0.0/0");
    assert_eq!(explanation.places.len(), 1);
    let passage = explanation.places[0].passage.as_ref().unwrap();
    assert_eq!((passage.from.as_str(), passage.before), ("a", None));
    let [PassStep::Rule { rule: PassRule::DefaultMade, .. }, ..] = passage.export.as_slice() else {
        unreachable!()
    };
    assert!(explanation.to_string().starts_with("0.0.0.0/0 at `b`, from `a`"), "{explanation}");
}

/// With add-path the route of a client may be the second of its sender.
#[test]
fn the_second_of_several_routes_is_followed() {
    let text = r#"
        speakers = [
            { id = "x", asn = 65001, originate = [{ prefixes = ["10.0.0.0/24"] }] },
            { id = "y", asn = 65002, originate = [{ prefixes = ["10.0.0.0/24"], attributes = { as_path = "7" } }] },
            { id = "b", asn = 65000 },
            { id = "c", asn = 65000 },
        ]
        sessions = [
            { id = "x", a = { speaker = "x" }, b = { speaker = "b" } },
            { id = "y", a = { speaker = "y" }, b = { speaker = "b" } },
            { id = "bc", a = { speaker = "b", add_path = { send = 2 } }, b = { speaker = "c", add_path = { receive = true }, import_policies = ["not-x"] } },
        ]
        [routing_policy]
        as_path_sets = [{ name = "x", members = ["^65001$"] }]
        [[routing_policy.policy_definitions]]
        name = "not-x"
        statements = [
            { conditions = { match_as_path_set = { set = "x" } }, actions = { policy_result = "reject_route" } },
            { actions = { policy_result = "accept_route" } },
        ]
    "#;
    let engine = build(text);
    let explanation = explain(&engine, "c", "10.0.0.0/24");
    let ids: Vec<&str> = explanation.places.iter().map(|p| p.speaker.as_str()).collect();
    assert_eq!(ids, ["c", "b", "y"]);
    assert_eq!(explanation.places[1].route, Some(1), "not the best there");
}

/// Three systems that each want the way through the next: nothing settles, and the answer says so.
#[test]
fn an_unsettled_route_is_said_to_be_one() {
    let speaker = |i: u32, next: u32| {
        format!(
            "[[speakers]]\nid = \"{i}\"\nasn = {i}\n\
             [[sessions]]\nid = \"o{i}\"\na = {{ speaker = \"9\" }}\nb = {{ speaker = \"{i}\" }}\n\
             [[sessions]]\nid = \"{i}{next}\"\na = {{ speaker = \"{i}\", import_policies = [\"p{next}\"] }}\nb = {{ speaker = \"{next}\", import_policies = [\"no\"] }}\n\
             [[routing_policy.as_path_sets]]\nname = \"{next}\"\nmembers = [\"^{next} 9$\"]\n\
             [[routing_policy.policy_definitions]]\nname = \"p{next}\"\nstatements = [{{ conditions = {{ match_as_path_set = {{ set = \"{next}\" }} }}, actions = {{ set_local_preference = 200, policy_result = \"accept_route\" }} }}]\n"
        )
    };
    let text = format!(
        "{}{}{}[[speakers]]\nid = \"9\"\nasn = 9\noriginate = [{{ prefixes = [\"10.0.0.0/24\"] }}]\n\
         [[routing_policy.policy_definitions]]\nname = \"no\"\nstatements = [{{ actions = {{ policy_result = \"reject_route\" }} }}]\n",
        speaker(1, 2),
        speaker(2, 3),
        speaker(3, 1)
    );
    let engine = build(&text);
    let explanation = explain(&engine, "1", "10.0.0.0/24");
    assert!(!explanation.settled);
    assert!(explanation.to_string().contains("does not settle"), "{explanation}");
}

#[test]
fn programs_get_the_same_as_json() {
    let engine = build(EDGE);
    let json = serde_json::to_value(explain(&engine, "rr", "10.2.0.0/16")).unwrap();
    assert_eq!(json["prefix"], "10.2.0.0/16");
    let places = json["places"].as_array().unwrap();
    let ids: Vec<&str> = places.iter().map(|p| p["speaker"].as_str().unwrap()).collect();
    assert_eq!(ids, ["rr", "edge", "up-1"]);
    assert_eq!(places[0]["passage"]["from"], "edge");
    assert_eq!(places[0]["passage"]["sent"]["as_path"], "65101");
    assert_eq!(places[1]["rib"]["entries"][1]["standing"]["lost"]["step"], "as_path_length");
    assert_eq!(places[1]["absent"][0]["why"]["not_sent"], "nothing");
}
