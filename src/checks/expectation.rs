//! What must hold of an answer, and the shortest way of it on which that does not hold.

use std::collections::VecDeque;
use std::fmt;

use ipnet::IpNet;

use super::CheckError;
use super::cuts::Cuts;
use crate::Network;
use crate::model::same_tenant;
use crate::model::{Entity, PeeringType, ResourceId, RouteSource, Topology};
use crate::resolve::{Answer, Disposition, DropReason, Edge, Egress, Hop, Next, Node, Place};

/// Something that a path passes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waypoint {
    /// A place with this id (an appliance or firewall, gateway, hub, router, site, host, subnet), or a connection,
    /// peering, link or tunnel by which a packet leaves one.
    Node(ResourceId),
    /// From one place straight to another.
    Edge(ResourceId, ResourceId),
    /// A circuit, by whatever peering.
    Circuit(ResourceId),
    /// A peering domain of whatever circuit.
    Peering(PeeringType),
}

/// A place, or what a packet leaves one by; see [`Waypoint::Node`].
pub fn position(id: impl Into<ResourceId>) -> Waypoint {
    Waypoint::Node(id.into())
}

/// From one place straight to another.
pub fn edge(from: impl Into<ResourceId>, to: impl Into<ResourceId>) -> Waypoint {
    Waypoint::Edge(from.into(), to.into())
}

/// A circuit.
pub fn circuit(id: impl Into<ResourceId>) -> Waypoint {
    Waypoint::Circuit(id.into())
}

/// A peering domain.
pub fn peering(peering: PeeringType) -> Waypoint {
    Waypoint::Peering(peering)
}

impl From<&str> for Waypoint {
    fn from(id: &str) -> Self {
        position(id)
    }
}

impl From<ResourceId> for Waypoint {
    fn from(id: ResourceId) -> Self {
        Self::Node(id)
    }
}

impl Waypoint {
    /// A misspelt name would make "avoids" hold always.
    fn exists(&self, topology: &Topology) -> Result<(), CheckError> {
        let known = |id: &ResourceId| match topology.entity(id).is_some() || is_named(topology, id) {
            true => Ok(()),
            false => Err(CheckError::UnknownWaypoint { name: id.clone() }),
        };
        match self {
            Self::Node(id) | Self::Circuit(id) => known(id),
            Self::Edge(from, to) => known(from).and_then(|()| known(to)),
            Self::Peering(_) => Ok(()),
        }
    }

    fn is_place(&self, place: &Place) -> bool {
        match self {
            Self::Node(id) => match place {
                Place::Appliance { id: appliance, interface } => {
                    appliance == id || interface.as_ref() == Some(id)
                }
                Place::Msee { .. } => false,
                place => place.id() == Some(id),
            },
            Self::Edge(..) => false,
            Self::Circuit(id) => matches!(place, Place::Msee { circuit, .. } if circuit == id),
            Self::Peering(domain) => matches!(place, Place::Msee { peering, .. } if peering == domain),
        }
    }

    fn is_end(&self, end: &Disposition) -> bool {
        match (self, end) {
            (Self::Circuit(id), Disposition::Egress(Egress::MicrosoftPeering(circuit))) => id == circuit,
            (Self::Circuit(id), Disposition::Egress(Egress::PublicPeering(circuit))) => id == circuit,
            (Self::Peering(domain), Disposition::Egress(Egress::MicrosoftPeering(_))) => {
                *domain == PeeringType::MicrosoftPeering
            }
            (Self::Peering(domain), Disposition::Egress(Egress::PublicPeering(_))) => {
                *domain == PeeringType::AzurePublicPeering
            }
            _ => false,
        }
    }

    fn is_step(&self, from: &Hop, to: &Place) -> bool {
        match self {
            Self::Node(id) => from.via.as_ref() == Some(id),
            Self::Edge(one, other) => {
                Self::Node(one.clone()).is_place(&from.place) && Self::Node(other.clone()).is_place(to)
            }
            Self::Circuit(_) | Self::Peering(_) => false,
        }
    }

    /// Whether a host or its subnet may be meant, so that answers of one path differ.
    fn may_be_a_host(&self, topology: &Topology) -> bool {
        let host = |id: &ResourceId| {
            matches!(
                topology.entity(id),
                Some(Entity::VirtualNetwork(_) | Entity::Subnet(..) | Entity::Nic(_)) | None
            )
        };
        match self {
            Self::Node(id) => host(id),
            Self::Edge(one, other) => host(one) || host(other),
            Self::Circuit(_) | Self::Peering(_) => false,
        }
    }
}

impl fmt::Display for Waypoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(id) => write!(f, "`{id}`"),
            Self::Edge(from, to) => write!(f, "the way from `{from}` to `{to}`"),
            Self::Circuit(id) => write!(f, "circuit `{id}`"),
            Self::Peering(peering) => f.write_str(peering.as_str()),
        }
    }
}

