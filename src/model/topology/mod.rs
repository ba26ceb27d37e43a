//! A document that was checked: unique ids, sound values, and an index of what refers to what.

mod hubs;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;

use super::{
    AddressPrefix, Connection, Document, Era, ExpressRouteCircuit, LocalNetworkGateway, OnPremisesSite,
    PeeringState, ResourceId, RouteNextHopType, RouteTable, SCHEMA_VERSION, ServiceTag, Subnet,
    TopologyBuilder, VirtualNetwork, VirtualNetworkGateway, VirtualNetworkPeering, overlap, same_family,
};

/// What was declared, checked once: the input of every computation.
///
/// Cheap to clone. References to resources that are not part of it are kept and listed
/// ([`unresolved_references`](Self::unresolved_references)); what cannot be right is refused with every reason at once.
#[derive(Clone)]
pub struct Topology {
    document: Arc<Document>,
    index: Arc<HashMap<ResourceId, Entity>>,
    tags: Arc<HashMap<String, usize>>,
    /// The half of a peering by owner and far network.
    halves: Arc<Halves>,
    unresolved: Arc<[UnresolvedReference]>,
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topology").field("counts", &self.document.counts()).finish_non_exhaustive()
    }
}

type Halves = HashMap<(usize, usize), usize>;

/// What an id stands for, as positions in the document's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Entity {
    VirtualNetwork(usize),
    Subnet(usize, usize),
    RouteTable(usize),
    SecurityGroup(usize),
    Nic(usize),
    LoadBalancer(usize),
    PublicIp(usize),
    NatGateway(usize),
    PrivateEndpoint(usize),
    Appliance(usize),
    Firewall(usize),
    Gateway(usize),
    LocalGateway(usize),
    Connection(usize),
    Circuit(usize),
    RouteFilter(usize),
    RouteServer(usize),
    Hub(usize),
    HubConnection(usize, usize),
    HubRouteTable(usize, usize),
    Site(usize),
    Router(usize, usize),
    HostRange(usize, usize),
    Link(usize),
    Tunnel(usize),
}

/// A reference to a resource that is not part of the topology: it stays in the document and is reported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnresolvedReference {
    /// Who refers.
    pub from: ResourceId,
    /// By which field.
    pub field: &'static str,
    /// To what.
    pub to: ResourceId,
}

impl fmt::Display for UnresolvedReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {} names `{}`, which is not part of the topology", self.from, self.field, self.to)
    }
}

/// The document cannot be right. Holds every problem found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TopologyError {
    problems: Vec<Problem>,
}

impl TopologyError {
    /// Every problem, in the order of the document.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, rest) = self.problems.split_first().map_or((None, &[][..]), |(p, r)| (Some(p), r));
        if let Some(first) = first {
            write!(f, "{first}")?;
        }
        if !rest.is_empty() {
            write!(f, " (and {} more)", rest.len())?;
        }
        Ok(())
    }
}

/// One thing that cannot be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    resource: ResourceId,
    field: &'static str,
    reason: Reason,
}

impl Problem {
    /// The resource.
    pub fn resource(&self) -> &ResourceId {
        &self.resource
    }

    /// The field.
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// What is wrong with it.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}: {}", self.resource, self.field, self.reason)
    }
}

/// Why a value cannot be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The document's version is not one this crate reads.
    #[error("schema version {0} is not supported, only {SCHEMA_VERSION} is")]
    SchemaVersion(u32),
    /// Nothing is set where something must be.
    #[error("must be set")]
    Missing,
    /// Two resources of one type have one id, or two children one name.
    #[error("`{0}` stands more than once")]
    Duplicate(String),
    /// A prefix stands twice in one route table (UDR-3).
    #[error("`{0}` stands more than once in the table (UDR-3)")]
    DuplicatePrefix(String),
    /// Two prefixes overlap that must not.
    #[error("{0} overlaps {1} of `{2}`")]
    Overlap(IpNet, IpNet, ResourceId),
    /// A subnet lies outside its virtual network.
    #[error("{0} is not inside the address space of the virtual network")]
    OutsideAddressSpace(IpNet),
    /// The next hop addresses do not fit the next hop type (VOC-3, UDR-17).
    #[error("`{next_hop_type}` takes {expected} next hop addresses, not {found}")]
    NextHopAddresses {
        /// The type.
        next_hop_type: RouteNextHopType,
        /// How many it takes.
        expected: &'static str,
        /// How many it has.
        found: usize,
    },
    /// The next hop address is of another family than the prefix (V6-3).
    #[error("the next hop address and the prefix are of different address families (V6-3)")]
    WrongFamily,
    /// Something that this place does not accept, with the rule.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// A value is out of range.
    #[error("{value} is outside {range}")]
    OutOfRange {
        /// The value.
        value: u64,
        /// What is accepted.
        range: &'static str,
    },
}

