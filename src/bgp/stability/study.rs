//! The stable states of one group: a proof that there is just one, and a search where the proof fails.
//!
//! Both rest on one computation, [`Study::possible`]: every route that a speaker may have while some things are known of
//! the state. What is *known* are selections that hold whatever the other speakers do; the routes that follow from them
//! are *sure* to be there. A possible route that a sure one beats in all company is never selected, so it goes no
//! further. A speaker that is left with one sure route is known in turn, and the next round knows more. When all are
//! known, the state is the only one, and speakers come to it in any order: first those of the first round, then those
//! of the second.
//!
//! What is *all company*? With MED, a third route may decide between two, so it is not enough to look at the routes
//! found so far: two speakers could each hold the third route that makes the other one hold it. Hence the company is
//! everything that the round before found possible, and the first round takes all for possible that is not longer or
//! less preferred.
//!
//! Where that ends early, the search assumes for one speaker in turn each neighbour that it may select, draws the same
//! conclusions, and goes on. What it comes to is checked by the engine's own export, import and decision.
//!
//! There may be far more paths than speakers. So routes that differ only in what stands behind the first number of
//! their paths are one *open* route with the shortest of those paths and the numbers that stand in all of them, unless
//! a policy looks there; only if that proves too little, paths are told apart.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::bgp::decision::{self, Ages, Key, SessionKind};
use crate::bgp::exchange::Gathered;
use crate::bgp::machine::Machine;
use crate::bgp::plan::{EndIx, Plan, SpeakerIx, index};
use crate::bgp::pool::{AttrId, Pool};
use crate::bgp::state::{Best, Group, Local, Outcome};
use crate::bgp::{Arrival as ArrivalOrder, ClusterListCheck};
use crate::model::bgp::{AsPath, Asn, Segment, SegmentKind};

/// Stands for any number in an open path. Nobody may have it (RFC 7300).
const ANY: Asn = Asn(u32::MAX);

/// More possible routes than this are not looked at together.
const MOST_ROUTES: usize = 1 << 14;

/// What every speaker selects, by position.
pub(super) type Selections = Vec<(Best, AttrId)>;

/// What was found out.
pub(super) enum Found {
    /// One stable state.
    One {
        /// It follows step by step from what every speaker must select.
        proven: bool,
    },
    /// At least two.
    Two([Selections; 2]),
    /// None.
    None,
    /// The budget ended first.
    Unknown,
}

/// How paths are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mode {
    /// By their first number.
    Open,
    /// By all.
    Exact,
}

/// Why an assumption leads nowhere.
enum Stop {
    /// It contradicts itself.
    Contradiction,
    /// It is too much to look at.
    TooMuch,
}

/// A route that a speaker may have.
#[derive(Clone, Debug)]
struct Possible {
    from: Best,
    attributes: AttrId,
    key: Key,
    /// Longer paths are meant too; these numbers stand in all of them.
    open: bool,
    passed: Rc<[Asn]>,
    /// It is there in every state in question.
    sure: bool,
    /// The neighbours were told that it may be selected.
    told: bool,
    /// Those that take several routes were told.
    told_several: bool,
}

/// All routes that a speaker may have.
#[derive(Clone, Debug, Default)]
struct Node {
    /// Somebody asks.
    wanted: bool,
    routes: Vec<Possible>,
    /// Those that are not sure, by where from and their attributes without the path's length.
    at: FxHashMap<(Best, AttrId), usize>,
    queued: bool,
}

/// What is known of a state, or assumed.
#[derive(Clone, Debug)]
struct Known {
    selected: Vec<Option<(Best, AttrId)>>,
    /// Where the selected route is assumed to come from.
    assumed: Vec<Option<Best>>,
    /// By end: what it sends of several routes is sure.
    listed: Vec<bool>,
    sure: Vec<Vec<Possible>>,
    /// Every route that may be there, by speaker, as the last round found it; none before the first.
    company: Option<Rc<Vec<Node>>>,
}

/// What becomes of a route on its way to a neighbour.
#[derive(Clone, Debug)]
struct Transfer {
    attributes: AttrId,
    /// The same whatever the path's length.
    shape: AttrId,
    /// Numbers that are seen in the path.
    seen: Rc<[Asn]>,
}

