//! Builds the graph of places outside Azure, and what stands there whatever fails.

mod carried;
mod exits;
mod given;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use petgraph::graph::NodeIndex;

use super::super::bgp::Bgp;
use super::super::{ControlPlane, LearnedOver, Session};
use super::{
    ADVERTISED, CONNECTED, Edge, Exit, ExitKind, LEARNED, OnPremises, RouterIx, RouterNode, Scope, Standing,
};
use crate::model::{Advertisement, Entity, Limits, ResourceId, SiteRole, Topology};

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
    let same = before.map(|b| &b.exits.standing).filter(|standing| standing.told == plane.told_by_sites);
    build.world.exits.standing = match same {
        Some(standing) => Arc::clone(standing),
        None => build.standing(),
    };
    build.circuits();
    build.connections();
    build.tunnels();
    build.given_routes();
    let first = build.world.exits.standing.exits.len();
    for (e, exit) in build.world.exits.others.iter().enumerate() {
        build.world.table.entry(exit.prefix).push(first + e);
    }
    build.world
}

struct Build<'t> {
    topology: &'t Topology,
    served: &'t BTreeMap<usize, Vec<usize>>,
    /// By site: what it tells Azure.
    told: &'t [Vec<Advertisement>],
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
        let default = IpNet::V4(ipnet::Ipv4Net::default());
        for at in routers {
            let exits = [ExitKind::Here, ExitKind::Discard].map(|kind| {
                self.stands(at, default, kind, ADVERTISED, Scope::Every);
                self.standing.exits.len() - 1
            });
            self.standing.own_exits.insert(at, (exits[0], exits[1]));
        }
        let unlisted = self.standing.exits.len();
        self.hosts();
        let mut standing = std::mem::take(&mut self.standing);
        for (e, exit) in standing.exits.iter().enumerate().skip(unlisted) {
            standing.table.entry(exit.prefix).push(e);
        }
        standing.told = self.told.to_vec();
        Arc::new(standing)
    }

    fn stands(&mut self, at: RouterIx, prefix: IpNet, kind: ExitKind, preference: u32, scope: Scope) {
        self.standing.exits.push(Exit::new(at, prefix, kind, preference, scope));
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
        self.exit(at, prefix, kind, preference, scope);
        if computed {
            let others = &mut self.world.exits.others;
            let position = self.world.exits.standing.exits.len() + others.len() - 1;
            if let Some(exit) = others.last_mut() {
                exit.computed = true;
            }
            self.world.computed.entry(over).or_default().entry(prefix).push(position);
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
        self.world.exits.others.push(Exit::new(at, prefix, kind, preference, scope));
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
                let declared = self.told[s].iter().filter(|a| site.advertisements.contains(a));
                let mut told: Vec<IpNet> = declared.flat_map(|a| a.prefixes.clone()).collect();
                told.sort_unstable();
                told.dedup();
                for prefix in told {
                    self.stands(*at, prefix, ExitKind::Here, ADVERTISED, scope.clone());
                }
            }
            for advertisement in &self.told[s] {
                let key = (advertisement.over.clone(), advertisement.peering);
                let by_prefix = self.standing.announced_at.entry(key.clone()).or_default();
                for prefix in &advertisement.prefixes {
                    by_prefix.entry(*prefix).push((advertisement.link, s));
                }
                if !advertisement.prefixes.is_empty() {
                    self.standing.announced.entry(key).or_default().push((advertisement.link, s));
                }
            }
        }
    }
}
