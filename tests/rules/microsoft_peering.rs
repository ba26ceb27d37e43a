//! BGP over Microsoft and public peering (sections 12 and 13 of the rules), computed from the speakers at both ends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use azroute::Network;
use azroute::analysis::FindingCode;
use azroute::bgp::Stage;
use azroute::model::bgp::AsPath;
use azroute::model::{Advertisement, Asn, CircuitSkuTier, Date, Document, PeeringType, Topology};
use azroute::resolve::{Leg, Place};
use azroute::rule::Rule;

/// A datacentre with one router on each of two circuits with Microsoft peering; its public pool is announced on both.
const LAB: &str = r#"
    [[virtual_networks]]
    id = "v"
    address_space = ["10.0.0.0/16"]
    subnets = [{ name = "web", address_prefixes = ["10.0.1.0/24"] }]
    [[express_route_circuits]]
    id = "er1"
    sku_tier = "Premium"
    primary = { edge_router = "dc/routers/r1" }
    secondary = { edge_router = "dc/routers/r1" }
    peerings = [{ peering_type = "MicrosoftPeering", route_filter = "filter" }]
    [[express_route_circuits]]
    id = "er2"
    sku_tier = "Premium"
    primary = { edge_router = "dc/routers/r2" }
    secondary = { edge_router = "dc/routers/r2" }
    peerings = [{ peering_type = "MicrosoftPeering", route_filter = "filter" }]
    [[route_filters]]
    id = "filter"
    communities = ["12076:51002", "12076:5010"]
    [[bgp_service_communities]]
    community = "12076:51002"
    prefixes = ["198.51.100.0/24"]
    [[bgp_service_communities]]
    community = "12076:51004"
    prefixes = ["198.51.102.0/24"]
    [[bgp_service_communities]]
    community = "12076:5010"
    prefixes = ["198.51.101.0/24"]
    [[service_tags]]
    name = "AzureCloud"
    address_prefixes = ["198.51.100.0/25", "198.51.103.0/24"]
    [[on_premises_sites]]
    id = "dc"
    prefixes = ["192.168.0.0/16"]
    routers = [{ name = "r1" }, { name = "r2" }]
    internet_breakout = true
    nat_pool = "203.0.113.0/24"
    [[bgp_speakers]]
    id = "r1"
    asn = 65001
    router = "dc/routers/r1"
    originate = [{ prefixes = ["203.0.113.0/24"] }]
    [[bgp_speakers]]
    id = "r2"
    asn = 65001
    router = "dc/routers/r2"
    originate = [{ prefixes = ["203.0.113.0/24"] }]
    [[bgp_sessions]]
    id = "ibgp"
    a = { speaker = "r1", next_hop_self = true }
    b = { speaker = "r2", next_hop_self = true }
    [[bgp_sessions]]
    id = "one"
    a = { speaker = "r1" }
    b = { speaker = "er1/peerings/MicrosoftPeering/links/primary" }
    [[bgp_sessions]]
    id = "two"
    a = { speaker = "r2" }
    b = { speaker = "er2/peerings/MicrosoftPeering/links/primary" }
"#;

const ONE: &str = "er1/peerings/MicrosoftPeering/links/primary";

fn network_of(document: Document) -> Network {
    Network::build(&Topology::new(document).unwrap()).unwrap()
}

fn network(change: impl Fn(&mut Document)) -> Network {
    let mut document: Document = toml::from_str(LAB).unwrap();
    change(&mut document);
    network_of(document)
}

/// The same with public peering in 2017 in the place of Microsoft peering.
fn public(change: impl Fn(&mut Document)) -> Network {
    let mut document: Document =
        toml::from_str(&LAB.replace("MicrosoftPeering", "AzurePublicPeering")).unwrap();
    document.as_of = Date::new(2017, 3, 1);
    change(&mut document);
    network_of(document)
}