impl Topology {
    /// Starts a topology in code.
    pub fn builder() -> TopologyBuilder {
        TopologyBuilder::default()
    }

    /// Checks a document.
    ///
    /// # Errors
    /// Every duplicate id or name, every prefix that lies outside or overlaps where it must not, every route whose
    /// next hop does not fit its type, and whatever a rule forbids outright (UDR-3, UDR-14, PEER-3, V6-3, …).
    ///
    /// Takes time linear in the document, but for the pairs of one network's peers and subnets, which are sorted.
    pub fn new(document: Document) -> Result<Self, TopologyError> {
        let mut checker = Checker { problems: Vec::new(), unresolved: Vec::new() };
        let index = index(&document, &mut checker);
        let tags = document
            .service_tags
            .iter()
            .enumerate()
            .map(|(i, tag)| (tag.name.to_ascii_lowercase(), i))
            .collect();
        let halves = halves(&document, &index);
        checker.check(&document, &index, &halves);
        if !checker.problems.is_empty() {
            return Err(TopologyError { problems: checker.problems });
        }
        checker.unresolved.sort();
        checker.unresolved.dedup();
        Ok(Self {
            document: Arc::new(document),
            index: Arc::new(index),
            tags: Arc::new(tags),
            halves: Arc::new(halves),
            unresolved: checker.unresolved.into(),
        })
    }

    /// The same resources in the same order, in another state: what was checked and listed still holds.
    pub(crate) fn with_state_of(&self, document: Document) -> Self {
        Self { document: Arc::new(document), ..self.clone() }
    }

    /// The document, as it was given.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The moment it describes.
    pub fn era(&self) -> Era {
        Era(self.document.as_of)
    }

    /// References to resources that are not part of it, sorted.
    pub fn unresolved_references(&self) -> &[UnresolvedReference] {
        &self.unresolved
    }

    /// The virtual network with this id.
    pub fn virtual_network(&self, id: &ResourceId) -> Option<&VirtualNetwork> {
        match self.entity(id)? {
            Entity::VirtualNetwork(i) => self.document.virtual_networks.get(i),
            _ => None,
        }
    }

    /// The subnet with this id and its virtual network.
    pub fn subnet(&self, id: &ResourceId) -> Option<(&VirtualNetwork, &Subnet)> {
        match self.entity(id)? {
            Entity::Subnet(v, s) => {
                let vnet = self.document.virtual_networks.get(v)?;
                Some((vnet, vnet.subnets.get(s)?))
            }
            _ => None,
        }
    }

    /// The route table with this id.
    pub fn route_table(&self, id: &ResourceId) -> Option<&RouteTable> {
        match self.entity(id)? {
            Entity::RouteTable(i) => self.document.route_tables.get(i),
            _ => None,
        }
    }

    /// The virtual network gateway with this id.
    pub fn virtual_network_gateway(&self, id: &ResourceId) -> Option<&VirtualNetworkGateway> {
        match self.entity(id)? {
            Entity::Gateway(i) => self.document.virtual_network_gateways.get(i),
            _ => None,
        }
    }

    /// The local network gateway with this id.
    pub fn local_network_gateway(&self, id: &ResourceId) -> Option<&LocalNetworkGateway> {
        match self.entity(id)? {
            Entity::LocalGateway(i) => self.document.local_network_gateways.get(i),
            _ => None,
        }
    }

    /// The connection with this id.
    pub fn connection(&self, id: &ResourceId) -> Option<&Connection> {
        match self.entity(id)? {
            Entity::Connection(i) => self.document.connections.get(i),
            _ => None,
        }
    }

