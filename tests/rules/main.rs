//! The rules of Azure, each by a test that is named after it.

mod bandwidth;
mod coverage;
mod encryption;
mod express_route;
mod failures;
mod findings;
mod findings_whole;
mod hubs;
mod hybrid_bgp;
mod legs;
mod microsoft_peering;
mod route_server;
mod seed_map;
mod selection;
mod tables;
mod vectors;
mod vpn;
mod walk;
