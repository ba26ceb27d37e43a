//! Where does a packet go?
//!
//! ```text
//! cargo run --release --example resolve                              # a tour of the sample environment
//! cargo run --release --example resolve -- <src> <dst>               # one question on the sample
//! cargo run --release --example resolve -- <files or folders…> <src> <dst>
//! ```
//!
//! `src` is an address, a named place (`snet-web`, `vnet-hub/subnets/snet-nva`, `nic-web-1`, `birch-hq`), or
//! `place@address`; `internet:192.0.2.7` is a host on the Internet, `service:Storage` or `service:198.51.100.7` a Microsoft
//! service. Flags: `--explain` lists every candidate route that lost and the rule that beat it; `--flow
//! tcp:443` asks for one flow, security groups included; `--pair` gives both directions and what they do to stateful
//! hops; `--findings` lists what the lints found.

#![expect(clippy::print_stdout, reason = "an example prints")]

mod common;

use std::error::Error;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use azroute::Network;
use azroute::resolve::{Flow, Protocol, ResolveError, Source};

use common::ExampleError;

const USAGE: &str = "usage: resolve [--explain] [--pair] [--flow <protocol[:[source port:]port]>] [--findings] \
                     [<files or folders…>] [<src> <dst>]";

/// The tour: what is asked, and why it is worth asking.
const TOUR: &[(&str, &str, &str, Mode)] = &[
    (
        "A web server asks the Internet: its 0/0 route names the firewall, which goes out with its own address",
        "nic-web-1",
        "203.0.113.77",
        Mode::Plain,
    ),
    (
        "The same server asks the datacentre: through the firewall, then ExpressRoute over both links",
        "nic-web-1",
        "10.100.1.10",
        Mode::Pair,
    ),
    (
        "A tool server asks the datacentre: its 0/0 route means to use the appliances, and BGP is more specific",
        "nic-tools-1",
        "10.100.1.10",
        Mode::Explain,
    ),
    (
        "A web server asks a tool server: out by the firewall, back by the appliance pair",
        "nic-web-1",
        "10.12.0.4",
        Mode::Pair,
    ),
    (
        "A web server asks the lab: the lab's peering lets no forwarded traffic in",
        "nic-web-1",
        "10.13.0.4",
        Mode::Plain,
    ),
    (
        "A web server asks the backup vault: a private endpoint's /32 is not caught by 0/0",
        "nic-web-1",
        "10.10.4.4",
        Mode::Plain,
    ),
    (
        "A batch server asks storage: the service endpoint, not the NAT gateway",
        "nic-batch-1",
        "198.51.100.10",
        Mode::Plain,
    ),
    (
        "A batch server asks the provider's public range: the table says Internet, the edge says Microsoft peering",
        "nic-batch-1",
        "203.0.113.10",
        Mode::Plain,
    ),
    (
        "Alder's server asks the Internet: its datacentre announces 0/0 (forced tunnelling, connect-to)",
        "vnet-alder/subnets/snet-app",
        "203.0.113.77",
        Mode::Plain,
    ),
    (
        "Birch's desk asks Birch's server: across the provider's network (connect-through)",
        "birch-hq/hostRanges/desks",
        "10.20.0.4",
        Mode::Plain,
    ),
    (
        "SSH from the datacentre to a web server: routed, and denied by a security rule",
        "meridian-dc/hostRanges/monitoring",
        "10.11.0.4",
        Mode::Flow("tcp:22"),
    ),
    ("Two customers own 10.20.0.4: azroute does not guess", "10.20.0.4", "10.50.1.10", Mode::Plain),
];

#[derive(Clone, Copy)]
enum Mode {
    Plain,
    Explain,
    Pair,
    Flow(&'static str),
}

#[derive(Default)]
struct Arguments {
    paths: Vec<PathBuf>,
    question: Option<(String, String)>,
    explain: bool,
    pair: bool,
    findings: bool,
    flow: Option<String>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", describe(&*error));
            ExitCode::FAILURE
        }
    }
}

/// The error in words; of an ambiguous source every place it may mean, one a line.
fn describe(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<ResolveError>() {
        Some(ResolveError::AmbiguousSource { name, candidates }) => {
            let lines: String = candidates.iter().map(|id| format!("\n  {id}")).collect();
            format!("`{name}` stands for several places; ask from one of them by name:{lines}")
        }
        _ => error.to_string(),
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments = parse(std::env::args().skip(1))?;
    let (topology, report) = common::load(&arguments.paths)?;
    common::note(&report);
    let network = Network::build(&topology)?;
    match &arguments.question {
        Some((source, destination)) => ask(&network, source, destination, &arguments)?,
        None if !arguments.findings => tour(&network),
        None => {}
    }
    if arguments.findings {
        for finding in network.findings() {
            println!("{finding}");
        }
    }
    Ok(())
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Arguments, ExampleError> {
    let usage = |what: &str| ExampleError::Usage(format!("{what}\n{USAGE}"));
    let mut parsed = Arguments::default();
    let mut words = Vec::new();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--explain" => parsed.explain = true,
            "--pair" => parsed.pair = true,
            "--findings" => parsed.findings = true,
            "--flow" => {
                parsed.flow = Some(arguments.next().ok_or_else(|| usage("`--flow` needs a protocol"))?);
            }
            flag if flag.starts_with("--") => return Err(usage(&format!("unknown flag `{flag}`"))),
            _ => words.push(argument),
        }
    }
    if parsed.pair && parsed.flow.is_some() {
        return Err(usage("`--pair` asks by route alone and takes no `--flow`"));
    }
    match words.len() {
        0 => {}
        1 if parsed.findings => parsed.paths.push(words.remove(0).into()),
        1 => return Err(usage("a question needs a source and a destination")),
        n => {
            let destination = words.remove(n - 1);
            let source = words.remove(n - 2);
            parsed.question = Some((source, destination));
            parsed.paths = words.into_iter().map(PathBuf::from).collect();
        }
    }
    if parsed.paths.is_empty() {
        parsed.paths.push(common::sample());
    }
    Ok(parsed)
}

