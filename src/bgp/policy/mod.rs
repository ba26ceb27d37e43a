//! Routing policy, compiled and evaluated (RFC 9067).
//!
//! [`Policies`] is a [`RoutingPolicy`] checked once and made fast: names become numbers, expressions are compiled, sets
//! are sorted. A [`Chain`] names policies in their order and what happens at the end; evaluating one asks of each
//! statement whether its conditions hold, and if so does its actions.
//!
//! # How a route is evaluated
//!
//! - Statements are asked in their order, and each sees the attributes as those before it left them (RFC 9067 section 5).
//! - A statement's conditions are asked cheapest first. `call_policy` comes last, so that a policy is called only where
//!   everything else holds: what it changes stays changed, whatever it answers (section 4.4).
//! - A called policy that ends without accepting or rejecting answers as the chain's default would.
//! - Actions change attributes in the order of [`Actions`](crate::model::bgp::Actions), then the result is looked at.
//!
//! ```
//! use azroute::bgp::{Settings, policy::{Context, Policies}};
//! use azroute::model::bgp::{Asn, DefaultPolicy, PathAttributes, RouteType, RoutingPolicy, SourceProtocol};
//!
//! let declared: RoutingPolicy = toml::from_str(r#"
//!     [[prefix_sets]]
//!     name = "customers"
//!     prefixes = [{ prefix = "10.0.0.0/8", le = 24 }]
//!
//!     [[policy_definitions]]
//!     name = "in"
//!
//!     [[policy_definitions.statements]]
//!     conditions = { match_prefix_set = { set = "customers" } }
//!     actions = { set_local_preference = 200, policy_result = "accept_route" }
//! "#)?;
//! let policies = Policies::compile(&declared)?;
//! let chain = policies.chain(&["in".to_owned()], DefaultPolicy::RejectRoute)?;
//!
//! let (prefix, settings) = ("10.1.0.0/16".parse()?, Settings::default());
//! let context = Context {
//!     prefix: &prefix,
//!     neighbor: None,
//!     own_address: None,
//!     own_asn: Asn(65001),
//!     peer_asn: Some(Asn(65002)),
//!     route_type: RouteType::External,
//!     source_protocol: SourceProtocol::Bgp,
//!     igp_cost: None,
//!     export: false,
//!     settings: &settings,
//! };
//! let mut attributes = PathAttributes::default();
//! assert!(policies.evaluate(&chain, &context, &mut attributes).accepted);
//! assert_eq!(attributes.local_preference, Some(200));
//!
//! let (_, trace) = policies.trace(&chain, &context, &mut attributes);
//! assert_eq!(trace[0].to_string(), "policy `in`, statement `1`: matches; accept_route");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compile;
mod error;
mod evaluate;
mod pattern;
mod sets;
mod trace;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::Settings;
use crate::model::bgp::{Asn, DefaultPolicy, PathAttributes, RouteType, RoutingPolicy, SourceProtocol};
use compile::{Compiled, Summary};
use trace::{Recorder, Silent};

pub(crate) use evaluate::private_as;
pub(crate) use trace::changes;

pub use error::{DefinitionKind, PolicyError, PolicyReason};
pub use trace::{AttributeName, Change, ConditionName, FailedCondition, StatementTrace};

/// A [`RoutingPolicy`], checked and compiled. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Policies(Arc<Compiled>);

/// Policies in their order, and what becomes of a route that none of them accepts or rejects.
///
/// Made by [`Policies::chain`], and evaluated by the same policies only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    links: Box<[Link]>,
    default: DefaultPolicy,
    summary: Summary,
}

/// A policy of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Link {
    /// By its place among the compiled ones.
    Policy(usize),
    /// One that does not exist.
    Undefined(Arc<str>),
}

impl Chain {
    /// Whether every route passes as it is: nothing needs to be evaluated.
    pub fn is_transparent(&self) -> bool {
        self.summary == Summary::Accepts
    }

    /// Whether no route passes: nothing needs to be evaluated.
    pub fn rejects_all(&self) -> bool {
        self.summary == Summary::Rejects
    }
}

