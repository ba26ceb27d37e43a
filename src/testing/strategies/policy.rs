//! Routing policies that compile, and the routes to run through them: few numbers, names and prefixes, so that what a
//! policy asks for is often there.

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::model::bgp::{
    Actions, AddressFamily, AsPath, AsPathSet, Asn, Communities, Community, CommunityOption, CommunitySet,
    Comparison, Conditions, ExtendedCommunity, ExtendedCommunitySet, LargeCommunity, LargeCommunitySet,
    MatchSet, MatchSetOptions, NeighborSet, NextHopSet, Origin, PathAttributes, PolicyDefinition,
    PolicyResult, PrefixRange, PrefixSet, Prepend, PrependAsn, PrivateAsAction, RouteType, RoutingPolicy,
    Segment, SegmentKind, SetCommunity, SetMed, SetNextHop, SetNumber, SourceProtocol, Statement,
};

/// Prefixes that lie in each other, of both families.
const PREFIXES: [&str; 14] = [
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.0/24",
    "10.1.3.0/24",
    "10.1.2.128/25",
    "10.1.2.3/32",
    "192.0.2.0/24",
    "0.0.0.0/0",
    "2001:db8::/32",
    "2001:db8:1::/48",
    "2001:db8:1:2::/64",
    "2001:db8:1:2::3/128",
    "2001:db8:2::/48",
    "::/0",
];
const ADDRESSES: [&str; 6] =
    ["192.0.2.1", "192.0.2.2", "198.51.100.1", "10.1.2.3", "2001:db8::1", "2001:db8:1::1"];
/// Some with the digits of others in them; private ones of both lengths.
const ASNS: [u32; 8] = [9, 19, 91, 7018, 65001, 65002, 64512, 4_200_000_001];
const PATHS: [&str; 20] = [
    "^$",
    "_65001_",
    "^65001_",
    "_65001$",
    "^65001$",
    "_9_",
    "^9_",
    "_19_91_",
    "^65001 65002$",
    "9",
    ".*",
    "^[0-9]+$",
    "_(65001|65002)_",
    "^(65001_)+",
    "_64512_.*_9",
    r"\{",
    r"^\(|\[",
    "_6451[2-9]_",
    "^9_9",
    "_7018_$",
];
const COMMUNITIES: [&str; 6] = ["65000:1", "65000:2", "65000:100", "65001:1", "no-export", "blackhole"];
const COMMUNITY_EXPRESSIONS: [&str; 5] = ["^65000:", "^65000:1..$", "_65001:1_", "^no-", ":1$"];
const EXTENDED: [&str; 5] =
    ["rt:65000:1", "rt:65000:2", "soo:65000:1", "rt:192.0.2.1:7", "0x4300000000000001"];
const EXTENDED_EXPRESSIONS: [&str; 4] = ["^rt:", ":1$", "^0x43", r"192\.0\.2"];
const LARGE: [&str; 4] = ["64500:1:1", "64500:1:2", "64500:2:1", "4200000000:0:0"];
const LARGE_EXPRESSIONS: [&str; 3] = ["^64500:1:", ":1$", "^4200000000_*"];

/// One of these texts, read.
fn read<T: std::str::FromStr + Clone + std::fmt::Debug + 'static>(
    texts: &[&str],
) -> impl Strategy<Value = T> {
    select(texts.iter().filter_map(|text| text.parse().ok()).collect::<Vec<T>>())
}

fn texts(plain: &[&'static str], expressions: &[&'static str]) -> impl Strategy<Value = Vec<String>> {
    let members = select([plain, expressions].concat()).prop_map(str::to_owned);
    vec(members, 0..4)
}

fn asn() -> impl Strategy<Value = Asn> {
    select(ASNS.map(Asn).to_vec())
}

/// Any path: sequences mostly, sets and confederation segments at times.
pub fn as_path() -> impl Strategy<Value = AsPath> {
    let kind = select(vec![
        SegmentKind::Sequence,
        SegmentKind::Sequence,
        SegmentKind::Set,
        SegmentKind::ConfedSequence,
        SegmentKind::ConfedSet,
    ]);
    let segments = vec((kind, vec(asn(), 1..4)), 0..4).prop_map(|segments| {
        AsPath::from_segments(segments.into_iter().map(|(kind, asns)| Segment { kind, asns }))
    });
    prop_oneof![2 => vec(asn(), 0..5).prop_map(AsPath::sequence), 1 => segments]
}

