//! What `resolve` returns: a path borrowed from the network, and the answer in full where it is looked into.

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::OnceLock;

use super::super::answer::{
    Answer, Disposition, Edge, Header, Hop, MatchedRoute, Next, NextHop, Node, NsgStatus, Place,
};
use super::super::bandwidth::ceiling;
use super::super::hosts::{Owner, Start, subnet_of};
use super::super::question::Leg;
use super::super::walk::World;
use super::paths::{At, Onward, StoredOut, Whose, home_of, table_of};
use super::{Compiled, Position};
use crate::rule::{Decision, Rule};
use crate::selection::{Handle, View};

/// What answers are read from: a network.
pub(crate) trait Answers: Sync {
    fn world(&self) -> World<'_>;
    fn compiled(&self) -> Option<&Compiled>;
}

/// A path of a network, by number. Numbers follow the order in which paths were first asked for: they are no order of the
/// paths, and mean nothing in another network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(pub(super) u32);

/// The answer to one question: a path that many questions share, borrowed from the network, with the addresses of this
/// one.
///
/// Getting one is one look-up and one array read once the path is known: nothing is allocated, no lock is taken. It reads
/// like the [`Answer`] that it stands for, which is put together when a method of it is first used.
pub struct Resolved<'n> {
    network: &'n dyn Answers,
    /// The path; none where the question had to be walked for itself.
    path: Option<PathId>,
    /// Where it starts, and the address it was asked for; none is the position's own.
    position: Option<Position>,
    source: Option<IpAddr>,
    destination: IpAddr,
    leg: Leg,
    full: OnceLock<Box<Answer>>,
}

impl<'n> Resolved<'n> {
    #[inline(always)]
    pub(crate) fn new(
        network: &'n dyn Answers,
        path: u32,
        (position, source): (Position, Option<IpAddr>),
        destination: IpAddr,
        leg: Leg,
    ) -> Self {
        let (path, position) = (Some(PathId(path)), Some(position));
        Self { network, path, position, source, destination, leg, full: OnceLock::new() }
    }

    /// An answer that was walked for itself.
    pub(crate) fn walked(network: &'n dyn Answers, answer: Answer) -> Self {
        let (Header { source, destination }, leg) = (answer.header, answer.leg);
        let full = OnceLock::from(Box::new(answer));
        Self { network, path: None, position: None, source: Some(source), destination, leg, full }
    }

    /// The path that it takes, which other questions may share. `None` where the question had to be walked for itself: a
    /// source that is no position, or an address that it does not own.
    #[inline]
    pub fn path_id(&self) -> Option<PathId> {
        self.path
    }

    /// The packet as it starts.
    pub fn header(&self) -> Header {
        let own = || {
            let positions = self.network.compiled()?.positions();
            positions.source(self.position?, self.destination.is_ipv4())
        };
        // A position without an address of the family has no path.
        let source = self.source.or_else(own).unwrap_or(self.destination);
        Header { source, destination: self.destination }
    }

    /// The answer in full.
    pub fn answer(&self) -> &Answer {
        self.full.get_or_init(|| Box::new(self.expand()))
    }

    /// The answer in full, kept.
    pub fn into_answer(mut self) -> Answer {
        match self.full.take() {
            Some(answer) => *answer,
            None => self.expand(),
        }
    }

    fn expand(&self) -> Answer {
        let world = self.network.world();
        let header = self.header();
        let mut nodes = Vec::new();
        if let (Some(compiled), Some(PathId(path)), Some(position)) =
            (self.network.compiled(), self.path, self.position)
        {
            let start = compiled.positions.start(position);
            let stored = compiled.stored(path).nodes.iter().filter_map(|node| compiled.paths.node(*node));
            nodes.extend(stored.map(|stored| node(&world, stored, start, header)));
        }
        Answer::of(&world, nodes, header, self.leg, NsgStatus::NotEvaluated)
    }
}

impl Deref for Resolved<'_> {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        self.answer()
    }
}

impl Clone for Resolved<'_> {
    fn clone(&self) -> Self {
        Self { full: self.full.clone(), ..*self }
    }
}

impl PartialEq for Resolved<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.answer() == other.answer()
    }
}

impl fmt::Debug for Resolved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.answer().fmt(f)
    }
}

impl fmt::Display for Resolved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.answer().fmt(f)
    }
}

