//! Failures: which checks break under which.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{Check, CheckError, Report};
use crate::Network;
use crate::model::{Element, ResourceId};
use crate::resolve::Leg;

/// What a sweep looks at, and how far it goes.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Whether pairs are looked at too, but for those of a whole and its own part, which are the whole alone: those of which one lies on a path that a check looks at, and the other on one that
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
    /// each scenario, on the calling thread, and may stop it. With the feature `rayon` scenarios are computed side by side,
    /// and `progress` is told of several at a time; what is found is the same.
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
        let alone: Vec<Scenario<'_>> = elements
            .iter()
            .map(|element| Scenario { elements: vec![element.clone()], checks: &open })
            .collect();
        if self.steps(network, checks, &alone, &mut survey, (&mut progress, total))?.is_break() || !self.pairs
        {
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
            let firsts = on_paths(&touched(network, &checks[*check])?);
            let others = side_by_side(&firsts, |one| {
                let left = network.without(std::slice::from_ref(*one))?;
                Ok(on_paths(&touched(&left, &checks[*check])?))
            });
            let mut pairs: BTreeSet<[&Element; 2]> = BTreeSet::new();
            for (one, others) in firsts.iter().zip(others) {
                let others: Result<Vec<&Element>, CheckError> = others;
                let pair = |other| if *one < other { [*one, other] } else { [other, *one] };
                pairs.extend(others?.into_iter().filter(|other| other != one).map(pair));
            }
            // What takes the other along is that one alone.
            pairs.retain(|[one, other]| !takes(network, one, other) && !takes(network, other, one));
            total += pairs.len();
            let only = std::slice::from_ref(check);
            let pairs: Vec<Scenario<'_>> = pairs
                .into_iter()
                .map(|pair| Scenario { elements: pair.map(Element::clone).to_vec(), checks: only })
                .collect();
            if self.steps(network, checks, &pairs, &mut survey, (&mut progress, total))?.is_break() {
                return Ok(survey);
            }
        }
        Ok(survey)
    }

    fn steps(
        &self,
        network: &Network,
        checks: &[Check],
        scenarios: &[Scenario<'_>],
        survey: &mut Survey,
        (progress, total): (&mut impl FnMut(Progress) -> ControlFlow<()>, usize),
    ) -> Result<ControlFlow<()>, CheckError> {
        let mut left = scenarios;
        while !left.is_empty() {
            let open = self.budget.saturating_sub(survey.scenarios);
            if open == 0 {
                survey.complete = false;
                return Ok(ControlFlow::Break(()));
            }
            let (now, later) = left.split_at(left.len().min(open).min(at_once()));
            left = later;
            let found = side_by_side(now, |scenario| scenario.ask(network, checks));
            for (scenario, found) in now.iter().zip(found) {
                let elements = || scenario.elements.clone();
                let breaks =
                    found?.into_iter().map(|(check, how)| Break { elements: elements(), check, how });
                survey.breaks.extend(breaks);
                survey.scenarios += 1;
                if progress(Progress { done: survey.scenarios, total }).is_break() {
                    survey.complete = false;
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// What fails together, and the checks that are asked then.
struct Scenario<'s> {
    elements: Vec<Element>,
    checks: &'s [usize],
}

impl Scenario<'_> {
    /// The checks that it breaks.
    fn ask(&self, network: &Network, checks: &[Check]) -> Result<Vec<(usize, How)>, CheckError> {
        let left = network.without(&self.elements)?;
        let mut broken = Vec::new();
        for at in self.checks {
            match checks[*at].run(&left) {
                Ok(report) if report.holds() => {}
                Ok(report) => broken.push((*at, How::Fails(report))),
                Err(error) => broken.push((*at, How::Lost(error))),
            }
        }
        Ok(broken)
    }
}

/// How many scenarios are computed before `progress` is told: enough that no thread waits for long.
fn at_once() -> usize {
    #[cfg(feature = "rayon")]
    return rayon::current_num_threads() * 4;
    #[cfg(not(feature = "rayon"))]
    return 1;
}

/// The results in the order of what is asked.
fn side_by_side<T: Sync, R: Send>(asked: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    #[cfg(feature = "rayon")]
    {
        use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
        asked.par_iter().map(&ask).collect()
    }
    #[cfg(not(feature = "rayon"))]
    asked.iter().map(ask).collect()
}

/// Whether the failure of a whole is that of this part, too.
fn takes(network: &Network, whole: &Element, part: &Element) -> bool {
    match (whole, part) {
        (Element::Circuit(id), Element::CircuitLink { circuit, .. }) => id == circuit,
        (Element::Gateway(id), Element::GatewayInstance { gateway, .. }) => id == gateway,
        (Element::Gateway(id), Element::Connection(part)) => {
            let mut connections = network.topology().document().connections.iter();
            connections.any(|c| c.id == *part && c.virtual_network_gateway == *id)
        }
        (Element::RouteServer(id), Element::RouteServerInstance { route_server, .. }) => id == route_server,
        (Element::Site(id), Element::Router(part)) => part.parent().as_ref() == Some(id),
        _ => false,
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
