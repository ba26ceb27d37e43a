//! VWAN-6 and its neighbours: what a hub chooses, against an interpreter that is written from the rule's text.

use std::collections::{BTreeMap, BTreeSet};

use azroute::Network;
use azroute::model::HubRoutingPreference;
use azroute::model::HubRoutingPreference::{AsPath, ExpressRoute, VpnGateway};

use super::support::{DEFAULT, Told, Wan, row};

const PREFERENCES: [HubRoutingPreference; 3] = [ExpressRoute, VpnGateway, AsPath];

/// Where a route comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Er,
    S2s,
    Appliance,
}

const KINDS: [Kind; 3] = [Kind::Er, Kind::S2s, Kind::Appliance];

/// A route that a hub may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    kind: Kind,
    /// The hub that it comes from; the hub itself is local.
    hub: u8,
    length: usize,
}

/// VWAN-6 step by step. `others` is how many other hubs there are.
fn choose(
    preference: HubRoutingPreference,
    here: u8,
    others: usize,
    mut left: Vec<Candidate>,
) -> Vec<Candidate> {
    let keep = |left: &mut Vec<Candidate>, wanted: &dyn Fn(&Candidate) -> bool| {
        if left.iter().any(wanted) {
            left.retain(wanted);
        }
    };
    let local_first = |left: &mut Vec<Candidate>| keep(left, &|c| c.hub == here);
    let shortest = |left: &mut Vec<Candidate>| {
        let least = left.iter().map(|c| c.length).min();
        left.retain(|c| Some(c.length) == least);
    };
    // Where both remain: of local ones the circuit, of remote ones the site. An appliance is nobody's first choice:
    // what gateways learn comes before it. The rule does not name appliances, so this is a decision of ours.
    let by_place = |left: &mut Vec<Candidate>| {
        let all_local = left.iter().all(|c| c.hub == here);
        let (first, last) = if all_local { (Kind::Er, Kind::Appliance) } else { (Kind::S2s, Kind::Er) };
        for kind in [first, *KINDS.iter().find(|k| **k != first && **k != last).unwrap()] {
            if left.iter().any(|c| c.kind == kind) {
                left.retain(|c| c.kind == kind);
            }
        }
    };
    match preference {
        VpnGateway => {
            local_first(&mut left);
            keep(&mut left, &|c| c.kind == Kind::S2s);
            by_place(&mut left);
            shortest(&mut left);
        }
        AsPath => {
            if others > 1 {
                keep(&mut left, &|c| c.hub == here || c.kind != Kind::Er);
            }
            shortest(&mut left);
            local_first(&mut left);
            by_place(&mut left);
        }
        _ => {
            local_first(&mut left);
            by_place(&mut left);
            shortest(&mut left);
        }
    }
    left.sort();
    left
}

/// What each kind of each hub announces of a prefix: nothing, with a short path, or with a long one.
type Announced = BTreeMap<(u8, Kind), usize>;

/// The lengths at the hub that learns the route. They differ by more than what hubs put in front of each other, and by
/// less: both matter.
const LENGTHS: [Option<usize>; 4] = [None, Some(2), Some(3), Some(5)];

/// Every combination for these hubs and kinds, each with a prefix of its own.
fn combinations(ends: &[(u8, Kind)], lengths: &[Option<usize>]) -> Vec<(String, Announced)> {
    let total = lengths.len().pow(u32::try_from(ends.len()).unwrap());
    (0..total)
        .map(|n| {
            let mut rest = n;
            let mut announced = Announced::new();
            for end in ends {
                if let Some(length) = lengths[rest % lengths.len()] {
                    announced.insert(*end, length);
                }
                rest /= lengths.len();
            }
            (format!("172.{}.{}.0/24", 16 + n / 256, n % 256), announced)
        })
        .collect()
}

