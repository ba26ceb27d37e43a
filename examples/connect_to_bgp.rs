//! Connect-to, computed by BGP: the customer's edge stands between the provider's datacentre and Azure, and both sides'
//! routes have to pass it (rules CSP-4 and CSP-5). The sample is `examples/data/hybrid/two_datacentres.toml`.
//!
//! ```text
//! cargo run --release --example connect_to_bgp
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

mod common;

use std::error::Error;
use std::net::IpAddr;
use std::process::ExitCode;

use azroute::Network;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => common::fail(&*error),
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let document = common::hybrid("two_datacentres")?;
    let network = common::build(&document)?;
    println!("{}", common::title("Both datacentres and the network, each way (CSP-4)"));
    let (server, desk, operator): (IpAddr, IpAddr, IpAddr) =
        ("10.20.0.4".parse()?, "10.50.1.10".parse()?, "10.100.1.10".parse()?);
    for (source, destination) in
        [("alder-dc", server), ("nic-app", desk), ("meridian-dc", server), ("nic-app", operator)]
    {
        println!("{source} to {destination}");
        print!("{}", common::ways(network.resolve(source, destination)?.answer()));
    }
    println!();

    let mut to_azure = document.clone();
    for session in ["azure-primary", "azure-secondary"] {
        common::export(&mut to_azure, session, "own-only");
    }
    broken("The edge tells Azure its own prefixes only (CSP-5)", &common::build(&to_azure)?)?;

    let mut to_provider = document;
    for session in ["provider-1", "provider-2"] {
        common::export(&mut to_provider, session, "own-only");
    }
    broken("The edge tells the provider its own prefixes only (CSP-5)", &common::build(&to_provider)?)?;
    Ok(())
}

/// What the provider and the network still have of each other; the customer has both as before.
fn broken(title: &str, network: &Network) -> Result<(), Box<dyn Error>> {
    println!("{}", common::title(title));
    for (source, destination) in [
        ("nic-app", "10.100.1.10"),
        ("meridian-dc", "10.20.0.4"),
        ("nic-app", "10.50.1.10"),
        ("alder-dc", "10.20.0.4"),
    ] {
        let answer = network.resolve(source, destination.parse()?)?;
        println!("{source:<12} to {destination:<12} {}", answer.disposition());
    }
    println!();
    Ok(())
}
