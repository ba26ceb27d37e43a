//! From small choices to documents. Everything here is a plain function of values that proptest shrinks, and hands out
//! address space by slot, so that what must not overlap does not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::model::{
    Advertisement, Asn, AzureFirewall, Backend, CircuitPeering, CircuitSkuTier, Connection, ConnectionType,
    Document, ExpressRouteCircuit, FrontendIpConfiguration, GatewayType, HubRoutingPreference, LearnedRoute,
    LinkRole, LoadBalancer, LocalNetworkGateway, NetworkInterface, NetworkVirtualAppliance, OnPremisesSite,
    PeeringState, PeeringType, PublicIpAddress, ResourceId, RouteServer, Snat, Subnet, VirtualNetwork,
    VirtualNetworkGateway, VirtualNetworkPeering, VpnType,
};

pub(super) fn v4(a: u8, b: u8, c: u8, d: u8, len: u8) -> IpNet {
    Ipv4Net::new(Ipv4Addr::new(a, b, c, d), len).unwrap_or_default().trunc().into()
}

/// `fd00:{slot}:0:{subnet}::`.
pub(super) fn v6(slot: u8, subnet: u8, len: u8) -> IpNet {
    let address = Ipv6Addr::new(0xfd00, u16::from(slot), 0, u16::from(subnet), 0, 0, 0, 0);
    Ipv6Net::new(address, len).unwrap_or_default().trunc().into()
}

/// How the space of one network looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    /// 0: one /16; 1: a /17 and a /18; 2 and 3: a second /16 of another reserved range.
    style: u8,
    ipv6: bool,
    subnets: u8,
    region: u8,
}

pub(super) fn space() -> impl Strategy<Value = Space> {
    (0_u8..4, proptest::bool::weighted(0.25), 1_u8..3, 0_u8..2)
        .prop_map(|(style, ipv6, subnets, region)| Space { style, ipv6, subnets, region })
}

impl Space {
    pub(super) fn in_region(self, region: u8) -> Self {
        Self { region, ..self }
    }

    pub(super) fn prefixes(self, slot: u8) -> Vec<IpNet> {
        let mut prefixes = match self.style {
            1 => vec![v4(10, slot, 0, 0, 17), v4(10, slot, 128, 0, 18)],
            _ => vec![v4(10, slot, 0, 0, 16)],
        };
        match self.style {
            2 => prefixes.push(v4(172, 16 + slot % 16, 0, 0, 16)),
            3 => prefixes.push(v4(100, 64 + slot % 64, 0, 0, 16)),
            _ => {}
        }
        if self.ipv6 {
            prefixes.push(v6(slot, 0, 48));
        }
        prefixes
    }
}

pub(super) const REGIONS: [&str; 2] = ["westeurope", "eastus"];

/// Where a hub's own subnets lie, as the third octet.
const NVA: u8 = 50;
const GATEWAY: u8 = 100;
const ROUTE_SERVER: u8 = 101;
const FIREWALL: u8 = 102;

/// Adds a network on a slot (10.{slot}.0.0/16 and what belongs to it).
pub(super) fn add_network(
    document: &mut Document,
    id: &str,
    slot: u8,
    space: Space,
    tenant: Option<&str>,
) -> ResourceId {
    let mut vnet = VirtualNetwork::new(id, space.prefixes(slot));
    vnet.location = REGIONS.get(usize::from(space.region)).map(|r| (*r).to_owned());
    vnet.tenant = tenant.map(str::to_owned);
    for n in 0..space.subnets {
        let mut subnet = Subnet::new(format!("s{n}"), v4(10, slot, n, 0, 24));
        if space.ipv6 {
            subnet.address_prefixes.push(v6(slot, n, 64));
        }
        vnet.subnets.push(subnet);
    }
    let id = vnet.id.clone();
    let vm = NetworkInterface::new(
        format!("{id}-vm"),
        vnet.subnet_id("s0"),
        IpAddr::V4(Ipv4Addr::new(10, slot, 0, 4)),
    );
    document.virtual_networks.push(vnet);
    document.network_interfaces.push(vm);
    id
}

