//! What ExpressRoute gateways offer: declared, and learned over circuits.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::super::azure::Marks;
use super::super::bgp::{Bgp, flat};
use super::super::offered::OfferList;
use super::super::{EventKind, LearnedOver, Links, Offer, Via};
use super::Builder;
use crate::bgp::Stage;
use crate::model::{
    Asn, Connection, ConnectionType, Entity, GatewayType, LinkRole, PeeringType, VirtualNetworkGateway,
    limits,
};
use crate::rule::Rule;

impl Builder<'_> {
    /// Routes that the gateway is declared to have learned.
    pub(super) fn declared_routes(
        &mut self,
        g: usize,
        gateway: &VirtualNetworkGateway,
        next_hops: &[IpAddr],
        offers: &mut OfferList,
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
            let offer = Offer {
                via,
                as_path: route.as_path.clone(),
                weight: found.map_or(0, |c| c.routing_weight),
                is_static: false,
                next_hops: next_hops.to_vec(),
            };
            offers.push(route.prefix, offer);
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
        offers: &mut OfferList,
    ) {
        let Some(circuit) = self.circuit(connection) else { return };
        let arrivals = LinkRole::BOTH.map(|link| {
            let session = connection.id.child("links", link.as_str());
            (link, bgp.engine.arrivals(&session, &gateway.id, Stage::PostPolicy))
        });
        // Prefixes of one group come with the same attributes, and are offered alike.
        let mut by_group: FxHashMap<u32, Range<usize>> = FxHashMap::default();
        let mut kinds: Vec<u32> = Vec::new();
        let mut prefixes: Vec<(IpNet, u32)> = Vec::new();
        for (at, (_, arrived)) in arrivals.iter().enumerate() {
            for (prefix, group, _) in arrived.iter() {
                // What arrived over both links is listed once.
                if at == 0 || arrivals[0].1.of_group(group).is_empty() {
                    prefixes.push((prefix, group));
                }
                by_group.entry(group).or_insert_with(|| {
                    let mut found: BTreeMap<(Vec<Asn>, Marks), Links> = BTreeMap::new();
                    let heard =
                        arrivals.iter().flat_map(|(link, a)| a.of_group(group).iter().map(|r| (*link, r)));
                    for (link, attributes) in heard {
                        let links = Links::only(link);
                        found
                            .entry((flat(&attributes.as_path), Marks::of(attributes)))
                            .and_modify(|known| *known = known.or(links))
                            .or_insert(links);
                    }
                    let first = kinds.len();
                    for ((as_path, marks), links) in found {
                        kinds.push(offers.kind(Offer {
                            via: Via::ExpressRoute {
                                gateway: g,
                                connection: Some(c),
                                circuit: Some(circuit),
                                links,
                                far: marks.gateway,
                                reached: marks.reached,
                            },
                            as_path,
                            weight: connection.routing_weight,
                            is_static: false,
                            next_hops: next_hops.to_vec(),
                        }));
                    }
                    first..kinds.len()
                });
            }
        }
        offers.reserve(prefixes.len());
        for (prefix, group) in prefixes {
            let of_group = by_group.get(&group).and_then(|range| kinds.get(range.clone()));
            for kind in of_group.into_iter().flatten() {
                offers.push_kind(prefix, *kind);
            }
        }
    }

    /// ER-20: routes beyond the SKU's capacity are kept and reported.
    pub(super) fn capacity(&mut self, gateway: &VirtualNetworkGateway, learned: impl FnOnce() -> usize) {
        if gateway.gateway_type != GatewayType::ExpressRoute {
            return;
        }
        let Some(sku) = &gateway.sku else { return };
        let Some(capacity) = limits::learned_routes(sku) else { return };
        let learned = learned();
        if learned > capacity {
            let detail = format!("{learned} routes learned, `{sku}` is made for {capacity}");
            self.event(EventKind::GatewayRouteCapacityExceeded, &gateway.id, Rule::ER_20, detail);
        }
    }
}
