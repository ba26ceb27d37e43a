//! What virtual network gateways and Route Servers print.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::text::{blank, dash_joined, dashed, prefix, text};
use super::{TableRow, cell, differ};
use crate::model::Asn;
use crate::model::bgp::AsPath;

/// A route that a gateway or Route Server has learned, or advertises to a peer. An active-active gateway lists a route
/// once an instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayRoute {
    /// The prefix.
    #[serde(deserialize_with = "prefix")]
    pub network: IpNet,
    /// The next hop; none for what the gateway has of its own, or where its address is not known.
    #[serde(default, deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<GatewayNextHop>,
    /// How the gateway came to it.
    #[serde(default, deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub origin: Option<GatewayRouteOrigin>,
    /// The peer it came from: the gateway itself where it is its own.
    #[serde(default, deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub source_peer: Option<IpAddr>,
    /// The AS path, newest first.
    #[serde(default, with = "dash_joined")]
    pub as_path: AsPath,
    /// The weight: 32768 for what was learned, 0 for what is advertised.
    #[serde(default, deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// The instance that holds the route.
    #[serde(default, deserialize_with = "blank", serialize_with = "text")]
    pub local_address: Option<IpAddr>,
}

impl GatewayRoute {
    /// A route with this prefix and path, of which nothing else is known.
    pub fn new(network: IpNet, as_path: AsPath) -> Self {
        Self {
            network: network.trunc(),
            next_hop: None,
            origin: None,
            source_peer: None,
            as_path,
            weight: None,
            local_address: None,
        }
    }
}

impl TableRow for GatewayRoute {
    type Subject = IpNet;

    const COLUMNS: &'static [&'static str] =
        &["Network", "NextHop", "Origin", "SourcePeer", "AsPath", "Weight", "LocalAddress"];

    fn subject(&self) -> IpNet {
        self.network
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.network.to_string(),
            cell(self.next_hop.as_ref()),
            cell(self.origin.as_ref()),
            cell(self.source_peer.as_ref()),
            dashed(&self.as_path),
            cell(self.weight.as_ref()),
            cell(self.local_address.as_ref()),
        ]
    }

    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let mut found = Vec::new();
        differ(&mut found, "network", Some(&self.network), Some(&other.network));
        differ(&mut found, "nextHop", self.next_hop.as_ref(), other.next_hop.as_ref());
        differ(&mut found, "origin", self.origin.as_ref(), other.origin.as_ref());
        differ(&mut found, "sourcePeer", self.source_peer.as_ref(), other.source_peer.as_ref());
        differ(&mut found, "asPath", Some(&self.as_path), Some(&other.as_path));
        differ(&mut found, "weight", self.weight.as_ref(), other.weight.as_ref());
        differ(&mut found, "localAddress", self.local_address.as_ref(), other.local_address.as_ref());
        found
    }
}

/// A text that serde writes as it is displayed.
macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Ok(text.parse().unwrap_or_else(|never: std::convert::Infallible| match never {}))
            }
        }
    };
}

/// The next hop of a gateway's route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GatewayNextHop {
    /// An address.
    Address(IpAddr),
    /// Words: `Virtual Network`, as a gateway without BGP prints.
    Words(String),
}

impl FromStr for GatewayNextHop {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        Ok(text.parse().map_or_else(|_| Self::Words(text.to_owned()), Self::Address))
    }
}

impl fmt::Display for GatewayNextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Words(words) => f.write_str(words),
        }
    }
}

as_text!(GatewayNextHop);

/// An enum of Azure's words that keeps a word it does not know.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about])* $variant,)*
            /// A word that Azure does not document.
            Other(String),
        }

        impl $name {
            /// The word on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl FromStr for $name {
            type Err = std::convert::Infallible;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let text = text.trim();
                $(if text.eq_ignore_ascii_case($word) {
                    return Ok(Self::$variant);
                })*
                Ok(Self::Other(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        as_text!($name);
    };
}

words! {
    /// How a gateway came to a route.
    GatewayRouteOrigin {
        /// Its virtual network's space, a static prefix or a host route to a peer.
        Network = "Network",
        /// From a peer of another system.
        EBgp = "EBgp",
        /// From its twin, or a Route Server of the same network.
        IBgp = "IBgp",
        /// Of the origin attribute, in what is advertised: inside the originating system.
        Igp = "Igp",
        /// Of the origin attribute: by some other way.
        Incomplete = "Incomplete",
    }
}

words! {
    /// The state of a session.
    BgpPeerState {
        /// Not known.
        Unknown = "Unknown",
        /// Shut down.
        Stopped = "Stopped",
        /// Not trying.
        Idle = "Idle",
        /// Trying.
        Connecting = "Connecting",
        /// Up.
        Connected = "Connected",
    }
}

/// A BGP peer of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BgpPeerStatus {
    /// Its address; none where it is not known.
    #[serde(default, deserialize_with = "blank", serialize_with = "text")]
    pub neighbor: Option<IpAddr>,
    /// Its ASN.
    #[serde(default, deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub asn: Option<Asn>,
    /// The session's state.
    #[serde(default, deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub state: Option<BgpPeerState>,
    /// How long it has been up, as printed (`9.01:04:53.5768637`).
    #[serde(default, deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub connected_duration: Option<String>,
    /// How many routes it sent.
    #[serde(default, deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub routes_received: Option<u32>,
    /// Messages to it.
    #[serde(default, deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub messages_sent: Option<u64>,
    /// Messages from it.
    #[serde(default, deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub messages_received: Option<u64>,
    /// The instance that peers.
    #[serde(default, deserialize_with = "blank", serialize_with = "text")]
    pub local_address: Option<IpAddr>,
}

impl TableRow for BgpPeerStatus {
    /// The neighbour and the instance that peers with it.
    type Subject = (Option<IpAddr>, Option<IpAddr>);

    const COLUMNS: &'static [&'static str] = &[
        "Neighbor",
        "ASN",
        "State",
        "ConnectedDuration",
        "RoutesReceived",
        "MessagesSent",
        "MessagesReceived",
        "LocalAddress",
    ];

    fn subject(&self) -> Self::Subject {
        (self.neighbor, self.local_address)
    }

    fn cells(&self) -> Vec<String> {
        vec![
            cell(self.neighbor.as_ref()),
            cell(self.asn.as_ref()),
            cell(self.state.as_ref()),
            cell(self.connected_duration.as_ref()),
            cell(self.routes_received.as_ref()),
            cell(self.messages_sent.as_ref()),
            cell(self.messages_received.as_ref()),
            cell(self.local_address.as_ref()),
        ]
    }

    /// Durations and counts of messages depend on the moment and are not compared.
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let mut found = Vec::new();
        differ(&mut found, "neighbor", self.neighbor.as_ref(), other.neighbor.as_ref());
        differ(&mut found, "asn", self.asn.as_ref(), other.asn.as_ref());
        differ(&mut found, "state", self.state.as_ref(), other.state.as_ref());
        differ(&mut found, "routesReceived", self.routes_received.as_ref(), other.routes_received.as_ref());
        differ(&mut found, "localAddress", self.local_address.as_ref(), other.local_address.as_ref());
        found
    }
}
