//! BGP as the RFCs tell it, one prefix and one message at a time.
//!
//! Speakers send each other whole routes over first-in-first-out sessions, in a random order of arrival, until there is
//! nothing on its way. Nothing is shared, grouped or remembered. It knows routers that follow RFC 4271
//! ([`Profile::Rfc4271`]) with one route a session; policies are the library's own
//! ([`Policies`]), which other tests check.
//!
//! [`Profile::Rfc4271`]: crate::model::bgp::Profile::Rfc4271

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use crate::bgp::policy::{Context, Policies, PolicyError};
use crate::bgp::{BgpChange, Settings};
use crate::model::ResourceId;
use crate::model::bgp::{
    AddressFamily, Aggregator, AsPath, Asn, BgpDesign, BgpSpeaker, ClusterList, Communities, Community,
    DefaultPolicy, IgpLink, LocalAs, Origin, PathAttributes, PrivateAsAction, RouteType, Segment,
    SegmentKind, SessionEnd, SourceProtocol, StaticNextHop,
};
use crate::testing::generate::Random;

/// A speaker's best route of a prefix.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Its attributes, after the import policy.
    pub attributes: PathAttributes,
    /// The session it came over; none is made here.
    pub session: Option<ResourceId>,
}

/// What every speaker chose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tables {
    /// By speaker and prefix.
    pub best: BTreeMap<(ResourceId, IpNet), Chosen>,
    /// Sessions that a prefix limit took down.
    pub over_limit: BTreeSet<ResourceId>,
}

/// How many messages a prefix may take.
const MESSAGES: usize = 20_000;

/// Runs a design until nothing is on its way. `seed` decides the order of arrival. `None` where it does not settle.
///
/// # Errors
///
/// Policies that cannot be compiled.
pub fn converge(design: &BgpDesign, seed: u64) -> Result<Option<Tables>, PolicyError> {
    let mut oracle = Oracle::new(design)?;
    let mut random = Random::new(seed);
    loop {
        let Some(runs) = oracle.all_prefixes(&mut random) else { return Ok(None) };
        let over = oracle.over_limit(&runs);
        if over.is_empty() {
            return Ok(Some(oracle.tables(&runs)));
        }
        oracle.down.extend(over);
    }
}

/// Whether what speakers chose is stable: each, from what the others' choices make them send, would choose the same
/// again. The first speaker and prefix for which that is not so, and what it would choose.
///
/// # Errors
///
/// Policies that cannot be compiled.
pub fn unstable(
    design: &BgpDesign,
    tables: &Tables,
) -> Result<Option<(ResourceId, IpNet, Option<Chosen>)>, PolicyError> {
    let mut oracle = Oracle::new(design)?;
    for session in design.sessions.iter().enumerate() {
        if tables.over_limit.contains(&session.1.id) {
            oracle.down.insert(session.0);
        }
    }
    let mut runs: BTreeMap<IpNet, Run> = BTreeMap::new();
    for prefix in oracle.prefixes() {
        let mut run = oracle.start(&prefix, &runs);
        for s in 0..oracle.speakers.len() {
            run.best[s] = tables.best.get(&(oracle.speakers[s].id.clone(), prefix)).map(|chosen| Held {
                attributes: chosen.attributes.clone(),
                end: chosen.session.as_ref().and_then(|id| oracle.end_at(id, s)),
                protocol: oracle.local_protocol(&run, s, chosen),
            });
        }
        for e in 0..oracle.ends.len() {
            let sent = oracle.export(&run, e);
            run.received[e ^ 1] = sent.and_then(|route| oracle.import(&prefix, e ^ 1, route));
        }
        for s in 0..oracle.speakers.len() {
            let again = oracle.choose(&run, s);
            let same = |a: &Held, b: &Held| a.attributes == b.attributes && a.end == b.end;
            let is_same = match (&again, &run.best[s]) {
                (None, None) => true,
                (Some(a), Some(b)) => same(a, b),
                _ => false,
            };
            if !is_same {
                let chosen = again.map(|held| oracle.chosen(&held));
                return Ok(Some((oracle.speakers[s].id.clone(), prefix, chosen)));
            }
        }
        runs.insert(prefix, run);
    }
    Ok(None)
}

/// A design, and what happened to it: gives the design that is left.
#[derive(Clone, Debug)]
pub struct Changed {
    design: BgpDesign,
    speakers_down: BTreeSet<ResourceId>,
    links_down: BTreeSet<ResourceId>,
}

impl Changed {
    /// Nothing happened yet.
    pub fn new(design: &BgpDesign) -> Self {
        Self { design: design.clone(), speakers_down: BTreeSet::new(), links_down: BTreeSet::new() }
    }

