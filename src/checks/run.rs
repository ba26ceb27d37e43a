//! A check, and how a network is asked it.

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
    /// Its place in the list of the check.
    at: usize,
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
        for (at, name) in self.sources.iter().enumerate() {
            let unknown = |_| CheckError::UnknownSource { name: name.clone() };
            let position = network.position(name).map_err(unknown)?;
            let then = match baseline {
                Some(baseline) => {
                    let gone = |_| CheckError::UnknownInBaseline { name: name.clone() };
                    Some(baseline.position(name).map_err(gone)?)
                }
                None => None,
            };
            sources.push(Asking { at, name, position, then });
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
        let mut asked = Asked::new(self, network, pieces);
        // Positions that behave alike get the same answers; a verdict that names hosts is each one's own.
        type Alike = (bool, usize, Option<usize>);
        let mut groups: BTreeMap<Alike, Group<'_>> = BTreeMap::new();
        for (at, source) in sources.iter().enumerate() {
            for v4 in [true, false] {
                let Some(behaviour) = network.behaviour(source.position, v4) else { continue };
                let then = source.then.zip(baseline).map(|(then, baseline)| baseline.behaviour(then, v4));
                let key = match then {
                    Some(then) => (!v4, behaviour, then),
                    None => (!v4, if of_paths { behaviour } else { at }, None),
                };
                let group = groups.entry(key).or_insert_with(|| Group { v4, behaviour, members: Vec::new() });
                group.members.push(*source);
            }
        }
        // Those that differ in nothing but the network that they are in.
        let kin = network.kin().filter(|_| of_paths);
        let mut twins: BTreeMap<(bool, Option<usize>, usize), Vec<Group<'_>>> = BTreeMap::new();
        for (at, group) in groups.into_values().enumerate() {
            let twin = kin.and_then(|kin| kin.twin(group.behaviour));
            // Without twins each is by itself.
            twins.entry((group.v4, twin, if twin.is_some() { 0 } else { at })).or_default().push(group);
        }
        for groups in twins.into_values() {
            asked.judge(&groups);
        }
        asked.report()
    }

    /// What breaks the expectation in an answer by route.
    fn broken(
        &self,
        network: &Network,
        source: Asking<'_>,
        destination: IpAddr,
        answer: &Answer,
    ) -> Option<Broken> {
        self.broken_beside(network, source, destination, answer, |baseline, then| {
            baseline.resolve_leg(then, destination, self.leg).ok().map(|resolved| resolved.into_answer())
        })
    }

    /// What breaks the expectation in one answer. `then` is the answer of the network that it is compared with.
    fn broken_beside(
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
                    let broken = self.broken_beside(network, *source, destination, &answer, then);
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

/// Sources that behave alike in a family.
struct Group<'c> {
    v4: bool,
    behaviour: usize,
    members: Vec<Asking<'c>>,
}

/// By path and way, the pieces of what is asked that fail so.
type Failing = BTreeMap<(Option<PathId>, usize), Vec<usize>>;

/// A check by route while it is asked.
struct Asked<'c> {
    check: &'c Check,
    network: &'c Network,
    pieces: &'c [AddressRanges],
    of_paths: bool,
    /// Ways by number: thousands of answers fail by a few of them.
    ways: IndexSet<Way>,
    verdicts: HashMap<PathId, Option<usize>>,
    /// By way and pieces, the sources.
    found: BTreeMap<(usize, Vec<usize>), Vec<Asking<'c>>>,
    looked_at: usize,
}

impl<'c> Asked<'c> {
    fn new(check: &'c Check, network: &'c Network, pieces: &'c [AddressRanges]) -> Self {
        let of_paths = check.expectation.is_of_paths(network);
        let (ways, verdicts, found) = (IndexSet::new(), HashMap::new(), BTreeMap::new());
        Self { check, network, pieces, of_paths, ways, verdicts, found, looked_at: 0 }
    }

