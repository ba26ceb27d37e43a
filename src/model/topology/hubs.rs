//! What is checked of virtual hubs and their gateways.

use std::collections::{BTreeSet, HashMap};

use ipnet::IpNet;

use super::{Checker, Entity, Reason};
use crate::model::{
    ConnectionType, Document, HubNextHop, HubRouteTable, Propagation, ResourceId, VirtualHub, same_family,
};

type Index = HashMap<ResourceId, Entity>;

impl Checker {
    /// One hub: names, tables, and what routing intent excludes.
    pub(super) fn hub(&mut self, hub: &VirtualHub, index: &Index) {
        let connections = &hub.virtual_network_connections;
        self.names(&hub.id, "virtual_network_connections", connections.iter().map(|c| &*c.name));
        self.names(&hub.id, "route_tables", hub.route_tables.iter().map(|t| &*t.name));
        self.names(&hub.id, "bgp_connections", hub.bgp_connections.iter().map(|b| &*b.name));
        if hub.address_prefix.is_some_and(|prefix| prefix.addr().is_ipv6()) {
            self.problem(&hub.id, "address_prefix", Reason::NotAllowed(V4_ONLY));
        }
        for table in &hub.route_tables {
            self.hub_route_table(hub, table);
        }
        for connection in connections {
            let id = hub.connection_id(&connection.name);
            self.names(&id, "static_routes", connection.static_routes.iter().map(|r| &*r.name));
            let mut seen = BTreeSet::new();
            for route in &connection.static_routes {
                self.destinations(&id, "static_routes", &route.address_prefixes, &mut seen);
                if route.address_prefixes.iter().any(|p| !same_family(p, &route.next_hop_ip_address)) {
                    self.problem(&id, "static_routes", Reason::WrongFamily);
                }
            }
        }
        for peer in &hub.bgp_connections {
            if peer.peer_ip.is_ipv6() {
                let id = hub.bgp_connection_id(&peer.name);
                self.problem(&id, "peer_ip", Reason::NotAllowed(V4_ONLY));
            }
        }
        self.routing_intent(hub, index);
    }

    fn hub_route_table(&mut self, hub: &VirtualHub, table: &HubRouteTable) {
        let id = hub.route_table_id(&table.name);
        self.names(&id, "routes", table.routes.iter().map(|r| &*r.name));
        if table.name.eq_ignore_ascii_case(VirtualHub::NONE_ROUTE_TABLE) && !table.routes.is_empty() {
            let reason = Reason::NotAllowed("noneRouteTable holds no routes (VWAN-1)");
            self.problem(&id, "routes", reason);
        }
        let mut seen = BTreeSet::new();
        for route in &table.routes {
            self.destinations(&id, "routes", &route.destinations, &mut seen);
            if let HubNextHop::IpAddress(address) = &route.next_hop
                && route.destinations.iter().any(|p| !same_family(p, address))
            {
                self.problem(&id, "routes", Reason::WrongFamily);
            }
        }
    }

    /// Prefixes of a static route: some, IPv4, each once in its list.
    fn destinations(
        &mut self,
        id: &ResourceId,
        field: &'static str,
        prefixes: &[IpNet],
        seen: &mut BTreeSet<IpNet>,
    ) {
        if prefixes.is_empty() {
            self.problem(id, field, Reason::Missing);
        }
        for prefix in prefixes {
            if prefix.addr().is_ipv6() {
                self.problem(id, field, Reason::NotAllowed(V4_ONLY));
            } else if !seen.insert(prefix.trunc()) {
                self.problem(id, field, Reason::Duplicate(prefix.to_string()));
            }
        }
    }

    /// Intent takes the place of tables: none but the default one, without routes to connections (VWAN-12).
    fn routing_intent(&mut self, hub: &VirtualHub, index: &Index) {
        let Some(intent) = &hub.routing_intent else { return };
        if intent.private_traffic.is_none() && intent.internet.is_none() {
            self.problem(&hub.id, "routing_intent", Reason::Missing);
        }
        if intent.additional_private_prefixes.iter().any(|p| p.addr().is_ipv6()) {
            let field = "routing_intent.additional_private_prefixes";
            self.problem(&hub.id, field, Reason::NotAllowed(V4_ONLY));
        }
        let built_in = |name: &str| {
            [VirtualHub::DEFAULT_ROUTE_TABLE, VirtualHub::NONE_ROUTE_TABLE]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        };
        for table in &hub.route_tables {
            let id = hub.route_table_id(&table.name);
            if !built_in(&table.name) {
                let reason = "a hub with routing intent has no tables of its own (VWAN-12)";
                self.problem(&id, "name", Reason::NotAllowed(reason));
            }
            let to_connection = |hop: &HubNextHop| match hop {
                HubNextHop::Resource(id) => matches!(index.get(id), Some(Entity::HubConnection(..))),
                HubNextHop::IpAddress(_) => false,
            };
            if table.routes.iter().any(|route| to_connection(&route.next_hop)) {
                let reason = "a hub with routing intent has no static routes to its connections (VWAN-12)";
                self.problem(&id, "routes", Reason::NotAllowed(reason));
            }
        }
        for connection in &hub.virtual_network_connections {
            if connection.associated_route_table.as_ref().is_some_and(|table| !built_in(table.name())) {
                let id = hub.connection_id(&connection.name);
                let reason = "a hub with routing intent has no tables of its own (VWAN-12)";
                self.problem(&id, "associated_route_table", Reason::NotAllowed(reason));
            }
        }
    }

