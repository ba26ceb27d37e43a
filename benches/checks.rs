//! What exact answers about a design cost: a check of all spokes, a reachability matrix, a difference, every single failure,
//! on a hub and spoke of 1,000 virtual networks with two circuits and 10,000 learned routes. Each figure is of the first time,
//! on a network that nobody asked before, and of a second time.
#![expect(clippy::print_stdout, reason = "prints tables")]
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::ops::ControlFlow;
use std::time::Instant;

use azroute::Network;
use azroute::checks::{Destinations, Expectation, Sweep, check, diff, matrix, position};
use azroute::model::{Change, Document, ResourceId, Topology};
use azroute::resolve::Position;
use azroute::testing::generate::{self, HubAndSpoke};

fn design() -> Document {
    let size = HubAndSpoke {
        spokes: 999,
        subnets_per_spoke: 1,
        hosts_per_subnet: 0,
        circuits: 2,
        learned_routes: 10_000,
        vpn_sites: 0,
        limits: azroute::model::Limits::LintOnly,
        ..HubAndSpoke::default()
    };
    generate::hub_and_spoke(&size).unwrap()
}

fn spokes(network: &Network) -> Vec<Position> {
    let of_spoke = |p: &Position| network.position_id(*p).unwrap().as_str().contains("/spoke-");
    network.positions().subnets().filter(of_spoke).collect()
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    println!("{what:60} {:9.2} ms", start.elapsed().as_secs_f64() * 1e3);
    done
}

fn main() {
    let document = design();
    let topology = Topology::new(document.clone()).unwrap();
    let network = timed("build", || Network::build(&topology).unwrap());
    timed("classes", || network.classes().unwrap().len());
    let sources = spokes(&network);
    assert_eq!(sources.len(), 999);
    let rows = network.effective_routes(network.position_id(sources[0]).unwrap()).unwrap();
    let learned =
        rows.candidates().iter().filter(|c| c.source == azroute::model::RouteSource::VirtualNetworkGateway);
    assert!(learned.count() >= 10_000);
    drop(rows);
    println!("{} positions, {} classes", network.positions().count(), network.classes().unwrap().len());

    let firewall: ResourceId = document.azure_firewalls[0].id.clone();
    let by_firewall = check(&network).flows(sources.iter().copied(), Destinations::internet());
    let by_firewall = by_firewall.traverse(position(firewall)).check().clone();
    for time in ["first", "second"] {
        let report = timed(&format!("all spokes to the Internet only by the firewall, {time}"), || {
            by_firewall.run(&network).unwrap()
        });
        assert!(report.holds() && report.looked_at >= 999);
    }
    let reached = check(&network).flows(sources.iter().copied(), Destinations::position("datacentre"));
    let reached = reached.reach().check().clone();
    for time in ["first", "second"] {
        let report =
            timed(&format!("all spokes reach the datacentre, {time}"), || reached.run(&network).unwrap());
        assert!(report.holds());
    }
    for time in ["first", "second"] {
        let found = timed(&format!("matrix of 999 x 999, {time}"), || {
            matrix(&network, sources.iter().copied(), sources.iter().copied()).unwrap()
        });
        assert_eq!(found.unreached().count(), 0);
    }
    let (paths, bytes) = network.path_statistics();
    println!("{paths} paths, {:.1} MiB of cells and paths", bytes as f64 / f64::from(1 << 20));

    let mut own = document.route_tables[0].clone();
    own.id = "own".into();
    own.routes[0].next_hop_type = azroute::model::RouteNextHopType::Internet;
    own.routes[0].next_hop_ip_addresses.clear();
    let subnet = network.position_id(sources[5]).unwrap().clone();
    let bound = Change::BindRouteTable { subnet, route_table: Some(own.id.clone()) };
    let changes = [Change::Upsert(Box::new(own.into())), bound];
    let after = timed("the network after one user route", || network.apply(&changes).unwrap());
    for time in ["first", "second"] {
        let found =
            timed(&format!("difference by one user route, {time}"), || diff(&network, &after).unwrap());
        assert!(!found.is_empty() && found.changes.iter().all(|change| change.sources.len() == 1));
    }

    let never = check(&network).flows(sources.iter().copied(), Destinations::position("datacentre"));
    let never = never.expect(Expectation::NeverByInternet).check().clone();
    let checks = [by_firewall, never];
    let elements = network.elements().len();
    let survey = timed(&format!("{elements} single failures, two checks each"), || {
        Sweep::default().run(&network, &checks, |_| ControlFlow::Continue(())).unwrap()
    });
    assert!(survey.complete && survey.scenarios == elements);
    println!("{} breaks", survey.breaks.len());
}
