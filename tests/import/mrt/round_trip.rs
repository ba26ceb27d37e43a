//! A random table, written as a dump and read, is that table.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use azroute::import::mrt::{self, MrtOptions, MrtTables};
use azroute::model::Asn;
use azroute::model::bgp::{
    AddressFamily, Aggregator, AsPath, ClusterList, Communities, Community, ExtendedCommunity,
    LargeCommunity, Origin, PathAttributes, Segment, SegmentKind,
};
use ipnet::IpNet;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use crate::mrt::writer::{Dump, Peer};

/// Peer, prefix, path identifier: attributes.
type Routes = BTreeMap<(usize, IpNet, u32), PathAttributes>;

fn asn() -> impl Strategy<Value = Asn> {
    prop_oneof![1_u32..23456, 64496_u32..64512, 65536_u32..70000].prop_map(Asn)
}

fn as_path() -> impl Strategy<Value = AsPath> {
    let plain = (prop_oneof![Just(SegmentKind::Sequence), Just(SegmentKind::Set)], vec(asn(), 1..5))
        .prop_map(|(kind, asns)| Segment { kind, asns });
    let member = (64512_u32..65535).prop_map(Asn);
    let confederation =
        (prop_oneof![Just(SegmentKind::ConfedSequence), Just(SegmentKind::ConfedSet)], vec(member, 1..3))
            .prop_map(|(kind, asns)| Segment { kind, asns });
    (vec(confederation, 0..2), vec(plain, 0..3))
        .prop_map(|(front, rest)| AsPath::from_segments(front.into_iter().chain(rest)))
}

fn communities() -> impl Strategy<Value = Communities> {
    let large = any::<(u32, u32, u32)>().prop_map(|(global, local_1, local_2)| LargeCommunity {
        global,
        local_1,
        local_2,
    });
    (
        vec(any::<u32>().prop_map(Community), 0..4),
        vec(any::<[u8; 8]>().prop_map(ExtendedCommunity), 0..3),
        vec(large, 0..3),
    )
        .prop_map(|(standard, extended, large)| Communities::new(standard, extended, large))
}

fn attributes() -> impl Strategy<Value = PathAttributes> {
    let origin = prop_oneof![Just(Origin::Igp), Just(Origin::Egp), Just(Origin::Incomplete)];
    let aggregator = (asn(), any::<Ipv4Addr>()).prop_map(|(asn, address)| Aggregator { asn, address });
    (
        (origin, as_path(), of(any::<u32>()), of(any::<u32>()), any::<bool>(), of(aggregator)),
        (communities(), of(any::<Ipv4Addr>()), vec(any::<Ipv4Addr>(), 0..3)),
    )
        .prop_map(
            |((origin, as_path, med, local_preference, atomic, aggregator), (communities, id, clusters))| {
                PathAttributes {
                    origin,
                    as_path,
                    med,
                    local_preference,
                    atomic_aggregate: atomic,
                    aggregator,
                    communities,
                    originator_id: id,
                    cluster_list: ClusterList::new(clusters),
                    ..PathAttributes::default()
                }
            },
        )
}

fn prefix() -> impl Strategy<Value = IpNet> {
    prop_oneof![
        (0_u32..64, 8_u8..=32).prop_map(|(n, len)| {
            IpNet::new(IpAddr::from((0x0A00_0000 | n << 12).to_be_bytes()), len).unwrap().trunc()
        }),
        (0_u128..64, 20_u8..=128).prop_map(|(n, len)| {
            let address = Ipv6Addr::from(0x2001_0DB8_u128 << 96 | n << 80);
            IpNet::new(IpAddr::V6(address), len).unwrap().trunc()
        }),
    ]
}

/// Routes of three peers; a few sets of attributes, so that some are shared.
fn routes() -> impl Strategy<Value = Routes> {
    (vec(attributes(), 1..5), vec((0_usize..3, prefix(), 0_u32..2, any::<prop::sample::Index>()), 0..30))
        .prop_map(|(sets, routes)| {
            routes
                .into_iter()
                .map(|(peer, prefix, id, set)| ((peer, prefix, id), set.get(&sets).clone()))
                .collect()
        })
}

fn peers(v4: bool) -> [Peer; 3] {
    [64500_u32, 65010, 64499].map(|asn| {
        let low = u8::try_from(asn % 200).unwrap();
        let address = if v4 {
            IpAddr::from([192, 0, 2, low])
        } else {
            IpAddr::V6(Ipv6Addr::from(0x2001_0DB8_u128 << 96 | u128::from(low)))
        };
        Peer { asn: Asn(asn), address, router_id: Ipv4Addr::new(10, 9, 8, low) }
    })
}

fn next_hop(prefix: &IpNet, mixed: bool) -> IpAddr {
    // RFC 8950: an IPv4 route may have an IPv6 next hop.
    if prefix.addr().is_ipv4() && !(mixed && prefix.prefix_len().is_multiple_of(2)) {
        IpAddr::from([192, 0, 2, 77])
    } else {
        "2001:db8::77".parse().unwrap()
    }
}

/// What was read, route by route.
fn flat(tables: &MrtTables) -> BTreeMap<(Asn, IpAddr, IpNet), Vec<PathAttributes>> {
    let mut flat: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for peer in &tables.peers {
        for origination in &peer.originations {
            assert!(origination.prefixes.is_sorted_by(|a, b| a < b), "sorted, each once");
            for prefix in &origination.prefixes {
                flat.entry((peer.asn, peer.address, *prefix))
                    .or_default()
                    .push(origination.attributes.clone());
            }
        }
        let mut sets: Vec<_> = peer.originations.iter().map(|o| format!("{:?}", o.attributes)).collect();
        sets.sort();
        assert!(sets.is_sorted_by(|a, b| a < b), "one entry for each set");
    }
    flat
}

