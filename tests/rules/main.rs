//! The rules of Azure, each by a test that is named after it.

mod coverage;
mod findings;
mod hybrid_bgp;
mod seed_map;
mod selection;
mod vectors;
mod walk;