/// The path that a router announces; it hears nothing shorter from the other one.
fn paths(document: &mut Document, speaker: &str, path: &[u32]) {
    document.bgp_sessions.retain(|s| s.id.as_str() != "ibgp");
    let found = document.bgp_speakers.iter_mut().find(|s| s.id.as_str() == speaker).unwrap();
    found.originate[0].attributes.as_path = AsPath::sequence(path.iter().copied().map(Asn));
}

/// What arrives at an edge after its policy: prefix and path.
fn accepted(network: &Network, session: &str, edge: &str) -> Vec<String> {
    let routes = network.bgp().unwrap().adj_rib_in(&session.into(), &edge.into(), Stage::PostPolicy);
    routes.iter().map(|r| format!("{} [{}]", r.prefix, r.attributes.as_path)).collect()
}

/// What a router heard: prefixes with their communities.
fn heard(network: &Network, speaker: &str) -> Vec<String> {
    let id = speaker.into();
    let routes = network.bgp().unwrap().loc_rib(&id);
    routes
        .filter(|r| r.prefix.to_string().starts_with("198.51."))
        .map(|r| {
            let named: Vec<String> =
                r.attributes.communities.standard().iter().map(ToString::to_string).collect();
            format!("{} {}", r.prefix, named.join(" "))
        })
        .collect()
}

/// The circuits that Azure sends to the customer over.
fn circuits(network: &Network, from: &str, to: &str) -> Vec<String> {
    let answer = network.resolve(from, to.parse::<IpAddr>().unwrap()).unwrap();
    let mut circuits: Vec<String> = answer
        .hops()
        .filter_map(|hop| match &hop.place {
            Place::Msee { circuit, .. } => Some(circuit.to_string()),
            _ => None,
        })
        .collect();
    let last: Option<String> = match answer.disposition() {
        azroute::resolve::Disposition::Egress(azroute::resolve::Egress::MicrosoftPeering(c)) => {
            Some(c.to_string())
        }
        _ => None,
    };
    circuits.extend(last);
    circuits.sort();
    circuits.dedup();
    circuits
}

/// BGP-3: a number of 64496 to 64511 anywhere in the path is refused on Microsoft peering, and only there.
#[test]
fn bgp_3_documentation_numbers_in_a_path_are_refused() {
    for (path, kept) in [
        (&[64_500_u32][..], false),
        (&[3_356, 64_496, 3_320], false),
        (&[64_511], false),
        (&[64_495], true),
        (&[64_512], true),
        (&[164_500], true),
    ] {
        let network = network(|d| paths(d, "r1", path));
        let edge = accepted(&network, "one", ONE);
        assert_eq!(edge.iter().any(|r| r.starts_with("203.0.113.0/24")), kept, "{path:?}: {edge:?}");
    }
    let elsewhere = public(|d| paths(d, "r1", &[64_500]));
    let edge = ONE.replace("MicrosoftPeering", "AzurePublicPeering");
    assert_eq!(accepted(&elsewhere, "one", &edge), ["203.0.113.0/24 [65001 64500]"]);
}

/// MSP-6: private numbers count for nothing, so that a private prepend does not steer and a public one does.
#[test]
fn msp_6_private_numbers_are_stripped_before_paths_are_compared() {
    let private = network(|d| paths(d, "r1", &[65_001, 65_001]));
    assert_eq!(accepted(&private, "one", ONE), ["203.0.113.0/24 []"]);
    assert_eq!(circuits(&private, "v/subnets/web", "203.0.113.9"), ["er1", "er2"]);
    let public = network(|d| paths(d, "r1", &[3_356]));
    assert_eq!(accepted(&public, "one", ONE), ["203.0.113.0/24 [3356]"]);
    assert_eq!(circuits(&public, "v/subnets/web", "203.0.113.9"), ["er2"]);
}

