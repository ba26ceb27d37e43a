//! BGP, ER, MSP, PUB: what the edge of Microsoft's network does with what is declared.

use azroute::analysis::FindingCode;
use azroute::model::{
    Advertisement, Asn, BgpServiceCommunity, Change, CircuitPeering, CircuitSkuTier, Document, Knobs,
    LearnedRoute, Limits, LinkRole, OnPremisesNextHop, OnPremisesSite, PeeringType, PrivateEndpoint,
    RouteFilter, RouteServer, ServiceTag, TopologyBuilder,
};
use azroute::rule::Rule;

use super::support::*;

fn path_of(length: usize) -> Vec<Asn> {
    vec![Asn(65001); length]
}

/// `dc` advertises the prefix over both links with one path each.
fn per_link(prefix: &str, primary: usize, secondary: usize) -> OnPremisesSite {
    let mut dc = site("dc", &[prefix], &[]);
    let with = |link, n| Advertisement { as_path: path_of(n), ..on_link(link, advertise("c1", &[prefix])) };
    dc.advertisements = vec![with(LinkRole::Primary, primary), with(LinkRole::Secondary, secondary)];
    dc
}

fn many(count: u32) -> Vec<String> {
    (0..count).map(|i| format!("20.{}.{}.0/24", i >> 8, i & 255)).collect()
}

/// `dc` advertises 10.50.0.0/16 and so many others.
fn advertises(extra: u32) -> OnPremisesSite {
    let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
    dc.advertisements[0].prefixes.extend(many(extra).iter().map(|p| net(p)));
    dc
}

fn findings(builder: TopologyBuilder) -> Vec<(FindingCode, Option<Rule>)> {
    build(builder).findings().iter().map(|f| (f.code, f.rule)).collect()
}

#[test]
fn bgp_1_the_edge_counts_itself_so_a_path_by_vpn_is_one_shorter() {
    // ASPath preference at a Route Server compares the kinds: ExpressRoute's path has 12076 in it.
    let built = |er_path: usize, vpn_path: usize| {
        let mut server = route_server();
        server.hub_routing_preference = azroute::model::HubRoutingPreference::AsPath;
        let mut ergw = er_gateway("ergw", "v");
        ergw.learned_routes = vec![LearnedRoute::new(net("10.50.0.0/16"), path_of(er_path))];
        let mut vpngw = vpn_gateway("vpngw", "v");
        vpngw.learned_routes = vec![LearnedRoute::new(net("10.50.0.0/16"), path_of(vpn_path))];
        ways(&ask(base().with(server).with(ergw).with(vpngw), "vm", "10.50.0.9"))
    };
    assert_eq!(built(1, 1), ["vm > vpngw"]);
    assert_eq!(built(1, 2), ["vm > ergw"], "two each: ExpressRoute");
}

fn route_server() -> RouteServer {
    RouteServer {
        id: "rs".into(),
        virtual_network: "v".into(),
        virtual_router_ips: Vec::new(),
        allow_branch_to_branch_traffic: false,
        hub_routing_preference: Default::default(),
        bgp_connections: Vec::new(),
        learned_routes: Vec::new(),
    }
}

#[test]
fn bgp_5_a_speaker_drops_paths_with_its_own_number() {
    for (asn, accepted) in [(65001, true), (12076, false)] {
        let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
        dc.advertisements[0].as_path = vec![Asn(65001), Asn(asn)];
        let answer = ask(er(base()).with(dc), "vm", "10.50.0.9");
        assert_eq!(ends(&answer) == ["OnPremises(dc)"], accepted, "{asn}: {answer}");
    }
    let mut server = route_server();
    let mut relayed = LearnedRoute::new(net("10.70.0.0/16"), [Asn(65020), Asn(65515)]);
    relayed.next_hop = Some(ip(NVA));
    server.learned_routes = vec![relayed];
    assert_end(&ask(base().with(server), "vm", "10.70.0.9"), "Drop(NoneRoute, 10.0.0.0/8)");
}

#[test]
fn bgp_6_a_route_server_drops_paths_with_number_zero() {
    for (asn, end) in [(0, "Drop(NoneRoute, 10.0.0.0/8)"), (65030, "Loop(appliance fw)")] {
        let mut server = route_server();
        let mut route = LearnedRoute::new(net("10.70.0.0/16"), [Asn(65020), Asn(asn)]);
        route.next_hop = Some(ip(NVA));
        server.learned_routes = vec![route];
        assert_end(&ask(base().with(server), "vm", "10.70.0.9"), end);
    }
}

