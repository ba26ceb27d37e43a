//! What happens to a network that stands: failures, and flows through it.

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use super::probe::probe_addresses;
use crate::Network;
use crate::model::Element;
use crate::resolve::{Flow, Position, Protocol, Source};

/// Some of what can fail in a network, `most` at a time, in the order of elements; shrinks to fewer. Nothing at all where
/// the network has nothing that fails.
pub fn failures(network: &Network, most: usize) -> BoxedStrategy<Vec<Element>> {
    let elements = network.elements();
    let most = most.min(elements.len());
    subsequence(elements, most.min(1)..=most).boxed()
}

/// Flows from any position to the addresses at which answers may change, by TCP, UDP or ICMP, towards ports that rules are
/// written about. `None` where no position has an address.
pub fn flows(network: &Network) -> Option<BoxedStrategy<Flow>> {
    let positions: Vec<(Position, [bool; 2])> = network
        .positions()
        .map(|position| (position, network.addresses_of(position).map(|address| address.is_some())))
        .collect();
    let addresses = probe_addresses(network.topology().document());
    let legal = move |position: &(Position, [bool; 2]), v4: bool| position.1[usize::from(!v4)];
    let some = addresses.iter().any(|address| positions.iter().any(|p| legal(p, address.is_ipv4())));
    if !some {
        return None;
    }
    let protocols = prop::sample::select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Icmp]);
    let ports = prop_oneof![prop::sample::select(vec![22, 53, 80, 443, 3389]), 1_u16..];
    let picks = (any::<Index>(), any::<Index>(), protocols, ports, 49_152_u16..);
    let drawn =
        picks.prop_filter_map("no address of that family", move |(from, to, protocol, port, source_port)| {
            let (from, destination) = (from.get(&positions), *to.get(&addresses));
            legal(from, destination.is_ipv4()).then(|| Flow {
                protocol,
                ..Flow::tcp(Source::Known(from.0), source_port, destination, port)
            })
        });
    Some(drawn.boxed())
}
