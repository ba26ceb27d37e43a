//! Route tables and user-defined routes.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{ResourceId, is_default};

/// `Microsoft.Network/routeTables`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RouteTable {
    /// Its id.
    pub id: ResourceId,
    /// Removes **all** gateway rows from the bound subnets: BGP, static, Route Server and hub alike (UDR-15).
    #[serde(default, skip_serializing_if = "is_default")]
    pub disable_bgp_route_propagation: bool,
    /// `disablePeeringRoute = All` of API 2025-07-01: removes peering rows from the bound subnets (PEER-13).
    #[serde(default, skip_serializing_if = "is_default")]
    pub disable_peering_route: bool,
    /// Its user-defined routes. A prefix may stand only once (UDR-3).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<UserDefinedRoute>,
}

impl RouteTable {
    /// An empty table with propagation on.
    pub fn new(id: impl Into<ResourceId>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }
}

/// One route of a route table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UserDefinedRoute {
    /// Its name, which Azure prints beside the effective route.
    pub name: String,
    /// A CIDR or a service tag (UDR-10).
    pub address_prefix: AddressPrefix,
    /// Where matching packets go.
    pub next_hop_type: RouteNextHopType,
    /// One address for `VirtualAppliance`, 2 to 64 for `VirtualApplianceEcmp` (UDR-17), none otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_hop_ip_addresses: Vec<IpAddr>,
}

impl UserDefinedRoute {
    /// A route without next-hop address.
    pub fn new(
        name: impl Into<String>,
        prefix: impl Into<AddressPrefix>,
        next_hop_type: RouteNextHopType,
    ) -> Self {
        Self {
            name: name.into(),
            address_prefix: prefix.into(),
            next_hop_type,
            next_hop_ip_addresses: Vec::new(),
        }
    }

    /// A route to one appliance.
    pub fn to_appliance(name: impl Into<String>, prefix: impl Into<AddressPrefix>, next_hop: IpAddr) -> Self {
        Self {
            next_hop_ip_addresses: vec![next_hop],
            ..Self::new(name, prefix, RouteNextHopType::VirtualAppliance)
        }
    }
}

/// What a user-defined route matches: a prefix, or every prefix of a service tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum AddressPrefix {
    /// A prefix; host bits are cleared.
    Cidr(IpNet),
    /// The name of a service tag, such as `Storage.WestEurope`.
    ServiceTag(String),
}

impl From<IpNet> for AddressPrefix {
    fn from(prefix: IpNet) -> Self {
        Self::Cidr(prefix.trunc())
    }
}

impl From<String> for AddressPrefix {
    fn from(text: String) -> Self {
        match super::parse_prefix(&text) {
            Some(prefix) => Self::Cidr(prefix.trunc()),
            None => Self::ServiceTag(text),
        }
    }
}

impl From<&str> for AddressPrefix {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<AddressPrefix> for String {
    fn from(prefix: AddressPrefix) -> Self {
        prefix.to_string()
    }
}

impl fmt::Display for AddressPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cidr(prefix) => prefix.fmt(f),
            Self::ServiceTag(tag) => f.write_str(tag),
        }
    }
}

/// Next hop types that a route table accepts (VOC-3). Parsing ignores case and accepts the classic-era spellings
/// (VOC-5) and the portal's words (VOC-7); output uses the Resource Manager's spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum RouteNextHopType {
    /// The designated gateway of the virtual network (UDR-5).
    VirtualNetworkGateway,
    /// Delivery inside the virtual network.
    VnetLocal,
    /// The platform's Internet edge.
    Internet,
    /// A network virtual appliance by address.
    VirtualAppliance,
    /// Several appliances, one chosen per flow (UDR-17).
    VirtualApplianceEcmp,
    /// Drop.
    None,
}

impl RouteNextHopType {
    /// The Resource Manager's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VirtualNetworkGateway => "VirtualNetworkGateway",
            Self::VnetLocal => "VnetLocal",
            Self::Internet => "Internet",
            Self::VirtualAppliance => "VirtualAppliance",
            Self::VirtualApplianceEcmp => "VirtualApplianceEcmp",
            Self::None => "None",
        }
    }

    /// Whether it names appliances by address.
    pub const fn is_appliance(self) -> bool {
        matches!(self, Self::VirtualAppliance | Self::VirtualApplianceEcmp)
    }
}

impl fmt::Display for RouteNextHopType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is not a next hop type that a route table accepts (VOC-4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a next hop type of a user-defined route")]
pub struct UnknownNextHopType(pub(crate) String);

impl FromStr for RouteNextHopType {
    type Err = UnknownNextHopType;

    fn from_str(text: &str) -> Result<Self, UnknownNextHopType> {
        let folded: String =
            text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
        Ok(match folded.as_str() {
            "virtualnetworkgateway" | "vpngateway" => Self::VirtualNetworkGateway,
            "vnetlocal" | "virtualnetwork" => Self::VnetLocal,
            "internet" => Self::Internet,
            "virtualappliance" => Self::VirtualAppliance,
            "virtualapplianceecmp" => Self::VirtualApplianceEcmp,
            "none" | "null" => Self::None,
            _ => return Err(UnknownNextHopType(text.to_owned())),
        })
    }
}

impl TryFrom<String> for RouteNextHopType {
    type Error = UnknownNextHopType;

    fn try_from(text: String) -> Result<Self, UnknownNextHopType> {
        text.parse()
    }
}

impl From<RouteNextHopType> for String {
    fn from(value: RouteNextHopType) -> Self {
        value.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// VOC-3, VOC-4, VOC-5, VOC-7.
    #[test]
    fn next_hop_types_accept_every_documented_spelling() {
        for (word, expected) in [
            ("VNetLocal", RouteNextHopType::VnetLocal),
            ("VNETLocal", RouteNextHopType::VnetLocal),
            ("Virtual network", RouteNextHopType::VnetLocal),
            ("VPNGateway", RouteNextHopType::VirtualNetworkGateway),
            ("Null", RouteNextHopType::None),
            ("virtualapplianceECMP", RouteNextHopType::VirtualApplianceEcmp),
        ] {
            assert_eq!(word.parse::<RouteNextHopType>().unwrap(), expected, "{word}");
        }
        for platform_only in ["VNetPeering", "InterfaceEndpoint", "HyperNetGateway", "ConnectedGroup", ""] {
            assert!(platform_only.parse::<RouteNextHopType>().is_err(), "{platform_only}");
        }
    }

    #[test]
    fn a_prefix_that_is_no_cidr_is_a_tag() {
        assert_eq!(AddressPrefix::from("10.0.0.9/8"), AddressPrefix::Cidr("10.0.0.0/8".parse().unwrap()));
        assert_eq!(AddressPrefix::from("Storage.WestEurope").to_string(), "Storage.WestEurope");
    }
}
