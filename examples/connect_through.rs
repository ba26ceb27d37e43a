//! Connect-through: the provider brings each customer to Azure across its own network (rules CSP-1 to CSP-3).
//!
//! Two customers, one provider. Both use 10.20.0.0/16 in Azure and 10.50.0.0/16 at home, and neither notices.
//!
//! ```text
//! birch-hq ─┐                ┌─ circuit erc-birch ─ gateway er-birch ─ vnet-birch
//!           ├─ meridian ─────┤
//! cedar-hq ─┘  (edge-1/-2)   └─ circuit erc-cedar ─ gateway er-cedar ─ vnet-cedar
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

mod common;

use std::error::Error;
use std::net::IpAddr;
use std::process::ExitCode;

use azroute::Network;
use azroute::model::{
    Advertisement, Asn, CircuitLink, CircuitPeering, Connection, ConnectionType, ExpressRouteCircuit,
    GatewayType, NetworkInterface, OnPremisesLink, OnPremisesSite, PeeringType, PublicIpAddress, ResourceId,
    Router, SiteRole, Tenant, Topology, VirtualNetworkGateway,
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => common::fail(&*error),
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let network = Network::build(&topology()?)?;
    let server: IpAddr = "10.20.0.4".parse()?;
    let desk: IpAddr = "10.50.1.10".parse()?;

    println!(
        "{}",
        common::title("From each customer's site: one provider, two circuits, the same addresses")
    );
    for customer in ["birch", "cedar"] {
        let answer = network.resolve(&*format!("{customer}-hq"), server)?;
        println!("{answer}\n");
        let provider = answer.paths().all(|path| path.hops().iter().any(|hop| is_at(&hop.place, "meridian")));
        let others = if customer == "birch" { "erc-cedar" } else { "erc-birch" };
        let isolated = answer.paths().all(|path| !path.passes(&others.into()));
        println!("every path crosses the provider: {provider}; none uses the other's circuit: {isolated}\n");
    }

    println!("{}", common::title("And back: the reply, hop by hop"));
    println!("{}\n", network.resolve("vnet-birch/subnets/app", desk)?);

    println!("{}", common::title("Birch's own subscription is not on the provider's circuit (CSP-3)"));
    println!("{}\n", network.resolve("nic-own", desk)?);
    println!("{}\n", network.resolve("nic-own", "192.0.2.20".parse()?)?);

    println!("{}", common::title("An address alone is not a place here"));
    match network.resolve(server, desk) {
        Ok(answer) => println!("{answer}"),
        Err(error) => println!("error: {error}"),
    }
    Ok(())
}

fn is_at(place: &azroute::resolve::Place, site: &str) -> bool {
    place.id().is_some_and(|id| id.as_str() == site || id.as_str().starts_with(&format!("{site}/")))
}

fn topology() -> Result<Topology, Box<dyn Error>> {
    let provider_asn = Asn(65010);
    let mut builder = Topology::builder().with(Tenant::new("meridian")).with(OnPremisesSite {
        id: "meridian".into(),
        tenant: Some("meridian".to_owned()),
        role: SiteRole::Provider,
        prefixes: vec!["10.100.0.0/16".parse()?],
        routers: ["edge-1", "edge-2"]
            .map(|name| Router { name: name.to_owned(), asn: Some(provider_asn), ..Router::default() })
            .to_vec(),
        ..OnPremisesSite::default()
    });
    for (n, customer) in ["birch", "cedar"].into_iter().enumerate() {
        let [vnet, gateway, circuit, site] =
            ["vnet-", "er-", "erc-", ""].map(|prefix| ResourceId::new(format!("{prefix}{customer}")));
        let site = ResourceId::new(format!("{site}-hq"));
        builder = builder
            .with(Tenant::new(customer))
            .virtual_network(vnet.as_str(), &["10.20.0.0/16"])
            .subnet(vnet.as_str(), "GatewaySubnet", "10.20.255.0/27")
            .subnet(vnet.as_str(), "app", "10.20.0.0/24")
            .nic(&format!("nic-{customer}"), &format!("{vnet}/subnets/app"), "10.20.0.4")
            .configure(|document| {
                for network in &mut document.virtual_networks {
                    if network.id == vnet {
                        network.tenant = Some(customer.to_owned());
                    }
                }
            })
            .with(VirtualNetworkGateway::new(&gateway, &vnet, GatewayType::ExpressRoute))
            .with(Connection::new(format!("cn-{customer}"), ConnectionType::ExpressRoute, &gateway, &circuit))
            .with(ExpressRouteCircuit {
                tenant: Some(customer.to_owned()),
                bandwidth_in_mbps: Some(200),
                service_provider_name: Some("Meridian".to_owned()),
                peerings: vec![CircuitPeering {
                    peer_asn: Some(provider_asn),
                    primary_peer_address_prefix: Some(format!("192.168.{n}.0/30").parse()?),
                    secondary_peer_address_prefix: Some(format!("192.168.{n}.4/30").parse()?),
                    ..CircuitPeering::new(PeeringType::AzurePrivatePeering)
                }],
                primary: CircuitLink { edge_router: Some("meridian/routers/edge-1".into()), up: true },
                secondary: CircuitLink { edge_router: Some("meridian/routers/edge-2".into()), up: true },
                ..ExpressRouteCircuit::new(&circuit)
            })
            .with(OnPremisesSite {
                tenant: Some(customer.to_owned()),
                advertisements: vec![Advertisement::new(
                    &circuit,
                    ["10.50.0.0/16".parse()?],
                    [provider_asn, Asn(65030)],
                )],
                ..OnPremisesSite::new(&site, ["10.50.0.0/16".parse()?])
            });
        for edge in ["edge-1", "edge-2"] {
            builder = builder.with(OnPremisesLink {
                id: format!("access-{customer}-{edge}").into(),
                a: site.clone(),
                b: format!("meridian/routers/{edge}").into(),
                cost: 1,
                encrypted: false,
                tenant: Some(customer.to_owned()),
            });
        }
    }
    // Birch has a second subscription that never joined the provider's offer.
    let mut own = NetworkInterface::new("nic-own", "vnet-own/subnets/app", "10.30.0.4".parse()?);
    for configuration in &mut own.ip_configurations {
        configuration.public_ip_address = Some("pip-own".into());
    }
    Ok(builder
        .virtual_network("vnet-own", &["10.30.0.0/16"])
        .subnet("vnet-own", "app", "10.30.0.0/24")
        .with(own)
        .with(PublicIpAddress { id: "pip-own".into(), ip_address: Some("192.0.2.30".parse()?) })
        .configure(|document| {
            if let Some(own) = document.virtual_network_mut(&"vnet-own".into()) {
                own.tenant = Some("birch".to_owned());
            }
        })
        .build()?)
}
