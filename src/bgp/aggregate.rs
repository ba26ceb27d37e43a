//! Aggregates: their attributes from those of the routes inside them (RFC 4271 section 9.2.2.2).

use crate::model::bgp::{AsPath, Asn, Communities, Origin, PathAttributes, Segment, SegmentKind};

/// An aggregate's attributes from those of the routes inside it (RFC 4271 section 9.2.2.2).
pub(super) fn aggregated<'p>(
    parts: impl Iterator<Item = &'p PathAttributes> + Clone,
    as_set: bool,
) -> PathAttributes {
    let origin = parts.clone().map(|a| a.origin).max().unwrap_or(Origin::Igp);
    if !as_set {
        let atomic = parts.clone().any(|a| !a.as_path.is_empty() || a.atomic_aggregate);
        return PathAttributes { origin, atomic_aggregate: atomic, ..PathAttributes::default() };
    }
    let mut standard = Vec::new();
    let mut extended = Vec::new();
    let mut large = Vec::new();
    let mut common: Option<Vec<Asn>> = None;
    for part in parts.clone() {
        standard.extend_from_slice(part.communities.standard());
        extended.extend_from_slice(part.communities.extended());
        large.extend_from_slice(part.communities.large());
        // Members of a confederation may not stand among other systems (RFC 5065 section 4).
        let path = part.as_path.without_confederation();
        let leading: &[Asn] = match path.segments().next() {
            Some((SegmentKind::Sequence, asns)) => asns,
            _ => &[],
        };
        common = Some(match common {
            None => leading.to_vec(),
            Some(old) => old.into_iter().zip(leading).take_while(|(a, b)| a == *b).map(|(a, _)| a).collect(),
        });
    }
    let common = common.unwrap_or_default();
    let mut rest: Vec<Asn> = Vec::new();
    for part in parts.clone() {
        // What follows the common part, which is a start of the first sequence.
        rest.extend(part.as_path.without_confederation().asns().skip(common.len()));
    }
    let segment = |kind, asns| Segment { kind, asns };
    PathAttributes {
        origin,
        as_path: AsPath::from_segments([
            segment(SegmentKind::Sequence, common),
            segment(SegmentKind::Set, rest),
        ]),
        atomic_aggregate: parts.clone().any(|a| a.atomic_aggregate),
        communities: Communities::new(standard, extended, large),
        ..PathAttributes::default()
    }
}
