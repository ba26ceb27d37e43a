//! Tells the formats apart and takes the wrapping off: what is left is a list of resources.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use super::raw::{is_mere_name, text_of, type_from_id};
use super::{ImportError, Warning, WarningKind, effective_routes, service_tags, template};
use crate::model::{ResourceId, ServiceTag};

/// A format that the importer recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Format {
    /// An array of raw resources, `properties` nested.
    RawArray,
    /// One raw resource.
    RawResource,
    /// `az … list -o json`.
    AzList,
    /// `az … show -o json`.
    AzShow,
    /// A REST answer with `value`.
    RestList,
    /// A published REST example, whose answer was taken.
    RestExample,
    /// The answer of an asynchronous operation.
    AsyncOperation,
    /// A Resource Graph response.
    ResourceGraph,
    /// An ARM template.
    Template,
    /// PowerShell, `ConvertTo-Json`.
    PowerShell,
    /// Service tags.
    ServiceTags,
    /// An azroute document.
    Document,
    /// A route table that Azure printed, as what a site offers.
    RouteTable,
    /// An empty list.
    EmptyList,
}

impl Format {
    /// The name, as reports print it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RawArray => "raw resources",
            Self::RawResource => "raw resource",
            Self::AzList => "az list",
            Self::AzShow => "az show",
            Self::RestList => "REST list",
            Self::RestExample => "REST example",
            Self::AsyncOperation => "asynchronous operation",
            Self::ResourceGraph => "Resource Graph",
            Self::Template => "ARM template",
            Self::PowerShell => "PowerShell",
            Self::ServiceTags => "service tags",
            Self::Document => "azroute document",
            Self::RouteTable => "route table",
            Self::EmptyList => "empty list",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an input turned out to be.
pub(super) struct Recognised {
    pub(super) format: Format,
    pub(super) content: Content,
    pub(super) warnings: Vec<Warning>,
}

pub(super) enum Content {
    /// Resources, each an object.
    Resources(Vec<Map<String, Value>>),
    ServiceTags(Vec<ServiceTag>),
    /// To be read from the bytes, whose member names matter.
    Document,
}

/// Carries the place along, so that a refusal can name it.
struct Reader<'a> {
    input: &'a str,
    warnings: Vec<Warning>,
}

/// Recognises a tree.
pub(super) fn recognise(input: &str, value: Value) -> Result<Recognised, ImportError> {
    let mut reader = Reader { input, warnings: Vec::new() };
    let (format, content) = reader.value(value, "$", 0)?;
    Ok(Recognised { format, content, warnings: reader.warnings })
}

type Found = Result<(Format, Content), ImportError>;

