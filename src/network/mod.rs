//! `Network`: the façade over the stages.

mod failures;
mod positions;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use crate::analysis::{self, Finding, TableError, Transition, Views};
use crate::bgp::{DesignError, Engine};
use crate::control_plane::{self, ControlPlane, Via};
use crate::fib::Layered;
use crate::model::tables::{
    BgpPeerStatusListResult, ExpressRouteCircuitsRoutesTableListResult,
    ExpressRouteCircuitsRoutesTableSummaryListResult, GatewayRouteListResult, PeerRouteList,
    VirtualHubEffectiveRoute,
};
use crate::model::{
    Change, ChangeError, Document, ElementError, Entity, LinkRole, PeeringType, Resource, ResourceId,
    Topology, TopologyError,
};
use crate::resolve::{
    Answer, Answers, Class, Classes, Compiled, Explanation, Flow, FlowKey, Hosts, Kept, Kin, Leg,
    MatchedRoute, NextHop, Pair, PathId, Place, Position, Propagation, Protocol, PublicEdge, Question,
    ResolveError, Resolved, Source, Start, TableDecision, Tunnel, Underlay, Underlays, World,
    hub_effective_routes, is_platform_host, pair, underlay, walk, walk_gated,
};
use crate::selection::{EffectiveRoutes, Handle, Selection, View};
use failures::Failed;
pub use positions::PositionSet;

/// A network that answers questions: what was declared, converged, selected and compiled.
///
/// A value: cheap to clone, `Send + Sync`, never changed. A what-if is another network
/// ([`apply`](Self::apply)). The same topology gives the same answers, byte for byte.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

struct Inner {
    topology: Topology,
    plane: Arc<ControlPlane>,
    selection: Selection,
    fibs: Vec<Arc<Layered>>,
    hosts: Arc<Hosts>,
    edge: OnceLock<PublicEdge>,
    compiled: OnceLock<Option<Compiled>>,
    underlays: Underlays,
    findings: OnceLock<Vec<Finding>>,
    failed: Option<Failed>,
    /// Of the network that this one came from.
    kept: Option<Kept>,
}

impl Inner {
    fn compiled(&self) -> Option<&Compiled> {
        self.compiled.get_or_init(|| Compiled::new(&self.world(), self.kept.as_ref())).as_ref()
    }

    /// What networks that come from this one need not compute again.
    fn kept(&self) -> Option<Kept> {
        Some(self.compiled.get()?.as_ref()?.keep(&self.selection))
    }

    fn edge(&self) -> &PublicEdge {
        self.edge.get_or_init(|| PublicEdge::new(&self.topology, &self.plane))
    }
}

impl Answers for Inner {
    fn world(&self) -> World<'_> {
        World {
            topology: &self.topology,
            plane: &self.plane,
            selection: &self.selection,
            fibs: &self.fibs,
            hosts: &self.hosts,
            edge: self.edge(),
            underlays: Some(&self.underlays),
        }
    }

    fn compiled(&self) -> Option<&Compiled> {
        self.compiled()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("topology", &self.inner.topology).finish_non_exhaustive()
    }
}

