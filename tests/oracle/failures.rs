//! Failures against the rebuild of a document in which what failed is down or left out, written here by hand.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::IpAddr;

use azroute::Network;
use azroute::model::{
    Document, Element, GatewayType, Knobs, LearnedRoute, LinkRole, NetworkInterface, OnPremisesNextHop,
    ResourceId, Topology, VirtualNetworkGateway,
};
use azroute::testing::strategies::{self, probe_addresses};
use proptest::prelude::*;

/// `PROPTEST_CASES` asks for more.
fn config(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    config
}

/// Any design, under the default knobs.
fn designs() -> impl Strategy<Value = Document> {
    strategies::any_topology().prop_map(|mut document| {
        document.knobs = Knobs::default();
        document
    })
}

fn build(document: &Document) -> Network {
    Network::build(&Topology::new(document.clone()).unwrap()).unwrap()
}

/// What is left of a document after failures.
fn left(document: &Document, elements: &[Element]) -> Document {
    let mut left = document.clone();
    for element in elements {
        lose(document, &mut left, element);
    }
    let both = |one: Element, other: Element| elements.contains(&one) && elements.contains(&other);
    for gateway in &document.virtual_network_gateways {
        let instance = |instance| Element::GatewayInstance { gateway: gateway.id.clone(), instance };
        if both(instance(0), instance(1)) {
            lose(document, &mut left, &Element::Gateway(gateway.id.clone()));
        }
    }
    for server in &document.route_servers {
        let instance = |i| Element::RouteServerInstance { route_server: server.id.clone(), instance: i };
        if both(instance(0), instance(1)) {
            lose(document, &mut left, &Element::RouteServer(server.id.clone()));
        }
    }
    for site in document.on_premises_sites.iter().filter(|s| !s.routers.is_empty()) {
        let router = |r: &azroute::model::Router| Element::Router(site.router_id(&r.name));
        if site.routers.iter().all(|r| elements.contains(&router(r))) {
            lose(document, &mut left, &Element::Site(site.id.clone()));
        }
    }
    left
}

fn lose(document: &Document, left: &mut Document, element: &Element) {
    match element {
        Element::CircuitLink { circuit, link } => take_link(left, circuit, *link),
        Element::Circuit(id) => LinkRole::BOTH.iter().for_each(|link| take_link(left, id, *link)),
        Element::Connection(id) => {
            left.connections.iter_mut().filter(|c| c.id == *id).for_each(|c| c.connected = false);
        }
        Element::Gateway(id) => {
            left.virtual_network_gateways.retain(|g| g.id != *id);
            left.connections.retain(|c| c.virtual_network_gateway != *id);
        }
        Element::GatewayInstance { gateway, instance } => {
            let lost = usize::from(*instance);
            for gateway in left.virtual_network_gateways.iter_mut().filter(|g| g.id == *gateway) {
                no_longer_prints(gateway, lost);
            }
        }
        Element::RouteServer(id) => {
            left.route_servers.retain(|s| s.id != *id);
            left.bgp_sessions.retain(|s| s.a.speaker != *id && s.b.speaker != *id);
        }
        Element::RouteServerInstance { .. } => {}
        Element::Hub(id) => {
            left.virtual_hubs.retain(|h| h.id != *id);
            let of_hub: Vec<ResourceId> = document
                .virtual_network_gateways
                .iter()
                .filter(|g| g.virtual_network == *id)
                .map(|g| g.id.clone())
                .collect();
            of_hub.into_iter().for_each(|gateway| lose(document, left, &Element::Gateway(gateway)));
        }
        Element::Session(id) => {
            left.bgp_sessions.iter_mut().filter(|s| s.id == *id).for_each(|s| s.shutdown = true);
        }
        Element::Link(id) => left.on_premises_links.retain(|l| l.id != *id),
        Element::Router(id) => {
            for site in &mut left.on_premises_sites {
                let of_site = site.id.clone();
                site.routers.retain(|r| of_site.child("routers", &r.name) != *id);
            }
            ends_there(left, id);
        }
        Element::Site(id) => {
            let site = document.on_premises_sites.iter().find(|s| s.id == *id).unwrap();
            left.on_premises_sites.retain(|s| s.id != *id);
            ends_there(left, id);
            site.routers.iter().for_each(|r| ends_there(left, &site.router_id(&r.name)));
        }
        Element::Appliance(id) => {
            // An interface that no appliance lists is one of its own.
            let lost = document.network_virtual_appliances.iter().find(|a| a.id == *id);
            let lost = lost.map_or_else(|| vec![id.clone()], |a| a.network_interfaces.clone());
            let of_appliance = |nic: &ResourceId| lost.contains(nic);
            let nics: Vec<NetworkInterface> =
                left.network_interfaces.iter().filter(|n| of_appliance(&n.id)).cloned().collect();
            left.network_virtual_appliances.retain(|a| a.id != *id);
            left.network_interfaces.retain(|nic| !of_appliance(&nic.id));
            for balancer in &mut left.load_balancers {
                balancer.backends.retain(|b| !b.network_interface.as_ref().is_some_and(of_appliance));
            }
            let stays = |network: &ResourceId, next_hop: Option<IpAddr>| {
                let here = |c: &azroute::model::IpConfiguration| c.subnet.parent().as_ref() == Some(network);
                !nics
                    .iter()
                    .flat_map(|n| &n.ip_configurations)
                    .any(|c| here(c) && c.private_ip_address == next_hop)
            };
            for hub in &mut left.virtual_hubs {
                let networks = &hub.virtual_network_connections;
                let near = |r: &LearnedRoute| {
                    r.next_hop.is_none()
                        || networks.iter().all(|c| stays(&c.remote_virtual_network, r.next_hop))
                };
                hub.learned_routes.retain(near);
            }
            // Random designs have their appliances beside the Route Server.
            for server in &mut left.route_servers {
                let home = &server.virtual_network;
                server.learned_routes.retain(|r| r.next_hop.is_none() || stays(home, r.next_hop));
            }
        }
        other => panic!("{other} is new here"),
    }
}

