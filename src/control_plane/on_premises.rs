//! What places outside Azure know: their routers as a graph, and every exit from it (hosts, circuits, VPN connections,
//! tunnels, the Internet) with the prefixes it leads to.
//!
//! The graph is flooded: a router knows every exit that its tenant may reach, takes the longest prefix, then the highest
//! preference, then the nearest exit, and all of equal ones. Routes given to a site stay in that site. Each tenant sees
//! its own sites, the providers' networks, and the circuits and connections that are its own (ISO-1, CSP-1).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::ops::Index;
use std::sync::Arc;

use ipnet::IpNet;
use petgraph::algo::dijkstra;
use petgraph::graph::{NodeIndex, UnGraph};
use petgraph::visit::{EdgeFiltered, EdgeRef};

use super::azure::{AzureSession, Use};
use super::bgp::{Bgp, Way};
use super::offers::advertised_space;
use super::scope::{is_default_route, same_tenant};
use super::{ControlPlane, LearnedOver, Session};
use crate::bgp::decision::LocalRoute;
use crate::bgp::{LearnedFrom, Stage};
use crate::model::bgp::{Communities, Community, Origination, PathAttributes};
use crate::model::{
    Advertisement, BgpServiceCommunity, CircuitSkuTier, Connection, Entity, ExpressRouteCircuit, Limits,
    LinkRole, MICROSOFT_365_COMMUNITIES, OnPremisesNextHop, OnPremisesSite, PUBLIC_PEERING_CLOSED,
    PeeringType, ROUTE_FILTER_REQUIRED, ResourceId, SiteRole, Topology,
};
use crate::prefix_table::PrefixTable;

/// A router, as a position in [`OnPremises::routers`].
pub(crate) type RouterIx = usize;

/// Learned over ExpressRoute; VPN is less preferred (COEX-5), the site's own Internet exit equal.
const LEARNED: u32 = 100;
const LEARNED_BY_VPN: u32 = 90;
/// What a site tells Azure it has, where nothing better is known of the prefix.
const ADVERTISED: u32 = 80;
const TUNNEL: u32 = 150;
const CONNECTED: u32 = u32::MAX;

/// Everything outside Azure.
#[derive(Debug, Default)]
pub(crate) struct OnPremises {
    pub(crate) routers: Vec<RouterNode>,
    /// The routers of each site.
    pub(crate) by_site: Vec<Vec<RouterIx>>,
    pub(crate) exits: Exits,
    /// Computed BGP: routers with a speaker follow its table in place of what is flooded.
    pub(crate) bgp: Option<Bgp>,
    /// By router: its speakers, as their positions among the places.
    speakers: HashMap<RouterIx, Vec<usize>>,
    /// Exits over Azure's computed sessions, by prefix.
    computed: HashMap<LearnedOver, PrefixTable<Vec<usize>>>,
    /// Where the routers stand that speak BGP over a circuit's link.
    session_edges: HashMap<LearnedOver, Vec<RouterIx>>,
    graph: UnGraph<(), Edge>,
    table: PrefixTable<Vec<usize>>,
    edges: HashMap<(usize, LinkRole), Vec<RouterIx>>,
    connection_edges: HashMap<usize, Vec<RouterIx>>,
}

/// Ways out: those that failures of sessions and links leave as they are, then the others.
#[derive(Debug, Default)]
pub(crate) struct Exits {
    standing: Arc<Standing>,
    others: Vec<Exit>,
}

impl Index<usize> for Exits {
    type Output = Exit;

    fn index(&self, at: usize) -> &Exit {
        match at.checked_sub(self.standing.exits.len()) {
            Some(other) => &self.others[other],
            None => &self.standing.exits[at],
        }
    }
}

/// What sites have by themselves and say they have.
#[derive(Debug, Default)]
struct Standing {
    /// What it was made of.
    told: Vec<Vec<Advertisement>>,
    exits: Vec<Exit>,
    table: PrefixTable<Vec<usize>>,
    /// At routers with speakers: an exit to hosts, and one to nowhere, for routes of their own. No prefix leads there.
    own_exits: HashMap<RouterIx, (usize, usize)>,
    /// Advertisements over circuits and connections: which site announces something there, on one link or both.
    announced: HashMap<(ResourceId, PeeringType), Vec<Announcer>>,
    /// The same by prefix, for look-ups.
    announced_at: HashMap<(ResourceId, PeeringType), Announcers>,
}

/// A site that announces on one link or both.
type Announcer = (Option<LinkRole>, usize);

/// Sites by the prefix that they announce, on one link or both.
type Announcers = PrefixTable<Vec<(Option<LinkRole>, usize)>>;

/// A router, or a site that is not told apart into routers.
#[derive(Debug)]
pub(crate) struct RouterNode {
    pub(crate) site: usize,
    pub(crate) id: ResourceId,
    pub(crate) stateful: bool,
    tenant: Option<String>,
    provider: bool,
}

/// A link between routers. The weight counts hops below cost, so that it falls strictly on the way to a target.
#[derive(Clone, Debug)]
struct Edge {
    weight: u64,
    link: Option<usize>,
    tenant: Option<String>,
}

