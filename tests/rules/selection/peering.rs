//! PEER: peering rows, what passes a peering, gateway transit.

use azroute::model::{
    Backend, ForwardedTraffic, FrontendIpConfiguration, LoadBalancer, LoadBalancerSku, OnPremisesNextHop,
    PeeringState, Topology, TopologyBuilder,
};
use azroute::resolve::{Disposition, DropReason, Place};

use crate::selection::support::{S, Steps, base, ip, net, peered, transit};

const ROW: &str = "Active Default VNetPeering PEER-1";

fn located(builder: TopologyBuilder, v: &str, p: &str) -> TopologyBuilder {
    builder.configure(|d| {
        d.virtual_networks[0].location = Some(v.to_owned());
        d.virtual_networks[1].location = Some(p.to_owned());
    })
}

/// A row per remote prefix, in every subnet of both networks, while both halves are connected.
#[test]
fn peer_1_a_row_per_remote_prefix_in_both_networks() {
    let lab = peered().configure(|d| d.virtual_networks[1].address_space.push(net("10.2.0.0/16"))).lab();
    for subnet in [S, "v/subnets/nva", "v/subnets/GatewaySubnet"] {
        assert_eq!(lab.at(subnet, "10.1.0.0/16"), [ROW]);
        assert_eq!(lab.at(subnet, "10.2.0.0/16"), [ROW]);
        assert!(lab.at(subnet, "10.1.1.0/24").is_empty());
    }
    assert_eq!(lab.at("p/subnets/a", "10.0.0.0/16"), [ROW]);
    assert_eq!(lab.hop("10.2.3.4"), "VNetPeering 10.2.0.0/16");
    for state in [PeeringState::Initiated, PeeringState::Disconnected] {
        for half in 0..2 {
            let lab = peered()
                .configure(|d| d.virtual_networks[half].peerings[0].peering_state = Some(state))
                .lab();
            assert!(lab.s("10.1.0.0/16").is_empty(), "{state:?} {half}");
            assert!(lab.at("p/subnets/a", "10.0.0.0/16").is_empty(), "{state:?} {half}");
        }
    }
    let one_half = base().virtual_network("p", &["10.1.0.0/16"]).peer_with("v", "p", |_| {}).lab();
    assert_eq!(one_half.hop("10.1.1.1"), "None 10.0.0.0/8");
}

/// Across regions the row has another type; case and blanks make no other region.
#[test]
fn peer_1_global_peering_has_its_own_type() {
    let global = "Active Default VNetGlobalPeering PEER-1";
    let far = located(peered(), "westeurope", "eastus").lab();
    assert_eq!(far.s("10.1.0.0/16"), [global]);
    assert_eq!(far.at("p/subnets/a", "10.0.0.0/16"), [global]);
    assert_eq!(located(peered(), "West Europe", "westeurope").lab().s("10.1.0.0/16"), [ROW]);
}

#[test]
fn peer_2_peering_is_not_transitive() {
    let lab =
        peered().virtual_network("q", &["10.2.0.0/16"]).subnet("q", "a", "10.2.1.0/24").peer("p", "q").lab();
    assert!(lab.s("10.2.0.0/16").is_empty());
    assert!(lab.at("q/subnets/a", "10.0.0.0/16").is_empty());
    assert_eq!(lab.at("p/subnets/a", "10.2.0.0/16"), [ROW]);
    assert_eq!(lab.dropped(S, "10.2.1.1"), DropReason::NoneRoute(net("10.0.0.0/8")));
}

#[test]
fn peer_3_overlapping_spaces_cannot_be_peered() {
    let two = |a: &str, b: &str| {
        Topology::builder().virtual_network("a", &[a]).virtual_network("b", &[b]).peer("a", "b").build()
    };
    assert!(two("10.0.0.0/16", "10.1.0.0/16").is_ok());
    assert!(two("10.0.0.0/16", "10.0.0.0/16").is_err());
    assert!(two("10.0.0.0/8", "10.1.0.0/24").is_err());
    // Two remotes of one network, by decision.
    let remotes = |c: &str| {
        Topology::builder()
            .virtual_network("a", &["10.0.0.0/16"])
            .virtual_network("b", &["10.1.0.0/16"])
            .virtual_network("c", &[c])
            .peer("a", "b")
            .peer("a", "c")
            .build()
    };
    assert!(remotes("10.2.0.0/16").is_ok());
    let refused = remotes("10.1.128.0/17").unwrap_err().to_string();
    assert!(refused.contains("overlaps"), "{refused}");
    // Not peered, not compared.
    let apart =
        Topology::builder().virtual_network("a", &["10.0.0.0/16"]).virtual_network("b", &["10.0.0.0/16"]);
    assert!(apart.build().is_ok());
}

