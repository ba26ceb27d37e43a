//! A design, checked and indexed: what the engine runs on. It never changes; what is up or down stands elsewhere.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::Settings;
use super::decision::{LocalRoute, Peer, Receiver, SessionKind};
use super::error::{DesignError, DesignProblem};
use super::fanout::Fanout;
use super::policy::{Chain, Policies};
use crate::model::ResourceId;
use crate::model::bgp::{
    AddressFamily, Asn, BgpDesign, BgpSession, BgpSpeaker, DefaultPolicy, LocalAs, Origin, PathAttributes,
    PrivateAsAction, SessionEnd, SourceProtocol, StaticNextHop,
};
use crate::prefix_table::PrefixTable;

/// A speaker, as its position among all, which are sorted by id.
pub(super) type SpeakerIx = u32;
/// One end of a session: session `s` has the ends `2 s` and `2 s + 1`, and the other end of `e` is `e ^ 1`.
pub(super) type EndIx = u32;
/// A place for one received route.
pub(super) type SlotIx = u32;

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) policies: Policies,
    pub(super) speakers: Vec<Speaker>,
    pub(super) ends: Vec<End>,
    pub(super) sessions: Vec<Session>,
    pub(super) links: Vec<Link>,
    /// Which end each slot belongs to.
    pub(super) slot_end: Vec<EndIx>,
    pub(super) by_id: FxHashMap<ResourceId, SpeakerIx>,
    pub(super) session_by_id: FxHashMap<ResourceId, u32>,
    pub(super) link_by_id: FxHashMap<ResourceId, u32>,
    pub(super) aggregates: Vec<Aggregate>,
    /// Whether any end makes a default route.
    pub(super) default_originate: bool,
}

#[derive(Debug)]
pub(super) struct Speaker {
    pub(super) id: ResourceId,
    pub(super) settings: Settings,
    pub(super) receiver: Receiver,
    /// The number that peers outside a confederation see.
    pub(super) outer_asn: Asn,
    pub(super) ends: Vec<EndIx>,
    /// The same ends, in the order in which it tells them.
    pub(super) fanout: Fanout,
    /// The slots of what it receives, oldest session first.
    pub(super) slots: std::ops::Range<SlotIx>,
    pub(super) sends_several: bool,
    /// Has few sessions beside those with a far busier speaker, such as a client of reflectors: it decides after the
    /// others, when all its reflectors have told it their news. The order changes the cost, not the result.
    pub(super) leaf: bool,
    /// Networks at its interfaces, and its static routes.
    pub(super) own_routes: PrefixTable<OwnRoute>,
    /// What it tells the others by the interior gateway protocol.
    pub(super) igp_networks: Vec<IpNet>,
    pub(super) aggregates: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum OwnRoute {
    Connected,
    Static(StaticNextHop),
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: ResourceId,
    pub(super) shutdown: bool,
    /// Larger is older.
    pub(super) age: u32,
}

#[derive(Debug)]
pub(super) struct End {
    pub(super) speaker: SpeakerIx,
    pub(super) peer: SpeakerIx,
    /// What the decision process sees of the neighbour.
    pub(super) peer_info: Peer,
    pub(super) kind: SessionKind,
    pub(super) import: Chain,
    pub(super) export: Chain,
    /// RFC 8212 holds, and there is no policy.
    pub(super) lacks_import: bool,
    pub(super) lacks_export: bool,
    pub(super) default_originate: Option<(Chain, bool)>,
    pub(super) families: (bool, bool),
    pub(super) own_v4: IpAddr,
    pub(super) own_v6: IpAddr,
    pub(super) own_asn: Asn,
    pub(super) client: bool,
    pub(super) next_hop_self: bool,
    pub(super) next_hop_unchanged: bool,
    pub(super) allow_own_as: u8,
    pub(super) as_override: bool,
    pub(super) remove_private_as: Option<PrivateAsAction>,
    pub(super) local_as: Option<LocalAs>,
    pub(super) transparent: bool,
    pub(super) prefix_limit: Option<u32>,
    pub(super) sends_communities: bool,
    pub(super) weight: Option<u32>,
    /// Ends of one speaker with the same number send the same to their peers.
    pub(super) update_group: u32,
    /// Where its received routes stand.
    pub(super) slots: std::ops::Range<SlotIx>,
    /// Whether nothing but the checks of receipt happens to what arrives.
    pub(super) imports_plainly: bool,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) a: SpeakerIx,
    pub(super) b: SpeakerIx,
    pub(super) cost: u32,
}