/// A way out of the graph for one prefix.
#[derive(Clone, Debug)]
pub(crate) struct Exit {
    pub(crate) at: RouterIx,
    pub(crate) prefix: IpNet,
    pub(crate) kind: ExitKind,
    preference: u32,
    /// The tenant that may use it; none is every tenant.
    scope: Scope,
    /// Set for routes given to a site: only its own routers see them.
    only_site: Option<usize>,
    /// It leads over a session that BGP computes: routers with a speaker know better.
    computed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Scope {
    Every,
    Tenant(Option<String>),
}

impl Exit {
    fn new(at: RouterIx, prefix: IpNet, kind: ExitKind, preference: u32, scope: Scope) -> Self {
        Self { at, prefix: prefix.trunc(), kind, preference, scope, only_site: None, computed: false }
    }
}

/// What lies behind an exit, as positions in the document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ExitKind {
    /// Hosts of the site, the router itself, or what the site says it has.
    Here,
    /// Private peering, to the gateway of this connection.
    Private { circuit: usize, link: LinkRole, connection: usize },
    /// Microsoft or public peering.
    Public { circuit: usize, link: LinkRole, peering: PeeringType },
    /// Private peering of `circuit`, then Global Reach to the sites of `far` (ER-15).
    GlobalReach { circuit: usize, link: LinkRole, far: usize },
    /// A VPN connection, into its gateway.
    Vpn { connection: usize },
    /// An overlay tunnel; true enters at end `a` and leaves at `b`.
    Tunnel { tunnel: usize, forward: bool },
    /// The site's Internet exit.
    Internet,
    /// A given route drops it.
    Discard,
    /// A given route sends it to this router.
    Towards(RouterIx),
}

/// Where the BGP table of an appliance in Azure leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ApplianceWay {
    /// Out of its interface: the virtual network's own routes decide.
    Network,
    /// Into a VPN connection, to the gateway that owns it.
    Connection(usize),
    /// Over its own tunnel to another appliance.
    Appliance(usize),
    /// Over its own tunnel to a router outside.
    Router(RouterIx),
}

/// One step of a packet outside Azure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// It leaves the graph.
    Exit(usize),
    /// It goes to the next router, over this link (none inside a site).
    Router(RouterIx, Option<usize>),
}

impl OnPremises {
    /// Where a packet of a tenant goes from any of these routers: all equal steps, in a fixed order.
    pub(crate) fn route(&self, from: &[RouterIx], tenant: Option<&str>, destination: IpAddr) -> Vec<Step> {
        let Some(&first) = from.first() else { return Vec::new() };
        let site = self.routers[first].site;
        let mut distances: HashMap<RouterIx, u64> = HashMap::new();
        for start in from {
            for (node, distance) in self.distances(*start, tenant) {
                let best = distances.entry(node).or_insert(distance);
                *best = distance.min(*best);
            }
        }
        let speaker = self.speaker(first, tenant);
        let mut spoken = speaker.and_then(|speaker| self.spoken(speaker, from, tenant, destination));
        let mut told: Option<Vec<Step>> = None;
        let host = IpNet::from(destination);
        let mut by_length: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
        for (prefix, exits) in
            self.exits.standing.table.covering(&host).into_iter().chain(self.table.covering(&host))
        {
            by_length.entry(prefix.prefix_len()).or_default().extend(exits);
        }
        let mut flooded = by_length.into_iter().rev().peekable();
        loop {
            let length = flooded.peek().map(|(length, _)| *length);
            let of_bgp = spoken.take_if(|(spoken, ..)| length.is_none_or(|length| *spoken >= length));
            let of_table = flooded.next_if(|(length, _)| of_bgp.as_ref().is_none_or(|(l, ..)| l == length));
            if of_bgp.is_none() && of_table.is_none() {
                break;
            }
            let mut best: Option<(u32, u64)> = None;
            let mut chosen: Vec<usize> = Vec::new();
            for &e in of_table.iter().flat_map(|(_, exits)| exits) {
                let exit = &self.exits[e];
                // A route that names the router itself says nothing to it.
                let itself = matches!(exit.kind, ExitKind::Towards(target) if from.contains(&target));
                let visible = !(itself || (exit.computed && speaker.is_some()))
                    && exit.only_site.is_none_or(|only| only == site)
                    && match &exit.scope {
                        Scope::Every => true,
                        Scope::Tenant(owner) => same_tenant(owner.as_deref(), tenant),
                    };
                let Some(&distance) = distances.get(&exit.at).filter(|_| visible) else { continue };
                let better = |(preference, nearest): (u32, u64)| {
                    exit.preference > preference || (exit.preference == preference && distance < nearest)
                };
                if best.is_none_or(better) {
                    best = Some((exit.preference, distance));
                    chosen.clear();
                    chosen.push(e);
                } else if best == Some((exit.preference, distance)) {
                    chosen.push(e);
                }
            }
            // At one prefix what BGP chose stands against the rest as a learned route does.
            let spoken_wins =
                of_bgp.as_ref().is_some_and(|(_, preference, _)| best.is_none_or(|(b, _)| *preference >= b));
            let preference = match &of_bgp {
                Some((_, preference, _)) if spoken_wins => Some(*preference),
                _ => best.map(|(preference, _)| preference),
            };
            let Some(preference) = preference else { continue };
            if told.is_some() && preference != CONNECTED {
                continue;
            }
            let mut steps = Vec::new();
            if let Some((_, _, ways)) = of_bgp.filter(|_| spoken_wins) {
                steps = ways;
            } else {
                for e in chosen {
                    let target = match self.exits[e].kind {
                        ExitKind::Towards(target) => target,
                        _ if from.contains(&self.exits[e].at) => {
                            push_new(&mut steps, Step::Exit(e));
                            continue;
                        }
                        _ => self.exits[e].at,
                    };
                    for step in self.towards(from, target, tenant) {
                        push_new(&mut steps, step);
                    }
                }
            }
            if preference != ADVERTISED {
                return steps;
            }
            // What a site tells Azure may be part of what another site has (steering by longer prefixes, ER-8).
            told.get_or_insert(steps);
        }
        told.unwrap_or_default()
    }

    /// The speaker that carries a tenant's routes at a router.
    fn speaker(&self, router: RouterIx, tenant: Option<&str>) -> Option<&ResourceId> {
        self.bgp.as_ref()?.speaker_at(self.speakers.get(&router)?, tenant)
    }

