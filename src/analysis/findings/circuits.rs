//! Lints over the peerings of circuits: their subnets, and what Microsoft 365 needs.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{FindingCode, Lint, Severity};
use crate::control_plane::DomainOwner;
use crate::model::is_private;
use crate::model::{
    CircuitPeering, CircuitSkuTier, Entity, ExpressRouteCircuit, MICROSOFT_365_COMMUNITIES, PeeringType,
    ResourceId, overlap,
};
use crate::rule::Rule;

/// The subnets of a peering's sessions.
fn subnets(peering: &CircuitPeering) -> impl Iterator<Item = IpNet> {
    [
        peering.primary_peer_address_prefix,
        peering.secondary_peer_address_prefix,
        peering.ipv6_primary_peer_address_prefix,
        peering.ipv6_secondary_peer_address_prefix,
    ]
    .into_iter()
    .flatten()
}

impl<'n> Lint<'n> {
    pub(super) fn circuit_peerings(&mut self) {
        let spaces = self.spaces_on_circuits();
        for (c, circuit) in self.document.express_route_circuits.iter().enumerate() {
            self.peering_subnets(circuit, spaces.get(&c).map_or(&[][..], Vec::as_slice));
            self.microsoft_365(circuit);
        }
    }

    /// By circuit: the networks that it is linked to, or that use a gateway it is linked to.
    fn spaces_on_circuits(&self) -> BTreeMap<usize, Vec<(&'n ResourceId, IpNet)>> {
        let document = self.document;
        let mut found: BTreeMap<usize, Vec<(&'n ResourceId, IpNet)>> = BTreeMap::new();
        for connection in &self.document.connections {
            let (Some(Entity::Gateway(g)), Some(Entity::Circuit(c))) = (
                self.topology.entity(&connection.virtual_network_gateway),
                self.topology.entity(&connection.peer),
            ) else {
                continue;
            };
            for (v, subscription) in self.plane.subscriptions.iter().enumerate() {
                let domain = subscription.map(|s| &self.plane.domains[s.domain]);
                let here = |d: &&crate::control_plane::Domain| {
                    matches!(d.owner, DomainOwner::VirtualNetwork(_)) && d.has_gateway(g)
                };
                if domain.filter(here).is_some() {
                    let network = &document.virtual_networks[v];
                    let space = network.address_space.iter().map(|p| (&network.id, p.trunc()));
                    found.entry(c).or_default().extend(space);
                }
            }
        }
        found
    }

    /// ER-2: a /30 (IPv6: a /126) for each session, apart from each other and from the networks, public but on private
    /// peering.
    fn peering_subnets(&mut self, circuit: &ExpressRouteCircuit, spaces: &[(&ResourceId, IpNet)]) {
        let mut messages: Vec<String> = Vec::new();
        let mut before: Vec<IpNet> = Vec::new();
        for peering in circuit.peerings.iter().filter(|p| p.enabled) {
            let word = peering.peering_type.as_str();
            for subnet in subnets(peering).map(|p| p.trunc()) {
                let length = if subnet.addr().is_ipv4() { 30 } else { 126 };
                if subnet.prefix_len() != length {
                    messages.push(format!("{subnet} of {word}: the subnet of a session is a /{length}"));
                }
                if let Some(other) = before.iter().find(|other| overlap(other, &subnet)) {
                    messages.push(format!("{subnet} of {word} overlaps {other}: each session has its own"));
                }
                before.push(subnet);
                if peering.peering_type != PeeringType::AzurePrivatePeering {
                    if is_private(&subnet) {
                        messages.push(format!("{subnet} of {word}: it takes public addresses"));
                    }
                } else if let Some((network, space)) = spaces.iter().find(|(_, s)| overlap(s, &subnet)) {
                    messages.push(format!("{subnet} of {word} overlaps {space} of `{}`", network.name()));
                }
            }
        }
        for message in messages {
            self.add(FindingCode::PeeringSubnet, Severity::Error, &circuit.id, Rule::ER_2, message);
        }
    }

    /// MSP-11: what is chosen of Microsoft 365 needs authorisation, from 2022 on the SKU Premium too.
    fn microsoft_365(&mut self, circuit: &ExpressRouteCircuit) {
        let Some(peering) = circuit.peering(PeeringType::MicrosoftPeering) else { return };
        let filter = peering.route_filter.as_ref().and_then(|id| match self.topology.entity(id) {
            Some(Entity::RouteFilter(f)) => Some(&self.document.route_filters[f]),
            _ => None,
        });
        let chosen = filter
            .and_then(|f| f.communities.iter().find(|c| MICROSOFT_365_COMMUNITIES.contains(&c.as_str())));
        let Some(community) = chosen else { return };
        let message = if !peering.microsoft_365_authorised {
            format!("{community} is of Microsoft 365, for which the peering is not authorised")
        } else if self.since(2022, 1, 1) && circuit.sku_tier != CircuitSkuTier::Premium {
            format!("{community} is of Microsoft 365, which asks for the SKU Premium")
        } else {
            return;
        };
        let code = FindingCode::Microsoft365NotAuthorised;
        self.add(code, Severity::Warning, &circuit.id, Rule::MSP_11, message);
    }
}