#[test]
fn bgp_8_host_routes_are_accepted() {
    let dc = site("dc", &["10.50.0.0/16", "10.51.7.7/32"], &["c1"]);
    let built = er(base()).with(dc);
    assert_end(&ask(built.clone(), "vm", "10.51.7.7"), "OnPremises(dc)");
    assert_end(&ask(built, "vm", "10.51.7.8"), "Drop(NoneRoute, 10.0.0.0/8)");
}

#[test]
fn bgp_9_both_sessions_are_united_and_one_alone_still_works() {
    let both = ask(er(base()).with(per_link("10.50.0.0/16", 1, 1)), "vm", "10.50.0.9");
    assert_eq!(ways(&both), ["vm > ergw > c1:primary > dc", "vm > ergw > c1:secondary > dc"]);
    let mut one = site("dc", &["10.50.0.0/16"], &[]);
    one.advertisements = vec![on_link(LinkRole::Secondary, advertise("c1", &["10.50.0.0/16"]))];
    assert_way(&ask(er(base()).with(one), "vm", "10.50.0.9"), "vm > ergw > c1:secondary > dc");
}

// ER.

#[test]
fn er_1_two_links_active_active_and_one_down_costs_only_capacity() {
    let network = build(er(base()));
    let (primary, secondary) = (LinkRole::Primary, LinkRole::Secondary);
    let without = |links: &[LinkRole]| {
        let down = |link: &LinkRole| Change::SetLink { circuit: "c1".into(), link: *link, up: false };
        network.apply(&links.iter().map(down).collect::<Vec<_>>()).unwrap()
    };
    let there = |n: &azroute::Network| n.resolve("vm", ip("10.50.0.9")).unwrap().into_answer();
    let back = |n: &azroute::Network| n.resolve("dc", ip("10.0.0.4")).unwrap().into_answer();
    assert_eq!(there(&network).paths().count(), 2);
    let one = without(&[primary]);
    assert_way(&there(&one), "vm > ergw > c1:secondary > dc");
    assert_way(&back(&one), "dc > c1:secondary > ergw > vm");
    let none = without(&[primary, secondary]);
    assert_end(&there(&none), "Drop(NoneRoute, 10.0.0.0/8)");
    assert_end(&back(&none), "Drop(NoRoute)");
}

#[test]
fn er_4_past_the_limit_the_whole_session_is_gone_not_the_excess() {
    let built = |n: u32, tier| {
        er(base()).with(advertises(n - 1)).configure(move |d: &mut Document| {
            d.express_route_circuits[0].sku_tier = tier;
        })
    };
    let (standard, premium) = (CircuitSkuTier::Standard, CircuitSkuTier::Premium);
    let end = |built| ends(&ask(built, "vm", "10.50.0.9"));
    assert_eq!(end(built(4_000, standard)), ["OnPremises(dc)"]);
    assert_eq!(end(built(4_001, standard)), ["Drop(NoneRoute, 10.0.0.0/8)"]);
    assert_eq!(end(built(4_001, premium)), ["OnPremises(dc)"]);
    // The way back is gone with the session.
    assert_end(&ask(built(4_001, standard), "dc", "10.0.0.4"), "Drop(NoRoute)");
    let lint = built(4_001, standard).knobs(Knobs { limits: Limits::LintOnly, ..Knobs::default() });
    assert!(findings(lint.clone()).contains(&(FindingCode::PrefixLimit, Some(Rule::ER_4))));
    assert_eq!(end(lint), ["OnPremises(dc)"]);
    // Over one link only: the other session stands.
    let mut dc = advertises(4_000);
    dc.advertisements[0].link = Some(LinkRole::Primary);
    dc.advertisements.push(on_link(LinkRole::Secondary, advertise("c1", &["10.50.0.0/16"])));
    let one = er(base()).with(dc);
    assert_way(&ask(one.clone(), "vm", "10.50.0.9"), "vm > ergw > c1:secondary > dc");
    assert_way(&ask(one, "dc", "10.0.0.4"), "dc > c1:secondary > ergw > vm");
}

#[test]
fn er_5_more_than_1000_prefixes_towards_on_premises_take_the_connection_down() {
    let built = |n: u32| {
        er(base()).configure(move |d: &mut Document| {
            d.virtual_networks[0].address_space.extend(many(n).iter().map(|p| net(p)));
        })
    };
    assert_end(&ask(built(999), "vm", "10.50.0.9"), "OnPremises(dc)");
    assert_end(&ask(built(1_000), "vm", "10.50.0.9"), "Drop(NoneRoute, 10.0.0.0/8)");
    assert_end(&ask(built(1_000), "dc", "10.0.0.4"), "Drop(NoRoute)");
    assert!(findings(built(1_000)).contains(&(FindingCode::ConnectionDown, Some(Rule::ER_5))));
}

