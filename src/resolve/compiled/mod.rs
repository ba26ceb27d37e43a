//! Compiled forwarding: a destination class by one look-up, then the path from a position by one array read.
//!
//! Paths are computed at first use, by the walk, and shared from then on: a row of cells for positions that behave alike,
//! a cell for each class. What a path says is kept apart from who asks: its source, the destination address, the
//! learned prefix that matched and the host that receives are filled in when an [`Answer`] is wanted.

mod cells;
mod kin;
mod paths;
mod positions;
mod resolved;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::ResolveError;
use super::classes::{Class, Classes, Cuts, Declared, Judge, Learned, Plain};
use super::hosts::Owner;
use super::question::Leg;
use super::walk::{Question, World, walk};
use crate::selection::{Selection, SubnetTable};
use cells::Cells;
pub(crate) use kin::Kin;
use paths::Paths;
pub(super) use paths::Stored;
pub use positions::Position;
use positions::Positions;
pub(crate) use resolved::Answers;
pub use resolved::{PathId, Resolved};

/// What the compiled forwarding of a network has in common with that of others with the same resources, whose networks take
/// their routes from the same gateways and hubs.
#[derive(Debug)]
pub(crate) struct Kept {
    positions: Arc<Positions>,
    plain: Arc<Plain>,
    declared: Arc<Declared>,
    learned: Option<Arc<Learned>>,
    kin: Kin,
    tables: Vec<Arc<SubnetTable>>,
    of_subnet: Vec<Vec<usize>>,
}

/// The compiled forwarding of one network.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(super) classes: Classes,
    pub(super) positions: Arc<Positions>,
    pub(super) plain: Arc<Plain>,
    declared: Arc<Declared>,
    learned: Option<Arc<Learned>>,
    paths: Paths,
    kin: Kin,
    /// The path of each row to each class: of packets that open flows, and of replies.
    cells: [Cells; 2],
}

impl Compiled {
    /// Cuts addresses into classes and lists the positions. `None` where the network's sites are too many to be asked one
    /// by one: then every answer is walked. `kept` is of a network with the same resources and other routes.
    pub(crate) fn new(world: &World<'_>, kept: Option<&Kept>) -> Option<Self> {
        let plain = Plain::new(world);
        let kept = kept.filter(|kept| *kept.plain == plain);
        let plain = kept.map_or_else(|| Arc::new(plain), |kept| Arc::clone(&kept.plain));
        let tables = &world.selection.tables;
        let all = |same: fn(&SubnetTable, &SubnetTable) -> bool| {
            move |kept: &&Kept| {
                kept.tables.len() == tables.len() && kept.tables.iter().zip(tables).all(|(a, b)| same(a, b))
            }
        };
        let declared = kept.filter(all(SubnetTable::parts_as)).map(|kept| &kept.declared);
        let cuts = Cuts::new(world, &plain, declared);
        let mut judge = Judge::new(world, &cuts)?;
        let learned = cuts.together(kept.and_then(|kept| kept.learned.as_ref()));
        let classes = Classes::new(&cuts, &learned, &mut judge).ok()?;
        let bound = kept.filter(all(SubnetTable::is_bound_as));
        let bound = bound.filter(|kept| kept.of_subnet == world.selection.of_subnet);
        let (positions, kin) = match (bound, kept) {
            (Some(kept), _) => (Arc::clone(&kept.positions), kept.kin.again()),
            (None, kept) => {
                let positions = match kept {
                    Some(kept) => kept.positions.in_other_tables(world, &plain),
                    None => Positions::new(world, &plain),
                };
                let kin = Kin::new(world, &plain, &positions);
                (Arc::new(positions), kin)
            }
        };
        let cells = [(); 2].map(|()| Cells::new(positions.rows(), classes.len()));
        let declared = Arc::clone(cuts.declared());
        let learned = learned.is_held().then_some(learned);
        Some(Self { classes, positions, plain, declared, learned, paths: Paths::default(), kin, cells })
    }

    /// What networks with the same resources and other routes need not compute again.
    pub(crate) fn keep(&self, selection: &Selection) -> Kept {
        Kept {
            positions: Arc::clone(&self.positions),
            plain: Arc::clone(&self.plain),
            declared: Arc::clone(&self.declared),
            learned: self.learned.clone(),
            kin: self.kin.again(),
            tables: selection.tables.clone(),
            of_subnet: selection.of_subnet.clone(),
        }
    }

    pub(crate) fn classes(&self) -> &Classes {
        &self.classes
    }

    pub(crate) fn positions(&self) -> &Positions {
        &self.positions
    }

