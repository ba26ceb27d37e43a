//! The engine: a design converged, and changed.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::aggregate::aggregated;
use super::decision::LocalRoute;
use super::error::DesignError;
use super::exchange::Exchange;
use super::igp::Igp;
use super::machine::Machine;
use super::plan::{Block, EndIx, Plan, SpeakerIx, index};
use super::policy::{Chain, Context};
use super::pool::{AttrId, Pool};
use super::prefixes::{Item, Prefixes, Signature, Signatures, inside};
use super::state::{Best, Group, Live, Local, Outcome};
use crate::model::ResourceId;
use crate::model::bgp::{Aggregator, BgpDesign, Origination, PathAttributes, RouteType, SourceProtocol};
use crate::prefix_table::PrefixTable;

/// How far the engine goes before it gives a group up as unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Decisions for one route group, when it is converged and again when it is judged ([`Engine::verdict`]).
    pub decisions: u64,
}

impl Default for Budget {
    /// A million decisions: no sane design comes near.
    fn default() -> Self {
        Self { decisions: 1 << 20 }
    }
}

/// Something that happens to a running design.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BgpChange {
    /// A session is lost.
    SessionDown(ResourceId),
    /// It comes back, or is switched on.
    SessionUp(ResourceId),
    /// A link of the interior gateway protocol is lost.
    LinkDown(ResourceId),
    /// It comes back.
    LinkUp(ResourceId),
    /// A speaker is lost, with all its sessions and links.
    SpeakerDown(ResourceId),
    /// It comes back.
    SpeakerUp(ResourceId),
    /// A speaker announces prefixes of its own, in place of what it announced for them before.
    Announce(ResourceId, Origination),
    /// A speaker no longer announces prefixes of its own.
    Withdraw(ResourceId, Vec<IpNet>),
}

/// A change that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{resource}`: {reason}")]
#[non_exhaustive]
pub struct BgpChangeError {
    /// What the change names.
    pub resource: ResourceId,
    /// Why not.
    pub reason: String,
}

/// What a run took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Prefixes that enter BGP somewhere.
    pub prefixes: usize,
    /// Route groups: what was converged, each once.
    pub groups: usize,
    /// Different attribute sets that were met, changes included.
    pub attribute_sets: usize,
    /// Decisions made since the engine was built.
    pub decisions: u64,
}

/// A design with BGP converged on it.
///
/// Prefixes that enter at the same places with the same attributes, and that every policy and aggregate treats alike,
/// are one *route group* and are converged once. Building costs a hash look-up for each announcement, and a run for each
/// group; a changed session costs a pass over the groups. Grouping cannot help where every prefix has attributes of its
/// own: then each is a group, at some hundred nanoseconds for each message that routers would exchange.
///
/// The result does not depend on the order in which speakers, sessions or announcements are declared, where the design
/// has one stable state; where it has several, this is one of them ([`Engine::verdict`] tells). Clones share nothing that
/// changes.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) plan: Arc<Plan>,
    pub(super) live: Live,
    pub(super) igp: Igp,
    pub(super) pool: Pool,
    pub(super) signatures: Signatures,
    pub(super) prefixes: Prefixes,
    pub(super) groups: Vec<Group>,
    /// Groups by signature; `u32::MAX` is none.
    pub(super) group_of: Vec<u32>,
    pub(super) budget: Budget,
    decisions: u64,
    /// Prefixes sorted; dropped when one comes or goes.
    sorted: OnceLock<Arc<Vec<(IpNet, Signature)>>>,
}

const NO_GROUP: u32 = u32::MAX;

impl Engine {
    /// Checks a design and converges it.
    ///
    /// # Errors
    ///
    /// [`DesignError`] names everything that cannot be right. That a design does not settle is no error: see
    /// [`Engine::verdict`].
    pub fn build(design: &BgpDesign) -> Result<Self, DesignError> {
        Self::build_within(design, Budget::default())
    }

