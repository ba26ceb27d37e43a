//! Documents of ours over what was exported: as values they replace whole resources, as text they are laid over
//! member by member.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};
use serde_json::{Map, Value};

use super::{ImportError, Warning, WarningKind};
use crate::model::bgp::RoutingPolicy;
use crate::model::{Date, Document, Knobs, LISTS, ResourceId, SCHEMA_VERSION};

/// A document given as text: what it says and nothing else, so that a resource may be a part of one.
#[derive(Debug)]
pub(super) struct Sheet {
    input: String,
    body: Map<String, Value>,
}

/// Calls a macro with every list of a document and the member that tells its resources apart.
macro_rules! with_lists {
    ($call:ident) => {
        $call! {
            tenants by name,
            virtual_networks by id,
            route_tables by id,
            network_security_groups by id,
            network_interfaces by id,
            load_balancers by id,
            public_ip_addresses by id,
            nat_gateways by id,
            private_endpoints by id,
            network_virtual_appliances by id,
            azure_firewalls by id,
            virtual_network_gateways by id,
            local_network_gateways by id,
            connections by id,
            express_route_circuits by id,
            route_filters by id,
            bgp_service_communities by community,
            route_servers by id,
            virtual_hubs by id,
            service_tags by name,
            on_premises_sites by id,
            on_premises_links by id,
            overlay_tunnels by id,
            bgp_speakers by id,
            bgp_sessions by id,
        }
    };
}

impl Sheet {
    /// Reads a document whose resources may lack members, and refuses every other mistake.
    pub(super) fn read(input: &str, text: &str) -> Result<Self, ImportError> {
        let refuse = |error: &serde_json::Error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            ImportError::new(ImportError::Document, input, place, reason(error))
        };
        let whole = serde_json::from_str::<Document>(text).map(drop);
        if let Err(error) = &whole
            && missing_field(error).is_none()
        {
            return Err(refuse(error));
        }
        let body: Map<String, Value> = serde_json::from_str(text).map_err(|error| refuse(&error))?;
        let sheet = Self { input: input.to_owned(), body };
        sheet.check(whole.is_ok())?;
        Ok(sheet)
    }

    /// Checks every member by itself; that a resource lacks some is no mistake. Where the `whole` could not be read,
    /// something is missing somewhere, which hides what is wrong after it.
    fn check(&self, whole: bool) -> Result<(), ImportError> {
        let refuse = |place: String, reason: String| {
            Err(ImportError::new(ImportError::Document, &self.input, place, reason))
        };
        for (name, value) in &self.body {
            let found = match name.as_str() {
                "schema_version" => u32::deserialize(value).map(drop),
                "as_of" => Option::<Date>::deserialize(value).map(drop),
                "knobs" => Knobs::deserialize(value).map(drop),
                "routing_policy" => RoutingPolicy::deserialize(value).map(drop),
                _ if LISTS.iter().any(|(field, _)| field == name) => continue,
                _ => return refuse(format!("$.{name}"), format!("unknown field `{name}`")),
            };
            if let Err(error) = found {
                return refuse(format!("$.{name}"), reason(&error));
            }
        }
        macro_rules! check {
            ($($field:ident by $key:ident),* $(,)?) => {$(
                if let Some(value) = self.body.get(stringify!($field)) {
                    let Value::Array(items) = value else {
                        return refuse(format!("$.{}", stringify!($field)), "expected a list".to_owned());
                    };
                    for (at, item) in items.iter().enumerate() {
                        let place = || format!("$.{}[{at}]", stringify!($field));
                        if item.get(stringify!($key)).is_none() {
                            return refuse(place(), format!("expected an object with `{}`", stringify!($key)));
                        }
                        if !whole
                            && let Err(error) = element(|d: &Document| &d.$field, item)
                            && missing_field(&error).is_none()
                        {
                            return refuse(place(), reason(&error));
                        }
                    }
                }
            )*};
        }
        with_lists!(check);
        Ok(())
    }

    /// How many resources of each type it names.
    pub(super) fn counts(&self) -> BTreeMap<String, usize> {
        let items = |field: &str| self.body.get(field).and_then(Value::as_array).map_or(0, Vec::len);
        let counts = LISTS.iter().map(|(field, label)| ((*label).to_owned(), items(field)));
        counts.filter(|(_, n)| *n > 0).collect()
    }

    /// How many resources it names.
    pub(super) fn len(&self) -> usize {
        self.counts().values().sum()
    }
}

