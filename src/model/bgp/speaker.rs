//! BGP speakers and their sessions, as a person declares them.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{AddressFamily, Asn, DefaultPolicy, PathAttributes, PrivateAsAction, RoutingPolicy};
use crate::model::{ResourceId, is_default};

/// Speakers, sessions, links and policies that belong together: what the BGP engine converges.
///
/// The order of speakers, sessions and links carries no meaning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct BgpDesign {
    /// Sets and policies.
    #[serde(skip_serializing_if = "RoutingPolicy::is_empty")]
    pub routing_policy: RoutingPolicy,
    /// Speakers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub speakers: Vec<BgpSpeaker>,
    /// Sessions between them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<BgpSession>,
    /// Links of the interior gateway protocol. Speakers of an autonomous system that no link touches reach each other
    /// at no cost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<IgpLink>,
}

/// A speaker: one BGP process (one routing instance of a router that has several).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BgpSpeaker {
    /// Its id.
    pub id: ResourceId,
    /// Its autonomous system; in a confederation, its member's number.
    pub asn: Asn,
    /// Its BGP identifier; none is the highest of its interface addresses, else one derived from the order of ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_id: Option<Ipv4Addr>,
    /// The site or router that it runs on, where packets are; none is its own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router: Option<ResourceId>,
    /// The tenant whose routes it carries, at a provider that keeps several apart (one speaker each); none is its
    /// site's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The confederation it is in (RFC 5065).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confederation: Option<Confederation>,
    /// Its cluster, as a route reflector; none is its router id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<Ipv4Addr>,
    /// Whose decision process and defaults it has.
    #[serde(default, skip_serializing_if = "is_default")]
    pub profile: Profile,
    /// Decision settings that differ from the profile's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub decision: DecisionOverrides,
    /// How many equal routes it uses at once; none is the profile's number.
    #[serde(default, skip_serializing_if = "is_default")]
    pub maximum_paths: MaximumPaths,
    /// Its interfaces, loopbacks among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<Interface>,
    /// Its static routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub static_routes: Vec<StaticRoute>,
    /// What it announces of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub originate: Vec<Origination>,
    /// What it takes over into BGP.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redistribute: Vec<Redistribution>,
    /// Its aggregates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aggregates: Vec<Aggregate>,
}

/// The confederation of a speaker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Confederation {
    /// The number the world outside sees.
    pub identifier: Asn,
    /// The other member systems.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Asn>,
}

/// A named set of defaults: decision steps and their order, what is sent, what is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Profile {
    /// RFC 4271 with RFC 4456 and RFC 5065, nothing more.
    #[default]
    #[serde(rename = "rfc4271")]
    Rfc4271,
    /// FRRouting 8.4.
    #[serde(rename = "frr-8")]
    Frr8,
    /// FRRouting 10.
    #[serde(rename = "frr-10")]
    Frr10,
    /// BIRD 2.0.
    #[serde(rename = "bird-2")]
    Bird2,
    /// GoBGP 3.
    #[serde(rename = "gobgp-3")]
    Gobgp3,
    /// Cisco IOS and IOS XE.
    #[serde(rename = "cisco-ios")]
    CiscoIos,
    /// Junos.
    #[serde(rename = "junos")]
    Junos,
    /// Microsoft's edge routers of ExpressRoute.
    #[serde(rename = "azure-msee")]
    AzureMsee,
    /// An ExpressRoute gateway.
    #[serde(rename = "azure-expressroute-gateway")]
    AzureExpressRouteGateway,
    /// A VPN gateway.
    #[serde(rename = "azure-vpn-gateway")]
    AzureVpnGateway,
    /// Route Server.
    #[serde(rename = "azure-route-server")]
    AzureRouteServer,
    /// The router of a virtual hub.
    #[serde(rename = "azure-virtual-hub")]
    AzureVirtualHub,
}

