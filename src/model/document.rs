//! The plain document: everything a person or an importer states, as serde types.

use std::collections::HashSet;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::bgp::{BgpSession, BgpSpeaker, Origination, RoutingPolicy};
use super::{
    AzureFirewall, BgpServiceCommunity, CircuitLink, Connection, Date, ExpressRouteCircuit, Knobs, LinkRole,
    LoadBalancer, LocalNetworkGateway, NatGateway, NetworkInterface, NetworkSecurityGroup,
    NetworkVirtualAppliance, OnPremisesLink, OnPremisesSite, OverlayTunnel, PrivateEndpoint, PublicIpAddress,
    ResourceId, RouteFilter, RouteServer, RouteTable, ServiceTag, Subnet, UserDefinedRoute, VirtualHub,
    VirtualNetwork, VirtualNetworkGateway, VirtualNetworkPeering,
};

/// The version of the document's shape that this crate reads and writes.
pub const SCHEMA_VERSION: u32 = 1;

/// An address realm: a customer, or the provider itself (ISO-1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Its name, as the `tenant` fields of other resources write it; compared without case.
    pub name: String,
    /// Free text; no routing meaning (CSP-7).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

impl Tenant {
    /// A tenant with this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), description: String::new() }
    }
}

/// What identifies a top-level resource.
trait Keyed {
    fn key(&self) -> ResourceId;
}

macro_rules! keyed_by_id {
    ($($type:ty),* $(,)?) => {$(
        impl Keyed for $type {
            fn key(&self) -> ResourceId {
                self.id.clone()
            }
        }
    )*};
}

keyed_by_id!(
    VirtualNetwork,
    RouteTable,
    NetworkSecurityGroup,
    NetworkInterface,
    LoadBalancer,
    PublicIpAddress,
    NatGateway,
    PrivateEndpoint,
    NetworkVirtualAppliance,
    AzureFirewall,
    VirtualNetworkGateway,
    LocalNetworkGateway,
    Connection,
    ExpressRouteCircuit,
    RouteFilter,
    RouteServer,
    VirtualHub,
    OnPremisesSite,
    OnPremisesLink,
    OverlayTunnel,
    BgpSpeaker,
    BgpSession,
);

impl Keyed for Tenant {
    fn key(&self) -> ResourceId {
        ResourceId::new(&*self.name)
    }
}

impl Keyed for ServiceTag {
    fn key(&self) -> ResourceId {
        ResourceId::new(&*self.name)
    }
}

impl Keyed for BgpServiceCommunity {
    fn key(&self) -> ResourceId {
        ResourceId::new(&*self.community)
    }
}

