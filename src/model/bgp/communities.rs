//! Communities: standard (RFC 1997), extended (RFC 4360, RFC 5668) and large (RFC 8092).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A standard community, written `65000:100` or by its well-known name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Community(pub u32);

impl Community {
    /// RFC 8326: what carries it is about to go away.
    pub const GRACEFUL_SHUTDOWN: Self = Self(0xFFFF_0000);
    /// RFC 7999: drop traffic for it. Speakers do nothing of their own on it: what it means is a policy's matter.
    pub const BLACKHOLE: Self = Self(0xFFFF_029A);
    /// RFC 1997: not beyond this autonomous system, or its confederation.
    pub const NO_EXPORT: Self = Self(0xFFFF_FF01);
    /// RFC 1997: to no peer.
    pub const NO_ADVERTISE: Self = Self(0xFFFF_FF02);
    /// RFC 1997: not beyond this member of the confederation.
    pub const NO_EXPORT_SUBCONFED: Self = Self(0xFFFF_FF03);

    /// `high:low`.
    pub const fn new(high: u16, low: u16) -> Self {
        Self((high as u32) << 16 | low as u32)
    }
}

const WELL_KNOWN: &[(Community, &str)] = &[
    (Community::GRACEFUL_SHUTDOWN, "graceful-shutdown"),
    (Community::BLACKHOLE, "blackhole"),
    (Community::NO_EXPORT, "no-export"),
    (Community::NO_ADVERTISE, "no-advertise"),
    (Community::NO_EXPORT_SUBCONFED, "no-export-subconfed"),
];

/// The text is no community of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct CommunityError {
    text: String,
    wanted: &'static str,
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match WELL_KNOWN.iter().find(|(known, _)| known == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{}:{}", self.0 >> 16, self.0 & 0xFFFF),
        }
    }
}

impl FromStr for Community {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        let fail = || CommunityError {
            text: text.to_owned(),
            wanted: "a community such as `65000:100` or `no-export`",
        };
        let folded = text.to_ascii_lowercase().replace('_', "-");
        if let Some((known, _)) = WELL_KNOWN.iter().find(|(_, name)| *name == folded) {
            return Ok(*known);
        }
        let (high, low) = text.split_once(':').ok_or_else(fail)?;
        Ok(Self::new(number(high).ok_or_else(fail)?, number(low).ok_or_else(fail)?))
    }
}

/// Digits only: `str::parse` alone would take a sign.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// An extended community, as its eight bytes. Written `rt:65000:100` and `soo:65000:100` (route target and site of
/// origin, for 2-byte and 4-byte systems and for addresses), anything else `0x` and sixteen hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedCommunity(pub [u8; 8]);

const SUBTYPES: &[(u8, &str)] = &[(0x02, "rt"), (0x03, "soo")];

impl fmt::Display for ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kind, subtype, a, b, c, d, e, g] = self.0;
        let name = SUBTYPES.iter().find(|(number, _)| *number == subtype).map(|(_, name)| *name);
        match (kind, name) {
            (0x00, Some(name)) => {
                write!(f, "{name}:{}:{}", u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, g]))
            }
            (0x01, Some(name)) => write!(f, "{name}:{a}.{b}.{c}.{d}:{}", u16::from_be_bytes([e, g])),
            // A 4-byte system below 65536 needs the dot, else it would read back as a 2-byte one.
            (0x02, Some(name)) => {
                let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                write!(f, "{name}:{high}.{low}:{}", u16::from_be_bytes([e, g]))
            }
            _ => write!(f, "0x{:016x}", u64::from_be_bytes(self.0)),
        }
    }
}

impl FromStr for ExtendedCommunity {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        let parse = || {
            if let Some(hex) = text.strip_prefix("0x") {
                let fits = hex.len() == 16 && hex.bytes().all(|b| b.is_ascii_hexdigit());
                return fits.then(|| u64::from_str_radix(hex, 16).ok()).flatten().map(u64::to_be_bytes);
            }
            let (name, rest) = text.split_once(':')?;
            let (subtype, _) = SUBTYPES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name))?;
            let (global, local) = rest.rsplit_once(':')?;
            let mut bytes = [0, *subtype, 0, 0, 0, 0, 0, 0];
            if let Ok(address) = global.parse::<std::net::Ipv4Addr>() {
                bytes[0] = 0x01;
                bytes[2..6].copy_from_slice(&address.octets());
                bytes[6..].copy_from_slice(&number::<u16>(local)?.to_be_bytes());
            } else if let (false, Some(asn)) = (global.contains('.'), number::<u16>(global)) {
                bytes[2..4].copy_from_slice(&asn.to_be_bytes());
                bytes[4..].copy_from_slice(&number::<u32>(local)?.to_be_bytes());
            } else {
                let asn: super::Asn = global.parse().ok()?;
                bytes[0] = 0x02;
                bytes[2..6].copy_from_slice(&asn.0.to_be_bytes());
                bytes[6..].copy_from_slice(&number::<u16>(local)?.to_be_bytes());
            }
            Some(bytes)
        };
        parse().map(Self).ok_or_else(|| CommunityError {
            text: text.to_owned(),
            wanted: "an extended community such as `rt:65000:100` or `0x` and sixteen digits",
        })
    }
}

