//! Encryption along a path, and what carries a tunnel (ENC-1 to ENC-6).

use std::fmt;
use std::net::IpAddr;

use super::answer::{Answer, Disposition, Egress, Hop, Path, Place, Short};
use super::hosts::{Start, first_host, nic_address, nic_start, nics_of, primary_of, subnet_of};
use super::public::{gateway_address, least_address};
use super::question::Leg;
use super::walk::{Question, World, walk};
use crate::model::{Connection, Entity, PeeringType, ResourceId, Topology, TunnelEnd};

/// What carries the packets of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Carrier {
    /// Private peering of this circuit (ENC-3).
    PrivatePeering(ResourceId),
    /// Microsoft peering of this circuit (ENC-6).
    MicrosoftPeering(ResourceId),
    /// Public peering of this circuit.
    PublicPeering(ResourceId),
    /// The Internet.
    Internet,
    /// Azure's own network: peerings, or two gateways of Azure.
    Azure,
    /// Links between places outside Azure.
    OnPremises,
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrivatePeering(circuit) => write!(f, "private peering of {}", Short(circuit)),
            Self::MicrosoftPeering(circuit) => write!(f, "Microsoft peering of {}", Short(circuit)),
            Self::PublicPeering(circuit) => write!(f, "public peering of {}", Short(circuit)),
            Self::Internet => f.write_str("the Internet"),
            Self::Azure => f.write_str("Azure's network"),
            Self::OnPremises => f.write_str("links outside Azure"),
        }
    }
}

/// The way of a tunnel's own packets, from one end to the other (ENC-2).
#[derive(Clone, Debug, PartialEq)]
pub struct Underlay {
    pub(crate) carrier: Carrier,
    pub(crate) answer: Answer,
}

impl Underlay {
    /// What carries it.
    pub fn carrier(&self) -> &Carrier {
        &self.carrier
    }

    /// The outer packets' way: from the device outside Azure to the gateway, or from a tunnel's end `a` to its end `b`.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }
}

impl Path<'_> {
    /// Whether every step that leaves Microsoft's network or lies outside it is encrypted (ENC-4). Steps between the
    /// routers of one site do not count, nor those between Microsoft's own places.
    pub fn is_encrypted(&self) -> bool {
        self.first_clear_hop().is_none()
    }

    /// The first hop that sends the packet on in the clear where [`is_encrypted`](Self::is_encrypted) asks for
    /// encryption.
    pub fn first_clear_hop(&self) -> Option<&Hop> {
        let outside =
            |hop: &Hop| matches!(hop.place, Place::OnPremises(_) | Place::InternetEdge | Place::Internet);
        let hops = self.hops();
        let step = hops.windows(2).find(|step| {
            let counts =
                (outside(&step[0]) || outside(&step[1])) && !within_site(&step[0].place, &step[1].place);
            counts && !step[0].encrypted
        });
        if let Some(step) = step {
            return step.first();
        }
        // Where the far place is not part of the topology the last hop speaks for the last step: towards a customer, not
        // towards a service.
        let came_from_outside = hops.len() > 1 && outside(&hops[hops.len() - 2]);
        let leaves = match self.disposition() {
            Disposition::OnPremises(_) => true,
            Disposition::Egress(Egress::MicrosoftPeering(_) | Egress::PublicPeering(_)) => !came_from_outside,
            _ => false,
        };
        hops.last().filter(|hop| !outside(hop) && leaves && !hop.encrypted)
    }
}

/// Whether both places are one site, or routers of it.
pub(super) fn within_site(a: &Place, b: &Place) -> bool {
    let site = |place: &Place| {
        let Place::OnPremises(id) = place else { return None };
        let mut segments = id.as_str().rsplit('/').skip(1);
        match segments.next() {
            Some(kind) if kind.eq_ignore_ascii_case("routers") => id.parent(),
            _ => Some(id.clone()),
        }
    };
    site(a).is_some_and(|here| site(b) == Some(here))
}

/// A tunnel: a VPN connection or an overlay, as positions in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tunnel {
    Connection(usize),
    Overlay(usize),
}

