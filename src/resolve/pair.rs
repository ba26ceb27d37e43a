//! Both directions of a conversation (WALK-10 to WALK-14).

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use super::answer::{Answer, Disposition, Header, Path, Place};
use super::hosts::{Start, nic_subnet};
use crate::model::{Entity, ResourceId, Topology};
use crate::rule::Rule;

/// Both directions: the way there, and the way of the reply from where the first packet arrived, with the header it
/// arrived with.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    pub(crate) forward: Answer,
    pub(crate) replies: Vec<Answer>,
    pub(crate) asymmetries: Vec<Asymmetry>,
}

impl Pair {
    /// The way there.
    pub fn forward(&self) -> &Answer {
        &self.forward
    }

    /// The way back from where the first packet arrived; none where it arrived nowhere that could answer (a drop, a loop,
    /// the Internet). Where sources were rewritten on the way there, this leads to the last place that rewrote;
    /// [`replies`](Self::replies) has the rest.
    pub fn reply(&self) -> Option<&Answer> {
        self.replies.first()
    }

    /// The way back, a part for each place that rewrote the source on the way there, in the order of travel.
    pub fn replies(&self) -> &[Answer] {
        &self.replies
    }

    /// Where a stateful hop sees only one direction.
    pub fn asymmetries(&self) -> &[Asymmetry] {
        &self.asymmetries
    }

    /// Whether the reply arrives where the first packet came from.
    pub fn returns(&self) -> bool {
        !self.replies.is_empty() && self.replies.iter().all(|reply| reply.disposition().is_success())
    }
}

/// A stateful hop that does not see both directions alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asymmetry {
    /// The appliance, firewall or router.
    pub place: ResourceId,
    /// Which direction it sees.
    pub seen: SeenDirection,
    /// The rule that makes it matter.
    pub rule: Rule,
}

/// Which direction a stateful hop sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeenDirection {
    /// Only the way there.
    ForwardOnly,
    /// Only the way back.
    ReplyOnly,
    /// One member of an equal-cost set there, perhaps another one back.
    Sometimes,
}

impl fmt::Display for Asymmetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.seen {
            SeenDirection::ForwardOnly => "sees only the way there",
            SeenDirection::ReplyOnly => "sees only the way back",
            SeenDirection::Sometimes => "may see only one direction (equal cost)",
        };
        write!(f, "`{}` {what} ({})", self.place, self.rule)
    }
}

/// The questions whose answers are the way back of this path: where each starts, from which address, to which.
pub(crate) fn reply_questions(topology: &Topology, path: &Path<'_>) -> Vec<(Start, IpAddr, IpAddr)> {
    let hops = path.hops();
    let Some(last) = hops.last() else { return Vec::new() };
    let Some(start) = start_of_end(topology, path.disposition(), &last.place) else { return Vec::new() };
    let mut questions = vec![(start, last.header.destination, last.header.source)];
    // Every place that rewrote the source undoes it on the way back.
    let headers: Vec<Header> = hops.iter().map(|hop| hop.header).collect();
    for at in (1..hops.len()).rev() {
        if headers[at].source == headers[at - 1].source {
            continue;
        }
        let Some(start) = start_of_place(topology, &hops[at].place) else { break };
        questions.push((start, headers[at - 1].destination, headers[at - 1].source));
    }
    questions
}

fn start_of_end(topology: &Topology, disposition: &Disposition, last: &Place) -> Option<Start> {
    match disposition {
        Disposition::Delivered(place) => start_of_place(topology, place),
        Disposition::OnPremises(id) => start_of_place(topology, &Place::OnPremises(id.clone())),
        Disposition::PrivateEndpoint(_) => start_of_place(topology, last),
        _ => None,
    }
}

