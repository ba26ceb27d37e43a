//! The importer on inputs written by us in the exact shapes that Azure and its tools print.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use azroute::import::effective_routes::{self, ObservedTable};
use azroute::import::{Format, ImportError, ImportLimits, ImportReport, Importer, Loaded, WarningKind};
use azroute::model::{
    Asn, ConnectionType, Document, EffectiveNextHopType, GatewayType, LoadBalancerSku, ResourceId,
    RouteSource, RouteState, Tenant, VirtualNetwork,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const P: &str = "/subscriptions/5b1f/resourceGroups/net/providers/Microsoft.Network";

fn id(path: &str) -> String {
    format!("{P}/{path}")
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/import/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn import(value: &Value) -> (Document, ImportReport) {
    import_all(&[value])
}

fn import_all(values: &[&Value]) -> (Document, ImportReport) {
    let mut importer = Importer::new();
    for (at, value) in values.iter().enumerate() {
        importer.add(&format!("input{at}"), value.to_string().as_bytes()).unwrap();
    }
    importer.into_document()
}

fn load(bytes: &[u8]) -> Result<Loaded, ImportError> {
    Importer::new().add("input", bytes)
}

fn refused(bytes: &[u8]) -> (&'static str, String) {
    let error = load(bytes).unwrap_err();
    (error.kind(), error.to_string())
}

fn warnings(report: &ImportReport) -> Vec<String> {
    report.warnings.iter().map(ToString::to_string).collect()
}

fn kinds(report: &ImportReport) -> Vec<&'static str> {
    report.warnings.iter().map(|w| w.kind.as_str()).collect()
}

// ---- formats ------------------------------------------------------------------------------------------------------

/// The environment of the fixtures, once as each tool writes it.
fn fixture_document(names: &[&str], expected: Format) -> Document {
    let mut importer = Importer::new();
    for name in names {
        assert_eq!(importer.add(name, &fixture(name)).unwrap().format, expected, "{name}");
    }
    let (topology, report) = importer.finish().unwrap();
    assert_eq!(warnings(&report), Vec::<String>::new());
    let unresolved: Vec<&str> = report.unresolved.iter().map(|r| r.to.name()).collect();
    assert_eq!(unresolved, ["spoke"]);
    assert_eq!(report.counts["virtualNetworks/subnets"], 2);
    assert_eq!(report.counts["routeTables/routes"], 2);
    topology.document().clone()
}

#[test]
fn every_format_gives_one_document() {
    let raw = fixture_document(&["raw.json"], Format::RawArray);
    assert_eq!(fixture_document(&["az-vnet-list.json", "az-route-table-list.json"], Format::AzList), raw);
    assert_eq!(fixture_document(&["powershell.json"], Format::PowerShell), raw);
    assert_eq!(fixture_document(&["template.json"], Format::Template), raw);

    let vnet = &raw.virtual_networks[0];
    assert_eq!(vnet.address_space.len(), 2);
    assert_eq!(vnet.subnets[0].address_prefixes, ["10.20.1.0/24".parse().unwrap()]);
    assert_eq!(vnet.subnets[0].route_table, Some(ResourceId::new(id("routetables/RT"))));
    assert_eq!(vnet.subnets[1].address_prefixes.len(), 2);
    assert_eq!(vnet.peerings[0].remote_address_space, ["10.30.0.0/16".parse().unwrap()]);
    assert!(vnet.peerings[0].allow_gateway_transit && !vnet.peerings[0].use_remote_gateways);
    assert_eq!(raw.route_tables[0].routes[1].address_prefix.to_string(), "AzureCloud.westeurope");
}

#[test]
fn wrappings_are_taken_off() {
    let raw: Value = serde_json::from_slice(&fixture("raw.json")).unwrap();
    let (expected, _) = import(&raw);
    for (wrapped, format) in [
        (json!({"value": raw.clone()}), Format::RestList),
        (json!({"value": raw.clone(), "nextLink": null}), Format::RestList),
        (
            json!({"parameters": {"api-version": "2024-01-01"}, "responses": {"200": {"body": {"value": raw.clone()}}}}),
            Format::RestExample,
        ),
        (
            json!({"status": "Succeeded", "properties": {"output": {"value": raw.clone()}}}),
            Format::AsyncOperation,
        ),
        (
            json!({"data": raw.clone(), "count": 2, "total_records": 2, "skip_token": null, "resultTruncated": "false"}),
            Format::ResourceGraph,
        ),
        (
            json!({"totalRecords": 2, "count": 2, "facets": [], "resultTruncated": "false", "data": {
                "columns": [{"name": "id", "type": "string"}, {"name": "location", "type": "string"},
                            {"name": "properties", "type": "object"}],
                "rows": [[raw[0]["id"], raw[0]["location"], raw[0]["properties"]],
                         [raw[1]["id"], raw[1]["location"], raw[1]["properties"]]],
            }}),
            Format::ResourceGraph,
        ),
    ] {
        let mut importer = Importer::new();
        assert_eq!(importer.add("x", wrapped.to_string().as_bytes()).unwrap().format, format);
        let (document, report) = importer.into_document();
        assert_eq!(warnings(&report), Vec::<String>::new());
        assert_eq!(document, expected, "{format}");
    }
    let mut importer = Importer::new();
    for resource in raw.as_array().unwrap() {
        let loaded = importer.add("one", resource.to_string().as_bytes()).unwrap();
        assert_eq!(loaded.format, Format::RawResource);
    }
    assert_eq!(importer.into_document().0, expected);
}

#[test]
fn missing_pages_are_reported() {
    let row = json!({"id": id("publicIPAddresses/a"), "properties": {"ipAddress": "203.0.113.9"}});
    for wrapped in [
        json!({"data": [row.clone()], "count": 1, "totalRecords": 7, "resultTruncated": "false", "$skipToken": "e"}),
        json!({"data": [row.clone()], "count": 1, "totalRecords": 7, "resultTruncated": "true"}),
        json!({"value": [row.clone()], "nextLink": "https://management.example/next"}),
    ] {
        let (document, report) = import(&wrapped);
        assert_eq!(document.public_ip_addresses.len(), 1);
        assert_eq!(kinds(&report), ["pages-missing"]);
    }
}

#[test]
fn byte_order_marks_are_read() {
    let text = String::from_utf8(fixture("raw.json")).unwrap();
    let expected = load(text.as_bytes()).unwrap();
    let mut utf8 = b"\xef\xbb\xbf".to_vec();
    utf8.extend(text.as_bytes());
    assert_eq!(load(&utf8).unwrap(), expected);
    let mut utf16 = b"\xff\xfe".to_vec();
    utf16.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(load(&utf16).unwrap(), expected);
}

#[test]
fn service_tags_come_in_two_shapes() {
    let tag = json!({"name": "Storage.WestEurope", "id": "Storage.WestEurope", "properties": {
        "changeNumber": 3, "region": "westeurope", "systemService": "AzureStorage",
        "addressPrefixes": ["203.0.113.0/25", "2001:db8:9::/48", "198.51.100.7/24", "nonsense"]}});
    for (whole, warnings) in [
        (json!({"changeNumber": 5, "cloud": "Public", "values": [tag.clone()]}), 2),
        (json!({"changeNumber": "5", "cloud": "Public", "name": "Public", "values": [tag.clone()]}), 2),
        (json!({"value": [tag.clone()]}), 2),
    ] {
        let (document, report) = import(&whole);
        assert_eq!(document.service_tags.len(), 1);
        assert_eq!(document.service_tags[0].address_prefixes.len(), 3);
        assert_eq!(kinds(&report), ["host-bits", "invalid-value"]);
        assert_eq!(report.warnings.len(), warnings);
    }
}

#[test]
fn documents_are_inputs_too() {
    let mut document = Document::new();
    document.tenants.push(Tenant::new("Contoso"));
    document.virtual_networks.push(VirtualNetwork::new(&*id("virtualNetworks/spoke"), []));
    let text = serde_json::to_string(&document).unwrap();
    let mut importer = Importer::new();
    importer.add("raw", &fixture("raw.json")).unwrap();
    assert_eq!(importer.add("mine", text.as_bytes()).unwrap().format, Format::Document);
    let (merged, report) = importer.into_document();
    assert_eq!((merged.virtual_networks.len(), merged.tenants.len()), (2, 1));
    assert_eq!(report.counts["virtualNetworks"], 2);

    let (kind, message) = refused(br#"{"schema_version": 1, "virtual_networks": [{"ids": "x"}]}"#);
    assert_eq!(kind, "document");
    assert!(message.contains("line 1, column"), "{message}");
}

const SHEET: &str = r#"{"schema_version": 1,
    "tenants": [{"name": "birch"}],
    "virtual_networks": [{"id": "ID/virtualnetworks/HUB", "tenant": "birch", "subnets": [
        {"name": "A", "nat_gateway": "ID/natGateways/nat"},
        {"name": "b", "address_prefixes": ["10.2.0.0/16"]}]}],
    "express_route_circuits": [{"id": "ID/expressRouteCircuits/er", "tenant": "birch",
        "primary": {"edge_router": "dc/routers/r1"}, "secondary": {"edge_router": "dc/routers/r2", "up": false},
        "peerings": [{"peering_type": "private", "enabled": false}]}],
    "local_network_gateways": [{"id": "ID/localNetworkGateways/lgw", "site": "dc"}],
    "connections": [{"id": "ID/connections/c", "connected": false}],
    "on_premises_sites": [{"id": "dc", "routers": [{"name": "r1"}, {"name": "r2"}]}]
}"#;

fn sheet_and_export() -> (String, Value) {
    let export = json!([
        {"id": id("virtualNetworks/hub"), "properties": {
            "addressSpace": {"addressPrefixes": ["10.0.0.0/8"]},
            "subnets": [{"name": "a", "properties": {
                "addressPrefix": "10.1.0.0/16", "routeTable": {"id": id("routeTables/rt")}}}]}},
        {"id": id("expressRouteCircuits/er"), "properties": {
            "serviceProviderProperties": {"bandwidthInMbps": 1000}, "sku": {"tier": "Premium"},
            "peerings": [{"name": "AzurePrivatePeering", "properties": {
                "peeringType": "AzurePrivatePeering", "peerASN": 65001}}]}},
        {"id": id("localNetworkGateways/lgw"), "properties": {
            "localNetworkAddressSpace": {"addressPrefixes": ["10.100.0.0/16"]}, "gatewayIpAddress": "203.0.113.1"}},
        {"id": id("connections/c"), "properties": {"connectionType": "IPsec", "routingWeight": 7,
            "virtualNetworkGateway1": {"id": id("virtualNetworkGateways/gw")},
            "localNetworkGateway2": {"id": id("localNetworkGateways/lgw")}}},
    ]);
    (SHEET.replace("ID", P), export)
}

#[test]
fn a_document_is_laid_over_exports_before_and_after() {
    let (sheet, export) = sheet_and_export();
    let export = export.to_string();
    let mut both = Vec::new();
    for inputs in [[&sheet, &export], [&export, &sheet]] {
        let mut importer = Importer::new();
        for text in inputs {
            importer.add(&text[..1], text.as_bytes()).unwrap();
        }
        let (document, report) = importer.into_document();
        assert_eq!(warnings(&report), Vec::<String>::new());
        assert_eq!((report.counts["virtualNetworks"], report.counts["tenants"]), (1, 1));

        let vnet = &document.virtual_networks[0];
        assert_eq!(vnet.id.name(), "hub");
        assert_eq!(vnet.tenant.as_deref(), Some("birch"));
        assert_eq!(vnet.address_space, ["10.0.0.0/8".parse().unwrap()]);
        let [a, b] = &vnet.subnets[..] else { panic!("{:?}", vnet.subnets) };
        assert_eq!((a.name.as_str(), b.name.as_str()), ("a", "b"));
        assert_eq!(a.address_prefixes, ["10.1.0.0/16".parse().unwrap()]);
        assert_eq!(a.route_table, Some(ResourceId::new(id("routeTables/rt"))));
        assert_eq!(a.nat_gateway, Some(ResourceId::new(id("natGateways/nat"))));

        let circuit = &document.express_route_circuits[0];
        assert_eq!((circuit.tenant.as_deref(), circuit.bandwidth_in_mbps), (Some("birch"), Some(1000)));
        assert_eq!(circuit.primary.edge_router, Some(ResourceId::new("dc/routers/r1")));
        assert_eq!((circuit.primary.up, circuit.secondary.up), (true, false));
        assert_eq!(circuit.peerings.len(), 1);
        assert_eq!(circuit.peerings[0].peer_asn.map(|asn| asn.to_string()).as_deref(), Some("65001"));
        assert!(!circuit.peerings[0].enabled);

        let gateway = &document.local_network_gateways[0];
        assert_eq!(gateway.site, Some(ResourceId::new("dc")));
        assert_eq!(gateway.address_prefixes.len(), 1);
        assert_eq!((document.connections[0].connected, document.connections[0].routing_weight), (false, 7));
        both.push(document);
    }
    assert_eq!(both[0], both[1]);
}

#[test]
fn a_part_of_an_unknown_resource_is_left_out_with_the_missing_field() {
    let (sheet, _) = sheet_and_export();
    let mut importer = Importer::new();
    let loaded = importer.add("mine", sheet.as_bytes()).unwrap();
    assert_eq!((loaded.counts["connections"], loaded.counts["localNetworkGateways"]), (1, 1));
    let (document, report) = importer.into_document();
    assert_eq!((document.tenants.len(), document.on_premises_sites.len()), (1, 1));
    assert!(document.connections.is_empty() && document.virtual_networks.is_empty());
    let found: Vec<(&str, &str, &str)> =
        report.warnings.iter().map(|w| (w.kind.as_str(), w.resource.name(), w.field.as_str())).collect();
    let expected = [
        ("missing", "HUB", "address_space"),
        ("missing", "lgw", "address_prefixes"),
        ("missing", "c", "connection_type"),
    ];
    assert_eq!(found, expected);
    let outcomes: Vec<bool> = report.warnings.iter().map(|w| w.reason.contains("was left out")).collect();
    assert_eq!(outcomes, [true, false, true], "the model can hold a gateway that has a site and no prefixes");

    // A circuit is one by its peerings, whoever its routers are.
    let remark =
        r#"{"schema_version": 1, "express_route_circuits": [{"id": "er", "primary": {"edge_router": "r"}}]}"#;
    let mut importer = Importer::new();
    importer.add("mine", remark.as_bytes()).unwrap();
    let (document, report) = importer.into_document();
    assert_eq!(document.express_route_circuits.len(), 1);
    assert_eq!((report.warnings[0].field.as_str(), report.warnings[0].resource.name()), ("peerings", "er"));
}

#[test]
fn a_document_that_contradicts_an_export_counts_and_is_reported() {
    let (_, export) = sheet_and_export();
    let over = json!({"schema_version": 1, "virtual_networks": [
        {"id": id("virtualNetworks/hub"), "subnets": [{"name": "a", "address_prefixes": ["10.9.0.0/16"]}]}]});
    let (document, report) = import_all(&[&over, &export]);
    assert_eq!(document.virtual_networks[0].subnets[0].address_prefixes, ["10.9.0.0/16".parse().unwrap()]);
    let found: Vec<(&str, &str)> =
        report.warnings.iter().map(|w| (w.kind.as_str(), w.field.as_str())).collect();
    assert_eq!(found, [("conflict", "subnets.a.address_prefixes")]);

    // As a value it says everything, and replaces the whole.
    let mut importer = Importer::new();
    importer.add("export", export.to_string().as_bytes()).unwrap();
    let mut value = Document::new();
    value.virtual_networks.push(VirtualNetwork::new(&*id("virtualNetworks/hub"), []));
    importer.add_document("value", value);
    let (document, report) = importer.into_document();
    assert!(document.virtual_networks[0].subnets.is_empty());
    assert_eq!(kinds(&report), ["conflict"]);
}

#[test]
fn a_document_written_out_is_read_back() {
    let mut importer = Importer::new();
    let (sheet, export) = sheet_and_export();
    importer.add("export", export.to_string().as_bytes()).unwrap();
    importer.add("sheet", sheet.as_bytes()).unwrap();
    for name in ["raw.json", "powershell.json"] {
        importer.add(name, &fixture(name)).unwrap();
    }
    let (document, _) = importer.into_document();
    let (again, report) = import(&serde_json::to_value(&document).unwrap());
    assert_eq!(again, document);
    assert_eq!(warnings(&report), Vec::<String>::new());
}

#[test]
fn documents_complete_each_other_in_any_order() {
    let part = json!({"schema_version": 1, "connections": [{"id": "c", "connected": false}]});
    let rest = json!({"schema_version": 1, "as_of": "2021-01-01", "knobs": {"strict_hosts": true}, "connections": [
        {"id": "c", "connection_type": "IPsec", "virtual_network_gateway": "g", "peer": "l"}]});
    for inputs in [[&part, &rest], [&rest, &part]] {
        let (document, report) = import_all(&inputs);
        assert_eq!(warnings(&report), Vec::<String>::new());
        assert_eq!((document.connections.len(), document.connections[0].connected), (1, false));
        assert!(document.as_of.is_some() && document.knobs.strict_hosts);
    }
}

#[test]
fn mistakes_in_documents_are_refused_behind_missing_members_too() {
    for (lists, part) in [
        (
            json!({"connections": [{"id": "c"}, {"id": "d", "conected": false}]}),
            "$.connections[1]: unknown field",
        ),
        (json!({"connections": [{"id": "c"}], "zzz": 1}), "$.zzz: unknown field"),
        (json!({"connections": [{"id": "c"}], "knobs": {"limit": "x"}}), "$.knobs: unknown field"),
        (json!({"connections": [{"connected": false}]}), "$.connections[0]: expected an object with `id`"),
        (json!({"tenants": [["birch", ""]]}), "$.tenants[0]: expected an object with `name`"),
        (json!({"connections": [{"id": "c"}], "tenants": 3}), "$.tenants: expected a list"),
    ] {
        let mut whole = lists;
        whole["schema_version"] = json!(1);
        let (kind, message) = refused(whole.to_string().as_bytes());
        assert_eq!(kind, "document");
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn what_is_not_ours_is_refused_by_name() {
    for (input, kind, part) in [
        (json!({"format_version": "1.0", "values": {}}), "terraform", "Terraform state"),
        (json!({"format_version": "1.0", "planned_values": {}}), "terraform", "Terraform plan"),
        (
            json!({"version": 4, "terraform_version": "1.5.0", "lineage": "x", "resources": []}),
            "terraform",
            "later",
        ),
        (
            json!({"$schema": "https://schema.management.azure.com/schemas/2015-01-01/deploymentParameters.json#",
                   "parameters": {"a": {"value": 1}}}),
            "template-parameters",
            "no resources",
        ),
        (json!({"vnetName": "hub", "prefix": "10.0.0.0/8"}), "template-parameters", "no resources"),
        (
            json!([{"id": id("virtualNetworks/a"), "name": "a", "properties": null}]),
            "no-properties",
            "properties",
        ),
        (
            json!({"value": [{"addressPrefix": ["10.0.0.0/8"], "nextHopType": "None", "source": "Default"}]}),
            "route-reading",
            "effective_routes",
        ),
        (json!([{"a": 1}]), "unrecognised", "`a`"),
        (json!([1, 2]), "unrecognised", "number"),
        (json!({}), "unrecognised", "empty object"),
        (json!("text"), "unrecognised", "string"),
    ] {
        let (found, message) = refused(input.to_string().as_bytes());
        assert_eq!(found, kind, "{message}");
        assert!(message.starts_with("`input`: $") && message.contains(part), "{message}");
    }
    assert_eq!(refused(b"\x1f\x8b\x08\x00").1, "`input`: byte 0: gzip: unpack it first");
    assert_eq!(refused(b"  \n").0, "empty");
    assert_eq!(refused(b"\xff\xff").0, "encoding");
    assert_eq!(refused(b"[{\"id\": \"x\",\n  oops}]").1, "`input`: line 2, column 3: key must be a string");
}

// ---- merging ------------------------------------------------------------------------------------------------------

#[test]
fn ids_and_members_compare_without_case() {
    let (document, report) = import(&json!([
        {"ID": id("virtualNetworks/hub").to_uppercase(), "PROPERTIES": {"ADDRESSSPACE": {"addressprefixes": ["10.0.0.0/8"]}}},
        {"id": id("virtualnetworks/HUB/subnets/A"), "type": "microsoft.network/virtualnetworks/subnets",
         "properties": {"addressPrefix": "10.1.0.0/16"}},
    ]));
    assert_eq!(warnings(&report), Vec::<String>::new());
    assert_eq!(document.virtual_networks.len(), 1);
    assert_eq!(document.virtual_networks[0].subnets[0].name, "A");
}

#[test]
fn a_childs_own_body_counts_before_its_parents_copy() {
    let subnet = id("virtualNetworks/hub/subnets/a");
    let vnet = json!([{"id": id("virtualNetworks/hub"), "properties": {
        "addressSpace": {"addressPrefixes": ["10.0.0.0/8"]},
        "subnets": [{"id": subnet, "name": "a", "properties": {
            "addressPrefix": "10.1.0.0/16", "routeTable": {"id": id("routeTables/old")}}}]}}]);
    let own = json!([{"id": subnet, "name": "a", "properties": {"addressPrefix": "10.2.0.0/16"}}]);
    for inputs in [[&vnet, &own], [&own, &vnet]] {
        let (document, report) = import_all(&inputs);
        let found = &document.virtual_networks[0].subnets;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].address_prefixes, ["10.2.0.0/16".parse().unwrap()]);
        assert_eq!(found[0].route_table, None);
        assert_eq!(warnings(&report), Vec::<String>::new());
    }
}

#[test]
fn inputs_that_contradict_each_other_are_reported() {
    let table = |flag: bool| json!([{"id": id("routeTables/rt"), "properties": {"disableBgpRoutePropagation": flag}}]);
    let (document, report) = import_all(&[&table(false), &table(true)]);
    assert!(document.route_tables[0].disable_bgp_route_propagation);
    assert_eq!(kinds(&report), ["conflict"]);
    assert_eq!(report.warnings[0].input, "input1");
    let (_, report) = import_all(&[&table(true), &table(true)]);
    assert_eq!(kinds(&report), Vec::<&str>::new());
}

#[test]
fn children_without_parent_are_reported() {
    let (document, report) = import(
        &json!([{"id": id("virtualNetworks/hub/subnets/a"), "properties": {"addressPrefix": "10.0.0.0/24"}}]),
    );
    assert!(document.is_empty());
    assert_eq!(kinds(&report), ["parent-missing"]);
    assert!(warnings(&report)[0].contains("virtualNetworks/hub"), "{:?}", warnings(&report));
}

#[test]
fn references_into_the_void_stay() {
    let (document, report) = import(&json!([
        {"id": id("connections/c"), "properties": {"connectionType": "ExpressRoute", "routingWeight": "10",
            "virtualNetworkGateway1": {"id": id("virtualNetworkGateways/gw")},
            "peer": {"id": "/subscriptions/other/resourceGroups/er/providers/Microsoft.Network/expressRouteCircuits/er1"}}},
        {"id": "/subscriptions/5b1f/resourceGroups/net/providers/Microsoft.Compute/virtualMachines/vm", "properties": {"x": 1}},
    ]));
    let connection = &document.connections[0];
    assert_eq!((connection.connection_type, connection.routing_weight), (ConnectionType::ExpressRoute, 10));
    assert_eq!(connection.peer.name(), "er1");
    let unresolved: Vec<&str> = report.unresolved.iter().map(|r| r.to.name()).collect();
    assert_eq!(unresolved, ["er1", "gw"]);
    assert_eq!(report.ignored["microsoft.compute/virtualmachines"], 1);
}

#[test]
fn a_failed_input_leaves_nothing_behind() {
    let mut importer = Importer::with_limits(ImportLimits { max_resources: 3, ..ImportLimits::default() });
    let four: Vec<Value> =
        (0..4).map(|n| json!({"id": id(&format!("publicIPAddresses/p{n}")), "properties": {}})).collect();
    importer.add("three", json!(four[..3]).to_string().as_bytes()).unwrap();
    let error = importer.add("four", json!(four[3..]).to_string().as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "`four`: $: more than 3 resources in all inputs together");
    let (document, report) = importer.into_document();
    assert_eq!(document.public_ip_addresses.len(), 3);
    assert_eq!(report.inputs, ["three"]);
}

// ---- values -------------------------------------------------------------------------------------------------------

#[test]
fn values_that_cannot_be_taken_are_named() {
    let (document, report) = import(&json!([
        {"id": id("virtualNetworks/hub"), "properties": {
            "addressSpace": {"addressPrefixes": ["10.0.0.5/8", "10.0.0.0/33"]},
            "virtualNetworkPeerings": [{"name": "p", "properties": {
                "remoteVirtualNetwork": {"id": id("virtualNetworks/far")}, "peeringState": "Sleeping",
                "allowForwardedTraffic": "perhaps"}}]}},
        {"id": id("routeTables/rt"), "properties": {"routes": [
            {"name": "a", "properties": {"addressPrefix": "300.0.0.0/8", "nextHopType": "None"}},
            {"name": "b", "properties": {"addressPrefix": "10.0.0.0/8", "nextHopType": "Sideways"}},
            {"name": "c", "properties": {"addressPrefix": "10.0.0.0/8", "nextHopType": "VirtualAppliance"}},
            {"name": "d", "properties": {"addressPrefix": "10.9.0.0/16", "nextHopType": "vnetlocal", "nextHopIpAddress": ""}}]}},
    ]));
    assert_eq!(document.virtual_networks[0].address_space, ["10.0.0.0/8".parse().unwrap()]);
    assert_eq!(document.route_tables[0].routes.len(), 1);
    let text = warnings(&report).join("\n").replace(P, "…");
    assert_eq!(
        text,
        "host-bits: `input0`: `…/virtualNetworks/hub`: addressSpace.addressPrefixes: `10.0.0.5/8` has host bits set, taken as 10.0.0.0/8\n\
         invalid-value: `input0`: `…/virtualNetworks/hub`: addressSpace.addressPrefixes: `10.0.0.0/33` is no prefix and was left out\n\
         invalid-value: `input0`: `…/virtualNetworks/hub/virtualNetworkPeerings/p`: allowForwardedTraffic: `perhaps` is no boolean: taken as not set\n\
         unknown-value: `input0`: `…/virtualNetworks/hub/virtualNetworkPeerings/p`: peeringState: `Sleeping` is no known value: taken as not set\n\
         invalid-value: `input0`: `…/routeTables/rt/routes/a`: addressPrefix: `300.0.0.0/8` is no prefix and was left out\n\
         missing: `input0`: `…/routeTables/rt/routes/a`: addressPrefix: the route was left out\n\
         unknown-value: `input0`: `…/routeTables/rt/routes/b`: nextHopType: `Sideways` is no next hop type of a user-defined route: the route was left out\n\
         missing: `input0`: `…/routeTables/rt/routes/c`: nextHopIpAddress: the route was left out"
    );
}

#[test]
fn gateways_in_old_and_new_words() {
    let gateway = |name: &str, bgp: Value| {
        json!({"id": id(&format!("virtualNetworkGateways/{name}")), "properties": {
            "gatewayType": "Vpn", "vpnType": "RouteBased", "activeActive": true, "enableBgp": true,
            "sku": {"name": "VpnGw2AZ", "tier": "VpnGw2AZ", "capacity": 2}, "bgpSettings": bgp,
            "ipConfigurations": [
                {"name": "one", "properties": {"subnet": {"id": id("virtualNetworks/hub/subnets/GatewaySubnet")},
                                                "publicIPAddress": {"id": id("publicIPAddresses/one")}}},
                {"name": "two", "properties": {"publicIPAddress": {"id": id("publicIPAddresses/two")}}}],
            "vpnClientConfiguration": {"vpnClientAddressPool": {"addressPrefixes": ["172.30.0.0/24"]}},
            "customRoutes": {"addressPrefixes": ["192.0.2.0/24"]},
            "gatewayDefaultSite": {"id": id("localNetworkGateways/dc")}}})
    };
    let (document, report) = import(&json!([
        gateway("old", json!({"asn": "65010", "bgpPeeringAddress": "10.20.0.4,10.20.0.5", "peerWeight": 0})),
        gateway("new", json!({"asn": 65010, "bgpPeeringAddress": "10.20.0.4,10.20.0.5", "bgpPeeringAddresses": [
            {"ipconfigurationId": "a", "defaultBgpIpAddresses": ["10.20.0.4"], "customBgpIpAddresses": ["169.254.21.2"]},
            {"ipconfigurationId": "b", "defaultBgpIpAddresses": ["10.20.0.5"]}]})),
        {"id": id("localNetworkGateways/dc"), "properties": {"gatewayIpAddress": "203.0.113.4",
            "localNetworkAddressSpace": {"addressPrefixes": ["192.168.1.7/16"]},
            "bgpSettings": {"asn": 65020, "bgpPeeringAddress": "192.168.0.1"}}},
        {"id": id("connections/c"), "properties": {"connectionType": "ipsec", "connectionStatus": "NotConnected",
            "virtualNetworkGateway1": {"id": id("virtualNetworkGateways/new")},
            "localNetworkGateway2": {"id": id("localNetworkGateways/dc")}, "enableBgp": true}},
    ]));
    for gateway in &document.virtual_network_gateways {
        assert_eq!(gateway.gateway_type, GatewayType::Vpn);
        assert_eq!(gateway.asn.0, 65010);
        assert_eq!(gateway.virtual_network, ResourceId::new(id("virtualNetworks/hub")));
        assert_eq!(gateway.bgp_peering_addresses.len(), 2);
        assert_eq!(gateway.public_ip_addresses.len(), 2);
        assert_eq!(gateway.vpn_client_address_pools.len(), 1);
        assert_eq!(gateway.gateway_default_site.as_ref().unwrap().name(), "dc");
    }
    assert_eq!(document.local_network_gateways[0].address_prefixes, ["192.168.0.0/16".parse().unwrap()]);
    assert!(!document.connections[0].connected && document.connections[0].enable_bgp);
    assert_eq!(kinds(&report), ["not-modelled", "not-modelled", "host-bits"]);
}

#[test]
fn circuits_with_every_peering() {
    let (document, report) = import(&json!([
        {"id": id("expressRouteCircuits/er"), "sku": {"name": "Premium_MeteredData", "tier": "Premium", "family": "MeteredData"},
         "properties": {
            "serviceProviderProperties": {"serviceProviderName": "Provider", "peeringLocation": "Amsterdam", "bandwidthInMbps": 200},
            "peerings": [
                {"name": "AzurePrivatePeering", "properties": {"peeringType": "AzurePrivatePeering", "state": "Enabled",
                    "peerASN": 65001, "azureASN": 12076, "primaryPeerAddressPrefix": "172.16.0.1/30",
                    "secondaryPeerAddressPrefix": "172.16.0.4/30",
                    "connections": [{"name": "gr", "properties": {
                        "expressRouteCircuitPeering": {"id": id("expressRouteCircuits/er/peerings/AzurePrivatePeering")},
                        "peerExpressRouteCircuitPeering": {"id": id("expressRouteCircuits/far/peerings/AzurePrivatePeering")},
                        "addressPrefix": "192.0.2.0/29"}}],
                    "ipv6PeeringConfig": {"state": "Enabled", "primaryPeerAddressPrefix": "2001:db8:1::/126",
                                           "secondaryPeerAddressPrefix": "2001:db8:2::/126"}}}]}},
        {"id": id("expressRouteCircuits/er/peerings/MicrosoftPeering"), "properties": {"state": "Disabled", "peerASN": 64999,
            "routeFilter": {"id": id("routeFilters/rf")},
            "microsoftPeeringConfig": {"advertisedPublicPrefixes": ["203.0.113.0/24"], "advertisedPublicPrefixesState": "ValidationNeeded"}}},
        {"id": id("routeFilters/rf"), "properties": {"rules": [
            {"name": "r", "properties": {"access": "Allow", "routeFilterRuleType": "Community", "communities": ["12076:51004"]}}]}},
        {"id": "/subscriptions/5b1f/providers/Microsoft.Network/bgpServiceCommunities/x", "type": "Microsoft.Network/bgpServiceCommunities",
         "properties": {"serviceName": "x", "bgpCommunities": [
            {"communityName": "X", "communityValue": "12076:51004", "communityPrefixes": ["198.51.100.0/24"]}]}},
    ]));
    let circuit = &document.express_route_circuits[0];
    assert_eq!(circuit.peerings.len(), 2);
    let private = &circuit.peerings[0];
    assert_eq!(private.primary_peer_address_prefix, Some("172.16.0.0/30".parse().unwrap()));
    assert!(private.ipv6_secondary_peer_address_prefix.is_some() && private.validated);
    let microsoft = &circuit.peerings[1];
    assert!(!microsoft.enabled && !microsoft.validated && microsoft.route_filter.is_some());
    assert_eq!(circuit.global_reach, [ResourceId::new(id("expressRouteCircuits/far"))]);
    assert_eq!(document.route_filters[0].communities, ["12076:51004"]);
    assert_eq!(document.bgp_service_communities[0].prefixes.len(), 1);
    assert_eq!(kinds(&report), ["host-bits"]);
    let unresolved: Vec<&str> = report.unresolved.iter().map(|r| r.to.name()).collect();
    assert_eq!(unresolved, ["far"]);
}

#[test]
fn a_route_server_is_told_from_a_hub() {
    let (document, report) = import(&json!([
        {"id": id("virtualHubs/rs"), "kind": "RouteServer", "properties": {"sku": "Standard", "virtualRouterAsn": 65515,
            "virtualRouterIps": ["10.20.3.4", "10.20.3.5"], "allowBranchToBranchTraffic": true, "hubRoutingPreference": "ASPath",
            "ipConfigurations": [{"id": id("virtualHubs/rs/ipConfigurations/c")}]}},
        {"id": id("virtualHubs/rs/bgpConnections/nva"), "properties": {"peerAsn": 65030, "peerIp": "10.20.2.4"}},
        {"id": id("virtualHubs/bare"), "properties": {"sku": "Standard"}},
        {"id": id("virtualHubs/bare/ipConfigurations/c"), "properties": {"subnet": {"id": id("virtualNetworks/hub2/subnets/RouteServerSubnet")}}},
        {"id": id("virtualNetworks/hub"), "properties": {"addressSpace": {"addressPrefixes": ["10.20.0.0/16"]}, "subnets": [
            {"name": "RouteServerSubnet", "properties": {"addressPrefix": "10.20.3.0/27",
                "ipConfigurations": [{"id": id("virtualHubs/rs/ipConfigurations/c")}]}}]}},
        {"id": id("virtualHubs/wan"), "properties": {"virtualWan": {"id": id("virtualWans/w")}, "addressPrefix": "10.50.0.0/23",
            "routeTable": {"routes": [{"addressPrefixes": ["0.0.0.0/0"], "nextHopIpAddress": "10.1.0.4"}]}}},
        {"id": id("virtualHubs/wan/hubVirtualNetworkConnections/spoke"), "properties": {
            "remoteVirtualNetwork": {"id": id("virtualNetworks/hub")}, "enableInternetSecurity": true}},
    ]));
    assert_eq!(document.route_servers.len(), 2);
    assert_eq!(document.route_servers[0].virtual_network, ResourceId::new(id("virtualNetworks/hub")));
    assert_eq!(document.route_servers[0].bgp_connections[0].peer_asn.0, 65030);
    assert_eq!(document.route_servers[1].virtual_network.name(), "hub2");
    assert_eq!(document.virtual_hubs.len(), 1);
    assert!(document.virtual_hubs[0].virtual_network_connections[0].enable_internet_security);
    assert_eq!(document.virtual_hubs[0].route_tables[0].routes.len(), 1);
    assert_eq!(kinds(&report), [""; 0]);
}

#[test]
fn interfaces_join_the_pools_of_balancers() {
    let pool = id("loadBalancers/lb/backendAddressPools/nvas");
    let nic = |name: &str| {
        json!({"id": id(&format!("networkInterfaces/{name}")), "properties": {"enableIPForwarding": true, "primary": true,
            "virtualMachine": {"id": "/subscriptions/5b1f/resourceGroups/net/providers/Microsoft.Compute/virtualMachines/vm"},
            "ipConfigurations": [{"name": "c", "properties": {"primary": true, "privateIPAddress": "10.0.2.4",
                "subnet": {"id": id("virtualNetworks/hub/subnets/nva")},
                "loadBalancerBackendAddressPools": [{"id": pool.to_lowercase()}]}}]}})
    };
    let (document, _) = import(&json!([
        nic("a"),
        nic("b"),
        {"id": id("loadBalancers/lb"), "sku": {"name": "Standard"}, "properties": {
            "frontendIPConfigurations": [{"name": "f", "properties": {"privateIPAddress": "10.0.2.100",
                "subnet": {"id": id("virtualNetworks/hub/subnets/nva")}}}],
            "backendAddressPools": [{"name": "nvas", "id": pool, "properties": {"backendIPConfigurations": [
                {"id": id("networkInterfaces/a/ipConfigurations/c")}]}}],
            "loadBalancingRules": [{"name": "ha", "properties": {"protocol": "All"}}]}},
        {"id": id("loadBalancers/out"), "sku": {"name": "Standard"}, "properties": {
            "frontendIPConfigurations": [{"name": "f", "properties": {"publicIPAddress": {"id": id("publicIPAddresses/p")}}}],
            "loadBalancingRules": [{"name": "r", "properties": {"disableOutboundSnat": true}}]}},
    ]));
    let balancer = &document.load_balancers[0];
    let backends: Vec<&str> =
        balancer.backends.iter().map(|b| b.network_interface.as_ref().unwrap().name()).collect();
    assert_eq!(backends, ["a", "b"]);
    assert_eq!(balancer.sku, LoadBalancerSku::Standard);
    assert!(!balancer.outbound && !document.load_balancers[1].outbound);
    assert!(document.network_interfaces[0].primary && document.network_interfaces[0].enable_ip_forwarding);
}

#[test]
fn a_private_endpoint_takes_the_best_addresses_there_are() {
    let nic = json!({"id": id("networkInterfaces/pe.nic"), "properties": {
        "privateEndpoint": {"id": id("privateEndpoints/pe")},
        "ipConfigurations": [{"name": "c", "properties": {"privateIPAddress": "10.0.0.7",
            "subnet": {"id": id("virtualNetworks/hub/subnets/pe")}}}]}});
    let endpoint = json!({"id": id("privateEndpoints/pe"), "properties": {
        "subnet": {"id": id("virtualNetworks/hub/subnets/pe")},
        "networkInterfaces": [{"id": id("networkInterfaces/pe.nic")}],
        "privateLinkServiceConnections": [{"name": "l", "properties": {"privateLinkServiceId": "/x/storage"}}],
        "customDnsConfigs": [{"fqdn": "x.example", "ipAddresses": ["10.0.0.9"]}]}});
    let (alone, _) = import(&json!([endpoint.clone()]));
    assert_eq!(
        alone.private_endpoints[0].private_ip_addresses,
        ["10.0.0.9".parse::<std::net::IpAddr>().unwrap()]
    );
    let (both, report) = import(&json!([endpoint, nic]));
    assert_eq!(both.private_endpoints[0].private_ip_addresses, Vec::<std::net::IpAddr>::new());
    assert_eq!(both.network_interfaces[0].private_endpoint.as_ref().unwrap().name(), "pe");
    assert_eq!(both.private_endpoints[0].private_link_service.as_ref().unwrap().as_str(), "/x/storage");
    assert_eq!(report.unresolved.len(), 2);
}

#[test]
fn security_rules_without_the_default_ones() {
    let (document, report) = import(&json!([{"id": id("networkSecurityGroups/n"), "properties": {
        "defaultSecurityRules": [{"name": "AllowVnetInBound", "properties": {"priority": 65000}}],
        "securityRules": [
            {"name": "a", "properties": {"priority": 100, "direction": "Inbound", "access": "Allow", "protocol": "TCP",
                "sourceAddressPrefix": "*", "sourcePortRange": "*", "destinationAddressPrefixes": ["10.0.0.0/8", "VirtualNetwork"],
                "destinationPortRanges": ["80", "8000-8999"], "sourceAddressPrefixes": []}},
            {"name": "b", "properties": {"priority": "110", "direction": "outbound", "access": "deny", "protocol": "*",
                "sourceApplicationSecurityGroups": [{"id": id("applicationSecurityGroups/g")}]}}]}}]));
    let rules = &document.network_security_groups[0].security_rules;
    assert_eq!(rules.len(), 2);
    assert_eq!(rules[0].destination_address_prefixes, ["10.0.0.0/8", "VirtualNetwork"]);
    assert_eq!(rules[1].source_address_prefixes, Vec::<String>::new());
    assert_eq!(kinds(&report), ["not-modelled"]);
}

#[test]
fn back_references_bind_where_the_subnet_says_nothing() {
    let (document, _) = import(&json!([
        {"id": id("virtualNetworks/hub"), "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/8"]},
            "subnets": [{"name": "a", "properties": {"addressPrefix": "10.0.0.0/24"}}]}},
        {"id": id("routeTables/rt"), "properties": {"subnets": [{"id": id("virtualNetworks/HUB/subnets/A")}]}},
        {"id": id("natGateways/nat"), "properties": {"subnets": [{"id": id("virtualNetworks/hub/subnets/a")}],
            "publicIpAddresses": [{"id": id("publicIPAddresses/p")}]}},
    ]));
    let subnet = &document.virtual_networks[0].subnets[0];
    assert_eq!(subnet.route_table.as_ref().unwrap().name(), "rt");
    assert_eq!(subnet.nat_gateway.as_ref().unwrap().name(), "nat");
}

