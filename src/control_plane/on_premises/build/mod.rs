//! Builds the graph of places outside Azure, and what stands there whatever fails.

mod carried;
mod exits;
mod given;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ipnet::IpNet;
use petgraph::graph::NodeIndex;

use super::super::bgp::Bgp;
use super::super::{ControlPlane, LearnedOver, Session};
use super::{
    ADVERTISED, CONNECTED, Edge, Exit, ExitKind, LEARNED, OnPremises, RouterIx, RouterNode, Scope, Standing,
};
use crate::model::{
    Advertisement, Asn, Entity, Limits, LinkRole, PeeringType, ResourceId, SiteRole, Topology,
};

pub(in crate::control_plane) use carried::{may_join, microsoft_prefixes};

/// Builds the graph and its exits. `served` tells which networks each gateway advertises.
pub(in crate::control_plane) fn build(
    topology: &Topology,
    plane: &ControlPlane,
    served: &BTreeMap<usize, Vec<usize>>,
    bgp: Option<Bgp>,
    before: Option<&OnPremises>,
) -> OnPremises {
    let mut build = Build {
        topology,
        served,
        told: &plane.told_by_sites,
        world: OnPremises { bgp, ..OnPremises::default() },
        standing: Standing::default(),
        down: BTreeSet::new(),
    };
    if let Some(bgp) = &build.world.bgp
        && topology.document().knobs.limits == Limits::Enforce
    {
        build.down = bgp.down_sessions().collect();
    }
    build.routers();
    build.speakers();
    build.links();
    let same = before.map(|b| &b.exits.standing).filter(|standing| *standing.told == *plane.told_by_sites);
    build.world.exits.standing = match same {
        Some(standing) => Arc::clone(standing),
        None => build.standing(),
    };
    build.circuits();
    build.connections();
    build.tunnels();
    build.given_routes();
    build.world
}

struct Build<'t> {
    topology: &'t Topology,
    served: &'t BTreeMap<usize, Vec<usize>>,
    /// By site: what it tells Azure.
    told: &'t Arc<Vec<Vec<Advertisement>>>,
    world: OnPremises,
    /// What is to stand, until it does.
    standing: Standing,
    /// Sessions that limits took down.
    down: BTreeSet<Session>,
}

