//! BGP: routing policy, the decision process, and propagation until nothing changes.
//!
//! The engine takes a [`BgpDesign`](crate::model::bgp::BgpDesign) and knows nothing of Azure; it imports only `model`,
//! `rule` and `prefix_table`. RFC 4271, 4456, 5065, 1997, 8092, 7911, 8212 and 9067 are its specification; where real
//! routers differ, a [`Settings`] value says how.

pub mod decision;
pub mod policy;
mod profile;

pub use profile::{
    Arrival, ClusterListCheck, ConfederationPeers, LocalOrigin, MedNeighbor, MultipathAsPath, Settings,
};
