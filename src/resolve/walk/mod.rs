//! The walk from place to place (WALK-1): a depth-first search over walk states that yields the answer's graph.
//!
//! A state is a place, what the packet looks like there, and how it came (WALK-7). Seen twice on one way it is a loop;
//! seen again on another way its node is shared. Equal-cost choices fan out, unless a flow picks one member.

mod azure;
mod edge;
mod hub;
mod hybrid;
mod overlay;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use super::answer::{
    Answer, Disposition, DropReason, Edge, Header, Hop, MatchedRoute, Next, Node, NsgStatus, Out, Place,
};
pub(crate) use azure::is_platform_host;
pub(super) use edge::seen_as;

use super::bandwidth::ceiling;
use super::encryption::{Carrier, Tunnel, underlay};
use super::hosts::{Hosts, Start};
use super::public::PublicEdge;
use super::question::{FlowKey, Leg, flow_hash};
use crate::control_plane::{ControlPlane, RouterIx};
use crate::fib::Layered;
use crate::model::{LinkRole, PeeringType, ResourceId, SiteRole, Topology};
use crate::rule::{Decision, Rule};
use crate::selection::{Candidate, Selection};

/// Everything a walk reads.
pub(crate) struct World<'n> {
    pub(crate) topology: &'n Topology,
    pub(crate) plane: &'n ControlPlane,
    pub(crate) selection: &'n Selection,
    pub(crate) fibs: &'n [Arc<Layered>],
    pub(crate) hosts: &'n Hosts,
    /// Who has which public address.
    pub(crate) edge: &'n PublicEdge,
    /// What carries each tunnel, once it was asked; none where that is not to be told.
    pub(crate) underlays: Option<&'n Underlays>,
}

/// What carries each connection and each overlay tunnel, computed at first touch.
#[derive(Debug, Default)]
pub(crate) struct Underlays {
    connections: Vec<OnceLock<Option<Carrier>>>,
    overlays: Vec<OnceLock<Option<Carrier>>>,
}

impl Underlays {
    pub(crate) fn new(topology: &Topology) -> Self {
        let document = topology.document();
        let empty = |count: usize| (0..count).map(|_| OnceLock::new()).collect();
        Self {
            connections: empty(document.connections.len()),
            overlays: empty(document.overlay_tunnels.len()),
        }
    }
}

impl World<'_> {
    /// What carries a tunnel, where it can be told (ENC-3, ENC-6).
    fn carrier(&self, tunnel: Tunnel) -> Option<Carrier> {
        let known = self.underlays?;
        let slot = match tunnel {
            Tunnel::Connection(c) => known.connections.get(c)?,
            Tunnel::Overlay(t) => known.overlays.get(t)?,
        };
        slot.get_or_init(|| underlay(self, tunnel).map(|underlay| underlay.carrier)).clone()
    }
}

/// What is asked of a walk.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) start: Start,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) leg: Leg,
    /// Whose conversation it is, where the start does not say it: a service's or an Internet host's with a customer.
    pub(crate) tenant: Option<String>,
    /// For a reply: what Microsoft's edge translated on the way there.
    pub(crate) undo: Option<Undo>,
    /// For a reply: what appliances rewrote the destination from.
    pub(crate) rewritten: Vec<Rewritten>,
    /// For a reply: the session of public peering by which the flow came, and by which it returns (PUB-3, PUB-4).
    pub(crate) session: Option<(usize, LinkRole)>,
}

impl Question {
    pub(crate) fn new(start: Start, source: IpAddr, destination: IpAddr, leg: Leg) -> Self {
        Self {
            start,
            source,
            destination,
            leg,
            tenant: None,
            undo: None,
            rewritten: Vec::new(),
            session: None,
        }
    }
}

/// A destination that an appliance rewrote, and writes back into the source of the reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub(crate) appliance: ResourceId,
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
}

/// A source translation at Microsoft's edge, undone for the reply: what the outside saw, and who is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undo {
    pub(crate) seen: IpAddr,
    pub(crate) behind: IpAddr,
    pub(crate) vnet: usize,
}

/// A packet at one point: its addresses, and its ports where a flow was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Packet {
    pub(super) header: Header,
    pub(super) flow: Option<FlowKey>,
    pub(super) leg: Leg,
}

impl Packet {
    pub(super) fn destination(self) -> IpAddr {
        self.header.destination
    }
}

/// Who sends a packet out of a subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sender {
    Nic(usize),
    Firewall(usize),
    PrivateEndpoint(usize),
    /// A host whose interface is not known.
    Host,
}

