//! Tables and lists printed for people, turned into the rows that JSON would have held.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::model::parse_prefix;

/// One table of a text.
pub(super) struct Table {
    pub(super) name: Option<String>,
    pub(super) rows: Vec<Map<String, Value>>,
}

/// Every table and list in a text, each with the lines above it for a name.
pub(super) fn tables(text: &str) -> Vec<Table> {
    let mut reader = Reader::default();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let line = line.trim_end();
        if line.trim().is_empty() {
            reader.columns.clear();
            reader.end_record();
        } else if let Some(columns) = lines.peek().and_then(|next| columns(line, next.trim_end())) {
            lines.next();
            reader.end_table();
            reader.columns = columns;
        } else if let Some(row) = reader.row(line) {
            reader.list(false);
            reader.rows.push(row);
        } else if let Some((key, value)) = list_member(line) {
            reader.columns.clear();
            reader.list(true);
            reader.member(key, value);
        } else if line.starts_with(' ') && reader.extend(line.trim()) {
        } else {
            reader.end_record();
            reader.end_table();
            reader.columns.clear();
            reader.title.push(line.trim().trim_start_matches('#').trim().to_owned());
        }
    }
    reader.end_record();
    reader.end_table();
    reader.tables
}

/// A column: its folded name, and where it begins, in characters.
type Column = (String, usize);

#[derive(Default)]
struct Reader {
    tables: Vec<Table>,
    /// Lines since the last table.
    title: Vec<String>,
    columns: Vec<Column>,
    rows: Vec<Map<String, Value>>,
    /// Whether the rows are those of a list of `key : value`.
    listing: bool,
    record: BTreeMap<String, String>,
    last_key: Option<String>,
}

impl Reader {
    fn end_table(&mut self) {
        if !self.rows.is_empty() {
            let title = std::mem::take(&mut self.title);
            let name = (!title.is_empty()).then(|| title.join(" / "));
            self.tables.push(Table { name, rows: std::mem::take(&mut self.rows) });
        }
    }

    /// Ends the table where a list begins, and the other way round.
    fn list(&mut self, listing: bool) {
        if self.listing != listing {
            self.end_record();
            self.end_table();
            self.listing = listing;
        }
    }

    fn end_record(&mut self) {
        self.last_key = None;
        if !self.record.is_empty() {
            let record = std::mem::take(&mut self.record);
            self.rows.push(record.into_iter().map(|(key, text)| (key.clone(), cell(&key, &text))).collect());
        }
    }

    /// A row under the current columns, or one that shows its kind without them.
    fn row(&self, line: &str) -> Option<Map<String, Value>> {
        if self.columns.is_empty() {
            return bare_row(line);
        }
        let row = sliced(&self.columns, line).or_else(|| split(&self.columns, line))?;
        let text = |key: &str| match row.get(key) {
            Some(Value::Array(items)) => items.first().and_then(Value::as_str),
            other => other.and_then(Value::as_str),
        };
        let prefix = |key: &str| text(key).is_some_and(|t| parse_prefix(first(t)).is_some());
        let state = text("state")
            .is_none_or(|s| s.eq_ignore_ascii_case("active") || s.eq_ignore_ascii_case("invalid"));
        let sound = ["addressprefix", "addressprefixes", "network", "prefix"].iter().any(|key| prefix(key))
            || (text("addressprefix").is_some() && row.contains_key("state"))
            || text("neighbor").is_some_and(|t| t.parse::<IpAddr>().is_ok());
        (sound && (state || text("neighbor").is_some())).then_some(row)
    }

    fn member(&mut self, key: &str, value: &str) {
        let key = fold(key);
        if self.record.contains_key(&key) {
            self.end_record();
        }
        self.record.insert(key.clone(), value.to_owned());
        self.last_key = Some(key);
    }

    /// A value that goes on in the next line.
    fn extend(&mut self, more: &str) -> bool {
        match self.last_key.as_ref().and_then(|key| self.record.get_mut(key)) {
            Some(text) => {
                text.push_str(more);
                true
            }
            None => false,
        }
    }
}

/// More columns than any of Azure's tables has.
const MAX_COLUMNS: usize = 32;

