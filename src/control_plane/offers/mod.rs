//! What each gateway, Route Server and hub offers to the networks it serves.

mod circuits;
mod domains;
mod hubs;
mod microsoft;
mod refused;
mod servers;
mod vpn;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::azure::{Azure, Use};
use super::bgp::{self, Bgp, Over};
use super::hub_tables;
use super::offered::OfferList;
use super::on_premises;
use super::{ControlPlane, DomainOwner, Event, EventKind, LearnedOver, Offer, Via};
use crate::bgp::{BgpChange, DesignError};
use crate::model::same_tenant;
use crate::model::{
    Connection, ConnectionType, CrossTenantLinks, Element, Entity, ExpressRouteCircuit, GatewayType, Limits,
    PeeringType, ResourceId, Topology, VirtualNetworkGateway, are_of_sessions, limits,
};
use crate::rule::Rule;

/// A control plane, and what happened since it settled.
pub(crate) struct Before<'b> {
    pub(crate) plane: &'b ControlPlane,
    /// What failed.
    pub(crate) elements: &'b [Element],
    /// What speakers outside Azure announced and withdrew.
    pub(crate) told: &'b [BgpChange],
}

/// Settles the control plane of a topology.
///
/// # Errors
/// BGP that cannot be right.
pub(crate) fn converge(topology: &Topology) -> Result<ControlPlane, DesignError> {
    settle(topology, None)
}

/// Settles the control plane of what failures left of a topology, or of what its speakers have come to announce.
///
/// # Errors
/// BGP that cannot be right: none that it was not before.
pub(crate) fn converge_after(topology: &Topology, before: &Before<'_>) -> Result<ControlPlane, DesignError> {
    settle(topology, Some(before))
}

fn settle(topology: &Topology, before: Option<&Before<'_>>) -> Result<ControlPlane, DesignError> {
    let document = topology.document();
    let mut build = Builder::new(topology);
    let mut plane = ControlPlane::default();
    // Failures of sessions leave who serves whom, and what is announced: BGP runs on.
    let running = before.filter(|b| are_of_sessions(topology, b.elements));
    let going_on = running.and_then(|b| Some((b.plane, b.plane.on_premises.bgp.as_ref()?)));
    let after = going_on.and_then(|(plane, bgp)| Some((plane, bgp, bgp.after(topology, running?)?)));
    let (bgp, unchanged) = match after {
        Some((was, heard, bgp)) => {
            plane.domains.clone_from(&was.domains);
            plane.subscriptions.clone_from(&was.subscriptions);
            build.served = (*was.served).clone();
            build.carriers();
            (Some(bgp), Some((was, heard)))
        }
        None => {
            build.domains(&mut plane);
            plane.subscriptions = build.subscriptions(&plane.domains);
            (build.speakers(&plane)?, None)
        }
    };
    plane.told_by_sites = Arc::new(match &bgp {
        Some(bgp) => bgp.told_by_sites(topology),
        None => document.on_premises_sites.iter().map(|s| s.advertisements.clone()).collect(),
    });
    if let Some(bgp) = &bgp {
        build.limits(bgp);
        build.refused(bgp);
        build.computed = bgp.computed();
        let unsettled: Vec<IpNet> = bgp.engine.unsettled().collect();
        if let Some(first) = unsettled.first() {
            let detail = format!("BGP does not settle for {first} ({} prefixes)", unsettled.len());
            build.event(EventKind::Unsettled, &ResourceId::new("bgp_sessions"), Rule::ER_11, detail);
        }
    }
    let gateways = &document.virtual_network_gateways;
    plane.printed_next_hops = gateways.iter().map(|gateway| build.printed_next_hops(gateway)).collect();
    plane.hubs = hub_tables::build(topology, bgp.as_ref());
    for at in 0..plane.domains.len() {
        if let (Some((was, heard)), Some(bgp)) = (unchanged, &bgp)
            // Another prefix may have come with what one that went had.
            && before.is_some_and(|b| b.told.is_empty())
            && build.offers_as(&plane, was, bgp, heard, at)
        {
            let events = plane.domains[at].events.clone();
            build.events.extend(events);
            continue;
        }
        let told = std::mem::take(&mut build.events);
        let offers = match plane.domains[at].owner {
            DomainOwner::VirtualNetwork(_) => build.gateway_offers(bgp.as_ref(), &plane, at),
            DomainOwner::Hub(hub) => {
                let table = plane.domains[at].table.clone();
                build.hub_offers(&plane, hub, table.as_deref())
            }
        };
        plane.domains[at].events = std::mem::replace(&mut build.events, told);
        let events = plane.domains[at].events.clone();
        build.events.extend(events);
        // What is the same is held once.
        let was = before.and_then(|b| b.plane.domains.get(at)).map(|d| &d.offers);
        plane.domains[at].offers = offers.finish(was);
    }
    if let Some(bgp) = &bgp {
        plane.microsoft_peering = build.microsoft_peering(bgp);
    }
    plane.events = std::mem::take(&mut build.events);
    let mut seen = HashSet::new();
    plane.events.retain(|event| seen.insert(event.clone()));
    plane.served = Arc::new(std::mem::take(&mut build.served));
    let standing = unchanged.map(|(was, _)| &was.on_premises);
    plane.on_premises = on_premises::build(topology, &plane, &plane.served, bgp, standing);
    Ok(plane)
}

