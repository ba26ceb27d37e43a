//! Routing policy (RFC 9067): what running routers do, every condition and action, calls and chains, refusals, documents,
//! and the engine against an interpreter that is as plain as can be.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "policy/documents.rs"]
mod documents;
#[path = "policy/naive.rs"]
mod naive;
#[path = "policy/properties.rs"]
mod properties;
#[path = "policy/refusals.rs"]
mod refusals;
#[path = "policy/routers.rs"]
mod routers;
#[path = "policy/statements.rs"]
mod statements;
#[path = "policy/support.rs"]
mod support;