    /// The circuit with this id.
    pub fn express_route_circuit(&self, id: &ResourceId) -> Option<&ExpressRouteCircuit> {
        match self.entity(id)? {
            Entity::Circuit(i) => self.document.express_route_circuits.get(i),
            _ => None,
        }
    }

    /// The site with this id, or the site of the router or host range with this id.
    pub fn on_premises_site(&self, id: &ResourceId) -> Option<&OnPremisesSite> {
        match self.entity(id)? {
            Entity::Site(i) | Entity::Router(i, _) | Entity::HostRange(i, _) => {
                self.document.on_premises_sites.get(i)
            }
            _ => None,
        }
    }

    /// The service tag of this name, compared without case.
    pub fn service_tag(&self, name: &str) -> Option<&ServiceTag> {
        let at = *self.tags.get(&name.to_ascii_lowercase())?;
        self.document.service_tags.get(at)
    }

    /// What an id stands for.
    pub(crate) fn entity(&self, id: &ResourceId) -> Option<Entity> {
        self.index.get(id).copied()
    }

    /// The half of the peering that points back at `owner` from the network that `half` points at, where that network
    /// is part of the topology.
    pub(crate) fn reverse_peering<'a>(
        &'a self,
        owner: &VirtualNetwork,
        half: &VirtualNetworkPeering,
    ) -> Option<&'a VirtualNetworkPeering> {
        let far = self.virtual_network(&half.remote_virtual_network)?;
        let (Entity::VirtualNetwork(remote), Entity::VirtualNetwork(owner)) =
            (self.entity(&half.remote_virtual_network)?, self.entity(&owner.id)?)
        else {
            return None;
        };
        far.peerings.get(*self.halves.get(&(remote, owner))?)
    }

    /// Whether this half of a peering is connected: both halves must be (PEER-1). Without a stated state a half
    /// counts as connected where the far network has its own half, or is not part of the topology.
    pub(crate) fn is_connected(&self, owner: &VirtualNetwork, half: &VirtualNetworkPeering) -> bool {
        let known = self.virtual_network(&half.remote_virtual_network).is_some();
        peering_connected(half, known.then(|| self.reverse_peering(owner, half)))
    }
}

/// `reverse` is `None` where the far network is unknown, `Some(None)` where it is known and has no half.
fn peering_connected(half: &VirtualNetworkPeering, reverse: Option<Option<&VirtualNetworkPeering>>) -> bool {
    let up = |state: Option<PeeringState>| matches!(state, None | Some(PeeringState::Connected));
    match reverse {
        _ if !up(half.peering_state) => false,
        None => true,
        Some(None) => false,
        Some(Some(reverse)) => up(reverse.peering_state),
    }
}

/// Which half of each network points at which other, the first where there are several.
fn halves(document: &Document, index: &HashMap<ResourceId, Entity>) -> Halves {
    let mut found = HashMap::new();
    for (v, vnet) in document.virtual_networks.iter().enumerate() {
        for (half, peering) in vnet.peerings.iter().enumerate() {
            if let Some(Entity::VirtualNetwork(remote)) = index.get(&peering.remote_virtual_network) {
                found.entry((v, *remote)).or_insert(half);
            }
        }
    }
    found
}

