//! What each statement of a chain saw and did.

use std::fmt;

use serde::Serialize;

use super::compile::{Action, Compiled, Condition, Named, Policy, Reference, Statement};
use crate::model::bgp::{PathAttributes, PolicyResult, SetNextHop};

/// What one statement did with a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatementTrace {
    /// The policy's name.
    pub policy: String,
    /// The statement's name, or its number from 1. None where the policy does not exist: then there is only a result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// How many calls it is inside of.
    #[serde(skip_serializing_if = "is_zero")]
    pub depth: usize,
    /// The first condition that does not hold; none where the statement matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<FailedCondition>,
    /// What it changed, each attribute once. Changes by a called policy stand with that policy's statements.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// The result, where the statement matches and has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<PolicyResult>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl StatementTrace {
    /// Whether all its conditions hold.
    pub fn matches(&self) -> bool {
        self.failed.is_none()
    }
}

/// A condition that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedCondition {
    /// Which.
    pub condition: ConditionName,
    /// The set or policy that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Conditions, as the fields of [`Conditions`](crate::model::bgp::Conditions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are those of the fields, and documented there")]
pub enum ConditionName {
    CallPolicy,
    SourceProtocol,
    MatchPrefixSet,
    MatchNeighborSet,
    MatchNextHopSet,
    MatchAsPathSet,
    MatchCommunitySet,
    MatchExtendedCommunitySet,
    MatchLargeCommunitySet,
    CommunityCount,
    Med,
    LocalPreference,
    Origin,
    AsPathLength,
    RouteType,
    AddressFamily,
}

/// A change of one attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Which.
    pub attribute: AttributeName,
    /// As it was; `none` where it was missing.
    pub before: String,
    /// As it is; `unchanged` for a next hop that a statement says to leave.
    pub after: String,
}

/// Attributes, as the fields of [`PathAttributes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are those of the fields, and documented there")]
pub enum AttributeName {
    Origin,
    LocalPreference,
    Med,
    Weight,
    NextHop,
    AsPath,
    Communities,
    ExtendedCommunities,
    LargeCommunities,
    AtomicAggregate,
    Aggregator,
    OriginatorId,
    ClusterList,
}

impl fmt::Display for ConditionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.attribute, self.before, self.after)
    }
}

impl fmt::Display for FailedCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt(f)?;
        match &self.name {
            Some(name) => write!(f, " `{name}`"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for StatementTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, statement, depth, failed, changes, result } = self;
        write!(f, "{:1$}policy `{policy}`", "", depth * 2)?;
        match statement {
            Some(statement) => write!(f, ", statement `{statement}`: ")?,
            None => f.write_str(" is not defined: ")?,
        }
        if let Some(failed) = failed {
            return write!(f, "{failed} does not hold");
        }
        let mut between = "";
        if statement.is_some() {
            f.write_str("matches")?;
            between = "; ";
        }
        for change in changes {
            write!(f, "{between}{change}")?;
            between = "; ";
        }
        if let Some(result) = result {
            f.write_str(between)?;
            result.serialize(f)?;
        }
        Ok(())
    }
}

/// Looks on while a chain is evaluated.
pub(super) trait Watch {
    fn enter(&mut self, policy: &Policy, statement: &Statement, depth: usize);
    fn fails(&mut self, compiled: &Compiled, condition: &Condition);
    fn before(&mut self, attributes: &PathAttributes);
    fn matches(&mut self, actions: &[Action], attributes: &PathAttributes, result: Option<PolicyResult>);
    fn leave(&mut self);
    fn undefined_policy(&mut self, name: &str, accepts: bool);
}

/// Nobody looks on.
pub(super) struct Silent;

impl Watch for Silent {
    fn enter(&mut self, _: &Policy, _: &Statement, _: usize) {}
    fn fails(&mut self, _: &Compiled, _: &Condition) {}
    fn before(&mut self, _: &PathAttributes) {}
    fn matches(&mut self, _: &[Action], _: &PathAttributes, _: Option<PolicyResult>) {}
    fn leave(&mut self) {}
    fn undefined_policy(&mut self, _: &str, _: bool) {}
}

/// Writes down what happens.
#[derive(Default)]
pub(super) struct Recorder {
    traces: Vec<StatementTrace>,
    /// Statements that are being evaluated, the innermost last: their places in `traces`.
    open: Vec<usize>,
    before: PathAttributes,
}

impl Recorder {
    pub(super) fn finish(self) -> Vec<StatementTrace> {
        self.traces
    }

    fn current(&mut self) -> Option<&mut StatementTrace> {
        self.open.last().and_then(|at| self.traces.get_mut(*at))
    }
}

impl Watch for Recorder {
    fn enter(&mut self, policy: &Policy, statement: &Statement, depth: usize) {
        self.open.push(self.traces.len());
        self.traces.push(StatementTrace {
            policy: policy.name.to_string(),
            statement: Some(statement.name.to_string()),
            depth,
            failed: None,
            changes: Vec::new(),
            result: None,
        });
    }

    fn fails(&mut self, compiled: &Compiled, condition: &Condition) {
        let failed = failed(compiled, condition);
        if let Some(trace) = self.current() {
            trace.failed = Some(failed);
        }
    }

    fn before(&mut self, attributes: &PathAttributes) {
        // Shares the lists.
        self.before = attributes.clone();
    }

