//! What a router knows: where it sends a packet, by what is flooded and by its BGP table.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use petgraph::algo::dijkstra;
use petgraph::graph::NodeIndex;
use petgraph::visit::{EdgeFiltered, EdgeRef};

use super::super::LearnedOver;
use super::super::bgp::Way;
use super::{
    ADVERTISED, ApplianceWay, CONNECTED, Edge, ExitKind, LEARNED, OnPremises, RouterIx, Scope, Step,
};
use crate::bgp::decision::LocalRoute;
use crate::model::same_tenant;
use crate::model::{Entity, ResourceId, Topology};

impl OnPremises {
    /// Where a packet of a tenant goes from any of these routers: all equal steps, in a fixed order.
    pub(crate) fn route(&self, from: &[RouterIx], tenant: Option<&str>, destination: IpAddr) -> Vec<Step> {
        let Some(&first) = from.first() else { return Vec::new() };
        let site = self.routers[first].site;
        let mut distances: HashMap<RouterIx, u64> = HashMap::new();
        for start in from {
            for (node, distance) in self.distances(*start, tenant) {
                let best = distances.entry(node).or_insert(distance);
                *best = distance.min(*best);
            }
        }
        let speaker = self.speaker(first, tenant);
        let mut spoken = speaker.and_then(|speaker| self.spoken(speaker, from, tenant, destination));
        let mut told: Option<Vec<Step>> = None;
        let host = IpNet::from(destination);
        let mut by_length: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
        for (prefix, exits) in
            self.exits.standing.table.covering(&host).into_iter().chain(self.table.covering(&host))
        {
            by_length.entry(prefix.prefix_len()).or_default().extend(exits);
        }
        let mut flooded = by_length.into_iter().rev().peekable();
        loop {
            let length = flooded.peek().map(|(length, _)| *length);
            let of_bgp = spoken.take_if(|(spoken, ..)| length.is_none_or(|length| *spoken >= length));
            let of_table = flooded.next_if(|(length, _)| of_bgp.as_ref().is_none_or(|(l, ..)| l == length));
            if of_bgp.is_none() && of_table.is_none() {
                break;
            }
            let mut best: Option<(u32, u64)> = None;
            let mut chosen: Vec<usize> = Vec::new();
            for &e in of_table.iter().flat_map(|(_, exits)| exits) {
                let exit = &self.exits[e];
                // A route that names the router itself says nothing to it.
                let itself = matches!(exit.kind, ExitKind::Towards(target) if from.contains(&target));
                let visible = !(itself || (exit.computed && speaker.is_some()))
                    && exit.only_site.is_none_or(|only| only == site)
                    && match &exit.scope {
                        Scope::Every => true,
                        Scope::Tenant(owner) => same_tenant(owner.as_deref(), tenant),
                    };
                let Some(&distance) = distances.get(&exit.at).filter(|_| visible) else { continue };
                let better = |(preference, nearest): (u32, u64)| {
                    exit.preference > preference || (exit.preference == preference && distance < nearest)
                };
                if best.is_none_or(better) {
                    best = Some((exit.preference, distance));
                    chosen.clear();
                    chosen.push(e);
                } else if best == Some((exit.preference, distance)) {
                    chosen.push(e);
                }
            }
            // At one prefix what BGP chose stands against the rest as a learned route does.
            let spoken_wins =
                of_bgp.as_ref().is_some_and(|(_, preference, _)| best.is_none_or(|(b, _)| *preference >= b));
            let preference = match &of_bgp {
                Some((_, preference, _)) if spoken_wins => Some(*preference),
                _ => best.map(|(preference, _)| preference),
            };
            let Some(preference) = preference else { continue };
            if told.is_some() && preference != CONNECTED {
                continue;
            }
            let mut steps = Vec::new();
            if let Some((_, _, ways)) = of_bgp.filter(|_| spoken_wins) {
                steps = ways;
            } else {
                for e in chosen {
                    let target = match self.exits[e].kind {
                        ExitKind::Towards(target) => target,
                        _ if from.contains(&self.exits[e].at) => {
                            push_new(&mut steps, Step::Exit(e));
                            continue;
                        }
                        _ => self.exits[e].at,
                    };
                    for step in self.towards(from, target, tenant) {
                        push_new(&mut steps, step);
                    }
                }
            }
            if preference != ADVERTISED {
                return steps;
            }
            // What a site tells Azure may be part of what another site has (steering by longer prefixes, ER-8).
            told.get_or_insert(steps);
        }
        told.unwrap_or_default()
    }

    /// The speaker that carries a tenant's routes at a router.
    fn speaker(&self, router: RouterIx, tenant: Option<&str>) -> Option<&ResourceId> {
        self.bgp.as_ref()?.speaker_at(self.speakers.get(&router)?, tenant)
    }

    /// What a router's speaker chose for an address: the length of the prefix, its preference, and where it leads.
    fn spoken(
        &self,
        speaker: &ResourceId,
        from: &[RouterIx],
        tenant: Option<&str>,
        destination: IpAddr,
    ) -> Option<(u8, u32, Vec<Step>)> {
        let (prefix, ways) = self.bgp.as_ref()?.route(speaker, destination)?;
        let mut steps = Vec::new();
        let mut preference = LEARNED;
        for way in ways {
            match way {
                Way::Own(kind) => {
                    preference = ADVERTISED;
                    let own = from.first().and_then(|router| self.exits.standing.own_exits.get(router));
                    // An aggregate leads nowhere by itself: what is inside it has longer routes.
                    if let Some((hosts, nowhere)) = own {
                        let exit = if kind == LocalRoute::Aggregate { *nowhere } else { *hosts };
                        push_new(&mut steps, Step::Exit(exit));
                    }
                }
                Way::Azure(over) => {
                    let exits = self.computed.get(&over).map(|by_prefix| by_prefix.get(&prefix));
                    for &exit in exits.into_iter().flatten().filter(|e| from.contains(&self.exits[**e].at)) {
                        push_new(&mut steps, Step::Exit(exit));
                    }
                }
                Way::Speaker(next) => {
                    for target in self.routers_of_speaker(next) {
                        let found = self.towards(from, target, tenant);
                        if found.is_empty() && !from.contains(&target) {
                            // A session without a declared link: its two ends are neighbours.
                            push_new(&mut steps, Step::Router(target, None));
                        }
                        for step in found {
                            push_new(&mut steps, step);
                        }
                    }
                }
            }
        }
        Some((prefix.prefix_len(), preference, steps))
    }

