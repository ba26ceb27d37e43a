//! A whole question as data: who decides, and what there is to choose from.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{
    Candidate, LocalRoute, Peer, Receiver, Refusal, RouteSource, SessionKind, Step, decide, on_receipt,
    refuse,
};
use crate::bgp::Settings;
use crate::model::bgp::{Asn, DecisionOverrides, MaximumPaths, PathAttributes, Profile};
use crate::model::is_default;

/// Routes to one prefix at one speaker.
///
/// ```
/// # #[cfg(feature = "import")] {
/// let case: azroute::bgp::decision::Case = serde_json::from_str(r#"{
///     "profile": "frr-8",
///     "decision": {"always_compare_med": true},
///     "receiver": {"asn": 65000, "router_id": "192.0.2.100"},
///     "candidates": [
///         {"peer": {"asn": 65001, "router_id": "192.0.2.1", "address": "198.18.0.1"},
///          "attributes": {"as_path": "65001 64500", "next_hop": "198.18.0.1", "med": 20}},
///         {"peer": {"asn": 65002, "router_id": "192.0.2.2", "address": "198.18.0.2"},
///          "attributes": {"as_path": "65002 64500", "next_hop": "198.18.0.2", "med": 10}}
///     ]}"#).unwrap();
/// let outcome = case.decide(Default::default()).unwrap();
/// assert_eq!(outcome.best, Some(1));
/// assert_eq!(outcome.lost[0].step.to_string(), "MED");
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whose decision process; none is the one that [`Case::decide`] is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Settings that differ from the profile's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub decision: DecisionOverrides,
    /// How many equal routes are used at once; none is the profile's number.
    #[serde(default, skip_serializing_if = "is_default")]
    pub maximum_paths: MaximumPaths,
    /// Who decides.
    pub receiver: CaseReceiver,
    /// What there is to choose from, in the order of arrival, the oldest first.
    pub candidates: Vec<CaseCandidate>,
}

/// The speaker that decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseReceiver {
    /// Its autonomous system; in a confederation its member's number.
    pub asn: Asn,
    /// The confederation's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confederation: Option<Asn>,
    /// Its BGP identifier; none is no one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_id: Option<Ipv4Addr>,
    /// Its cluster; none is its router id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<Ipv4Addr>,
    /// Whether it has clients.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reflects: bool,
}

/// A route of a case: from a `peer`, or made here (`local`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseCandidate {
    /// Who sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<CasePeer>,
    /// Or how it was made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalRoute>,
    /// Its attributes as they were received.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attributes: PathAttributes,
    /// The attributes are those after import policy: nothing is dropped on receipt, and it is not refused.
    #[serde(default, skip_serializing_if = "is_default")]
    pub imported: bool,
    /// What it costs to reach the next hop.
    #[serde(default, skip_serializing_if = "is_default")]
    pub igp_cost: u32,
    /// The next hop does not resolve.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unresolved: bool,
    /// For how many seconds it has been there. Equal ages say nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub age: u32,
    /// Which of its peer's routes it is (RFC 7911).
    #[serde(default, skip_serializing_if = "is_default")]
    pub path_id: u32,
    /// Kept while its peer restarts (RFC 9494).
    #[serde(default, skip_serializing_if = "is_default")]
    pub stale: bool,
}

/// The sender of a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CasePeer {
    /// Its autonomous system.
    pub asn: Asn,
    /// Its BGP identifier.
    pub router_id: Ipv4Addr,
    /// Its address on the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What kind of session it is; none is internal where the numbers are the same, else external.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<SessionKind>,
    /// How often the receiver's own number may stand in the path.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_own_as: u8,
}

/// What was decided of a [`Case`], by the indices of its candidates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What the case is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The best.
    pub best: Option<usize>,
    /// The routes used at once, the best among them.
    pub multipath: Vec<usize>,
    /// Nothing documented decides between those.
    #[serde(default, skip_serializing_if = "is_default")]
    pub undetermined: bool,
    /// The routes that are not the best.
    pub lost: Vec<Lost>,
    /// The routes that were not considered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
}