fn start_of_place(topology: &Topology, place: &Place) -> Option<Start> {
    let document = topology.document();
    let of_nic = |id: &ResourceId| match topology.entity(id) {
        Some(Entity::Nic(nic)) => {
            nic_subnet(topology, nic).map(|(vnet, subnet)| Start::Nic { nic, vnet, subnet })
        }
        _ => None,
    };
    match place {
        Place::NetworkInterface(id) | Place::Appliance { interface: Some(id), .. } => of_nic(id),
        Place::Subnet(id) => match topology.entity(id) {
            Some(Entity::Subnet(vnet, subnet)) => Some(Start::Subnet { vnet, subnet }),
            _ => None,
        },
        Place::Appliance { id, interface: None } => match topology.entity(id) {
            Some(Entity::Firewall(firewall)) => {
                match document.azure_firewalls[firewall].subnet.as_ref().and_then(|id| topology.entity(id)) {
                    Some(Entity::Subnet(vnet, subnet)) => Some(Start::Firewall { firewall, vnet, subnet }),
                    _ => None,
                }
            }
            _ => None,
        },
        Place::PrivateEndpoint(id) => match topology.entity(id) {
            Some(Entity::PrivateEndpoint(endpoint)) => {
                match topology.entity(&document.private_endpoints[endpoint].subnet) {
                    Some(Entity::Subnet(vnet, subnet)) => {
                        Some(Start::PrivateEndpoint { endpoint, vnet, subnet })
                    }
                    _ => None,
                }
            }
            _ => None,
        },
        Place::OnPremises(id) => match topology.entity(id) {
            Some(Entity::Site(site)) => Some(Start::Site { site, range: None }),
            Some(Entity::Router(site, router)) => Some(Start::Router { site, router }),
            _ => None,
        },
        _ => None,
    }
}

/// Stateful hops that do not see both directions alike, over all equal-cost ways (up to a bound).
pub(crate) fn asymmetries(topology: &Topology, forward: &Answer, replies: &[Answer]) -> Vec<Asymmetry> {
    const WAYS: usize = 64;
    if replies.is_empty() {
        return Vec::new();
    }
    let stateful = |path: &Path<'_>| -> BTreeSet<ResourceId> {
        let hops = path.hops().iter().filter(|hop| hop.stateful);
        hops.filter_map(|hop| hop.place.id().cloned()).collect()
    };
    let there: Vec<BTreeSet<ResourceId>> = forward.paths().take(WAYS).map(|p| stateful(&p)).collect();
    let mut back: Vec<BTreeSet<ResourceId>> = vec![BTreeSet::new()];
    for reply in replies {
        let mut joined = Vec::new();
        for so_far in &back {
            for path in reply.paths().take(WAYS) {
                let mut all = so_far.clone();
                all.extend(stateful(&path));
                if !joined.contains(&all) && joined.len() < WAYS {
                    joined.push(all);
                }
            }
        }
        back = joined;
    }
    let all: BTreeSet<&ResourceId> = there.iter().chain(&back).flatten().collect();
    let mut found = Vec::new();
    for place in all {
        let (f, b) = (
            there.iter().filter(|set| set.contains(place)).count(),
            back.iter().filter(|set| set.contains(place)).count(),
        );
        let seen = match (f, b) {
            (_, 0) => SeenDirection::ForwardOnly,
            (0, _) => SeenDirection::ReplyOnly,
            (f, b) if f == there.len() && b == back.len() => continue,
            _ => SeenDirection::Sometimes,
        };
        found.push(Asymmetry { place: place.clone(), seen, rule: Rule::WALK_10 });
    }
    // A private endpoint answers directly, past the appliance of the way there (PE-6).
    if let Disposition::PrivateEndpoint(id) = forward.disposition()
        && matches!(topology.entity(id), Some(Entity::PrivateEndpoint(_)))
    {
        for asymmetry in &mut found {
            if asymmetry.seen == SeenDirection::ForwardOnly {
                asymmetry.rule = Rule::PE_6;
            }
        }
    }
    found
}
