//! Designs that can be tested: exact checks, differences, failures.
//!
//! A check looks at every destination class once, for each group of positions that behave alike, so that it is exhaustive:
//! what it says, it says of every address. What it finds are exact ranges with a path each, not samples.
//!
//! - [`check`]: whether something holds of all flows from some positions to some destinations ([`Expectation`]);
//! - [`matrix`], [`matrix_to_sets`]: who reaches whom;
//! - [`diff`]: what a change changes;
//! - [`Sweep`]: which checks break under which failures.

mod cuts;
mod destinations;
mod diff;
mod error;
mod expectation;
mod flows;
mod matrix;
mod ranges;
mod report;
mod run;
mod service;
mod sweep;

use std::collections::BTreeMap;

use crate::resolve::{Class, Classes};

pub use destinations::Destinations;
pub use diff::{ChangeKind, Difference, Differences, diff};
pub use error::CheckError;
pub use expectation::{Baseline, Expectation, FailingPath, Waypoint, circuit, edge, peering, position};
pub use flows::{Checker, Expected, Flows, check};
pub use matrix::{Matrix, Reach, matrix, matrix_to_sets};
pub use ranges::AddressRanges;
pub use report::{Counterexample, Failure, Report, Unmet};
pub use run::Check;
pub use service::{Ports, Service};
pub use sweep::{Break, How, Progress, Survey, Sweep};

/// The part of a set of addresses that is in each class.
fn pieces(classes: &Classes, asked: &AddressRanges) -> BTreeMap<Class, AddressRanges> {
    let mut found: BTreeMap<Class, [Vec<(u128, u128)>; 2]> = BTreeMap::new();
    for v4 in [true, false] {
        for (first, last) in asked.family(v4) {
            classes.each_run(v4, (*first, *last), |from, to, class| {
                found.entry(class).or_default()[usize::from(!v4)].push((from, to));
            });
        }
    }
    found.into_iter().map(|(class, [v4, v6])| (class, AddressRanges::from_ranges(v4, v6))).collect()
}

/// The addresses that each class of one network has in common with each class of another, in a family.
fn both(one: &Classes, other: &Classes, v4: bool) -> BTreeMap<(Class, Class), AddressRanges> {
    let mut found: BTreeMap<(Class, Class), Vec<(u128, u128)>> = BTreeMap::new();
    let whole = (0, if v4 { u128::from(u32::MAX) } else { u128::MAX });
    one.each_run(v4, whole, |first, last, class| {
        other.each_run(v4, (first, last), |from, to, then| {
            found.entry((class, then)).or_default().push((from, to));
        });
    });
    let set = |ranges: Vec<(u128, u128)>| match v4 {
        true => AddressRanges::from_ranges(ranges, Vec::new()),
        false => AddressRanges::from_ranges(Vec::new(), ranges),
    };
    found.into_iter().map(|(pair, ranges)| (pair, set(ranges))).collect()
}
