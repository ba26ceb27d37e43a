//! Tables of Azure's BGP speakers, as Azure prints them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use azroute::Network;
use azroute::analysis::{TableError, compare_tables};
use azroute::model::tables::{GatewayNextHop, GatewayRouteOrigin, StatePfxRcd};
use azroute::model::{Document, LinkRole, PeeringType, ResourceId, Topology};

const PRIVATE: PeeringType = PeeringType::AzurePrivatePeering;

/// A hub with all kinds of speakers, a site behind a circuit and one behind a VPN.
///
/// ```text
///   dc ==== er1 ---- er (65515) ---+
///                                  +--- hub 10.0.0.0/16, Route Server with two appliances
///   branch (65501) ---- vpn -------+
/// ```
const HUB: &str = r#"
    virtual_networks = [{ id = "hub", address_space = ["10.0.0.0/16"], subnets = [
        { name = "GatewaySubnet", address_prefixes = ["10.0.255.0/27"] },
        { name = "RouteServerSubnet", address_prefixes = ["10.0.254.0/27"] },
        { name = "web", address_prefixes = ["10.0.1.0/24"] },
    ] }]
    [[virtual_network_gateways]]
    id = "er"
    virtual_network = "hub"
    gateway_type = "ExpressRoute"
    bgp_peering_addresses = ["10.0.255.12", "10.0.255.13"]
    [[virtual_network_gateways]]
    id = "vpn"
    virtual_network = "hub"
    gateway_type = "Vpn"
    active_active = true
    enable_bgp = true
    bgp_peering_addresses = ["10.0.255.4", "10.0.255.5"]
    [[local_network_gateways]]
    id = "branch-device"
    asn = 65501
    bgp_peering_address = "192.0.2.254"
    address_prefixes = ["198.51.100.0/25"]
    [[connections]]
    id = "to-er1"
    connection_type = "ExpressRoute"
    virtual_network_gateway = "er"
    peer = "er1"
    [[connections]]
    id = "to-branch"
    connection_type = "IPsec"
    virtual_network_gateway = "vpn"
    peer = "branch-device"
    enable_bgp = true
    [[express_route_circuits]]
    id = "er1"
    [[express_route_circuits.peerings]]
    peering_type = "AzurePrivatePeering"
    peer_asn = 65496
    primary_peer_address_prefix = "172.16.0.0/30"
    secondary_peer_address_prefix = "172.16.0.4/30"
    [[on_premises_sites]]
    id = "dc"
    advertisements = [
        { over = "er1", prefixes = ["192.0.2.0/25"], as_path = [65496, 65500] },
        { over = "er1", link = "Primary", prefixes = ["203.0.113.0/24"], as_path = [65496] },
        { over = "er1", link = "Secondary", prefixes = ["203.0.113.0/24"], as_path = [65496, 65496] },
    ]
    [[on_premises_sites]]
    id = "branch"
    advertisements = [{ over = "to-branch", prefixes = ["198.51.100.128/25"], as_path = [65501] }]
    [[route_servers]]
    id = "ars"
    virtual_network = "hub"
    virtual_router_ips = ["10.0.254.4", "10.0.254.5"]
    bgp_connections = [
        { name = "nva-1", peer_ip = "10.0.4.4", peer_asn = 64600 },
        { name = "nva-2", peer_ip = "10.0.4.5", peer_asn = 64601 },
    ]
    learned_routes = [
        { prefix = "10.9.0.0/16", as_path = [64600], next_hop = "10.0.4.4" },
        { prefix = "10.8.0.0/16", as_path = [64601, 64602], next_hop = "10.0.4.9" },
    ]
"#;

fn document(text: &str) -> Document {
    toml::from_str(text).unwrap()
}

fn network(document: Document) -> Network {
    Network::build(&Topology::new(document).unwrap()).unwrap()
}

fn hub() -> Network {
    network(document(HUB))
}

fn id(text: &str) -> ResourceId {
    text.into()
}