/// Whether it is the name of something that is part of another resource: a peering, or a session.
fn is_named(topology: &Topology, id: &ResourceId) -> bool {
    let document = topology.document();
    document.bgp_sessions.iter().any(|session| session.id == *id)
        || id.parent().and_then(|parent| topology.virtual_network(&parent).cloned()).is_some_and(|network| {
            network.peerings.iter().any(|peering| peering.name.eq_ignore_ascii_case(id.name()))
        })
}

/// What must hold of every path, both members of every equal-cost set included.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expectation {
    /// Every path arrives ([`Disposition::is_success`]).
    Reachable,
    /// No path arrives.
    Isolated,
    /// Every path that arrives passes it. What is dropped or loops is for [`Reachable`](Self::Reachable) to find.
    Traverses(Waypoint),
    /// No path passes it.
    Avoids(Waypoint),
    /// Every step to, from and between places outside Azure (edge routers, sites, the Internet edge) is encrypted (ENC-1).
    StaysEncrypted,
    /// No path leaves Microsoft's network for the Internet.
    NeverByInternet,
    /// No path leaves Microsoft's network by a public edge: not to the Internet, and not by Microsoft or public peering
    /// (FT-1).
    ForcedTunnel,
    /// Every stateful hop sees both directions, there and back (WALK-10).
    Symmetric,
    /// No path has more hops, the source and the place where it ends included.
    AtMostHops(usize),
    /// No path comes back to where it was.
    NoLoop,
    /// No path is dropped, but where somebody said so: a user route to nowhere, a security rule, an appliance's policy, a
    /// discarding route.
    NoBlackHole,
    /// No path touches what another tenant has.
    TenantIsolated,
    /// Packets end as in this network, by the same way and the same kind of route, as [`diff`](super::diff()) compares
    /// answers: which host of a virtual network has an address is not looked at.
    SameAs(Baseline),
}

/// A network that answers are compared with. Two are equal where they are the same one, shared.
#[derive(Clone, Debug)]
pub struct Baseline(Network);

impl Baseline {
    /// This network; shares it.
    pub fn new(network: &Network) -> Self {
        Self(network.clone())
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.0
    }
}

impl PartialEq for Baseline {
    fn eq(&self, other: &Self) -> bool {
        self.0.is(&other.0)
    }
}

impl Eq for Baseline {}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reachable => f.write_str("is reachable"),
            Self::Isolated => f.write_str("is isolated"),
            Self::Traverses(waypoint) => write!(f, "traverses {waypoint}"),
            Self::Avoids(waypoint) => write!(f, "avoids {waypoint}"),
            Self::StaysEncrypted => f.write_str("stays encrypted"),
            Self::NeverByInternet => f.write_str("never leaves by the Internet"),
            Self::ForcedTunnel => f.write_str("is tunnelled to a site"),
            Self::Symmetric => f.write_str("is symmetric"),
            Self::AtMostHops(hops) => write!(f, "takes at most {hops} hops"),
            Self::NoLoop => f.write_str("does not loop"),
            Self::NoBlackHole => f.write_str("is not lost"),
            Self::TenantIsolated => f.write_str("stays with its tenant"),
            Self::SameAs(_) => f.write_str("goes as in the other network"),
        }
    }
}

/// A path of an answer, by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct FailingPath {
    /// Its hops, the source first.
    pub hops: Vec<Hop>,
    /// What becomes of the packet.
    pub disposition: Disposition,
}

impl fmt::Display for FailingPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, hop) in self.hops.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { " -> " }, hop.place)?;
            if let Some(route) = &hop.route {
                write!(f, " ({route})")?;
            }
        }
        write!(f, " => {}", self.disposition)
    }
}

impl Expectation {
    pub(super) fn baseline(&self) -> Option<&Baseline> {
        match self {
            Self::SameAs(baseline) => Some(baseline),
            _ => None,
        }
    }

    pub(super) fn exists(&self, network: &Network) -> Result<(), CheckError> {
        match self {
            Self::Traverses(waypoint) | Self::Avoids(waypoint) => waypoint.exists(network.topology()),
            _ => Ok(()),
        }
    }

