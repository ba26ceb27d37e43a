//! The table of a subnet: its own candidates with their states, over the shared layers.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::GatewayTable;
use crate::control_plane::{ControlPlane, DomainOwner, Subscription};
use crate::model::same_region;
use crate::model::{
    AddressPrefix, BgpShadow, EffectiveNextHopType, Entity, Knobs, RouteNextHopType, SePrecedence,
    ServiceEndpoint, Topology, VirtualNetwork,
};
use crate::prefix_table::PrefixTable;
use crate::rule::{Decision, Rule};

/// A table, as a position in [`Selection::tables`].
pub(crate) type TableIx = usize;

/// Every table of a network.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    pub(crate) tables: Vec<Arc<SubnetTable>>,
    /// By virtual network and subnet.
    pub(crate) of_subnet: Vec<Vec<TableIx>>,
    /// By virtual network: the table of its `GatewaySubnet`, or of an unbound subnet where it has none.
    pub(crate) of_gateway: Vec<TableIx>,
    /// By virtual network: the table of a subnet without route table and service endpoints.
    pub(crate) unbound: Vec<TableIx>,
    /// By domain of the control plane.
    pub(crate) gateways: Vec<Arc<GatewayTable>>,
    pub(crate) services: Vec<ServiceTable>,
}

/// The prefixes of a service, shared by every subnet that has its endpoint.
#[derive(Clone, Debug)]
pub(crate) struct ServiceTable {
    pub(crate) service: String,
    pub(crate) prefixes: Arc<PrefixTable<()>>,
}

/// One table; subnets of one network with the same route table and services share it.
#[derive(Debug)]
pub(crate) struct SubnetTable {
    pub(crate) vnet: usize,
    pub(crate) route_table: Option<usize>,
    /// Positions in [`Selection::services`].
    pub(crate) services: Vec<usize>,
    /// Where gateway routes come from; none where there is no gateway.
    pub(crate) subscription: Option<Subscription>,
    /// False where the route table refuses gateway routes (UDR-15).
    pub(crate) propagation: bool,
    /// Candidates of its own: system and user rows.
    pub(crate) locals: Vec<Local>,
    /// Positions in `locals`.
    pub(crate) by_prefix: PrefixTable<Vec<usize>>,
    /// Spaces inside which no gateway route is eligible (SEL-5, SEL-6, SEL-8).
    pub(crate) shadow: PrefixTable<()>,
    pub(crate) se_precedence: SePrecedence,
    /// Whether an ineligible gateway row is listed as Invalid instead of left out (SEL-8, `ByActiveRow`).
    pub(crate) by_active_row: bool,
    /// Whether gateway routes come from a hub, which never injects what lies in the network's own space (VWAN-5).
    pub(crate) of_hub: bool,
    /// Whether the network has IPv6 space; without it there are no IPv6 rows (V6-5).
    pub(crate) ipv6: bool,
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CandidateState {
    /// Takes part in longest-prefix match.
    Active,
    /// Listed, but overridden.
    Invalid,
    /// Not even listed (VOC-2).
    Absent,
}

impl fmt::Display for CandidateState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "Active",
            Self::Invalid => "Invalid",
            Self::Absent => "Absent",
        })
    }
}

/// A system or user candidate.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub(crate) prefix: IpNet,
    pub(crate) kind: LocalKind,
    pub(crate) state: CandidateState,
    pub(crate) decided_by: Decision,
}

/// What a candidate is, as positions in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LocalKind {
    VnetLocal,
    /// The half of a peering, and the far network where it is known.
    Peering {
        half: usize,
        remote: Option<usize>,
        global: bool,
    },
    ConnectedGroup {
        remote: usize,
    },
    /// The prefix of the hub the network is connected to (VWAN-2).
    Hub {
        hub: usize,
    },
    PrivateEndpoint {
        endpoint: usize,
    },
    Internet,
    None,
    User {
        route: usize,
        tag: bool,
    },
}

/// How a table's own candidates of one prefix stand to each other, weakest first. Gateway routes stand between
/// `OtherSystem` and `Protected` (SEL-4, SEL-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    OtherSystem,
    Protected,
    User,
}