/// The decision: the row stays, the fabric drops.
#[test]
fn peer_4_access_switched_off_at_either_end() {
    for (half, id) in [(0, "v/virtualNetworkPeerings/p"), (1, "p/virtualNetworkPeerings/v")] {
        let lab = peered()
            .configure(|d| d.virtual_networks[half].peerings[0].allow_virtual_network_access = false)
            .lab();
        assert_eq!(lab.s("10.1.0.0/16"), [ROW]);
        assert_eq!(lab.hop("10.1.1.1"), "VNetPeering 10.1.0.0/16");
        assert_eq!(lab.dropped(S, "10.1.1.1"), DropReason::PeeringAccessDisabled(id.into()));
        assert!(lab.rules(S, "10.1.1.1").contains(&"PEER-4"));
    }
    assert!(matches!(peered().lab().end(S, "10.1.1.1"), Disposition::Delivered(_)));
}

/// Spokes `v` and `q` of hub `p`, whose appliance forwards between them.
fn two_spokes(into_q: bool, out_of_p: bool, into_p: bool) -> TopologyBuilder {
    Topology::builder()
        .virtual_network("v", &["10.0.0.0/16"])
        .subnet("v", "s", "10.0.0.0/24")
        .virtual_network("p", &["10.1.0.0/16"])
        .subnet("p", "a", "10.1.1.0/24")
        .virtual_network("q", &["10.2.0.0/16"])
        .subnet("q", "a", "10.2.1.0/24")
        .appliance("hub-fw", "p/subnets/a", "10.1.1.4")
        .peer_with("v", "p", |_| {})
        .peer_with("p", "v", |half| half.allow_forwarded_traffic = into_p)
        .peer_with("q", "p", |half| half.allow_forwarded_traffic = into_q)
        .peer_with("p", "q", |half| half.allow_forwarded_traffic = out_of_p)
        .route("rt", "q", "10.2.0.0/16", "VirtualAppliance", &["10.1.1.4"])
        .bind(S, "rt")
}

/// The flag of the receiving network's half counts; packets of the sending network itself need none.
#[test]
fn peer_5_forwarded_traffic_is_let_in_by_the_receiver() {
    let lab = two_spokes(true, false, false).lab();
    assert!(lab.passes(S, "10.2.1.1", "hub-fw"));
    assert_eq!(lab.end(S, "10.2.1.1"), Disposition::Delivered(Place::Subnet("q/subnets/a".into())));
    assert!(lab.rules(S, "10.2.1.1").contains(&"PEER-5"));
    let refused = DropReason::ForwardedTrafficNotAllowed("q/virtualNetworkPeerings/p".into());
    assert_eq!(two_spokes(false, true, true).lab().dropped(S, "10.2.1.1"), refused);
    assert!(matches!(two_spokes(false, false, false).lab().end(S, "10.1.1.9"), Disposition::Delivered(_)));
    // The strict reading asks both ends (CON-9).
    let strict =
        |out| two_spokes(true, out, false).knob(|k| k.forwarded_traffic = ForwardedTraffic::BothEnds).lab();
    let refused = DropReason::ForwardedTrafficNotAllowed("p/virtualNetworkPeerings/q".into());
    assert_eq!(strict(false).dropped(S, "10.2.1.1"), refused);
    assert!(matches!(strict(true).end(S, "10.2.1.1"), Disposition::Delivered(_)));
}

