//! What Route Servers offer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::bgp::{Bgp, flat};
use super::super::offered::OfferList;
use super::super::{EventKind, LearnedOver, Offer, Via};
use super::Builder;
use crate::bgp::Stage;
use crate::model::bgp::PathAttributes;
use crate::model::{Asn, Limits};
use crate::rule::Rule;

impl Builder<'_> {
    /// Routes that appliances gave a Route Server (ARS-2), within its limit (ARS-12), without loops (BGP-5) and ASN 0
    /// (BGP-6), IPv4 only (ARS-14).
    pub(super) fn route_server_offers(&mut self, bgp: Option<&Bgp>, r: usize, offers: &mut OfferList) {
        let document = self.topology.document();
        let server = &document.route_servers[r];
        if let Some(bgp) = bgp {
            for session in bgp.wiring.outside(LearnedOver::RouteServer(r)) {
                let arrivals = bgp.engine.arrivals(&session.id, &session.speaker, Stage::PostPolicy);
                let offer = |attributes: &PathAttributes| {
                    let next_hop = attributes.next_hop?;
                    Some(injected(next_hop, flat(&attributes.as_path)))
                };
                offers.learn(&arrivals, |_| true, offer);
            }
        }
        let mut by_peer: BTreeMap<IpAddr, Vec<&crate::model::LearnedRoute>> = BTreeMap::new();
        for route in &server.learned_routes {
            if let Some(next_hop) = route.next_hop {
                by_peer.entry(next_hop).or_default().push(route);
            }
        }
        for (next_hop, routes) in by_peer {
            if routes.len() > 1_000 {
                let detail = format!("{} routes from {next_hop}, at most 1000 are accepted", routes.len());
                self.event(EventKind::PrefixLimit, &server.id, Rule::ARS_12, detail);
                if document.knobs.limits == Limits::Enforce {
                    let detail = format!("the session with {next_hop} is down");
                    self.event(EventKind::SessionDown, &server.id, Rule::ARS_12, detail);
                    continue;
                }
            }
            for route in routes {
                let looped = route.as_path.iter().any(|asn| *asn == Asn::AZURE_GATEWAY || asn.0 == 0);
                if looped || route.prefix.addr().is_ipv6() {
                    continue;
                }
                offers.push(route.prefix, injected(next_hop, route.as_path.clone()));
            }
        }
    }
}

fn injected(next_hop: IpAddr, as_path: Vec<Asn>) -> Offer {
    let via = Via::RouteServer { next_hop };
    Offer { via, as_path, weight: 0, is_static: false, next_hops: vec![next_hop] }
}
