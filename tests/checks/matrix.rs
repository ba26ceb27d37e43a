//! Who reaches whom, against the walk.

use azroute::Network;
use azroute::checks::{Reach, matrix};
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
