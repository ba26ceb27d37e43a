//! What places outside Azure know: their routers as a graph, and every exit from it (hosts, circuits, VPN connections,
//! tunnels, the Internet) with the prefixes it leads to.
//!
//! The graph is flooded: a router knows every exit that its tenant may reach, takes the longest prefix, then the highest
//! preference, then the nearest exit, and all of equal ones. Routes given to a site stay in that site. Each tenant sees
//! its own sites, the providers' networks, and the circuits and connections that are its own (ISO-1, CSP-1).

mod build;
mod entry;
mod numbered;
mod route;

use std::collections::HashMap;
use std::ops::Index;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use petgraph::graph::UnGraph;

use super::LearnedOver;
use super::bgp::Bgp;
use crate::model::{Advertisement, LinkRole, PeeringType, ResourceId};
use crate::prefix_table::PrefixLists;
pub(crate) use numbered::{Numbered, StandingKey, numbered};

pub(super) use build::{build, may_join, microsoft_prefixes};

/// A router, as a position in [`OnPremises::routers`].
pub(crate) type RouterIx = usize;

/// Learned over ExpressRoute; VPN is less preferred (COEX-5), the site's own Internet exit equal.
const LEARNED: u32 = 100;
const LEARNED_BY_VPN: u32 = 90;
/// What a site tells Azure it has, where nothing better is known of the prefix.
const ADVERTISED: u32 = 80;
const TUNNEL: u32 = 150;
const CONNECTED: u32 = u32::MAX;

/// Everything outside Azure.
#[derive(Debug, Default)]
pub(crate) struct OnPremises {
    pub(crate) routers: Vec<RouterNode>,
    /// The routers of each site.
    pub(crate) by_site: Vec<Vec<RouterIx>>,
    pub(crate) exits: Exits,
    /// Computed BGP: routers with a speaker follow its table in place of what is flooded.
    pub(crate) bgp: Option<Bgp>,
    /// By router: its speakers, as their positions among the places.
    speakers: HashMap<RouterIx, Vec<usize>>,
    /// Exits over Azure's computed sessions, by prefix.
    computed: HashMap<LearnedOver, PrefixLists<usize>>,
    /// Where the routers stand that speak BGP over a circuit's link.
    session_edges: HashMap<LearnedOver, Vec<RouterIx>>,
    graph: UnGraph<(), Edge>,
    table: PrefixLists<usize>,
    edges: HashMap<(usize, LinkRole), Vec<RouterIx>>,
    connection_edges: HashMap<usize, Vec<RouterIx>>,
}

/// Ways out: those that failures of sessions and links leave as they are, then the others.
#[derive(Debug, Default)]
pub(crate) struct Exits {
    standing: Arc<Standing>,
    others: IndexSet<Exit>,
}

impl Index<usize> for Exits {
    type Output = Exit;

    fn index(&self, at: usize) -> &Exit {
        match at.checked_sub(self.standing.exits.len()) {
            Some(other) => &self.others[other],
            None => &self.standing.exits[at],
        }
    }
}

/// What sites have by themselves and say they have.
#[derive(Debug, Default)]
struct Standing {
    /// What it was made of.
    told: Arc<Vec<Vec<Advertisement>>>,
    exits: IndexSet<Exit>,
    table: PrefixLists<usize>,
    /// At routers with speakers: an exit to hosts, and one to nowhere, for routes of their own. No prefix leads there.
    own_exits: HashMap<RouterIx, (usize, usize)>,
    /// Advertisements over circuits and connections: which site announces something there, on one link or both.
    announced: IndexMap<(ResourceId, PeeringType), Vec<Announcer>>,
    /// The same by prefix, each with the position of what it is announced over.
    announced_at: PrefixLists<(usize, Announcer)>,
}

/// A site that announces on one link or both.
type Announcer = (Option<LinkRole>, usize);

/// A router, or a site that is not told apart into routers.
#[derive(Debug)]
pub(crate) struct RouterNode {
    pub(crate) site: usize,
    pub(crate) id: ResourceId,
    pub(crate) stateful: bool,
    tenant: Option<String>,
    provider: bool,
}

/// A link between routers. The weight counts hops below cost, so that it falls strictly on the way to a target.
#[derive(Clone, Debug)]
struct Edge {
    weight: u64,
    link: Option<usize>,
    tenant: Option<String>,
}

/// A way out of the graph, for whatever prefixes lead there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Exit {
    pub(crate) at: RouterIx,
    pub(crate) kind: ExitKind,
    preference: u32,
    /// The tenant that may use it; none is every tenant.
    scope: Scope,
    /// Set for routes given to a site: only its own routers see them.
    only_site: Option<usize>,
    /// It leads over a session that BGP computes: routers with a speaker know better.
    computed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Scope {
    Every,
    Tenant(Option<String>),
}

impl Exit {
    fn new(at: RouterIx, kind: ExitKind, preference: u32, scope: Scope) -> Self {
        Self { at, kind, preference, scope, only_site: None, computed: false }
    }
}

/// What lies behind an exit, as positions in the document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ExitKind {
    /// Hosts of the site, the router itself, or what the site says it has.
    Here,
    /// Private peering, to the gateway of this connection.
    Private { circuit: usize, link: LinkRole, connection: usize },
    /// Microsoft or public peering.
    Public { circuit: usize, link: LinkRole, peering: PeeringType },
    /// Private peering of `circuit`, then Global Reach to the sites of `far` (ER-15).
    GlobalReach { circuit: usize, link: LinkRole, far: usize },
    /// A VPN connection, into its gateway.
    Vpn { connection: usize },
    /// An overlay tunnel; true enters at end `a` and leaves at `b`.
    Tunnel { tunnel: usize, forward: bool },
    /// The site's Internet exit.
    Internet,
    /// A given route drops it.
    Discard,
    /// A given route sends it to this router.
    Towards(RouterIx),
}

/// Where the BGP table of an appliance in Azure leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ApplianceWay {
    /// Out of its interface: the virtual network's own routes decide.
    Network,
    /// Into a VPN connection, to the gateway that owns it.
    Connection(usize),
    /// Over its own tunnel to another appliance.
    Appliance(usize),
    /// Over its own tunnel to a router outside.
    Router(RouterIx),
}

/// One step of a packet outside Azure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// It leaves the graph.
    Exit(usize),
    /// It goes to the next router, over this link (none inside a site).
    Router(RouterIx, Option<usize>),
}
