//! The verdict on a design: how many stable states it has, and whether it comes to one.
//!
//! A *stable state* is a selection for every speaker such that, once all have told each other, everybody selects the
//! same again. Routes must come from somewhere: two speakers that keep a route alive only by telling it to each other,
//! as policies that shorten AS paths could make them, are no stable state.

mod study;

use std::collections::BTreeSet;
use std::fmt;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::decision::LocalRoute;
use super::engine::Engine;
use super::igp::Igp;
use super::machine::Machine;
use super::plan::SpeakerIx;
use super::pool::Pool;
use super::prefixes::{Signature, Signatures, inside};
use super::state::{Best, Group};
use crate::model::ResourceId;
use crate::model::bgp::{Asn, PathAttributes, SegmentKind, SourceProtocol};
use study::{Found, Selections, Study};

/// How many stable states there are for a prefix.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Exactly one.
    Unique {
        /// It is proven that speakers come to it in whatever order they decide and tell each other, as long as each has
        /// its turn again and again. Without this they may also go round for ever, or nobody found the proof.
        safe: bool,
    },
    /// At least two: which of them speakers come to depends on who decides first. Two of them.
    Multiple(Box<[State; 2]>),
    /// None: speakers change their minds for ever.
    Oscillates(Box<Cycle>),
    /// The budget ended before it was decided, or the prefix is an aggregate of routes that are not
    /// [`Unique`](Self::Unique) themselves.
    Unknown,
}

impl Verdict {
    /// Whether there is one stable state, and no order of decisions misses it.
    pub const fn is_safe(&self) -> bool {
        matches!(self, Self::Unique { safe: true })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unique { safe: true } => f.write_str("one stable state, reached in any order"),
            Self::Unique { safe: false } => f.write_str("one stable state, but an order may miss it"),
            Self::Multiple(states) => {
                f.write_str("several stable states, in one of which")?;
                let mut separator = " ";
                for selection in states[0].differences(&states[1]) {
                    write!(f, "{separator}{selection}")?;
                    separator = ", ";
                }
                Ok(())
            }
            Self::Oscillates(cycle) => {
                write!(f, "no stable state: {} steps come again and again", cycle.steps.len())
            }
            Self::Unknown => f.write_str("not decided within the budget"),
        }
    }
}

/// What every speaker selects for a prefix.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// One for each speaker, sorted by id.
    pub selections: Vec<Selection>,
}

impl State {
    /// What a speaker selects; `None` where it has no route, or there is no such speaker.
    pub fn get(&self, speaker: &ResourceId) -> Option<&Selected> {
        let at = self.selections.binary_search_by(|s| s.speaker.cmp(speaker)).ok()?;
        self.selections[at].route.as_ref()
    }

    /// The selections that are others in another state of the same design.
    pub fn differences<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = &'s Selection> {
        self.selections.iter().zip(&other.selections).filter(|(a, b)| a != b).map(|(a, _)| a)
    }
}

/// What one speaker selects.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// The speaker.
    pub speaker: ResourceId,
    /// Its best route, if it has one.
    pub route: Option<Selected>,
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.route {
            None => write!(f, "`{}` has no route", self.speaker),
            Some(Selected { from: SelectedFrom::Local(_), .. }) => {
                write!(f, "`{}` uses its own", self.speaker)
            }
            Some(Selected { from: SelectedFrom::Neighbor { speaker, session }, attributes }) => {
                write!(f, "`{}` uses `{speaker}` (session `{session}`", self.speaker)?;
                if attributes.as_path.is_empty() {
                    f.write_str(")")
                } else {
                    write!(f, ", path {})", attributes.as_path)
                }
            }
        }
    }
}

/// A selected route.
#[derive(Clone, Debug, PartialEq)]
pub struct Selected {
    /// Where it comes from.
    pub from: SelectedFrom,
    /// Its attributes, after the import policy.
    pub attributes: PathAttributes,
}

/// Where a selected route comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SelectedFrom {
    /// The speaker made it.
    Local(LocalRoute),
    /// A neighbour sent it.
    Neighbor {
        /// The neighbour.
        speaker: ResourceId,
        /// Over this session.
        session: ResourceId,
    },
}

/// States that come again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Cycle {
    /// One of them.
    pub start: State,
    /// Which speakers then change to what, one after another; after the last step the start is there again.
    pub steps: Vec<Vec<Selection>>,
}

