//! Path attributes: found in their section, held once for each distinct set.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bgpkit_parser::error::BgpValidationWarning;
use bgpkit_parser::models::{self as wire, AsPathSegment, AsnLength, AttributeValue};
use bgpkit_parser::parser::bgp::attributes::parse_attributes;
use bytes::Bytes;

use super::MrtReport;
use super::decode::Problem;
use crate::model::Asn;
use crate::model::bgp::{
    Aggregator, AsPath, ClusterList, Communities, Community, ExtendedCommunity, LargeCommunity, Origin,
    PathAttributes, Segment, SegmentKind,
};

const NEXT_HOP: u8 = 3;
const AGGREGATOR: u8 = 7;
const ATOMIC_AGGREGATE: u8 = 6;
const MP_REACH: u8 = 14;
const MP_UNREACH: u8 = 15;
const EXTENDED_COMMUNITIES: u8 = 16;
const AS4_PATH: u8 = 17;
const AS4_AGGREGATOR: u8 = 18;
/// Stands in 2-byte paths for a number that does not fit (RFC 6793).
const AS_TRANS: Asn = Asn(23456);

const OPTIONAL: u8 = 0x80;
const TRANSITIVE: u8 = 0x40;
const EXTENDED_LENGTH: u8 = 0x10;

/// The attributes that are read, their names, and the flags that they must have (RFC 7606 section 3 c).
const READ: [(u8, &str, u8); 16] = [
    (1, "ORIGIN", TRANSITIVE),
    (2, "AS_PATH", TRANSITIVE),
    (NEXT_HOP, "NEXT_HOP", TRANSITIVE),
    (4, "MULTI_EXIT_DISC", OPTIONAL),
    (5, "LOCAL_PREF", TRANSITIVE),
    (ATOMIC_AGGREGATE, "ATOMIC_AGGREGATE", TRANSITIVE),
    (AGGREGATOR, "AGGREGATOR", OPTIONAL | TRANSITIVE),
    (8, "COMMUNITIES", OPTIONAL | TRANSITIVE),
    (9, "ORIGINATOR_ID", OPTIONAL),
    (10, "CLUSTER_LIST", OPTIONAL),
    (MP_REACH, "MP_REACH_NLRI", OPTIONAL),
    (MP_UNREACH, "MP_UNREACH_NLRI", OPTIONAL),
    (EXTENDED_COMMUNITIES, "EXTENDED COMMUNITIES", OPTIONAL | TRANSITIVE),
    (AS4_PATH, "AS4_PATH", OPTIONAL | TRANSITIVE),
    (AS4_AGGREGATOR, "AS4_AGGREGATOR", OPTIONAL | TRANSITIVE),
    (32, "LARGE_COMMUNITY", OPTIONAL | TRANSITIVE),
];

/// Malformed, these are left out alone; any other takes its routes along (RFC 7606 section 7, RFC 6793 section 6).
const DISCARDED_ALONE: [u8; 4] = [ATOMIC_AGGREGATE, AGGREGATOR, AS4_PATH, AS4_AGGREGATOR];

fn name(code: u8) -> &'static str {
    READ.iter().find(|(known, ..)| *known == code).map_or("path attribute", |(_, name, _)| name)
}

/// A section of attributes, taken apart.
#[derive(Default)]
pub(super) struct Section<'a> {
    pub(super) next_hop: Option<&'a [u8]>,
    pub(super) mp_reach: Option<&'a [u8]>,
    pub(super) mp_unreach: Option<&'a [u8]>,
    /// Why nothing that the section speaks for may be announced.
    pub(super) problem: Option<Problem>,
}

/// How the numbers of a path are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Two,
    Four,
}

/// Where a section stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a message: what is mandatory must be there.
    Update,
    /// In a table, which has the router's own routes too; what these lack is as redistribution leaves it.
    Table,
}

/// Sets of attributes, each held once.
#[derive(Default)]
pub(super) struct Attributes {
    sets: Vec<Arc<PathAttributes>>,
    by_value: HashMap<Arc<PathAttributes>, u32>,
    /// What was met before, by its bytes: most routes of a dump are decoded by one look-up here.
    by_bytes: HashMap<Box<[u8]>, Known>,
    /// The attributes of the section at hand that are read, as they stand, without next hop and prefixes.
    section: Vec<u8>,
    key: Vec<u8>,
}

#[derive(Clone)]
enum Known {
    Set(u32),
    /// A set, and the attributes that were left out of it.
    Mended(u32, Arc<[u8]>),
    Malformed(Problem),
}

impl Attributes {
    pub(super) fn get(&self, set: u32) -> Option<Arc<PathAttributes>> {
        self.sets.get(set as usize).cloned()
    }

    pub(super) fn into_sets(self) -> Vec<Arc<PathAttributes>> {
        self.sets
    }

