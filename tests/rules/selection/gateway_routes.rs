//! GWR, FT and BGP: what gateways learn and give their networks.

use azroute::model::{
    Advertisement, Asn, BgpServiceCommunity, Change, CircuitPeering, Connection, ConnectionType, Document,
    LearnedRoute, LinkRole, LocalNetworkGateway, OnPremisesNextHop, PeeringType, RouteFilter, RouteServer,
    ServiceEndpoint, TopologyBuilder,
};
use azroute::resolve::{Disposition, DropReason, Egress, Place};

use crate::selection::support::{Lab, NVA, S, Steps, base, ip, net, peered, transit};

const ROW: &str = "Active VirtualNetworkGateway VirtualNetworkGateway GWR-1";
const GATEWAY: &str = "VirtualNetworkGateway 0.0.0.0/0";

fn branch(builder: TopologyBuilder, prefix: &str) -> TopologyBuilder {
    builder.vpn(&[]).branch("b", &[], true).site("site", prefix, "b")
}

fn with_path(lab: TopologyBuilder, path: &[u32]) -> Lab {
    let path: Vec<Asn> = path.iter().map(|n| Asn(*n)).collect();
    lab.configure(|d| d.on_premises_sites[0].advertisements[0].as_path = path).lab()
}

/// Learned by BGP over either kind, or told by a local network gateway: in every subnet, here and in transit spokes.
#[test]
fn gwr_1_a_row_per_prefix_in_every_subnet() {
    let lab = transit()
        .er(&[])
        .circuit("c", 0)
        .site("dc", "10.50.0.0/16", "c")
        .vpn(&[])
        .branch("b", &["10.60.0.0/16", "203.0.113.0/24"], true)
        .site("site", "10.61.0.0/16", "b")
        .virtual_network("q", &["10.2.0.0/16"])
        .subnet("q", "a", "10.2.1.0/24")
        .peer("v", "q")
        .lab();
    for prefix in ["10.50.0.0/16", "10.60.0.0/16", "203.0.113.0/24", "10.61.0.0/16"] {
        for subnet in [S, "v/subnets/nva", "v/subnets/GatewaySubnet", "p/subnets/a"] {
            assert_eq!(lab.at(subnet, prefix), [ROW], "{subnet} {prefix}");
        }
        assert!(lab.at("q/subnets/a", prefix).is_empty(), "no transit: {prefix}");
    }
    assert_eq!(lab.end(S, "10.50.0.1"), Disposition::OnPremises("dc".into()));
    assert_eq!(lab.end("p/subnets/a", "10.61.0.1"), Disposition::OnPremises("site".into()));
    let down = base().vpn(&[]).branch("b", &["10.60.0.0/16"], false);
    assert!(down.configure(|d| d.connections[0].connected = false).lab().s("10.60.0.0/16").is_empty());
}

#[test]
fn gwr_2_static_and_learned_prefixes_are_one_class() {
    for builder in [base().vpn(&[]).branch("b", &["10.50.0.0/16"], false), branch(base(), "10.50.0.0/16")] {
        assert_eq!(builder.clone().lab().s("10.50.0.0/16"), [ROW]);
        let user = builder.udr(&[("10.50.0.0/16", "NVA")]).lab();
        assert_eq!(
            user.s("10.50.0.0/16"),
            [
                "Active User VirtualAppliance UDR-2",
                "Invalid VirtualNetworkGateway VirtualNetworkGateway SEL-4"
            ]
        );
    }
    let protected = peered().vpn(&[]).branch("b", &["10.1.0.0/16", "10.0.3.0/24"], false).lab();
    assert_eq!(protected.hop("10.1.1.1"), "VNetPeering 10.1.0.0/16");
    assert_eq!(protected.hop("10.0.3.1"), "VnetLocal 10.0.0.0/16");
}

/// Each on-premises BGP peer is a host row.
#[test]
fn gwr_3_a_host_row_per_bgp_peer() {
    let with = |bgp: bool| {
        base()
            .vpn(&[])
            .with(Connection {
                enable_bgp: bgp,
                ..Connection::new("b", ConnectionType::IPsec, "vpn", "device")
            })
            .with(LocalNetworkGateway {
                id: "device".into(),
                asn: Some(Asn(65010)),
                bgp_peering_address: Some(ip("10.50.0.254")),
                ..LocalNetworkGateway::default()
            })
            .lab()
    };
    assert_eq!(with(true).s("10.50.0.254/32"), [ROW]);
    assert!(with(false).s("10.50.0.254/32").is_empty());
}

