//! PE: host routes of private endpoints.

use azroute::model::{PrivateEndpointNetworkPolicies as Policies, TopologyBuilder};
use azroute::resolve::{Disposition, Place, SeenDirection};

use crate::selection::support::{S, Steps, base, peered};

const ROW: &str = "Active Default InterfaceEndpoint PE-1";
const HOST: &str = "10.1.1.4/32";
const PE: &str = "10.1.1.4";

fn endpoint(policy: Policies) -> TopologyBuilder {
    peered()
        .endpoint("p/subnets/a", PE)
        .configure_subnet("p/subnets/a", |s| s.private_endpoint_network_policies = policy)
}

fn arrives() -> Disposition {
    Disposition::PrivateEndpoint("pe".into())
}

#[test]
fn pe_1_a_host_route_here_and_in_peered_networks() {
    let lab = endpoint(Policies::Disabled).lab();
    for subnet in ["p/subnets/a", S, "v/subnets/nva", "v/subnets/GatewaySubnet"] {
        assert_eq!(lab.at(subnet, HOST), [ROW], "{subnet}");
    }
    assert_eq!(lab.end(S, PE), arrives());
    assert_eq!(lab.hop("10.1.1.5"), "VNetPeering 10.1.0.0/16");
}

#[test]
fn pe_2_no_second_hop() {
    let lab = endpoint(Policies::Disabled)
        .virtual_network("q", &["10.2.0.0/16"])
        .subnet("q", "a", "10.2.1.0/24")
        .peer("v", "q")
        .lab();
    assert!(lab.at("q/subnets/a", HOST).is_empty());
    assert_eq!(lab.hop_from("q/subnets/a", PE), "None 10.0.0.0/8");
}

/// The same /32 always overrides, whatever the policy; a default never does.
#[test]
fn pe_3_a_user_route_of_the_same_host_overrides() {
    for policy in [Policies::Disabled, Policies::Enabled] {
        let lab = endpoint(policy).udr(&[(HOST, "NVA")]).lab();
        assert_eq!(
            lab.s(HOST),
            ["Active User VirtualAppliance UDR-2", "Invalid Default InterfaceEndpoint PE-3"]
        );
        assert_eq!(lab.hop(PE), "VirtualAppliance 10.1.1.4/32");
        let default = endpoint(policy).udr(&[("0.0.0.0/0", "NVA")]).lab();
        assert_eq!(default.s(HOST), [ROW]);
        assert_eq!(default.end(S, PE), arrives());
    }
}

#[test]
fn pe_4_a_covering_user_route_counts_from_the_length_of_the_space() {
    let with = |policy, prefix: &str| endpoint(policy).udr(&[(prefix, "NVA")]).lab();
    let invalid = ["Invalid Default InterfaceEndpoint PE-4"];
    for policy in [Policies::RouteTableEnabled, Policies::Enabled] {
        for long_enough in ["10.1.0.0/16", "10.1.1.0/24", "10.1.1.4/31"] {
            let lab = with(policy, long_enough);
            assert_eq!(lab.s(HOST), invalid, "{long_enough}");
            assert_eq!(lab.hop(PE), format!("VirtualAppliance {long_enough}"));
        }
        for too_short in ["10.0.0.0/15", "10.0.0.0/8", "0.0.0.0/0"] {
            assert_eq!(with(policy, too_short).s(HOST), [ROW], "{too_short}");
        }
        assert_eq!(with(policy, "10.1.2.0/24").s(HOST), [ROW], "does not cover it");
    }
    for policy in [Policies::Disabled, Policies::NetworkSecurityGroupEnabled] {
        assert_eq!(with(policy, "10.1.1.0/24").s(HOST), [ROW], "{policy:?}");
    }
    // Only user routes: a gateway's are refused (SEL-6), and would not count.
    assert_eq!(endpoint(Policies::Enabled).er(&["10.1.1.0/24"]).lab().s(HOST), [ROW]);
}

