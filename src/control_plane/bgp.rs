//! BGP as one design: the document's speakers and sessions with [Azure's own speakers](super::azure), converged; what
//! arrives at Azure's ends, and what each router outside chose.
//!
//! A session's end that names no speaker is Azure's: a link of a circuit's peering
//! (`{circuit}/peerings/{peering type}/links/{primary|secondary}`) or a VPN connection. What is computed for such a
//! session takes the place of what is declared for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ipnet::IpNet;

use super::azure::{self, Azure, AzureSession, Use, Wiring};
use super::{Before, LearnedOver, Session};
use crate::bgp::{BgpChange, DesignError, DesignProblem, Engine, LearnedFrom, Stage};
use crate::model::bgp::{
    AddressFamily, AsPath, BgpDesign, BgpSession, BgpSpeaker, IgpLink, SegmentKind, SessionEnd,
};
use crate::model::same_tenant;
use crate::model::{
    Advertisement, Asn, Element, Entity, Limits, LinkRole, PeeringType, ResourceId, SiteRole, Topology,
    limits,
};

/// BGP of Azure and of the routers outside, converged.
#[derive(Clone, Debug)]
pub(crate) struct Bgp {
    pub(crate) engine: Engine,
    /// Where each speaker outside runs.
    pub(super) places: Arc<Vec<Place>>,
    /// Speakers on appliances in Azure.
    pub(crate) appliances: Arc<Vec<(ResourceId, usize)>>,
    /// The sessions that Azure has an end of.
    pub(super) wiring: Arc<Wiring>,
    /// Links of the interior protocol that stand for links of the document, by position.
    links: Arc<Vec<(usize, ResourceId)>>,
    /// Azure's ends with a session of the document: the end, and the speaker at the other side.
    pub(super) ends: Arc<Vec<(LearnedOver, ResourceId)>>,
    /// Sessions that an exceeded limit takes down, or would where limits are enforced.
    pub(super) exceeded: Vec<Exceeded>,
}

/// More than a session takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exceeded {
    /// Azure's end, or the connection between circuit and gateway.
    pub(super) over: Over,
    pub(super) family: AddressFamily,
    pub(super) count: usize,
    pub(super) limit: usize,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// What the world outside announces (ER-4, MSP-5, VPN-4, ARS-12).
    Outside(LearnedOver),
    /// What a gateway announces over a connection (ER-5).
    Connection(usize),
}

/// A speaker's place.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) speaker: ResourceId,
    pub(super) site: usize,
    /// The router; none is a site without routers.
    pub(super) router: Option<usize>,
    /// Whose routes it carries.
    pub(super) tenant: Option<String>,
    /// Whether it carries those of every tenant without a speaker of its own there.
    pub(super) shared: bool,
}