    /// Something happens.
    pub fn apply(&mut self, change: &BgpChange) {
        let mark = |down: &mut BTreeSet<ResourceId>, id: &ResourceId, is_down: bool| {
            if is_down {
                down.insert(id.clone())
            } else {
                down.remove(id)
            };
        };
        match change {
            BgpChange::SessionDown(id) | BgpChange::SessionUp(id) => {
                for session in self.design.sessions.iter_mut().filter(|s| s.id == *id) {
                    session.shutdown = matches!(change, BgpChange::SessionDown(_));
                }
            }
            BgpChange::LinkDown(id) => mark(&mut self.links_down, id, true),
            BgpChange::LinkUp(id) => mark(&mut self.links_down, id, false),
            BgpChange::SpeakerDown(id) => mark(&mut self.speakers_down, id, true),
            BgpChange::SpeakerUp(id) => mark(&mut self.speakers_down, id, false),
            BgpChange::Announce(id, origination) => {
                self.withdraw(id, &origination.prefixes);
                for speaker in self.design.speakers.iter_mut().filter(|s| s.id == *id) {
                    speaker.originate.push(origination.clone());
                }
            }
            BgpChange::Withdraw(id, prefixes) => self.withdraw(id, prefixes),
        }
    }

    fn withdraw(&mut self, id: &ResourceId, prefixes: &[IpNet]) {
        for speaker in self.design.speakers.iter_mut().filter(|s| s.id == *id) {
            for origination in &mut speaker.originate {
                origination.prefixes.retain(|p| !prefixes.iter().any(|q| q.trunc() == p.trunc()));
            }
        }
    }

    /// What is left. A lost link becomes one from a router to itself, so that its system still counts as one with links.
    pub fn design(&self) -> BgpDesign {
        let mut design = self.design.clone();
        let gone = |id: &ResourceId| self.speakers_down.contains(id);
        design.speakers.retain(|s| !gone(&s.id));
        design.sessions.retain(|s| !gone(&s.a.speaker) && !gone(&s.b.speaker));
        design.links = design
            .links
            .into_iter()
            .filter_map(|link| {
                if !self.links_down.contains(&link.id) && !gone(&link.a) && !gone(&link.b) {
                    return Some(link);
                }
                let left = [link.a, link.b].into_iter().find(|end| !gone(end))?;
                Some(IgpLink { id: link.id, a: left.clone(), b: left, cost: 1 })
            })
            .collect();
        design
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    External,
    Member,
    Internal,
}

/// One end of a session; the other end of `e` is `e ^ 1`.
#[derive(Clone, Debug)]
struct End {
    session: ResourceId,
    speaker: usize,
    other: usize,
    kind: Kind,
    options: SessionEnd,
    shut: bool,
    v4: bool,
    v6: bool,
    own_v4: IpAddr,
    own_v6: IpAddr,
    own_asn: Asn,
    peer_asn: Asn,
    peer_address: IpAddr,
}

/// A route that a speaker has.
#[derive(Clone, Debug)]
struct Held {
    attributes: PathAttributes,
    /// The end it came in at; none is made here.
    end: Option<usize>,
    protocol: SourceProtocol,
}

/// One prefix.
#[derive(Clone, Debug)]
struct Run {
    prefix: IpNet,
    locals: Vec<Vec<(PathAttributes, SourceProtocol)>>,
    received: Vec<Option<PathAttributes>>,
    best: Vec<Option<Held>>,
    /// Whether an aggregate at the speaker keeps the prefix back: always, or by policy.
    covered: Vec<Vec<(bool, Vec<String>)>>,
}

struct Oracle {
    design: BgpDesign,
    policies: Policies,
    settings: Settings,
    speakers: Vec<BgpSpeaker>,
    ends: Vec<End>,
    distances: Vec<Vec<Option<u32>>>,
    /// By position in the design.
    down: BTreeSet<usize>,
}

fn outside_asn(speaker: &BgpSpeaker) -> Asn {
    speaker.confederation.as_ref().map_or(speaker.asn, |c| c.identifier)
}

fn router_id(speaker: &BgpSpeaker) -> Ipv4Addr {
    speaker.router_id.unwrap_or(Ipv4Addr::UNSPECIFIED)
}

fn is_v4(prefix: &IpNet) -> bool {
    prefix.addr().is_ipv4()
}

impl Oracle {
    fn new(design: &BgpDesign) -> Result<Self, PolicyError> {
        let policies = Policies::compile(&design.routing_policy)?;
        let speakers = design.speakers.clone();
        let mut ends = Vec::new();
        for session in &design.sessions {
            let at = |id: &ResourceId| speakers.iter().position(|s| s.id == *id).unwrap_or_default();
            let (a, b) = (at(&session.a.speaker), at(&session.b.speaker));
            let kind = if outside_asn(&speakers[a]) != outside_asn(&speakers[b]) {
                Kind::External
            } else if speakers[a].asn == speakers[b].asn {
                Kind::Internal
            } else {
                Kind::Member
            };
            let shown = |end: &SessionEnd, s: usize| match (kind, end.local_as) {
                (Kind::External, Some(local)) => local.asn,
                (Kind::External, None) => outside_asn(&speakers[s]),
                _ => speakers[s].asn,
            };
            let address = |me: usize, end: &SessionEnd, them: usize, v4: bool| {
                let given = end.addresses.iter().find(|a| a.is_ipv4() == v4).copied();
                given.or_else(|| {
                    // The first pair of interfaces in one network, in the order of the session's first end.
                    speakers[a].interfaces.iter().filter(|i| i.address.addr().is_ipv4() == v4).find_map(|x| {
                        let y = speakers[b].interfaces.iter().find(|y| {
                            x.address.contains(&y.address.addr()) && y.address.contains(&x.address.addr())
                        })?;
                        let pair = (x.address.addr(), y.address.addr());
                        (pair.0 != pair.1).then_some(if (me, them) == (a, b) { pair.0 } else { pair.1 })
                    })
                })
            };
            for (me, them, own, theirs) in [(a, b, &session.a, &session.b), (b, a, &session.b, &session.a)] {
                let fallback_v4 = |s: usize| IpAddr::V4(router_id(&speakers[s]));
                let own_v4 = address(me, own, them, true).unwrap_or(fallback_v4(me));
                let peer_v4 = address(them, theirs, me, true).unwrap_or(fallback_v4(them));
                let mapped = match own_v4 {
                    IpAddr::V4(v4) => IpAddr::V6(v4.to_ipv6_mapped()),
                    v6 @ IpAddr::V6(_) => v6,
                };
                let carries = |family| session.families.contains(&family);
                ends.push(End {
                    session: session.id.clone(),
                    speaker: me,
                    other: them,
                    kind,
                    options: own.clone(),
                    shut: session.shutdown,
                    v4: carries(AddressFamily::Ipv4Unicast),
                    v6: carries(AddressFamily::Ipv6Unicast),
                    own_v4,
                    own_v6: address(me, own, them, false).unwrap_or(mapped),
                    own_asn: shown(own, me),
                    peer_asn: shown(theirs, them),
                    peer_address: theirs.addresses.first().copied().unwrap_or(peer_v4),
                });
            }
        }
        let distances = distances(design);
        Ok(Self {
            design: design.clone(),
            policies,
            settings: Settings::default(),
            speakers,
            ends,
            distances,
            down: BTreeSet::new(),
        })
    }

