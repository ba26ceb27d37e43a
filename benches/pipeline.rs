//! Time from import to answer, on generated hub-and-spoke networks of 10, 100 and 1,000 virtual networks, without and
//! with 9,500 routes learned over ExpressRoute, and to build a network of 1,200 spokes in three regions. Every network's
//! answers are compared with the oracle's (of the last, its rows counted) before anything is timed. What the figures are
//! is in `benches/README.md`.
#![expect(clippy::print_stdout, reason = "a bench says what it checked")]
#![expect(clippy::panic, clippy::unwrap_used, reason = "a bench fails by panicking")]

#[path = "support/arm.rs"]
mod arm;
mod support;

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Duration;

use azroute::Network;
use azroute::import::Importer;
use azroute::model::{Change, Document, ResourceId, Topology, UserDefinedRoute};
use azroute::testing::generate::{self, Regions};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use support::{QUESTIONS, Question};

fn import(text: &str) -> Topology {
    let mut importer = Importer::new();
    importer.add("input", text.as_bytes()).unwrap();
    importer.finish().unwrap().0
}

/// The bytes of an export and of a document, to the checked topology.
fn imports(c: &mut Criterion) {
    let mut group = c.benchmark_group("import");
    for vnets in [10, 100, 1_000] {
        let document = support::hub_and_spoke(vnets, 0);
        let export = arm::export(&document);
        // What the export says is what the document says, where Azure knows it.
        let imported = import(&export);
        let counts = |document: &Document| {
            let mut counts = document.counts();
            counts.retain(|(kind, _)| !kind.starts_with("onPremises"));
            counts
        };
        assert_eq!(counts(imported.document()), counts(&document));
        let network = Network::build(&imported).unwrap();
        let network_of_document = Network::build(&Topology::new(document.clone()).unwrap()).unwrap();
        let questions = support::questions(&document);
        for question in questions.iter().step_by(QUESTIONS / 4) {
            let default = |n: &Network| {
                let rows = n.effective_routes(&question.subnet).unwrap().rows();
                rows.into_iter().filter(|r| r.source != azroute::model::RouteSource::VirtualNetworkGateway)
            };
            assert!(default(&network).eq(default(&network_of_document)), "{}", question.subnet);
        }
        let written = serde_json::to_string_pretty(&document).unwrap();
        assert_eq!(import(&written).document(), &document);
        for (format, text) in [("arm", &export), ("document", &written)] {
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(BenchmarkId::new(format, vnets), |b| b.iter(|| import(black_box(text))));
        }
    }
    group.finish();
}

/// A network, its topology and what is asked of it.
struct Case {
    name: String,
    topology: Topology,
    network: Network,
    questions: Vec<Question>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (vnets, learned) in support::SIZES {
        let document = support::hub_and_spoke(vnets, learned);
        let topology = Topology::new(document.clone()).unwrap();
        let network = Network::build(&topology).unwrap();
        let questions = support::questions(&document);
        let compared = support::check(&document, &network, &questions);
        println!("{vnets} networks, {learned} learned routes: {compared} answers equal the oracle's");
        cases.push(Case { name: format!("{vnets}x{learned}"), topology, network, questions });
    }
    cases
}

/// Goes round the questions, so that no run of the clock sees one of them only.
fn bench_questions<T>(
    c: &mut Criterion,
    group: &str,
    cases: &[Case],
    ask: impl Fn(&Network, &Question) -> T,
) {
    let mut group = c.benchmark_group(group);
    group.throughput(Throughput::Elements(1));
    for case in cases {
        let mut at = 0;
        group.bench_function(&case.name, |b| {
            b.iter(|| {
                at = (at + 1) % QUESTIONS;
                ask(&case.network, black_box(&case.questions[at]))
            });
        });
    }
    group.finish();
}

fn pipeline(c: &mut Criterion) {
    let cases = cases();
    let mut group = c.benchmark_group("topology");
    for case in &cases {
        group.bench_function(&case.name, |b| {
            b.iter_batched(
                || case.topology.document().clone(),
                |document| Topology::new(document).unwrap(),
                criterion::BatchSize::LargeInput,
            );
        });
    }
    group.finish();
    let mut group = c.benchmark_group("build");
    for case in &cases {
        group.bench_function(&case.name, |b| b.iter(|| Network::build(&case.topology).unwrap()));
    }
    group.finish();
    let mut group = c.benchmark_group("apply");
    for case in &cases {
        let table = case.topology.document().route_tables[0].id.clone();
        let next_hop: IpAddr = "10.0.0.68".parse().unwrap();
        let route = UserDefinedRoute::to_appliance(
            "one",
            "198.51.100.0/24".parse::<ipnet::IpNet>().unwrap(),
            next_hop,
        );
        let change = Change::SetRoute { route_table: table, route };
        let changed = case.network.apply(std::slice::from_ref(&change)).unwrap();
        let subnet: &ResourceId = &case.questions[0].subnet;
        assert!(changed.effective_routes(subnet).is_ok());
        group.bench_function(&case.name, |b| {
            b.iter(|| case.network.apply(black_box(std::slice::from_ref(&change))).unwrap());
        });
    }
    group.finish();
    bench_questions(c, "resolve/by-name", &cases, |n, q| {
        n.resolve(&q.subnet, q.destination).unwrap().path_id()
    });
    bench_questions(c, "resolve/by-address", &cases, |n, q| {
        n.resolve(q.source, q.destination).unwrap().path_id()
    });
    bench_questions(c, "next-hop/by-name", &cases, |n, q| n.next_hop(&q.subnet, q.destination).unwrap());
    bench_questions(c, "next-hop/by-address", &cases, |n, q| n.next_hop(q.source, q.destination).unwrap());
    bench_questions(c, "effective-routes", &cases, |n, q| n.effective_routes(&q.subnet).unwrap().rows());
}

/// Three regions of 400 spokes on four circuits, with 9,500 prefixes over each link, announced by routers or declared:
/// every spoke holds every prefix before anything is timed.
fn large(c: &mut Criterion) {
    let mut group = c.benchmark_group("build-large");
    for (name, speakers) in [("speakers", true), ("declared", false)] {
        let design = Regions { speakers, ..Regions::default() };
        let document = generate::regions(&design).unwrap();
        let topology = Topology::new(document).unwrap();
        let network = Network::build(&topology).unwrap();
        let spokes = support::spokes_with(&network, design.learned_routes);
        assert_eq!(spokes, design.hubs * design.spokes_per_hub, "{name}");
        println!("{name}: {} learned routes in each of {spokes} spokes", design.learned_routes);
        group.bench_function(name, |b| b.iter(|| Network::build(&topology).unwrap()));
    }
    group.finish();
}

fn config() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = config(); targets = imports, pipeline, large }
criterion_main!(benches);