/// A withdrawn route disappears at once, and the next less specific row applies.
#[test]
fn gwr_4_a_withdrawn_route_disappears() {
    let told = |prefixes: &[&str]| base().er(prefixes).into_document().virtual_network_gateways[0].clone();
    let lab = base().er(&["10.50.0.0/16", "10.50.1.0/24"]).lab();
    let after = Lab { network: lab.network.apply(&[Change::upsert(told(&["10.50.0.0/16"]))]).unwrap() };
    assert_eq!(lab.hop("10.50.1.1"), "VirtualNetworkGateway 10.50.1.0/24");
    assert!(after.s("10.50.1.0/24").is_empty());
    assert_eq!(after.hop("10.50.1.1"), "VirtualNetworkGateway 10.50.0.0/16");
}

/// The rows of a gateway that is down vanish, here and in spokes.
#[test]
fn gwr_5_rows_vanish_with_the_gateway() {
    let lab = transit().er(&[]).circuit("c", 0).site("dc", "0.0.0.0/0", "c").lab();
    let gone = Lab { network: lab.network.apply(&[Change::Remove("er".into())]).unwrap() };
    let cut = Change::SetConnection { connection: "c-conn".into(), connected: false };
    let cut = Lab { network: lab.network.apply(&[cut]).unwrap() };
    for subnet in [S, "p/subnets/a"] {
        assert_eq!(lab.hop_from(subnet, "8.8.8.8"), GATEWAY);
        for down in [&gone, &cut] {
            assert_eq!(down.hop_from(subnet, "8.8.8.8"), "Internet 0.0.0.0/0");
            assert_eq!(down.hop_from(subnet, "10.50.0.1"), "None 10.0.0.0/8", "the None rows are back");
        }
    }
}

#[test]
fn ft_1_a_default_over_private_peering() {
    let lab = transit().er(&[]).circuit("c", 0).site("dc", "0.0.0.0/0", "c").lab();
    for subnet in [S, "v/subnets/nva", "p/subnets/a"] {
        assert_eq!(lab.hop_from(subnet, "8.8.8.8"), GATEWAY);
        assert_eq!(lab.end(subnet, "8.8.8.8"), Disposition::OnPremises("dc".into()));
    }
    let kept = transit()
        .er(&[])
        .circuit("c", 0)
        .site("dc", "0.0.0.0/0", "c")
        .udr(&[("198.51.100.0/24", "None")])
        .configure(|d| d.route_tables[0].disable_bgp_route_propagation = true)
        .lab();
    assert_eq!(kept.hop("8.8.8.8"), "Internet 0.0.0.0/0", "only where gateway routes are taken");
}

#[test]
fn ft_2_a_default_learned_over_vpn() {
    let lab = branch(base(), "0.0.0.0/0").lab();
    assert_eq!(lab.hop("8.8.8.8"), GATEWAY);
    assert!(lab.passes(S, "8.8.8.8", "vpn"));
}

/// The default site injects the default by itself.
#[test]
fn ft_3_the_default_site_injects_a_default() {
    let with = |site: Option<&str>, connected: bool| {
        base()
            .vpn(&[])
            .branch("b", &["10.50.0.0/16"], false)
            .branch("other", &["10.60.0.0/16"], false)
            .configure(|d| {
                d.virtual_network_gateways[0].gateway_default_site = site.map(Into::into);
                d.connections[0].connected = connected;
            })
            .lab()
    };
    let lab = with(Some("b-device"), true);
    assert_eq!(lab.s("0.0.0.0/0"), [ROW, "Absent Default Internet SYS-11"]);
    assert_eq!(lab.end(S, "8.8.8.8"), Disposition::OnPremises("b-device".into()));
    assert_eq!(with(None, true).hop("8.8.8.8"), "Internet 0.0.0.0/0");
    assert_eq!(with(Some("b-device"), false).hop("8.8.8.8"), "Internet 0.0.0.0/0");
}

