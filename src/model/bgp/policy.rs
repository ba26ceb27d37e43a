//! Routing policy in the words of RFC 9067: defined sets, and policy definitions made of ordered statements.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{AsPath, Asn, Community, ExtendedCommunity, LargeCommunity, Origin};
use crate::model::is_default;

/// Sets and policies by name. Every speaker of a design may use them.
///
/// Names are compared exactly. What a policy names must exist: see [`undefined_names`](Self::undefined_names).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoutingPolicy {
    /// Sets of prefixes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefix_sets: Vec<PrefixSet>,
    /// Sets of AS paths, as regular expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub as_path_sets: Vec<AsPathSet>,
    /// Sets of standard communities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub community_sets: Vec<CommunitySet>,
    /// Sets of extended communities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extended_community_sets: Vec<ExtendedCommunitySet>,
    /// Sets of large communities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub large_community_sets: Vec<LargeCommunitySet>,
    /// Sets of neighbours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbor_sets: Vec<NeighborSet>,
    /// Sets of next hops.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_hop_sets: Vec<NextHopSet>,
    /// The policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_definitions: Vec<PolicyDefinition>,
    /// Whether a set or policy may be named that does not exist; each speaker's profile then says what that means
    /// (FRR: a missing policy denies, a missing set matches nothing). Off: such a name is an error.
    #[serde(default, skip_serializing_if = "is_default")]
    pub undefined_names: bool,
}

impl RoutingPolicy {
    /// Whether nothing is defined.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A set of prefixes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PrefixSet {
    /// Its name.
    pub name: String,
    /// A prefix matches the set where it matches one of these.
    pub prefixes: Vec<PrefixRange>,
}

/// A prefix and the lengths it stands for: with neither bound exactly itself; with `ge` alone up to the family's
/// longest; with `le` alone from its own length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PrefixRange {
    /// What the route's prefix must lie inside. Host bits are ignored.
    #[cfg_attr(feature = "schema", schemars(with = "crate::model::schema::Prefix"))]
    pub prefix: IpNet,
    /// The shortest length that matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ge: Option<u8>,
    /// The longest length that matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub le: Option<u8>,
}

impl PrefixRange {
    /// Exactly this prefix.
    pub const fn exact(prefix: IpNet) -> Self {
        Self { prefix, ge: None, le: None }
    }

    /// This prefix and everything inside it.
    pub fn or_longer(prefix: IpNet) -> Self {
        Self { prefix, ge: Some(prefix.prefix_len()), le: None }
    }

    /// The lengths that match, both ends included.
    pub fn lengths(&self) -> (u8, u8) {
        let own = self.prefix.prefix_len();
        match (self.ge, self.le) {
            (None, None) => (own, own),
            (Some(ge), None) => (ge, self.prefix.max_prefix_len()),
            (None, Some(le)) => (own, le),
            (Some(ge), Some(le)) => (ge, le),
        }
    }

    /// Whether a prefix matches.
    pub fn matches(&self, prefix: &IpNet) -> bool {
        let (low, high) = self.lengths();
        (low..=high).contains(&prefix.prefix_len()) && self.prefix.contains(prefix)
    }
}

/// A set of AS paths.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AsPathSet {
    /// Its name.
    pub name: String,
    /// Regular expressions over the path's text (as [`AsPath`] prints it); a path matches where one finds something
    /// in it. `_` stands for a border: start, end, blank, comma, brace, bracket or parenthesis. Braces, brackets and
    /// parentheses of the text itself are written with a backslash: `_\{64512`.
    pub members: Vec<String>,
}

/// A set of standard communities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CommunitySet {
    /// Its name.
    pub name: String,
    /// Communities (`65000:100`, `no-export`), or regular expressions over the text of one (`^65000:1..$`, and of a
    /// well-known one over its name): what does not read as a community is an expression. `_` is as in [`AsPathSet`].
    pub members: Vec<String>,
}

/// A set of extended communities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExtendedCommunitySet {
    /// Its name.
    pub name: String,
    /// Communities (`rt:65000:100`), or regular expressions over the text of one.
    pub members: Vec<String>,
}

/// A set of large communities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LargeCommunitySet {
    /// Its name.
    pub name: String,
    /// Communities (`64500:1:2`), or regular expressions over the text of one.
    pub members: Vec<String>,
}

