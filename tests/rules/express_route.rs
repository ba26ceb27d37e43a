//! BGP over private peering (sections 10, 11 and 16 of the rules), computed from the speakers at both ends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use azroute::Network;
use azroute::analysis::FindingCode;
use azroute::bgp::Stage;
use azroute::model::bgp::Origin;
use azroute::model::{Asn, CircuitSkuTier, Date, Document, ResourceId, RouteSource, Topology};
use azroute::resolve::Place;
use azroute::rule::Rule;

/// A datacentre on a circuit, a branch on another, joined by Global Reach; a network on each.
///
/// ```text
///   dc 192.168.0.0/16 (65001)  r1 == er1:primary ===+
///                              r2 == er1:secondary =+- ergw - hub 10.1.0.0/16, spoke 10.4.0.0/16
///                                     | Global Reach
///   branch 192.168.64.0/24 (65003) == er2 ============ fargw - far 10.8.0.0/16
/// ```
const LAB: &str = r#"
    virtual_networks = [
        { id = "hub", address_space = ["10.1.0.0/16"], bgp_community = "12076:20001", regional_bgp_community = "12076:50002", subnets = [
            { name = "GatewaySubnet", address_prefixes = ["10.1.255.0/27"] },
            { name = "web", address_prefixes = ["10.1.1.0/24"] },
        ], peerings = [{ name = "spoke", remote_virtual_network = "spoke", allow_gateway_transit = true }] },
        { id = "spoke", address_space = ["10.4.0.0/16"], subnets = [
            { name = "web", address_prefixes = ["10.4.1.0/24"] },
        ], peerings = [{ name = "hub", remote_virtual_network = "hub", use_remote_gateways = true }] },
        { id = "far", address_space = ["10.8.0.0/16"], subnets = [
            { name = "GatewaySubnet", address_prefixes = ["10.8.255.0/27"] },
            { name = "web", address_prefixes = ["10.8.1.0/24"] },
        ] },
    ]
    virtual_network_gateways = [
        { id = "ergw", virtual_network = "hub", gateway_type = "ExpressRoute" },
        { id = "fargw", virtual_network = "far", gateway_type = "ExpressRoute" },
    ]
    connections = [
        { id = "c1", connection_type = "ExpressRoute", virtual_network_gateway = "ergw", peer = "er1" },
        { id = "c2", connection_type = "ExpressRoute", virtual_network_gateway = "fargw", peer = "er2" },
    ]
    [[express_route_circuits]]
    id = "er1"
    peering_location = "Amsterdam"
    global_reach = ["er2"]
    primary = { edge_router = "dc/routers/r1" }
    secondary = { edge_router = "dc/routers/r2" }
    [[express_route_circuits.peerings]]
    peering_type = "AzurePrivatePeering"
    primary_peer_address_prefix = "192.0.2.128/30"
    secondary_peer_address_prefix = "192.0.2.132/30"
    ipv6_primary_peer_address_prefix = "2001:db8::/126"
    ipv6_secondary_peer_address_prefix = "2001:db8::4/126"
    [[express_route_circuits]]
    id = "er2"
    peering_location = "Dublin"
    primary = { edge_router = "branch" }
    secondary = { edge_router = "branch" }
    [[express_route_circuits.peerings]]
    peering_type = "AzurePrivatePeering"
    [[on_premises_sites]]
    id = "dc"
    prefixes = ["192.168.0.0/16"]
    routers = [{ name = "r1" }, { name = "r2" }]
    [[on_premises_sites]]
    id = "branch"
    prefixes = ["192.168.64.0/24"]
    [[bgp_speakers]]
    id = "r1"
    asn = 65001
    router = "dc/routers/r1"
    originate = [{ prefixes = ["192.168.0.0/16"] }]
    [[bgp_speakers]]
    id = "r2"
    asn = 65001
    router = "dc/routers/r2"
    originate = [{ prefixes = ["192.168.0.0/16"] }]
    [[bgp_speakers]]
    id = "branch"
    asn = 65003
    originate = [{ prefixes = ["192.168.64.0/24"] }]
    [[bgp_sessions]]
    id = "ibgp"
    a = { speaker = "r1", next_hop_self = true }
    b = { speaker = "r2", next_hop_self = true }
    [[bgp_sessions]]
    id = "primary"
    a = { speaker = "r1" }
    b = { speaker = "er1/peerings/AzurePrivatePeering/links/primary" }
    [[bgp_sessions]]
    id = "secondary"
    a = { speaker = "r2" }
    b = { speaker = "er1/peerings/AzurePrivatePeering/links/secondary" }
    [[bgp_sessions]]
    id = "branch-primary"
    a = { speaker = "branch" }
    b = { speaker = "er2/peerings/AzurePrivatePeering/links/primary" }
