//! What passes between two speakers: what keeps a route back, how it changes when it is sent, and on receipt.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::Settings;
use super::decision::{self, Candidate, LocalRoute, Refusal, RouteSource, SessionKind};
use super::igp::Igp;
use super::passage::{Log, PassRule, PassStep};
use super::plan::{End, EndIx, OwnRoute, Plan, SpeakerIx};
use super::policy::{Context, private_as};
use super::pool::{AttrId, Pool};
use super::state::{Best, Group, Live};
use crate::model::bgp::{ClusterList, Communities, Community, PathAttributes, RouteType, SourceProtocol};

/// Why a route is not sent to a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotSent {
    /// There is no route.
    Nothing,
    /// The session is not established.
    SessionDown,
    /// The session does not carry the family.
    Family,
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
    /// There is no export policy, and without one nothing is sent (RFC 8212).
    PolicyMissing,
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "it has no route",
            Self::SessionDown => "the session is down",
            Self::Family => "the session does not carry the family",
            Self::BackToSender => "its route came over this session",
            Self::InternalToInternal => "its route is internal, and neither side is a client",
            Self::WellKnownCommunity(community) => {
                return write!(f, "its route carries the community {community}");
            }
            Self::Suppressed => "an aggregate stands for its route",
            Self::ReceiverInPath => "the receiver's AS stands in the path",
            Self::Policy => "the export policy rejects it",
            Self::PolicyMissing => "there is no export policy (RFC 8212)",
        })
    }
}

/// What an export gives.
pub(super) type Sent = Result<PathAttributes, NotSent>;

/// Why a received route does not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotAccepted {
    /// A check on receipt refused it.
    Refused(Refusal),
    /// The import policy rejects it.
    Policy,
    /// There is no import policy, and without one nothing is taken (RFC 8212).
    PolicyMissing,
}