// ---- templates and PowerShell -------------------------------------------------------------------------------------

#[test]
fn expressions_are_named_and_never_invented() {
    let (document, report) = import(&json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "languageVersion": "2.0", "contentVersion": "1.0.0.0",
        "resources": {
            "hub": {"type": "Microsoft.Network/virtualNetworks", "apiVersion": "2023-11-01", "name": "[parameters('hub')]",
                "properties": {"addressSpace": {"addressPrefixes": ["[parameters('space')]"]}, "subnets": [
                    {"name": "a", "properties": {"routeTable": {"id": "[resourceId('Microsoft.Network/routeTables', 'rt')]"}}}]}},
            "known": {"existing": true, "type": "Microsoft.Network/routeTables", "apiVersion": "2023-11-01", "name": "rt"},
            "literal": {"type": "Microsoft.Network/publicIPAddresses", "apiVersion": "2023-11-01", "name": "[[p]"},
            "inner": {"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "d", "properties": {
                "template": {"resources": [{"type": "Microsoft.Network/publicIPAddresses", "name": "q", "apiVersion": "x"}]}}},
        },
    }));
    let vnet = &document.virtual_networks[0];
    assert_eq!(vnet.id.as_str(), "/providers/Microsoft.Network/virtualNetworks/[parameters('hub')]");
    assert!(vnet.address_space.is_empty());
    assert_eq!(
        vnet.subnets[0].route_table.as_ref().unwrap().as_str(),
        "[resourceId('Microsoft.Network/routeTables', 'rt')]"
    );
    assert_eq!(document.public_ip_addresses.len(), 2);
    assert!(document.route_tables.is_empty());
    assert_eq!(
        kinds(&report),
        ["unevaluated-expression", "nested-deployment", "unevaluated-expression", "unevaluated-expression"]
    );
    assert!(report.warnings.iter().all(|w| !w.resource.is_empty()), "{:?}", warnings(&report));
}

