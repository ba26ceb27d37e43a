//! What a check found: failures, each an exact set of flows with a path.

use std::fmt;

use super::ranges::AddressRanges;
use super::service::Ports;
use super::{CheckError, Expectation, FailingPath};
use crate::model::ResourceId;
use crate::resolve::Asymmetry;

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Pairs of a source and a destination class that were looked at.
    pub looked_at: usize,
    /// What fails, the smallest counterexample first.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Whether it holds of every address.
    pub fn holds(&self) -> bool {
        self.failures.is_empty()
    }

    /// The smallest failure, told as what shows that an expectation does not hold; none where nothing fails.
    pub fn counterexample(&self, expectation: &Expectation) -> Option<Counterexample> {
        let others = self.failures.len().saturating_sub(1);
        let failure = self.failures.first()?.clone();
        Some(Counterexample { failure, others, expectation: expectation.clone() })
    }
}

/// Flows of which a check does not hold, all by the same path.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The sources, in the order of the check.
    pub sources: Vec<ResourceId>,
    /// The destinations: every one of them fails, from each of these sources.
    pub destinations: AddressRanges,
    /// The ports of which this is said, of a check with security groups.
    pub ports: Option<Ports>,
    /// The shortest path that breaks it, from the first source to the first of the addresses.
    pub path: FailingPath,
    /// Where the directions part, of a check of symmetry.
    pub asymmetry: Option<Asymmetry>,
    /// The path of the other network, of [`Expectation::SameAs`].
    pub baseline: Option<FailingPath>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(first) = self.sources.first() {
            write!(f, "from `{first}`")?;
        }
        if self.sources.len() > 1 {
            write!(f, " and {} others", self.sources.len() - 1)?;
        }
        write!(f, " to {}", self.destinations)?;
        if let Some(ports) = &self.ports {
            write!(f, " at ports {ports}")?;
        }
        write!(f, ": {}", self.path)?;
        if let Some(asymmetry) = &self.asymmetry {
            write!(f, "; `{}` sees {:?} ({})", asymmetry.place, asymmetry.seen, asymmetry.rule)?;
        }
        match &self.baseline {
            Some(path) => write!(f, "; was: {path}"),
            None => Ok(()),
        }
    }
}

/// What shows that a check does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Counterexample {
    /// The smallest failure.
    pub failure: Failure,
    /// How many others there are.
    pub others: usize,
    /// What was expected.
    pub expectation: Expectation,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected that it {}: {}", self.expectation, self.failure)?;
        match self.others {
            0 => Ok(()),
            others => write!(f, "; {others} more"),
        }
    }
}

/// Why a check was not met.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unmet {
    /// It does not hold.
    #[error("{0}")]
    Fails(Box<Counterexample>),
    /// It cannot be asked.
    #[error(transparent)]
    Error(#[from] CheckError),
}