impl Reader<'_> {
    fn refuse(&self, variant: fn(super::Refusal) -> ImportError, place: &str, reason: &str) -> ImportError {
        ImportError::new(variant, self.input, place, reason)
    }

    fn warn(&mut self, kind: WarningKind, field: &str, reason: String) {
        self.warnings.push(Warning {
            kind,
            input: self.input.to_owned(),
            resource: ResourceId::default(),
            field: field.to_owned(),
            reason,
        });
    }

    fn value(&mut self, value: Value, place: &str, depth: usize) -> Found {
        if depth > 6 {
            return Err(self.refuse(ImportError::Unrecognised, place, "wrapped too many times"));
        }
        match value {
            Value::Object(map) => self.object(map, place, depth),
            Value::Array(items) => self.array(items, place, Format::RawArray),
            other => {
                let reason = format!("a bare {} is no export of resources", kind_of(&other));
                Err(self.refuse(ImportError::Unrecognised, place, &reason))
            }
        }
    }

    fn object(&mut self, mut map: Map<String, Value>, place: &str, depth: usize) -> Found {
        let members: BTreeSet<String> =
            map.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key.clone()).collect();
        let has = |key: &str| members.contains(key);
        if map.contains_key("schema_version") {
            return Ok((Format::Document, Content::Document));
        }
        let schema = map.get("$schema").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        if schema.contains("deploymentparameters") {
            let reason = "parameter values of a template hold no resources: give the template, or better what was deployed";
            return Err(self.refuse(ImportError::TemplateParameters, place, reason));
        }
        if schema.contains("deploymenttemplate") || (has("contentversion") && has("resources")) {
            let resources = template::resources(self.input, map, &mut self.warnings);
            return Ok((Format::Template, Content::Resources(resources)));
        }
        if has("format_version") || (has("resources") && (has("lineage") || has("terraform_version"))) {
            let what = if has("planned_values") || has("resource_changes") { "plan" } else { "state" };
            let reason = format!("a Terraform {what}: reading Terraform comes later");
            return Err(self.refuse(ImportError::Terraform, place, &reason));
        }
        if let Some(Value::Object(responses)) = map.get_mut("responses") {
            let code = ["200", "201", "202"]
                .into_iter()
                .find(|code| responses.get(*code).is_some_and(|r| r.get("body").is_some()));
            let body = code.and_then(|c| Some((c, responses.get_mut(c)?.get_mut("body").map(Value::take)?)));
            let Some((code, body)) = body else {
                let reason = "a REST example without an answer body";
                return Err(self.refuse(ImportError::Unrecognised, &format!("{place}.responses"), reason));
            };
            let place = format!("{place}.responses.{code}.body");
            let (format, content) = self.value(body, &place, depth + 1)?;
            let keep = matches!(format, Format::ServiceTags | Format::Document);
            return Ok((if keep { format } else { Format::RestExample }, content));
        }
        if let Some(tags) = service_tags::read(self.input, &map, &mut self.warnings) {
            return Ok((Format::ServiceTags, Content::ServiceTags(tags)));
        }
        if let Some(output) = map.get_mut("properties").and_then(|p| p.get_mut("output")).map(Value::take)
            && map.contains_key("status")
        {
            let (_, content) = self.value(output, &format!("{place}.properties.output"), depth + 1)?;
            return Ok((Format::AsyncOperation, content));
        }
        if (has("totalrecords") || has("total_records") || has("count")) && map.contains_key("data") {
            return self.resource_graph(map, place);
        }
        if let Some(what) = effective_routes::what(&map) {
            let reason = not_declared(what);
            return Err(self.refuse(ImportError::RouteReading, place, &reason));
        }
        if let Some(Value::Array(items)) = map.get_mut("value").map(Value::take) {
            if map.get("nextlink").is_some_and(|link| !link.is_null() && link != "") {
                let reason = "the list goes on: fetch the further pages, and add them as inputs of their own";
                self.warn(WarningKind::PagesMissing, "nextLink", reason.to_owned());
            }
            return self.array(items, &format!("{place}.value"), Format::RestList);
        }
        if let Some(format) = resource_format(&map, true) {
            return self.resources(format, vec![map], place);
        }
        let bare = map.values().all(|v| v.get("value").is_some() || !v.is_object());
        if map.contains_key("parameters") && !map.contains_key("resources") || (bare && !map.is_empty()) {
            let reason = "looks like parameter values of a template, which hold no resources";
            return Err(self.refuse(ImportError::TemplateParameters, place, reason));
        }
        let reason = if map.is_empty() {
            "an empty object holds no resources".to_owned()
        } else {
            let keys: Vec<&str> = map.keys().map(String::as_str).take(6).collect();
            format!(
                "an object with the members `{}` is none of the known formats",
                short(&keys.join("`, `"), 200)
            )
        };
        Err(self.refuse(ImportError::Unrecognised, place, &reason))
    }

    fn resource_graph(&mut self, mut map: Map<String, Value>, place: &str) -> Found {
        let skip = ["skiptoken", "$skiptoken", "skip_token"]
            .iter()
            .any(|key| map.get(*key).and_then(Value::as_str).is_some_and(|token| !token.is_empty()));
        let cut = match map.get("resulttruncated").or_else(|| map.get("result_truncated")) {
            Some(Value::Bool(cut)) => *cut,
            Some(Value::String(cut)) => cut.eq_ignore_ascii_case("true"),
            _ => false,
        };
        if skip || cut {
            let total = map.get("totalrecords").or_else(|| map.get("total_records")).map(Value::to_string);
            let count = map.get("count").map(Value::to_string);
            let reason = format!(
                "{} of {} records are here: fetch the further pages, and add them as inputs of their own",
                count.as_deref().unwrap_or("some"),
                total.as_deref().unwrap_or("more")
            );
            self.warn(WarningKind::PagesMissing, if skip { "$skipToken" } else { "resultTruncated" }, reason);
        }
        let place = format!("{place}.data");
        match map.get_mut("data").map(Value::take) {
            Some(Value::Array(rows)) => self.array(rows, &place, Format::ResourceGraph),
            Some(Value::Object(mut table)) => {
                let (Some(Value::Array(columns)), Some(Value::Array(rows))) =
                    (table.get_mut("columns").map(Value::take), table.get_mut("rows").map(Value::take))
                else {
                    let reason = "Resource Graph data without `columns` and `rows`";
                    return Err(self.refuse(ImportError::Unrecognised, &place, reason));
                };
                let names: Vec<String> = columns
                    .iter()
                    .map(|c| text_of(c.get("name").unwrap_or(c)).to_ascii_lowercase())
                    .collect();
                let rows = rows
                    .into_iter()
                    .map(|row| match row {
                        Value::Array(cells) => Value::Object(names.iter().cloned().zip(cells).collect()),
                        other => other,
                    })
                    .collect();
                self.array(rows, &place, Format::ResourceGraph)
            }
            _ => Err(self.refuse(ImportError::Unrecognised, &place, "Resource Graph data without rows")),
        }
    }

    fn array(&mut self, items: Vec<Value>, place: &str, mut format: Format) -> Found {
        if items.is_empty() {
            return Ok((Format::EmptyList, Content::Resources(Vec::new())));
        }
        let mut objects = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            match item {
                Value::Object(map) if at == 0 && effective_routes::is_row(&map).is_some() => {
                    let what = effective_routes::is_row(&map).unwrap_or("a route table");
                    let reason = not_declared(what);
                    return Err(self.refuse(ImportError::RouteReading, place, &reason));
                }
                // Answers that were put in one list: pages, or one answer a subscription.
                Value::Object(mut map) if map.get("value").is_some_and(Value::is_array) => {
                    if let Some(Value::Array(inner)) = map.get_mut("value").map(Value::take) {
                        objects.extend(inner.into_iter().filter_map(|v| match v {
                            Value::Object(map) => Some(map),
                            _ => None,
                        }));
                    }
                }
                Value::Object(map) => objects.push(map),
                other => {
                    let place = format!("{place}[{at}]");
                    let reason = format!("a {} where a resource was expected", kind_of(&other));
                    return Err(self.refuse(ImportError::Unrecognised, &place, &reason));
                }
            }
        }
        let found = objects.iter().find_map(|map| resource_format(map, false));
        if found.is_none() && !objects.is_empty() {
            let keys: Vec<&str> = objects.iter().flat_map(Map::keys).map(String::as_str).take(6).collect();
            let reason = format!(
                "a list of objects with the members `{}` is no list of resources: `id` is missing",
                short(&keys.join("`, `"), 200)
            );
            return Err(self.refuse(ImportError::Unrecognised, place, &reason));
        }
        if format == Format::RawArray {
            format = found.unwrap_or(format);
        }
        self.resources(format, objects, place)
    }

    /// Refuses lists that name resources without saying anything about them.
    fn resources(&mut self, format: Format, objects: Vec<Map<String, Value>>, place: &str) -> Found {
        let network: Vec<&Map<String, Value>> = objects
            .iter()
            .filter(|o| {
                let id = o.get("id").or_else(|| o.get("resourceid")).and_then(Value::as_str);
                id.and_then(type_from_id).is_some_and(|t| t.starts_with("microsoft.network/"))
            })
            .collect();
        if !network.is_empty() && network.iter().all(|o| is_mere_name(o)) {
            let reason = "rows without `properties`: `az resource list` and a query that projects ids say nothing \
                          about routing; use the list command of each type, or `az graph query` with whole rows";
            return Err(self.refuse(ImportError::NoProperties, place, reason));
        }
        Ok((format, Content::Resources(objects)))
    }
}

