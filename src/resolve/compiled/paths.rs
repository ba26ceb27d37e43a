//! Paths, each stored once: what a walk found, without the addresses of who asked.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Mutex, OnceLock, PoisonError};

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

use super::super::answer::{Answer, Disposition, DropReason, Next, Node, Out, Place};
use super::super::bandwidth::Ceiling;
use super::super::classes::Plain;
use super::super::encryption::Carrier;
use super::super::hosts::{Owner, Start, nic_subnet};
use super::super::walk::World;
use crate::model::{Entity, ResourceId};
use crate::rule::Decision;

/// An address of a packet on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum Mark {
    /// The one that it started with.
    Asked,
    /// One that something on the way wrote.
    Written(IpAddr),
}

impl Mark {
    fn of(address: IpAddr, asked: IpAddr) -> Self {
        if address == asked { Self::Asked } else { Self::Written(address) }
    }

    pub(in super::super) fn read(self, asked: IpAddr) -> IpAddr {
        match self {
            Self::Asked => asked,
            Self::Written(address) => address,
        }
    }
}

/// A place on a stored path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum At {
    /// Where the question starts.
    Start,
    /// The host in this virtual network that has the destination address.
    Host(usize),
    /// This one.
    Place(Place),
}

/// A table that a place asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum Whose {
    /// The table of the subnet where the question starts, so that subnets with tables of their own share a path.
    Start,
    Table(u32),
}

/// What a packet leaves a place by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum Via {
    /// A child of the virtual network where the question starts, such as its peering with a hub: what follows its id.
    Start(Box<str>),
    Named(ResourceId),
}

impl Via {
    fn new(via: &ResourceId, home: Option<&ResourceId>) -> Self {
        let tail = home.and_then(|home| via.as_str().strip_prefix(home.as_str()));
        match tail.filter(|tail| tail.starts_with('/')) {
            Some(tail) => Self::Start(tail.into()),
            None => Self::Named(via.clone()),
        }
    }

    pub(in super::super) fn read(&self, home: Option<&ResourceId>) -> ResourceId {
        match (self, home) {
            (Self::Named(id), _) => id.clone(),
            (Self::Start(tail), Some(home)) => ResourceId::from(format!("{home}{tail}")),
            (Self::Start(tail), None) => ResourceId::from(&**tail),
        }
    }
}

/// The virtual network that hosts start in.
pub(in super::super) fn home_of<'w>(world: &World<'w>, start: Start) -> Option<&'w ResourceId> {
    let (Start::Nic { vnet, .. } | Start::Subnet { vnet, .. }) = start else { return None };
    Some(&world.topology.document().virtual_networks.get(vnet)?.id)
}

/// The table of the subnet that hosts start in.
pub(in super::super) fn table_of(world: &World<'_>, start: Start) -> Option<usize> {
    let (Start::Nic { vnet, subnet, .. } | Start::Subnet { vnet, subnet }) = start else { return None };
    world.selection.of_subnet.get(vnet)?.get(subnet).copied()
}

/// What follows a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum Onward {
    /// The host of the node's place receives it.
    Received,
    End(Disposition),
    /// Positions on the path, each with what it leaves by where that differs between equal-cost members.
    To(Box<[(u32, Option<StoredOut>)]>),
}

/// What one of several equal-cost members leaves by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct StoredOut {
    via: Option<Via>,
    encrypted: bool,
    underlay: Option<Carrier>,
}

impl StoredOut {
    fn new(out: &Out, home: Option<&ResourceId>) -> Self {
        let via = out.via.as_ref().map(|via| Via::new(via, home));
        Self { via, encrypted: out.encrypted, underlay: out.underlay.clone() }
    }

    pub(in super::super) fn read(&self, home: Option<&ResourceId>) -> Out {
        let via = self.via.as_ref().map(|via| via.read(home));
        Out { via, encrypted: self.encrypted, underlay: self.underlay.clone() }
    }
}