"#;

fn document(text: &str) -> Document {
    toml::from_str(text).unwrap()
}

fn network(change: impl Fn(&mut Document)) -> Network {
    let mut document = document(LAB);
    change(&mut document);
    Network::build(&Topology::new(document).unwrap()).unwrap()
}

fn speaker<'d>(document: &'d mut Document, id: &str) -> &'d mut azroute::model::bgp::BgpSpeaker {
    document.bgp_speakers.iter_mut().find(|s| s.id.as_str() == id).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A speaker's AS path for a prefix.
fn path(network: &Network, speaker: &str, prefix: &str) -> Option<String> {
    let best = network.bgp().unwrap().best(&speaker.into(), &prefix.parse().unwrap());
    best.map(|best| best.attributes.as_path.to_string())
}

fn rows(network: &Network, subnet: &str) -> Vec<String> {
    let rows = network.effective_routes(&subnet.into()).unwrap().rows();
    rows.into_iter()
        .filter(|row| row.source == RouteSource::VirtualNetworkGateway)
        .map(|row| row.prefix.to_string())
        .collect()
}

/// The links that packets from here to there take.
fn links(network: &Network, from: &str, to: &str) -> Vec<String> {
    let answer = network.resolve(from, ip(to)).unwrap();
    let mut links: Vec<String> = answer
        .hops()
        .filter_map(|hop| match &hop.place {
            Place::Msee { circuit, link, .. } => Some(format!("{circuit}:{}", link.as_str())),
            _ => None,
        })
        .collect();
    links.sort();
    links.dedup();
    links
}

fn found(network: &Network, code: FindingCode, rule: Rule, text: &str) -> bool {
    network.findings().iter().any(|f| f.code == code && f.rule == Some(rule) && f.message.contains(text))
}

/// BGP-1: the edge is 12076 on both sides of it, the gateway 65515, and private numbers of Azure stay in Azure.
#[test]
fn bgp_1_microsofts_edge_and_gateways_have_their_numbers() {
    let network = network(|_| ());
    assert_eq!(path(&network, "ergw", "192.168.0.0/16").as_deref(), Some("12076 65001"));
    let edge = "er1/peerings/AzurePrivatePeering/links/primary";
    assert_eq!(path(&network, edge, "10.1.0.0/16").as_deref(), Some("65515"));
    assert_eq!(path(&network, "r1", "10.1.0.0/16").as_deref(), Some("12076"), "BGP-11");
}

