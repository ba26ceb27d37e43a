//! The effective routes of a subnet, as `az network nic show-effective-route-table` prints them.
//!
//! ```text
//! cargo run --release --example effective_routes                               # two subnets of the sample
//! cargo run --release --example effective_routes -- <files or folders…> <subnet or nic>
//! ```
//!
//! Flags: `-o json` (default) or `-o table`; `--compare <dump>` compares with what Azure printed and exits with 1 where
//! they differ (`--section <name>` where the dump holds several tables). A name without files asks the sample.
//!
//! Azure prints equal-cost routes now as one row with several addresses, now as several rows (rule VOC-12); here they
//! are always one row. Row order means nothing (VOC-14).

#![expect(clippy::print_stdout, reason = "an example prints")]

mod common;

use std::collections::BTreeMap;
use std::error::Error;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use azroute::Network;
use azroute::analysis::compare;
use azroute::import::effective_routes::{self, ObservedRoutes};
use azroute::model::{
    EffectiveNextHopType, EffectiveRouteRow, ResourceId, RouteSource, RouteState, Topology,
};
use serde_json::{Value, json};

use common::ExampleError;

const USAGE: &str = "usage: effective_routes [-o json|table] [--compare <dump> [--section <name>]] [<files or folders…>] [<subnet or nic>]";

#[derive(Default)]
struct Arguments {
    paths: Vec<PathBuf>,
    place: Option<String>,
    table: bool,
    compare: Option<PathBuf>,
    section: Option<String>,
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
    let Some(place) = &arguments.place else {
        print(&topology, &network, "vnet-portal/subnets/snet-batch", false)?;
        println!();
        print(&topology, &network, "vnet-portal/subnets/snet-web", true)?;
        return Ok(ExitCode::SUCCESS);
    };
    let Some(dump) = &arguments.compare else {
        print(&topology, &network, place, arguments.table)?;
        return Ok(ExitCode::SUCCESS);
    };
    let bytes = std::fs::read(dump).map_err(|source| ExampleError::Io { path: dump.clone(), source })?;
    let parsed = effective_routes::parse(&dump.display().to_string(), &bytes)?;
    let observed = section(&parsed, arguments.section.as_deref())?;
    let computed = network.effective_routes(&common::find_subnet(&topology, place)?)?.rows();
    let comparison = compare(&computed, observed);
    println!("{comparison}");
    Ok(if comparison.is_equal() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Arguments, ExampleError> {
    let usage = |what: String| ExampleError::Usage(format!("{what}\n{USAGE}"));
    let mut parsed = Arguments::default();
    let mut words = Vec::new();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match &*argument {
            "-o" | "--output" => {
                parsed.table = match arguments.next().as_deref() {
                    Some("table") => true,
                    Some("json") => false,
                    other => return Err(usage(format!("`-o` takes `json` or `table`, not {other:?}"))),
                }
            }
            "--compare" => {
                let dump = arguments.next().ok_or_else(|| usage("`--compare` needs a file".to_owned()))?;
                parsed.compare = Some(dump.into());
            }
            "--section" => {
                let name = arguments.next().ok_or_else(|| usage("`--section` needs a name".to_owned()))?;
                parsed.section = Some(name);
            }
            flag if flag.starts_with('-') => return Err(usage(format!("unknown flag `{flag}`"))),
            _ => words.push(argument),
        }
    }
    parsed.place = words.pop();
    parsed.paths = words.into_iter().map(PathBuf::from).collect();
    if parsed.paths.is_empty() {
        parsed.paths.push(common::sample());
    }
    Ok(parsed)
}

/// A table goes by all the lines above it, joined by ` / `, or by the first of them.
fn is_called(section: Option<&str>, wanted: &str) -> bool {
    section.is_some_and(|name| name == wanted || name.split(" / ").next() == Some(wanted))
}

/// The one effective-route table of a dump, or the one called `name`.
fn section<'a>(
    parsed: &'a ObservedRoutes,
    name: Option<&str>,
) -> Result<&'a [EffectiveRouteRow], ExampleError> {
    let found: Vec<_> = parsed
        .effective()
        .filter(|(section, _)| name.is_none_or(|wanted| is_called(*section, wanted)))
        .collect();
    match found.as_slice() {
        [(_, rows)] => Ok(rows),
        [] => Err(ExampleError::Usage("the dump holds no such effective-route table".to_owned())),
        _ => {
            let names: Vec<&str> = found.iter().map(|(section, _)| section.unwrap_or("(no name)")).collect();
            let names = names.join(", ");
            Err(ExampleError::Usage(format!(
                "the dump holds several tables, name one by `--section`: {names}"
            )))
        }
    }
}