impl Build<'_> {
    fn routers(&mut self) {
        for (s, site) in self.topology.document().on_premises_sites.iter().enumerate() {
            let node = |id: ResourceId, stateful: bool| RouterNode {
                site: s,
                id,
                stateful,
                tenant: site.tenant.clone(),
                provider: site.role == SiteRole::Provider,
            };
            let mut here = Vec::new();
            let mut nodes: Vec<RouterNode> =
                site.routers.iter().map(|r| node(site.router_id(&r.name), r.stateful)).collect();
            if nodes.is_empty() {
                nodes.push(node(site.id.clone(), false));
            }
            for node in nodes {
                here.push(self.world.routers.len());
                self.world.routers.push(node);
                self.world.graph.add_node(());
            }
            for (i, a) in here.iter().enumerate() {
                for b in &here[i + 1..] {
                    let edge = Edge { weight: 1, link: None, tenant: None };
                    self.world.graph.add_edge(NodeIndex::new(*a), NodeIndex::new(*b), edge);
                }
            }
            self.world.by_site.push(here);
        }
    }

    /// Routers that speak BGP, and which of Azure's sessions end on them.
    fn speakers(&mut self) {
        let Some(bgp) = &self.world.bgp else { return };
        for (p, place) in bgp.places.iter().enumerate() {
            if let Some(at) = self.world.by_site[place.site].get(place.router.unwrap_or(0)) {
                self.world.speakers.entry(*at).or_default().push(p);
            }
        }
        for over in bgp.computed() {
            let routers = bgp.peer(over).map_or_else(Vec::new, |peer| self.world.routers_of_speaker(peer));
            self.world.session_edges.insert(over, routers);
        }
    }

    /// What sites have and say, whatever leads there.
    fn standing(&mut self) -> Arc<Standing> {
        let mut routers: Vec<RouterIx> = self.world.speakers.keys().copied().collect();
        routers.sort_unstable();
        for at in routers {
            let own = |kind| Exit::new(at, kind, ADVERTISED, Scope::Every);
            let exits = [ExitKind::Here, ExitKind::Discard].map(own);
            let exits = exits.map(|exit| self.standing.exits.insert_full(exit).0);
            self.standing.own_exits.insert(at, (exits[0], exits[1]));
        }
        self.hosts();
        let mut standing = std::mem::take(&mut self.standing);
        standing.told = Arc::clone(self.told);
        Arc::new(standing)
    }

    fn stands(&mut self, at: RouterIx, prefix: IpNet, kind: ExitKind, preference: u32, scope: Scope) {
        let (exit, _) = self.standing.exits.insert_full(Exit::new(at, kind, preference, scope));
        self.standing.table.push(prefix, exit);
    }

    /// Whether BGP computes a session of Azure's.
    fn computes(&self, over: LearnedOver) -> bool {
        self.world.session_edges.contains_key(&over)
    }

    /// An exit over a session of Azure's.
    fn azure_exit(
        &mut self,
        over: LearnedOver,
        at: RouterIx,
        prefix: IpNet,
        kind: ExitKind,
        preference: u32,
        scope: Scope,
    ) {
        let computed = self.computes(over);
        let exit = Exit { computed, ..Exit::new(at, kind, preference, scope) };
        let position = self.leads(prefix, exit);
        if computed {
            self.world.computed.entry(over).or_default().push(prefix, position);
        }
    }

    /// The routers an id stands for: itself, or the first of a site.
    fn routers_of(&self, id: &ResourceId) -> Vec<RouterIx> {
        match self.topology.entity(id) {
            Some(Entity::Site(s)) => self.world.by_site[s].first().copied().into_iter().collect(),
            Some(Entity::Router(s, r)) => self.world.by_site[s].get(r).copied().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn links(&mut self) {
        for (l, link) in self.topology.document().on_premises_links.iter().enumerate() {
            for a in self.routers_of(&link.a) {
                for b in self.routers_of(&link.b) {
                    let weight = (u64::from(link.cost) << 16) + 1;
                    let edge = Edge { weight, link: Some(l), tenant: link.tenant.clone() };
                    self.world.graph.add_edge(NodeIndex::new(a), NodeIndex::new(b), edge);
                }
            }
        }
    }

    fn exit(&mut self, at: RouterIx, prefix: IpNet, kind: ExitKind, preference: u32, scope: Scope) {
        self.leads(prefix, Exit::new(at, kind, preference, scope));
    }

    /// An exit beside those that stand; its position.
    fn leads(&mut self, prefix: IpNet, exit: Exit) -> usize {
        let exits = &mut self.world.exits;
        let position = exits.standing.exits.len() + exits.others.insert_full(exit).0;
        self.world.table.push(prefix, position);
        position
    }

    fn site_scope(&self, s: usize) -> Scope {
        let site = &self.topology.document().on_premises_sites[s];
        match site.role {
            SiteRole::Provider => Scope::Every,
            SiteRole::Customer => Scope::Tenant(site.tenant.clone()),
        }
    }

    fn hosts(&mut self) {
        for (s, site) in self.topology.document().on_premises_sites.iter().enumerate() {
            let scope = self.site_scope(s);
            let routers = self.world.by_site[s].clone();
            let declared = self.declared(s);
            for (r, at) in routers.iter().enumerate() {
                for prefix in &site.prefixes {
                    self.stands(*at, *prefix, ExitKind::Here, CONNECTED, scope.clone());
                }
                for address in site.routers.get(r).map_or(&[][..], |router| &router.addresses) {
                    self.stands(*at, IpNet::from(*address), ExitKind::Here, CONNECTED, scope.clone());
                }
                if site.internet_breakout {
                    for default in ["0.0.0.0/0", "::/0"].into_iter().filter_map(|p| p.parse().ok()) {
                        self.stands(*at, default, ExitKind::Internet, LEARNED, scope.clone());
                    }
                }
                // What BGP computed is in the tables of the speakers.
                for prefix in &declared {
                    self.stands(*at, *prefix, ExitKind::Here, ADVERTISED, scope.clone());
                }
            }
            for advertisement in self.told[s].iter().filter(|a| !a.prefixes.is_empty()) {
                let announcer = (advertisement.link, s);
                let key = (advertisement.over.clone(), advertisement.peering);
                let entry = self.standing.announced.entry(key);
                let over = entry.index();
                let announcers = entry.or_default();
                if !announcers.contains(&announcer) {
                    announcers.push(announcer);
                }
                for prefix in &advertisement.prefixes {
                    self.standing.announced_at.push(*prefix, (over, announcer));
                }
            }
        }
    }

    /// What a site is declared to announce and does; what BGP computed is in the tables of the speakers.
    fn declared(&self, s: usize) -> Vec<IpNet> {
        type Key<'a> = (&'a ResourceId, PeeringType, Option<LinkRole>, &'a [Asn], Option<&'a IpNet>);
        fn key(a: &Advertisement) -> Key<'_> {
            (&a.over, a.peering, a.link, a.as_path.as_slice(), a.prefixes.first())
        }
        let mut known: HashMap<Key<'_>, Vec<&Advertisement>> = HashMap::new();
        for declared in &self.topology.document().on_premises_sites[s].advertisements {
            known.entry(key(declared)).or_default().push(declared);
        }
        let is_declared = |a: &&Advertisement| known.get(&key(a)).is_some_and(|same| same.contains(a));
        let declared = self.told[s].iter().filter(is_declared);
        let mut told: Vec<IpNet> = declared.flat_map(|a| &a.prefixes).copied().collect();
        told.sort_unstable();
        told.dedup();
        told
    }
}
