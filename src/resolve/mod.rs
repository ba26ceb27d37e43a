//! Where a packet goes: the walk from place to place, and the answer.

mod answer;
mod question;

pub use answer::{
    Answer, Decision, Disposition, DispositionKind, DropReason, Egress, Header, Hop, MatchedRoute, NextHop,
    NsgStatus, Path, Place, SnatIdentity,
};
pub use question::{Flow, Protocol, Source, flow_hash};
