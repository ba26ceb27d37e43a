//! Replies, services and hosts on the Internet: what each leg of a conversation may do at Microsoft's edge.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use azroute::Network;
use azroute::model::{
    Advertisement, Asn, AzureFirewall, BgpServiceCommunity, CircuitPeering, DestinationNat,
    FrontendIpConfiguration, LoadBalancer, NatGateway, NetworkVirtualAppliance, OnPremisesSite, PeeringType,
    PublicIpAddress, RouteFilter, ServiceTag, Snat, TopologyBuilder,
};
use azroute::resolve::{Crossing, Leg, ResolveError, SeenDirection, Source};
use azroute::rule::Rule;

use crate::walk::support::*;

const SERVICE: &str = "198.51.100.7";
const OTHER_SERVICE: &str = "198.51.101.7";
const HOST: &str = "192.0.2.77";
const POOL: &str = "203.0.113.0/28";

fn public_ip(id: &str, address: &str) -> PublicIpAddress {
    PublicIpAddress { id: id.into(), ip_address: Some(ip(address)) }
}

/// `vm` with the public address 198.51.102.4.
fn public_vm(builder: TopologyBuilder) -> TopologyBuilder {
    builder.with(public_ip("vm-ip", "198.51.102.4")).configure(|d| {
        let vm = d.network_interfaces.iter_mut().find(|nic| nic.id.as_str() == "vm").unwrap();
        vm.ip_configurations[0].public_ip_address = Some("vm-ip".into());
    })
}

/// Microsoft peering on `c1` that carries 198.51.100.0/24; 198.51.101.0/24 is a service that its filter leaves out.
fn microsoft(builder: TopologyBuilder) -> TopologyBuilder {
    let community = |community: &str, prefix: &str| BgpServiceCommunity {
        community: community.into(),
        prefixes: nets(&[prefix]),
        ..BgpServiceCommunity::default()
    };
    builder
        .with(RouteFilter { id: "filter".into(), communities: vec!["12076:51004".into()] })
        .with(community("12076:51004", "198.51.100.0/24"))
        .with(community("12076:51006", "198.51.101.0/24"))
        .configure(|d| {
            for circuit in &mut d.express_route_circuits {
                let mut peering = CircuitPeering::new(PeeringType::MicrosoftPeering);
                peering.route_filter = Some("filter".into());
                circuit.peerings.push(peering);
            }
        })
}

/// `dc` with a pool of public addresses, told on Microsoft peering of `c1`.
fn msp() -> TopologyBuilder {
    let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
    dc.nat_pool = Some(net(POOL));
    dc.advertisements.push(advertise_on("c1", &["203.0.113.0/24"], PeeringType::MicrosoftPeering));
    microsoft(er(base()).with(dc))
}

/// `corp`, whose packets leave by the firewall of `er-edge` over `c1` or by that of `inet-edge`.
fn two_edges(er_edge: OnPremisesSite, inet_edge: OnPremisesSite) -> TopologyBuilder {
    let firewall = || azroute::model::Router { stateful: true, ..router("fw") };
    let built = base()
        .with(er_gateway("ergw", "v"))
        .with(circuit("c1"))
        .with(er_connection("ergw", "c1"))
        .with(site("corp", &["10.50.0.0/16"], &[]))
        .with(OnPremisesSite { routers: vec![firewall()], ..er_edge })
        .with(OnPremisesSite { routers: vec![firewall()], internet_breakout: true, ..inet_edge })
        .with(link("l1", "corp", "er-edge"))
        .with(link("l2", "corp", "inet-edge"))
        .configure(|d| {
            d.express_route_circuits[0].primary.edge_router = Some("er-edge/routers/fw".into());
            d.express_route_circuits[0].secondary.up = false;
        });
    microsoft(built)
}

fn edge(id: &str, pool: &str) -> OnPremisesSite {
    OnPremisesSite { nat_pool: Some(net(pool)), ..OnPremisesSite::new(id, []) }
}

fn c1() -> Crossing {
    Crossing::MicrosoftPeering("c1".into())
}

// Services and the Internet as sources.