#[test]
fn objects_that_powershell_cut_are_named() {
    let (document, report) = import(&json!({
        "Name": "hub", "ResourceGroupName": "net", "Id": id("virtualNetworks/hub"),
        "AddressSpace": {"AddressPrefixes": "System.Collections.Generic.List`1[System.String]"},
        "Subnets": ["Microsoft.Azure.Commands.Network.Models.PSSubnet", "@{Name=web; AddressPrefix=System.Object[]}"],
        "VirtualNetworkPeerings": []}));
    assert_eq!(document.virtual_networks.len(), 1);
    assert_eq!(kinds(&report), ["cut", "cut", "cut"]);
    assert!(warnings(&report)[0].contains("-Depth"), "{:?}", warnings(&report));
}

// ---- effective routes ---------------------------------------------------------------------------------------------

#[test]
fn effective_routes_are_expanded_and_merged() {
    let rows = json!([
        {"source": "Default", "state": "Active", "addressPrefix": ["10.0.0.0/24", "10.1.0.0/24"], "nextHopType": "VnetLocal",
         "nextHopIpAddress": [], "name": null, "tagMap": {}, "destinationServiceTags": []},
        {"source": "VirtualNetworkGateway", "state": "Active", "addressPrefix": ["192.168.0.0/16"],
         "nextHopType": "VirtualNetworkGateway", "nextHopIpAddress": ["10.0.0.5"]},
        {"source": "VirtualNetworkGateway", "state": "Active", "addressPrefix": ["192.168.0.0/16"],
         "nextHopType": "VirtualNetworkGateway", "nextHopIpAddress": ["10.0.0.4"]},
        {"source": "User", "state": "Invalid", "addressPrefix": ["0.0.0.0/0"], "nextHopType": "VirtualAppliance",
         "nextHopIpAddress": ["10.0.0.9"], "name": "default"},
        {"source": "Default", "state": "Active", "addressPrefix": ["10.9.0.0/24"], "nextHopType": "Sideways", "nextHopIpAddress": []},
    ]);
    let plain = effective_routes::parse("x", json!({"value": rows.clone()}).to_string().as_bytes()).unwrap();
    for wrapped in
        [rows.clone(), json!({"status": "Succeeded", "properties": {"output": {"value": rows.clone()}}})]
    {
        let other = effective_routes::parse("x", wrapped.to_string().as_bytes()).unwrap();
        assert_eq!(other.sections, plain.sections);
    }
    let (name, found) = plain.effective().next().unwrap();
    assert_eq!(name, None);
    let printed: Vec<String> = found
        .iter()
        .map(|r| {
            format!("{} {} {} {} {:?}", r.prefix, r.source, r.state, r.next_hop_type, r.next_hop_ip_addresses)
        })
        .collect();
    assert_eq!(
        printed,
        [
            "0.0.0.0/0 User Invalid VirtualAppliance [10.0.0.9]",
            "10.0.0.0/24 Default Active VnetLocal []",
            "10.1.0.0/24 Default Active VnetLocal []",
            "192.168.0.0/16 VirtualNetworkGateway Active VirtualNetworkGateway [10.0.0.4, 10.0.0.5]",
        ]
    );
    assert_eq!(found[0].name.as_deref(), Some("default"));
    assert_eq!(plain.warnings.len(), 1);
    assert_eq!(plain.warnings[0].kind, WarningKind::UnknownValue);
}

