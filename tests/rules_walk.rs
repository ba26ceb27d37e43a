//! The rules of the path walk and of what stands at the border, each by at least one test that is named by its id:
//! families WALK, OUT, NSG, ISO, CSP, ENC, BGP, ER, MSP, PUB, VPN, ARS, VWAN, and PEER and UDR as the walk sees them.
//! What is not modelled, or not yet, stands in `data/rules/not_modelled_walk.tsv`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "rules_walk/border.rs"]
mod border;
#[path = "rules_walk/egress.rs"]
mod egress;
#[path = "rules_walk/gateways.rs"]
mod gateways;
#[path = "rules_walk/path.rs"]
mod path;
#[path = "rules_walk/peering.rs"]
mod peering;
#[path = "rules_walk/positions.rs"]
mod positions;
#[path = "rules_walk/seed.rs"]
mod seed;
#[path = "rules_walk/support.rs"]
mod support;