pub(super) struct Study<'a> {
    plan: &'a Plan,
    machine: Machine<'a>,
    pub(super) group: Group,
    transfers: FxHashMap<(EndIx, Best, AttrId, Mode), Option<Transfer>>,
    opened: FxHashMap<AttrId, Transfer>,
    none: Rc<[Asn]>,
    /// Several routes of one sender were taken in an order that they may not have.
    guesses_order: bool,
    work: u64,
    budget: u64,
}

/// Routes in the order in which the decision process looks at them.
fn order(from: Best) -> (u8, u32) {
    match from {
        Best::Local(at) => (0, at),
        Best::Slot(at) => (1, at),
        Best::None => (2, 0),
    }
}

impl<'a> Study<'a> {
    /// A study of a group; `from` holds the attributes of its own routes.
    pub(super) fn new(machine: Machine<'a>, group: &Group, from: &Pool, budget: u64) -> Self {
        let plan = machine.plan;
        let mut locals: Vec<Local> = group.locals.to_vec();
        for local in &mut locals {
            local.attributes = machine.pool.store(from.get(local.attributes).clone());
        }
        let group = Group {
            prefix: group.prefix,
            members: group.members,
            locals: locals.into(),
            inside: group.inside.clone(),
            default_route: group.default_route,
            slots: vec![AttrId::NONE; plan.slot_end.len()].into(),
            best: vec![(Best::None, AttrId::NONE); plan.speakers.len()].into(),
            outcome: Outcome::Fresh,
        };
        Self {
            plan,
            machine,
            group,
            transfers: FxHashMap::default(),
            opened: FxHashMap::default(),
            none: Rc::from([]),
            guesses_order: false,
            work: 0,
            budget,
        }
    }

    pub(super) fn run(&mut self) -> Found {
        let mut known = self.start();
        let mut usable = None;
        let modes: &[Mode] = if self.may_open() { &[Mode::Open, Mode::Exact] } else { &[Mode::Exact] };
        for mode in modes {
            match self.settle(&mut known, *mode) {
                Ok(None) => {
                    let Some(state) = self.state(&known) else { return Found::Unknown };
                    // The proof and the engine's own rules must agree.
                    return if self.is_stable(&state) == Some(true) {
                        Found::One { proven: true }
                    } else {
                        Found::Unknown
                    };
                }
                Ok(Some(options)) => usable = Some((*mode, options)),
                Err(Stop::Contradiction) => return Found::None,
                Err(Stop::TooMuch) => {}
            }
        }
        match usable {
            Some((mode, options)) => self.search(known, options, mode),
            None => Found::Unknown,
        }
    }

    /// Looks for states, two at most.
    fn search(&mut self, known: Known, options: Options, mode: Mode) -> Found {
        let mut found: Vec<Selections> = Vec::new();
        let mut undecided = options.choices.is_empty();
        let mut stack = Vec::new();
        self.branch(&known, &options, &mut stack);
        while let Some(mut known) = stack.pop() {
            if self.work > self.budget {
                undecided = true;
                break;
            }
            match self.settle(&mut known, mode) {
                Err(Stop::Contradiction) => {}
                Err(Stop::TooMuch) => undecided = true,
                Ok(Some(options)) => {
                    undecided |= options.choices.is_empty();
                    self.branch(&known, &options, &mut stack);
                }
                Ok(None) => {
                    let Some(state) = self.state(&known) else { continue };
                    match self.is_stable(&state) {
                        None => undecided = true,
                        Some(false) => undecided |= self.guesses_order,
                        Some(true) => found.push(state),
                    }
                    if found.len() == 2 {
                        break;
                    }
                }
            }
        }
        match (<[Selections; 2]>::try_from(found), undecided) {
            (Ok(two), _) => Found::Two(two),
            (Err(_), true) => Found::Unknown,
            (Err(found), false) if found.is_empty() => Found::None,
            (Err(_), false) => Found::One { proven: false },
        }
    }

    fn branch(&mut self, known: &Known, options: &Options, stack: &mut Vec<Known>) {
        for choice in options.choices.iter().rev() {
            let mut next = known.clone();
            next.assumed[options.speaker as usize] = Some(*choice);
            if *choice == Best::None {
                self.fix(&mut next, options.speaker, (Best::None, AttrId::NONE));
            }
            stack.push(next);
        }
    }

    fn state(&self, known: &Known) -> Option<Selections> {
        known.selected.iter().copied().collect()
    }