    /// The addresses at which what it says of hosts and subnets may change inside a class.
    pub(super) fn host_cuts(&self, network: &Network) -> Cuts {
        let document = network.topology().document();
        let asked = match self {
            Self::Traverses(waypoint) | Self::Avoids(waypoint) => waypoint.may_be_a_host(network.topology()),
            // The way back starts where the destination is: by the table of its subnet, or at its own router.
            Self::Symmetric => true,
            _ => false,
        };
        if !asked {
            return Cuts::default();
        }
        let subnets = document.virtual_networks.iter().flat_map(|network| &network.subnets);
        let prefixes = subnets.flat_map(|subnet| subnet.address_prefixes.iter().copied());
        let nics = document.network_interfaces.iter().flat_map(|nic| &nic.ip_configurations);
        let addresses = nics.filter_map(|own| own.private_ip_address).map(IpNet::from);
        let sites = document.on_premises_sites.iter();
        let outside = sites.flat_map(|site| {
            let routers = site.routers.iter().flat_map(|router| &router.addresses).copied().map(IpNet::from);
            let ranges = site.host_ranges.iter().map(|range| range.prefix);
            site.prefixes.iter().copied().chain(ranges).chain(routers)
        });
        prefixes.chain(addresses).chain(outside).collect()
    }

    /// Whether all answers that share a path are judged alike, whoever asked.
    pub(super) fn is_of_paths(&self, network: &Network) -> bool {
        match self {
            Self::Traverses(waypoint) | Self::Avoids(waypoint) => !waypoint.may_be_a_host(network.topology()),
            Self::TenantIsolated | Self::Symmetric | Self::SameAs(_) => false,
            _ => true,
        }
    }

    /// The shortest path on which it does not hold; none where it holds. Linear in the places and ways of the answer.
    pub(super) fn broken_by(&self, network: &Network, answer: &Answer) -> Option<FailingPath> {
        let nodes = answer.nodes();
        let never = |_: &Node| false;
        let no_step = |_: &Hop, _: &Node| false;
        match self {
            Self::Reachable => shortest(nodes, never, no_step, |end, _| !end.is_success()),
            Self::Isolated => shortest(nodes, never, no_step, |end, _| end.is_success()),
            Self::Traverses(waypoint) => shortest(
                nodes,
                |node| waypoint.is_place(&node.hop.place),
                |hop, to| waypoint.is_step(hop, &to.hop.place),
                |end, passed| !passed && !waypoint.is_end(end) && arrives(end),
            ),
            Self::Avoids(waypoint) => shortest(
                nodes,
                |node| waypoint.is_place(&node.hop.place),
                |hop, to| waypoint.is_step(hop, &to.hop.place),
                |end, passed| passed || waypoint.is_end(end),
            ),
            Self::StaysEncrypted => shortest(
                nodes,
                never,
                |hop, to| !hop.encrypted && (is_outside(&hop.place) || is_outside(&to.hop.place)),
                |_, passed| passed,
            ),
            Self::NeverByInternet => shortest(nodes, never, no_step, |end, _| {
                matches!(end, Disposition::Egress(Egress::Internet(_)))
            }),
            Self::ForcedTunnel => {
                shortest(nodes, never, no_step, |end, _| matches!(end, Disposition::Egress(_)))
            }
            Self::NoLoop => shortest(nodes, never, no_step, |end, _| {
                matches!(end, Disposition::Loop(_) | Disposition::HopLimit)
            }),
            Self::NoBlackHole => {
                // A route to nowhere is somebody's where a user wrote it.
                let unmeant = |node: &Node| match &node.next {
                    Next::End(Disposition::Dropped(DropReason::NoneRoute(_))) => node
                        .hop
                        .route
                        .as_ref()
                        .is_none_or(|matched| matched.route.source != RouteSource::User),
                    Next::End(Disposition::Dropped(reason)) => !matches!(
                        reason,
                        DropReason::NsgDeny { .. }
                            | DropReason::DeniedByAppliance(_)
                            | DropReason::Discarded(_)
                    ),
                    _ => false,
                };
                shortest(nodes, unmeant, no_step, |_, passed| passed)
            }
            Self::TenantIsolated => {
                let topology = network.topology();
                let own = tenant_of(topology, &nodes[0].hop.place)?;
                let foreign = |node: &Node| {
                    tenant_of(topology, &node.hop.place)
                        .is_some_and(|tenant| !same_tenant(tenant.as_deref(), own.as_deref()))
                };
                shortest(nodes, foreign, no_step, |_, passed| passed)
            }
            Self::AtMostHops(most) => {
                let path = longest(nodes);
                (path.hops.len() > *most).then_some(path)
            }
            // Two answers are looked at, by who asks.
            Self::Symmetric | Self::SameAs(_) => None,
        }
    }
}

fn arrives(end: &Disposition) -> bool {
    end.is_success() || matches!(end, Disposition::NeedsFlow(_))
}

fn is_outside(place: &Place) -> bool {
    matches!(
        place,
        Place::Msee { .. } | Place::OnPremises(_) | Place::InternetEdge | Place::Internet | Place::Service(_)
    )
}