fn add_subnet(document: &mut Document, vnet: &ResourceId, name: &str, slot: u8, third: u8) -> ResourceId {
    if let Some(found) = document.virtual_network_mut(vnet) {
        found.subnets.push(Subnet::new(name, v4(10, slot, third, 0, 24)));
    }
    vnet.child("subnets", name)
}

/// The flags of both halves of a peering.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flags {
    transit: u8,
    forwarded: [bool; 2],
    closed: bool,
    state: u8,
    by_subnet: bool,
}

pub(super) fn flags() -> impl Strategy<Value = Flags> {
    (
        // Mostly both flags of gateway transit, sometimes none or one.
        select(vec![3_u8, 3, 3, 0, 1, 2]),
        any::<[bool; 2]>(),
        proptest::bool::weighted(0.05),
        select(vec![0_u8, 0, 0, 0, 1, 2]),
        proptest::bool::weighted(0.06),
    )
        .prop_map(|(transit, forwarded, closed, state, by_subnet)| Flags {
            transit,
            forwarded,
            closed,
            state,
            by_subnet,
        })
}

/// Peers two networks. With subnet peering each half lists the far network's first subnet (PEER-15).
pub(super) fn peer(document: &mut Document, hub: &ResourceId, spoke: &ResourceId, flags: Flags) {
    let half = |to: &ResourceId, forwarded: bool| {
        let mut half = VirtualNetworkPeering::new(to.name(), to);
        half.allow_forwarded_traffic = forwarded;
        half.peering_state = match flags.state {
            0 => None,
            1 => Some(PeeringState::Connected),
            _ => Some(PeeringState::Disconnected),
        };
        if flags.by_subnet {
            half.peer_complete_vnets = false;
            half.local_subnet_names = vec!["s0".to_owned()];
            half.remote_subnet_names = vec!["s0".to_owned()];
        }
        half
    };
    let mut down = half(spoke, flags.forwarded[0]);
    down.allow_gateway_transit = flags.transit & 1 != 0;
    down.allow_virtual_network_access = !flags.closed;
    let mut up = half(hub, flags.forwarded[1]);
    up.use_remote_gateways = flags.transit & 2 != 0;
    for (owner, half) in [(hub, down), (spoke, up)] {
        if let Some(found) = document.virtual_network_mut(owner) {
            found.peerings.push(half);
        }
    }
}

/// What sites outside Azure may claim: ordinary sites, ranges inside and around networks, defaults and halves of them,
/// public and tagged space, both families.
pub(super) fn far_prefixes() -> Vec<IpNet> {
    vec![
        v4(10, 50, 0, 0, 16),
        v4(172, 24, 0, 0, 16),
        v4(10, 50, 1, 0, 24),
        v4(0, 0, 0, 0, 0),
        v4(192, 168, 9, 0, 24),
        v4(10, 0, 0, 0, 8),
        v4(10, 1, 0, 0, 16),
        v4(10, 1, 1, 0, 24),
        v4(10, 2, 0, 0, 17),
        v4(10, 0, 0, 0, 12),
        v4(192, 168, 0, 0, 16),
        v4(172, 16, 0, 0, 12),
        v4(203, 0, 113, 0, 24),
        v4(13, 70, 96, 0, 22),
        v4(0, 0, 0, 0, 1),
        v4(128, 0, 0, 0, 1),
        v4(10, 1, 0, 9, 32),
        Ipv6Net::default().into(),
        v6(250, 0, 48),
        v6(1, 1, 64),
    ]
}

/// A few routes with the length of their AS paths.
pub(super) type Claims = Vec<(IpNet, u8)>;

pub(super) fn claims() -> impl Strategy<Value = Claims> {
    vec((select(far_prefixes()), 1_u8..4), 0..5)
}

pub(super) fn path(length: u8) -> Vec<Asn> {
    vec![Asn(65001); usize::from(length)]
}

/// One circuit of a hub.
#[derive(Clone, Debug)]
pub(super) struct Circuit {
    weight: u16,
    tier: CircuitSkuTier,
    link: Option<LinkRole>,
    claims: Claims,
    microsoft: bool,
}