/// A large community, written `64500:1:2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LargeCommunity {
    /// The system that gives the rest its meaning.
    pub global: u32,
    /// First value.
    pub local_1: u32,
    /// Second value.
    pub local_2: u32,
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local_1, self.local_2)
    }
}

impl FromStr for LargeCommunity {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        let parse = || {
            let mut parts = text.split(':').map(number::<u32>);
            let (global, local_1, local_2) = (parts.next()??, parts.next()??, parts.next()??);
            parts.next().is_none().then_some(Self { global, local_1, local_2 })
        };
        parse().ok_or_else(|| CommunityError {
            text: text.to_owned(),
            wanted: "a large community such as `64500:1:2`",
        })
    }
}

macro_rules! serde_as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_as_text!(Community, ExtendedCommunity, LargeCommunity);

/// The communities of a route, of all three kinds: sets, kept sorted, shared between clones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Communities(Option<Arc<Lists>>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Lists {
    standard: Vec<Community>,
    extended: Vec<ExtendedCommunity>,
    large: Vec<LargeCommunity>,
}

impl Communities {
    /// Sets of the three kinds; order and repetition do not matter.
    pub fn new(
        standard: impl IntoIterator<Item = Community>,
        extended: impl IntoIterator<Item = ExtendedCommunity>,
        large: impl IntoIterator<Item = LargeCommunity>,
    ) -> Self {
        fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
            let mut items: Vec<T> = items.into_iter().collect();
            items.sort_unstable();
            items.dedup();
            items
        }
        let lists = Lists { standard: set(standard), extended: set(extended), large: set(large) };
        Self((lists != Lists::default()).then(|| Arc::new(lists)))
    }

    /// Whether there is none of any kind.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The standard ones, sorted.
    pub fn standard(&self) -> &[Community] {
        self.0.as_ref().map_or(&[], |lists| &lists.standard)
    }

    /// The extended ones, sorted.
    pub fn extended(&self) -> &[ExtendedCommunity] {
        self.0.as_ref().map_or(&[], |lists| &lists.extended)
    }

    /// The large ones, sorted.
    pub fn large(&self) -> &[LargeCommunity] {
        self.0.as_ref().map_or(&[], |lists| &lists.large)
    }

    /// Whether a standard one is there.
    pub fn contains(&self, community: Community) -> bool {
        self.standard().binary_search(&community).is_ok()
    }

    /// The same with other standard ones.
    #[must_use]
    pub fn with_standard(&self, standard: impl IntoIterator<Item = Community>) -> Self {
        Self::new(standard, self.extended().iter().copied(), self.large().iter().copied())
    }

    /// The same with other extended ones.
    #[must_use]
    pub fn with_extended(&self, extended: impl IntoIterator<Item = ExtendedCommunity>) -> Self {
        Self::new(self.standard().iter().copied(), extended, self.large().iter().copied())
    }

    /// The same with other large ones.
    #[must_use]
    pub fn with_large(&self, large: impl IntoIterator<Item = LargeCommunity>) -> Self {
        Self::new(self.standard().iter().copied(), self.extended().iter().copied(), large)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_back() {
        for text in ["65000:100", "no-export", "blackhole", "graceful-shutdown", "0:0"] {
            assert_eq!(text.parse::<Community>().unwrap().to_string(), text);
        }
        assert_eq!("65535:65281".parse::<Community>().unwrap(), Community::NO_EXPORT);
        assert_eq!("NO_ADVERTISE".parse::<Community>().unwrap(), Community::NO_ADVERTISE);
        for text in ["rt:65000:100", "soo:10.0.0.1:7", "rt:1.10:7", "0x4300000000000001"] {
            assert_eq!(text.parse::<ExtendedCommunity>().unwrap().to_string(), text);
        }
        assert_eq!("64500:1:2".parse::<LargeCommunity>().unwrap().to_string(), "64500:1:2");
        for bad in ["65536:1", "1", "1:2:3", "+1:2", "", "no-such"] {
            assert!(bad.parse::<Community>().is_err(), "{bad}");
        }
        for bad in ["rt:1", "xx:1:2", "0x12", "rt:65000:4294967296", "rt:1.2.3.4:65536", "0x+300000000000001"]
        {
            assert!(bad.parse::<ExtendedCommunity>().is_err(), "{bad}");
        }
        for bad in ["1:2", "1:2:3:4", "1:2:x", "4294967296:1:1"] {
            assert!(bad.parse::<LargeCommunity>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sets_are_equal_whatever_their_order() {
        let (a, b) = (Community::new(1, 1), Community::new(1, 2));
        assert_eq!(Communities::new([a, b, a], [], []), Communities::new([b, a], [], []));
        assert_eq!(Communities::new([a], [], []).with_standard([]), Communities::default());
    }
}
