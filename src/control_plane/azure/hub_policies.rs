//! What the routers of virtual hubs do to routes, as RFC 9067 policies. A statement's name begins with the rule it
//! stands for.
//!
//! A hub's decision process compares weight, then what is made here, AS-path length and MED. The statements named VWAN-6
//! set weight and MED by where a route came from, so that this process gives the rule's order: what the preference puts
//! before the AS path is weight, what it puts after is MED.

use ipnet::IpNet;

use super::policies::{
    accept, any, change, definition, large, large_any, prefixes, reject, statement, with_texts,
    without_communities, without_marks,
};
use crate::model::bgp::{
    Actions, CommunityOption, Conditions, LargeCommunitySet, MatchSetOptions, PathAttributes,
    PolicyDefinition, PolicyResult, PrefixRange, PrefixSet, Prepend, PrependAsn, RoutingPolicy, SetCommunity,
    SetMed, SetNumber, Statement,
};
use crate::model::{Asn, HubRoutingPreference};

/// What a hub tells the tables beside its default one, and they tell nobody.
pub(super) const SILENT: &str = "azure/hubs/silent";

const KINDS: &str = "azure/hubs/kinds";
const OF_BRANCHES: &str = "azure/hubs/kinds-of-branches";
const HUB_MARKS: &str = "azure/hubs/marks";
const WAYS: &str = "azure/hubs/ways";
const DEFAULTS: &str = "azure/hubs/default-routes";
const OF_GATEWAYS: &str = "azure/hubs/of-gateways";
const CLOSED_TO_WANS: &str = "azure/hubs/of-gateways-that-let-no-wan-in";

/// The number that hubs put in front of what they tell each other (VWAN-8).
pub(crate) const BETWEEN_HUBS: Asn = Asn(65_520);

/// Where a hub has a route from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum HubKind {
    /// A connected network, or a static route of its connection (VWAN-15).
    Network = 1,
    /// The hub's own prefix, or a range of its routing intent: told to branches, in no table.
    Hub = 2,
    /// A static route of a table, or of routing intent.
    Static = 3,
    /// A circuit.
    ExpressRoute = 4,
    /// A VPN site.
    SiteToSite = 5,
    /// An appliance that peers with the hub.
    Appliance = 6,
}

impl HubKind {
    const ALL: [Self; 6] =
        [Self::Network, Self::Hub, Self::Static, Self::ExpressRoute, Self::SiteToSite, Self::Appliance];

    pub(super) fn of(value: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u32 == value)
    }

    fn set(self) -> String {
        format!("azure/hubs/kind-{}", self as u32)
    }
}

/// A fact about a route inside a virtual WAN, as a large community `12076:{kind}:{value}` beside those of
/// [`Mark`](super::Mark).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HubMark {
    /// Where the hub that brought it in has it from.
    Kind(HubKind),
    /// A table that takes it (VWAN-1), by its place among all tables.
    Table(u32),
    /// It came from another hub.
    Remote(u32),
    /// That hub has private routing intent (VWAN-9).
    Intent,
    /// Which way packets go, by its place in the register of ways.
    Way(u32),
}

impl HubMark {
    pub(super) const KIND: u32 = 10;
    pub(super) const TABLE: u32 = 11;
    pub(super) const REMOTE: u32 = 12;
    pub(super) const INTENT: u32 = 13;
    pub(super) const WAY: u32 = 14;
}

impl std::fmt::Display for HubMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, value) = match self {
            Self::Kind(kind) => (Self::KIND, *kind as u32),
            Self::Table(table) => (Self::TABLE, *table),
            Self::Remote(hub) => (Self::REMOTE, *hub),
            Self::Intent => (Self::INTENT, 1),
            Self::Way(way) => (Self::WAY, *way),
        };
        write!(f, "{}:{kind}:{value}", Asn::MICROSOFT_EDGE.0)
    }
}

/// What the marks of a route say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HubMarks {
    pub(crate) kind: Option<HubKind>,
    pub(crate) tables: Vec<usize>,
    pub(crate) ways: Vec<usize>,
}

