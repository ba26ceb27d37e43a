//! Published, worked examples of Azure routing, rebuilt and compared.
//!
//! `cargo test --test cases` runs `data/cases/published.yaml`; what differs or cannot be compared is listed in
//! `data/cases/exceptions.toml` with the reason. `AZROUTE_CASES=<file> cargo test --test cases` runs any file of the
//! schema (told at the head of `published.yaml`) and prints every compared row and outcome and a closing count.

mod checked;
mod hubs;
mod hybrid;
mod outcomes;
mod places;
mod report;
mod rows;
mod run;
mod schema;
mod steps;
mod tables;
mod translate;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use report::{CaseReport, Count, Exceptions};

fn data(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cases").join(name)
}

/// Past the capture of the test harness: whoever runs a file wants to see what became of it.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // A closed pipe is the reader's wish.
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

struct Done {
    reports: Vec<CaseReport>,
    unreadable: Vec<(String, String)>,
    exceptions: Exceptions,
}

impl Done {
    fn print(&self) -> String {
        let mut text = String::new();
        for report in &self.reports {
            text.push_str(&report::print(report, &self.exceptions));
        }
        for (id, why) in &self.unreadable {
            let _ = writeln!(text, "== {id}: cannot be read: {why}");
        }
        text.push_str(&self.close());
        text
    }

    fn close(&self) -> String {
        let count =
            |keep: &dyn Fn(&Count) -> bool| self.reports.iter().filter(|r| keep(&Count::of([*r]))).count();
        let different = count(&|c| c.different > 0);
        let equal = count(&|c| c.different == 0 && c.compared > 0);
        format!(
            "\n{} cases: {equal} equal, {different} different, {} not comparable, {} not readable\nrows and outcomes: {}\n",
            self.reports.len() + self.unreadable.len(),
            self.reports.len() - equal - different,
            self.unreadable.len(),
            Count::of(&self.reports)
        )
    }
}

fn run_file(path: &Path) -> Result<Done, String> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()));
    let file = schema::read(&read(path)?)?;
    let supplements = run::supplements(&read(&data("declared.yaml"))?)?;
    let exceptions = Exceptions::read(&read(&data("exceptions.toml"))?)?;
    let reports = file.cases.iter().map(|case| run::run(case, &supplements)).collect();
    Ok(Done { reports, unreadable: file.unreadable, exceptions })
}

/// Every published case passes, or is listed with the reason.
#[test]
fn published_cases() {
    let done = run_file(&data("published.yaml")).unwrap();
    assert!(done.unreadable.is_empty(), "{:?}", done.unreadable);
    let wrong = report::against(&done.reports, &done.exceptions);
    let count = Count::of(&done.reports);
    if !wrong.is_empty() {
        say(&done.print());
    } else {
        say(&done.close());
    }
    assert!(wrong.is_empty(), "{} are not as listed:\n{}", wrong.len(), wrong.join("\n"));
    let pinned = done.exceptions.compared;
    assert!(
        count.compared >= pinned,
        "{} compared, {pinned} pinned: the count may only rise",
        count.compared
    );
    if count.compared > pinned {
        say(&format!("{} compared, {pinned} pinned: raise `compared` in exceptions.toml\n", count.compared));
    }
}

/// `AZROUTE_CASES=<file>`: the same for any file; differences that are not listed fail after everything is printed.
#[test]
fn cases_of_a_file() {
    let Some(path) = std::env::var_os("AZROUTE_CASES") else { return };
    let done = run_file(Path::new(&path)).unwrap();
    say(&done.print());
    assert!(done.unreadable.is_empty(), "{} cases cannot be read", done.unreadable.len());
    let unlisted = done.reports.iter().flat_map(|report| {
        let differs = |item: &&report::Item| matches!(item.outcome, report::Outcome::Different(_));
        report.items.iter().filter(differs).filter(|item| done.exceptions.find(&report.id, item).is_none())
    });
    assert_eq!(unlisted.count(), 0, "differences that are not listed (see above)");
}

/// The whole way, from the file to the verdict: every planted error is seen.
#[test]
fn planted_errors_are_different() {
    const CASE: &str = "
schema_version: 1
cases:
  - id: planted
    given:
      vnets:
        hub: {space: [10.0.0.0/16], subnets: {apps: {prefix: 10.0.1.0/24, route_table: rt, vms: {vm: 10.0.1.4}}}}
        spoke: {space: [10.1.0.0/16]}
      gateways: [{name: gw, vnet: hub, kind: vpn, printed_next_hop: 52.0.0.1}]
      on_prem: [{site: branch, asn: 65001, via: gw, announces: [192.168.0.0/24]}]
      nvas: [{name: fw, vnet: hub, ip: 10.0.2.4}]
      route_tables: {rt: {routes: [{name: r, prefix: 172.20.0.0/16, next_hop_type: VirtualAppliance, next_hop_ip: 10.0.2.4}]}}
      peerings: [{from: hub, to: spoke}, {from: spoke, to: hub}]
    expect:
      effective_routes:
        - at: vm
          listing: without_none_rows
          rows:
            - {source: Default, state: Active, prefix: 10.0.0.0/16, next_hop_type: VNetLocal}
            - {source: Default, state: Active, prefix: 10.1.0.0/16, next_hop_type: VNetPeering}
            - {source: Default, state: Active, prefix: 0.0.0.0/0, next_hop_type: Internet}
            - {source: VirtualNetworkGateway, state: Active, prefix: 192.168.0.0/24, next_hop_type: VirtualNetworkGateway, next_hop_ip: 52.0.0.1}
            - {source: User, state: Active, prefix: 172.20.0.0/16, next_hop_type: VirtualAppliance, next_hop_ip: 10.0.2.4}
      resolve:
        - {from: vm, to: 192.168.0.9, next_hop_type: VirtualNetworkGateway, matched_prefix: 192.168.0.0/24, path: [gw, branch], delivered: true}
        - {from: vm, to: 10.1.0.4, next_hop_type: VNetPeering, dropped: false}
";
    let count = |text: &str| {
        let file = schema::read(text).unwrap();
        let reports: Vec<CaseReport> = file.cases.iter().map(|case| run::run(case, &[])).collect();
        Count::of(&reports)
    };
    let right = count(CASE);
    assert_eq!((right.equal, right.different, right.not_comparable), (8, 0, 0));
    for (from, to, wrong) in [
        (
            "prefix: 10.1.0.0/16, next_hop_type: VNetPeering",
            "prefix: 10.1.0.0/16, next_hop_type: VNetGlobalPeering",
            1,
        ),
        ("state: Active, prefix: 0.0.0.0/0", "state: Invalid, prefix: 0.0.0.0/0", 1),
        (
            "next_hop_ip: 52.0.0.1}\n            - {source: User",
            "next_hop_ip: 52.0.0.2}\n            - {source: User",
            2,
        ),
        (
            "            - {source: Default, state: Active, prefix: 10.1.0.0/16, next_hop_type: VNetPeering}\n",
            "",
            1,
        ),
        ("matched_prefix: 192.168.0.0/24", "matched_prefix: 0.0.0.0/0", 1),
        ("path: [gw, branch]", "path: [branch, gw]", 1),
        ("delivered: true", "delivered: false", 1),
        ("dropped: false", "dropped: true", 1),
    ] {
        let planted = CASE.replace(from, to);
        assert_ne!(planted, CASE, "{to}");
        assert_eq!(count(&planted).different, wrong, "{to}");
    }
}
