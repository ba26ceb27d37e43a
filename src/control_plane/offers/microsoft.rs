//! What Microsoft's edge learns on Microsoft peering, and whether public peering is there at all.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::super::bgp::Bgp;
use super::super::{EventKind, LearnedOver, Links, PublicPrefix};
use super::Builder;
use crate::bgp::Stage;
use crate::model::{ExpressRouteCircuit, LinkRole, PUBLIC_PEERING_CLOSED, PeeringType};
use crate::model::{is_default_route, is_private};
use crate::rule::Rule;

impl Builder<'_> {
    /// Public prefixes that customers advertise on Microsoft peering and Azure accepts: validated, not default, not
    /// private (MSP-3, MSP-4), within the limit (MSP-5).
    pub(super) fn microsoft_peering(&mut self, bgp: &Bgp) -> Vec<PublicPrefix> {
        let document = self.topology.document();
        let mut accepted = Vec::new();
        for (c, circuit) in document.express_route_circuits.iter().enumerate() {
            self.public_peering_era(circuit);
            let Some(peering) = circuit.peering(PeeringType::MicrosoftPeering) else { continue };
            // By prefix and path length: the links that carry it.
            let mut prefixes: BTreeMap<(IpNet, usize), Links> = BTreeMap::new();
            let mut told: BTreeSet<IpNet> = BTreeSet::new();
            for link in LinkRole::BOTH {
                let over = LearnedOver::Circuit(c, PeeringType::MicrosoftPeering, link);
                for session in bgp.wiring.outside(over) {
                    let (id, edge) = (&session.id, &session.speaker);
                    told.extend(
                        bgp.engine.adj_rib_in(id, edge, Stage::PrePolicy).into_iter().map(|r| r.prefix),
                    );
                    for route in bgp.engine.adj_rib_in(id, edge, Stage::PostPolicy) {
                        let path = route.attributes.as_path.hop_count();
                        let links = prefixes.entry((route.prefix, path)).or_insert(Links::only(link));
                        *links = links.or(Links::only(link));
                    }
                }
            }
            let refused = told.iter().filter(|p| is_default_route(p) || is_private(p)).count();
            if refused > 0 {
                let detail = format!("{refused} default or private prefixes on Microsoft peering");
                self.event(EventKind::RoutesRefused, &circuit.id, Rule::MSP_4, detail);
            }
            if !peering.validated && told.len() > refused {
                let detail =
                    format!("{} prefixes on Microsoft peering are not validated", told.len() - refused);
                self.event(EventKind::RoutesRefused, &circuit.id, Rule::MSP_3, detail);
            }
            let public = |((prefix, path), links)| PublicPrefix { prefix, circuit: c, links, path };
            accepted.extend(prefixes.into_iter().map(public));
        }
        accepted
    }

    /// PUB-1: public peering on a circuit, or in an era, that cannot have it.
    pub(super) fn public_peering_era(&mut self, circuit: &ExpressRouteCircuit) {
        if circuit.peering(PeeringType::AzurePublicPeering).is_none() {
            return;
        }
        if !self.topology.era().public_peering() {
            let detail = "public peering was retired on 2024-03-31 and carries nothing".to_owned();
            self.event(EventKind::SessionDown, &circuit.id, Rule::PUB_1, detail);
        } else if circuit.created.is_some_and(|day| day >= PUBLIC_PEERING_CLOSED) {
            let detail = "circuits created from 2018-04-01 on have no public peering".to_owned();
            self.event(EventKind::SessionDown, &circuit.id, Rule::PUB_1, detail);
        }
    }
}