    /// Whether nothing changes where speakers select this; `None` where several routes of a prefix go round in circles.
    fn is_stable(&mut self, state: &Selections) -> Option<bool> {
        let plan = self.plan;
        self.group.slots.fill(AttrId::NONE);
        self.group.best.copy_from_slice(state);
        // What is sent follows from what is selected, but for those that send several routes.
        let mut settled = !plan.speakers.iter().any(|s| s.sends_several);
        for _ in 0..plan.speakers.len() + 2 {
            for e in 0..index(plan.ends.len()) {
                self.machine.refresh(&mut self.group, e);
            }
            let changed = self.machine.clear();
            settled |= !changed;
            if settled {
                break;
            }
        }
        let mut speakers = (0..).zip(state);
        settled.then(|| speakers.all(|(s, selected)| self.machine.best(&self.group, s) == *selected))
    }

    /// The selections of each step of a run that does not end; `None` where it does, or the budget ends first.
    pub(super) fn cycle(&mut self) -> Option<Vec<Selections>> {
        let found = self.machine.cycle(&mut self.group, self.budget)?;
        Some(found.into_iter().map(Vec::from).collect())
    }

    pub(super) fn pool(&self) -> &Pool {
        self.machine.pool
    }

    /// Whether paths matter by their first number, their length and loops only.
    fn may_open(&self) -> bool {
        let plan = self.plan;
        let in_use = |asn: Asn| asn == ANY;
        !plan.policies.sees_paths()
            && plan.ends.iter().all(|e| e.remove_private_as.is_none() && !in_use(e.own_asn))
            && plan.speakers.iter().all(|s| !in_use(s.receiver.asn) && !in_use(s.outer_asn))
            && self.group.locals.iter().all(|l| self.pool().get(l.attributes).as_path.count(ANY) == 0)
    }

    fn start(&mut self) -> Known {
        let speakers = self.plan.speakers.len();
        let mut known = Known {
            selected: vec![None; speakers],
            assumed: vec![None; speakers],
            listed: vec![false; self.plan.ends.len()],
            sure: vec![Vec::new(); speakers],
            company: None,
        };
        for (i, local) in (0..).zip(self.group.locals.to_vec()) {
            if self.machine.live.speakers[local.speaker as usize] {
                self.surely(&mut known, local.speaker, Best::Local(i), local.attributes);
            }
        }
        known
    }

    // ---- what is known ----

    /// Draws every conclusion. What is left to decide then, if anything; no choices where nothing can be assumed.
    fn settle(&mut self, known: &mut Known, mode: Mode) -> Result<Option<Options>, Stop> {
        loop {
            let nodes = Rc::new(self.possible(known, mode)?);
            let before = known.company.replace(Rc::clone(&nodes));
            let mut progress = before.is_none_or(|before| self.size(&before) != self.size(&nodes));
            let mut options: Option<Options> = None;
            let mut open = false;
            for (speaker, node) in (0..).zip(nodes.iter()) {
                if !node.wanted {
                    continue;
                }
                let s = speaker as usize;
                if self.plan.speakers[s].sends_several {
                    progress |= self.send_several(known, speaker, &node.routes, mode);
                }
                let left = self.left(speaker, node, Some(node), known.assumed[s]);
                if let Some(selected) = known.selected[s] {
                    if known.assumed[s].is_some() && !Self::agrees(node, &left, selected) {
                        return Err(Stop::Contradiction);
                    }
                    continue;
                }
                let only = match left.as_slice() {
                    [] if known.assumed[s].is_some() => return Err(Stop::Contradiction),
                    [] if node.routes.is_empty() => Some((Best::None, AttrId::NONE)),
                    [only] if node.routes[*only].sure => {
                        Some((node.routes[*only].from, node.routes[*only].attributes))
                    }
                    _ => None,
                };
                if let Some(selected) = only {
                    self.fix(known, speaker, selected);
                    progress = true;
                    continue;
                }
                open = true;
                if known.assumed[s].is_none() {
                    let mut choices: Vec<Best> = left.iter().map(|i| node.routes[*i].from).collect();
                    choices.sort_by_key(|from| order(*from));
                    choices.dedup();
                    if !node.routes.iter().any(|r| r.sure) {
                        choices.push(Best::None);
                    }
                    if options.as_ref().is_none_or(|o| o.choices.len() > choices.len()) {
                        options = Some(Options { speaker, choices });
                    }
                }
            }
            if !progress {
                return Ok(match options {
                    None if open => Some(Options { speaker: 0, choices: Vec::new() }),
                    options => options,
                });
            }
        }
    }