impl HubMarks {
    pub(crate) fn of(attributes: &PathAttributes) -> Self {
        let mut marks = Self::default();
        for community in attributes.communities.large() {
            if community.global != Asn::MICROSOFT_EDGE.0 {
                continue;
            }
            let value = usize::try_from(community.local_2).unwrap_or(usize::MAX);
            match community.local_1 {
                HubMark::KIND => marks.kind = HubKind::of(community.local_2),
                HubMark::TABLE => marks.tables.push(value),
                HubMark::WAY => marks.ways.push(value),
                _ => {}
            }
        }
        marks
    }
}

/// How a route stands by VWAN-6: its weight, compared before the AS path, and its MED, compared after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) weight: u32,
    pub(super) med: u32,
}

/// Above all that is learned.
const STATIC: u32 = 1_000_000;
const NETWORK: u32 = 900_000;
/// Where the AS path is compared first, everything learned has this.
const LEARNED: u32 = 500_000;
/// Local before remote; the weights of connections (ER-8) fit in between.
const LOCAL: u32 = 400_000;
const REMOTE_WEIGHT: u32 = 200_000;
const STEP: u32 = 40_000;
/// With several remote hubs, a remote circuit's routes come last where AS paths are compared first.
const LAST: u32 = 1;

/// The order of VWAN-6 as numbers. `remote` says whether the route came from another hub, and whether that one has
/// private routing intent (VWAN-9).
pub(super) fn standing(
    preference: HubRoutingPreference,
    kind: HubKind,
    remote: Option<bool>,
    several_remote_hubs: bool,
) -> Standing {
    match (kind, remote) {
        (HubKind::Static, None) => return Standing { weight: STATIC, med: 0 },
        (HubKind::Network | HubKind::Hub, None) => return Standing { weight: NETWORK, med: 0 },
        _ => {}
    }
    // Networks of other hubs meet branches' prefixes like those of sites; what an appliance announces comes after what
    // gateways learn, except where circuits come last.
    let class = match (preference, kind, remote) {
        (_, HubKind::Network | HubKind::Hub | HubKind::Static, _) => 0,
        (HubRoutingPreference::VpnGateway, HubKind::SiteToSite, _)
        | (_, HubKind::SiteToSite, Some(_))
        | (_, HubKind::ExpressRoute, None) => 1,
        (_, HubKind::SiteToSite, None) => 2,
        (_, HubKind::Appliance, Some(_)) => 2,
        (_, HubKind::ExpressRoute, Some(_)) | (_, HubKind::Appliance, None) => 3,
    };
    // Of the VPN setting a local circuit stands between sites and appliances.
    let class = match (preference, kind, remote) {
        (HubRoutingPreference::VpnGateway, HubKind::ExpressRoute, None) => 2,
        _ => class,
    };
    let place = match remote {
        None => 0,
        Some(true) => 1,
        Some(false) => 2,
    };
    if preference == HubRoutingPreference::AsPath {
        let last = several_remote_hubs && kind == HubKind::ExpressRoute && remote.is_some();
        let weight = if last { LAST } else { LEARNED };
        return Standing { weight, med: place * 10 + class };
    }
    let base = match remote {
        None => LOCAL,
        // With intent first (VWAN-9), in whichever class.
        Some(true) => REMOTE_WEIGHT,
        Some(false) => STEP,
    };
    let step = if remote == Some(false) { 10_000 } else { STEP };
    Standing { weight: base + (3 - class) * step, med: 0 }
}

