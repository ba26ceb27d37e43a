//! Forced tunnelling over ExpressRoute, its escapes, and what happens when the circuit is lost (rules FT-1, FT-5, FT-7,
//! FT-8 and FT-9). The sample is `examples/data/hybrid/forced_tunnel.toml`.
//!
//! ```text
//! cargo run --release --example forced_tunnel
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

mod common;

use std::error::Error;
use std::net::IpAddr;
use std::process::ExitCode;

use azroute::Network;
use azroute::analysis::FindingCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => common::fail(&*error),
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let network = common::build(&common::hybrid("forced_tunnel")?)?;
    let (storage, internet): (IpAddr, IpAddr) = ("198.51.100.10".parse()?, "192.0.2.77".parse()?);
    let (app, build) = ("vnet-works/subnets/app", "vnet-works/subnets/build");

    println!(
        "{}",
        common::title("Storage from `app`: home first, then back over Microsoft peering (FT-7, FT-8)")
    );
    let explanation = network.explain(app, storage)?;
    print!("{}", common::ways(explanation.answer()));
    println!("\nwhy: the routers' 0.0.0.0/0 came over private peering (FT-1)");
    println!("{explanation}\n");

    println!(
        "{}",
        common::title("The Internet from `app`, and from `build`, whose table sends 0.0.0.0/0 to it (FT-5)")
    );
    for subnet in [app, build] {
        println!("{subnet}");
        print!("{}", common::ways(network.resolve(subnet, internet)?.answer()));
    }
    println!();

    println!(
        "{}",
        common::title("The circuit is lost: the default goes with it, and `app` fails open (FT-9)")
    );
    let lost = network.apply(&common::lost("erc-works"))?;
    for destination in [internet, storage] {
        print!("{destination}\n{}", common::ways(lost.resolve(app, destination)?.answer()));
    }
    println!("\nwhat was said before:");
    print!("{}", fails_open(&network));
    println!("and after: {}", if fails_open(&lost).is_empty() { "nothing, it is open" } else { "the same" });
    Ok(())
}

/// The findings about defaults that a failure would open.
fn fails_open(network: &Network) -> String {
    let findings = network.findings().iter().filter(|f| f.code == FindingCode::FailOpenDefault);
    findings.map(|finding| format!("  {finding}\n")).collect()
}
