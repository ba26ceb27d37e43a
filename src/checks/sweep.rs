//! Failures: which checks break under which.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{Check, CheckError, Report};
use crate::model::{Element, ResourceId};
use crate::resolve::Leg;
use crate::{Network, NetworkError};

/// What a sweep looks at, and how far it goes.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Whether pairs are looked at too: those of which one lies on a path that a check looks at, and the other on one that
    /// it looks at when the first has failed. What steers packets and carries none, such as a session between routers
    /// beside the way, is looked at alone only.
    pub pairs: bool,
    /// Scenarios after which it stops.
    pub budget: usize,
}

impl Default for Sweep {
    /// Every single failure; no more than 100,000 of them.
    fn default() -> Self {
        Self { pairs: false, budget: 100_000 }
    }
}

/// How far a sweep has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Scenarios that were looked at.
    pub done: usize,
    /// Scenarios in all, as far as is known: pairs are counted when the single failures are done.
    pub total: usize,
}

/// A set of failures that breaks a check, and no part of which does.
#[derive(Clone, Debug, PartialEq)]
pub struct Break {
    /// What fails.
    pub elements: Vec<Element>,
    /// The place of the check in the list given.
    pub check: usize,
    /// How it breaks.
    pub how: How,
}

/// How a check breaks.
#[derive(Clone, Debug, PartialEq)]
pub enum How {
    /// It does not hold any more.
    Fails(Report),
    /// It cannot be asked any more: a source or a place that it names has failed.
    Lost(CheckError),
}

/// What a sweep found.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// Scenarios that were looked at.
    pub scenarios: usize,
    /// Whether these were all: neither was it stopped, nor was the budget spent.
    pub complete: bool,
    /// Checks that fail while nothing has failed, by their places in the list: they are not looked at further.
    pub broken_before: Vec<usize>,
    /// The smallest sets of failures that break a check, single ones first, in the order of elements.
    pub breaks: Vec<Break>,
}

impl Sweep {
    /// Takes away each element of the network in turn, and asks every check of what is left. `progress` is called after
    /// each scenario and may stop it.
    ///
    /// Each scenario costs what [`Network::without`] and the checks cost.
    ///
    /// # Errors
    /// A check that cannot be asked of the network as it is; a network that cannot be computed.
    pub fn run(
        &self,
        network: &Network,
        checks: &[Check],
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Survey, CheckError> {
        let mut survey =
            Survey { scenarios: 0, complete: true, broken_before: Vec::new(), breaks: Vec::new() };
        for (at, check) in checks.iter().enumerate() {
            if !check.run(network)?.holds() {
                survey.broken_before.push(at);
            }
        }
        let open: Vec<usize> = (0..checks.len()).filter(|at| !survey.broken_before.contains(at)).collect();
        let elements: Vec<Element> =
            network.elements().into_iter().filter(|e| !network.failed().contains(e)).collect();
        let mut total = elements.len();
        for element in &elements {
            let scenario = [element.clone()];
            if self.step(network, checks, &open, &scenario, &mut survey, (&mut progress, total))?.is_break() {
                return Ok(survey);
            }
        }
        if !self.pairs {
            return Ok(survey);
        }
        for check in &open {
            let alone: Vec<Element> = survey
                .breaks
                .iter()
                .filter(|found| found.check == *check)
                .flat_map(|found| found.elements.clone())
                .collect();
            let on_paths = |touched: &BTreeSet<ResourceId>| -> Vec<&Element> {
                let alone = |element: &Element| alone.contains(element);
                elements.iter().filter(|e| !alone(e) && touched.contains(e.id())).collect()
            };
            // The second one lies on a path that is taken when the first has failed: the way around, too.
            let mut pairs: BTreeSet<[&Element; 2]> = BTreeSet::new();
            for one in on_paths(&touched(network, &checks[*check])?) {
                let left = network.without(std::slice::from_ref(one))?;
                let others = on_paths(&touched(&left, &checks[*check])?);
                let pair = |other| if one < other { [one, other] } else { [other, one] };
                pairs.extend(others.into_iter().filter(|other| *other != one).map(pair));
            }
            total += pairs.len();
            for pair in pairs {
                let scenario = pair.map(Element::clone);
                let only = std::slice::from_ref(check);
                let with = (&mut progress, total);
                if self.step(network, checks, only, &scenario, &mut survey, with)?.is_break() {
                    return Ok(survey);
                }
            }
        }
        Ok(survey)
    }

    fn step(
        &self,
        network: &Network,
        checks: &[Check],
        open: &[usize],
        scenario: &[Element],
        survey: &mut Survey,
        (progress, total): (&mut impl FnMut(Progress) -> ControlFlow<()>, usize),
    ) -> Result<ControlFlow<()>, CheckError> {
        if survey.scenarios >= self.budget {
            survey.complete = false;
            return Ok(ControlFlow::Break(()));
        }
        let left = match network.without(scenario) {
            Ok(left) => left,
            // The other one of the pair took it along: the pair is that one alone.
            Err(NetworkError::Element(_)) if scenario.len() > 1 => return Ok(ControlFlow::Continue(())),
            Err(error) => return Err(error.into()),
        };
        for at in open {
            let how = match checks[*at].run(&left) {
                Ok(report) if report.holds() => continue,
                Ok(report) => How::Fails(report),
                Err(error) => How::Lost(error),
            };
            survey.breaks.push(Break { elements: scenario.to_vec(), check: *at, how });
        }
        survey.scenarios += 1;
        let told = progress(Progress { done: survey.scenarios, total });
        if told.is_break() {
            survey.complete = false;
        }
        Ok(told)
    }
}

/// Every id that a path of a check names.
fn touched(network: &Network, check: &Check) -> Result<BTreeSet<ResourceId>, CheckError> {
    let classes = network.classes().ok_or(CheckError::NoClasses)?;
    let asked = check.destinations.addresses(network)?;
    let by_class = super::pieces(classes, &asked);
    let mut paths = BTreeSet::new();
    let mut found = BTreeSet::new();
    for source in &check.sources {
        let position = network.position(source)?;
        for class in by_class.keys() {
            let legs = [check.leg, if check.leg == Leg::Reply { Leg::Initiate } else { Leg::Reply }];
            for resolved in legs.iter().filter_map(|leg| network.resolve_class(position, *class, *leg)) {
                if resolved.path_id().is_some_and(|path| !paths.insert(path)) {
                    continue;
                }
                for hop in resolved.hops() {
                    found.extend(hop.place.id().cloned());
                    found.extend(hop.via.clone());
                }
                for path in resolved.paths().take(64) {
                    found.extend(path.hops().iter().filter_map(|hop| hop.via.clone()));
                }
            }
        }
    }
    Ok(found)
}
