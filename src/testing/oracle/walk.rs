//! A naive walk: look up, go there, look up again, until the packet ends somewhere.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::gateways::{self, Designated, GatewayKind};
use super::{
    connected_halves, effective_rows, endpoint_addresses, find_subnet, find_vnet, host_prefix, is_peering,
    is_platform_host, look_up, peered_space, reverse_half,
};
use crate::model::{
    AppliancePolicy, AzureFirewall, DestinationNat, Document, EffectiveNextHopType, ForwardedTraffic,
    IpConfiguration, NetworkInterface, PRIVATE_SUBNETS_DEFAULT, ResourceId, RouteSource, Snat, Subnet,
    VirtualNetwork,
};

/// Where a packet from `src`, sent by a machine in `subnet`, ends up: the outcomes of every equal-cost branch, in the
/// words of section 29.
///
/// `Gateway(prefix)` stands for everything behind a gateway or hub router, `Delivered(unassigned)` for an address inside
/// a network that nothing owns (SYS-16), `Loop` and `HopLimit` carry no cycle, `NeedsFlow` is an appliance that rewrites
/// by port. Security groups are not asked. `None` source routes print as `Drop(NoneRoute(prefix, source))`. The set is
/// empty where the document has no such subnet.
pub fn walk(document: &Document, subnet: &ResourceId, src: IpAddr, dst: IpAddr) -> BTreeSet<String> {
    let mut outcomes = BTreeSet::new();
    let packet = Packet { at: subnet.clone(), src, dst, own_source: true };
    follow(document, packet, &mut Vec::new(), &mut outcomes);
    outcomes
}

/// A packet about to leave a subnet: the state of WALK-7.
#[derive(Clone, PartialEq)]
struct Packet {
    at: ResourceId,
    src: IpAddr,
    dst: IpAddr,
    /// Whether the machine that sends it owns the source address.
    own_source: bool,
}

fn follow(document: &Document, packet: Packet, trail: &mut Vec<Packet>, outcomes: &mut BTreeSet<String>) {
    let Some((vnet, subnet)) = find_subnet(document, &packet.at) else { return };
    if is_platform_host(packet.dst) {
        outcomes.insert("PlatformHost".to_owned());
        return;
    }
    // WALK-7.
    if trail.contains(&packet) {
        outcomes.insert("Loop".to_owned());
        return;
    }
    if trail.len() >= 64 {
        outcomes.insert("HopLimit".to_owned());
        return;
    }
    trail.push(packet.clone());
    let rows = effective_rows(document, &packet.at).unwrap_or_default();
    let mut end = |outcome: String| {
        outcomes.insert(outcome);
    };
    match look_up(document, &rows, packet.dst) {
        None => end("Drop(NoRoute)".to_owned()),
        Some(row) => match row.next_hop_type {
            EffectiveNextHopType::None => end(format!("Drop(NoneRoute({}, {}))", row.prefix, row.source)),
            EffectiveNextHopType::Internet => end(internet(document, vnet, subnet, &packet)),
            EffectiveNextHopType::VirtualNetworkServiceEndpoint => {
                end(format!("ServiceEndpoint({})", service_of(document, subnet, &row.prefix)));
            }
            EffectiveNextHopType::InterfaceEndpoint => end(private_endpoint(document, vnet, &packet)),
            EffectiveNextHopType::VnetLocal => {
                // UDR-9.
                if vnet.address_space.iter().any(|p| p.contains(&packet.dst)) {
                    deliver(document, vnet, packet, trail, outcomes);
                } else {
                    end("Drop(NotLocal)".to_owned());
                }
            }
            hop if is_peering(hop) => match peer_holding(document, vnet, packet.dst) {
                Some(far) => match crossing(document, vnet, far, packet.src) {
                    Ok(()) => deliver(document, far, packet, trail, outcomes),
                    Err(reason) => end(reason),
                },
                // The hub's own prefix, or a peer that is not part of the document.
                None if gateways::hub_prefix_row(document, vnet).is_some_and(|r| r.prefix == row.prefix) => {
                    end(format!("Gateway({})", row.prefix));
                }
                None => end(unassigned(document)),
            },
            EffectiveNextHopType::ConnectedGroup => {
                let member = document.virtual_networks.iter().find(|v| {
                    v.id != vnet.id
                        && v.connected_group.is_some()
                        && v.address_space.iter().any(|p| p.contains(&packet.dst) && p.trunc() == row.prefix)
                });
                match member {
                    Some(far) => deliver(document, far, packet, trail, outcomes),
                    None => end(unassigned(document)),
                }
            }
            EffectiveNextHopType::VirtualAppliance => {
                for address in &row.next_hop_ip_addresses {
                    to_appliance(document, vnet, *address, packet.clone(), trail, outcomes);
                }
            }
            EffectiveNextHopType::VirtualNetworkGateway if row.source == RouteSource::User => {
                match gateways::designated(document, vnet) {
                    // UDR-7 says that it drops without a gateway, and section 29 has no name of its own for it. Choice.
                    Designated::Unsupported | Designated::Nobody => {
                        end("Drop(UnsupportedGatewayNextHop)".to_owned());
                    }
                    Designated::Vpn(_) => end(gateway_behind(document, vnet, &row.prefix)),
                }
            }
            EffectiveNextHopType::VirtualNetworkGateway => {
                let mut through_gateway = false;
                for member in gateways::gateway_members(document, &packet.at, &row.prefix) {
                    match (member.kind, member.next_hop) {
                        // ARS-1, ARS-2: a Route Server is never a hop; the appliance is.
                        (GatewayKind::RouteServer, Some(address)) => {
                            to_appliance(document, vnet, address, packet.clone(), trail, outcomes);
                        }
                        (GatewayKind::RouteServer, None) => {
                            outcomes.insert("Drop(NextHopUnreachable)".to_owned());
                        }
                        _ => through_gateway = true,
                    }
                }
                if through_gateway {
                    outcomes.insert(gateway_behind(document, vnet, &row.prefix));
                }
            }
            _ => end("Drop(NoRoute)".to_owned()),
        },
    }
    trail.pop();
}

