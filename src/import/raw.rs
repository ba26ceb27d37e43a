//! Resources as they were read, before they become model types: one flat body a resource, children apart from their
//! parents, one entry an id however often it was seen.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use super::format::{kind_of, short};
use super::template::is_expression;
use super::{Warning, WarningKind};
use crate::model::ResourceId;

/// Types that become part of a document: lower-case type, name for reports.
const MODELLED: &[(&str, &str)] = &[
    ("virtualnetworks", "virtualNetworks"),
    ("virtualnetworks/subnets", "virtualNetworks/subnets"),
    ("virtualnetworks/virtualnetworkpeerings", "virtualNetworks/virtualNetworkPeerings"),
    ("routetables", "routeTables"),
    ("routetables/routes", "routeTables/routes"),
    ("networksecuritygroups", "networkSecurityGroups"),
    ("networksecuritygroups/securityrules", "networkSecurityGroups/securityRules"),
    ("networkinterfaces", "networkInterfaces"),
    ("loadbalancers", "loadBalancers"),
    ("loadbalancers/backendaddresspools", "loadBalancers/backendAddressPools"),
    ("publicipaddresses", "publicIPAddresses"),
    ("natgateways", "natGateways"),
    ("privateendpoints", "privateEndpoints"),
    ("azurefirewalls", "azureFirewalls"),
    ("virtualnetworkgateways", "virtualNetworkGateways"),
    ("localnetworkgateways", "localNetworkGateways"),
    ("connections", "connections"),
    ("expressroutecircuits", "expressRouteCircuits"),
    ("expressroutecircuits/peerings", "expressRouteCircuits/peerings"),
    ("expressroutecircuits/peerings/connections", "expressRouteCircuits/peerings/connections"),
    ("expressrouteports", "expressRoutePorts"),
    ("routefilters", "routeFilters"),
    ("routefilters/routefilterrules", "routeFilters/routeFilterRules"),
    ("bgpservicecommunities", "bgpServiceCommunities"),
    ("virtualhubs", "virtualHubs"),
    ("virtualhubs/hubvirtualnetworkconnections", "virtualHubs/hubVirtualNetworkConnections"),
    ("virtualhubs/bgpconnections", "virtualHubs/bgpConnections"),
    ("virtualhubs/ipconfigurations", "virtualHubs/ipConfigurations"),
    ("virtualhubs/hubroutetables", "virtualHubs/hubRouteTables"),
    ("virtualhubs/routingintent", "virtualHubs/routingIntent"),
    ("expressroutegateways", "expressRouteGateways"),
    ("expressroutegateways/expressrouteconnections", "expressRouteGateways/expressRouteConnections"),
    ("vpngateways", "vpnGateways"),
    ("vpngateways/vpnconnections", "vpnGateways/vpnConnections"),
    ("vpnsites", "vpnSites"),
    ("networkvirtualappliances", "networkVirtualAppliances"),
];

/// Lists of children: parent type, member, child type.
const CHILDREN: &[(&str, &str, &str)] = &[
    ("virtualnetworks", "subnets", "subnets"),
    ("virtualnetworks", "virtualnetworkpeerings", "virtualNetworkPeerings"),
    ("routetables", "routes", "routes"),
    ("networksecuritygroups", "securityrules", "securityRules"),
    ("loadbalancers", "backendaddresspools", "backendAddressPools"),
    ("expressroutecircuits", "peerings", "peerings"),
    ("expressroutecircuits/peerings", "connections", "connections"),
    ("routefilters", "rules", "routeFilterRules"),
    ("virtualhubs", "virtualnetworkconnections", "hubVirtualNetworkConnections"),
    ("virtualhubs", "hubvirtualnetworkconnections", "hubVirtualNetworkConnections"),
    ("virtualhubs", "bgpconnections", "bgpConnections"),
    ("virtualhubs", "ipconfigurations", "ipConfigurations"),
    ("virtualhubs", "hubroutetables", "hubRouteTables"),
    ("virtualhubs", "routingintent", "routingIntent"),
    ("expressroutegateways", "expressrouteconnections", "expressRouteConnections"),
    ("vpngateways", "connections", "vpnConnections"),
    ("vpngateways", "vpnconnections", "vpnConnections"),
];

