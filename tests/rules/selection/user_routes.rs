//! UDR: route tables.

use azroute::model::{
    Backend, FrontendIpConfiguration, GatewayType, HubVirtualNetworkConnection, LoadBalancer,
    OnPremisesNextHop, RouteServer, Topology, TopologyBuilder, VirtualHub,
};
use azroute::resolve::{Disposition, DropReason, Egress, Flow, Place};

use crate::selection::support::{NVA, S, Steps, base, ip, net, peered, transit};

const USER: &str = "Active User VirtualAppliance UDR-2";
const LEARNED: &str = "Active VirtualNetworkGateway VirtualNetworkGateway GWR-1";

#[test]
fn udr_1_one_table_serves_many_subnets() {
    let lab = base()
        .subnet("v", "t", "10.0.7.0/24")
        .udr(&[("10.50.0.0/16", "NVA")])
        .bind("v/subnets/t", "rt")
        .lab();
    assert_eq!(lab.s("10.50.0.0/16"), [USER]);
    assert_eq!(lab.at("v/subnets/t", "10.50.0.0/16"), [USER]);
    assert!(lab.at("v/subnets/nva", "10.50.0.0/16").is_empty(), "not bound");
    // Binding another table replaces the first.
    let other = base()
        .udr(&[("10.50.0.0/16", "NVA")])
        .route("other", "x", "10.60.0.0/16", "None", &[])
        .bind(S, "other")
        .lab();
    assert!(other.s("10.50.0.0/16").is_empty());
    assert_eq!(other.s("10.60.0.0/16"), ["Active User None UDR-2"]);
}

#[test]
fn udr_2_a_table_is_merged_with_the_other_routes() {
    let lab = peered().er(&["10.60.0.0/16"]).udr(&[("10.50.0.0/16", "NVA")]).lab();
    assert_eq!(lab.s("10.50.0.0/16"), [USER]);
    assert_eq!(lab.s("10.0.0.0/16"), ["Active Default VnetLocal SYS-1"]);
    assert_eq!(lab.s("10.1.0.0/16"), ["Active Default VNetPeering PEER-1"]);
    assert_eq!(lab.s("10.60.0.0/16"), [LEARNED]);
    assert_eq!(lab.s("0.0.0.0/0"), ["Active Default Internet SYS-2"]);
}

#[test]
fn udr_3_a_prefix_stands_once_in_a_table() {
    let two = |a: &str, b: &str| {
        base().route("rt", "a", a, "None", &[]).route("rt", "b", b, "Internet", &[]).build()
    };
    let refused = two("10.50.0.0/16", "10.50.0.0/16").unwrap_err().to_string();
    assert!(refused.contains("UDR-3"), "{refused}");
    assert!(two("10.50.0.0/16", "10.50.3.4/16").is_err(), "host bits make no other prefix");
    assert!(two("Storage", "storage").is_err());
    assert!(two("10.50.0.0/16", "10.50.0.0/17").is_ok());
}