    /// A hub's gateways have branches only, and stand in no subnet.
    pub(super) fn hub_gateways(&mut self, document: &Document, index: &Index) {
        let of_hub = |gateway: &ResourceId| match index.get(gateway) {
            Some(Entity::Gateway(g)) => {
                let owner = &document.virtual_network_gateways[*g].virtual_network;
                matches!(index.get(owner), Some(Entity::Hub(_)))
            }
            _ => false,
        };
        for gateway in &document.virtual_network_gateways {
            if gateway.gateway_default_site.is_some() && of_hub(&gateway.id) {
                let reason = "a gateway of a hub has no default site";
                self.problem(&gateway.id, "gateway_default_site", Reason::NotAllowed(reason));
            }
        }
        for connection in &document.connections {
            let hub = of_hub(&connection.virtual_network_gateway);
            if hub && connection.connection_type == ConnectionType::Vnet2Vnet {
                let reason = "a gateway of a hub connects to sites and circuits only";
                self.problem(&connection.id, "connection_type", Reason::NotAllowed(reason));
            }
            if !hub
                && connection.enable_internet_security
                && index.contains_key(&connection.virtual_network_gateway)
            {
                let reason = "only connections of a hub's gateway take its default route (VWAN-4)";
                self.problem(&connection.id, "enable_internet_security", Reason::NotAllowed(reason));
            }
        }
    }

    pub(super) fn hub_references(&mut self, document: &Document, index: &Index) {
        for hub in &document.virtual_hubs {
            self.propagation(index, &hub.id, "branch_propagation.route_tables", &hub.branch_propagation);
            for connection in &hub.virtual_network_connections {
                let id = hub.connection_id(&connection.name);
                self.refer(index, &id, "remote_virtual_network", &connection.remote_virtual_network);
                if let Some(table) = &connection.associated_route_table {
                    self.hub_table(index, &id, "associated_route_table", table);
                }
                self.propagation(index, &id, "propagation.route_tables", &connection.propagation);
            }
            for table in &hub.route_tables {
                for route in &table.routes {
                    if let HubNextHop::Resource(to) = &route.next_hop {
                        self.refer(index, &hub.route_table_id(&table.name), "routes.next_hop", to);
                    }
                }
            }
            if let Some(intent) = &hub.routing_intent {
                for (field, to) in [
                    ("routing_intent.private_traffic", &intent.private_traffic),
                    ("routing_intent.internet", &intent.internet),
                ] {
                    if let Some(to) = to {
                        self.refer(index, &hub.id, field, to);
                    }
                }
            }
            for peer in &hub.bgp_connections {
                if let Some(to) = &peer.hub_virtual_network_connection {
                    let id = hub.bgp_connection_id(&peer.name);
                    self.refer(index, &id, "hub_virtual_network_connection", to);
                }
            }
        }
    }

    fn propagation(
        &mut self,
        index: &Index,
        from: &ResourceId,
        field: &'static str,
        propagation: &Propagation,
    ) {
        for table in &propagation.route_tables {
            self.hub_table(index, from, field, table);
        }
    }

    /// The two tables that every hub has need not be declared; the hub must.
    fn hub_table(&mut self, index: &Index, from: &ResourceId, field: &'static str, table: &ResourceId) {
        let known = [VirtualHub::DEFAULT_ROUTE_TABLE, VirtualHub::NONE_ROUTE_TABLE];
        let built_in = known.iter().any(|name| name.eq_ignore_ascii_case(table.name()));
        let hub = table.parent().filter(|_| built_in);
        if !hub.is_some_and(|hub| matches!(index.get(&hub), Some(Entity::Hub(_)))) {
            self.refer(index, from, field, table);
        }
    }
}

const V4_ONLY: &str = "hubs carry IPv4 only (VWAN-16)";
