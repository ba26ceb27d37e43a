//! Steps inside Azure: out of a subnet, across peerings, through appliances, to interfaces, out to the Internet.

use std::net::{IpAddr, Ipv4Addr};

use super::super::answer::{Disposition, DropReason, Next, Place};
use super::super::encryption::Tunnel;
use super::super::hosts::{Owner, nic_address, nic_subnet, nics_of, primary_of, subnet_of};
use super::super::nsg;
use super::{Packet, Sender, State, Walker};
use crate::model::is_private_address;
use crate::model::{
    AppliancePolicy, DestinationNat, Entity, ForwardedTraffic, LoadBalancerSku, ResourceId, RouteNextHopType,
    SecurityRuleDirection, Snat,
};
use crate::rule::{Decision, Rule};
use crate::selection::{Handle, LocalKind, View};

/// Addresses that the host itself answers (SYS-14).
const PLATFORM_HOSTS: [Ipv4Addr; 2] = [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(169, 254, 169, 254)];

/// Whether the host itself answers an address (SYS-14).
pub(crate) fn is_platform_host(address: IpAddr) -> bool {
    PLATFORM_HOSTS.iter().any(|host| address == IpAddr::V4(*host))
}

/// A rewrite of the destination by an appliance.
pub(super) enum Rewrite {
    Kept,
    Changed(Packet),
    NeedsFlow,
}

