//! From declared policy to numbers: names resolved, expressions and communities read, calls checked.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;
use regex_lite::Regex;

use super::error::{DefinitionKind, PolicyError, PolicyReason};
use super::pattern::{PathPattern, expression};
use super::sets::{Addresses, Members, Membership, Prefixes};
use super::{Chain, Link};
use crate::model::bgp::{
    Actions, AddressFamily, Asn, Community, CommunityError, CommunityOption, Comparison, Conditions,
    DefaultPolicy, ExtendedCommunity, LargeCommunity, MatchSet, MatchSetOptions, Origin, PolicyResult,
    Prepend, PrependAsn, PrivateAsAction, RouteType, RoutingPolicy, SegmentKind, SetCommunity, SetMed,
    SetNextHop, SetNumber, SourceProtocol,
};

/// Calls inside calls: evaluation recurses once each.
const CALL_DEPTH: usize = 64;
/// Statements that one policy may look at for one route, where there are not more of them in all: calls multiply.
const STATEMENTS: usize = 1 << 16;
/// Numbers that one policy may put in front of a path: an UPDATE of 65535 bytes (RFC 8654) holds some sixteen thousand.
const PREPENDED: usize = 4_096;

/// Compiled policies: flat lists, so that a statement is two ranges.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    pub(super) policies: Vec<Policy>,
    pub(super) statements: Vec<Statement>,
    pub(super) conditions: Vec<Condition>,
    pub(super) actions: Vec<Action>,
    pub(super) prefix_sets: Vec<Named<Prefixes>>,
    pub(super) as_path_sets: Vec<Named<Vec<PathPattern>>>,
    pub(super) community_sets: Vec<Named<Members<Community>>>,
    pub(super) extended_sets: Vec<Named<Members<ExtendedCommunity>>>,
    pub(super) large_sets: Vec<Named<Members<LargeCommunity>>>,
    pub(super) neighbor_sets: Vec<Named<Addresses>>,
    pub(super) next_hop_sets: Vec<Named<Addresses>>,
    by_name: BTreeMap<Box<str>, usize>,
    /// Prefix sets that a condition names.
    membership: Membership,
    /// Whether a condition asks for the family.
    sees_family: bool,
    undefined_names: bool,
}

/// A set with its name.
#[derive(Debug)]
pub(super) struct Named<T> {
    pub(super) name: Box<str>,
    pub(super) set: T,
}

/// A compiled policy.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) name: Box<str>,
    pub(super) statements: Range<usize>,
    summary: Summary,
}

/// What is known of a policy or chain without a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Summary {
    /// It changes nothing and accepts every route.
    Accepts,
    /// It rejects every route.
    Rejects,
    /// It changes nothing and decides nothing.
    Passes,
    /// It depends on the route.
    Depends,
}

/// A compiled statement.
#[derive(Debug)]
pub(super) struct Statement {
    /// Its name, or its number.
    pub(super) name: Box<str>,
    pub(super) conditions: Range<usize>,
    pub(super) actions: Range<usize>,
    pub(super) result: Option<PolicyResult>,
}

/// A condition.
#[derive(Debug)]
pub(super) enum Condition {
    SourceProtocol(SourceProtocol),
    AddressFamily(AddressFamily),
    RouteType(RouteType),
    Origin(Origin),
    Med(Comparison),
    LocalPreference(Comparison),
    CommunityCount(Comparison),
    AsPathLength(Comparison),
    Prefix(SetMatch),
    Neighbor(SetMatch),
    NextHop(SetMatch),
    Community(SetMatch),
    Extended(SetMatch),
    Large(SetMatch),
    AsPath(SetMatch),
    Call(Reference),
}

/// A condition on a set.
#[derive(Debug)]
pub(super) struct SetMatch {
    pub(super) set: Reference,
    pub(super) options: MatchSetOptions,
}

/// The place of a set or policy, or the name of one that does not exist.
pub(super) type Reference = Result<usize, Box<str>>;

