//! What VPN gateways offer: static prefixes, and what they learn from sites and other gateways.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::azure::Use;
use super::super::bgp::{Bgp, flat};
use super::super::offered::OfferList;
use super::super::{LearnedOver, Offer, Via};
use super::{Builder, is_basic, static_offer};
use crate::bgp::Stage;
use crate::model::bgp::PathAttributes;
use crate::model::{Connection, Entity, VirtualNetworkGateway, VpnType};

impl Builder<'_> {
    /// Over a VPN connection: the local network gateway's prefixes, what its site advertises by BGP, and the device's
    /// own BGP address (GWR-1, GWR-3, VPN-2).
    pub(super) fn site_to_site_offers(
        &mut self,
        bgp: Option<&Bgp>,
        g: usize,
        (c, connection): (usize, &Connection),
        next_hops: &[IpAddr],
        offers: &mut OfferList,
    ) {
        let document = self.topology.document();
        let gateway = &document.virtual_network_gateways[g];
        let via = Via::Vpn { gateway: g, connection: Some(c), far: None };
        let local = self.topology.local_network_gateway(&connection.peer);
        if let Some(local) = local {
            for prefix in &local.address_prefixes {
                offers.push(*prefix, static_offer(via.clone(), next_hops));
            }
        }
        if !connection.enable_bgp || is_basic(gateway) || gateway.vpn_type == VpnType::PolicyBased {
            return;
        }
        let learned = |attributes: &PathAttributes| Offer {
            via: via.clone(),
            as_path: flat(&attributes.as_path),
            weight: 0,
            is_static: false,
            next_hops: next_hops.to_vec(),
        };
        // The peer's own address is a host route of the gateway, whatever becomes of the session.
        if let Some(peer) = local.and_then(|l| l.bgp_peering_address) {
            offers.push(IpNet::from(peer), static_offer(via.clone(), next_hops));
        }
        for session in bgp
            .into_iter()
            .flat_map(|bgp| bgp.wiring.outside(LearnedOver::Connection(c)).map(move |s| (bgp, s)))
        {
            let (bgp, session) = session;
            let arrivals = bgp.engine.arrivals(&session.id, &session.speaker, Stage::PostPolicy);
            offers.learn(&arrivals, |_| true, |attributes| Some(learned(attributes)));
        }
    }

    /// The default site injects a default route by itself (FT-3), unless every connection to it is down.
    pub(super) fn default_site(
        &self,
        g: usize,
        gateway: &VirtualNetworkGateway,
        next_hops: &[IpAddr],
        offers: &mut OfferList,
    ) {
        let (Some(site), Some(default)) = (&gateway.gateway_default_site, default_v4()) else { return };
        let document = self.topology.document();
        let mut to_site = self.connections.get(&g).cloned().unwrap_or_default();
        to_site.retain(|c| document.connections[*c].peer == *site);
        let up: Vec<usize> = to_site.iter().copied().filter(|c| document.connections[*c].connected).collect();
        if to_site.is_empty() {
            let via = Via::Vpn { gateway: g, connection: None, far: None };
            offers.push(default, static_offer(via, next_hops));
        }
        for c in up {
            let via = Via::Vpn { gateway: g, connection: Some(c), far: None };
            offers.push(default, static_offer(via, next_hops));
        }
    }

    /// Over a VNet-to-VNet connection: the far network's space and that of the networks that use its gateway; with BGP
    /// the far instances' addresses too (GWR-3).
    pub(super) fn vnet_to_vnet_offers(
        &mut self,
        computed: Option<&Bgp>,
        g: usize,
        (c, connection): (usize, &Connection),
        next_hops: &[IpAddr],
        offers: &mut OfferList,
    ) {
        let document = self.topology.document();
        let Some(Entity::Gateway(far)) = self.topology.entity(&connection.peer) else { return };
        let here = &document.virtual_network_gateways[g];
        let back: Vec<&Connection> = self
            .connections
            .get(&far)
            .into_iter()
            .flatten()
            .map(|o| &document.connections[*o])
            .filter(|other| other.connected && other.peer == here.id)
            .collect();
        if back.is_empty() {
            return;
        }
        let remote = &document.virtual_network_gateways[far];
        // BGP runs where both ends run it (VPN-6).
        let bgp = connection.enable_bgp
            && back.iter().any(|other| other.enable_bgp)
            && [here, remote].iter().all(|g| g.vpn_type == VpnType::RouteBased && !is_basic(g));
        let via = Via::Vpn { gateway: g, connection: Some(c), far: Some(far) };
        for prefix in self.advertised_space(far) {
            let mut offer = static_offer(via.clone(), next_hops);
            if bgp {
                offer.as_path = vec![remote.asn];
                offer.is_static = false;
            }
            offers.push(prefix, offer);
        }
        for address in remote.bgp_peering_addresses.iter().filter(|_| bgp) {
            offers.push(IpNet::from(*address), static_offer(via.clone(), next_hops));
        }
        // What the far gateway passes on from its other peers (VPN-3, VPN-6).
        let space = self.advertised_space(far);
        let mine = |what: Use| match what {
            Use::Transit { near, far } => near == (g, c) || far == (g, c),
            _ => false,
        };
        if let Some(computed) = computed {
            for session in computed.wiring.sessions.iter().filter(|s| mine(s.what)) {
                let arrivals = computed.engine.arrivals(&session.id, &here.id, Stage::PostPolicy);
                let learned = |attributes: &PathAttributes| Offer {
                    as_path: flat(&attributes.as_path),
                    is_static: false,
                    ..static_offer(via.clone(), next_hops)
                };
                let takes = |prefix: &IpNet| !space.contains(prefix);
                offers.learn(&arrivals, takes, |attributes| Some(learned(attributes)));
            }
        }
    }
}

fn default_v4() -> Option<IpNet> {
    "0.0.0.0/0".parse().ok()
}
