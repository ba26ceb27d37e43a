//! Random policies and routes: the engine against the plain interpreter, and what must hold of any policy.

use azroute::bgp::Settings;
use azroute::bgp::policy::Policies;
use azroute::model::bgp::{
    Actions, Asn, Conditions, DefaultPolicy, MatchSet, NeighborSet, PolicyDefinition, PolicyResult,
    PrefixRange, PrefixSet, RouteType, RoutingPolicy, SourceProtocol, Statement,
};
use azroute::testing::strategies;
use ipnet::IpNet;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::policy::naive::{self, Route};
use crate::policy::support::{context, frr};

fn settings() -> impl Strategy<Value = Settings> {
    (select(vec![0, 100]), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(sum_local_preference_from, accept, undefined_set_matches, as_path_confederation)| Settings {
            sum_local_preference_from,
            undefined_policy: if accept { DefaultPolicy::AcceptRoute } else { DefaultPolicy::RejectRoute },
            undefined_set_matches,
            as_path_confederation,
            ..frr()
        },
    )
}

fn route() -> impl Strategy<Value = Route> {
    (
        strategies::policy_prefix(),
        (of(strategies::policy_address()), of(strategies::policy_address())),
        (select(vec![65001, 7018]).prop_map(Asn), of(select(vec![65002, 9]).prop_map(Asn))),
        select(vec![RouteType::External, RouteType::Internal, RouteType::Local]),
        select(vec![SourceProtocol::Bgp, SourceProtocol::Connected, SourceProtocol::Static]),
        of(0_u32..3),
        any::<bool>(),
        settings(),
        strategies::path_attributes(),
    )
        .prop_map(
            |(
                prefix,
                (neighbor, own_address),
                (own_asn, peer_asn),
                route_type,
                source_protocol,
                igp_cost,
                export,
                settings,
                attributes,
            )| Route {
                prefix,
                neighbor,
                own_address,
                own_asn,
                peer_asn,
                route_type,
                source_protocol,
                igp_cost,
                export,
                settings,
                attributes,
            },
        )
}

fn default_policy() -> impl Strategy<Value = DefaultPolicy> {
    select(vec![DefaultPolicy::RejectRoute, DefaultPolicy::AcceptRoute])
}

/// Names of a chain.
fn chain(declared: &RoutingPolicy, picks: &[Index]) -> Vec<String> {
    let mut names: Vec<String> = declared.policy_definitions.iter().map(|p| p.name.clone()).collect();
    if declared.undefined_names {
        names.push("missing".to_owned());
    }
    if names.is_empty() {
        return names;
    }
    picks.iter().map(|pick| pick.get(&names).clone()).collect()
}

