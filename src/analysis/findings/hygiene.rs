//! Names that lead nowhere, and features before their time.

use std::collections::BTreeSet;

use super::{FindingCode, Lint, Severity, is_gateway_subnet};
use crate::model::{AddressPrefix, PrivateEndpointNetworkPolicies, ResourceId, RouteNextHopType};
use crate::rule::Rule;

/// Tags that security rules know without a list of prefixes.
const PLATFORM_TAGS: [&str; 6] = [
    "VirtualNetwork",
    "Internet",
    "AzureLoadBalancer",
    "AzurePlatformDNS",
    "AzurePlatformIMDS",
    "AzurePlatformLKM",
];

impl Lint<'_> {
    pub(super) fn hygiene(&mut self) {
        self.service_tags();
        self.before_their_time();
    }

    /// A tag without prefixes matches nothing: no route (UDR-10), no service-endpoint row (SE-1), no rule.
    fn service_tags(&mut self) {
        let code = FindingCode::UnknownServiceTag;
        for table in &self.document.route_tables {
            for route in &table.routes {
                if let AddressPrefix::ServiceTag(tag) = &route.address_prefix
                    && self.topology.service_tag(tag).is_none()
                {
                    let message = format!("the service tag `{tag}` is not known: the route is left out");
                    let id = table.id.child("routes", &route.name);
                    self.add(code, Severity::Warning, id, Rule::UDR_10, message);
                }
            }
        }
        let mut unknown: BTreeSet<(&ResourceId, &str)> = BTreeSet::new();
        for group in &self.document.network_security_groups {
            for rule in &group.security_rules {
                for word in rule.source_address_prefixes.iter().chain(&rule.destination_address_prefixes) {
                    let known = word == "*"
                        || word.eq_ignore_ascii_case("any")
                        || crate::model::parse_prefix(word).is_some()
                        || is_range(word)
                        || PLATFORM_TAGS.iter().any(|tag| tag.eq_ignore_ascii_case(word))
                        || self.topology.service_tag(word).is_some();
                    if !known {
                        unknown.insert((&group.id, word));
                    }
                }
            }
        }
        for (group, tag) in unknown {
            let message = format!("the service tag `{tag}` is not known: rules do not match it");
            self.add(code, Severity::Info, group, None, message);
        }
        let mut unknown: BTreeSet<(&ResourceId, &str)> = BTreeSet::new();
        for vnet in &self.document.virtual_networks {
            for endpoint in vnet.subnets.iter().flat_map(|subnet| &subnet.service_endpoints) {
                let word = endpoint.service.rsplit('.').next().unwrap_or(&endpoint.service);
                let regional = endpoint.locations.iter().any(|region| {
                    let region = region.replace(' ', "");
                    self.topology.service_tag(&format!("{word}.{region}")).is_some()
                });
                if endpoint.prefixes.is_empty() && !regional && self.topology.service_tag(word).is_none() {
                    unknown.insert((&vnet.id, &endpoint.service));
                }
            }
        }
        for (vnet, service) in unknown {
            let message = format!(
                "the prefixes of the service endpoint `{service}` are not known: its routes are left out"
            );
            self.add(code, Severity::Info, vnet, Rule::SE_1, message);
        }
    }

    /// Section 30 of the rules, where the scenario has a day.
    fn before_their_time(&mut self) {
        if self.topology.era().0.is_none() {
            return;
        }
        let code = FindingCode::NotYetAvailable;
        let mut early: Vec<(ResourceId, Rule, &str)> = Vec::new();
        let (tags, current) = (self.since(2021, 3, 1), self.since(2025, 7, 1));
        for table in &self.document.route_tables {
            for route in &table.routes {
                let id = || table.id.child("routes", &route.name);
                if !tags && matches!(route.address_prefix, AddressPrefix::ServiceTag(_)) {
                    early.push((id(), Rule::UDR_10, "service tags in routes came in 2021-03"));
                }
                if !current && route.next_hop_type == RouteNextHopType::VirtualApplianceEcmp {
                    early.push((id(), Rule::UDR_17, "several next hops came with the API of 2025-07-01"));
                }
            }
            if !current && table.disable_peering_route {
                let what = "`disablePeeringRoute` came with the API of 2025-07-01";
                early.push((table.id.clone(), Rule::PEER_13, what));
            }
        }
        let gateway_tables = self.topology.era().gateway_subnet_route_tables();
        let policies = self.topology.era().private_endpoint_policies();
        for (v, s, subnet) in self.subnets() {
            if !gateway_tables && is_gateway_subnet(subnet) && subnet.route_table.is_some() {
                let what = "route tables work on `GatewaySubnet` since 2016-07 only: this one has no effect";
                early.push((self.subnet_id(v, s), Rule::UDR_12, what));
            }
            if !policies
                && subnet.private_endpoint_network_policies != PrivateEndpointNetworkPolicies::Disabled
            {
                let what = "network policies for private endpoints came in 2022-09: they have no effect";
                early.push((self.subnet_id(v, s), Rule::PE_8, what));
            }
        }
        if !self.since(2019, 1, 1) {
            for circuit in self.document.express_route_circuits.iter().filter(|c| !c.global_reach.is_empty())
            {
                early.push((circuit.id.clone(), Rule::ER_15, "Global Reach came about 2019"));
            }
        }
        for (id, rule, what) in early {
            self.add(code, Severity::Warning, id, rule, what);
        }
    }
}

/// `10.0.0.1-10.0.0.9`, which old exports have.
fn is_range(word: &str) -> bool {
    word.split_once('-').is_some_and(|(low, high)| {
        low.trim().parse::<std::net::IpAddr>().is_ok() && high.trim().parse::<std::net::IpAddr>().is_ok()
    })
}
