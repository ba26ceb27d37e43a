//! Questions people ask of a whole network: findings, and comparisons with what Azure printed.

mod compare;
mod findings;
mod transition;

pub use compare::{Comparison, compare};
pub(crate) use findings::findings;
pub use findings::{Finding, FindingCode, Severity};
pub(crate) use transition::transitions;
pub use transition::{Transition, TransitionKind};
