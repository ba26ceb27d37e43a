//! Checks: sources, destinations, and what must hold of every path between them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;

use super::destinations::Destinations;
use super::expectation::{Expectation, FailingPath, Waypoint};
use super::ranges::AddressRanges;
use super::{CheckError, pieces};
use crate::Network;
use crate::model::{ResourceId, parse_prefix};
use crate::resolve::{Asymmetry, Disposition, Leg, PathId, Place, Position, Protocol};

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
    service: Option<(Protocol, u16)>,
}

impl<'n> Flows<'n> {
    /// Packets that answer a flow which the destinations opened (PUB-3).
    #[must_use]
    pub fn replies(mut self) -> Self {
        self.leg = Leg::Reply;
        self
    }

    /// With security groups, for flows to this TCP port from a port of 49152.
    #[must_use]
    pub fn tcp(mut self, port: u16) -> Self {
        self.service = Some((Protocol::Tcp, port));
        self
    }

    /// With security groups, for flows to this UDP port from a port of 49152.
    #[must_use]
    pub fn udp(mut self, port: u16) -> Self {
        self.service = Some((Protocol::Udp, port));
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
        match report.failures.first() {
            None => Ok(report),
            Some(first) => Err(Unmet::Fails(Box::new(Counterexample {
                failure: first.clone(),
                others: report.failures.len() - 1,
                expectation: self.check.expectation.clone(),
            }))),
        }
    }
}

/// A question to a network: whether something holds of all flows from some positions to some destinations.
///
/// A value that no network is part of, so that the same check is asked of a network and of what is left of it after a
/// failure or a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The names of the positions.
    pub sources: Vec<ResourceId>,
    /// Where flows lead.
    pub destinations: Destinations,
    /// Whether packets open flows or answer them.
    pub leg: Leg,
    /// Protocol and destination port, where security groups are asked.
    pub service: Option<(Protocol, u16)>,
    /// What must hold.
    pub expectation: Expectation,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.sources.len();
        write!(f, "from {sources} positions to {}: {}", self.destinations, self.expectation)
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Pairs of a source and a destination class that were looked at.
    pub looked_at: usize,
    /// What fails, the smallest counterexample first.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Whether it holds of every address.
    pub fn holds(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Flows of which a check does not hold, all by the same path.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The sources, in the order of the check.
    pub sources: Vec<ResourceId>,
    /// The destinations: every one of them fails, from each of these sources.
    pub destinations: AddressRanges,
    /// The shortest path that breaks it, from the first source to the first of the addresses.
    pub path: FailingPath,
    /// Where the directions part, of a check of symmetry.
    pub asymmetry: Option<Asymmetry>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(first) = self.sources.first() {
            write!(f, "from `{first}`")?;
        }
        if self.sources.len() > 1 {
            write!(f, " and {} others", self.sources.len() - 1)?;
        }
        write!(f, " to {}: {}", self.destinations, self.path)?;
        match &self.asymmetry {
            Some(asymmetry) => {
                write!(f, "; `{}` sees {:?} ({})", asymmetry.place, asymmetry.seen, asymmetry.rule)
            }
            None => Ok(()),
        }
    }
}

/// What shows that a check does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Counterexample {
    /// The smallest failure.
    pub failure: Failure,
    /// How many others there are.
    pub others: usize,
    /// What was expected.
    pub expectation: Expectation,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected that it {}: {}", self.expectation, self.failure)?;
        match self.others {
            0 => Ok(()),
            others => write!(f, "; {others} more"),
        }
    }
}

/// Why a check was not met.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unmet {
    /// It does not hold.
    #[error("{0}")]
    Fails(Box<Counterexample>),
    /// It cannot be asked.
    #[error(transparent)]
    Error(#[from] CheckError),
}

/// What failing paths have in common that differ in where they start: the places and ways behind the source.
type Way = (Vec<(Place, Option<ResourceId>)>, Disposition);

