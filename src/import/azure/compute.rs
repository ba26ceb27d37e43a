//! What stands in subnets: interfaces, load balancers, firewalls, private endpoints, public addresses, NAT gateways.

use std::collections::{HashMap, HashSet};

use ipnet::IpNet;
use serde_json::Value;

use super::super::WarningKind;
use super::super::read::{Body, Context, owner};
use crate::model::{
    AzureFirewall, Backend, FrontendIpConfiguration, IpConfiguration, LoadBalancer, LoadBalancerSku,
    NatGateway, NetworkInterface, PrivateEndpoint, PublicIpAddress, ResourceId,
};

pub(super) fn network_interface(body: &Body<'_>) -> NetworkInterface {
    let configurations = body.list("ipConfigurations");
    NetworkInterface {
        id: body.id.clone(),
        ip_configurations: configurations
            .iter()
            .map(|c| IpConfiguration {
                name: c.name.to_owned(),
                subnet: c.reference("subnet", "ip_configurations.subnet").unwrap_or_else(|| {
                    c.warn(WarningKind::Missing, "subnet", "an interface without subnet is nowhere");
                    ResourceId::default()
                }),
                private_ip_address: c.address("privateIPAddress"),
                public_ip_address: c.reference("publicIPAddress", "ip_configurations.public_ip_address"),
                primary: c.flag("primary").unwrap_or(false),
            })
            .collect(),
        enable_ip_forwarding: body.flag("enableIPForwarding").unwrap_or(false),
        network_security_group: body.reference("networkSecurityGroup", "network_security_group"),
        // Machines and services are not part of a network export, so these two may lead nowhere.
        virtual_machine: body.id_in("virtualMachine"),
        private_endpoint: body.id_in("privateEndpoint"),
        primary: body.flag("primary").unwrap_or(false),
    }
}

/// The interfaces in each backend pool, as the interfaces themselves say.
pub(super) fn pool_members(context: &Context<'_>) -> HashMap<ResourceId, Vec<ResourceId>> {
    let mut pools: HashMap<ResourceId, Vec<ResourceId>> = HashMap::new();
    for raw in context.store.raws.iter().filter(|raw| raw.kind == "networkinterfaces") {
        let Some(Value::Array(configurations)) = raw.body.get("ipconfigurations") else { continue };
        for configuration in configurations {
            let listed = configuration.get("loadbalancerbackendaddresspools").and_then(Value::as_array);
            for pool in listed.into_iter().flatten().filter_map(|p| p.get("id")?.as_str()) {
                let members = pools.entry(ResourceId::new(pool)).or_default();
                if members.last() != Some(&raw.id) {
                    members.push(raw.id.clone());
                }
            }
        }
    }
    pools
}

pub(super) fn load_balancer(body: &Body<'_>, pools: &HashMap<ResourceId, Vec<ResourceId>>) -> LoadBalancer {
    let mut balancer = LoadBalancer { id: body.id.clone(), ..LoadBalancer::default() };
    // A body without SKU is of the time when there was only Basic.
    balancer.sku = LoadBalancerSku::Basic;
    if let Some(sku) = body.inner("sku") {
        let words = [
            ("Basic", LoadBalancerSku::Basic),
            ("Standard", LoadBalancerSku::Standard),
            ("Gateway", LoadBalancerSku::Gateway),
        ];
        balancer.sku = sku.word("name", &words).unwrap_or(balancer.sku);
    }
    let mut public = false;
    for frontend in body.list("frontendIPConfigurations") {
        let public_ip_address =
            frontend.id_in("publicIPAddress").or_else(|| frontend.id_in("publicIPPrefix"));
        public |= public_ip_address.is_some();
        balancer.frontend_ip_configurations.push(FrontendIpConfiguration {
            name: frontend.name.to_owned(),
            private_ip_address: frontend.address("privateIPAddress"),
            subnet: frontend.reference("subnet", "frontend_ip_configurations.subnet"),
            public_ip_address,
        });
    }
    let snat = |rule: &Body<'_>| !rule.flag("disableOutboundSnat").unwrap_or(false);
    balancer.outbound = !body.list("outboundRules").is_empty()
        || (public && body.list("loadBalancingRules").iter().any(snat));
    let mut seen = HashSet::new();
    let mut add = |backend: Backend| {
        if seen.insert((backend.network_interface.clone(), backend.ip_address)) {
            balancer.backends.push(backend);
        }
    };
    for pool in body.context.children(body.id, "loadbalancers/backendaddresspools") {
        let interface = |id: ResourceId| Backend { network_interface: Some(id), ..Backend::default() };
        // A pool lists IP configurations of interfaces: `{interface}/ipConfigurations/{name}`.
        for configuration in pool.ids_in("backendIPConfigurations") {
            if let Some(nic) = owner(&configuration) {
                pool.refers("backends.network_interface", &nic);
                add(interface(nic));
            }
        }
        for nic in pools.get(pool.id).into_iter().flatten() {
            add(interface(nic.clone()));
        }
        for address in pool.list("loadBalancerBackendAddresses") {
            // The address of an interface is listed here again; the interface says more.
            if !address.has("networkInterfaceIPConfiguration")
                && let Some(ip) = address.address("ipAddress")
            {
                add(Backend { ip_address: Some(ip), ..Backend::default() });
            }
        }
    }
    balancer
}

