//! OUT: whose address a packet carries to the Internet. NSG: what security groups let through.

use azroute::model::{
    LoadBalancer, NatGateway, NetworkSecurityGroup, PrivateEndpoint, PrivateEndpointNetworkPolicies,
    PublicIpAddress, SecurityRule, SecurityRuleAccess as Access, SecurityRuleDirection as Direction,
    SecurityRuleProtocol, ServiceTag, TopologyBuilder,
};
use azroute::resolve::{Answer, Flow, NextHop, NsgStatus, Protocol};

use super::path::balanced;
use super::support::*;

fn with_public_ip(builder: TopologyBuilder) -> TopologyBuilder {
    builder.with(PublicIpAddress { id: "pip".into(), ip_address: Some(ip("203.0.113.1")) }).configure(|d| {
        d.network_interfaces[0].ip_configurations[0].public_ip_address = Some("pip".into());
    })
}

fn with_nat(builder: TopologyBuilder) -> TopologyBuilder {
    builder
        .with(NatGateway { id: "nat".into(), public_ip_addresses: Vec::new() })
        .configure_subnet("v/subnets/s", |s| s.nat_gateway = Some("nat".into()))
}

fn with_outbound_rule(builder: TopologyBuilder) -> TopologyBuilder {
    let backend = azroute::model::Backend { network_interface: Some("vm".into()), ..Default::default() };
    builder.with(LoadBalancer {
        id: "lb".into(),
        outbound: true,
        backends: vec![backend],
        ..Default::default()
    })
}

#[test]
fn out_1_the_order_of_source_translation() {
    let egress = |built| ends(&ask(built, "vm", "8.8.8.8"));
    assert_eq!(egress(base()), ["Egress(Internet, default outbound access)"]);
    assert_eq!(egress(with_outbound_rule(base())), ["Egress(Internet, load balancer outbound rule)"]);
    assert_eq!(egress(with_public_ip(with_outbound_rule(base()))), ["Egress(Internet, public IP)"]);
    let all = with_nat(with_public_ip(with_outbound_rule(base())));
    assert_eq!(egress(all.clone()), ["Egress(Internet, NAT gateway)"]);
    // A default route elsewhere takes precedence over all of them.
    let tunnelled = routes(all, "rt", &[("0.0.0.0/0", "None")], &["v/subnets/s"]);
    assert_eq!(egress(tunnelled), ["Drop(NoneRoute, 0.0.0.0/0)"]);
}

#[test]
fn out_2_a_nat_gateway_is_no_route_and_carries_tcp_and_udp_only() {
    let network = build(with_nat(base()));
    let rows = network.effective_routes(&"v/subnets/s".into()).unwrap().rows();
    let plain = build(base()).effective_routes(&"v/subnets/s".into()).unwrap().rows();
    assert_eq!(rows, plain);
    let with = |protocol| {
        let flow = Flow { protocol, ..Flow::tcp("vm", 50_000, ip("8.8.8.8"), 443) };
        ends(&network.resolve_flow(&flow).unwrap())
    };
    assert_eq!(with(Protocol::Udp), ["Egress(Internet, NAT gateway)"]);
    assert_eq!(with(Protocol::Icmp), ["Drop(NoOutboundMethod)"]);
}

#[test]
fn out_3_a_user_route_to_the_internet_keeps_the_method() {
    let built = routes(with_nat(base()), "rt", &[("0.0.0.0/0", "Internet")], &["v/subnets/s"]);
    assert_end(&ask(built, "vm", "8.8.8.8"), "Egress(Internet, NAT gateway)");
}