/// Members that say nothing about routing and differ between exports of one moment.
const NOISE: &[&str] = &[
    "etag",
    "resourceguid",
    "provisioningstate",
    "provisioningerror",
    "tags",
    "tag",
    "tagstable",
    "systemdata",
    "resourcegroup",
    "resourcegroupname",
    "subscriptionid",
    "tenantid",
    "managedby",
    "apiversion",
    "changedtime",
    "createdtime",
    "extendedlocation",
    "identity",
    "plan",
    "zones",
    "zone",
    "kind",
    "id",
    "name",
    "type",
    "location",
    "resourceid",
    "resourcename",
    "resourcetype",
    "comments",
    "sku",
    "dependson",
    "condition",
    "copy",
    "lastmodifiedby",
];

/// Beside [`NOISE`], members that Azure computes: two exports may differ in them without a contradiction.
const COMPUTED: &[&str] = &[
    "ipconfigurations",
    "connectionstatus",
    "egressbytestransferred",
    "ingressbytestransferred",
    "tunnelconnectionstatus",
    "packetcapturediagnosticstate",
    "peeringsyncstate",
    "routeservicevips",
    "serviceassociationlinks",
    "resourcenavigationlinks",
    "purpose",
    "statuschangetimestamp",
    "gatewaymanageretag",
    "servicekey",
    "hostname",
    "dnssettings",
    "virtualhub",
    "defaultsecurityrules",
    "networkinterfaces",
    "subnets",
    "privateendpoints",
];

/// How a body was seen; a better one replaces a worse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Named, without a body.
    Hollow,
    /// Repeated inside a resource that refers to it.
    Embedded,
    /// In its parent's list.
    Nested,
    /// As an item of its own.
    Own,
}

/// One sighting of a resource.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub(super) id: ResourceId,
    /// Lower case, without `microsoft.network/`.
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// The parent's id; for children only.
    pub(super) parent: Option<ResourceId>,
    /// Members in lower case, `properties` lifted, unset ones left out.
    pub(super) body: Map<String, Value>,
    pub(super) rank: Rank,
    pub(super) input: usize,
}

impl Raw {
    /// The type's name, for reports.
    pub(super) fn label(&self) -> &'static str {
        MODELLED.iter().find(|(kind, _)| *kind == self.kind).map_or(self.kind, |(_, label)| label)
    }
}

/// What one input holds.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) raws: Vec<Raw>,
    pub(super) ignored: BTreeMap<String, usize>,
    /// Ids of resources that are there and not modelled.
    pub(super) known: Vec<ResourceId>,
    pub(super) warnings: Vec<Warning>,
    input_name: String,
    input: usize,
    /// How many resources may still be added.
    room: usize,
    /// How many embedded resources are around the one being read.
    inside: usize,
}

/// How many resources may stand inside each other where references would do. Azure shows one.
const EMBEDDED_DEPTH: usize = 2;

/// More resources than there is room for.
pub(super) struct Full;

impl Batch {
    pub(super) fn new(input_name: &str, input: usize, room: usize) -> Self {
        Self { input_name: input_name.to_owned(), input, room, ..Self::default() }
    }

    /// Takes one item of an input apart.
    ///
    /// `declared` says that an item without members is an empty resource (as in a template) and not a mere name.
    pub(super) fn item(&mut self, item: Map<String, Value>, declared: bool) -> Result<(), Full> {
        let id = ["id", "resourceid"]
            .iter()
            .find_map(|key| item.get(*key).and_then(Value::as_str))
            .map(|id| ResourceId::new(id.trim()))
            .or_else(|| built_id(&item));
        let Some(id) = id else {
            let name = item.get("name").map(text_of).unwrap_or_default();
            let reason = "an item without `id` was left out".to_owned();
            self.warn(WarningKind::NotAResource, &ResourceId::new(name), "id", reason);
            return Ok(());
        };
        let rank = if declared || !is_mere_name(&item) { Rank::Own } else { Rank::Hollow };
        let stated = ["type", "resourcetype"]
            .iter()
            .find_map(|key| item.get(*key).and_then(Value::as_str))
            .filter(|t| t.contains('/') && t.contains('.'))
            .map(str::to_ascii_lowercase);
        let from_id = type_from_id(id.as_str());
        let kind = match (stated, from_id) {
            // The type of a child is sometimes given without its parent's.
            (Some(stated), Some(found)) if stated != found && modelled(&found).is_some() => found,
            (Some(stated), _) => stated,
            (None, Some(found)) => found,
            (None, None) => {
                let reason = "an item whose type cannot be told from its `id` was left out".to_owned();
                self.warn(WarningKind::NotAResource, &id, "id", reason);
                return Ok(());
            }
        };
        let mut body = Map::new();
        self.flatten(&id, "", item, &mut body);
        match modelled(&kind) {
            Some(kind) => self.resource(id, None, kind, body, rank),
            None => {
                self.spend()?;
                *self.ignored.entry(kind).or_default() += 1;
                self.embedded(&Value::Object(body))?;
                self.known.push(id);
                Ok(())
            }
        }
    }