    /// The appliance at the far end of a VPN connection, by BGP or by the local network gateway's word.
    pub(crate) fn connection_appliance(&self, topology: &Topology, connection: usize) -> Option<usize> {
        let spoken = self.bgp.as_ref().and_then(|bgp| {
            let peer = bgp.peer(LearnedOver::Connection(connection))?;
            bgp.appliances.iter().find(|(speaker, _)| speaker == peer).map(|(_, appliance)| *appliance)
        });
        let told = || {
            let peer = &topology.document().connections[connection].peer;
            match topology.local_network_gateway(peer)?.site.as_ref().and_then(|id| topology.entity(id)) {
                Some(Entity::Appliance(appliance)) => Some(appliance),
                _ => None,
            }
        };
        spoken.or_else(told)
    }

    /// Where an appliance that speaks BGP sends packets for an address: the length of the prefix, and every way it uses.
    pub(crate) fn appliance_ways(
        &self,
        appliance: usize,
        destination: IpAddr,
    ) -> Option<(u8, Vec<ApplianceWay>)> {
        let bgp = self.bgp.as_ref()?;
        let (speaker, _) = bgp.appliances.iter().find(|(_, a)| *a == appliance)?;
        let (prefix, ways) = bgp.route(speaker, destination)?;
        let way = |way: &Way<'_>| match way {
            Way::Azure(LearnedOver::Connection(n)) => vec![ApplianceWay::Connection(*n)],
            Way::Own(_) | Way::Azure(_) => vec![ApplianceWay::Network],
            Way::Speaker(next) => match bgp.appliances.iter().find(|(speaker, _)| speaker == *next) {
                Some((_, other)) => vec![ApplianceWay::Appliance(*other)],
                None => self.routers_of_speaker(next).into_iter().map(ApplianceWay::Router).collect(),
            },
        };
        Some((prefix.prefix_len(), ways.iter().flat_map(way).collect()))
    }

    /// The speaker that runs at a site or router, where there is one and no other.
    pub(crate) fn speaker_of(&self, id: &ResourceId) -> Option<&ResourceId> {
        let bgp = self.bgp.as_ref()?;
        let at = self.routers.iter().position(|router| router.id == *id)?;
        match self.speakers.get(&at)?.as_slice() {
            [only] => bgp.places.get(*only).map(|place| &place.speaker),
            _ => None,
        }
    }

    pub(super) fn routers_of_speaker(&self, speaker: &ResourceId) -> Vec<RouterIx> {
        let Some(bgp) = &self.bgp else { return Vec::new() };
        let place = bgp.places.iter().find(|place| place.speaker == *speaker);
        place.and_then(|p| self.by_site[p.site].get(p.router.unwrap_or(0)).copied()).into_iter().collect()
    }

    /// The neighbours on the shortest ways to a router.
    fn towards(&self, from: &[RouterIx], target: RouterIx, tenant: Option<&str>) -> Vec<Step> {
        let distances: HashMap<RouterIx, u64> = self.distances(target, tenant).into_iter().collect();
        let mut best = u64::MAX;
        let mut steps = Vec::new();
        for &start in from {
            for edge in self.graph.edges(NodeIndex::new(start)) {
                let next = edge.target().index();
                if from.contains(&next) || !self.usable(edge.weight(), start, next, tenant) {
                    continue;
                }
                let Some(rest) = distances.get(&next) else { continue };
                let total = edge.weight().weight + rest;
                let step = Step::Router(next, edge.weight().link);
                if total < best {
                    best = total;
                    steps.clear();
                    steps.push(step);
                } else if total == best {
                    push_new(&mut steps, step);
                }
            }
        }
        steps.sort_by_key(|step| match step {
            Step::Router(next, link) => (*next, *link),
            Step::Exit(e) => (usize::MAX, Some(*e)),
        });
        steps
    }

    fn distances(&self, from: RouterIx, tenant: Option<&str>) -> Vec<(RouterIx, u64)> {
        let usable = |edge: petgraph::graph::EdgeReference<'_, Edge>| {
            self.usable(edge.weight(), edge.source().index(), edge.target().index(), tenant)
        };
        let view = EdgeFiltered::from_fn(&self.graph, usable);
        let found = dijkstra(&view, NodeIndex::new(from), None, |edge| edge.weight().weight);
        let mut found: Vec<_> = found.into_iter().map(|(node, distance)| (node.index(), distance)).collect();
        found.sort_unstable();
        found
    }

    fn usable(&self, edge: &Edge, a: RouterIx, b: RouterIx, tenant: Option<&str>) -> bool {
        let open = |r: RouterIx| {
            let router = &self.routers[r];
            router.provider || same_tenant(router.tenant.as_deref(), tenant)
        };
        (edge.tenant.is_none() || same_tenant(edge.tenant.as_deref(), tenant)) && open(a) && open(b)
    }
}

fn push_new(steps: &mut Vec<Step>, step: Step) {
    if !steps.contains(&step) {
        steps.push(step);
    }
}
