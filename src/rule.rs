//! The ids of the rules that decide answers, each with the confidence behind it.
//!
//! Ids are those of azroute's rule specification: a family (`SYS` system routes, `PEER` peering, `SE` service endpoints,
//! `PE` private endpoints, `UDR` user-defined routes, `SEL` selection, `GWR` gateway routes, `BGP`, `ER` ExpressRoute
//! private peering, `MSP` Microsoft peering, `PUB` public peering, `FT` forced tunnelling, `VPN`, `COEX` ExpressRoute
//! beside VPN, `ARS` Route Server, `VWAN` Virtual WAN, `WALK` path walk, `OUT` Internet egress, `NSG`, `ISO` isolation,
//! `CSP` provider models, `ENC` encryption, `BW` bandwidth, `V6` IPv6) and a number. The README tells what each family
//! rests on. This module is vocabulary: every stage may use it.

use std::fmt;

/// How well founded a rule is. Ordered from the weakest, so that the minimum over the rules of an answer is the
/// confidence of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// No document says it; azroute decided (and offers a knob where the decision matters).
    Undocumented,
    /// Seen in the field, not promised by the vendor.
    Field,
    /// Documented by the vendor.
    Documented,
}

impl Confidence {
    /// The letter of the specification: D, F or U.
    pub const fn letter(self) -> char {
        match self {
            Self::Documented => 'D',
            Self::Field => 'F',
            Self::Undocumented => 'U',
        }
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Documented => "documented",
            Self::Field => "seen in the field",
            Self::Undocumented => "undocumented",
        })
    }
}

/// A rule of the specification.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule(u16);

macro_rules! rules {
    ($($name:ident = $id:literal $stated:ident $decided:ident,)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "an index per rule, named like the rule")]
        #[repr(u16)]
        enum Index { $($name,)* }

        impl Rule {
            $(
                #[doc = concat!("Rule ", $id, ".")]
                pub const $name: Self = Self(Index::$name as u16);
            )*

            /// Every rule, in the order of the specification.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }

        const TABLE: &[(&str, Confidence, Confidence)] =
            &[$(($id, Confidence::$stated, Confidence::$decided),)*];
    };
}

impl Rule {
    /// Its id, such as `SEL-5`.
    pub fn id(self) -> &'static str {
        TABLE[usize::from(self.0)].0
    }

    /// The confidence of what the rule states.
    pub fn confidence(self) -> Confidence {
        TABLE[usize::from(self.0)].1
    }

    /// The confidence of the decision that the rule adds where its sources are silent; the same as
    /// [`confidence`](Self::confidence) where it adds none.
    pub fn decision_confidence(self) -> Confidence {
        TABLE[usize::from(self.0)].2
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl serde::Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// A rule that took part in an answer, with the confidence of the part of it that did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decision {
    /// The rule.
    pub rule: Rule,
    /// How well founded that part of it is.
    pub confidence: Confidence,
}

impl Decision {
    /// By what the rule states.
    pub(crate) fn stated(rule: Rule) -> Self {
        Self { rule, confidence: rule.confidence() }
    }

    /// By what the rule decides where its sources are silent.
    pub(crate) fn decided(rule: Rule) -> Self {
        Self { rule, confidence: rule.decision_confidence() }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.rule, self.confidence.letter())
    }
}

