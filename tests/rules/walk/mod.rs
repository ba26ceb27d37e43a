//! The rules of the path walk and of what stands at the border, each by at least one test that is named by its id:
//! families WALK, OUT, NSG, ISO, CSP, ENC, BGP, ER, MSP, PUB, VPN, ARS, VWAN, and PEER and UDR as the walk sees them.
//! What is not modelled, or not yet, stands in `tests/data/rules/not_modelled_walk.tsv`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod border;
mod egress;
mod gateways;
mod path;
mod peering;
mod positions;
mod seed;
pub(crate) mod support;