#[test]
fn tables_in_text_have_sections() {
    let text = "\
# before

vm-one-nic
Source                 State    Address Prefix       Next Hop Type          Next Hop IP
---------------------  -------  -------------------  ---------------------  -----------------
Default                Active   10.0.0.0/24          VnetLocal
VirtualNetworkGateway  Active   192.168.0.0/16       VirtualNetworkGateway  10.0.9.4 10.0.9.5
vm-two-nic
Source    State    Address Prefix    Next Hop Type     Next Hop IP
--------  -------  ----------------  ----------------  -------------
Default   Invalid  0.0.0.0/0         Internet

vHUB: h1
AddressPrefixes    AsPath       NextHopType
-----------------  -----------  --------------------------
10.60.0.0/22       65520-65520  Remote Hub
10.70.4.0/22                    Virtual Network Connection

Name             : toNva
Source           : User
State            : Active
AddressPrefix    : {10.5.0.0/16, 10.6.0.0/16}
NextHopType      : VirtualAppliance
NextHopIpAddress : {10.0.2.4}

Name             :
Source           : Default
State            : Active
AddressPrefix    : {10.7.0.0/16}
NextHopType      : VnetLocal
NextHopIpAddress : {}
";
    let observed = effective_routes::parse("x.txt", text.as_bytes()).unwrap();
    let names: Vec<Option<&str>> = observed.sections.iter().map(|s| s.name.as_deref()).collect();
    assert_eq!(names, [Some("before / vm-one-nic"), Some("vm-two-nic"), Some("vHUB: h1"), None]);
    let effective: Vec<_> = observed.effective().map(|(_, rows)| rows).collect();
    assert_eq!(effective.iter().map(|rows| rows.len()).collect::<Vec<_>>(), [2, 1, 3]);
    assert_eq!(effective[0][1].next_hop_ip_addresses.len(), 2);
    assert_eq!(effective[1][0].state, RouteState::Invalid);
    assert_eq!(effective[2][0].source, RouteSource::User);
    assert_eq!(effective[2][0].next_hop_type, EffectiveNextHopType::VirtualAppliance);
    let ObservedTable::Hub(hub) = &observed.sections[2].table else { panic!("{observed:?}") };
    assert_eq!(hub[0].as_path.hop_count(), 2);
    assert_eq!(hub[1].next_hop_type.as_deref(), Some("Virtual Network Connection"));
    assert_eq!(observed.warnings, []);
}

