//! Every prefix that some forwarding step tests.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use ipnet::IpNet;

use super::super::hosts::Owner;
use super::super::walk::World;
use super::together::Together;
use crate::control_plane::{Numbered, StandingKey, Via, numbered};
use crate::model::{DestinationNat, NetworkInterface, ResourceId};
use crate::prefix_table::PrefixTable;

/// Ranges that no public network routes, and addresses that the host itself answers (SYS-14).
const ALWAYS: [&str; 7] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
    "168.63.129.16/32",
    "169.254.169.254/32",
];

/// The prefixes at which a network's addresses part.
pub(in super::super) struct Cuts<'n> {
    world: &'n World<'n>,
    pub(super) declared: Arc<Declared>,
    /// Only whether one of them holds an address counts.
    pub(super) marks: Vec<&'n PrefixTable<()>>,
}

/// Prefixes that part their addresses from all others, each with its number. Prefixes of sites share one where they are the
/// same sites' and lie in the same declared prefix.
#[derive(Debug)]
pub(in super::super) struct Declared {
    pub(super) table: PrefixTable<u32>,
    /// The same in order, by family, IPv4 first.
    pub(super) sorted: [Vec<(IpNet, u32)>; 2],
    /// Those of them that routers outside may tell apart.
    pub(super) outside: [Vec<(IpNet, u32)>; 2],
    /// What of it is not declared.
    made_of: Settled,
}

/// The tables of what is learned, side by side: each prefix that any of them has, in order, with a number for what all of
/// them say of it and for the longest declared prefix around it. By family, IPv4 first.
#[derive(Debug)]
pub(in super::super) struct Learned {
    pub(super) prefixes: [Vec<(IpNet, u32)>; 2],
    /// What it was made of; none where that is not held for later.
    made_of: Option<LearnedOf>,
}

/// More learned prefixes than this are not held for networks that come from this one: to go through their tables again
/// costs little beside what else is done then.
const HELD: usize = 1 << 17;

impl Learned {
    /// Whether it is worth holding for networks that come from this one.
    pub(in super::super) fn is_held(&self) -> bool {
        self.made_of.is_some()
    }
}

#[derive(Debug)]
struct LearnedOf {
    declared: Arc<Declared>,
    gateways: Vec<Arc<PrefixTable<u32>>>,
    sites: StandingKey,
    /// By family: computed BGP, and what is told over sessions and links. Numbers stand in the order in which they come up,
    /// so that tables which treat the same prefixes alike are equal.
    bgp: Option<[Vec<(IpNet, u32)>; 2]>,
    told: [Vec<(IpNet, u32)>; 2],
}

const FAMILIES: [bool; 2] = [true, false];

impl LearnedOf {
    /// None where the tables are many prefixes, or hubs', which are compared by nobody.
    fn of(world: &World<'_>, declared: &Arc<Declared>) -> Option<Self> {
        let held = world.selection.gateways.iter().map(|table| table.by_prefix.len()).sum::<usize>() <= HELD;
        if !held || !world.plane.hubs.is_empty() {
            return None;
        }
        let on_premises = &world.plane.on_premises;
        let told = FAMILIES.map(|v4| numbered(on_premises.told(v4)).collect::<Vec<_>>());
        let bgp = on_premises.bgp.as_ref().map(|bgp| {
            let all: Vec<(IpNet, u32)> = bgp.engine.groups().collect();
            FAMILIES
                .map(|v4| numbered(all.iter().copied().filter(|(p, _)| p.addr().is_ipv4() == v4)).collect())
        });
        Some(Self {
            declared: Arc::clone(declared),
            gateways: world.selection.gateways.iter().map(|table| Arc::clone(&table.by_prefix)).collect(),
            sites: on_premises.standing(),
            bgp,
            told,
        })
    }

    fn is_of(&self, other: &Self) -> bool {
        let rows = |table: &PrefixTable<u32>| -> Vec<_> {
            numbered(table.iter().map(|(prefix, group)| (prefix, *group))).collect()
        };
        let same = |(a, b): (&Arc<PrefixTable<u32>>, &Arc<PrefixTable<u32>>)| {
            Arc::ptr_eq(a, b) || a.len() == b.len() && rows(a) == rows(b)
        };
        Arc::ptr_eq(&self.declared, &other.declared)
            && self.sites == other.sites
            && self.gateways.len() == other.gateways.len()
            && self.gateways.iter().zip(&other.gateways).all(same)
            && self.bgp == other.bgp
            && self.told == other.told
    }
}