    /// Longest first, so that what an aggregate is made of is known before it.
    fn prefixes(&self) -> Vec<IpNet> {
        let mut all: BTreeSet<IpNet> = BTreeSet::new();
        for speaker in &self.speakers {
            all.extend(speaker.originate.iter().flat_map(|o| &o.prefixes).map(IpNet::trunc));
            all.extend(speaker.aggregates.iter().map(|a| a.prefix.trunc()));
            for redistribution in &speaker.redistribute {
                all.extend(redistributed(speaker, redistribution.protocol));
            }
        }
        if self.ends.iter().any(|e| e.options.default_originate.is_some()) {
            all.insert(IpNet::V4(ipnet::Ipv4Net::default()));
            all.insert(IpNet::V6(ipnet::Ipv6Net::default()));
        }
        let mut all: Vec<IpNet> = all.into_iter().collect();
        all.sort_by_key(|p| (std::cmp::Reverse(p.prefix_len()), *p));
        all
    }

    fn all_prefixes(&self, random: &mut Random) -> Option<BTreeMap<IpNet, Run>> {
        let mut runs = BTreeMap::new();
        for prefix in self.prefixes() {
            let mut run = self.start(&prefix, &runs);
            if !self.settle(&mut run, random) {
                return None;
            }
            runs.insert(prefix, run);
        }
        Some(runs)
    }

    /// A prefix before anything was sent.
    fn start(&self, prefix: &IpNet, runs: &BTreeMap<IpNet, Run>) -> Run {
        let locals = self.speakers.iter().enumerate().map(|(s, speaker)| {
            let mut routes = Vec::new();
            for origination in &speaker.originate {
                if origination.prefixes.iter().any(|p| p.trunc() == *prefix) {
                    let entered = self.entered(
                        prefix,
                        speaker,
                        origination.attributes.clone(),
                        &origination.policies,
                        SourceProtocol::Bgp,
                    );
                    routes.extend(entered.map(|a| (a, SourceProtocol::Bgp)));
                }
            }
            for taken in &speaker.redistribute {
                if redistributed(speaker, taken.protocol).contains(prefix) {
                    let plain = PathAttributes { origin: Origin::Incomplete, ..PathAttributes::default() };
                    let entered = self.entered(prefix, speaker, plain, &taken.policies, taken.protocol);
                    routes.extend(entered.map(|a| (a, taken.protocol)));
                }
            }
            for aggregate in speaker.aggregates.iter().filter(|a| a.prefix.trunc() == *prefix) {
                // RFC 4271 section 9.2.2.2.
                let parts: Vec<PathAttributes> = runs
                    .values()
                    .filter(|r| prefix.contains(&r.prefix) && r.prefix != *prefix)
                    .filter_map(|r| Some(r.best[s].as_ref()?.attributes.clone()))
                    .collect();
                if parts.is_empty() {
                    continue;
                }
                let mut summary = summary(&parts, aggregate.as_set);
                summary.aggregator =
                    Some(Aggregator { asn: outside_asn(speaker), address: router_id(speaker) });
                let entered =
                    self.entered(prefix, speaker, summary, &aggregate.attributes, SourceProtocol::Bgp);
                routes.extend(entered.map(|a| (a, SourceProtocol::Bgp)));
            }
            routes
        });
        let covered = self.speakers.iter().map(|speaker| {
            let around =
                |a: &&crate::model::bgp::Aggregate| a.prefix.contains(prefix) && a.prefix.trunc() != *prefix;
            speaker.aggregates.iter().filter(around).map(|a| (a.summary_only, a.suppress.clone())).collect()
        });
        Run {
            prefix: *prefix,
            locals: locals.collect(),
            received: vec![None; self.ends.len()],
            best: vec![None; self.speakers.len()],
            covered: covered.collect(),
        }
    }

