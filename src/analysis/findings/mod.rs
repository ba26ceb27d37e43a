//! Lints over a whole design: data, never prints.
//!
//! A correct design has no findings, so what is merely unusual is left alone. What repeats is told once: a route table
//! that is bound in five hundred networks gives one finding that counts them, and lists of prefixes are cut short.
//!
//! Time grows with what was declared, not with subnets times gateway routes: gateway tables are asked by look-ups and
//! bounded scans only.

mod circuits;
mod gateways;
mod hygiene;
mod limits;
mod peerings;
mod routes;
mod security;
mod symmetry;
mod whole;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use crate::control_plane::{ControlPlane, DomainOwner, EventKind};
use crate::model::{Date, Document, Entity, ResourceId, Subnet, Topology};
use crate::resolve::Hosts;
use crate::rule::Rule;
use crate::selection::Selection;

/// Something worth knowing about a design.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What kind.
    pub code: FindingCode,
    /// How grave.
    pub severity: Severity,
    /// The resource it is about.
    pub resource: ResourceId,
    /// The rule behind it.
    pub rule: Option<Rule>,
    /// What is the matter, for a person.
    pub message: String,
}

/// Kinds of findings. The names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FindingCode {
    // What the control plane noticed.
    /// A limit of BGP sessions is exceeded (ER-4, ER-5, VPN-4, MSP-5, PUB-5, ARS-12).
    PrefixLimit,
    /// A session is down because of it, carries nothing any more (PUB-1), or is not set up (BGP-2).
    SessionDown,
    /// A connection is down because of it, or may not exist (ISO-2, ER-17).
    ConnectionDown,
    /// A gateway learned more than its SKU is made for (ER-20).
    GatewayRouteCapacityExceeded,
    /// Routes were refused (MSP-3, MSP-4, VPN-13).
    RoutesRefused,
    /// A reference to a resource that is not part of the topology.
    UnresolvedReference,

    // Limits (section 25 of the rules).
    /// BGP outside Azure comes to no stable state for some prefixes: answers show one moment of it (ER-11).
    BgpUnsettled,
    /// At least nine tenths of a limit of BGP sessions are used (ER-4, ER-5, VPN-4, MSP-5, ARS-12).
    PrefixLimitNear,
    /// More user-defined routes than a table holds (UDR-18).
    RoutesPerTable,
    /// More than 25 service-tag routes in a table (UDR-10).
    ServiceTagRoutesPerTable,
    /// More than 3,000 subnets in a virtual network.
    SubnetsPerNetwork,
    /// More than 500 peerings of a virtual network.
    PeeringsPerNetwork,
    /// More than 1,000 virtual networks of a region in one subscription.
    NetworksPerSubscription,
    /// More private addresses than a network (65,536) or a peered group (128,000) may have.
    AddressesPerNetwork,
    /// More than one VPN or ExpressRoute gateway in a virtual network.
    GatewaysPerNetwork,
    /// More than 1,000 rules in a security group.
    RulesPerSecurityGroup,
    /// More than 4,000 addresses on one side of a security rule.
    AddressesPerSecurityRule,
    /// Two rules of a security group with one priority and direction (NSG-2).
    DuplicateRulePriority,
    /// More circuits on a gateway than its SKU takes, or more than four of one peering location (ER-18).
    CircuitsPerGateway,
    /// More virtual networks and Global Reach partners than a circuit takes (ER-19, ER-15).
    LinksPerCircuit,
    /// More than 50 circuits in a subscription.
    CircuitsPerSubscription,
    /// A bandwidth that no circuit has (BW-1).
    CircuitBandwidth,
    /// More than eight BGP peers of a Route Server (ARS-12).
    RouteServerPeers,
    /// More machines than a Route Server is made for (ARS-12).
    RouteServerMachines,
    /// More than 600 address spaces, or nine tenths of them, at a hub with routing intent (VWAN-16).
    HubAddressSpaces,
    /// More than 16 addresses on a NAT gateway (OUT-1).
    NatGatewayAddresses,
    /// A `GatewaySubnet` that is too small (COEX-6, ER-18).
    GatewaySubnetSize,
    /// An IPv6 subnet that is not a /64 (V6-1).
    Ipv6SubnetSize,

    // Routes.
    /// The default route comes from a gateway; if it is withdrawn, traffic goes out to the Internet (FT-9).
    FailOpenDefault,
    /// A gateway route inside a route to an appliance takes traffic past it (SEL-9). A default route to an appliance is
    /// meant for what nothing else covers and is not reported.
    UdrBypassedByBgp,
    /// A user route that no packet follows: in every subnet that is bound to its table, longer routes cover its prefix, or
    /// stronger ones override it (SEL-2, SEL-4).
    ShadowedUserRoute,
    /// A route table with routes, and no subnet that is bound to it (UDR-1).
    UnboundRouteTable,
    /// A summary from on-premises takes in a virtual network that its hearers know no better way to: packets between the
    /// two leave Azure (SEL-2).
    LeakedSummary,
    /// Resources of different tenants with overlapping addresses come together at one gateway (ISO-1).
    TenantsMeet,
    /// A `VnetLocal` route for a prefix outside the virtual network (UDR-9).
    NotLocal,
    /// A route to a gateway where there is none (UDR-7) or where the designated one is not VPN (UDR-6).
    UnsupportedGatewayNextHop,
    /// An appliance's address that nothing owns, or that is not in this network or a peer of it (UDR-4); a load balancer
    /// without backends (WALK-9); a Basic front end across regions (PEER-12).
    NextHopUnreachable,
    /// The appliance's interface does not forward (WALK-3).
    NoIpForwarding,
    /// The appliance's guest does not forward (WALK-4).
    NotForwardingOs,
    /// An appliance's own subnet routes its packets back to it (WALK-6, ARS-9).
    ApplianceLoop,
    /// A route takes control traffic away from a gateway or Route Server (UDR-13).
    ControlTrafficDiverted,
    /// A default route on `GatewaySubnet` (UDR-12).
    GatewaySubnetDefaultRoute,
    /// Gateway routes are switched off on `GatewaySubnet` (UDR-12, UDR-15).
    GatewaySubnetPropagationDisabled,
    /// A security group on `GatewaySubnet` (UDR-12, NSG-15).
    GatewaySubnetSecurityGroup,
    /// A NAT gateway on `GatewaySubnet` (OUT-2).
    GatewaySubnetNatGateway,
    /// A stateful appliance sees only one direction of the traffic with on-premises (WALK-10, WALK-11).
    Asymmetric,
    /// A stateful appliance that keeps the source stands in front of a private endpoint whose replies do not pass it
    /// (PE-6).
    AsymmetricNeedsSnat,

    // Peerings.
    /// One half of a peering is missing or not connected (PEER-1).
    PeeringNotConnected,
    /// The far address space has changed since the peering was synced (PEER-1).
    PeeringOutOfSync,
    /// One half of a peering lets traffic pass and the other does not (PEER-4).
    PeeringAccessDiffers,
    /// `useRemoteGateways` on several peerings, or beside an own gateway (PEER-7).
    RemoteGatewayConflict,
    /// `useRemoteGateways` without `allowGatewayTransit` at the other side (PEER-6).
    GatewayTransitNotAllowed,
    /// `useRemoteGateways` towards a network without a gateway (PEER-6).
    RemoteGatewayMissing,
    /// Gateway transit that the gateway's SKU or the era does not have (PEER-7).
    GatewayTransitUnsupported,

    // Gateways, circuits, Route Server.
    /// Both links of a circuit end on one router (ER-1).
    CircuitLinksShareRouter,
    /// Private peering shares a circuit with Microsoft or public peering (BW-2, seed statement 13).
    MixedPeerings,
    /// A circuit serves several tenants (CSP-2, ISO-2).
    CircuitShared,
    /// Microsoft peering without a route filter advertises nothing (MSP-8).
    RouteFilterMissing,
    /// Global Reach between circuits that cannot have it (ER-15).
    GlobalReachUnsupported,
    /// A peering's subnet that cannot be one (ER-2).
    PeeringSubnet,
    /// Microsoft 365 on a peering that may not carry it (MSP-11).
    Microsoft365NotAuthorised,
    /// An ASN that Azure keeps for itself (BGP-2).
    ReservedAsn,
    /// BGP on a Basic or policy-based VPN gateway (VPN-1).
    BgpUnsupported,
    /// Local network gateways of one VPN gateway that overlap, or several tunnels to a site without BGP (VPN-9).
    OverlappingLocalGateways,
    /// A VPN gateway that cannot stand beside ExpressRoute (COEX-6).
    CoexistenceUnsupported,
    /// A VPN gateway that cannot exchange routes with a Route Server (ARS-5).
    RouteServerGatewayUnsupported,

    // Security groups and hygiene.
    /// Rules on `Internet` do not see what a service-tag route leads away (NSG-10).
    ServiceTagLeavesInternet,
    /// An appliance's security group denies what is routed to it (NSG-12).
    ApplianceGateDenies,
    /// A service tag without known prefixes (UDR-10, SE-1).
    UnknownServiceTag,
    /// A feature that did not exist on the day of the scenario.
    NotYetAvailable,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Probably not meant.
    Warning,
    /// Does not work.
    Error,
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity} {}: `{}`: {}", self.code, self.resource, self.message)?;
        match self.rule {
            Some(rule) => write!(f, " ({rule})"),
            None => Ok(()),
        }
    }
}

