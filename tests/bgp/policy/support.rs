//! Policies from TOML, and routes to run through them.

use azroute::bgp::Settings;
use azroute::bgp::policy::{Context, Outcome, Policies, StatementTrace};
use azroute::model::bgp::{
    Asn, DecisionOverrides, DefaultPolicy, MaximumPaths, PathAttributes, Profile, RouteType, RoutingPolicy,
    SourceProtocol,
};

use crate::policy::naive::Route;

/// The settings that policies ask for, as FRR has them; said here, so that these tests say what they test.
pub(crate) fn frr() -> Settings {
    Settings {
        sum_local_preference_from: 0,
        undefined_policy: DefaultPolicy::RejectRoute,
        undefined_set_matches: false,
        ..Settings::new(Profile::Frr8, &DecisionOverrides::default(), MaximumPaths::default())
    }
}

/// A route that an external neighbour sends: `10.1.0.0/16`, path `65002 9`.
pub(crate) fn route() -> Route {
    Route {
        prefix: "10.1.0.0/16".parse().unwrap(),
        neighbor: Some("192.0.2.2".parse().unwrap()),
        own_address: Some("192.0.2.1".parse().unwrap()),
        own_asn: Asn(65001),
        peer_asn: Some(Asn(65002)),
        route_type: RouteType::External,
        source_protocol: SourceProtocol::Bgp,
        igp_cost: None,
        export: false,
        settings: frr(),
        attributes: attributes("as_path = '65002 9'\nnext_hop = '192.0.2.2'"),
    }
}

pub(crate) fn context(route: &Route) -> Context<'_> {
    Context {
        prefix: &route.prefix,
        neighbor: route.neighbor,
        own_address: route.own_address,
        own_asn: route.own_asn,
        peer_asn: route.peer_asn,
        route_type: route.route_type,
        source_protocol: route.source_protocol,
        igp_cost: route.igp_cost,
        export: route.export,
        settings: &route.settings,
    }
}

pub(crate) fn attributes(toml: &str) -> PathAttributes {
    toml::from_str(toml).unwrap()
}

pub(crate) fn policy(toml: &str) -> RoutingPolicy {
    toml::from_str(toml).unwrap_or_else(|e| panic!("{e}\n{toml}"))
}

/// One policy `p` of statements, each a line `conditions / actions`, both as the inside of an inline table; before them
/// whatever else is declared.
pub(crate) fn statements(sets: &str, lines: &[&str]) -> RoutingPolicy {
    let mut text = format!("{sets}\n[[policy_definitions]]\nname = 'p'\n");
    for line in lines {
        let (conditions, actions) = line.split_once(" / ").unwrap();
        text.push_str("[[policy_definitions.statements]]\n");
        text.push_str(&format!("conditions = {{ {conditions} }}\nactions = {{ {actions} }}\n"));
    }
    policy(&text)
}

/// What became of a route that `p` alone saw.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) accepted: bool,
    pub(crate) next_hop_set: bool,
    pub(crate) attributes: PathAttributes,
    pub(crate) traces: Vec<StatementTrace>,
}

/// Runs policies, rejecting at the end; with and without a trace.
pub(crate) fn run_all(
    declared: &RoutingPolicy,
    names: &[&str],
    default: DefaultPolicy,
    route: &Route,
) -> Ran {
    let policies = Policies::compile(declared).unwrap_or_else(|e| panic!("{e}"));
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let chain = policies.chain(&names, default).unwrap();
    let (mut plain, mut traced) = (route.attributes.clone(), route.attributes.clone());
    let outcome = policies.evaluate(&chain, &context(route), &mut plain);
    let (again, traces) = policies.trace(&chain, &context(route), &mut traced);
    assert_eq!(outcome, again, "looking on changes the outcome");
    // A rejected route may be left half changed.
    assert!(plain == traced || !outcome.accepted, "looking on changes the route");
    let Outcome { accepted, next_hop_set } = outcome;
    Ran { accepted, next_hop_set, attributes: plain, traces }
}

pub(crate) fn run(declared: &RoutingPolicy, route: &Route) -> Ran {
    run_all(declared, &["p"], DefaultPolicy::RejectRoute, route)
}
