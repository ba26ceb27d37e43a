//! BGP designs: systems that buy from and peer with each other, with any inside, and what can be changed in them.
//!
//! [`bgp_settled`] draws designs that have exactly one stable state, so that whatever computes them must find that one.
//! [`bgp_wild`] disturbs them with policies, profiles and options that may take this away.
//!
//! # Why one stable state
//!
//! Between systems the preferences are those of customers and providers (Gao and Rexford, 2001): a system prefers what
//! it announces itself, then customers' routes, then peers', then providers', and tells peers and providers only of the
//! first two. No system is its own provider. Own routes have the default LOCAL_PREF of 100, customers' 100 too (and a
//! longer path), peers' 90, providers' 80. Every other policy only takes routes away, or changes what is compared after
//! LOCAL_PREF, on external sessions: there the routes that a system can choose from do not depend on what it chooses.
//!
//! Inside a system every router has to see the same order of routes. MED has none between neighbouring systems, so it is
//! compared always, unless all systems are single routers. A full mesh then has one state with any IGP costs; so have
//! reflectors that see all exits themselves. A confederation has one where members count in the path length and each is
//! one router: else two members can each like the other's exit better.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use crate::bgp::BgpChange;
use crate::model::ResourceId;
use crate::model::bgp::{
    Actions, AddPath, AddressFamily, Aggregate, AsPath, AsPathSet, Asn, BgpDesign, BgpSession, BgpSpeaker,
    Communities, Community, CommunityOption, CommunitySet, Conditions, Confederation, DecisionOverrides,
    DefaultOriginate, DefaultPolicy, IgpLink, Interface, LargeCommunity, LocalAs, MatchSet, MatchSetOptions,
    Origin, Origination, PathAttributes, PolicyDefinition, PolicyResult, PrefixRange, PrefixSet, Prepend,
    PrependAsn, PrivateAsAction, Profile, Redistribution, RoutingPolicy, SetCommunity, SetMed, SetNextHop,
    SetNumber, SourceProtocol, Statement, StaticNextHop, StaticRoute,
};

const POOL: [&str; 11] = [
    "10.1.0.0/24",
    "10.1.1.0/24",
    "10.1.0.0/16",
    "10.2.0.0/24",
    "10.0.0.0/8",
    "198.51.100.0/24",
    "0.0.0.0/0",
    "2001:db8:1::/48",
    "2001:db8:2::/48",
    "2001:db8::/32",
    "::/0",
];

/// The prefixes that designs announce: both families, some inside others, the defaults.
pub fn bgp_prefixes() -> Vec<IpNet> {
    POOL.iter().filter_map(|text| text.parse().ok()).collect()
}

/// The attributes that a speaker may give to what it announces: no LOCAL_PREF.
pub fn bgp_attributes() -> impl Strategy<Value = PathAttributes> {
    let well_known = [
        Community::new(64999, 1),
        Community::new(64999, 2),
        Community::NO_EXPORT,
        Community::NO_ADVERTISE,
        Community::NO_EXPORT_SUBCONFED,
        Community::GRACEFUL_SHUTDOWN,
    ];
    // Mostly plain, so that prefixes share attributes.
    let communities = prop_oneof![4 => Just(Vec::new()), 2 => vec(select(well_known.to_vec()), 0..3)];
    let large = weighted(0.2, 0_u32..3);
    (
        communities,
        large,
        weighted(0.2, 0_u32..3),
        weighted(0.2, vec(select(vec![101_u32, 102, 64999]), 0..3)),
        { prop_oneof![6 => Just(Origin::Igp), 1 => Just(Origin::Egp), 1 => Just(Origin::Incomplete)] },
    )
        .prop_map(|(communities, large, med, path, origin)| {
            let large = large.map(|n| LargeCommunity { global: 64999, local_1: n, local_2: 0 });
            PathAttributes {
                origin,
                med,
                as_path: AsPath::sequence(path.unwrap_or_default().into_iter().map(Asn)),
                communities: Communities::new(communities, Vec::new(), large),
                ..PathAttributes::default()
            }
        })
}

