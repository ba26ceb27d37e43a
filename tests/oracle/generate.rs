//! Generated networks: the same input gives the same bytes, sizes are legal where limits hold, and the oracle finds in
//! them what was asked for.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "helpers of tests")]

use std::collections::HashSet;

use azroute::Network;
use azroute::model::{Document, EffectiveNextHopType as Hop, Limits, RouteSource, RouteState, Topology};
use azroute::resolve::Place;
use azroute::testing::generate::{self, Announced, GenerateError, HubAndSpoke, Random, Regions};
use azroute::testing::oracle::{effective_rows, next_hop};

fn bytes(document: &Document) -> String {
    serde_json::to_string(document).unwrap()
}

fn build(design: &HubAndSpoke) -> Document {
    let document = generate::hub_and_spoke(design).unwrap();
    Topology::new(document.clone()).unwrap();
    document
}

#[test]
fn same_input_same_bytes() {
    let design = HubAndSpoke {
        private_endpoints: 7,
        user_routes: 20,
        circuits: 2,
        vpn_sites: 5,
        ..HubAndSpoke::default()
    };
    assert_eq!(bytes(&build(&design)), bytes(&build(&design)));
    let other = HubAndSpoke { seed: 2, ..design };
    assert_ne!(bytes(&build(&design)), bytes(&build(&other)));
    assert_eq!(
        generate::route_table("rt", 50, [10, 0, 0, 4].into(), 3),
        generate::route_table("rt", 50, [10, 0, 0, 4].into(), 3)
    );
    assert_eq!(generate::service_tags(9, 90, 3), generate::service_tags(9, 90, 3));
    assert_eq!(generate::learned_routes(50, 3), generate::learned_routes(50, 3));
    assert_eq!(generate::ipv6_prefixes(50, 3), generate::ipv6_prefixes(50, 3));
    // The published first numbers of splitmix64 for seed 0.
    let mut random = Random::new(0);
    assert_eq!([random.next_u64(), random.next_u64()], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
}

/// The bytes are pinned, so that a changed generator is noticed: stored benches and reports name a seed.
#[test]
fn bytes_are_pinned() {
    let text = bytes(&build(&HubAndSpoke::default()));
    let hash =
        text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    assert_eq!(format!("{hash:016x} {}", text.len()), "c18be0b68fe4e7cb 39232");
}

#[test]
fn sizes_are_legal_where_limits_hold() {
    let design =
        HubAndSpoke { spokes: 1_001, subnets_per_spoke: 1, learned_routes: 5_000, ..HubAndSpoke::default() };
    assert_eq!(design.hubs(), 3);
    let document = build(&design);
    assert_eq!(document.virtual_networks.len(), 1_004);
    assert!(document.virtual_networks.iter().all(|v| v.peerings.len() <= 500));
    assert!(document.route_tables.iter().all(|t| t.routes.len() <= 600));
    for (what, too_much) in [
        (
            "subnets per network",
            HubAndSpoke { subnets_per_spoke: 3_001, hosts_per_subnet: 0, ..HubAndSpoke::default() },
        ),
        ("prefixes over a circuit", HubAndSpoke { learned_routes: 10_001, ..HubAndSpoke::default() }),
        ("circuits per gateway", HubAndSpoke { circuits: 17, ..HubAndSpoke::default() }),
        ("user-defined routes per table", HubAndSpoke { user_routes: 600, ..HubAndSpoke::default() }),
        (
            "private addresses per peered group",
            HubAndSpoke { hosts_per_subnet: 4_000, ..HubAndSpoke::default() },
        ),
    ] {
        match generate::hub_and_spoke(&too_much) {
            Err(GenerateError::Limit { what: found, .. }) => assert_eq!(found, what),
            other => panic!("{what}: {:?}", other.map(|d| d.len())),
        }
    }
    let study = HubAndSpoke {
        spokes: 2_000,
        subnets_per_spoke: 1,
        learned_routes: 20_000,
        user_routes: 2_000,
        limits: Limits::LintOnly,
        ..HubAndSpoke::default()
    };
    let document = build(&study);
    assert_eq!(document.virtual_networks[0].peerings.len(), 2_000);
    assert_eq!(document.route_tables[0].routes.len(), 2_001);
    let huge = HubAndSpoke { spokes: 1 << 24, limits: Limits::LintOnly, subnets_per_spoke: 1 << 20, ..study };
    assert_eq!(generate::hub_and_spoke(&huge), Err(GenerateError::AddressSpace("the spokes")));
}

/// GWR-1, UDR-2, PE-1: what was asked for is in the tables.
#[test]
fn tables_hold_what_was_asked_for() {
    let design = HubAndSpoke {
        spokes: 3,
        learned_routes: 200,
        vpn_sites: 4,
        user_routes: 10,
        private_endpoints: 6,
        ..HubAndSpoke::default()
    };
    let document = build(&design);
    let spoke = &document.virtual_networks[1];
    let subnet = spoke.subnet_id("subnet-0");
    let rows = effective_rows(&document, &subnet).unwrap();
    let of = |source: RouteSource| rows.iter().filter(|r| r.source == source).count();
    // 200 by ExpressRoute; 2 static sites; 2 BGP sites with a peer address each.
    assert_eq!(of(RouteSource::VirtualNetworkGateway), 200 + 2 + 4);
    assert_eq!(of(RouteSource::User), 11);
    // Its own two private endpoints only: those of other spokes are two peerings away (PE-2).
    assert_eq!(rows.iter().filter(|r| r.next_hop_type == Hop::InterfaceEndpoint).count(), 2);
    let hop = |dst: &str| next_hop(&document, &subnet, dst.parse().unwrap()).unwrap().1;
    assert_eq!(hop("8.8.8.8"), Hop::VirtualAppliance);
    assert_eq!(hop("100.64.0.1"), Hop::VirtualNetworkGateway);
}

/// GWR-1, PEER-6, ER-4, ER-20: what the datacentre announces over four circuits is in every spoke of every region, whether
/// its routers speak or it is declared, within every limit.
#[test]
fn regions_hold_what_was_announced() {
    for speakers in [true, false] {
        let design = Regions { spokes_per_hub: 6, speakers, ..Regions::default() };
        let document = generate::regions(&design).unwrap();
        assert_eq!(bytes(&document), bytes(&generate::regions(&design).unwrap()));
        let network = Network::build(&Topology::new(document.clone()).unwrap()).unwrap();
        let exceeded = network.findings().iter().filter(|f| {
            use azroute::analysis::FindingCode::{ConnectionDown, PrefixLimit, SessionDown};
            matches!(f.code, PrefixLimit | SessionDown | ConnectionDown)
        });
        assert_eq!(exceeded.count(), 0);
        let first = document.on_premises_sites[0].prefixes[0].addr();
        let spokes: Vec<_> =
            document.virtual_networks.iter().filter(|v| v.id.name().starts_with("spoke")).collect();
        assert_eq!(spokes.len(), 18);
        for spoke in spokes {
            let routes = network.effective_routes(&spoke.subnet_id("subnet-0")).unwrap();
            let learned = routes.rows().into_iter().filter(|row| {
                row.source == RouteSource::VirtualNetworkGateway && row.state == RouteState::Active
            });
            assert_eq!(learned.count(), 9_500, "{}", spoke.id);
            let answer = network.resolve(spoke.subnet_id("subnet-0"), first).unwrap();
            let circuits: HashSet<_> = answer
                .hops()
                .filter_map(|hop| match &hop.place {
                    Place::Msee { circuit, link, .. } => Some((circuit.clone(), *link)),
                    _ => None,
                })
                .collect();
            assert_eq!(circuits.len(), 8, "ER-8: over both links of every circuit");
        }
    }
    let more = Regions { learned_routes: 10_001, ..Regions::default() };
    assert!(matches!(generate::regions(&more), Err(GenerateError::Limit { .. })));
    let wide = Regions { spokes_per_hub: 501, ..Regions::default() };
    assert!(matches!(
        generate::regions(&wide),
        Err(GenerateError::Limit { what: "spokes of a hub", asked: 501, legal: 500 })
    ));
}

#[test]
fn parts_are_what_they_say() {
    for n in [0, 1, 10, 5_000] {
        let prefixes = generate::prefixes(n, 7);
        assert_eq!(prefixes.iter().collect::<HashSet<_>>().len(), n);
        for prefix in prefixes {
            assert_eq!(prefix, prefix.trunc());
            assert!(prefix.network().octets()[0] >= 128);
        }
        assert_eq!(generate::route_table("rt", n, [10, 0, 0, 4].into(), 7).routes.len(), n);
        assert_eq!(generate::ipv6_prefixes(n, 7).iter().collect::<HashSet<_>>().len(), n);
    }
    let tags = generate::service_tags(22, 300, 7);
    assert_eq!(tags.iter().map(|t| t.name.to_lowercase()).collect::<HashSet<_>>().len(), 22);
    assert_eq!(tags[0].address_prefixes.len(), 300);
    // A service holds what its regions hold.
    let storage = tags.iter().find(|t| t.name == "Storage").unwrap();
    let west = tags.iter().find(|t| t.name == "Storage.westeurope").unwrap();
    assert!(!west.address_prefixes.is_empty());
    assert!(west.address_prefixes.iter().all(|p| storage.address_prefixes.contains(p)));
    let document = build(&HubAndSpoke::default());
    assert_eq!(generate::addresses(&document, 1_000, 7).len(), 1_000);
}

/// A whole table over circuits: every prefix arrives, over the links of its way and no other.
#[test]
fn a_table_is_announced_in_as_many_ways_as_asked_for() {
    let size = HubAndSpoke {
        spokes: 3,
        circuits: 2,
        learned_routes: 0,
        vpn_sites: 0,
        limits: Limits::LintOnly,
        ..HubAndSpoke::default()
    };
    let table: Vec<(ipnet::IpNet, u32)> =
        generate::prefixes(300, 9).into_iter().zip(64_496..).map(|(p, origin)| (p.into(), origin)).collect();
    for (announced, ways) in [(Announced::Alike, 1), (Announced::ByOrigin(15), 15), (Announced::Each, 1)] {
        let mut document = generate::hub_and_spoke(&size).unwrap();
        assert_eq!(generate::announce(&mut document, table.iter().copied(), announced), Ok(300));
        let spoke = document.virtual_networks.iter().find(|v| v.id.name().starts_with("spoke")).unwrap();
        let subnet = spoke.subnet_id(&spoke.subnets[0].name);
        let network = Network::build(&Topology::new(document).unwrap()).unwrap();
        let mut seen = HashSet::new();
        for (prefix, _) in table.iter().step_by(4) {
            let answer = network.resolve(&subnet, prefix.network()).unwrap();
            let mut edges: Vec<String> = answer
                .paths()
                .flat_map(|path| path.hops().iter().map(|hop| hop.place.to_string()).collect::<Vec<_>>())
                .filter(|place| place.contains("edge router"))
                .collect();
            edges.sort();
            edges.dedup();
            assert!(!edges.is_empty(), "{answer}");
            seen.insert(edges);
        }
        assert_eq!(seen.len(), ways, "{announced:?}");
        let effective = network.effective_routes(&subnet).unwrap();
        let learned =
            effective.rows().iter().filter(|r| r.source == RouteSource::VirtualNetworkGateway).count();
        assert_eq!(learned, 300);
    }
    let mut document = generate::hub_and_spoke(&size).unwrap();
    let error = generate::announce(&mut document, table, Announced::ByOrigin(16)).unwrap_err();
    assert_eq!(error, GenerateError::Limit { what: "ways of announcing", asked: 16, legal: 15 });
}