/// A route that is not the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Which.
    pub candidate: usize,
    /// The step that beat it.
    pub step: Step,
    /// The route it lost to; itself where it cannot be used and no other can.
    pub to: usize,
}

/// A route that was not considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Which.
    pub candidate: usize,
    /// Why.
    pub reason: Refusal,
}

/// The case makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct CaseError {
    /// The field, such as `candidates[1].peer.kind`.
    pub field: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl CaseError {
    fn new(candidate: usize, field: &str, reason: &'static str) -> Self {
        Self { field: format!("candidates[{candidate}].{field}"), reason }
    }
}

impl Case {
    /// Decides, by the case's own profile, else by `profile`.
    ///
    /// # Errors
    ///
    /// A candidate is neither or both of received and made here, or its kind of session contradicts the numbers.
    pub fn decide(&self, profile: Profile) -> Result<Outcome, CaseError> {
        let settings = Settings::new(self.profile.unwrap_or(profile), &self.decision, self.maximum_paths);
        let router_id = self.receiver.router_id.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let receiver = Receiver {
            asn: self.receiver.asn,
            confederation: self.receiver.confederation,
            router_id,
            cluster_id: self.receiver.cluster_id.unwrap_or(router_id),
            reflects: self.receiver.reflects,
        };
        let mut refused = Vec::new();
        let mut considered: Vec<(usize, RouteSource, Cow<'_, PathAttributes>)> =
            Vec::with_capacity(self.candidates.len());
        for (i, candidate) in self.candidates.iter().enumerate() {
            let mut attributes = Cow::Borrowed(&candidate.attributes);
            let source = match (&candidate.peer, candidate.local) {
                (Some(sender), None) => {
                    let peer = sender.peer(i, &receiver)?;
                    if !candidate.imported {
                        if let Some(reason) =
                            refuse(&attributes, &peer, &receiver, sender.allow_own_as, &settings)
                        {
                            refused.push(Refused { candidate: i, reason });
                            continue;
                        }
                        attributes = on_receipt(&candidate.attributes, peer.kind, &settings);
                    }
                    RouteSource::Peer(peer)
                }
                (None, Some(local)) => RouteSource::Local(local),
                (None, None) => return Err(CaseError::new(i, "peer", "missing, and so is `local`")),
                (Some(_), Some(_)) => return Err(CaseError::new(i, "local", "it has a `peer` already")),
            };
            considered.push((i, source, attributes));
        }
        let candidates: Vec<Candidate<'_>> = considered
            .iter()
            .map(|(i, source, attributes)| {
                let candidate = &self.candidates[*i];
                Candidate {
                    attributes,
                    source: *source,
                    igp_cost: (!candidate.unresolved).then_some(candidate.igp_cost),
                    age: candidate.age,
                    path_id: candidate.path_id,
                    stale: candidate.stale,
                }
            })
            .collect();
        let decision = decide(&candidates, &settings);
        let index = |i: usize| considered[i].0;
        Ok(Outcome {
            id: self.id.clone(),
            best: decision.best.map(index),
            multipath: decision.multipath.into_iter().map(index).collect(),
            undetermined: decision.undetermined,
            lost: decision
                .lost
                .into_iter()
                .map(|(i, step, to)| Lost { candidate: index(i), step, to: index(to) })
                .collect(),
            refused,
        })
    }
}

impl CasePeer {
    fn peer(&self, candidate: usize, receiver: &Receiver) -> Result<Peer, CaseError> {
        let same = self.asn == receiver.asn;
        let kind = self.kind.unwrap_or(if same { SessionKind::Ibgp } else { SessionKind::Ebgp });
        let wrong = match kind {
            SessionKind::Ibgp if !same => "the peer's number is not the receiver's",
            SessionKind::Ebgp | SessionKind::ConfedEbgp if same => "the peer's number is the receiver's",
            SessionKind::ConfedEbgp if receiver.confederation.is_none() => {
                "the receiver has no `confederation`"
            }
            _ => {
                return Ok(Peer { kind, asn: self.asn, router_id: self.router_id, address: self.address });
            }
        };
        Err(CaseError::new(candidate, "peer.kind", wrong))
    }
}