    /// What a router's speaker chose for an address: the length of the prefix, its preference, and where it leads.
    fn spoken(
        &self,
        speaker: &ResourceId,
        from: &[RouterIx],
        tenant: Option<&str>,
        destination: IpAddr,
    ) -> Option<(u8, u32, Vec<Step>)> {
        let (prefix, ways) = self.bgp.as_ref()?.route(speaker, destination)?;
        let mut steps = Vec::new();
        let mut preference = LEARNED;
        for way in ways {
            match way {
                Way::Own(kind) => {
                    preference = ADVERTISED;
                    let own = from.first().and_then(|router| self.exits.standing.own_exits.get(router));
                    // An aggregate leads nowhere by itself: what is inside it has longer routes.
                    if let Some((hosts, nowhere)) = own {
                        let exit = if kind == LocalRoute::Aggregate { *nowhere } else { *hosts };
                        push_new(&mut steps, Step::Exit(exit));
                    }
                }
                Way::Azure(over) => {
                    let exits = self.computed.get(&over).and_then(|by_prefix| by_prefix.get(&prefix));
                    for &exit in exits.into_iter().flatten().filter(|e| from.contains(&self.exits[**e].at)) {
                        push_new(&mut steps, Step::Exit(exit));
                    }
                }
                Way::Speaker(next) => {
                    for target in self.routers_of_speaker(next) {
                        let found = self.towards(from, target, tenant);
                        if found.is_empty() && !from.contains(&target) {
                            // A session without a declared link: its two ends are neighbours.
                            push_new(&mut steps, Step::Router(target, None));
                        }
                        for step in found {
                            push_new(&mut steps, step);
                        }
                    }
                }
            }
        }
        Some((prefix.prefix_len(), preference, steps))
    }

    /// The appliance at the far end of a VPN connection, by BGP or by the local network gateway's word.
    pub(crate) fn connection_appliance(&self, topology: &Topology, connection: usize) -> Option<usize> {
        let spoken = self.bgp.as_ref().and_then(|bgp| {
            let peer = bgp.peer(LearnedOver::Connection(connection))?;
            bgp.appliances.iter().find(|(speaker, _)| speaker == peer).map(|(_, appliance)| *appliance)
        });
        let told = || {
            let peer = &topology.document().connections[connection].peer;
            match topology.local_network_gateway(peer)?.site.as_ref().and_then(|id| topology.entity(id)) {
                Some(Entity::Appliance(appliance)) => Some(appliance),
                _ => None,
            }
        };
        spoken.or_else(told)
    }

    /// Where an appliance that speaks BGP sends packets for an address: the length of the prefix, and every way it uses.
    pub(crate) fn appliance_ways(
        &self,
        appliance: usize,
        destination: IpAddr,
    ) -> Option<(u8, Vec<ApplianceWay>)> {
        let bgp = self.bgp.as_ref()?;
        let (speaker, _) = bgp.appliances.iter().find(|(_, a)| *a == appliance)?;
        let (prefix, ways) = bgp.route(speaker, destination)?;
        let way = |way: &Way<'_>| match way {
            Way::Azure(LearnedOver::Connection(n)) => vec![ApplianceWay::Connection(*n)],
            Way::Own(_) | Way::Azure(_) => vec![ApplianceWay::Network],
            Way::Speaker(next) => match bgp.appliances.iter().find(|(speaker, _)| speaker == *next) {
                Some((_, other)) => vec![ApplianceWay::Appliance(*other)],
                None => self.routers_of_speaker(next).into_iter().map(ApplianceWay::Router).collect(),
            },
        };
        Some((prefix.prefix_len(), ways.iter().flat_map(way).collect()))
    }

    /// The speaker that runs at a site or router, where there is one and no other.
    pub(crate) fn speaker_of(&self, id: &ResourceId) -> Option<&ResourceId> {
        let bgp = self.bgp.as_ref()?;
        let at = self.routers.iter().position(|router| router.id == *id)?;
        match self.speakers.get(&at)?.as_slice() {
            [only] => bgp.places.get(*only).map(|place| &place.speaker),
            _ => None,
        }
    }

    fn routers_of_speaker(&self, speaker: &ResourceId) -> Vec<RouterIx> {
        let Some(bgp) = &self.bgp else { return Vec::new() };
        let place = bgp.places.iter().find(|place| place.speaker == *speaker);
        place.and_then(|p| self.by_site[p.site].get(p.router.unwrap_or(0)).copied()).into_iter().collect()
    }

    /// The neighbours on the shortest ways to a router.
    fn towards(&self, from: &[RouterIx], target: RouterIx, tenant: Option<&str>) -> Vec<Step> {
        let distances: HashMap<RouterIx, u64> = self.distances(target, tenant).into_iter().collect();
        let mut best = u64::MAX;
        let mut steps = Vec::new();
        for &start in from {
            for edge in self.graph.edges(NodeIndex::new(start)) {
                let next = edge.target().index();
                if from.contains(&next) || !self.usable(edge.weight(), start, next, tenant) {
                    continue;
                }
                let Some(rest) = distances.get(&next) else { continue };
                let total = edge.weight().weight + rest;
                let step = Step::Router(next, edge.weight().link);
                if total < best {
                    best = total;
                    steps.clear();
                    steps.push(step);
                } else if total == best {
                    push_new(&mut steps, step);
                }
            }
        }
        steps.sort_by_key(|step| match step {
            Step::Router(next, link) => (*next, *link),
            Step::Exit(e) => (usize::MAX, Some(*e)),
        });
        steps
    }

    fn distances(&self, from: RouterIx, tenant: Option<&str>) -> Vec<(RouterIx, u64)> {
        let usable = |edge: petgraph::graph::EdgeReference<'_, Edge>| {
            self.usable(edge.weight(), edge.source().index(), edge.target().index(), tenant)
        };
        let view = EdgeFiltered::from_fn(&self.graph, usable);
        let found = dijkstra(&view, NodeIndex::new(from), None, |edge| edge.weight().weight);
        let mut found: Vec<_> = found.into_iter().map(|(node, distance)| (node.index(), distance)).collect();
        found.sort_unstable();
        found
    }

    fn usable(&self, edge: &Edge, a: RouterIx, b: RouterIx, tenant: Option<&str>) -> bool {
        let open = |r: RouterIx| {
            let router = &self.routers[r];
            router.provider || same_tenant(router.tenant.as_deref(), tenant)
        };
        (edge.tenant.is_none() || same_tenant(edge.tenant.as_deref(), tenant)) && open(a) && open(b)
    }

    /// Where packets from Azure arrive over one link of a circuit: its edge router, else the sites that advertise the
    /// longest prefix for the destination there.
    pub(crate) fn circuit_entry(
        &self,
        circuit: (usize, &ResourceId),
        peering: PeeringType,
        link: LinkRole,
        destination: IpAddr,
    ) -> Vec<RouterIx> {
        if let Some(routers) = self.session_edges.get(&LearnedOver::Circuit(circuit.0, peering, link)) {
            return routers.clone();
        }
        match self.edges.get(&(circuit.0, link)) {
            Some(routers) => routers.clone(),
            None => self.announcers(circuit.1, peering, Some(link), destination),
        }
    }

    /// Where packets from Azure arrive over a VPN connection.
    pub(crate) fn connection_entry(
        &self,
        connection: (usize, &ResourceId),
        peer: &ResourceId,
        destination: IpAddr,
    ) -> Vec<RouterIx> {
        if let Some(routers) = self.session_edges.get(&LearnedOver::Connection(connection.0)) {
            return routers.clone();
        }
        if let Some(routers) = self.connection_edges.get(&connection.0) {
            return routers.clone();
        }
        let direct = self.announcers(connection.1, PeeringType::AzurePrivatePeering, None, destination);
        if direct.is_empty() {
            return self.announcers(peer, PeeringType::AzurePrivatePeering, None, destination);
        }
        direct
    }

    fn announcers(
        &self,
        over: &ResourceId,
        peering: PeeringType,
        link: Option<LinkRole>,
        destination: IpAddr,
    ) -> Vec<RouterIx> {
        let Some(announced) = self.exits.standing.announced_at.get(&(over.clone(), peering)) else {
            return Vec::new();
        };
        let here = |only: &Option<LinkRole>| only.is_none() || link.is_none() || *only == link;
        let covering = announced.covering(&IpNet::from(destination));
        let longest = covering.into_iter().rev().find(|(_, sites)| sites.iter().any(|(only, _)| here(only)));
        let Some((_, sites)) = longest else { return Vec::new() };
        let mut routers = Vec::new();
        for (_, site) in sites.iter().filter(|(only, _)| here(only)) {
            if let Some(first) = self.by_site[*site].first()
                && !routers.contains(first)
            {
                routers.push(*first);
            }
        }
        routers
    }
}