/// Communities of the three kinds.
pub fn communities() -> impl Strategy<Value = Communities> {
    let standard = vec(read::<Community>(&COMMUNITIES), 0..4);
    let extended = vec(read::<ExtendedCommunity>(&EXTENDED), 0..3);
    let large = vec(read::<LargeCommunity>(&LARGE), 0..3);
    (standard, extended, large).prop_map(|(s, e, l)| Communities::new(s, e, l))
}

/// Attributes of a route, missing ones among them.
pub fn path_attributes() -> impl Strategy<Value = PathAttributes> {
    let small = || of(0_u32..=3);
    (
        origin(),
        as_path(),
        of(read::<IpAddr>(&ADDRESSES)),
        small(),
        of(select(vec![0, 1, 99, 100, 200, u32::MAX])),
        small(),
        communities(),
    )
        .prop_map(|(origin, as_path, next_hop, med, local_preference, weight, communities)| {
            PathAttributes {
                origin,
                as_path,
                next_hop,
                med,
                local_preference,
                weight,
                communities,
                ..PathAttributes::default()
            }
        })
}

/// Prefixes at which the sets of [`routing_policy`] may change their answer.
pub fn policy_prefix() -> impl Strategy<Value = IpNet> {
    (read::<IpNet>(&PREFIXES), 0_u8..4, any::<bool>()).prop_map(|(prefix, longer, last)| {
        let length = prefix.prefix_len().saturating_add(longer).min(prefix.max_prefix_len());
        let subnets = prefix.subnets(length).ok();
        let subnet = subnets.and_then(|mut all| if last { all.last() } else { all.next() });
        subnet.unwrap_or(prefix)
    })
}

/// Addresses that the sets of [`routing_policy`] may hold.
pub fn policy_address() -> impl Strategy<Value = IpAddr> {
    read(&ADDRESSES)
}

/// Policies that compile, with every kind of set, condition and action: `p0`, `p1`, … Each calls only later ones. Some
/// name what does not exist, and then say that they may.
pub fn routing_policy() -> impl Strategy<Value = RoutingPolicy> {
    let sets = (
        vec(vec(prefix_range(), 0..4), 0..4),
        vec(vec(select(PATHS.to_vec()), 0..3), 0..3),
        vec(texts(&COMMUNITIES, &COMMUNITY_EXPRESSIONS), 0..4),
        vec(texts(&EXTENDED, &EXTENDED_EXPRESSIONS), 0..3),
        vec(texts(&LARGE, &LARGE_EXPRESSIONS), 0..3),
        vec(vec(net(), 0..3), 0..3),
        vec(vec(net(), 0..3), 0..3),
    );
    let policies = vec(vec((conditions(), actions(), any::<bool>()), 0..5), 0..4);
    (sets, policies, any::<bool>()).prop_map(|(sets, policies, undefined_names)| {
        let mut declared = RoutingPolicy { undefined_names, ..RoutingPolicy::default() };
        let (prefix_sets, path_sets, community_sets, extended_sets, large_sets, neighbors, next_hops) = sets;
        for (n, prefixes) in prefix_sets.into_iter().enumerate() {
            declared.prefix_sets.push(PrefixSet { name: format!("prefixes{n}"), prefixes });
        }
        for (n, members) in path_sets.into_iter().enumerate() {
            let members = members.into_iter().map(str::to_owned).collect();
            declared.as_path_sets.push(AsPathSet { name: format!("paths{n}"), members });
        }
        for (n, members) in community_sets.into_iter().enumerate() {
            declared.community_sets.push(CommunitySet { name: format!("communities{n}"), members });
        }
        for (n, members) in extended_sets.into_iter().enumerate() {
            let name = format!("extended{n}");
            declared.extended_community_sets.push(ExtendedCommunitySet { name, members });
        }
        for (n, members) in large_sets.into_iter().enumerate() {
            declared.large_community_sets.push(LargeCommunitySet { name: format!("large{n}"), members });
        }
        for (n, addresses) in neighbors.into_iter().enumerate() {
            declared.neighbor_sets.push(NeighborSet { name: format!("neighbors{n}"), addresses });
        }
        for (n, addresses) in next_hops.into_iter().enumerate() {
            declared.next_hop_sets.push(NextHopSet { name: format!("hops{n}"), addresses });
        }
        let count = policies.len();
        for (n, plans) in policies.into_iter().enumerate() {
            let later: Vec<String> = (n + 1..count).map(|later| format!("p{later}")).collect();
            let statements = (1..).zip(plans).map(|(number, (conditions, actions, named))| Statement {
                name: if named { format!("s{number}") } else { String::new() },
                conditions: conditions.settle(&declared, &later),
                actions: actions.settle(&declared),
            });
            let statements = statements.collect();
            declared.policy_definitions.push(PolicyDefinition { name: format!("p{n}"), statements });
        }
        declared
    })
}

