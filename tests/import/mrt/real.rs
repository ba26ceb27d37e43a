//! Dumps of real collectors and routers, which are other people's and not in this repository.
//!
//! `AZROUTE_DATA` names a folder with `bgp` in it. Beside some dumps lies what another program printed of them, one line
//! a route (`*.expected.txt.gz`); the events are compared with it, line by line.

use std::fmt::Write as _;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use azroute::import::mrt::{self, MrtChange, MrtEvent, MrtOptions};
use azroute::model::bgp::{AsPath, Community, Origin};
use ipnet::IpNet;

/// File, its lines, and how many of them are not as expected, with the reason.
const DIFFERENT: [(&str, usize, &str); 1] = [(
    "bgpdump-updates.nlri_mask_trailing_bits",
    1,
    "the prefixes break off after the first one: the other program announces it, RFC 7606 section 5.3 withdraws it",
)];

/// What a whole dump gives: records, peers, routes at its end, distinct sets, announced, withdrawn, malformed, warnings.
const EXPECTED: &str = include_str!("real.tsv");

fn data() -> Option<PathBuf> {
    let data = std::env::var_os("AZROUTE_DATA").map(|data| PathBuf::from(data).join("bgp"));
    if data.is_none() {
        // Not `eprintln!`: the test harness would keep that to itself.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"SKIPPED: AZROUTE_DATA is not set, so no real dump was read\n",
        );
    }
    data
}

fn unpacked(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    let mut unpacked = Vec::new();
    match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap(),
        Some("bz2") => bzip2::read::MultiBzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap(),
        _ => return bytes,
    };
    unpacked
}

fn dumps(data: &Path) -> Vec<PathBuf> {
    let mut dumps: Vec<PathBuf> = std::fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with(".expected.txt.gz"))
        .collect();
    dumps.sort();
    assert!(!dumps.is_empty());
    dumps
}

/// A line of the other program, with addresses, paths and communities as this crate writes them: it shortens one group of
/// zeros to `::`, which RFC 5952 does not, and keeps the order of communities.
fn theirs(line: &str) -> String {
    let mut fields: Vec<String> = line.split('|').map(ToOwned::to_owned).collect();
    for field in &mut fields {
        if let Ok(address) = field.parse::<IpAddr>() {
            *field = address.to_string();
        } else if let Ok(prefix) = field.parse::<IpNet>() {
            *field = prefix.to_string();
        }
    }
    let path = match (fields[0].as_str(), fields[2].as_str()) {
        ("TABLE_DUMP2_AP", _) => 7,
        (_, "A" | "B") => 6,
        _ => return fields.join("|"),
    };
    let read: AsPath = fields[path].parse().unwrap();
    fields[path] = read.to_string();
    let mut communities: Vec<Community> =
        fields[path + 5].split_whitespace().map(|text| text.parse().unwrap()).collect();
    communities.sort_unstable();
    communities.dedup();
    fields[path + 5] = communities.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    fields.join("|")
}

/// An event as such a line.
fn ours(event: &MrtEvent, kind: &str) -> String {
    let MrtEvent { time, peer_asn, peer_address, change, .. } = event;
    let table = kind.starts_with("TABLE");
    match change {
        MrtChange::State { old, new } => format!("{kind}|{time}|STATE|{peer_address}|{peer_asn}|{old}|{new}"),
        MrtChange::Withdraw { prefix, .. } => format!("{kind}|{time}|W|{peer_address}|{peer_asn}|{prefix}"),
        MrtChange::Announce { prefix, path_id, attributes: a } => {
            let mut line =
                format!("{kind}|{time}|{}|{peer_address}|{peer_asn}|{prefix}", if table { "B" } else { "A" });
            if let Some(id) = path_id {
                write!(line, "|{id}").unwrap();
            }
            let origin = match a.origin {
                Origin::Igp => "IGP",
                Origin::Egp => "EGP",
                Origin::Incomplete => "INCOMPLETE",
            };
            let communities: Vec<String> = a.communities.standard().iter().map(ToString::to_string).collect();
            write!(
                line,
                "|{}|{origin}|{}|{}|{}|{}|{}|{}|",
                a.as_path,
                a.next_hop.unwrap_or(Ipv4Addr::BROADCAST.into()),
                a.local_preference.unwrap_or_default(),
                a.med.unwrap_or_default(),
                communities.join(" "),
                if a.atomic_aggregate { "AG" } else { "NAG" },
                a.aggregator.map(|g| format!("{} {}", g.asn, g.address)).unwrap_or_default(),
            )
            .unwrap();
            line
        }
    }
}

#[test]
fn line_by_line() {
    let Some(data) = data() else { return };
    let mut compared = 0;
    let mut all = String::new();
    for path in dumps(&data) {
        let name = path.file_name().unwrap().to_string_lossy().trim_end_matches(".gz").to_owned();
        let expected = data.join(format!("{name}.expected.txt.gz"));
        if !expected.exists() {
            continue;
        }
        let expected = String::from_utf8(unpacked(&expected)).unwrap();
        let expected: Vec<&str> = expected.lines().collect();
        let kind = expected[0].split('|').next().unwrap();
        let bytes = unpacked(&path);
        let events = mrt::events(&bytes[..], &MrtOptions::default()).unwrap();
        let events: Vec<String> = events.map(|event| ours(&event.unwrap(), kind)).collect();
        let mut different: Vec<String> = Vec::new();
        for i in 0..expected.len().max(events.len()) {
            let want = expected.get(i).map(|line| theirs(line));
            let have = events.get(i).cloned();
            if want != have {
                different.push(format!("line {}\n  - {want:?}\n  + {have:?}", i + 1));
            }
        }
        let equal = expected.len() - different.len().min(expected.len());
        writeln!(all, "{name}: {equal} of {} lines", expected.len()).unwrap();
        let known = DIFFERENT.iter().find(|(file, ..)| *file == name).map_or(0, |(_, n, _)| *n);
        different.truncate(known.max(different.len().min(5)));
        assert_eq!(different.len(), known, "{name}:\n{}", different.join("\n"));
        compared += 1;
    }
    println!("{all}");
    assert_eq!(compared, 8);
}

#[test]
fn every_dump_gives_what_it_gave() {
    let Some(data) = data() else { return };
    let mut table = String::from(
        "# dump\trecords\tpeers\troutes\tsets\tannounced\twithdrawn\tmalformed\twarnings\tunread\tdiscarded\tskipped\n",
    );
    for path in dumps(&data) {
        let bytes = unpacked(&path);
        let tables = mrt::read(&bytes[..], &MrtOptions::default()).unwrap();
        let report = &tables.report;
        let sum = |counts: &std::collections::BTreeMap<u8, u64>| counts.values().sum::<u64>();
        writeln!(
            table,
            "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            path.file_name().unwrap().to_string_lossy(),
            report.records,
            tables.peers.len(),
            tables.peers.iter().map(|peer| peer.route_count()).sum::<usize>(),
            tables.peers.iter().map(|peer| peer.originations.len()).sum::<usize>(),
            report.announced,
            report.withdrawn,
            report.malformed,
            report.warning_count,
            sum(&report.unread_attributes),
            sum(&report.discarded_attributes),
            report.skipped.values().sum::<u64>(),
        )
        .unwrap();
        for warning in report.warnings.iter().take(3) {
            println!("{}: {warning}", path.display());
        }
    }
    if std::env::var_os("AZROUTE_BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/import/mrt/real.tsv"), &table).unwrap();
        return;
    }
    assert_eq!(table, EXPECTED);
}
