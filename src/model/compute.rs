//! What stands in subnets: network interfaces, load balancers, appliances, firewalls, private endpoints, and the
//! resources that give them a way out.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{ResourceId, is_default, yes};

/// `Microsoft.Network/networkInterfaces`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NetworkInterface {
    /// Its id.
    pub id: ResourceId,
    /// Its IP configurations. The first marked primary, else the first of all, gives the address it sends from.
    #[serde(default)]
    pub ip_configurations: Vec<IpConfiguration>,
    /// `enableIPForwarding` (WALK-3).
    #[serde(default, skip_serializing_if = "is_default")]
    pub enable_ip_forwarding: bool,
    /// The security group on the interface (NSG-1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_security_group: Option<ResourceId>,
    /// The virtual machine it belongs to; interfaces of one machine form one appliance where no
    /// [`NetworkVirtualAppliance`] says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_machine: Option<ResourceId>,
    /// The private endpoint it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_endpoint: Option<ResourceId>,
    /// Whether this is the machine's primary interface, the only one that gets a guest default route (WALK-5).
    #[serde(default, skip_serializing_if = "is_default")]
    pub primary: bool,
}

impl NetworkInterface {
    /// An interface with one address in one subnet.
    pub fn new(id: impl Into<ResourceId>, subnet: impl Into<ResourceId>, address: IpAddr) -> Self {
        Self {
            id: id.into(),
            ip_configurations: vec![IpConfiguration {
                name: "ipconfig1".to_owned(),
                subnet: subnet.into(),
                private_ip_address: Some(address),
                public_ip_address: None,
                primary: true,
            }],
            ..Self::default()
        }
    }
}

/// One IP configuration of a network interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IpConfiguration {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The subnet it is in.
    pub subnet: ResourceId,
    /// Its address; missing on a dynamic interface that never ran, and in templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_ip_address: Option<IpAddr>,
    /// Its instance-level public address (OUT-1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_ip_address: Option<ResourceId>,
    /// Whether it is the primary configuration.
    #[serde(default, skip_serializing_if = "is_default")]
    pub primary: bool,
}

/// `Microsoft.Network/loadBalancers`, as far as they are next hops (internal front ends) or a way out (outbound
/// rules).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LoadBalancer {
    /// Its id.
    pub id: ResourceId,
    /// Its SKU; a Basic front end is not reachable over global peering (PEER-12).
    #[serde(default, skip_serializing_if = "is_default")]
    pub sku: LoadBalancerSku,
    /// Its front ends.
    #[serde(default)]
    pub frontend_ip_configurations: Vec<FrontendIpConfiguration>,
    /// Its backends: interfaces, or addresses in a virtual network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backends: Vec<Backend>,
    /// Whether it gives its backends outbound connectivity: an outbound rule, or a rule with outbound SNAT on a
    /// public front end (OUT-1).
    #[serde(default, skip_serializing_if = "is_default")]
    pub outbound: bool,
}

/// SKU of a load balancer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum LoadBalancerSku {
    /// The retired Basic SKU.
    Basic,
    /// Standard.
    #[default]
    Standard,
    /// Gateway load balancer.
    Gateway,
}

/// A front end of a load balancer: internal where it has a private address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FrontendIpConfiguration {
    /// Its name.
    pub name: String,
    /// The private address of an internal front end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_ip_address: Option<IpAddr>,
    /// The subnet of an internal front end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<ResourceId>,
    /// The public address of a public front end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_ip_address: Option<ResourceId>,
}

/// A backend of a load balancer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// The network interface, where the pool lists interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_interface: Option<ResourceId>,
    /// The address, where the pool lists addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<IpAddr>,
    /// Whether the health probe fails: such a backend gets no flow (WALK-9).
    #[serde(default, skip_serializing_if = "is_default")]
    pub unhealthy: bool,
}

/// A network virtual appliance in a virtual network: how the guest behaves.
///
/// An interface with IP forwarding that no appliance lists is an appliance of its own with the defaults of this type
/// (WALK-8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NetworkVirtualAppliance {
    /// Its id.
    pub id: ResourceId,
    /// Its interfaces; the first marked primary, else the first, carries the guest's default route (WALK-5).
    #[serde(default)]
    pub network_interfaces: Vec<ResourceId>,
    /// The virtual hub it stands in (VWAN-11); such an appliance has no interfaces of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_hub: Option<ResourceId>,
    /// Whether the guest forwards (`os_forwarding`, WALK-4).
    #[serde(default = "yes")]
    pub os_forwarding: bool,
    /// Whether it keeps flow state, so that it must see both directions (WALK-10).
    #[serde(default = "yes")]
    pub stateful: bool,
    /// What it does with forwarded packets (WALK-8).
    #[serde(default, skip_serializing_if = "is_default")]
    pub policy: AppliancePolicy,
    /// Whether it rewrites the source (WALK-8).
    #[serde(default, skip_serializing_if = "is_default")]
    pub snat: Snat,
    /// Destination rewrites, first match wins (WALK-8).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dnat: Vec<DestinationNat>,
    /// The guest's routing table, longest match; what it does not cover leaves by the primary interface (WALK-5).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guest_routes: Vec<GuestRoute>,
}

