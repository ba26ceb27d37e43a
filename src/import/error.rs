//! Why an input was refused.

use std::fmt;

use crate::model::TopologyError;

use super::ImportReport;

/// What was refused, where, and why: the payload of every [`ImportError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    input: String,
    place: String,
    reason: String,
}

impl Refusal {
    /// The name of the input, as it was given to the importer.
    pub fn input(&self) -> &str {
        &self.input
    }

    /// The place: `line 3, column 7`, `byte 12`, or a path such as `$.value[2]`; `$` is the whole input.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The reason, in words a person can act on.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}: {}", self.input, self.place, self.reason)
    }
}

macro_rules! errors {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// An input was refused; the importer is as it was before.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum ImportError {
            $($(#[$doc])* #[error("{0}")] $variant(Refusal),)*
        }

        impl ImportError {
            /// The payload: input, place and reason.
            pub fn refusal(&self) -> &Refusal {
                match self {
                    $(Self::$variant(refusal) => refusal,)*
                }
            }

            /// A short, stable word for the kind of refusal.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $word,)*
                }
            }
        }
    };
}

errors! {
    /// The reader gave up.
    Read = "read",
    /// The input holds nothing.
    Empty = "empty",
    /// More bytes than the limits allow.
    TooLarge = "too-large",
    /// Nested deeper than the limits allow.
    TooDeep = "too-deep",
    /// More values than the limits allow.
    TooManyValues = "too-many-values",
    /// More resources than the limits allow.
    TooManyResources = "too-many-resources",
    /// Compressed or another binary format.
    Binary = "binary",
    /// Not text in UTF-8 or UTF-16.
    Encoding = "encoding",
    /// Not JSON.
    Syntax = "syntax",
    /// A Terraform state or plan.
    Terraform = "terraform",
    /// Parameter values of a template, which hold no resources.
    TemplateParameters = "template-parameters",
    /// A route table read from Azure, which is an answer and no declaration.
    RouteReading = "route-reading",
    /// A list of ids without bodies.
    NoProperties = "no-properties",
    /// An azroute document with a mistake.
    Document = "document",
    /// Nothing that this crate reads.
    Unrecognised = "unrecognised",
    /// Recognised, and not read.
    NotRead = "not-read",
}

impl ImportError {
    /// Builds a variant from its parts.
    pub(super) fn new(
        variant: fn(Refusal) -> Self,
        input: &str,
        place: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        variant(Refusal { input: input.to_owned(), place: place.into(), reason: reason.into() })
    }
}

/// The inputs were read, and together cannot be right. Holds the report beside the reasons.
#[derive(Clone, Debug, thiserror::Error)]
#[error("what was imported cannot be right: {error}")]
pub struct InvalidTopology {
    #[source]
    error: TopologyError,
    report: Box<ImportReport>,
}

impl InvalidTopology {
    pub(super) fn new(error: TopologyError, report: ImportReport) -> Self {
        Self { error, report: Box::new(report) }
    }

    /// Every reason.
    pub fn topology_error(&self) -> &TopologyError {
        &self.error
    }

    /// What was imported, with the warnings.
    pub fn report(&self) -> &ImportReport {
        &self.report
    }
}
