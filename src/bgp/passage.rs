//! What happens to a route between two speakers, written down where somebody wants to know.

use std::fmt;

use serde::Serialize;

use super::policy::{Chain, Change, Context, Outcome, Policies, StatementTrace, changes};
use crate::model::bgp::PathAttributes;

/// One thing that happened to a route between two speakers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PassStep {
    /// A statement of a policy looked at it.
    Statement(StatementTrace),
    /// The protocol, or a setting of the session, changed it.
    Rule {
        /// Which rule.
        rule: PassRule,
        /// What it changed, each attribute once.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        changes: Vec<Change>,
    },
}

/// A rule that changes a route between two speakers without any policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PassRule {
    /// A default route is made for this neighbour.
    DefaultMade,
    /// A received MED does not go to other systems (RFC 4271 section 5.1.4).
    MedDropped,
    /// Private numbers are taken out or replaced: `remove_private_as`.
    PrivateAs,
    /// The neighbour's number is replaced by the own one: `as_override`.
    AsOverride,
    /// Inside a system every route has a LOCAL_PREF (RFC 4271 section 5.1.5).
    LocalPreferenceAdded,
    /// LOCAL_PREF does not cross a border between systems (RFC 4271 section 5.1.5).
    LocalPreferenceDropped,
    /// The speaker puts its own address there (RFC 4271 section 5.1.3), or `next_hop_self` says so.
    NextHopSelf,
    /// A reflector marks what it reflects (RFC 4456 section 8).
    Reflected,
    /// The marks of reflectors do not leave their system (RFC 4456 section 8).
    ReflectionDropped,
    /// `send_communities` is off.
    CommunitiesDropped,
    /// The member's number is put in front (RFC 5065 section 4.1).
    OwnMember,
    /// Members of the confederation do not show outside (RFC 5065 section 4.1).
    ConfederationRemoved,
    /// The own number is put in front (RFC 4271 section 5.1.2).
    OwnAs,
    /// The number shown to this neighbour is put in front on receipt: `local_as`.
    LocalAs,
    /// The session gives what it receives this weight.
    SessionWeight,
    /// GRACEFUL_SHUTDOWN lowers the preference (RFC 8326).
    GracefulShutdown,
}

impl fmt::Display for PassRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DefaultMade => "a default route is made for this neighbour",
            Self::MedDropped => "a received MED does not go on",
            Self::PrivateAs => "private numbers",
            Self::AsOverride => "the neighbour's number gives way to the own one",
            Self::LocalPreferenceAdded => "inside there is a local preference",
            Self::LocalPreferenceDropped => "local preference does not cross the border",
            Self::NextHopSelf => "own address as next hop",
            Self::Reflected => "reflected",
            Self::ReflectionDropped => "marks of reflectors stay inside",
            Self::CommunitiesDropped => "communities are not sent",
            Self::OwnMember => "own member in front",
            Self::ConfederationRemoved => "members of the confederation do not show",
            Self::OwnAs => "own AS in front",
            Self::LocalAs => "the AS shown to this neighbour in front",
            Self::SessionWeight => "weight of the session",
            Self::GracefulShutdown => "graceful shutdown",
        })
    }
}

impl fmt::Display for PassStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statement(statement) => statement.fmt(f),
            Self::Rule { rule, changes } => {
                rule.fmt(f)?;
                let mut between = ": ";
                for change in changes {
                    write!(f, "{between}{change}")?;
                    between = "; ";
                }
                Ok(())
            }
        }
    }
}

/// Where steps are written down, if anywhere.
pub(super) struct Log<'t>(pub(super) Option<&'t mut Vec<PassStep>>);

impl Log<'_> {
    /// Says that a rule was at work.
    pub(super) fn note(&mut self, rule: PassRule) {
        if let Some(steps) = &mut self.0 {
            steps.push(PassStep::Rule { rule, changes: Vec::new() });
        }
    }

    /// Changes attributes by a rule.
    #[inline]
    pub(super) fn rule(
        &mut self,
        rule: PassRule,
        attributes: &mut PathAttributes,
        change: impl FnOnce(&mut PathAttributes),
    ) {
        let Some(steps) = &mut self.0 else {
            change(attributes);
            return;
        };
        let before = attributes.clone();
        change(attributes);
        let changes = changes(&before, attributes);
        if !changes.is_empty() {
            steps.push(PassStep::Rule { rule, changes });
        }
    }

    /// Runs a chain of policies.
    pub(super) fn policy(
        &mut self,
        policies: &Policies,
        chain: &Chain,
        context: &Context<'_>,
        attributes: &mut PathAttributes,
    ) -> Outcome {
        let Some(steps) = &mut self.0 else { return policies.evaluate(chain, context, attributes) };
        let (outcome, statements) = policies.trace(chain, context, attributes);
        steps.extend(statements.into_iter().map(PassStep::Statement));
        outcome
    }
}