fn circuit() -> impl Strategy<Value = Circuit> {
    (
        select(vec![0_u16, 0, 10]),
        select(vec![CircuitSkuTier::Standard, CircuitSkuTier::Premium, CircuitSkuTier::Local]),
        select(vec![None, None, Some(LinkRole::Primary), Some(LinkRole::Secondary)]),
        claims(),
        proptest::bool::weighted(0.1),
    )
        .prop_map(|(weight, tier, link, claims, microsoft)| Circuit {
            weight,
            tier,
            link,
            claims,
            microsoft,
        })
}

/// An ExpressRoute gateway with its circuits.
#[derive(Clone, Debug)]
pub(super) struct ExpressRoute {
    circuits: Vec<Circuit>,
    learned: Claims,
    remote_vnets: Option<bool>,
    printed: bool,
}

pub(super) fn express_route() -> impl Strategy<Value = ExpressRoute> {
    (vec(circuit(), 1..3), claims(), any::<Option<bool>>(), any::<bool>()).prop_map(
        |(circuits, learned, remote_vnets, printed)| ExpressRoute {
            circuits,
            learned,
            remote_vnets,
            printed,
        },
    )
}

/// A VPN gateway with one site.
#[derive(Clone, Debug)]
pub(super) struct Vpn {
    fixed: Claims,
    bgp: bool,
    claims: Claims,
    learned: Claims,
    active_active: bool,
    default_site: bool,
    clients: bool,
    kind: u8,
    peer_address: bool,
}

pub(super) fn vpn() -> impl Strategy<Value = Vpn> {
    (
        (claims(), any::<bool>(), claims(), claims()),
        (any::<bool>(), proptest::bool::weighted(0.2), proptest::bool::weighted(0.3)),
        (select(vec![0_u8, 0, 0, 0, 1, 2]), any::<bool>()),
    )
        .prop_map(
            |(
                (fixed, bgp, claims, learned),
                (active_active, default_site, clients),
                (kind, peer_address),
            )| Vpn {
                fixed,
                bgp,
                claims,
                learned,
                active_active,
                default_site,
                clients,
                kind,
                peer_address,
            },
        )
}

/// A Route Server with what appliances told it.
#[derive(Clone, Debug)]
pub(super) struct Server {
    preference: HubRoutingPreference,
    branch_to_branch: bool,
    learned: Vec<(IpNet, u8, u8)>,
}

pub(super) fn server() -> impl Strategy<Value = Server> {
    (
        select(vec![
            HubRoutingPreference::ExpressRoute,
            HubRoutingPreference::VpnGateway,
            HubRoutingPreference::AsPath,
        ]),
        any::<bool>(),
        vec((select(far_prefixes()), 0_u8..4, 4_u8..6), 0..5),
    )
        .prop_map(|(preference, branch_to_branch, learned)| Server {
            preference,
            branch_to_branch,
            learned,
        })
}

/// What stands in a hub beside its gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appliance {
    Absent,
    Interface,
    Guest(Snat),
    Balanced,
    Firewall,
}

/// A hub's equipment.
#[derive(Clone, Debug)]
pub(super) struct Kit {
    pub(super) express_route: Option<ExpressRoute>,
    pub(super) vpn: Option<Vpn>,
    pub(super) server: Option<Server>,
    pub(super) appliance: Appliance,
}

fn appliance() -> impl Strategy<Value = Appliance> {
    select(vec![
        Appliance::Interface,
        Appliance::Absent,
        Appliance::Guest(Snat::None),
        Appliance::Guest(Snat::Internet),
        Appliance::Guest(Snat::All),
        Appliance::Balanced,
        Appliance::Firewall,
    ])
}

pub(super) fn kit() -> impl Strategy<Value = Kit> {
    (
        proptest::option::weighted(0.6, express_route()),
        proptest::option::weighted(0.5, vpn()),
        proptest::option::weighted(0.2, server()),
        appliance(),
    )
        .prop_map(|(express_route, vpn, server, appliance)| Kit {
            express_route,
            vpn,
            server,
            appliance,
        })
}

/// Both gateways, whatever else.
pub(super) fn coexisting_kit() -> impl Strategy<Value = Kit> {
    (express_route(), vpn(), proptest::option::weighted(0.3, server()), appliance()).prop_map(
        |(express_route, vpn, server, appliance)| Kit {
            express_route: Some(express_route),
            vpn: Some(vpn),
            server,
            appliance,
        },
    )
}