/// Prefixes with attributes, as a speaker announces them.
pub fn bgp_origination() -> impl Strategy<Value = Origination> {
    (vec(select(bgp_prefixes()), 1..4), bgp_attributes(), proptest::bool::weighted(0.1)).prop_map(
        |(prefixes, attributes, policy)| Origination {
            prefixes,
            attributes,
            policies: if policy { vec!["on-entry".to_owned()] } else { Vec::new() },
        },
    )
}

/// What is inside a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Mesh,
    Reflectors,
    Confederation,
}

#[derive(Clone, Debug)]
struct System {
    inside: Inside,
    /// Of each router: the order of its router id, and the cost of its link to the one before.
    routers: Vec<(u8, u32)>,
    /// One more link, from the last router to the first.
    ring: bool,
    linked: bool,
    two_reflectors: bool,
    same_cluster: bool,
    no_igp_cost: bool,
    next_hop_self: bool,
    private: bool,
    on_exchange: bool,
    providers: Vec<Edge>,
    peers: Vec<Edge>,
}

/// A session with another system, or two at the same routers.
#[derive(Clone, Debug)]
struct Edge {
    other: Index,
    at: Index,
    from: Index,
    parallel: bool,
    families: u8,
    numbered: u8,
    shutdown: bool,
    ends: [Options; 2],
}

#[derive(Clone, Debug)]
struct Options {
    import: Vec<Clause>,
    export: Vec<Clause>,
    limit: Option<u32>,
    default: Option<bool>,
    private: Option<PrivateAsAction>,
    /// Rare ones: 1 allow own AS, 2 AS override, 3 and 4 another number, 5 no communities, 6 next hop unchanged.
    rare: u8,
    weight: Option<u32>,
}

/// A statement: what it is about, and what it does.
#[derive(Clone, Debug)]
struct Clause {
    about: u8,
    action: u8,
    number: u8,
}

fn clause() -> impl Strategy<Value = Clause> {
    (0_u8..7, 0_u8..8, 0_u8..3).prop_map(|(about, action, number)| Clause { about, action, number })
}

fn options() -> impl Strategy<Value = Options> {
    let clauses = || prop_oneof![2 => Just(Vec::new()), 1 => vec(clause(), 0..3)];
    (
        clauses(),
        clauses(),
        weighted(0.06, 0_u32..5),
        weighted(0.06, any::<bool>()),
        weighted(
            0.1,
            select(vec![PrivateAsAction::Remove, PrivateAsAction::Replace, PrivateAsAction::RemoveIfAll]),
        ),
        prop_oneof![5 => Just(0_u8), 2 => 1_u8..7],
        weighted(0.05, 0_u32..3),
    )
        .prop_map(|(import, export, limit, default, private, rare, weight)| Options {
            import,
            export,
            limit,
            default,
            private,
            rare,
            weight,
        })
}

fn edge() -> impl Strategy<Value = Edge> {
    (
        any::<[Index; 3]>(),
        proptest::bool::weighted(0.2),
        prop_oneof![4 => Just(0_u8), 1 => 1_u8..3],
        prop_oneof![2 => Just(0_u8), 1 => 1_u8..4],
        proptest::bool::weighted(0.05),
        [options(), options()],
    )
        .prop_map(|([other, at, from], parallel, families, numbered, shutdown, ends)| Edge {
            other,
            at,
            from,
            parallel,
            families,
            numbered,
            shutdown,
            ends,
        })
}

fn system(flat: bool) -> impl Strategy<Value = System> {
    let inside = prop_oneof![Just(Inside::Mesh), Just(Inside::Reflectors), Just(Inside::Confederation)];
    let most = if flat { 2 } else { 5 };
    (inside, vec((any::<u8>(), 1_u32..5), 1..most), any::<[bool; 8]>(), vec(edge(), 0..3), vec(edge(), 0..2))
        .prop_map(|(inside, routers, flags, providers, peers)| {
            let [ring, linked, two, same, cost, own, private, exchange] = flags;
            System {
                inside,
                routers,
                ring,
                linked,
                two_reflectors: two,
                same_cluster: same,
                no_igp_cost: cost,
                next_hop_self: own,
                private,
                on_exchange: exchange,
                providers,
                peers,
            }
        })
}