/// Decision settings that differ from the profile's. `None` leaves the profile's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DecisionOverrides {
    /// Compare MED between different neighbouring systems too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub always_compare_med: Option<bool>,
    /// Group by neighbouring system before comparing MED, so that the order of arrival does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deterministic_med: Option<bool>,
    /// A missing MED is the worst, not 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_med_as_worst: Option<bool>,
    /// Leave the AS-path length out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_path_ignore: Option<bool>,
    /// Count confederation members in the AS-path length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_path_confederation: Option<bool>,
    /// Equal-cost routes may have different AS paths of one length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multipath_relax: Option<bool>,
    /// Compare router ids in place of age.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare_router_id: Option<bool>,
    /// Prefer the older external route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefer_oldest: Option<bool>,
    /// Compare the length of cluster lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_list_length: Option<bool>,
    /// Compare the IGP cost of next hops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub igp_cost: Option<bool>,
}

/// How many equal routes a speaker uses at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct MaximumPaths {
    /// Among external routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ebgp: Option<u16>,
    /// Among internal routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ibgp: Option<u16>,
}

/// An interface of a speaker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Its address with the length of its network: `198.18.12.1/30`, or `192.0.2.1/32` for a loopback.
    #[cfg_attr(feature = "schema", schemars(with = "crate::model::schema::Prefix"))]
    pub address: IpNet,
    /// Whether the interior gateway protocol tells the others about its network.
    #[serde(default = "crate::model::yes", skip_serializing_if = "is_true")]
    pub igp: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_true(flag: &bool) -> bool {
    *flag
}

/// A static route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StaticRoute {
    /// Where to.
    #[cfg_attr(feature = "schema", schemars(with = "crate::model::schema::Prefix"))]
    pub prefix: IpNet,
    /// Which way.
    pub next_hop: StaticNextHop,
}

/// Where a static route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StaticNextHop {
    /// To this address.
    Address(IpAddr),
    /// Nowhere: what resolves by it is not reachable.
    Discard,
}

/// Prefixes that a speaker announces of its own, all with the same attributes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Origination {
    /// The prefixes. Host bits are ignored.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub prefixes: Vec<IpNet>,
    /// Their attributes, before the speaker's own number is put in front on export.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attributes: PathAttributes,
    /// Policies that they pass on entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
}

/// Routes of another source that a speaker takes over into BGP, with origin INCOMPLETE.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Redistribution {
    /// Which: `connected` or `static`.
    pub protocol: super::SourceProtocol,
    /// Policies that they pass; a route that none decides is taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
}

/// A summary that a speaker announces while it has a route inside it (RFC 4271 section 9.2.2.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Aggregate {
    /// The summary.
    #[cfg_attr(feature = "schema", schemars(with = "crate::model::schema::Prefix"))]
    pub prefix: IpNet,
    /// The routes inside it are not sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub summary_only: bool,
    /// Its AS path ends in the set of the systems of the routes inside it; else the path is empty and
    /// ATOMIC_AGGREGATE is set.
    #[serde(default, skip_serializing_if = "is_default")]
    pub as_set: bool,
    /// Policies that pick which routes inside it are not sent; those they accept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suppress: Vec<String>,
    /// Policies that change the summary's attributes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
}

/// A session between two speakers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BgpSession {
    /// Its id.
    pub id: ResourceId,
    /// One end.
    pub a: SessionEnd,
    /// The other end.
    pub b: SessionEnd,
    /// The families it carries.
    #[serde(default = "both_families", skip_serializing_if = "are_both_families")]
    pub families: Vec<AddressFamily>,
    /// Whether it is switched off.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shutdown: bool,
    /// How long it has been up, in seconds: what arrives over an older session is older. Only its order counts, and
    /// only for profiles that look at age.
    #[serde(default, skip_serializing_if = "is_default")]
    pub age: u32,
}

fn both_families() -> Vec<AddressFamily> {
    vec![AddressFamily::Ipv4Unicast, AddressFamily::Ipv6Unicast]
}

fn are_both_families(families: &[AddressFamily]) -> bool {
    families == both_families()
}

