//! What became of each row and outcome, the listed exceptions, and the closing count.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use serde::Deserialize;

/// What a comparison gave.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Equal,
    Different(String),
    NotComparable(String),
}

/// One compared row or outcome.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Where it stands in the case.
    pub(crate) key: String,
    pub(crate) text: String,
    pub(crate) outcome: Outcome,
    /// It rests on a route that a supplement declares.
    pub(crate) declared: bool,
}

impl Item {
    pub(crate) fn new(key: impl Into<String>, text: impl Into<String>, outcome: Outcome) -> Self {
        Self { key: key.into(), text: text.into(), outcome, declared: false }
    }
}

/// A case, done.
#[derive(Clone, Debug, Default)]
pub(crate) struct CaseReport {
    pub(crate) id: String,
    pub(crate) title: String,
    /// What the source leaves open and how it was read.
    pub(crate) reading: String,
    pub(crate) assumptions: Vec<String>,
    pub(crate) unused: Vec<String>,
    pub(crate) items: Vec<Item>,
}

impl CaseReport {
    pub(crate) fn differences(&self) -> usize {
        self.items.iter().filter(|i| matches!(i.outcome, Outcome::Different(_))).count()
    }

    pub(crate) fn equal(&self) -> usize {
        self.items.iter().filter(|i| i.outcome == Outcome::Equal).count()
    }
}

/// Rows and outcomes, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) compared: usize,
    pub(crate) equal: usize,
    pub(crate) different: usize,
    pub(crate) not_comparable: usize,
    /// Of those compared, how many rest on declared routes.
    pub(crate) declared: usize,
}

impl Count {
    pub(crate) fn of<'a>(reports: impl IntoIterator<Item = &'a CaseReport>) -> Self {
        let mut count = Self::default();
        for item in reports.into_iter().flat_map(|r| &r.items) {
            match item.outcome {
                Outcome::Equal => count.equal += 1,
                Outcome::Different(_) => count.different += 1,
                Outcome::NotComparable(_) => count.not_comparable += 1,
            }
            if item.declared && !matches!(item.outcome, Outcome::NotComparable(_)) {
                count.declared += 1;
            }
        }
        count.compared = count.equal + count.different;
        count
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "compared {} (equal {}, different {}), not comparable {}; {} of those compared rest on declared routes",
            self.compared, self.equal, self.different, self.not_comparable, self.declared
        )
    }
}

/// The file of exceptions: what differs or cannot be compared, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exceptions {
    /// The least number of rows and outcomes that are compared; it may only rise.
    pub(crate) compared: usize,
    #[serde(default)]
    pub(crate) exception: Vec<Exception>,
}

/// One reason for some keys of a case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    /// The case's id, or `*`.
    pub(crate) case: String,
    pub(crate) kind: Kind,
    /// Keys; `*` stands for any text.
    pub(crate) keys: Vec<String>,
    pub(crate) reason: String,
    /// The rules that the source contradicts.
    #[serde(default)]
    pub(crate) rules: Vec<String>,
    /// The later issue that will compare it.
    #[serde(default)]
    pub(crate) needs: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Different,
    NotComparable,
}

impl Exceptions {
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let read: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        for exception in &read.exception {
            if exception.kind == Kind::Different && exception.rules.is_empty() && exception.needs.is_none() {
                return Err(format!("{}: names neither rules nor the issue that it needs", exception.case));
            }
        }
        Ok(read)
    }

    /// The reason listed for an item, with the place in the file.
    pub(crate) fn find(&self, case: &str, item: &Item) -> Option<(usize, usize)> {
        let kind = match item.outcome {
            Outcome::Equal => return None,
            Outcome::Different(_) => Kind::Different,
            Outcome::NotComparable(_) => Kind::NotComparable,
        };
        // The case's own entries before those for every case.
        for wild in [false, true] {
            for (i, exception) in self.exception.iter().enumerate() {
                if exception.kind != kind || (exception.case == "*") != wild {
                    continue;
                }
                if !wild && exception.case != case {
                    continue;
                }
                if let Some(k) = exception.keys.iter().position(|pattern| matches(pattern, &item.key)) {
                    return Some((i, k));
                }
            }
        }
        None
    }
}

/// Whether the key is of the pattern; `*` stands for any text.
fn matches(pattern: &str, key: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == key,
        Some((head, tail)) => {
            let Some(rest) = key.strip_prefix(head) else { return false };
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(tail, &rest[at..]))
        }
    }
}