/// Converges Azure's speakers with the document's; `None` where nobody speaks.
pub(super) fn converge(topology: &Topology, azure: &Azure<'_>) -> Result<Option<Bgp>, DesignError> {
    let document = topology.document();
    if !azure.speaks() && document.bgp_speakers.is_empty() && document.bgp_sessions.is_empty() {
        return Ok(None);
    }
    let mut problems = Vec::new();
    let (places, appliances) = places(topology, &mut problems);
    let mut design = BgpDesign {
        routing_policy: document.routing_policy.clone(),
        speakers: document.bgp_speakers.clone(),
        sessions: Vec::new(),
        links: Vec::new(),
    };
    let links = Arc::new(links(topology, &places, &mut design));
    let mut declared = azure.join(&mut design);
    let mut ends: Vec<(LearnedOver, ResourceId)> = Vec::new();
    let known = azure_ends(topology);
    let speakers: HashMap<&ResourceId, &BgpSpeaker> =
        document.bgp_speakers.iter().map(|s| (&s.id, s)).collect();
    for session in &document.bgp_sessions {
        let (azure_side, peer) = match (speakers.get(&session.a.speaker), speakers.get(&session.b.speaker)) {
            (Some(_), None) => (&session.b, &session.a),
            (None, Some(_)) => (&session.a, &session.b),
            (Some(_), Some(_)) => {
                design.sessions.push(session.clone());
                continue;
            }
            (None, None) => {
                let reason = "neither end names a BGP speaker";
                problems.push(DesignProblem::new(&session.id, "a.speaker", reason));
                continue;
            }
        };
        let Some(over) = known.get(&azure_side.speaker).copied() else {
            let reason = format_args!(
                "`{}` is neither a BGP speaker, nor a link of a circuit's peering, nor a VPN connection, nor a Route Server, \
                 nor a BGP connection of a hub",
                azure_side.speaker
            );
            problems.push(DesignProblem::new(&session.id, "speaker", reason));
            continue;
        };
        if !over.takes_several() && ends.iter().any(|(taken, _)| *taken == over) {
            let reason = format_args!("`{}` has a session already", azure_side.speaker);
            problems.push(DesignProblem::new(&session.id, "speaker", reason));
            continue;
        }
        if matches!(over, LearnedOver::RouteServer(_)) && peer.addresses.is_empty() {
            let reason =
                format_args!("`{}` needs its address: it is the next hop of what it announces", peer.speaker);
            problems.push(DesignProblem::new(&session.id, "addresses", reason));
            continue;
        }
        attach(topology, session, (azure_side, peer), over, azure, &mut design, &mut declared.wiring);
        ends.push((over, peer.speaker.clone()));
    }
    if !problems.is_empty() {
        return Err(DesignError { problems });
    }
    azure.stand_ins(&mut design, &mut declared, |over| ends.iter().any(|(taken, _)| *taken == over));
    let engine = Engine::build(&design)?;
    let (places, appliances) = (Arc::new(places), Arc::new(appliances));
    let (wiring, ends) = (Arc::new(declared.wiring), Arc::new(ends));
    let mut bgp = Bgp { engine, places, appliances, wiring, links, ends, exceeded: Vec::new() };
    bgp.limit(topology);
    Ok(Some(bgp))
}

/// Of a session of the document, Azure's end as Azure has it, and one session for each family.
fn attach(
    topology: &Topology,
    session: &BgpSession,
    (azure_side, peer): (&SessionEnd, &SessionEnd),
    over: LearnedOver,
    azure: &Azure<'_>,
    design: &mut BgpDesign,
    wiring: &mut Wiring,
) {
    // An end that is not there (a peering that is off, a gateway without BGP) leaves the speaker outside alone.
    let Some((mut end, up, carried)) = azure.end(design, wiring, over) else { return };
    if !azure_side.addresses.is_empty() {
        end.addresses.clone_from(&azure_side.addresses);
    }
    let mut peer = peer.clone();
    if peer.addresses.is_empty() {
        peer.addresses = customer_addresses(topology, over);
    }
    for family in carried.iter().copied().filter(|family| session.families.contains(family)) {
        let id = azure::session_id(&session.id, family);
        let is_a = std::ptr::eq(azure_side, &session.a);
        let (a, b) = if is_a { (end.clone(), peer.clone()) } else { (peer.clone(), end.clone()) };
        let (families, shutdown) = (vec![family], session.shutdown || !up);
        design.sessions.push(BgpSession { id: id.clone(), a, b, families, shutdown, age: session.age });
        let (speaker, peer) = (end.speaker.clone(), peer.speaker.clone());
        wiring.push(AzureSession { id, speaker, peer, what: Use::Outside { over, family } });
    }
}

/// The customer's addresses on a circuit's link (ER-2), and of an appliance that peers with a hub.
fn customer_addresses(topology: &Topology, over: LearnedOver) -> Vec<std::net::IpAddr> {
    let (c, peering, link) = match over {
        LearnedOver::Circuit(c, peering, link) => (c, peering, link),
        LearnedOver::HubPeer(h, peer) => {
            return vec![topology.document().virtual_hubs[h].bgp_connections[peer].peer_ip];
        }
        _ => return Vec::new(),
    };
    let circuit = &topology.document().express_route_circuits[c];
    let addresses = circuit.peering(peering).map(|p| azure::peer_addresses(p, link));
    addresses.into_iter().flatten().map(|(customer, _)| customer).collect()
}