#[test]
fn er_6_spaces_are_advertised_never_subnets_or_user_routes() {
    let built = routes(er(transit_spokes(base())), "rt", &[("10.88.0.0/16", NVA)], &["v/subnets/s"]);
    // Outside every subnet, inside the space: the site sends it.
    assert_end(&ask(built.clone(), "dc", "10.0.77.7"), "Delivered(virtual network v)");
    assert_end(&ask(built.clone(), "dc", "10.1.77.7"), "Delivered(virtual network p)");
    assert_end(&ask(built, "dc", "10.88.0.1"), "Drop(NoRoute)");
}

#[test]
fn er_7_any_prefix_is_accepted_the_default_too() {
    let dc = site("dc", &["0.0.0.0/0", "203.0.113.0/24", "172.20.0.0/16"], &["c1"]);
    let built = er(base()).with(dc);
    for destination in ["203.0.113.9", "172.20.0.9", "8.8.8.8"] {
        assert_end(&ask(built.clone(), "vm", destination), "OnPremises(dc)");
    }
}

/// Two circuits, `c2` with this weight; each advertises what is given.
fn two_circuits(first: (&[&str], usize), second: (&[&str], usize), weight: u16) -> TopologyBuilder {
    let mut dc = site("dc", &["10.50.0.0/16"], &[]);
    dc.advertisements = vec![
        Advertisement { as_path: path_of(first.1), ..advertise("c1", first.0) },
        Advertisement { as_path: path_of(second.1), ..advertise("c2", second.0) },
    ];
    let mut connection = er_connection("ergw", "c2");
    connection.routing_weight = weight;
    er(base()).with(dc).with(circuit("c2")).with(connection)
}

fn circuits(answer: &azroute::resolve::Answer) -> Vec<&'static str> {
    ["c1", "c2"].into_iter().filter(|c| answer.paths().any(|path| path.passes(&(*c).into()))).collect()
}

#[test]
fn er_8_length_then_weight_then_path_then_all() {
    let wide: &[&str] = &["10.50.0.0/16"];
    let halves: &[&str] = &["10.50.0.0/17", "10.50.128.0/17"];
    let by = |first, second, weight| circuits(&ask(two_circuits(first, second, weight), "vm", "10.50.0.9"));
    assert_eq!(by((halves, 9), (wide, 1), 100), ["c1"]);
    assert_eq!(by((wide, 1), (wide, 9), 100), ["c2"]);
    assert_eq!(by((wide, 1), (wide, 2), 0), ["c1"]);
    assert_eq!(by((wide, 1), (wide, 1), 0), ["c1", "c2"]);
    let losers = build(two_circuits((wide, 1), (wide, 9), 100)).explain("vm", ip("10.50.0.9")).unwrap();
    assert!(losers.to_string().contains("ER-8"), "{losers}");
}

#[test]
fn er_9_with_a_route_server_one_connection_carries_all() {
    let wide: &[&str] = &["10.50.0.0/16"];
    let built = two_circuits((wide, 1), (wide, 1), 0);
    assert_eq!(circuits(&ask(built.clone(), "vm", "10.50.0.9")), ["c1", "c2"]);
    assert_eq!(circuits(&ask(built.with(route_server()), "vm", "10.50.0.9")), ["c1"]);
}

#[test]
fn er_10_prepending_on_one_session_makes_the_pair_active_passive() {
    let built = er(base()).with(per_link("10.50.0.0/16", 3, 1));
    assert_way(&ask(built.clone(), "vm", "10.50.0.9"), "vm > ergw > c1:secondary > dc");
    let network = build(built);
    let change = Change::SetLink { circuit: "c1".into(), link: LinkRole::Secondary, up: false };
    let after = network.apply(&[change]).unwrap().resolve("vm", ip("10.50.0.9")).unwrap().into_answer();
    assert_way(&after, "vm > ergw > c1:primary > dc");
}

#[test]
fn er_11_the_customer_chooses_by_local_preference_then_the_rest() {
    let built = |preference: u32| {
        let mut dc = site("dc", &["10.50.0.0/16"], &["c1", "c2"]);
        dc.routes = vec![given("10.0.0.0/16", by_circuit("c2", None))];
        dc.routes[0].local_preference = preference;
        er(base()).with(dc).with(circuit("c2")).with(er_connection("ergw", "c2"))
    };
    assert_eq!(circuits(&ask(built(101), "dc", "10.0.0.4")), ["c2"]);
    assert_eq!(circuits(&ask(built(99), "dc", "10.0.0.4")), ["c1", "c2"]);
}

