//! Where a conversation turns round: from the end of the way there to the start of the way back, and what differs
//! between the two.

use std::collections::BTreeSet;

use super::answer::{Answer, Disposition, Egress, Hop, Path, Place};
use super::encryption::{router_start, within_site};
use super::hosts::{Start, nic_start, nic_subnet};
use super::pair::{Asymmetry, Crossing, SeenDirection};
use super::public::PublicOwner;
use super::question::Leg;
use super::walk::{Question, Rewritten, Undo, World, seen_as};
use crate::model::{Entity, LinkRole, PeeringType, ResourceId, SiteRole, Topology};
use crate::rule::Rule;

/// A part of the way back, and the place at its end that undoes a rewriting of the source.
pub(super) struct Part {
    pub(super) question: Question,
    pub(super) undone_at: Option<Place>,
}

/// The way back of an answer's first way: a question for each part.
pub(super) fn parts(world: &World<'_>, forward: &Answer, tenant: Option<String>) -> Vec<Part> {
    let path = forward.path();
    let hops = path.hops();
    // What a place was given: what the one before it sent.
    let given = |at: usize| match at.checked_sub(1) {
        Some(before) => hops[before].header,
        None => forward.header(),
    };
    let tenant = tenant.or_else(|| tenant_of(world.topology, hops));
    let Some(mut first) = turn(world, &path, tenant.as_deref()) else { return Vec::new() };
    first.session = hops.iter().find_map(|hop| public_session(world.topology, hop));
    // Every place that rewrote the source undoes it on the way back.
    let rewrote = (0..hops.len()).rev().filter(|at| hops[*at].header.source != given(*at).source);
    let mut parts = vec![Part { question: first, undone_at: None }];
    for at in rewrote {
        let Some(start) = start_of_place(world.topology, &hops[at].place) else { break };
        if let Some(last) = parts.last_mut() {
            last.undone_at = Some(hops[at].place.clone());
        }
        let header = given(at);
        let question = Question::new(start, header.destination, header.source, Leg::Reply);
        parts.push(Part { question, undone_at: None });
    }
    // An appliance that rewrote the destination writes it back into the source of the reply.
    let rewritten = (0..hops.len()).filter_map(|at| {
        let Place::Appliance { id, .. } = &hops[at].place else { return None };
        let (from, to) = (given(at).destination, hops[at].header.destination);
        // Microsoft's edge had translated it before.
        let from = match world.edge.owner(world.topology, from, tenant.as_deref()) {
            Some(PublicOwner::Nic { address, .. }) => address,
            _ => from,
        };
        (from != to).then(|| Rewritten { appliance: id.clone(), from, to })
    });
    let rewritten: Vec<Rewritten> = rewritten.collect();
    for part in &mut parts {
        part.question.tenant.clone_from(&tenant);
        part.question.rewritten.clone_from(&rewritten);
    }
    parts
}

