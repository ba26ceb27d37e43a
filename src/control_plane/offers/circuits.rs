//! What ExpressRoute gateways offer: declared, and learned over circuits.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::azure::Marks;
use super::super::bgp::{Bgp, flat};
use super::super::{EventKind, LearnedOver, Links, Offer, Via};
use super::Builder;
use crate::model::{
    Asn, Connection, ConnectionType, Entity, GatewayType, LinkRole, PeeringType, VirtualNetworkGateway,
};
use crate::rule::Rule;

impl Builder<'_> {
    /// Routes that the gateway is declared to have learned.
    pub(super) fn declared_routes(
        &mut self,
        g: usize,
        gateway: &VirtualNetworkGateway,
        next_hops: &[IpAddr],
        offers: &mut Vec<Offer>,
    ) {
        for route in &gateway.learned_routes {
            let connection = route.connection.as_ref().and_then(|id| match self.topology.entity(id) {
                Some(Entity::Connection(c)) => Some(c),
                _ => None,
            });
            let found = connection.map(|c| &self.topology.document().connections[c]);
            if found.is_some_and(|c| !c.connected) || route.as_path.contains(&gateway.asn) {
                continue;
            }
            let circuit = found.and_then(|c| self.circuit(c));
            let computed = |over: &LearnedOver| match over {
                LearnedOver::Circuit(c, PeeringType::AzurePrivatePeering, _) => circuit == Some(*c),
                LearnedOver::Circuit(..) | LearnedOver::RouteServer(_) | LearnedOver::HubPeer(..) => false,
                LearnedOver::Connection(n) => connection == Some(*n),
            };
            if self.computed.iter().any(computed) {
                continue;
            }
            if let (Some(found), Some(circuit)) = (found, circuit)
                && !self.circuit_connection_is_up(g, found, circuit)
            {
                continue;
            }
            let via = match gateway.gateway_type {
                GatewayType::ExpressRoute => {
                    let links = circuit.map_or(Links { primary: true, secondary: true }, |c| {
                        let circuit = &self.topology.document().express_route_circuits[c];
                        Links { primary: circuit.primary.up, secondary: circuit.secondary.up }
                    });
                    if !links.any() {
                        continue;
                    }
                    Via::ExpressRoute { gateway: g, connection, circuit, links, far: None, reached: None }
                }
                // What came over a VNet-to-VNet connection goes on at the far gateway.
                _ => {
                    let far =
                        found.filter(|c| c.connection_type == ConnectionType::Vnet2Vnet).and_then(|c| {
                            match self.topology.entity(&c.peer) {
                                Some(Entity::Gateway(far)) => Some(far),
                                _ => None,
                            }
                        });
                    Via::Vpn { gateway: g, connection, far }
                }
            };
            offers.push(Offer {
                prefix: route.prefix.trunc(),
                via,
                as_path: route.as_path.clone(),
                weight: found.map_or(0, |c| c.routing_weight),
                is_static: false,
                next_hops: next_hops.to_vec(),
            });
        }
    }

    /// Over a circuit: what the gateway learns from the edge of each link: what sites advertise on its private peering
    /// (ER-7), what comes over Global Reach (ER-16), and the other networks linked to it where both gateways let them in
    /// (ER-12).
    pub(super) fn circuit_offers(
        &mut self,
        bgp: &Bgp,
        (g, gateway): (usize, &VirtualNetworkGateway),
        (c, connection): (usize, &Connection),
        next_hops: &[IpAddr],
        offers: &mut Vec<Offer>,
    ) {
        let Some(circuit) = self.circuit(connection) else { return };
        // Of prefixes that fare alike once: by path and marks, the links that carry it.
        let sessions = LinkRole::BOTH.map(|link| connection.id.child("links", link.as_str()));
        let kept = bgp.engine.kept(&gateway.id, &sessions, |of_links| {
            let mut found: BTreeMap<(Vec<Asn>, Marks), Links> = BTreeMap::new();
            for (link, routes) in LinkRole::BOTH.into_iter().zip(of_links) {
                let links = Links::only(link);
                for attributes in routes {
                    let key = (flat(&attributes.as_path), Marks::of(attributes));
                    found.entry(key).and_modify(|known| *known = known.or(links)).or_insert(links);
                }
            }
            found
        });
        offers.reserve(kept.len());
        for (prefix, alike) in kept {
            offers.extend(alike.iter().map(|((as_path, marks), links)| Offer {
                prefix,
                via: Via::ExpressRoute {
                    gateway: g,
                    connection: Some(c),
                    circuit: Some(circuit),
                    links: *links,
                    far: marks.gateway,
                    reached: marks.reached,
                },
                as_path: as_path.clone(),
                weight: connection.routing_weight,
                is_static: false,
                next_hops: next_hops.to_vec(),
            }));
        }
    }

    /// ER-20: routes beyond the SKU's capacity are kept and reported.
    pub(super) fn capacity(&mut self, gateway: &VirtualNetworkGateway, learned: usize) {
        if gateway.gateway_type != GatewayType::ExpressRoute {
            return;
        }
        let Some(sku) = &gateway.sku else { return };
        let capacity = match sku.to_ascii_lowercase().as_str() {
            "standard" | "ergw1az" => 4_000,
            "highperformance" | "ergw2az" | "ultraperformance" | "ergw3az" => 9_500,
            "ergwscale" => 60_000,
            _ => return,
        };
        if learned > capacity {
            let detail = format!("{learned} routes learned, `{sku}` is made for {capacity}");
            self.event(EventKind::GatewayRouteCapacityExceeded, &gateway.id, Rule::ER_20, detail);
        }
    }
}