/// What the control plane settled of the prefixes that part addresses.
#[derive(Debug, PartialEq)]
struct Settled {
    sites: StandingKey,
    /// At Microsoft's edge.
    public: Vec<IpNet>,
}

impl Settled {
    fn of(world: &World<'_>) -> Self {
        let mut public = world.edge.prefixes();
        public.extend(world.plane.microsoft_peering.iter().map(|known| known.prefix));
        Self { sites: world.plane.on_premises.standing(), public }
    }
}

impl<'n> Cuts<'n> {
    /// `kept` is what a network of the same resources was cut at, where its subnets' own routes were the same, too.
    pub(in super::super) fn new(world: &'n World<'n>, plain: &Plain, kept: Option<&Arc<Declared>>) -> Self {
        let settled = Settled::of(world);
        let declared = match kept.filter(|kept| kept.made_of == settled) {
            Some(kept) => Arc::clone(kept),
            None => Arc::new(Building::all(world, plain, settled)),
        };
        Self { world, declared, marks: vec![world.edge.tags()] }
    }

    pub(in super::super) fn declared(&self) -> &Arc<Declared> {
        &self.declared
    }

    /// The learned tables side by side, or what was `kept` of them where they say the same.
    pub(in super::super) fn together(&self, kept: Option<&Arc<Learned>>) -> Arc<Learned> {
        let made_of = LearnedOf::of(self.world, &self.declared);
        if let (Some(kept), Some(made_of)) = (kept, &made_of)
            && kept.made_of.as_ref().is_some_and(|kept| kept.is_of(made_of))
        {
            return Arc::clone(kept);
        }
        let prefixes = FAMILIES.map(|v4| Together::new(self, v4).collect::<Vec<_>>());
        Arc::new(Learned { prefixes, made_of })
    }

    /// Which of [`tables`](Self::tables) are gateways', and whether nothing else tells where a learned prefix lies among
    /// declared ones.
    pub(super) fn gateways(&self) -> (Range<usize>, bool) {
        let bgp = self.world.plane.on_premises.bgp.as_ref();
        let first = usize::from(bgp.is_some());
        let alone = bgp.is_none_or(|bgp| bgp.appliances.is_empty());
        (first..first + self.world.selection.gateways.len(), alone)
    }

    /// The tables of what is learned in a family, in order; what a table treats alike has one number.
    pub(super) fn tables(&self, v4: bool) -> Vec<Numbered<'n>> {
        let world = self.world;
        let mut tables: Vec<Numbered<'n>> = Vec::new();
        let family = move |(prefix, _): &(IpNet, u32)| prefix.addr().is_ipv4() == v4;
        if let Some(bgp) = &world.plane.on_premises.bgp {
            tables.push(Box::new(bgp.engine.groups().filter(family)));
        }
        for gateways in &world.selection.gateways {
            tables.push(Box::new(gateways.by_prefix.iter_family(v4).map(|(prefix, group)| (prefix, *group))));
        }
        tables.extend(world.plane.on_premises.tables(v4));
        for hub in &world.plane.hubs {
            let all = std::iter::once(&hub.router).chain(hub.tables.iter().map(|(_, table)| table));
            for table in all {
                let rows = table.rows.iter().filter(move |row| row.prefix.addr().is_ipv4() == v4);
                tables.push(numbered(rows.map(|row| {
                    let ways: Vec<_> =
                        row.members.iter().map(|m| (m.way.clone(), m.gateway, m.reached)).collect();
                    (row.prefix, (row.kind, row.contested, ways))
                })));
            }
        }
        tables
    }
}

/// Declared prefixes, as they are gathered.
struct Building<'n> {
    world: &'n World<'n>,
    declared: PrefixTable<u32>,
    /// Those that places outside or hubs have or name, whoever else does.
    outside: BTreeSet<IpNet>,
    /// The number that the next one gets.
    next: u32,
}

