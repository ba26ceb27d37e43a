//! Lints that need the whole picture: routes that no packet follows, summaries that take in what is not theirs, tenants that
//! meet.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::routes::Bound;
use super::{FindingCode, LISTED, Lint, SCAN, Severity, is_platform, list};
use crate::control_plane::Via;
use crate::model::{OnPremisesSite, PeeringType, ResourceId, SiteRole, same_tenant};
use crate::resolve::span;
use crate::rule::Rule;
use crate::selection::{CandidateState, LocalKind, SubnetTable};

/// How many subnets' tables are asked about one network that a summary takes in.
const ASKED: usize = 64;

impl<'n> Lint<'n> {
    pub(super) fn whole(&mut self) {
        self.unused_routes();
        self.summaries();
        self.tenants();
    }

    /// User routes that are nobody's longest match: bound nowhere, overridden, or covered by longer routes.
    fn unused_routes(&mut self) {
        let mut used: BTreeSet<usize> = BTreeSet::new();
        for (v, s, _) in self.subnets() {
            used.insert(self.selection.of_subnet[v][s]);
        }
        // By route table and route: whether some subnet follows it.
        let mut followed: BTreeMap<usize, BTreeMap<usize, bool>> = BTreeMap::new();
        for at in used {
            let Some(Bound { table, .. }) = self.bound(at) else { continue };
            let Some(route_table) = table.route_table else { continue };
            let routes = followed.entry(route_table).or_default();
            for local in &table.locals {
                if let LocalKind::User { route, .. } = local.kind {
                    let known = routes.entry(route).or_default();
                    let active = local.state == CandidateState::Active;
                    *known = *known || active && !self.is_covered(table, &local.prefix);
                }
            }
        }
        for (t, declared) in self.document.route_tables.iter().enumerate() {
            let Some(routes) = followed.get(&t) else {
                if !declared.routes.is_empty() {
                    let message = "no subnet is bound to it: its routes hold nowhere";
                    self.add(
                        FindingCode::UnboundRouteTable,
                        Severity::Info,
                        &declared.id,
                        Rule::UDR_1,
                        message,
                    );
                }
                continue;
            };
            for route in routes.iter().filter(|(_, followed)| !**followed).map(|(route, _)| *route) {
                let Some(route) = declared.routes.get(route) else { continue };
                let message = format!(
                    "no packet follows it: longer or stronger routes hold for all of {} in every subnet",
                    route.address_prefix
                );
                let id = declared.id.child("routes", &route.name);
                self.add(FindingCode::ShadowedUserRoute, Severity::Warning, id, Rule::SEL_2, message);
            }
        }
    }

    /// Whether longer active routes hold for every address of a prefix.
    fn is_covered(&self, table: &SubnetTable, prefix: &IpNet) -> bool {
        let active = |here: &[usize]| here.iter().any(|i| table.locals[*i].state == CandidateState::Active);
        let own = table.by_prefix.children(prefix).filter(|(inner, here)| inner != prefix && active(here));
        let mut inside: Vec<(u128, u128)> = own.map(|(inner, _)| span(&inner)).collect();
        if let Some(subscription) = table.subscription {
            let gateway = &self.selection.gateways[subscription.domain].by_prefix;
            let learned = gateway.children(prefix).take(SCAN).map(|(inner, _)| inner);
            let taken = learned.filter(|inner| inner != prefix && table.gateway_refusal(inner).is_none());
            inside.extend(taken.map(|inner| span(&inner)));
        }
        inside.sort_unstable();
        let (first, last) = span(prefix);
        let mut next = Some(first);
        for (from, to) in inside {
            match next {
                Some(at) if from <= at => next = to.checked_add(1).map(|after| after.max(at)),
                Some(_) => return false,
                None => return true,
            }
        }
        next.is_none_or(|at| at > last)
    }

