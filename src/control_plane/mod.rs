//! Who tells whom what: from the declared topology to the routes that gateways offer, and to what places outside Azure
//! know of Azure.
//!
//! Everything that reaches a subnet from a gateway, a Route Server or a virtual hub leaves here as an [`Offer`], with
//! the facts that [`selection`](crate::selection) ranks by. Selection does not care where an offer came from: from
//! declared prefixes, or from the BGP of routers outside Azure.

mod azure;
mod bgp;
mod hub_tables;
mod offered;
mod offers;
mod on_premises;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::model::{Advertisement, Asn, HubRoutingPreference, LinkRole, PeeringType, ResourceId};
use crate::rule::Rule;

pub(crate) use azure::{HubKind, HubWay, hub_of, msee, peer_addresses};
pub(crate) use hub_tables::{HubMember, HubRoutes, HubRow, by_connection};
pub(crate) use offered::Offers;
pub(crate) use offers::{Before, converge, converge_after};
pub(crate) use on_premises::{
    ApplianceWay, ExitKind, Numbered, OnPremises, RouterIx, StandingKey, Step, numbered,
};

/// Everything the control plane settles.
#[derive(Debug, Default)]
pub(crate) struct ControlPlane {
    /// One per virtual network with gateways or a Route Server, and one per virtual hub.
    pub(crate) domains: Vec<Domain>,
    /// Where each virtual network takes gateway routes from.
    pub(crate) subscriptions: Vec<Option<Subscription>>,
    /// Networks that each gateway advertises, its own first (ER-6).
    pub(crate) served: Arc<BTreeMap<usize, Vec<usize>>>,
    /// By virtual network gateway: what Azure prints as next hop of its routes (VOC-13).
    pub(crate) printed_next_hops: Vec<Vec<IpAddr>>,
    /// By site: what it tells Azure, computed or declared.
    pub(crate) told_by_sites: Arc<Vec<Vec<Advertisement>>>,
    /// By virtual hub: its tables.
    pub(crate) hubs: Vec<HubRoutes>,
    /// What places outside Azure know.
    pub(crate) on_premises: OnPremises,
    /// Prefixes that customers advertise on Microsoft peering and Azure accepts (MSP-13).
    pub(crate) microsoft_peering: Vec<PublicPrefix>,
    /// What happened on the way: sessions that dropped, routes that were refused.
    pub(crate) events: Vec<Event>,
}

/// A source of gateway routes: all gateways of one virtual network, or one hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Domain {
    pub(crate) owner: DomainOwner,
    pub(crate) route_server: Option<usize>,
    pub(crate) express_route: Vec<usize>,
    pub(crate) vpn: Vec<usize>,
    pub(crate) preference: HubRoutingPreference,
    pub(crate) transit: Transit,
    /// Of a hub, the table whose routes it gives; none is the default one (VWAN-1).
    pub(crate) table: Option<String>,
    pub(crate) offers: Arc<Offers>,
    /// What happened to what they learn.
    pub(crate) events: Vec<Event>,
}

/// Who takes routes from a domain: its own network, those that use its gateways (PEER-6), or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transit {
    Allowed,
    Never,
    Only,
}

impl Domain {
    /// The gateway that a user route to `VirtualNetworkGateway` means, where it is one that will do: VPN, with neither a
    /// Route Server nor an ExpressRoute gateway before it (UDR-5, UDR-6).
    pub(crate) fn designated_vpn(&self) -> Option<usize> {
        let alone = self.route_server.is_none() && self.express_route.is_empty();
        self.vpn.first().copied().filter(|_| alone && matches!(self.owner, DomainOwner::VirtualNetwork(_)))
    }