impl<'n> Building<'n> {
    fn all(world: &'n World<'n>, plain: &Plain, settled: Settled) -> Declared {
        let outside = BTreeSet::new();
        let mut building = Self { world, declared: PrefixTable::default(), outside, next: 0 };
        for text in ALWAYS {
            building.extend(text.parse().ok());
        }
        building.networks();
        building.hosts(plain);
        building.outside(&settled);
        building.hubs();
        building.sites();
        let Self { declared: table, outside, .. } = building;
        let of = |v4| table.iter_family(v4).map(|(prefix, number)| (prefix, *number));
        let sorted = FAMILIES.map(|v4| of(v4).collect());
        let outside = FAMILIES.map(|v4| of(v4).filter(|(prefix, _)| outside.contains(prefix)).collect());
        Declared { table, sorted, outside, made_of: settled }
    }

    /// What sites have, after all that parts addresses by itself. A site may have thousands of prefixes, and packets to
    /// one of them fare as those to another where the same is learned of both.
    fn sites(&mut self) {
        let world = self.world;
        let mut owners: BTreeMap<IpNet, (Vec<usize>, bool)> = BTreeMap::new();
        for (at, site) in world.topology.document().on_premises_sites.iter().enumerate() {
            for prefix in &site.prefixes {
                owners.entry(prefix.trunc()).or_default().0.push(at);
            }
        }
        for prefix in world.plane.on_premises.connected() {
            owners.entry(prefix.trunc()).or_default().1 = true;
        }
        let mut known: HashMap<(Option<u32>, Vec<usize>, bool), u32> = HashMap::new();
        // In their order a prefix comes before those inside it.
        for (prefix, (mut sites, connected)) in owners {
            self.outside.insert(prefix);
            if self.declared.get(&prefix).is_some() {
                continue;
            }
            sites.dedup();
            let around = self.declared.longest(&prefix).map(|(_, number)| *number);
            let next = self.next;
            let number = *known.entry((around, sites, connected)).or_insert(next);
            self.next += u32::from(number == next);
            self.declared.insert(prefix, number);
        }
    }

    fn extend(&mut self, prefixes: impl IntoIterator<Item = IpNet>) {
        for prefix in prefixes {
            if self.declared.get(&prefix.trunc()).is_none() {
                self.declared.insert(prefix, self.next);
                self.next += 1;
            }
        }
    }

    fn address(&mut self, address: IpAddr) {
        self.extend([IpNet::from(address)]);
    }

    fn extend_outside(&mut self, prefixes: impl IntoIterator<Item = IpNet>) {
        let prefixes: Vec<IpNet> = prefixes.into_iter().map(|prefix| prefix.trunc()).collect();
        self.outside.extend(&prefixes);
        self.extend(prefixes);
    }

    /// Spaces, and the tables of subnets: their own rows and what masks gateway routes there.
    fn networks(&mut self) {
        let world = self.world;
        let document = world.topology.document();
        for network in &document.virtual_networks {
            self.extend(network.address_space.iter().copied());
        }
        for table in &world.selection.tables {
            self.extend(table.locals.iter().map(|local| local.prefix));
            self.extend(table.base_masks().iter().map(|(prefix, ())| prefix));
        }
        for service in &world.selection.services {
            self.extend(service.prefixes.iter().map(|(prefix, ())| prefix));
        }
    }

    /// Addresses whose owners do more than receive, and what appliances test.
    fn hosts(&mut self, plain: &Plain) {
        let world = self.world;
        let document = world.topology.document();
        for (address, owner) in world.hosts.owners() {
            if !plain.receives_only(Some(owner)) {
                self.address(address);
            }
        }
        let rewrites = |rules: &[DestinationNat]| -> Vec<IpNet> {
            rules.iter().flat_map(|rule| [rule.destination, rule.translated_address.into()]).collect()
        };
        for appliance in &document.network_virtual_appliances {
            self.extend(appliance.guest_routes.iter().map(|route| route.prefix));
            self.extend(rewrites(&appliance.dnat));
        }
        for firewall in &document.azure_firewalls {
            self.extend(firewall.private_ranges.iter().copied());
            self.extend(rewrites(&firewall.dnat));
        }
        for tunnel in &document.overlay_tunnels {
            self.extend(tunnel.a.prefixes.iter().chain(&tunnel.b.prefixes).copied());
        }
    }

