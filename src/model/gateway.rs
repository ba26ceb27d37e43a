//! Gateways and what they connect: virtual network gateways, local network gateways, connections and Route Server.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Asn, ResourceId, is_default, yes};

/// `Microsoft.Network/virtualNetworkGateways`, and the gateways of virtual hubs (`expressRouteGateways`, `vpnGateways`),
/// whose `virtual_network` names the hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VirtualNetworkGateway {
    /// Its id.
    pub id: ResourceId,
    /// The virtual network whose `GatewaySubnet` it stands in, or the virtual hub it serves.
    pub virtual_network: ResourceId,
    /// VPN or ExpressRoute.
    pub gateway_type: GatewayType,
    /// The SKU's name, such as `ErGw1Az` or `VpnGw2`; decides capacity limits (ER-20, BW-5) and VPN-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Policy-based VPN gateways speak no BGP (VPN-1).
    #[serde(default, skip_serializing_if = "is_default")]
    pub vpn_type: VpnType,
    /// Both instances carry traffic (VPN-8).
    #[serde(default, skip_serializing_if = "is_default")]
    pub active_active: bool,
    /// Whether BGP is on.
    #[serde(default, skip_serializing_if = "is_default")]
    pub enable_bgp: bool,
    /// Its ASN, 65515 unless changed (BGP-1).
    #[serde(default = "gateway_asn")]
    pub asn: Asn,
    /// The instances' addresses inside `GatewaySubnet`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bgp_peering_addresses: Vec<IpAddr>,
    /// Its public addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_ip_addresses: Vec<ResourceId>,
    /// The local network gateway to which it forces all traffic (FT-3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_default_site: Option<ResourceId>,
    /// Address pools of point-to-site clients (VPN-14).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub vpn_client_address_pools: Vec<IpNet>,
    /// Whether traffic from other virtual networks on the same circuit is let in (ER-12). Not set follows the era. On a
    /// hub's gateway this is `allowNonVirtualWanTraffic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_remote_vnet_traffic: Option<bool>,
    /// Whether traffic from virtual WANs on the same circuit is let in (ER-12).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_virtual_wan_traffic: Option<bool>,
    /// The addresses Azure prints as next hop of this gateway's routes, where they are known (VOC-13). Not set: a VPN
    /// gateway prints its instance addresses when active-active, else its public address; ExpressRoute prints none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub route_next_hop_addresses: Vec<IpAddr>,
    /// Routes it is declared to have learned, beside those that sites and connections give it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned_routes: Vec<LearnedRoute>,
}

impl VirtualNetworkGateway {
    /// A gateway of this type in this virtual network, single instance, BGP off.
    pub fn new(
        id: impl Into<ResourceId>,
        virtual_network: impl Into<ResourceId>,
        gateway_type: GatewayType,
    ) -> Self {
        Self {
            id: id.into(),
            virtual_network: virtual_network.into(),
            gateway_type,
            sku: None,
            vpn_type: VpnType::RouteBased,
            active_active: false,
            enable_bgp: false,
            asn: gateway_asn(),
            bgp_peering_addresses: Vec::new(),
            public_ip_addresses: Vec::new(),
            gateway_default_site: None,
            vpn_client_address_pools: Vec::new(),
            allow_remote_vnet_traffic: None,
            allow_virtual_wan_traffic: None,
            route_next_hop_addresses: Vec::new(),
            learned_routes: Vec::new(),
        }
    }
}

fn gateway_asn() -> Asn {
    Asn::AZURE_GATEWAY
}

/// `gatewayType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum GatewayType {
    /// IPsec.
    Vpn,
    /// ExpressRoute.
    ExpressRoute,
    /// A gateway of an extended zone; kept, gives no routes.
    LocalGateway,
}

/// `vpnType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum VpnType {
    /// Route-based.
    #[default]
    RouteBased,
    /// Policy-based: static only.
    PolicyBased,
}

/// A route a gateway, Route Server or virtual hub is declared to have learned, in the terms of
/// `list-learned-routes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LearnedRoute {
    /// The prefix.
    #[cfg_attr(feature = "schema", schemars(with = "crate::model::schema::Prefix"))]
    pub prefix: IpNet,
    /// The AS path, newest first; empty is local.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub as_path: Vec<Asn>,
    /// The next hop: for a Route Server the appliance (ARS-2), for gateways informational.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<IpAddr>,
    /// The connection it came over, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ResourceId>,
}

impl LearnedRoute {
    /// A route with this prefix and AS path.
    pub fn new(prefix: IpNet, as_path: impl IntoIterator<Item = Asn>) -> Self {
        Self { prefix, as_path: as_path.into_iter().collect(), next_hop: None, connection: None }
    }
}

