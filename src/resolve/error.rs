//! Questions that cannot be asked.

use std::net::IpAddr;

use crate::model::ResourceId;

/// A question that cannot be asked of this network. What becomes of a packet is never an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// No place has this name or owns this address.
    #[error("no place in the network is called or owns `{name}`")]
    UnknownSource {
        /// What was asked for.
        name: String,
    },
    /// Several places have this name or own this address.
    #[error("`{name}` stands for several places: {}", list(candidates))]
    AmbiguousSource {
        /// What was asked for.
        name: String,
        /// The places, sorted.
        candidates: Vec<ResourceId>,
    },
    /// The place has failed: nothing is sent from there.
    #[error("`{name}` has failed")]
    FailedSource {
        /// What was asked for.
        name: String,
    },
    /// The place is known, but not in which subnet it is.
    #[error("`{name}` is in no subnet of the network")]
    UnplacedSource {
        /// The place.
        name: ResourceId,
    },
    /// The name stands for something that is not in a subnet.
    #[error("`{name}` is not a subnet, nor a network interface, machine or firewall in one")]
    NotASubnet {
        /// The name.
        name: ResourceId,
    },
    /// The name is neither a VPN connection's nor an overlay tunnel's.
    #[error("`{name}` is neither a connection nor a tunnel")]
    NotATunnel {
        /// The name.
        name: ResourceId,
    },
    /// The place has no address of the destination's family.
    #[error("`{position}` has no {family} address to send from")]
    NoAddress {
        /// The place.
        position: String,
        /// The family.
        family: &'static str,
    },
    /// A service or a host on the Internet has a public address.
    #[error("{address} is a private address: neither a service nor a host on the Internet sends from it")]
    NotPublic {
        /// The address.
        address: IpAddr,
    },
    /// Several tenants say that this public address is theirs, so a sender outside cannot tell whom it means.
    #[error("several tenants have {destination}: {}", tenants.join(", "))]
    AmbiguousDestination {
        /// The destination.
        destination: IpAddr,
        /// The tenants, sorted; `-` is the one without a name.
        tenants: Vec<String>,
    },
    /// Source and destination are of different families.
    #[error(
        "the source {source_address} and the destination {destination} are of different address families"
    )]
    FamilyMismatch {
        /// The source.
        source_address: IpAddr,
        /// The destination.
        destination: IpAddr,
    },
}

fn list(ids: &[ResourceId]) -> String {
    ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}
