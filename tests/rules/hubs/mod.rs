//! Virtual WAN: what hubs choose, tell each other, and do with packets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod selection;
mod support;
mod tables;
mod walk;
