//! Routing policy (RFC 9067): what running routers do, every condition and action, calls and chains, refusals, documents,
//! and the engine against an interpreter that is as plain as can be.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod documents;
mod naive;
mod properties;
mod refusals;
mod routers;
mod statements;
mod support;
