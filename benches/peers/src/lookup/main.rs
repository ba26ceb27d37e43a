//! azroute's look-up table beside others, in one run: every round times every table once, so that what else the machine
//! does hits all alike. Prints tables in Markdown; how to read them is in `BENCHMARKS.md`.
//!
//! Times are processor time: what else runs takes caches and memory from all tables alike, not time from one.
//!
//!     cargo run --release --locked --bin lookup -- [COUNT…]     tables of so many prefixes; whole where none is given
//!     AZROUTE_PREFIXES=<file>[:<file>…]                         real tables in place of generated ones
//!     AZROUTE_ROUNDS=<n>                                        rounds, 9 where not given

mod peers;
mod table;

use std::hint::black_box;
use std::net::IpAddr;

use allocation_counter::measure;
use azroute::fib::Fib;
use azroute::testing::generate::internet_table;
use cpu_time::ThreadTime;
use peers::{Iptrie, Ours, Peer, Poptrie, PrefixTrie, Stream, TreeBitmap, TsBart};
use table::Table;

/// Addresses of a batch call.
const BATCH: usize = 1_024;

fn main() {
    let counts: Vec<usize> = std::env::args().skip(1).map(|word| word.parse().expect("a count")).collect();
    let mut tables: Vec<Table> = Vec::new();
    if let Ok(files) = std::env::var("AZROUTE_PREFIXES") {
        for file in files.split(':') {
            for table in Table::read(file) {
                if counts.is_empty() {
                    tables.push(table);
                } else {
                    tables.extend(counts.iter().map(|count| table.part(*count)));
                }
            }
        }
    } else {
        tables.extend(generated(&counts));
    }
    let rounds = std::env::var("AZROUTE_ROUNDS").map_or(9, |word| word.parse().expect("a number"));
    for table in &tables {
        run(table, rounds);
    }
}

fn generated(counts: &[usize]) -> Vec<Table> {
    let counts = if counts.is_empty() { &[1_000, 10_000, 100_000, 900_000] } else { counts };
    let table = |count: &usize| Table::split("generated", internet_table(*count, count / 5, 1));
    counts.iter().flat_map(table).collect()
}

struct Row {
    name: &'static str,
    /// By route, or by value: whose sums must agree.
    by_value: bool,
    peer: Box<dyn Peer>,
    bytes: i64,
    builds: Vec<f64>,
    build: Box<dyn Fn() -> Box<dyn Peer>>,
    /// For each stream: plain, dependent, batch; nanoseconds a look-up.
    times: Vec<[Vec<f64>; 3]>,
}

fn median(samples: &[f64]) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

fn run(table: &Table, rounds: usize) {
    let routes: &'static [(ipnet::IpNet, u32)] = table.by_route().collect::<Vec<_>>().leak();
    let values: &'static [(ipnet::IpNet, u32)] = table.by_value().collect::<Vec<_>>().leak();
    let mut rows: Vec<Row> = Vec::new();
    let mut add = |name, by_value, build: Box<dyn Fn() -> Box<dyn Peer>>| {
        let mut peer = None;
        let start = ThreadTime::now();
        let bytes = measure(|| peer = Some(build())).bytes_current;
        let peer = peer.expect("built");
        eprintln!("{name}: counted in {:.1?}", start.elapsed());
        rows.push(Row { name, by_value, peer, bytes, builds: Vec::new(), build, times: Vec::new() });
    };
    let it = |routes: &'static [(ipnet::IpNet, u32)]| routes.iter().copied();
    let fib = |fib: Result<Fib, _>| Box::new(Ours(fib.expect("sorted"))) as Box<dyn Peer>;
    add("azroute, by value", true, Box::new(move || fib(Fib::by_value(it(values)))));
    add("azroute, by route", false, Box::new(move || fib(Fib::by_route(it(routes)))));
    add("prefix-trie", false, Box::new(move || Box::new(PrefixTrie::new(it(routes)))));
    add("poptrie", false, Box::new(move || Box::new(Poptrie::new(it(routes)))));
    add("treebitmap", false, Box::new(move || Box::new(TreeBitmap::new(it(routes)))));
    add("ts_bart", false, Box::new(move || Box::new(TsBart::new(it(routes)))));
    add("iptrie", false, Box::new(move || Box::new(Iptrie::new(it(routes)))));

    let streams = table.streams(|address| rows[1].peer.one(address).is_some());
    check(table, &rows, &streams);
    eprintln!("{}: checked", table.title);
    let names: Vec<_> = streams.iter().map(|(name, _)| *name).collect();
    let streams: Vec<_> = streams.into_iter().map(|(_, addresses)| Stream::new(&addresses)).collect();
    let mut out = vec![0; BATCH];
    for row in &mut rows {
        row.times = streams.iter().map(|_| Default::default()).collect();
    }
    for round in 0..rounds {
        eprintln!("round {round}");
        for (at, stream) in streams.iter().enumerate() {
            let mut sums = [None, None];
            for row in &mut rows {
                let mut agree = |sum| {
                    assert_eq!(*sums[usize::from(row.by_value)].get_or_insert(sum), sum, "{}", row.name)
                };
                let each = 1e9 / stream.len() as f64;
                let start = ThreadTime::now();
                let sum = black_box(row.peer.plain(black_box(stream)));
                row.times[at][0].push(start.elapsed().as_secs_f64() * each);
                agree(sum);
                if at == 0 {
                    let start = ThreadTime::now();
                    let sum = black_box(row.peer.dependent(black_box(stream)));
                    row.times[at][1].push(start.elapsed().as_secs_f64() * each);
                    agree(sum);
                }
                let start = ThreadTime::now();
                if let Some(sum) = black_box(row.peer.batch(black_box(stream), &mut out)) {
                    row.times[at][2].push(start.elapsed().as_secs_f64() * each);
                    agree(sum);
                }
            }
        }
        for row in &mut rows {
            let start = ThreadTime::now();
            let built = black_box((row.build)());
            row.builds.push(start.elapsed().as_secs_f64() * 1e3);
            drop(built);
        }
    }
    print(table, &rows, &names);
}

