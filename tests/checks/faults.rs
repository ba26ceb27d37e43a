//! A correct design, and the same with one thing wrong: every fault is found where it is, and nothing is found without one.

use std::net::IpAddr;

use azroute::Network;
use azroute::checks::{Check, Destinations, Expectation, check, circuit, position};
use azroute::model::{
    AddressPrefix, Document, ResourceId, RouteNextHopType, Topology, UserDefinedRoute, VirtualNetworkPeering,
};
use azroute::testing::generate::{self, HubAndSpoke};
use ipnet::IpNet;

pub(crate) fn design() -> Document {
    let size = HubAndSpoke {
        spokes: 3,
        subnets_per_spoke: 1,
        circuits: 2,
        learned_routes: 3,
        vpn_sites: 0,
        ..HubAndSpoke::default()
    };
    generate::hub_and_spoke(&size).unwrap()
}

fn named<'d>(ids: impl Iterator<Item = &'d ResourceId>, name: &str) -> ResourceId {
    ids.into_iter().find(|id| id.name() == name).unwrap().clone()
}

/// What the design is for.
fn promises(document: &Document) -> Vec<(&'static str, Check)> {
    let net = Network::build(&Topology::new(document.clone()).unwrap()).unwrap();
    let spokes: Vec<_> = (0..3)
        .flat_map(|n| {
            let id = named(document.virtual_networks.iter().map(|v| &v.id), &format!("spoke-{n}"));
            net.positions().in_virtual_network(id)
        })
        .collect();
    let networks = document.virtual_networks.iter().filter(|v| v.id.name().starts_with("spoke"));
    let firewall = named(document.azure_firewalls.iter().map(|f| &f.id), "firewall-0");
    let first = named(document.express_route_circuits.iter().map(|c| &c.id), "circuit-0");
    let prefixes: Vec<IpNet> = networks.flat_map(|v| v.address_space.iter().copied()).collect();
    let flows = |to: &Destinations| check(&net).flows(spokes.iter().copied(), to.clone());
    let internet = Destinations::internet();
    let datacentre = Destinations::position("datacentre");
    let to_spokes = Destinations::prefixes(prefixes);
    let from_site = check(&net).flows(net.positions().named(["datacentre"]), to_spokes.clone());
    vec![
        ("internet by firewall", flows(&internet).traverse(position(firewall.clone()))),
        ("internet reached", flows(&internet).reach()),
        ("datacentre reached", flows(&datacentre).reach()),
        ("datacentre found", flows(&datacentre).traverse("datacentre")),
        ("datacentre not lost", flows(&datacentre).expect(Expectation::NoBlackHole)),
        ("datacentre not by firewall", flows(&datacentre).avoid(position(firewall.clone()))),
        ("datacentre not by circuit 0", flows(&datacentre).avoid(circuit(first))),
        ("datacentre not by the Internet", flows(&datacentre).expect(Expectation::NeverByInternet)),
        ("spokes reach each other", flows(&to_spokes).reach()),
        ("spokes never by the Internet", flows(&to_spokes).expect(Expectation::ForcedTunnel)),
        ("hops between spokes", flows(&to_spokes).expect(Expectation::AtMostHops(3))),
        ("spokes reached", from_site.reach()),
    ]
    .into_iter()
    .map(|(name, expected)| (name, expected.check().clone()))
    .collect()
}

fn route(name: &str, prefix: &str, next_hop_type: RouteNextHopType, next_hop: &[&str]) -> UserDefinedRoute {
    UserDefinedRoute {
        name: name.to_owned(),
        address_prefix: AddressPrefix::Cidr(prefix.parse().unwrap()),
        next_hop_type,
        next_hop_ip_addresses: next_hop.iter().map(|ip| ip.parse::<IpAddr>().unwrap()).collect(),
    }
}

fn half<'d>(document: &'d mut Document, of: &str, towards: &str) -> &'d mut VirtualNetworkPeering {
    let network = document.virtual_networks.iter_mut().find(|v| v.id.name() == of).unwrap();
    network.peerings.iter_mut().find(|p| p.name == towards).unwrap()
}

/// What is broken by a fault: the promise, from the hosts of which spokes (or everybody), to exactly which prefixes (or
/// some).
struct Found {
    promise: &'static str,
    spoke: Option<&'static str>,
    prefixes: Option<Vec<IpNet>>,
}

fn found(promise: &'static str) -> Found {
    Found { promise, spoke: None, prefixes: None }
}