fn way(path: &FailingPath) -> Way {
    let behind = path.hops.iter().skip(1).map(|hop| (hop.place.clone(), hop.via.clone()));
    (behind.collect(), path.disposition.clone())
}

impl Check {
    /// Asks a network. Looks at every class of addresses once for each group of positions that behave alike, so that what
    /// it says is said of every address.
    ///
    /// # Errors
    /// A source, destination or waypoint that the network does not have; a network without classes.
    pub fn run(&self, network: &Network) -> Result<Report, CheckError> {
        let classes = network.classes().ok_or(CheckError::NoClasses)?;
        self.expectation.exists(network)?;
        let mut positions = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            let found = network.position(source);
            let unknown = |_| CheckError::UnknownSource { name: source.clone() };
            positions.push((source, found.map_err(unknown)?));
        }
        if positions.is_empty() {
            return Err(CheckError::NoSources);
        }
        let asked = self.destinations.addresses(network)?;
        let mut by_class = Vec::new();
        // Which host or subnet of a network receives is not part of a class.
        let cuts = self.expectation.host_cuts(network);
        for (_, ranges) in pieces(classes, &asked) {
            by_class.extend(cut_at(&ranges, &cuts));
        }
        match self.service {
            Some(service) => self.gated(network, &positions, &by_class, service),
            None => Ok(self.by_route(network, &positions, &by_class)),
        }
    }

    fn by_route(
        &self,
        network: &Network,
        positions: &[(&ResourceId, Position)],
        pieces: &[AddressRanges],
    ) -> Report {
        let of_paths = self.expectation.is_of_paths(network);
        // Positions that behave alike get the same answers; a verdict that names hosts is each one's own.
        let mut groups: BTreeMap<(usize, bool), Vec<(&ResourceId, Position)>> = BTreeMap::new();
        for (at, (name, position)) in positions.iter().enumerate() {
            for v4 in [true, false] {
                if let Some(behaviour) = network.behaviour(*position, v4) {
                    let group = if of_paths { behaviour } else { at };
                    groups.entry((group, v4)).or_default().push((name, *position));
                }
            }
        }
        let mut verdicts: HashMap<PathId, Option<FailingPath>> = HashMap::new();
        let mut found: BTreeMap<(Way, Vec<ipnet::IpNet>), Failure> = BTreeMap::new();
        let mut looked_at = 0;
        for ((_, v4), members) in groups {
            let Some((_, position)) = members.first().copied() else { continue };
            type Part = (AddressRanges, FailingPath, Option<Asymmetry>);
            let mut failing: BTreeMap<(Option<PathId>, Way), Part> = BTreeMap::new();
            for ranges in pieces {
                let Some(destination) = ranges.first().filter(|first| first.is_ipv4() == v4) else {
                    continue;
                };
                let Ok(resolved) = network.resolve_leg(position, destination, self.leg) else { continue };
                looked_at += members.len();
                let path = resolved.path_id();
                let (broken, asymmetry) = match &self.expectation {
                    Expectation::Symmetric => match asymmetry(network, position, destination) {
                        Some(parts) => {
                            (Expectation::AtMostHops(0).broken_by(network, &resolved), Some(parts))
                        }
                        None => (None, None),
                    },
                    expectation => {
                        let known = path.filter(|_| of_paths).and_then(|path| verdicts.get(&path));
                        let broken = match known {
                            Some(known) => known.clone(),
                            None => expectation.broken_by(network, &resolved),
                        };
                        if let Some(path) = path.filter(|_| of_paths) {
                            verdicts.entry(path).or_insert_with(|| broken.clone());
                        }
                        (broken, None)
                    }
                };
                let Some(broken) = broken else { continue };
                let entry = failing.entry((path, way(&broken)));
                let entry = entry.or_insert_with(|| (AddressRanges::default(), broken, asymmetry));
                entry.0 = entry.0.or(ranges);
            }
            for ((_, way), (destinations, broken, asymmetry)) in failing {
                let kind = (way, destinations.prefixes());
                let failure = found.entry(kind).or_insert_with(|| Failure {
                    sources: Vec::new(),
                    destinations,
                    path: broken,
                    asymmetry,
                });
                failure.sources.extend(members.iter().map(|(name, _)| (*name).clone()));
            }
        }
        Report { looked_at, failures: smallest_first(found.into_values().collect()) }
    }

    /// With security groups: each source by itself, and classes cut at every prefix that a rule names.
    fn gated(
        &self,
        network: &Network,
        positions: &[(&ResourceId, Position)],
        pieces: &[AddressRanges],
        service: (Protocol, u16),
    ) -> Result<Report, CheckError> {
        let cuts = rule_prefixes(network);
        let cut: Vec<AddressRanges> = pieces.iter().flat_map(|ranges| cut_at(ranges, &cuts)).collect();
        let mut failures = Vec::new();
        let mut looked_at = 0;
        for (name, position) in positions {
            // By the path that breaks it, whatever the addresses.
            let mut failing: Vec<Failure> = Vec::new();
            for ranges in &cut {
                let Some(destination) = ranges.first() else { continue };
                if network.behaviour(*position, destination.is_ipv4()).is_none() {
                    continue;
                }
                let answer = network.gated(*position, destination, self.leg, service)?;
                looked_at += 1;
                let Some(broken) = self.expectation.broken_by(network, &answer) else { continue };
                let places = |path: &FailingPath| {
                    let hops = path.hops.iter().map(|hop| (hop.place.clone(), hop.via.clone()));
                    (hops.collect::<Vec<_>>(), path.disposition.clone())
                };
                let like = places(&broken);
                match failing.iter_mut().find(|failure| places(&failure.path) == like) {
                    Some(failure) => failure.destinations = failure.destinations.or(ranges),
                    None => failing.push(Failure {
                        sources: vec![(*name).clone()],
                        destinations: ranges.clone(),
                        path: broken,
                        asymmetry: None,
                    }),
                }
            }
            failures.append(&mut failing);
        }
        Ok(Report { looked_at, failures: smallest_first(failures) })
    }
}