/// A set of neighbours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NeighborSet {
    /// Its name.
    pub name: String,
    /// Addresses of neighbours; prefixes stand for all addresses in them.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub addresses: Vec<IpNet>,
}

/// A set of next hops.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NextHopSet {
    /// Its name.
    pub name: String,
    /// Addresses; prefixes stand for all addresses in them.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::model::schema::Prefix>"))]
    pub addresses: Vec<IpNet>,
}

/// A policy: statements in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyDefinition {
    /// Its name.
    pub name: String,
    /// Its statements. A route that ends none of them goes to the next policy of the chain, then to the default.
    pub statements: Vec<Statement>,
}

/// If all conditions hold, do the actions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Its name; none is its number, from 1.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What must hold; nothing holds always.
    #[serde(default, skip_serializing_if = "is_default")]
    pub conditions: Conditions,
    /// What is done then.
    #[serde(default, skip_serializing_if = "is_default")]
    pub actions: Actions,
}

/// Conditions of a statement: all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// Another policy accepts the route (RFC 9067 section 4.4). It is called last, where all other conditions hold; what
    /// it changes stays changed, whatever it says. Where it says nothing, the default of the chain does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_policy: Option<String>,
    /// Where the route comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_protocol: Option<SourceProtocol>,
    /// The route's prefix is in a prefix set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_prefix_set: Option<MatchSet>,
    /// The neighbour it is received from (on import) or sent to (on export) is in a neighbour set; without a session it
    /// is in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_neighbor_set: Option<MatchSet>,
    /// Its next hop is in a next-hop set; a missing one is in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_next_hop_set: Option<MatchSet>,
    /// Its AS path is in an AS-path set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_as_path_set: Option<MatchSet>,
    /// Its standard communities against a community set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_community_set: Option<MatchSet>,
    /// Its extended communities against a set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_extended_community_set: Option<MatchSet>,
    /// Its large communities against a set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_large_community_set: Option<MatchSet>,
    /// How many standard communities it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub community_count: Option<Comparison>,
    /// Its MED; a missing one compares as 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub med: Option<Comparison>,
    /// Its local preference; a missing one compares as what sums of the speaker's policies start from (100; on FRR 0).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_preference: Option<Comparison>,
    /// Its origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The length of its AS path, as the decision process counts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_path_length: Option<Comparison>,
    /// Learned inside, outside, or made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route_type: Option<RouteType>,
    /// Its address family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_family: Option<AddressFamily>,
}

/// A condition on a set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MatchSet {
    /// The set's name.
    pub set: String,
    /// How.
    #[serde(default, skip_serializing_if = "is_default")]
    pub options: MatchSetOptions,
}

/// How a route is held against a set (RFC 9067 `match-set-options`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MatchSetOptions {
    /// One member matches.
    #[default]
    Any,
    /// Every member matches (always, where there is none). For what has one value (prefix, neighbour, next hop)
    /// refused, except on sets of one.
    All,
    /// No member matches.
    Invert,
    /// Every member matches, and the route has nothing that matches none (`exact-match`); communities only.
    Exact,
}

/// A comparison with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Equal.
    Eq(u32),
    /// Greater or equal.
    Ge(u32),
    /// Less or equal.
    Le(u32),
}

impl Comparison {
    /// Whether a number stands in this relation.
    pub const fn holds(self, number: u32) -> bool {
        match self {
            Self::Eq(n) => number == n,
            Self::Ge(n) => number >= n,
            Self::Le(n) => number <= n,
        }
    }
}

/// Where a route was before BGP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SourceProtocol {
    /// A BGP route, announced or received.
    Bgp,
    /// An interface's network.
    Connected,
    /// A static route.
    Static,
}

/// How a speaker came by a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RouteType {
    /// From a peer of the own system.
    Internal,
    /// From a peer of another system (or another member of the confederation).
    External,
    /// Made here: announced, redistributed or aggregated.
    Local,
}

/// A family of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AddressFamily {
    /// IPv4 unicast.
    Ipv4Unicast,
    /// IPv6 unicast.
    Ipv6Unicast,
}

