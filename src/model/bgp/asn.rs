//! Autonomous system numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// A 2- or 4-byte autonomous system number. Reads `65001`, `"65001"` and asdot (`"1.10"`, RFC 5396); writes asplain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Asn(pub u32);

impl Asn {
    /// Microsoft's edge on all three peerings (BGP-1).
    pub const MICROSOFT_EDGE: Self = Self(12076);
    /// Virtual network gateways and Route Server unless changed (BGP-1).
    pub const AZURE_GATEWAY: Self = Self(65515);

    /// Whether IANA set it aside for private use (RFC 6996).
    pub const fn is_private(self) -> bool {
        matches!(self.0, 64512..=65534 | 4_200_000_000..=4_294_967_294)
    }

    /// Whether neither ExpressRoute nor VPN lets a customer use it (BGP-2).
    pub const fn is_reserved_by_azure(self) -> bool {
        matches!(self.0, 8074 | 8075 | 12076 | 23456 | 64496..=64511 | 65515 | 65517..=65520 | 65535..=65551)
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u32> for Asn {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

/// The text is no autonomous system number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an autonomous system number")]
pub struct AsnError(String);

impl FromStr for Asn {
    type Err = AsnError;

    fn from_str(text: &str) -> Result<Self, AsnError> {
        let fail = || AsnError(text.to_owned());
        match text.split_once('.') {
            None => text.parse().map(Self).map_err(|_| fail()),
            Some((high, low)) => {
                let high: u16 = high.parse().map_err(|_| fail())?;
                let low: u16 = low.parse().map_err(|_| fail())?;
                Ok(Self(u32::from(high) << 16 | u32::from(low)))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Asn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Asn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an autonomous system number")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Asn, E> {
                u32::try_from(number)
                    .map(Asn)
                    .map_err(|_| E::custom(format_args!("{number} exceeds 4294967295")))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Asn, E> {
                u32::try_from(number)
                    .map(Asn)
                    .map_err(|_| E::custom(format_args!("{number} is not between 0 and 4294967295")))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Asn, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asdot_and_plain_agree() {
        assert_eq!("1.10".parse::<Asn>().unwrap(), Asn(65546));
        assert_eq!("65546".parse::<Asn>().unwrap(), Asn(65546));
        for bad in ["", "1.", "1.65536", "4294967296", "-1", "1.2.3"] {
            assert!(bad.parse::<Asn>().is_err(), "{bad}");
        }
    }

    /// BGP-2.
    #[test]
    fn reserved_numbers_are_those_of_the_rule() {
        for n in [8074, 8075, 12076, 23456, 64496, 65515, 65518, 65535] {
            assert!(Asn(n).is_reserved_by_azure(), "{n}");
        }
        for n in [64512, 65514, 65516, 65521, 65000, 4_200_000_000] {
            assert!(!Asn(n).is_reserved_by_azure(), "{n}");
        }
    }
}