/// Every finding of a network, sorted.
pub(crate) fn findings(
    topology: &Topology,
    plane: &ControlPlane,
    selection: &Selection,
    hosts: &Hosts,
) -> Vec<Finding> {
    let mut lint = Lint::new(topology, plane, selection, hosts);
    lint.events();
    lint.limits();
    lint.routes();
    lint.symmetry();
    lint.peerings();
    lint.gateways();
    lint.circuit_peerings();
    lint.security();
    lint.hygiene();
    lint.whole();
    lint.finish()
}

/// What all lints read, and what they found.
struct Lint<'n> {
    topology: &'n Topology,
    document: &'n Document,
    plane: &'n ControlPlane,
    selection: &'n Selection,
    hosts: &'n Hosts,
    /// Halves of peerings by owner and far network, as positions in the document.
    halves: HashMap<(usize, usize), usize>,
    /// Interfaces by subnet.
    nics: HashMap<(usize, usize), Vec<usize>>,
    found: Vec<Finding>,
    grouped: BTreeMap<Group, BTreeSet<usize>>,
}

/// What is told once for many networks: code, severity, resource, rule, message.
type Group = (FindingCode, Severity, ResourceId, Option<Rule>, String);

/// How many items of a list a message spells out.
const LISTED: usize = 5;

