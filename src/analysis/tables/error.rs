//! Why a table cannot be shown.

use crate::model::{PeeringType, ResourceId};

/// A table was asked of something that has none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// Nothing of that kind has this name.
    #[error("no {kind} is called `{name}`")]
    Unknown {
        /// What was asked for: `circuit`, `gateway or Route Server`, …
        kind: &'static str,
        /// The name.
        name: ResourceId,
    },
    /// Several have this name.
    #[error("`{name}` stands for several: {}", joined(candidates))]
    Ambiguous {
        /// The name.
        name: ResourceId,
        /// The ids, sorted.
        candidates: Vec<ResourceId>,
    },
    /// The circuit has no such peering, or it is not enabled.
    #[error("`{circuit}` has no enabled {}", peering.as_str())]
    NoPeering {
        /// The circuit.
        circuit: ResourceId,
        /// The peering.
        peering: PeeringType,
    },
    /// The gateway does not speak BGP (VPN-1).
    #[error("`{gateway}` does not speak BGP: {reason}")]
    NoBgp {
        /// The gateway.
        gateway: ResourceId,
        /// Why.
        reason: &'static str,
    },
    /// It has no such peer.
    #[error("`{speaker}` has no peer `{peer}`; it has {}", peers.join(", "))]
    UnknownPeer {
        /// The gateway or Route Server.
        speaker: ResourceId,
        /// The peer's address or name.
        peer: String,
        /// The peers that it has, by address where one is known.
        peers: Vec<String>,
    },
    /// Several of its peers answer to that.
    #[error("`{peer}` stands for several sessions of `{speaker}`: {}", joined(sessions))]
    AmbiguousPeer {
        /// The gateway or Route Server.
        speaker: ResourceId,
        /// The peer's address or name.
        peer: String,
        /// The sessions.
        sessions: Vec<ResourceId>,
    },
}

fn joined(ids: &[ResourceId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
