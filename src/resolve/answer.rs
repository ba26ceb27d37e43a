//! What is answered: next hop, path, disposition.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::bandwidth::Ceiling;
use super::encryption::Carrier;
use super::question::Leg;
use crate::model::{
    EffectiveRouteRow, Knobs, LinkRole, PeeringType, ResourceId, RouteState, SecurityRuleDirection,
};
use crate::rule::{Confidence, Decision};
use crate::selection::Candidate;

/// Source and destination of a packet at one point of its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Header {
    /// The source address there.
    pub source: IpAddr,
    /// The destination address there.
    pub destination: IpAddr,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.source, self.destination)
    }
}

/// A place a packet can be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Place {
    /// A network interface.
    NetworkInterface(ResourceId),
    /// A host in this subnet whose interface is not part of the topology.
    Subnet(ResourceId),
    /// A host in this virtual network, outside its subnets (or the network is not part of the topology).
    VirtualNetwork(ResourceId),
    /// A load balancer's front end.
    LoadBalancer(ResourceId),
    /// An appliance or firewall that forwards: its id, and the interface the packet came in by.
    Appliance {
        /// The appliance, firewall or virtual machine.
        id: ResourceId,
        /// The interface; none for Azure Firewall.
        interface: Option<ResourceId>,
    },
    /// A virtual network gateway.
    Gateway(ResourceId),
    /// The router of a virtual hub.
    Hub(ResourceId),
    /// One of the two Microsoft edge routers of a circuit.
    Msee {
        /// The circuit.
        circuit: ResourceId,
        /// Which of the two.
        link: LinkRole,
        /// The routing domain.
        peering: PeeringType,
    },
    /// A site outside Azure that is not told apart into routers, or one of its routers.
    OnPremises(ResourceId),
    /// A private endpoint.
    PrivateEndpoint(ResourceId),
    /// The platform's Internet edge.
    InternetEdge,
    /// A Microsoft service on a public address: the name of its tag where it was asked by name.
    Service(Option<String>),
    /// A host on the Internet.
    Internet,
}

impl Place {
    /// The id of the resource, where the place is one.
    pub fn id(&self) -> Option<&ResourceId> {
        match self {
            Self::NetworkInterface(id)
            | Self::Subnet(id)
            | Self::VirtualNetwork(id)
            | Self::LoadBalancer(id)
            | Self::Appliance { id, .. }
            | Self::Gateway(id)
            | Self::Hub(id)
            | Self::Msee { circuit: id, .. }
            | Self::OnPremises(id)
            | Self::PrivateEndpoint(id) => Some(id),
            Self::InternetEdge | Self::Service(_) | Self::Internet => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NetworkInterface(id) => write!(f, "network interface {}", Short(id)),
            Self::Subnet(id) => write!(f, "subnet {}", Short(id)),
            Self::VirtualNetwork(id) => write!(f, "virtual network {}", Short(id)),
            Self::LoadBalancer(id) => write!(f, "load balancer {}", Short(id)),
            Self::Appliance { id, interface: Some(nic) } if nic != id => {
                write!(f, "appliance {} ({})", Short(id), Short(nic))
            }
            Self::Appliance { id, .. } => write!(f, "appliance {}", Short(id)),
            Self::Gateway(id) => write!(f, "gateway {}", Short(id)),
            Self::Hub(id) => write!(f, "virtual hub {}", Short(id)),
            Self::Msee { circuit, link, peering } => {
                write!(f, "edge router {} of circuit {}, {}", link.as_str(), Short(circuit), peering.as_str())
            }
            Self::OnPremises(id) => write!(f, "on-premises {}", Short(id)),
            Self::PrivateEndpoint(id) => write!(f, "private endpoint {}", Short(id)),
            Self::InternetEdge => f.write_str("Internet edge"),
            Self::Service(Some(name)) => write!(f, "service {name}"),
            Self::Service(None) => f.write_str("Microsoft service"),
            Self::Internet => f.write_str("Internet host"),
        }
    }
}

