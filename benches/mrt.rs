//! A full table as MRT: seconds, and bytes counted by the allocator, of reading it. Prints a table in Markdown.
#![expect(clippy::print_stdout, reason = "prints a table")]
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[path = "../tests/import/mrt/writer.rs"]
mod writer;

use std::time::Instant;

use allocation_counter::measure;
use azroute::import::mrt::{self, MrtOptions};

fn main() {
    println!("| routes | sets | dump MiB | seconds | held MiB | peak MiB | allocations |");
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    for routes in [10_000_u32, 100_000, 900_000] {
        let dump = writer::full_table(routes);
        let mut tables = None;
        let info = measure(|| tables = Some(mrt::read(&dump[..], &MrtOptions::default()).unwrap()));
        let tables = tables.unwrap();
        assert_eq!(tables.peers[0].route_count(), routes as usize);
        assert_eq!(tables.report.warning_count, 0);
        let sets = tables.peers[0].originations.len();
        // The allocator's counting takes time of its own.
        let mut times: Vec<f64> = (0..5)
            .map(|_| {
                let start = Instant::now();
                drop(mrt::read(&dump[..], &MrtOptions::default()).unwrap());
                start.elapsed().as_secs_f64()
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!(
            "| {routes} | {sets} | {} | {:.3} | {} | {} | {} |",
            dump.len() >> 20,
            times[2],
            info.bytes_current >> 20,
            info.bytes_max >> 20,
            info.count_total,
        );
    }
}
