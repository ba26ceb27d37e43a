//! AS paths (RFC 4271 section 4.3, RFC 5065 for confederation segments).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Asn;

/// The autonomous systems a route has passed, newest first.
///
/// Written as routers print it: a sequence plain, a set in braces, a confederation sequence in parentheses, a
/// confederation set in brackets: `65001 65002 {64500 64501}`. In a document a list of numbers will do as well.
///
/// Cheap to clone (the path is shared); a path that is one plain sequence takes one allocation.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AsPath(Repr);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Repr {
    /// One AS_SEQUENCE; empty is the empty path.
    Sequence(Arc<[Asn]>),
    /// Anything else: never one lone plain sequence, never an empty segment, so that equal paths are equal values.
    Segments(Arc<[Segment]>),
}

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SegmentKind {
    /// AS_SEQUENCE: passed in this order.
    Sequence,
    /// AS_SET: passed in some order, by aggregation; counts as one.
    Set,
    /// AS_CONFED_SEQUENCE: member systems of the own confederation; counts as none.
    ConfedSequence,
    /// AS_CONFED_SET: counts as none.
    ConfedSet,
}

/// One segment of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Segment {
    /// What it is.
    pub kind: SegmentKind,
    /// Its members, newest first; of a set, sorted.
    pub asns: Vec<Asn>,
}

impl Default for AsPath {
    fn default() -> Self {
        Self(Repr::Sequence(Arc::from([])))
    }
}

impl AsPath {
    /// A path that is one plain sequence, newest first.
    pub fn sequence(asns: impl IntoIterator<Item = Asn>) -> Self {
        Self(Repr::Sequence(asns.into_iter().collect()))
    }

    /// A path of any segments. Empty ones are dropped, sets are sorted, neighbouring sequences of one kind are joined.
    pub fn from_segments(segments: impl IntoIterator<Item = Segment>) -> Self {
        let mut joined: Vec<Segment> = Vec::new();
        for mut segment in segments {
            if segment.asns.is_empty() {
                continue;
            }
            match segment.kind {
                SegmentKind::Set | SegmentKind::ConfedSet => {
                    segment.asns.sort_unstable();
                    segment.asns.dedup();
                    joined.push(segment);
                }
                SegmentKind::Sequence | SegmentKind::ConfedSequence => match joined.last_mut() {
                    Some(last) if last.kind == segment.kind => last.asns.append(&mut segment.asns),
                    _ => joined.push(segment),
                },
            }
        }
        match joined.as_slice() {
            [] => Self::default(),
            [one] if one.kind == SegmentKind::Sequence => {
                Self(Repr::Sequence(Arc::from(one.asns.as_slice())))
            }
            _ => Self(Repr::Segments(joined.into())),
        }
    }

    /// The segments, newest first.
    pub fn segments(&self) -> impl Iterator<Item = (SegmentKind, &[Asn])> {
        let (sequence, segments): (&[Asn], &[Segment]) = match &self.0 {
            Repr::Sequence(asns) => (asns, &[]),
            Repr::Segments(segments) => (&[], segments),
        };
        let first = (!sequence.is_empty()).then_some((SegmentKind::Sequence, sequence));
        first.into_iter().chain(segments.iter().map(|s| (s.kind, s.asns.as_slice())))
    }

