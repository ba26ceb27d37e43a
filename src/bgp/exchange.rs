//! What passes between two speakers: what keeps a route back, how it changes when it is sent, and on receipt.

use std::net::IpAddr;

use super::Settings;
use super::decision::{self, Candidate, LocalRoute, Refusal, RouteSource, SessionKind};
use super::igp::Igp;
use super::plan::{End, EndIx, OwnRoute, Plan, SpeakerIx};
use super::policy::{Context, StatementTrace, private_as};
use super::pool::{AttrId, Pool};
use super::state::{Best, Group, Live};
use crate::model::bgp::{ClusterList, Communities, Community, PathAttributes, RouteType, SourceProtocol};

/// Why a route is not sent to a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotSent {
    /// There is no route, or the session is down or does not carry the family.
    Nothing,
    /// It came from this neighbour.
    BackToSender,
    /// It came from inside, and neither side of the reflector is a client (RFC 4271 section 9.2, RFC 4456).
    InternalToInternal,
    /// It carries NO_ADVERTISE, NO_EXPORT or NO_EXPORT_SUBCONFED (RFC 1997).
    WellKnownCommunity(Community),
    /// An aggregate stands for it.
    Suppressed,
    /// The neighbour's number stands in its path.
    ReceiverInPath,
    /// The export policy rejects it.
    Policy,
}

/// What an export gives.
pub(super) type Sent = Result<PathAttributes, NotSent>;

/// Why a received route does not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotAccepted {
    /// A check on receipt refused it.
    Refused(Refusal),
    /// The import policy rejects it.
    Policy,
}

/// A candidate as the engine stores it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gathered {
    pub(super) from: Best,
    pub(super) attributes: AttrId,
}

/// Everything that is looked at and not changed when routes pass between speakers.
#[derive(Clone, Copy)]
pub(super) struct Exchange<'a> {
    pub(super) plan: &'a Plan,
    pub(super) live: &'a Live,
    pub(super) igp: &'a Igp,
    pub(super) pool: &'a Pool,
}

impl<'a> Exchange<'a> {
    /// What it costs a speaker to reach the next hop of a route that it has. A route without one is its own.
    pub(super) fn cost(&self, speaker: SpeakerIx, attributes: AttrId) -> Option<u32> {
        match self.pool.next_hop(attributes) {
            Some(row) => self.igp.cost(speaker, row),
            None => Some(0),
        }
    }

    /// The routes that a speaker chooses from: its own, then received ones, older sessions first.
    pub(super) fn gather(&self, group: &Group, speaker: SpeakerIx, found: &mut Vec<Gathered>) {
        found.clear();
        if !self.live.speakers[speaker as usize] || group.best.is_empty() {
            return;
        }
        for (i, local) in group.locals_of(speaker) {
            found.push(Gathered { from: Best::Local(i), attributes: local.attributes });
        }
        for slot in self.plan.speakers[speaker as usize].slots.clone() {
            let attributes = group.slots[slot as usize];
            if attributes.is_some() {
                found.push(Gathered { from: Best::Slot(slot), attributes });
            }
        }
    }

    /// The best of a speaker's routes, by position. Next hops were resolved.
    pub(super) fn select(&self, group: &Group, speaker: SpeakerIx, found: &[Gathered]) -> Option<usize> {
        let settings = &self.plan.speakers[speaker as usize].settings;
        match found {
            [] => None,
            // Nothing to compare: most decisions of a large design.
            [only] => {
                let reached = matches!(only.from, Best::Local(_))
                    || !settings.checks_next_hop
                    || settings.keeps_unresolved
                    || self.cost(speaker, only.attributes).is_some();
                reached.then_some(0)
            }
            _ => {
                let candidates: Vec<Candidate<'_>> =
                    found.iter().map(|route| self.candidate(group, speaker, route)).collect();
                decision::select(&candidates, settings)
            }
        }
    }

    /// The best of a speaker's routes, then the best of the rest, and so on: as many as wanted, and more for those that
    /// may not be sent.
    pub(super) fn ranked(
        &self,
        group: &Group,
        speaker: SpeakerIx,
        found: &[Gathered],
        wanted: usize,
    ) -> Vec<Gathered> {
        let mut rest = found.to_vec();
        let mut ranked = Vec::new();
        while ranked.len() < 2 * wanted + 2 {
            let Some(best) = self.select(group, speaker, &rest) else { break };
            ranked.push(rest.remove(best));
        }
        ranked
    }

