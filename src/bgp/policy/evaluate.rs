//! Evaluation: conditions asked, actions done.

use std::fmt;
use std::net::IpAddr;

use super::compile::{Action, Compiled, Condition, ListChange, Named, SetMatch, Statement};
use super::pattern::PathPattern;
use super::sets::{Addresses, Members};
use super::trace::Watch;
use super::{Chain, Context, Link, Outcome};
use crate::model::bgp::{
    AddressFamily, AsPath, Asn, CommunityOption, DefaultPolicy, MatchSetOptions, PathAttributes,
    PolicyResult, PrependAsn, PrivateAsAction, Segment, SegmentKind, SetMed, SetNextHop,
};

/// Runs a chain.
pub(super) fn run<W: Watch>(
    compiled: &Compiled,
    chain: &Chain,
    context: &Context<'_>,
    attributes: &mut PathAttributes,
    watch: &mut W,
) -> Outcome {
    let mut run = Run { compiled, context, default: chain.default, next_hop_set: false, depth: 0, watch };
    let mut accepted = run.default == DefaultPolicy::AcceptRoute;
    for link in &chain.links {
        let verdict = match link {
            Link::Policy(at) => run.policy(*at, attributes),
            Link::Undefined(name) => {
                let verdict = run.undefined_policy();
                run.watch.undefined_policy(name, verdict == Verdict::Accept);
                verdict
            }
        };
        if verdict != Verdict::None {
            accepted = verdict == Verdict::Accept;
            break;
        }
    }
    Outcome { accepted, next_hop_set: accepted && run.next_hop_set }
}

/// What a policy said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accept,
    Reject,
    None,
}

struct Run<'a, W> {
    compiled: &'a Compiled,
    context: &'a Context<'a>,
    default: DefaultPolicy,
    next_hop_set: bool,
    /// Calls around what is evaluated now.
    depth: usize,
    watch: &'a mut W,
}