/// The verdict on a route group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupVerdict {
    /// Its first prefix; the verdict is the same for all of them.
    pub prefix: IpNet,
    /// How many prefixes there are.
    pub members: u32,
    /// The verdict.
    pub verdict: Verdict,
}

impl Engine {
    /// How many stable states a prefix has; `None` where nobody announces it.
    ///
    /// The answer is exact, or [`Verdict::Unknown`]; it depends neither on how the engine came to its own state nor on
    /// the order in which anything is declared. It takes the sessions that are up, reachability, and for an aggregate
    /// the routes inside it, as they stand. Costs more than converging the prefix, mostly several times as much, and
    /// within the [budget](super::Budget) for designs that are not safe.
    pub fn verdict(&self, prefix: &IpNet) -> Option<Verdict> {
        let signature = self.prefixes.get(prefix)?;
        let mut judge = Judge::new(self);
        judge.judge(*self.group_of.get(Signatures::position(signature))?)
    }

    /// The verdict on every route group, in the order of their first prefixes. Groups that differ only in numbers of
    /// autonomous systems that the design does not know are proven safe once.
    pub fn verdicts(&self) -> impl Iterator<Item = GroupVerdict> {
        let mut seen = BTreeSet::new();
        let mut judge = Judge::new(self);
        self.prefixes.sorted().into_iter().filter_map(move |(prefix, signature)| {
            let at = *self.group_of.get(Signatures::position(signature))?;
            if !seen.insert(at) {
                return None;
            }
            let members = self.groups.get(at as usize)?.members;
            Some(GroupVerdict { prefix, members, verdict: judge.judge(at)? })
        })
    }
}

/// What verdicts on one engine share.
struct Judge<'e> {
    engine: &'e Engine,
    /// Next hops and attribute sets that the engine itself has not met.
    igp: Igp,
    pool: Pool,
    ends_loops: bool,
    /// Numbers that say more than that they differ; none where policies look at paths.
    known_numbers: Option<BTreeSet<Asn>>,
    /// Shapes that were proven safe.
    safe: FxHashMap<Shape, ()>,
    sorted: Option<Vec<(IpNet, Signature)>>,
    judged: FxHashMap<u32, Verdict>,
}

/// What a proof of safety depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Shape {
    v4: bool,
    treatment: Vec<u32>,
    inside: Box<[u32]>,
    default_route: bool,
    locals: Vec<(SpeakerIx, LocalRoute, SourceProtocol, PathAttributes, Vec<(SegmentKind, Vec<u64>)>)>,
}

impl<'e> Judge<'e> {
    fn new(engine: &'e Engine) -> Self {
        let plan = &engine.plan;
        let known_numbers = (!plan.policies.sees_paths()).then(|| {
            let of_speakers = plan.speakers.iter().flat_map(|s| [s.receiver.asn, s.outer_asn]);
            let of_ends = plan.ends.iter().flat_map(|e| {
                [Some(e.own_asn), Some(e.peer_info.asn), e.local_as.map(|l| l.asn)].into_iter().flatten()
            });
            of_speakers.chain(of_ends).chain([Asn(0)]).collect()
        });
        Self {
            engine,
            igp: engine.igp.clone(),
            pool: Pool::default(),
            ends_loops: study::ends_loops(plan),
            known_numbers,
            safe: FxHashMap::default(),
            sorted: None,
            judged: FxHashMap::default(),
        }
    }

    fn judge(&mut self, at: u32) -> Option<Verdict> {
        let group = self.engine.groups.get(at as usize)?;
        if group.members == 0 {
            return None;
        }
        if !self.parts_are_unique(group) {
            return Some(Verdict::Unknown);
        }
        let shape = self.shape(group);
        if shape.as_ref().is_some_and(|shape| self.safe.contains_key(shape)) {
            return Some(Verdict::Unique { safe: true });
        }
        let verdict = self.study(group);
        if let (true, Some(shape)) = (verdict.is_safe(), shape) {
            self.safe.insert(shape, ());
        }
        Some(verdict)
    }

