//! Plain data: what was declared, never what was computed.
//!
//! Names are Azure's for Azure things. Every type is a serde type with public fields; a [`Document`] holds them all,
//! and a [`Topology`] is a document that was checked once. This module imports no other stage.

pub mod bgp;
mod builder;
mod compute;
mod document;
mod effective_route;
mod element;
mod express_route;
mod failure;
mod gateway;
mod hub;
mod id;
mod knobs;
pub mod limits;
mod nsg;
mod on_premises;
mod route_table;
#[cfg(feature = "schema")]
mod schema;
mod scope;
pub mod tables;
mod topology;
mod vnet;

use std::net::IpAddr;

use ipnet::IpNet;

pub use bgp::{Asn, AsnError};
pub use builder::{BuildError, TopologyBuilder};
pub use compute::{
    AppliancePolicy, AzureFirewall, Backend, DestinationNat, FrontendIpConfiguration, GuestRoute,
    IpConfiguration, LoadBalancer, LoadBalancerSku, NatGateway, NetworkInterface, NetworkVirtualAppliance,
    PrivateEndpoint, PublicIpAddress, ServiceTag, Snat,
};
#[cfg(feature = "import")]
pub(crate) use document::LISTS;
pub use document::{Change, ChangeError, Document, Resource, SCHEMA_VERSION, Tenant};
pub use effective_route::{EffectiveNextHopType, EffectiveRouteRow, RouteSource, RouteState};
pub use element::{Element, ElementError};
pub use express_route::{
    BgpServiceCommunity, CircuitLink, CircuitPeering, CircuitSkuTier, ExpressRouteCircuit, LinkRole,
    MICROSOFT_365_COMMUNITIES, PeeringType, RouteFilter,
};
pub(crate) use failure::are_of_sessions;
pub use gateway::{
    BgpConnection, Connection, ConnectionType, GatewayType, HubRoutingPreference, LearnedRoute,
    LocalNetworkGateway, RouteServer, VirtualNetworkGateway, VpnType,
};
pub use hub::{
    HubBgpConnection, HubNextHop, HubRoute, HubRouteTable, HubVirtualNetworkConnection, Propagation,
    RoutingIntent, StaticVnetRoute, VirtualHub, VnetLocalRouteOverride,
};
pub use id::{Date, DateError, ResourceId};
pub use knobs::{
    BgpShadow, CrossTenantLinks, Era, ForwardedTraffic, Knobs, Limits, NoneProfile, PRIVATE_SUBNETS_DEFAULT,
    PUBLIC_PEERING_CLOSED, ROUTE_FILTER_REQUIRED, SePrecedence,
};
pub use nsg::{
    NetworkSecurityGroup, SecurityRule, SecurityRuleAccess, SecurityRuleDirection, SecurityRuleProtocol,
};
pub use on_premises::{
    Advertisement, HostRange, OnPremisesLink, OnPremisesNextHop, OnPremisesRoute, OnPremisesSite,
    OverlayTunnel, Router, SiteRole, TunnelEnd,
};
pub use route_table::{AddressPrefix, RouteNextHopType, RouteTable, UnknownNextHopType, UserDefinedRoute};
#[cfg(feature = "schema")]
pub use schema::schema;
#[allow(unused_imports, reason = "used by later stages")]
pub(crate) use scope::{
    PRIVATE_PREFIXES, is_default_route, is_private, is_private_address, same_region, same_tenant,
};
pub(crate) use topology::Entity;
pub use topology::{Problem, Reason, Topology, TopologyError, UnresolvedReference};
pub use vnet::{
    PeeringState, PrivateEndpointNetworkPolicies, ServiceEndpoint, Subnet, VirtualNetwork,
    VirtualNetworkPeering,
};

/// Serde default for flags that are on unless switched off.
fn yes() -> bool {
    true
}

/// Serde helper: leave out what has its default value.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads a prefix; a bare address counts as a host prefix. Host bits are kept.
pub(crate) fn parse_prefix(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Whether two prefixes share an address.
pub(crate) fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// Whether both belong to one address family.
pub(crate) fn same_family(a: &IpNet, b: &IpAddr) -> bool {
    a.addr().is_ipv4() == b.is_ipv4()
}