#[test]
fn msp_2_a_service_opens_flows_to_what_the_customer_advertises() {
    let network = build(msp());
    let answer = network.resolve(Source::ServiceAddress(ip(SERVICE)), ip("203.0.113.9")).unwrap();
    assert_eq!(ways(&answer), ["service > c1:primary > dc", "service > c1:secondary > dc"]);
    assert!(decided(&answer, Rule::MSP_2));
    let pair = network.resolve_pair(Source::ServiceAddress(ip(SERVICE)), ip("203.0.113.9")).unwrap();
    assert_end(pair.reply().unwrap(), "Egress(MicrosoftPeering of c1)");
    assert!(pair.returns() && pair.asymmetries().is_empty());
    assert_eq!((pair.crossing(), pair.reply_crossing()), (Some(&c1()), Some(&c1())));
}

#[test]
fn msp_2_a_service_by_the_name_of_its_tag() {
    let tag = ServiceTag { name: "Storage.WestEurope".into(), address_prefixes: nets(&["198.51.100.0/25"]) };
    let network = build(msp().with(tag));
    let answer = network.resolve(Source::Service("storage.westeurope".into()), ip("203.0.113.9")).unwrap();
    assert_eq!(answer.header().source, ip("198.51.100.1"));
    assert_eq!(ways(&answer)[0], "Storage.WestEurope > c1:primary > dc");
    let unknown = network.resolve(Source::Service("Sql".into()), ip("203.0.113.9"));
    assert!(matches!(unknown, Err(ResolveError::UnknownSource { .. })));
    let private = network.resolve(Source::ServiceAddress(ip("10.0.0.1")), ip("203.0.113.9"));
    assert!(matches!(private, Err(ResolveError::NotPublic { .. })));
    // A service knows no private address.
    assert_end(
        &network.resolve(Source::ServiceAddress(ip(SERVICE)), ip("10.50.0.9")).unwrap(),
        "Drop(NoRoute)",
    );
}

#[test]
fn msp_7_a_longer_prefix_on_the_internet_beats_expressroute_and_an_equal_one_does_not() {
    let built = |internet: &str| {
        let mut builder = msp();
        builder = builder.configure(|d| {
            let dc = d.on_premises_sites.iter_mut().find(|site| site.id.as_str() == "dc").unwrap();
            dc.internet_prefixes = nets(&[internet]);
        });
        build(builder)
    };
    let service = || Source::ServiceAddress(ip(SERVICE));
    let by = |internet: &str, to: &str| ways(&built(internet).resolve(service(), ip(to)).unwrap())[0].clone();
    assert_eq!(by("203.0.113.0/24", "203.0.113.9"), "service > c1:primary > dc");
    assert_eq!(by("203.0.112.0/23", "203.0.113.9"), "service > c1:primary > dc");
    assert_eq!(by("203.0.113.0/25", "203.0.113.9"), "service > edge > dc");
    assert_eq!(by("203.0.113.0/25", "203.0.113.200"), "service > c1:primary > dc");
    // Replies of a virtual machine, too: its table says Internet, the edge decides (MSP-13).
    let answer = built("203.0.113.0/25").resolve("vm", ip("203.0.113.9")).unwrap().into_answer();
    assert_end(&answer, "Egress(Internet, default outbound access)");
}

/// `c1` and `c2` with one prefix, each with this path.
fn two_paths(peering: PeeringType, first: &[u32], second: &[u32]) -> TopologyBuilder {
    let mut dc = site("dc", &["10.50.0.0/16"], &[]);
    let told = |circuit: &str, path: &[u32]| Advertisement {
        as_path: path.iter().map(|asn| Asn(*asn)).collect(),
        ..advertise_on(circuit, &["203.0.113.0/24"], peering)
    };
    dc.advertisements = vec![told("c1", first), told("c2", second)];
    er(base()).with(dc).with(circuit("c2")).configure(move |d| {
        for circuit in &mut d.express_route_circuits {
            circuit.peerings.push(CircuitPeering::new(peering));
        }
    })
}

