//! What can be added to any design, and what can be changed in one.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::probe::declared_prefixes;
use super::{era, flags, knobs, sketch};
use crate::model::{
    AddressPrefix, Change, Date, Document, Knobs, LinkRole, NatGateway, NetworkInterface, PeeringType,
    PrivateEndpoint, PrivateEndpointNetworkPolicies, ResourceId, RouteNextHopType, RouteTable,
    ServiceEndpoint, ServiceTag, Topology, UserDefinedRoute, VirtualNetwork,
};

/// The element an index stands for, if there is any.
fn pick<T>(index: Index, list: &[T]) -> Option<&T> {
    if list.is_empty() { None } else { Some(index.get(list)) }
}

/// A user route before it knows the design that it is for.
#[derive(Clone, Debug)]
struct RoutePlan {
    prefix: Index,
    tweak: u8,
    hop: RouteNextHopType,
    next_hop: Index,
    tag: Option<&'static str>,
}

const TAGS: [&str; 5] = ["Storage", "Storage.WestEurope", "AzureCloud", "AzureCloud.westeurope", "Sql"];

fn route_plan() -> impl Strategy<Value = RoutePlan> {
    (
        any::<Index>(),
        select(vec![0_u8, 0, 0, 1, 2, 3, 4, 5]),
        select(vec![
            RouteNextHopType::VirtualAppliance,
            RouteNextHopType::VirtualAppliance,
            RouteNextHopType::None,
            RouteNextHopType::Internet,
            RouteNextHopType::VnetLocal,
            RouteNextHopType::VirtualNetworkGateway,
            RouteNextHopType::VirtualApplianceEcmp,
        ]),
        any::<Index>(),
        proptest::option::weighted(0.15, select(TAGS.to_vec())),
    )
        .prop_map(|(prefix, tweak, hop, next_hop, tag)| RoutePlan { prefix, tweak, hop, next_hop, tag })
}

/// A prefix, or one near it: its halves, what holds it, a host in it, or everything.
fn tweaked(prefix: IpNet, tweak: u8) -> IpNet {
    let half = |n: usize| {
        let len = prefix.prefix_len() + 1;
        prefix.subnets(len).ok().and_then(|mut halves| halves.nth(n)).unwrap_or(prefix)
    };
    match tweak {
        1 => half(0),
        2 => half(1),
        3 => prefix.supernet().unwrap_or(prefix),
        4 => prefix.hosts().nth(3).map_or(prefix, IpNet::from),
        5 if prefix.addr().is_ipv4() => IpNet::V4(ipnet::Ipv4Net::default()),
        _ => prefix,
    }
    .trunc()
}

/// What user routes are written about: every declared prefix, and once more each what most rules turn on: spaces,
/// subnets and private endpoints.
fn route_prefixes(document: &Document) -> Vec<IpNet> {
    let mut prefixes = declared_prefixes(document);
    for vnet in &document.virtual_networks {
        prefixes.extend(&vnet.address_space);
        prefixes.extend(vnet.subnets.iter().flat_map(|s| &s.address_prefixes));
        prefixes.extend(&vnet.address_space);
    }
    for endpoint in &document.private_endpoints {
        prefixes.extend(endpoint.private_ip_addresses.iter().copied().map(IpNet::from));
    }
    prefixes
}

/// IPv4 addresses that appliances answer, and one that nothing does.
fn appliance_addresses(document: &Document) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for nic in document.network_interfaces.iter().filter(|n| n.enable_ip_forwarding) {
        addresses.extend(nic.ip_configurations.iter().filter_map(|c| c.private_ip_address));
    }
    for balancer in &document.load_balancers {
        addresses.extend(balancer.frontend_ip_configurations.iter().filter_map(|f| f.private_ip_address));
    }
    addresses.extend(document.azure_firewalls.iter().filter_map(|f| f.private_ip_address));
    addresses.retain(IpAddr::is_ipv4);
    addresses.push(IpAddr::V4(Ipv4Addr::new(10, 250, 0, 4)));
    addresses
}

