//! Regular expressions over the texts of AS paths and communities, in the routers' spelling.

use std::fmt::{self, Write};

use regex_lite::{Regex, RegexBuilder};

use crate::model::bgp::{AsPath, Asn, SegmentKind};

/// Bytes that a compiled expression may take: matching costs its size times the text's, for any input.
const EXPRESSION_SIZE: usize = 64 << 10;

/// An expression in which `_` is a border: start, end, or one of the characters that stand between numbers. In a
/// bracket expression it is any of those characters.
pub(super) fn expression(text: &str) -> Result<Regex, regex_lite::Error> {
    // The blank as `\x20`, since `(?x)` would skip it.
    const BORDER: &str = r"\x20,{}()\[\]";
    let mut translated = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match c {
            '\\' => {
                let escaped = rest[1..].chars().next();
                taken += escaped.map_or(0, char::len_utf8);
                // `\_` is the character itself, which needs no escape.
                translated.push_str(if escaped == Some('_') { "_" } else { &rest[..taken] });
            }
            '_' if in_class => translated.push_str(BORDER),
            '_' => {
                translated.push_str("(?:^|[");
                translated.push_str(BORDER);
                translated.push_str("]|$)");
            }
            '[' if in_class => {
                // A named class such as `[:digit:]` ends in a bracket of its own.
                if let Some(end) = rest.starts_with("[:").then(|| rest.find(":]")).flatten() {
                    taken = end + 2;
                }
                translated.push_str(&rest[..taken]);
            }
            '[' => {
                in_class = true;
                // A bracket that stands first is a member: `[]a]`, `[^]a]`.
                let first = rest[1..].strip_prefix('^').unwrap_or(&rest[1..]);
                taken = rest.len() - first.strip_prefix(']').unwrap_or(first).len();
                translated.push_str(&rest[..taken]);
            }
            _ => {
                in_class &= c != ']';
                translated.push(c);
            }
        }
        rest = &rest[taken..];
    }
    RegexBuilder::new(&translated).size_limit(EXPRESSION_SIZE).build()
}

/// A member of an AS-path set. The common forms are decided on the numbers, without printing the path.
#[derive(Debug)]
pub(super) enum PathPattern {
    /// `^$`: the empty path.
    Empty,
    /// `^1_2_`, `_2_`, `_3$`, `^1_2_3$`: these numbers one after the other in one segment.
    Numbers {
        /// At least one.
        numbers: Box<[Asn]>,
        /// `^`: the text begins with them.
        from_start: bool,
        /// `$`: the text ends with them.
        to_end: bool,
    },
    /// Anything else.
    Expression(Regex),
}

impl PathPattern {
    pub(super) fn new(text: &str) -> Result<Self, regex_lite::Error> {
        if text == "^$" {
            return Ok(Self::Empty);
        }
        match Self::numbers(text) {
            Some(pattern) => Ok(pattern),
            None => expression(text).map(Self::Expression),
        }
    }

    /// `text` where it is numbers between borders, each as a path prints it.
    fn numbers(text: &str) -> Option<Self> {
        let from_start = text.starts_with('^');
        let text = text.strip_prefix(['^', '_'])?;
        let to_end = text.ends_with('$');
        let text = text.strip_suffix(['$', '_'])?;
        let number = |digits: &str| {
            // With a leading zero or a sign it would be the text of no number.
            let plain = digits == "0" || digits.starts_with(|c: char| matches!(c, '1'..='9'));
            if plain { digits.parse().ok().map(Asn) } else { None }
        };
        let numbers = text.split(['_', ' ']).map(number).collect::<Option<_>>()?;
        Some(Self::Numbers { numbers, from_start, to_end })
    }

    /// Whether the expression finds something in the path's text.
    pub(super) fn matches(&self, path: &AsPath) -> bool {
        match self {
            Self::Empty => path.is_empty(),
            Self::Numbers { numbers, from_start, to_end } => {
                numbers_match(path, numbers, *from_start, *to_end)
            }
            Self::Expression(regex) => regex.is_match(Text::of(path).as_str()),
        }
    }
}

/// Numbers of different segments have two characters or more between them, and `_` is one; segments other than plain
/// sequences begin and end with a bracket, so neither `^` nor `$` stands beside their numbers.
fn numbers_match(path: &AsPath, numbers: &[Asn], from_start: bool, to_end: bool) -> bool {
    let plain = |segment: Option<(SegmentKind, _)>| match segment {
        Some((SegmentKind::Sequence, asns)) => asns,
        _ => [].as_slice(),
    };
    let mut segments = path.segments();
    match (from_start, to_end) {
        (true, true) => plain(segments.next()) == numbers && segments.next().is_none(),
        (true, false) => plain(segments.next()).starts_with(numbers),
        (false, true) => plain(segments.last()).ends_with(numbers),
        (false, false) => match numbers {
            [one] => path.count(*one) > 0,
            _ => segments.any(|(_, asns)| asns.windows(numbers.len()).any(|run| run == numbers)),
        },
    }
}

