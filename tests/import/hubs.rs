//! Virtual hubs in the shapes that Azure prints, and what is refused of them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use azroute::import::{ImportReport, Importer};
use azroute::model::{
    ConnectionType, Document, GatewayType, HubNextHop, HubRoutingPreference, Propagation, ResourceId,
    Topology, VirtualHub, VnetLocalRouteOverride,
};
use serde_json::{Value, json};

const P: &str = "/subscriptions/5b1f/resourceGroups/wan/providers/Microsoft.Network";

fn id(path: &str) -> ResourceId {
    ResourceId::new(format!("{P}/{path}"))
}

fn fixture() -> Value {
    let path = format!("{}/tests/data/import/virtual-wan.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn import(value: &Value) -> (Document, ImportReport) {
    let mut importer = Importer::new();
    importer.add("wan", value.to_string().as_bytes()).unwrap();
    let (topology, report) = importer.finish().unwrap();
    (topology.document().clone(), report)
}

fn hub<'a>(document: &'a Document, name: &str) -> &'a VirtualHub {
    document.virtual_hubs.iter().find(|hub| hub.id.name() == name).unwrap()
}

#[test]
fn a_hub_has_tables_connections_and_peers() {
    let (document, report) = import(&fixture());
    let west = hub(&document, "west");
    assert_eq!(west.hub_routing_preference, HubRoutingPreference::AsPath);
    assert_eq!(west.virtual_wan, Some(id("virtualWans/wan")));
    let [one, two] = &west.virtual_network_connections[..] else { panic!("{west:?}") };
    assert!(one.enable_internet_security && !two.enable_internet_security);
    assert_eq!((&one.associated_route_table, &one.propagation), (&None, &Propagation::default()));
    assert_eq!(one.static_routes[0].next_hop_ip_address.to_string(), "10.1.0.4");
    assert!(!one.propagate_static_routes);
    assert_eq!(one.vnet_local_route_override, VnetLocalRouteOverride::Equal);
    assert_eq!(two.associated_route_table, Some(id("virtualHubs/west/hubRouteTables/shared")));
    assert_eq!(two.propagation.labels, ["partners"]);
    assert_eq!(two.propagation.route_tables, [id("virtualHubs/west/hubRouteTables/noneRouteTable")]);
    let [default, shared] = &west.route_tables[..] else { panic!("{west:?}") };
    // A route of an older API version, by address.
    assert_eq!(default.routes[0].next_hop, HubNextHop::IpAddress("10.1.0.4".parse().unwrap()));
    assert_eq!(shared.labels, ["partners"]);
    // The older name of a connection in an id.
    let to = id("virtualHubs/west/hubVirtualNetworkConnections/one");
    assert_eq!(shared.routes[0].next_hop, HubNextHop::Resource(to.clone()));
    assert_eq!(shared.routes[0].destinations.len(), 2);
    assert_eq!(west.bgp_connections[0].peer_asn.0, 65010);
    assert_eq!(west.bgp_connections[0].hub_virtual_network_connection, Some(to));
    // Branches propagate alike; the second one differs, and is told.
    assert_eq!(west.branch_propagation.labels, ["default", "partners"]);
    let warnings: Vec<String> = report.warnings.iter().map(|w| format!("{}: {}", w.kind, w.field)).collect();
    assert_eq!(warnings, ["conflict: routingConfiguration.propagatedRouteTables"]);
    assert_eq!(report.unresolved, []);
    assert_eq!(document.network_virtual_appliances[0].virtual_hub, Some(west.id.clone()));
}

#[test]
fn routing_intent_takes_its_prefixes_from_the_default_table() {
    let (document, _) = import(&fixture());
    let east = hub(&document, "east");
    let intent = east.routing_intent.as_ref().unwrap();
    assert_eq!(intent.internet, Some(id("azureFirewalls/east-fw")));
    assert_eq!(intent.private_traffic, Some(id("azureFirewalls/east-fw")));
    let more: Vec<String> = intent.additional_private_prefixes.iter().map(ToString::to_string).collect();
    assert_eq!(more, ["198.51.100.0/24"]);
    // What Azure wrote into the table to carry the policies out is not a route of the customer's.
    assert!(east.route_tables.is_empty());
    assert_eq!(document.azure_firewalls[0].virtual_hub, Some(east.id.clone()));
}

