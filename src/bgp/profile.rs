//! How one kind of router differs from another: decision settings, what it refuses, what it sends.

use crate::model::bgp::{DecisionOverrides, DefaultPolicy, MaximumPaths, Profile};

/// How many equal routes FRR's packages are built to use at once (`--enable-multipath=256`).
const FRR_MULTIPATH: u16 = 256;
/// What Azure documents as "all of them": no limit that matters.
const ALL_PATHS: u16 = u16::MAX;

/// A speaker's behaviour: its [`Profile`] with the overrides of the document applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What it was made from.
    pub profile: Profile,
    /// MED is compared between different neighbouring systems too.
    pub always_compare_med: bool,
    /// MED is compared in groups by neighbouring system, so that the order of arrival does not matter.
    pub deterministic_med: bool,
    /// A missing MED is the worst, not 0.
    pub missing_med_as_worst: bool,
    /// The AS-path length is left out.
    pub as_path_ignore: bool,
    /// Confederation members count in the AS-path length.
    pub as_path_confederation: bool,
    /// Equal-cost routes may have different AS paths of one length.
    pub multipath_relax: bool,
    /// The older external route wins before router ids are compared.
    pub prefer_oldest: bool,
    /// Cluster lists are compared by length.
    pub cluster_list_length: bool,
    /// The IGP cost of next hops is compared.
    pub igp_cost: bool,
    /// Weight is compared (else it says nothing).
    pub weight: bool,
    /// LOCAL_PREF is compared.
    pub local_preference: bool,
    /// Where routes made here stand.
    pub local_origin: LocalOrigin,
    /// ORIGIN is compared.
    pub origin: bool,
    /// MED is compared.
    pub med: bool,
    /// Whose MEDs are comparable.
    pub med_neighbor: MedNeighbor,
    /// External routes win over internal ones.
    pub peer_type: bool,
    /// Routes from another member of the confederation: external, or like internal ones.
    pub confederation_peers: ConfederationPeers,
    /// Router ids are compared.
    pub router_id: bool,
    /// A reflected route is compared by its originator's id, not its peer's (RFC 4456 section 9).
    pub originator_as_router_id: bool,
    /// Router ids are compared between two external routes too. GoBGP does so only with
    /// `external-compare-router-id`, else it goes on to the peers' addresses.
    pub router_id_between_external: bool,
    /// The addresses of peers are compared.
    pub peer_address: bool,
    /// The path ids of several routes from one peer are compared (RFC 7911).
    pub path_id: bool,
    /// A stale route (RFC 9494) loses against every fresh one.
    pub stale_last: bool,
    /// In which order routes meet each other, where MED makes that matter.
    pub arrival: Arrival,
    /// After the last step nothing documented decides: all that are left are the answer.
    pub undetermined: bool,
    /// Which AS paths equal-cost routes may have.
    pub multipath_as_path: MultipathAsPath,
    /// A route with the next hop of another adds nothing and is no second path.
    pub multipath_distinct_next_hops: bool,
    /// How many equal external routes are used at once; 1 is one.
    pub maximum_paths_ebgp: u16,
    /// How many equal internal routes are used at once.
    pub maximum_paths_ibgp: u16,
    /// The local preference of a route that has none.
    pub default_local_preference: u32,
    /// The weight of a route made here.
    pub local_weight: u32,
    /// RFC 8212: without a policy nothing passes an external session.
    pub ebgp_requires_policy: bool,
    /// A path from an external peer must begin with the peer's number.
    pub enforce_first_as: bool,
    /// A route whose next hop does not resolve is ineligible.
    pub checks_next_hop: bool,
    /// An internal route whose next hop does not resolve is still chosen, and sent on, where there is no other (BIRD: it
    /// drops packets).
    pub keeps_unresolved: bool,
    /// Who looks for the own cluster id in a received cluster list.
    pub checks_cluster_list: ClusterListCheck,
    /// A path with a set in it is refused (RFC 9774).
    pub rejects_as_sets: bool,
    /// A path that holds AS 0 is refused (RFC 7607).
    pub rejects_as_zero: bool,
    /// LOCAL_PREF from an external peer counts (else it is dropped on receipt, RFC 4271 section 5.1.5).
    pub local_preference_from_ebgp: bool,
    /// GRACEFUL_SHUTDOWN from an external peer sets LOCAL_PREF to 0 (RFC 8326).
    pub honours_graceful_shutdown: bool,
    /// NO_EXPORT, NO_ADVERTISE and NO_EXPORT_SUBCONFED are obeyed.
    pub honours_well_known: bool,
    /// Communities are sent unless a session says otherwise.
    pub sends_communities: bool,
    /// A route is sent back to the peer it came from (which drops it as a loop).
    pub sends_back: bool,
    /// A route is not sent to a peer whose number its path holds.
    pub checks_receiver_as: bool,
    /// The next hop of another router on the shared network is kept towards external peers.
    pub third_party_next_hop: bool,
    /// Private numbers equal to the neighbour's own stay where others are taken out: it shall see its loops.
    pub private_as_keeps_peer: bool,
    /// MED that a reflector gives a route without one.
    pub reflected_med: Option<u32>,
    /// What a policy that does not exist does.
    pub undefined_policy: DefaultPolicy,
    /// Whether a condition on a set that does not exist holds.
    pub undefined_set_matches: bool,
    /// What a policy's sum starts from where a route has no local preference.
    pub sum_local_preference_from: u32,
}