#[test]
fn other_route_tables_are_typed() {
    let parse = |value: Value| effective_routes::parse("x", value.to_string().as_bytes());
    let table = |value: Value| parse(value).unwrap().sections.remove(0).table;
    let learned = json!({"network": "10.1.0.0/16", "nextHop": "10.0.0.4", "origin": "EBgp", "asPath": "65001-65002",
                         "localAddress": "10.0.0.5", "sourcePeer": "10.0.0.4", "weight": 32768});
    let ObservedTable::Gateway(rows) = table(json!({"value": [learned.clone()]})) else { panic!() };
    assert_eq!((rows[0].as_path.hop_count(), rows[0].weight), (2, Some(32768)));
    let server =
        parse(json!({"RouteServiceRole_IN_0": [learned.clone()], "RouteServiceRole_IN_1": []})).unwrap();
    assert_eq!(server.sections[0].name.as_deref(), Some("RouteServiceRole_IN_0"));
    assert_eq!(server.sections[1].table, ObservedTable::Empty);
    let ObservedTable::Circuit(rows) = table(json!({"value": [
        {"network": "10.1.0.0/16", "nextHop": "172.16.0.1", "locPrf": "100", "weight": 0, "path": "65001 4200000001 ?  "}]}))
    else {
        panic!()
    };
    assert_eq!((rows[0].path.to_string().as_str(), rows[0].loc_prf), ("65001 4200000001 ?", Some(100)));
    let ObservedTable::CircuitSummary(rows) = table(json!({"value": [
        {"neighbor": "172.16.0.1", "v": 4, "as": 65001, "upDown": "1d14h", "statePfxRcd": "12"},
        {"neighbor": "172.16.0.5", "asn": 65001, "upDown": "never", "stateOrPrefixesReceived": "Idle"}]}))
    else {
        panic!()
    };
    let states: Vec<String> = rows.iter().map(|r| r.state_pfx_rcd.as_ref().unwrap().to_string()).collect();
    assert_eq!((rows[0].asn, states), (Some(Asn(65001)), vec!["12".to_owned(), "Idle".to_owned()]));
    let ObservedTable::NextHop(hop) =
        table(json!({"nextHopType": "VirtualNetwork", "routeTableId": "System Route"}))
    else {
        panic!()
    };
    assert_eq!((hop.next_hop_type, hop.route_table), (EffectiveNextHopType::VnetLocal, None));
    for (value, what) in [
        (json!({"value": [{"effectiveSecurityRules": []}]}), "security rules"),
        (json!({"value": [{"macAddress": "x", "ipAddress": "y", "age": 0}]}), "ARP"),
        (json!({"ipPrefixes": []}), "firewall"),
        (json!({"access": "Allow", "ruleName": "r"}), "IP flow"),
    ] {
        let error = parse(value).unwrap_err();
        assert_eq!(error.kind(), "not-read");
        assert!(error.to_string().contains(what), "{error}");
    }
}