/// An address in the network or a direct peer, of an interface that forwards or an internal front end.
#[test]
fn udr_4_the_appliance_must_be_directly_connected() {
    let to = |builder: TopologyBuilder, hop: &str| {
        builder.route("rt", "x", "198.51.100.0/24", "VirtualAppliance", &[hop]).bind(S, "rt").lab()
    };
    let far = || {
        peered()
            .virtual_network("q", &["10.2.0.0/16"])
            .subnet("q", "a", "10.2.1.0/24")
            .peer("p", "q")
            .appliance("second", "q/subnets/a", "10.2.1.4")
            .appliance("near", "p/subnets/a", "10.1.1.4")
    };
    assert!(to(far(), NVA).passes(S, "198.51.100.1", "fw"));
    assert!(to(far(), "10.1.1.4").passes(S, "198.51.100.1", "near"));
    // Behind a second peering, behind the gateway, owned by nobody, public.
    for hop in ["10.2.1.4", "10.50.0.4", "10.0.100.77", "203.0.113.4"] {
        let lab = to(far().er(&["10.50.0.0/16"]), hop);
        assert_eq!(lab.s("198.51.100.0/24"), [USER], "the row stays Active");
        assert_eq!(lab.dropped(S, "198.51.100.1"), DropReason::NextHopUnreachable(ip(hop)));
        assert!(lab.rules(S, "198.51.100.1").contains(&"UDR-4"));
    }
    let closed = to(base().nic("host", S, "10.0.0.9"), "10.0.0.9");
    assert_eq!(closed.dropped(S, "198.51.100.1"), DropReason::NoIpForwarding("host".into()));
    let front = LoadBalancer {
        id: "lb".into(),
        frontend_ip_configurations: vec![FrontendIpConfiguration {
            name: "front".into(),
            private_ip_address: Some(ip("10.0.100.10")),
            subnet: Some("v/subnets/nva".into()),
            public_ip_address: None,
        }],
        backends: vec![Backend { network_interface: Some("fw".into()), ..Backend::default() }],
        ..LoadBalancer::default()
    };
    let balanced = to(base().with(front), "10.0.100.10");
    assert!(balanced.passes(S, "198.51.100.1", "lb") && balanced.passes(S, "198.51.100.1", "fw"));
}

fn to_gateway(builder: TopologyBuilder) -> TopologyBuilder {
    builder.udr(&[("10.50.0.0/16", "VirtualNetworkGateway")])
}

/// A branch that owns 10.50.0.0/16, behind the VPN gateway.
fn branch(builder: TopologyBuilder) -> TopologyBuilder {
    builder.vpn(&[]).branch("b", &["10.50.0.0/16"], false).site("site", "10.50.0.0/16", "b")
}

fn route_server() -> RouteServer {
    RouteServer {
        id: "ars".into(),
        virtual_network: "v".into(),
        virtual_router_ips: Vec::new(),
        allow_branch_to_branch_traffic: false,
        hub_routing_preference: azroute::model::HubRoutingPreference::default(),
        bgp_connections: Vec::new(),
        learned_routes: Vec::new(),
    }
}

/// The designated gateway is used, the network's own or that of the hub it uses.
#[test]
fn udr_5_the_designated_gateway() {
    let own = to_gateway(branch(base())).lab();
    assert_eq!(own.end(S, "10.50.0.1"), Disposition::OnPremises("site".into()));
    assert!(own.passes(S, "10.50.0.1", "vpn"));
    let spoke = branch(transit())
        .route("rt", "x", "10.50.0.0/16", "VirtualNetworkGateway", &[])
        .bind("p/subnets/a", "rt")
        .lab();
    assert!(spoke.passes("p/subnets/a", "10.50.0.1", "vpn"));
    assert_eq!(spoke.end("p/subnets/a", "10.50.0.1"), Disposition::OnPremises("site".into()));
}

/// Anything but VPN as the designated gateway drops; the other gateway is never used instead.
#[test]
fn udr_6_only_a_vpn_gateway_can_be_a_next_hop() {
    let hub = VirtualHub {
        address_prefix: Some(net("10.200.0.0/24")),
        virtual_network_connections: vec![HubVirtualNetworkConnection::new("v", "v")],
        ..VirtualHub::new("hub")
    };
    for (name, builder) in [
        ("ExpressRoute", base().er(&["10.50.0.0/16"])),
        ("coexistence", branch(base()).er(&[])),
        ("Route Server", branch(base()).with(route_server())),
        ("hub", base().with(hub)),
    ] {
        let lab = to_gateway(builder).lab();
        assert_eq!(lab.dropped(S, "10.50.0.1"), DropReason::UnsupportedGatewayNextHop, "{name}");
        assert!(lab.rules(S, "10.50.0.1").contains(&"UDR-6"), "{name}");
        assert_eq!(lab.hop("10.50.0.1"), "VirtualNetworkGateway 10.50.0.0/16", "{name}");
    }
}

