//! Tables of Azure's BGP speakers: read in every shape that people paste, written and read back, compared, and fed to the
//! model as what a site offers.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use azroute::Network;
use azroute::import::effective_routes::{self, ObservedTable};
use azroute::import::{
    ImportError, Importer, LeftOutReason, RoutesOf, WarningKind, circuit_offers, gateway_offers,
};
use azroute::model::bgp::{AsPath, Asn};
use azroute::model::tables::{
    ExpressRouteCircuitRoutesTable, GatewayNextHop, GatewayRoute, GatewayRouteOrigin, ListResult,
    PeerRouteList,
};
use azroute::model::{
    Advertisement, CircuitPeering, Connection, ConnectionType, Document, ExpressRouteCircuit, GatewayType,
    LinkRole, LocalNetworkGateway, OnPremisesSite, PeeringType, RouteSource, Subnet, Topology,
    VirtualNetwork, VirtualNetworkGateway,
};
use ipnet::IpNet;
use serde_json::{Value, json};

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/import/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub(crate) fn table(bytes: &[u8]) -> ObservedTable {
    let mut observed = effective_routes::parse("x", bytes).unwrap();
    assert_eq!(observed.warnings, [], "{}", String::from_utf8_lossy(bytes));
    observed.sections.remove(0).table
}

pub(crate) fn circuit(bytes: &[u8]) -> Vec<ExpressRouteCircuitRoutesTable> {
    let ObservedTable::Circuit(rows) = table(bytes) else { panic!("no table of a circuit") };
    rows
}

pub(crate) fn gateway(bytes: &[u8]) -> Vec<GatewayRoute> {
    let ObservedTable::Gateway(rows) = table(bytes) else { panic!("no table of a gateway") };
    rows
}

// ---- reading ------------------------------------------------------------------------------------------------------

/// The same routes as az, REST and PowerShell print them.
#[test]
fn a_table_reads_alike_in_every_shape() {
    let row = json!({"network": "192.0.2.0/24", "nextHop": "10.1.4.4", "sourcePeer": "10.1.4.4", "origin": "EBgp",
                     "asPath": "64600-64601", "weight": 32768, "localAddress": "10.1.250.4"});
    let pascal = json!({"Network": "192.0.2.0/24", "NextHop": "10.1.4.4", "SourcePeer": "10.1.4.4", "Origin": "EBgp",
                        "AsPath": "64600-64601", "Weight": 32768, "LocalAddress": "10.1.250.4"});
    let expected = gateway(row.to_string().as_bytes());
    assert_eq!(expected[0].as_path, "64600 64601".parse().unwrap());
    assert_eq!(expected[0].next_hop, Some(GatewayNextHop::Address("10.1.4.4".parse().unwrap())));
    assert_eq!(expected[0].origin, Some(GatewayRouteOrigin::EBgp));
    assert_eq!((expected[0].weight, expected[0].local_address), (Some(32768), "10.1.250.4".parse().ok()));
    let list = json!({"value": [row.clone()], "nextLink": null});
    for shape in [
        json!([row.clone()]),
        list.clone(),
        json!({"status": "Succeeded", "properties": {"output": list.clone()}}),
        json!({"parameters": {}, "responses": {"200": {"body": list}, "202": {}}}),
        json!({"RouteServiceRole_IN_0": [row.clone()]}),
        json!({"status": "Succeeded", "properties": {"output": {"RouteServiceRole_IN_0": [row]}}}),
        json!([pascal.clone()]),
        pascal,
    ] {
        assert_eq!(gateway(shape.to_string().as_bytes()), expected, "{shape}");
    }
    let text = "\
LocalAddress : 10.1.250.4
Network      : 192.0.2.0/24
NextHop      : 10.1.4.4
SourcePeer   : 10.1.4.4
Origin       : EBgp
AsPath       : 64600-64601
Weight       : 32768
";
    assert_eq!(gateway(text.as_bytes()), expected);
    assert_eq!(gateway(ListResult::from(expected.clone()).to_string().as_bytes()), expected);
}