/// The underlay of a tunnel, where both ends have addresses and the way between them can be told. A way that leads into
/// the tunnel itself tells nothing.
pub(crate) fn underlay(world: &World<'_>, tunnel: Tunnel) -> Option<Underlay> {
    let document = world.topology.document();
    let (id, start, source, destination) = match tunnel {
        Tunnel::Connection(c) => {
            let connection = &document.connections[c];
            let (start, source, destination) = connection_ends(world, c, connection)?;
            (&connection.id, start, source, destination)
        }
        Tunnel::Overlay(t) => {
            let declared = &document.overlay_tunnels[t];
            let (start, source) = tunnel_end(world.topology, &declared.a)?;
            let (_, destination) = tunnel_end(world.topology, &declared.b)?;
            (&declared.id, start, source, destination)
        }
    };
    if source.is_ipv4() != destination.is_ipv4() {
        return None;
    }
    let mut question = Question::new(start, source, destination, Leg::Initiate);
    question.tenant = tenant_of(world.topology, start);
    let outer = World { underlays: None, ..*world };
    let answer = walk(&outer, question, None, false);
    let path = answer.path();
    let fine = path.disposition().is_success() && !path.passes(id);
    let carrier = carrier(&path).filter(|_| fine)?;
    Some(Underlay { carrier, answer })
}

/// From the device outside Azure to the gateway: its private address over private peering (ENC-3), else its public one
/// (ENC-6). Two gateways of Azure: from one to the other.
fn connection_ends(world: &World<'_>, c: usize, connection: &Connection) -> Option<(Start, IpAddr, IpAddr)> {
    let topology = world.topology;
    let document = topology.document();
    let Some(Entity::Gateway(gateway)) = topology.entity(&connection.virtual_network_gateway) else {
        return None;
    };
    let declared = &document.virtual_network_gateways[gateway];
    let local = topology.local_network_gateway(&connection.peer)?;
    let private = connection.use_local_azure_ip_address;
    let destination = if private {
        gateway_address(topology, gateway, true).or_else(|| gateway_subnet_address(topology, gateway))?
    } else {
        least_address(topology, &declared.public_ip_addresses, true)?
    };
    let on_premises = &world.plane.on_premises;
    let entry = on_premises.connection_entry((c, &connection.id), &connection.peer, destination);
    let Some(start) = router_start(world, entry) else {
        // The far end is an appliance in Azure.
        let appliance = on_premises.connection_appliance(topology, c)?;
        let (start, source) =
            appliance_end(topology, &document.network_virtual_appliances[appliance].network_interfaces)?;
        return Some((start, source, destination));
    };
    let own = local.gateway_ip_address.filter(|ip| ip.is_ipv4());
    let source = own.or_else(|| place_address(topology, start))?;
    Some((start, source, destination))
}

/// Of these routers outside Azure the first by name, as a place to start from.
pub(super) fn router_start(world: &World<'_>, routers: impl IntoIterator<Item = usize>) -> Option<Start> {
    let nodes = routers.into_iter().map(|router| &world.plane.on_premises.routers[router]);
    let node = nodes.min_by_key(|node| &node.id)?;
    match world.topology.entity(&node.id)? {
        Entity::Router(site, router) => Some(Start::Router { site, router }),
        Entity::Site(site) => Some(Start::Site { site, range: None }),
        _ => None,
    }
}

/// Azure keeps the first four addresses of a subnet: the next one stands for a gateway without declared ones.
fn gateway_subnet_address(topology: &Topology, gateway: usize) -> Option<IpAddr> {
    let document = topology.document();
    let declared = &document.virtual_network_gateways[gateway];
    let Some(Entity::VirtualNetwork(v)) = topology.entity(&declared.virtual_network) else { return None };
    let network = &document.virtual_networks[v];
    let subnet = network.subnets.iter().find(|s| s.name.eq_ignore_ascii_case("GatewaySubnet"))?;
    let prefix = subnet.address_prefixes.iter().find(|p| p.addr().is_ipv4())?;
    prefix.hosts().nth(3).filter(|ip| subnet_of(document, v, *ip).is_some())
}