fn first_circuits(network: &Network, leg: Leg) -> Vec<String> {
    let answer = network.resolve_leg("vm", ip("203.0.113.9"), leg).unwrap();
    ways(&answer).iter().map(|way| way.split(" > ").nth(1).unwrap().to_owned()).collect()
}

#[test]
fn msp_6_private_numbers_in_a_path_make_it_no_longer() {
    let by = |first: &[u32], second: &[u32]| {
        let network = build(two_paths(PeeringType::MicrosoftPeering, first, second));
        first_circuits(&network, Leg::Initiate)
    };
    let both = ["c1:primary", "c1:secondary", "c2:primary", "c2:secondary"];
    assert_eq!(by(&[65_001], &[65_001, 65_001, 65_001]), both, "prepending a private number does nothing");
    assert_eq!(by(&[3_333], &[3_333, 3_333]), ["c1:primary", "c1:secondary"]);
    assert_eq!(by(&[3_333, 65_001], &[3_333]), both);
}

#[test]
fn msp_7_equal_paths_of_two_circuits_are_all_taken() {
    let network = build(two_paths(PeeringType::MicrosoftPeering, &[3_333], &[3_334]));
    assert_eq!(first_circuits(&network, Leg::Initiate).len(), 4);
    assert_eq!(first_circuits(&network, Leg::Reply).len(), 4);
}

#[test]
fn pub_7_private_numbers_count_on_public_peering() {
    let by = |first: &[u32], second: &[u32]| {
        let old =
            two_paths(PeeringType::AzurePublicPeering, first, second).as_of("2016-10-01".parse().unwrap());
        let network = build(old);
        first_circuits(&network, Leg::Reply)
    };
    assert_eq!(by(&[65_001], &[65_001, 65_001]), ["c1:primary", "c1:secondary"]);
}

// Public peering.

/// A circuit of 2016 with public peering, whose customer is seen as 203.0.113.0/28.
fn public(change: impl FnOnce(&mut OnPremisesSite)) -> TopologyBuilder {
    let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
    dc.nat_pool = Some(net(POOL));
    dc.advertisements.push(advertise_on("c1", &["203.0.113.0/24"], PeeringType::AzurePublicPeering));
    change(&mut dc);
    let prefixes = nets(&["198.51.100.0/24", "198.51.102.0/24"]);
    let cloud = ServiceTag { name: "AzureCloud".into(), address_prefixes: prefixes };
    public_vm(er(base())).with(dc).with(cloud).as_of("2016-10-01".parse().unwrap()).configure(|d| {
        d.express_route_circuits[0].peerings.push(CircuitPeering::new(PeeringType::AzurePublicPeering));
    })
}

#[test]
fn pub_3_a_reply_returns_over_public_peering_and_a_new_flow_does_not() {
    let network = build(public(|_| {}));
    let pair = network.resolve_pair("dc", ip(SERVICE)).unwrap();
    assert_end(pair.forward(), "Egress(PublicPeering of c1)");
    assert_eq!(pair.replies().len(), 2, "to the pool, then to the host behind it");
    assert_way(pair.reply().unwrap(), "c1:primary > dc");
    assert_end(&pair.replies()[1], "OnPremises(dc)");
    assert_eq!(pair.replies()[1].header().destination, ip("10.50.0.1"));
    assert!(pair.returns() && pair.asymmetries().is_empty());
    // What Azure opens to the same prefix goes by the Internet; the same packet as a reply does not.
    let opened = network.resolve_leg("vm", ip("203.0.113.0"), Leg::Initiate).unwrap();
    assert_end(&opened, "Egress(Internet, public IP)");
    let reply = network.resolve_leg("vm", ip("203.0.113.0"), Leg::Reply).unwrap();
    assert_eq!((reply.leg(), opened.leg()), (Leg::Reply, Leg::Initiate));
    assert_eq!(ways(&reply), ["vm > c1:primary > dc", "vm > c1:secondary > dc"]);
    assert!(decided(&reply, Rule::PUB_3));
}

