//! What belongs together: tenants, regions, private and default prefixes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::VirtualNetwork;

/// Default routes of both families.
pub(crate) fn is_default_route(prefix: &IpNet) -> bool {
    prefix.prefix_len() == 0
}

/// Names of one tenant, compared without case; none is the default tenant.
pub(crate) fn same_tenant(a: Option<&str>, b: Option<&str>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    }
}

/// Whether two networks are in one region, compared without case and blanks. An unknown region counts as the same.
pub(crate) fn same_region(a: &VirtualNetwork, b: &VirtualNetwork) -> bool {
    let (Some(a), Some(b)) = (&a.location, &b.location) else { return true };
    let fold = |s: &str| -> String {
        s.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect()
    };
    fold(a) == fold(b)
}

/// Whether a prefix lies in the ranges that no public network routes.
pub(crate) fn is_private(prefix: &IpNet) -> bool {
    PRIVATE_PREFIXES.iter().any(|private| private.contains(prefix))
}

/// RFC 1918, RFC 6598 and fc00::/7.
pub(crate) const PRIVATE_PREFIXES: [IpNet; 5] = [
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
];

/// Whether an address lies in one of these.
pub(crate) fn is_private_address(address: IpAddr) -> bool {
    PRIVATE_PREFIXES.iter().any(|prefix| prefix.contains(&address))
}
