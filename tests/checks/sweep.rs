//! Failures that break checks, against every one taken away by hand.

use std::ops::ControlFlow;

use azroute::Network;
use azroute::checks::{Check, Destinations, How, Sweep, check};
use azroute::model::{Element, Topology};
use azroute::testing::strategies;
use proptest::prelude::*;

fn on(_: azroute::checks::Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn to_sites(network: &Network) -> Option<Check> {
    let sites = network.topology().document().on_premises_sites.iter();
    let prefixes: Vec<_> = sites.flat_map(|s| s.prefixes.iter().copied()).collect();
    let subnets: Vec<_> = network.positions().subnets().collect();
    if prefixes.is_empty() || subnets.is_empty() {
        return None;
    }
    // What is reached now.
    let reached =
        check(network).flows(subnets.iter().copied(), Destinations::prefixes(prefixes.clone())).reach();
    let lost = reached.report().ok()?.failures.into_iter().flat_map(|f| f.destinations.prefixes());
    let left = Destinations::prefixes(prefixes).except(Destinations::prefixes(lost.collect::<Vec<_>>()));
    let left = check(network).flows(subnets, left).reach().check().clone();
    left.destinations.addresses(network).ok().filter(|a| !a.is_empty()).map(|_| left)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn a_sweep_finds_the_failures_that_break_a_check(
        document in strategies::dressed(prop_oneof![strategies::coexistence(), strategies::hub_and_spoke()]),
    ) {
        let Ok(topology) = Topology::new(document) else { return Ok(()) };
        let Ok(network) = Network::build(&topology) else { return Ok(()) };
        let Some(check) = to_sites(&network) else { return Ok(()) };
        let checks = [check];
        let found = Sweep { pairs: true, budget: 400 }.run(&network, &checks, on).unwrap();
        prop_assert!(found.broken_before.is_empty());
        let breaks = |elements: &[Element]| match checks[0].run(&network.without(elements).unwrap()) {
            Ok(report) => !report.holds(),
            Err(_) => true,
        };
        let elements = network.elements();
        let singles: Vec<Vec<Element>> =
            elements.iter().map(|e| vec![e.clone()]).filter(|e| breaks(e)).collect();
        let of = |count: usize| -> Vec<Vec<Element>> {
            found.breaks.iter().map(|b| b.elements.clone()).filter(|e| e.len() == count).collect()
        };
        prop_assert_eq!(of(1), singles.clone());
        if !found.complete {
            return Ok(());
        }
        // Pairs: no part breaks it alone, and none that breaks it is missed.
        let mut pairs = Vec::new();
        for (at, one) in elements.iter().enumerate() {
            for other in &elements[at + 1..] {
                let alone = singles.iter().any(|s| s[0] == *one || s[0] == *other);
                let pair = [one.clone(), other.clone()];
                if !alone && breaks(&pair) {
                    pairs.push(pair.to_vec());
                }
            }
        }
        for pair in of(2) {
            prop_assert!(pairs.contains(&pair), "{pair:?}");
        }
    }
}

#[test]
fn one_circuit_is_enough_and_both_are_not() {
    let net = Network::build(&Topology::new(super::faults::design()).unwrap()).unwrap();
    let spokes =
        || net.positions().subnets().filter(|p| net.position_id(*p).unwrap().as_str().contains("spoke"));
    let datacentre = || Destinations::position("datacentre");
    let reached = check(&net).flows(spokes(), datacentre()).traverse("datacentre");
    let lost = check(&net).flows(spokes(), datacentre()).isolated();
    let checks = [reached.check().clone(), lost.check().clone()];
    let found = Sweep { pairs: true, budget: 10_000 }.run(&net, &checks, on).unwrap();
    assert!(found.complete);
    assert_eq!(found.broken_before, [1]);
    let names = |count: usize| -> Vec<Vec<&str>> {
        let of = found.breaks.iter().filter(|b| b.elements.len() == count);
        of.map(|b| b.elements.iter().map(|e| e.id().name()).collect()).collect()
    };
    assert_eq!(names(1), [["er-0"], ["datacentre"]]);
    let pairs = names(2);
    assert!(pairs.contains(&vec!["circuit-0", "circuit-1"]), "{pairs:?}");
    // The two links of one circuit leave the other one.
    assert!(!pairs.iter().any(|pair| pair[0] == pair[1] && pair[0] != "er-0"), "{pairs:?}");
    assert!(found.breaks.iter().all(|b| b.check == 0 && matches!(&b.how, How::Fails(_) | How::Lost(_))));
}

#[test]
fn a_sweep_can_be_stopped_and_says_so() {
    let net = Network::build(&Topology::new(super::faults::design()).unwrap()).unwrap();
    let elements = net.elements().len();
    let reached = check(&net).flows(net.positions().subnets(), Destinations::position("datacentre")).reach();
    let reached = std::slice::from_ref(reached.check());
    let whole = Sweep::default().run(&net, reached, on).unwrap();
    assert!(whole.complete);
    assert_eq!(whole.scenarios, elements);
    let mut seen = Vec::new();
    let stopped = Sweep::default().run(&net, reached, |progress| {
        seen.push((progress.done, progress.total));
        ControlFlow::Break(())
    });
    assert!(!stopped.unwrap().complete);
    assert_eq!(seen, [(1, elements)]);
    let spent = Sweep { pairs: false, budget: 0 }.run(&net, reached, on).unwrap();
    assert!(!spent.complete && spent.scenarios == 0);
}