impl RoutePlan {
    fn route(&self, name: &str, document: &Document) -> Option<UserDefinedRoute> {
        let prefix = match self.tag {
            Some(tag) => AddressPrefix::ServiceTag(tag.to_owned()),
            None => AddressPrefix::Cidr(tweaked(*pick(self.prefix, &route_prefixes(document))?, self.tweak)),
        };
        let v6 = matches!(prefix, AddressPrefix::Cidr(p) if p.addr().is_ipv6());
        // V6-3: the appliances are IPv4.
        let hop = if v6 && self.hop.is_appliance() { RouteNextHopType::None } else { self.hop };
        let mut route = UserDefinedRoute::new(name, prefix, hop);
        let addresses = appliance_addresses(document);
        match hop {
            RouteNextHopType::VirtualAppliance => {
                route.next_hop_ip_addresses.push(*pick(self.next_hop, &addresses)?);
            }
            RouteNextHopType::VirtualApplianceEcmp => {
                let mut pair = addresses;
                pair.truncate(3);
                if pair.len() < 2 {
                    pair.push(IpAddr::V4(Ipv4Addr::new(10, 250, 0, 5)));
                }
                route.next_hop_ip_addresses = pair;
            }
            _ => {}
        }
        Some(route)
    }
}

#[derive(Clone, Debug)]
struct TablePlan {
    no_propagation: bool,
    no_peers: bool,
    routes: Vec<RoutePlan>,
}

fn table_plan() -> impl Strategy<Value = TablePlan> {
    (proptest::bool::weighted(0.2), proptest::bool::weighted(0.1), vec(route_plan(), 0..6))
        .prop_map(|(no_propagation, no_peers, routes)| TablePlan { no_propagation, no_peers, routes })
}

/// Route tables and the subnets that they are bound to.
#[derive(Clone, Debug)]
struct Tables {
    tables: Vec<TablePlan>,
    bindings: Vec<(Index, Index)>,
}

fn tables() -> impl Strategy<Value = Tables> {
    (vec(table_plan(), 0..3), vec((any::<Index>(), any::<Index>()), 0..9))
        .prop_map(|(tables, bindings)| Tables { tables, bindings })
}

/// Every subnet but those that accept no table (UDR-14).
fn open_subnets(document: &Document) -> Vec<ResourceId> {
    let subnets = |v: &VirtualNetwork| -> Vec<ResourceId> {
        let open = v.subnets.iter().filter(|s| s.name != "RouteServerSubnet");
        open.map(|s| v.subnet_id(&s.name)).collect()
    };
    document.virtual_networks.iter().flat_map(subnets).collect()
}

/// Subnets of workloads: not those of gateways, Route Servers and firewalls.
fn workload_subnets(document: &Document) -> Vec<ResourceId> {
    let mut subnets = open_subnets(document);
    subnets.retain(|s| !s.name().ends_with("Subnet"));
    subnets
}

impl Tables {
    fn apply(&self, document: &mut Document) {
        let at = document.route_tables.len();
        let mut tables = Vec::new();
        for (n, plan) in self.tables.iter().enumerate() {
            let mut table = RouteTable::new(format!("rt{}", at + n));
            table.disable_bgp_route_propagation = plan.no_propagation;
            table.disable_peering_route = plan.no_peers;
            for (n, plan) in plan.routes.iter().enumerate() {
                let Some(route) = plan.route(&format!("r{n}"), document) else { continue };
                // UDR-3.
                if !table.routes.iter().any(|r| r.address_prefix == route.address_prefix) {
                    table.routes.push(route);
                }
            }
            tables.push(table);
        }
        let ids: Vec<ResourceId> = tables.iter().map(|t| t.id.clone()).collect();
        if tables
            .iter()
            .flat_map(|t| &t.routes)
            .any(|r| matches!(r.address_prefix, AddressPrefix::ServiceTag(_)))
        {
            add_tags(document);
        }
        document.route_tables.extend(tables);
        let subnets = open_subnets(document);
        for (subnet, table) in &self.bindings {
            if let (Some(subnet), Some(table)) = (pick(*subnet, &subnets), pick(*table, &ids))
                && let Some(found) = document.subnet_mut(subnet)
            {
                found.route_table = Some(table.clone());
            }
        }
    }
}