    /// Takes a section apart. What [`set`](Self::set) needs of it stays here until the next one.
    pub(super) fn take_apart<'a>(&mut self, bytes: &'a [u8], report: &mut MrtReport) -> Section<'a> {
        self.section.clear();
        let mut section = Section::default();
        let mut seen = [false; 256];
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some((Attribute { flags, code, value, whole }, behind)) = split(rest) else {
                let code = rest.get(1).copied().unwrap_or_default();
                section.problem = Some(Problem::new(name(code), "is longer than what holds it".to_owned()));
                return section;
            };
            rest = behind;
            let Some((_, name, wanted)) = READ.iter().find(|(known, ..)| *known == code) else {
                *report.unread_attributes.entry(code).or_default() += 1;
                continue;
            };
            if std::mem::replace(&mut seen[usize::from(code)], true) {
                // RFC 7606 section 3 g: the first one counts, but of prefixes there must be one list.
                if matches!(code, MP_REACH | MP_UNREACH) {
                    section.problem = Some(Problem::new(name, "stands more than once".to_owned()));
                }
                *report.discarded_attributes.entry(code).or_default() += 1;
                continue;
            }
            if flags & (OPTIONAL | TRANSITIVE) != *wanted {
                if DISCARDED_ALONE.contains(&code) {
                    *report.discarded_attributes.entry(code).or_default() += 1;
                    continue;
                }
                section.problem.get_or_insert_with(|| Problem::new(name, format!("has flags {flags:#04x}")));
            }
            match code {
                NEXT_HOP => section.next_hop = Some(value),
                MP_REACH => section.mp_reach = Some(value),
                MP_UNREACH => section.mp_unreach = Some(value),
                _ => self.section.extend_from_slice(whole),
            }
        }
        section
    }

    /// The set that the section at hand gives with a next hop (4 or 16 bytes; 32 with a link-local address behind the
    /// other, RFC 2545).
    pub(super) fn set(
        &mut self,
        next_hop: Option<&[u8]>,
        width: Width,
        place: Place,
        report: &mut MrtReport,
    ) -> Result<u32, Problem> {
        let next_hop = next_hop.map(address).transpose()?;
        self.key.clear();
        self.key.push(u8::from(width == Width::Four) | u8::from(place == Place::Table) << 1);
        match next_hop {
            None => self.key.push(0),
            Some(IpAddr::V4(address)) => {
                self.key.push(4);
                self.key.extend_from_slice(&address.octets());
            }
            Some(IpAddr::V6(address)) => {
                self.key.push(16);
                self.key.extend_from_slice(&address.octets());
            }
        }
        self.key.extend_from_slice(&self.section);
        let known = match self.by_bytes.get(self.key.as_slice()) {
            Some(known) => known.clone(),
            None => {
                let known = match decoded(&self.section, next_hop, width, place) {
                    Ok((attributes, left_out)) => {
                        let set = self.intern(attributes)?;
                        if left_out.is_empty() {
                            Known::Set(set)
                        } else {
                            Known::Mended(set, left_out.into())
                        }
                    }
                    Err(problem) => Known::Malformed(problem),
                };
                self.by_bytes.insert(self.key.as_slice().into(), known.clone());
                known
            }
        };
        match known {
            Known::Set(set) => Ok(set),
            Known::Mended(set, left_out) => {
                for code in left_out.iter() {
                    *report.discarded_attributes.entry(*code).or_default() += 1;
                }
                Ok(set)
            }
            Known::Malformed(problem) => Err(problem),
        }
    }

    fn intern(&mut self, attributes: PathAttributes) -> Result<u32, Problem> {
        if let Some(set) = self.by_value.get(&attributes) {
            return Ok(*set);
        }
        // The last number stands for "withdrawn" in a table.
        let set = u32::try_from(self.sets.len())
            .ok()
            .filter(|set| *set != u32::MAX)
            .ok_or_else(|| Problem::new("path attributes", "too many distinct sets".to_owned()))?;
        let shared = Arc::new(attributes);
        self.sets.push(Arc::clone(&shared));
        self.by_value.insert(shared, set);
        Ok(set)
    }
}

struct Attribute<'a> {
    flags: u8,
    code: u8,
    value: &'a [u8],
    /// All of it as it stands.
    whole: &'a [u8],
}

/// The first attribute, and what is behind it.
fn split(bytes: &[u8]) -> Option<(Attribute<'_>, &[u8])> {
    let (&flags, &code) = (bytes.first()?, bytes.get(1)?);
    let (head, length) = if flags & EXTENDED_LENGTH == 0 {
        (3, usize::from(*bytes.get(2)?))
    } else {
        (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])))
    };
    let (whole, behind) = bytes.split_at_checked(head + length)?;
    Some((Attribute { flags, code, value: whole.get(head..)?, whole }, behind))
}

