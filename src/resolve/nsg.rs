//! Security groups: whether a flow may enter or leave an interface (section 21 of the rules).

use std::net::{IpAddr, Ipv4Addr};

use super::answer::{DropReason, Header};
use super::question::FlowKey;
use super::walk::World;
use crate::model::is_private_address;
use crate::model::{
    EffectiveNextHopType, Entity, NetworkSecurityGroup, ResourceId, SecurityRule, SecurityRuleAccess,
    SecurityRuleDirection, parse_prefix,
};
use crate::selection::{CandidateState, LocalKind};

const PROBE: IpAddr = IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16));

/// Why the security groups of an interface deny a flow, if they do. Inbound the subnet's group is asked first, outbound
/// the interface's; both must allow, and no group allows (NSG-1). Gateway and Route Server subnets have none (NSG-15).
pub(crate) fn denied(
    world: &World<'_>,
    nic: Option<usize>,
    vnet: usize,
    subnet: usize,
    direction: SecurityRuleDirection,
    header: Header,
    flow: FlowKey,
) -> Option<DropReason> {
    let document = world.topology.document();
    let declared = &document.virtual_networks[vnet].subnets[subnet];
    if ["GatewaySubnet", "RouteServerSubnet", "AzureFirewallSubnet"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(&declared.name))
    {
        return None;
    }
    let group = |id: &Option<ResourceId>| match id.as_ref().and_then(|id| world.topology.entity(id)) {
        Some(Entity::SecurityGroup(g)) => document.network_security_groups.get(g),
        _ => None,
    };
    let on_subnet = group(&declared.network_security_group);
    let on_nic = nic.and_then(|n| group(&document.network_interfaces[n].network_security_group));
    let order = match direction {
        SecurityRuleDirection::Inbound => [on_subnet, on_nic],
        SecurityRuleDirection::Outbound => [on_nic, on_subnet],
    };
    let table = world.selection.of_subnet[vnet][subnet];
    let matcher = Matcher { world, table, header, flow };
    order.into_iter().flatten().find_map(|group| matcher.denied_by(group, direction))
}

struct Matcher<'w, 'n> {
    world: &'w World<'n>,
    table: usize,
    header: Header,
    flow: FlowKey,
}

impl Matcher<'_, '_> {
    /// Rules in the order of priority, then the defaults (NSG-2, NSG-3).
    fn denied_by(
        &self,
        group: &NetworkSecurityGroup,
        direction: SecurityRuleDirection,
    ) -> Option<DropReason> {
        let mut rules: Vec<&SecurityRule> =
            group.security_rules.iter().filter(|rule| rule.direction == direction).collect();
        rules.sort_by_key(|rule| rule.priority);
        let deny = |rule: &str| {
            Some(DropReason::NsgDeny { group: group.id.clone(), rule: rule.to_owned(), direction })
        };
        if let Some(rule) = rules.into_iter().find(|rule| self.matches(rule)) {
            return match rule.access {
                SecurityRuleAccess::Allow => None,
                SecurityRuleAccess::Deny => deny(&rule.name),
            };
        }
        let (source, destination) = (self.header.source, self.header.destination);
        if self.in_virtual_network(source) && self.in_virtual_network(destination) {
            return None;
        }
        match direction {
            SecurityRuleDirection::Inbound if source == PROBE => None,
            SecurityRuleDirection::Inbound => deny("DenyAllInBound"),
            SecurityRuleDirection::Outbound if self.in_internet(destination) => None,
            SecurityRuleDirection::Outbound => deny("DenyAllOutBound"),
        }
    }

    fn matches(&self, rule: &SecurityRule) -> bool {
        let addresses = |list: &[String], ip: IpAddr| list.iter().any(|word| self.address(word, ip));
        let ports = |list: &[String], port: u16| list.iter().any(|word| port_matches(word, port));
        self.flow.protocol.matches(rule.protocol)
            && addresses(&rule.source_address_prefixes, self.header.source)
            && addresses(&rule.destination_address_prefixes, self.header.destination)
            && ports(&rule.source_port_ranges, self.flow.source_port)
            && ports(&rule.destination_port_ranges, self.flow.destination_port)
    }

