//! Public addresses: which of them are Azure's, Microsoft's or a customer's, and by which edges a customer's are reached.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::hosts::{nic_subnet, subnet_of};
use crate::control_plane::{ControlPlane, Links, PublicPrefix};
use crate::model::{
    Asn, Entity, ExpressRouteCircuit, Limits, LinkRole, PUBLIC_PEERING_CLOSED, PeeringType, ResourceId,
    SiteRole, Topology,
};
use crate::model::{is_default_route, is_private, is_private_address, same_tenant};
use crate::prefix_table::PrefixTable;

/// What a public address of Azure leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PublicOwner {
    /// An interface, with the private address behind it.
    Nic {
        nic: usize,
        address: IpAddr,
    },
    Frontend {
        balancer: usize,
        frontend: usize,
    },
    Firewall(usize),
    Gateway(usize),
}

/// Resources with their positions, by id: of two that claim one public address the order of a document decides nothing.
fn by_id<T>(resources: &[T], id: impl Fn(&T) -> &ResourceId) -> Vec<(usize, &T)> {
    let mut sorted: Vec<(usize, &T)> = resources.iter().enumerate().collect();
    sorted.sort_by(|a, b| id(a.1).cmp(id(b.1)));
    sorted
}

/// One way over a circuit's link to a customer's public prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EdgeWay {
    pub(crate) circuit: usize,
    pub(crate) link: LinkRole,
    pub(crate) peering: PeeringType,
}

/// What Microsoft's edge knows of public addresses.
#[derive(Debug, Default)]
pub(crate) struct PublicEdge {
    /// Prefixes that customers advertise on public peering (PUB-5).
    public_peering: Vec<PublicPrefix>,
    /// Sites by the prefixes for which the Internet leads to them, and whether they say so themselves.
    internet: PrefixTable<Vec<(usize, bool)>>,
    owners: HashMap<IpAddr, PublicOwner>,
    /// Prefixes of every service tag: where Internet egress stays on the backbone (SYS-8).
    tags: PrefixTable<()>,
    /// Prefixes of Microsoft peering's communities (MSP-9).
    services: PrefixTable<()>,
}

impl PublicEdge {
    pub(crate) fn new(topology: &Topology, plane: &ControlPlane) -> Self {
        let document = topology.document();
        let prefixes = document.service_tags.iter().flat_map(|tag| &tag.address_prefixes);
        let services = document.bgp_service_communities.iter().flat_map(|community| &community.prefixes);
        let mut edge = Self {
            tags: prefixes.map(|prefix| (*prefix, ())).collect(),
            services: services.filter(|p| !is_default_route(p)).map(|prefix| (prefix.trunc(), ())).collect(),
            ..Self::default()
        };
        edge.own(topology);
        edge.announce(topology);
        for (c, circuit) in document.express_route_circuits.iter().enumerate() {
            edge.public_peering.extend(public_peering(topology, plane, c, circuit));
        }
        edge
    }

    fn own(&mut self, topology: &Topology) {
        let document = topology.document();
        let address = |id: &ResourceId| match topology.entity(id) {
            Some(Entity::PublicIp(p)) => document.public_ip_addresses[p].ip_address,
            _ => None,
        };
        for (nic, interface) in by_id(&document.network_interfaces, |nic| &nic.id) {
            for configuration in &interface.ip_configurations {
                let public = configuration.public_ip_address.as_ref().and_then(address);
                if let (Some(public), Some(private)) = (public, configuration.private_ip_address) {
                    self.owners.entry(public).or_insert(PublicOwner::Nic { nic, address: private });
                }
            }
        }
        for (balancer, declared) in by_id(&document.load_balancers, |balancer| &balancer.id) {
            for (frontend, configuration) in declared.frontend_ip_configurations.iter().enumerate() {
                if let Some(public) = configuration.public_ip_address.as_ref().and_then(address) {
                    self.owners.entry(public).or_insert(PublicOwner::Frontend { balancer, frontend });
                }
            }
        }
        for (firewall, declared) in by_id(&document.azure_firewalls, |firewall| &firewall.id) {
            for public in declared.public_ip_addresses.iter().filter_map(address) {
                self.owners.entry(public).or_insert(PublicOwner::Firewall(firewall));
            }
        }
        for (gateway, declared) in by_id(&document.virtual_network_gateways, |gateway| &gateway.id) {
            for public in declared.public_ip_addresses.iter().filter_map(address) {
                self.owners.entry(public).or_insert(PublicOwner::Gateway(gateway));
            }
        }
    }

