//! What the edge of public peering announces, to routers that hear it.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::speakers::Azure;
use crate::model::ResourceId;
use crate::model::bgp::{Communities, Community, Origination, PathAttributes};
use crate::prefix_table::PrefixTable;

impl Azure<'_> {
    /// Whether a session of the document ends there.
    pub(super) fn listened_to(&self, end: &ResourceId) -> bool {
        self.topology.document().bgp_sessions.iter().any(|s| s.a.speaker == *end || s.b.speaker == *end)
    }

    /// Prefixes of public peering with the communities of their regions, `12076:51xxx` (PUB-8).
    pub(super) fn by_region(&self, carried: &[Origination]) -> Vec<Origination> {
        let mut regions: PrefixTable<BTreeSet<Community>> = PrefixTable::default();
        for service in &self.topology.document().bgp_service_communities {
            let region = service
                .community
                .parse::<Community>()
                .ok()
                .filter(|_| service.community.starts_with("12076:51"));
            for prefix in service.prefixes.iter().filter(|_| region.is_some()) {
                regions.entry(prefix.trunc()).extend(region);
            }
        }
        let mut by_communities: BTreeMap<BTreeSet<Community>, Vec<IpNet>> = BTreeMap::new();
        for prefix in carried.iter().flat_map(|o| &o.prefixes) {
            let around = regions.covering(prefix).into_iter().flat_map(|(_, communities)| communities);
            by_communities.entry(around.copied().collect()).or_default().push(*prefix);
        }
        let origination = |(communities, prefixes)| Origination {
            prefixes,
            attributes: PathAttributes {
                communities: Communities::new(communities, [], []),
                ..PathAttributes::default()
            },
            policies: Vec::new(),
        };
        by_communities.into_iter().map(origination).collect()
    }
}
