//! Who owns an address in a virtual network, and where a question may start.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::ResolveError;
use super::question::Source;
use crate::model::is_private_address;
use crate::model::{Entity, ResourceId, Topology};
use crate::prefix_table::PrefixTable;

/// What owns an address inside a virtual network, as positions in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    Nic(usize),
    Frontend { balancer: usize, frontend: usize },
    Firewall(usize),
    PrivateEndpoint(usize),
    Gateway(usize),
    RouteServer(usize),
}

/// Owners by virtual network and address, and appliances by interface.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    owners: HashMap<(usize, IpAddr), Owner>,
    /// Virtual networks by prefix of their space, for questions that start from an address.
    spaces: PrefixTable<Vec<usize>>,
    /// Sites by prefix, and routers by address with their sites.
    sites: PrefixTable<Vec<usize>>,
    routers: HashMap<IpAddr, Vec<(usize, usize)>>,
    /// The declared appliance of an interface.
    pub(crate) appliance_of: HashMap<usize, usize>,
    /// Interfaces by virtual machine.
    pub(crate) machines: HashMap<ResourceId, Vec<usize>>,
    /// Load balancers with outbound rules, by backend interface.
    pub(crate) outbound: HashMap<usize, usize>,
    /// Every id that may be asked from, and where it stands: by the whole id, and by its last segment in lower case.
    positions: Vec<ResourceId>,
    by_id: HashMap<ResourceId, usize>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Hosts {
    pub(crate) fn new(topology: &Topology) -> Self {
        let mut hosts = Self::default();
        let document = topology.document();
        for (a, appliance) in document.network_virtual_appliances.iter().enumerate() {
            for id in &appliance.network_interfaces {
                if let Some(Entity::Nic(n)) = topology.entity(id) {
                    hosts.appliance_of.entry(n).or_insert(a);
                }
            }
        }
        for (b, balancer) in document.load_balancers.iter().enumerate() {
            for (f, frontend) in balancer.frontend_ip_configurations.iter().enumerate() {
                if let (Some(ip), Some(subnet)) = (frontend.private_ip_address, &frontend.subnet) {
                    hosts.own(topology, subnet, ip, Owner::Frontend { balancer: b, frontend: f });
                }
            }
            for backend in balancer.backends.iter().filter(|_| balancer.outbound) {
                if let Some(Entity::Nic(n)) =
                    backend.network_interface.as_ref().and_then(|id| topology.entity(id))
                {
                    hosts.outbound.entry(n).or_insert(b);
                }
            }
        }
        for (e, endpoint) in document.private_endpoints.iter().enumerate() {
            for ip in &endpoint.private_ip_addresses {
                hosts.own(topology, &endpoint.subnet, *ip, Owner::PrivateEndpoint(e));
            }
        }
        let mut endpoints: HashMap<&ResourceId, usize> = HashMap::new();
        let mut endpoint_of: HashMap<&ResourceId, usize> = HashMap::new();
        for (e, endpoint) in document.private_endpoints.iter().enumerate() {
            endpoints.entry(&endpoint.id).or_insert(e);
            for nic in &endpoint.network_interfaces {
                endpoint_of.entry(nic).or_insert(e);
            }
        }
        for (n, nic) in document.network_interfaces.iter().enumerate() {
            let named = nic.private_endpoint.as_ref().and_then(|id| endpoints.get(id));
            let endpoint = named.or_else(|| endpoint_of.get(&nic.id)).copied();
            let owner = endpoint.map_or(Owner::Nic(n), Owner::PrivateEndpoint);
            for configuration in &nic.ip_configurations {
                if let Some(ip) = configuration.private_ip_address {
                    hosts.own(topology, &configuration.subnet, ip, owner);
                }
            }
        }
        for (f, firewall) in document.azure_firewalls.iter().enumerate() {
            if let (Some(subnet), Some(ip)) = (&firewall.subnet, firewall.private_ip_address) {
                hosts.own(topology, subnet, ip, Owner::Firewall(f));
            }
        }
        for (g, gateway) in document.virtual_network_gateways.iter().enumerate() {
            if let Some(Entity::VirtualNetwork(v)) = topology.entity(&gateway.virtual_network) {
                for ip in &gateway.bgp_peering_addresses {
                    hosts.insert(v, *ip, Owner::Gateway(g));
                }
            }
        }
        for (r, server) in document.route_servers.iter().enumerate() {
            if let Some(Entity::VirtualNetwork(v)) = topology.entity(&server.virtual_network) {
                for ip in &server.virtual_router_ips {
                    hosts.insert(v, *ip, Owner::RouteServer(r));
                }
            }
        }
        // Without a primary the first by name is (WALK-5), whatever the order of the document.
        let mut by_name: Vec<usize> = (0..document.network_interfaces.len()).collect();
        by_name.sort_by(|a, b| document.network_interfaces[*a].id.cmp(&document.network_interfaces[*b].id));
        for n in by_name {
            if let Some(machine) = &document.network_interfaces[n].virtual_machine {
                hosts.machines.entry(machine.clone()).or_default().push(n);
            }
        }
        hosts.list_positions(topology);
        hosts.list_addresses(topology);
        hosts
    }

    fn own(&mut self, topology: &Topology, subnet: &ResourceId, ip: IpAddr, owner: Owner) {
        if let Some(Entity::Subnet(v, _)) = topology.entity(subnet) {
            self.insert(v, ip, owner);
        }
    }

    fn insert(&mut self, v: usize, ip: IpAddr, owner: Owner) {
        if let std::collections::hash_map::Entry::Vacant(entry) = self.owners.entry((v, ip)) {
            entry.insert(owner);
        }
    }

    /// Who owns an address in a virtual network.
    pub(crate) fn owner(&self, vnet: usize, address: IpAddr) -> Option<Owner> {
        self.owners.get(&(vnet, address)).copied()
    }

    /// Every address that somebody has, with its virtual network, in no order.
    pub(crate) fn owned(&self) -> impl Iterator<Item = ((usize, IpAddr), Owner)> {
        self.owners.iter().map(|(at, owner)| (*at, *owner))
    }

    /// Every address with its owner, in no order.
    #[expect(clippy::iter_over_hash_type, reason = "whoever asks gathers them in a table")]
    pub(crate) fn owners(&self) -> Vec<(IpAddr, Owner)> {
        let mut all = Vec::with_capacity(self.owners.len());
        for ((_, address), owner) in &self.owners {
            all.push((*address, *owner));
        }
        all
    }

    /// Whether an address is an interface's own: configured there (or not known), or of a load balancer's front end
    /// that it serves.
    pub(crate) fn sends_as(&self, topology: &Topology, nic: usize, source: IpAddr) -> bool {
        let document = topology.document();
        let interface = &document.network_interfaces[nic];
        let configured =
            interface.ip_configurations.iter().any(|c| c.private_ip_address.is_none_or(|ip| ip == source));
        let served = || {
            let Some((vnet, _)) = nic_subnet(topology, nic) else { return false };
            let Some(Owner::Frontend { balancer, .. }) = self.owner(vnet, source) else { return false };
            document.load_balancers[balancer].backends.iter().any(|backend| {
                backend.network_interface.as_ref() == Some(&interface.id)
                    || backend.ip_address.is_some_and(|ip| self.owner(vnet, ip) == Some(Owner::Nic(nic)))
            })
        };
        configured || served()
    }

    fn list_positions(&mut self, topology: &Topology) {
        let document = topology.document();
        let mut ids: Vec<ResourceId> = Vec::new();
        for vnet in &document.virtual_networks {
            ids.extend(vnet.subnets.iter().map(|s| vnet.subnet_id(&s.name)));
        }
        ids.extend(document.network_interfaces.iter().map(|n| n.id.clone()));
        let mut machines: Vec<_> = self.machines.keys().cloned().collect();
        machines.sort();
        ids.extend(machines);
        ids.extend(document.network_virtual_appliances.iter().map(|a| a.id.clone()));
        ids.extend(document.azure_firewalls.iter().map(|f| f.id.clone()));
        for site in &document.on_premises_sites {
            ids.push(site.id.clone());
            ids.extend(site.routers.iter().map(|r| site.router_id(&r.name)));
            ids.extend(site.host_ranges.iter().map(|r| site.id.child("hostRanges", &r.name)));
        }
        for (at, id) in ids.iter().enumerate() {
            self.by_id.entry(id.clone()).or_insert(at);
            self.by_name.entry(id.name().to_ascii_lowercase()).or_default().push(at);
        }
        self.positions = ids;
    }

    /// What answers questions that start from an address.
    fn list_addresses(&mut self, topology: &Topology) {
        let document = topology.document();
        for (v, vnet) in document.virtual_networks.iter().enumerate() {
            for prefix in &vnet.address_space {
                self.spaces.entry(*prefix).push(v);
            }
        }
        for (s, site) in document.on_premises_sites.iter().enumerate() {
            for prefix in &site.prefixes {
                self.sites.entry(*prefix).push(s);
            }
            for (r, router) in site.routers.iter().enumerate() {
                for ip in &router.addresses {
                    self.routers.entry(*ip).or_default().push((s, r));
                }
            }
        }
    }

    /// Ids that equal `name`, or end in it after a slash.
    fn named(&self, name: &ResourceId) -> Vec<ResourceId> {
        if let Some(at) = self.by_id.get(name) {
            return vec![self.positions[*at].clone()];
        }
        let wanted = name.as_str().to_ascii_lowercase();
        let same_end = self.by_name.get(&name.name().to_ascii_lowercase());
        let mut found: Vec<ResourceId> = same_end
            .into_iter()
            .flatten()
            .map(|at| &self.positions[*at])
            .filter(|id| {
                let id = id.as_str().to_ascii_lowercase();
                id.strip_suffix(&wanted).is_some_and(|rest| rest.ends_with('/'))
            })
            .cloned()
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// Every id that may be asked from.
    pub(super) fn named_positions(&self) -> &[ResourceId] {
        &self.positions
    }

    /// The one place that owns an address.
    pub(super) fn locate_address(&self, topology: &Topology, ip: IpAddr) -> Result<Start, ResolveError> {
        self.by_address(topology, ip)
    }

    /// Where a question starts, and the address it sends from.
    pub(crate) fn locate(
        &self,
        topology: &Topology,
        source: &Source,
        destination: IpAddr,
    ) -> Result<(Start, IpAddr), ResolveError> {
        let public = |ip: IpAddr| match is_private_address(ip) {
            true => Err(ResolveError::NotPublic { address: ip }),
            false => Ok(Some(ip)),
        };
        let (start, address) = match source {
            // A network looks up its own positions before it asks.
            Source::Known(position) => {
                return Err(ResolveError::UnknownSource { name: format!("position {}", position.index()) });
            }
            Source::Service(name) => (service(topology, name)?, None),
            Source::ServiceAddress(ip) => (Start::Service { tag: None }, public(*ip)?),
            Source::Internet(ip) => (Start::Internet, public(*ip)?),
            Source::Address(ip) => (self.by_address(topology, *ip)?, Some(*ip)),
            Source::Position(id) => (self.by_name(topology, id)?, None),
            Source::PositionWithAddress(id, ip) => (self.by_name(topology, id)?, Some(*ip)),
        };
        let address = match address {
            Some(ip) => ip,
            None => self.own_address(topology, &start, destination).ok_or_else(|| {
                ResolveError::NoAddress { position: source.to_string(), family: family(destination) }
            })?,
        };
        if address.is_ipv4() != destination.is_ipv4() {
            return Err(ResolveError::FamilyMismatch { source_address: address, destination });
        }
        Ok((start, address))
    }

    /// The one subnet that a name stands for.
    pub(crate) fn subnet(
        &self,
        topology: &Topology,
        name: &ResourceId,
    ) -> Result<(usize, usize), ResolveError> {
        match self.by_name(topology, name)? {
            Start::Subnet { vnet, subnet }
            | Start::Nic { vnet, subnet, .. }
            | Start::Firewall { vnet, subnet, .. } => Ok((vnet, subnet)),
            _ => Err(ResolveError::NotASubnet { name: name.clone() }),
        }
    }

    pub(super) fn by_name(&self, topology: &Topology, name: &ResourceId) -> Result<Start, ResolveError> {
        let found = self.named(name);
        let [id] = &found[..] else {
            return Err(match found.is_empty() {
                true => ResolveError::UnknownSource { name: name.to_string() },
                false => ResolveError::AmbiguousSource { name: name.to_string(), candidates: found },
            });
        };
        let unplaced = || ResolveError::UnplacedSource { name: name.clone() };
        if let Some(nics) = self.machines.get(id)
            && !matches!(topology.entity(id), Some(Entity::Nic(_)))
        {
            let nic = primary_of(topology, nics).ok_or_else(unplaced)?;
            return nic_start(topology, nic).ok_or_else(unplaced);
        }
        let document = topology.document();
        match topology.entity(id) {
            Some(Entity::Subnet(vnet, subnet)) => Ok(Start::Subnet { vnet, subnet }),
            Some(Entity::Nic(nic)) => nic_start(topology, nic).ok_or_else(unplaced),
            Some(Entity::Appliance(a)) => {
                let nics: Vec<usize> = document.network_virtual_appliances[a]
                    .network_interfaces
                    .iter()
                    .filter_map(|nic| match topology.entity(nic) {
                        Some(Entity::Nic(n)) => Some(n),
                        _ => None,
                    })
                    .collect();
                let nic = primary_of(topology, &nics).ok_or_else(unplaced)?;
                nic_start(topology, nic).ok_or_else(unplaced)
            }
            Some(Entity::Firewall(firewall)) => {
                let subnet =
                    document.azure_firewalls[firewall].subnet.as_ref().and_then(|s| topology.entity(s));
                match subnet {
                    Some(Entity::Subnet(vnet, subnet)) => Ok(Start::Firewall { firewall, vnet, subnet }),
                    _ => Err(unplaced()),
                }
            }
            Some(Entity::Site(site)) => Ok(Start::Site { site, range: None }),
            Some(Entity::HostRange(site, range)) => Ok(Start::Site { site, range: Some(range) }),
            Some(Entity::Router(site, router)) => Ok(Start::Router { site, router }),
            _ => Err(ResolveError::UnknownSource { name: name.to_string() }),
        }
    }

    /// The one place that owns an address: an interface, else a subnet, in each network; a site where its prefix is the
    /// longest of its tenant. Several tenants, or several networks of one tenant, are ambiguous.
    fn by_address(&self, topology: &Topology, ip: IpAddr) -> Result<Start, ResolveError> {
        let document = topology.document();
        let mut found: Vec<(Option<String>, u8, bool, ResourceId, Start)> = Vec::new();
        let host = IpNet::from(ip);
        let networks: BTreeSet<usize> =
            self.spaces.covering(&host).into_iter().flat_map(|(_, here)| here).copied().collect();
        for v in networks {
            let vnet = &document.virtual_networks[v];
            let Some(space) = vnet.address_space.iter().find(|p| p.contains(&host)) else { continue };
            let tenant = vnet.tenant.as_ref().map(|t| t.to_ascii_lowercase());
            let start = match self.owner(v, ip) {
                Some(Owner::Nic(nic)) => nic_start(topology, nic),
                Some(Owner::Firewall(firewall)) => {
                    subnet_of(document, v, ip).map(|subnet| Start::Firewall { firewall, vnet: v, subnet })
                }
                _ => None,
            };
            let start =
                start.or_else(|| subnet_of(document, v, ip).map(|subnet| Start::Subnet { vnet: v, subnet }));
            let Some(start) = start else { continue };
            let id = match &start {
                Start::Nic { nic, .. } => document.network_interfaces[*nic].id.clone(),
                Start::Subnet { subnet, .. } => vnet.subnet_id(&vnet.subnets[*subnet].name),
                Start::Firewall { firewall, .. } => document.azure_firewalls[*firewall].id.clone(),
                _ => vnet.id.clone(),
            };
            found.push((tenant, space.prefix_len(), false, id, start));
        }
        // Each site's router of this address, else its longest prefix.
        let mut sites: BTreeMap<usize, (Option<usize>, u8)> = BTreeMap::new();
        for (prefix, here) in self.sites.covering(&host) {
            sites.extend(here.iter().map(|s| (*s, (None, prefix.prefix_len()))));
        }
        for (s, router) in self.routers.get(&ip).into_iter().flatten().rev() {
            sites.insert(*s, (Some(*router), u8::MAX));
        }
        for (s, (router, length)) in sites {
            let site = &document.on_premises_sites[s];
            let tenant = site.tenant.as_ref().map(|t| t.to_ascii_lowercase());
            let (id, start) = match router {
                Some(router) => {
                    (site.router_id(&site.routers[router].name), Start::Router { site: s, router })
                }
                None => (site.id.clone(), Start::Site { site: s, range: None }),
            };
            found.push((tenant, length, true, id, start));
        }
        // Within a tenant a site's summary yields to a longer prefix, and a network to a longer site prefix.
        let longest = |tenant: &Option<String>| found.iter().filter(|f| f.0 == *tenant).map(|f| f.1).max();
        let mut best: Vec<_> = found.iter().filter(|f| Some(f.1) == longest(&f.0)).collect();
        best.sort_by(|a, b| a.3.cmp(&b.3));
        match best[..] {
            [] => Err(ResolveError::UnknownSource { name: ip.to_string() }),
            [one] => Ok(one.4),
            _ => Err(ResolveError::AmbiguousSource {
                name: ip.to_string(),
                candidates: best.iter().map(|f| f.3.clone()).collect(),
            }),
        }
    }

    /// The address a named place sends from.
    pub(super) fn own_address(
        &self,
        topology: &Topology,
        start: &Start,
        destination: IpAddr,
    ) -> Option<IpAddr> {
        let document = topology.document();
        let same = |p: &&IpNet| p.addr().is_ipv4() == destination.is_ipv4();
        match start {
            // A template's interface has no address yet: it will get one of its subnet.
            Start::Nic { nic, vnet, subnet } => {
                nic_address(topology, *nic, destination.is_ipv4()).or_else(|| {
                    let assigned = [true, false].iter().any(|v4| nic_address(topology, *nic, *v4).is_some());
                    let prefixes = &document.virtual_networks[*vnet].subnets[*subnet].address_prefixes;
                    prefixes.iter().filter(|_| !assigned).find(same).map(first_usable)
                })
            }
            Start::Subnet { vnet, subnet } => {
                let prefixes = &document.virtual_networks[*vnet].subnets[*subnet].address_prefixes;
                prefixes.iter().find(same).map(first_usable)
            }
            Start::Service { tag: Some(tag) } => {
                document.service_tags[*tag].address_prefixes.iter().find(same).map(first_host)
            }
            Start::PrivateEndpoint { .. }
            | Start::Service { tag: None }
            | Start::Internet
            | Start::PublicPeering { .. } => None,
            Start::Firewall { firewall, .. } => document.azure_firewalls[*firewall]
                .private_ip_address
                .filter(|ip| ip.is_ipv4() == destination.is_ipv4()),
            Start::Site { site, range } => {
                let site = &document.on_premises_sites[*site];
                match range {
                    Some(range) => Some(&site.host_ranges[*range].prefix).filter(same).map(first_host),
                    None => site.prefixes.iter().find(same).map(first_host).or_else(|| {
                        // Without hosts of its own: the least prefix that it says it has.
                        let told = site.advertisements.iter().flat_map(|a| &a.prefixes);
                        told.filter(same).filter(|p| p.prefix_len() > 0).min().map(first_host)
                    }),
                }
            }
            Start::Router { site, router } => {
                let site = &document.on_premises_sites[*site];
                let own = site.routers[*router].addresses.iter().copied();
                own.filter(|ip| ip.is_ipv4() == destination.is_ipv4())
                    .min()
                    .or_else(|| site.prefixes.iter().find(same).map(first_host))
            }
        }
    }
}

/// A service by the name of its tag.
fn service(topology: &Topology, name: &str) -> Result<Start, ResolveError> {
    let tags = &topology.document().service_tags;
    let tag = tags.iter().position(|tag| tag.name.eq_ignore_ascii_case(name));
    let unknown = || ResolveError::UnknownSource { name: name.to_owned() };
    tag.map(|tag| Start::Service { tag: Some(tag) }).ok_or_else(unknown)
}

fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// Azure keeps the first four addresses of a subnet.
fn first_usable(prefix: &IpNet) -> IpAddr {
    nth(prefix, 4)
}

pub(crate) fn first_host(prefix: &IpNet) -> IpAddr {
    if prefix.prefix_len() == prefix.max_prefix_len() { prefix.network() } else { nth(prefix, 1) }
}

fn nth(prefix: &IpNet, n: u32) -> IpAddr {
    let address = match prefix.network() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from(u32::from(ip).wrapping_add(n))),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from(u128::from(ip).wrapping_add(u128::from(n)))),
    };
    if prefix.contains(&address) { address } else { prefix.network() }
}