    fn entered(
        &self,
        prefix: &IpNet,
        speaker: &BgpSpeaker,
        mut attributes: PathAttributes,
        names: &[String],
        protocol: SourceProtocol,
    ) -> Option<PathAttributes> {
        attributes.weight = attributes.weight.or(Some(0));
        let context = Context {
            prefix,
            neighbor: None,
            own_address: Some(IpAddr::V4(router_id(speaker))),
            own_asn: speaker.asn,
            peer_asn: None,
            route_type: RouteType::Local,
            source_protocol: protocol,
            igp_cost: None,
            export: false,
            settings: &self.settings,
        };
        self.passes(names, DefaultPolicy::AcceptRoute, &context, &mut attributes)?;
        Some(attributes)
    }

    /// Whether the next hop was set, if the policies let it pass.
    fn passes(
        &self,
        names: &[String],
        default: DefaultPolicy,
        context: &Context<'_>,
        attributes: &mut PathAttributes,
    ) -> Option<bool> {
        let chain = self.policies.chain(names, default).ok()?;
        let outcome = self.policies.evaluate(&chain, context, attributes);
        outcome.accepted.then_some(outcome.next_hop_set)
    }

    /// Delivers messages one by one, from a session picked at random, until there is none.
    fn settle(&self, run: &mut Run, random: &mut Random) -> bool {
        let mut on_its_way: Vec<VecDeque<Option<PathAttributes>>> = vec![VecDeque::new(); self.ends.len()];
        let mut told: Vec<Option<PathAttributes>> = vec![None; self.ends.len()];
        let speak = |run: &Run,
                     speaker: usize,
                     told: &mut Vec<Option<PathAttributes>>,
                     on_its_way: &mut Vec<VecDeque<Option<PathAttributes>>>| {
            for (e, end) in self.ends.iter().enumerate() {
                if end.speaker != speaker {
                    continue;
                }
                let sent = self.export(run, e);
                if sent != told[e] {
                    told[e].clone_from(&sent);
                    on_its_way[e].push_back(sent);
                }
            }
        };
        for s in 0..self.speakers.len() {
            run.best[s] = self.choose(run, s);
            speak(run, s, &mut told, &mut on_its_way);
        }
        for _ in 0..MESSAGES {
            let waiting: Vec<usize> = (0..self.ends.len()).filter(|e| !on_its_way[*e].is_empty()).collect();
            if waiting.is_empty() {
                return true;
            }
            let at = random.below(u32::try_from(waiting.len()).unwrap_or(u32::MAX));
            let e = waiting[at as usize];
            let Some(message) = on_its_way[e].pop_front() else { continue };
            run.received[e ^ 1] = message.and_then(|route| self.import(&run.prefix, e ^ 1, route));
            let s = self.ends[e].other;
            run.best[s] = self.choose(run, s);
            speak(run, s, &mut told, &mut on_its_way);
        }
        false
    }

    fn own(&self, e: usize, v4: bool) -> IpAddr {
        if v4 { self.ends[e].own_v4 } else { self.ends[e].own_v6 }
    }

    fn established(&self, e: usize, prefix: &IpNet) -> bool {
        let end = &self.ends[e];
        !end.shut && !self.down.contains(&(e / 2)) && if is_v4(prefix) { end.v4 } else { end.v6 }
    }

    fn default_policy(&self, names: &[String], given: Option<DefaultPolicy>) -> DefaultPolicy {
        let none = if names.is_empty() { DefaultPolicy::AcceptRoute } else { DefaultPolicy::RejectRoute };
        given.unwrap_or(none)
    }