/// `v` and `w` on one circuit, or on two.
fn linked(second: &str, flags: (Option<bool>, Option<bool>)) -> TopologyBuilder {
    let (mut ergw, mut other) = (er_gateway("ergw", "v"), er_gateway("ergw2", "w"));
    (ergw.allow_remote_vnet_traffic, other.allow_remote_vnet_traffic) = flags;
    let built = er(base().virtual_network("w", &["10.9.0.0/16"]).nic("wvm", "w/subnets/s", "10.9.0.4"));
    let built = built.subnet("w", "s", "10.9.0.0/24").with(ergw).with(other);
    let built = if second == "c1" { built } else { built.with(circuit(second)) };
    built.with(er_connection("ergw2", second))
}

#[test]
fn er_12_networks_on_one_circuit_reach_each_other_where_both_ends_allow() {
    let end = |flags| ends(&ask(linked("c1", flags), "vm", "10.9.0.4"));
    let dropped = ["Drop(NoneRoute, 10.0.0.0/8)"];
    assert_eq!(end((None, None)), dropped, "off by default today");
    assert_eq!(end((Some(true), None)), dropped);
    let answer = ask(linked("c1", (Some(true), Some(true))), "vm", "10.9.0.4");
    let by = |link: &str| format!("vm > ergw > c1:{link} > ergw2 > wvm");
    assert_eq!(ways(&answer), [by("primary"), by("secondary")]);
    // Before mid-2023 on by default; an explicit flag wins.
    let then = |flags| linked("c1", flags).as_of("2023-05-31".parse().unwrap());
    assert_end(&ask(then((None, None)), "vm", "10.9.0.4"), "Delivered(network interface wvm)");
    assert_end(&ask(then((Some(false), None)), "vm", "10.9.0.4"), dropped[0]);
}

#[test]
fn er_13_separate_circuits_isolate() {
    let both = (Some(true), Some(true));
    assert_end(&ask(linked("c2", both), "vm", "10.9.0.4"), "Drop(NoneRoute, 10.0.0.0/8)");
    assert_end(&ask(linked("c1", both), "vm", "10.9.0.4"), "Delivered(network interface wvm)");
}

#[test]
fn er_14_no_transit_between_circuits_or_to_vpn() {
    let mut other = site("dc2", &["10.60.0.0/16"], &["c2"]);
    other.routes = vec![given("10.0.0.0/8", by_circuit("c2", None))];
    let built = er(base()).with(circuit("c2")).with(er_connection("ergw", "c2")).with(other);
    let answer = ask(built.clone(), "dc2", "10.50.0.9");
    assert_end(&answer, "Drop(NoTransit, ergw)");
    assert!(decided(&answer, Rule::ER_14));
    let vpn = branch(built.with(vpn_gateway("vpngw", "v")), "s2s", "10.70.0.0/16");
    assert_end(&ask(vpn, "dc2", "10.70.0.9"), "Drop(NoTransit, ergw)");
}

/// Sites `dc`, `dc2`, `dc3` on circuits of their own, without gateways; Global Reach between 1 and 2, 2 and 3.
fn global_reach() -> TopologyBuilder {
    let mut built = base();
    for (n, joined) in [(1, vec!["c2".into()]), (2, vec!["c3".into()]), (3, Vec::new())] {
        let id = format!("c{n}");
        let mut circuit = circuit(&id);
        circuit.global_reach = joined;
        circuit.peering_location = Some(format!("place {n}"));
        // Numbers of their own: what has one's own in its path one does not take.
        let mut site = site(&format!("dc{n}"), &[&format!("10.{n}0.0.0/16")], &[&id]);
        site.advertisements[0].as_path = vec![Asn(65_000 + n)];
        built = built.with(circuit).with(site);
    }
    built
}

#[test]
fn er_15_global_reach_joins_two_circuits_pairwise() {
    let answer = ask(global_reach(), "dc1", "10.20.0.9");
    assert_eq!(answer.paths().count(), 4, "two links on either side");
    assert_eq!(ways(&answer)[0], "dc1 > c1:primary > c2:primary > dc2");
    assert_end(&ask(global_reach(), "dc2", "10.10.0.9"), "OnPremises(dc1)");
    assert_end(&ask(global_reach(), "dc1", "10.30.0.9"), "Drop(NoRoute)");
    // Not on the Local SKU, not at one location, not without private peering, not past a limit.
    let end = |change: fn(&mut Document)| ends(&ask(global_reach().configure(change), "dc1", "10.20.0.9"));
    let none = ["Drop(NoRoute)"];
    assert_eq!(end(|d| d.express_route_circuits[1].sku_tier = CircuitSkuTier::Local), none);
    assert_eq!(end(|d| d.express_route_circuits[1].peering_location = Some("Place 1".into())), none);
    assert_eq!(end(|d| d.express_route_circuits[1].peerings.clear()), none);
    assert_eq!(end(|d| d.express_route_circuits[1].primary.up = false), ["OnPremises(dc2)"]);
    // A route that is announced on one link of the far circuit comes by that link.
    let mut dc2 = site("dc2", &["10.20.0.0/16"], &[]);
    dc2.advertisements = vec![on_link(LinkRole::Secondary, advertise("c2", &["10.20.0.0/16"]))];
    dc2.advertisements[0].as_path = vec![Asn(65_002)];
    let one = ask(global_reach().with(dc2), "dc1", "10.20.0.9");
    assert_eq!(ways(&one).len(), 2, "{one}");
    assert!(ways(&one).iter().all(|way| way.ends_with("c2:secondary > dc2")), "{one}");
}