/// What the builders of offers share.
pub(super) struct Builder<'t> {
    topology: &'t Topology,
    /// Connections by owning gateway.
    connections: HashMap<usize, Vec<usize>>,
    /// Virtual networks whose space a gateway advertises: its own and those that use it (PEER-6).
    served: BTreeMap<usize, Vec<usize>>,
    /// Sessions that BGP computes: what is declared to be learned over them does not count.
    computed: Vec<LearnedOver>,
    events: Vec<Event>,
}

impl<'t> Builder<'t> {
    fn new(topology: &'t Topology) -> Self {
        let document = topology.document();
        let mut connections: HashMap<usize, Vec<usize>> = HashMap::new();
        for (i, connection) in document.connections.iter().enumerate() {
            if let Some(Entity::Gateway(gateway)) = topology.entity(&connection.virtual_network_gateway) {
                connections.entry(gateway).or_default().push(i);
            }
        }
        Self { topology, connections, served: BTreeMap::new(), computed: Vec::new(), events: Vec::new() }
    }

    /// Azure's speakers and those outside, converged.
    fn speakers(&mut self, plane: &ControlPlane) -> Result<Option<Bgp>, DesignError> {
        let document = self.topology.document();
        let carries = self.carriers();
        let lets_in: Vec<bool> =
            (0..document.virtual_network_gateways.len()).map(|g| self.lets_vnets_in(g)).collect();
        let mut of_server: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (v, subscription) in plane.subscriptions.iter().enumerate() {
            if let Some(r) = subscription.and_then(|s| plane.domains[s.domain].route_server) {
                of_server.entry(r).or_default().push(v);
            }
        }
        let azure = Azure {
            topology: self.topology,
            served: &self.served,
            of_server: &of_server,
            carries: &carries,
            lets_in: &lets_in,
        };
        bgp::converge(self.topology, &azure)
    }

    /// By connection: whether it carries routes of a circuit.
    fn carriers(&mut self) -> Vec<bool> {
        let connections = &self.topology.document().connections;
        let carries = |connection: &Connection| match (
            self.topology.entity(&connection.virtual_network_gateway),
            self.circuit(connection),
        ) {
            (Some(Entity::Gateway(g)), Some(circuit)) if connection.connected => {
                self.circuit_connection_is_up(g, connection, circuit)
            }
            _ => false,
        };
        connections.iter().map(carries).collect()
    }