/// Prefixes that enter BGP at one speaker with the same attributes. They stay in the design: a table may have a million.
#[derive(Debug)]
pub(super) struct Block<'d> {
    pub(super) speaker: SpeakerIx,
    pub(super) kind: LocalRoute,
    pub(super) protocol: SourceProtocol,
    pub(super) prefixes: Cow<'d, [IpNet]>,
    pub(super) attributes: Cow<'d, PathAttributes>,
    pub(super) chain: Chain,
}

#[derive(Debug)]
pub(super) struct Aggregate {
    pub(super) speaker: SpeakerIx,
    pub(super) prefix: IpNet,
    pub(super) summary_only: bool,
    pub(super) as_set: bool,
    pub(super) suppress: Option<Chain>,
    pub(super) attributes: Chain,
}

impl End {
    pub(super) fn own(&self, v4: bool) -> IpAddr {
        if v4 { self.own_v4 } else { self.own_v6 }
    }

    pub(super) fn carries(&self, v4: bool) -> bool {
        if v4 { self.families.0 } else { self.families.1 }
    }
}

/// An IPv4 address as IPv6 routes carry it where a speaker has no IPv6 address.
fn mapped(address: Ipv4Addr) -> IpAddr {
    IpAddr::V6(address.to_ipv6_mapped())
}

impl Plan {
    /// The plan, and what is announced, redistribution included, in a fixed order.
    pub(super) fn compile(design: &BgpDesign) -> Result<(Self, Vec<Block<'_>>), DesignError> {
        let policies = Policies::compile(&design.routing_policy).map_err(|error| DesignError {
            problems: vec![DesignProblem::new(&ResourceId::new("routing_policy"), "routing_policy", error)],
        })?;
        let mut compile = Compile { design, problems: Vec::new(), policies: &policies };
        let mut declared: Vec<&BgpSpeaker> = design.speakers.iter().collect();
        declared.sort_by(|a, b| a.id.cmp(&b.id));
        let mut by_id = FxHashMap::default();
        for (ix, speaker) in (0..).zip(&declared) {
            if by_id.insert(speaker.id.clone(), ix).is_some() {
                compile.problem(&speaker.id, "id", "is declared twice");
            }
        }
        let mut speakers: Vec<Speaker> = Vec::with_capacity(declared.len());
        for (ix, speaker) in (0..).zip(&declared) {
            speakers.push(compile.speaker(ix, speaker));
        }
        let (sessions, mut ends, session_by_id) = compile.sessions(&by_id, &declared, &mut speakers);
        let slot_end = slots(&mut speakers, &mut ends, &sessions, design, &session_by_id);
        let fanouts: Vec<Fanout> = speakers.iter().map(|s| Fanout::new(s, &speakers, &ends)).collect();
        for (speaker, fanout) in speakers.iter_mut().zip(fanouts) {
            speaker.fanout = fanout;
        }
        let (links, link_by_id) = compile.links(&by_id);
        let (blocks, aggregates) = compile.announcements(&by_id, &mut speakers);
        if !compile.problems.is_empty() {
            return Err(DesignError { problems: compile.problems });
        }
        let default_originate = ends.iter().any(|e| e.default_originate.is_some());
        let plan = Self {
            policies,
            speakers,
            ends,
            sessions,
            links,
            slot_end,
            by_id,
            session_by_id,
            link_by_id,
            aggregates,
            default_originate,
        };
        Ok((plan, blocks))
    }
}