#[test]
fn er_19_many_networks_link_to_one_circuit() {
    let built = linked("c1", (None, None));
    assert_end(&ask(built.clone(), "wvm", "10.50.0.9"), "OnPremises(dc)");
    assert_end(&ask(built, "dc", "10.9.0.4"), "Delivered(network interface wvm)");
}

#[test]
fn er_20_beyond_the_gateways_capacity_routes_are_kept_and_reported() {
    let mut ergw = er_gateway("ergw", "v");
    ergw.sku = Some("ErGw1Az".into());
    ergw.learned_routes = many(4_001).iter().map(|p| LearnedRoute::new(net(p), path_of(1))).collect();
    let built = base().with(ergw);
    let found = (FindingCode::GatewayRouteCapacityExceeded, Some(Rule::ER_20));
    assert!(findings(built.clone()).contains(&found));
    assert_end(&ask(built, "vm", "20.15.160.9"), "OnPremises(ergw)");
}

fn fast_path(builder: TopologyBuilder) -> TopologyBuilder {
    let mut connection = er_connection("ergw", "c1");
    connection.express_route_gateway_bypass = true;
    er(builder).with(connection)
}

#[test]
fn er_22_fastpath_skips_the_gateway_inbound_only() {
    let by = |builder: TopologyBuilder, destination: &str| ways(&ask(builder, "dc", destination))[0].clone();
    assert_eq!(by(fast_path(base()), "10.0.0.4"), "dc > c1:primary > vm");
    assert_eq!(by(er(base()), "10.0.0.4"), "dc > c1:primary > ergw > vm");
    assert_eq!(ways(&ask(fast_path(base()), "vm", "10.50.0.9"))[0], "vm > ergw > c1:primary > dc");
    // A route on GatewaySubnet, a spoke, a private endpoint: by the gateway. An empty table is no route.
    let gateway = ["v/subnets/GatewaySubnet"];
    let udr = routes(fast_path(base()), "gw", &[("10.88.0.0/16", NVA)], &gateway);
    assert_eq!(by(udr, "10.0.0.4"), "dc > c1:primary > ergw > vm");
    let empty = fast_path(base()).with(azroute::model::RouteTable::new("gw"));
    assert_eq!(by(empty.bind(gateway[0], "gw"), "10.0.0.4"), "dc > c1:primary > vm");
    assert_eq!(by(fast_path(transit_spokes(base())), "10.1.0.4"), "dc > c1:primary > ergw > pvm");
    let pe = PrivateEndpoint {
        id: "pe".into(),
        subnet: "v/subnets/s".into(),
        private_ip_addresses: vec![ip("10.0.0.44")],
        ..PrivateEndpoint::default()
    };
    assert_eq!(by(fast_path(base()).with(pe), "10.0.0.44"), "dc > c1:primary > ergw > pe");
}

#[test]
fn er_23_the_gateway_subnets_table_steers_what_comes_in() {
    let gateway = ["v/subnets/GatewaySubnet"];
    let end = |hop: &str| {
        let built = routes(er(transit_spokes(base())), "gw", &[("10.1.0.0/16", hop)], &gateway);
        ways(&ask(built, "dc", "10.1.0.4"))[0].clone()
    };
    assert_eq!(end(NVA), "dc > c1:primary > ergw > fw > pvm");
    assert_eq!(end("None"), "dc > c1:primary > ergw");
    // Only inbound: the spoke's own table decides the way back.
    let built = routes(er(transit_spokes(base())), "gw", &[("10.1.0.0/16", NVA)], &gateway);
    assert_eq!(ways(&ask(built.clone(), "pvm", "10.50.0.9"))[0], "pvm > ergw > c1:primary > dc");
    // Route tables work there since mid-2016.
    let before = built.as_of("2016-06-30".parse().unwrap());
    assert_eq!(ways(&ask(before, "dc", "10.1.0.4"))[0], "dc > c1:primary > ergw > pvm");
}

