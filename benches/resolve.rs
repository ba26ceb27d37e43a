//! Whole answers beside one longest-prefix match of the fastest Rust crate: `resolve` by position, in batches and by
//! address on a hub and spoke of 1,000 virtual networks that learns a whole table over its circuits, and `get_lpm` of
//! prefix-trie on that table with the same destinations. Round by round, medians; answers are compared with the walk first.
//!
//! `AZROUTE_PREFIXES=<file>` takes the table from a file, one prefix a line, its origin AS after a blank (gzip will do);
//! without it the table is made up. Words after `--` choose how it is announced: `alike`, `by-origin`, `each`.
#![expect(clippy::print_stdout, reason = "prints tables")]
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use allocation_counter::measure;
use azroute::Network;
use azroute::model::{Limits, RouteSource, Topology};
use azroute::resolve::{Leg, PathId, Position, Source};
use azroute::testing::generate::{self, Announced, HubAndSpoke, Random};
use ipnet::{IpNet, Ipv4Net};
use prefix_trie::PrefixMap;

const STREAM: usize = 1 << 16;
const ROUNDS: usize = 9;

/// The prefixes of a file with their origins, or made-up ones.
fn table() -> Vec<(IpNet, u32)> {
    let Ok(path) = std::env::var("AZROUTE_PREFIXES") else {
        let mut random = Random::new(7);
        let mut origin = || 64_512 + random.below(70_000);
        return generate::prefixes(100_000, 3).into_iter().map(|p| (IpNet::V4(p), origin())).collect();
    };
    let bytes = std::fs::read(&path).unwrap();
    let mut text = String::new();
    match bytes.starts_with(&[0x1f, 0x8b]) {
        true => flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap(),
        false => (&bytes[..]).read_to_string(&mut text).unwrap(),
    };
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let prefix = words.next()?.parse().ok()?;
        Some((prefix, words.next().and_then(|origin| origin.parse().ok()).unwrap_or(0)))
    };
    text.lines().filter_map(line).collect()
}

fn host_in(prefix: Ipv4Net, random: &mut Random) -> Ipv4Addr {
    let bits = 32 - u32::from(prefix.prefix_len());
    let host = if bits == 32 { random.below(u32::MAX) } else { random.below(1 << bits) };
    Ipv4Addr::from(u32::from(prefix.network()) | host)
}

