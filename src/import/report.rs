//! What an import found beside resources: counts, warnings, references into the void.

use std::collections::BTreeMap;
use std::fmt;

use super::LeftOutRoute;
use crate::model::{ResourceId, UnresolvedReference};

/// What kind of thing a [`Warning`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum WarningKind {
    /// A word that Azure does not document for this field; the field counts as not set.
    UnknownValue,
    /// A value of the wrong kind, such as a prefix that is none; the field counts as not set.
    InvalidValue,
    /// A prefix with host bits set, which were cleared.
    HostBits,
    /// A template expression that was not evaluated. A reference keeps its text; any other field counts as not set.
    UnevaluatedExpression,
    /// Two inputs disagree; the later one counts.
    Conflict,
    /// A child whose parent is in no input; it was left out.
    ParentMissing,
    /// Something that must be there is not.
    Missing,
    /// A declaration that has routing meaning and that the model cannot hold.
    NotModelled,
    /// A nested object that was cut to a word when the export was written (PowerShell's depth).
    Cut,
    /// The list has further pages that are not in the input.
    PagesMissing,
    /// A row or reference that names a resource without its body.
    NoBody,
    /// A deployment inside a template: its resources were read as they stand.
    NestedDeployment,
    /// A template loop or condition that was not carried out.
    TemplateControl,
    /// An item that is no resource.
    NotAResource,
}

impl WarningKind {
    /// A short, stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownValue => "unknown-value",
            Self::InvalidValue => "invalid-value",
            Self::HostBits => "host-bits",
            Self::UnevaluatedExpression => "unevaluated-expression",
            Self::Conflict => "conflict",
            Self::ParentMissing => "parent-missing",
            Self::Missing => "missing",
            Self::NotModelled => "not-modelled",
            Self::Cut => "cut",
            Self::PagesMissing => "pages-missing",
            Self::NoBody => "no-body",
            Self::NestedDeployment => "nested-deployment",
            Self::TemplateControl => "template-control",
            Self::NotAResource => "not-a-resource",
        }
    }
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that was not taken as it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// What kind of thing.
    pub kind: WarningKind,
    /// The input it was read from.
    pub input: String,
    /// The resource, or empty where the input as a whole is meant.
    pub resource: ResourceId,
    /// The field, by Azure's name, or empty.
    pub field: String,
    /// What was found, and what became of it.
    pub reason: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}`", self.kind, self.input)?;
        if !self.resource.is_empty() {
            write!(f, ": `{}`", self.resource)?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// A row of a route table that is no offer of a site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// The input it was read from.
    pub input: String,
    /// The circuit, connection or gateway whose table it is.
    pub resource: ResourceId,
    /// The row, and why.
    pub route: LeftOutRoute,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: `{}`: {}", self.input, self.resource, self.route)
    }
}

/// What an import found, in a stable order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// The inputs, in the order they were added.
    pub inputs: Vec<String>,
    /// How many resources of each type the merged inputs hold, children apart (`virtualNetworks/subnets`), by name.
    pub counts: BTreeMap<String, usize>,
    /// Types that are not modelled, in lower case, and how many of each.
    pub ignored: BTreeMap<String, usize>,
    /// Everything that was not taken as it stands: first what was seen while reading, input by input, then what was
    /// seen while merging.
    pub warnings: Vec<Warning>,
    /// Rows of route tables that no site offered, in the order of the inputs and of their rows.
    pub left_out: Vec<LeftOut>,
    /// References to resources that are in no input, sorted. They stay in the document.
    pub unresolved: Vec<UnresolvedReference>,
}

impl ImportReport {
    /// How many warnings there are of one kind.
    pub fn count(&self, kind: WarningKind) -> usize {
        self.warnings.iter().filter(|w| w.kind == kind).count()
    }
}