/// One end of a session: the speaker there, and what it does with this neighbour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionEnd {
    /// The speaker.
    pub speaker: ResourceId,
    /// Its addresses on the session, at most one a family: the next hops it gives itself. None are its interface
    /// addresses in a network that both ends share, else its router id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Policies for what is received, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub import_policies: Vec<String>,
    /// Policies for what is sent, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub export_policies: Vec<String>,
    /// What becomes of received routes that no policy decides. None: rejected where there are policies (RFC 9067);
    /// without any accepted, except on external sessions where RFC 8212 holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_import_policy: Option<DefaultPolicy>,
    /// The same for routes that are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_export_policy: Option<DefaultPolicy>,
    /// Whether RFC 8212 holds here: without a policy nothing passes an external session. None: as the profile says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ebgp_requires_policy: Option<bool>,
    /// The neighbour is a client of this route reflector (RFC 4456).
    #[serde(default, skip_serializing_if = "is_default")]
    pub route_reflector_client: bool,
    /// Sends itself as next hop to an internal neighbour too.
    #[serde(default, skip_serializing_if = "is_default")]
    pub next_hop_self: bool,
    /// Leaves the next hop as it is towards an external neighbour.
    #[serde(default, skip_serializing_if = "is_default")]
    pub next_hop_unchanged: bool,
    /// How often the own number may stand in a received path.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_own_as: u8,
    /// Replaces the neighbour's number by the own one in what is sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub as_override: bool,
    /// Strips or replaces private numbers in what is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove_private_as: Option<PrivateAsAction>,
    /// Another number to show to this neighbour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_as: Option<LocalAs>,
    /// Leaves its own number out of what it sends to an external neighbour, as the route servers of Internet exchanges
    /// do (RFC 7947 section 2.2.2.1).
    #[serde(default, skip_serializing_if = "is_default")]
    pub transparent: bool,
    /// Sends a default route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_originate: Option<DefaultOriginate>,
    /// More prefixes than this, after the import policy, take the session down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_limit: Option<u32>,
    /// Whether communities are sent; none: as the profile says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_communities: Option<bool>,
    /// Several routes of one prefix (RFC 7911).
    #[serde(default, skip_serializing_if = "is_default")]
    pub add_path: AddPath,
    /// Weight of what is received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
}

impl SessionEnd {
    /// An end with nothing but its speaker.
    pub fn new(speaker: impl Into<ResourceId>) -> Self {
        Self { speaker: speaker.into(), ..Self::default() }
    }
}

impl BgpSession {
    /// A session between two speakers, for both families.
    pub fn new(id: impl Into<ResourceId>, a: impl Into<ResourceId>, b: impl Into<ResourceId>) -> Self {
        Self {
            id: id.into(),
            a: SessionEnd::new(a),
            b: SessionEnd::new(b),
            families: both_families(),
            shutdown: false,
            age: 0,
        }
    }
}

/// Another number than the speaker's own, shown to one neighbour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LocalAs {
    /// The number.
    pub asn: Asn,
    /// Leaves it out of received paths.
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_prepend: bool,
    /// Sends it alone, without the speaker's own behind it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub replace_as: bool,
}

/// A default route for one neighbour, whether or not the speaker has one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DefaultOriginate {
    /// Policies that set its attributes. A rejection sends none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Only while the speaker has a default route of its own.
    #[serde(skip_serializing_if = "is_default")]
    pub only_if_present: bool,
}

/// Add-path at one end of a session (RFC 7911): it takes effect where one end sends and the other receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct AddPath {
    /// How many routes of one prefix it sends, the best ones first; 0 and 1 are plain BGP.
    #[serde(skip_serializing_if = "is_default")]
    pub send: u16,
    /// Whether it takes several.
    #[serde(skip_serializing_if = "is_default")]
    pub receive: bool,
}

/// A link that the interior gateway protocol knows, both ways.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IgpLink {
    /// Its id.
    pub id: ResourceId,
    /// One end, a speaker.
    pub a: ResourceId,
    /// The other end.
    pub b: ResourceId,
    /// Its cost.
    #[serde(default = "one")]
    pub cost: u32,
}

fn one() -> u32 {
    1
}
