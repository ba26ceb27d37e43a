//! Tables of Azure's BGP speakers: what is computed against what Azure printed.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::tables::TableRow;

/// The difference of two tables of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableComparison<T> {
    /// Rows that are computed and were not printed.
    pub surplus: Vec<T>,
    /// Rows that were printed and are not computed.
    pub missing: Vec<T>,
    /// Rows about the same thing that differ.
    pub different: Vec<RowDifference<T>>,
    /// How many rows are equal, as far as both say something.
    pub equal: usize,
}

/// Two rows about one thing that differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowDifference<T> {
    /// The computed row.
    pub computed: T,
    /// The printed row.
    pub printed: T,
    /// The members in which they differ, by Azure's names.
    pub fields: Vec<&'static str>,
}

impl<T> TableComparison<T> {
    /// Whether the tables are equal, as far as both say something.
    pub fn is_equal(&self) -> bool {
        self.surplus.is_empty() && self.missing.is_empty() && self.different.is_empty()
    }
}

impl<T: TableRow> fmt::Display for TableComparison<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |row: &T| {
            let cells = T::COLUMNS.iter().zip(row.cells()).filter(|(_, text)| !text.is_empty());
            cells.map(|(name, text)| format!("{name} {text}")).collect::<Vec<_>>().join(", ")
        };
        for only in &self.surplus {
            writeln!(f, "only computed: {}", row(only))?;
        }
        for only in &self.missing {
            writeln!(f, "only printed: {}", row(only))?;
        }
        for RowDifference { computed, printed, fields } in &self.different {
            let fields = fields.join(", ");
            writeln!(f, "different in {fields}: computed {}; printed {}", row(computed), row(printed))?;
        }
        write!(f, "{} rows equal", self.equal)
    }
}

/// Compares two tables as multisets of rows; order does not matter. A member that a row does not say (an address that the
/// model does not hold, a column that a text does not print) is not compared. Rows about one thing that differ are paired,
/// those with the fewest differences first.
///
/// ```
/// use azroute::analysis::compare_tables;
/// use azroute::model::tables::GatewayRoute;
/// let route = |path: &str| GatewayRoute::new("192.0.2.0/24".parse().unwrap(), path.parse().unwrap());
/// let found = compare_tables(&[route("12076 64500")], &[route("12076 64500 64501")]);
/// assert_eq!(found.different[0].fields, ["asPath"]);
/// ```
pub fn compare_tables<T: TableRow>(computed: &[T], printed: &[T]) -> TableComparison<T> {
    let mut by_subject: BTreeMap<T::Subject, (Vec<&T>, Vec<&T>)> = BTreeMap::new();
    for row in computed {
        by_subject.entry(row.subject()).or_default().0.push(row);
    }
    for row in printed {
        by_subject.entry(row.subject()).or_default().1.push(row);
    }
    let mut comparison =
        TableComparison { surplus: Vec::new(), missing: Vec::new(), different: Vec::new(), equal: 0 };
    for (mut ours, mut theirs) in by_subject.into_values() {
        // Order of input must not show in the pairs.
        ours.sort();
        theirs.sort();
        // Exact twins first: a row that says less must not take the twin of one that says all.
        pair(&mut ours, &mut theirs, |a, b| a == b, |_, _| comparison.equal += 1);
        // A prefix has a handful of rows; all pairs of them are few.
        for allowed in 0..T::COLUMNS.len() {
            let fits = |a: &T, b: &T| a.differences(b).len() == allowed;
            pair(&mut ours, &mut theirs, fits, |a, b| match allowed {
                0 => comparison.equal += 1,
                _ => comparison.different.push(RowDifference {
                    computed: a.clone(),
                    printed: b.clone(),
                    fields: a.differences(b),
                }),
            });
            if ours.is_empty() || theirs.is_empty() {
                break;
            }
        }
        comparison.surplus.extend(ours.into_iter().cloned());
        comparison.missing.extend(theirs.into_iter().cloned());
    }
    comparison
}

/// Takes out pairs that fit, each row once.
fn pair<'t, T>(
    ours: &mut Vec<&'t T>,
    theirs: &mut Vec<&'t T>,
    fits: impl Fn(&T, &T) -> bool,
    mut take: impl FnMut(&'t T, &'t T),
) {
    ours.retain(|a| match theirs.iter().position(|b| fits(a, b)) {
        Some(at) => {
            take(a, theirs.remove(at));
            false
        }
        None => true,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tables::{ExpressRouteCircuitRoutesTable, GatewayRoute};

    fn route(prefix: &str, path: &str, next_hop: Option<&str>) -> GatewayRoute {
        GatewayRoute {
            next_hop: next_hop.map(|n| n.parse().unwrap()),
            ..GatewayRoute::new(prefix.parse().unwrap(), path.parse().unwrap())
        }
    }

    #[test]
    fn rows_pair_with_the_fewest_differences() {
        let (a, b) = (Some("10.0.0.4"), Some("10.0.0.5"));
        let ours = [route("192.0.2.0/24", "64500", a), route("192.0.2.0/24", "64500", b)];
        let theirs = [route("192.0.2.0/24", "64500 64501", b), route("192.0.2.0/24", "64500", a)];
        let found = compare_tables(&ours, &theirs);
        assert_eq!((found.equal, found.different.len()), (1, 1), "{found}");
        assert_eq!(found.different[0].fields, ["asPath"]);
        let mut turned = ours.clone();
        turned.reverse();
        assert_eq!(compare_tables(&turned, &theirs), found, "the order of rows does not matter");
    }

    #[test]
    fn what_one_side_does_not_say_is_not_compared_and_exact_twins_pair_first() {
        let (said, unsaid) =
            (route("192.0.2.0/24", "64500", Some("10.0.0.4")), route("192.0.2.0/24", "64500", None));
        assert!(compare_tables(std::slice::from_ref(&unsaid), std::slice::from_ref(&said)).is_equal());
        let other = route("192.0.2.0/24", "64500", Some("10.0.0.5"));
        let found = compare_tables(&[unsaid, said.clone()], &[said, other]);
        assert!(found.is_equal() && found.equal == 2, "{found}");
    }

    #[test]
    fn rows_of_one_side_are_listed_by_side() {
        let ours = [ExpressRouteCircuitRoutesTable::new("192.0.2.0/25".parse().unwrap(), Default::default())];
        let theirs =
            [ExpressRouteCircuitRoutesTable::new("192.0.2.128/25".parse().unwrap(), Default::default())];
        let found = compare_tables(&ours, &theirs);
        assert_eq!((found.surplus.as_slice(), found.missing.as_slice()), (&ours[..], &theirs[..]));
        let text = "only computed: Network 192.0.2.0/25\nonly printed: Network 192.0.2.128/25\n0 rows equal";
        assert_eq!(found.to_string(), text);
    }
}
