//! Who reaches whom: every position to every position.

use std::collections::HashMap;
use std::fmt;

use super::CheckError;
use crate::Network;
use crate::model::ResourceId;
use crate::resolve::{Class, DispositionKind, Leg, PathId, Position};

/// What becomes of packets from one position to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every path ends like this.
    All(DispositionKind),
    /// Some paths of an equal-cost set arrive and some do not.
    Some,
    /// The positions have no address of one family.
    NoAddress,
}

impl Reach {
    /// Whether every path arrives.
    pub fn arrives(self) -> bool {
        use DispositionKind::{Delivered, Egress, OnPremises};
        matches!(self, Self::All(Delivered | Egress | OnPremises))
    }
}

/// Who reaches whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    sources: Vec<ResourceId>,
    destinations: Vec<ResourceId>,
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
    let sources: Vec<Position> = sources.into_iter().collect();
    let destinations: Vec<Position> = destinations.into_iter().collect();
    let of: Vec<[Option<Class>; 2]> = destinations
        .iter()
        .map(|position| network.addresses_of(*position).map(|address| address.map(|a| classes.class_of(a))))
        .collect();
    let mut known: HashMap<PathId, Reach> = HashMap::new();
    let mut of_group: HashMap<[Option<usize>; 2], usize> = HashMap::new();
    let mut cells: Vec<Reach> = Vec::with_capacity(sources.len() * destinations.len());
    for source in &sources {
        let behaviours = [network.behaviour(*source, true), network.behaviour(*source, false)];
        if let Some(row) = of_group.get(&behaviours) {
            let start = row * destinations.len();
            cells.extend_from_within(start..start + destinations.len());
            continue;
        }
        of_group.insert(behaviours, cells.len() / destinations.len().max(1));
        for class in &of {
            let pairs = behaviours.iter().zip(class);
            let class = pairs.filter_map(|(behaviour, class)| behaviour.and(*class)).next();
            let resolved = class.and_then(|class| network.resolve_class(*source, class, Leg::Initiate));
            cells.push(match resolved {
                None => Reach::NoAddress,
                Some(resolved) => match resolved.path_id() {
                    Some(path) => *known.entry(path).or_insert_with(|| reach(&resolved)),
                    None => reach(&resolved),
                },
            });
        }
    }
    let names = |positions: Vec<Position>| {
        positions.into_iter().filter_map(|p| network.position_id(p).cloned()).collect::<Vec<_>>()
    };
    Ok(Matrix { sources: names(sources), destinations: names(destinations), cells })
}

fn reach(answer: &crate::resolve::Answer) -> Reach {
    let ends = answer.dispositions();
    let arriving = ends.iter().filter(|end| end.is_success()).count();
    match ends.first() {
        Some(first) if arriving == 0 || arriving == ends.len() => Reach::All(first.kind()),
        _ => Reach::Some,
    }
}

impl Matrix {
    /// The sources, in the order given.
    pub fn sources(&self) -> &[ResourceId] {
        &self.sources
    }

    /// The destinations, in the order given.
    pub fn destinations(&self) -> &[ResourceId] {
        &self.destinations
    }

    /// What becomes of packets, by places in those orders.
    pub fn get(&self, source: usize, destination: usize) -> Option<Reach> {
        let inside = destination < self.destinations.len();
        inside.then(|| self.cells.get(source * self.destinations.len() + destination).copied())?
    }

    /// Every pair of which not every path arrives.
    pub fn unreached(&self) -> impl Iterator<Item = (&ResourceId, &ResourceId, Reach)> {
        let width = self.destinations.len().max(1);
        self.cells.iter().enumerate().filter(|(_, reach)| !reach.arrives()).filter_map(move |(at, reach)| {
            Some((self.sources.get(at / width)?, self.destinations.get(at % width)?, *reach))
        })
    }
}

impl fmt::Display for Matrix {
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
