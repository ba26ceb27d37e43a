//! The BGP engine under a full Internet table: both families' prefixes with their origin systems from the files
//! `dfz-v4.txt.gz` and `dfz-v6.txt.gz` of the folder that `AZROUTE_DATA` names, paths made up. Two providers announce
//! all of it to a pair of edge routers with different policies. Every route is compared with what a few lines say it
//! must be before anything is timed. Prints a table in Markdown; what it means is in `benches/README.md`.
#![expect(clippy::print_stdout, reason = "prints a table")]
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::collections::HashMap;
use std::hint::black_box;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use allocation_counter::measure;
use azroute::bgp::{BgpChange, Engine};
use azroute::model::ResourceId;
use azroute::model::bgp::{
    AsPath, Asn, BgpDesign, BgpSession, BgpSpeaker, Communities, Community, IgpLink, Origination,
    PathAttributes, RoutingPolicy,
};
use azroute::testing::generate::Random;
use ipnet::IpNet;

/// The made-up systems above the origins: numbers for private use, so that they meet none of the real ones.
const TIER_1: (u32, u32) = (4_200_000_000, 12);
const TIER_2: (u32, u32) = (4_200_001_000, 300);
const TIER_3: (u32, u32) = (4_200_010_000, 3_000);
/// Where the origin is not known, one of a thousand.
const UNKNOWN: (u32, u32) = (4_200_100_000, 1_000);

fn main() {
    let folder = std::env::var_os("AZROUTE_DATA");
    println!(
        "| table | prefixes | groups | attribute sets | build ms | live MiB | peak MiB | design MiB | provider lost ms | back ms | one prefix µs | best route ns |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (title, file) in [("IPv4", "dfz-v4.txt.gz"), ("IPv6", "dfz-v6.txt.gz")] {
        match folder.as_ref().map(|f| Path::new(f).join(file)).filter(|path| path.exists()) {
            Some(path) => run(title, &path),
            None => println!("SKIPPED: {title}: AZROUTE_DATA names no folder with {file}"),
        }
    }
}

fn read(path: &Path) -> Vec<(IpNet, u32)> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let line = |line: &str| {
        let (prefix, origin) = line.split_once(' ').unwrap();
        (prefix.parse().unwrap(), origin.parse().unwrap())
    };
    text.lines().map(line).collect()
}

/// Always the same number for the same things.
fn pick(seed: u64, of: u32, range: (u32, u32)) -> u32 {
    range.0 + Random::new(seed << 32 | u64::from(of)).below(range.1)
}

/// The systems from a provider of tier 1 to an origin: each system has several providers, and who has the origin among
/// its customers goes straight down; else the route comes from another system of tier 1. `variant` is which of its
/// providers the origin sends an announcement to.
fn path(provider: u32, origin: u32, variant: u64) -> Vec<u32> {
    let mut best: Option<Vec<u32>> = None;
    // One of three origins is a customer of tier 2, the others of tier 3.
    let small = pick(1, origin, (0, 3)) != 0;
    for up in 0..2 {
        let mut chain = vec![origin];
        if small {
            chain.push(pick(10 + variant, origin, TIER_3));
        }
        chain.push(pick(20 + variant + up, *chain.last().unwrap(), TIER_2));
        chain.push(pick(30 + up, *chain.last().unwrap(), TIER_1));
        if chain.last() != Some(&provider) {
            chain.push(provider);
        }
        chain.reverse();
        let better = |old: &Vec<u32>| (chain.len(), &chain) < (old.len(), old);
        if best.as_ref().is_none_or(better) {
            best = Some(chain);
        }
    }
    best.unwrap()
}

/// What a provider says of a prefix, its own number left to the session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Said {
    path: Vec<u32>,
    community: (u16, u16),
}

fn says(provider: u32, prefix: &IpNet, origin: u32) -> Said {
    let seed = match prefix {
        IpNet::V4(p) => u32::from(p.network()) ^ u32::from(p.prefix_len()),
        IpNet::V6(p) => {
            let middle = u128::from(p.network()) >> 80 & u128::from(u32::MAX);
            u32::try_from(middle).unwrap() ^ u32::from(p.prefix_len())
        }
    };
    let origin = if origin == 0 { pick(2, seed, UNKNOWN) } else { origin };
    // One of four prefixes leaves its system by another provider.
    let variant = u64::from(pick(3, seed, (0, 4)) == 0);
    let path = path(TIER_1.0 + provider, origin, variant);
    let community = match provider {
        0 if !(TIER_1.0..TIER_1.0 + TIER_1.1).contains(&path[1]) => (64_900, 120),
        1 if path[1..].iter().any(|asn| asn % 4 == 0 && (TIER_2.0..TIER_3.0).contains(asn)) => (64_901, 80),
        0 => (64_900, 100),
        _ => (64_901, 100),
    };
    Said { path: path[1..].to_vec(), community }
}

