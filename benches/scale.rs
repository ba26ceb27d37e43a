//! How time and bytes grow: virtual networks and learned routes in powers of ten, and the study of a network of 1,000
//! virtual networks that learns a whole table over its circuits, announced in three ways. Prints tables in Markdown.
//!
//! `AZROUTE_PREFIXES=<file>` takes the table of the study from a file, one prefix a line, its origin AS after a blank.
//! Words after `--` choose: `networks`, `routes`, `grid` (both together, compiled), `subnets` (10,000 of them, every path),
//! `alike`, `by-origin`, `each`, `change`; `each`, `grid` and `subnets` are not run unless they are named.
#![expect(clippy::print_stdout, reason = "prints tables")]
#![expect(clippy::panic, clippy::unwrap_used, reason = "a bench fails by panicking")]

#[expect(dead_code, reason = "other benches use the rest")]
mod support;

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Instant;

use allocation_counter::{AllocationInfo, measure};
use azroute::Network;
use azroute::model::bgp::{BgpSession, BgpSpeaker, Origination};
use azroute::model::{Asn, Change, Document, Limits, ResourceId, RouteSource, Topology};
use azroute::resolve::{Leg, NextHop};
use azroute::testing::generate::{self, Announced, HubAndSpoke, Random};
use ipnet::{IpNet, Ipv4Net};

/// What a piece of work allocates, the seconds it takes, and its result.
fn counted<T>(work: impl FnOnce() -> T) -> (T, AllocationInfo, f64) {
    let mut result = None;
    let start = Instant::now();
    let info = measure(|| result = Some(work()));
    (result.unwrap(), info, start.elapsed().as_secs_f64())
}

fn mib(bytes: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "printed")]
    let mib = bytes as f64 / f64::from(1 << 20);
    format!("{mib:.1}")
}

/// Learned prefixes with their origins: a file's, or different ones at random.
fn table(n: usize) -> Vec<(IpNet, u32)> {
    let mut random = Random::new(7);
    let made = |prefix: Ipv4Net| (IpNet::V4(prefix), 64_512 + random.below(1_000));
    generate::prefixes(n, 3).into_iter().map(made).collect()
}

/// The table of a file.
fn read(path: &str) -> Vec<(IpNet, u32)> {
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let prefix = words.next()?.parse().ok()?;
        Some((prefix, words.next().map_or(0, |origin| origin.parse().unwrap())))
    };
    text.lines().filter_map(line).collect()
}

fn design(vnets: usize, circuits: usize, table: &[(IpNet, u32)], announced: Announced) -> Document {
    let size = HubAndSpoke {
        spokes: vnets - 1,
        circuits,
        learned_routes: 0,
        vpn_sites: 0,
        limits: Limits::LintOnly,
        ..HubAndSpoke::default()
    };
    let mut document = generate::hub_and_spoke(&size).unwrap();
    let count = generate::announce(&mut document, table.iter().copied(), announced).unwrap();
    assert_eq!(count, table.len());
    document
}

/// How many learned rows a subnet of the first spoke has, and whether next hops follow them.
fn check(network: &Network, table: &[(IpNet, u32)]) -> (ResourceId, usize) {
    let document = network.topology().document();
    let spoke = document.virtual_networks.iter().find(|v| v.id.name().starts_with("spoke")).unwrap();
    let subnet = spoke.subnet_id(&spoke.subnets[0].name);
    let routes = network.effective_routes(&subnet).unwrap();
    let gateway = RouteSource::VirtualNetworkGateway;
    // What loses to the same prefix of another source is no row of a gateway.
    let rows = routes.candidates().iter().filter(|c| c.source == gateway && c.row().is_some()).count();
    for (prefix, _) in table.iter().step_by(table.len().div_ceil(64).max(1)) {
        let NextHop::Route(found) = network.next_hop(&subnet, prefix.network()).unwrap() else { panic!() };
        assert!(found.route.prefix.contains(&prefix.network()));
    }
    (subnet, rows)
}

