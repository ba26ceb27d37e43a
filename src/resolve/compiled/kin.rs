//! Hosts of different virtual networks that take the same first step: one walk tells the path of all of them.
//!
//! A hub has a thousand spokes that differ in nothing but their names. What a walk from one of them finds behind the first
//! step hangs on the spoke only where something asks for the packet's source or comes back into the spoke to be forwarded
//! there. Of a network that only receives ([`Kin::new`]) neither happens, so that packets to an address of a class take the
//! same path from every such network that takes the same first step ([`Step`]) under the same circumstances
//! ([`Circumstances`]). Debug builds walk every path that is shared, and compare.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::super::classes::Plain;
use super::super::hosts::{Start, nic_subnet};
use super::super::question::Leg;
use super::super::walk::World;
use super::positions::{Alike, Positions, alike};
use crate::control_plane::{DomainOwner, Subscription, Via};
use crate::model::{Entity, ResourceId, VirtualNetworkPeering};
use crate::prefix_table::PrefixTable;
use crate::rule::Decision;
use crate::selection::{CandidateState, Handle, LocalKind, SubnetTable};

/// What a first step out of a network asks of it.
#[derive(PartialEq, Eq, Hash)]
struct Circumstances<'n> {
    /// Each half, and whether it is connected.
    peerings: Vec<(&'n VirtualNetworkPeering, bool)>,
    region: Option<&'n str>,
    subscription: Option<Subscription>,
    route_table: Option<usize>,
}

/// What a table says first, as far as a path tells it: by what the packet leaves, and the rule that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// A group of routes; the row that matched is active, and its group says what decided.
    Gateway(u32),
    Peering(usize, Decision),
    User(usize, Decision),
    None(IpNet, Decision),
}

/// What packets have in common that take the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Alias {
    kind: u32,
    step: Step,
    class: u32,
    leg: Leg,
}

/// A row of hosts.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// The number of its circumstances.
    kind: u32,
    vnet: usize,
    table: usize,
    /// The first row whose table says the same outside of the own networks; see [`Kin::twin`].
    twin: u32,
}

/// The rows of hosts in networks that only receive.
#[derive(Debug, Default)]
struct Rows {
    of: Vec<Option<Row>>,
    /// The networks, by their spaces: no address is in two of them.
    spaces: PrefixTable<usize>,
}

/// The rows that share paths, and the paths that they share.
#[derive(Debug, Default)]
pub(crate) struct Kin {
    rows: Arc<Rows>,
    known: Mutex<FxHashMap<Alias, u32>>,
}

impl Kin {
    /// Looks for networks that only receive: all that is in them are hosts, their addresses are nobody else's, and no hub
    /// gives them routes.
    pub(super) fn new(world: &World<'_>, plain: &Plain, positions: &Positions) -> Self {
        let document = world.topology.document();
        let apart = apart(world, plain);
        let mut kinds: FxHashMap<Circumstances<'_>, u32> = FxHashMap::default();
        let mut rows = vec![None; positions.rows()];
        let mut twins: FxHashMap<(u32, bool), Vec<(u32, &SubnetTable)>> = FxHashMap::default();
        for position in positions.iter() {
            let start = positions.start(position);
            let (Start::Nic { vnet, subnet, .. } | Start::Subnet { vnet, subnet }) = start else { continue };
            if apart.contains(&vnet) {
                continue;
            }
            for v4 in [true, false] {
                let row = positions.row(position, v4) as usize;
                let source = positions.source(position, v4);
                let Some(slot @ None) = rows.get_mut(row) else { continue };
                let hosts = alike(world, plain, start, source);
                let network = &document.virtual_networks[vnet];
                let inside = source.is_some_and(|s| network.address_space.iter().any(|p| p.contains(&s)));
                if !matches!(hosts, Some(Alike::Hosts { .. })) || !inside {
                    continue;
                }
                let table = world.selection.of_subnet[vnet][subnet];
                let peerings = network.peerings.iter();
                let circumstances = Circumstances {
                    peerings: peerings
                        .map(|half| (half, world.topology.is_connected(network, half)))
                        .collect(),
                    region: network.location.as_deref(),
                    subscription: world.plane.subscriptions[vnet],
                    route_table: world.selection.tables[table].route_table,
                };
                let next = u32::try_from(kinds.len()).unwrap_or(u32::MAX);
                let kind = *kinds.entry(circumstances).or_insert(next);
                let twin = match u32::try_from(row) {
                    Ok(number) if finds_no_hop_at_home(world, vnet, table) => {
                        let said: &SubnetTable = &world.selection.tables[table];
                        let others = twins.entry((kind, v4)).or_default();
                        match others.iter().find(|(_, other)| says_the_same(said, other)) {
                            Some((first, _)) => *first,
                            None => {
                                others.push((number, said));
                                number
                            }
                        }
                    }
                    Ok(number) => number,
                    Err(_) => continue,
                };
                *slot = Some(Row { kind, vnet, table, twin });
            }
        }
        let mut spaces = PrefixTable::default();
        for row in rows.iter().flatten() {
            for prefix in &document.virtual_networks[row.vnet].address_space {
                spaces.insert(*prefix, row.vnet);
            }
        }
        Self { rows: Arc::new(Rows { of: rows, spaces }), known: Mutex::default() }
    }