/// Reads one item of the list that `list` points to.
fn element<T: DeserializeOwned>(
    _list: impl Fn(&Document) -> &Vec<T>,
    item: &Value,
) -> Result<T, serde_json::Error> {
    T::deserialize(item)
}

fn reason(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.split(" at line ").next().unwrap_or(&message).to_owned()
}

/// The member that is missing, where that is what the error says.
fn missing_field(error: &serde_json::Error) -> Option<String> {
    let message = error.to_string();
    let rest = message.strip_prefix("missing field `")?;
    rest.split('`').next().map(str::to_owned)
}

/// What merging found out.
pub(super) struct Findings<'a> {
    pub(super) counts: &'a mut BTreeMap<String, usize>,
    pub(super) warnings: &'a mut Vec<Warning>,
}

impl Findings<'_> {
    fn count(&mut self, list: &str) {
        let label = LISTS.iter().find(|(field, _)| *field == list).map_or(list, |(_, label)| label);
        *self.counts.entry(label.to_owned()).or_default() += 1;
    }

    fn warn(
        &mut self,
        kind: WarningKind,
        input: &str,
        resource: &ResourceId,
        field: String,
        reason: impl Into<String>,
    ) {
        let (input, resource) = (input.to_owned(), resource.clone());
        self.warnings.push(Warning { kind, input, resource, field, reason: reason.into() });
    }
}

/// Puts a document's resources in the place of those with the same ids; one index a type keeps it linear.
pub(super) fn replace(document: &mut Document, other: Document, input: &str, findings: &mut Findings<'_>) {
    macro_rules! lists {
        ($($field:ident by $key:ident),* $(,)?) => {$(
            let mut index: HashMap<ResourceId, usize> = document
                .$field
                .iter()
                .enumerate()
                .map(|(at, r)| (ResourceId::new(r.$key.to_string()), at))
                .collect();
            for new in other.$field {
                let key = ResourceId::new(new.$key.to_string());
                match index.get(&key).and_then(|at| document.$field.get_mut(*at)) {
                    Some(old) => {
                        if *old != new {
                            let reason = "differs from what an earlier input says; the document counts";
                            findings.warn(WarningKind::Conflict, input, &key, String::new(), reason);
                        }
                        *old = new;
                    }
                    None => {
                        findings.count(stringify!($field));
                        index.insert(key, document.$field.len());
                        document.$field.push(new);
                    }
                }
            }
        )*};
    }
    with_lists!(lists);
    lay_policy(&mut document.routing_policy, other.routing_policy);
    document.as_of = other.as_of.or(document.as_of);
    if other.knobs != Knobs::default() {
        document.knobs = other.knobs;
    }
    if other.schema_version != document.schema_version {
        // A version that is not read is refused by the check, and must not vanish here.
        document.schema_version = other.schema_version;
    }
}