#[test]
fn er_23_what_a_gateway_has_no_way_for_is_no_transit() {
    let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
    dc.routes = vec![given("0.0.0.0/0", by_circuit("c1", None))];
    let answer = ask(er(base()).with(dc), "dc", "8.8.8.8");
    assert_end(&answer, "Drop(NoTransit, ergw)");
    assert!(decided(&answer, Rule::FT_15));
}

#[test]
fn er_25_private_addresses_of_customers_overlap_and_stay_apart() {
    let network = build(super::seed::two_customers());
    for (tenant, n) in [("contoso", 1), ("fabrikam", 2)] {
        let answer = network.resolve(format!("{tenant}-vm").as_str(), ip("10.50.0.9")).unwrap();
        assert_end(&answer, &format!("OnPremises({tenant}-dc)"));
        let back = network.resolve(format!("{tenant}-dc").as_str(), ip("10.0.0.4")).unwrap();
        assert_end(&back, &format!("Delivered(network interface {tenant}-vm)"));
        assert!(back.paths().all(|path| path.passes(&format!("c{n}").as_str().into())), "{back}");
    }
}

// MSP and PUB.

const SERVICE: &str = "198.51.100.7";

fn microsoft(change: impl FnOnce(&mut CircuitPeering)) -> CircuitPeering {
    let mut peering = CircuitPeering::new(PeeringType::MicrosoftPeering);
    peering.route_filter = Some("filter".into());
    change(&mut peering);
    peering
}

/// `er` with Microsoft peering on `c1`, a filter for 12076:51004 (198.51.100.0/24), and a public pool at `dc`.
fn msp(change: impl FnOnce(&mut CircuitPeering)) -> TopologyBuilder {
    let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
    dc.nat_pool = Some(net("203.0.113.0/28"));
    dc.advertisements.push(advertise_on("c1", &["203.0.113.0/24"], PeeringType::MicrosoftPeering));
    let community = |community: &str, prefix: &str| BgpServiceCommunity {
        community: community.into(),
        prefixes: nets(&[prefix]),
        ..BgpServiceCommunity::default()
    };
    let peering = microsoft(change);
    er(base())
        .with(dc)
        .with(RouteFilter { id: "filter".into(), communities: vec!["12076:51004".into()] })
        .with(community("12076:51004", "198.51.100.0/24"))
        .with(community("12076:51006", "198.51.101.0/24"))
        .with(community("12076:5010", "192.0.2.0/24"))
        .configure(|d| d.express_route_circuits[0].peerings.push(peering))
}

#[test]
fn msp_1_services_on_public_addresses_never_private_space() {
    let answer = ask(msp(|_| {}), "dc", SERVICE);
    assert_end(&answer, "Egress(MicrosoftPeering of c1)");
    assert_eq!(ways(&answer), ["dc > c1:primary", "dc > c1:secondary"]);
    // Private space still goes by private peering.
    assert_end(&ask(msp(|_| {}), "dc", "10.0.0.4"), "Delivered(network interface vm)");
    let only = msp(|_| {}).configure(|d| {
        d.express_route_circuits[0].peerings.retain(|p| p.peering_type == PeeringType::MicrosoftPeering)
    });
    assert_end(&ask(only, "dc", "10.0.0.4"), "Drop(NoRoute)");
}

#[test]
fn msp_2_azure_opens_flows_to_what_the_customer_advertises() {
    assert_end(&ask(msp(|_| {}), "vm", "203.0.113.9"), "Egress(MicrosoftPeering of c1)");
}

const INTERNET: &str = "Egress(Internet, default outbound access)";

#[test]
fn msp_3_only_validated_prefixes_are_accepted() {
    assert_end(&ask(msp(|p| p.validated = false), "vm", "203.0.113.9"), INTERNET);
    assert!(
        findings(msp(|p| p.validated = false)).contains(&(FindingCode::RoutesRefused, Some(Rule::MSP_3)))
    );
    // The registered list counts as advertised.
    let registered = msp(|p| p.advertised_public_prefixes = nets(&["192.0.2.128/25"]));
    assert_end(&ask(registered, "vm", "192.0.2.200"), "Egress(MicrosoftPeering of c1)");
}

#[test]
fn msp_4_default_and_private_routes_are_discarded_the_rest_stays() {
    let built = || {
        msp(|_| {}).configure(|d| {
            d.on_premises_sites[0].advertisements[1].prefixes.extend(nets(&["0.0.0.0/0", "10.77.0.0/16"]));
        })
    };
    assert_end(&ask(built(), "vm", "8.8.8.8"), INTERNET);
    assert_end(&ask(built(), "vm", "10.77.0.1"), "Drop(NoneRoute, 10.0.0.0/8)");
    assert_end(&ask(built(), "vm", "203.0.113.9"), "Egress(MicrosoftPeering of c1)");
    assert!(findings(built()).contains(&(FindingCode::RoutesRefused, Some(Rule::MSP_4))));
}

