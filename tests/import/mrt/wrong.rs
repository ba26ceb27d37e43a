//! What is wrong in a dump gives an error or a warning that says where.

use std::net::{IpAddr, Ipv4Addr};

use azroute::import::mrt::{self, MrtChange, MrtError, MrtOptions, MrtTables};
use azroute::model::Asn;
use azroute::model::bgp::{AsPath, PathAttributes};
use ipnet::IpNet;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::mrt::sample::seeds;
use crate::mrt::writer::{Dump, Peer, attribute, nlri, section};

const PEER: Peer = Peer {
    asn: Asn(64500),
    address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    router_id: Ipv4Addr::new(192, 0, 2, 1),
};

fn set() -> PathAttributes {
    PathAttributes {
        as_path: AsPath::sequence([Asn(64500), Asn(64501)]),
        next_hop: Some(PEER.address),
        ..PathAttributes::default()
    }
}

fn prefix() -> IpNet {
    "203.0.113.0/24".parse().unwrap()
}

fn read(dump: &Dump) -> Result<MrtTables, MrtError> {
    mrt::read(&dump.bytes[..], &MrtOptions::default())
}

/// One announced prefix, then an update of it with this section.
fn after(section: &[u8], behind: &[u8]) -> MrtTables {
    let mut dump = Dump::default();
    dump.update(&PEER, true, &prefix(), None, Some(&set()));
    let n = u16::try_from(section.len()).unwrap().to_be_bytes();
    dump.message(&PEER, true, false, &[&[0, 0], n.as_slice(), section, behind].concat());
    read(&dump).unwrap()
}

/// RFC 7606 sections 3 and 7.
#[test]
fn malformed_attributes_withdraw() {
    let good = [section(&set(), true), attribute(0x40, 3, &[192, 0, 2, 1])].concat();
    let announced = nlri(&prefix(), None);
    let fine = after(&good, &announced);
    assert_eq!((fine.peers[0].route_count(), fine.report.malformed, fine.report.warning_count), (1, 0, 0));
    let with = |more: Vec<u8>| [good.clone(), more].concat();
    let origin = attribute(0x40, 1, &[0]);
    let path = attribute(0x40, 2, &[]);
    let hop = attribute(0x40, 3, &[192, 0, 2, 1]);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (with(attribute(0x80, 4, &[0; 3])), "MULTI_EXIT_DISC"),
        (with(attribute(0x40, 4, &[0; 4])), "MULTI_EXIT_DISC"),
        (with(attribute(0xC0, 8, &[0; 5])), "COMMUNITIES"),
        (with(attribute(0xC0, 16, &[0; 7])), "EXTENDED COMMUNITIES"),
        (with(attribute(0xC0, 32, &[0; 13])), "LARGE_COMMUNITY"),
        (with(vec![0x40, 5, 200, 0]), "LOCAL_PREF"),
        (with(vec![0x40]), "path attribute"),
        ([origin.clone(), path.clone()].concat(), "NEXT_HOP"),
        ([origin.clone(), path.clone(), attribute(0x40, 3, &[1; 5])].concat(), "NEXT_HOP"),
        ([origin.clone(), hop.clone()].concat(), "AS_PATH"),
        ([path.clone(), hop.clone()].concat(), "ORIGIN"),
        ([attribute(0x40, 1, &[7]), path, hop.clone()].concat(), "ORIGIN"),
        ([origin.clone(), attribute(0x40, 2, &[2, 3, 0, 0]), hop.clone()].concat(), "AS_PATH"),
        ([origin, attribute(0x40, 2, &[2, 0]), hop].concat(), "AS_PATH"),
    ];
    for (section, field) in cases {
        let tables = after(&section, &announced);
        assert_eq!(tables.peers[0].route_count(), 0, "{field}");
        assert_eq!((tables.report.malformed, tables.report.withdrawn), (1, 1), "{field}");
        let warning = &tables.report.warnings[0];
        assert_eq!((warning.record, warning.field), (2, field), "{warning}");
    }
    // Prefixes that break off: those before the break go (RFC 7606 section 5.3).
    let broken = after(&good, &[announced.as_slice(), &[33, 1, 2, 3, 4, 5]].concat());
    assert_eq!((broken.peers[0].route_count(), broken.report.warnings[0].field), (0, "NLRI"));
    assert_eq!(broken.report.warnings[0].to_string(), "record 2: NLRI: a length of 33 bits");
}

/// RFC 7606 section 7, RFC 6793 section 6: these are left out alone, and the route stays.
#[test]
fn some_attributes_are_left_out_alone() {
    let good = [section(&set(), true), attribute(0x40, 3, &[192, 0, 2, 1])].concat();
    for (code, more) in [
        (6, attribute(0x40, 6, &[1])),
        (7, attribute(0xC0, 7, &[0; 3])),
        (17, attribute(0xC0, 17, &[2, 1, 0, 0, 0, 1])),
        (18, attribute(0xC0, 18, &[0; 8])),
        (1, attribute(0x40, 1, &[2])),
    ] {
        let tables = after(&[good.clone(), more].concat(), &nlri(&prefix(), None));
        assert_eq!(tables.peers[0].route_count(), 1, "{code}");
        assert_eq!(tables.report.discarded_attributes.get(&code), Some(&1), "{code}");
        assert_eq!(tables.peers[0].originations[0].attributes.aggregator, None);
        assert_eq!(tables.report.malformed, 0);
    }
    let unknown = [good, attribute(0xC0, 35, &[0, 0, 0xFB, 0xF4])].concat();
    let tables = after(&unknown, &nlri(&prefix(), None));
    assert_eq!(tables.report.unread_attributes, [(35, 1)].into());
    assert_eq!(tables.peers[0].originations[0].attributes, set());
}