    /// A CIDR, an address, `*`, or a tag. An unknown tag matches nothing.
    fn address(&self, word: &str, ip: IpAddr) -> bool {
        if matches!(word, "*" | "0.0.0.0/0" | "::/0") || word.eq_ignore_ascii_case("any") {
            return word == "*" || word.eq_ignore_ascii_case("any") || (word == "::/0") == ip.is_ipv6();
        }
        if let Some(prefix) = parse_prefix(word) {
            return prefix.contains(&ip);
        }
        match word.to_ascii_lowercase().as_str() {
            "virtualnetwork" => self.in_virtual_network(ip),
            "internet" => self.in_internet(ip),
            "azureloadbalancer" => ip == PROBE,
            _ => {
                let tag = self.world.topology.service_tag(word);
                tag.is_some_and(|tag| tag.address_prefixes.iter().any(|p| p.contains(&ip)))
            }
        }
    }

    /// The tag `Internet`: outside `VirtualNetwork` and publicly reachable. NSG-9 names only the first half; the vendor's
    /// flow-verify page prints that private ranges are not in it (published case `ms-ip-flow-verify-defaults`).
    fn in_internet(&self, ip: IpAddr) -> bool {
        !self.in_virtual_network(ip) && !is_private_address(ip)
    }

    /// The tag `VirtualNetwork` as this subnet sees it (NSG-6 to NSG-8): own space, peers that may be accessed, what
    /// gateways know, the host, and the prefixes of user routes to appliances and gateways.
    fn in_virtual_network(&self, ip: IpAddr) -> bool {
        if ip == PROBE {
            return true;
        }
        let document = self.world.topology.document();
        let table = &self.world.selection.tables[self.table];
        let declared = table.route_table.map(|t| &document.route_tables[t]);
        let vnet = &document.virtual_networks[table.vnet];
        let host = ipnet::IpNet::from(ip);
        let local = table.by_prefix.covering(&host).into_iter().flat_map(|(_, here)| here).any(|i| {
            match &table.locals[*i].kind {
                LocalKind::VnetLocal | LocalKind::ConnectedGroup { .. } | LocalKind::Hub { .. } => true,
                LocalKind::Peering { half, .. } => vnet.peerings[*half].allow_virtual_network_access,
                kind @ LocalKind::User { .. } => matches!(
                    kind.next_hop_type(declared),
                    EffectiveNextHopType::VirtualAppliance | EffectiveNextHopType::VirtualNetworkGateway
                ),
                LocalKind::PrivateEndpoint { .. } => table.locals[*i].state == CandidateState::Active,
                LocalKind::Internet | LocalKind::None => false,
            }
        });
        local
            || table.subscription.is_some_and(|s| {
                let known = self.world.selection.gateways[s.domain].by_prefix.covering(&host);
                known.into_iter().any(|(prefix, _)| table.gateway_refusal(&prefix).is_none())
            })
    }
}

fn port_matches(word: &str, port: u16) -> bool {
    port_range(word).is_some_and(|(low, high)| (low..=high).contains(&port))
}

/// `*`, one port, or a range, as its first and last port; `None` for what matches nothing.
pub(crate) fn port_range(word: &str) -> Option<(u16, u16)> {
    let word = word.trim();
    if word == "*" || word.eq_ignore_ascii_case("any") {
        return Some((0, u16::MAX));
    }
    let (low, high) = word.split_once('-').unwrap_or((word, word));
    Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::port_matches;

    #[test]
    fn ports_match_as_azure_writes_them() {
        for (word, port, expected) in [
            ("*", 1, true),
            ("80", 80, true),
            ("80", 81, false),
            ("8000-8999", 8500, true),
            ("x", 0, false),
            ("9-", 9, false),
        ] {
            assert_eq!(port_matches(word, port), expected, "{word} {port}");
        }
    }
}