#[test]
fn pub_3_a_machine_answers_over_the_session_that_the_flow_came_by() {
    let network = build(public(|_| {}));
    let pair = network.resolve_pair("dc", ip("198.51.102.4")).unwrap();
    assert_eq!(ways(pair.forward()), ["dc > c1:primary > vm", "dc > c1:secondary > vm"]);
    assert_eq!(pair.forward().path().hops()[2].header.destination, ip("10.0.0.4"));
    assert_way(pair.reply().unwrap(), "vm > c1:primary > dc");
    assert!(pair.returns() && pair.asymmetries().is_empty(), "{:?}", pair.asymmetries());
}

#[test]
fn pub_5_what_public_peering_refuses_is_no_way_back_either() {
    let back = |prefix: &str| {
        let network = build(public(|dc| dc.advertisements[1].prefixes = nets(&[prefix])));
        ways(&network.resolve_leg("vm", ip("203.0.113.0"), Leg::Reply).unwrap())
    };
    assert_eq!(back("203.0.113.0/24").len(), 2);
    assert_eq!(back("0.0.0.0/0"), ["vm > edge"]);
    let many: Vec<String> = (0..200).map(|i| format!("20.0.{i}.0/24")).collect();
    let network = build(public(|dc| dc.advertisements[1].prefixes.extend(many.iter().map(|p| net(p)))));
    let over = network.resolve_leg("vm", ip("203.0.113.0"), Leg::Reply).unwrap();
    assert_way(&over, "vm > edge");
}

// WALK-14.

#[test]
fn walk_14_a_reply_comes_by_the_internet_where_the_pool_is_not_advertised_on_expressroute() {
    let mut inet = edge("inet-edge", "203.0.113.16/28");
    inet.internet_prefixes = nets(&["203.0.113.0/24"]);
    let network = build(two_edges(edge("er-edge", POOL), inet));
    let pair = network.resolve_pair("corp", ip(SERVICE)).unwrap();
    assert_way(pair.forward(), "corp > er-edge/routers/fw > c1:primary");
    assert_way(pair.reply().unwrap(), "service > edge > inet-edge/routers/fw");
    assert_eq!((pair.crossing(), pair.reply_crossing()), (Some(&c1()), Some(&Crossing::Internet)));
    assert!(!pair.returns());
    let found: Vec<_> = pair.asymmetries().iter().map(|a| (a.place.as_str(), a.seen, a.rule)).collect();
    assert_eq!(
        found,
        [
            ("er-edge/routers/fw", SeenDirection::ForwardOnly, Rule::WALK_14),
            ("inet-edge/routers/fw", SeenDirection::ReplyOnly, Rule::WALK_14),
        ]
    );
    assert_eq!(pair.lost_at().unwrap().as_str(), "inet-edge/routers/fw");
    // Advertised there, the reply comes back as it went.
    let mut er_edge = edge("er-edge", POOL);
    er_edge.advertisements.push(advertise_on("c1", &["203.0.113.0/28"], PeeringType::MicrosoftPeering));
    let mut inet = edge("inet-edge", "203.0.113.16/28");
    inet.internet_prefixes = nets(&["203.0.113.0/24"]);
    let pair = build(two_edges(er_edge, inet)).resolve_pair("corp", ip(SERVICE)).unwrap();
    assert_way(pair.reply().unwrap(), "service > c1:primary > er-edge/routers/fw");
    assert!(pair.returns() && pair.asymmetries().is_empty() && pair.lost_at().is_none());
    assert_end(&pair.replies()[1], "OnPremises(corp)");
}

