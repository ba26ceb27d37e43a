//! Imports of real files, which are other people's and not in this repository.
//!
//! `AZROUTE_DATA` names a folder with `arm`, `service-tags` and `effective-routes`. Every file in it is imported, and
//! what comes of it is compared with `tests/data/import/expected.tsv`, which holds paths, verdicts and counts only.
//! `AZROUTE_BLESS=1` writes that table anew.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use azroute::import::effective_routes::{self, ObservedTable};
use azroute::import::{ImportReport, Importer};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/import/expected.tsv");
const HEADER: &str = "# path\tverdict\ttopology\twarnings\tunresolved\tcounts\tignored";

/// Why a refusal is right, where a reader may wonder: Azure accepts neither, so neither file is a real network.
const NOTES: [(&str, &str); 2] = [
    (
        "arm/resource-array/psrule-Resources.VirtualNetwork.json",
        "made-up test data: subnets of vnet-B overlap, so an address would be in two subnets",
    ),
    (
        "arm/rest-examples-2024-01-01/VirtualNetworkCreateSubnetWithAddressPrefixes.json",
        "slip of the published example: 10.1.0.0/28 is outside 10.0.0.0/16 (its request and 201 answer say 10.0.1.0/28)",
    ),
];

fn data() -> Option<PathBuf> {
    let data = std::env::var_os("AZROUTE_DATA").map(PathBuf::from);
    if data.is_none() {
        // Not `eprintln!`: the test harness would keep that to itself.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"SKIPPED: AZROUTE_DATA is not set, so no real file was imported\n",
        );
    }
    data
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
    found.sort();
}

fn read(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if path.extension().is_some_and(|e| e == "gz") {
        let mut unpacked = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked).unwrap();
        return unpacked;
    }
    bytes
}

fn counted(report: &ImportReport) -> String {
    let counts: Vec<String> = report.counts.iter().map(|(kind, n)| format!("{kind}={n}")).collect();
    let ignored: usize = report.ignored.values().sum();
    format!("{}\t{}\t{}\t{ignored}", report.warnings.len(), report.unresolved.len(), dash(&counts.join(",")))
}

fn dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn import_line(name: &str, bytes: &[u8]) -> String {
    let mut importer = Importer::new();
    match importer.add(name, bytes) {
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with(&format!("`{name}`: ")), "{message}");
            format!("{name}\trefused: {}\t-\t0\t0\t-\t0", error.kind())
        }
        Ok(loaded) => match importer.finish() {
            Ok((_, report)) => format!("{name}\t{}\tok\t{}", loaded.format, counted(&report)),
            Err(invalid) => {
                let problems = invalid.topology_error().problems().len();
                format!("{name}\t{}\trefused: {problems}\t{}", loaded.format, counted(invalid.report()))
            }
        },
    }
}

/// A table that is written as Azure writes it is read back as it was.
fn written_and_read(name: &str, table: &ObservedTable) {
    let rows = match table {
        ObservedTable::Gateway(rows) => serde_json::to_string(rows),
        ObservedTable::Circuit(rows) => serde_json::to_string(rows),
        ObservedTable::CircuitSummary(rows) => serde_json::to_string(rows),
        ObservedTable::Hub(rows) => serde_json::to_string(rows),
        ObservedTable::HubPeer(rows) => serde_json::to_string(rows),
        ObservedTable::BgpPeers(rows) => serde_json::to_string(rows),
        _ => return,
    };
    let read = effective_routes::parse(name, rows.unwrap().as_bytes()).unwrap().sections.remove(0).table;
    // Rows that were all left out leave a list without items.
    assert!(read == *table || read == ObservedTable::Empty, "{name}: {read:?}, was {table:?}");
}

