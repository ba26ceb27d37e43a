//! The bodies of the fuzz targets: plain functions of bytes, so that a fuzzer can drive them and an ordinary test can
//! replay what it found.
//!
//! A body that returns has found nothing. It panics where a promise is broken: input that makes the library panic, or
//! an answer that differs when the same question is put again.
//!
//! ```
//! use azroute::testing::fuzz;
//! for (_, target) in fuzz::TARGETS {
//!     target(b"[{\"id\": ");
//! }
//! ```

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::strategies;
use crate::Network;
use crate::bgp::Settings;
use crate::bgp::policy::{Chain, Context, Policies};
use crate::import::{ImportLimits, Importer, effective_routes as dumps};
use crate::model::bgp::{Asn, DefaultPolicy, PathAttributes, RouteType, RoutingPolicy, SourceProtocol};
use crate::model::{Document, ResourceId, Topology};

/// A fuzz target: any bytes, no answer.
pub type Target = fn(&[u8]);

/// Every target by name; the name is also that of its folder of inputs.
pub const TARGETS: &[(&str, Target)] = &[
    ("import_any", import_any),
    ("import_template", import_template),
    ("effective_routes", effective_routes),
    ("service_tags", service_tags),
    ("document", document),
    ("routing_policy", routing_policy),
    ("resolve_structured", resolve_structured),
    ("fib", fib),
    #[cfg(feature = "mrt")]
    ("mrt", mrt),
];

/// More input is not looked at: what is found in large input is found in small input, and sooner.
const MAX_BYTES: usize = 64 << 10;
const MAX_RESOURCES: usize = 1_000;
const MAX_SOURCES: usize = 12;
const MAX_PROBES: usize = 24;

/// Any bytes as one input of an importer, and as the second of two equal ones.
pub fn import_any(bytes: &[u8]) {
    if bytes.len() > MAX_BYTES {
        return;
    }
    let limits = ImportLimits { max_resources: MAX_RESOURCES, ..ImportLimits::default() };
    let mut importer = Importer::with_limits(limits);
    let first = importer.add("first", bytes);
    let second = importer.add("second", bytes);
    if let (Ok(first), Ok(second)) = (&first, &second) {
        assert_eq!(first, second, "the same input was read in two ways");
    }
    match importer.finish() {
        Ok((topology, report)) => {
            let _ = format!("{report:?}");
            ask(&topology);
        }
        Err(error) => drop(error.to_string()),
    }
}

/// Bytes as the resources of an ARM template.
pub fn import_template(bytes: &[u8]) {
    const HEAD: &[u8] = br#"{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0", "resources": ["#;
    import_any(&[HEAD, bytes, b"]}"].concat());
}

/// Any bytes as a dump of effective routes.
pub fn effective_routes(bytes: &[u8]) {
    if bytes.len() > MAX_BYTES {
        return;
    }
    match dumps::parse("dump", bytes) {
        Ok(observed) => {
            for (_, rows) in observed.effective() {
                let comparison = crate::analysis::compare(rows, rows);
                assert!(comparison.is_equal(), "a table differs from itself:\n{comparison}");
            }
        }
        Err(error) => drop(error.to_string()),
    }
}