/// A circuit with all three peerings, before public peering went; the default is advertised on one of them.
#[test]
fn ft_4_which_peerings_take_a_default() {
    let over = |peering| {
        base()
            .as_of("2017-12-01".parse().unwrap())
            .er(&[])
            .circuit("c", 0)
            .site("dc", "0.0.0.0/0", "c")
            .configure(|d| {
                let all = &mut d.express_route_circuits[0].peerings;
                all.push(CircuitPeering::new(PeeringType::MicrosoftPeering));
                all.push(CircuitPeering::new(PeeringType::AzurePublicPeering));
                d.on_premises_sites[0].advertisements[0].peering = peering;
            })
            .lab()
    };
    assert_eq!(over(PeeringType::AzurePrivatePeering).hop("8.8.8.8"), GATEWAY);
    for refused in [PeeringType::MicrosoftPeering, PeeringType::AzurePublicPeering] {
        assert_eq!(over(refused).s("0.0.0.0/0"), ["Active Default Internet SYS-2"]);
        assert!(matches!(over(refused).end(S, "8.8.8.8"), Disposition::Egress(Egress::Internet(_))));
    }
}

#[test]
fn ft_5_user_then_gateway_then_system_for_the_default() {
    let tunnelled = || base().er(&["0.0.0.0/0"]);
    let exempt = tunnelled().udr(&[("0.0.0.0/0", "Internet")]).lab();
    assert_eq!(exempt.hop("8.8.8.8"), "Internet 0.0.0.0/0");
    assert_eq!(exempt.hop_from("v/subnets/nva", "8.8.8.8"), GATEWAY, "one subnet only");
    let appliance = tunnelled().udr(&[("0.0.0.0/0", "NVA")]).lab();
    assert_eq!(appliance.hop("8.8.8.8"), "VirtualAppliance 0.0.0.0/0");
    assert_eq!(tunnelled().lab().hop("8.8.8.8"), GATEWAY);
    assert_eq!(base().er(&[]).lab().hop("8.8.8.8"), "Internet 0.0.0.0/0");
}

/// Service traffic is tunnelled like any other, except by service endpoint or private endpoint.
#[test]
fn ft_6_service_traffic_is_tunnelled_too() {
    let lab = peered()
        .er(&["0.0.0.0/0"])
        .tag("Storage", &["198.51.100.0/24"])
        .tag("Sql", &["203.0.113.0/24"])
        .endpoint("p/subnets/a", "10.1.1.4")
        .configure_subnet(S, |s| s.service_endpoints.push(ServiceEndpoint::new("Microsoft.Storage")))
        .lab();
    assert_eq!(lab.hop("203.0.113.1"), GATEWAY);
    assert_eq!(lab.end(S, "198.51.100.1"), Disposition::ServiceEndpoint("Microsoft.Storage".into()));
    assert_eq!(lab.hop_from("v/subnets/nva", "198.51.100.1"), GATEWAY);
    assert_eq!(lab.end(S, "10.1.1.4"), Disposition::PrivateEndpoint("pe".into()));
}

/// A site that tunnels everything and learns Storage over Microsoft peering of the same circuit.
fn storage_by_microsoft_peering() -> TopologyBuilder {
    base()
        .tag("Storage", &["198.51.100.0/24"])
        .er(&[])
        .circuit("c", 0)
        .site("dc", "0.0.0.0/0", "c")
        .with(RouteFilter { id: "filter".into(), communities: vec!["12076:52002".to_owned()] })
        .with(BgpServiceCommunity {
            community: "12076:52002".to_owned(),
            prefixes: vec![net("198.51.100.0/24")],
            ..BgpServiceCommunity::default()
        })
        .configure(|d| {
            let mut peering = CircuitPeering::new(PeeringType::MicrosoftPeering);
            peering.route_filter = Some("filter".into());
            d.express_route_circuits[0].peerings.push(peering);
            d.on_premises_sites[0].prefixes = vec![net("10.50.0.0/16")];
            d.on_premises_sites[0].nat_pool = Some(net("203.0.113.0/28"));
        })
}