fn picks() -> impl Strategy<Value = Vec<Index>> {
    proptest::collection::vec(any::<Index>(), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_does_as_the_plain_interpreter(
        declared in strategies::routing_policy(),
        picks in picks(),
        default in default_policy(),
        routes in proptest::collection::vec(route(), 1..6),
    ) {
        let names = chain(&declared, &picks);
        let policies = Policies::compile(&declared).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let chain = policies.chain(&names, default).unwrap();
        for route in &routes {
            let expected = naive::evaluate(&declared, &names, default, route);
            let mut attributes = route.attributes.clone();
            let outcome = policies.evaluate(&chain, &context(route), &mut attributes);
            if chain.rejects_all() {
                prop_assert!(!outcome.accepted && !expected.accepted);
                continue;
            }
            prop_assert_eq!(outcome.accepted, expected.accepted);
            prop_assert_eq!(outcome.next_hop_set, expected.next_hop_set);
            prop_assert_eq!(&attributes, &expected.attributes);
            if chain.is_transparent() {
                prop_assert!(outcome.accepted && !outcome.next_hop_set && attributes == route.attributes);
            }
        }
    }

    #[test]
    fn a_trace_tells_what_was_done(
        declared in strategies::routing_policy(),
        picks in picks(),
        default in default_policy(),
        route in route(),
    ) {
        let names = chain(&declared, &picks);
        let policies = Policies::compile(&declared).unwrap();
        let chain = policies.chain(&names, default).unwrap();
        let expected = naive::evaluate(&declared, &names, default, &route);
        let mut attributes = route.attributes.clone();
        let (outcome, traces) = policies.trace(&chain, &context(&route), &mut attributes);
        prop_assert_eq!(outcome.accepted, expected.accepted);
        prop_assert_eq!(&attributes, &expected.attributes);
        let number = |policy: &str, name: &str| {
            let policy = declared.policy_definitions.iter().find(|p| p.name == policy).unwrap();
            let at = policy.statements.iter().position(|s| s.name == name);
            at.map_or_else(|| name.parse().unwrap(), |at| at + 1)
        };
        let steps: Vec<naive::Step> = traces
            .iter()
            .filter_map(|t| Some((t.policy.clone(), number(&t.policy, t.statement.as_ref()?), t.matches())))
            .collect();
        prop_assert_eq!(steps, expected.steps);
        for trace in &traces {
            prop_assert!(trace.matches() || (trace.changes.is_empty() && trace.result.is_none()));
            prop_assert!(!trace.to_string().contains('\n'));
        }
        // Each attribute that differs in the end was changed by a statement that matched.
        let told = |name: &str| {
            traces.iter().flat_map(|t| &t.changes).any(|c| c.attribute.to_string() == name)
        };
        let (before, after) = (&route.attributes, &attributes);
        prop_assert!(before.origin == after.origin || told("origin"));
        prop_assert!(before.med == after.med || told("med"));
        prop_assert!(before.local_preference == after.local_preference || told("local_preference"));
        prop_assert!(before.weight == after.weight || told("weight"));
        prop_assert!(before.next_hop == after.next_hop || told("next_hop"));
        prop_assert!(before.as_path == after.as_path || told("as_path"));
        prop_assert!(before.communities == after.communities
            || told("communities") || told("extended_communities") || told("large_communities"));
        if !traces.iter().any(|t| !t.changes.is_empty()) {
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn prefixes_of_equal_treatment_are_treated_alike(
        declared in strategies::routing_policy(),
        picks in picks(),
        default in default_policy(),
        route in route(),
        others in proptest::collection::vec(strategies::policy_prefix(), 1..24),
    ) {
        let policies = Policies::compile(&declared).unwrap();
        let chain = policies.chain(&chain(&declared, &picks), default).unwrap();
        let treatment = |prefix: &IpNet| {
            let mut ids = Vec::new();
            policies.treatment(prefix, &mut ids);
            prop_assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?} do not ascend");
            Ok(ids)
        };
        let evaluate = |prefix: &IpNet| {
            let mut attributes = route.attributes.clone();
            let context = azroute::bgp::policy::Context { prefix, ..context(&route) };
            let outcome = policies.evaluate(&chain, &context, &mut attributes);
            (outcome, attributes)
        };
        let (own, expected) = (treatment(&route.prefix)?, evaluate(&route.prefix));
        for other in &others {
            if treatment(other)? == own {
                prop_assert_eq!(evaluate(other), expected.clone(), "{} as {}", other, route.prefix);
            }
        }
    }
}

/// Prefixes of a few addresses, so that most lie in each other: the last byte of an address, or less of it.
fn close_prefix() -> impl Strategy<Value = IpNet> {
    (any::<bool>(), any::<u8>(), 0_u8..=8).prop_map(|(v6, last, longer)| {
        let text = if v6 {
            format!("2001:db8::{last:x}/{}", 120 + longer)
        } else {
            format!("10.0.0.{last}/{}", 24 + longer)
        };
        text.parse().unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Sets of many members inside each other, held against every member in turn.
    #[test]
    fn a_prefix_set_holds_what_its_members_stand_for(
        members in proptest::collection::vec((close_prefix(), of(0_u8..4), of(0_u8..4)), 0..24),
        prefixes in proptest::collection::vec(close_prefix(), 1..40),
        neighbor in close_prefix(),
    ) {
        let ranges: Vec<PrefixRange> = members
            .iter()
            .map(|(prefix, ge, le)| {
                let longer = |from: u8, by: u8| (from + by).min(prefix.max_prefix_len());
                let ge = ge.map(|by| longer(prefix.prefix_len(), by));
                let le = le.map(|by| longer(ge.unwrap_or(prefix.prefix_len()), by));
                PrefixRange { prefix: *prefix, ge, le }
            })
            .collect();
        let set = |set: &str| Some(MatchSet { set: set.to_owned(), ..MatchSet::default() });
        let statement = |conditions| Statement {
            conditions,
            actions: Actions { policy_result: Some(PolicyResult::AcceptRoute), ..Actions::default() },
            ..Statement::default()
        };
        let prefix = Conditions { match_prefix_set: set("s"), ..Conditions::default() };
        let address = Conditions { match_neighbor_set: set("s"), ..Conditions::default() };
        let definition = |name: &str, conditions| PolicyDefinition {
            name: name.to_owned(),
            statements: vec![statement(conditions)],
        };
        let declared = RoutingPolicy {
            prefix_sets: vec![PrefixSet { name: "s".to_owned(), prefixes: ranges }],
            neighbor_sets: vec![NeighborSet {
                name: "s".to_owned(),
                addresses: members.iter().map(|(net, ..)| *net).collect(),
            }],
            policy_definitions: vec![definition("prefix", prefix), definition("address", address)],
            ..RoutingPolicy::default()
        };
        let policies = Policies::compile(&declared).unwrap();
        for prefix in prefixes {
            let mut route = crate::policy::support::route();
            (route.prefix, route.neighbor) = (prefix, Some(neighbor.addr()));
            for name in ["prefix", "address"] {
                let names = [name.to_owned()];
                let chain = policies.chain(&names, DefaultPolicy::RejectRoute).unwrap();
                let outcome = policies.evaluate(&chain, &context(&route), &mut route.attributes.clone());
                let expected = naive::evaluate(&declared, &names, DefaultPolicy::RejectRoute, &route);
                prop_assert_eq!(outcome.accepted, expected.accepted, "{} of {}", name, prefix);
                if name == "prefix" {
                    let mut ids = Vec::new();
                    policies.treatment(&prefix, &mut ids);
                    prop_assert_eq!(ids.len(), usize::from(expected.accepted), "{:?} of {}", ids, prefix);
                }
            }
        }
    }
}

/// The strategies reach accepted and rejected routes, matching and failing statements, changes of every attribute and
/// failures of every condition: else the properties above say little.
#[test]
fn policies_reach_every_condition_and_change() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use std::collections::BTreeMap;

    let mut runner = TestRunner::deterministic();
    let strategy = (strategies::routing_policy(), picks(), default_policy(), route());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..3_000 {
        let (declared, picks, default, route) = strategy.new_tree(&mut runner).unwrap().current();
        let policies = Policies::compile(&declared).unwrap();
        let chain = policies.chain(&chain(&declared, &picks), default).unwrap();
        let (outcome, traces) = policies.trace(&chain, &context(&route), &mut route.attributes.clone());
        *seen.entry(format!("accepted {}", outcome.accepted)).or_default() += 1;
        for trace in traces {
            let kind = trace.failed.as_ref().map_or("matches".to_owned(), |f| format!("not {}", f.condition));
            *seen.entry(kind).or_default() += 1;
            for change in trace.changes {
                *seen.entry(format!("changes {}", change.attribute)).or_default() += 1;
            }
            if trace.depth > 0 {
                *seen.entry("called".to_owned()).or_default() += 1;
            }
        }
    }
    println!("{seen:#?}");
    for kind in ["accepted true", "accepted false", "matches", "called"] {
        assert!(seen.get(kind).is_some_and(|n| *n > 30), "{kind}");
    }
    for condition in [
        "call_policy",
        "source_protocol",
        "match_prefix_set",
        "match_neighbor_set",
        "match_next_hop_set",
        "match_as_path_set",
        "match_community_set",
        "match_extended_community_set",
        "match_large_community_set",
        "community_count",
        "med",
        "local_preference",
        "origin",
        "as_path_length",
        "route_type",
        "address_family",
    ] {
        assert!(seen.contains_key(&format!("not {condition}")), "{condition} never fails");
    }
    for attribute in [
        "origin",
        "local_preference",
        "med",
        "weight",
        "next_hop",
        "as_path",
        "communities",
        "extended_communities",
        "large_communities",
    ] {
        assert!(seen.contains_key(&format!("changes {attribute}")), "{attribute} never changes");
    }
}
