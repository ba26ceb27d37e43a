//! Laws of the BGP engine: it does what the RFCs say, whatever the order in which a design is written or changes come.
//!
//! The oracle (`azroute::testing::oracle::bgp`) passes messages one by one and shares no code with the engine. Laws that
//! speak of equal results hold for designs with one stable state; the others for any.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use azroute::bgp::{BgpChange, Budget, Engine, LearnedFrom, Passed, Stage};
use azroute::model::ResourceId;
use azroute::model::bgp::{BgpDesign, PathAttributes, Profile};
use azroute::testing::generate::Random;
use azroute::testing::oracle::bgp::{self as oracle, Changed, Chosen, Tables};
use azroute::testing::strategies;
use ipnet::IpNet;
use proptest::prelude::*;

/// A design that prints as a document, without the sets and policies that all of them have.
#[derive(Clone)]
struct Design(BgpDesign);

impl std::fmt::Debug for Design {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut design = self.0.clone();
        let policy = &mut design.routing_policy;
        policy.policy_definitions.retain(|p| p.name.starts_with(['p', 'd']));
        policy.prefix_sets.clear();
        policy.community_sets.clear();
        policy.as_path_sets.clear();
        f.write_str(&toml::to_string(&design).unwrap())
    }
}

/// `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(64);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() }
}

fn settled() -> impl Strategy<Value = Design> {
    strategies::bgp_settled().prop_map(Design)
}

fn wild() -> impl Strategy<Value = Design> {
    strategies::bgp_wild().prop_map(Design)
}

/// A design, and batches of changes to it.
fn changing(most: usize) -> impl Strategy<Value = (Design, Vec<Vec<BgpChange>>)> {
    strategies::bgp_settled().prop_flat_map(move |design| {
        let changes = proptest::collection::vec(strategies::bgp_changes(&design), 1..most);
        (Just(Design(design)), changes)
    })
}

fn build(design: &BgpDesign) -> Engine {
    // Some wild designs never settle; they need not take long.
    Engine::build_within(design, Budget { decisions: 1 << 14 }).unwrap()
}

/// Whether every group came to rest: only then do its routes fit together.
fn settles(engine: &Engine) -> bool {
    let inside = format!("{engine:?}");
    !inside.contains("outcome: Cycle") && !inside.contains("outcome: Unknown")
}

/// What every speaker chose, in the oracle's words.
fn tables(engine: &Engine) -> Tables {
    let mut tables = Tables::default();
    let speakers: Vec<ResourceId> = engine.speakers().cloned().collect();
    for speaker in speakers {
        for route in engine.loc_rib(&speaker) {
            let session = match route.from {
                LearnedFrom::Local(_) => None,
                LearnedFrom::Neighbor { session, .. } => Some(session.clone()),
            };
            let chosen = Chosen { attributes: route.attributes.clone(), session };
            tables.best.insert((speaker.clone(), route.prefix), chosen);
        }
    }
    tables.over_limit = engine.over_limit().cloned().collect();
    tables
}

/// What one engine chose that the other did not, for a short message.
fn difference(a: &Tables, b: &Tables) -> String {
    let mut text = String::new();
    if a.over_limit != b.over_limit {
        text += &format!("over limit: {:?} / {:?}\n", a.over_limit, b.over_limit);
    }
    let keys: std::collections::BTreeSet<_> = a.best.keys().chain(b.best.keys()).collect();
    for key in keys {
        let (x, y) = (a.best.get(key), b.best.get(key));
        if x != y {
            text += &format!("{} {}:\n  {x:?}\n  {y:?}\n", key.0, key.1);
        }
    }
    text
}

fn same(a: &Tables, b: &Tables) -> Result<(), TestCaseError> {
    prop_assert!(a == b, "{}", difference(a, b));
    Ok(())
}

/// Everything that can be read of an engine, without what tells its history.
type Everything = (Tables, Vec<(ResourceId, bool)>, BTreeMap<(ResourceId, ResourceId), [Vec<Passed>; 4]>);

fn everything(engine: &Engine, design: &BgpDesign) -> Everything {
    let mut sessions = BTreeMap::new();
    for session in &design.sessions {
        for speaker in [&session.a.speaker, &session.b.speaker] {
            let of = |stage| engine.adj_rib_in(&session.id, speaker, stage);
            let out = |stage| engine.adj_rib_out(&session.id, speaker, stage);
            let all =
                [of(Stage::PrePolicy), of(Stage::PostPolicy), out(Stage::PrePolicy), out(Stage::PostPolicy)];
            sessions.insert((session.id.clone(), speaker.clone()), all);
        }
    }
    let up = engine.sessions().map(|(id, up)| (id.clone(), up)).collect();
    (tables(engine), up, sessions)
}

