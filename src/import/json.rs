//! From bytes to a JSON tree: byte order marks, limits that hold while reading, comments and trailing commas, and
//! member names in lower case (Azure and PowerShell disagree on capitals, so lookups ignore them).

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{ImportError, ImportLimits};

/// The deepest nesting that the JSON reader itself takes.
const READER_DEPTH: usize = 127;

/// Turns bytes into text, or says what they are instead.
pub(super) fn text<'a>(
    input: &str,
    bytes: &'a [u8],
    limits: &ImportLimits,
) -> Result<Cow<'a, str>, ImportError> {
    let refuse = |variant, place: &str, reason: String| ImportError::new(variant, input, place, reason);
    if bytes.len() as u64 > limits.max_bytes {
        let reason = format!("{} bytes are more than the limit of {}", bytes.len(), limits.max_bytes);
        return Err(refuse(ImportError::TooLarge, "$", reason));
    }
    let magic: [(&[u8], &str); 5] = [
        (b"\x1f\x8b", "gzip: unpack it first"),
        (b"BZh", "bzip2: unpack it first"),
        (b"PK\x03\x04", "zip: unpack it first"),
        (b"\xfd7zXZ", "xz: unpack it first"),
        (b"\x28\xb5\x2f\xfd", "zstd: unpack it first"),
    ];
    for (start, reason) in magic {
        if bytes.starts_with(start) {
            return Err(refuse(ImportError::Binary, "byte 0", reason.to_owned()));
        }
    }
    let text = if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        utf8(input, rest, 3)?
    } else if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
        Cow::Owned(utf16(input, rest, u16::from_le_bytes)?)
    } else if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        Cow::Owned(utf16(input, rest, u16::from_be_bytes)?)
    } else {
        utf8(input, bytes, 0)?
    };
    if text.trim_start().is_empty() {
        return Err(refuse(ImportError::Empty, "$", "the input is empty".to_owned()));
    }
    Ok(text)
}

fn utf8<'a>(input: &str, bytes: &'a [u8], offset: usize) -> Result<Cow<'a, str>, ImportError> {
    // A look at the start first: long junk is refused without reading all of it.
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(error) => {
            let place = format!("byte {}", error.valid_up_to() + offset);
            Err(ImportError::new(ImportError::Encoding, input, place, "neither UTF-8 nor UTF-16 text"))
        }
    }
}

fn utf16(input: &str, bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, ImportError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().copied().map(unit);
    match char::decode_utf16(units).collect::<Result<String, _>>() {
        Ok(text) if rest.is_empty() => Ok(text),
        _ => Err(ImportError::new(ImportError::Encoding, input, "$", "broken UTF-16 text")),
    }
}

/// Reads JSON text; comments, trailing commas and line breaks in strings are tolerated, as in templates.
pub(super) fn parse(input: &str, text: &str, limits: &ImportLimits) -> Result<Value, ImportError> {
    // Whatever is not JSON at its first character is refused before anything is allocated.
    let first = text.trim_start().bytes().next().unwrap_or(b' ');
    if !matches!(first, b'{' | b'[' | b'/' | b'"' | b'-' | b't' | b'f' | b'n' | b'0'..=b'9') {
        let (line, column) = position(text, text.len() - text.trim_start().len());
        let found = text.trim_start().chars().next().unwrap_or(' ');
        let reason = format!("expected JSON, found `{}`", found.escape_debug());
        return Err(syntax(input, line, column, reason));
    }
    match read(input, text, limits) {
        Err(Failure::Syntax { offset, error }) if may_be_relaxed(text, offset, &error) => {
            let relaxed = relax(text);
            read(input, &relaxed, limits).map_err(|second| match second {
                Failure::Syntax { error, .. } => from_serde(input, &error),
                Failure::Refused(error) => error,
            })
        }
        Err(Failure::Syntax { error, .. }) => Err(from_serde(input, &error)),
        Err(Failure::Refused(error)) => Err(error),
        Ok(value) => Ok(value),
    }
}

enum Failure {
    Syntax { offset: usize, error: serde_json::Error },
    Refused(ImportError),
}

fn from_serde(input: &str, error: &serde_json::Error) -> ImportError {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
    syntax(input, error.line(), error.column(), reason)
}

fn syntax(input: &str, line: usize, column: usize, reason: String) -> ImportError {
    ImportError::new(ImportError::Syntax, input, format!("line {line}, column {column}"), reason)
}

