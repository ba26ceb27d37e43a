//! A design with promises, a change that breaks one, and the failures that it survives.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::ops::ControlFlow;

use azroute::Network;
use azroute::checks::{Destinations, Sweep, check, diff, matrix, position};
use azroute::model::{AzureFirewall, PublicIpAddress, Topology, TopologyBuilder, VirtualNetworkPeering};

fn design() -> TopologyBuilder {
    let firewall = PublicIpAddress { id: "fw-ip".into(), ip_address: "20.0.0.4".parse().ok() };
    let peer = |design: TopologyBuilder, spoke: &str| {
        let open = |half: &mut VirtualNetworkPeering| half.allow_forwarded_traffic = true;
        design.peer_with("hub", spoke, open).peer_with(spoke, "hub", open)
    };
    let design = Topology::builder()
        .virtual_network("hub", &["10.0.0.0/16"])
        .subnet("hub", "AzureFirewallSubnet", "10.0.1.0/24")
        .with(firewall)
        .with(AzureFirewall {
            id: "fw".into(),
            subnet: Some("hub/subnets/AzureFirewallSubnet".into()),
            private_ip_address: "10.0.1.4".parse().ok(),
            public_ip_addresses: vec!["fw-ip".into()],
            ..AzureFirewall::default()
        })
        .virtual_network("spoke1", &["10.1.0.0/16"])
        .subnet("spoke1", "web", "10.1.0.0/24")
        .virtual_network("spoke2", &["10.2.0.0/16"])
        .subnet("spoke2", "web", "10.2.0.0/24")
        .configure(|document| {
            for network in document.virtual_networks.iter_mut().filter(|network| network.id != "hub".into()) {
                network.tags.insert("role".to_owned(), "spoke".to_owned());
            }
        })
        .route("rt", "default", "0.0.0.0/0", "VirtualAppliance", &["10.0.1.4"])
        .bind("spoke1/subnets/web", "rt")
        .bind("spoke2/subnets/web", "rt");
    peer(peer(design, "spoke1"), "spoke2")
}

fn main() -> Result<(), Box<dyn Error>> {
    let net = Network::build(&design().build()?)?;
    let spokes = || net.positions().tagged("spoke");

    // Of all addresses, not of samples.
    let only_by_firewall = check(&net).flows(spokes(), Destinations::internet()).traverse(position("fw"));
    let report = only_by_firewall.expect_all()?;
    println!("{}: holds ({} pairs looked at)", only_by_firewall.check(), report.looked_at);
    print!("{}", matrix(&net, spokes(), spokes())?);

    // A plan in review.
    let planned = Network::build(&design().route("rt", "cdn", "151.101.0.0/16", "Internet", &[]).build()?)?;
    print!("the plan:\n{}", diff(&net, &planned)?);
    let promise = only_by_firewall.check();
    for failure in promise.run(&planned)?.failures {
        println!("broken {failure}");
    }

    // What breaks it, one failure at a time.
    let survey = Sweep::default().run(&net, std::slice::from_ref(promise), |_| ControlFlow::Continue(()))?;
    println!("{} failures, complete: {}, breaks: {}", survey.scenarios, survey.complete, survey.breaks.len());
    Ok(())
}