#[test]
fn out_4_private_subnets_have_no_default_outbound_access() {
    let created = |day: &str| {
        let day = day.parse().unwrap();
        base().configure(|d| d.virtual_networks[0].created = Some(day))
    };
    assert_end(&ask(created("2026-04-01"), "vm", "8.8.8.8"), "Drop(NoOutboundMethod)");
    assert_end(&ask(created("2026-03-31"), "vm", "8.8.8.8"), "Egress(Internet, default outbound access)");
    assert_end(&ask(with_nat(created("2026-04-01")), "vm", "8.8.8.8"), "Egress(Internet, NAT gateway)");
    let flag = |access| {
        let built = created(if access { "2026-04-01" } else { "2020-01-01" });
        ask(
            built.configure_subnet("v/subnets/s", |s| s.default_outbound_access = Some(access)),
            "vm",
            "8.8.8.8",
        )
    };
    assert_end(&flag(true), "Egress(Internet, default outbound access)");
    assert_end(&flag(false), "Drop(NoOutboundMethod)");
}

#[test]
fn out_5_the_egress_carries_the_identity_also_on_the_backbone() {
    let tag = ServiceTag { name: "Storage".into(), address_prefixes: nets(&["198.51.100.0/24"]) };
    let built = with_nat(base().with(tag));
    assert_end(&ask(built, "vm", "198.51.100.7"), "Egress(MicrosoftBackbone, NAT gateway)");
    let firewall = azroute::model::AzureFirewall {
        id: "azfw".into(),
        subnet: Some("v/subnets/AzureFirewallSubnet".into()),
        private_ip_address: Some(ip("10.0.200.4")),
        ..Default::default()
    };
    let built = routes(base(), "rt", &[("0.0.0.0/0", "10.0.200.4")], &["v/subnets/s"])
        .subnet("v", "AzureFirewallSubnet", "10.0.200.0/26")
        .with(firewall);
    let answer = ask(built, "vm", "8.8.8.8");
    assert_end(&answer, "Egress(Internet, firewall)");
    assert_way(&answer, "vm > azfw > edge");
}

// NSG.

fn rule(name: &str, priority: u16, direction: Direction, access: Access) -> SecurityRule {
    SecurityRule::new(name, priority, direction, access)
}

fn from_to(rule: SecurityRule, from: &str, to: &str) -> SecurityRule {
    SecurityRule {
        source_address_prefixes: vec![from.to_owned()],
        destination_address_prefixes: vec![to.to_owned()],
        ..rule
    }
}

fn group(id: &str, rules: Vec<SecurityRule>) -> NetworkSecurityGroup {
    NetworkSecurityGroup { id: id.into(), security_rules: rules }
}

fn on_subnet(builder: TopologyBuilder, subnet: &str, rules: Vec<SecurityRule>) -> TopologyBuilder {
    let id = format!("on-{}", subnet.replace('/', "-"));
    builder
        .with(group(&id, rules))
        .configure_subnet(subnet, |s| s.network_security_group = Some(id.as_str().into()))
}

fn on_nic(builder: TopologyBuilder, nic: &str, rules: Vec<SecurityRule>) -> TopologyBuilder {
    let id = format!("on-{nic}");
    builder.with(group(&id, rules)).configure(|d| {
        let found = d.network_interfaces.iter_mut().find(|n| n.id == nic.into()).unwrap();
        found.network_security_group = Some(id.as_str().into());
    })
}

fn web(builder: TopologyBuilder) -> TopologyBuilder {
    builder.nic("web", "v/subnets/s", "10.0.0.9")
}

fn evaluate(builder: TopologyBuilder, source: &str, destination: &str) -> Answer {
    let flow = Flow::tcp(source, 50_000, ip(destination), 443);
    build(builder).evaluate(&flow).unwrap()
}