    /// A number that rows have in common from which packets to an address take the same path, where [`shares`] says so
    /// of one of them and the address is in none of their own networks ([`owner`]).
    ///
    /// [`shares`]: Self::shares
    /// [`owner`]: Self::owner
    pub(crate) fn twin(&self, row: usize) -> Option<usize> {
        (*self.rows.of.get(row)?).map(|row| row.twin as usize)
    }

    /// The network of a row, of those that only receive.
    pub(crate) fn network(&self, row: usize) -> Option<usize> {
        (*self.rows.of.get(row)?).map(|row| row.vnet)
    }

    /// The network that an address is in, of those that only receive.
    pub(crate) fn owner(&self, address: IpAddr) -> Option<usize> {
        self.rows.spaces.longest_match(address).map(|(_, vnet)| *vnet)
    }

    /// Whether the path of a row to an address is that of all its twins.
    pub(crate) fn shares(&self, world: &World<'_>, row: usize, destination: IpAddr) -> bool {
        // Neither class nor leg decides whether a path is shared.
        let row = u32::try_from(row).unwrap_or(u32::MAX);
        self.alias(world, (row, 0), destination, Leg::Initiate).is_some()
    }

    /// The same rows, in a network where none of their circumstances is another.
    pub(super) fn again(&self) -> Self {
        Self { rows: Arc::clone(&self.rows), known: Mutex::default() }
    }

    /// What a row's packets to an address of a class have in common with those of others; none where that is nothing.
    pub(super) fn alias(
        &self,
        world: &World<'_>,
        (row, class): (u32, u32),
        destination: IpAddr,
        leg: Leg,
    ) -> Option<Alias> {
        let Row { kind, vnet, table: number, .. } = (*self.rows.of.get(row as usize)?)?;
        let document = world.topology.document();
        let own = &document.virtual_networks[vnet].address_space;
        let is_own = |address: &IpAddr| own.iter().any(|prefix| prefix.contains(address));
        if is_own(&destination) {
            return None;
        }
        let (prefix, code) = world.fibs[number].longest_match(destination)?;
        let table = &world.selection.tables[number];
        let handle = Handle::decode(code);
        let step = match handle {
            Handle::Service(_) => return None,
            Handle::Gateway(group) => {
                let domain = table.subscription?.domain;
                let offers = &world.plane.domains[domain].offers;
                let members = &world.selection.gateways[domain].groups[group as usize].members;
                // An appliance that a Route Server named is looked for in the own network first.
                let near = |offer: &usize| match &offers[*offer].via {
                    Via::RouteServer { next_hop } => is_own(next_hop),
                    _ => false,
                };
                if members.iter().any(near) {
                    return None;
                }
                Step::Gateway(group)
            }
            Handle::Local(local) => {
                let local = &table.locals[local as usize];
                match &local.kind {
                    LocalKind::Peering { half, .. } => Step::Peering(*half, local.decided_by),
                    LocalKind::None => Step::None(prefix, local.decided_by),
                    LocalKind::User { route, .. } => {
                        let declared = document.route_tables.get(table.route_table?)?.routes.get(*route)?;
                        use crate::model::RouteNextHopType as To;
                        match declared.next_hop_type {
                            // How hosts leave for the Internet is each network's own.
                            To::Internet | To::VnetLocal => return None,
                            _ if declared.next_hop_ip_addresses.iter().any(is_own) => return None,
                            _ => Step::User(*route, local.decided_by),
                        }
                    }
                    _ => return None,
                }
            }
        };
        Some(Alias { kind, step, class, leg })
    }

    /// The path that somebody else took.
    pub(super) fn get(&self, alias: &Alias) -> Option<u32> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(alias).copied()
    }

    pub(super) fn insert(&self, alias: Alias, path: u32) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(alias, path);
    }
}

/// Whether no next hop of a table can be in the table's own network, so that all twins look for it elsewhere.
fn finds_no_hop_at_home(world: &World<'_>, vnet: usize, table: usize) -> bool {
    let document = world.topology.document();
    let own = &document.virtual_networks[vnet].address_space;
    let table = &world.selection.tables[table];
    let routes = table.route_table.and_then(|t| document.route_tables.get(t)).into_iter();
    let mut hops = routes.flat_map(|t| &t.routes).flat_map(|route| &route.next_hop_ip_addresses);
    let named = table.subscription.is_some_and(|s| world.plane.domains[s.domain].route_server.is_some());
    !named && !hops.any(|ip| own.iter().any(|prefix| prefix.contains(ip)))
}