    /// Whether a domain offers what it did before failures of sessions: nothing that its gateways and its Route Server
    /// hear is different, nor what is declared of them.
    fn offers_as(&self, plane: &ControlPlane, was: &ControlPlane, bgp: &Bgp, heard: &Bgp, at: usize) -> bool {
        let domain = &plane.domains[at];
        let gateways = || domain.express_route.iter().chain(&domain.vpn).copied();
        let document = self.topology.document();
        let declared = gateways().any(|g| {
            plane.printed_next_hops[g] != was.printed_next_hops[g]
                || !document.virtual_network_gateways[g].learned_routes.is_empty()
        });
        let mine = |c: usize| gateways().any(|g| self.connections.get(&g).is_some_and(|of| of.contains(&c)));
        let concerns = |what: Use| match what {
            Use::Gateway { gateway, .. } => domain.has_gateway(gateway),
            Use::Outside { over: LearnedOver::Connection(c), .. } => mine(c),
            Use::Outside { over: LearnedOver::RouteServer(r), .. } => domain.route_server == Some(r),
            Use::Transit { near, far } => domain.has_gateway(near.0) || domain.has_gateway(far.0),
            Use::Outside { .. } | Use::GlobalReach { .. } | Use::Branch | Use::Beside | Use::Hubs { .. } => {
                false
            }
        };
        // What a hub offers is in its tables.
        let of_network = matches!(domain.owner, DomainOwner::VirtualNetwork(_));
        let mut sessions = bgp.wiring.sessions.iter().filter(|session| concerns(session.what));
        of_network && !declared && sessions.all(|session| bgp.hears_as(heard, session))
    }

    /// Tells what exceeds limits.
    fn limits(&mut self, bgp: &Bgp) {
        let document = self.topology.document();
        let down = document.knobs.limits == Limits::Enforce;
        for exceeded in &bgp.exceeded {
            let (count, limit) = (exceeded.count, exceeded.limit);
            let (resource, rule, what, lost) = match exceeded.over {
                Over::Outside(LearnedOver::Circuit(c, peering, link)) => {
                    let session = format!("{} session of {}", link.as_str(), peering.as_str());
                    let rule = match peering {
                        PeeringType::AzurePrivatePeering => Rule::ER_4,
                        PeeringType::AzurePublicPeering => Rule::PUB_5,
                        PeeringType::MicrosoftPeering => Rule::MSP_5,
                    };
                    let id = &document.express_route_circuits[c].id;
                    (id, rule, format!("on the {session}"), format!("the {session} is down"))
                }
                Over::Outside(LearnedOver::Connection(n)) => {
                    let id = &document.connections[n].id;
                    (id, Rule::VPN_4, "over the connection".to_owned(), "the BGP session is down".to_owned())
                }
                Over::Outside(LearnedOver::RouteServer(r)) => {
                    let id = &document.route_servers[r].id;
                    (id, Rule::ARS_12, "from one peer".to_owned(), "the BGP session is down".to_owned())
                }
                // No document tells a limit: none is ever exceeded.
                Over::Outside(LearnedOver::HubPeer(h, _)) => {
                    let id = &document.virtual_hubs[h].id;
                    (id, Rule::VWAN_16, "from one peer".to_owned(), "the BGP session is down".to_owned())
                }
                Over::Connection(n) => {
                    let id = &document.connections[n].id;
                    (id, Rule::ER_5, "towards on-premises".to_owned(), "the connection is down".to_owned())
                }
            };
            let detail = format!("{count} prefixes {what}, at most {limit} are accepted");
            self.event(EventKind::PrefixLimit, resource, rule, detail);
            if down {
                let kind = match exceeded.over {
                    Over::Connection(_) => EventKind::ConnectionDown,
                    Over::Outside(_) => EventKind::SessionDown,
                };
                self.event(kind, resource, rule, lost);
            }
        }
    }