/// A printed value: on the stack while it is short.
pub(super) struct Text {
    short: [u8; 256],
    length: usize,
    long: String,
}

impl Text {
    pub(super) fn of(value: &impl fmt::Display) -> Self {
        let mut text = Self { short: [0; 256], length: 0, long: String::new() };
        // Writing to memory does not fail.
        let _ = write!(text, "{value}");
        text
    }

    pub(super) fn as_str(&self) -> &str {
        if !self.long.is_empty() {
            return &self.long;
        }
        self.short.get(..self.length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.long.is_empty() {
            let end = self.length + part.len();
            if let Some(room) = self.short.get_mut(self.length..end) {
                room.copy_from_slice(part.as_bytes());
                self.length = end;
                return Ok(());
            }
            let start = self.as_str().to_owned();
            self.long = start;
        }
        self.long.push_str(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::bgp::Segment;

    fn finds(pattern: &str, path: &str) -> bool {
        let path: AsPath = path.parse().unwrap();
        PathPattern::new(pattern).unwrap().matches(&path)
    }

    #[test]
    fn an_underscore_is_a_border() {
        assert!(!finds("_9_", "19") && !finds("_9_", "91 19") && finds("_9_", "1 9 2"));
        assert!(
            finds("_9_", "{9}") && finds("_9_", "1 {8 9}") && finds("_9_", "(9) 1") && finds("_9_", "[9]")
        );
        assert!(finds("_1.*_9_", "1 9") && !finds("^_9", "1 9") && finds("(_1)+_", "1 2"));
        // In a bracket expression it is the characters.
        assert!(finds("^[^_]+$", "65001") && !finds("^[^_]+$", "65001 1") && finds("1[_]2", "1 2"));
        assert!(finds("^[[:digit:]_]+$", "1 2 {3}") && finds(r"^[]_0-9]+$", "1 2") && !finds(r"\_", "1 2"));
        // A whole path is one segment, and numbers side by side are of one.
        assert!(
            finds("^1_2$", "1 2")
                && !finds("^1$", "1 {2}")
                && !finds("^1$", "1 2")
                && !finds("_1_2_", "1 {2}")
        );
        // In verbose mode too.
        assert!(finds("(?x) 1 _ 2", "1 2"));
    }

    #[test]
    fn a_large_expression_is_refused() {
        assert!(expression("(((a{100}){100}){100}){100}").is_err());
        assert!(expression("[").is_err() && expression(r"a\").is_err() && expression("(?P<x_y>1)").is_err());
    }

    #[test]
    fn a_long_text_is_the_same_text() {
        let path = AsPath::sequence((0..400).map(|n| Asn(4_200_000_000 + n)));
        assert_eq!(Text::of(&path).as_str(), path.to_string());
        assert_eq!(Text::of(&"x".repeat(256)).as_str(), "x".repeat(256));
        assert_eq!(Text::of(&"x".repeat(257)).as_str(), "x".repeat(257));
    }

    fn path() -> impl Strategy<Value = AsPath> {
        let kind = prop::sample::select(vec![
            SegmentKind::Sequence,
            SegmentKind::Sequence,
            SegmentKind::Set,
            SegmentKind::ConfedSequence,
            SegmentKind::ConfedSet,
        ]);
        // Few digits, so that one number's text lies within another's.
        let asn = prop::sample::select(vec![1, 2, 9, 11, 12, 19, 91, 912]).prop_map(Asn);
        let segment = (kind, prop::collection::vec(asn, 1..4));
        prop::collection::vec(segment, 0..4).prop_map(|segments| {
            AsPath::from_segments(segments.into_iter().map(|(kind, asns)| Segment { kind, asns }))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        /// What is decided on numbers is what the expression says of the text.
        #[test]
        fn numbers_decide_as_the_expression(
            path in path(),
            numbers in prop::collection::vec(prop::sample::select(vec!["1", "2", "9", "11", "12", "19", "01"]), 0..4),
            (start, between, end) in (
                prop::sample::select(vec!["^", "_", ""]),
                prop::sample::select(vec!["_", " "]),
                prop::sample::select(vec!["$", "_", ""]),
            ),
        ) {
            let text = format!("{start}{}{end}", numbers.join(between));
            let pattern = PathPattern::new(&text).unwrap();
            let slow = expression(&text).unwrap().is_match(&path.to_string());
            prop_assert_eq!(pattern.matches(&path), slow, "{} on `{}`", text, path);
            let bordered = !start.is_empty() && !end.is_empty();
            if bordered && !numbers.is_empty() && !numbers.contains(&"01") {
                let fast = matches!(pattern, PathPattern::Numbers { .. });
                prop_assert!(fast, "{} is not decided on numbers", text);
            }
        }
    }
}
