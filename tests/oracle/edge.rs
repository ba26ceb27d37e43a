//! Microsoft's choice among circuits and the Internet against the oracle, on random customers.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use azroute::Network;
use azroute::model::{
    Advertisement, Asn, CircuitPeering, Document, ExpressRouteCircuit, Knobs, Limits, LinkRole,
    OnPremisesSite, PeeringType, ResourceId, Topology,
};
use azroute::resolve::{Answer, Crossing, Leg, Place, Source};
use azroute::testing::oracle;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

const PREFIXES: [&str; 9] = [
    "203.0.112.0/23",
    "203.0.113.0/24",
    "203.0.113.0/25",
    "203.0.113.128/25",
    "203.0.113.0/28",
    "192.0.2.0/24",
    "0.0.0.0/0",
    "10.77.0.0/16",
    "2001:db8:7::/48",
];
const PROBES: [&str; 7] =
    ["203.0.112.9", "203.0.113.9", "203.0.113.99", "203.0.113.200", "192.0.2.9", "8.8.8.8", "203.0.114.1"];
const TENANTS: [Option<&str>; 3] = [None, Some("alder"), Some("Birch")];
const PEERINGS: [PeeringType; 3] =
    [PeeringType::MicrosoftPeering, PeeringType::AzurePublicPeering, PeeringType::AzurePrivatePeering];

fn tenant() -> impl Strategy<Value = Option<String>> {
    select(TENANTS.to_vec()).prop_map(|tenant| tenant.map(str::to_owned))
}

fn prefixes(most: usize) -> impl Strategy<Value = Vec<ipnet::IpNet>> {
    vec(select(PREFIXES.to_vec()).prop_map(|text| text.parse().unwrap()), 0..=most)
}

fn circuits() -> impl Strategy<Value = Vec<ExpressRouteCircuit>> {
    let peering = (select(PEERINGS.to_vec()), any::<[bool; 2]>(), prefixes(1));
    let one = (tenant(), vec(peering, 0..3), any::<[bool; 4]>(), any::<bool>());
    vec(one, 0..4).prop_map(|all| {
        let made = all.into_iter().enumerate().map(|(n, (tenant, peerings, [a, b, c, d], late))| {
            let mut circuit = ExpressRouteCircuit::new(format!("c{n}"));
            circuit.tenant = tenant;
            circuit.created = late.then(|| "2018-04-01".parse().unwrap());
            // Mostly up.
            circuit.primary.up = a || b;
            circuit.secondary.up = c || d;
            for (kind, [validated, often], registered) in peerings {
                if circuit.peering(kind).is_none() {
                    let mut peering = CircuitPeering::new(kind);
                    peering.validated = validated || often;
                    peering.advertised_public_prefixes = registered;
                    circuit.peerings.push(peering);
                }
            }
            circuit
        });
        made.collect()
    })
}

fn sites() -> impl Strategy<Value = Vec<OnPremisesSite>> {
    let path = vec(select(vec![3_333_u32, 3_334, 65_001, 12_076, 3_335]), 0..4);
    let link = of(select(LinkRole::BOTH.to_vec()));
    let advertisement = (0_usize..4, select(PEERINGS.to_vec()), link, prefixes(3), path, 0_u8..12);
    let one = (tenant(), vec(advertisement, 0..5), prefixes(1), any::<[bool; 2]>());
    vec(one, 0..3).prop_map(|all| {
        let made =
            all.into_iter().enumerate().map(|(n, (tenant, advertisements, internet, [breakout, pool]))| {
                let mut site = OnPremisesSite::new(format!("site{n}"), ["10.50.0.0/16".parse().unwrap()]);
                site.tenant = tenant;
                site.internet_breakout = breakout;
                site.nat_pool = pool.then(|| "203.0.113.0/28".parse().unwrap());
                site.internet_prefixes = internet;
                for (circuit, peering, link, mut prefixes, path, many) in advertisements {
                    if many == 0 {
                        prefixes.extend(
                            (0..200).map(|i| format!("20.0.{i}.0/24").parse::<ipnet::IpNet>().unwrap()),
                        );
                    }
                    site.advertisements.push(Advertisement {
                        over: format!("c{circuit}").into(),
                        peering,
                        link,
                        prefixes,
                        as_path: path.into_iter().map(Asn).collect(),
                    });
                }
                site
            });
        made.collect()
    })
}