/// Everything that stands against the file: unlisted items, and listed ones that are not (or no longer) there.
pub(crate) fn against(reports: &[CaseReport], exceptions: &Exceptions) -> Vec<String> {
    let mut used: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for report in reports {
        for item in &report.items {
            match (&item.outcome, exceptions.find(&report.id, item)) {
                (Outcome::Equal, _) => {}
                (_, Some(place)) => *used.entry(place).or_default() += 1,
                (Outcome::Different(why), None) => {
                    wrong.push(format!("{} {}: {} -- different: {why}", report.id, item.key, item.text));
                }
                (Outcome::NotComparable(why), None) => {
                    wrong.push(format!("{} {}: {} -- not comparable: {why}", report.id, item.key, item.text));
                }
            }
        }
    }
    for (i, exception) in exceptions.exception.iter().enumerate() {
        for (k, key) in exception.keys.iter().enumerate() {
            if !used.contains_key(&(i, k)) {
                wrong.push(format!("{} {key}: listed as an exception, and is none", exception.case));
            }
        }
    }
    wrong
}

/// The report of one case.
pub(crate) fn print(report: &CaseReport, exceptions: &Exceptions) -> String {
    let mut text = String::new();
    let count = Count::of([report]);
    let verdict = match () {
        () if count.different > 0 => "different",
        () if count.compared > 0 => "equal",
        () => "not comparable",
    };
    let _ = writeln!(text, "== {}: {verdict} ({}; {})", report.id, count, report.title);
    if !report.reading.is_empty() {
        let _ = writeln!(text, "   read as: {}", report.reading);
    }
    for line in &report.assumptions {
        let _ = writeln!(text, "   assumed: {line}");
    }
    for line in &report.unused {
        let _ = writeln!(text, "   not used: {line}");
    }
    for item in &report.items {
        let (word, why) = match &item.outcome {
            Outcome::Equal => ("equal", None),
            Outcome::Different(why) => ("DIFFERENT", Some(why)),
            Outcome::NotComparable(why) => ("not comparable", Some(why)),
        };
        let declared = if item.declared { " [declared]" } else { "" };
        let _ = write!(text, "   {word:<14} {}: {}{declared}", item.key, item.text);
        if let Some(why) = why {
            let _ = write!(text, " -- {why}");
        }
        if let Some((i, _)) = exceptions.find(&report.id, item) {
            let exception = &exceptions.exception[i];
            let _ = write!(text, " ({}", exception.reason);
            for rule in &exception.rules {
                let _ = write!(text, "; {rule}");
            }
            if let Some(needs) = &exception.needs {
                let _ = write!(text, "; needs {needs}");
            }
            text.push(')');
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports() -> Vec<CaseReport> {
        vec![CaseReport {
            id: "a".to_owned(),
            items: vec![
                Item::new("rows[0]", "x", Outcome::Equal),
                Item::new("rows[1]", "y", Outcome::Different("z".to_owned())),
                Item::new("facts[0]", "w", Outcome::NotComparable("words".to_owned())),
            ],
            ..CaseReport::default()
        }]
    }

    const BOTH: &str = "compared = 2\n[[exception]]\ncase = '*'\nkind = 'not_comparable'\nkeys = ['facts[*]']\n\
                        reason = 'words'\n[[exception]]\ncase = 'a'\nkind = 'different'\nkeys = ['rows[1]']\n\
                        reason = 'r'\nrules = ['CON-7']\n";

    #[test]
    fn every_difference_must_be_listed_and_every_listed_one_be_there() {
        let listed = Exceptions::read(BOTH).unwrap();
        assert_eq!(against(&reports(), &listed), Vec::<String>::new());
        let unlisted = Exceptions::read("compared = 2").unwrap();
        assert_eq!(against(&reports(), &unlisted).len(), 2);
        let mut healed = reports();
        healed[0].items[1].outcome = Outcome::Equal;
        let wrong = against(&healed, &listed);
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].contains("is none"), "{wrong:?}");
    }

    #[test]
    fn a_difference_needs_rules_or_an_issue() {
        assert!(Exceptions::read(&BOTH.replace("rules = ['CON-7']", "")).is_err());
        assert!(Exceptions::read(&BOTH.replace("rules = ['CON-7']", "needs = 'issue 3'")).is_ok());
    }

    #[test]
    fn counts() {
        let count = Count::of(&reports());
        assert_eq!((count.compared, count.equal, count.different, count.not_comparable), (2, 1, 1, 1));
        assert!(matches("a*c[*]", "abc[1]"));
        assert!(!matches("a*d", "abc"));
    }
}
