//! Where a route came from and why, or why there is none.

use std::collections::BTreeMap;
use std::fmt;

use ipnet::IpNet;
use serde::Serialize;

use super::engine::{Engine, best_of};
use super::exchange::{NotAccepted, NotSent};
use super::passage::PassStep;
use super::plan::{EndIx, SpeakerIx};
use super::pool::AttrId;
use super::rib::{RibEntry, RibPrefix, Standing};
use super::state::{Best, Group, Outcome};
use crate::model::ResourceId;
use crate::model::bgp::{Asn, PathAttributes};

/// How many neighbours a line of [`Explanation`]'s text names.
const NAMED: usize = 6;

/// A route of a speaker as the engine stores it.
type Held = (Best, AttrId);

/// A route with its reasons: every speaker it passed, back to where it entered BGP.
///
/// As text it is for people; serialized it is for programs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation<'e> {
    /// The prefix asked for.
    pub prefix: IpNet,
    /// Whether routing for the prefix settled. If it did not, what follows is one moment of many.
    pub settled: bool,
    /// The speakers passed: first the one asked about, last the one where the route entered. Of a speaker that has no
    /// route only itself.
    pub places: Vec<Place<'e>>,
}

/// One speaker on the way of a route.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place<'e> {
    /// The speaker.
    pub speaker: &'e ResourceId,
    /// Its autonomous system; in a confederation its member's number.
    pub asn: Asn,
    /// Everything it chose from, and how each route stands.
    pub rib: RibPrefix<'e>,
    /// Which of them is the one explained, by position: the best, but with add-path it may be another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<usize>,
    /// How that one came here, where a neighbour sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passage: Option<Passage<'e>>,
    /// The neighbours that it has no route from, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<Absence<'e>>,
}

/// How a route came from one speaker to the next.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Passage<'e> {
    /// Who sent it.
    pub from: &'e ResourceId,
    /// Over this session.
    pub session: &'e ResourceId,
    /// Its attributes in the sender's table; none where the sender made a default route for this neighbour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<&'e PathAttributes>,
    /// What the sender did with it.
    pub export: Vec<PassStep>,
    /// Its attributes on the way.
    pub sent: PathAttributes,
    /// What the receiver did with it.
    pub import: Vec<PassStep>,
    /// Its attributes in the receiver's table.
    pub received: &'e PathAttributes,
}

/// A neighbour that a speaker has no route from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Absence<'e> {
    /// The neighbour.
    pub neighbor: &'e ResourceId,
    /// The session with it.
    pub session: &'e ResourceId,
    /// Why there is none.
    pub why: WhyAbsent,
    /// What happened to the neighbour's route until it was dropped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<PassStep>,
}

/// Why a speaker has no route from a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyAbsent {
    /// The neighbour does not send it.
    NotSent(NotSent),
    /// The speaker does not take it.
    NotAccepted(NotAccepted),
}

impl fmt::Display for WhyAbsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(why) => write!(f, "not sent: {why}"),
            Self::NotAccepted(why) => write!(f, "not accepted: {why}"),
        }
    }
}

