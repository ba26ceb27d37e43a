//! What the examples share: reading files, naming places.
//!
//! The library never opens a file; this is the part that does.

#![allow(dead_code, reason = "no example uses all of it")]

use std::error::Error;
use std::ffi::OsStr;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use azroute::Network;
use azroute::import::{ImportError, ImportReport, Importer, InvalidTopology};
use azroute::model::{Change, Document, LinkRole, ResourceId, Topology};
use azroute::resolve::Answer;

/// Why an example gave up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExampleError {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read.
    #[error("`{path}`: {source}")]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The importer refused a file.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The files together make no sense.
    #[error("what was imported cannot be right: {}", list(.0.topology_error().problems()))]
    Topology(#[from] InvalidTopology),
    /// No place is called that.
    #[error("no subnet or network interface is called `{0}`")]
    NoSuchPlace(String),
    /// Several places are called that.
    #[error("`{name}` names {} places:{}", .candidates.len(), list(.candidates))]
    AmbiguousPlace { name: String, candidates: Vec<ResourceId> },
}

fn list(items: &[impl Display]) -> String {
    items.iter().map(|item| format!("\n  {item}")).collect()
}

/// The sample environment of this repository.
pub(crate) fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/provider")
}

/// Reads files, and every `.json` file of folders, into one topology.
///
/// A file that stands in a folder and holds no resources, such as a route table read from Azure, is skipped with a note;
/// a file named by itself must be readable, and so must be a document of ours.
pub(crate) fn load(paths: &[PathBuf]) -> Result<(Topology, ImportReport), ExampleError> {
    let mut importer = Importer::new();
    for path in paths {
        add(&mut importer, path, path)?;
    }
    Ok(importer.finish()?)
}

fn add(importer: &mut Importer, root: &Path, path: &Path) -> Result<(), ExampleError> {
    let io = |source| ExampleError::Io { path: path.to_owned(), source };
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(io)?;
        let mut children = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(io)?;
        children.sort();
        for child in children {
            if child.is_dir() || child.extension() == Some(OsStr::new("json")) {
                add(importer, root, &child)?;
            }
        }
        return Ok(());
    }
    let bytes = std::fs::read(path).map_err(io)?;
    match importer.add(&path.display().to_string(), &bytes) {
        Ok(_) => Ok(()),
        Err(error) if root != path && !matches!(error, ImportError::Document(_)) => {
            eprintln!("note: skipped {error}");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Says on standard error what the import could not use.
pub(crate) fn note(report: &ImportReport) {
    for warning in report.warnings.iter().take(5) {
        eprintln!("note: {warning}");
    }
    if report.warnings.len() > 5 {
        eprintln!("note: … and {} more warnings", report.warnings.len() - 5);
    }
    for reference in report.unresolved.iter().take(5) {
        eprintln!("note: {reference}");
    }
    if report.unresolved.len() > 5 {
        eprintln!("note: … and {} more references to what was not exported", report.unresolved.len() - 5);
    }
}

/// The subnet that `name` means: a subnet's id or the end of one, or that of a network interface in it.
pub(crate) fn find_subnet(topology: &Topology, name: &str) -> Result<ResourceId, ExampleError> {
    let document = topology.document();
    let subnets = document
        .virtual_networks
        .iter()
        .flat_map(|vnet| vnet.subnets.iter().map(|subnet| vnet.subnet_id(&subnet.name)))
        .map(|id| (id.clone(), id));
    let interfaces = document.network_interfaces.iter().filter_map(|nic| {
        let subnet = nic.ip_configurations.first()?.subnet.clone();
        Some((nic.id.clone(), subnet))
    });
    let mut found: Vec<(ResourceId, ResourceId)> =
        subnets.chain(interfaces).filter(|(id, _)| ends_with(id.as_str(), name)).collect();
    if let Some(exact) = found.iter().position(|(id, _)| id.as_str().eq_ignore_ascii_case(name)) {
        found = vec![found.swap_remove(exact)];
    }
    match found.as_slice() {
        [(_, subnet)] => Ok(subnet.clone()),
        [] => Err(ExampleError::NoSuchPlace(name.to_owned())),
        _ => Err(ExampleError::AmbiguousPlace {
            name: name.to_owned(),
            candidates: found.into_iter().map(|(id, _)| id).collect(),
        }),
    }
}

/// Whether the last segments of `id` are `name`, without regard to case.
fn ends_with(id: &str, name: &str) -> bool {
    let (id, name) = (id.to_ascii_lowercase(), name.to_ascii_lowercase());
    id.strip_suffix(&name).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

/// Prints an error with its causes, for `main`.
pub(crate) fn fail(error: &(dyn Error + 'static)) -> ExitCode {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        eprintln!("  because: {inner}");
        cause = inner.source();
    }
    ExitCode::FAILURE
}

/// A title with a line under it.
pub(crate) fn title(text: impl Display) -> String {
    let text = text.to_string();
    format!("{text}\n{}", "-".repeat(text.chars().count()))
}

/// A document of ours in `examples/data/hybrid`, by name.
pub(crate) fn hybrid(name: &str) -> Result<Document, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/data/hybrid/{name}.toml"));
    let text = std::fs::read_to_string(&path).map_err(|source| ExampleError::Io { path, source })?;
    Ok(toml::from_str(&text)?)
}

/// The network of a document.
pub(crate) fn build(document: &Document) -> Result<Network, Box<dyn Error>> {
    Ok(Network::build(&Topology::new(document.clone())?)?)
}

/// Hangs a policy on what a speaker says over a session.
pub(crate) fn export(document: &mut Document, session: &str, policy: &str) {
    for found in document.bgp_sessions.iter_mut().filter(|s| s.id.as_str() == session) {
        found.a.export_policies = vec![policy.to_owned()];
    }
}

/// Hangs a policy on what a speaker hears over a session.
pub(crate) fn import(document: &mut Document, session: &str, policy: &str) {
    for found in document.bgp_sessions.iter_mut().filter(|s| s.id.as_str() == session) {
        found.a.import_policies = vec![policy.to_owned()];
    }
}

/// Both links of a circuit, down.
pub(crate) fn lost(circuit: &str) -> [Change; 2] {
    LinkRole::BOTH.map(|link| Change::SetLink { circuit: circuit.into(), link, up: false })
}

/// The ways of an answer in short, one a line: the places of each path, and where it ends.
pub(crate) fn ways(answer: &Answer) -> String {
    let way = |path: azroute::resolve::Path<'_>| {
        let mut places: Vec<String> = path.hops().iter().map(|hop| hop.place.to_string()).collect();
        places.dedup();
        format!("  {} => {}\n", places.join(" -> "), path.disposition())
    };
    answer.paths().map(way).collect()
}