/// An id without the part that names subscription, group and provider.
pub(super) struct Short<'a>(pub(super) &'a ResourceId);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_str();
        let lower = text.to_ascii_lowercase();
        let short = lower
            .rfind("/providers/microsoft.")
            .and_then(|at| text.get(at + 1..))
            .and_then(|rest| rest.splitn(4, '/').nth(3))
            .unwrap_or(text);
        f.write_str(short)
    }
}

/// Where the first step leads: what the source's table (or router) says for the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// The host itself answers (SYS-14).
    PlatformHost,
    /// The effective route that wins at the source, and the rule that made it win.
    Route(MatchedRoute),
    /// The source is outside Azure: its router hands the packet to these places.
    OnPremises(Vec<Place>),
    /// The source is in Azure and no route of its subnet matches (SEL-13).
    NoRoute,
}

impl NextHop {
    /// The effective route, where the source is in Azure and a route decided.
    pub fn route(&self) -> Option<&EffectiveRouteRow> {
        match self {
            Self::Route(matched) => Some(&matched.route),
            _ => None,
        }
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlatformHost => f.write_str("platform host"),
            Self::NoRoute => f.write_str("no route"),
            Self::Route(matched) => matched.fmt(f),
            Self::OnPremises(places) => {
                for (i, place) in places.iter().enumerate() {
                    write!(f, "{}{place}", if i == 0 { "" } else { ", or " })?;
                }
                Ok(())
            }
        }
    }
}

/// The effective route that a packet follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedRoute {
    /// The row.
    pub route: EffectiveRouteRow,
    /// Why it won.
    pub decided_by: Decision,
}

impl MatchedRoute {
    /// The row of an Active candidate.
    pub(crate) fn new(candidate: &Candidate) -> Self {
        let route = EffectiveRouteRow {
            prefix: candidate.prefix,
            source: candidate.source,
            state: RouteState::Active,
            next_hop_type: candidate.next_hop_type,
            next_hop_ip_addresses: candidate.next_hop_ip_addresses.clone(),
            name: candidate.name.clone(),
        };
        Self { route, decided_by: candidate.decided_by }
    }
}

impl fmt::Display for MatchedRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = &self.route;
        write!(f, "{}", row.next_hop_type)?;
        for ip in &row.next_hop_ip_addresses {
            write!(f, " {ip}")?;
        }
        write!(f, " by {} ({}", row.prefix, row.source)?;
        if let Some(name) = &row.name {
            write!(f, " `{name}`")?;
        }
        write!(f, ", {})", self.decided_by.rule)
    }
}

/// One step of a path: a place, the packet as it is there, and what sends it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Where.
    pub place: Place,
    /// The packet's addresses when it leaves there (after any rewriting at this place).
    pub header: Header,
    /// The effective route followed from here; none where no route table is asked (a gateway's connection, a router).
    pub route: Option<MatchedRoute>,
    /// The connection, peering, link or tunnel by which the packet leaves, where it has a name.
    pub via: Option<ResourceId>,
    /// Whether that way is encrypted (ENC-1).
    pub encrypted: bool,
    /// What carries the tunnel by which the packet leaves, where it leaves by one and that can be told (ENC-3, ENC-6).
    pub underlay: Option<Carrier>,
    /// What the place lets through, where that is known (BW-5).
    pub ceiling: Option<Ceiling>,
    /// Whether the place keeps flow state, so that it must see both directions (WALK-10).
    pub stateful: bool,
    /// The rules that took part here, in order.
    pub decisions: Vec<Decision>,
}

/// What became of the packet, with all detail (section 29 of the rules).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Disposition {
    /// It reached this interface, host or service address inside Azure.
    Delivered(Place),
    /// The host answers (SYS-14).
    PlatformHost,
    /// It left by an edge of Microsoft's network.
    Egress(Egress),
    /// It ended at a customer's or provider's site.
    OnPremises(ResourceId),
    /// It left by the Internet exit of a site outside Azure.
    OnPremisesInternet(ResourceId),
    /// It ended at a private endpoint.
    PrivateEndpoint(ResourceId),
    /// It ended at a service, by a service endpoint; the service's name.
    ServiceEndpoint(String),
    /// It was dropped.
    Dropped(DropReason),
    /// It came back to where it had been with the same header; the places of the cycle.
    Loop(Vec<Place>),
    /// It passed 64 hops without repeating itself (WALK-7).
    HopLimit,
    /// A rewrite depends on ports or the exact source: ask again with a flow.
    NeedsFlow(ResourceId),
}

