//! Lints over route tables: next hops, loops, bypasses, defaults, and what `GatewaySubnet` accepts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use super::{FindingCode, LISTED, Lint, SCAN, Severity, is_gateway_subnet, is_named, is_platform, list};
use crate::control_plane::{DomainOwner, Via};
use crate::model::{
    AddressPrefix, AzureFirewall, Entity, LoadBalancerSku, NetworkVirtualAppliance, ResourceId,
    RouteNextHopType, Snat, UserDefinedRoute, overlap,
};
use crate::resolve::{Owner, nic_subnet, primary_of};
use crate::rule::Rule;
use crate::selection::{CandidateState, LocalKind, SubnetTable};

/// What forwards behind a next hop address, as positions in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Device {
    Firewall(usize),
    Appliance(usize),
    /// An interface that no appliance lists: the first of its machine.
    Nic(usize),
}

/// How a next hop address is reached from a network.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reach {
    /// In this network or a direct peer, owned by something.
    Owned {
        vnet: usize,
        owner: Owner,
        global: bool,
    },
    /// In this network or a direct peer, owned by nothing.
    NotOwned(usize),
    NotConnected,
    /// The topology does not tell.
    Unknown,
}

/// A table with the route table that it is made from.
#[derive(Clone, Copy)]
pub(super) struct Bound<'n> {
    pub(super) table: &'n SubnetTable,
    pub(super) declared: &'n crate::model::RouteTable,
}

impl<'n> Bound<'n> {
    /// The user route that a packet for this prefix as a whole follows, if one does.
    pub(super) fn user_route(&self, prefix: &IpNet) -> Option<(IpNet, &'n UserDefinedRoute)> {
        let table = self.table;
        table.by_prefix.covering(prefix).into_iter().rev().find_map(|(at, here)| {
            let active =
                here.iter().map(|i| &table.locals[*i]).find(|l| l.state == CandidateState::Active)?;
            Some(match active.kind {
                LocalKind::User { route, .. } => self.declared.routes.get(route).map(|r| (at, r)),
                _ => None,
            })
        })?
    }

    /// The user route at exactly this prefix.
    pub(super) fn user_route_at(&self, prefix: &IpNet) -> Option<&'n UserDefinedRoute> {
        self.user_route(prefix).filter(|(at, _)| at == prefix).map(|(_, route)| route)
    }

    /// The longest user route that covers a prefix, whatever system rows stand between.
    pub(super) fn longest_user(&self, prefix: &IpNet) -> Option<(IpNet, &'n UserDefinedRoute)> {
        let table = self.table;
        table.by_prefix.covering(prefix).into_iter().rev().find_map(|(at, here)| {
            here.iter().map(|i| &table.locals[*i]).find_map(|l| match l.kind {
                LocalKind::User { route, .. } if l.state == CandidateState::Active => {
                    self.declared.routes.get(route).map(|r| (at, r))
                }
                _ => None,
            })
        })
    }

    /// Active user routes to appliances, with the prefix each stands at.
    pub(super) fn to_appliances(self) -> impl Iterator<Item = (IpNet, &'n UserDefinedRoute)> + use<'n> {
        let Self { table, declared } = self;
        table.locals.iter().filter_map(move |local| match local.kind {
            LocalKind::User { route, .. } if local.state == CandidateState::Active => {
                let route = declared.routes.get(route)?;
                route.next_hop_type.is_appliance().then_some((local.prefix, route))
            }
            _ => None,
        })
    }

    pub(super) fn route_id(&self, route: &UserDefinedRoute) -> ResourceId {
        self.declared.id.child("routes", &route.name)
    }
}