/// What is announced, and who announces it.
#[derive(Clone, Debug)]
struct Announcements {
    plain: Vec<(Index, Origination)>,
    statics: Vec<(Index, Index, bool)>,
    aggregates: Vec<(Index, Index, u8)>,
}

fn announcements(aggregates: bool) -> impl Strategy<Value = Announcements> {
    let most = if aggregates { 3 } else { 1 };
    (
        vec((any::<Index>(), bgp_origination()), 1..6),
        vec(any::<(Index, Index, bool)>(), 0..2),
        vec((any::<Index>(), any::<Index>(), 0_u8..8), 0..most),
    )
        .prop_map(|(plain, statics, aggregates)| Announcements { plain, statics, aggregates })
}

/// Systems of one router each that buy from and peer with each other, with exactly one stable state.
pub fn bgp_graph() -> impl Strategy<Value = BgpDesign> {
    drawn(true, true)
}

/// Any design with exactly one stable state: systems of one router, full meshes, reflectors and confederations, with
/// policies, both families, aggregates, prefix limits and session options of all kinds.
pub fn bgp_settled() -> impl Strategy<Value = BgpDesign> {
    prop_oneof![drawn(true, true), drawn(false, true)]
}

/// The same without prefix limits and aggregates: every prefix is decided alone.
pub fn bgp_independent() -> impl Strategy<Value = BgpDesign> {
    prop_oneof![drawn(true, false), drawn(false, false)].prop_map(|mut design| {
        for session in &mut design.sessions {
            session.a.prefix_limit = None;
            session.b.prefix_limit = None;
        }
        design
    })
}

fn drawn(flat: bool, aggregates: bool) -> impl Strategy<Value = BgpDesign> {
    (vec(system(flat), 1..6), announcements(aggregates), any::<bool>())
        .prop_map(|(systems, announced, compare)| Draw::new(&systems, compare).finish(&announced))
}

/// How a design is disturbed: a session end, and something that may take its one stable state away.
type Disturbance = (Index, bool, u8, u8, Clause);

/// Any design, most with one stable state, some with several or none: policies that disagree, routers of all kinds,
/// several routes of one prefix.
pub fn bgp_wild() -> impl Strategy<Value = BgpDesign> {
    let disturbances = vec((any::<Index>(), any::<bool>(), 0_u8..7, 0_u8..4, clause()), 0..6);
    let profiles = vec(
        (
            any::<Index>(),
            select(vec![
                Profile::Frr8,
                Profile::Frr10,
                Profile::Bird2,
                Profile::Gobgp3,
                Profile::CiscoIos,
                Profile::Junos,
                Profile::AzureVpnGateway,
                Profile::AzureRouteServer,
            ]),
        ),
        0..3,
    );
    (bgp_settled(), disturbances, profiles).prop_map(|(mut design, disturbances, profiles)| {
        for (at, profile) in profiles {
            if !design.speakers.is_empty() {
                at.get_mut(&mut design.speakers).profile = profile;
            }
        }
        disturb(&mut design, &disturbances);
        design
    })
}

/// Any design of routers that follow RFC 4271, with policies that may disagree, but one route a session.
pub fn bgp_disagreeing() -> impl Strategy<Value = BgpDesign> {
    let disturbances = vec((any::<Index>(), any::<bool>(), 1_u8..7, 0_u8..4, clause()), 0..6);
    (bgp_settled(), disturbances).prop_map(|(mut design, disturbances)| {
        disturb(&mut design, &disturbances);
        design
    })
}

