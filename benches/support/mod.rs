//! What the benches share: networks of a size, questions about them, and the check that the answers are right.

use std::net::IpAddr;

use azroute::Network;
use azroute::model::{Document, ResourceId, RouteSource, RouteState};
use azroute::resolve::NextHop;
use azroute::testing::generate::{self, HubAndSpoke, Random};
use azroute::testing::{oracle, strategies};

/// Virtual networks, hubs included, and routes learned over ExpressRoute.
pub(crate) const SIZES: [(usize, usize); 6] =
    [(10, 0), (10, 9_500), (100, 0), (100, 9_500), (1_000, 0), (1_000, 9_500)];

/// A hub-and-spoke network of this many virtual networks, with four subnets a spoke and a host in each.
pub(crate) fn hub_and_spoke(vnets: usize, learned_routes: usize) -> Document {
    // Each 500 spokes have a hub.
    let mut design = HubAndSpoke { spokes: vnets, learned_routes, ..HubAndSpoke::default() };
    while design.spokes + design.hubs() > vnets {
        design.spokes -= 1;
    }
    let document = generate::hub_and_spoke(&design).expect("a legal size");
    assert_eq!(document.virtual_networks.len(), vnets);
    document
}

/// One question: the source by name, the source by address, and where to.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) subnet: ResourceId,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
}

/// How many spokes hold this many active routes from their gateway in every subnet.
#[allow(dead_code, reason = "one bench asks")]
pub(crate) fn spokes_with(network: &Network, learned: usize) -> usize {
    let networks = &network.topology().document().virtual_networks;
    let spokes = networks.iter().filter(|v| v.id.name().starts_with("spoke"));
    let holds = |subnet: &ResourceId| {
        let rows = network.effective_routes(subnet).expect("a known subnet").rows();
        let of_gateway = rows.iter().filter(|row| {
            row.source == RouteSource::VirtualNetworkGateway && row.state == RouteState::Active
        });
        of_gateway.count() == learned
    };
    spokes.filter(|v| v.subnets.iter().all(|s| holds(&v.subnet_id(&s.name)))).count()
}

pub(crate) const QUESTIONS: usize = 1 << 16;

/// 65,536 questions from the spokes' hosts: three of four to what the network declares, the rest anywhere.
pub(crate) fn questions(document: &Document) -> Vec<Question> {
    let hosts: Vec<(ResourceId, IpAddr)> = document
        .network_interfaces
        .iter()
        .flat_map(|nic| &nic.ip_configurations)
        .filter_map(|c| Some((c.subnet.clone(), c.private_ip_address?)))
        .collect();
    let bound = u32::try_from(hosts.len()).expect("few hosts");
    let mut random = Random::new(11);
    generate::addresses(document, QUESTIONS, 5)
        .into_iter()
        .map(|destination| {
            let (subnet, source) = hosts[random.below(bound) as usize].clone();
            Question { subnet, source, destination }
        })
        .collect()
}

/// The next hops of two subnets to some addresses, by name and by address, against a scan over the oracle's rows.
/// Panics where they differ; gives the number of answers compared.
pub(crate) fn check(document: &Document, network: &Network, questions: &[Question]) -> usize {
    let edges = strategies::probe_addresses(document);
    let edges = edges.iter().step_by(edges.len().div_ceil(512).max(1)).copied();
    let stream = questions.iter().step_by(questions.len().div_ceil(512).max(1)).map(|q| q.destination);
    let probes: Vec<IpAddr> =
        edges.chain(stream).filter(|ip| ip.is_ipv4() && !oracle::is_platform_host(*ip)).collect();
    let mut compared = 0;
    for question in questions.iter().step_by(questions.len() / 2) {
        let mut rows = oracle::effective_rows(document, &question.subnet).expect("a known subnet");
        rows.retain(|row| row.state == RouteState::Active);
        for probe in &probes {
            let expected =
                rows.iter().filter(|r| r.prefix.contains(probe)).max_by_key(|r| r.prefix.prefix_len());
            let by_name = network.next_hop(&question.subnet, *probe).expect("a known source");
            let by_address = network.next_hop(question.source, *probe).expect("a known source");
            for computed in [by_name, by_address] {
                let NextHop::Route(matched) = computed else { panic!("{probe} is beside the tables") };
                assert_eq!(Some(&matched.route), expected, "{} to {probe}", question.subnet);
                compared += 1;
            }
        }
    }
    compared
}
