//! What a failure costs against a rebuild: a hub with 999 spokes, two circuits and 10,000 routes learned over both.
//! Answers of the network without a link are compared with those of the network built of what is left before anything is
//! timed; both are timed in the same run.
#![expect(clippy::print_stdout, reason = "a bench says what it checked")]
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use azroute::Network;
use azroute::model::{Change, Document, Element, Limits, LinkRole, ResourceId, Topology};
use azroute::testing::generate::{self, HubAndSpoke};
use criterion::{Criterion, criterion_group, criterion_main};

fn design() -> Document {
    let design = HubAndSpoke {
        spokes: 999,
        circuits: 2,
        learned_routes: 10_000,
        limits: Limits::LintOnly,
        ..HubAndSpoke::default()
    };
    generate::hub_and_spoke(&design).unwrap()
}

/// Rows and next hops of some subnets, over both.
fn compare(without: &Network, rebuilt: &Network, document: &Document) -> usize {
    let addresses = generate::addresses(document, 256, 3);
    let subnets =
        document.virtual_networks.iter().flat_map(|v| v.subnets.iter().map(|s| v.subnet_id(&s.name)));
    let subnets: Vec<ResourceId> = subnets.step_by(1_009).collect();
    let mut compared = 0;
    for subnet in &subnets {
        let rows = |n: &Network| n.effective_routes(subnet).unwrap().rows();
        assert_eq!(rows(without), rows(rebuilt), "{subnet}");
        for address in &addresses {
            let answer = |n: &Network| n.resolve(subnet, *address).unwrap().to_string();
            assert_eq!(answer(without), answer(rebuilt), "{subnet} to {address}");
            compared += 1;
        }
    }
    compared
}

fn failures(c: &mut Criterion) {
    let document = design();
    let network = Network::build(&Topology::new(document.clone()).unwrap()).unwrap();
    let circuit = document.express_route_circuits[0].id.clone();
    let change = Change::SetLink { circuit: circuit.clone(), link: LinkRole::Primary, up: false };
    let link = Element::CircuitLink { circuit, link: LinkRole::Primary };
    let rebuilt = network.apply(std::slice::from_ref(&change)).unwrap();
    let without = network.without(std::slice::from_ref(&link)).unwrap();
    println!("{} answers are those of the rebuild", compare(&without, &rebuilt, &document));
    for element in network.elements() {
        let start = Instant::now();
        let without = network.without(std::slice::from_ref(&element)).unwrap();
        let took = start.elapsed();
        drop(without);
        println!("without {element}: {:.1} ms", took.as_secs_f64() * 1_000.0);
    }
    let mut group = c.benchmark_group("failures");
    group.bench_function("rebuild", |b| {
        b.iter(|| network.apply(black_box(std::slice::from_ref(&change))).unwrap())
    });
    group.bench_function("without one link", |b| {
        b.iter(|| network.without(black_box(std::slice::from_ref(&link))).unwrap());
    });
    group.finish();
}

fn config() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = config(); targets = failures }
criterion_main!(benches);