/// Each instance of a Route Server is a table of its own, one without routes included.
#[test]
fn a_route_server_has_a_table_for_each_instance() {
    let bytes = fixture("route-server-learned.json");
    let printed: PeerRouteList = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        printed.instances.keys().collect::<Vec<_>>(),
        ["RouteServiceRole_IN_0", "RouteServiceRole_IN_1"]
    );
    assert_eq!(PeerRouteList::instance(1), "RouteServiceRole_IN_1");
    let observed = effective_routes::parse("x", &bytes).unwrap();
    for (section, (name, rows)) in observed.sections.iter().zip(&printed.instances) {
        assert_eq!(section.name.as_ref(), Some(name));
        assert_eq!(section.table, ObservedTable::Gateway(rows.clone()));
    }
    let text = effective_routes::parse("x", printed.to_string().as_bytes()).unwrap();
    assert_eq!(text.sections, observed.sections, "the printed table reads back:\n{printed}");
    let quiet = json!({"RouteServiceRole_IN_0": null, "RouteServiceRole_IN_1": []});
    let observed = effective_routes::parse("x", quiet.to_string().as_bytes()).unwrap();
    assert_eq!(observed.sections.len(), 2);
}

/// Nothing malformed goes by without a word: the place, the field and what it said.
#[test]
fn malformed_entries_are_reported_with_field_and_reason() {
    let rows = json!({"value": [
        {"network": "192.0.2.0/24", "path": "65496 none 65500", "nextHop": "172.16.0.300", "locPrf": "high", "weight": 0},
        {"network": "all", "path": "65496", "nextHop": "172.16.0.1", "locPrf": "", "weight": 0},
        {"surprise": true},
        {"network": "192.0.2.9/24", "path": "65496", "nextHop": "172.16.0.1", "locPrf": "", "weight": 0},
    ]});
    let observed = effective_routes::parse("x", rows.to_string().as_bytes()).unwrap();
    let ObservedTable::Circuit(rows) = &observed.sections[0].table else { panic!() };
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].path.to_string(), "65496 65500");
    let said: Vec<(WarningKind, &str)> =
        observed.warnings.iter().map(|w| (w.kind, w.field.as_str())).collect();
    assert_eq!(
        said,
        [
            (WarningKind::InvalidValue, "$.value[0].nexthop"),
            (WarningKind::InvalidValue, "$.value[0].locprf"),
            (WarningKind::InvalidValue, "$.value[0].path"),
            (WarningKind::InvalidValue, "$.value[1].network"),
            (WarningKind::Missing, "$.value[1].network"),
            (WarningKind::Missing, "$.value[2].network"),
            (WarningKind::HostBits, "$.value[3].network"),
        ]
    );
    assert!(observed.warnings[0].reason.contains("172.16.0.300"), "{}", observed.warnings[0]);
    // A neighbour that is not told is a row nevertheless.
    let summary = json!([{"neighbor": "", "as": 65496, "upDown": "never", "statePfxRcd": "Idle"}]);
    let observed = effective_routes::parse("x", summary.to_string().as_bytes()).unwrap();
    assert!(
        matches!(&observed.sections[0].table, ObservedTable::CircuitSummary(rows) if rows[0].neighbor.is_none())
    );
    assert_eq!(observed.warnings[0].kind, WarningKind::Missing);
}

// ---- as what a site offers ----------------------------------------------------------------------------------------