/// SYS-16.
fn unassigned(document: &Document) -> String {
    if document.knobs.strict_hosts { "Drop(NoSuchHost)" } else { "Delivered(unassigned)" }.to_owned()
}

/// The peer of `vnet` whose routed space holds an address.
fn peer_holding<'a>(
    document: &'a Document,
    vnet: &VirtualNetwork,
    address: IpAddr,
) -> Option<&'a VirtualNetwork> {
    connected_halves(document, vnet)
        .into_iter()
        .find(|half| peered_space(document, half).iter().any(|p| p.contains(&address)))
        .and_then(|half| find_vnet(document, &half.remote_virtual_network))
}

/// What a packet towards a gateway meets where the gateway stands in a peered network: PEER-4 alone, gateways need no
/// forwarded-traffic flag (PEER-5).
fn gateway_behind(document: &Document, vnet: &VirtualNetwork, prefix: &IpNet) -> String {
    let open = |half: Option<&crate::model::VirtualNetworkPeering>| {
        half.is_none_or(|half| half.allow_virtual_network_access)
    };
    let home = gateways::home(document, vnet).filter(|home| home.id != vnet.id);
    let denied = home.is_some_and(|home| !open(reverse_half(vnet, home)) || !open(reverse_half(home, vnet)));
    if denied { "Drop(PeeringAccessDisabled)".to_owned() } else { format!("Gateway({prefix})") }
}

/// What a packet meets between two peered networks (PEER-4, PEER-5, WALK-15).
fn crossing(
    document: &Document,
    from: &VirtualNetwork,
    to: &VirtualNetwork,
    src: IpAddr,
) -> Result<(), String> {
    let sender = reverse_half(from, to);
    let receiver = reverse_half(to, from);
    let (Some(sender), Some(receiver)) = (sender, receiver) else { return Ok(()) };
    if !sender.allow_virtual_network_access || !receiver.allow_virtual_network_access {
        return Err("Drop(PeeringAccessDisabled)".to_owned());
    }
    if from.address_space.iter().any(|p| p.contains(&src)) {
        return Ok(());
    }
    let allowed = match document.knobs.forwarded_traffic {
        ForwardedTraffic::Receiver => receiver.allow_forwarded_traffic,
        ForwardedTraffic::BothEnds => receiver.allow_forwarded_traffic && sender.allow_forwarded_traffic,
    };
    if allowed { Ok(()) } else { Err("Drop(ForwardedTrafficNotAllowed)".to_owned()) }
}

// ---------------------------------------------------------------------------------------------------------------------
// Who owns an address.

enum Owner<'a> {
    Interface(&'a NetworkInterface, &'a IpConfiguration),
    Firewall(&'a AzureFirewall),
    FrontEnd(Vec<&'a NetworkInterface>),
    Endpoint(&'a ResourceId),
}

fn in_network(vnet: &VirtualNetwork, subnet: &ResourceId) -> bool {
    vnet.subnets.iter().any(|s| vnet.subnet_id(&s.name) == *subnet)
}

fn configuration<'a>(
    nic: &'a NetworkInterface,
    vnet: &VirtualNetwork,
    address: IpAddr,
) -> Option<&'a IpConfiguration> {
    nic.ip_configurations
        .iter()
        .find(|c| c.private_ip_address == Some(address) && in_network(vnet, &c.subnet))
}

