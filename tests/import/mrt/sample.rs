//! The sample dump of the examples, made here.

use std::net::{IpAddr, Ipv4Addr};

use azroute::import::mrt::{self, MrtOptions};
use azroute::model::Asn;
use azroute::model::bgp::{Aggregator, Communities, Community, LargeCommunity, Origin, PathAttributes};
use ipnet::IpNet;

use crate::mrt::writer::{Dump, Peer};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/bgp/collector.mrt");

/// Two providers announce a few documentation prefixes to a collector; then one of them changes its mind.
fn sample() -> Vec<u8> {
    let peers: [Peer; 2] = [(64500, 1), (64510, 2)].map(|(asn, low)| Peer {
        asn: Asn(asn),
        address: IpAddr::from([192, 0, 2, low]),
        router_id: Ipv4Addr::new(192, 0, 2, low),
    });
    let set = |peer: usize, path: &str, communities: &[Community]| PathAttributes {
        as_path: path.parse().unwrap(),
        next_hop: Some(peers[peer].address),
        communities: Communities::new(communities.iter().copied(), [], []),
        ..PathAttributes::default()
    };
    let customer = Community::new(64500, 100);
    let direct = set(0, "64500 64501", &[customer]);
    let far = set(1, "64510 64500 64501", &[]);
    let aggregate = PathAttributes {
        origin: Origin::Incomplete,
        med: Some(20),
        communities: Communities::new(
            [Community::NO_EXPORT],
            [],
            [LargeCommunity { global: 64510, local_1: 1, local_2: 2 }],
        ),
        ..set(1, "64510 {64511 64512}", &[])
    };
    let v6 = PathAttributes { next_hop: "2001:db8::1".parse().ok(), ..set(0, "64500", &[customer]) };
    let mut dump = Dump::default();
    dump.peer_table(&peers);
    for prefix in ["198.51.100.0/25", "198.51.100.128/25"] {
        dump.rib(&prefix.parse().unwrap(), &[(0, None, &direct), (1, None, &far)]);
    }
    dump.rib(&"203.0.113.0/24".parse().unwrap(), &[(1, None, &aggregate)]);
    dump.rib(&"2001:db8:100::/40".parse().unwrap(), &[(0, None, &v6)]);
    dump.update(&peers[0], true, &"198.51.100.128/25".parse().unwrap(), None, None);
    dump.update(&peers[0], true, &"198.51.100.0/24".parse().unwrap(), None, Some(&direct));
    dump.bytes
}

/// Small dumps of every kind of record, for the fuzz target to start from.
pub(crate) fn seeds() -> [(&'static str, Vec<u8>); 4] {
    let peer = Peer {
        asn: Asn(64500),
        address: IpAddr::from([192, 0, 2, 1]),
        router_id: Ipv4Addr::new(192, 0, 2, 1),
    };
    let far = Peer { address: "2001:db8::1".parse().unwrap(), ..peer };
    let set = PathAttributes {
        as_path: "64500 70000 {1 2}".parse().unwrap(),
        next_hop: Some(peer.address),
        aggregator: Some(Aggregator { asn: Asn(70000), address: peer.router_id }),
        ..PathAttributes::default()
    };
    let v6 = PathAttributes { next_hop: Some(far.address), ..set.clone() };
    let (short, long): (IpNet, IpNet) =
        ("198.51.100.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap());
    let mut table = Dump::default();
    table.table_dump(&peer, &short, &set);
    table.table_dump(&far, &long, &v6);
    let mut updates = Dump::default();
    updates.state(&peer, false, 5, 6);
    for wide in [false, true] {
        for id in [None, Some(7)] {
            updates.update(&peer, wide, &short, id, Some(&set));
            updates.update(&far, wide, &long, id, Some(&v6));
            updates.update(&peer, wide, &short, id, None);
            updates.update(&far, wide, &long, id, None);
        }
    }
    let mut paths = Dump::default();
    paths.peer_table(&[peer, far]);
    paths.rib(&short, &[(0, Some(1), &set), (0, Some(2), &v6), (1, Some(1), &set)]);
    let mut malformed = Dump::default();
    malformed.message(&peer, true, false, &[0, 0, 0, 4, 0x40, 1, 1, 9, 24, 198, 51, 100]);
    [
        ("seed-table", table.bytes),
        ("seed-updates", updates.bytes),
        ("seed-paths", paths.bytes),
        ("seed-malformed", malformed.bytes),
    ]
}

#[test]
fn the_seeds_are_up_to_date() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz/mrt");
    for (name, bytes) in seeds().into_iter().chain([("seed-sample", sample())]) {
        if std::env::var_os("AZROUTE_BLESS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(name), &bytes).unwrap();
        }
        assert!(std::fs::read(folder.join(name)).unwrap() == bytes, "AZROUTE_BLESS=1 writes {name} anew");
    }
}

#[test]
fn the_sample_is_up_to_date() {
    let bytes = sample();
    if std::env::var_os("AZROUTE_BLESS").is_some() {
        std::fs::write(FILE, &bytes).unwrap();
    }
    assert!(std::fs::read(FILE).unwrap() == bytes, "run with AZROUTE_BLESS=1 to write it anew");
    let tables = mrt::read(&bytes[..], &MrtOptions::default()).unwrap();
    let counts: Vec<_> =
        tables.peers.iter().map(|p| (p.asn.0, p.route_count(), p.originations.len())).collect();
    assert_eq!(counts, [(64500, 3, 2), (64510, 3, 2)]);
    assert_eq!(tables.report.warning_count, 0);
}
