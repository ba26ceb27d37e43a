//! ExpressRoute circuits, their three peering domains, and route filters.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Asn, Date, ResourceId, is_default, yes};

/// `Microsoft.Network/expressRouteCircuits`: one service key, two links to two Microsoft edge routers (ER-1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExpressRouteCircuit {
    /// Its id.
    pub id: ResourceId,
    /// The tenant that owns it (ISO-2, CSP-2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// `sku.tier`, which decides prefix limits and reach (ER-4, ER-17).
    #[serde(default, skip_serializing_if = "is_default")]
    pub sku_tier: CircuitSkuTier,
    /// Bandwidth in Mbps (BW-1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth_in_mbps: Option<u32>,
    /// The meet-me location.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peering_location: Option<String>,
    /// The geopolitical area of the meet-me location, such as `Europe`: without the SKU Premium the circuit reaches
    /// networks and services of its own area only (ER-17), and Global Reach ends there (ER-15). Not set is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geopolitical_area: Option<String>,
    /// The regions of its metro, which are all that a circuit of the SKU Local reaches (ER-17). Empty is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub local_regions: Vec<String>,
    /// The connectivity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_provider_name: Option<String>,
    /// The day it was created, for public peering (PUB-1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Date>,
    /// Its peerings, at most one of each type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peerings: Vec<CircuitPeering>,
    /// The primary link.
    #[serde(default, skip_serializing_if = "is_default")]
    pub primary: CircuitLink,
    /// The secondary link.
    #[serde(default, skip_serializing_if = "is_default")]
    pub secondary: CircuitLink,
    /// Global Reach: circuits whose private peerings are joined with this one's (ER-15).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub global_reach: Vec<ResourceId>,
    /// MACsec on both links (ExpressRoute Direct only, ENC-5).
    #[serde(default, skip_serializing_if = "is_default")]
    pub macsec: bool,
}

impl ExpressRouteCircuit {
    /// A Standard circuit without peerings.
    pub fn new(id: impl Into<ResourceId>) -> Self {
        Self {
            id: id.into(),
            tenant: None,
            sku_tier: CircuitSkuTier::default(),
            bandwidth_in_mbps: None,
            peering_location: None,
            geopolitical_area: None,
            local_regions: Vec::new(),
            service_provider_name: None,
            created: None,
            peerings: Vec::new(),
            primary: CircuitLink::default(),
            secondary: CircuitLink::default(),
            global_reach: Vec::new(),
            macsec: false,
        }
    }

    /// The peering of this type, if configured and enabled.
    pub fn peering(&self, peering_type: PeeringType) -> Option<&CircuitPeering> {
        self.peerings.iter().find(|p| p.peering_type == peering_type && p.enabled)
    }

    /// The id of Azure's end of a link of one of its peerings, as BGP sessions name it.
    pub(crate) fn end_id(&self, peering: PeeringType, link: LinkRole) -> ResourceId {
        self.id.child("peerings", peering.as_str()).child("links", link.as_str())
    }

    /// Whether it reaches an area: with the SKU Premium all of them, else its own (ER-17). What is not known is reached.
    pub fn reaches_area(&self, area: Option<&str>) -> bool {
        match (self.geopolitical_area.as_deref(), area) {
            (Some(own), Some(other)) => {
                self.sku_tier == CircuitSkuTier::Premium || own.eq_ignore_ascii_case(other)
            }
            _ => true,
        }
    }

    /// Whether networks of a region and an area may be linked to it: of the SKU Local those of its metro, else those of
    /// the areas it reaches (ER-17).
    pub fn reaches(&self, location: Option<&str>, area: Option<&str>) -> bool {
        let fold = |text: &str| text.replace(' ', "").to_ascii_lowercase();
        let inside = match location {
            Some(location) if self.sku_tier == CircuitSkuTier::Local && !self.local_regions.is_empty() => {
                self.local_regions.iter().any(|region| fold(region) == fold(location))
            }
            _ => true,
        };
        inside && self.reaches_area(area)
    }

    /// One of its links.
    pub fn link(&self, role: LinkRole) -> &CircuitLink {
        match role {
            LinkRole::Primary => &self.primary,
            LinkRole::Secondary => &self.secondary,
        }
    }
}

/// `sku.tier` of a circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum CircuitSkuTier {
    /// One or two metro regions.
    Local,
    /// A geopolitical area.
    #[default]
    Standard,
    /// Global.
    Premium,
    /// The retired Basic tier; limits as Standard.
    Basic,
}