impl NetworkVirtualAppliance {
    /// A stateful appliance that forwards everything unchanged.
    pub fn new(id: impl Into<ResourceId>, interfaces: impl IntoIterator<Item = ResourceId>) -> Self {
        Self {
            id: id.into(),
            network_interfaces: interfaces.into_iter().collect(),
            virtual_hub: None,
            os_forwarding: true,
            stateful: true,
            policy: AppliancePolicy::Forward,
            snat: Snat::None,
            dnat: Vec::new(),
            guest_routes: Vec::new(),
        }
    }
}

/// What an appliance does with packets that it is asked to forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AppliancePolicy {
    /// Forwards them.
    #[default]
    Forward,
    /// Drops them.
    Deny,
}

/// Source rewriting by an appliance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Snat {
    /// Never.
    #[default]
    None,
    /// Only towards public destinations (outside RFC 1918, RFC 6598 and fc00::/7), as Azure Firewall does.
    Internet,
    /// Always.
    All,
}

/// A destination rewrite of an appliance or firewall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DestinationNat {
    /// The destination it matches.
    #[cfg_attr(feature = "schema", schemars(with = "crate::model::schema::Prefix"))]
    pub destination: IpNet,
    /// The destination port it matches; none matches every port. With a port set, an answer needs the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<u16>,
    /// The new destination.
    pub translated_address: IpAddr,
    /// The new port; none keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translated_port: Option<u16>,
}

/// A route in an appliance's guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GuestRoute {
    /// What it matches.
    #[cfg_attr(feature = "schema", schemars(with = "crate::model::schema::Prefix"))]
    pub prefix: IpNet,
    /// The interface by which it leaves; none drops the packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_interface: Option<ResourceId>,
}

/// `Microsoft.Network/azureFirewalls` in a virtual network or a virtual hub: a stateful appliance that rewrites sources towards the
/// Internet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AzureFirewall {
    /// Its id.
    pub id: ResourceId,
    /// Its subnet (`AzureFirewallSubnet`); none for a firewall in a virtual hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<ResourceId>,
    /// The virtual hub it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_hub: Option<ResourceId>,
    /// Its private address; missing in templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_ip_address: Option<IpAddr>,
    /// Its public addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_ip_addresses: Vec<ResourceId>,
    /// Destination ranges that are **not** rewritten. Empty means Azure's default: RFC 1918 and RFC 6598.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub private_ranges: Vec<IpNet>,
    /// What it does with packets that it is asked to forward; its rules are not modelled.
    #[serde(default, skip_serializing_if = "is_default")]
    pub policy: AppliancePolicy,
    /// Destination rewrites.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dnat: Vec<DestinationNat>,
}

/// `Microsoft.Network/publicIPAddresses`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PublicIpAddress {
    /// Its id.
    pub id: ResourceId,
    /// The address; missing while dynamic and unattached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<IpAddr>,
}

/// `Microsoft.Network/natGateways`. The subnet points at it (OUT-2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NatGateway {
    /// Its id.
    pub id: ResourceId,
    /// Its public addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_ip_addresses: Vec<ResourceId>,
}

/// `Microsoft.Network/privateEndpoints`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PrivateEndpoint {
    /// Its id.
    pub id: ResourceId,
    /// The subnet it is in.
    pub subnet: ResourceId,
    /// Its addresses, each a host route (PE-1). Empty takes those of its network interfaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private_ip_addresses: Vec<IpAddr>,
    /// Its network interfaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network_interfaces: Vec<ResourceId>,
    /// The resource it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_link_service: Option<ResourceId>,
}

/// A service tag with its prefixes, from the public download or the list API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServiceTag {
    /// The name, such as `Storage` or `Storage.WestEurope`; compared without case.
    pub name: String,
    /// The prefixes, both families mixed.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub address_prefixes: Vec<IpNet>,
}