    /// Numbers that change whenever less is possible than before.
    fn size(&self, nodes: &[Node]) -> (usize, usize, usize) {
        nodes.iter().flat_map(|n| &n.routes).filter(|r| !r.sure).fold(
            (0, 0, 0),
            |(count, length, passed), r| {
                let hops = self.pool().get(r.attributes).as_path.hop_count();
                (count + 1, length + hops, passed + r.passed.len())
            },
        )
    }

    /// Whether an assumed selection can still be made.
    fn agrees(node: &Node, left: &[usize], selected: (Best, AttrId)) -> bool {
        match selected.0 {
            Best::None => !node.routes.iter().any(|r| r.sure),
            from => left.iter().any(|i| {
                let route = &node.routes[*i];
                route.from == from && route.attributes == selected.1
            }),
        }
    }

    /// A speaker's selection is known: its neighbours' routes from it are.
    fn fix(&mut self, known: &mut Known, speaker: SpeakerIx, selected: (Best, AttrId)) {
        known.selected[speaker as usize] = Some(selected);
        let plan = self.plan;
        self.machine.forget_sent();
        let mut sent = Vec::new();
        for &e in &plan.speakers[speaker as usize].ends {
            let receiving = &plan.ends[(e ^ 1) as usize];
            if receiving.slots.len() == 1 && is_wanted(plan, known, receiving.speaker) {
                let received = self.machine.pass(&self.group, e, selected);
                sent.push((receiving.speaker, receiving.slots.start, received));
            }
        }
        for (peer, slot, received) in sent {
            if received.is_some() {
                self.surely(known, peer, Best::Slot(slot), received);
            }
        }
    }

    /// Neighbours that take several routes have them, once all that could be sent to them is sure. Whether anything came
    /// of that.
    fn send_several(
        &mut self,
        known: &mut Known,
        speaker: SpeakerIx,
        routes: &[Possible],
        mode: Mode,
    ) -> bool {
        let plan = self.plan;
        let (sure, open): (Vec<&Possible>, Vec<&Possible>) = routes.iter().partition(|r| r.sure);
        let found = gathered(sure.iter().copied());
        let mut progress = false;
        for &e in &plan.speakers[speaker as usize].ends {
            let receiving = &plan.ends[(e ^ 1) as usize];
            let room = receiving.slots.len();
            if room < 2 || known.listed[e as usize] {
                continue;
            }
            let mut passes = |r: &Possible| {
                self.machine.forget_sent();
                self.transfer(e, r.from, r.attributes, if r.open { mode } else { Mode::Exact }).is_some()
            };
            if open.iter().any(|r| passes(r)) {
                continue;
            }
            if !open.is_empty() {
                // What is not sent may still change the order of the rest, or crowd it out.
                if sure.iter().filter(|r| passes(r)).count() > room || routes.len() > 2 * room + 2 {
                    continue;
                }
                self.guesses_order = true;
            }
            known.listed[e as usize] = true;
            progress = true;
            let mut left = found.clone();
            for slot in receiving.slots.clone() {
                // What may not be sent leaves its place to the next; what the neighbour refuses does not.
                let mut sent = AttrId::NONE;
                while !sent.is_some()
                    && let Some(route) = self.machine.exchange().next_best(&self.group, speaker, &mut left)
                {
                    self.machine.forget_sent();
                    sent = self.machine.send(&self.group, e, (route.from, route.attributes));
                }
                if !sent.is_some() {
                    break;
                }
                let received = self.machine.receive(&self.group, e ^ 1, sent);
                if received.is_some() {
                    self.surely(known, receiving.speaker, Best::Slot(slot), received);
                }
            }
        }
        progress
    }

    fn surely(&mut self, known: &mut Known, speaker: SpeakerIx, from: Best, attributes: AttrId) {
        if let Some(key) = self.key(speaker, from, attributes) {
            known.sure[speaker as usize].push(Possible {
                from,
                attributes,
                key,
                open: false,
                passed: Rc::clone(&self.none),
                sure: true,
                told: false,
                told_several: false,
            });
        }
    }