fn origin() -> impl Strategy<Value = Origin> {
    select(vec![Origin::Igp, Origin::Egp, Origin::Incomplete])
}

/// A prefix, at times with host bits.
fn net() -> impl Strategy<Value = IpNet> {
    let host = (read::<IpAddr>(&ADDRESSES), 0_u8..=16).prop_map(|(address, shorter)| {
        let net = IpNet::from(address);
        IpNet::new(address, net.prefix_len() - shorter).unwrap_or(net)
    });
    prop_oneof![read::<IpNet>(&PREFIXES), host]
}

fn prefix_range() -> impl Strategy<Value = PrefixRange> {
    (net(), of(0_u8..4), of(0_u8..4)).prop_map(|(prefix, ge, le)| {
        let longer = |from: u8, by: u8| from.saturating_add(by).min(prefix.max_prefix_len());
        let ge = ge.map(|by| longer(prefix.prefix_len(), by));
        let le = le.map(|by| longer(ge.unwrap_or(prefix.prefix_len()), by));
        PrefixRange { prefix, ge, le }
    })
}

fn comparison(numbers: &[u32]) -> impl Strategy<Value = Comparison> {
    select(numbers.to_vec())
        .prop_flat_map(|n| select(vec![Comparison::Eq(n), Comparison::Ge(n), Comparison::Le(n)]))
}

/// Something that a statement has seldom, so that statements match often enough.
fn seldom<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<S::Value>> {
    weighted(0.13, strategy)
}

/// A condition on a set before it knows which sets there are.
type SetPlan = Option<(Index, MatchSetOptions)>;

fn set_plan(options: &[MatchSetOptions]) -> impl Strategy<Value = SetPlan> {
    weighted(0.2, (any::<Index>(), select(options.to_vec())))
}

/// The name an index stands for. One past the last is a name that does not exist, where such are allowed.
fn pick<'a>(
    declared: &RoutingPolicy,
    index: Index,
    names: impl Iterator<Item = &'a String>,
) -> Option<String> {
    let names: Vec<&String> = names.collect();
    let size = names.len() + usize::from(declared.undefined_names);
    if size == 0 {
        return None;
    }
    Some(names.get(index.index(size)).map_or_else(|| "missing".to_owned(), |name| (*name).clone()))
}

/// Conditions without names, and what is to be named.
#[derive(Clone, Debug)]
struct ConditionPlan {
    plain: Conditions,
    call: Option<Index>,
    prefix: SetPlan,
    neighbor: SetPlan,
    next_hop: SetPlan,
    path: SetPlan,
    community: SetPlan,
    extended: SetPlan,
    large: SetPlan,
}

