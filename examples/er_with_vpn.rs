//! ExpressRoute with a VPN behind it (rules COEX-1 and COEX-5): which carries what, what a lost circuit leaves, and when
//! both directions go the same way. The sample is `examples/data/hybrid/er_with_vpn.toml`.
//!
//! ```text
//! cargo run --release --example er_with_vpn
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

mod common;

use std::error::Error;
use std::net::IpAddr;
use std::process::ExitCode;

use azroute::Network;
use azroute::model::bgp::Origination;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => common::fail(&*error),
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let document = common::hybrid("er_with_vpn")?;
    let network = common::build(&document)?;

    both_ways(
        &network,
        "The same prefix over both: the circuit, and home by the circuit too (COEX-1, COEX-5)",
    )?;

    let lost = network.apply(&common::lost("erc"))?;
    both_ways(&lost, "The circuit is lost: the VPN takes over in both directions (COEX-5)")?;

    // Only the tunnel tells this one.
    let mut specific = document.clone();
    for speaker in specific.bgp_speakers.iter_mut().filter(|s| s.id.as_str() == "r-vpn") {
        let prefixes = vec!["192.168.9.0/24".parse()?];
        speaker.originate.push(Origination { prefixes, ..Origination::default() });
    }
    println!("{}", common::title("A longer prefix over the VPN wins, whatever the circuit says (COEX-1)"));
    let specific = common::build(&specific)?;
    for destination in ["192.168.1.1", "192.168.9.1"] {
        print!(
            "{destination}\n{}",
            common::ways(specific.resolve("nic-app", destination.parse()?)?.answer())
        );
    }
    println!();

    let mut preferred = document;
    common::import(&mut preferred, "over-vpn", "before");
    let preferred = common::build(&preferred)?;
    both_ways(&preferred, "The routers at home prefer the VPN: out and home differ (COEX-5)")?;
    Ok(())
}

/// A server asks the datacentre, and the reply.
fn both_ways(network: &Network, title: &str) -> Result<(), Box<dyn Error>> {
    let datacentre: IpAddr = "192.168.1.1".parse()?;
    let pair = network.resolve_pair("nic-app", datacentre)?;
    println!("{}", common::title(title));
    print!("out:\n{}", common::ways(pair.forward()));
    for reply in pair.replies() {
        print!("home:\n{}", common::ways(reply));
    }
    if pair.asymmetries().is_empty() {
        println!("symmetric for every stateful hop");
    }
    for asymmetry in pair.asymmetries() {
        println!("asymmetry: {asymmetry}");
    }
    println!();
    Ok(())
}