fn disturb(design: &mut BgpDesign, disturbances: &[Disturbance]) {
    for (n, (at, first, what, number, clause)) in disturbances.iter().enumerate() {
        if design.sessions.is_empty() {
            return;
        }
        let session = at.get_mut(&mut design.sessions);
        let (end, other) =
            if *first { (&mut session.a, &mut session.b) } else { (&mut session.b, &mut session.a) };
        let actions = match what {
            0 => {
                end.add_path = AddPath { send: u16::from(*number) + 1, receive: false };
                other.add_path.receive = true;
                continue;
            }
            1 | 2 => Actions {
                set_local_preference: Some(match number {
                    3 => SetNumber::Add(10),
                    n => SetNumber::Value(85 + 10 * u32::from(*n)),
                }),
                ..Actions::default()
            },
            3 => Actions {
                set_med: Some(SetMed::Number(SetNumber::Value(u32::from(*number)))),
                ..Actions::default()
            },
            4 => Actions {
                set_next_hop: Some(if *number < 2 { SetNextHop::Own } else { SetNextHop::Unchanged }),
                ..Actions::default()
            },
            5 => Actions {
                set_communities: vec![SetCommunity {
                    option: CommunityOption::Replace,
                    communities: Vec::new(),
                    set: None,
                }],
                ..Actions::default()
            },
            _ => Actions { policy_result: Some(PolicyResult::RejectRoute), ..Actions::default() },
        };
        let name = format!("disturbance-{n}");
        let statement = Statement { name: String::new(), conditions: clause.conditions(), actions };
        design
            .routing_policy
            .policy_definitions
            .push(PolicyDefinition { name: name.clone(), statements: vec![statement] });
        let import = *number % 2 == 0;
        let (list, default) = if import {
            (&mut end.import_policies, &mut end.default_import_policy)
        } else {
            (&mut end.export_policies, &mut end.default_export_policy)
        };
        // Behind the others it would never be asked.
        list.insert(0, name);
        default.get_or_insert(DefaultPolicy::AcceptRoute);
    }
}

/// A batch of changes to a design, of every kind, made at once. It keeps the one stable state of [`bgp_settled`].
pub fn bgp_changes(design: &BgpDesign) -> BoxedStrategy<Vec<BgpChange>> {
    let ids = |list: Vec<&ResourceId>| -> Vec<ResourceId> { list.into_iter().cloned().collect() };
    let sessions = ids(design.sessions.iter().filter(|s| may_fail(design, s)).map(|s| &s.id).collect());
    let links = ids(design.links.iter().map(|l| &l.id).collect());
    let speakers = ids(design.speakers.iter().map(|s| &s.id).collect());
    let mut kinds: Vec<(u32, BoxedStrategy<BgpChange>)> = Vec::new();
    if !sessions.is_empty() {
        let one = (select(sessions), any::<bool>());
        let make = |(id, up)| if up { BgpChange::SessionUp(id) } else { BgpChange::SessionDown(id) };
        kinds.push((4, one.prop_map(make).boxed()));
    }
    if !links.is_empty() {
        let one = (select(links), any::<bool>());
        let make = |(id, up)| if up { BgpChange::LinkUp(id) } else { BgpChange::LinkDown(id) };
        kinds.push((3, one.prop_map(make).boxed()));
    }
    if !speakers.is_empty() {
        let one = (select(speakers.clone()), any::<bool>());
        let make = |(id, up)| if up { BgpChange::SpeakerUp(id) } else { BgpChange::SpeakerDown(id) };
        kinds.push((2, one.prop_map(make).boxed()));
        let announce = (select(speakers.clone()), bgp_origination());
        kinds.push((4, announce.prop_map(|(id, o)| BgpChange::Announce(id, o)).boxed()));
        let withdraw = (select(speakers), subsequence(bgp_prefixes(), 1..6));
        kinds.push((4, withdraw.prop_map(|(id, prefixes)| BgpChange::Withdraw(id, prefixes)).boxed()));
    }
    if kinds.is_empty() {
        return Just(Vec::new()).boxed();
    }
    vec(proptest::strategy::Union::new_weighted(kinds), 1..4).boxed()
}