    /// Summaries that a gateway learned and that take in networks which their hearers know no better way to: what is meant
    /// for such a network leaves Azure.
    fn summaries(&mut self) {
        let mut tables: BTreeMap<usize, Vec<&'n SubnetTable>> = BTreeMap::new();
        for (v, s, subnet) in self.subnets() {
            let table: &'n SubnetTable = &self.selection.tables[self.selection.of_subnet[v][s]];
            if let Some(subscription) =
                table.subscription.filter(|_| table.propagation && !is_platform(subnet))
            {
                let of_domain = tables.entry(subscription.domain).or_default();
                if of_domain.len() < ASKED {
                    of_domain.push(table);
                }
            }
        }
        // By domain and summary: the networks, and one that hears it.
        let mut taken: BTreeMap<(usize, IpNet), (BTreeSet<usize>, usize)> = BTreeMap::new();
        for (domain, tables) in tables {
            let gateway = &self.selection.gateways[domain];
            let offers = &self.plane.domains[domain].offers;
            for (v, network) in self.document.virtual_networks.iter().enumerate() {
                for space in &network.address_space {
                    let Some((summary, group)) = gateway.by_prefix.longest(space) else { continue };
                    let by_site = |offer: &usize| {
                        matches!(
                            offers[*offer].via,
                            Via::ExpressRoute { far: None, .. } | Via::Vpn { far: None, .. }
                        )
                    };
                    let members = &gateway.groups[*group as usize].members;
                    let is_summary = summary != *space && summary.prefix_len() > 0;
                    if !is_summary || !members.iter().any(by_site) {
                        continue;
                    }
                    let hears = |table: &&&SubnetTable| {
                        let own = table.by_prefix.covering(space).into_iter().rev().any(|(at, here)| {
                            at.prefix_len() >= summary.prefix_len()
                                && here.iter().any(|i| table.locals[*i].state == CandidateState::Active)
                        });
                        table.vnet != v && !own && table.gateway_refusal(&summary).is_none()
                    };
                    if let Some(table) = tables.iter().find(hears) {
                        let entry = taken.entry((domain, summary));
                        entry.or_insert_with(|| (BTreeSet::new(), table.vnet)).0.insert(v);
                    }
                }
            }
        }
        for ((domain, summary), (networks, hearer)) in taken {
            let name = |v: usize| format!("`{}`", self.document.virtual_networks[v].id.name());
            let more = if networks.len() > LISTED { " and more" } else { "" };
            let message = format!(
                "{summary} takes in {}{more}, to which {} knows no other way: packets for it leave Azure",
                list(networks.iter().take(LISTED).map(|v| name(*v))),
                name(hearer)
            );
            let owner = match self.plane.domains[domain].owner {
                crate::control_plane::DomainOwner::VirtualNetwork(v) => &self.document.virtual_networks[v].id,
                crate::control_plane::DomainOwner::Hub(h) => &self.document.virtual_hubs[h].id,
            };
            self.add(FindingCode::LeakedSummary, Severity::Warning, owner, Rule::SEL_2, message);
        }
    }

    /// Tenants whose overlapping addresses come together at one gateway (ISO-1).
    fn tenants(&mut self) {
        let mut over: BTreeMap<&ResourceId, Vec<(&OnPremisesSite, &[IpNet])>> = BTreeMap::new();
        for site in self.document.on_premises_sites.iter().filter(|site| site.role != SiteRole::Provider) {
            let private = |a: &&crate::model::Advertisement| a.peering == PeeringType::AzurePrivatePeering;
            for advertisement in site.advertisements.iter().filter(private) {
                over.entry(&advertisement.over).or_default().push((site, &advertisement.prefixes));
            }
        }
        for (g, gateway) in self.document.virtual_network_gateways.iter().enumerate() {
            let connections = self.document.connections.iter();
            let own = connections.filter(|connection| connection.virtual_network_gateway == gateway.id);
            let mut known: Vec<(IpNet, Option<&str>, &ResourceId)> = Vec::new();
            let mut seen: BTreeSet<&ResourceId> = BTreeSet::new();
            for target in own.flat_map(|connection| [&connection.id, &connection.peer]) {
                if !seen.insert(target) {
                    continue;
                }
                for (site, prefixes) in over.get(target).into_iter().flatten() {
                    known.extend(prefixes.iter().map(|p| (p.trunc(), site.tenant.as_deref(), &site.id)));
                }
            }
            for v in self.plane.served.get(&g).into_iter().flatten() {
                let network = &self.document.virtual_networks[*v];
                let of = |p: &IpNet| (p.trunc(), network.tenant.as_deref(), &network.id);
                known.extend(network.address_space.iter().map(of));
            }
            // A default route is everybody's.
            known.retain(|(prefix, ..)| prefix.prefix_len() > 0);
            known.sort_unstable_by_key(|(prefix, _, id)| (prefix.network(), prefix.prefix_len(), *id));
            let mut open: Vec<(IpNet, Option<&str>, &ResourceId)> = Vec::new();
            let mut met: BTreeMap<[&ResourceId; 2], IpNet> = BTreeMap::new();
            for item in known {
                while open.last().is_some_and(|(outer, ..)| !outer.contains(&item.0)) {
                    open.pop();
                }
                for (_, _, other) in open.iter().filter(|(_, tenant, _)| !same_tenant(*tenant, item.1)) {
                    met.entry([*other, item.2]).or_insert(item.0);
                }
                open.push(item);
            }
            for ([one, other], prefix) in met.into_iter().take(LISTED) {
                let message = format!(
                    "`{}` and `{}` are of different tenants and both have {prefix}: this gateway knows one of them",
                    one.name(),
                    other.name()
                );
                self.add(FindingCode::TenantsMeet, Severity::Warning, &gateway.id, Rule::ISO_1, message);
            }
        }
    }
}