/// An edge of Microsoft's network by which a packet leaves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Egress {
    /// The Internet, with the class of source address it carries (OUT-5).
    Internet(SnatIdentity),
    /// An Azure service on a public address: stays on the backbone (SYS-8).
    MicrosoftBackbone(SnatIdentity),
    /// Microsoft peering of this circuit (MSP-13, FT-7).
    MicrosoftPeering(ResourceId),
    /// Public peering of this circuit.
    PublicPeering(ResourceId),
}

/// Whose address a packet carries on the Internet (OUT-1, OUT-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SnatIdentity {
    /// The subnet's NAT gateway.
    NatGateway,
    /// The interface's own public address.
    PublicIp,
    /// A load balancer's outbound rule.
    LbRule,
    /// Default outbound access.
    DefaultOutbound,
    /// The public address of an Azure Firewall.
    Firewall,
    /// The packet's source was public already, or is not modelled (IPv6).
    Unchanged,
}

/// Why a packet was dropped (section 29 of the rules).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The selected next hop is `None`, of a system or user route (SYS-3, UDR-8).
    NoneRoute(IpNet),
    /// The appliance's address is not directly connected, or nothing owns it (UDR-4).
    NextHopUnreachable(IpAddr),
    /// A user route points at a gateway that is not VPN, or at none (UDR-6, UDR-7).
    UnsupportedGatewayNextHop,
    /// The appliance's interface has no IP forwarding (WALK-3).
    NoIpForwarding(ResourceId),
    /// The appliance's guest does not forward (WALK-4).
    NotForwardingOs(ResourceId),
    /// The appliance's policy denies (WALK-8).
    DeniedByAppliance(ResourceId),
    /// The peering does not let traffic pass (PEER-4).
    PeeringAccessDisabled(ResourceId),
    /// The peering does not let forwarded traffic in (PEER-5).
    ForwardedTrafficNotAllowed(ResourceId),
    /// A security rule denies.
    NsgDeny {
        /// The security group.
        group: ResourceId,
        /// The rule's name.
        rule: String,
        /// Which way it looked.
        direction: SecurityRuleDirection,
    },
    /// Between branches without a transit feature, or to a network the gateway does not serve (ER-14, PEER-8).
    NoTransit(ResourceId),
    /// A private subnet without a way out (OUT-4).
    NoOutboundMethod,
    /// A private or foreign source address towards the Internet (WALK-8).
    PrivateSourceToInternet,
    /// No route (SEL-13), or a site's routers know none.
    NoRoute,
    /// A `VnetLocal` user route for a foreign destination (UDR-9).
    NotLocal,
    /// Nothing owns the address, in strict mode (SYS-16).
    NoSuchHost,
    /// All backends of the load balancer are unhealthy, or it has none (WALK-9).
    NoHealthyBackend(ResourceId),
    /// An on-premises route discards.
    Discarded(ResourceId),
    /// The gateway, connection or circuit that the route leads to has no working way on.
    ConnectionDown(ResourceId),
}

/// The kind of a [`Disposition`], without detail: few, and exhaustive on purpose, so that a new kind breaks a caller's
/// match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DispositionKind {
    /// It arrived inside Azure (an interface, a host, a private or service endpoint).
    Delivered,
    /// It left Microsoft's network, or reached a Microsoft service on a public address.
    Egress,
    /// It was handed to a site outside Azure.
    OnPremises,
    /// It was dropped.
    Dropped,
    /// It loops, or never ends within the hop limit.
    Loop,
    /// The answer needs ports.
    NeedsFlow,
}

impl Disposition {
    /// The kind, without detail.
    pub fn kind(&self) -> DispositionKind {
        match self {
            Self::Delivered(_) | Self::PlatformHost | Self::PrivateEndpoint(_) | Self::ServiceEndpoint(_) => {
                DispositionKind::Delivered
            }
            Self::Egress(_) | Self::OnPremisesInternet(_) => DispositionKind::Egress,
            Self::OnPremises(_) => DispositionKind::OnPremises,
            Self::Dropped(_) => DispositionKind::Dropped,
            Self::Loop(_) | Self::HopLimit => DispositionKind::Loop,
            Self::NeedsFlow(_) => DispositionKind::NeedsFlow,
        }
    }

