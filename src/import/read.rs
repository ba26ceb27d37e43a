//! Reads typed values out of a flat body, and keeps account of whatever cannot be taken as it stands.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::format::{kind_of, short};
use super::raw::{Raw, Store, text_of};
use super::template::is_expression;
use super::{Warning, WarningKind};
use crate::model::{Asn, ResourceId, UnresolvedReference, parse_prefix};

/// Everything the translation of one resource may need of the others.
pub(super) struct Context<'a> {
    pub(super) store: &'a Store,
    inputs: &'a [String],
    children: HashMap<&'a ResourceId, Vec<&'a Raw>>,
    pub(super) warnings: RefCell<Vec<Warning>>,
    /// References, to be looked up once everything is known.
    pub(super) references: RefCell<Vec<UnresolvedReference>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(store: &'a Store, inputs: &'a [String]) -> Self {
        let mut children: HashMap<&ResourceId, Vec<&Raw>> = HashMap::new();
        for raw in &store.raws {
            if let Some(parent) = &raw.parent {
                children.entry(parent).or_default().push(raw);
            }
        }
        Self { store, inputs, children, warnings: RefCell::default(), references: RefCell::default() }
    }

    /// The children of a resource that are of one kind and have a body; those without are reported.
    pub(super) fn children<'c>(&'c self, parent: &ResourceId, kind: &'static str) -> Vec<Body<'c>> {
        let mut found = Vec::new();
        for raw in self.children.get(parent).into_iter().flatten().filter(|raw| raw.kind == kind) {
            let body = self.body(raw);
            if raw.rank == super::raw::Rank::Hollow {
                body.warn(WarningKind::NoBody, "", "is named by its parent and was not exported: left out");
            } else {
                found.push(body);
            }
        }
        found
    }

    /// The children of a resource that are of one kind, with or without a body.
    pub(super) fn sightings(&self, parent: &ResourceId, kind: &'static str) -> impl Iterator<Item = &'a Raw> {
        self.children.get(parent).into_iter().flatten().copied().filter(move |raw| raw.kind == kind)
    }

    /// A reader of one resource.
    pub(super) fn body<'c>(&'c self, raw: &'c Raw) -> Body<'c> {
        Body {
            context: self,
            id: &raw.id,
            name: &raw.name,
            input: raw.input,
            map: &raw.body,
            path: String::new(),
        }
    }
}

/// A reader of a resource, or of an object inside one.
pub(super) struct Body<'a> {
    pub(super) context: &'a Context<'a>,
    /// The resource, for messages.
    pub(super) id: &'a ResourceId,
    /// Its name.
    pub(super) name: &'a str,
    input: usize,
    map: &'a Map<String, Value>,
    path: String,
}

impl<'a> Body<'a> {
    pub(super) fn warn(&self, kind: WarningKind, field: &str, reason: impl Into<String>) {
        let field = match (self.path.is_empty(), field.is_empty()) {
            (true, _) => field.to_owned(),
            (false, true) => self.path.clone(),
            (false, false) => format!("{}.{field}", self.path),
        };
        self.context.warnings.borrow_mut().push(Warning {
            kind,
            input: self.context.inputs.get(self.input).cloned().unwrap_or_default(),
            resource: self.id.clone(),
            field,
            reason: reason.into(),
        });
    }