const POLICY: &str = r#"
prefix_sets = [
    { name = "too-long", prefixes = [{ prefix = "0.0.0.0/0", ge = 25 }, { prefix = "::/0", ge = 49 }] },
    { name = "regional", prefixes = [
        { prefix = "41.0.0.0/8", le = 24 }, { prefix = "102.0.0.0/7", le = 24 }, { prefix = "2c00::/12", le = 48 },
    ] },
]
as_path_sets = [
    { name = "unwanted", members = ["_4200001105_", "_4200001106_"] },
    { name = "costly", members = ["_4200000003_"] },
]
community_sets = [
    { name = "customers", members = ["64900:120"] },
    { name = "far", members = ["64901:80"] },
]

[[policy_definitions]]
name = "first"
statements = [
    { conditions = { match_prefix_set = { set = "too-long" } }, actions = { policy_result = "reject_route" } },
    { conditions = { match_as_path_set = { set = "unwanted" } }, actions = { policy_result = "reject_route" } },
    { conditions = { match_community_set = { set = "customers" } }, actions = { set_local_preference = 120, policy_result = "accept_route" } },
    { actions = { policy_result = "accept_route" } },
]

[[policy_definitions]]
name = "second"
statements = [
    { conditions = { match_prefix_set = { set = "too-long" } }, actions = { policy_result = "reject_route" } },
    { conditions = { match_prefix_set = { set = "regional" } }, actions = { set_local_preference = 130, policy_result = "accept_route" } },
    { conditions = { match_community_set = { set = "far" } }, actions = { set_local_preference = 80, policy_result = "accept_route" } },
    { conditions = { match_as_path_set = { set = "costly" } }, actions = { set_local_preference = 90, policy_result = "accept_route" } },
    { actions = { policy_result = "accept_route" } },
]
"#;

/// The local preference that the policies give, said in another way.
fn preference(provider: u32, prefix: &IpNet, said: &Said) -> Option<u32> {
    let long = prefix.prefix_len() > if matches!(prefix, IpNet::V4(_)) { 24 } else { 48 };
    let regional = ["41.0.0.0/8", "102.0.0.0/7", "2c00::/12"];
    let regional = regional.iter().any(|r| r.parse::<IpNet>().unwrap().contains(prefix));
    match provider {
        _ if long => None,
        0 if said.path.iter().any(|asn| [4_200_001_105, 4_200_001_106].contains(asn)) => None,
        0 => Some(if said.community.1 == 120 { 120 } else { 100 }),
        _ if regional => Some(130),
        _ if said.community.1 == 80 => Some(80),
        _ if said.path.contains(&4_200_000_003) => Some(90),
        _ => Some(100),
    }
}

fn design(table: &[(IpNet, u32)]) -> BgpDesign {
    let mut design = BgpDesign {
        routing_policy: toml::from_str::<RoutingPolicy>(POLICY).unwrap(),
        ..BgpDesign::default()
    };
    for provider in 0..2 {
        let mut order: Vec<Origination> = Vec::new();
        let mut known: HashMap<Said, usize> = HashMap::new();
        for (prefix, origin) in table {
            let said = says(provider, prefix, *origin);
            let at = *known.entry(said).or_insert_with_key(|said| {
                let community = Community::new(said.community.0, said.community.1);
                order.push(Origination {
                    prefixes: Vec::new(),
                    attributes: PathAttributes {
                        as_path: AsPath::sequence(said.path.iter().copied().map(Asn)),
                        communities: Communities::new([community], [], []),
                        ..PathAttributes::default()
                    },
                    policies: Vec::new(),
                });
                order.len() - 1
            });
            order[at].prefixes.push(*prefix);
        }
        let id = format!("provider-{provider}");
        design.speakers.push(BgpSpeaker {
            id: id.as_str().into(),
            asn: Asn(TIER_1.0 + provider),
            originate: order,
            ..BgpSpeaker::default()
        });
        let edge = format!("edge-{provider}");
        design.speakers.push(BgpSpeaker {
            id: edge.as_str().into(),
            asn: Asn(65_010),
            ..BgpSpeaker::default()
        });
        let mut session = BgpSession::new(format!("external-{provider}"), id, edge);
        session.b.import_policies = vec![["first", "second"][provider as usize].to_owned()];
        design.sessions.push(session);
    }
    let mut inside = BgpSession::new("inside", "edge-0", "edge-1");
    inside.a.next_hop_self = true;
    inside.b.next_hop_self = true;
    design.sessions.push(inside);
    design.links.push(IgpLink { id: "link".into(), a: "edge-0".into(), b: "edge-1".into(), cost: 1 });
    design
}