fn header() {
    println!("\n| VNets | routes | topology MiB | network MiB | peak MiB | build s | next hop ns |");
    println!("|--:|--:|--:|--:|--:|--:|--:|");
}

fn row(
    vnets: usize,
    routes: usize,
    circuits: usize,
    table: &[(IpNet, u32)],
    announced: Announced,
) -> Network {
    let document = design(vnets, circuits, table, announced);
    let (topology, of_topology, _) = counted(|| Topology::new(document).unwrap());
    let (network, of_network, seconds) = counted(|| Network::build(&topology).unwrap());
    let (subnet, rows) = check(&network, table);
    assert_eq!(rows, routes, "learned rows");
    let mut random = Random::new(5);
    let bound = u32::try_from(table.len()).unwrap();
    let stream: Vec<IpAddr> = (0..1 << 16).map(|_| table[random.below(bound) as usize].0.network()).collect();
    let start = Instant::now();
    for address in &stream {
        black_box(network.next_hop(&subnet, *address).unwrap());
    }
    println!(
        "| {vnets} | {routes} | {} | {} | {} | {seconds:.2} | {} |",
        mib(of_topology.bytes_current),
        mib(of_network.bytes_current),
        mib(i64::try_from(of_network.bytes_max).unwrap()),
        start.elapsed().as_nanos() / stream.len() as u128,
    );
    network
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |word: &str| {
        words.iter().any(|w| w == word) || (words.is_empty() && !["each", "grid", "subnets"].contains(&word))
    };
    if wanted("networks") {
        println!("\nNetworks, 1,000 routes learned over two circuits.");
        header();
        let table = table(1_000);
        for vnets in [10, 100, 1_000, 10_000] {
            row(vnets, table.len(), 2, &table, Announced::Alike);
        }
    }
    if wanted("routes") {
        println!("\nRoutes, learned by 1,000 networks over two circuits.");
        header();
        for routes in [1_000, 10_000, 100_000, 1_000_000] {
            let table = table(routes);
            row(1_000, table.len(), 2, &table, Announced::Alike);
        }
    }
    if wanted("grid") {
        grid();
    }
    if wanted("subnets") {
        subnets();
    }
    if words.iter().all(|word| ["networks", "routes", "grid", "subnets"].contains(&&**word))
        && !words.is_empty()
    {
        return;
    }
    let full = match std::env::var("AZROUTE_PREFIXES") {
        Ok(path) => read(&path),
        Err(_) => table(900_000),
    };
    for (word, circuits, announced) in [
        ("alike", 2, Announced::Alike),
        ("by-origin", 4, Announced::ByOrigin(64)),
        ("each", 2, Announced::Each),
    ] {
        if wanted(word) {
            println!("\nThe whole table over {circuits} circuits, {word}.");
            header();
            row(1_000, full.len(), circuits, &full, announced);
        }
    }
    if wanted("change") {
        change(&full);
    }
}

/// Networks and routes, built and compiled: seconds and MiB held of each, and 65,536 answers by position.
fn grid() {
    println!(
        "\n| VNets | routes | build s | MiB | classes s | MiB | classes | answers, first ns | again ns | paths |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for vnets in [10, 100, 1_000, 10_000] {
        for routes in [1_000, 10_000, 100_000, 1_000_000] {
            let table = table(routes);
            let topology = Topology::new(design(vnets, 2, &table, Announced::Alike)).unwrap();
            let (network, built, build) = counted(|| Network::build(&topology).unwrap());
            let (classes, cut, compile) = counted(|| network.classes().unwrap().len());
            let mut random = Random::new(5);
            let positions: Vec<_> = network.positions().subnets().collect();
            let bound = |n: usize| u32::try_from(n).unwrap();
            let stream: Vec<_> = (0..1 << 16)
                .map(|_| {
                    let position = positions[random.below(bound(positions.len())) as usize];
                    (position, table[random.below(bound(table.len())) as usize].0.network())
                })
                .collect();
            let pass = || {
                let start = Instant::now();
                for (position, address) in &stream {
                    black_box(network.resolve(*position, *address).unwrap().path_id());
                }
                start.elapsed().as_nanos() / stream.len() as u128
            };
            let (first, again) = (pass(), pass());
            println!(
                "| {vnets} | {routes} | {build:.2} | {} | {compile:.2} | {} | {classes} | {first} | {again} | {} |",
                mib(built.bytes_current),
                mib(cut.bytes_current),
                network.path_statistics().0,
            );
        }
    }
}