/// ER-2, BGP-1: the customer's address on the link is the next hop of what it announces; each instance of the gateway that
/// of the networks, whose path is the gateway's number.
#[test]
fn er_2_a_circuits_table_has_the_addresses_of_the_link() {
    let table = hub().circuit_route_table(&id("er1"), PRIVATE, LinkRole::Primary).unwrap();
    let expected = "\
Network         NextHop      LocPrf  Weight  Path
--------------  -----------  ------  ------  -------------
10.0.0.0/16     10.0.255.12          0       65515 i
10.0.0.0/16     10.0.255.13          0       65515 i
192.0.2.0/25    172.16.0.1           0       65496 65500 i
203.0.113.0/24  172.16.0.1           0       65496 i";
    assert_eq!(table.to_string(), expected);
    let second = hub().circuit_route_table(&id("ER1"), PRIVATE, LinkRole::Secondary).unwrap();
    let found = compare_tables(&second.value, &table.value);
    assert_eq!((found.equal, found.different.len()), (2, 2), "{found}");
    assert!(found.different.iter().any(|d| d.fields == ["nextHop", "path"]), "ER-10: {found}");
}

/// An address that nothing declares is not said.
#[test]
fn er_2_addresses_are_never_made_up() {
    let mut bare = document(HUB);
    bare.express_route_circuits[0].peerings[0].primary_peer_address_prefix = None;
    bare.virtual_network_gateways.iter_mut().for_each(|g| g.bgp_peering_addresses.clear());
    bare.local_network_gateways[0].bgp_peering_address = None;
    bare.route_servers[0].virtual_router_ips.clear();
    let network = network(bare);
    let table = network.circuit_route_table(&id("er1"), PRIVATE, LinkRole::Primary).unwrap();
    assert_eq!(table.value.len(), 3);
    assert!(table.value.iter().all(|row| row.next_hop.is_none()), "{table}");
    for gateway in ["er", "vpn"] {
        let learned = network.learned_routes(&id(gateway)).unwrap();
        let said = |row: &azroute::model::tables::GatewayRoute| {
            row.next_hop.is_some() || row.source_peer.is_some() || row.local_address.is_some()
        };
        assert!(!learned.value.is_empty() && !learned.value.iter().any(said), "{learned}");
    }
    let status = network.bgp_peer_status(&id("vpn")).unwrap();
    assert!(status.value.iter().all(|row| row.neighbor.is_none() && row.local_address.is_none()), "{status}");
    let server = network.peer_learned_routes(&id("ars"), "nva-1").unwrap();
    assert_eq!(server.instances.len(), 2, "a Route Server has two instances");
}

/// The neighbours of a link: the customer by its address and number, the gateway by its instances; counts of prefixes,
/// and `Idle` where the session is down.
#[test]
fn er_1_the_summary_counts_prefixes_by_neighbour() {
    let summary = hub().circuit_route_table_summary(&id("er1"), PRIVATE, LinkRole::Primary).unwrap();
    let line = |row: &azroute::model::tables::ExpressRouteCircuitRoutesTableSummary| {
        let neighbor = row.neighbor.map(|n| n.to_string()).unwrap_or_default();
        format!("{neighbor} {} {}", row.asn.unwrap(), row.state_pfx_rcd.as_ref().unwrap())
    };
    let mut lines: Vec<String> = summary.value.iter().map(line).collect();
    lines.sort();
    // IPv6 has no addresses on this peering: a session that carries nothing.
    assert_eq!(
        lines,
        [" 65496 0", "10.0.255.12 65515 1", "10.0.255.13 65515 1", "172.16.0.1 65496 2"],
        "{summary}"
    );
    let mut cut = document(HUB);
    cut.express_route_circuits[0].primary.up = false;
    let down = network(cut).circuit_route_table_summary(&id("er1"), PRIVATE, LinkRole::Primary).unwrap();
    assert!(
        down.value.iter().all(|row| row.state_pfx_rcd == Some(StatePfxRcd::State("Idle".to_owned()))),
        "{down}"
    );
    assert!(down.value.iter().all(|row| row.up_down.as_deref() == Some("never")), "{down}");
}