/// A reflector that compares IGP costs must keep seeing all exits.
fn may_fail(design: &BgpDesign, session: &BgpSession) -> bool {
    let compares =
        |id: &ResourceId| design.speakers.iter().any(|s| s.id == *id && s.decision.igp_cost != Some(false));
    let reflects = [&session.a, &session.b].into_iter().any(|e| e.route_reflector_client);
    let inside_of = |s: &BgpSession, asn: Asn| {
        design.speakers.iter().any(|x| x.asn == asn && (x.id == s.a.speaker || x.id == s.b.speaker))
    };
    let asn = |id: &ResourceId| design.speakers.iter().find(|s| s.id == *id).map(|s| s.asn);
    let internal = asn(&session.a.speaker) == asn(&session.b.speaker);
    // Reflectors' sessions among each other count too.
    let in_reflecting_system = internal
        && asn(&session.a.speaker).is_some_and(|asn| {
            design
                .sessions
                .iter()
                .any(|s| inside_of(s, asn) && (s.a.route_reflector_client || s.b.route_reflector_client))
        });
    !((reflects || in_reflecting_system) && compares(&session.a.speaker))
}

/// A system's place in the design.
struct Draw {
    design: BgpDesign,
    /// The positions of each system's speakers.
    routers: Vec<Vec<usize>>,
    exchange: Vec<bool>,
    policies: usize,
    networks: u8,
}

fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

fn small(n: usize) -> u8 {
    u8::try_from(n % 250).unwrap_or_default()
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or_default()
}

impl Draw {
    fn new(systems: &[System], compare: bool) -> Self {
        let mut draw = Self {
            design: BgpDesign { routing_policy: relations(), ..BgpDesign::default() },
            routers: Vec::new(),
            exchange: Vec::new(),
            policies: 0,
            networks: 0,
        };
        let flat = systems.iter().all(|s| s.routers.len() == 1);
        for (i, system) in systems.iter().enumerate() {
            draw.inside(i, system, compare || !flat);
        }
        for (i, system) in systems.iter().enumerate() {
            let mut taken: Vec<usize> = Vec::new();
            for (edge, provider) in
                system.providers.iter().map(|e| (e, true)).chain(system.peers.iter().map(|e| (e, false)))
            {
                if i == 0 {
                    continue;
                }
                // Only earlier systems are providers, so nobody is its own.
                let other = edge.other.index(i);
                if !taken.contains(&other) {
                    taken.push(other);
                    draw.edge(i, other, edge, provider);
                }
            }
        }
        draw
    }

