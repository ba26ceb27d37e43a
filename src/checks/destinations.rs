//! What flows lead to: sets of destinations, named, and made of addresses once a network is known.

use std::fmt;

use ipnet::IpNet;

use super::CheckError;
use super::ranges::AddressRanges;
use crate::Network;
use crate::model::{Entity, ResourceId};

/// Address space that is not the Internet: the special-purpose registries (RFC 6890 and what it was amended by), multicast,
/// and of IPv6 all but the global unicast space that is handed out.
const NOT_INTERNET: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
    "::/3",
    "2001:db8::/32",
    "4000::/2",
    "8000::/1",
];

/// A set of destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destinations(Set);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Set {
    Internet,
    Everything,
    Prefixes(Vec<IpNet>),
    Position(ResourceId),
    ServiceTag(String),
    Or(Box<Set>, Box<Set>),
    Except(Box<Set>, Box<Set>),
}

impl Destinations {
    /// Public addresses that nobody of the design has: everything but special-purpose space, the platform's address, the
    /// address spaces of virtual networks and hubs, and the prefixes of sites. Microsoft's own services are part of it
    /// ([`except`](Self::except) takes them out by [`service_tag`](Self::service_tag)).
    pub fn internet() -> Self {
        Self(Set::Internet)
    }

    /// Every address of both families.
    pub fn everything() -> Self {
        Self(Set::Everything)
    }

    /// The addresses of these prefixes.
    pub fn prefixes(prefixes: impl IntoIterator<Item = IpNet>) -> Self {
        Self(Set::Prefixes(prefixes.into_iter().collect()))
    }

    /// The addresses of a virtual network, subnet, interface, firewall, site, or of a host range of a site.
    pub fn position(id: impl Into<ResourceId>) -> Self {
        Self(Set::Position(id.into()))
    }

    /// The prefixes of a service tag of the document.
    pub fn service_tag(name: impl Into<String>) -> Self {
        Self(Set::ServiceTag(name.into()))
    }

    /// Those of either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(Set::Or(Box::new(self.0), Box::new(other.0)))
    }

    /// Those that are not in the other.
    #[must_use]
    pub fn except(self, other: Self) -> Self {
        Self(Set::Except(Box::new(self.0), Box::new(other.0)))
    }

    /// The addresses in a network.
    ///
    /// # Errors
    /// A position or service tag that the network does not have.
    pub fn addresses(&self, network: &Network) -> Result<AddressRanges, CheckError> {
        addresses(&self.0, network)
    }
}

fn addresses(set: &Set, network: &Network) -> Result<AddressRanges, CheckError> {
    let topology = network.topology();
    let document = topology.document();
    Ok(match set {
        Set::Everything => AddressRanges::everything(),
        Set::Prefixes(prefixes) => prefixes.iter().copied().collect(),
        Set::Internet => {
            let special = NOT_INTERNET.iter().filter_map(|text| text.parse().ok());
            let networks = document.virtual_networks.iter().flat_map(|network| &network.address_space);
            let hubs = document.virtual_hubs.iter().filter_map(|hub| hub.address_prefix.as_ref());
            // A site that stands for the Internet has no space of its own.
            let sites = document.on_premises_sites.iter().flat_map(|site| &site.prefixes);
            let own = networks.chain(hubs).chain(sites.filter(|prefix| prefix.prefix_len() > 0));
            AddressRanges::everything().except(&special.chain(own.copied()).collect())
        }
        Set::Position(id) => of_position(network, id)?,
        Set::ServiceTag(name) => match topology.service_tag(name) {
            Some(tag) => tag.address_prefixes.iter().copied().collect(),
            None => return Err(CheckError::UnknownServiceTag { name: name.clone() }),
        },
        Set::Or(one, other) => addresses(one, network)?.or(&addresses(other, network)?),
        Set::Except(one, other) => addresses(one, network)?.except(&addresses(other, network)?),
    })
}

fn of_position(network: &Network, id: &ResourceId) -> Result<AddressRanges, CheckError> {
    let topology = network.topology();
    let document = topology.document();
    let ranges: AddressRanges = match topology.entity(id) {
        Some(Entity::VirtualNetwork(v)) => {
            document.virtual_networks[v].address_space.iter().copied().collect()
        }
        Some(Entity::Subnet(v, s)) => {
            document.virtual_networks[v].subnets[s].address_prefixes.iter().copied().collect()
        }
        Some(Entity::Site(s)) => document.on_premises_sites[s].prefixes.iter().copied().collect(),
        Some(Entity::HostRange(s, h)) => {
            [document.on_premises_sites[s].host_ranges[h].prefix].into_iter().collect()
        }
        Some(_) => {
            let position = network.position(id).ok();
            let own = position.map(|p| network.addresses_of(p)).unwrap_or_default();
            own.into_iter().flatten().map(IpNet::from).collect()
        }
        None => return Err(CheckError::UnknownPosition { name: id.clone() }),
    };
    match ranges.is_empty() {
        true => Err(CheckError::NoAddresses { name: id.clone() }),
        false => Ok(ranges),
    }
}

impl fmt::Display for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet => f.write_str("the Internet"),
            Self::Everything => f.write_str("everything"),
            Self::Prefixes(prefixes) => {
                for (at, prefix) in prefixes.iter().enumerate() {
                    write!(f, "{}{prefix}", if at == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::Position(id) => write!(f, "`{id}`"),
            Self::ServiceTag(name) => write!(f, "service tag {name}"),
            Self::Or(one, other) => write!(f, "{one} or {other}"),
            Self::Except(one, other) => write!(f, "{one} except {other}"),
        }
    }
}
