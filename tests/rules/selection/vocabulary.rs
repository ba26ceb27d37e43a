//! VOC: the words of Azure, read and written.

use azroute::analysis::compare;
use azroute::model::{
    BuildError, EffectiveNextHopType, GatewayType, LearnedRoute, RouteNextHopType, RouteServer, RouteSource,
    RouteState, VirtualHub, VirtualNetworkGateway,
};

use crate::selection::support::{NVA, S, Steps, base, ip, net, peered, public_ip};

#[test]
fn voc_1_sources_of_routes() {
    let lab = peered().er(&["10.50.0.0/16"]).udr(&[("10.60.0.0/16", "NVA")]).lab();
    for (prefix, source) in [
        ("10.0.0.0/16", RouteSource::Default),
        ("10.1.0.0/16", RouteSource::Default),
        ("10.50.0.0/16", RouteSource::VirtualNetworkGateway),
        ("10.60.0.0/16", RouteSource::User),
    ] {
        assert_eq!(lab.active(S, prefix).source, source);
    }
    assert!(lab.rows(S).iter().all(|r| r.source != RouteSource::Unknown), "read, never computed");
}

/// Invalid is listed, absent is not.
#[test]
fn voc_2_invalid_is_not_absent() {
    let lab = base().udr(&[("0.0.0.0/0", "None"), ("10.0.0.0/8", "None")]).lab();
    let listed = |prefix: &str, source| {
        let rows = lab.rows(S);
        rows.iter().find(|r| r.prefix == net(prefix) && r.source == source).map(|r| r.state)
    };
    assert_eq!(listed("0.0.0.0/0", RouteSource::Default), Some(RouteState::Invalid));
    assert_eq!(listed("10.0.0.0/8", RouteSource::Default), None);
    assert_eq!(lab.s("10.0.0.0/8").len(), 2, "though it was considered");
}

#[test]
fn voc_3_types_that_a_table_accepts_in_any_case() {
    for word in ["VnetLocal", "VNetLocal", "VNETLOCAL"] {
        assert_eq!(base().udr(&[("10.0.9.0/24", word)]).lab().hop("10.0.9.1"), "VnetLocal 10.0.9.0/24");
    }
    for word in
        ["VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance", "None", "VirtualApplianceEcmp"]
    {
        assert_eq!(word.to_lowercase().parse::<RouteNextHopType>().unwrap().as_str(), word);
    }
}

#[test]
fn voc_4_types_of_the_platform_are_refused_in_a_table() {
    for word in [
        "VNetPeering",
        "VNetGlobalPeering",
        "VirtualNetworkServiceEndpoint",
        "InterfaceEndpoint",
        "ConnectedGroup",
    ] {
        let refused = base().udr(&[("10.50.0.0/16", word)]).build();
        assert!(matches!(refused, Err(BuildError::Unreadable { field: "next_hop_type", .. })), "{word}");
        assert_eq!(
            EffectiveNextHopType::parse(word).unwrap().as_str(),
            word,
            "as an effective route it is read"
        );
    }
}

/// Read as aliases, written in the Resource Manager's spelling.
#[test]
fn voc_5_classic_spellings() {
    for (classic, word) in
        [("VPNGateway", "VirtualNetworkGateway"), ("VNETLocal", "VnetLocal"), ("Null", "None")]
    {
        assert_eq!(classic.parse::<RouteNextHopType>().unwrap().as_str(), word);
        let lab = base().udr(&[("10.0.9.0/24", classic)]).lab();
        assert_eq!(lab.active(S, "10.0.9.0/24").next_hop_type.as_str(), word);
    }
}