/// Who looks for the own cluster id in a received cluster list (RFC 4456 section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterListCheck {
    /// Every speaker.
    Always,
    /// Speakers that have clients.
    Reflectors,
    /// None.
    Never,
}

/// Where routes made here stand in the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalOrigin {
    /// Like any other.
    Ignored,
    /// Before received ones, after LOCAL_PREF.
    Preferred,
    /// The same, and an aggregate after networks and redistributed routes.
    BeforeAggregates,
    /// Before received ones by the preference of their protocol, whatever weight and LOCAL_PREF say; an aggregate after
    /// networks and redistributed routes.
    ByProtocol,
}

/// Whose MEDs are comparable (RFC 4271 section 9.1.2.2 c). Routes of no neighbouring system are comparable with each
/// other everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MedNeighbor {
    /// Routes of one neighbouring system; a path that begins with a set has none (as BIRD reads it).
    Neighbor,
    /// The same, but a path that begins with a set is comparable with none; paths that begin with one confederation
    /// member are comparable, whatever follows (FRR).
    NeighborOrMember,
    /// The same as the first, and of a set its first member counts (GoBGP).
    FirstNumber,
}

/// What a route from another member of the own confederation is (RFC 5065 section 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfederationPeers {
    /// Like an internal one.
    Internal,
    /// Like an internal one, until IGP costs are equal: then it wins (FRR).
    InternalAtFirst,
    /// Like an internal one, but with others of its kind it is older or newer like an external one (GoBGP).
    InternalByAge,
    /// Like an external one.
    External,
}

/// In which order routes meet each other. Comparison by MED is no total order, so it matters unless MED is deterministic
/// or compared always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The newest first, each older one against the best so far (FRR, Cisco). Of two equal external ones the one that
    /// was in use stays, where [`Settings::prefer_oldest`] says so.
    NewestFirst,
    /// The oldest first, each newer one against the best so far (BIRD).
    OldestFirst,
    /// A new one moves up a sorted list from its end, past each that it beats (GoBGP).
    Sorted,
}

/// Which AS paths equal-cost routes may have, besides the length that the decision compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultipathAsPath {
    /// The same.
    Equal,
    /// The same on internal sessions; on external ones any from one peer system (FRR).
    EqualOrPeer,
    /// Any from one neighbouring system (Junos).
    Neighbor,
}

impl Settings {
    /// The settings of a profile with overrides.
    pub fn new(profile: Profile, overrides: &DecisionOverrides, paths: MaximumPaths) -> Self {
        let base = Self::of(profile);
        let or = |set: Option<bool>, profile: bool| set.unwrap_or(profile);
        Self {
            always_compare_med: or(overrides.always_compare_med, base.always_compare_med),
            deterministic_med: or(overrides.deterministic_med, base.deterministic_med),
            missing_med_as_worst: or(overrides.missing_med_as_worst, base.missing_med_as_worst),
            as_path_ignore: or(overrides.as_path_ignore, base.as_path_ignore),
            as_path_confederation: or(overrides.as_path_confederation, base.as_path_confederation),
            multipath_relax: or(overrides.multipath_relax, base.multipath_relax),
            prefer_oldest: or(overrides.prefer_oldest, base.prefer_oldest)
                && overrides.compare_router_id != Some(true),
            router_id_between_external: base.router_id_between_external
                || overrides.compare_router_id == Some(true),
            cluster_list_length: or(overrides.cluster_list_length, base.cluster_list_length),
            igp_cost: or(overrides.igp_cost, base.igp_cost),
            maximum_paths_ebgp: paths.ebgp.unwrap_or(base.maximum_paths_ebgp),
            maximum_paths_ibgp: paths.ibgp.unwrap_or(base.maximum_paths_ibgp),
            ..base
        }
    }