/// The first question of the way back: who answers, from where.
fn turn(world: &World<'_>, path: &Path<'_>, tenant: Option<&str>) -> Option<Question> {
    let topology = world.topology;
    let hops = path.hops();
    let last = hops.last()?;
    let (from, to) = (last.header.destination, last.header.source);
    let ask = |start, to| Question::new(start, from, to, Leg::Reply);
    let at_place = |place: &Place| start_of_place(topology, place).map(|start| ask(start, to));
    // The place that sent the packet to the edge, and how the outside sees it.
    let before = hops.len().checked_sub(2).map(|at| &hops[at].place);
    let leaving = before.and_then(|place| start_of_place(topology, place));
    let seen = leaving.and_then(|start| seen_as(world, start, to));
    let undone = |start| {
        let (vnet, seen) = seen?;
        let seen = seen.unwrap_or(to);
        Some(Question { undo: Some(Undo { seen, behind: to, vnet }), ..ask(start, seen) })
    };
    // A router can answer only to an address that is declared.
    let by_router = |routers: Vec<usize>| {
        let (vnet, seen) = seen?;
        let undo = Undo { seen: seen?, behind: to, vnet };
        Some(Question { undo: Some(undo), ..ask(router_start(world, routers)?, seen?) })
    };
    match path.disposition() {
        Disposition::Delivered(place) => at_place(place),
        Disposition::OnPremises(id) => at_place(&Place::OnPremises(id.clone())),
        Disposition::PrivateEndpoint(_) => at_place(&last.place),
        Disposition::Egress(Egress::MicrosoftPeering(_) | Egress::PublicPeering(_)) => {
            let Place::Msee { circuit, link, peering } = &last.place else { return None };
            let Some(Entity::Circuit(c)) = topology.entity(circuit) else { return None };
            match (before, peering) {
                (Some(Place::OnPremises(_)), PeeringType::AzurePublicPeering) => {
                    Some(ask(Start::PublicPeering { circuit: c, link: *link }, to))
                }
                (Some(Place::OnPremises(_)), _) => Some(ask(Start::Service { tag: None }, to)),
                _ => {
                    let entry = world.plane.on_premises.circuit_entry((c, circuit), *peering, *link, from);
                    by_router(entry)
                }
            }
        }
        Disposition::Egress(Egress::Internet(_) | Egress::MicrosoftBackbone(_)) => {
            if let Some(PublicOwner::Nic { nic, address }) = world.edge.owner(topology, from, tenant) {
                let (vnet, seen) = seen?;
                let undo = Some(Undo { seen: seen?, behind: to, vnet });
                let question = Question::new(nic_start(topology, nic)?, address, seen?, Leg::Reply);
                return Some(Question { undo, ..question });
            }
            if world.edge.is_microsoft(from) {
                return undone(Start::Service { tag: None });
            }
            match world.edge.internet_sites(topology, tenant, from) {
                Some((_, sites)) => {
                    let routers = &world.plane.on_premises.by_site;
                    by_router(routers[*sites.first()?].clone())
                }
                None => undone(Start::Internet),
            }
        }
        Disposition::OnPremisesInternet(_) => Some(match world.edge.is_microsoft(from) {
            true => ask(Start::Service { tag: None }, to),
            false => ask(Start::Internet, to),
        }),
        // The service sees the private address (SE-2).
        Disposition::ServiceEndpoint(_) => {
            let (vnet, _) = seen_as(world, start_of_place(topology, &last.place)?, to)?;
            let undo = Some(Undo { seen: to, behind: to, vnet });
            Some(Question { undo, ..ask(Start::Service { tag: None }, to) })
        }
        _ => None,
    }
}

/// The session of public peering by which a flow came in.
fn public_session(topology: &Topology, hop: &Hop) -> Option<(usize, LinkRole)> {
    let Place::Msee { circuit, link, peering: PeeringType::AzurePublicPeering } = &hop.place else {
        return None;
    };
    match topology.entity(circuit) {
        Some(Entity::Circuit(c)) => Some((c, *link)),
        _ => None,
    }
}