    /// What sites have on the Internet: what they say they announce there, else their pool and public prefixes where
    /// they have an Internet exit.
    fn announce(&mut self, topology: &Topology) {
        for (s, site) in topology.document().on_premises_sites.iter().enumerate() {
            let told = site.internet_prefixes.iter().map(|p| (p.trunc(), true));
            let own = site.nat_pool.iter().chain(&site.prefixes).filter(|p| !is_private(p));
            let implied = site.internet_breakout && site.internet_prefixes.is_empty();
            let own = own.filter(|_| implied).map(|p| (p.trunc(), false));
            for (prefix, said) in told.chain(own).filter(|(p, _)| !is_default_route(p)) {
                self.internet.entry(prefix).push((s, said));
            }
        }
    }

    /// Prefixes inside which Internet egress stays on the backbone.
    pub(crate) fn tags(&self) -> &PrefixTable<()> {
        &self.tags
    }

    /// Prefixes that customers announce on Microsoft and on public peering.
    pub(crate) fn customers(&self, plane: &ControlPlane) -> Vec<IpNet> {
        plane.microsoft_peering.iter().chain(&self.public_peering).map(|known| known.prefix).collect()
    }

    /// What else is tested of a public address: customers' prefixes, and addresses of Azure's resources.
    pub(crate) fn prefixes(&self) -> Vec<IpNet> {
        let customers = self.public_peering.iter().map(|known| known.prefix);
        let mut all: Vec<IpNet> = customers.chain(self.internet.iter().map(|(prefix, _)| prefix)).collect();
        all.extend(self.owners.keys().map(|address| IpNet::from(*address)));
        all.sort_unstable();
        all
    }

    /// Whether Internet egress to an address stays on the backbone (SYS-8).
    pub(crate) fn is_tagged(&self, address: IpAddr) -> bool {
        self.tags.longest_match(address).is_some()
    }

    /// Whether an address is a Microsoft service's, by a service tag or a community of Microsoft peering.
    pub(crate) fn is_microsoft(&self, address: IpAddr) -> bool {
        self.is_tagged(address) || self.services.longest_match(address).is_some()
    }

    /// What a public address leads to in the networks of a tenant (ISO-1).
    pub(crate) fn owner(
        &self,
        topology: &Topology,
        address: IpAddr,
        tenant: Option<&str>,
    ) -> Option<PublicOwner> {
        let owner = self.owners.get(&address).copied()?;
        same_tenant(owner_tenant(topology, owner).as_deref(), tenant).then_some(owner)
    }

    /// The ways over circuits to a customer's address: the longest prefix, then the shortest path, then all of equal
    /// ones (MSP-7), with the length of the prefix. Prefixes of public peering count for replies only (PUB-3). Other
    /// tenants' circuits do not count (ISO-1).
    pub(crate) fn circuits(
        &self,
        topology: &Topology,
        plane: &ControlPlane,
        tenant: Option<&str>,
        address: IpAddr,
        reply: bool,
    ) -> Option<(u8, Vec<EdgeWay>)> {
        let circuits = &topology.document().express_route_circuits;
        let usable = |known: &&PublicPrefix| {
            known.prefix.contains(&address) && same_tenant(circuits[known.circuit].tenant.as_deref(), tenant)
        };
        let microsoft = plane.microsoft_peering.iter().map(|known| (PeeringType::MicrosoftPeering, known));
        let public = self.public_peering.iter().filter(|_| reply);
        let public = public.map(|known| (PeeringType::AzurePublicPeering, known));
        let all: Vec<(PeeringType, &PublicPrefix)> =
            microsoft.chain(public).filter(|(_, known)| usable(known)).collect();
        let rank = |known: &PublicPrefix| (std::cmp::Reverse(known.prefix.prefix_len()), known.path);
        let best = all.iter().map(|(_, known)| rank(known)).min()?;
        let mut ways: Vec<EdgeWay> = Vec::new();
        for (peering, known) in all.into_iter().filter(|(_, known)| rank(known) == best) {
            for link in known.links.roles() {
                let way = EdgeWay { circuit: known.circuit, link, peering };
                if !ways.contains(&way) {
                    ways.push(way);
                }
            }
        }
        ways.sort_by(|a, b| {
            let key = |way: &EdgeWay| (&circuits[way.circuit].id, way.peering, way.link);
            key(a).cmp(&key(b))
        });
        Some((best.0.0, ways))
    }