/// What a table by prefix says, its prefixes in order: those that it treats alike have one number.
pub(crate) type Numbered<'t> = Box<dyn Iterator<Item = (IpNet, u32)> + 't>;

/// Numbers what a table says, in the order in which it says it first.
pub(crate) fn numbered<'t, K: Eq + std::hash::Hash + 't>(
    rows: impl Iterator<Item = (IpNet, K)> + 't,
) -> Numbered<'t> {
    let mut numbers: rustc_hash::FxHashMap<K, u32> = rustc_hash::FxHashMap::default();
    Box::new(rows.map(move |(prefix, key)| {
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        (prefix, *numbers.entry(key).or_insert(next))
    }))
}

impl OnPremises {
    /// Every table by prefix that [`route`](Self::route) and the entries read, computed BGP aside.
    pub(crate) fn tables(&self) -> Vec<Numbered<'_>> {
        let key = |exits: &Vec<usize>| -> Vec<_> {
            let one = |e: &usize| {
                let Exit { at, prefix: _, kind, preference, scope, only_site, computed } = &self.exits[*e];
                (*at, kind.clone(), *preference, scope.clone(), *only_site, *computed)
            };
            exits.iter().map(one).collect()
        };
        let standing = numbered(self.exits.standing.table.iter().map(move |(p, exits)| (p, key(exits))));
        let mut tables = vec![standing, numbered(self.table.iter().map(move |(p, exits)| (p, key(exits))))];
        let mut announced: Vec<_> = self.exits.standing.announced_at.iter().collect();
        announced.sort_by(|a, b| a.0.cmp(b.0));
        tables.extend(announced.into_iter().map(|(_, at)| numbered(at.iter())));
        tables
    }

    /// Prefixes that lead to hosts whatever longer prefixes others tell: they part addresses by themselves.
    pub(crate) fn connected(&self) -> impl Iterator<Item = IpNet> {
        let all = self.exits.standing.exits.iter().chain(&self.exits.others);
        all.filter(|exit| exit.preference == CONNECTED).map(|exit| exit.prefix)
    }
}

/// Whether Global Reach joins two circuits: both with private peering, neither on the Local SKU, at different peering
/// locations where both are known, and across geopolitical areas both Premium (ER-15).
pub(super) fn may_join(circuit: &ExpressRouteCircuit, other: &ExpressRouteCircuit) -> bool {
    let fit = |c: &ExpressRouteCircuit| {
        c.sku_tier != CircuitSkuTier::Local && c.peering(PeeringType::AzurePrivatePeering).is_some()
    };
    let same_place = match (&circuit.peering_location, &other.peering_location) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    };
    (circuit.global_reach.contains(&other.id) || other.global_reach.contains(&circuit.id))
        && fit(circuit)
        && fit(other)
        && !same_place
        && circuit.reaches_area(other.geopolitical_area.as_deref())
        && other.reaches_area(circuit.geopolitical_area.as_deref())
}

fn push_new(steps: &mut Vec<Step>, step: Step) {
    if !steps.contains(&step) {
        steps.push(step);
    }
}

