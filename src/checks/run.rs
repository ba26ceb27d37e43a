//! A check, and how a network is asked it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;

use indexmap::IndexSet;

use super::cuts::Cuts;
use super::destinations::Destinations;
use super::diff::kind;
use super::expectation::{Baseline, Expectation, FailingPath};
use super::ranges::AddressRanges;
use super::report::{Failure, Report};
use super::service::{Ports, Service};
use super::{CheckError, pieces};
use crate::Network;
use crate::model::PRIVATE_PREFIXES;
use crate::model::{AddressPrefix, ResourceId, SecurityRule, parse_prefix};
use crate::resolve::{Answer, Asymmetry, Disposition, Leg, PathId, Place, Position};

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
    /// Protocol and destination ports, where security groups are asked.
    pub service: Option<Service>,
    /// What must hold.
    pub expectation: Expectation,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} positions to {}", self.sources.len(), self.destinations)?;
        if let Some(service) = &self.service {
            write!(f, " by {service}")?;
        }
        write!(f, ": {}", self.expectation)
    }
}

/// What failing paths have in common that differ in where they start: the places and ways behind the source.
type Way = (Vec<(Place, Option<ResourceId>)>, Disposition);

fn way(path: &FailingPath) -> Way {
    let behind = path.hops.iter().skip(1).map(|hop| (hop.place.clone(), hop.via.clone()));
    (behind.collect(), path.disposition.clone())
}

/// A source of a check: what it is called, where it is, and where it is in the network that answers are compared with.
#[derive(Clone, Copy)]
struct Asking<'c> {
    name: &'c ResourceId,
    position: Position,
    then: Option<Position>,
}

/// A path that breaks an expectation, and what goes with it.
#[derive(Clone)]
struct Broken {
    path: FailingPath,
    asymmetry: Option<Asymmetry>,
    baseline: Option<FailingPath>,
}

impl From<FailingPath> for Broken {
    fn from(path: FailingPath) -> Self {
        Self { path, asymmetry: None, baseline: None }
    }
}

impl Broken {
    fn failure(self, sources: Vec<ResourceId>, destinations: AddressRanges, ports: Option<Ports>) -> Failure {
        let Self { path, asymmetry, baseline } = self;
        Failure { sources, destinations, ports, path, asymmetry, baseline }
    }
}

impl Check {
    /// Asks a network. Looks at every class of addresses once for each group of positions that behave alike, so that what
    /// it says is said of every address.
    ///
    /// # Errors
    /// A source, destination or waypoint that the network does not have, or of [`Expectation::SameAs`] the other one; a
    /// network without classes.
    pub fn run(&self, network: &Network) -> Result<Report, CheckError> {
        let classes = network.classes().ok_or(CheckError::NoClasses)?;
        self.expectation.exists(network)?;
        let baseline = self.expectation.baseline().map(Baseline::network);
        let mut sources = Vec::with_capacity(self.sources.len());
        for name in &self.sources {
            let unknown = |_| CheckError::UnknownSource { name: name.clone() };
            let position = network.position(name).map_err(unknown)?;
            let then = match baseline {
                Some(baseline) => {
                    let gone = |_| CheckError::UnknownInBaseline { name: name.clone() };
                    Some(baseline.position(name).map_err(gone)?)
                }
                None => None,
            };
            sources.push(Asking { name, position, then });
        }
        if sources.is_empty() {
            return Err(CheckError::NoSources);
        }
        let asked = self.destinations.addresses(network)?;
        let mut by_class: Vec<AddressRanges> = pieces(classes, &asked).into_values().collect();
        if let Some(baseline) = baseline {
            let theirs = baseline.classes().ok_or(CheckError::NoClasses)?;
            by_class = by_class.iter().flat_map(|ranges| pieces(theirs, ranges).into_values()).collect();
        }
        // Which host or subnet of a network receives is not part of a class.
        let cuts = self.expectation.host_cuts(network);
        let by_class: Vec<AddressRanges> = by_class.into_iter().flat_map(|ranges| cuts.of(ranges)).collect();
        match &self.service {
            Some(service) => self.gated(network, &sources, by_class, service),
            None => Ok(self.by_route(network, &sources, &by_class)),
        }
    }

