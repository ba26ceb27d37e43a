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
    for part in parts.clone() {
        standard.extend_from_slice(part.communities.standard());
        extended.extend_from_slice(part.communities.extended());
        large.extend_from_slice(part.communities.large());
    }
    // Members of a confederation stay apart from the rest, or they would be seen outside (RFC 5065 section 5).
    let members = joined(parts.clone(), [SegmentKind::ConfedSequence, SegmentKind::ConfedSet]);
    let others = joined(parts.clone(), [SegmentKind::Sequence, SegmentKind::Set]);
    PathAttributes {
        origin,
        as_path: AsPath::from_segments(members.into_iter().chain(others)),
        atomic_aggregate: parts.clone().any(|a| a.atomic_aggregate),
        communities: Communities::new(standard, extended, large),
        ..PathAttributes::default()
    }
}

/// What the segments of two kinds of all paths become: the sequence that all begin with, and the set of the rest.
fn joined<'p>(
    parts: impl Iterator<Item = &'p PathAttributes> + Clone,
    [sequence, set]: [SegmentKind; 2],
) -> [Segment; 2] {
    let of =
        |part: &'p PathAttributes| part.as_path.segments().filter(move |(k, _)| [sequence, set].contains(k));
    let mut common: Option<Vec<Asn>> = None;
    for part in parts.clone() {
        let leading: &[Asn] = match of(part).next() {
            Some((kind, asns)) if kind == sequence => asns,
            _ => &[],
        };
        common = Some(match common {
            None => leading.to_vec(),
            Some(old) => old.into_iter().zip(leading).take_while(|(a, b)| a == *b).map(|(a, _)| a).collect(),
        });
    }
    let common = common.unwrap_or_default();
    let mut rest: Vec<Asn> = Vec::new();
    for part in parts {
        // What follows the common part, which is a start of the first sequence.
        rest.extend(of(part).flat_map(|(_, asns)| asns).skip(common.len()));
    }
    [Segment { kind: sequence, asns: common }, Segment { kind: set, asns: rest }]
}
