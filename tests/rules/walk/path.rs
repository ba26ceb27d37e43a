//! WALK: the path from place to place, appliances, symmetry; and the flow's choice among equals.

use std::collections::BTreeSet;

use azroute::model::{
    AppliancePolicy, Backend, DestinationNat, FrontendIpConfiguration, GuestRoute, LoadBalancer,
    NetworkVirtualAppliance, Router, Snat, TopologyBuilder,
};
use azroute::resolve::{Disposition, DropReason, Flow, SeenDirection, Source};
use azroute::rule::Rule;

use super::support::*;

/// `fw` as a declared appliance `nva`.
fn declared(change: impl FnOnce(&mut NetworkVirtualAppliance)) -> TopologyBuilder {
    let mut nva = NetworkVirtualAppliance::new("nva", ["fw".into()]);
    change(&mut nva);
    routes(base(), "rt", &[("0.0.0.0/0", NVA)], &["v/subnets/s"]).with(nva)
}

/// Two appliances behind the internal front end 10.0.100.100.
pub(super) fn balanced() -> TopologyBuilder {
    base().appliance("fw2", "v/subnets/nva", "10.0.100.5").with(balancer())
}

fn balancer() -> LoadBalancer {
    let backend = |nic: &str| Backend { network_interface: Some(nic.into()), ..Backend::default() };
    LoadBalancer {
        id: "ilb".into(),
        frontend_ip_configurations: vec![FrontendIpConfiguration {
            name: "front".into(),
            private_ip_address: Some(ip("10.0.100.100")),
            subnet: Some("v/subnets/nva".into()),
            public_ip_address: None,
        }],
        backends: vec![backend("fw2"), backend("fw")],
        ..LoadBalancer::default()
    }
}

#[test]
fn walk_1_each_position_asks_its_own_subnet_until_the_end() {
    let built = routes(spokes(base()), "rt", &[("10.2.0.0/16", NVA)], &["p/subnets/s"]);
    let answer = ask(built, "pvm", "10.2.0.4");
    assert_way(&answer, "pvm > fw > qvm");
    assert_end(&answer, "Delivered(network interface qvm)");
    let asked: Vec<_> = answer.hops().filter_map(|hop| hop.route.as_ref()).collect();
    assert_eq!(asked[0].route.prefix, net("10.2.0.0/16"), "the user route of the source");
    assert_eq!(asked[1].route.next_hop_type.as_str(), "VNetPeering", "the appliance's own table");
}

#[test]
fn walk_2_the_appliance_is_met_directly_though_its_address_matches_the_route() {
    let built = routes(base(), "rt", &[("10.0.0.0/16", NVA)], &["v/subnets/s"]);
    let answer = ask(built.nic("vm2", "v/subnets/nva", "10.0.100.9"), "vm", "10.0.100.9");
    assert_way(&answer, "vm > fw > vm2");
    let headers: BTreeSet<_> = answer.hops().map(|hop| hop.header).collect();
    assert_eq!(headers.len(), 1, "source and destination are kept");
}

#[test]
fn walk_3_no_ip_forwarding_no_forwarding() {
    let built = routes(base(), "rt", &[("0.0.0.0/0", "10.0.100.9")], &["v/subnets/s"]).nic(
        "plain",
        "v/subnets/nva",
        "10.0.100.9",
    );
    assert_end(&ask(built.clone(), "vm", "8.8.8.8"), "Drop(NoIpForwarding, plain)");
    // What is addressed to it still arrives.
    assert_end(&ask(built.clone(), "vm", "10.0.100.9"), "Delivered(network interface plain)");
    // Nor does it send with a foreign source.
    let network = build(built);
    let foreign = network.resolve(Source::at("plain", ip("10.9.9.9")), ip("10.0.0.4")).unwrap();
    assert_end(&foreign, "Drop(NoIpForwarding, plain)");
    let allowed = network.resolve(Source::at("fw", ip("10.9.9.9")), ip("10.0.0.4")).unwrap();
    assert_end(&allowed, "Delivered(network interface vm)");
}

