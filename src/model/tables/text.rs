//! How Azure writes members of these tables: numbers as text or as numbers, *not set* as null or as an empty text.

use std::fmt::Display;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serializer, de::Error};

use crate::model::bgp::{AsPath, SegmentKind};
use crate::model::parse_prefix;

/// A member as it may stand in JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum Raw {
    Number(u64),
    Text(String),
}

/// A member that may be missing, null or empty.
pub(super) fn blank<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = match Option::<Raw>::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Raw::Number(number)) => number.to_string(),
        Some(Raw::Text(text)) => text,
    };
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|e| D::Error::custom(format_args!("`{text}`: {e}"))),
    }
}

/// A member that has a value for *nothing*.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display> + Default,
{
    Ok(blank(deserializer)?.unwrap_or_default())
}

/// A prefix; host bits are cleared.
pub(super) fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpNet, D::Error> {
    let text = String::deserialize(deserializer)?;
    let prefix = parse_prefix(&text);
    prefix.map(|p| p.trunc()).ok_or_else(|| D::Error::custom(format_args!("`{text}` is no prefix")))
}

/// Writes text, empty where nothing is said.
pub(super) fn text<S: Serializer, T: Display>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_str(""),
    }
}

/// An AS path as gateways and hubs write it: `65001-65002-{64500,64501}`.
pub(crate) fn dashed(path: &AsPath) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (kind, asns) in path.segments() {
        let numbers = asns.iter().map(ToString::to_string);
        let (open, close) = match kind {
            SegmentKind::Sequence => {
                parts.extend(numbers);
                continue;
            }
            SegmentKind::Set => ('{', '}'),
            SegmentKind::ConfedSequence => ('(', ')'),
            SegmentKind::ConfedSet => ('[', ']'),
        };
        parts.push(format!("{open}{}{close}", numbers.collect::<Vec<_>>().join(",")));
    }
    parts.join("-")
}

/// AS paths joined by `-`, for `#[serde(with)]`.
pub(super) mod dash_joined {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        path: &AsPath,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&dashed(path))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<AsPath, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        let text = text.unwrap_or_default();
        text.replace('-', " ").parse().map_err(D::Error::custom)
    }
}
