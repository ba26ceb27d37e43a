//! What Microsoft's edge routers print of one link of a circuit's peering.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::{blank, or_default, prefix, text};
use super::{TableRow, cell, differ};
use crate::model::Asn;
use crate::model::bgp::{AsPath, AsPathError, Origin};

/// A route in the table of one link (Azure's type for a row has the table's name).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpressRouteCircuitRoutesTable {
    /// The prefix.
    #[serde(deserialize_with = "prefix")]
    pub network: IpNet,
    /// The next hop: the customer's address on the link, or a gateway's. None where it is not known.
    #[serde(default, deserialize_with = "blank", serialize_with = "text")]
    pub next_hop: Option<IpAddr>,
    /// The local preference.
    #[serde(default, deserialize_with = "blank", serialize_with = "text")]
    pub loc_prf: Option<u32>,
    /// The weight.
    #[serde(default, deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// The AS path, newest first, with the origin's letter where one is printed.
    #[serde(default, deserialize_with = "or_default")]
    pub path: CircuitPath,
}

impl ExpressRouteCircuitRoutesTable {
    /// A route with this prefix and path, of which nothing else is known.
    pub fn new(network: IpNet, as_path: AsPath) -> Self {
        let path = CircuitPath { as_path, origin: None };
        Self { network: network.trunc(), next_hop: None, loc_prf: None, weight: None, path }
    }
}

impl TableRow for ExpressRouteCircuitRoutesTable {
    type Subject = IpNet;

    const COLUMNS: &'static [&'static str] = &["Network", "NextHop", "LocPrf", "Weight", "Path"];

    fn subject(&self) -> IpNet {
        self.network
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.network.to_string(),
            cell(self.next_hop.as_ref()),
            cell(self.loc_prf.as_ref()),
            cell(self.weight.as_ref()),
            self.path.to_string(),
        ]
    }

    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let mut found = Vec::new();
        differ(&mut found, "network", Some(&self.network), Some(&other.network));
        differ(&mut found, "nextHop", self.next_hop.as_ref(), other.next_hop.as_ref());
        differ(&mut found, "locPrf", self.loc_prf.as_ref(), other.loc_prf.as_ref());
        differ(&mut found, "weight", self.weight.as_ref(), other.weight.as_ref());
        let (a, b) = (&self.path, &other.path);
        let origins = a.origin.is_some() && b.origin.is_some() && a.origin != b.origin;
        if a.as_path != b.as_path || origins {
            found.push("path");
        }
        found
    }
}

/// A path as a circuit's table prints it: `65001 65002 ?`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CircuitPath {
    /// The AS path, newest first.
    pub as_path: AsPath,
    /// The letter behind it: `i`, `e` or `?`.
    pub origin: Option<Origin>,
}

impl FromStr for CircuitPath {
    type Err = AsPathError;

    fn from_str(text: &str) -> Result<Self, AsPathError> {
        let text = text.trim();
        let (origin, rest) = match text.chars().last() {
            Some('i') => (Some(Origin::Igp), text.trim_end_matches('i')),
            Some('e') => (Some(Origin::Egp), text.trim_end_matches('e')),
            Some('?') => (Some(Origin::Incomplete), text.trim_end_matches('?')),
            _ => (None, text),
        };
        // One letter at most.
        let rest = if text.len() - rest.len() > 1 { text } else { rest };
        Ok(Self { as_path: rest.trim_end().parse()?, origin })
    }
}

impl fmt::Display for CircuitPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_path.fmt(f)?;
        let letter = match self.origin {
            None => return Ok(()),
            Some(Origin::Igp) => "i",
            Some(Origin::Egp) => "e",
            Some(Origin::Incomplete) => "?",
        };
        if !self.as_path.is_empty() {
            f.write_str(" ")?;
        }
        f.write_str(letter)
    }
}

impl Serialize for CircuitPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CircuitPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        or_default(deserializer)
    }
}

/// A neighbour of one link (Azure's type for a row has the table's name).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpressRouteCircuitRoutesTableSummary {
    /// Its address; none where it is not known.
    #[serde(default, deserialize_with = "blank", serialize_with = "text")]
    pub neighbor: Option<IpAddr>,
    /// The version of BGP.
    #[serde(default, deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub v: Option<u32>,
    /// Its ASN.
    #[serde(
        default,
        rename = "as",
        alias = "asn",
        deserialize_with = "blank",
        skip_serializing_if = "Option::is_none"
    )]
    pub asn: Option<Asn>,
    /// How long the session has been up or down, in the router's words (`1d14h`, `never`).
    #[serde(default, deserialize_with = "blank", serialize_with = "text")]
    pub up_down: Option<String>,
    /// How many prefixes it sent, or the state of a session that is not up.
    #[serde(default, alias = "stateOrPrefixesReceived", deserialize_with = "blank", serialize_with = "text")]
    pub state_pfx_rcd: Option<StatePfxRcd>,
}

impl TableRow for ExpressRouteCircuitRoutesTableSummary {
    type Subject = Option<IpAddr>;

    const COLUMNS: &'static [&'static str] = &["Neighbor", "V", "As", "UpDown", "StatePfxRcd"];

    fn subject(&self) -> Option<IpAddr> {
        self.neighbor
    }

    fn cells(&self) -> Vec<String> {
        vec![
            cell(self.neighbor.as_ref()),
            cell(self.v.as_ref()),
            cell(self.asn.as_ref()),
            cell(self.up_down.as_ref()),
            cell(self.state_pfx_rcd.as_ref()),
        ]
    }

    /// Durations depend on the moment and are not compared; nor is one word for a session that is down with another.
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let mut found = Vec::new();
        differ(&mut found, "neighbor", self.neighbor.as_ref(), other.neighbor.as_ref());
        differ(&mut found, "v", self.v.as_ref(), other.v.as_ref());
        differ(&mut found, "as", self.asn.as_ref(), other.asn.as_ref());
        let count = |state: &StatePfxRcd| match state {
            StatePfxRcd::Prefixes(count) => Some(*count),
            StatePfxRcd::State(_) => None,
        };
        let counts = (self.state_pfx_rcd.as_ref().map(count), other.state_pfx_rcd.as_ref().map(count));
        differ(&mut found, "statePfxRcd", counts.0.as_ref(), counts.1.as_ref());
        found
    }
}

/// A count of prefixes, or the state's word in its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatePfxRcd {
    /// The session is up and brought so many prefixes.
    Prefixes(u32),
    /// The session is not up: `Idle`, `Active`, `Connect`, …
    State(String),
}

impl FromStr for StatePfxRcd {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        Ok(text.parse().map_or_else(|_| Self::State(text.to_owned()), Self::Prefixes))
    }
}

impl fmt::Display for StatePfxRcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefixes(count) => count.fmt(f),
            Self::State(word) => f.write_str(word),
        }
    }
}
