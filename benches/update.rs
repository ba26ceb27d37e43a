//! Updates of a routing table, one at a time: `fib::Rib`, which keeps the prefixes and the compiled table that look-ups read,
//! beside prefix-trie alone. The trace is seeded and has the mix that a full table's collector sees: 94.5 % of updates
//! announce a prefix that is known (with another value), 2.8 % a new one, 2.7 % withdraw one; 15 % go to the 100 busiest
//! prefixes and 28 % to the 1,000 busiest. Afterwards the table answers as one that is built from what is left.
//!
//! `AZROUTE_PREFIXES=<file>` takes the table from a file, one prefix a line (gzip will do); without it the table is made up.
#![expect(clippy::print_stdout, reason = "prints tables")]
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;
use std::io::Read;
use std::net::Ipv4Addr;
use std::time::Instant;

use azroute::fib::{Fib, Rib};
use azroute::testing::generate::{self, Random};
use ipnet::{IpNet, Ipv4Net};
use prefix_trie::PrefixMap;

const UPDATES: usize = 1_000_000;
const ROUNDS: usize = 5;

fn table() -> Vec<Ipv4Net> {
    let Ok(path) = std::env::var("AZROUTE_PREFIXES") else { return generate::prefixes(900_000, 3) };
    let bytes = std::fs::read(&path).unwrap();
    let mut text = String::new();
    match bytes.starts_with(&[0x1f, 0x8b]) {
        true => flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap(),
        false => (&bytes[..]).read_to_string(&mut text).unwrap(),
    };
    text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

/// A place in the table, with the shares of the busiest prefixes.
fn pick(random: &mut Random, prefixes: usize) -> usize {
    let prefixes = u32::try_from(prefixes).unwrap();
    let at = match random.below(100) {
        0..15 => random.below(100.min(prefixes)),
        15..28 => random.below(1_000.min(prefixes)),
        _ => random.below(prefixes),
    };
    // The busiest are anywhere in the table.
    (at as usize).wrapping_mul(7_919) % prefixes as usize
}

fn trace(prefixes: &[Ipv4Net], random: &mut Random) -> Vec<(Ipv4Net, Option<u32>)> {
    let next = |random: &mut Random| {
        let known = prefixes[pick(random, prefixes.len())];
        match random.below(1_000) {
            0..945 => (known, Some(random.below(64))),
            945..973 => {
                // A more specific one, or another of the same length.
                let length = (known.prefix_len() + 1).min(32);
                let host = random.below(u32::MAX);
                let mask = u32::MAX.checked_shr(u32::from(known.prefix_len())).unwrap_or(0);
                let address = Ipv4Addr::from(u32::from(known.network()) | host & mask);
                (Ipv4Net::new(address, length).unwrap().trunc(), Some(random.below(64)))
            }
            _ => (known, None),
        }
    };
    (0..UPDATES).map(|_| next(random)).collect()
}

fn millions(start: Instant) -> f64 {
    UPDATES as f64 / start.elapsed().as_secs_f64() / 1e6
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let prefixes = table();
    let mut random = Random::new(11);
    let trace = trace(&prefixes, &mut random);
    let routes: Vec<(Ipv4Net, u32)> = prefixes.iter().map(|p| (*p, random.below(64))).collect();
    println!(
        "{} prefixes, {UPDATES} updates, one at a time, millions a second (medians of {ROUNDS})",
        routes.len()
    );
    let (mut both, mut batched, mut trie) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut rib = Rib::from_routes(routes.iter().map(|(p, v)| (IpNet::V4(*p), *v))).unwrap();
        let start = Instant::now();
        for (prefix, value) in &trace {
            rib.update([(IpNet::V4(*prefix), *value)]).unwrap();
        }
        both.push(millions(start));
        let mut in_batches = Rib::from_routes(routes.iter().map(|(p, v)| (IpNet::V4(*p), *v))).unwrap();
        let start = Instant::now();
        for part in trace.chunks(1_000) {
            in_batches.update(part.iter().map(|(p, v)| (IpNet::V4(*p), *v))).unwrap();
        }
        batched.push(millions(start));
        let mut map: PrefixMap<Ipv4Net, u32> = routes.iter().copied().collect();
        let start = Instant::now();
        for (prefix, value) in &trace {
            match value {
                Some(value) => drop(map.insert(*prefix, *value)),
                None => drop(map.remove(prefix)),
            }
        }
        trie.push(millions(start));
        if round == 0 {
            let left: Vec<(IpNet, u32)> = map.iter().map(|(p, v)| (IpNet::V4(p), *v)).collect();
            assert!(rib.iter().eq(left.iter().copied()) && in_batches.iter().eq(left.iter().copied()));
            let built = Fib::by_route((0..).zip(&left).map(|(at, (prefix, _))| (*prefix, at))).unwrap();
            for _ in 0..1_000_000 {
                let address = Ipv4Addr::from(random.below(u32::MAX));
                let value = built.longest_match_v4(address).map(|at| left[at as usize].1);
                assert_eq!(rib.longest_match_v4(address), value, "{address}");
                assert_eq!(in_batches.longest_match_v4(address), value, "{address}");
            }
        }
        black_box((rib, in_batches, map));
    }
    let (both, batched, trie) = (median(both), median(batched), median(trie));
    println!("{:44} {both:8.2} {:6.2} x", "Rib: prefixes and compiled table", both / trie);
    println!("{:44} {batched:8.2} {:6.2} x", "the same, 1,000 at a time", batched / trie);
    println!("{:44} {trie:8.2} {:6.2} x", "prefix-trie: prefixes alone", 1.0);
}