    /// What is on its way from an end.
    fn export(&self, run: &Run, e: usize) -> Option<PathAttributes> {
        let end = &self.ends[e];
        if !self.established(e, &run.prefix) {
            return None;
        }
        let v4 = is_v4(&run.prefix);
        let best = run.best[end.speaker].as_ref();
        let mut context = Context {
            prefix: &run.prefix,
            neighbor: Some(end.peer_address),
            own_address: Some(self.own(e, v4)),
            own_asn: end.own_asn,
            peer_asn: Some(end.peer_asn),
            route_type: RouteType::Local,
            source_protocol: SourceProtocol::Bgp,
            igp_cost: None,
            export: true,
            settings: &self.settings,
        };
        if run.prefix.prefix_len() == 0
            && let Some(made) = &end.options.default_originate
            && (best.is_some() || !made.only_if_present)
        {
            let mut route = PathAttributes::default();
            if let Some(set) = self.passes(&made.policies, DefaultPolicy::AcceptRoute, &context, &mut route) {
                if !set || route.next_hop.is_none() {
                    route.next_hop = Some(self.own(e, v4));
                }
                return Some(self.on_the_wire(e, route));
            }
        }
        let best = best?;
        let source = best.end.map(|from| &self.ends[from]);
        // Split horizon.
        if best.end == Some(e) {
            return None;
        }
        let from_inside = source.is_some_and(|s| s.kind == Kind::Internal);
        let reflected = from_inside && end.kind == Kind::Internal;
        // RFC 4271 section 9.2, RFC 4456 section 6.
        if reflected
            && !end.options.route_reflector_client
            && !source.is_some_and(|s| s.options.route_reflector_client)
        {
            return None;
        }
        // RFC 1997, and RFC 5065 for members.
        let carries = |community| best.attributes.communities.contains(community);
        let stops = carries(Community::NO_ADVERTISE)
            || carries(Community::NO_EXPORT) && end.kind == Kind::External
            || carries(Community::NO_EXPORT_SUBCONFED) && end.kind != Kind::Internal;
        if stops {
            return None;
        }
        for (always, names) in &run.covered[end.speaker] {
            let picked = !names.is_empty()
                && self
                    .passes(names, DefaultPolicy::RejectRoute, &context, &mut best.attributes.clone())
                    .is_some();
            if *always || picked {
                return None;
            }
        }
        let mut route = best.attributes.clone();
        context.route_type = match source.map(|s| s.kind) {
            None => RouteType::Local,
            Some(Kind::Internal) => RouteType::Internal,
            Some(_) => RouteType::External,
        };
        context.source_protocol = best.protocol;
        context.igp_cost = self.cost_of(end.speaker, best);
        if end.kind == Kind::External {
            // RFC 4271 section 5.1.4.
            if source.is_some() {
                route.med = None;
            }
            if let Some(action) = end.options.remove_private_as {
                route.as_path = without_private(&route.as_path, action, end.own_asn);
            }
            if end.options.as_override {
                let replace = |asn| if asn == end.peer_asn { end.own_asn } else { asn };
                route.as_path = route.as_path.map(|asn| Some(replace(asn)));
            }
        }
        let default = self.default_policy(&end.options.export_policies, end.options.default_export_policy);
        let set = self.passes(&end.options.export_policies, default, &context, &mut route)?;
        let itself = match end.kind {
            _ if set => false,
            // RFC 4271 section 5.1.3.
            Kind::External => !end.options.next_hop_unchanged && !self.is_third_party(e, route.next_hop, v4),
            Kind::Member => end.options.next_hop_self,
            Kind::Internal => end.options.next_hop_self && !reflected,
        };
        if itself || route.next_hop.is_none() {
            route.next_hop = Some(self.own(e, v4));
        }
        if reflected {
            // RFC 4456 section 8.
            let speaker = &self.speakers[end.speaker];
            route.originator_id = route.originator_id.or(source.map(|s| router_id(&self.speakers[s.other])));
            let mut clusters = vec![speaker.cluster_id.unwrap_or(router_id(speaker))];
            clusters.extend(route.cluster_list.ids());
            route.cluster_list = ClusterList::new(clusters);
        }
        if end.kind != Kind::External {
            route.local_preference = route.local_preference.or(Some(100));
        }
        Some(self.on_the_wire(e, route))
    }

    /// The last changes: what stays inside, and the own number.
    fn on_the_wire(&self, e: usize, mut route: PathAttributes) -> PathAttributes {
        let end = &self.ends[e];
        route.weight = None;
        if end.options.send_communities == Some(false) {
            route.communities = Communities::default();
        }
        if end.kind == Kind::Internal {
            return route;
        }
        route.originator_id = None;
        route.cluster_list = ClusterList::default();
        let old = route.as_path.segments().map(|(kind, asns)| Segment { kind, asns: asns.to_vec() });
        if end.kind == Kind::Member {
            let front = Segment { kind: SegmentKind::ConfedSequence, asns: vec![end.own_asn] };
            route.as_path = AsPath::from_segments(std::iter::once(front).chain(old));
            return route;
        }
        route.local_preference = None;
        let real = outside_asn(&self.speakers[end.speaker]);
        let asns = match end.options.local_as {
            Some(LocalAs { asn, replace_as: false, .. }) if asn != real => vec![asn, real],
            Some(LocalAs { asn, .. }) => vec![asn],
            None => vec![real],
        };
        let front = Segment { kind: SegmentKind::Sequence, asns };
        // RFC 5065 section 4.1.
        let outside = |s: &Segment| matches!(s.kind, SegmentKind::Sequence | SegmentKind::Set);
        let front = (!end.options.transparent).then_some(front);
        route.as_path = AsPath::from_segments(front.into_iter().chain(old.filter(outside)));
        route
    }