    /// What the decision process compares of a route; `None` where the route cannot be used.
    fn key(&mut self, speaker: SpeakerIx, from: Best, attributes: AttrId) -> Option<Key> {
        let route = Gathered { from, attributes };
        self.machine.resolve(std::slice::from_ref(&route));
        let settings = &self.plan.speakers[speaker as usize].settings;
        let candidate = self.machine.exchange().candidate(&self.group, speaker, &route);
        let rank = decision::rank(&candidate, settings)?;
        Some(Key::new(0, &candidate, settings).ranked(rank))
    }

    // ---- what is possible ----

    /// Every route that a speaker may have in a state of which this is known.
    fn possible(&mut self, known: &Known, mode: Mode) -> Result<Vec<Node>, Stop> {
        let plan = self.plan;
        let mut nodes: Vec<Node> = (0..index(plan.speakers.len()))
            .map(|s| {
                let wanted = is_wanted(plan, known, s);
                let routes = if wanted { known.sure[s as usize].clone() } else { Vec::new() };
                Node { wanted, routes, at: FxHashMap::default(), queued: false }
            })
            .collect();
        let company = known.company.clone();
        let mut queue = VecDeque::new();
        for (s, node) in (0..).zip(&mut nodes) {
            if node.wanted && !node.routes.is_empty() {
                node.queued = true;
                queue.push_back(s);
            }
        }
        let mut count = 0;
        if self.group.default_route {
            for e in 0..index(plan.ends.len()) {
                let end = &plan.ends[e as usize];
                if end.default_originate.is_some() && known.selected[end.speaker as usize].is_none() {
                    self.machine.forget_sent();
                    let route = (Best::None, AttrId::NONE, Rc::clone(&self.none));
                    self.tell(&mut nodes, &mut queue, e, &route, mode, &mut count);
                }
            }
        }
        while let Some(speaker) = queue.pop_front() {
            let s = speaker as usize;
            nodes[s].queued = false;
            self.work += 1;
            if count > MOST_ROUTES || self.work > self.budget {
                return Err(Stop::TooMuch);
            }
            let may_select = match known.selected[s] {
                Some(_) => Vec::new(),
                None => self.left(speaker, &nodes[s], company.as_ref().map(|c| &c[s]), known.assumed[s]),
            };
            for i in may_select {
                if !std::mem::replace(&mut nodes[s].routes[i].told, true) {
                    self.spread(known, &mut nodes, &mut queue, (speaker, i), false, mode, &mut count);
                }
            }
            if lists(plan, known, speaker) {
                for i in 0..nodes[s].routes.len() {
                    if !std::mem::replace(&mut nodes[s].routes[i].told_several, true) {
                        self.spread(known, &mut nodes, &mut queue, (speaker, i), true, mode, &mut count);
                    }
                }
            }
        }
        Ok(nodes)
    }

    /// Tells the neighbours of a route that a speaker may select, or those that take several of one that it may have.
    #[allow(clippy::too_many_arguments, reason = "the state of one computation")]
    fn spread(
        &mut self,
        known: &Known,
        nodes: &mut [Node],
        queue: &mut VecDeque<SpeakerIx>,
        (speaker, at): (SpeakerIx, usize),
        several: bool,
        mode: Mode,
        count: &mut usize,
    ) {
        let plan = self.plan;
        let route = &nodes[speaker as usize].routes[at];
        let route = (route.from, route.attributes, Rc::clone(&route.passed));
        self.machine.forget_sent();
        for &e in &plan.speakers[speaker as usize].ends {
            let takes_several = plan.ends[(e ^ 1) as usize].slots.len() > 1;
            if takes_several == several && !known.listed[e as usize] {
                self.tell(nodes, queue, e, &route, mode, count);
            }
        }
    }