fn owner<'a>(document: &'a Document, vnet: &VirtualNetwork, address: IpAddr) -> Option<Owner<'a>> {
    for endpoint in &document.private_endpoints {
        if in_network(vnet, &endpoint.subnet) && endpoint_addresses(document, endpoint).contains(&address) {
            return Some(Owner::Endpoint(&endpoint.id));
        }
    }
    for nic in &document.network_interfaces {
        if let Some(configuration) = configuration(nic, vnet, address) {
            return Some(Owner::Interface(nic, configuration));
        }
    }
    for firewall in &document.azure_firewalls {
        let here = firewall.subnet.as_ref().is_some_and(|s| in_network(vnet, s));
        if here && firewall.private_ip_address == Some(address) {
            return Some(Owner::Firewall(firewall));
        }
    }
    for balancer in &document.load_balancers {
        let here = balancer.frontend_ip_configurations.iter().any(|f| {
            f.private_ip_address == Some(address) && f.subnet.as_ref().is_some_and(|s| in_network(vnet, s))
        });
        if here {
            // WALK-9: any healthy backend.
            let healthy = balancer.backends.iter().filter(|b| !b.unhealthy);
            let nics = healthy.filter_map(|b| {
                document.network_interfaces.iter().find(|nic| match (&b.network_interface, b.ip_address) {
                    (Some(id), _) => nic.id == *id,
                    (None, Some(ip)) => configuration(nic, vnet, ip).is_some(),
                    (None, None) => false,
                })
            });
            return Some(Owner::FrontEnd(nics.collect()));
        }
    }
    None
}

/// The configuration that an interface sends from.
fn primary(nic: &NetworkInterface) -> Option<&IpConfiguration> {
    nic.ip_configurations.iter().find(|c| c.primary).or_else(|| nic.ip_configurations.first())
}

/// The packet has reached the network of its destination.
fn deliver(
    document: &Document,
    vnet: &VirtualNetwork,
    packet: Packet,
    trail: &mut Vec<Packet>,
    outcomes: &mut BTreeSet<String>,
) {
    match owner(document, vnet, packet.dst) {
        None => {
            outcomes.insert(unassigned(document));
        }
        Some(Owner::Endpoint(id)) => {
            outcomes.insert(format!("PrivateEndpoint({id})"));
        }
        Some(Owner::Interface(nic, here)) => at_interface(document, nic, here, packet, trail, outcomes),
        Some(Owner::Firewall(firewall)) => at_firewall(document, firewall, packet, trail, outcomes),
        Some(Owner::FrontEnd(nics)) => {
            if nics.is_empty() {
                outcomes.insert(unassigned(document));
            }
            for nic in nics {
                outcomes.insert(format!("Delivered({})", nic.id));
            }
        }
    }
}

/// UDR-4, WALK-2: straight to whoever owns the next hop, in this network or a directly peered one.
fn to_appliance(
    document: &Document,
    vnet: &VirtualNetwork,
    address: IpAddr,
    packet: Packet,
    trail: &mut Vec<Packet>,
    outcomes: &mut BTreeSet<String>,
) {
    let mut home = vnet;
    let mut found = owner(document, vnet, address);
    if found.is_none()
        && let Some(far) = peer_holding(document, vnet, address)
    {
        home = far;
        found = owner(document, far, address);
    }
    let Some(found) = found else {
        outcomes.insert("Drop(NextHopUnreachable)".to_owned());
        return;
    };
    if home.id != vnet.id
        && let Err(reason) = crossing(document, vnet, home, packet.src)
    {
        outcomes.insert(reason);
        return;
    }
    match found {
        Owner::Interface(nic, here) => at_interface(document, nic, here, packet, trail, outcomes),
        Owner::Firewall(firewall) => at_firewall(document, firewall, packet, trail, outcomes),
        Owner::FrontEnd(nics) => {
            if nics.is_empty() {
                outcomes.insert("Drop(NextHopUnreachable)".to_owned());
            }
            for nic in nics {
                if let Some(here) = primary(nic) {
                    at_interface(document, nic, here, packet.clone(), trail, outcomes);
                }
            }
        }
        // A private endpoint forwards nothing.
        Owner::Endpoint(_) => {
            outcomes.insert("Drop(NextHopUnreachable)".to_owned());
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Appliances.

/// The first rewrite that matches; one that looks at ports cannot be decided without a flow (WALK-8).
fn rewrite(rules: &[DestinationNat], dst: IpAddr) -> Result<IpAddr, String> {
    for rule in rules {
        if rule.destination.contains(&dst) {
            return match rule.destination_port {
                None => Ok(rule.translated_address),
                Some(_) => Err("NeedsFlow".to_owned()),
            };
        }
    }
    Ok(dst)
}

/// RFC 1918, RFC 6598 and fc00::/7.
pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let in_net = |a: u8, b: u8, len: u32| {
                u32::from(v4) >> (32 - len) == u32::from(Ipv4Addr::new(a, b, 0, 0)) >> (32 - len)
            };
            in_net(10, 0, 8) || in_net(172, 16, 12) || in_net(192, 168, 16) || in_net(100, 64, 10)
        }
        IpAddr::V6(v6) => v6.octets().first().is_some_and(|b| b & 0xfe == 0xfc),
    }
}