/// A node of a stored path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct StoredNode {
    pub(in super::super) at: At,
    pub(in super::super) source: Mark,
    pub(in super::super) destination: Mark,
    pub(in super::super) via: Option<Via>,
    pub(in super::super) encrypted: bool,
    pub(in super::super) underlay: Option<Carrier>,
    pub(in super::super) ceiling: Option<Ceiling>,
    pub(in super::super) stateful: bool,
    pub(in super::super) decisions: Box<[Decision]>,
    /// The table asked, and for which destination.
    pub(in super::super) table: Option<Whose>,
    pub(in super::super) asked: Mark,
    /// Whether it follows a route of that table.
    pub(in super::super) routed: bool,
    pub(in super::super) onward: Onward,
}

impl Hash for StoredNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.at, self.source, self.destination, &self.via, self.table, &self.onward).hash(state);
    }
}

/// A path: its nodes by number, the source first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Stored {
    pub(in super::super) nodes: Box<[u32]>,
}

/// Chunks of this many entries, twice as many in each next one.
const FIRST_CHUNK: usize = 64;

/// An append-only list whose entries are read without a lock.
#[derive(Debug)]
struct Log<T> {
    chunks: [OnceLock<Box<[OnceLock<T>]>>; 26],
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self { chunks: std::array::from_fn(|_| OnceLock::new()) }
    }
}

impl<T> Log<T> {
    fn place(at: usize) -> (usize, usize) {
        let chunk = (at / FIRST_CHUNK + 1).ilog2() as usize;
        (chunk, at - FIRST_CHUNK * ((1 << chunk) - 1))
    }

    fn get(&self, at: usize) -> Option<&T> {
        let (chunk, within) = Self::place(at);
        self.chunks.get(chunk)?.get()?.get(within)?.get()
    }

    fn set(&self, at: usize, value: T) {
        let (chunk, within) = Self::place(at);
        let Some(chunk_of) = self.chunks.get(chunk) else { return };
        let entries = chunk_of.get_or_init(|| (0..FIRST_CHUNK << chunk).map(|_| OnceLock::new()).collect());
        if let Some(entry) = entries.get(within) {
            // Entries are numbered under a lock: nobody has set it.
            let _ = entry.set(value);
        }
    }
}

#[derive(Debug, Default)]
struct Known {
    nodes: IndexSet<StoredNode, FxBuildHasher>,
    paths: IndexSet<Stored, FxBuildHasher>,
}

/// All paths that were computed.
#[derive(Debug, Default)]
pub(super) struct Paths {
    nodes: Log<StoredNode>,
    paths: Log<Stored>,
    known: Mutex<Known>,
}

impl Paths {
    pub(super) fn get(&self, path: u32) -> &Stored {
        static EMPTY: OnceLock<Stored> = OnceLock::new();
        self.paths
            .get(path as usize)
            .unwrap_or_else(|| EMPTY.get_or_init(|| Stored { nodes: Box::default() }))
    }

    pub(super) fn node(&self, node: u32) -> Option<&StoredNode> {
        self.nodes.get(node as usize)
    }

    /// Stores what a walk found; its number, and whether it is that of others than who asked: an end may name the start.
    pub(super) fn store(
        &self,
        world: &World<'_>,
        plain: &Plain,
        start: Start,
        answer: &Answer,
    ) -> (u32, bool) {
        let own = (table_of(world, start), home_of(world, start));
        let nodes: Vec<StoredNode> = answer
            .nodes
            .iter()
            .enumerate()
            .map(|(at, node)| stored(world, plain, own, answer, (at, node)))
            .collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut numbers = Vec::with_capacity(nodes.len());
        for node in nodes {
            let number = match known.nodes.get_index_of(&node) {
                Some(number) => number,
                None => {
                    let number = known.nodes.insert_full(node.clone()).0;
                    self.nodes.set(number, node);
                    number
                }
            };
            numbers.push(u32::try_from(number).unwrap_or(u32::MAX));
        }
        let path = Stored { nodes: numbers.into_boxed_slice() };
        let number = match known.paths.get_index_of(&path) {
            Some(number) => number,
            None => {
                let number = known.paths.insert_full(path.clone()).0;
                self.paths.set(number, path);
                number
            }
        };
        let names_start = |node: &Node| match &node.next {
            Next::End(Disposition::Loop(cycle)) => cycle.contains(&answer.position),
            Next::End(Disposition::Dropped(DropReason::NoTransit(id))) => answer.position.id() == Some(id),
            _ => false,
        };
        (u32::try_from(number).unwrap_or(u32::MAX), !answer.nodes.iter().any(names_start))
    }