/// Tags that hold one another, with prefixes in common (UDR-11).
fn add_tags(document: &mut Document) {
    let v4 = sketch::v4;
    let storage_west = vec![v4(13, 70, 96, 0, 22), v4(20, 38, 1, 0, 24)];
    let mut storage =
        vec![v4(13, 70, 96, 0, 20), v4(13, 70, 96, 0, 22), v4(20, 38, 1, 0, 24), v4(20, 60, 0, 0, 16)];
    storage.push(sketch::v6(240, 0, 48));
    let cloud_west = vec![v4(13, 70, 96, 0, 22), v4(13, 70, 0, 0, 16)];
    let cloud =
        vec![v4(13, 70, 96, 0, 22), v4(13, 64, 0, 0, 11), v4(20, 60, 0, 0, 16), v4(40, 112, 0, 0, 20)];
    let sql = vec![v4(40, 112, 0, 0, 20)];
    for (name, address_prefixes) in TAGS.into_iter().zip([storage, storage_west, cloud, cloud_west, sql]) {
        document.upsert(ServiceTag { name: name.to_owned(), address_prefixes });
    }
}

/// Where private endpoints go.
type Endpoints = Vec<(Index, u8, PrivateEndpointNetworkPolicies)>;

fn endpoints() -> impl Strategy<Value = Endpoints> {
    let policies = select(vec![
        PrivateEndpointNetworkPolicies::Disabled,
        PrivateEndpointNetworkPolicies::RouteTableEnabled,
        PrivateEndpointNetworkPolicies::Enabled,
        PrivateEndpointNetworkPolicies::NetworkSecurityGroupEnabled,
    ]);
    vec((any::<Index>(), 20_u8..24, policies), 0..3)
}

fn add_endpoints(document: &mut Document, endpoints: &Endpoints) {
    let subnets = workload_subnets(document);
    for (subnet, host, policies) in endpoints {
        let Some(id) = pick(*subnet, &subnets) else { continue };
        let Some(found) = document.subnet_mut(id) else { continue };
        found.private_endpoint_network_policies = *policies;
        let Some(IpNet::V4(prefix)) = found.address_prefixes.first().copied() else { continue };
        let address = IpAddr::V4(Ipv4Addr::from(u32::from(prefix.network()) + u32::from(*host)));
        document.upsert(PrivateEndpoint {
            id: format!("{}-pe{host}", id.as_str().replace('/', "-")).into(),
            subnet: id.clone(),
            private_ip_addresses: vec![address],
            ..PrivateEndpoint::default()
        });
    }
}

/// Everything else that [`dressed`] adds.
#[derive(Clone, Debug)]
struct Details {
    service_endpoints: Vec<(Index, u8)>,
    outages: Vec<(u8, Index)>,
    hosts: Vec<(Index, u8)>,
    outbound: Vec<(Index, u8)>,
    mesh: Option<(Index, Index)>,
}

fn details() -> impl Strategy<Value = Details> {
    (
        vec((any::<Index>(), 0_u8..4), 0..3),
        vec((0_u8..4, any::<Index>()), 0..2),
        vec((any::<Index>(), 30_u8..34), 0..3),
        vec((any::<Index>(), 0_u8..2), 0..2),
        proptest::option::weighted(0.1, any::<(Index, Index)>()),
    )
        .prop_map(|(service_endpoints, outages, hosts, outbound, mesh)| Details {
            service_endpoints,
            outages,
            hosts,
            outbound,
            mesh,
        })
}

impl Details {
    fn apply(&self, document: &mut Document) {
        let subnets = workload_subnets(document);
        if !self.service_endpoints.is_empty() {
            add_tags(document);
        }
        for (subnet, kind) in &self.service_endpoints {
            let Some(found) = pick(*subnet, &subnets).and_then(|s| document.subnet_mut(s)) else { continue };
            let mut endpoint =
                ServiceEndpoint::new(if *kind == 3 { "Microsoft.Sql" } else { "Microsoft.Storage" });
            match kind {
                1 => endpoint.locations = vec!["West Europe".to_owned()],
                2 => endpoint.prefixes = vec![sketch::v4(20, 60, 4, 0, 24)],
                _ => {}
            }
            if !found.service_endpoints.iter().any(|e| e.service == endpoint.service) {
                found.service_endpoints.push(endpoint);
            }
        }
        for (kind, index) in &self.outages {
            outage(document, *kind, *index);
        }
        for (subnet, host) in &self.hosts {
            let Some(id) = pick(*subnet, &subnets) else { continue };
            let first = document.subnet_mut(id).and_then(|s| s.address_prefixes.first().copied());
            let Some(IpNet::V4(prefix)) = first else { continue };
            let address = IpAddr::V4(Ipv4Addr::from(u32::from(prefix.network()) + u32::from(*host)));
            let name = format!("{}-host{host}", id.as_str().replace('/', "-"));
            document.upsert(NetworkInterface::new(name, id, address));
        }
        for (subnet, kind) in &self.outbound {
            let Some(found) = pick(*subnet, &subnets).and_then(|s| document.subnet_mut(s)) else { continue };
            found.default_outbound_access = Some(false);
            if *kind == 1 {
                found.nat_gateway = Some("nat".into());
                document.upsert(NatGateway { id: "nat".into(), ..NatGateway::default() });
            }
        }
        if let Some((a, b)) = &self.mesh {
            mesh(document, *a, *b);
        }
    }
}