    /// The same within a budget.
    ///
    /// # Errors
    ///
    /// As for [`Engine::build`].
    pub fn build_within(design: &BgpDesign, budget: Budget) -> Result<Self, DesignError> {
        let (plan, blocks) = Plan::compile(design)?;
        let live = Live::new(&plan);
        let igp = Igp::new(&plan, &live);
        let mut engine = Self {
            plan: Arc::new(plan),
            live,
            igp,
            pool: Pool::default(),
            signatures: Signatures::new(),
            prefixes: Prefixes::default(),
            groups: Vec::new(),
            group_of: Vec::new(),
            budget,
            decisions: 0,
            sorted: OnceLock::new(),
        };
        engine.group_all(&blocks);
        drop(blocks);
        engine.run(|machine, group, budget| machine.start(group, budget));
        engine.settle_aggregates();
        engine.settle_limits();
        engine.shrink();
        Ok(engine)
    }

    /// Gives back what was set aside while building: tables double as they grow.
    fn shrink(&mut self) {
        self.pool.shrink();
        self.prefixes.shrink();
        self.signatures.shrink();
        self.groups.shrink_to_fit();
        self.group_of.shrink_to_fit();
    }

    /// What the engine holds and what it took.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            prefixes: self.prefixes.iter().filter(|(_, s)| *s != Signature::EMPTY).count(),
            groups: self.groups.iter().filter(|g| g.members > 0).count(),
            attribute_sets: self.pool.len(),
            decisions: self.decisions,
        }
    }

    /// Prefixes for which no stable state was reached, sorted: their routes show one moment.
    pub fn unsettled(&self) -> impl Iterator<Item = IpNet> {
        let mut found: Vec<IpNet> = Vec::new();
        if self.groups.iter().any(|g| g.members > 0 && g.outcome != Outcome::Stable) {
            let moving = |s| self.group_at(s).is_some_and(|g| g.outcome != Outcome::Stable);
            found.extend(self.prefixes.iter().filter(|(_, s)| moving(*s)).map(|(prefix, _)| *prefix));
            found.sort_unstable();
        }
        found.into_iter()
    }

    /// The ids of all speakers, sorted.
    pub fn speakers(&self) -> impl Iterator<Item = &ResourceId> {
        self.plan.speakers.iter().map(|s| &s.id)
    }

    /// The ids of all sessions, sorted, each with whether it is established.
    pub fn sessions(&self) -> impl Iterator<Item = (&ResourceId, bool)> {
        (0..).zip(&self.plan.sessions).map(|(s, session)| (&session.id, self.live.up(&self.plan, 2 * s)))
    }

    /// Sessions that a prefix limit took down.
    pub fn over_limit(&self) -> impl Iterator<Item = &ResourceId> {
        self.plan.sessions.iter().zip(&self.live.over_limit).filter(|(_, over)| **over).map(|(s, _)| &s.id)
    }

    pub(super) fn exchange(&self) -> Exchange<'_> {
        Exchange { plan: &self.plan, live: &self.live, igp: &self.igp, pool: &self.pool }
    }

    /// The group of a prefix that enters BGP somewhere.
    pub(super) fn group(&self, prefix: &IpNet) -> Option<&Group> {
        self.group_at(self.prefixes.get(prefix)?)
    }

    pub(super) fn group_at(&self, signature: Signature) -> Option<&Group> {
        let group = *self.group_of.get(Signatures::position(signature))?;
        self.groups.get(group as usize)
    }

    /// All prefixes, sorted.
    pub(super) fn sorted(&self) -> Arc<Vec<(IpNet, Signature)>> {
        Arc::clone(self.sorted.get_or_init(|| Arc::new(self.prefixes.sorted())))
    }

    // ---- grouping ----

    /// Gives every prefix its signature, and every signature a group.
    fn group_all(&mut self, blocks: &[Block<'_>]) {
        let plan = Arc::clone(&self.plan);
        let announced: usize = blocks.iter().map(|b| b.prefixes.len()).max().unwrap_or(0);
        self.prefixes.reserve(announced);
        for block in blocks {
            let entry = Entry {
                speaker: block.speaker,
                kind: block.kind,
                protocol: block.protocol,
                attributes: &block.attributes,
                chain: &block.chain,
            };
            self.enter(&entry, &block.prefixes);
        }
        if plan.default_originate {
            for default in [IpNet::V4(ipnet::Ipv4Net::default()), IpNet::V6(ipnet::Ipv6Net::default())] {
                self.prefixes.entry(default);
            }
        }
        for aggregate in &plan.aggregates {
            self.prefixes.entry(aggregate.prefix);
        }
        let aggregates = self.aggregate_table();
        let mut prefixes = std::mem::take(&mut self.prefixes);
        let mut seen = Vec::new();
        for (prefix, signature) in prefixes.iter_mut() {
            *signature = self.tell_apart(prefix, *signature, &aggregates, &mut seen);
            self.join(prefix, *signature);
        }
        self.prefixes = prefixes;
    }

    fn aggregate_table(&self) -> PrefixTable<Vec<u32>> {
        let mut table: PrefixTable<Vec<u32>> = PrefixTable::default();
        for (a, aggregate) in (0..).zip(&self.plan.aggregates) {
            table.entry(aggregate.prefix).push(a);
        }
        table
    }

    /// Adds a speaker's own routes to the signatures of prefixes.
    fn enter(&mut self, entry: &Entry<'_>, prefixes: &[IpNet]) {
        let plain = entry.chain.is_transparent();
        let mut items: FxHashMap<(bool, Box<[u32]>), Option<Item>> = FxHashMap::default();
        let mut seen = Vec::new();
        let mut same = if plain { self.local_item(entry, prefixes.first()) } else { None };
        let mut last: Option<(Signature, Item, Signature)> = None;
        let mut near = 0;
        for prefix in prefixes {
            let prefix = prefix.trunc();
            if !plain {
                seen.clear();
                self.plan.policies.treatment(&prefix, &mut seen);
                let key = (matches!(prefix, IpNet::V4(_)), seen.as_slice().into());
                same = match items.get(&key) {
                    Some(item) => *item,
                    None => {
                        let item = self.local_item(entry, Some(&prefix));
                        items.insert(key, item);
                        item
                    }
                };
            }
            let Some(item) = same else { continue };
            let signature = self.prefixes.entry_near(prefix, &mut near);
            if self.signatures.last(*signature) == Some(item) {
                continue;
            }
            let next = match last {
                Some((before, with, after)) if (before, with) == (*signature, item) => after,
                _ => self.signatures.with(*signature, item),
            };
            last = Some((*signature, item, next));
            *signature = next;
        }
    }

    /// A speaker's own route after its policies; `None` where they reject it.
    fn local_item(&mut self, entry: &Entry<'_>, prefix: Option<&IpNet>) -> Option<Item> {
        let prefix = prefix?;
        let speaker = &self.plan.speakers[entry.speaker as usize];
        let mut attributes = entry.attributes.clone();
        attributes.weight = attributes.weight.or(Some(speaker.settings.local_weight));
        let context = Context {
            prefix,
            neighbor: None,
            own_address: Some(IpAddr::V4(speaker.receiver.router_id)),
            own_asn: speaker.receiver.asn,
            peer_asn: None,
            route_type: RouteType::Local,
            source_protocol: entry.protocol,
            igp_cost: None,
            export: false,
            settings: &speaker.settings,
        };
        if !self.plan.policies.evaluate(entry.chain, &context, &mut attributes).accepted {
            return None;
        }
        let attributes = self.pool.store(attributes);
        let local = Local { speaker: entry.speaker, kind: entry.kind, protocol: entry.protocol, attributes };
        Some(self.signatures.local(local))
    }

    /// Adds everything but routes to a signature: what policies and aggregates see of the prefix.
    fn tell_apart(
        &mut self,
        prefix: &IpNet,
        mut signature: Signature,
        aggregates: &PrefixTable<Vec<u32>>,
        seen: &mut Vec<u32>,
    ) -> Signature {
        let default = prefix.prefix_len() == 0 && self.plan.default_originate;
        let own: &[u32] = aggregates.get(prefix).map_or(&[], Vec::as_slice);
        if signature == Signature::EMPTY && !default && own.is_empty() {
            return signature;
        }
        if matches!(prefix, IpNet::V6(_)) {
            signature = self.signatures.with(signature, Item::V6);
        }
        seen.clear();
        self.plan.policies.treatment(prefix, seen);
        if let Some(item) = self.signatures.treatment(seen) {
            signature = self.signatures.with(signature, item);
        }
        if default {
            signature = self.signatures.with(signature, Item::Default);
        }
        if aggregates.len() > 0 {
            for (covering, ixs) in aggregates.covering(prefix) {
                for &a in ixs {
                    let aggregate = &self.plan.aggregates[a as usize];
                    if covering == *prefix {
                        signature = self.signatures.with(signature, Item::Aggregate(a));
                    } else if aggregate.summary_only || aggregate.suppress.is_some() {
                        signature = self.signatures.with(signature, Item::Inside(a));
                    }
                }
            }
        }
        signature
    }

    /// Puts a prefix into the group of its signature.
    fn join(&mut self, prefix: &IpNet, signature: Signature) {
        if signature == Signature::EMPTY {
            return;
        }
        let at = Signatures::position(signature);
        if self.group_of.len() <= at {
            self.group_of.resize(self.signatures.len().max(at + 1), NO_GROUP);
        }
        let found = self.group_of[at];
        if let Some(group) = self.groups.get_mut(found as usize) {
            group.members += 1;
            return;
        }
        let mut group = Group {
            prefix: *prefix,
            members: 1,
            locals: Box::default(),
            inside: Box::default(),
            default_route: false,
            slots: Box::default(),
            best: Box::default(),
            outcome: Outcome::Fresh,
        };
        let mut locals = Vec::new();
        let mut covering = Vec::new();
        for item in self.signatures.items(signature) {
            match item {
                Item::Local(at) => locals.push(self.signatures.local_at(at)),
                Item::Inside(a) => covering.push(a),
                Item::Default => group.default_route = true,
                Item::Treatment(_) | Item::Aggregate(_) | Item::V6 => {}
            }
        }
        group.locals = locals.into();
        group.inside = covering.into();
        self.group_of[at] = index(self.groups.len());
        self.groups.push(group);
    }

    // ---- running ----

    /// Does something to every group that has members.
    fn run(&mut self, mut work: impl FnMut(&mut Machine<'_>, &mut Group, u64)) {
        let mut machine = Machine::new(&self.plan, &self.live, &mut self.igp, &mut self.pool);
        for group in self.groups.iter_mut().filter(|g| g.members > 0) {
            work(&mut machine, group, self.budget.decisions);
        }
        self.decisions += machine.steps;
    }

    /// Recomputes every aggregate, those of longer prefixes first: they may be parts of shorter ones.
    fn settle_aggregates(&mut self) {
        if self.plan.aggregates.is_empty() {
            return;
        }
        let plan = Arc::clone(&self.plan);
        let sorted = self.sorted();
        let mut order: Vec<&super::plan::Aggregate> = plan.aggregates.iter().collect();
        order.sort_by_key(|a| (std::cmp::Reverse(a.prefix.prefix_len()), a.speaker));
        for aggregate in order {
            let made = self.aggregate(aggregate, &sorted[inside(&sorted, &aggregate.prefix)]);
            let Some(at) = self.prefixes.get(&aggregate.prefix) else { continue };
            let group = self.group_of[Signatures::position(at)] as usize;
            let of_this = |l: &&Local| l.speaker == aggregate.speaker && l.kind == LocalRoute::Aggregate;
            if self.groups[group].locals.iter().find(of_this).map(|l| l.attributes) == made {
                continue;
            }
            let mut locals: Vec<Local> =
                self.groups[group].locals.iter().filter(|l| !of_this(l)).copied().collect();
            locals.extend(made.map(|attributes| Local {
                speaker: aggregate.speaker,
                kind: LocalRoute::Aggregate,
                protocol: SourceProtocol::Bgp,
                attributes,
            }));
            self.groups[group].locals = locals.into();
            let mut machine = Machine::new(&plan, &self.live, &mut self.igp, &mut self.pool);
            if self.groups[group].outcome == Outcome::Stable {
                for speaker in self.groups[group].locals.iter().map(|l| l.speaker).chain([aggregate.speaker])
                {
                    machine.enqueue(speaker);
                }
                machine.run(&mut self.groups[group], self.budget.decisions);
            } else {
                machine.start(&mut self.groups[group], self.budget.decisions);
            }
            self.decisions += machine.steps;
        }
    }

    /// The attributes of an aggregate; `None` while its speaker has no route inside it.
    fn aggregate(
        &mut self,
        aggregate: &super::plan::Aggregate,
        prefixes: &[(IpNet, Signature)],
    ) -> Option<AttrId> {
        let groups: BTreeSet<u32> =
            prefixes.iter().map(|(_, s)| self.group_of[Signatures::position(*s)]).collect();
        let parts: BTreeSet<AttrId> = groups
            .into_iter()
            .filter_map(|g| self.groups.get(g as usize)?.best[aggregate.speaker as usize].1.some())
            .collect();
        if parts.is_empty() {
            return None;
        }
        let speaker = &self.plan.speakers[aggregate.speaker as usize];
        let mut attributes = aggregated(parts.iter().map(|a| self.pool.get(*a)), aggregate.as_set);
        attributes.weight = Some(speaker.settings.local_weight);
        attributes.aggregator =
            Some(Aggregator { asn: speaker.outer_asn, address: speaker.receiver.router_id });
        let context = Context {
            prefix: &aggregate.prefix,
            neighbor: None,
            own_address: Some(IpAddr::V4(speaker.receiver.router_id)),
            own_asn: speaker.receiver.asn,
            peer_asn: None,
            route_type: RouteType::Local,
            source_protocol: SourceProtocol::Bgp,
            igp_cost: None,
            export: false,
            settings: &speaker.settings,
        };
        let accepted = self.plan.policies.evaluate(&aggregate.attributes, &context, &mut attributes).accepted;
        accepted.then(|| self.pool.store(attributes))
    }

    /// Takes down every session past its prefix limit, until none is. Sessions only go down, so this ends.
    fn settle_limits(&mut self) {
        let limited: Vec<(EndIx, u32)> =
            (0..).zip(&self.plan.ends).filter_map(|(e, end)| Some((e, end.prefix_limit?))).collect();
        if limited.is_empty() {
            return;
        }
        loop {
            let over: Vec<EndIx> = limited
                .iter()
                .filter(|(e, limit)| self.live.up(&self.plan, *e) && self.received(*e) > u64::from(*limit))
                .map(|(e, _)| *e)
                .collect();
            if over.is_empty() {
                return;
            }
            for e in &over {
                self.live.over_limit[*e as usize / 2] = true;
            }
            self.run(|machine, group, budget| {
                if group.outcome != Outcome::Stable {
                    // It stopped with news on its way: there is no state to go on from.
                    machine.start(group, budget);
                    return;
                }
                for e in &over {
                    machine.refresh(group, *e);
                    machine.refresh(group, e ^ 1);
                }
                machine.run(group, budget);
            });
            self.settle_aggregates();
        }
    }

    /// How many prefixes an end has accepted.
    pub(super) fn received(&self, e: EndIx) -> u64 {
        let slots = &self.plan.ends[e as usize].slots;
        let holds = |group: &&Group| {
            let range = slots.start as usize..slots.end as usize;
            group.slots.get(range).is_some_and(|routes| routes.iter().any(|r| r.is_some()))
        };
        self.groups.iter().filter(|g| g.members > 0).filter(holds).map(|g| u64::from(g.members)).sum()
    }

    // ---- changes ----

    /// Makes changes, all at once, and converges what they touch.
    ///
    /// The result equals that of building the changed design, where that has one stable state. A session, link or
    /// speaker costs a pass over the groups and a run of those it touches; a prefix costs a run of its new group, if no
    /// other prefix is in it yet.
    ///
    /// # Errors
    ///
    /// [`BgpChangeError`] where a change names what is not there; then nothing is changed.
    pub fn apply(&mut self, changes: &[BgpChange]) -> Result<(), BgpChangeError> {
        for change in changes {
            self.check(change)?;
        }
        let plan = Arc::clone(&self.plan);
        let only_routes =
            changes.iter().all(|c| matches!(c, BgpChange::Announce(..) | BgpChange::Withdraw(..)));
        let ends = if only_routes && !self.live.over_limit.contains(&true) { 0 } else { plan.ends.len() };
        let before: Vec<bool> = (0..index(ends)).map(|e| self.live.up(&plan, e)).collect();
        let mut reachability = false;
        let mut restarted: BTreeSet<SpeakerIx> = BTreeSet::new();
        let mut moved: Vec<u32> = Vec::new();
        // What a limit took down may come back when there is less.
        self.live.over_limit.fill(false);
        for change in changes {
            match change {
                BgpChange::SessionDown(id) => self.live.sessions[plan.session_by_id[id] as usize] = false,
                BgpChange::SessionUp(id) => self.live.sessions[plan.session_by_id[id] as usize] = true,
                BgpChange::LinkDown(id) => {
                    reachability = true;
                    self.live.links[plan.link_by_id[id] as usize] = false;
                }
                BgpChange::LinkUp(id) => {
                    reachability = true;
                    self.live.links[plan.link_by_id[id] as usize] = true;
                }
                BgpChange::SpeakerDown(id) | BgpChange::SpeakerUp(id) => {
                    reachability = true;
                    let speaker = plan.by_id[id];
                    restarted.insert(speaker);
                    self.live.speakers[speaker as usize] = matches!(change, BgpChange::SpeakerUp(_));
                }
                BgpChange::Announce(id, origination) => {
                    let chain = self.chain_of(id, origination)?;
                    let attributes = &origination.attributes;
                    let entry = Some((attributes, &chain));
                    self.regroup(plan.by_id[id], &origination.prefixes, entry, &mut moved);
                }
                BgpChange::Withdraw(id, prefixes) => {
                    self.regroup(plan.by_id[id], prefixes, None, &mut moved);
                }
            }
        }
        if reachability {
            restarted.extend(self.igp.forget(&plan, &self.live));
        }
        let ends: Vec<EndIx> =
            (0..).zip(&before).filter(|(e, up)| self.live.up(&plan, *e) != **up).map(|(e, _)| e).collect();
        if !ends.is_empty() || !restarted.is_empty() {
            self.run(|machine, group, budget| {
                if group.outcome == Outcome::Fresh {
                    return;
                }
                let unsettled = group.outcome != Outcome::Stable;
                if unsettled {
                    // There is no state to go on from.
                    machine.start(group, budget);
                    return;
                }
                for e in &ends {
                    machine.refresh(group, *e);
                }
                for speaker in &restarted {
                    machine.enqueue(*speaker);
                    if plan.policies.sees_costs() {
                        // A MED of the cost changes though the route stays.
                        for e in &plan.speakers[*speaker as usize].ends {
                            machine.refresh(group, *e);
                        }
                    }
                }
                machine.run(group, budget);
            });
        }
        moved.sort_unstable();
        moved.dedup();
        let mut machine = Machine::new(&plan, &self.live, &mut self.igp, &mut self.pool);
        for at in moved {
            let group = &mut self.groups[at as usize];
            if group.members > 0 && group.outcome == Outcome::Fresh {
                machine.start(group, self.budget.decisions);
            }
        }
        self.decisions += machine.steps;
        self.settle_aggregates();
        self.settle_limits();
        Ok(())
    }

    fn check(&self, change: &BgpChange) -> Result<(), BgpChangeError> {
        let fail = |resource: &ResourceId, reason: &str| {
            Err(BgpChangeError { resource: resource.clone(), reason: reason.to_owned() })
        };
        match change {
            BgpChange::SessionDown(id) | BgpChange::SessionUp(id) => {
                if !self.plan.session_by_id.contains_key(id) {
                    return fail(id, "there is no such session");
                }
            }
            BgpChange::LinkDown(id) | BgpChange::LinkUp(id) => {
                if !self.plan.link_by_id.contains_key(id) {
                    return fail(id, "there is no such link");
                }
            }
            BgpChange::SpeakerDown(id) | BgpChange::SpeakerUp(id) | BgpChange::Withdraw(id, _) => {
                if !self.plan.by_id.contains_key(id) {
                    return fail(id, "there is no such speaker");
                }
            }
            BgpChange::Announce(id, origination) => {
                if !self.plan.by_id.contains_key(id) {
                    return fail(id, "there is no such speaker");
                }
                self.chain_of(id, origination)?;
            }
        }
        Ok(())
    }

    fn chain_of(&self, id: &ResourceId, origination: &Origination) -> Result<Chain, BgpChangeError> {
        let accept = crate::model::bgp::DefaultPolicy::AcceptRoute;
        self.plan
            .policies
            .chain(&origination.policies, accept)
            .map_err(|error| BgpChangeError { resource: id.clone(), reason: error.to_string() })
    }

    /// Gives prefixes another route of a speaker's own, or none, and moves them to their new groups.
    fn regroup(
        &mut self,
        speaker: SpeakerIx,
        prefixes: &[IpNet],
        entry: Option<(&PathAttributes, &Chain)>,
        moved: &mut Vec<u32>,
    ) {
        let aggregates = self.aggregate_table();
        let mut seen = Vec::new();
        for prefix in prefixes {
            let prefix = prefix.trunc();
            let old = *self.prefixes.entry(prefix);
            let mut locals: Vec<Item> = Vec::new();
            for item in self.signatures.items(old) {
                if let Item::Local(at) = item {
                    let local = self.signatures.local_at(at);
                    if local.speaker != speaker || local.kind != LocalRoute::Network {
                        locals.push(item);
                    }
                }
            }
            if let Some((attributes, chain)) = entry {
                let entry = Entry {
                    speaker,
                    kind: LocalRoute::Network,
                    protocol: SourceProtocol::Bgp,
                    attributes,
                    chain,
                };
                locals.extend(self.local_item(&entry, Some(&prefix)));
            }
            // Chains are in the order of speakers, announced before redistributed: as a new design would have them.
            locals.sort_by_key(|item| match item {
                Item::Local(at) => {
                    let local = self.signatures.local_at(*at);
                    (local.speaker, local.kind)
                }
                _ => (0, LocalRoute::Network),
            });
            let mut signature = Signature::EMPTY;
            for item in locals {
                signature = self.signatures.with(signature, item);
            }
            let signature = self.tell_apart(&prefix, signature, &aggregates, &mut seen);
            if signature == old {
                continue;
            }
            if old != Signature::EMPTY {
                let left = self.group_of[Signatures::position(old)] as usize;
                let group = &mut self.groups[left];
                group.members -= 1;
                if group.members == 0 {
                    // Nobody keeps an empty group up to date.
                    group.outcome = Outcome::Fresh;
                    group.slots = Box::default();
                    group.best = Box::default();
                    group.locals =
                        group.locals.iter().filter(|l| l.kind != LocalRoute::Aggregate).copied().collect();
                }
            }
            self.join(&prefix, signature);
            *self.prefixes.entry(prefix) = signature;
            if signature != Signature::EMPTY {
                moved.push(self.group_of[Signatures::position(signature)]);
            }
            self.sorted = OnceLock::new();
        }
    }
}

/// A route that a speaker enters into BGP.
struct Entry<'a> {
    speaker: SpeakerIx,
    kind: LocalRoute,
    protocol: SourceProtocol,
    attributes: &'a PathAttributes,
    chain: &'a Chain,
}

/// The best route of a speaker in a group.
pub(super) fn best_of(group: &Group, speaker: SpeakerIx) -> (Best, AttrId) {
    group.best.get(speaker as usize).copied().unwrap_or((Best::None, AttrId::NONE))
}