/// MSP-8, MSP-9: a router hears what the route filter allows, each prefix with its community; without a filter nothing.
#[test]
fn msp_8_a_router_hears_what_the_filter_allows() {
    assert_eq!(heard(&network(|_| ()), "r1"), ["198.51.100.0/24 12076:51002", "198.51.101.0/24 12076:5010"]);
    let detached = network(|d| {
        for circuit in &mut d.express_route_circuits {
            circuit.peerings[0].route_filter = None;
        }
    });
    assert!(heard(&detached, "r1").is_empty());
    let early = network(|d| {
        for circuit in &mut d.express_route_circuits {
            circuit.peerings[0].route_filter = None;
            circuit.peerings[0].configured = Date::new(2017, 7, 31);
        }
    });
    assert_eq!(heard(&early, "r1"), ["198.51.101.0/24 12076:5010"], "Microsoft 365 regardless");
}

/// MSP-11: Microsoft 365 needs authorisation, without which its prefixes do not come, filter or not; Premium is asked for.
#[test]
fn msp_11_microsoft_365_needs_authorisation() {
    let refused = network(|d| {
        for circuit in &mut d.express_route_circuits {
            circuit.peerings[0].microsoft_365_authorised = false;
        }
    });
    assert_eq!(heard(&refused, "r1"), ["198.51.100.0/24 12076:51002"]);
    let told = |network: &Network, text: &str| {
        let found = network.findings().iter();
        found.filter(|f| f.code == FindingCode::Microsoft365NotAuthorised && f.message.contains(text)).count()
    };
    assert_eq!(told(&refused, "not authorised"), 2);
    assert_eq!(told(&network(|_| ()), ""), 0);
    let standard = |year| {
        network(move |d| {
            d.express_route_circuits[0].sku_tier = CircuitSkuTier::Standard;
            d.as_of = Date::new(year, 6, 1);
        })
    };
    assert_eq!((told(&standard(2023), "Premium"), told(&standard(2019), "Premium")), (1, 0));
}

/// ER-17: services of another geopolitical area come over Premium circuits only.
#[test]
fn er_17_services_of_another_area_need_premium() {
    let with = |tier| {
        network(move |d| {
            d.bgp_service_communities[0].geopolitical_area = Some("Asia".to_owned());
            for circuit in &mut d.express_route_circuits {
                (circuit.sku_tier, circuit.geopolitical_area) = (tier, Some("Europe".to_owned()));
            }
        })
    };
    assert_eq!(heard(&with(CircuitSkuTier::Premium), "r1").len(), 2);
    assert_eq!(heard(&with(CircuitSkuTier::Standard), "r1"), ["198.51.101.0/24 12076:5010"]);
}

/// MSP-4: default and private prefixes are discarded, the session stays.
#[test]
fn msp_4_the_rest_of_the_session_stays() {
    let network = network(|d| {
        let more = ["0.0.0.0/0", "10.9.0.0/16", "203.0.114.0/24"];
        d.bgp_speakers[0].originate[0]
            .prefixes
            .extend(more.iter().map(|p| p.parse::<ipnet::IpNet>().unwrap()));
    });
    assert_eq!(accepted(&network, "one", ONE), ["203.0.113.0/24 []", "203.0.114.0/24 []"]);
}

/// MSP-5, PUB-5: past 200 prefixes the session is down, so that the routers hear nothing over it either.
#[test]
fn pub_5_msp_5_past_200_prefixes_routers_lose_the_session() {
    let many = |d: &mut Document, count: u32| {
        d.bgp_sessions.retain(|s| s.id.as_str() == "one");
        let more = (1..count).map(|i| format!("20.0.{i}.0/24").parse::<ipnet::IpNet>().unwrap());
        d.bgp_speakers[0].originate[0].prefixes.extend(more);
    };
    for (network, rule) in [(network(|d| many(d, 201)), Rule::MSP_5), (public(|d| many(d, 201)), Rule::PUB_5)]
    {
        assert!(heard(&network, "r1").is_empty(), "{rule}");
        let down =
            |f: &&azroute::analysis::Finding| f.code == FindingCode::SessionDown && f.rule == Some(rule);
        assert_eq!(network.findings().iter().filter(down).count(), 1, "{rule}");
    }
    assert!(!heard(&network(|d| many(d, 200)), "r1").is_empty());
    assert!(!heard(&public(|d| many(d, 200)), "r1").is_empty());
}