#[test]
fn gateways_of_hubs_are_gateways_and_their_branches_connections() {
    let (document, _) = import(&fixture());
    let [er, vpn] = &document.virtual_network_gateways[..] else { panic!() };
    assert_eq!((er.gateway_type, vpn.gateway_type), (GatewayType::ExpressRoute, GatewayType::Vpn));
    assert_eq!(
        (&er.virtual_network, &vpn.virtual_network),
        (&id("virtualHubs/west"), &id("virtualHubs/west"))
    );
    assert_eq!(er.allow_remote_vnet_traffic, Some(true));
    assert_eq!(vpn.bgp_peering_addresses.len(), 2);
    let [circuit, fibre, lte] = &document.connections[..] else { panic!("{:?}", document.connections) };
    assert_eq!(circuit.connection_type, ConnectionType::ExpressRoute);
    assert_eq!(circuit.peer, id("expressRouteCircuits/er1"));
    assert_eq!((circuit.routing_weight, circuit.enable_internet_security), (10, true));
    let links = id("vpnGateways/west-vpn/vpnConnections/branch");
    assert_eq!(fibre.id, links.child("vpnLinkConnections", "a"));
    assert_eq!(fibre.peer, id("vpnSites/branch/vpnSiteLinks/fibre"));
    assert!(fibre.enable_bgp && fibre.connected && fibre.enable_internet_security);
    assert!(!lte.enable_bgp && !lte.connected);
    let site = |n: usize| &document.local_network_gateways[n];
    assert_eq!((site(0).asn.unwrap().0, site(1).asn), (65101, None));
    assert_eq!(site(1).address_prefixes[0].to_string(), "172.20.0.0/16");
    assert_eq!(
        (site(2).id.name(), site(2).bgp_peering_address.unwrap().to_string()),
        ("old", "172.21.0.1".into())
    );
}

#[test]
fn what_cannot_be_read_of_a_hub_is_told() {
    let children = json!([
        {"id": id("virtualHubs/h"), "properties": {"virtualWan": {"id": id("virtualWans/w")}, "addressPrefix": "10.50.0.0/23"}},
        {"id": id("virtualHubs/h/hubRouteTables/t"), "properties": {"routes": [
            {"name": "words", "destinationType": "Service", "destinations": ["Internet"], "nextHop": "x"},
            {"name": "nowhere", "destinationType": "CIDR", "destinations": ["10.0.0.0/8"]}]}},
        {"id": id("virtualHubs/h/routingIntent/i"), "properties": {"routingPolicies": [
            {"name": "p", "destinations": ["Everything"], "nextHop": id("azureFirewalls/f")}]}},
        {"id": id("virtualHubs/h/bgpConnections/b"), "properties": {"peerAsn": 65010}},
        {"id": id("virtualHubs/h/hubVirtualNetworkConnections/c"), "properties": {}},
        {"id": id("networkVirtualAppliances/n"), "properties": {"virtualApplianceAsn": 65010}},
        {"id": id("expressRouteGateways/e"), "properties": {"expressRouteConnections": [{"name": "c", "properties": {}}]}},
        {"id": id("vpnGateways/v"), "properties": {"virtualHub": {"id": id("virtualHubs/h")}, "connections": [
            {"name": "c", "properties": {"routingConfiguration": {
                "associatedRouteTable": {"id": id("virtualHubs/h/hubRouteTables/t")},
                "inboundRouteMap": {"id": id("virtualHubs/h/routeMaps/m")}}}},
            {"name": "d", "properties": {"remoteVpnSite": {"id": id("vpnSites/s")}, "routingConfiguration": {
                "associatedRouteTable": {"id": id("virtualHubs/h/hubRouteTables/t")},
                "inboundRouteMap": {"id": id("virtualHubs/h/routeMaps/m")}}}}]}},
    ]);
    let (document, report) = import(&children);
    let mut warnings: Vec<String> =
        report.warnings.iter().map(|w| format!("{} {} {}", w.kind, w.resource.name(), w.field)).collect();
    warnings.sort();
    assert_eq!(
        warnings,
        [
            "missing b peerIp",
            "missing c expressRouteCircuitPeering",
            "missing c remoteVirtualNetwork",
            "missing c remoteVpnSite",
            "missing e virtualHub",
            "missing i routingPolicies",
            "missing t routes[1].nextHop",
            "not-modelled d routingConfiguration.associatedRouteTable",
            "not-modelled d routingConfiguration.inboundRouteMap",
            "not-modelled n ",
            "not-modelled t routes[0].destinationType",
            "unknown-value i routingPolicies[0].destinations",
        ]
    );
    assert_eq!(document.connections[0].id, id("vpnGateways/v/vpnConnections/d"));
}