/// Where speakers run, outside and on appliances; what is wrong about it.
fn places(topology: &Topology, problems: &mut Vec<DesignProblem>) -> (Vec<Place>, Vec<(ResourceId, usize)>) {
    let sites = &topology.document().on_premises_sites;
    let mut places: Vec<Place> = Vec::new();
    let mut appliances = Vec::new();
    for speaker in &topology.document().bgp_speakers {
        let (site, router) = match topology.entity(speaker.router.as_ref().unwrap_or(&speaker.id)) {
            Some(Entity::Router(site, router)) => (site, Some(router)),
            Some(Entity::Site(site)) => (site, (!sites[site].routers.is_empty()).then_some(0)),
            Some(Entity::Appliance(appliance)) => {
                appliances.push((speaker.id.clone(), appliance));
                continue;
            }
            _ => {
                let reason = "names no site or router of `on_premises_sites` and no appliance";
                problems.push(DesignProblem::new(&speaker.id, "router", reason));
                continue;
            }
        };
        let tenant = speaker.tenant.clone().or_else(|| sites[site].tenant.clone());
        let here = |p: &&Place| {
            p.site == site && p.router == router && same_tenant(p.tenant.as_deref(), tenant.as_deref())
        };
        if let Some(other) = places.iter().find(here) {
            let reason = format_args!("`{}` runs there for the same tenant", other.speaker);
            problems.push(DesignProblem::new(&speaker.id, "router", reason));
        }
        let shared = speaker.tenant.is_none() && sites[site].role == SiteRole::Provider;
        places.push(Place { speaker: speaker.id.clone(), site, router, tenant, shared });
    }
    (places, appliances)
}

/// Links of the interior gateway protocol: routers of one site at no cost, and links between places, for speakers of one
/// system and one tenant. Routers without a speaker pass traffic too: they stand as speakers without sessions.
fn links(topology: &Topology, places: &[Place], design: &mut BgpDesign) -> Vec<(usize, ResourceId)> {
    let document = topology.document();
    struct Node {
        id: ResourceId,
        asn: Asn,
        tenant: Option<String>,
        any_tenant: bool,
    }
    let asns: HashMap<&ResourceId, Asn> = document.bgp_speakers.iter().map(|s| (&s.id, s.asn)).collect();
    let mut nodes: BTreeMap<(usize, usize), Vec<Node>> = BTreeMap::new();
    for place in places {
        let asn = asns.get(&place.speaker).copied().unwrap_or_default();
        let (id, tenant) = (place.speaker.clone(), place.tenant.clone());
        let node = Node { id, asn, tenant, any_tenant: place.shared };
        nodes.entry((place.site, place.router.unwrap_or(0))).or_default().push(node);
    }
    for (s, site) in document.on_premises_sites.iter().enumerate() {
        let Some(asn) = places.iter().find(|p| p.site == s).and_then(|p| asns.get(&p.speaker).copied())
        else {
            continue;
        };
        for (r, router) in site.routers.iter().enumerate() {
            if nodes.contains_key(&(s, r)) {
                continue;
            }
            let (id, tenant) = (site.router_id(&router.name), site.tenant.clone());
            design.speakers.push(BgpSpeaker { id: id.clone(), asn, ..BgpSpeaker::default() });
            nodes.insert((s, r), vec![Node { id, asn, tenant, any_tenant: true }]);
        }
    }
    let join = |design: &mut BgpDesign,
                [a, b]: [(usize, usize); 2],
                cost: u32,
                name: &ResourceId,
                only: Option<&str>| {
        for (x, y) in nodes
            .get(&a)
            .into_iter()
            .flatten()
            .flat_map(|x| nodes.get(&b).into_iter().flatten().map(move |y| (x, y)))
        {
            let fits = |node: &Node, tenant: Option<&str>| {
                node.any_tenant || same_tenant(node.tenant.as_deref(), tenant)
            };
            let together = fits(x, y.tenant.as_deref()) || fits(y, x.tenant.as_deref());
            let allowed = only.is_none_or(|tenant| fits(x, Some(tenant)) && fits(y, Some(tenant)));
            if x.asn == y.asn && together && allowed {
                let id = name.child(x.id.as_str(), y.id.as_str());
                design.links.push(IgpLink { id, a: x.id.clone(), b: y.id.clone(), cost });
            }
        }
    };
    for (s, site) in document.on_premises_sites.iter().enumerate() {
        for a in 0..site.routers.len() {
            for b in a + 1..site.routers.len() {
                join(design, [(s, a), (s, b)], 0, &site.id, None);
            }
        }
    }
    let place = |id: &ResourceId| match topology.entity(id) {
        Some(Entity::Site(site)) => Some((site, 0)),
        Some(Entity::Router(site, router)) => Some((site, router)),
        _ => None,
    };
    let mut found = Vec::new();
    for (l, link) in document.on_premises_links.iter().enumerate() {
        if let (Some(a), Some(b)) = (place(&link.a), place(&link.b)) {
            let before = design.links.len();
            join(design, [a, b], link.cost, &link.id, link.tenant.as_deref());
            found.extend(design.links[before..].iter().map(|link| (l, link.id.clone())));
        }
    }
    found
}