    fn inside(&mut self, i: usize, system: &System, always_compare_med: bool) {
        let asn = Asn(if system.private { 64600 } else { 101 } + number(i));
        let confederation = system.inside == Inside::Confederation && system.routers.len() > 1;
        let reflects = system.inside == Inside::Reflectors && system.routers.len() > 2;
        let reflectors = if reflects { 1 + usize::from(system.two_reflectors) } else { 0 };
        let first = self.design.speakers.len();
        let id = |r: usize| format!("s{i}r{r}");
        for (r, (order, _)) in system.routers.iter().enumerate() {
            let mut speaker = BgpSpeaker {
                id: id(r).into(),
                asn,
                router_id: Some(v4(172, 16, *order, small(first + r))),
                ..BgpSpeaker::default()
            };
            if confederation {
                speaker.asn = Asn(65100 + 10 * number(i) + number(r));
                speaker.confederation = Some(Confederation { identifier: asn, members: Vec::new() });
            }
            if reflects && system.same_cluster && r < reflectors {
                speaker.cluster_id = Some(v4(1, 1, 1, small(i)));
            }
            speaker.decision = DecisionOverrides {
                always_compare_med: always_compare_med.then_some(true),
                as_path_confederation: confederation.then_some(true),
                igp_cost: system.no_igp_cost.then_some(false),
                ..DecisionOverrides::default()
            };
            if system.on_exchange && r == 0 {
                let host = small(i) + 1;
                let address = IpNet::V4(Ipv4Net::new(v4(203, 0, 113, host), 24).unwrap_or_default());
                speaker.interfaces.push(Interface { address, igp: true });
                let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, u16::from(host));
                let address = IpNet::V6(Ipv6Net::new(v6, 64).unwrap_or_default());
                speaker.interfaces.push(Interface { address, igp: true });
            }
            self.design.speakers.push(speaker);
        }
        self.exchange.push(system.on_exchange);
        let count = system.routers.len();
        self.routers.push((first..first + count).collect());
        for a in 0..count {
            for b in a + 1..count {
                let apart = match system.inside {
                    Inside::Confederation if confederation => {
                        b > a + 1 && !(system.ring && a == 0 && b + 1 == count)
                    }
                    _ => reflects && a >= reflectors,
                };
                if apart {
                    continue;
                }
                let mut session = BgpSession::new(format!("i{i}-{a}-{b}"), id(a), id(b));
                session.a.route_reflector_client = reflects && a < reflectors && b >= reflectors;
                session.a.next_hop_self = system.next_hop_self;
                session.b.next_hop_self = system.next_hop_self;
                self.design.sessions.push(session);
            }
        }
        if !system.linked || count == 1 {
            return;
        }
        let ring = (system.ring && count > 2).then_some((count - 1, 0));
        let chain = (1..count).map(|r| (r - 1, r));
        for ((a, b), (_, cost)) in chain.chain(ring).zip(system.routers.iter().cycle()) {
            self.design.links.push(IgpLink {
                id: format!("l{i}-{a}-{b}").into(),
                a: id(a).into(),
                b: id(b).into(),
                cost: *cost,
            });
        }
    }

    /// A session from a system to its provider or peer.
    fn edge(&mut self, i: usize, other: usize, edge: &Edge, provider: bool) {
        let at = |draw: &Self, system: usize, index: Index| {
            draw.routers[system][index.index(draw.routers[system].len())]
        };
        let on_exchange = self.exchange[i] && self.exchange[other] && edge.numbered == 3;
        let (low, high) = if on_exchange {
            (self.routers[i][0], self.routers[other][0])
        } else {
            (at(self, i, edge.from), at(self, other, edge.at))
        };
        for n in 0..=usize::from(edge.parallel) {
            let [a, b] = [low, high].map(|s| self.design.speakers[s].id.clone());
            let mut session = BgpSession::new(format!("e{i}-{other}-{n}"), a, b);
            match edge.families {
                1 => session.families = vec![AddressFamily::Ipv4Unicast],
                2 => session.families = vec![AddressFamily::Ipv6Unicast],
                _ => {}
            }
            session.shutdown = edge.shutdown && n == 0;
            self.networks += 1;
            let network = self.networks;
            for (side, speaker) in [(1_u8, low), (2, high)] {
                let address = v4(198, 18, network, side);
                let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0xfffe, u16::from(network), 0, 0, 0, u16::from(side));
                let end = if side == 1 { &mut session.a } else { &mut session.b };
                match edge.numbered {
                    1 => end.addresses = vec![IpAddr::V4(address), IpAddr::V6(v6)],
                    2 => {
                        let v4 = IpNet::V4(Ipv4Net::new(address, 30).unwrap_or_default());
                        let v6 = IpNet::V6(Ipv6Net::new(v6, 64).unwrap_or_default());
                        for address in [v4, v6] {
                            let igp = edge.ends[0].rare != 0;
                            self.design.speakers[speaker].interfaces.push(Interface { address, igp });
                        }
                    }
                    _ => {}
                }
            }
            let (to_low, to_high) =
                if provider { ("from-provider", "from-customer") } else { ("from-peer", "from-peer") };
            let (out_low, out_high) =
                if provider { ("to-others", "to-customer") } else { ("to-others", "to-others") };
            self.options(&mut session, true, &edge.ends[0], (to_low, out_low));
            self.options(&mut session, false, &edge.ends[1], (to_high, out_high));
            self.design.sessions.push(session);
        }
    }

    fn options(&mut self, session: &mut BgpSession, first: bool, options: &Options, relation: (&str, &str)) {
        let import = self.policy(&options.import, true);
        let export = self.policy(&options.export, false);
        let end = if first { &mut session.a } else { &mut session.b };
        end.import_policies = import.into_iter().chain([relation.0.to_owned()]).collect();
        end.export_policies = export.into_iter().chain([relation.1.to_owned()]).collect();
        end.prefix_limit = options.limit;
        end.default_originate = options
            .default
            .filter(|_| relation.1 == "to-customer")
            .map(|only| DefaultOriginate { only_if_present: only, policies: Vec::new() });
        end.remove_private_as = options.private;
        end.weight = options.weight;
        match options.rare {
            1 => end.allow_own_as = 1,
            2 => end.as_override = true,
            3 => end.local_as = Some(LocalAs { asn: Asn(64700), no_prepend: false, replace_as: false }),
            4 => end.local_as = Some(LocalAs { asn: Asn(700), no_prepend: true, replace_as: true }),
            5 => end.send_communities = Some(false),
            6 => end.next_hop_unchanged = true,
            _ => {}
        }
    }

    /// A policy of clauses, if there are any; it accepts nothing, so that the next one decides.
    fn policy(&mut self, clauses: &[Clause], import: bool) -> Option<String> {
        if clauses.is_empty() {
            return None;
        }
        let name = format!("p{}", self.policies);
        self.policies += 1;
        let statements = clauses.iter().map(|c| c.statement(import)).collect();
        self.design
            .routing_policy
            .policy_definitions
            .push(PolicyDefinition { name: name.clone(), statements });
        Some(name)
    }

    fn finish(mut self, announced: &Announcements) -> BgpDesign {
        let prefixes = bgp_prefixes();
        let speakers = &mut self.design.speakers;
        for (at, origination) in &announced.plain {
            at.get_mut(speakers).originate.push(origination.clone());
        }
        for (at, prefix, connected) in &announced.statics {
            let prefix = *prefix.get(&prefixes);
            if prefix.prefix_len() == 0 {
                continue;
            }
            let speaker = at.get_mut(speakers);
            let protocol = if *connected {
                speaker.interfaces.push(Interface { address: prefix, igp: false });
                SourceProtocol::Connected
            } else {
                speaker.static_routes.push(StaticRoute { prefix, next_hop: StaticNextHop::Discard });
                SourceProtocol::Static
            };
            let policies = vec!["redistributed".to_owned()];
            speaker.redistribute.push(Redistribution { protocol, policies });
        }
        for (at, prefix, flags) in &announced.aggregates {
            let prefix = *prefix.get(&prefixes);
            let speaker = at.get_mut(speakers);
            if prefix.prefix_len() == 0 || speaker.aggregates.iter().any(|a| a.prefix == prefix) {
                continue;
            }
            speaker.aggregates.push(Aggregate {
                prefix,
                summary_only: flags & 1 != 0,
                as_set: flags & 2 != 0,
                suppress: if flags & 4 != 0 { vec!["some".to_owned()] } else { Vec::new() },
                attributes: Vec::new(),
            });
        }
        self.design
    }
}