/// Lists in place of the routers: what the site announces, by circuit and path.
fn declare(document: &mut Document, told: &[(&str, &[u32], u32)]) {
    document.bgp_speakers.clear();
    document.bgp_sessions.clear();
    for (circuit, path, count) in told {
        let prefixes = (0..*count).map(|i| match i {
            0 => "203.0.113.0/24".parse().unwrap(),
            _ => format!("20.0.{i}.0/24").parse::<ipnet::IpNet>().unwrap(),
        });
        let mut list = Advertisement::new(*circuit, prefixes, path.iter().copied().map(Asn));
        list.peering = document.express_route_circuits[0].peerings[0].peering_type;
        document.on_premises_sites[0].advertisements.push(list);
    }
}

/// PUB-5, MSP-5: a declared list loses the session past 200 prefixes as a router does, both ways, and what is registered
/// counts and is lost with it.
#[test]
fn pub_5_msp_5_past_200_prefixes_a_list_loses_the_session() {
    let list = |count: u32| {
        move |d: &mut Document| {
            d.express_route_circuits.truncate(1);
            d.express_route_circuits[0].peerings[0].advertised_public_prefixes =
                vec!["203.0.114.0/24".parse().unwrap()];
            declare(d, &[("er1", &[65_001], count)]);
        }
    };
    let replies = |network: &Network, to: &str| {
        let answer = network.resolve_leg("v/subnets/web", to.parse::<IpAddr>().unwrap(), Leg::Reply).unwrap();
        answer.hops().any(|hop| matches!(hop.place, Place::Msee { .. }))
    };
    let sends = |network: &Network| !circuits(network, "dc/routers/r1", "198.51.100.9").is_empty();
    for (kind, within, beyond) in [
        ("Microsoft", network(list(199)), network(list(200))),
        ("public", public(list(199)), public(list(200))),
    ] {
        assert!(replies(&within, "203.0.113.9") && replies(&within, "203.0.114.9"), "{kind}");
        assert!(!replies(&beyond, "203.0.113.9") && !replies(&beyond, "203.0.114.9"), "{kind}");
    }
    assert!(sends(&public(list(199))) && !sends(&public(list(200))));
}

/// MSP-6: of two lists of one prefix the path counts that is the shorter one without its private numbers.
#[test]
fn msp_6_of_two_lists_private_numbers_do_not_count() {
    let long: &[u32] = &[3_333, 65_001, 65_001];
    let network =
        network(|d| declare(d, &[("er1", long, 1), ("er1", &[3_333, 3_334], 1), ("er2", &[3_333], 1)]));
    assert_eq!(circuits(&network, "v/subnets/web", "203.0.113.9"), ["er1", "er2"]);
}

/// PUB-7: on public peering private numbers stay in the path.
#[test]
fn pub_7_private_numbers_stay_in_the_path() {
    let network = public(|d| paths(d, "r1", &[65_001]));
    let edge = ONE.replace("MicrosoftPeering", "AzurePublicPeering");
    assert_eq!(accepted(&network, "one", &edge), ["203.0.113.0/24 [65001 65001]"]);
}

/// PUB-8, PUB-2: routers hear the cloud without a filter, with the communities of regions.
#[test]
fn pub_8_pub_2_routes_carry_their_region() {
    let network = public(|_| ());
    assert_eq!(heard(&network, "r1"), ["198.51.100.0/25 12076:51002", "198.51.103.0/24 "]);
    assert_eq!(heard(&public(|d| d.as_of = Date::new(2025, 1, 1)), "r1"), Vec::<String>::new(), "PUB-1");
    let answer = network.resolve("dc/routers/r1", "198.51.100.9".parse().unwrap()).unwrap();
    assert_eq!(answer.disposition().to_string(), "Egress(PublicPeering of er1)", "{answer}");
    assert!(
        network.topology().document().express_route_circuits[0]
            .peering(PeeringType::AzurePublicPeering)
            .is_some()
    );
}
