//! Who reaches whom: every position to every position, or to every set of destinations.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use super::destinations::Destinations;
use super::{CheckError, pieces};
use crate::Network;
use crate::model::ResourceId;
use crate::resolve::{Class, DispositionKind, Leg, PathId, Position};

/// What becomes of packets from one position to another, or to a set of destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every path ends like this; where ends differ and packets arrive by all of them or by none, the first one does.
    All(DispositionKind),
    /// Some paths arrive and some do not: of an equal-cost set, or to different destinations of a set.
    Some,
    /// Both have no address of one family.
    NoAddress,
}

impl Reach {
    /// Whether every path arrives.
    pub fn arrives(self) -> bool {
        use DispositionKind::{Delivered, Egress, OnPremises};
        matches!(self, Self::All(Delivered | Egress | OnPremises))
    }

    /// Of the destinations of both.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::NoAddress, only) | (only, Self::NoAddress) => only,
            (Self::All(_), Self::All(_)) if self.arrives() == other.arrives() => self,
            _ => Self::Some,
        }
    }
}

/// Who reaches whom, or which sets of destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix<D = ResourceId> {
    sources: Vec<ResourceId>,
    destinations: Vec<D>,
    cells: Vec<Reach>,
}

/// Asks from each position to the address that each other one sends from, by route, IPv4 where both have it.
///
/// Costs a step for each pair of a behaviour and a class, and a look-up for each pair of positions.
///
/// # Errors
/// A network without classes.
pub fn matrix(
    network: &Network,
    sources: impl IntoIterator<Item = Position>,
    destinations: impl IntoIterator<Item = Position>,
) -> Result<Matrix, CheckError> {
    let classes = network.classes().ok_or(CheckError::NoClasses)?;
    let destinations: Vec<Position> = destinations.into_iter().collect();
    let class_of = |address: Option<IpAddr>| address.map(|address| classes.class_of(address));
    let of: Vec<[Option<Class>; 2]> =
        destinations.iter().map(|position| network.addresses_of(*position).map(class_of)).collect();
    let (sources, cells) = cells(network, sources, &of, |classes, [v4, v6], ask| {
        match (classes[0].filter(|_| v4), classes[1].filter(|_| v6)) {
            (Some(class), _) | (None, Some(class)) => ask(class),
            (None, None) => Reach::NoAddress,
        }
    });
    Ok(Matrix { sources, destinations: names(network, &destinations), cells })
}

/// Asks from each position to every address of each set of destinations, by route, in the families that it sends from.
///
/// ```
/// use azroute::checks::{Destinations, matrix_to_sets};
/// # use azroute::{Network, model::Topology};
/// # let topology = Topology::builder()
/// #     .virtual_network("v", &["10.1.0.0/16"]).subnet("v", "web", "10.1.0.0/24").build()?;
/// let net = Network::build(&topology)?;
/// let private = Destinations::prefixes(["192.168.0.0/16".parse()?]);
/// let found = matrix_to_sets(&net, net.positions().subnets(), [Destinations::position("v"), private])?;
/// assert_eq!(found.to_string(), "v/subnets/web Dx\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Costs a step for each pair of a behaviour and a class in each set.
///
/// # Errors
/// A network without classes; a set that names what the network does not have.
pub fn matrix_to_sets(
    network: &Network,
    sources: impl IntoIterator<Item = Position>,
    destinations: impl IntoIterator<Item = Destinations>,
) -> Result<Matrix<Destinations>, CheckError> {
    let classes = network.classes().ok_or(CheckError::NoClasses)?;
    let destinations: Vec<Destinations> = destinations.into_iter().collect();
    let mut of: Vec<[Vec<Class>; 2]> = Vec::with_capacity(destinations.len());
    for set in &destinations {
        let mut found = [Vec::new(), Vec::new()];
        for (class, ranges) in pieces(classes, &set.addresses(network)?) {
            let v4 = ranges.first().is_some_and(|first| first.is_ipv4());
            found[usize::from(!v4)].push(class);
        }
        of.push(found);
    }
    let (sources, cells) = cells(network, sources, &of, |[v4, v6], of_source, ask| {
        let families = [v4, v6].into_iter().zip(of_source).filter_map(|(set, has)| has.then_some(set));
        families.flatten().fold(Reach::NoAddress, |reach, class| reach.and(ask(*class)))
    });
    Ok(Matrix { sources, destinations, cells })
}