    /// Every number in the path, in the order of its segments.
    pub fn asns(&self) -> impl Iterator<Item = Asn> + '_ {
        self.segments().flat_map(|(_, asns)| asns.iter().copied())
    }

    /// Whether nothing was passed.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Repr::Sequence(asns) if asns.is_empty())
    }

    /// The length that the decision process compares: a set counts as one (RFC 4271 section 9.1.2.2), confederation
    /// segments as none (RFC 5065 section 5.3).
    pub fn hop_count(&self) -> usize {
        match &self.0 {
            Repr::Sequence(asns) => asns.len(),
            Repr::Segments(_) => self
                .segments()
                .map(|(kind, asns)| match kind {
                    SegmentKind::Sequence => asns.len(),
                    SegmentKind::Set => 1,
                    SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
                })
                .sum(),
        }
    }

    /// How often a number stands in the path, in segments of any kind.
    pub fn count(&self, asn: Asn) -> usize {
        match &self.0 {
            Repr::Sequence(asns) => asns.iter().filter(|a| **a == asn).count(),
            Repr::Segments(_) => self.asns().filter(|a| *a == asn).count(),
        }
    }

    /// The neighbouring autonomous system: the first of the first plain segment, where that is a sequence; confederation
    /// segments before it are skipped (RFC 5065 section 5.3). `None` means the local system.
    pub fn neighbor_as(&self) -> Option<Asn> {
        match &self.0 {
            Repr::Sequence(asns) => asns.first().copied(),
            Repr::Segments(_) => {
                let plain = |kind| matches!(kind, SegmentKind::Sequence | SegmentKind::Set);
                let (kind, asns) = self.segments().find(|(kind, _)| plain(*kind))?;
                if kind == SegmentKind::Sequence { asns.first().copied() } else { None }
            }
        }
    }

    /// The first number of the path, where its first segment is a sequence.
    pub fn first(&self) -> Option<Asn> {
        let (kind, asns) = self.segments().next()?;
        matches!(kind, SegmentKind::Sequence | SegmentKind::ConfedSequence).then(|| asns.first().copied())?
    }

    /// The path with numbers put in front, the first of them newest.
    #[must_use]
    pub fn prepended(&self, asns: &[Asn]) -> Self {
        match &self.0 {
            Repr::Sequence(old) => Self(Repr::Sequence(asns.iter().chain(old.iter()).copied().collect())),
            Repr::Segments(_) => self.with_front(SegmentKind::Sequence, asns),
        }
    }

    /// The path with a number of the own confederation put in front (RFC 5065 section 4.1).
    #[must_use]
    pub fn confed_prepended(&self, asns: &[Asn]) -> Self {
        self.with_front(SegmentKind::ConfedSequence, asns)
    }

    fn with_front(&self, kind: SegmentKind, asns: &[Asn]) -> Self {
        let front = Segment { kind, asns: asns.to_vec() };
        Self::from_segments(std::iter::once(front).chain(self.owned_segments()))
    }

    /// The path without its confederation segments, as it leaves a confederation (RFC 5065 section 4.1).
    #[must_use]
    pub fn without_confederation(&self) -> Self {
        match &self.0 {
            Repr::Sequence(_) => self.clone(),
            Repr::Segments(_) => Self::from_segments(
                self.owned_segments().filter(|s| matches!(s.kind, SegmentKind::Sequence | SegmentKind::Set)),
            ),
        }
    }

    /// The path with every number looked at: `None` takes it out.
    #[must_use]
    pub fn map(&self, mut change: impl FnMut(Asn) -> Option<Asn>) -> Self {
        Self::from_segments(self.owned_segments().map(|segment| Segment {
            kind: segment.kind,
            asns: segment.asns.into_iter().filter_map(&mut change).collect(),
        }))
    }

    fn owned_segments(&self) -> impl Iterator<Item = Segment> + '_ {
        self.segments().map(|(kind, asns)| Segment { kind, asns: asns.to_vec() })
    }
}

impl fmt::Display for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (kind, asns)) in self.segments().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            let (open, close) = match kind {
                SegmentKind::Sequence => ("", ""),
                SegmentKind::Set => ("{", "}"),
                SegmentKind::ConfedSequence => ("(", ")"),
                SegmentKind::ConfedSet => ("[", "]"),
            };
            f.write_str(open)?;
            for (j, asn) in asns.iter().enumerate() {
                if j > 0 {
                    f.write_str(" ")?;
                }
                write!(f, "{asn}")?;
            }
            f.write_str(close)?;
        }
        Ok(())
    }
}

impl fmt::Debug for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsPath({self})")
    }
}

/// The text is no AS path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an AS path such as `65001 65002 {{64500 64501}}`")]
pub struct AsPathError(String);

impl FromStr for AsPath {
    type Err = AsPathError;