    fn tell(
        &mut self,
        nodes: &mut [Node],
        queue: &mut VecDeque<SpeakerIx>,
        e: EndIx,
        (from, attributes, passed): &(Best, AttrId, Rc<[Asn]>),
        mode: Mode,
        count: &mut usize,
    ) {
        let plan = self.plan;
        let (end, receiving) = (&plan.ends[e as usize], &plan.ends[(e ^ 1) as usize]);
        let receiver = &plan.speakers[receiving.speaker as usize].receiver;
        let node = &mut nodes[receiving.speaker as usize];
        if !node.wanted {
            return;
        }
        let kept =
            |asn: &Asn| !(end.as_override && end.kind == SessionKind::Ebgp && *asn == end.peer_info.asn);
        let refused = |asn: &Asn| *asn == receiver.asn || receiver.confederation == Some(*asn);
        if receiving.allow_own_as == 0 && passed.iter().filter(|a| kept(a)).any(refused) {
            return;
        }
        let Some(transfer) = self.transfer(e, *from, *attributes, mode) else { return };
        let mut all: Vec<Asn> =
            passed.iter().filter(|a| kept(a)).chain(transfer.seen.iter()).copied().collect();
        all.sort_unstable();
        all.dedup();
        for slot in receiving.slots.clone() {
            let from = Best::Slot(slot);
            let Some(key) = self.key(receiving.speaker, from, transfer.attributes) else { continue };
            let node = &mut nodes[receiving.speaker as usize];
            let changed = match node.at.get(&(from, transfer.shape)) {
                Some(at) => {
                    let old = &mut node.routes[*at];
                    let common: Vec<Asn> =
                        old.passed.iter().filter(|a| all.binary_search(a).is_ok()).copied().collect();
                    let length = |a: AttrId| self.machine.pool.get(a).as_path.hop_count();
                    let shorter = length(transfer.attributes) < length(old.attributes);
                    if shorter {
                        (old.attributes, old.key) = (transfer.attributes, key);
                    }
                    let fewer = common.len() < old.passed.len();
                    if fewer {
                        old.passed = common.into();
                    }
                    if shorter || fewer {
                        (old.told, old.told_several) = (false, false);
                    }
                    shorter || fewer
                }
                None => {
                    node.at.insert((from, transfer.shape), node.routes.len());
                    node.routes.push(Possible {
                        from,
                        attributes: transfer.attributes,
                        key,
                        open: mode == Mode::Open,
                        passed: all.as_slice().into(),
                        sure: false,
                        told: false,
                        told_several: false,
                    });
                    *count += 1;
                    true
                }
            };
            if changed && !std::mem::replace(&mut node.queued, true) {
                queue.push_back(receiving.speaker);
            }
        }
    }

    fn transfer(&mut self, e: EndIx, from: Best, attributes: AttrId, mode: Mode) -> Option<Transfer> {
        let key = (e, from, attributes, mode);
        if let Some(found) = self.transfers.get(&key) {
            return found.clone();
        }
        let received = self.machine.pass(&self.group, e, (from, attributes)).some();
        let transfer = received.map(|received| match mode {
            Mode::Exact => Transfer { attributes: received, shape: received, seen: Rc::clone(&self.none) },
            Mode::Open => self.open(received),
        });
        self.transfers.insert(key, transfer.clone());
        transfer
    }

    /// A route with its path opened. Neighbours often receive the same.
    fn open(&mut self, received: AttrId) -> Transfer {
        if let Some(found) = self.opened.get(&received) {
            return found.clone();
        }
        let attributes = self.machine.pool.get(received);
        let (path, shape) = opened(&attributes.as_path);
        let seen = plain(&attributes.as_path).filter(|a| *a != ANY).collect();
        let (mut open, mut shaped) = (attributes.clone(), attributes.clone());
        (open.as_path, shaped.as_path) = (path, shape);
        let attributes = self.machine.pool.store(open);
        let transfer = Transfer { attributes, shape: self.machine.pool.store(shaped), seen };
        self.opened.insert(received, transfer.clone());
        transfer
    }

    // ---- what may be selected ----

    /// The routes that a speaker may select, by position: those that no sure one beats in any company that is part of
    /// the given one.
    fn left(
        &self,
        speaker: SpeakerIx,
        node: &Node,
        company: Option<&Node>,
        assumed: Option<Best>,
    ) -> Vec<usize> {
        let mut left = self.unbeaten(speaker, &node.routes, company);
        if let Some(from) = assumed {
            left.retain(|i| node.routes[*i].from == from);
        }
        left
    }