/// A virtual WAN where these are announced, and the preferences of its hubs, from `h1` on.
fn network(preferences: &[HubRoutingPreference], all: &[(String, Announced)]) -> Network {
    let mut wan = Wan::new();
    for (n, preference) in (1_u8..).zip(preferences) {
        wan = wan.hub(n, *preference).spoke(n, 10 + n);
    }
    let ends: BTreeSet<(u8, Kind)> = all.iter().flat_map(|(_, a)| a.keys().copied()).collect();
    for (hub, kind) in ends {
        let mut by_length: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for (prefix, announced) in all {
            if let Some(length) = announced.get(&(hub, kind)) {
                by_length.entry(*length).or_default().push(prefix);
            }
        }
        // Of these, one number is Microsoft's for a circuit, and an appliance's own.
        let own = usize::from(kind != Kind::S2s);
        let paths: Vec<(Vec<&str>, Vec<u32>)> = by_length
            .into_iter()
            .map(|(length, prefixes)| (prefixes, (0..length - own).map(|_| 64600 + u32::from(hub)).collect()))
            .collect();
        let told: Vec<Told<'_>> = paths.iter().map(|(p, path)| (p.as_slice(), path.as_slice())).collect();
        wan = match kind {
            Kind::Er => wan.circuit(hub, &format!("er{hub}"), &told),
            Kind::S2s => wan.vpn(hub, &format!("site{hub}"), &told),
            Kind::Appliance => wan.peer(hub, 10 + hub, &told),
        };
    }
    wan.build()
}

/// What hubs choose by the text of the rule.
fn expected(preferences: &[HubRoutingPreference], announced: &Announced) -> BTreeMap<u8, Vec<Candidate>> {
    let others = preferences.len() - 1;
    let local = |hub: u8| -> Vec<Candidate> {
        let mine = announced.iter().filter(|((h, _), _)| *h == hub);
        mine.map(|((hub, kind), length)| Candidate { kind: *kind, hub: *hub, length: *length }).collect()
    };
    let hubs: Vec<(u8, HubRoutingPreference)> = (1_u8..).zip(preferences.iter().copied()).collect();
    // A hub tells others only what is its best and its own (VWAN-8).
    let told: BTreeMap<u8, Vec<Candidate>> =
        hubs.iter().map(|(h, preference)| (*h, choose(*preference, *h, others, local(*h)))).collect();
    hubs.iter()
        .map(|(h, preference)| {
            let mut candidates = local(*h);
            for (other, best) in &told {
                if other != h {
                    candidates.extend(best.iter().map(|c| Candidate { length: c.length + 2, ..*c }));
                }
            }
            (*h, choose(*preference, *h, others, candidates))
        })
        .collect()
}

/// What the engine chose, in the same words.
fn chosen(network: &Network, hub: u8) -> BTreeMap<String, Vec<Candidate>> {
    let routes = network.hub_effective_routes(&format!("h{hub}").into(), DEFAULT).unwrap();
    let mut found: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
    for route in routes {
        let numbers: Vec<u32> = route.as_path.iter().map(|asn| asn.0).collect();
        let kind = match route.next_hop_type.as_str() {
            "Virtual Network Connection" => continue,
            _ if numbers.contains(&12076) => Kind::Er,
            "VPN_S2S_Gateway" => Kind::S2s,
            "HubBgpConnection" => Kind::Appliance,
            _ if numbers.iter().any(|n| (65000..65520).contains(n)) => Kind::Appliance,
            _ => Kind::S2s,
        };
        for hop in &route.next_hops {
            let hub = hop.as_str()[1..2].parse().unwrap_or(hub);
            let candidate = Candidate { kind, hub, length: route.as_path.len() };
            found.entry(route.address_prefixes[0].to_string()).or_default().push(candidate);
        }
    }
    for candidates in found.values_mut() {
        candidates.sort();
        candidates.dedup();
    }
    found
}

fn compare(preferences: &[HubRoutingPreference], all: &[(String, Announced)]) {
    let network = network(preferences, all);
    for hub in (1_u8..).zip(preferences).map(|(hub, _)| hub) {
        let chosen = chosen(&network, hub);
        for (prefix, announced) in all {
            let wanted = &expected(preferences, announced)[&hub];
            let found = chosen.get(prefix).cloned().unwrap_or_default();
            assert_eq!(found, *wanted, "h{hub} of {preferences:?}: {prefix} {announced:?}");
        }
    }
}

