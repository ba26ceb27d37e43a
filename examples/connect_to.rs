//! Connect-to: the customer builds and keeps its own circuit, and reaches the provider's datacentre by its own routers
//! (rules CSP-4 and CSP-5).
//!
//! ```text
//! meridian-dc ── interconnect ── alder-dc (ce-1, ce-2) ── circuit erc-alder ── gateway ── vnet-alder
//! ```
//!
//! The point of the model: nothing works by itself between the provider and the customer's Azure. The customer's
//! routers have to carry both sets of routes, in both directions.

#![expect(clippy::print_stdout, reason = "an example prints")]

mod common;

use std::error::Error;
use std::process::ExitCode;

use azroute::Network;
use azroute::model::{Change, Document, Topology};

/// The document form of a topology, in TOML. Any serde format will do.
const DOCUMENT: &str = r#"
schema_version = 1

[[tenants]]
name = "alder"

[[virtual_networks]]
id = "vnet-alder"
tenant = "alder"
address_space = ["10.20.0.0/16"]
[[virtual_networks.subnets]]
name = "GatewaySubnet"
address_prefixes = ["10.20.255.0/27"]
[[virtual_networks.subnets]]
name = "app"
address_prefixes = ["10.20.0.0/24"]

[[network_interfaces]]
id = "nic-app"
[[network_interfaces.ip_configurations]]
subnet = "vnet-alder/subnets/app"
private_ip_address = "10.20.0.4"

[[virtual_network_gateways]]
id = "er-alder"
virtual_network = "vnet-alder"
gateway_type = "ExpressRoute"

[[connections]]
id = "cn-alder"
connection_type = "ExpressRoute"
virtual_network_gateway = "er-alder"
peer = "erc-alder"

[[express_route_circuits]]
id = "erc-alder"
tenant = "alder"
bandwidth_in_mbps = 1000
primary = { edge_router = "alder-dc/routers/ce-1" }
secondary = { edge_router = "alder-dc/routers/ce-2" }
[[express_route_circuits.peerings]]
peering_type = "AzurePrivatePeering"
peer_asn = 65020
primary_peer_address_prefix = "192.168.252.0/30"
secondary_peer_address_prefix = "192.168.252.4/30"

[[on_premises_sites]]
id = "alder-dc"
tenant = "alder"
prefixes = ["10.50.0.0/16"]
routers = [{ name = "ce-1", asn = 65020 }, { name = "ce-2", asn = 65020 }]
[[on_premises_sites.advertisements]]
over = "erc-alder"
prefixes = ["10.50.0.0/16", "10.100.0.0/16"]
as_path = [65020]

[[on_premises_sites]]
id = "meridian-dc"
tenant = "alder"
prefixes = ["10.100.0.0/16"]
routers = [{ name = "core", asn = 65010 }]

[[on_premises_links]]
id = "interconnect"
a = "alder-dc"
b = "meridian-dc"
"#;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => common::fail(&*error),
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let document: Document = toml::from_str(DOCUMENT)?;
    let network = Network::build(&Topology::new(document.clone())?)?;
    let (server, operator) = ("10.20.0.4".parse()?, "10.100.1.10".parse()?);

    println!(
        "{}",
        common::title("The provider's operator reaches the customer's server through the customer")
    );
    println!("{}\n", network.resolve("meridian-dc", server)?);
    println!("{}", common::title("The reply"));
    println!("{}\n", network.resolve("nic-app", operator)?);

    println!("{}", common::title("The customer stops announcing the provider's prefix to Azure (CSP-5)"));
    let mut quiet = document
        .on_premises_sites
        .iter()
        .find(|site| site.id.as_str() == "alder-dc")
        .cloned()
        .ok_or("the document describes no site `alder-dc`")?;
    for advertisement in &mut quiet.advertisements {
        advertisement.prefixes.retain(|prefix| !prefix.contains(&operator));
    }
    let one_way = network.apply(&[Change::upsert(quiet)])?;
    println!("to the server:  {}", one_way.resolve("meridian-dc", server)?.disposition());
    println!("to the operator: {}", one_way.resolve("nic-app", operator)?.disposition());
    println!("the first network still answers: {}", network.resolve("nic-app", operator)?.disposition());
    Ok(())
}