impl LocalKind {
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::User { .. } => Class::User,
            Self::Internet | Self::None => Class::OtherSystem,
            _ => Class::Protected,
        }
    }

    pub(crate) fn next_hop_type(&self, table: Option<&crate::model::RouteTable>) -> EffectiveNextHopType {
        match self {
            Self::VnetLocal => EffectiveNextHopType::VnetLocal,
            Self::Peering { global: false, .. } | Self::Hub { .. } => EffectiveNextHopType::VNetPeering,
            Self::Peering { global: true, .. } => EffectiveNextHopType::VNetGlobalPeering,
            Self::ConnectedGroup { .. } => EffectiveNextHopType::ConnectedGroup,
            Self::PrivateEndpoint { .. } => EffectiveNextHopType::InterfaceEndpoint,
            Self::Internet => EffectiveNextHopType::Internet,
            Self::None => EffectiveNextHopType::None,
            Self::User { route, .. } => {
                match table.and_then(|t| t.routes.get(*route)).map(|r| r.next_hop_type) {
                    Some(RouteNextHopType::VirtualNetworkGateway) => {
                        EffectiveNextHopType::VirtualNetworkGateway
                    }
                    Some(RouteNextHopType::VnetLocal) => EffectiveNextHopType::VnetLocal,
                    Some(RouteNextHopType::Internet) => EffectiveNextHopType::Internet,
                    Some(RouteNextHopType::VirtualAppliance | RouteNextHopType::VirtualApplianceEcmp) => {
                        EffectiveNextHopType::VirtualAppliance
                    }
                    Some(RouteNextHopType::None) | None => EffectiveNextHopType::None,
                }
            }
        }
    }
}

/// A route in a compiled table: what longest-prefix match returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Handle {
    /// A position in [`SubnetTable::locals`].
    Local(u32),
    /// A group of the domain's [`GatewayTable`].
    Gateway(u32),
    /// A position in [`SubnetTable::services`].
    Service(u32),
}

const TAG: u32 = 30;

impl Handle {
    pub(crate) fn encode(self) -> u32 {
        match self {
            Self::Local(i) => i,
            Self::Gateway(i) => 1 << TAG | i,
            Self::Service(i) => 2 << TAG | i,
        }
    }

    pub(crate) fn decode(code: u32) -> Self {
        let i = code & ((1 << TAG) - 1);
        match code >> TAG {
            0 => Self::Local(i),
            1 => Self::Gateway(i),
            _ => Self::Service(i),
        }
    }
}

/// The tables of a virtual network, by route table and services.
type Seen = HashMap<(Option<usize>, Vec<usize>), TableIx>;

/// Knows a table from before, by its virtual network, route table and services.
type Again<'a> = dyn FnMut(usize, Option<usize>, &[usize]) -> Option<Arc<SubnetTable>> + 'a;

impl Selection {
    /// Settles every table.
    pub(crate) fn build(topology: &Topology, plane: &ControlPlane) -> Self {
        Self::build_with(topology, plane, &mut |_, _, _| None)
    }

    /// The tables after changes of user routes, of which tables there are and to which subnets they are bound, and of nothing
    /// else. `was` is the topology before. Tables of the same routes are shared; tells of each which one it was.
    pub(crate) fn rerouted(
        &self,
        was: &Topology,
        topology: &Topology,
        plane: &ControlPlane,
    ) -> (Self, Vec<Option<TableIx>>) {
        let (old, new) = (&was.document().route_tables, &topology.document().route_tables);
        let known = self.tables.iter().enumerate();
        let known: HashMap<_, _> =
            known.map(|(at, table)| ((table.vnet, table.route_table, &table.services[..]), at)).collect();
        let mut origin: Vec<Option<TableIx>> = Vec::with_capacity(self.tables.len());
        let after = Self::build_with(topology, plane, &mut |vnet, route_table, services| {
            let same = route_table.is_none_or(|t| old.get(t).is_some() && old.get(t) == new.get(t));
            let at = known.get(&(vnet, route_table, services)).copied().filter(|_| same);
            origin.push(at);
            at.map(|at| Arc::clone(&self.tables[at]))
        });
        (after, origin)
    }