    /// Whether the packet got anywhere.
    pub fn is_success(&self) -> bool {
        matches!(
            self.kind(),
            DispositionKind::Delivered | DispositionKind::Egress | DispositionKind::OnPremises
        )
    }
}

impl fmt::Display for SnatIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NatGateway => "NAT gateway",
            Self::PublicIp => "public IP",
            Self::LbRule => "load balancer outbound rule",
            Self::DefaultOutbound => "default outbound access",
            Self::Firewall => "firewall",
            Self::Unchanged => "source unchanged",
        })
    }
}

impl fmt::Display for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet(identity) => write!(f, "Internet, {identity}"),
            Self::MicrosoftBackbone(identity) => write!(f, "MicrosoftBackbone, {identity}"),
            Self::MicrosoftPeering(circuit) => write!(f, "MicrosoftPeering of {}", Short(circuit)),
            Self::PublicPeering(circuit) => write!(f, "PublicPeering of {}", Short(circuit)),
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoneRoute(prefix) => write!(f, "NoneRoute, {prefix}"),
            Self::NextHopUnreachable(ip) => write!(f, "NextHopUnreachable, {ip}"),
            Self::UnsupportedGatewayNextHop => f.write_str("UnsupportedGatewayNextHop"),
            Self::NoIpForwarding(id) => write!(f, "NoIpForwarding, {}", Short(id)),
            Self::NotForwardingOs(id) => write!(f, "NotForwardingOs, {}", Short(id)),
            Self::DeniedByAppliance(id) => write!(f, "DeniedByAppliance, {}", Short(id)),
            Self::PeeringAccessDisabled(id) => write!(f, "PeeringAccessDisabled, {}", Short(id)),
            Self::ForwardedTrafficNotAllowed(id) => write!(f, "ForwardedTrafficNotAllowed, {}", Short(id)),
            Self::NsgDeny { group, rule, direction } => {
                write!(f, "NsgDeny, {} {direction} rule `{rule}`", Short(group))
            }
            Self::NoTransit(id) => write!(f, "NoTransit, {}", Short(id)),
            Self::NoOutboundMethod => f.write_str("NoOutboundMethod"),
            Self::PrivateSourceToInternet => f.write_str("PrivateSourceToInternet"),
            Self::NoRoute => f.write_str("NoRoute"),
            Self::NotLocal => f.write_str("NotLocal"),
            Self::NoSuchHost => f.write_str("NoSuchHost"),
            Self::NoHealthyBackend(id) => write!(f, "NoHealthyBackend, {}", Short(id)),
            Self::Discarded(id) => write!(f, "Discarded, {}", Short(id)),
            Self::ConnectionDown(id) => write!(f, "ConnectionDown, {}", Short(id)),
        }
    }
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered(place) => write!(f, "Delivered({place})"),
            Self::PlatformHost => f.write_str("PlatformHost"),
            Self::Egress(egress) => write!(f, "Egress({egress})"),
            Self::OnPremises(id) => write!(f, "OnPremises({})", Short(id)),
            Self::OnPremisesInternet(id) => write!(f, "Egress(Internet, from {})", Short(id)),
            Self::PrivateEndpoint(id) => write!(f, "PrivateEndpoint({})", Short(id)),
            Self::ServiceEndpoint(service) => write!(f, "ServiceEndpoint({service})"),
            Self::Dropped(reason) => write!(f, "Drop({reason})"),
            Self::Loop(cycle) => {
                f.write_str("Loop(")?;
                for (i, place) in cycle.iter().enumerate() {
                    write!(f, "{}{place}", if i == 0 { "" } else { " -> " })?;
                }
                f.write_str(")")
            }
            Self::HopLimit => f.write_str("HopLimit"),
            Self::NeedsFlow(id) => write!(f, "NeedsFlow({})", Short(id)),
        }
    }
}

/// Whether security rules were applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NsgStatus {
    /// The answer is about routes only.
    NotEvaluated,
    /// Security groups gated the flow at every interface.
    Evaluated,
}

