//! Computed BGP outside Azure: the document's speakers and sessions as a design, with one stub speaker for each end that
//! Azure has, and what comes back: what arrives at Azure's ends, and what each router outside chose.
//!
//! A session's end that names no speaker is Azure's: a link of a circuit's peering
//! (`{circuit}/peerings/{peering type}/links/{primary|secondary}`) or a VPN connection. What is computed for such a
//! session takes the place of what is declared for it.

use std::collections::{BTreeMap, HashMap};

use ipnet::IpNet;

use super::LearnedOver;
use super::scope::same_tenant;
use crate::bgp::{BgpChange, DesignError, DesignProblem, Engine, LearnedFrom, Stage};
use crate::model::bgp::{
    AddressFamily, AsPath, BgpDesign, BgpSession, BgpSpeaker, IgpLink, Origination, Profile, SegmentKind,
};
use crate::model::{
    Advertisement, Asn, Entity, LinkRole, PeeringType, ResourceId, SiteRole, Topology, VpnType,
};

/// BGP outside Azure, converged.
#[derive(Debug)]
pub(crate) struct Bgp {
    pub(crate) engine: Engine,
    /// Where each speaker runs.
    pub(super) places: Vec<Place>,
    /// Azure's ends.
    pub(super) ends: Vec<AzureEnd>,
    by_stub: HashMap<ResourceId, usize>,
    /// What each of Azure's ends hears.
    heard: Vec<Vec<Advertisement>>,
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

/// One of Azure's ends: a session for each family.
#[derive(Debug)]
pub(super) struct AzureEnd {
    /// Its stub speaker.
    pub(super) stub: ResourceId,
    pub(super) sessions: Vec<(AddressFamily, ResourceId)>,
    /// The speaker at the other end.
    pub(super) peer: ResourceId,
    pub(super) over: LearnedOver,
}

/// What Azure tells over its ends, as the rest of the control plane knows it.
pub(super) trait Azure {
    /// What a circuit's peering tells the customer.
    fn told(&mut self, circuit: usize, peering: PeeringType) -> Vec<Origination>;
    /// Prefixes over a VPN connection.
    fn told_by_vpn(&mut self, connection: usize) -> Vec<IpNet>;
    /// How many prefixes a session takes from the customer; none where limits only warn.
    fn limit(&self, over: LearnedOver, family: AddressFamily) -> Option<usize>;
}

/// Converges the document's speakers; `None` where it has none.
pub(super) fn converge(topology: &Topology, azure: &mut dyn Azure) -> Result<Option<Bgp>, DesignError> {
    let document = topology.document();
    if document.bgp_speakers.is_empty() && document.bgp_sessions.is_empty() {
        return Ok(None);
    }
    let mut problems = Vec::new();
    let places = places(topology, &mut problems);
    let mut design = BgpDesign {
        routing_policy: document.routing_policy.clone(),
        speakers: document.bgp_speakers.clone(),
        sessions: Vec::new(),
        links: Vec::new(),
    };
    links(topology, &places, &mut design);
    let mut ends: Vec<AzureEnd> = Vec::new();
    let known = azure_ends(topology);
    let speakers: HashMap<&ResourceId, &BgpSpeaker> =
        document.bgp_speakers.iter().map(|s| (&s.id, s)).collect();
    for session in &document.bgp_sessions {
        let azure_side = match (speakers.get(&session.a.speaker), speakers.get(&session.b.speaker)) {
            (Some(_), None) => &session.b,
            (None, Some(_)) => &session.a,
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
                "`{}` is neither a BGP speaker, nor a link of a circuit's peering, nor a VPN connection",
                azure_side.speaker
            );
            problems.push(DesignProblem::new(&session.id, "speaker", reason));
            continue;
        };
        let peer = if std::ptr::eq(azure_side, &session.a) { &session.b } else { &session.a };
        if ends.iter().any(|end| end.over == over) {
            let reason = format_args!("`{}` has a session already", azure_side.speaker);
            problems.push(DesignProblem::new(&session.id, "speaker", reason));
            continue;
        }
        let end = attach(topology, session, (&azure_side.speaker, &peer.speaker), over, azure, &mut design);
        ends.push(end);
    }
    if !problems.is_empty() {
        return Err(DesignError { problems });
    }
    let engine = Engine::build(&design)?;
    let by_stub = ends.iter().enumerate().map(|(i, end)| (end.stub.clone(), i)).collect();
    let mut bgp = Bgp { engine, places, ends, by_stub, heard: Vec::new() };
    bgp.listen(topology, azure);
    Ok(Some(bgp))
}

