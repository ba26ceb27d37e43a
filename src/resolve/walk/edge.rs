//! Steps at Microsoft's public edge: out of Azure by the `Internet` next hop, in by public addresses, and from services
//! and the Internet to customers.

use std::net::IpAddr;

use super::super::answer::{Disposition, DropReason, Egress, Next, Place, SnatIdentity};
use super::super::hosts::{Start, nic_address, nics_of};
use super::super::public::{EdgeWay, PublicOwner, least_address};
use super::super::question::{Leg, Protocol};
use super::azure::{Rewrite, rewrite};
use super::{Packet, Sender, State, Walker, World};
use crate::model::is_private_address;
use crate::model::{Entity, LinkRole, PRIVATE_SUBNETS_DEFAULT, PeeringType};
use crate::rule::{Decision, Rule};

impl Walker<'_> {
    /// Out by the `Internet` next hop: whose address it carries (OUT-1 to OUT-5), and by which edge (SYS-8, MSP-13).
    pub(super) fn internet(
        &mut self,
        at: usize,
        vnet: usize,
        subnet: usize,
        sender: Sender,
        forwarding: bool,
        packet: Packet,
    ) -> Next {
        let topology = self.world.topology;
        let document = topology.document();
        let destination = packet.destination();
        if destination.is_ipv6() && is_private_address(destination) {
            return self.drop_at(at, DropReason::NoRoute, Decision::stated(Rule::V6_2));
        }
        if forwarding {
            let reason = DropReason::PrivateSourceToInternet;
            return self.drop_at(at, reason, Decision::decided(Rule::WALK_8));
        }
        let Some(identity) = identity(self.world, vnet, subnet, sender, destination.is_ipv4()) else {
            return self.drop_at(at, DropReason::NoOutboundMethod, Decision::stated(Rule::OUT_4));
        };
        let carried = |flow: super::FlowKey| matches!(flow.protocol, Protocol::Tcp | Protocol::Udp);
        if identity == SnatIdentity::NatGateway && !packet.flow.is_none_or(carried) {
            return self.drop_at(at, DropReason::NoOutboundMethod, Decision::stated(Rule::OUT_2));
        }
        self.decide(at, Decision::stated(Rule::OUT_1));
        let tenant = document.virtual_networks[vnet].tenant.as_deref();
        if packet.leg == Leg::Reply {
            return self.customer_bound(at, tenant, identity, packet);
        }
        if let Some(ways) = self.customer_edges(at, tenant, packet) {
            return self.fan(at, packet, ways, |walker, way| {
                let egress = Disposition::Egress(way.egress(walker.world));
                let decided = [Decision::decided(Rule::MSP_13)];
                let end = walker.end(way.place(walker.world), packet, egress, &decided);
                walker.hop(end).encrypted = document.express_route_circuits[way.circuit].macsec;
                Next::to(end)
            });
        }
        self.internet_edge(identity, packet)
    }

    /// The end of a packet that leaves Azure for the Internet, or for a service on the backbone (SYS-8).
    fn internet_edge(&mut self, identity: SnatIdentity, packet: Packet) -> Next {
        let (egress, decisions) = if self.world.edge.is_tagged(packet.destination()) {
            (Egress::MicrosoftBackbone(identity), vec![Decision::stated(Rule::SYS_8)])
        } else {
            (Egress::Internet(identity), vec![])
        };
        Next::to(self.end(Place::InternetEdge, packet, Disposition::Egress(egress), &decisions))
    }

    /// The ways over circuits by which Microsoft's edge sends to a customer: the longest prefix across ExpressRoute and
    /// the Internet, ExpressRoute at equal length, then the shortest path, then all of equal ones (MSP-7). None where
    /// the Internet leads there.
    fn customer_edges(&mut self, at: usize, tenant: Option<&str>, packet: Packet) -> Option<Vec<EdgeWay>> {
        let world = self.world;
        let destination = packet.destination();
        // A flow of public peering knows its session by the address that Microsoft's translation gave it (PUB-4).
        if let Some((circuit, link)) = self.session {
            self.decide(at, Decision::stated(Rule::PUB_3));
            return Some(vec![EdgeWay { circuit, link, peering: PeeringType::AzurePublicPeering }]);
        }
        let reply = packet.leg == Leg::Reply;
        let (length, ways) = world.edge.circuits(world.topology, world.plane, tenant, destination, reply)?;
        let by_internet = world.edge.internet_length(world.topology, tenant, destination);
        if by_internet.is_some() {
            self.decide(at, Decision::stated(Rule::MSP_7));
        }
        by_internet.is_none_or(|internet| internet <= length).then_some(ways)
    }

    /// From Microsoft's edge into a customer's network, by a circuit or by the Internet.
    pub(super) fn customer_bound(
        &mut self,
        at: usize,
        tenant: Option<&str>,
        identity: SnatIdentity,
        packet: Packet,
    ) -> Next {
        // Back to a translation of this same edge: it never leaves.
        if self.undo.is_some_and(|undo| undo.seen == packet.destination())
            && let Some(node) = self.inside(tenant, packet)
        {
            return Next::to(node);
        }
        if let Some(ways) = self.customer_edges(at, tenant, packet) {
            return self.fan(at, packet, ways, |walker, way| Next::to(walker.customer_out(way, packet)));
        }
        let world = self.world;
        let sites = world.edge.internet_sites(world.topology, tenant, packet.destination());
        match sites {
            Some((_, sites)) if !world.edge.is_tagged(packet.destination()) => {
                Next::to(self.internet_into_sites(tenant, sites, packet))
            }
            _ => self.internet_edge(identity, packet),
        }
    }

    /// Out over one link of a circuit's public or Microsoft peering, to the customer's routers.
    fn customer_out(&mut self, way: EdgeWay, packet: Packet) -> usize {
        let document = self.world.topology.document();
        let declared = &document.express_route_circuits[way.circuit];
        let EdgeWay { circuit, link, peering } = way;
        let state = State::Msee { circuit, link, peering, inbound: false, to: None, reached: None, packet };
        self.visit(state, way.place(self.world), packet, |walker, at| {
            let rule = match peering {
                PeeringType::AzurePublicPeering => Rule::PUB_3,
                _ => Rule::MSP_2,
            };
            walker.decide(at, Decision::stated(rule));
            walker.hop(at).encrypted = declared.macsec;
            let on_premises = &walker.world.plane.on_premises;
            let entry =
                on_premises.circuit_entry((circuit, &declared.id), peering, link, packet.destination());
            if entry.is_empty() {
                return Next::End(Disposition::Egress(way.egress(walker.world)));
            }
            walker.routers(at, entry, declared.tenant.clone(), packet)
        })
    }

    /// Over the Internet to the sites that it leads to for the destination.
    fn internet_into_sites(&mut self, tenant: Option<&str>, sites: Vec<usize>, packet: Packet) -> usize {
        let tenant = tenant.map(str::to_owned);
        let state = State::InternetEdge { inbound: false, tenant: tenant.clone(), packet };
        self.visit(state, Place::InternetEdge, packet, |walker, at| {
            let by_site = &walker.world.plane.on_premises.by_site;
            let entry = sites.iter().flat_map(|s| by_site[*s].iter().copied()).collect();
            walker.routers(at, entry, tenant, packet)
        })
    }

    /// A Microsoft service sends: to a public address of Azure over the backbone, to a customer's by MSP-7.
    pub(super) fn service(&mut self, name: Option<String>, tenant: Option<String>, packet: Packet) -> usize {
        let state = State::Outside { service: true, tenant: tenant.clone(), packet };
        self.visit(state, Place::Service(name), packet, |walker, at| {
            if let Some(node) = walker.inside(tenant.as_deref(), packet) {
                return Next::to(node);
            }
            if is_private_address(packet.destination()) {
                return walker.drop_at(at, DropReason::NoRoute, Decision::stated(Rule::MSP_1));
            }
            walker.customer_bound(at, tenant.as_deref(), SnatIdentity::Unchanged, packet)
        })
    }

    /// A host on the Internet sends: it never enters by a circuit.
    pub(super) fn internet_host(&mut self, tenant: Option<String>, packet: Packet) -> usize {
        let state = State::Outside { service: false, tenant: tenant.clone(), packet };
        self.visit(state, Place::Internet, packet, |walker, at| {
            let tenant = tenant.as_deref();
            if let Some(node) = walker.internet_in(tenant, packet) {
                return Next::to(node);
            }
            let world = walker.world;
            match world.edge.internet_sites(world.topology, tenant, packet.destination()) {
                Some((_, sites)) => {
                    let by_site = &world.plane.on_premises.by_site;
                    let entry = sites.iter().flat_map(|s| by_site[*s].iter().copied()).collect();
                    walker.routers(at, entry, tenant.map(str::to_owned), packet)
                }
                None => Next::End(Disposition::Dropped(DropReason::NoRoute)),
            }
        })
    }

    /// A reply leaves where its flow came in by public peering (PUB-3).
    pub(super) fn returns_over_public_peering(&mut self, circuit: usize, link: LinkRole, packet: Packet) {
        self.customer_out(EdgeWay { circuit, link, peering: PeeringType::AzurePublicPeering }, packet);
    }

    /// A customer's packet comes in over public or Microsoft peering: to a public address of Azure, else to a service.
    pub(super) fn customer_in(&mut self, way: EdgeWay, tenant: Option<&str>, packet: Packet) -> usize {
        let EdgeWay { circuit, link, peering } = way;
        let state = State::Msee { circuit, link, peering, inbound: true, to: None, reached: None, packet };
        self.visit(state, way.place(self.world), packet, |walker, at| {
            let rule = match peering {
                PeeringType::AzurePublicPeering => Rule::PUB_2,
                _ => Rule::MSP_1,
            };
            walker.decide(at, Decision::stated(rule));
            match walker.inside(tenant, packet) {
                Some(node) => Next::to(node),
                None => Next::End(Disposition::Egress(way.egress(walker.world))),
            }
        })
    }

    /// Over the Internet to a public address of Azure; none where the address is not one that the topology knows.
    pub(super) fn internet_in(&mut self, tenant: Option<&str>, packet: Packet) -> Option<usize> {
        self.leads_inside(tenant, packet).then(|| {
            let state = State::InternetEdge { inbound: true, tenant: tenant.map(str::to_owned), packet };
            self.visit(state, Place::InternetEdge, packet, |walker, _| {
                walker.inside(tenant, packet).map_or(Next::End(Disposition::HopLimit), Next::to)
            })
        })
    }

    /// Whether a site itself is where the Internet leads for an address.
    pub(super) fn announces(&self, site: usize, tenant: Option<&str>, destination: IpAddr) -> bool {
        let found = self.world.edge.internet_sites(self.world.topology, tenant, destination);
        found.is_some_and(|(_, sites)| sites.contains(&site))
    }

    fn leads_inside(&self, tenant: Option<&str>, packet: Packet) -> bool {
        let undone = self.undo.is_some_and(|undo| undo.seen == packet.destination());
        undone || self.world.edge.owner(self.world.topology, packet.destination(), tenant).is_some()
    }

    /// From Microsoft's edge to who has a public address: the reply's receiver behind the translation, an interface, a
    /// load balancer's backends, a firewall, a gateway. Security groups see the address behind it (NSG-5).
    fn inside(&mut self, tenant: Option<&str>, packet: Packet) -> Option<usize> {
        let topology = self.world.topology;
        let document = topology.document();
        let mut inner = packet;
        if let Some(undo) = self.undo.filter(|undo| undo.seen == packet.destination()) {
            inner.header.destination = undo.behind;
            return Some(self.deliver(undo.vnet, inner));
        }
        Some(match self.world.edge.owner(topology, packet.destination(), tenant)? {
            PublicOwner::Nic { nic, address } => {
                inner.header.destination = address;
                self.arrive_host(nic, inner)
            }
            PublicOwner::Frontend { balancer, frontend } => self.public_front_end(balancer, frontend, packet),
            PublicOwner::Firewall(firewall) => {
                let declared = &document.azure_firewalls[firewall];
                if packet.leg == Leg::Initiate && matches!(rewrite(&declared.dnat, packet), Rewrite::Kept) {
                    let place = Place::Appliance { id: declared.id.clone(), interface: None };
                    let denied = DropReason::DeniedByAppliance(declared.id.clone());
                    let decided = [Decision::decided(Rule::WALK_8)];
                    return Some(self.end(place, packet, Disposition::Dropped(denied), &decided));
                }
                self.arrive_firewall(firewall, packet)
            }
            PublicOwner::Gateway(gateway) => {
                let place = Place::Gateway(document.virtual_network_gateways[gateway].id.clone());
                self.end(place.clone(), packet, Disposition::Delivered(place), &[])
            }
        })
    }

    /// A public front end: one of the healthy backends that are interfaces (WALK-9). Which port goes where is not
    /// modelled.
    fn public_front_end(&mut self, balancer: usize, frontend: usize, packet: Packet) -> usize {
        let topology = self.world.topology;
        let document = topology.document();
        let declared = &document.load_balancers[balancer];
        let place = Place::LoadBalancer(declared.id.clone());
        let state = State::Balancer { balancer, frontend, forward: false, packet };
        self.visit(state, place, packet, |walker, at| {
            walker.decide(at, Decision::stated(Rule::WALK_9));
            let healthy = declared.backends.iter().filter(|backend| !backend.unhealthy);
            let ids: Vec<_> = healthy.filter_map(|backend| backend.network_interface.clone()).collect();
            let mut nics = nics_of(topology, &ids);
            let interfaces = &document.network_interfaces;
            nics.sort_by(|a, b| interfaces[*a].id.cmp(&interfaces[*b].id));
            nics.dedup();
            if nics.is_empty() {
                let reason = DropReason::NoHealthyBackend(declared.id.clone());
                return walker.drop_at(at, reason, Decision::stated(Rule::WALK_9));
            }
            walker.fan(at, packet, nics, |walker, nic| {
                let mut inner = packet;
                let own = nic_address(topology, nic, packet.destination().is_ipv4());
                inner.header.destination = own.unwrap_or(packet.destination());
                Next::to(walker.arrive_host(nic, inner))
            })
        })
    }
}