type Fault = (&'static str, Box<dyn Fn(&mut Document)>, Found);

fn faults() -> Vec<Fault> {
    use RouteNextHopType::{Internet, VirtualAppliance, VirtualNetworkGateway};
    let nothing = RouteNextHopType::None;
    let intact = design();
    let learned =
        intact.on_premises_sites.iter().find(|s| s.id == "datacentre".into()).unwrap().prefixes.clone();
    let spoke = |n: usize| intact.virtual_networks[n + 1].address_space[0];
    let prefix = learned[0];
    let part = IpNet::new(prefix.network(), 26).unwrap();
    let text = part.to_string();
    let one = |prefix: IpNet| Some(vec![prefix]);
    let eight: IpNet = "8.8.8.8/32".parse().unwrap();
    let add = |route: UserDefinedRoute| move |d: &mut Document| d.route_tables[0].routes.push(route.clone());
    let default =
        |change: fn(&mut UserDefinedRoute)| move |d: &mut Document| change(&mut d.route_tables[0].routes[0]);
    vec![
        (
            "the default route is dropped",
            Box::new(|d: &mut Document| d.route_tables[0].routes.clear()),
            found("internet by firewall"),
        ),
        (
            "the default route leads to the Internet",
            Box::new(default(|r| {
                r.next_hop_type = RouteNextHopType::Internet;
                r.next_hop_ip_addresses.clear();
            })),
            found("internet by firewall"),
        ),
        (
            "the default route leads nowhere",
            Box::new(default(|r| {
                r.next_hop_type = RouteNextHopType::None;
                r.next_hop_ip_addresses.clear();
            })),
            found("internet reached"),
        ),
        (
            "the default route leads to an address that nobody has",
            Box::new(default(|r| r.next_hop_ip_addresses = vec!["10.0.0.99".parse().unwrap()])),
            found("internet reached"),
        ),
        (
            "one subnet has no table",
            Box::new(|d: &mut Document| d.virtual_networks[2].subnets[0].route_table = None),
            Found { spoke: Some("spoke-1"), ..found("internet by firewall") },
        ),
        (
            "one address goes past the firewall",
            Box::new(add(route("past", "8.8.8.8/32", Internet, &[]))),
            Found { prefixes: one(eight), ..found("internet by firewall") },
        ),
        (
            "half of the Internet goes past the firewall",
            Box::new(add(route("half", "0.0.0.0/1", Internet, &[]))),
            found("internet by firewall"),
        ),
        (
            "a part of the datacentre goes nowhere",
            Box::new(add(route("hole", &text, nothing, &[]))),
            Found { prefixes: one(part), ..found("datacentre reached") },
        ),
        (
            "a part of the datacentre goes to nobody",
            Box::new(add(route("dead", &text, VirtualAppliance, &["10.0.1.77"]))),
            Found { prefixes: one(part), ..found("datacentre not lost") },
        ),
        (
            "a part of the datacentre goes by the firewall",
            Box::new(add(route("around", &text, VirtualAppliance, &["10.0.0.68"]))),
            Found { prefixes: one(part), ..found("datacentre not by firewall") },
        ),
        (
            "a part of the datacentre goes to the Internet",
            Box::new(add(route("out", &text, Internet, &[]))),
            Found { prefixes: one(part), ..found("datacentre not by the Internet") },
        ),
        (
            "a spoke is sent to the gateway",
            Box::new(add(route("wrong", &spoke(1).to_string(), VirtualNetworkGateway, &[]))),
            Found { prefixes: one(spoke(1)), ..found("spokes reach each other") },
        ),
        (
            "routes of the gateway are not propagated",
            Box::new(|d: &mut Document| d.route_tables[0].disable_bgp_route_propagation = true),
            found("datacentre not by firewall"),
        ),
        (
            "a spoke's half lets nothing pass",
            Box::new(|d: &mut Document| half(d, "spoke-0", "hub").allow_virtual_network_access = false),
            Found { spoke: Some("spoke-0"), ..found("internet reached") },
        ),
        (
            "the hub's half lets nothing pass",
            Box::new(|d: &mut Document| half(d, "hub-0", "spoke-0").allow_virtual_network_access = false),
            found("spokes reach each other"),
        ),
        (
            "a spoke lets no forwarded traffic in",
            Box::new(|d: &mut Document| half(d, "spoke-1", "hub").allow_forwarded_traffic = false),
            Found { prefixes: one(spoke(1)), ..found("spokes reach each other") },
        ),
        (
            "a spoke does not use the hub's gateways",
            Box::new(|d: &mut Document| half(d, "spoke-2", "hub").use_remote_gateways = false),
            Found { spoke: Some("spoke-2"), ..found("datacentre not by firewall") },
        ),
        (
            "the hub gives a spoke no transit",
            Box::new(|d: &mut Document| half(d, "hub-0", "spoke-0").allow_gateway_transit = false),
            Found { spoke: Some("spoke-0"), ..found("datacentre not by firewall") },
        ),
        (
            "the hub's half of a peering is gone",
            Box::new(|d: &mut Document| d.virtual_networks[0].peerings.retain(|p| p.name != "spoke-0")),
            Found { spoke: Some("spoke-0"), ..found("internet reached") },
        ),
        (
            "two spokes are peered",
            Box::new(|d: &mut Document| {
                let ids: Vec<ResourceId> = d.virtual_networks.iter().map(|v| v.id.clone()).collect();
                for (at, to) in [(1, 2), (2, 1)] {
                    let mut half = d.virtual_networks[at].peerings[0].clone();
                    half.name = ids[to].name().to_owned();
                    half.remote_virtual_network = ids[to].clone();
                    half.use_remote_gateways = false;
                    d.virtual_networks[at].peerings.push(half);
                }
            }),
            found("between spokes by firewall"),
        ),
        (
            "a prefix is withdrawn",
            Box::new(move |d: &mut Document| {
                let sites = d.on_premises_sites.iter_mut();
                sites.flat_map(|s| &mut s.advertisements).for_each(|a| a.prefixes.retain(|p| *p != prefix));
            }),
            Found { prefixes: one(prefix), ..found("datacentre found") },
        ),
        (
            "the better circuit is prepended",
            Box::new(|d: &mut Document| {
                let sites = d.on_premises_sites.iter_mut();
                for advertisement in sites.flat_map(|s| &mut s.advertisements) {
                    if advertisement.over.name() == "circuit-1" {
                        let first = advertisement.as_path[0];
                        advertisement.as_path.splice(0..0, [first; 4]);
                    }
                }
            }),
            found("datacentre not by circuit 0"),
        ),
        (
            "both connections are down",
            Box::new(|d: &mut Document| d.connections.iter_mut().for_each(|c| c.connected = false)),
            found("datacentre found"),
        ),
    ]
}

/// Packets from one spoke to another pass the firewall; a spoke's own do not.
fn between_spokes(document: &Document, name: &str) -> Check {
    let net = Network::build(&Topology::new(document.clone()).unwrap()).unwrap();
    let of = |n: usize| document.virtual_networks[n].id.clone();
    let firewall = document.azure_firewalls[0].id.clone();
    let to = Destinations::position(of(2));
    assert_eq!(name, "between spokes by firewall");
    check(&net)
        .flows(net.positions().in_virtual_network(of(1)), to)
        .traverse(position(firewall))
        .check()
        .clone()
}

#[test]
fn every_fault_is_found_and_nothing_without_one() {
    let intact = design();
    let mut promises = promises(&intact);
    promises.push(("between spokes by firewall", between_spokes(&intact, "between spokes by firewall")));
    let network = Network::build(&Topology::new(intact.clone()).unwrap()).unwrap();
    for (name, check) in &promises {
        let report = check.run(&network).unwrap();
        assert!(report.holds(), "{name}: {}", report.failures[0]);
        assert!(report.looked_at > 0);
    }
    let faults = faults();
    assert!(faults.len() >= 20);
    for (what, plant, expected) in faults {
        let mut broken = intact.clone();
        plant(&mut broken);
        let network = Network::build(&Topology::new(broken).unwrap()).unwrap();
        let failing: Vec<&str> = promises
            .iter()
            .filter(|(_, check)| !check.run(&network).unwrap().holds())
            .map(|(name, _)| *name)
            .collect();
        assert!(failing.contains(&expected.promise), "{what}: {failing:?}");
        let (_, check) = promises.iter().find(|(name, _)| *name == expected.promise).unwrap();
        let report = check.run(&network).unwrap();
        let first = &report.failures[0];
        assert!(report.failures.iter().all(|f| f.path.hops.len() >= first.path.hops.len()));
        if let Some(spoke) = expected.spoke {
            for failure in &report.failures {
                let of_spoke = |id: &ResourceId| {
                    let text = id.as_str();
                    text.contains(&format!("/{spoke}/")) || text.contains(&format!("vm-{}-", &spoke[6..]))
                };
                assert!(failure.sources.iter().all(of_spoke), "{what}: {failure}");
            }
        }
        if let Some(prefixes) = expected.prefixes {
            for failure in &report.failures {
                assert_eq!(failure.destinations.prefixes(), prefixes, "{what}: {failure}");
            }
        }
    }
}