/// Bytes as the values of a service tag download.
pub fn service_tags(bytes: &[u8]) {
    import_any(&[br#"{"changeNumber": 1, "cloud": "Public", "values": ["#, bytes, b"]}"].concat());
}

/// Any bytes as a document: checked, built, asked.
pub fn document(bytes: &[u8]) {
    if bytes.len() > MAX_BYTES {
        return;
    }
    let Ok(document) = serde_json::from_slice::<Document>(bytes) else { return };
    if document.len() > MAX_RESOURCES {
        return;
    }
    let text = serde_json::to_vec(&document).unwrap_or_default();
    let again = serde_json::from_slice::<Document>(&text).ok();
    assert_eq!(Some(&document), again.as_ref(), "a document does not survive being written and read");
    match Topology::new(document) {
        Ok(topology) => ask(&topology),
        Err(error) => drop(error.to_string()),
    }
}

/// Any bytes as a routing policy: compiled, and run on routes that it is about.
pub fn routing_policy(bytes: &[u8]) {
    if bytes.len() > MAX_BYTES {
        return;
    }
    let Ok(declared) = serde_json::from_slice::<RoutingPolicy>(bytes) else { return };
    let text = serde_json::to_vec(&declared).unwrap_or_default();
    let again = serde_json::from_slice::<RoutingPolicy>(&text).ok();
    assert_eq!(Some(&declared), again.as_ref(), "a policy does not survive being written and read");
    let policies = match Policies::compile(&declared) {
        Ok(policies) => policies,
        Err(error) => return drop(error.to_string()),
    };
    let names: Vec<String> = declared.policy_definitions.iter().map(|policy| policy.name.clone()).collect();
    let first: Vec<String> = names.iter().take(1).cloned().collect();
    let some: Vec<String> = names.into_iter().take(MAX_SOURCES).chain(["nowhere".to_owned()]).collect();
    for (names, default) in [(&first, DefaultPolicy::AcceptRoute), (&some, DefaultPolicy::RejectRoute)] {
        // The second is refused where names must exist.
        let Ok(chain) = policies.chain(names, default) else { continue };
        run_chain(&policies, &chain, &declared);
    }
}

/// Runs a chain on routes with and without attributes, for prefixes that sets name and for others.
fn run_chain(policies: &Policies, chain: &Chain, declared: &RoutingPolicy) {
    let settings = Settings::default();
    let member = declared.prefix_sets.iter().flat_map(|set| &set.prefixes).map(|range| range.prefix);
    let edges = [IpNet::V4(ipnet::Ipv4Net::default()), IpNet::V6(ipnet::Ipv6Net::default())];
    let full = r#"{"origin": "egp", "as_path": "65001 65002 {9 19} (65010) [65011] 64512", "next_hop": "192.0.2.1",
        "med": 5, "local_preference": 100, "communities": ["65000:1", "no-export"],
        "extended_communities": ["rt:65000:1"], "large_communities": ["64500:1:1"]}"#;
    let full = serde_json::from_str(full).unwrap_or_default();
    for attributes in [PathAttributes::default(), full] {
        for prefix in member.clone().take(4).chain(edges) {
            let context = Context {
                prefix: &prefix,
                neighbor: attributes.next_hop,
                own_address: attributes.next_hop,
                own_asn: Asn(65001),
                peer_asn: Some(Asn(65002)),
                route_type: RouteType::External,
                source_protocol: SourceProtocol::Bgp,
                igp_cost: attributes.med,
                export: attributes.med.is_some(),
                settings: &settings,
            };
            let (mut plain, mut traced) = (attributes.clone(), attributes.clone());
            let outcome = policies.evaluate(chain, &context, &mut plain);
            let (again, traces) = policies.trace(chain, &context, &mut traced);
            assert_eq!(outcome, again, "looking on changes the outcome");
            assert!(!outcome.accepted || plain == traced, "looking on changes the route");
            if chain.is_transparent() {
                assert!(outcome.accepted && plain == attributes, "a transparent chain changes a route");
            }
            assert!(!(chain.rejects_all() && outcome.accepted), "what rejects all accepts a route");
            for trace in traces.iter().take(MAX_RESOURCES) {
                drop(trace.to_string());
            }
            let mut ids = Vec::new();
            policies.treatment(&prefix, &mut ids);
            assert!(ids.is_sorted_by(|a, b| a < b), "a treatment does not ascend");
        }
    }
}

/// Bytes as the seed of a strategy: a legal design, and what-ifs on it. Only the first 32 count; they are not the
/// choices themselves, since a strategy that draws until something fits would never end on a run of zeros.
pub fn resolve_structured(bytes: &[u8]) {
    let mut seed = [0; 32];
    for (to, from) in seed.iter_mut().zip(bytes) {
        *to = *from;
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let Ok(drawn) = strategies::any_topology().new_tree(&mut runner) else { return };
    let document = drawn.current();
    let changes = strategies::changes(&document).new_tree(&mut runner).map(|tree| tree.current());
    let Ok(topology) = Topology::new(document) else { return };
    ask(&topology);
    let (Ok(network), Ok(changes)) = (Network::build(&topology), changes) else { return };
    if let Ok(changed) = network.apply(&changes) {
        ask(changed.topology());
    }
}

/// Bytes as routes, 18 each: family and handle, length, address. Every layout is asked at the edges of each route and
/// compared with a linear scan; so is a table that took the routes one after the other.
pub fn fib(bytes: &[u8]) {
    use crate::fib::{Fib, Rib, Shape};
    const MAX_ROUTES: usize = 64;
    let mut routes: Vec<(IpNet, u32)> = Vec::new();
    for route in bytes.as_chunks::<18>().0.iter().take(MAX_ROUTES) {
        let [kind, length, address @ ..] = *route;
        let wide = u128::from_be_bytes(address);
        let net = if kind & 1 == 0 {
            let narrow = u32::try_from(wide >> 96).unwrap_or_default();
            IpNet::new(IpAddr::V4(narrow.into()), length % 33)
        } else {
            IpNet::new(IpAddr::V6(wide.into()), length % 129)
        };
        let Ok(net) = net else { continue };
        routes.push((net, u32::from(kind >> 1)));
    }
    let mut rib = Rib::new();
    for (net, handle) in &routes {
        assert_eq!(rib.update([(*net, Some(*handle))]), Ok(()), "a route is refused");
    }
    routes.sort_by_key(|(net, _)| net.trunc());
    let ends = |(net, _): &(IpNet, u32)| [net.network(), net.addr(), net.broadcast()];
    let addresses: Vec<IpAddr> = routes.iter().flat_map(ends).collect();
    for shape in [Shape::Fit, Shape::Large, Shape::Small, Shape::Exact] {
        // Three megabytes for each input are too many for most of them.
        if shape == Shape::Large && !bytes.len().is_multiple_of(8) {
            continue;
        }
        for keep in [true, false] {
            let Ok(fib) = Fib::compile(routes.iter().copied(), keep, shape) else {
                unreachable!("sorted routes with small handles are refused")
            };
            let mut batch = vec![0; addresses.len()];
            fib.longest_match_many(&addresses, &mut batch);
            for (address, found) in addresses.iter().zip(batch) {
                let holding = routes.iter().filter(|(net, _)| net.contains(address));
                let longest = holding.max_by_key(|(net, _)| net.prefix_len()).map(|(_, handle)| *handle);
                assert_eq!(fib.longest_match(*address), longest, "{address} in {shape:?}");
                assert_eq!(found, longest.unwrap_or(Fib::NONE), "{address} in a batch in {shape:?}");
            }
        }
    }
    for address in &addresses {
        let last =
            routes.iter().filter(|(net, _)| net.contains(address)).map(|(net, _)| net.prefix_len()).max();
        assert_eq!(
            rib.longest_match(*address).is_some(),
            last.is_some(),
            "{address} in a table that changed"
        );
    }
}

/// Any bytes as an MRT dump: as tables twice, as events, and what comes of it written as a document would.
#[cfg(feature = "mrt")]
pub fn mrt(bytes: &[u8]) {
    use crate::import::mrt::{self, MrtChange, MrtOptions};
    use crate::model::bgp::Origination;
    if bytes.len() > MAX_BYTES {
        return;
    }
    let options = MrtOptions { max_routes: 10_000, ..MrtOptions::default() };
    let tables = mrt::read(bytes, &options);
    assert_eq!(tables, mrt::read(bytes, &options), "the same dump was read in two ways");
    let Ok(tables) = tables else {
        drop(tables.map_err(|error| error.to_string()));
        return;
    };
    let Ok(mut events) = mrt::events(bytes, &options) else { unreachable!("tables were read") };
    let mut counts = (0, 0);
    for event in events.by_ref() {
        match event.map(|event| event.change) {
            Ok(MrtChange::Announce { .. }) => counts.0 += 1,
            Ok(MrtChange::Withdraw { .. }) => counts.1 += 1,
            Ok(MrtChange::State { .. }) => {}
            Err(error) => unreachable!("tables were read, events were not: {error}"),
        }
    }
    assert_eq!(counts, (tables.report.announced, tables.report.withdrawn), "events are missing");
    assert_eq!(events.report(), &tables.report, "reports differ");
    for peer in &tables.peers {
        for origination in &peer.originations {
            assert!(origination.prefixes.is_sorted_by(|a, b| a < b), "prefixes are not sorted");
        }
        let text = serde_json::to_vec(&peer.originations).unwrap_or_default();
        let again = serde_json::from_slice::<Vec<Origination>>(&text).ok();
        assert_eq!(Some(&peer.originations), again.as_ref(), "routes do not survive being written and read");
    }
}

/// Puts questions of every kind, each twice.
fn ask(topology: &Topology) {
    let Ok(network) = Network::build(topology) else { return };
    let Ok(again) = Network::build(topology) else { return };
    assert_eq!(network.findings(), again.findings(), "findings differ");
    let document = topology.document();
    let subnets: Vec<ResourceId> = document
        .virtual_networks
        .iter()
        .flat_map(|vnet| vnet.subnets.iter().map(|subnet| vnet.subnet_id(&subnet.name)))
        .take(MAX_SOURCES)
        .collect();
    let interfaces = document.network_interfaces.iter().map(|nic| nic.id.clone()).take(MAX_SOURCES / 2);
    let sites = document.on_premises_sites.iter().map(|site| site.id.clone()).take(MAX_SOURCES / 2);
    for subnet in &subnets {
        let rows = network.effective_routes(subnet);
        assert_eq!(rows, again.effective_routes(subnet), "rows of {subnet} differ");
        drop(rows.map(|rows| rows.rows()));
    }
    let probes = probes(document);
    for source in subnets.iter().cloned().chain(interfaces).chain(sites) {
        for probe in &probes {
            let answer = network.resolve(&source, *probe);
            assert_eq!(answer, again.resolve(&source, *probe), "answers from {source} to {probe} differ");
            match answer {
                Ok(answer) => drop(answer.to_string()),
                Err(error) => drop(error.to_string()),
            }
            drop(network.explain(&source, *probe).map(|reasons| reasons.to_string()));
            drop(network.resolve_pair(&source, *probe));
        }
    }
    for probe in &probes {
        drop(network.resolve(*probe, *probe).map_err(|error| error.to_string()));
    }
}

/// Some of the addresses at which an answer may change, spread over all of them.
fn probes(document: &Document) -> Vec<IpAddr> {
    let all = strategies::probe_addresses(document);
    let step = all.len().div_ceil(MAX_PROBES).max(1);
    all.into_iter().step_by(step).collect()
}
