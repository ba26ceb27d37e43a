//! Steps at the border: gateways, Microsoft's edge routers, hubs, and places outside Azure.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::answer::{Disposition, DropReason, Next, Place};
use super::super::encryption::Tunnel;
use super::super::public::EdgeWay;
use super::hub::HubEntry;
use super::{Packet, State, Walker};
use crate::control_plane::{DomainOwner, ExitKind, Links, RouterIx, Step, Via};
use crate::model::{ConnectionType, Entity, GatewayType, LinkRole, LoadBalancerSku, PeeringType};
use crate::model::{is_default_route, is_private_address};
use crate::rule::{Decision, Rule};
use crate::selection::{Handle, LocalKind};

impl Walker<'_> {
    /// A gateway route: its equal-cost members, or the one that the flow picks (SEL-11, SEL-12).
    pub(super) fn gateway_route(&mut self, at: usize, vnet: usize, group: usize, packet: Packet) -> Next {
        let plane = self.world.plane;
        let Some(subscription) = plane.subscriptions[vnet] else {
            return Next::End(Disposition::Dropped(DropReason::NoRoute));
        };
        let members = self.world.selection.gateways[subscription.domain].groups[group].members.clone();
        let members = self.in_order(subscription.domain, members);
        self.fan(at, packet, members, |walker, offer| {
            walker.offer(at, vnet, subscription.domain, offer, true, packet)
        })
    }

    /// Members by the names of what they lead over, so that the order of a document decides nothing (SEL-12).
    fn in_order(&self, domain: usize, mut members: Vec<usize>) -> Vec<usize> {
        let document = self.world.topology.document();
        let offers = &self.world.plane.domains[domain].offers;
        let gateway_id = |g: usize| document.virtual_network_gateways[g].id.clone();
        members.sort_by_cached_key(|offer| match &offers[*offer].via {
            Via::ExpressRoute { gateway, connection, far, .. } | Via::Vpn { gateway, connection, far } => {
                let connection = connection.map(|c| document.connections[c].id.clone());
                (0, Some(gateway_id(*gateway)), connection, far.map(gateway_id), None)
            }
            Via::RouteServer { next_hop } => (1, None, None, None, Some(*next_hop)),
            Via::Hub { hub, vnet, connection, .. } => {
                let vnet = vnet.map(|v| document.virtual_networks[v].id.clone());
                (2, Some(document.virtual_hubs[*hub].id.clone()), connection.clone(), vnet, None)
            }
        });
        members
    }

    /// One member: over a gateway, to an appliance that a Route Server named, or through a hub.
    fn offer(
        &mut self,
        at: usize,
        vnet: usize,
        domain: usize,
        offer: usize,
        check: bool,
        packet: Packet,
    ) -> Next {
        let plane = self.world.plane;
        match plane.domains[domain].offers[offer].via.clone() {
            Via::ExpressRoute { .. } | Via::Vpn { .. } => {
                if let Err((reason, decision)) = self.towards_gateway(at, vnet, domain, packet) {
                    return self.drop_at(at, reason, decision);
                }
                Next::to(self.gateway_out(domain, offer, packet))
            }
            Via::RouteServer { next_hop } => {
                self.decide(at, Decision::stated(Rule::ARS_2));
                self.appliance(at, vnet, next_hop, check, packet)
            }
            Via::Hub { hub, table: Some(table), .. } => {
                let entry = HubEntry { table: Some(table), inspected: false, from_circuit: false };
                Next::to(self.hub_router(hub, entry, packet))
            }
            Via::Hub { hub, table: None, vnet: target, connection } => {
                let id = self.world.topology.document().virtual_hubs[hub].id.clone();
                let place = Place::Hub(id.clone());
                Next::to(self.visit(State::Hub { hub, offer, packet }, place, packet, |walker, at| {
                    walker.decide(at, Decision::stated(Rule::VWAN_1));
                    match target {
                        Some(target) => Next::to(walker.deliver(target, packet)),
                        None => {
                            walker.hop(at).via.clone_from(&connection);
                            Next::End(Disposition::OnPremises(connection.unwrap_or(id)))
                        }
                    }
                }))
            }
        }
    }

    /// To a gateway in another network the packet crosses the peering: access must be allowed (PEER-4, WALK-15);
    /// gateways need no forwarded-traffic flag (PEER-5).
    pub(super) fn towards_gateway(
        &mut self,
        at: usize,
        vnet: usize,
        domain: usize,
        packet: Packet,
    ) -> Result<(), (DropReason, Decision)> {
        let DomainOwner::VirtualNetwork(owner) = self.world.plane.domains[domain].owner else {
            return Ok(());
        };
        let document = self.world.topology.document();
        let hub = &document.virtual_networks[owner].id;
        let half = document.virtual_networks[vnet]
            .peerings
            .iter()
            .position(|half| half.use_remote_gateways && half.remote_virtual_network == *hub);
        match half.filter(|_| owner != vnet) {
            Some(half) => self.cross(at, vnet, half, packet, false),
            None => Ok(()),
        }
    }

    /// A gateway sends a packet out over the connection of an offer (WALK-16).
    fn gateway_out(&mut self, domain: usize, offer: usize, packet: Packet) -> usize {
        let document = self.world.topology.document();
        let via = self.world.plane.domains[domain].offers[offer].via.clone();
        let (Via::ExpressRoute { gateway, connection, .. } | Via::Vpn { gateway, connection, .. }) = via
        else {
            return self.end(Place::InternetEdge, packet, Disposition::Dropped(DropReason::NoRoute), &[]);
        };
        let id = document.virtual_network_gateways[gateway].id.clone();
        let state = State::GatewayOut { domain, offer, packet };
        self.visit(state, Place::Gateway(id.clone()), packet, |walker, at| {
            let connection_id = connection.map(|c| document.connections[c].id.clone());
            walker.hop(at).via.clone_from(&connection_id);
            walker.decide(at, Decision::stated(Rule::WALK_16));
            match via {
                Via::ExpressRoute { circuit: Some(circuit), links, far, reached, .. } => {
                    walker.over_circuit(at, circuit, links, (far, reached), packet)
                }
                Via::Vpn { connection: Some(c), far: Some(far), .. } => {
                    walker.hop(at).encrypted = true;
                    Next::to(walker.gateway_in(far, Some(c), packet))
                }
                Via::Vpn { connection: Some(c), far: None, .. } => {
                    walker.leaves_into(at, Tunnel::Connection(c));
                    let declared = &document.connections[c];
                    let on_premises = &walker.world.plane.on_premises;
                    let entry =
                        on_premises.connection_entry((c, &declared.id), &declared.peer, packet.destination());
                    if entry.is_empty() {
                        if let Some(appliance) = on_premises.connection_appliance(walker.world.topology, c) {
                            return Next::to(walker.arrive_by_tunnel(appliance, packet));
                        }
                        return Next::End(Disposition::OnPremises(declared.peer.clone()));
                    }
                    let tenant = walker.gateway_tenant(gateway);
                    walker.routers(at, entry, tenant, packet)
                }
                _ => Next::End(Disposition::OnPremises(connection_id.unwrap_or(id))),
            }
        })
    }

    /// Over the links of a circuit's private peering, to another gateway on it, over Global Reach to another circuit, or
    /// to the customer's edge (WALK-17).
    pub(super) fn over_circuit(
        &mut self,
        at: usize,
        circuit: usize,
        links: Links,
        (far, reached): (Option<usize>, Option<usize>),
        packet: Packet,
    ) -> Next {
        let roles: Vec<LinkRole> = links.roles().collect();
        self.fan(at, packet, roles, |walker, link| {
            Next::to(walker.msee_out(circuit, link, (far, reached), packet))
        })
    }

    /// From one circuit over Global Reach to another, and there by the links that lead on (ER-15).
    fn over_global_reach(
        &mut self,
        at: usize,
        circuit: usize,
        gateway: Option<usize>,
        packet: Packet,
    ) -> Next {
        self.decide(at, Decision::stated(Rule::ER_15));
        let other = &self.world.topology.document().express_route_circuits[circuit];
        let on_premises = &self.world.plane.on_premises;
        let private = PeeringType::AzurePrivatePeering;
        let leads = |role: LinkRole| {
            let entry =
                || on_premises.circuit_entry((circuit, &other.id), private, role, packet.destination());
            other.link(role).up && (gateway.is_some() || !entry().is_empty())
        };
        let links = Links { primary: leads(LinkRole::Primary), secondary: leads(LinkRole::Secondary) };
        self.over_circuit(at, circuit, links, (gateway, None), packet)
    }

    fn msee_out(
        &mut self,
        circuit: usize,
        link: LinkRole,
        (far, reached): (Option<usize>, Option<usize>),
        packet: Packet,
    ) -> usize {
        let document = self.world.topology.document();
        let declared = &document.express_route_circuits[circuit];
        let peering = PeeringType::AzurePrivatePeering;
        let place = Place::Msee { circuit: declared.id.clone(), link, peering };
        let state = State::Msee { circuit, link, peering, inbound: false, to: far, reached, packet };
        self.visit(state, place, packet, |walker, at| {
            walker.decide(at, Decision::stated(Rule::ER_1));
            if let Some(reached) = reached {
                return walker.over_global_reach(at, reached, far, packet);
            }
            if let Some(far) = far {
                walker.decide(at, Decision::stated(Rule::ER_12));
                return Next::to(walker.gateway_in(far, None, packet));
            }
            walker.hop(at).encrypted = declared.macsec;
            let on_premises = &walker.world.plane.on_premises;
            let entry =
                on_premises.circuit_entry((circuit, &declared.id), peering, link, packet.destination());
            if entry.is_empty() {
                return Next::End(Disposition::OnPremises(declared.id.clone()));
            }
            let tenant = declared.tenant.clone();
            walker.routers(at, entry, tenant, packet)
        })
    }

    fn gateway_tenant(&self, gateway: usize) -> Option<String> {
        let topology = self.world.topology;
        let document = topology.document();
        match topology.entity(&document.virtual_network_gateways[gateway].virtual_network) {
            Some(Entity::VirtualNetwork(v)) => document.virtual_networks[v].tenant.clone(),
            _ => None,
        }
    }

    /// A VPN gateway as next hop of a user route, or by its own address: spokes that use it by its own subnet's table
    /// (PEER-11), the rest over its connections.
    pub(super) fn gateway_forward(&mut self, at: usize, gateway: usize, packet: Packet) -> Next {
        let topology = self.world.topology;
        let document = topology.document();
        let declared = &document.virtual_network_gateways[gateway];
        let place = Place::Gateway(declared.id.clone());
        let no_route = Disposition::Dropped(DropReason::NoRoute);
        let plane = self.world.plane;
        let domain = match topology.entity(&declared.virtual_network) {
            Some(Entity::VirtualNetwork(vnet)) => plane.subscriptions[vnet].map(|s| s.domain),
            _ => None,
        };
        self.decide(at, Decision::stated(Rule::UDR_5));
        let Some(domain) = domain else {
            return Next::to(self.end(place, packet, no_route, &[Decision::stated(Rule::UDR_7)]));
        };
        let served = plane.subscriptions.iter().enumerate().any(|(v, subscription)| {
            subscription.is_some_and(|s| plane.domains[s.domain].has_gateway(gateway))
                && document.virtual_networks[v]
                    .address_space
                    .iter()
                    .any(|p| p.contains(&packet.destination()))
        });
        if served {
            return Next::to(self.gateway_in(gateway, None, packet));
        }
        let table = &self.world.selection.gateways[domain];
        let offers = &plane.domains[domain].offers;
        let host = IpNet::from(packet.destination());
        let members = table.by_prefix.covering(&host).into_iter().rev().find_map(|(_, group)| {
            let mine: Vec<usize> = table.groups[*group as usize]
                .members
                .iter()
                .copied()
                .filter(|o| matches!(offers[*o].via, Via::Vpn { gateway: g, .. } if g == gateway))
                .collect();
            (!mine.is_empty()).then_some(mine)
        });
        let Some(members) = members else {
            return Next::to(self.end(place, packet, no_route, &[Decision::stated(Rule::WALK_16)]));
        };
        let members = self.in_order(domain, members);
        self.fan(at, packet, members, |walker, offer| Next::to(walker.gateway_out(domain, offer, packet)))
    }

    /// A packet comes in at a gateway: `GatewaySubnet`'s table decides (ER-23). It leads into the network, to those
    /// that use the gateway, or through appliances; not on to another branch, except where VPN transit allows it.
    pub(super) fn gateway_in(&mut self, gateway: usize, connection: Option<usize>, packet: Packet) -> usize {
        let topology = self.world.topology;
        let document = topology.document();
        let declared = &document.virtual_network_gateways[gateway];
        let place = Place::Gateway(declared.id.clone());
        if let Some(Entity::Hub(hub)) = topology.entity(&declared.virtual_network) {
            let state = State::GatewayIn { gateway, connection, packet };
            return self
                .visit(state, place, packet, |walker, at| walker.hub_gateway_in(at, (gateway, hub), packet));
        }
        let Some(Entity::VirtualNetwork(vnet)) = topology.entity(&declared.virtual_network) else {
            let delivered = Disposition::Delivered(Place::VirtualNetwork(declared.virtual_network.clone()));
            return self.end(place, packet, delivered, &[Decision::stated(Rule::SYS_16)]);
        };
        self.visit(State::GatewayIn { gateway, connection, packet }, place, packet, |walker, at| {
            walker.decide(at, Decision::stated(Rule::ER_23));
            let table = walker.world.selection.of_gateway[vnet];
            let Some((prefix, code)) = walker.world.fibs[table].longest_match(packet.destination()) else {
                return walker.drop_at(at, DropReason::NoRoute, Decision::stated(Rule::SEL_13));
            };
            let handle = Handle::decode(code);
            let candidate = walker.view(table).candidate(handle, prefix);
            walker.follow_route(at, table, &candidate);
            match handle {
                Handle::Gateway(group) => {
                    let from = (gateway, connection);
                    walker.transit(at, vnet, (prefix, group as usize), from, packet)
                }
                Handle::Service(_) => walker.no_transit(at, vnet, Rule::SE_5),
                Handle::Local(local) => {
                    let kind = walker.world.selection.tables[table].locals[local as usize].kind.clone();
                    match kind {
                        LocalKind::Internet => walker.no_transit(at, vnet, Rule::FT_15),
                        LocalKind::User { route, .. } => {
                            walker.user_route(at, vnet, None, table, route, packet)
                        }
                        LocalKind::Peering { half, remote: Some(remote), .. } => {
                            match walker.enter_spoke(at, (gateway, vnet), half, remote, packet) {
                                Err(dropped) => dropped,
                                Ok(()) => Next::to(walker.deliver(remote, packet)),
                            }
                        }
                        LocalKind::PrivateEndpoint { endpoint } => {
                            let far = walker.peer_of_endpoint(vnet, endpoint);
                            let entered = far.map(|(half, remote)| {
                                walker.enter_spoke(at, (gateway, vnet), half, remote, packet)
                            });
                            match entered {
                                Some(Err(dropped)) => dropped,
                                _ => Next::to(walker.private_endpoint(endpoint, packet)),
                            }
                        }
                        LocalKind::ConnectedGroup { remote } if !walker.is_served(gateway, remote) => {
                            walker.no_transit(at, vnet, Rule::PEER_8)
                        }
                        kind => walker.system_route(at, vnet, &kind, prefix, packet),
                    }
                }
            }
        })
    }

    /// From a gateway into a peered network: only one that uses the gateway is served (PEER-8).
    fn enter_spoke(
        &mut self,
        at: usize,
        (gateway, vnet): (usize, usize),
        half: usize,
        remote: usize,
        packet: Packet,
    ) -> Result<(), Next> {
        if !self.is_served(gateway, remote) {
            return Err(self.no_transit(at, vnet, Rule::PEER_8));
        }
        self.cross(at, vnet, half, packet, false)
            .map_err(|(reason, decision)| self.drop_at(at, reason, decision))
    }

    /// Whether a network uses this gateway (PEER-6).
    fn is_served(&self, gateway: usize, network: usize) -> bool {
        let plane = self.world.plane;
        plane.subscriptions[network].is_some_and(|s| plane.domains[s.domain].has_gateway(gateway))
    }

    /// From one branch towards another: an appliance's injected route is followed; VPN to VPN passes where both run BGP
    /// (VPN-6), VPN to ExpressRoute and back where a Route Server exchanges branches (ARS-5), but never a default route
    /// (FT-11); nothing else does (ER-14, COEX-4).
    fn transit(
        &mut self,
        at: usize,
        vnet: usize,
        (prefix, group): (IpNet, usize),
        (gateway, connection): (usize, Option<usize>),
        packet: Packet,
    ) -> Next {
        let plane = self.world.plane;
        let document = self.world.topology.document();
        let Some(subscription) = plane.subscriptions[vnet] else {
            return self.no_transit(at, vnet, Rule::ER_14);
        };
        let offers = &plane.domains[subscription.domain].offers;
        let bgp = |c: Option<usize>| {
            c.is_some_and(|c| {
                let declared = &document.connections[c];
                declared.enable_bgp && declared.connection_type != ConnectionType::ExpressRoute
            })
        };
        let exchanged = plane.domains[subscription.domain]
            .route_server
            .is_some_and(|r| document.route_servers[r].allow_branch_to_branch_traffic);
        let from_vpn = document.virtual_network_gateways[gateway].gateway_type == GatewayType::Vpn;
        let members: Vec<usize> = self.world.selection.gateways[subscription.domain].groups[group]
            .members
            .iter()
            .copied()
            .filter(|o| match &offers[*o].via {
                Via::RouteServer { .. } => true,
                Via::ExpressRoute { .. } => exchanged && from_vpn,
                Via::Vpn { .. } if !from_vpn => exchanged && !is_default_route(&prefix),
                Via::Vpn { connection: out, .. } => {
                    bgp(connection)
                        && bgp(*out)
                        && *out != connection
                        && !offers[*o].is_static
                        && !is_default_route(&prefix)
                }
                _ => false,
            })
            .collect();
        if members.is_empty() {
            return self.no_transit(at, vnet, Rule::ER_14);
        }
        let members = self.in_order(subscription.domain, members);
        self.fan(at, packet, members, |walker, offer| {
            walker.offer(at, vnet, subscription.domain, offer, false, packet)
        })
    }

    /// Hands a packet to one of several routers outside Azure.
    pub(super) fn routers(
        &mut self,
        at: usize,
        mut entry: Vec<RouterIx>,
        tenant: Option<String>,
        packet: Packet,
    ) -> Next {
        let routers = &self.world.plane.on_premises.routers;
        entry.sort_by(|a, b| routers[*a].id.cmp(&routers[*b].id));
        self.fan(at, packet, entry, |walker, router| Next::to(walker.router(router, tenant.clone(), packet)))
    }

    /// Hosts of a site send by its border router that is nearest to the best exit.
    pub(super) fn site(&mut self, site: usize, packet: Packet) -> usize {
        let declared = &self.world.topology.document().on_premises_sites[site];
        let tenant = declared.tenant.clone();
        let routers = &self.world.plane.on_premises.by_site[site];
        if declared.routers.is_empty() {
            return match routers.first() {
                Some(only) => self.router(*only, tenant, packet),
                None => {
                    let place = Place::OnPremises(declared.id.clone());
                    self.end(place, packet, Disposition::Dropped(DropReason::NoRoute), &[])
                }
            };
        }
        let place = Place::OnPremises(declared.id.clone());
        self.visit(State::Site { site, packet }, place, packet, |walker, at| {
            let on_premises = &walker.world.plane.on_premises;
            let here = |step: &Step| match step {
                Step::Exit(exit) => on_premises.exits[*exit].kind == ExitKind::Here,
                Step::Router(..) => false,
            };
            // Its own hosts, unless a longer prefix leads elsewhere.
            if declared.prefixes.iter().any(|p| p.contains(&packet.destination()))
                && routers.iter().all(|router| {
                    on_premises.route(&[*router], tenant.as_deref(), packet.destination()).iter().all(here)
                })
            {
                return Next::End(Disposition::OnPremises(declared.id.clone()));
            }
            let leaves_here = |router: &&RouterIx| {
                let steps = on_premises.route(&[**router], tenant.as_deref(), packet.destination());
                steps.iter().any(|step| match step {
                    Step::Exit(_) => true,
                    Step::Router(next, _) => !routers.contains(next),
                })
            };
            let border: Vec<RouterIx> = routers.iter().filter(leaves_here).copied().collect();
            if border.is_empty() {
                return walker.drop_at(at, DropReason::NoRoute, Decision::stated(Rule::WALK_17));
            }
            walker.routers(at, border, tenant.clone(), packet)
        })
    }

    /// A router outside Azure, or a site without any: longest prefix over what it knows (WALK-17).
    pub(super) fn router(&mut self, router: RouterIx, tenant: Option<String>, packet: Packet) -> usize {
        let on_premises = &self.world.plane.on_premises;
        let node = &on_premises.routers[router];
        let state = State::Router { router, tenant: tenant.clone(), packet };
        self.visit(state, Place::OnPremises(node.id.clone()), packet, |walker, at| {
            walker.hop(at).stateful = node.stateful;
            let steps = on_premises.route(&[router], tenant.as_deref(), packet.destination());
            if walker.holds_pool(router, &steps, packet.destination()) {
                walker.decide(at, Decision::stated(Rule::MSP_12));
                return Next::End(Disposition::OnPremises(node.id.clone()));
            }
            if steps.is_empty() {
                return walker.drop_at(at, DropReason::NoRoute, Decision::stated(Rule::WALK_17));
            }
            let steps = walker.steps_in_order(steps);
            walker.fan(at, packet, steps, |walker, step| match step {
                Step::Exit(exit) => walker.exit(at, router, exit, tenant.as_deref(), packet),
                Step::Router(next, link) => {
                    let links = &walker.world.topology.document().on_premises_links;
                    let declared = link.and_then(|link| links.get(link));
                    let encrypted = declared.is_some_and(|link| link.encrypted);
                    walker.leaves_by(at, declared.map(|link| link.id.clone()), encrypted);
                    Next::to(walker.router(next, tenant.clone(), packet))
                }
            })
        })
    }

    /// Whether a packet is for the public pool of the router's own site, which it keeps no host of.
    fn holds_pool(&self, router: RouterIx, steps: &[Step], destination: IpAddr) -> bool {
        let on_premises = &self.world.plane.on_premises;
        let site = &self.world.topology.document().on_premises_sites[on_premises.routers[router].site];
        let here =
            |step: &Step| matches!(step, Step::Exit(e) if on_premises.exits[*e].kind == ExitKind::Here);
        site.nat_pool.is_some_and(|pool| pool.contains(&destination)) && !steps.iter().any(here)
    }

    /// Steps by the names of what they lead over (SEL-12).
    fn steps_in_order(&self, mut steps: Vec<Step>) -> Vec<Step> {
        let document = self.world.topology.document();
        let on_premises = &self.world.plane.on_premises;
        let circuit_id = |c: usize| Some(document.express_route_circuits[c].id.clone());
        let connection_id = |c: usize| Some(document.connections[c].id.clone());
        steps.sort_by_cached_key(|step| match step {
            Step::Router(next, link) => {
                let link = link.map(|l| document.on_premises_links[l].id.clone());
                (0, Some(on_premises.routers[*next].id.clone()), link, None)
            }
            Step::Exit(exit) => match &on_premises.exits[*exit].kind {
                ExitKind::Private { circuit, link, connection } => {
                    (1, circuit_id(*circuit), connection_id(*connection), Some(*link))
                }
                ExitKind::Public { circuit, link, .. } => (2, circuit_id(*circuit), None, Some(*link)),
                ExitKind::GlobalReach { circuit, link, far } => {
                    (3, circuit_id(*circuit), circuit_id(*far), Some(*link))
                }
                ExitKind::Vpn { connection } => (4, connection_id(*connection), None, None),
                ExitKind::Tunnel { tunnel, .. } => {
                    (5, Some(document.overlay_tunnels[*tunnel].id.clone()), None, None)
                }
                ExitKind::Here | ExitKind::Internet | ExitKind::Discard | ExitKind::Towards(_) => {
                    (6, None, None, None)
                }
            },
        });
        steps
    }

    /// Out of the world outside Azure.
    fn exit(
        &mut self,
        at: usize,
        router: RouterIx,
        exit: usize,
        tenant: Option<&str>,
        packet: Packet,
    ) -> Next {
        let topology = self.world.topology;
        let document = topology.document();
        let on_premises = &self.world.plane.on_premises;
        let site_ix = on_premises.routers[router].site;
        let site = &document.on_premises_sites[site_ix];
        match on_premises.exits[exit].kind.clone() {
            ExitKind::Here => {
                let ip = packet.destination();
                let of_router = site.routers.iter().find(|r| r.addresses.contains(&ip));
                let id = of_router.map_or_else(|| site.id.clone(), |r| site.router_id(&r.name));
                Next::End(Disposition::OnPremises(id))
            }
            ExitKind::Private { circuit, link, connection } => {
                let declared = &document.express_route_circuits[circuit];
                self.leaves_by(at, Some(declared.id.clone()), declared.macsec);
                Next::to(self.msee_in(circuit, link, connection, packet))
            }
            ExitKind::Public { circuit, link, peering } => {
                let declared = &document.express_route_circuits[circuit];
                self.leaves_by(at, Some(declared.id.clone()), declared.macsec);
                let packet = self.nat(at, site_ix, packet);
                let way = EdgeWay { circuit, link, peering };
                Next::to(self.customer_in(way, tenant, packet))
            }
            ExitKind::GlobalReach { circuit, link, far } => {
                let declared = &document.express_route_circuits[circuit];
                let id = declared.id.clone();
                self.leaves_by(at, Some(id.clone()), declared.macsec);
                let peering = PeeringType::AzurePrivatePeering;
                let place = Place::Msee { circuit: id, link, peering };
                let state = State::Msee {
                    circuit,
                    link,
                    peering,
                    inbound: true,
                    to: None,
                    reached: Some(far),
                    packet,
                };
                let node = self.visit(state, place, packet, |walker, at| {
                    walker.over_global_reach(at, far, None, packet)
                });
                Next::to(node)
            }
            ExitKind::Vpn { connection } => {
                let declared = &document.connections[connection];
                self.leaves_into(at, Tunnel::Connection(connection));
                match topology.entity(&declared.virtual_network_gateway) {
                    Some(Entity::Gateway(gateway)) => {
                        Next::to(self.gateway_in(gateway, Some(connection), packet))
                    }
                    _ => Next::End(Disposition::Dropped(DropReason::ConnectionDown(declared.id.clone()))),
                }
            }
            ExitKind::Tunnel { tunnel, forward } => {
                self.leaves_into(at, Tunnel::Overlay(tunnel));
                self.decide(at, Decision::stated(Rule::ENC_2));
                Next::to(self.tunnel_exit(tunnel, forward, packet))
            }
            ExitKind::Internet if is_private_address(packet.destination()) => {
                // An Internet exit leads to public addresses; nothing nearer was known of this one.
                self.drop_at(at, DropReason::NoRoute, Decision::stated(Rule::WALK_17))
            }
            ExitKind::Internet if self.announces(site_ix, tenant, packet.destination()) => {
                // Out there it would only come back.
                self.drop_at(at, DropReason::NoRoute, Decision::stated(Rule::WALK_17))
            }
            ExitKind::Internet => {
                self.leaves_by(at, None, false);
                let packet = self.nat(at, site_ix, packet);
                match self.internet_in(tenant, packet) {
                    Some(edge) => Next::to(edge),
                    None => Next::End(Disposition::OnPremisesInternet(site.id.clone())),
                }
            }
            ExitKind::Discard => Next::End(Disposition::Dropped(DropReason::Discarded(site.id.clone()))),
            ExitKind::Towards(_) => Next::End(Disposition::Dropped(DropReason::NoRoute)),
        }
    }

    /// A site hides its hosts behind its public pool towards public destinations (MSP-12, PUB-4).
    fn nat(&mut self, at: usize, site: usize, mut packet: Packet) -> Packet {
        let pool = self.world.topology.document().on_premises_sites[site].nat_pool;
        if let Some(pool) = pool
            && !is_private_address(packet.destination())
            && pool.addr().is_ipv4() == packet.destination().is_ipv4()
            && !pool.contains(&packet.header.source)
        {
            packet.header.source = pool.network();
            self.hop(at).header = packet.header;
            self.decide(at, Decision::stated(Rule::MSP_12));
        }
        packet
    }

    /// From the customer's edge over private peering to the gateway of a connection; FastPath skips the gateway where
    /// it can (ER-22).
    fn msee_in(&mut self, circuit: usize, link: LinkRole, connection: usize, packet: Packet) -> usize {
        let topology = self.world.topology;
        let document = topology.document();
        let id = document.express_route_circuits[circuit].id.clone();
        let peering = PeeringType::AzurePrivatePeering;
        let place = Place::Msee { circuit: id, link, peering };
        let state = State::Msee {
            circuit,
            link,
            peering,
            inbound: true,
            to: Some(connection),
            reached: None,
            packet,
        };
        self.visit(state, place, packet, |walker, at| {
            walker.decide(at, Decision::stated(Rule::ER_1));
            let declared = &document.connections[connection];
            walker.hop(at).via = Some(declared.id.clone());
            let Some(Entity::Gateway(gateway)) = topology.entity(&declared.virtual_network_gateway) else {
                return Next::End(Disposition::Dropped(DropReason::ConnectionDown(declared.id.clone())));
            };
            if declared.express_route_gateway_bypass
                && let Some(vnet) = walker.fast_path(gateway, packet.destination())
            {
                walker.decide(at, Decision::stated(Rule::ER_22));
                return Next::to(walker.deliver(vnet, packet));
            }
            Next::to(walker.gateway_in(gateway, None, packet))
        })
    }

    /// The network FastPath delivers to directly: the gateway's own, where its subnet has no user route and the
    /// destination is neither a private endpoint nor a Basic front end (ER-22, PE-7).
    fn fast_path(&self, gateway: usize, destination: IpAddr) -> Option<usize> {
        use super::super::hosts::Owner;
        let topology = self.world.topology;
        let document = topology.document();
        let declared = &document.virtual_network_gateways[gateway];
        let Some(Entity::VirtualNetwork(vnet)) = topology.entity(&declared.virtual_network) else {
            return None;
        };
        let table = &self.world.selection.tables[self.world.selection.of_gateway[vnet]];
        let has_route = table.route_table.is_some_and(|t| !document.route_tables[t].routes.is_empty());
        let own = document.virtual_networks[vnet].address_space.iter().any(|p| p.contains(&destination));
        let skipped = match self.world.hosts.owner(vnet, destination) {
            Some(Owner::PrivateEndpoint(_)) => true,
            Some(Owner::Frontend { balancer, .. }) => {
                document.load_balancers[balancer].sku == LoadBalancerSku::Basic
            }
            _ => false,
        };
        (own && !has_route && !skipped).then_some(vnet)
    }
}