/// VWAN-6, VWAN-7, VWAN-8: two hubs, every combination of settings, kinds and lengths.
#[test]
fn vwan_6_two_hubs_choose_as_the_rule_says() {
    let ends: Vec<(u8, Kind)> = [1, 2].into_iter().flat_map(|hub| KINDS.map(|kind| (hub, kind))).collect();
    let all = combinations(&ends, &LENGTHS[..3]);
    // Both hubs are looked at, so that each pair of settings stands once.
    for (n, first) in PREFERENCES.into_iter().enumerate() {
        for second in &PREFERENCES[n..] {
            compare(&[first, *second], &all);
        }
    }
}

/// VWAN-6 with several remote hubs, where circuits of other hubs come last when paths are compared first.
#[test]
fn vwan_6_three_hubs_choose_as_the_rule_says() {
    let gateways = [Kind::Er, Kind::S2s];
    let ends: Vec<(u8, Kind)> = [1, 2, 3].into_iter().flat_map(|hub| gateways.map(|k| (hub, k))).collect();
    let all = combinations(&ends, &[None, Some(2), Some(5)]);
    for first in PREFERENCES {
        compare(&[first, ExpressRoute, VpnGateway], &all);
    }
}

/// VWAN-7: with the default setting paths are not compared between a circuit and a site that are both local.
#[test]
fn vwan_7_the_steps_are_sequential() {
    let wan = |preference| {
        Wan::new()
            .hub(1, preference)
            .circuit(1, "er1", &[(&["192.168.0.0/16"], &[64601, 64601, 64601, 64601])])
            .vpn(1, "site1", &[(&["192.168.0.0/16"], &[64602])])
            .build()
    };
    let path = "ExpressRouteGateway 12076-64601-64601-64601-64601";
    assert_eq!(row(&wan(ExpressRoute), 1, "192.168.0.0/16"), [path]);
    assert_eq!(row(&wan(VpnGateway), 1, "192.168.0.0/16"), ["VPN_S2S_Gateway 64602"]);
    assert_eq!(row(&wan(AsPath), 1, "192.168.0.0/16"), ["VPN_S2S_Gateway 64602"]);
}

/// VWAN-8: of several only the best, with 65520 twice in front; equal ones are used together where they are local, and
/// reached through that hub.
#[test]
fn vwan_8_a_hub_tells_others_its_best_alone() {
    let network = Wan::new()
        .hub(1, AsPath)
        .hub(2, ExpressRoute)
        .circuit(2, "er-a", &[(&["192.168.0.0/16"], &[64601])])
        .circuit(2, "er-b", &[(&["192.168.0.0/16"], &[64602])])
        .vpn(2, "site", &[(&["192.168.0.0/16"], &[64603])])
        .build();
    assert_eq!(
        row(&network, 2, "192.168.0.0/16"),
        ["ExpressRouteGateway 12076-64601", "ExpressRouteGateway 12076-64602"]
    );
    let remote = row(&network, 1, "192.168.0.0/16");
    assert_eq!(remote.len(), 1, "{remote:?}");
    assert!(remote[0].starts_with("Remote Hub 65520-65520-12076-6460"), "{remote:?}");
    // A hub does not pass on what it has from others, and keeps its own prefix from them.
    assert_eq!(row(&network, 1, "10.202.0.0/23"), [""; 0]);
}

/// VWAN-9: a hub with private routing intent comes before one without, whatever the paths.
#[test]
fn vwan_9_hubs_with_intent_come_first() {
    let wan = |intent: bool| {
        let wan = Wan::new()
            .hub(1, ExpressRoute)
            .hub(2, ExpressRoute)
            .hub(3, ExpressRoute)
            .vpn(2, "far", &[(&["192.168.0.0/16"], &[64601, 64601])])
            .vpn(3, "near", &[(&["192.168.0.0/16"], &[64602])]);
        if intent { wan.intent(2, true, false) } else { wan }.build()
    };
    assert_eq!(row(&wan(false), 1, "192.168.0.0/16"), ["Remote Hub 65520-65520-64602"]);
    assert_eq!(row(&wan(true), 1, "192.168.0.0/16"), ["Remote Hub 65520-65520-64601-64601"]);
}