/// Why a route table cannot be added as resources are, and what to do with it.
fn not_declared(what: &str) -> String {
    format!(
        "{what}: an answer, not a declaration; read it with `import::effective_routes`, or add routes that a site \
         offers with `Importer::add_routes`"
    )
}

/// Which resource format an object has, if it is a resource.
fn resource_format(map: &Map<String, Value>, single: bool) -> Option<Format> {
    let string = |key: &str| map.get(key).is_some_and(Value::is_string);
    let nested = map.get("properties").is_some_and(Value::is_object);
    let is_resource =
        |key: &str| map.get(key).and_then(Value::as_str).is_some_and(|id| type_from_id(id).is_some());
    let typed = map.get("type").and_then(Value::as_str).is_some_and(|t| t.contains('/'));
    if string("resourceid") || map.contains_key("resourcegroupname") && is_resource("id") {
        return Some(Format::PowerShell);
    }
    if !(is_resource("id") || typed && string("name")) {
        return None;
    }
    Some(match (nested, single) {
        (true, false) => Format::RawArray,
        (true, true) => Format::RawResource,
        (false, false) => Format::AzList,
        (false, true) => Format::AzShow,
    })
}

/// What a JSON value is, in a word.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// User text of bounded length, for messages.
pub(super) fn short(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