/// A packet arrives at an interface, addressed to it or to be forwarded (WALK-3, WALK-4, WALK-5, WALK-8).
fn at_interface(
    document: &Document,
    nic: &NetworkInterface,
    here: &IpConfiguration,
    mut packet: Packet,
    trail: &mut Vec<Packet>,
    outcomes: &mut BTreeSet<String>,
) {
    let appliance =
        document.network_virtual_appliances.iter().find(|a| a.network_interfaces.contains(&nic.id));
    let own = |address: IpAddr| nic.ip_configurations.iter().any(|c| c.private_ip_address == Some(address));
    let mut end = |outcome: &str| {
        outcomes.insert(outcome.to_owned());
    };
    let addressed_here = own(packet.dst);
    // WALK-3: Azure hands the interface only what is addressed to it, unless IP forwarding is on.
    if !addressed_here && !nic.enable_ip_forwarding {
        return end("Drop(NoIpForwarding)");
    }
    match rewrite(appliance.map_or(&[], |a| &a.dnat), packet.dst) {
        Ok(dst) => packet.dst = dst,
        Err(reason) => return end(&reason),
    }
    if own(packet.dst) {
        return end(&format!("Delivered({})", nic.id));
    }
    let Some(appliance) = appliance else {
        // WALK-8: an interface with IP forwarding alone forwards everything unchanged, by itself.
        packet.at = here.subnet.clone();
        packet.own_source = own(packet.src);
        return follow(document, packet, trail, outcomes);
    };
    if !appliance.os_forwarding {
        return end("Drop(NotForwardingOs)");
    }
    if appliance.policy == AppliancePolicy::Deny {
        return end("Drop(AppliancePolicy)");
    }
    // WALK-5: the guest's table picks the interface, else the primary one.
    let mut guest: Option<(&IpNet, Option<&ResourceId>)> = None;
    for route in &appliance.guest_routes {
        if route.prefix.contains(&packet.dst)
            && guest.is_none_or(|(best, _)| route.prefix.prefix_len() > best.prefix_len())
        {
            guest = Some((&route.prefix, route.network_interface.as_ref()));
        }
    }
    let listed =
        || document.network_interfaces.iter().filter(|n| appliance.network_interfaces.contains(&n.id));
    let first = appliance.network_interfaces.first();
    let out = match guest {
        Some((_, None)) => return end("Drop(NoRoute)"),
        Some((_, Some(id))) => document.network_interfaces.iter().find(|n| n.id == *id),
        None => listed().find(|n| n.primary).or_else(|| listed().find(|n| Some(&n.id) == first)),
    };
    let Some((out, leaving)) = out.and_then(|out| Some((out, primary(out)?))) else {
        return end("Drop(NextHopUnreachable)");
    };
    let rewrite_source = match appliance.snat {
        Snat::None => false,
        Snat::Internet => !is_private(packet.dst),
        Snat::All => true,
    };
    if rewrite_source && let Some(address) = leaving.private_ip_address {
        packet.src = address;
    }
    packet.own_source = out.ip_configurations.iter().any(|c| c.private_ip_address == Some(packet.src));
    // WALK-3: nor does Azure take a foreign source from an interface without IP forwarding.
    if !packet.own_source && !out.enable_ip_forwarding {
        return end("Drop(NoIpForwarding)");
    }
    packet.at = leaving.subnet.clone();
    follow(document, packet, trail, outcomes);
}