/// The policy is the endpoint's subnet's, the route the client's; of several prefixes the one that holds the endpoint
/// is compared.
#[test]
fn pe_5_whose_policy_and_which_prefix() {
    let client_policy = endpoint(Policies::Disabled)
        .configure_subnet(S, |s| s.private_endpoint_network_policies = Policies::Enabled)
        .udr(&[("10.1.1.0/24", "NVA")]);
    assert_eq!(client_policy.lab().s(HOST), [ROW]);
    let route_at_the_endpoint = endpoint(Policies::Enabled)
        .route("far", "x", "10.1.1.0/24", "VirtualAppliance", &["10.0.100.4"])
        .bind("p/subnets/a", "far")
        .lab();
    assert_eq!(route_at_the_endpoint.s(HOST), [ROW]);
    let several = |route: &str| {
        base()
            .virtual_network("p", &["10.1.0.0/16", "10.2.0.0/24"])
            .subnet("p", "a", "10.1.1.0/24")
            .subnet("p", "b", "10.2.0.0/24")
            .peer("v", "p")
            .endpoint("p/subnets/b", "10.2.0.4")
            .configure_subnet("p/subnets/b", |s| s.private_endpoint_network_policies = Policies::Enabled)
            .udr(&[(route, "NVA")])
            .lab()
    };
    assert_eq!(several("10.2.0.0/16").s("10.2.0.4/32"), [ROW], "longer than the other prefix is not enough");
    assert_eq!(several("10.2.0.0/24").s("10.2.0.4/32"), ["Invalid Default InterfaceEndpoint PE-4"]);
    // The gateway's subnet is a client as well.
    let gateway = endpoint(Policies::Enabled)
        .route("gw", "x", "10.1.1.0/24", "VirtualAppliance", &["10.0.100.4"])
        .bind("v/subnets/GatewaySubnet", "gw")
        .lab();
    assert_eq!(gateway.at("v/subnets/GatewaySubnet", HOST), ["Invalid Default InterfaceEndpoint PE-4"]);
}

/// Replies of an endpoint ignore the table of its subnet unless the policies let it in.
#[test]
fn pe_6_replies_ignore_user_routes_of_the_endpoints_subnet() {
    let pair = |policy| {
        let lab = endpoint(policy)
            .nic("client", S, "10.0.0.4")
            .configure(|d| {
                for vnet in &mut d.virtual_networks {
                    vnet.peerings[0].allow_forwarded_traffic = true;
                }
            })
            .udr(&[(HOST, "NVA")])
            .route("back", "x", "10.0.0.0/16", "VirtualAppliance", &["10.0.100.4"])
            .bind("p/subnets/a", "back")
            .lab();
        lab.network.resolve_pair("client", PE.parse().unwrap()).unwrap()
    };
    let ignored = pair(Policies::Disabled);
    assert_eq!(*ignored.forward().disposition(), arrives());
    assert!(ignored.forward().path().passes(&"fw".into()));
    assert!(!ignored.reply().unwrap().path().passes(&"fw".into()));
    assert_eq!(
        *ignored.reply().unwrap().disposition(),
        Disposition::Delivered(Place::NetworkInterface("client".into()))
    );
    let asymmetry = &ignored.asymmetries()[0];
    assert_eq!((asymmetry.place.as_str(), asymmetry.seen), ("fw", SeenDirection::ForwardOnly));
    assert_eq!(asymmetry.rule.id(), "PE-6");
    let heeded = pair(Policies::RouteTableEnabled);
    assert!(heeded.reply().unwrap().path().passes(&"fw".into()));
    assert!(heeded.asymmetries().is_empty());
}

/// By the gateway and the advertised space; the host route itself is nobody's to learn.
#[test]
fn pe_7_on_premises_reaches_it_through_the_gateway() {
    let with = |transit: bool| {
        endpoint(Policies::Disabled)
            .configure(|d| {
                d.virtual_networks[0].peerings[0].allow_gateway_transit = transit;
                d.virtual_networks[1].peerings[0].use_remote_gateways = transit;
            })
            .er(&[])
            .circuit("c", 0)
            .site("site", "10.50.0.0/16", "c")
            .lab()
    };
    let lab = with(true);
    assert_eq!(lab.end("site", PE), arrives());
    assert!(lab.passes("site", PE, "er"));
    // The gateway's subnet has the host route, but nothing told on-premises where to send.
    assert_eq!(with(false).at("v/subnets/GatewaySubnet", HOST), [ROW]);
    assert_eq!(with(false).dropped("site", PE), azroute::resolve::DropReason::NoRoute);
}

/// Before September 2022 there were no policies: only the same /32 worked.
#[test]
fn pe_8_before_the_policies() {
    let day = |day: &str, prefix: &str| {
        endpoint(Policies::Enabled).as_of(day.parse().unwrap()).udr(&[(prefix, "NVA")]).lab()
    };
    assert_eq!(day("2022-08-31", "10.1.1.0/24").s(HOST), [ROW]);
    assert_eq!(day("2022-08-31", HOST).hop(PE), "VirtualAppliance 10.1.1.4/32");
    assert_eq!(day("2022-09-01", "10.1.1.0/24").s(HOST), ["Invalid Default InterfaceEndpoint PE-4"]);
}
