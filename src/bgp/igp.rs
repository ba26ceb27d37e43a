//! Next hops: which speaker reaches which address, and at what cost.
//!
//! A next hop resolves by the longest prefix among the speaker's own networks, its static routes and what the others
//! tell it by the interior gateway protocol; a static route's next hop resolves in turn. Routes that BGP itself learned
//! are not used for it. The peer of an external session that stands in no declared network counts as connected, and the
//! interior protocol knows it at its session's speaker: short designs need not declare interfaces.

use std::net::IpAddr;

use indexmap::IndexMap;
use ipnet::IpNet;
use petgraph::algo::dijkstra;
use petgraph::graph::{NodeIndex, UnGraph};
use petgraph::visit::{EdgeFiltered, EdgeRef};
use rustc_hash::FxBuildHasher;

use super::decision::SessionKind;
use super::plan::{OwnRoute, Plan, SpeakerIx, index};
use super::state::Live;
use crate::model::bgp::StaticNextHop;
use crate::prefix_table::PrefixTable;

/// How often a static route's next hop may lead to another static route.
const RECURSION: usize = 8;

/// No way there.
const UNREACHABLE: u32 = u32::MAX;

/// A next hop, as a position among all that were asked for.
pub(super) type NextHopIx = u32;

/// Reachability of next hops. Rows are computed when first asked for and kept until a link or speaker changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Igp {
    graph: UnGraph<(), (u32, u32)>,
    /// Speakers in no linked system reach those of the same system at no cost: the system's number, by speaker.
    unlinked: Vec<Option<u32>>,
    /// Who tells of a network.
    told: PrefixTable<Vec<SpeakerIx>>,
    /// Peers of external sessions that stand in no declared network, as their speakers know them.
    direct: Vec<PrefixTable<()>>,
    /// Costs from a speaker to all, on demand.
    distances: Vec<Option<Box<[u32]>>>,
    /// Costs of next hops, a row a next hop, a column a speaker.
    rows: IndexMap<IpAddr, Box<[u32]>, FxBuildHasher>,
}

impl Igp {
    pub(super) fn new(plan: &Plan, live: &Live) -> Self {
        let speakers = plan.speakers.len();
        let mut graph = UnGraph::default();
        for _ in 0..speakers {
            graph.add_node(());
        }
        let mut linked: Vec<(crate::model::bgp::Asn, bool)> =
            plan.speakers.iter().map(|s| (s.outer_asn, false)).collect();
        for (l, link) in (0..).zip(&plan.links) {
            graph.add_edge(NodeIndex::new(link.a as usize), NodeIndex::new(link.b as usize), (link.cost, l));
            for end in [link.a, link.b] {
                linked[end as usize].1 = true;
            }
        }
        let with_links: std::collections::BTreeSet<_> =
            linked.iter().filter(|(_, touched)| *touched).map(|(asn, _)| *asn).collect();
        let unlinked = linked.iter().map(|(asn, _)| (!with_links.contains(asn)).then_some(asn.0)).collect();
        let mut told: PrefixTable<Vec<SpeakerIx>> = PrefixTable::default();
        let mut direct: Vec<PrefixTable<()>> = (0..speakers).map(|_| PrefixTable::default()).collect();
        for (s, speaker) in (0..).zip(&plan.speakers) {
            for network in &speaker.igp_networks {
                told.entry(*network).push(s);
            }
        }
        for (e, end) in plan.ends.iter().enumerate() {
            // An end with addresses of its own is reached by them inside its system too.
            let far = &plan.ends[e ^ 1];
            for address in [far.own_v4, far.own_v6].map(plain) {
                let host = IpNet::from(address);
                let declared = |s: SpeakerIx| plan.speakers[s as usize].own_routes.longest(&host).is_some();
                if !declared(far.speaker) {
                    let owners = told.entry(host);
                    if !owners.contains(&far.speaker) {
                        owners.push(far.speaker);
                    }
                }
                if end.kind != SessionKind::Ibgp && !declared(end.speaker) {
                    direct[end.speaker as usize].insert(host, ());
                    let owners = told.entry(host);
                    if !owners.contains(&end.speaker) {
                        owners.push(end.speaker);
                    }
                }
            }
        }
        let mut igp = Self {
            graph,
            unlinked,
            told,
            direct,
            distances: vec![None; speakers],
            rows: IndexMap::default(),
        };
        igp.forget(plan, live);
        igp
    }