/// Gives every end its places for received routes: together for a speaker, older sessions first.
fn slots(
    speakers: &mut [Speaker],
    ends: &mut [End],
    sessions: &[Session],
    design: &BgpDesign,
    session_by_id: &FxHashMap<ResourceId, u32>,
) -> Vec<EndIx> {
    let mut several: FxHashMap<u32, (u16, u16)> = FxHashMap::default();
    for session in &design.sessions {
        let taken = |from: &SessionEnd, to: &SessionEnd| {
            if to.add_path.receive { from.add_path.send.max(1) } else { 1 }
        };
        if let Some(ix) = session_by_id.get(&session.id) {
            several.insert(*ix, (taken(&session.b, &session.a), taken(&session.a, &session.b)));
        }
    }
    let mut slot_end = Vec::new();
    for speaker in speakers.iter_mut() {
        let start = slot_end.len();
        let mut own = speaker.ends.clone();
        own.sort_by_key(|e| {
            let session = &sessions[*e as usize / 2];
            (std::cmp::Reverse(session.age), session.id.clone(), *e)
        });
        for e in own {
            let first = index(slot_end.len());
            let (a, b) = several.get(&(e / 2)).copied().unwrap_or((1, 1));
            let count = if e % 2 == 0 { a } else { b };
            slot_end.extend(std::iter::repeat_n(e, usize::from(count)));
            ends[e as usize].slots = first..index(slot_end.len());
        }
        speaker.slots = index(start)..index(slot_end.len());
    }
    let degrees: Vec<usize> = speakers.iter().map(|s| s.ends.len()).collect();
    for speaker in speakers.iter_mut() {
        speaker.leaf = speaker.ends.iter().any(|e| {
            let busy = degrees[ends[*e as usize].peer as usize];
            busy > 2 * speaker.ends.len()
        });
        speaker.sends_several = speaker.ends.iter().any(|e| ends[(*e ^ 1) as usize].slots.len() > 1);
    }
    slot_end
}

/// A position as the engine stores it. Designs with four billion of anything do not fit in memory.
pub(super) fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

struct Compile<'d, 'p> {
    design: &'d BgpDesign,
    problems: Vec<DesignProblem>,
    policies: &'p Policies,
}

