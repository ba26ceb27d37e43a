//! What must hold of designs whose sites and appliances speak BGP, beside what holds of every design (`properties`).

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use azroute::Network;
use azroute::model::bgp::{AddressFamily, AsPath, BgpSession, BgpSpeaker, DefaultOriginate, Origination};
use azroute::model::{
    Advertisement, Asn, Change, CircuitPeering, CircuitSkuTier, Document, Knobs, LinkRole, OnPremisesSite,
    PeeringType, ResourceId, Topology,
};
use azroute::testing::strategies;
use ipnet::IpNet;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::properties::{
    build, ends, first, net, printed, probes, rows, same, sites, subnets, turned, with_a_stranger,
};

/// `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 48;
    }
    config
}

/// Any design with gateways, under the default knobs, whose circuits end at their own sites. Lists are still declared.
fn declared() -> impl Strategy<Value = Document> {
    strategies::any_topology().prop_map(|mut document| {
        document.knobs = Knobs::default();
        for circuit in &mut document.express_route_circuits {
            let site = ResourceId::new(format!("{}-site", circuit.id));
            if document.on_premises_sites.iter().any(|s| s.id == site) {
                circuit.primary.edge_router.get_or_insert_with(|| site.clone());
                circuit.secondary.edge_router.get_or_insert(site);
            }
        }
        document
    })
}

/// Such designs, in which some sites and appliances speak BGP.
fn designs() -> impl Strategy<Value = Document> {
    strategies::speaking(declared())
}

/// Designs of today or of the day when public peering stood, with Microsoft and public peering on every circuit, and with
/// public prefixes announced there: paths of private and public numbers.
fn with_public_sides() -> impl Strategy<Value = Document> {
    let paths = proptest::collection::vec(
        proptest::sample::select(vec![
            vec![65_001_u32],
            vec![3_333],
            vec![3_333, 65_001],
            vec![65_001, 65_002],
        ]),
        8,
    );
    (declared(), paths, any::<bool>()).prop_map(|(mut document, paths, today)| {
        document.as_of = if today { None } else { Some("2018-01-01".parse().unwrap()) };
        let mut told: Vec<(ResourceId, Advertisement)> = Vec::new();
        for (n, circuit) in document.express_route_circuits.iter_mut().enumerate() {
            for kind in [PeeringType::MicrosoftPeering, PeeringType::AzurePublicPeering] {
                let legal = kind == PeeringType::MicrosoftPeering || !today;
                if legal && circuit.peerings.iter().all(|p| p.peering_type != kind) {
                    circuit.peerings.push(CircuitPeering::new(kind));
                }
            }
            let path = paths[n % 8].iter().copied().map(Asn);
            let prefixes = [net("203.0.113.0/24"), net("20.38.1.0/24")];
            let mut more = Advertisement::new(&circuit.id, prefixes, path);
            more.peering = PeeringType::MicrosoftPeering;
            told.push((ResourceId::new(format!("{}-site", circuit.id)), more));
        }
        for (site, more) in told {
            for found in document.on_premises_sites.iter_mut().filter(|s| s.id == site) {
                found.advertisements.push(more.clone());
            }
        }
        document
    })
}

/// The ids of Azure's ends of one kind of peering.
fn is_on(end: &ResourceId, kind: PeeringType) -> bool {
    end.as_str().contains(&format!("/peerings/{}/", kind.as_str()))
}

