//! Effective routes as a list: what Azure would print for a subnet, and what it would not.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::table::{CandidateState, Class, Handle, Selection, SubnetTable};
use crate::control_plane::{ControlPlane, Offer, Via};
use crate::model::{
    EffectiveNextHopType, EffectiveRouteRow, ResourceId, RouteNextHopType, RouteSource, RouteState,
    SePrecedence, Topology,
};
use crate::rule::{Decision, Rule};

/// One route that was considered for a subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its prefix.
    pub prefix: IpNet,
    /// Where it comes from.
    pub source: RouteSource,
    /// Where it leads.
    pub next_hop_type: EffectiveNextHopType,
    /// Next-hop addresses, sorted.
    pub next_hop_ip_addresses: Vec<IpAddr>,
    /// A user-defined route's name.
    pub name: Option<String>,
    /// What became of it.
    pub state: CandidateState,
    /// The rule that made it so: for an Active row the rule that made the row, otherwise the one that beat it.
    pub decided_by: Decision,
    /// The resource it comes from: peering, private endpoint, gateway, connection, hub; none for platform rows.
    pub origin: Option<ResourceId>,
    /// The AS path of a gateway route.
    pub as_path: Vec<crate::model::Asn>,
}

impl Candidate {
    /// The row Azure would list, if it would.
    pub fn row(&self) -> Option<EffectiveRouteRow> {
        let state = match self.state {
            CandidateState::Active => RouteState::Active,
            CandidateState::Invalid => RouteState::Invalid,
            CandidateState::Absent => return None,
        };
        Some(EffectiveRouteRow {
            prefix: self.prefix,
            source: self.source,
            state,
            next_hop_type: self.next_hop_type,
            next_hop_ip_addresses: self.next_hop_ip_addresses.clone(),
            name: self.name.clone(),
        })
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<7} {:<18} {} {}",
            self.state.to_string(),
            self.prefix,
            self.source,
            self.next_hop_type
        )?;
        for ip in &self.next_hop_ip_addresses {
            write!(f, " {ip}")?;
        }
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        if let Some(origin) = &self.origin {
            write!(f, " from {}", origin.name())?;
        }
        if !self.as_path.is_empty() {
            f.write_str(" as-path")?;
            for asn in &self.as_path {
                write!(f, " {asn}")?;
            }
        }
        write!(f, "  {{{}}}", self.decided_by)
    }
}

/// The effective routes of a subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveRoutes {
    subnet: ResourceId,
    candidates: Vec<Candidate>,
}

impl EffectiveRoutes {
    /// The subnet.
    pub fn subnet(&self) -> &ResourceId {
        &self.subnet
    }

    /// Every route that was considered, by prefix, the absent ones too.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The rows Azure would list, Active and Invalid, sorted. One row per prefix, source and state: equal-cost next hops
    /// stand in one row (VOC-12).
    pub fn rows(&self) -> Vec<EffectiveRouteRow> {
        let mut rows: Vec<_> = self.candidates.iter().filter_map(Candidate::row).collect();
        rows.sort();
        rows.dedup();
        rows
    }
}

/// What a table's candidates are read from.
pub(crate) struct View<'n> {
    pub(crate) topology: &'n Topology,
    pub(crate) plane: &'n ControlPlane,
    pub(crate) selection: &'n Selection,
    pub(crate) table: &'n SubnetTable,
}

