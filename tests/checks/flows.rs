//! Every expectation against all paths of the slow walk, at the edges of every class and of what is asked.

use std::net::IpAddr;

use azroute::Network;
use azroute::checks::{
    AddressRanges, Check, CheckError, Destinations, Expectation, Report, Service, Unmet, Waypoint, check,
    circuit, edge, peering, position,
};
use azroute::model::{Document, PeeringType, ResourceId, RouteSource, Topology};
use azroute::resolve::{
    Answer, Disposition, DropReason, Egress, Leg, NsgStatus, Path, Place, Protocol, Source,
};
use azroute::testing::strategies;
use ipnet::IpNet;
use proptest::prelude::*;

/// Addresses at both sides of every cut that classes and what is asked have.
pub(crate) fn edges(document: &Document, networks: &[&Network], asked: &AddressRanges) -> Vec<IpAddr> {
    let mut found = strategies::probe_addresses(document);
    for network in networks {
        let classes = network.classes().unwrap();
        for class in classes.iter() {
            for prefix in classes.prefixes(class).iter().take(4) {
                found.extend([prefix.network(), prefix.broadcast()]);
            }
        }
    }
    for prefix in asked.prefixes().iter().take(40) {
        found.extend([prefix.network(), prefix.broadcast()]);
        found.extend(beside(prefix.network(), false));
        found.extend(beside(prefix.broadcast(), true));
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn beside(address: IpAddr, up: bool) -> Option<IpAddr> {
    Some(match (address, up) {
        (IpAddr::V4(ip), true) => IpAddr::V4(u32::from(ip).checked_add(1)?.into()),
        (IpAddr::V4(ip), false) => IpAddr::V4(u32::from(ip).checked_sub(1)?.into()),
        (IpAddr::V6(ip), true) => IpAddr::V6(u128::from(ip).checked_add(1)?.into()),
        (IpAddr::V6(ip), false) => IpAddr::V6(u128::from(ip).checked_sub(1)?.into()),
    })
}

fn passes(path: &Path<'_>, waypoint: &Waypoint) -> bool {
    let at = |place: &Place, id: &ResourceId| match place {
        Place::Appliance { id: own, interface } => own == id || interface.as_ref() == Some(id),
        Place::Msee { .. } => false,
        place => place.id() == Some(id),
    };
    let hops = path.hops();
    match waypoint {
        Waypoint::Node(id) => {
            let last = hops.len() - 1;
            hops.iter().any(|hop| at(&hop.place, id))
                || hops[..last].iter().any(|hop| hop.via.as_ref() == Some(id))
        }
        Waypoint::Edge(from, to) => {
            hops.windows(2).any(|pair| at(&pair[0].place, from) && at(&pair[1].place, to))
        }
        Waypoint::Circuit(id) => {
            hops.iter().any(|hop| matches!(&hop.place, Place::Msee { circuit, .. } if circuit == id))
                || matches!(path.disposition(),
                    Disposition::Egress(Egress::MicrosoftPeering(c) | Egress::PublicPeering(c)) if c == id)
        }
        Waypoint::Peering(domain) => {
            hops.iter().any(|hop| matches!(&hop.place, Place::Msee { peering, .. } if peering == domain))
                || match path.disposition() {
                    Disposition::Egress(Egress::MicrosoftPeering(_)) => {
                        *domain == PeeringType::MicrosoftPeering
                    }
                    Disposition::Egress(Egress::PublicPeering(_)) => {
                        *domain == PeeringType::AzurePublicPeering
                    }
                    _ => false,
                }
        }
        _ => unreachable!("{waypoint:?}"),
    }
}

/// Whether one path breaks it, said of the path alone.
fn breaks(path: &Path<'_>, expectation: &Expectation) -> bool {
    let end = path.disposition();
    let outside = |place: &Place| {
        matches!(
            place,
            Place::Msee { .. }
                | Place::OnPremises(_)
                | Place::InternetEdge
                | Place::Internet
                | Place::Service(_)
        )
    };
    match expectation {
        Expectation::Reachable => !end.is_success(),
        Expectation::Isolated => end.is_success(),
        Expectation::Traverses(waypoint) => {
            (end.is_success() || matches!(end, Disposition::NeedsFlow(_))) && !passes(path, waypoint)
        }
        Expectation::Avoids(waypoint) => passes(path, waypoint),
        Expectation::StaysEncrypted => path
            .hops()
            .windows(2)
            .any(|pair| !pair[0].encrypted && (outside(&pair[0].place) || outside(&pair[1].place))),
        Expectation::NeverByInternet => matches!(end, Disposition::Egress(Egress::Internet(_))),
        Expectation::ForcedTunnel => matches!(end, Disposition::Egress(_)),
        Expectation::AtMostHops(most) => path.hops().len() > *most,
        Expectation::NoLoop => matches!(end, Disposition::Loop(_) | Disposition::HopLimit),
        Expectation::NoBlackHole => match end {
            Disposition::Dropped(DropReason::NoneRoute(_)) => {
                let last = path.hops().last().unwrap();
                last.route.as_ref().is_none_or(|matched| matched.route.source != RouteSource::User)
            }
            Disposition::Dropped(reason) => !matches!(
                reason,
                DropReason::NsgDeny { .. } | DropReason::DeniedByAppliance(_) | DropReason::Discarded(_)
            ),
            _ => false,
        },
        _ => unreachable!("{expectation:?}"),
    }
}

/// The tenant of what a place is; none where it is nobody's alone.
fn tenant(topology: &Topology, place: &Place) -> Option<Option<String>> {
    let document = topology.document();
    let of_subnet = |id: &ResourceId| topology.subnet(id).map(|(network, _)| network.tenant.clone());
    let of_network = |id: &ResourceId| topology.virtual_network(id).map(|network| network.tenant.clone());
    match place {
        Place::Subnet(id) => of_subnet(id),
        Place::VirtualNetwork(id) => of_network(id),
        Place::NetworkInterface(id) => {
            let nic = document.network_interfaces.iter().find(|nic| nic.id == *id)?;
            of_subnet(&nic.ip_configurations.first()?.subnet)
        }
        Place::Gateway(id) => of_network(&topology.virtual_network_gateway(id)?.virtual_network),
        Place::Msee { circuit, .. } => topology.express_route_circuit(circuit)?.tenant.clone().map(Some),
        Place::OnPremises(id) => {
            let own = |site: &&azroute::model::OnPremisesSite| {
                site.id == *id || site.routers.iter().any(|router| site.router_id(&router.name) == *id)
            };
            document.on_premises_sites.iter().find(own)?.tenant.clone().map(Some)
        }
        _ => None,
    }
}

/// Whether some path leaves the tenant that it starts in, of places whose tenant is plain to see.
fn leaves_tenant(topology: &Topology, answer: &Answer) -> bool {
    let folded = |tenant: Option<String>| tenant.map(|t| t.to_ascii_lowercase());
    answer.paths().take(4096).any(|path| {
        let Some(own) = tenant(topology, &path.hops()[0].place).map(folded) else { return false };
        path.hops()
            .iter()
            .any(|hop| tenant(topology, &hop.place).map(folded).is_some_and(|other| other != own))
    })
}

fn expectations(document: &Document) -> Vec<Expectation> {
    let mut nodes: Vec<ResourceId> = Vec::new();
    nodes.extend(document.network_virtual_appliances.iter().map(|a| a.id.clone()));
    nodes.extend(document.azure_firewalls.iter().map(|f| f.id.clone()));
    nodes.extend(document.virtual_network_gateways.iter().map(|g| g.id.clone()));
    nodes.extend(document.virtual_hubs.iter().map(|h| h.id.clone()));
    nodes.extend(document.on_premises_sites.iter().map(|s| s.id.clone()));
    nodes.extend(document.network_interfaces.iter().map(|n| n.id.clone()).take(3));
    let networks = document.virtual_networks.iter();
    nodes.extend(networks.flat_map(|v| v.subnets.iter().map(|s| v.subnet_id(&s.name)).take(1)));
    let mut found = vec![
        Expectation::Reachable,
        Expectation::Isolated,
        Expectation::StaysEncrypted,
        Expectation::NeverByInternet,
        Expectation::ForcedTunnel,
        Expectation::AtMostHops(3),
        Expectation::NoLoop,
        Expectation::NoBlackHole,
        Expectation::TenantIsolated,
        Expectation::Symmetric,
        Expectation::Avoids(peering(PeeringType::AzurePrivatePeering)),
        Expectation::Traverses(peering(PeeringType::MicrosoftPeering)),
    ];
    found.extend(document.express_route_circuits.iter().map(|c| Expectation::Avoids(circuit(c.id.clone()))));
    for (at, node) in nodes.iter().enumerate() {
        found.push(Expectation::Traverses(position(node.clone())));
        found.push(Expectation::Avoids(position(node.clone())));
        if let Some(next) = nodes.get(at + 1) {
            found.push(Expectation::Avoids(edge(node.clone(), next.clone())));
        }
    }
    found
}

/// Whether a source fails towards an address, by a report. No address is reported twice for a source.
fn fails(report: &Report, source: &ResourceId, address: IpAddr) -> Result<bool, TestCaseError> {
    let of =
        report.failures.iter().filter(|f| f.sources.contains(source) && f.destinations.contains(address));
    let count = of.count();
    prop_assert!(count < 2, "{source} {address} fails {count} times");
    Ok(count == 1)
}

fn compare(document: &Document, asked: &Destinations, pick: usize) -> Result<(), TestCaseError> {
    let Ok(topology) = Topology::new(document.clone()) else { return Ok(()) };
    let Ok(network) = Network::build(&topology) else { return Ok(()) };
    let sources: Vec<ResourceId> =
        network.positions().filter_map(|p| network.position_id(p).cloned()).collect();
    if sources.is_empty() {
        return Ok(());
    }
    let addresses = asked.addresses(&network).unwrap();
    let mut edges = edges(document, &[&network], &addresses);
    let step = edges.len().div_ceil(70);
    edges = edges.into_iter().skip(pick % step).step_by(step).collect();
    let all = expectations(document);
    let chosen: Vec<&Expectation> = all.iter().cycle().skip(pick % all.len()).step_by(3).take(5).collect();
    for expectation in chosen {
        let check = Check {
            sources: sources.clone(),
            destinations: asked.clone(),
            leg: if pick.is_multiple_of(4) { Leg::Reply } else { Leg::Initiate },
            service: None,
            expectation: expectation.clone(),
        };
        let report = check.run(&network).unwrap();
        let inside = report.failures.iter().all(|f| f.destinations.except(&addresses).is_empty());
        prop_assert!(inside, "{expectation}: outside of what was asked");
        for source in sources.iter().cycle().skip(pick % sources.len()).take(6) {
            for address in &edges {
                let answer = network.walk(Source::Position(source.clone()), *address, check.leg);
                let Ok(answer) = answer else {
                    prop_assert!(!fails(&report, source, *address)?, "{source} to {address} cannot be asked");
                    continue;
                };
                let broken = match expectation {
                    Expectation::TenantIsolated => leaves_tenant(&topology, &answer),
                    Expectation::Symmetric => {
                        let pair = network.resolve_pair(Source::Position(source.clone()), *address).unwrap();
                        !pair.asymmetries().is_empty()
                    }
                    expectation => answer.paths().take(4096).any(|p| breaks(&p, expectation)),
                };
                let expected = addresses.contains(*address) && broken;
                prop_assert_eq!(
                    fails(&report, source, *address)?,
                    expected,
                    "{}: from {} to {}\n{}",
                    expectation,
                    source,
                    address,
                    answer
                );
            }
        }
        if matches!(expectation, Expectation::TenantIsolated | Expectation::Symmetric) {
            continue;
        }
        // The path that is shown breaks it, and is the first of the addresses' own.
        for failure in &report.failures {
            let first = failure.destinations.first().unwrap();
            let source = Source::Position(failure.sources[0].clone());
            let answer: Answer = network.walk(source, first, check.leg).unwrap();
            prop_assert_eq!(answer.nsg(), NsgStatus::NotEvaluated);
            let places =
                |path: &Path<'_>| path.hops().iter().map(|hop| hop.place.clone()).collect::<Vec<_>>();
            let shown: Vec<Place> = failure.path.hops.iter().map(|hop| hop.place.clone()).collect();
            let of_paths: Vec<_> = answer.paths().take(4096).filter(|p| breaks(p, expectation)).collect();
            let like = |path: &Path<'_>| {
                // Hosts that only receive share a path: the last place may be another one's, as may the first.
                let own = places(path);
                let inner = |all: &[Place]| all[1..(all.len() - 1).max(1)].to_vec();
                own.len() == shown.len() && inner(&own) == inner(&shown)
            };
            prop_assert!(of_paths.iter().any(like), "{expectation}: {failure}\n{answer}");
        }
    }
    Ok(())
}

fn asked() -> impl Strategy<Value = Destinations> {
    prop_oneof![
        Just(Destinations::everything()),
        Just(Destinations::internet()),
        prop::collection::vec(strategies::prefix(), 1..4).prop_map(Destinations::prefixes),
        prop::collection::vec(strategies::prefix(), 1..4)
            .prop_map(|prefixes| Destinations::everything().except(Destinations::prefixes(prefixes))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn checks_find_what_brute_force_finds(
        document in strategies::dressed(strategies::any_topology()),
        asked in asked(),
        pick in 0_usize..10_000,
    ) {
        compare(&document, &asked, pick)?;
    }

    #[test]
    fn checks_find_what_brute_force_finds_of_providers_and_speakers(
        document in strategies::speaking(prop_oneof![strategies::connect_through(), strategies::connect_to(), strategies::coexistence()]),
        asked in asked(),
        pick in 0_usize..10_000,
    ) {
        compare(&document, &asked, pick)?;
    }
}

pub(crate) fn hub_and_spoke() -> azroute::model::TopologyBuilder {
    Topology::builder()
        .virtual_network("hub", &["10.0.0.0/16"])
        .subnet("hub", "fw", "10.0.1.0/24")
        .appliance("fw", "hub/subnets/fw", "10.0.1.4")
        .virtual_network("spoke1", &["10.1.0.0/16"])
        .subnet("spoke1", "web", "10.1.0.0/24")
        .peer("hub", "spoke1")
        .virtual_network("spoke2", &["10.2.0.0/16"])
        .subnet("spoke2", "web", "10.2.0.0/24")
        .peer("hub", "spoke2")
        .route("rt", "default", "0.0.0.0/0", "VirtualAppliance", &["10.0.1.4"])
        .bind("spoke1/subnets/web", "rt")
        .bind("spoke2/subnets/web", "rt")
}

#[test]
fn what_fails_is_an_exact_range_with_its_path() {
    let topology = hub_and_spoke().route("rt", "leak", "8.8.8.0/24", "Internet", &[]).build().unwrap();
    let net = Network::build(&topology).unwrap();
    let spokes = || net.positions().named(["spoke1/subnets/web", "spoke2/subnets/web"]);
    let unmet =
        check(&net).flows(spokes(), Destinations::internet()).traverse("fw").expect_all().unwrap_err();
    let Unmet::Fails(found) = unmet else { panic!("{unmet}") };
    assert_eq!(found.failure.destinations.prefixes(), ["8.8.8.0/24".parse::<IpNet>().unwrap()]);
    assert_eq!(found.failure.sources, ["spoke1/subnets/web".into(), "spoke2/subnets/web".into()]);
    assert_eq!(found.others, 0);
    let text = found.to_string();
    assert!(
        text.contains("traverses `fw`") && text.contains("8.8.8.0/24") && text.contains("`leak`"),
        "{text}"
    );
    // Without the leak it holds, of every address.
    let elsewhere = Destinations::internet().except(Destinations::prefixes(["8.8.8.0/24".parse().unwrap()]));
    let report = check(&net).flows(spokes(), elsewhere).traverse("fw").expect_all().unwrap();
    assert!(report.looked_at >= 2);
}

#[test]
fn what_cannot_be_asked_is_an_error_that_names_it() {
    let net = Network::build(&hub_and_spoke().build().unwrap()).unwrap();
    let all = || net.positions().subnets();
    let of = |expected: azroute::checks::Expected<'_>| expected.report().unwrap_err().to_string();
    let somewhere = Destinations::everything;
    assert_eq!(
        of(check(&net).flows(all(), somewhere()).traverse("fx")),
        "expectation: there is no resource `fx` that a packet could pass"
    );
    assert_eq!(of(check(&net).flows([], somewhere()).reach()), "sources: none was given");
    let nowhere = Destinations::position("spoke9");
    assert_eq!(of(check(&net).flows(all(), nowhere).reach()), "destinations: there is no resource `spoke9`");
    let tag = Destinations::service_tag("Storage");
    assert_eq!(
        of(check(&net).flows(all(), tag).reach()),
        "destinations: the document holds no service tag `Storage`"
    );
    let mut gone = check(&net).flows(all(), somewhere()).reach().check().clone();
    gone.sources.push("gone".into());
    assert_eq!(gone.run(&net), Err(CheckError::UnknownSource { name: "gone".into() }));
}

#[test]
fn security_groups_are_asked_at_every_cut_of_theirs() {
    let text = r#"{
        "schema_version": 1,
        "virtual_networks": [{"id": "v", "tags": {"role": "spoke"}, "address_space": ["10.0.0.0/16"], "subnets": [
            {"name": "a", "address_prefixes": ["10.0.0.0/24"]},
            {"name": "b", "address_prefixes": ["10.0.1.0/24"], "network_security_group": "g"}]}],
        "network_security_groups": [{"id": "g", "security_rules": [
            {"name": "deny-half", "priority": 100, "direction": "Inbound", "access": "Deny", "protocol": "Tcp",
             "destination_address_prefixes": ["10.0.1.128/25"], "destination_port_ranges": ["443"]}]}]
    }"#;
    let document: Document = serde_json::from_str(text).unwrap();
    let net = Network::build(&Topology::new(document).unwrap()).unwrap();
    let a = || net.positions().tagged("spoke").named(["v/subnets/a"]);
    let b = || Destinations::position("v/subnets/b");
    assert!(check(&net).flows(a(), b()).reach().report().unwrap().holds());
    assert!(check(&net).flows(a(), b()).udp(443).reach().report().unwrap().holds());
    assert!(check(&net).flows(a(), b()).tcp(80).reach().report().unwrap().holds());
    let report = check(&net).flows(a(), b()).tcp(443).reach().report().unwrap();
    assert_eq!(report.failures.len(), 1);
    assert_eq!(report.failures[0].destinations.prefixes(), ["10.0.1.128/25".parse::<IpNet>().unwrap()]);
    let denied = &report.failures[0].path.disposition;
    assert!(matches!(denied, Disposition::Dropped(DropReason::NsgDeny { rule, .. }) if rule == "deny-half"));
    // A rule that somebody wrote loses nothing.
    let no_hole = check(&net).flows(a(), b()).tcp(443).expect(Expectation::NoBlackHole);
    assert!(no_hole.report().unwrap().holds());
    assert_eq!(no_hole.check().service, Some(Service::new(Protocol::Tcp, 443)));
}