#[test]
fn what_cannot_be_read_on_is_an_error() {
    let mut dump = Dump::default();
    dump.update(&PEER, true, &prefix(), None, Some(&set()));
    let whole = dump.bytes.len();
    for end in 1..whole {
        let cut = mrt::read(&dump.bytes[..end], &MrtOptions::default());
        assert!(matches!(cut, Err(MrtError::Framing { record: 1, .. })), "{end}: {cut:?}");
    }
    assert_eq!(mrt::read(&[][..], &MrtOptions::default()), Err(MrtError::Empty));
    let packed = mrt::read(&[0x1F, 0x8B, 8, 0, 0][..], &MrtOptions::default());
    assert_eq!(packed, Err(MrtError::Compressed("gzip")));
    let huge = mrt::read(&[0, 0, 0, 0, 0, 13, 0, 2, 0xFF, 0xFF, 0xFF, 0xFF][..], &MrtOptions::default());
    assert!(matches!(huge, Err(MrtError::Framing { record: 1, .. })), "{huge:?}");
    let limits = MrtOptions { max_routes: 0, ..MrtOptions::default() };
    let full = mrt::read(&dump.bytes[..], &limits);
    assert_eq!(full, Err(MrtError::TooManyRoutes { record: 1, limit: 0 }));

    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("gone"))
        }
    }
    let failed = mrt::read(Broken, &MrtOptions::default());
    assert_eq!(failed.unwrap_err().to_string(), "record 1: the reader failed: gone");
}

#[test]
fn other_records_are_counted_and_passed_over() {
    let mut dump = Dump::default();
    dump.record(11, 0, &[0; 8]);
    dump.record(999, 3, &[0; 8]);
    dump.record(13, 3, &[0; 8]);
    dump.record(16, 6, &[0; 8]);
    dump.record(16, 4, &[0; 3]);
    dump.rib(&prefix(), &[(4, None, &set())]);
    dump.update(&PEER, true, &prefix(), None, Some(&set()));
    let tables = read(&dump).unwrap();
    assert_eq!(tables.report.records, 7);
    assert_eq!(tables.report.skipped.values().sum::<u64>(), 4, "{:?}", tables.report.skipped);
    let fields: Vec<_> = tables.report.warnings.iter().map(|w| (w.record, w.field)).collect();
    assert_eq!(fields, [(2, "type"), (5, "peer AS"), (6, "peer index")]);
    assert_eq!(tables.peers[0].route_count(), 1);
}

#[test]
fn events_come_in_their_order() {
    let mut dump = Dump::default();
    dump.state(&PEER, false, 5, 6);
    dump.update(&PEER, false, &prefix(), None, Some(&set()));
    dump.update(&PEER, false, &prefix(), None, None);
    dump.bytes.push(0);
    let mut events = mrt::events(&dump.bytes[..], &MrtOptions::default()).unwrap();
    let all: Vec<_> = events.by_ref().collect();
    let changes: Vec<_> = all.iter().flatten().map(|event| (event.record, event.change.clone())).collect();
    assert_eq!(
        changes,
        [
            (1, MrtChange::State { old: 5, new: 6 }),
            (2, MrtChange::Announce { prefix: prefix(), path_id: None, attributes: set().into() }),
            (3, MrtChange::Withdraw { prefix: prefix(), path_id: None }),
        ]
    );
    assert!(matches!(all.last(), Some(Err(MrtError::Framing { record: 4, .. }))));
    assert_eq!(events.next(), None);
    assert_eq!((events.report().announced, events.report().withdrawn), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes of a dump changed anywhere but in the lengths of its records: a value, never a panic, and nothing made up.
    #[test]
    fn damage_gives_a_value(seed in 0_usize..4, damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let (_, mut bytes) = seeds()[seed].clone();
        let mut heads = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            heads.push(at + 8..at + 12);
            at += 12 + u32::from_be_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
        }
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            if !heads.iter().any(|head| head.contains(&at)) {
                bytes[at] = byte;
            }
        }
        match mrt::read(&bytes[..], &MrtOptions::default()) {
            Ok(tables) => {
                let routes: usize = tables.peers.iter().map(|peer| peer.route_count()).sum();
                prop_assert!(routes as u64 <= tables.report.announced);
            }
            // The type of a record, damaged, may be one whose length is counted in another way.
            Err(error) => prop_assert!(matches!(error, MrtError::Framing { .. } | MrtError::Compressed(_)), "{error}"),
        }
    }
}