/// A node of the answer's graph: a hop, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) hop: Hop,
    pub(crate) next: Next,
    /// The table asked here, and for which destination.
    pub(crate) table: Option<usize>,
    pub(crate) asked: IpAddr,
}

/// A way from one node to another. Equal-cost members share the node they leave, so what differs between them stands
/// here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) to: usize,
    /// By what the packet leaves; none where the node's own hop says it.
    pub(crate) out: Option<Out>,
}

/// By what a packet leaves a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Out {
    pub(crate) via: Option<ResourceId>,
    pub(crate) encrypted: bool,
    pub(crate) underlay: Option<Carrier>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    End(Disposition),
    /// Equal-cost members, in a fixed order.
    To(Vec<Edge>),
}

impl Next {
    /// On to one node.
    pub(crate) fn to(node: usize) -> Self {
        Self::To(vec![Edge { to: node, out: None }])
    }
}

impl Node {
    /// The hop as it is for one member.
    /// How it ends here, where it does.
    pub(crate) fn ends(&self) -> Option<&Disposition> {
        match &self.next {
            Next::End(end) => Some(end),
            Next::To(_) => None,
        }
    }

    /// The nodes that follow, with what the packet leaves by.
    pub(crate) fn leads_to(&self) -> Vec<(usize, Option<Out>)> {
        match &self.next {
            Next::End(_) => Vec::new(),
            Next::To(edges) => edges.iter().map(|edge| (edge.to, edge.out.clone())).collect(),
        }
    }

    pub(crate) fn hop_by(&self, edge: &Edge) -> Hop {
        let mut hop = self.hop.clone();
        if let Some(out) = &edge.out {
            hop.via.clone_from(&out.via);
            hop.encrypted = out.encrypted;
            hop.underlay.clone_from(&out.underlay);
        }
        hop
    }
}

/// The answer to one question: where the packet goes, by which way, and what becomes of it.
///
/// Equal-cost choices make it a graph; [`paths`](Self::paths) lists its ways and [`dispositions`](Self::dispositions)
/// its ends. An answer for a flow has picked one member at each choice, so it has one path.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub(crate) position: Place,
    pub(crate) header: Header,
    pub(crate) leg: Leg,
    pub(crate) next_hop: NextHop,
    /// The first node is the source; empty never.
    pub(crate) nodes: Vec<Node>,
    pub(crate) nsg: NsgStatus,
    pub(crate) knobs: Knobs,
}

/// One way through an [`Answer`].
#[derive(Clone, Debug, PartialEq)]
pub struct Path<'a> {
    hops: Vec<Hop>,
    disposition: &'a Disposition,
}

impl<'a> Path<'a> {
    /// Its hops, the source first.
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// What becomes of the packet at its end.
    pub fn disposition(&self) -> &'a Disposition {
        self.disposition
    }

    /// Whether it passes the resource with this id (an appliance, gateway, circuit, site, connection, …).
    pub fn passes(&self, id: &ResourceId) -> bool {
        self.hops.iter().any(|hop| hop.place.id() == Some(id) || hop.via.as_ref() == Some(id))
    }
}

impl Answer {
    /// Where the packet starts.
    pub fn position(&self) -> &Place {
        &self.position
    }

    /// The packet as it starts.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Whether it opens a flow or answers one.
    pub fn leg(&self) -> Leg {
        self.leg
    }

    /// What the source's table says.
    pub fn next_hop(&self) -> &NextHop {
        &self.next_hop
    }

    /// What becomes of the packet on the first way (the only one for a flow, or where nothing is equal-cost).
    pub fn disposition(&self) -> &Disposition {
        self.path().disposition
    }

    /// Every end, sorted, each once.
    pub fn dispositions(&self) -> BTreeSet<&Disposition> {
        self.nodes
            .iter()
            .filter_map(|node| match &node.next {
                Next::End(disposition) => Some(disposition),
                Next::To(_) => None,
            })
            .collect()
    }

    /// Whether equal-cost members end differently.
    pub fn is_mixed(&self) -> bool {
        self.dispositions().len() > 1
    }

