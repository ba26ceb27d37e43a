//! How much a path carries: the least of what circuits and gateways on it let through (BW-5).

use std::fmt;

use super::answer::{Path, Place, Short};
use crate::model::{Entity, GatewayType, LinkRole, ResourceId, Topology, limits};

/// What one element lets through in each direction, in Mbit/s.
///
/// A circuit's bandwidth is duplex and shared by all of its peerings and networks (BW-2). Over both links together up to
/// twice of it may flow; the second half is not guaranteed (BW-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// What is guaranteed.
    pub guaranteed_in_mbps: u32,
    /// What may flow at best.
    pub most_in_mbps: u32,
}

/// What a path carries, in Mbit/s each way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// The least of what its elements guarantee (BW-5).
    pub guaranteed_in_mbps: u32,
    /// The least of what they let through at best (BW-3).
    pub most_in_mbps: u32,
    /// The circuit or gateway that guarantees least; of several the first on the way.
    pub bottleneck: ResourceId,
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} Mbit/s guaranteed, {} at best, by {}",
            self.guaranteed_in_mbps,
            self.most_in_mbps,
            Short(&self.bottleneck)
        )
    }
}

impl Path<'_> {
    /// What it carries: the least over its circuits, its gateways' SKUs and, over Global Reach, the partner's circuit
    /// (BW-5). `None` where nothing on the way has a known bandwidth: inside Azure, over VPN, on the Internet.
    ///
    /// A gateway that FastPath passes by does not count (BW-6). What other traffic leaves of a shared circuit is not
    /// known (BW-2).
    pub fn bandwidth(&self) -> Option<Bandwidth> {
        let known = self.hops().iter().filter_map(|hop| hop.ceiling.zip(hop.place.id()));
        let (least, place) = known.clone().min_by_key(|(ceiling, _)| ceiling.guaranteed_in_mbps)?;
        let most = known.map(|(ceiling, _)| ceiling.most_in_mbps).min()?;
        Some(Bandwidth {
            guaranteed_in_mbps: least.guaranteed_in_mbps,
            most_in_mbps: most,
            bottleneck: place.clone(),
        })
    }
}

/// What a place lets through.
pub(super) fn ceiling(topology: &Topology, place: &Place) -> Option<Ceiling> {
    let document = topology.document();
    match place {
        Place::Msee { circuit, .. } => match topology.entity(circuit) {
            Some(Entity::Circuit(c)) => {
                let circuit = &document.express_route_circuits[c];
                let guaranteed = circuit.bandwidth_in_mbps?;
                // The second half flows over the second link.
                let both = LinkRole::BOTH.iter().all(|link| circuit.link(*link).up);
                let most = if both { guaranteed.saturating_mul(2) } else { guaranteed };
                Some(Ceiling { guaranteed_in_mbps: guaranteed, most_in_mbps: most })
            }
            _ => None,
        },
        Place::Gateway(id) => match topology.entity(id) {
            Some(Entity::Gateway(g)) => {
                let gateway = &document.virtual_network_gateways[g];
                let sku =
                    gateway.sku.as_deref().filter(|_| gateway.gateway_type == GatewayType::ExpressRoute)?;
                let (guaranteed, most) = limits::gateway_bandwidth(sku)?;
                Some(Ceiling { guaranteed_in_mbps: guaranteed, most_in_mbps: most })
            }
            _ => None,
        },
        _ => None,
    }
}