    pub(super) fn get(&self, field: &str) -> Option<&'a Value> {
        self.map.get(&field.to_ascii_lowercase())
    }

    /// Whether anything is set.
    pub(super) fn has(&self, field: &str) -> bool {
        self.get(field).is_some()
    }

    /// A scalar's text; expressions are reported and count as not set.
    pub(super) fn text(&self, field: &str) -> Option<String> {
        self.scalar(field, self.get(field)?)
    }

    fn scalar(&self, field: &str, value: &Value) -> Option<String> {
        match value {
            Value::String(text) if is_expression(text) => {
                let reason = format!("`{}` was not evaluated: taken as not set", short(text, 160));
                self.warn(WarningKind::UnevaluatedExpression, field, reason);
                None
            }
            // The escape that templates use for a text that begins with a bracket.
            Value::String(text) => Some(match text.strip_prefix("[[") {
                Some(rest) => format!("[{rest}"),
                None => text.trim().to_owned(),
            }),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            other => {
                let reason = format!("a {} where a text was expected: taken as not set", kind_of(other));
                self.warn(WarningKind::InvalidValue, field, reason);
                None
            }
        }
    }

    /// Every text of a list, or the single text that stands in its place.
    pub(super) fn texts(&self, field: &str) -> Vec<String> {
        match self.get(field) {
            Some(Value::Array(items)) => items.iter().filter_map(|v| self.scalar(field, v)).collect(),
            Some(value) => self.scalar(field, value).into_iter().collect(),
            None => Vec::new(),
        }
    }

    fn parsed<T>(&self, field: &str, what: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(field)?;
        let value = parse(&text);
        if value.is_none() {
            let reason = format!("`{}` is no {what}: taken as not set", short(&text, 80));
            self.warn(WarningKind::InvalidValue, field, reason);
        }
        value
    }

    /// A boolean, also as text.
    pub(super) fn flag(&self, field: &str) -> Option<bool> {
        self.parsed(field, "boolean", |text| {
            if text.eq_ignore_ascii_case("true") {
                Some(true)
            } else if text.eq_ignore_ascii_case("false") {
                Some(false)
            } else {
                None
            }
        })
    }

    /// A number, also as text.
    pub(super) fn number<T: std::str::FromStr>(&self, field: &str) -> Option<T> {
        self.parsed(field, "number of the expected size", |text| text.parse().ok())
    }

    pub(super) fn asn(&self, field: &str) -> Option<Asn> {
        self.parsed(field, "autonomous system number", |text| text.parse().ok())
    }

    pub(super) fn address(&self, field: &str) -> Option<IpAddr> {
        self.parsed(field, "address", |text| text.parse().ok())
    }

    /// Addresses: a list, or one text with commas.
    pub(super) fn addresses(&self, field: &str) -> Vec<IpAddr> {
        let mut found = Vec::new();
        for text in self.texts(field) {
            for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
                match part.parse() {
                    Ok(address) => found.push(address),
                    Err(_) => {
                        let reason = format!("`{}` is no address and was left out", short(part, 80));
                        self.warn(WarningKind::InvalidValue, field, reason);
                    }
                }
            }
        }
        found
    }

    /// A prefix; host bits are cleared and reported.
    pub(super) fn prefix(&self, field: &str) -> Option<IpNet> {
        self.prefix_of(field, &self.text(field)?)
    }

    /// Every prefix of a list, or the single one that stands in its place.
    pub(super) fn prefixes(&self, field: &str) -> Vec<IpNet> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        for text in self.texts(field) {
            if let Some(prefix) = self.prefix_of(field, &text)
                && seen.insert(prefix)
            {
                found.push(prefix);
            }
        }
        found
    }

    pub(super) fn prefix_of(&self, field: &str, text: &str) -> Option<IpNet> {
        let Some(prefix) = parse_prefix(text) else {
            let reason = format!("`{}` is no prefix and was left out", short(text, 80));
            self.warn(WarningKind::InvalidValue, field, reason);
            return None;
        };
        if prefix.trunc() != prefix {
            let reason = format!("`{text}` has host bits set, taken as {}", prefix.trunc());
            self.warn(WarningKind::HostBits, field, reason);
        }
        Some(prefix.trunc())
    }

    /// One word of a list of words, compared without case.
    pub(super) fn word<T: Copy>(&self, field: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(field)?;
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text)).map(|(_, value)| *value);
        if found.is_none() {
            let reason = format!("`{}` is no known value: taken as not set", short(&text, 80));
            self.warn(WarningKind::UnknownValue, field, reason);
        }
        found
    }

    /// An object inside.
    pub(super) fn inner(&self, field: &str) -> Option<Body<'a>> {
        match self.get(field)? {
            Value::Object(map) => Some(self.at(map, join(&self.path, field))),
            Value::String(text) if is_expression(text) => {
                self.text(field);
                None
            }
            other => {
                let reason = format!("a {} where an object was expected: taken as not set", kind_of(other));
                self.warn(WarningKind::InvalidValue, field, reason);
                None
            }
        }
    }

    /// The objects of a list.
    pub(super) fn list(&self, field: &str) -> Vec<Body<'a>> {
        let items = match self.get(field) {
            Some(Value::Array(items)) => items.as_slice(),
            Some(single @ Value::Object(_)) => std::slice::from_ref(single),
            Some(other) => {
                if self.scalar(field, other).is_some() {
                    let reason = format!("a {} where a list was expected: taken as not set", kind_of(other));
                    self.warn(WarningKind::InvalidValue, field, reason);
                }
                &[]
            }
            None => &[],
        };
        let mut found = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let place = format!("{field}[{at}]");
            match item {
                Value::Object(map) => found.push(self.at(map, join(&self.path, &place))),
                other => {
                    let reason = format!("a {} where an object was expected, left out", kind_of(other));
                    self.warn(WarningKind::InvalidValue, &place, reason);
                }
            }
        }
        found
    }

    fn at(&self, map: &'a Map<String, Value>, path: String) -> Body<'a> {
        let name = map.get("name").and_then(Value::as_str).unwrap_or_default();
        Body { context: self.context, id: self.id, name, input: self.input, map, path }
    }

    /// The id in `{"id": …}`, or a plain id; an expression keeps its text, visibly.
    pub(super) fn id_in(&self, field: &str) -> Option<ResourceId> {
        self.id_of(field, self.get(field)?)
    }

    fn id_of(&self, field: &str, value: &Value) -> Option<ResourceId> {
        let text = match value {
            Value::Object(map) => map.get("id").map(text_of)?,
            other => text_of(other),
        };
        if text.is_empty() {
            return None;
        }
        if is_expression(&text) {
            let reason = format!("`{}` was not evaluated: the reference keeps the text", short(&text, 160));
            self.warn(WarningKind::UnevaluatedExpression, field, reason);
        }
        Some(ResourceId::new(text.trim()))
    }

    /// A reference that has to lead somewhere; `name` is the model's name of the field.
    pub(super) fn reference(&self, field: &str, name: &'static str) -> Option<ResourceId> {
        let id = self.id_in(field)?;
        self.refers(name, &id);
        Some(id)
    }

    /// Every reference of a list.
    pub(super) fn ids_in(&self, field: &str) -> Vec<ResourceId> {
        match self.get(field) {
            Some(Value::Array(items)) => items.iter().filter_map(|v| self.id_of(field, v)).collect(),
            Some(value) => self.id_of(field, value).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Notes that this resource refers to another. What a circuit's or a balancer's children refer to, the circuit or
    /// the balancer does, as in [`Topology::unresolved_references`](crate::model::Topology::unresolved_references).
    pub(super) fn refers(&self, field: &'static str, to: &ResourceId) {
        let mut from = self.id;
        while let Some(raw) = self.context.store.get(from)
            && let Some(parent) = &raw.parent
            && (raw.kind.starts_with("expressroutecircuits/") || raw.kind.starts_with("loadbalancers/"))
        {
            from = parent;
        }
        self.context.references.borrow_mut().push(UnresolvedReference {
            from: from.clone(),
            field,
            to: to.clone(),
        });
    }

    /// Reports members that have routing meaning and no place in the model.
    pub(super) fn not_modelled(&self, fields: &[&str]) {
        for field in fields {
            if let Some(value) = self.get(field) {
                let empty = match value {
                    Value::Bool(flag) => !flag,
                    Value::Object(map) => map.is_empty(),
                    Value::String(text) => text.eq_ignore_ascii_case("false"),
                    _ => false,
                };
                if !empty {
                    self.warn(WarningKind::NotModelled, field, "has routing meaning and is not modelled");
                }
            }
        }
    }
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// The owner of a child by its id; an expression has none that could be told, and stands for it.
pub(super) fn owner(id: &ResourceId) -> Option<ResourceId> {
    if is_expression(id.as_str()) { Some(id.clone()) } else { id.parent() }
}
