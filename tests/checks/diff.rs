//! Differences between networks, against the walk in both.

use std::collections::BTreeSet;
use std::net::IpAddr;

use azroute::Network;
use azroute::checks::{AddressRanges, ChangeKind, Destinations, check, diff};
use azroute::model::{
    Change, Document, ResourceId, RouteNextHopType, RouteTable, Topology, UserDefinedRoute,
};
use azroute::resolve::{Answer, Disposition, Hop, Leg, Path, Place, Position, Source};
use azroute::testing::strategies;
use ipnet::IpNet;
use proptest::prelude::*;

use super::flows::{edges, hub_and_spoke};

/// A host by its virtual network.
fn host(network: &Network, place: &Place) -> Place {
    let topology = network.topology();
    let of_subnet = |id: &ResourceId| Place::VirtualNetwork(topology.subnet(id).unwrap().0.id.clone());
    match place {
        Place::Subnet(id) => of_subnet(id),
        Place::NetworkInterface(id) => {
            let all = &topology.document().network_interfaces;
            match all.iter().find(|nic| nic.id == *id).and_then(|nic| nic.ip_configurations.first()) {
                Some(own) if topology.subnet(&own.subnet).is_some() => of_subnet(&own.subnet),
                _ => place.clone(),
            }
        }
        place => place.clone(),
    }
}

/// What somebody who reads two answers calls a change.
fn kind((before, was): (&Network, &Answer), (after, is): (&Network, &Answer)) -> Option<ChangeKind> {
    let end = |network: &Network, end: &Disposition| match end {
        Disposition::Delivered(place) => Disposition::Delivered(host(network, place)),
        end => end.clone(),
    };
    let ends = |network: &Network, answer: &Answer| -> BTreeSet<Disposition> {
        answer.dispositions().into_iter().map(|e| end(network, e)).collect()
    };
    let ways = |network: &Network, answer: &Answer| -> Vec<_> {
        let paths = answer.paths().take(4096);
        let hop = |h: &Hop| (host(network, &h.place), h.via.clone(), h.encrypted);
        let of = |p: Path<'_>| (p.hops().iter().map(hop).collect::<Vec<_>>(), end(network, p.disposition()));
        paths.map(of).collect()
    };
    let routes = |answer: &Answer| -> Vec<_> {
        let of = |hop: &Hop| {
            let row = hop.route.as_ref().map(|matched| matched.route.clone())?;
            Some((row.source, row.next_hop_type, row.next_hop_ip_addresses, row.name))
        };
        answer.paths().take(4096).map(|p| p.hops().iter().map(of).collect::<Vec<_>>()).collect()
    };
    if ends(before, was) != ends(after, is) {
        Some(ChangeKind::Outcome)
    } else if ways(before, was) != ways(after, is) {
        Some(ChangeKind::Path)
    } else if routes(was) != routes(is) {
        Some(ChangeKind::NextHop)
    } else {
        None
    }
}

fn compare(document: &Document, before: &Network, after: &Network, pick: usize) -> Result<(), TestCaseError> {
    let found = diff(before, after).unwrap();
    let all = edges(document, &[before, after], &AddressRanges::default());
    let step = all.len().div_ceil(60);
    let edges: Vec<IpAddr> = all.into_iter().skip(pick % step).step_by(step).collect();
    let ids = |network: &Network| -> Vec<ResourceId> {
        network.positions().filter_map(|p| network.position_id(p).cloned()).collect()
    };
    let (old, new) = (ids(before), ids(after));
    prop_assert_eq!(&found.added, &new.iter().filter(|id| !old.contains(id)).cloned().collect::<Vec<_>>());
    prop_assert_eq!(&found.removed, &old.iter().filter(|id| !new.contains(id)).cloned().collect::<Vec<_>>());
    for id in old.iter().filter(|id| new.contains(id)) {
        for address in &edges {
            let ask = |network: &Network| network.walk(Source::Position(id.clone()), *address, Leg::Initiate);
            let (Ok(was), Ok(is)) = (ask(before), ask(after)) else { continue };
            let reported: Vec<ChangeKind> = found
                .changes
                .iter()
                .filter(|c| c.sources.contains(id) && c.destinations.contains(*address))
                .map(|c| c.kind)
                .collect();
            let expected: Vec<ChangeKind> = kind((before, &was), (after, &is)).into_iter().collect();
            prop_assert_eq!(reported, expected, "{} to {}: {}\nthen {}", id, address, was, is);
        }
    }
    Ok(())
}