/// Every end that Azure can have, by name.
fn azure_ends(topology: &Topology) -> HashMap<ResourceId, LearnedOver> {
    let document = topology.document();
    let mut ends = HashMap::new();
    for (c, circuit) in document.express_route_circuits.iter().enumerate() {
        for peering in
            [PeeringType::AzurePrivatePeering, PeeringType::MicrosoftPeering, PeeringType::AzurePublicPeering]
        {
            for link in LinkRole::BOTH {
                ends.insert(azure::msee(&circuit.id, peering, link), LearnedOver::Circuit(c, peering, link));
            }
        }
    }
    for (n, connection) in document.connections.iter().enumerate() {
        ends.insert(connection.id.clone(), LearnedOver::Connection(n));
    }
    for (r, server) in document.route_servers.iter().enumerate() {
        ends.insert(server.id.clone(), LearnedOver::RouteServer(r));
    }
    for (h, hub) in document.virtual_hubs.iter().enumerate() {
        for (b, peer) in hub.bgp_connections.iter().enumerate() {
            ends.insert(hub.bgp_connection_id(&peer.name), LearnedOver::HubPeer(h, b));
        }
    }
    ends
}

impl Bgp {
    /// BGP after failures that take sessions and links and leave every announcement (`are_of_sessions`), or after speakers
    /// outside announced and withdrew prefixes, told to an engine that has converged. `None` where that would not be what a new one comes to.
    pub(super) fn after(&self, topology: &Topology, happened: &Before<'_>) -> Option<Self> {
        let document = topology.document();
        // What a limit took down might come back when less arrives.
        if !self.exceeded.is_empty() && document.knobs.limits == Limits::Enforce {
            return None;
        }
        let up = |circuit: usize, link: LinkRole| document.express_route_circuits[circuit].link(link).up;
        let stands = |what: Use| match what {
            Use::Outside { over: LearnedOver::Circuit(c, _, link), .. } => up(c, link),
            Use::Outside { over: LearnedOver::Connection(n), .. } => document.connections[n].connected,
            Use::Gateway { circuit, link, connection, .. } => {
                up(circuit, link) && document.connections[connection].connected
            }
            Use::GlobalReach { near, far } => up(near.0, near.1) && up(far.0, far.1),
            Use::Transit { near, far } => [near.1, far.1].iter().all(|c| document.connections[*c].connected),
            Use::Outside { over: LearnedOver::RouteServer(_) | LearnedOver::HubPeer(..), .. }
            | Use::Branch
            | Use::Beside
            | Use::Hubs { .. } => true,
        };
        let lost = self.wiring.sessions.iter().filter(|s| !stands(s.what)).map(|s| &s.id);
        let mut down: Vec<BgpChange> = lost.map(|id| BgpChange::SessionDown(id.clone())).collect();
        for element in happened.elements {
            match element {
                Element::Session(id) => {
                    // A family that Azure does not carry has no session.
                    let families = [AddressFamily::Ipv4Unicast, AddressFamily::Ipv6Unicast];
                    let ids = families.map(|family| azure::session_id(id, family)).into_iter();
                    let ids = ids.filter(|id| self.engine.has_session(id));
                    down.extend(ids.map(BgpChange::SessionDown));
                }
                Element::Link(id) => {
                    let of_link = self.links.iter().filter(|(l, _)| document.on_premises_links[*l].id == *id);
                    down.extend(of_link.map(|(_, link)| BgpChange::LinkDown(link.clone())));
                }
                _ => {}
            }
        }
        down.extend(happened.told.iter().cloned());
        let mut after = Self { exceeded: Vec::new(), ..self.clone() };
        after.engine.apply(&down).ok()?;
        after.limit(topology);
        Some(after)
    }