/// Azure Firewall: an appliance that rewrites the source outside its private ranges.
fn at_firewall(
    document: &Document,
    firewall: &AzureFirewall,
    mut packet: Packet,
    trail: &mut Vec<Packet>,
    outcomes: &mut BTreeSet<String>,
) {
    match rewrite(&firewall.dnat, packet.dst) {
        Ok(dst) => packet.dst = dst,
        Err(reason) => {
            outcomes.insert(reason);
            return;
        }
    }
    if firewall.private_ip_address == Some(packet.dst) {
        outcomes.insert(format!("Delivered({})", firewall.id));
        return;
    }
    if firewall.policy == AppliancePolicy::Deny {
        outcomes.insert("Drop(AppliancePolicy)".to_owned());
        return;
    }
    let keeps = if firewall.private_ranges.is_empty() {
        is_private(packet.dst)
    } else {
        firewall.private_ranges.iter().any(|p| p.contains(&packet.dst))
    };
    if !keeps && let Some(address) = firewall.private_ip_address {
        packet.src = address;
    }
    packet.own_source = firewall.private_ip_address == Some(packet.src);
    let Some(subnet) = &firewall.subnet else { return };
    packet.at = subnet.clone();
    follow(document, packet, trail, outcomes);
}

// ---------------------------------------------------------------------------------------------------------------------
// Ways out.

/// A row of a private endpoint: the host itself, over the peering where it is a peer's (PE-1, WALK-15).
fn private_endpoint(document: &Document, vnet: &VirtualNetwork, packet: &Packet) -> String {
    for endpoint in &document.private_endpoints {
        let Some((home, _)) = find_subnet(document, &endpoint.subnet) else { continue };
        if !endpoint_addresses(document, endpoint).contains(&packet.dst) {
            continue;
        }
        if home.id == vnet.id {
            return format!("PrivateEndpoint({})", endpoint.id);
        }
        if connected_halves(document, vnet).iter().any(|half| half.remote_virtual_network == home.id) {
            return match crossing(document, vnet, home, packet.src) {
                Ok(()) => format!("PrivateEndpoint({})", endpoint.id),
                Err(reason) => reason,
            };
        }
    }
    unassigned(document)
}

/// The service whose endpoint gave a row, as the last part of its name.
fn service_of(document: &Document, subnet: &Subnet, prefix: &IpNet) -> String {
    for endpoint in &subnet.service_endpoints {
        let mut alone = subnet.clone();
        alone.service_endpoints = vec![endpoint.clone()];
        if super::service_endpoint_rows(document, &alone).iter().any(|r| r.prefix == *prefix) {
            return endpoint.service.rsplit('.').next().unwrap_or_default().to_owned();
        }
    }
    String::new()
}

/// The Internet edge (OUT-1, OUT-4, SYS-8, WALK-8). What customers advertise over Microsoft peering (MSP-13) is the
/// business of [`customer_edges`](super::customer_edges).
fn internet(document: &Document, vnet: &VirtualNetwork, subnet: &Subnet, packet: &Packet) -> String {
    if packet.dst.is_ipv6() && is_private(packet.dst) {
        // V6-2: it drops at the edge.
        return "Drop(NoRoute)".to_owned();
    }
    if !packet.own_source && is_private(packet.src) {
        // WALK-8. Choice: none of the outbound methods rewrites a source that the sending interface does not own.
        return "Drop(PrivateSourceToInternet)".to_owned();
    }
    let nic = document.network_interfaces.iter().find_map(|n| Some((n, configuration(n, vnet, packet.src)?)));
    let public = nic.is_some_and(|(_, c)| c.public_ip_address.is_some());
    let balanced = nic.is_some_and(|(n, _)| {
        document.load_balancers.iter().any(|b| {
            b.outbound
                && b.backends.iter().any(|k| {
                    k.network_interface.as_ref() == Some(&n.id)
                        || k.ip_address == Some(packet.src) && k.network_interface.is_none()
                })
        })
    });
    let firewall = document.azure_firewalls.iter().any(|f| {
        f.private_ip_address == Some(packet.src) && f.subnet.as_ref().is_some_and(|s| in_network(vnet, s))
    });
    // OUT-4.
    let by_default = subnet
        .default_outbound_access
        .unwrap_or_else(|| vnet.created.is_none_or(|created| created <= PRIVATE_SUBNETS_DEFAULT));
    if subnet.nat_gateway.is_none() && !public && !balanced && !firewall && !by_default {
        return "Drop(NoOutboundMethod)".to_owned();
    }
    let tagged = document
        .service_tags
        .iter()
        .flat_map(|t| &t.address_prefixes)
        .any(|p| p.trunc().contains(&host_prefix(packet.dst)));
    if tagged { "Egress(MicrosoftBackbone)" } else { "Egress(Internet)" }.to_owned()
}