    /// The sites of a tenant to which the Internet leads for an address, with the length of the prefix.
    pub(crate) fn internet_sites(
        &self,
        topology: &Topology,
        tenant: Option<&str>,
        address: IpAddr,
    ) -> Option<(u8, Vec<usize>)> {
        self.internet_route(topology, tenant, address, false)
    }

    /// The length of the prefix that the Internet has of an address, where a site says what it announces there.
    pub(crate) fn internet_length(
        &self,
        topology: &Topology,
        tenant: Option<&str>,
        address: IpAddr,
    ) -> Option<u8> {
        self.internet_route(topology, tenant, address, true).map(|(length, _)| length)
    }

    fn internet_route(
        &self,
        topology: &Topology,
        tenant: Option<&str>,
        address: IpAddr,
        only_said: bool,
    ) -> Option<(u8, Vec<usize>)> {
        let sites = &topology.document().on_premises_sites;
        let mine = |s: &usize| {
            sites[*s].role == SiteRole::Provider || same_tenant(sites[*s].tenant.as_deref(), tenant)
        };
        self.internet.covering(&IpNet::from(address)).into_iter().rev().find_map(|(prefix, here)| {
            let mut found: Vec<usize> =
                here.iter().filter(|(s, said)| mine(s) && (*said || !only_said)).map(|(s, _)| *s).collect();
            found.sort_by(|a, b| sites[*a].id.cmp(&sites[*b].id));
            found.dedup();
            (!found.is_empty()).then(|| (prefix.prefix_len(), found))
        })
    }

    /// The tenants whose public address this is: by Azure's resources, else by their circuits and sites with the longest
    /// prefix. Sorted, each once.
    pub(crate) fn tenants(
        &self,
        topology: &Topology,
        plane: &ControlPlane,
        address: IpAddr,
    ) -> Vec<Option<String>> {
        let document = topology.document();
        if let Some(owner) = self.owners.get(&address) {
            return vec![owner_tenant(topology, *owner)];
        }
        let known = plane.microsoft_peering.iter().chain(&self.public_peering);
        let over = known.filter(|known| known.prefix.contains(&address)).map(|known| {
            (known.prefix.prefix_len(), document.express_route_circuits[known.circuit].tenant.clone())
        });
        let mut all: Vec<(u8, Option<String>)> = over.collect();
        for (prefix, sites) in self.internet.covering(&IpNet::from(address)) {
            // A provider's prefix is nobody's in particular: it carries whoever asks.
            let customers = sites.iter().map(|(s, _)| &document.on_premises_sites[*s]);
            let customers = customers.filter(|site| site.role == SiteRole::Customer);
            all.extend(customers.map(|site| (prefix.prefix_len(), site.tenant.clone())));
        }
        let longest = all.iter().map(|(length, _)| *length).max();
        let best = all.into_iter().filter(|(length, _)| Some(*length) == longest);
        let mut tenants: Vec<Option<String>> =
            best.map(|(_, tenant)| tenant.map(|t| t.to_ascii_lowercase())).collect();
        tenants.sort();
        tenants.dedup();
        tenants
    }
}

/// The network that a public address's owner is in.
pub(crate) fn owner_network(topology: &Topology, owner: PublicOwner) -> Option<usize> {
    let document = topology.document();
    match owner {
        PublicOwner::Nic { nic, .. } => nic_subnet(topology, nic).map(|(v, _)| v),
        PublicOwner::Frontend { balancer, .. } => {
            document.load_balancers[balancer].backends.iter().find_map(|backend| {
                match topology.entity(backend.network_interface.as_ref()?) {
                    Some(Entity::Nic(nic)) => nic_subnet(topology, nic).map(|(v, _)| v),
                    _ => None,
                }
            })
        }
        PublicOwner::Firewall(f) => match topology.entity(document.azure_firewalls[f].subnet.as_ref()?) {
            Some(Entity::Subnet(v, _)) => Some(v),
            _ => None,
        },
        PublicOwner::Gateway(g) => {
            match topology.entity(&document.virtual_network_gateways[g].virtual_network) {
                Some(Entity::VirtualNetwork(v)) => Some(v),
                _ => None,
            }
        }
    }
}

