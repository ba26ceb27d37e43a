//! One group's run: decide, export, import, until nothing changes.

use std::collections::{HashMap, VecDeque};

use super::decision;
use super::exchange::{Exchange, Gathered, needs_cleaning};
use super::igp::Igp;
use super::plan::{EndIx, Plan, SpeakerIx};
use super::pool::{AttrId, Pool};
use super::state::{Best, Group, Live, Outcome};

/// A run's tools. Everything but the pool and the IGP's rows stays as it is.
pub(super) struct Machine<'a> {
    pub(super) plan: &'a Plan,
    pub(super) live: &'a Live,
    pub(super) igp: &'a mut Igp,
    pub(super) pool: &'a mut Pool,
    /// Speakers to look at.
    queue: VecDeque<SpeakerIx>,
    /// Speakers that can wait: see [`super::plan::Speaker::leaf`].
    later: VecDeque<SpeakerIx>,
    queued: Vec<bool>,
    /// What each update group of the speaker at hand sends.
    sent: Vec<Option<AttrId>>,
    /// Decisions made, for the caller's statistics.
    pub(super) steps: u64,
    found: Vec<Gathered>,
}

/// All that the next round depends on: what is received, what is best, who is queued.
type Moment = (Box<[AttrId]>, Selections, Vec<SpeakerIx>);

/// What every speaker selects, by position.
pub(super) type Selections = Box<[(Best, AttrId)]>;

impl<'a> Machine<'a> {
    pub(super) fn new(plan: &'a Plan, live: &'a Live, igp: &'a mut Igp, pool: &'a mut Pool) -> Self {
        Self {
            plan,
            live,
            igp,
            pool,
            queue: VecDeque::new(),
            later: VecDeque::new(),
            queued: vec![false; plan.speakers.len()],
            sent: Vec::new(),
            steps: 0,
            found: Vec::new(),
        }
    }

    pub(super) fn enqueue(&mut self, speaker: SpeakerIx) {
        if !std::mem::replace(&mut self.queued[speaker as usize], true) {
            let leaf = self.plan.speakers[speaker as usize].leaf;
            if leaf { &mut self.later } else { &mut self.queue }.push_back(speaker);
        }
    }

    fn dequeue(&mut self) -> Option<SpeakerIx> {
        let speaker = self.queue.pop_front().or_else(|| self.later.pop_front())?;
        self.queued[speaker as usize] = false;
        Some(speaker)
    }

    /// Starts a group from nothing.
    pub(super) fn start(&mut self, group: &mut Group, budget: u64) {
        self.seed(group);
        self.run(group, budget);
    }

    /// Empties a group's tables, and queues those who have something to say of their own.
    fn seed(&mut self, group: &mut Group) {
        group.slots = vec![AttrId::NONE; self.plan.slot_end.len()].into();
        group.best = vec![(Best::None, AttrId::NONE); self.plan.speakers.len()].into();
        for i in 0..group.locals.len() {
            self.enqueue(group.locals[i].speaker);
        }
        if group.default_route {
            for e in 0..self.plan.ends.len() {
                if self.plan.ends[e].default_originate.is_some() {
                    self.enqueue(self.plan.ends[e].speaker);
                    self.refresh(group, super::plan::index(e));
                }
            }
        }
    }

    /// Works through the queue. A group that does not settle is watched for a state that comes again.
    pub(super) fn run(&mut self, group: &mut Group, budget: u64) {
        // Most groups settle within a few decisions a speaker; only then is it worth to remember states.
        let patience = 16 * self.plan.speakers.len() as u64 + 64;
        let mut steps = 0;
        group.outcome = Outcome::Stable;
        while let Some(speaker) = self.dequeue() {
            self.process(group, speaker);
            steps += 1;
            if steps >= patience.min(budget) {
                group.outcome = self.watch(group, budget.saturating_sub(steps));
                break;
            }
        }
        self.steps += steps;
        while self.dequeue().is_some() {}
    }