// ---- hostile inputs -----------------------------------------------------------------------------------------------

fn quickly(limit: Duration, what: &str, run: impl FnOnce()) {
    let start = Instant::now();
    run();
    assert!(start.elapsed() < limit, "{what} took {:?}", start.elapsed());
}

#[test]
fn deep_nesting_is_refused() {
    for text in
        ["[".repeat(1 << 20), "{\"a\":".repeat(1 << 20), format!("{}1{}", "[".repeat(200), "]".repeat(200))]
    {
        quickly(Duration::from_secs(10), "deep nesting", || {
            assert_eq!(refused(text.as_bytes()).0, "too-deep")
        });
        let observed = effective_routes::parse("x", text.as_bytes());
        assert_eq!(observed.unwrap_err().kind(), "too-deep");
    }
    let limits = ImportLimits { max_depth: 3, ..ImportLimits::default() };
    let error = Importer::with_limits(limits).add("x", b"[[[[1]]]]").unwrap_err();
    assert_eq!(error.to_string(), "`x`: line 1, column 4: nested deeper than 3 levels");
}

#[test]
fn truncated_files_are_refused_with_the_place() {
    let whole = fixture("raw.json");
    for end in (1..whole.len() - 2).step_by(97) {
        let error = load(&whole[..end]).unwrap_err();
        assert_eq!(error.kind(), "syntax", "{end}");
        assert!(error.refusal().place().starts_with("line "), "{error}");
    }
}