/// 10,000 subnets, in networks of ten and in networks of their own: bytes when every path of every subnet is known.
fn subnets() {
    println!("\n| VNets | subnets each | rows x classes | every pair s | paths | MiB of cells and paths |");
    println!("|--:|--:|--:|--:|--:|--:|");
    for (vnets, each) in [(1_000, 10), (10_000, 1)] {
        let size = HubAndSpoke {
            spokes: vnets - 1,
            subnets_per_spoke: each,
            hosts_per_subnet: 0,
            circuits: 2,
            learned_routes: 1_000,
            vpn_sites: 0,
            limits: Limits::LintOnly,
            ..HubAndSpoke::default()
        };
        let topology = Topology::new(generate::hub_and_spoke(&size).unwrap()).unwrap();
        let network = Network::build(&topology).unwrap();
        let classes = network.classes().unwrap();
        let mut rows: Vec<_> =
            network.positions().subnets().map(|p| (network.behaviour(p, true), p)).collect();
        rows.sort_unstable();
        rows.dedup_by_key(|(row, _)| *row);
        let start = Instant::now();
        for (_, position) in &rows {
            for class in classes.iter() {
                black_box(network.resolve_class(*position, class, Leg::Initiate));
            }
        }
        let (paths, bytes) = network.path_statistics();
        println!(
            "| {vnets} | {each} | {} x {} | {:.2} | {paths} | {} |",
            rows.len(),
            classes.len(),
            start.elapsed().as_secs_f64(),
            mib(i64::try_from(bytes).unwrap()),
        );
    }
}

/// One prefix more and one less, announced by a router beside the whole table, until the next hop follows.
fn change(table: &[(IpNet, u32)]) {
    let mut document = design(1_000, 3, table, Announced::Alike);
    let site = document.on_premises_sites.last().unwrap().id.clone();
    let circuit = document.express_route_circuits.last().unwrap().id.clone();
    let speaker = ResourceId::new("edge");
    document.bgp_speakers.push(BgpSpeaker {
        id: speaker.clone(),
        asn: Asn(65_001),
        router: Some(site),
        ..BgpSpeaker::default()
    });
    let end = format!("{circuit}/peerings/AzurePrivatePeering/links/primary");
    document.bgp_sessions.push(BgpSession::new("edge-primary", speaker.clone(), end));
    let before = Network::build(&Topology::new(document).unwrap()).unwrap();
    let (subnet, rows) = check(&before, table);
    assert_eq!(rows, table.len(), "learned rows");
    // A piece of a documentation range, so that no table has it.
    let prefix: IpNet = "203.0.113.128/25".parse().unwrap();
    let origination = Origination { prefixes: vec![prefix], ..Origination::default() };
    let announce = Change::Announce { speaker: speaker.clone(), origination };
    let withdraw = Change::Withdraw { speaker, prefixes: vec![prefix] };
    let matched = |network: &Network| match network.next_hop(&subnet, prefix.network()).unwrap() {
        NextHop::Route(found) => Some(found.route.prefix),
        _ => None,
    };
    let (announced, bytes, more) = counted(|| before.apply(&[announce]).unwrap());
    assert_eq!(matched(&announced), Some(prefix));
    let (withdrawn, _, less) = counted(|| announced.apply(&[withdraw]).unwrap());
    assert_eq!(matched(&withdrawn), matched(&before));
    println!(
        "\nOne prefix announced: {:.0} ms, {} MiB more; withdrawn: {:.0} ms.",
        more * 1e3,
        mib(bytes.bytes_current),
        less * 1e3
    );
}
