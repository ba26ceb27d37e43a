//! What cannot be right about a design.

use std::fmt;

use crate::model::ResourceId;

/// A design that cannot be run: everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct DesignError {
    /// The problems, in the order of the design; never empty.
    pub problems: Vec<DesignProblem>,
}

impl fmt::Display for DesignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{resource}`: {field}: {reason}")]
#[non_exhaustive]
pub struct DesignProblem {
    /// The speaker, session, link or policy.
    pub resource: ResourceId,
    /// Its field.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl DesignProblem {
    pub(crate) fn new(resource: &ResourceId, field: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self { resource: resource.clone(), field: field.into(), reason: reason.to_string() }
    }
}