impl<'d> Compile<'d, '_> {
    fn problem(&mut self, resource: &ResourceId, field: &str, reason: impl std::fmt::Display) {
        self.problems.push(DesignProblem::new(resource, field, reason));
    }

    fn chain(
        &mut self,
        resource: &ResourceId,
        field: &str,
        names: &[String],
        default: DefaultPolicy,
    ) -> Option<Chain> {
        match self.policies.chain(names, default) {
            Ok(chain) => Some(chain),
            Err(error) => {
                self.problem(resource, field, error);
                None
            }
        }
    }

    fn speaker(&mut self, ix: SpeakerIx, declared: &BgpSpeaker) -> Speaker {
        if declared.asn == Asn(0) {
            self.problem(&declared.id, "asn", "0 is no autonomous system (RFC 7607)");
        }
        let settings = Settings::new(declared.profile, &declared.decision, declared.maximum_paths);
        let of_interfaces = declared.interfaces.iter().filter_map(|i| match i.address.addr() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
        // Derived ids stand in 10.255.0.0/16 to be told apart at sight; they follow the order of the ids of speakers.
        let derived = Ipv4Addr::from(0x0AFF_0000_u32.wrapping_add(ix + 1));
        let router_id = declared.router_id.or_else(|| of_interfaces.max()).unwrap_or(derived);
        let mut own_routes = PrefixTable::default();
        for route in &declared.static_routes {
            own_routes.insert(route.prefix, OwnRoute::Static(route.next_hop));
        }
        // Connected wins over static at one prefix.
        for interface in &declared.interfaces {
            own_routes.insert(interface.address, OwnRoute::Connected);
        }
        let mut igp_networks: Vec<IpNet> =
            declared.interfaces.iter().filter(|i| i.igp).map(|i| i.address.trunc()).collect();
        igp_networks.push(IpNet::from(IpAddr::V4(router_id)));
        Speaker {
            id: declared.id.clone(),
            receiver: Receiver {
                asn: declared.asn,
                confederation: declared.confederation.as_ref().map(|c| c.identifier),
                router_id,
                cluster_id: declared.cluster_id.unwrap_or(router_id),
                reflects: false,
            },
            outer_asn: declared.confederation.as_ref().map_or(declared.asn, |c| c.identifier),
            settings,
            ends: Vec::new(),
            fanout: Fanout::default(),
            slots: 0..0,
            sends_several: false,
            leaf: false,
            own_routes,
            igp_networks,
            aggregates: Vec::new(),
        }
    }

    fn sessions(
        &mut self,
        by_id: &FxHashMap<ResourceId, SpeakerIx>,
        declared: &[&BgpSpeaker],
        speakers: &mut [Speaker],
    ) -> (Vec<Session>, Vec<End>, FxHashMap<ResourceId, u32>) {
        let mut order: Vec<&BgpSession> = self.design.sessions.iter().collect();
        order.sort_by(|a, b| a.id.cmp(&b.id));
        let mut sessions = Vec::new();
        let mut ends: Vec<End> = Vec::new();
        let mut index_of = FxHashMap::default();
        for session in order {
            if index_of.contains_key(&session.id) {
                self.problem(&session.id, "id", "is declared twice");
                continue;
            }
            let mut known = |end: &SessionEnd, field: &str| {
                let found = by_id.get(&end.speaker).copied();
                if found.is_none() {
                    self.problem(&session.id, field, format_args!("there is no speaker `{}`", end.speaker));
                }
                found
            };
            let (Some(a), Some(b)) = (known(&session.a, "a.speaker"), known(&session.b, "b.speaker")) else {
                continue;
            };
            if a == b {
                self.problem(&session.id, "b.speaker", "is the speaker at the other end too");
                continue;
            }
            index_of.insert(session.id.clone(), index(sessions.len()));
            sessions.push(Session { id: session.id.clone(), shutdown: session.shutdown, age: session.age });
            let shared =
                shared_addresses(session, declared[a as usize], declared[b as usize], speakers, (a, b));
            let (Some(first), Some(second)) = (
                self.end(session, &session.a, (a, b), &shared, speakers, declared),
                self.end(session, &session.b, (b, a), &(shared.1, shared.0), speakers, declared),
            ) else {
                sessions.pop();
                index_of.remove(&session.id);
                continue;
            };
            let position = index(ends.len());
            for (end, e) in [(first, position), (second, position + 1)] {
                let speaker = &mut speakers[end.speaker as usize];
                speaker.ends.push(e);
                speaker.receiver.reflects |= end.client;
                ends.push(end);
            }
        }
        self.update_groups(&mut ends, speakers);
        (sessions, ends, index_of)
    }

    fn end(
        &mut self,
        session: &BgpSession,
        own: &SessionEnd,
        (speaker, peer): (SpeakerIx, SpeakerIx),
        (own_addresses, peer_addresses): &((IpAddr, IpAddr), (IpAddr, IpAddr)),
        speakers: &[Speaker],
        declared: &[&BgpSpeaker],
    ) -> Option<End> {
        let (me, them) = (&speakers[speaker as usize], &speakers[peer as usize]);
        let other = if std::ptr::eq(own, &session.a) { &session.b } else { &session.a };
        let kind = if me.receiver.asn == them.receiver.asn
            && me.receiver.confederation == them.receiver.confederation
        {
            SessionKind::Ibgp
        } else if me.receiver.confederation.is_some()
            && me.receiver.confederation == them.receiver.confederation
        {
            SessionKind::ConfedEbgp
        } else {
            SessionKind::Ebgp
        };
        let side = if std::ptr::eq(own, &session.a) { "a" } else { "b" };
        if kind == SessionKind::ConfedEbgp
            && let Some(confederation) = &declared[speaker as usize].confederation
            && !confederation.members.is_empty()
            && !confederation.members.contains(&them.receiver.asn)
        {
            let reason = format_args!(
                "`{}` does not name {} as a member of its confederation",
                me.id, them.receiver.asn
            );
            self.problem(&session.id, &format!("{side}.speaker"), reason);
        }
        if own.route_reflector_client && kind != SessionKind::Ibgp {
            let reason = "a client is an internal neighbour (RFC 4456)";
            self.problem(&session.id, &format!("{side}.route_reflector_client"), reason);
        }
        if own.local_as.is_some() && kind != SessionKind::Ebgp {
            let reason = "another number is shown to external neighbours only";
            self.problem(&session.id, &format!("{side}.local_as"), reason);
        }
        for family in [true, false] {
            if own.addresses.iter().filter(|a| a.is_ipv4() == family).count() > 1 {
                self.problem(&session.id, &format!("{side}.addresses"), "more than one address of a family");
            }
        }
        let strict =
            kind == SessionKind::Ebgp && own.ebgp_requires_policy.unwrap_or(me.settings.ebgp_requires_policy);
        let default = |names: &[String], given: Option<DefaultPolicy>| {
            given.unwrap_or(if names.is_empty() && !strict {
                DefaultPolicy::AcceptRoute
            } else {
                DefaultPolicy::RejectRoute
            })
        };
        let import = default(&own.import_policies, own.default_import_policy);
        let import =
            self.chain(&session.id, &format!("{side}.import_policies"), &own.import_policies, import);
        let export = default(&own.export_policies, own.default_export_policy);
        let export =
            self.chain(&session.id, &format!("{side}.export_policies"), &own.export_policies, export);
        let default_originate = match &own.default_originate {
            None => None,
            Some(made) => {
                let field = format!("{side}.default_originate.policies");
                let chain = self.chain(&session.id, &field, &made.policies, DefaultPolicy::AcceptRoute)?;
                Some((chain, made.only_if_present))
            }
        };
        let shown = |end: &SessionEnd, speaker: &Speaker| match (end.local_as, kind) {
            (Some(local), SessionKind::Ebgp) => local.asn,
            (_, SessionKind::Ebgp) => speaker.outer_asn,
            _ => speaker.receiver.asn,
        };
        let (import, export) = (import?, export?);
        let imports_plainly =
            import.is_transparent() && own.weight.is_none() && own.local_as.is_none_or(|l| l.no_prepend);
        let carries = |family| session.families.contains(&family);
        Some(End {
            speaker,
            peer,
            peer_info: Peer {
                kind,
                asn: shown(other, them),
                router_id: them.receiver.router_id,
                address: Some(other.addresses.first().copied().unwrap_or(peer_addresses.0)),
            },
            kind,
            import,
            export,
            lacks_import: strict && own.import_policies.is_empty() && own.default_import_policy.is_none(),
            lacks_export: strict && own.export_policies.is_empty() && own.default_export_policy.is_none(),
            default_originate,
            families: (carries(AddressFamily::Ipv4Unicast), carries(AddressFamily::Ipv6Unicast)),
            own_v4: own_addresses.0,
            own_v6: own_addresses.1,
            own_asn: shown(own, me),
            client: own.route_reflector_client,
            next_hop_self: own.next_hop_self,
            next_hop_unchanged: own.next_hop_unchanged,
            allow_own_as: own.allow_own_as,
            as_override: own.as_override,
            remove_private_as: own.remove_private_as,
            local_as: own.local_as,
            transparent: own.transparent,
            prefix_limit: own.prefix_limit,
            sends_communities: own.send_communities.unwrap_or(me.settings.sends_communities),
            weight: own.weight,
            update_group: 0,
            slots: 0..0,
            imports_plainly,
        })
    }

    /// Ends of one speaker that send the same: equal in all that an export looks at.
    fn update_groups(&mut self, ends: &mut [End], speakers: &[Speaker]) {
        for speaker in speakers {
            // Next hops of third parties depend on the network that the neighbour stands in.
            let network = |e: EndIx| {
                let far = &ends[(e ^ 1) as usize];
                [far.own_v4, far.own_v6]
                    .map(|a| speaker.own_routes.longest_match(a).map(|(prefix, _)| prefix))
            };
            let networks: FxHashMap<EndIx, _> = speaker.ends.iter().map(|e| (*e, network(*e))).collect();
            let mut kinds: Vec<EndIx> = Vec::new();
            for &e in &speaker.ends {
                let same = |other: &EndIx| {
                    let (a, b) = (&ends[e as usize], &ends[*other as usize]);
                    a.kind == b.kind
                        && a.export == b.export
                        && (a.export.is_transparent() || !self.policies.sees_neighbors())
                        && a.default_originate == b.default_originate
                        && (a.own_v4, a.own_v6) == (b.own_v4, b.own_v6)
                        && a.own_asn == b.own_asn
                        && a.client == b.client
                        && a.next_hop_self == b.next_hop_self
                        && a.next_hop_unchanged == b.next_hop_unchanged
                        && a.as_override == b.as_override
                        && (!a.as_override || a.peer_info.asn == b.peer_info.asn)
                        && a.remove_private_as == b.remove_private_as
                        && (a.remove_private_as.is_none() || a.peer_info.asn == b.peer_info.asn)
                        && a.local_as == b.local_as
                        && a.transparent == b.transparent
                        && a.sends_communities == b.sends_communities
                        && networks[&e] == networks[other]
                };
                let group = match kinds.iter().position(same) {
                    Some(group) => group,
                    None => {
                        kinds.push(e);
                        kinds.len() - 1
                    }
                };
                ends[e as usize].update_group = index(group);
            }
        }
    }

    fn links(&mut self, by_id: &FxHashMap<ResourceId, SpeakerIx>) -> (Vec<Link>, FxHashMap<ResourceId, u32>) {
        let mut order: Vec<_> = self.design.links.iter().collect();
        order.sort_by(|a, b| a.id.cmp(&b.id));
        let mut links = Vec::new();
        let mut index_of = FxHashMap::default();
        for link in order {
            let mut known = |end: &ResourceId, field: &str| {
                let found = by_id.get(end).copied();
                if found.is_none() {
                    self.problem(&link.id, field, format_args!("there is no speaker `{end}`"));
                }
                found
            };
            let (Some(a), Some(b)) = (known(&link.a, "a"), known(&link.b, "b")) else { continue };
            if index_of.insert(link.id.clone(), index(links.len())).is_some() {
                self.problem(&link.id, "id", "is declared twice");
            }
            links.push(Link { a, b, cost: link.cost });
        }
        (links, index_of)
    }

    fn announcements(
        &mut self,
        by_id: &FxHashMap<ResourceId, SpeakerIx>,
        speakers: &mut [Speaker],
    ) -> (Vec<Block<'d>>, Vec<Aggregate>) {
        let mut blocks = Vec::new();
        let mut aggregates: Vec<Aggregate> = Vec::new();
        let mut order: BTreeMap<SpeakerIx, &'d BgpSpeaker> = BTreeMap::new();
        for declared in &self.design.speakers {
            if let Some(ix) = by_id.get(&declared.id) {
                order.insert(*ix, declared);
            }
        }
        for (ix, declared) in order {
            let accept = DefaultPolicy::AcceptRoute;
            for (i, origination) in declared.originate.iter().enumerate() {
                let field = format!("originate[{i}].policies");
                let chain = self.chain(&declared.id, &field, &origination.policies, accept);
                blocks.extend(chain.map(|chain| Block {
                    speaker: ix,
                    kind: LocalRoute::Network,
                    protocol: SourceProtocol::Bgp,
                    prefixes: Cow::Borrowed(&origination.prefixes),
                    attributes: Cow::Borrowed(&origination.attributes),
                    chain,
                }));
            }
            for (i, redistribution) in declared.redistribute.iter().enumerate() {
                let prefixes: Vec<IpNet> = match redistribution.protocol {
                    SourceProtocol::Connected => {
                        declared.interfaces.iter().map(|i| i.address.trunc()).collect()
                    }
                    SourceProtocol::Static => {
                        declared.static_routes.iter().map(|r| r.prefix.trunc()).collect()
                    }
                    SourceProtocol::Bgp => {
                        let field = format!("redistribute[{i}].protocol");
                        self.problem(&declared.id, &field, "BGP cannot be taken over into BGP");
                        continue;
                    }
                };
                let field = format!("redistribute[{i}].policies");
                let chain = self.chain(&declared.id, &field, &redistribution.policies, accept);
                blocks.extend(chain.map(|chain| Block {
                    speaker: ix,
                    kind: LocalRoute::Redistributed,
                    protocol: redistribution.protocol,
                    prefixes: Cow::Owned(prefixes),
                    attributes: Cow::Owned(PathAttributes {
                        origin: Origin::Incomplete,
                        ..PathAttributes::default()
                    }),
                    chain,
                }));
            }
            for (i, aggregate) in declared.aggregates.iter().enumerate() {
                let prefix = aggregate.prefix.trunc();
                if aggregates.iter().any(|a| a.speaker == ix && a.prefix == prefix) {
                    self.problem(&declared.id, &format!("aggregates[{i}].prefix"), "is declared twice");
                }
                let suppress = if aggregate.suppress.is_empty() {
                    None
                } else {
                    let field = format!("aggregates[{i}].suppress");
                    self.chain(&declared.id, &field, &aggregate.suppress, DefaultPolicy::RejectRoute)
                };
                let field = format!("aggregates[{i}].attributes");
                let Some(attributes) = self.chain(&declared.id, &field, &aggregate.attributes, accept) else {
                    continue;
                };
                speakers[ix as usize].aggregates.push(index(aggregates.len()));
                aggregates.push(Aggregate {
                    speaker: ix,
                    prefix,
                    summary_only: aggregate.summary_only,
                    as_set: aggregate.as_set,
                    suppress,
                    attributes,
                });
            }
        }
        (blocks, aggregates)
    }
}