fn conditions() -> impl Strategy<Value = ConditionPlan> {
    use MatchSetOptions::{All, Any, Exact, Invert};
    let plain = (
        seldom(select(vec![SourceProtocol::Bgp, SourceProtocol::Connected, SourceProtocol::Static])),
        seldom(comparison(&[0, 1, 2, 3])),
        seldom(comparison(&[0, 1, 2])),
        seldom(comparison(&[0, 1, 99, 100, 200])),
        seldom(origin()),
        seldom(comparison(&[0, 1, 2, 3, 5])),
        seldom(select(vec![RouteType::External, RouteType::Internal, RouteType::Local])),
        seldom(select(vec![AddressFamily::Ipv4Unicast, AddressFamily::Ipv6Unicast])),
    )
        .prop_map(
            |(
                source_protocol,
                community_count,
                med,
                local_preference,
                origin,
                as_path_length,
                route_type,
                address_family,
            )| {
                Conditions {
                    source_protocol,
                    community_count,
                    med,
                    local_preference,
                    origin,
                    as_path_length,
                    route_type,
                    address_family,
                    ..Conditions::default()
                }
            },
        );
    let one = || set_plan(&[Any, All, Invert]);
    let many = || set_plan(&[Any, All, Invert, Exact]);
    (plain, weighted(0.2, any::<Index>()), one(), one(), one(), one(), many(), many(), many()).prop_map(
        |(plain, call, prefix, neighbor, next_hop, path, community, extended, large)| ConditionPlan {
            plain,
            call,
            prefix,
            neighbor,
            next_hop,
            path,
            community,
            extended,
            large,
        },
    )
}

impl ConditionPlan {
    /// The conditions, with names that exist; `all` on sets of several becomes `any`.
    fn settle(self, declared: &RoutingPolicy, later: &[String]) -> Conditions {
        fn settle<'a>(
            declared: &RoutingPolicy,
            plan: SetPlan,
            names: impl Iterator<Item = &'a String>,
            size: impl Fn(&str) -> Option<usize>,
        ) -> Option<MatchSet> {
            let (index, mut options) = plan?;
            let set = pick(declared, index, names)?;
            if options == MatchSetOptions::All && size(&set).is_some_and(|size| size != 1) {
                options = MatchSetOptions::Any;
            }
            Some(MatchSet { set, options })
        }
        let d = declared;
        let any_size = |_: &str| None;
        let prefixes = |name: &str| d.prefix_sets.iter().find(|s| s.name == name).map(|s| s.prefixes.len());
        let neighbors =
            |name: &str| d.neighbor_sets.iter().find(|s| s.name == name).map(|s| s.addresses.len());
        let hops = |name: &str| d.next_hop_sets.iter().find(|s| s.name == name).map(|s| s.addresses.len());
        Conditions {
            call_policy: self.call.and_then(|index| pick(d, index, later.iter())),
            match_prefix_set: settle(d, self.prefix, d.prefix_sets.iter().map(|s| &s.name), prefixes),
            match_neighbor_set: settle(d, self.neighbor, d.neighbor_sets.iter().map(|s| &s.name), neighbors),
            match_next_hop_set: settle(d, self.next_hop, d.next_hop_sets.iter().map(|s| &s.name), hops),
            match_as_path_set: settle(d, self.path, d.as_path_sets.iter().map(|s| &s.name), any_size),
            match_community_set: settle(
                d,
                self.community,
                d.community_sets.iter().map(|s| &s.name),
                any_size,
            ),
            match_extended_community_set: settle(
                d,
                self.extended,
                d.extended_community_sets.iter().map(|s| &s.name),
                any_size,
            ),
            match_large_community_set: settle(
                d,
                self.large,
                d.large_community_sets.iter().map(|s| &s.name),
                any_size,
            ),
            ..self.plain
        }
    }
}

/// A change of communities before it knows which sets there are.
type ChangePlan = (CommunityOption, Vec<String>, Option<Index>);

