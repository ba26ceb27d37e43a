//! Virtual hubs of a virtual WAN: who is connected, which tables they use, and what was configured by hand.
//!
//! A hub's gateways are [`VirtualNetworkGateway`](super::VirtualNetworkGateway)s whose `virtual_network` names the hub,
//! their branches [`Connection`](super::Connection)s; its firewall is an [`AzureFirewall`](super::AzureFirewall) or a
//! [`NetworkVirtualAppliance`](super::NetworkVirtualAppliance) with `virtual_hub`.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use super::{Asn, HubRoutingPreference, LearnedRoute, ResourceId, is_default, yes};

/// `Microsoft.Network/virtualHubs` of a virtual WAN.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VirtualHub {
    /// Its id.
    pub id: ResourceId,
    /// Its own prefix, a protected row in every spoke (VWAN-2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::model::schema::Prefix>"))]
    pub address_prefix: Option<IpNet>,
    /// The Azure region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The virtual WAN it belongs to. Hubs of one WAN exchange routes (VWAN-8); a hub without one stands alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_wan: Option<ResourceId>,
    /// `hubRoutingPreference` (VWAN-6).
    #[serde(default, skip_serializing_if = "is_default")]
    pub hub_routing_preference: HubRoutingPreference,
    /// Its connected virtual networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub virtual_network_connections: Vec<HubVirtualNetworkConnection>,
    /// Its route tables (VWAN-1). `defaultRouteTable`, with the label `default`, and `noneRouteTable`, with the label
    /// `none`, need not stand here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub route_tables: Vec<HubRouteTable>,
    /// Where its branches propagate to; all of them alike, and all are associated with `defaultRouteTable` (VWAN-1).
    #[serde(default, skip_serializing_if = "is_default")]
    pub branch_propagation: Propagation,
    /// `virtualHubs/routingIntent` (VWAN-11).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_intent: Option<RoutingIntent>,
    /// Its BGP peers: appliances in connected virtual networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bgp_connections: Vec<HubBgpConnection>,
    /// Routes it is declared to know beside its spokes' spaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned_routes: Vec<LearnedRoute>,
    /// The addresses Azure prints as next hop of the hub's routes in spokes (VOC-13).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub route_next_hop_addresses: Vec<IpAddr>,
}

impl VirtualHub {
    /// The table that connections use unless they say otherwise (VWAN-1).
    pub const DEFAULT_ROUTE_TABLE: &'static str = "defaultRouteTable";
    /// The table that holds nothing (VWAN-1).
    pub const NONE_ROUTE_TABLE: &'static str = "noneRouteTable";

    /// A hub without connections, by the preference ExpressRoute.
    pub fn new(id: impl Into<ResourceId>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// The id of one of its route tables.
    pub fn route_table_id(&self, name: &str) -> ResourceId {
        self.id.child("hubRouteTables", name)
    }

    /// The id of one of its connections.
    pub fn connection_id(&self, name: &str) -> ResourceId {
        self.id.child("hubVirtualNetworkConnections", name)
    }

    /// The id of one of its BGP peers.
    pub fn bgp_connection_id(&self, name: &str) -> ResourceId {
        self.id.child("bgpConnections", name)
    }
}

/// `virtualHubs/hubVirtualNetworkConnections` with their `routingConfiguration`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HubVirtualNetworkConnection {
    /// Its name.
    pub name: String,
    /// The connected virtual network.
    pub remote_virtual_network: ResourceId,
    /// Whether it takes the hub's default route (VWAN-4).
    #[serde(default = "yes")]
    pub enable_internet_security: bool,
    /// The table whose routes it takes; none is `defaultRouteTable` (VWAN-1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub associated_route_table: Option<ResourceId>,
    /// The tables that take its routes (VWAN-1).
    #[serde(default, skip_serializing_if = "is_default")]
    pub propagation: Propagation,
    /// `vnetRoutes.staticRoutes`: prefixes that the hub sends to an address behind the connection (VWAN-15).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub static_routes: Vec<StaticVnetRoute>,
    /// `staticRoutesConfig.propagateStaticRoutes`: whether those routes go to the tables it propagates to; otherwise they
    /// only say how the hub reaches what tables send to this connection.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub propagate_static_routes: bool,
    /// `staticRoutesConfig.vnetLocalRouteOverrideCriteria`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub vnet_local_route_override: VnetLocalRouteOverride,
}