#[test]
fn peer_5_a_vpn_gateway_needs_no_flag_to_forward() {
    let lab = transit()
        .vpn(&[])
        .branch("b", &["10.50.0.0/16"], false)
        .site("site", "10.50.0.0/16", "b")
        .configure(|d| {
            for vnet in &mut d.virtual_networks {
                vnet.peerings[0].allow_forwarded_traffic = false;
            }
        })
        .lab();
    assert_eq!(lab.end("site", "10.1.1.1"), Disposition::Delivered(Place::Subnet("p/subnets/a".into())));
}

/// Both flags are needed: the hub's routes appear in the spoke, and on-premises learns of the spoke.
#[test]
fn peer_6_gateway_transit_takes_both_flags() {
    let with = |uses: bool, allows: bool| {
        base()
            .virtual_network("p", &["10.1.0.0/16"])
            .subnet("p", "a", "10.1.1.0/24")
            .peer_with("v", "p", |half| half.allow_gateway_transit = allows)
            .peer_with("p", "v", |half| half.use_remote_gateways = uses)
            .er(&["10.60.0.0/16"])
            .circuit("c", 0)
            .site("site", "10.50.0.0/16", "c")
            .lab()
    };
    let row = "Active VirtualNetworkGateway VirtualNetworkGateway GWR-1";
    let lab = with(true, true);
    for prefix in ["10.50.0.0/16", "10.60.0.0/16"] {
        assert_eq!(lab.at("p/subnets/a", prefix), [row]);
        assert_eq!(lab.s(prefix), [row]);
    }
    assert_eq!(lab.end("p/subnets/a", "10.50.0.1"), Disposition::OnPremises("site".into()));
    assert!(matches!(lab.end("site", "10.1.1.1"), Disposition::Delivered(_)));
    for (uses, allows) in [(true, false), (false, true), (false, false)] {
        let lab = with(uses, allows);
        assert!(lab.at("p/subnets/a", "10.50.0.0/16").is_empty(), "{uses} {allows}");
        assert_eq!(lab.s("10.50.0.0/16"), [row]);
        assert_eq!(lab.dropped("site", "10.1.1.1"), DropReason::NoRoute, "{uses} {allows}");
    }
}

/// An own gateway comes first; global peering carries transit since 2019.
#[test]
fn peer_7_who_may_use_remote_gateways() {
    let spoke = |day: Option<&str>| {
        let builder = located(transit().er(&["10.50.0.0/16"]), "westeurope", "eastus");
        match day {
            Some(day) => builder.as_of(day.parse().unwrap()),
            None => builder,
        }
    };
    assert_eq!(spoke(None).lab().hop_from("p/subnets/a", "10.50.0.1"), "VirtualNetworkGateway 10.50.0.0/16");
    assert_eq!(spoke(Some("2018-12-31")).lab().hop_from("p/subnets/a", "10.50.0.1"), "None 10.0.0.0/8");
    let local =
        located(transit().er(&["10.50.0.0/16"]), "eastus", "eastus").as_of("2018-06-01".parse().unwrap());
    assert_eq!(local.lab().hop_from("p/subnets/a", "10.50.0.1"), "VirtualNetworkGateway 10.50.0.0/16");
    let mut own =
        crate::selection::support::gateway("own", azroute::model::GatewayType::Vpn, &["10.70.0.0/16"]);
    own.virtual_network = "p".into();
    let own = transit().er(&["10.50.0.0/16"]).with(own).lab();
    assert!(own.at("p/subnets/a", "10.50.0.0/16").is_empty());
    assert_eq!(own.hop_from("p/subnets/a", "10.70.0.1"), "VirtualNetworkGateway 10.70.0.0/16");
}

/// The Basic VPN SKU gives its routes to its own network only.
#[test]
fn peer_7_a_basic_vpn_gateway_serves_no_spoke() {
    let with = |sku: &str| {
        let sku = Some(sku.to_owned());
        transit().vpn(&["10.50.0.0/16"]).configure(|d| d.virtual_network_gateways[0].sku = sku).lab()
    };
    assert_eq!(with("VpnGw1").at("p/subnets/a", "10.50.0.0/16").len(), 1);
    assert_eq!(with("Basic").s("10.50.0.0/16").len(), 1);
    assert!(with("Basic").at("p/subnets/a", "10.50.0.0/16").is_empty());
}

