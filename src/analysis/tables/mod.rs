//! Tables of Azure's BGP speakers: as Azure would print them, and against what it printed.

mod compare;
mod error;
mod speakers;
mod views;

pub use compare::{RowDifference, TableComparison, compare_tables};
pub use error::TableError;
pub(crate) use views::Views;
