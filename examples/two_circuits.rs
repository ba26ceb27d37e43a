//! Two circuits, and the knobs that say which of them carries what: AS-path prepending, connection weight and more
//! specific prefixes towards on-premises (rules ER-8 and ER-10), local preference towards Azure (ER-11). The sample is
//! `examples/data/hybrid/two_circuits.toml`.
//!
//! ```text
//! cargo run --release --example two_circuits
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

mod common;

use std::collections::BTreeSet;
use std::error::Error;
use std::net::IpAddr;
use std::process::ExitCode;

use azroute::Network;
use azroute::model::{Document, ResourceId};
use azroute::resolve::Place;

/// A knob: its rule and what it does, and the change of the document.
type Knob = (&'static str, fn(&mut Document));

/// Each is turned with all before it still in place.
const KNOBS: [Knob; 6] = [
    ("as it comes: both circuits, both links of each (ER-8)", |_| ()),
    ("r-lon makes its path longer: Azure goes by Amsterdam (ER-8)", |document| {
        common::export(document, "lon-primary", "prepended");
        common::export(document, "lon-secondary", "prepended");
    }),
    ("weight 100 on London's connection: compared before the path (ER-8)", |document| {
        for connection in document.connections.iter_mut().filter(|c| c.id.as_str() == "cn-lon") {
            connection.routing_weight = 100;
        }
    }),
    ("r-ams tells one half as well: the longest match comes before both (ER-8)", |document| {
        common::export(document, "ams-primary", "summary-and-half");
        common::export(document, "ams-secondary", "summary-and-half");
    }),
    ("r-ams tells the half on its primary link only: active and passive (ER-10)", |document| {
        common::export(document, "ams-secondary", "summary");
    }),
    ("r-ams prefers what it hears: everything home by Amsterdam (ER-11)", |document| {
        common::import(document, "ams-primary", "preferred");
        common::import(document, "ams-secondary", "preferred");
    }),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => common::fail(&*error),
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut document = common::hybrid("two_circuits")?;
    let questions: [(&str, &str, IpAddr); 4] = [
        ("app to 192.168.1.1 (lower half)", "vnet/subnets/app", "192.168.1.1".parse()?),
        ("app to 192.168.200.1 (upper half)", "vnet/subnets/app", "192.168.200.1".parse()?),
        ("core to 10.20.0.4", "dc/routers/core", "10.20.0.4".parse()?),
        ("r-lon to 10.20.0.4", "dc/routers/r-lon", "10.20.0.4".parse()?),
    ];
    for (what, turn) in KNOBS {
        turn(&mut document);
        let network = common::build(&document)?;
        println!("{}", common::title(what));
        for (name, source, destination) in questions {
            println!("{name:<36}{}", links(&network, source, destination)?);
        }
        println!();
    }

    println!("{}", common::title("Why the upper half goes by Amsterdam after all that"));
    println!("{}", common::build(&document)?.explain("vnet/subnets/app", "192.168.200.1".parse()?)?);
    Ok(())
}

/// The links of circuits that the ways cross.
fn links(network: &Network, source: &str, destination: IpAddr) -> Result<String, Box<dyn Error>> {
    let answer = network.resolve(source, destination)?;
    let crossed: BTreeSet<(ResourceId, &str)> = answer
        .hops()
        .filter_map(|hop| match &hop.place {
            Place::Msee { circuit, link, .. } => Some((circuit.clone(), link.as_str())),
            _ => None,
        })
        .collect();
    let names: Vec<String> = crossed.iter().map(|(circuit, link)| format!("{circuit}/{link}")).collect();
    Ok(names.join(", "))
}