#[test]
fn udr_7_without_a_gateway_it_drops() {
    let lab = to_gateway(base()).lab();
    assert_eq!(lab.dropped(S, "10.50.0.1"), DropReason::UnsupportedGatewayNextHop);
    assert!(lab.rules(S, "10.50.0.1").contains(&"UDR-7"));
    assert!(lab.active(S, "10.50.0.0/16").next_hop_ip_addresses.is_empty());
    // A peer's gateway without transit is no gateway of this network.
    let mut far = crate::selection::support::gateway("far", GatewayType::Vpn, &[]);
    far.virtual_network = "p".into();
    let peer = to_gateway(peered().with(far)).lab();
    assert!(peer.rules(S, "10.50.0.1").contains(&"UDR-7"));
}

#[test]
fn udr_8_none_internet_and_vnet_local() {
    let lab = base()
        .tag("Sql", &["203.0.113.0/24"])
        .er(&["0.0.0.0/0"])
        .udr(&[
            ("198.51.100.0/24", "None"),
            ("203.0.113.0/24", "Internet"),
            ("192.0.2.0/24", "Internet"),
            ("10.0.9.0/24", "VnetLocal"),
        ])
        .lab();
    assert_eq!(lab.dropped(S, "198.51.100.1"), DropReason::NoneRoute(net("198.51.100.0/24")));
    assert!(lab.rules(S, "198.51.100.1").contains(&"UDR-8"));
    assert!(matches!(lab.end(S, "192.0.2.1"), Disposition::Egress(Egress::Internet(_))));
    assert!(matches!(lab.end(S, "203.0.113.1"), Disposition::Egress(Egress::MicrosoftBackbone(_))));
    assert_eq!(lab.hop("10.0.9.1"), "VnetLocal 10.0.9.0/24");
    assert!(matches!(lab.end(S, "10.0.9.1"), Disposition::Delivered(_)));
}

#[test]
fn udr_9_vnet_local_outside_the_space_drops() {
    let lab = peered()
        .udr(&[("10.0.0.0/15", "VnetLocal"), ("10.1.1.0/24", "VnetLocal"), ("8.8.8.0/24", "VnetLocal")])
        .lab();
    for foreign in ["10.1.1.1", "8.8.8.8"] {
        assert_eq!(lab.dropped(S, foreign), DropReason::NotLocal, "{foreign}");
        assert!(lab.rules(S, foreign).contains(&"UDR-9"));
    }
    assert!(matches!(lab.end(S, "10.0.3.3"), Disposition::Delivered(_)));
    let wide = base().udr(&[("10.0.0.0/8", "VnetLocal")]).lab();
    assert_eq!(wide.hop("10.3.0.1"), "VnetLocal 10.0.0.0/8");
    assert_eq!(wide.dropped(S, "10.3.0.1"), DropReason::NotLocal);
}

/// Each prefix of the tag enters on its own.
#[test]
fn udr_10_a_service_tag_stands_for_its_prefixes() {
    let lab = base()
        .tag("Storage", &["198.51.100.0/24", "203.0.113.0/25"])
        .er(&["198.51.100.0/28", "203.0.0.0/16"])
        .udr(&[("storage", "NVA"), ("NoSuchTag", "None")])
        .lab();
    for prefix in ["198.51.100.0/24", "203.0.113.0/25"] {
        assert_eq!(lab.s(prefix), ["Active User VirtualAppliance UDR-10"]);
    }
    assert_eq!(lab.hop("203.0.113.127"), "VirtualAppliance 203.0.113.0/25");
    assert_eq!(lab.hop("203.0.113.128"), "VirtualNetworkGateway 203.0.0.0/16");
    assert_eq!(lab.hop("198.51.100.1"), "VirtualNetworkGateway 198.51.100.0/28", "longest match");
}