    /// The path of a row to a class, if it was computed before. Neither locks nor allocates.
    #[inline(always)]
    fn read(&self, row: u32, leg: Leg, class: u32) -> Option<u32> {
        self.cells[usize::from(leg == Leg::Reply)].get(row, class)
    }

    /// The path from a position to an address, if it was computed before: one look-up and one read.
    #[inline(always)]
    pub(crate) fn known(&self, position: Position, destination: IpAddr, leg: Leg) -> Option<u32> {
        let row = self.positions.row(position, destination.is_ipv4());
        self.read(row, leg, self.classes.class_of(destination).0)
    }

    /// The path from a position, sending from an address of its own, to an address.
    pub(crate) fn resolve(
        &self,
        world: &World<'_>,
        position: Position,
        source: IpAddr,
        destination: IpAddr,
        leg: Leg,
    ) -> u32 {
        self.to_class(world, position, (source, destination), self.classes.class_of(destination), leg)
    }

    /// The same, to an address of a known class.
    pub(crate) fn to_class(
        &self,
        world: &World<'_>,
        position: Position,
        (source, destination): (IpAddr, IpAddr),
        class: Class,
        leg: Leg,
    ) -> u32 {
        let row = self.positions.row(position, destination.is_ipv4());
        let known = self.read(row, leg, class.0);
        known.unwrap_or_else(|| self.fill(world, position, (row, class.0), source, destination, leg))
    }

    /// The paths of packets that open flows, a part at a time: look-ups in one family overlap.
    pub(crate) fn resolve_batch(
        &self,
        network: &dyn Answers,
        packets: &[(Position, IpAddr)],
        paths: &mut [PathId],
    ) -> Result<(), ResolveError> {
        const PART: usize = 64;
        let mut addresses = [Ipv4Addr::UNSPECIFIED; PART];
        let mut classes = [0; PART];
        for (packets, paths) in packets.chunks(PART).zip(paths.chunks_mut(PART)) {
            for ((_, destination), address) in packets.iter().zip(&mut addresses) {
                if let IpAddr::V4(destination) = destination {
                    *address = *destination;
                }
            }
            self.classes.classes_of_v4(&addresses[..packets.len()], &mut classes);
            for (((position, destination), path), class) in packets.iter().zip(paths).zip(classes) {
                let v4 = destination.is_ipv4();
                let class = if v4 { class } else { self.classes.class_of(*destination).0 };
                let row = self.positions.row(*position, v4);
                *path = PathId(match self.read(row, Leg::Initiate, class) {
                    Some(path) => path,
                    None => {
                        let source = self.positions.source_towards(*position, *destination)?;
                        let cell = (row, class);
                        self.fill(&network.world(), *position, cell, source, *destination, Leg::Initiate)
                    }
                });
            }
        }
        Ok(())
    }

    #[cold]
    fn fill(
        &self,
        world: &World<'_>,
        position: Position,
        (row, class): (u32, u32),
        source: IpAddr,
        destination: IpAddr,
        leg: Leg,
    ) -> u32 {
        let alias = self.kin.alias(world, (row, class), destination, leg);
        let known = alias.and_then(|alias| self.kin.get(&alias));
        let (path, shared) = match known {
            Some(path) => (path, true),
            None => self.walked(world, position, source, destination, leg),
        };
        if known.is_some() {
            debug_assert_eq!(
                self.walked(world, position, source, destination, leg),
                (path, true),
                "{alias:?}"
            );
        }
        if shared {
            self.cells[usize::from(leg == Leg::Reply)].set(row, class, path);
            if let Some(alias) = alias.filter(|_| known.is_none()) {
                self.kin.insert(alias, path);
            }
        }
        path
    }

    /// The path that a walk takes, and whether others may share it.
    fn walked(
        &self,
        world: &World<'_>,
        position: Position,
        source: IpAddr,
        destination: IpAddr,
        leg: Leg,
    ) -> (u32, bool) {
        let start = self.positions.start(position);
        let answer = walk(world, Question::new(start, source, destination, leg), None, false);
        self.paths.store(world, &self.plain, start, &answer)
    }

    /// Which rows share their paths.
    pub(crate) fn kin(&self) -> &Kin {
        &self.kin
    }

    /// Whether an interface does no more than receive and send for itself.
    pub(crate) fn receives_only(&self, nic: usize) -> bool {
        self.plain.receives_only(Some(Owner::Nic(nic)))
    }

    /// A path by its number.
    pub(super) fn stored(&self, path: u32) -> &Stored {
        self.paths.get(path)
    }

    /// How many different paths were computed, and bytes of cells and paths.
    pub(crate) fn statistics(&self) -> (usize, usize) {
        let (count, bytes) = self.paths.statistics();
        (count, self.cells.iter().map(Cells::bytes).sum::<usize>() + bytes)
    }
}