#[test]
fn walk_14_one_pool_on_both_goes_by_the_internet_and_returns_by_expressroute() {
    let built = |internet: &[&str]| {
        let mut er_edge = edge("er-edge", POOL);
        er_edge.advertisements.push(advertise_on("c1", &["203.0.113.0/24"], PeeringType::MicrosoftPeering));
        let mut inet = edge("inet-edge", POOL);
        inet.internet_prefixes = nets(internet);
        build(two_edges(er_edge, inet))
    };
    let pair = built(&["203.0.113.0/24"]).resolve_pair("corp", ip(OTHER_SERVICE)).unwrap();
    assert_end(pair.forward(), "Egress(Internet, from inet-edge)");
    assert_way(pair.forward(), "corp > inet-edge/routers/fw");
    assert_way(pair.reply().unwrap(), "service > c1:primary > er-edge/routers/fw");
    assert_eq!((pair.crossing(), pair.reply_crossing()), (Some(&Crossing::Internet), Some(&c1())));
    assert!(pair.asymmetries().iter().all(|a| a.rule == Rule::WALK_14) && pair.asymmetries().len() == 2);
    assert_eq!(pair.lost_at().unwrap().as_str(), "er-edge/routers/fw");
    // A longer prefix on the Internet brings it back (MSP-7).
    let longer = built(&["203.0.113.0/28"]).resolve_pair("corp", ip(OTHER_SERVICE)).unwrap();
    assert_way(longer.reply().unwrap(), "service > edge > inet-edge/routers/fw");
    assert!(longer.returns() && longer.asymmetries().is_empty(), "{:?}", longer.asymmetries());
}

/// WALK-12, WALK-14: without state nothing drops, and the different edges are told all the same.
#[test]
fn walk_14_without_state_the_edges_still_differ() {
    let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
    dc.nat_pool = Some(net(POOL));
    dc.internet_breakout = true;
    let pair = build(microsoft(er(base()).with(dc))).resolve_pair("dc", ip(SERVICE)).unwrap();
    assert_way(pair.reply().unwrap(), "service > edge > dc");
    assert!(pair.returns() && pair.lost_at().is_none());
    let found: Vec<_> = pair.asymmetries().iter().map(|a| (a.place.as_str(), a.seen, a.rule)).collect();
    assert_eq!(found, [("dc", SeenDirection::ReplyOnly, Rule::WALK_14)]);
}

/// WALK-14 (b) at a virtual machine: asked over the Internet, it answers by Microsoft peering, which knows the pool.
#[test]
fn walk_14_a_machine_asked_over_the_internet_answers_by_expressroute() {
    let mut er_edge = edge("er-edge", POOL);
    er_edge.advertisements.push(advertise_on("c1", &["203.0.113.0/24"], PeeringType::MicrosoftPeering));
    let network = build(public_vm(two_edges(er_edge, edge("inet-edge", POOL))));
    let pair = network.resolve_pair("corp", ip("198.51.102.4")).unwrap();
    assert_way(pair.forward(), "corp > inet-edge/routers/fw > edge > vm");
    assert_way(pair.reply().unwrap(), "vm > c1:primary > er-edge/routers/fw");
    assert_eq!((pair.crossing(), pair.reply_crossing()), (Some(&Crossing::Internet), Some(&c1())));
    assert_eq!(pair.lost_at().unwrap().as_str(), "er-edge/routers/fw");
    assert!(!pair.returns() && pair.asymmetries().iter().all(|a| a.rule == Rule::WALK_14));
}

/// MSP-13: what a virtual machine opens to a customer's public address, and how the customer answers.
#[test]
fn msp_13_the_customers_answer_to_a_virtual_machine() {
    let with_vm = |prefix: &str| {
        let community = BgpServiceCommunity {
            community: "12076:51004".into(),
            prefixes: nets(&[prefix]),
            ..BgpServiceCommunity::default()
        };
        build(public_vm(msp()).with(community))
    };
    let pair = with_vm("198.51.102.0/24").resolve_pair("vm", ip("203.0.113.9")).unwrap();
    assert_end(pair.forward(), "Egress(MicrosoftPeering of c1)");
    assert_eq!(pair.reply().unwrap().header().destination, ip("198.51.102.4"));
    assert_eq!(ways(pair.reply().unwrap())[0], "dc > c1:primary > vm");
    assert!(pair.returns() && pair.asymmetries().is_empty(), "{:?}", pair.asymmetries());
    // Where nobody declared the machine's public address no router can be asked for the way to it.
    let unknown = build(msp()).resolve_pair("vm", ip("203.0.113.9")).unwrap();
    assert!(unknown.reply().is_none() && !unknown.returns());
}