    /// Drops every computed cost, after a link or a speaker came or went. Next hops keep their positions.
    pub(super) fn forget(&mut self, plan: &Plan, live: &Live) -> Vec<SpeakerIx> {
        self.distances = vec![None; self.distances.len()];
        let old: Vec<(IpAddr, Box<[u32]>)> = self.rows.drain(..).collect();
        let mut changed = vec![false; self.unlinked.len()];
        for (address, before) in old {
            let now = self.row(plan, live, address);
            for ((flag, a), b) in changed.iter_mut().zip(&before).zip(&self.rows[now as usize]) {
                *flag |= a != b;
            }
        }
        (0..).zip(changed).filter(|(_, flag)| *flag).map(|(s, _)| s).collect()
    }

    /// The position of a next hop, its costs computed.
    pub(super) fn row(&mut self, plan: &Plan, live: &Live, next_hop: IpAddr) -> NextHopIx {
        let next_hop = plain(next_hop);
        if let Some(row) = self.rows.get_index_of(&next_hop) {
            return index(row);
        }
        let row = (0..index(self.unlinked.len()))
            .map(|s| self.resolve(plan, live, s, next_hop, RECURSION).unwrap_or(UNREACHABLE))
            .collect();
        index(self.rows.insert_full(next_hop, row).0)
    }

    /// What it costs a speaker to reach a next hop; `None` where it cannot.
    pub(super) fn cost(&self, speaker: SpeakerIx, next_hop: NextHopIx) -> Option<u32> {
        let cost = self.rows[next_hop as usize][speaker as usize];
        (cost != UNREACHABLE).then_some(cost)
    }

    fn resolve(
        &mut self,
        plan: &Plan,
        live: &Live,
        speaker: SpeakerIx,
        next_hop: IpAddr,
        depth: usize,
    ) -> Option<u32> {
        if !live.speakers[speaker as usize] {
            return None;
        }
        let host = IpNet::from(next_hop);
        let own =
            plan.speakers[speaker as usize].own_routes.longest(&host).map(|(p, r)| (p.prefix_len(), *r));
        let direct = self.direct[speaker as usize].longest(&host).is_some();
        if direct {
            return Some(0);
        }
        let mut covering =
            self.told.covering(&host).into_iter().rev().map(|(p, s)| (p.prefix_len(), s.clone()));
        let owners: Vec<(u8, Vec<SpeakerIx>)> = covering.by_ref().collect();
        for (length, owners) in owners {
            if own.is_some_and(|(own, _)| own >= length) {
                break;
            }
            let best = owners.into_iter().filter_map(|o| self.distance(plan, live, speaker, o)).min();
            if best.is_some() {
                return best;
            }
        }
        match own? {
            (_, OwnRoute::Connected) => Some(0),
            (_, OwnRoute::Static(StaticNextHop::Discard)) => None,
            (_, OwnRoute::Static(StaticNextHop::Address(next))) => {
                self.resolve(plan, live, speaker, plain(next), depth.checked_sub(1)?)
            }
        }
    }

    /// The cost between two speakers; links cost the same both ways, so it is kept by the far one, which fewer share.
    fn distance(&mut self, plan: &Plan, live: &Live, from: SpeakerIx, to: SpeakerIx) -> Option<u32> {
        if !live.speakers[to as usize] {
            return None;
        }
        if from == to {
            return Some(0);
        }
        let (a, b) = (self.unlinked[from as usize], self.unlinked[to as usize]);
        if a.is_some() || b.is_some() {
            return (a == b).then_some(0);
        }
        if self.distances[to as usize].is_none() {
            let usable = |edge: petgraph::graph::EdgeReference<'_, (u32, u32)>| {
                let ends = [edge.source().index(), edge.target().index()];
                live.links[edge.weight().1 as usize] && ends.iter().all(|s| live.speakers[*s])
            };
            let view = EdgeFiltered::from_fn(&self.graph, usable);
            let mut row = vec![UNREACHABLE; plan.speakers.len()].into_boxed_slice();
            let found = dijkstra(&view, NodeIndex::new(to as usize), None, |edge| u64::from(edge.weight().0));
            for (node, cost) in found {
                row[node.index()] = u32::try_from(cost).unwrap_or(UNREACHABLE - 1).min(UNREACHABLE - 1);
            }
            self.distances[to as usize] = Some(row);
        }
        let cost = self.distances[to as usize].as_ref()?[from as usize];
        (cost != UNREACHABLE).then_some(cost)
    }
}

/// The address itself: an IPv4 address that an IPv6 route carries is the IPv4 address.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