    /// Whether a next hop is another router on the network that the speaker shares with the neighbour.
    fn is_third_party(&self, e: usize, next_hop: Option<IpAddr>, v4: bool) -> bool {
        let end = &self.ends[e];
        let network = |address: IpAddr| -> Option<IpNet> {
            let speaker = &self.speakers[end.speaker];
            let (prefix, way) = longest(speaker, address)?;
            (way.is_none() && prefix.prefix_len() < prefix.max_prefix_len()).then_some(prefix)
        };
        let Some(next_hop) = next_hop else { return false };
        let peer = self.own(e ^ 1, v4);
        peer != next_hop && network(next_hop).is_some_and(|n| network(peer) == Some(n))
    }

    /// What an end keeps of what arrives.
    fn import(&self, prefix: &IpNet, e: usize, mut route: PathAttributes) -> Option<PathAttributes> {
        let end = &self.ends[e];
        let speaker = &self.speakers[end.speaker];
        let allowed = usize::from(end.options.allow_own_as);
        let numbers: Vec<Asn> = route.as_path.asns().collect();
        let often = |asn: Asn| numbers.iter().filter(|a| **a == asn).count();
        if often(Asn(0)) > 0 || often(speaker.asn) > allowed || often(outside_asn(speaker)) > allowed {
            return None;
        }
        // The number shown to the neighbour is an own one too.
        if end.options.local_as.is_some_and(|local| often(local.asn) > allowed) {
            return None;
        }
        if end.kind == Kind::External {
            route.local_preference = None;
            route.originator_id = None;
            route.cluster_list = ClusterList::default();
        } else {
            let cluster = speaker.cluster_id.unwrap_or(router_id(speaker));
            if route.originator_id == Some(router_id(speaker)) || route.cluster_list.ids().contains(&cluster)
            {
                return None;
            }
        }
        if let Some(LocalAs { asn, no_prepend: false, .. }) = end.options.local_as {
            route.as_path = route.as_path.prepended(&[asn]);
        }
        route.weight = end.options.weight;
        let context = Context {
            prefix,
            neighbor: Some(end.peer_address),
            own_address: Some(self.own(e, is_v4(prefix))),
            own_asn: end.own_asn,
            peer_asn: Some(end.peer_asn),
            route_type: if end.kind == Kind::Internal { RouteType::Internal } else { RouteType::External },
            source_protocol: SourceProtocol::Bgp,
            igp_cost: None,
            export: false,
            settings: &self.settings,
        };
        let default = self.default_policy(&end.options.import_policies, end.options.default_import_policy);
        self.passes(&end.options.import_policies, default, &context, &mut route)?;
        Some(route)
    }

    /// The decision process (RFC 4271 section 9.1.2.2): step by step, what is not the best goes.
    fn choose(&self, run: &Run, s: usize) -> Option<Held> {
        let speaker = &self.speakers[s];
        let mut left: Vec<Held> = Vec::new();
        for (attributes, protocol) in &run.locals[s] {
            left.push(Held { attributes: attributes.clone(), end: None, protocol: *protocol });
        }
        // Among equals the first: by session.
        let mut ends: Vec<usize> = (0..self.ends.len()).filter(|e| self.ends[*e].speaker == s).collect();
        ends.sort_by_key(|e| self.ends[*e].session.clone());
        for e in ends {
            if let Some(attributes) = run.received[e].clone() {
                let held = Held { attributes, end: Some(e), protocol: SourceProtocol::Bgp };
                // RFC 4271 section 9.1.2.1.
                if self.cost_of(s, &held).is_some() {
                    left.push(held);
                }
            }
        }
        let decision = &speaker.decision;
        let preference = |r: &Held| r.attributes.local_preference.unwrap_or(100);
        keep(&mut left, |r| std::cmp::Reverse(preference(r)));
        keep(&mut left, |r| {
            let members = if decision.as_path_confederation == Some(true) {
                let counts = r.attributes.as_path.segments().map(|(kind, asns)| match kind {
                    SegmentKind::ConfedSequence => asns.len(),
                    SegmentKind::ConfedSet => 1,
                    _ => 0,
                });
                counts.sum()
            } else {
                0
            };
            r.attributes.as_path.hop_count() + members
        });
        keep(&mut left, |r| r.attributes.origin);
        // The pseudo-code of step c.
        let med = |r: &Held| r.attributes.med.unwrap_or(0);
        let all = left.clone();
        left.retain(|m| {
            !all.iter().any(|n| {
                let same = decision.always_compare_med == Some(true)
                    || m.attributes.as_path.neighbor_as() == n.attributes.as_path.neighbor_as();
                same && med(n) < med(m)
            })
        });
        let kind = |r: &Held| r.end.map_or(Kind::External, |e| self.ends[e].kind);
        keep(&mut left, |r| kind(r) != Kind::External);
        if decision.igp_cost != Some(false) {
            keep(&mut left, |r| self.cost_of(s, r));
        }
        keep(&mut left, |r| {
            let peer = r.end.map(|e| router_id(&self.speakers[self.ends[e].other]));
            r.attributes.originator_id.or(peer)
        });
        keep(&mut left, |r| r.attributes.cluster_list.ids().len());
        keep(&mut left, |r| {
            r.end.map(|e| match self.ends[e].peer_address {
                IpAddr::V4(address) => address.to_ipv6_mapped(),
                IpAddr::V6(address) => address,
            })
        });
        left.into_iter().next()
    }

