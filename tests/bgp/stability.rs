//! How many stable states a design has: gadgets of the literature, ordinary designs, and random small ones against a
//! plain model of BGP that tries every selection.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use azroute::bgp::{BgpChange, Engine, SelectedFrom, State, Verdict};
use azroute::model::bgp::BgpDesign;
use proptest::prelude::*;

fn engine(text: &str) -> Engine {
    let design: BgpDesign = toml::from_str(text).unwrap();
    Engine::build(&design).unwrap()
}

fn verdict(text: &str) -> Verdict {
    engine(text).verdict(&"10.0.0.0/24".parse().unwrap()).unwrap()
}

/// The neighbour that each speaker selects; `-` is none, its own name its own route.
fn selected(state: &State) -> BTreeMap<&str, &str> {
    let of = |s: &'_ azroute::bgp::Selection| match &s.route {
        None => "-".to_owned(),
        Some(route) => match &route.from {
            SelectedFrom::Local(_) => s.speaker.as_str().to_owned(),
            SelectedFrom::Neighbor { speaker, .. } => speaker.as_str().to_owned(),
        },
    };
    state.selections.iter().map(|s| (s.speaker.as_str(), &*of(s).leak())).collect()
}

const SAFE: Verdict = Verdict::Unique { safe: true };
const UNSAFE: Verdict = Verdict::Unique { safe: false };

// ---- gadgets ----

#[test]
fn good_gadget_is_safe() {
    assert_eq!(verdict(include_str!("../data/bgp/gadgets/good.toml")), SAFE);
}

#[test]
fn bad_gadget_has_no_stable_state() {
    for text in [include_str!("../data/bgp/gadgets/bad.toml"), include_str!("../data/bgp/gadgets/bad4.toml")]
    {
        let Verdict::Oscillates(cycle) = verdict(text) else { panic!("{}", verdict(text)) };
        assert!(!cycle.steps.is_empty());
        // The steps lead back to the start.
        let mut state = cycle.start.clone();
        for change in cycle.steps.iter().flatten() {
            let place = state.selections.iter_mut().find(|s| s.speaker == change.speaker).unwrap();
            assert_ne!(place, change);
            *place = change.clone();
        }
        assert_eq!(state, cycle.start);
    }
}

#[test]
fn disagree_has_two_stable_states() {
    let Verdict::Multiple(states) = verdict(include_str!("../data/bgp/gadgets/disagree.toml")) else {
        panic!()
    };
    let mut ways: Vec<_> = states.iter().map(|s| (selected(s)["1"], selected(s)["2"])).collect();
    ways.sort_unstable();
    assert_eq!(ways, [("0", "1"), ("2", "0")]);
    assert_eq!(states[0].differences(&states[1]).count(), 2);
    assert!(states[0].get(&"1".into()).is_some());
}

#[test]
fn naughty_and_precarious_gadgets_have_one_state_that_an_order_may_miss() {
    assert_eq!(verdict(include_str!("../data/bgp/gadgets/naughty.toml")), UNSAFE);
    assert_eq!(verdict(include_str!("../data/bgp/gadgets/precarious.toml")), UNSAFE);
}

/// RFC 4264: after the primary link failed and came back, the back-up stays in use.
#[test]
fn the_three_quarter_wedgie_has_two_stable_states() {
    let text = include_str!("../data/bgp/gadgets/wedgie.toml");
    let Verdict::Multiple(states) = verdict(text) else { panic!() };
    let mut ways: Vec<_> = states.iter().map(|s| (selected(s)["as2"], selected(s)["as3"])).collect();
    ways.sort_unstable();
    assert_eq!(ways, [("as1", "as2"), ("as3", "as4")]);
    // While the primary link is down there is one state only.
    let mut engine = engine(text);
    engine.apply(&[BgpChange::SessionDown("14".into())]).unwrap();
    assert_eq!(engine.verdict(&"10.0.0.0/24".parse().unwrap()), Some(SAFE));
}

#[test]
fn reflectors_nearer_to_the_clients_of_others() {
    assert!(matches!(verdict(include_str!("../data/bgp/gadgets/rr_ring.toml")), Verdict::Oscillates(_)));
    let pair = include_str!("../data/bgp/gadgets/rr_pair.toml");
    assert!(matches!(verdict(pair), Verdict::Multiple(_)));
    // Reflectors nearest to their own clients (RFC 4456 section 11).
    assert_eq!(
        verdict(
            &pair
                .replace("cost = 10", "cost = 1")
                .replace("cost = 1 }, { id = \"4\"", "cost = 9 }, { id = \"4\"")
                .replace("b = \"c1\", cost = 1 },\n]", "b = \"c1\", cost = 9 },\n]")
        ),
        SAFE
    );
}