/// Equips a hub that stands on a slot.
pub(super) fn equip(document: &mut Document, hub: &ResourceId, slot: u8, kit: &Kit, tenant: Option<&str>) {
    if kit.express_route.is_some() || kit.vpn.is_some() {
        add_subnet(document, hub, "GatewaySubnet", slot, GATEWAY);
    }
    if let Some(plan) = &kit.express_route {
        add_express_route(document, hub, plan, tenant);
    }
    if let Some(plan) = &kit.vpn {
        add_vpn(document, hub, slot, plan, tenant);
    }
    if let Some(plan) = &kit.server {
        add_subnet(document, hub, "RouteServerSubnet", slot, ROUTE_SERVER);
        let learned_routes = plan
            .learned
            .iter()
            .map(|(prefix, length, host)| LearnedRoute {
                next_hop: Some(IpAddr::V4(Ipv4Addr::new(10, slot, NVA, *host))),
                ..LearnedRoute::new(*prefix, path(*length))
            })
            .collect();
        document.route_servers.push(RouteServer {
            id: format!("{hub}-rs").into(),
            virtual_network: hub.clone(),
            virtual_router_ips: [4, 5].map(|n| IpAddr::V4(Ipv4Addr::new(10, slot, ROUTE_SERVER, n))).to_vec(),
            allow_branch_to_branch_traffic: plan.branch_to_branch,
            hub_routing_preference: plan.preference,
            bgp_connections: Vec::new(),
            learned_routes,
        });
    }
    add_appliance(document, hub, slot, kit.appliance);
}

fn add_express_route(document: &mut Document, hub: &ResourceId, plan: &ExpressRoute, tenant: Option<&str>) {
    let id = format!("{hub}-er");
    let mut gateway = VirtualNetworkGateway::new(&*id, hub, GatewayType::ExpressRoute);
    gateway.allow_remote_vnet_traffic = plan.remote_vnets;
    gateway.learned_routes = plan.learned.iter().map(|(p, n)| LearnedRoute::new(*p, path(*n))).collect();
    if plan.printed {
        gateway.route_next_hop_addresses = vec![IpAddr::V4(Ipv4Addr::new(10, 255, 0, 1))];
    }
    document.virtual_network_gateways.push(gateway);
    for (n, plan) in plan.circuits.iter().enumerate() {
        let circuit_id = format!("{hub}-circuit{n}");
        let mut circuit = ExpressRouteCircuit::new(&*circuit_id);
        circuit.tenant = tenant.map(str::to_owned);
        circuit.sku_tier = plan.tier;
        circuit.peerings.push(CircuitPeering::new(PeeringType::AzurePrivatePeering));
        circuit.peerings.push(CircuitPeering::new(PeeringType::MicrosoftPeering));
        let mut connection =
            Connection::new(format!("{id}-to{n}"), ConnectionType::ExpressRoute, &*id, &*circuit_id);
        connection.routing_weight = plan.weight;
        let mut site = OnPremisesSite::new(format!("{circuit_id}-site"), [v4(10, 50, 0, 0, 16)]);
        site.tenant = tenant.map(str::to_owned);
        for (prefix, length) in &plan.claims {
            let mut advertisement = Advertisement::new(&*circuit_id, [*prefix], path(*length));
            advertisement.link = plan.link;
            if plan.microsoft {
                advertisement.peering = PeeringType::MicrosoftPeering;
            }
            site.advertisements.push(advertisement);
        }
        document.express_route_circuits.push(circuit);
        document.connections.push(connection);
        document.on_premises_sites.push(site);
    }
}

