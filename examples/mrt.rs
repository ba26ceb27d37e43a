//! Prints what an MRT dump holds: `cargo run --release --features mrt --example mrt -- <dump> [<peer's ASN>]`.
//!
//! A dump may be packed with gzip. Without arguments the sample dump is read.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::time::Instant;

use azroute::import::mrt::{self, MrtOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let sample = || concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/bgp/collector.mrt").into();
    let path: PathBuf = arguments.next().map_or_else(sample, PathBuf::from);
    let peer_asn = arguments.next().map(|text| text.to_string_lossy().parse()).transpose()?;
    let options = MrtOptions { peer_asn, ..MrtOptions::default() };
    let start = Instant::now();
    let mut tables = None;
    // The reader takes bytes as they come, so nothing is unpacked into memory first.
    let memory = allocation_counter::measure(|| {
        tables = Some(File::open(&path).map(BufReader::new).map(|file| {
            let packed = path.extension().is_some_and(|e| e == "gz");
            let reader: Box<dyn Read> = if packed {
                Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(file)))
            } else {
                Box::new(file)
            };
            mrt::read(reader, &options)
        }));
    });
    let tables = tables.ok_or("nothing was read")???;
    let elapsed = start.elapsed();

    println!("{:>10} {:<40} {:>9} {:>9}", "AS", "peer", "routes", "sets");
    for peer in &tables.peers {
        let (routes, sets) = (peer.route_count(), peer.originations.len());
        println!("{:>10} {:<40} {routes:>9} {sets:>9}", peer.asn, peer.address);
    }
    if let Some(first) = tables.peers.iter().find_map(|peer| peer.originations.first()) {
        let prefixes: Vec<String> = first.prefixes.iter().take(3).map(ToString::to_string).collect();
        println!("\nfor instance: {} by `{}`", prefixes.join(", "), first.attributes.as_path);
    }

    let report = &tables.report;
    println!("\n{} records: {} announced, {} withdrawn", report.records, report.announced, report.withdrawn);
    println!("{} malformed, {} warnings", report.malformed, report.warning_count);
    for (what, n) in &report.skipped {
        println!("skipped: {n} {what}");
    }
    for (code, n) in &report.unread_attributes {
        println!("attribute {code}: not read, {n} times");
    }
    for warning in &report.warnings {
        println!("warning: {warning}");
    }
    // Times and sizes differ from run to run and machine to machine, so they go elsewhere.
    eprintln!(
        "{elapsed:.2?}, {} KiB held, {} KiB at most",
        memory.bytes_current >> 10,
        memory.bytes_max >> 10
    );
    Ok(())
}
