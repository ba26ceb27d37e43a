//! The schema of a file of cases, read leniently: what has no meaning here is kept and reported, never dropped.
//!
//! A case whose shape is quite different stays in the file as unreadable and does not hide the others.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Keys that the runner has no use for.
pub(crate) type Extra = BTreeMap<String, Value>;

/// One file of cases.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) cases: Vec<Case>,
    /// Cases that could not be read, by id (or place), with the reason.
    pub(crate) unreadable: Vec<(String, String)>,
}

/// Reads a file of cases.
pub(crate) fn read(text: &str) -> Result<File, String> {
    let root: Value = serde_saphyr::from_str(text).map_err(|e| e.to_string())?;
    let version = root.get("schema_version").and_then(Value::as_u64);
    if version != Some(1) {
        return Err(format!("schema_version is {version:?}, not 1"));
    }
    let list = root.get("cases").and_then(Value::as_array).ok_or("there is no list `cases`")?;
    let mut file = File { cases: Vec::new(), unreadable: Vec::new() };
    for (i, value) in list.iter().enumerate() {
        match serde_json::from_value::<Case>(value.clone()) {
            Ok(case) => file.cases.push(case),
            Err(error) => {
                let id = value.get("id").and_then(Value::as_str).unwrap_or("");
                let id = if id.is_empty() { format!("cases[{i}]") } else { id.to_owned() };
                file.unreadable.push((id, error.to_string()));
            }
        }
    }
    extend(&mut file, list);
    Ok(file)
}

/// `given.extends`: the given of another case, with the keys of this one laid over it.
fn extend(file: &mut File, list: &[Value]) {
    let by_id = |id: &str| list.iter().find(|v| v.get("id").and_then(Value::as_str) == Some(id));
    for case in &mut file.cases {
        let Some(mut given) = by_id(&case.id).and_then(|v| v.get("given")).cloned() else { continue };
        let mut seen = vec![case.id.clone()];
        while let Some(base_id) = given.get("extends").and_then(Value::as_str).map(str::to_owned) {
            if seen.contains(&base_id) {
                break;
            }
            let Some(mut base) = by_id(&base_id).and_then(|v| v.get("given")).cloned() else { break };
            if let Value::Object(over) = &mut given {
                over.remove("extends");
            }
            lay_over(&mut base, given);
            given = base;
            seen.push(base_id);
        }
        if seen.len() > 1 {
            match serde_json::from_value(given) {
                Ok(given) => case.given = given,
                Err(error) => file.unreadable.push((case.id.clone(), error.to_string())),
            }
        }
    }
}

/// Maps are merged by key, lists of named entries by name; anything else is replaced.
fn lay_over(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                match base.get_mut(&key) {
                    Some(old) => lay_over(old, value),
                    None => {
                        base.insert(key, value);
                    }
                }
            }
        }
        (Value::Array(base), Value::Array(over)) if over.iter().all(|v| name_of(v).is_some()) => {
            for value in over {
                match base.iter_mut().find(|old| name_of(old) == name_of(&value)) {
                    Some(old) => lay_over(old, value),
                    None => base.push(value),
                }
            }
        }
        (base, over) => *base = over,
    }
}

