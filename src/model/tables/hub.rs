//! What virtual hubs print.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::text::{blank, dash_joined, dashed, prefix, text};
use super::{TableRow, cell, differ};
use crate::model::bgp::AsPath;
use crate::model::{ResourceId, parse_prefix};

/// An effective route of a hub, of one of its tables or of one of its connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VirtualHubEffectiveRoute {
    /// The prefixes.
    #[serde(deserialize_with = "prefixes")]
    pub address_prefixes: Vec<IpNet>,
    /// The resources it leads to.
    #[serde(default, deserialize_with = "ids")]
    pub next_hops: Vec<ResourceId>,
    /// Where it leads, in the hub's words: `Virtual Network Connection`, `VPN_S2S_Gateway`, `ExpressRouteGateway`,
    /// `Remote Hub`, `Azure Firewall`, …
    #[serde(default, deserialize_with = "blank", serialize_with = "text")]
    pub next_hop_type: Option<String>,
    /// The resource it came from.
    #[serde(default, deserialize_with = "id", serialize_with = "text")]
    pub route_origin: Option<ResourceId>,
    /// The AS path, newest first; 65520 stands for a way from hub to hub.
    #[serde(default, with = "dash_joined")]
    pub as_path: AsPath,
}

fn id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<ResourceId>, D::Error> {
    Ok(blank::<D, String>(deserializer)?.map(ResourceId::new))
}

/// A hub writes a list of one empty text where it has no next hop.
fn ids<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<ResourceId>, D::Error> {
    let texts = Option::<Vec<String>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(texts.into_iter().filter(|t| !t.trim().is_empty()).map(ResourceId::new).collect())
}

fn prefixes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let no_prefix = |text: &str| serde::de::Error::custom(format_args!("`{text}` is no prefix"));
    texts.iter().map(|t| parse_prefix(t).map(|p| p.trunc()).ok_or_else(|| no_prefix(t))).collect()
}

impl TableRow for VirtualHubEffectiveRoute {
    type Subject = Vec<IpNet>;

    const COLUMNS: &'static [&'static str] =
        &["AddressPrefixes", "AsPath", "NextHopType", "NextHops", "RouteOrigin"];

    fn subject(&self) -> Vec<IpNet> {
        let mut prefixes = self.address_prefixes.clone();
        prefixes.sort();
        prefixes
    }

    fn cells(&self) -> Vec<String> {
        let joined = |texts: Vec<String>| texts.join(", ");
        vec![
            joined(self.address_prefixes.iter().map(ToString::to_string).collect()),
            dashed(&self.as_path),
            cell(self.next_hop_type.as_ref()),
            joined(self.next_hops.iter().map(ToString::to_string).collect()),
            cell(self.route_origin.as_ref()),
        ]
    }

    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let mut found = Vec::new();
        differ(&mut found, "addressPrefixes", Some(&self.subject()), Some(&other.subject()));
        let said = |hops: &[ResourceId]| (!hops.is_empty()).then(|| hops.to_vec());
        differ(&mut found, "nextHops", said(&self.next_hops).as_ref(), said(&other.next_hops).as_ref());
        differ(&mut found, "nextHopType", self.next_hop_type.as_ref(), other.next_hop_type.as_ref());
        differ(&mut found, "routeOrigin", self.route_origin.as_ref(), other.route_origin.as_ref());
        differ(&mut found, "asPath", Some(&self.as_path), Some(&other.as_path));
        found
    }
}

/// A route that a connection of a hub brings in or takes out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveRouteMapRoute {
    /// The prefix.
    #[serde(deserialize_with = "prefix")]
    pub prefix: IpNet,
    /// Communities, as printed: numbers joined by commas.
    #[serde(default, deserialize_with = "blank", serialize_with = "text")]
    pub bgp_communities: Option<String>,
    /// The AS path, newest first.
    #[serde(default, with = "dash_joined")]
    pub as_path: AsPath,
}

impl TableRow for EffectiveRouteMapRoute {
    type Subject = IpNet;

    const COLUMNS: &'static [&'static str] = &["Prefix", "BgpCommunities", "AsPath"];

    fn subject(&self) -> IpNet {
        self.prefix
    }

    fn cells(&self) -> Vec<String> {
        vec![self.prefix.to_string(), cell(self.bgp_communities.as_ref()), dashed(&self.as_path)]
    }

    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let mut found = Vec::new();
        differ(&mut found, "prefix", Some(&self.prefix), Some(&other.prefix));
        differ(&mut found, "bgpCommunities", self.bgp_communities.as_ref(), other.bgp_communities.as_ref());
        differ(&mut found, "asPath", Some(&self.as_path), Some(&other.as_path));
        found
    }
}