/// The sets that no hub has for its own.
pub(super) fn common(policy: &mut RoutingPolicy) {
    let set = |name: &str, members: &[&str]| LargeCommunitySet {
        name: name.to_owned(),
        members: members.iter().map(ToString::to_string).collect(),
    };
    policy.large_community_sets.extend([
        set(KINDS, &["^12076:10:"]),
        set(OF_BRANCHES, &["^12076:10:[3-6]$"]),
        set(HUB_MARKS, &["^12076:1[0-4]:"]),
        set(WAYS, &["^12076:14:"]),
        set(OF_GATEWAYS, &["^12076:1:"]),
        set(CLOSED_TO_WANS, &["^12076:5:0$"]),
    ]);
    let of_kind = |kind: HubKind| set(&kind.set(), &[&HubMark::Kind(kind).to_string()]);
    policy.large_community_sets.extend(HubKind::ALL.into_iter().map(of_kind));
    let default = "0.0.0.0/0".parse::<IpNet>().ok().map(PrefixRange::exact);
    policy.prefix_sets.push(PrefixSet { name: DEFAULTS.to_owned(), prefixes: default.into_iter().collect() });
    policy.policy_definitions.push(definition(
        SILENT,
        [statement("VWAN-1: a table is for connected networks, it tells nobody", any(), reject())],
    ));
}

/// What a hub's policies depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hub {
    pub(super) index: u32,
    pub(super) preference: HubRoutingPreference,
    pub(super) several_remote_hubs: bool,
    /// Private routing intent (VWAN-11).
    pub(super) intent: bool,
    /// Routing intent carries traffic between circuits (VWAN-10).
    pub(super) circuits_meet: bool,
    /// Its default table, by its place among all tables.
    pub(super) default_table: u32,
}

impl Hub {
    fn name(&self, what: &str) -> String {
        format!("azure/hubs/{}/{what}", self.index)
    }

    /// The order of VWAN-6, for whatever arrives.
    pub(super) fn selection(&self, policy: &mut RoutingPolicy) -> String {
        let name = self.name("selection");
        if has(policy, &name) {
            return name;
        }
        let setting = match self.preference {
            HubRoutingPreference::ExpressRoute => "ExpressRoute",
            HubRoutingPreference::VpnGateway => "VPN",
            HubRoutingPreference::AsPath => "ASPath",
        };
        let mut statements = Vec::new();
        let sets = |standing: Standing| Actions {
            set_weight: Some(standing.weight),
            set_med: Some(SetMed::Number(SetNumber::Value(standing.med))),
            ..accept()
        };
        for (place, remote) in
            [("of a hub with intent", Some(true)), ("remote", Some(false)), ("local", None)]
        {
            for kind in [
                (HubKind::ExpressRoute, "ExpressRoute"),
                (HubKind::SiteToSite, "site-to-site VPN"),
                (HubKind::Appliance, "appliance"),
                (HubKind::Network, "network"),
                (HubKind::Static, "static"),
            ] {
                let standing = standing(self.preference, kind.0, remote, self.several_remote_hubs);
                let rule = if remote == Some(true) { "VWAN-9" } else { "VWAN-6" };
                let text = format!("{rule}: by {setting}, {place} {}", kind.1);
                let place = match remote {
                    Some(true) => Some(HubMark::INTENT),
                    Some(false) => Some(HubMark::REMOTE),
                    None => None,
                };
                let conditions = kind_at(policy, kind.0, place);
                statements.push(statement(&text, conditions, sets(standing)));
            }
        }
        policy.policy_definitions.push(PolicyDefinition { name: name.clone(), statements });
        name
    }

    /// What a circuit's edge tells the hub over one link of a connection.
    pub(super) fn msee_import(
        &self,
        policy: &mut RoutingPolicy,
        (connection, link): (u32, &str),
        own: &[u32],
        lets_networks_in: bool,
        marks: &[HubMark],
    ) -> String {
        let name = self.name(&format!("connections/{connection}/{link}/from-msee"));
        let mine = self.name("gateways");
        if policy.large_community_sets.iter().all(|s| s.name != mine) {
            let members = own.iter().map(|g| super::Mark::Gateway(*g).to_string()).collect();
            policy.large_community_sets.push(LargeCommunitySet { name: mine.clone(), members });
        }
        let mut statements = vec![
            statement("BGP-5: its own networks come back", large_any(&mine), reject()),
            statement("VWAN-14: of another hub only networks bounce", large_any(OF_BRANCHES), reject()),
        ];
        let goes_on = Actions { policy_result: Some(PolicyResult::NextPolicy), ..marked(marks) };
        statements.push(statement("VWAN-14: hubs let each other in", large_any(KINDS), goes_on));
        let closed = if lets_networks_in { CLOSED_TO_WANS } else { OF_GATEWAYS };
        let text = "ER-12: other networks, where both let them in";
        statements.push(statement(text, large_any(closed), reject()));
        statements.push(statement("VWAN-1: what a circuit brings", any(), marked(marks)));
        policy.policy_definitions.push(PolicyDefinition { name: name.clone(), statements });
        name
    }