#[test]
fn msp_1_a_declared_public_address_leads_to_its_interface() {
    let community = BgpServiceCommunity {
        community: "12076:51004".into(),
        prefixes: nets(&["198.51.102.0/24"]),
        ..BgpServiceCommunity::default()
    };
    let network = build(public_vm(msp()).with(community));
    let answer = network.resolve("dc", ip("198.51.102.4")).unwrap();
    assert_eq!(ways(&answer), ["dc > c1:primary > vm", "dc > c1:secondary > vm"]);
    assert_end(&network.resolve("dc", ip("198.51.102.5")).unwrap(), "Egress(MicrosoftPeering of c1)");
}

// The Internet.

#[test]
fn ft_10_a_reply_into_the_tunnel_breaks_a_flow_from_the_internet() {
    let built = |default: bool| {
        let prefixes: &[&str] = if default { &["10.50.0.0/16", "0.0.0.0/0"] } else { &["10.50.0.0/16"] };
        let mut dc = site("dc", prefixes, &["c1"]);
        dc.prefixes = nets(&["10.50.0.0/16"]);
        dc.internet_breakout = true;
        build(public_vm(er(base())).with(dc))
    };
    let from = || Source::Internet(ip(HOST));
    let open = built(false).resolve_pair(from(), ip("198.51.102.4")).unwrap();
    assert_way(open.forward(), "internet > edge > vm");
    assert_eq!(open.forward().path().hops()[2].header.destination, ip("10.0.0.4"));
    assert_way(open.reply().unwrap(), "vm > edge");
    assert!(open.returns() && open.asymmetries().is_empty());
    let tunnelled = built(true).resolve_pair(from(), ip("198.51.102.4")).unwrap();
    assert_way(tunnelled.forward(), "internet > edge > vm");
    assert!(tunnelled.reply().unwrap().path().passes(&"ergw".into()));
    let found: Vec<_> = tunnelled.asymmetries().iter().map(|a| (a.place.as_str(), a.rule)).collect();
    assert_eq!(found, [("ergw", Rule::FT_10)]);
    assert_eq!(tunnelled.lost_at().unwrap().as_str(), "ergw");
}

#[test]
fn ft_10_the_first_stateful_hop_behind_the_tunnel_drops_the_reply() {
    let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
    dc.advertisements[0].prefixes.push(net("0.0.0.0/0"));
    dc.internet_breakout = true;
    dc.routers = vec![azroute::model::Router { stateful: true, ..router("fw") }];
    let pair = build(public_vm(er(base())).with(dc))
        .resolve_pair(Source::Internet(ip(HOST)), ip("198.51.102.4"))
        .unwrap();
    let found: Vec<_> = pair.asymmetries().iter().map(|a| (a.place.as_str(), a.seen, a.rule)).collect();
    assert_eq!(found, [("dc/routers/fw", SeenDirection::ReplyOnly, Rule::FT_10)]);
    assert_eq!(pair.lost_at().unwrap().as_str(), "dc/routers/fw");
}

#[test]
fn out_1_replies_from_the_internet_come_back_to_whose_address_it_was() {
    let nat = NatGateway { id: "nat".into(), public_ip_addresses: vec!["nat-ip".into()] };
    let named = base()
        .with(nat)
        .with(public_ip("nat-ip", "198.51.102.9"))
        .configure_subnet("v/subnets/s", |s| s.nat_gateway = Some("nat".into()));
    for (built, seen) in [(named, "198.51.102.9"), (base(), "10.0.0.4"), (public_vm(base()), "198.51.102.4")]
    {
        let pair = build(built).resolve_pair("vm", ip(HOST)).unwrap();
        let reply = pair.reply().unwrap();
        assert_way(reply, "internet > edge > vm");
        assert_eq!(reply.header().destination, ip(seen));
        assert!(pair.returns() && pair.asymmetries().is_empty());
    }
    // Nobody opens a flow to a NAT gateway's address.
    let alone = base().with(public_ip("nat-ip", "198.51.102.9"));
    let answer = build(alone).resolve(Source::Internet(ip(HOST)), ip("198.51.102.9")).unwrap().into_answer();
    assert_end(&answer, "Drop(NoRoute)");
}