/// VWAN-6 by the examples of its document: the figure's paths, with the lengths that the text tells.
#[test]
fn vwan_6_the_documents_examples() {
    // 10.61.1.0/24: sites 1 and 2 and circuits 3 and 4 at the first hub; 1 and 4 are the shortest.
    let local = |preference| {
        let wan = Wan::new()
            .hub(1, preference)
            .hub(2, ExpressRoute)
            .vpn(1, "1", &[(&["10.61.1.0/24"], &[64601, 64601])])
            .vpn(1, "2", &[(&["10.61.1.0/24"], &[64602, 64602, 64602])])
            .circuit(1, "3", &[(&["10.61.1.0/24"], &[64603, 64603])])
            .circuit(1, "4", &[(&["10.61.1.0/24"], &[64604])]);
        row(&wan.build(), 1, "10.61.1.0/24")
    };
    assert_eq!(local(AsPath), ["ExpressRouteGateway 12076-64604"]);
    assert_eq!(local(VpnGateway), ["VPN_S2S_Gateway 64601-64601"]);
    assert_eq!(local(ExpressRoute), ["ExpressRouteGateway 12076-64604"]);
    // 10.62.1.0/24: sites 7 and 8, circuits 9 and 10 and the appliance 11 at the second hub, all equally long.
    let remote = |first, second| {
        let wan = Wan::new()
            .hub(1, first)
            .hub(2, second)
            .spoke(2, 1)
            .vpn(2, "7", &[(&["10.62.1.0/24"], &[64607, 64607])])
            .vpn(2, "8", &[(&["10.62.1.0/24"], &[64608, 64608])])
            .circuit(2, "9", &[(&["10.62.1.0/24"], &[64609])])
            .circuit(2, "10", &[(&["10.62.1.0/24"], &[64610])])
            .peer(2, 1, &[(&["10.62.1.0/24"], &[64612])]);
        let network = wan.build();
        let far = row(&network, 1, "10.62.1.0/24");
        assert!(far.len() == 1 && far[0].starts_with("Remote Hub 65520-65520-"), "{far:?}");
        row(&network, 2, "10.62.1.0/24")
    };
    for first in PREFERENCES {
        for second in [AsPath, ExpressRoute] {
            let circuits = ["ExpressRouteGateway 12076-64609", "ExpressRouteGateway 12076-64610"];
            assert_eq!(remote(first, second), circuits);
        }
        let sites = ["VPN_S2S_Gateway 64607-64607", "VPN_S2S_Gateway 64608-64608"];
        assert_eq!(remote(first, VpnGateway), sites);
    }
}

/// An explanation names the rule that made a route win: policies are named by rules.
#[test]
fn vwan_6_an_explanation_names_the_rule() {
    let network = Wan::new()
        .hub(1, ExpressRoute)
        .hub(2, ExpressRoute)
        .circuit(1, "er1", &[(&["192.168.0.0/16"], &[64601])])
        .vpn(2, "site", &[(&["192.168.0.0/16", "172.16.0.0/16"], &[64602])])
        .build();
    let explain = |prefix: &str| {
        network.bgp().unwrap().explain(&"h1".into(), &prefix.parse().unwrap()).unwrap().to_string()
    };
    let near = explain("192.168.0.0/16");
    assert!(near.contains("`VWAN-6: by ExpressRoute, local ExpressRoute`: matches"), "{near}");
    let far = explain("172.16.0.0/16");
    assert!(far.contains("`VWAN-8: 65520 twice in front`: matches"), "{far}");
    assert!(far.contains("`VWAN-6: by ExpressRoute, remote site-to-site VPN`: matches"), "{far}");
}
