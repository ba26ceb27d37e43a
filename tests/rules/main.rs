//! The rules of Azure, each by a test that is named after it.

mod bandwidth;
mod coverage;
mod encryption;
mod failures;
mod findings;
mod hybrid_bgp;
mod legs;
mod seed_map;
mod selection;
mod vectors;
mod walk;
