//! What differs between two networks: which destinations go elsewhere, from where, and why.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use ipnet::IpNet;

use super::ranges::AddressRanges;
use super::{CheckError, both};
use crate::Network;
use crate::model::{Document, Entity, ResourceId, RouteTable, Subnet};
use crate::resolve::{Answer, Disposition, NextHop, Node, PathId, Place};

/// What kind of change it is, the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// Packets end otherwise.
    Outcome,
    /// They end alike and go another way.
    Path,
    /// They go the same way by another route: another prefix, origin or next hop decides.
    NextHop,
}

/// Destinations that go elsewhere than before, all in the same way.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// From where.
    pub sources: Vec<ResourceId>,
    /// Exactly which destinations.
    pub destinations: AddressRanges,
    /// What kind of change it is.
    pub kind: ChangeKind,
    /// The answer before, from the first source to the first of the addresses.
    pub before: Answer,
    /// And after.
    pub after: Answer,
}

/// What differs between two networks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Differences {
    /// Positions that only the second has.
    pub added: Vec<ResourceId>,
    /// Positions that only the first has.
    pub removed: Vec<ResourceId>,
    /// What changes for positions of both, in the order of the sources of the first network.
    pub changes: Vec<Difference>,
}

impl Differences {
    /// Whether the networks answer alike.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changes.is_empty()
    }
}

/// Compares what two networks answer, for packets that open flows, from every position to every address. Positions are the
/// same where their ids are. Which host of a virtual network has an address is not compared.
///
/// Looks at every pair of a class of the one and a class of the other that have addresses in common, once for each group
/// of positions that behave alike in both. Where only user routes changed, and not those of a subnet that sends on what
/// others sent, the positions in subnets with other routes are all that is looked at.
///
/// # Errors
/// A network without classes.
pub fn diff(before: &Network, after: &Network) -> Result<Differences, CheckError> {
    let (old, new) = match (before.classes(), after.classes()) {
        (Some(old), Some(new)) => (old, new),
        _ => return Err(CheckError::NoClasses),
    };
    let later: HashMap<&ResourceId, _> =
        after.positions().filter_map(|p| Some((after.position_id(p)?, p))).collect();
    let mut found = Differences::default();
    let mut stayed = BTreeSet::new();
    let only = confined(before, after);
    // Those that behave alike in both, in the order of the first.
    type Group<'n> = (crate::resolve::Position, crate::resolve::Position, Vec<&'n ResourceId>);
    let mut groups: BTreeMap<(bool, usize, usize), Group<'_>> = BTreeMap::new();
    for position in before.positions() {
        let Some(id) = before.position_id(position) else { continue };
        let Some(then) = later.get(id).copied() else {
            found.removed.push(id.clone());
            continue;
        };
        stayed.insert(id);
        if only.as_ref().is_some_and(|only| !home_of(before, id).is_some_and(|home| only.contains(home))) {
            continue;
        }
        for v4 in [true, false] {
            if let (Some(one), Some(other)) = (before.behaviour(position, v4), after.behaviour(then, v4)) {
                let group = groups.entry((!v4, one, other)).or_insert((position, then, Vec::new()));
                group.2.push(id);
            }
        }
    }
    let ids = after.positions().filter_map(|p| after.position_id(p));
    found.added = ids.filter(|id| !stayed.contains(id)).cloned().collect();

    let pairs = [both(old, new, true), both(old, new, false)];
    // Groups whose packets change alike, as one.
    let mut known: HashMap<Like, usize> = HashMap::new();
    for ((v6, ..), (position, then, sources)) in groups {
        let mut changes: BTreeMap<(Option<PathId>, Option<PathId>, ChangeKind), Difference> = BTreeMap::new();
        for ranges in pairs[usize::from(v6)].values() {
            // At one address: a class of the one and a class of the other have different first ones.
            let Some(destination) = ranges.first() else { continue };
            let asked = (before.resolve(position, destination), after.resolve(then, destination));
            let (Ok(was), Ok(is)) = asked else { continue };
            let ids = (was.path_id(), is.path_id());
            let Some(kind) = kind((before, &was), (after, &is)) else { continue };
            let difference = changes.entry((ids.0, ids.1, kind)).or_insert_with(|| Difference {
                sources: Vec::new(),
                destinations: AddressRanges::default(),
                kind,
                before: was.into_answer(),
                after: is.into_answer(),
            });
            difference.destinations = difference.destinations.or(ranges);
        }
        for ((was, is, kind), mut change) in changes {
            let names = sources.iter().map(|id| (*id).clone());
            let like = (was, is, kind, change.destinations.prefixes());
            match known.get(&like).and_then(|at| found.changes.get_mut(*at)) {
                Some(change) => change.sources.extend(names),
                None => {
                    change.sources.extend(names);
                    known.insert(like, found.changes.len());
                    found.changes.push(change);
                }
            }
        }
    }
    Ok(found)
}

