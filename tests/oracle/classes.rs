//! Classes and stored paths against the slow walk: every answer by one look-up equals the one walked hop by hop.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use azroute::Network;
use azroute::model::{Document, ResourceId, Topology};
use azroute::resolve::{Class, Leg, PathId, Position, ResolveError, Resolved, Source};
use azroute::testing::strategies;
use ipnet::IpNet;
use proptest::prelude::*;

/// Addresses at the edges of every prefix that a document names anywhere, and of every class.
fn edges(document: &Document, network: &Network) -> Vec<IpAddr> {
    let mut found = strategies::probe_addresses(document);
    let classes = network.classes().unwrap();
    for class in classes.iter() {
        for prefix in classes.prefixes(class).iter().take(6) {
            found.extend([prefix.network(), prefix.broadcast()]);
        }
    }
    let written = serde_json::to_string(document).unwrap();
    for word in written.split('"') {
        let prefix = word.parse::<IpNet>().or_else(|_| word.parse::<IpAddr>().map(IpNet::from));
        if let Ok(prefix) = prefix {
            found.extend([prefix.network(), prefix.broadcast()]);
            found.extend(neighbour(prefix.network(), false));
            found.extend(neighbour(prefix.broadcast(), true));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn neighbour(address: IpAddr, up: bool) -> Option<IpAddr> {
    Some(match (address, up) {
        (IpAddr::V4(ip), true) => IpAddr::V4(u32::from(ip).checked_add(1)?.into()),
        (IpAddr::V4(ip), false) => IpAddr::V4(u32::from(ip).checked_sub(1)?.into()),
        (IpAddr::V6(ip), true) => IpAddr::V6(u128::from(ip).checked_add(1)?.into()),
        (IpAddr::V6(ip), false) => IpAddr::V6(u128::from(ip).checked_sub(1)?.into()),
    })
}

/// Asks from every position to every address, a part of the addresses first so that paths are stored by others than those
/// that read them, and compares with the walk.
fn compare(document: &Document) -> Result<(), TestCaseError> {
    let Ok(topology) = Topology::new(document.clone()) else { return Ok(()) };
    let Ok(network) = Network::build(&topology) else { return Ok(()) };
    let mut edges = edges(document, &network);
    // Where there are many, another part of them each time.
    let step = edges.len().div_ceil(160);
    let first = document.virtual_networks.len() % step;
    edges = edges.into_iter().skip(first).step_by(step).collect();
    let mut sources: Vec<Source> = network.positions().map(Source::from).collect();
    let ids: Vec<ResourceId> = network.positions().filter_map(|p| network.position_id(p).cloned()).collect();
    sources.extend(ids.into_iter().map(Source::from));
    sources.extend(edges.iter().step_by(5).map(|address| Source::Address(*address)));
    for leg in [Leg::Initiate, Leg::Reply] {
        for source in sources.iter().rev() {
            for probe in edges.iter().skip(1).step_by(2).chain(edges.iter().step_by(2)) {
                let fast = network.resolve_leg(source.clone(), *probe, leg);
                let source = match source {
                    Source::Known(position) => match &fast {
                        Ok(answer) => Source::at(
                            network.position_id(*position).unwrap().clone(),
                            answer.header().source,
                        ),
                        Err(_) => continue,
                    },
                    other => other.clone(),
                };
                let slow = network.walk(source.clone(), *probe, leg);
                match (&fast, &slow) {
                    (Ok(fast), Ok(slow)) => {
                        prop_assert_eq!(
                            fast.answer(),
                            slow,
                            "{} from {} to {}:\n{}\n{}",
                            leg,
                            source,
                            probe,
                            fast,
                            slow
                        );
                    }
                    (Err(fast), Err(slow)) => prop_assert_eq!(fast, slow),
                    (fast, slow) => prop_assert!(false, "{} to {}: {:?} {:?}", source, probe, fast, slow),
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 16, ..ProptestConfig::default() })]

    #[test]
    fn answers_by_class_are_those_of_the_walk(document in strategies::any_topology()) {
        compare(&document)?;
    }

    #[test]
    fn classes_part_all_addresses(document in strategies::any_topology()) {
        let Ok(topology) = Topology::new(document) else { return Ok(()) };
        let Ok(network) = Network::build(&topology) else { return Ok(()) };
        let classes = network.classes().unwrap();
        let mut all: Vec<IpNet> = Vec::new();
        for class in classes.iter() {
            let prefixes = classes.prefixes(class);
            prop_assert!(!prefixes.is_empty());
            prop_assert_eq!(classes.first_address(class), Some(prefixes[0].network()));
            for prefix in &prefixes {
                prop_assert_eq!(classes.class_of(prefix.network()), class);
                prop_assert_eq!(classes.class_of(prefix.broadcast()), class);
                prop_assert_eq!(classes.within(prefix), [class]);
            }
            // The fewest: nothing is left to merge.
            prop_assert_eq!(IpNet::aggregate(&prefixes).len(), prefixes.len());
            all.extend(prefixes);
        }
        let mut whole = IpNet::aggregate(&all);
        whole.sort_unstable();
        prop_assert_eq!(whole, ["0.0.0.0/0", "::/0"].map(|p| p.parse::<IpNet>().unwrap()));
        // Disjoint: sizes add up.
        let v4: u64 = all.iter().filter(|p| p.addr().is_ipv4()).map(|p| 1_u64 << (32 - p.prefix_len())).sum();
        prop_assert_eq!(v4, 1 << 32);
    }
}

/// A hub and four spokes, and every pair of a position and an address of a class that has an answer.
fn small() -> (Network, Vec<(Position, IpAddr)>) {
    use azroute::testing::generate::{self, HubAndSpoke};
    let design = HubAndSpoke { spokes: 4, learned_routes: 60, vpn_sites: 2, ..HubAndSpoke::default() };
    let topology = Topology::new(generate::hub_and_spoke(&design).unwrap()).unwrap();
    let network = Network::build(&topology).unwrap();
    let classes = network.classes().unwrap();
    let addresses: Vec<IpAddr> = classes.iter().filter_map(|class| classes.first_address(class)).collect();
    let pairs = network.positions().flat_map(|p| addresses.iter().map(move |a| (p, *a)));
    let pairs = pairs.filter(|(p, a)| network.resolve(*p, *a).is_ok()).collect();
    (network, pairs)
}

#[test]
fn what_was_asked_before_is_answered_without_allocation() {
    let (network, pairs) = small();
    assert!(pairs.len() > 500, "{}", pairs.len());
    let sources: Vec<(IpAddr, IpAddr)> =
        pairs.iter().map(|(p, a)| (network.resolve(*p, *a).unwrap().header().source, *a)).collect();
    let mut paths = vec![network.resolve(pairs[0].0, pairs[0].1).unwrap().path_id().unwrap(); pairs.len()];
    // An address that a gateway owns is nobody's to send from by itself: such questions are walked.
    let hosts: Vec<&(IpAddr, IpAddr)> = sources
        .iter()
        .filter(|(s, a)| network.resolve(*s, *a).is_ok_and(|found| found.path_id().is_some()))
        .collect();
    assert!(hosts.len() * 10 > sources.len() * 8, "{} of {}", hosts.len(), sources.len());
    let counted = allocation_counter::measure(|| {
        for (position, address) in &pairs {
            assert!(network.resolve(*position, *address).unwrap().path_id().is_some());
        }
        network.resolve_batch(&pairs, &mut paths).unwrap();
        for (source, address) in &hosts {
            assert!(network.resolve(*source, *address).unwrap().path_id().is_some());
        }
    });
    assert_eq!(counted.count_total, 0);
    for ((position, address), path) in pairs.iter().zip(&paths) {
        assert_eq!(network.resolve(*position, *address).unwrap().path_id(), Some(*path));
    }
}

#[test]
fn handles_and_answers_are_small() {
    assert_eq!(size_of::<Position>(), 4);
    assert_eq!(size_of::<PathId>(), 4);
    assert_eq!(size_of::<Class>(), 4);
    assert!(size_of::<Resolved<'_>>() <= 96, "{}", size_of::<Resolved<'_>>());
}

#[test]
fn a_batch_names_the_position_that_cannot_be_asked() {
    let (network, pairs) = small();
    let mut paths = vec![network.resolve(pairs[0].0, pairs[0].1).unwrap().path_id().unwrap(); 2];
    let packets = [pairs[0], (pairs[0].0, "2001:db8::1".parse().unwrap())];
    let error = network.resolve_batch(&packets, &mut paths).unwrap_err();
    assert!(matches!(error, ResolveError::NoAddress { .. }), "{error}");
}

#[test]
fn every_design_of_the_generator_answers_by_class_as_it_walks() {
    use azroute::testing::generate::{self, HubAndSpoke};
    let design = HubAndSpoke { spokes: 4, learned_routes: 60, vpn_sites: 2, ..HubAndSpoke::default() };
    compare(&generate::hub_and_spoke(&design).unwrap()).unwrap();
}
