//! Where gateway routes come from, and which networks take them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::{ControlPlane, Domain, DomainOwner, Subscription, Transit};
use super::{Builder, is_basic, vnet_ix};
use crate::model::same_region;
use crate::model::{
    Entity, GatewayType, HubRoutingPreference, HubVirtualNetworkConnection, ResourceId, VirtualHub,
};

impl Builder<'_> {
    /// One domain per network that has gateways or a Route Server, in the document's order, then one per hub.
    pub(super) fn domains(&mut self, plane: &mut ControlPlane) {
        let document = self.topology.document();
        let vnet_of = |id: &ResourceId| match self.topology.entity(id) {
            Some(Entity::VirtualNetwork(v)) => Some(v),
            _ => None,
        };
        let mut by_vnet: BTreeMap<usize, Domain> = BTreeMap::new();
        let empty = |v: usize| Domain {
            owner: DomainOwner::VirtualNetwork(v),
            route_server: None,
            express_route: Vec::new(),
            vpn: Vec::new(),
            preference: HubRoutingPreference::default(),
            transit: Transit::Allowed,
            table: None,
            offers: Arc::default(),
            events: Vec::new(),
        };
        for (g, gateway) in document.virtual_network_gateways.iter().enumerate() {
            let Some(v) = vnet_of(&gateway.virtual_network) else { continue };
            let domain = by_vnet.entry(v).or_insert_with(|| empty(v));
            match gateway.gateway_type {
                GatewayType::ExpressRoute => domain.express_route.push(g),
                GatewayType::Vpn => domain.vpn.push(g),
                GatewayType::LocalGateway => {}
            }
        }
        for (r, server) in document.route_servers.iter().enumerate() {
            let Some(v) = vnet_of(&server.virtual_network) else { continue };
            let domain = by_vnet.entry(v).or_insert_with(|| empty(v));
            domain.route_server = Some(r);
            domain.preference = server.hub_routing_preference;
        }
        by_vnet.retain(|_, d| d.route_server.is_some() || !d.express_route.is_empty() || !d.vpn.is_empty());
        plane.domains = by_vnet.into_values().collect();
        // Basic VPN gateways give no transit (PEER-7): where one stands beside others, those that use the network's
        // gateways from outside see a domain without it.
        for at in 0..plane.domains.len() {
            let domain = &plane.domains[at];
            let vpn: Vec<usize> = domain
                .vpn
                .iter()
                .copied()
                .filter(|g| !is_basic(&document.virtual_network_gateways[*g]))
                .collect();
            let others = domain.route_server.is_some() || !domain.express_route.is_empty() || !vpn.is_empty();
            if vpn.len() == domain.vpn.len() {
                continue;
            }
            if others {
                let transit = Domain {
                    owner: domain.owner,
                    route_server: domain.route_server,
                    express_route: domain.express_route.clone(),
                    vpn,
                    preference: domain.preference,
                    transit: Transit::Only,
                    table: None,
                    offers: Arc::default(),
                    events: Vec::new(),
                };
                plane.domains.push(transit);
            }
            plane.domains[at].transit = Transit::Never;
        }
        // One for each table of a hub that connections are associated with, the default one in any case (VWAN-1).
        for (h, hub) in document.virtual_hubs.iter().enumerate() {
            let mut tables: Vec<Option<String>> = vec![None];
            for connection in &hub.virtual_network_connections {
                let table = table_of(connection);
                if !tables.contains(&table) {
                    tables.push(table);
                }
            }
            plane.domains.extend(tables.into_iter().map(|table| Domain {
                owner: DomainOwner::Hub(h),
                route_server: None,
                express_route: Vec::new(),
                vpn: Vec::new(),
                preference: hub.hub_routing_preference,
                transit: Transit::Never,
                table,
                offers: Arc::default(),
                events: Vec::new(),
            }));
        }
    }

    /// Where each network takes gateway routes from: its own domain, else a remote one (PEER-6, PEER-7), else its hub
    /// (UDR-5 gives the same order).
    pub(super) fn subscriptions(&mut self, domains: &[Domain]) -> Vec<Option<Subscription>> {
        let document = self.topology.document();
        let of_network = |wanted: fn(Transit) -> bool| -> HashMap<usize, usize> {
            let networks = domains.iter().enumerate().filter_map(|(d, domain)| match domain.owner {
                DomainOwner::VirtualNetwork(v) if wanted(domain.transit) => Some((v, d)),
                _ => None,
            });
            networks.collect()
        };
        let own = of_network(|transit| transit != Transit::Only);
        let transit = of_network(|transit| transit != Transit::Never);
        let mut hub_of: HashMap<usize, Subscription> = HashMap::new();
        for (d, domain) in domains.iter().enumerate() {
            let DomainOwner::Hub(h) = domain.owner else { continue };
            for connection in &document.virtual_hubs[h].virtual_network_connections {
                if table_of(connection) != domain.table {
                    continue;
                }
                if let Some(Entity::VirtualNetwork(v)) =
                    self.topology.entity(&connection.remote_virtual_network)
                {
                    let default_route = connection.enable_internet_security;
                    hub_of.entry(v).or_insert(Subscription { domain: d, default_route });
                }
            }
        }
        let mut subscriptions = Vec::with_capacity(document.virtual_networks.len());
        for (v, vnet) in document.virtual_networks.iter().enumerate() {
            let whole = |domain: usize| Subscription { domain, default_route: true };
            let remote = || {
                vnet.peerings.iter().filter(|half| half.use_remote_gateways).find_map(|half| {
                    let Some(Entity::VirtualNetwork(hub)) =
                        self.topology.entity(&half.remote_virtual_network)
                    else {
                        return None;
                    };
                    let reverse = self.topology.reverse_peering(vnet, half)?;
                    let global = !same_region(vnet, &document.virtual_networks[hub]);
                    let usable = self.topology.is_connected(vnet, half)
                        && reverse.allow_gateway_transit
                        && (!global || self.topology.era().global_gateway_transit());
                    usable.then(|| transit.get(&hub).copied())?
                })
            };
            let subscription = match own.get(&v) {
                Some(domain) => Some(whole(*domain)),
                None => remote().map(whole).or_else(|| hub_of.get(&v).copied()),
            };
            if let Some(Subscription { domain, .. }) = subscription
                && matches!(domains[domain].owner, DomainOwner::VirtualNetwork(_))
            {
                for gateway in domains[domain].express_route.iter().chain(&domains[domain].vpn) {
                    self.served.entry(*gateway).or_default().push(v);
                }
            }
            subscriptions.push(subscription);
        }
        // A gateway's own network comes first.
        for (gateway, served) in &mut self.served {
            let own = document.virtual_network_gateways.get(*gateway).and_then(|g| vnet_ix(self.topology, g));
            served.sort_by_key(|v| (Some(*v) != own, *v));
        }
        subscriptions
    }
}

/// The table that a connection is associated with; none is the default one.
fn table_of(connection: &HubVirtualNetworkConnection) -> Option<String> {
    let name = connection.associated_route_table.as_ref().map(|id| id.name().to_ascii_lowercase());
    name.filter(|name| !name.eq_ignore_ascii_case(VirtualHub::DEFAULT_ROUTE_TABLE))
}