#[cfg(feature = "import")]
#[test]
fn voc_6_answers_of_the_next_hop_query() {
    use azroute::import::effective_routes::{ObservedTable, parse};
    let read = |text: &str| match parse("x", text.as_bytes()).unwrap().sections.remove(0).table {
        ObservedTable::NextHop(found) => found,
        other => unreachable!("{other:?}"),
    };
    for (word, expected) in [
        ("Internet", EffectiveNextHopType::Internet),
        ("VirtualAppliance", EffectiveNextHopType::VirtualAppliance),
        ("VirtualNetworkGateway", EffectiveNextHopType::VirtualNetworkGateway),
        ("VnetLocal", EffectiveNextHopType::VnetLocal),
        ("VnetPeering", EffectiveNextHopType::VNetPeering),
        ("HyperNetGateway", EffectiveNextHopType::HyperNetGateway),
        ("None", EffectiveNextHopType::None),
    ] {
        let found = read(&format!(r#"{{"nextHopType": "{word}", "routeTableId": "System Route"}}"#));
        assert_eq!((found.next_hop_type, found.route_table), (expected, None));
    }
    let user = read(
        r#"{"nextHopIpAddress": "10.0.100.4", "nextHopType": "VirtualAppliance", "routeTableId": "/x/rt"}"#,
    );
    assert_eq!((user.address, user.route_table), (Some(ip(NVA)), Some("/x/rt".into())));
}

#[test]
fn voc_7_words_of_the_portal() {
    for (words, expected) in [
        ("Virtual network", "VnetLocal"),
        ("Virtual network gateway", "VirtualNetworkGateway"),
        ("VNet peering", "VNetPeering"),
        ("Virtual network peering", "VNetPeering"),
        ("None", "None"),
        ("GlobalVNetPeering", "VNetGlobalPeering"),
        ("VNetGlobalPeering", "VNetGlobalPeering"),
    ] {
        assert_eq!(EffectiveNextHopType::parse(words).unwrap().as_str(), expected, "{words}");
    }
}

/// The shape of `az network nic show-effective-route-table`.
#[cfg(feature = "import")]
mod observed {
    use azroute::import::effective_routes::parse;
    use azroute::model::EffectiveRouteRow;

    pub(super) fn read(text: &str) -> Vec<EffectiveRouteRow> {
        let observed = parse("x", text.as_bytes()).unwrap();
        let (_, rows) = observed.effective().next().unwrap();
        rows.to_vec()
    }

    /// One object of the JSON shape.
    pub(super) fn object(
        prefixes: &str,
        hop: &str,
        ips: &str,
        source: &str,
        state: &str,
        name: &str,
    ) -> String {
        format!(
            r#"{{ "addressPrefix": [{prefixes}], "destinationServiceTags": [], "disableBgpRoutePropagation": false,
            "hasBgpOverride": false, "name": {name}, "nextHopIpAddress": [{ips}], "nextHopType": "{hop}",
            "source": "{source}", "state": "{state}", "tagMap": {{}} }}"#
        )
    }

    pub(super) fn table(objects: &[String]) -> String {
        format!(r#"{{ "nextLink": null, "value": [{}] }}"#, objects.join(", "))
    }
}

/// What is printed and what is computed compare equal.
#[cfg(feature = "import")]
#[test]
fn voc_8_the_json_shape() {
    use observed::{object, read, table};
    let mut objects = vec![
        object(r#""10.0.0.0/16""#, "VnetLocal", "", "Default", "Active", "null"),
        object(r#""0.0.0.0/0""#, "Internet", "", "Default", "Invalid", "null"),
        object(r#""0.0.0.0/0""#, "VirtualAppliance", r#""10.0.100.4""#, "User", "Active", r#""0-0-0-0-0""#),
    ];
    let lab = base().udr(&[("0.0.0.0/0", "NVA")]).lab();
    assert!(compare(&lab.rows(S), &read(&table(&objects))).is_equal());
    objects.remove(1);
    assert_eq!(compare(&lab.rows(S), &read(&table(&objects))).only_computed.len(), 1);
}

/// One object with many prefixes is as many rows.
#[cfg(feature = "import")]
#[test]
fn voc_9_objects_with_many_prefixes() {
    use azroute::model::ServiceEndpoint;
    use observed::{object, read, table};
    let prefixes = r#""198.51.100.0/24", "203.0.113.0/26""#;
    let read =
        read(&table(&[object(prefixes, "VirtualNetworkServiceEndpoint", "", "Default", "Active", "null")]));
    assert_eq!(read.len(), 2);
    let lab = base()
        .tag("Storage", &["198.51.100.0/24", "203.0.113.0/26"])
        .configure_subnet(S, |s| s.service_endpoints.push(ServiceEndpoint::new("Microsoft.Storage")))
        .lab();
    assert!(compare(&lab.rows(S), &read).only_observed.is_empty());
}

#[test]
fn voc_10_names_and_next_hops_of_rows() {
    let lab = peered()
        .endpoint("p/subnets/a", "10.1.1.4")
        .tag("Storage", &["198.51.100.0/24"])
        .configure_subnet(S, |s| {
            s.service_endpoints.push(azroute::model::ServiceEndpoint::new("Microsoft.Storage"));
        })
        .udr(&[("10.60.0.0/16", "NVA"), ("10.61.0.0/16", "Internet")])
        .lab();
    for row in lab.rows(S) {
        assert_eq!(row.name.is_some(), row.source == RouteSource::User, "{row:?}");
        let appliance = row.next_hop_type == EffectiveNextHopType::VirtualAppliance;
        assert_eq!(row.next_hop_ip_addresses.is_empty(), !appliance, "{row:?}");
    }
    assert_eq!(lab.active(S, "10.60.0.0/16").name.as_deref(), Some("10-60-0-0-16"));
    assert_eq!(lab.active(S, "10.60.0.0/16").next_hop_ip_addresses, [ip(NVA)]);
}

#[cfg(feature = "import")]
#[test]
fn voc_11_the_table_shape() {
    let text = "\
Source                 State    Address Prefix    Next Hop Type          Next Hop IP
---------------------  -------  ----------------  ---------------------  -------------------------
Default                Active   10.0.0.0/16       VnetLocal
VirtualNetworkGateway  Active   10.50.0.0/16      VirtualNetworkGateway  10.0.255.4 10.0.255.5
User                   Invalid  10.60.0.0/16      VirtualAppliance       10.0.100.4";
    let rows = observed::read(text);
    assert_eq!(rows.len(), 3);
    let gateway = rows.iter().find(|r| r.prefix == net("10.50.0.0/16")).unwrap();
    assert_eq!(gateway.next_hop_ip_addresses, [ip("10.0.255.4"), ip("10.0.255.5")]);
    assert_eq!(rows.iter().find(|r| r.source == RouteSource::User).unwrap().state, RouteState::Invalid);
}

/// Several rows with one address each, and one row with several, are the same equal-cost set.
#[cfg(feature = "import")]
#[test]
fn voc_12_two_shapes_of_equal_cost() {
    use observed::{object, read, table};
    let row = |ips: &str| {
        object(r#""10.50.0.0/16""#, "VirtualNetworkGateway", ips, "VirtualNetworkGateway", "Active", "null")
    };
    let apart = read(&table(&[row(r#""10.0.100.5""#), row(r#""10.0.100.4""#)]));
    let together = read(&table(&[row(r#""10.0.100.4", "10.0.100.5""#)]));
    assert_eq!(apart, together);
    assert_eq!(apart.len(), 1);
    // Computed rows have the second shape.
    let mut server = server();
    for hop in ["10.0.100.5", "10.0.100.4"] {
        let route = LearnedRoute::new(net("10.50.0.0/16"), [65010.into()]);
        server.learned_routes.push(LearnedRoute { next_hop: Some(ip(hop)), ..route });
    }
    let lab = base().appliance("fw2", "v/subnets/nva", "10.0.100.5").with(server).lab();
    assert!(compare(&lab.rows(S), &apart).only_observed.is_empty());
}

fn server() -> RouteServer {
    RouteServer {
        id: "ars".into(),
        virtual_network: "v".into(),
        virtual_router_ips: Vec::new(),
        allow_branch_to_branch_traffic: false,
        hub_routing_preference: azroute::model::HubRoutingPreference::default(),
        bgp_connections: Vec::new(),
        learned_routes: Vec::new(),
    }
}

#[test]
fn voc_13_next_hops_that_gateways_print() {
    let gateway = |kind, change: fn(&mut VirtualNetworkGateway)| {
        let mut gateway = crate::selection::support::gateway("g", kind, &["10.50.0.0/16"]);
        gateway.public_ip_addresses = vec!["pip".into()];
        gateway.bgp_peering_addresses = vec![ip("10.0.255.5"), ip("10.0.255.4")];
        change(&mut gateway);
        let lab = base().with(public_ip("pip", "203.0.113.10")).with(gateway).lab();
        lab.active(S, "10.50.0.0/16").next_hop_ip_addresses
    };
    assert_eq!(gateway(GatewayType::Vpn, |_| {}), [ip("203.0.113.10")]);
    let active_active = gateway(GatewayType::Vpn, |g| g.active_active = true);
    assert_eq!(active_active, [ip("10.0.255.4"), ip("10.0.255.5")]);
    assert!(gateway(GatewayType::ExpressRoute, |_| {}).is_empty(), "Microsoft's own, unless it is known");
    let known = gateway(GatewayType::ExpressRoute, |g| g.route_next_hop_addresses = vec![ip("10.3.129.70")]);
    assert_eq!(known, [ip("10.3.129.70")]);
    let mut server = server();
    let route = LearnedRoute::new(net("10.70.0.0/16"), [65010.into()]);
    server.learned_routes = vec![LearnedRoute { next_hop: Some(ip(NVA)), ..route }];
    assert_eq!(base().with(server).lab().active(S, "10.70.0.0/16").next_hop_ip_addresses, [ip(NVA)]);
    let hub: VirtualHub = serde_json::from_value(serde_json::json!({
        "id": "hub",
        "virtual_network_connections": [
            {"name": "v", "remote_virtual_network": "v", "enable_internet_security": true},
            {"name": "q", "remote_virtual_network": "q", "enable_internet_security": true}
        ],
        "learned_routes": [{"prefix": "10.80.0.0/16", "next_hop": "10.200.0.12"}],
        "route_next_hop_addresses": ["203.0.113.20"]
    }))
    .unwrap();
    let lab = base().virtual_network("q", &["10.2.0.0/16"]).with(hub).lab();
    assert_eq!(lab.active(S, "10.2.0.0/16").next_hop_ip_addresses, [ip("203.0.113.20")]);
    assert_eq!(lab.active(S, "10.80.0.0/16").next_hop_ip_addresses, [ip("10.200.0.12")]);
}

/// Tables compare as multisets, and every interface of a subnet has the subnet's.
#[test]
fn voc_14_order_means_nothing() {
    let lab = base().nic("a", S, "10.0.0.4").nic("b", S, "10.0.0.5").udr(&[("10.60.0.0/16", "NVA")]).lab();
    let mut reversed = lab.rows(S);
    reversed.reverse();
    assert!(compare(&lab.rows(S), &reversed).is_equal());
    reversed.push(reversed[0].clone());
    assert_eq!(compare(&lab.rows(S), &reversed).only_observed.len(), 1, "multisets");
    assert_eq!(lab.rows("a"), lab.rows("b"));
    assert_eq!(lab.rows("a"), lab.rows(S));
    assert_ne!(lab.rows("a"), lab.rows("fw"));
}

#[cfg(feature = "import")]
#[test]
fn voc_15_only_the_promised_fields_are_needed() {
    let text = r#"{ "value": [ { "source": "Default", "state": "Active", "addressPrefix": ["10.0.0.0/16"],
        "nextHopType": "VnetLocal" } ] }"#;
    assert_eq!(
        observed::read(text),
        base().lab().rows(S).into_iter().filter(|r| r.prefix == net("10.0.0.0/16")).collect::<Vec<_>>()
    );
}

/// The shape of a route table as Azure stores it.
#[cfg(feature = "import")]
#[test]
fn voc_16_the_shape_of_a_route_table() {
    let text = r#"[{
        "id": "/subscriptions/x/resourceGroups/g/providers/Microsoft.Network/routeTables/rt",
        "name": "rt", "type": "Microsoft.Network/routeTables", "location": "westeurope",
        "properties": {
            "disableBgpRoutePropagation": true,
            "disablePeeringRoute": "All",
            "routes": [
                {"name": "one", "properties": {"addressPrefix": "10.50.0.0/16", "nextHopType": "VirtualAppliance",
                    "nextHopIpAddress": "10.0.100.4", "hasBgpOverride": false}},
                {"name": "many", "properties": {"addressPrefix": "Storage", "nextHopType": "VirtualApplianceEcmp",
                    "nextHop": {"nextHopIpAddresses": ["10.0.100.4", "10.0.100.5"]}}}
            ]
        }
    }]"#;
    let mut importer = azroute::import::Importer::new();
    importer.add("rt.json", text.as_bytes()).unwrap();
    let (document, _) = importer.into_document();
    let table = &document.route_tables[0];
    assert!(table.disable_bgp_route_propagation && table.disable_peering_route);
    let hops: Vec<_> =
        table.routes.iter().map(|r| (r.next_hop_type, r.next_hop_ip_addresses.len())).collect();
    assert_eq!(hops, [(RouteNextHopType::VirtualAppliance, 1), (RouteNextHopType::VirtualApplianceEcmp, 2)]);
    assert_eq!(table.routes[1].address_prefix.to_string(), "Storage");
    assert!(azroute::model::Topology::new(document).is_ok());
}
