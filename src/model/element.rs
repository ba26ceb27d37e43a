//! What can fail, by name.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{LinkRole, NetworkInterface, ResourceId, Topology};

/// Something of a network that can fail: what [`Network::without`](crate::Network::without) takes away.
///
/// A failure is a state, not a change of what is declared: a gateway that failed is still configured, and comes back as
/// it was. Where an element is part of another, both can fail; a whole takes its parts with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Element {
    /// One of the two links of a circuit, with the sessions of every peering on it (ER-1).
    CircuitLink {
        /// The circuit.
        circuit: ResourceId,
        /// The link.
        link: LinkRole,
    },
    /// A circuit: both of its links.
    Circuit(ResourceId),
    /// A connection of a virtual network gateway.
    Connection(ResourceId),
    /// A virtual network gateway, with its connections (GWR-5).
    Gateway(ResourceId),
    /// One of the two instances of a virtual network gateway (VPN-8). Of an active-active one Azure no longer prints its
    /// address as next hop; of an active-standby one the other takes over (VPN-11). Both lost are the gateway lost.
    GatewayInstance {
        /// The gateway.
        gateway: ResourceId,
        /// The instance: 0 or 1, in the order of the declared addresses.
        instance: u8,
    },
    /// A Route Server: what appliances told it is lost, packets that need none of it go on (ARS-1).
    RouteServer(ResourceId),
    /// One of the two instances of a Route Server, with the sessions that end on its address alone (ARS-1). Both lost are
    /// the Route Server lost.
    RouteServerInstance {
        /// The Route Server.
        route_server: ResourceId,
        /// The instance: 0 or 1, in the order of its addresses.
        instance: u8,
    },
    /// A virtual hub, with all that it connects.
    Hub(ResourceId),
    /// A BGP session of the document.
    Session(ResourceId),
    /// A link between places outside Azure.
    Link(ResourceId),
    /// A router of a site, with its speakers, and the circuit links and connections that end on it. A site whose last
    /// router fails is lost.
    Router(ResourceId),
    /// A site outside Azure, with everything that ends there.
    Site(ResourceId),
    /// A network virtual appliance, or an interface that forwards and that none lists, with its interfaces and its
    /// speaker; load balancers leave it out.
    Appliance(ResourceId),
}

impl Element {
    /// The resource that it is, or is part of.
    pub fn id(&self) -> &ResourceId {
        match self {
            Self::CircuitLink { circuit: id, .. }
            | Self::Circuit(id)
            | Self::Connection(id)
            | Self::Gateway(id)
            | Self::GatewayInstance { gateway: id, .. }
            | Self::RouteServer(id)
            | Self::RouteServerInstance { route_server: id, .. }
            | Self::Hub(id)
            | Self::Session(id)
            | Self::Link(id)
            | Self::Router(id)
            | Self::Site(id)
            | Self::Appliance(id) => id,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CircuitLink { circuit, link } => write!(f, "{} link of circuit `{circuit}`", link.as_str()),
            Self::Circuit(id) => write!(f, "circuit `{id}`"),
            Self::Connection(id) => write!(f, "connection `{id}`"),
            Self::Gateway(id) => write!(f, "gateway `{id}`"),
            Self::GatewayInstance { gateway, instance } => {
                write!(f, "instance {instance} of gateway `{gateway}`")
            }
            Self::RouteServer(id) => write!(f, "Route Server `{id}`"),
            Self::RouteServerInstance { route_server, instance } => {
                write!(f, "instance {instance} of Route Server `{route_server}`")
            }
            Self::Hub(id) => write!(f, "virtual hub `{id}`"),
            Self::Session(id) => write!(f, "session `{id}`"),
            Self::Link(id) => write!(f, "link `{id}`"),
            Self::Router(id) => write!(f, "router `{id}`"),
            Self::Site(id) => write!(f, "site `{id}`"),
            Self::Appliance(id) => write!(f, "appliance `{id}`"),
        }
    }
}

/// A failure names what the network does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {element} in the network")]
pub struct ElementError {
    element: Element,
}

impl ElementError {
    pub(crate) fn new(element: Element) -> Self {
        Self { element }
    }

    /// What is not there.
    pub fn element(&self) -> &Element {
        &self.element
    }
}

/// Both instances of a gateway or Route Server.
pub(super) const INSTANCES: [u8; 2] = [0, 1];

impl Topology {
    /// Everything that can fail, sorted, each once.
    pub(crate) fn elements(&self) -> Vec<Element> {
        let document = self.document();
        let mut found = Vec::new();
        for circuit in &document.express_route_circuits {
            found.push(Element::Circuit(circuit.id.clone()));
            let link = |link| Element::CircuitLink { circuit: circuit.id.clone(), link };
            found.extend(LinkRole::BOTH.map(link));
        }
        found.extend(document.connections.iter().map(|c| Element::Connection(c.id.clone())));
        for gateway in &document.virtual_network_gateways {
            found.push(Element::Gateway(gateway.id.clone()));
            let instance = |instance| Element::GatewayInstance { gateway: gateway.id.clone(), instance };
            found.extend(INSTANCES.map(instance));
        }
        for server in &document.route_servers {
            found.push(Element::RouteServer(server.id.clone()));
            let instance =
                |instance| Element::RouteServerInstance { route_server: server.id.clone(), instance };
            found.extend(INSTANCES.map(instance));
        }
        found.extend(document.virtual_hubs.iter().map(|h| Element::Hub(h.id.clone())));
        found.extend(document.bgp_sessions.iter().map(|s| Element::Session(s.id.clone())));
        found.extend(document.on_premises_links.iter().map(|l| Element::Link(l.id.clone())));
        for site in &document.on_premises_sites {
            found.push(Element::Site(site.id.clone()));
            found.extend(site.routers.iter().map(|r| Element::Router(site.router_id(&r.name))));
        }
        let appliances = &document.network_virtual_appliances;
        found.extend(appliances.iter().map(|a| Element::Appliance(a.id.clone())));
        let listed: HashSet<&ResourceId> = appliances.iter().flat_map(|a| &a.network_interfaces).collect();
        let alone = |nic: &&NetworkInterface| nic.enable_ip_forwarding && !listed.contains(&nic.id);
        let alone = document.network_interfaces.iter().filter(alone);
        found.extend(alone.map(|nic| Element::Appliance(nic.id.clone())));
        found.sort();
        found.dedup();
        found
    }
}
