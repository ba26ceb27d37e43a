//! Lints over a whole design: data, never prints.

use std::fmt;

use crate::control_plane::{ControlPlane, EventKind};
use crate::model::{ResourceId, Topology};
use crate::resolve::Hosts;
use crate::rule::Rule;
use crate::selection::Selection;

/// Something worth knowing about a design.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What kind.
    pub code: FindingCode,
    /// How grave.
    pub severity: Severity,
    /// The resource it is about.
    pub resource: ResourceId,
    /// The rule behind it.
    pub rule: Option<Rule>,
    /// What is the matter, for a person.
    pub message: String,
}

/// Kinds of findings. The names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FindingCode {
    /// A limit of BGP sessions is exceeded (ER-4, ER-5, VPN-4, MSP-5, ARS-12).
    PrefixLimit,
    /// A session is down because of it.
    SessionDown,
    /// A connection is down because of it, or may not exist (ISO-2).
    ConnectionDown,
    /// A gateway learned more than its SKU is made for (ER-20).
    GatewayRouteCapacityExceeded,
    /// Routes were refused (MSP-3, MSP-4, VPN-13).
    RoutesRefused,
    /// A reference to a resource that is not part of the topology.
    UnresolvedReference,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Probably not meant.
    Warning,
    /// Does not work.
    Error,
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity} {}: `{}`: {}", self.code, self.resource, self.message)?;
        match self.rule {
            Some(rule) => write!(f, " ({rule})"),
            None => Ok(()),
        }
    }
}

/// Every finding of a network, sorted.
pub(crate) fn findings(
    topology: &Topology,
    plane: &ControlPlane,
    _selection: &Selection,
    _hosts: &Hosts,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for event in &plane.events {
        let (code, severity) = match event.kind {
            EventKind::PrefixLimit => (FindingCode::PrefixLimit, Severity::Warning),
            EventKind::SessionDown => (FindingCode::SessionDown, Severity::Error),
            EventKind::ConnectionDown => (FindingCode::ConnectionDown, Severity::Error),
            EventKind::GatewayRouteCapacityExceeded => {
                (FindingCode::GatewayRouteCapacityExceeded, Severity::Warning)
            }
            EventKind::RoutesRefused => (FindingCode::RoutesRefused, Severity::Warning),
        };
        let (resource, message) = (event.resource.clone(), event.detail.clone());
        found.push(Finding { code, severity, resource, rule: Some(event.rule), message });
    }
    for reference in topology.unresolved_references() {
        found.push(Finding {
            code: FindingCode::UnresolvedReference,
            severity: Severity::Info,
            resource: reference.from.clone(),
            rule: None,
            message: format!(
                "{} names `{}`, which is not part of the topology",
                reference.field, reference.to
            ),
        });
    }
    found.sort();
    found.dedup();
    found
}
