//! Rows of tables of Azure's BGP speakers: written and read back, displayed, named as Azure names them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr};

use azroute::analysis::compare_tables;
use azroute::import::circuit_offers;
use azroute::import::effective_routes::ObservedTable;
use azroute::model::bgp::{AsPath, Asn, Origin, Segment, SegmentKind};
use azroute::model::tables::{
    BgpPeerState, BgpPeerStatus, CircuitPath, ExpressRouteCircuitRoutesTable,
    ExpressRouteCircuitRoutesTableSummary, GatewayNextHop, GatewayRoute, GatewayRouteOrigin, ListResult,
    StatePfxRcd, TableRow, VirtualHubEffectiveRoute,
};
use azroute::model::{Document, LinkRole, PeeringType, ResourceId};
use ipnet::IpNet;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::tables::{circuit, fixture, gateway, table};

fn path() -> impl Strategy<Value = AsPath> {
    let asn = prop_oneof![Just(Asn(12076)), Just(Asn(65515)), (1_u32..=4_294_967_295).prop_map(Asn)];
    let kind = prop_oneof![4 => Just(SegmentKind::Sequence), 1 => Just(SegmentKind::Set)];
    let segment =
        (kind, proptest::collection::vec(asn, 1..4)).prop_map(|(kind, asns)| Segment { kind, asns });
    proptest::collection::vec(segment, 0..3).prop_map(AsPath::from_segments)
}

fn prefix() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<u32>(), 0_u8..=32).prop_map(|(bits, len)| IpNet::new(Ipv4Addr::from(bits).into(), len));
    let v6 = (any::<u128>(), 0_u8..=128)
        .prop_map(|(bits, len)| IpNet::new(std::net::Ipv6Addr::from(bits).into(), len));
    prop_oneof![3 => v4, 1 => v6].prop_map(|prefix| prefix.unwrap().trunc())
}

fn address() -> impl Strategy<Value = IpAddr> {
    any::<u32>().prop_map(|bits| Ipv4Addr::from(bits).into())
}

fn some<T: Debug + Clone + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<T>> {
    proptest::option::weighted(0.8, value)
}

fn gateway_route() -> impl Strategy<Value = GatewayRoute> {
    let next_hop = prop_oneof![
        9 => address().prop_map(GatewayNextHop::Address),
        1 => Just(GatewayNextHop::Words("Virtual Network".to_owned())),
    ];
    let origin = prop_oneof![
        Just(GatewayRouteOrigin::Network),
        Just(GatewayRouteOrigin::EBgp),
        Just(GatewayRouteOrigin::IBgp),
        Just(GatewayRouteOrigin::Igp),
        Just(GatewayRouteOrigin::Incomplete),
        Just(GatewayRouteOrigin::Other("Redistributed".to_owned())),
    ];
    (prefix(), some(next_hop), some(origin), some(address()), path(), some(any::<u32>()), some(address()))
        .prop_map(|(network, next_hop, origin, source_peer, as_path, weight, local_address)| GatewayRoute {
            network,
            next_hop,
            origin,
            source_peer,
            as_path,
            weight,
            local_address,
        })
}

fn circuit_route() -> impl Strategy<Value = ExpressRouteCircuitRoutesTable> {
    let origin = some(prop_oneof![Just(Origin::Igp), Just(Origin::Egp), Just(Origin::Incomplete)]);
    (prefix(), some(address()), some(any::<u32>()), some(any::<u32>()), path(), origin).prop_map(
        |(network, next_hop, loc_prf, weight, as_path, origin)| ExpressRouteCircuitRoutesTable {
            network,
            next_hop,
            loc_prf,
            weight,
            path: CircuitPath { as_path, origin },
        },
    )
}

fn summary() -> impl Strategy<Value = ExpressRouteCircuitRoutesTableSummary> {
    let state = prop_oneof![
        any::<u32>().prop_map(StatePfxRcd::Prefixes),
        Just(StatePfxRcd::State("Idle".to_owned()))
    ];
    (
        address(),
        some(Just(4)),
        some((1_u32..=4_294_967_295).prop_map(Asn)),
        some(Just("8w4d".to_owned())),
        some(state),
    )
        .prop_map(|(neighbor, v, asn, up_down, state_pfx_rcd)| ExpressRouteCircuitRoutesTableSummary {
            neighbor: Some(neighbor),
            v,
            asn,
            up_down,
            state_pfx_rcd,
        })
}

fn peer() -> impl Strategy<Value = BgpPeerStatus> {
    let state = some(prop_oneof![Just(BgpPeerState::Connected), Just(BgpPeerState::Other("Odd".to_owned()))]);
    let duration = some(Just("9.01:04:53.5768637".to_owned()));
    (address(), some(Just(Asn(65515))), state, duration, any::<(u32, u64)>(), some(address())).prop_map(
        |(neighbor, asn, state, connected_duration, (routes, messages), local_address)| BgpPeerStatus {
            neighbor: Some(neighbor),
            asn,
            state,
            connected_duration,
            routes_received: Some(routes),
            messages_sent: Some(messages),
            messages_received: None,
            local_address,
        },
    )
}

fn hub_route() -> impl Strategy<Value = VirtualHubEffectiveRoute> {
    let id = |kind: &'static str| {
        (0..9).prop_map(move |n| ResourceId::new(format!("/subscriptions/s/{kind}/{n}")))
    };
    let prefixes = proptest::collection::vec(prefix(), 1..3);
    let next_hops = proptest::collection::vec(id("connections"), 0..3);
    let kind = some(Just("Virtual Network Connection".to_owned()));
    (prefixes, next_hops, kind, some(id("hubs")), path()).prop_map(
        |(address_prefixes, next_hops, next_hop_type, route_origin, as_path)| VirtualHubEffectiveRoute {
            address_prefixes,
            next_hops,
            next_hop_type,
            route_origin,
            as_path,
        },
    )
}

