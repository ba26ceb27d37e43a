//! Path attributes (RFC 4271 section 5, RFC 4456, RFC 1997, RFC 8092).

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AsPath, Asn, Communities, Community, ExtendedCommunity, LargeCommunity};
use crate::model::is_default;

/// How a route came into BGP; the order is the order of preference (RFC 4271 section 9.1.2.2 b).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// From inside the originating system.
    #[default]
    Igp,
    /// From EGP.
    Egp,
    /// By some other way, such as redistribution.
    Incomplete,
}

/// Who formed an aggregate (RFC 4271 section 5.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Aggregator {
    /// Its autonomous system.
    pub asn: Asn,
    /// Its router id.
    pub address: Ipv4Addr,
}

/// The clusters that reflected a route, newest first (RFC 4456 section 8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClusterList(Option<Arc<[Ipv4Addr]>>);

impl ClusterList {
    /// A list, newest first.
    pub fn new(ids: impl IntoIterator<Item = Ipv4Addr>) -> Self {
        let ids: Arc<[Ipv4Addr]> = ids.into_iter().collect();
        Self((!ids.is_empty()).then_some(ids))
    }

    /// The ids, newest first.
    pub fn ids(&self) -> &[Ipv4Addr] {
        self.0.as_deref().unwrap_or(&[])
    }

    /// The list with an id put in front.
    #[must_use]
    pub fn prepended(&self, id: Ipv4Addr) -> Self {
        Self::new(std::iter::once(id).chain(self.ids().iter().copied()))
    }
}

/// What a route says of itself.
///
/// Missing is not zero: how a speaker reads a missing MED or local preference is its profile's matter. Clones share
/// the AS path, the communities and the cluster list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub struct PathAttributes {
    /// ORIGIN.
    pub origin: Origin,
    /// AS_PATH.
    pub as_path: AsPath,
    /// NEXT_HOP; none is the speaker that announces it.
    pub next_hop: Option<IpAddr>,
    /// MULTI_EXIT_DISC: lower is better.
    pub med: Option<u32>,
    /// LOCAL_PREF: higher is better; inside an autonomous system only.
    pub local_preference: Option<u32>,
    /// Weight: higher is better; inside one speaker only, never sent.
    pub weight: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: bool,
    /// AGGREGATOR.
    pub aggregator: Option<Aggregator>,
    /// Communities of all kinds.
    pub communities: Communities,
    /// ORIGINATOR_ID.
    pub originator_id: Option<Ipv4Addr>,
    /// CLUSTER_LIST.
    pub cluster_list: ClusterList,
}

/// How attributes are written.
#[derive(Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default, skip_serializing_if = "is_default")]
    origin: Origin,
    #[serde(default, skip_serializing_if = "is_default")]
    as_path: AsPath,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_hop: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    med: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    local_preference: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    #[serde(default, skip_serializing_if = "is_default")]
    atomic_aggregate: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aggregator: Option<Aggregator>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    communities: Vec<Community>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    extended_communities: Vec<ExtendedCommunity>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    large_communities: Vec<LargeCommunity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    originator_id: Option<Ipv4Addr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cluster_list: Vec<Ipv4Addr>,
}

/// The schema of the written form.
#[cfg(feature = "schema")]
pub(in crate::model) fn attributes_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    <Form as schemars::JsonSchema>::json_schema(generator)
}

impl From<Form> for PathAttributes {
    fn from(form: Form) -> Self {
        Self {
            origin: form.origin,
            as_path: form.as_path,
            next_hop: form.next_hop,
            med: form.med,
            local_preference: form.local_preference,
            weight: form.weight,
            atomic_aggregate: form.atomic_aggregate,
            aggregator: form.aggregator,
            communities: Communities::new(
                form.communities,
                form.extended_communities,
                form.large_communities,
            ),
            originator_id: form.originator_id,
            cluster_list: ClusterList::new(form.cluster_list),
        }
    }
}

impl From<PathAttributes> for Form {
    fn from(a: PathAttributes) -> Self {
        Self {
            origin: a.origin,
            as_path: a.as_path,
            next_hop: a.next_hop,
            med: a.med,
            local_preference: a.local_preference,
            weight: a.weight,
            atomic_aggregate: a.atomic_aggregate,
            aggregator: a.aggregator,
            communities: a.communities.standard().to_vec(),
            extended_communities: a.communities.extended().to_vec(),
            large_communities: a.communities.large().to_vec(),
            originator_id: a.originator_id,
            cluster_list: a.cluster_list.ids().to_vec(),
        }
    }
}
