//! SE: service endpoints of a subnet.

use azroute::model::{OnPremisesNextHop, SePrecedence, ServiceEndpoint, TopologyBuilder};
use azroute::resolve::{Disposition, DropReason};

use crate::selection::support::{S, Steps, base, ip, net, peered};

const ROW: &str = "Active Default VirtualNetworkServiceEndpoint SE-1";
const SERVICE: &str = "198.51.100.7";

fn storage(builder: TopologyBuilder, subnet: &str) -> TopologyBuilder {
    builder
        .tag("Storage", &["198.51.100.0/24", "203.0.113.0/26"])
        .configure_subnet(subnet, |s| s.service_endpoints.push(ServiceEndpoint::new("Microsoft.Storage")))
}

fn served() -> Disposition {
    Disposition::ServiceEndpoint("Microsoft.Storage".into())
}

/// Every prefix of the tag, in that subnet alone.
#[test]
fn se_1_rows_of_the_tag_in_that_subnet_alone() {
    let lab = storage(peered(), S).lab();
    for prefix in ["198.51.100.0/24", "203.0.113.0/26"] {
        assert_eq!(lab.s(prefix), [ROW]);
        for other in ["v/subnets/nva", "v/subnets/GatewaySubnet", "p/subnets/a"] {
            assert!(lab.at(other, prefix).is_empty(), "{other}");
        }
    }
    assert_eq!(lab.hop("203.0.113.63"), "VirtualNetworkServiceEndpoint 203.0.113.0/26");
    assert_eq!(lab.hop("203.0.113.64"), "Internet 0.0.0.0/0");
}

/// The packet keeps its private source and its public destination.
#[test]
fn se_2_the_private_source_reaches_the_service() {
    let lab = storage(base().nic("a", S, "10.0.0.4"), S).lab();
    let answer = lab.answer("a", SERVICE);
    assert_eq!(*answer.disposition(), served());
    for hop in answer.hops() {
        assert_eq!((hop.header.source, hop.header.destination), (ip("10.0.0.4"), ip(SERVICE)));
    }
}

#[test]
fn se_3_a_forced_tunnel_does_not_capture_the_service() {
    for builder in [base().er(&["0.0.0.0/0"]), base().udr(&[("0.0.0.0/0", "NVA")])] {
        let lab = storage(builder, S).lab();
        assert_eq!(lab.end(S, SERVICE), served());
        assert_ne!(lab.hop("198.51.101.1"), lab.hop(SERVICE), "the rest is tunnelled");
        assert!(lab.hop("198.51.101.1").ends_with(" 0.0.0.0/0"));
    }
}

#[test]
fn se_4_documented_nothing_beats_the_service() {
    for builder in [
        base().udr(&[("198.51.100.0/28", "NVA")]),
        base().udr(&[("198.51.100.0/24", "NVA")]),
        base().udr(&[("Storage", "NVA")]),
        base().er(&["198.51.100.0/28"]),
        base().er(&["198.51.100.0/24"]),
    ] {
        let lab = storage(builder, S).lab();
        assert_eq!(lab.end(S, SERVICE), served());
        assert_eq!(lab.s("198.51.100.0/24")[0], ROW);
    }
    let equal = storage(base().udr(&[("198.51.100.0/24", "NVA")]), S).lab();
    assert_eq!(equal.s("198.51.100.0/24"), [ROW, "Invalid User VirtualAppliance SE-4"]);
}