/// The addresses of both ends of a session, IPv4 and IPv6: declared ones, else those of interfaces in a network that
/// both share, else router ids.
fn shared_addresses(
    session: &BgpSession,
    a: &BgpSpeaker,
    b: &BgpSpeaker,
    speakers: &[Speaker],
    (a_ix, b_ix): (SpeakerIx, SpeakerIx),
) -> ((IpAddr, IpAddr), (IpAddr, IpAddr)) {
    let pair = |v4: bool| {
        a.interfaces.iter().filter(|i| i.address.addr().is_ipv4() == v4).find_map(|mine| {
            let theirs = b.interfaces.iter().find(|i| {
                mine.address.contains(&i.address.addr()) && i.address.contains(&mine.address.addr())
            })?;
            (mine.address.addr() != theirs.address.addr())
                .then(|| (mine.address.addr(), theirs.address.addr()))
        })
    };
    let given = |end: &SessionEnd, v4: bool| end.addresses.iter().copied().find(|a| a.is_ipv4() == v4);
    let (shared_v4, shared_v6) = (pair(true), pair(false));
    let of = |end: &SessionEnd, ix: SpeakerIx, first: bool| {
        let pick = |pair: (IpAddr, IpAddr)| if first { pair.0 } else { pair.1 };
        let router_id = speakers[ix as usize].receiver.router_id;
        let v4 = given(end, true).or(shared_v4.map(pick)).unwrap_or(IpAddr::V4(router_id));
        let fallback = match v4 {
            IpAddr::V4(address) => mapped(address),
            IpAddr::V6(_) => v4,
        };
        let v6 = given(end, false).or(shared_v6.map(pick)).unwrap_or(fallback);
        (v4, v6)
    };
    (of(&session.a, a_ix, true), of(&session.b, b_ix, false))
}