/// "As in another network" fails exactly where there is a difference.
fn same_as(before: &Network, after: &Network) -> Result<(), TestCaseError> {
    let found = diff(before, after).unwrap();
    let is_old = |p: &Position| after.position_id(*p).is_some_and(|id| before.position(id).is_ok());
    let both: Vec<Position> = after.positions().filter(is_old).collect();
    if both.is_empty() {
        return Ok(());
    }
    let report =
        check(after).flows(both.clone(), Destinations::everything()).same_as(before).report().unwrap();
    for id in both.into_iter().filter_map(|p| after.position_id(p)) {
        let none = AddressRanges::default();
        let changes = found.changes.iter().filter(|change| change.sources.contains(id));
        let changed = changes.fold(none.clone(), |all, change| all.or(&change.destinations));
        let failures = report.failures.iter().filter(|failure| failure.sources.contains(id));
        let failing = failures.fold(none, |all, failure| all.or(&failure.destinations));
        prop_assert_eq!(failing, changed, "{}", id);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn differences_are_those_of_the_walk(
        (document, changes) in strategies::dressed(strategies::any_topology()).prop_flat_map(|document| {
            let changes = strategies::changes(&document);
            (Just(document), changes)
        }),
        pick in 0_usize..10_000,
    ) {
        let Ok(topology) = Topology::new(document.clone()) else { return Ok(()) };
        let Ok(before) = Network::build(&topology) else { return Ok(()) };
        let Ok(after) = before.apply(&changes) else { return Ok(()) };
        compare(&document, &before, &after, pick)?;
        same_as(&before, &after)?;
        prop_assert!(diff(&before, &before).unwrap().is_empty());
    }
}

#[test]
fn a_user_route_that_goes_past_the_firewall_is_told_with_its_range() {
    let before = Network::build(&hub_and_spoke().build().unwrap()).unwrap();
    let changed = hub_and_spoke().route("rt", "past", "10.20.0.0/16", "Internet", &[]).build().unwrap();
    let after = Network::build(&changed).unwrap();
    let found = diff(&before, &after).unwrap();
    assert_eq!(found.changes.len(), 1, "{found}");
    let change = &found.changes[0];
    assert_eq!(change.destinations.prefixes(), ["10.20.0.0/16".parse::<IpNet>().unwrap()]);
    assert_eq!(change.sources, ["spoke1/subnets/web".into(), "spoke2/subnets/web".into()]);
    let text = found.to_string();
    assert!(text.starts_with("10.20.0.0/16 from `spoke1/subnets/web` and 1 others: "), "{text}");
    assert!(
        text.contains("User `past`") && text.contains("was: ") && text.contains("User `default`"),
        "{text}"
    );
    // Backwards the two sides change places.
    let back = diff(&after, &before).unwrap();
    assert_eq!(back.changes[0].before, change.after);
    assert_eq!(back.changes[0].destinations, change.destinations);
}

#[test]
fn positions_come_and_go() {
    let before = Network::build(&hub_and_spoke().build().unwrap()).unwrap();
    let grown = hub_and_spoke().subnet("spoke2", "db", "10.2.1.0/24").build().unwrap();
    let after = Network::build(&grown).unwrap();
    let found = diff(&before, &after).unwrap();
    assert_eq!(found.added, ["spoke2/subnets/db".into()]);
    assert_eq!(diff(&after, &before).unwrap().removed, ["spoke2/subnets/db".into()]);
}

/// Routes of a table, set or taken away; a table of its own for a subnet; a subnet without one.
fn route_changes(document: &Document) -> impl Strategy<Value = Vec<Change>> + use<> {
    let tables: Vec<ResourceId> = document.route_tables.iter().map(|table| table.id.clone()).collect();
    let networks = document.virtual_networks.iter();
    let subnets: Vec<ResourceId> =
        networks.flat_map(|v| v.subnets.iter().map(|s| v.subnet_id(&s.name))).collect();
    let hops = [RouteNextHopType::Internet, RouteNextHopType::None, RouteNextHopType::VnetLocal];
    let route = (strategies::prefix(), prop::sample::select(hops.to_vec()))
        .prop_map(|(prefix, hop)| UserDefinedRoute::new("changed", prefix, hop));
    let pick = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..4, route);
    prop::collection::vec(pick, 1..4).prop_map(move |picks| {
        let mut changes = Vec::new();
        for (table, subnet, kind, route) in picks {
            let new =
                RouteTable { id: "changed".into(), routes: vec![route.clone()], ..RouteTable::default() };
            match kind {
                0 if !tables.is_empty() => {
                    let route_table = table.get(&tables).clone();
                    changes.push(Change::SetRoute { route_table, route });
                }
                1 if !subnets.is_empty() => {
                    let subnet = subnet.get(&subnets).clone();
                    changes.push(Change::BindRouteTable { subnet, route_table: None });
                }
                _ if !subnets.is_empty() => {
                    let (subnet, route_table) = (subnet.get(&subnets).clone(), Some(new.id.clone()));
                    changes.push(Change::Upsert(Box::new(new.into())));
                    changes.push(Change::BindRouteTable { subnet, route_table });
                }
                _ => changes.push(Change::Upsert(Box::new(new.into()))),
            }
        }
        changes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn changes_of_user_routes_give_the_network_that_is_built_with_them(
        (document, changes) in strategies::dressed(strategies::any_topology()).prop_flat_map(|document| {
            let changes = route_changes(&document);
            (Just(document), changes)
        }),
        compiled_before in any::<bool>(),
    ) {
        let Ok(topology) = Topology::new(document.clone()) else { return Ok(()) };
        let Ok(before) = Network::build(&topology) else { return Ok(()) };
        if compiled_before {
            prop_assert!(before.classes().is_some());
        }
        let Ok(after) = before.apply(&changes) else { return Ok(()) };
        let built = Network::build(after.topology()).unwrap();
        for table in built.topology().document().virtual_networks.iter() {
            for subnet in &table.subnets {
                let id = table.subnet_id(&subnet.name);
                let rows = |network: &Network| network.effective_routes(&id).unwrap().rows();
                prop_assert_eq!(rows(&after), rows(&built));
            }
        }
        prop_assert_eq!(after.classes().unwrap().len(), built.classes().unwrap().len());
        let found = diff(&after, &built).unwrap();
        prop_assert!(found.is_empty(), "{}", found);
        // Stored answers are those of the walk.
        for position in after.positions() {
            for address in strategies::probe_addresses(&document).into_iter().step_by(5) {
                let resolved = after.resolve(position, address).map(|r| r.into_answer());
                prop_assert_eq!(resolved, after.walk(Source::Known(position), address, Leg::Initiate));
            }
        }
    }
}