/// One of the two links of a circuit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CircuitLink {
    /// The customer's or provider's edge: a router (or a site, where routers are not told apart).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_router: Option<ResourceId>,
    /// Whether it is up.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub up: bool,
}

impl Default for CircuitLink {
    fn default() -> Self {
        Self { edge_router: None, up: true }
    }
}

/// Which of a circuit's two links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LinkRole {
    /// The primary link.
    Primary,
    /// The secondary link.
    Secondary,
}

impl LinkRole {
    /// Both, primary first.
    pub const BOTH: [Self; 2] = [Self::Primary, Self::Secondary];

    /// The word Azure uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        }
    }
}

/// `peeringType`: the routing domain (section 11 to 13 of the rules).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum PeeringType {
    /// Private addresses of virtual networks.
    #[default]
    #[serde(alias = "private")]
    AzurePrivatePeering,
    /// Azure services on public addresses; retired 2024-03-31 (PUB-1).
    #[serde(alias = "public")]
    AzurePublicPeering,
    /// Microsoft 365 and Azure services on public addresses.
    #[serde(alias = "microsoft")]
    MicrosoftPeering,
}

impl PeeringType {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AzurePrivatePeering => "AzurePrivatePeering",
            Self::AzurePublicPeering => "AzurePublicPeering",
            Self::MicrosoftPeering => "MicrosoftPeering",
        }
    }
}

/// One peering of a circuit: a pair of independent BGP sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CircuitPeering {
    /// Which domain.
    pub peering_type: PeeringType,
    /// `state`.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub enabled: bool,
    /// The customer's ASN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_asn: Option<Asn>,
    /// IPv4 subnet of the primary session: first usable address the customer's, second Microsoft's (ER-2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::model::schema::Prefix>"))]
    pub primary_peer_address_prefix: Option<IpNet>,
    /// IPv4 subnet of the secondary session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::model::schema::Prefix>"))]
    pub secondary_peer_address_prefix: Option<IpNet>,
    /// IPv6 subnet of the primary session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::model::schema::Prefix>"))]
    pub ipv6_primary_peer_address_prefix: Option<IpNet>,
    /// IPv6 subnet of the secondary session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::model::schema::Prefix>"))]
    pub ipv6_secondary_peer_address_prefix: Option<IpNet>,
    /// The route filter (Microsoft peering, MSP-8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_filter: Option<ResourceId>,
    /// Public prefixes the customer registered (Microsoft and public peering, MSP-3).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub advertised_public_prefixes: Vec<IpNet>,
    /// Whether those prefixes were validated (MSP-3): false for `ValidationNeeded` and `NotConfigured`.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub validated: bool,
    /// Whether Microsoft lets it carry Microsoft 365 (MSP-11): it does where nothing is said.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub microsoft_365_authorised: bool,
    /// The day the peering was configured: from 2017-08-01 on Microsoft peering needs a route filter (MSP-8). Not set
    /// means today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured: Option<Date>,
}

impl CircuitPeering {
    /// An enabled peering of this type.
    pub fn new(peering_type: PeeringType) -> Self {
        Self {
            peering_type,
            enabled: true,
            peer_asn: None,
            primary_peer_address_prefix: None,
            secondary_peer_address_prefix: None,
            ipv6_primary_peer_address_prefix: None,
            ipv6_secondary_peer_address_prefix: None,
            route_filter: None,
            advertised_public_prefixes: Vec::new(),
            validated: true,
            microsoft_365_authorised: true,
            configured: None,
        }
    }
}

/// `Microsoft.Network/routeFilters`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RouteFilter {
    /// Its id.
    pub id: ResourceId,
    /// Communities that its allow rule lists, such as `12076:51004` (MSP-9). Without any, nothing is advertised.
    #[serde(default)]
    pub communities: Vec<String>,
}

/// A community of Microsoft peering and the prefixes that carry it, as `list-service-communities` gives them (MSP-9).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BgpServiceCommunity {
    /// The community, such as `12076:51004`.
    pub community: String,
    /// Its display name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The geopolitical area of a regional community: without the SKU Premium a circuit carries those of its own (ER-17).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geopolitical_area: Option<String>,
    /// The prefixes.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub prefixes: Vec<IpNet>,
}

/// The communities of Microsoft 365: Exchange, SharePoint, Skype and Teams, the rest (MSP-9), which need authorisation
/// (MSP-11).
pub const MICROSOFT_365_COMMUNITIES: [&str; 4] = ["12076:5010", "12076:5020", "12076:5030", "12076:5100"];