impl HubVirtualNetworkConnection {
    /// A connection with the default table, which takes the default route.
    pub fn new(name: impl Into<String>, virtual_network: impl Into<ResourceId>) -> Self {
        Self {
            name: name.into(),
            remote_virtual_network: virtual_network.into(),
            enable_internet_security: true,
            associated_route_table: None,
            propagation: Propagation::default(),
            static_routes: Vec::new(),
            propagate_static_routes: true,
            vnet_local_route_override: VnetLocalRouteOverride::Contains,
        }
    }
}

/// `propagatedRouteTables`: which tables take a connection's routes. Nothing stated is the label `default` (VWAN-1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Propagation {
    /// Tables by id, of this hub or another of the same virtual WAN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub route_tables: Vec<ResourceId>,
    /// Tables by label, in every hub of the virtual WAN; compared without case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

impl Propagation {
    /// To no table: the label `none`.
    pub fn none() -> Self {
        Self { route_tables: Vec::new(), labels: vec!["none".to_owned()] }
    }
}

/// `staticRoutes` of a connection: prefixes behind an address in the connected network (VWAN-15).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StaticVnetRoute {
    /// Its name.
    pub name: String,
    /// The prefixes.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub address_prefixes: Vec<IpNet>,
    /// The appliance, or the front end before several.
    pub next_hop_ip_address: IpAddr,
}

/// `vnetLocalRouteOverrideCriteria`: which static routes take the place of the connected network's own space, so that
/// packets for its workloads pass the next hop too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum VnetLocalRouteOverride {
    /// Those that hold it.
    #[default]
    Contains,
    /// Those that equal it; the next hop is bypassed otherwise.
    Equal,
}

/// `virtualHubs/hubRouteTables`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HubRouteTable {
    /// Its name.
    pub name: String,
    /// Its labels, by which connections of every hub of the virtual WAN propagate to it; compared without case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Its static routes (VWAN-3).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<HubRoute>,
}

/// A static route of a hub's table (VWAN-3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HubRoute {
    /// Its name.
    pub name: String,
    /// The prefixes.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub destinations: Vec<IpNet>,
    /// Where they lead.
    pub next_hop: HubNextHop,
}

/// Where a static route of a hub leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HubNextHop {
    /// A connection of the hub, or the firewall or appliance that stands in it.
    Resource(ResourceId),
    /// An address in a connected network: what a hub's own `routeTable` of older API versions names.
    IpAddress(IpAddr),
}

/// `virtualHubs/routingIntent`: the firewall or appliance of the hub that traffic passes (VWAN-11).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoutingIntent {
    /// Next hop of the policy `PrivateTraffic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_traffic: Option<ResourceId>,
    /// Next hop of the policy `Internet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internet: Option<ResourceId>,
    /// Prefixes that count as private beside 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub additional_private_prefixes: Vec<IpNet>,
    /// Whether circuits reach each other through the hub, which support enables; excludes Global Reach (VWAN-10).
    #[serde(default, skip_serializing_if = "is_default")]
    pub express_route_transit: bool,
}

impl RoutingIntent {
    /// What every private policy holds.
    pub const PRIVATE_PREFIXES: [Ipv4Net; 3] = [
        Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
        Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
        Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
    ];

    /// What counts as private: the three ranges and what was added.
    pub fn private_prefixes(&self) -> Vec<IpNet> {
        let usual = Self::PRIVATE_PREFIXES.into_iter().map(IpNet::V4);
        usual.chain(self.additional_private_prefixes.iter().copied()).collect()
    }
}

/// `virtualHubs/bgpConnections`: an appliance in a connected network that peers with the hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HubBgpConnection {
    /// Its name.
    pub name: String,
    /// The peer's address.
    pub peer_ip: IpAddr,
    /// The peer's ASN.
    pub peer_asn: Asn,
    /// The connection behind which the peer stands; none is the one whose network holds the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub_virtual_network_connection: Option<ResourceId>,
}
