//! Network security groups.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ResourceId;

/// `Microsoft.Network/networkSecurityGroups`. The default rules 65000, 65001 and 65500 are always there and are not
/// listed (NSG-3).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NetworkSecurityGroup {
    /// Its id.
    pub id: ResourceId,
    /// Its rules, in any order; they are read by priority (NSG-2).
    #[serde(default)]
    pub security_rules: Vec<SecurityRule>,
}

/// One rule of a security group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SecurityRule {
    /// Its name.
    pub name: String,
    /// 100 to 4096; the lowest number that matches decides (NSG-2).
    pub priority: u16,
    /// Which way it looks.
    pub direction: SecurityRuleDirection,
    /// What it decides.
    pub access: SecurityRuleAccess,
    /// The protocol it matches.
    #[serde(default)]
    pub protocol: SecurityRuleProtocol,
    /// Sources: CIDRs, addresses, service tags, or `*`.
    #[serde(default = "any")]
    pub source_address_prefixes: Vec<String>,
    /// Source ports: `*`, `80`, `8000-8999`.
    #[serde(default = "any")]
    pub source_port_ranges: Vec<String>,
    /// Destinations, as sources.
    #[serde(default = "any")]
    pub destination_address_prefixes: Vec<String>,
    /// Destination ports.
    #[serde(default = "any")]
    pub destination_port_ranges: Vec<String>,
}

impl SecurityRule {
    /// A rule that matches everything in one direction.
    pub fn new(
        name: impl Into<String>,
        priority: u16,
        direction: SecurityRuleDirection,
        access: SecurityRuleAccess,
    ) -> Self {
        Self {
            name: name.into(),
            priority,
            direction,
            access,
            protocol: SecurityRuleProtocol::Any,
            source_address_prefixes: any(),
            source_port_ranges: any(),
            destination_address_prefixes: any(),
            destination_port_ranges: any(),
        }
    }
}

fn any() -> Vec<String> {
    vec!["*".to_owned()]
}

/// Which way a security rule looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SecurityRuleDirection {
    /// Packets that arrive at the interface.
    Inbound,
    /// Packets that leave it.
    Outbound,
}

impl fmt::Display for SecurityRuleDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        })
    }
}

/// What a security rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SecurityRuleAccess {
    /// The packet passes.
    Allow,
    /// The packet is dropped.
    Deny,
}

/// The protocol a security rule matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum SecurityRuleProtocol {
    /// Every protocol (`*`).
    #[default]
    #[serde(rename = "*", alias = "Any")]
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
    /// ESP.
    Esp,
    /// AH.
    Ah,
}