/// BGP-2: with a number that Azure keeps for itself a session stays down, at both ends; 65516 is one of them on a circuit
/// (CON-13).
#[test]
fn bgp_2_a_reserved_number_keeps_the_session_down() {
    for asn in [65_518, 65_516, 23_456, 64_500, 65_540, 8_075] {
        let network = network(|d| {
            for id in ["r1", "r2"] {
                speaker(d, id).asn = Asn(asn);
            }
        });
        assert_eq!(path(&network, "r1", "10.1.0.0/16"), None, "{asn}");
        assert_eq!(rows(&network, "hub/subnets/web"), ["192.168.64.0/24"], "{asn}: the branch's is left");
        assert!(found(&network, FindingCode::SessionDown, Rule::BGP_2, &asn.to_string()), "{asn}");
    }
    // What Azure was told counts where announcements are declared.
    let declared = network(|d| {
        d.bgp_speakers.clear();
        d.bgp_sessions.clear();
        d.on_premises_sites[0].advertisements = vec![azroute::model::Advertisement::new(
            "er1",
            ["192.168.0.0/16".parse().unwrap()],
            [Asn(65_001)],
        )];
        d.express_route_circuits[0].peerings[0].peer_asn = Some(Asn(65_520));
    });
    assert_eq!(rows(&declared, "hub/subnets/web"), Vec::<String>::new());
    // The session itself may show another number.
    let hidden = network(|d| {
        for id in ["r1", "r2"] {
            speaker(d, id).asn = Asn(65_518);
        }
        for session in d.bgp_sessions.iter_mut().filter(|s| s.id.as_str() != "ibgp") {
            session.a.local_as =
                Some(azroute::model::bgp::LocalAs { asn: Asn(65_001), no_prepend: true, replace_as: true });
        }
    });
    assert!(rows(&hidden, "hub/subnets/web").contains(&"192.168.0.0/16".to_owned()));
}

/// BGP-10: MED and ORIGIN decide nothing on the Azure side; both links stay in use.
#[test]
fn bgp_10_med_and_origin_are_ignored_by_azure() {
    let network = network(|d| {
        speaker(d, "r1").originate[0].attributes.med = Some(10);
        let secondary = &mut speaker(d, "r2").originate[0].attributes;
        (secondary.med, secondary.origin) = (Some(900), Origin::Incomplete);
    });
    assert_eq!(links(&network, "hub/subnets/web", "192.168.1.1"), ["er1:primary", "er1:secondary"]);
}

/// ER-2: of a session's subnet the customer has the first usable address and Microsoft the second; the subnet itself is
/// told to nobody.
#[test]
fn er_2_the_first_address_is_the_customers_the_second_microsofts() {
    let network = network(|_| ());
    let next_hop = |session: &str, speaker: &str, prefix: &str| {
        let routes = network.bgp().unwrap().adj_rib_in(&session.into(), &speaker.into(), Stage::PostPolicy);
        let prefix = prefix.parse().unwrap();
        routes.into_iter().find(|r| r.prefix == prefix).and_then(|r| r.attributes.next_hop)
    };
    for (session, router, link, customer, microsoft) in [
        ("primary", "r1", "primary", "192.0.2.129", "192.0.2.130"),
        ("secondary", "r2", "secondary", "192.0.2.133", "192.0.2.134"),
    ] {
        let edge = format!("er1/peerings/AzurePrivatePeering/links/{link}");
        assert_eq!(next_hop(session, router, "10.1.0.0/16"), Some(ip(microsoft)));
        assert_eq!(next_hop(session, &edge, "192.168.0.0/16"), Some(ip(customer)));
    }
    assert_eq!(path(&network, "ergw", "192.0.2.128/30"), None);
    assert_eq!(path(&network, "branch", "192.0.2.128/30"), None);
}

