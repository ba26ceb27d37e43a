//! What we compute against what Azure printed.

use std::collections::BTreeMap;
use std::fmt;

use ipnet::IpNet;

use crate::model::{EffectiveNextHopType, EffectiveRouteRow, RouteSource};

/// The difference of two effective-route tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Rows that only the computed table has.
    pub only_computed: Vec<EffectiveRouteRow>,
    /// Rows that only the observed table has.
    pub only_observed: Vec<EffectiveRouteRow>,
    /// Rows that both have for a prefix, source and next hop type, with other state, next hops or name: computed,
    /// observed.
    pub different: Vec<(EffectiveRouteRow, EffectiveRouteRow)>,
    /// How many rows are equal.
    pub equal: usize,
}

impl Comparison {
    /// Whether the tables are equal.
    pub fn is_equal(&self) -> bool {
        self.only_computed.is_empty() && self.only_observed.is_empty() && self.different.is_empty()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |r: &EffectiveRouteRow| {
            let hops: Vec<String> = r.next_hop_ip_addresses.iter().map(ToString::to_string).collect();
            format!("{} {} {} {} {}", r.source, r.state, r.prefix, r.next_hop_type, hops.join(" "))
        };
        for only in &self.only_computed {
            writeln!(f, "only computed: {}", row(only))?;
        }
        for only in &self.only_observed {
            writeln!(f, "only observed: {}", row(only))?;
        }
        for (computed, observed) in &self.different {
            writeln!(f, "different: computed {}, observed {}", row(computed), row(observed))?;
        }
        write!(f, "{} rows equal", self.equal)
    }
}

/// Compares two tables as multisets of rows (VOC-14); order does not matter. Rows that differ are paired where prefix,
/// source and next hop type agree. A name that one side does not have (text tables print none) is not compared.
pub fn compare(computed: &[EffectiveRouteRow], observed: &[EffectiveRouteRow]) -> Comparison {
    let mut rest: Vec<&EffectiveRouteRow> = observed.iter().collect();
    let mut comparison = Comparison::default();
    let mut unmatched: Vec<&EffectiveRouteRow> = Vec::new();
    rest.sort();
    for row in computed {
        match rest.binary_search(&row) {
            Ok(at) => {
                rest.remove(at);
                comparison.equal += 1;
            }
            Err(_) => unmatched.push(row),
        }
    }
    type Key = (IpNet, RouteSource, EffectiveNextHopType);
    let mut by_key: BTreeMap<Key, Vec<&EffectiveRouteRow>> = BTreeMap::new();
    for row in rest {
        by_key.entry((row.prefix, row.source, row.next_hop_type)).or_default().push(row);
    }
    unmatched.sort();
    for row in unmatched {
        let twin = by_key.get_mut(&(row.prefix, row.source, row.next_hop_type)).and_then(Vec::pop);
        let nameless = |row: &EffectiveRouteRow| EffectiveRouteRow { name: None, ..row.clone() };
        match twin {
            Some(twin) if (row.name.is_none() || twin.name.is_none()) && nameless(row) == nameless(twin) => {
                comparison.equal += 1;
            }
            Some(twin) => comparison.different.push((row.clone(), twin.clone())),
            None => comparison.only_computed.push(row.clone()),
        }
    }
    comparison.only_observed = by_key.into_values().flatten().cloned().collect();
    comparison
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RouteState;

    fn row(prefix: &str, name: Option<&str>, state: RouteState) -> EffectiveRouteRow {
        EffectiveRouteRow {
            prefix: prefix.parse().unwrap(),
            source: RouteSource::User,
            state,
            next_hop_type: EffectiveNextHopType::None,
            next_hop_ip_addresses: Vec::new(),
            name: name.map(str::to_owned),
        }
    }

    /// VOC-14, and names that a text table does not print.
    #[test]
    fn rows_compare_as_multisets_and_names_only_where_both_have_them() {
        let (a, b) =
            (row("10.0.0.0/8", Some("a"), RouteState::Active), row("10.1.0.0/16", None, RouteState::Active));
        let same =
            compare(&[a.clone(), b.clone()], &[b.clone(), row("10.0.0.0/8", None, RouteState::Active)]);
        assert!(same.is_equal() && same.equal == 2, "{same}");
        let renamed = compare(std::slice::from_ref(&a), &[row("10.0.0.0/8", Some("z"), RouteState::Active)]);
        assert_eq!(renamed.different.len(), 1, "{renamed}");
        let other =
            compare(&[a.clone(), a.clone()], &[a.clone(), row("10.0.0.0/8", None, RouteState::Invalid)]);
        assert_eq!((other.equal, other.different.len()), (1, 1), "{other}");
        let apart = compare(&[a], &[b]);
        assert_eq!((apart.only_computed.len(), apart.only_observed.len()), (1, 1), "{apart}");
    }
}
