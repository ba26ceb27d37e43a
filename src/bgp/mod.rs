//! BGP: routing policy, the decision process, and propagation until nothing changes.
//!
//! The engine takes a [`BgpDesign`](crate::model::bgp::BgpDesign) and knows nothing of Azure; it imports only `model`,
//! `rule` and `prefix_table`. RFC 4271, 4456, 5065, 1997, 8092, 7911, 8212 and 9067 are its specification; where real
//! routers differ, a [`Settings`] value says how.

mod aggregate;
mod arrivals;
pub mod decision;
mod engine;
mod error;
mod exchange;
mod explain;
mod fanout;
mod igp;
mod machine;
mod neighbors;
mod passage;
mod plan;
pub mod policy;
mod pool;
mod prefixes;
mod profile;
mod rib;
mod show;
mod stability;
mod state;

pub(crate) use arrivals::Arrivals;
pub use engine::{BgpChange, BgpChangeError, Budget, Engine, Statistics};
pub use error::{DesignError, DesignProblem};
pub use exchange::{NotAccepted, NotSent};
pub use explain::{Absence, Explanation, Passage, Place, WhyAbsent};
pub use neighbors::Neighbor;
pub use passage::{PassRule, PassStep};
pub use profile::{
    Arrival, ClusterListCheck, ConfederationPeers, LocalOrigin, MedNeighbor, MultipathAsPath, Settings,
};
pub use rib::{LearnedFrom, Passed, RibEntry, RibPrefix, Route, Stage, Standing};
pub use show::RouteTable;
pub use stability::{Cycle, GroupVerdict, Selected, SelectedFrom, Selection, State, Verdict};
