//! Where a packet goes: the walk from place to place, and the answer.

mod answer;
mod error;
mod explanation;
mod hosts;
mod nsg;
mod pair;
mod question;
mod walk;

pub use answer::{
    Answer, Disposition, DispositionKind, DropReason, Egress, Header, Hop, MatchedRoute, NextHop, NsgStatus,
    Path, Place, SnatIdentity,
};
pub use error::ResolveError;
pub use explanation::{Explanation, Loser, TableDecision};
pub(crate) use hosts::{Hosts, Owner, Start, nic_subnet, primary_of};
pub use pair::{Asymmetry, Pair, SeenDirection};
pub(crate) use pair::{asymmetries, reply_questions};
pub(crate) use question::FlowKey;
pub use question::{Flow, Protocol, Source, flow_hash};
pub(crate) use walk::{World, is_platform_host, walk};