fn address(bytes: &[u8]) -> Result<IpAddr, Problem> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Ok(IpAddr::V4(Ipv4Addr::from(four)));
    }
    match (bytes.len(), bytes.first_chunk::<16>()) {
        (16 | 32, Some(sixteen)) => Ok(IpAddr::V6(Ipv6Addr::from(*sixteen))),
        (n, _) => Err(Problem::new("NEXT_HOP", format!("has {n} bytes"))),
    }
}

/// The attributes, and those that were left out.
fn decoded(
    section: &[u8],
    next_hop: Option<IpAddr>,
    width: Width,
    place: Place,
) -> Result<(PathAttributes, Vec<u8>), Problem> {
    let asn_length = if width == Width::Four { AsnLength::Bits32 } else { AsnLength::Bits16 };
    let parsed = parse_attributes(Bytes::copy_from_slice(section), &asn_length, false, None, None, None)
        .map_err(|error| Problem::new("path attributes", error.to_string()))?;
    let mut left_out = Vec::new();
    let mut wrong = |code: u8, reason: String| {
        if DISCARDED_ALONE.contains(&code) {
            left_out.push(code);
            Ok(())
        } else {
            Err(Problem::new(name(code), reason))
        }
    };
    for warning in parsed.validation_warnings() {
        // Flags and repetition were looked at before; what did not parse stands there raw.
        if let BgpValidationWarning::AttributeLengthError { attr_type, actual_length, .. } = warning {
            wrong(u8::from(*attr_type), format!("has {actual_length} bytes"))?;
        }
    }
    let mut attributes = PathAttributes { next_hop, ..PathAttributes::default() };
    let (mut origin, mut path, mut as4_path, mut as4_aggregator) = (None, None, None, None);
    let (mut standard, mut extended, mut large) = (Vec::new(), Vec::new(), Vec::new());
    for value in parsed.iter() {
        match value {
            AttributeValue::Origin(value) => {
                origin = Some(match value {
                    wire::Origin::IGP => Origin::Igp,
                    wire::Origin::EGP => Origin::Egp,
                    wire::Origin::INCOMPLETE => Origin::Incomplete,
                });
            }
            AttributeValue::AsPath(value) => path = Some(segments(value)),
            AttributeValue::As4Path(value) => as4_path = Some(segments(value)),
            AttributeValue::MultiExitDiscriminator(value) => attributes.med = Some(*value),
            AttributeValue::LocalPreference(value) => attributes.local_preference = Some(*value),
            AttributeValue::AtomicAggregate => attributes.atomic_aggregate = true,
            AttributeValue::Aggregator { asn, id } => {
                attributes.aggregator = Some(Aggregator { asn: Asn(u32::from(asn)), address: *id });
            }
            AttributeValue::As4Aggregator { asn, id } => {
                as4_aggregator = Some(Aggregator { asn: Asn(u32::from(asn)), address: *id });
            }
            AttributeValue::Communities(values) => standard.extend(values.iter().map(community)),
            AttributeValue::LargeCommunities(values) => {
                large.extend(values.iter().map(|value| LargeCommunity {
                    global: value.global_admin,
                    local_1: value.local_data[0],
                    local_2: value.local_data[1],
                }));
            }
            AttributeValue::OriginatorId(id) => attributes.originator_id = Some(*id),
            AttributeValue::Clusters(ids) => {
                attributes.cluster_list = ClusterList::new(ids.iter().copied().map(Ipv4Addr::from));
            }
            AttributeValue::Raw(raw) => {
                wrong(raw.code, format!("{} bytes that do not fit", raw.bytes.len()))?
            }
            // Taken from the bytes below: the model holds them as they are, and this form does not.
            _ => {}
        }
    }
    let mut rest = section;
    while let Some((Attribute { code, value, .. }, behind)) = split(rest) {
        rest = behind;
        if code == EXTENDED_COMMUNITIES {
            let (chunks, odd) = value.as_chunks::<8>();
            if !odd.is_empty() {
                return Err(Problem::new(name(code), format!("has {} bytes", value.len())));
            }
            extended.extend(chunks.iter().copied().map(ExtendedCommunity));
        }
    }
    attributes.communities = Communities::new(standard, extended, large);
    if place == Place::Table {
        origin = origin.or(Some(Origin::Incomplete));
        path = path.or(Some(Vec::new()));
    }
    attributes.origin = origin.ok_or_else(|| Problem::missing("ORIGIN"))?;
    let path = path.ok_or_else(|| Problem::missing("AS_PATH"))?;
    if path.iter().any(|segment| segment.asns.is_empty()) {
        return Err(Problem::new("AS_PATH", "holds an empty segment".to_owned()));
    }
    if width == Width::Four {
        // RFC 6793 section 4.1: a speaker of 4-byte numbers does not send them, and ignores them.
        left_out.extend(as4_path.map(|_| AS4_PATH));
        left_out.extend(as4_aggregator.map(|_| AS4_AGGREGATOR));
        attributes.as_path = AsPath::from_segments(path);
        return Ok((attributes, left_out));
    }
    match (attributes.aggregator, as4_aggregator) {
        // RFC 6793 section 4.2.3: whoever aggregated behind knew no 4-byte numbers, so both are out of date.
        (Some(old), Some(_)) if old.asn != AS_TRANS => {
            left_out.push(AS4_AGGREGATOR);
            left_out.extend(as4_path.take().map(|_| AS4_PATH));
        }
        (Some(_), Some(new)) => attributes.aggregator = Some(new),
        (None, Some(_)) => left_out.push(AS4_AGGREGATOR),
        (_, None) => {}
    }
    attributes.as_path = match as4_path {
        None => AsPath::from_segments(path),
        Some(as4) => match merged(&path, as4) {
            Some(merged) => merged,
            None => {
                left_out.push(AS4_PATH);
                AsPath::from_segments(path)
            }
        },
    };
    Ok((attributes, left_out))
}