fn designs() -> impl Strategy<Value = Document> {
    let as_of = select(vec![None, Some("2016-10-01"), Some("2023-01-01"), Some("2024-03-31")]);
    (tenant(), circuits(), sites(), as_of, any::<bool>()).prop_map(
        |(tenant, circuits, sites, as_of, lint)| {
            let mut document = Topology::builder()
                .virtual_network("v", &["10.0.0.0/16"])
                .subnet("v", "s", "10.0.0.0/24")
                .nic("vm", "v/subnets/s", "10.0.0.4")
                .build()
                .unwrap()
                .document()
                .clone();
            document.virtual_networks[0].tenant = tenant;
            document.express_route_circuits = circuits;
            document.on_premises_sites = sites;
            document.as_of = as_of.map(|day| day.parse().unwrap());
            let limits = if lint { Limits::LintOnly } else { Limits::Enforce };
            document.knobs = Knobs { limits, ..Knobs::default() };
            document
        },
    )
}

/// The circuits' links behind the first hop; none where the packet leaves by the Internet.
fn edges(answer: &Answer) -> Vec<(ResourceId, PeeringType, LinkRole)> {
    let second = answer.paths().filter_map(|path| match &path.hops().get(1)?.place {
        Place::Msee { circuit, link, peering } => Some((circuit.clone(), *peering, *link)),
        _ => None,
    });
    let mut edges: Vec<_> = second.collect();
    edges.sort();
    edges.dedup();
    edges
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    /// MSP-3 to MSP-7, PUB-1, PUB-3, PUB-5, PUB-7, ISO-1: what a machine opens and what it answers.
    #[test]
    fn microsofts_edge_chooses_as_the_oracle(document in designs()) {
        let network = Network::build(&Topology::new(document.clone()).unwrap()).unwrap();
        let tenant = document.virtual_networks[0].tenant.as_deref();
        for probe in PROBES.map(|text| text.parse::<IpAddr>().unwrap()) {
            for (leg, reply) in [(Leg::Initiate, false), (Leg::Reply, true)] {
                let expected = oracle::customer_edges(&document, tenant, probe, reply);
                let answer = network.resolve_leg("vm", probe, leg).unwrap();
                prop_assert_eq!(edges(&answer), expected, "{} {}:\n{}", leg, probe, answer);
            }
            // The reply of whom the machine opened to, where it has an address to answer to.
            let pair = network.resolve_pair("vm", probe).unwrap();
            let by_internet = oracle::customer_edges(&document, tenant, probe, false).is_empty();
            prop_assert_eq!(pair.crossing() == Some(&Crossing::Internet), by_internet);
        }
    }

    /// MSP-2, MSP-7: what a service opens to a customer goes as a machine's packet does.
    #[test]
    fn a_service_reaches_customers_as_the_oracle(document in designs()) {
        let network = Network::build(&Topology::new(document.clone()).unwrap()).unwrap();
        for probe in PROBES.map(|text| text.parse::<IpAddr>().unwrap()) {
            let service = Source::ServiceAddress("198.51.100.7".parse().unwrap());
            // Several tenants may say that the address is theirs.
            let Ok(answer) = network.resolve(service, probe) else { continue };
            let found = edges(&answer);
            let choices: Vec<_> =
                TENANTS.iter().map(|tenant| oracle::customer_edges(&document, *tenant, probe, false)).collect();
            prop_assert!(choices.contains(&found), "{}: {:?} of {:?}\n{}", probe, found, choices, answer);
        }
    }

    /// WALK-14: a site's flows to a service and their replies. Where both cross one kind of edge nothing is split.
    #[test]
    fn a_split_is_told_exactly_where_the_edges_differ(document in designs()) {
        let network = Network::build(&Topology::new(document.clone()).unwrap()).unwrap();
        for site in &document.on_premises_sites {
            for service in ["198.51.100.7", "8.8.8.8"] {
                let Ok(pair) = network.resolve_pair(&site.id, service.parse().unwrap()) else { continue };
                let internet = |crossing: Option<&Crossing>| crossing.map(|c| *c == Crossing::Internet);
                let split = match (internet(pair.crossing()), internet(pair.reply_crossing())) {
                    (Some(there), Some(back)) => there != back,
                    _ => false,
                };
                let told = pair.asymmetries().iter().any(|a| a.rule.id() == "WALK-14");
                prop_assert_eq!(told, split, "{}\n{:?}", pair.forward(), pair.asymmetries());
            }
        }
    }
}
