//! What a topology is after failures.
//!
//! Every stage reads a topology, so a failure is carried out on a copy that no user sees: what is declared stays where it
//! is. Resources that other stages know by position (circuits, connections, gateways, Route Servers, hubs) keep theirs and
//! are cut off; the rest is left out.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::element::INSTANCES;
use super::{
    CircuitPeering, Document, Element, Entity, GatewayType, HubBgpConnection, LearnedRoute, LinkRole,
    ResourceId, Topology, TopologyError, VirtualHub, VirtualNetworkGateway,
};

impl Topology {
    /// The topology after these failures, each of which names something of it.
    ///
    /// # Errors
    /// None that a checked topology does not have; what is left is checked again where something is left out.
    pub(crate) fn after(&self, elements: &[Element]) -> Result<Self, TopologyError> {
        let mut failing = Failing { topology: self, document: self.document().clone(), fewer: false };
        failing.links(elements);
        failing.appliances(elements);
        failing.outside(elements);
        failing.servers(elements);
        failing.gateways(elements);
        failing.hubs(elements);
        let Failing { document, fewer, .. } = failing;
        if fewer { Self::new(document) } else { Ok(self.with_state_of(document)) }
    }
}

/// Whether failures leave every speaker and all that it announces in place: sessions and links go, nothing else.
pub(crate) fn are_of_sessions(topology: &Topology, elements: &[Element]) -> bool {
    elements.iter().all(|element| match element {
        Element::CircuitLink { .. } | Element::Circuit(_) | Element::Session(_) | Element::Link(_) => true,
        Element::Connection(id) => match topology.entity(id) {
            // What a VPN connection leads to the gateway tells others by itself (VPN-3).
            Some(Entity::Connection(c)) => {
                let peer = &topology.document().connections[c].peer;
                matches!(topology.entity(peer), Some(Entity::Circuit(_)))
            }
            _ => false,
        },
        Element::GatewayInstance { gateway, instance } => {
            let other = Element::GatewayInstance { gateway: gateway.clone(), instance: 1 - instance.min(&1) };
            !elements.contains(&other)
        }
        _ => false,
    })
}

struct Failing<'t> {
    topology: &'t Topology,
    document: Document,
    /// Whether something was left out that ids are looked up for.
    fewer: bool,
}