/// A walk state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    Leave {
        vnet: usize,
        subnet: usize,
        sender: Sender,
        forwarding: bool,
        packet: Packet,
    },
    Balancer {
        balancer: usize,
        frontend: usize,
        forward: bool,
        packet: Packet,
    },
    GatewayOut {
        domain: usize,
        offer: usize,
        packet: Packet,
    },
    GatewayIn {
        gateway: usize,
        connection: Option<usize>,
        packet: Packet,
    },
    Hub {
        hub: usize,
        offer: usize,
        packet: Packet,
    },
    HubRouter {
        hub: usize,
        entry: hub::HubEntry,
        packet: Packet,
    },
    HubFirewall {
        hub: usize,
        entry: hub::HubEntry,
        packet: Packet,
    },
    HubGateway {
        connection: usize,
        /// The links of a circuit that lead on; of a VPN connection neither.
        primary: bool,
        secondary: bool,
        /// As for [`State::Msee`].
        far: Option<usize>,
        reached: Option<usize>,
        packet: Packet,
    },
    OwnTunnel {
        nic: usize,
        packet: Packet,
    },
    Tunnel {
        tunnel: usize,
        forward: bool,
        packet: Packet,
    },
    Msee {
        circuit: usize,
        link: LinkRole,
        peering: PeeringType,
        inbound: bool,
        /// The gateway (out) or connection (in) it goes to.
        to: Option<usize>,
        /// The circuit it goes on to over Global Reach.
        reached: Option<usize>,
        packet: Packet,
    },
    Site {
        site: usize,
        packet: Packet,
    },
    Router {
        router: RouterIx,
        tenant: Option<String>,
        packet: Packet,
    },
    Outside {
        service: bool,
        tenant: Option<String>,
        packet: Packet,
    },
    InternetEdge {
        inbound: bool,
        tenant: Option<String>,
        packet: Packet,
    },
}

pub(super) struct Walker<'n> {
    world: &'n World<'n>,
    /// What a reply undoes and by which session it returns.
    undo: Option<Undo>,
    rewritten: Vec<Rewritten>,
    session: Option<(usize, LinkRole)>,
    /// Whether security groups gate the flow.
    gate: bool,
    /// Whether equal-cost members are all followed though a flow was asked.
    every_member: bool,
    nodes: Vec<Node>,
    known: HashMap<State, usize>,
    stack: Vec<(State, Place)>,
    /// Whether what is being built was cut by a loop or by the hop limit.
    looped: bool,
    /// Nodes whose way out was noted.
    left: HashSet<usize>,
}

/// Backstop against ways that never repeat themselves (WALK-7).
const HOP_LIMIT: usize = 64;

/// Nodes after which subtrees that a loop cut are shared between ways, loops and all.
const NODE_BUDGET: usize = 1 << 14;

/// Walks from a start to the end of every way.
pub(crate) fn walk(world: &World<'_>, question: Question, flow: Option<FlowKey>, gate: bool) -> Answer {
    begin(world, question, flow, (gate, false))
}

/// As [`walk`] with security groups, by every member of each equal-cost set, whichever the flow's hash picks.
pub(crate) fn walk_gated(world: &World<'_>, question: Question, flow: FlowKey) -> Answer {
    begin(world, question, Some(flow), (true, true))
}

fn begin(
    world: &World<'_>,
    question: Question,
    flow: Option<FlowKey>,
    (gate, every_member): (bool, bool),
) -> Answer {
    let Question { start, source, destination, leg, tenant, undo, rewritten, session } = question;
    let packet = Packet { header: Header { source, destination }, flow, leg };
    let mut walker = Walker {
        world,
        undo,
        rewritten,
        session,
        gate,
        every_member,
        nodes: Vec::new(),
        known: HashMap::new(),
        stack: Vec::new(),
        looped: false,
        left: HashSet::new(),
    };
    walker.start(start, tenant, packet);
    let nsg = if gate { NsgStatus::Evaluated } else { NsgStatus::NotEvaluated };
    Answer::of(world, walker.nodes, packet.header, leg, nsg)
}