    fn unbeaten(&self, speaker: SpeakerIx, routes: &[Possible], company: Option<&Node>) -> Vec<usize> {
        let all_sure = |routes: &[Possible]| routes.iter().all(|r| r.sure);
        if all_sure(routes) && company.is_some_and(|c| all_sure(&c.routes)) {
            // Nothing is open: the decision itself.
            let found = gathered(routes);
            let best = self.machine.exchange().select(&self.group, speaker, &found).map(|b| found[b].from);
            return (0..routes.len()).filter(|i| Some(routes[*i].from) == best).collect();
        }
        let Some(rank) = routes.iter().filter(|r| r.sure).map(|r| r.key.rank).min() else {
            return (0..routes.len()).collect();
        };
        // Steps before MED are an order of all routes. An open route may stand at any rank from its own on.
        let mut left: Vec<usize> = (0..routes.len()).filter(|i| routes[*i].key.rank < rank).collect();
        let equal = (0..routes.len()).filter(|i| routes[*i].key.rank == rank);
        let Some(company) = company else {
            left.extend(equal);
            return left;
        };
        let meets = |r: &&Possible| r.key.rank == rank || r.open && r.key.rank < rank;
        let level: Vec<&Possible> = company.routes.iter().filter(meets).collect();
        let company = Company::new(&level, &self.plan.speakers[speaker as usize].settings);
        let mut sure: Vec<&Possible> = routes.iter().filter(|r| r.sure && r.key.rank == rank).collect();
        if company.is_ordered && company.is_lexical {
            // The best of the sure ones beats whatever the others beat.
            let best = sure.iter().copied().min_by(|a, b| company.compare(a, b));
            sure = best.into_iter().collect();
        }
        left.extend(equal.filter(|i| !sure.iter().any(|s| company.beats(s, &routes[*i]))));
        left
    }
}

/// What a search can assume.
struct Options {
    speaker: SpeakerIx,
    choices: Vec<Best>,
}

/// Whether anything depends on what a speaker may have.
fn is_wanted(plan: &Plan, known: &Known, speaker: SpeakerIx) -> bool {
    let s = speaker as usize;
    known.selected[s].is_none() || known.assumed[s].is_some() || lists(plan, known, speaker)
}

/// Whether it is open what a speaker sends to neighbours that take several routes.
fn lists(plan: &Plan, known: &Known, speaker: SpeakerIx) -> bool {
    let speaker = &plan.speakers[speaker as usize];
    let open = |e: &EndIx| plan.ends[(*e ^ 1) as usize].slots.len() > 1 && !known.listed[*e as usize];
    speaker.sends_several && speaker.ends.iter().any(open)
}

fn gathered<'r>(routes: impl IntoIterator<Item = &'r Possible>) -> Vec<Gathered> {
    let mut found: Vec<Gathered> =
        routes.into_iter().map(|r| Gathered { from: r.from, attributes: r.attributes }).collect();
    found.sort_by_key(|r| order(r.from));
    found
}

/// Routes that may meet at MED, and what can be said of any part of them.
struct Company<'r> {
    routes: &'r [&'r Possible],
    settings: &'r crate::bgp::Settings,
    /// MED compares all of them or none: the steps from it on are one order.
    is_ordered: bool,
    /// The steps after IGP cost are an order too, and age is compared as it is declared.
    is_lexical: bool,
    /// Whose MEDs are comparable is a partition.
    has_systems: bool,
}

impl<'r> Company<'r> {
    fn new(routes: &'r [&'r Possible], settings: &'r crate::bgp::Settings) -> Self {
        let first = routes.first().map(|r| r.key);
        let all = |same: &dyn Fn(&Key, &Key) -> bool| {
            first.is_none_or(|first| routes.iter().all(|r| same(&r.key, &first)))
        };
        let holder = settings.prefer_oldest && settings.arrival == ArrivalOrder::NewestFirst;
        let has_systems = routes.iter().all(|r| r.key.med_system().is_some());
        let one_system = has_systems && all(&|a, b| a.med_system() == b.med_system());
        let differs = |a: &&Possible, b: &&Possible| a.key.med != b.key.med && a.key.is_comparable(&b.key);
        Self {
            routes,
            settings,
            is_ordered: one_system
                || all(&|a, b| a.med == b.med)
                || !routes.iter().enumerate().any(|(i, a)| routes[..i].iter().any(|b| differs(a, b))),
            is_lexical: all(&|a, b| a.is_external() == b.is_external())
                && (!holder || all(&|a, b| a.age == b.age)),
            has_systems,
        }
    }

    fn compare(&self, a: &Possible, b: &Possible) -> Ordering {
        decision::compare(&a.key, &b.key, self.settings, Ages::Compared)
            .0
            .then_with(|| order(a.from).cmp(&order(b.from)))
    }

    /// Whether a route is never selected where a better one is, whatever else is there. Both are of one rank.
    fn beats(&self, better: &Possible, worse: &Possible) -> bool {
        let (a, b) = (&better.key, &worse.key);
        let comparable = a.is_comparable(b);
        let by_cost = a.cost < b.cost;
        let wins = if comparable && a.med != b.med {
            a.med < b.med
        } else {
            by_cost || self.is_lexical && self.compare(better, worse) == Ordering::Less
        };
        if !wins {
            return false;
        }
        if self.is_ordered {
            return true;
        }
        if !self.settings.deterministic_med || !self.has_systems {
            return false;
        }
        // The best of a system stands for it. Within one that is enough; the best of another system's could itself lose
        // to one with a lower MED and a higher cost, which the worse route then beats.
        comparable || !self.routes.iter().any(|r| r.key.med < a.med && r.key.is_comparable(a))
    }
}

