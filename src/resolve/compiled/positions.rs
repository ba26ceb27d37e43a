//! Where packets may start: positions, the addresses they send from, and which of them behave alike.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::super::ResolveError;
use super::super::classes::Plain;
use super::super::hosts::{Hosts, Owner, Start};
use super::super::question::{Quick, Source};
use super::super::walk::World;
use crate::fib::Fib;
use crate::model::{ResourceId, Topology};

/// A place that packets start from, found once and asked many times: a subnet, an interface, a firewall, a site or one of
/// its routers or host ranges. A small number of one network; networks made from it by failures or changes have their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u32);

impl Position {
    /// Its number among the positions of its network, dense from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The row of what has none.
pub(super) const NO_ROW: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Entry {
    id: ResourceId,
    start: Start,
    /// The address it sends from, by family.
    v4: Option<IpAddr>,
    v6: Option<IpAddr>,
}

impl Entry {
    /// Its row in each family.
    fn rows(&self, world: &World<'_>, plain: &Plain, rows: &mut HashMap<Alike, u32>) -> [u32; 2] {
        [(self.v4, true), (self.v6, false)].map(|(source, is_v4)| {
            if source.is_none() {
                return NO_ROW;
            }
            let next = u32::try_from(rows.len()).unwrap_or(NO_ROW);
            let alike = alike(world, plain, self.start, source);
            *rows.entry(alike.unwrap_or(Alike::Start(self.start, is_v4))).or_insert(next)
        })
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Positions {
    entries: Vec<Entry>,
    /// By position its row in each family, the same for positions that behave alike; [`NO_ROW`] without an address there.
    row_of: Vec<[u32; 2]>,
    by_start: HashMap<Start, u32>,
    rows: u32,
    /// Where addresses start that one place owns.
    by_address: Option<Fib>,
}

/// What makes hosts of a subnet behave as others do: their table, and how they leave for the Internet.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Alike {
    Hosts { vnet: usize, table: usize, nat_gateway: Option<ResourceId>, default_outbound: Option<bool> },
    Start(Start, bool),
}

impl Positions {
    pub(super) fn new(world: &World<'_>, plain: &Plain) -> Self {
        let mut positions = Self::default();
        let mut rows: HashMap<Alike, u32> = HashMap::new();
        for id in world.hosts.named_positions() {
            let Ok(start) = world.hosts.by_name(world.topology, id) else { continue };
            positions.add(world, plain, &mut rows, id.clone(), start);
        }
        positions.rows = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let v4 = positions.addresses(world, true).into_iter().filter_map(|(start, at)| match start {
            IpAddr::V4(start) => Some((start, at)),
            IpAddr::V6(_) => None,
        });
        let v6 = positions.addresses(world, false).into_iter().filter_map(|(start, at)| match start {
            IpAddr::V6(start) => Some((start, at)),
            IpAddr::V4(_) => None,
        });
        positions.by_address = Fib::from_ranges(v4, v6).ok();
        positions
    }

    fn add(
        &mut self,
        world: &World<'_>,
        plain: &Plain,
        rows: &mut HashMap<Alike, u32>,
        id: ResourceId,
        start: Start,
    ) {
        if self.by_start.contains_key(&start) {
            return;
        }
        let own = |text: &str| {
            let destination: Option<IpAddr> = text.parse().ok();
            destination.and_then(|d| world.hosts.own_address(world.topology, &start, d))
        };
        let (v4, v6) = (own("192.0.2.1"), own("2001:db8::1"));
        let number = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let entry = Entry { id, start, v4, v6 };
        self.row_of.push(entry.rows(world, plain, rows));
        self.by_start.insert(start, number);
        self.entries.push(entry);
    }

    /// The same positions, where subnets may have other tables.
    pub(super) fn in_other_tables(&self, world: &World<'_>, plain: &Plain) -> Self {
        let mut rows: HashMap<Alike, u32> = HashMap::new();
        let row_of = self.entries.iter().map(|entry| entry.rows(world, plain, &mut rows)).collect();
        let rows = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        Self { row_of, rows, ..self.clone() }
    }