/// Answers of ours against a linear scan, before anything is timed.
fn check(table: &Table, rows: &[Row], streams: &[(&'static str, Vec<IpAddr>)]) {
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    let ends = |(prefix, _): &(ipnet::IpNet, u32)| (number(prefix.network()), number(prefix.broadcast()));
    let ends: Vec<_> = table.routes.iter().map(ends).collect();
    for (name, addresses) in streams {
        for address in addresses.iter().step_by(addresses.len() / 128) {
            let wanted = number(*address);
            let longest = (0..ends.len()).rfold(None, |found, at| {
                let holds = ends[at].0 <= wanted && wanted <= ends[at].1;
                if holds
                    && found.is_none_or(|other: usize| {
                        table.routes[other].0.prefix_len() < table.routes[at].0.prefix_len()
                    })
                {
                    Some(at)
                } else {
                    found
                }
            });
            let route = longest.map(|at| u32::try_from(at).expect("few"));
            let value = longest.map(|at| Table::value(table.routes[at].1));
            for row in &rows[..2] {
                let expected = if row.by_value { value } else { route };
                assert_eq!(row.peer.one(*address), expected, "{}, {name}: {address}", row.name);
            }
        }
    }
}

fn print(table: &Table, rows: &[Row], names: &[&str]) {
    println!("\n{}\n", table.title);
    println!(
        "| table | × prefix-trie: best, inside | plain | build | bytes a prefix | build ms | latency ns | {} |",
        names.iter().map(|name| format!("{name}: plain | batch")).collect::<Vec<_>>().join(" | ")
    );
    println!("|---|{}", "--:|".repeat(6 + 2 * names.len()));
    let base = rows.iter().find(|row| row.name == "prefix-trie").expect("there");
    let slow = median(&base.times[0][0]);
    for row in rows {
        let plain = median(&row.times[0][0]);
        let batch = median(&row.times[0][2]);
        let best = if batch < plain { batch } else { plain };
        let cells: Vec<String> = row
            .times
            .iter()
            .flat_map(|[plain, _, batch]| [median(plain), median(batch)])
            .map(|time| if time.is_nan() { "–".to_owned() } else { format!("{:.1}", 1e3 / time) })
            .collect();
        println!(
            "| {} | {:.1} | {:.1} | {:.2} | {:.2} | {:.1} | {:.1} | {} |",
            row.name,
            slow / best,
            slow / plain,
            median(&base.builds) / median(&row.builds),
            row.bytes as f64 / table.routes.len() as f64,
            median(&row.builds),
            median(&row.times[0][1]),
            cells.join(" | "),
        );
    }
}