#[test]
fn walk_4_the_guest_must_forward_too() {
    let answer = ask(declared(|nva| nva.os_forwarding = false), "vm", "10.77.0.1");
    assert_end(&answer, "Drop(NotForwardingOs, nva)");
}

#[test]
fn walk_5_guest_routes_pick_the_interface_else_the_primary() {
    let two = |guest: Vec<GuestRoute>| {
        let mut nva = NetworkVirtualAppliance::new("nva", ["fw".into(), "out".into()]);
        nva.guest_routes = guest;
        routes(base(), "rt", &[("0.0.0.0/0", NVA)], &["v/subnets/s"])
            .subnet("v", "far", "10.0.101.0/24")
            .appliance("out", "v/subnets/far", "10.0.101.4")
            .with(nva)
            .configure(|d| d.network_interfaces[2].primary = true)
            .configure(|d| d.virtual_networks[0].subnets[3].nat_gateway = Some("nat".into()))
            .route("far", "block", "198.51.100.0/24", "None", &[])
            .bind("v/subnets/far", "far")
    };
    let by = |nic: &str| GuestRoute { prefix: net("198.51.100.0/24"), network_interface: Some(nic.into()) };
    // Default: the primary interface, whose subnet blocks.
    assert_end(&ask(two(Vec::new()), "vm", "198.51.100.7"), "Drop(NoneRoute, 198.51.100.0/24)");
    // By the guest's route: the other interface, whose subnet loops nothing and knows the Internet.
    let answer = ask(two(vec![by("fw")]), "vm", "198.51.100.7");
    assert_end(&answer, "Drop(PrivateSourceToInternet)");
    // A guest route to nowhere.
    let nowhere = GuestRoute { prefix: net("198.51.100.0/24"), network_interface: None };
    assert_end(&ask(two(vec![nowhere]), "vm", "198.51.100.7"), "Drop(Discarded, nva)");
}

#[test]
fn walk_6_a_default_route_on_the_appliances_own_subnet_loops() {
    let built = routes(base(), "rt", &[("0.0.0.0/0", NVA)], &["v/subnets/s", "v/subnets/nva"]);
    assert_end(&ask(built, "vm", "8.8.8.8"), "Loop(appliance fw)");
}

#[test]
fn walk_7_two_appliances_that_point_at_each_other_loop_in_one_cycle() {
    let built = routes(base(), "rt", &[("10.77.0.0/16", NVA)], &["v/subnets/s"])
        .subnet("v", "nva2", "10.0.101.0/24")
        .appliance("fw2", "v/subnets/nva2", "10.0.101.4");
    let built = routes(built, "one", &[("10.77.0.0/16", "10.0.101.4")], &["v/subnets/nva"]);
    let built = routes(built, "two", &[("10.77.0.0/16", NVA)], &["v/subnets/nva2"]);
    assert_end(&ask(built.clone(), "vm", "10.77.0.1"), "Loop(appliance fw -> appliance fw2)");
    // The same cycle from elsewhere has the same name.
    assert_end(&ask(built, "fw2", "10.77.0.1"), "Loop(appliance fw -> appliance fw2)");
}

#[test]
fn walk_7_a_way_of_more_than_64_hops_ends_at_the_limit() {
    let chain = |length: u32| {
        let mut built = base();
        for i in 0..length {
            let name = format!("n{i}");
            let subnet = format!("v/subnets/{name}");
            built = built.subnet("v", &name, &format!("10.0.{}.0/24", 101 + i)).appliance(
                &name,
                &subnet,
                &format!("10.0.{}.4", 101 + i),
            );
            let next = format!("10.0.{}.4", 102 + i);
            built = routes(built, &name, &[("10.77.0.0/16", &next)], &[&subnet]);
        }
        let last = format!("10.0.{}.0/24", 101 + length);
        let end = format!("10.0.{}.4", 101 + length);
        let built = built.subnet("v", "last", &last).appliance("last", "v/subnets/last", &end);
        routes(built, "rt", &[("10.77.0.0/16", "10.0.101.4")], &["v/subnets/s"])
    };
    assert_end(&ask(chain(80), "vm", "10.77.0.1"), "HopLimit");
    assert_end(&ask(chain(40), "vm", "10.77.0.1"), "Drop(NoneRoute, 10.0.0.0/8)");
}