fn take_link(left: &mut Document, circuit: &ResourceId, link: LinkRole) {
    for circuit in left.express_route_circuits.iter_mut().filter(|c| c.id == *circuit) {
        match link {
            LinkRole::Primary => circuit.primary.up = false,
            LinkRole::Secondary => circuit.secondary.up = false,
        }
    }
}

fn no_longer_prints(gateway: &mut VirtualNetworkGateway, instance: usize) {
    let addresses = match gateway.gateway_type {
        GatewayType::Vpn if !gateway.active_active => return,
        GatewayType::Vpn if gateway.route_next_hop_addresses.is_empty() => &gateway.bgp_peering_addresses,
        _ => &gateway.route_next_hop_addresses,
    };
    let mut printed = addresses.clone();
    if printed.len() > 1 {
        printed.remove(instance);
        gateway.route_next_hop_addresses = printed;
    }
}

/// Circuit links and VPN connections that end at a place outside.
fn ends_there(left: &mut Document, place: &ResourceId) {
    for circuit in &mut left.express_route_circuits {
        for link in [&mut circuit.primary, &mut circuit.secondary] {
            link.up &= link.edge_router.as_ref() != Some(place);
        }
    }
    for connection in &mut left.connections {
        let local = left.local_network_gateways.iter().find(|l| l.id == connection.peer);
        connection.connected &= local.is_none_or(|l| l.site.as_ref() != Some(place));
    }
}

/// Both links of each circuit up, with the same announcements and the same router at their ends.
fn alike(mut document: Document) -> Document {
    for circuit in &mut document.express_route_circuits {
        circuit.primary.up = true;
        circuit.secondary = circuit.primary.clone();
    }
    for site in &mut document.on_premises_sites {
        site.advertisements.iter_mut().for_each(|a| a.link = None);
        for route in &mut site.routes {
            if let OnPremisesNextHop::Circuit { link, .. } = &mut route.next_hop {
                *link = None;
            }
        }
    }
    document
}

fn sources(document: &Document) -> Vec<ResourceId> {
    let subnets =
        document.virtual_networks.iter().flat_map(|v| v.subnets.iter().map(|s| v.subnet_id(&s.name)));
    subnets.chain(document.on_premises_sites.iter().map(|s| s.id.clone())).collect()
}