/// A hub with both gateways: a circuit with private peering, and two VPN connections with BGP.
fn document() -> Document {
    let mut hub = VirtualNetwork::new("hub", ["10.1.0.0/16".parse().unwrap()]);
    hub.subnets.push(Subnet::new("web", "10.1.1.0/24".parse().unwrap()));
    hub.subnets.push(Subnet::new("GatewaySubnet", "10.1.255.0/24".parse().unwrap()));
    let mut circuit = ExpressRouteCircuit::new("er-1");
    circuit.peerings.push(CircuitPeering {
        primary_peer_address_prefix: "172.16.0.0/30".parse().ok(),
        secondary_peer_address_prefix: "172.16.0.4/30".parse().ok(),
        ..CircuitPeering::new(PeeringType::AzurePrivatePeering)
    });
    let vpn = VirtualNetworkGateway {
        enable_bgp: true,
        ..VirtualNetworkGateway::new("vpn", "hub", GatewayType::Vpn)
    };
    let local = |id: &str, asn, peer: &str| LocalNetworkGateway {
        id: id.into(),
        asn: Some(Asn(asn)),
        bgp_peering_address: peer.parse().ok(),
        ..LocalNetworkGateway::default()
    };
    let tunnel = |id: &str, peer: &str| Connection {
        enable_bgp: true,
        ..Connection::new(id, ConnectionType::IPsec, "vpn", peer)
    };
    Document {
        virtual_networks: vec![hub],
        express_route_circuits: vec![circuit],
        virtual_network_gateways: vec![
            vpn,
            VirtualNetworkGateway::new("er", "hub", GatewayType::ExpressRoute),
        ],
        local_network_gateways: vec![
            local("branch-a", 65501, "192.0.2.254"),
            local("branch-b", 65502, "198.51.100.254"),
        ],
        connections: vec![
            tunnel("to-a", "branch-a"),
            tunnel("to-b", "branch-b"),
            Connection::new("to-er", ConnectionType::ExpressRoute, "er", "er-1"),
        ],
        ..Document::new()
    }
}

fn told(advertisements: &[Advertisement]) -> Vec<String> {
    let line = |a: &Advertisement| {
        let prefixes: Vec<String> = a.prefixes.iter().map(ToString::to_string).collect();
        let path = AsPath::sequence(a.as_path.iter().copied());
        let link = a.link.map_or("both", LinkRole::as_str);
        format!("{} {link} [{path}] {}", a.over, prefixes.join(" "))
    };
    advertisements.iter().map(line).collect()
}

/// ER-2, BGP-1: the customer's rows are the customer's; a virtual network's, those of a Route Server and of another
/// circuit are not.
#[test]
fn a_circuits_table_is_what_its_site_offers() {
    let rows = circuit(&fixture("circuit-primary.json"));
    let private = PeeringType::AzurePrivatePeering;
    let offers = circuit_offers(&rows, &"ER-1".into(), private, LinkRole::Primary, &document());
    assert_eq!(
        told(&offers.advertisements),
        [
            "ER-1 primary [65496] 198.51.100.0/25",
            "ER-1 primary [65496 65500] 192.0.2.0/24",
            "ER-1 primary [65496 65500 65510] 203.0.113.0/24",
        ]
    );
    let left: Vec<(String, LeftOutReason)> =
        offers.left_out.iter().map(|row| (row.network.to_string(), row.reason)).collect();
    let own = LeftOutReason::AzureOriginated;
    assert_eq!(
        left,
        [
            ("10.1.0.0/16".to_owned(), own),
            ("10.1.0.0/16".to_owned(), own),
            ("10.9.0.0/24".to_owned(), LeftOutReason::PassedOnByAzure),
            ("10.50.0.0/16".to_owned(), LeftOutReason::GlobalReach),
            ("172.16.0.0/30".to_owned(), own),
        ]
    );
    assert_eq!(
        offers.left_out[3].to_string(),
        "10.50.0.0/16 [12076 12076 65499]: from another circuit, by Global Reach"
    );
}

/// A gateway's ASN may be any: what it told the circuit is not the customer's.
#[test]
fn a_gateway_with_another_asn_is_azures_too() {
    let mut document = document();
    document.virtual_network_gateways[1].asn = Asn(64999);
    let row = |path: &str| {
        ExpressRouteCircuitRoutesTable::new("10.1.0.0/16".parse().unwrap(), path.parse().unwrap())
    };
    let read = |rows: &[_], document: &Document| {
        circuit_offers(rows, &"er-1".into(), PeeringType::AzurePrivatePeering, LinkRole::Primary, document)
    };
    assert_eq!(read(&[row("64999")], &document).left_out[0].reason, LeftOutReason::AzureOriginated);
    document.connections.clear();
    assert_eq!(read(&[row("64999")], &document).left_out, [], "no gateway of the circuit has that ASN");
}

