//! Resource identifiers and dates: the two value types every other model file uses.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name by which one resource is known: an Azure resource id, or any plain name in a document written by hand.
///
/// Compared **without regard to ASCII case**, because real exports disagree with themselves on the case of
/// `resourceGroups`, provider names and group names. The spelling first seen is kept for output.
///
/// Children append `/{childType}/{name}` to their parent, as Azure does: subnet `web` of the virtual network `hub`
/// is `hub/subnets/web`, whether `hub` is a bare name or a full `/subscriptions/…` id.
///
/// ```
/// use azroute::model::ResourceId;
/// let hub = ResourceId::new("Hub");
/// assert_eq!(hub, ResourceId::new("hub"));
/// assert_eq!(hub.child("subnets", "web").as_str(), "Hub/subnets/web");
/// assert_eq!(hub.child("subnets", "web").parent().unwrap(), hub);
/// ```
///
/// Cheap to clone: the text is shared.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct ResourceId(Arc<str>);

impl ResourceId {
    /// Wraps `id`; nothing is checked or rewritten.
    pub fn new(id: impl Into<String>) -> Self {
        Self::from(id.into())
    }

    /// The id as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment: a resource's name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The id of a child resource of this one.
    #[must_use]
    pub fn child(&self, child_type: &str, name: &str) -> Self {
        Self::from(format!("{}/{child_type}/{name}", self.0))
    }

    /// The id without its last two segments (`hub/subnets/web` gives `hub`); `None` where there are fewer than three.
    pub fn parent(&self) -> Option<Self> {
        let (rest, _) = self.0.rsplit_once('/')?;
        let (parent, _) = rest.rsplit_once('/')?;
        (!parent.is_empty()).then(|| Self::from(parent))
    }

    /// Whether nothing was set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<&str> for ResourceId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl From<String> for ResourceId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.as_str().to_owned()
    }
}

impl From<&ResourceId> for ResourceId {
    fn from(id: &ResourceId) -> Self {
        id.clone()
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ResourceId {}

impl Ord for ResourceId {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = self.0.bytes().map(|b| b.to_ascii_lowercase());
        left.cmp(other.0.bytes().map(|b| b.to_ascii_lowercase()))
    }
}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for ResourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Eight bytes at a time: ids are long, and every look-up hashes one.
        for chunk in self.0.as_bytes().chunks(8) {
            let mut folded = [0; 8];
            for (to, from) in folded.iter_mut().zip(chunk) {
                *to = from.to_ascii_lowercase();
            }
            state.write_u64(u64::from_le_bytes(folded));
        }
        state.write_usize(self.0.len());
    }
}

/// A calendar day, written `2016-10-01`: the `as_of` of a scenario or the day a resource was created.
///
/// Only ordering is needed, so no calendar library is: a day that no calendar has (`2017-02-31`) is refused, nothing
/// else is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// A date, or `None` where no calendar has that day.
    pub const fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 0,
        };
        if year <= 9999 && day >= 1 && day <= days { Some(Self { year, month, day }) } else { None }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// The text is not a day of the form `YYYY-MM-DD`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a date of the form YYYY-MM-DD")]
pub struct DateError(String);

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let fail = || DateError(text.to_owned());
        let mut parts = text.split('-');
        let mut number = |digits: usize| -> Option<u16> {
            let part = parts.next()?;
            (part.len() == digits && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
        };
        let (year, month, day) =
            (number(4).ok_or_else(fail)?, number(2).ok_or_else(fail)?, number(2).ok_or_else(fail)?);
        if parts.next().is_some() {
            return Err(fail());
        }
        let (Ok(month), Ok(day)) = (u8::try_from(month), u8::try_from(day)) else { return Err(fail()) };
        Self::new(year, month, day).ok_or_else(fail)
    }
}

impl TryFrom<String> for Date {
    type Error = DateError;

    fn try_from(text: String) -> Result<Self, DateError> {
        text.parse()
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_that_differ_in_case_are_one_key() {
        let mut set = HashSet::new();
        set.insert(ResourceId::new("/subscriptions/A/resourceGroups/Net"));
        assert!(set.contains(&ResourceId::new("/SUBSCRIPTIONS/a/resourcegroups/NET")));
        assert!(!set.contains(&ResourceId::new("/subscriptions/a/resourcegroups/net2")));
        assert_eq!(ResourceId::new("b").cmp(&ResourceId::new("A")), Ordering::Greater);
    }

    #[test]
    fn dates_order_and_refuse_days_that_do_not_exist() {
        assert!("2016-10-01".parse::<Date>().unwrap() < "2024-03-31".parse().unwrap());
        for bad in
            ["2016-13-01", "2017-02-29", "2016-1-1", "2016-10-01-1", "x", "", "+016-10-01", "2016-00-10"]
        {
            assert!(bad.parse::<Date>().is_err(), "{bad}");
        }
        assert_eq!("2016-02-29".parse::<Date>().unwrap().to_string(), "2016-02-29");
    }
}