fn index(document: &Document, checker: &mut Checker) -> HashMap<ResourceId, Entity> {
    let mut index = HashMap::with_capacity(document.len() * 2);
    for (kind, keys) in document.keys() {
        let mut seen = HashMap::with_capacity(keys.len());
        for key in keys {
            if key.is_empty() {
                checker.problem(&ResourceId::new(kind), "id", Reason::Missing);
            } else if seen.insert(key.clone(), ()).is_some() {
                checker.problem(&key, "id", Reason::Duplicate(key.to_string()));
            }
        }
    }
    // A name that two types share belongs to the type listed first, except that network things come before metadata.
    let mut add = |id: ResourceId, entity: Entity| {
        index.entry(id).or_insert(entity);
    };
    for (v, vnet) in document.virtual_networks.iter().enumerate() {
        add(vnet.id.clone(), Entity::VirtualNetwork(v));
        for (s, subnet) in vnet.subnets.iter().enumerate() {
            add(vnet.subnet_id(&subnet.name), Entity::Subnet(v, s));
        }
    }
    macro_rules! add_all {
        ($($field:ident => $entity:ident),* $(,)?) => {$(
            for (i, resource) in document.$field.iter().enumerate() {
                add(resource.id.clone(), Entity::$entity(i));
            }
        )*};
    }
    add_all!(
        route_tables => RouteTable,
        network_security_groups => SecurityGroup,
        network_interfaces => Nic,
        load_balancers => LoadBalancer,
        public_ip_addresses => PublicIp,
        nat_gateways => NatGateway,
        private_endpoints => PrivateEndpoint,
        network_virtual_appliances => Appliance,
        azure_firewalls => Firewall,
        virtual_network_gateways => Gateway,
        local_network_gateways => LocalGateway,
        connections => Connection,
        express_route_circuits => Circuit,
        route_filters => RouteFilter,
        route_servers => RouteServer,
        virtual_hubs => Hub,
        on_premises_sites => Site,
        on_premises_links => Link,
        overlay_tunnels => Tunnel,
    );
    for (h, hub) in document.virtual_hubs.iter().enumerate() {
        for (c, connection) in hub.virtual_network_connections.iter().enumerate() {
            add(hub.connection_id(&connection.name), Entity::HubConnection(h, c));
        }
        for (t, table) in hub.route_tables.iter().enumerate() {
            add(hub.route_table_id(&table.name), Entity::HubRouteTable(h, t));
        }
    }
    for (s, site) in document.on_premises_sites.iter().enumerate() {
        for (r, router) in site.routers.iter().enumerate() {
            add(site.router_id(&router.name), Entity::Router(s, r));
        }
        for (h, range) in site.host_ranges.iter().enumerate() {
            add(site.id.child("hostRanges", &range.name), Entity::HostRange(s, h));
        }
    }
    index
}

struct Checker {
    problems: Vec<Problem>,
    unresolved: Vec<UnresolvedReference>,
}

impl Checker {
    fn problem(&mut self, resource: &ResourceId, field: &'static str, reason: Reason) {
        self.problems.push(Problem { resource: resource.clone(), field, reason });
    }

    fn check(&mut self, document: &Document, index: &HashMap<ResourceId, Entity>, halves: &Halves) {
        if document.schema_version != SCHEMA_VERSION {
            let id = ResourceId::new("document");
            self.problem(&id, "schema_version", Reason::SchemaVersion(document.schema_version));
        }
        for (v, vnet) in document.virtual_networks.iter().enumerate() {
            self.virtual_network(vnet);
            self.peered_spaces(document, index, halves, v);
        }
        for table in &document.route_tables {
            self.route_table(table);
        }
        for nsg in &document.network_security_groups {
            for rule in &nsg.security_rules {
                if !(100..=4096).contains(&rule.priority) {
                    let range = "100 to 4096 (NSG-2)";
                    let value = u64::from(rule.priority);
                    self.problem(&nsg.id, "security_rules.priority", Reason::OutOfRange { value, range });
                }
            }
        }
        for connection in &document.connections {
            if connection.routing_weight > super::limits::ROUTING_WEIGHT {
                let (value, range) = (u64::from(connection.routing_weight), "0 to 32000 (ER-8)");
                self.problem(&connection.id, "routing_weight", Reason::OutOfRange { value, range });
            }
        }
        for circuit in &document.express_route_circuits {
            let mut seen = Vec::new();
            for peering in &circuit.peerings {
                if seen.contains(&peering.peering_type) {
                    let word = peering.peering_type.as_str().to_owned();
                    self.problem(&circuit.id, "peerings", Reason::Duplicate(word));
                }
                seen.push(peering.peering_type);
            }
        }
        for site in &document.on_premises_sites {
            self.names(&site.id, "routers", site.routers.iter().map(|r| &*r.name));
            self.names(&site.id, "host_ranges", site.host_ranges.iter().map(|r| &*r.name));
        }
        for hub in &document.virtual_hubs {
            self.hub(hub, index);
        }
        self.hub_gateways(document, index);
        self.references(document, index);
        self.hub_references(document, index);
    }

