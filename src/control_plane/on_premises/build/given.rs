//! Routes given to a site by hand.

use ipnet::IpNet;

use super::super::{Exit, ExitKind, RouterIx, Scope};
use super::Build;
use crate::model::same_tenant;
use crate::model::{Entity, LinkRole, OnPremisesNextHop, OnPremisesSite, PeeringType, SiteRole};

impl Build<'_> {
    pub(super) fn given_routes(&mut self) {
        let document = self.topology.document();
        for (s, site) in document.on_premises_sites.iter().enumerate() {
            for route in &site.routes {
                // A stated tenant narrows who follows it, and never widens it to another's circuit.
                let scope = match (self.given_scope(site, &route.next_hop), &route.tenant) {
                    (Scope::Tenant(owner), Some(tenant)) if !same_tenant(owner.as_deref(), Some(tenant)) => {
                        continue;
                    }
                    (_, Some(tenant)) => Scope::Tenant(Some(tenant.clone())),
                    (scope, None) => scope,
                };
                let kinds: Vec<(RouterIx, ExitKind)> = match &route.next_hop {
                    OnPremisesNextHop::Internet => self.everywhere(s, &ExitKind::Internet),
                    OnPremisesNextHop::Discard => self.everywhere(s, &ExitKind::Discard),
                    OnPremisesNextHop::Site(id) => self
                        .routers_of(id)
                        .into_iter()
                        .flat_map(|to| self.everywhere(s, &ExitKind::Towards(to)))
                        .collect(),
                    OnPremisesNextHop::Connection(id) => match self.topology.entity(id) {
                        Some(Entity::Connection(n)) if document.connections[n].connected => {
                            self.everywhere(s, &ExitKind::Vpn { connection: n })
                        }
                        _ => Vec::new(),
                    },
                    OnPremisesNextHop::Circuit { circuit, peering, link } => match self
                        .topology
                        .entity(circuit)
                    {
                        Some(Entity::Circuit(c)) => self.given_circuit(s, c, *peering, *link, &route.prefix),
                        _ => Vec::new(),
                    },
                };
                for (at, kind) in kinds {
                    let exit = Exit::new(at, kind, route.local_preference, scope.clone());
                    self.leads(route.prefix, Exit { only_site: Some(s), ..exit });
                }
            }
        }
    }

    /// Who follows a route given to a site: its own traffic. A provider carries many tenants, and its route into a
    /// circuit or connection is for the tenant that owns those (ISO-1).
    fn given_scope(&self, site: &OnPremisesSite, next_hop: &OnPremisesNextHop) -> Scope {
        if site.role != SiteRole::Provider {
            return Scope::Every;
        }
        let document = self.topology.document();
        match next_hop {
            OnPremisesNextHop::Circuit { circuit, .. } => match self.topology.entity(circuit) {
                Some(Entity::Circuit(c)) => Scope::Tenant(document.express_route_circuits[c].tenant.clone()),
                _ => Scope::Every,
            },
            OnPremisesNextHop::Connection(id) => match self.topology.entity(id) {
                Some(Entity::Connection(n)) => Scope::Tenant(self.connection_tenant(n)),
                _ => Scope::Every,
            },
            _ => Scope::Every,
        }
    }

    /// The tenant of the network whose gateway has a connection.
    pub(super) fn connection_tenant(&self, n: usize) -> Option<String> {
        let document = self.topology.document();
        let Some(Entity::Gateway(g)) = self.topology.entity(&document.connections[n].virtual_network_gateway)
        else {
            return None;
        };
        match self.topology.entity(&document.virtual_network_gateways[g].virtual_network) {
            Some(Entity::VirtualNetwork(v)) => document.virtual_networks[v].tenant.clone(),
            _ => None,
        }
    }

    fn everywhere(&self, s: usize, kind: &ExitKind) -> Vec<(RouterIx, ExitKind)> {
        self.world.by_site[s].iter().map(|at| (*at, kind.clone())).collect()
    }

    /// A given route over a circuit leaves where the circuit ends in the site, by the links that are up; over private
    /// peering to every gateway linked to it whose space overlaps the route.
    fn given_circuit(
        &mut self,
        s: usize,
        c: usize,
        peering: PeeringType,
        only: Option<LinkRole>,
        prefix: &IpNet,
    ) -> Vec<(RouterIx, ExitKind)> {
        let document = self.topology.document();
        let circuit = &document.express_route_circuits[c];
        let mut found = Vec::new();
        for link in LinkRole::BOTH {
            if only.is_some_and(|only| only != link)
                || !circuit.link(link).up
                || circuit.peering(peering).is_none()
            {
                continue;
            }
            let ends: Vec<RouterIx> = self
                .circuit_ends(c, circuit, peering, link)
                .into_iter()
                .filter(|at| self.world.routers[*at].site == s)
                .collect();
            let mut kinds = Vec::new();
            if peering == PeeringType::AzurePrivatePeering {
                for (space, kind) in self.private_prefixes(c, link) {
                    if crate::model::overlap(&space, prefix) && !kinds.contains(&kind) {
                        kinds.push(kind);
                    }
                }
            } else {
                kinds.push(ExitKind::Public { circuit: c, link, peering });
            }
            for at in ends {
                found.extend(kinds.iter().map(|kind| (at, kind.clone())));
            }
        }
        found
    }
}