/// The numbers of a path outside confederation segments.
fn plain(path: &AsPath) -> impl Iterator<Item = Asn> + '_ {
    let outside = |kind: SegmentKind| matches!(kind, SegmentKind::Sequence | SegmentKind::Set);
    path.segments().filter(move |(kind, _)| outside(*kind)).flat_map(|(_, asns)| asns.iter().copied())
}

/// A path with its first plain number and no other, of the same length; and the same without the length. Sets and
/// confederation segments stay.
fn opened(path: &AsPath) -> (AsPath, AsPath) {
    let first = path.neighbor_as();
    let mut seen = false;
    let mut long = Vec::new();
    let mut short = Vec::new();
    for (kind, asns) in path.segments() {
        if kind == SegmentKind::Sequence {
            let front = if seen { None } else { first };
            let rest = asns.len() - usize::from(front.is_some());
            let number = front.into_iter();
            long.push(Segment { kind, asns: number.clone().chain(std::iter::repeat_n(ANY, rest)).collect() });
            short.push(Segment { kind, asns: number.collect() });
        } else {
            let segment = Segment { kind, asns: asns.to_vec() };
            long.push(segment.clone());
            short.push(segment);
        }
        seen |= matches!(kind, SegmentKind::Sequence | SegmentKind::Set);
    }
    (AsPath::from_segments(long), AsPath::from_segments(short))
}

/// Whether no route can go round for ever among speakers that do not see themselves in it: then what follows from a
/// selection that was changed is gone after a while, in any order.
pub(super) fn ends_loops(plan: &Plan) -> bool {
    if plan.policies.shortens_paths() {
        return false;
    }
    let strips = plan.ends.iter().any(|e| e.remove_private_as.is_some());
    let mut blind: Vec<bool> = plan.speakers.iter().map(|s| strips && s.outer_asn.is_private()).collect();
    for end in &plan.ends {
        let speaker = &plan.speakers[end.speaker as usize];
        let hidden = end.kind == SessionKind::Ebgp
            && end.local_as.is_some_and(|l| l.replace_as && l.asn != speaker.outer_asn);
        if end.allow_own_as > 0 || hidden {
            blind[end.speaker as usize] = true;
        }
        if end.as_override {
            blind[end.peer as usize] = true;
        }
    }
    let both_blind = |e: &crate::bgp::plan::End| {
        e.kind != SessionKind::Ibgp && blind[e.speaker as usize] && blind[e.peer as usize]
    };
    if plan.ends.iter().any(both_blind) {
        return false;
    }
    // Reflectors that do not look for themselves must not form a ring.
    let unchecked = |s: SpeakerIx| {
        let speaker = &plan.speakers[s as usize];
        speaker.receiver.reflects && speaker.settings.checks_cluster_list == ClusterListCheck::Never
    };
    let mut ring: Vec<SpeakerIx> = (0..index(plan.speakers.len())).collect();
    for end in plan.ends.iter().step_by(2).filter(|e| e.kind == SessionKind::Ibgp) {
        if unchecked(end.speaker) && unchecked(end.peer) {
            let (a, b) = (ring[end.speaker as usize], ring[end.peer as usize]);
            if a == b {
                return false;
            }
            ring.iter_mut().filter(|r| **r == b).for_each(|r| *r = a);
        }
    }
    true
}
