//! Service tags: the weekly download and the list API, which differ in the type of `changeNumber` only.

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::format::short;
use super::{Warning, WarningKind};
use crate::model::{ResourceId, ServiceTag, parse_prefix};

/// Reads service tags, or returns `None` where the object is something else.
pub(super) fn read(
    input: &str,
    map: &Map<String, Value>,
    warnings: &mut Vec<Warning>,
) -> Option<Vec<ServiceTag>> {
    let list = ["values", "value"].iter().find_map(|key| map.get(*key)?.as_array())?;
    let is_tag = |tag: &Value| {
        tag.get("name").is_some_and(Value::is_string)
            && body(tag).get("addressprefixes").is_some_and(Value::is_array)
            && (body(tag).get("systemservice").is_some() || body(tag).get("changenumber").is_some())
    };
    let whole = map.contains_key("changenumber") && map.contains_key("cloud");
    if !(whole || list.first().is_some_and(is_tag)) {
        return None;
    }
    let mut tags = Vec::with_capacity(list.len());
    for (at, tag) in list.iter().enumerate() {
        let name = tag.get("name").and_then(Value::as_str).unwrap_or_default();
        let mut warn = |kind, field: &str, reason| {
            let (input, field) = (input.to_owned(), field.to_owned());
            warnings.push(Warning { kind, input, resource: ResourceId::new(name), field, reason });
        };
        if name.is_empty() {
            warn(
                WarningKind::NotAResource,
                "name",
                format!("the tag at position {at} has no name and was left out"),
            );
            continue;
        }
        let mut address_prefixes: Vec<IpNet> = Vec::new();
        let listed = body(tag).get("addressprefixes").and_then(Value::as_array);
        for prefix in listed.into_iter().flatten() {
            let text = prefix.as_str().unwrap_or_default();
            match parse_prefix(text) {
                Some(prefix) => {
                    if prefix.trunc() != prefix {
                        let reason = format!("`{text}` has host bits set, taken as {}", prefix.trunc());
                        warn(WarningKind::HostBits, "addressPrefixes", reason);
                    }
                    address_prefixes.push(prefix.trunc());
                }
                None => {
                    let reason =
                        format!("`{}` is no prefix and was left out", short(&prefix.to_string(), 80));
                    warn(WarningKind::InvalidValue, "addressPrefixes", reason);
                }
            }
        }
        tags.push(ServiceTag { name: name.to_owned(), address_prefixes });
    }
    Some(tags)
}

fn body(tag: &Value) -> &Value {
    tag.get("properties").filter(|p| p.is_object()).unwrap_or(tag)
}