/// Something is down: a connection, a link, both links, a peering.
fn outage(document: &mut Document, kind: u8, index: Index) {
    let len = if kind == 0 { document.connections.len() } else { document.express_route_circuits.len() };
    if len == 0 {
        return;
    }
    let at = index.index(len);
    if kind == 0 {
        if let Some(connection) = document.connections.get_mut(at) {
            connection.connected = false;
        }
        return;
    }
    let Some(circuit) = document.express_route_circuits.get_mut(at) else { return };
    match kind {
        1 => circuit.primary.up = false,
        2 => (circuit.primary.up, circuit.secondary.up) = (false, false),
        _ => {
            for peering in &mut circuit.peerings {
                peering.enabled = peering.peering_type != PeeringType::AzurePrivatePeering;
            }
        }
    }
}

/// Two networks of one tenant form a connected group (PEER-14).
fn mesh(document: &mut Document, a: Index, b: Index) {
    let len = document.virtual_networks.len();
    if len < 2 {
        return;
    }
    let pair = [a.index(len), b.index(len)];
    let tenants = pair.map(|i| document.virtual_networks.get(i).map(|v| v.tenant.clone()));
    if pair[0] == pair[1] || tenants[0] != tenants[1] {
        return;
    }
    for at in pair {
        if let Some(vnet) = document.virtual_networks.get_mut(at) {
            vnet.connected_group = Some("mesh".to_owned());
        }
    }
}

/// Adds to a design what any design may have: route tables, service and private endpoints, outages, hosts, ways out, a
/// mesh, knobs and an era. Each shrinks to nothing.
pub fn dressed(base: impl Strategy<Value = Document>) -> impl Strategy<Value = Document> {
    let scenario = (proptest::option::weighted(0.4, knobs()), proptest::option::weighted(0.3, era()));
    (base, scenario, endpoints(), details(), tables()).prop_map(
        |(base, scenario, endpoints, details, tables)| {
            let (knobs, era) = scenario;
            let mut document: Document = base;
            document.knobs = knobs.unwrap_or_default();
            document.as_of = era.flatten();
            add_endpoints(&mut document, &endpoints);
            details.apply(&mut document);
            tables.apply(&mut document);
            document
        },
    )
}

/// Adds private endpoints in subnets of a design, with any policies (PE-1, PE-4).
pub fn with_private_endpoints(base: impl Strategy<Value = Document>) -> impl Strategy<Value = Document> {
    (base, endpoints()).prop_map(|(mut document, endpoints)| {
        add_endpoints(&mut document, &endpoints);
        document
    })
}

/// Adds route tables to a design, with routes near what it declares (UDR-2), and binds them to subnets.
pub fn with_route_tables(base: impl Strategy<Value = Document>) -> impl Strategy<Value = Document> {
    (base, tables()).prop_map(|(mut document, tables)| {
        tables.apply(&mut document);
        document
    })
}

// ---------------------------------------------------------------------------------------------------------------------
// Changes.

/// One step before it knows what it is applied to.
#[derive(Clone, Debug)]
struct Step {
    kind: u8,
    a: Index,
    b: Index,
    on: bool,
    route: RoutePlan,
    flags: sketch::Flags,
    knobs: Knobs,
    era: Option<Date>,
}

fn step() -> impl Strategy<Value = Step> {
    (0_u8..13, any::<(Index, Index, bool)>(), route_plan(), flags(), knobs(), era()).prop_map(
        |(kind, (a, b, on), route, flags, knobs, era)| Step { kind, a, b, on, route, flags, knobs, era },
    )
}

