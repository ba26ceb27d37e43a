//! One group's run: decide, export, import, until nothing changes.

use std::collections::{HashMap, VecDeque};

use super::exchange::{Exchange, Gathered, needs_cleaning};
use super::fanout::Target;
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
    /// Which ends' sessions are established.
    up: Vec<bool>,
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
type Moment = (Box<[AttrId]>, Box<[(Best, AttrId)]>, Vec<SpeakerIx>);

impl<'a> Machine<'a> {
    pub(super) fn new(plan: &'a Plan, live: &'a Live, igp: &'a mut Igp, pool: &'a mut Pool) -> Self {
        Self {
            plan,
            live,
            igp,
            pool,
            up: (0..super::plan::index(plan.ends.len())).map(|e| live.up(plan, e)).collect(),
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
                // The next group finds nobody waiting.
                self.queued.fill(false);
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
    pub(super) fn cycle(&mut self, group: &mut Group, budget: u64) -> Option<Vec<Box<[(Best, AttrId)]>>> {
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
        let own = &plan.speakers[speaker as usize];
        let fanout = &own.fanout;
        if !own.sends_several {
            let none_is_own = ![old.0, best.0].iter().any(|b| matches!(b, Best::Local(_)));
            if old == best || fanout.ends_here && none_is_own {
                return;
            }
        }
        self.sent.clear();
        for &e in &fanout.singles {
            self.tell(group, e, best);
        }
        for batch in &fanout.batches {
            self.tell_all(group, batch, best);
        }
    }

    /// Recomputes what the neighbours of a batch have.
    fn tell_all(&mut self, group: &mut Group, batch: &[Target], best: (Best, AttrId)) {
        let plan = self.plan;
        let source = match best.0 {
            Best::Slot(slot) => Some(plan.slot_end[slot as usize]),
            Best::Local(_) | Best::None => None,
        };
        // Default routes and aggregates may look at the neighbour.
        let one_by_one = group.default_route || !group.inside.is_empty();
        let nothing = best.0 == Best::None
            || batch.first().is_some_and(|t| !plan.ends[t.end as usize].carries(group.v4()));
        let mut common = nothing.then_some(AttrId::NONE);
        for target in batch {
            let kept = if !self.up[target.end as usize] {
                Some(AttrId::NONE)
            } else if one_by_one || source == Some(target.end) {
                None
            } else {
                self.kept(group, target, best, &mut common)
            };
            let Some(kept) = kept else {
                self.tell(group, target.end, best);
                continue;
            };
            if std::mem::replace(&mut group.slots[target.slot as usize], kept) != kept {
                self.enqueue(target.speaker);
            }
        }
    }

    /// What a neighbour keeps as all of its batch do; `None` where the route names it. What is `common` to all is worked
    /// out for the first.
    fn kept(
        &mut self,
        group: &Group,
        target: &Target,
        best: (Best, AttrId),
        common: &mut Option<AttrId>,
    ) -> Option<AttrId> {
        let is_named = |machine: &Self, route: AttrId| {
            route.some().is_some_and(|route| target.is_named_in(machine.pool.get(route)))
        };
        if is_named(self, best.1) {
            return None;
        }
        if let Some(common) = *common {
            return (!is_named(self, common)).then_some(common);
        }
        let sent = self.send_learned(group, target.end, best);
        if is_named(self, sent) {
            return None;
        }
        let received = match sent.some() {
            Some(sent) => self.receive(group, target.end ^ 1, sent),
            None => AttrId::NONE,
        };
        *common = Some(received);
        *common
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
        let up = self.up[e as usize] && plan.ends[e as usize].carries(group.v4());
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
            let mut left = if !up {
                Vec::new()
            } else if self.exchange().makes_default(group, e) {
                vec![Gathered { from: best.0, attributes: best.1 }]
            } else {
                self.gathered(group, plan.ends[e as usize].speaker)
            };
            for at in slots {
                // What may not be sent leaves its place to the next.
                let mut sent = AttrId::NONE;
                while !sent.is_some()
                    && let Some(route) = self.next_best(group, e, &mut left)
                {
                    self.sent.clear();
                    sent = self.send(group, e, (route.from, route.attributes));
                }
                let received = match sent.some() {
                    Some(sent) => self.receive(group, e ^ 1, sent),
                    None => AttrId::NONE,
                };
                changed |= std::mem::replace(&mut group.slots[at], received) != received;
            }
            self.sent.clear();
        }
        if changed {
            self.enqueue(receiving.speaker);
        }
    }

    /// The speaker's routes, their next hops resolved.
    fn gathered(&mut self, group: &Group, speaker: SpeakerIx) -> Vec<Gathered> {
        let mut found = Vec::new();
        self.exchange().gather(group, speaker, &mut found);
        self.resolve(&found);
        found
    }

    /// The next of several routes for one neighbour. A default route that the speaker makes needs no route.
    fn next_best(&self, group: &Group, e: EndIx, left: &mut Vec<Gathered>) -> Option<Gathered> {
        let exchange = self.exchange();
        if exchange.makes_default(group, e) {
            return left.pop();
        }
        exchange.next_best(group, self.plan.ends[e as usize].speaker, left)
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
    pub(super) fn send(&mut self, group: &Group, e: EndIx, route: (Best, AttrId)) -> AttrId {
        if self.exchange().makes_default(group, e) {
            return match self.exchange().make_default(group, e, route, None) {
                Ok(made) => self.pool.store(made),
                Err(_) => AttrId::NONE,
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
        if next_hop.is_some() && next_hop == Some(self.plan.ends[(e ^ 1) as usize].own(group.v4())) {
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
    pub(super) fn receive(&mut self, group: &Group, e: EndIx, sent: AttrId) -> AttrId {
        let end = &self.plan.ends[e as usize];
        let speaker = &self.plan.speakers[end.speaker as usize];
        let attributes = self.pool.get(sent);
        if self.exchange().refused(e, attributes).is_some() {
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