impl View<'_> {
    /// Every candidate of the table.
    pub(crate) fn effective_routes(&self, subnet: ResourceId) -> EffectiveRoutes {
        let mut candidates: Vec<Candidate> = (0..self.table.locals.len()).map(|i| self.local(i)).collect();
        if let Some(subscription) = self.table.subscription {
            for (prefix, group) in self.selection.gateways[subscription.domain].by_prefix.iter() {
                self.gateway(prefix, *group, &mut candidates);
            }
        }
        for service in &self.table.services {
            for (prefix, ()) in self.selection.services[*service].prefixes.iter() {
                candidates.push(self.service(*service, prefix));
            }
        }
        candidates.sort_by(order);
        EffectiveRoutes { subnet, candidates }
    }

    /// Every candidate that covers an address, the longest first.
    pub(crate) fn covering(&self, address: IpAddr) -> Vec<Candidate> {
        let host = IpNet::from(address);
        let mut candidates = Vec::new();
        for (_, here) in self.table.by_prefix.covering(&host) {
            candidates.extend(here.iter().map(|i| self.local(*i)));
        }
        if let Some(subscription) = self.table.subscription {
            for (prefix, group) in self.selection.gateways[subscription.domain].by_prefix.covering(&host) {
                self.gateway(prefix, *group, &mut candidates);
            }
        }
        for service in &self.table.services {
            for (prefix, ()) in self.selection.services[*service].prefixes.covering(&host) {
                candidates.push(self.service(*service, prefix));
            }
        }
        candidates.sort_by(|a, b| {
            b.prefix
                .prefix_len()
                .cmp(&a.prefix.prefix_len())
                .then_with(|| a.state.cmp(&b.state))
                .then_with(|| order(a, b))
        });
        candidates
    }

    /// The candidate behind a handle of the compiled table; `prefix` is the one that matched.
    pub(crate) fn candidate(&self, handle: Handle, prefix: IpNet) -> Candidate {
        match handle {
            Handle::Local(i) => self.local(i as usize),
            Handle::Gateway(group) => {
                let mut found = Vec::new();
                self.gateway(prefix, group, &mut found);
                found.swap_remove(0)
            }
            Handle::Service(slot) => self.service(self.table.services[slot as usize], prefix),
        }
    }

    fn local(&self, i: usize) -> Candidate {
        use super::LocalKind as Kind;
        let document = self.topology.document();
        let local = &self.table.locals[i];
        let declared = self.table.route_table.map(|t| &document.route_tables[t]);
        let vnet = &document.virtual_networks[self.table.vnet];
        let user = match local.kind {
            Kind::User { route, .. } => declared.and_then(|t| t.routes.get(route)),
            _ => None,
        };
        let origin = match &local.kind {
            Kind::Peering { half, .. } => {
                Some(vnet.id.child("virtualNetworkPeerings", &vnet.peerings[*half].name))
            }
            Kind::ConnectedGroup { remote } => Some(document.virtual_networks[*remote].id.clone()),
            Kind::Hub { hub } => Some(document.virtual_hubs[*hub].id.clone()),
            Kind::PrivateEndpoint { endpoint } => Some(document.private_endpoints[*endpoint].id.clone()),
            Kind::User { .. } => declared.map(|t| t.id.clone()),
            Kind::VnetLocal | Kind::Internet | Kind::None => None,
        };
        let mut next_hops = user.map_or_else(Vec::new, |route| route.next_hop_ip_addresses.clone());
        if user.is_some_and(|route| route.next_hop_type == RouteNextHopType::VirtualNetworkGateway) {
            next_hops = self.designated_addresses();
        }
        next_hops.sort_unstable();
        next_hops.dedup();
        Candidate {
            prefix: local.prefix,
            source: if user.is_some() { RouteSource::User } else { RouteSource::Default },
            next_hop_type: local.kind.next_hop_type(declared),
            next_hop_ip_addresses: next_hops,
            name: user.map(|route| route.name.clone()),
            state: local.state,
            decided_by: local.decided_by,
            origin,
            as_path: Vec::new(),
        }
    }

    /// What a user route to the gateway prints: the addresses of the designated VPN gateway (UDR-5), none where none
    /// will do (UDR-6, UDR-7).
    fn designated_addresses(&self) -> Vec<IpAddr> {
        let domain = self.table.subscription.map(|s| &self.plane.domains[s.domain]);
        domain
            .and_then(|d| d.designated_vpn())
            .map_or_else(Vec::new, |g| self.plane.printed_next_hops[g].clone())
    }

    /// The route of a prefix as the table takes it, then those that the domain did not choose.
    fn gateway(&self, prefix: IpNet, group: u32, into: &mut Vec<Candidate>) {
        let Some(subscription) = self.table.subscription else { return };
        let domain = &self.plane.domains[subscription.domain];
        let group = &self.selection.gateways[subscription.domain].groups[group as usize];
        let stronger = |class: Class| {
            self.table.by_prefix.get(&prefix).into_iter().flatten().any(|i| {
                let local = &self.table.locals[*i];
                local.kind.class() == class && local.state == CandidateState::Active
            })
        };
        let served = self.table.se_precedence == SePrecedence::Documented
            && self
                .table
                .services
                .iter()
                .any(|s| self.selection.services[*s].prefixes.get(&prefix).is_some());
        // SEL-8, `ByActiveRow`: service endpoints are protected rows too.
        let inside_service = self.table.by_active_row
            && self.table.se_precedence == SePrecedence::Documented
            && self
                .table
                .services
                .iter()
                .any(|s| self.selection.services[*s].prefixes.longest(&prefix).is_some());
        let (state, decided_by) = match self.table.gateway_refusal(&prefix) {
            Some((state, rule)) => (state, Decision::stated(rule)),
            None if stronger(Class::User) => (CandidateState::Invalid, Decision::stated(Rule::SEL_4)),
            None if served || inside_service || stronger(Class::Protected) => {
                (CandidateState::Invalid, Decision::stated(Rule::SEL_5))
            }
            None => (CandidateState::Active, Decision::stated(group.decided_by())),
        };
        let Some(&first) = group.members.first() else { return };
        into.push(Candidate {
            next_hop_ip_addresses: group.next_hops.clone(),
            ..self.offer(prefix, &domain.offers[first], state, decided_by)
        });
        for (loser, rule) in &group.losers {
            let offer = &domain.offers[*loser];
            into.push(self.offer(prefix, offer, CandidateState::Absent, Decision::stated(*rule)));
        }
    }

    fn offer(&self, prefix: IpNet, offer: &Offer, state: CandidateState, decided_by: Decision) -> Candidate {
        let document = self.topology.document();
        let origin = match &offer.via {
            Via::ExpressRoute { connection: Some(c), .. } | Via::Vpn { connection: Some(c), .. } => {
                Some(document.connections[*c].id.clone())
            }
            Via::ExpressRoute { gateway, .. } | Via::Vpn { gateway, .. } => {
                Some(document.virtual_network_gateways[*gateway].id.clone())
            }
            Via::RouteServer { .. } => None,
            Via::Hub { hub, connection, .. } => {
                Some(connection.clone().unwrap_or_else(|| document.virtual_hubs[*hub].id.clone()))
            }
        };
        Candidate {
            prefix,
            source: RouteSource::VirtualNetworkGateway,
            next_hop_type: EffectiveNextHopType::VirtualNetworkGateway,
            next_hop_ip_addresses: offer.next_hops.clone(),
            name: None,
            state,
            decided_by,
            origin,
            as_path: offer.as_path.clone(),
        }
    }

    /// A prefix of a service endpoint (SE-1).
    fn service(&self, service: usize, prefix: IpNet) -> Candidate {
        let overridden = self.table.se_precedence == SePrecedence::LabObserved
            && (self.table.by_prefix.get(&prefix).into_iter().flatten().any(|i| {
                let local = &self.table.locals[*i];
                local.kind.class() >= Class::Protected && local.state == CandidateState::Active
            }) || self
                .table
                .subscription
                .is_some_and(|s| self.table.gateway_eligible(&self.selection.gateways[s.domain], &prefix)));
        let (state, decided_by) = if overridden {
            (CandidateState::Invalid, Decision::decided(Rule::SE_4))
        } else {
            (CandidateState::Active, Decision::stated(Rule::SE_1))
        };
        Candidate {
            prefix,
            source: RouteSource::Default,
            next_hop_type: EffectiveNextHopType::VirtualNetworkServiceEndpoint,
            next_hop_ip_addresses: Vec::new(),
            name: None,
            state,
            decided_by,
            origin: Some(ResourceId::new(&*self.selection.services[service].service)),
            as_path: Vec::new(),
        }
    }
}

fn order(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    let key = |c: &Candidate| (c.prefix, c.state, c.source, c.next_hop_type);
    key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name)).then_with(|| a.origin.cmp(&b.origin))
}
