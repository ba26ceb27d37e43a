//! Why a dump was refused.

/// The dump cannot be read, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MrtError {
    /// The reader gave up.
    #[error("record {record}: the reader failed: {reason}")]
    Read {
        /// The record's number, from 1.
        record: u64,
        /// What the reader said.
        reason: String,
    },
    /// The dump ends within a record, or a record's length cannot be right: nothing after it can be found.
    #[error("record {record}: length: {reason}")]
    Framing {
        /// The record's number, from 1.
        record: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The input is compressed.
    #[error("the input is compressed ({0}); what is inside is wanted")]
    Compressed(&'static str),
    /// The input holds nothing.
    #[error("the input holds no MRT record")]
    Empty,
    /// More routes at once than the options allow.
    #[error("record {record}: more than {limit} routes")]
    TooManyRoutes {
        /// The record's number, from 1.
        record: u64,
        /// What is allowed.
        limit: usize,
    },
}