impl fmt::Display for NotAccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Policy => f.write_str("the import policy rejects it"),
            Self::PolicyMissing => f.write_str("there is no import policy (RFC 8212)"),
        }
    }
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
            [only]
                if matches!(only.from, Best::Local(_)) || self.cost(speaker, only.attributes).is_some() =>
            {
                Some(0)
            }
            [only] => decision::select(&[self.candidate(group, speaker, only)], settings),
            // A client of two reflectors: needs no allocation.
            [a, b] => decision::select(&[a, b].map(|route| self.candidate(group, speaker, route)), settings),
            _ => {
                let candidates: Vec<Candidate<'_>> =
                    found.iter().map(|route| self.candidate(group, speaker, route)).collect();
                decision::select(&candidates, settings)
            }
        }
    }

    /// Takes the best of the routes that are left: called again and again, it gives them best first.
    pub(super) fn next_best(
        &self,
        group: &Group,
        speaker: SpeakerIx,
        left: &mut Vec<Gathered>,
    ) -> Option<Gathered> {
        self.select(group, speaker, left).map(|best| left.remove(best))
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

    /// Whether an end sends a default route of its own making, or none: a learned one does not go there.
    pub(super) fn makes_default(&self, group: &Group, e: EndIx) -> bool {
        group.default_route && self.plan.ends[e as usize].default_originate.is_some()
    }

    /// The default route that an end makes.
    pub(super) fn make_default(
        &self,
        group: &Group,
        e: EndIx,
        best: (Best, AttrId),
        trace: Option<&mut Vec<PassStep>>,
    ) -> Sent {
        let mut log = Log(trace);
        let end = &self.plan.ends[e as usize];
        let speaker = &self.plan.speakers[end.speaker as usize];
        let Some((chain, only_if_present)) = &end.default_originate else { return Err(NotSent::Nothing) };
        if *only_if_present && best.0 == Best::None {
            return Err(NotSent::Nothing);
        }
        log.note(PassRule::DefaultMade);
        let mut attributes = PathAttributes::default();
        if end.kind != SessionKind::Ebgp {
            attributes.local_preference = Some(speaker.settings.default_local_preference);
        }
        let context = self.context(group, end, RouteType::Local, SourceProtocol::Bgp, None, true);
        let outcome = log.policy(&self.plan.policies, chain, &context, &mut attributes);
        if !outcome.accepted {
            return Err(NotSent::Policy);
        }
        if !outcome.next_hop_set || attributes.next_hop.is_none() {
            log.rule(PassRule::NextHopSelf, &mut attributes, |a| a.next_hop = Some(end.own(group.v4())));
        }
        finish(self.plan, e, &mut attributes, &mut log);
        Ok(attributes)
    }

    /// What policies of an end see of a route.
    fn context<'g>(
        &self,
        group: &'g Group,
        end: &'g End,
        route_type: RouteType,
        source_protocol: SourceProtocol,
        igp_cost: Option<u32>,
        export: bool,
    ) -> Context<'g>
    where
        'a: 'g,
    {
        Context {
            prefix: &group.prefix,
            neighbor: end.peer_info.address,
            own_address: Some(end.own(group.v4())),
            own_asn: end.own_asn,
            peer_asn: Some(end.peer_info.asn),
            route_type,
            source_protocol,
            igp_cost,
            export,
            settings: &self.plan.speakers[end.speaker as usize].settings,
        }
    }

    /// What an end sends of a route, or of its own making.
    pub(super) fn send(
        &self,
        group: &Group,
        e: EndIx,
        route: (Best, AttrId),
        trace: Option<&mut Vec<PassStep>>,
    ) -> Sent {
        if let Some(reason) = self.closed(group, e) {
            return Err(reason);
        }
        if self.makes_default(group, e) {
            return self.make_default(group, e, route, trace);
        }
        match self.withheld(group, e, route) {
            Some(reason) => Err(reason),
            None => self.transform(group, e, route, trace),
        }
    }

    /// Why nothing at all passes an end.
    fn closed(&self, group: &Group, e: EndIx) -> Option<NotSent> {
        if !self.live.up(self.plan, e) {
            return Some(NotSent::SessionDown);
        }
        (!self.plan.ends[e as usize].carries(group.v4())).then_some(NotSent::Family)
    }

    /// Rules that keep a route from a neighbour before its attributes are looked at in detail.
    pub(super) fn withheld(&self, group: &Group, e: EndIx, route: (Best, AttrId)) -> Option<NotSent> {
        let plan = self.plan;
        let end = &plan.ends[e as usize];
        let speaker = &plan.speakers[end.speaker as usize];
        if let Some(reason) = self.closed(group, e) {
            return Some(reason);
        }
        if route.0 == Best::None {
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
            // What is sent has the own number in its place.
            && !end.as_override
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
                        let context =
                            self.context(group, end, RouteType::Local, SourceProtocol::Bgp, None, true);
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
        trace: Option<&mut Vec<PassStep>>,
    ) -> Sent {
        let mut log = Log(trace);
        let igp_cost = self.cost(self.plan.ends[e as usize].speaker, route.1);
        let plan = self.plan;
        let end = &plan.ends[e as usize];
        let speaker = &plan.speakers[end.speaker as usize];
        let settings = &speaker.settings;
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
            if source_kind.is_some() && attributes.med.is_some() {
                log.rule(PassRule::MedDropped, &mut attributes, |a| a.med = None);
            }
            let kept = settings.private_as_keeps_peer.then_some(end.peer_info.asn);
            if let Some(action) = end.remove_private_as
                && let Some(path) = private_as(&attributes.as_path, action, end.own_asn, kept)
            {
                log.rule(PassRule::PrivateAs, &mut attributes, |a| a.as_path = path);
            }
            let (theirs, ours) = (end.peer_info.asn, end.own_asn);
            if end.as_override && attributes.as_path.count(theirs) > 0 {
                log.rule(PassRule::AsOverride, &mut attributes, |a| {
                    a.as_path = a.as_path.map(|asn| Some(if asn == theirs { ours } else { asn }));
                });
            }
        } else if attributes.local_preference.is_none() {
            // Before the policy, which may add to it.
            log.rule(PassRule::LocalPreferenceAdded, &mut attributes, |a| {
                a.local_preference = Some(settings.default_local_preference);
            });
        }
        let mut next_hop_set = false;
        if !end.export.is_transparent() {
            let route_type = match source_kind {
                None => RouteType::Local,
                Some(SessionKind::Ibgp) => RouteType::Internal,
                Some(_) => RouteType::External,
            };
            let protocol = match route.0 {
                Best::Local(i) => group.locals[i as usize].protocol,
                Best::Slot(_) | Best::None => SourceProtocol::Bgp,
            };
            let context = self.context(group, end, route_type, protocol, igp_cost, true);
            let outcome = log.policy(&plan.policies, &end.export, &context, &mut attributes);
            if !outcome.accepted {
                return Err(if end.lacks_export { NotSent::PolicyMissing } else { NotSent::Policy });
            }
            next_hop_set = outcome.next_hop_set;
        }
        let own = end.own(group.v4());
        let to_own = match end.kind {
            _ if next_hop_set => false,
            SessionKind::Ebgp => {
                let third_party = settings.third_party_next_hop
                    && !end.next_hop_self
                    && attributes.next_hop.is_some_and(|hop| self.on_shared_network(e, group.v4(), hop));
                !end.next_hop_unchanged && !third_party
            }
            SessionKind::ConfedEbgp => end.next_hop_self,
            SessionKind::Ibgp => end.next_hop_self && !reflected,
        };
        if to_own || attributes.next_hop.is_none() {
            log.rule(PassRule::NextHopSelf, &mut attributes, |a| a.next_hop = Some(own));
        }
        if reflected {
            log.rule(PassRule::Reflected, &mut attributes, |a| {
                a.originator_id = a.originator_id.or(source_router_id);
                a.cluster_list = a.cluster_list.prepended(speaker.receiver.cluster_id);
                a.med = a.med.or(settings.reflected_med);
            });
        }
        finish(plan, e, &mut attributes, &mut log);
        Ok(attributes)
    }

    /// Whether a next hop stands in a network that the speaker and the neighbour of an end share (RFC 4271 section
    /// 5.1.3), and is not the neighbour itself.
    fn on_shared_network(&self, e: EndIx, v4: bool, next_hop: IpAddr) -> bool {
        let own = &self.plan.speakers[self.plan.ends[e as usize].speaker as usize].own_routes;
        let neighbor = self.plan.ends[(e ^ 1) as usize].own(v4);
        let network = |address: IpAddr| match own.longest_match(address) {
            Some((prefix, OwnRoute::Connected)) if prefix.prefix_len() < prefix.max_prefix_len() => {
                Some(prefix)
            }
            _ => None,
        };
        let shared = network(next_hop);
        shared.is_some() && network(neighbor) == shared && neighbor != next_hop
    }

    /// Why attributes that arrive at an end are not even looked at.
    pub(super) fn refused(&self, e: EndIx, attributes: &PathAttributes) -> Option<Refusal> {
        let end = &self.plan.ends[e as usize];
        let speaker = &self.plan.speakers[end.speaker as usize];
        let refusal = decision::refuse(
            attributes,
            &end.peer_info,
            &speaker.receiver,
            end.allow_own_as,
            &speaker.settings,
        );
        refusal.or_else(|| {
            // The number shown to this neighbour is an own one too.
            let shown = attributes.as_path.count(end.local_as?.asn);
            (shown > usize::from(end.allow_own_as)).then_some(Refusal::OwnAs)
        })
    }

    /// What becomes of attributes that arrive at an end: checks, then the import policy.
    pub(super) fn accept(
        &self,
        group: &Group,
        e: EndIx,
        mut attributes: PathAttributes,
        trace: Option<&mut Vec<PassStep>>,
    ) -> Result<PathAttributes, NotAccepted> {
        let mut log = Log(trace);
        let plan = self.plan;
        let end = &plan.ends[e as usize];
        let settings = &plan.speakers[end.speaker as usize].settings;
        if let Some(refusal) = self.refused(e, &attributes) {
            return Err(NotAccepted::Refused(refusal));
        }
        clean(end, &mut attributes, settings, &mut log);
        if let Some(local) = end.local_as
            && !local.no_prepend
        {
            log.rule(PassRule::LocalAs, &mut attributes, |a| a.as_path = a.as_path.prepended(&[local.asn]));
        }
        if attributes.weight != end.weight {
            log.rule(PassRule::SessionWeight, &mut attributes, |a| a.weight = end.weight);
        }
        if !end.import.is_transparent() {
            let internal = end.kind == SessionKind::Ibgp;
            let route_type = if internal { RouteType::Internal } else { RouteType::External };
            let context = self.context(group, end, route_type, SourceProtocol::Bgp, None, false);
            if !log.policy(&plan.policies, &end.import, &context, &mut attributes).accepted {
                return Err(if end.lacks_import { NotAccepted::PolicyMissing } else { NotAccepted::Policy });
            }
        }
        // After the policy, which may take the community out.
        if shuts_down(end, &attributes, settings) {
            log.rule(PassRule::GracefulShutdown, &mut attributes, |a| a.local_preference = Some(0));
        }
        Ok(attributes)
    }
}