/// BGP-1, BGP-9: a gateway's routes from a circuit have Microsoft's number in front; each instance lists them, and what the
/// VPN gateway beside it learned (COEX-4).
#[test]
fn bgp_1_an_expressroute_gateway_learns_behind_12076() {
    let learned = hub().learned_routes(&id("er")).unwrap();
    let lines: Vec<String> = learned
        .value
        .iter()
        .filter(|row| row.local_address == "10.0.255.12".parse().ok())
        .map(|row| format!("{} {} [{}]", row.network, row.origin.as_ref().unwrap(), row.as_path))
        .collect();
    assert_eq!(
        lines,
        [
            "10.0.0.0/16 Network []",
            "192.0.2.0/25 EBgp [12076 65496 65500]",
            "192.0.2.0/25 EBgp [12076 65496 65500]",
            "198.51.100.128/25 IBgp [65501]",
            "198.51.100.128/25 IBgp [65501]",
            "203.0.113.0/24 EBgp [12076 65496]",
            "203.0.113.0/24 EBgp [12076 65496 65496]",
        ],
        "{learned}"
    );
    assert_eq!(learned.value.len(), 2 * lines.len(), "the other instance has the same");
}

/// VPN-8, VPN-3, GWR-3: what an active-active gateway has: its network, static prefixes, the device's own address, and what
/// the device announces, from its address; and what the ExpressRoute gateway beside it tells (COEX-4).
#[test]
fn vpn_8_both_instances_list_what_a_vpn_gateway_learned() {
    let network = hub();
    let learned = network.learned_routes(&id("vpn")).unwrap();
    let expected = "\
Network            NextHop      Origin   SourcePeer   AsPath             Weight  LocalAddress
-----------------  -----------  -------  -----------  -----------------  ------  ------------
10.0.0.0/16                     Network  10.0.255.4                      32768   10.0.255.4
10.0.0.0/16                     Network  10.0.255.5                      32768   10.0.255.5
192.0.2.0/25       10.0.255.12  IBgp     10.0.255.12  12076-65496-65500  32768   10.0.255.4
192.0.2.0/25       10.0.255.13  IBgp     10.0.255.13  12076-65496-65500  32768   10.0.255.4
192.0.2.0/25       10.0.255.12  IBgp     10.0.255.12  12076-65496-65500  32768   10.0.255.5
192.0.2.0/25       10.0.255.13  IBgp     10.0.255.13  12076-65496-65500  32768   10.0.255.5
192.0.2.254/32                  Network  10.0.255.4                      32768   10.0.255.4
192.0.2.254/32                  Network  10.0.255.5                      32768   10.0.255.5
198.51.100.0/25                 Network  10.0.255.4                      32768   10.0.255.4
198.51.100.0/25                 Network  10.0.255.5                      32768   10.0.255.5
198.51.100.128/25  192.0.2.254  EBgp     192.0.2.254  65501              32768   10.0.255.4
198.51.100.128/25  192.0.2.254  EBgp     192.0.2.254  65501              32768   10.0.255.5
203.0.113.0/24     10.0.255.12  IBgp     10.0.255.12  12076-65496        32768   10.0.255.4
203.0.113.0/24     10.0.255.13  IBgp     10.0.255.13  12076-65496        32768   10.0.255.4
203.0.113.0/24     10.0.255.12  IBgp     10.0.255.12  12076-65496        32768   10.0.255.5
203.0.113.0/24     10.0.255.13  IBgp     10.0.255.13  12076-65496        32768   10.0.255.5";
    assert_eq!(learned.to_string(), expected);
    let status = network.bgp_peer_status(&id("vpn")).unwrap();
    let line = status.value.iter().find(|row| row.neighbor == "192.0.2.254".parse().ok()).unwrap();
    assert_eq!((line.asn.unwrap().0, line.routes_received), (65501, Some(1)));
    let mut standby = document(HUB);
    standby.virtual_network_gateways[1].active_active = false;
    let one = network_of(standby).learned_routes(&id("vpn")).unwrap();
    assert_eq!(one.value.len() * 2, learned.value.len(), "the instance that stands by holds nothing");
}

fn network_of(document: Document) -> Network {
    network(document)
}