/// ER-2: a /30 for each session, apart from each other and from the networks, public but on private peering.
#[test]
fn er_2_subnets_that_cannot_be_are_reported() {
    let finds = |change: &dyn Fn(&mut azroute::model::CircuitPeering), text: &str| {
        let network = network(|d| change(&mut d.express_route_circuits[0].peerings[0]));
        found(&network, FindingCode::PeeringSubnet, Rule::ER_2, text)
    };
    assert!(!finds(&|_| (), ""));
    let set = |prefix: &'static str| {
        move |p: &mut azroute::model::CircuitPeering| {
            p.primary_peer_address_prefix = Some(prefix.parse().unwrap());
        }
    };
    assert!(finds(&set("192.0.2.0/29"), "is a /30"));
    assert!(finds(&set("192.0.2.132/30"), "each session has its own"));
    assert!(finds(&set("10.4.200.0/30"), "of `spoke`"), "a spoke's space counts");
    let six = |p: &mut azroute::model::CircuitPeering| {
        p.ipv6_secondary_peer_address_prefix = Some("2001:db8::8/125".parse().unwrap());
    };
    assert!(finds(&six, "is a /126"));
    let microsoft = |p: &mut azroute::model::CircuitPeering| {
        p.peering_type = azroute::model::PeeringType::MicrosoftPeering;
        p.primary_peer_address_prefix = Some("172.16.0.0/30".parse().unwrap());
    };
    let mut document = document(LAB);
    document.bgp_sessions.clear();
    microsoft(&mut document.express_route_circuits[0].peerings[0]);
    let public = Network::build(&Topology::new(document).unwrap()).unwrap();
    assert!(found(&public, FindingCode::PeeringSubnet, Rule::ER_2, "it takes public addresses"));
}

/// ER-12 over Global Reach: networks of joined circuits hear of each other where both gateways let them in, by era and by
/// flag, with Microsoft's number in the place of the gateway's.
#[test]
fn er_12_networks_of_joined_circuits_need_both_gateways() {
    let with = |here: Option<bool>, there: Option<bool>, year: Option<u16>| {
        network(move |d| {
            d.virtual_network_gateways[0].allow_remote_vnet_traffic = here;
            d.virtual_network_gateways[1].allow_remote_vnet_traffic = there;
            d.as_of = year.and_then(|year| Date::new(year, 1, 1));
        })
    };
    let heard = |network: &Network| rows(network, "hub/subnets/web").contains(&"10.8.0.0/16".to_owned());
    let both = with(Some(true), Some(true), None);
    assert!(heard(&both));
    assert_eq!(path(&both, "ergw", "10.8.0.0/16").as_deref(), Some("12076 12076 12076 12076"), "ER-16");
    assert!(!heard(&with(Some(true), None, None)) && !heard(&with(None, Some(true), None)));
    assert!(!heard(&with(None, None, None)), "off today");
    assert!(heard(&with(None, None, Some(2023))), "on before 2023-06");
    assert!(!heard(&with(Some(false), None, Some(2023))), "the flag wins");
    // To sites a network comes over its own circuit only.
    assert_eq!(path(&both, "r1", "10.8.0.0/16"), None);
}

/// ER-14: nothing passes from circuit to circuit through a gateway.
#[test]
fn er_14_a_gateway_on_two_circuits_is_no_transit() {
    let apart = |joined: bool| {
        network(move |d| {
            d.connections[1].virtual_network_gateway = "ergw".into();
            if !joined {
                d.express_route_circuits[0].global_reach.clear();
            }
        })
    };
    let through = apart(false);
    assert_eq!(path(&through, "ergw", "192.168.64.0/24").as_deref(), Some("12076 65003"));
    assert_eq!(path(&through, "r1", "192.168.64.0/24"), None);
    let answer = through.resolve("branch", ip("192.168.1.1")).unwrap();
    assert!(answer.disposition().to_string().starts_with("Drop("), "{answer}");
    assert_eq!(
        path(&apart(true), "r1", "192.168.64.0/24").as_deref(),
        Some("12076 12076 12076 65003"),
        "ER-15"
    );
}

/// ER-15: across geopolitical areas both circuits need the SKU Premium.
#[test]
fn er_15_across_areas_global_reach_needs_premium_on_both() {
    let joined = |tiers: [CircuitSkuTier; 2], areas: [&str; 2]| {
        network(|d| {
            for ((circuit, tier), area) in d.express_route_circuits.iter_mut().zip(tiers).zip(areas) {
                (circuit.sku_tier, circuit.geopolitical_area) = (tier, Some(area.to_owned()));
            }
        })
    };
    let hears = |network: &Network| path(network, "r1", "192.168.64.0/24").is_some();
    use CircuitSkuTier::{Premium, Standard};
    assert!(hears(&joined([Standard; 2], ["Europe", "europe"])));
    assert!(hears(&joined([Premium; 2], ["Europe", "North America"])));
    for tiers in [[Standard, Premium], [Premium, Standard]] {
        let apart = joined(tiers, ["Europe", "North America"]);
        assert!(!hears(&apart));
        assert!(found(&apart, FindingCode::GlobalReachUnsupported, Rule::ER_15, "across geopolitical areas"));
    }
}