/// A row of cells for each source; `cell` is told what a column is and which families the source has, and may ask how
/// packets from there to a class end. Positions that behave alike have the same row.
fn cells<C>(
    network: &Network,
    sources: impl IntoIterator<Item = Position>,
    columns: &[C],
    cell: impl Fn(&C, [bool; 2], &mut dyn FnMut(Class) -> Reach) -> Reach,
) -> (Vec<ResourceId>, Vec<Reach>) {
    let sources: Vec<Position> = sources.into_iter().collect();
    let mut known: HashMap<PathId, Reach> = HashMap::new();
    let mut of_group: HashMap<[Option<usize>; 2], usize> = HashMap::new();
    let mut cells: Vec<Reach> = Vec::with_capacity(sources.len() * columns.len());
    for source in &sources {
        let behaviours = [network.behaviour(*source, true), network.behaviour(*source, false)];
        if let Some(start) = of_group.get(&behaviours) {
            cells.extend_from_within(*start..*start + columns.len());
            continue;
        }
        of_group.insert(behaviours, cells.len());
        let mut ask = |class| match network.resolve_class(*source, class, Leg::Initiate) {
            None => Reach::NoAddress,
            Some(resolved) => match resolved.path_id() {
                Some(path) => *known.entry(path).or_insert_with(|| reach(&resolved)),
                None => reach(&resolved),
            },
        };
        cells.extend(columns.iter().map(|column| cell(column, behaviours.map(|b| b.is_some()), &mut ask)));
    }
    (names(network, &sources), cells)
}

fn names(network: &Network, positions: &[Position]) -> Vec<ResourceId> {
    positions.iter().filter_map(|p| network.position_id(*p).cloned()).collect()
}

fn reach(answer: &crate::resolve::Answer) -> Reach {
    let ends = answer.dispositions();
    let arriving = ends.iter().filter(|end| end.is_success()).count();
    match ends.first() {
        Some(first) if arriving == 0 || arriving == ends.len() => Reach::All(first.kind()),
        _ => Reach::Some,
    }
}

impl<D> Matrix<D> {
    /// The sources, in the order given.
    pub fn sources(&self) -> &[ResourceId] {
        &self.sources
    }

    /// The destinations, in the order given.
    pub fn destinations(&self) -> &[D] {
        &self.destinations
    }

    /// What becomes of packets, by places in those orders.
    pub fn get(&self, source: usize, destination: usize) -> Option<Reach> {
        let inside = destination < self.destinations.len();
        inside.then(|| self.cells.get(source * self.destinations.len() + destination).copied())?
    }

    /// Every pair of which not every path arrives.
    pub fn unreached(&self) -> impl Iterator<Item = (&ResourceId, &D, Reach)> {
        let width = self.destinations.len().max(1);
        self.cells.iter().enumerate().filter(|(_, reach)| !reach.arrives()).filter_map(move |(at, reach)| {
            Some((self.sources.get(at / width)?, self.destinations.get(at % width)?, *reach))
        })
    }
}

impl<D> fmt::Display for Matrix<D> {
    /// A line for each source, a letter for each destination: `D`elivered, `E`gress, on `P`remises, `x` dropped, `o`
    /// loop, `?` needs a flow, `~` some paths only, `-` no address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.sources.iter().map(|name| name.as_str().len()).max().unwrap_or(0);
        for (at, source) in self.sources.iter().enumerate() {
            write!(f, "{:width$} ", source.as_str())?;
            for cell in self.cells.iter().skip(at * self.destinations.len()).take(self.destinations.len()) {
                f.write_str(match cell {
                    Reach::All(DispositionKind::Delivered) => "D",
                    Reach::All(DispositionKind::Egress) => "E",
                    Reach::All(DispositionKind::OnPremises) => "P",
                    Reach::All(DispositionKind::Dropped) => "x",
                    Reach::All(DispositionKind::Loop) => "o",
                    Reach::All(DispositionKind::NeedsFlow) => "?",
                    Reach::Some => "~",
                    Reach::NoAddress => "-",
                })?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
