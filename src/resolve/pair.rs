//! Both directions of a conversation (WALK-10 to WALK-14).

use std::fmt;

use super::answer::{Answer, Path, Place};
use super::legs::{crossing, lost_at, parts, split, stateful_asymmetries};
use super::walk::{Question, World, walk};
use crate::model::ResourceId;
use crate::rule::Rule;

/// Both directions: the way there, and the way of the reply from where the first packet arrived, with the header it
/// arrived with.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    forward: Answer,
    replies: Vec<Answer>,
    asymmetries: Vec<Asymmetry>,
    /// There and back.
    crossings: [Option<Crossing>; 2],
    /// Whether every rewriting of the source is undone on the way back.
    whole: bool,
    lost_at: Option<ResourceId>,
}

impl Pair {
    /// The way there.
    pub fn forward(&self) -> &Answer {
        &self.forward
    }

    /// The way back from where the first packet arrived; none where it arrived nowhere that could answer (a drop, a
    /// loop), or where the address to answer to is not declared. Where sources were rewritten on the way there, this
    /// leads to the last place that rewrote; [`replies`](Self::replies) has the rest.
    pub fn reply(&self) -> Option<&Answer> {
        self.replies.first()
    }

    /// The way back, a part for each place that rewrote the source on the way there, in the order of travel; the last
    /// one where a part misses the place that would undo the rewriting. Translations at Microsoft's own edge are undone
    /// within a part.
    pub fn replies(&self) -> &[Answer] {
        &self.replies
    }

    /// Where a stateful hop sees only one direction, and where the two directions cross different edges of Microsoft's
    /// network (WALK-14, FT-10). Sorted by place.
    pub fn asymmetries(&self) -> &[Asymmetry] {
        &self.asymmetries
    }

    /// By which public edge of Microsoft's network the way there goes; none where it stays inside, or on private
    /// peering and tunnels.
    pub fn crossing(&self) -> Option<&Crossing> {
        self.crossings[0].as_ref()
    }

    /// By which public edge of Microsoft's network the way back goes.
    pub fn reply_crossing(&self) -> Option<&Crossing> {
        self.crossings[1].as_ref()
    }

    /// Whether routes lead the reply to where the first packet came from, and every translated address back. What
    /// stateful hops make of it says [`lost_at`](Self::lost_at).
    pub fn returns(&self) -> bool {
        self.whole
            && !self.replies.is_empty()
            && self.replies.iter().all(|reply| reply.disposition().is_success())
    }

    /// The first place on the way back that drops the reply because it never saw the flow open: a stateful hop that the
    /// way there did not pass, or one where a translated address does not come back to what translated it.
    pub fn lost_at(&self) -> Option<&ResourceId> {
        self.lost_at.as_ref()
    }
}

/// A public edge between Microsoft's network and the world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Crossing {
    /// The Internet.
    Internet,
    /// Microsoft peering of this circuit.
    MicrosoftPeering(ResourceId),
    /// Public peering of this circuit.
    PublicPeering(ResourceId),
}

impl fmt::Display for Crossing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet => f.write_str("the Internet"),
            Self::MicrosoftPeering(circuit) => write!(f, "Microsoft peering of `{circuit}`"),
            Self::PublicPeering(circuit) => write!(f, "public peering of `{circuit}`"),
        }
    }
}

/// A place that does not see both directions alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asymmetry {
    /// The appliance, firewall or router. Where the directions cross different edges and nothing on the way keeps
    /// state: the circuit, site or gateway by which the reply leaves the other way.
    pub place: ResourceId,
    /// Which direction it sees.
    pub seen: SeenDirection,
    /// The rule that makes it matter: WALK-10 in general, PE-6 for private endpoints, WALK-14 between ExpressRoute and
    /// the Internet, FT-10 for a reply into a forced tunnel.
    pub rule: Rule,
}

/// Which direction a place sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeenDirection {
    /// Only the way there.
    ForwardOnly,
    /// Only the way back.
    ReplyOnly,
    /// One member of an equal-cost set there, perhaps another one back.
    Sometimes,
}

impl fmt::Display for Asymmetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.seen {
            SeenDirection::ForwardOnly => "sees only the way there",
            SeenDirection::ReplyOnly => "sees only the way back",
            SeenDirection::Sometimes => "may see only one direction (equal cost)",
        };
        write!(f, "`{}` {what} ({})", self.place, self.rule)
    }
}

/// The conversation that a question opens: its answer, and the way back.
pub(crate) fn pair(world: &World<'_>, question: Question) -> Pair {
    let tenant = question.tenant.clone();
    let forward = walk(world, question, None, false);
    let mut replies = Vec::new();
    // The place that would undo a rewriting, where a part of the reply does not get to it.
    let mut missed: Option<Place> = None;
    for part in parts(world, &forward, tenant) {
        let reply = walk(world, part.question, None, false);
        let arrived = part.undone_at.as_ref().is_none_or(|place| super::legs::arrives(&reply, place));
        replies.push(reply);
        if !arrived {
            missed = part.undone_at;
            break;
        }
    }
    let mut asymmetries = stateful_asymmetries(world.topology, &forward, &replies);
    if let Some(id) = missed.as_ref().and_then(Place::id)
        && !asymmetries.iter().any(|found| found.place == *id)
    {
        let seen = SeenDirection::ForwardOnly;
        asymmetries.push(Asymmetry { place: id.clone(), seen, rule: Rule::WALK_10 });
    }
    let back: Vec<Path<'_>> = replies.iter().map(Answer::path).collect();
    let crossings = [crossing(&[forward.path()]), crossing(&back)];
    let mut lost_at = lost_at(&back, &asymmetries, missed.is_some());
    if let Some((rule, place)) = split(&forward.path(), &back, &crossings) {
        for found in &mut asymmetries {
            found.rule = rule;
        }
        // The address that the reply would have to come from is translated at an edge that it does not cross.
        if rule == Rule::FT_10 {
            lost_at = lost_at.or_else(|| Some(place.clone()));
        }
        if asymmetries.is_empty() {
            asymmetries.push(Asymmetry { place, seen: SeenDirection::ReplyOnly, rule });
        }
    }
    asymmetries.sort();
    Pair { replies, asymmetries, crossings, whole: missed.is_none(), lost_at, forward }
}