/// A table as JSON, read strictly and by the importer; and as the text that it is displayed as.
fn comes_back<T>(rows: Vec<T>, observed: fn(ObservedTable) -> Option<Vec<T>>) -> Result<(), TestCaseError>
where
    T: TableRow + Serialize + DeserializeOwned + Debug,
{
    let list = ListResult::from(rows);
    let json = serde_json::to_string(&list).unwrap();
    prop_assert_eq!(&serde_json::from_str::<ListResult<T>>(&json).unwrap(), &list);
    prop_assert_eq!(&observed(table(json.as_bytes())).unwrap(), &list.value);
    let text = list.to_string();
    prop_assert_eq!(&observed(table(text.as_bytes())).unwrap(), &list.value, "{}", text);
    prop_assert!(compare_tables(&list.value, &list.value).is_equal());
    Ok(())
}

proptest! {
    #[test]
    fn every_table_comes_back_as_it_was_written(
        gateway in proptest::collection::vec(gateway_route(), 1..6),
        circuit in proptest::collection::vec(circuit_route(), 1..6),
        summary in proptest::collection::vec(summary(), 1..4),
        peers in proptest::collection::vec(peer(), 1..4),
        hub in proptest::collection::vec(hub_route(), 1..4),
    ) {
        macro_rules! kind {
            ($variant:ident) => { |table| match table { ObservedTable::$variant(rows) => Some(rows), _ => None } };
        }
        comes_back(gateway, kind!(Gateway))?;
        comes_back(circuit, kind!(Circuit))?;
        comes_back(summary, kind!(CircuitSummary))?;
        comes_back(peers, kind!(BgpPeers))?;
        comes_back(hub, kind!(Hub))?;
    }

    /// What is taken from a circuit's table for the customer's own rows is what the customer advertised.
    #[test]
    fn a_printed_advertisement_is_read_back(
        told in proptest::collection::btree_map(
            prefix(), proptest::collection::vec((1_u32..64_000).prop_filter("Azure's", |n| !matches!(n, 8074 | 8075 | 12076)).prop_map(Asn), 1..4), 1..6),
    ) {
        let rows: Vec<_> = told
            .iter()
            .map(|(prefix, path)| ExpressRouteCircuitRoutesTable::new(*prefix, AsPath::sequence(path.clone())))
            .collect();
        let link = LinkRole::Secondary;
        let offers = circuit_offers(&rows, &"er".into(), PeeringType::AzurePrivatePeering, link, &Document::default());
        prop_assert_eq!(&offers.left_out, &[]);
        let read: std::collections::BTreeMap<IpNet, Vec<Asn>> = offers
            .advertisements
            .iter()
            .flat_map(|a| a.prefixes.iter().map(|p| (*p, a.as_path.clone())))
            .collect();
        prop_assert_eq!(read, told);
        prop_assert!(offers.advertisements.iter().all(|a| a.link == Some(link)));
    }
}

#[test]
fn tables_are_displayed_as_people_know_them() {
    let list = ListResult::from(circuit(&fixture("circuit-primary.json")));
    let expected = "\
Network          NextHop     LocPrf  Weight  Path
---------------  ----------  ------  ------  ---------------------------
192.0.2.0/24     172.16.0.1          0       65496 65500 ?
198.51.100.0/25  172.16.0.1          0       65496
203.0.113.0/24   172.16.0.1          0       65496 65500 {65510 65511} i
10.1.0.0/16      10.1.255.4  100     0       65515
10.1.0.0/16      10.1.255.5  100     0       65515
10.9.0.0/24      10.1.255.4          0       65515 64600
10.50.0.0/16     10.9.8.7            0       12076 12076 65499
172.16.0.0/30                        0";
    assert_eq!(list.to_string(), expected);
}

/// Azure's spelling: `as` and `statePfxRcd`, of cross-connections `asn` and `stateOrPrefixesReceived`; numbers as text.
#[test]
fn members_have_azures_names() {
    let row: ExpressRouteCircuitRoutesTableSummary = serde_json::from_value(json!({"neighbor": "172.16.0.1",
        "asn": "65496", "upDown": "1d14h", "stateOrPrefixesReceived": "12"}))
    .unwrap();
    assert_eq!((row.asn, row.state_pfx_rcd.clone()), (Some(Asn(65496)), Some(StatePfxRcd::Prefixes(12))));
    let written = json!({"neighbor": "172.16.0.1", "as": 65496, "upDown": "1d14h", "statePfxRcd": "12"});
    assert_eq!(serde_json::to_value(&row).unwrap(), written);
    let route = &circuit(&fixture("circuit-primary.json"))[3];
    let written = json!({"network": "10.1.0.0/16", "nextHop": "10.1.255.4", "locPrf": "100", "weight": 0, "path": "65515"});
    assert_eq!(serde_json::to_value(route).unwrap(), written);
    let route = &gateway(&fixture("gateway-learned.json"))[1];
    let written = json!({"network": "192.0.2.0/24", "nextHop": "10.200.0.4", "origin": "EBgp", "sourcePeer": "10.200.0.4",
                         "asPath": "12076-65496-65500", "weight": 32769, "localAddress": "10.1.255.4"});
    assert_eq!(serde_json::to_value(route).unwrap(), written);
    for wrong in [
        json!({"network": "everything", "asPath": ""}),
        json!({"network": "192.0.2.0/24", "asPath": "a-b"}),
        json!({"network": "192.0.2.0/24", "asPath": "", "weight": "heavy"}),
    ] {
        assert!(serde_json::from_value::<GatewayRoute>(wrong.clone()).is_err(), "{wrong}");
    }
}