    /// `again` may know a table from before, by its virtual network, route table and services.
    fn build_with(topology: &Topology, plane: &ControlPlane, again: &mut Again<'_>) -> Self {
        let document = topology.document();
        let connection_id = |c: usize| document.connections[c].id.clone();
        let select = |domain| Arc::new(GatewayTable::select(domain, connection_id));
        let gateways: Vec<Arc<GatewayTable>> = plane.domains.iter().map(select).collect();
        let mut build = Builder::new(topology, plane);
        let mut selection = Self { gateways, ..Self::default() };
        for (v, vnet) in document.virtual_networks.iter().enumerate() {
            let mut seen = Seen::new();
            let mut of_subnet = Vec::with_capacity(vnet.subnets.len());
            let mut gateway_key = (None, Vec::new());
            for subnet in &vnet.subnets {
                let mut table = subnet.route_table.as_ref().and_then(|id| match topology.entity(id) {
                    Some(Entity::RouteTable(t)) => Some(t),
                    _ => None,
                });
                let is_gateway = subnet.name.eq_ignore_ascii_case("GatewaySubnet");
                if is_gateway && !topology.era().gateway_subnet_route_tables() {
                    table = None;
                }
                let services = build.services(&subnet.service_endpoints, &mut selection.services);
                let key = (table, services);
                if is_gateway {
                    gateway_key = key.clone();
                }
                of_subnet.push(build.table(v, vnet, key, (&mut seen, &mut *again), &mut selection));
            }
            let of_gateway = build.table(v, vnet, gateway_key, (&mut seen, &mut *again), &mut selection);
            let unbound = build.table(v, vnet, (None, Vec::new()), (&mut seen, &mut *again), &mut selection);
            selection.unbound.push(unbound);
            selection.of_subnet.push(of_subnet);
            selection.of_gateway.push(of_gateway);
        }
        selection
    }
}

impl Selection {
    /// The tables after failures that change nothing but what gateways offer: those of domains that offer the same
    /// prefixes are shared. Also tells which tables are to be compiled anew. `None` where networks take their routes from elsewhere.
    pub(crate) fn after(
        &self,
        topology: &Topology,
        (was, plane): (&ControlPlane, &ControlPlane),
    ) -> Option<(Self, Vec<TableIx>)> {
        let same_domains = was.domains.len() == plane.domains.len()
            && was
                .domains
                .iter()
                .zip(&plane.domains)
                .all(|(a, b)| (a.owner, a.transit) == (b.owner, b.transit));
        if !same_domains || was.subscriptions != plane.subscriptions {
            return None;
        }
        let document = topology.document();
        let connection_id = |c: usize| document.connections[c].id.clone();
        let domains = was.domains.iter().zip(&plane.domains).zip(&self.gateways);
        let gateways: Vec<Arc<GatewayTable>> = domains
            .map(|((was, domain), table)| match was == domain {
                true => Arc::clone(table),
                false => Arc::new(GatewayTable::select(domain, connection_id)),
            })
            .collect();
        let mut after = Self {
            gateways,
            tables: self.tables.clone(),
            of_subnet: self.of_subnet.clone(),
            of_gateway: self.of_gateway.clone(),
            unbound: self.unbound.clone(),
            services: self.services.clone(),
        };
        // The compiled tables know the group of a prefix.
        let moved = |d: usize| !Arc::ptr_eq(&self.gateways[d].by_prefix, &after.gateways[d].by_prefix);
        let moved: Vec<bool> = (0..after.gateways.len()).map(moved).collect();
        let stale = |table: &Arc<SubnetTable>| table.subscription.is_some_and(|s| moved[s.domain]);
        let stale: Vec<TableIx> = (0..self.tables.len()).filter(|t| stale(&self.tables[*t])).collect();
        if stale.is_empty() {
            return Some((after, stale));
        }
        // Which gateway wins a prefix does not matter to a subnet's own routes, only that one has it.
        let differ =
            |d: usize| moved[d] && !self.gateways[d].by_prefix.same_prefixes(&after.gateways[d].by_prefix);
        let differ: Vec<bool> = (0..moved.len()).map(differ).collect();
        let build = Builder::new(topology, plane);
        for &t in &stale {
            let old = &self.tables[t];
            if !old.subscription.is_some_and(|s| differ[s.domain]) {
                continue;
            }
            let vnet = &document.virtual_networks[old.vnet];
            let table = build.build_table(old.vnet, vnet, old.route_table, &old.services, &after);
            after.tables[t] = Arc::new(table);
        }
        Some((after, stale))
    }
}

struct Builder<'t> {
    topology: &'t Topology,
    plane: &'t ControlPlane,
    /// Private endpoints by virtual network, with their addresses.
    endpoints: HashMap<usize, Vec<(usize, IpAddr)>>,
    /// Members of each connected group.
    groups: HashMap<String, Vec<usize>>,
    service_ix: HashMap<(String, Vec<IpNet>), usize>,
}