    fn by_route(&self, network: &Network, sources: &[Asking<'_>], pieces: &[AddressRanges]) -> Report {
        let of_paths = self.expectation.is_of_paths(network);
        let baseline = self.expectation.baseline().map(Baseline::network);
        // Positions that behave alike get the same answers; a verdict that names hosts is each one's own.
        type Alike = (bool, usize, Option<usize>);
        let mut groups: BTreeMap<Alike, Vec<Asking<'_>>> = BTreeMap::new();
        for (at, source) in sources.iter().enumerate() {
            for v4 in [true, false] {
                let Some(behaviour) = network.behaviour(source.position, v4) else { continue };
                let then = source.then.zip(baseline).map(|(then, baseline)| baseline.behaviour(then, v4));
                let group = match then {
                    Some(then) => (!v4, behaviour, then),
                    None => (!v4, if of_paths { behaviour } else { at }, None),
                };
                groups.entry(group).or_default().push(*source);
            }
        }
        // Ways by number: thousands of answers fail by a few of them.
        let mut ways: IndexSet<Way> = IndexSet::new();
        let mut verdicts: HashMap<PathId, Option<usize>> = HashMap::new();
        let mut found: BTreeMap<(usize, Vec<usize>), Failure> = BTreeMap::new();
        let mut looked_at = 0;
        for ((v6, ..), members) in groups {
            let Some(first) = members.first().copied() else { continue };
            let then = |destination: IpAddr| {
                move |baseline: &Network, then: Position| {
                    baseline.resolve_leg(then, destination, self.leg).ok().map(|r| r.into_answer())
                }
            };
            // By path and way, the parts of what is asked that fail so.
            let mut failing: BTreeMap<(Option<PathId>, usize), Vec<usize>> = BTreeMap::new();
            for (piece, ranges) in pieces.iter().enumerate() {
                let Some(destination) = ranges.first().filter(|first| first.is_ipv6() == v6) else {
                    continue;
                };
                let Ok(resolved) = network.resolve_leg(first.position, destination, self.leg) else {
                    continue;
                };
                looked_at += members.len();
                let path = resolved.path_id();
                let shared = path.filter(|_| of_paths);
                let broken = match shared.and_then(|path| verdicts.get(&path)) {
                    Some(known) => *known,
                    None => {
                        let then = then(destination);
                        let broken = self.broken(network, first, destination, &resolved, then);
                        let broken = broken.map(|broken| ways.insert_full(way(&broken.path)).0);
                        if let Some(path) = shared {
                            verdicts.insert(path, broken);
                        }
                        broken
                    }
                };
                if let Some(way) = broken {
                    failing.entry((path, way)).or_default().push(piece);
                }
            }
            for ((_, way), parts) in failing {
                let sources = members.iter().map(|source| source.name.clone());
                let entry = match found.entry((way, parts)) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        let parts = new.key().1.iter().map(|piece| &pieces[*piece]);
                        let destinations = AddressRanges::all(parts);
                        // The path of this source and address, where that of others was judged.
                        let Some(destination) = destinations.first() else { continue };
                        let Ok(resolved) = network.resolve_leg(first.position, destination, self.leg) else {
                            continue;
                        };
                        let then = then(destination);
                        let broken = self.broken(network, first, destination, &resolved, then);
                        let Some(broken) = broken else { continue };
                        new.insert(broken.failure(Vec::new(), destinations, None))
                    }
                };
                entry.sources.extend(sources);
            }
        }
        Report { looked_at, failures: smallest_first(found.into_values().collect()) }
    }

    /// What breaks the expectation in one answer. `then` is the answer of the network that it is compared with.
    fn broken(
        &self,
        network: &Network,
        source: Asking<'_>,
        destination: IpAddr,
        answer: &Answer,
        then: impl FnOnce(&Network, Position) -> Option<Answer>,
    ) -> Option<Broken> {
        // Any path will do where all of them are meant.
        let any = |network: &Network, answer: &Answer| Expectation::AtMostHops(0).broken_by(network, answer);
        match &self.expectation {
            Expectation::Symmetric => {
                let asymmetry = asymmetry(network, source.position, destination)?;
                let path = any(network, answer)?;
                Some(Broken { path, asymmetry: Some(asymmetry), baseline: None })
            }
            Expectation::SameAs(baseline) => {
                let before = baseline.network();
                let path = any(network, answer)?;
                let Some(was) = then(before, source.then?) else { return Some(path.into()) };
                kind((before, &was), (network, answer))?;
                Some(Broken { path, asymmetry: None, baseline: any(before, &was) })
            }
            expectation => expectation.broken_by(network, answer).map(Broken::from),
        }
    }

    /// With security groups: each source by itself, classes cut at every prefix that a rule may mean, and ports where a
    /// rule's begin and end.
    fn gated(
        &self,
        network: &Network,
        sources: &[Asking<'_>],
        pieces: Vec<AddressRanges>,
        service: &Service,
    ) -> Result<Report, CheckError> {
        let baseline = self.expectation.baseline().map(Baseline::network);
        let networks = || std::iter::once(network).chain(baseline);
        let cuts: Cuts = networks().flat_map(rule_prefixes).collect();
        let cut: Vec<AddressRanges> = pieces.into_iter().flat_map(|ranges| cuts.of(ranges)).collect();
        let parts = service.parts(networks().flat_map(rules));
        if parts.is_empty() {
            return Err(CheckError::NoPorts);
        }
        let mut failures: Vec<Failure> = Vec::new();
        let mut looked_at = 0;
        for source in sources {
            // Of this source: what breaks, with the ports that break alike.
            let begin = failures.len();
            for ports in &parts {
                let flow = (service.protocol, Service::first_port(ports));
                let mut failing: Vec<(AddressRanges, Broken)> = Vec::new();
                for ranges in &cut {
                    let Some(destination) = ranges.first() else { continue };
                    if network.behaviour(source.position, destination.is_ipv4()).is_none() {
                        continue;
                    }
                    let answer = network.gated(source.position, destination, self.leg, flow)?;
                    looked_at += 1;
                    let then =
                        |baseline: &Network, then| baseline.gated(then, destination, self.leg, flow).ok();
                    let broken = self.broken(network, *source, destination, &answer, then);
                    let Some(broken) = broken else { continue };
                    match failing.iter_mut().find(|(_, other)| alike(&other.path, &broken.path)) {
                        Some((destinations, _)) => *destinations = destinations.or(ranges),
                        None => failing.push((ranges.clone(), broken)),
                    }
                }
                for (destinations, broken) in failing {
                    let same = |failure: &&mut Failure| {
                        failure.destinations == destinations && alike(&failure.path, &broken.path)
                    };
                    match failures[begin..].iter_mut().find(same) {
                        Some(failure) => {
                            let known = failure.ports.take().unwrap_or_default();
                            failure.ports = Some(known.or(ports.clone()));
                        }
                        None => {
                            let names = vec![source.name.clone()];
                            failures.push(broken.failure(names, destinations, Some(ports.clone())));
                        }
                    }
                }
            }
        }
        Ok(Report { looked_at, failures: smallest_first(failures) })
    }
}

