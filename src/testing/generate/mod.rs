//! Networks of any size from a seed: for benches, for studies of scale, and for tests that want realistic bulk rather
//! than corner cases. The same input gives the same bytes.
//!
//! ```
//! use azroute::model::Topology;
//! use azroute::testing::generate::{self, HubAndSpoke};
//!
//! let design = HubAndSpoke { spokes: 600, learned_routes: 1_000, ..HubAndSpoke::default() };
//! let document = generate::hub_and_spoke(&design)?;
//! // A network has at most 500 peerings, so 600 spokes take two hubs.
//! assert_eq!(document.virtual_networks.len(), 602);
//! assert!(Topology::new(document).is_ok());
//! # Ok::<(), azroute::testing::generate::GenerateError>(())
//! ```

mod internet;
mod prefixes;
mod regions;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::model::{
    Advertisement, Asn, AzureFirewall, CircuitPeering, CircuitSkuTier, Connection, ConnectionType, Document,
    ExpressRouteCircuit, GatewayType, LearnedRoute, Limits, LocalNetworkGateway, NetworkInterface,
    OnPremisesSite, PeeringType, PrivateEndpoint, PublicIpAddress, ResourceId, RouteNextHopType, RouteTable,
    ServiceTag, Subnet, UserDefinedRoute, VirtualNetwork, VirtualNetworkGateway, VirtualNetworkPeering,
};

pub use internet::{Announced, announce, way_of};
pub use prefixes::internet_table;
pub use regions::{Regions, regions};

/// A small generator of pseudo-random numbers (splitmix64): not for secrets, the same on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A stream of its own for each seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, or 0 where there is none. The bias is that of a 64-bit remainder.
    pub const fn below(&mut self, bound: u32) -> u32 {
        if bound == 0 {
            return 0;
        }
        let number = self.next_u64() % bound as u64;
        #[allow(clippy::cast_possible_truncation, reason = "below a 32-bit bound")]
        let number = number as u32;
        number
    }

    fn bits(&mut self) -> u32 {
        u32::try_from(self.next_u64() >> 32).unwrap_or_default()
    }
}

/// What was asked for cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The size exceeds a limit of the platform (section 25 of the rules) and limits are enforced.
    #[error("{asked} {what}, but at most {legal} are legal; use `Limits::LintOnly` for a study of scale")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How many were asked for.
        asked: usize,
        /// How many are legal.
        legal: usize,
    },
    /// The addresses do not suffice.
    #[error("there is no room for {0} in the address plan")]
    AddressSpace(&'static str),
}

/// The size of a hub-and-spoke network.
///
/// Under [`Limits::Enforce`] what exceeds a limit of section 25 is refused with [`GenerateError::Limit`], save for the
/// number of spokes: every 500 of them get a hub of their own (peerings per network), and every 1,000 networks a
/// subscription. Under [`Limits::LintOnly`] all spokes share one hub and any size that fits the address plan will do.
///
/// Each hub has an Azure Firewall, an ExpressRoute gateway if there are circuits, and a VPN gateway if there are VPN
/// sites. Spokes use the hub's gateways, send their default route to the firewall and learn the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubAndSpoke {
    /// Spokes, each with one prefix out of 10.0.0.0/8 and what follows it.
    pub spokes: usize,
    /// Subnets of each spoke, all bound to the hub's route table for spokes.
    pub subnets_per_spoke: usize,
    /// Network interfaces in each of them.
    pub hosts_per_subnet: usize,
    /// Private endpoints, spread over the spokes.
    pub private_endpoints: usize,
    /// Routes of that table beside its default route, out of what is learned.
    pub user_routes: usize,
    /// Circuits of each hub; with several, each learned route comes over all of them.
    pub circuits: usize,
    /// Prefixes that the datacentre advertises over each circuit.
    pub learned_routes: usize,
    /// VPN sites, spread over the hubs: half static, half by BGP.
    pub vpn_sites: usize,
    /// Whether the limits hold; also the knob of the document.
    pub limits: Limits,
    /// The seed of everything that is not counted above.
    pub seed: u64,
}