fn name_of(value: &Value) -> Option<String> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    match (text("from"), text("to")) {
        (Some(from), Some(to)) => Some(format!("{from}>{to}")),
        _ => text("name").or_else(|| text("site")).map(str::to_owned),
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Case {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) evidence: String,
    #[serde(default)]
    pub(crate) given: Given,
    #[serde(default)]
    pub(crate) expect: Expect,
    #[serde(default, rename = "families")]
    pub(crate) _families: Words,
    #[serde(default, rename = "source")]
    pub(crate) _source: Words,
    #[serde(default, rename = "notes")]
    pub(crate) _notes: Words,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Given {
    pub(crate) vnets: Table<Vnet>,
    pub(crate) subnets: Table<Subnet>,
    pub(crate) vms: Vms,
    pub(crate) peerings: List<Peering>,
    pub(crate) gateways: List<Gateway>,
    pub(crate) circuits: List<Circuit>,
    pub(crate) on_prem: List<OnPrem>,
    pub(crate) local_networks: BTreeMap<String, Words>,
    pub(crate) nvas: List<Nva>,
    pub(crate) load_balancers: List<LoadBalancer>,
    pub(crate) route_server: Option<RouteServer>,
    pub(crate) route_servers: List<RouteServer>,
    pub(crate) hubs: List<Hub>,
    pub(crate) route_tables: Table<RouteTable>,
    pub(crate) connections: List<Connection>,
    pub(crate) firewall: Option<Firewall>,
    pub(crate) subnet_peering: Option<SubnetPeering>,
    pub(crate) extra_space: BTreeMap<String, Words>,
    pub(crate) both_linked_to: Words,
    pub(crate) bgp_enabled_on: Option<Words>,
    pub(crate) regions: Value,
    pub(crate) routes_in_table: Words,
    pub(crate) nsg: Words,
    pub(crate) change: Words,
    pub(crate) fix: Value,
    /// Not of the schema: supplied where appliances need a tunnel between them.
    pub(crate) overlays: List<Overlay>,
    /// What is not known, or only told: reported, without meaning for the topology.
    pub(crate) unknown: Words,
    pub(crate) note: Words,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Vnet {
    pub(crate) space: Words,
    pub(crate) region: Option<String>,
    pub(crate) subnets: Table<Subnet>,
    pub(crate) vms: Vms,
    pub(crate) hub_connection: Option<String>,
    pub(crate) private_endpoints: Words,
    pub(crate) uses_remote_gateway: Option<String>,
    #[serde(rename = "role")]
    pub(crate) _role: Words,
    #[serde(rename = "note")]
    pub(crate) _note: Words,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Subnet {
    pub(crate) prefix: Option<String>,
    pub(crate) route_table: Option<String>,
    pub(crate) service_endpoints: Words,
    pub(crate) private_endpoints: Words,
    pub(crate) private_endpoint_udr_support: bool,
    pub(crate) vms: Vms,
    #[serde(rename = "role")]
    pub(crate) _role: Words,
    #[serde(rename = "note")]
    pub(crate) _note: Words,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Peering {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) allow_vnet_access: Option<bool>,
    pub(crate) allow_forwarded_traffic: Option<bool>,
    pub(crate) allow_gateway_transit: Option<bool>,
    pub(crate) use_remote_gateways: Option<bool>,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Gateway {
    pub(crate) name: Option<String>,
    pub(crate) vnet: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) asn: Option<u32>,
    pub(crate) bgp: Option<bool>,
    pub(crate) bgp_ip: Words,
    pub(crate) bgp_ips: Words,
    pub(crate) instance_ips: Words,
    pub(crate) private_ip: Words,
    pub(crate) active_active: bool,
    pub(crate) printed_next_hop: Words,
    pub(crate) default_site: Option<String>,
    pub(crate) fastpath: Option<bool>,
    /// Not of the schema: supplied where the source leaves out what BGP did.
    pub(crate) learned: List<Learned>,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

/// A tunnel between two appliances that a supplement declares, with the prefixes behind each.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Overlay {
    pub(crate) a: String,
    pub(crate) behind_a: Words,
    pub(crate) b: String,
    pub(crate) behind_b: Words,
}

/// A route that a supplement declares to be learned.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Learned {
    pub(crate) prefix: String,
    #[serde(default)]
    pub(crate) next_hop: Option<IpAddr>,
    #[serde(default)]
    pub(crate) as_path: Vec<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Circuit {
    pub(crate) name: String,
    pub(crate) linked: Words,
    pub(crate) printed_next_hop: Words,
    pub(crate) printed_next_hops: Words,
    pub(crate) next_hops: Words,
    pub(crate) on_prem: Words,
    pub(crate) on_prem_advertises: Words,
    pub(crate) peer_asn: Option<u32>,
    pub(crate) as_path: Words,
    pub(crate) weight: Option<u16>,
    pub(crate) connection_weight: Option<u16>,
    pub(crate) peering: Option<String>,
    pub(crate) primary: Option<String>,
    pub(crate) secondary: Option<String>,
    /// The customer's edge router.
    pub(crate) ce: Option<String>,
    pub(crate) next_hops_at: BTreeMap<String, Words>,
    /// Set by a step: links that are down.
    #[serde(skip)]
    pub(crate) down: bool,
    /// Set by a step: how often the edge prepends on a prefix.
    #[serde(skip)]
    pub(crate) prepends: Vec<(IpNet, usize)>,
    /// Set by a step: what the site prefers here, with its local preference.
    #[serde(skip)]
    pub(crate) preferred: Vec<(IpNet, u32)>,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OnPrem {
    pub(crate) site: Option<String>,
    pub(crate) router: Option<String>,
    pub(crate) asn: Option<u32>,
    pub(crate) bgp_ip: Words,
    pub(crate) fw_bgp_ip: Words,
    pub(crate) via: Words,
    pub(crate) over: Words,
    pub(crate) circuit: Words,
    pub(crate) prefixes: Words,
    pub(crate) lan: Words,
    pub(crate) subnet: Words,
    pub(crate) advertises: Words,
    pub(crate) announces: Words,
    pub(crate) announces_on_both: Words,
    pub(crate) default_originate: bool,
    pub(crate) as_path: Words,
    pub(crate) ibgp_to: Words,
    pub(crate) terminates_on: Option<String>,
    pub(crate) ce_next_hops: BTreeMap<String, Words>,
    /// Set by a step: how often it prepends on a prefix.
    #[serde(skip)]
    pub(crate) prepends: Vec<(IpNet, usize)>,
    /// Not of the schema: supplied where the source leaves out what BGP told the site.
    pub(crate) learns: Words,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

impl OnPrem {
    /// The names it goes by: router and site.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.router.iter().chain(&self.site).map(String::as_str)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Nva {
    pub(crate) name: String,
    pub(crate) vnet: Option<String>,
    pub(crate) ip: Words,
    pub(crate) inside_ip: Words,
    pub(crate) asn: Option<u32>,
    pub(crate) ip_forwarding: Option<bool>,
    pub(crate) announces: Words,
    pub(crate) advertises: Words,
    pub(crate) announces_to_route_server: Words,
    pub(crate) advertises_to_route_server: Words,
    pub(crate) vpn_to: Words,
    pub(crate) bgp_source: Words,
    pub(crate) loopback: Words,
    pub(crate) policy: Words,
    /// Set by a step: how often its own number is prepended on a prefix.
    #[serde(skip)]
    pub(crate) prepends: Vec<(IpNet, usize)>,
    /// Set by a step.
    #[serde(skip)]
    pub(crate) translates: bool,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

impl Nva {
    /// The address it forwards on.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.ip.addresses().chain(self.inside_ip.addresses()).next()
    }

    /// Everything it announces to its peers.
    pub(crate) fn announced(&self) -> impl Iterator<Item = IpNet> {
        self.announces
            .prefixes()
            .chain(self.advertises.prefixes())
            .chain(self.announces_to_route_server.prefixes())
            .chain(self.advertises_to_route_server.prefixes())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LoadBalancer {
    pub(crate) name: Option<String>,
    pub(crate) vnet: Option<String>,
    pub(crate) frontend: Words,
    pub(crate) backends: Words,
    #[serde(rename = "note")]
    pub(crate) _note: Words,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RouteServer {
    pub(crate) name: Option<String>,
    pub(crate) vnet: Option<String>,
    pub(crate) ip: Words,
    pub(crate) ips: Words,
    pub(crate) branch_to_branch: bool,
    pub(crate) peers: Words,
    pub(crate) learned: List<Learned>,
    #[serde(rename = "asn")]
    pub(crate) _asn: Words,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Hub {
    pub(crate) name: String,
    pub(crate) prefix: Option<String>,
    pub(crate) router_printed: Words,
    pub(crate) msee_printed: Words,
    pub(crate) er_circuit: Option<String>,
    pub(crate) vpn_gateway: Value,
    pub(crate) static_routes: List<Learned>,
    pub(crate) learned: List<Learned>,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RouteTable {
    pub(crate) propagate_gateway_routes: Option<bool>,
    pub(crate) associated_with: Words,
    pub(crate) routes: List<Route>,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) prefix: Option<String>,
    pub(crate) service_tag: Option<String>,
    pub(crate) next_hop_type: String,
    pub(crate) next_hop_ip: Words,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

/// A connection: a map, or the text `one - other`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    pub(crate) name: Option<String>,
    /// The ends of a map, or none where `text` tells them.
    pub(crate) ends: Option<(String, String)>,
    pub(crate) text: String,
    pub(crate) bgp: Option<bool>,
    pub(crate) weight: u16,
}

impl<'de> Deserialize<'de> for Connection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if let Value::String(text) = &value {
            return Ok(Self { text: text.clone(), ..Self::default() });
        }
        let get = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let a = get("a").or_else(|| get("vnet")).or_else(|| get("gateway")).or_else(|| get("from"));
        let b = get("b").or_else(|| get("circuit")).or_else(|| get("to")).or_else(|| get("site"));
        let (Some(a), Some(b)) = (a, b) else {
            return Err(D::Error::custom("a connection without two ends"));
        };
        let weight = value.get("weight").and_then(Value::as_u64).unwrap_or(0);
        Ok(Self {
            name: get("name"),
            ends: Some((a, b)),
            text: value.to_string(),
            bgp: value.get("bgp").and_then(Value::as_bool),
            weight: u16::try_from(weight).map_err(D::Error::custom)?,
        })
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Firewall {
    pub(crate) vnet: Option<String>,
    pub(crate) subnet: Option<String>,
    pub(crate) ip: Words,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SubnetPeering {
    pub(crate) local: Words,
    pub(crate) remote: Words,
    pub(crate) complete_vnets: bool,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Expect {
    pub(crate) effective_routes: List<ExpectedTable>,
    pub(crate) resolve: List<ExpectedAnswer>,
    pub(crate) nsg: List<ExpectedFlow>,
    pub(crate) bgp: List<ExpectedBgp>,
    /// Sections whose members are listed by key.
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ExpectedTable {
    pub(crate) at: String,
    #[serde(default)]
    pub(crate) when: Option<String>,
    #[serde(default)]
    pub(crate) listing: Option<String>,
    #[serde(default)]
    pub(crate) complete_for: Words,
    #[serde(default)]
    pub(crate) rows: List<ExpectedRow>,
    #[serde(default)]
    pub(crate) absent: List<ExpectedRow>,
    #[serde(default, rename = "notes")]
    pub(crate) _notes: Words,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

/// A row, or a row that shall be absent; a missing key matches anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ExpectedRow {
    pub(crate) source: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) next_hop_type: Option<String>,
    pub(crate) next_hop_ip: Words,
    #[serde(rename = "note")]
    pub(crate) _note: Words,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ExpectedAnswer {
    pub(crate) from: String,
    pub(crate) to: Option<String>,
    pub(crate) to_prefix: Option<String>,
    pub(crate) to_any: Option<String>,
    pub(crate) when: Option<String>,
    pub(crate) next_hop_type: Option<String>,
    pub(crate) next_hop_ip: Words,
    pub(crate) matched_prefix: Option<String>,
    pub(crate) path: Words,
    pub(crate) dropped: Option<bool>,
    pub(crate) looped: Option<bool>,
    pub(crate) delivered: Option<Value>,
    pub(crate) via_circuit: Words,
    pub(crate) ecmp: Option<bool>,
    pub(crate) route_table: Option<String>,
    pub(crate) reason: Option<String>,
    #[serde(rename = "why")]
    pub(crate) _why: Words,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ExpectedFlow {
    pub(crate) at: String,
    pub(crate) when: Option<String>,
    pub(crate) direction: Option<String>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) access: Option<String>,
    pub(crate) rule: Option<String>,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ExpectedBgp {
    pub(crate) at: String,
    pub(crate) kind: Option<String>,
    pub(crate) rows: List<Value>,
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

/// A list whose members may also be told in words, which are kept apart.
#[derive(Clone, Debug)]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
    /// Members that are no `T`.
    pub(crate) other: Vec<String>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { items: Vec::new(), other: Vec::new() }
    }
}

impl<T> std::ops::Deref for List<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.items
    }
}

impl<T> std::ops::DerefMut for List<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.items
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut list = Self::default();
        let values = match Value::deserialize(deserializer)? {
            Value::Array(values) => values,
            Value::Null => Vec::new(),
            other => vec![other],
        };
        for value in values {
            match serde_json::from_value(value.clone()) {
                Ok(item) => list.items.push(item),
                Err(_) => list.other.push(words_of(&value)),
            }
        }
        Ok(list)
    }
}

/// A map from names, in the order of names.
#[derive(Clone, Debug)]
pub(crate) struct Table<T> {
    pub(crate) items: BTreeMap<String, T>,
    pub(crate) other: Vec<String>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { items: BTreeMap::new(), other: Vec::new() }
    }
}

impl<'de, T: DeserializeOwned + Default> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Self::default();
        match Value::deserialize(deserializer)? {
            Value::Object(map) => {
                for (name, value) in map {
                    match value {
                        Value::Null => {
                            table.items.insert(name, T::default());
                        }
                        value => match serde_json::from_value(value.clone()) {
                            Ok(item) => {
                                table.items.insert(name, item);
                            }
                            Err(_) => table.other.push(format!("{name}: {}", words_of(&value))),
                        },
                    }
                }
            }
            Value::Null => {}
            other => table.other.push(words_of(&other)),
        }
        Ok(table)
    }
}

/// A machine.
#[derive(Clone, Debug)]
pub(crate) struct Vm {
    pub(crate) name: String,
    pub(crate) address: Option<IpAddr>,
}

/// Machines: a map from names to addresses (or words), or a list of names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vms(pub(crate) Vec<Vm>);

impl<'de> Deserialize<'de> for Vms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let vm = |name: &str, value: &Value| Vm {
            name: name.to_owned(),
            address: value.as_str().and_then(|text| text.parse().ok()),
        };
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::Object(map) => map.iter().map(|(name, value)| vm(name, value)).collect(),
            Value::Array(list) => list.iter().map(|name| vm(&words_of(name), &Value::Null)).collect(),
            Value::Null => Vec::new(),
            other => vec![vm(&words_of(&other), &Value::Null)],
        }))
    }
}