#[test]
fn se_4_lab_observed_longest_match_then_user_gateway_service() {
    let observed = |builder: TopologyBuilder| {
        storage(builder, S).knob(|k| k.se_precedence = SePrecedence::LabObserved).lab()
    };
    let overridden = "Invalid Default VirtualNetworkServiceEndpoint SE-4";
    let longer = observed(base().udr(&[("198.51.100.0/28", "NVA")]));
    assert_eq!(longer.hop(SERVICE), "VirtualAppliance 198.51.100.0/28");
    assert_eq!(longer.hop("198.51.100.16"), "VirtualNetworkServiceEndpoint 198.51.100.0/24");
    assert_eq!(longer.s("198.51.100.0/24"), [ROW]);
    for routes in [[("198.51.100.0/24", "NVA")], [("Storage", "NVA")]] {
        let equal = observed(base().udr(&routes));
        assert_eq!(equal.hop(SERVICE), "VirtualAppliance 198.51.100.0/24");
        assert!(equal.s("198.51.100.0/24").contains(&overridden.to_owned()));
    }
    let learned = observed(base().er(&["198.51.100.0/24", "203.0.113.0/28"]));
    assert_eq!(learned.hop(SERVICE), "VirtualNetworkGateway 198.51.100.0/24");
    assert!(learned.s("198.51.100.0/24").contains(&overridden.to_owned()));
    assert_eq!(learned.hop("203.0.113.1"), "VirtualNetworkGateway 203.0.113.0/28");
    // A shorter one still loses.
    assert_eq!(observed(base().er(&["198.51.0.0/16"])).end(S, SERVICE), served());
}

/// A packet from on-premises that reaches the gateway's subnet is not let out by its endpoint.
#[test]
fn se_5_on_premises_cannot_use_the_endpoint() {
    let lab = storage(base(), "v/subnets/GatewaySubnet")
        .vpn(&[])
        .branch("b", &["10.50.0.0/16"], false)
        .site("site", "10.50.0.0/16", "b")
        .sends("site", "198.51.100.0/24", OnPremisesNextHop::Connection("b".into()))
        .lab();
    assert_eq!(lab.at("v/subnets/GatewaySubnet", "198.51.100.0/24"), [ROW]);
    assert_eq!(lab.dropped("site", SERVICE), DropReason::NoTransit("vpn".into()));
    assert!(lab.rules("site", SERVICE).contains(&"SE-5"));
}

/// Regional tags where regions are listed, an exact list where the scenario has one.
#[test]
fn se_7_how_far_an_endpoint_matches() {
    let with = |locations: &[&str], prefixes: &[&str]| {
        let endpoint = ServiceEndpoint {
            locations: locations.iter().map(|l| (*l).to_owned()).collect(),
            prefixes: prefixes.iter().map(|p| net(p)).collect(),
            ..ServiceEndpoint::new("Microsoft.Sql")
        };
        base()
            .tag("Sql", &["198.51.100.0/24"])
            .tag("Sql.WestEurope", &["198.51.100.0/26"])
            .tag("Sql.NorthEurope", &["198.51.100.64/26"])
            .configure_subnet(S, |s| s.service_endpoints.push(endpoint))
            .lab()
    };
    let kind = |lab: &crate::selection::support::Lab, address: &str| {
        lab.hop(address).split(' ').next().unwrap().to_owned()
    };
    let (served, not) = ("VirtualNetworkServiceEndpoint", "Internet");
    for (locations, expected) in [
        (&[][..], [served, served, served]),
        (&["*"][..], [served, served, served]),
        (&["westeurope"][..], [served, not, not]),
        (&["West Europe", "northeurope"][..], [served, served, not]),
    ] {
        let lab = with(locations, &[]);
        let found = ["198.51.100.1", "198.51.100.65", "198.51.100.129"].map(|a| kind(&lab, a));
        assert_eq!(found, expected, "{locations:?}");
    }
    let exact = with(&["westeurope"], &["192.0.2.0/24"]);
    assert_eq!(kind(&exact, "192.0.2.1"), served);
    assert_eq!(kind(&exact, "198.51.100.1"), not);
}

/// The appliance's own subnet has the endpoint: the chain ends at the service with the appliance's identity.
#[test]
fn se_8_an_appliance_with_the_endpoint_reaches_the_service() {
    let chain = || base().udr(&[("0.0.0.0/0", "NVA")]);
    let lab = storage(chain(), "v/subnets/nva").lab();
    assert_eq!(lab.hop(SERVICE), "VirtualAppliance 0.0.0.0/0");
    assert!(lab.passes(S, SERVICE, "fw"));
    assert_eq!(lab.end(S, SERVICE), served());
    let without = chain().tag("Storage", &["198.51.100.0/24"]).lab();
    assert_eq!(without.dropped(S, SERVICE), DropReason::PrivateSourceToInternet, "the chain needs it there");
}
