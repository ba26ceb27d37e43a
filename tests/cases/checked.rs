//! Published outcomes as checks: a loop, a black hole or an asymmetry is a check that fails, an appliance on the way one that
//! holds.

use std::net::IpAddr;

use azroute::Network;
use azroute::checks::{Destinations, Expectation, Flows, check as ask, position};
use azroute::resolve::{Answer, Place, Position, Source};
use ipnet::IpNet;

use super::outcomes::{Check, is_for_state};
use super::schema::ExpectedAnswer;

fn flows(network: &Network, from: Position, to: IpAddr) -> Flows<'_> {
    ask(network).flows([from], Destinations::prefixes([IpNet::from(to)]))
}

/// That a check says what was published. What starts where no position is, on the Internet or in a service, is not asked.
pub(crate) fn compare(
    check: &mut Check,
    expected: &ExpectedAnswer,
    network: &Network,
    from: &Source,
    to: IpAddr,
    answer: &Answer,
) {
    let Ok(at) = network.position(from.clone()) else { return };
    let mut says = |flows: Flows<'_>, expectation: Expectation, published: bool| {
        let text = expectation.to_string();
        match flows.expect(expectation).report() {
            Ok(report) => {
                check.that(report.holds() == published, || format!("the check `{text}` says otherwise"))
            }
            Err(error) => check.that(false, || format!("the check `{text}`: {error}")),
        }
    };
    if let Some(looped) = expected.looped {
        says(flows(network, at, to), Expectation::NoLoop, !looped);
    }
    if expected.dropped == Some(true) && !is_for_state(expected) {
        says(flows(network, at, to), Expectation::Reachable, false);
    }
    if expected.dropped == Some(true)
        && is_for_state(expected)
        && let (Ok(began), Some(own)) = (network.position(to), own_address(network, at, to))
    {
        // The packet is a reply: it misses a direction where the conversation is not symmetric.
        says(flows(network, began, own), Expectation::Symmetric, false);
    }
    // Where there is one path, every appliance that is published on it is on every path.
    let one = answer.paths().take(2).count() == 1;
    let hops = answer.path();
    let appliances = hops.hops().iter().skip(1).filter_map(|hop| match &hop.place {
        Place::Appliance { id, .. } => Some(id.clone()),
        _ => None,
    });
    if one && !expected.path.is_empty() && answer.disposition().is_success() {
        for id in appliances {
            says(flows(network, at, to), Expectation::Traverses(position(id)), true);
        }
    }
}

fn own_address(network: &Network, at: Position, towards: IpAddr) -> Option<IpAddr> {
    let [v4, v6] = network.addresses_of(at);
    if towards.is_ipv4() { v4 } else { v6 }
}