/// An action.
#[derive(Debug)]
pub(super) enum Action {
    Origin(Origin),
    LocalPreference(SetNumber),
    Med(SetMed),
    Weight(u32),
    NextHop(SetNextHop),
    Exclude(Box<[Asn]>),
    PrivateAs(PrivateAsAction),
    AsOverride,
    Prepend { asn: PrependAsn, repeat: u8, path: Box<[Asn]> },
    Communities(ListChange<Community>),
    Extended(ListChange<ExtendedCommunity>),
    Large(ListChange<LargeCommunity>),
}

/// A change of communities of one kind. A set that does not exist is as good as none.
#[derive(Debug)]
pub(super) struct ListChange<T> {
    pub(super) option: CommunityOption,
    /// Sorted, each once.
    pub(super) communities: Vec<T>,
    pub(super) set: Option<usize>,
}

impl Compiled {
    pub(super) fn new(declared: &RoutingPolicy) -> Result<Self, PolicyError> {
        let names = Names::new(declared)?;
        let mut compiled = Self::sets(declared)?;
        for policy in &declared.policy_definitions {
            let first = compiled.statements.len();
            let mut said: Vec<&str> = Vec::new();
            for (number, statement) in (1_usize..).zip(&policy.statements) {
                let name = match statement.name.as_str() {
                    "" => number.to_string(),
                    name => name.to_owned(),
                };
                let at = At {
                    names: &names,
                    undefined_names: declared.undefined_names,
                    policy: &policy.name,
                    statement: &name,
                };
                said.push(&statement.name);
                let conditions = compiled.conditions.len();
                at.conditions(&statement.conditions, declared, &mut compiled.conditions)?;
                let actions = at.actions(&statement.actions, &compiled)?;
                let first_action = compiled.actions.len();
                compiled.actions.extend(actions);
                compiled.statements.push(Statement {
                    name: name.into(),
                    conditions: conditions..compiled.conditions.len(),
                    actions: first_action..compiled.actions.len(),
                    result: statement.actions.policy_result,
                });
            }
            said.sort_unstable();
            if let Some(pair) = said.windows(2).find(|pair| pair[0] == pair[1] && !pair[0].is_empty()) {
                let mut error =
                    error(DefinitionKind::Policy, &policy.name, "statements", PolicyReason::Duplicate);
                error.statement = pair.first().map(|name| (*name).to_owned());
                return Err(error);
            }
            let statements = first..compiled.statements.len();
            let summary = compiled.summary(&statements);
            compiled.policies.push(Policy { name: policy.name.as_str().into(), statements, summary });
        }
        compiled.check_calls()?;
        compiled.by_name = names.policies.iter().map(|(name, at)| ((*name).into(), *at)).collect();
        compiled.undefined_names = declared.undefined_names;
        let seen = compiled.conditions.iter().filter_map(|condition| match condition {
            Condition::Prefix(SetMatch { set: Ok(set), .. }) => Some(*set),
            _ => None,
        });
        let seen: BTreeMap<usize, u32> = seen.map(|set| (set, 0)).collect();
        let ranges = seen.keys().filter_map(|set| declared.prefix_sets.get(*set));
        compiled.membership = Membership::new((FIRST_SET..).zip(ranges.map(|set| set.prefixes.as_slice())));
        compiled.sees_family =
            compiled.conditions.iter().any(|condition| matches!(condition, Condition::AddressFamily(_)));
        Ok(compiled)
    }

    /// Whether any statement sees who the neighbour is.
    pub(super) fn sees_neighbors(&self) -> bool {
        self.conditions.iter().any(|condition| matches!(condition, Condition::Neighbor(_)))
            || self
                .actions
                .iter()
                .any(|action| matches!(action, Action::NextHop(SetNextHop::Peer) | Action::AsOverride))
    }

    /// Whether any statement takes the IGP cost.
    pub(super) fn sees_costs(&self) -> bool {
        self.actions.iter().any(|action| matches!(action, Action::Med(SetMed::Igp)))
    }