/// Builds the graph and its exits. `served` tells which networks each gateway advertises.
pub(super) fn build(
    topology: &Topology,
    plane: &ControlPlane,
    served: &BTreeMap<usize, Vec<usize>>,
    bgp: Option<Bgp>,
    before: Option<&OnPremises>,
) -> OnPremises {
    let mut build = Build {
        topology,
        served,
        told: &plane.told_by_sites,
        world: OnPremises { bgp, ..OnPremises::default() },
        standing: Standing::default(),
        down: BTreeSet::new(),
    };
    if let Some(bgp) = &build.world.bgp
        && topology.document().knobs.limits == Limits::Enforce
    {
        build.down = bgp.down_sessions().collect();
    }
    build.routers();
    build.speakers();
    build.links();
    let same = before.map(|b| &b.exits.standing).filter(|standing| standing.told == plane.told_by_sites);
    build.world.exits.standing = match same {
        Some(standing) => Arc::clone(standing),
        None => build.standing(),
    };
    build.circuits();
    build.connections();
    build.tunnels();
    build.given_routes();
    let first = build.world.exits.standing.exits.len();
    for (e, exit) in build.world.exits.others.iter().enumerate() {
        build.world.table.entry(exit.prefix).push(first + e);
    }
    build.world
}

/// What Microsoft or public peering carries towards the customer: the prefixes of the communities that the route filter
/// allows (MSP-8), authorised (MSP-11) and within reach (ER-17), or of the cloud's tag on public peering (PUB-2). A prefix of several communities carries them all.
pub(super) fn microsoft_prefixes(
    topology: &Topology,
    circuit: &ExpressRouteCircuit,
    peering: PeeringType,
) -> Vec<Origination> {
    let document = topology.document();
    let Some(found) = circuit.peering(peering) else { return Vec::new() };
    if peering == PeeringType::AzurePublicPeering {
        let open =
            topology.era().public_peering() && circuit.created.is_none_or(|day| day < PUBLIC_PEERING_CLOSED);
        let tag = topology.service_tag("AzureCloud").filter(|_| open);
        let prefixes = tag.map_or_else(Vec::new, |tag| tag.address_prefixes.clone());
        return vec![Origination { prefixes, ..Origination::default() }];
    }
    let filter = found.route_filter.as_ref().and_then(|id| match topology.entity(id) {
        Some(Entity::RouteFilter(f)) => document.route_filters.get(f),
        _ => None,
    });
    // Peerings older than the requirement advertise the Microsoft 365 services whatever the filter says.
    let legacy = found.configured.is_some_and(|day| day < ROUTE_FILTER_REQUIRED);
    let allowed = |community: &str| {
        let of_365 = MICROSOFT_365_COMMUNITIES.contains(&community);
        let chosen = filter.is_some_and(|f| f.communities.iter().any(|c| c == community));
        (chosen || (legacy && of_365)) && (found.microsoft_365_authorised || !of_365)
    };
    let within_reach = |service: &&BgpServiceCommunity| {
        allowed(&service.community) && circuit.reaches_area(service.geopolitical_area.as_deref())
    };
    let mut carried: BTreeMap<IpNet, BTreeSet<Community>> = BTreeMap::new();
    for service in document.bgp_service_communities.iter().filter(within_reach) {
        for prefix in service.prefixes.iter().map(IpNet::trunc).filter(|p| !is_default_route(p)) {
            // What reads as no community of RFC 1997 is a name only.
            carried.entry(prefix).or_default().extend(service.community.parse::<Community>().ok());
        }
    }
    let mut by_communities: BTreeMap<BTreeSet<Community>, Vec<IpNet>> = BTreeMap::new();
    for (prefix, communities) in carried {
        by_communities.entry(communities).or_default().push(prefix);
    }
    let origination = |(communities, prefixes)| Origination {
        prefixes,
        attributes: PathAttributes {
            communities: Communities::new(communities, [], []),
            ..PathAttributes::default()
        },
        policies: Vec::new(),
    };
    by_communities.into_iter().map(origination).collect()
}

struct Build<'t> {
    topology: &'t Topology,
    served: &'t BTreeMap<usize, Vec<usize>>,
    /// By site: what it tells Azure.
    told: &'t [Vec<Advertisement>],
    world: OnPremises,
    /// What is to stand, until it does.
    standing: Standing,
    /// Sessions that limits took down.
    down: BTreeSet<Session>,
}