/// Whether tables of two networks say the same of every address that is in neither of them.
fn says_the_same(one: &SubnetTable, other: &SubnetTable) -> bool {
    type Said<'t> = (IpNet, &'t LocalKind, CandidateState, Decision);
    fn said(table: &SubnetTable) -> impl Iterator<Item = Said<'_>> {
        let foreign = table.locals.iter().filter(|local| local.kind != LocalKind::VnetLocal);
        foreign.map(|local| (local.prefix, &local.kind, local.state, local.decided_by))
    }
    one.services == other.services && one.ipv6 == other.ipv6 && said(one).eq(said(other))
}

/// The networks that do more than receive, or whose addresses mean something elsewhere.
fn apart(world: &World<'_>, plain: &Plain) -> HashSet<usize> {
    let document = world.topology.document();
    let mut apart: HashSet<usize> = HashSet::new();
    let home = |id: &ResourceId| match world.topology.entity(id) {
        Some(Entity::VirtualNetwork(v) | Entity::Subnet(v, _)) => Some(v),
        _ => None,
    };
    for nic in 0..document.network_interfaces.len() {
        if !plain.receives_only(Some(super::super::hosts::Owner::Nic(nic))) {
            apart.extend(nic_subnet(world.topology, nic).map(|(v, _)| v));
        }
    }
    apart.extend(document.azure_firewalls.iter().filter_map(|f| home(f.subnet.as_ref()?)));
    apart.extend(document.virtual_network_gateways.iter().filter_map(|g| home(&g.virtual_network)));
    apart.extend(document.route_servers.iter().filter_map(|s| home(&s.virtual_network)));
    apart.extend(document.private_endpoints.iter().filter_map(|e| home(&e.subnet)));
    for (address, owner) in world.hosts.owned() {
        if !plain.receives_only(Some(owner)) {
            apart.insert(address.0);
        }
    }
    for (v, subscription) in world.plane.subscriptions.iter().enumerate() {
        let of_hub = |s: &Subscription| matches!(world.plane.domains[s.domain].owner, DomainOwner::Hub(_));
        if subscription.as_ref().is_some_and(of_hub) {
            apart.insert(v);
        }
    }
    for hub in &document.virtual_hubs {
        let connected = hub.virtual_network_connections.iter();
        apart.extend(connected.filter_map(|connection| home(&connection.remote_virtual_network)));
    }
    // A peering that lets nothing pass is named where it drops a packet.
    for (v, network) in document.virtual_networks.iter().enumerate() {
        let open = |half: &VirtualNetworkPeering| {
            let reverse = world.topology.reverse_peering(network, half);
            half.allow_virtual_network_access && reverse.is_none_or(|half| half.allow_virtual_network_access)
        };
        if !network.peerings.iter().all(open) {
            apart.insert(v);
        }
    }
    // What asks for a packet's source: networks, translation pools, and whoever has an address.
    let mut spaces: Vec<(IpNet, Option<usize>)> = Vec::new();
    for (v, network) in document.virtual_networks.iter().enumerate() {
        spaces.extend(network.address_space.iter().map(|prefix| (*prefix, Some(v))));
    }
    spaces
        .extend(document.on_premises_sites.iter().filter_map(|site| site.nat_pool).map(|pool| (pool, None)));
    spaces.extend(world.hosts.owned().map(|((v, address), _)| (IpNet::from(address), Some(v))));
    let firewalls = document.azure_firewalls.iter().filter_map(|firewall| firewall.private_ip_address);
    let nics = document.network_interfaces.iter().filter(|nic| nic.enable_ip_forwarding);
    let forwarding = nics.flat_map(|nic| &nic.ip_configurations).filter_map(|own| own.private_ip_address);
    spaces.extend(firewalls.chain(forwarding).map(|address| (IpNet::from(address), None)));
    spaces.sort_unstable_by_key(|(prefix, v)| (prefix.network(), prefix.prefix_len(), *v));
    // Prefixes that hold the one looked at, the innermost last.
    let mut open: Vec<(IpNet, Option<usize>)> = Vec::new();
    for (prefix, v) in spaces {
        while open.last().is_some_and(|(outer, _)| !outer.contains(&prefix)) {
            open.pop();
        }
        for (_, outer) in open.iter().filter(|(_, outer)| *outer != v) {
            apart.extend(outer);
            apart.extend(v);
        }
        open.push((prefix, v));
    }
    apart
}