impl AddressFamily {
    /// The family of a prefix.
    pub const fn of(prefix: &IpNet) -> Self {
        match prefix {
            IpNet::V4(_) => Self::Ipv4Unicast,
            IpNet::V6(_) => Self::Ipv6Unicast,
        }
    }
}

/// What a statement does. Attributes are changed in the order of the fields; the result comes last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Actions {
    /// Sets ORIGIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_origin: Option<Origin>,
    /// Sets LOCAL_PREF, or adds to it or subtracts from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_local_preference: Option<SetNumber>,
    /// Sets MED, or adds to it or subtracts from it, or takes the IGP cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_med: Option<SetMed>,
    /// Sets the weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_weight: Option<u32>,
    /// Sets NEXT_HOP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_next_hop: Option<SetNextHop>,
    /// Takes every occurrence of these numbers out of the AS path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_as_path_exclude: Vec<Asn>,
    /// Strips or replaces private numbers (RFC 6996) in the AS path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_private_as: Option<PrivateAsAction>,
    /// Replaces the receiving peer's number in the AS path by the own one (AS override); on export only.
    #[serde(skip_serializing_if = "is_default")]
    pub set_as_override: bool,
    /// Puts numbers in front of the AS path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_as_path_prepend: Option<Prepend>,
    /// Changes standard communities, one change after the other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_communities: Vec<SetCommunity>,
    /// Changes extended communities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_extended_communities: Vec<SetCommunity>,
    /// Changes large communities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_large_communities: Vec<SetCommunity>,
    /// What becomes of the route; none goes on with the next statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_result: Option<PolicyResult>,
}

/// What becomes of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PolicyResult {
    /// It passes; nothing further is looked at.
    AcceptRoute,
    /// It is dropped.
    RejectRoute,
    /// On with the next statement: the same as no result, said aloud.
    NextStatement,
    /// On with the next policy of the chain; at its end, with the default.
    NextPolicy,
}

/// What becomes of a route that no policy of a chain has accepted or rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DefaultPolicy {
    /// It passes.
    AcceptRoute,
    /// It is dropped.
    RejectRoute,
}

/// A change of a number. Written `200`, `"+10"` or `"-10"`; sums stop at 0 and 4294967295. Sums need the quotes: TOML and
/// YAML read a bare `+10` as the number 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetNumber {
    /// This value.
    Value(u32),
    /// So much more.
    Add(u32),
    /// So much less.
    Subtract(u32),
}

/// A change of MED. Written `50`, `"+10"`, `"-10"` or `"igp"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetMed {
    /// A number.
    Number(SetNumber),
    /// The IGP cost of the route's next hop.
    Igp,
}

/// A change of the next hop. Written `self`, `peer`, `unchanged`, or an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetNextHop {
    /// The speaker's own address on the session; without a session none, which stands for the speaker.
    Own,
    /// The peer's address on the session; without a session the next hop stays.
    Peer,
    /// As it is: an export does not put itself there.
    Unchanged,
    /// This address.
    Address(IpAddr),
}

/// Numbers to put in front of an AS path: `{ asn = 65001, repeat = 3 }`, or a whole path, or both (the path first in
/// time, the repeated number in front of it). One of them must be there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Prepend {
    /// Which number; none is the speaker's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<PrependAsn>,
    /// How often.
    #[serde(default, skip_serializing_if = "is_default")]
    pub repeat: u8,
    /// A path to put in front as it stands; plain sequences only.
    #[serde(default, skip_serializing_if = "is_default")]
    pub path: AsPath,
}

/// Which number is put in front. Written `65001`, `own`, or `last` (the newest of the path, as `last-as` does; on a path
/// that does not begin with a number, nothing).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrependAsn {
    /// The speaker's own.
    Own,
    /// The newest number of the path.
    Last,
    /// This one.
    Asn(Asn),
}

/// What is done with private numbers in an AS path. Members of the own confederation are left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PrivateAsAction {
    /// All are taken out.
    Remove,
    /// All are replaced by the own number.
    Replace,
    /// All are taken out, but only where the path has no other (the older default of routers).
    RemoveIfAll,
}

/// A change of communities: those written here, and those of a set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SetCommunity {
    /// Which change.
    pub option: CommunityOption,
    /// The communities; no expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub communities: Vec<String>,
    /// The name of a community set. Its expressions count for `remove`; for the others they are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
}