    fn gateway_offers(&mut self, bgp: Option<&Bgp>, plane: &ControlPlane, at: usize) -> OfferList {
        let document = self.topology.document();
        let domain = &plane.domains[at];
        let mut offers = OfferList::default();
        for &g in domain.express_route.iter().chain(&domain.vpn) {
            let gateway = &document.virtual_network_gateways[g];
            let next_hops = plane.printed_next_hops[g].clone();
            let before = offers.len();
            self.declared_routes(g, gateway, &next_hops, &mut offers);
            for c in self.connections.get(&g).cloned().unwrap_or_default() {
                let connection = &document.connections[c];
                if !connection.connected {
                    continue;
                }
                match (gateway.gateway_type, connection.connection_type) {
                    (GatewayType::ExpressRoute, ConnectionType::ExpressRoute) => {
                        if let Some(bgp) = bgp {
                            let (g, c) = ((g, gateway), (c, connection));
                            self.circuit_offers(bgp, g, c, &next_hops, &mut offers);
                        }
                    }
                    (GatewayType::Vpn, ConnectionType::IPsec) => {
                        self.site_to_site_offers(bgp, g, (c, connection), &next_hops, &mut offers);
                    }
                    (GatewayType::Vpn, ConnectionType::Vnet2Vnet) => {
                        self.vnet_to_vnet_offers(bgp, g, (c, connection), &next_hops, &mut offers);
                    }
                    _ => {}
                }
            }
            if gateway.gateway_type == GatewayType::Vpn {
                self.default_site(g, gateway, &next_hops, &mut offers);
                for pool in &gateway.vpn_client_address_pools {
                    let via = Via::Vpn { gateway: g, connection: None, far: None };
                    offers.push(*pool, static_offer(via, &next_hops));
                }
                // VPN carries IPv4 only (VPN-13, V6-4).
                let refused = offers.drop_ipv6_from(before);
                if refused > 0 {
                    let detail = format!("{refused} IPv6 prefixes: VPN gateways carry IPv4 only");
                    self.event(EventKind::RoutesRefused, &gateway.id, Rule::VPN_13, detail);
                }
            }
            // A prefix that comes over several links and circuits is one route of the gateway.
            self.capacity(gateway, || {
                let mut learned: Vec<&IpNet> = offers.prefixes_from(before).collect();
                learned.sort_unstable();
                learned.dedup();
                learned.len()
            });
        }
        if let Some(r) = domain.route_server {
            self.route_server_offers(bgp, r, &mut offers);
        }
        offers
    }

    fn circuit(&self, connection: &Connection) -> Option<usize> {
        match self.topology.entity(&connection.peer) {
            Some(Entity::Circuit(c)) => Some(c),
            _ => None,
        }
    }

    /// Whether a connection to a circuit carries routes: of a tenant that may link to it (ISO-2), with private peering,
    /// within what may be advertised to it (ER-5).
    fn circuit_connection_is_up(&mut self, g: usize, connection: &Connection, circuit: usize) -> bool {
        let circuit = &self.topology.document().express_route_circuits[circuit];
        if !self.may_link(g, circuit) {
            let detail = format!("`{}` belongs to another tenant", circuit.id);
            self.event(EventKind::ConnectionDown, &connection.id, Rule::ISO_2, detail);
            return false;
        }
        let network = vnet_ix(self.topology, &self.topology.document().virtual_network_gateways[g])
            .map(|v| &self.topology.document().virtual_networks[v]);
        let out_of_reach =
            network.filter(|v| !circuit.reaches(v.location.as_deref(), v.geopolitical_area.as_deref()));
        if let Some(network) = out_of_reach {
            let detail = format!(
                "`{}` is out of the reach of `{}`, a circuit of the SKU {:?}",
                network.id.name(),
                circuit.id.name(),
                circuit.sku_tier
            );
            self.event(EventKind::ConnectionDown, &connection.id, Rule::ER_17, detail);
            return false;
        }
        circuit.peering(PeeringType::AzurePrivatePeering).is_some()
            && !self.exceeds_advertisement_limit(g, connection)
    }

    /// Whether a gateway's network may be linked to a circuit of this owner (ISO-2).
    fn may_link(&self, g: usize, circuit: &ExpressRouteCircuit) -> bool {
        let document = self.topology.document();
        let knob =
            document.knobs.cross_tenant_links.unwrap_or_else(|| self.topology.era().cross_tenant_links());
        if knob == CrossTenantLinks::ByAuthorisation || circuit.tenant.is_none() {
            return true;
        }
        let tenant = vnet_ix(self.topology, &document.virtual_network_gateways[g])
            .and_then(|v| document.virtual_networks[v].tenant.as_deref());
        same_tenant(tenant, circuit.tenant.as_deref())
    }

    /// Whether a gateway takes traffic of other networks on its circuits (ER-12, CON-6).
    fn lets_vnets_in(&self, g: usize) -> bool {
        let gateway = &self.topology.document().virtual_network_gateways[g];
        gateway.allow_remote_vnet_traffic.unwrap_or_else(|| self.topology.era().vnet_to_vnet_over_circuit())
    }