/// A network could not be built or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The changed topology cannot be right.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A change names something that the topology does not hold.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A failure names something that the network does not have.
    #[error(transparent)]
    Element(#[from] ElementError),
    /// The BGP speakers outside Azure cannot be run as declared.
    #[error(transparent)]
    Bgp(#[from] DesignError),
}

/// Whether it changes nothing but user routes and where they hold.
fn is_of_routes(change: &Change) -> bool {
    match change {
        Change::SetRoute { .. } | Change::RemoveRoute { .. } | Change::BindRouteTable { .. } => true,
        Change::Upsert(resource) => matches!(**resource, Resource::RouteTable(_)),
        _ => false,
    }
}

impl Network {
    /// Computes a network: gateways told what they learn, routes selected, tables compiled.
    ///
    /// Time and memory grow with the rows that differ: gateway routes stand once per domain, not once per subnet.
    ///
    /// # Errors
    /// BGP speakers, sessions or policies that cannot be right: what a [`Topology`] alone cannot see.
    pub fn build(topology: &Topology) -> Result<Self, NetworkError> {
        let plane = Arc::new(control_plane::converge(topology)?);
        let selection = Selection::build(topology, &plane);
        let fibs = (0..selection.tables.len()).map(|table| Arc::new(compile(&selection, table))).collect();
        let hosts = Arc::new(Hosts::new(topology));
        Ok(Self {
            inner: Arc::new(Inner {
                topology: topology.clone(),
                plane,
                selection,
                fibs,
                hosts,
                edge: OnceLock::new(),
                compiled: OnceLock::new(),
                underlays: Underlays::new(topology),
                findings: OnceLock::new(),
                failed: None,
                kept: None,
            }),
        })
    }

    /// The network after these changes; this one stays as it is. Copies the document and builds anew, so it costs what
    /// [`build`](Self::build) costs and a little more, but for two kinds of changes. What failed stays so ([`without`](Self::without)), where it is still
    /// there.
    ///
    /// Changes that all are of what BGP speakers announce ([`Change::Announce`], [`Change::Withdraw`]) are told to BGP as
    /// it stands: it converges the prefixes they name and no other. Networks, their own routes and the owners of addresses
    /// are shared. The document is copied, and what gateways offer and sites say is gathered anew, so that the cost still
    /// grows with the tables that are learned.
    ///
    /// Changes that all are of user routes (routes, whole route tables, and which subnet is bound to which) leave what
    /// gateways and sites know as it is: the tables of subnets with other routes are built, and all others shared.
    ///
    /// # Errors
    /// A change that names what is not there, or a result that cannot be right.
    pub fn apply(&self, changes: &[Change]) -> Result<Self, NetworkError> {
        if let Some(after) = self.told(changes)? {
            return Ok(after);
        }
        let mut document: Document = self.topology().document().clone();
        for change in changes {
            document.apply(change)?;
        }
        let topology = Topology::new(document)?;
        let failed = self.still_failing(&topology);
        let after = match changes.iter().all(is_of_routes) {
            true => self.inner.failed.as_ref().map_or(self, |failed| &failed.before).rerouted(topology),
            false => Self::build(&topology)?,
        };
        after.without(&failed)
    }

    /// A network without failures, after changes of user routes alone: no gateway, router or host notices.
    fn rerouted(&self, topology: Topology) -> Self {
        let before = &self.inner;
        let plane = Arc::clone(&before.plane);
        let (selection, origin) = before.selection.rerouted(&before.topology, &topology, &plane);
        let fib = |(table, was): (usize, Option<usize>)| match was {
            Some(was) => Arc::clone(&before.fibs[was]),
            None => Arc::new(compile(&selection, table)),
        };
        let fibs = origin.into_iter().enumerate().map(fib).collect();
        let inner = Inner {
            plane,
            fibs,
            hosts: Arc::clone(&before.hosts),
            edge: OnceLock::new(),
            compiled: OnceLock::new(),
            underlays: Underlays::new(&topology),
            findings: OnceLock::new(),
            failed: None,
            kept: before.kept(),
            selection,
            topology,
        };
        Self { inner: Arc::new(inner) }
    }

    /// What carrying out these changes costs: which resources change in place and which are created anew, with downtime
    /// (BW-4). Changes that Azure carries out without further ado are left out.
    ///
    /// # Errors
    /// A change that names what is not there.
    pub fn transitions(&self, changes: &[Change]) -> Result<Vec<Transition>, ChangeError> {
        analysis::transitions(self.topology().document(), changes)
    }

    /// BGP outside Azure as it converged: RIBs of every speaker, with one stub speaker for each of Azure's ends.
    /// `None` where the topology declares no speakers.
    pub fn bgp(&self) -> Option<&Engine> {
        self.inner.plane.on_premises.bgp.as_ref().map(|bgp| &bgp.engine)
    }

    /// What it was built from, whatever failed since.
    pub fn topology(&self) -> &Topology {
        match &self.inner.failed {
            Some(failed) => &failed.before.inner.topology,
            None => &self.inner.topology,
        }
    }

    /// Where a packet goes, by route alone: security groups are not asked. It opens a flow; for one that answers a flow
    /// see [`resolve_leg`](Self::resolve_leg), for both see [`resolve_pair`](Self::resolve_pair).
    ///
    /// The first question to a network cuts all addresses into [classes](Self::classes); the first to a class from a
    /// position (or one that behaves alike) walks the way hop by hop. From then on an answer by
    /// [`Position`] or by address is one longest-prefix match and one array read, which neither allocates nor locks, and
    /// borrows its path.
    ///
    /// # Errors
    /// An unknown or ambiguous source. What becomes of the packet is never an error.
    #[inline(always)]
    pub fn resolve(
        &self,
        source: impl Into<Source>,
        destination: IpAddr,
    ) -> Result<Resolved<'_>, ResolveError> {
        self.resolve_leg(source, destination, Leg::Initiate)
    }

    /// As [`resolve`](Self::resolve), for a packet that opens a flow or answers one. A reply may take public peering
    /// where a new flow may not (PUB-3), and is followed through Microsoft's edge to the customer's site.
    ///
    /// Which session the flow came by, and what was translated on its way, only the flow knows:
    /// [`resolve_pair`](Self::resolve_pair) does.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    #[inline(always)]
    pub fn resolve_leg(
        &self,
        source: impl Into<Source>,
        destination: IpAddr,
        leg: Leg,
    ) -> Result<Resolved<'_>, ResolveError> {
        let source = source.into();
        // What was asked before, by position or address: one look-up (two by address) and one read. All of it is meant to
        // be inlined where it is called, so that what the caller does not look at is not written, and look-ups overlap.
        if let Some(quick) = source.quick() {
            let inner = &*self.inner;
            if let Some(Some(compiled)) = inner.compiled.get()
                && let Some((position, from)) = compiled.positions().at_once(quick, &destination)
                && let Some(path) = compiled.known(position, destination, leg)
            {
                let resolved = Resolved::new(inner, path, (position, from), destination, leg);
                // A position or an address: nothing to drop, which the compiler does not see.
                std::mem::forget(source);
                return Ok(resolved);
            }
        }
        self.resolve_first(source, destination, leg)
    }

    #[cold]
    #[inline(never)]
    fn resolve_first(
        &self,
        source: Source,
        destination: IpAddr,
        leg: Leg,
    ) -> Result<Resolved<'_>, ResolveError> {
        let inner = &*self.inner;
        if let Some(compiled) = inner.compiled() {
            let found = compiled.positions().locate(&inner.topology, &inner.hosts, &source, destination);
            let found = found.map_err(|error| self.or_failed(error, &source, destination))?;
            if let Some((position, address)) = found {
                let path = compiled.resolve(&inner.world(), position, address, destination, leg);
                return Ok(Resolved::new(inner, path, (position, Some(address)), destination, leg));
            }
        }
        let question = self.locate(&source, destination, leg)?;
        Ok(Resolved::walked(inner, walk(&self.world(), question, None, false)))
    }

    /// As [`resolve_leg`](Self::resolve_leg), walked hop by hop over the tables as they are, without classes and stored
    /// paths: what the fast answers are checked against.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn walk(
        &self,
        source: impl Into<Source>,
        destination: IpAddr,
        leg: Leg,
    ) -> Result<Answer, ResolveError> {
        let question = self.locate(&source.into(), destination, leg)?;
        Ok(walk(&self.world(), question, None, false))
    }

    /// The paths of many packets, for flow logs: of each pair of a position and a destination its path, into the slice
    /// given. Packets open flows. Pairs beyond the shorter slice are left alone.
    ///
    /// # Errors
    /// [`ResolveError::NoAddress`] for a position that has no address of the destination's family, and
    /// [`ResolveError::UnknownSource`] for one of another network: the paths of the pairs before it are written.
    pub fn resolve_batch(
        &self,
        packets: &[(Position, IpAddr)],
        paths: &mut [PathId],
    ) -> Result<(), ResolveError> {
        let inner = &*self.inner;
        let Some(compiled) = inner.compiled() else {
            return Err(ResolveError::UnknownSource { name: "a position: there are none".to_owned() });
        };
        compiled.resolve_batch(inner, packets, paths)
    }

    /// The position of a source: found once, asked many times.
    ///
    /// # Errors
    /// An unknown or ambiguous name or address, or one that is no position: a service or an Internet host.
    pub fn position(&self, source: impl Into<Source>) -> Result<Position, ResolveError> {
        let source = source.into();
        let inner = &*self.inner;
        let unknown = || ResolveError::UnknownSource { name: source.to_string() };
        let compiled = inner.compiled().ok_or_else(unknown)?;
        let any = match &source {
            Source::Address(address) => *address,
            _ => IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
        };
        let located = inner.hosts.locate(&inner.topology, &source, any);
        let located = located.or_else(|error| match error {
            ResolveError::NoAddress { .. } => {
                let v6 = IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
                inner.hosts.locate(&inner.topology, &source, v6)
            }
            error => Err(error),
        });
        let (start, _) = located.map_err(|error| self.or_failed(error, &source, any))?;
        compiled.positions().of_start(&start).ok_or_else(unknown)
    }

    /// Every position of the network, in order of the document. Empty for a network of more than 4,096 pairs of a site's
    /// router and a tenant, whose answers are all walked.
    pub fn positions(&self) -> PositionSet<'_> {
        let all = self.inner.compiled().map(|compiled| compiled.positions().iter());
        PositionSet::new(self, all.into_iter().flatten().collect())
    }

    /// The addresses that a position sends from, IPv4's and IPv6's.
    pub fn addresses_of(&self, position: Position) -> [Option<IpAddr>; 2] {
        let own = |v4| self.inner.compiled()?.positions().source(position, v4);
        [own(true), own(false)]
    }

    /// What a position is called: the id of the subnet, interface, firewall, site, router or host range.
    pub fn position_id(&self, position: Position) -> Option<&ResourceId> {
        self.inner.compiled()?.positions().id(position)
    }

    /// The destination classes: addresses that the whole network treats alike. Cut at first touch, then shared. `None`
    /// for a network of more than 4,096 pairs of a site's router and a tenant.
    ///
    /// Costs a pass over every prefix that is declared or learned anywhere, and a question to every router and gateway
    /// for each way in which learned prefixes nest.
    pub fn classes(&self) -> Option<&Classes> {
        self.inner.compiled().map(Compiled::classes)
    }

    /// The answer that packets from a position to any address of a class get, at the class's first address: for checks that
    /// look at every class once. `None` where the position has no address of the class's family, or either is of another
    /// network.
    ///
    /// Costs what [`resolve`](Self::resolve) does without its look-up.
    pub fn resolve_class(&self, position: Position, class: Class, leg: Leg) -> Option<Resolved<'_>> {
        let inner = &*self.inner;
        let compiled = inner.compiled()?;
        let destination = compiled.classes().first_address(class)?;
        let source = compiled.positions().source(position, destination.is_ipv4())?;
        let path = compiled.to_class(&inner.world(), position, (source, destination), class, leg);
        Some(Resolved::new(inner, path, (position, None), destination, leg))
    }

    /// The group of positions that behave as this one does in a family, by a number: from two positions of a group, packets
    /// to an address take the same path. `None` where it has no address of the family.
    pub fn behaviour(&self, position: Position, v4: bool) -> Option<usize> {
        self.inner.compiled()?.positions().group(position, v4)
    }

    /// How many different paths were computed so far, and about how many bytes the paths and the cells that name them
    /// take.
    pub fn path_statistics(&self) -> (usize, usize) {
        self.inner.compiled().map_or((0, 0), Compiled::statistics)
    }

    /// Where the packets of a flow go, by route alone; at each equal-cost choice the flow's hash picks the member.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_flow(&self, flow: &Flow) -> Result<Answer, ResolveError> {
        let question = self.locate(&flow.source, flow.destination, Leg::Initiate)?;
        Ok(walk(&self.world(), question, Some(flow_key(flow)), false))
    }

    /// Where the packets of a flow go, gated by the security groups on the way.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn evaluate(&self, flow: &Flow) -> Result<Answer, ResolveError> {
        let question = self.locate(&flow.source, flow.destination, Leg::Initiate)?;
        Ok(walk(&self.world(), question, Some(flow_key(flow)), true))
    }

    /// Both directions, where a stateful hop sees only one of them, and where they cross different edges of Microsoft's
    /// network.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_pair(&self, source: impl Into<Source>, destination: IpAddr) -> Result<Pair, ResolveError> {
        let question = self.locate(&source.into(), destination, Leg::Initiate)?;
        Ok(pair(&self.world(), question))
    }

    /// Which behaviours share their paths; none where every answer is walked.
    pub(crate) fn kin(&self) -> Option<&Kin> {
        self.inner.compiled().map(Compiled::kin)
    }

    /// Whether packets of a behaviour to an address take the path of all its twins.
    pub(crate) fn shares(&self, behaviour: usize, destination: IpAddr) -> bool {
        self.kin().is_some_and(|kin| kin.shares(&self.world(), behaviour, destination))
    }

    /// Whether it is the same network, shared.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Whether an interface, by its place in the document, does no more than receive and send for itself.
    pub(crate) fn receives_only(&self, nic: usize) -> bool {
        self.inner.compiled().is_some_and(|compiled| compiled.receives_only(nic))
    }

    /// As [`evaluate`](Self::evaluate), by every member of each equal-cost set.
    pub(crate) fn gated(
        &self,
        position: Position,
        destination: IpAddr,
        leg: Leg,
        (protocol, destination_port): (Protocol, u16),
    ) -> Result<Answer, ResolveError> {
        let question = self.locate(&position.into(), destination, leg)?;
        let flow = FlowKey { protocol, source_port: 49_152, destination_port };
        Ok(walk_gated(&self.world(), question, flow))
    }

    /// What carries a VPN connection or an overlay tunnel, by its id (ENC-2, ENC-3, ENC-6): the way of the outer packets.
    /// `None` where it cannot be told: an end has no declared address, or no way leads there but the tunnel itself.
    ///
    /// # Errors
    /// No connection or tunnel has this id.
    pub fn underlay(&self, tunnel: &ResourceId) -> Result<Option<Underlay>, ResolveError> {
        let found = match self.inner.topology.entity(tunnel) {
            Some(Entity::Connection(connection)) => Tunnel::Connection(connection),
            Some(Entity::Tunnel(tunnel)) => Tunnel::Overlay(tunnel),
            _ => return Err(ResolveError::NotATunnel { name: tunnel.clone() }),
        };
        Ok(underlay(&self.world(), found))
    }

    /// What the source's table says, without walking on: one look-up inside Azure.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn next_hop(&self, source: impl Into<Source>, destination: IpAddr) -> Result<NextHop, ResolveError> {
        let question = self.locate(&source.into(), destination, Leg::Initiate)?;
        let table = match question.start {
            Start::Nic { vnet, subnet, .. }
            | Start::Subnet { vnet, subnet }
            | Start::Firewall { vnet, subnet, .. } => self.inner.selection.of_subnet[vnet][subnet],
            // Outside Azure the next hop is a place, which only the walk knows.
            Start::Site { .. }
            | Start::Router { .. }
            | Start::PrivateEndpoint { .. }
            | Start::Service { .. }
            | Start::Internet
            | Start::PublicPeering { .. } => {
                return Ok(walk(&self.world(), question, None, false).next_hop().clone());
            }
        };
        if is_platform_host(destination) {
            return Ok(NextHop::PlatformHost);
        }
        Ok(match self.inner.fibs[table].longest_match(destination) {
            Some((prefix, code)) => {
                let candidate = self.view(table).candidate(Handle::decode(code), prefix);
                NextHop::Route(MatchedRoute::new(&candidate))
            }
            None => NextHop::NoRoute,
        })
    }

    /// The answer with its reasons: at each table asked, every candidate that lost and the rule that beat it.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn explain(
        &self,
        source: impl Into<Source>,
        destination: IpAddr,
    ) -> Result<Explanation, ResolveError> {
        let answer = self.resolve(source, destination)?;
        let mut decisions = Vec::new();
        let mut propagations: Vec<Propagation> = Vec::new();
        for node in &answer.nodes {
            let asked = node.asked;
            for (speaker, prefix) in self.speakers_asked(node.table, &node.hop.place, asked) {
                let found = self.bgp().and_then(|engine| Propagation::of(engine, &speaker, &prefix));
                propagations.extend(found.filter(|found| !propagations.contains(found)));
            }
            let Some(table) = node.table else { continue };
            let view = self.view(table);
            let winner = self.inner.fibs[table]
                .longest_match(asked)
                .map(|(prefix, code)| view.candidate(Handle::decode(code), prefix));
            decisions.push(TableDecision::new(node.hop.place.clone(), asked, winner, view.covering(asked)));
        }
        Ok(Explanation { answer: answer.into_answer(), decisions, propagations })
    }

    /// The speakers whose routes a place follows towards an address, with the prefix that matches: of a table those that
    /// offer the gateway route, of a router outside its own.
    fn speakers_asked(
        &self,
        table: Option<usize>,
        place: &Place,
        asked: IpAddr,
    ) -> Vec<(ResourceId, ipnet::IpNet)> {
        let inner = &self.inner;
        let document = inner.topology.document();
        let Some(table) = table else {
            let (Place::OnPremises(id), Some(engine)) = (place, self.bgp()) else { return Vec::new() };
            let speaker = inner.plane.on_premises.speaker_of(id);
            let best = speaker.and_then(|s| Some((s.clone(), engine.longest_match(s, asked)?.prefix)));
            return best.into_iter().collect();
        };
        let Some((prefix, code)) = inner.fibs[table].longest_match(asked) else { return Vec::new() };
        let (Handle::Gateway(group), Some(subscription)) =
            (Handle::decode(code), inner.selection.tables[table].subscription)
        else {
            return Vec::new();
        };
        let domain = &inner.plane.domains[subscription.domain];
        let members = &inner.selection.gateways[subscription.domain].groups[group as usize].members;
        let mut speakers: Vec<(ResourceId, ipnet::IpNet)> = Vec::new();
        for member in members {
            let id = match &domain.offers[*member].via {
                Via::ExpressRoute { gateway, .. } | Via::Vpn { gateway, .. } => {
                    Some(&document.virtual_network_gateways[*gateway].id)
                }
                Via::RouteServer { .. } => domain.route_server.map(|r| &document.route_servers[r].id),
                Via::Hub { hub, .. } => Some(&document.virtual_hubs[*hub].id),
            };
            speakers.extend(id.map(|id| (id.clone(), prefix)).filter(|s| !speakers.contains(s)));
        }
        speakers
    }

    /// The effective routes of a subnet, named by its id or the end of it, or by an interface or machine in it.
    ///
    /// # Errors
    /// An unknown or ambiguous name, or one that is not in a subnet.
    pub fn effective_routes(&self, subnet: &ResourceId) -> Result<EffectiveRoutes, ResolveError> {
        let (vnet, at) = self.inner.hosts.subnet(&self.inner.topology, subnet)?;
        let network = &self.inner.topology.document().virtual_networks[vnet];
        let id = network.subnet_id(&network.subnets[at].name);
        Ok(self.view(self.inner.selection.of_subnet[vnet][at]).effective_routes(id))
    }

    /// The route table of one link of a circuit's peering, as `az network express-route list-route-tables` prints it:
    /// every route that Microsoft's edge router has, the best of a prefix first. The next hop is the customer's address
    /// on the link (ER-2), or each instance of a gateway, where they are declared.
    ///
    /// # Errors
    /// An unknown or ambiguous name, or a peering that is not there or not enabled.
    pub fn circuit_route_table(
        &self,
        circuit: &ResourceId,
        peering: PeeringType,
        link: LinkRole,
    ) -> Result<ExpressRouteCircuitsRoutesTableListResult, TableError> {
        match self.views() {
            Some(views) => views.circuit(circuit, peering, link),
            None => Err(TableError::Unknown { kind: "circuit", name: circuit.clone() }),
        }
    }

    /// The neighbours of one link of a circuit's peering, as `az network express-route list-route-tables-summary` prints
    /// them. How long a session has been up is not known; one that is down says `Idle`.
    ///
    /// # Errors
    /// As [`circuit_route_table`](Self::circuit_route_table).
    pub fn circuit_route_table_summary(
        &self,
        circuit: &ResourceId,
        peering: PeeringType,
        link: LinkRole,
    ) -> Result<ExpressRouteCircuitsRoutesTableSummaryListResult, TableError> {
        match self.views() {
            Some(views) => views.circuit_summary(circuit, peering, link),
            None => Err(TableError::Unknown { kind: "circuit", name: circuit.clone() }),
        }
    }

    /// The routes of a gateway or Route Server, as `list-learned-routes` prints them: of a gateway all that it has, its
    /// own networks and static prefixes included, once for each instance whose address is declared; of a Route Server
    /// what appliances told it. An instance's copies of what its twin has are not repeated.
    ///
    /// # Errors
    /// An unknown or ambiguous name, or a gateway that does not speak BGP (VPN-1).
    pub fn learned_routes(&self, speaker: &ResourceId) -> Result<GatewayRouteListResult, TableError> {
        match self.views() {
            Some(views) => views.learned(speaker),
            None => Err(no_speaker(speaker)),
        }
    }

    /// The routes that a Route Server learned from one peer, by instance, as `az network routeserver peering
    /// list-learned-routes` prints them. The peer is named by its peering, its address or its speaker.
    ///
    /// # Errors
    /// An unknown or ambiguous name, or a peer that it does not have.
    pub fn peer_learned_routes(
        &self,
        route_server: &ResourceId,
        peer: &str,
    ) -> Result<PeerRouteList, TableError> {
        match self.views() {
            Some(views) => views.learned_from_peer(route_server, peer),
            None => Err(TableError::Unknown { kind: "Route Server", name: route_server.clone() }),
        }
    }

    /// The routes that a gateway or Route Server advertises to one peer, as `list-advertised-routes --peer` prints them.
    /// The peer is named by its address, or by the id or name of its speaker, session, connection or local network
    /// gateway.
    ///
    /// # Errors
    /// An unknown or ambiguous name, a gateway that does not speak BGP, or a peer that it does not have.
    pub fn advertised_routes(
        &self,
        speaker: &ResourceId,
        peer: &str,
    ) -> Result<GatewayRouteListResult, TableError> {
        match self.views() {
            Some(views) => views.advertised(speaker, peer),
            None => Err(no_speaker(speaker)),
        }
    }

    /// The BGP peers of a gateway or Route Server, as `az network vnet-gateway list-bgp-peer-status` prints them, without
    /// durations and counts of messages.
    ///
    /// # Errors
    /// As [`learned_routes`](Self::learned_routes).
    pub fn bgp_peer_status(&self, speaker: &ResourceId) -> Result<BgpPeerStatusListResult, TableError> {
        match self.views() {
            Some(views) => views.peer_status(speaker),
            None => Err(no_speaker(speaker)),
        }
    }

    fn views(&self) -> Option<Views<'_>> {
        self.bgp().map(|engine| Views::new(&self.inner.topology, engine))
    }

    /// The effective routes of a table of a virtual hub, as `az network vhub get-effective-routes` prints them:
    /// `defaultRouteTable`, or one that the hub declares. By prefix; `None` where there is no such hub or table.
    pub fn hub_effective_routes(
        &self,
        hub: &ResourceId,
        table: &str,
    ) -> Option<Vec<VirtualHubEffectiveRoute>> {
        match self.inner.topology.entity(hub)? {
            Entity::Hub(hub) => hub_effective_routes(&self.inner.topology, &self.inner.plane, hub, table),
            _ => None,
        }
    }

    /// What is worth knowing about the design: limits, fail-open defaults, bypassed routes, … Sorted, computed once.
    pub fn findings(&self) -> &[Finding] {
        let inner = &self.inner;
        inner
            .findings
            .get_or_init(|| analysis::findings(&inner.topology, &inner.plane, &inner.selection, &inner.hosts))
    }

    fn locate(&self, source: &Source, destination: IpAddr, leg: Leg) -> Result<Question, ResolveError> {
        let inner = &self.inner;
        let located = match source {
            Source::Known(position) => self.start_of(*position, destination),
            source => inner.hosts.locate(&inner.topology, source, destination),
        };
        let (start, address) = located.map_err(|error| self.or_failed(error, source, destination))?;
        let mut question = Question::new(start, address, destination, leg);
        // From outside the destination says whose conversation it is (ISO-1).
        if matches!(start, Start::Service { .. } | Start::Internet) {
            let tenants = self.edge().tenants(&inner.topology, &inner.plane, destination);
            if tenants.len() > 1 {
                let names = tenants.into_iter().map(|tenant| tenant.unwrap_or_else(|| "-".to_owned()));
                return Err(ResolveError::AmbiguousDestination { destination, tenants: names.collect() });
            }
            question.tenant = tenants.into_iter().next().flatten();
        }
        Ok(question)
    }

    /// Where a position starts, and the address that it sends from.
    fn start_of(&self, position: Position, destination: IpAddr) -> Result<(Start, IpAddr), ResolveError> {
        let unknown = || ResolveError::UnknownSource { name: format!("position {}", position.index()) };
        let positions = self.inner.compiled().ok_or_else(unknown)?.positions();
        let address = positions.source_towards(position, destination)?;
        Ok((positions.start(position), address))
    }

    /// Of a source that is not there, whether it has failed.
    fn or_failed(&self, error: ResolveError, source: &Source, destination: IpAddr) -> ResolveError {
        let known = self.inner.failed.as_ref().is_some_and(|failed| {
            let before = &failed.before.inner;
            before.hosts.locate(&before.topology, source, destination).is_ok()
        });
        if known { ResolveError::FailedSource { name: source.to_string() } } else { error }
    }

    fn edge(&self) -> &PublicEdge {
        self.inner.edge()
    }

    fn world(&self) -> World<'_> {
        self.inner.world()
    }

    fn view(&self, table: usize) -> View<'_> {
        let inner = &self.inner;
        View {
            topology: &inner.topology,
            plane: &inner.plane,
            selection: &inner.selection,
            table: &inner.selection.tables[table],
        }
    }
}

fn no_speaker(name: &ResourceId) -> TableError {
    TableError::Unknown { kind: "gateway or Route Server", name: name.clone() }
}

fn flow_key(flow: &Flow) -> FlowKey {
    FlowKey {
        protocol: flow.protocol,
        source_port: flow.source_port,
        destination_port: flow.destination_port,
    }
}

/// Compiles a selected table: its own Active rows over the shared layers.
fn compile(selection: &Selection, table: usize) -> Layered {
    let table = &selection.tables[table];
    let mut builder = Layered::default();
    for (prefix, handle, firm) in table.active() {
        builder.insert(prefix, handle.encode(), firm);
    }
    if let Some(subscription) = table.subscription.filter(|_| table.propagation) {
        let base = selection.gateways[subscription.domain].by_prefix.clone();
        let encode = |group| Handle::Gateway(group).encode();
        builder.set_base(base, table.base_masks(), subscription.default_route, encode);
    }
    for (service, slot) in table.services.iter().zip(0_u32..) {
        let prefixes = selection.services[*service].prefixes.clone();
        builder.add_service(prefixes, Handle::Service(slot).encode(), table.services_are_pinned());
    }
    builder
}