impl Default for HubAndSpoke {
    fn default() -> Self {
        Self {
            spokes: 10,
            subnets_per_spoke: 4,
            hosts_per_subnet: 1,
            private_endpoints: 0,
            user_routes: 0,
            circuits: 1,
            learned_routes: 100,
            vpn_sites: 1,
            limits: Limits::Enforce,
            seed: 1,
        }
    }
}

const PEERINGS_PER_NETWORK: usize = 500;
const SUBNETS_PER_NETWORK: usize = 3_000;
const ADDRESSES_PER_NETWORK: usize = 65_536;
const ADDRESSES_PER_GROUP: usize = 128_000;
const NETWORKS_PER_SUBSCRIPTION: usize = 1_000;
const ROUTES_PER_TABLE: usize = 600;
const CIRCUITS_PER_GATEWAY: usize = 16;
const CIRCUITS_PER_LOCATION: usize = 4;
const CIRCUITS_PER_SUBSCRIPTION: usize = 10;
const ROUTES_PER_CIRCUIT: usize = 10_000;
const STANDARD_ROUTES_PER_CIRCUIT: usize = 4_000;

impl HubAndSpoke {
    /// How many hubs it takes.
    pub fn hubs(&self) -> usize {
        match self.limits {
            Limits::Enforce => self.spokes.div_ceil(PEERINGS_PER_NETWORK).max(1),
            Limits::LintOnly => 1,
        }
    }

    fn endpoints_per_spoke(&self) -> usize {
        self.private_endpoints.div_ceil(self.spokes.max(1))
    }

    /// Section 25, row by row.
    fn check(&self) -> Result<(), GenerateError> {
        if self.limits == Limits::LintOnly {
            return Ok(());
        }
        let hosts = self.subnets_per_spoke * self.hosts_per_subnet + self.endpoints_per_spoke();
        let group = hosts * self.spokes.min(PEERINGS_PER_NETWORK);
        for (what, asked, legal) in [
            ("subnets per network", self.subnets_per_spoke, SUBNETS_PER_NETWORK),
            ("private addresses per network", hosts, ADDRESSES_PER_NETWORK),
            ("private addresses per peered group", group, ADDRESSES_PER_GROUP),
            ("user-defined routes per table", self.user_routes + 1, ROUTES_PER_TABLE),
            ("circuits per gateway", self.circuits, CIRCUITS_PER_GATEWAY),
            ("prefixes over a circuit", self.learned_routes, ROUTES_PER_CIRCUIT),
        ] {
            if asked > legal {
                return Err(GenerateError::Limit { what, asked, legal });
            }
        }
        Ok(())
    }
}

/// Hands out address space from 10.0.0.0 upwards, aligned.
struct Plan {
    next: u64,
}

impl Plan {
    /// Past 100.64.0.0 the plan would run into what VPN sites have.
    const END: u64 = 0x6440_0000;

    fn take(&mut self, bits: u32, what: &'static str) -> Result<Ipv4Net, GenerateError> {
        let full = GenerateError::AddressSpace(what);
        let size = 1_u64.checked_shl(bits).ok_or(full)?;
        let start = self.next.next_multiple_of(size);
        self.next = start + size;
        if bits > 24 || self.next > Self::END {
            return Err(full);
        }
        let network = Ipv4Addr::from(u32::try_from(start).map_err(|_| full)?);
        let length = u8::try_from(32 - bits).map_err(|_| full)?;
        Ipv4Net::new(network, length).map_err(|_| full)
    }
}

/// How many bits it takes to count to `n`.
fn bits_for(n: usize) -> u32 {
    n.max(1).next_power_of_two().trailing_zeros()
}

/// The `n`th prefix of this length inside another.
fn nth(net: Ipv4Net, length: u8, n: usize, what: &'static str) -> Result<Ipv4Net, GenerateError> {
    let full = GenerateError::AddressSpace(what);
    let offset = u64::try_from(n).map_err(|_| full)? << (32 - u32::from(length));
    let start = u64::from(u32::from(net.network())) + offset;
    if length < net.prefix_len() || start > u64::from(u32::from(net.broadcast())) {
        return Err(full);
    }
    let network = Ipv4Addr::from(u32::try_from(start).map_err(|_| full)?);
    Ipv4Net::new(network, length).map_err(|_| full)
}