    fn spend(&mut self) -> Result<(), Full> {
        self.room = self.room.checked_sub(1).ok_or(Full)?;
        Ok(())
    }

    fn warn(&mut self, kind: WarningKind, resource: &ResourceId, field: &str, reason: String) {
        self.warnings.push(Warning {
            kind,
            input: self.input_name.clone(),
            resource: resource.clone(),
            field: field.to_owned(),
            reason,
        });
    }

    fn resource(
        &mut self,
        id: ResourceId,
        parent: Option<&ResourceId>,
        kind: &'static str,
        mut body: Map<String, Value>,
        rank: Rank,
    ) -> Result<(), Full> {
        self.spend()?;
        for (parent_kind, member, child_type) in CHILDREN {
            if *parent_kind != kind || !body.get(*member).is_some_and(Value::is_array) {
                continue;
            }
            let Some(child_kind) = modelled(&format!("microsoft.network/{kind}/{child_type}")) else {
                continue;
            };
            let Some(Value::Array(list)) = body.remove(*member) else { continue };
            for (at, child) in list.into_iter().enumerate() {
                let Value::Object(child) = child else {
                    let reason = format!("a {} where an object was expected, left out", kind_of(&child));
                    self.warn(WarningKind::InvalidValue, &id, &format!("{child_type}[{at}]"), reason);
                    continue;
                };
                let own_id = child.get("id").and_then(Value::as_str).filter(|i| i.contains('/'));
                let name = child
                    .get("name")
                    .map(text_of)
                    .or_else(|| own_id.and_then(|i| i.rsplit('/').next()).map(str::to_owned))
                    .filter(|name| !name.is_empty());
                let Some(name) = name else {
                    let reason = "a child without a name was left out".to_owned();
                    self.warn(WarningKind::Missing, &id, &format!("{child_type}[{at}].name"), reason);
                    continue;
                };
                let child_id = id.child(child_type, &name);
                let only_an_id = child.keys().all(|key| key == "id" || key == "resourcegroup");
                let rank = match rank {
                    _ if only_an_id => Rank::Hollow,
                    Rank::Own => Rank::Nested,
                    other => other,
                };
                self.resource(child_id, Some(&id), child_kind, child, rank)?;
            }
        }
        for value in body.values() {
            self.embedded(value)?;
        }
        let name = body.get("name").map(text_of).unwrap_or_default();
        // A child of a template carries its path for a name.
        let name = match name.rsplit('/').next() {
            Some(last) if !last.is_empty() && !is_expression(&name) => last.to_owned(),
            _ if !name.is_empty() => name,
            _ => id.name().to_owned(),
        };
        let parent = parent.cloned().or_else(|| kind.contains('/').then(|| id.parent()).flatten());
        self.raws.push(Raw { id, kind, name, parent, body, rank, input: self.input });
        Ok(())
    }