/// ER-16: what comes back through Global Reach has Microsoft's number three times, so that the own circuit wins.
#[test]
fn er_16_routes_over_global_reach_are_longer() {
    let network =
        network(|d| speaker(d, "branch").originate[0].prefixes.push("192.168.0.0/16".parse().unwrap()));
    assert_eq!(path(&network, "ergw", "192.168.64.0/24").as_deref(), Some("12076 12076 12076 65003"));
    assert_eq!(path(&network, "ergw", "192.168.0.0/16").as_deref(), Some("12076 65001"));
    assert_eq!(links(&network, "hub/subnets/web", "192.168.1.1"), ["er1:primary", "er1:secondary"]);
}

/// ER-17: Local reaches its metro's regions, Standard its geopolitical area, Premium all.
#[test]
fn er_17_a_circuit_reaches_what_its_sku_says() {
    let linked = |tier: CircuitSkuTier, area: Option<&str>, region: Option<&str>| {
        network(|d| {
            d.virtual_networks[0].geopolitical_area = area.map(str::to_owned);
            d.virtual_networks[0].location = region.map(str::to_owned);
            d.virtual_networks[1].location = region.map(str::to_owned);
            let circuit = &mut d.express_route_circuits[0];
            circuit.sku_tier = tier;
            circuit.geopolitical_area = Some("Europe".to_owned());
            circuit.local_regions = vec!["westeurope".to_owned()];
        })
    };
    let up = |network: &Network| path(network, "ergw", "192.168.0.0/16").is_some();
    use CircuitSkuTier::{Local, Premium, Standard};
    assert!(up(&linked(Standard, Some("Europe"), Some("northeurope"))) && up(&linked(Standard, None, None)));
    assert!(up(&linked(Premium, Some("Asia"), None)));
    assert!(up(&linked(Local, Some("Europe"), Some("West Europe"))));
    for far in [linked(Standard, Some("Asia"), None), linked(Local, Some("Europe"), Some("northeurope"))] {
        assert!(!up(&far));
        assert_eq!(path(&far, "r1", "10.1.0.0/16"), None);
        assert!(found(&far, FindingCode::ConnectionDown, Rule::ER_17, "out of the reach"));
    }
}

/// ER-24: a network's own and its region's community come with its prefixes, for the customer's policies to read; a spoke
/// has its own or none.
#[test]
fn er_24_communities_of_networks_steer_the_customers_routers() {
    let network = |named: bool| {
        let mut document = document(&format!(
            "{LAB}{}",
            r#"
            [[routing_policy.community_sets]]
            name = "ours"
            members = ["12076:20001"]
            [[routing_policy.policy_definitions]]
            name = "prefers-ours"
            statements = [{ conditions = { match_community_set = { set = "ours" } }, actions = { set_local_preference = 200 } }, { actions = { policy_result = "accept_route" } }]
            "#
        ));
        if !named {
            document.virtual_networks[0].bgp_community = None;
        }
        let secondary = document.bgp_sessions.iter_mut().find(|s| s.id.as_str() == "secondary").unwrap();
        secondary.a.import_policies = vec!["prefers-ours".to_owned()];
        Network::build(&Topology::new(document).unwrap()).unwrap()
    };
    let named = network(true);
    let best = named.bgp().unwrap().best(&"r1".into(), &"10.1.0.0/16".parse().unwrap()).unwrap();
    let heard: Vec<String> = best.attributes.communities.standard().iter().map(ToString::to_string).collect();
    assert_eq!(heard, ["12076:20001", "12076:50002"]);
    assert_eq!(links(&named, "dc/routers/r1", "10.1.1.4"), ["er1:secondary"]);
    assert_eq!(links(&named, "dc/routers/r1", "10.4.1.4"), ["er1:primary"], "the spoke has none");
    assert_eq!(links(&network(false), "dc/routers/r1", "10.1.1.4"), ["er1:primary"]);
    assert!(best.attributes.communities.large().is_empty(), "what Azure notes for itself stays in it");
}