fn host(net: Ipv4Net, n: usize, what: &'static str) -> Result<IpAddr, GenerateError> {
    nth(net, 32, n, what).map(|net| IpAddr::V4(net.network()))
}

fn id(subscription: usize, resource_type: &str, name: &str) -> ResourceId {
    format!(
        "/subscriptions/00000000-0000-0000-0000-{subscription:012}/resourceGroups/network/providers/\
         Microsoft.Network/{resource_type}/{name}"
    )
    .into()
}

const LOCATIONS: [&str; 4] = ["westeurope", "northeurope", "eastus", "southeastasia"];
const MEET_ME: [&str; 8] =
    ["Amsterdam", "London", "Frankfurt", "Paris", "Dublin", "Washington DC", "Dallas", "Singapore"];

fn turn<'a>(list: &[&'a str], n: usize) -> &'a str {
    n.checked_rem(list.len()).and_then(|n| list.get(n)).copied().unwrap_or_default()
}

/// A hub-and-spoke network of this size.
///
/// # Errors
/// The limit that the size exceeds, or the part of the address plan that it does not fit.
pub fn hub_and_spoke(design: &HubAndSpoke) -> Result<Document, GenerateError> {
    design.check()?;
    let mut document = Document::new();
    document.knobs.limits = design.limits;
    let mut random = Random::new(design.seed);
    let mut plan = Plan { next: 0x0a00_0000 };
    let mut datacentre = OnPremisesSite::new("datacentre", []);
    let learned: Vec<IpNet> =
        prefixes(design.learned_routes, random.next_u64()).into_iter().map(IpNet::V4).collect();
    datacentre.prefixes.clone_from(&learned);

    let hubs = design.hubs();
    let mut networks = 0;
    for h in 0..hubs {
        let hub = Hub::build(&mut document, design, &mut plan, h, networks / NETWORKS_PER_SUBSCRIPTION)?;
        networks += 1;
        hub.circuits(&mut document, design, &learned, &mut datacentre, &mut random);
        let table = hub.table(&mut document, design, &learned, &mut random);
        for spoke in (h..design.spokes).step_by(hubs) {
            let subscription = networks / NETWORKS_PER_SUBSCRIPTION;
            hub.spoke(&mut document, design, &mut plan, spoke, subscription, &table)?;
            networks += 1;
        }
        for site in (h..design.vpn_sites).step_by(hubs) {
            hub.vpn_site(&mut document, site, &mut random)?;
        }
    }
    document.on_premises_sites.push(datacentre);
    Ok(document)
}

/// A hub while its surroundings are built.
struct Hub {
    number: usize,
    subscription: usize,
    id: ResourceId,
    firewall: IpAddr,
    gateways: bool,
    /// The hub's place in the document.
    at: usize,
}

