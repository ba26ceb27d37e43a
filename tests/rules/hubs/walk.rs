//! Packets through hubs.

use azroute::Network;
use azroute::model::HubRoutingPreference::{ExpressRoute, VpnGateway};
use azroute::model::{
    HubNextHop, HubRoute, HubRouteTable, LearnedRoute, StaticVnetRoute, VnetLocalRouteOverride,
};

use super::support::{DEFAULT, Wan, ip, net, ways};

/// Two hubs, each with two spokes, a circuit and a VPN site: spokes 1 and 2 at the first, 3 and 4 at the second.
fn wan() -> Wan {
    Wan::new()
        .hub(1, ExpressRoute)
        .hub(2, ExpressRoute)
        .spoke(1, 1)
        .spoke(1, 2)
        .spoke(2, 3)
        .spoke(2, 4)
        .circuit(1, "er1", &[(&["172.16.0.0/16"], &[64601])])
        .vpn(1, "site1", &[(&["172.17.0.0/16"], &[64602])])
        .circuit(2, "er2", &[(&["172.18.0.0/16"], &[64603])])
        .vpn(2, "site2", &[(&["172.19.0.0/16"], &[64604])])
}

fn one(network: &Network, from: &str, to: &str) -> String {
    let found = ways(network, from, to);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

/// Every way as the same text but for the link of a circuit.
fn links(network: &Network, from: &str, to: &str) -> String {
    let found = ways(network, from, to);
    assert!(found.iter().all(|way| *way == found[0]), "{found:?}");
    found[0].clone()
}

/// VWAN-1, VWAN-8: between spokes, within a hub and across two.
#[test]
fn vwan_8_packets_cross_both_hubs() {
    let network = wan().build();
    assert_eq!(one(&network, "vm1", "10.2.0.4"), "vm1 > h1 > vm2 > => Delivered(vm2)");
    assert_eq!(one(&network, "vm1", "10.3.0.4"), "vm1 > h1 > h2 > vm3 > => Delivered(vm3)");
    assert_eq!(
        links(&network, "vm3", "172.16.0.4"),
        "vm3 > h2 > h1 > h1-er > er1 > er1-site > => OnPremises(er1-site)"
    );
    assert_eq!(
        one(&network, "vm1", "172.19.0.4"),
        "vm1 > h1 > h2 > h2-vpn > site2-site > => OnPremises(site2-site)"
    );
    assert_eq!(one(&network, "vm1", "192.168.0.1"), "vm1 > => Drop(NoneRoute, 192.168.0.0/16)");
}

/// VWAN-1: branches reach spokes and each other through their hub, and spokes of another hub.
#[test]
fn vwan_1_from_branches_into_the_hub() {
    let network = wan().build();
    assert_eq!(
        links(&network, "er1-site", "10.1.0.4"),
        "er1-site > er1 > h1-er > h1 > vm1 > => Delivered(vm1)"
    );
    assert_eq!(one(&network, "site1-site", "10.1.0.4"), "site1-site > h1-vpn > h1 > vm1 > => Delivered(vm1)");
    assert_eq!(
        one(&network, "site1-site", "10.3.0.4"),
        "site1-site > h1-vpn > h1 > h2 > vm3 > => Delivered(vm3)"
    );
    assert_eq!(
        links(&network, "site1-site", "172.16.0.4"),
        "site1-site > h1-vpn > h1 > h1-er > er1 > er1-site > => OnPremises(er1-site)"
    );
    assert_eq!(
        links(&network, "er1-site", "172.19.0.4"),
        "er1-site > er1 > h1-er > h1 > h2 > h2-vpn > site2-site > => OnPremises(site2-site)"
    );
}

/// VWAN-10: between circuits of hubs nothing passes, even where a default route leads into the hub; with routing intent
/// that joins circuits, by the ranges that it announces.
#[test]
fn vwan_10_circuits_do_not_meet_in_a_hub() {
    let mut apart = wan().vpn(1, "exit", &[(&["0.0.0.0/0"], &[64605])]);
    for connection in &mut apart.document.connections {
        connection.enable_internet_security = connection.id.as_str() == "h1-er1";
    }
    let network = apart.build();
    let way = links(&network, "er1-site", "172.18.0.4");
    assert_eq!(way, "er1-site > er1 > h1-er > h1 > => Drop(NoTransit, h1)");
    assert!(links(&network, "er1-site", "203.0.113.9").contains("h1-vpn > exit-site"));
    let join = |h: &mut azroute::model::VirtualHub| {
        h.routing_intent.as_mut().unwrap().express_route_transit = true;
    };
    let network = wan().intent(1, true, false).intent(2, true, false).change(1, join).change(2, join).build();
    assert_eq!(
        links(&network, "er1-site", "172.18.0.4"),
        "er1-site > er1 > h1-er > h1 > fw-h1 > h1 > h2 > fw-h2 > h2 > h2-er > er2 > er2-site > => OnPremises(er2-site)"
    );
}

/// VWAN-11: the table of the document, with intent at both hubs and at the second alone.
#[test]
fn vwan_11_private_traffic_passes_the_firewalls() {
    let firewalls = |network: &Network, from: &str, to: &str| -> Vec<String> {
        let way = ways(network, from, to).remove(0);
        assert!(way.contains("Delivered") || way.contains("OnPremises"), "{way}");
        way.split(" > ").filter(|hop| hop.starts_with("fw-h")).map(str::to_owned).collect()
    };
    let ends = |hub: u8| {
        let spoke = hub * 2;
        [
            (format!("vm{}", spoke - 1), format!("10.{}.0.4", spoke - 1)),
            (format!("vm{spoke}"), format!("10.{spoke}.0.4")),
            (format!("site{hub}-site"), format!("172.{}.0.4", 15 + spoke)),
            (format!("er{hub}-site"), format!("172.{}.0.4", 14 + spoke)),
        ]
    };
    for (first, expected) in [
        (true, [vec!["fw-h1"], vec!["fw-h1", "fw-h2"], vec!["fw-h2"]]),
        (false, [vec![], vec!["fw-h2"], vec!["fw-h2"]]),
    ] {
        let mut wan = wan().intent(2, true, true);
        if first {
            wan = wan.intent(1, true, true);
        }
        let network = wan.build();
        for from_hub in [1_u8, 2] {
            for to_hub in [1_u8, 2] {
                for (n, (from, _)) in ends(from_hub).iter().enumerate() {
                    for (m, (_, to)) in ends(to_hub).iter().enumerate() {
                        // The same place, or circuit to circuit (VWAN-10).
                        if (from_hub == to_hub && n == m) || (n == 3 && m == 3) {
                            continue;
                        }
                        let mut wanted = expected[usize::from(from_hub + to_hub - 2)].clone();
                        if from_hub == 2 && to_hub == 1 {
                            wanted.reverse();
                        }
                        assert_eq!(firewalls(&network, from, to), wanted, "{from} to {to}, first {first}");
                    }
                }
            }
        }
    }
}

/// VWAN-11, VWAN-4: Internet traffic leaves by the local hub's firewall, of connections that take the default route.
#[test]
fn vwan_11_internet_traffic_leaves_by_the_local_firewall() {
    let network =
        wan().intent(1, false, true).connection(1, 2, |c| c.enable_internet_security = false).build();
    assert_eq!(
        one(&network, "vm1", "203.0.113.9"),
        "vm1 > h1 > fw-h1 > Internet edge > => Egress(Internet, firewall)"
    );
    assert!(one(&network, "vm2", "203.0.113.9").starts_with("vm2 > Internet edge"));
    assert!(one(&network, "vm3", "203.0.113.9").starts_with("vm3 > Internet edge"));
    // Private traffic goes its way without it.
    assert_eq!(one(&network, "vm1", "10.2.0.4"), "vm1 > h1 > vm2 > => Delivered(vm2)");
    // Of a private range that nobody has, the firewall knows nothing.
    let network = wan().intent(1, true, true).build();
    assert_eq!(one(&network, "vm1", "192.168.0.1"), "vm1 > h1 > fw-h1 > => Drop(NoRoute)");
}

/// VWAN-11: prefixes that are added count as private; others do not pass the firewall's policy.
#[test]
fn vwan_11_additional_private_prefixes() {
    let with = |added: bool| {
        wan()
            .vpn(1, "public", &[(&["198.51.100.0/24"], &[64605])])
            .intent(1, true, false)
            .change(1, |h| {
                let prefixes = &mut h.routing_intent.as_mut().unwrap().additional_private_prefixes;
                prefixes.extend(added.then(|| net("198.51.100.0/24")));
            })
            .build()
    };
    assert_eq!(
        one(&with(true), "vm1", "198.51.100.9"),
        "vm1 > h1 > fw-h1 > h1 > h1-vpn > public-site > => OnPremises(public-site)"
    );
    assert!(one(&with(false), "vm1", "198.51.100.9").starts_with("vm1 > Internet edge"));
}

/// VWAN-14: with the ExpressRoute setting, traffic between hubs that share a circuit turns round at its edge.
#[test]
fn vwan_14_a_hairpin_at_the_edge() {
    let network = Wan::new()
        .hub(1, ExpressRoute)
        .hub(2, ExpressRoute)
        .spoke(1, 1)
        .spoke(2, 2)
        .circuit(1, "er", &[])
        .circuit(2, "er", &[])
        .build();
    assert_eq!(
        links(&network, "vm1", "10.2.0.4"),
        "vm1 > h1 > h1-er > er > h2-er > h2 > vm2 > => Delivered(vm2)"
    );
}

/// VWAN-15: a static route of a connection ends at the appliance, and takes the place of the network's own space where it
/// holds it, unless the next hop is bypassed.
#[test]
fn vwan_15_static_routes_lead_to_the_appliance() {
    let with = |prefix: &str, criteria| {
        wan()
            .connection(1, 1, |c| {
                c.static_routes.push(StaticVnetRoute {
                    name: "behind".to_owned(),
                    address_prefixes: vec![net(prefix)],
                    next_hop_ip_address: ip("10.1.9.4"),
                });
                c.vnet_local_route_override = criteria;
            })
            .build()
    };
    let network = with("10.9.0.0/16", VnetLocalRouteOverride::Contains);
    assert!(one(&network, "vm3", "10.9.0.4").starts_with("vm3 > h2 > h1 > nva1 > "));
    assert_eq!(one(&network, "vm3", "10.1.0.4"), "vm3 > h2 > h1 > vm1 > => Delivered(vm1)");
    let network = with("10.0.0.0/12", VnetLocalRouteOverride::Contains);
    assert_eq!(one(&network, "vm3", "10.1.0.4"), "vm3 > h2 > h1 > nva1 > vm1 > => Delivered(vm1)");
    assert_eq!(one(&network, "vm3", "10.1.9.4"), "vm3 > h2 > h1 > fw1 > => Delivered(fw1)");
    let network = with("10.0.0.0/12", VnetLocalRouteOverride::Equal);
    assert_eq!(one(&network, "vm3", "10.1.0.4"), "vm3 > h2 > h1 > vm1 > => Delivered(vm1)");
}

/// VWAN-3: a static route to a connection, to an address, to the hub's firewall, and to nothing.
#[test]
fn vwan_3_static_routes_steer_packets() {
    let route = |name: &str, prefix: &str, next_hop| HubRoute {
        name: name.to_owned(),
        destinations: vec![net(prefix)],
        next_hop,
    };
    let resource = |id: &str| HubNextHop::Resource(id.into());
    let routes = vec![
        route("address", "172.30.0.0/16", HubNextHop::IpAddress(ip("10.1.9.4"))),
        route("nowhere", "172.29.0.0/16", HubNextHop::IpAddress(ip("10.99.9.4"))),
        route("firewall", "172.28.0.0/16", resource("fw-h1")),
        route("gone", "172.27.0.0/16", resource("elsewhere")),
        route("connection", "172.26.0.0/16", resource("h1/hubVirtualNetworkConnections/v2")),
    ];
    let mut wan = wan().connection(1, 2, |c| {
        c.propagate_static_routes = false;
        c.static_routes.push(StaticVnetRoute {
            name: "behind".to_owned(),
            address_prefixes: vec![net("172.26.0.0/15")],
            next_hop_ip_address: ip("10.2.9.4"),
        });
    });
    wan = wan.intent(1, false, true).change(1, |hub| {
        hub.routing_intent = None;
        hub.route_tables.push(HubRouteTable { name: DEFAULT.into(), labels: vec![], routes });
    });
    let network = wan.build();
    assert!(one(&network, "vm2", "172.30.0.1").starts_with("vm2 > h1 > nva1 > "));
    assert_eq!(one(&network, "vm2", "172.29.0.1"), "vm2 > h1 > => Drop(NextHopUnreachable, 10.99.9.4)");
    assert!(one(&network, "vm2", "172.28.0.1").starts_with("vm2 > h1 > fw-h1 > "));
    assert_eq!(one(&network, "vm2", "172.27.0.1"), "vm2 > h1 > => Drop(ConnectionDown, elsewhere)");
    assert!(one(&network, "vm1", "172.26.0.1").starts_with("vm1 > h1 > nva2 > "));
}

/// An appliance that peers with a hub draws what it announces, from this hub and others; the setting VPN does not mind it.
#[test]
fn vwan_6_an_appliance_that_peers_draws_packets() {
    let network = wan().peer(1, 1, &[(&["172.24.0.0/16"], &[]), (&["172.17.0.0/16"], &[])]).build();
    assert!(one(&network, "vm2", "172.24.0.1").starts_with("vm2 > h1 > nva1 > "));
    assert!(one(&network, "vm3", "172.24.0.1").starts_with("vm3 > h2 > h1 > nva1 > "));
    assert!(one(&network, "vm2", "172.17.0.1").starts_with("vm2 > h1 > h1-vpn > "));
    let prefers = network.topology().document().virtual_hubs[0].hub_routing_preference;
    assert_ne!(prefers, VpnGateway);
}

/// A hub's gateways are no gateways of a network: findings have nothing to say of them.
#[test]
fn vwan_1_a_sound_wan_has_no_findings_of_its_gateways() {
    let network = wan().intent(1, true, true).build();
    let about_gateways: Vec<String> = network
        .findings()
        .iter()
        .filter(|f| f.resource.as_str().starts_with('h') || f.message.contains("`h1"))
        .map(ToString::to_string)
        .collect();
    assert_eq!(about_gateways, [""; 0]);
}

/// VWAN-13: a hub is asked anew each time: after an outage traffic is where it was before.
#[test]
fn vwan_13_nothing_sticks_after_an_outage() {
    use azroute::model::Change;
    let network = wan().vpn(1, "backup", &[(&["172.16.0.0/16"], &[64601])]).build();
    let before = links(&network, "vm1", "172.16.0.4");
    assert!(before.contains("h1-er"), "{before}");
    let connected = |connected| Change::SetConnection { connection: "h1-er1".into(), connected };
    let outage = network.apply(&[connected(false)]).unwrap();
    assert!(links(&outage, "vm1", "172.16.0.4").contains("h1-vpn"));
    let after = outage.apply(&[connected(true)]).unwrap();
    assert_eq!(links(&after, "vm1", "172.16.0.4"), before);
}

/// What a hub is declared to know beside what it computes still ends at the hub, and loses to what is computed.
#[test]
fn vwan_2_declared_routes_stand_beside_computed_ones() {
    let network = wan()
        .change(1, |hub| {
            hub.learned_routes.push(LearnedRoute::new(net("172.25.0.0/16"), []));
            hub.learned_routes.push(LearnedRoute::new(net("172.17.0.0/16"), []));
        })
        .build();
    assert_eq!(one(&network, "vm1", "172.25.0.1"), "vm1 > h1 > => OnPremises(h1)");
    assert!(one(&network, "vm1", "172.17.0.4").contains("h1-vpn"));
}
