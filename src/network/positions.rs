//! Sets of positions, told by what a design says of them.

use crate::Network;
use crate::model::{Entity, ResourceId, VirtualNetwork};
use crate::resolve::Position;

/// Positions of a network, in order of the document: an iterator, and what narrows it down.
///
/// ```
/// # use azroute::{Network, model::Topology};
/// # let topology = Topology::builder().virtual_network("spoke", &["10.1.0.0/16"]).subnet("spoke", "web", "10.1.0.0/24")
/// #     .build()?;
/// let net = Network::build(&topology)?;
/// assert_eq!(net.positions().in_virtual_network("spoke").subnets().count(), 1);
/// assert_eq!(net.positions().tagged("role=spoke").count(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PositionSet<'n> {
    network: &'n Network,
    positions: std::vec::IntoIter<Position>,
}

impl<'n> PositionSet<'n> {
    pub(super) fn new(network: &'n Network, positions: Vec<Position>) -> Self {
        Self { network, positions: positions.into_iter() }
    }

    /// Those whose virtual network has this tag: its name or its value (`spoke`), or both (`role=spoke`), compared without
    /// case.
    #[must_use]
    pub fn tagged(self, tag: &str) -> Self {
        let is = |text: &str, other: &str| text.eq_ignore_ascii_case(other);
        let tag = tag.to_owned();
        self.of_network(move |network| {
            network.tags.iter().any(|(name, value)| match tag.split_once('=') {
                Some((n, v)) => is(name, n) && is(value, v),
                None => is(name, &tag) || is(value, &tag),
            })
        })
    }

    /// Subnets and hosts of this virtual network.
    #[must_use]
    pub fn in_virtual_network(self, id: impl Into<ResourceId>) -> Self {
        let id = id.into();
        self.of_network(move |network| network.id == id)
    }

    /// Subnets and hosts of networks that this says of.
    fn of_network(self, is: impl Fn(&VirtualNetwork) -> bool) -> Self {
        let network = self.network;
        self.narrowed(|id| {
            let topology = network.topology();
            let networks = &topology.document().virtual_networks;
            home(network, topology.entity(id)).and_then(|v| networks.get(v)).is_some_and(&is)
        })
    }

    /// Subnets: each stands for any host in it.
    #[must_use]
    pub fn subnets(self) -> Self {
        self.of_kind(|entity| matches!(entity, Entity::Subnet(..)))
    }

    /// Network interfaces.
    #[must_use]
    pub fn network_interfaces(self) -> Self {
        self.of_kind(|entity| matches!(entity, Entity::Nic(_)))
    }

    /// Sites outside Azure, with their routers and host ranges.
    #[must_use]
    pub fn sites(self) -> Self {
        self.of_kind(|entity| matches!(entity, Entity::Site(_) | Entity::Router(..) | Entity::HostRange(..)))
    }

    /// Those with these ids; one that is not there is left out.
    #[must_use]
    pub fn named(self, ids: impl IntoIterator<Item = impl Into<ResourceId>>) -> Self {
        let ids: Vec<ResourceId> = ids.into_iter().map(Into::into).collect();
        self.narrowed(|id| ids.contains(id))
    }

    fn of_kind(self, is: impl Fn(Entity) -> bool) -> Self {
        let network = self.network;
        self.narrowed(|id| network.topology().entity(id).is_some_and(&is))
    }

    fn narrowed(self, is: impl Fn(&ResourceId) -> bool) -> Self {
        let Self { network, positions } = self;
        let left: Vec<Position> = positions.filter(|p| network.position_id(*p).is_some_and(&is)).collect();
        Self::new(network, left)
    }
}

/// The virtual network that a resource stands in, by its place in the document.
fn home(network: &Network, entity: Option<Entity>) -> Option<usize> {
    let topology = network.topology();
    let document = topology.document();
    match entity? {
        Entity::Subnet(v, _) | Entity::VirtualNetwork(v) => Some(v),
        Entity::Nic(n) => {
            let first = document.network_interfaces.get(n)?.ip_configurations.first()?;
            home(network, topology.entity(&first.subnet))
        }
        _ => None,
    }
}

impl Iterator for PositionSet<'_> {
    type Item = Position;

    fn next(&mut self) -> Option<Position> {
        self.positions.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.positions.size_hint()
    }
}
