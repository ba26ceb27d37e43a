//! An answer with its reasons: every candidate of every table that was asked.

use std::fmt;

use super::answer::{Answer, Place};
use super::propagation::Propagation;
use crate::rule::Rule;
use crate::selection::{Candidate, CandidateState};

/// An [`Answer`]; for each place where a route table decided, every candidate that covers the destination; for each route
/// that BGP brought, the speakers it passed.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    pub(crate) answer: Answer,
    pub(crate) decisions: Vec<TableDecision>,
    pub(crate) propagations: Vec<Propagation>,
}

impl Explanation {
    /// The answer.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// The tables asked, in the order of the answer's hops.
    pub fn decisions(&self) -> &[TableDecision] {
        &self.decisions
    }

    /// How each gateway route on the way came to who offers it, speaker by speaker, and what each router outside that
    /// speaks BGP follows; in the order of the answer's hops.
    pub fn propagations(&self) -> &[Propagation] {
        &self.propagations
    }
}

/// What one table held for a destination.
#[derive(Clone, Debug, PartialEq)]
pub struct TableDecision {
    /// The place that asked.
    pub place: Place,
    /// The destination asked for.
    pub destination: std::net::IpAddr,
    /// The route that won; none where none matched.
    pub winner: Option<Candidate>,
    /// Every other candidate that covers the destination, the longest first, with the rule that beat it.
    pub losers: Vec<Loser>,
}

/// A candidate that lost.
#[derive(Clone, Debug, PartialEq)]
pub struct Loser {
    /// The candidate.
    pub candidate: Candidate,
    /// The rule that beat it: the one that took it out of the table, or longest-prefix match (SEL-2).
    pub beaten_by: Rule,
}

impl TableDecision {
    pub(crate) fn new(
        place: Place,
        destination: std::net::IpAddr,
        winner: Option<Candidate>,
        covering: Vec<Candidate>,
    ) -> Self {
        let losers = covering
            .into_iter()
            .filter(|candidate| Some(candidate) != winner.as_ref())
            .map(|candidate| {
                let beaten_by = match candidate.state {
                    CandidateState::Active => {
                        let service = winner.as_ref().is_some_and(|w| {
                            w.decided_by.rule == Rule::SE_1
                                && w.prefix.prefix_len() <= candidate.prefix.prefix_len()
                        });
                        if service { Rule::SE_4 } else { Rule::SEL_2 }
                    }
                    CandidateState::Invalid | CandidateState::Absent => candidate.decided_by.rule,
                };
                Loser { candidate, beaten_by }
            })
            .collect();
        Self { place, destination, winner, losers }
    }
}

impl fmt::Display for TableDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "at {}, for {}:", self.place, self.destination)?;
        match &self.winner {
            Some(winner) => writeln!(f, "  won   {winner}")?,
            None => writeln!(f, "  no route")?,
        }
        for loser in &self.losers {
            writeln!(f, "  lost  {}, beaten by {}", loser.candidate, loser.beaten_by)?;
        }
        Ok(())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.answer)?;
        for decision in &self.decisions {
            write!(f, "{decision}")?;
        }
        for propagation in &self.propagations {
            write!(f, "{propagation}")?;
        }
        Ok(())
    }
}