#[test]
fn med_oscillation_of_type_1() {
    let text = include_str!("../data/bgp/gadgets/med_type_1.toml");
    assert!(matches!(verdict(text), Verdict::Oscillates(_)));
    // Each of the remedies of RFC 3345 section 3: no MED from the far one's rival, compare always, or tell all routes.
    assert_eq!(verdict(&text.replace("med = 0", "med = 1")), SAFE);
    let always = text.replace("asn = 65000", "asn = 65000, decision = { always_compare_med = true }");
    assert_eq!(verdict(&always), SAFE);
    let all = text.replace(
        r#"id = "ad", a = { speaker = "ra" }, b = { speaker = "rd" }"#,
        r#"id = "ad", a = { speaker = "ra", add_path = { send = 4, receive = true } }, b = { speaker = "rd", add_path = { send = 4, receive = true } }"#,
    );
    assert_eq!(verdict(&all), SAFE);
}

#[test]
fn med_oscillation_of_type_2() {
    let text = include_str!("../data/bgp/gadgets/med_type_2.toml");
    assert!(matches!(verdict(text), Verdict::Oscillates(_)));
    assert_eq!(verdict(&text.replace("b = \"q1\", cost = 36", "b = \"q1\", cost = 6")), SAFE);
}

/// Each near exit loses only to a route that is there only because the other one lost: what is possible must not be
/// judged by what was found so far.
#[test]
fn meds_that_keep_each_other_out() {
    let Verdict::Multiple(states) = verdict(include_str!("../data/bgp/gadgets/med_pair.toml")) else {
        panic!()
    };
    let mut ways: Vec<_> = states.iter().map(|s| (selected(s)["r0"], selected(s)["r1"])).collect();
    ways.sort_unstable();
    assert_eq!(ways, [("ca", "cc"), ("cb", "cd")]);
}

// ---- ordinary designs ----