    /// Whether any statement looks at an AS path, beyond its first number, or takes numbers out of it.
    pub(super) fn sees_paths(&self) -> bool {
        self.conditions.iter().any(|c| matches!(c, Condition::AsPath(_) | Condition::AsPathLength(_)))
            || self.shortens_paths()
    }

    /// Whether any statement takes numbers out of an AS path, or replaces them.
    pub(super) fn shortens_paths(&self) -> bool {
        let shortens = |action: &Action| {
            matches!(action, Action::Exclude(_) | Action::PrivateAs(_) | Action::AsOverride)
        };
        self.actions.iter().any(shortens)
    }

    /// The sets alone.
    fn sets(declared: &RoutingPolicy) -> Result<Self, PolicyError> {
        let mut compiled = Self::default();
        for set in &declared.prefix_sets {
            for range in &set.prefixes {
                let (low, high) = range.lengths();
                if low < range.prefix.prefix_len() || high > range.prefix.max_prefix_len() || low > high {
                    let reason = PolicyReason::BadLengths { prefix: range.prefix, low, high };
                    return Err(error(DefinitionKind::PrefixSet, &set.name, "prefixes", reason));
                }
            }
            compiled.prefix_sets.push(Named::new(&set.name, Prefixes::new(&set.prefixes)));
        }
        for set in &declared.as_path_sets {
            let patterns = set.members.iter().map(|text| {
                PathPattern::new(text)
                    .map_err(|e| bad_expression(DefinitionKind::AsPathSet, &set.name, text, &e))
            });
            compiled.as_path_sets.push(Named::new(&set.name, patterns.collect::<Result<_, _>>()?));
        }
        for set in &declared.community_sets {
            let members = members(DefinitionKind::CommunitySet, &set.name, &set.members)?;
            compiled.community_sets.push(Named::new(&set.name, members));
        }
        for set in &declared.extended_community_sets {
            let members = members(DefinitionKind::ExtendedCommunitySet, &set.name, &set.members)?;
            compiled.extended_sets.push(Named::new(&set.name, members));
        }
        for set in &declared.large_community_sets {
            let members = members(DefinitionKind::LargeCommunitySet, &set.name, &set.members)?;
            compiled.large_sets.push(Named::new(&set.name, members));
        }
        let addresses = |name: &str, nets: &[IpNet]| Named::new(name, Addresses::new(nets));
        compiled.neighbor_sets =
            declared.neighbor_sets.iter().map(|set| addresses(&set.name, &set.addresses)).collect();
        compiled.next_hop_sets =
            declared.next_hop_sets.iter().map(|set| addresses(&set.name, &set.addresses)).collect();
        Ok(compiled)
    }

    /// What a policy does, where no route is needed to say it.
    fn summary(&self, statements: &Range<usize>) -> Summary {
        for statement in self.statements.get(statements.clone()).unwrap_or_default() {
            let always = statement.conditions.is_empty();
            let changes = !statement.actions.is_empty()
                || self.conditions(statement).iter().any(|c| matches!(c, Condition::Call(_)));
            match statement.result {
                Some(PolicyResult::RejectRoute) if always => return Summary::Rejects,
                _ if changes => return Summary::Depends,
                None | Some(PolicyResult::NextStatement) => {}
                Some(PolicyResult::AcceptRoute) if always => return Summary::Accepts,
                Some(PolicyResult::NextPolicy) if always => return Summary::Passes,
                Some(_) => return Summary::Depends,
            }
        }
        Summary::Passes
    }

    pub(super) fn conditions(&self, statement: &Statement) -> &[Condition] {
        self.conditions.get(statement.conditions.clone()).unwrap_or_default()
    }

    pub(super) fn actions(&self, statement: &Statement) -> &[Action] {
        self.actions.get(statement.actions.clone()).unwrap_or_default()
    }

    pub(super) fn statements(&self, policy: &Policy) -> &[Statement] {
        self.statements.get(policy.statements.clone()).unwrap_or_default()
    }