#[test]
fn sys_8_a_service_answers_over_the_backbone() {
    let tag = ServiceTag { name: "Storage".into(), address_prefixes: nets(&["198.51.100.0/24"]) };
    let pair = build(base().with(tag)).resolve_pair("vm", ip(SERVICE)).unwrap();
    assert_end(pair.forward(), "Egress(MicrosoftBackbone, default outbound access)");
    assert_way(pair.reply().unwrap(), "service > vm");
    assert!(pair.returns() && pair.crossing().is_none());
}

#[test]
fn se_2_a_service_endpoint_answers_to_the_private_address() {
    let tag = ServiceTag { name: "Storage".into(), address_prefixes: nets(&["198.51.100.0/24"]) };
    let built = base().with(tag).configure_subnet("v/subnets/s", |s| {
        s.service_endpoints.push(azroute::model::ServiceEndpoint::new("Microsoft.Storage"));
    });
    let pair = build(built).resolve_pair("vm", ip(SERVICE)).unwrap();
    assert_end(pair.forward(), "ServiceEndpoint(Microsoft.Storage)");
    assert_way(pair.reply().unwrap(), "service > vm");
    assert_eq!(pair.reply().unwrap().header().destination, ip("10.0.0.4"));
}

#[test]
fn walk_9_the_internet_reaches_the_backends_of_a_public_front_end() {
    let balancer = LoadBalancer {
        id: "lb".into(),
        frontend_ip_configurations: vec![FrontendIpConfiguration {
            name: "f".into(),
            public_ip_address: Some("lb-ip".into()),
            ..FrontendIpConfiguration::default()
        }],
        backends: ["vm", "vm2"]
            .map(|nic| azroute::model::Backend {
                network_interface: Some(nic.into()),
                ..azroute::model::Backend::default()
            })
            .into(),
        ..LoadBalancer::default()
    };
    let built =
        base().nic("vm2", "v/subnets/s", "10.0.0.5").with(balancer).with(public_ip("lb-ip", "198.51.102.7"));
    let answer = build(built).resolve(Source::Internet(ip(HOST)), ip("198.51.102.7")).unwrap().into_answer();
    assert_eq!(ways(&answer), ["internet > edge > lb > vm", "internet > edge > lb > vm2"]);
}

/// WALK-8, FT-10: published by a firewall or an appliance, the reply passes it again and is written back.
#[test]
fn walk_8_a_published_server_answers_by_what_published_it() {
    let rewrite = |from: &str| DestinationNat {
        destination: net(from),
        destination_port: None,
        translated_address: ip("10.0.0.4"),
        translated_port: None,
    };
    let mut nva = NetworkVirtualAppliance::new("nva", ["fw".into()]);
    nva.dnat = vec![rewrite("10.0.100.4/32")];
    nva.snat = Snat::None;
    let by_nva = routes(base(), "rt", &[("0.0.0.0/0", NVA)], &["v/subnets/s"])
        .with(nva)
        .with(public_ip("ip", "198.51.102.8"))
        .configure(|d| {
            let fw = d.network_interfaces.iter_mut().find(|nic| nic.id.as_str() == "fw").unwrap();
            fw.ip_configurations[0].public_ip_address = Some("ip".into());
        });
    let from = || Source::Internet(ip(HOST));
    let pair = build(by_nva).resolve_pair(from(), ip("198.51.102.8")).unwrap();
    assert_way(pair.forward(), "internet > edge > nva > vm");
    assert_way(pair.reply().unwrap(), "vm > nva > edge");
    assert!(pair.returns() && pair.asymmetries().is_empty(), "{:?}", pair.asymmetries());

    let firewall = |dnat: Vec<DestinationNat>| AzureFirewall {
        id: "afw".into(),
        subnet: Some("v/subnets/AzureFirewallSubnet".into()),
        private_ip_address: Some(ip("10.0.200.4")),
        public_ip_addresses: vec!["ip".into()],
        dnat,
        ..AzureFirewall::default()
    };
    let by_firewall = |dnat| {
        let built = base()
            .subnet("v", "AzureFirewallSubnet", "10.0.200.0/26")
            .with(firewall(dnat))
            .with(public_ip("ip", "198.51.102.8"));
        build(routes(built, "rt", &[("0.0.0.0/0", "10.0.200.4")], &["v/subnets/s"]))
    };
    let pair =
        by_firewall(vec![rewrite("198.51.102.8/32")]).resolve_pair(from(), ip("198.51.102.8")).unwrap();
    assert_way(pair.forward(), "internet > edge > afw > vm");
    assert_way(pair.reply().unwrap(), "vm > afw > edge");
    let closed = by_firewall(Vec::new()).resolve(from(), ip("198.51.102.8")).unwrap().into_answer();
    assert_end(&closed, "Drop(DeniedByAppliance, afw)");
    // What the machine itself opens leaves by the firewall's address, and comes back to it first.
    let out = by_firewall(Vec::new()).resolve_pair("vm", ip(HOST)).unwrap();
    assert_eq!(out.replies()[0].header().destination, ip("198.51.102.8"));
    assert_way(&out.replies()[0], "internet > edge > afw");
    assert_way(&out.replies()[1], "afw > vm");
    assert!(out.returns() && out.asymmetries().is_empty(), "{:?}", out.asymmetries());
}