impl Hub {
    fn build(
        document: &mut Document,
        design: &HubAndSpoke,
        plan: &mut Plan,
        number: usize,
        subscription: usize,
    ) -> Result<Self, GenerateError> {
        let what = "the hubs";
        let space = plan.take(10, what)?;
        let hub_id = id(subscription, "virtualNetworks", &format!("hub-{number}"));
        let mut vnet = VirtualNetwork::new(&hub_id, [IpNet::V4(space)]);
        vnet.location = Some(turn(&LOCATIONS, number).to_owned());
        let gateway_subnet = nth(space, 26, 0, what)?;
        let firewall_subnet = nth(space, 26, 1, what)?;
        vnet.subnets.push(Subnet::new("GatewaySubnet", gateway_subnet.into()));
        vnet.subnets.push(Subnet::new("AzureFirewallSubnet", firewall_subnet.into()));
        vnet.subnets.push(Subnet::new("shared", nth(space, 24, 1, what)?.into()));
        let firewall = host(firewall_subnet, 4, what)?;
        let public = PublicIpAddress {
            id: id(subscription, "publicIPAddresses", &format!("firewall-{number}")),
            ip_address: Some(host(Ipv4Net::new_assert(Ipv4Addr::new(20, 0, 0, 0), 8), number, what)?),
        };
        document.azure_firewalls.push(AzureFirewall {
            id: id(subscription, "azureFirewalls", &format!("firewall-{number}")),
            subnet: Some(vnet.subnet_id("AzureFirewallSubnet")),
            private_ip_address: Some(firewall),
            public_ip_addresses: vec![public.id.clone()],
            ..AzureFirewall::default()
        });
        document.public_ip_addresses.push(public);
        if design.circuits > 0 {
            let name = format!("er-{number}");
            let mut gateway = VirtualNetworkGateway::new(
                id(subscription, "virtualNetworkGateways", &name),
                &hub_id,
                GatewayType::ExpressRoute,
            );
            // Section 25: circuits and learned routes by SKU.
            let sku = match (design.learned_routes, design.circuits) {
                (..=4_000, ..=4) => "ErGw1Az",
                (..=9_500, ..=8) => "ErGw2Az",
                (..=9_500, _) => "ErGw3Az",
                _ => "ErGwScale",
            };
            gateway.sku = Some(sku.to_owned());
            gateway.active_active = true;
            document.virtual_network_gateways.push(gateway);
        }
        if design.vpn_sites > 0 {
            let name = format!("vpn-{number}");
            let mut gateway = VirtualNetworkGateway::new(
                id(subscription, "virtualNetworkGateways", &name),
                &hub_id,
                GatewayType::Vpn,
            );
            gateway.sku = Some("VpnGw2AZ".to_owned());
            gateway.enable_bgp = true;
            gateway.active_active = true;
            gateway.bgp_peering_addresses =
                vec![host(gateway_subnet, 4, what)?, host(gateway_subnet, 5, what)?];
            document.virtual_network_gateways.push(gateway);
        }
        let at = document.virtual_networks.len();
        document.virtual_networks.push(vnet);
        let gateways = design.circuits + design.vpn_sites > 0;
        Ok(Self { number, subscription, id: hub_id, firewall, gateways, at })
    }

    fn gateway_id(&self, kind: &str) -> ResourceId {
        id(self.subscription, "virtualNetworkGateways", &format!("{kind}-{}", self.number))
    }

    fn circuits(
        &self,
        document: &mut Document,
        design: &HubAndSpoke,
        learned: &[IpNet],
        datacentre: &mut OnPremisesSite,
        random: &mut Random,
    ) {
        for n in 0..design.circuits {
            let overall = self.number * design.circuits + n;
            let name = format!("circuit-{overall}");
            let circuit_id = id(overall / CIRCUITS_PER_SUBSCRIPTION, "expressRouteCircuits", &name);
            let mut circuit = ExpressRouteCircuit::new(&circuit_id);
            circuit.sku_tier = if learned.len() > STANDARD_ROUTES_PER_CIRCUIT {
                CircuitSkuTier::Premium
            } else {
                CircuitSkuTier::Standard
            };
            circuit.bandwidth_in_mbps = Some(1_000);
            circuit.peering_location =
                Some(turn(&MEET_ME, n / CIRCUITS_PER_LOCATION + self.number).to_owned());
            let mut peering = CircuitPeering::new(PeeringType::AzurePrivatePeering);
            peering.peer_asn = Some(Asn(65001));
            circuit.peerings.push(peering);
            document.express_route_circuits.push(circuit);
            document.connections.push(Connection::new(
                id(self.subscription, "connections", &name),
                ConnectionType::ExpressRoute,
                self.gateway_id("er"),
                &circuit_id,
            ));
            // Paths of two or three networks, in as many groups as a real table has origins.
            for (chunk, group) in learned.chunks(64).enumerate() {
                let origin = 65_100 + u32::try_from(chunk % 64).unwrap_or_default();
                let as_path =
                    [Some(Asn(65001)), (random.below(2) == 1).then_some(Asn(65002)), Some(Asn(origin))];
                datacentre.advertisements.push(Advertisement::new(
                    &circuit_id,
                    group.iter().copied(),
                    as_path.into_iter().flatten(),
                ));
            }
        }
    }