    /// Children of one parent have different names, compared without case.
    fn names<'a>(&mut self, parent: &ResourceId, field: &'static str, names: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeMap::new();
        for name in names {
            if name.is_empty() {
                self.problem(parent, field, Reason::Missing);
            } else if seen.insert(name.to_ascii_lowercase(), ()).is_some() {
                self.problem(parent, field, Reason::Duplicate(name.to_owned()));
            }
        }
    }

    fn virtual_network(&mut self, vnet: &VirtualNetwork) {
        self.names(&vnet.id, "subnets", vnet.subnets.iter().map(|s| &*s.name));
        self.names(&vnet.id, "peerings", vnet.peerings.iter().map(|p| &*p.name));
        for (prefix, other) in overlaps(vnet.address_space.iter().map(|p| (*p, &vnet.id))) {
            let reason = Reason::Overlap(prefix.0, other.0, vnet.id.clone());
            self.problem(&vnet.id, "address_space", reason);
        }
        for subnet in &vnet.subnets {
            for prefix in &subnet.address_prefixes {
                if !vnet.address_space.iter().any(|space| space.contains(prefix)) {
                    let id = vnet.subnet_id(&subnet.name);
                    self.problem(&id, "address_prefixes", Reason::OutsideAddressSpace(*prefix));
                }
            }
            if subnet.name.eq_ignore_ascii_case("RouteServerSubnet") {
                let id = vnet.subnet_id(&subnet.name);
                if subnet.route_table.is_some() {
                    let reason = Reason::NotAllowed("RouteServerSubnet accepts no route table (UDR-14)");
                    self.problem(&id, "route_table", reason);
                }
                if subnet.network_security_group.is_some() {
                    let reason = Reason::NotAllowed("RouteServerSubnet accepts no security group (UDR-14)");
                    self.problem(&id, "network_security_group", reason);
                }
            }
        }
        let ids: Vec<ResourceId> = vnet.subnets.iter().map(|s| vnet.subnet_id(&s.name)).collect();
        let prefixes = vnet
            .subnets
            .iter()
            .zip(&ids)
            .flat_map(|(s, id)| s.address_prefixes.iter().map(move |p| (*p, id)));
        for (inner, outer) in overlaps(prefixes) {
            let reason = Reason::Overlap(inner.0, outer.0, outer.1.clone());
            self.problem(inner.1, "address_prefixes", reason);
        }
    }

    /// PEER-3: the spaces of a network and of those it is connected to do not overlap; PEER-15 compares only the
    /// subnets offered.
    fn peered_spaces(
        &mut self,
        document: &Document,
        index: &HashMap<ResourceId, Entity>,
        halves: &Halves,
        v: usize,
    ) {
        let vnet = &document.virtual_networks[v];
        let known = |id: &ResourceId| match index.get(id) {
            Some(Entity::VirtualNetwork(i)) => Some((*i, &document.virtual_networks[*i])),
            _ => None,
        };
        let connected: Vec<(&VirtualNetworkPeering, Vec<IpNet>)> = vnet
            .peerings
            .iter()
            .filter(|half| {
                let remote = known(&half.remote_virtual_network);
                peering_connected(
                    half,
                    remote.map(|(r, far)| halves.get(&(r, v)).and_then(|back| far.peerings.get(*back))),
                )
            })
            .map(|half| (half, routed_space(half, known(&half.remote_virtual_network).map(|(_, far)| far))))
            .collect();
        let spaces = connected.iter().flat_map(|(half, space)| {
            space.iter().map(move |prefix| (*prefix, &half.remote_virtual_network))
        });
        let own = vnet.address_space.iter().map(|p| (*p, &vnet.id));
        for (a, b) in overlaps(own.chain(spaces)) {
            if a.1 == b.1 {
                continue;
            }
            // Subnet peering routes subnets, so its own space may overlap outside of them.
            let subnet_peering = connected
                .iter()
                .any(|(half, _)| !half.peer_complete_vnets && (half.remote_virtual_network == *a.1));
            if subnet_peering && *b.1 == vnet.id {
                let offered = vnet.subnets.iter().flat_map(|s| &s.address_prefixes).any(|p| overlap(p, &a.0));
                if !offered {
                    continue;
                }
            }
            let (field, reason) = ("peerings", Reason::Overlap(a.0, b.0, b.1.clone()));
            self.problem(if *a.1 == vnet.id { b.1 } else { a.1 }, field, reason);
        }
    }

    fn route_table(&mut self, table: &RouteTable) {
        self.names(&table.id, "routes", table.routes.iter().map(|r| &*r.name));
        let mut seen = BTreeMap::new();
        for route in &table.routes {
            let id = table.id.child("routes", &route.name);
            if seen.insert(route.address_prefix.to_string().to_ascii_lowercase(), ()).is_some() {
                let reason = Reason::DuplicatePrefix(route.address_prefix.to_string());
                self.problem(&id, "address_prefix", reason);
            }
            let found = route.next_hop_ip_addresses.len();
            let expected = match route.next_hop_type {
                RouteNextHopType::VirtualAppliance => (found != 1).then_some("exactly 1"),
                RouteNextHopType::VirtualApplianceEcmp => {
                    (!(2..=64).contains(&found)).then_some("2 to 64 (UDR-17)")
                }
                _ => (found != 0).then_some("no"),
            };
            if let Some(expected) = expected {
                let next_hop_type = route.next_hop_type;
                let reason = Reason::NextHopAddresses { next_hop_type, expected, found };
                self.problem(&id, "next_hop_ip_addresses", reason);
            }
            if let AddressPrefix::Cidr(prefix) = &route.address_prefix
                && route.next_hop_ip_addresses.iter().any(|ip| !same_family(prefix, ip))
            {
                self.problem(&id, "next_hop_ip_addresses", Reason::WrongFamily);
            }
        }
    }

    /// Notes a reference that leads nowhere.
    fn refer(
        &mut self,
        index: &HashMap<ResourceId, Entity>,
        from: &ResourceId,
        field: &'static str,
        to: &ResourceId,
    ) {
        if !to.is_empty() && !index.contains_key(to) {
            self.unresolved.push(UnresolvedReference { from: from.clone(), field, to: to.clone() });
        }
    }

    fn references(&mut self, document: &Document, index: &HashMap<ResourceId, Entity>) {
        let mut refer =
            |from: &ResourceId, field: &'static str, to: &ResourceId| self.refer(index, from, field, to);
        for vnet in &document.virtual_networks {
            for subnet in &vnet.subnets {
                let id = vnet.subnet_id(&subnet.name);
                for (field, to) in [
                    ("route_table", &subnet.route_table),
                    ("network_security_group", &subnet.network_security_group),
                    ("nat_gateway", &subnet.nat_gateway),
                ] {
                    if let Some(to) = to {
                        refer(&id, field, to);
                    }
                }
            }
            for peering in &vnet.peerings {
                let id = vnet.id.child("virtualNetworkPeerings", &peering.name);
                refer(&id, "remote_virtual_network", &peering.remote_virtual_network);
            }
        }
        for nic in &document.network_interfaces {
            for configuration in &nic.ip_configurations {
                refer(&nic.id, "ip_configurations.subnet", &configuration.subnet);
                if let Some(ip) = &configuration.public_ip_address {
                    refer(&nic.id, "ip_configurations.public_ip_address", ip);
                }
            }
            if let Some(nsg) = &nic.network_security_group {
                refer(&nic.id, "network_security_group", nsg);
            }
        }
        for balancer in &document.load_balancers {
            for frontend in &balancer.frontend_ip_configurations {
                if let Some(subnet) = &frontend.subnet {
                    refer(&balancer.id, "frontend_ip_configurations.subnet", subnet);
                }
            }
            for backend in &balancer.backends {
                if let Some(nic) = &backend.network_interface {
                    refer(&balancer.id, "backends.network_interface", nic);
                }
            }
        }
        for endpoint in &document.private_endpoints {
            refer(&endpoint.id, "subnet", &endpoint.subnet);
        }
        for appliance in &document.network_virtual_appliances {
            for nic in &appliance.network_interfaces {
                refer(&appliance.id, "network_interfaces", nic);
            }
            if let Some(hub) = &appliance.virtual_hub {
                refer(&appliance.id, "virtual_hub", hub);
            }
        }
        for firewall in &document.azure_firewalls {
            for to in [&firewall.subnet, &firewall.virtual_hub].into_iter().flatten() {
                refer(&firewall.id, "subnet", to);
            }
        }
        for gateway in &document.virtual_network_gateways {
            refer(&gateway.id, "virtual_network", &gateway.virtual_network);
            if let Some(site) = &gateway.gateway_default_site {
                refer(&gateway.id, "gateway_default_site", site);
            }
        }
        for local in &document.local_network_gateways {
            if let Some(site) = &local.site {
                refer(&local.id, "site", site);
            }
        }
        for connection in &document.connections {
            refer(&connection.id, "virtual_network_gateway", &connection.virtual_network_gateway);
            refer(&connection.id, "peer", &connection.peer);
        }
        for circuit in &document.express_route_circuits {
            for peering in &circuit.peerings {
                if let Some(filter) = &peering.route_filter {
                    refer(&circuit.id, "peerings.route_filter", filter);
                }
            }
            for link in [&circuit.primary, &circuit.secondary] {
                if let Some(router) = &link.edge_router {
                    refer(&circuit.id, "edge_router", router);
                }
            }
            for far in &circuit.global_reach {
                refer(&circuit.id, "global_reach", far);
            }
        }
        for server in &document.route_servers {
            refer(&server.id, "virtual_network", &server.virtual_network);
        }
        for site in &document.on_premises_sites {
            for advertisement in &site.advertisements {
                refer(&site.id, "advertisements.over", &advertisement.over);
            }
        }
        for link in &document.on_premises_links {
            refer(&link.id, "a", &link.a);
            refer(&link.id, "b", &link.b);
        }
        for tunnel in &document.overlay_tunnels {
            refer(&tunnel.id, "a.node", &tunnel.a.node);
            refer(&tunnel.id, "b.node", &tunnel.b.node);
        }
    }
}

