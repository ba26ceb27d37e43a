//! What a routing policy is refused for.

use std::fmt;

use ipnet::IpNet;

/// A routing policy that cannot be right: where, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// What kind of definition it is in.
    pub kind: DefinitionKind,
    /// The definition's name; empty for a chain, which has none.
    pub name: String,
    /// The statement's name, or its number from 1; of a policy only.
    pub statement: Option<String>,
    /// The field, as a document spells it; empty where it is the definition as a whole.
    pub field: &'static str,
    /// Why.
    pub reason: PolicyReason,
}

/// What is defined under a name. Each kind has names of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DefinitionKind {
    /// A set of prefixes.
    PrefixSet,
    /// A set of AS paths.
    AsPathSet,
    /// A set of standard communities.
    CommunitySet,
    /// A set of extended communities.
    ExtendedCommunitySet,
    /// A set of large communities.
    LargeCommunitySet,
    /// A set of neighbours.
    NeighborSet,
    /// A set of next hops.
    NextHopSet,
    /// A policy.
    Policy,
    /// A chain of policies.
    Chain,
}

/// Why a routing policy is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyReason {
    /// A name that must exist does not.
    #[error("{kind} `{name}` is not defined")]
    Undefined {
        /// What kind.
        kind: DefinitionKind,
        /// Its name.
        name: String,
    },
    /// A second one of this kind and name.
    #[error("there is a second one of this name")]
    Duplicate,
    /// A set or policy without a name.
    #[error("its name is empty")]
    EmptyName,
    /// No regular expression.
    #[error("`{expression}` is no regular expression: {error}")]
    BadExpression {
        /// As it was written.
        expression: String,
        /// What is wrong with it.
        error: String,
    },
    /// No community of the kind, nor an expression over one.
    #[error("{0}")]
    BadCommunity(String),
    /// Lengths that no prefix inside this one can have, or none at all.
    #[error("{prefix}: lengths from {low} to {high} are none, or not all between {} and {}", .prefix.prefix_len(), .prefix.max_prefix_len())]
    BadLengths {
        /// The prefix.
        prefix: IpNet,
        /// The shortest length asked for.
        low: u8,
        /// The longest.
        high: u8,
    },
    /// `all` where the route has one value and the set has not exactly one member.
    #[error(
        "`all` of the {members} members of `{set}`: a route has one value here, so only a set of one can match"
    )]
    AllOfSeveral {
        /// The set.
        set: String,
        /// How many members it has.
        members: usize,
    },
    /// `exact` on something else than communities.
    #[error("`exact` is for communities only")]
    ExactOnOther,
    /// Policies that call each other in a circle.
    #[error("policies call each other in a circle: {}", .0.join(" -> "))]
    CallCycle(Vec<String>),
    /// Calls inside calls, too deep.
    #[error("calls are nested deeper than {limit}")]
    CallDepth {
        /// What is allowed.
        limit: usize,
    },
    /// Too many statements may be looked at for one route.
    #[error("with its calls it may look at more than {limit} statements for one route")]
    TooLong {
        /// What is allowed.
        limit: usize,
    },
    /// A set with expressions where its members are to be put on a route.
    #[error("`{set}` holds an expression; only communities can be put on a route")]
    ExpressionInSet {
        /// The set.
        set: String,
    },
    /// Something else than a plain sequence is to be put in front of a path.
    #[error("`{0}` is not a plain sequence of numbers")]
    PrependedPath(String),
    /// A number to put in front, but not how often.
    #[error("a number without `repeat` puts nothing in front")]
    PrependNever,
    /// Nothing to put in front.
    #[error("nothing is put in front: neither `repeat` nor `path` is given")]
    PrependNothing,
    /// 0 is no number of a system (RFC 7607).
    #[error("0 must not stand in an AS path (RFC 7607)")]
    AsnZero,
    /// More numbers in front of a path than any router would take.
    #[error("it may put more than {limit} numbers in front of one path")]
    PrependedTooMuch {
        /// What is allowed.
        limit: usize,
    },
}

impl fmt::Display for DefinitionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PrefixSet => "prefix set",
            Self::AsPathSet => "AS-path set",
            Self::CommunitySet => "community set",
            Self::ExtendedCommunitySet => "extended community set",
            Self::LargeCommunitySet => "large community set",
            Self::NeighborSet => "neighbour set",
            Self::NextHopSet => "next-hop set",
            Self::Policy => "policy",
            Self::Chain => "chain of policies",
        })
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        if self.kind != DefinitionKind::Chain {
            write!(f, " `{}`", self.name)?;
        }
        if let Some(statement) = &self.statement {
            write!(f, ", statement `{statement}`")?;
        }
        if !self.field.is_empty() {
            write!(f, ", {}", self.field)?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for PolicyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}