/// Private endpoints by virtual network: their own addresses, else those of their interfaces.
fn endpoints(topology: &Topology) -> HashMap<usize, Vec<(usize, IpAddr)>> {
    let document = topology.document();
    let mut found: HashMap<usize, Vec<(usize, IpAddr)>> = HashMap::new();
    let mut of_nic: HashMap<&crate::model::ResourceId, Vec<IpAddr>> = HashMap::new();
    for nic in &document.network_interfaces {
        let addresses = nic.ip_configurations.iter().filter_map(|c| c.private_ip_address);
        of_nic.entry(&nic.id).or_default().extend(addresses.clone());
        if let Some(endpoint) = &nic.private_endpoint {
            of_nic.entry(endpoint).or_default().extend(addresses);
        }
    }
    for (e, endpoint) in document.private_endpoints.iter().enumerate() {
        let Some(Entity::Subnet(v, _)) = topology.entity(&endpoint.subnet) else { continue };
        let mut addresses = endpoint.private_ip_addresses.clone();
        if addresses.is_empty() {
            for id in endpoint.network_interfaces.iter().chain([&endpoint.id]) {
                addresses.extend(of_nic.get(id).into_iter().flatten());
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        found.entry(v).or_default().extend(addresses.into_iter().map(|ip| (e, ip)));
    }
    found
}

fn groups(topology: &Topology) -> HashMap<String, Vec<usize>> {
    let mut found: HashMap<String, Vec<usize>> = HashMap::new();
    for (v, vnet) in topology.document().virtual_networks.iter().enumerate() {
        if let Some(group) = &vnet.connected_group {
            found.entry(group.to_ascii_lowercase()).or_default().push(v);
        }
    }
    found
}

impl<'t> Builder<'t> {
    fn new(topology: &'t Topology, plane: &'t ControlPlane) -> Self {
        let (endpoints, groups) = (endpoints(topology), groups(topology));
        Self { topology, plane, endpoints, groups, service_ix: HashMap::new() }
    }

    /// The shared prefix lists of a subnet's service endpoints: an exact list, else the regional tags, else the global
    /// one (SE-7). IPv4 only (V6-6).
    fn services(&mut self, endpoints: &[ServiceEndpoint], tables: &mut Vec<ServiceTable>) -> Vec<usize> {
        let mut found = Vec::new();
        for endpoint in endpoints {
            let word = endpoint.service.rsplit('.').next().unwrap_or(&endpoint.service);
            let mut prefixes: Vec<IpNet> = endpoint.prefixes.clone();
            if prefixes.is_empty() {
                let mut regional: Vec<&str> = Vec::new();
                regional.extend(endpoint.locations.iter().map(String::as_str).filter(|l| *l != "*"));
                let mut tags: Vec<_> = regional
                    .iter()
                    .filter_map(|region| {
                        self.topology.service_tag(&format!("{word}.{}", region.replace(' ', "")))
                    })
                    .collect();
                if tags.is_empty() {
                    tags.extend(self.topology.service_tag(word));
                }
                prefixes.extend(tags.iter().flat_map(|t| &t.address_prefixes));
            }
            prefixes.retain(|p| p.addr().is_ipv4());
            if prefixes.is_empty() {
                continue;
            }
            for prefix in &mut prefixes {
                *prefix = prefix.trunc();
            }
            prefixes.sort_unstable();
            prefixes.dedup();
            let key = (endpoint.service.to_ascii_lowercase(), prefixes);
            let ix = *self.service_ix.entry(key.clone()).or_insert_with(|| {
                let prefixes = Arc::new(key.1.iter().map(|p| (*p, ())).collect());
                tables.push(ServiceTable { service: endpoint.service.clone(), prefixes });
                tables.len() - 1
            });
            if !found.contains(&ix) {
                found.push(ix);
            }
        }
        found.sort_unstable();
        found
    }

    fn table(
        &self,
        v: usize,
        vnet: &VirtualNetwork,
        key: (Option<usize>, Vec<usize>),
        (seen, again): (&mut Seen, &mut Again<'_>),
        selection: &mut Selection,
    ) -> TableIx {
        if let Some(known) = seen.get(&key) {
            return *known;
        }
        let table = again(v, key.0, &key.1)
            .unwrap_or_else(|| Arc::new(self.build_table(v, vnet, key.0, &key.1, selection)));
        selection.tables.push(table);
        seen.insert(key, selection.tables.len() - 1);
        selection.tables.len() - 1
    }

    fn build_table(
        &self,
        v: usize,
        vnet: &VirtualNetwork,
        route_table: Option<usize>,
        services: &[usize],
        selection: &Selection,
    ) -> SubnetTable {
        let document = self.topology.document();
        let knobs = &document.knobs;
        let declared = route_table.map(|t| &document.route_tables[t]);
        let mut table = SubnetTable {
            vnet: v,
            route_table,
            services: services.to_vec(),
            subscription: self.plane.subscriptions[v],
            propagation: declared.is_none_or(|t| !t.disable_bgp_route_propagation),
            locals: Vec::new(),
            by_prefix: PrefixTable::default(),
            shadow: PrefixTable::default(),
            se_precedence: knobs.se_precedence,
            by_active_row: knobs.bgp_shadow == BgpShadow::ByActiveRow,
            of_hub: self.plane.subscriptions[v]
                .is_some_and(|s| matches!(self.plane.domains[s.domain].owner, DomainOwner::Hub(_))),
            ipv6: vnet.address_space.iter().any(|p| p.addr().is_ipv6()),
        };
        self.system_candidates(v, vnet, &mut table);
        if let Some(declared) = declared {
            self.user_candidates(declared, &mut table);
            if declared.disable_peering_route {
                for local in &mut table.locals {
                    if matches!(local.kind, LocalKind::Peering { .. }) {
                        local.state = CandidateState::Absent;
                        local.decided_by = Decision::stated(Rule::PEER_13);
                    }
                }
            }
        }
        // Where a peering leads to the same prefix, its row is kept (PEER-14).
        for i in 0..table.locals.len() {
            let Local { prefix, kind: LocalKind::ConnectedGroup { .. }, .. } = table.locals[i] else {
                continue;
            };
            let peering = |l: &Local| {
                matches!(l.kind, LocalKind::Peering { .. })
                    && l.prefix == prefix
                    && l.state != CandidateState::Absent
            };
            if table.locals.iter().any(peering) {
                table.locals[i].state = CandidateState::Absent;
                table.locals[i].decided_by = Decision::decided(Rule::PEER_14);
            }
        }
        if !table.ipv6 {
            for local in table.locals.iter_mut().filter(|local| local.prefix.addr().is_ipv6()) {
                local.state = CandidateState::Absent;
                local.decided_by = Decision::stated(Rule::V6_5);
            }
        }
        for (i, local) in table.locals.iter().enumerate() {
            table.by_prefix.entry(local.prefix).push(i);
        }
        let gateway = table.subscription.map(|s| &*selection.gateways[s.domain]);
        self.settle(&mut table, gateway, knobs, selection);
        table
    }

    /// System rows: own space, peers, connected group, hub, private endpoints, reserved ranges, default.
    fn system_candidates(&self, v: usize, vnet: &VirtualNetwork, table: &mut SubnetTable) {
        let document = self.topology.document();
        let mut add = |prefix: IpNet, kind: LocalKind, decided_by: Decision| {
            let (prefix, state) = (prefix.trunc(), CandidateState::Active);
            table.locals.push(Local { prefix, kind, state, decided_by });
        };
        for prefix in &vnet.address_space {
            add(*prefix, LocalKind::VnetLocal, Decision::stated(Rule::SYS_1));
        }
        let mut reachable = vec![(v, None)];
        for (half, peering) in vnet.peerings.iter().enumerate() {
            if !self.topology.is_connected(vnet, peering) {
                continue;
            }
            let remote = match self.topology.entity(&peering.remote_virtual_network) {
                Some(Entity::VirtualNetwork(r)) => Some(r),
                _ => None,
            };
            let far = remote.map(|r| &document.virtual_networks[r]);
            let global = far.is_some_and(|far| !same_region(vnet, far));
            let rule = if peering.peer_complete_vnets { Rule::PEER_1 } else { Rule::PEER_15 };
            let space = peering.routed_space(far);
            for prefix in &space {
                add(*prefix, LocalKind::Peering { half, remote, global }, Decision::stated(rule));
            }
            reachable.extend(remote.map(|r| (r, Some(space))));
        }
        if let Some(group) = &vnet.connected_group {
            for &member in self.groups.get(&group.to_ascii_lowercase()).into_iter().flatten() {
                if member == v {
                    continue;
                }
                for prefix in &document.virtual_networks[member].address_space {
                    add(
                        *prefix,
                        LocalKind::ConnectedGroup { remote: member },
                        Decision::stated(Rule::PEER_14),
                    );
                }
            }
        }
        if let Some(subscription) = table.subscription
            && let DomainOwner::Hub(hub) = self.plane.domains[subscription.domain].owner
            && let Some(prefix) = document.virtual_hubs[hub].address_prefix
        {
            add(prefix, LocalKind::Hub { hub }, Decision::stated(Rule::VWAN_2));
        }
        // Host routes of private endpoints here and in directly peered networks (PE-1, PE-2).
        for (network, space) in reachable {
            for (endpoint, address) in self.endpoints.get(&network).into_iter().flatten() {
                if space.as_ref().is_none_or(|s| s.iter().any(|p| p.contains(address))) {
                    let kind = LocalKind::PrivateEndpoint { endpoint: *endpoint };
                    add(IpNet::from(*address), kind, Decision::stated(Rule::PE_1));
                }
            }
        }
        let profile = document.knobs.none_profile.unwrap_or_else(|| self.topology.era().none_profile());
        for prefix in profile.prefixes() {
            add(IpNet::V4(*prefix), LocalKind::None, Decision::stated(Rule::SYS_3));
        }
        let v6 = table.ipv6;
        let v4 = ["0.0.0.0/0"].into_iter();
        for (text, rule) in v4.map(|t| (t, Rule::SYS_2)).chain(v6.then_some(("::/0", Rule::V6_2))) {
            if let Ok(default) = text.parse() {
                add(default, LocalKind::Internet, Decision::stated(rule));
            }
        }
    }

    /// User rows; a service tag stands for each of its prefixes (UDR-10).
    fn user_candidates(&self, declared: &crate::model::RouteTable, table: &mut SubnetTable) {
        for (route, declared) in declared.routes.iter().enumerate() {
            let mut add = |prefix: IpNet, tag: bool| {
                table.locals.push(Local {
                    prefix: prefix.trunc(),
                    kind: LocalKind::User { route, tag },
                    state: CandidateState::Active,
                    decided_by: Decision::stated(if tag { Rule::UDR_10 } else { Rule::UDR_2 }),
                });
            };
            match &declared.address_prefix {
                AddressPrefix::Cidr(prefix) => add(*prefix, false),
                AddressPrefix::ServiceTag(name) => {
                    let hops = &declared.next_hop_ip_addresses;
                    let tag = self.topology.service_tag(name);
                    for prefix in tag.map_or(&[][..], |t| &t.address_prefixes) {
                        // A next hop of one family takes the prefixes of that family (V6-3).
                        if hops.iter().all(|ip| crate::model::same_family(prefix, ip)) {
                            add(*prefix, true);
                        }
                    }
                }
            }
        }
    }

    /// Gives every own candidate its state, and draws the shadow that keeps gateway routes out.
    fn settle(
        &self,
        table: &mut SubnetTable,
        gateway: Option<&GatewayTable>,
        knobs: &Knobs,
        selection: &Selection,
    ) {
        self.user_against_user(table);
        let user_at = |table: &SubnetTable, prefix: &IpNet| {
            table.by_prefix.get(prefix).into_iter().flatten().any(|i| {
                let local = &table.locals[*i];
                local.state == CandidateState::Active && local.kind.class() == Class::User
            })
        };
        // A user route of the same prefix beats a protected row (SEL-7, PE-3).
        for i in 0..table.locals.len() {
            let local = &table.locals[i];
            if local.kind.class() != Class::Protected || local.state != CandidateState::Active {
                continue;
            }
            if user_at(table, &local.prefix) {
                let rule = match local.kind {
                    LocalKind::PrivateEndpoint { .. } => Rule::PE_3,
                    _ => Rule::SEL_7,
                };
                table.locals[i].state = CandidateState::Invalid;
                table.locals[i].decided_by = Decision::stated(rule);
            } else if let LocalKind::PrivateEndpoint { endpoint } = local.kind
                && self.policies_let_routes_in(table, local.prefix, endpoint)
            {
                table.locals[i].state = CandidateState::Invalid;
                table.locals[i].decided_by = Decision::stated(Rule::PE_4);
            }
        }
        for local in &table.locals {
            let space = match local.kind {
                LocalKind::VnetLocal if table.of_hub => {
                    table.shadow.insert(local.prefix, ());
                    continue;
                }
                LocalKind::VnetLocal | LocalKind::ConnectedGroup { .. } | LocalKind::Hub { .. } => true,
                // Peers hidden by the route table do not count (SEL-8).
                LocalKind::Peering { .. } => local.state != CandidateState::Absent,
                _ => false,
            };
            if space && (!table.by_active_row || local.state == CandidateState::Active) {
                table.shadow.insert(local.prefix, ());
            }
        }
        // Service endpoints cannot be overridden, unless labs are right (SE-4).
        if knobs.se_precedence == SePrecedence::Documented {
            for local in &mut table.locals {
                let same = table
                    .services
                    .iter()
                    .any(|s| selection.services[*s].prefixes.get(&local.prefix).is_some());
                if same && local.kind.class() == Class::User && local.state == CandidateState::Active {
                    local.state = CandidateState::Invalid;
                    local.decided_by = Decision::stated(Rule::SE_4);
                }
            }
        }
        self.settle_defaults(table, gateway);
    }

    /// UDR-11: an explicit prefix beats a tag; among tags the regional service, the service, the regional cloud, the
    /// cloud.
    fn user_against_user(&self, table: &mut SubnetTable) {
        let Some(declared) = table.route_table.map(|t| &self.topology.document().route_tables[t]) else {
            return;
        };
        let rank = |route: usize, tag: bool| -> (u8, String) {
            let AddressPrefix::ServiceTag(name) = &declared.routes[route].address_prefix else {
                return (0, String::new());
            };
            let (cloud, regional) = (
                name.get(..10).is_some_and(|head| head.eq_ignore_ascii_case("AzureCloud"))
                    && name.get(10..11).is_none_or(|next| next == "."),
                name.contains('.'),
            );
            let rank = match (tag, cloud, regional) {
                (false, ..) => 0,
                (true, false, true) => 1,
                (true, false, false) => 2,
                (true, true, true) => 3,
                (true, true, false) => 4,
            };
            // Two tags of one kind: by name.
            (rank, name.to_ascii_lowercase())
        };
        let mut losers = Vec::new();
        for (_, here) in table.by_prefix.iter() {
            let mut users: Vec<((u8, String), usize)> = here
                .iter()
                .filter_map(|i| match table.locals[*i].kind {
                    LocalKind::User { route, tag } => Some((rank(route, tag), *i)),
                    _ => None,
                })
                .collect();
            users.sort_unstable();
            losers.extend(users.into_iter().skip(1).map(|(_, i)| i));
        }
        for i in losers {
            table.locals[i].state = CandidateState::Invalid;
            table.locals[i].decided_by = Decision::stated(Rule::UDR_11);
        }
    }

    /// PE-4: a user route that covers the endpoint, at least as long as the prefix of the endpoint's network that holds
    /// it, where the endpoint's subnet lets route tables in. Only since the policies exist (PE-8).
    fn policies_let_routes_in(&self, table: &SubnetTable, host: IpNet, endpoint: usize) -> bool {
        let document = self.topology.document();
        if !self.topology.era().private_endpoint_policies() {
            return false;
        }
        let Some(Entity::Subnet(v, s)) = self.topology.entity(&document.private_endpoints[endpoint].subnet)
        else {
            return false;
        };
        let vnet = &document.virtual_networks[v];
        if !vnet.subnets[s].private_endpoint_network_policies.route_tables_apply() {
            return false;
        }
        let Some(space) = vnet.address_space.iter().find(|p| p.contains(&host)) else { return false };
        table.by_prefix.covering(&host).into_iter().any(|(prefix, here)| {
            prefix.prefix_len() >= space.prefix_len()
                && here.iter().any(|i| {
                    let local = &table.locals[*i];
                    local.kind.class() == Class::User && local.state == CandidateState::Active
                })
        })
    }

    /// The rows that anything beats: reserved ranges and the default (SYS-6 to SYS-11).
    fn settle_defaults(&self, table: &mut SubnetTable, gateway: Option<&GatewayTable>) {
        let user = |table: &SubnetTable, prefix: &IpNet| {
            table.by_prefix.get(prefix).into_iter().flatten().find_map(|i| match &table.locals[*i] {
                Local { kind: kind @ LocalKind::User { .. }, state: CandidateState::Active, .. } => {
                    Some(kind.clone())
                }
                _ => None,
            })
        };
        let declared = table.route_table.map(|t| &self.topology.document().route_tables[t]);
        let from_gateway =
            |table: &SubnetTable, prefix: &IpNet| gateway.is_some_and(|g| table.gateway_eligible(g, prefix));
        for i in 0..table.locals.len() {
            let Local { prefix, kind, .. } = table.locals[i].clone();
            let protected = table.by_prefix.get(&prefix).into_iter().flatten().any(|j| {
                table.locals[*j].kind.class() == Class::Protected
                    && table.locals[*j].state == CandidateState::Active
            });
            let verdict = match kind {
                // Not among the protected rows of SEL-5: a gateway's host route wins, where one is eligible at all.
                LocalKind::PrivateEndpoint { .. }
                    if table.locals[i].state == CandidateState::Active && from_gateway(table, &prefix) =>
                {
                    Some((CandidateState::Invalid, Decision::stated(Rule::SEL_4)))
                }
                LocalKind::None => {
                    let own = table
                        .locals
                        .iter()
                        .any(|l| l.kind == LocalKind::VnetLocal && l.prefix.contains(&prefix));
                    if own {
                        Some((CandidateState::Absent, Decision::stated(Rule::SYS_6)))
                    } else if user(table, &prefix).is_some() {
                        Some((CandidateState::Absent, Decision::stated(Rule::SYS_7)))
                    } else if protected || from_gateway(table, &prefix) {
                        Some((CandidateState::Absent, Decision::decided(Rule::SYS_7)))
                    } else {
                        None
                    }
                }
                LocalKind::Internet => {
                    if from_gateway(table, &prefix) {
                        Some((CandidateState::Absent, Decision::stated(Rule::SYS_11)))
                    } else if user(table, &prefix).is_some() {
                        Some((CandidateState::Invalid, Decision::stated(Rule::SYS_11)))
                    } else if protected {
                        Some((CandidateState::Invalid, Decision::stated(Rule::SEL_5)))
                    } else {
                        None
                    }
                }
                _ => None,
            };
            if let Some((state, decided_by)) = verdict {
                table.locals[i].state = state;
                table.locals[i].decided_by = decided_by;
            }
        }
        // SYS-9: an active default to an appliance or gateway takes every reserved row with it; SYS-10: to None or to
        // the Internet it does not.
        let Ok(default) = "0.0.0.0/0".parse::<IpNet>() else { return };
        let tunnels = match user(table, &default) {
            Some(kind) => matches!(
                kind.next_hop_type(declared),
                EffectiveNextHopType::VirtualAppliance | EffectiveNextHopType::VirtualNetworkGateway
            ),
            None => from_gateway(table, &default),
        };
        if tunnels {
            for local in &mut table.locals {
                if local.kind == LocalKind::None && local.state == CandidateState::Active {
                    local.state = CandidateState::Absent;
                    local.decided_by = Decision::stated(Rule::SYS_9);
                }
            }
        }
    }
}

impl SubnetTable {
    /// Its own Active rows for the compiled table; the flag marks those that stand against service endpoints where they
    /// are longer.
    pub(crate) fn active(&self) -> impl Iterator<Item = (IpNet, Handle, bool)> {
        self.locals
            .iter()
            .zip(0_u32..)
            .filter(|(local, _)| local.state == CandidateState::Active)
            .map(|(local, i)| (local.prefix, Handle::Local(i), local.kind.class() == Class::Protected))
    }

    /// Whether it is the table of the same network, with the same route table and the same gateways.
    pub(crate) fn is_bound_as(&self, other: &Self) -> bool {
        (self.vnet, self.route_table, self.subscription)
            == (other.vnet, other.route_table, other.subscription)
    }

    /// Whether addresses part at the same prefixes: its own rows and what masks gateway routes.
    pub(crate) fn parts_as(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || self.ipv6 == other.ipv6
                && self
                    .locals
                    .iter()
                    .map(|local| local.prefix)
                    .eq(other.locals.iter().map(|local| local.prefix))
                && self.shadow == other.shadow
    }

    /// The prefixes inside which gateway routes do not count: the shadow, and all of IPv6 where there is none.
    pub(crate) fn base_masks(&self) -> PrefixTable<()> {
        let mut masks = self.shadow.clone();
        if !self.ipv6
            && let Ok(everything) = "::/0".parse()
        {
            masks.insert(everything, ());
        }
        masks
    }

    /// Whether service endpoints win whatever the length of other routes (SE-4).
    pub(crate) fn services_are_pinned(&self) -> bool {
        self.se_precedence == SePrecedence::Documented
    }

    /// Whether the domain has a route for exactly this prefix that this table takes.
    pub(crate) fn gateway_eligible(&self, gateway: &GatewayTable, prefix: &IpNet) -> bool {
        gateway.by_prefix.get(prefix).is_some() && self.gateway_refusal(prefix).is_none()
    }

    /// What becomes of a gateway route of this prefix that this table does not take, and why; none where it takes it.
    pub(crate) fn gateway_refusal(&self, prefix: &IpNet) -> Option<(CandidateState, Rule)> {
        let absent = |rule| Some((CandidateState::Absent, rule));
        if !self.propagation {
            return absent(Rule::UDR_15);
        }
        if prefix.addr().is_ipv6() && !self.ipv6 {
            return absent(Rule::V6_5);
        }
        if prefix.prefix_len() == 0 && self.subscription.is_some_and(|s| !s.default_route) {
            return absent(Rule::VWAN_4);
        }
        self.shadow.shortest(prefix)?;
        if self.of_hub && self.own_space_holds(prefix) {
            absent(Rule::VWAN_5)
        } else if self.by_active_row {
            Some((CandidateState::Invalid, Rule::SEL_8))
        } else {
            absent(Rule::SEL_6)
        }
    }

    fn own_space_holds(&self, prefix: &IpNet) -> bool {
        self.locals.iter().any(|local| local.kind == LocalKind::VnetLocal && local.prefix.contains(prefix))
    }
}