impl Engine {
    /// Why a speaker has its best route of a prefix: which way it came, what each policy did with it, what it was chosen
    /// over, and what did not arrive. Of a speaker without a route why none of its neighbours gives it one. `None` where
    /// there is no such speaker.
    ///
    /// Everything is computed anew from the tables of the speakers passed, and costs about as much as converging them.
    pub fn explain(&self, speaker: &ResourceId, prefix: &IpNet) -> Option<Explanation<'_>> {
        let speaker = *self.plan.by_id.get(speaker)?;
        let prefix = prefix.trunc();
        let nobody;
        let group = match self.group(&prefix) {
            Some(group) => group,
            None => {
                nobody = self.empty_group(prefix);
                &nobody
            }
        };
        // Policies see the prefix, which may be another than the one that the group was converged with.
        let group = &Group { prefix, ..group.clone() };
        let mut places = Vec::new();
        let mut seen: Vec<(SpeakerIx, Best)> = Vec::new();
        let mut next = Some((speaker, best_of(group, speaker)));
        while let Some((at, route)) = next.take() {
            // Cannot happen in a settled group: a route does not come to be from itself.
            if seen.contains(&(at, route.0)) {
                break;
            }
            seen.push((at, route.0));
            let (place, sender) = self.place(group, at, route);
            places.push(place);
            next = sender;
        }
        Some(Explanation { prefix, settled: group.outcome == Outcome::Stable, places })
    }

    /// A group that nobody announces anything in.
    fn empty_group(&self, prefix: IpNet) -> Group {
        Group {
            prefix,
            members: 0,
            locals: Box::default(),
            inside: Box::default(),
            default_route: false,
            slots: vec![AttrId::NONE; self.plan.slot_end.len()].into(),
            best: vec![(Best::None, AttrId::NONE); self.plan.speakers.len()].into(),
            outcome: Outcome::Stable,
        }
    }

    /// One speaker, and where its route came from.
    fn place(&self, group: &Group, at: SpeakerIx, route: Held) -> (Place<'_>, Option<(SpeakerIx, Held)>) {
        let speaker = &self.plan.speakers[at as usize];
        let mut found = Vec::new();
        self.exchange().gather(group, at, &mut found);
        let mut sender = None;
        let passage = match route {
            (Best::Slot(slot), received) => {
                let e = self.plan.slot_end[slot as usize];
                let which = slot - self.plan.ends[e as usize].slots.start;
                self.passage(group, e, which, received, &mut sender)
            }
            _ => None,
        };
        let place = Place {
            speaker: &speaker.id,
            asn: speaker.receiver.asn,
            rib: self.rib_prefix(group, at, group.prefix),
            route: found.iter().position(|candidate| candidate.from == route.0),
            passage,
            absent: speaker.ends.iter().filter_map(|e| self.absence(group, *e)).collect(),
        };
        (place, sender)
    }

    /// How the route in one place of an end came there.
    fn passage(
        &self,
        group: &Group,
        e: EndIx,
        which: u32,
        received: AttrId,
        sender: &mut Option<(SpeakerIx, Held)>,
    ) -> Option<Passage<'_>> {
        let exchange = self.exchange();
        let peer = self.plan.ends[e as usize].peer;
        let (route, _) = self.sends(group, e ^ 1).into_iter().nth(which as usize)?;
        let (mut export, mut import) = (Vec::new(), Vec::new());
        let sent = exchange.send(group, e ^ 1, route, Some(&mut export)).ok()?;
        // The table says what came of it.
        let _ = exchange.accept(group, e, sent.clone(), Some(&mut import));
        let learned = route.0 != Best::None;
        *sender = learned.then_some((peer, route));
        Some(Passage {
            from: &self.plan.speakers[peer as usize].id,
            session: &self.plan.sessions[e as usize / 2].id,
            before: learned.then(|| self.pool.get(route.1)),
            export,
            sent,
            import,
            received: self.pool.get(received),
        })
    }

    /// Why nothing came in at an end; `None` where something did.
    fn absence(&self, group: &Group, e: EndIx) -> Option<Absence<'_>> {
        let slots = &self.plan.ends[e as usize].slots;
        let stored = group.slots.get(slots.start as usize..slots.end as usize).unwrap_or(&[]);
        if stored.iter().any(|route| route.is_some()) {
            return None;
        }
        let exchange = self.exchange();
        let peer = self.plan.ends[e as usize].peer;
        let mut steps = Vec::new();
        let why = match self.sends(group, e ^ 1).into_iter().next() {
            Some((_, sent)) => {
                WhyAbsent::NotAccepted(exchange.accept(group, e, sent, Some(&mut steps)).err()?)
            }
            None => {
                let best = best_of(group, peer);
                WhyAbsent::NotSent(exchange.send(group, e ^ 1, best, Some(&mut steps)).err()?)
            }
        };
        Some(Absence {
            neighbor: &self.plan.speakers[peer as usize].id,
            session: &self.plan.sessions[e as usize / 2].id,
            why,
            steps,
        })
    }
}