/// The last changes before a route is on its way: what never leaves a speaker or a system, and the own number.
fn finish(plan: &Plan, e: EndIx, attributes: &mut PathAttributes, log: &mut Log<'_>) {
    let end = &plan.ends[e as usize];
    attributes.weight = None;
    if !end.sends_communities && !attributes.communities.is_empty() {
        log.rule(PassRule::CommunitiesDropped, attributes, |a| a.communities = Communities::default());
    }
    if end.kind == SessionKind::Ibgp {
        return;
    }
    if attributes.originator_id.is_some() || !attributes.cluster_list.ids().is_empty() {
        log.rule(PassRule::ReflectionDropped, attributes, unreflect);
    }
    if end.kind == SessionKind::ConfedEbgp {
        log.rule(PassRule::OwnMember, attributes, |a| {
            a.as_path = a.as_path.confed_prepended(&[end.own_asn]);
        });
        return;
    }
    if attributes.local_preference.is_some() {
        log.rule(PassRule::LocalPreferenceDropped, attributes, |a| a.local_preference = None);
    }
    let speaker = &plan.speakers[end.speaker as usize];
    if speaker.receiver.confederation.is_some() {
        log.rule(PassRule::ConfederationRemoved, attributes, |a| {
            a.as_path = a.as_path.without_confederation();
        });
    }
    if end.transparent {
        return;
    }
    log.rule(PassRule::OwnAs, attributes, |a| {
        a.as_path = match end.local_as {
            // The number shown stands in front of the speaker's own, unless it takes its place.
            Some(local) if !local.replace_as && local.asn != speaker.outer_asn => {
                a.as_path.prepended(&[local.asn, speaker.outer_asn])
            }
            _ => a.as_path.prepended(&[end.own_asn]),
        };
    });
}

