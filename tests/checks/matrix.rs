//! Who reaches whom, against the walk.

use azroute::Network;
use azroute::checks::{Destinations, Reach, matrix, matrix_to_sets};
use azroute::model::Topology;
use azroute::resolve::{DispositionKind, Leg, Source};
use azroute::testing::strategies;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn the_matrix_is_that_of_the_walk(document in strategies::any_topology()) {
        let Ok(topology) = Topology::new(document) else { return Ok(()) };
        let Ok(network) = Network::build(&topology) else { return Ok(()) };
        let found = matrix(&network, network.positions(), network.positions()).unwrap();
        for (at, source) in network.positions().enumerate() {
            for (to, destination) in network.positions().enumerate() {
                let [from4, from6] = network.addresses_of(source);
                let [to4, to6] = network.addresses_of(destination);
                let address = from4.and(to4).or(from6.and(to6));
                let expected = match address {
                    None => Reach::NoAddress,
                    Some(address) => {
                        let answer = network.walk(Source::Known(source), address, Leg::Initiate).unwrap();
                        let ends = answer.dispositions();
                        let arriving = ends.iter().filter(|end| end.is_success()).count();
                        if arriving == 0 || arriving == ends.len() {
                            Reach::All(ends.first().unwrap().kind())
                        } else {
                            Reach::Some
                        }
                    }
                };
                prop_assert_eq!(found.get(at, to), Some(expected));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn a_set_is_reached_where_all_of_it_is(
        document in strategies::any_topology(),
        prefixes in prop::collection::vec(strategies::prefix(), 1..4),
    ) {
        let Ok(topology) = Topology::new(document.clone()) else { return Ok(()) };
        let Ok(network) = Network::build(&topology) else { return Ok(()) };
        let sets = [
            Destinations::prefixes(prefixes.iter().copied()),
            Destinations::everything().except(Destinations::prefixes(prefixes)),
            Destinations::everything(),
        ];
        let found = matrix_to_sets(&network, network.positions(), sets.clone()).unwrap();
        for (column, set) in sets.iter().enumerate() {
            let asked = set.addresses(&network).unwrap();
            let mut edges = super::flows::edges(&document, &[&network], &asked);
            edges.retain(|address| asked.contains(*address));
            for (row, source) in network.positions().enumerate() {
                let [own4, own6] = network.addresses_of(source);
                let mut arrive = Vec::new();
                for address in &edges {
                    let own = if address.is_ipv4() { own4 } else { own6 };
                    if own.is_some() {
                        let answer = network.walk(Source::Known(source), *address, Leg::Initiate).unwrap();
                        arrive.extend(answer.dispositions().iter().map(|end| end.is_success()));
                    }
                }
                let reach = found.get(row, column).unwrap();
                prop_assert_eq!(reach == Reach::NoAddress, arrive.is_empty());
                prop_assert_eq!(reach == Reach::Some, arrive.contains(&true) && arrive.contains(&false));
                prop_assert_eq!(reach.arrives(), !arrive.is_empty() && !arrive.contains(&false));
            }
        }
    }
}

#[test]
fn a_matrix_reads_as_a_table() {
    let topology = super::flows::hub_and_spoke().build().unwrap();
    let net = Network::build(&topology).unwrap();
    let subnets = || net.positions().subnets();
    let found = matrix(&net, subnets(), subnets()).unwrap();
    // The appliance takes one spoke's packets to the other, where the peering lets forwarded traffic in.
    let drops: Vec<String> =
        found.unreached().map(|(from, to, reach)| format!("{from} {to} {reach:?}")).collect();
    let text = found.to_string();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert_eq!(text.matches('x').count(), drops.len(), "{text}");
    assert_eq!(found.get(0, 0), Some(Reach::All(DispositionKind::Delivered)));
    assert_eq!(found.get(0, 3), None);
}
