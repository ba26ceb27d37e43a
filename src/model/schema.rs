//! The JSON Schema of a [`Document`], and of the values in it that are written as text.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::bgp::{
    AsPath, Asn, Community, ExtendedCommunity, LargeCommunity, PathAttributes, PrependAsn, SetMed,
    SetNextHop, SetNumber,
};
use super::{AddressPrefix, Date, Document, ResourceId, RouteNextHopType};

/// The JSON Schema (draft 2020-12) of a [`Document`], for editors and for checks before a document is read.
///
/// What fits it is read by this crate, but for what only a look at the whole can tell ([`Topology`](super::Topology)
/// does that) and a few values that a pattern cannot tell (an address in IPv6, an AS path's brackets). What does not fit
/// may be read in spite: words of older exports, for instance, are in no schema. The same value stands in the
/// repository as `src/model/document.schema.json`.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(plain));
    let mut schema = settings.into_generator().into_root_schema_for::<Document>();
    schema.insert("title".to_owned(), json!("azroute document"));
    schema.to_value()
}

/// Says in words of the standard what the generator says in formats of its own.
fn plain(schema: &mut Schema) {
    let format = schema.get("format").and_then(Value::as_str).map(str::to_owned);
    let Some(format) = format else { return };
    let maximum = match format.as_str() {
        "ip" => {
            schema.remove("format");
            schema.insert("anyOf".to_owned(), json!([{"pattern": V4}, {"pattern": V6}]));
            return;
        }
        "ipv4" => {
            schema.insert("pattern".to_owned(), json!(V4));
            return;
        }
        "uint8" => u64::from(u8::MAX),
        "uint16" => u64::from(u16::MAX),
        "uint32" => u64::from(u32::MAX),
        _ => u64::MAX,
    };
    if format.starts_with("uint") {
        schema.remove("format");
        schema.insert("maximum".to_owned(), json!(maximum));
    }
}

const V4: &str =
    r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])$";
/// Tells an IPv6 address from other texts, no more.
const V6: &str = r"^[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*$";

/// Stands for `IpNet` where a field is described.
pub(crate) struct Prefix;

impl JsonSchema for Prefix {
    fn schema_name() -> Cow<'static, str> {
        "Prefix".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // The address and the length: what both patterns end in.
        let v4 = V4.replace('$', "/(3[0-2]|[12]?[0-9])$");
        let v6 = V6.replace('$', "/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$");
        json_schema!({
            "description": "A prefix such as `10.0.0.0/8` or `2001:db8::/32`.",
            "type": "string",
            "anyOf": [{"pattern": v4}, {"pattern": v6}],
            "examples": ["10.0.0.0/8", "2001:db8::/32"],
        })
    }
}

/// The names of communities, in either case and with either dash, as they are read.
fn well_known() -> String {
    let known = [
        Community::GRACEFUL_SHUTDOWN,
        Community::BLACKHOLE,
        Community::NO_EXPORT,
        Community::NO_ADVERTISE,
        Community::NO_EXPORT_SUBCONFED,
    ];
    let either =
        |c: char| if c == '-' { "[-_]".to_owned() } else { format!("[{}{c}]", c.to_ascii_uppercase()) };
    known.map(|community| community.to_string().chars().map(either).collect::<String>()).join("|")
}

macro_rules! written {
    ($($type:ident: $schema:tt)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

written! {
    ResourceId: {
        "description": "The id of a resource; compared without case.",
        "type": "string",
    }
    Date: {
        "description": "A day such as `2016-10-01`.",
        "type": "string",
        "format": "date",
        "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
    }
    AddressPrefix: {
        "description": "A prefix, or the name of a service tag.",
        "type": "string",
        "examples": ["0.0.0.0/0", "Storage.WestEurope"],
    }
    RouteNextHopType: {
        "description": "Where a user-defined route leads (VOC-3).",
        "enum": [
            "VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance", "VirtualApplianceEcmp", "None",
        ],
    }
    Asn: {
        "description": "An autonomous system number: plain, or as asdot in a text (RFC 5396).",
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32},
            {"type": "string", "pattern": "^[0-9]{1,10}$|^[0-9]{1,5}\\.[0-9]{1,5}$"},
        ],
        "examples": [65001, "1.10"],
    }
    AsPath: {
        "description": "An AS path, newest first: a text with sets in braces, confederation sequences in parentheses \
                        and confederation sets in brackets, or a list of numbers, or one number.",
        "anyOf": [
            {"type": "string", "pattern": "^[0-9., \\t{}()\\[\\]]*$"},
            {"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32},
            {"type": "array", "items": {"anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32},
                {"type": "string", "pattern": "^[0-9]{1,10}$|^[0-9]{1,5}\\.[0-9]{1,5}$"},
            ]}},
        ],
        "examples": ["65001 65002 {64500 64501}", [65001, 65002]],
    }
    Community: {
        "description": "A standard community, or the name of a well-known one (RFC 1997).",
        "type": "string",
        "pattern": format!("^[0-9]{{1,5}}:[0-9]{{1,5}}$|^({})$", well_known()),
        "examples": ["65000:100", "no-export"],
    }
    ExtendedCommunity: {
        "description": "An extended community: route target, site of origin, or eight bytes (RFC 4360).",
        "type": "string",
        "pattern": "^([Rr][Tt]|[Ss][Oo][Oo]):[0-9.]+:[0-9]+$|^0x[0-9A-Fa-f]{16}$",
        "examples": ["rt:65000:100", "0x4300000000000001"],
    }
    LargeCommunity: {
        "description": "A large community (RFC 8092).",
        "type": "string",
        "pattern": "^[0-9]{1,10}:[0-9]{1,10}:[0-9]{1,10}$",
        "examples": ["64500:1:2"],
    }
    SetNumber: {
        "description": "A new value, or so much more or less.",
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32},
            {"type": "string", "pattern": "^[+-]?[0-9]+$"},
        ],
        "examples": [200, "+10", "-10"],
    }
    SetMed: {
        "description": "A new value, so much more or less, or the IGP cost.",
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32},
            {"type": "string", "pattern": "^[+-]?[0-9]+$|^[Ii][Gg][Pp]$"},
        ],
        "examples": [50, "+10", "igp"],
    }
    SetNextHop: {
        "description": "The own address, the peer's, the one it has, or another.",
        "type": "string",
        "pattern": "^(self|peer|unchanged)$|^[0-9.]+$|^[0-9A-Fa-f]*:[0-9A-Fa-f:.]*$",
        "examples": ["self", "192.0.2.1"],
    }
    PrependAsn: {
        "description": "The own number, the newest of the path, or another.",
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32},
            {"type": "string", "pattern": "^(own|last)$|^[0-9]{1,10}$|^[0-9]{1,5}\\.[0-9]{1,5}$"},
        ],
        "examples": ["own", 65001],
    }
}

impl JsonSchema for PathAttributes {
    fn schema_name() -> Cow<'static, str> {
        "PathAttributes".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = super::bgp::attributes_schema(generator);
        schema.insert("description".to_owned(), json!("Path attributes; what is not said is not set."));
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of words in a schema is not checked by the compiler.
    #[test]
    fn the_next_hop_types_are_all_there() {
        let value = schema();
        let words = value["$defs"]["RouteNextHopType"]["enum"].as_array().unwrap();
        for word in words {
            let parsed: RouteNextHopType = word.as_str().unwrap().parse().unwrap();
            assert_eq!(parsed.as_str(), word);
        }
        assert_eq!(words.len(), 6);
    }
}
