//! The ready laws on designs that keep them and on designs that do not, and the strategies of disturbances.

use azroute::Network;
use azroute::checks::{Destinations, Unmet, check};
use azroute::model::{Document, Topology, VirtualNetwork};
use azroute::testing::laws::{self, Broken};
use azroute::testing::strategies;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::flows::hub_and_spoke;

fn built(document: Document) -> Network {
    Network::build(&Topology::new(document).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn what_holds_of_every_design_holds_of_these(document in strategies::dressed(strategies::any_topology())) {
        prop_assume!(Topology::new(document.clone()).is_ok_and(|t| Network::build(&t).is_ok()));
        laws::order_decides_nothing(&document)?;
        laws::a_stranger_changes_nothing(&document)?;
        let network = built(document);
        laws::a_change_is_confined(&network, &network, &Destinations::prefixes([]))?;
    }

    #[test]
    fn failures_name_what_a_network_has(
        (network, failed) in strategies::coexistence().prop_flat_map(|document| {
            let network = built(document);
            let failed = strategies::failures(&network, 2);
            (Just(network), failed)
        }),
    ) {
        prop_assert!(failed.len() <= 2);
        let left = network.without(&failed).unwrap();
        prop_assert_eq!(left.failed(), &failed[..]);
    }

    #[test]
    fn flows_can_be_asked(
        (network, flow) in strategies::hub_and_spoke().prop_filter_map("no position", |document| {
            let network = built(document);
            strategies::flows(&network).map(|flow| (network, flow))
        }).prop_flat_map(|(network, flow)| (Just(network), flow)),
    ) {
        prop_assert!(network.evaluate(&flow).is_ok(), "{flow:?}");
    }
}

#[test]
fn failures_shrink_to_few() {
    let network = built(super::faults::design());
    let mut runner = TestRunner::deterministic();
    let mut tree = strategies::failures(&network, 4).new_tree(&mut runner).unwrap();
    while tree.simplify() {}
    assert_eq!(tree.current().len(), 1);
}

#[test]
fn a_design_that_loops_or_loses_is_told() {
    let fine = Network::build(&hub_and_spoke().build().unwrap()).unwrap();
    laws::nothing_loops(&fine).unwrap();
    laws::tenants_stay_apart(&fine).unwrap();
    // The appliance's own subnet sends back to it.
    let looping = hub_and_spoke().bind("hub/subnets/fw", "rt").build().unwrap();
    let broken = laws::nothing_loops(&Network::build(&looping).unwrap()).unwrap_err();
    assert!(
        matches!(&broken, Broken::Unmet(Unmet::Fails(found)) if found.to_string().contains("fw")),
        "{broken}"
    );
    // A next hop that nobody has.
    let losing = hub_and_spoke().route("rt", "lost", "10.0.0.0/16", "VirtualAppliance", &["10.0.1.9"]);
    let broken = laws::nothing_is_lost(&Network::build(&losing.build().unwrap()).unwrap()).unwrap_err();
    assert!(broken.to_string().contains("10.0.1.9"), "{broken}");
}

#[test]
fn what_one_failure_breaks_is_told_with_it() {
    let network = built(super::faults::design());
    let datacentre = || Destinations::position("datacentre");
    let spokes = || {
        let of_spoke =
            |p: &azroute::resolve::Position| network.position_id(*p).unwrap().as_str().contains("spoke");
        network.positions().subnets().filter(of_spoke)
    };
    let reached = check(&network).flows(spokes(), datacentre()).traverse("datacentre").check().clone();
    let broken = laws::any_one_failure_is_survived(&network, &reached).unwrap_err();
    let Broken::Failure(found) = &broken else { panic!("{broken}") };
    assert_eq!(found.elements[0].id().name(), "er-0");
    assert!(broken.to_string().starts_with("without gateway `"), "{broken}");
    let never = check(&network).flows(spokes(), datacentre()).isolated().check().clone();
    assert!(matches!(laws::any_one_failure_is_survived(&network, &never), Err(Broken::Unmet(_))));
}

#[test]
fn a_change_that_reaches_farther_is_told() {
    let before = Network::build(&hub_and_spoke().build().unwrap()).unwrap();
    let wide = hub_and_spoke().route("rt", "past", "10.20.0.0/16", "Internet", &[]);
    let after = Network::build(&wide.build().unwrap()).unwrap();
    let within = |prefix: &str| Destinations::prefixes([prefix.parse().unwrap()]);
    laws::a_change_is_confined(&before, &after, &within("10.20.0.0/15")).unwrap();
    let broken = laws::a_change_is_confined(&before, &after, &within("10.20.0.0/17")).unwrap_err();
    let Broken::Differs(change) = &broken else { panic!("{broken}") };
    assert_eq!(change.destinations.to_string(), "10.20.128.0/17");
    let grown = hub_and_spoke().with(VirtualNetwork::new("more", ["10.9.0.0/16".parse().unwrap()]));
    let grown = Network::build(&grown.subnet("more", "s", "10.9.0.0/24").build().unwrap()).unwrap();
    let broken = laws::a_change_is_confined(&before, &grown, &Destinations::everything()).unwrap_err();
    assert!(matches!(broken, Broken::Position(_)), "{broken}");
}