#[test]
fn udr_11_an_explicit_prefix_then_the_nearest_tag() {
    let order = ["198.51.100.0/24", "Storage.EastUS", "Storage", "AzureCloud.eastus", "AzureCloud"];
    for winner in 0..order.len() {
        // Whatever the order in the table.
        for reversed in [false, true] {
            let mut routes: Vec<(&str, &str)> = Vec::new();
            for (i, prefix) in order.iter().enumerate().skip(winner) {
                routes.push((prefix, if i == winner { "None" } else { "Internet" }));
            }
            if reversed {
                routes.reverse();
            }
            let mut builder = base();
            for tag in &order[1..] {
                builder = builder.tag(tag, &["198.51.100.0/24"]);
            }
            let lab = builder.udr(&routes).lab();
            let rule = if winner == 0 { "UDR-2" } else { "UDR-10" };
            let here = lab.s("198.51.100.0/24");
            assert_eq!(here[0], format!("Active User None {rule}"), "{}", order[winner]);
            assert_eq!(here[1..], vec!["Invalid User Internet UDR-11"; order.len() - 1 - winner]);
        }
    }
    // Only at equal prefixes: a longer prefix of a wider tag wins by its length.
    let longer = base()
        .tag("Storage.EastUS", &["198.51.100.0/24"])
        .tag("AzureCloud", &["198.51.100.0/25"])
        .udr(&[("Storage.EastUS", "None"), ("AzureCloud", "Internet")])
        .lab();
    assert_eq!(longer.hop("198.51.100.1"), "Internet 198.51.100.0/25");
    assert_eq!(longer.hop("198.51.100.129"), "None 198.51.100.0/24");
}

/// A table on `GatewaySubnet` steers what comes from on-premises; before mid-2016 it could not.
#[test]
fn udr_12_a_table_on_the_gateway_subnet_steers_ingress() {
    let built = |day: Option<&str>| {
        let builder = branch(transit())
            .route("gw", "spoke", "10.1.0.0/16", "VirtualAppliance", &[NVA])
            .bind("v/subnets/GatewaySubnet", "gw");
        match day {
            Some(day) => builder.as_of(day.parse().unwrap()).lab(),
            None => builder.lab(),
        }
    };
    let lab = built(None);
    assert!(lab.passes("site", "10.1.1.1", "fw"));
    assert!(!lab.passes("site", "10.0.0.1", "fw"), "only the spoke");
    assert!(!lab.passes(S, "10.1.1.1", "fw"), "only what comes in by the gateway");
    assert_eq!(lab.end("site", "10.1.1.1"), Disposition::Delivered(Place::Subnet("p/subnets/a".into())));
    assert!(built(Some("2016-07-01")).passes("site", "10.1.1.1", "fw"));
    assert!(!built(Some("2016-06-30")).passes("site", "10.1.1.1", "fw"));
}

#[test]
fn udr_14_route_server_subnet_takes_no_table_and_no_group() {
    let with = |change: fn(&mut azroute::model::Subnet)| {
        base()
            .subnet("v", "RouteServerSubnet", "10.0.254.0/27")
            .route("rt", "x", "10.50.0.0/16", "None", &[])
            .configure_subnet("v/subnets/RouteServerSubnet", change)
            .build()
    };
    assert!(with(|_| {}).is_ok());
    let refused = with(|s| s.route_table = Some("rt".into())).unwrap_err().to_string();
    assert!(refused.contains("UDR-14"), "{refused}");
    let refused = with(|s| s.network_security_group = Some("nsg".into())).unwrap_err().to_string();
    assert!(refused.contains("UDR-14"), "{refused}");
}

/// Learned, static and injected routes alike; user routes over VPN still work.
#[test]
fn udr_15_a_table_refuses_every_gateway_route() {
    let mut server = route_server();
    server.learned_routes = vec![azroute::model::LearnedRoute {
        next_hop: Some(ip(NVA)),
        ..azroute::model::LearnedRoute::new(net("10.70.0.0/16"), [65010.into()])
    }];
    let all = |refuse: bool| {
        branch(base())
            .er(&["10.60.0.0/16", "0.0.0.0/0"])
            .with(server.clone())
            .udr(&[("198.51.100.0/24", "None")])
            .configure(|d| d.route_tables[0].disable_bgp_route_propagation = refuse)
            .lab()
    };
    let gone = "Absent VirtualNetworkGateway VirtualNetworkGateway UDR-15";
    for prefix in ["10.50.0.0/16", "10.60.0.0/16", "10.70.0.0/16"] {
        assert_eq!(all(false).s(prefix), [LEARNED], "{prefix}");
        assert_eq!(all(true).s(prefix), [gone], "{prefix}");
        assert_eq!(all(true).at("v/subnets/nva", prefix), [LEARNED], "{prefix}");
        assert_eq!(all(true).hop(&prefix.replace("0.0/16", "0.1")), "None 10.0.0.0/8");
    }
    assert_eq!(all(true).s("0.0.0.0/0"), ["Active Default Internet SYS-2", gone]);
    let over_vpn = to_gateway(branch(base()))
        .configure(|d| d.route_tables[0].disable_bgp_route_propagation = true)
        .lab();
    assert_eq!(over_vpn.end(S, "10.50.0.1"), Disposition::OnPremises("site".into()));
}

