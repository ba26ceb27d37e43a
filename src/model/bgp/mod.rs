//! What is declared of BGP: attributes, routing policy, speakers and their sessions.
//!
//! Names are those of RFC 4271 (attributes, speakers) and RFC 9067 (policy). Nothing here is computed and nothing knows
//! Azure; the `bgp` stage takes these values and converges them.

mod as_path;
mod asn;
mod attributes;
mod communities;
mod policy;
mod speaker;

pub use as_path::{AsPath, AsPathError, Segment, SegmentKind};
pub use asn::{Asn, AsnError};
#[cfg(feature = "schema")]
pub(in crate::model) use attributes::attributes_schema;
pub use attributes::{Aggregator, ClusterList, Origin, PathAttributes};
pub use communities::{Communities, Community, CommunityError, ExtendedCommunity, LargeCommunity};
pub use policy::{
    ActionError, Actions, AddressFamily, AsPathSet, CommunityOption, CommunitySet, Comparison, Conditions,
    DefaultPolicy, ExtendedCommunitySet, LargeCommunitySet, MatchSet, MatchSetOptions, NeighborSet,
    NextHopSet, PolicyDefinition, PolicyResult, PrefixRange, PrefixSet, Prepend, PrependAsn, PrivateAsAction,
    RouteType, RoutingPolicy, SetCommunity, SetMed, SetNextHop, SetNumber, SourceProtocol, Statement,
};
pub use speaker::{
    AddPath, Aggregate, BgpDesign, BgpSession, BgpSpeaker, Confederation, DecisionOverrides,
    DefaultOriginate, IgpLink, Interface, LocalAs, MaximumPaths, Origination, Profile, Redistribution,
    SessionEnd, StaticNextHop, StaticRoute,
};