/// Whether paths pass the same places by the same ways and end alike.
fn alike(one: &FailingPath, other: &FailingPath) -> bool {
    let places = |path: &FailingPath| path.hops.first().map(|hop| (hop.place.clone(), hop.via.clone()));
    way(one) == way(other) && places(one) == places(other)
}

/// The first asymmetry of a conversation.
fn asymmetry(network: &Network, position: Position, destination: IpAddr) -> Option<Asymmetry> {
    let pair = network.resolve_pair(position, destination).ok()?;
    pair.asymmetries().first().cloned()
}

fn smallest_first(mut failures: Vec<Failure>) -> Vec<Failure> {
    failures.sort_by_cached_key(|failure| {
        let prefixes = failure.destinations.prefixes();
        (failure.path.hops.len(), prefixes.len(), prefixes, failure.sources.clone())
    });
    failures
}

fn rules(network: &Network) -> impl Iterator<Item = &SecurityRule> {
    let groups = &network.topology().document().network_security_groups;
    groups.iter().flat_map(|group| &group.security_rules)
}

/// Every prefix at which an answer of security groups may change: what they guard, what rules name, and what their tags stand
/// for (NSG-6 to NSG-9).
fn rule_prefixes(network: &Network) -> Vec<ipnet::IpNet> {
    let document = network.topology().document();
    let words = rules(network)
        .flat_map(|rule| rule.source_address_prefixes.iter().chain(&rule.destination_address_prefixes));
    let mut prefixes: Vec<ipnet::IpNet> = Vec::new();
    for word in words {
        match (parse_prefix(word), network.topology().service_tag(word)) {
            (Some(prefix), _) => prefixes.push(prefix),
            (None, Some(tag)) => prefixes.extend(&tag.address_prefixes),
            (None, None) => {}
        }
    }
    // Whose rules they are: the group of the subnet or interface that receives, which is not part of a class.
    let subnets = document.virtual_networks.iter().flat_map(|network| &network.subnets);
    let guarded = subnets.filter(|subnet| subnet.network_security_group.is_some());
    prefixes.extend(guarded.flat_map(|subnet| &subnet.address_prefixes));
    let guarded = document.network_interfaces.iter().filter(|nic| nic.network_security_group.is_some());
    let own = guarded.flat_map(|nic| &nic.ip_configurations).filter_map(|own| own.private_ip_address);
    prefixes.extend(own.map(ipnet::IpNet::from));
    // `VirtualNetwork` and `Internet`, which the rules that are always there name, too: spaces, and user routes.
    prefixes.extend(document.virtual_networks.iter().flat_map(|network| &network.address_space));
    prefixes.extend(document.virtual_hubs.iter().filter_map(|hub| hub.address_prefix));
    let routes = document.route_tables.iter().flat_map(|table| &table.routes);
    for route in routes {
        match &route.address_prefix {
            AddressPrefix::Cidr(prefix) => prefixes.push(*prefix),
            AddressPrefix::ServiceTag(name) => {
                let tag = network.topology().service_tag(name);
                prefixes.extend(tag.iter().flat_map(|tag| &tag.address_prefixes));
            }
        }
    }
    prefixes.extend(PRIVATE_PREFIXES);
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes
}