    /// What a profile says.
    fn of(profile: Profile) -> Self {
        let rfc = Self::rfc4271();
        let base = match profile {
            Profile::Rfc4271 => rfc,
            Profile::Frr8 => Self::frr(),
            // Since FRR 10 a path must begin with its sender.
            Profile::Frr10 => Self { enforce_first_as: true, ..Self::frr() },
            Profile::Bird2 => Self {
                deterministic_med: false,
                local_origin: LocalOrigin::ByProtocol,
                arrival: Arrival::OldestFirst,
                keeps_unresolved: true,
                multipath_relax: true,
                checks_cluster_list: ClusterListCheck::Reflectors,
                ..rfc
            },
            Profile::Gobgp3 => Self {
                deterministic_med: false,
                local_origin: LocalOrigin::Preferred,
                med_neighbor: MedNeighbor::FirstNumber,
                confederation_peers: ConfederationPeers::InternalByAge,
                prefer_oldest: true,
                originator_as_router_id: false,
                router_id_between_external: false,
                cluster_list_length: false,
                igp_cost: false,
                arrival: Arrival::Sorted,
                multipath_relax: true,
                checks_next_hop: false,
                checks_cluster_list: ClusterListCheck::Never,
                local_preference_from_ebgp: true,
                honours_well_known: false,
                checks_receiver_as: true,
                third_party_next_hop: false,
                ..rfc
            },
            Profile::CiscoIos => Self {
                deterministic_med: false,
                weight: true,
                local_weight: 32768,
                local_origin: LocalOrigin::BeforeAggregates,
                prefer_oldest: true,
                path_id: true,
                arrival: Arrival::NewestFirst,
                enforce_first_as: true,
                sends_communities: false,
                private_as_keeps_peer: true,
                undefined_set_matches: true,
                ..rfc
            },
            Profile::Junos => Self {
                local_origin: LocalOrigin::ByProtocol,
                prefer_oldest: true,
                multipath_as_path: MultipathAsPath::Neighbor,
                checks_cluster_list: ClusterListCheck::Reflectors,
                checks_receiver_as: true,
                ..rfc
            },
            // The connection's weight (ER-8); the routing preference of Route Server is given as a weight likewise (at an
            // edge, what customers announce before what its gateways got from there).
            Profile::AzureMsee
            | Profile::AzureExpressRouteGateway
            | Profile::AzureVpnGateway
            | Profile::AzureRouteServer => Self { weight: true, ..Self::azure() },
            // Static before BGP, then the hub's routing preference, given as a weight before the AS path and as a MED
            // after it (VWAN-6).
            Profile::AzureVirtualHub => Self {
                weight: true,
                local_origin: LocalOrigin::ByProtocol,
                med: true,
                always_compare_med: true,
                ..Self::azure()
            },
        };
        Self { profile, ..base }
    }

    /// RFC 4271 with RFC 4456 and RFC 5065.
    fn rfc4271() -> Self {
        Self {
            profile: Profile::Rfc4271,
            always_compare_med: false,
            deterministic_med: true,
            missing_med_as_worst: false,
            as_path_ignore: false,
            as_path_confederation: false,
            multipath_relax: false,
            prefer_oldest: false,
            cluster_list_length: true,
            igp_cost: true,
            weight: false,
            local_preference: true,
            local_origin: LocalOrigin::Ignored,
            origin: true,
            med: true,
            med_neighbor: MedNeighbor::Neighbor,
            peer_type: true,
            confederation_peers: ConfederationPeers::Internal,
            router_id: true,
            originator_as_router_id: true,
            router_id_between_external: true,
            peer_address: true,
            path_id: false,
            stale_last: true,
            arrival: Arrival::OldestFirst,
            undetermined: false,
            multipath_as_path: MultipathAsPath::Equal,
            multipath_distinct_next_hops: false,
            maximum_paths_ebgp: 1,
            maximum_paths_ibgp: 1,
            default_local_preference: 100,
            local_weight: 0,
            ebgp_requires_policy: false,
            enforce_first_as: false,
            checks_next_hop: true,
            keeps_unresolved: false,
            checks_cluster_list: ClusterListCheck::Always,
            rejects_as_sets: false,
            rejects_as_zero: true,
            local_preference_from_ebgp: false,
            honours_graceful_shutdown: false,
            honours_well_known: true,
            sends_communities: true,
            sends_back: false,
            checks_receiver_as: false,
            third_party_next_hop: true,
            private_as_keeps_peer: false,
            reflected_med: None,
            undefined_policy: DefaultPolicy::RejectRoute,
            undefined_set_matches: false,
            sum_local_preference_from: 100,
        }
    }

    fn frr() -> Self {
        Self {
            deterministic_med: false,
            weight: true,
            local_weight: 32768,
            local_origin: LocalOrigin::Preferred,
            med_neighbor: MedNeighbor::NeighborOrMember,
            confederation_peers: ConfederationPeers::InternalAtFirst,
            prefer_oldest: true,
            arrival: Arrival::NewestFirst,
            multipath_as_path: MultipathAsPath::EqualOrPeer,
            multipath_distinct_next_hops: true,
            maximum_paths_ebgp: FRR_MULTIPATH,
            maximum_paths_ibgp: FRR_MULTIPATH,
            ebgp_requires_policy: true,
            honours_graceful_shutdown: true,
            sends_back: true,
            private_as_keeps_peer: true,
            reflected_med: Some(0),
            sum_local_preference_from: 0,
            ..Self::rfc4271()
        }
    }

    /// What the Azure speakers have in common: the AS-path length decides, all that are equal are used, and no document
    /// says more (BGP-10).
    fn azure() -> Self {
        Self {
            cluster_list_length: false,
            igp_cost: false,
            local_preference: false,
            origin: false,
            med: false,
            peer_type: false,
            router_id: false,
            peer_address: false,
            stale_last: false,
            undetermined: true,
            multipath_relax: true,
            maximum_paths_ebgp: ALL_PATHS,
            maximum_paths_ibgp: ALL_PATHS,
            ..Self::rfc4271()
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(Profile::Rfc4271, &DecisionOverrides::default(), MaximumPaths::default())
    }
}