impl<'n> Lint<'n> {
    /// A table as a bound one; none where no route table is bound.
    pub(super) fn bound(&self, table: usize) -> Option<Bound<'n>> {
        let table = &self.selection.tables[table];
        Some(Bound { table, declared: self.document.route_tables.get(table.route_table?)? })
    }

    /// The device of an interface.
    pub(super) fn device_of_nic(&self, nic: usize) -> Device {
        if let Some(appliance) = self.hosts.appliance_of.get(&nic) {
            return Device::Appliance(*appliance);
        }
        let machine = self.document.network_interfaces[nic].virtual_machine.as_ref();
        let first = machine.and_then(|m| self.hosts.machines.get(m)).and_then(|nics| nics.first());
        Device::Nic(first.copied().unwrap_or(nic))
    }

    /// The interfaces of a device.
    pub(super) fn nics_of(&self, device: Device) -> Vec<usize> {
        match device {
            Device::Firewall(_) => Vec::new(),
            Device::Appliance(a) => {
                let ids = &self.document.network_virtual_appliances[a].network_interfaces;
                ids.iter()
                    .filter_map(|id| match self.topology.entity(id) {
                        Some(Entity::Nic(n)) => Some(n),
                        _ => None,
                    })
                    .collect()
            }
            Device::Nic(n) => {
                let machine = self.document.network_interfaces[n].virtual_machine.as_ref();
                machine.and_then(|m| self.hosts.machines.get(m)).cloned().unwrap_or_else(|| vec![n])
            }
        }
    }

    pub(super) fn device_id(&self, device: Device) -> &'n ResourceId {
        match device {
            Device::Firewall(f) => &self.document.azure_firewalls[f].id,
            Device::Appliance(a) => &self.document.network_virtual_appliances[a].id,
            Device::Nic(n) => {
                let nic = &self.document.network_interfaces[n];
                nic.virtual_machine.as_ref().unwrap_or(&nic.id)
            }
        }
    }

    fn declared(&self, device: Device) -> Option<&'n NetworkVirtualAppliance> {
        match device {
            Device::Appliance(a) => self.document.network_virtual_appliances.get(a),
            _ => None,
        }
    }

    fn firewall(&self, device: Device) -> Option<&'n AzureFirewall> {
        match device {
            Device::Firewall(f) => self.document.azure_firewalls.get(f),
            _ => None,
        }
    }

    /// Whether a device keeps flow state (WALK-10); what is not declared does.
    pub(super) fn is_stateful(&self, device: Device) -> bool {
        self.declared(device).is_none_or(|appliance| appliance.stateful)
    }

    /// Whether a device rewrites the source of packets for this private destination (WALK-8).
    fn rewrites_source(&self, device: Device, destination: &IpNet) -> bool {
        match self.firewall(device) {
            Some(firewall) => {
                let kept = &firewall.private_ranges;
                !kept.is_empty() && !kept.iter().any(|range| range.contains(destination))
            }
            None => self.declared(device).is_some_and(|appliance| appliance.snat == Snat::All),
        }
    }

    /// The interfaces behind a load balancer.
    pub(super) fn backends(&self, vnet: usize, balancer: usize) -> Vec<usize> {
        let backends = &self.document.load_balancers[balancer].backends;
        let found = backends.iter().filter_map(|backend| {
            let listed = backend.network_interface.as_ref().and_then(|id| self.topology.entity(id));
            match (listed, backend.ip_address) {
                (Some(Entity::Nic(n)), _) => Some(n),
                (_, Some(ip)) => match self.hosts.owner(vnet, ip) {
                    Some(Owner::Nic(n)) => Some(n),
                    _ => None,
                },
                _ => None,
            }
        });
        found.collect()
    }

    /// The interfaces that a next hop address leads to.
    pub(super) fn entered(&self, vnet: usize, owner: Owner) -> Vec<usize> {
        match owner {
            Owner::Nic(n) => vec![n],
            Owner::Frontend { balancer, .. } => self.backends(vnet, balancer),
            _ => Vec::new(),
        }
    }

    /// The devices that a next hop address leads to.
    pub(super) fn devices(&self, vnet: usize, owner: Owner) -> BTreeSet<Device> {
        match owner {
            Owner::Firewall(f) => BTreeSet::from([Device::Firewall(f)]),
            _ => self.entered(vnet, owner).into_iter().map(|n| self.device_of_nic(n)).collect(),
        }
    }

    /// The devices that a user route of a table leads to.
    pub(super) fn devices_of(&self, table: &SubnetTable, route: &UserDefinedRoute) -> BTreeSet<Device> {
        let hops = route.next_hop_ip_addresses.iter();
        hops.flat_map(|ip| match self.reach(table, *ip) {
            Reach::Owned { vnet, owner, .. } => self.devices(vnet, owner),
            _ => BTreeSet::new(),
        })
        .collect()
    }

    /// Who owns a next hop address in the network of a table or a direct peer of it (UDR-4).
    pub(super) fn reach(&self, table: &SubnetTable, ip: IpAddr) -> Reach {
        let mut target = None;
        for (_, here) in table.by_prefix.covering(&IpNet::from(ip)) {
            for i in here {
                match table.locals[*i].kind {
                    LocalKind::VnetLocal => target = Some((table.vnet, false)),
                    LocalKind::Peering { remote: Some(remote), global, .. } => {
                        target = target.or(Some((remote, global)));
                    }
                    LocalKind::Peering { remote: None, .. } | LocalKind::ConnectedGroup { .. } => {
                        return Reach::Unknown;
                    }
                    _ => {}
                }
            }
        }
        let Some((vnet, global)) = target else {
            let peerings = &self.document.virtual_networks[table.vnet].peerings;
            let unknown = peerings.iter().any(|half| {
                half.remote_address_space.is_empty() && self.vnet(&half.remote_virtual_network).is_none()
            });
            return if unknown { Reach::Unknown } else { Reach::NotConnected };
        };
        match self.hosts.owner(vnet, ip) {
            Some(owner) => Reach::Owned { vnet, owner, global },
            None => Reach::NotOwned(vnet),
        }
    }

    pub(super) fn routes(&mut self) {
        let addressless = self.addressless();
        let mut entered: BTreeSet<usize> = BTreeSet::new();
        let used: BTreeSet<usize> = self.selection.of_subnet.iter().flatten().copied().collect();
        for table in used {
            if let Some(bound) = self.bound(table) {
                self.next_hops(bound, &addressless, &mut entered);
            }
        }
        self.loops();
        self.bypassed();
        self.gateway_subnets();
        self.route_server_subnets();
        self.fail_open();
        self.private_endpoints();
        self.appliance_gates(&entered);
    }

    /// Networks that hold something whose address is not known, as templates have it.
    fn addressless(&self) -> BTreeSet<usize> {
        let document = self.document;
        let nics = document.network_interfaces.iter().flat_map(|nic| &nic.ip_configurations);
        let nics = nics.filter(|c| c.private_ip_address.is_none()).map(|c| &c.subnet);
        let frontends = document.load_balancers.iter().flat_map(|b| &b.frontend_ip_configurations);
        let frontends =
            frontends.filter(|f| f.private_ip_address.is_none()).filter_map(|f| f.subnet.as_ref());
        let firewalls = document.azure_firewalls.iter();
        let firewalls =
            firewalls.filter(|f| f.private_ip_address.is_none()).filter_map(|f| f.subnet.as_ref());
        let subnets = nics.chain(frontends).chain(firewalls);
        subnets
            .filter_map(|id| match self.topology.entity(id) {
                Some(Entity::Subnet(v, _)) => Some(v),
                _ => None,
            })
            .collect()
    }

    /// UDR-4, UDR-6, UDR-7, UDR-9, WALK-3, WALK-4, WALK-9, PEER-12. Collects the interfaces that default routes enter.
    fn next_hops(&mut self, bound: Bound<'n>, addressless: &BTreeSet<usize>, entered: &mut BTreeSet<usize>) {
        let table = bound.table;
        let mut reached: HashMap<IpAddr, Reach> = HashMap::new();
        for route in &bound.declared.routes {
            let id = bound.route_id(route);
            match route.next_hop_type {
                RouteNextHopType::VirtualNetworkGateway => self.gateway_next_hop(table, id),
                RouteNextHopType::VnetLocal => {
                    let AddressPrefix::Cidr(prefix) = &route.address_prefix else { continue };
                    let space = &self.document.virtual_networks[table.vnet].address_space;
                    if !space.iter().any(|own| own.contains(prefix)) {
                        let message =
                            format!("{prefix} is not inside the virtual network: what is outside drops");
                        let code = FindingCode::NotLocal;
                        self.add_in(table.vnet, code, Severity::Warning, id, Rule::UDR_9, message);
                    }
                }
                hop if hop.is_appliance() => {
                    let default =
                        matches!(&route.address_prefix, AddressPrefix::Cidr(p) if p.prefix_len() == 0);
                    for ip in &route.next_hop_ip_addresses {
                        let reach = *reached.entry(*ip).or_insert_with(|| self.reach(table, *ip));
                        self.appliance_next_hop(table.vnet, &id, *ip, reach, addressless);
                        if let (true, Reach::Owned { vnet, owner, .. }) = (default, reach) {
                            entered.extend(self.entered(vnet, owner));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn gateway_next_hop(&mut self, table: &SubnetTable, id: ResourceId) {
        let code = FindingCode::UnsupportedGatewayNextHop;
        let Some(subscription) = table.subscription else {
            let peerings = &self.document.virtual_networks[table.vnet].peerings;
            let unknown = peerings
                .iter()
                .any(|half| half.use_remote_gateways && self.vnet(&half.remote_virtual_network).is_none());
            if !unknown {
                let message = "the virtual network has no gateway: packets drop";
                self.add_in(table.vnet, code, Severity::Error, id, Rule::UDR_7, message);
            }
            return;
        };
        let domain = &self.plane.domains[subscription.domain];
        let designated = match domain.owner {
            DomainOwner::Hub(_) => "a hub router",
            _ if domain.route_server.is_some() => "a Route Server",
            _ if !domain.express_route.is_empty() => "an ExpressRoute gateway",
            _ => return,
        };
        let message = format!("the designated gateway is {designated}, only VPN is supported: packets drop");
        self.add_in(table.vnet, code, Severity::Error, id, Rule::UDR_6, message);
    }

    fn appliance_next_hop(
        &mut self,
        v: usize,
        id: &ResourceId,
        ip: IpAddr,
        reach: Reach,
        addressless: &BTreeSet<usize>,
    ) {
        let code = FindingCode::NextHopUnreachable;
        match reach {
            Reach::Unknown => {}
            Reach::NotConnected => {
                let message = format!("{ip} is neither in the virtual network nor in a direct peer of it");
                self.add_in(v, code, Severity::Error, id, Rule::UDR_4, message);
            }
            Reach::NotOwned(target) if addressless.contains(&target) => {}
            // Perhaps only left out of the export.
            Reach::NotOwned(target) => {
                let target = self.document.virtual_networks[target].id.name();
                let message = format!("nothing in `{target}` has the address {ip}");
                self.add_in(v, code, Severity::Warning, id, Rule::UDR_4, message);
            }
            Reach::Owned { owner: Owner::PrivateEndpoint(_) | Owner::RouteServer(_), .. } => {
                let message = format!("{ip} does not belong to an appliance");
                self.add_in(v, code, Severity::Error, id, Rule::UDR_4, message);
            }
            Reach::Owned { vnet, owner, global } => {
                if let Owner::Frontend { balancer, .. } = owner {
                    let balancer = &self.document.load_balancers[balancer];
                    if global && balancer.sku == LoadBalancerSku::Basic {
                        let message =
                            format!("{ip} is a front end of a Basic load balancer behind a global peering");
                        self.add_in(v, code, Severity::Error, id, Rule::PEER_12, message);
                    }
                    if balancer.backends.iter().all(|backend| backend.unhealthy) {
                        let message = format!("the load balancer at {ip} has no healthy backend");
                        self.add_in(v, code, Severity::Error, id, Rule::WALK_9, message);
                    }
                }
                for nic in self.entered(vnet, owner) {
                    let interface = &self.document.network_interfaces[nic];
                    if !interface.enable_ip_forwarding {
                        let message = format!("`{}` ({ip}) does not forward", interface.id.name());
                        let code = FindingCode::NoIpForwarding;
                        self.add_in(v, code, Severity::Error, id, Rule::WALK_3, message);
                    }
                    let device = self.device_of_nic(nic);
                    if self.declared(device).is_some_and(|appliance| !appliance.os_forwarding) {
                        let name = self.device_id(device).name();
                        let message = format!("the guest of `{name}` ({ip}) does not forward");
                        let code = FindingCode::NotForwardingOs;
                        self.add_in(v, code, Severity::Error, id, Rule::WALK_4, message);
                    }
                }
            }
        }
    }

    /// WALK-6: the table of the subnet by which an appliance sends leads back to the appliance. ARS-9: so does a default
    /// route that it injected itself.
    fn loops(&mut self) {
        let mut fronts: HashMap<usize, Vec<IpAddr>> = HashMap::new();
        for (b, balancer) in self.document.load_balancers.iter().enumerate() {
            for frontend in &balancer.frontend_ip_configurations {
                let (Some(ip), Some(subnet)) = (frontend.private_ip_address, &frontend.subnet) else {
                    continue;
                };
                let Some(Entity::Subnet(v, _)) = self.topology.entity(subnet) else { continue };
                for nic in self.backends(v, b) {
                    fronts.entry(nic).or_default().push(ip);
                }
            }
        }
        // Who sends from which subnet, and the addresses that lead back.
        let mut senders: BTreeMap<Device, (usize, usize, Vec<IpAddr>)> = BTreeMap::new();
        for (n, nic) in self.document.network_interfaces.iter().enumerate() {
            let device = self.device_of_nic(n);
            if !nic.enable_ip_forwarding || senders.contains_key(&device) {
                continue;
            }
            let nics = self.nics_of(device);
            let guided = self.declared(device).is_some_and(|appliance| !appliance.guest_routes.is_empty());
            if guided && nics.len() > 1 {
                continue;
            }
            let Some((v, s)) = primary_of(self.topology, &nics).and_then(|n| nic_subnet(self.topology, n))
            else {
                continue;
            };
            let mut addresses: Vec<IpAddr> = Vec::new();
            for n in nics {
                let configurations = &self.document.network_interfaces[n].ip_configurations;
                addresses.extend(configurations.iter().filter_map(|c| c.private_ip_address));
                addresses.extend(fronts.get(&n).into_iter().flatten());
            }
            senders.insert(device, (v, s, addresses));
        }
        for (f, firewall) in self.document.azure_firewalls.iter().enumerate() {
            if let Some(Entity::Subnet(v, s)) =
                firewall.subnet.as_ref().and_then(|id| self.topology.entity(id))
            {
                let addresses = firewall.private_ip_address.into_iter().collect();
                senders.insert(Device::Firewall(f), (v, s, addresses));
            }
        }
        let mut by_table: HashMap<usize, HashMap<IpAddr, (IpNet, &UserDefinedRoute)>> = HashMap::new();
        for (device, (v, s, addresses)) in senders {
            let table = self.selection.of_subnet[v][s];
            let name = self.device_id(device).name();
            if let Some(bound) = self.bound(table) {
                let hops = by_table.entry(table).or_insert_with(|| {
                    let mut hops = HashMap::new();
                    for (prefix, route) in bound.to_appliances() {
                        for ip in &route.next_hop_ip_addresses {
                            hops.entry(*ip).or_insert((prefix, route));
                        }
                    }
                    hops
                });
                if let Some((prefix, route)) = addresses.iter().find_map(|ip| hops.get(ip)).copied() {
                    let subnet = &self.document.virtual_networks[v].subnets[s].name;
                    let message =
                        format!("{prefix} leads from `{subnet}`, the subnet of `{name}`, back to `{name}`");
                    let (id, code) = (bound.route_id(route), FindingCode::ApplianceLoop);
                    self.add_in(v, code, Severity::Error, id, Rule::WALK_6, message);
                }
            }
            self.injected_loop(v, s, device, &addresses);
        }
    }

    fn injected_loop(&mut self, v: usize, s: usize, device: Device, addresses: &[IpAddr]) {
        for default in defaults() {
            let Some((domain, group)) = self.gateway_default(self.selection.of_subnet[v][s], &default) else {
                continue;
            };
            let offers = &self.plane.domains[domain].offers;
            let own = self.selection.gateways[domain].groups[group].members.iter().any(
                |o| matches!(&offers[*o].via, Via::RouteServer { next_hop } if addresses.contains(next_hop)),
            );
            if own {
                let subnet = self.subnet_id(v, s);
                let name = self.device_id(device).name();
                let message = format!(
                    "the default route that `{name}` gives the Route Server comes back to its own subnet"
                );
                self.add(FindingCode::ApplianceLoop, Severity::Error, subnet, Rule::ARS_9, message);
            }
        }
    }

    /// The Active default route of a table where it is a gateway's: its domain and group there.
    fn gateway_default(&self, table: usize, default: &IpNet) -> Option<(usize, usize)> {
        let table = &self.selection.tables[table];
        let domain = table.subscription?.domain;
        let group = *self.selection.gateways[domain].by_prefix.get(default)?;
        let overridden = table.by_prefix.get(default).into_iter().flatten().any(|i| {
            let local = &table.locals[*i];
            matches!(local.kind, LocalKind::User { .. }) && local.state == CandidateState::Active
        });
        let taken = !overridden && table.gateway_refusal(default).is_none();
        taken.then_some((domain, usize::try_from(group).ok()?))
    }

    /// SEL-9: gateway routes strictly inside a route to an appliance. A default route is left out: more specific routes
    /// are what it is the default of.
    fn bypassed(&mut self) {
        let mut used: BTreeSet<usize> = BTreeSet::new();
        for (v, s, subnet) in self.subnets() {
            if !is_gateway_subnet(subnet) {
                used.insert(self.selection.of_subnet[v][s]);
            }
        }
        for at in used {
            let Some(bound) = self.bound(at) else { continue };
            let table = bound.table;
            let Some(subscription) = table.subscription.filter(|_| table.propagation) else { continue };
            let gateway = &self.selection.gateways[subscription.domain];
            for (prefix, route) in bound.to_appliances() {
                if prefix.prefix_len() == 0 {
                    continue;
                }
                let mut past: Vec<IpNet> = Vec::new();
                for (inner, group) in gateway.by_prefix.children(&prefix).take(SCAN) {
                    let by_appliance = usize::try_from(*group).ok().is_some_and(|group| {
                        let hops = &gateway.groups[group].next_hops;
                        !hops.is_empty() && hops.iter().all(|ip| route.next_hop_ip_addresses.contains(ip))
                    });
                    let bypasses = inner != prefix
                        && !by_appliance
                        && table.gateway_refusal(&inner).is_none()
                        && bound.longest_user(&inner).is_some_and(|(at, _)| at == prefix);
                    if bypasses {
                        past.push(inner);
                        if past.len() > LISTED {
                            break;
                        }
                    }
                }
                if !past.is_empty() {
                    let more = if past.len() > LISTED { " and more" } else { "" };
                    let message = format!(
                        "{prefix} leads to an appliance, but the gateway's {}{more} inside it are longer: their \
                         traffic does not pass the appliance",
                        list(past.iter().take(LISTED))
                    );
                    let (id, code) = (bound.route_id(route), FindingCode::UdrBypassedByBgp);
                    self.add_in(table.vnet, code, Severity::Warning, id, Rule::SEL_9, message);
                }
            }
        }
    }

    /// UDR-12, UDR-13, OUT-2.
    fn gateway_subnets(&mut self) {
        for (v, s, subnet) in self.subnets() {
            if !is_gateway_subnet(subnet) {
                continue;
            }
            let id = self.subnet_id(v, s);
            if subnet.network_security_group.is_some() {
                let (code, message) =
                    (FindingCode::GatewaySubnetSecurityGroup, "security groups are not supported here");
                self.add(code, Severity::Error, &id, Rule::UDR_12, message);
            }
            if subnet.nat_gateway.is_some() {
                let (code, message) =
                    (FindingCode::GatewaySubnetNatGateway, "NAT gateways are not supported here");
                self.add(code, Severity::Error, &id, Rule::OUT_2, message);
            }
            let Some(bound) = self.bound(self.selection.of_subnet[v][s]) else { continue };
            let name = bound.declared.id.name();
            if bound.declared.disable_bgp_route_propagation {
                let message = format!("`{name}` switches gateway routes off, which breaks the gateway");
                let code = FindingCode::GatewaySubnetPropagationDisabled;
                self.add(code, Severity::Error, &id, Rule::UDR_12, message);
            }
            for route in &bound.declared.routes {
                if let AddressPrefix::Cidr(prefix) = &route.address_prefix
                    && prefix.prefix_len() == 0
                {
                    let message =
                        format!("route `{}` of `{name}` for {prefix} is not supported here", route.name);
                    let code = FindingCode::GatewaySubnetDefaultRoute;
                    self.add(code, Severity::Error, &id, Rule::UDR_12, message);
                }
            }
            self.diverted(bound, v, s, "the `GatewaySubnet`");
            let gateways = self.document.virtual_network_gateways.iter();
            let public: Vec<IpAddr> = gateways
                .filter(|g| self.vnet(&g.virtual_network) == Some(v))
                .flat_map(|g| &g.public_ip_addresses)
                .filter_map(|id| match self.topology.entity(id) {
                    Some(Entity::PublicIp(i)) => self.document.public_ip_addresses[i].ip_address,
                    _ => None,
                })
                .collect();
            for ip in public {
                if let Some((prefix, route)) = bound.user_route(&IpNet::from(ip))
                    && prefix.prefix_len() > 0
                    && route.next_hop_type != RouteNextHopType::Internet
                {
                    let message = format!("{prefix} takes traffic for the gateway's own address {ip} away");
                    let (id, code) = (bound.route_id(route), FindingCode::ControlTrafficDiverted);
                    self.add_in(v, code, Severity::Warning, id, Rule::UDR_13, message);
                }
            }
        }
    }

    /// A user route that takes traffic for a subnet of the network, or a part of it, somewhere else.
    fn diverted(&mut self, bound: Bound<'n>, v: usize, s: usize, what: &str) {
        for own in &self.document.virtual_networks[v].subnets[s].address_prefixes {
            let around = bound.user_route(own);
            let inside = bound.declared.routes.iter().filter_map(|route| match &route.address_prefix {
                AddressPrefix::Cidr(prefix) if own.contains(prefix) => Some((*prefix, route)),
                _ => None,
            });
            let first = around
                .into_iter()
                .chain(inside)
                .find(|(_, route)| route.next_hop_type != RouteNextHopType::VnetLocal);
            if let Some((prefix, route)) = first
                && overlap(&prefix, own)
                && prefix.prefix_len() > 0
            {
                let message = format!(
                    "{prefix} takes traffic for {what} ({own}) away; a `VnetLocal` route for {own} keeps it"
                );
                let (id, code) = (bound.route_id(route), FindingCode::ControlTrafficDiverted);
                self.add_in(v, code, Severity::Warning, id, Rule::UDR_13, message);
            }
        }
    }

    /// UDR-13 beside a Route Server: the tables of its peers' subnets and of `GatewaySubnet` leave it reachable.
    fn route_server_subnets(&mut self) {
        for server in &self.document.route_servers {
            let Some(v) = self.vnet(&server.virtual_network) else { continue };
            let subnets = &self.document.virtual_networks[v].subnets;
            let Some(own) = subnets.iter().position(|s| is_named(s, "RouteServerSubnet")) else { continue };
            let mut tables: BTreeSet<usize> = subnets
                .iter()
                .zip(&self.selection.of_subnet[v])
                .filter(|(subnet, _)| is_gateway_subnet(subnet))
                .map(|(_, table)| *table)
                .collect();
            for peer in &server.bgp_connections {
                if let Some(Owner::Nic(n)) = self.hosts.owner(v, peer.peer_ip)
                    && let Some((v, s)) = nic_subnet(self.topology, n)
                {
                    tables.insert(self.selection.of_subnet[v][s]);
                }
            }
            for table in tables {
                if let Some(bound) = self.bound(table) {
                    self.diverted(bound, v, own, "the `RouteServerSubnet`");
                }
            }
        }
    }

    /// FT-9: the Active default is a gateway's, and no security group keeps packets from the Internet when it is gone.
    fn fail_open(&mut self) {
        for (v, s, subnet) in self.subnets() {
            if is_platform(subnet) {
                continue;
            }
            for default in defaults() {
                if self.gateway_default(self.selection.of_subnet[v][s], &default).is_none()
                    || self.keeps_from_internet(v, s, &default)
                {
                    continue;
                }
                let message = format!(
                    "{default} comes from a gateway; if it is withdrawn, packets leave for the Internet: no \
                     security group denies it"
                );
                let id = self.subnet_id(v, s);
                self.add(FindingCode::FailOpenDefault, Severity::Warning, id, Rule::FT_9, message);
            }
        }
    }

    /// PE-6: clients reach an endpoint past an appliance that keeps the source, and the endpoint answers past it.
    fn private_endpoints(&mut self) {
        let mut endpoints: crate::prefix_table::PrefixTable<Vec<(usize, usize)>> = Default::default();
        // The table of an unbound subnet lists the addresses, those of interfaces too.
        for (v, unbound) in self.selection.unbound.iter().enumerate() {
            for local in &self.selection.tables[*unbound].locals {
                let LocalKind::PrivateEndpoint { endpoint } = local.kind else { continue };
                let subnet = self.topology.entity(&self.document.private_endpoints[endpoint].subnet);
                let Some(Entity::Subnet(own, s)) = subnet else { continue };
                let policies =
                    self.document.virtual_networks[own].subnets[s].private_endpoint_network_policies;
                let passed = policies.route_tables_apply() && self.topology.era().private_endpoint_policies();
                if own == v && !passed {
                    endpoints.entry(local.prefix).push((v, endpoint));
                }
            }
        }
        if endpoints.len() == 0 {
            return;
        }
        let used: BTreeSet<usize> = self.selection.of_subnet.iter().flatten().copied().collect();
        for at in used {
            let Some(bound) = self.bound(at) else { continue };
            for (prefix, route) in bound.to_appliances() {
                if prefix.prefix_len() == 0 {
                    continue;
                }
                for (host, here) in endpoints.children(&prefix).take(LISTED) {
                    for (v, e) in here {
                        if bound.longest_user(&host).is_some_and(|(at, _)| at == prefix) {
                            self.past_appliance(bound, route, &host, *v, *e);
                        }
                    }
                }
            }
        }
    }

    fn past_appliance(
        &mut self,
        bound: Bound<'n>,
        route: &UserDefinedRoute,
        host: &IpNet,
        v: usize,
        e: usize,
    ) {
        let sees = |table: &SubnetTable| {
            table.by_prefix.get(host).into_iter().flatten().find_map(|i| {
                let local = &table.locals[*i];
                matches!(local.kind, LocalKind::PrivateEndpoint { endpoint } if endpoint == e)
                    .then_some(local.state)
            })
        };
        let here = sees(bound.table);
        // Where the host route is Active, the packet goes straight to the endpoint.
        if here == Some(CandidateState::Active) || (here.is_none() && bound.user_route(host).is_none()) {
            return;
        }
        for device in self.devices_of(bound.table, route) {
            let subnet = match device {
                Device::Firewall(f) => {
                    match self.document.azure_firewalls[f].subnet.as_ref().map(|id| self.topology.entity(id))
                    {
                        Some(Some(Entity::Subnet(v, s))) => Some((v, s)),
                        _ => None,
                    }
                }
                _ => self.nics_of(device).first().and_then(|n| nic_subnet(self.topology, *n)),
            };
            // The appliance must see the endpoint, else the packet goes elsewhere (PE-2).
            let passes = subnet.is_some_and(|(at, s)| {
                at == v || sees(&self.selection.tables[self.selection.of_subnet[at][s]]).is_some()
            });
            if passes && self.is_stateful(device) && !self.rewrites_source(device, host) {
                let endpoint = self.document.private_endpoints[e].id.name();
                let message = format!(
                    "`{}` keeps the source of packets for the private endpoint `{endpoint}` ({}), whose replies \
                     do not pass it",
                    self.device_id(device).name(),
                    host.addr()
                );
                let (id, code) = (bound.route_id(route), FindingCode::AsymmetricNeedsSnat);
                self.add_in(bound.table.vnet, code, Severity::Warning, id, Rule::PE_6, message);
            }
        }
    }
}

/// The default routes of both families.
pub(super) fn defaults() -> impl Iterator<Item = IpNet> {
    ["0.0.0.0/0", "::/0"].into_iter().filter_map(|text| text.parse().ok())
}