/// Compares the best route of every prefix at both edges with the rules: preference, length, then one's own provider.
fn check(engine: &Engine, table: &[(IpNet, u32)]) {
    let mut held = [0, 0];
    for (prefix, origin) in table {
        let said = [0, 1].map(|provider| says(provider, prefix, *origin));
        let rank = |provider: u32| {
            let said = &said[provider as usize];
            preference(provider, prefix, said).map(|p| (std::cmp::Reverse(p), said.path.len()))
        };
        for edge in 0..2 {
            let expected = match (rank(edge), rank(1 - edge)) {
                (Some(own), Some(other)) => Some(if other < own { 1 - edge } else { edge }),
                (Some(_), None) => Some(edge),
                (None, Some(_)) => Some(1 - edge),
                (None, None) => None,
            };
            let found = engine.best(&format!("edge-{edge}").into(), prefix);
            let found = found.map(|route| route.attributes.as_path.asns().map(|a| a.0).collect::<Vec<_>>());
            let expected = expected.map(|provider: u32| {
                let mut path = vec![TIER_1.0 + provider];
                path.extend(&said[provider as usize].path);
                path
            });
            assert_eq!(found, expected, "{prefix} at edge {edge}");
            held[edge as usize] += usize::from(found.is_some());
        }
    }
    eprintln!("{held:?} routes at the edges are as the rules say");
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

fn median(mut samples: Vec<Duration>) -> f64 {
    samples.sort();
    samples[samples.len() / 2].as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn mib(bytes: i64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn run(title: &str, path: &Path) {
    let table = read(path);
    let mut made = None;
    let of_design = measure(|| made = Some(design(&table)));
    let design = made.unwrap();
    let mut built = None;
    let of_engine = measure(|| built = Some(Engine::build(&design).unwrap()));
    let mut engine = built.unwrap();
    check(&engine, &table);
    let statistics = engine.statistics();
    let builds = (0..3).map(|_| timed(|| Engine::build(&design).unwrap()).0).collect();

    let (mut lost, mut back) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        lost.push(timed(|| engine.apply(&[BgpChange::SessionDown("external-0".into())]).unwrap()).0);
        back.push(timed(|| engine.apply(&[BgpChange::SessionUp("external-0".into())]).unwrap()).0);
    }
    let provider = ResourceId::new("provider-0");
    let mut one = Vec::new();
    for (prefix, origin) in table.iter().step_by(table.len() / 100) {
        let said = says(0, prefix, *origin);
        let again = Origination {
            prefixes: vec![*prefix],
            attributes: PathAttributes {
                as_path: AsPath::sequence(said.path.into_iter().map(Asn)),
                communities: Communities::new([Community::new(said.community.0, said.community.1)], [], []),
                ..PathAttributes::default()
            },
            policies: Vec::new(),
        };
        let changes = [
            BgpChange::Withdraw(provider.clone(), vec![*prefix]),
            BgpChange::Announce(provider.clone(), again),
        ];
        for change in changes {
            one.push(timed(|| engine.apply(&[change]).unwrap()).0);
        }
    }
    check(&engine, &table);

    let edge = ResourceId::new("edge-1");
    let mut asked: Vec<IpNet> = (0..1_usize << 16).map(|i| table[i * 104_729 % table.len()].0).collect();
    asked.dedup();
    let questions = || asked.iter().filter(|prefix| black_box(engine.best(&edge, prefix)).is_some()).count();
    let asking = median((0..5).map(|_| timed(questions).0).collect());
    println!(
        "| {title} | {} | {} | {} | {:.0} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0} |",
        statistics.prefixes,
        statistics.groups,
        statistics.attribute_sets,
        median(builds) * 1e3,
        mib(of_engine.bytes_current),
        mib(i64::try_from(of_engine.bytes_max).unwrap()),
        mib(of_design.bytes_current),
        median(lost) * 1e3,
        median(back) * 1e3,
        median(one) * 1e6,
        asking / f64::from(u32::try_from(asked.len()).unwrap()) * 1e9,
    );
}
