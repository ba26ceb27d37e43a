//! Published, worked examples of Azure routing, rebuilt and compared.
//!
//! `cargo test --test cases` runs `data/cases/published.yaml`; what differs or cannot be compared is listed in
//! `data/cases/exceptions.toml` with the reason. `AZROUTE_CASES=<file> cargo test --test cases` runs any file of the
//! schema (told at the head of `published.yaml`) and prints every compared row and outcome and a closing count.

#[path = "cases/hybrid.rs"]
mod hybrid;
#[path = "cases/outcomes.rs"]
mod outcomes;
#[path = "cases/places.rs"]
mod places;
#[path = "cases/report.rs"]
mod report;
#[path = "cases/rows.rs"]
mod rows;
#[path = "cases/run.rs"]
mod run;
#[path = "cases/schema.rs"]
mod schema;
#[path = "cases/steps.rs"]
mod steps;
#[path = "cases/translate.rs"]
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