impl Build<'_> {
    fn routers(&mut self) {
        for (s, site) in self.topology.document().on_premises_sites.iter().enumerate() {
            let node = |id: ResourceId, stateful: bool| RouterNode {
                site: s,
                id,
                stateful,
                tenant: site.tenant.clone(),
                provider: site.role == SiteRole::Provider,
            };
            let mut here = Vec::new();
            let mut nodes: Vec<RouterNode> =
                site.routers.iter().map(|r| node(site.router_id(&r.name), r.stateful)).collect();
            if nodes.is_empty() {
                nodes.push(node(site.id.clone(), false));
            }
            for node in nodes {
                here.push(self.world.routers.len());
                self.world.routers.push(node);
                self.world.graph.add_node(());
            }
            for (i, a) in here.iter().enumerate() {
                for b in &here[i + 1..] {
                    let edge = Edge { weight: 1, link: None, tenant: None };
                    self.world.graph.add_edge(NodeIndex::new(*a), NodeIndex::new(*b), edge);
                }
            }
            self.world.by_site.push(here);
        }
    }

    /// Routers that speak BGP, and which of Azure's sessions end on them.
    fn speakers(&mut self) {
        let Some(bgp) = &self.world.bgp else { return };
        for (p, place) in bgp.places.iter().enumerate() {
            if let Some(at) = self.world.by_site[place.site].get(place.router.unwrap_or(0)) {
                self.world.speakers.entry(*at).or_default().push(p);
            }
        }
        for over in bgp.computed() {
            let routers = bgp.peer(over).map_or_else(Vec::new, |peer| self.world.routers_of_speaker(peer));
            self.world.session_edges.insert(over, routers);
        }
    }

    /// What sites have and say, whatever leads there.
    fn standing(&mut self) -> Arc<Standing> {
        let mut routers: Vec<RouterIx> = self.world.speakers.keys().copied().collect();
        routers.sort_unstable();
        let default = IpNet::V4(ipnet::Ipv4Net::default());
        for at in routers {
            let exits = [ExitKind::Here, ExitKind::Discard].map(|kind| {
                self.stands(at, default, kind, ADVERTISED, Scope::Every);
                self.standing.exits.len() - 1
            });
            self.standing.own_exits.insert(at, (exits[0], exits[1]));
        }
        let unlisted = self.standing.exits.len();
        self.hosts();
        let mut standing = std::mem::take(&mut self.standing);
        for (e, exit) in standing.exits.iter().enumerate().skip(unlisted) {
            standing.table.entry(exit.prefix).push(e);
        }
        standing.told = self.told.to_vec();
        Arc::new(standing)
    }

    fn stands(&mut self, at: RouterIx, prefix: IpNet, kind: ExitKind, preference: u32, scope: Scope) {
        self.standing.exits.push(Exit::new(at, prefix, kind, preference, scope));
    }

    /// Whether BGP computes a session of Azure's.
    fn computes(&self, over: LearnedOver) -> bool {
        self.world.session_edges.contains_key(&over)
    }

    /// An exit over a session of Azure's.
    fn azure_exit(
        &mut self,
        over: LearnedOver,
        at: RouterIx,
        prefix: IpNet,
        kind: ExitKind,
        preference: u32,
        scope: Scope,
    ) {
        let computed = self.computes(over);
        self.exit(at, prefix, kind, preference, scope);
        if computed {
            let others = &mut self.world.exits.others;
            let position = self.world.exits.standing.exits.len() + others.len() - 1;
            if let Some(exit) = others.last_mut() {
                exit.computed = true;
            }
            self.world.computed.entry(over).or_default().entry(prefix).push(position);
        }
    }

    /// The routers an id stands for: itself, or the first of a site.
    fn routers_of(&self, id: &ResourceId) -> Vec<RouterIx> {
        match self.topology.entity(id) {
            Some(Entity::Site(s)) => self.world.by_site[s].first().copied().into_iter().collect(),
            Some(Entity::Router(s, r)) => self.world.by_site[s].get(r).copied().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn links(&mut self) {
        for (l, link) in self.topology.document().on_premises_links.iter().enumerate() {
            for a in self.routers_of(&link.a) {
                for b in self.routers_of(&link.b) {
                    let weight = (u64::from(link.cost) << 16) + 1;
                    let edge = Edge { weight, link: Some(l), tenant: link.tenant.clone() };
                    self.world.graph.add_edge(NodeIndex::new(a), NodeIndex::new(b), edge);
                }
            }
        }
    }

    fn exit(&mut self, at: RouterIx, prefix: IpNet, kind: ExitKind, preference: u32, scope: Scope) {
        self.world.exits.others.push(Exit::new(at, prefix, kind, preference, scope));
    }

    fn site_scope(&self, s: usize) -> Scope {
        let site = &self.topology.document().on_premises_sites[s];
        match site.role {
            SiteRole::Provider => Scope::Every,
            SiteRole::Customer => Scope::Tenant(site.tenant.clone()),
        }
    }

    fn hosts(&mut self) {
        for (s, site) in self.topology.document().on_premises_sites.iter().enumerate() {
            let scope = self.site_scope(s);
            let routers = self.world.by_site[s].clone();
            for (r, at) in routers.iter().enumerate() {
                for prefix in &site.prefixes {
                    self.stands(*at, *prefix, ExitKind::Here, CONNECTED, scope.clone());
                }
                for address in site.routers.get(r).map_or(&[][..], |router| &router.addresses) {
                    self.stands(*at, IpNet::from(*address), ExitKind::Here, CONNECTED, scope.clone());
                }
                if site.internet_breakout {
                    for default in ["0.0.0.0/0", "::/0"].into_iter().filter_map(|p| p.parse().ok()) {
                        self.stands(*at, default, ExitKind::Internet, LEARNED, scope.clone());
                    }
                }
                // What BGP computed is in the tables of the speakers.
                let declared = self.told[s].iter().filter(|a| site.advertisements.contains(a));
                let mut told: Vec<IpNet> = declared.flat_map(|a| a.prefixes.clone()).collect();
                told.sort_unstable();
                told.dedup();
                for prefix in told {
                    self.stands(*at, prefix, ExitKind::Here, ADVERTISED, scope.clone());
                }
            }
            for advertisement in &self.told[s] {
                let key = (advertisement.over.clone(), advertisement.peering);
                let by_prefix = self.standing.announced_at.entry(key.clone()).or_default();
                for prefix in &advertisement.prefixes {
                    by_prefix.entry(*prefix).push((advertisement.link, s));
                }
                if !advertisement.prefixes.is_empty() {
                    self.standing.announced.entry(key).or_default().push((advertisement.link, s));
                }
            }
        }
    }

    /// Where a circuit's link ends: its edge router, else every site that advertises over it.
    fn circuit_ends(
        &mut self,
        c: usize,
        circuit: &ExpressRouteCircuit,
        peering: PeeringType,
        link: LinkRole,
    ) -> Vec<RouterIx> {
        if let Some(routers) = self.world.session_edges.get(&LearnedOver::Circuit(c, peering, link)) {
            return routers.clone();
        }
        if let Some(id) = &circuit.link(link).edge_router {
            let routers = self.routers_of(id);
            if !routers.is_empty() {
                self.world.edges.insert((c, link), routers.clone());
                return routers;
            }
        }
        let mut routers = Vec::new();
        for peering in
            [PeeringType::AzurePrivatePeering, PeeringType::MicrosoftPeering, PeeringType::AzurePublicPeering]
        {
            for (only, site) in
                self.world.exits.standing.announced.get(&(circuit.id.clone(), peering)).into_iter().flatten()
            {
                let first = self.world.by_site[*site].first().copied();
                if only.is_none_or(|only| only == link)
                    && let Some(first) = first
                    && !routers.contains(&first)
                {
                    routers.push(first);
                }
            }
        }
        routers
    }

    /// Whether the session that carries a prefix is down: each family has its own.
    fn session_down(&self, circuit: usize, peering: PeeringType, link: LinkRole, prefix: &IpNet) -> bool {
        self.down.contains(&Session { circuit, peering, link, ipv6: prefix.addr().is_ipv6() })
    }

    fn circuits(&mut self) {
        let document = self.topology.document();
        for (c, circuit) in document.express_route_circuits.iter().enumerate() {
            let scope = Scope::Tenant(circuit.tenant.clone());
            for link in LinkRole::BOTH {
                let private = PeeringType::AzurePrivatePeering;
                let ends = self.circuit_ends(c, circuit, private, link);
                if !circuit.link(link).up {
                    continue;
                }
                if circuit.peering(private).is_some() {
                    for (prefix, kind) in self.private_prefixes(c, link) {
                        for at in &ends {
                            let over = LearnedOver::Circuit(c, private, link);
                            self.azure_exit(over, *at, prefix, kind.clone(), LEARNED, scope.clone());
                        }
                    }
                }
                for peering in [PeeringType::MicrosoftPeering, PeeringType::AzurePublicPeering] {
                    let ends = self.circuit_ends(c, circuit, peering, link);
                    for prefix in microsoft_prefixes(self.topology, circuit, peering)
                        .into_iter()
                        .flat_map(|o| o.prefixes)
                    {
                        if self.session_down(c, peering, link, &prefix) {
                            continue;
                        }
                        for at in &ends {
                            let kind = ExitKind::Public { circuit: c, link, peering };
                            let over = LearnedOver::Circuit(c, peering, link);
                            self.azure_exit(over, *at, prefix, kind, LEARNED, scope.clone());
                        }
                    }
                }
            }
        }
    }

    /// What a circuit's private peering carries towards the customer, as its edge tells it: the spaces behind each linked
    /// gateway (ER-6), other branches where they are exchanged (ARS-5), and the sites behind circuits joined by Global
    /// Reach (ER-15).
    fn private_prefixes(&self, c: usize, link: LinkRole) -> Vec<(IpNet, ExitKind)> {
        let Some(bgp) = &self.world.bgp else { return Vec::new() };
        let mut found = Vec::new();
        for session in bgp.wiring.outside(LearnedOver::Circuit(c, PeeringType::AzurePrivatePeering, link)) {
            let (id, edge) = (&session.id, &session.speaker);
            // What the customer's end takes: not what its own number is in.
            for told in bgp.engine.adj_rib_in(id, &session.peer, Stage::PostPolicy) {
                let routes = bgp.engine.routes(edge, &told.prefix);
                let mut kinds = Vec::new();
                for entry in routes.iter().flat_map(|routes| routes.used()) {
                    let LearnedFrom::Neighbor { session, .. } = entry.route.from else { continue };
                    let kind = match bgp.wiring.get(session).map(|s| s.what) {
                        Some(Use::Gateway { connection, .. }) => {
                            ExitKind::Private { circuit: c, link, connection }
                        }
                        Some(Use::GlobalReach { near, far }) => {
                            let far = if near.0 == c { far.0 } else { near.0 };
                            ExitKind::GlobalReach { circuit: c, link, far }
                        }
                        _ => continue,
                    };
                    kinds.push(kind);
                }
                kinds.sort_unstable();
                kinds.dedup();
                found.extend(kinds.into_iter().map(|kind| (told.prefix, kind)));
            }
        }
        found
    }

    /// What a VPN gateway tells over a connection: by BGP what the session carries, without it the networks' spaces.
    fn vpn_prefixes(&self, n: usize, connection: &Connection, gateway: usize) -> Vec<IpNet> {
        let sessions: Vec<_> = match &self.world.bgp {
            Some(bgp) if connection.enable_bgp => {
                bgp.wiring.outside(LearnedOver::Connection(n)).map(|s| (bgp, s)).collect()
            }
            _ => Vec::new(),
        };
        if sessions.is_empty() {
            return advertised_space(self.topology, self.served, gateway);
        }
        let told = |(bgp, session): (&Bgp, &AzureSession)| {
            bgp.engine.adj_rib_in(&session.id, &session.peer, Stage::PostPolicy)
        };
        sessions.into_iter().flat_map(told).map(|route| route.prefix).collect()
    }

    fn connections(&mut self) {
        let document = self.topology.document();
        for (n, connection) in document.connections.iter().enumerate() {
            let Some(Entity::Gateway(g)) = self.topology.entity(&connection.virtual_network_gateway) else {
                continue;
            };
            let Some(local) = self.topology.local_network_gateway(&connection.peer) else { continue };
            let spoken = self.world.session_edges.get(&LearnedOver::Connection(n)).cloned();
            let mut ends = local.site.as_ref().map_or_else(Vec::new, |site| self.routers_of(site));
            if !ends.is_empty() {
                self.world.connection_edges.insert(n, ends.clone());
            }
            for over in [&connection.id, &connection.peer] {
                let key = (over.clone(), PeeringType::AzurePrivatePeering);
                for (_, site) in self.world.exits.standing.announced.get(&key).into_iter().flatten() {
                    if ends.is_empty() || !self.world.connection_edges.contains_key(&n) {
                        let first = self.world.by_site[*site].first().copied();
                        ends.extend(first.filter(|r| !ends.contains(r)));
                    }
                }
            }
            if !connection.connected {
                continue;
            }
            let ends = spoken.unwrap_or(ends);
            let tenant = self.connection_tenant(n);
            for prefix in self.vpn_prefixes(n, connection, g) {
                if prefix.addr().is_ipv4() {
                    for at in &ends {
                        let kind = ExitKind::Vpn { connection: n };
                        let (over, scope) = (LearnedOver::Connection(n), Scope::Tenant(tenant.clone()));
                        self.azure_exit(over, *at, prefix, kind, LEARNED_BY_VPN, scope);
                    }
                }
            }
        }
    }

    fn tunnels(&mut self) {
        for (t, tunnel) in self.topology.document().overlay_tunnels.iter().enumerate() {
            for (near, far, forward) in [(&tunnel.a, &tunnel.b, true), (&tunnel.b, &tunnel.a, false)] {
                for at in self.routers_of(&near.node) {
                    let scope = self.site_scope(self.world.routers[at].site);
                    for prefix in &far.prefixes {
                        self.exit(
                            at,
                            *prefix,
                            ExitKind::Tunnel { tunnel: t, forward },
                            TUNNEL,
                            scope.clone(),
                        );
                    }
                }
            }
        }
    }

    fn given_routes(&mut self) {
        let document = self.topology.document();
        for (s, site) in document.on_premises_sites.iter().enumerate() {
            for route in &site.routes {
                // A stated tenant narrows who follows it, and never widens it to another's circuit.
                let scope = match (self.given_scope(site, &route.next_hop), &route.tenant) {
                    (Scope::Tenant(owner), Some(tenant)) if !same_tenant(owner.as_deref(), Some(tenant)) => {
                        continue;
                    }
                    (_, Some(tenant)) => Scope::Tenant(Some(tenant.clone())),
                    (scope, None) => scope,
                };
                let kinds: Vec<(RouterIx, ExitKind)> = match &route.next_hop {
                    OnPremisesNextHop::Internet => self.everywhere(s, &ExitKind::Internet),
                    OnPremisesNextHop::Discard => self.everywhere(s, &ExitKind::Discard),
                    OnPremisesNextHop::Site(id) => self
                        .routers_of(id)
                        .into_iter()
                        .flat_map(|to| self.everywhere(s, &ExitKind::Towards(to)))
                        .collect(),
                    OnPremisesNextHop::Connection(id) => match self.topology.entity(id) {
                        Some(Entity::Connection(n)) if document.connections[n].connected => {
                            self.everywhere(s, &ExitKind::Vpn { connection: n })
                        }
                        _ => Vec::new(),
                    },
                    OnPremisesNextHop::Circuit { circuit, peering, link } => match self
                        .topology
                        .entity(circuit)
                    {
                        Some(Entity::Circuit(c)) => self.given_circuit(s, c, *peering, *link, &route.prefix),
                        _ => Vec::new(),
                    },
                };
                for (at, kind) in kinds {
                    self.world.exits.others.push(Exit {
                        at,
                        prefix: route.prefix.trunc(),
                        kind,
                        preference: route.local_preference,
                        scope: scope.clone(),
                        only_site: Some(s),
                        computed: false,
                    });
                }
            }
        }
    }

    /// Who follows a route given to a site: its own traffic. A provider carries many tenants, and its route into a
    /// circuit or connection is for the tenant that owns those (ISO-1).
    fn given_scope(&self, site: &OnPremisesSite, next_hop: &OnPremisesNextHop) -> Scope {
        if site.role != SiteRole::Provider {
            return Scope::Every;
        }
        let document = self.topology.document();
        match next_hop {
            OnPremisesNextHop::Circuit { circuit, .. } => match self.topology.entity(circuit) {
                Some(Entity::Circuit(c)) => Scope::Tenant(document.express_route_circuits[c].tenant.clone()),
                _ => Scope::Every,
            },
            OnPremisesNextHop::Connection(id) => match self.topology.entity(id) {
                Some(Entity::Connection(n)) => Scope::Tenant(self.connection_tenant(n)),
                _ => Scope::Every,
            },
            _ => Scope::Every,
        }
    }

    /// The tenant of the network whose gateway has a connection.
    fn connection_tenant(&self, n: usize) -> Option<String> {
        let document = self.topology.document();
        let Some(Entity::Gateway(g)) = self.topology.entity(&document.connections[n].virtual_network_gateway)
        else {
            return None;
        };
        match self.topology.entity(&document.virtual_network_gateways[g].virtual_network) {
            Some(Entity::VirtualNetwork(v)) => document.virtual_networks[v].tenant.clone(),
            _ => None,
        }
    }

    fn everywhere(&self, s: usize, kind: &ExitKind) -> Vec<(RouterIx, ExitKind)> {
        self.world.by_site[s].iter().map(|at| (*at, kind.clone())).collect()
    }

    /// A given route over a circuit leaves where the circuit ends in the site, by the links that are up; over private
    /// peering to every gateway linked to it whose space overlaps the route.
    fn given_circuit(
        &mut self,
        s: usize,
        c: usize,
        peering: PeeringType,
        only: Option<LinkRole>,
        prefix: &IpNet,
    ) -> Vec<(RouterIx, ExitKind)> {
        let document = self.topology.document();
        let circuit = &document.express_route_circuits[c];
        let mut found = Vec::new();
        for link in LinkRole::BOTH {
            if only.is_some_and(|only| only != link)
                || !circuit.link(link).up
                || circuit.peering(peering).is_none()
            {
                continue;
            }
            let ends: Vec<RouterIx> = self
                .circuit_ends(c, circuit, peering, link)
                .into_iter()
                .filter(|at| self.world.routers[*at].site == s)
                .collect();
            let mut kinds = Vec::new();
            if peering == PeeringType::AzurePrivatePeering {
                for (space, kind) in self.private_prefixes(c, link) {
                    if crate::model::overlap(&space, prefix) && !kinds.contains(&kind) {
                        kinds.push(kind);
                    }
                }
            } else {
                kinds.push(ExitKind::Public { circuit: c, link, peering });
            }
            for at in ends {
                found.extend(kinds.iter().map(|kind| (at, kind.clone())));
            }
        }
        found
    }
}
