//! Random designs against an oracle that is as plain as can be, and the laws that every design obeys.

mod classes;
mod designs;
mod differential;
mod edge;
mod failures;
#[cfg(all(feature = "import", feature = "testing"))]
mod fuzz_replay;
mod generate;
mod hybrid;
mod properties;
mod recorded;
mod rules;
mod strategies;
mod walk;
