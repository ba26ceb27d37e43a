//! Virtual networks, subnets and peerings.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Date, ResourceId, is_default, yes};

/// `Microsoft.Network/virtualNetworks`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VirtualNetwork {
    /// Its id.
    pub id: ResourceId,
    /// The tenant (address realm, rule ISO-1) it belongs to; none is the default tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The Azure region, which decides between `VNetPeering` and `VNetGlobalPeering` (PEER-1). Compared without case
    /// and blanks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The geopolitical area of the region, such as `Europe`, which decides what circuits reach it (ER-17). Not set is not
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geopolitical_area: Option<String>,
    /// The address space, IPv4 and IPv6 mixed as Azure has it.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub address_space: Vec<IpNet>,
    /// Its subnets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<Subnet>,
    /// The peerings it owns, one direction each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peerings: Vec<VirtualNetworkPeering>,
    /// Members of a network-manager mesh carry the name of their connected group here (PEER-14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected_group: Option<String>,
    /// `bgpCommunities.virtualNetworkCommunity`, such as `12076:20001` (ER-24).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bgp_community: Option<String>,
    /// `bgpCommunities.regionalCommunity`, such as `12076:50004`: the region's (ER-24).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regional_bgp_community: Option<String>,
    /// The day it was created, which decides whether its subnets are private by default (OUT-4). Unknown counts as
    /// before 2026-03-31.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Date>,
    /// Azure's tags, by name: what sets of positions are told by ([`PositionSet::tagged`](crate::PositionSet::tagged)).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl VirtualNetwork {
    /// A virtual network with this id and address space and nothing else.
    pub fn new(id: impl Into<ResourceId>, address_space: impl IntoIterator<Item = IpNet>) -> Self {
        Self { id: id.into(), address_space: address_space.into_iter().collect(), ..Self::default() }
    }

    /// The id of one of its subnets.
    pub fn subnet_id(&self, name: &str) -> ResourceId {
        self.id.child("subnets", name)
    }
}

/// A subnet. Its id is the virtual network's id followed by `/subnets/{name}`.
///
/// Names with meaning: `GatewaySubnet`, `AzureFirewallSubnet`, `AzureFirewallManagementSubnet`, `RouteServerSubnet`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Subnet {
    /// Its name, unique in the virtual network without regard to case.
    pub name: String,
    /// Its prefixes: at most one of IPv4 in practice, and /64 for IPv6 (V6-1).
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub address_prefixes: Vec<IpNet>,
    /// The bound route table, if any (UDR-1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_table: Option<ResourceId>,
    /// The network security group on the subnet (NSG-1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_security_group: Option<ResourceId>,
    /// The NAT gateway of the subnet (OUT-1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat_gateway: Option<ResourceId>,
    /// Service endpoints enabled here (SE-1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service_endpoints: Vec<ServiceEndpoint>,
    /// Whether route tables and security groups apply to private endpoints **in this subnet** (PE-4, PE-5).
    #[serde(default, skip_serializing_if = "is_default")]
    pub private_endpoint_network_policies: PrivateEndpointNetworkPolicies,
    /// `defaultOutboundAccess`: false makes it a private subnet (OUT-4). Not set follows the era.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_outbound_access: Option<bool>,
}

impl Subnet {
    /// A subnet with this name and one prefix.
    pub fn new(name: impl Into<String>, address_prefix: IpNet) -> Self {
        Self {
            name: name.into(),
            address_prefixes: vec![address_prefix],
            route_table: None,
            network_security_group: None,
            nat_gateway: None,
            service_endpoints: Vec::new(),
            private_endpoint_network_policies: PrivateEndpointNetworkPolicies::default(),
            default_outbound_access: None,
        }
    }
}

