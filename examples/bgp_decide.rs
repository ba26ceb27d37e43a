//! Which of several BGP routes does a router choose, and why not the others?
//!
//! ```text
//! cargo run --release --example bgp_decide                                    # the sample cases
//! cargo run --release --example bgp_decide -- --profile frr-8 < cases.json    # one case a line
//! ```
//!
//! Profiles: `rfc4271` (used where nothing is said), `frr-8`, `frr-10`, `bird-2`, `gobgp-3`, `cisco-ios`, `junos`,
//! `azure-msee`, `azure-expressroute-gateway`, `azure-vpn-gateway`, `azure-route-server`, `azure-virtual-hub`.
//!
//! A case is a JSON object on one line ([`azroute::bgp::decision::Case`]):
//!
//! | field | meaning |
//! |---|---|
//! | `id` | its name, printed with the answer |
//! | `profile` | whose decision process, in place of `--profile` |
//! | `decision` | settings that differ from the profile's: `always_compare_med`, `deterministic_med`, `missing_med_as_worst`, `as_path_ignore`, `as_path_confederation`, `multipath_relax`, `compare_router_id`, `prefer_oldest`, `cluster_list_length`, `igp_cost`; each `true` or `false` |
//! | `maximum_paths` | `{"ebgp": n, "ibgp": n}`: how many equal routes are used at once |
//! | `receiver` | who decides: `asn`; `router_id`, `cluster_id` (else the router id), `confederation` (its number), `reflects` (has clients) |
//! | `candidates` | the routes, in the order of arrival, the oldest first |
//!
//! and a candidate:
//!
//! | field | meaning |
//! |---|---|
//! | `peer` | who sent it: `asn`, `router_id`, `address`, `kind` (`ebgp`, `confed_ebgp`, `ibgp`; else told by the numbers), `allow_own_as` |
//! | `local` | or how it was made here: `network`, `redistributed`, `aggregate` |
//! | `attributes` | as received: `origin` (`igp`, `egp`, `incomplete`), `as_path` (`"65001 65002 {64500}"` or a list), `next_hop`, `med`, `local_preference`, `weight`, `atomic_aggregate`, `aggregator`, `communities`, `extended_communities`, `large_communities`, `originator_id`, `cluster_list` |
//! | `imported` | `true`: the attributes are those after import policy; nothing is refused or dropped on receipt |
//! | `igp_cost` | cost to the next hop, else 0 |
//! | `unresolved` | `true`: the next hop does not resolve |
//! | `age` | seconds it has been there; equal ages say nothing |
//! | `path_id`, `stale` | which of its peer's routes it is; kept while its peer restarts |
//!
//! For each case one line is printed: `line`, `id`, `best` (the candidate's index, or null), `multipath` (the indices used at
//! once), `undetermined` (nothing documented decides between those), `lost` (each other candidate with the `step` that beat
//! it and the one it lost `to`), `refused` (each candidate not considered, with the `reason`). A line that is no case gives
//! `line`, `error` and, where one is to blame, `field`; the rest goes on, and the exit code is 1 in the end.

use std::io::{self, BufRead, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use azroute::bgp::decision::{Case, Outcome};
use azroute::model::bgp::Profile;
use serde::Serialize;

const USAGE: &str = "usage: bgp_decide [--profile <name>] < <cases, one a line>";
const SAMPLE: &str = include_str!("data/bgp_decide/cases.json");

#[derive(Serialize)]
struct Answer {
    line: usize,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
struct Failure {
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    error: String,
}

fn main() -> ExitCode {
    let profile = match profile(std::env::args().skip(1)) {
        Ok(profile) => profile,
        Err(error) => {
            eprintln!("error: {error}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let done = if io::stdin().is_terminal() {
        run(SAMPLE.as_bytes(), profile)
    } else {
        run(io::stdin().lock(), profile)
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Whoever reads it has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn profile(mut arguments: impl Iterator<Item = String>) -> Result<Profile, String> {
    let mut profile = Profile::default();
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--profile" => {
                let name = arguments.next().ok_or("`--profile` needs a name")?;
                let value = serde_json::Value::String(name);
                profile = serde_json::from_value(value).map_err(|error| error.to_string())?;
            }
            other => return Err(format!("unknown argument `{other}`")),
        }
    }
    Ok(profile)
}

/// Whether every line was a case.
fn run(mut input: impl BufRead, profile: Profile) -> io::Result<bool> {
    let mut output = BufWriter::new(io::stdout().lock());
    let mut good = true;
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match answer(&line, profile) {
            Ok(outcome) => serde_json::to_writer(&mut output, &Answer { line: number, outcome })?,
            Err((field, error)) => {
                good = false;
                serde_json::to_writer(&mut output, &Failure { line: number, field, error })?;
            }
        }
        writeln!(output)?;
    }
    output.flush()?;
    Ok(good)
}

/// The answer, or the field to blame and why.
fn answer(line: &[u8], profile: Profile) -> Result<Outcome, (Option<String>, String)> {
    let case: Case = match serde_json::from_slice(line) {
        Ok(case) => case,
        Err(error) => return Err(blame(line, &error)),
    };
    case.decide(profile).map_err(|error| (Some(error.field), error.reason.to_owned()))
}

/// Reads the line once more, keeping track of where it is.
fn blame(line: &[u8], error: &serde_json::Error) -> (Option<String>, String) {
    let mut reader = serde_json::Deserializer::from_slice(line);
    let field = match serde_path_to_error::deserialize::<_, Case>(&mut reader) {
        Err(found) if found.path().iter().next().is_some() => Some(found.path().to_string()),
        _ => None,
    };
    // The text names a line of its own, of which there is only one.
    let text = error.to_string();
    let text = text.split(" at line 1 column ").next().unwrap_or(&text);
    (field, format!("{text} (column {})", error.column()))
}