#[test]
fn nsg_1_both_groups_must_allow_even_inside_a_subnet() {
    let deny = |direction| vec![rule("deny", 100, direction, Access::Deny)];
    let allow = |direction| vec![rule("allow", 100, direction, Access::Allow)];
    let (inbound, outbound) = (Direction::Inbound, Direction::Outbound);
    let end = |built| ends(&evaluate(built, "vm", "10.0.0.9"));
    assert_eq!(end(web(base())), ["Delivered(network interface web)"], "no group allows");
    // Inbound the subnet's is asked first, outbound the interface's.
    let both = on_nic(on_subnet(web(base()), "v/subnets/s", deny(inbound)), "web", deny(inbound));
    assert_eq!(end(both), ["Drop(NsgDeny, on-v-subnets-s inbound rule `deny`)"]);
    let nic = on_nic(on_subnet(web(base()), "v/subnets/s", allow(inbound)), "web", deny(inbound));
    assert_eq!(end(nic), ["Drop(NsgDeny, on-web inbound rule `deny`)"]);
    let both = on_nic(on_subnet(web(base()), "v/subnets/s", deny(outbound)), "vm", deny(outbound));
    let answer = evaluate(both, "vm", "10.0.0.9");
    assert_end(&answer, "Drop(NsgDeny, on-vm outbound rule `deny`)");
    // The source's table is told even so, and routes alone ask no group.
    assert!(matches!(answer.next_hop(), NextHop::Route(_)), "{answer}");
    assert_eq!(answer.nsg(), NsgStatus::Evaluated);
    let route = ask(on_nic(web(base()), "web", deny(inbound)), "vm", "10.0.0.9");
    assert_end(&route, "Delivered(network interface web)");
    assert_eq!(route.nsg(), NsgStatus::NotEvaluated);
}

#[test]
fn nsg_2_the_lowest_number_that_matches_decides() {
    let rules = |deny: u16| {
        let mut tcp = rule("deny443", deny, Direction::Inbound, Access::Deny);
        tcp.protocol = SecurityRuleProtocol::Tcp;
        tcp.destination_port_ranges = vec!["440-450".into()];
        vec![rule("allow", 200, Direction::Inbound, Access::Allow), tcp]
    };
    let built = |deny| on_nic(web(base()), "web", rules(deny));
    assert_end(&evaluate(built(100), "vm", "10.0.0.9"), "Drop(NsgDeny, on-web inbound rule `deny443`)");
    assert_end(&evaluate(built(300), "vm", "10.0.0.9"), "Delivered(network interface web)");
    // Another protocol, another port: it does not match.
    let network = build(built(100));
    let udp = network.evaluate(&Flow::udp("vm", 50_000, ip("10.0.0.9"), 443)).unwrap();
    assert_end(&udp, "Delivered(network interface web)");
    let other = network.evaluate(&Flow::tcp("vm", 50_000, ip("10.0.0.9"), 451)).unwrap();
    assert_end(&other, "Delivered(network interface web)");
}

#[test]
fn nsg_3_the_default_rules() {
    let built = || on_nic(web(base()), "web", Vec::new());
    assert_end(&evaluate(built(), "vm", "10.0.0.9"), "Delivered(network interface web)");
    // Outside every known space: inbound denied, outbound to the Internet allowed, other private space denied.
    let mut dc = site("dc", &["203.0.113.0/24"], &[]);
    dc.advertisements = vec![advertise("c1", &["10.50.0.0/16"])];
    let unknown = er(built()).with(dc);
    assert_end(&evaluate(unknown, "dc", "10.0.0.9"), "Drop(NsgDeny, on-web inbound rule `DenyAllInBound`)");
    let open = evaluate(on_nic(base(), "vm", Vec::new()), "vm", "8.8.8.8");
    assert_end(&open, "Egress(Internet, default outbound access)");
}

#[test]
fn nsg_4_only_the_first_packets_direction_is_asked() {
    let deny = vec![rule("deny", 100, Direction::Inbound, Access::Deny)];
    assert_end(
        &evaluate(on_nic(web(base()), "vm", deny), "vm", "10.0.0.9"),
        "Delivered(network interface web)",
    );
}

#[test]
fn nsg_5_outbound_sees_the_private_source() {
    let deny = from_to(rule("deny", 100, Direction::Outbound, Access::Deny), "10.0.0.4", "Internet");
    let built = on_nic(with_public_ip(base()), "vm", vec![deny]);
    assert_end(&evaluate(built, "vm", "8.8.8.8"), "Drop(NsgDeny, on-vm outbound rule `deny`)");
    let public = from_to(rule("deny", 100, Direction::Outbound, Access::Deny), "203.0.113.1", "Internet");
    let built = on_nic(with_public_ip(base()), "vm", vec![public]);
    assert_end(&evaluate(built, "vm", "8.8.8.8"), "Egress(Internet, public IP)");
}