/// ISO-1: from outside the destination says whose conversation it is; a name that two tenants use is refused.
#[test]
fn iso_1_a_public_address_of_two_tenants_is_ambiguous_from_outside() {
    let other = OnPremisesSite {
        tenant: Some("fabrikam".into()),
        internet_prefixes: nets(&["203.0.113.0/24"]),
        ..OnPremisesSite::new("other", [])
    };
    let source = || Source::ServiceAddress(ip(SERVICE));
    let built = build(msp().with(other.clone()));
    let both = built.resolve(source(), ip("203.0.113.9"));
    let Err(ResolveError::AmbiguousDestination { tenants, .. }) = both else { unreachable!("{both:?}") };
    assert_eq!(tenants, ["-", "fabrikam"]);
    // From inside, the other tenant changes nothing.
    let alone = build(msp()).resolve_pair("dc", ip(SERVICE)).unwrap();
    assert_eq!(build(msp().with(other)).resolve_pair("dc", ip(SERVICE)).unwrap(), alone);
}

/// PE-6: from on-premises a private endpoint answers by the gateway, past the appliance that GatewaySubnet's table put
/// before it.
#[test]
fn pe_6_a_private_endpoint_answers_on_premises_by_the_gateway() {
    let endpoint = azroute::model::PrivateEndpoint {
        id: "pe".into(),
        subnet: "v/subnets/s".into(),
        private_ip_addresses: vec![ip("10.0.0.44")],
        ..Default::default()
    };
    let built = routes(er(base()), "gw", &[("10.0.0.44/32", NVA)], &["v/subnets/GatewaySubnet"]);
    let built = routes(built, "out", &[("10.50.0.0/16", NVA)], &["v/subnets/s"]).with(endpoint);
    let policies = |on: bool| {
        built.clone().configure_subnet("v/subnets/s", move |s| {
            if on {
                s.private_endpoint_network_policies = azroute::model::PrivateEndpointNetworkPolicies::Enabled;
            }
        })
    };
    let off = build(policies(false)).resolve_pair("dc", ip("10.0.0.44")).unwrap();
    assert_eq!(ways(off.forward())[0], "dc > c1:primary > ergw > fw > pe");
    assert_eq!(ways(off.reply().unwrap())[0], "pe > ergw > c1:primary > dc");
    assert!(off.asymmetries().iter().any(|a| a.place.as_str() == "fw" && a.rule == Rule::PE_6));
    let on = build(policies(true)).resolve_pair("dc", ip("10.0.0.44")).unwrap();
    assert_eq!(ways(on.reply().unwrap())[0], "pe > fw > ergw > c1:primary > dc");
    assert!(on.asymmetries().is_empty(), "{:?}", on.asymmetries());
}