    /// Resources that stand whole where a reference would do.
    fn embedded(&mut self, value: &Value) -> Result<(), Full> {
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.embedded(item)),
            Value::Object(map) => {
                let id = map.get("id").and_then(Value::as_str);
                let kind = id.and_then(type_from_id).and_then(|t| modelled(&t));
                match (id, kind) {
                    (Some(id), Some(kind)) if self.inside < EMBEDDED_DEPTH && !is_hollow(map) => {
                        self.inside += 1;
                        let done =
                            self.resource(ResourceId::new(id), None, kind, map.clone(), Rank::Embedded);
                        self.inside -= 1;
                        done
                    }
                    _ => map.values().try_for_each(|item| self.embedded(item)),
                }
            }
            _ => Ok(()),
        }
    }

    /// Lifts `properties` at every level and leaves unset members out.
    fn flatten(
        &mut self,
        id: &ResourceId,
        path: &str,
        mut map: Map<String, Value>,
        out: &mut Map<String, Value>,
    ) {
        let properties = match map.get_mut("properties") {
            Some(Value::Object(properties)) => std::mem::take(properties),
            Some(Value::String(text)) if is_cut(text) => {
                let reason =
                    format!("`{}`: cut when it was written; export with a greater -Depth", short(text, 80));
                self.warn(WarningKind::Cut, id, &join(path, "properties"), reason);
                Map::new()
            }
            _ => Map::new(),
        };
        map.remove("properties");
        // What `properties` says counts before what stands beside it, but for what names the resource.
        for (key, value) in map {
            if matches!(&*key, "tags" | "tag" | "systemdata" | "etag") {
                continue;
            }
            if let Some(value) = self.flat(id, &join(path, &key), value) {
                out.insert(key, value);
            }
        }
        for (key, value) in properties {
            if matches!(&*key, "id" | "name" | "type") && out.contains_key(&key) {
                continue;
            }
            if let Some(value) = self.flat(id, &join(path, &key), value) {
                out.insert(key, value);
            }
        }
    }

    fn flat(&mut self, id: &ResourceId, path: &str, value: Value) -> Option<Value> {
        match value {
            Value::Null => None,
            Value::String(text) if text.is_empty() => None,
            Value::String(text) if is_cut(&text) => {
                let reason =
                    format!("`{}`: cut when it was written; export with a greater -Depth", short(&text, 80));
                self.warn(WarningKind::Cut, id, path, reason);
                None
            }
            Value::Array(items) => {
                let items: Vec<Value> =
                    items.into_iter().filter_map(|item| self.flat(id, path, item)).collect();
                (!items.is_empty()).then_some(Value::Array(items))
            }
            Value::Object(map) => {
                let mut out = Map::new();
                self.flatten(id, path, map, &mut out);
                Some(Value::Object(out))
            }
            other => Some(other),
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// What `ConvertTo-Json` leaves of an object below its depth.
fn is_cut(text: &str) -> bool {
    text.starts_with("System.Collections.")
        || text.starts_with("System.Object[")
        || text.starts_with("Microsoft.Azure.Commands.")
        || text.starts_with("Microsoft.Azure.Management.")
        || (text.starts_with("@{") && text.ends_with('}'))
}

/// The lower-case type without provider, where it is modelled.
fn modelled(kind: &str) -> Option<&'static str> {
    let kind = kind.to_ascii_lowercase();
    let kind = match kind.strip_prefix("microsoft.network/")? {
        // Names that the published examples and old API versions use.
        "virtualhubs/virtualhubvnetconnections" | "virtualhubs/virtualnetworkconnections" => {
            "virtualhubs/hubvirtualnetworkconnections"
        }
        "natgateway" => "natgateways",
        kind => kind,
    };
    MODELLED.iter().find(|(known, _)| *known == kind).map(|(known, _)| *known)
}

/// An id from type and name, for items that have none.
fn built_id(item: &Map<String, Value>) -> Option<ResourceId> {
    let text = |keys: &[&str]| {
        keys.iter().find_map(|key| item.get(*key).and_then(Value::as_str)).filter(|text| !text.is_empty())
    };
    let kind = text(&["type", "resourcetype"]).filter(|t| t.contains('.'))?;
    let name = text(&["name", "resourcename"])?;
    let (namespace, types) = kind.split_once('/')?;
    if types.split('/').count() != name.split('/').count() {
        return None;
    }
    let mut id = String::new();
    if let Some(subscription) = text(&["subscriptionid"]) {
        id.push_str(&format!("/subscriptions/{subscription}"));
    }
    if let Some(group) = text(&["resourcegroup", "resourcegroupname"]) {
        id.push_str(&format!("/resourceGroups/{group}"));
    }
    id.push_str(&format!("/providers/{namespace}"));
    for (kind, name) in types.split('/').zip(name.split('/')) {
        id.push_str(&format!("/{kind}/{name}"));
    }
    Some(ResourceId::new(id))
}

/// Whether an item names a resource and says nothing about it.
pub(super) fn is_mere_name(item: &Map<String, Value>) -> bool {
    !item.get("properties").is_some_and(Value::is_object) && is_hollow(item)
}

/// Whether a body says nothing but who it is.
pub(super) fn is_hollow(map: &Map<String, Value>) -> bool {
    map.iter().all(|(key, value)| {
        NOISE.contains(&key.as_str())
            || match (key.as_str(), value) {
                (_, Value::Null) => true,
                (_, Value::String(text)) => text.is_empty(),
                ("properties", Value::Object(inner)) => is_hollow(inner),
                _ => false,
            }
    })
}

/// The type that an id spells out, in lower case.
pub(super) fn type_from_id(id: &str) -> Option<String> {
    let lower = id.to_ascii_lowercase();
    let (_, path) = lower.rsplit_once("/providers/")?;
    let mut segments = path.split('/');
    let namespace = segments.next().filter(|n| n.contains('.'))?;
    let types: Vec<&str> = segments.step_by(2).filter(|t| !t.is_empty()).collect();
    (!types.is_empty()).then(|| format!("{namespace}/{}", types.join("/")))
}

/// The text of a scalar.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => String::new(),
    }
}