/// VPN-3: a gateway advertises its network and static prefixes under its own number, by whatever name the peer is meant.
#[test]
fn vpn_3_what_a_gateway_advertises_to_a_device() {
    let network = hub();
    let by_address = network.advertised_routes(&id("vpn"), "192.0.2.254").unwrap();
    let lines: Vec<String> = by_address
        .value
        .iter()
        .filter(|row| row.local_address == "10.0.255.4".parse().ok())
        .map(|row| {
            let next_hop = row.next_hop.as_ref().unwrap();
            let (origin, weight) = (row.origin.as_ref().unwrap(), row.weight.unwrap());
            format!("{} {next_hop} {origin} [{}] {weight}", row.network, row.as_path)
        })
        .collect();
    assert!(lines.contains(&"10.0.0.0/16 10.0.255.4 Igp [65515] 0".to_owned()), "{lines:#?}");
    assert!(
        !lines.iter().any(|line| line.starts_with("198.51.100.128/25")),
        "not back to where it came from"
    );
    for name in ["branch-device", "to-branch", "TO-BRANCH"] {
        assert_eq!(network.advertised_routes(&id("vpn"), name).unwrap(), by_address, "{name}");
    }
    let to_edge = network.advertised_routes(&id("er"), "to-er1/links/primary").unwrap();
    assert_eq!(to_edge.value.len(), 2, "{to_edge}");
}

/// ARS-1, ARS-2: what each appliance told, by instance; the next hop is the appliance, or what it said instead.
#[test]
fn ars_2_a_route_server_lists_what_each_peer_told() {
    let network = hub();
    let first = network.peer_learned_routes(&id("ars"), "nva-1").unwrap();
    let expected = "\
RouteServiceRole_IN_0
Network      NextHop   Origin  SourcePeer  AsPath  Weight  LocalAddress
-----------  --------  ------  ----------  ------  ------  ------------
10.9.0.0/16  10.0.4.4  EBgp    10.0.4.4    64600   32768   10.0.254.4

RouteServiceRole_IN_1
Network      NextHop   Origin  SourcePeer  AsPath  Weight  LocalAddress
-----------  --------  ------  ----------  ------  ------  ------------
10.9.0.0/16  10.0.4.4  EBgp    10.0.4.4    64600   32768   10.0.254.5";
    assert_eq!(first.to_string(), expected);
    let second = network.peer_learned_routes(&id("ars"), "10.0.4.5").unwrap();
    let row = second.routes().next().unwrap();
    assert_eq!(row.next_hop, Some(GatewayNextHop::Address("10.0.4.9".parse().unwrap())), "ARS-2");
    assert_eq!(row.source_peer, "10.0.4.5".parse().ok());
    assert_eq!(network.learned_routes(&id("ars")).unwrap().value.len(), 4);
    let unknown = network.peer_learned_routes(&id("ars"), "nva-3").unwrap_err();
    assert_eq!(unknown.to_string(), "`ars` has no peer `nva-3`; it has nva-1, nva-2");
}

/// ARS-5: with branch-to-branch on, gateways hear of appliances and of each other from the Route Server, as one system.
#[test]
fn ars_5_gateways_learn_from_the_route_server_inside() {
    let mut joined = document(HUB);
    joined.route_servers[0].allow_branch_to_branch_traffic = true;
    let network = network(joined);
    let learned = network.learned_routes(&id("vpn")).unwrap();
    let from_server: Vec<_> =
        learned.value.iter().filter(|row| row.network == "10.9.0.0/16".parse().unwrap()).collect();
    assert_eq!(from_server.len(), 4, "two instances hear two: {learned}");
    assert!(from_server.iter().all(|row| row.origin == Some(GatewayRouteOrigin::IBgp)), "{learned}");
    assert!(from_server.iter().all(|row| row.as_path.to_string() == "64600"), "{learned}");
    let of_circuit = learned.value.iter().find(|row| row.network == "192.0.2.0/25".parse().unwrap()).unwrap();
    assert_eq!(of_circuit.as_path.to_string(), "12076 65496 65500");
}

/// ER-15, ER-16: a circuit's table has the sites of a joined circuit, with more of Microsoft's numbers.
#[test]
fn er_16_routes_over_global_reach_show_12076() {
    let mut joined = document(HUB);
    let mut other = joined.express_route_circuits[0].clone();
    other.id = id("er2");
    joined.express_route_circuits[0].peering_location = Some("Here".to_owned());
    other.peering_location = Some("There".to_owned());
    joined.express_route_circuits.push(other);
    joined.express_route_circuits[0].global_reach = vec![id("er2")];
    let table = network(joined).circuit_route_table(&id("er2"), PRIVATE, LinkRole::Primary).unwrap();
    let reached: Vec<String> = table
        .value
        .iter()
        .filter(|row| row.network == "192.0.2.0/25".parse().unwrap())
        .map(|row| row.path.as_path.to_string())
        .collect();
    assert!(!reached.is_empty() && reached.iter().all(|path| path == "12076 12076 65496 65500"), "{table}");
}