    /// What it costs a speaker to reach the next hop of its route.
    fn cost_of(&self, s: usize, held: &Held) -> Option<u32> {
        if held.end.is_none() {
            return match held.attributes.next_hop {
                Some(next_hop) => Some(self.cost(s, next_hop.to_canonical(), 8).unwrap_or(0)),
                None => Some(0),
            };
        }
        match held.attributes.next_hop {
            Some(next_hop) => self.cost(s, next_hop.to_canonical(), 8),
            None => Some(0),
        }
    }

    fn cost(&self, s: usize, address: IpAddr, depth: usize) -> Option<u32> {
        let host = IpNet::from(address);
        // An address of a session stands for its speaker where no declared network holds it.
        let mut told: Vec<(IpNet, usize)> = Vec::new();
        for (e, end) in self.ends.iter().enumerate() {
            let holds = [self.own(e, true), self.own(e, false)].iter().any(|a| a.to_canonical() == address);
            if !holds {
                continue;
            }
            if longest(&self.speakers[end.speaker], address).is_none() {
                told.push((host, end.speaker));
            }
            if end.kind != Kind::Internal && longest(&self.speakers[end.other], address).is_none() {
                if end.other == s {
                    return Some(0);
                }
                told.push((host, end.other));
            }
        }
        for (other, speaker) in self.speakers.iter().enumerate() {
            let id = IpNet::from(IpAddr::V4(router_id(speaker)));
            let networks = speaker.interfaces.iter().filter(|i| i.igp).map(|i| i.address.trunc());
            told.extend(networks.chain([id]).filter(|n| n.contains(&address)).map(|n| (n, other)));
        }
        let own = longest(&self.speakers[s], address);
        told.sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix_len()));
        let mut reached: Option<(u8, u32)> = None;
        for (network, other) in told {
            let length = network.prefix_len();
            if own.as_ref().is_some_and(|(prefix, _)| prefix.prefix_len() >= length)
                || reached.is_some_and(|(found, _)| found > length)
            {
                break;
            }
            if let Some(cost) = self.distances[s][other] {
                reached = Some((length, reached.map_or(cost, |(_, old)| old.min(cost))));
            }
        }
        if let Some((_, cost)) = reached {
            return Some(cost);
        }
        match own?.1 {
            None => Some(0),
            Some(StaticNextHop::Discard) => None,
            Some(StaticNextHop::Address(next)) => self.cost(s, next.to_canonical(), depth.checked_sub(1)?),
        }
    }

    fn over_limit(&self, runs: &BTreeMap<IpNet, Run>) -> Vec<usize> {
        (0..self.ends.len())
            .filter(|e| {
                let count = runs.values().filter(|r| r.received[*e].is_some()).count();
                let limit = self.ends[*e].options.prefix_limit;
                limit.is_some_and(|limit| count > usize::try_from(limit).unwrap_or(usize::MAX))
            })
            .map(|e| e / 2)
            .collect()
    }

    fn chosen(&self, held: &Held) -> Chosen {
        Chosen {
            attributes: held.attributes.clone(),
            session: held.end.map(|e| self.ends[e].session.clone()),
        }
    }

    fn tables(&self, runs: &BTreeMap<IpNet, Run>) -> Tables {
        let mut tables = Tables::default();
        for run in runs.values() {
            for (s, held) in run.best.iter().enumerate() {
                if let Some(held) = held {
                    tables.best.insert((self.speakers[s].id.clone(), run.prefix), self.chosen(held));
                }
            }
        }
        for session in &self.down {
            tables.over_limit.insert(self.design.sessions[*session].id.clone());
        }
        tables
    }

    fn end_at(&self, session: &ResourceId, speaker: usize) -> Option<usize> {
        self.ends.iter().position(|e| e.session == *session && e.speaker == speaker)
    }

    /// The protocol of a route made here, which a table does not tell.
    fn local_protocol(&self, run: &Run, s: usize, chosen: &Chosen) -> SourceProtocol {
        let made = run.locals[s].iter().find(|(a, _)| chosen.session.is_none() && *a == chosen.attributes);
        made.map_or(SourceProtocol::Bgp, |(_, protocol)| *protocol)
    }
}

/// Keeps what is lowest.
fn keep<K: Ord>(left: &mut Vec<Held>, key: impl Fn(&Held) -> K) {
    let best = left.iter().map(&key).min();
    left.retain(|r| Some(key(r)) == best);
}

fn redistributed(speaker: &BgpSpeaker, protocol: SourceProtocol) -> Vec<IpNet> {
    match protocol {
        SourceProtocol::Connected => speaker.interfaces.iter().map(|i| i.address.trunc()).collect(),
        SourceProtocol::Static => speaker.static_routes.iter().map(|r| r.prefix.trunc()).collect(),
        SourceProtocol::Bgp => Vec::new(),
    }
}

