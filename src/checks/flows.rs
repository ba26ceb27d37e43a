//! How a check is written: sources, destinations, and what must hold of every path between them.

use super::destinations::Destinations;
use super::expectation::{Baseline, Expectation, Waypoint};
use super::report::{Report, Unmet};
use super::service::{Ports, Service};
use super::{Check, CheckError};
use crate::Network;
use crate::model::ResourceId;
use crate::resolve::{Leg, Position, Protocol};

/// Begins a check of a network.
///
/// ```
/// use azroute::checks::{check, position, Destinations};
/// # use azroute::{Network, model::Topology};
/// # let topology = Topology::builder()
/// #     .virtual_network("hub", &["10.0.0.0/16"]).subnet("hub", "fw", "10.0.1.0/24")
/// #     .appliance("fw", "hub/subnets/fw", "10.0.1.4")
/// #     .virtual_network("spoke", &["10.1.0.0/16"]).subnet("spoke", "web", "10.1.0.0/24").peer("hub", "spoke")
/// #     .route("rt", "default", "0.0.0.0/0", "VirtualAppliance", &["10.0.1.4"]).bind("spoke/subnets/web", "rt")
/// #     .build()?;
/// let net = Network::build(&topology)?;
/// let spokes = net.positions().in_virtual_network("spoke");
/// check(&net).flows(spokes, Destinations::internet()).traverse(position("fw")).expect_all()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check(network: &Network) -> Checker<'_> {
    Checker { network }
}

/// A network that checks are asked of.
#[derive(Clone, Copy, Debug)]
pub struct Checker<'n> {
    network: &'n Network,
}

impl<'n> Checker<'n> {
    /// Flows from each of these positions to each of these destinations.
    pub fn flows(self, sources: impl IntoIterator<Item = Position>, destinations: Destinations) -> Flows<'n> {
        let named = sources.into_iter().filter_map(|p| self.network.position_id(p).cloned());
        let sources = named.collect();
        Flows { network: self.network, sources, destinations, leg: Leg::Initiate, service: None }
    }
}

/// Flows that something is expected of. They open flows, by route alone, unless told otherwise.
#[derive(Clone, Debug)]
pub struct Flows<'n> {
    network: &'n Network,
    sources: Vec<ResourceId>,
    destinations: Destinations,
    leg: Leg,
    service: Option<Service>,
}

impl<'n> Flows<'n> {
    /// Packets that answer a flow which the destinations opened (PUB-3).
    #[must_use]
    pub fn replies(mut self) -> Self {
        self.leg = Leg::Reply;
        self
    }

    /// With security groups, for flows to these TCP ports (one, a range, or a set) from a port of 49152.
    #[must_use]
    pub fn tcp(self, ports: impl Into<Ports>) -> Self {
        self.service(Service::new(Protocol::Tcp, ports))
    }

    /// With security groups, for flows to these UDP ports from a port of 49152.
    #[must_use]
    pub fn udp(self, ports: impl Into<Ports>) -> Self {
        self.service(Service::new(Protocol::Udp, ports))
    }

    /// With security groups, for flows of this protocol and to these ports.
    #[must_use]
    pub fn service(mut self, service: Service) -> Self {
        self.service = Some(service);
        self
    }

    /// That this holds.
    pub fn expect(self, expectation: Expectation) -> Expected<'n> {
        let Self { network, sources, destinations, leg, service } = self;
        Expected { network, check: Check { sources, destinations, leg, service, expectation } }
    }

    /// That every path arrives.
    pub fn reach(self) -> Expected<'n> {
        self.expect(Expectation::Reachable)
    }

    /// That no path arrives.
    pub fn isolated(self) -> Expected<'n> {
        self.expect(Expectation::Isolated)
    }

    /// That every path that arrives passes it.
    pub fn traverse(self, waypoint: impl Into<Waypoint>) -> Expected<'n> {
        self.expect(Expectation::Traverses(waypoint.into()))
    }

    /// That no path passes it.
    pub fn avoid(self, waypoint: impl Into<Waypoint>) -> Expected<'n> {
        self.expect(Expectation::Avoids(waypoint.into()))
    }

    /// That every stateful hop sees both directions.
    pub fn symmetric(self) -> Expected<'n> {
        self.expect(Expectation::Symmetric)
    }

    /// That packets go as in another network: same end, same way, same kind of route.
    pub fn same_as(self, network: &Network) -> Expected<'n> {
        self.expect(Expectation::SameAs(Baseline::new(network)))
    }

    /// That no path leaves by a public edge (FT-1).
    pub fn forced_tunnel(self) -> Expected<'n> {
        self.expect(Expectation::ForcedTunnel)
    }
}

/// A check and the network that it is asked of.
#[derive(Clone, Debug)]
pub struct Expected<'n> {
    network: &'n Network,
    check: Check,
}

impl Expected<'_> {
    /// The check, to be asked of other networks too.
    pub fn check(&self) -> &Check {
        &self.check
    }

    /// Everything that fails.
    ///
    /// # Errors
    /// A check that cannot be asked of this network.
    pub fn report(&self) -> Result<Report, CheckError> {
        self.check.run(self.network)
    }

    /// That nothing fails.
    ///
    /// # Errors
    /// [`Unmet::Fails`] with the smallest counterexample; [`Unmet::Error`] where the check cannot be asked.
    pub fn expect_all(&self) -> Result<Report, Unmet> {
        let report = self.report()?;
        match report.counterexample(&self.check.expectation) {
            None => Ok(report),
            Some(found) => Err(Unmet::Fails(Box::new(found))),
        }
    }
}