    fn from_str(text: &str) -> Result<Self, AsPathError> {
        let fail = || AsPathError(text.to_owned());
        let mut segments: Vec<Segment> = Vec::new();
        let mut open: Option<char> = None;
        let mut rest = text.trim_start_matches([' ', '\t']);
        while let Some(c) = rest.chars().next() {
            match c {
                '{' | '(' | '[' if open.is_none() => {
                    let (kind, close) = match c {
                        '{' => (SegmentKind::Set, '}'),
                        '(' => (SegmentKind::ConfedSequence, ')'),
                        _ => (SegmentKind::ConfedSet, ']'),
                    };
                    segments.push(Segment { kind, asns: Vec::new() });
                    open = Some(close);
                    rest = &rest[1..];
                }
                '}' | ')' | ']' if open == Some(c) => {
                    open = None;
                    segments.push(Segment { kind: SegmentKind::Sequence, asns: Vec::new() });
                    rest = &rest[1..];
                }
                ',' if open.is_some() => rest = &rest[1..],
                '0'..='9' => {
                    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
                    let asn: Asn = rest[..end].parse().map_err(|_| fail())?;
                    match segments.last_mut() {
                        Some(segment) if open.is_some() || segment.kind == SegmentKind::Sequence => {
                            segment.asns.push(asn);
                        }
                        _ => segments.push(Segment { kind: SegmentKind::Sequence, asns: vec![asn] }),
                    }
                    rest = &rest[end..];
                }
                _ => return Err(fail()),
            }
            rest = rest.trim_start_matches([' ', '\t']);
        }
        if open.is_some() {
            return Err(fail());
        }
        Ok(Self::from_segments(segments))
    }
}

impl Serialize for AsPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AsPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = AsPath;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an AS path: a text such as `65001 65002 {64500}`, or a list of numbers")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<AsPath, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<AsPath, E> {
                let asn = u32::try_from(number).map_err(|_| E::custom(format_args!("{number} is no ASN")))?;
                Ok(AsPath::sequence([Asn(asn)]))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<AsPath, E> {
                let asn = u32::try_from(number).map_err(|_| E::custom(format_args!("{number} is no ASN")))?;
                Ok(AsPath::sequence([Asn(asn)]))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<AsPath, A::Error> {
                let mut asns: Vec<Asn> = Vec::new();
                while let Some(asn) = list.next_element()? {
                    asns.push(asn);
                }
                Ok(AsPath::sequence(asns))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> AsPath {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_printed_reads_back() {
        for text in ["", "1", "65001 65002 {1 2}", "(65010 65011) 1 2", "[7 8] (9) {1} {2} 3", "4200000000 1"]
        {
            assert_eq!(path(text).to_string(), text);
        }
        assert_eq!(path("{2,1,2} 1.10"), path("{1 2} 65546"));
        for bad in ["{1", "1}", "{(1)}", "x", "1,2", "{1 (2}", "4294967296"] {
            assert!(bad.parse::<AsPath>().is_err(), "{bad}");
        }
    }

    /// RFC 4271 section 9.1.2.2 a), RFC 5065 section 5.3.
    #[test]
    fn a_set_counts_one_and_a_confederation_none() {
        assert_eq!(path("1 2 {3 4 5}").hop_count(), 3);
        assert_eq!(path("(65010 65011) [65012] 1 2").hop_count(), 2);
        assert_eq!(path("(65010) 7 8").neighbor_as(), Some(Asn(7)));
        assert_eq!(path("(65010) {7}").neighbor_as(), None);
        assert_eq!(path("(65010) 7").first(), Some(Asn(65010)));
    }

    #[test]
    fn paths_equal_by_content_are_equal_values() {
        let joined = AsPath::from_segments([
            Segment { kind: SegmentKind::Sequence, asns: vec![Asn(1)] },
            Segment { kind: SegmentKind::Sequence, asns: vec![Asn(2)] },
        ]);
        assert_eq!(joined, AsPath::sequence([Asn(1), Asn(2)]));
        assert_eq!(path("(1) 2").without_confederation(), path("2"));
        assert_eq!(path("2").confed_prepended(&[Asn(9)]).confed_prepended(&[Asn(8)]), path("(8 9) 2"));
        assert_eq!(path("{2}").prepended(&[Asn(1)]), path("1 {2}"));
        assert_eq!(path("1 {2} 1").map(|a| (a != Asn(1)).then_some(a)), path("{2}"));
    }
}