    /// A route as the decision process sees it.
    pub(super) fn candidate(&self, group: &Group, speaker: SpeakerIx, route: &Gathered) -> Candidate<'a> {
        let attributes = self.pool.get(route.attributes);
        match route.from {
            Best::Slot(slot) => {
                let e = self.plan.slot_end[slot as usize];
                let end = &self.plan.ends[e as usize];
                Candidate {
                    attributes,
                    source: RouteSource::Peer(end.peer_info),
                    igp_cost: self.cost(speaker, route.attributes),
                    age: self.plan.sessions[e as usize / 2].age,
                    path_id: slot - end.slots.start,
                    stale: false,
                }
            }
            Best::Local(_) | Best::None => Candidate {
                attributes,
                source: RouteSource::Local(match route.from {
                    Best::Local(i) => group.locals[i as usize].kind,
                    _ => LocalRoute::Network,
                }),
                igp_cost: Some(0),
                age: 0,
                path_id: 0,
                stale: false,
            },
        }
    }

    /// The default route that an end makes; `None` where it makes none.
    pub(super) fn make_default(
        &self,
        group: &Group,
        e: EndIx,
        best: (Best, AttrId),
    ) -> Option<PathAttributes> {
        let end = &self.plan.ends[e as usize];
        let (chain, only_if_present) = end.default_originate.as_ref()?;
        if *only_if_present && best.0 == Best::None {
            return None;
        }
        let mut attributes = PathAttributes::default();
        let context = Context {
            prefix: &group.prefix,
            neighbor: end.peer_info.address,
            own_address: Some(end.own(group.v4())),
            own_asn: end.own_asn,
            peer_asn: Some(end.peer_info.asn),
            route_type: RouteType::Local,
            source_protocol: SourceProtocol::Bgp,
            igp_cost: None,
            export: true,
            settings: &self.plan.speakers[end.speaker as usize].settings,
        };
        let outcome = self.plan.policies.evaluate(chain, &context, &mut attributes);
        if !outcome.accepted {
            return None;
        }
        if !outcome.next_hop_set || attributes.next_hop.is_none() {
            attributes.next_hop = Some(end.own(group.v4()));
        }
        finish(self.plan, e, &mut attributes);
        Some(attributes)
    }

    /// Rules that keep a route from a neighbour before its attributes are looked at in detail.
    pub(super) fn withheld(&self, group: &Group, e: EndIx, route: (Best, AttrId)) -> Option<NotSent> {
        let plan = self.plan;
        let end = &plan.ends[e as usize];
        let speaker = &plan.speakers[end.speaker as usize];
        if route.0 == Best::None || !self.live.up(plan, e) || !end.carries(group.v4()) {
            return Some(NotSent::Nothing);
        }
        if let Best::Slot(slot) = route.0 {
            let from = plan.slot_end[slot as usize];
            let source = &plan.ends[from as usize];
            if from == e && (!speaker.settings.sends_back || end.kind != SessionKind::Ebgp) {
                return Some(NotSent::BackToSender);
            }
            let inside = source.kind == SessionKind::Ibgp && end.kind == SessionKind::Ibgp;
            if inside && !source.client && !end.client {
                return Some(NotSent::InternalToInternal);
            }
        }
        let attributes = self.pool.get(route.1);
        if speaker.settings.honours_well_known && !attributes.communities.is_empty() {
            let stops = |community: Community| attributes.communities.contains(community);
            let external = end.kind == SessionKind::Ebgp;
            for (community, here) in [
                (Community::NO_ADVERTISE, true),
                (Community::NO_EXPORT, external),
                (Community::NO_EXPORT_SUBCONFED, end.kind != SessionKind::Ibgp),
            ] {
                if here && stops(community) {
                    return Some(NotSent::WellKnownCommunity(community));
                }
            }
        }
        if self.suppressed(group, end, attributes) {
            return Some(NotSent::Suppressed);
        }
        if speaker.settings.checks_receiver_as
            && end.kind == SessionKind::Ebgp
            && attributes.as_path.count(end.peer_info.asn) > 0
        {
            return Some(NotSent::ReceiverInPath);
        }
        None
    }

    /// Whether an aggregate of the speaker stands for the route (RFC 4271 section 9.2.2.2). The aggregate is there,
    /// because the route is inside it.
    fn suppressed(&self, group: &Group, end: &End, attributes: &PathAttributes) -> bool {
        group.inside.iter().map(|a| &self.plan.aggregates[*a as usize]).any(|aggregate| {
            aggregate.speaker == end.speaker
                && (aggregate.summary_only
                    || aggregate.suppress.as_ref().is_some_and(|chain| {
                        let context = Context {
                            prefix: &group.prefix,
                            neighbor: end.peer_info.address,
                            own_address: Some(end.own(group.v4())),
                            own_asn: end.own_asn,
                            peer_asn: Some(end.peer_info.asn),
                            route_type: RouteType::Local,
                            source_protocol: SourceProtocol::Bgp,
                            igp_cost: None,
                            export: true,
                            settings: &self.plan.speakers[end.speaker as usize].settings,
                        };
                        self.plan.policies.evaluate(chain, &context, &mut attributes.clone()).accepted
                    }))
        })
    }

    /// The attributes that a route has when it is sent: policy, then what the protocol changes.
    pub(super) fn transform(
        &self,
        group: &Group,
        e: EndIx,
        route: (Best, AttrId),
        trace: Option<&mut Vec<StatementTrace>>,
    ) -> Sent {
        let igp_cost = self.cost(self.plan.ends[e as usize].speaker, route.1);
        let plan = self.plan;
        let end = &plan.ends[e as usize];
        let speaker = &plan.speakers[end.speaker as usize];
        let mut attributes = self.pool.get(route.1).clone();
        let (source_kind, source_router_id) = match route.0 {
            Best::Slot(slot) => {
                let from = &plan.ends[plan.slot_end[slot as usize] as usize];
                (Some(from.kind), Some(from.peer_info.router_id))
            }
            Best::Local(_) | Best::None => (None, None),
        };
        let reflected = source_kind == Some(SessionKind::Ibgp) && end.kind == SessionKind::Ibgp;
        if end.kind == SessionKind::Ebgp {
            // RFC 4271 section 5.1.4: a received MED does not go to other systems.
            if source_kind.is_some() {
                attributes.med = None;
            }
            if let Some(action) = end.remove_private_as
                && let Some(path) = private_as(&attributes.as_path, action, end.own_asn)
            {
                attributes.as_path = path;
            }
            if end.as_override {
                let (theirs, ours) = (end.peer_info.asn, end.own_asn);
                attributes.as_path =
                    attributes.as_path.map(|asn| Some(if asn == theirs { ours } else { asn }));
            }
        }
        let context = Context {
            prefix: &group.prefix,
            neighbor: end.peer_info.address,
            own_address: Some(end.own(group.v4())),
            own_asn: end.own_asn,
            peer_asn: Some(end.peer_info.asn),
            route_type: match source_kind {
                None => RouteType::Local,
                Some(SessionKind::Ibgp) => RouteType::Internal,
                Some(_) => RouteType::External,
            },
            source_protocol: match route.0 {
                Best::Local(i) => group.locals[i as usize].protocol,
                Best::Slot(_) | Best::None => SourceProtocol::Bgp,
            },
            igp_cost,
            export: true,
            settings: &speaker.settings,
        };
        let mut next_hop_set = false;
        if !end.export.is_transparent() {
            let outcome = match trace {
                None => plan.policies.evaluate(&end.export, &context, &mut attributes),
                Some(trace) => {
                    let (outcome, statements) = plan.policies.trace(&end.export, &context, &mut attributes);
                    *trace = statements;
                    outcome
                }
            };
            if !outcome.accepted {
                return Err(NotSent::Policy);
            }
            next_hop_set = outcome.next_hop_set;
        }
        let own = end.own(group.v4());
        let to_own = match end.kind {
            _ if next_hop_set => false,
            SessionKind::Ebgp => {
                let third_party = speaker.settings.third_party_next_hop
                    && attributes.next_hop.is_some_and(|hop| self.on_shared_network(end, hop));
                !end.next_hop_unchanged && !third_party
            }
            SessionKind::ConfedEbgp => end.next_hop_self,
            SessionKind::Ibgp => end.next_hop_self && !reflected,
        };
        if to_own || attributes.next_hop.is_none() {
            attributes.next_hop = Some(own);
        }
        if reflected {
            attributes.originator_id = attributes.originator_id.or(source_router_id);
            attributes.cluster_list = attributes.cluster_list.prepended(speaker.receiver.cluster_id);
            attributes.med = attributes.med.or(speaker.settings.reflected_med);
        }
        if end.kind != SessionKind::Ebgp {
            attributes.local_preference =
                attributes.local_preference.or(Some(speaker.settings.default_local_preference));
        }
        finish(plan, e, &mut attributes);
        Ok(attributes)
    }

    /// Whether a next hop stands in a network that the speaker and the neighbour of an end share (RFC 4271 section
    /// 5.1.3).
    fn on_shared_network(&self, end: &End, next_hop: IpAddr) -> bool {
        let own = &self.plan.speakers[end.speaker as usize].own_routes;
        let network = |address: IpAddr| match own.longest_match(address) {
            Some((prefix, OwnRoute::Connected)) if prefix.prefix_len() < prefix.max_prefix_len() => {
                Some(prefix)
            }
            _ => None,
        };
        let shared = network(next_hop);
        shared.is_some()
            && end.peer_info.address.and_then(network) == shared
            && end.peer_info.address != Some(next_hop)
    }

    /// What becomes of attributes that arrive at an end: checks, then the import policy.
    pub(super) fn accept(
        &self,
        group: &Group,
        e: EndIx,
        mut attributes: PathAttributes,
        trace: Option<&mut Vec<StatementTrace>>,
    ) -> Result<PathAttributes, NotAccepted> {
        let plan = self.plan;
        let end = &plan.ends[e as usize];
        let speaker = &plan.speakers[end.speaker as usize];
        if let Some(refusal) = decision::refuse(
            &attributes,
            &end.peer_info,
            &speaker.receiver,
            end.allow_own_as,
            &speaker.settings,
        ) {
            return Err(NotAccepted::Refused(refusal));
        }
        clean(end, &mut attributes, &speaker.settings);
        if let Some(local) = end.local_as
            && !local.no_prepend
        {
            attributes.as_path = attributes.as_path.prepended(&[local.asn]);
        }
        attributes.weight = end.weight;
        if end.import.is_transparent() {
            return Ok(attributes);
        }
        let context = Context {
            prefix: &group.prefix,
            neighbor: end.peer_info.address,
            own_address: Some(end.own(group.v4())),
            own_asn: end.own_asn,
            peer_asn: Some(end.peer_info.asn),
            route_type: if end.kind == SessionKind::Ibgp { RouteType::Internal } else { RouteType::External },
            source_protocol: SourceProtocol::Bgp,
            igp_cost: None,
            export: false,
            settings: &speaker.settings,
        };
        let outcome = match trace {
            None => plan.policies.evaluate(&end.import, &context, &mut attributes),
            Some(trace) => {
                let (outcome, statements) = plan.policies.trace(&end.import, &context, &mut attributes);
                *trace = statements;
                outcome
            }
        };
        if outcome.accepted { Ok(attributes) } else { Err(NotAccepted::Policy) }
    }
}