/// One text or several: a scalar, a list of scalars, or the members of a map.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Words(pub(crate) Vec<String>);

impl Words {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its members that are prefixes.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = IpNet> {
        self.0.iter().filter_map(|text| prefix(text))
    }

    /// Its members that are addresses (or host prefixes).
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.0
            .iter()
            .filter_map(|text| text.parse().ok().or_else(|| text.parse::<IpNet>().ok().map(|net| net.addr())))
    }

    /// Its members as numbers of autonomous systems, as far as they are numbers.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.0.iter().filter_map(|text| text.parse().ok())
    }

    pub(crate) fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }

    pub(crate) fn text(&self) -> String {
        self.0.join(" ")
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::Null => Vec::new(),
            Value::Array(list) => list.iter().map(words_of).collect(),
            Value::Object(map) => map.iter().map(|(k, v)| format!("{k}: {}", words_of(v))).collect(),
            scalar => vec![words_of(&scalar)],
        }))
    }
}

/// A value as text, strings without quotes.
pub(crate) fn words_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A prefix, or an address as a host prefix, with host bits cleared.
pub(crate) fn prefix(text: &str) -> Option<IpNet> {
    let text = text.trim();
    let net: Option<IpNet> = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    net.map(|net| net.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "
schema_version: 1
cases:
  - id: a
    given:
      vnets: {v: {space: [10.0.0.0/16], subnets: {s: {}}, vms: {m: 10.0.0.4}, colour: red}}
      gateways: [{name: g, vnet: v, kind: vpn, bgp_ip: 10.0.1.4}, words only]
      peerings: none
      connections: [g - far (two tunnels), {a: g, b: h, bgp: true}]
    expect:
      effective_routes:
        - at: m
          rows:
            - {source: Default, state: Active, prefix: 10.0.0.0/8, next_hop_type: None}
            - {prefix: 10.1.0.0/16, next_hop_type: VirtualNetworkGateway, next_hop_ip: [10.0.1.4, 52.X.X.X]}
  - id: b
    given: {extends: a, vnets: {v: {space: [10.9.0.0/16]}}}
  - 17
";

    #[test]
    fn none_is_a_word_and_unknown_keys_stay() {
        let file = read(SMALL).unwrap();
        assert_eq!(file.unreadable.len(), 1, "{:?}", file.unreadable);
        let case = &file.cases[0];
        let rows = &case.expect.effective_routes[0].rows;
        assert_eq!(rows[0].next_hop_type.as_deref(), Some("None"));
        assert_eq!(rows[1].next_hop_ip.0, ["10.0.1.4", "52.X.X.X"]);
        let vnet = &case.given.vnets.items["v"];
        assert_eq!(vnet.extra.keys().collect::<Vec<_>>(), ["colour"]);
        assert_eq!(vnet.vms.0[0].address, Some("10.0.0.4".parse().unwrap()));
        assert_eq!(case.given.gateways.len(), 1);
        assert_eq!(case.given.gateways.other, ["words only"]);
        assert_eq!(case.given.peerings.other, ["none"]);
        assert_eq!(case.given.connections[1].ends, Some(("g".to_owned(), "h".to_owned())));
    }

    #[test]
    fn a_case_may_extend_another() {
        let file = read(SMALL).unwrap();
        let vnet = &file.cases[1].given.vnets.items["v"];
        assert_eq!(vnet.space.0, ["10.9.0.0/16"]);
        assert_eq!(vnet.vms.0.len(), 1);
        assert_eq!(file.cases[1].given.gateways.len(), 1);
    }

    #[test]
    fn another_version_is_refused() {
        assert!(read("schema_version: 2\ncases: []").is_err());
        assert!(read("cases: [").is_err());
    }
}
