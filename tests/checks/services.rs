//! Checks with security groups, against each flow evaluated by itself.

use azroute::Network;
use azroute::checks::{CheckError, Destinations, Ports, Service, check};
use azroute::model::{
    Document, NetworkSecurityGroup, ResourceId, SecurityRule, SecurityRuleAccess, SecurityRuleDirection,
    Topology,
};
use azroute::resolve::{Flow, Protocol, Source};
use azroute::testing::strategies;
use proptest::prelude::*;

fn rule() -> impl Strategy<Value = SecurityRule> {
    const WORDS: &[&str] =
        &["*", "VirtualNetwork", "Internet", "AzureLoadBalancer", "10.1.0.0/17", "10.2.0.0/24", "8.8.8.0/24"];
    const PORTS: &[&str] = &["*", "443", "0-79", "80-90", "8000-65535"];
    let place = || prop::sample::select(WORDS).prop_map(str::to_owned);
    let port = prop::sample::select(PORTS).prop_map(str::to_owned);
    (100_u16..200, place(), place(), port, any::<bool>(), any::<bool>()).prop_map(
        |(priority, from, to, port, out, deny)| {
            let direction =
                if out { SecurityRuleDirection::Outbound } else { SecurityRuleDirection::Inbound };
            let access = if deny { SecurityRuleAccess::Deny } else { SecurityRuleAccess::Allow };
            let mut rule = SecurityRule::new(format!("rule-{priority}"), priority, direction, access);
            rule.source_address_prefixes = vec![from];
            rule.destination_address_prefixes = vec![to];
            rule.destination_port_ranges = vec![port];
            rule
        },
    )
}

/// A design with a security group at every second subnet.
fn guarded() -> impl Strategy<Value = Document> {
    let designs =
        prop_oneof![strategies::hub_and_spoke(), strategies::coexistence(), strategies::multi_region()];
    (designs, prop::collection::vec(rule(), 1..5), 0_usize..2).prop_map(|(mut document, mut rules, odd)| {
        rules.sort_by_key(|rule| rule.priority);
        rules.dedup_by_key(|rule| rule.priority);
        let group = NetworkSecurityGroup { id: "guard".into(), security_rules: rules };
        document.network_security_groups.push(group);
        let subnets = document.virtual_networks.iter_mut().flat_map(|network| &mut network.subnets);
        for subnet in subnets.skip(odd).step_by(2).filter(|subnet| !subnet.name.ends_with("Subnet")) {
            subnet.network_security_group = Some("guard".into());
        }
        document
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn a_flow_that_is_denied_is_in_the_report(document in guarded(), asked in 0_u16..9000, pick in 0_usize..1000) {
        let Ok(topology) = Topology::new(document.clone()) else { return Ok(()) };
        let Ok(network) = Network::build(&topology) else { return Ok(()) };
        let all: Vec<_> = network.positions().subnets().collect();
        if all.is_empty() {
            return Ok(());
        }
        let sources: Vec<_> = all.iter().copied().skip(pick % all.len()).take(2).collect();
        let ports = Ports::from(asked..=asked + 20).or([22, 79, 80, 90, 91, 443, 7999, 8000, 65535]);
        let flows = check(&network).flows(sources.clone(), Destinations::everything());
        let report = flows.service(Service::new(Protocol::Tcp, ports.clone())).reach().report().unwrap();
        let mut probes = strategies::probe_addresses(&document);
        probes.extend(["10.1.127.255", "10.1.128.0", "8.8.8.0", "8.8.7.255", "10.2.0.255"].map(|a| a.parse::<std::net::IpAddr>().unwrap()));
        for source in sources {
            let name: &ResourceId = network.position_id(source).unwrap();
            for destination in probes.iter().copied().skip(pick % 7).step_by(7) {
                for port in [asked, asked + 20, 79, 80, 90, 91, 443, 7999, 8000, 65535] {
                    let flow = Flow::tcp(Source::Known(source), 49_152, destination, port);
                    let Ok(answer) = network.evaluate(&flow) else { continue };
                    let told = report.failures.iter().filter(|failure| {
                        failure.sources.contains(name)
                            && failure.destinations.contains(destination)
                            && failure.ports.as_ref().unwrap().contains(port)
                    });
                    let told: Vec<_> = told.collect();
                    prop_assert!(told.len() <= 1, "{name} to {destination}:{port}: {} times", told.len());
                    let denied = !answer.disposition().is_success();
                    let by_all = network.walk(Source::Known(source), destination, azroute::resolve::Leg::Initiate).unwrap();
                    // Of several paths the report may tell of another one than the flow takes.
                    if denied || by_all.paths().take(2).count() < 2 {
                        prop_assert_eq!(told.len() == 1, denied, "{} to {}:{}\n{}", name, destination, port, answer);
                    }
                }
            }
        }
    }
}

#[test]
fn ports_are_cut_where_rules_begin_and_end() {
    let text = r#"{
        "schema_version": 1,
        "virtual_networks": [{"id": "v", "address_space": ["10.0.0.0/16"], "subnets": [
            {"name": "a", "address_prefixes": ["10.0.0.0/24"]},
            {"name": "b", "address_prefixes": ["10.0.1.0/24"], "network_security_group": "g"}]}],
        "network_security_groups": [{"id": "g", "security_rules": [
            {"name": "web", "priority": 100, "direction": "Inbound", "access": "Allow", "protocol": "Tcp",
             "destination_port_ranges": ["80", "8000-8099"]},
            {"name": "rest", "priority": 200, "direction": "Inbound", "access": "Deny", "protocol": "Tcp"}]}]
    }"#;
    let net = Network::build(&Topology::new(serde_json::from_str(text).unwrap()).unwrap()).unwrap();
    let a_to_b =
        || check(&net).flows(net.positions().named(["v/subnets/a"]), Destinations::position("v/subnets/b"));
    assert!(a_to_b().tcp(Ports::from(80).or(8000..=8099)).reach().report().unwrap().holds());
    let report = a_to_b().tcp(Ports::all()).reach().report().unwrap();
    assert_eq!(report.failures.len(), 1);
    let ports = report.failures[0].ports.clone().unwrap();
    assert_eq!(ports.to_string(), "0-79, 81-7999, 8100-65535");
    assert!(report.failures[0].to_string().contains("10.0.1.0/24 at ports 0-79"), "{}", report.failures[0]);
    // UDP is none of the rules' business.
    assert!(a_to_b().udp(Ports::all()).reach().report().unwrap().holds());
    let none = a_to_b().tcp(Ports::default()).reach().report();
    assert_eq!(none, Err(CheckError::NoPorts));
}
