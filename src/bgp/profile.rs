//! How one kind of router differs from another: decision settings, what it refuses, what it sends.

use crate::model::bgp::{DecisionOverrides, DefaultPolicy, MaximumPaths, Profile};

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
    /// Who looks for the own cluster id in a received cluster list.
    pub checks_cluster_list: ClusterListCheck,
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

impl Settings {
    /// The settings of a profile with overrides.
    pub fn new(profile: Profile, overrides: &DecisionOverrides, paths: MaximumPaths) -> Self {
        let base = Self {
            profile,
            always_compare_med: false,
            deterministic_med: true,
            missing_med_as_worst: false,
            as_path_ignore: false,
            as_path_confederation: false,
            multipath_relax: false,
            prefer_oldest: false,
            cluster_list_length: true,
            igp_cost: true,
            maximum_paths_ebgp: 1,
            maximum_paths_ibgp: 1,
            default_local_preference: 100,
            local_weight: 0,
            ebgp_requires_policy: false,
            enforce_first_as: false,
            checks_next_hop: true,
            checks_cluster_list: ClusterListCheck::Always,
            local_preference_from_ebgp: false,
            honours_graceful_shutdown: false,
            honours_well_known: true,
            sends_communities: true,
            sends_back: false,
            checks_receiver_as: false,
            third_party_next_hop: true,
            reflected_med: None,
            undefined_policy: DefaultPolicy::RejectRoute,
            undefined_set_matches: false,
            sum_local_preference_from: 100,
        };
        let or = |set: Option<bool>, profile: bool| set.unwrap_or(profile);
        Self {
            always_compare_med: or(overrides.always_compare_med, base.always_compare_med),
            deterministic_med: or(overrides.deterministic_med, base.deterministic_med),
            missing_med_as_worst: or(overrides.missing_med_as_worst, base.missing_med_as_worst),
            as_path_ignore: or(overrides.as_path_ignore, base.as_path_ignore),
            as_path_confederation: or(overrides.as_path_confederation, base.as_path_confederation),
            multipath_relax: or(overrides.multipath_relax, base.multipath_relax),
            prefer_oldest: or(overrides.prefer_oldest, base.prefer_oldest)
                && !or(overrides.compare_router_id, false),
            cluster_list_length: or(overrides.cluster_list_length, base.cluster_list_length),
            igp_cost: or(overrides.igp_cost, base.igp_cost),
            maximum_paths_ebgp: paths.ebgp.unwrap_or(base.maximum_paths_ebgp),
            maximum_paths_ibgp: paths.ibgp.unwrap_or(base.maximum_paths_ibgp),
            ..base
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(Profile::Rfc4271, &DecisionOverrides::default(), MaximumPaths::default())
    }
}