fn change_plans(plain: &[&'static str]) -> impl Strategy<Value = Vec<ChangePlan>> {
    let option = select(vec![CommunityOption::Add, CommunityOption::Remove, CommunityOption::Replace]);
    let change = (option, texts(plain, &[]), weighted(0.3, any::<Index>()));
    prop_oneof![4 => Just(Vec::new()), 1 => vec(change, 1..3)]
}

/// Actions without names, and what is to be named.
#[derive(Clone, Debug)]
struct ActionPlan {
    plain: Actions,
    communities: Vec<ChangePlan>,
    extended: Vec<ChangePlan>,
    large: Vec<ChangePlan>,
}

fn number() -> impl Strategy<Value = SetNumber> {
    select(vec![0, 1, 5, 100, 200, u32::MAX])
        .prop_flat_map(|n| select(vec![SetNumber::Value(n), SetNumber::Add(n), SetNumber::Subtract(n)]))
}

fn prepend() -> impl Strategy<Value = Prepend> {
    let which = prop_oneof![Just(PrependAsn::Own), Just(PrependAsn::Last), asn().prop_map(PrependAsn::Asn)];
    prop_oneof![(of(which.clone()), 1_u8..4, vec(asn(), 0..3)), (Just(None), Just(0_u8), vec(asn(), 1..3)),]
        .prop_map(|(asn, repeat, path)| Prepend { asn, repeat, path: AsPath::sequence(path) })
}

fn actions() -> impl Strategy<Value = ActionPlan> {
    let med = prop_oneof![3 => number().prop_map(SetMed::Number), 1 => Just(SetMed::Igp)];
    let next_hop = prop_oneof![
        Just(SetNextHop::Own),
        Just(SetNextHop::Peer),
        Just(SetNextHop::Unchanged),
        read::<IpAddr>(&ADDRESSES).prop_map(SetNextHop::Address),
    ];
    let private =
        select(vec![PrivateAsAction::Remove, PrivateAsAction::Replace, PrivateAsAction::RemoveIfAll]);
    let result = select(vec![
        PolicyResult::AcceptRoute,
        PolicyResult::RejectRoute,
        PolicyResult::NextStatement,
        PolicyResult::NextPolicy,
    ]);
    let plain = (
        seldom(origin()),
        seldom(number()),
        seldom(med),
        seldom(0_u32..=3),
        seldom(next_hop),
        prop_oneof![6 => Just(Vec::new()), 1 => vec(asn(), 1..3)],
        seldom(private),
        weighted(0.1, Just(())),
        seldom(prepend()),
        of(result),
    )
        .prop_map(
            |(origin, local_preference, med, weight, next_hop, exclude, private, over, prepend, result)| {
                Actions {
                    set_origin: origin,
                    set_local_preference: local_preference,
                    set_med: med,
                    set_weight: weight,
                    set_next_hop: next_hop,
                    set_as_path_exclude: exclude,
                    set_private_as: private,
                    set_as_override: over.is_some(),
                    set_as_path_prepend: prepend,
                    policy_result: result,
                    ..Actions::default()
                }
            },
        );
    (plain, change_plans(&COMMUNITIES), change_plans(&EXTENDED), change_plans(&LARGE))
        .prop_map(|(plain, communities, extended, large)| ActionPlan { plain, communities, extended, large })
}

impl ActionPlan {
    /// The actions, with names that exist; sets with expressions only where communities are taken out.
    fn settle(self, declared: &RoutingPolicy) -> Actions {
        fn settle<'a>(
            declared: &RoutingPolicy,
            plans: Vec<ChangePlan>,
            sets: impl Iterator<Item = (&'a String, &'a Vec<String>)> + Clone,
            is_plain: impl Fn(&str) -> bool,
        ) -> Vec<SetCommunity> {
            let change = |(option, communities, set): ChangePlan| {
                let set = set.and_then(|index| pick(declared, index, sets.clone().map(|(name, _)| name)));
                let plain = |set: &String| {
                    let found = sets.clone().find(|(name, _)| *name == set);
                    found.is_none_or(|(_, members)| members.iter().all(|text| is_plain(text)))
                };
                let set = set.filter(|set| option == CommunityOption::Remove || plain(set));
                SetCommunity { option, communities, set }
            };
            plans.into_iter().map(change).collect()
        }
        let d = declared;
        Actions {
            set_communities: settle(
                d,
                self.communities,
                d.community_sets.iter().map(|s| (&s.name, &s.members)),
                |text| text.parse::<Community>().is_ok(),
            ),
            set_extended_communities: settle(
                d,
                self.extended,
                d.extended_community_sets.iter().map(|s| (&s.name, &s.members)),
                |text| text.parse::<ExtendedCommunity>().is_ok(),
            ),
            set_large_communities: settle(
                d,
                self.large,
                d.large_community_sets.iter().map(|s| (&s.name, &s.members)),
                |text| text.parse::<LargeCommunity>().is_ok(),
            ),
            ..self.plain
        }
    }
}