/// Whether this subnet's tag `VirtualNetwork` holds an address, by an outbound rule that denies it.
fn in_tag(builder: TopologyBuilder, address: &str) -> bool {
    let deny = from_to(rule("tag", 100, Direction::Outbound, Access::Deny), "*", "VirtualNetwork");
    let end = ends(&evaluate(on_nic(builder, "vm", vec![deny]), "vm", address));
    end[0].contains("rule `tag`")
}

#[test]
fn nsg_6_the_tag_virtual_network_is_what_the_subnet_knows() {
    assert!(in_tag(base(), "10.0.7.7") && !in_tag(base(), "10.1.0.4"));
    assert!(in_tag(spokes(base()), "10.1.0.4"));
    let closed =
        spokes(base()).configure(|d| d.virtual_networks[0].peerings[0].allow_virtual_network_access = false);
    assert!(!in_tag(closed, "10.1.0.4"), "PEER-4 takes the space out");
    assert!(in_tag(er(base()), "10.50.0.9") && !in_tag(er(base()), "10.51.0.9"));
    let refused = routes(er(base()), "rt", &[("203.0.113.0/24", "None")], &["v/subnets/s"])
        .configure(|d| d.route_tables[0].disable_bgp_route_propagation = true);
    assert!(!in_tag(refused, "10.50.0.9"), "without propagation the subnet does not know it");
}

#[test]
fn nsg_7_a_default_route_to_an_appliance_makes_everything_virtual_network() {
    assert!(!in_tag(base(), "8.8.8.8"));
    let built = routes(base(), "rt", &[("0.0.0.0/0", NVA)], &["v/subnets/s"]);
    assert!(in_tag(built.clone(), "8.8.8.8"));
    // And the tag Internet is empty.
    let deny = from_to(rule("deny", 100, Direction::Outbound, Access::Deny), "*", "Internet");
    assert!(!ends(&evaluate(on_nic(built, "vm", vec![deny]), "vm", "8.8.8.8"))[0].contains("`deny`"));
}

#[test]
fn nsg_8_routes_to_internet_or_none_do_not_enter_the_tag() {
    for (hop, expected) in
        [("Internet", false), ("None", false), (NVA, true), ("VirtualNetworkGateway", true)]
    {
        let built = routes(base(), "rt", &[("203.0.113.0/24", hop)], &["v/subnets/s"]);
        assert_eq!(in_tag(built, "203.0.113.9"), expected, "{hop}");
    }
    let tunnelled = er(base()).with(site("dc", &["0.0.0.0/0"], &["c1"]));
    assert!(in_tag(tunnelled, "8.8.8.8"), "a gateway's default route does");
}

#[test]
fn nsg_9_the_tag_internet_is_the_rest_services_too() {
    let deny = || from_to(rule("deny", 100, Direction::Outbound, Access::Deny), "*", "Internet");
    let tag = ServiceTag { name: "Storage".into(), address_prefixes: nets(&["198.51.100.0/24"]) };
    let built = || on_nic(spokes(base().with(tag.clone())), "vm", vec![deny()]);
    assert_end(&evaluate(built(), "vm", "198.51.100.7"), "Drop(NsgDeny, on-vm outbound rule `deny`)");
    assert_end(&evaluate(built(), "vm", "10.1.0.4"), "Delivered(network interface pvm)");
    // The service's own tag.
    let storage = from_to(rule("st", 100, Direction::Outbound, Access::Deny), "*", "storage");
    let built = on_nic(base().with(tag), "vm", vec![storage]);
    assert_end(&evaluate(built.clone(), "vm", "198.51.100.7"), "Drop(NsgDeny, on-vm outbound rule `st`)");
    assert_end(&evaluate(built, "vm", "198.51.101.7"), "Egress(Internet, default outbound access)");
}

