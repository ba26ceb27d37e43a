//! Bytes, counted by the allocator: what a topology and a network hold, the peak while they are built, and what a
//! question allocates. Prints a table in Markdown; what it means is in `benches/README.md`.
#![expect(clippy::print_stdout, reason = "prints a table")]
#![expect(clippy::panic, clippy::unwrap_used, reason = "a bench fails by panicking")]

mod support;

use std::hint::black_box;

use allocation_counter::{AllocationInfo, measure};
use azroute::Network;
use azroute::model::Topology;

/// What a piece of work allocates, and its result.
fn counted<T>(work: impl FnOnce() -> T) -> (T, AllocationInfo) {
    let mut result = None;
    let info = measure(|| result = Some(work()));
    (result.unwrap(), info)
}

fn kib(bytes: i64) -> i64 {
    (bytes + 512) / 1024
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn per(total: u64, n: usize) -> f64 {
    total as f64 / n as f64
}

fn main() {
    println!(
        "| VNets | learned | topology KiB | peak KiB | network KiB | peak KiB | by name | by address | bytes |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (vnets, learned) in support::SIZES {
        let document = support::hub_and_spoke(vnets, learned);
        // The copy belongs to what the topology holds.
        let (topology, of_topology) = counted(|| Topology::new(document.clone()).unwrap());
        let (network, of_network) = counted(|| Network::build(&topology).unwrap());
        let questions = support::questions(&document);
        assert!(support::check(&document, &network, &questions) > 0);
        // What is computed once, on first use, is not a question's.
        drop(network.resolve(questions[0].source, questions[0].destination));
        let sample = &questions[..4_096];
        let ((), by_name) = counted(|| {
            for q in sample {
                drop(black_box(network.resolve(&q.subnet, q.destination).unwrap()));
            }
        });
        let ((), by_address) = counted(|| {
            for q in sample {
                drop(black_box(network.resolve(q.source, q.destination).unwrap()));
            }
        });
        assert_eq!(by_name.bytes_current, 0, "a question keeps nothing");
        println!(
            "| {vnets} | {learned} | {} | {} | {} | {} | {:.1} | {:.1} | {:.0} |",
            kib(of_topology.bytes_current),
            kib(i64::try_from(of_topology.bytes_max).unwrap()),
            kib(of_network.bytes_current),
            kib(i64::try_from(of_network.bytes_max).unwrap()),
            per(by_name.count_total, sample.len()),
            per(by_address.count_total, sample.len()),
            per(by_name.bytes_total, sample.len()),
        );
    }
}