    fn study(&mut self, group: &Group) -> Verdict {
        let engine = self.engine;
        let machine = Machine::new(&engine.plan, &engine.live, &mut self.igp, &mut self.pool);
        let mut study = Study::new(machine, group, &engine.pool, engine.budget.decisions);
        match study.run() {
            Found::One { proven } => Verdict::Unique { safe: proven && self.ends_loops },
            Found::Two(states) => {
                let [first, second] = &states;
                let states = [first, second].map(|s| self.state(group, s));
                Verdict::Multiple(Box::new(states))
            }
            Found::None => match study.cycle() {
                Some(cycle) => self.cycle(group, &cycle).map_or(Verdict::Unknown, Verdict::Oscillates),
                None => Verdict::Unknown,
            },
            Found::Unknown => Verdict::Unknown,
        }
    }

    /// Whether the routes that a group's aggregates stand for have one state each.
    fn parts_are_unique(&mut self, group: &Group) -> bool {
        let engine = self.engine;
        if !engine.plan.aggregates.iter().any(|a| a.prefix == group.prefix) {
            return true;
        }
        let sorted = self.sorted.get_or_insert_with(|| engine.prefixes.sorted());
        let parts: BTreeSet<u32> = sorted[inside(sorted, &group.prefix)]
            .iter()
            .filter_map(|(_, signature)| engine.group_of.get(Signatures::position(*signature)).copied())
            .collect();
        parts.into_iter().all(|part| {
            let verdict = match self.judged.get(&part) {
                Some(verdict) => Some(verdict.clone()),
                None => self.judge(part),
            };
            let unique = matches!(verdict, None | Some(Verdict::Unique { .. }));
            self.judged.extend(verdict.map(|verdict| (part, verdict)));
            unique
        })
    }

    fn shape(&self, group: &Group) -> Option<Shape> {
        let known = self.known_numbers.as_ref()?;
        let mut renamed: FxHashMap<Asn, u64> = FxHashMap::default();
        let mut locals = Vec::new();
        for local in &group.locals {
            let mut attributes = self.engine.pool.get(local.attributes).clone();
            let path = std::mem::take(&mut attributes.as_path);
            let mut segments = Vec::new();
            for (kind, asns) in path.segments() {
                let mut numbers = Vec::new();
                for asn in asns {
                    // Sets are sorted by number.
                    let keeps =
                        known.contains(asn) || matches!(kind, SegmentKind::Set | SegmentKind::ConfedSet);
                    let next = 1 << 33 | u64::from(asn.is_private()) << 32 | renamed.len() as u64;
                    numbers.push(if keeps { u64::from(asn.0) } else { *renamed.entry(*asn).or_insert(next) });
                }
                segments.push((kind, numbers));
            }
            locals.push((local.speaker, local.kind, local.protocol, attributes, segments));
        }
        let mut treatment = Vec::new();
        self.engine.plan.policies.treatment(&group.prefix, &mut treatment);
        let (inside, default_route) = (group.inside.clone(), group.default_route);
        Some(Shape { v4: group.v4(), treatment, inside, default_route, locals })
    }

    fn state(&self, group: &Group, selections: &Selections) -> State {
        let speakers = (0..).zip(selections);
        State { selections: speakers.map(|(s, selected)| self.selection(group, s, *selected)).collect() }
    }

    fn selection(
        &self,
        group: &Group,
        speaker: SpeakerIx,
        (from, attributes): (Best, super::pool::AttrId),
    ) -> Selection {
        let plan = &self.engine.plan;
        let from = match from {
            Best::None => None,
            Best::Local(at) => Some(SelectedFrom::Local(group.locals[at as usize].kind)),
            Best::Slot(slot) => {
                let e = plan.slot_end[slot as usize] as usize;
                Some(SelectedFrom::Neighbor {
                    speaker: plan.speakers[plan.ends[e].peer as usize].id.clone(),
                    session: plan.sessions[e / 2].id.clone(),
                })
            }
        };
        Selection {
            speaker: plan.speakers[speaker as usize].id.clone(),
            route: from.map(|from| Selected { from, attributes: self.pool.get(attributes).clone() }),
        }
    }

    fn cycle(&self, group: &Group, states: &[Selections]) -> Option<Box<Cycle>> {
        let start = states.first()?;
        let next = states.iter().skip(1).chain([start]);
        let steps = states.iter().zip(next).map(|(before, after)| {
            let changed = (0..).zip(before.iter().zip(after)).filter(|(_, (before, after))| before != after);
            changed.map(|(s, (_, after))| self.selection(group, s, *after)).collect::<Vec<_>>()
        });
        // A round may change only what is told.
        let steps = steps.filter(|changed| !changed.is_empty()).collect();
        Some(Box::new(Cycle { start: self.state(group, start), steps }))
    }
}
