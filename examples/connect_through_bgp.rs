//! Connect-through, computed by BGP: one provider, two customers with the same addresses, a circuit each (rules ISO-1,
//! CSP-1 and CSP-2). The sample is `examples/data/hybrid/two_tenants.toml`.
//!
//! ```text
//! cargo run --release --example connect_through_bgp
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

mod common;

use std::error::Error;
use std::net::IpAddr;
use std::process::ExitCode;

use azroute::model::ResourceId;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => common::fail(&*error),
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let network = common::build(&common::hybrid("two_tenants")?)?;
    let (server, desk): (IpAddr, IpAddr) = ("10.20.0.4".parse()?, "10.50.1.10".parse()?);

    for (customer, other) in [("birch", "cedar"), ("cedar", "birch")] {
        println!(
            "{}",
            common::title(format!("{customer}: {server} from its site, and {desk} from its network"))
        );
        let there = network.resolve(&*format!("{customer}-hq"), server)?;
        let back = network.resolve(&*format!("nic-{customer}"), desk)?;
        print!("{}{}", common::ways(&there), common::ways(&back));
        let others =
            ["erc-", "er-", "vnet-", "edge-1-", "nic-"].map(|p| ResourceId::new(format!("{p}{other}")));
        let apart = [&there, &back]
            .iter()
            .all(|answer| answer.hops().all(|hop| hop.place.id().is_none_or(|id| !others.contains(id))));
        println!("nothing of {other}'s on the way: {apart}\n");
    }

    println!(
        "{}",
        common::title("What the provider's first edge router has for 10.20.0.0/16, in each table")
    );
    let engine = network.bgp().ok_or("the sample declares speakers")?;
    let prefix = "10.20.0.0/16".parse()?;
    for customer in ["birch", "cedar"] {
        let speaker = ResourceId::new(format!("edge-1-{customer}"));
        for entry in engine.routes(&speaker, &prefix).into_iter().flat_map(|found| found.entries) {
            println!(
                "{speaker}: path {} {}, {}",
                entry.route.attributes.as_path, entry.route.from, entry.standing
            );
        }
    }
    println!();

    println!("{}", common::title("A name says whose; an address alone does not"));
    match network.resolve(server, desk) {
        Ok(answer) => println!("{answer}"),
        Err(error) => println!("error: {error}"),
    }
    Ok(())
}