    /// The first way: the members that stand first at every equal-cost choice.
    pub fn path(&self) -> Path<'_> {
        let mut hops = Vec::new();
        let mut at = 0;
        loop {
            let node = &self.nodes[at];
            match &node.next {
                Next::End(disposition) => {
                    hops.push(node.hop.clone());
                    return Path { hops, disposition };
                }
                Next::To(members) => {
                    hops.push(node.hop_by(&members[0]));
                    at = members[0].to;
                }
            }
        }
    }

    /// Every way, in a fixed order. Their number can be the product of the choices on the way; stop when enough were
    /// seen.
    pub fn paths(&self) -> impl Iterator<Item = Path<'_>> {
        // The nodes on the way, each with the member taken there.
        let mut stack: Vec<(usize, usize)> = vec![(0, 0)];
        std::iter::from_fn(move || {
            loop {
                let (at, choice) = *stack.last()?;
                match &self.nodes[at].next {
                    Next::To(members) => stack.push((members[choice].to, 0)),
                    Next::End(disposition) => {
                        let hop = |(at, choice): &(usize, usize)| {
                            let node = &self.nodes[*at];
                            match &node.next {
                                Next::To(members) => node.hop_by(&members[*choice]),
                                Next::End(_) => node.hop.clone(),
                            }
                        };
                        let path = Path { hops: stack.iter().map(hop).collect(), disposition };
                        self.advance(&mut stack);
                        return Some(path);
                    }
                }
            }
        })
    }

    /// Moves the deepest choice that has another member on to it; an empty stack means that every way was seen.
    fn advance(&self, stack: &mut Vec<(usize, usize)>) {
        stack.pop();
        while let Some((at, choice)) = stack.last_mut() {
            if matches!(&self.nodes[*at].next, Next::To(members) if *choice + 1 < members.len()) {
                *choice += 1;
                return;
            }
            stack.pop();
        }
    }

    /// The graph: nodes with what follows them, the source first.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Every hop of every way, each once.
    pub fn hops(&self) -> impl Iterator<Item = &Hop> {
        self.nodes.iter().map(|node| &node.hop)
    }

    /// Whether security rules were applied.
    pub fn nsg(&self) -> NsgStatus {
        self.nsg
    }

    /// The knobs it was computed under.
    pub fn knobs(&self) -> &Knobs {
        &self.knobs
    }

    /// The weakest confidence of the rules that took part, so that no undocumented rule stays hidden.
    pub fn confidence(&self) -> Confidence {
        self.hops()
            .flat_map(|hop| &hop.decisions)
            .map(|decision| decision.confidence)
            .min()
            .unwrap_or(Confidence::Documented)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, hop) in self.hops.iter().enumerate() {
            write!(f, "{:>4}. {}  [{}]", i + 1, hop.place, hop.header)?;
            if let Some(route) = &hop.route {
                write!(f, "  {route}")?;
            }
            if let Some(via) = &hop.via {
                write!(f, "  via {}", Short(via))?;
            }
            if hop.encrypted {
                f.write_str("  encrypted")?;
            }
            if let Some(carrier) = &hop.underlay {
                write!(f, "  over {carrier}")?;
            }
            if !hop.decisions.is_empty() {
                f.write_str("  {")?;
                for (j, decision) in hop.decisions.iter().enumerate() {
                    write!(f, "{}{decision}", if j == 0 { "" } else { ", " })?;
                }
                f.write_str("}")?;
            }
            writeln!(f)?;
        }
        write!(f, "   => {}", self.disposition)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 16;
        writeln!(f, "{} from {}", self.header, self.position)?;
        writeln!(f, "next hop: {}", self.next_hop)?;
        let paths: Vec<_> = self.paths().take(SHOWN + 1).collect();
        let several = paths.len() > 1;
        for (i, path) in paths.iter().take(SHOWN).enumerate() {
            match several {
                true => writeln!(f, "path {} (equal cost):", i + 1)?,
                false => writeln!(f, "path:")?,
            }
            writeln!(f, "{path}")?;
        }
        if paths.len() > SHOWN {
            writeln!(f, "… more equal-cost paths")?;
        }
        let nsg = match self.nsg {
            NsgStatus::NotEvaluated => "not evaluated",
            NsgStatus::Evaluated => "evaluated",
        };
        write!(f, "nsg: {nsg}; confidence: {}", self.confidence())
    }
}