/// COEX-4: the gateways of one network know what each other learned, and tell it nobody.
#[test]
fn coex_4_gateways_beside_each_other_know_and_do_not_tell() {
    let beside = |asn: u32| {
        network(move |d| {
            let more = document(
                r#"
                virtual_network_gateways = [{ id = "vpngw", virtual_network = "hub", gateway_type = "Vpn" }]
                local_network_gateways = [{ id = "lng", site = "shop" }]
                connections = [{ id = "vpn", connection_type = "IPsec", virtual_network_gateway = "vpngw", peer = "lng", enable_bgp = true }]
                on_premises_sites = [{ id = "shop", prefixes = ["172.16.0.0/24"] }]
                bgp_speakers = [{ id = "shop", asn = 65005, originate = [{ prefixes = ["172.16.0.0/24"] }] }]
                bgp_sessions = [{ id = "shop-vpn", a = { speaker = "shop" }, b = { speaker = "vpn" } }]
                "#,
            );
            d.virtual_network_gateways.extend(more.virtual_network_gateways);
            d.virtual_network_gateways[2].asn = Asn(asn);
            d.local_network_gateways.extend(more.local_network_gateways);
            d.connections.extend(more.connections);
            d.on_premises_sites.extend(more.on_premises_sites);
            d.bgp_speakers.extend(more.bgp_speakers);
            d.bgp_sessions.extend(more.bgp_sessions);
        })
    };
    let network = beside(65_515);
    assert_eq!(path(&network, "vpngw", "192.168.0.0/16").as_deref(), Some("12076 65001"));
    assert_eq!(path(&network, "ergw", "172.16.0.0/24").as_deref(), Some("65005"));
    assert_eq!(path(&network, "shop", "192.168.0.0/16"), None);
    assert_eq!(path(&network, "r1", "172.16.0.0/24"), None);
    assert_eq!(path(&network, "shop", "10.1.0.0/16").as_deref(), Some("65515"), "its networks it tells");
    let answer = network.resolve("shop", ip("192.168.1.1")).unwrap();
    assert!(answer.disposition().to_string().starts_with("Drop("), "{answer}");
    assert_eq!(path(&beside(65_010), "vpngw", "192.168.0.0/16"), None, "of two systems they are strangers");
}

/// V6-4: private peering carries IPv6 beside IPv4, each by its own session.
#[test]
fn v6_4_private_peering_carries_ipv6() {
    let network = network(|d| {
        d.virtual_networks[0].address_space.push("2001:db8:1::/48".parse().unwrap());
        for id in ["r1", "r2"] {
            speaker(d, id).originate[0].prefixes.push("2001:db8:ffff::/48".parse().unwrap());
        }
        for session in &mut d.bgp_sessions {
            session.families = vec![
                azroute::model::bgp::AddressFamily::Ipv4Unicast,
                azroute::model::bgp::AddressFamily::Ipv6Unicast,
            ];
        }
    });
    assert_eq!(path(&network, "ergw", "2001:db8:ffff::/48").as_deref(), Some("12076 65001"));
    assert_eq!(path(&network, "r1", "2001:db8:1::/48").as_deref(), Some("12076"));
    let id: ResourceId = "primary".into();
    assert!(network.bgp().unwrap().sessions().any(|(session, up)| *session == id && up));
}