#[test]
fn nsg_10_a_service_tag_route_pulls_its_prefixes_into_virtual_network() {
    let tag = ServiceTag { name: "Storage".into(), address_prefixes: nets(&["198.51.100.0/24"]) };
    let built = routes(base().with(tag), "rt", &[("Storage", NVA)], &["v/subnets/s"]);
    assert!(in_tag(built.clone(), "198.51.100.7"));
    // The default rules let it pass (65000 instead of 65001).
    assert!(!ends(&evaluate(on_nic(built, "vm", Vec::new()), "vm", "198.51.100.7"))[0].contains("NsgDeny"));
}

#[test]
fn nsg_11_the_load_balancer_tag_is_the_probe_never_data() {
    let allow = from_to(rule("lb", 100, Direction::Inbound, Access::Allow), "AzureLoadBalancer", "*");
    let deny = rule("deny", 200, Direction::Inbound, Access::Deny);
    let built = on_nic(balanced(), "fw", vec![allow.clone(), deny.clone()]);
    let built = on_nic(built, "fw2", vec![allow, deny]);
    let answer = evaluate(built, "vm", "10.0.100.100");
    assert!(ends(&answer)[0].contains("rule `deny`"), "{answer}");
}

#[test]
fn nsg_12_out_of_the_spoke_and_denied_into_the_appliance() {
    let built = routes(spokes(base()), "rt", &[("0.0.0.0/0", NVA)], &["p/subnets/s"]);
    let built = on_subnet(on_subnet(built, "p/subnets/s", Vec::new()), "v/subnets/nva", Vec::new());
    let answer = evaluate(built.clone(), "pvm", "8.8.8.8");
    assert_end(&answer, "Drop(NsgDeny, on-v-subnets-nva inbound rule `DenyAllInBound`)");
    let allow = rule("allow", 100, Direction::Inbound, Access::Allow);
    let answer = evaluate(on_subnet(built, "v/subnets/nva", vec![allow]), "pvm", "8.8.8.8");
    assert_end(&answer, "Drop(PrivateSourceToInternet)");
}

#[test]
fn nsg_13_host_addresses_bypass_security_groups() {
    let deny = vec![rule("deny", 100, Direction::Outbound, Access::Deny)];
    for host in ["168.63.129.16", "169.254.169.254"] {
        let answer = evaluate(on_nic(base(), "vm", deny.clone()), "vm", host);
        assert_end(&answer, "PlatformHost");
        assert_eq!(*answer.next_hop(), NextHop::PlatformHost);
    }
}

#[test]
fn nsg_15_none_on_the_gateway_subnet_and_on_endpoints_only_with_policies() {
    let deny = || {
        vec![
            rule("in", 100, Direction::Inbound, Access::Deny),
            rule("out", 101, Direction::Outbound, Access::Deny),
        ]
    };
    let built = on_subnet(er(base()), "v/subnets/GatewaySubnet", deny());
    assert_end(&evaluate(built, "dc", "10.0.0.4"), "Delivered(network interface vm)");
    let endpoint = |policy| {
        let pe = PrivateEndpoint {
            id: "pe".into(),
            subnet: "v/subnets/pe".into(),
            private_ip_addresses: vec![ip("10.0.3.4")],
            ..PrivateEndpoint::default()
        };
        let built = base().subnet("v", "pe", "10.0.3.0/24").with(pe);
        let built = built.configure_subnet("v/subnets/pe", |s| s.private_endpoint_network_policies = policy);
        ends(&evaluate(on_subnet(built, "v/subnets/pe", deny()), "vm", "10.0.3.4"))
    };
    assert_eq!(endpoint(PrivateEndpointNetworkPolicies::Disabled), ["PrivateEndpoint(pe)"]);
    assert_eq!(endpoint(PrivateEndpointNetworkPolicies::RouteTableEnabled), ["PrivateEndpoint(pe)"]);
    let denied = ["Drop(NsgDeny, on-v-subnets-pe inbound rule `in`)"];
    assert_eq!(endpoint(PrivateEndpointNetworkPolicies::NetworkSecurityGroupEnabled), denied);
    assert_eq!(endpoint(PrivateEndpointNetworkPolicies::Enabled), denied);
}