fn print(topology: &Topology, network: &Network, place: &str, table: bool) -> Result<(), Box<dyn Error>> {
    let subnet = common::find_subnet(topology, place)?;
    let rows = group(network.effective_routes(&subnet)?.rows());
    if table {
        print!("{}", render_table(&rows));
    } else {
        let value = render_json(&rows, propagation_disabled(topology, &subnet));
        println!("{}", serde_json::to_string_pretty(&value)?);
    }
    Ok(())
}

/// One object of Azure's output: a service endpoint, mesh or service tag holds many prefixes (VOC-9).
struct Group {
    prefixes: Vec<String>,
    source: RouteSource,
    state: RouteState,
    next_hop_type: EffectiveNextHopType,
    next_hops: Vec<IpAddr>,
    name: Option<String>,
}

fn group(rows: impl IntoIterator<Item = EffectiveRouteRow>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut open: BTreeMap<(EffectiveNextHopType, RouteState, Option<String>), usize> = BTreeMap::new();
    for row in rows {
        let shared = row.name.is_some()
            || matches!(
                row.next_hop_type,
                EffectiveNextHopType::VirtualNetworkServiceEndpoint | EffectiveNextHopType::ConnectedGroup
            );
        let key = (row.next_hop_type, row.state, row.name.clone());
        if let (true, Some(at)) = (shared, open.get(&key)) {
            groups[*at].prefixes.push(row.prefix.to_string());
            continue;
        }
        if shared {
            open.insert(key, groups.len());
        }
        groups.push(Group {
            prefixes: vec![row.prefix.to_string()],
            source: row.source,
            state: row.state,
            next_hop_type: row.next_hop_type,
            next_hops: row.next_hop_ip_addresses,
            name: row.name,
        });
    }
    groups
}

fn propagation_disabled(topology: &Topology, subnet: &ResourceId) -> bool {
    topology
        .subnet(subnet)
        .and_then(|(_, subnet)| topology.route_table(subnet.route_table.as_ref()?))
        .is_some_and(|table| table.disable_bgp_route_propagation)
}

/// VOC-8.
fn render_json(rows: &[Group], disable_bgp_route_propagation: bool) -> Value {
    let value: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "addressPrefix": row.prefixes,
                "destinationServiceTags": [],
                "disableBgpRoutePropagation": disable_bgp_route_propagation,
                "hasBgpOverride": false,
                "name": row.name,
                "nextHopIpAddress": row.next_hops,
                "nextHopType": row.next_hop_type.as_str(),
                "source": row.source.as_str(),
                "state": row.state.as_str(),
                "tagMap": {},
            })
        })
        .collect();
    json!({ "nextLink": null, "value": value })
}

/// VOC-11: several addresses in one cell are separated by blanks.
fn render_table(rows: &[Group]) -> String {
    let header = ["Source", "State", "Address Prefix", "Next Hop Type", "Next Hop IP"];
    let cells: Vec<[String; 5]> = rows
        .iter()
        .map(|row| {
            let ips: Vec<String> = row.next_hops.iter().map(IpAddr::to_string).collect();
            [
                row.source.to_string(),
                row.state.to_string(),
                row.prefixes.join(" "),
                row.next_hop_type.to_string(),
                ips.join(" "),
            ]
        })
        .collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|i| cells.iter().map(|row| row[i].len()).max().unwrap_or(0).max(header[i].len() + 2))
        .collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut text = line(header.to_vec());
    text.push_str(&line(dashes.iter().map(String::as_str).collect()));
    for row in &cells {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}