    /// Calls form no circle, are not too deep, and do not add up to more than a router would do.
    fn check_calls(&self) -> Result<(), PolicyError> {
        let callees = |policy: &Policy| -> Vec<usize> {
            let conditions = self.statements(policy).iter().flat_map(|s| self.conditions(s));
            conditions.filter_map(Condition::callee).collect()
        };
        let calls: Vec<Vec<usize>> = self.policies.iter().map(callees).collect();
        let mut callers: Vec<Vec<usize>> = vec![Vec::new(); calls.len()];
        for (caller, callees) in calls.iter().enumerate() {
            for callee in callees {
                if let Some(list) = callers.get_mut(*callee) {
                    list.push(caller);
                }
            }
        }
        // Called ones first; what is left over is in a circle, or calls into one.
        let mut open: Vec<usize> = calls.iter().map(Vec::len).collect();
        let mut ready: Vec<usize> = (0..calls.len()).filter(|at| open.get(*at) == Some(&0)).collect();
        let mut burdens: Vec<Option<Burden>> = vec![None; calls.len()];
        while let Some(at) = ready.pop() {
            let Some(policy) = self.policies.get(at) else { continue };
            let burden = self.burden(policy, &burdens);
            let refuse = |reason| Err(error(DefinitionKind::Policy, &policy.name, "", reason));
            if burden.depth > CALL_DEPTH {
                return refuse(PolicyReason::CallDepth { limit: CALL_DEPTH });
            }
            let limit = STATEMENTS.max(self.statements.len());
            if burden.statements > limit {
                return refuse(PolicyReason::TooLong { limit });
            }
            if burden.prepended > PREPENDED {
                return refuse(PolicyReason::PrependedTooMuch { limit: PREPENDED });
            }
            if let Some(slot) = burdens.get_mut(at) {
                *slot = Some(burden);
            }
            for caller in callers.get(at).into_iter().flatten() {
                if let Some(left) = open.get_mut(*caller) {
                    *left -= 1;
                    if *left == 0 {
                        ready.push(*caller);
                    }
                }
            }
        }
        let is_left = |at: usize| burdens.get(at).is_some_and(Option::is_none);
        let Some(start) = (0..calls.len()).find(|at| is_left(*at)) else { return Ok(()) };
        // Each of those left calls another of them, so this walk comes back to where it was.
        let mut walk = vec![start];
        loop {
            let last = walk.last().and_then(|at| calls.get(*at));
            let Some(next) = last.and_then(|callees| callees.iter().copied().find(|at| is_left(*at))) else {
                return Ok(());
            };
            let seen = walk.iter().position(|at| *at == next);
            walk.push(next);
            if let Some(first) = seen {
                let name = |at: &usize| self.policies.get(*at).map(|policy| policy.name.to_string());
                let circle: Vec<String> =
                    walk.get(first..).unwrap_or_default().iter().filter_map(name).collect();
                let policy = circle.first().cloned().unwrap_or_default();
                let reason = PolicyReason::CallCycle(circle);
                return Err(error(DefinitionKind::Policy, &policy, "", reason));
            }
        }
    }

    /// The most that a policy can do for one route, given what those it calls can do.
    fn burden(&self, policy: &Policy, burdens: &[Option<Burden>]) -> Burden {
        let mut burden = Burden { depth: 1, statements: 0, prepended: 0 };
        // What statements that go on may have put in front before this one.
        let mut before = 0_usize;
        for statement in self.statements(policy) {
            burden.statements = burden.statements.saturating_add(1);
            let mut own = 0_usize;
            for callee in self.conditions(statement).iter().filter_map(Condition::callee) {
                if let Some(called) = burdens.get(callee).copied().flatten() {
                    burden.depth = burden.depth.max(called.depth.saturating_add(1));
                    burden.statements = burden.statements.saturating_add(called.statements);
                    before = before.saturating_add(called.prepended);
                }
            }
            for action in self.actions(statement) {
                if let Action::Prepend { repeat, path, .. } = action {
                    own = own.saturating_add(usize::from(*repeat)).saturating_add(path.len());
                }
            }
            burden.prepended = burden.prepended.max(before.saturating_add(own));
            if matches!(statement.result, None | Some(PolicyResult::NextStatement)) {
                before = before.saturating_add(own);
            }
        }
        burden
    }

