use crate::model::ResourceId;
use crate::resolve::ResolveError;

/// A check that cannot be asked of a network. That it fails is no error: see [`Report`](super::Report).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// A source that the network does not have.
    #[error("sources: there is no position `{name}`")]
    UnknownSource {
        /// What was named.
        name: ResourceId,
    },
    /// A source that the network which answers are compared with does not have.
    #[error("sources: there is no position `{name}` in the other network")]
    UnknownInBaseline {
        /// What was named.
        name: ResourceId,
    },
    /// No port at all: a check that would hold of nothing.
    #[error("ports: none was given")]
    NoPorts,
    /// No source at all: a check that would hold of nothing.
    #[error("sources: none was given")]
    NoSources,
    /// A destination that the network does not have.
    #[error("destinations: there is no resource `{name}`")]
    UnknownPosition {
        /// What was named.
        name: ResourceId,
    },
    /// A destination that has no addresses.
    #[error("destinations: `{name}` has no addresses")]
    NoAddresses {
        /// What was named.
        name: ResourceId,
    },
    /// A service tag that the document does not hold.
    #[error("destinations: the document holds no service tag `{name}`")]
    UnknownServiceTag {
        /// What was named.
        name: String,
    },
    /// A place of the expectation that the network does not have.
    #[error("expectation: there is no resource `{name}` that a packet could pass")]
    UnknownWaypoint {
        /// What was named.
        name: ResourceId,
    },
    /// The network has no destination classes ([`Network::classes`](crate::Network::classes)): too many routers and tenants.
    #[error("network: it has too many pairs of routers and tenants to be cut into classes")]
    NoClasses,
    /// A question that cannot be asked.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A network with these failures cannot be computed.
    #[error(transparent)]
    Network(#[from] crate::NetworkError),
}