/// How many gateway routes a lint looks at before it gives up.
const SCAN: usize = 4_096;

impl<'n> Lint<'n> {
    fn new(
        topology: &'n Topology,
        plane: &'n ControlPlane,
        selection: &'n Selection,
        hosts: &'n Hosts,
    ) -> Self {
        let document = topology.document();
        let mut halves = HashMap::new();
        for (v, vnet) in document.virtual_networks.iter().enumerate() {
            for (h, half) in vnet.peerings.iter().enumerate() {
                if let Some(Entity::VirtualNetwork(far)) = topology.entity(&half.remote_virtual_network) {
                    halves.entry((v, far)).or_insert(h);
                }
            }
        }
        let mut nics: HashMap<(usize, usize), Vec<usize>> = HashMap::new();
        for n in 0..document.network_interfaces.len() {
            if let Some(at) = crate::resolve::nic_subnet(topology, n) {
                nics.entry(at).or_default().push(n);
            }
        }
        let (found, grouped) = (Vec::new(), BTreeMap::new());
        Self { topology, document, plane, selection, hosts, halves, nics, found, grouped }
    }

    fn add(
        &mut self,
        code: FindingCode,
        severity: Severity,
        resource: impl Into<ResourceId>,
        rule: impl Into<Option<Rule>>,
        message: impl Into<String>,
    ) {
        let (resource, rule, message) = (resource.into(), rule.into(), message.into());
        self.found.push(Finding { code, severity, resource, rule, message });
    }