/// To on-premises first; the customer's router sends it back by Microsoft peering.
#[test]
fn ft_7_service_traffic_goes_by_on_premises_to_microsoft_peering() {
    let lab = storage_by_microsoft_peering().lab();
    assert_eq!(lab.hop("198.51.100.1"), GATEWAY);
    assert_eq!(lab.end(S, "198.51.100.1"), Disposition::Egress(Egress::MicrosoftPeering("c".into())));
    let answer = lab.answer(S, "198.51.100.1");
    let places: Vec<String> = answer.path().hops().iter().map(|hop| hop.place.to_string()).collect();
    for (before, after) in [
        ("gateway er", "AzurePrivatePeering"),
        ("AzurePrivatePeering", "on-premises dc"),
        ("on-premises dc", "MicrosoftPeering"),
    ] {
        let at = |word: &str| places.iter().position(|p| p.contains(word)).unwrap();
        assert!(at(before) < at(after), "{places:?}");
    }
}

/// Both escapes for infrastructure traffic.
#[test]
fn ft_8_escapes_for_infrastructure_traffic() {
    let back = storage_by_microsoft_peering().lab();
    assert!(matches!(back.end(S, "198.51.100.1"), Disposition::Egress(Egress::MicrosoftPeering(_))));
    let direct = storage_by_microsoft_peering().udr(&[("198.51.100.0/24", "Internet")]).lab();
    assert!(matches!(direct.end(S, "198.51.100.1"), Disposition::Egress(Egress::MicrosoftBackbone(_))));
    assert_eq!(direct.hop("198.51.101.1"), GATEWAY, "only what the table names");
}

#[test]
fn ft_9_forced_tunnelling_fails_open() {
    let lab = base().er(&[]).circuit("c", 0).site("dc", "0.0.0.0/0", "c").lab();
    let links = LinkRole::BOTH.map(|link| Change::SetLink { circuit: "c".into(), link, up: false });
    let one = Lab { network: lab.network.apply(&links[..1]).unwrap() };
    assert_eq!(one.hop("8.8.8.8"), GATEWAY, "the other link still carries it");
    let down = Lab { network: lab.network.apply(&links).unwrap() };
    assert_eq!(down.s("0.0.0.0/0"), ["Active Default Internet SYS-2"]);
    assert!(matches!(down.end(S, "8.8.8.8"), Disposition::Egress(Egress::Internet(_))));
    assert_eq!(down.s("10.0.0.0/8"), ["Active Default None SYS-3"]);
}

/// Two VPN branches, one of which advertises a default.
#[test]
fn ft_11_a_default_is_not_passed_on_to_other_branches() {
    let two = || {
        base()
            .vpn(&[])
            .branch("a", &[], true)
            .site("sa", "10.50.0.0/16", "a")
            .branch("b", &[], true)
            .site("sb", "10.60.0.0/16", "b")
            .configure(|d| d.on_premises_sites[0].advertisements[0].prefixes.push(net("0.0.0.0/0")))
            .sends("sb", "0.0.0.0/0", OnPremisesNextHop::Connection("b".into()))
    };
    let lab = two().lab();
    assert_eq!(lab.hop("8.8.8.8"), GATEWAY);
    assert_eq!(lab.dropped("sb", "8.8.8.8"), DropReason::NoTransit("vpn".into()));
    assert_eq!(lab.end("sb", "10.50.0.1"), Disposition::OnPremises("sa".into()), "other prefixes are");
}

#[test]
fn ft_12_express_route_wins_the_default() {
    let lab = base().er(&["0.0.0.0/0"]).vpn(&["0.0.0.0/0"]).lab();
    assert!(lab.passes(S, "8.8.8.8", "er") && !lab.passes(S, "8.8.8.8", "vpn"));
    let without = base().er(&[]).vpn(&["0.0.0.0/0"]).lab();
    assert!(without.passes(S, "8.8.8.8", "vpn"));
}