    pub(super) fn chain(&self, names: &[String], default: DefaultPolicy) -> Result<Chain, PolicyError> {
        let mut links = Vec::with_capacity(names.len());
        let mut summary = Summary::Passes;
        for name in names {
            let (link, of_link) = match self.by_name.get(name.as_str()) {
                Some(at) => {
                    let summary = self.policies.get(*at).map_or(Summary::Depends, |policy| policy.summary);
                    (Link::Policy(*at), summary)
                }
                None if self.undefined_names => (Link::Undefined(Arc::from(name.as_str())), Summary::Depends),
                None => {
                    let kind = DefinitionKind::Policy;
                    let reason = PolicyReason::Undefined { kind, name: name.clone() };
                    return Err(error(DefinitionKind::Chain, "", "", reason));
                }
            };
            links.push(link);
            if summary == Summary::Passes {
                summary = of_link;
            }
        }
        if summary == Summary::Passes {
            summary = match default {
                DefaultPolicy::AcceptRoute => Summary::Accepts,
                DefaultPolicy::RejectRoute => Summary::Rejects,
            };
        }
        Ok(Chain { links: links.into(), default, summary })
    }

    pub(super) fn treatment(&self, prefix: &IpNet, out: &mut Vec<u32>) {
        if self.sees_family {
            out.push(match AddressFamily::of(prefix) {
                AddressFamily::Ipv4Unicast => 0,
                AddressFamily::Ipv6Unicast => 1,
            });
        }
        self.membership.ids(prefix, out);
    }
}

/// The number of the first prefix set in a treatment, behind those of the families.
const FIRST_SET: u32 = 2;

/// The most that a policy can do for one route.
#[derive(Clone, Copy)]
struct Burden {
    depth: usize,
    statements: usize,
    prepended: usize,
}

impl Condition {
    fn callee(&self) -> Option<usize> {
        match self {
            Self::Call(Ok(callee)) => Some(*callee),
            _ => None,
        }
    }
}

impl<T> Named<T> {
    fn new(name: &str, set: T) -> Self {
        Self { name: name.into(), set }
    }
}

/// Places by name, of each kind.
struct Names<'a> {
    prefix_sets: BTreeMap<&'a str, usize>,
    as_path_sets: BTreeMap<&'a str, usize>,
    community_sets: BTreeMap<&'a str, usize>,
    extended_sets: BTreeMap<&'a str, usize>,
    large_sets: BTreeMap<&'a str, usize>,
    neighbor_sets: BTreeMap<&'a str, usize>,
    next_hop_sets: BTreeMap<&'a str, usize>,
    policies: BTreeMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    fn new(declared: &'a RoutingPolicy) -> Result<Self, PolicyError> {
        use DefinitionKind as Kind;
        let d = declared;
        Ok(Self {
            prefix_sets: places(Kind::PrefixSet, d.prefix_sets.iter().map(|set| &set.name))?,
            as_path_sets: places(Kind::AsPathSet, d.as_path_sets.iter().map(|set| &set.name))?,
            community_sets: places(Kind::CommunitySet, d.community_sets.iter().map(|set| &set.name))?,
            extended_sets: places(
                Kind::ExtendedCommunitySet,
                d.extended_community_sets.iter().map(|set| &set.name),
            )?,
            large_sets: places(Kind::LargeCommunitySet, d.large_community_sets.iter().map(|set| &set.name))?,
            neighbor_sets: places(Kind::NeighborSet, d.neighbor_sets.iter().map(|set| &set.name))?,
            next_hop_sets: places(Kind::NextHopSet, d.next_hop_sets.iter().map(|set| &set.name))?,
            policies: places(Kind::Policy, d.policy_definitions.iter().map(|policy| &policy.name))?,
        })
    }
}

