//! peering
