//! Lints over security groups: what keeps packets from the Internet, and two traps of the tag `VirtualNetwork`.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::routes::defaults;
use super::{FindingCode, Lint, Severity, is_gateway_subnet};
use crate::model::{
    AddressPrefix, Entity, NetworkSecurityGroup, ResourceId, SecurityRule, SecurityRuleAccess,
    SecurityRuleDirection, SecurityRuleProtocol,
};
use crate::resolve::nic_subnet;
use crate::rule::Rule;
use crate::selection::{CandidateState, LocalKind};

/// Whether a list of addresses holds every one of a family, or the tag `Internet`.
fn is_everything(list: &[String], default: &IpNet) -> bool {
    list.iter().any(|word| {
        word == "*"
            || word.eq_ignore_ascii_case("any")
            || word.eq_ignore_ascii_case("Internet")
            || crate::model::parse_prefix(word) == Some(*default)
    })
}

/// Sources of a subnet's own packets.
fn is_own(list: &[String], default: &IpNet) -> bool {
    is_everything(list, default) || list.iter().any(|word| word.eq_ignore_ascii_case("VirtualNetwork"))
}

fn every_port(list: &[String]) -> bool {
    list.iter()
        .any(|word| matches!(word.trim(), "*" | "0-65535" | "1-65535") || word.eq_ignore_ascii_case("any"))
}

/// Whether a rule decides on everything that goes out to the Internet.
fn decides_on_internet(rule: &SecurityRule, default: &IpNet) -> bool {
    rule.direction == SecurityRuleDirection::Outbound
        && rule.protocol == SecurityRuleProtocol::Any
        && is_own(&rule.source_address_prefixes, default)
        && is_everything(&rule.destination_address_prefixes, default)
        && every_port(&rule.source_port_ranges)
        && every_port(&rule.destination_port_ranges)
}

/// Whether the first rule that decides on the Internet as a whole denies it. Exceptions for some ports or sources before
/// it are taken as meant.
fn denies_internet(group: &NetworkSecurityGroup, default: &IpNet) -> bool {
    let deciding = group.security_rules.iter().filter(|rule| decides_on_internet(rule, default));
    deciding.min_by_key(|rule| rule.priority).is_some_and(|rule| rule.access == SecurityRuleAccess::Deny)
}

impl<'n> Lint<'n> {
    fn group(&self, id: &ResourceId) -> Option<&'n NetworkSecurityGroup> {
        match self.topology.entity(id) {
            Some(Entity::SecurityGroup(g)) => self.document.network_security_groups.get(g),
            _ => None,
        }
    }

    /// Whether packets of a subnet stay off the Internet when nothing but the system default is left: a security group
    /// denies it (FT-9), or there is no outbound method (OUT-4). What is not known counts as kept.
    pub(super) fn keeps_from_internet(&self, v: usize, s: usize, default: &IpNet) -> bool {
        let subnet = &self.document.virtual_networks[v].subnets[s];
        let denied = |id: &ResourceId| self.group(id).is_none_or(|group| denies_internet(group, default));
        if subnet.network_security_group.as_ref().is_some_and(denied) {
            return true;
        }
        let interfaces = &self.document.network_interfaces;
        let nics = self.nics.get(&(v, s)).map_or(&[][..], Vec::as_slice);
        let each_denied =
            nics.iter().all(|n| interfaces[*n].network_security_group.as_ref().is_some_and(denied));
        if !nics.is_empty() && each_denied {
            return true;
        }
        subnet.default_outbound_access == Some(false)
            && subnet.nat_gateway.is_none()
            && nics.iter().all(|n| {
                !self.hosts.outbound.contains_key(n)
                    && interfaces[*n].ip_configurations.iter().all(|c| c.public_ip_address.is_none())
            })
    }

    /// NSG-10: rules on the tag `Internet` beside routes for service tags.
    pub(super) fn security(&mut self) {
        for (v, s, subnet) in self.subnets() {
            let Some(bound) = self.bound(self.selection.of_subnet[v][s]) else { continue };
            let Some(group) = subnet.network_security_group.as_ref().and_then(|id| self.group(id)) else {
                continue;
            };
            let led_away = bound.declared.routes.iter().find(|route| {
                matches!(&route.address_prefix, AddressPrefix::ServiceTag(tag)
                    if self.topology.service_tag(tag).is_some())
                    && (route.next_hop_type.is_appliance()
                        || route.next_hop_type == crate::model::RouteNextHopType::VirtualNetworkGateway)
            });
            let on_internet = group.security_rules.iter().find(|rule| {
                rule.direction == SecurityRuleDirection::Outbound
                    && rule.destination_address_prefixes.iter().any(|w| w.eq_ignore_ascii_case("Internet"))
            });
            if let (Some(route), Some(rule)) = (led_away, on_internet)
                && !is_gateway_subnet(subnet)
            {
                let message = format!(
                    "rule `{}` does not see the prefixes of {}: route `{}` of `{}` moves them from the tag \
                     `Internet` to `VirtualNetwork`",
                    rule.name,
                    route.address_prefix,
                    route.name,
                    bound.declared.id.name()
                );
                let code = FindingCode::ServiceTagLeavesInternet;
                self.add_in(v, code, Severity::Info, &group.id, Rule::NSG_10, message);
            }
        }
    }

    /// NSG-12: an appliance that takes default routes, whose own subnet does not count the destinations as
    /// `VirtualNetwork`, and whose security group has only the default rules for them.
    pub(super) fn appliance_gates(&mut self, entered: &BTreeSet<usize>) {
        for n in entered {
            let interface = &self.document.network_interfaces[*n];
            let Some((v, s)) = nic_subnet(self.topology, *n) else { continue };
            let table = &self.selection.tables[self.selection.of_subnet[v][s]];
            let declared = table.route_table.map(|t| &self.document.route_tables[t]);
            let tunnelled = defaults().take(1).any(|default| {
                let user = table.by_prefix.get(&default).into_iter().flatten().find_map(|i| {
                    let local = &table.locals[*i];
                    let user = matches!(local.kind, LocalKind::User { .. });
                    (user && local.state == CandidateState::Active)
                        .then(|| local.kind.next_hop_type(declared))
                });
                match user {
                    Some(hop) => matches!(
                        hop,
                        crate::model::EffectiveNextHopType::VirtualAppliance
                            | crate::model::EffectiveNextHopType::VirtualNetworkGateway
                    ),
                    None => table.subscription.is_some_and(|subscription| {
                        table.gateway_eligible(&self.selection.gateways[subscription.domain], &default)
                    }),
                }
            });
            if tunnelled {
                continue;
            }
            let subnet = &self.document.virtual_networks[v].subnets[s];
            let groups = [&subnet.network_security_group, &interface.network_security_group];
            for id in groups.into_iter().flatten() {
                let Some(group) = self.group(id) else { continue };
                let lets_in = group.security_rules.iter().any(|rule| {
                    let everywhere = |default| is_everything(&rule.destination_address_prefixes, &default);
                    rule.direction == SecurityRuleDirection::Inbound
                        && rule.access == SecurityRuleAccess::Allow
                        && defaults().any(everywhere)
                });
                if !lets_in {
                    let message = format!(
                        "default routes lead to `{}`, but no rule lets packets for the Internet in: \
                         `DenyAllInBound` drops them",
                        interface.id.name()
                    );
                    let code = FindingCode::ApplianceGateDenies;
                    self.add(code, Severity::Warning, &group.id, Rule::NSG_12, message);
                }
            }
        }
    }
}