/// What a half of a peering routes: the listed far subnets (PEER-15), else the far space as last synced, else the far
/// network's own space.
fn routed_space(half: &VirtualNetworkPeering, remote: Option<&VirtualNetwork>) -> Vec<IpNet> {
    let family = |p: &&IpNet| !half.enable_only_ipv6_peering || p.addr().is_ipv6();
    if !half.peer_complete_vnets {
        let named = |s: &&Subnet| half.remote_subnet_names.iter().any(|n| n.eq_ignore_ascii_case(&s.name));
        return remote
            .into_iter()
            .flat_map(|r| &r.subnets)
            .filter(named)
            .flat_map(|s| &s.address_prefixes)
            .filter(family)
            .copied()
            .collect();
    }
    let space = if half.remote_address_space.is_empty() {
        remote.map_or(&[][..], |r| &r.address_space)
    } else {
        &half.remote_address_space
    };
    space.iter().filter(family).copied().collect()
}

impl VirtualNetworkPeering {
    /// The prefixes this half adds as rows: see [`Topology`]; `remote` is the far network where it is known.
    pub(crate) fn routed_space(&self, remote: Option<&VirtualNetwork>) -> Vec<IpNet> {
        routed_space(self, remote)
    }
}

/// A prefix and whose it is.
type Owned<'a> = (IpNet, &'a ResourceId);

/// Pairs that overlap: each prefix with the nearest one before it, in address order, that reaches into it.
fn overlaps<'a>(prefixes: impl Iterator<Item = Owned<'a>>) -> Vec<(Owned<'a>, Owned<'a>)> {
    let mut sorted: Vec<_> = prefixes.collect();
    sorted.sort_by_key(|(prefix, _)| (prefix.network(), prefix.prefix_len()));
    let mut found = Vec::new();
    let mut open: Vec<(IpNet, &ResourceId)> = Vec::new();
    for item in sorted {
        while open.last().is_some_and(|outer| !overlap(&outer.0, &item.0)) {
            open.pop();
        }
        if let Some(outer) = open.last() {
            found.push((item, *outer));
        }
        open.push(item);
    }
    found
}