impl EdgeWay {
    fn place(self, world: &World<'_>) -> Place {
        let circuit = world.topology.document().express_route_circuits[self.circuit].id.clone();
        Place::Msee { circuit, link: self.link, peering: self.peering }
    }

    fn egress(self, world: &World<'_>) -> Egress {
        let circuit = world.topology.document().express_route_circuits[self.circuit].id.clone();
        match self.peering {
            PeeringType::AzurePublicPeering => Egress::PublicPeering(circuit),
            _ => Egress::MicrosoftPeering(circuit),
        }
    }
}

/// Whose address a packet of a subnet carries outside (OUT-1); none for a private subnet without any (OUT-4).
fn identity(world: &World<'_>, vnet: usize, subnet: usize, sender: Sender, v4: bool) -> Option<SnatIdentity> {
    let document = world.topology.document();
    let network = &document.virtual_networks[vnet];
    let declared = &network.subnets[subnet];
    let nic = match sender {
        Sender::Nic(nic) => Some(nic),
        _ => None,
    };
    let public_ip = nic.is_some_and(|n| {
        document.network_interfaces[n].ip_configurations.iter().any(|c| {
            c.public_ip_address.is_some() && c.private_ip_address.is_none_or(|ip| ip.is_ipv4() == v4)
        })
    });
    let private_subnet = match declared.default_outbound_access {
        Some(access) => !access,
        None => network.created.is_some_and(|day| day > PRIVATE_SUBNETS_DEFAULT),
    };
    if matches!(sender, Sender::Firewall(_)) {
        Some(SnatIdentity::Firewall)
    } else if declared.nat_gateway.is_some() {
        Some(SnatIdentity::NatGateway)
    } else if public_ip {
        Some(SnatIdentity::PublicIp)
    } else if nic.is_some_and(|n| world.hosts.outbound.contains_key(&n)) {
        Some(SnatIdentity::LbRule)
    } else if private_subnet {
        None
    } else if v4 {
        Some(SnatIdentity::DefaultOutbound)
    } else {
        Some(SnatIdentity::Unchanged)
    }
}

