//! The way of a gateway route: every speaker it passed before it reached the table, the rule applied there, and its
//! attributes before and after.

use std::fmt;

use ipnet::IpNet;

use crate::bgp::{Engine, LearnedFrom, PassStep};
use crate::model::ResourceId;
use crate::model::bgp::{Asn, PathAttributes};
use crate::rule::{Confidence, Rule};

/// How a gateway route came to the gateway, Route Server or hub that offers it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Propagation {
    /// The route.
    pub prefix: IpNet,
    /// The speakers passed: first the one that offers it, last the one where it entered BGP.
    pub speakers: Vec<SpeakerStep>,
}

/// A speaker on the way of a route.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SpeakerStep {
    /// The speaker: an edge router, a gateway, a Route Server, a hub, a router outside.
    pub speaker: ResourceId,
    /// Its autonomous system.
    pub asn: Asn,
    /// The route's attributes in its table.
    pub attributes: PathAttributes,
    /// How the route came there; none where it entered.
    pub passed: Option<Passed>,
}

/// How a route came from one speaker to the next.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Passed {
    /// Who sent it.
    pub from: ResourceId,
    /// Over this session.
    pub session: ResourceId,
    /// Its attributes in the sender's table; none where the sender made the route for this neighbour.
    pub before: Option<PathAttributes>,
    /// What was done with it on the way, the sender's part first.
    pub rules: Vec<Applied>,
    /// Its attributes in the receiver's table.
    pub after: PathAttributes,
}

/// Something that a speaker did with a route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// The Azure rule; none for what the customer's policies or the protocol itself do.
    pub rule: Option<Rule>,
    /// In words: the policy's statement, or the step of the protocol.
    pub what: String,
    /// What it changed, in words; empty where it only let the route pass.
    pub changes: Vec<String>,
}

impl Applied {
    /// How well founded the rule is; none without a rule.
    pub fn confidence(&self) -> Option<Confidence> {
        self.rule.map(Rule::confidence)
    }
}

impl Propagation {
    /// The way of a speaker's route of a prefix; none where it has none from BGP.
    pub(crate) fn of(engine: &Engine, speaker: &ResourceId, prefix: &IpNet) -> Option<Self> {
        let explanation = engine.explain(speaker, prefix)?;
        let mut speakers = Vec::new();
        for place in &explanation.places {
            let entry = place.route.and_then(|at| place.rib.entries.get(at));
            let Some(entry) = entry else { break };
            let passed = place.passage.as_ref().map(|passage| Passed {
                from: passage.from.clone(),
                session: passage.session.clone(),
                before: passage.before.cloned(),
                rules: passage.export.iter().chain(&passage.import).filter_map(applied).collect(),
                after: passage.received.clone(),
            });
            speakers.push(SpeakerStep {
                speaker: place.speaker.clone(),
                asn: place.asn,
                attributes: entry.route.attributes.clone(),
                passed,
            });
            if matches!(entry.route.from, LearnedFrom::Local(_)) {
                break;
            }
        }
        // A route that was announced where it is asked for came no way.
        (speakers.len() > 1).then_some(Self { prefix: explanation.prefix, speakers })
    }
}

/// A step that did something, or that decided; statements that did not match are left out.
fn applied(step: &PassStep) -> Option<Applied> {
    match step {
        PassStep::Statement(trace) => {
            if !trace.matches() || (trace.result.is_none() && trace.changes.is_empty()) {
                return None;
            }
            let name = trace.statement.as_deref().unwrap_or(&trace.policy);
            // Only Azure's own policies are named by rules.
            let rule = if trace.policy.starts_with("azure/") {
                let id = name.split(':').next().unwrap_or_default();
                Rule::ALL.iter().copied().find(|rule| rule.id() == id)
            } else {
                None
            };
            let what = match rule {
                Some(_) => name.split_once(": ").map_or(name, |(_, text)| text).to_owned(),
                None => format!("policy {}, statement {name}", trace.policy),
            };
            Some(Applied { rule, what, changes: trace.changes.iter().map(ToString::to_string).collect() })
        }
        PassStep::Rule { rule, changes } => Some(Applied {
            rule: None,
            what: rule.to_string(),
            changes: changes.iter().map(ToString::to_string).collect(),
        }),
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule {
            Some(rule) => write!(f, "{} ({}) {}", rule, rule.confidence().letter(), self.what)?,
            None => f.write_str(&self.what)?,
        }
        if !self.changes.is_empty() {
            write!(f, ": {}", self.changes.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Propagation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} came this way:", self.prefix)?;
        for step in self.speakers.iter().rev() {
            let path = |attributes: &PathAttributes| match attributes.as_path.to_string() {
                path if path.is_empty() => "empty path".to_owned(),
                path => format!("path {path}"),
            };
            match &step.passed {
                None => writeln!(
                    f,
                    "  {} (AS {}) announces it, {}",
                    step.speaker,
                    step.asn,
                    path(&step.attributes)
                )?,
                Some(passed) => {
                    for applied in &passed.rules {
                        writeln!(f, "      {applied}")?;
                    }
                    let after = path(&passed.after);
                    writeln!(f, "  {} (AS {}) has it from {}, {after}", step.speaker, step.asn, passed.from)?;
                }
            }
        }
        Ok(())
    }
}