fn add_vpn(document: &mut Document, hub: &ResourceId, slot: u8, plan: &Vpn, tenant: Option<&str>) {
    let id = format!("{hub}-vpn");
    let mut gateway = VirtualNetworkGateway::new(&*id, hub, GatewayType::Vpn);
    match plan.kind {
        1 => gateway.sku = Some("Basic".to_owned()),
        2 => gateway.vpn_type = VpnType::PolicyBased,
        _ => gateway.sku = Some("VpnGw1".to_owned()),
    }
    gateway.enable_bgp = plan.bgp;
    gateway.active_active = plan.active_active;
    gateway.bgp_peering_addresses = [4, 5]
        .into_iter()
        .take(if plan.active_active { 2 } else { 1 })
        .map(|n| IpAddr::V4(Ipv4Addr::new(10, slot, GATEWAY, n)))
        .collect();
    let public = PublicIpAddress {
        id: format!("{id}-ip").into(),
        ip_address: Some(IpAddr::V4(Ipv4Addr::new(20, 1, slot, 1))),
    };
    gateway.public_ip_addresses = vec![public.id.clone()];
    document.public_ip_addresses.push(public);
    gateway.learned_routes = plan.learned.iter().map(|(p, n)| LearnedRoute::new(*p, path(*n))).collect();
    if plan.clients {
        gateway.vpn_client_address_pools = vec![v4(172, 31, slot, 0, 24)];
    }
    let local_id = ResourceId::from(format!("{id}-lng"));
    if plan.default_site {
        gateway.gateway_default_site = Some(local_id.clone());
    }
    document.virtual_network_gateways.push(gateway);
    let site_id = ResourceId::from(format!("{id}-site"));
    document.local_network_gateways.push(LocalNetworkGateway {
        id: local_id.clone(),
        address_prefixes: plan.fixed.iter().map(|(p, _)| *p).collect(),
        asn: plan.bgp.then_some(Asn(65010)),
        bgp_peering_address: plan.peer_address.then(|| IpAddr::V4(Ipv4Addr::new(192, 168, 77, slot))),
        site: Some(site_id.clone()),
        ..LocalNetworkGateway::default()
    });
    let mut connection =
        Connection::new(format!("{id}-to-site"), ConnectionType::IPsec, &*id, local_id.clone());
    connection.enable_bgp = plan.bgp;
    let mut site = OnPremisesSite::new(site_id, [v4(192, 168, 9, 0, 24)]);
    site.tenant = tenant.map(str::to_owned);
    for (n, (prefix, length)) in plan.claims.iter().enumerate() {
        // By the connection and by the local network gateway in turn: both name this tunnel.
        let over = if n.is_multiple_of(2) { connection.id.clone() } else { local_id.clone() };
        site.advertisements.push(Advertisement::new(over, [*prefix], path(*length)));
    }
    document.connections.push(connection);
    document.on_premises_sites.push(site);
}

fn add_appliance(document: &mut Document, hub: &ResourceId, slot: u8, appliance: Appliance) {
    let at = |third: u8, n: u8| IpAddr::V4(Ipv4Addr::new(10, slot, third, n));
    if appliance == Appliance::Absent {
        return;
    }
    if appliance == Appliance::Firewall {
        let subnet = add_subnet(document, hub, "AzureFirewallSubnet", slot, FIREWALL);
        document.azure_firewalls.push(AzureFirewall {
            id: format!("{hub}-firewall").into(),
            subnet: Some(subnet),
            private_ip_address: Some(at(FIREWALL, 4)),
            ..AzureFirewall::default()
        });
        return;
    }
    let subnet = add_subnet(document, hub, "nva", slot, NVA);
    let count = if appliance == Appliance::Balanced { 2 } else { 1 };
    let mut backends = Vec::new();
    for n in 0..count {
        let mut nic = NetworkInterface::new(format!("{hub}-nva{n}"), &subnet, at(NVA, 4 + n));
        nic.enable_ip_forwarding = true;
        if let Appliance::Guest(snat) = appliance {
            let mut guest = NetworkVirtualAppliance::new(format!("{hub}-guest"), [nic.id.clone()]);
            guest.snat = snat;
            document.network_virtual_appliances.push(guest);
        }
        backends.push(Backend { network_interface: Some(nic.id.clone()), ..Backend::default() });
        document.network_interfaces.push(nic);
    }
    if appliance == Appliance::Balanced {
        document.load_balancers.push(LoadBalancer {
            id: format!("{hub}-ilb").into(),
            frontend_ip_configurations: vec![FrontendIpConfiguration {
                name: "front".to_owned(),
                private_ip_address: Some(at(NVA, 100)),
                subnet: Some(subnet),
                public_ip_address: None,
            }],
            backends,
            ..LoadBalancer::default()
        });
    }
}
