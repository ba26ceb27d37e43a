//! Addresses worth asking about.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::model::{AddressPrefix, Document, NoneProfile};

/// Every prefix that a document declares anywhere a table could see it, sorted, each once; reserved ranges and defaults
/// are among them.
pub(super) fn declared_prefixes(document: &Document) -> Vec<IpNet> {
    let mut prefixes: Vec<IpNet> =
        vec![IpNet::V4(ipnet::Ipv4Net::default()), IpNet::V6(ipnet::Ipv6Net::default())];
    for vnet in &document.virtual_networks {
        prefixes.extend(&vnet.address_space);
        for subnet in &vnet.subnets {
            prefixes.extend(&subnet.address_prefixes);
            prefixes.extend(subnet.service_endpoints.iter().flat_map(|e| &e.prefixes));
        }
        prefixes.extend(vnet.peerings.iter().flat_map(|p| &p.remote_address_space));
    }
    for route in document.route_tables.iter().flat_map(|t| &t.routes) {
        if let AddressPrefix::Cidr(prefix) = route.address_prefix {
            prefixes.push(prefix);
        }
    }
    for gateway in &document.virtual_network_gateways {
        prefixes.extend(gateway.learned_routes.iter().map(|r| r.prefix));
        prefixes.extend(&gateway.vpn_client_address_pools);
        prefixes.extend(gateway.bgp_peering_addresses.iter().copied().map(IpNet::from));
    }
    for local in &document.local_network_gateways {
        prefixes.extend(&local.address_prefixes);
        prefixes.extend(local.bgp_peering_address.map(IpNet::from));
    }
    for server in &document.route_servers {
        prefixes.extend(server.learned_routes.iter().map(|r| r.prefix));
    }
    for hub in &document.virtual_hubs {
        prefixes.extend(hub.address_prefix);
        prefixes.extend(hub.learned_routes.iter().map(|r| r.prefix));
    }
    for site in &document.on_premises_sites {
        prefixes.extend(&site.prefixes);
        prefixes.extend(site.advertisements.iter().flat_map(|a| &a.prefixes));
        prefixes.extend(site.routes.iter().map(|r| r.prefix));
    }
    for endpoint in &document.private_endpoints {
        prefixes.extend(endpoint.private_ip_addresses.iter().copied().map(IpNet::from));
    }
    prefixes.extend(NoneProfile::Documented4.prefixes().iter().copied().map(IpNet::V4));
    for prefix in &mut prefixes {
        *prefix = prefix.trunc();
    }
    prefixes.sort();
    prefixes.dedup();
    prefixes
}

/// The first and last address of a prefix, one in the middle, and those just outside.
fn around(prefix: IpNet, addresses: &mut Vec<IpAddr>) {
    match prefix {
        IpNet::V4(net) => {
            let (first, last) = (u32::from(net.network()), u32::from(net.broadcast()));
            let middle = first + (last - first) / 2;
            for bits in [first.wrapping_sub(1), first, middle, last, last.wrapping_add(1)] {
                addresses.push(IpAddr::V4(Ipv4Addr::from(bits)));
            }
        }
        IpNet::V6(net) => {
            let (first, last) = (u128::from(net.network()), u128::from(net.broadcast()));
            let middle = first + (last - first) / 2;
            for bits in [first.wrapping_sub(1), first, middle, last, last.wrapping_add(1)] {
                addresses.push(IpAddr::V6(Ipv6Addr::from(bits)));
            }
        }
    }
}

/// Addresses at which a document's tables may change their answer: just inside and outside every declared prefix and
/// every prefix of a service tag, every declared host, the platform's host addresses, reserved ranges and the Internet.
/// Sorted, each once.
///
/// ```
/// use azroute::model::Topology;
/// use azroute::testing::strategies::probe_addresses;
/// let topology = Topology::builder().virtual_network("hub", &["10.1.0.0/16"]).build()?;
/// let probes = probe_addresses(topology.document());
/// for address in ["10.0.255.255", "10.1.0.0", "10.1.255.255", "10.2.0.0", "168.63.129.16"] {
///     assert!(probes.contains(&address.parse().unwrap()));
/// }
/// # Ok::<(), azroute::model::BuildError>(())
/// ```
pub fn probe_addresses(document: &Document) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for prefix in declared_prefixes(document) {
        around(prefix, &mut addresses);
    }
    for tag in &document.service_tags {
        for prefix in &tag.address_prefixes {
            around(*prefix, &mut addresses);
        }
    }
    for profile in NoneProfile::ALL {
        for prefix in profile.prefixes() {
            around(IpNet::V4(*prefix), &mut addresses);
        }
    }
    for nic in &document.network_interfaces {
        addresses.extend(nic.ip_configurations.iter().filter_map(|c| c.private_ip_address));
    }
    for balancer in &document.load_balancers {
        addresses.extend(balancer.frontend_ip_configurations.iter().filter_map(|f| f.private_ip_address));
    }
    addresses.extend(document.azure_firewalls.iter().filter_map(|f| f.private_ip_address));
    addresses.extend(document.route_servers.iter().flat_map(|s| &s.virtual_router_ips));
    for octets in [
        // The platform's host addresses and their neighbours (SYS-14).
        [168, 63, 129, 15],
        [168, 63, 129, 16],
        [168, 63, 129, 17],
        [169, 254, 169, 253],
        [169, 254, 169, 254],
        // The Internet, documentation and multicast ranges.
        [1, 1, 1, 1],
        [8, 8, 8, 8],
        [203, 0, 113, 9],
        [224, 0, 0, 1],
        [240, 0, 0, 1],
    ] {
        addresses.push(IpAddr::V4(Ipv4Addr::from(octets)));
    }
    for segments in [
        [0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888],
        [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1],
        [0xfd99, 0, 0, 0, 0, 0, 0, 1],
        [0xfe80, 0, 0, 0, 0, 0, 0, 1],
        [0xff02, 0, 0, 0, 0, 0, 0, 1],
    ] {
        addresses.push(IpAddr::V6(Ipv6Addr::from(segments)));
    }
    addresses.sort();
    addresses.dedup();
    addresses
}
