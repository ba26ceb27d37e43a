//! What holds of every walk, whatever the design: no panic, an end for every way, the same answer whatever the order of
//! the document, and a flow that takes one of the ways of the answer without it.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use azroute::Network;
use azroute::model::{Document, ResourceId, Topology};
use azroute::resolve::{Answer, Disposition, Flow, Leg, Pair, Source};
use azroute::testing::strategies;
use proptest::prelude::*;

fn build(document: &Document) -> Network {
    Network::build(&Topology::new(document.clone()).unwrap()).unwrap()
}

fn sources(document: &Document) -> Vec<ResourceId> {
    let mut ids: Vec<ResourceId> = document
        .virtual_networks
        .iter()
        .flat_map(|v| v.subnets.iter().map(|s| v.subnet_id(&s.name)))
        .collect();
    ids.extend(document.network_interfaces.iter().map(|n| n.id.clone()));
    ids.extend(document.azure_firewalls.iter().map(|f| f.id.clone()));
    for site in &document.on_premises_sites {
        ids.push(site.id.clone());
        ids.extend(site.routers.iter().map(|r| site.router_id(&r.name)));
    }
    ids
}

/// The same statements in another order.
fn turned(document: &Document) -> Document {
    let mut d = document.clone();
    d.virtual_networks.reverse();
    d.route_tables.reverse();
    d.network_security_groups.reverse();
    d.network_interfaces.reverse();
    d.load_balancers.reverse();
    d.private_endpoints.reverse();
    d.network_virtual_appliances.reverse();
    d.azure_firewalls.reverse();
    d.virtual_network_gateways.reverse();
    d.local_network_gateways.reverse();
    d.connections.reverse();
    d.express_route_circuits.reverse();
    d.route_servers.reverse();
    d.virtual_hubs.reverse();
    d.on_premises_sites.reverse();
    d.on_premises_links.reverse();
    d.overlay_tunnels.reverse();
    for vnet in &mut d.virtual_networks {
        vnet.peerings.reverse();
    }
    d
}

/// Hops and end of some ways, as text. A member of an equal-cost choice that ends where it was made repeats that place.
fn ways(answer: &Answer) -> BTreeSet<String> {
    let text = |path: azroute::resolve::Path<'_>| {
        let mut hops: Vec<String> = path.hops().iter().map(|h| format!("{} {}", h.place, h.header)).collect();
        hops.dedup();
        hops.push(path.disposition().to_string());
        hops.join(" > ")
    };
    answer.paths().take(256).map(text).collect()
}

/// Places outside the topology that can send: a service and a host on the Internet.
fn outside() -> [Source; 2] {
    let ip = |text: &str| text.parse().unwrap();
    [Source::ServiceAddress(ip("198.51.100.7")), Source::Internet(ip("192.0.2.77"))]
}

/// What a pair says, as text; members that end where they were made repeat that place.
fn told(pair: &Pair) -> (Vec<BTreeSet<String>>, Vec<String>) {
    let answers = std::iter::once(pair.forward()).chain(pair.replies());
    let mut said: Vec<String> = pair.asymmetries().iter().map(ToString::to_string).collect();
    said.push(format!("{:?} {:?} {}", pair.crossing(), pair.reply_crossing(), pair.returns()));
    (answers.map(ways).collect(), said)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_a_document_decides_nothing(document in strategies::any_topology()) {
        let (network, other) = (build(&document), build(&turned(&document)));
        for source in sources(&document) {
            for probe in strategies::probe_addresses(&document) {
                let (here, there) = (network.resolve(&source, probe), other.resolve(&source, probe));
                match (here, there) {
                    (Ok(here), Ok(there)) => {
                        prop_assert_eq!(ways(&here), ways(&there), "{} to {}", source, probe);
                        let flow = Flow::tcp(&source, 50_000, probe, 443);
                        let (a, b) = (network.resolve_flow(&flow).unwrap(), other.resolve_flow(&flow).unwrap());
                        prop_assert_eq!(ways(&a), ways(&b), "flow from {} to {}", source, probe);
                    }
                    (here, there) => prop_assert_eq!(here.is_err(), there.is_err(), "{} to {}", source, probe),
                }
            }
        }
    }

    #[test]
    fn pairs_from_outside_end_and_know_no_order(document in strategies::any_topology()) {
        let (network, other) = (build(&document), build(&turned(&document)));
        let public = document.public_ip_addresses.iter().filter_map(|public| public.ip_address);
        let pools = document.on_premises_sites.iter().filter_map(|site| site.nat_pool.map(|p| p.network()));
        let mut targets: Vec<_> = public.chain(pools).collect();
        targets.extend(strategies::probe_addresses(&document));
        for source in outside() {
            for target in targets.iter().filter(|target| target.is_ipv4()) {
                match (network.resolve_pair(source.clone(), *target), other.resolve_pair(source.clone(), *target)) {
                    (Ok(here), Ok(there)) => prop_assert_eq!(told(&here), told(&there), "{} to {}", source, target),
                    (here, there) => prop_assert_eq!(here.is_err(), there.is_err(), "{} to {}", source, target),
                }
            }
        }
        // A reply goes where a new flow goes, up to Microsoft's edge.
        for source in sources(&document) {
            for probe in strategies::probe_addresses(&document) {
                let Ok(opened) = network.resolve(&source, probe) else { continue };
                let reply = network.resolve_leg(&source, probe, Leg::Reply).unwrap();
                prop_assert_eq!(opened.next_hop().route(), reply.next_hop().route());
                let inside = |answer: &Answer| answer.dispositions().iter().all(|end| matches!(end, Disposition::Delivered(_)));
                if inside(&opened) {
                    prop_assert_eq!(ways(&opened), ways(&reply), "{} to {}", source, probe);
                }
                for path in opened.paths().take(16) {
                    prop_assert_eq!(path.is_encrypted(), path.first_clear_hop().is_none());
                    if let Some(bandwidth) = path.bandwidth() {
                        prop_assert!(bandwidth.guaranteed_in_mbps <= bandwidth.most_in_mbps);
                        prop_assert!(path.passes(&bandwidth.bottleneck));
                    }
                }
            }
        }
    }

    #[test]
    fn a_flow_takes_one_of_the_ways_and_pairs_end(document in strategies::any_topology()) {
        let network = build(&document);
        for source in sources(&document) {
            for probe in strategies::probe_addresses(&document) {
                let Ok(answer) = network.resolve(&source, probe) else { continue };
                prop_assert!(answer.paths().next().is_some());
                let pair = network.resolve_pair(&source, probe).unwrap();
                prop_assert_eq!(pair.forward(), &answer);
                let one = network.resolve_flow(&Flow::udp(&source, 40_000, probe, 53)).unwrap();
                prop_assert_eq!(one.paths().count(), 1);
                network.evaluate(&Flow::udp(&source, 40_000, probe, 53)).unwrap();
                let needs = answer.dispositions().iter().any(|d| matches!(d, Disposition::NeedsFlow(_)));
                if !needs && answer.paths().take(257).count() <= 256 {
                    prop_assert!(ways(&answer).is_superset(&ways(&one)), "{} to {}:\n{}\n{}", source, probe, answer, one);
                }
            }
        }
    }
}