#[test]
fn msp_5_past_200_prefixes_the_session_drops() {
    let built = |extra: u32| {
        msp(|_| {}).configure(move |d: &mut Document| {
            let prefixes = &mut d.on_premises_sites[0].advertisements[1].prefixes;
            prefixes.extend(many(extra).iter().map(|p| net(p)));
        })
    };
    assert_end(&ask(built(199), "vm", "203.0.113.9"), "Egress(MicrosoftPeering of c1)");
    assert_end(&ask(built(200), "vm", "203.0.113.9"), INTERNET);
    assert_end(&ask(built(200), "dc", SERVICE), "Drop(NoRoute)");
    // Private peering is another session.
    assert_end(&ask(built(200), "vm", "10.50.0.9"), "OnPremises(dc)");
}

#[test]
fn msp_7_longest_match_across_circuits_and_expressroute_before_internet() {
    let mut c2 = circuit("c2");
    c2.peerings.push(CircuitPeering::new(PeeringType::MicrosoftPeering));
    let mut dc2 = site("dc2", &["10.60.0.0/16"], &["c2"]);
    dc2.advertisements.push(advertise_on("c2", &["203.0.113.128/25"], PeeringType::MicrosoftPeering));
    let built = msp(|_| {}).with(c2).with(dc2);
    assert_end(&ask(built.clone(), "vm", "203.0.113.9"), "Egress(MicrosoftPeering of c1)");
    assert_end(&ask(built.clone(), "vm", "203.0.113.200"), "Egress(MicrosoftPeering of c2)");
    assert_end(&ask(built, "vm", "203.0.114.9"), INTERNET);
}

#[test]
fn msp_8_without_a_filter_nothing_is_advertised() {
    let end = |change: fn(&mut CircuitPeering), to: &str| ends(&ask(msp(change), "dc", to));
    assert_eq!(end(|_| {}, SERVICE), ["Egress(MicrosoftPeering of c1)"]);
    assert_eq!(end(|p| p.route_filter = None, SERVICE), ["Drop(NoRoute)"]);
    // Configured before 2017-08-01: Microsoft 365 whatever the filter, and nothing else.
    let old = |p: &mut CircuitPeering| {
        p.route_filter = None;
        p.configured = Some("2017-07-31".parse().unwrap());
    };
    assert_eq!(end(old, "192.0.2.7"), ["Egress(MicrosoftPeering of c1)"]);
    assert_eq!(end(old, SERVICE), ["Drop(NoRoute)"]);
    let new = |p: &mut CircuitPeering| {
        p.route_filter = None;
        p.configured = Some("2017-08-01".parse().unwrap());
    };
    assert_eq!(end(new, "192.0.2.7"), ["Drop(NoRoute)"]);
}

#[test]
fn msp_9_the_filters_communities_pick_the_prefixes() {
    assert_end(&ask(msp(|_| {}), "dc", "198.51.101.7"), "Drop(NoRoute)");
    let both = msp(|_| {}).with(RouteFilter {
        id: "filter".into(),
        communities: vec!["12076:51004".into(), "12076:51006".into()],
    });
    assert_end(&ask(both, "dc", "198.51.101.7"), "Egress(MicrosoftPeering of c1)");
}

#[test]
fn msp_12_sources_are_public_when_they_enter() {
    let answer = ask(msp(|_| {}), "dc", SERVICE);
    for path in answer.paths() {
        assert!(net("203.0.113.0/28").contains(&path.hops().last().unwrap().header.source), "{answer}");
    }
    assert!(decided(&answer, Rule::MSP_12));
    // Towards Azure's private space nothing is rewritten.
    let private = ask(msp(|_| {}), "dc", "10.0.0.4");
    assert_eq!(private.path().hops().last().unwrap().header.source, ip("10.50.0.1"));
}

#[test]
fn msp_13_the_table_says_internet_the_path_microsoft_peering() {
    let answer = ask(msp(|_| {}), "vm", "203.0.113.9");
    assert_eq!(answer.next_hop().route().unwrap().next_hop_type.as_str(), "Internet");
    assert_eq!(ways(&answer), ["vm > c1:primary", "vm > c1:secondary"]);
    let network = build(msp(|_| {}));
    let down = Change::SetLink { circuit: "c1".into(), link: LinkRole::Primary, up: false };
    let after = network.apply(&[down]).unwrap().resolve("vm", ip("203.0.113.9")).unwrap().into_answer();
    assert_way(&after, "vm > c1:secondary");
}

