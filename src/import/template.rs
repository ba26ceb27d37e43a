//! ARM templates: resources as a list or by symbolic name, children nested or with a path for a name, ids built from
//! type and name. Expressions are not evaluated here; what holds one is reported where it is read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::raw::text_of;
use super::{Warning, WarningKind};
use crate::model::ResourceId;

/// Whether a string is a template expression that was not evaluated.
pub(super) fn is_expression(text: &str) -> bool {
    text.starts_with('[') && text.ends_with(']') && !text.starts_with("[[")
}

/// The resources of a template, each with an id.
pub(super) fn resources(
    input: &str,
    mut template: Map<String, Value>,
    warnings: &mut Vec<Warning>,
) -> Vec<Map<String, Value>> {
    // The group is not part of a template. Where its references were evaluated they name it, and the ids built here
    // have to agree with them.
    let mut scopes = BTreeMap::new();
    let list = template.get_mut("resources").map(Value::take).unwrap_or_default();
    find_scopes(&list, &mut scopes);
    // The group is the one by which the template refers to its own resources; failing that, the only one it names.
    let items: Vec<&Value> = match &list {
        Value::Array(items) => items.iter().collect(),
        Value::Object(by_name) => by_name.values().collect(),
        _ => Vec::new(),
    };
    let own: BTreeSet<&String> =
        items.into_iter().filter_map(own_path).filter_map(|path| scopes.get(&path)).flatten().collect();
    let any: BTreeSet<&String> = scopes.values().flatten().collect();
    let sole =
        |set: &BTreeSet<&String>| (set.len() == 1).then(|| set.first().map(|s| (*s).clone())).flatten();
    let only = sole(&own).or_else(|| sole(&any).filter(|_| own.is_empty()));
    let mut walker =
        Walker { input, scopes: &scopes, only: only.unwrap_or_default(), warnings, out: Vec::new() };
    walker.list(list, None, 0);
    walker.out
}

/// The names in `[concat(a, '/', b)]` and `[format('{0}/{1}', a, b)]`, each with its own expression for a name: a
/// child finds its parent by the text, though neither is evaluated. Any other expression is one name.
fn segments(name: &str) -> Vec<String> {
    let whole = || vec![name.to_owned()];
    let call = name.trim_start_matches('[').trim_end_matches(']').trim();
    let Some((function, rest)) = call.split_once('(') else { return whole() };
    let Some(arguments) = rest.strip_suffix(')').and_then(arguments) else { return whole() };
    let literal = |text: &str| text.strip_prefix('\'')?.strip_suffix('\'').map(str::to_owned);
    let pieces: Vec<String> = match function.trim().to_ascii_lowercase().as_str() {
        "concat" => arguments,
        "format" => {
            let Some((pattern, values)) = arguments.split_first() else { return whole() };
            let Some(pattern) = literal(pattern) else { return whole() };
            let part = |part: &str| match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
                Some(at) if !at.contains('{') => values.get(at.parse::<usize>().ok()?).cloned(),
                // A name of several pieces stays a call of its own.
                _ if part.contains('{') => Some(format!("format('{part}', {})", values.join(", "))),
                _ => Some(format!("'{part}'")),
            };
            let Some(parts) = pattern.split('/').map(part).collect::<Option<Vec<_>>>() else {
                return whole();
            };
            parts.join("\0'/'\0").split('\0').map(str::to_owned).collect()
        }
        _ => return whole(),
    };
    let mut names: Vec<Vec<String>> = vec![Vec::new()];
    for piece in pieces {
        let Some(text) = literal(&piece) else {
            names.last_mut().into_iter().for_each(|n| n.push(piece.clone()));
            continue;
        };
        for (at, part) in text.split('/').enumerate() {
            if at > 0 {
                names.push(Vec::new());
            }
            if !part.is_empty() {
                names.last_mut().into_iter().for_each(|n| n.push(format!("'{part}'")));
            }
        }
    }
    if names.len() < 2 || names.iter().any(Vec::is_empty) {
        return whole();
    }
    let spell = |pieces: &Vec<String>| match pieces.as_slice() {
        [one] => literal(one).unwrap_or_else(|| format!("[{one}]")),
        many => format!("[concat({})]", many.join(", ")),
    };
    names.iter().map(spell).collect()
}