/// What a speaker is called in the designs, and the session it has with a Route Server's appliance, are there at all.
#[test]
fn designs_hold_speakers_of_every_kind() {
    let strategy = designs();
    let mut runner = TestRunner::deterministic();
    let [mut circuits, mut tunnels, mut servers, mut lists] = [0; 4];
    for _ in 0..150 {
        let document = strategy.new_tree(&mut runner).unwrap().current();
        let network = Network::build(&Topology::new(document.clone()).unwrap()).unwrap();
        let ends = || document.bgp_sessions.iter().map(|s| &s.b.speaker);
        circuits += usize::from(ends().any(|e| is_on(e, PeeringType::AzurePrivatePeering)));
        servers += usize::from(ends().any(|e| document.route_servers.iter().any(|r| r.id == *e)));
        tunnels += usize::from(ends().any(|e| document.connections.iter().any(|c| c.id == *e)));
        lists += usize::from(document.on_premises_sites.iter().any(|s| !s.advertisements.is_empty()));
        assert!(network.bgp().is_none_or(|engine| engine.unsettled().next().is_none()));
    }
    assert!(
        circuits > 20 && tunnels > 5 && servers > 2 && lists > 20,
        "{circuits} {tunnels} {servers} {lists}"
    );
}

/// A tenant that speaks: the stranger of `properties`, with its list in the mouth of a router.
fn with_a_speaking_stranger(document: &Document) -> Document {
    let stranger = with_a_stranger(document);
    let site: ResourceId = "stranger-site".into();
    let mut more = stranger.clone();
    for found in more.on_premises_sites.iter_mut().filter(|s| s.id == site) {
        found.advertisements.clear();
    }
    let prefixes = ["0.0.0.0/0", "10.0.0.0/8", "192.168.0.0/16", "8.8.8.0/24"].map(net).to_vec();
    let originate = vec![Origination { prefixes, ..Origination::default() }];
    more.bgp_speakers.push(BgpSpeaker {
        id: site.clone(),
        asn: Asn(64_999),
        originate,
        ..BgpSpeaker::default()
    });
    for kind in [PeeringType::AzurePrivatePeering, PeeringType::MicrosoftPeering] {
        for link in LinkRole::BOTH {
            let end = format!("stranger-circuit/peerings/{}/links/{}", kind.as_str(), link.as_str());
            more.bgp_sessions.push(BgpSession::new(format!("stranger {end}"), &site, end));
        }
    }
    more
}

/// More prefixes than any session takes, of no interest to anybody.
fn too_many(limit: usize) -> Vec<IpNet> {
    (0..=limit).map(|n| net(&format!("25.{}.{}.0/24", n / 256, n % 256))).collect()
}

/// A prefix limit is put to the test on a circuit (`peering`), or on a VPN connection (none): the design with too much told
/// there, the one with nothing told there, and the site that tells.
fn exceeding(document: &Document, peering: Option<PeeringType>) -> Option<(Document, Document, ResourceId)> {
    let sites: Vec<&OnPremisesSite> = document.on_premises_sites.iter().collect();
    for site in sites {
        let Some(told) = site.advertisements.first() else { continue };
        let circuit = document.express_route_circuits.iter().find(|c| c.id == told.over);
        let fits = match peering {
            Some(kind) => circuit.is_some_and(|c| c.peering(kind).is_some()),
            None => circuit.is_none(),
        };
        let alone = document
            .on_premises_sites
            .iter()
            .all(|s| s.id == site.id || s.advertisements.iter().all(|a| a.over != told.over));
        if !fits || !alone {
            continue;
        }
        let limit = match (peering, circuit.map(|c| c.sku_tier)) {
            (Some(PeeringType::AzurePrivatePeering), Some(CircuitSkuTier::Premium)) => 10_000,
            (Some(PeeringType::MicrosoftPeering | PeeringType::AzurePublicPeering), _) => 200,
            _ => 4_000,
        };
        let kind = peering.unwrap_or(PeeringType::AzurePrivatePeering);
        let path = told.as_path.clone();
        let change = |edit: &dyn Fn(&mut OnPremisesSite)| {
            let mut changed = document.clone();
            changed.on_premises_sites.iter_mut().filter(|s| s.id == site.id).for_each(edit);
            changed
        };
        let more = change(&|s| {
            let mut more = Advertisement::new(&told.over, too_many(limit), path.clone());
            more.peering = kind;
            s.advertisements.push(more);
        });
        // Without its IPv4 routes; IPv6 has sessions of its own.
        let none = change(&|s| {
            for told in s.advertisements.iter_mut().filter(|a| a.peering == kind) {
                told.prefixes.retain(|p| p.addr().is_ipv6());
            }
        });
        return Some((more, none, site.id.clone()));
    }
    None
}