/// Whose a place is; none where it is nobody's or many tenants' (a provider's network, Microsoft's edge).
fn tenant_of(topology: &Topology, place: &Place) -> Option<Option<String>> {
    let document = topology.document();
    let of_network = |v: usize| Some(document.virtual_networks.get(v)?.tenant.clone());
    let of_site = |s: usize| {
        let site = document.on_premises_sites.get(s)?;
        site.tenant.clone().map(Some)
    };
    let in_subnet = |id: &ResourceId| match topology.entity(id) {
        Some(Entity::Subnet(v, _) | Entity::VirtualNetwork(v)) => of_network(v),
        _ => None,
    };
    match place {
        Place::Msee { circuit, .. } => {
            let Some(Entity::Circuit(c)) = topology.entity(circuit) else { return None };
            document.express_route_circuits.get(c)?.tenant.clone().map(Some)
        }
        place => match topology.entity(place.id()?)? {
            Entity::VirtualNetwork(v) | Entity::Subnet(v, _) => of_network(v),
            Entity::Nic(n) => {
                in_subnet(&document.network_interfaces.get(n)?.ip_configurations.first()?.subnet)
            }
            Entity::Gateway(g) => {
                match topology.entity(&document.virtual_network_gateways.get(g)?.virtual_network) {
                    Some(Entity::VirtualNetwork(v)) => of_network(v),
                    _ => None,
                }
            }
            Entity::Site(s) | Entity::Router(s, _) | Entity::HostRange(s, _) => of_site(s),
            _ => None,
        },
    }
}

/// The shortest way to an end that `accept` takes; whether it passed a place or step that `marked` and `crossed` name is
/// part of where it is.
fn shortest(
    nodes: &[Node],
    marked: impl Fn(&Node) -> bool,
    crossed: impl Fn(&Hop, &Node) -> bool,
    accept: impl Fn(&Disposition, bool) -> bool,
) -> Option<FailingPath> {
    // By node and whether it was passed: where it came from, and by which member.
    let mut from: Vec<Option<(usize, usize)>> = vec![None; nodes.len() * 2];
    let mut seen = vec![false; nodes.len() * 2];
    let begin = usize::from(marked(nodes.first()?));
    let mut waiting = VecDeque::from([begin]);
    seen[begin] = true;
    while let Some(state) = waiting.pop_front() {
        let (at, passed) = (state / 2, state % 2);
        match &nodes[at].next {
            Next::End(end) if accept(end, passed == 1) => {
                return Some(FailingPath { hops: way(nodes, &from, state), disposition: end.clone() });
            }
            Next::End(_) => {}
            Next::To(members) => {
                for (choice, member) in members.iter().enumerate() {
                    let (Some(to), hop) = (nodes.get(member.to), hop_by(&nodes[at], member)) else {
                        continue;
                    };
                    let passes = passed == 1 || marked(to) || crossed(&hop, to);
                    let next = member.to * 2 + usize::from(passes);
                    if !std::mem::replace(&mut seen[next], true) {
                        from[next] = Some((state, choice));
                        waiting.push_back(next);
                    }
                }
            }
        }
    }
    None
}

fn hop_by(node: &Node, member: &Edge) -> Hop {
    node.hop_by(member)
}

/// The hops of the way that led to a state.
fn way(nodes: &[Node], from: &[Option<(usize, usize)>], mut state: usize) -> Vec<Hop> {
    let mut hops = vec![nodes[state / 2].hop.clone()];
    while let Some((before, choice)) = from[state] {
        let node = &nodes[before / 2];
        hops.push(match &node.next {
            Next::To(members) => hop_by(node, &members[choice]),
            Next::End(_) => node.hop.clone(),
        });
        state = before;
    }
    hops.reverse();
    hops
}

/// The way of the most hops. Ways never come back to a node: a loop is an end.
fn longest(nodes: &[Node]) -> FailingPath {
    // By node: hops to the end, and by which member.
    let mut best: Vec<Option<(usize, usize)>> = vec![None; nodes.len()];
    let mut stack = vec![0];
    while let Some(at) = stack.last().copied() {
        let Next::To(members) = &nodes[at].next else {
            best[at] = Some((1, 0));
            stack.pop();
            continue;
        };
        if let Some(open) = members.iter().find(|member| best[member.to].is_none()) {
            stack.push(open.to);
            continue;
        }
        let of = |choice: usize| best[members[choice].to].map_or(0, |(hops, _)| hops);
        // The first of the longest.
        let choice = (0..members.len()).rev().max_by_key(|choice| of(*choice)).unwrap_or(0);
        best[at] = Some((of(choice) + 1, choice));
        stack.pop();
    }
    let mut hops = Vec::new();
    let mut at = 0;
    loop {
        let node = &nodes[at];
        match &node.next {
            Next::End(disposition) => {
                hops.push(node.hop.clone());
                return FailingPath { hops, disposition: disposition.clone() };
            }
            Next::To(members) => {
                let member = &members[best[at].map_or(0, |(_, choice)| choice)];
                hops.push(hop_by(node, member));
                at = member.to;
            }
        }
    }
}