fn ask(
    network: &Network,
    source: &str,
    destination: &str,
    arguments: &Arguments,
) -> Result<(), Box<dyn Error>> {
    let to: IpAddr = destination
        .parse()
        .map_err(|_| ExampleError::Usage(format!("the destination `{destination}` is not an IP address")))?;
    let from = read_source(source)?;
    match &arguments.flow {
        Some(text) => println!("{}", network.evaluate(&read_flow(text, from.clone(), to)?)?),
        None if arguments.pair => print_pair(network, from.clone(), to)?,
        // An explanation starts with the answer.
        None if arguments.explain => {}
        None => {
            let answer = network.resolve(from.clone(), to)?;
            println!("{answer}");
            if let Some(bandwidth) = answer.path().bandwidth() {
                println!("carries: {bandwidth}");
            }
        }
    }
    if arguments.explain {
        println!("{}", network.explain(from, to)?.to_string().trim_end());
    }
    Ok(())
}

fn print_pair(network: &Network, from: Source, to: IpAddr) -> Result<(), Box<dyn Error>> {
    let pair = network.resolve_pair(from, to)?;
    println!("{}", pair.forward());
    for reply in pair.replies() {
        println!("\nreply: {reply}");
    }
    if pair.replies().is_empty() {
        println!("\nreply: none, the packet arrives nowhere that answers from here");
    }
    for asymmetry in pair.asymmetries() {
        println!("asymmetry: {asymmetry}");
    }
    if let Some(place) = pair.lost_at() {
        println!("the reply is dropped at `{place}`");
    }
    if pair.asymmetries().is_empty() && !pair.replies().is_empty() {
        println!("symmetric for every stateful hop");
    }
    Ok(())
}

fn tour(network: &Network) {
    for (what, source, destination, mode) in TOUR {
        println!("{}", common::title(what));
        let arguments = Arguments {
            explain: matches!(mode, Mode::Explain),
            pair: matches!(mode, Mode::Pair),
            flow: match mode {
                Mode::Flow(text) => Some((*text).to_owned()),
                _ => None,
            },
            ..Arguments::default()
        };
        if let Err(error) = ask(network, source, destination, &arguments) {
            println!("error: {}", describe(&*error));
        }
        println!();
    }
}

/// `address`, `place`, `place@address`, `internet:address`, `service:tag` or `service:address`.
fn read_source(text: &str) -> Result<Source, ExampleError> {
    let read = |address: &str| -> Result<IpAddr, ExampleError> {
        address.parse().map_err(|_| {
            ExampleError::Usage(format!("`{address}` in the source `{text}` is not an IP address"))
        })
    };
    if let Some(address) = text.strip_prefix("internet:") {
        return Ok(Source::Internet(read(address)?));
    }
    if let Some(name) = text.strip_prefix("service:") {
        return Ok(name.parse().map_or_else(|_| Source::Service(name.to_owned()), Source::ServiceAddress));
    }
    match text.rsplit_once('@') {
        Some((place, address)) => Ok(Source::at(place, read(address)?)),
        None => Ok(Source::from(text)),
    }
}

/// `tcp:443`, `udp:50000:53`, `icmp`.
fn read_flow(text: &str, source: Source, destination: IpAddr) -> Result<Flow, ExampleError> {
    let wrong = || ExampleError::Usage(format!("`{text}` is not a flow: write `tcp:443` or `udp:50000:53`"));
    let port = |text: &str| text.parse::<u16>().map_err(|_| wrong());
    let parts: Vec<&str> = text.split(':').collect();
    let (protocol, ports) = parts.split_first().ok_or_else(wrong)?;
    let protocol = match *protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "icmp" => Protocol::Icmp,
        "esp" => Protocol::Esp,
        "ah" => Protocol::Ah,
        number => Protocol::Other(number.parse().map_err(|_| wrong())?),
    };
    let has_ports = matches!(protocol, Protocol::Tcp | Protocol::Udp);
    let (source_port, destination_port) = match ports {
        [] if !has_ports => (0, 0),
        [to] if has_ports => (50_000, port(to)?),
        [from, to] if has_ports => (port(from)?, port(to)?),
        _ => return Err(wrong()),
    };
    Ok(Flow { source, destination, protocol, source_port, destination_port })
}