    /// Goes on in rounds of all queued speakers, remembering the state after each round.
    fn watch(&mut self, group: &mut Group, budget: u64) -> Outcome {
        let mut seen: HashMap<Moment, u32> = HashMap::new();
        let mut round = 0;
        let mut steps = 0;
        while !self.queue.is_empty() || !self.later.is_empty() {
            let waiting: Vec<SpeakerIx> = self.queue.drain(..).chain(self.later.drain(..)).collect();
            let state = (group.slots.clone(), group.best.clone(), waiting.clone());
            if let Some(first) = seen.insert(state, round) {
                self.steps += steps;
                return Outcome::Cycle(round - first);
            }
            for speaker in waiting {
                self.queued[speaker as usize] = false;
                self.process(group, speaker);
                steps += 1;
            }
            round += 1;
            if steps > budget {
                self.steps += steps;
                return Outcome::Unknown;
            }
        }
        self.steps += steps;
        Outcome::Stable
    }

    /// Runs a group from nothing, in rounds, until a state comes again: the best routes after each round of that cycle.
    /// `None` where it settles, or the budget ends.
    pub(super) fn cycle(&mut self, group: &mut Group, budget: u64) -> Option<Vec<Selections>> {
        self.seed(group);
        let mut seen: HashMap<Moment, usize> = HashMap::new();
        let mut rounds = Vec::new();
        let mut steps = 0;
        let mut found = None;
        while steps <= budget {
            let waiting: Vec<SpeakerIx> = self.queue.drain(..).chain(self.later.drain(..)).collect();
            if waiting.is_empty() {
                break;
            }
            let moment = (group.slots.clone(), group.best.clone(), waiting.clone());
            if let Some(first) = seen.insert(moment, rounds.len()) {
                found = Some(first);
                break;
            }
            rounds.push(group.best.clone());
            for speaker in waiting {
                self.queued[speaker as usize] = false;
                self.process(group, speaker);
                steps += 1;
            }
        }
        while self.dequeue().is_some() {}
        self.queued.fill(false);
        self.steps += steps;
        found.map(|first| rounds.split_off(first))
    }

    /// What arrives over an end of a speaker's route, as its neighbour stores it. Routes that are passed in turn over the
    /// ends of one speaker must be the same one, unless [`forget_sent`](Self::forget_sent) stands between them.
    pub(super) fn pass(&mut self, group: &Group, e: EndIx, route: (Best, AttrId)) -> AttrId {
        if !self.live.up(self.plan, e) || !self.plan.ends[e as usize].carries(group.v4()) {
            return AttrId::NONE;
        }
        match self.send(group, e, route).some() {
            Some(sent) => self.receive(group, e ^ 1, sent),
            None => AttrId::NONE,
        }
    }

    /// Another route is at hand.
    pub(super) fn forget_sent(&mut self) {
        self.sent.clear();
    }

    /// Empties the queue; whether there was anything in it.
    pub(super) fn clear(&mut self) -> bool {
        let mut any = false;
        while self.dequeue().is_some() {
            any = true;
        }
        any
    }

    /// Decides at one speaker, and tells its neighbours if that changed anything.
    fn process(&mut self, group: &mut Group, speaker: SpeakerIx) {
        let plan = self.plan;
        let best = self.best(group, speaker);
        let old = std::mem::replace(&mut group.best[speaker as usize], best);
        if old == best && !plan.speakers[speaker as usize].sends_several {
            return;
        }
        self.sent.clear();
        for &e in &plan.speakers[speaker as usize].ends {
            self.tell(group, e, best);
        }
    }

    /// Recomputes what the neighbour of one end has from it.
    pub(super) fn refresh(&mut self, group: &mut Group, end: EndIx) {
        self.sent.clear();
        let best = group.best[self.plan.ends[end as usize].speaker as usize];
        self.tell(group, end, best);
    }

    fn tell(&mut self, group: &mut Group, e: EndIx, best: (Best, AttrId)) {
        let plan = self.plan;
        let receiving = &plan.ends[(e ^ 1) as usize];
        let slots = receiving.slots.start as usize..receiving.slots.end as usize;
        let up = self.live.up(plan, e) && plan.ends[e as usize].carries(group.v4());
        let mut changed = false;
        if slots.len() == 1 {
            let sent = if up { self.send(group, e, best) } else { AttrId::NONE };
            let received = match sent.some() {
                Some(sent) => self.receive(group, e ^ 1, sent),
                None => AttrId::NONE,
            };
            let slot = &mut group.slots[slots.start];
            changed = std::mem::replace(slot, received) != received;
        } else {
            let ranked =
                if up { self.ranked(group, plan.ends[e as usize].speaker, slots.len()) } else { Vec::new() };
            let mut ranked = ranked.into_iter();
            for at in slots {
                self.sent.clear();
                // What may not be sent leaves its place to the next.
                let received = ranked.by_ref().find_map(|route| {
                    let sent = self.send(group, e, (route.from, route.attributes)).some()?;
                    self.receive(group, e ^ 1, sent).some()
                });
                let received = received.unwrap_or(AttrId::NONE);
                changed |= std::mem::replace(&mut group.slots[at], received) != received;
            }
            self.sent.clear();
        }
        if changed {
            self.enqueue(receiving.speaker);
        }
    }

