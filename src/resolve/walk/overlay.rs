//! Appliances in Azure whose tunnels are VPN connections, or lead to other appliances and routers, by BGP or statically.

use std::net::IpAddr;

use super::super::answer::{Disposition, DropReason, Next, Place};
use super::super::encryption::Tunnel;
use super::super::hosts::{nics_of, primary_of};
use super::{Packet, State, Walker};
use crate::control_plane::ApplianceWay;
use crate::model::Entity;
use crate::rule::{Decision, Rule};

impl Walker<'_> {
    /// The tunnels that an appliance uses for a destination, with the length of the prefix: what its BGP table says, else
    /// the spaces behind gateways whose static connections end on it. None where the virtual network's routes decide.
    pub(super) fn overlay_ways(
        &self,
        appliance: usize,
        destination: IpAddr,
    ) -> Option<(u8, Vec<ApplianceWay>)> {
        let topology = self.world.topology;
        let document = topology.document();
        let plane = self.world.plane;
        let spoken = plane.on_premises.appliance_ways(appliance, destination);
        let mut found: Option<(u8, Vec<ApplianceWay>)> = None;
        for (n, connection) in document.connections.iter().enumerate() {
            if !connection.connected
                || connection.enable_bgp
                || plane.on_premises.connection_appliance(topology, n) != Some(appliance)
            {
                continue;
            }
            let Some(Entity::Gateway(gateway)) = topology.entity(&connection.virtual_network_gateway) else {
                continue;
            };
            let served = plane.subscriptions.iter().enumerate().filter(|(_, subscription)| {
                subscription.is_some_and(|s| plane.domains[s.domain].has_gateway(gateway))
            });
            let space = served.flat_map(|(v, _)| &document.virtual_networks[v].address_space);
            let length = space.filter(|p| p.contains(&destination)).map(|p| p.prefix_len()).max();
            if let Some(length) = length {
                match &mut found {
                    Some((longest, ways)) if *longest == length => ways.push(ApplianceWay::Connection(n)),
                    Some((longest, _)) if *longest > length => {}
                    _ => found = Some((length, vec![ApplianceWay::Connection(n)])),
                }
            }
        }
        let best = match (spoken, found) {
            (Some(spoken), Some(told)) if told.0 >= spoken.0 => told,
            (Some(spoken), _) => spoken,
            (None, told) => told?,
        };
        (!best.1.contains(&ApplianceWay::Network)).then_some(best)
    }

    /// Out of an appliance by its own tunnels.
    pub(super) fn over_own_tunnels(
        &mut self,
        place: Place,
        nic: usize,
        ways: Vec<ApplianceWay>,
        stateful: bool,
        packet: Packet,
    ) -> usize {
        let topology = self.world.topology;
        let document = topology.document();
        self.visit(State::OwnTunnel { nic, packet }, place, packet, |walker, at| {
            walker.hop(at).stateful = stateful;
            walker.hop(at).encrypted = true;
            walker.decide(at, Decision::stated(Rule::ENC_2));
            walker.fan(at, packet, ways, |walker, way| match way {
                ApplianceWay::Connection(n) => {
                    walker.leaves_into(at, Tunnel::Connection(n));
                    let declared = &document.connections[n];
                    match topology.entity(&declared.virtual_network_gateway) {
                        Some(Entity::Gateway(gateway)) => {
                            Next::to(walker.gateway_in(gateway, Some(n), packet))
                        }
                        _ => Next::End(Disposition::Dropped(DropReason::ConnectionDown(declared.id.clone()))),
                    }
                }
                ApplianceWay::Appliance(other) => Next::to(walker.arrive_by_tunnel(other, packet)),
                ApplianceWay::Router(router) => {
                    let site = walker.world.plane.on_premises.routers[router].site;
                    let tenant = document.on_premises_sites[site].tenant.clone();
                    Next::to(walker.router(router, tenant, packet))
                }
                ApplianceWay::Network => Next::End(Disposition::Dropped(DropReason::NoRoute)),
            })
        })
    }

    /// Out of a tunnel into an appliance.
    pub(super) fn arrive_by_tunnel(&mut self, appliance: usize, packet: Packet) -> usize {
        let topology = self.world.topology;
        let declared = &topology.document().network_virtual_appliances[appliance];
        let nics = nics_of(topology, &declared.network_interfaces);
        match primary_of(topology, &nics) {
            Some(nic) => self.arrive_appliance(nic, true, packet),
            None => {
                let place = Place::Appliance { id: declared.id.clone(), interface: None };
                self.end(place, packet, Disposition::Dropped(DropReason::NoRoute), &[])
            }
        }
    }
}