/// The columns of a header with its line of dashes.
fn columns(header: &str, dashes: &str) -> Option<Vec<Column>> {
    if dashes.trim().is_empty() || !dashes.chars().all(|c| c == '-' || c == ' ') {
        return None;
    }
    let mut starts = Vec::new();
    let mut before = ' ';
    for (at, c) in dashes.chars().enumerate() {
        if c == '-' && before == ' ' {
            starts.push(at);
        }
        before = c;
        // No such table has more; a line of nothing but dashes and blanks shall not cost more than its length.
        if starts.len() > MAX_COLUMNS {
            return None;
        }
    }
    let header: Vec<char> = header.chars().collect();
    let named = starts.iter().enumerate().map(|(at, start)| {
        let end = starts.get(at + 1).copied().unwrap_or(header.len()).min(header.len());
        let name: String = header.get(*start..end).unwrap_or_default().iter().collect();
        (fold(&name), *start)
    });
    let columns: Vec<Column> = named.collect();
    columns.iter().all(|(name, _)| !name.is_empty()).then_some(columns)
}

/// A row cut where the columns begin; `None` where a cell runs over its column.
fn sliced(columns: &[Column], line: &str) -> Option<Map<String, Value>> {
    let chars: Vec<char> = line.chars().collect();
    let mut row = Map::new();
    for (at, (name, start)) in columns.iter().enumerate() {
        if *start > 0 && chars.get(start - 1).is_some_and(|c| *c != ' ') {
            return None;
        }
        let end = columns.get(at + 1).map_or(chars.len(), |(_, next)| *next).min(chars.len());
        let text: String = chars.get((*start).min(end)..end).unwrap_or_default().iter().collect();
        // An empty cell still tells what table it is; a state is said or it is not.
        if !text.trim().is_empty() || name != "state" {
            row.insert(name.clone(), cell(name, text.trim()));
        }
    }
    Some(row)
}

/// A row cut at gaps of two blanks, for rows that do not keep to the columns.
fn split(columns: &[Column], line: &str) -> Option<Map<String, Value>> {
    let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect();
    if cells.len() > columns.len() {
        return None;
    }
    Some(columns.iter().zip(cells).map(|((name, _), text)| (name.clone(), cell(name, text))).collect())
}

/// An effective route without a header above it.
fn bare_row(line: &str) -> Option<Map<String, Value>> {
    let mut words = line.split_whitespace();
    let source =
        words.next().filter(|w| matches!(*w, "Default" | "User" | "VirtualNetworkGateway" | "Unknown"))?;
    let state = words.next().filter(|w| matches!(*w, "Active" | "Invalid"))?;
    let prefix = words.next()?;
    let next_hop_type = words.next()?;
    let addresses: Vec<&str> = words.collect();
    let mut row = Map::new();
    row.insert("source".to_owned(), source.into());
    row.insert("state".to_owned(), state.into());
    row.insert("addressprefix".to_owned(), prefix.into());
    row.insert("nexthoptype".to_owned(), next_hop_type.into());
    row.insert("nexthopipaddress".to_owned(), addresses.join(" ").into());
    Some(row)
}

/// `Key   : value`, as PowerShell lists properties.
fn list_member(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let padded = key.ends_with(' ') && (value.is_empty() || value.starts_with(' '));
    let key = key.trim();
    (padded && !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric())).then(|| (key, value.trim()))
}

/// The name that JSON uses for a column, in lower case.
fn fold(name: &str) -> String {
    let folded: String =
        name.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
    if folded == "nexthopip" { "nexthopipaddress".to_owned() } else { folded }
}

/// A cell's value; `{a, b}` is PowerShell's way to print a list.
fn cell(key: &str, text: &str) -> Value {
    // In a path, braces are a set.
    let list = !matches!(key, "aspath" | "path");
    let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).filter(|_| list);
    match inner {
        Some(inner) => inner
            .split(',')
            .map(str::trim)
            .filter(|t| !t.is_empty())
            .map(|t| Value::String(t.to_owned()))
            .collect::<Vec<_>>()
            .into(),
        None if key == "addressprefixes" => {
            text.split([',', ' ']).filter(|t| !t.is_empty()).map(|t| Value::String(t.to_owned())).collect()
        }
        None => text.into(),
    }
}

fn first(text: &str) -> &str {
    text.split([' ', ',']).next().unwrap_or(text)
}
