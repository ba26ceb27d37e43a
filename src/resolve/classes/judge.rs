//! What learned routes decide for an address, asked of everything that forwards by them.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::net::IpAddr;

use indexmap::IndexSet;
use ipnet::IpNet;
use rustc_hash::FxBuildHasher;

use super::super::walk::World;
use super::cuts::Cuts;
use super::sweep::NOTHING;
use crate::control_plane::{ApplianceWay, ExitKind, RouterIx, Step, Via, by_connection};
use crate::model::{LinkRole, PeeringType};
use crate::prefix_table::PrefixTable;
use crate::rule::Rule;

/// More views of routers than this are not asked one by one: such a network is not cut into classes.
const VIEWS: usize = 1 << 12;

/// One decision, as far as a packet notices.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Decided {
    /// By a domain's gateway route: its members, what is printed, the rule, and whether it is a default route.
    Gateway(Vec<(Via, bool)>, Vec<IpAddr>, Rule, bool),
    /// By a router outside.
    Steps(Vec<Onward>),
    /// Which routers take what comes over a circuit or connection.
    Entry(Vec<RouterIx>),
    /// By an appliance's own BGP.
    Appliance(Vec<ApplianceWay>),
    /// By a hub's table.
    Hub(String),
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Onward {
    Exit(RouterIx, ExitKind),
    Router(RouterIx, Option<usize>),
}

/// Answers for addresses, and gives equal answers equal numbers.
pub(in super::super) struct Judge<'n> {
    world: &'n World<'n>,
    cuts: &'n Cuts<'n>,
    /// Routers, each with a tenant whose packets it may see.
    views: Vec<(RouterIx, Option<String>)>,
    appliances: Vec<usize>,
    /// Customers' prefixes at Microsoft's public edge.
    edge: PrefixTable<()>,
    /// Circuits are joined with each other, by Global Reach or through hubs: any of them may lead on to any other.
    joined: bool,
    /// The links that gateway routes lead over for the address that is asked.
    used: BTreeSet<(usize, LinkRole)>,
    /// Answers that packets for the address do not meet.
    aside: Vec<u32>,
    decided: IndexSet<Decided, FxBuildHasher>,
    answers: IndexSet<Box<[u32]>, FxBuildHasher>,
}

impl<'n> Judge<'n> {
    /// `None` where there are too many routers and tenants to ask.
    pub(in super::super) fn new(world: &'n World<'n>, cuts: &'n Cuts<'n>) -> Option<Self> {
        let document = world.topology.document();
        let mut tenants: Vec<Option<String>> = vec![None];
        let folded = |tenant: &Option<String>| tenant.as_ref().map(|t| t.to_ascii_lowercase());
        tenants.extend(document.on_premises_sites.iter().map(|site| folded(&site.tenant)));
        tenants.extend(document.virtual_networks.iter().map(|network| folded(&network.tenant)));
        tenants.extend(document.express_route_circuits.iter().map(|circuit| folded(&circuit.tenant)));
        tenants.sort();
        tenants.dedup();
        let routers = world.plane.on_premises.routers.len();
        if routers.saturating_mul(tenants.len()) > VIEWS {
            return None;
        }
        let views =
            (0..routers).flat_map(|router| tenants.iter().map(move |t| (router, t.clone()))).collect();
        let appliances = world
            .plane
            .on_premises
            .bgp
            .iter()
            .flat_map(|bgp| bgp.appliances.iter().map(|(_, appliance)| *appliance));
        Some(Self {
            world,
            cuts,
            views,
            appliances: appliances.collect(),
            edge: world.edge.customers(world.plane).into_iter().map(|prefix| (prefix, ())).collect(),
            joined: !document.virtual_hubs.is_empty()
                || document.express_route_circuits.iter().any(|circuit| !circuit.global_reach.is_empty()),
            used: BTreeSet::new(),
            aside: Vec::new(),
            decided: IndexSet::default(),
            answers: IndexSet::default(),
        })
    }

    /// Asks everything about an address. Two numbers: of all answers, which longer prefixes inside may fall back to, and
    /// of those that packets for this address meet.
    pub(super) fn ask(&mut self, address: IpAddr) -> (u32, u32) {
        let mut answer: Vec<u32> = Vec::new();
        self.used.clear();
        self.gateways(address, &mut answer);
        self.outside(address, &mut answer);
        self.hubs(address, &mut answer);
        let mut all = answer.clone();
        all.append(&mut self.aside);
        (self.number(all), self.number(answer))
    }

    fn number(&mut self, answer: Vec<u32>) -> u32 {
        u32::try_from(self.answers.insert_full(answer.into_boxed_slice()).0).unwrap_or(u32::MAX)
    }

    fn note(&mut self, decided: Option<Decided>, into: &mut Vec<u32>) {
        let number = decided.map(|decided| self.decided.insert_full(decided).0);
        into.push(number.and_then(|n| u32::try_from(n).ok()).unwrap_or(NOTHING));
    }

    /// The longest declared prefix around one, and whether that is the same one: what of a subnet's own routes is longer
    /// than it, and what is as long.
    fn around(&self, prefix: &IpNet) -> [u32; 2] {
        let declared = self.cuts.declared.table.longest(prefix);
        declared.map_or([NOTHING; 2], |(around, id)| [*id, u32::from(around == prefix.trunc())])
    }

