//! From flat bodies to model types, one function a resource type; nothing here knows which format a body came from.

mod compute;
mod express_route;
mod gateway;
mod hub;
mod nsg;
mod vnet;

use std::collections::{HashMap, HashSet};

use ipnet::IpNet;

use super::raw::{Rank, Store};
use super::read::Context;
use super::{ImportError, Importer, InvalidTopology, Warning, WarningKind};
use crate::model::{Document, Topology, UnresolvedReference};

/// Reads one text of any supported format and checks it: for a program that has one export.
///
/// ```
/// let json = r#"[{
///     "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/hub",
///     "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}
/// }]"#;
/// let topology = azroute::import::azure::topology(json).unwrap();
/// assert_eq!(topology.document().virtual_networks.len(), 1);
/// ```
///
/// # Errors
/// What [`Importer::add`] and [`Importer::finish`] refuse.
pub fn topology(text: &str) -> Result<Topology, OneShotError> {
    let mut importer = Importer::new();
    importer.add("input", text.as_bytes())?;
    let (topology, _) = importer.finish()?;
    Ok(topology)
}

/// Why [`topology`] failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OneShotError {
    /// The text was refused.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// What was read cannot be right.
    #[error(transparent)]
    Topology(#[from] InvalidTopology),
}

/// The translation of everything that was read.
pub(super) struct Translated {
    pub(super) document: Document,
    pub(super) warnings: Vec<Warning>,
    /// Every reference, whether it leads somewhere or not.
    pub(super) references: Vec<UnresolvedReference>,
}

pub(super) fn translate(store: &Store, inputs: &[String]) -> Translated {
    let context = Context::new(store, inputs);
    let back = vnet::BackReferences::new(&context);
    let pools = compute::pool_members(&context);
    let subnets = gateway::configuration_subnets(&context);
    let mut communities = HashMap::new();
    let mut document = Document::new();
    let mut branches = hub::Branches::default();
    for raw in &store.raws {
        let body = context.body(raw);
        if let Some(parent) = &raw.parent {
            if store.get(parent).is_none_or(|p| p.rank == Rank::Hollow) && raw.rank > Rank::Embedded {
                let reason = format!("its parent `{parent}` is in no input: left out");
                body.warn(WarningKind::ParentMissing, "", reason);
            }
            continue;
        }
        if raw.rank == Rank::Hollow {
            let reason = "only its name is here, not its body: left out";
            body.warn(WarningKind::NoBody, "", reason);
            continue;
        }
        match raw.kind {
            "virtualnetworks" => document.virtual_networks.push(vnet::virtual_network(&body, &back)),
            "routetables" => document.route_tables.push(vnet::route_table(&body)),
            "networksecuritygroups" => {
                document.network_security_groups.push(nsg::network_security_group(&body));
            }
            "networkinterfaces" => document.network_interfaces.push(compute::network_interface(&body)),
            "loadbalancers" => document.load_balancers.push(compute::load_balancer(&body, &pools)),
            "publicipaddresses" => document.public_ip_addresses.push(compute::public_ip_address(&body)),
            "natgateways" => document.nat_gateways.push(compute::nat_gateway(&body)),
            "privateendpoints" => document.private_endpoints.push(compute::private_endpoint(&body)),
            "azurefirewalls" => document.azure_firewalls.push(compute::azure_firewall(&body)),
            "virtualnetworkgateways" => {
                document.virtual_network_gateways.extend(gateway::virtual_network_gateway(&body, &subnets));
            }
            "localnetworkgateways" => {
                document.local_network_gateways.push(gateway::local_network_gateway(&body));
            }
            "connections" => document.connections.extend(gateway::connection(&body)),
            "expressroutecircuits" => {
                document.express_route_circuits.push(express_route::circuit(&body));
            }
            "routefilters" => document.route_filters.push(express_route::route_filter(&body)),
            "bgpservicecommunities" => {
                for community in express_route::service_communities(&body) {
                    let list = &mut document.bgp_service_communities;
                    match communities.get(&community.community).and_then(|at: &usize| list.get_mut(*at)) {
                        // One community may stand under several services, each with prefixes of its own.
                        Some(known) => {
                            let seen: HashSet<IpNet> = known.prefixes.iter().copied().collect();
                            known.prefixes.extend(community.prefixes.iter().filter(|p| !seen.contains(p)));
                        }
                        None => {
                            communities.insert(community.community.clone(), list.len());
                            list.push(community);
                        }
                    }
                }
            }
            "virtualhubs" if gateway::is_route_server(&body) => {
                document.route_servers.push(gateway::route_server(&body, &subnets));
            }
            "virtualhubs" => document.virtual_hubs.push(hub::virtual_hub(&body)),
            "expressroutegateways" => {
                let (gateway, connections) = hub::express_route_gateway(&body, &mut branches);
                document.virtual_network_gateways.push(gateway);
                document.connections.extend(connections);
            }
            "vpngateways" => {
                let (gateway, connections) = hub::vpn_gateway(&body, &mut branches);
                document.virtual_network_gateways.push(gateway);
                document.connections.extend(connections);
            }
            "vpnsites" => document.local_network_gateways.extend(hub::vpn_site(&body)),
            "networkvirtualappliances" => {
                document.network_virtual_appliances.extend(hub::network_virtual_appliance(&body));
            }
            _ => {}
        }
    }
    branches.settle(&mut document.virtual_hubs);
    Translated {
        document,
        warnings: context.warnings.into_inner(),
        references: context.references.into_inner(),
    }
}
