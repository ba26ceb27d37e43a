//! Traffic with on-premises that passes a stateful appliance in one direction only (WALK-10, WALK-11, ER-23).

use std::collections::{BTreeSet, HashMap};

use ipnet::IpNet;

use super::routes::{Bound, Device};
use super::{FindingCode, Lint, SCAN, Severity, is_gateway_subnet, is_named};
use crate::control_plane::Via;
use crate::model::UserDefinedRoute;
use crate::prefix_table::PrefixTable;
use crate::resolve::nic_subnet;
use crate::rule::Rule;
use crate::selection::SubnetTable;

/// How a table sends to on-premises.
#[derive(Clone, Copy)]
enum Egress<'n> {
    /// Nothing on-premises is known, or nothing leads there.
    Nowhere,
    Direct,
    /// Some of it through an appliance.
    Appliance(&'n UserDefinedRoute),
}

impl<'n> Lint<'n> {
    pub(super) fn symmetry(&mut self) {
        let spaces: PrefixTable<()> = self
            .document
            .virtual_networks
            .iter()
            .flat_map(|vnet| vnet.address_space.iter().map(|prefix| (*prefix, ())))
            .collect();
        let mut specific: HashMap<usize, bool> = HashMap::new();
        let mut egress: HashMap<usize, Egress<'n>> = HashMap::new();
        let homes = self.homes();
        for (v, s, subnet) in self.subnets() {
            if is_gateway_subnet(subnet) || is_named(subnet, "RouteServerSubnet") {
                continue;
            }
            let Some((hub, domain)) = self.gateway_network(v) else { continue };
            let at = self.selection.of_subnet[v][s];
            let inward = self.bound(self.selection.of_gateway[hub]);
            if self.bound(at).is_none() && inward.is_none() {
                continue;
            }
            let specific = *specific.entry(domain).or_insert_with(|| self.specific(domain));
            let outward = *egress.entry(at).or_insert_with(|| self.egress(at, domain, specific, &spaces));
            let steered = inward.and_then(|bound| {
                let prefix = subnet.address_prefixes.first()?;
                let (_, route) = bound.user_route(prefix)?;
                route.next_hop_type.is_appliance().then_some((bound, route))
            });
            self.compare(v, s, hub, outward, steered, &homes);
        }
    }

    /// Subnets that hold an interface that forwards, or a firewall.
    fn homes(&self) -> BTreeSet<(usize, usize, Device)> {
        let document = self.document;
        let forwarding = (0..document.network_interfaces.len())
            .filter(|n| document.network_interfaces[*n].enable_ip_forwarding)
            .filter_map(|n| nic_subnet(self.topology, n).map(|(v, s)| (v, s, self.device_of_nic(n))));
        let firewalls = document.azure_firewalls.iter().enumerate().filter_map(|(f, firewall)| {
            match self.topology.entity(firewall.subnet.as_ref()?) {
                Some(crate::model::Entity::Subnet(v, s)) => Some((v, s, Device::Firewall(f))),
                _ => None,
            }
        });
        forwarding.chain(firewalls).collect()
    }