    /// Sites, and what Microsoft's edge knows of public addresses.
    fn outside(&mut self, settled: &Settled) {
        let world = self.world;
        for site in &world.topology.document().on_premises_sites {
            self.extend_outside(site.nat_pool.iter().chain(&site.internet_prefixes).copied());
            for address in site.routers.iter().flat_map(|router| &router.addresses) {
                self.extend_outside([IpNet::from(*address)]);
            }
        }
        self.extend_outside(settled.public.iter().copied());
    }

    fn hubs(&mut self) {
        for hub in &self.world.topology.document().virtual_hubs {
            self.extend_outside(hub.routing_intent.iter().flat_map(|intent| intent.private_prefixes()));
            for connection in &hub.virtual_network_connections {
                for route in &connection.static_routes {
                    self.extend_outside(route.address_prefixes.iter().copied());
                    self.extend_outside([IpNet::from(route.next_hop_ip_address)]);
                }
            }
        }
    }
}

/// Which owners of addresses only receive, as hosts do that nobody declared: they share the class of the addresses around
/// them, and the way to them ends with whoever owns the address.
#[derive(Debug, PartialEq)]
pub(in super::super) struct Plain {
    /// In strict mode a host that nobody declared is none (SYS-16), so that every owner counts.
    strict: bool,
    /// By network interface.
    nics: Vec<bool>,
}

impl Plain {
    pub(in super::super) fn new(world: &World<'_>) -> Self {
        let topology = world.topology;
        let document = topology.document();
        let mut asked: HashSet<IpAddr> = HashSet::new();
        for route in document.route_tables.iter().flat_map(|table| &table.routes) {
            asked.extend(&route.next_hop_ip_addresses);
        }
        for offer in world.plane.domains.iter().flat_map(|domain| domain.offers.iter()) {
            if let Via::RouteServer { next_hop } = offer.via {
                asked.insert(next_hop);
            }
        }
        for hub in &document.virtual_hubs {
            asked.extend(hub.bgp_connections.iter().map(|peer| peer.peer_ip));
            let routes = hub.virtual_network_connections.iter().flat_map(|c| &c.static_routes);
            asked.extend(routes.map(|route| route.next_hop_ip_address));
        }
        for backend in document.load_balancers.iter().flat_map(|balancer| &balancer.backends) {
            asked.extend(backend.ip_address);
        }
        let mut named: HashSet<&ResourceId> = HashSet::new();
        let backends = document.load_balancers.iter().flat_map(|balancer| &balancer.backends);
        named.extend(backends.filter_map(|backend| backend.network_interface.as_ref()));
        named.extend(document.overlay_tunnels.iter().flat_map(|tunnel| [&tunnel.a.node, &tunnel.b.node]));
        let plain = |(n, nic): (usize, &NetworkInterface)| {
            let mut addresses = nic.ip_configurations.iter().filter_map(|c| c.private_ip_address);
            let machine = nic.virtual_machine.as_ref().and_then(|id| world.hosts.machines.get(id));
            !nic.enable_ip_forwarding
                && !world.hosts.appliance_of.contains_key(&n)
                && !world.hosts.outbound.contains_key(&n)
                && machine.is_none_or(|nics| nics.len() < 2)
                && nic.private_endpoint.is_none()
                && nic.ip_configurations.iter().all(|c| c.public_ip_address.is_none())
                && !named.contains(&nic.id)
                && !addresses.any(|address| asked.contains(&address))
        };
        let nics = document.network_interfaces.iter().enumerate().map(plain).collect();
        Self { strict: document.knobs.strict_hosts, nics }
    }

    /// Whether the owner of an address, or nobody, only receives there.
    pub(in super::super) fn receives_only(&self, owner: Option<Owner>) -> bool {
        match owner {
            None => true,
            _ if self.strict => false,
            Some(Owner::Nic(nic)) => self.nics.get(nic).copied().unwrap_or(false),
            Some(_) => false,
        }
    }
}
