//! Questions people ask of a whole network: findings, and comparisons with what Azure printed.

mod compare;
mod findings;
mod tables;
mod transition;

pub use compare::{Comparison, compare};
pub(crate) use findings::findings;
pub use findings::{Finding, FindingCode, Severity};
pub(crate) use tables::Views;
pub use tables::{RowDifference, TableComparison, TableError, compare_tables};
pub(crate) use transition::transitions;
pub use transition::{Transition, TransitionKind};