impl<W: Watch> Run<'_, W> {
    fn policy(&mut self, at: usize, attributes: &mut PathAttributes) -> Verdict {
        let compiled = self.compiled;
        let Some(policy) = compiled.policies.get(at) else { return Verdict::None };
        for statement in compiled.statements(policy) {
            self.watch.enter(policy, statement, self.depth);
            let result = self.statement(statement, attributes);
            self.watch.leave();
            match result {
                None | Some(PolicyResult::NextStatement) => {}
                Some(PolicyResult::AcceptRoute) => return Verdict::Accept,
                Some(PolicyResult::RejectRoute) => return Verdict::Reject,
                Some(PolicyResult::NextPolicy) => return Verdict::None,
            }
        }
        Verdict::None
    }

    fn statement(&mut self, statement: &Statement, attributes: &mut PathAttributes) -> Option<PolicyResult> {
        let compiled = self.compiled;
        for condition in compiled.conditions(statement) {
            if !self.holds(condition, attributes) {
                self.watch.fails(compiled, condition);
                return None;
            }
        }
        let actions = compiled.actions(statement);
        self.watch.before(attributes);
        for action in actions {
            self.act(action, attributes);
        }
        self.watch.matches(actions, attributes, statement.result);
        statement.result
    }

    fn undefined_policy(&self) -> Verdict {
        match self.context.settings.undefined_policy {
            DefaultPolicy::AcceptRoute => Verdict::Accept,
            DefaultPolicy::RejectRoute => Verdict::Reject,
        }
    }

    fn holds(&mut self, condition: &Condition, attributes: &mut PathAttributes) -> bool {
        let (compiled, context) = (self.compiled, self.context);
        let undefined = context.settings.undefined_set_matches;
        match condition {
            Condition::SourceProtocol(protocol) => context.source_protocol == *protocol,
            Condition::AddressFamily(family) => AddressFamily::of(context.prefix) == *family,
            Condition::RouteType(kind) => context.route_type == *kind,
            Condition::Origin(origin) => attributes.origin == *origin,
            Condition::Med(comparison) => comparison.holds(attributes.med.unwrap_or(0)),
            Condition::LocalPreference(comparison) => comparison.holds(local_preference(context, attributes)),
            Condition::CommunityCount(comparison) => {
                comparison.holds(count(attributes.communities.standard().len()))
            }
            Condition::AsPathLength(comparison) => {
                comparison.holds(count(path_length(context, &attributes.as_path)))
            }
            Condition::Prefix(wanted) => {
                in_one(wanted, &compiled.prefix_sets, undefined, |set| set.contains(context.prefix))
            }
            Condition::Neighbor(wanted) => {
                address_in(wanted, &compiled.neighbor_sets, undefined, context.neighbor)
            }
            Condition::NextHop(wanted) => {
                address_in(wanted, &compiled.next_hop_sets, undefined, attributes.next_hop)
            }
            Condition::Community(wanted) => {
                let communities = attributes.communities.standard();
                communities_in(wanted, &compiled.community_sets, undefined, communities)
            }
            Condition::Extended(wanted) => {
                communities_in(wanted, &compiled.extended_sets, undefined, attributes.communities.extended())
            }
            Condition::Large(wanted) => {
                communities_in(wanted, &compiled.large_sets, undefined, attributes.communities.large())
            }
            Condition::AsPath(wanted) => {
                path_in(wanted, &compiled.as_path_sets, undefined, &attributes.as_path)
            }
            Condition::Call(Ok(policy)) => {
                self.depth += 1;
                let verdict = self.policy(*policy, attributes);
                self.depth -= 1;
                match verdict {
                    Verdict::Accept => true,
                    Verdict::Reject => false,
                    Verdict::None => self.default == DefaultPolicy::AcceptRoute,
                }
            }
            Condition::Call(Err(_)) => self.undefined_policy() == Verdict::Accept,
        }
    }

    fn act(&mut self, action: &Action, attributes: &mut PathAttributes) {
        let (compiled, context) = (self.compiled, self.context);
        match action {
            Action::Origin(origin) => attributes.origin = *origin,
            Action::LocalPreference(number) => {
                attributes.local_preference = Some(number.apply(local_preference(context, attributes)));
            }
            Action::Med(SetMed::Number(number)) => {
                attributes.med = Some(number.apply(attributes.med.unwrap_or(0)));
            }
            Action::Med(SetMed::Igp) => attributes.med = context.igp_cost.or(attributes.med),
            Action::Weight(weight) => attributes.weight = Some(*weight),
            Action::NextHop(next_hop) => self.set_next_hop(*next_hop, attributes),
            Action::Exclude(asns) => {
                if attributes.as_path.asns().any(|asn| asns.contains(&asn)) {
                    attributes.as_path = attributes.as_path.map(|asn| (!asns.contains(&asn)).then_some(asn));
                }
            }
            Action::PrivateAs(change) => {
                if let Some(path) = private_as(&attributes.as_path, *change, context.own_asn, None) {
                    attributes.as_path = path;
                }
            }
            Action::AsOverride => {
                if let (true, Some(peer)) = (context.export, context.peer_asn)
                    && attributes.as_path.count(peer) > 0
                {
                    let own = context.own_asn;
                    attributes.as_path =
                        attributes.as_path.map(|asn| Some(if asn == peer { own } else { asn }));
                }
            }
            Action::Prepend { asn, repeat, path } => {
                // The path is put in front before the repeated number: `last` is then the path's newest.
                let newest = || path.first().copied().or_else(|| attributes.as_path.neighbor_as());
                let repeated = match asn {
                    PrependAsn::Own => Some(context.own_asn),
                    PrependAsn::Asn(asn) => Some(*asn),
                    PrependAsn::Last => newest(),
                };
                let repeated =
                    repeated.into_iter().flat_map(|asn| std::iter::repeat_n(asn, (*repeat).into()));
                let numbers: Vec<Asn> = repeated.chain(path.iter().copied()).collect();
                if !numbers.is_empty() {
                    attributes.as_path = attributes.as_path.prepended(&numbers);
                }
            }
            Action::Communities(change) => {
                let communities = attributes.communities.standard();
                if let Some(list) = changed(change, &compiled.community_sets, communities) {
                    attributes.communities = attributes.communities.with_standard(list);
                }
            }
            Action::Extended(change) => {
                let communities = attributes.communities.extended();
                if let Some(list) = changed(change, &compiled.extended_sets, communities) {
                    attributes.communities = attributes.communities.with_extended(list);
                }
            }
            Action::Large(change) => {
                if let Some(list) = changed(change, &compiled.large_sets, attributes.communities.large()) {
                    attributes.communities = attributes.communities.with_large(list);
                }
            }
        }
    }

    fn set_next_hop(&mut self, next_hop: SetNextHop, attributes: &mut PathAttributes) {
        match next_hop {
            SetNextHop::Own => attributes.next_hop = self.context.own_address,
            // Without a session there is no peer to name.
            SetNextHop::Peer if self.context.neighbor.is_none() => return,
            SetNextHop::Peer => attributes.next_hop = self.context.neighbor,
            SetNextHop::Unchanged => {}
            SetNextHop::Address(address) => attributes.next_hop = Some(address),
        }
        self.next_hop_set = true;
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The local preference that policies see.
fn local_preference(context: &Context<'_>, attributes: &PathAttributes) -> u32 {
    attributes.local_preference.unwrap_or(context.settings.sum_local_preference_from)
}

/// The length that the decision process compares.
fn path_length(context: &Context<'_>, path: &AsPath) -> usize {
    let mut length = path.hop_count();
    if context.settings.as_path_confederation {
        for (kind, asns) in path.segments() {
            length += match kind {
                SegmentKind::ConfedSequence => asns.len(),
                SegmentKind::ConfedSet => 1,
                SegmentKind::Sequence | SegmentKind::Set => 0,
            };
        }
    }
    length
}

/// A condition on what a route has one of: `all` is on sets of one, `exact` was refused.
fn in_one<T>(
    wanted: &SetMatch,
    sets: &[Named<T>],
    undefined: bool,
    contains: impl FnOnce(&T) -> bool,
) -> bool {
    let Some(named) = wanted.set.as_ref().ok().and_then(|at| sets.get(*at)) else { return undefined };
    contains(&named.set) != (wanted.options == MatchSetOptions::Invert)
}

fn address_in(
    wanted: &SetMatch,
    sets: &[Named<Addresses>],
    undefined: bool,
    address: Option<IpAddr>,
) -> bool {
    in_one(wanted, sets, undefined, |set| address.is_some_and(|address| set.contains(address)))
}

fn communities_in<T: Copy + Ord + fmt::Display>(
    wanted: &SetMatch,
    sets: &[Named<Members<T>>],
    undefined: bool,
    communities: &[T],
) -> bool {
    let Some(named) = wanted.set.as_ref().ok().and_then(|at| sets.get(*at)) else { return undefined };
    named.set.matches(wanted.options, communities)
}

fn path_in(wanted: &SetMatch, sets: &[Named<Vec<PathPattern>>], undefined: bool, path: &AsPath) -> bool {
    let Some(named) = wanted.set.as_ref().ok().and_then(|at| sets.get(*at)) else { return undefined };
    let mut patterns = named.set.iter();
    match wanted.options {
        MatchSetOptions::All => patterns.all(|pattern| pattern.matches(path)),
        MatchSetOptions::Invert => !patterns.any(|pattern| pattern.matches(path)),
        MatchSetOptions::Any | MatchSetOptions::Exact => patterns.any(|pattern| pattern.matches(path)),
    }
}

/// The communities after a change; none where there is nothing to change.
fn changed<T: Copy + Ord + fmt::Display>(
    change: &ListChange<T>,
    sets: &[Named<Members<T>>],
    communities: &[T],
) -> Option<Vec<T>> {
    let set = change.set.and_then(|at| sets.get(at)).map(|named| &named.set);
    let of_set = set.map_or([].as_slice(), |set| &set.plain);
    let given = || change.communities.iter().chain(of_set).copied();
    match change.option {
        CommunityOption::Add => {
            let missing = given().any(|c| communities.binary_search(&c).is_err());
            missing.then(|| communities.iter().copied().chain(given()).collect())
        }
        CommunityOption::Remove => {
            let goes = |c: &T| {
                change.communities.binary_search(c).is_ok() || set.is_some_and(|set| set.matches_one(*c))
            };
            let goes_any = communities.iter().any(goes);
            goes_any.then(|| communities.iter().copied().filter(|c| !goes(c)).collect())
        }
        CommunityOption::Replace => {
            let kept = given().all(|c| communities.binary_search(&c).is_ok())
                && communities
                    .iter()
                    .all(|c| change.communities.binary_search(c).is_ok() || of_set.binary_search(c).is_ok());
            (!kept).then(|| given().collect())
        }
    }
}

/// A path with its private numbers (RFC 6996) taken out or replaced, but for one that is kept; none where it stays as it
/// is. Members of the own confederation stay: without them it could not see its loops (RFC 5065 section 5).
pub(crate) fn private_as(
    path: &AsPath,
    change: PrivateAsAction,
    own: Asn,
    kept: Option<Asn>,
) -> Option<AsPath> {
    let plain = |kind| matches!(kind, SegmentKind::Sequence | SegmentKind::Set);
    let goes = |asn: Asn| asn.is_private() && Some(asn) != kept;
    let outside = || path.segments().filter(|(kind, _)| plain(*kind)).flat_map(|(_, asns)| asns);
    let stays = match change {
        PrivateAsAction::Remove | PrivateAsAction::Replace => !outside().any(|asn| goes(*asn)),
        PrivateAsAction::RemoveIfAll => !outside().all(|asn| asn.is_private()) || outside().next().is_none(),
    };
    if stays {
        return None;
    }
    let replaced = (change == PrivateAsAction::Replace).then_some(own);
    Some(AsPath::from_segments(path.segments().map(|(kind, asns)| {
        let change = |asn: Asn| if plain(kind) && goes(asn) { replaced } else { Some(asn) };
        Segment { kind, asns: asns.iter().copied().filter_map(change).collect() }
    })))
}
