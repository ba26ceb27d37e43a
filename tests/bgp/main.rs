//! BGP: the decision process, policies, the engine and its verdicts.

mod decision;
mod engine;
mod explain;
mod features;
#[cfg(feature = "testing")]
mod laws;
#[cfg(feature = "testing")]
mod policy;
mod published;
mod regressions;
mod scenarios;
mod sent;
mod stability;