/// Lays documents over another one, in their order.
pub(super) fn lay(document: &mut Document, mut sheets: Vec<Sheet>, findings: &mut Findings<'_>) {
    macro_rules! lists {
        ($($field:ident by $key:ident),* $(,)?) => {$(
            let names = List { field: stringify!($field), key: stringify!($key) };
            let resources = &mut document.$field;
            lay_list(resources, |r| ResourceId::new(r.$key.to_string()), &names, &mut sheets, findings);
        )*};
    }
    with_lists!(lists);
    for sheet in &mut sheets {
        let mut member = |name: &str| sheet.body.remove(name);
        if let Some(Ok(as_of)) = member("as_of").map(serde_json::from_value::<Option<Date>>) {
            document.as_of = as_of.or(document.as_of);
        }
        if let Some(Ok(policy)) = member("routing_policy").map(serde_json::from_value::<RoutingPolicy>) {
            lay_policy(&mut document.routing_policy, policy);
        }
        if let Some(knobs) = member("knobs")
            && let Ok(mut both) = serde_json::to_value(&document.knobs)
        {
            merge(&mut both, knobs, "", &mut |_| ());
            // Each side was read alone, and a knob is a word, so that both together can be read.
            document.knobs = serde_json::from_value(both).unwrap_or_default();
        }
        if let Some(Ok(version)) = member("schema_version").map(serde_json::from_value::<u32>)
            && version != SCHEMA_VERSION
        {
            document.schema_version = version;
        }
    }
}

/// Sets and policies of a later document take the place of those with the same names.
fn lay_policy(policy: &mut RoutingPolicy, other: RoutingPolicy) {
    macro_rules! by_name {
        ($($field:ident),* $(,)?) => {$(
            for new in other.$field {
                match policy.$field.iter_mut().find(|old| old.name == new.name) {
                    Some(old) => *old = new,
                    None => policy.$field.push(new),
                }
            }
        )*};
    }
    by_name!(
        prefix_sets,
        as_path_sets,
        community_sets,
        extended_community_sets,
        large_community_sets,
        neighbor_sets,
        next_hop_sets,
        policy_definitions,
    );
    policy.undefined_names |= other.undefined_names;
}

/// What a list is called, and the member that tells its items apart.
struct List {
    field: &'static str,
    key: &'static str,
}

/// A resource that documents speak of, as it stands so far.
struct Laid {
    id: ResourceId,
    /// Its place, where it is no new one.
    known: Option<usize>,
    value: Value,
    /// The last document that spoke of it.
    input: String,
}

fn lay_list<T: Serialize + DeserializeOwned>(
    resources: &mut Vec<T>,
    key: impl Fn(&T) -> ResourceId,
    list: &List,
    sheets: &mut [Sheet],
    findings: &mut Findings<'_>,
) {
    if !sheets.iter().any(|sheet| sheet.body.contains_key(list.field)) {
        return;
    }
    let index: HashMap<ResourceId, usize> =
        resources.iter().enumerate().map(|(at, resource)| (key(resource), at)).collect();
    let mut laid: Vec<Laid> = Vec::new();
    let mut places: HashMap<ResourceId, usize> = HashMap::new();
    for sheet in sheets {
        let Some(Value::Array(items)) = sheet.body.remove(list.field) else { continue };
        for item in items {
            let Some(id) = item.get(list.key).and_then(Value::as_str).map(ResourceId::from) else { continue };
            let place = *places.entry(id.clone()).or_insert_with(|| {
                let known = index.get(&id).copied();
                let old = known.and_then(|at| serde_json::to_value(resources.get(at)?).ok());
                let value = old.unwrap_or_else(|| Value::Object(Map::new()));
                laid.push(Laid { id: id.clone(), known, value, input: String::new() });
                laid.len() - 1
            });
            let Some(resource) = laid.get_mut(place) else { continue };
            resource.input.clone_from(&sheet.input);
            merge(&mut resource.value, item, "", &mut |field| {
                let reason = "differs from what another input says; this document counts";
                findings.warn(WarningKind::Conflict, &sheet.input, &id, field, reason);
            });
        }
    }
    for Laid { id, known, value, input } in laid {
        let mut warn = |kind, field: String, reason: &str| findings.warn(kind, &input, &id, field, reason);
        match (T::deserialize(&value), known.and_then(|at| resources.get_mut(at))) {
            (Ok(new), Some(old)) => *old = new,
            (Ok(_), None) if list.field == "virtual_networks" && value.get("address_space").is_none() => {
                warn(WarningKind::Missing, "address_space".to_owned(), PARTIAL);
            }
            (Ok(new), None) => {
                if let Some(field) = only_remarks(list.field, &value) {
                    let reason =
                        "no other input holds this resource; it stands there with what the document says";
                    warn(WarningKind::Missing, field.to_owned(), reason);
                }
                findings.count(list.field);
                resources.push(new);
            }
            (Err(error), there) => {
                let outcome =
                    if there.is_some() { "the resource stays as the other inputs say" } else { PARTIAL };
                match missing_field(&error) {
                    Some(field) => warn(WarningKind::Missing, field, outcome),
                    None => {
                        let reason = format!("{}; {outcome}", reason(&error));
                        warn(WarningKind::InvalidValue, String::new(), &reason);
                    }
                }
            }
        }
    }
}

