//! The strategies give legal designs with something in them, and the oracle holds the metamorphic properties of
//! section 24 over them.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "helpers of tests")]

use std::collections::BTreeMap;

use azroute::model::{
    Document, EffectiveNextHopType as Hop, LearnedRoute, ResourceId, RouteNextHopType, RouteSource,
    RouteState, RouteTable, Tenant, Topology, UserDefinedRoute, VirtualNetwork,
};
use azroute::testing::oracle::{effective_rows, next_hop, walk};
use azroute::testing::strategies::{self, probe_addresses};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

fn subnets(document: &Document) -> Vec<ResourceId> {
    let vnets = document.virtual_networks.iter();
    vnets.flat_map(|v| v.subnets.iter().map(|s| v.subnet_id(&s.name))).collect()
}

fn sample<S: Strategy<Value = Document>>(strategy: S, n: usize) -> Vec<Document> {
    let mut runner = TestRunner::deterministic();
    (0..n).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// Every shape is legal by construction.
#[test]
fn designs_pass_the_checks() {
    let shapes: Vec<(&str, BoxedStrategy<Document>)> = vec![
        ("hub_and_spoke", strategies::hub_and_spoke().boxed()),
        ("coexistence", strategies::coexistence().boxed()),
        ("multi_region", strategies::multi_region().boxed()),
        ("tenants", strategies::tenants_with_overlapping_space().boxed()),
        ("connect_through", strategies::connect_through().boxed()),
        ("connect_to", strategies::connect_to().boxed()),
        ("virtual_hub", strategies::virtual_hub().boxed()),
        ("endpoints", strategies::with_private_endpoints(strategies::hub_and_spoke()).boxed()),
        ("tables", strategies::with_route_tables(strategies::coexistence()).boxed()),
    ];
    for (name, shape) in shapes {
        for document in sample(shape, 120) {
            if let Err(error) = Topology::new(document.clone()) {
                panic!("{name}: {:#?}", error.problems());
            }
        }
    }
}

/// The designs reach what the oracle knows: each source, state and next hop type, each outcome of a walk.
#[test]
fn designs_reach_every_kind_of_row_and_outcome() {
    let mut rows = BTreeMap::new();
    let mut outcomes = BTreeMap::new();
    for document in sample(strategies::any_topology(), 300) {
        for subnet in subnets(&document).into_iter().take(3) {
            for row in effective_rows(&document, &subnet).unwrap() {
                *rows.entry((row.source, row.state, row.next_hop_type)).or_insert(0) += 1;
            }
            let src = "10.0.0.4".parse().unwrap();
            for dst in probe_addresses(&document).into_iter().step_by(17) {
                for outcome in walk(&document, &subnet, src, dst) {
                    let kind = outcome.split('(').next().unwrap().to_owned();
                    let kind = if kind == "Drop" {
                        outcome.split(['(', ',']).nth(1).unwrap().to_owned()
                    } else {
                        kind
                    };
                    *outcomes.entry(kind).or_insert(0) += 1;
                }
            }
        }
    }
    println!("{rows:#?}\n{outcomes:#?}");
    for (source, state, hop) in [
        (RouteSource::Default, RouteState::Active, Hop::VnetLocal),
        (RouteSource::Default, RouteState::Invalid, Hop::VnetLocal),
        (RouteSource::Default, RouteState::Active, Hop::VNetPeering),
        (RouteSource::Default, RouteState::Invalid, Hop::VNetPeering),
        (RouteSource::Default, RouteState::Active, Hop::VNetGlobalPeering),
        (RouteSource::Default, RouteState::Active, Hop::ConnectedGroup),
        (RouteSource::Default, RouteState::Active, Hop::None),
        (RouteSource::Default, RouteState::Active, Hop::Internet),
        (RouteSource::Default, RouteState::Invalid, Hop::Internet),
        (RouteSource::Default, RouteState::Active, Hop::InterfaceEndpoint),
        (RouteSource::Default, RouteState::Invalid, Hop::InterfaceEndpoint),
        (RouteSource::Default, RouteState::Active, Hop::VirtualNetworkServiceEndpoint),
        (RouteSource::Default, RouteState::Invalid, Hop::VirtualNetworkServiceEndpoint),
        (RouteSource::VirtualNetworkGateway, RouteState::Active, Hop::VirtualNetworkGateway),
        (RouteSource::VirtualNetworkGateway, RouteState::Invalid, Hop::VirtualNetworkGateway),
        (RouteSource::User, RouteState::Active, Hop::VirtualAppliance),
        (RouteSource::User, RouteState::Invalid, Hop::VirtualAppliance),
    ] {
        assert!(rows.contains_key(&(source, state, hop)), "no {source} {state} {hop}");
    }
    for outcome in
        ["Delivered", "Egress", "Gateway", "PrivateEndpoint", "ServiceEndpoint", "Loop", "PlatformHost"]
    {
        assert!(outcomes.contains_key(outcome), "no {outcome}");
    }
    for reason in [
        "NoneRoute",
        "NextHopUnreachable",
        "UnsupportedGatewayNextHop",
        "ForwardedTrafficNotAllowed",
        "PeeringAccessDisabled",
        "PrivateSourceToInternet",
    ] {
        assert!(outcomes.iter().any(|(kind, _)| kind.starts_with(reason)), "no Drop({reason})");
    }
}

/// Few cases in an ordinary run; `PROPTEST_CASES` asks for more.
fn config() -> Config {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 40;
    }
    config
}

