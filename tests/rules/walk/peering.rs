//! PEER and UDR as the walk sees them.

use azroute::model::{
    ForwardedTraffic, FrontendIpConfiguration, Knobs, LoadBalancer, LoadBalancerSku, PrivateEndpoint,
    RouteServer, TopologyBuilder,
};
use azroute::rule::Rule;

use super::support::*;

#[test]
fn peer_4_access_disabled_keeps_the_row_and_drops_the_packet() {
    for (vnet, id) in [(0, "v/virtualNetworkPeerings/p"), (1, "p/virtualNetworkPeerings/v")] {
        let built = spokes(base())
            .configure(|d| d.virtual_networks[vnet].peerings[0].allow_virtual_network_access = false);
        let answer = ask(built, "vm", "10.1.0.4");
        assert_eq!(answer.next_hop().route().unwrap().next_hop_type.as_str(), "VNetPeering");
        assert_end(&answer, &format!("Drop(PeeringAccessDisabled, {id})"));
    }
}

fn endpoint_in_p(builder: TopologyBuilder) -> TopologyBuilder {
    builder.subnet("p", "pe", "10.1.3.0/24").with(PrivateEndpoint {
        id: "pe".into(),
        subnet: "p/subnets/pe".into(),
        private_ip_addresses: vec![ip("10.1.3.4")],
        ..PrivateEndpoint::default()
    })
}

#[test]
fn peer_4_holds_for_a_peers_private_endpoint_too() {
    let built = endpoint_in_p(spokes(base()));
    assert_end(&ask(built.clone(), "vm", "10.1.3.4"), "PrivateEndpoint(pe)");
    let closed = built.configure(|d| d.virtual_networks[1].peerings[0].allow_virtual_network_access = false);
    assert_end(&ask(closed, "vm", "10.1.3.4"), "Drop(PeeringAccessDisabled, p/virtualNetworkPeerings/v)");
}

#[test]
fn peer_5_the_receiving_half_lets_forwarded_traffic_in() {
    // Spoke to spoke through the hub's appliance: the far spoke's half counts, not the hub's.
    let built = |spoke: bool, hub: bool, knob| {
        routes(spokes(base()), "rt", &[("10.2.0.0/16", NVA)], &["p/subnets/s"])
            .configure(|d| {
                d.virtual_networks[2].peerings[0].allow_forwarded_traffic = spoke;
                d.virtual_networks[0].peerings[1].allow_forwarded_traffic = hub;
            })
            .knobs(Knobs { forwarded_traffic: knob, ..Knobs::default() })
    };
    let end = |spoke, hub, knob| ends(&ask(built(spoke, hub, knob), "pvm", "10.2.0.4"));
    let (one, both) = (ForwardedTraffic::Receiver, ForwardedTraffic::BothEnds);
    assert_eq!(end(true, false, one), ["Delivered(network interface qvm)"]);
    assert_eq!(end(false, true, one), ["Drop(ForwardedTrafficNotAllowed, q/virtualNetworkPeerings/v)"]);
    assert_eq!(end(true, false, both), ["Drop(ForwardedTrafficNotAllowed, v/virtualNetworkPeerings/q)"]);
    assert_eq!(end(true, true, both), ["Delivered(network interface qvm)"]);
    // A gateway needs no flag.
    let built = er(transit_spokes(base()))
        .configure(|d| d.virtual_networks[1].peerings[0].allow_forwarded_traffic = false);
    assert_end(&ask(built, "dc", "10.1.0.4"), "Delivered(network interface pvm)");
}