fn owner_tenant(topology: &Topology, owner: PublicOwner) -> Option<String> {
    owner_network(topology, owner).and_then(|v| topology.document().virtual_networks[v].tenant.clone())
}

/// What a customer may have advertised on public peering: while it lived (PUB-1), validated, IPv4, neither default nor
/// private, at most 200 prefixes a session (PUB-5). Paths count whole (PUB-7).
fn public_peering(
    topology: &Topology,
    plane: &ControlPlane,
    c: usize,
    circuit: &ExpressRouteCircuit,
) -> Vec<PublicPrefix> {
    const LIMIT: usize = 200;
    let kind = PeeringType::AzurePublicPeering;
    let open =
        topology.era().public_peering() && circuit.created.is_none_or(|day| day < PUBLIC_PEERING_CLOSED);
    let Some(peering) = circuit.peering(kind).filter(|peering| open && peering.validated) else {
        return Vec::new();
    };
    let mut known: BTreeMap<(IpNet, usize), Links> = BTreeMap::new();
    for link in LinkRole::BOTH.into_iter().filter(|link| circuit.link(*link).up) {
        let here = plane.told_by_sites.iter().flatten().filter(|told| {
            told.over == circuit.id && told.peering == kind && told.link.is_none_or(|only| only == link)
        });
        let mut said: HashSet<IpNet> = HashSet::new();
        let mut heard: Vec<(IpNet, usize)> = Vec::new();
        for told in here {
            let prefixes = told.prefixes.iter().map(IpNet::trunc);
            said.extend(prefixes.clone());
            // A path with Microsoft's own number says something, which comes to nothing (BGP-5).
            if !told.as_path.contains(&Asn::MICROSOFT_EDGE) {
                heard.extend(prefixes.map(|prefix| (prefix, told.as_path.len())));
            }
        }
        // What is registered counts as advertised where nothing is said of it, and goes down with the rest.
        let registered = peering.advertised_public_prefixes.iter().map(IpNet::trunc);
        heard.extend(registered.filter(|p| !said.contains(p)).map(|prefix| (prefix, 0)));
        let enforced = topology.document().knobs.limits == Limits::Enforce;
        for ipv6 in [false, true] {
            let family = |prefix: &IpNet| prefix.addr().is_ipv6() == ipv6;
            let distinct: HashSet<IpNet> = heard.iter().map(|(p, _)| *p).filter(family).collect();
            if enforced && distinct.len() > LIMIT {
                heard.retain(|(prefix, _)| !family(prefix));
            }
        }
        for (prefix, path) in heard {
            let refused = prefix.addr().is_ipv6() || is_default_route(&prefix) || is_private(&prefix);
            if !refused {
                let links = known.entry((prefix, path)).or_insert(Links::only(link));
                *links = links.or(Links::only(link));
            }
        }
    }
    let public = |((prefix, path), links)| PublicPrefix { prefix, circuit: c, links, path };
    known.into_iter().map(public).collect()
}

/// The address by which the Internet sees a packet that leaves by this public resource, where it is known; of several
/// the least.
pub(crate) fn least_address<'a>(
    topology: &Topology,
    ids: impl IntoIterator<Item = &'a ResourceId>,
    v4: bool,
) -> Option<IpAddr> {
    let address = |id: &ResourceId| match topology.entity(id) {
        Some(Entity::PublicIp(p)) => topology.document().public_ip_addresses[p].ip_address,
        _ => None,
    };
    ids.into_iter().filter_map(address).filter(|ip| ip.is_ipv4() == v4).min()
}

/// The subnet of `GatewaySubnet` by address, or an address of it: where a gateway stands.
pub(crate) fn gateway_address(topology: &Topology, gateway: usize, v4: bool) -> Option<IpAddr> {
    let document = topology.document();
    let declared = &document.virtual_network_gateways[gateway];
    let own = declared.bgp_peering_addresses.iter().copied();
    let own = own.filter(|ip| ip.is_ipv4() == v4 && is_private_address(*ip)).min();
    own.filter(|ip| match topology.entity(&declared.virtual_network) {
        Some(Entity::VirtualNetwork(v)) => subnet_of(document, v, *ip).is_some(),
        _ => false,
    })
}
