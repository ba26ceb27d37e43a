//! Virtual WAN: what hubs choose, tell each other, and do with packets.

mod selection;
mod support;
mod tables;
mod walk;