fn expected(routes: &[(Peer, IpNet, PathAttributes)]) -> BTreeMap<(Asn, IpAddr, IpNet), Vec<PathAttributes>> {
    let mut all: BTreeMap<_, Vec<PathAttributes>> = BTreeMap::new();
    for (peer, prefix, attributes) in routes {
        let sets = all.entry((peer.asn, peer.address, *prefix)).or_default();
        if !sets.contains(attributes) {
            sets.push(attributes.clone());
        }
    }
    all
}

fn same(tables: &MrtTables, routes: &[(Peer, IpNet, PathAttributes)]) {
    assert_eq!(tables.report.warnings, []);
    let (mut have, mut want) = (flat(tables), expected(routes));
    for sets in have.values_mut().chain(want.values_mut()) {
        sets.sort_by_key(|set| format!("{set:?}"));
    }
    assert_eq!(have, want);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_table_of_either_version(routes in routes(), add_path: bool, mixed: bool) {
        let peers = peers(true);
        let mut dump = Dump::default();
        dump.peer_table(&peers);
        let mut written = Vec::new();
        for ((peer, prefix, id), attributes) in &routes {
            if !add_path && *id > 0 {
                continue;
            }
            let attributes = PathAttributes { next_hop: Some(next_hop(prefix, mixed)), ..attributes.clone() };
            dump.rib(prefix, &[(u16::try_from(*peer).unwrap(), add_path.then_some(*id), &attributes)]);
            written.push((peers[*peer], *prefix, attributes));
        }
        let tables = mrt::read(&dump.bytes[..], &MrtOptions::default()).unwrap();
        same(&tables, &written);
        for (peer, given) in tables.peers.iter().zip([&peers[2], &peers[0], &peers[1]]) {
            prop_assert!(peers.iter().any(|p| p.address == peer.address && Some(p.router_id) == peer.router_id), "{given:?}");
        }

        let mut dump = Dump::default();
        let mut written = Vec::new();
        for ((peer, prefix, id), attributes) in &routes {
            if *id == 0 {
                let peer = self::peers(prefix.addr().is_ipv4())[*peer];
                let attributes = PathAttributes { next_hop: Some(next_hop(prefix, false)), ..attributes.clone() };
                dump.table_dump(&peer, prefix, &attributes);
                written.push((peer, *prefix, attributes));
            }
        }
        if !written.is_empty() {
            same(&mrt::read(&dump.bytes[..], &MrtOptions::default()).unwrap(), &written);
        }
    }

    /// Announced, changed and withdrawn; what is left is the table.
    #[test]
    fn updates_in_their_order(
        before in routes(),
        after in routes(),
        wide: bool,
        add_path: bool,
        mixed: bool,
        reset in of(0_usize..3),
    ) {
        let peers = peers(false);
        let mut dump = Dump::default();
        let mut held: Routes = BTreeMap::new();
        let put = |dump: &mut Dump, held: &mut Routes, (peer, prefix, id): (usize, IpNet, u32), a: &PathAttributes| {
            let a = PathAttributes { next_hop: Some(next_hop(&prefix, mixed)), ..a.clone() };
            dump.update(&peers[peer], wide, &prefix, add_path.then_some(id), Some(&a));
            held.insert((peer, prefix, if add_path { id } else { 0 }), a);
        };
        dump.state(&peers[0], wide, 5, 6);
        for (route, attributes) in &before {
            put(&mut dump, &mut held, *route, attributes);
        }
        for (i, (peer, prefix, id)) in before.keys().enumerate() {
            if i % 3 == 0 {
                dump.update(&peers[*peer], wide, prefix, add_path.then_some(*id), None);
                held.remove(&(*peer, *prefix, if add_path { *id } else { 0 }));
            }
        }
        if let Some(peer) = reset {
            dump.state(&peers[peer], wide, 6, 1);
            held.retain(|(of, ..), _| *of != peer);
        }
        for (route, attributes) in &after {
            put(&mut dump, &mut held, *route, attributes);
        }
        let written: Vec<_> = held.into_iter().map(|((peer, prefix, _), a)| (peers[peer], prefix, a)).collect();
        same(&mrt::read(&dump.bytes[..], &MrtOptions::default()).unwrap(), &written);
    }
}

#[test]
fn a_peer_or_a_family_alone() {
    let peers = peers(true);
    let mut dump = Dump::default();
    dump.peer_table(&peers);
    let set = PathAttributes { as_path: AsPath::sequence([Asn(64500)]), ..PathAttributes::default() };
    for prefix in ["10.0.0.0/8", "2001:db8::/32"] {
        let prefix: IpNet = prefix.parse().unwrap();
        dump.rib(&prefix, &[(0, None, &set), (1, None, &set)]);
    }
    let count = |options: MrtOptions| {
        let tables = mrt::read(&dump.bytes[..], &options).unwrap();
        (tables.peers.len(), tables.peers.iter().map(|p| p.route_count()).sum::<usize>())
    };
    assert_eq!(count(MrtOptions::default()), (3, 4));
    assert_eq!(count(MrtOptions { peer_asn: Some(Asn(65010)), ..MrtOptions::default() }), (1, 2));
    assert_eq!(count(MrtOptions { peer_address: Some(peers[2].address), ..MrtOptions::default() }), (1, 0));
    let v6 = vec![AddressFamily::Ipv6Unicast];
    assert_eq!(count(MrtOptions { families: v6, ..MrtOptions::default() }), (3, 2));
}
