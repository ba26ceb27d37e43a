//! Rule by rule: what the rules say of system routes, peering, endpoints, user routes, selection and gateway routes,
//! against what the stages answer. Every test is named after the rule it shows; what a rule says that has no effect on
//! routes is listed in `tests/data/rules/not_modelled.tsv`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod gateway_routes;
mod peering;
mod precedence;
mod private_endpoints;
mod service_endpoints;
mod support;
mod system_routes;
mod two_gateways;
mod user_routes;
mod v6;
mod vocabulary;