    /// What a site or an appliance tells the hub.
    pub(super) fn branch_import(&self, policy: &mut RoutingPolicy, what: &str, marks: &[HubMark]) -> String {
        let name = self.name(&format!("{what}/import"));
        if has(policy, &name) {
            return name;
        }
        policy.policy_definitions.push(definition(
            &name,
            [
                statement("BGP-4: the customer's communities are ignored", any(), without_communities()),
                statement("VWAN-1: what a branch brings", any(), marked(marks)),
            ],
        ));
        name
    }

    /// What another hub tells this one.
    pub(super) fn hub_import(&self, policy: &mut RoutingPolicy, other: u32, way: u32) -> String {
        let name = self.name(&format!("from-hub/{other}"));
        let marks = [HubMark::Remote(other), HubMark::Way(way)].map(|m| m.to_string());
        policy.policy_definitions.push(definition(
            &name,
            [
                statement("VWAN-8: the way is the other hub", any(), without(WAYS)),
                statement("VWAN-8: the best of another hub", any(), with_texts(&marks)),
            ],
        ));
        name
    }

    /// What this hub tells others.
    pub(super) fn hub_export(&self, policy: &mut RoutingPolicy) -> String {
        let name = self.name("to-hub");
        if has(policy, &name) {
            return name;
        }
        let twice = Prepend { asn: Some(PrependAsn::Asn(BETWEEN_HUBS)), repeat: 2, ..Prepend::default() };
        let mark: Vec<String> = self.intent.then(|| HubMark::Intent.to_string()).into_iter().collect();
        let told = Actions { set_as_path_prepend: Some(twice), ..accept() };
        let told = if mark.is_empty() {
            told
        } else {
            Actions { set_large_communities: with_texts(&mark).set_large_communities, ..told }
        };
        policy.policy_definitions.push(definition(
            &name,
            [
                statement("VWAN-4: a default route stays in its hub", prefixes(DEFAULTS), reject()),
                statement(
                    "VWAN-3: static routes are the hub's own",
                    large_any(&HubKind::Static.set()),
                    reject(),
                ),
                statement(
                    "VWAN-8: its prefix goes to branches only",
                    large_any(&HubKind::Hub.set()),
                    reject(),
                ),
                statement("VWAN-8: 65520 twice in front", any(), told),
            ],
        ));
        name
    }

    /// What this hub tells one of its other tables.
    pub(super) fn table_export(&self, policy: &mut RoutingPolicy, table: u32) -> String {
        let name = self.name(&format!("to-table/{table}"));
        let takes = in_table(policy, table);
        policy.policy_definitions.push(definition(
            &name,
            [
                statement("VWAN-1: what is propagated to the table", large_any(&takes), accept()),
                statement("VWAN-1: nothing else", any(), reject()),
            ],
        ));
        name
    }