/// Refusals of a document: VWAN-1, VWAN-4, VWAN-12, VWAN-16.
#[test]
fn vwan_12_what_a_hub_cannot_be_is_refused_with_place_and_reason() {
    let refused = |hub: Value, more: Value| -> Vec<String> {
        let mut whole = json!({"virtual_hubs": [hub]});
        for (key, value) in more.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let document: Document = serde_json::from_value(whole).unwrap();
        match Topology::new(document) {
            Ok(_) => Vec::new(),
            Err(error) => error.problems().iter().map(ToString::to_string).collect(),
        }
    };
    let table = |name: &str, destinations: &[&str], next_hop: Value| json!({"name": name, "routes": [{"name": "r", "destinations": destinations, "next_hop": next_hop}]});
    let spoke = json!({"name": "c", "remote_virtual_network": "v"});
    let connection = json!({"resource": "h/hubVirtualNetworkConnections/c"});
    let none = json!({});
    assert_eq!(refused(json!({"id": "h", "address_prefix": "10.0.0.0/23"}), none.clone()), [""; 0]);
    let cases = [
        (
            json!({"id": "h", "route_tables": [table("a", &["10.0.0.0/8"], connection.clone()), {"name": "A"}]}),
            "route_tables",
        ),
        (json!({"id": "h", "route_tables": [table("a", &[], connection.clone())]}), "routes"),
        (
            json!({"id": "h", "route_tables": [table("a", &["10.0.0.0/8", "10.0.0.0/8"], connection.clone())]}),
            "routes",
        ),
        (json!({"id": "h", "route_tables": [table("a", &["fd12::/64"], connection.clone())]}), "routes"),
        (
            json!({"id": "h", "route_tables": [table("noneRouteTable", &["10.0.0.0/8"], connection.clone())]}),
            "routes",
        ),
        (json!({"id": "h", "routing_intent": {}}), "routing_intent"),
        (json!({"id": "h", "routing_intent": {"internet": "f"}, "route_tables": [{"name": "own"}]}), "name"),
        (
            json!({"id": "h", "routing_intent": {"internet": "f"}, "virtual_network_connections": [spoke],
                "route_tables": [table("defaultRouteTable", &["10.0.0.0/8"], connection)]}),
            "routes",
        ),
        (
            json!({"id": "h", "routing_intent": {"internet": "f"}, "virtual_network_connections": [
            {"name": "c", "remote_virtual_network": "v", "associated_route_table": "h/hubRouteTables/own"}]}),
            "associated_route_table",
        ),
        (json!({"id": "h", "address_prefix": "fd12::/64"}), "address_prefix"),
        (
            json!({"id": "h", "virtual_network_connections": [
            {"name": "c", "remote_virtual_network": "v", "static_routes": [
                {"name": "s", "address_prefixes": ["10.9.0.0/16"], "next_hop_ip_address": "fd12::4"}]}]}),
            "static_routes",
        ),
    ];
    for (hub, field) in cases {
        let found = refused(hub.clone(), none.clone());
        assert_eq!(found.len(), 1, "{hub}: {found:?}");
        assert!(found[0].contains(&format!(": {field}: ")), "{hub}: {found:?}");
    }
    let gateways = |gateway: Value, connection: Value| {
        refused(
            json!({"id": "h"}),
            json!({"virtual_network_gateways": [gateway], "connections": [connection]}),
        )
    };
    let gateway = json!({"id": "g", "virtual_network": "h", "gateway_type": "Vpn"});
    let link =
        |kind: &str| json!({"id": "x", "connection_type": kind, "virtual_network_gateway": "g", "peer": "p"});
    assert_eq!(gateways(gateway.clone(), link("IPsec")), [""; 0]);
    assert!(gateways(gateway.clone(), link("Vnet2Vnet"))[0].contains("connection_type"));
    let mut default_site = gateway.clone();
    default_site["gateway_default_site"] = json!("p");
    assert!(gateways(default_site, link("IPsec"))[0].contains("gateway_default_site"));
    let mut in_network = gateway;
    in_network["virtual_network"] = json!("v");
    let mut takes_default = link("IPsec");
    takes_default["enable_internet_security"] = json!(true);
    assert!(gateways(in_network, takes_default)[0].contains("enable_internet_security"));
}

#[test]
fn references_of_hubs_are_followed() {
    let document: Document = serde_json::from_value(json!({"virtual_hubs": [{
        "id": "h",
        "virtual_network_connections": [{"name": "c", "remote_virtual_network": "v",
            "associated_route_table": "h/hubRouteTables/defaultRouteTable",
            "propagation": {"route_tables": ["h/hubRouteTables/noneRouteTable", "far/hubRouteTables/defaultRouteTable"]}}],
        "route_tables": [{"name": "t", "routes": [
            {"name": "r", "destinations": ["10.0.0.0/8"], "next_hop": {"resource": "fw"}},
            {"name": "s", "destinations": ["10.1.0.0/16"], "next_hop": {"resource": "h/hubVirtualNetworkConnections/c"}}]}],
        "routing_intent": null,
        "bgp_connections": [{"name": "b", "peer_ip": "10.1.0.4", "peer_asn": 65010,
            "hub_virtual_network_connection": "h/hubVirtualNetworkConnections/d"}]
    }]}))
    .unwrap();
    let topology = Topology::new(document).unwrap();
    let missing: Vec<&str> = topology.unresolved_references().iter().map(|r| r.to.as_str()).collect();
    assert_eq!(
        missing,
        ["h/hubVirtualNetworkConnections/d", "fw", "far/hubRouteTables/defaultRouteTable", "v"]
    );
}