/// What policies see of a route besides its attributes.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Its prefix.
    pub prefix: &'a IpNet,
    /// The neighbour's address on the session: who sent it on import, who shall have it on export. None where there is
    /// no session, as for what is made here; no set holds it then.
    pub neighbor: Option<IpAddr>,
    /// The speaker's own address on the session. None stands for the speaker itself, as in
    /// [`PathAttributes::next_hop`].
    pub own_address: Option<IpAddr>,
    /// The speaker's number.
    pub own_asn: Asn,
    /// The neighbour's number.
    pub peer_asn: Option<Asn>,
    /// How the speaker came by it.
    pub route_type: RouteType,
    /// Where it was before BGP.
    pub source_protocol: SourceProtocol,
    /// What it costs to reach its next hop; none leaves MED alone.
    pub igp_cost: Option<u32>,
    /// Whether it is about to be sent (else received, or taken over).
    pub export: bool,
    /// The speaker's behaviour.
    pub settings: &'a Settings,
}

/// What became of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// It passes.
    pub accepted: bool,
    /// A policy set the next hop, or said to leave it as it is; the export must not put itself there. Not of a
    /// rejected route.
    pub next_hop_set: bool,
}

impl Policies {
    /// Compiles what was declared.
    ///
    /// # Errors
    ///
    /// What cannot be right: names that do not exist (unless [`RoutingPolicy::undefined_names`]) or exist twice, bad
    /// expressions, communities or lengths, options that a set cannot meet, policies that call each other in a circle,
    /// and what would put no number, or thousands, in front of a path.
    pub fn compile(declared: &RoutingPolicy) -> Result<Self, PolicyError> {
        Compiled::new(declared).map(|compiled| Self(Arc::new(compiled)))
    }

    /// A chain of policies by name, and what happens at its end.
    ///
    /// # Errors
    ///
    /// A name that does not exist, unless [`RoutingPolicy::undefined_names`].
    pub fn chain(&self, names: &[String], default: DefaultPolicy) -> Result<Chain, PolicyError> {
        self.0.chain(names, default)
    }

    /// Numbers of everything that policies can see of a prefix, in ascending order, put behind what is in `out`: its
    /// family, where a policy asks for it, and every prefix set it is in. Policies treat prefixes with equal numbers
    /// alike. Sets that no policy asks for do not count.
    pub fn treatment(&self, prefix: &IpNet, out: &mut Vec<u32>) {
        self.0.treatment(prefix, out);
    }

    /// Whether any policy sees who the neighbour is: else it does the same for all neighbours of a speaker.
    pub fn sees_neighbors(&self) -> bool {
        self.0.sees_neighbors()
    }

    /// Whether any policy takes the IGP cost: what it makes of a route then changes with the cost.
    pub fn sees_costs(&self) -> bool {
        self.0.sees_costs()
    }

    /// Whether any policy looks at an AS path, beyond its first number, or takes numbers out of it: else routes whose
    /// paths differ behind the first number only are treated alike.
    pub fn sees_paths(&self) -> bool {
        self.0.sees_paths()
    }

    /// Whether any policy takes numbers out of an AS path, or replaces them.
    pub fn shortens_paths(&self) -> bool {
        self.0.shortens_paths()
    }

    /// Runs a chain. Attributes may be changed even where the route is rejected.
    pub fn evaluate(&self, chain: &Chain, context: &Context<'_>, attributes: &mut PathAttributes) -> Outcome {
        match chain.summary {
            Summary::Accepts => Outcome { accepted: true, next_hop_set: false },
            Summary::Rejects => Outcome { accepted: false, next_hop_set: false },
            Summary::Passes | Summary::Depends => {
                evaluate::run(&self.0, chain, context, attributes, &mut Silent)
            }
        }
    }

    /// The same, and what each statement saw and did, in their order; statements of a called policy follow the one that
    /// calls it.
    pub fn trace(
        &self,
        chain: &Chain,
        context: &Context<'_>,
        attributes: &mut PathAttributes,
    ) -> (Outcome, Vec<StatementTrace>) {
        let mut recorder = Recorder::default();
        let outcome = evaluate::run(&self.0, chain, context, attributes, &mut recorder);
        (outcome, recorder.finish())
    }
}