/// A service endpoint on a subnet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServiceEndpoint {
    /// The service as ARM names it, such as `Microsoft.Storage`. The prefixes come from the service tag of the last
    /// part (`Storage`, `Sql`, …).
    pub service: String,
    /// Regions, as ARM lists them. Empty or `*` means the global tag; otherwise the regional tags (SE-7).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<String>,
    /// An exact prefix list that replaces the tag's, where the scenario knows it (SE-7).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub prefixes: Vec<IpNet>,
}

impl ServiceEndpoint {
    /// An endpoint for the whole service.
    pub fn new(service: impl Into<String>) -> Self {
        Self { service: service.into(), locations: Vec::new(), prefixes: Vec::new() }
    }
}

/// `privateEndpointNetworkPolicies` of a subnet (PE-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum PrivateEndpointNetworkPolicies {
    /// Neither applies.
    #[default]
    Disabled,
    /// Both apply.
    Enabled,
    /// Only security groups apply.
    NetworkSecurityGroupEnabled,
    /// Only route tables apply.
    RouteTableEnabled,
}

impl PrivateEndpointNetworkPolicies {
    /// Whether user-defined routes of clients can invalidate the endpoint's host route (PE-4).
    pub fn route_tables_apply(self) -> bool {
        matches!(self, Self::Enabled | Self::RouteTableEnabled)
    }

    /// Whether security groups apply to the endpoint (NSG-15).
    pub fn security_groups_apply(self) -> bool {
        matches!(self, Self::Enabled | Self::NetworkSecurityGroupEnabled)
    }
}

/// One direction of a peering, owned by the virtual network it stands in. Its id is the owner's id followed by
/// `/virtualNetworkPeerings/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VirtualNetworkPeering {
    /// Its name.
    pub name: String,
    /// The virtual network at the far end; it may be missing from the topology.
    pub remote_virtual_network: ResourceId,
    /// Whether traffic may pass at all (PEER-4).
    #[serde(default = "yes")]
    pub allow_virtual_network_access: bool,
    /// Whether packets whose source is outside the sending virtual network are let **in** (PEER-5).
    #[serde(default)]
    pub allow_forwarded_traffic: bool,
    /// Hub side of gateway transit (PEER-6).
    #[serde(default)]
    pub allow_gateway_transit: bool,
    /// Spoke side of gateway transit (PEER-6).
    #[serde(default)]
    pub use_remote_gateways: bool,
    /// The state Azure reports. Not set, as in templates, means connected where the far end has its own half (or is
    /// not part of the topology).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peering_state: Option<PeeringState>,
    /// The far address space **as last synced**, which is what Azure routes. Empty means the far network's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub remote_address_space: Vec<IpNet>,
    /// False for subnet peering (PEER-15).
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub peer_complete_vnets: bool,
    /// Subnet peering: the local subnets offered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub local_subnet_names: Vec<String>,
    /// Subnet peering: the far subnets reached; each is one row (PEER-15).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remote_subnet_names: Vec<String>,
    /// Only the IPv6 prefixes are peered.
    #[serde(default, skip_serializing_if = "is_default")]
    pub enable_only_ipv6_peering: bool,
}

impl VirtualNetworkPeering {
    /// A peering with Azure's default flags: access allowed, everything else off.
    pub fn new(name: impl Into<String>, remote: impl Into<ResourceId>) -> Self {
        Self {
            name: name.into(),
            remote_virtual_network: remote.into(),
            allow_virtual_network_access: true,
            allow_forwarded_traffic: false,
            allow_gateway_transit: false,
            use_remote_gateways: false,
            peering_state: None,
            remote_address_space: Vec::new(),
            peer_complete_vnets: true,
            local_subnet_names: Vec::new(),
            remote_subnet_names: Vec::new(),
            enable_only_ipv6_peering: false,
        }
    }
}

/// `peeringState` of one half of a peering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum PeeringState {
    /// Only this half exists.
    Initiated,
    /// Both halves exist.
    Connected,
    /// The other half was deleted.
    Disconnected,
}