proptest! {
    #![proptest_config(config())]

    /// ISO-1: a tenant that speaks BGP in the same addresses, on a circuit of its own, changes no answer of another.
    #[test]
    fn a_speaking_stranger_changes_nothing(document in designs(), salt in any::<usize>()) {
        same(&build(&document), &build(&with_a_speaking_stranger(&document)), &document, salt)?;
    }

    /// What speakers announce and withdraw, told to a network that stands, is what a network built anew has: prefixes of
    /// their own, of others and new ones, one or several at once, with a failure before or without.
    #[test]
    fn announced_and_withdrawn_is_as_built_anew(
        document in designs(),
        who in any::<prop::sample::Index>(),
        steps in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>(), 0..3_u8), 1..4),
        fails in proptest::option::of(any::<prop::sample::Index>()),
        salt in any::<usize>(),
    ) {
        if document.bgp_speakers.is_empty() {
            return Ok(());
        }
        let speaker = who.get(&document.bgp_speakers).id.clone();
        let mut known: Vec<IpNet> =
            document.bgp_speakers.iter().flat_map(|s| &s.originate).flat_map(|o| o.prefixes.clone()).collect();
        known.extend(["0.0.0.0/0", "10.0.0.0/9", "198.51.100.0/24", "203.0.113.128/25"].map(net));
        let (mut changed, mut changes) = (document.clone(), Vec::new());
        for (which, announce, prepend) in steps {
            let own = changed.bgp_speaker_mut(&speaker).unwrap().originate.clone();
            let own: Vec<IpNet> = own.into_iter().flat_map(|o| o.prefixes).collect();
            let change = if announce || own.is_empty() {
                let mut origination = Origination { prefixes: vec![*which.get(&known)], ..Origination::default() };
                let path = std::iter::repeat_n(Asn(64_990), usize::from(prepend));
                origination.attributes.as_path = AsPath::sequence(path);
                Change::Announce { speaker: speaker.clone(), origination }
            } else {
                Change::Withdraw { speaker: speaker.clone(), prefixes: vec![*which.get(&own)] }
            };
            changed.apply(&change).unwrap();
            changes.push(change);
        }
        let (mut standing, mut rebuilt) = (build(&document), build(&changed));
        let elements = standing.elements();
        if let Some(fails) = fails && !elements.is_empty() {
            let lost = [fails.get(&elements).clone()];
            (standing, rebuilt) = (standing.without(&lost).unwrap(), rebuilt.without(&lost).unwrap());
        }
        let told = standing.apply(&changes).unwrap();
        prop_assert_eq!(told.topology().document(), &changed);
        same(&told, &rebuilt, &changed, salt)?;
        let (engine, expected) = (told.bgp().unwrap(), rebuilt.bgp().unwrap());
        for speaker in expected.speakers() {
            let routes = |engine: &azroute::bgp::Engine| -> Vec<String> {
                engine.loc_rib(speaker).map(|route| format!("{route:?}")).collect()
            };
            prop_assert_eq!(routes(engine), routes(expected), "{}", speaker);
        }
        prop_assert_eq!(told.findings(), rebuilt.findings());
    }

    /// BGP-9, ER-1: where both links of every pair announce alike, one of each can go, and nobody loses anything.
    #[test]
    fn one_link_of_every_pair_is_enough(
        mut document in declared(),
        speak in any::<bool>(),
        which in any::<u64>(),
        salt in any::<usize>(),
    ) {
        for circuit in &mut document.express_route_circuits {
            (circuit.primary.up, circuit.secondary.up) = (true, true);
        }
        for told in document.on_premises_sites.iter_mut().flat_map(|s| &mut s.advertisements) {
            told.link = None;
        }
        let document = if speak { strategies::spoken(&document, |_| true) } else { document };
        let before = build(&document);
        let changes: Vec<Change> = document
            .express_route_circuits
            .iter()
            .enumerate()
            .map(|(n, c)| Change::SetLink { circuit: c.id.clone(), link: LinkRole::BOTH[usize::from(which >> (n % 64) & 1 == 1)], up: false })
            .collect();
        let after = before.apply(&changes).unwrap();
        for subnet in subnets(&document) {
            prop_assert_eq!(rows(&before, &subnet), rows(&after, &subnet), "{}", subnet);
        }
        for source in subnets(&document).into_iter().chain(sites(&document)) {
            for probe in probes(&document, salt) {
                let (Ok(was), Ok(is)) = (before.resolve(&source, probe), after.resolve(&source, probe)) else { continue };
                prop_assert_eq!(ends(&was), ends(&is), "{} {}\n{}\n{}", source, probe, was, is);
            }
        }
    }

    /// MSP-4, PUB-5, FT-4: a default route announced on Microsoft or public peering is nothing to a subnet.
    #[test]
    fn a_default_on_a_public_side_changes_nothing(
        document in with_public_sides(),
        speak in any::<bool>(),
        salt in any::<usize>(),
    ) {
        let document = if speak { strategies::spoken(&document, |_| true) } else { document };
        let mut told = document.clone();
        for kind in [PeeringType::MicrosoftPeering, PeeringType::AzurePublicPeering] {
            for session in told.bgp_sessions.iter_mut().filter(|s| is_on(&s.b.speaker, kind)) {
                session.a.default_originate = Some(DefaultOriginate::default());
            }
            for circuit in &document.express_route_circuits {
                let site = ResourceId::new(format!("{}-site", circuit.id));
                for found in told.on_premises_sites.iter_mut().filter(|s| s.id == site && !s.advertisements.is_empty()) {
                    let mut default = Advertisement::new(&circuit.id, [net("0.0.0.0/0")], [Asn(3_333)]);
                    default.peering = kind;
                    found.advertisements.push(default);
                }
            }
        }
        let (before, after) = (build(&document), build(&told));
        for subnet in subnets(&document) {
            prop_assert_eq!(rows(&before, &subnet), rows(&after, &subnet), "{}", subnet);
            for probe in probes(&document, salt) {
                prop_assert_eq!(printed(&before, &subnet, probe), printed(&after, &subnet, probe));
            }
        }
    }

    /// MSP-6: a private number more in front of a path on Microsoft peering changes nothing.
    #[test]
    fn a_private_number_more_changes_nothing(
        document in with_public_sides(),
        speak in any::<bool>(),
        times in 1_usize..4,
        salt in any::<usize>(),
    ) {
        let mut longer = document.clone();
        for told in longer.on_premises_sites.iter_mut().flat_map(|s| &mut s.advertisements) {
            if told.peering == PeeringType::MicrosoftPeering {
                let first = told.as_path.first().copied().into_iter();
                told.as_path = first
                    .chain(std::iter::repeat_n(Asn(64_700), times))
                    .chain(told.as_path.iter().copied().skip(1))
                    .collect();
            }
        }
        let pick = |document: &Document| if speak { strategies::spoken(document, |_| true) } else { document.clone() };
        let (mut one, mut other) = (pick(&document), pick(&longer));
        // A longer path may be one that no single speaker can announce.
        if one.bgp_speakers.len() != other.bgp_speakers.len() {
            (one, other) = (document.clone(), longer);
        }
        let (before, after) = (build(&one), build(&other));
        for subnet in subnets(&document) {
            prop_assert_eq!(rows(&before, &subnet), rows(&after, &subnet), "{}", subnet);
        }
        for source in subnets(&document).into_iter().chain(sites(&document)) {
            for probe in probes(&document, salt) {
                prop_assert_eq!(printed(&before, &source, probe), printed(&after, &source, probe));
            }
        }
    }

    /// The order of the lists, those of speakers and sessions included, changes nothing.
    #[test]
    fn order_of_speakers_changes_nothing(document in designs(), by in 0_usize..12, salt in any::<usize>()) {
        let (before, after) = (build(&document), build(&turned(&document, by)));
        for subnet in subnets(&document) {
            prop_assert_eq!(rows(&before, &subnet), rows(&after, &subnet), "{}", subnet);
            for probe in probes(&document, salt) {
                prop_assert_eq!(printed(&before, &subnet, probe), printed(&after, &subnet, probe));
            }
        }
        if let (Some(one), Some(two)) = (before.bgp(), after.bgp()) {
            let speakers: BTreeSet<&ResourceId> = one.speakers().collect();
            prop_assert_eq!(&speakers, &two.speakers().collect());
            for speaker in document.bgp_speakers.iter().map(|s| &s.id) {
                prop_assert_eq!(one.show(speaker).map(|t| t.to_string()), two.show(speaker).map(|t| t.to_string()));
            }
        }
    }

    /// GWR-1, ER-7: what a site is declared to advertise, and a speaker of the same number that announces it, come to the
    /// same rows and next hops. What becomes of a packet at the site differs: a list says what a site has as well, gives
    /// it addresses to send from, and stands behind what it hears; a router's own route stands before it.
    #[test]
    fn a_list_and_a_speaker_say_the_same(document in declared(), salt in any::<usize>()) {
        let spoken = strategies::spoken(&document, |_| true);
        prop_assume!(!spoken.bgp_speakers.is_empty());
        let (before, after) = (build(&document), build(&spoken));
        for subnet in subnets(&document) {
            prop_assert_eq!(rows(&before, &subnet), rows(&after, &subnet), "{}", subnet);
            for probe in probes(&document, salt) {
                prop_assert_eq!(first(&before, &subnet, probe), first(&after, &subnet, probe), "{} {}", subnet, probe);
            }
        }
    }
}