/// The network that a packet leaves Azure from, and the address by which the outside sees it, where that is declared.
pub(in super::super) fn seen_as(
    world: &World<'_>,
    start: Start,
    source: IpAddr,
) -> Option<(usize, Option<IpAddr>)> {
    let topology = world.topology;
    let document = topology.document();
    let (vnet, subnet, sender) = match start {
        Start::Nic { nic, vnet, subnet } => (vnet, subnet, Sender::Nic(nic)),
        Start::Subnet { vnet, subnet } => (vnet, subnet, Sender::Host),
        Start::Firewall { firewall, vnet, subnet } => (vnet, subnet, Sender::Firewall(firewall)),
        Start::PrivateEndpoint { endpoint, vnet, subnet } => {
            (vnet, subnet, Sender::PrivateEndpoint(endpoint))
        }
        _ => return None,
    };
    let v4 = source.is_ipv4();
    let seen = match (identity(world, vnet, subnet, sender, v4)?, sender) {
        (SnatIdentity::Firewall, Sender::Firewall(f)) => {
            least_address(topology, &document.azure_firewalls[f].public_ip_addresses, v4)
        }
        (SnatIdentity::NatGateway, _) => {
            let gateway = document.virtual_networks[vnet].subnets[subnet].nat_gateway.as_ref();
            match gateway.and_then(|id| topology.entity(id)) {
                Some(Entity::NatGateway(n)) => {
                    least_address(topology, &document.nat_gateways[n].public_ip_addresses, v4)
                }
                _ => None,
            }
        }
        (SnatIdentity::PublicIp, Sender::Nic(nic)) => {
            let configurations = document.network_interfaces[nic].ip_configurations.iter();
            let own = configurations.clone().filter(|c| c.private_ip_address == Some(source));
            let any = configurations.filter(|c| c.private_ip_address != Some(source));
            own.chain(any).find_map(|c| least_address(topology, &c.public_ip_address, v4))
        }
        (SnatIdentity::LbRule, Sender::Nic(nic)) => {
            let frontends = world.hosts.outbound.get(&nic).map(|b| &document.load_balancers[*b]);
            let frontends = frontends.into_iter().flat_map(|b| &b.frontend_ip_configurations);
            least_address(topology, frontends.filter_map(|f| f.public_ip_address.as_ref()), v4)
        }
        (SnatIdentity::Unchanged, _) => Some(source),
        _ => None,
    };
    Some((vnet, seen))
}