/// A node of an answer, with the addresses and the position of a question.
fn node(world: &World<'_>, stored: &super::paths::StoredNode, start: Start, asked: Header) -> Node {
    let header = Header {
        source: stored.source.read(asked.source),
        destination: stored.destination.read(asked.destination),
    };
    let home = home_of(world, start);
    let mut decisions = stored.decisions.to_vec();
    let place = match &stored.at {
        At::Place(place) => place.clone(),
        At::Start => start_place(world, start),
        At::Host(vnet) => host_place(world, *vnet, asked.destination, &mut decisions),
    };
    let next = match &stored.onward {
        Onward::Received => Next::End(Disposition::Delivered(place.clone())),
        Onward::End(disposition) => Next::End(disposition.clone()),
        Onward::To(edges) => {
            let out = |out: &Option<StoredOut>| out.as_ref().map(|out| out.read(home));
            Next::To(edges.iter().map(|(to, by)| Edge { to: *to as usize, out: out(by) }).collect())
        }
    };
    let table = stored.table.and_then(|whose| match whose {
        Whose::Start => table_of(world, start),
        Whose::Table(table) => Some(table as usize),
    });
    let at_table = stored.asked.read(asked.destination);
    let route = table.filter(|_| stored.routed).and_then(|table| matched(world, table, at_table));
    let ceiling = match stored.at {
        At::Place(_) => stored.ceiling,
        _ => ceiling(world.topology, &place),
    };
    let hop = Hop {
        place,
        header,
        route,
        via: stored.via.as_ref().map(|via| via.read(home)),
        encrypted: stored.encrypted,
        underlay: stored.underlay.clone(),
        ceiling,
        stateful: stored.stateful,
        decisions,
    };
    Node { hop, next, table, asked: at_table }
}

fn matched(world: &World<'_>, table: usize, destination: IpAddr) -> Option<MatchedRoute> {
    let (prefix, code) = world.fibs[table].longest_match(destination)?;
    let view = View {
        topology: world.topology,
        plane: world.plane,
        selection: world.selection,
        table: &world.selection.tables[table],
    };
    Some(MatchedRoute::new(&view.candidate(Handle::decode(code), prefix)))
}

/// Where hosts start; other positions stand in the path itself.
fn start_place(world: &World<'_>, start: Start) -> Place {
    let document = world.topology.document();
    match start {
        Start::Nic { nic, .. } => Place::NetworkInterface(document.network_interfaces[nic].id.clone()),
        Start::Subnet { vnet, subnet } => {
            let network = &document.virtual_networks[vnet];
            Place::Subnet(network.subnet_id(&network.subnets[subnet].name))
        }
        _ => Place::Internet,
    }
}

/// The host of a virtual network that has an address, declared or not (SYS-16).
fn host_place(world: &World<'_>, vnet: usize, address: IpAddr, decisions: &mut Vec<Decision>) -> Place {
    let document = world.topology.document();
    if let Some(Owner::Nic(nic)) = world.hosts.owner(vnet, address) {
        return Place::NetworkInterface(document.network_interfaces[nic].id.clone());
    }
    decisions.push(Decision::stated(Rule::SYS_16));
    let network = &document.virtual_networks[vnet];
    match subnet_of(document, vnet, address) {
        Some(subnet) => Place::Subnet(network.subnet_id(&network.subnets[subnet].name)),
        None => Place::VirtualNetwork(network.id.clone()),
    }
}

impl Answer {
    /// An answer of these nodes, the source's first.
    pub(in super::super) fn of(
        world: &World<'_>,
        nodes: Vec<Node>,
        header: Header,
        leg: Leg,
        nsg: NsgStatus,
    ) -> Self {
        let root = &nodes[0];
        let next_hop = match (&root.hop.route, &root.next) {
            (Some(route), _) => NextHop::Route(route.clone()),
            (None, Next::End(Disposition::PlatformHost)) => NextHop::PlatformHost,
            (None, Next::To(members)) => {
                NextHop::OnPremises(members.iter().map(|edge| nodes[edge.to].hop.place.clone()).collect())
            }
            (None, Next::End(_)) if !matches!(root.hop.place, Place::OnPremises(_)) => NextHop::NoRoute,
            (None, Next::End(_)) => NextHop::OnPremises(vec![root.hop.place.clone()]),
        };
        let knobs = world.topology.document().knobs.clone();
        Self { position: root.hop.place.clone(), header, leg, next_hop, nsg, knobs, nodes }
    }
}

impl PartialEq<Resolved<'_>> for Answer {
    fn eq(&self, other: &Resolved<'_>) -> bool {
        self == other.answer()
    }
}

impl PartialEq<Answer> for Resolved<'_> {
    fn eq(&self, other: &Answer) -> bool {
        self.answer() == other
    }
}