    /// Whether one of its gateways is this one.
    pub(crate) fn has_gateway(&self, gateway: usize) -> bool {
        self.express_route.contains(&gateway) || self.vpn.contains(&gateway)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DomainOwner {
    VirtualNetwork(usize),
    Hub(usize),
}

/// A virtual network takes routes from a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Subscription {
    pub(crate) domain: usize,
    /// Whether a default route is taken (VWAN-4; always, but for a hub connection that refuses it).
    pub(crate) default_route: bool,
}

/// How a domain could give its virtual networks a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Offer {
    pub(crate) via: Via,
    pub(crate) as_path: Vec<Asn>,
    /// Connection weight (ER-8); 0 where there is none.
    pub(crate) weight: u16,
    /// Configured, not learned by BGP (VPN-2).
    pub(crate) is_static: bool,
    /// What Azure prints as next hop (VOC-13).
    pub(crate) next_hops: Vec<IpAddr>,
}

/// How an offer is reached, as positions in the document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Via {
    /// Over a circuit: gateway, connection and circuit where known, and which links carry it.
    ExpressRoute {
        gateway: usize,
        connection: Option<usize>,
        circuit: Option<usize>,
        links: Links,
        /// The gateway of another network (ER-12).
        far: Option<usize>,
        /// The circuit behind Global Reach (ER-16).
        reached: Option<usize>,
    },
    /// Over a VPN connection; `far` is the gateway at the other end of a VNet-to-VNet connection.
    Vpn { gateway: usize, connection: Option<usize>, far: Option<usize> },
    /// Injected by an appliance through a Route Server (ARS-2).
    RouteServer { next_hop: IpAddr },
    /// Through a hub's router, to one of its virtual networks or to what it is declared to know.
    Hub {
        hub: usize,
        /// The table that holds it; none is declared, and ends at the hub.
        table: Option<usize>,
        vnet: Option<usize>,
        connection: Option<ResourceId>,
    },
}

/// A session of Azure's with the world outside, for both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LearnedOver {
    /// Over a link of a circuit's peering.
    Circuit(usize, PeeringType, LinkRole),
    /// Over a VPN connection.
    Connection(usize),
    /// With an appliance that peers with a Route Server.
    RouteServer(usize),
    /// With an appliance that peers with a hub: the hub and which of its BGP connections.
    HubPeer(usize, usize),
}

impl LearnedOver {
    /// Whether several speakers may have a session there.
    pub(crate) fn takes_several(self) -> bool {
        matches!(self, Self::RouteServer(_))
    }
}

/// Which links of a circuit carry a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Links {
    pub(crate) primary: bool,
    pub(crate) secondary: bool,
}

impl Links {
    /// One link alone.
    pub(crate) fn only(link: LinkRole) -> Self {
        Self { primary: link == LinkRole::Primary, secondary: link == LinkRole::Secondary }
    }

    /// These and those.
    pub(crate) fn or(self, other: Self) -> Self {
        Self { primary: self.primary || other.primary, secondary: self.secondary || other.secondary }
    }

    /// The links, primary first.
    pub(crate) fn roles(self) -> impl Iterator<Item = LinkRole> {
        let on = move |link: &LinkRole| match link {
            LinkRole::Primary => self.primary,
            LinkRole::Secondary => self.secondary,
        };
        LinkRole::BOTH.into_iter().filter(on)
    }

    pub(crate) fn any(self) -> bool {
        self.primary || self.secondary
    }
}

/// One BGP session of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Session {
    pub(crate) circuit: usize,
    pub(crate) peering: PeeringType,
    pub(crate) link: LinkRole,
    pub(crate) ipv6: bool,
}

/// A customer's public prefix, as Microsoft's edge chooses among circuits (MSP-7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublicPrefix {
    pub(crate) prefix: IpNet,
    pub(crate) circuit: usize,
    pub(crate) links: Links,
    /// Length of the AS path without private numbers, which Microsoft strips (MSP-6).
    pub(crate) path: usize,
}

/// Something the control plane noticed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    pub(crate) resource: ResourceId,
    pub(crate) rule: Rule,
    pub(crate) detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EventKind {
    /// A limit was exceeded; with `limits = Enforce` the session dropped.
    PrefixLimit,
    /// A session dropped.
    SessionDown,
    /// A connection dropped.
    ConnectionDown,
    /// A gateway learned more than its SKU holds (ER-20).
    GatewayRouteCapacityExceeded,
    /// Routes were refused.
    RoutesRefused,
    /// Speakers outside Azure go on changing their minds.
    Unsettled,
}
