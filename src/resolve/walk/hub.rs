//! Steps in virtual hubs: a hub's router, the firewall that stands in it, and its gateways.

use std::net::IpAddr;

use super::super::answer::{Disposition, DropReason, Next, Place, SnatIdentity};
use super::super::encryption::Tunnel;
use super::{Packet, State, Walker};
use crate::control_plane::{HubKind, HubMember, HubRow, HubWay, Links, by_connection, hub_of};
use crate::model::is_private_address;
use crate::model::{AppliancePolicy, Entity, ResourceId, Snat, VnetLocalRouteOverride};
use crate::rule::{Decision, Rule};

/// How a packet came into a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct HubEntry {
    /// The table it follows; none is all that the router knows.
    pub(in super::super) table: Option<usize>,
    /// The hub's firewall has seen it (VWAN-11).
    pub(in super::super) inspected: bool,
    /// It came over a circuit of this WAN, and may not leave by another (VWAN-10).
    pub(in super::super) from_circuit: bool,
}

impl Walker<'_> {
    /// A packet at a hub's router: the longest prefix of the table that it follows.
    pub(super) fn hub_router(&mut self, hub: usize, entry: HubEntry, packet: Packet) -> usize {
        let document = self.world.topology.document();
        let place = Place::Hub(document.virtual_hubs[hub].id.clone());
        self.visit(State::HubRouter { hub, entry, packet }, place, packet, |walker, at| {
            walker.decide(at, Decision::stated(Rule::VWAN_1));
            let plane = walker.world.plane;
            let routes = &plane.hubs[hub];
            let destination = packet.destination();
            let intent = document.virtual_hubs[hub].routing_intent.as_ref();
            // Inter-hub traffic passes the firewall of either hub.
            if let Some(firewall) = intent.and_then(|i| i.private_traffic.as_ref())
                && !entry.inspected
                && (entry.table.is_none() || walker.is_known(hub, destination))
                && intent.is_some_and(|i| i.private_prefixes().iter().any(|p| p.contains(&destination)))
            {
                walker.decide(at, Decision::stated(Rule::VWAN_11));
                return walker.hub_firewall(at, hub, &firewall.clone(), entry, packet);
            }
            let table = entry.table.and_then(|t| routes.tables.get(t)).map(|(_, table)| table);
            let found = match table {
                Some(table) if !entry.inspected => table.longest_match(destination),
                _ => routes.router.longest_learned(destination),
            };
            // A hub with intent keeps what it learned out of its table; packets find it there all the same.
            let found = found.or_else(|| {
                let private = intent.is_some_and(|i| i.private_traffic.is_some());
                routes.router.longest_learned(destination).filter(|_| private)
            });
            let Some(row) = found else {
                return walker.drop_at(at, DropReason::NoRoute, Decision::stated(Rule::VWAN_1));
            };
            walker.hub_row(at, hub, &row.clone(), entry, packet)
        })
    }

    /// Whether a hub's router has a route of its own, not a hand's, for an address.
    fn is_known(&self, hub: usize, address: IpAddr) -> bool {
        self.world.plane.hubs[hub].router.longest_learned(address).is_some()
    }

    /// Equal-cost members of a hub's route, the links of one connection together.
    fn hub_row(&mut self, at: usize, hub: usize, row: &HubRow, entry: HubEntry, packet: Packet) -> Next {
        let rule = match row.kind {
            HubKind::Static => Rule::VWAN_3,
            _ if row.contested => Rule::VWAN_6,
            _ => Rule::VWAN_1,
        };
        self.decide(at, Decision::stated(rule));
        let mut members: Vec<(HubMember, Links)> = Vec::new();
        for ways in by_connection(row).into_values() {
            let links = ways.iter().filter_map(|m| match m.way {
                HubWay::Circuit { link, .. } => Some(Links::only(link)),
                _ => None,
            });
            let links = links.reduce(Links::or);
            if let (Some(first), Some(links)) = (ways.first(), links) {
                members.push(((*first).clone(), links));
            }
        }
        let none = Links { primary: false, secondary: false };
        let others = row.members.iter().filter(|m| !matches!(m.way, HubWay::Circuit { .. }));
        members.extend(others.map(|m| (m.clone(), none)));
        let document = self.world.topology.document();
        let declared = &document.virtual_hubs[hub];
        // By the names of what they lead over (SEL-12).
        members.sort_by_cached_key(|(member, _)| match &member.way {
            HubWay::Circuit { connection, .. } | HubWay::Vpn { connection } => {
                (0, document.connections[*connection].id.clone())
            }
            HubWay::Connection(c) | HubWay::Behind { connection: c, .. } => {
                (1, declared.connection_id(&declared.virtual_network_connections[*c].name))
            }
            HubWay::Appliance { peer, .. } => {
                (2, declared.bgp_connection_id(&declared.bgp_connections[*peer].name))
            }
            HubWay::Hub(other) => (3, document.virtual_hubs[*other].id.clone()),
            HubWay::Firewall(id) | HubWay::Unknown(id) => (4, id.clone()),
        });
        self.fan(at, packet, members, |walker, (member, links)| {
            walker.hub_member(at, hub, (&member, links), entry, packet)
        })
    }

    fn hub_member(
        &mut self,
        at: usize,
        hub: usize,
        (member, links): (&HubMember, Links),
        entry: HubEntry,
        packet: Packet,
    ) -> Next {
        let topology = self.world.topology;
        let document = topology.document();
        let declared = &document.virtual_hubs[hub];
        let meet = declared.routing_intent.as_ref().is_some_and(|intent| intent.express_route_transit);
        let branch = member.kind == HubKind::ExpressRoute && member.gateway.is_none();
        if entry.from_circuit && branch && !meet {
            let reason = DropReason::NoTransit(declared.id.clone());
            return self.drop_at(at, reason, Decision::stated(Rule::VWAN_10));
        }
        match &member.way {
            HubWay::Connection(c) => {
                self.leaves_by(
                    at,
                    Some(declared.connection_id(&declared.virtual_network_connections[*c].name)),
                    false,
                );
                self.enter_connection(at, hub, *c, packet)
            }
            HubWay::Behind { connection, address } => {
                self.leaves_by(
                    at,
                    Some(declared.connection_id(&declared.virtual_network_connections[*connection].name)),
                    false,
                );
                self.decide(at, Decision::stated(Rule::VWAN_15));
                self.behind_connection(at, hub, *connection, *address, packet)
            }
            HubWay::Appliance { peer, address } => {
                let id = declared.bgp_connection_id(&declared.bgp_connections[*peer].name);
                self.leaves_by(at, Some(id), false);
                match self.connection_of(hub, *address) {
                    Some(connection) => self.behind_connection(at, hub, connection, *address, packet),
                    None => {
                        let reason = DropReason::NextHopUnreachable(*address);
                        self.drop_at(at, reason, Decision::stated(Rule::VWAN_1))
                    }
                }
            }
            HubWay::Circuit { connection, .. } => {
                self.leaves_by(at, Some(document.connections[*connection].id.clone()), false);
                Next::to(self.hub_circuit(*connection, links, (member.gateway, member.reached), packet))
            }
            HubWay::Vpn { connection } => {
                self.leaves_by(at, Some(document.connections[*connection].id.clone()), false);
                Next::to(self.hub_vpn(*connection, packet))
            }
            HubWay::Hub(other) => {
                self.leaves_by(at, None, false);
                self.decide(at, Decision::stated(Rule::VWAN_8));
                let entry = HubEntry { table: None, inspected: false, from_circuit: entry.from_circuit };
                Next::to(self.hub_router(*other, entry, packet))
            }
            HubWay::Firewall(id) => {
                self.decide(at, Decision::stated(Rule::VWAN_11));
                self.hub_firewall(at, hub, id, entry, packet)
            }
            HubWay::Unknown(id) => {
                let reason = id
                    .as_str()
                    .parse()
                    .map_or_else(|_| DropReason::ConnectionDown(id.clone()), DropReason::NextHopUnreachable);
                self.drop_at(at, reason, Decision::stated(Rule::VWAN_3))
            }
        }
    }

    /// Into a connected network: to the host, or to the next hop of a static route that takes the place of the network's
    /// own space.
    fn enter_connection(&mut self, at: usize, hub: usize, connection: usize, packet: Packet) -> Next {
        let topology = self.world.topology;
        let declared = &topology.document().virtual_hubs[hub].virtual_network_connections[connection];
        let Some(Entity::VirtualNetwork(vnet)) = topology.entity(&declared.remote_virtual_network) else {
            let place = Place::VirtualNetwork(declared.remote_virtual_network.clone());
            let delivered = Disposition::Delivered(place.clone());
            return Next::to(self.end(place, packet, delivered, &[Decision::stated(Rule::SYS_16)]));
        };
        let destination = packet.destination();
        let space = &topology.document().virtual_networks[vnet].address_space;
        let own = space.iter().filter(|p| p.contains(&destination)).max_by_key(|p| p.prefix_len());
        let taken = declared.static_routes.iter().find(|route| {
            route.next_hop_ip_address != destination
                && route.address_prefixes.iter().any(|p| {
                    own.is_some_and(|own| match declared.vnet_local_route_override {
                        VnetLocalRouteOverride::Contains => p.contains(own),
                        VnetLocalRouteOverride::Equal => p.trunc() == own.trunc(),
                    })
                })
        });
        if let Some(route) = taken {
            self.decide(at, Decision::stated(Rule::VWAN_15));
            return self.behind_connection(at, hub, connection, route.next_hop_ip_address, packet);
        }
        Next::to(self.deliver(vnet, packet))
    }

    /// To an appliance in a connected network.
    fn behind_connection(
        &mut self,
        at: usize,
        hub: usize,
        connection: usize,
        address: IpAddr,
        packet: Packet,
    ) -> Next {
        let topology = self.world.topology;
        let declared = &topology.document().virtual_hubs[hub].virtual_network_connections[connection];
        match topology.entity(&declared.remote_virtual_network) {
            Some(Entity::VirtualNetwork(vnet)) => self.appliance(at, vnet, address, false, packet),
            _ => {
                let reason = DropReason::NextHopUnreachable(address);
                self.drop_at(at, reason, Decision::stated(Rule::VWAN_15))
            }
        }
    }

    /// The connection whose network holds an address.
    fn connection_of(&self, hub: usize, address: IpAddr) -> Option<usize> {
        let topology = self.world.topology;
        let connections = &topology.document().virtual_hubs[hub].virtual_network_connections;
        connections.iter().position(|c| {
            topology
                .virtual_network(&c.remote_virtual_network)
                .is_some_and(|network| network.address_space.iter().any(|p| p.contains(&address)))
        })
    }

    /// A hub's ExpressRoute gateway sends a packet out over a connection.
    fn hub_circuit(
        &mut self,
        connection: usize,
        links: Links,
        (far, reached): (Option<usize>, Option<usize>),
        packet: Packet,
    ) -> usize {
        let topology = self.world.topology;
        let document = topology.document();
        let declared = &document.connections[connection];
        let place = Place::Gateway(declared.virtual_network_gateway.clone());
        let (primary, secondary) = (links.primary, links.secondary);
        let state = State::HubGateway { connection, primary, secondary, far, reached, packet };
        self.visit(state, place, packet, |walker, at| {
            walker.hop(at).via = Some(declared.id.clone());
            walker.decide(at, Decision::stated(Rule::WALK_16));
            let Some(Entity::Circuit(circuit)) = topology.entity(&declared.peer) else {
                return Next::End(Disposition::OnPremises(declared.id.clone()));
            };
            if far.is_some_and(|far| hub_of(topology, far).is_some()) {
                walker.decide(at, Decision::stated(Rule::VWAN_14));
            }
            walker.over_circuit(at, circuit, links, (far, reached), packet)
        })
    }

    /// A hub's VPN gateway sends a packet out to a site.
    fn hub_vpn(&mut self, connection: usize, packet: Packet) -> usize {
        let document = self.world.topology.document();
        let declared = &document.connections[connection];
        let place = Place::Gateway(declared.virtual_network_gateway.clone());
        let (far, reached) = (None, None);
        let state = State::HubGateway { connection, primary: false, secondary: false, far, reached, packet };
        self.visit(state, place, packet, |walker, at| {
            walker.hop(at).via = Some(declared.id.clone());
            walker.leaves_into(at, Tunnel::Connection(connection));
            walker.decide(at, Decision::stated(Rule::WALK_16));
            let on_premises = &walker.world.plane.on_premises;
            let entry = on_premises.connection_entry(
                (connection, &declared.id),
                &declared.peer,
                packet.destination(),
            );
            if entry.is_empty() {
                return Next::End(Disposition::OnPremises(declared.peer.clone()));
            }
            walker.routers(at, entry, None, packet)
        })
    }

    /// A packet comes in at a hub's gateway: branches follow the default table (VWAN-1).
    pub(super) fn hub_gateway_in(
        &mut self,
        at: usize,
        (gateway, hub): (usize, usize),
        packet: Packet,
    ) -> Next {
        use crate::model::GatewayType;
        let declared = &self.world.topology.document().virtual_network_gateways[gateway];
        let from_circuit = declared.gateway_type == GatewayType::ExpressRoute;
        self.decide(at, Decision::stated(Rule::VWAN_1));
        let entry = HubEntry { table: Some(0), inspected: false, from_circuit };
        Next::to(self.hub_router(hub, entry, packet))
    }

    /// Through the firewall or appliance that stands in a hub, and back to its router; to the Internet for what the hub
    /// knows no way to (VWAN-11).
    fn hub_firewall(
        &mut self,
        at: usize,
        hub: usize,
        id: &ResourceId,
        entry: HubEntry,
        packet: Packet,
    ) -> Next {
        let topology = self.world.topology;
        let document = topology.document();
        let place = Place::Appliance { id: id.clone(), interface: None };
        let (policy, own, private, snat, stateful) = match topology.entity(id) {
            Some(Entity::Firewall(f)) => {
                let firewall = &document.azure_firewalls[f];
                let ranges = &firewall.private_ranges;
                (firewall.policy, firewall.private_ip_address, &ranges[..], Snat::Internet, true)
            }
            Some(Entity::Appliance(a)) => {
                let appliance = &document.network_virtual_appliances[a];
                (appliance.policy, None, &[][..], appliance.snat, appliance.stateful)
            }
            _ => {
                let reason = DropReason::ConnectionDown(id.clone());
                return self.drop_at(at, reason, Decision::stated(Rule::VWAN_11));
            }
        };
        let state = State::HubFirewall { hub, entry, packet };
        Next::to(self.visit(state, place, packet, |walker, at| {
            walker.hop(at).stateful = stateful;
            if policy == AppliancePolicy::Deny {
                let reason = DropReason::DeniedByAppliance(id.clone());
                return walker.drop_at(at, reason, Decision::decided(Rule::WALK_8));
            }
            let destination = packet.destination();
            let public = match private {
                [] => !is_private_address(destination),
                ranges => !ranges.iter().any(|p| p.contains(&destination)),
            };
            let mut onward = packet;
            let rewrites = snat == Snat::All || (snat == Snat::Internet && public);
            if let Some(own) = own.filter(|_| rewrites) {
                onward.header.source = own;
            }
            if walker.is_known(hub, destination) {
                let entry = HubEntry { table: None, inspected: true, ..entry };
                return Next::to(walker.hub_router(hub, entry, onward));
            }
            if is_private_address(destination) {
                return walker.drop_at(at, DropReason::NoRoute, Decision::stated(Rule::VWAN_11));
            }
            walker.decide(at, Decision::stated(Rule::VWAN_11));
            walker.customer_bound(at, None, SnatIdentity::Firewall, onward)
        }))
    }
}
