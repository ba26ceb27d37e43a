//! Ready laws: what holds of a well-made design, each as a function that a test calls. One that does not hold comes back
//! as a [`Broken`], which a proptest body passes on with `?` and which names the smallest counterexample.
//!
//! # An own design, tested
//!
//! A design, what must hold of it, every disturbance of one kind, and the laws: twenty lines.
//!
//! ```
//! use azroute::checks::{Destinations, check, position};
//! use azroute::testing::{laws, strategies};
//! use azroute::{Network, model::Topology};
//! use proptest::prelude::*;
//!
//! let design = Topology::builder()
//!     .virtual_network("hub", &["10.0.0.0/16"]).subnet("hub", "nva", "10.0.1.0/24")
//!     .appliance("fw", "hub/subnets/nva", "10.0.1.4")
//!     .virtual_network("spoke", &["10.1.0.0/16"]).subnet("spoke", "web", "10.1.0.0/24").peer("hub", "spoke")
//!     .route("rt", "all", "0.0.0.0/0", "VirtualAppliance", &["10.0.1.4"]).bind("spoke/subnets/web", "rt")
//!     .build()?;
//! let net = Network::build(&design)?;
//! laws::nothing_loops(&net)?;
//! laws::tenants_stay_apart(&net)?;
//! let spoke = || net.positions().in_virtual_network("spoke").subnets();
//! let promise = check(&net).flows(spoke(), Destinations::internet()).traverse(position("fw")).check().clone();
//! assert!(promise.run(&net)?.holds());
//! // Whatever fails, nothing goes past the firewall: lost is lost.
//! proptest!(ProptestConfig::with_cases(20), |(failed in strategies::failures(&net, 2))| {
//!     prop_assert!(promise.run(&net.without(&failed)?)?.holds());
//! });
//! // It is the only one, though.
//! let reached = check(&net).flows(spoke(), Destinations::position("hub/subnets/nva")).reach().check().clone();
//! laws::any_one_failure_is_survived(&net, &reached)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::ops::ControlFlow;

use crate::checks::{
    AddressRanges, Break, Check, CheckError, Destinations, Difference, Expectation, How, Sweep, Unmet, check,
    diff,
};
use crate::model::{Document, ResourceId, Topology, TopologyError, VirtualNetwork};
use crate::{Network, NetworkError};

/// A law that does not hold, or that cannot be asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// Something is expected of all flows, and does not hold of these.
    #[error(transparent)]
    Unmet(#[from] Unmet),
    /// A failure breaks a check.
    #[error("without {}: {}", .0.elements.first().map_or_else(String::new, ToString::to_string), told(.0))]
    Failure(Box<Break>),
    /// Answers differ that may not.
    #[error("these differ: {0}")]
    Differs(Box<Difference>),
    /// Positions come or go that may not.
    #[error("position `{0}` is in one of the networks only")]
    Position(ResourceId),
    /// A law cannot be asked.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// A network cannot be built.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl From<TopologyError> for Broken {
    fn from(error: TopologyError) -> Self {
        Self::Network(error.into())
    }
}

fn told(found: &Break) -> String {
    match &found.how {
        How::Fails(report) => report.failures.first().map_or_else(String::new, ToString::to_string),
        How::Lost(error) => error.to_string(),
    }
}

/// From every position to every address.
fn everywhere(network: &Network, expectation: Expectation) -> Result<(), Broken> {
    if network.positions().next().is_none() {
        return Ok(());
    }
    let all = check(network).flows(network.positions(), Destinations::everything());
    all.expect(expectation).expect_all()?;
    Ok(())
}

/// No packet comes back to where it was (WALK-7).
///
/// # Errors
/// The smallest loop.
pub fn nothing_loops(network: &Network) -> Result<(), Broken> {
    everywhere(network, Expectation::NoLoop)
}

/// No packet to an address that the design has is dropped, but where somebody said so ([`Expectation::NoBlackHole`]): to
/// networks, and to what sites have.
///
/// # Errors
/// The smallest loss.
pub fn nothing_is_lost(network: &Network) -> Result<(), Broken> {
    let document = network.topology().document();
    let networks = document.virtual_networks.iter().flat_map(|network| &network.subnets);
    let sites = document.on_premises_sites.iter().flat_map(|site| &site.prefixes);
    let had: Vec<_> = networks.flat_map(|subnet| &subnet.address_prefixes).chain(sites).copied().collect();
    if had.is_empty() || network.positions().next().is_none() {
        return Ok(());
    }
    let all = check(network).flows(network.positions(), Destinations::prefixes(had));
    all.expect(Expectation::NoBlackHole).expect_all()?;
    Ok(())
}