/// The arguments of a call, split at commas outside of parentheses, brackets and quotes.
fn arguments(text: &str) -> Option<Vec<String>> {
    let (mut found, mut current, mut depth, mut quoted) = (Vec::new(), String::new(), 0usize, false);
    for c in text.chars() {
        match c {
            '\'' => quoted = !quoted,
            '(' | '[' if !quoted => depth += 1,
            ')' | ']' if !quoted => depth = depth.checked_sub(1)?,
            ',' if !quoted && depth == 0 => {
                found.push(std::mem::take(&mut current).trim().to_owned());
                continue;
            }
            _ => {}
        }
        current.push(c);
    }
    found.push(current.trim().to_owned());
    (depth == 0 && !quoted && found.iter().all(|a| !a.is_empty())).then_some(found)
}

/// The path behind `/providers/` of a resource at the top of a template, in lower case.
fn own_path(item: &Value) -> Option<String> {
    let (kind, name) = (item.get("type")?.as_str()?, item.get("name")?.as_str()?);
    let (namespace, types) = kind.split_once('/')?;
    let pairs: Vec<String> = types.split('/').zip(name.split('/')).map(|(t, n)| format!("{t}/{n}")).collect();
    Some(format!("{namespace}/{}", pairs.join("/")).to_ascii_lowercase())
}

struct Walker<'a> {
    input: &'a str,
    /// Scopes that evaluated references give, by the path behind `/providers/`, in lower case.
    scopes: &'a BTreeMap<String, BTreeSet<String>>,
    /// The only scope there is.
    only: String,
    warnings: &'a mut Vec<Warning>,
    out: Vec<Map<String, Value>>,
}

/// Type and names of the resource around.
type Parent = (String, Vec<String>);

impl Walker<'_> {
    fn warn(&mut self, kind: WarningKind, resource: &str, field: &str, reason: impl Into<String>) {
        self.warnings.push(Warning {
            kind,
            input: self.input.to_owned(),
            resource: ResourceId::new(resource),
            field: field.to_owned(),
            reason: reason.into(),
        });
    }

    fn list(&mut self, list: Value, parent: Option<&Parent>, depth: usize) {
        let items: Vec<Value> = match list {
            Value::Array(items) => items,
            Value::Object(by_name) => by_name.into_iter().map(|(_, item)| item).collect(),
            Value::Null => return,
            other => {
                let reason = format!("a {} where resources were expected", super::format::kind_of(&other));
                return self.warn(WarningKind::NotAResource, "", "resources", reason);
            }
        };
        for item in items {
            match item {
                Value::Object(map) => self.resource(map, parent, depth),
                other => {
                    let reason =
                        format!("a {} where a resource was expected", super::format::kind_of(&other));
                    self.warn(WarningKind::NotAResource, "", "resources", reason);
                }
            }
        }
    }

    fn resource(&mut self, mut map: Map<String, Value>, parent: Option<&Parent>, depth: usize) {
        let own_type = map.get("type").map(text_of).unwrap_or_default();
        let name = map.get("name").map(text_of).unwrap_or_default();
        // A child names its type relative to its parent.
        let (full_type, names) = match parent {
            Some((parent_type, parent_names)) if !own_type.contains('/') || !own_type.contains('.') => {
                let own = name.rsplit('/').next().filter(|_| !is_expression(&name)).unwrap_or(&name);
                let names = parent_names.iter().cloned().chain([own.to_owned()]).collect();
                (format!("{parent_type}/{own_type}"), names)
            }
            _ if is_expression(&name) => (own_type.clone(), segments(&name)),
            _ => (own_type.clone(), name.split('/').map(str::to_owned).collect::<Vec<_>>()),
        };
        let mut types = full_type.split('/');
        let namespace = types.next().unwrap_or_default().to_owned();
        let types: Vec<&str> = types.collect();
        if types.is_empty() || name.is_empty() {
            let reason = "an item without type or name was left out";
            return self.warn(WarningKind::NotAResource, &name, "resources", reason);
        }
        let known_parent = types.len() == names.len();
        let path = if known_parent {
            let pairs: Vec<String> = types.iter().zip(&names).map(|(t, n)| format!("{t}/{n}")).collect();
            format!("{namespace}/{}", pairs.join("/"))
        } else {
            format!("{full_type}/{name}")
        };
        let scope = match self.scopes.get(&path.to_ascii_lowercase()) {
            Some(found) if found.len() == 1 => found.first().cloned().unwrap_or_default(),
            _ => self.only.clone(),
        };
        let id = match map.get("id").map(text_of) {
            Some(id) if id.contains("/providers/") && !is_expression(&id) => id,
            _ => format!("{scope}/providers/{path}"),
        };
        if map.get("existing").is_some_and(|e| *e == Value::Bool(true)) {
            return;
        }
        match map.get("condition") {
            Some(Value::Bool(false)) => return,
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => return,
            Some(Value::String(text)) if is_expression(text) => {
                let reason = format!("deployed only where `{text}` holds; taken as if it did");
                self.warn(WarningKind::TemplateControl, &id, "condition", reason);
            }
            _ => {}
        }
        if map.contains_key("copy") {
            let reason = "a loop that was not carried out: one resource stands for all of them";
            self.warn(WarningKind::TemplateControl, &id, "copy", reason);
        }
        if full_type.eq_ignore_ascii_case("Microsoft.Resources/deployments") {
            let inner = map
                .get_mut("properties")
                .and_then(|p| p.get_mut("template"))
                .and_then(|t| t.get_mut("resources"))
                .map(Value::take);
            let reason = match &inner {
                Some(_) => {
                    "a nested deployment: its resources were read as they stand, as if of the same group"
                }
                None => "a nested deployment by link: its template is not in the input",
            };
            self.warn(WarningKind::NestedDeployment, &id, "", reason);
            if let Some(inner) = inner
                && depth < 16
            {
                self.list(inner, None, depth + 1);
            }
            map.insert("id".to_owned(), id.into());
            map.insert("type".to_owned(), full_type.into());
            self.out.push(map);
            return;
        }
        if is_expression(&name) {
            let reason = format!("`{name}` was not evaluated: the resource keeps the text as its name");
            self.warn(WarningKind::UnevaluatedExpression, &id, "name", reason);
        }
        let children = map.get_mut("resources").map(Value::take);
        if !known_parent {
            let reason = "its parent cannot be told from the name: left out";
            self.warn(WarningKind::ParentMissing, &id, "name", reason);
            return;
        }
        map.insert("id".to_owned(), id.into());
        map.insert("name".to_owned(), names.last().cloned().unwrap_or_default().into());
        map.insert("type".to_owned(), full_type.clone().into());
        map.remove("dependson");
        self.out.push(map);
        if let Some(children) = children
            && depth < 16
        {
            self.list(children, Some(&(full_type, names)), depth + 1);
        }
    }
}