    /// ER-5: more than 1,000 IPv4 or 100 IPv6 prefixes towards on-premises take the connection down.
    fn exceeds_advertisement_limit(&mut self, g: usize, connection: &Connection) -> bool {
        let mut space = self.advertised_space(g);
        let document = self.topology.document();
        let home = vnet_ix(self.topology, &document.virtual_network_gateways[g]);
        for server in &document.route_servers {
            let here = matches!(self.topology.entity(&server.virtual_network), Some(Entity::VirtualNetwork(v)) if Some(v) == home);
            if here && server.allow_branch_to_branch_traffic {
                space.extend(server.learned_routes.iter().map(|route| route.prefix.trunc()));
            }
        }
        space.sort_unstable();
        space.dedup();
        let v6 = space.iter().filter(|p| p.addr().is_ipv6()).count();
        let v4 = space.len() - v6;
        let (most_v4, most_v6) = (limits::advertised_prefixes(false), limits::advertised_prefixes(true));
        if v4 <= most_v4 && v6 <= most_v6 {
            return false;
        }
        let detail = format!(
            "{v4} IPv4 and {v6} IPv6 prefixes towards on-premises, at most {most_v4} and {most_v6} are accepted"
        );
        self.event(EventKind::PrefixLimit, &connection.id, Rule::ER_5, detail);
        let down = self.topology.document().knobs.limits == Limits::Enforce;
        if down {
            self.event(
                EventKind::ConnectionDown,
                &connection.id,
                Rule::ER_5,
                "the connection is down".to_owned(),
            );
        }
        down
    }

    /// What a gateway advertises: the spaces of its own network and of those that use it (ER-6, VPN-3).
    fn advertised_space(&self, g: usize) -> Vec<IpNet> {
        advertised_space(self.topology, &self.served, g)
    }

    /// What Azure prints as next hop of a gateway's routes (VOC-13).
    fn printed_next_hops(&self, gateway: &VirtualNetworkGateway) -> Vec<IpAddr> {
        let mut printed = if !gateway.route_next_hop_addresses.is_empty() {
            gateway.route_next_hop_addresses.clone()
        } else if gateway.gateway_type != GatewayType::Vpn {
            Vec::new()
        } else if gateway.active_active {
            gateway.bgp_peering_addresses.clone()
        } else {
            let document = self.topology.document();
            let address = |id: &ResourceId| match self.topology.entity(id) {
                Some(Entity::PublicIp(i)) => document.public_ip_addresses[i].ip_address,
                _ => None,
            };
            gateway.public_ip_addresses.iter().filter_map(address).collect()
        };
        printed.sort_unstable();
        printed.dedup();
        printed
    }

    fn event(&mut self, kind: EventKind, resource: &ResourceId, rule: Rule, detail: String) {
        let event = Event { kind, resource: resource.clone(), rule, detail };
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }
}

/// The Basic SKU of VPN: no BGP (VPN-1), no transit (PEER-7).
fn is_basic(gateway: &VirtualNetworkGateway) -> bool {
    gateway.gateway_type == GatewayType::Vpn
        && gateway.sku.as_deref().is_some_and(|sku| sku.eq_ignore_ascii_case("Basic"))
}

/// What a gateway advertises: the spaces of its own network and of those that use it (ER-6, VPN-3).
pub(super) fn advertised_space(
    topology: &Topology,
    served: &BTreeMap<usize, Vec<usize>>,
    g: usize,
) -> Vec<IpNet> {
    let document = topology.document();
    let mut space: Vec<IpNet> = Vec::new();
    for v in served.get(&g).map_or(&[][..], Vec::as_slice) {
        space.extend(document.virtual_networks[*v].address_space.iter().map(IpNet::trunc));
    }
    space
}

fn static_offer(via: Via, next_hops: &[IpAddr]) -> Offer {
    Offer { via, as_path: Vec::new(), weight: 0, is_static: true, next_hops: next_hops.to_vec() }
}

fn vnet_ix(topology: &Topology, gateway: &VirtualNetworkGateway) -> Option<usize> {
    match topology.entity(&gateway.virtual_network) {
        Some(Entity::VirtualNetwork(v)) => Some(v),
        _ => None,
    }
}