#[test]
fn much_junk_is_refused_fast() {
    let mut junk = vec![b'x'; 100 << 20];
    quickly(Duration::from_secs(20), "junk", || assert_eq!(refused(&junk).0, "syntax"));
    junk[0] = b'[';
    quickly(Duration::from_secs(20), "junk in a list", || assert_eq!(refused(&junk).0, "syntax"));
    junk.fill(0);
    quickly(Duration::from_secs(20), "zeros", || assert_eq!(refused(&junk).0, "syntax"));
    junk.fill(0xff);
    quickly(Duration::from_secs(20), "not text", || assert_eq!(refused(&junk).0, "encoding"));
    let limits = ImportLimits { max_bytes: 1 << 20, ..ImportLimits::default() };
    let error = Importer::with_limits(limits).add_reader("x", std::io::repeat(b'[')).unwrap_err();
    assert_eq!(error.kind(), "too-large");
}

#[test]
fn many_resources_meet_the_limits() {
    let mut text = String::from("[");
    for n in 0..100_000 {
        write!(
            text,
            "{}{{\"id\":\"/providers/Microsoft.Network/publicIPAddresses/{n}\",\"a\":1}}",
            if n == 0 { "" } else { "," }
        )
        .unwrap();
    }
    text.push(']');
    let add = |limits| Importer::with_limits(limits).add("x", text.as_bytes());
    let limits = ImportLimits { max_values: 10_000, ..ImportLimits::default() };
    quickly(Duration::from_secs(20), "too many values", || {
        assert_eq!(add(limits).unwrap_err().to_string().split(": ").last(), Some("more than 10000 values"));
    });
    let limits = ImportLimits { max_resources: 90_000, ..ImportLimits::default() };
    quickly(Duration::from_secs(60), "too many resources", || {
        assert_eq!(add(limits).unwrap_err().kind(), "too-many-resources");
    });
}