#[test]
fn ft_13_two_halves_are_no_default() {
    for lab in [
        base().er(&["0.0.0.0/1", "128.0.0.0/1"]).lab(),
        base().udr(&[("0.0.0.0/1", "NVA"), ("128.0.0.0/1", "NVA")]).lab(),
    ] {
        assert_eq!(lab.s("0.0.0.0/0"), ["Active Default Internet SYS-2"]);
        assert_eq!(lab.s("10.0.0.0/8"), ["Active Default None SYS-3"]);
        assert_eq!(lab.hop("10.9.9.9"), "None 10.0.0.0/8");
        assert!(lab.hop("8.8.8.8").ends_with(" 0.0.0.0/1"));
        assert!(lab.hop("200.1.1.1").ends_with(" 128.0.0.0/1"));
    }
}

#[test]
fn ft_14_more_specific_rows_are_untouched() {
    let lab = peered().er(&["0.0.0.0/0"]).vpn(&["10.50.0.0/16"]).endpoint("p/subnets/a", "10.1.1.4").lab();
    assert_eq!(lab.hop("10.0.7.7"), "VnetLocal 10.0.0.0/16");
    assert_eq!(lab.hop("10.1.7.7"), "VNetPeering 10.1.0.0/16");
    assert_eq!(lab.hop("10.50.7.7"), "VirtualNetworkGateway 10.50.0.0/16");
    assert_eq!(lab.hop("10.1.1.4"), "InterfaceEndpoint 10.1.1.4/32");
}

/// What comes from on-premises for no network of ours is not passed on, with and without a learned default.
#[test]
fn ft_15_no_transit_to_the_internet_at_the_gateway() {
    for learned in [&[][..], &["0.0.0.0/0"]] {
        let lab = base()
            .er(learned)
            .vpn(&[])
            .branch("b", &["10.50.0.0/16"], false)
            .site("site", "10.50.0.0/16", "b")
            .sends("site", "8.8.8.0/24", OnPremisesNextHop::Connection("b".into()))
            .lab();
        assert_eq!(lab.dropped("site", "8.8.8.8"), DropReason::NoTransit("vpn".into()));
        assert_eq!(lab.rules("site", "8.8.8.8").contains(&"FT-15"), learned.is_empty());
        assert!(matches!(lab.end("site", "10.0.0.1"), Disposition::Delivered(_)));
    }
}

/// Each speaker drops a path with its own number: Microsoft's edge, gateways and the Route Server.
#[test]
fn bgp_5_a_path_with_the_speakers_own_number_is_dropped() {
    let circuit = || base().er(&[]).circuit("c", 0).site("dc", "10.50.0.0/16", "c");
    assert_eq!(with_path(circuit(), &[65001, 65002]).s("10.50.0.0/16"), [ROW]);
    assert!(with_path(circuit(), &[65001, 12076]).s("10.50.0.0/16").is_empty(), "the edge");
    assert!(with_path(circuit(), &[65001, 65515]).s("10.50.0.0/16").is_empty(), "the ExpressRoute gateway");
    let vpn = || branch(base(), "10.50.0.0/16");
    assert_eq!(with_path(vpn(), &[65001, 12076]).s("10.50.0.0/16"), [ROW]);
    assert!(with_path(vpn(), &[65001, 65515]).s("10.50.0.0/16").is_empty(), "the VPN gateway");
    let own = || vpn().configure(|d| d.virtual_network_gateways[0].asn = Asn(65050));
    assert!(with_path(own(), &[65001, 65050]).s("10.50.0.0/16").is_empty(), "its number may be changed");
    assert_eq!(with_path(own(), &[65001, 65515]).s("10.50.0.0/16"), [ROW]);
    assert_eq!(injected(&[65010, 65020]).s("10.70.0.0/16"), [ROW]);
    assert!(injected(&[65010, 65515, 65020]).s("10.70.0.0/16").is_empty(), "the Route Server");
}

fn injected(path: &[u32]) -> Lab {
    let server = RouteServer {
        id: "ars".into(),
        virtual_network: "v".into(),
        virtual_router_ips: Vec::new(),
        allow_branch_to_branch_traffic: false,
        hub_routing_preference: azroute::model::HubRoutingPreference::default(),
        bgp_connections: Vec::new(),
        learned_routes: vec![LearnedRoute {
            next_hop: Some(ip(NVA)),
            ..LearnedRoute::new(net("10.70.0.0/16"), path.iter().map(|n| Asn(*n)))
        }],
    };
    base().with(server).lab()
}