impl Walker<'_> {
    /// A packet leaves a subnet: host addresses first, then security groups, then the subnet's table.
    #[expect(clippy::too_many_arguments, reason = "one place calls for each of them")]
    pub(super) fn leave(
        &mut self,
        vnet: usize,
        subnet: usize,
        sender: Sender,
        place: Place,
        forwarding: bool,
        stateful: bool,
        packet: Packet,
    ) -> usize {
        let state = State::Leave { vnet, subnet, sender, forwarding, packet };
        self.visit(state, place, packet, |walker, at| {
            walker.hop(at).stateful = stateful;
            if is_platform_host(packet.destination()) {
                walker.decide(at, Decision::decided(Rule::SYS_14));
                return Next::End(Disposition::PlatformHost);
            }
            let nic = match sender {
                Sender::Nic(nic) => Some(nic),
                _ => None,
            };
            let table = walker.table_of(vnet, subnet, sender);
            let found = walker.world.fibs[table].longest_match(packet.destination()).map(|(prefix, code)| {
                let handle = Handle::decode(code);
                (prefix, handle, walker.view(table).candidate(handle, prefix))
            });
            if !matches!(sender, Sender::Firewall(_) | Sender::PrivateEndpoint(_))
                && let Some(reason) =
                    walker.denied(nic, vnet, Some(subnet), SecurityRuleDirection::Outbound, packet)
            {
                // What the source's table says is part of the answer even so.
                if let Some((.., candidate)) = found.filter(|_| at == 0) {
                    walker.follow_route(at, table, &candidate);
                }
                return walker.drop_at(at, reason, Decision::stated(Rule::NSG_1));
            }
            let Some((prefix, handle, candidate)) = found else {
                return walker.drop_at(at, DropReason::NoRoute, Decision::stated(Rule::SEL_13));
            };
            walker.follow_route(at, table, &candidate);
            if let Some(nic) = nic.filter(|_| forwarding) {
                let interface = &walker.world.topology.document().network_interfaces[nic];
                if !interface.enable_ip_forwarding {
                    let reason = DropReason::NoIpForwarding(interface.id.clone());
                    return walker.drop_at(at, reason, Decision::stated(Rule::WALK_3));
                }
            }
            match handle {
                Handle::Gateway(group) => walker.gateway_route(at, vnet, group as usize, packet),
                Handle::Service(_) => {
                    let service = candidate.origin.map_or_else(String::new, |id| id.to_string());
                    Next::End(Disposition::ServiceEndpoint(service))
                }
                Handle::Local(local) => {
                    let kind = walker.world.selection.tables[table].locals[local as usize].kind.clone();
                    match kind {
                        LocalKind::Internet => walker.internet(at, vnet, subnet, sender, forwarding, packet),
                        LocalKind::User { route, .. } => walker.user_route(
                            at,
                            vnet,
                            Some((subnet, sender, forwarding)),
                            table,
                            route,
                            packet,
                        ),
                        kind => walker.system_route(at, vnet, &kind, prefix, packet),
                    }
                }
            }
        })
    }

    /// A subnet's table; replies of a private endpoint ignore user routes unless the subnet's policies let them in
    /// (PE-6).
    fn table_of(&self, vnet: usize, subnet: usize, sender: Sender) -> usize {
        let topology = self.world.topology;
        let policies =
            topology.document().virtual_networks[vnet].subnets[subnet].private_endpoint_network_policies;
        let ignored = matches!(sender, Sender::PrivateEndpoint(_))
            && !(policies.route_tables_apply() && topology.era().private_endpoint_policies());
        if ignored {
            self.world.selection.unbound[vnet]
        } else {
            self.world.selection.of_subnet[vnet][subnet]
        }
    }

    pub(super) fn view(&self, table: usize) -> View<'_> {
        let world = self.world;
        View {
            topology: world.topology,
            plane: world.plane,
            selection: world.selection,
            table: &world.selection.tables[table],
        }
    }

    /// System rows other than the default.
    pub(super) fn system_route(
        &mut self,
        at: usize,
        vnet: usize,
        kind: &LocalKind,
        prefix: ipnet::IpNet,
        packet: Packet,
    ) -> Next {
        let document = self.world.topology.document();
        match kind {
            LocalKind::VnetLocal => Next::to(self.deliver(vnet, packet)),
            LocalKind::Peering { half, remote, global } => {
                if let Err((reason, decision)) = self.cross(at, vnet, *half, packet, true) {
                    return self.drop_at(at, reason, decision);
                }
                match remote {
                    Some(remote) if *global && self.basic_front_end(*remote, packet.destination()) => {
                        let reason = DropReason::NextHopUnreachable(packet.destination());
                        self.drop_at(at, reason, Decision::stated(Rule::PEER_12))
                    }
                    Some(remote) => Next::to(self.deliver(*remote, packet)),
                    None => {
                        let far =
                            document.virtual_networks[vnet].peerings[*half].remote_virtual_network.clone();
                        let place = Place::VirtualNetwork(far);
                        let delivered = Disposition::Delivered(place.clone());
                        Next::to(self.end(place, packet, delivered, &[Decision::stated(Rule::SYS_16)]))
                    }
                }
            }
            LocalKind::ConnectedGroup { remote } => Next::to(self.deliver(*remote, packet)),
            LocalKind::Hub { hub } => {
                let place = Place::Hub(document.virtual_hubs[*hub].id.clone());
                let delivered = Disposition::Delivered(place.clone());
                Next::to(self.end(place, packet, delivered, &[]))
            }
            LocalKind::PrivateEndpoint { endpoint } => {
                // A peer's endpoint lies across the peering (PE-1, WALK-15).
                if let Some((half, _)) = self.peer_of_endpoint(vnet, *endpoint)
                    && let Err((reason, decision)) = self.cross(at, vnet, half, packet, true)
                {
                    return self.drop_at(at, reason, decision);
                }
                Next::to(self.private_endpoint(*endpoint, packet))
            }
            LocalKind::None | LocalKind::Internet | LocalKind::User { .. } => {
                self.drop_at(at, DropReason::NoneRoute(prefix), Decision::stated(Rule::SYS_3))
            }
        }
    }

    /// The peered network that a private endpoint is in, with the half of the peering that leads there; none where it
    /// is in this network.
    pub(super) fn peer_of_endpoint(&self, vnet: usize, endpoint: usize) -> Option<(usize, usize)> {
        let topology = self.world.topology;
        let document = topology.document();
        let Some(Entity::Subnet(home, _)) = topology.entity(&document.private_endpoints[endpoint].subnet)
        else {
            return None;
        };
        let network = &document.virtual_networks[vnet];
        let leads = |half: &crate::model::VirtualNetworkPeering| {
            half.remote_virtual_network == document.virtual_networks[home].id
                && topology.is_connected(network, half)
        };
        (home != vnet).then(|| network.peerings.iter().position(leads))?.map(|half| (half, home))
    }

    /// User rows (UDR-4 to UDR-9). `from` is the subnet and its sender; none for a gateway.
    pub(super) fn user_route(
        &mut self,
        at: usize,
        vnet: usize,
        from: Option<(usize, Sender, bool)>,
        table: usize,
        route: usize,
        packet: Packet,
    ) -> Next {
        let document = self.world.topology.document();
        let table = &self.world.selection.tables[table];
        let Some(route) = table.route_table.and_then(|t| document.route_tables[t].routes.get(route)) else {
            return Next::End(Disposition::Dropped(DropReason::NoRoute));
        };
        match route.next_hop_type {
            RouteNextHopType::VirtualAppliance | RouteNextHopType::VirtualApplianceEcmp => {
                let mut hops = route.next_hop_ip_addresses.clone();
                hops.sort_unstable();
                hops.dedup();
                self.fan(at, packet, hops, |walker, ip| {
                    walker.appliance(at, vnet, ip, from.is_some(), packet)
                })
            }
            RouteNextHopType::VnetLocal => {
                let own = &document.virtual_networks[vnet].address_space;
                if own.iter().any(|p| p.contains(&packet.destination())) {
                    Next::to(self.deliver(vnet, packet))
                } else {
                    self.drop_at(at, DropReason::NotLocal, Decision::stated(Rule::UDR_9))
                }
            }
            RouteNextHopType::Internet => match from {
                Some((subnet, sender, forwarding)) => {
                    self.internet(at, vnet, subnet, sender, forwarding, packet)
                }
                None => self.no_transit(at, vnet, Rule::FT_15),
            },
            RouteNextHopType::VirtualNetworkGateway => self.user_gateway(at, vnet, packet),
            RouteNextHopType::None => {
                let prefix = self.nodes[at].hop.route.as_ref().map(|r| r.route.prefix);
                let reason = prefix.map_or(DropReason::NoRoute, DropReason::NoneRoute);
                self.drop_at(at, reason, Decision::stated(Rule::UDR_8))
            }
        }
    }

    /// The single designated gateway, usable only where it is VPN (UDR-5 to UDR-7).
    fn user_gateway(&mut self, at: usize, vnet: usize, packet: Packet) -> Next {
        let unsupported = DropReason::UnsupportedGatewayNextHop;
        let plane = self.world.plane;
        let Some(subscription) = plane.subscriptions[vnet] else {
            return self.drop_at(at, unsupported, Decision::stated(Rule::UDR_7));
        };
        match plane.domains[subscription.domain].designated_vpn() {
            Some(vpn) => {
                if let Err((reason, decision)) = self.towards_gateway(at, vnet, subscription.domain, packet) {
                    return self.drop_at(at, reason, decision);
                }
                self.gateway_forward(at, vpn, packet)
            }
            None => self.drop_at(at, unsupported, Decision::decided(Rule::UDR_6)),
        }
    }

    /// Whether a peering lets the packet from `vnet` into the far network: access (PEER-4), and forwarded traffic where
    /// the source is not of the sending network (PEER-5, WALK-15). Gateways need no forwarded-traffic flag.
    pub(super) fn cross(
        &mut self,
        at: usize,
        vnet: usize,
        half: usize,
        packet: Packet,
        check_forwarded: bool,
    ) -> Result<(), (DropReason, Decision)> {
        let topology = self.world.topology;
        let document = topology.document();
        let network = &document.virtual_networks[vnet];
        let sending = &network.peerings[half];
        let sending_id = || network.id.child("virtualNetworkPeerings", &sending.name);
        let receiving = topology.reverse_peering(network, sending);
        let receiving_id = || {
            receiving.map_or_else(sending_id, |half| {
                sending.remote_virtual_network.child("virtualNetworkPeerings", &half.name)
            })
        };
        let decided = Decision::decided(Rule::PEER_4);
        if !sending.allow_virtual_network_access {
            return Err((DropReason::PeeringAccessDisabled(sending_id()), decided));
        }
        if receiving.is_some_and(|half| !half.allow_virtual_network_access) {
            return Err((DropReason::PeeringAccessDisabled(receiving_id()), decided));
        }
        let forwarded = !network.address_space.iter().any(|p| p.contains(&packet.header.source));
        if forwarded && check_forwarded {
            let stated = Decision::stated(Rule::PEER_5);
            if receiving.is_some_and(|half| !half.allow_forwarded_traffic) {
                return Err((DropReason::ForwardedTrafficNotAllowed(receiving_id()), stated));
            }
            if document.knobs.forwarded_traffic == ForwardedTraffic::BothEnds
                && !sending.allow_forwarded_traffic
            {
                return Err((DropReason::ForwardedTrafficNotAllowed(sending_id()), stated));
            }
            self.decide(at, stated);
        }
        self.leaves_by(at, Some(sending_id()), false);
        Ok(())
    }

    /// Whether an address is a front end of a Basic load balancer (PEER-12).
    fn basic_front_end(&self, vnet: usize, ip: IpAddr) -> bool {
        match self.world.hosts.owner(vnet, ip) {
            Some(Owner::Frontend { balancer, .. }) => {
                self.world.topology.document().load_balancers[balancer].sku == LoadBalancerSku::Basic
            }
            _ => false,
        }
    }

    /// An appliance by address: it must be in this network or a directly peered one (UDR-4, PEER-10, WALK-2).
    pub(super) fn appliance(
        &mut self,
        at: usize,
        vnet: usize,
        ip: IpAddr,
        check: bool,
        packet: Packet,
    ) -> Next {
        let topology = self.world.topology;
        let document = topology.document();
        let network = &document.virtual_networks[vnet];
        let unreachable = || DropReason::NextHopUnreachable(ip);
        let mut target = network.address_space.iter().any(|p| p.contains(&ip)).then_some(vnet);
        if target.is_none() {
            let found = network.peerings.iter().enumerate().find_map(|(half, peering)| {
                let Some(Entity::VirtualNetwork(remote)) = topology.entity(&peering.remote_virtual_network)
                else {
                    return None;
                };
                let far = &document.virtual_networks[remote];
                let reaches = topology.is_connected(network, peering)
                    && peering.routed_space(Some(far)).iter().any(|p| p.contains(&ip));
                reaches.then_some((half, remote, !crate::model::same_region(network, far)))
            });
            if let Some((half, remote, global)) = found {
                // Without an owner there the address is no next hop, whatever the peering says.
                let owner = self.world.hosts.owner(remote, ip);
                if matches!(owner, None | Some(Owner::PrivateEndpoint(_) | Owner::RouteServer(_))) {
                    return self.drop_at(at, unreachable(), Decision::decided(Rule::UDR_4));
                }
                if let Err((reason, decision)) = self.cross(at, vnet, half, packet, check) {
                    return self.drop_at(at, reason, decision);
                }
                if global && self.basic_front_end(remote, ip) {
                    return self.drop_at(at, unreachable(), Decision::stated(Rule::PEER_12));
                }
                target = Some(remote);
            }
        }
        let owner = target.and_then(|v| self.world.hosts.owner(v, ip).map(|owner| (v, owner)));
        match owner {
            Some((_, Owner::Nic(nic))) => Next::to(self.arrive_appliance(nic, false, packet)),
            Some((_, Owner::Firewall(firewall))) => Next::to(self.arrive_firewall(firewall, packet)),
            Some((v, Owner::Frontend { balancer, frontend })) => {
                Next::to(self.balancer(v, balancer, frontend, true, packet))
            }
            Some((_, Owner::Gateway(gateway))) => self.gateway_forward(at, gateway, packet),
            Some((_, Owner::PrivateEndpoint(_) | Owner::RouteServer(_))) | None => {
                self.drop_at(at, unreachable(), Decision::decided(Rule::UDR_4))
            }
        }
    }

    /// A load balancer's front end: one of its healthy backends (WALK-9).
    fn balancer(
        &mut self,
        vnet: usize,
        balancer: usize,
        frontend: usize,
        forward: bool,
        packet: Packet,
    ) -> usize {
        let topology = self.world.topology;
        let declared = &topology.document().load_balancers[balancer];
        let place = Place::LoadBalancer(declared.id.clone());
        let state = State::Balancer { balancer, frontend, forward, packet };
        self.visit(state, place, packet, |walker, at| {
            walker.decide(at, Decision::stated(Rule::WALK_9));
            let mut nics: Vec<usize> = declared
                .backends
                .iter()
                .filter(|backend| !backend.unhealthy)
                .filter_map(|backend| {
                    if let Some(Entity::Nic(n)) =
                        backend.network_interface.as_ref().and_then(|id| topology.entity(id))
                    {
                        return Some(n);
                    }
                    match walker.world.hosts.owner(vnet, backend.ip_address?) {
                        Some(Owner::Nic(n)) => Some(n),
                        _ => None,
                    }
                })
                .collect();
            let interfaces = &topology.document().network_interfaces;
            nics.sort_by(|a, b| interfaces[*a].id.cmp(&interfaces[*b].id));
            nics.dedup();
            if nics.is_empty() {
                let reason = DropReason::NoHealthyBackend(declared.id.clone());
                return walker.drop_at(at, reason, Decision::stated(Rule::WALK_9));
            }
            walker.fan(at, packet, nics, |walker, nic| {
                Next::to(if forward {
                    walker.arrive_appliance(nic, false, packet)
                } else {
                    walker.arrive_host(nic, packet)
                })
            })
        })
    }

    /// Delivery inside a virtual network: whoever owns the address, else an unassigned one (SYS-15, SYS-16).
    pub(super) fn deliver(&mut self, vnet: usize, packet: Packet) -> usize {
        let document = self.world.topology.document();
        let ip = packet.destination();
        match self.world.hosts.owner(vnet, ip) {
            Some(Owner::Nic(nic)) => self.arrive_host(nic, packet),
            Some(Owner::Frontend { balancer, frontend }) => {
                self.balancer(vnet, balancer, frontend, false, packet)
            }
            Some(Owner::Firewall(firewall)) => {
                let declared = &document.azure_firewalls[firewall];
                match rewrite(&declared.dnat, packet) {
                    Rewrite::Kept => {
                        let place = Place::Appliance { id: declared.id.clone(), interface: None };
                        let delivered = Disposition::Delivered(place.clone());
                        self.end(place, packet, delivered, &[])
                    }
                    _ => self.arrive_firewall(firewall, packet),
                }
            }
            Some(Owner::PrivateEndpoint(endpoint)) => self.private_endpoint(endpoint, packet),
            Some(Owner::Gateway(gateway)) => {
                let place = Place::Gateway(document.virtual_network_gateways[gateway].id.clone());
                let delivered = Disposition::Delivered(place.clone());
                self.end(place, packet, delivered, &[])
            }
            Some(Owner::RouteServer(server)) => {
                let place = Place::Gateway(document.route_servers[server].id.clone());
                let delivered = Disposition::Delivered(place.clone());
                self.end(place, packet, delivered, &[])
            }
            None => {
                let network = &document.virtual_networks[vnet];
                let subnet = subnet_of(document, vnet, ip);
                let place = subnet.map_or_else(
                    || Place::VirtualNetwork(network.id.clone()),
                    |s| Place::Subnet(network.subnet_id(&network.subnets[s].name)),
                );
                let decision = [Decision::stated(Rule::SYS_16)];
                if document.knobs.strict_hosts {
                    return self.end(place, packet, Disposition::Dropped(DropReason::NoSuchHost), &decision);
                }
                if let Some(reason) = self.denied(None, vnet, subnet, SecurityRuleDirection::Inbound, packet)
                {
                    return self.end(
                        place,
                        packet,
                        Disposition::Dropped(reason),
                        &[Decision::stated(Rule::NSG_1)],
                    );
                }
                self.end(place.clone(), packet, Disposition::Delivered(place), &decision)
            }
        }
    }

    pub(super) fn private_endpoint(&mut self, endpoint: usize, packet: Packet) -> usize {
        let topology = self.world.topology;
        let declared = &topology.document().private_endpoints[endpoint];
        let place = Place::PrivateEndpoint(declared.id.clone());
        if let Some(Entity::Subnet(v, s)) = topology.entity(&declared.subnet) {
            let policies =
                topology.document().virtual_networks[v].subnets[s].private_endpoint_network_policies;
            // Security groups reach endpoints only where the policies let them (NSG-15).
            if policies.security_groups_apply()
                && topology.era().private_endpoint_policies()
                && let Some(reason) = self.denied(None, v, Some(s), SecurityRuleDirection::Inbound, packet)
            {
                return self.end(
                    place,
                    packet,
                    Disposition::Dropped(reason),
                    &[Decision::stated(Rule::NSG_15)],
                );
            }
        }
        self.end(place, packet, Disposition::PrivateEndpoint(declared.id.clone()), &[])
    }

    /// A packet for an interface's own address; an appliance with a matching destination rewrite passes it on.
    pub(super) fn arrive_host(&mut self, nic: usize, packet: Packet) -> usize {
        let document = self.world.topology.document();
        if let Some(appliance) = self.world.hosts.appliance_of.get(&nic)
            && !matches!(
                rewrite(&document.network_virtual_appliances[*appliance].dnat, packet),
                Rewrite::Kept
            )
        {
            return self.arrive_appliance(nic, false, packet);
        }
        let place = Place::NetworkInterface(document.network_interfaces[nic].id.clone());
        if let Some((v, s)) = nic_subnet(self.world.topology, nic)
            && let Some(reason) = self.denied(Some(nic), v, Some(s), SecurityRuleDirection::Inbound, packet)
        {
            return self.end(place, packet, Disposition::Dropped(reason), &[Decision::stated(Rule::NSG_1)]);
        }
        self.end(place.clone(), packet, Disposition::Delivered(place), &[])
    }

    /// A packet that an appliance is asked to forward (WALK-3 to WALK-5, WALK-8). What comes out of a tunnel Azure saw
    /// as the appliance's own: neither security groups nor IP forwarding are asked about the packet inside (ENC-2).
    pub(super) fn arrive_appliance(&mut self, nic: usize, tunnelled: bool, packet: Packet) -> usize {
        let topology = self.world.topology;
        let document = topology.document();
        let interface = &document.network_interfaces[nic];
        let appliance =
            self.world.hosts.appliance_of.get(&nic).map(|a| &document.network_virtual_appliances[*a]);
        let nics: Vec<usize> = match (appliance, &interface.virtual_machine) {
            (Some(declared), _) => nics_of(topology, &declared.network_interfaces),
            (None, Some(machine)) => {
                self.world.hosts.machines.get(machine).cloned().unwrap_or_else(|| vec![nic])
            }
            (None, None) => vec![nic],
        };
        let id = appliance
            .map(|declared| declared.id.clone())
            .or_else(|| interface.virtual_machine.clone())
            .unwrap_or_else(|| interface.id.clone());
        let place = |n: usize| Place::Appliance {
            id: id.clone(),
            interface: Some(document.network_interfaces[n].id.clone()),
        };
        let drop = |reason| Disposition::Dropped(reason);
        if let Some((v, s)) = nic_subnet(topology, nic).filter(|_| !tunnelled)
            && let Some(reason) = self.denied(Some(nic), v, Some(s), SecurityRuleDirection::Inbound, packet)
        {
            return self.end(place(nic), packet, drop(reason), &[Decision::stated(Rule::NSG_1)]);
        }
        let packet = match appliance.map_or(Rewrite::Kept, |declared| rewrite(&declared.dnat, packet)) {
            Rewrite::Changed(packet) => packet,
            Rewrite::NeedsFlow => {
                return self.end(
                    place(nic),
                    packet,
                    Disposition::NeedsFlow(id),
                    &[Decision::stated(Rule::WALK_8)],
                );
            }
            Rewrite::Kept => {
                let own = nics.iter().any(|n| {
                    let configurations = &document.network_interfaces[*n].ip_configurations;
                    configurations.iter().any(|c| c.private_ip_address == Some(packet.destination()))
                });
                if own {
                    let place = Place::NetworkInterface(interface.id.clone());
                    return self.end(place.clone(), packet, Disposition::Delivered(place), &[]);
                }
                if !tunnelled && !interface.enable_ip_forwarding {
                    let reason = DropReason::NoIpForwarding(interface.id.clone());
                    return self.end(place(nic), packet, drop(reason), &[Decision::stated(Rule::WALK_3)]);
                }
                packet
            }
        };
        if appliance.is_some_and(|declared| !declared.os_forwarding) {
            let reason = DropReason::NotForwardingOs(id.clone());
            return self.end(place(nic), packet, drop(reason), &[Decision::stated(Rule::WALK_4)]);
        }
        if appliance.is_some_and(|declared| declared.policy == AppliancePolicy::Deny) {
            let reason = DropReason::DeniedByAppliance(id.clone());
            return self.end(place(nic), packet, drop(reason), &[Decision::decided(Rule::WALK_8)]);
        }
        let guest = appliance.and_then(|declared| {
            let matching = declared.guest_routes.iter().filter(|r| r.prefix.contains(&packet.destination()));
            matching.max_by_key(|r| r.prefix.prefix_len())
        });
        let guest_length = guest.map_or(-1, |route| i32::from(route.prefix.prefix_len()));
        if let Some((tunnel, far, length)) = self.tunnel_from(&id, packet.destination())
            && i32::from(length) >= guest_length
        {
            return self.enter_tunnel(place(nic), tunnel, far, appliance.is_none_or(|a| a.stateful), packet);
        }
        let appliance_ix = self.world.hosts.appliance_of.get(&nic).copied();
        if let Some((length, ways)) = appliance_ix.and_then(|a| self.overlay_ways(a, packet.destination()))
            && i32::from(length) > guest_length
        {
            let stateful = appliance.is_none_or(|a| a.stateful);
            return self.over_own_tunnels(place(nic), nic, ways, stateful, packet);
        }
        let egress = match guest {
            Some(route) => match route.network_interface.as_ref().and_then(|id| topology.entity(id)) {
                Some(Entity::Nic(n)) => n,
                _ => {
                    let reason = DropReason::Discarded(id.clone());
                    let decisions = [Decision::decided(Rule::WALK_5)];
                    return self.end(place(nic), packet, drop(reason), &decisions);
                }
            },
            None => primary_of(topology, &nics).unwrap_or(nic),
        };
        let Some((vnet, subnet)) = nic_subnet(topology, egress) else {
            let reason = DropReason::NoRoute;
            return self.end(place(egress), packet, drop(reason), &[Decision::decided(Rule::WALK_5)]);
        };
        let v4 = packet.destination().is_ipv4();
        let snat = match appliance.map_or(Snat::None, |declared| declared.snat) {
            Snat::None => false,
            Snat::Internet => !is_private_address(packet.destination()),
            Snat::All => true,
        };
        let mut packet = packet;
        let undone = self
            .rewritten
            .iter()
            .find(|rewritten| rewritten.appliance == id && rewritten.to == packet.header.source);
        if let Some(undone) = undone {
            packet.header.source = undone.from;
        } else if snat && let Some(own) = nic_address(topology, egress, v4) {
            packet.header.source = own;
        }
        let configurations = &document.network_interfaces[egress].ip_configurations;
        let own = configurations.iter().any(|c| c.private_ip_address == Some(packet.header.source));
        if !own && !document.network_interfaces[egress].enable_ip_forwarding {
            let reason = DropReason::NoIpForwarding(document.network_interfaces[egress].id.clone());
            return self.end(place(egress), packet, drop(reason), &[Decision::stated(Rule::WALK_3)]);
        }
        let stateful = appliance.is_none_or(|declared| declared.stateful);
        self.leave(vnet, subnet, Sender::Nic(egress), place(egress), !own, stateful, packet)
    }

    /// Azure Firewall: forwards, and rewrites the source towards public destinations.
    pub(super) fn arrive_firewall(&mut self, firewall: usize, packet: Packet) -> usize {
        let topology = self.world.topology;
        let declared = &topology.document().azure_firewalls[firewall];
        let place = Place::Appliance { id: declared.id.clone(), interface: None };
        let mut packet = match rewrite(&declared.dnat, packet) {
            // For the firewall itself.
            Rewrite::Kept if declared.private_ip_address == Some(packet.destination()) => {
                return self.end(place.clone(), packet, Disposition::Delivered(place), &[]);
            }
            Rewrite::Kept => packet,
            Rewrite::Changed(packet) => packet,
            Rewrite::NeedsFlow => {
                let needs = Disposition::NeedsFlow(declared.id.clone());
                return self.end(place, packet, needs, &[Decision::stated(Rule::WALK_8)]);
            }
        };
        if declared.policy == AppliancePolicy::Deny {
            let reason = DropReason::DeniedByAppliance(declared.id.clone());
            return self.end(place, packet, Disposition::Dropped(reason), &[Decision::decided(Rule::WALK_8)]);
        }
        let public = match &declared.private_ranges[..] {
            [] => !is_private_address(packet.destination()),
            ranges => !ranges.iter().any(|p| p.contains(&packet.destination())),
        };
        if public && let Some(own) = declared.private_ip_address {
            packet.header.source = own;
        }
        match declared.subnet.as_ref().and_then(|id| topology.entity(id)) {
            Some(Entity::Subnet(vnet, subnet)) => {
                let forwarding = declared.private_ip_address != Some(packet.header.source);
                self.leave(vnet, subnet, Sender::Firewall(firewall), place, forwarding, true, packet)
            }
            _ => self.end(place, packet, Disposition::Dropped(DropReason::NoRoute), &[]),
        }
    }

    /// The overlay tunnel that an appliance would use for a destination: the longest far prefix, then the least id.
    fn tunnel_from(&self, id: &ResourceId, destination: IpAddr) -> Option<(usize, bool, u8)> {
        let mut best: Option<(usize, bool, u8)> = None;
        for (t, tunnel) in self.world.topology.document().overlay_tunnels.iter().enumerate() {
            for (near, far, forward) in [(&tunnel.a, &tunnel.b, true), (&tunnel.b, &tunnel.a, false)] {
                if near.node != *id {
                    continue;
                }
                let tunnels = &self.world.topology.document().overlay_tunnels;
                for prefix in far.prefixes.iter().filter(|p| p.contains(&destination)) {
                    let better = best.is_none_or(|(other, _, length)| {
                        prefix.prefix_len() > length
                            || (prefix.prefix_len() == length && tunnel.id < tunnels[other].id)
                    });
                    if better {
                        best = Some((t, forward, prefix.prefix_len()));
                    }
                }
            }
        }
        best
    }

    /// An appliance puts the packet into a tunnel (ENC-2).
    fn enter_tunnel(
        &mut self,
        place: Place,
        tunnel: usize,
        forward: bool,
        stateful: bool,
        packet: Packet,
    ) -> usize {
        self.visit(State::Tunnel { tunnel, forward, packet }, place, packet, |walker, at| {
            walker.leaves_into(at, Tunnel::Overlay(tunnel));
            walker.hop(at).stateful = stateful;
            walker.decide(at, Decision::stated(Rule::ENC_2));
            Next::to(walker.tunnel_exit(tunnel, forward, packet))
        })
    }

    /// Where a tunnel ends: an appliance or a place outside Azure.
    pub(super) fn tunnel_exit(&mut self, tunnel: usize, forward: bool, packet: Packet) -> usize {
        let topology = self.world.topology;
        let document = topology.document();
        let declared = &document.overlay_tunnels[tunnel];
        let end = if forward { &declared.b } else { &declared.a };
        let nics: Vec<usize> = match topology.entity(&end.node) {
            Some(Entity::Appliance(a)) => {
                nics_of(topology, &document.network_virtual_appliances[a].network_interfaces)
            }
            Some(Entity::Nic(n)) => vec![n],
            Some(Entity::Site(site)) => return self.site(site, packet),
            Some(Entity::Router(site, router)) => {
                let at = self.world.plane.on_premises.by_site[site][router];
                return self.router(at, document.on_premises_sites[site].tenant.clone(), packet);
            }
            _ => Vec::new(),
        };
        match primary_of(topology, &nics) {
            Some(nic) => self.arrive_appliance(nic, true, packet),
            None => {
                let place = Place::OnPremises(end.node.clone());
                let down = DropReason::ConnectionDown(declared.id.clone());
                self.end(place, packet, Disposition::Dropped(down), &[Decision::stated(Rule::ENC_2)])
            }
        }
    }

    /// The security group's verdict, where security groups are asked (NSG-1).
    fn denied(
        &self,
        nic: Option<usize>,
        vnet: usize,
        subnet: Option<usize>,
        direction: SecurityRuleDirection,
        packet: Packet,
    ) -> Option<DropReason> {
        let flow = packet.flow.filter(|_| self.gate)?;
        nsg::denied(self.world, nic, vnet, subnet?, direction, packet.header, flow)
    }

    pub(super) fn no_transit(&mut self, at: usize, vnet: usize, rule: Rule) -> Next {
        let document = self.world.topology.document();
        let id = self.nodes[at].hop.place.id().unwrap_or(&document.virtual_networks[vnet].id).clone();
        self.drop_at(at, DropReason::NoTransit(id), Decision::stated(rule))
    }
}

/// The first destination rewrite that matches; one that looks at ports needs them.
pub(super) fn rewrite(rules: &[DestinationNat], packet: Packet) -> Rewrite {
    for rule in rules.iter().filter(|rule| rule.destination.contains(&packet.destination())) {
        match (rule.destination_port, packet.flow) {
            (Some(_), None) => return Rewrite::NeedsFlow,
            (Some(port), Some(flow)) if port != flow.destination_port => continue,
            _ => {}
        }
        let mut packet = packet;
        packet.header.destination = rule.translated_address;
        if let (Some(port), Some(flow)) = (rule.translated_port, &mut packet.flow) {
            flow.destination_port = port;
        }
        return Rewrite::Changed(packet);
    }
    Rewrite::Kept
}