/// The first asymmetry of a conversation.
fn asymmetry(network: &Network, position: Position, destination: IpAddr) -> Option<Asymmetry> {
    let pair = network.resolve_pair(position, destination).ok()?;
    pair.asymmetries().first().cloned()
}

fn smallest_first(mut failures: Vec<Failure>) -> Vec<Failure> {
    let size = |failure: &Failure| (failure.path.hops.len(), failure.destinations.prefixes());
    failures.sort_by_cached_key(|failure| {
        let (hops, prefixes) = size(failure);
        (hops, prefixes.len(), prefixes, failure.sources.clone())
    });
    failures
}

/// Every prefix that a security rule names.
fn rule_prefixes(network: &Network) -> Vec<AddressRanges> {
    let document = network.topology().document();
    let rules = document.network_security_groups.iter().flat_map(|group| &group.security_rules);
    let words =
        rules.flat_map(|rule| rule.source_address_prefixes.iter().chain(&rule.destination_address_prefixes));
    let mut prefixes: Vec<ipnet::IpNet> = words.filter_map(|word| parse_prefix(word)).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes.into_iter().map(|prefix| std::iter::once(prefix).collect()).collect()
}

/// The parts of a set that no cut divides.
fn cut_at(ranges: &AddressRanges, cuts: &[AddressRanges]) -> Vec<AddressRanges> {
    let mut parts = vec![ranges.clone()];
    for cut in cuts {
        let mut next = Vec::with_capacity(parts.len() + 1);
        for part in parts {
            let inside = part.and(cut);
            if inside.is_empty() {
                next.push(part);
                continue;
            }
            let outside = part.except(cut);
            next.extend((!outside.is_empty()).then_some(outside));
            next.push(inside);
        }
        parts = next;
    }
    parts
}