    /// The speaker's usable routes, best first: those it would send to a neighbour that takes several.
    fn ranked(&mut self, group: &Group, speaker: SpeakerIx, wanted: usize) -> Vec<Gathered> {
        let mut found = std::mem::take(&mut self.found);
        self.exchange().gather(group, speaker, &mut found);
        self.resolve(&found);
        let ranked = self.exchange().ranked(group, speaker, &found, wanted);
        self.found = found;
        ranked
    }

    pub(super) fn best(&mut self, group: &Group, speaker: SpeakerIx) -> (Best, AttrId) {
        let mut found = std::mem::take(&mut self.found);
        self.exchange().gather(group, speaker, &mut found);
        self.resolve(&found);
        let best = self.exchange().select(group, speaker, &found);
        let best = best.map_or((Best::None, AttrId::NONE), |b| (found[b].from, found[b].attributes));
        self.found = found;
        best
    }

    /// Looks the next hops of routes up, so that all else can be done without changing anything.
    pub(super) fn resolve(&mut self, found: &[Gathered]) {
        for route in found {
            if self.pool.next_hop(route.attributes).is_none()
                && let Some(next_hop) = self.pool.get(route.attributes).next_hop
            {
                let row = self.igp.row(self.plan, self.live, next_hop);
                self.pool.set_next_hop(route.attributes, row);
            }
        }
    }

    /// The rules of what passes between speakers.
    pub(super) fn exchange(&self) -> Exchange<'_> {
        Exchange { plan: self.plan, live: self.live, igp: self.igp, pool: self.pool }
    }

    /// What a speaker sends over an end of what is its best route, stored.
    fn send(&mut self, group: &Group, e: EndIx, route: (Best, AttrId)) -> AttrId {
        let end = &self.plan.ends[e as usize];
        if group.default_route && end.default_originate.is_some() {
            return match self.exchange().make_default(group, e, route) {
                Some(made) => self.pool.store(made),
                None => self.send_learned(group, e, route),
            };
        }
        self.send_learned(group, e, route)
    }

    fn send_learned(&mut self, group: &Group, e: EndIx, route: (Best, AttrId)) -> AttrId {
        let end = &self.plan.ends[e as usize];
        if self.exchange().withheld(group, e, route).is_some() {
            return AttrId::NONE;
        }
        // A neighbour is never told of itself as a third party, so its copy may differ from that of its update group.
        let next_hop = self.pool.get(route.1).next_hop;
        if next_hop.is_some() && next_hop == end.peer_info.address {
            return match self.exchange().transform(group, e, route, None) {
                Ok(attributes) => self.pool.store(attributes),
                Err(_) => AttrId::NONE,
            };
        }
        let at = end.update_group as usize;
        if let Some(Some(sent)) = self.sent.get(at) {
            return *sent;
        }
        let sent = match self.exchange().transform(group, e, route, None) {
            Ok(attributes) => self.pool.store(attributes),
            Err(_) => AttrId::NONE,
        };
        if self.sent.len() <= at {
            self.sent.resize(at + 1, None);
        }
        self.sent[at] = Some(sent);
        sent
    }

    /// What becomes of a route that arrives at an end, stored.
    fn receive(&mut self, group: &Group, e: EndIx, sent: AttrId) -> AttrId {
        let end = &self.plan.ends[e as usize];
        let speaker = &self.plan.speakers[end.speaker as usize];
        let attributes = self.pool.get(sent);
        if decision::refuse(
            attributes,
            &end.peer_info,
            &speaker.receiver,
            end.allow_own_as,
            &speaker.settings,
        )
        .is_some()
        {
            return AttrId::NONE;
        }
        if end.imports_plainly && !needs_cleaning(end, attributes, &speaker.settings) {
            return sent;
        }
        match self.exchange().accept(group, e, attributes.clone(), None) {
            Ok(attributes) => self.pool.store(attributes),
            Err(_) => AttrId::NONE,
        }
    }
}