#[test]
fn walk_8_what_an_appliance_does_decides() {
    assert_end(&ask(declared(|_| {}), "vm", "8.8.8.8"), "Drop(PrivateSourceToInternet)");
    assert_end(
        &ask(declared(|n| n.policy = AppliancePolicy::Deny), "vm", "8.8.8.8"),
        "Drop(DeniedByAppliance, nva)",
    );
    for snat in [Snat::All, Snat::Internet] {
        let answer = ask(declared(|nva| nva.snat = snat), "vm", "8.8.8.8");
        assert_end(&answer, "Egress(Internet, default outbound access)");
        assert_eq!(answer.path().hops().last().unwrap().header.source, ip(NVA));
    }
    let private = ask(declared(|nva| nva.snat = Snat::Internet), "vm", "10.77.0.1");
    assert_eq!(private.path().hops().last().unwrap().header.source, ip("10.0.0.4"), "{private}");
}

#[test]
fn walk_8_a_destination_rewrite_by_port_needs_the_flow() {
    let dnat = |port| {
        declared(|nva| {
            nva.dnat = vec![DestinationNat {
                destination: net("10.0.100.4/32"),
                destination_port: port,
                translated_address: ip("10.0.0.9"),
                translated_port: Some(8080),
            }];
        })
        .nic("web", "v/subnets/s", "10.0.0.9")
    };
    assert_end(&ask(dnat(None), "vm", NVA), "Delivered(network interface web)");
    assert_end(&ask(dnat(Some(443)), "vm", NVA), "NeedsFlow(nva)");
    let network = build(dnat(Some(443)));
    let to = |port| network.resolve_flow(&Flow::tcp("vm", 50_000, ip(NVA), port)).unwrap();
    assert_end(&to(443), "Delivered(network interface web)");
    assert_end(&to(80), "Delivered(network interface fw)");
}

#[test]
fn walk_9_a_front_end_is_one_of_its_healthy_backends() {
    let through = |built| routes(built, "rt", &[("10.77.0.0/16", "10.0.100.100")], &["v/subnets/s"]);
    let answer = ask(through(balanced()), "vm", "10.77.0.1");
    assert_eq!(ways(&answer), ["vm > ilb > fw", "vm > ilb > fw2"]);
    let sick = through(balanced().configure(|d| d.load_balancers[0].backends[1].unhealthy = true));
    assert_way(&ask(sick.clone(), "vm", "10.77.0.1"), "vm > ilb > fw2");
    let dead = sick.configure(|d| d.load_balancers[0].backends[0].unhealthy = true);
    assert_end(&ask(dead, "vm", "10.77.0.1"), "Drop(NoHealthyBackend, ilb)");
}