    /// Whether one of Azure's sessions still carries, in at its end, what it carried before.
    pub(super) fn hears_as(&self, before: &Self, session: &AzureSession) -> bool {
        [&session.speaker, &session.peer]
            .into_iter()
            .all(|speaker| self.engine.receives_as(&before.engine, &session.id, speaker))
    }

    /// What exceeds a limit takes its session down, so that everyone loses it (ER-4, ER-5, MSP-5, VPN-4, ARS-12); where
    /// limits only warn it is noted.
    fn limit(&mut self, topology: &Topology) {
        let enforce = topology.document().knobs.limits == Limits::Enforce;
        let prefixes = self.engine.statistics().prefixes;
        loop {
            let mut down: Vec<Vec<BgpChange>> = Vec::new();
            let mut found: Vec<Exceeded> = Vec::new();
            for session in &self.wiring.sessions {
                let (over, families): (Over, &[AddressFamily]) = match &session.what {
                    Use::Outside { over, family } => (Over::Outside(*over), std::slice::from_ref(family)),
                    Use::Gateway { connection, link: LinkRole::Primary, .. } => (
                        Over::Connection(*connection),
                        &[AddressFamily::Ipv4Unicast, AddressFamily::Ipv6Unicast],
                    ),
                    _ => continue,
                };
                for &family in families {
                    if self.exceeded.iter().any(|e| e.over == over && e.family == family) {
                        continue;
                    }
                    let limit = limit_of(topology, over, family);
                    let count = if prefixes > limit { self.count(session, family) } else { 0 };
                    if count > limit {
                        found.push(Exceeded { over, family, count, limit });
                        down.push(self.carriers(session, over));
                    }
                }
            }
            // What a neighbour's lost session takes away does not count any more one step on.
            if found.iter().any(|e| matches!(e.over, Over::Outside(_))) {
                let (outside, rest): (Vec<_>, Vec<_>) =
                    found.into_iter().zip(down).partition(|(e, _)| matches!(e.over, Over::Outside(_)));
                drop(rest);
                (found, down) = outside.into_iter().unzip();
            }
            let down: Vec<BgpChange> = down.into_iter().flatten().collect();
            self.exceeded.append(&mut found);
            // Every name is the engine's own.
            if !enforce || down.is_empty() || self.engine.apply(&down).is_err() {
                break;
            }
        }
    }