/// Rows of a gateway go to the connection that they came over: by the peer's address, by the circuit's ASN in front.
#[test]
fn a_gateways_learned_routes_are_what_its_sites_offer() {
    let rows = gateway(&fixture("gateway-learned.json"));
    let vpn = gateway_offers(&rows, &"vpn".into(), None, &[], &document());
    assert_eq!(
        told(&vpn.advertisements),
        ["to-a both [65501] 198.51.100.128/25", "to-b both [65502 65501] 203.0.113.128/25"]
    );
    let reasons: Vec<LeftOutReason> = vpn.left_out.iter().map(|row| row.reason).collect();
    use LeftOutReason::{AzureOriginated, FromTwin, OtherConnection, Repeated, UnknownConnection};
    assert_eq!(
        reasons,
        [AzureOriginated, UnknownConnection, UnknownConnection, FromTwin, AzureOriginated, UnknownConnection]
    );
    let er = gateway_offers(&rows[..4], &"er".into(), None, &[], &document());
    assert_eq!(told(&er.advertisements), ["er-1 both [65496 65500] 192.0.2.0/24"], "the shorter path counts");
    let reasons: Vec<LeftOutReason> = er.left_out.iter().map(|row| row.reason).collect();
    assert_eq!(reasons, [AzureOriginated, Repeated, FromTwin]);
    let one = gateway_offers(&rows, &"vpn".into(), Some(&"to-b".into()), &[], &document());
    assert_eq!(told(&one.advertisements), ["to-b both [65502 65501] 203.0.113.128/25"]);
    assert!(one.left_out.iter().any(|row| row.reason == OtherConnection));
    let peers = ["192.0.2.77".parse().unwrap()];
    let named = gateway_offers(&rows, &"vpn".into(), Some(&"to-a".into()), &peers, &document());
    assert_eq!(told(&named.advertisements), ["to-a both [64777] 203.0.113.0/25"]);
}

fn importer() -> Importer {
    let mut importer = Importer::new();
    importer.add_document("design", document());
    importer
}

fn link(link: LinkRole) -> RoutesOf {
    RoutesOf::CircuitLink { circuit: "er-1".into(), peering: PeeringType::AzurePrivatePeering, link }
}

/// ER-10: an export of both links feeds the model, so that the longer path of one of them shows.
#[test]
fn tables_feed_the_model() {
    let mut importer = importer();
    importer.add_routes("primary", &fixture("circuit-primary.json"), link(LinkRole::Primary), "dc").unwrap();
    importer
        .add_routes("secondary", &fixture("circuit-secondary.txt"), link(LinkRole::Secondary), "dc")
        .unwrap();
    let loaded = importer
        .add_routes(
            "learned",
            &fixture("gateway-learned.json"),
            RoutesOf::Gateway { gateway: "vpn".into() },
            "branches",
        )
        .unwrap();
    assert_eq!((loaded.format.as_str(), loaded.counts["routes"]), ("route table", 8));
    let (topology, report) = importer.finish().unwrap();
    assert_eq!(report.warnings, []);
    assert_eq!(report.left_out.len(), 12, "{:#?}", report.left_out);
    assert_eq!(report.left_out[0].to_string(), "`primary`: `er-1`: 10.1.0.0/16 [65515]: originated by Azure");
    let sites = &topology.document().on_premises_sites;
    assert_eq!(sites.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), ["dc", "branches"]);
    let network = Network::build(&topology).unwrap();
    let rows = network.effective_routes(&"hub/subnets/web".into()).unwrap().rows();
    let learned: Vec<String> = rows
        .iter()
        .filter(|row| row.source == RouteSource::VirtualNetworkGateway)
        .map(|row| row.prefix.to_string())
        .collect();
    for prefix in
        ["192.0.2.0/24", "198.51.100.0/25", "203.0.113.0/24", "198.51.100.128/25", "203.0.113.128/25"]
    {
        assert!(learned.iter().any(|p| p == prefix), "{prefix}: {learned:?}");
    }
    let answer = network.resolve("hub/subnets/web", "192.0.2.9".parse().unwrap()).unwrap();
    let text = answer.to_string();
    assert!(text.contains("dc") && !text.contains("secondary"), "{text}");
}