/// Attributes on one line.
struct Brief<'a>(&'a PathAttributes);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PathAttributes {
            origin,
            as_path,
            next_hop,
            med,
            local_preference,
            weight,
            atomic_aggregate,
            aggregator,
            communities,
            originator_id,
            cluster_list,
        } = self.0;
        write!(f, "path {as_path}{}", if as_path.is_empty() { "" } else { " " })?;
        f.write_str(super::show::code(*origin))?;
        if let Some(next_hop) = next_hop {
            write!(f, ", next hop {next_hop}")?;
        }
        for (name, number) in [("MED", med), ("local preference", local_preference), ("weight", weight)] {
            if let Some(number) = number {
                write!(f, ", {name} {number}")?;
            }
        }
        for (name, list) in [
            ("communities", texts(communities.standard())),
            ("extended communities", texts(communities.extended())),
            ("large communities", texts(communities.large())),
            ("originator", texts(originator_id.as_slice())),
            ("clusters", texts(cluster_list.ids())),
        ] {
            if !list.is_empty() {
                write!(f, ", {name} {list}")?;
            }
        }
        if let Some(aggregator) = aggregator {
            write!(f, ", aggregated by {} {}", aggregator.asn, aggregator.address)?;
        }
        if *atomic_aggregate {
            f.write_str(", atomic")?;
        }
        Ok(())
    }
}

fn texts<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.places.first() else { return Ok(()) };
        write!(f, "{} at `{}`", self.prefix, first.speaker)?;
        match (first.route, self.places.last()) {
            (Some(_), Some(last)) => match &last.passage {
                // Made for one neighbour, so its maker has none.
                Some(passage) => writeln!(f, ", from `{}`", passage.from)?,
                None => writeln!(f, ", from `{}`", last.speaker)?,
            },
            _ => writeln!(f, ": no route")?,
        }
        if !self.settled {
            writeln!(f, "  routing does not settle: this is one moment of many")?;
        }
        for place in &self.places {
            place.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "`{}`, AS {}", self.speaker, self.asn)?;
        for (i, entry) in self.rib.entries.iter().enumerate() {
            let RibEntry { route, standing, igp_cost } = entry;
            let mark = if self.route == Some(i) { '>' } else { ' ' };
            write!(f, "  {mark} {}: {}", route.from, Brief(route.attributes))?;
            match igp_cost {
                Some(0) => {}
                Some(cost) => write!(f, ", cost {cost}")?,
                None => f.write_str(", which cannot be reached")?,
            }
            match standing {
                Standing::Best if self.rib.undetermined => writeln!(f, "; one of the best, as documented")?,
                Standing::Best => writeln!(f, "; best")?,
                Standing::Multipath => writeln!(f, "; used beside the best")?,
                // Against itself: nothing can be used.
                Standing::Lost { step, to } if *to == i => writeln!(f, "; not usable: {step}")?,
                Standing::Lost { step, to } => match self.rib.entries.get(*to) {
                    Some(winner) => writeln!(f, "; lost by {step} to the one {}", winner.route.from)?,
                    None => writeln!(f, "; lost by {step}")?,
                },
            }
        }
        self.fmt_absent(f)?;
        if let Some(passage) = &self.passage {
            passage.fmt(f)?;
        }
        Ok(())
    }
}

impl Place<'_> {
    /// Neighbours with one reason on one line; a reason with steps has its own.
    fn fmt_absent(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for absence in &self.absent {
            let mut reason = absence.why.to_string();
            for step in &absence.steps {
                reason.push_str("\n        ");
                reason.push_str(&step.to_string());
            }
            let name = format!("`{}` over `{}`", absence.neighbor, absence.session);
            lines.entry(reason).or_default().push(name);
        }
        for (reason, names) in lines {
            let more = names.len().saturating_sub(NAMED);
            let named: Vec<String> = names.into_iter().take(NAMED).collect();
            write!(f, "    none from {}", named.join(", "))?;
            if more > 0 {
                write!(f, " and {more} more")?;
            }
            writeln!(f, "; {reason}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Passage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "    `{}` sends it over `{}`:", self.from, self.session)?;
        for step in &self.export {
            writeln!(f, "        {step}")?;
        }
        writeln!(f, "      on the way: {}", Brief(&self.sent))?;
        if !self.import.is_empty() {
            writeln!(f, "      on receipt:")?;
        }
        for step in &self.import {
            writeln!(f, "        {step}")?;
        }
        Ok(())
    }
}