#[test]
fn long_texts_cost_their_length() {
    let size = 1 << 18;
    for text in [
        "- ".repeat(size),
        format!("a b\n{}\n{}", "- ".repeat(size), "x\n".repeat(size)),
        format!("key : value\n{}", "  more\n".repeat(size / 4)),
        "title\n".repeat(size / 4),
        format!("{{\"value\": [{}{{}}]}}", "{},".repeat(size / 4)),
    ] {
        quickly(Duration::from_secs(20), "a long text", || {
            let _ = effective_routes::parse("x", text.as_bytes());
        });
    }
}

#[test]
fn macsec_is_read_from_the_port() {
    let link =
        |key: &str| json!({"name": "link", "properties": {"macSecConfig": {"cakSecretIdentifier": key}}});
    let port = |name: &str, keys: [&str; 2]| json!({"id": id(&format!("expressRoutePorts/{name}")), "properties": {"links": [link(keys[0]), link(keys[1])]}});
    let circuit = |name: &str| {
        json!({"id": id(&format!("expressRouteCircuits/{name}")), "properties": {
            "bandwidthInGbps": 1.5, "expressRoutePort": {"id": id(&format!("expressRoutePorts/{name}"))}}})
    };
    let (document, report) = import(&json!([
        port("a", ["k", "k"]),
        circuit("a"),
        port("b", ["k", ""]),
        circuit("b"),
        circuit("c")
    ]));
    let found: Vec<bool> = document.express_route_circuits.iter().map(|c| c.macsec).collect();
    assert_eq!(found, [true, false, false]);
    assert_eq!(document.express_route_circuits[0].bandwidth_in_mbps, Some(1500));
    assert_eq!(warnings(&report), Vec::<String>::new());
}

/// Any bytes: a value or an error, for each entry point.
fn any_bytes(bytes: &[u8]) {
    let mut importer = Importer::new();
    if importer.add("fuzz", bytes).is_ok() {
        let _ = importer.finish();
    }
    let _ = effective_routes::parse("fuzz", bytes);
}

/// JSON made of the words that the readers look for.
fn plausible() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "id",
        "name",
        "type",
        "properties",
        "value",
        "data",
        "columns",
        "rows",
        "count",
        "responses",
        "200",
        "body",
        "status",
        "output",
        "resources",
        "$schema",
        "contentVersion",
        "subnets",
        "routes",
        "routeTable",
        "addressPrefix",
        "addressPrefixes",
        "nextHopType",
        "nextHopIpAddress",
        "source",
        "state",
        "peerings",
        "ipConfigurations",
        "subnet",
        "virtualNetworkPeerings",
        "remoteVirtualNetwork",
        "addressSpace",
        "bgpSettings",
        "network",
        "asPath",
        "kind",
        "backendAddressPools",
        "connections",
        "copy",
        "condition",
        "values",
        "cloud",
        "changeNumber",
        "schema_version",
        "virtual_networks",
        "express_route_circuits",
        "tenants",
        "tenant",
        "knobs",
        "address_space",
        "peering_type",
    ]);
    let texts = prop::sample::select(vec![
        "",
        "hub",
        "a/b/c",
        "10.0.0.0/8",
        "10.0.0.1",
        "::/0",
        "[parameters('x')]",
        "[[",
        "true",
        "65000",
        "Microsoft.Network/virtualNetworks",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/hub",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/hub/subnets/a",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/routeTables/rt",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualHubs/h",
        "/providers/",
        "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "VnetLocal",
        "Active",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        texts.prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((words.clone(), inner), 0..6).prop_map(|members| {
                Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn random_bytes_give_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        any_bytes(&bytes);
    }

    #[test]
    fn random_text_gives_a_value_or_an_error(text in "(Source|State|Address Prefix|NextHopType|-{3,9}| {1,9}|:|Active|10\\.0\\.0\\.0/8|\n|é|\\PC){0,60}") {
        any_bytes(text.as_bytes());
    }

    #[test]
    fn plausible_json_gives_a_value_or_an_error(value in plausible()) {
        any_bytes(value.to_string().as_bytes());
    }

    #[test]
    fn damaged_fixtures_give_a_value_or_an_error(at in 0usize..2000, byte in any::<u8>(), cut in 0usize..4000) {
        for name in ["raw.json", "template.json", "powershell.json"] {
            let mut bytes = fixture(name);
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(cut.max(at + 1));
            any_bytes(&bytes);
        }
    }
    #[test]
    fn damaged_documents_give_a_value_or_an_error(at in 0usize..2000, byte in any::<u8>(), before in any::<bool>()) {
        let (sheet, export) = sheet_and_export();
        let export = export.to_string();
        let mut bytes = sheet.into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let mut importer = Importer::new();
        if before {
            importer.add("export", export.as_bytes()).unwrap();
        }
        let read = importer.add("sheet", &bytes).is_ok();
        if !before {
            importer.add("export", export.as_bytes()).unwrap();
        }
        let (document, report) = importer.into_document();
        prop_assert_eq!(report.inputs.len(), 1 + usize::from(read));
        prop_assert!(!document.virtual_networks.is_empty(), "the exported network is still there");
    }

    #[test]
    fn any_member_laid_over_gives_a_value_or_an_error(list in prop::sample::select(vec![
        "virtual_networks", "express_route_circuits", "connections", "local_network_gateways", "tenants",
    ]), name in prop::sample::select(vec![
        "subnets", "peerings", "address_space", "primary", "tenant", "connected", "peer", "description",
    ]), value in plausible()) {
        let (_, export) = sheet_and_export();
        let item = json!({"id": id(match list {
            "virtual_networks" => "virtualNetworks/hub",
            "express_route_circuits" => "expressRouteCircuits/er",
            "connections" => "connections/c",
            _ => "localNetworkGateways/lgw",
        }), name: value});
        let sheet = json!({"schema_version": 1, list: [item]});
        let mut importer = Importer::new();
        importer.add("export", export.to_string().as_bytes()).unwrap();
        let _ = importer.add("sheet", sheet.to_string().as_bytes());
        let (document, _) = importer.into_document();
        prop_assert_eq!(document.express_route_circuits.len() + document.connections.len(), 2);
    }
}