#[test]
fn msp_14_no_vpn_stands_in_for_microsoft_peering() {
    let built = branch(msp(|_| {}).with(vpn_gateway("vpngw", "v")), "s2s", "10.60.0.0/16")
        .with(link("l", "dc", "s2s-site"))
        .configure(|d| {
            d.express_route_circuits[0].primary.up = false;
            d.express_route_circuits[0].secondary.up = false;
        });
    assert_end(&ask(built.clone(), "dc", SERVICE), "Drop(NoRoute)");
    // Private space falls back to VPN.
    assert!(ask(built, "dc", "10.0.0.4").path().passes(&"s2s".into()));
}

#[test]
fn msp_15_every_circuit_brings_the_prefixes_and_the_customer_picks() {
    let mut c2 = circuit("c2");
    c2.peerings.push(microsoft(|_| {}));
    let built = || {
        msp(|_| {}).with(c2.clone()).configure(|d| {
            let more = advertise_on("c2", &["203.0.113.0/24"], PeeringType::MicrosoftPeering);
            d.on_premises_sites[0].advertisements.push(more);
        })
    };
    assert_eq!(circuits(&ask(built(), "dc", SERVICE)), ["c1", "c2"]);
    let picked = built().configure(|d| {
        let hop = OnPremisesNextHop::Circuit {
            circuit: "c2".into(),
            peering: PeeringType::MicrosoftPeering,
            link: None,
        };
        d.on_premises_sites[0].routes = vec![given("198.51.100.0/24", hop)];
    });
    assert_eq!(circuits(&ask(picked, "dc", SERVICE)), ["c2"]);
}

/// A circuit of 2016 with public peering, as of a day.
fn public(as_of: &str, created: Option<&str>) -> TopologyBuilder {
    let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
    dc.nat_pool = Some(net("203.0.113.0/28"));
    dc.advertisements.push(advertise_on("c1", &["203.0.113.0/24"], PeeringType::AzurePublicPeering));
    let cloud = ServiceTag { name: "AzureCloud".into(), address_prefixes: nets(&["198.51.100.0/24"]) };
    let created = created.map(|day| day.parse().unwrap());
    er(base()).with(dc).with(cloud).as_of(as_of.parse().unwrap()).configure(|d| {
        let circuit = &mut d.express_route_circuits[0];
        circuit.created = created;
        circuit.peerings.push(CircuitPeering::new(PeeringType::AzurePublicPeering));
    })
}

#[test]
fn pub_1_it_lived_until_2024_and_on_circuits_of_before_april_2018() {
    let end = |as_of, created| ends(&ask(public(as_of, created), "dc", SERVICE));
    let out = ["Egress(PublicPeering of c1)"];
    assert_eq!(end("2016-10-01", None), out);
    assert_eq!(end("2024-03-30", Some("2018-03-31")), out);
    assert_eq!(end("2024-03-31", Some("2018-03-31")), ["Drop(NoRoute)"]);
    assert_eq!(end("2019-01-01", Some("2018-04-01")), ["Drop(NoRoute)"]);
    assert!(findings(public("2025-01-01", None)).contains(&(FindingCode::SessionDown, Some(Rule::PUB_1))));
}

#[test]
fn pub_2_it_reaches_the_cloud_without_filters() {
    let answer = ask(public("2016-10-01", None), "dc", SERVICE);
    assert_eq!(ways(&answer), ["dc > c1:primary", "dc > c1:secondary"]);
    assert_end(&ask(public("2016-10-01", None), "dc", "192.0.2.7"), "Drop(NoRoute)");
}

#[test]
fn pub_3_what_azure_opens_goes_by_the_internet() {
    assert_end(&ask(public("2016-10-01", None), "vm", "203.0.113.9"), INTERNET);
}

#[test]
fn pub_4_sources_are_the_customers_public_addresses() {
    let answer = ask(public("2016-10-01", None), "dc", SERVICE);
    assert!(answer.paths().all(|p| p.hops().last().unwrap().header.source == ip("203.0.113.0")), "{answer}");
}

#[test]
fn er_19_a_connection_that_is_down_carries_nothing() {
    let network = build(er(base()));
    let down = Change::SetConnection { connection: "ergw-c1".into(), connected: false };
    let after = network.apply(&[down]).unwrap();
    assert_end(&after.resolve("vm", ip("10.50.0.9")).unwrap(), "Drop(NoneRoute, 10.0.0.0/8)");
    assert_end(&after.resolve("dc", ip("10.0.0.4")).unwrap(), "Drop(NoRoute)");
}