    /// Groups of which each has the answers of all others, but for addresses in their own networks.
    fn judge(&mut self, groups: &[Group<'c>]) {
        let Some(first) = groups.first() else { return };
        let kin = self.network.kin().filter(|_| groups.len() > 1);
        let network_of = |group: &Group<'_>| kin.and_then(|kin| kin.network(group.behaviour));
        let everybody: usize = groups.iter().map(|group| group.members.len()).sum();
        let mut common = Failing::new();
        // Pieces that a group fails, or holds, by itself.
        let mut apart: Vec<Vec<usize>> = vec![Vec::new(); groups.len()];
        for (piece, ranges) in self.pieces.iter().enumerate() {
            let Some(destination) = ranges.first().filter(|first_of| first_of.is_ipv4() == first.v4) else {
                continue;
            };
            let owner = kin.and_then(|kin| kin.owner(destination));
            let is_home = |group: &Group<'_>| owner.is_some() && network_of(group) == owner;
            let told = groups.iter().find(|group| !is_home(group));
            match told.filter(|told| groups.len() == 1 || self.network.shares(told.behaviour, destination)) {
                Some(told) => {
                    debug_assert!(
                        groups
                            .iter()
                            .filter(|g| !is_home(g))
                            .all(|g| self.path(g, piece) == self.path(told, piece))
                    );
                    self.verdict(told, piece, &mut common);
                    for (at, _) in groups.iter().enumerate().filter(|(_, group)| is_home(group)) {
                        apart[at].push(piece);
                    }
                }
                None => apart.iter_mut().for_each(|pieces| pieces.push(piece)),
            }
        }
        self.looked_at += everybody * self.pieces_of(first.v4);
        for (group, apart) in groups.iter().zip(apart) {
            let mut failing = common.clone();
            if !apart.is_empty() {
                for pieces in failing.values_mut() {
                    pieces.retain(|piece| apart.binary_search(piece).is_err());
                }
                for piece in apart {
                    self.verdict(group, piece, &mut failing);
                }
            }
            for ((_, way), mut pieces) in failing {
                pieces.sort_unstable();
                if !pieces.is_empty() {
                    self.found.entry((way, pieces)).or_default().extend(&group.members);
                }
            }
        }
    }

    fn pieces_of(&self, v4: bool) -> usize {
        self.pieces.iter().filter(|piece| piece.first().is_some_and(|first| first.is_ipv4() == v4)).count()
    }

    fn path(&self, group: &Group<'c>, piece: usize) -> Option<PathId> {
        let destination = self.pieces[piece].first()?;
        let source = group.members.first()?;
        self.network.resolve_leg(source.position, destination, self.check.leg).ok()?.path_id()
    }

    /// Notes a piece where it fails for a group.
    fn verdict(&mut self, group: &Group<'c>, piece: usize, failing: &mut Failing) {
        let Some(source) = group.members.first().copied() else { return };
        let Some(destination) = self.pieces[piece].first() else { return };
        let leg = self.check.leg;
        let Ok(resolved) = self.network.resolve_leg(source.position, destination, leg) else { return };
        let path = resolved.path_id();
        let shared = path.filter(|_| self.of_paths);
        let broken = match shared.and_then(|path| self.verdicts.get(&path)) {
            Some(known) => *known,
            None => {
                let broken = self.check.broken(self.network, source, destination, &resolved);
                let broken = broken.map(|broken| self.ways.insert_full(way(&broken.path)).0);
                if let Some(path) = shared {
                    self.verdicts.insert(path, broken);
                }
                broken
            }
        };
        if let Some(way) = broken {
            failing.entry((path, way)).or_default().push(piece);
        }
    }

    /// What fails, each with the path from its first source to its first address.
    fn report(self) -> Report {
        let mut failures = Vec::with_capacity(self.found.len());
        for ((_, pieces), mut sources) in self.found {
            sources.sort_by_key(|source| source.at);
            let destinations = AddressRanges::all(pieces.iter().map(|piece| &self.pieces[*piece]));
            let (Some(source), Some(destination)) = (sources.first(), destinations.first()) else { continue };
            let leg = self.check.leg;
            let Ok(resolved) = self.network.resolve_leg(source.position, destination, leg) else { continue };
            let Some(broken) = self.check.broken(self.network, *source, destination, &resolved) else {
                continue;
            };
            let names = sources.iter().map(|source| source.name.clone()).collect();
            failures.push(broken.failure(names, destinations, None));
        }
        Report { looked_at: self.looked_at, failures: smallest_first(failures) }
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
