//! The numeric limits of sessions and links (section 25 of the rules), in one place: what the control plane enforces and
//! what findings count.

use super::{CircuitSkuTier, ExpressRouteCircuit, PeeringType};

/// IPv4 prefixes from on-premises on a session of private peering, Standard and Local (ER-4).
pub const PRIVATE_PEERING_PREFIXES: usize = 4_000;
/// The same with the SKU Premium (ER-4).
pub const PRIVATE_PEERING_PREFIXES_PREMIUM: usize = 10_000;
/// IPv6 prefixes from on-premises on a session of private peering (ER-4).
pub const PRIVATE_PEERING_PREFIXES_IPV6: usize = 100;
/// Prefixes from the customer on a session of Microsoft or public peering, of each family (MSP-5, PUB-5).
pub const PUBLIC_PREFIXES: usize = 200;
/// IPv4 prefixes that a gateway announces over a connection to a circuit (ER-5).
pub const ADVERTISED_PREFIXES: usize = 1_000;
/// IPv6 prefixes that a gateway announces over a connection to a circuit (ER-5).
pub const ADVERTISED_PREFIXES_IPV6: usize = 100;
/// Prefixes from a site over a VPN connection (VPN-4).
pub const VPN_PREFIXES: usize = 4_000;
/// BGP peers of a Route Server (ARS-12).
pub const ROUTE_SERVER_PEERS: usize = 8;
/// Routes that one peer may give a Route Server (ARS-12).
pub const ROUTE_SERVER_ROUTES: usize = 1_000;
/// The same in 2021 (ARS-12).
pub const ROUTE_SERVER_ROUTES_2021: usize = 200;
/// Machines that a Route Server is made for (ARS-12).
pub const ROUTE_SERVER_MACHINES: usize = 4_000;
/// Circuits of one peering location on one gateway (ER-18).
pub const CIRCUITS_OF_A_LOCATION: usize = 4;
/// Circuits in a subscription.
pub const CIRCUITS_PER_SUBSCRIPTION: usize = 50;
/// The highest connection weight (ER-8).
pub const ROUTING_WEIGHT: u16 = 32_000;
/// Bandwidths that providers sell, in Mbps (BW-1).
pub const PROVIDER_BANDWIDTHS: [u32; 8] = [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
/// Further bandwidths of ExpressRoute Direct, in Mbps (BW-1).
pub const DIRECT_BANDWIDTHS: [u32; 2] = [40_000, 100_000];

/// Prefixes that a session of a circuit accepts from the customer (ER-4, MSP-5, PUB-5).
pub fn accepted_prefixes(tier: CircuitSkuTier, peering: PeeringType, ipv6: bool) -> usize {
    match (peering, tier) {
        (PeeringType::AzurePrivatePeering, _) if ipv6 => PRIVATE_PEERING_PREFIXES_IPV6,
        (PeeringType::AzurePrivatePeering, CircuitSkuTier::Premium) => PRIVATE_PEERING_PREFIXES_PREMIUM,
        (PeeringType::AzurePrivatePeering, _) => PRIVATE_PEERING_PREFIXES,
        _ => PUBLIC_PREFIXES,
    }
}

/// Prefixes that a gateway may announce over a connection to a circuit (ER-5).
pub fn advertised_prefixes(ipv6: bool) -> usize {
    if ipv6 { ADVERTISED_PREFIXES_IPV6 } else { ADVERTISED_PREFIXES }
}

/// Virtual networks and Global Reach partners that a circuit takes (ER-19, ER-15).
pub fn links(circuit: &ExpressRouteCircuit) -> usize {
    if circuit.sku_tier != CircuitSkuTier::Premium {
        return 10;
    }
    match circuit.bandwidth_in_mbps {
        Some(..100) => 20,
        Some(..500) => 25,
        Some(..1_000) => 40,
        Some(..2_000) => 50,
        Some(..5_000) => 60,
        Some(..10_000) => 75,
        _ => 100,
    }
}

/// Circuits that an ExpressRoute gateway takes, by its SKU (ER-18). An unknown SKU has the highest limit.
pub fn circuits(sku: Option<&str>) -> usize {
    match sku.unwrap_or_default().to_ascii_lowercase().as_str() {
        "standard" | "ergw1az" => 4,
        "highperformance" | "ergw2az" => 8,
        _ => 16,
    }
}

/// Routes that an ExpressRoute gateway of a SKU is made to learn (ER-20). `None` for an unknown SKU.
pub fn learned_routes(sku: &str) -> Option<usize> {
    match sku.to_ascii_lowercase().as_str() {
        "standard" | "ergw1az" => Some(4_000),
        "highperformance" | "ergw2az" | "ultraperformance" | "ergw3az" => Some(9_500),
        "ergwscale" => Some(60_000),
        _ => None,
    }
}

/// What an ExpressRoute gateway's SKU lets through in Mbps, guaranteed and at best (BW-5). A scalable one has 1 Gbps for
/// each of its 1 to 40 units, and how many it runs is not declared. `None` for an unknown SKU.
pub fn gateway_bandwidth(sku: &str) -> Option<(u32, u32)> {
    Some(match sku.to_ascii_lowercase().as_str() {
        "standard" | "ergw1az" => (1_000, 1_000),
        "highperformance" | "ergw2az" => (2_000, 2_000),
        "ultraperformance" | "ergw3az" => (10_000, 10_000),
        "ergwscale" => (1_000, 40_000),
        _ => return None,
    })
}