fn observed_line(name: &str, bytes: &[u8]) -> String {
    match effective_routes::parse(name, bytes) {
        Err(error) => format!("{name}\trefused: {}\t-\t0\t0\t-\t0", error.kind()),
        Ok(observed) => {
            observed.sections.iter().for_each(|section| written_and_read(name, &section.table));
            let sections: Vec<String> = observed
                .sections
                .iter()
                .map(|section| match &section.table {
                    ObservedTable::Effective(rows) => format!("effective={}", rows.len()),
                    ObservedTable::Gateway(rows) => format!("gateway={}", rows.len()),
                    ObservedTable::Circuit(rows) => format!("circuit={}", rows.len()),
                    ObservedTable::CircuitSummary(rows) => format!("summary={}", rows.len()),
                    ObservedTable::Hub(rows) => format!("hub={}", rows.len()),
                    ObservedTable::HubPeer(rows) => format!("hubPeer={}", rows.len()),
                    ObservedTable::BgpPeers(rows) => format!("bgpPeers={}", rows.len()),
                    ObservedTable::NextHop(_) => "nextHop=1".to_owned(),
                    ObservedTable::Empty => "empty".to_owned(),
                    other => format!("{other:?}"),
                })
                .collect();
            format!("{name}\troutes\t-\t{}\t0\t{}\t0", observed.warnings.len(), dash(&sections.join(",")))
        }
    }
}

#[test]
fn every_real_file_has_the_expected_verdict() {
    let Some(data) = data() else { return };
    let mut table = format!("{HEADER}\n");
    for folder in ["arm", "service-tags", "effective-routes"] {
        let mut found = Vec::new();
        files(&data.join(folder), &mut found);
        assert!(!found.is_empty(), "{folder} is empty");
        for path in found {
            let name = path.strip_prefix(&data).unwrap().to_string_lossy().replace('\\', "/");
            let bytes = read(&path);
            let line = match folder {
                "effective-routes" => observed_line(&name, &bytes),
                _ => import_line(&name, &bytes),
            };
            match NOTES.iter().find(|(path, _)| *path == name) {
                Some((_, note)) => writeln!(table, "{line}\t# {note}").unwrap(),
                None => writeln!(table, "{line}").unwrap(),
            }
        }
    }
    if std::env::var_os("AZROUTE_BLESS").is_some() {
        std::fs::write(TABLE, &table).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(TABLE).unwrap();
    let (have, want): (Vec<&str>, Vec<&str>) = (table.lines().collect(), expected.lines().collect());
    let mut differences: Vec<String> = Vec::new();
    differences.extend(want.iter().filter(|line| !have.contains(line)).map(|line| format!("- {line}")));
    differences.extend(have.iter().filter(|line| !want.contains(line)).map(|line| format!("+ {line}")));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The same environments stand there as raw resources and as the CLI prints them: both give one document.
#[test]
fn raw_and_az_give_one_document() {
    let Some(data) = data() else { return };
    let mut compared = 0;
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(data.join("arm/az-cli")).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    for folder in folders {
        let environment = folder.file_name().unwrap().to_string_lossy().into_owned();
        let raw = data.join("arm/recorded").join(&environment).join("resources.json");
        let mut both = Importer::new();
        both.add("raw", &read(&raw)).unwrap();
        let (alone, _) = {
            let mut importer = Importer::new();
            importer.add("raw", &read(&raw)).unwrap();
            importer.into_document()
        };
        let mut found = Vec::new();
        files(&folder, &mut found);
        for path in found {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            match both.add(&name, &read(&path)) {
                Ok(_) => compared += 1,
                Err(error) => assert_eq!(error.kind(), "route-reading", "{error}"),
            }
        }
        let (merged, report) = both.into_document();
        assert_eq!(merged, alone, "{environment}");
        let conflicts: Vec<String> = report
            .warnings
            .iter()
            .filter(|w| w.kind == azroute::import::WarningKind::Conflict)
            .map(ToString::to_string)
            .collect();
        assert!(conflicts.is_empty(), "{environment}: {}", conflicts.join("\n"));
    }
    assert!(compared > 80, "{compared}");
}