/// The subnets from which alone answers may differ: those with another route table, where nothing but user routes changed
/// and no packet of somebody else is sent on from there. None where that cannot be told.
fn confined(before: &Network, after: &Network) -> Option<HashSet<ResourceId>> {
    let (old, new) = (before.topology().document(), after.topology().document());
    let bare = |document: &Document| {
        let mut document = document.clone();
        document.route_tables.clear();
        for subnet in document.virtual_networks.iter_mut().flat_map(|network| &mut network.subnets) {
            subnet.route_table = None;
        }
        document
    };
    if before.failed() != after.failed() || bare(old) != bare(new) {
        return None;
    }
    let table = |network: &Network, subnet: &Subnet| {
        let id = subnet.route_table.as_ref()?;
        let table = network.topology().route_table(id)?;
        Some(RouteTable { id: ResourceId::default(), ..table.clone() })
    };
    let mut only = HashSet::new();
    for (one, other) in old.virtual_networks.iter().zip(&new.virtual_networks) {
        for (was, is) in one.subnets.iter().zip(&other.subnets) {
            if was.route_table.is_none() && is.route_table.is_none() || table(before, was) == table(after, is)
            {
                continue;
            }
            let forwards = ["GatewaySubnet", "AzureFirewallSubnet", "RouteServerSubnet"];
            if forwards.iter().any(|name| name.eq_ignore_ascii_case(&was.name)) {
                return None;
            }
            only.insert(one.subnet_id(&was.name));
        }
    }
    for (at, nic) in old.network_interfaces.iter().enumerate() {
        let inside = nic.ip_configurations.iter().any(|own| only.contains(&own.subnet));
        if inside && !(before.receives_only(at) && after.receives_only(at)) {
            return None;
        }
    }
    let firewall = old.azure_firewalls.iter().filter_map(|firewall| firewall.subnet.as_ref());
    let gone = firewall.into_iter().any(|subnet| only.contains(subnet));
    (!gone).then_some(only)
}

/// The subnet that a position is, or is in.
fn home_of<'n>(network: &'n Network, id: &'n ResourceId) -> Option<&'n ResourceId> {
    let topology = network.topology();
    match topology.entity(id)? {
        Entity::Subnet(..) => Some(id),
        Entity::Nic(n) => {
            topology.document().network_interfaces[n].ip_configurations.first().map(|own| &own.subnet)
        }
        _ => None,
    }
}

/// What differences of several groups have in common.
type Like = (Option<PathId>, Option<PathId>, ChangeKind, Vec<IpNet>);

/// What changed between two answers, if anything did.
pub(super) fn kind(
    (before, was): (&Network, &Answer),
    (after, is): (&Network, &Answer),
) -> Option<ChangeKind> {
    let ends = |network: &Network, answer: &Answer| -> BTreeSet<Disposition> {
        answer.dispositions().into_iter().map(|end| received(network, end)).collect()
    };
    if ends(before, was) != ends(after, is) {
        return Some(ChangeKind::Outcome);
    }
    let steps = |network: &Network, answer: &Answer| {
        let nodes = answer.nodes().iter().map(|node| {
            let hop = &node.hop;
            let end = node.ends().map(|end| received(network, end));
            (by_network(network, &hop.place), hop.via.clone(), hop.encrypted, end, node.leads_to())
        });
        nodes.collect::<Vec<_>>()
    };
    if steps(before, was) != steps(after, is) {
        return Some(ChangeKind::Path);
    }
    // Which of several learned prefixes matched says nothing of the way.
    let routes = |answer: &Answer| {
        let row = |node: &Node| {
            let row = &node.hop.route.as_ref()?.route;
            Some((row.source, row.next_hop_type, row.next_hop_ip_addresses.clone(), row.name.clone()))
        };
        answer.nodes().iter().map(row).collect::<Vec<_>>()
    };
    (routes(was) != routes(is)).then_some(ChangeKind::NextHop)
}

/// An end, by the virtual network where a host receives.
fn received(network: &Network, end: &Disposition) -> Disposition {
    match end {
        Disposition::Delivered(place) => Disposition::Delivered(by_network(network, place)),
        end => end.clone(),
    }
}

/// A host or subnet, by its virtual network: which one has an address is not part of a class.
fn by_network(network: &Network, place: &Place) -> Place {
    let topology = network.topology();
    let document = topology.document();
    let home = match place {
        Place::Subnet(id) | Place::NetworkInterface(id) => match topology.entity(id) {
            Some(Entity::Subnet(v, _)) => Some(v),
            Some(Entity::Nic(n)) => {
                let first = document.network_interfaces[n].ip_configurations.first();
                match first.and_then(|own| topology.entity(&own.subnet)) {
                    Some(Entity::Subnet(v, _)) => Some(v),
                    _ => None,
                }
            }
            _ => None,
        },
        _ => None,
    };
    match home {
        Some(v) => Place::VirtualNetwork(document.virtual_networks[v].id.clone()),
        None => place.clone(),
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.destinations)?;
        if let Some(first) = self.sources.first() {
            write!(f, " from `{first}`")?;
        }
        if self.sources.len() > 1 {
            write!(f, " and {} others", self.sources.len() - 1)?;
        }
        let side = |f: &mut fmt::Formatter<'_>, answer: &Answer| {
            let path = answer.path();
            let mut first = true;
            for hop in path.hops() {
                write!(f, "{}{}", if first { "" } else { " -> " }, hop.place)?;
                first = false;
            }
            let why = match answer.next_hop() {
                NextHop::OnPremises(_) => String::new(),
                hop => format!(", by {hop}"),
            };
            let end: &Disposition = answer.disposition();
            write!(f, " => {end}{why}")
        };
        f.write_str(": ")?;
        side(f, &self.after)?;
        f.write_str("; was: ")?;
        side(f, &self.before)
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for id in &self.added {
            writeln!(f, "+ `{id}`")?;
        }
        for id in &self.removed {
            writeln!(f, "- `{id}`")?;
        }
        self.changes.iter().try_for_each(|change| writeln!(f, "{change}"))
    }
}