fn community(value: &wire::Community) -> Community {
    match value {
        wire::Community::NoExport => Community::NO_EXPORT,
        wire::Community::NoAdvertise => Community::NO_ADVERTISE,
        wire::Community::NoExportSubConfed => Community::NO_EXPORT_SUBCONFED,
        // The first half was read from two bytes, so the shift loses nothing.
        wire::Community::Custom(asn, low) => Community(u32::from(asn) << 16 | u32::from(*low)),
    }
}

fn segments(path: &wire::AsPath) -> Vec<Segment> {
    let segment = |segment: &AsPathSegment| {
        let (kind, asns) = match segment {
            AsPathSegment::AsSequence(asns) => (SegmentKind::Sequence, asns),
            AsPathSegment::AsSet(asns) => (SegmentKind::Set, asns),
            AsPathSegment::ConfedSequence(asns) => (SegmentKind::ConfedSequence, asns),
            AsPathSegment::ConfedSet(asns) => (SegmentKind::ConfedSet, asns),
        };
        Segment { kind, asns: asns.iter().map(|asn| Asn(u32::from(asn))).collect() }
    };
    path.segments.iter().map(segment).collect()
}

/// How many numbers RFC 6793 counts in segments.
fn count(segments: &[Segment]) -> usize {
    let count = |segment: &Segment| match segment.kind {
        SegmentKind::Sequence => segment.asns.len(),
        SegmentKind::Set => 1,
        SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
    };
    segments.iter().map(count).sum()
}

/// The path of 4-byte numbers, with what the newer part of the 2-byte one has in front of it; none where the 2-byte path
/// is the shorter (RFC 6793 section 4.2.3).
fn merged(path: &[Segment], mut as4: Vec<Segment>) -> Option<AsPath> {
    as4.retain(|segment| matches!(segment.kind, SegmentKind::Sequence | SegmentKind::Set));
    let mut in_front = count(path).checked_sub(count(&as4))?;
    let mut result = Vec::new();
    for segment in path {
        let takes = match segment.kind {
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => segment.asns.len(),
            SegmentKind::Sequence => segment.asns.len().min(in_front),
            SegmentKind::Set if in_front > 0 => segment.asns.len(),
            SegmentKind::Set => 0,
        };
        in_front -= count(std::slice::from_ref(segment)).min(in_front);
        result.push(Segment { kind: segment.kind, asns: segment.asns.iter().take(takes).copied().collect() });
        if takes < segment.asns.len() {
            break;
        }
    }
    result.extend(as4);
    Some(AsPath::from_segments(result))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<Segment> {
        let path: AsPath = text.parse().unwrap();
        path.segments().map(|(kind, asns)| Segment { kind, asns: asns.to_vec() }).collect()
    }

    /// RFC 6793 section 4.2.3.
    #[test]
    fn the_newer_part_of_the_short_path_leads_the_long_one() {
        let cases = [
            ("1 23456 3", "70000 3", Some("1 70000 3")),
            ("23456 3", "70000 3", Some("70000 3")),
            ("1 2", "70000 1 2", None),
            ("(65001) 1 23456", "70000", Some("(65001) 1 70000")),
            ("1 {2 3} 23456", "70000", Some("1 {2 3} 70000")),
            ("1 23456 {2 3}", "70000 {2 3}", Some("1 70000 {2 3}")),
            ("1 2", "", Some("1 2")),
        ];
        for (short, long, expected) in cases {
            let merged = merged(&path(short), path(long)).map(|path| path.to_string());
            assert_eq!(merged.as_deref(), expected, "{short} + {long}");
        }
    }
}