    /// What this hub tells a circuit's edge, from one of its gateways; `default_route` is the connection's flag.
    pub(super) fn msee_export(
        &self,
        policy: &mut RoutingPolicy,
        (gateway, lets_in): (u32, bool),
        default_route: bool,
    ) -> String {
        let name = self.name(&format!("to-msee/{gateway}/{default_route}"));
        if has(policy, &name) {
            return name;
        }
        let marks = [super::Mark::Gateway(gateway), super::Mark::LetsIn(lets_in)].map(|m| m.to_string());
        let marked = Actions { set_large_communities: with_texts(&marks).set_large_communities, ..accept() };
        let mut statements = Vec::new();
        self.defaults(&mut statements, default_route, &marked);
        if !self.circuits_meet {
            let set = HubKind::ExpressRoute.set();
            let text = "VWAN-10: no transit between circuits";
            statements.push(statement(text, large_any(&set), reject()));
        }
        self.for_branches(policy, &mut statements, marked);
        policy.policy_definitions.push(PolicyDefinition { name: name.clone(), statements });
        name
    }

    /// What this hub tells a site or an appliance.
    pub(super) fn branch_export(&self, policy: &mut RoutingPolicy, default_route: bool) -> String {
        let name = self.name(&format!("to-branch/{default_route}"));
        if has(policy, &name) {
            return name;
        }
        let mut statements = Vec::new();
        let plain = Actions { set_large_communities: without_marks().set_large_communities, ..accept() };
        self.defaults(&mut statements, default_route, &plain);
        self.for_branches(policy, &mut statements, plain);
        policy.policy_definitions.push(PolicyDefinition { name: name.clone(), statements });
        name
    }

    /// The default route, by the connection's flag (VWAN-4).
    fn defaults(&self, statements: &mut Vec<Statement>, default_route: bool, told: &Actions) {
        let actions = if default_route { told.clone() } else { reject() };
        statements.push(statement("VWAN-4: the default route, by the flag", prefixes(DEFAULTS), actions));
    }

    /// Branches are associated with the default table (VWAN-1), and its static routes are not BGP's (VWAN-3).
    fn for_branches(&self, policy: &mut RoutingPolicy, statements: &mut Vec<Statement>, told: Actions) {
        let table = in_table(policy, self.default_table);
        statements.extend([
            statement("VWAN-3: static routes are the hub's own", large_any(&HubKind::Static.set()), reject()),
            statement("VWAN-1: the hub's own prefix", large_any(&HubKind::Hub.set()), told.clone()),
            statement("VWAN-1: branches use the default table", large_any(&table), told),
            statement("VWAN-1: nothing else", any(), reject()),
        ]);
    }
}

/// Routes of one kind, and of a place where there is one to name.
fn kind_at(policy: &mut RoutingPolicy, kind: HubKind, place: Option<u32>) -> Conditions {
    let Some(place) = place else { return large_any(&kind.set()) };
    let name = format!("{}-of-{place}", kind.set());
    if policy.large_community_sets.iter().all(|s| s.name != name) {
        let members = vec![HubMark::Kind(kind).to_string(), format!("^12076:{place}:")];
        policy.large_community_sets.push(LargeCommunitySet { name: name.clone(), members });
    }
    large(&name, MatchSetOptions::All)
}

/// The set of what a table takes.
fn in_table(policy: &mut RoutingPolicy, table: u32) -> String {
    let name = format!("azure/hubs/tables/{table}");
    if policy.large_community_sets.iter().all(|s| s.name != name) {
        let members = vec![HubMark::Table(table).to_string()];
        policy.large_community_sets.push(LargeCommunitySet { name: name.clone(), members });
    }
    name
}

fn has(policy: &RoutingPolicy, name: &str) -> bool {
    policy.policy_definitions.iter().any(|p| p.name == name)
}

fn without(set: &str) -> Actions {
    let removed =
        SetCommunity { option: CommunityOption::Remove, communities: Vec::new(), set: Some(set.to_owned()) };
    Actions { set_large_communities: vec![removed], ..Actions::default() }
}

/// Takes a hub's marks off and puts these on.
fn marked(marks: &[HubMark]) -> Actions {
    let texts: Vec<String> = marks.iter().map(ToString::to_string).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut changes = without(HUB_MARKS).set_large_communities;
    changes.push(change(CommunityOption::Add, &texts));
    Actions { set_large_communities: changes, ..Actions::default() }
}