impl Walker<'_> {
    fn start(&mut self, start: Start, tenant: Option<String>, packet: Packet) {
        let document = self.world.topology.document();
        match start {
            Start::Nic { nic, vnet, subnet } => {
                let place = Place::NetworkInterface(document.network_interfaces[nic].id.clone());
                let own = self.world.hosts.sends_as(self.world.topology, nic, packet.header.source);
                self.leave(vnet, subnet, Sender::Nic(nic), place, !own, false, packet);
            }
            Start::Subnet { vnet, subnet } => {
                let network = &document.virtual_networks[vnet];
                let place = Place::Subnet(network.subnet_id(&network.subnets[subnet].name));
                self.leave(vnet, subnet, Sender::Host, place, false, false, packet);
            }
            Start::Firewall { firewall, vnet, subnet } => {
                let place =
                    Place::Appliance { id: document.azure_firewalls[firewall].id.clone(), interface: None };
                self.leave(vnet, subnet, Sender::Firewall(firewall), place, false, true, packet);
            }
            Start::PrivateEndpoint { endpoint, vnet, subnet } => {
                let place = Place::PrivateEndpoint(document.private_endpoints[endpoint].id.clone());
                self.leave(vnet, subnet, Sender::PrivateEndpoint(endpoint), place, false, false, packet);
            }
            Start::Site { site, .. } => {
                self.site(site, packet);
            }
            Start::Router { site, router } => {
                let at = self.world.plane.on_premises.by_site[site][router];
                let declared = &document.on_premises_sites[site];
                // A provider's router answers for the customer whose conversation it is.
                let whose = tenant.filter(|_| declared.role == SiteRole::Provider);
                self.router(at, whose.or_else(|| declared.tenant.clone()), packet);
            }
            Start::Service { tag } => {
                let name = tag.map(|tag| document.service_tags[tag].name.clone());
                self.service(name, tenant, packet);
            }
            Start::Internet => {
                self.internet_host(tenant, packet);
            }
            Start::PublicPeering { circuit, link } => {
                self.returns_over_public_peering(circuit, link, packet);
            }
        }
    }

    /// Visits a state: shares its node where it is known, ends in a loop where it is on the way, else builds it.
    fn visit(
        &mut self,
        state: State,
        place: Place,
        packet: Packet,
        build: impl FnOnce(&mut Self, usize) -> Next,
    ) -> usize {
        if let Some(&known) = self.known.get(&state) {
            return known;
        }
        let at = self.nodes.len();
        let hop = Hop {
            ceiling: ceiling(self.world.topology, &place),
            place: place.clone(),
            header: packet.header,
            route: None,
            via: None,
            encrypted: false,
            underlay: None,
            stateful: false,
            decisions: Vec::new(),
        };
        let asked = packet.destination();
        self.nodes.push(Node { hop, next: Next::End(Disposition::HopLimit), table: None, asked });
        if let Some(first) = self.stack.iter().position(|(seen, _)| *seen == state) {
            self.looped = true;
            let mut cycle: Vec<Place> = self.stack[first..].iter().map(|(_, place)| place.clone()).collect();
            // The same cycle may be entered anywhere, by a question or on the way: name this place as the way found it,
            // and tell the cycle from its least place.
            if let Some(entered) = cycle.first_mut() {
                *entered = place;
            }
            let least = (0..cycle.len()).min_by_key(|i| cycle[*i].clone()).unwrap_or(0);
            cycle.rotate_left(least);
            self.decide(at, Decision::stated(Rule::WALK_7));
            self.nodes[at].next = Next::End(Disposition::Loop(cycle));
            return at;
        }
        if self.stack.len() >= HOP_LIMIT {
            self.looped = true;
            self.decide(at, Decision::stated(Rule::WALK_7));
            return at;
        }
        let before = std::mem::replace(&mut self.looped, false);
        self.stack.push((state.clone(), place));
        let next = build(self, at);
        self.nodes[at].next = next;
        self.stack.pop();
        // Where a loop was cut depends on the way: another way that comes here may go round elsewhere, or go on. Beyond
        // the budget such a node is shared all the same, so that no design takes forever.
        if !self.looped || self.nodes.len() > NODE_BUDGET {
            self.known.insert(state, at);
        }
        self.looped |= before;
        at
    }

    /// A node that ends here.
    fn end(
        &mut self,
        place: Place,
        packet: Packet,
        disposition: Disposition,
        decisions: &[Decision],
    ) -> usize {
        let hop = Hop {
            ceiling: ceiling(self.world.topology, &place),
            place,
            header: packet.header,
            route: None,
            via: None,
            encrypted: false,
            underlay: None,
            stateful: false,
            decisions: decisions.to_vec(),
        };
        let asked = packet.destination();
        self.nodes.push(Node { hop, next: Next::End(disposition), table: None, asked });
        self.nodes.len() - 1
    }

    fn hop(&mut self, at: usize) -> &mut Hop {
        &mut self.nodes[at].hop
    }

    /// Notes by what a packet leaves a node. Equal-cost members share the node: it keeps what they have in common, and
    /// counts as encrypted only where every one of them is.
    fn leaves_by(&mut self, at: usize, via: Option<ResourceId>, encrypted: bool) {
        self.leaves(at, Out { via, encrypted, underlay: None });
    }

    /// As [`leaves_by`](Self::leaves_by), into a tunnel: with what carries it, where that can be told.
    fn leaves_into(&mut self, at: usize, tunnel: Tunnel) {
        let document = self.world.topology.document();
        let (via, encrypted) = match tunnel {
            Tunnel::Connection(c) => (document.connections[c].id.clone(), true),
            Tunnel::Overlay(t) => {
                (document.overlay_tunnels[t].id.clone(), document.overlay_tunnels[t].encrypted)
            }
        };
        let underlay = self.world.carrier(tunnel);
        self.leaves(at, Out { via: Some(via), encrypted, underlay });
    }

    fn leaves(&mut self, at: usize, out: Out) {
        let first = self.left.insert(at);
        let hop = self.hop(at);
        if first {
            hop.via = out.via;
            hop.encrypted = out.encrypted;
            hop.underlay = out.underlay;
        } else {
            if hop.via != out.via {
                hop.via = None;
            }
            if hop.underlay != out.underlay {
                hop.underlay = None;
            }
            hop.encrypted &= out.encrypted;
        }
    }

    fn decide(&mut self, at: usize, decision: Decision) {
        let decisions = &mut self.nodes[at].hop.decisions;
        if !decisions.contains(&decision) {
            decisions.push(decision);
        }
    }

    /// Drops the packet at this node.
    fn drop_at(&mut self, at: usize, reason: DropReason, decision: Decision) -> Next {
        self.decide(at, decision);
        Next::End(Disposition::Dropped(reason))
    }

    /// Equal-cost members: all of them, or the one that the flow's hash picks (SEL-12). Each is walked by `member`; what
    /// it notes of the way out ([`leaves_by`](Self::leaves_by)) stays its own, and one that ends here gets a node of its
    /// own beside the others.
    fn fan<T>(
        &mut self,
        at: usize,
        packet: Packet,
        mut members: Vec<T>,
        mut member: impl FnMut(&mut Self, T) -> Next,
    ) -> Next {
        if members.len() < 2 {
            return match members.pop() {
                Some(only) => member(self, only),
                None => Next::End(Disposition::Dropped(DropReason::NoRoute)),
            };
        }
        self.decide(at, Decision::stated(Rule::SEL_12));
        if let Some(flow) = packet.flow.filter(|_| !self.every_member) {
            let Header { source, destination } = packet.header;
            let hash = flow_hash(source, destination, flow.protocol, flow.source_port, flow.destination_port);
            let count = u64::try_from(members.len()).unwrap_or(u64::MAX);
            let pick = usize::try_from(hash % count).unwrap_or(0);
            members = vec![members.swap_remove(pick)];
        }
        let named = self.left.contains(&at);
        let before = self.out(at);
        let mut edges: Vec<Edge> = Vec::new();
        for one in members {
            let Out { via, encrypted, underlay } = before.clone();
            let hop = self.hop(at);
            (hop.via, hop.encrypted, hop.underlay) = (via, encrypted, underlay);
            if !named {
                self.left.remove(&at);
            }
            let next = member(self, one);
            let out = Some(self.out(at));
            match next {
                Next::To(to) => {
                    edges.extend(to.into_iter().map(|e| Edge { to: e.to, out: e.out.or(out.clone()) }));
                }
                Next::End(disposition) => {
                    let place = self.nodes[at].hop.place.clone();
                    edges.push(Edge { to: self.end(place, packet, disposition, &[]), out });
                }
            }
        }
        // The node itself keeps what its members have in common.
        let common = edges.iter().all(|e| e.out == edges[0].out);
        let encrypted = edges.iter().all(|e| e.out.as_ref().is_some_and(|out| out.encrypted));
        let hop = self.hop(at);
        if !common {
            hop.via = None;
            hop.underlay = None;
        }
        hop.encrypted = encrypted;
        let mut seen = Vec::new();
        edges.retain(|edge| {
            let new = !seen.contains(edge);
            seen.push(edge.clone());
            new
        });
        Next::To(edges)
    }

    fn out(&self, at: usize) -> Out {
        let hop = &self.nodes[at].hop;
        Out { via: hop.via.clone(), encrypted: hop.encrypted, underlay: hop.underlay.clone() }
    }

    /// Notes the effective route a node follows.
    fn follow_route(&mut self, at: usize, table: usize, candidate: &Candidate) {
        self.nodes[at].table = Some(table);
        self.hop(at).route = Some(MatchedRoute::new(candidate));
        self.decide(at, candidate.decided_by);
    }
}