/// A hub's gateway neither advertises nor serves a spoke without transit, even where on-premises sends to it.
#[test]
fn peer_8_without_transit_the_gateway_does_not_know_the_spoke() {
    let sent = |builder: TopologyBuilder| {
        builder
            .vpn(&[])
            .branch("b", &["10.50.0.0/16"], false)
            .site("site", "10.50.0.0/16", "b")
            .sends("site", "10.1.0.0/16", OnPremisesNextHop::Connection("b".into()))
            .lab()
    };
    let without = sent(peered());
    assert_eq!(without.dropped("site", "10.1.1.1"), DropReason::NoTransit("vpn".into()));
    assert!(without.rules("site", "10.1.1.1").contains(&"PEER-8"));
    assert!(matches!(sent(transit()).end("site", "10.1.1.1"), Disposition::Delivered(_)));
}

/// VNet-to-VNet over VPN gateways beside a peering: the peering carries the traffic.
#[test]
fn peer_9_peering_beats_a_gateway_path_to_the_same_network() {
    use azroute::model::{Connection, ConnectionType, GatewayType, VirtualNetworkGateway};
    let tunnels = |builder: TopologyBuilder| {
        builder
            .vpn(&["10.1.1.0/24"])
            .with(VirtualNetworkGateway::new("far", "p", GatewayType::Vpn))
            .with(Connection::new("out", ConnectionType::Vnet2Vnet, "vpn", "far"))
            .with(Connection::new("back", ConnectionType::Vnet2Vnet, "far", "vpn"))
    };
    let both = tunnels(peered()).lab();
    let refused = "Absent VirtualNetworkGateway VirtualNetworkGateway SEL-6";
    assert_eq!(both.s("10.1.0.0/16"), [ROW, refused]);
    assert_eq!(both.hop("10.1.1.1"), "VNetPeering 10.1.0.0/16", "even against a longer prefix");
    let only = tunnels(base().virtual_network("p", &["10.1.0.0/16"]).subnet("p", "a", "10.1.1.0/24")).lab();
    assert_eq!(only.hop("10.1.2.1"), "VirtualNetworkGateway 10.1.0.0/16");
}

#[test]
fn peer_10_an_appliance_in_a_directly_peered_network() {
    let chained = |hop: &str| {
        peered()
            .virtual_network("q", &["10.2.0.0/16"])
            .subnet("q", "a", "10.2.1.0/24")
            .peer("p", "q")
            .appliance("near", "p/subnets/a", "10.1.1.4")
            .appliance("second", "q/subnets/a", "10.2.1.4")
            .configure(|d| d.virtual_networks[1].peerings[0].allow_forwarded_traffic = true)
            .configure(|d| d.virtual_networks[2].peerings[0].allow_forwarded_traffic = true)
            .route("rt", "q", "10.2.0.0/16", "VirtualAppliance", &[hop])
            .bind(S, "rt")
            .lab()
    };
    assert!(chained("10.1.1.4").passes(S, "10.2.1.9", "near"));
    assert!(matches!(chained("10.1.1.4").end(S, "10.2.1.9"), Disposition::Delivered(_)));
    let unreachable = DropReason::NextHopUnreachable(ip("10.2.1.4"));
    assert_eq!(chained("10.2.1.4").dropped(S, "10.2.1.9"), unreachable, "one peering too far");
}

/// Spokes `p` and `q` of hub `v`, whose user routes send the other spoke's prefix to the gateway.
#[test]
fn peer_11_a_vpn_gateway_hairpins_between_spokes() {
    let spokes = || {
        transit()
            .virtual_network("q", &["10.2.0.0/16"])
            .subnet("q", "a", "10.2.1.0/24")
            .peer_with_gateway_transit("v", "q")
            .route("to-q", "q", "10.2.0.0/16", "VirtualNetworkGateway", &[])
            .bind("p/subnets/a", "to-q")
    };
    let vpn = spokes().vpn(&[]).lab();
    assert_eq!(vpn.hop_from("p/subnets/a", "10.2.1.1"), "VirtualNetworkGateway 10.2.0.0/16");
    assert!(vpn.passes("p/subnets/a", "10.2.1.1", "vpn"));
    assert_eq!(
        vpn.end("p/subnets/a", "10.2.1.1"),
        Disposition::Delivered(Place::Subnet("q/subnets/a".into()))
    );
    let express_route = spokes().er(&[]).lab();
    assert_eq!(express_route.dropped("p/subnets/a", "10.2.1.1"), DropReason::UnsupportedGatewayNextHop);
}