    /// Runs of addresses that start at one position each; none where that is not so, or where more than the position
    /// decides how they are treated.
    fn addresses(&self, world: &World<'_>, v4: bool) -> Vec<(IpAddr, Option<u32>)> {
        let document = world.topology.document();
        let mut cuts: Vec<IpNet> = Vec::new();
        for network in &document.virtual_networks {
            cuts.extend(&network.address_space);
            cuts.extend(network.subnets.iter().flat_map(|subnet| &subnet.address_prefixes));
        }
        cuts.extend(world.hosts.owners().into_iter().map(|(address, _)| IpNet::from(address)));
        let pools: Vec<IpNet> = document.on_premises_sites.iter().filter_map(|site| site.nat_pool).collect();
        cuts.extend(&pools);
        for site in &document.on_premises_sites {
            cuts.extend(&site.prefixes);
            cuts.extend(site.routers.iter().flat_map(|router| &router.addresses).map(|a| IpNet::from(*a)));
        }
        let mut starts: Vec<IpAddr> = Vec::new();
        for prefix in cuts.iter().filter(|prefix| prefix.addr().is_ipv4() == v4) {
            starts.push(prefix.network());
            starts.extend(after(prefix.broadcast()));
        }
        starts.sort_unstable();
        starts.dedup();
        let zero = if v4 { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        let mut runs: Vec<(IpAddr, Option<u32>)> = vec![(zero, None)];
        for start in starts {
            let at = match world.hosts.locate_address(world.topology, start) {
                Ok(start_of) if !pools.iter().any(|pool| pool.contains(&start)) => {
                    self.by_start.get(&start_of).copied()
                }
                _ => None,
            };
            // An address that somebody else owns is not one of the position's hosts.
            let at = at.filter(|at| self.sends_from(world, *at, start));
            match runs.last_mut() {
                Some(last) if last.1 == at => {}
                Some(last) if last.0 == start => last.1 = at,
                _ => runs.push((start, at)),
            }
        }
        runs
    }

    fn sends_from(&self, world: &World<'_>, at: u32, source: IpAddr) -> bool {
        match self.entries[at as usize].start {
            Start::Subnet { vnet, .. } => world.hosts.owner(vnet, source).is_none(),
            Start::Nic { nic, vnet, .. } => {
                world.hosts.owner(vnet, source) == Some(Owner::Nic(nic)) && {
                    let entry = &self.entries[at as usize];
                    entry.v4 == Some(source) || entry.v6 == Some(source)
                }
            }
            Start::Firewall { .. } => {
                let entry = &self.entries[at as usize];
                entry.v4 == Some(source) || entry.v6 == Some(source)
            }
            Start::Site { .. } | Start::Router { .. } => true,
            _ => false,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows as usize
    }

    /// The row of a position in a family; [`NO_ROW`] where it has no address there.
    #[inline(always)]
    pub(super) fn row(&self, position: Position, v4: bool) -> u32 {
        self.row_of.get(position.index()).map_or(NO_ROW, |rows| rows[usize::from(!v4)])
    }

    /// The same, for who asks from outside.
    pub(crate) fn group(&self, position: Position, v4: bool) -> Option<usize> {
        Some(self.row(position, v4)).filter(|row| *row != NO_ROW).map(|row| row as usize)
    }

    pub(crate) fn start(&self, position: Position) -> Start {
        self.entries.get(position.index()).map_or(Start::Internet, |entry| entry.start)
    }

    /// The address that a position sends from, in a family.
    pub(crate) fn source(&self, position: Position, v4: bool) -> Option<IpAddr> {
        let entry = self.entries.get(position.index())?;
        if v4 { entry.v4 } else { entry.v6 }
    }

    /// The same, towards an address.
    pub(crate) fn source_towards(
        &self,
        position: Position,
        destination: IpAddr,
    ) -> Result<IpAddr, ResolveError> {
        let v4 = destination.is_ipv4();
        self.source(position, v4).ok_or_else(|| match self.id(position) {
            Some(id) => {
                ResolveError::NoAddress { position: id.to_string(), family: if v4 { "IPv4" } else { "IPv6" } }
            }
            None => ResolveError::UnknownSource { name: format!("position {}", position.index()) },
        })
    }

    pub(crate) fn id(&self, position: Position) -> Option<&ResourceId> {
        self.entries.get(position.index()).map(|entry| &entry.id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Position> + use<> {
        (0..u32::try_from(self.entries.len()).unwrap_or(u32::MAX)).map(Position)
    }

    /// The position that an address starts at: one look-up.
    #[inline(always)]
    pub(crate) fn of_address(&self, address: &IpAddr) -> Option<Position> {
        self.by_address.as_ref()?.longest_match(*address).map(Position)
    }

    /// The position of a start.
    pub(crate) fn of_start(&self, start: &Start) -> Option<Position> {
        self.by_start.get(start).map(|at| Position(*at))
    }

    /// The position of a source that takes no search, and the address it sends from where that was asked for. None where
    /// it has to be [located](Self::locate).
    #[inline(always)]
    pub(crate) fn at_once(
        &self,
        source: Quick<'_>,
        destination: &IpAddr,
    ) -> Option<(Position, Option<IpAddr>)> {
        match source {
            Quick::Known(position) => Some((position, None)),
            Quick::Address(address) if address.is_ipv4() == destination.is_ipv4() => {
                Some((self.of_address(address)?, Some(*address)))
            }
            Quick::Address(_) => None,
        }
    }

    /// The position of a source, and the address it sends from.
    pub(crate) fn locate(
        &self,
        topology: &Topology,
        hosts: &Hosts,
        source: &Source,
        destination: IpAddr,
    ) -> Result<Option<(Position, IpAddr)>, ResolveError> {
        if let Source::Address(address) = source
            && address.is_ipv4() == destination.is_ipv4()
            && let Some(position) = self.of_address(address)
        {
            return Ok(Some((position, *address)));
        }
        if let Source::Known(position) = source {
            return self.source_towards(*position, destination).map(|address| Some((*position, address)));
        }
        if let Source::Position(_) = source {
            let (start, address) = hosts.locate(topology, source, destination)?;
            return Ok(self.of_start(&start).map(|position| (position, address)));
        }
        Ok(None)
    }
}

pub(super) fn alike(world: &World<'_>, plain: &Plain, start: Start, source: Option<IpAddr>) -> Option<Alike> {
    let (vnet, subnet, own) = match start {
        Start::Subnet { vnet, subnet } => (vnet, subnet, None),
        Start::Nic { nic, vnet, subnet } => (vnet, subnet, Some(Owner::Nic(nic))),
        _ => return None,
    };
    let owner = source.and_then(|source| world.hosts.owner(vnet, source));
    // A subnet asked by name sends from an address that may be somebody's, which is nothing but a host's then.
    if !plain.receives_only(own) || (owner != own && !plain.receives_only(owner)) {
        return None;
    }
    let declared = &world.topology.document().virtual_networks[vnet].subnets[subnet];
    let source = source?;
    let inside = declared.address_prefixes.iter().any(|prefix| prefix.contains(&source));
    inside.then(|| Alike::Hosts {
        vnet,
        table: world.selection.of_subnet[vnet][subnet] * 2 + usize::from(source.is_ipv6()),
        nat_gateway: declared.nat_gateway.clone(),
        default_outbound: declared.default_outbound_access,
    })
}

fn after(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(ip) => IpAddr::V4(u32::from(ip).checked_add(1)?.into()),
        IpAddr::V6(ip) => IpAddr::V6(u128::from(ip).checked_add(1)?.into()),
    })
}
