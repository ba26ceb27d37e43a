//! The decision process: what running routers did, the order of steps of every profile, and laws.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use azroute::bgp::Settings;
use azroute::bgp::decision::{
    Candidate, Case, CaseCandidate, CasePeer, CaseReceiver, LocalRoute, Outcome, Peer, Receiver, Refusal,
    RouteSource, SessionKind, Step, decide, on_receipt, refuse, select,
};
use azroute::model::bgp::{
    AsPath, Asn, ClusterList, DecisionOverrides, MaximumPaths, Origin, PathAttributes, Profile,
};
use proptest::prelude::*;
use serde::Deserialize;

const ALL: [Profile; 12] = [
    Profile::Rfc4271,
    Profile::Frr8,
    Profile::Frr10,
    Profile::Bird2,
    Profile::Gobgp3,
    Profile::CiscoIos,
    Profile::Junos,
    Profile::AzureMsee,
    Profile::AzureExpressRouteGateway,
    Profile::AzureVpnGateway,
    Profile::AzureRouteServer,
    Profile::AzureVirtualHub,
];

fn settings(profile: Profile, overrides: DecisionOverrides) -> Settings {
    Settings::new(profile, &overrides, MaximumPaths::default())
}

fn deterministic() -> DecisionOverrides {
    DecisionOverrides { deterministic_med: Some(true), ..Default::default() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Published {
    case: Vec<PublishedCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishedCase {
    name: String,
    order: String,
    best: BTreeMap<Profile, char>,
    #[serde(default)]
    multipath: BTreeMap<Profile, String>,
    #[serde(default)]
    step: BTreeMap<Profile, Step>,
    #[serde(default)]
    refused: BTreeMap<Profile, Refusal>,
    #[serde(default)]
    decision: DecisionOverrides,
    routes: BTreeMap<char, CaseCandidate>,
}

fn published() -> Vec<PublishedCase> {
    toml::from_str::<Published>(include_str!("../data/decision/cases.toml")).unwrap().case
}

impl PublishedCase {
    fn case(&self) -> Case {
        Case {
            decision: self.decision,
            receiver: CaseReceiver {
                asn: Asn(65000),
                router_id: Some(Ipv4Addr::new(192, 0, 2, 100)),
                ..Default::default()
            },
            candidates: self.order.chars().map(|name| self.routes[&name].clone()).collect(),
            ..Default::default()
        }
    }

    fn name_of(&self, index: usize) -> char {
        self.order.as_bytes()[index].into()
    }

    fn check(&self, profile: Profile, outcome: &Outcome) {
        let what = format!("{} at {profile:?}: {outcome:?}", self.name);
        assert_eq!(outcome.best.map(|i| self.name_of(i)), Some(self.best[&profile]), "{what}");
        if let Some(names) = self.multipath.get(&profile) {
            let mut used: Vec<char> = outcome.multipath.iter().map(|i| self.name_of(*i)).collect();
            used.sort_unstable();
            assert_eq!(used.into_iter().collect::<String>(), *names, "{what}");
        } else if self.refused.is_empty() {
            assert_eq!(outcome.multipath.len(), 1, "{what}");
        }
        if let Some(step) = self.step.get(&profile) {
            assert_eq!(outcome.lost.iter().map(|l| l.step).collect::<Vec<_>>(), [*step], "{what}");
        }
        let reasons: Vec<Refusal> = outcome.refused.iter().map(|r| r.reason).collect();
        assert_eq!(reasons, self.refused.get(&profile).copied().into_iter().collect::<Vec<_>>(), "{what}");
    }
}

/// FRR 8.4.4, BIRD 2.0.12 and GoBGP 3.10.0.
#[test]
fn single_cases_are_decided_as_running_routers_decided_them() {
    let cases = published();
    assert_eq!(cases.len(), 34);
    for case in cases {
        for profile in case.best.keys() {
            case.check(*profile, &case.case().decide(*profile).unwrap());
        }
    }
}

/// The sample of the example says in its names what happens; here it is in numbers.
#[test]
fn the_sample_cases_are_decided() {
    use Step::{AsPathLength, IgpCost, LocalPreference, Med, Oldest, RouterId, Unresolved, Weight};
    type Row = (Option<usize>, &'static [(usize, Step, usize)]);
    let expected: [Row; 14] = [
        (Some(1), &[(0, AsPathLength, 1)]),
        (Some(1), &[(0, LocalPreference, 1)]),
        (Some(1), &[(0, Med, 1)]),
        (Some(0), &[(1, RouterId, 0)]),
        (Some(1), &[(0, Med, 1)]),
        (Some(0), &[(1, IgpCost, 2), (2, IgpCost, 0)]),
        (Some(2), &[(0, Med, 1), (1, IgpCost, 2)]),
        (Some(1), &[]),
        (Some(0), &[(1, Oldest, 0)]),
        (Some(1), &[(0, RouterId, 1)]),
        (Some(1), &[(0, Unresolved, 1)]),
        (Some(1), &[(0, Weight, 1)]),
        (Some(1), &[(0, Weight, 1)]),
        (Some(0), &[]),
    ];
    let sample = include_str!("../../examples/data/bgp_decide/cases.json");
    assert_eq!(sample.lines().count(), expected.len());
    for (line, (best, lost)) in sample.lines().zip(expected) {
        let case: Case = serde_json::from_str(line).unwrap();
        let outcome = case.decide(Profile::default()).unwrap();
        let found: Vec<_> = outcome.lost.iter().map(|l| (l.candidate, l.step, l.to)).collect();
        assert_eq!((outcome.best, &*found), (best, lost), "{line}");
        // What is read is written.
        assert_eq!(serde_json::from_str::<Case>(&serde_json::to_string(&case).unwrap()).unwrap(), case);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    steps: BTreeMap<Profile, Vec<Step>>,
    defaults: BTreeMap<Profile, Defaults>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Defaults {
    deterministic_med: bool,
    maximum_paths: [u16; 2],
    reads_ebgp_local_preference: bool,
    ebgp_requires_policy: bool,
    enforce_first_as: bool,
    honours_well_known: bool,
    sends_communities: bool,
    sends_back: bool,
    checks_receiver_as: bool,
    third_party_next_hop: bool,
    #[serde(default)]
    reflected_med: Option<u32>,
    #[serde(default)]
    local_weight: u32,
}

fn tables() -> Tables {
    toml::from_str(include_str!("../data/decision/steps.toml")).unwrap()
}

#[test]
fn defaults_are_those_of_the_routers() {
    for (profile, defaults) in tables().defaults {
        let s = settings(profile, DecisionOverrides::default());
        let found = Defaults {
            deterministic_med: s.deterministic_med,
            maximum_paths: [s.maximum_paths_ebgp, s.maximum_paths_ibgp],
            reads_ebgp_local_preference: s.local_preference_from_ebgp,
            ebgp_requires_policy: s.ebgp_requires_policy,
            enforce_first_as: s.enforce_first_as,
            honours_well_known: s.honours_well_known,
            sends_communities: s.sends_communities,
            sends_back: s.sends_back,
            checks_receiver_as: s.checks_receiver_as,
            third_party_next_hop: s.third_party_next_hop,
            reflected_med: s.reflected_med,
            local_weight: s.local_weight,
        };
        assert_eq!(found, defaults, "{profile:?}");
        assert_eq!(s.profile, profile);
        assert!(!s.always_compare_med && !s.missing_med_as_worst && !s.as_path_ignore, "{profile:?}");
        assert_eq!(s.default_local_preference, 100);
    }
}

/// A route with everything in the middle.
fn plain(kind: SessionKind) -> CaseCandidate {
    CaseCandidate {
        peer: Some(CasePeer {
            asn: Asn(if kind == SessionKind::Ibgp { 65000 } else { 65001 }),
            router_id: Ipv4Addr::new(192, 0, 2, 5),
            address: Some(Ipv4Addr::new(198, 18, 0, 5).into()),
            kind: None,
            allow_own_as: 0,
        }),
        local: None,
        attributes: PathAttributes {
            as_path: AsPath::sequence([65001, 64500].map(Asn)),
            local_preference: Some(100),
            med: Some(20),
            ..Default::default()
        },
        imported: true,
        igp_cost: 20,
        unresolved: false,
        age: 20,
        path_id: 5,
        stale: false,
    }
}

/// Makes a route good or bad at one step, and leaves it alone at the others.
fn tune(route: &mut CaseCandidate, step: Step, good: bool) {
    let number = if good { 1 } else { 9 };
    match step {
        Step::Unresolved => route.unresolved = !good,
        Step::Stale => route.stale = !good,
        Step::Weight => route.attributes.weight = Some(if good { 9 } else { 1 }),
        Step::LocalPreference => route.attributes.local_preference = Some(if good { 200 } else { 50 }),
        Step::Preference | Step::LocalOrigin => {
            if good {
                (route.peer, route.local) = (None, Some(LocalRoute::Network));
                // As much as others, so that only the step itself tells.
                route.attributes.weight = route.attributes.weight.or(Some(0));
            }
        }
        Step::AsPathLength => {
            route.attributes.as_path = AsPath::sequence(vec![Asn(65001); if good { 1 } else { 3 }]);
        }
        Step::Origin => route.attributes.origin = if good { Origin::Igp } else { Origin::Incomplete },
        Step::Med => route.attributes.med = Some(number),
        Step::PeerType => {
            if let (Some(peer), false) = (&mut route.peer, good) {
                peer.asn = Asn(65000);
            }
        }
        Step::IgpCost => route.igp_cost = number,
        Step::Oldest => route.age = if good { 90 } else { 1 },
        Step::RouterId => {
            if let Some(peer) = &mut route.peer {
                peer.router_id = Ipv4Addr::from(number);
            }
        }
        Step::ClusterListLength => {
            let ids = (0..number).map(Ipv4Addr::from);
            route.attributes.cluster_list = ClusterList::new(ids);
        }
        Step::PeerAddress => {
            if let Some(peer) = &mut route.peer {
                peer.address = Some(Ipv4Addr::from(number).into());
            }
        }
        Step::PathId => route.path_id = number,
        Step::ConfederationPeer | Step::FirstReceived => unreachable!("not in the tables"),
    }
}

const STEPS: [Step; 16] = [
    Step::Unresolved,
    Step::Preference,
    Step::Stale,
    Step::Weight,
    Step::LocalPreference,
    Step::LocalOrigin,
    Step::AsPathLength,
    Step::Origin,
    Step::Med,
    Step::PeerType,
    Step::IgpCost,
    Step::Oldest,
    Step::RouterId,
    Step::ClusterListLength,
    Step::PeerAddress,
    Step::PathId,
];

/// A route that is good at one step and bad at all later ones wins at that step against its opposite; at a step that a
/// profile does not have, it does not.
#[test]
fn each_profile_takes_its_steps_in_their_order() {
    let tables = tables().steps;
    assert_eq!(tables.len(), ALL.len());
    for (profile, steps) in tables {
        for (at, step) in steps.iter().enumerate() {
            // Age is between external routes; GoBGP looks at router ids between internal ones.
            let kind = if *step > Step::Oldest { SessionKind::Ibgp } else { SessionKind::Ebgp };
            let (mut a, mut b) = (plain(kind), plain(kind));
            for later in steps[at + 1..].iter().rev().chain([step]) {
                let own = later == step;
                tune(&mut a, *later, own);
                tune(&mut b, *later, !own);
            }
            for candidates in [vec![a.clone(), b.clone()], vec![b.clone(), a.clone()]] {
                let best = usize::from(candidates[0] == b);
                let receiver = CaseReceiver { asn: Asn(65000), ..Default::default() };
                let case = Case { receiver, candidates, ..Default::default() };
                let outcome = case.decide(profile).unwrap();
                assert_eq!(outcome.best, Some(best), "{profile:?} {step} {case:#?}");
                assert_eq!(outcome.lost[0].step, *step, "{profile:?} {case:#?}");
            }
        }
        for step in STEPS.iter().filter(|s| !steps.contains(s)) {
            let kind = if *step > Step::Oldest { SessionKind::Ibgp } else { SessionKind::Ebgp };
            let (mut a, mut b) = (plain(kind), plain(kind));
            tune(&mut a, *step, true);
            tune(&mut b, *step, false);
            let receiver = CaseReceiver { asn: Asn(65000), ..Default::default() };
            let case = Case { receiver, candidates: vec![b, a], ..Default::default() };
            let outcome = case.decide(profile).unwrap();
            assert!(outcome.lost.iter().all(|lost| lost.step != *step), "{profile:?} {step}");
        }
    }
}

/// RFC 5065 section 5.3, and what FRR does besides.
#[test]
fn a_confederations_members_are_internal() {
    let member = |n: u8, asn: u32| CaseCandidate {
        peer: Some(CasePeer {
            asn: Asn(asn),
            router_id: Ipv4Addr::new(192, 0, 2, n),
            address: Some(Ipv4Addr::new(198, 18, 0, n).into()),
            kind: Some(if asn == 65000 { SessionKind::Ibgp } else { SessionKind::ConfedEbgp }),
            allow_own_as: 0,
        }),
        attributes: PathAttributes { as_path: "(65010) 7".parse().unwrap(), ..Default::default() },
        ..plain(SessionKind::Ibgp)
    };
    let receiver = CaseReceiver { asn: Asn(65000), confederation: Some(Asn(100)), ..Default::default() };
    let case = |candidates| Case { receiver: receiver.clone(), candidates, ..Default::default() };
    let pair = case(vec![member(1, 65000), member(2, 65010)]);
    for (profile, best, step) in [
        (Profile::Rfc4271, 0, Step::RouterId),
        (Profile::Frr8, 1, Step::ConfederationPeer),
        (Profile::Bird2, 0, Step::RouterId),
        (Profile::Gobgp3, 0, Step::PeerAddress),
    ] {
        let outcome = pair.decide(profile).unwrap();
        assert_eq!((outcome.best, outcome.lost[0].step), (Some(best), step), "{profile:?}");
    }
    let mut outside = plain(SessionKind::Ebgp);
    outside.peer.as_mut().unwrap().asn = Asn(7);
    (outside.attributes.as_path, outside.attributes.med) = ("7".parse().unwrap(), None);
    let three = case(vec![member(1, 65000), member(2, 65010), outside]);
    for profile in [Profile::Rfc4271, Profile::Frr8, Profile::Bird2, Profile::Gobgp3] {
        let outcome = three.decide(profile).unwrap();
        assert_eq!(outcome.best, Some(2), "{profile:?}");
        assert!(outcome.lost.iter().all(|l| l.step == Step::PeerType), "{profile:?}");
    }
    // FRR compares the MEDs of paths that begin with one member, others by the neighbouring system (BIRD, RFC).
    let (mut a, mut b) = (member(1, 65010), member(2, 65010));
    (a.attributes.as_path, a.attributes.med) = ("(65010) 7".parse().unwrap(), Some(20));
    (b.attributes.as_path, b.attributes.med) = ("(65010) 8".parse().unwrap(), Some(10));
    let pair = case(vec![a, b]);
    assert_eq!(pair.decide(Profile::Frr8).unwrap().best, Some(1));
    assert_eq!(pair.decide(Profile::Rfc4271).unwrap().best, Some(0));
}

/// BGP-10, ER-8, VPN-7: where no document decides, the set is the answer.
#[test]
fn azure_gives_the_set_that_nothing_documented_decides() {
    let mut routes = vec![plain(SessionKind::Ebgp); 3];
    routes[0].attributes.as_path = "65001 65001 64500".parse().unwrap();
    routes[1].attributes.med = Some(5);
    routes[1].attributes.origin = Origin::Incomplete;
    routes[2].attributes.local_preference = Some(7);
    let case = Case {
        receiver: CaseReceiver { asn: Asn(65515), ..Default::default() },
        candidates: routes,
        ..Default::default()
    };
    for profile in &ALL[7..] {
        let mut case = case.clone();
        if *profile == Profile::AzureVirtualHub {
            // A hub's MED is its own: what VWAN-6 puts behind the path.
            case.candidates[1].attributes.med = case.candidates[2].attributes.med;
        }
        let outcome = case.decide(*profile).unwrap();
        assert_eq!((outcome.best, &*outcome.multipath), (Some(1), &[1, 2][..]), "{profile:?}");
        assert!(outcome.undetermined);
        assert_eq!(outcome.lost.len(), 1);
        assert_eq!(outcome.lost[0].step, Step::AsPathLength);
    }
    let mut one = case;
    one.candidates.truncate(2);
    let outcome = one.decide(Profile::AzureMsee).unwrap();
    assert!(!outcome.undetermined, "a single shortest path is no set");
}

#[test]
fn multipath_follows_the_profile() {
    let route = |n: u8, asn: u32, path: &str| CaseCandidate {
        peer: Some(CasePeer {
            asn: Asn(asn),
            router_id: Ipv4Addr::new(192, 0, 2, n),
            address: Some(Ipv4Addr::new(198, 18, 0, n).into()),
            kind: None,
            allow_own_as: 0,
        }),
        attributes: PathAttributes {
            as_path: path.parse().unwrap(),
            next_hop: Some(Ipv4Addr::new(198, 18, 0, n).into()),
            ..Default::default()
        },
        ..plain(SessionKind::Ebgp)
    };
    let case = Case {
        receiver: CaseReceiver { asn: Asn(65000), ..Default::default() },
        candidates: vec![
            route(1, 65001, "65001 1"),
            route(2, 65001, "65001 1"),
            route(3, 65001, "65001 2"),
            route(4, 65002, "65002 1"),
            route(5, 65002, "65002 1 2"),
        ],
        maximum_paths: MaximumPaths { ebgp: Some(8), ibgp: None },
        ..Default::default()
    };
    for (profile, used) in [
        (Profile::Frr8, &[0, 1, 2][..]),
        (Profile::CiscoIos, &[0, 1]),
        (Profile::Junos, &[0, 1, 2]),
        (Profile::Bird2, &[0, 1, 2, 3]),
        (Profile::Gobgp3, &[0, 1, 2, 3]),
    ] {
        assert_eq!(case.decide(profile).unwrap().multipath, used, "{profile:?}");
        let mut relaxed = case.clone();
        relaxed.decision.multipath_relax = Some(true);
        assert_eq!(relaxed.decide(profile).unwrap().multipath, [0, 1, 2, 3], "{profile:?}");
        relaxed.maximum_paths.ebgp = Some(2);
        assert_eq!(relaxed.decide(profile).unwrap().multipath, [0, 1], "{profile:?}");
        relaxed.maximum_paths.ebgp = Some(1);
        assert_eq!(relaxed.decide(profile).unwrap().multipath, [0], "{profile:?}");
    }
    // FRR: a second path by the same next hop is none.
    let mut same = case;
    same.candidates[1].attributes.next_hop = same.candidates[0].attributes.next_hop;
    assert_eq!(same.decide(Profile::Frr8).unwrap().multipath, [0, 2]);
    same.candidates[1].attributes.next_hop = same.candidates[2].attributes.next_hop;
    assert_eq!(same.decide(Profile::Frr8).unwrap().multipath, [0, 1]);
}

#[test]
fn what_is_refused_and_what_is_dropped() {
    let peer =
        Peer { kind: SessionKind::Ebgp, asn: Asn(65001), router_id: Ipv4Addr::LOCALHOST, address: None };
    let inside = Peer { kind: SessionKind::Ibgp, asn: Asn(65000), ..peer };
    let receiver = Receiver {
        asn: Asn(65000),
        confederation: Some(Asn(100)),
        router_id: Ipv4Addr::new(192, 0, 2, 100),
        cluster_id: Ipv4Addr::new(192, 0, 2, 200),
        reflects: false,
    };
    let with = |path: &str| PathAttributes { as_path: path.parse().unwrap(), ..Default::default() };
    let rfc = Settings::default();
    let refused = |path: &str, allow| refuse(&with(path), &peer, &receiver, allow, &rfc);
    assert_eq!(refused("65001 0", 0), Some(Refusal::AsZero));
    assert_eq!(refused("65001 65000", 0), Some(Refusal::OwnAs));
    assert_eq!(refused("65001 65000", 1), None);
    assert_eq!(refused("65001 65000 65000", 1), Some(Refusal::OwnAs));
    assert_eq!(refused("65001 100", 0), Some(Refusal::OwnAs));
    assert_eq!(refused("65001 {65000}", 0), Some(Refusal::OwnAs));
    assert_eq!(refused("65002 7", 0), None);
    let strict = settings(Profile::Frr10, DecisionOverrides::default());
    assert_eq!(refuse(&with("65002 7"), &peer, &receiver, 0, &strict), Some(Refusal::NotFirstAs));
    assert_eq!(refuse(&with("65002 7"), &inside, &receiver, 0, &strict), None);
    let sets = Settings { rejects_as_sets: true, ..rfc.clone() };
    assert_eq!(refuse(&with("65001 {7}"), &peer, &receiver, 0, &sets), Some(Refusal::AsSet));

    let reflected = PathAttributes {
        originator_id: Some(receiver.router_id),
        cluster_list: ClusterList::new([receiver.cluster_id]),
        local_preference: Some(500),
        ..with("65001")
    };
    assert_eq!(refuse(&reflected, &inside, &receiver, 0, &rfc), Some(Refusal::OwnOriginator));
    let mut cluster = reflected.clone();
    cluster.originator_id = None;
    assert_eq!(refuse(&cluster, &inside, &receiver, 0, &rfc), Some(Refusal::OwnCluster));
    let bird = settings(Profile::Bird2, DecisionOverrides::default());
    assert_eq!(refuse(&cluster, &inside, &receiver, 0, &bird), None);
    let reflector = Receiver { reflects: true, ..receiver };
    assert_eq!(refuse(&cluster, &inside, &reflector, 0, &bird), Some(Refusal::OwnCluster));

    // From outside neither means anything, nor does LOCAL_PREF.
    assert_eq!(refuse(&reflected, &peer, &receiver, 0, &rfc), None);
    assert_eq!(*on_receipt(&reflected, SessionKind::Ebgp, &rfc), with("65001"));
    assert_eq!(*on_receipt(&reflected, SessionKind::Ibgp, &rfc), reflected);
    assert_eq!(*on_receipt(&reflected, SessionKind::ConfedEbgp, &rfc), reflected);
    let gobgp = settings(Profile::Gobgp3, DecisionOverrides::default());
    assert_eq!(on_receipt(&reflected, SessionKind::Ebgp, &gobgp).local_preference, Some(500));
}

#[test]
fn nothing_usable_is_no_best() {
    let attributes = PathAttributes::default();
    let peer =
        Peer { kind: SessionKind::Ibgp, asn: Asn(65000), router_id: Ipv4Addr::LOCALHOST, address: None };
    let candidate = Candidate {
        attributes: &attributes,
        source: RouteSource::Peer(peer),
        igp_cost: None,
        age: 0,
        path_id: 0,
        stale: false,
    };
    for profile in ALL {
        let settings = settings(profile, DecisionOverrides::default());
        assert_eq!(select(&[], &settings), None);
        assert_eq!(decide(&[], &settings), Default::default());
        // GoBGP does not look; BIRD keeps an internal one and drops packets.
        let keeps = matches!(profile, Profile::Gobgp3 | Profile::Bird2);
        let decision = decide(&[candidate], &settings);
        assert_eq!(decision.best, keeps.then_some(0), "{profile:?}");
        assert_eq!(decision.lost, if keeps { vec![] } else { vec![(0, Step::Unresolved, 0)] });
        let external =
            Candidate { source: RouteSource::Peer(Peer { kind: SessionKind::Ebgp, ..peer }), ..candidate };
        assert_eq!(select(&[external], &settings), (profile == Profile::Gobgp3).then_some(0));
    }
}

#[test]
fn up_to_64_candidates_are_decided_without_an_allocation() {
    let attributes: Vec<PathAttributes> = (0..64)
        .map(|i| PathAttributes {
            as_path: AsPath::sequence([Asn(65001 + i % 3), Asn(7)]),
            med: Some(i % 5),
            ..Default::default()
        })
        .collect();
    let candidates: Vec<Candidate<'_>> = (0..64)
        .map(|i: u8| Candidate {
            attributes: &attributes[usize::from(i)],
            source: RouteSource::Peer(Peer {
                kind: SessionKind::Ibgp,
                asn: Asn(65000),
                router_id: Ipv4Addr::new(192, 0, 2, i.wrapping_mul(37)),
                address: None,
            }),
            igp_cost: Some(u32::from(i % 7)),
            age: u32::from(64 - i),
            path_id: 0,
            stale: false,
        })
        .collect();
    for profile in ALL {
        let settings = settings(profile, DecisionOverrides::default());
        for count in [1, 2, 8, 9, 64] {
            let used = allocation_counter::measure(|| {
                select(&candidates[..count], &settings);
            });
            assert_eq!(used.count_total, 0, "{profile:?}");
        }
    }
}

/// A route in so few values that routes often tie.
#[derive(Clone, Debug)]
struct Sketch {
    attributes: PathAttributes,
    source: RouteSource,
    igp_cost: Option<u32>,
    age: u32,
    stale: bool,
}

impl Sketch {
    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            attributes: &self.attributes,
            source: self.source,
            igp_cost: self.igp_cost,
            age: self.age,
            path_id: 0,
            stale: self.stale,
        }
    }
}

fn candidates(sketches: &[Sketch]) -> Vec<Candidate<'_>> {
    sketches.iter().map(Sketch::candidate).collect()
}

fn as_paths() -> impl Strategy<Value = AsPath> {
    prop_oneof![
        4 => prop::sample::select(vec!["65001 7", "65001 8", "65002 7", "65003 7"]),
        1 => prop::sample::select(vec!["", "65001", "65001 7 9", "{65001 65002} 7", "65001 {7 8}"]),
    ]
    .prop_map(|text| text.parse().unwrap())
}

fn sketch(ages: u32) -> impl Strategy<Value = Sketch> {
    let attributes = (
        as_paths(),
        prop::sample::select(vec![Origin::Igp, Origin::Igp, Origin::Igp, Origin::Incomplete]),
        prop::option::of(0..3_u32),
        prop::sample::select(vec![None, None, Some(100), Some(50)]),
        prop::option::weighted(0.2, 1..5_u8),
        0..3_u8,
    );
    let rest = (
        prop::sample::select(vec![
            SessionKind::Ibgp,
            SessionKind::Ibgp,
            SessionKind::Ibgp,
            SessionKind::Ebgp,
            SessionKind::Ebgp,
        ]),
        1..5_u8,
        prop::option::weighted(0.95, 0..3_u32),
        0..=ages,
        prop::bool::weighted(0.05),
    );
    (attributes, rest).prop_map(|((as_path, origin, med, local_preference, originator, clusters), rest)| {
        let (kind, id, igp_cost, age, stale) = rest;
        let peer = Peer {
            kind,
            asn: if kind == SessionKind::Ibgp { Asn(65000) } else { Asn(65001) },
            router_id: Ipv4Addr::new(192, 0, 2, id),
            address: None,
        };
        Sketch {
            attributes: PathAttributes {
                as_path,
                origin,
                med,
                local_preference,
                originator_id: originator.map(|n| Ipv4Addr::new(192, 0, 2, n)),
                cluster_list: ClusterList::new((0..clusters).map(|n| Ipv4Addr::new(192, 0, 2, n))),
                ..Default::default()
            },
            source: RouteSource::Peer(peer),
            igp_cost,
            age,
            stale,
        }
    })
}

/// Several, each from a peer address of its own.
fn sketches(ages: u32, count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Sketch>> {
    prop::collection::vec(sketch(ages), count)
        .prop_flat_map(|sketches| {
            let places: Vec<u8> = (0..u8::try_from(sketches.len()).unwrap()).collect();
            (Just(sketches), Just(places).prop_shuffle())
        })
        .prop_map(|(mut sketches, places)| {
            for (sketch, place) in sketches.iter_mut().zip(places) {
                if let RouteSource::Peer(peer) = &mut sketch.source {
                    peer.address = Some(Ipv4Addr::new(198, 18, 0, place).into());
                }
            }
            sketches
        })
}

fn profiles() -> impl Strategy<Value = Profile> {
    prop::sample::select(ALL.to_vec())
}

/// RFC 4271 section 9.1.2.2 word for word: the routes of equal preference, from which each step removes some.
fn by_the_text(sketches: &[Sketch]) -> Option<usize> {
    let peer = |i: usize| match sketches[i].source {
        RouteSource::Peer(peer) => peer,
        RouteSource::Local(_) => unreachable!("there are none"),
    };
    let attributes = |i: usize| &sketches[i].attributes;
    // Stale ones last (RFC 9494), unresolvable ones never.
    let mut left: Vec<usize> = (0..sketches.len()).filter(|i| sketches[*i].igp_cost.is_some()).collect();
    let keep_lowest = |left: &mut Vec<usize>, value: &dyn Fn(usize) -> i64| {
        if let Some(lowest) = left.iter().map(|i| value(*i)).min() {
            left.retain(|i| value(*i) == lowest);
        }
    };
    keep_lowest(&mut left, &|i| sketches[i].stale.into());
    keep_lowest(&mut left, &|i| -i64::from(attributes(i).local_preference.unwrap_or(100)));
    // a) the fewest numbers, a set as one
    let length = |i: usize| {
        let text = attributes(i).as_path.to_string();
        let outside = text.split('{').next().unwrap().split_whitespace().count();
        let behind = text.split('}').nth(1).map_or(0, |rest| rest.split_whitespace().count());
        i64::try_from(outside + behind + usize::from(text.contains('{'))).unwrap()
    };
    keep_lowest(&mut left, &length);
    // b)
    keep_lowest(&mut left, &|i| attributes(i).origin as i64);
    // c) for m, for n: if neighborAS(m) == neighborAS(n) and MED(n) < MED(m), remove m
    let neighbor_as = |i: usize| {
        let text = attributes(i).as_path.to_string();
        text.split(' ').next().and_then(|first| first.parse::<u32>().ok())
    };
    let med = |i: usize| attributes(i).med.unwrap_or(0);
    let all = left.clone();
    left.retain(|m| !all.iter().any(|n| neighbor_as(*m) == neighbor_as(*n) && med(*n) < med(*m)));
    // d) if any is external, remove the internal ones
    keep_lowest(&mut left, &|i| (peer(i).kind == SessionKind::Ibgp).into());
    // e)
    keep_lowest(&mut left, &|i| sketches[i].igp_cost.unwrap().into());
    // f) with RFC 4456 section 9
    keep_lowest(&mut left, &|i| u32::from(attributes(i).originator_id.unwrap_or(peer(i).router_id)).into());
    keep_lowest(&mut left, &|i| attributes(i).cluster_list.ids().len().try_into().unwrap());
    // g)
    left.into_iter().min_by_key(|i| peer(*i).address)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..Default::default() })]

    #[test]
    fn the_rfcs_text_gives_the_same(sketches in sketches(0, 0..8)) {
        let decision = decide(&candidates(&sketches), &Settings::default());
        prop_assert_eq!(decision.best, by_the_text(&sketches));
    }

    #[test]
    fn select_and_decide_agree(sketches in sketches(3, 0..80), profile in profiles(), det: Option<bool>) {
        let overrides = DecisionOverrides { deterministic_med: det, ..Default::default() };
        let settings = settings(profile, overrides);
        let candidates = candidates(&sketches);
        let decision = decide(&candidates, &settings);
        prop_assert_eq!(decision.best, select(&candidates, &settings));
        let Some(best) = decision.best else { return Ok(()) };
        prop_assert!(decision.multipath.contains(&best));
        prop_assert!(decision.multipath.is_sorted());
        // Everything but the best, and a set that nothing decides, lost.
        let set = if decision.undetermined { decision.multipath.len() } else { 1 };
        prop_assert_eq!(decision.lost.len(), candidates.len() - set);
    }

    #[test]
    fn with_deterministic_med_the_order_is_nothing(
        (sketches, shuffled) in sketches(0, 0..8).prop_flat_map(|s| (Just(s.clone()), Just(s).prop_shuffle())),
        profile in prop::sample::select(ALL[..7].to_vec()),
    ) {
        let settings = settings(profile, deterministic());
        let address = |all: &[Sketch]| {
            let best = select(&candidates(all), &settings)?;
            match all[best].source {
                RouteSource::Peer(peer) => peer.address,
                RouteSource::Local(_) => None,
            }
        };
        prop_assert_eq!(address(&sketches), address(&shuffled));
    }

    /// The route that a loser lost to beats it alone, at the step given.
    #[test]
    fn every_loser_names_who_beat_it(sketches in sketches(0, 0..8), profile in profiles(), det: Option<bool>) {
        let overrides = DecisionOverrides { deterministic_med: det, ..Default::default() };
        let settings = settings(profile, overrides);
        let candidates = candidates(&sketches);
        for (loser, step, winner) in decide(&candidates, &settings).lost {
            if loser == winner {
                continue;
            }
            let pair = [candidates[winner], candidates[loser]];
            prop_assert_eq!(decide(&pair, &settings).lost, [(1, step, 0)]);
        }
    }

    #[test]
    fn without_a_loser_that_beat_no_other_the_best_stays(
        sketches in sketches(0, 1..8),
        profile in profiles(),
    ) {
        let settings = settings(profile, deterministic());
        let all = candidates(&sketches);
        let decision = decide(&all, &settings);
        let Some(best) = decision.best else { return Ok(()) };
        for gone in (0..all.len()).filter(|i| *i != best && decision.lost.iter().all(|(l, _, to)| l == i || to != i)) {
            let mut fewer = all.clone();
            fewer.remove(gone);
            prop_assert_eq!(select(&fewer, &settings), Some(best - usize::from(gone < best)));
        }
    }

    /// Compared always, MED is an order too.
    #[test]
    fn with_med_always_compared_the_order_is_nothing(
        (sketches, shuffled) in sketches(0, 0..8).prop_flat_map(|s| (Just(s.clone()), Just(s).prop_shuffle())),
        profile in prop::sample::select(ALL[..7].to_vec()),
    ) {
        let overrides = DecisionOverrides { always_compare_med: Some(true), ..Default::default() };
        let settings = settings(profile, overrides);
        let address = |all: &[Sketch]| {
            let best = select(&candidates(all), &settings)?;
            match all[best].source {
                RouteSource::Peer(peer) => peer.address,
                RouteSource::Local(_) => None,
            }
        };
        prop_assert_eq!(address(&sketches), address(&shuffled));
    }
}