/// All resources of all inputs, one entry an id, in the order first seen.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) raws: Vec<Raw>,
    index: HashMap<ResourceId, usize>,
    pub(super) ignored: BTreeMap<String, usize>,
    pub(super) known: HashSet<ResourceId>,
}

impl Store {
    /// The resource with this id.
    pub(super) fn get(&self, id: &ResourceId) -> Option<&Raw> {
        self.raws.get(*self.index.get(id)?)
    }

    /// How many ids it holds.
    pub(super) fn len(&self) -> usize {
        self.raws.len() + self.known.len()
    }

    /// Merges an input in; the warnings are contradictions.
    pub(super) fn merge(&mut self, batch: Batch, warnings: &mut Vec<Warning>) {
        let name = batch.input_name;
        for raw in batch.raws {
            let Some(old) = self.index.get(&raw.id).and_then(|at| self.raws.get_mut(*at)) else {
                self.index.insert(raw.id.clone(), self.raws.len());
                self.raws.push(raw);
                continue;
            };
            if raw.rank < old.rank {
                continue;
            }
            if raw.rank > old.rank {
                // The id keeps the spelling first seen.
                let id = std::mem::take(&mut old.id);
                *old = Raw { id, ..raw };
                continue;
            }
            if raw.rank == Rank::Own || raw.input != old.input {
                old.input = raw.input;
            }
            for (key, value) in raw.body {
                match old.body.get_mut(&key) {
                    Some(slot) => {
                        let compared = raw.rank > Rank::Embedded && is_compared(&key);
                        if compared && !same(slot, &value) {
                            warnings.push(Warning {
                                kind: WarningKind::Conflict,
                                input: name.clone(),
                                resource: old.id.clone(),
                                field: key.clone(),
                                reason: "differs from what an earlier input says; the later one counts"
                                    .to_owned(),
                            });
                        }
                        *slot = value;
                    }
                    None => {
                        old.body.insert(key, value);
                    }
                }
            }
        }
        for (kind, count) in batch.ignored {
            *self.ignored.entry(kind).or_default() += count;
        }
        self.known.extend(batch.known);
    }
}

/// Whether inputs that disagree in this member contradict each other.
fn is_compared(key: &str) -> bool {
    let names_it = matches!(key, "location" | "sku" | "kind");
    names_it || !(NOISE.contains(&key) || COMPUTED.contains(&key))
}

/// Whether two bodies agree: text without regard to case, members that only one side gives not counted.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.eq_ignore_ascii_case(b),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => a
            .iter()
            .all(|(key, value)| NOISE.contains(&&**key) || b.get(key).is_none_or(|other| same(value, other))),
        (a, b) => a == b || text_of(a).eq_ignore_ascii_case(&text_of(b)) && !text_of(a).is_empty(),
    }
}