macro_rules! collections {
    ($($(#[$doc:meta])* $field:ident: $type:ident, $name:literal;)*) => {
        /// Everything that was declared: the serialisable form of a [`Topology`](super::Topology), and what a
        /// what-if changes.
        ///
        /// Any serde format will do. Unknown fields are refused, so that a misspelt flag is not silently off.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub struct Document {
            /// The shape's version; [`SCHEMA_VERSION`] where not given.
            #[serde(default = "schema_version")]
            pub schema_version: u32,
            /// The day the scenario describes; none is today (rules marked with years follow it).
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub as_of: Option<Date>,
            /// Decisions that differ from the defaults.
            #[serde(default, skip_serializing_if = "super::is_default")]
            pub knobs: Knobs,
            /// Policies and sets that BGP speakers use, by name.
            #[serde(default, skip_serializing_if = "RoutingPolicy::is_empty")]
            pub routing_policy: RoutingPolicy,
            $(
                $(#[$doc])*
                #[serde(default, skip_serializing_if = "Vec::is_empty")]
                pub $field: Vec<$type>,
            )*
        }

        /// Every list: the field's name and the type's.
        #[cfg(feature = "import")]
        pub(crate) const LISTS: &[(&str, &str)] = &[$((stringify!($field), $name),)*];

        /// Any top-level resource of a [`Document`].
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Resource {
            $(
                #[doc = concat!("A `", stringify!($type), "`.")]
                $type($type),
            )*
        }

        $(
            impl From<$type> for Resource {
                fn from(resource: $type) -> Self {
                    Self::$type(resource)
                }
            }
        )*

        impl Document {
            /// Adds a resource, or replaces the one of the same type and id.
            pub fn upsert(&mut self, resource: impl Into<Resource>) {
                match resource.into() {
                    $(Resource::$type(new) => {
                        let key = new.key();
                        match self.$field.iter_mut().find(|old| old.key() == key) {
                            Some(old) => *old = new,
                            None => self.$field.push(new),
                        }
                    })*
                }
            }

            /// Removes every top-level resource with this id; whether there was one.
            pub fn remove(&mut self, id: &ResourceId) -> bool {
                let before = self.len();
                $(self.$field.retain(|r| r.key() != *id);)*
                self.len() != before
            }

            /// How many top-level resources it holds.
            pub fn len(&self) -> usize {
                0 $(+ self.$field.len())*
            }

            /// Whether it holds none.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// How many resources of each type it holds, by the type's name, in the document's order, zeros left out.
            pub fn counts(&self) -> Vec<(&'static str, usize)> {
                let mut counts = vec![$(($name, self.$field.len()),)*];
                counts.retain(|(_, n)| *n > 0);
                counts
            }

            pub(super) fn keys(&self) -> Vec<(&'static str, Vec<ResourceId>)> {
                vec![$(($name, self.$field.iter().map(Keyed::key).collect()),)*]
            }
        }
    };
}

collections! {
    /// Tenants. A tenant named elsewhere need not stand here.
    tenants: Tenant, "tenants";
    /// Virtual networks with their subnets and peerings.
    virtual_networks: VirtualNetwork, "virtualNetworks";
    /// Route tables.
    route_tables: RouteTable, "routeTables";
    /// Network security groups.
    network_security_groups: NetworkSecurityGroup, "networkSecurityGroups";
    /// Network interfaces.
    network_interfaces: NetworkInterface, "networkInterfaces";
    /// Load balancers.
    load_balancers: LoadBalancer, "loadBalancers";
    /// Public addresses.
    public_ip_addresses: PublicIpAddress, "publicIPAddresses";
    /// NAT gateways.
    nat_gateways: NatGateway, "natGateways";
    /// Private endpoints.
    private_endpoints: PrivateEndpoint, "privateEndpoints";
    /// Network virtual appliances.
    network_virtual_appliances: NetworkVirtualAppliance, "networkVirtualAppliances";
    /// Azure Firewalls.
    azure_firewalls: AzureFirewall, "azureFirewalls";
    /// Virtual network gateways.
    virtual_network_gateways: VirtualNetworkGateway, "virtualNetworkGateways";
    /// Local network gateways.
    local_network_gateways: LocalNetworkGateway, "localNetworkGateways";
    /// Connections of gateways.
    connections: Connection, "connections";
    /// ExpressRoute circuits.
    express_route_circuits: ExpressRouteCircuit, "expressRouteCircuits";
    /// Route filters of Microsoft peering.
    route_filters: RouteFilter, "routeFilters";
    /// Communities of Microsoft peering.
    bgp_service_communities: BgpServiceCommunity, "bgpServiceCommunities";
    /// Route Servers.
    route_servers: RouteServer, "routeServers";
    /// Virtual hubs.
    virtual_hubs: VirtualHub, "virtualHubs";
    /// Service tags.
    service_tags: ServiceTag, "serviceTags";
    /// Sites outside Azure.
    on_premises_sites: OnPremisesSite, "onPremisesSites";
    /// Links between sites.
    on_premises_links: OnPremisesLink, "onPremisesLinks";
    /// Overlay tunnels.
    overlay_tunnels: OverlayTunnel, "overlayTunnels";
    /// BGP speakers outside Azure.
    bgp_speakers: BgpSpeaker, "bgpSpeakers";
    /// BGP sessions between them, and with Azure.
    bgp_sessions: BgpSession, "bgpSessions";
}

fn schema_version() -> u32 {
    SCHEMA_VERSION
}

impl Document {
    /// An empty document of the current version.
    pub fn new() -> Self {
        Self { schema_version: SCHEMA_VERSION, ..Self::default() }
    }

    /// The virtual network with this id.
    pub fn virtual_network_mut(&mut self, id: &ResourceId) -> Option<&mut VirtualNetwork> {
        self.virtual_networks.iter_mut().find(|v| v.id == *id)
    }

    /// The subnet with this id.
    pub fn subnet_mut(&mut self, id: &ResourceId) -> Option<&mut Subnet> {
        let parent = id.parent()?;
        let name = id.name();
        let vnet = self.virtual_network_mut(&parent)?;
        vnet.subnets.iter_mut().find(|s| s.name.eq_ignore_ascii_case(name))
    }

    /// The BGP speaker with this id.
    pub fn bgp_speaker_mut(&mut self, id: &ResourceId) -> Option<&mut BgpSpeaker> {
        self.bgp_speakers.iter_mut().find(|s| s.id == *id)
    }

    /// The route table with this id.
    pub fn route_table_mut(&mut self, id: &ResourceId) -> Option<&mut RouteTable> {
        self.route_tables.iter_mut().find(|t| t.id == *id)
    }

    /// Carries out one change.
    ///
    /// # Errors
    /// Names what the change refers to and the document does not hold; the document is unchanged then.
    pub fn apply(&mut self, change: &Change) -> Result<(), ChangeError> {
        let missing = |id: &ResourceId, kind: &'static str| ChangeError { target: id.clone(), kind };
        match change {
            Change::Upsert(resource) => self.upsert((**resource).clone()),
            Change::Remove(id) => {
                if !self.remove(id) {
                    return Err(missing(id, "resource"));
                }
                // A session lives as long as both its ends.
                let within = format!("{}/", id.as_str().to_ascii_lowercase());
                let gone =
                    |end: &ResourceId| end == id || end.as_str().to_ascii_lowercase().starts_with(&within);
                self.bgp_sessions.retain(|s| !(gone(&s.a.speaker) || gone(&s.b.speaker)));
            }
            Change::SetRoute { route_table, route } => {
                let table =
                    self.route_table_mut(route_table).ok_or_else(|| missing(route_table, "route table"))?;
                match table.routes.iter_mut().find(|r| r.name.eq_ignore_ascii_case(&route.name)) {
                    Some(old) => *old = route.clone(),
                    None => table.routes.push(route.clone()),
                }
            }
            Change::RemoveRoute { route_table, name } => {
                let table =
                    self.route_table_mut(route_table).ok_or_else(|| missing(route_table, "route table"))?;
                let before = table.routes.len();
                table.routes.retain(|r| !r.name.eq_ignore_ascii_case(name));
                if table.routes.len() == before {
                    return Err(missing(&route_table.child("routes", name), "route"));
                }
            }
            Change::BindRouteTable { subnet, route_table } => {
                self.subnet_mut(subnet).ok_or_else(|| missing(subnet, "subnet"))?.route_table =
                    route_table.clone();
            }
            Change::SetSubnet { virtual_network, subnet } => {
                let vnet = self
                    .virtual_network_mut(virtual_network)
                    .ok_or_else(|| missing(virtual_network, "virtual network"))?;
                match vnet.subnets.iter_mut().find(|s| s.name.eq_ignore_ascii_case(&subnet.name)) {
                    Some(old) => *old = subnet.clone(),
                    None => vnet.subnets.push(subnet.clone()),
                }
            }
            Change::SetPeering { virtual_network, peering } => {
                let vnet = self
                    .virtual_network_mut(virtual_network)
                    .ok_or_else(|| missing(virtual_network, "virtual network"))?;
                match vnet.peerings.iter_mut().find(|p| p.name.eq_ignore_ascii_case(&peering.name)) {
                    Some(old) => *old = peering.clone(),
                    None => vnet.peerings.push(peering.clone()),
                }
            }
            Change::RemovePeering { virtual_network, name } => {
                let vnet = self
                    .virtual_network_mut(virtual_network)
                    .ok_or_else(|| missing(virtual_network, "virtual network"))?;
                let before = vnet.peerings.len();
                vnet.peerings.retain(|p| !p.name.eq_ignore_ascii_case(name));
                if vnet.peerings.len() == before {
                    return Err(missing(&virtual_network.child("virtualNetworkPeerings", name), "peering"));
                }
            }
            Change::SetLink { circuit, link, up } => {
                let found = self
                    .express_route_circuits
                    .iter_mut()
                    .find(|c| c.id == *circuit)
                    .ok_or_else(|| missing(circuit, "circuit"))?;
                let end: &mut CircuitLink = match link {
                    LinkRole::Primary => &mut found.primary,
                    LinkRole::Secondary => &mut found.secondary,
                };
                end.up = *up;
            }
            Change::SetConnection { connection, connected } => {
                self.connections
                    .iter_mut()
                    .find(|c| c.id == *connection)
                    .ok_or_else(|| missing(connection, "connection"))?
                    .connected = *connected;
            }
            Change::SetBandwidth { circuit, bandwidth_in_mbps } => {
                self.express_route_circuits
                    .iter_mut()
                    .find(|c| c.id == *circuit)
                    .ok_or_else(|| missing(circuit, "circuit"))?
                    .bandwidth_in_mbps = Some(*bandwidth_in_mbps);
            }
            Change::Announce { speaker, origination } => {
                let found = self.bgp_speaker_mut(speaker).ok_or_else(|| missing(speaker, "BGP speaker"))?;
                withdraw(found, &origination.prefixes);
                found.originate.push(origination.clone());
            }
            Change::Withdraw { speaker, prefixes } => {
                let found = self.bgp_speaker_mut(speaker).ok_or_else(|| missing(speaker, "BGP speaker"))?;
                let known: HashSet<IpNet> =
                    found.originate.iter().flat_map(|o| &o.prefixes).map(IpNet::trunc).collect();
                if !prefixes.iter().all(|prefix| known.contains(&prefix.trunc())) {
                    return Err(missing(speaker, "announcement of a BGP speaker"));
                }
                withdraw(found, prefixes);
            }
            Change::SetAsOf(as_of) => self.as_of = *as_of,
            Change::SetKnobs(knobs) => self.knobs = knobs.clone(),
        }
        Ok(())
    }
}

/// Takes prefixes out of what a speaker announces.
fn withdraw(speaker: &mut BgpSpeaker, prefixes: &[IpNet]) {
    let gone: HashSet<IpNet> = prefixes.iter().map(IpNet::trunc).collect();
    for origination in &mut speaker.originate {
        origination.prefixes.retain(|prefix| !gone.contains(&prefix.trunc()));
    }
    speaker.originate.retain(|origination| !origination.prefixes.is_empty());
}

/// One step of a what-if.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// Adds a resource or replaces the one of the same type and id.
    Upsert(Box<Resource>),
    /// Removes a top-level resource, and BGP sessions that end on it.
    Remove(ResourceId),
    /// Adds a user-defined route or replaces the one of the same name.
    SetRoute {
        /// The table.
        route_table: ResourceId,
        /// The route.
        route: UserDefinedRoute,
    },
    /// Removes a user-defined route.
    RemoveRoute {
        /// The table.
        route_table: ResourceId,
        /// The route's name.
        name: String,
    },
    /// Binds a route table to a subnet, or takes it off.
    BindRouteTable {
        /// The subnet.
        subnet: ResourceId,
        /// The table, or none.
        route_table: Option<ResourceId>,
    },
    /// Adds a subnet or replaces the one of the same name.
    SetSubnet {
        /// The virtual network.
        virtual_network: ResourceId,
        /// The subnet.
        subnet: Subnet,
    },
    /// Adds one half of a peering or replaces the one of the same name.
    SetPeering {
        /// The virtual network that owns the half.
        virtual_network: ResourceId,
        /// The half.
        peering: VirtualNetworkPeering,
    },
    /// Removes one half of a peering.
    RemovePeering {
        /// The virtual network that owns the half.
        virtual_network: ResourceId,
        /// Its name.
        name: String,
    },
    /// Takes a circuit's link down or up.
    SetLink {
        /// The circuit.
        circuit: ResourceId,
        /// The link.
        link: LinkRole,
        /// Its new state.
        up: bool,
    },
    /// Takes a connection down or up.
    SetConnection {
        /// The connection.
        connection: ResourceId,
        /// Its new state.
        connected: bool,
    },
    /// Raises or lowers a circuit's bandwidth; `Network::transitions` says how Azure does it (BW-4).
    SetBandwidth {
        /// The circuit.
        circuit: ResourceId,
        /// Its new bandwidth, in Mbit/s.
        bandwidth_in_mbps: u32,
    },
    /// Lets a BGP speaker announce prefixes, in place of what it announced for them before.
    Announce {
        /// The speaker.
        speaker: ResourceId,
        /// The prefixes and their attributes.
        origination: Origination,
    },
    /// Takes prefixes back that a BGP speaker announces of its own.
    Withdraw {
        /// The speaker.
        speaker: ResourceId,
        /// The prefixes.
        prefixes: Vec<IpNet>,
    },
    /// Moves the scenario to another day, or to today.
    SetAsOf(Option<Date>),
    /// Replaces the knobs.
    SetKnobs(Knobs),
}

impl Change {
    /// Adds a resource or replaces the one of the same type and id.
    pub fn upsert(resource: impl Into<Resource>) -> Self {
        Self::Upsert(Box::new(resource.into()))
    }
}

/// A change names something that the topology does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the change names the {kind} `{target}`, which the topology does not hold")]
pub struct ChangeError {
    target: ResourceId,
    kind: &'static str,
}

impl ChangeError {
    /// What is missing.
    pub fn target(&self) -> &ResourceId {
        &self.target
    }
}