/// How communities change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CommunityOption {
    /// They are added.
    #[default]
    Add,
    /// They are taken out.
    Remove,
    /// They take the place of all there were; with none given, all go.
    Replace,
}

/// The text is none of the forms that a policy takes there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct ActionError {
    text: String,
    wanted: &'static str,
}

impl FromStr for SetNumber {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, ActionError> {
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten().ok_or_else(|| ActionError {
                text: text.to_owned(),
                wanted: "a number such as `200`, `+10` or `-10`",
            })
        };
        match text.split_at_checked(1) {
            Some(("+", digits)) => number(digits).map(Self::Add),
            Some(("-", digits)) => number(digits).map(Self::Subtract),
            _ => number(text).map(Self::Value),
        }
    }
}

impl fmt::Display for SetNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(n) => write!(f, "{n}"),
            Self::Add(n) => write!(f, "+{n}"),
            Self::Subtract(n) => write!(f, "-{n}"),
        }
    }
}

impl SetNumber {
    /// The changed number.
    pub const fn apply(self, old: u32) -> u32 {
        match self {
            Self::Value(n) => n,
            Self::Add(n) => old.saturating_add(n),
            Self::Subtract(n) => old.saturating_sub(n),
        }
    }
}

impl FromStr for SetMed {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, ActionError> {
        if text.eq_ignore_ascii_case("igp") {
            return Ok(Self::Igp);
        }
        text.parse().map(Self::Number)
    }
}

impl fmt::Display for SetMed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Igp => f.write_str("igp"),
        }
    }
}

impl FromStr for SetNextHop {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, ActionError> {
        match text {
            "self" => Ok(Self::Own),
            "peer" => Ok(Self::Peer),
            "unchanged" => Ok(Self::Unchanged),
            _ => text.parse().map(Self::Address).map_err(|_| ActionError {
                text: text.to_owned(),
                wanted: "a next hop: `self`, `peer`, `unchanged` or an address",
            }),
        }
    }
}

impl fmt::Display for SetNextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("self"),
            Self::Peer => f.write_str("peer"),
            Self::Unchanged => f.write_str("unchanged"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl FromStr for PrependAsn {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, ActionError> {
        match text {
            "own" => Ok(Self::Own),
            "last" => Ok(Self::Last),
            _ => text.parse().map(Self::Asn).map_err(|_| ActionError {
                text: text.to_owned(),
                wanted: "a number to prepend: `own`, `last` or an ASN",
            }),
        }
    }
}

impl fmt::Display for PrependAsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("own"),
            Self::Last => f.write_str("last"),
            Self::Asn(asn) => asn.fmt(f),
        }
    }
}

/// A text or a number, as text.
struct Loose(String);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Loose;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Loose, E> {
                Ok(Loose(text.to_owned()))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Loose, E> {
                Ok(Loose(number.to_string()))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Loose, E> {
                Ok(Loose(number.to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

macro_rules! serde_as_loose_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.to_string().parse::<u32>() {
                    Ok(number) if !self.to_string().starts_with('+') => serializer.serialize_u32(number),
                    _ => serializer.collect_str(self),
                }
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Loose::deserialize(deserializer)?.0.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_as_loose_text!(SetNumber, SetMed, SetNextHop, PrependAsn);

impl SetCommunity {
    /// Adds standard communities.
    pub fn add(communities: impl IntoIterator<Item = Community>) -> Self {
        Self::of(CommunityOption::Add, communities)
    }

    /// Replaces the standard communities.
    pub fn replace(communities: impl IntoIterator<Item = Community>) -> Self {
        Self::of(CommunityOption::Replace, communities)
    }

    fn of<T: fmt::Display>(option: CommunityOption, communities: impl IntoIterator<Item = T>) -> Self {
        Self { option, communities: communities.into_iter().map(|c| c.to_string()).collect(), set: None }
    }

    /// Adds extended communities.
    pub fn add_extended(communities: impl IntoIterator<Item = ExtendedCommunity>) -> Self {
        Self::of(CommunityOption::Add, communities)
    }

    /// Adds large communities.
    pub fn add_large(communities: impl IntoIterator<Item = LargeCommunity>) -> Self {
        Self::of(CommunityOption::Add, communities)
    }
}