    fn matches(&mut self, actions: &[Action], attributes: &PathAttributes, result: Option<PolicyResult>) {
        let mut changes = changes(&self.before, attributes);
        let left = actions.iter().any(|a| matches!(a, Action::NextHop(SetNextHop::Unchanged)));
        if left {
            let before = text(attributes.next_hop);
            let after = "unchanged".to_owned();
            changes.push(Change { attribute: AttributeName::NextHop, before, after });
        }
        if let Some(trace) = self.current() {
            trace.changes = changes;
            trace.result = result;
        }
    }

    fn leave(&mut self) {
        self.open.pop();
    }

    fn undefined_policy(&mut self, name: &str, accepts: bool) {
        let result = if accepts { PolicyResult::AcceptRoute } else { PolicyResult::RejectRoute };
        self.traces.push(StatementTrace {
            policy: name.to_owned(),
            statement: None,
            depth: 0,
            failed: None,
            changes: Vec::new(),
            result: Some(result),
        });
    }
}

fn failed(compiled: &Compiled, condition: &Condition) -> FailedCondition {
    fn named<T>(sets: &[Named<T>], set: &Reference) -> Option<String> {
        match set {
            Ok(at) => sets.get(*at).map(|named| named.name.to_string()),
            Err(name) => Some(name.to_string()),
        }
    }
    use ConditionName as Name;
    let (condition, name) = match condition {
        Condition::SourceProtocol(_) => (Name::SourceProtocol, None),
        Condition::AddressFamily(_) => (Name::AddressFamily, None),
        Condition::RouteType(_) => (Name::RouteType, None),
        Condition::Origin(_) => (Name::Origin, None),
        Condition::Med(_) => (Name::Med, None),
        Condition::LocalPreference(_) => (Name::LocalPreference, None),
        Condition::CommunityCount(_) => (Name::CommunityCount, None),
        Condition::AsPathLength(_) => (Name::AsPathLength, None),
        Condition::Prefix(c) => (Name::MatchPrefixSet, named(&compiled.prefix_sets, &c.set)),
        Condition::Neighbor(c) => (Name::MatchNeighborSet, named(&compiled.neighbor_sets, &c.set)),
        Condition::NextHop(c) => (Name::MatchNextHopSet, named(&compiled.next_hop_sets, &c.set)),
        Condition::Community(c) => (Name::MatchCommunitySet, named(&compiled.community_sets, &c.set)),
        Condition::Extended(c) => (Name::MatchExtendedCommunitySet, named(&compiled.extended_sets, &c.set)),
        Condition::Large(c) => (Name::MatchLargeCommunitySet, named(&compiled.large_sets, &c.set)),
        Condition::AsPath(c) => (Name::MatchAsPathSet, named(&compiled.as_path_sets, &c.set)),
        Condition::Call(Ok(at)) => {
            (Name::CallPolicy, compiled.policies.get(*at).map(|policy| policy.name.to_string()))
        }
        Condition::Call(Err(name)) => (Name::CallPolicy, Some(name.to_string())),
    };
    FailedCondition { condition, name }
}

/// What differs, attribute by attribute.
pub(crate) fn changes(before: &PathAttributes, after: &PathAttributes) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut note = |attribute, differs: bool, texts: &dyn Fn() -> (String, String)| {
        if differs {
            let (before, after) = texts();
            changes.push(Change { attribute, before, after });
        }
    };
    let (b, a) = (before, after);
    note(AttributeName::Origin, b.origin != a.origin, &|| (origin(b), origin(a)));
    note(AttributeName::LocalPreference, b.local_preference != a.local_preference, &|| {
        (text(b.local_preference), text(a.local_preference))
    });
    note(AttributeName::Med, b.med != a.med, &|| (text(b.med), text(a.med)));
    note(AttributeName::Weight, b.weight != a.weight, &|| (text(b.weight), text(a.weight)));
    note(AttributeName::NextHop, b.next_hop != a.next_hop, &|| (text(b.next_hop), text(a.next_hop)));
    note(AttributeName::AsPath, b.as_path != a.as_path, &|| (path(b), path(a)));
    note(AttributeName::AtomicAggregate, b.atomic_aggregate != a.atomic_aggregate, &|| {
        (text(Some(b.atomic_aggregate)), text(Some(a.atomic_aggregate)))
    });
    let aggregator = |a: &PathAttributes| text(a.aggregator.map(|a| format!("{} {}", a.asn, a.address)));
    note(AttributeName::Aggregator, b.aggregator != a.aggregator, &|| (aggregator(b), aggregator(a)));
    note(AttributeName::OriginatorId, b.originator_id != a.originator_id, &|| {
        (text(b.originator_id), text(a.originator_id))
    });
    note(AttributeName::ClusterList, b.cluster_list != a.cluster_list, &|| {
        (list(b.cluster_list.ids()), list(a.cluster_list.ids()))
    });
    let (b, a) = (&b.communities, &a.communities);
    note(AttributeName::Communities, b.standard() != a.standard(), &|| {
        (list(b.standard()), list(a.standard()))
    });
    note(AttributeName::ExtendedCommunities, b.extended() != a.extended(), &|| {
        (list(b.extended()), list(a.extended()))
    });
    note(AttributeName::LargeCommunities, b.large() != a.large(), &|| (list(b.large()), list(a.large())));
    changes
}

fn text<T: fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn origin(attributes: &PathAttributes) -> String {
    // As a document writes it.
    format!("{:?}", attributes.origin).to_ascii_lowercase()
}

fn path(attributes: &PathAttributes) -> String {
    text((!attributes.as_path.is_empty()).then_some(&attributes.as_path))
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}