/// The subnet of a network that holds an address.
pub(crate) fn subnet_of(document: &crate::model::Document, vnet: usize, ip: IpAddr) -> Option<usize> {
    document.virtual_networks[vnet]
        .subnets
        .iter()
        .position(|s| s.address_prefixes.iter().any(|p| p.contains(&ip)))
}

/// The interface that carries the guest's default route: the one marked primary, else the first (WALK-5).
pub(crate) fn primary_of(topology: &Topology, nics: &[usize]) -> Option<usize> {
    let document = topology.document();
    nics.iter().copied().find(|n| document.network_interfaces[*n].primary).or_else(|| nics.first().copied())
}

/// The interfaces of these ids that are part of the topology, in their order.
pub(crate) fn nics_of(topology: &Topology, ids: &[ResourceId]) -> Vec<usize> {
    let nic = |id: &ResourceId| match topology.entity(id) {
        Some(Entity::Nic(n)) => Some(n),
        _ => None,
    };
    ids.iter().filter_map(nic).collect()
}

/// An interface's address in one family: its primary configuration's, else the first.
pub(crate) fn nic_address(topology: &Topology, nic: usize, v4: bool) -> Option<IpAddr> {
    let configurations = &topology.document().network_interfaces[nic].ip_configurations;
    let of_family =
        || configurations.iter().filter(move |c| c.private_ip_address.is_some_and(|ip| ip.is_ipv4() == v4));
    of_family().find(|c| c.primary).or_else(|| of_family().next()).and_then(|c| c.private_ip_address)
}