#[test]
fn a_table_that_is_not_there_is_a_typed_error() {
    let network = hub();
    let kind = |error: TableError| error.to_string();
    let microsoft = PeeringType::MicrosoftPeering;
    for (error, text) in [
        (
            kind(network.circuit_route_table(&id("er9"), PRIVATE, LinkRole::Primary).unwrap_err()),
            "no circuit is called `er9`",
        ),
        (
            kind(network.circuit_route_table_summary(&id("er1"), microsoft, LinkRole::Primary).unwrap_err()),
            "`er1` has no enabled MicrosoftPeering",
        ),
        (kind(network.learned_routes(&id("hub")).unwrap_err()), "no gateway or Route Server is called `hub`"),
        (
            kind(network.advertised_routes(&id("vpn"), "192.0.2.1").unwrap_err()),
            "`vpn` has no peer `192.0.2.1`; it has 192.0.2.254, er",
        ),
    ] {
        assert_eq!(error, text);
    }
    let mut basic = document(HUB);
    basic.virtual_network_gateways[1].sku = Some("Basic".to_owned());
    basic.virtual_network_gateways[1].id = id("/subscriptions/a/vpn");
    basic.virtual_network_gateways[1].enable_bgp = false;
    basic.connections[1].virtual_network_gateway = id("/subscriptions/a/vpn");
    let network = network_of(basic);
    let error = network.learned_routes(&id("vpn")).unwrap_err();
    assert_eq!(error.to_string(), "`/subscriptions/a/vpn` does not speak BGP: its SKU is Basic", "VPN-1");
    let empty = Network::build(&Topology::new(Document::new()).unwrap()).unwrap();
    assert!(matches!(empty.learned_routes(&id("vpn")), Err(TableError::Unknown { .. })));
}

#[cfg(feature = "import")]
mod round_trips {
    use std::collections::BTreeSet;

    use azroute::import::circuit_offers;
    use azroute::import::effective_routes::{ObservedTable, parse};
    use azroute::model::tables::{ExpressRouteCircuitRoutesTable, ListResult, PeerRouteList, TableRow};
    use azroute::model::{OnPremisesSite, RouteSource};
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;

    fn comes_back<T>(list: &ListResult<T>, read: fn(ObservedTable) -> Option<Vec<T>>)
    where
        T: TableRow + Serialize + DeserializeOwned + std::fmt::Debug,
    {
        let json = serde_json::to_string(list).unwrap();
        assert_eq!(&serde_json::from_str::<ListResult<T>>(&json).unwrap(), list);
        for text in [json, list.to_string()] {
            let mut observed = parse("x", text.as_bytes()).unwrap();
            assert_eq!(read(observed.sections.remove(0).table).unwrap(), list.value, "{text}");
        }
    }

    /// A view, written as Azure writes it, is read back as it was: by serde and by the importer.
    #[test]
    fn views_are_written_and_read_back() {
        let network = hub();
        for link in LinkRole::BOTH {
            let table = network.circuit_route_table(&id("er1"), PRIVATE, link).unwrap();
            comes_back(&table, |t| if let ObservedTable::Circuit(rows) = t { Some(rows) } else { None });
        }
        for gateway in ["er", "vpn", "ars"] {
            let learned = network.learned_routes(&id(gateway)).unwrap();
            comes_back(&learned, |t| if let ObservedTable::Gateway(rows) = t { Some(rows) } else { None });
        }
        let status = network.bgp_peer_status(&id("vpn")).unwrap();
        comes_back(&status, |t| if let ObservedTable::BgpPeers(rows) = t { Some(rows) } else { None });
        let summary = network.circuit_route_table_summary(&id("er1"), PRIVATE, LinkRole::Primary).unwrap();
        let json = serde_json::to_string(&summary).unwrap();
        assert_eq!(serde_json::from_str::<ListResult<_>>(&json).unwrap(), summary);
        let server = network.peer_learned_routes(&id("ars"), "nva-2").unwrap();
        let json = serde_json::to_string(&server).unwrap();
        assert_eq!(serde_json::from_str::<PeerRouteList>(&json).unwrap(), server);
        assert_eq!(parse("x", json.as_bytes()).unwrap().sections.len(), 2);
    }