impl Failing<'_> {
    fn circuit_link(&mut self, circuit: usize, link: LinkRole) {
        let circuit = &mut self.document.express_route_circuits[circuit];
        match link {
            LinkRole::Primary => circuit.primary.up = false,
            LinkRole::Secondary => circuit.secondary.up = false,
        }
    }

    fn links(&mut self, elements: &[Element]) {
        for element in elements {
            match element {
                Element::CircuitLink { circuit, link } => {
                    if let Some(Entity::Circuit(c)) = self.topology.entity(circuit) {
                        self.circuit_link(c, *link);
                    }
                }
                Element::Circuit(id) => {
                    if let Some(Entity::Circuit(c)) = self.topology.entity(id) {
                        LinkRole::BOTH.iter().for_each(|link| self.circuit_link(c, *link));
                    }
                }
                Element::Connection(id) => {
                    if let Some(Entity::Connection(c)) = self.topology.entity(id) {
                        self.document.connections[c].connected = false;
                    }
                }
                Element::Session(id) => {
                    for session in self.document.bgp_sessions.iter_mut().filter(|s| s.id == *id) {
                        session.shutdown = true;
                    }
                }
                Element::Link(id) => {
                    // Its position stays: it leads from nowhere to nowhere.
                    for link in self.document.on_premises_links.iter_mut().filter(|l| l.id == *id) {
                        (link.a, link.b) = Default::default();
                    }
                }
                _ => {}
            }
        }
    }

    /// An appliance goes with its interfaces; balancers do not send to it, and a Route Server no longer hears it.
    fn appliances(&mut self, elements: &[Element]) {
        let topology = self.topology;
        let declared = topology.document();
        let mut speakers = BTreeSet::new();
        let mut nics: BTreeSet<usize> = BTreeSet::new();
        let mut lost: BTreeSet<&ResourceId> = BTreeSet::new();
        for element in elements {
            let Element::Appliance(id) = element else { continue };
            let a = match topology.entity(id) {
                Some(Entity::Appliance(a)) => a,
                Some(Entity::Nic(n)) => {
                    nics.insert(n);
                    continue;
                }
                _ => continue,
            };
            lost.insert(id);
            speakers.insert(id.clone());
            let of_appliance = declared.network_virtual_appliances[a].network_interfaces.iter();
            nics.extend(of_appliance.filter_map(|nic| match topology.entity(nic) {
                Some(Entity::Nic(n)) => Some(n),
                _ => None,
            }));
        }
        if lost.is_empty() && nics.is_empty() {
            return;
        }
        self.fewer = true;
        let mut addresses: BTreeSet<(usize, IpAddr)> = BTreeSet::new();
        for configuration in nics.iter().flat_map(|n| &declared.network_interfaces[*n].ip_configurations) {
            if let (Some(Entity::Subnet(v, _)), Some(ip)) =
                (topology.entity(&configuration.subnet), configuration.private_ip_address)
            {
                addresses.insert((v, ip));
            }
        }
        let ids: BTreeSet<&ResourceId> = nics.iter().map(|n| &declared.network_interfaces[*n].id).collect();
        self.document.network_interfaces.retain(|nic| !ids.contains(&nic.id));
        self.document.network_virtual_appliances.retain(|a| !lost.contains(&a.id));
        for balancer in &mut self.document.load_balancers {
            balancer.backends.retain(|b| b.network_interface.as_ref().is_none_or(|nic| !ids.contains(nic)));
        }
        let told_by = |route: &LearnedRoute, near: &dyn Fn(usize) -> bool| {
            addresses.iter().any(|(v, ip)| route.next_hop == Some(*ip) && near(*v))
        };
        for server in &mut self.document.route_servers {
            let Some(Entity::VirtualNetwork(home)) = topology.entity(&server.virtual_network) else {
                continue;
            };
            let halves = &declared.virtual_networks[home].peerings;
            let near = |v: usize| {
                let far = &declared.virtual_networks[v].id;
                v == home || halves.iter().any(|half| half.remote_virtual_network == *far)
            };
            server.learned_routes.retain(|route| !told_by(route, &near));
        }
        for hub in &mut self.document.virtual_hubs {
            let connections = &hub.virtual_network_connections;
            let near = |v: usize| {
                let network = &declared.virtual_networks[v].id;
                connections.iter().any(|connection| connection.remote_virtual_network == *network)
            };
            hub.learned_routes.retain(|route| !told_by(route, &near));
        }
        self.speakers_at(&speakers);
    }

    /// Speakers at these places go, with their sessions. A circuit's link or a VPN connection that had a session with one
    /// of them ends there, and is down: what is declared besides does not come into its own.
    fn speakers_at(&mut self, places: &BTreeSet<ResourceId>) {
        let mut gone: BTreeSet<ResourceId> = BTreeSet::new();
        self.document.bgp_speakers.retain(|speaker| {
            let stays = !places.contains(speaker.router.as_ref().unwrap_or(&speaker.id));
            if !stays {
                gone.insert(speaker.id.clone());
            }
            stays
        });
        let mut ended: BTreeSet<ResourceId> = BTreeSet::new();
        self.document.bgp_sessions.retain(|session| {
            let ends = [&session.a.speaker, &session.b.speaker];
            let stays = !ends.iter().any(|speaker| gone.contains(speaker));
            if !stays {
                ended.extend(ends.map(Clone::clone));
            }
            stays
        });
        for circuit in &mut self.document.express_route_circuits {
            for link in LinkRole::BOTH {
                let of_peering = |p: &CircuitPeering| ended.contains(&circuit.end_id(p.peering_type, link));
                if circuit.peerings.iter().any(of_peering) {
                    match link {
                        LinkRole::Primary => circuit.primary.up = false,
                        LinkRole::Secondary => circuit.secondary.up = false,
                    }
                }
            }
        }
        for connection in &mut self.document.connections {
            connection.connected &= !ended.contains(&connection.id);
        }
    }

    /// Routers and sites go, with the circuit links and connections that end on them.
    fn outside(&mut self, elements: &[Element]) {
        let mut routers: BTreeSet<ResourceId> = BTreeSet::new();
        let mut sites: BTreeSet<ResourceId> = BTreeSet::new();
        for element in elements {
            match element {
                Element::Router(id) => drop(routers.insert(id.clone())),
                Element::Site(id) => drop(sites.insert(id.clone())),
                _ => {}
            }
        }
        if routers.is_empty() && sites.is_empty() {
            return;
        }
        self.fewer = true;
        for site in &mut self.document.on_premises_sites {
            let of_site: Vec<ResourceId> = site.routers.iter().map(|r| site.router_id(&r.name)).collect();
            if !of_site.is_empty() && of_site.iter().all(|router| routers.contains(router)) {
                sites.insert(site.id.clone());
            }
            if sites.contains(&site.id) {
                routers.extend(of_site);
                continue;
            }
            let id = site.id.clone();
            site.routers.retain(|r| !routers.contains(&id.child("routers", &r.name)));
        }
        self.document.on_premises_sites.retain(|site| !sites.contains(&site.id));
        let lost: BTreeSet<ResourceId> = routers.union(&sites).cloned().collect();
        for circuit in &mut self.document.express_route_circuits {
            for link in [&mut circuit.primary, &mut circuit.secondary] {
                link.up &= link.edge_router.as_ref().is_none_or(|id| !lost.contains(id));
            }
        }
        let ends_there = |peer: &ResourceId| {
            let site = self.topology.local_network_gateway(peer).and_then(|local| local.site.as_ref());
            site.is_some_and(|site| lost.contains(site))
        };
        for connection in &mut self.document.connections {
            connection.connected &= !ends_there(&connection.peer);
        }
        self.speakers_at(&lost);
    }

    /// Route Servers, whole or by instance (ARS-1).
    fn servers(&mut self, elements: &[Element]) {
        for server in &mut self.document.route_servers {
            let lost = |instance| {
                elements.iter().any(|element| match element {
                    Element::RouteServer(id) => *id == server.id,
                    Element::RouteServerInstance { route_server, instance: i } => {
                        *route_server == server.id && *i == instance
                    }
                    _ => false,
                })
            };
            let down = INSTANCES.map(lost);
            if down == [false, false] {
                continue;
            }
            let id = server.id.clone();
            if down == [true, true] {
                self.document.bgp_sessions.retain(|s| s.a.speaker != id && s.b.speaker != id);
                server.virtual_network = ResourceId::default();
                server.virtual_router_ips.clear();
                server.bgp_connections.clear();
                server.learned_routes.clear();
                continue;
            }
            let mut dead: Vec<IpAddr> = Vec::new();
            dead.extend(server.virtual_router_ips.get(usize::from(down[1])));
            for session in &mut self.document.bgp_sessions {
                let ends = [&session.a, &session.b];
                let on_it = ends.iter().any(|end| {
                    end.speaker == id
                        && !end.addresses.is_empty()
                        && end.addresses.iter().all(|ip| dead.contains(ip))
                });
                session.shutdown |= on_it;
            }
        }
    }

    /// Gateways, whole or by instance.
    fn gateways(&mut self, elements: &[Element]) {
        let mut lost: BTreeSet<ResourceId> = BTreeSet::new();
        for gateway in &mut self.document.virtual_network_gateways {
            let down = INSTANCES.map(|instance| {
                elements.iter().any(|element| match element {
                    Element::Gateway(id) => *id == gateway.id,
                    Element::Hub(id) => *id == gateway.virtual_network,
                    Element::GatewayInstance { gateway: id, instance: i } => {
                        *id == gateway.id && *i == instance
                    }
                    _ => false,
                })
            });
            match down {
                [false, false] => {}
                [true, true] => {
                    lost.insert(gateway.id.clone());
                    // In no network it gives nothing to any.
                    gateway.virtual_network = ResourceId::default();
                    gateway.bgp_peering_addresses.clear();
                    gateway.public_ip_addresses.clear();
                    gateway.route_next_hop_addresses.clear();
                    gateway.vpn_client_address_pools.clear();
                    gateway.gateway_default_site = None;
                    gateway.learned_routes.clear();
                }
                [_, second] => without_instance(gateway, usize::from(second)),
            }
        }
        for connection in &mut self.document.connections {
            let ends = [&connection.virtual_network_gateway, &connection.peer];
            connection.connected &= !ends.iter().any(|id| lost.contains(id));
        }
    }

    /// A hub goes with its gateways and what stands in it.
    fn hubs(&mut self, elements: &[Element]) {
        for hub in &mut self.document.virtual_hubs {
            if !elements.iter().any(|element| matches!(element, Element::Hub(id) if *id == hub.id)) {
                continue;
            }
            let id = hub.id.clone();
            self.document.bgp_sessions.retain(|s| {
                [&s.a, &s.b].iter().all(|end| {
                    let of_peer = |peer: &HubBgpConnection| hub.bgp_connection_id(&peer.name) == end.speaker;
                    end.speaker != id && !hub.bgp_connections.iter().any(of_peer)
                })
            });
            *hub = VirtualHub::new(id.clone());
            for firewall in &mut self.document.azure_firewalls {
                firewall.virtual_hub.take_if(|of| *of == id);
            }
            for appliance in &mut self.document.network_virtual_appliances {
                appliance.virtual_hub.take_if(|of| *of == id);
            }
        }
    }
}

/// Of an active-active gateway, and of an ExpressRoute gateway, whose instances both forward (BGP-9), the lost instance's
/// address is no longer printed as next hop. Of an active-standby one the other instance takes over (VPN-11).
fn without_instance(gateway: &mut VirtualNetworkGateway, instance: usize) {
    let both_forward = gateway.active_active || gateway.gateway_type == GatewayType::ExpressRoute;
    if !both_forward {
        return;
    }
    let mut printed = if !gateway.route_next_hop_addresses.is_empty() {
        gateway.route_next_hop_addresses.clone()
    } else if gateway.gateway_type == GatewayType::Vpn {
        gateway.bgp_peering_addresses.clone()
    } else {
        return;
    };
    if printed.len() > 1 && instance < printed.len() {
        printed.remove(instance);
        gateway.route_next_hop_addresses = printed;
    }
}