fn places<'a>(
    kind: DefinitionKind,
    names: impl Iterator<Item = &'a String>,
) -> Result<BTreeMap<&'a str, usize>, PolicyError> {
    let mut places = BTreeMap::new();
    for (at, name) in names.enumerate() {
        if name.is_empty() {
            return Err(error(kind, name, "name", PolicyReason::EmptyName));
        }
        match places.entry(name.as_str()) {
            Entry::Vacant(slot) => slot.insert(at),
            Entry::Occupied(_) => return Err(error(kind, name, "name", PolicyReason::Duplicate)),
        };
    }
    Ok(places)
}

/// A statement in the making.
struct At<'a> {
    names: &'a Names<'a>,
    undefined_names: bool,
    policy: &'a str,
    statement: &'a str,
}

impl At<'_> {
    fn error(&self, field: &'static str, reason: PolicyReason) -> PolicyError {
        PolicyError {
            statement: Some(self.statement.to_owned()),
            ..error(DefinitionKind::Policy, self.policy, field, reason)
        }
    }

    /// The place of a name; the name where it may be missing, and is.
    fn place(
        &self,
        field: &'static str,
        kind: DefinitionKind,
        places: &BTreeMap<&str, usize>,
        name: &str,
    ) -> Result<Reference, PolicyError> {
        match places.get(name) {
            Some(at) => Ok(Ok(*at)),
            None if self.undefined_names => Ok(Err(name.into())),
            None => Err(self.error(field, PolicyReason::Undefined { kind, name: name.to_owned() })),
        }
    }

    /// The conditions, those that cost least first; a call comes last, since it changes the route.
    fn conditions(
        &self,
        conditions: &Conditions,
        declared: &RoutingPolicy,
        into: &mut Vec<Condition>,
    ) -> Result<(), PolicyError> {
        use DefinitionKind as Kind;
        let Conditions {
            call_policy,
            source_protocol,
            match_prefix_set,
            match_neighbor_set,
            match_next_hop_set,
            match_as_path_set,
            match_community_set,
            match_extended_community_set,
            match_large_community_set,
            community_count,
            med,
            local_preference,
            origin,
            as_path_length,
            route_type,
            address_family,
        } = conditions;
        into.extend(source_protocol.map(Condition::SourceProtocol));
        into.extend(address_family.map(Condition::AddressFamily));
        into.extend(route_type.map(Condition::RouteType));
        into.extend(origin.map(Condition::Origin));
        into.extend(med.map(Condition::Med));
        into.extend(local_preference.map(Condition::LocalPreference));
        into.extend(community_count.map(Condition::CommunityCount));
        into.extend(as_path_length.map(Condition::AsPathLength));
        if let Some(wanted) = match_prefix_set {
            let field = "match_prefix_set";
            let set = self.place(field, Kind::PrefixSet, &self.names.prefix_sets, &wanted.set)?;
            let size = |at: usize| declared.prefix_sets.get(at).map(|set| set.prefixes.len());
            into.push(Condition::Prefix(self.one_value(field, wanted, set, size)?));
        }
        if let Some(wanted) = match_neighbor_set {
            let field = "match_neighbor_set";
            let set = self.place(field, Kind::NeighborSet, &self.names.neighbor_sets, &wanted.set)?;
            let size = |at: usize| declared.neighbor_sets.get(at).map(|set| set.addresses.len());
            into.push(Condition::Neighbor(self.one_value(field, wanted, set, size)?));
        }
        if let Some(wanted) = match_next_hop_set {
            let field = "match_next_hop_set";
            let set = self.place(field, Kind::NextHopSet, &self.names.next_hop_sets, &wanted.set)?;
            let size = |at: usize| declared.next_hop_sets.get(at).map(|set| set.addresses.len());
            into.push(Condition::NextHop(self.one_value(field, wanted, set, size)?));
        }
        let options = |wanted: &MatchSet| wanted.options;
        if let Some(wanted) = match_community_set {
            let field = "match_community_set";
            let set = self.place(field, Kind::CommunitySet, &self.names.community_sets, &wanted.set)?;
            into.push(Condition::Community(SetMatch { set, options: options(wanted) }));
        }
        if let Some(wanted) = match_extended_community_set {
            let field = "match_extended_community_set";
            let set =
                self.place(field, Kind::ExtendedCommunitySet, &self.names.extended_sets, &wanted.set)?;
            into.push(Condition::Extended(SetMatch { set, options: options(wanted) }));
        }
        if let Some(wanted) = match_large_community_set {
            let field = "match_large_community_set";
            let set = self.place(field, Kind::LargeCommunitySet, &self.names.large_sets, &wanted.set)?;
            into.push(Condition::Large(SetMatch { set, options: options(wanted) }));
        }
        if let Some(wanted) = match_as_path_set {
            let field = "match_as_path_set";
            let set = self.place(field, Kind::AsPathSet, &self.names.as_path_sets, &wanted.set)?;
            if wanted.options == MatchSetOptions::Exact {
                return Err(self.error(field, PolicyReason::ExactOnOther));
            }
            into.push(Condition::AsPath(SetMatch { set, options: options(wanted) }));
        }
        if let Some(name) = call_policy {
            into.push(Condition::Call(self.place(
                "call_policy",
                Kind::Policy,
                &self.names.policies,
                name,
            )?));
        }
        Ok(())
    }

    /// A condition on what a route has one of.
    fn one_value(
        &self,
        field: &'static str,
        wanted: &MatchSet,
        set: Reference,
        size: impl Fn(usize) -> Option<usize>,
    ) -> Result<SetMatch, PolicyError> {
        let members = set.as_ref().ok().and_then(|at| size(*at));
        match (wanted.options, members) {
            (MatchSetOptions::Exact, _) => Err(self.error(field, PolicyReason::ExactOnOther)),
            (MatchSetOptions::All, Some(members)) if members != 1 => {
                Err(self.error(field, PolicyReason::AllOfSeveral { set: wanted.set.clone(), members }))
            }
            _ => Ok(SetMatch { set, options: wanted.options }),
        }
    }

    /// The actions, in the order of their fields.
    fn actions(&self, actions: &Actions, compiled: &Compiled) -> Result<Vec<Action>, PolicyError> {
        let Actions {
            set_origin,
            set_local_preference,
            set_med,
            set_weight,
            set_next_hop,
            set_as_path_exclude,
            set_private_as,
            set_as_override,
            set_as_path_prepend,
            set_communities,
            set_extended_communities,
            set_large_communities,
            policy_result: _,
        } = actions;
        let mut into = Vec::new();
        into.extend(set_origin.map(Action::Origin));
        into.extend(set_local_preference.map(Action::LocalPreference));
        into.extend(set_med.map(Action::Med));
        into.extend(set_weight.map(Action::Weight));
        into.extend(set_next_hop.map(Action::NextHop));
        if !set_as_path_exclude.is_empty() {
            into.push(Action::Exclude(set_as_path_exclude.as_slice().into()));
        }
        into.extend(set_private_as.map(Action::PrivateAs));
        into.extend(set_as_override.then_some(Action::AsOverride));
        if let Some(prepend) = set_as_path_prepend {
            into.push(self.prepend(prepend)?);
        }
        for change in set_communities {
            let places = (DefinitionKind::CommunitySet, &self.names.community_sets);
            let change = self.list_change("set_communities", change, places, &compiled.community_sets)?;
            into.push(Action::Communities(change));
        }
        for change in set_extended_communities {
            let places = (DefinitionKind::ExtendedCommunitySet, &self.names.extended_sets);
            let change =
                self.list_change("set_extended_communities", change, places, &compiled.extended_sets)?;
            into.push(Action::Extended(change));
        }
        for change in set_large_communities {
            let places = (DefinitionKind::LargeCommunitySet, &self.names.large_sets);
            let change = self.list_change("set_large_communities", change, places, &compiled.large_sets)?;
            into.push(Action::Large(change));
        }
        Ok(into)
    }

    fn prepend(&self, prepend: &Prepend) -> Result<Action, PolicyError> {
        let refuse = |reason| Err(self.error("set_as_path_prepend", reason));
        let Prepend { asn, repeat, path } = prepend;
        if path.segments().any(|(kind, _)| kind != SegmentKind::Sequence) {
            return refuse(PolicyReason::PrependedPath(path.to_string()));
        }
        if *repeat == 0 && asn.is_some() {
            return refuse(PolicyReason::PrependNever);
        }
        if *repeat == 0 && path.is_empty() {
            return refuse(PolicyReason::PrependNothing);
        }
        if *asn == Some(PrependAsn::Asn(Asn(0))) || path.count(Asn(0)) > 0 {
            return refuse(PolicyReason::AsnZero);
        }
        Ok(Action::Prepend {
            asn: asn.unwrap_or(PrependAsn::Own),
            repeat: *repeat,
            path: path.asns().collect(),
        })
    }

    fn list_change<T: Kind>(
        &self,
        field: &'static str,
        change: &SetCommunity,
        (kind, places): (DefinitionKind, &BTreeMap<&str, usize>),
        sets: &[Named<Members<T>>],
    ) -> Result<ListChange<T>, PolicyError> {
        let bad = |e: CommunityError| self.error(field, PolicyReason::BadCommunity(e.to_string()));
        let mut communities =
            change.communities.iter().map(|text| text.parse().map_err(bad)).collect::<Result<Vec<T>, _>>()?;
        communities.sort_unstable();
        communities.dedup();
        let set = match &change.set {
            None => None,
            Some(name) => self.place(field, kind, places, name)?.ok(),
        };
        let members = set.and_then(|at| sets.get(at));
        if let (CommunityOption::Add | CommunityOption::Replace, Some(named)) = (change.option, members)
            && !named.set.expressions.is_empty()
        {
            return Err(self.error(field, PolicyReason::ExpressionInSet { set: named.name.to_string() }));
        }
        Ok(ListChange { option: change.option, communities, set })
    }
}