#[test]
fn peer_12_global_peering_does_not_reach_a_basic_front_end() {
    let with = |sku, far: &str| {
        let balancer = LoadBalancer {
            id: "lb".into(),
            sku,
            frontend_ip_configurations: vec![FrontendIpConfiguration {
                name: "front".into(),
                private_ip_address: Some(ip("10.1.1.10")),
                subnet: Some("p/subnets/a".into()),
                public_ip_address: None,
            }],
            backends: vec![Backend { network_interface: Some("back".into()), ..Backend::default() }],
            outbound: false,
        };
        let built = peered().appliance("back", "p/subnets/a", "10.1.1.5").with(balancer);
        located(
            built.udr(&[]).route("rt", "x", "198.51.100.0/24", "VirtualAppliance", &["10.1.1.10"]),
            "a",
            far,
        )
        .lab()
    };
    let unreachable = DropReason::NextHopUnreachable(ip("10.1.1.10"));
    let basic = with(LoadBalancerSku::Basic, "b");
    assert_eq!(basic.dropped(S, "10.1.1.10"), unreachable);
    assert_eq!(basic.dropped(S, "198.51.100.1"), unreachable, "as next hop too");
    assert!(basic.rules(S, "10.1.1.10").contains(&"PEER-12"));
    assert!(matches!(basic.end(S, "10.1.1.5"), Disposition::Delivered(_)), "only the front end");
    for (sku, far) in [(LoadBalancerSku::Standard, "b"), (LoadBalancerSku::Basic, "a")] {
        assert!(matches!(with(sku, far).end(S, "10.1.1.10"), Disposition::Delivered(_)), "{sku:?} {far}");
    }
}

/// Only the peering rows of the bound subnets go: gateway rows and the peers' endpoints stay.
#[test]
fn peer_13_a_table_can_hide_the_peering_rows() {
    let lab = peered()
        .er(&["10.50.0.0/16", "10.1.2.0/24"])
        .endpoint("p/subnets/a", "10.1.1.4")
        .udr(&[("198.51.100.0/24", "None")])
        .configure(|d| d.route_tables[0].disable_peering_route = true)
        .lab();
    let gateway = "Active VirtualNetworkGateway VirtualNetworkGateway GWR-1";
    assert_eq!(lab.s("10.1.0.0/16"), ["Absent Default VNetPeering PEER-13"]);
    assert_eq!(lab.s("10.50.0.0/16"), [gateway]);
    assert_eq!(lab.s("10.1.1.4/32"), ["Active Default InterfaceEndpoint PE-1"]);
    assert_eq!(lab.hop("10.1.3.1"), "None 10.0.0.0/8");
    // A hidden peer shields nothing (SEL-8), elsewhere it does.
    assert_eq!(lab.s("10.1.2.0/24"), [gateway]);
    assert_eq!(lab.at("v/subnets/nva", "10.1.0.0/16"), [ROW]);
    assert_eq!(
        lab.at("v/subnets/nva", "10.1.2.0/24"),
        ["Absent VirtualNetworkGateway VirtualNetworkGateway SEL-6"]
    );
    assert_eq!(lab.at("p/subnets/a", "10.0.0.0/16"), [ROW]);
}

