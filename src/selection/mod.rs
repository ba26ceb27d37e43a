//! From candidates to effective routes: every rule that is not longest-prefix match.
//!
//! Candidates of a subnet come from four places: the platform (system rows), the route table (user rows), the gateways
//! (see `control_plane`) and service endpoints. Selection gives each a state, Active, Invalid
//! or Absent, and the rule that decided it. What is Active goes on to `fib`, which only matches the
//! longest prefix.
//!
//! Many subnets share what they have: gateway routes stand once per domain, service prefixes once per service, and
//! subnets of one network with the same route table and services share one table.

mod effective;
mod gateway;
mod table;

pub(crate) use effective::View;
pub use effective::{Candidate, EffectiveRoutes};
pub(crate) use gateway::GatewayTable;
pub use table::CandidateState;
pub(crate) use table::{Handle, LocalKind, Selection, SubnetTable};