    fn compare(
        &mut self,
        v: usize,
        s: usize,
        hub: usize,
        outward: Egress<'n>,
        steered: Option<(Bound<'n>, &'n UserDefinedRoute)>,
        homes: &BTreeSet<(usize, usize, Device)>,
    ) {
        let table = &self.selection.tables[self.selection.of_subnet[v][s]];
        let stateful = |devices: BTreeSet<Device>| -> BTreeSet<Device> {
            let at_home = |device: &Device| homes.contains(&(v, s, *device));
            devices.into_iter().filter(|d| self.is_stateful(*d) && !at_home(d)).collect()
        };
        let names = |devices: &BTreeSet<Device>| {
            super::list(devices.iter().map(|d| format!("`{}`", self.device_id(*d).name())))
        };
        let hub_name = self.document.virtual_networks[hub].id.name();
        let out = match outward {
            Egress::Appliance(route) => stateful(self.devices_of(table, route)),
            _ => BTreeSet::new(),
        };
        let back = match steered {
            Some((bound, route)) => stateful(self.devices_of(bound.table, route)),
            None => BTreeSet::new(),
        };
        let (code, severity) = (FindingCode::Asymmetric, Severity::Warning);
        match (outward, steered) {
            (Egress::Appliance(route), None) if !out.is_empty() => {
                let Some(bound) = self.bound(self.selection.of_subnet[v][s]) else { return };
                let message = format!(
                    "packets for on-premises pass {}, but the `GatewaySubnet` of `{hub_name}` has no route that \
                     leads those from on-premises there",
                    names(&out)
                );
                self.add_in(v, code, severity, bound.route_id(route), Rule::WALK_11, message);
            }
            (Egress::Direct, Some((bound, route))) if !back.is_empty() => {
                let message = format!(
                    "packets from on-premises pass {}, but the subnets they are for answer by the gateway",
                    names(&back)
                );
                self.add_in(v, code, severity, bound.route_id(route), Rule::WALK_11, message);
            }
            (Egress::Appliance(_), Some((bound, route)))
                if !out.is_empty() && !back.is_empty() && out.is_disjoint(&back) =>
            {
                let message = format!(
                    "packets from on-premises pass {}, those for on-premises {}",
                    names(&back),
                    names(&out)
                );
                self.add_in(v, code, severity, bound.route_id(route), Rule::WALK_10, message);
            }
            _ => {}
        }
    }

    /// Whether a route of a domain leads to on-premises: over a circuit or tunnel, not to another virtual network.
    fn is_on_premises(&self, domain: usize, group: u32) -> bool {
        let offers = &self.plane.domains[domain].offers;
        usize::try_from(group).ok().is_some_and(|group| {
            self.selection.gateways[domain].groups[group].members.iter().any(|o| {
                matches!(offers[*o].via, Via::ExpressRoute { far: None, .. } | Via::Vpn { far: None, .. })
            })
        })
    }

    /// Whether a domain knows anything on-premises beside a default route.
    fn specific(&self, domain: usize) -> bool {
        let routes = self.selection.gateways[domain].by_prefix.iter();
        routes
            .take(SCAN)
            .any(|(prefix, group)| prefix.prefix_len() > 0 && self.is_on_premises(domain, *group))
    }

    fn egress(&self, at: usize, domain: usize, specific: bool, spaces: &PrefixTable<()>) -> Egress<'n> {
        let table = &self.selection.tables[at];
        let gateway = &self.selection.gateways[domain];
        let there = |prefix: &IpNet, group: u32| {
            (prefix.prefix_len() > 0 || !specific)
                && table.shadow.shortest(prefix).is_none()
                && self.is_on_premises(domain, group)
        };
        let bound = self.bound(at);
        if let Some(bound) = bound {
            let to_appliances = bound.to_appliances();
            let found = to_appliances.into_iter().find(|(prefix, _)| {
                let same = gateway.by_prefix.get(prefix).is_some_and(|route| there(prefix, *route));
                // A piece of what on-premises has, and of no virtual network.
                let piece = || {
                    prefix.prefix_len() > 0
                        && spaces.children(prefix).next().is_none()
                        && spaces.shortest(prefix).is_none()
                        && gateway
                            .by_prefix
                            .covering(prefix)
                            .into_iter()
                            .any(|(wider, route)| wider.prefix_len() > 0 && there(&wider, *route))
                };
                let all = || {
                    !table.propagation
                        && gateway.by_prefix.children(prefix).take(SCAN).any(|(inner, route)| {
                            there(&inner, *route)
                                && bound.longest_user(&inner).is_some_and(|(at, _)| at == *prefix)
                        })
                };
                same || piece() || all()
            });
            if let Some((_, route)) = found {
                return Egress::Appliance(route);
            }
        }
        let taken = |table: &SubnetTable, prefix: &IpNet| {
            table.gateway_refusal(prefix).is_none() && bound.is_none_or(|b| b.user_route_at(prefix).is_none())
        };
        let mut known = gateway.by_prefix.iter().take(SCAN);
        if known.any(|(prefix, route)| there(&prefix, *route) && taken(table, &prefix)) {
            return Egress::Direct;
        }
        Egress::Nowhere
    }
}