    /// How many prefixes of a family arrive over a session, what Microsoft's number is in left out (BGP-5).
    fn count(&self, session: &AzureSession, family: AddressFamily) -> usize {
        self.engine.count_arrivals(&session.id, &session.speaker, Stage::PrePolicy, |prefix, attributes| {
            AddressFamily::of(prefix) == family && attributes.as_path.count(Asn::MICROSOFT_EDGE) == 0
        })
    }

    /// What goes down when a limit is exceeded: the session, of a connection both links.
    fn carriers(&self, session: &AzureSession, over: Over) -> Vec<BgpChange> {
        let of_connection = |s: &&AzureSession| match (over, s.what) {
            (Over::Connection(c), Use::Gateway { connection, .. }) => c == connection,
            _ => s.id == session.id,
        };
        let sessions = self.wiring.sessions.iter().filter(of_connection);
        sessions.map(|s| BgpChange::SessionDown(s.id.clone())).collect()
    }

    /// Sessions of circuits that limits took down.
    pub(super) fn down_sessions(&self) -> impl Iterator<Item = Session> {
        self.exceeded.iter().filter_map(|e| match e.over {
            Over::Outside(LearnedOver::Circuit(circuit, peering, link)) => {
                Some(Session { circuit, peering, link, ipv6: e.family == AddressFamily::Ipv6Unicast })
            }
            _ => None,
        })
    }

    /// What one of Azure's sessions takes in, by AS path.
    fn advertisements(
        &self,
        topology: &Topology,
        session: &AzureSession,
        over: LearnedOver,
    ) -> Vec<Advertisement> {
        let document = topology.document();
        let (over, peering, link) = match over {
            LearnedOver::Circuit(c, peering, link) => {
                (document.express_route_circuits[c].id.clone(), peering, Some(link))
            }
            LearnedOver::Connection(n) => {
                (document.connections[n].id.clone(), PeeringType::AzurePrivatePeering, None)
            }
            LearnedOver::RouteServer(_) | LearnedOver::HubPeer(..) => return Vec::new(),
        };
        let mut by_path: BTreeMap<AsPath, Vec<IpNet>> = BTreeMap::new();
        for route in self.engine.adj_rib_in(&session.id, &session.speaker, Stage::PostPolicy) {
            by_path.entry(route.attributes.as_path).or_default().push(route.prefix);
        }
        let advertisement = |(path, prefixes)| Advertisement {
            over: over.clone(),
            peering,
            link,
            prefixes,
            as_path: flat(&path),
        };
        by_path.into_iter().map(advertisement).collect()
    }

    /// What each site tells Azure: what is declared, except over sessions that BGP computes, then what it computes.
    pub(super) fn told_by_sites(&self, topology: &Topology) -> Vec<Vec<Advertisement>> {
        let document = topology.document();
        let mut told: Vec<Vec<Advertisement>> = Vec::with_capacity(document.on_premises_sites.len());
        for site in &document.on_premises_sites {
            told.push(site.advertisements.iter().flat_map(|a| self.left_of(topology, a)).collect());
        }
        for (over, peer) in self.ends.iter() {
            let site = self.places.iter().find(|p| p.speaker == *peer).map(|p| p.site);
            if let Some(told) = site.and_then(|site| told.get_mut(site)) {
                let heard = self.wiring.outside(*over).flat_map(|s| self.advertisements(topology, s, *over));
                told.extend(heard);
            }
        }
        told
    }

    /// The part of a declared advertisement that no computed session takes the place of.
    fn left_of(&self, topology: &Topology, declared: &Advertisement) -> Vec<Advertisement> {
        match topology.entity(&declared.over) {
            Some(Entity::Circuit(c)) => {
                let links =
                    LinkRole::BOTH.into_iter().filter(|link| declared.link.is_none_or(|l| l == *link));
                let left: Vec<LinkRole> =
                    links.filter(|l| !self.computes(LearnedOver::Circuit(c, declared.peering, *l))).collect();
                match left.as_slice() {
                    [] => Vec::new(),
                    [only] => vec![Advertisement { link: Some(*only), ..declared.clone() }],
                    _ => vec![declared.clone()],
                }
            }
            Some(Entity::Connection(n)) if self.computes(LearnedOver::Connection(n)) => Vec::new(),
            _ => vec![declared.clone()],
        }
    }

