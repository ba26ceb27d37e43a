//! azroute's BGP engine beside bgpsim: same topologies, same routes, same run. Prints a table in Markdown; what it means
//! is in `benches/README.md`.
//!
//!     cargo run --release --locked [NAME…]      rows whose title contains a name, as "rr 10"; all where none is given

mod ours;
mod theirs;
mod topology;

use std::hint::black_box;

use allocation_counter::measure;
use azroute::bgp::Engine;
use cpu_time::ThreadTime;
use topology::Topology;

/// Questions asked of either side for one figure.
const QUESTIONS: usize = 1 << 16;

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let mut rows = Vec::new();
    for unique in [false, true] {
        rows.extend([
            Topology::reflectors(10, 10_000, unique),
            Topology::reflectors(50, 10_000, unique),
            Topology::reflectors(200, 1_000, unique),
            Topology::chain(50, 1_000, unique),
            Topology::chain(200, 1_000, unique),
            Topology::fat_tree(4, 1_000, unique),
            Topology::fat_tree(8, 1_000, unique),
            Topology::fat_tree(12, 1_000, unique),
        ]);
    }
    rows.retain(|row| names.is_empty() || names.iter().any(|name| row.title().contains(name.as_str())));
    println!("Each cell: azroute / bgpsim = how many times faster or smaller azroute is.\n");
    println!(
        "| topology | build ms | live KiB | session down ms | session up ms | withdraw µs | announce µs | best route ns |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for row in &rows {
        println!("{}", run(row));
    }
}

/// Seconds of processor time that a piece of work takes; both programs use one thread.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = ThreadTime::now();
    let result = work();
    (start.elapsed().as_secs_f64(), result)
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// The two sides of one measure.
#[derive(Default)]
struct Pair {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Pair {
    fn cell(self, scale: f64) -> String {
        let (ours, theirs) = (median(self.ours) * scale, median(self.theirs) * scale);
        let digits = |x: f64| if x < 10.0 { 2 } else { usize::from(x < 100.0) };
        let ratio = theirs / ours;
        format!("{ours:.0$} / {theirs:.1$} = {ratio:.2$}×", digits(ours), digits(theirs), digits(ratio))
    }
}

fn run(topology: &Topology) -> String {
    let design = ours::design(topology);
    let mut built = Pair::default();
    let mut live = Pair::default();
    let (mut downs, mut ups) = (Pair::default(), Pair::default());
    let (mut withdrawn, mut announced) = (Pair::default(), Pair::default());
    let mut asked = Pair::default();

    // Theirs once for the big rows: it takes minutes.
    let mut kept = None;
    let repeats = if topology.systems.len() * topology.prefixes.len() < 50_000 { 3 } else { 1 };
    for _ in 0..repeats {
        drop(kept.take());
        let mut simulated = None;
        let info = measure(|| {
            let mut network = theirs::network(topology);
            built.theirs.push(timed(|| theirs::announce_all(topology, &mut network)).0);
            simulated = Some(network);
        });
        live.theirs.push(bytes(info.bytes_current));
        let mut engine = None;
        let info = measure(|| engine = Some(Engine::build(&design).expect("a sound design")));
        live.ours.push(bytes(info.bytes_current));
        for _ in 0..7 {
            built.ours.push(timed(|| Engine::build(&design).expect("a sound design")).0);
        }
        kept = engine.zip(simulated);
    }
    let (mut engine, mut network) = kept.expect("at least one round");
    same(topology, &engine, &network, "at first");

    for round in 0..repeats {
        downs.theirs.push(timed(|| theirs::set_session(topology, &mut network, false)).0);
        for again in 0..9 {
            downs.ours.push(timed(|| engine.apply(&[ours::down(topology)]).expect("known")).0);
            if round == 0 && again == 0 {
                same(topology, &engine, &network, "with the session down");
            }
            ups.ours.push(timed(|| engine.apply(&[ours::up(topology)]).expect("known")).0);
        }
        ups.theirs.push(timed(|| theirs::set_session(topology, &mut network, true)).0);
    }
    same(topology, &engine, &network, "with the session up again");

    for prefix in (0..topology.prefixes.len()).step_by(topology.prefixes.len() / 50) {
        let (withdraw, announce) = (ours::withdraw(topology, prefix), ours::announce(topology, prefix));
        withdrawn.theirs.push(timed(|| theirs::withdraw(topology, &mut network, prefix)).0);
        withdrawn.ours.push(timed(|| engine.apply(&[withdraw]).expect("known")).0);
        if prefix == 0 {
            same(topology, &engine, &network, "with one prefix withdrawn");
        }
        announced.theirs.push(timed(|| theirs::announce(topology, &mut network, 0, prefix)).0);
        announced.ours.push(timed(|| engine.apply(&[announce]).expect("known")).0);
    }
    same(topology, &engine, &network, "with the prefixes announced again");

    // A stride that is prime to every size visits routers and prefixes in no order.
    let questions: Vec<(usize, usize)> = (0..QUESTIONS)
        .map(|i| (i * 7_919 % topology.systems.len(), i * 104_729 % topology.prefixes.len()))
        .collect();
    let for_ours: Vec<_> =
        questions.iter().map(|(r, p)| (ours::id(*r), topology.prefixes[*p].into())).collect();
    let for_theirs: Vec<_> =
        questions.iter().map(|(r, p)| (theirs::router(*r), topology.prefixes[*p].into())).collect();
    let each = |seconds: f64| seconds / f64::from(u32::try_from(QUESTIONS).expect("small"));
    for _ in 0..5 {
        let ask = || for_ours.iter().filter(|(r, p)| black_box(engine.best(r, p)).is_some()).count();
        let (seconds, ours) = timed(ask);
        asked.ours.push(each(seconds));
        let ask = || {
            let best = |(r, p): &&(_, _)| {
                let router = network.get_router(*r).expect("a router");
                black_box(router.bgp.get_route(*p)).is_some()
            };
            for_theirs.iter().filter(best).count()
        };
        let (seconds, theirs) = timed(ask);
        asked.theirs.push(each(seconds));
        assert_eq!(ours, theirs);
    }

    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} |",
        topology.title(),
        built.cell(1e3),
        live.cell(1.0 / 1024.0),
        downs.cell(1e3),
        ups.cell(1e3),
        withdrawn.cell(1e6),
        announced.cell(1e6),
        asked.cell(1e9),
    )
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn bytes(count: i64) -> f64 {
    count as f64
}

/// Compares what every router uses for every prefix.
fn same(topology: &Topology, engine: &Engine, network: &theirs::Simulated, when: &str) {
    let mut routes = 0;
    for router in 0..topology.systems.len() {
        for prefix in &topology.prefixes {
            let (a, b) = (ours::chosen(engine, router, *prefix), theirs::chosen(network, router, *prefix));
            assert_eq!(a, b, "{}, {when}: router {router}, {prefix}", topology.title());
            routes += usize::from(a.is_some());
        }
    }
    eprintln!("{}: the same {routes} routes {when}", topology.title());
}