pub(super) fn public_ip_address(body: &Body<'_>) -> PublicIpAddress {
    // PowerShell writes a phrase where nothing is assigned.
    let assigned = body.text("ipAddress").filter(|text| !text.eq_ignore_ascii_case("Not Assigned"));
    PublicIpAddress { id: body.id.clone(), ip_address: assigned.and_then(|_| body.address("ipAddress")) }
}

pub(super) fn nat_gateway(body: &Body<'_>) -> NatGateway {
    body.not_modelled(&["publicIpPrefixes"]);
    let mut public_ip_addresses = body.ids_in("publicIpAddresses");
    public_ip_addresses.extend(body.ids_in("publicIpAddressesV6"));
    NatGateway { id: body.id.clone(), public_ip_addresses }
}

pub(super) fn private_endpoint(body: &Body<'_>) -> PrivateEndpoint {
    let mut endpoint = PrivateEndpoint { id: body.id.clone(), ..PrivateEndpoint::default() };
    match body.reference("subnet", "subnet") {
        Some(subnet) => endpoint.subnet = subnet,
        None => body.warn(WarningKind::Missing, "subnet", "an endpoint without subnet is nowhere"),
    }
    endpoint.network_interfaces = body.ids_in("networkInterfaces");
    for configuration in body.list("ipConfigurations") {
        endpoint.private_ip_addresses.extend(configuration.address("privateIPAddress"));
    }
    // Where its interface is not exported, what the DNS configuration says is the next best.
    let exported = |id: &ResourceId| {
        body.context.store.get(id).is_some_and(|raw| raw.body.contains_key("ipconfigurations"))
    };
    if endpoint.private_ip_addresses.is_empty() && !endpoint.network_interfaces.iter().any(exported) {
        for configuration in body.list("customDnsConfigs") {
            endpoint.private_ip_addresses.extend(configuration.addresses("ipAddresses"));
        }
    }
    endpoint.private_ip_addresses.sort();
    endpoint.private_ip_addresses.dedup();
    let mut links = body.list("privateLinkServiceConnections");
    links.extend(body.list("manualPrivateLinkServiceConnections"));
    endpoint.private_link_service = links.iter().find_map(|link| link.id_in("privateLinkServiceId"));
    endpoint
}

pub(super) fn azure_firewall(body: &Body<'_>) -> AzureFirewall {
    let mut firewall = AzureFirewall { id: body.id.clone(), ..AzureFirewall::default() };
    for configuration in body.list("ipConfigurations") {
        // Only the first configuration names the subnet; the others add public addresses.
        if firewall.subnet.is_none() {
            firewall.subnet = configuration.reference("subnet", "subnet");
        }
        if firewall.private_ip_address.is_none() {
            firewall.private_ip_address = configuration.address("privateIPAddress");
        }
        firewall.public_ip_addresses.extend(configuration.id_in("publicIPAddress"));
    }
    firewall.virtual_hub = body.reference("virtualHub", "subnet");
    if let Some(hub) = body.inner("hubIPAddresses") {
        firewall.private_ip_address = firewall.private_ip_address.or_else(|| hub.address("privateIPAddress"));
    }
    // `Network.SNAT.PrivateRanges` says which destinations keep their source.
    if let Some(additional) = body.inner("additionalProperties") {
        for text in additional.texts("Network.SNAT.PrivateRanges") {
            for range in text.split(',').map(str::trim).filter(|r| !r.is_empty()) {
                if range.eq_ignore_ascii_case("IANAPrivateRanges") {
                    let iana = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"];
                    firewall.private_ranges.extend(iana.iter().filter_map(|p| p.parse::<IpNet>().ok()));
                } else {
                    firewall.private_ranges.extend(additional.prefix_of("Network.SNAT.PrivateRanges", range));
                }
            }
        }
    }
    if body.has("natRuleCollections") {
        let reason = "destination rewrites of the firewall are not read";
        body.warn(WarningKind::NotModelled, "natRuleCollections", reason);
    }
    firewall
}
