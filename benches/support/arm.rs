//! Writes a document as an export of raw ARM resources, as far as Azure knows it: what is on premises is left out.

use azroute::model::{
    AddressPrefix, ConnectionType, Document, GatewayType, PeeringType, ResourceId, RouteNextHopType,
};
use serde_json::{Value, json};

/// The export, indented as the tools print it.
pub(crate) fn export(document: &Document) -> String {
    let mut resources = Vec::new();
    for vnet in &document.virtual_networks {
        let subnets: Vec<Value> = vnet
            .subnets
            .iter()
            .map(|subnet| {
                let mut properties = json!({
                    "provisioningState": "Succeeded",
                    "addressPrefixes": subnet.address_prefixes,
                    "delegations": [],
                    "privateEndpointNetworkPolicies": "Disabled",
                });
                if let Some(table) = &subnet.route_table {
                    properties["routeTable"] = reference(table);
                }
                json!({ "id": vnet.subnet_id(&subnet.name), "name": subnet.name, "properties": properties })
            })
            .collect();
        let peerings: Vec<Value> = vnet
            .peerings
            .iter()
            .map(|peering| {
                json!({
                    "id": vnet.id.child("virtualNetworkPeerings", &peering.name),
                    "name": peering.name,
                    "properties": {
                        "provisioningState": "Succeeded",
                        "peeringState": "Connected",
                        "remoteVirtualNetwork": reference(&peering.remote_virtual_network),
                        "allowVirtualNetworkAccess": true,
                        "allowForwardedTraffic": peering.allow_forwarded_traffic,
                        "allowGatewayTransit": peering.allow_gateway_transit,
                        "useRemoteGateways": peering.use_remote_gateways,
                    },
                })
            })
            .collect();
        let properties = json!({
            "provisioningState": "Succeeded",
            "addressSpace": { "addressPrefixes": vnet.address_space },
            "subnets": subnets,
            "virtualNetworkPeerings": peerings,
            "enableDdosProtection": false,
        });
        let mut value = resource(&vnet.id, "virtualNetworks", properties);
        value["location"] = json!(vnet.location);
        resources.push(value);
    }
    for table in &document.route_tables {
        let routes: Vec<Value> = table
            .routes
            .iter()
            .map(|route| {
                let prefix = match &route.address_prefix {
                    AddressPrefix::Cidr(prefix) => prefix.to_string(),
                    AddressPrefix::ServiceTag(tag) => tag.clone(),
                };
                let kind = match route.next_hop_type {
                    RouteNextHopType::VirtualAppliance => "VirtualAppliance",
                    RouteNextHopType::None => "None",
                    _ => unreachable!("not generated"),
                };
                json!({
                    "id": table.id.child("routes", &route.name),
                    "name": route.name,
                    "properties": {
                        "provisioningState": "Succeeded",
                        "addressPrefix": prefix,
                        "nextHopType": kind,
                        "nextHopIpAddress": route.next_hop_ip_addresses.first(),
                    },
                })
            })
            .collect();
        resources.push(resource(
            &table.id,
            "routeTables",
            json!({
                "provisioningState": "Succeeded",
                "disableBgpRoutePropagation": table.disable_bgp_route_propagation,
                "routes": routes,
            }),
        ));
    }
    for nic in &document.network_interfaces {
        let configurations: Vec<Value> = nic
            .ip_configurations
            .iter()
            .map(|c| {
                json!({
                    "id": nic.id.child("ipConfigurations", &c.name),
                    "name": c.name,
                    "properties": {
                        "provisioningState": "Succeeded",
                        "primary": c.primary,
                        "privateIPAddress": c.private_ip_address,
                        "privateIPAllocationMethod": "Dynamic",
                        "privateIPAddressVersion": "IPv4",
                        "subnet": reference(&c.subnet),
                    },
                })
            })
            .collect();
        resources.push(resource(
            &nic.id,
            "networkInterfaces",
            json!({
                "provisioningState": "Succeeded",
                "enableIPForwarding": nic.enable_ip_forwarding,
                "ipConfigurations": configurations,
            }),
        ));
    }
    for address in &document.public_ip_addresses {
        let properties = json!({ "provisioningState": "Succeeded", "ipAddress": address.ip_address });
        resources.push(resource(&address.id, "publicIPAddresses", properties));
    }
    for firewall in &document.azure_firewalls {
        let configuration = json!({
            "name": "configuration",
            "properties": {
                "privateIPAddress": firewall.private_ip_address,
                "subnet": firewall.subnet.as_ref().map(reference),
                "publicIPAddress": firewall.public_ip_addresses.first().map(reference),
            },
        });
        let properties = json!({ "provisioningState": "Succeeded", "ipConfigurations": [configuration] });
        resources.push(resource(&firewall.id, "azureFirewalls", properties));
    }
    for gateway in &document.virtual_network_gateways {
        let kind = match gateway.gateway_type {
            GatewayType::ExpressRoute => "ExpressRoute",
            _ => "Vpn",
        };
        let addresses: Vec<String> = gateway.bgp_peering_addresses.iter().map(ToString::to_string).collect();
        let subnet = gateway.virtual_network.child("subnets", "GatewaySubnet");
        let configuration = json!({ "name": "default", "properties": { "subnet": reference(&subnet) } });
        resources.push(resource(
            &gateway.id,
            "virtualNetworkGateways",
            json!({
                "provisioningState": "Succeeded",
                "gatewayType": kind,
                "sku": { "name": gateway.sku, "tier": gateway.sku },
                "activeActive": gateway.active_active,
                "enableBgp": gateway.enable_bgp,
                "ipConfigurations": [configuration],
                "bgpSettings": { "asn": gateway.asn, "bgpPeeringAddress": addresses.join(",") },
            }),
        ));
    }
    for local in &document.local_network_gateways {
        let mut properties = json!({
            "provisioningState": "Succeeded",
            "localNetworkAddressSpace": { "addressPrefixes": local.address_prefixes },
            "gatewayIpAddress": local.gateway_ip_address,
        });
        if let (Some(asn), Some(address)) = (local.asn, local.bgp_peering_address) {
            properties["bgpSettings"] = json!({ "asn": asn, "bgpPeeringAddress": address });
        }
        resources.push(resource(&local.id, "localNetworkGateways", properties));
    }
    for connection in &document.connections {
        let mut properties = json!({
            "provisioningState": "Succeeded",
            "virtualNetworkGateway1": reference(&connection.virtual_network_gateway),
            "enableBgp": connection.enable_bgp,
            "routingWeight": connection.routing_weight,
        });
        let (kind, peer) = match connection.connection_type {
            ConnectionType::ExpressRoute => ("ExpressRoute", "peer"),
            _ => ("IPsec", "localNetworkGateway2"),
        };
        properties["connectionType"] = json!(kind);
        properties[peer] = reference(&connection.peer);
        resources.push(resource(&connection.id, "connections", properties));
    }
    for circuit in &document.express_route_circuits {
        let peerings: Vec<Value> = circuit
            .peerings
            .iter()
            .filter(|peering| peering.peering_type == PeeringType::AzurePrivatePeering)
            .map(|peering| {
                json!({
                    "name": "AzurePrivatePeering",
                    "properties": {
                        "peeringType": "AzurePrivatePeering",
                        "state": "Enabled",
                        "peerASN": peering.peer_asn,
                        "azureASN": 12076,
                    },
                })
            })
            .collect();
        let mut value = resource(
            &circuit.id,
            "expressRouteCircuits",
            json!({
                "provisioningState": "Succeeded",
                "serviceProviderProperties": {
                    "peeringLocation": circuit.peering_location,
                    "bandwidthInMbps": circuit.bandwidth_in_mbps,
                },
                "peerings": peerings,
            }),
        );
        value["sku"] = json!({ "tier": format!("{:?}", circuit.sku_tier), "family": "MeteredData" });
        resources.push(value);
    }
    serde_json::to_string_pretty(&resources).expect("plain JSON")
}

fn reference(id: &ResourceId) -> Value {
    json!({ "id": id })
}

fn resource(id: &ResourceId, kind: &str, properties: Value) -> Value {
    json!({
        "id": id,
        "name": id.name(),
        "type": format!("Microsoft.Network/{kind}"),
        "etag": "W/\"7a1c2d3e-0000-0000-0000-000000000000\"",
        "tags": { "environment": "production", "owner": "network" },
        "properties": properties,
    })
}