rules! {
    SYS_1 = "SYS-1" Documented Documented,
    SYS_2 = "SYS-2" Documented Documented,
    SYS_3 = "SYS-3" Documented Documented,
    SYS_4 = "SYS-4" Field Field,
    SYS_5 = "SYS-5" Field Field,
    SYS_6 = "SYS-6" Documented Documented,
    SYS_7 = "SYS-7" Field Undocumented,
    SYS_8 = "SYS-8" Documented Documented,
    SYS_9 = "SYS-9" Documented Documented,
    SYS_10 = "SYS-10" Field Undocumented,
    SYS_11 = "SYS-11" Field Field,
    SYS_12 = "SYS-12" Documented Documented,
    SYS_13 = "SYS-13" Documented Documented,
    SYS_14 = "SYS-14" Documented Undocumented,
    SYS_15 = "SYS-15" Documented Documented,
    SYS_16 = "SYS-16" Undocumented Undocumented,
    PEER_1 = "PEER-1" Documented Documented,
    PEER_2 = "PEER-2" Documented Documented,
    PEER_3 = "PEER-3" Documented Undocumented,
    PEER_4 = "PEER-4" Documented Undocumented,
    PEER_5 = "PEER-5" Documented Documented,
    PEER_6 = "PEER-6" Documented Documented,
    PEER_7 = "PEER-7" Documented Documented,
    PEER_8 = "PEER-8" Documented Documented,
    PEER_9 = "PEER-9" Documented Documented,
    PEER_10 = "PEER-10" Documented Documented,
    PEER_11 = "PEER-11" Documented Documented,
    PEER_12 = "PEER-12" Documented Documented,
    PEER_13 = "PEER-13" Documented Undocumented,
    PEER_14 = "PEER-14" Documented Undocumented,
    PEER_15 = "PEER-15" Field Field,
    SE_1 = "SE-1" Documented Documented,
    SE_2 = "SE-2" Documented Documented,
    SE_3 = "SE-3" Documented Documented,
    SE_4 = "SE-4" Documented Field,
    SE_5 = "SE-5" Documented Documented,
    SE_6 = "SE-6" Documented Documented,
    SE_7 = "SE-7" Documented Undocumented,
    SE_8 = "SE-8" Documented Documented,
    PE_1 = "PE-1" Field Field,
    PE_2 = "PE-2" Field Field,
    PE_3 = "PE-3" Documented Documented,
    PE_4 = "PE-4" Documented Documented,
    PE_5 = "PE-5" Documented Undocumented,
    PE_6 = "PE-6" Documented Undocumented,
    PE_7 = "PE-7" Documented Documented,
    PE_8 = "PE-8" Documented Field,
    UDR_1 = "UDR-1" Documented Documented,
    UDR_2 = "UDR-2" Documented Documented,
    UDR_3 = "UDR-3" Undocumented Undocumented,
    UDR_4 = "UDR-4" Documented Undocumented,
    UDR_5 = "UDR-5" Documented Documented,
    UDR_6 = "UDR-6" Documented Undocumented,
    UDR_7 = "UDR-7" Documented Documented,
    UDR_8 = "UDR-8" Documented Documented,
    UDR_9 = "UDR-9" Undocumented Undocumented,
    UDR_10 = "UDR-10" Documented Documented,
    UDR_11 = "UDR-11" Documented Documented,
    UDR_12 = "UDR-12" Documented Documented,
    UDR_13 = "UDR-13" Documented Documented,
    UDR_14 = "UDR-14" Documented Documented,
    UDR_15 = "UDR-15" Documented Documented,
    UDR_16 = "UDR-16" Documented Documented,
    UDR_17 = "UDR-17" Documented Field,
    UDR_18 = "UDR-18" Documented Documented,
    SEL_1 = "SEL-1" Documented Documented,
    SEL_2 = "SEL-2" Documented Documented,
    SEL_3 = "SEL-3" Documented Documented,
    SEL_4 = "SEL-4" Documented Documented,
    SEL_5 = "SEL-5" Documented Documented,
    SEL_6 = "SEL-6" Documented Field,
    SEL_7 = "SEL-7" Documented Documented,
    SEL_8 = "SEL-8" Field Field,
    SEL_9 = "SEL-9" Documented Field,
    SEL_10 = "SEL-10" Documented Documented,
    SEL_11 = "SEL-11" Documented Documented,
    SEL_12 = "SEL-12" Documented Undocumented,
    SEL_13 = "SEL-13" Undocumented Undocumented,
    GWR_1 = "GWR-1" Documented Documented,
    GWR_2 = "GWR-2" Documented Documented,
    GWR_3 = "GWR-3" Documented Field,
    GWR_4 = "GWR-4" Documented Documented,
    GWR_5 = "GWR-5" Documented Documented,
    GWR_6 = "GWR-6" Undocumented Undocumented,
    BGP_1 = "BGP-1" Documented Documented,
    BGP_2 = "BGP-2" Documented Documented,
    BGP_3 = "BGP-3" Documented Documented,
    BGP_4 = "BGP-4" Documented Documented,
    BGP_5 = "BGP-5" Documented Undocumented,
    BGP_6 = "BGP-6" Documented Documented,
    BGP_7 = "BGP-7" Documented Documented,
    BGP_8 = "BGP-8" Documented Documented,
    BGP_9 = "BGP-9" Documented Undocumented,
    BGP_10 = "BGP-10" Undocumented Undocumented,
    BGP_11 = "BGP-11" Undocumented Undocumented,
    ER_1 = "ER-1" Documented Documented,
    ER_2 = "ER-2" Documented Documented,
    ER_3 = "ER-3" Documented Documented,
    ER_4 = "ER-4" Documented Documented,
    ER_5 = "ER-5" Documented Documented,
    ER_6 = "ER-6" Documented Documented,
    ER_7 = "ER-7" Documented Documented,
    ER_8 = "ER-8" Documented Documented,
    ER_9 = "ER-9" Documented Undocumented,
    ER_10 = "ER-10" Documented Documented,
    ER_11 = "ER-11" Documented Documented,
    ER_12 = "ER-12" Documented Documented,
    ER_13 = "ER-13" Documented Documented,
    ER_14 = "ER-14" Documented Documented,
    ER_15 = "ER-15" Documented Documented,
    ER_16 = "ER-16" Documented Documented,
    ER_17 = "ER-17" Documented Documented,
    ER_18 = "ER-18" Documented Documented,
    ER_19 = "ER-19" Documented Documented,
    ER_20 = "ER-20" Documented Undocumented,
    ER_21 = "ER-21" Documented Documented,
    ER_22 = "ER-22" Documented Documented,
    ER_23 = "ER-23" Documented Documented,
    ER_24 = "ER-24" Documented Documented,
    ER_25 = "ER-25" Documented Documented,
    MSP_1 = "MSP-1" Documented Documented,
    MSP_2 = "MSP-2" Documented Documented,
    MSP_3 = "MSP-3" Documented Undocumented,
    MSP_4 = "MSP-4" Documented Undocumented,
    MSP_5 = "MSP-5" Documented Documented,
    MSP_6 = "MSP-6" Documented Documented,
    MSP_7 = "MSP-7" Documented Documented,
    MSP_8 = "MSP-8" Documented Documented,
    MSP_9 = "MSP-9" Documented Documented,
    MSP_10 = "MSP-10" Documented Documented,
    MSP_11 = "MSP-11" Documented Documented,
    MSP_12 = "MSP-12" Documented Documented,
    MSP_13 = "MSP-13" Documented Undocumented,
    MSP_14 = "MSP-14" Documented Documented,
    MSP_15 = "MSP-15" Documented Documented,
    PUB_1 = "PUB-1" Documented Documented,
    PUB_2 = "PUB-2" Documented Documented,
    PUB_3 = "PUB-3" Documented Documented,
    PUB_4 = "PUB-4" Documented Documented,
    PUB_5 = "PUB-5" Documented Documented,
    PUB_6 = "PUB-6" Documented Documented,
    PUB_7 = "PUB-7" Undocumented Undocumented,
    PUB_8 = "PUB-8" Documented Documented,
    FT_1 = "FT-1" Documented Documented,
    FT_2 = "FT-2" Documented Documented,
    FT_3 = "FT-3" Documented Field,
    FT_4 = "FT-4" Documented Documented,
    FT_5 = "FT-5" Documented Documented,
    FT_6 = "FT-6" Documented Documented,
    FT_7 = "FT-7" Documented Documented,
    FT_8 = "FT-8" Documented Documented,
    FT_9 = "FT-9" Documented Documented,
    FT_10 = "FT-10" Documented Documented,
    FT_11 = "FT-11" Documented Documented,
    FT_12 = "FT-12" Documented Documented,
    FT_13 = "FT-13" Undocumented Undocumented,
    FT_14 = "FT-14" Documented Documented,
    FT_15 = "FT-15" Undocumented Undocumented,
    VPN_1 = "VPN-1" Documented Documented,
    VPN_2 = "VPN-2" Documented Undocumented,
    VPN_3 = "VPN-3" Documented Documented,
    VPN_4 = "VPN-4" Documented Documented,
    VPN_5 = "VPN-5" Documented Documented,
    VPN_6 = "VPN-6" Documented Documented,
    VPN_7 = "VPN-7" Documented Documented,
    VPN_8 = "VPN-8" Documented Documented,
    VPN_9 = "VPN-9" Documented Documented,
    VPN_10 = "VPN-10" Documented Documented,
    VPN_11 = "VPN-11" Documented Documented,
    VPN_12 = "VPN-12" Undocumented Undocumented,
    VPN_13 = "VPN-13" Documented Documented,
    VPN_14 = "VPN-14" Documented Documented,
    COEX_1 = "COEX-1" Documented Documented,
    COEX_2 = "COEX-2" Documented Documented,
    COEX_3 = "COEX-3" Field Field,
    COEX_4 = "COEX-4" Documented Documented,
    COEX_5 = "COEX-5" Documented Documented,
    COEX_6 = "COEX-6" Documented Documented,
    COEX_7 = "COEX-7" Documented Documented,
    ARS_1 = "ARS-1" Documented Documented,
    ARS_2 = "ARS-2" Documented Documented,
    ARS_3 = "ARS-3" Documented Documented,
    ARS_4 = "ARS-4" Documented Documented,
    ARS_5 = "ARS-5" Documented Documented,
    ARS_6 = "ARS-6" Documented Documented,
    ARS_7 = "ARS-7" Documented Documented,
    ARS_8 = "ARS-8" Documented Documented,
    ARS_9 = "ARS-9" Documented Documented,
    ARS_10 = "ARS-10" Documented Documented,
    ARS_11 = "ARS-11" Documented Undocumented,
    ARS_12 = "ARS-12" Documented Documented,
    ARS_13 = "ARS-13" Documented Documented,
    ARS_14 = "ARS-14" Documented Documented,
    VWAN_1 = "VWAN-1" Documented Documented,
    VWAN_2 = "VWAN-2" Documented Documented,
    VWAN_3 = "VWAN-3" Documented Documented,
    VWAN_4 = "VWAN-4" Documented Documented,
    VWAN_5 = "VWAN-5" Documented Documented,
    VWAN_6 = "VWAN-6" Documented Documented,
    VWAN_7 = "VWAN-7" Documented Documented,
    VWAN_8 = "VWAN-8" Documented Documented,
    VWAN_9 = "VWAN-9" Documented Documented,
    VWAN_10 = "VWAN-10" Documented Documented,
    VWAN_11 = "VWAN-11" Documented Documented,
    VWAN_12 = "VWAN-12" Documented Documented,
    VWAN_13 = "VWAN-13" Documented Undocumented,
    VWAN_14 = "VWAN-14" Documented Documented,
    VWAN_15 = "VWAN-15" Documented Documented,
    VWAN_16 = "VWAN-16" Documented Documented,
    WALK_1 = "WALK-1" Documented Undocumented,
    WALK_2 = "WALK-2" Documented Documented,
    WALK_3 = "WALK-3" Documented Documented,
    WALK_4 = "WALK-4" Documented Documented,
    WALK_5 = "WALK-5" Documented Undocumented,
    WALK_6 = "WALK-6" Documented Documented,
    WALK_7 = "WALK-7" Undocumented Undocumented,
    WALK_8 = "WALK-8" Documented Undocumented,
    WALK_9 = "WALK-9" Documented Field,
    WALK_10 = "WALK-10" Documented Documented,
    WALK_11 = "WALK-11" Documented Documented,
    WALK_12 = "WALK-12" Documented Documented,
    WALK_13 = "WALK-13" Documented Documented,
    WALK_14 = "WALK-14" Documented Documented,
    WALK_15 = "WALK-15" Documented Documented,
    WALK_16 = "WALK-16" Documented Documented,
    WALK_17 = "WALK-17" Undocumented Undocumented,
    OUT_1 = "OUT-1" Documented Documented,
    OUT_2 = "OUT-2" Documented Documented,
    OUT_3 = "OUT-3" Documented Documented,
    OUT_4 = "OUT-4" Documented Documented,
    OUT_5 = "OUT-5" Undocumented Undocumented,
    NSG_1 = "NSG-1" Documented Documented,
    NSG_2 = "NSG-2" Documented Documented,
    NSG_3 = "NSG-3" Documented Documented,
    NSG_4 = "NSG-4" Documented Documented,
    NSG_5 = "NSG-5" Documented Documented,
    NSG_6 = "NSG-6" Documented Documented,
    NSG_7 = "NSG-7" Field Field,
    NSG_8 = "NSG-8" Undocumented Undocumented,
    NSG_9 = "NSG-9" Documented Documented,
    NSG_10 = "NSG-10" Field Undocumented,
    NSG_11 = "NSG-11" Documented Documented,
    NSG_12 = "NSG-12" Field Field,
    NSG_13 = "NSG-13" Documented Documented,
    NSG_14 = "NSG-14" Documented Documented,
    NSG_15 = "NSG-15" Documented Documented,
    ISO_1 = "ISO-1" Documented Documented,
    ISO_2 = "ISO-2" Documented Documented,
    ISO_3 = "ISO-3" Documented Documented,
    ISO_4 = "ISO-4" Documented Documented,
    CSP_1 = "CSP-1" Documented Documented,
    CSP_2 = "CSP-2" Documented Documented,
    CSP_3 = "CSP-3" Documented Documented,
    CSP_4 = "CSP-4" Documented Documented,
    CSP_5 = "CSP-5" Documented Documented,
    CSP_6 = "CSP-6" Documented Documented,
    CSP_7 = "CSP-7" Documented Documented,
    ENC_1 = "ENC-1" Documented Documented,
    ENC_2 = "ENC-2" Documented Documented,
    ENC_3 = "ENC-3" Documented Documented,
    ENC_4 = "ENC-4" Undocumented Undocumented,
    ENC_5 = "ENC-5" Documented Documented,
    ENC_6 = "ENC-6" Documented Documented,
    BW_1 = "BW-1" Documented Documented,
    BW_2 = "BW-2" Documented Documented,
    BW_3 = "BW-3" Documented Documented,
    BW_4 = "BW-4" Documented Documented,
    BW_5 = "BW-5" Documented Documented,
    BW_6 = "BW-6" Documented Documented,
    BW_7 = "BW-7" Documented Documented,
    V6_1 = "V6-1" Documented Documented,
    V6_2 = "V6-2" Undocumented Undocumented,
    V6_3 = "V6-3" Documented Undocumented,
    V6_4 = "V6-4" Documented Documented,
    V6_5 = "V6-5" Documented Documented,
    V6_6 = "V6-6" Undocumented Undocumented,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_confidence_orders_from_the_weakest() {
        let mut ids: Vec<_> = Rule::ALL.iter().map(|r| r.id()).collect();
        assert_eq!(Rule::SEL_5.id(), "SEL-5");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Rule::ALL.len());
        assert!(Confidence::Undocumented < Confidence::Field && Confidence::Field < Confidence::Documented);
        assert_eq!(Rule::SYS_1.confidence(), Confidence::Documented);
        assert_eq!(Rule::SYS_16.confidence(), Confidence::Undocumented);
        assert_eq!(Rule::UDR_4.confidence(), Confidence::Documented);
        assert_eq!(Rule::UDR_4.decision_confidence(), Confidence::Undocumented);
    }
}