/// The network and subnet an interface is in.
pub(crate) fn nic_subnet(topology: &Topology, nic: usize) -> Option<(usize, usize)> {
    let nic = &topology.document().network_interfaces[nic];
    nic.ip_configurations.iter().find_map(|c| match topology.entity(&c.subnet) {
        Some(Entity::Subnet(v, s)) => Some((v, s)),
        _ => None,
    })
}

pub(crate) fn nic_start(topology: &Topology, nic: usize) -> Option<Start> {
    nic_subnet(topology, nic).map(|(vnet, subnet)| Start::Nic { nic, vnet, subnet })
}

/// Where a packet starts, as positions in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Start {
    Nic {
        nic: usize,
        vnet: usize,
        subnet: usize,
    },
    Subnet {
        vnet: usize,
        subnet: usize,
    },
    Firewall {
        firewall: usize,
        vnet: usize,
        subnet: usize,
    },
    PrivateEndpoint {
        endpoint: usize,
        vnet: usize,
        subnet: usize,
    },
    Site {
        site: usize,
        range: Option<usize>,
    },
    Router {
        site: usize,
        router: usize,
    },
    /// A Microsoft service, at Microsoft's own edge; the position of its tag where it was asked by name.
    Service {
        tag: Option<usize>,
    },
    /// A host on the Internet.
    Internet,
    /// Where public peering's flows enter Microsoft's network: replies to them leave there (PUB-3).
    PublicPeering {
        circuit: usize,
        link: crate::model::LinkRole,
    },
}
