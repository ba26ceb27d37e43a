//! What carrying out changes costs the running network.

use std::fmt;

use crate::model::{Change, ChangeError, Document, ResourceId};
use crate::rule::Rule;

/// A step from one state of a resource to another that Azure does in its own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What changes.
    pub resource: ResourceId,
    /// How it is done.
    pub kind: TransitionKind,
    /// The rule that says so.
    pub rule: Rule,
}

/// How a transition is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransitionKind {
    /// In place, while traffic flows; for a circuit only where its port has the capacity (BW-4).
    InPlace,
    /// The resource is deleted and created anew.
    Recreate,
}

impl Transition {
    /// Whether traffic over the resource stops meanwhile.
    pub fn downtime(&self) -> bool {
        self.kind == TransitionKind::Recreate
    }

    /// The change that shows the network as it is meanwhile; none where nothing stops.
    pub fn meanwhile(&self) -> Option<Change> {
        self.downtime().then(|| Change::Remove(self.resource.clone()))
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.kind {
            TransitionKind::InPlace => "changes in place",
            TransitionKind::Recreate => "is created anew, with downtime",
        };
        write!(f, "`{}` {how} ({})", self.resource, self.rule)
    }
}

/// The transitions of these changes, in their order: a circuit's bandwidth is raised in place and lowered by creating
/// the circuit anew (BW-4). Changes that carry none are left out.
pub(crate) fn transitions(document: &Document, changes: &[Change]) -> Result<Vec<Transition>, ChangeError> {
    let mut document = document.clone();
    let mut found = Vec::new();
    for change in changes {
        let bandwidths = |d: &Document| -> Vec<(ResourceId, Option<u32>)> {
            d.express_route_circuits.iter().map(|c| (c.id.clone(), c.bandwidth_in_mbps)).collect()
        };
        let before = bandwidths(&document);
        document.apply(change)?;
        for (id, after) in bandwidths(&document) {
            let earlier = before.iter().find(|(old, _)| *old == id).and_then(|(_, mbps)| *mbps);
            let kind = match (earlier, after) {
                (Some(earlier), Some(after)) if after > earlier => TransitionKind::InPlace,
                (Some(earlier), Some(after)) if after < earlier => TransitionKind::Recreate,
                _ => continue,
            };
            found.push(Transition { resource: id, kind, rule: Rule::BW_4 });
        }
    }
    Ok(found)
}