fn any_of(set: &str) -> Option<MatchSet> {
    Some(MatchSet { set: set.to_owned(), options: MatchSetOptions::Any })
}

impl Clause {
    fn conditions(&self) -> Conditions {
        let mut conditions = Conditions::default();
        match self.about {
            1 => conditions.match_prefix_set = any_of("ten"),
            2 => conditions.match_prefix_set = any_of("six"),
            3 => conditions.match_as_path_set = any_of("through-first"),
            4 => conditions.match_community_set = any_of("marked"),
            5 => conditions.address_family = Some(AddressFamily::Ipv6Unicast),
            6 => {
                conditions.match_prefix_set =
                    Some(MatchSet { set: "ten".to_owned(), options: MatchSetOptions::Invert });
            }
            _ => {}
        }
        conditions
    }

    fn statement(&self, import: bool) -> Statement {
        let mut actions = Actions::default();
        let add = |community: String| {
            vec![SetCommunity { option: CommunityOption::Add, communities: vec![community], set: None }]
        };
        match self.action {
            0 | 1 => {
                let repeat = self.number + 1;
                actions.set_as_path_prepend =
                    Some(Prepend { asn: Some(PrependAsn::Own), repeat, path: AsPath::default() });
            }
            2 => actions.set_communities = add(format!("64999:{}", self.number)),
            3 => actions.set_med = Some(SetMed::Number(SetNumber::Value(u32::from(self.number)))),
            4 if !import => actions.set_med = Some(SetMed::Igp),
            5 => actions.set_large_communities = add(format!("64999:7:{}", self.number)),
            6 if import => actions.set_origin = Some(Origin::Incomplete),
            7 => actions.policy_result = Some(PolicyResult::RejectRoute),
            _ => actions.set_communities = add("no-export".to_owned()),
        }
        Statement { name: String::new(), conditions: self.conditions(), actions }
    }
}