    /// How many paths there are, and bytes of them and their nodes, names not counted.
    pub(super) fn statistics(&self) -> (usize, usize) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let entries: usize = known.paths.iter().map(|path| path.nodes.len() * 4).sum();
        let paths = known.paths.len() * (size_of::<Stored>() + 8);
        let nodes = known.nodes.len() * (size_of::<StoredNode>() + 8);
        (known.paths.len(), 2 * (entries + paths + nodes))
    }
}

fn stored(
    world: &World<'_>,
    plain: &Plain,
    (own, home): (Option<usize>, Option<&ResourceId>),
    answer: &Answer,
    (number, node): (usize, &Node),
) -> StoredNode {
    let (source, destination) = (answer.header.source, answer.header.destination);
    let hop = &node.hop;
    let to_asked = hop.header.destination == destination;
    let received = match &node.next {
        Next::End(Disposition::Delivered(place)) if to_asked && *place == hop.place && number > 0 => {
            host_of(world, plain, place, destination)
        }
        // In strict mode nobody is there (SYS-16).
        Next::End(Disposition::Dropped(DropReason::NoSuchHost)) if to_asked => {
            host_of(world, plain, &hop.place, destination)
        }
        _ => None,
    };
    let at = match received {
        Some(vnet) => At::Host(vnet),
        // Equal-cost members that end at the start have nodes of their own there.
        None if hop.place == answer.position
            && matches!(hop.place, Place::NetworkInterface(_) | Place::Subnet(_)) =>
        {
            At::Start
        }
        None => At::Place(hop.place.clone()),
    };
    // Where a path starts says what its own network's resources are called.
    let home = home.filter(|_| at == At::Start);
    let onward = match &node.next {
        Next::End(Disposition::Delivered(_)) if received.is_some() => Onward::Received,
        Next::End(disposition) => Onward::End(disposition.clone()),
        Next::To(edges) => {
            let edge = |to: usize| u32::try_from(to).unwrap_or(u32::MAX);
            Onward::To(
                edges
                    .iter()
                    .map(|e| (edge(e.to), e.out.as_ref().map(|out| StoredOut::new(out, home))))
                    .collect(),
            )
        }
    };
    StoredNode {
        source: Mark::of(hop.header.source, source),
        destination: Mark::of(hop.header.destination, destination),
        via: hop.via.as_ref().map(|via| Via::new(via, home)),
        encrypted: hop.encrypted,
        underlay: hop.underlay.clone(),
        // Of a host and of the start it is looked up with the place.
        ceiling: if matches!(at, At::Place(_)) { hop.ceiling } else { None },
        stateful: hop.stateful,
        decisions: if received.is_some() { Box::default() } else { hop.decisions.clone().into() },
        table: match node.table {
            Some(table) if own == Some(table) && at == At::Start => Some(Whose::Start),
            table => table.and_then(|table| u32::try_from(table).ok()).map(Whose::Table),
        },
        asked: Mark::of(node.asked, destination),
        routed: hop.route.is_some(),
        at,
        onward,
    }
}

/// The virtual network in which a place is the host of an address, where any host there would be treated alike.
fn host_of(world: &World<'_>, plain: &Plain, place: &Place, address: IpAddr) -> Option<usize> {
    let entity = |id: &ResourceId| world.topology.entity(id);
    let (vnet, owner) = match place {
        Place::NetworkInterface(id) => match entity(id)? {
            Entity::Nic(nic) => (nic_subnet(world.topology, nic)?.0, Some(Owner::Nic(nic))),
            _ => return None,
        },
        Place::Subnet(id) => match entity(id)? {
            Entity::Subnet(vnet, _) => (vnet, None),
            _ => return None,
        },
        Place::VirtualNetwork(id) => match entity(id)? {
            Entity::VirtualNetwork(vnet) => (vnet, None),
            _ => return None,
        },
        _ => return None,
    };
    (world.hosts.owner(vnet, address) == owner && plain.receives_only(owner)).then_some(vnet)
}