fn tunnel_end(topology: &Topology, end: &TunnelEnd) -> Option<(Start, IpAddr)> {
    let document = topology.document();
    match topology.entity(&end.node)? {
        Entity::Appliance(a) => {
            appliance_end(topology, &document.network_virtual_appliances[a].network_interfaces)
        }
        Entity::Nic(_) => appliance_end(topology, std::slice::from_ref(&end.node)),
        Entity::Site(site) => {
            let start = Start::Site { site, range: None };
            Some((start, place_address(topology, start)?))
        }
        Entity::Router(site, router) => {
            let start = Start::Router { site, router };
            Some((start, place_address(topology, start)?))
        }
        _ => None,
    }
}

fn appliance_end(topology: &Topology, interfaces: &[ResourceId]) -> Option<(Start, IpAddr)> {
    let nic = primary_of(topology, &nics_of(topology, interfaces))?;
    Some((nic_start(topology, nic)?, nic_address(topology, nic, true)?))
}

/// An IPv4 address of a place outside Azure: a router's own, else one that the site tells Azure, else a host's. What is
/// told is what the underlay routes; a site's own prefixes may be known inside the tunnel only.
fn place_address(topology: &Topology, start: Start) -> Option<IpAddr> {
    let document = topology.document();
    let (site, router) = match start {
        Start::Site { site, .. } => (site, None),
        Start::Router { site, router } => (site, Some(router)),
        _ => return None,
    };
    let site = &document.on_premises_sites[site];
    let own = router.into_iter().flat_map(|r| site.routers[r].addresses.iter().copied());
    let told = site.advertisements.iter().filter(|a| a.peering == PeeringType::AzurePrivatePeering);
    let over_circuit = told.filter(|a| matches!(topology.entity(&a.over), Some(Entity::Circuit(_))));
    let told = over_circuit.flat_map(|a| &a.prefixes).filter(|p| p.addr().is_ipv4() && p.prefix_len() > 0);
    let hosts = site.prefixes.iter().filter(|p| p.addr().is_ipv4());
    let own = own.filter(IpAddr::is_ipv4).min();
    own.or_else(|| told.min().map(first_host)).or_else(|| hosts.min().map(first_host))
}

/// The tenant of a place outside Azure.
fn tenant_of(topology: &Topology, start: Start) -> Option<String> {
    match start {
        Start::Site { site, .. } | Start::Router { site, .. } => {
            topology.document().on_premises_sites[site].tenant.clone()
        }
        _ => None,
    }
}

/// What a path between two tunnel ends runs over: the least trusted of what it passes.
fn carrier(path: &Path<'_>) -> Option<Carrier> {
    let hops = path.hops();
    if matches!(path.disposition(), Disposition::Egress(Egress::MicrosoftBackbone(_))) {
        return Some(Carrier::Azure);
    }
    let internet = hops.iter().any(|hop| hop.place == Place::InternetEdge)
        || matches!(
            path.disposition(),
            Disposition::OnPremisesInternet(_) | Disposition::Egress(Egress::Internet(_))
        );
    if internet {
        return Some(Carrier::Internet);
    }
    let mut circuits = hops.iter().filter_map(|hop| match &hop.place {
        Place::Msee { circuit, peering, .. } => Some((circuit.clone(), *peering)),
        _ => None,
    });
    if let Some((circuit, peering)) = circuits.next() {
        return match peering {
            PeeringType::AzurePrivatePeering => Some(Carrier::PrivatePeering(circuit)),
            PeeringType::MicrosoftPeering => Some(Carrier::MicrosoftPeering(circuit)),
            PeeringType::AzurePublicPeering => Some(Carrier::PublicPeering(circuit)),
        };
    }
    let outside = hops.iter().filter(|hop| matches!(hop.place, Place::OnPremises(_))).count();
    match outside {
        0 => Some(Carrier::Azure),
        n if n == hops.len() => Some(Carrier::OnPremises),
        // Between Azure and outside by something else: another tunnel, which is not told apart here.
        _ => None,
    }
}