/// A subnet, a destination, and what the oracle says there.
type Asked = (ResourceId, std::net::IpAddr, Option<(Option<ipnet::IpNet>, Hop)>);

fn answers(document: &Document) -> Vec<Asked> {
    let mut answers = Vec::new();
    for subnet in subnets(document) {
        for dst in probe_addresses(document).into_iter().step_by(7) {
            let hop = next_hop(document, &subnet, dst);
            answers.push((subnet.clone(), dst, hop));
        }
    }
    answers
}

proptest! {
    #![proptest_config(config())]

    /// SEL-3, SEL-4: a prefix has one Active row, and SEL-13: IPv4 always has a default.
    #[test]
    fn one_active_row_per_prefix(document in strategies::any_topology()) {
        for subnet in subnets(&document) {
            let rows = effective_rows(&document, &subnet).unwrap();
            for row in &rows {
                let same = rows.iter().filter(|r| r.prefix == row.prefix && r.state == RouteState::Active);
                prop_assert!(same.count() <= 1, "{row:?}");
                prop_assert_eq!(row.prefix, row.prefix.trunc());
                prop_assert!(row.next_hop_ip_addresses.is_sorted());
            }
            prop_assert!(rows.iter().any(|r| r.prefix == "0.0.0.0/0".parse().unwrap() && r.state == RouteState::Active));
        }
    }

    /// The order in which things are declared changes nothing.
    #[test]
    fn order_is_of_no_account(document in strategies::any_topology()) {
        let mut turned = document.clone();
        turned.virtual_networks.reverse();
        turned.connections.reverse();
        turned.on_premises_sites.reverse();
        turned.virtual_network_gateways.reverse();
        turned.service_tags.reverse();
        for table in &mut turned.route_tables {
            table.routes.reverse();
        }
        for vnet in &mut turned.virtual_networks {
            vnet.peerings.reverse();
            vnet.address_space.reverse();
        }
        for subnet in subnets(&document) {
            prop_assert_eq!(effective_rows(&document, &subnet), effective_rows(&turned, &subnet));
        }
    }

    /// An unrelated tenant changes nothing (ISO-1); nor does an empty table with propagation on (UDR-2).
    #[test]
    fn bystanders_are_of_no_account(document in strategies::any_topology()) {
        let mut more = document.clone();
        more.tenants.push(Tenant::new("stranger"));
        let mut vnet = VirtualNetwork::new("stranger", ["10.0.0.0/8".parse().unwrap()]);
        vnet.tenant = Some("stranger".to_owned());
        more.virtual_networks.push(vnet);
        more.route_tables.push(RouteTable::new("empty"));
        for vnet in &mut more.virtual_networks {
            for subnet in vnet.subnets.iter_mut().filter(|s| s.name != "RouteServerSubnet") {
                if subnet.route_table.is_none() {
                    subnet.route_table = Some("empty".into());
                }
            }
        }
        for subnet in subnets(&document) {
            prop_assert_eq!(effective_rows(&document, &subnet), effective_rows(&more, &subnet));
        }
    }

    /// SEL-6: with default knobs a gateway route inside own or peer space changes nothing.
    #[test]
    fn gateway_routes_inside_known_space_change_nothing(mut document in strategies::coexistence()) {
        document.knobs = azroute::model::Knobs::default();
        for table in &mut document.route_tables {
            // PEER-13: a hidden peer shields nothing.
            table.disable_peering_route = false;
        }
        let hub: Vec<_> = document.virtual_networks[0].address_space.clone();
        let mut told = document.clone();
        for space in hub {
            for prefix in [space, space.subnets(space.prefix_len() + 3).unwrap().nth(2).unwrap()] {
                told.virtual_network_gateways[0].learned_routes.push(LearnedRoute::new(prefix, []));
            }
        }
        for subnet in subnets(&document).into_iter().filter(|s| s.as_str().starts_with("hub/")) {
            prop_assert_eq!(effective_rows(&document, &subnet), effective_rows(&told, &subnet));
        }
    }

    /// A user route to `None` acts inside its prefix only, and towards a drop.
    #[test]
    fn a_user_none_route_drops_inside_its_prefix(
        document in strategies::any_topology(),
        prefix in strategies::ipv4_prefix().prop_filter("replaces a default", |p| p.prefix_len() > 0),
    ) {
        let mut more = document.clone();
        for table in &mut more.route_tables {
            let prefix = ipnet::IpNet::V4(prefix);
            if !table.routes.iter().any(|r| r.address_prefix == prefix.into()) {
                table.routes.push(UserDefinedRoute::new("dropped", prefix, RouteNextHopType::None));
            }
        }
        for ((_, dst, before), (_, _, after)) in answers(&document).into_iter().zip(answers_at(&document, &more)) {
            if before != after {
                let inside = ipnet::IpNet::V4(prefix).contains(&dst);
                prop_assert!(inside, "{} {:?} {:?}", dst, before, after);
                // PE-4: the new route may also take out a host row, and another user route then wins.
                prop_assert!(matches!(after, Some((_, Hop::None))) || matches!(before, Some((_, Hop::InterfaceEndpoint))));
            }
        }
    }

    /// A user route split into halves with the same next hop changes no answer, but for halves that tie with another
    /// class and for those that reach the length of PE-4.
    #[test]
    fn halves_do_what_the_whole_did(mut document in strategies::any_topology()) {
        document.knobs.bgp_shadow = azroute::model::BgpShadow::ByAddressSpace;
        let whole = document.route_tables.iter().enumerate().find_map(|(t, table)| {
            let mut routes = table.routes.iter().enumerate();
            routes.find_map(|(r, route)| match route.address_prefix {
                azroute::model::AddressPrefix::Cidr(p) if p.prefix_len() > 0 => Some((t, r, p)),
                _ => None,
            })
        });
        let Some((t, r, whole)) = whole else { return Ok(()) };
        let Ok(halves) = whole.subnets(whole.prefix_len() + 1) else { return Ok(()) };
        let halves: Vec<ipnet::IpNet> = halves.collect();
        let taken = subnets(&document).iter().any(|subnet| {
            let rows = effective_rows(&document, subnet).unwrap();
            rows.iter().any(|row| halves.contains(&row.prefix))
        });
        let endpoints = document.private_endpoints.iter().flat_map(|e| &e.private_ip_addresses);
        if taken || endpoints.into_iter().any(|ip| whole.contains(ip)) {
            return Ok(());
        }
        let mut split = document.clone();
        let route = split.route_tables[t].routes.remove(r);
        for (n, half) in halves.into_iter().enumerate() {
            let mut half_route = UserDefinedRoute::new(format!("half {n}"), half, route.next_hop_type);
            half_route.next_hop_ip_addresses.clone_from(&route.next_hop_ip_addresses);
            split.route_tables[t].routes.push(half_route);
        }
        for ((subnet, dst, before), (_, _, after)) in answers(&document).into_iter().zip(answers_at(&document, &split)) {
            prop_assert_eq!(before.map(|b| b.1), after.map(|a| a.1), "{} {}", subnet, dst);
        }
    }

    /// Changes can be applied one after another, and each design after them is legal.
    #[test]
    fn changes_apply(
        (document, changes) in strategies::any_topology().prop_flat_map(|d| {
            let changes = strategies::changes(&d);
            (Just(d), changes)
        })
    ) {
        let mut now = document;
        for change in &changes {
            now.apply(change).unwrap();
            prop_assert!(Topology::new(now.clone()).is_ok());
        }
    }

    /// Prefixes carry no host bits.
    #[test]
    fn prefixes_are_truncated(prefix in strategies::prefix(), spaces in strategies::address_space(3)) {
        prop_assert_eq!(prefix, prefix.trunc());
        for space in spaces {
            prop_assert_eq!(space, space.trunc());
        }
    }
}

/// The answers of `other` for the questions of `document`.
fn answers_at(document: &Document, other: &Document) -> Vec<Asked> {
    let asked = answers(document).into_iter();
    asked.map(|(subnet, dst, _)| (subnet.clone(), dst, next_hop(other, &subnet, dst))).collect()
}

/// A failing property comes down to a handful of resources.
#[test]
fn designs_shrink_to_little() {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let failure = runner.run(&strategies::any_topology(), |document| {
        let overridden = subnets(&document).iter().any(|subnet| {
            effective_rows(&document, subnet).unwrap().iter().any(|r| r.source == RouteSource::User)
        });
        prop_assert!(!overridden);
        Ok(())
    });
    match failure {
        Err(proptest::test_runner::TestError::Fail(_, document)) => {
            assert!(document.virtual_networks.len() <= 2, "{document:#?}");
            assert_eq!(document.route_tables.iter().map(|t| t.routes.len()).max(), Some(1), "{document:#?}");
        }
        other => panic!("{other:?}"),
    }
}