    /// The same for a resource that many networks share: told once, with the networks counted.
    fn add_in(
        &mut self,
        vnet: usize,
        code: FindingCode,
        severity: Severity,
        resource: impl Into<ResourceId>,
        rule: impl Into<Option<Rule>>,
        message: impl Into<String>,
    ) {
        let group = (code, severity, resource.into(), rule.into(), message.into());
        self.grouped.entry(group).or_default().insert(vnet);
    }

    fn finish(mut self) -> Vec<Finding> {
        for ((code, severity, resource, rule, message), vnets) in std::mem::take(&mut self.grouped) {
            let names = vnets.iter().map(|v| format!("`{}`", self.document.virtual_networks[*v].id.name()));
            let message = format!("{message} (in {})", list(names));
            self.found.push(Finding { code, severity, resource, rule, message });
        }
        self.found.sort();
        self.found.dedup();
        self.found
    }

    fn events(&mut self) {
        for event in &self.plane.events {
            let (code, severity) = match event.kind {
                EventKind::PrefixLimit => (FindingCode::PrefixLimit, Severity::Warning),
                EventKind::SessionDown => (FindingCode::SessionDown, Severity::Error),
                EventKind::ConnectionDown => (FindingCode::ConnectionDown, Severity::Error),
                EventKind::GatewayRouteCapacityExceeded => {
                    (FindingCode::GatewayRouteCapacityExceeded, Severity::Warning)
                }
                EventKind::RoutesRefused => (FindingCode::RoutesRefused, Severity::Warning),
                EventKind::Unsettled => (FindingCode::BgpUnsettled, Severity::Error),
            };
            self.add(code, severity, &event.resource, event.rule, event.detail.clone());
        }
        for reference in self.topology.unresolved_references() {
            let message =
                format!("{} names `{}`, which is not part of the topology", reference.field, reference.to);
            self.add(FindingCode::UnresolvedReference, Severity::Info, &reference.from, None, message);
        }
    }

    fn subnet_id(&self, vnet: usize, subnet: usize) -> ResourceId {
        let vnet = &self.document.virtual_networks[vnet];
        vnet.subnet_id(&vnet.subnets[subnet].name)
    }

    /// Every subnet with its network, as positions and itself.
    fn subnets(&self) -> impl Iterator<Item = (usize, usize, &'n Subnet)> + use<'n> {
        self.document
            .virtual_networks
            .iter()
            .enumerate()
            .flat_map(|(v, vnet)| vnet.subnets.iter().enumerate().map(move |(s, subnet)| (v, s, subnet)))
    }

    fn vnet(&self, id: &ResourceId) -> Option<usize> {
        match self.topology.entity(id) {
            Some(Entity::VirtualNetwork(v)) => Some(v),
            _ => None,
        }
    }

    /// The network whose gateways serve this one, with its domain.
    fn gateway_network(&self, vnet: usize) -> Option<(usize, usize)> {
        let domain = self.plane.subscriptions.get(vnet).copied().flatten()?.domain;
        match self.plane.domains[domain].owner {
            DomainOwner::VirtualNetwork(hub) => Some((hub, domain)),
            DomainOwner::Hub(_) => None,
        }
    }

    /// Whether a change that came on this day is in force.
    fn since(&self, year: u16, month: u8, day: u8) -> bool {
        Date::new(year, month, day).is_none_or(|date| self.topology.era().has(date))
    }
}

fn is_named(subnet: &Subnet, name: &str) -> bool {
    subnet.name.eq_ignore_ascii_case(name)
}

fn is_gateway_subnet(subnet: &Subnet) -> bool {
    is_named(subnet, "GatewaySubnet")
}

/// Whether a subnet is the platform's: it has no workload, and security groups do not apply (NSG-15).
fn is_platform(subnet: &Subnet) -> bool {
    ["GatewaySubnet", "RouteServerSubnet", "AzureFirewallSubnet", "AzureFirewallManagementSubnet"]
        .into_iter()
        .any(|name| is_named(subnet, name))
}

fn is_basic(sku: Option<&str>) -> bool {
    sku.is_some_and(|sku| sku.eq_ignore_ascii_case("Basic"))
}

/// The first items, and how many more there are.
fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut items = items.into_iter();
    let first: Vec<String> = items.by_ref().take(LISTED).map(|item| item.to_string()).collect();
    match items.count() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