#[test]
fn peer_14_a_mesh_joins_its_members_without_peerings() {
    let mesh = |builder: TopologyBuilder, members: &[usize]| {
        builder.configure(|d| {
            for member in members {
                d.virtual_networks[*member].connected_group = Some("Mesh".to_owned());
            }
        })
    };
    let row = "Active Default ConnectedGroup PEER-14";
    let two = || base().virtual_network("p", &["10.1.0.0/16", "10.2.0.0/16"]).subnet("p", "a", "10.1.1.0/24");
    let lab = mesh(two().er(&["10.1.5.0/24"]), &[0, 1]).lab();
    assert_eq!(lab.s("10.1.0.0/16"), [row]);
    assert_eq!(lab.s("10.2.0.0/16"), [row]);
    assert_eq!(lab.at("p/subnets/a", "10.0.0.0/16"), [row]);
    assert!(matches!(lab.end(S, "10.1.1.1"), Disposition::Delivered(_)));
    // The class of peering: protected against the gateway, not against the user.
    assert_eq!(lab.hop("10.1.5.5"), "ConnectedGroup 10.1.0.0/16");
    let user = mesh(two(), &[0, 1]).udr(&[("10.1.0.0/16", "NVA")]).lab();
    assert_eq!(
        user.s("10.1.0.0/16"),
        ["Active User VirtualAppliance UDR-2", "Invalid Default ConnectedGroup SEL-7"]
    );
    // Where both exist for a prefix the peering's row is kept.
    let both = mesh(peered(), &[0, 1]).lab();
    assert_eq!(both.s("10.1.0.0/16"), [ROW, "Absent Default ConnectedGroup PEER-14"]);
    let hidden = mesh(peered().udr(&[("198.51.100.0/24", "None")]), &[0, 1])
        .configure(|d| d.route_tables[0].disable_peering_route = true)
        .lab();
    assert_eq!(hidden.s("10.1.0.0/16"), [row, "Absent Default VNetPeering PEER-13"]);
    // Another group, or none, joins nothing.
    assert!(mesh(two(), &[0]).lab().s("10.1.0.0/16").is_empty());
}

/// Subnet peering: a row per listed remote subnet, in every subnet; spaces may overlap outside of them.
#[test]
fn peer_15_subnet_peering_routes_the_listed_subnets() {
    let listed = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        base()
            .virtual_network("p", &["10.1.0.0/16"])
            .subnet("p", "a", "10.1.0.0/24")
            .subnet("p", "b", "10.1.1.0/24")
            .subnet("p", "c", "10.1.2.0/24")
            .peer_with("p", "v", |_| {})
            .peer_with("v", "p", |half| {
                half.peer_complete_vnets = false;
                half.remote_subnet_names = names;
            })
            .endpoint("p/subnets/b", "10.1.1.4")
            .lab()
    };
    let lab = listed(&["a", "c"]);
    let row = "Active Default VNetPeering PEER-15";
    for subnet in [S, "v/subnets/nva"] {
        assert_eq!(lab.at(subnet, "10.1.0.0/24"), [row]);
        assert_eq!(lab.at(subnet, "10.1.2.0/24"), [row]);
        assert!(lab.at(subnet, "10.1.1.0/24").is_empty());
        assert!(lab.at(subnet, "10.1.0.0/16").is_empty());
    }
    assert_eq!(lab.hop("10.1.1.9"), "None 10.0.0.0/8");
    assert_eq!(lab.hop("10.1.2.9"), "VNetPeering 10.1.2.0/24");
    assert!(lab.s("10.1.1.4/32").is_empty(), "the endpoint's subnet is not listed");
    assert_eq!(listed(&["B"]).s("10.1.1.4/32").len(), 1);
    // PEER-3 compares the listed subnets only.
    let overlapping = |subnet: &str| {
        Topology::builder()
            .virtual_network("a", &["10.0.0.0/16", "10.9.0.0/24"])
            .subnet("a", "x", "10.9.0.0/24")
            .virtual_network("b", &["10.0.0.0/16", "10.8.0.0/24"])
            .subnet("b", "y", subnet)
            .peer_with("a", "b", |half| {
                half.peer_complete_vnets = false;
                half.remote_subnet_names = vec!["y".to_owned()];
            })
            .peer_with("b", "a", |half| {
                half.peer_complete_vnets = false;
                half.remote_subnet_names = vec!["x".to_owned()];
            })
            .build()
    };
    assert!(overlapping("10.8.0.0/24").is_ok(), "{:?}", overlapping("10.8.0.0/24"));
}