/// `Microsoft.Network/localNetworkGateways`: what Azure was told of a VPN site. A site of a virtual WAN (`vpnSites`)
/// stands here too, each of its links as one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LocalNetworkGateway {
    /// Its id.
    pub id: ResourceId,
    /// Static prefixes behind it (GWR-1); may be empty with BGP.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub address_prefixes: Vec<IpNet>,
    /// The public address of the VPN device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_ip_address: Option<IpAddr>,
    /// The device's ASN, where it speaks BGP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<Asn>,
    /// The device's BGP address (GWR-3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bgp_peering_address: Option<IpAddr>,
    /// The on-premises site or router it stands for, where the topology describes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<ResourceId>,
}

/// `Microsoft.Network/connections`, and what the gateways of virtual hubs have in their place
/// (`expressRouteConnections`, the links of `vpnConnections`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// Its id.
    pub id: ResourceId,
    /// What it joins.
    pub connection_type: ConnectionType,
    /// The gateway that owns it.
    pub virtual_network_gateway: ResourceId,
    /// The far end: a local network gateway (IPsec), a virtual network gateway (VNet-to-VNet) or a circuit
    /// (ExpressRoute).
    pub peer: ResourceId,
    /// Whether BGP runs over it (VPN-1).
    #[serde(default, skip_serializing_if = "is_default")]
    pub enable_bgp: bool,
    /// `routingWeight`, 0 to 32000; ExpressRoute only, higher wins (ER-8).
    #[serde(default, skip_serializing_if = "is_default")]
    pub routing_weight: u16,
    /// FastPath (ER-22).
    #[serde(default, skip_serializing_if = "is_default")]
    pub express_route_gateway_bypass: bool,
    /// `useLocalAzureIpAddress`: the tunnel ends on the gateway's private address, over private peering (ENC-3).
    #[serde(default, skip_serializing_if = "is_default")]
    pub use_local_azure_ip_address: bool,
    /// `enableInternetSecurity`: whether the branch takes the default route of the hub (VWAN-4). Only connections of a
    /// hub's gateway have it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub enable_internet_security: bool,
    /// Whether it is up. A snapshot that says `NotConnected` is down; `Unknown` is not.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub connected: bool,
}

impl Connection {
    /// A connection that is up, with BGP off and weight 0.
    pub fn new(
        id: impl Into<ResourceId>,
        connection_type: ConnectionType,
        gateway: impl Into<ResourceId>,
        peer: impl Into<ResourceId>,
    ) -> Self {
        Self {
            id: id.into(),
            connection_type,
            virtual_network_gateway: gateway.into(),
            peer: peer.into(),
            enable_bgp: false,
            routing_weight: 0,
            express_route_gateway_bypass: false,
            use_local_azure_ip_address: false,
            enable_internet_security: false,
            connected: true,
        }
    }
}

/// `connectionType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum ConnectionType {
    /// Site to site.
    IPsec,
    /// Between two virtual network gateways; each direction is a connection of its own.
    Vnet2Vnet,
    /// To a circuit.
    ExpressRoute,
    /// Point to site.
    #[serde(rename = "VPNClient")]
    VpnClient,
}

/// Azure Route Server (`Microsoft.Network/virtualHubs` of kind `RouteServer`): control plane only (ARS-1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RouteServer {
    /// Its id.
    pub id: ResourceId,
    /// The virtual network it stands in.
    pub virtual_network: ResourceId,
    /// Its two instance addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub virtual_router_ips: Vec<IpAddr>,
    /// `allowBranchToBranchTraffic` (ARS-5).
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_branch_to_branch_traffic: bool,
    /// `hubRoutingPreference` (ARS-6).
    #[serde(default, skip_serializing_if = "is_default")]
    pub hub_routing_preference: HubRoutingPreference,
    /// Its BGP peers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bgp_connections: Vec<BgpConnection>,
    /// Routes it is declared to have learned from appliances; `next_hop` is the appliance (ARS-2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned_routes: Vec<LearnedRoute>,
}

/// A BGP peer of a Route Server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BgpConnection {
    /// Its name.
    pub name: String,
    /// The peer's address.
    pub peer_ip: IpAddr,
    /// The peer's ASN.
    pub peer_asn: Asn,
}

/// `hubRoutingPreference`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum HubRoutingPreference {
    /// ExpressRoute first.
    #[default]
    ExpressRoute,
    /// VPN (and appliances) first.
    VpnGateway,
    /// Shortest AS path first.
    #[serde(rename = "ASPath")]
    AsPath,
}