proptest! {
    // Thousands of prefixes each.
    #![proptest_config(ProptestConfig { cases: config().cases / 4, ..config() })]

    /// ER-4, MSP-5, PUB-5, VPN-4: past its limit a session gives what no session gives.
    #[test]
    fn past_its_limit_a_session_is_no_session(
        document in with_public_sides(),
        speak in any::<bool>(),
        kind in proptest::sample::select(vec![
            Some(PeeringType::AzurePrivatePeering), Some(PeeringType::MicrosoftPeering), None,
        ]),
        salt in any::<usize>(),
    ) {
        let Some((more, none, site)) = exceeding(&document, kind) else { return Ok(()) };
        let spoken = strategies::spoken(&more, |_| true);
        let mut without = spoken.clone();
        for session in without.bgp_sessions.iter_mut().filter(|s| s.a.speaker == site) {
            let of_circuit = session.b.speaker.as_str().contains("/peerings/");
            if kind.map_or(!of_circuit, |kind| is_on(&session.b.speaker, kind)) {
                session.families = vec![AddressFamily::Ipv6Unicast];
            }
        }
        // A list also says what the site has, whoever hears it: there only what Azure learns is compared.
        let speaks = speak && without != spoken;
        let (down, silent) = if speaks { (build(&spoken), build(&without)) } else { (build(&more), build(&none)) };
        for subnet in subnets(&document) {
            prop_assert_eq!(rows(&down, &subnet), rows(&silent, &subnet), "{}", subnet);
        }
        let sources = if speaks { [subnets(&document), sites(&document)].concat() } else { Vec::new() };
        for source in sources {
            for probe in probes(&document, salt) {
                prop_assert_eq!(printed(&down, &source, probe), printed(&silent, &source, probe));
            }
        }
    }
}
