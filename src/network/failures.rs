//! The network after failures.

use std::sync::{Arc, OnceLock};

use super::{Inner, Network, NetworkError, compile};
use crate::bgp::BgpChange;
use crate::control_plane::{self, Before, ControlPlane};
use crate::model::{Change, Element, ElementError, Topology, are_of_sessions};
use crate::resolve::{Hosts, Underlays};
use crate::selection::Selection;

/// What failed in a network, and the network as it was before.
pub(super) struct Failed {
    pub(super) elements: Vec<Element>,
    pub(super) before: Network,
}

impl Network {
    /// Everything of the network that can fail, sorted: also what did ([`failed`](Self::failed)).
    pub fn elements(&self) -> Vec<Element> {
        self.topology().elements()
    }

    /// What this network is without, sorted. Empty where nothing failed.
    pub fn failed(&self) -> &[Element] {
        self.inner.failed.as_ref().map_or(&[], |failed| &failed.elements)
    }

    /// The network after these failures, in the steady state that routing comes to; this one stays as it is.
    ///
    /// What is declared does not change ([`topology`](Self::topology)): a failure is a state beside it. Answers are those
    /// of a network built of what is left. Failures add up: `without` of a network that is without something is without
    /// both, in whatever order. A source that has failed is a question that cannot be asked.
    ///
    /// Only what differs is computed: BGP runs on from where it stood, routes are selected and tables compiled where
    /// gateways offer others than before.
    ///
    /// ```
    /// use azroute::model::{Element, LinkRole, Topology};
    /// # use azroute::Network;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let network = Network::build(&Topology::builder().build()?)?;
    /// let element = Element::CircuitLink { circuit: "er1".into(), link: LinkRole::Primary };
    /// let error = network.without(&[element]).unwrap_err();
    /// assert_eq!(error.to_string(), "there is no primary link of circuit `er1` in the network");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// An element that names nothing of the network.
    pub fn without(&self, elements: &[Element]) -> Result<Self, NetworkError> {
        let known = self.elements();
        let mut all = self.failed().to_vec();
        for element in elements {
            // Names are compared without case; the document's spelling is kept.
            match known.binary_search(element) {
                Ok(at) => all.push(known[at].clone()),
                Err(_) => return Err(ElementError::new(element.clone()).into()),
            }
        }
        all.sort();
        all.dedup();
        if all.len() == self.failed().len() {
            return Ok(self.clone());
        }
        let before = self.inner.failed.as_ref().map_or(self, |failed| &failed.before);
        before.failing(all)
    }

    /// A network without failures, without these.
    fn failing(&self, elements: Vec<Element>) -> Result<Self, NetworkError> {
        let before = &self.inner;
        let topology = before.topology.after(&elements)?;
        let unchanged = Before { plane: &before.plane, elements: &elements, told: &[] };
        let plane = control_plane::converge_after(&topology, &unchanged)?;
        // A hub's prefix is a row of its networks, and what an appliance or gateway owned is nobody's.
        let of_hub = elements.iter().any(|element| matches!(element, Element::Hub(_)));
        let same_hosts = are_of_sessions(&topology, &elements);
        let failed = Some(Failed { elements, before: self.clone() });
        Ok(self.followed_by(topology, plane, (!of_hub, same_hosts), failed))
    }

    /// The network after speakers outside announced and withdrew prefixes; `None` where changes are of something else.
    pub(super) fn told(&self, changes: &[Change]) -> Result<Option<Self>, NetworkError> {
        let mut told = Vec::with_capacity(changes.len());
        for change in changes {
            told.push(match change {
                Change::Announce { speaker, origination } => {
                    BgpChange::Announce(speaker.clone(), origination.clone())
                }
                Change::Withdraw { speaker, prefixes } => {
                    BgpChange::Withdraw(speaker.clone(), prefixes.clone())
                }
                _ => return Ok(None),
            });
        }
        if let Some(failed) = &self.inner.failed {
            let before = failed.before.told(changes)?;
            return before.map(|before| before.without(&failed.elements)).transpose();
        }
        let before = &self.inner;
        let mut document = before.topology.document().clone();
        for change in changes {
            document.apply(change)?;
        }
        let topology = before.topology.with_state_of(document);
        let happened = Before { plane: &before.plane, elements: &[], told: &told };
        let plane = control_plane::converge_after(&topology, &happened)?;
        Ok(Some(self.followed_by(topology, plane, (true, true), None)))
    }

    /// The network of another state of the same resources; what is the same is shared. `like` tells whether networks
    /// know of the same hubs, and whether addresses have the same owners.
    fn followed_by(
        &self,
        topology: Topology,
        plane: ControlPlane,
        (like, same_hosts): (bool, bool),
        failed: Option<Failed>,
    ) -> Self {
        let before = &self.inner;
        let shared = if like { before.selection.after(&topology, (&before.plane, &plane)) } else { None };
        let kept = shared.as_ref().filter(|_| same_hosts).and_then(|_| before.kept());
        let (selection, fibs) = match shared {
            Some((selection, new)) => {
                let mut fibs = before.fibs.clone();
                for table in new {
                    fibs[table] = Arc::new(compile(&selection, table));
                }
                (selection, fibs)
            }
            None => {
                let selection = Selection::build(&topology, &plane);
                let tables = 0..selection.tables.len();
                let fibs = tables.map(|table| Arc::new(compile(&selection, table))).collect();
                (selection, fibs)
            }
        };
        let hosts = match same_hosts {
            true => Arc::clone(&before.hosts),
            false => Arc::new(Hosts::new(&topology)),
        };
        let underlays = Underlays::new(&topology);
        let plane = Arc::new(plane);
        let (edge, compiled, findings) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        let inner = Inner {
            topology,
            plane,
            selection,
            fibs,
            hosts,
            edge,
            compiled,
            underlays,
            findings,
            failed,
            kept,
        };
        Self { inner: Arc::new(inner) }
    }

    /// What of these failures the resources of another topology can have.
    pub(super) fn still_failing(&self, topology: &Topology) -> Vec<Element> {
        let known = topology.elements();
        self.failed().iter().filter(|element| known.binary_search(element).is_ok()).cloned().collect()
    }
}