/// The last changes before a route is on its way: what never leaves a speaker or a system, and the own number.
fn finish(plan: &Plan, e: EndIx, attributes: &mut PathAttributes) {
    let end = &plan.ends[e as usize];
    attributes.weight = None;
    if !end.sends_communities {
        attributes.communities = Communities::default();
    }
    match end.kind {
        SessionKind::Ibgp => {}
        SessionKind::ConfedEbgp => {
            attributes.as_path = attributes.as_path.confed_prepended(&[end.own_asn]);
            attributes.originator_id = None;
            attributes.cluster_list = ClusterList::default();
        }
        SessionKind::Ebgp => {
            attributes.local_preference = None;
            attributes.originator_id = None;
            attributes.cluster_list = ClusterList::default();
            let path = attributes.as_path.without_confederation();
            let speaker = &plan.speakers[end.speaker as usize];
            attributes.as_path = match end.local_as {
                // The number shown stands in front of the speaker's own, unless it takes its place.
                Some(local) if !local.replace_as && local.asn != speaker.outer_asn => {
                    path.prepended(&[local.asn, speaker.outer_asn])
                }
                _ => path.prepended(&[end.own_asn]),
            };
        }
    }
}

/// Whether a received route carries what its receiver must drop.
pub(super) fn needs_cleaning(end: &End, attributes: &PathAttributes, settings: &Settings) -> bool {
    attributes.weight.is_some()
        || (end.kind == SessionKind::Ebgp
            && (attributes.originator_id.is_some()
                || !attributes.cluster_list.ids().is_empty()
                || (attributes.local_preference.is_some() && !settings.local_preference_from_ebgp)
                || shuts_down(attributes, settings)))
}

/// Drops what does not cross a border between systems (RFC 4271 section 5.1.5, RFC 4456 section 8).
fn clean(end: &End, attributes: &mut PathAttributes, settings: &Settings) {
    attributes.weight = None;
    if end.kind == SessionKind::Ebgp {
        attributes.originator_id = None;
        attributes.cluster_list = ClusterList::default();
        if !settings.local_preference_from_ebgp {
            attributes.local_preference = None;
        }
        if shuts_down(attributes, settings) {
            attributes.local_preference = Some(0);
        }
    }
}

/// Whether GRACEFUL_SHUTDOWN lowers a route's preference on receipt (RFC 8326 section 4.1).
fn shuts_down(attributes: &PathAttributes, settings: &Settings) -> bool {
    settings.honours_graceful_shutdown && attributes.communities.contains(Community::GRACEFUL_SHUTDOWN)
}