/// Where speakers run; what is wrong about it.
fn places(topology: &Topology, problems: &mut Vec<DesignProblem>) -> Vec<Place> {
    let sites = &topology.document().on_premises_sites;
    let mut places: Vec<Place> = Vec::new();
    for speaker in &topology.document().bgp_speakers {
        let (site, router) = match topology.entity(speaker.router.as_ref().unwrap_or(&speaker.id)) {
            Some(Entity::Router(site, router)) => (site, Some(router)),
            Some(Entity::Site(site)) => (site, (!sites[site].routers.is_empty()).then_some(0)),
            _ => {
                let reason = "names no site or router of `on_premises_sites`";
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
    places
}

/// Links of the interior gateway protocol: routers of one site at no cost, and links between places, for speakers of one
/// system and one tenant. Routers without a speaker pass traffic too: they stand as speakers without sessions.
fn links(topology: &Topology, places: &[Place], design: &mut BgpDesign) {
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
    let mut join =
        |a: (usize, usize), b: (usize, usize), cost: u32, name: &ResourceId, only: Option<&str>| {
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
                join((s, a), (s, b), 0, &site.id, None);
            }
        }
    }
    let place = |id: &ResourceId| match topology.entity(id) {
        Some(Entity::Site(site)) => Some((site, 0)),
        Some(Entity::Router(site, router)) => Some((site, router)),
        _ => None,
    };
    for link in &document.on_premises_links {
        if let (Some(a), Some(b)) = (place(&link.a), place(&link.b)) {
            join(a, b, link.cost, &link.id, link.tenant.as_deref());
        }
    }
}

/// The name of Azure's end of a circuit's link.
pub(crate) fn circuit_end(circuit: &ResourceId, peering: PeeringType, link: LinkRole) -> ResourceId {
    circuit.child("peerings", peering.as_str()).child("links", link.as_str())
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
                ends.insert(circuit_end(&circuit.id, peering, link), LearnedOver::Circuit(c, peering, link));
            }
        }
    }
    for (n, connection) in document.connections.iter().enumerate() {
        ends.insert(connection.id.clone(), LearnedOver::Connection(n));
    }
    ends
}

/// Adds the stub speaker of one of Azure's ends, with what Azure tells there, and a session for each family.
fn attach(
    topology: &Topology,
    session: &BgpSession,
    (stub, peer): (&ResourceId, &ResourceId),
    over: LearnedOver,
    azure: &mut dyn Azure,
    design: &mut BgpDesign,
) -> AzureEnd {
    let document = topology.document();
    let (asn, profile, up, originate) = match over {
        LearnedOver::Circuit(c, peering, link) => {
            let circuit = &document.express_route_circuits[c];
            let up = circuit.link(link).up && circuit.peering(peering).is_some();
            (Asn::MICROSOFT_EDGE, Profile::AzureMsee, up, azure.told(c, peering))
        }
        LearnedOver::Connection(n) => {
            let connection = &document.connections[n];
            let gateway = match topology.entity(&connection.virtual_network_gateway) {
                Some(Entity::Gateway(g)) => Some(&document.virtual_network_gateways[g]),
                _ => None,
            };
            let speaks = gateway.is_some_and(|g| {
                g.vpn_type == VpnType::RouteBased
                    && !g.sku.as_deref().is_some_and(|sku| sku.eq_ignore_ascii_case("Basic"))
            });
            let up = connection.connected && connection.enable_bgp && speaks;
            let prefixes = azure.told_by_vpn(n);
            let originate = vec![Origination { prefixes, ..Origination::default() }];
            (gateway.map_or(Asn::AZURE_GATEWAY, |g| g.asn), Profile::AzureVpnGateway, up, originate)
        }
    };
    design.speakers.push(BgpSpeaker { id: stub.clone(), asn, profile, originate, ..BgpSpeaker::default() });
    let mut sessions = Vec::new();
    for family in [AddressFamily::Ipv4Unicast, AddressFamily::Ipv6Unicast] {
        // VPN carries IPv4 only (VPN-13).
        let carried = family == AddressFamily::Ipv4Unicast || matches!(over, LearnedOver::Circuit(..));
        if !session.families.contains(&family) || !carried {
            continue;
        }
        let id = match family {
            AddressFamily::Ipv4Unicast => session.id.clone(),
            AddressFamily::Ipv6Unicast => session.id.child("families", "ipv6"),
        };
        let shutdown = session.shutdown || !up;
        design.sessions.push(BgpSession {
            id: id.clone(),
            families: vec![family],
            shutdown,
            ..session.clone()
        });
        sessions.push((family, id));
    }
    AzureEnd { stub: stub.clone(), sessions, peer: peer.clone(), over }
}