    /// The route table of the hub's spokes.
    fn table(
        &self,
        document: &mut Document,
        design: &HubAndSpoke,
        learned: &[IpNet],
        random: &mut Random,
    ) -> ResourceId {
        let name = format!("spokes-{}", self.number);
        let mut table = RouteTable::new(id(self.subscription, "routeTables", &name));
        let default = IpNet::V4(Ipv4Net::default());
        table.routes.push(UserDefinedRoute::to_appliance("default", default, self.firewall));
        // As many of the learned prefixes as there are, then others.
        let mut chosen: Vec<IpNet> = learned.iter().copied().take(design.user_routes).collect();
        if chosen.len() < design.user_routes {
            let known: HashSet<IpNet> = chosen.iter().copied().collect();
            let more = prefixes(design.user_routes + known.len(), random.next_u64());
            chosen.extend(more.into_iter().map(IpNet::V4).filter(|p| !known.contains(p)));
            chosen.truncate(design.user_routes);
        }
        for (n, prefix) in chosen.into_iter().enumerate() {
            table.routes.push(UserDefinedRoute::to_appliance(format!("r{n}"), prefix, self.firewall));
        }
        let table_id = table.id.clone();
        document.route_tables.push(table);
        table_id
    }

    fn spoke(
        &self,
        document: &mut Document,
        design: &HubAndSpoke,
        plan: &mut Plan,
        number: usize,
        subscription: usize,
        table: &ResourceId,
    ) -> Result<(), GenerateError> {
        let what = "the spokes";
        // Azure keeps four addresses at the start of a subnet and one at its end.
        let subnet_bits = bits_for(design.hosts_per_subnet + design.endpoints_per_spoke() + 5).max(5);
        let space = plan.take(subnet_bits + bits_for(design.subnets_per_spoke), what)?;
        let length = u8::try_from(32 - subnet_bits).map_err(|_| GenerateError::AddressSpace(what))?;
        let name = format!("spoke-{number}");
        let spoke_id = id(subscription, "virtualNetworks", &name);
        let mut vnet = VirtualNetwork::new(&spoke_id, [IpNet::V4(space)]);
        vnet.location = Some(turn(&LOCATIONS, self.number).to_owned());
        for n in 0..design.subnets_per_spoke {
            let net = nth(space, length, n, what)?;
            let mut subnet = Subnet::new(format!("subnet-{n}"), net.into());
            subnet.route_table = Some(table.clone());
            let subnet_id = vnet.subnet_id(&subnet.name);
            for k in 0..design.hosts_per_subnet {
                let nic = id(subscription, "networkInterfaces", &format!("vm-{number}-{n}-{k}"));
                let address = host(net, 4 + k, what)?;
                document.network_interfaces.push(NetworkInterface::new(nic, &subnet_id, address));
            }
            vnet.subnets.push(subnet);
        }
        if design.subnets_per_spoke > 0 {
            let first = nth(space, length, 0, what)?;
            for (k, n) in (number..design.private_endpoints).step_by(design.spokes.max(1)).enumerate() {
                document.private_endpoints.push(PrivateEndpoint {
                    id: id(subscription, "privateEndpoints", &format!("pe-{n}")),
                    subnet: vnet.subnet_id("subnet-0"),
                    private_ip_addresses: vec![host(first, 4 + design.hosts_per_subnet + k, what)?],
                    ..PrivateEndpoint::default()
                });
            }
        }
        let mut up = VirtualNetworkPeering::new("hub", &self.id);
        up.use_remote_gateways = self.gateways;
        up.allow_forwarded_traffic = true;
        vnet.peerings.push(up);
        let mut down = VirtualNetworkPeering::new(name, &spoke_id);
        down.allow_gateway_transit = self.gateways;
        down.allow_forwarded_traffic = true;
        if let Some(hub) = document.virtual_networks.get_mut(self.at) {
            hub.peerings.push(down);
        }
        document.virtual_networks.push(vnet);
        Ok(())
    }