/// One of the three kinds of communities.
pub(super) trait Kind: Copy + Ord + fmt::Display + FromStr<Err = CommunityError> {
    /// Whether a text that does not read as a community was meant as one: matched as an expression it would find
    /// nothing, and nobody would know why.
    fn looks_plain(text: &str) -> bool {
        text.split(':').all(|part| part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
    }
}

impl Kind for Community {}

impl Kind for LargeCommunity {}

impl Kind for ExtendedCommunity {
    /// Its system may be written with dots: `rt:1.10:7`, `rt:192.0.2.1:7`.
    fn looks_plain(text: &str) -> bool {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let plain = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        match text.split(':').collect::<Vec<_>>().as_slice() {
            [name, system, rest] => {
                plain(name) && plain(rest) && (plain(system) || system.split('.').all(digits))
            }
            parts => parts.iter().all(|part| plain(part)),
        }
    }
}

/// The members of a community set: communities, and expressions.
fn members<T: Kind>(kind: DefinitionKind, name: &str, texts: &[String]) -> Result<Members<T>, PolicyError> {
    let mut plain = Vec::new();
    let mut expressions: Vec<Regex> = Vec::new();
    for text in texts {
        match text.parse::<T>() {
            Ok(community) => plain.push(community),
            Err(e) if T::looks_plain(text) => {
                return Err(error(kind, name, "members", PolicyReason::BadCommunity(e.to_string())));
            }
            Err(_) => expressions.push(expression(text).map_err(|e| bad_expression(kind, name, text, &e))?),
        }
    }
    Ok(Members::new(plain, expressions))
}

fn bad_expression(kind: DefinitionKind, name: &str, text: &str, e: &regex_lite::Error) -> PolicyError {
    let reason = PolicyReason::BadExpression { expression: text.to_owned(), error: e.to_string() };
    error(kind, name, "members", reason)
}

fn error(kind: DefinitionKind, name: &str, field: &'static str, reason: PolicyReason) -> PolicyError {
    PolicyError { kind, name: name.to_owned(), statement: None, field, reason }
}
