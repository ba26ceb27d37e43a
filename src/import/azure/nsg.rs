//! Network security groups.

use super::super::WarningKind;
use super::super::read::Body;
use crate::model::{
    NetworkSecurityGroup, SecurityRule, SecurityRuleAccess, SecurityRuleDirection, SecurityRuleProtocol,
};

pub(super) fn network_security_group(body: &Body<'_>) -> NetworkSecurityGroup {
    let rules = body.context.children(body.id, "networksecuritygroups/securityrules");
    NetworkSecurityGroup { id: body.id.clone(), security_rules: rules.iter().filter_map(rule).collect() }
}

fn rule(body: &Body<'_>) -> Option<SecurityRule> {
    let access =
        body.word("access", &[("Allow", SecurityRuleAccess::Allow), ("Deny", SecurityRuleAccess::Deny)]);
    let direction = body.word(
        "direction",
        &[("Inbound", SecurityRuleDirection::Inbound), ("Outbound", SecurityRuleDirection::Outbound)],
    );
    let priority = body.number::<u16>("priority");
    let (Some(access), Some(direction), Some(priority)) = (access, direction, priority) else {
        let reason = "a rule without access, direction or priority was left out";
        body.warn(WarningKind::Missing, "", reason);
        return None;
    };
    let protocol = body.word(
        "protocol",
        &[
            ("*", SecurityRuleProtocol::Any),
            ("Any", SecurityRuleProtocol::Any),
            ("All", SecurityRuleProtocol::Any),
            ("Tcp", SecurityRuleProtocol::Tcp),
            ("Udp", SecurityRuleProtocol::Udp),
            ("Icmp", SecurityRuleProtocol::Icmp),
            ("Esp", SecurityRuleProtocol::Esp),
            ("Ah", SecurityRuleProtocol::Ah),
        ],
    );
    // One value and a list of values are different members, and either may be the one that is set.
    let values = |one: &str, many: &str, groups: Option<&str>| {
        let mut values = body.texts(many);
        values.extend(body.texts(one));
        // One member may hold several, as PowerShell prints them.
        let mut values: Vec<String> = values
            .iter()
            .flat_map(|v| v.split(','))
            .map(|v| v.trim().to_owned())
            .filter(|v| !v.is_empty())
            .collect();
        values.dedup();
        let grouped = groups.is_some_and(|field| {
            let grouped = body.has(field);
            if grouped {
                let reason =
                    "application security groups are not modelled: the rule matches no address by them";
                body.warn(WarningKind::NotModelled, field, reason);
            }
            grouped
        });
        if values.is_empty() && !grouped {
            values.push("*".to_owned());
        }
        values
    };
    Some(SecurityRule {
        protocol: protocol.unwrap_or_default(),
        source_address_prefixes: values(
            "sourceAddressPrefix",
            "sourceAddressPrefixes",
            Some("sourceApplicationSecurityGroups"),
        ),
        source_port_ranges: values("sourcePortRange", "sourcePortRanges", None),
        destination_address_prefixes: values(
            "destinationAddressPrefix",
            "destinationAddressPrefixes",
            Some("destinationApplicationSecurityGroups"),
        ),
        destination_port_ranges: values("destinationPortRange", "destinationPortRanges", None),
        ..SecurityRule::new(body.name, priority, direction, access)
    })
}
