//! Prints what an export holds: `cargo run --release --example import -- <files or folders…>`.
//!
//! Says of each input what it holds, then what they give together. Files that hold route tables read from Azure are shown
//! as such.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use azroute::import::effective_routes;
use azroute::import::{ImportReport, Importer};

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if arguments.is_empty() {
        println!("usage: import <files or folders…>");
        return ExitCode::FAILURE;
    }
    let mut files = Vec::new();
    for argument in &arguments {
        if let Err(error) = collect(argument, &mut files) {
            println!("`{}`: {error}", argument.display());
            return ExitCode::FAILURE;
        }
    }
    let mut merged = Importer::new();
    let (mut read, mut refused) = (0, 0);
    for file in &files {
        let name = file.display().to_string();
        let bytes = match std::fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) => {
                println!("{name}\n  not read: {error}");
                refused += 1;
                continue;
            }
        };
        println!("{name}");
        match merged.add(&name, &bytes) {
            Ok(loaded) => {
                println!("  {}", loaded.format);
                counts("resources", &loaded.counts);
                counts("not modelled", &loaded.ignored);
                read += 1;
            }
            Err(error) if error.kind() == "route-reading" || file.extension().is_none_or(|e| e != "json") => {
                match effective_routes::parse(&name, &bytes) {
                    Ok(observed) => {
                        for section in &observed.sections {
                            let rows = format!("{:?}", section.table);
                            let kind = rows.split(['(', ' ']).next().unwrap_or_default();
                            println!(
                                "  route table ({kind}): {}",
                                section.name.as_deref().unwrap_or("without a name")
                            );
                        }
                        for warning in &observed.warnings {
                            println!("  warning: {warning}");
                        }
                        read += 1;
                    }
                    Err(_) => {
                        println!("  refused: {error}");
                        refused += 1;
                    }
                }
            }
            Err(error) => {
                println!("  refused: {error}");
                refused += 1;
            }
        }
    }
    println!("merged: {read} inputs read, {refused} refused");
    match merged.finish() {
        Ok((topology, report)) => {
            summary(&report);
            println!("  the topology holds {} resources", topology.document().len());
            ExitCode::SUCCESS
        }
        Err(invalid) => {
            summary(invalid.report());
            println!("  the topology cannot be right:");
            for problem in invalid.topology_error().problems() {
                println!("    {problem}");
            }
            ExitCode::FAILURE
        }
    }
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| collect(entry, files))
}

fn counts(what: &str, counts: &BTreeMap<String, usize>) {
    if !counts.is_empty() {
        let counts: Vec<String> = counts.iter().map(|(kind, n)| format!("{kind} {n}")).collect();
        println!("  {what}: {}", counts.join(", "));
    }
}

fn summary(report: &ImportReport) {
    counts("resources", &report.counts);
    counts("not modelled", &report.ignored);
    for reference in &report.unresolved {
        println!("  unresolved: {reference}");
    }
    for warning in &report.warnings {
        println!("  warning: {warning}");
    }
}
