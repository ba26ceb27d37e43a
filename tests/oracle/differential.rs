//! The stages against the oracle: random designs, every subnet, every address where an answer may change.
//!
//! The oracle (`azroute::testing::oracle`) is written from the rules by linear scan and shares no code with the stages.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use azroute::Network;
use azroute::analysis::compare;
use azroute::model::{Document, EffectiveNextHopType, Topology};
use azroute::resolve::{Disposition, DropReason, Egress, NextHop, Path, Place};
use azroute::testing::{oracle, strategies};
use proptest::prelude::*;

/// A design that prints as a document: what proptest shows of a failure can be pasted into a test.
struct Design(Document);

impl std::fmt::Debug for Design {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).unwrap())
    }
}

/// The oracle knows no exchange between branches (ARS-5): that is BGP's, which has an oracle of its own.
fn designs() -> impl Strategy<Value = Design> {
    strategies::any_topology().prop_map(|mut document| {
        for server in &mut document.route_servers {
            server.allow_branch_to_branch_traffic = false;
        }
        Design(document)
    })
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

/// One way of an answer, in the words of the oracle's walk: what lies behind a gateway or hub is summed up, and drops
/// keep their name.
fn outcome(path: &Path<'_>, strict: bool) -> String {
    let mut prefix = String::new();
    let hops = path.hops();
    for (i, hop) in hops.iter().enumerate() {
        let ends_here = i + 1 == hops.len() && matches!(path.disposition(), Disposition::Delivered(_));
        if i > 0 && !ends_here && matches!(hop.place, Place::Gateway(_) | Place::Hub(_)) {
            return format!("Gateway({prefix})");
        }
        if let Some(route) = &hop.route {
            prefix = route.route.prefix.to_string();
        }
    }
    let source = || hops.iter().rev().find_map(|h| h.route.as_ref()).map(|r| r.route.source).unwrap();
    match path.disposition() {
        Disposition::Delivered(Place::NetworkInterface(id) | Place::Appliance { id, .. }) => {
            format!("Delivered({id})")
        }
        Disposition::Delivered(Place::Hub(_)) => format!("Gateway({prefix})"),
        // The oracle knows no addresses of gateways' instances.
        Disposition::Delivered(Place::Gateway(_)) if strict => "Drop(NoSuchHost)".to_owned(),
        Disposition::Delivered(_) => "Delivered(unassigned)".to_owned(),
        Disposition::Egress(Egress::Internet(_)) => "Egress(Internet)".to_owned(),
        Disposition::Egress(Egress::MicrosoftBackbone(_)) => "Egress(MicrosoftBackbone)".to_owned(),
        // The oracle does not look at what customers advertise on Microsoft peering (MSP-13).
        Disposition::Egress(_) => "Egress(edge)".to_owned(),
        Disposition::ServiceEndpoint(service) => {
            format!("ServiceEndpoint({})", service.rsplit('.').next().unwrap())
        }
        Disposition::NeedsFlow(_) => "NeedsFlow".to_owned(),
        Disposition::Loop(_) => "Loop".to_owned(),
        Disposition::Dropped(reason) => match reason {
            DropReason::NoneRoute(prefix) => format!("Drop(NoneRoute({prefix}, {}))", source()),
            DropReason::DeniedByAppliance(_) => "Drop(AppliancePolicy)".to_owned(),
            DropReason::Discarded(_) => "Drop(NoRoute)".to_owned(),
            reason => {
                let words = reason.to_string();
                format!("Drop({})", words.split(',').next().unwrap())
            }
        },
        other => other.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Whole walks inside Azure, up to the first gateway or hub.
    #[test]
    fn walks_equal_the_oracle(design in designs(), salt in any::<usize>()) {
        let Design(document) = &design;
        let network = build(document);
        let strict = document.knobs.strict_hosts;
        let probes = strategies::probe_addresses(document);
        for subnet in subnets(document) {
            // The oracle is slow: some of the addresses, other ones for each subnet and design.
            for probe in probes.iter().skip(salt % 7).step_by(7) {
                let Ok(answer) = network.resolve(&subnet, *probe) else { continue };
                prop_assert_eq!(&network.next_hop(&subnet, *probe).unwrap(), answer.next_hop());
                let computed: BTreeSet<String> = answer.paths().take(512).map(|path| outcome(&path, strict)).collect();
                let mut expected = oracle::walk(document, &subnet, answer.header().source, *probe);
                if computed.contains("Egress(edge)") {
                    expected = expected
                        .into_iter()
                        .map(|end| if end.starts_with("Egress") { "Egress(edge)".to_owned() } else { end })
                        .collect();
                }
                prop_assert_eq!(computed, expected, "{}", answer);
            }
        }
    }
}