const PARTIAL: &str =
    "no other input holds this resource, so the document must state it in full; it was left out";

/// What a circuit or a local network gateway lacks that is given a router or a site and nothing else. The model can hold
/// it, and a document that was written out may, but most likely it was not exported, or its id is misspelt.
fn only_remarks(list: &str, value: &Value) -> Option<&'static str> {
    let (remarks, missing): (&[&str], _) = match list {
        "express_route_circuits" => (&["id", "tenant", "created", "primary", "secondary"], "peerings"),
        "local_network_gateways" => (&["id", "site"], "address_prefixes"),
        _ => return None,
    };
    let mut members = value.as_object()?.keys();
    members.all(|member| remarks.contains(&member.as_str())).then_some(missing)
}

/// Objects are merged member by member, lists of named objects by name; anything else is replaced, and `null` takes a
/// member away. `differs` hears of every member that said something else before.
fn merge(old: &mut Value, new: Value, path: &str, differs: &mut impl FnMut(String)) {
    let below = |member: &str| if path.is_empty() { member.to_owned() } else { format!("{path}.{member}") };
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in new {
                match old.get_mut(&name) {
                    Some(there) => merge(there, value, &below(&name), differs),
                    None => {
                        old.insert(name, value);
                    }
                }
            }
        }
        (Value::Array(old), Value::Array(new)) if named(old) && named(&new) => {
            let mut index: HashMap<String, usize> = HashMap::new();
            for (at, item) in old.iter().enumerate() {
                index.entry(name_of(item).unwrap_or_default()).or_insert(at);
            }
            for mut item in new {
                let name = name_of(&item).unwrap_or_default();
                match index.get(&name).and_then(|at| old.get_mut(*at)) {
                    Some(there) => {
                        // It is what they have in common, in one spelling or another.
                        item.as_object_mut().map(|members| members.remove("peering_type"));
                        merge(there, item, &below(&name), differs);
                    }
                    None => {
                        index.insert(name, old.len());
                        old.push(item);
                    }
                }
            }
        }
        // The first spelling of a word is kept, as everywhere.
        (Value::String(old), Value::String(new)) if old.eq_ignore_ascii_case(&new) => {}
        (old, new) => {
            if *old != new && !says_nothing(old) {
                differs(path.to_owned());
            }
            *old = new;
        }
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn named(items: &[Value]) -> bool {
    items.iter().all(|item| name_of(item).is_some())
}

/// What tells the objects of one list apart, in lower case.
fn name_of(item: &Value) -> Option<String> {
    if let Some(peering) = item.get("peering_type") {
        // The model knows several spellings.
        let known = crate::model::PeeringType::deserialize(peering).ok()?;
        return Some(format!("{known:?}").to_ascii_lowercase());
    }
    ["id", "name"].into_iter().find_map(|member| item.get(member)?.as_str()).map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_of_a_document_is_merged() {
        macro_rules! names {
            ($($field:ident by $key:ident),* $(,)?) => { vec![$(stringify!($field)),*] };
        }
        let known: Vec<&str> = LISTS.iter().map(|(field, _)| *field).collect();
        assert_eq!(with_lists!(names), known);
    }
}
