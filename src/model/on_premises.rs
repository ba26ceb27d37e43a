//! Everything that is not Azure: sites of customers and providers, their routers, and what they tell Azure.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Asn, LinkRole, PeeringType, ResourceId, is_default};

/// A place outside Azure: a customer's datacentre or branch, or a provider's network (CSP-1, CSP-4).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OnPremisesSite {
    /// Its id.
    pub id: ResourceId,
    /// The tenant it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub role: SiteRole,
    /// Prefixes whose hosts are at this site.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub prefixes: Vec<IpNet>,
    /// Named ranges inside `prefixes`, usable as sources of questions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_ranges: Vec<HostRange>,
    /// Its routers. None is one unnamed router; routers of one site reach each other at no cost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routers: Vec<Router>,
    /// Whether it has an Internet exit of its own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub internet_breakout: bool,
    /// The public prefix by which its hosts appear outside (MSP-12, PUB-4): source NAT towards public destinations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::model::schema::Prefix>"))]
    pub nat_pool: Option<IpNet>,
    /// Public prefixes that it announces to the Internet: where the Internet leads for them, and what Microsoft weighs
    /// against the same customer's ExpressRoute (MSP-7). Empty: with an Internet exit, its pool and public prefixes are
    /// reached there, and weigh nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub internet_prefixes: Vec<IpNet>,
    /// Routes its routers were given beside what they learn. For one prefix they win over learned ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<OnPremisesRoute>,
    /// What it tells Azure, circuit by circuit and connection by connection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advertisements: Vec<Advertisement>,
}

impl OnPremisesSite {
    /// A customer site with these prefixes.
    pub fn new(id: impl Into<ResourceId>, prefixes: impl IntoIterator<Item = IpNet>) -> Self {
        Self { id: id.into(), prefixes: prefixes.into_iter().collect(), ..Self::default() }
    }

    /// The id of one of its routers.
    pub fn router_id(&self, name: &str) -> ResourceId {
        self.id.child("routers", name)
    }
}

/// Whose a site is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SiteRole {
    /// A customer's: carries its own tenant's traffic.
    #[default]
    Customer,
    /// A provider's network: carries the traffic of every tenant linked to it, each apart (CSP-1, ISO-1).
    Provider,
}

/// A named range of hosts of a site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HostRange {
    /// Its name; its id is the site's followed by `/hostRanges/{name}`.
    pub name: String,
    /// The range.
    #[cfg_attr(feature = "schema", schemars(with = "crate::model::schema::Prefix"))]
    pub prefix: IpNet,
}

/// A router of a site. Its id is the site's followed by `/routers/{name}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Router {
    /// Its name.
    pub name: String,
    /// Its ASN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<Asn>,
    /// Its addresses, which it answers itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Whether it keeps flow state, so that it must see both directions (WALK-10, WALK-14).
    #[serde(default, skip_serializing_if = "is_default")]
    pub stateful: bool,
}

/// A route given to a site's routers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OnPremisesRoute {
    /// What it matches.
    #[cfg_attr(feature = "schema", schemars(with = "crate::model::schema::Prefix"))]
    pub prefix: IpNet,
    /// Where it leads.
    pub next_hop: OnPremisesNextHop,
    /// Higher wins among routes of one prefix; learned routes have 100 (ER-11).
    #[serde(default = "local_preference")]
    pub local_preference: u32,
    /// The tenant whose packets follow it, at a provider's site that carries several; none is every tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

fn local_preference() -> u32 {
    200
}

/// Where an on-premises route leads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnPremisesNextHop {
    /// Another site or router.
    Site(ResourceId),
    /// A circuit, on one of its peerings.
    Circuit {
        /// The circuit.
        circuit: ResourceId,
        /// The peering.
        #[serde(default)]
        peering: PeeringType,
        /// One link; none uses both.
        #[serde(default)]
        link: Option<LinkRole>,
    },
    /// A VPN connection.
    Connection(ResourceId),
    /// The site's own Internet exit.
    Internet,
    /// Drop.
    Discard,
}

/// Prefixes that a site advertises to Azure in one place.
///
/// This is the declared stand-in for BGP: what arrives at Microsoft's edge, with its AS path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Advertisement {
    /// The circuit or VPN connection (or the local network gateway of connections) over which it goes.
    pub over: ResourceId,
    /// The peering of the circuit.
    #[serde(default, skip_serializing_if = "is_default")]
    pub peering: PeeringType,
    /// One link of the circuit; none is both (BGP-9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkRole>,
    /// The prefixes.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub prefixes: Vec<IpNet>,
    /// The AS path as received by Microsoft, newest first, without 12076.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub as_path: Vec<Asn>,
}

impl Advertisement {
    /// Prefixes on both links of a circuit's private peering, or over a VPN connection.
    pub fn new(
        over: impl Into<ResourceId>,
        prefixes: impl IntoIterator<Item = IpNet>,
        as_path: impl IntoIterator<Item = Asn>,
    ) -> Self {
        Self {
            over: over.into(),
            peering: PeeringType::AzurePrivatePeering,
            link: None,
            prefixes: prefixes.into_iter().collect(),
            as_path: as_path.into_iter().collect(),
        }
    }
}

/// A link between two places outside Azure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OnPremisesLink {
    /// Its id.
    pub id: ResourceId,
    /// One end: a site or a router.
    pub a: ResourceId,
    /// The other end.
    pub b: ResourceId,
    /// Its cost; the cheapest way is taken, equal ones are all taken.
    #[serde(default = "one")]
    pub cost: u32,
    /// Whether it is encrypted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub encrypted: bool,
    /// The tenant that may use it; none is every tenant that reaches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

fn one() -> u32 {
    1
}

/// An overlay tunnel between two endpoints, each with the prefixes behind it (ENC-2).
///
/// At either end a packet for the other end's prefixes enters the tunnel; its underlay path is a question of its own
/// (resolve the far address from the near one).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OverlayTunnel {
    /// Its id.
    pub id: ResourceId,
    /// One end.
    pub a: TunnelEnd,
    /// The other end.
    pub b: TunnelEnd,
    /// Whether it encrypts (IPsec); a plain encapsulation does not.
    #[serde(default = "super::yes")]
    pub encrypted: bool,
}

/// One end of an overlay tunnel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TunnelEnd {
    /// The appliance, site or router it ends on.
    pub node: ResourceId,
    /// The prefixes behind this end.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub prefixes: Vec<IpNet>,
}