impl Step {
    fn change(&self, document: &Document) -> Option<Change> {
        let vnet = pick(self.a, &document.virtual_networks);
        let table = pick(self.a, &document.route_tables);
        Some(match self.kind {
            0 => Change::BindRouteTable {
                subnet: pick(self.a, &open_subnets(document))?.clone(),
                route_table: pick(self.b, &document.route_tables).filter(|_| self.on).map(|t| t.id.clone()),
            },
            1 => Change::SetRoute {
                route_table: table?.id.clone(),
                route: self.route.route(if self.on { "r0" } else { "new" }, document)?,
            },
            2 => Change::RemoveRoute {
                route_table: table?.id.clone(),
                name: pick(self.b, &table?.routes)?.name.clone(),
            },
            3 => Change::SetConnection {
                connection: pick(self.a, &document.connections)?.id.clone(),
                connected: self.on,
            },
            4 => Change::SetLink {
                circuit: pick(self.a, &document.express_route_circuits)?.id.clone(),
                link: *pick(self.b, &LinkRole::BOTH)?,
                up: self.on,
            },
            5 => Change::RemovePeering {
                virtual_network: vnet?.id.clone(),
                name: pick(self.b, &vnet?.peerings)?.name.clone(),
            },
            6 => {
                let mut pair = Document::new();
                let (near, half) = (vnet?, pick(self.b, &vnet?.peerings)?);
                pair.virtual_networks.push(VirtualNetwork::new(&near.id, []));
                sketch::peer(&mut pair, &near.id, &half.remote_virtual_network, self.flags);
                let mut peering = pair.virtual_networks.pop()?.peerings.pop()?;
                peering.name.clone_from(&half.name);
                Change::SetPeering { virtual_network: near.id.clone(), peering }
            }
            7 => {
                let mut subnet = pick(self.b, &vnet?.subnets)?.clone();
                if self.on {
                    let mut endpoint = ServiceEndpoint::new("Microsoft.Storage");
                    endpoint.prefixes = vec![sketch::v4(20, 60, 8, 0, 24)];
                    subnet.service_endpoints = vec![endpoint];
                } else {
                    subnet.service_endpoints.clear();
                    subnet.private_endpoint_network_policies = PrivateEndpointNetworkPolicies::Enabled;
                }
                Change::SetSubnet { virtual_network: vnet?.id.clone(), subnet }
            }
            8 => {
                let mut ids: Vec<&ResourceId> = document.connections.iter().map(|r| &r.id).collect();
                ids.extend(document.private_endpoints.iter().map(|r| &r.id));
                ids.extend(document.route_tables.iter().map(|r| &r.id));
                ids.extend(document.virtual_network_gateways.iter().map(|r| &r.id));
                ids.extend(document.virtual_networks.iter().map(|r| &r.id));
                ids.extend(document.network_interfaces.iter().map(|r| &r.id));
                Change::Remove((*pick(self.a, &ids)?).clone())
            }
            9 => Change::SetAsOf(self.era),
            10 => Change::SetKnobs(self.knobs.clone()),
            11 => {
                let mut table = table?.clone();
                table.disable_bgp_route_propagation = self.on;
                Change::upsert(table)
            }
            _ => {
                let mut gateway = pick(self.a, &document.virtual_network_gateways)?.clone();
                if self.on {
                    gateway.learned_routes.clear();
                } else {
                    let far = sketch::far_prefixes();
                    let prefix = *pick(self.b, &far)?;
                    gateway.learned_routes.push(crate::model::LearnedRoute::new(prefix, sketch::path(1)));
                }
                Change::upsert(gateway)
            }
        })
    }
}

/// A few changes that can be applied to a document in this order, each leaving a document that
/// [`Topology::new`] accepts.
pub fn changes(document: &Document) -> impl Strategy<Value = Vec<Change>> + use<> {
    let document = document.clone();
    vec(step(), 1..5).prop_map(move |steps| {
        let mut now = document.clone();
        let mut changes = Vec::new();
        for step in steps {
            let Some(change) = step.change(&now) else { continue };
            let mut next = now.clone();
            if next.apply(&change).is_ok() && Topology::new(next.clone()).is_ok() {
                now = next;
                changes.push(change);
            }
        }
        changes
    })
}