/// No packet touches what another tenant has (ISO-1).
///
/// # Errors
/// The smallest meeting.
pub fn tenants_stay_apart(network: &Network) -> Result<(), Broken> {
    everywhere(network, Expectation::TenantIsolated)
}

/// Every stateful hop sees both directions of every conversation (WALK-10).
///
/// # Errors
/// The smallest asymmetry.
pub fn both_directions_are_seen(network: &Network) -> Result<(), Broken> {
    everywhere(network, Expectation::Symmetric)
}

/// Whatever one thing fails, a check holds of what is left, apart from failures that take a source or a named place away.
///
/// # Errors
/// The first failure that breaks it; [`Broken::Unmet`] where it does not hold at all.
pub fn any_one_failure_is_survived(network: &Network, check: &Check) -> Result<(), Broken> {
    let survey = Sweep::default().run(network, std::slice::from_ref(check), |_| ControlFlow::Continue(()))?;
    if !survey.broken_before.is_empty() {
        let counterexample = check.run(network)?.counterexample(&check.expectation);
        return counterexample.map_or(Ok(()), |found| Err(Unmet::Fails(Box::new(found)).into()));
    }
    let fails = |found: &Break| matches!(found.how, How::Fails(_));
    match survey.breaks.into_iter().find(fails) {
        Some(found) => Err(Broken::Failure(Box::new(found))),
        None => Ok(()),
    }
}

/// Two networks answer alike for every destination outside of these.
///
/// # Errors
/// The first difference outside, or a position that only one of them has.
pub fn a_change_is_confined(before: &Network, after: &Network, within: &Destinations) -> Result<(), Broken> {
    let within = within.addresses(after)?;
    same_outside(before, after, &within)
}

fn same_outside(before: &Network, after: &Network, within: &AddressRanges) -> Result<(), Broken> {
    let found = diff(before, after)?;
    if let Some(id) = found.added.into_iter().chain(found.removed).next() {
        return Err(Broken::Position(id));
    }
    for mut change in found.changes {
        change.destinations = change.destinations.except(within);
        if !change.destinations.is_empty() {
            return Err(Broken::Differs(Box::new(change)));
        }
    }
    Ok(())
}

/// The order in which resources are declared decides nothing.
///
/// # Errors
/// The first difference to the same design with its lists reversed.
pub fn order_decides_nothing(document: &Document) -> Result<(), Broken> {
    let mut turned = document.clone();
    turned.virtual_networks.reverse();
    turned.network_interfaces.reverse();
    turned.connections.reverse();
    turned.express_route_circuits.reverse();
    turned.on_premises_sites.reverse();
    turned.virtual_network_gateways.reverse();
    turned.virtual_hubs.reverse();
    turned.service_tags.reverse();
    for table in &mut turned.route_tables {
        table.routes.reverse();
    }
    for network in &mut turned.virtual_networks {
        network.peerings.reverse();
        network.address_space.reverse();
    }
    let build =
        |document: Document| -> Result<Network, Broken> { Ok(Network::build(&Topology::new(document)?)?) };
    same_outside(&build(document.clone())?, &build(turned)?, &AddressRanges::default())
}

/// A tenant who comes to stand beside the others, with addresses that they have too, changes nothing for them (ISO-1).
///
/// # Errors
/// The first difference.
pub fn a_stranger_changes_nothing(document: &Document) -> Result<(), Broken> {
    let mut more = document.clone();
    let taken: Vec<_> =
        document.virtual_networks.iter().flat_map(|network| &network.address_space).copied().collect();
    let mut stranger = VirtualNetwork::new("a-stranger", taken);
    stranger.address_space.sort_unstable();
    stranger.address_space.dedup();
    // What overlaps within one network is no address space.
    let mut kept: Vec<ipnet::IpNet> = Vec::new();
    for prefix in stranger.address_space.drain(..) {
        if !kept.iter().any(|other| other.contains(&prefix) || prefix.contains(other)) {
            kept.push(prefix);
        }
    }
    stranger.address_space = kept;
    stranger.tenant = Some("a-stranger".to_owned());
    more.tenants.push(crate::model::Tenant::new("a-stranger"));
    more.virtual_networks.push(stranger);
    let before = Network::build(&Topology::new(document.clone())?)?;
    let after = Network::build(&Topology::new(more)?)?;
    same_outside(&before, &after, &AddressRanges::default())
}