/// Whose conversation it is: the tenant of the first customer's site, network or circuit on the way.
fn tenant_of(topology: &Topology, hops: &[Hop]) -> Option<String> {
    let document = topology.document();
    let found = hops.iter().find_map(|hop| match &hop.place {
        Place::OnPremises(id) => match topology.entity(id)? {
            Entity::Site(s) | Entity::Router(s, _) => {
                let site = &document.on_premises_sites[s];
                (site.role == SiteRole::Customer).then(|| site.tenant.clone())
            }
            _ => None,
        },
        Place::Msee { circuit, .. } => match topology.entity(circuit)? {
            Entity::Circuit(c) => Some(document.express_route_circuits[c].tenant.clone()),
            _ => None,
        },
        place => match start_of_place(topology, place)? {
            Start::Nic { vnet, .. }
            | Start::Subnet { vnet, .. }
            | Start::Firewall { vnet, .. }
            | Start::PrivateEndpoint { vnet, .. } => Some(document.virtual_networks[vnet].tenant.clone()),
            _ => None,
        },
    });
    found.flatten()
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

/// Whether some way of a part of the reply ends at the place that undoes a rewriting.
pub(super) fn arrives(reply: &Answer, place: &Place) -> bool {
    reply.dispositions().into_iter().any(|end| match end {
        Disposition::Delivered(end) => {
            end.id().is_some() && (end.id() == place.id() || end.id() == interface(place))
        }
        Disposition::OnPremises(id) => {
            let end = Place::OnPremises(id.clone());
            end == *place || within_site(&end, place)
        }
        _ => false,
    })
}

fn interface(place: &Place) -> Option<&ResourceId> {
    match place {
        Place::Appliance { interface, .. } => interface.as_ref(),
        _ => None,
    }
}

/// The first public edge that these ways cross, one after the other.
pub(super) fn crossing(paths: &[Path<'_>]) -> Option<Crossing> {
    paths.iter().find_map(|path| {
        // What stays on the backbone has not left.
        let backbone = matches!(path.disposition(), Disposition::Egress(Egress::MicrosoftBackbone(_)));
        let at_hop = path.hops().iter().find_map(|hop| match &hop.place {
            Place::Msee { circuit, peering: PeeringType::MicrosoftPeering, .. } => {
                Some(Crossing::MicrosoftPeering(circuit.clone()))
            }
            Place::Msee { circuit, peering: PeeringType::AzurePublicPeering, .. } => {
                Some(Crossing::PublicPeering(circuit.clone()))
            }
            Place::InternetEdge | Place::Internet => (!backbone).then_some(Crossing::Internet),
            _ => None,
        });
        let outside = matches!(path.disposition(), Disposition::OnPremisesInternet(_));
        at_hop.or_else(|| outside.then_some(Crossing::Internet))
    })
}

/// Whether the two directions cross different edges: the rule, and the place by which the reply goes the other way.
pub(super) fn split(
    forward: &Path<'_>,
    back: &[Path<'_>],
    crossings: &[Option<Crossing>; 2],
) -> Option<(Rule, ResourceId)> {
    let first = back.first()?;
    // In from outside to a public address, and back by a gateway: the route that led there says which rule.
    let outside = forward
        .hops()
        .first()
        .is_some_and(|hop| matches!(hop.place, Place::Internet | Place::Service(_) | Place::OnPremises(_)));
    let public = crossings[0].is_some() || matches!(forward.hops().first()?.place, Place::Service(_));
    if outside && public && matches!(forward.disposition(), Disposition::Delivered(_)) {
        let to_gateway = first.hops().iter().position(|hop| {
            matches!(hop.place, Place::Gateway(_) | Place::InternetEdge | Place::Msee { .. })
        });
        if let Some(at) = to_gateway
            && let Place::Gateway(id) = &first.hops()[at].place
        {
            let mut tunnelled = first.hops()[..at].iter().filter_map(|hop| hop.route.as_ref());
            let default = tunnelled.next_back().is_none_or(|matched| matched.route.prefix.prefix_len() == 0);
            return Some((if default { Rule::FT_10 } else { Rule::WALK_14 }, id.clone()));
        }
    }
    match crossings {
        [Some(there), Some(back_by)]
            if (*there == Crossing::Internet) != (*back_by == Crossing::Internet) =>
        {
            let place = match back_by {
                Crossing::MicrosoftPeering(circuit) | Crossing::PublicPeering(circuit) => circuit.clone(),
                Crossing::Internet => outside_place(back).or_else(|| circuit_of(there))?,
            };
            Some((Rule::WALK_14, place))
        }
        _ => None,
    }
}

fn circuit_of(crossing: &Crossing) -> Option<ResourceId> {
    match crossing {
        Crossing::MicrosoftPeering(circuit) | Crossing::PublicPeering(circuit) => Some(circuit.clone()),
        Crossing::Internet => None,
    }
}

/// The place outside Azure at which the Internet meets the customer.
fn outside_place(paths: &[Path<'_>]) -> Option<ResourceId> {
    paths.iter().find_map(|path| {
        let outside = |hop: &&Hop| matches!(hop.place, Place::OnPremises(_));
        let edge = path.hops().iter().position(|hop| hop.place == Place::InternetEdge);
        let hop = match edge {
            Some(edge) => path.hops()[edge..].iter().find(outside),
            None => path.hops().iter().rev().find(outside),
        };
        hop.and_then(|hop| hop.place.id().cloned())
    })
}

/// The first place on the way back that drops the reply for want of state.
pub(super) fn lost_at(back: &[Path<'_>], found: &[Asymmetry], missed: bool) -> Option<ResourceId> {
    let only_reply = |id: &&ResourceId| {
        found.iter().any(|asymmetry| asymmetry.seen == SeenDirection::ReplyOnly && asymmetry.place == **id)
    };
    let hops = back.iter().flat_map(|path| path.hops());
    let stateful = hops.filter(|hop| hop.stateful).filter_map(|hop| hop.place.id()).find(only_reply);
    let astray = || {
        let end = back.last().filter(|_| missed)?;
        end.hops().last()?.place.id()
    };
    stateful.or_else(astray).cloned()
}

/// Stateful hops that do not see both directions alike, over all equal-cost ways (up to a bound).
pub(super) fn stateful_asymmetries(
    topology: &Topology,
    forward: &Answer,
    replies: &[Answer],
) -> Vec<Asymmetry> {
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