fn unreflect(attributes: &mut PathAttributes) {
    attributes.originator_id = None;
    attributes.cluster_list = ClusterList::default();
}

/// Whether a received route carries what its receiver must drop.
pub(super) fn needs_cleaning(end: &End, attributes: &PathAttributes, settings: &Settings) -> bool {
    attributes.weight.is_some()
        || (end.kind == SessionKind::Ebgp
            && (attributes.originator_id.is_some()
                || !attributes.cluster_list.ids().is_empty()
                || (attributes.local_preference.is_some() && !settings.local_preference_from_ebgp)
                || shuts_down(end, attributes, settings)))
}

/// Drops what does not cross a border between systems (RFC 4271 section 5.1.5, RFC 4456 section 8).
fn clean(end: &End, attributes: &mut PathAttributes, settings: &Settings, log: &mut Log<'_>) {
    attributes.weight = None;
    if end.kind != SessionKind::Ebgp {
        return;
    }
    if attributes.originator_id.is_some() || !attributes.cluster_list.ids().is_empty() {
        log.rule(PassRule::ReflectionDropped, attributes, unreflect);
    }
    if attributes.local_preference.is_some() && !settings.local_preference_from_ebgp {
        log.rule(PassRule::LocalPreferenceDropped, attributes, |a| a.local_preference = None);
    }
}

/// Whether GRACEFUL_SHUTDOWN lowers a route's preference on receipt (RFC 8326 section 4.1).
fn shuts_down(end: &End, attributes: &PathAttributes, settings: &Settings) -> bool {
    settings.honours_graceful_shutdown
        && end.kind == SessionKind::Ebgp
        && attributes.communities.contains(Community::GRACEFUL_SHUTDOWN)
}