    /// The sessions of Azure's that are computed.
    pub(super) fn computed(&self) -> Vec<LearnedOver> {
        self.ends.iter().map(|(over, _)| *over).collect()
    }

    /// Whether a session of Azure's is computed.
    pub(super) fn computes(&self, over: LearnedOver) -> bool {
        self.ends.iter().any(|(taken, _)| *taken == over)
    }

    /// The speaker at the other end of one of Azure's sessions.
    pub(super) fn peer(&self, over: LearnedOver) -> Option<&ResourceId> {
        self.ends.iter().find(|(taken, _)| *taken == over).map(|(_, peer)| peer)
    }

    /// The speaker that carries a tenant's routes at a place.
    pub(super) fn speaker_at(&self, places: &[usize], tenant: Option<&str>) -> Option<&ResourceId> {
        let places = || places.iter().filter_map(|p| self.places.get(*p));
        places()
            .find(|p| same_tenant(p.tenant.as_deref(), tenant))
            .or_else(|| places().find(|p| p.shared))
            .map(|p| &p.speaker)
    }

    /// Where a speaker sends packets for an address: the prefix that matches, and every way it uses.
    pub(super) fn route(
        &self,
        speaker: &ResourceId,
        destination: std::net::IpAddr,
    ) -> Option<(IpNet, Vec<Way<'_>>)> {
        let found = self.engine.longest_match(speaker, destination)?;
        let prefix = found.prefix;
        let routes = self.engine.routes(speaker, &prefix)?;
        let mut ways = Vec::new();
        for entry in routes.used() {
            let way = match entry.route.from {
                LearnedFrom::Local(kind) => Way::Own(kind),
                LearnedFrom::Neighbor { speaker: neighbor, session } => match self.wiring.get(session) {
                    Some(AzureSession { what: Use::Outside { over, .. }, .. }) => Way::Azure(*over),
                    // Reflectors do not stand in the way: packets go to who brought the route into the system.
                    _ => Way::Speaker(
                        entry
                            .route
                            .attributes
                            .originator_id
                            .and_then(|id| self.engine.with_router_id(speaker, id))
                            .unwrap_or(neighbor),
                    ),
                },
            };
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        Some((prefix, ways))
    }
}

/// A way that a speaker sends packets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Way<'b> {
    /// Its own route.
    Own(crate::bgp::decision::LocalRoute),
    /// To one of Azure's ends.
    Azure(LearnedOver),
    /// To another speaker.
    Speaker(&'b ResourceId),
}

/// How many prefixes of a family a session takes.
fn limit_of(topology: &Topology, over: Over, family: AddressFamily) -> usize {
    let ipv6 = family == AddressFamily::Ipv6Unicast;
    match over {
        Over::Outside(LearnedOver::Circuit(c, peering, _)) => {
            limits::accepted_prefixes(topology.document().express_route_circuits[c].sku_tier, peering, ipv6)
        }
        Over::Outside(LearnedOver::Connection(_)) => limits::VPN_PREFIXES,
        Over::Outside(LearnedOver::RouteServer(_)) => limits::ROUTE_SERVER_ROUTES,
        Over::Outside(LearnedOver::HubPeer(..)) => usize::MAX,
        Over::Connection(_) => limits::advertised_prefixes(ipv6),
    }
}

/// A path as a list of numbers of the same length: of a set, its lowest.
pub(super) fn flat(path: &AsPath) -> Vec<Asn> {
    let mut numbers = Vec::new();
    for (kind, asns) in path.segments() {
        match kind {
            SegmentKind::Sequence => numbers.extend_from_slice(asns),
            SegmentKind::Set => numbers.extend(asns.first()),
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => {}
        }
    }
    numbers
}