/// The longest of a speaker's networks (no way) and static routes (their way) around an address.
fn longest(speaker: &BgpSpeaker, address: IpAddr) -> Option<(IpNet, Option<StaticNextHop>)> {
    let connected = speaker.interfaces.iter().map(|i| (i.address.trunc(), None));
    let fixed = speaker.static_routes.iter().map(|r| (r.prefix.trunc(), Some(r.next_hop)));
    let around = connected.chain(fixed).filter(|(p, _)| p.contains(&address));
    around.max_by_key(|(p, way)| (p.prefix_len(), way.is_none()))
}

/// Costs between speakers: relaxed until nothing gets cheaper. Speakers of one system without links are next to each other.
fn distances(design: &BgpDesign) -> Vec<Vec<Option<u32>>> {
    let count = design.speakers.len();
    let at = |id: &ResourceId| design.speakers.iter().position(|s| s.id == *id).unwrap_or_default();
    let linked: BTreeSet<Asn> = design
        .links
        .iter()
        .flat_map(|l| [&l.a, &l.b])
        .map(|id| outside_asn(&design.speakers[at(id)]))
        .collect();
    let mut costs = vec![vec![None; count]; count];
    for (a, row) in costs.iter_mut().enumerate() {
        for (b, cost) in row.iter_mut().enumerate() {
            let (x, y) = (outside_asn(&design.speakers[a]), outside_asn(&design.speakers[b]));
            if a == b || x == y && !linked.contains(&x) {
                *cost = Some(0);
            }
        }
    }
    loop {
        let mut better = false;
        for link in &design.links {
            for (a, b) in [(at(&link.a), at(&link.b)), (at(&link.b), at(&link.a))] {
                let over: Vec<Option<u32>> = costs[b].clone();
                for (old, rest) in costs[a].iter_mut().zip(over) {
                    let Some(rest) = rest else { continue };
                    let through = link.cost.saturating_add(rest);
                    if old.is_none_or(|old| through < old) {
                        *old = Some(through);
                        better = true;
                    }
                }
            }
        }
        if !better {
            return costs;
        }
    }
}

/// An aggregate's attributes (RFC 4271 section 9.2.2.2): the least certain origin, and either no path and a warning that
/// there was one, or what all paths begin with and the set of the rest.
fn summary(parts: &[PathAttributes], as_set: bool) -> PathAttributes {
    let mut made = PathAttributes::default();
    for part in parts {
        made.origin = made.origin.max(part.origin);
        made.atomic_aggregate |= part.atomic_aggregate || !as_set && !part.as_path.is_empty();
    }
    if !as_set {
        return made;
    }
    let of = |part: &PathAttributes, wanted: [SegmentKind; 2]| -> Vec<(SegmentKind, Asn)> {
        let segments = part.as_path.segments().filter(|(kind, _)| wanted.contains(kind));
        segments.flat_map(|(kind, asns)| asns.iter().map(move |asn| (kind, *asn))).collect()
    };
    // Members of the confederation stay apart from the rest (RFC 5065 section 3).
    let segments =
        [[SegmentKind::ConfedSequence, SegmentKind::ConfedSet], [SegmentKind::Sequence, SegmentKind::Set]]
            .into_iter()
            .flat_map(|[sequence, set]| {
                let paths: Vec<Vec<(SegmentKind, Asn)>> =
                    parts.iter().map(|p| of(p, [sequence, set])).collect();
                let mut common = 0;
                while paths.iter().all(|p| {
                    p.get(common).is_some_and(|x| x.0 == sequence && Some(x) == paths[0].get(common))
                }) {
                    common += 1;
                }
                let front = paths[0][..common].iter().map(|(_, asn)| *asn).collect();
                let rest = paths.iter().flat_map(|p| p[common..].iter().map(|(_, asn)| *asn)).collect();
                [Segment { kind: sequence, asns: front }, Segment { kind: set, asns: rest }]
            });
    made.as_path = AsPath::from_segments(segments);
    let all = |of: fn(&Communities) -> Communities| parts.iter().map(move |p| of(&p.communities));
    let every: Vec<Communities> = all(Communities::clone).collect();
    made.communities = Communities::new(
        every.iter().flat_map(|c| c.standard().to_vec()).collect::<Vec<_>>(),
        every.iter().flat_map(|c| c.extended().to_vec()).collect::<Vec<_>>(),
        every.iter().flat_map(|c| c.large().to_vec()).collect::<Vec<_>>(),
    );
    made
}

/// A path without private numbers, those of confederation members kept.
fn without_private(path: &AsPath, action: PrivateAsAction, own: Asn) -> AsPath {
    let outside = |kind| matches!(kind, SegmentKind::Sequence | SegmentKind::Set);
    let mut others = path
        .segments()
        .filter(|(kind, _)| outside(*kind))
        .flat_map(|(_, asns)| asns)
        .filter(|a| !a.is_private());
    if action == PrivateAsAction::RemoveIfAll && others.next().is_some() {
        return path.clone();
    }
    AsPath::from_segments(path.segments().map(|(kind, asns)| {
        let change = |asn: &Asn| match (outside(kind) && asn.is_private(), action) {
            (false, _) => Some(*asn),
            (true, PrivateAsAction::Replace) => Some(own),
            (true, _) => None,
        };
        Segment { kind, asns: asns.iter().filter_map(change).collect() }
    }))
}