#[test]
fn bgp_6_a_route_server_drops_number_zero() {
    assert!(injected(&[65010, 0]).s("10.70.0.0/16").is_empty());
    assert_eq!(injected(&[65010, 1]).s("10.70.0.0/16"), [ROW]);
}

/// Up to /32, on private and Microsoft peering.
#[test]
fn bgp_8_any_prefix_length_is_accepted() {
    let lab = base()
        .er(&[])
        .circuit("c", 0)
        .site("dc", "10.50.1.1/32", "c")
        .configure(|d| {
            d.express_route_circuits[0].peerings.push(CircuitPeering::new(PeeringType::MicrosoftPeering));
            let prefixes = [net("10.51.0.0/31"), net("10.128.0.0/9"), net("0.0.0.0/0")];
            d.on_premises_sites[0].advertisements.push(Advertisement::new("c", prefixes, [Asn(65001)]));
            let mut public = Advertisement::new("c", [net("203.0.113.7/32")], [Asn(65001)]);
            public.peering = PeeringType::MicrosoftPeering;
            d.on_premises_sites[0].advertisements.push(public);
        })
        .lab();
    for prefix in ["10.50.1.1/32", "10.51.0.0/31", "10.128.0.0/9", "0.0.0.0/0"] {
        assert_eq!(lab.s(prefix)[0], ROW);
    }
    let open = base()
        .er(&[])
        .circuit("c", 0)
        .site("dc", "203.0.113.7/32", "c")
        .configure(|d| {
            d.express_route_circuits[0].peerings.push(CircuitPeering::new(PeeringType::MicrosoftPeering));
            d.on_premises_sites[0].advertisements[0].peering = PeeringType::MicrosoftPeering;
        })
        .lab();
    assert_eq!(open.end(S, "203.0.113.7"), Disposition::Egress(Egress::MicrosoftPeering("c".into())));
    assert!(matches!(open.end(S, "203.0.113.8"), Disposition::Egress(Egress::Internet(_))));
}

/// The links of a circuit as places on the way.
fn links(lab: &Lab, destination: &str) -> Vec<LinkRole> {
    let answer = lab.answer(S, destination);
    let mut found: Vec<LinkRole> = answer
        .hops()
        .filter_map(|hop| match &hop.place {
            Place::Msee { link, .. } => Some(*link),
            _ => None,
        })
        .collect();
    found.sort();
    found
}

/// Two adjacencies whose routes are united: both carry what both advertise, one carries what it alone does.
#[test]
fn bgp_9_two_sessions_are_one_set_of_routes() {
    let on = |link: Option<LinkRole>| {
        base()
            .er(&[])
            .circuit("c", 0)
            .site("dc", "10.50.0.0/16", "c")
            .configure(|d: &mut Document| d.on_premises_sites[0].advertisements[0].link = link)
            .lab()
    };
    assert_eq!(links(&on(None), "10.50.0.1"), LinkRole::BOTH);
    assert_eq!(on(None).s("10.50.0.0/16"), [ROW], "one row");
    for link in LinkRole::BOTH {
        let lab = on(Some(link));
        assert_eq!(lab.s("10.50.0.0/16"), [ROW]);
        assert_eq!(links(&lab, "10.50.0.1"), [link]);
        let cut = Change::SetLink { circuit: "c".into(), link, up: false };
        let cut = Lab { network: lab.network.apply(&[cut]).unwrap() };
        assert!(cut.s("10.50.0.0/16").is_empty(), "no redundancy");
    }
    // A longer path on one session makes the pair active-passive.
    let prepended = base()
        .er(&[])
        .circuit("c", 0)
        .site("dc", "10.50.0.0/16", "c")
        .configure(|d: &mut Document| {
            d.on_premises_sites[0].advertisements[0].link = Some(LinkRole::Secondary);
            let mut longer = Advertisement::new("c", [net("10.50.0.0/16")], [Asn(65001), Asn(65001)]);
            longer.link = Some(LinkRole::Primary);
            d.on_premises_sites[0].advertisements.push(longer);
        })
        .lab();
    assert_eq!(links(&prepended, "10.50.0.1"), [LinkRole::Secondary]);
}