impl Bgp {
    /// Hears what arrives at Azure's ends. What exceeds a limit takes its session down, so that the routers outside lose
    /// it too (ER-4, MSP-5, VPN-4); what was heard last stays noted, for the report.
    fn listen(&mut self, topology: &Topology, azure: &dyn Azure) {
        let mut heard: Vec<BTreeMap<AddressFamily, Vec<Advertisement>>> =
            self.ends.iter().map(|_| BTreeMap::new()).collect();
        let mut fixed: Vec<(usize, AddressFamily)> = Vec::new();
        loop {
            let mut down = Vec::new();
            for (e, end) in self.ends.iter().enumerate() {
                for (family, session) in &end.sessions {
                    if fixed.contains(&(e, *family)) {
                        continue;
                    }
                    let advertisements = self.advertisements(topology, end, session);
                    let count: usize = advertisements.iter().map(|a| a.prefixes.len()).sum();
                    if azure.limit(end.over, *family).is_some_and(|limit| count > limit) {
                        fixed.push((e, *family));
                        down.push(BgpChange::SessionDown(session.clone()));
                    }
                    heard[e].insert(*family, advertisements);
                }
            }
            // Every name is the engine's own.
            if down.is_empty() || self.engine.apply(&down).is_err() {
                break;
            }
        }
        self.heard = heard.into_iter().map(|by_family| by_family.into_values().flatten().collect()).collect();
    }

    /// What one of Azure's sessions takes in, by AS path.
    fn advertisements(
        &self,
        topology: &Topology,
        end: &AzureEnd,
        session: &ResourceId,
    ) -> Vec<Advertisement> {
        let document = topology.document();
        let (over, peering, link) = match end.over {
            LearnedOver::Circuit(c, peering, link) => {
                (document.express_route_circuits[c].id.clone(), peering, Some(link))
            }
            LearnedOver::Connection(n) => {
                (document.connections[n].id.clone(), PeeringType::AzurePrivatePeering, None)
            }
        };
        let mut by_path: BTreeMap<AsPath, Vec<IpNet>> = BTreeMap::new();
        for route in self.engine.adj_rib_in(session, &end.stub, Stage::PostPolicy) {
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
        for (end, heard) in self.ends.iter().zip(&self.heard) {
            let site = self.places.iter().find(|p| p.speaker == end.peer).map(|p| p.site);
            if let Some(told) = site.and_then(|site| told.get_mut(site)) {
                told.extend(heard.iter().cloned());
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
        self.ends.iter().map(|end| end.over).collect()
    }

    /// Whether a session of Azure's is computed.
    pub(super) fn computes(&self, over: LearnedOver) -> bool {
        self.ends.iter().any(|end| end.over == over)
    }

    /// The speaker at the other end of one of Azure's sessions.
    pub(super) fn peer(&self, over: LearnedOver) -> Option<&ResourceId> {
        self.ends.iter().find(|end| end.over == over).map(|end| &end.peer)
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
                LearnedFrom::Neighbor { speaker: neighbor, .. } => match self.by_stub.get(neighbor) {
                    Some(end) => Way::Azure(self.ends[*end].over),
                    // Reflectors do not stand in the way: packets go to who brought the route into the system.
                    None => Way::Speaker(
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

/// A path as a list of numbers of the same length: of a set, its lowest.
fn flat(path: &AsPath) -> Vec<Asn> {
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