    fn gateways(&mut self, address: IpAddr, into: &mut Vec<u32>) {
        let world = self.world;
        let host = IpNet::from(address);
        for (d, domain) in world.plane.domains.iter().enumerate() {
            let Some(table) = world.selection.gateways.get(d) else { continue };
            let row = |prefix: IpNet, group: u32, keep: &dyn Fn(&Via) -> bool| {
                let route = &table.groups[group as usize];
                let offers = route.members.iter().map(|o| &domain.offers[*o]).filter(|o| keep(&o.via));
                let members: Vec<(Via, bool)> = offers.map(|o| (o.via.clone(), o.is_static)).collect();
                let printed = (route.next_hops.clone(), route.decided_by(), prefix.prefix_len() == 0);
                (!members.is_empty()).then_some(Decided::Gateway(members, printed.0, printed.1, printed.2))
            };
            let found = table.by_prefix.longest_match(address);
            let members = found.iter().flat_map(|(_, group)| &table.groups[**group as usize].members);
            for offer in members.map(|o| &domain.offers[*o]) {
                if let Via::ExpressRoute { circuit: Some(circuit), links, .. } = offer.via {
                    self.used.extend(links.roles().map(|link| (circuit, link)));
                }
            }
            let around = found.map_or([NOTHING; 2], |(prefix, _)| self.around(&prefix));
            self.note(found.and_then(|(prefix, group)| row(prefix, *group, &|_| true)), into);
            into.extend(around);
            // A VPN gateway as next hop looks only at routes over its own connections.
            for gateway in &domain.vpn {
                let own = |via: &Via| matches!(via, Via::Vpn { gateway: g, .. } if g == gateway);
                let covering = table.by_prefix.covering(&host);
                let found = covering.into_iter().rev().find_map(|(prefix, group)| row(prefix, *group, &own));
                self.note(found, into);
            }
        }
    }

    fn outside(&mut self, address: IpAddr, into: &mut Vec<u32>) {
        let world = self.world;
        let document = world.topology.document();
        let on_premises = &world.plane.on_premises;
        for at in 0..self.views.len() {
            let (router, tenant) = &self.views[at];
            let onward = |step: Step| match step {
                Step::Exit(exit) => {
                    let exit = &on_premises.exits[exit];
                    Onward::Exit(exit.at, exit.kind.clone())
                }
                Step::Router(router, link) => Onward::Router(router, link),
            };
            let steps =
                on_premises.route(&[*router], tenant.as_deref(), address).into_iter().map(onward).collect();
            self.note(Some(Decided::Steps(steps)), into);
        }
        let private = PeeringType::AzurePrivatePeering;
        let at_edge = self.edge.longest_match(address).is_some();
        for (c, circuit) in document.express_route_circuits.iter().enumerate() {
            for link in LinkRole::BOTH {
                let entry = on_premises.circuit_entry((c, &circuit.id), private, link, address);
                // Where nothing leads over a link, packets do not meet who answers there.
                let met = self.joined || self.used.contains(&(c, link));
                let mut aside = std::mem::take(&mut self.aside);
                if met {
                    self.note(Some(Decided::Entry(entry)), into);
                } else {
                    self.note(Some(Decided::Entry(entry)), &mut aside);
                    into.push(NOTHING);
                }
                self.aside = aside;
            }
            let public = [PeeringType::MicrosoftPeering, PeeringType::AzurePublicPeering];
            for peering in public.into_iter().filter(|_| at_edge) {
                for link in LinkRole::BOTH {
                    let entry = on_premises.circuit_entry((c, &circuit.id), peering, link, address);
                    self.note(Some(Decided::Entry(entry)), into);
                }
            }
        }
        for (n, connection) in document.connections.iter().enumerate() {
            let entry = on_premises.connection_entry((n, &connection.id), &connection.peer, address);
            self.note(Some(Decided::Entry(entry)), into);
        }
        for appliance in self.appliances.clone() {
            let found = on_premises.appliance_ways(appliance, address);
            let prefix = found.as_ref().and_then(|(length, _)| IpNet::new(address, *length).ok());
            let around = prefix.map_or([NOTHING; 2], |prefix| self.around(&prefix.trunc()));
            self.note(found.map(|(_, ways)| Decided::Appliance(ways)), into);
            into.extend(around);
        }
    }

    fn hubs(&mut self, address: IpAddr, into: &mut Vec<u32>) {
        let world = self.world;
        for hub in &world.plane.hubs {
            let mut rows = vec![hub.router.longest_learned(address)];
            for (_, table) in &hub.tables {
                rows.extend([table.longest_match(address), table.longest_learned(address)]);
            }
            for row in rows {
                let decided = row.map(|row| {
                    let ways: Vec<_> =
                        row.members.iter().map(|m| (&m.way, m.kind, m.gateway, m.reached)).collect();
                    let together: Vec<_> = by_connection(row).into_keys().collect();
                    Decided::Hub(format!("{:?} {} {ways:?} {together:?}", row.kind, row.contested))
                });
                self.note(decided, into);
            }
        }
    }
}
