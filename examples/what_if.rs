//! What if? A network is a value: `apply` gives another one, and the first stays as it was.
//!
//! ```text
//! cargo run --release --example what_if
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

mod common;

use std::error::Error;
use std::net::IpAddr;
use std::process::ExitCode;

use azroute::Network;
use azroute::model::{Change, LinkRole, ResourceId, Topology, UserDefinedRoute};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => common::fail(&*error),
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (topology, report) = common::load(&[common::sample()])?;
    common::note(&report);
    let today = Network::build(&topology)?;
    let circuit = named(&topology, "erc-meridian")?;
    let tools = named(&topology, "rt-spoke-nva")?;
    let datacentre: IpAddr = "10.100.1.10".parse()?;

    let down = |link| Change::SetLink { circuit: circuit.clone(), link, up: false };
    let by_appliance = UserDefinedRoute::to_appliance(
        "datacentre",
        "10.100.0.0/16".parse::<ipnet::IpNet>()?,
        "10.10.2.10".parse()?,
    );
    for (what, changes) in [
        ("today", vec![]),
        ("the circuit's primary link is down", vec![down(LinkRole::Primary)]),
        ("both links are down: VPN takes over", vec![down(LinkRole::Primary), down(LinkRole::Secondary)]),
        (
            "a route as specific as BGP's sends it through the appliances",
            vec![Change::SetRoute { route_table: tools.clone(), route: by_appliance }],
        ),
    ] {
        let network = today.apply(&changes)?;
        println!("{}", common::title(format!("nic-tools-1 to {datacentre}: {what}")));
        println!("{}\n", network.resolve("nic-tools-1", datacentre)?);
    }

    // The customer loses its circuit: the announced 0/0 goes with it, and the Internet is open again (FT-9).
    let alder = named(&topology, "erc-alder")?;
    let lost = today.apply(&[
        Change::SetLink { circuit: alder.clone(), link: LinkRole::Primary, up: false },
        Change::SetLink { circuit: alder, link: LinkRole::Secondary, up: false },
    ])?;
    let internet: IpAddr = "203.0.113.77".parse()?;
    println!("{}", common::title("alder's server to the Internet, with the circuit and without"));
    for network in [&today, &lost] {
        let answer = network.resolve("vnet-alder/subnets/snet-app", internet)?;
        println!("{:<60} {}", answer.next_hop().to_string(), answer.disposition());
    }
    Ok(())
}

/// The circuit or route table with this name.
fn named(topology: &Topology, name: &str) -> Result<ResourceId, Box<dyn Error>> {
    let document = topology.document();
    let circuits = document.express_route_circuits.iter().map(|circuit| &circuit.id);
    let tables = document.route_tables.iter().map(|table| &table.id);
    let found = circuits.chain(tables).find(|id| id.name() == name).cloned();
    Ok(found.ok_or_else(|| format!("the sample has no `{name}`"))?)
}
