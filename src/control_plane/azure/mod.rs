//! Azure's own BGP speakers, in one design with the routers outside.
//!
//! | Speaker | Id | ASN |
//! |---|---|---|
//! | Microsoft's edge router (MSEE), one for each link of each peering of a circuit | `{circuit}/peerings/{peering type}/links/{primary or secondary}` | 12076 |
//! | Virtual network gateway (both instances: they tell the same, BGP-9) | the gateway's id | its own, 65515 |
//! | Route Server | its id | 65515 |
//! | What a site is declared to advertise | `{circuit's link or VPN connection}/declared` | none that shows |
//!
//! | Session | Id |
//! |---|---|
//! | MSEE and the customer's edge | the document's, or `{MSEE}/declared`; with `/families/ipv6` for IPv6 |
//! | MSEE and gateway | `{connection}/links/{primary or secondary}` |
//! | MSEEs joined by Global Reach | `{MSEE}/globalReach/{MSEE}` |
//! | VPN gateway and site | the document's, or `{connection}/declared` |
//! | VPN gateways (VNet-to-VNet with BGP) | `{connection}/vnet2vnet/{connection}` |
//! | Route Server and gateway of its network | `{Route Server}/branches/{gateway}` |
//! | Route Server and appliance | the document's |
//! | ExpressRoute and VPN gateway of one network | `{ExpressRoute gateway}/beside/{VPN gateway}` |
//!
//! What Azure does to routes is RFC 9067 policy whose statements are named by the rule: an explanation that traces the
//! policies names the rules. Facts about a route that a later speaker asks for travel as large communities of AS 12076
//! ([`Mark`]), which never leave Azure.

mod beside;
mod hub;
mod hub_policies;
mod numbers;
mod policies;
mod public;
mod speakers;

use std::collections::HashMap;

use super::LearnedOver;
use crate::model::bgp::{AddressFamily, PathAttributes};
use crate::model::{LinkRole, PeeringType, ResourceId};

pub(super) use hub::Hubs;
pub(crate) use hub::{HubWay, hub_of};
pub(crate) use hub_policies::{HubKind, HubMarks};
pub(crate) use speakers::peer_addresses;
pub(super) use speakers::{Azure, session_id};

/// A session that Azure has an end of.
#[derive(Clone, Debug)]
pub(super) struct AzureSession {
    pub(super) id: ResourceId,
    /// Azure's end; of two, the first of [`Use`].
    pub(super) speaker: ResourceId,
    pub(super) peer: ResourceId,
    pub(super) what: Use,
}

/// What a session joins, as positions in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Azure's end and a customer's, one family.
    Outside { over: LearnedOver, family: AddressFamily },
    /// An MSEE of private peering and a gateway.
    Gateway { circuit: usize, link: LinkRole, connection: usize, gateway: usize },
    /// Two MSEEs.
    GlobalReach { near: (usize, LinkRole), far: (usize, LinkRole) },
    /// Two VPN gateways, with the connections each way.
    Transit { near: (usize, usize), far: (usize, usize) },
    /// A Route Server and a gateway of its network.
    Branch,
    /// The ExpressRoute and the VPN gateway of one network.
    Beside,
    /// Two hubs of a virtual WAN.
    Hubs { near: usize, far: usize },
}

/// Sessions by id, and in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Wiring {
    pub(super) sessions: Vec<AzureSession>,
    /// Sessions that stay down for the other end's number (BGP-2).
    pub(super) refused: Vec<(LearnedOver, crate::model::Asn)>,
    pub(super) hubs: Hubs,
    by_id: HashMap<ResourceId, usize>,
}

impl Wiring {
    pub(super) fn push(&mut self, session: AzureSession) {
        self.by_id.insert(session.id.clone(), self.sessions.len());
        self.sessions.push(session);
    }

    /// Notes once that a session stays down for the other end's number.
    pub(super) fn refuse(&mut self, refusal: (LearnedOver, crate::model::Asn)) {
        if !self.refused.contains(&refusal) {
            self.refused.push(refusal);
        }
    }

    pub(super) fn get(&self, id: &ResourceId) -> Option<&AzureSession> {
        self.by_id.get(id).map(|at| &self.sessions[*at])
    }

    /// Sessions with the world outside over one of Azure's ends.
    pub(super) fn outside(&self, over: LearnedOver) -> impl Iterator<Item = &AzureSession> {
        self.sessions.iter().filter(move |s| matches!(s.what, Use::Outside { over: o, .. } if o == over))
    }
}

/// The id of an MSEE, and of Azure's end of a circuit's link in the document's sessions.
pub(crate) fn msee(circuit: &ResourceId, peering: PeeringType, link: LinkRole) -> ResourceId {
    circuit.child("peerings", peering.as_str()).child("links", link.as_str())
}

/// A fact that travels with a route inside Azure, as a large community `12076:{kind}:{value}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A network's space (or what its Route Server learned), from this gateway.
    Gateway(u32),
    /// Whether that gateway lets networks of its circuits in (ER-12).
    LetsIn(bool),
    /// It came over Global Reach from this circuit.
    Reached(u32),
    /// How a Route Server has it.
    Branch(Branch),
    /// Whether that gateway lets virtual WANs of its circuits in (ER-12).
    LetsWansIn(bool),
}

/// What a Route Server tells apart (ARS-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    ExpressRoute,
    Vpn,
    Appliance,
}

/// What the marks of a route say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Marks {
    /// The gateway in Azure that stands behind it.
    pub(super) gateway: Option<usize>,
    /// The circuit behind Global Reach.
    pub(super) reached: Option<usize>,
}

impl Marks {
    pub(super) fn of(attributes: &PathAttributes) -> Self {
        let mut marks = Self::default();
        for community in attributes.communities.large() {
            if community.global != crate::model::Asn::MICROSOFT_EDGE.0 {
                continue;
            }
            let value = usize::try_from(community.local_2).ok();
            match community.local_1 {
                Mark::GATEWAY => marks.gateway = value,
                Mark::REACHED => marks.reached = value,
                _ => {}
            }
        }
        marks
    }
}

impl Mark {
    const GATEWAY: u32 = 1;
    const LETS_IN: u32 = 2;
    const REACHED: u32 = 3;
    const BRANCH: u32 = 4;
    const LETS_WANS_IN: u32 = 5;

    fn kind(self) -> u32 {
        match self {
            Self::Gateway(_) => Self::GATEWAY,
            Self::LetsIn(_) => Self::LETS_IN,
            Self::Reached(_) => Self::REACHED,
            Self::Branch(_) => Self::BRANCH,
            Self::LetsWansIn(_) => Self::LETS_WANS_IN,
        }
    }

    fn value(self) -> u32 {
        match self {
            Self::Gateway(value) | Self::Reached(value) => value,
            Self::LetsIn(open) | Self::LetsWansIn(open) => u32::from(open),
            Self::Branch(branch) => branch as u32,
        }
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", crate::model::Asn::MICROSOFT_EDGE.0, self.kind(), self.value())
    }
}
