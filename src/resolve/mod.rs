//! Where a packet goes: the walk from place to place, and the answer.

mod answer;
mod bandwidth;
mod classes;
mod compiled;
mod encryption;
mod error;
mod explanation;
mod hosts;
mod hub_routes;
mod legs;
mod nsg;
mod pair;
mod propagation;
mod public;
mod question;
mod walk;

pub use answer::{
    Answer, Disposition, DispositionKind, DropReason, Egress, Header, Hop, MatchedRoute, NextHop, NsgStatus,
    Path, Place, SnatIdentity,
};
pub(crate) use answer::{Edge, Next, Node};
pub use bandwidth::{Bandwidth, Ceiling};
pub use classes::{Class, Classes};
pub(crate) use classes::{address, prefixes_of, span};
pub(crate) use compiled::{Answers, Compiled, Kept, Kin};
pub use compiled::{PathId, Position, Resolved};
pub use encryption::{Carrier, Underlay};
pub(crate) use encryption::{Tunnel, underlay};
pub use error::ResolveError;
pub use explanation::{Explanation, Loser, TableDecision};
pub(crate) use hosts::{Hosts, Owner, Start, nic_subnet, primary_of};
pub(crate) use hub_routes::hub_effective_routes;
pub(crate) use nsg::port_range;
pub(crate) use pair::pair;
pub use pair::{Asymmetry, Crossing, Pair, SeenDirection};
pub use propagation::{Applied, Passed, Propagation, SpeakerStep};
pub(crate) use public::PublicEdge;
pub(crate) use question::FlowKey;
pub use question::{Flow, Leg, Protocol, Source, flow_hash};
pub(crate) use walk::{Question, Underlays, World, is_platform_host, walk, walk_gated};
