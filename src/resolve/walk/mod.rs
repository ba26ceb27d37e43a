//! The walk from place to place (WALK-1): a depth-first search over walk states that yields the answer's graph.
//!
//! A state is a place, what the packet looks like there, and how it came (WALK-7). Seen twice on one way it is a loop;
//! seen again on another way its node is shared. Equal-cost choices fan out, unless a flow picks one member.

mod azure;
mod hybrid;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::answer::{
    Answer, Disposition, DropReason, Edge, Header, Hop, MatchedRoute, Next, NextHop, Node, NsgStatus, Place,
};
pub(crate) use azure::is_platform_host;

use super::hosts::{Hosts, Start};
use super::question::{FlowKey, flow_hash};
use crate::control_plane::{ControlPlane, RouterIx};
use crate::fib::Fib;
use crate::model::{LinkRole, PeeringType, ResourceId, Topology};
use crate::prefix_table::PrefixTable;
use crate::rule::{Decision, Rule};
use crate::selection::{Candidate, Selection};

/// Everything a walk reads.
pub(crate) struct World<'n> {
    pub(crate) topology: &'n Topology,
    pub(crate) plane: &'n ControlPlane,
    pub(crate) selection: &'n Selection,
    pub(crate) fibs: &'n [Fib],
    pub(crate) hosts: &'n Hosts,
    /// Prefixes of every service tag: where Internet egress stays on the backbone (SYS-8).
    pub(crate) backbone: &'n PrefixTable<()>,
}

/// A packet at one point: its addresses, and its ports where a flow was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Packet {
    pub(super) header: Header,
    pub(super) flow: Option<FlowKey>,
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
}

pub(super) struct Walker<'n> {
    world: &'n World<'n>,
    /// Whether security groups gate the flow.
    gate: bool,
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
pub(crate) fn walk(
    world: &World<'_>,
    start: Start,
    source: IpAddr,
    destination: IpAddr,
    flow: Option<FlowKey>,
    gate: bool,
) -> Answer {
    let packet = Packet { header: Header { source, destination }, flow };
    let mut walker = Walker {
        world,
        gate,
        nodes: Vec::new(),
        known: HashMap::new(),
        stack: Vec::new(),
        looped: false,
        left: HashSet::new(),
    };
    walker.start(start, packet);
    let root = &walker.nodes[0];
    let next_hop = match (&root.hop.route, &root.next) {
        (Some(route), _) => NextHop::Route(route.clone()),
        (None, Next::End(Disposition::PlatformHost)) => NextHop::PlatformHost,
        (None, Next::To(members)) => {
            NextHop::OnPremises(members.iter().map(|edge| walker.nodes[edge.to].hop.place.clone()).collect())
        }
        (None, Next::End(_)) if !matches!(root.hop.place, Place::OnPremises(_)) => NextHop::NoRoute,
        (None, Next::End(_)) => NextHop::OnPremises(vec![root.hop.place.clone()]),
    };
    Answer {
        position: root.hop.place.clone(),
        header: packet.header,
        next_hop,
        nsg: if gate { NsgStatus::Evaluated } else { NsgStatus::NotEvaluated },
        knobs: world.topology.document().knobs.clone(),
        nodes: walker.nodes,
    }
}

impl Walker<'_> {
    fn start(&mut self, start: Start, packet: Packet) {
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
                let tenant = document.on_premises_sites[site].tenant.clone();
                self.router(at, tenant, packet);
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
            place: place.clone(),
            header: packet.header,
            route: None,
            via: None,
            encrypted: false,
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
            place,
            header: packet.header,
            route: None,
            via: None,
            encrypted: false,
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

    /// Notes by what a packet leaves a node. Equal-cost members share the node: it keeps the name they have in common,
    /// and counts as encrypted only where every one of them is.
    fn leaves_by(&mut self, at: usize, via: Option<ResourceId>, encrypted: bool) {
        let first = self.left.insert(at);
        let hop = self.hop(at);
        if first {
            hop.via = via;
            hop.encrypted = encrypted;
        } else {
            if hop.via != via {
                hop.via = None;
            }
            hop.encrypted &= encrypted;
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
        if let Some(flow) = packet.flow {
            let Header { source, destination } = packet.header;
            let hash = flow_hash(source, destination, flow.protocol, flow.source_port, flow.destination_port);
            let count = u64::try_from(members.len()).unwrap_or(u64::MAX);
            let pick = usize::try_from(hash % count).unwrap_or(0);
            members = vec![members.swap_remove(pick)];
        }
        let named = self.left.contains(&at);
        let before = (self.nodes[at].hop.via.clone(), self.nodes[at].hop.encrypted);
        let mut edges: Vec<Edge> = Vec::new();
        for one in members {
            (self.nodes[at].hop.via, self.nodes[at].hop.encrypted) = before.clone();
            if !named {
                self.left.remove(&at);
            }
            let next = member(self, one);
            let hop = &self.nodes[at].hop;
            let via = Some((hop.via.clone(), hop.encrypted));
            match next {
                Next::To(to) => {
                    edges.extend(to.into_iter().map(|e| Edge { to: e.to, via: e.via.or(via.clone()) }));
                }
                Next::End(disposition) => {
                    let place = hop.place.clone();
                    edges.push(Edge { to: self.end(place, packet, disposition, &[]), via });
                }
            }
        }
        // The node itself keeps what its members have in common.
        let common = edges.iter().all(|e| e.via == edges[0].via);
        let encrypted = edges.iter().all(|e| e.via.as_ref().is_some_and(|(_, encrypted)| *encrypted));
        let hop = self.hop(at);
        if !common {
            hop.via = None;
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

    /// Notes the effective route a node follows.
    fn follow_route(&mut self, at: usize, table: usize, candidate: &Candidate) {
        self.nodes[at].table = Some(table);
        self.hop(at).route = Some(MatchedRoute::new(candidate));
        self.decide(at, candidate.decided_by);
    }
}