fn shuffle<T>(list: &mut [T], random: &mut Random) {
    for i in (1..list.len()).rev() {
        let j = random.below(u32::try_from(i).unwrap() + 1) as usize;
        list.swap(i, j);
    }
}

/// The same design, written in another order.
fn reordered(design: &BgpDesign, seed: u64) -> BgpDesign {
    let mut design = design.clone();
    let random = &mut Random::new(seed);
    shuffle(&mut design.speakers, random);
    shuffle(&mut design.sessions, random);
    shuffle(&mut design.links, random);
    let policy = &mut design.routing_policy;
    shuffle(&mut policy.policy_definitions, random);
    shuffle(&mut policy.prefix_sets, random);
    shuffle(&mut policy.community_sets, random);
    shuffle(&mut policy.as_path_sets, random);
    policy.prefix_sets.iter_mut().for_each(|s| shuffle(&mut s.prefixes, random));
    policy.community_sets.iter_mut().for_each(|s| shuffle(&mut s.members, random));
    policy.as_path_sets.iter_mut().for_each(|s| shuffle(&mut s.members, random));
    for speaker in &mut design.speakers {
        shuffle(&mut speaker.originate, random);
        speaker.originate.iter_mut().for_each(|o| shuffle(&mut o.prefixes, random));
        shuffle(&mut speaker.aggregates, random);
    }
    for session in &mut design.sessions {
        if random.below(2) == 1 {
            std::mem::swap(&mut session.a, &mut session.b);
        }
    }
    for link in &mut design.links {
        if random.below(2) == 1 {
            std::mem::swap(&mut link.a, &mut link.b);
        }
    }
    design
}

/// The design with one announcement for each speaker and prefix: between two of one speaker the order may decide.
fn announced_once(mut design: BgpDesign) -> BgpDesign {
    for speaker in &mut design.speakers {
        let mut seen: Vec<IpNet> = Vec::new();
        for origination in &mut speaker.originate {
            origination.prefixes.retain(|p| {
                let new = !seen.contains(p);
                seen.push(*p);
                new
            });
        }
    }
    design
}

