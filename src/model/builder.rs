//! Topologies in code, with prefixes and addresses as text.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    Date, Document, Knobs, NetworkInterface, Resource, ResourceId, RouteNextHopType, RouteTable, Subnet,
    Topology, TopologyError, UserDefinedRoute, VirtualNetwork, VirtualNetworkPeering,
};

/// Builds a [`Topology`] step by step. Text that cannot be read is remembered and reported by [`build`](Self::build),
/// with the resource and the field.
///
/// ```
/// use azroute::model::Topology;
/// let topology = Topology::builder()
///     .virtual_network("hub", &["10.0.0.0/16"])
///     .subnet("hub", "web", "10.0.1.0/24")
///     .subnet("hub", "nva", "10.0.2.0/24")
///     .appliance("fw", "hub/subnets/nva", "10.0.2.4")
///     .route("rt", "default", "0.0.0.0/0", "VirtualAppliance", &["10.0.2.4"])
///     .bind("hub/subnets/web", "rt")
///     .build()?;
/// assert_eq!(topology.document().route_tables.len(), 1);
/// # Ok::<(), azroute::model::BuildError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TopologyBuilder {
    document: Document,
    errors: Vec<BuildError>,
}

/// A topology could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A text cannot be read.
    #[error("`{resource}`: {field}: `{text}` is not {expected}")]
    Unreadable {
        /// The resource.
        resource: ResourceId,
        /// The field.
        field: &'static str,
        /// The text.
        text: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A step names a resource that no step before it added.
    #[error("`{resource}` was not added before it was used")]
    Unknown {
        /// The resource.
        resource: ResourceId,
    },
    /// The whole does not hold together.
    #[error(transparent)]
    Topology(#[from] TopologyError),
}

impl TopologyBuilder {
    /// Adds any resource, or replaces the one of its type and id.
    #[must_use]
    pub fn with(mut self, resource: impl Into<Resource>) -> Self {
        self.document.upsert(resource);
        self
    }

    /// The day the scenario describes.
    #[must_use]
    pub fn as_of(mut self, date: Date) -> Self {
        self.document.as_of = Some(date);
        self
    }

    /// Replaces the knobs.
    #[must_use]
    pub fn knobs(mut self, knobs: Knobs) -> Self {
        self.document.knobs = knobs;
        self
    }

    /// Adds a virtual network.
    #[must_use]
    pub fn virtual_network(mut self, id: &str, address_space: &[&str]) -> Self {
        let id = ResourceId::from(id);
        let space = self.prefixes(&id, "address_space", address_space);
        self.document.upsert(VirtualNetwork::new(id, space));
        self
    }

    /// Adds a subnet to a virtual network added before.
    #[must_use]
    pub fn subnet(mut self, vnet: &str, name: &str, prefix: &str) -> Self {
        let vnet = ResourceId::from(vnet);
        let id = vnet.child("subnets", name);
        if let [prefix] = self.prefixes(&id, "address_prefixes", &[prefix])[..] {
            match self.document.virtual_network_mut(&vnet) {
                Some(found) => found.subnets.push(Subnet::new(name, prefix)),
                None => self.errors.push(BuildError::Unknown { resource: vnet }),
            }
        }
        self
    }

    /// Changes a subnet added before.
    #[must_use]
    pub fn configure_subnet(mut self, subnet: &str, change: impl FnOnce(&mut Subnet)) -> Self {
        let id = ResourceId::from(subnet);
        match self.document.subnet_mut(&id) {
            Some(subnet) => change(subnet),
            None => self.errors.push(BuildError::Unknown { resource: id }),
        }
        self
    }

    /// Changes the document directly: for what has no step of its own.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut Document)) -> Self {
        change(&mut self.document);
        self
    }

    /// Peers two virtual networks in both directions with Azure's default flags; the halves are named after the far
    /// network.
    #[must_use]
    pub fn peer(self, a: &str, b: &str) -> Self {
        self.peer_with(a, b, |_| {}).peer_with(b, a, |_| {})
    }

    /// Adds one half of a peering, owned by `from`, and sets its flags.
    #[must_use]
    pub fn peer_with(mut self, from: &str, to: &str, flags: impl FnOnce(&mut VirtualNetworkPeering)) -> Self {
        let from = ResourceId::from(from);
        let mut half = VirtualNetworkPeering::new(ResourceId::from(to).name(), to);
        flags(&mut half);
        match self.document.virtual_network_mut(&from) {
            Some(vnet) => vnet.peerings.push(half),
            None => self.errors.push(BuildError::Unknown { resource: from }),
        }
        self
    }

    /// Peers a hub and a spoke with gateway transit (PEER-6), forwarded traffic allowed both ways.
    #[must_use]
    pub fn peer_with_gateway_transit(self, hub: &str, spoke: &str) -> Self {
        self.peer_with(hub, spoke, |half| {
            half.allow_gateway_transit = true;
            half.allow_forwarded_traffic = true;
        })
        .peer_with(spoke, hub, |half| {
            half.use_remote_gateways = true;
            half.allow_forwarded_traffic = true;
        })
    }

    /// Adds a route to a route table, which is created with the first one.
    #[must_use]
    pub fn route(
        mut self,
        table: &str,
        name: &str,
        prefix: &str,
        next_hop_type: &str,
        next_hops: &[&str],
    ) -> Self {
        let id = ResourceId::from(table);
        let Ok(next_hop_type) = next_hop_type.parse::<RouteNextHopType>() else {
            self.unreadable(&id.child("routes", name), "next_hop_type", next_hop_type, "a next hop type");
            return self;
        };
        let mut route = UserDefinedRoute::new(name, prefix, next_hop_type);
        for text in next_hops {
            match text.parse::<IpAddr>() {
                Ok(ip) => route.next_hop_ip_addresses.push(ip),
                Err(_) => {
                    self.unreadable(&id.child("routes", name), "next_hop_ip_addresses", text, "an IP address")
                }
            }
        }
        if self.document.route_table_mut(&id).is_none() {
            self.document.upsert(RouteTable::new(&id));
        }
        if let Some(table) = self.document.route_table_mut(&id) {
            table.routes.push(route);
        }
        self
    }

    /// Binds a route table to a subnet added before.
    #[must_use]
    pub fn bind(self, subnet: &str, table: &str) -> Self {
        let table = ResourceId::from(table);
        self.configure_subnet(subnet, |s| s.route_table = Some(table))
    }

    /// Adds a network interface with one address.
    #[must_use]
    pub fn nic(self, id: &str, subnet: &str, address: &str) -> Self {
        self.interface(id, subnet, address, false)
    }

    /// Adds a network interface with IP forwarding: an appliance with the defaults of
    /// [`NetworkVirtualAppliance`](super::NetworkVirtualAppliance).
    #[must_use]
    pub fn appliance(self, id: &str, subnet: &str, address: &str) -> Self {
        self.interface(id, subnet, address, true)
    }

    fn interface(mut self, id: &str, subnet: &str, address: &str, forwarding: bool) -> Self {
        match address.parse::<IpAddr>() {
            Ok(ip) => {
                let mut nic = NetworkInterface::new(id, subnet, ip);
                nic.enable_ip_forwarding = forwarding;
                self.document.upsert(nic);
            }
            Err(_) => self.unreadable(&ResourceId::from(id), "private_ip_address", address, "an IP address"),
        }
        self
    }

    fn prefixes(&mut self, id: &ResourceId, field: &'static str, texts: &[&str]) -> Vec<IpNet> {
        let mut prefixes = Vec::with_capacity(texts.len());
        for text in texts {
            match super::parse_prefix(text) {
                Some(prefix) => prefixes.push(prefix.trunc()),
                None => self.unreadable(id, field, text, "a prefix"),
            }
        }
        prefixes
    }

    fn unreadable(&mut self, resource: &ResourceId, field: &'static str, text: &str, expected: &'static str) {
        let (resource, text) = (resource.clone(), text.to_owned());
        self.errors.push(BuildError::Unreadable { resource, field, text, expected });
    }

    /// The document as it stands, unchecked.
    pub fn into_document(mut self) -> Document {
        self.document.schema_version = super::SCHEMA_VERSION;
        self.document
    }

    /// Checks the whole.
    ///
    /// # Errors
    /// The first step that could not be read, else what [`Topology::new`] refuses.
    pub fn build(mut self) -> Result<Topology, BuildError> {
        if !self.errors.is_empty() {
            return Err(self.errors.swap_remove(0));
        }
        Ok(Topology::new(self.into_document())?)
    }
}