fn read(input: &str, text: &str, limits: &ImportLimits) -> Result<Value, Failure> {
    let budget = Budget {
        values: Cell::new(limits.max_values),
        depth: limits.max_depth.min(READER_DEPTH),
        broken: Cell::new(None),
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let result =
        Tree { budget: &budget, depth: 0 }.deserialize(&mut reader).and_then(|v| reader.end().map(|()| v));
    result.map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        let refuse = |variant, reason: String| {
            Failure::Refused(ImportError::new(variant, input, place.clone(), reason))
        };
        let too_deep = || format!("nested deeper than {} levels", budget.depth);
        match budget.broken.get() {
            Some(Broken::Depth) => refuse(ImportError::TooDeep, too_deep()),
            Some(Broken::Values) => {
                let reason = format!("more than {} values", limits.max_values);
                refuse(ImportError::TooManyValues, reason)
            }
            None if error.to_string().starts_with("recursion limit") => {
                refuse(ImportError::TooDeep, too_deep())
            }
            None => Failure::Syntax { offset: offset(text, error.line(), error.column()), error },
        }
    })
}

#[derive(Clone, Copy)]
enum Broken {
    Depth,
    Values,
}

struct Budget {
    values: Cell<usize>,
    depth: usize,
    broken: Cell<Option<Broken>>,
}

#[derive(Clone, Copy)]
struct Tree<'a> {
    budget: &'a Budget,
    depth: usize,
}

impl Tree<'_> {
    fn spend<E: serde::de::Error>(&self) -> Result<(), E> {
        match self.budget.values.get().checked_sub(1) {
            Some(left) => {
                self.budget.values.set(left);
                Ok(())
            }
            None => {
                self.budget.broken.set(Some(Broken::Values));
                Err(E::custom("too many values"))
            }
        }
    }

    fn inner<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth >= self.budget.depth {
            self.budget.broken.set(Some(Broken::Depth));
            return Err(E::custom("too deep"));
        }
        Ok(Self { depth: self.depth + 1, ..*self })
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.spend()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut map = Map::new();
        while let Some(mut key) = members.next_key::<String>()? {
            key.make_ascii_lowercase();
            let value = members.next_value_seed(inner)?;
            // Members that differ only in capitals: the first that says something counts.
            match map.get(&key) {
                Some(old) if !old.is_null() => {}
                _ => {
                    map.insert(key, value);
                }
            }
        }
        Ok(Value::Object(map))
    }
}

/// Line and column (both from 1, the column in bytes) of a byte offset.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    (line, offset - start + 1)
}

/// The byte offset of a line and column as the JSON reader gives them.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (start + column.saturating_sub(1)).min(text.len())
}

/// Whether an error looks like one of the liberties that template writers take.
fn may_be_relaxed(text: &str, offset: usize, error: &serde_json::Error) -> bool {
    let message = error.to_string();
    message.starts_with("trailing comma")
        || message.starts_with("control character")
        || text
            .as_bytes()
            .get(offset.saturating_sub(1)..(offset + 1).min(text.len()))
            .is_some_and(|near| near.contains(&b'/'))
}

/// Blanks comments and trailing commas, and line breaks inside strings. Every other byte keeps its place.
fn relax(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut comma = None;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                comma = None;
                out.push(byte);
                at += 1;
                while let Some(&inner) = bytes.get(at) {
                    out.push(if inner < b' ' { b' ' } else { inner });
                    at += 1;
                    if inner == b'"' {
                        break;
                    }
                    if inner == b'\\'
                        && let Some(&escaped) = bytes.get(at)
                    {
                        out.push(escaped);
                        at += 1;
                    }
                }
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                while bytes.get(at).is_some_and(|b| *b != b'\n') {
                    out.push(b' ');
                    at += 1;
                }
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                out.extend_from_slice(b"  ");
                at += 2;
                while at < bytes.len() && bytes.get(at..at + 2) != Some(b"*/") {
                    out.push(if bytes.get(at) == Some(&b'\n') { b'\n' } else { b' ' });
                    at += 1;
                }
                let end = 2.min(bytes.len() - at);
                out.extend(std::iter::repeat_n(b' ', end));
                at += end;
                continue;
            }
            b',' => comma = Some(out.len()),
            b'}' | b']' => {
                if let Some(slot) = comma.take().and_then(|c: usize| out.get_mut(c)) {
                    *slot = b' ';
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => comma = None,
        }
        out.push(byte);
        at += 1;
    }
    // Only whole ASCII bytes were replaced, or whole characters by as many blanks.
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relaxing_touches_nothing_inside_strings() {
        let text = "{ // c\n \"a\": \"//x,]\", /* y\n */ \"b\": [1,2,],}";
        let value: serde_json::Value = serde_json::from_str(&relax(text)).unwrap();
        assert_eq!(value, serde_json::json!({"a": "//x,]", "b": [1, 2]}));
        assert_eq!(relax(text).len(), text.len());
    }
}