/// Sets, and the policies of customers, peers and providers.
fn relations() -> RoutingPolicy {
    let ranges = |texts: &[&str]| -> Vec<PrefixRange> {
        texts.iter().filter_map(|t| t.parse().ok()).map(PrefixRange::or_longer).collect()
    };
    let accept = || Actions { policy_result: Some(PolicyResult::AcceptRoute), ..Actions::default() };
    let statement =
        |conditions: Conditions, actions: Actions| Statement { name: String::new(), conditions, actions };
    let from = |name: &str, preference: u32, mark: &str| {
        let communities = |option, text: &[&str]| SetCommunity {
            option,
            communities: text.iter().map(|t| (*t).to_owned()).collect(),
            set: None,
        };
        let actions = Actions {
            set_local_preference: Some(SetNumber::Value(preference)),
            set_communities: vec![
                communities(CommunityOption::Remove, &["65000:1", "65000:2", "65000:3"]),
                communities(CommunityOption::Add, &[mark]),
            ],
            ..accept()
        };
        PolicyDefinition {
            name: name.to_owned(),
            statements: vec![statement(Conditions::default(), actions)],
        }
    };
    let reject = Actions { policy_result: Some(PolicyResult::RejectRoute), ..Actions::default() };
    let not_ours = Conditions { match_community_set: any_of("not-ours"), ..Conditions::default() };
    let marked = Actions {
        set_communities: vec![SetCommunity {
            option: CommunityOption::Add,
            communities: vec!["64999:9".to_owned()],
            set: None,
        }],
        ..Actions::default()
    };
    let six = || Conditions { match_prefix_set: any_of("six"), ..Conditions::default() };
    let wide = Conditions { match_prefix_set: any_of("wide"), ..Conditions::default() };
    let policy = |name: &str, statements| PolicyDefinition { name: name.to_owned(), statements };
    RoutingPolicy {
        prefix_sets: vec![
            PrefixSet { name: "ten".to_owned(), prefixes: ranges(&["10.0.0.0/8"]) },
            PrefixSet { name: "six".to_owned(), prefixes: ranges(&["2001:db8:1::/48", "10.1.0.0/24"]) },
            // What may be redistributed: not the networks of interfaces.
            PrefixSet {
                name: "wide".to_owned(),
                prefixes: ranges(&["10.0.0.0/8", "198.51.100.0/24", "2001:db8:1::/48"]),
            },
        ],
        as_path_sets: vec![AsPathSet {
            name: "through-first".to_owned(),
            members: vec!["_101_".to_owned(), "_64600_".to_owned()],
        }],
        community_sets: vec![
            CommunitySet {
                name: "not-ours".to_owned(),
                members: vec!["65000:2".to_owned(), "65000:3".to_owned()],
            },
            CommunitySet { name: "marked".to_owned(), members: vec!["64999:1".to_owned()] },
        ],
        policy_definitions: vec![
            from("from-customer", 100, "65000:1"),
            from("from-peer", 90, "65000:2"),
            from("from-provider", 80, "65000:3"),
            policy("to-customer", vec![statement(Conditions::default(), accept())]),
            policy(
                "to-others",
                vec![statement(not_ours, reject.clone()), statement(Conditions::default(), accept())],
            ),
            policy("on-entry", vec![statement(six(), marked)]),
            policy(
                "redistributed",
                vec![statement(wide, accept()), statement(Conditions::default(), reject)],
            ),
            policy("some", vec![statement(six(), accept())]),
        ],
        ..RoutingPolicy::default()
    }
}