/// Collects the scopes (`/subscriptions/…/resourceGroups/…`) of every id in a tree.
fn find_scopes(value: &Value, scopes: &mut BTreeMap<String, BTreeSet<String>>) {
    match value {
        Value::String(text) if !is_expression(text) => {
            if let Some((scope, path)) = text.split_once("/providers/")
                && scope.starts_with("/subscriptions/")
                && path.get(..18).is_some_and(|p| p.eq_ignore_ascii_case("Microsoft.Network/"))
            {
                scopes.entry(path.to_ascii_lowercase()).or_default().insert(scope.to_owned());
            }
        }
        Value::Array(items) => items.iter().for_each(|v| find_scopes(v, scopes)),
        Value::Object(map) => map.values().for_each(|v| find_scopes(v, scopes)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_children_are_told_apart_without_evaluating_them() {
        for (name, expected) in [
            (
                "[concat(variables('hub'), '/', variables('sub'))]",
                &["[variables('hub')]", "[variables('sub')]"][..],
            ),
            (
                "[concat(parameters('er'),'/AzurePrivatePeering')]",
                &["[parameters('er')]", "AzurePrivatePeering"],
            ),
            ("[format('{0}/{1}', parameters('a'), 'web')]", &["[parameters('a')]", "web"]),
            ("[concat('x', variables('n'), '/', 'y')]", &["[concat('x', variables('n'))]", "y"]),
            ("[concat(variables('hub'), '-vnet')]", &["[concat(variables('hub'), '-vnet')]"]),
            ("[format('{0}-{1}/x', v(), 'b')]", &["[format('{0}-{1}', v(), 'b')]", "x"]),
            ("[format('{0}/{7}', 'a')]", &["[format('{0}/{7}', 'a')]"]),
            ("[parameters('x')]", &["[parameters('x')]"]),
            ("[concat('a', ')]", &["[concat('a', ')]"]),
        ] {
            assert_eq!(segments(name), expected, "{name}");
        }
    }
}