    /// Gateway rows of every subnet.
    fn gateway_rows(network: &Network) -> BTreeSet<String> {
        let document = network.topology().document();
        let mut rows = BTreeSet::new();
        for vnet in &document.virtual_networks {
            for subnet in &vnet.subnets {
                let id = vnet.subnet_id(&subnet.name);
                for row in network.effective_routes(&id).unwrap().rows() {
                    if row.source == RouteSource::VirtualNetworkGateway {
                        rows.insert(format!("{id} {row:?}"));
                    }
                }
            }
        }
        rows
    }

    /// The document with nothing declared over the private peerings, but what the circuits' own tables show.
    fn fed_by_tables(network: &Network) -> (Document, Vec<ExpressRouteCircuitRoutesTable>) {
        let mut document = network.topology().document().clone();
        let circuits = document.express_route_circuits.clone();
        for site in &mut document.on_premises_sites {
            let private =
                |over: &ResourceId, peering| peering == PRIVATE && circuits.iter().any(|c| c.id == *over);
            site.advertisements.retain(|a| !private(&a.over, a.peering));
        }
        let (mut all, mut site) = (Vec::new(), OnPremisesSite::new("read-from-tables", []));
        for circuit in &circuits {
            if circuit.peering(PRIVATE).is_none() {
                continue;
            }
            for link in LinkRole::BOTH {
                let rows = network.circuit_route_table(&circuit.id, PRIVATE, link).unwrap().value;
                let offers = circuit_offers(&rows, &circuit.id, PRIVATE, link, network.topology().document());
                site.advertisements.extend(offers.advertisements);
                all.extend(rows);
            }
        }
        document.on_premises_sites.push(site);
        (document, all)
    }

    /// A network that is fed its own circuits' tables has the same gateway routes.
    #[test]
    fn own_tables_as_a_sites_advertisements_change_nothing() {
        let first = hub();
        let (document, rows) = fed_by_tables(&first);
        assert!(!rows.is_empty());
        let second = network(document);
        assert_eq!(gateway_rows(&second), gateway_rows(&first));
        let learned = |network: &Network| network.learned_routes(&id("er")).unwrap().value;
        assert!(compare_tables(&learned(&second), &learned(&first)).is_equal());
    }

    #[cfg(feature = "testing")]
    mod random {
        use azroute::testing::strategies;
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

            /// The same of random designs.
            #[test]
            fn own_tables_change_nothing_in_any_design(document in strategies::any_topology()) {
                let Ok(topology) = Topology::new(document) else { return Ok(()) };
                let Ok(first) = Network::build(&topology) else { return Ok(()) };
                let (document, _) = fed_by_tables(&first);
                let second = Network::build(&Topology::new(document).unwrap()).unwrap();
                prop_assert_eq!(gateway_rows(&second), gateway_rows(&first));
            }

            /// Every view of every design is read back as it was written.
            #[test]
            fn views_of_any_design_are_written_and_read_back(document in strategies::any_topology()) {
                let Ok(topology) = Topology::new(document) else { return Ok(()) };
                let Ok(network) = Network::build(&topology) else { return Ok(()) };
                let document = network.topology().document();
                for gateway in &document.virtual_network_gateways {
                    match network.learned_routes(&gateway.id) {
                        Ok(learned) if !learned.value.is_empty() => {
                            comes_back(&learned, |t| if let ObservedTable::Gateway(rows) = t { Some(rows) } else { None });
                        }
                        Ok(_) | Err(TableError::NoBgp { .. }) => {}
                        Err(other) => prop_assert!(false, "{}", other),
                    }
                }
                for circuit in document.express_route_circuits.iter().filter(|c| c.peering(PRIVATE).is_some()) {
                    let table = network.circuit_route_table(&circuit.id, PRIVATE, LinkRole::Primary).unwrap();
                    if !table.value.is_empty() {
                        comes_back(&table, |t| if let ObservedTable::Circuit(rows) = t { Some(rows) } else { None });
                    }
                }
            }
        }
    }
}
