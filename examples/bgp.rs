//! What every speaker of a BGP design has, and why one of them has one route.
//!
//! ```text
//! cargo run --release --example bgp
//! cargo run --release --example bgp -- design.toml
//! cargo run --release --example bgp -- design.toml 192.0.2.0/24 edge-2
//! ```
//!
//! Without a prefix the first of the first table is explained, without a speaker the one that has it from farthest.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use azroute::bgp::Engine;
use azroute::model::bgp::BgpDesign;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().map_or_else(sample, PathBuf::from);
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let design: BgpDesign = toml::from_str(&text)?;
    let engine = Engine::build(&design)?;

    for speaker in engine.speakers() {
        let Some(table) = engine.show(speaker) else { continue };
        println!("{speaker}\n\n{table}");
    }

    let mut speakers = engine.speakers();
    let first = speakers.next().and_then(|speaker| engine.loc_rib(speaker).next()).map(|route| route.prefix);
    let prefix = arguments.next().map(|prefix| prefix.parse()).transpose()?.or(first);
    let Some(prefix) = prefix else { return Err("there is no route to explain".into()) };
    let explanation = match arguments.next() {
        Some(speaker) => engine.explain(&speaker.as_str().into(), &prefix),
        // The longest way of all.
        None => engine.speakers().filter_map(|s| engine.explain(s, &prefix)).max_by_key(|e| e.places.len()),
    };
    print!("{}", explanation.ok_or("there is no such speaker")?);
    Ok(())
}

fn sample() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/data/bgp/explain.toml")
}
