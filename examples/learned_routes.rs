//! The BGP tables of gateways, Route Servers and circuits, as `az network vnet-gateway list-learned-routes` and
//! `az network express-route list-route-tables` print them.
//!
//! ```text
//! cargo run --release --example learned_routes                                # every table of the sample
//! cargo run --release --example learned_routes -- <files or folders…> <gateway, Route Server or circuit>
//! ```
//!
//! Flags: `--advertised <peer>` shows what a gateway or Route Server tells one peer; `--secondary` the secondary link of a
//! circuit; `-o json` prints what `az … -o json` would; `--compare <dump>` compares with what Azure printed and exits
//! with 1 where they differ.

#![expect(clippy::print_stdout, reason = "an example prints")]

mod common;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use azroute::Network;
use azroute::analysis::{TableError, compare_tables};
use azroute::import::effective_routes::{self, ObservedTable};
use azroute::model::tables::{ExpressRouteCircuitRoutesTable, GatewayRoute, ListResult, TableRow};
use azroute::model::{LinkRole, PeeringType, ResourceId};
use serde::Serialize;

use common::ExampleError;

const USAGE: &str = "usage: learned_routes [-o json|table] [--advertised <peer>] [--secondary] [--compare <dump>] [<files or folders…>] [<gateway, Route Server or circuit>]";

#[derive(Default)]
struct Arguments {
    paths: Vec<PathBuf>,
    name: Option<String>,
    json: bool,
    advertised: Option<String>,
    secondary: bool,
    compare: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => common::fail(&*error),
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = parse(std::env::args().skip(1))?;
    let (topology, report) = common::load(&arguments.paths)?;
    common::note(&report);
    let network = Network::build(&topology)?;
    let Some(name) = &arguments.name else {
        print_all(&network)?;
        return Ok(ExitCode::SUCCESS);
    };
    let id = ResourceId::new(name);
    let learned = match &arguments.advertised {
        Some(peer) => network.advertised_routes(&id, peer),
        None => network.learned_routes(&id),
    };
    match learned {
        Ok(list) => show(&arguments, &list, |table| match table {
            ObservedTable::Gateway(rows) => Some(rows),
            _ => None,
        }),
        Err(TableError::Unknown { .. }) => {
            let link = if arguments.secondary { LinkRole::Secondary } else { LinkRole::Primary };
            let list = match network.circuit_route_table(&id, PeeringType::AzurePrivatePeering, link) {
                Err(TableError::Unknown { .. }) => {
                    let reason = format!("no gateway, Route Server or circuit is called `{name}`");
                    return Err(ExampleError::Usage(reason).into());
                }
                other => other?,
            };
            show(&arguments, &list, |table| match table {
                ObservedTable::Circuit(rows) => Some(rows),
                _ => None,
            })
        }
        Err(other) => Err(other.into()),
    }
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Arguments, ExampleError> {
    let usage = |what: String| ExampleError::Usage(format!("{what}\n{USAGE}"));
    let mut parsed = Arguments::default();
    let mut words = Vec::new();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match &*argument {
            "-o" | "--output" => {
                parsed.json = match arguments.next().as_deref() {
                    Some("json") => true,
                    Some("table") => false,
                    other => return Err(usage(format!("`-o` takes `json` or `table`, not {other:?}"))),
                }
            }
            "--advertised" => {
                let peer = arguments.next();
                parsed.advertised =
                    Some(peer.ok_or_else(|| usage("`--advertised` takes a peer".to_owned()))?);
            }
            "--secondary" => parsed.secondary = true,
            "--compare" => {
                let dump = arguments.next();
                parsed.compare =
                    Some(dump.ok_or_else(|| usage("`--compare` takes a file".to_owned()))?.into());
            }
            flag if flag.starts_with('-') => return Err(usage(format!("unknown flag `{flag}`"))),
            _ => words.push(argument),
        }
    }
    parsed.name = words.pop();
    parsed.paths = words.into_iter().map(PathBuf::from).collect();
    if parsed.paths.is_empty() {
        parsed.paths.push(common::sample());
    }
    Ok(parsed)
}

/// Prints a table, or what differs from a dump.
fn show<T: TableRow + Serialize>(
    arguments: &Arguments,
    list: &ListResult<T>,
    read: fn(ObservedTable) -> Option<Vec<T>>,
) -> Result<ExitCode, Box<dyn Error>> {
    let Some(dump) = &arguments.compare else {
        match arguments.json {
            true => println!("{}", serde_json::to_string_pretty(list)?),
            false => println!("{list}"),
        }
        return Ok(ExitCode::SUCCESS);
    };
    let bytes = std::fs::read(dump).map_err(|source| ExampleError::Io { path: dump.clone(), source })?;
    let parsed = effective_routes::parse(&dump.display().to_string(), &bytes)?;
    let printed: Vec<T> =
        parsed.sections.into_iter().filter_map(|section| read(section.table)).flatten().collect();
    let comparison = compare_tables(&list.value, &printed);
    println!("{comparison}");
    Ok(if comparison.is_equal() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every table of a network.
fn print_all(network: &Network) -> Result<(), TableError> {
    let document = network.topology().document();
    for gateway in &document.virtual_network_gateways {
        let list: ListResult<GatewayRoute> = match network.learned_routes(&gateway.id) {
            Err(TableError::NoBgp { .. }) => continue,
            other => other?,
        };
        println!("{}: learned routes\n{list}\n", gateway.id);
    }
    for circuit in &document.express_route_circuits {
        let private = PeeringType::AzurePrivatePeering;
        if circuit.peering(private).is_some() {
            let list: ListResult<ExpressRouteCircuitRoutesTable> =
                network.circuit_route_table(&circuit.id, private, LinkRole::Primary)?;
            println!("{}: route table, primary\n{list}\n", circuit.id);
        }
    }
    Ok(())
}