/// Some of the addresses where an answer may change; `salt` varies which.
fn probes(document: &Document, salt: usize) -> Vec<IpAddr> {
    let all = probe_addresses(document);
    let step = (all.len() / 16).max(1);
    all.into_iter().skip(salt % step).step_by(step).collect()
}

/// Everything that can be said of two networks is the same.
fn same(
    network: &Network,
    rebuilt: &Network,
    document: &Document,
    probes: &[IpAddr],
    what: &[Element],
) -> Result<(), TestCaseError> {
    for source in sources(document) {
        if let (Ok(rows), Ok(expected)) =
            (network.effective_routes(&source), rebuilt.effective_routes(&source))
        {
            prop_assert_eq!(rows.rows(), expected.rows(), "{} without {:?}", source, what);
        }
        for probe in probes {
            let text = |network: &Network| match network.resolve(&source, *probe) {
                Ok(answer) => answer.to_string(),
                Err(error) => error.to_string(),
            };
            prop_assert_eq!(text(network), text(rebuilt), "{} to {} without {:?}", source, probe, what);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn without_any_one_element_is_the_rebuild_of_what_is_left(document in designs(), salt in 0..1_000_usize) {
        let network = build(&document);
        let probes = probes(&document, salt);
        for element in network.elements() {
            let what = [element];
            let left = left(&document, &what);
            let without = network.without(&what).unwrap();
            prop_assert_eq!(without.failed(), &what);
            prop_assert_eq!(without.topology().document(), &document);
            same(&without, &build(&left), &left, &probes, &what)?;
        }
    }

    #[test]
    fn without_two_elements_at_once_or_one_after_the_other(
        document in designs(),
        picks in prop::array::uniform2(any::<prop::sample::Index>()),
        salt in 0..1_000_usize,
    ) {
        let network = build(&document);
        let elements = network.elements();
        prop_assume!(!elements.is_empty());
        let [a, b] = picks.map(|pick| pick.get(&elements).clone());
        let what = [a.clone(), b.clone()];
        let left = left(&document, &what);
        let rebuilt = build(&left);
        let probes = probes(&document, salt);
        let at_once = network.without(&what).unwrap();
        let one = network.without(std::slice::from_ref(&a)).unwrap();
        let other = network.without(std::slice::from_ref(&b)).unwrap();
        same(&at_once, &rebuilt, &left, &probes, &what)?;
        for twice in [one.without(std::slice::from_ref(&b)).unwrap(), other.without(&[a]).unwrap()] {
            prop_assert_eq!(twice.failed(), at_once.failed());
            same(&twice, &rebuilt, &left, &probes, &what)?;
        }
        let other_order = network.without(&[b, what[0].clone()]).unwrap();
        prop_assert_eq!(other_order.failed(), at_once.failed());
    }

    /// ER-1, BGP-9: where both links of every circuit are up and carry the same, one of each is enough.
    #[test]
    fn without_one_link_of_every_pair_nothing_is_out_of_reach(
        document in designs(),
        roles in prop::collection::vec(any::<bool>(), 8),
        salt in 0..1_000_usize,
    ) {
        let document = alike(document);
        let network = build(&document);
        let circuits = document.express_route_circuits.iter().zip(roles.iter().cycle());
        let lost: Vec<Element> = circuits
            .map(|(circuit, primary)| Element::CircuitLink {
                circuit: circuit.id.clone(),
                link: if *primary { LinkRole::Primary } else { LinkRole::Secondary },
            })
            .collect();
        let without = network.without(&lost).unwrap();
        for source in sources(&document) {
            for probe in probes(&document, salt) {
                let ends = |network: &Network| network.resolve(&source, probe).map(|answer| {
                    answer.dispositions().into_iter().map(ToString::to_string).collect::<Vec<_>>()
                });
                prop_assert_eq!(ends(&without), ends(&network), "{} to {} without {:?}", source, probe, &lost);
            }
        }
    }

    #[test]
    fn without_nothing_is_the_network_itself(document in designs(), salt in 0..1_000_usize) {
        let network = build(&document);
        let same_one = network.without(&[]).unwrap();
        prop_assert!(same_one.failed().is_empty());
        same(&same_one, &network, &document, &probes(&document, salt), &[])?;
    }
}