/// What a document declares for a link counts, and a link's own table before a gateway's.
#[test]
fn declared_advertisements_count_before_tables() {
    let mut design = document();
    let prefix = |text: &str| text.parse::<IpNet>().unwrap();
    design.on_premises_sites.push(OnPremisesSite {
        advertisements: vec![Advertisement::new("er-1", [prefix("192.0.2.0/24")], [Asn(65496)])],
        ..OnPremisesSite::new("dc", [])
    });
    let mut importer = Importer::new();
    let learned = fixture("gateway-learned.json");
    importer.add_routes("learned", &learned, RoutesOf::Gateway { gateway: "er".into() }, "far").unwrap();
    importer.add_routes("primary", &fixture("circuit-primary.json"), link(LinkRole::Primary), "dc").unwrap();
    importer.add_document("design", design);
    let (document, report) = importer.into_document();
    let count = |reason| report.left_out.iter().filter(|row| row.route.reason == reason).count();
    assert_eq!(count(LeftOutReason::Declared), 2, "{:#?}", report.left_out);
    let told = told(&document.on_premises_sites[0].advertisements);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.contains(&"er-1 both [65496] 192.0.2.0/24".to_owned()), "{told:?}");
}

/// A new site belongs to whoever owns the circuit (ISO-1).
#[test]
fn a_site_made_for_a_table_has_the_circuits_tenant() {
    let mut design = document();
    design.express_route_circuits[0].tenant = Some("birch".to_owned());
    let mut importer = Importer::new();
    importer.add_document("design", design);
    importer.add_routes("primary", &fixture("circuit-primary.json"), link(LinkRole::Primary), "dc").unwrap();
    let (document, _) = importer.into_document();
    assert_eq!(document.on_premises_sites[0].tenant.as_deref(), Some("birch"));
}

#[test]
fn a_table_of_the_wrong_kind_is_refused_and_leaves_nothing() {
    let mut importer = importer();
    let refused = importer
        .add_routes("x", &fixture("gateway-learned.json"), link(LinkRole::Primary), "dc")
        .unwrap_err();
    assert!(matches!(refused, ImportError::Unrecognised(_)));
    assert_eq!(
        refused.to_string(),
        "`x`: $: `er-1` was to have the route table of a circuit, and this is no such table"
    );
    let broken = importer.add_routes("x", b"{\"value\": [", link(LinkRole::Primary), "dc");
    assert!(matches!(broken, Err(ImportError::Syntax(_))));
    let (document, report) = importer.into_document();
    assert!(document.on_premises_sites.is_empty() && report.inputs == ["design"]);
    // Warnings of rows name the resource; a resource in no input is said.
    let mut importer = Importer::new();
    let rows = json!([{"network": "192.0.2.0/24", "path": "65496", "nextHop": "?"}]).to_string();
    importer.add_routes("y", rows.as_bytes(), link(LinkRole::Primary), "dc").unwrap();
    let (_, report) = importer.into_document();
    let said: Vec<(WarningKind, &str)> =
        report.warnings.iter().map(|w| (w.kind, w.resource.as_str())).collect();
    assert_eq!(said, [(WarningKind::InvalidValue, "er-1"), (WarningKind::Missing, "er-1")]);
}

/// Hosts behind what a table told are reached; the rest of the private space is not (SYS-3).
#[test]
fn what_a_table_does_not_tell_is_not_routed() {
    let mut importer = importer();
    let rows: Value =
        json!([{"network": "10.20.0.0/16", "nextHop": "172.16.0.1", "path": "65496", "weight": 0}]);
    importer.add_routes("t", rows.to_string().as_bytes(), link(LinkRole::Primary), "dc").unwrap();
    let (topology, _): (Topology, _) = importer.finish().unwrap();
    let network = Network::build(&topology).unwrap();
    let outcome = |to: &str| {
        let answer = network.resolve("hub/subnets/web", to.parse().unwrap()).unwrap();
        answer.disposition().to_string()
    };
    assert_eq!(outcome("10.20.1.1"), "OnPremises(dc)");
    assert_eq!(outcome("10.21.1.1"), "Drop(NoneRoute, 10.0.0.0/8)");
}