#[test]
fn peer_8_a_spoke_without_transit_is_not_deliverable_from_the_gateway() {
    let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
    dc.routes = vec![given("10.0.0.0/8", by_circuit("c1", None))];
    let built = || er(spokes(base())).with(dc.clone());
    assert_end(&ask(built(), "dc", "10.1.0.4"), "Drop(NoTransit, ergw)");
    assert_end(&ask(endpoint_in_p(built()), "dc", "10.1.3.4"), "Drop(NoTransit, ergw)");
    let mesh = built().configure(|d| {
        d.virtual_networks[0].connected_group = Some("mesh".into());
        let mut far = azroute::model::VirtualNetwork::new("far", nets(&["10.3.0.0/16"]));
        far.connected_group = Some("Mesh".into());
        d.virtual_networks.push(far);
    });
    assert_end(&ask(mesh.clone(), "dc", "10.3.0.4"), "Drop(NoTransit, ergw)");
    assert_end(&ask(mesh, "vm", "10.3.0.4"), "Delivered(virtual network far)");
    // With transit it is, and the site knows the space without a route of its own.
    assert_end(&ask(er(transit_spokes(base())), "dc", "10.1.0.4"), "Delivered(network interface pvm)");
    let none = ask(er(spokes(base())), "dc", "10.1.0.4");
    assert_end(&none, "Drop(NoRoute)");
}

#[test]
fn peer_10_an_appliance_in_a_peered_network_is_reached() {
    let built = routes(spokes(base()), "rt", &[("0.0.0.0/0", NVA)], &["p/subnets/s"]);
    let answer = ask(built, "pvm", "10.77.0.1");
    assert_way(&answer, "pvm > fw");
    assert_eq!(answer.path().hops()[0].via, Some("p/virtualNetworkPeerings/v".into()));
}

#[test]
fn peer_11_a_vpn_gateway_hairpins_between_spokes_an_expressroute_gateway_does_not() {
    let built = |gateway| {
        routes(
            transit_spokes(base()).with(gateway),
            "rt",
            &[("10.1.0.0/16", "VirtualNetworkGateway"), ("10.2.0.0/16", "VirtualNetworkGateway")],
            &["p/subnets/s", "q/subnets/s"],
        )
    };
    let answer = ask(built(vpn_gateway("vpngw", "v")), "pvm", "10.2.0.4");
    assert_way(&answer, "pvm > vpngw > qvm");
    assert!(build(built(vpn_gateway("vpngw", "v"))).resolve_pair("pvm", ip("10.2.0.4")).unwrap().returns());
    let express_route = ask(built(er_gateway("ergw", "v")), "pvm", "10.2.0.4");
    assert_end(&express_route, "Drop(UnsupportedGatewayNextHop)");
}

#[test]
fn peer_12_a_basic_front_end_is_not_reached_over_global_peering() {
    let built = |sku, far: &str| {
        let front = FrontendIpConfiguration {
            name: "f".into(),
            private_ip_address: Some(ip("10.1.0.100")),
            subnet: Some("p/subnets/s".into()),
            public_ip_address: None,
        };
        let backend = azroute::model::Backend { network_interface: Some("pvm".into()), ..Default::default() };
        let ilb = LoadBalancer {
            id: "ilb".into(),
            sku,
            frontend_ip_configurations: vec![front],
            backends: vec![backend],
            outbound: false,
        };
        let far = far.to_owned();
        spokes(base()).with(ilb).configure(|d| {
            d.virtual_networks[0].location = Some("westeurope".into());
            d.virtual_networks[1].location = Some(far);
        })
    };
    let (basic, standard) = (LoadBalancerSku::Basic, LoadBalancerSku::Standard);
    assert_end(&ask(built(basic, "eastus"), "vm", "10.1.0.100"), "Drop(NextHopUnreachable, 10.1.0.100)");
    assert_end(&ask(built(basic, "West Europe"), "vm", "10.1.0.100"), "Delivered(network interface pvm)");
    assert_end(&ask(built(standard, "eastus"), "vm", "10.1.0.100"), "Delivered(network interface pvm)");
    // As next hop of a user route too.
    let hop = routes(built(basic, "eastus"), "rt", &[("10.77.0.0/16", "10.1.0.100")], &["v/subnets/s"]);
    assert_end(&ask(hop, "vm", "10.77.0.1"), "Drop(NextHopUnreachable, 10.1.0.100)");
}