/// Speakers with systems, sessions, and what the first of them announces.
fn plain(speakers: &[(String, u32)], sessions: &[(String, String)]) -> String {
    let mut text = String::from("speakers = [\n");
    for (i, (id, asn)) in speakers.iter().enumerate() {
        let own = if i == 0 { r#", originate = [{ prefixes = ["10.0.0.0/24"] }]"# } else { "" };
        writeln!(text, r#"{{ id = "{id}", asn = {asn}{own} }},"#).unwrap();
    }
    text.push_str("]\nsessions = [\n");
    for (a, b) in sessions {
        writeln!(text, r#"{{ id = "{a}-{b}", a.speaker = "{a}", b.speaker = "{b}" }},"#).unwrap();
    }
    text.push_str("]\n");
    text
}

#[test]
fn chains_meshes_and_fat_trees_are_safe() {
    let name = |i: u32| format!("s{i:03}");
    let row: Vec<(String, u32)> = (0..40).map(|i| (name(i), 65000 + i)).collect();
    let chain: Vec<_> = (1..40).map(|i| (name(i - 1), name(i))).collect();
    assert_eq!(verdict(&plain(&row, &chain)), SAFE);
    let ring: Vec<_> = chain.iter().cloned().chain([(name(39), name(0))]).collect();
    assert_eq!(verdict(&plain(&row, &ring)), SAFE);
    let mesh: Vec<_> = (0..12).flat_map(|i| (0..i).map(move |j| (name(i), name(j)))).collect();
    assert_eq!(verdict(&plain(&row[..12], &mesh)), SAFE);
    let inside: Vec<(String, u32)> = (0..12).map(|i| (name(i), if i == 0 { 65001 } else { 65000 })).collect();
    assert_eq!(verdict(&plain(&inside, &mesh)), SAFE);
    assert_eq!(verdict(&fat_tree(4)), SAFE);
}

/// A fat tree of `k` pods: every switch a system of its own, the first edge switch announces.
fn fat_tree(k: u32) -> String {
    let half = k / 2;
    let mut speakers = Vec::new();
    let mut sessions = Vec::new();
    for pod in 0..k {
        for i in 0..half {
            speakers.push((format!("e{pod}-{i}"), 64600 + pod * half + i));
        }
    }
    for pod in 0..k {
        for a in 0..half {
            speakers.push((format!("a{pod}-{a}"), 65000 + pod * half + a));
            sessions.extend((0..half).map(|e| (format!("e{pod}-{e}"), format!("a{pod}-{a}"))));
            sessions.extend((0..half).map(|c| (format!("a{pod}-{a}"), format!("c{a}-{c}"))));
        }
    }
    for a in 0..half {
        speakers.extend((0..half).map(|c| (format!("c{a}-{c}"), 65400 + a * half + c)));
    }
    plain(&speakers, &sessions)
}

/// Two reflectors, clients, a ring of links, and four exits.
fn reflected(clients: u32) -> String {
    let mut text = String::from("speakers = [\n");
    for r in 0..clients + 2 {
        writeln!(text, r#"{{ id = "r{r:03}", asn = 65000 }},"#).unwrap();
    }
    for e in 0..4 {
        let asn = 200 + e;
        writeln!(text, r#"{{ id = "x{e}", asn = {asn}, originate = [{{ prefixes = ["10.0.0.0/24"] }}] }},"#)
            .unwrap();
    }
    text.push_str("]\nsessions = [\n");
    for c in 2..clients + 2 {
        for r in 0..2 {
            writeln!(text, r#"{{ id = "i{c}-{r}", a = {{ speaker = "r{r:03}", route_reflector_client = true }}, b.speaker = "r{c:03}" }},"#).unwrap();
        }
    }
    for e in 0..4 {
        writeln!(text, r#"{{ id = "x{e}", a.speaker = "x{e}", b.speaker = "r{:03}" }},"#, e + 2).unwrap();
    }
    text.push_str("{ id = \"rr\", a.speaker = \"r000\", b.speaker = \"r001\" },\n]\nlinks = [\n");
    for r in 0..clients + 2 {
        for k in 1..=2 {
            let (far, cost) = ((r + k) % (clients + 2), 1 + (r * 7 + k * 3) % 10);
            writeln!(text, r#"{{ id = "l{r}-{k}", a = "r{r:03}", b = "r{far:03}", cost = {cost} }},"#)
                .unwrap();
        }
    }
    text.push_str("]\n");
    text
}

#[test]
fn reflected_exits_are_safe() {
    assert_eq!(verdict(&reflected(20)), SAFE);
}

/// Customers over peers over providers, by local preference; what was learned above goes to customers only (Gao and
/// Rexford), by communities. Two tier-1 systems, two below each, and stubs with two providers.
#[test]
fn customers_peers_and_providers_are_safe() {
    let mut text = String::from(
        r#"
        routing_policy.community_sets = [{ name = "above", members = ["65000:1"] }]
        routing_policy.policy_definitions = [
            { name = "customer", statements = [{ actions = { set_local_preference = 200, set_communities = [{ option = "replace" }], policy_result = "accept_route" } }] },
            { name = "peer", statements = [{ actions = { set_local_preference = 150, set_communities = [{ option = "replace", communities = ["65000:1"] }], policy_result = "accept_route" } }] },
            { name = "provider", statements = [{ actions = { set_local_preference = 100, set_communities = [{ option = "replace", communities = ["65000:1"] }], policy_result = "accept_route" } }] },
            { name = "up", statements = [
                { conditions = { match_community_set = { set = "above" } }, actions = { policy_result = "reject_route" } },
                { actions = { policy_result = "accept_route" } },
            ] },
        ]
        speakers = [
        "#,
    );
    let names: Vec<String> = (1..=2)
        .map(|i| format!("t{i}"))
        .chain((1..=4).map(|i| format!("m{i}")))
        .chain((1..=6).map(|i| format!("s{i}")))
        .collect();
    for (i, name) in (0..).zip(&names) {
        let own = if name == "s1" { r#", originate = [{ prefixes = ["10.0.0.0/24"] }]"# } else { "" };
        writeln!(text, r#"{{ id = "{name}", asn = {}{own} }},"#, 100 + i).unwrap();
    }
    text.push_str("]\nsessions = [\n");
    let mut session = |a: &str, b: &str, of_a: &str, of_b: &str| {
        let end = |s: &str, import: &str| {
            let up = if import == "customer" { "" } else { r#", export_policies = ["up"]"# };
            format!(r#"{{ speaker = "{s}", import_policies = ["{import}"]{up} }}"#)
        };
        writeln!(text, r#"{{ id = "{a}-{b}", a = {}, b = {} }},"#, end(a, of_a), end(b, of_b)).unwrap();
    };
    session("t1", "t2", "peer", "peer");
    session("m1", "m3", "peer", "peer");
    session("m2", "m4", "peer", "peer");
    for (above, below) in [("t1", "m1"), ("t1", "m2"), ("t2", "m3"), ("t2", "m4"), ("t2", "m1")] {
        session(above, below, "customer", "provider");
    }
    for (s, (a, b)) in (1..).zip([(1, 2), (2, 3), (3, 4), (4, 1), (1, 3), (2, 4)]) {
        session(&format!("m{a}"), &format!("s{s}"), "customer", "provider");
        session(&format!("m{b}"), &format!("s{s}"), "customer", "provider");
    }
    text.push_str("]\n");
    assert_eq!(verdict(&text), SAFE);
}

#[test]
fn verdicts_come_once_a_group_in_the_order_of_prefixes() {
    let text = include_str!("../data/bgp/gadgets/disagree.toml")
        .replace(r#"["10.0.0.0/24"]"#, r#"["10.0.9.0/24", "10.0.0.0/24"]"#)
        .replace(
            r#"{ id = "2", asn = 65002 }"#,
            r#"{ id = "2", asn = 65002, originate = [{ prefixes = ["9.0.0.0/8"] }, { prefixes = ["9.1.0.0/16"], attributes = { as_path = "7" } }, { prefixes = ["9.2.0.0/16"], attributes = { as_path = "8" } }] }"#,
        );
    let engine = engine(&text);
    let all: Vec<_> = engine.verdicts().collect();
    let prefixes: Vec<String> = all.iter().map(|v| v.prefix.to_string()).collect();
    assert_eq!(prefixes, ["9.0.0.0/8", "9.1.0.0/16", "9.2.0.0/16", "10.0.0.0/24"]);
    assert_eq!(all.iter().map(|v| v.members).collect::<Vec<_>>(), [1, 1, 1, 2]);
    for v in &all {
        assert_eq!(engine.verdict(&v.prefix).as_ref(), Some(&v.verdict));
        assert_eq!(v.verdict.is_safe(), v.members == 1);
    }
    assert_eq!(engine.verdict(&"192.0.2.0/24".parse().unwrap()), None);
}

/// An aggregate of routes that have several states has no verdict of its own.
#[test]
fn an_aggregate_is_judged_by_its_parts_too() {
    let text = include_str!("../data/bgp/gadgets/disagree.toml").replace(
        r#"{ id = "1", asn = 65001 }"#,
        r#"{ id = "1", asn = 65001, aggregates = [{ prefix = "10.0.0.0/16" }] }"#,
    );
    let of = |text: &str| engine(text).verdict(&"10.0.0.0/16".parse().unwrap()).unwrap();
    assert_eq!(of(&text), Verdict::Unknown);
    assert!(matches!(of(&text.replace("set_local_preference = 200, ", "")), Verdict::Unique { safe: true }));
}

#[test]
fn a_default_route_for_a_neighbour() {
    let text = r#"
        speakers = [{ id = "a", asn = 65001 }, { id = "b", asn = 65002 }, { id = "c", asn = 65003 }]
        sessions = [
            { id = "ab", a = { speaker = "a", default_originate = {} }, b = { speaker = "b" } },
            { id = "bc", a = { speaker = "b" }, b = { speaker = "c", default_originate = { only_if_present = true } } },
        ]
    "#;
    assert_eq!(engine(text).verdict(&"0.0.0.0/0".parse().unwrap()), Some(SAFE));
}

#[test]
fn verdicts_speak() {
    let text = verdict(include_str!("../data/bgp/gadgets/disagree.toml")).to_string();
    assert!(text.contains("`1` uses `0` (session `01`, path 65000)"), "{text}");
    assert_eq!(SAFE.to_string(), "one stable state, reached in any order");
}

// ---- against a plain model ----

/// A design in few numbers: what the plain model and the engine both understand.
#[derive(Clone, Debug)]
struct Small {
    /// The system of each speaker.
    asn: Vec<u32>,
    /// What it announces: MED of its own route.
    own: Vec<Option<u32>>,
    sessions: Vec<(usize, usize, SmallEnd, SmallEnd)>,
    links: Vec<(usize, usize, u32)>,
    /// The order of router ids.
    ids: Vec<usize>,
}

/// What one end does on import (from external neighbours), and whether the neighbour is a client.
#[derive(Clone, Copy, Debug)]
struct SmallEnd {
    preference: Option<u32>,
    /// NO_ADVERTISE is added.
    keeps: bool,
    rejects: bool,
    client: bool,
    /// MED of what is sent.
    med: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    path: Vec<u32>,
    preference: Option<u32>,
    med: Option<u32>,
    keeps: bool,
    /// The border speaker inside the receiver's system, or the speaker itself.
    exit: usize,
    originator: Option<usize>,
    clusters: Vec<usize>,
    /// The session it came over, and whether that is internal; none is the own route.
    from: Option<(usize, bool)>,
}

impl Small {
    /// Everything a speaker may hear from.
    fn ends(&self, s: usize) -> impl Iterator<Item = (usize, usize, SmallEnd, SmallEnd)> + '_ {
        self.sessions.iter().enumerate().filter_map(move |(i, (a, b, of_a, of_b))| {
            if *a == s {
                Some((i, *b, *of_a, *of_b))
            } else if *b == s {
                Some((i, *a, *of_b, *of_a))
            } else {
                None
            }
        })
    }

    fn distances(&self) -> Vec<Vec<Option<u32>>> {
        let n = self.asn.len();
        let mut d = vec![vec![None; n]; n];
        for (i, row) in d.iter_mut().enumerate() {
            row[i] = Some(0);
            // Speakers of a system without links reach each other at no cost.
            for (j, cell) in row.iter_mut().enumerate() {
                let unlinked = |s: usize| {
                    !self
                        .links
                        .iter()
                        .any(|(a, b, _)| self.asn[*a] == self.asn[s] || self.asn[*b] == self.asn[s])
                };
                if unlinked(i) && self.asn[i] == self.asn[j] {
                    *cell = Some(0);
                }
            }
        }
        for _ in 0..n {
            for (a, b, cost) in &self.links {
                for (from, to) in [(*a, *b), (*b, *a)] {
                    for row in &mut d {
                        if let Some(so_far) = row[from] {
                            let sum = so_far + cost;
                            row[to] = Some(row[to].map_or(sum, |old| old.min(sum)));
                        }
                    }
                }
            }
        }
        d
    }

    fn own_way(&self, s: usize) -> Option<Way> {
        self.own[s].map(|med| Way {
            path: Vec::new(),
            preference: None,
            med: Some(med),
            keeps: false,
            exit: s,
            originator: None,
            clusters: Vec::new(),
            from: None,
        })
    }

    /// What a speaker hears over a session when the other end uses a way.
    fn told(&self, session: usize, to: usize, way: &Way) -> Option<Way> {
        let (a, b, of_a, of_b) = &self.sessions[session];
        let (from, sender, receiver) = if *a == to { (*b, of_b, of_a) } else { (*a, of_a, of_b) };
        if way.keeps || way.from.is_some_and(|(s, _)| s == session) {
            return None;
        }
        let mut told = way.clone();
        if self.asn[from] == self.asn[to] {
            if let Some((over, true)) = way.from {
                let (over_a, _, of_over_a, of_over_b) = &self.sessions[over];
                let source = if *over_a == from { of_over_a } else { of_over_b };
                if !source.client && !sender.client {
                    return None;
                }
                let source_speaker = if *over_a == from { self.sessions[over].1 } else { *over_a };
                told.originator = told.originator.or(Some(source_speaker));
                told.clusters.insert(0, from);
            }
            told.preference = told.preference.or(Some(100));
            if told.path.contains(&self.asn[to]) || told.originator == Some(to) || told.clusters.contains(&to)
            {
                return None;
            }
            told.from = Some((session, true));
            return Some(told);
        }
        if way.from.is_some() {
            told.med = None;
        }
        if sender.med.is_some() {
            told.med = sender.med;
        }
        told.path.insert(0, self.asn[from]);
        if told.path.contains(&self.asn[to]) || receiver.rejects {
            return None;
        }
        told.preference = receiver.preference;
        told.keeps |= receiver.keeps;
        (told.exit, told.originator, told.clusters) = (to, None, Vec::new());
        told.from = Some((session, false));
        Some(told)
    }

    fn peer(&self, s: usize, session: usize) -> usize {
        let (a, b, ..) = self.sessions[session];
        if a == s { b } else { a }
    }

    /// RFC 4271 section 9.1.2, one step after another, each taking routes out of a list.
    fn best(&self, s: usize, ways: Vec<Way>, distances: &[Vec<Option<u32>>]) -> Option<Way> {
        let mut left: Vec<Way> = ways.into_iter().filter(|w| distances[s][w.exit].is_some()).collect();
        fn keep<K: Ord + Copy>(left: &mut Vec<Way>, key: impl Fn(&Way) -> K) {
            let best = left.iter().map(&key).min();
            left.retain(|w| Some(key(w)) == best);
        }
        keep(&mut left, |w| std::cmp::Reverse(w.preference.unwrap_or(100)));
        keep(&mut left, |w| w.path.len());
        let of = |w: &Way| (w.path.first().copied(), w.med.unwrap_or(0));
        let meds: Vec<_> = left.iter().map(of).collect();
        left.retain(|w| !meds.iter().any(|(asn, med)| *asn == of(w).0 && *med < of(w).1));
        keep(&mut left, |w| w.from.is_some_and(|(_, internal)| internal));
        keep(&mut left, |w| distances[s][w.exit]);
        let id = |w: &Way| w.originator.or(w.from.map(|(session, _)| self.peer(s, session)));
        keep(&mut left, |w| id(w).map(|i| self.ids[i]));
        keep(&mut left, |w| w.clusters.len());
        keep(&mut left, |w| w.from.map(|(session, _)| self.ids[self.peer(s, session)]));
        left.into_iter().next()
    }

    /// Every stable state, by trying all selections: per speaker the session of its route (`None` with its own or no
    /// route, told apart by the flag).
    fn stable(&self) -> Vec<Vec<Option<Option<usize>>>> {
        let n = self.asn.len();
        let distances = self.distances();
        let choices: Vec<Vec<Option<Option<usize>>>> = (0..n)
            .map(|s| {
                let own = self.own[s].map(|_| Some(None));
                // What comes from outside is longer than a route of one's own, and without preferences no better.
                let outside =
                    |peer: usize, end: SmallEnd| self.asn[peer] != self.asn[s] && end.preference.is_none();
                if own.is_some() && self.ends(s).all(|(_, peer, end, _)| outside(peer, end)) {
                    return vec![Some(None)];
                }
                own.into_iter().chain([None]).chain(self.ends(s).map(|(i, ..)| Some(Some(i)))).collect()
            })
            .collect();
        let mut found = Vec::new();
        let mut at = vec![0; n];
        'all: loop {
            let state: Vec<_> = (0..n).map(|s| choices[s][at[s]]).collect();
            if self.holds(&state, &distances) {
                found.push(state);
            }
            for s in 0..n {
                at[s] += 1;
                if at[s] < choices[s].len() {
                    continue 'all;
                }
                at[s] = 0;
            }
            return found;
        }
    }

    fn holds(&self, state: &[Option<Option<usize>>], distances: &[Vec<Option<u32>>]) -> bool {
        let n = state.len();
        let mut ways: Vec<Option<Way>> = vec![None; n];
        // Routes follow from selections, from those who have their own outwards.
        for _ in 0..=n {
            for s in 0..n {
                ways[s] = match state[s] {
                    None => None,
                    Some(None) => self.own_way(s),
                    Some(Some(session)) => {
                        ways[self.peer(s, session)].as_ref().and_then(|w| self.told(session, s, w))
                    }
                };
            }
        }
        (0..n).all(|s| {
            let heard = self.ends(s).filter_map(|(i, peer, ..)| self.told(i, s, ways[peer].as_ref()?));
            let best = self.best(s, heard.chain(self.own_way(s)).collect(), distances);
            best.as_ref().map(|w| w.from.map(|(session, _)| session)) == state[s] && best == ways[s]
        })
    }

    /// Runs it with messages that take their time, in an order drawn from a seed; the state where it ends.
    fn run(&self, mut seed: u64) -> Option<Vec<Option<Option<usize>>>> {
        let n = self.asn.len();
        let distances = self.distances();
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap()
        };
        let mut best: Vec<Option<Way>> = vec![None; n];
        // What each end heard last, and what is under way to it.
        let mut heard: BTreeMap<(usize, usize), Option<Way>> = BTreeMap::new();
        let mut wire: BTreeMap<(usize, usize), VecDeque<Option<Way>>> = BTreeMap::new();
        let mut dirty: BTreeSet<usize> = (0..n).collect();
        for _ in 0..4000 {
            let waiting: Vec<_> = wire.iter().filter(|(_, w)| !w.is_empty()).map(|(k, _)| *k).collect();
            let total = waiting.len() + dirty.len();
            if total == 0 {
                return Some(best.iter().map(|b| b.as_ref().map(|w| w.from.map(|(s, _)| s))).collect());
            }
            let pick = random() % total;
            if pick < waiting.len() {
                let message = wire.get_mut(&waiting[pick]).unwrap().pop_front().unwrap();
                heard.insert(waiting[pick], message);
                dirty.insert(waiting[pick].1);
                continue;
            }
            let s = *dirty.iter().nth(pick - waiting.len()).unwrap();
            dirty.remove(&s);
            let ways = heard.iter().filter(|((_, to), _)| *to == s).filter_map(|(_, w)| w.clone());
            let new = self.best(s, ways.chain(self.own_way(s)).collect(), &distances);
            if new != best[s] {
                best[s] = new;
                for (i, peer, ..) in self.ends(s) {
                    let message = best[s].as_ref().and_then(|w| self.told(i, peer, w));
                    wire.entry((i, peer)).or_default().push_back(message);
                }
            }
        }
        None
    }

    /// The design as a document. Names are in the order given, so that another order makes another run.
    fn text(&self, names: &[usize]) -> String {
        let mut text = String::from("speakers = [\n");
        for (s, name) in names.iter().enumerate() {
            let own = self.own[s].map_or(String::new(), |med| {
                format!(r#", originate = [{{ prefixes = ["10.0.0.0/24"], attributes = {{ med = {med} }} }}]"#)
            });
            writeln!(
                text,
                r#"{{ id = "n{}", asn = {}, router_id = "1.1.1.{}"{own} }},"#,
                name,
                self.asn[s],
                self.ids[s] + 1
            )
            .unwrap();
        }
        text.push_str("]\nsessions = [\n");
        let mut policies = String::from("routing_policy.policy_definitions = [\n");
        for (i, (a, b, of_a, of_b)) in self.sessions.iter().enumerate() {
            let external = self.asn[*a] != self.asn[*b];
            let mut end = |s: usize, side: &str, end: &SmallEnd| {
                if !external {
                    let client = if end.client { ", route_reflector_client = true" } else { "" };
                    return format!(r#"{{ speaker = "n{}", next_hop_self = true{client} }}"#, names[s]);
                }
                let mut import = String::from(r#"policy_result = "accept_route""#);
                if end.rejects {
                    import = String::from(r#"policy_result = "reject_route""#);
                }
                if let Some(preference) = end.preference {
                    write!(import, ", set_local_preference = {preference}").unwrap();
                }
                if end.keeps {
                    import.push_str(
                        r#", set_communities = [{ option = "add", communities = ["no-advertise"] }]"#,
                    );
                }
                let export = end.med.map_or(String::new(), |med| format!(", set_med = {med}"));
                writeln!(
                    policies,
                    r#"{{ name = "in{i}{side}", statements = [{{ actions = {{ {import} }} }}] }},"#
                )
                .unwrap();
                writeln!(policies, r#"{{ name = "out{i}{side}", statements = [{{ actions = {{ policy_result = "accept_route"{export} }} }}] }},"#).unwrap();
                format!(
                    r#"{{ speaker = "n{}", import_policies = ["in{i}{side}"], export_policies = ["out{i}{side}"] }}"#,
                    names[s]
                )
            };
            let (a, b) = (end(*a, "a", of_a), end(*b, "b", of_b));
            writeln!(text, r#"{{ id = "s{i}", a = {a}, b = {b} }},"#).unwrap();
        }
        text.push_str("]\nlinks = [\n");
        for (i, (a, b, cost)) in self.links.iter().enumerate() {
            writeln!(
                text,
                r#"{{ id = "l{i}", a = "n{}", b = "n{}", cost = {cost} }},"#,
                names[*a], names[*b]
            )
            .unwrap();
        }
        format!("{policies}]\n{text}]\n")
    }

    fn check(&self, names: &[usize], seed: u64) -> Result<(), TestCaseError> {
        let straight: Vec<usize> = (0..self.asn.len()).collect();
        let text = self.text(&straight);
        let engine = engine(&text);
        let prefix = "10.0.0.0/24".parse().unwrap();
        let verdict = engine.verdict(&prefix).unwrap();
        let expected = self.stable();
        let of = |state: &State| -> Vec<Option<Option<usize>>> {
            let session = |s: &azroute::bgp::Selection| {
                s.route.as_ref().map(|r| match &r.from {
                    SelectedFrom::Local(_) => None,
                    SelectedFrom::Neighbor { session, .. } => Some(session.as_str()[1..].parse().unwrap()),
                })
            };
            state.selections.iter().map(session).collect()
        };
        match &verdict {
            Verdict::Unique { safe } => {
                prop_assert_eq!(expected.len(), 1, "{}", text);
                if *safe {
                    for i in 0..4 {
                        let end = self.run(seed ^ i);
                        prop_assert_eq!(end.as_ref(), expected.first(), "{}", text);
                    }
                    // Other names are another order of decisions.
                    let renamed = crate::stability::engine(&self.text(names));
                    for (s, name) in names.iter().enumerate() {
                        let best = |e: &Engine, id: usize| {
                            let best = e.best(&format!("n{id}").as_str().into(), &prefix);
                            best.map(|r| r.attributes.clone())
                        };
                        prop_assert_eq!(best(&engine, s), best(&renamed, *name), "{}", text);
                    }
                }
            }
            Verdict::Multiple(states) => {
                let states: Vec<_> = states.iter().map(of).collect();
                prop_assert!(states[0] != states[1]);
                for state in &states {
                    prop_assert!(expected.contains(state), "{:?} of {:?}\n{}", state, expected, text);
                }
            }
            Verdict::Oscillates(cycle) => {
                prop_assert!(expected.is_empty(), "{:?}\n{}", expected, text);
                prop_assert!(!cycle.steps.is_empty());
            }
            Verdict::Unknown => prop_assert!(false, "undecided: {}", text),
        }
        Ok(())
    }
}

fn small_end() -> impl Strategy<Value = SmallEnd> {
    (
        prop::option::weighted(0.6, prop::sample::select(vec![50, 100, 150, 200, 300])),
        prop::bool::weighted(0.25),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.6),
        prop::option::weighted(0.4, 0..3_u32),
    )
        .prop_map(|(preference, keeps, rejects, client, med)| SmallEnd {
            preference,
            keeps,
            rejects,
            client,
            med,
        })
}

/// Small designs of speakers in `systems` systems.
fn small(
    speakers: std::ops::RangeInclusive<usize>,
    systems: u32,
    density: f64,
) -> impl Strategy<Value = Small> {
    speakers.prop_flat_map(move |n| {
        let pairs: Vec<(usize, usize)> = (0..n).flat_map(|i| (0..i).map(move |j| (j, i))).collect();
        let session = prop::option::weighted(density, (small_end(), small_end()));
        let link = prop::option::weighted(0.7, 1..12_u32);
        (
            prop::collection::vec(0..systems, n),
            prop::collection::vec(prop::option::weighted(0.3, 0..3_u32), n),
            prop::collection::vec(session, pairs.len()),
            prop::option::weighted(0.7, prop::collection::vec(link, pairs.len())),
            Just((0..n).collect::<Vec<usize>>()).prop_shuffle(),
        )
            .prop_map(move |(systems, mut own, sessions, links, ids)| {
                if own.iter().all(Option::is_none) {
                    own[0] = Some(0);
                }
                // Ids follow the declared order only by chance.
                let asn: Vec<u32> = systems.iter().map(|s| 65001 + s).collect();
                let sessions = pairs
                    .iter()
                    .zip(sessions)
                    .filter_map(|((a, b), ends)| ends.map(|(of_a, of_b)| (*a, *b, of_a, of_b)))
                    .collect();
                let links = pairs
                    .iter()
                    .zip(links.unwrap_or_default())
                    .filter(|((a, b), _)| asn[*a] == asn[*b])
                    .filter_map(|((a, b), cost)| cost.map(|cost| (*a, *b, cost)))
                    .collect();
                Small { asn, own, sessions, links, ids }
            })
    })
}

/// One system of clusters, each a reflector with clients, and two neighbouring systems that give each client a MED.
fn clusters() -> impl Strategy<Value = Small> {
    let client = (0..2_usize, 0..4_u32, 1..20_u32);
    let cluster = prop::collection::vec(client, 1..=2);
    (prop::collection::vec(cluster, 2..=3), prop::collection::vec(1..40_u32, 3), any::<bool>())
        .prop_filter("few clients", |(clusters, ..)| clusters.iter().flatten().count() <= 4)
        .prop_flat_map(|(clusters, between, far)| {
            let mut small = Small {
                asn: vec![65001, 65002],
                own: vec![Some(0), Some(0)],
                sessions: Vec::new(),
                links: Vec::new(),
                ids: Vec::new(),
            };
            let none = SmallEnd { preference: None, keeps: false, rejects: false, client: false, med: None };
            let reflectors: Vec<usize> = (2..2 + clusters.len()).collect();
            small.asn.resize(2 + clusters.len(), 65000);
            for (i, r) in reflectors.iter().enumerate() {
                for (j, other) in reflectors[..i].iter().enumerate() {
                    small.sessions.push((*r, *other, none, none));
                    // Far from each other, as RFC 4456 section 11 asks, or not.
                    small.links.push((*r, *other, between[i + j - 1] + if far { 100 } else { 0 }));
                }
                for (neighbor, med, cost) in &clusters[i] {
                    let client = small.asn.len();
                    small.asn.push(65000);
                    small.sessions.push((*r, client, SmallEnd { client: true, ..none }, none));
                    small.sessions.push((*neighbor, client, SmallEnd { med: Some(*med), ..none }, none));
                    small.links.push((*r, client, *cost));
                }
            }
            small.own.resize(small.asn.len(), None);
            let ids: Vec<usize> = (0..small.asn.len()).collect();
            (Just(small), Just(ids).prop_shuffle()).prop_map(|(small, ids)| Small { ids, ..small })
        })
}

fn cases(few: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(few);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn named(small: Small) -> impl Strategy<Value = (Small, Vec<usize>, u64)> {
    let names: Vec<usize> = (0..small.asn.len()).collect();
    (Just(small), Just(names).prop_shuffle(), any::<u64>())
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn systems_of_one_speaker_each(
        (mut small, names, seed) in small(2..=5, 1, 0.8).prop_flat_map(named),
    ) {
        for (i, asn) in (65001..).zip(&mut small.asn) {
            *asn = i;
        }
        small.links.clear();
        small.check(&names, seed)?;
    }

    #[test]
    fn systems_of_several_speakers(
        (small, names, seed) in small(3..=5, 3, 0.8).prop_flat_map(named),
    ) {
        small.check(&names, seed)?;
    }

    /// Other routers' decisions: what is called safe is the same in another order, and after every session was down.
    #[test]
    #[ignore = "minutes in a debug build: `.ci/nightly` runs it"]
    fn profiles(
        (small, names, _) in prop_oneof![small(3..=5, 3, 0.8).boxed(), clusters().boxed()].prop_flat_map(named),
        profile in prop::sample::select(vec!["frr-8", "bird-2", "gobgp-3", "cisco-ios", "junos", "azure-msee"]),
    ) {
        let with_profile =
            |names: &[usize]| small.text(names).replace("router_id", &format!(r#"profile = "{profile}", router_id"#));
        let straight: Vec<usize> = (0..names.len()).collect();
        let text = with_profile(&straight);
        let prefix = "10.0.0.0/24".parse().unwrap();
        let first = engine(&text);
        let verdict = first.verdict(&prefix).unwrap();
        prop_assert!(verdict != Verdict::Unknown, "{}", text);
        if verdict.is_safe() {
            let rib = |e: &Engine, names: &[usize]| -> Vec<_> {
                let best = |name: &usize| e.best(&format!("n{name}").as_str().into(), &prefix).map(|r| r.attributes.clone());
                names.iter().map(best).collect()
            };
            let expected = rib(&first, &straight);
            prop_assert_eq!(&expected, &rib(&engine(&with_profile(&names)), &names), "{}", text);
            let mut flapping = first.clone();
            for (session, _) in first.sessions() {
                flapping.apply(&[BgpChange::SessionDown(session.clone())]).unwrap();
                flapping.apply(&[BgpChange::SessionUp(session.clone())]).unwrap();
                prop_assert_eq!(&expected, &rib(&flapping, &straight), "{} {}", session, text);
            }
        }
    }

    /// Mostly one system, with reflectors and MEDs.
    #[test]
    fn reflectors_and_exits(
        (mut small, names, seed) in small(4..=6, 3, 0.6).prop_flat_map(named),
    ) {
        for (i, asn) in small.asn.iter_mut().enumerate() {
            if i % 3 != 0 {
                *asn = 65001;
            }
        }
        for (_, _, of_a, of_b) in &mut small.sessions {
            (of_a.preference, of_b.preference) = (None, None);
        }
        small.links.retain(|(a, b, _)| small.asn[*a] == small.asn[*b]);
        small.check(&names, seed)?;
    }
}

proptest! {
    // Every case tries thousands of selections.
    #![proptest_config(cases(25))]

    #[test]
    fn clusters_and_meds((small, names, seed) in clusters().prop_flat_map(named)) {
        small.check(&names, seed)?;
    }
}

/// Not a test: what verdicts cost.
#[test]
#[ignore = "prints times"]
fn times() {
    let designs = [
        ("fat tree 8", fat_tree(8)),
        ("fat tree 4", fat_tree(4)),
        ("reflected 200", reflected(198)),
        ("reflected 20", reflected(20)),
        ("bad", include_str!("../data/bgp/gadgets/bad.toml").to_owned()),
        ("med", include_str!("../data/bgp/gadgets/med_type_1.toml").to_owned()),
        ("precarious", include_str!("../data/bgp/gadgets/precarious.toml").to_owned()),
    ];
    for (name, text) in designs {
        let start = std::time::Instant::now();
        let engine = engine(&text);
        let built = start.elapsed();
        let mut best = std::time::Duration::MAX;
        let mut verdict = None;
        for _ in 0..10 {
            let start = std::time::Instant::now();
            verdict = engine.verdict(&"10.0.0.0/24".parse().unwrap());
            best = best.min(start.elapsed());
        }
        println!("{name}: parsed and built {built:?}, verdict {best:?}: {}", verdict.unwrap());
    }
}