    fn vpn_site(
        &self,
        document: &mut Document,
        number: usize,
        random: &mut Random,
    ) -> Result<(), GenerateError> {
        let what = "the VPN sites";
        let sites = Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10);
        let prefix = IpNet::V4(nth(sites, 28, number, what)?);
        let mut local = LocalNetworkGateway {
            id: id(self.subscription, "localNetworkGateways", &format!("site-{number}")),
            gateway_ip_address: Some(IpAddr::V4(Ipv4Addr::from(0xc600_0000 | random.below(1 << 16)))),
            site: Some(format!("site-{number}").into()),
            ..LocalNetworkGateway::default()
        };
        let mut connection = Connection::new(
            id(self.subscription, "connections", &format!("site-{number}")),
            ConnectionType::IPsec,
            self.gateway_id("vpn"),
            &local.id,
        );
        let mut site = OnPremisesSite::new(format!("site-{number}"), [prefix]);
        if number.is_multiple_of(2) {
            local.address_prefixes = vec![prefix];
        } else {
            connection.enable_bgp = true;
            local.asn = Some(Asn(65_200));
            local.bgp_peering_address = Some(host(nth(sites, 28, number, what)?, 1, what)?);
            site.advertisements.push(Advertisement::new(&connection.id, [prefix], [Asn(65_200)]));
        }
        document.local_network_gateways.push(local);
        document.connections.push(connection);
        document.on_premises_sites.push(site);
        Ok(())
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Parts.

/// `n` different IPv4 prefixes as a datacentre has them: a part in 172.16.0.0/12 and 192.168.0.0/16, the rest public
/// (128.0.0.0 to 191.255.255.255 without those), most of them /24, some inside others. None is in 10.0.0.0/8 or
/// 100.64.0.0/10.
pub fn prefixes(n: usize, seed: u64) -> Vec<Ipv4Net> {
    let mut random = Random::new(seed);
    let mut seen = HashSet::with_capacity(n);
    let mut prefixes = Vec::with_capacity(n);
    let private = (n / 4).min(4_096);
    let mut refused = 0_u32;
    while prefixes.len() < n {
        let (base, base_length, longest) = if prefixes.len() >= private {
            (0x8000_0000, 2, 24)
        } else if random.below(8) == 0 {
            (0xc0a8_0000, 16, 28)
        } else {
            (0xac10_0000, 12, 28)
        };
        let shortest = if base_length == 2 { 14 } else { base_length + 4 };
        // Half of all prefixes have the greatest length, half of the rest one bit less, and so on.
        let mut length = longest;
        while length > shortest && random.below(2) == 0 {
            length -= 1;
        }
        // Where the usual lengths are used up, longer ones are left.
        length = (length + refused / 16).min(32);
        let bits = base | (random.bits() >> base_length);
        let Ok(length) = u8::try_from(length) else { continue };
        let Ok(prefix) = Ipv4Net::new(Ipv4Addr::from(bits), length) else { continue };
        let prefix = prefix.trunc();
        let private_again = base_length == 2
            && (Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12).contains(&prefix)
                || prefix.contains(&Ipv4Addr::new(168, 63, 129, 16))
                || prefix.contains(&Ipv4Addr::new(169, 254, 169, 254)));
        if !private_again && seen.insert(prefix) {
            prefixes.push(prefix);
            refused = 0;
        } else {
            refused = refused.saturating_add(1);
        }
    }
    prefixes
}

/// `n` different IPv6 prefixes in 2000::/3, /32 to /48.
pub fn ipv6_prefixes(n: usize, seed: u64) -> Vec<Ipv6Net> {
    let mut random = Random::new(seed);
    let mut seen = HashSet::with_capacity(n);
    let mut prefixes = Vec::with_capacity(n);
    while prefixes.len() < n {
        let high = (0x2000_u128 << 112) | (u128::from(random.next_u64() >> 3) << 64);
        let length = 32 + u8::try_from(random.below(17)).unwrap_or_default();
        let Ok(prefix) = Ipv6Net::new(Ipv6Addr::from(high), length) else { continue };
        if seen.insert(prefix.trunc()) {
            prefixes.push(prefix.trunc());
        }
    }
    prefixes
}

