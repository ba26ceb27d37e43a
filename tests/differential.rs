//! The stages against the oracle: random designs, every subnet, every address where an answer may change.
//!
//! The oracle (`azroute::testing::oracle`) is written from the rules by linear scan and shares no code with the stages.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use azroute::Network;
use azroute::analysis::compare;
use azroute::model::{Document, EffectiveNextHopType, Topology};
use azroute::resolve::NextHop;
use azroute::testing::{oracle, strategies};
use proptest::prelude::*;

/// A design that prints as a document: what proptest shows of a failure can be pasted into a test.
struct Design(Document);

impl std::fmt::Debug for Design {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).unwrap())
    }
}

fn designs() -> impl Strategy<Value = Design> {
    strategies::any_topology().prop_map(Design)
}

/// The oracle is slow on purpose; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(96)
}

fn subnets(document: &Document) -> Vec<azroute::model::ResourceId> {
    document.virtual_networks.iter().flat_map(|v| v.subnets.iter().map(|s| v.subnet_id(&s.name))).collect()
}

fn build(document: &Document) -> Network {
    Network::build(&Topology::new(document.clone()).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Effective rows, by every rule of selection.
    #[test]
    fn effective_rows_equal_the_oracle(design in designs()) {
        let Design(document) = &design;
        let network = build(document);
        for subnet in subnets(document) {
            let computed = network.effective_routes(&subnet).unwrap().rows();
            let expected = oracle::effective_rows(document, &subnet).unwrap();
            let difference = compare(&computed, &expected);
            prop_assert!(difference.is_equal(), "{subnet}:\n{difference}");
        }
    }

    /// Next hops: the compiled tables against a scan over the oracle's rows.
    #[test]
    fn next_hops_equal_the_oracle(design in designs()) {
        let Design(document) = &design;
        let network = build(document);
        let probes = strategies::probe_addresses(document);
        for subnet in subnets(document) {
            for probe in &probes {
                let Ok(computed) = network.next_hop(&subnet, *probe) else { continue };
                let computed = match computed {
                    NextHop::Route(matched) => Some((Some(matched.route.prefix), matched.route.next_hop_type)),
                    NextHop::PlatformHost | NextHop::NoRoute | NextHop::OnPremises(_) => None,
                };
                if matches!(probe.to_string().as_str(), "168.63.129.16" | "169.254.169.254") {
                    prop_assert_eq!(computed, None);
                    continue;
                }
                let expected = oracle::next_hop(document, &subnet, *probe);
                // A service endpoint has no prefix of its own in the oracle's answer.
                let service = EffectiveNextHopType::VirtualNetworkServiceEndpoint;
                let fold = |hop: Option<(Option<ipnet::IpNet>, EffectiveNextHopType)>| {
                    hop.map(|(prefix, kind)| (prefix.filter(|_| kind != service), kind))
                };
                prop_assert_eq!(fold(computed), fold(expected), "{} to {}", subnet, probe);
            }
        }
    }
}