/// Millions a second, of passes over the whole stream after one that warms what the last peer left cold.
fn rate(mut work: impl FnMut() -> u64) -> f64 {
    const PASSES: u32 = 4;
    black_box(work());
    let start = Instant::now();
    for _ in 0..PASSES {
        black_box(work());
    }
    let packets = f64::from(PASSES) * f64::from(u32::try_from(STREAM).unwrap());
    packets / start.elapsed().as_secs_f64() / 1e6
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[expect(clippy::cast_precision_loss, reason = "printed")]
fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn study(name: &str, announced: Announced, circuits: usize, table: &[(IpNet, u32)]) {
    let size = HubAndSpoke {
        spokes: 999,
        circuits,
        learned_routes: 0,
        vpn_sites: 0,
        limits: Limits::LintOnly,
        ..HubAndSpoke::default()
    };
    let mut document = generate::hub_and_spoke(&size).unwrap();
    let announced = generate::announce(&mut document, table.iter().copied(), announced).unwrap();
    assert_eq!(announced, table.len());
    let topology = Topology::new(document).unwrap();
    let start = Instant::now();
    let mut built = None;
    let info = measure(|| built = Some(Network::build(&topology).unwrap()));
    let network = built.unwrap();
    let build = start.elapsed();
    let build_mib = mib(usize::try_from(info.bytes_current.max(0)).unwrap());

    let document = topology.document();
    let spoke = document.virtual_networks.iter().find(|v| v.id.name().starts_with("spoke")).unwrap();
    let subnet = spoke.subnet_id(&spoke.subnets[0].name);
    let rows = network.effective_routes(&subnet).unwrap();
    let gateway = RouteSource::VirtualNetworkGateway;
    let learned = rows.candidates().iter().filter(|c| c.source == gateway && c.row().is_some()).count();
    assert!(learned * 1000 > table.len() * 995, "{learned} learned rows");
    drop(rows);

    let start = Instant::now();
    let info = measure(|| assert!(network.classes().is_some()));
    let compile = start.elapsed();
    let classes = network.classes().unwrap();
    println!(
        "\n{name}: {} prefixes over {circuits} circuits, {learned} learned rows in each spoke",
        table.len()
    );
    println!(
        "built in {:.2} s, {build_mib:.0} MiB; compiled in {:.2} s, peak {:.0} MiB, {:.1} MiB kept; {} classes in {} runs",
        build.as_secs_f64(),
        compile.as_secs_f64(),
        mib(usize::try_from(info.bytes_max).unwrap()),
        mib(usize::try_from(info.bytes_current.max(0)).unwrap()),
        classes.len(),
        classes.runs(),
    );

    // Spokes' subnets ask for hosts inside prefixes.
    let mut random = Random::new(11);
    let spokes: Vec<Position> = network
        .positions()
        .filter(|p| {
            network
                .position_id(*p)
                .is_some_and(|id| id.as_str().contains("spoke") && id.as_str().contains("/subnets/"))
        })
        .collect();
    assert!(spokes.len() > 3_900, "{} positions", spokes.len());
    let v4: Vec<Ipv4Net> =
        table.iter().filter_map(|(p, _)| if let IpNet::V4(p) = p { Some(*p) } else { None }).collect();
    let destinations: Vec<Ipv4Addr> = (0..STREAM)
        .map(|_| host_in(v4[random.below(u32::try_from(v4.len()).unwrap()) as usize], &mut random))
        .collect();
    let packets: Vec<(Position, IpAddr)> = destinations
        .iter()
        .map(|d| (spokes[random.below(u32::try_from(spokes.len()).unwrap()) as usize], IpAddr::V4(*d)))
        .collect();
    let by_address: Vec<(IpAddr, IpAddr)> =
        packets.iter().map(|(p, d)| (network.resolve(*p, *d).unwrap().header().source, *d)).collect();
    // First touch, then the answers against the walk.
    let start = Instant::now();
    for (position, destination) in &packets {
        network.resolve(*position, *destination).unwrap();
    }
    let warm = start.elapsed();
    for ((position, destination), (source, _)) in packets.iter().zip(&by_address).step_by(97) {
        let fast = network.resolve(*position, *destination).unwrap();
        let from = Source::at(network.position_id(*position).unwrap().clone(), *source);
        assert_eq!(fast.answer(), &network.walk(from, *destination, Leg::Initiate).unwrap());
        assert_eq!(network.resolve(*source, *destination).unwrap().path_id(), fast.path_id());
    }
    let (paths, bytes) = network.path_statistics();
    println!(
        "first pass {:.2} s; {paths} paths, {:.1} MiB of cells and paths; classes {:.1} MiB",
        warm.as_secs_f64(),
        mib(bytes),
        mib(classes.bytes())
    );
    let counted = measure(|| {
        for (position, destination) in &packets[..1024] {
            black_box(network.resolve(*position, *destination).unwrap().path_id());
        }
    });
    assert_eq!(counted.count_total, 0, "the hot path allocates");

    let trie: PrefixMap<Ipv4Net, u32> = v4.iter().copied().zip(0..).collect();
    let mut ids = vec![network.resolve(packets[0].0, packets[0].1).unwrap().path_id().unwrap(); STREAM];
    let mut figures: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        figures[0].push(rate(|| {
            let found = |d: &Ipv4Addr| trie.get_lpm(&Ipv4Net::from(*d)).map_or(0, |(_, v)| u64::from(*v));
            destinations.iter().map(found).sum()
        }));
        figures[1].push(rate(|| {
            let sum = |(p, d): &(Position, IpAddr)| {
                u64::from(network.resolve(*p, *d).unwrap().path_id() == Some(ids[0]))
            };
            packets.iter().map(sum).sum()
        }));
        figures[2].push(rate(|| {
            network.resolve_batch(&packets, &mut ids).unwrap();
            ids.iter().map(|id: &PathId| u64::from(*id == ids[0])).sum()
        }));
        figures[3].push(rate(|| {
            let sum = |(s, d): &(IpAddr, IpAddr)| {
                u64::from(network.resolve(*s, *d).unwrap().path_id() == Some(ids[0]))
            };
            by_address.iter().map(sum).sum()
        }));
    }
    let [trie, position, batch, address] = figures.map(median);
    println!("| | M/s | x get_lpm |\n|---|--:|--:|");
    for (what, figure) in [
        ("prefix-trie `get_lpm`", trie),
        ("resolve by position", position),
        ("resolve_batch", batch),
        ("resolve by address", address),
    ] {
        println!("| {what} | {figure:.1} | {:.1} |", figure / trie);
    }
}

fn main() {
    let table = table();
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
    if wanted("alike") {
        study("alike", Announced::Alike, 2, &table);
    }
    if wanted("by-origin") {
        study("by-origin", Announced::ByOrigin(64), 4, &table);
    }
    if asked.iter().any(|word| word == "each") {
        study("each", Announced::Each, 2, &table);
    }
    if wanted("none") {
        println!("(`each` is run where it is named)");
    }
}