/// `n` learned routes with AS paths of one to four networks.
pub fn learned_routes(n: usize, seed: u64) -> Vec<LearnedRoute> {
    let mut random = Random::new(seed ^ 0x5eed);
    let route = |prefix: Ipv4Net| {
        let as_path: Vec<Asn> = (0..=random.below(4)).map(|_| Asn(64_600 + random.below(200))).collect();
        LearnedRoute::new(prefix.into(), as_path)
    };
    prefixes(n, seed).into_iter().map(route).collect()
}

/// A route table with `n` routes to one appliance, except that each eighth drops.
pub fn route_table(id: impl Into<ResourceId>, n: usize, next_hop: Ipv4Addr, seed: u64) -> RouteTable {
    let mut table = RouteTable::new(id);
    for (k, prefix) in prefixes(n, seed).into_iter().enumerate() {
        let name = format!("r{k}");
        let prefix = IpNet::V4(prefix);
        table.routes.push(if k % 8 == 7 {
            UserDefinedRoute::new(name, prefix, RouteNextHopType::None)
        } else {
            UserDefinedRoute::to_appliance(name, prefix, IpAddr::V4(next_hop))
        });
    }
    table
}

/// `tags` service tags over `prefixes` prefixes in all: `AzureCloud` holds every one, and the others hold each a share,
/// services and their regional parts in turn (UDR-11). Fewer than two tags are only `AzureCloud`.
pub fn service_tags(tags: usize, prefixes: usize, seed: u64) -> Vec<ServiceTag> {
    const SERVICES: [&str; 4] = ["Storage", "Sql", "EventHub", "AzureMonitor"];
    let mut random = Random::new(seed ^ 0x7a65);
    let all: Vec<IpNet> = self::prefixes(prefixes, seed).into_iter().map(IpNet::V4).collect();
    let mut result = Vec::with_capacity(tags);
    if tags == 0 {
        return result;
    }
    for n in 0..tags - 1 {
        let service = turn(&SERVICES, n / (LOCATIONS.len() + 1));
        let round = n / (SERVICES.len() * (LOCATIONS.len() + 1));
        let service = if round == 0 { service.to_owned() } else { format!("{service}{round}") };
        let name = match n % (LOCATIONS.len() + 1) {
            0 => service,
            region => format!("{service}.{}", turn(&LOCATIONS, region - 1)),
        };
        result.push(ServiceTag { name, address_prefixes: Vec::new() });
    }
    let shares = u32::try_from(result.len()).unwrap_or(u32::MAX);
    for prefix in &all {
        let at = usize::try_from(random.below(shares)).unwrap_or_default();
        // A regional tag's prefixes are the service's as well.
        let global = at - at % (LOCATIONS.len() + 1);
        for n in if global == at { vec![at] } else { vec![global, at] } {
            if let Some(tag) = result.get_mut(n) {
                tag.address_prefixes.push(*prefix);
            }
        }
    }
    result.insert(0, ServiceTag { name: "AzureCloud".to_owned(), address_prefixes: all });
    result
}

/// `n` addresses inside a document's prefixes and outside of them, for benches: three of four lie inside a prefix that
/// the document declares.
pub fn addresses(document: &Document, n: usize, seed: u64) -> Vec<IpAddr> {
    let mut known: Vec<Ipv4Net> = Vec::new();
    let mut add = |prefix: &IpNet| {
        if let IpNet::V4(prefix) = prefix {
            known.push(*prefix);
        }
    };
    document.virtual_networks.iter().flat_map(|v| &v.address_space).for_each(&mut add);
    document.on_premises_sites.iter().flat_map(|s| &s.prefixes).for_each(&mut add);
    let mut random = Random::new(seed ^ 0xadd7);
    let bound = u32::try_from(known.len()).unwrap_or(u32::MAX);
    (0..n)
        .map(|_| {
            let at = usize::try_from(random.below(bound)).unwrap_or_default();
            let bits = random.bits();
            let inside = random.below(4) != 0;
            let bits = match known.get(at) {
                Some(prefix) if inside => u32::from(prefix.network()) | (bits & u32::from(prefix.hostmask())),
                _ => bits,
            };
            IpAddr::V4(Ipv4Addr::from(bits))
        })
        .collect()
}