#[test]
fn udr_4_the_next_hop_must_be_directly_connected_and_owned() {
    let to = |built, hop| {
        ends(&ask(routes(built, "rt", &[("10.77.0.0/16", hop)], &["p/subnets/s"]), "pvm", "10.77.0.1"))
    };
    assert_eq!(to(spokes(base()), NVA), ["Drop(NoneRoute, 10.0.0.0/8)"], "reached, and the appliance drops");
    assert_eq!(
        to(spokes(base()), "10.0.100.77"),
        ["Drop(NextHopUnreachable, 10.0.100.77)"],
        "nobody owns it"
    );
    assert_eq!(to(spokes(base()), "10.2.0.4"), ["Drop(NextHopUnreachable, 10.2.0.4)"], "two peerings away");
    // Behind an ExpressRoute gateway: the row stays Active.
    let built = routes(er(base()), "rt", &[("10.77.0.0/16", "10.50.0.9")], &["v/subnets/s"]);
    let answer = ask(built, "vm", "10.77.0.1");
    assert_end(&answer, "Drop(NextHopUnreachable, 10.50.0.9)");
    assert!(answer.next_hop().route().is_some() && decided(&answer, Rule::UDR_4));
}

fn to_gateway(builder: TopologyBuilder) -> TopologyBuilder {
    routes(builder, "rt", &[("10.60.0.0/16", "VirtualNetworkGateway")], &["v/subnets/s"])
}

#[test]
fn udr_5_the_designated_gateway_is_used_also_of_the_remote_network() {
    let built = branch(base().with(vpn_gateway("vpngw", "v")), "s2s", "10.60.0.0/16");
    let answer = ask(to_gateway(built.clone()), "vm", "10.60.0.9");
    assert_way(&answer, "vm > vpngw > s2s-site");
    assert!(decided(&answer, Rule::UDR_5));
    let spoke = routes(
        branch(transit_spokes(base()).with(vpn_gateway("vpngw", "v")), "s2s", "10.60.0.0/16"),
        "rt",
        &[("0.0.0.0/0", "VirtualNetworkGateway")],
        &["p/subnets/s"],
    );
    assert_way(&ask(spoke.clone(), "pvm", "10.60.0.9"), "pvm > vpngw > s2s-site");
    // What no connection leads to ends at the gateway.
    assert_end(&ask(spoke, "pvm", "8.8.8.8"), "Drop(NoRoute)");
}

#[test]
fn udr_6_any_other_designated_gateway_is_a_black_hole() {
    let vpn = || branch(base().with(vpn_gateway("vpngw", "v")), "s2s", "10.60.0.0/16");
    let server = RouteServer {
        id: "rs".into(),
        virtual_network: "v".into(),
        virtual_router_ips: Vec::new(),
        allow_branch_to_branch_traffic: false,
        hub_routing_preference: Default::default(),
        bgp_connections: Vec::new(),
        learned_routes: Vec::new(),
    };
    for built in [er(base()), vpn().with(er_gateway("ergw", "v")), vpn().with(server)] {
        assert_end(&ask(to_gateway(built), "vm", "10.60.0.9"), "Drop(UnsupportedGatewayNextHop)");
    }
}

#[test]
fn udr_7_without_a_gateway_it_drops() {
    let answer = ask(to_gateway(base()), "vm", "10.60.0.9");
    assert_end(&answer, "Drop(UnsupportedGatewayNextHop)");
    assert!(answer.next_hop().route().unwrap().next_hop_ip_addresses.is_empty());
    assert!(decided(&answer, Rule::UDR_7));
}

#[test]
fn udr_8_none_drops_internet_leaves_and_local_delivers() {
    let to = |prefix, hop, destination| {
        ends(&ask(routes(base(), "rt", &[(prefix, hop)], &["v/subnets/s"]), "vm", destination))
    };
    assert_eq!(to("203.0.113.0/24", "None", "203.0.113.9"), ["Drop(NoneRoute, 203.0.113.0/24)"]);
    let out = ["Egress(Internet, default outbound access)"];
    assert_eq!(to("10.77.0.0/16", "Internet", "10.77.0.1"), out);
    assert_eq!(to("10.0.100.0/24", "VnetLocal", NVA), ["Delivered(network interface fw)"]);
}

#[test]
fn udr_9_local_for_a_foreign_prefix_is_not_local() {
    let built = routes(spokes(base()), "rt", &[("10.1.0.0/24", "VnetLocal")], &["v/subnets/s"]);
    assert_end(&ask(built, "vm", "10.1.0.4"), "Drop(NotLocal)");
}