#[test]
fn walk_9_a_flow_takes_one_member_always_the_same_and_ports_reach_others() {
    let built = routes(balanced(), "rt", &[("10.77.0.0/16", "10.0.100.100")], &["v/subnets/s"]);
    let network = build(built.clone());
    // The same design with its lists turned round picks the same members.
    let turned = build(built.configure(|d| {
        d.load_balancers[0].backends.reverse();
        d.network_interfaces.reverse();
    }));
    let mut seen = BTreeSet::new();
    for port in 0..64 {
        let flow = Flow::tcp("vm", 50_000 + port, ip("10.77.0.1"), 443);
        let answer = network.resolve_flow(&flow).unwrap();
        assert_eq!(answer.paths().count(), 1);
        let picked = way(&answer.path());
        assert_eq!(way(&network.resolve_flow(&flow).unwrap().path()), picked);
        assert_eq!(way(&turned.resolve_flow(&flow).unwrap().path()), picked);
        seen.insert(picked);
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn walk_10_a_stateful_hop_in_one_direction_is_an_asymmetry() {
    let built = |stateful| {
        let mut nva = NetworkVirtualAppliance::new("nva", ["fw".into()]);
        nva.stateful = stateful;
        er(routes(base(), "rt", &[("10.50.0.0/16", NVA)], &["v/subnets/s"])).with(nva)
    };
    let pair = build(built(true)).resolve_pair("vm", ip("10.50.0.9")).unwrap();
    assert!(pair.returns(), "{}", pair.forward());
    let found = &pair.asymmetries()[0];
    assert_eq!((found.place.as_str(), found.seen), ("nva", SeenDirection::ForwardOnly));
    assert_eq!((found.rule, pair.asymmetries().len()), (Rule::WALK_10, 1));
    // Seen from the other end it is the reply that passes.
    let pair = build(built(true)).resolve_pair("dc", ip("10.0.0.4")).unwrap();
    assert_eq!(pair.asymmetries()[0].seen, SeenDirection::ReplyOnly);
    // What keeps no state does not mind.
    assert!(build(built(false)).resolve_pair("vm", ip("10.50.0.9")).unwrap().asymmetries().is_empty());
}

#[test]
fn walk_11_the_gateway_subnets_table_makes_it_symmetric() {
    let spoke = routes(er(transit_spokes(base())), "rt", &[("10.50.0.0/16", NVA)], &["p/subnets/s"]);
    let half = build(spoke.clone()).resolve_pair("dc", ip("10.1.0.4")).unwrap();
    assert_eq!(half.asymmetries().len(), 1, "only the spoke points at the appliance");
    let both = routes(spoke, "gw", &[("10.1.0.0/16", NVA)], &["v/subnets/GatewaySubnet"]);
    let pair = build(both).resolve_pair("dc", ip("10.1.0.4")).unwrap();
    assert!(pair.forward().path().passes(&"fw".into()) && pair.returns(), "{}", pair.forward());
    assert!(pair.asymmetries().is_empty(), "{:?}", pair.asymmetries());
}

#[test]
fn walk_12_without_state_two_ways_are_no_asymmetry() {
    // There over circuit 1 (weight), back over circuit 2 (local preference).
    let mut dc = site("dc", &["10.50.0.0/16"], &["c1", "c2"]);
    dc.routes = vec![given("10.0.0.0/16", by_circuit("c2", None))];
    let mut first = er_connection("ergw", "c1");
    first.routing_weight = 100;
    let built = base()
        .with(er_gateway("ergw", "v"))
        .with(circuit("c1"))
        .with(circuit("c2"))
        .with(first)
        .with(er_connection("ergw", "c2"))
        .with(dc.clone());
    let pair = build(built.clone()).resolve_pair("vm", ip("10.50.0.9")).unwrap();
    assert!(pair.forward().path().passes(&"c1".into()), "{}", pair.forward());
    assert!(pair.reply().unwrap().path().passes(&"c2".into()), "{}", pair.reply().unwrap());
    assert!(pair.returns() && pair.asymmetries().is_empty());
    // With a stateful router for each circuit it is one.
    let edge = |name: &str| Router { stateful: true, ..router(name) };
    dc.routers = vec![edge("r1"), edge("r2")];
    let built = built.with(dc).configure(|d| {
        for (c, name) in ["dc/routers/r1", "dc/routers/r2"].into_iter().enumerate() {
            d.express_route_circuits[c].primary.edge_router = Some(name.into());
            d.express_route_circuits[c].secondary.edge_router = Some(name.into());
        }
    });
    let pair = build(built).resolve_pair("vm", ip("10.50.0.9")).unwrap();
    assert!(!pair.asymmetries().is_empty(), "{}\n{}", pair.forward(), pair.reply().unwrap());
}

#[test]
fn walk_13_active_active_appliances_need_source_translation() {
    let built = |snat: Option<Snat>| {
        let built = routes(
            spokes(balanced()),
            "rt",
            &[("10.1.0.0/16", "10.0.100.100"), ("10.2.0.0/16", "10.0.100.100")],
            &["p/subnets/s", "q/subnets/s"],
        );
        match snat {
            Some(snat) => ["fw", "fw2"].into_iter().fold(built, |built, nic| {
                let nva = NetworkVirtualAppliance::new(format!("nva-{nic}"), [nic.into()]);
                built.with(NetworkVirtualAppliance { snat, ..nva })
            }),
            None => built,
        }
    };
    let without = build(built(None)).resolve_pair("pvm", ip("10.2.0.4")).unwrap();
    assert!(without.asymmetries().iter().all(|a| a.seen == SeenDirection::Sometimes));
    assert_eq!(without.asymmetries().len(), 2);
    // The reply goes to the instance that rewrote the source; the first way is answered by itself.
    let with = build(built(Some(Snat::All))).resolve_pair("pvm", ip("10.2.0.4")).unwrap();
    assert!(with.returns(), "{}", with.forward());
    let first = way(&with.forward().path());
    assert_eq!(first, "pvm > ilb > nva-fw > qvm");
    assert_eq!(way(&with.replies()[0].path()), "qvm > fw");
    assert_eq!(way(&with.replies()[1].path()), "fw > pvm");
}

#[test]
fn walk_15_each_crossing_asks_flags_with_the_source_as_it_is_there() {
    let built = |snat| {
        let nva = NetworkVirtualAppliance::new("nva", ["fw".into()]);
        routes(spokes(base()), "rt", &[("10.2.0.0/16", NVA)], &["p/subnets/s"])
            .with(NetworkVirtualAppliance { snat, ..nva })
            .configure(|d| d.virtual_networks[2].peerings[0].allow_forwarded_traffic = false)
    };
    let denied = ask(built(Snat::None), "pvm", "10.2.0.4");
    let id = "q/virtualNetworkPeerings/v";
    assert_end(&denied, &format!("Drop(ForwardedTrafficNotAllowed, {id})"));
    // After source translation the packet is the hub's own.
    assert_end(&ask(built(Snat::All), "pvm", "10.2.0.4"), "Delivered(network interface qvm)");
}

#[test]
fn walk_15_a_spoke_reaches_its_hubs_gateway_only_over_a_peering_with_access() {
    let built = er(transit_spokes(base()))
        .configure(|d| d.virtual_networks[1].peerings[0].allow_virtual_network_access = false);
    let answer = ask(built.clone(), "pvm", "10.50.0.9");
    assert_end(&answer, "Drop(PeeringAccessDisabled, p/virtualNetworkPeerings/v)");
    assert_end(&ask(built.clone(), "qvm", "10.50.0.9"), "OnPremises(dc)");
    assert_end(&ask(built, "dc", "10.1.0.4"), "Drop(PeeringAccessDisabled, p/virtualNetworkPeerings/v)");
}

#[test]
fn walk_16_the_gateway_picks_the_connection_and_does_not_hairpin() {
    let answer = ask(er(base()), "vm", "10.50.0.9");
    let gateway = answer.hops().find(|hop| hop.place.id() == Some(&"ergw".into())).unwrap();
    assert_eq!(gateway.via, Some("ergw-c1".into()));
    assert!(decided(&answer, Rule::WALK_16));
    // On-premises to on-premises through it: no.
    let mut other = site("dc2", &["10.60.0.0/16"], &["c2"]);
    other.routes = vec![given("10.0.0.0/8", by_circuit("c2", None))];
    let built = er(base()).with(circuit("c2")).with(er_connection("ergw", "c2")).with(other);
    assert_end(&ask(built, "dc2", "10.50.0.9"), "Drop(NoTransit, ergw)");
}

#[test]
fn walk_17_gateway_edge_router_and_customer_edge_stand_in_the_path() {
    let answer = ask(er(base()), "vm", "10.50.0.9");
    assert_eq!(ways(&answer), ["vm > ergw > c1:primary > dc", "vm > ergw > c1:secondary > dc"]);
    let back = ask(er(base()), "dc", "10.0.0.4");
    assert_eq!(ways(&back), ["dc > c1:primary > ergw > vm", "dc > c1:secondary > ergw > vm"]);
    // By default a site knows what Azure advertised, and nothing else.
    assert_end(&ask(er(base()), "dc", "10.77.0.1"), "Drop(NoRoute)");
}

#[test]
fn walk_17_a_longer_prefix_leaves_a_site_with_routers_though_its_summary_covers_it() {
    let mut dc = site("dc", &["10.0.0.0/8"], &["c1"]);
    dc.routers = vec![router("r1"), router("r2")];
    let built = er(base()).with(dc);
    assert_end(&ask(built.clone(), "dc", "10.0.0.4"), "Delivered(network interface vm)");
    assert_end(&ask(built, "dc", "10.9.0.4"), "OnPremises(dc)");
}

#[test]
fn walk_17_a_route_towards_a_router_of_the_site_does_not_bind_that_router() {
    let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
    dc.routers = vec![router("r1"), router("r2")];
    dc.routes = vec![given("10.0.0.0/16", azroute::model::OnPremisesNextHop::Site("dc/routers/r1".into()))];
    let built = er(base()).with(dc);
    let answer = ask(built, "dc/routers/r2", "10.0.0.4");
    assert_eq!(
        ways(&answer),
        [
            "dc/routers/r2 > dc/routers/r1 > c1:primary > ergw > vm",
            "dc/routers/r2 > dc/routers/r1 > c1:secondary > ergw > vm"
        ]
    );
}

#[test]
fn sel_12_without_a_flow_every_member_is_in_the_answer_and_ends_may_differ() {
    let built = balanced()
        .configure(|d| {
            d.network_interfaces.iter_mut().find(|n| n.id == "fw2".into()).unwrap().enable_ip_forwarding =
                false;
        })
        .route("rt", "r", "10.77.0.0/16", "VirtualApplianceEcmp", &["10.0.100.5", NVA])
        .bind("v/subnets/s", "rt");
    let answer = ask(built.clone(), "vm", "10.77.0.1");
    assert!(answer.is_mixed(), "{answer}");
    assert_eq!(ends(&answer), ["Drop(NoneRoute, 10.0.0.0/8)", "Drop(NoIpForwarding, fw2)"]);
    let network = build(built);
    let kinds: BTreeSet<Disposition> = (0..32)
        .map(|port| {
            let flow = Flow::udp("vm", 40_000 + port, ip("10.77.0.1"), 53);
            network.resolve_flow(&flow).unwrap().disposition().clone()
        })
        .collect();
    assert!(kinds.contains(&Disposition::Dropped(DropReason::NoIpForwarding("fw2".into()))));
    assert_eq!(kinds.len(), 2);
}

/// WALK-7 with equal cost: a way that loops does not hide another that goes on from the same place.
#[test]
fn walk_7_a_loop_on_one_way_leaves_the_others_open() {
    let built = azroute::model::Topology::builder()
        .virtual_network("v", &["10.0.0.0/16"])
        .subnet("v", "s", "10.0.0.0/24")
        .subnet("v", "a", "10.0.1.0/24")
        .subnet("v", "x", "10.0.2.0/24")
        .subnet("v", "f", "10.0.3.0/24")
        .appliance("A", "v/subnets/a", "10.0.1.4")
        .appliance("X", "v/subnets/x", "10.0.2.4")
        .appliance("F", "v/subnets/f", "10.0.3.5")
        .nic("D", "v/subnets/f", "10.0.3.4")
        .route("rs", "d", "10.0.3.4/32", "VirtualApplianceEcmp", &["10.0.1.4", "10.0.2.4"])
        .route("ra", "d", "10.0.3.4/32", "VirtualApplianceEcmp", &["10.0.2.4", "10.0.3.5"])
        .route("rx", "d", "10.0.3.4/32", "VirtualAppliance", &["10.0.1.4"])
        .bind("v/subnets/s", "rs")
        .bind("v/subnets/a", "ra")
        .bind("v/subnets/x", "rx")
        .build()
        .unwrap();
    let answer = azroute::Network::build(&built)
        .unwrap()
        .resolve("v/subnets/s", "10.0.3.4".parse().unwrap())
        .unwrap()
        .into_answer();
    let ways: Vec<String> = answer
        .paths()
        .map(|path| {
            path.hops().iter().map(|hop| hop.place.id().unwrap().name().to_owned()).collect::<String>()
        })
        .collect();
    assert_eq!(ways, ["sAXA", "sAFD", "sXAX", "sXAFD"], "{answer}");
}