proptest! {
    #![proptest_config(config())]

    /// (a) Every speaker chooses what the RFCs say, whatever the order in which messages arrive.
    #[test]
    fn the_engine_equals_the_oracle(design in settled(), seed in any::<u64>()) {
        let computed = tables(&build(&design.0));
        let expected = oracle::converge(&design.0, seed).unwrap();
        prop_assert!(expected.is_some(), "the oracle does not settle");
        same(&computed, &expected.unwrap())?;
    }

    /// (a) Where policies disagree there may be several stable states; the engine ends in one of them.
    #[test]
    fn the_engine_ends_in_a_stable_state(
        design in strategies::bgp_disagreeing().prop_map(Design),
        seed in any::<u64>(),
    ) {
        // Only where messages settle in some orders is it fair to ask.
        for n in 0..3 {
            prop_assume!(oracle::converge(&design.0, seed.wrapping_add(n)).unwrap().is_some());
        }
        let engine = build(&design.0);
        prop_assume!(settles(&engine));
        prop_assert_eq!(oracle::unstable(&design.0, &tables(&engine)).unwrap(), None);
    }

    /// (b) The order in which a design is written down says nothing.
    #[test]
    fn the_order_of_a_document_does_not_matter(design in settled(), seed in any::<u64>()) {
        let first = announced_once(design.0);
        let second = reordered(&first, seed);
        prop_assert_eq!(everything(&build(&first), &first), everything(&build(&second), &first));
    }

    /// (c) What is withdrawn and announced again stands as before, all at once or one by one.
    #[test]
    fn withdrawn_and_announced_again_is_as_before(design in settled(), together in any::<bool>()) {
        let design = announced_once(design.0);
        let mut engine = build(&design);
        let before = everything(&engine, &design);
        let mut withdraw = Vec::new();
        let mut announce = Vec::new();
        for speaker in &design.speakers {
            for origination in &speaker.originate {
                withdraw.push(BgpChange::Withdraw(speaker.id.clone(), origination.prefixes.clone()));
                announce.push(BgpChange::Announce(speaker.id.clone(), origination.clone()));
            }
        }
        if together {
            engine.apply(&withdraw).unwrap();
            engine.apply(&announce).unwrap();
        } else {
            for change in withdraw.into_iter().chain(announce) {
                engine.apply(&[change]).unwrap();
            }
        }
        prop_assert_eq!(everything(&engine, &design), before);
    }

    /// (d) A change gives what building the changed design gives.
    #[test]
    fn changes_give_what_building_anew_gives((design, batches) in changing(12)) {
        let mut engine = build(&design.0);
        let mut changed = Changed::new(&design.0);
        for (n, batch) in batches.iter().enumerate() {
            engine.apply(batch).unwrap();
            batch.iter().for_each(|change| changed.apply(change));
            let left = changed.design();
            let anew = build(&left);
            let (mut a, b) = (tables(&engine), tables(&anew));
            // A session of a lost speaker is neither up nor over its limit.
            a.over_limit.retain(|id| left.sessions.iter().any(|s| s.id == *id));
            prop_assert!(a == b, "after batch {n}:\n{}", difference(&a, &b));
            let (a, b) = (everything(&engine, &left), everything(&anew, &left));
            prop_assert_eq!(a.2, b.2, "after batch {}", n);
        }
    }

    /// (e) A prefix alone has the routes that it has among others.
    #[test]
    fn a_prefix_alone_is_as_among_others(design in strategies::bgp_independent().prop_map(Design)) {
        let all = tables(&build(&design.0));
        for prefix in strategies::bgp_prefixes() {
            let mut alone = design.0.clone();
            for speaker in &mut alone.speakers {
                speaker.originate.iter_mut().for_each(|o| o.prefixes.retain(|p| *p == prefix));
                speaker.redistribute.clear();
            }
            // What is redistributed is not in the restricted design.
            let redistributed = |s: &azroute::model::bgp::BgpSpeaker| {
                let fixed = s.static_routes.iter().any(|r| r.prefix == prefix);
                !s.redistribute.is_empty() && (fixed || s.interfaces.iter().any(|i| i.address.trunc() == prefix))
            };
            if design.0.speakers.iter().any(redistributed) {
                continue;
            }
            let alone = tables(&build(&alone));
            let of = |tables: &Tables| -> Vec<(ResourceId, Chosen)> {
                let here = tables.best.iter().filter(|((_, p), _)| *p == prefix);
                here.map(|((speaker, _), chosen)| (speaker.clone(), chosen.clone())).collect()
            };
            prop_assert_eq!(of(&alone), of(&all), "{}", prefix);
        }
    }

    /// (f) What one end sends is what the other receives, and what the other keeps is what it chooses from.
    #[test]
    fn what_is_sent_is_received_and_what_is_kept_is_chosen_from(design in wild()) {
        let engine = build(&design.0);
        prop_assume!(settles(&engine));
        for session in &design.0.sessions {
            for (from, to) in [(&session.a, &session.b), (&session.b, &session.a)] {
                let sent = engine.adj_rib_out(&session.id, &from.speaker, Stage::PostPolicy);
                let received = engine.adj_rib_in(&session.id, &to.speaker, Stage::PrePolicy);
                prop_assert_eq!(&sent, &received, "{} from {}", session.id, from.speaker);
                let mut kept: BTreeMap<IpNet, Vec<PathAttributes>> = BTreeMap::new();
                for passed in engine.adj_rib_in(&session.id, &to.speaker, Stage::PostPolicy) {
                    kept.entry(passed.prefix).or_default().push(passed.attributes);
                }
                let none = Vec::new();
                for prefix in strategies::bgp_prefixes() {
                    let Some(rib) = engine.routes(&to.speaker, &prefix) else { continue };
                    let over = |from: LearnedFrom<'_>| {
                        matches!(from, LearnedFrom::Neighbor { session: s, .. } if *s == session.id)
                    };
                    let candidates: Vec<PathAttributes> = rib
                        .entries
                        .iter()
                        .filter(|e| over(e.route.from))
                        .map(|e| e.route.attributes.clone())
                        .collect();
                    prop_assert_eq!(
                        &candidates,
                        kept.get(&prefix).unwrap_or(&none),
                        "{} at {}", session.id, to.speaker
                    );
                    let sends = sent.iter().any(|p| p.prefix == prefix);
                    let withheld = engine.not_sent(&session.id, &from.speaker, &prefix);
                    // With several routes, another one than the best may go.
                    if from.add_path.send < 2 {
                        prop_assert_eq!(sends, withheld.is_none(), "{} {} {:?}", session.id, prefix, withheld);
                    }
                    if sends && from.add_path.send < 2 {
                        let refused = engine.not_accepted(&session.id, &to.speaker, &prefix);
                        prop_assert_eq!(candidates.is_empty(), refused.is_some(), "{:?}", refused);
                    }
                }
            }
        }
        // The best of the view is the best that is sent on.
        for speaker in &design.0.speakers {
            for prefix in strategies::bgp_prefixes() {
                let view = engine.routes(&speaker.id, &prefix);
                let best = view.as_ref().and_then(|v| v.best()).map(|e| e.route.clone());
                prop_assert_eq!(best, engine.best(&speaker.id, &prefix), "{} {}", speaker.id, prefix);
            }
        }
    }

    /// (g) No speaker keeps a route with its own number in the path, and nothing private crosses a border.
    #[test]
    fn no_loops_and_nothing_private_crosses_a_border(design in wild()) {
        let engine = build(&design.0);
        prop_assume!(settles(&engine));
        let speaker = |id: &ResourceId| design.0.speakers.iter().find(|s| s.id == *id).unwrap();
        let outer = |id: &ResourceId| {
            let speaker = speaker(id);
            speaker.confederation.as_ref().map_or(speaker.asn, |c| c.identifier)
        };
        for session in &design.0.sessions {
            for (from, to) in [(&session.a, &session.b), (&session.b, &session.a)] {
                let external = outer(&from.speaker) != outer(&to.speaker);
                for passed in engine.adj_rib_out(&session.id, &from.speaker, Stage::PostPolicy) {
                    let a = &passed.attributes;
                    prop_assert_eq!(a.weight, None);
                    if external {
                        prop_assert_eq!(a.local_preference, None);
                        prop_assert_eq!(a.originator_id, None);
                        prop_assert!(a.cluster_list.ids().is_empty());
                        prop_assert_eq!(&a.as_path, &a.as_path.without_confederation());
                    }
                }
                // Policies may put the own number there on purpose: that is before and after the check.
                if to.allow_own_as > 0 || !external || speaker(&to.speaker).profile != Profile::Rfc4271 {
                    continue;
                }
                let sent = engine.adj_rib_in(&session.id, &to.speaker, Stage::PrePolicy);
                let kept = engine.adj_rib_in(&session.id, &to.speaker, Stage::PostPolicy);
                for passed in kept {
                    let own = outer(&to.speaker);
                    let looped = sent.iter().filter(|p| p.prefix == passed.prefix);
                    let clean = looped.filter(|p| p.attributes.as_path.count(own) == 0).count();
                    prop_assert!(clean > 0, "{} has {}", to.speaker, passed.attributes.as_path);
                }
            }
        }
    }

    /// (h) When everything is withdrawn nothing is left.
    #[test]
    fn nothing_announced_nothing_left(design in wild()) {
        let mut design = design.0;
        for session in &mut design.sessions {
            session.a.default_originate = None;
            session.b.default_originate = None;
        }
        for speaker in &mut design.speakers {
            speaker.redistribute.clear();
        }
        let mut engine = build(&design);
        let all = strategies::bgp_prefixes();
        let changes: Vec<BgpChange> =
            design.speakers.iter().map(|s| BgpChange::Withdraw(s.id.clone(), all.clone())).collect();
        engine.apply(&changes).unwrap();
        prop_assert_eq!(tables(&engine).best.len(), 0, "{:?}", tables(&engine).best);
        for session in &design.sessions {
            for speaker in [&session.a.speaker, &session.b.speaker] {
                for stage in [Stage::PrePolicy, Stage::PostPolicy] {
                    prop_assert!(engine.adj_rib_in(&session.id, speaker, stage).is_empty());
                    prop_assert!(engine.adj_rib_out(&session.id, speaker, stage).is_empty());
                }
            }
            prop_assert!(!engine.over_limit().any(|id| *id == session.id));
        }
        prop_assert_eq!(engine.statistics().prefixes, design.speakers.iter().flat_map(|s| &s.aggregates).map(|a| a.prefix).collect::<std::collections::BTreeSet<_>>().len());
    }
}