/// On-premises hears of address spaces, not of what a table sends where.
#[test]
fn udr_16_user_routes_are_not_advertised() {
    let lab = base()
        .er(&[])
        .circuit("c", 0)
        .site("site", "10.50.0.0/16", "c")
        .udr(&[("10.77.0.0/16", "NVA")])
        .route("gw", "x", "10.77.0.0/16", "VirtualAppliance", &[NVA])
        .bind("v/subnets/GatewaySubnet", "gw")
        .lab();
    assert_eq!(lab.dropped("site", "10.77.0.1"), DropReason::NoRoute);
    assert!(matches!(lab.end("site", "10.0.0.9"), Disposition::Delivered(_)));
    // It would be forwarded if it came.
    let sent = base()
        .vpn(&[])
        .branch("b", &["10.50.0.0/16"], false)
        .site("site", "10.50.0.0/16", "b")
        .sends("site", "10.77.0.0/16", OnPremisesNextHop::Connection("b".into()))
        .route("gw", "x", "10.77.0.0/16", "VirtualAppliance", &[NVA])
        .bind("v/subnets/GatewaySubnet", "gw")
        .lab();
    assert!(sent.passes("site", "10.77.0.1", "fw"));
}

/// 2 to 64 addresses, one per flow, shown as one row of VirtualAppliance.
#[test]
fn udr_17_several_appliances_by_flow() {
    let with = |n: usize| {
        let hops: Vec<String> = (0..n).map(|i| format!("10.0.100.{}", 10 + i)).collect();
        let hops: Vec<&str> = hops.iter().map(String::as_str).collect();
        base().route("rt", "x", "198.51.100.0/24", "VirtualApplianceEcmp", &hops).bind(S, "rt").build()
    };
    for (n, fits) in [(1, false), (2, true), (64, true), (65, false)] {
        assert_eq!(with(n).is_ok(), fits, "{n}");
    }
    let lab = base()
        .appliance("fw2", "v/subnets/nva", "10.0.100.5")
        .route("rt", "x", "0.0.0.0/0", "VirtualApplianceEcmp", &["10.0.100.5", "10.0.100.4"])
        .bind(S, "rt")
        .lab();
    let row = lab.active(S, "0.0.0.0/0");
    assert_eq!(row.next_hop_type.as_str(), "VirtualAppliance");
    assert_eq!(row.next_hop_ip_addresses, [ip("10.0.100.4"), ip("10.0.100.5")]);
    assert!(lab.passes(S, "198.51.100.1", "fw") && lab.passes(S, "198.51.100.1", "fw2"));
    let taken = |port| {
        let answer = lab.network.resolve_flow(&Flow::tcp(S, port, ip("198.51.100.1"), 443)).unwrap();
        assert_eq!(answer.paths().count(), 1);
        (answer.path().passes(&"fw".into()), answer.path().passes(&"fw2".into()))
    };
    let all: std::collections::BTreeSet<_> = (50_000..50_040).map(taken).collect();
    assert_eq!(all, [(true, false), (false, true)].into());
    assert_eq!(taken(50_000), taken(50_000));
    let single = Topology::builder().route("rt", "x", "0.0.0.0/0", "VirtualAppliance", &[NVA, "10.0.100.5"]);
    assert!(single.build().is_err(), "several need the ECMP type");
}
