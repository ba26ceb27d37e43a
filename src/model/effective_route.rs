//! One row of an effective-route table, in the words of `az network nic show-effective-route-table`: the shape in which
//! what Azure printed and what azroute computed are compared.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Where a route comes from (VOC-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RouteSource {
    /// Made by the platform.
    Default,
    /// A user-defined route.
    User,
    /// Supplied by a gateway, a Route Server or a hub router.
    VirtualNetworkGateway,
    /// The enum's escape value.
    Unknown,
}

impl RouteSource {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "Default",
            Self::User => "User",
            Self::VirtualNetworkGateway => "VirtualNetworkGateway",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for RouteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a listed route takes part in longest-prefix match (VOC-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RouteState {
    /// It does.
    Active,
    /// It was overridden or cannot be used.
    Invalid,
}

impl RouteState {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Invalid => "Invalid",
        }
    }
}

impl fmt::Display for RouteState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Next hop types of effective routes (VOC-3, VOC-4, VOC-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EffectiveNextHopType {
    /// Inside the virtual network.
    VnetLocal,
    /// A peered network in the same region.
    VNetPeering,
    /// A peered network in another region.
    VNetGlobalPeering,
    /// A network-manager mesh.
    ConnectedGroup,
    /// A gateway, a Route Server injection or a hub router.
    VirtualNetworkGateway,
    /// A network virtual appliance.
    VirtualAppliance,
    /// The Internet edge.
    Internet,
    /// Drop.
    None,
    /// A service endpoint.
    VirtualNetworkServiceEndpoint,
    /// A private endpoint.
    InterfaceEndpoint,
    /// Legacy value without published meaning: read, never written.
    HyperNetGateway,
}

impl EffectiveNextHopType {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VnetLocal => "VnetLocal",
            Self::VNetPeering => "VNetPeering",
            Self::VNetGlobalPeering => "VNetGlobalPeering",
            Self::ConnectedGroup => "ConnectedGroup",
            Self::VirtualNetworkGateway => "VirtualNetworkGateway",
            Self::VirtualAppliance => "VirtualAppliance",
            Self::Internet => "Internet",
            Self::None => "None",
            Self::VirtualNetworkServiceEndpoint => "VirtualNetworkServiceEndpoint",
            Self::InterfaceEndpoint => "InterfaceEndpoint",
            Self::HyperNetGateway => "HyperNetGateway",
        }
    }

    /// Reads any published spelling, without regard to case and blanks (VOC-5 to VOC-7); `None` for an unknown word.
    pub fn parse(text: &str) -> Option<Self> {
        let folded: String =
            text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
        Some(match folded.as_str() {
            "vnetlocal" | "virtualnetwork" => Self::VnetLocal,
            "vnetpeering" | "virtualnetworkpeering" => Self::VNetPeering,
            "vnetglobalpeering" | "globalvnetpeering" => Self::VNetGlobalPeering,
            "connectedgroup" => Self::ConnectedGroup,
            "virtualnetworkgateway" | "vpngateway" => Self::VirtualNetworkGateway,
            "virtualappliance" | "virtualapplianceecmp" => Self::VirtualAppliance,
            "internet" => Self::Internet,
            "none" | "null" => Self::None,
            "virtualnetworkserviceendpoint" => Self::VirtualNetworkServiceEndpoint,
            "interfaceendpoint" => Self::InterfaceEndpoint,
            "hypernetgateway" => Self::HyperNetGateway,
            _ => return None,
        })
    }
}

impl fmt::Display for EffectiveNextHopType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One prefix of an effective-route table. Rows that Azure groups (a service tag, several next hops) are expanded by
/// prefix; equal-cost next hops of one prefix are one row with several addresses, sorted (VOC-9, VOC-12).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectiveRouteRow {
    /// The prefix.
    pub prefix: IpNet,
    /// Where it comes from.
    pub source: RouteSource,
    /// Whether it takes part in longest-prefix match.
    pub state: RouteState,
    /// Where it leads.
    pub next_hop_type: EffectiveNextHopType,
    /// Next-hop addresses, sorted, none for types without one.
    pub next_hop_ip_addresses: Vec<IpAddr>,
    /// The user-defined route's name.
    pub name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// VOC-6, VOC-7, CON-22.
    #[test]
    fn every_published_spelling_is_read() {
        for (word, expected) in [
            ("GlobalVNetPeering", EffectiveNextHopType::VNetGlobalPeering),
            ("VNet peering", EffectiveNextHopType::VNetPeering),
            ("Virtual network", EffectiveNextHopType::VnetLocal),
            ("HyperNetGateway", EffectiveNextHopType::HyperNetGateway),
            ("VPNGateway", EffectiveNextHopType::VirtualNetworkGateway),
        ] {
            assert_eq!(EffectiveNextHopType::parse(word), Some(expected), "{word}");
        }
        assert_eq!(EffectiveNextHopType::parse("Sideways"), None);
    }
}
