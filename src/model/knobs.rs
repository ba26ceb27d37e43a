//! The era of a scenario, and the switches where documents disagree or say nothing.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{Date, is_default};

/// Decisions that a scenario may change. The defaults are those of the rules; every answer carries the set it was
/// computed under.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// Which reserved ranges have a system `None` row (SYS-3 to SYS-5). Not set follows the era.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub none_profile: Option<NoneProfile>,
    /// Whether service-endpoint rows can be overridden (SE-4, CON-5).
    #[serde(skip_serializing_if = "is_default")]
    pub se_precedence: SePrecedence,
    /// What a user route that overrides a protected row does to more specific BGP routes (SEL-8).
    #[serde(skip_serializing_if = "is_default")]
    pub bgp_shadow: BgpShadow,
    /// Whether exceeded limits take sessions and connections down (ER-4, VPN-4) or are only reported.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// Which ends of a peering must allow forwarded traffic (PEER-5, CON-9).
    #[serde(skip_serializing_if = "is_default")]
    pub forwarded_traffic: ForwardedTraffic,
    /// Whether a circuit may link networks of another tenant (ISO-2, CON-8). Not set follows the era.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_tenant_links: Option<CrossTenantLinks>,
    /// Whether an address that no interface owns ends as `Drop(NoSuchHost)` instead of being delivered (SYS-16).
    #[serde(skip_serializing_if = "is_default")]
    pub strict_hosts: bool,
}

/// Named lists of reserved ranges that the platform gives a system `None` row (SYS-4, SYS-5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum NoneProfile {
    /// The four ranges of the current document.
    #[default]
    Documented4,
    /// Without 172.16.0.0/12, as in documents and output of about 2016 to 2021.
    Legacy3,
    /// `Legacy3` and two public ranges (2021).
    Legacy3x2021,
    /// `Legacy3` and twelve public ranges (until about November 2021).
    #[serde(rename = "Seen2021-11")]
    Seen2021_11,
    /// `Seen2021-11` and 172.16.0.0/12: one recorded table, between the two profiles around it.
    #[serde(rename = "Seen2021-11+172")]
    Seen2021_11Plus172,
    /// `Seen2021-11`, 172.16.0.0/12 and 127.0.0.0/8.
    Seen2022,
    /// As published in 2024-25.
    Seen2024,
}

const fn net(a: u8, b: u8, c: u8, d: u8, len: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), len)
}

const TEN: Ipv4Net = net(10, 0, 0, 0, 8);
const ONE_SEVEN_TWO: Ipv4Net = net(172, 16, 0, 0, 12);
const ONE_NINE_TWO: Ipv4Net = net(192, 168, 0, 0, 16);
const SHARED: Ipv4Net = net(100, 64, 0, 0, 10);
const LOOPBACK: Ipv4Net = net(127, 0, 0, 0, 8);
const C198_18: Ipv4Net = net(198, 18, 0, 0, 15);
const C157_59: Ipv4Net = net(157, 59, 0, 0, 16);
const C40_109: Ipv4Net = net(40, 109, 0, 0, 16);
const C104_147: Ipv4Net = net(104, 147, 0, 0, 16);
const C104_146: Ipv4Net = net(104, 146, 0, 0, 17);
const C40_108: Ipv4Net = net(40, 108, 0, 0, 17);
const C23_103: Ipv4Net = net(23, 103, 0, 0, 18);
const C20_35: Ipv4Net = net(20, 35, 252, 0, 22);
const C25_48: Ipv4Net = net(25, 48, 0, 0, 12);
const C25_4: Ipv4Net = net(25, 4, 0, 0, 14);
const C25_33: Ipv4Net = net(25, 33, 0, 0, 16);
const C25_41: Ipv4Net = net(25, 41, 0, 0, 20);

impl NoneProfile {
    /// Every profile.
    pub const ALL: [Self; 7] = [
        Self::Documented4,
        Self::Legacy3,
        Self::Legacy3x2021,
        Self::Seen2021_11,
        Self::Seen2021_11Plus172,
        Self::Seen2022,
        Self::Seen2024,
    ];

    /// The ranges of this profile. IPv4 only: no reserved rows are documented for IPv6 (V6-2).
    pub const fn prefixes(self) -> &'static [Ipv4Net] {
        match self {
            Self::Documented4 => &[TEN, ONE_SEVEN_TWO, ONE_NINE_TWO, SHARED],
            Self::Legacy3 => &[TEN, ONE_NINE_TWO, SHARED],
            Self::Legacy3x2021 => {
                const { &[TEN, ONE_NINE_TWO, SHARED, net(25, 33, 80, 0, 20), net(25, 41, 3, 0, 25)] }
            }
            Self::Seen2021_11 => &[
                TEN,
                ONE_NINE_TWO,
                SHARED,
                C25_48,
                C25_4,
                C198_18,
                C157_59,
                C25_33,
                C40_109,
                C104_147,
                C104_146,
                C40_108,
                C23_103,
                C25_41,
                C20_35,
            ],
            Self::Seen2021_11Plus172 => &[
                TEN,
                ONE_SEVEN_TWO,
                ONE_NINE_TWO,
                SHARED,
                C25_48,
                C25_4,
                C198_18,
                C157_59,
                C25_33,
                C40_109,
                C104_147,
                C104_146,
                C40_108,
                C23_103,
                C25_41,
                C20_35,
            ],
            Self::Seen2022 => &[
                TEN,
                ONE_SEVEN_TWO,
                ONE_NINE_TWO,
                SHARED,
                LOOPBACK,
                C25_48,
                C25_4,
                C198_18,
                C157_59,
                C25_33,
                C40_109,
                C104_147,
                C104_146,
                C40_108,
                C23_103,
                C25_41,
                C20_35,
            ],
            Self::Seen2024 => {
                const {
                    &[
                        TEN,
                        ONE_SEVEN_TWO,
                        ONE_NINE_TWO,
                        SHARED,
                        LOOPBACK,
                        C25_4,
                        C198_18,
                        C157_59,
                        C40_109,
                        C104_147,
                        C104_146,
                        C40_108,
                        C23_103,
                        C20_35,
                        net(25, 148, 0, 0, 15),
                        net(25, 150, 0, 0, 16),
                        net(25, 152, 0, 0, 14),
                        net(25, 156, 0, 0, 16),
                        net(25, 159, 0, 0, 16),
                        net(25, 176, 0, 0, 13),
                        net(25, 184, 0, 0, 14),
                    ]
                }
            }
        }
    }
}

/// How service-endpoint rows stand against user and gateway routes (SE-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SePrecedence {
    /// As documented: nothing beats them.
    #[default]
    Documented,
    /// As labs report: plain longest match, then user, gateway, service endpoint.
    LabObserved,
}

/// What keeps gateway routes out of the address space of the network and its peers (SEL-8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum BgpShadow {
    /// The space itself, whatever became of its row.
    #[default]
    ByAddressSpace,
    /// Only a row that is still Active.
    ByActiveRow,
}

/// What an exceeded provider limit does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Limits {
    /// What the rules say: sessions or connections drop.
    #[default]
    Enforce,
    /// A finding, for studies of scale.
    LintOnly,
}

/// Whose `allowForwardedTraffic` counts (PEER-5, CON-9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ForwardedTraffic {
    /// The peering object of the receiving network.
    #[default]
    Receiver,
    /// Both peering objects.
    BothEnds,
}

/// Whether circuits link across tenants (ISO-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum CrossTenantLinks {
    /// Never, as in 2016.
    Deny2016,
    /// By authorisation, as today.
    ByAuthorisation,
}

/// The moment a scenario describes: a day, or today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Era(pub Option<Date>);

const fn day(year: u16, month: u8, day: u8) -> Date {
    match Date::new(year, month, day) {
        Some(date) => date,
        None => Date::new(1, 1, 1).expect("a day that every calendar has"),
    }
}

impl Era {
    /// Whether a change that came on this day is in force. Today is after every change.
    pub fn has(self, from: Date) -> bool {
        self.0.is_none_or(|as_of| as_of >= from)
    }

    /// The default profile of reserved rows (SYS-4).
    pub fn none_profile(self) -> NoneProfile {
        if self.has(day(2022, 1, 1)) { NoneProfile::Documented4 } else { NoneProfile::Legacy3 }
    }

    /// Whether route tables work on `GatewaySubnet` (UDR-12).
    pub fn gateway_subnet_route_tables(self) -> bool {
        self.has(day(2016, 7, 1))
    }

    /// Whether public peering still exists (PUB-1).
    pub fn public_peering(self) -> bool {
        !self.has(day(2024, 3, 31))
    }

    /// Whether gateway transit works over global peering (PEER-7).
    pub fn global_gateway_transit(self) -> bool {
        self.has(day(2019, 1, 1))
    }

    /// Whether private-endpoint network policies exist (PE-8).
    pub fn private_endpoint_policies(self) -> bool {
        self.has(day(2022, 9, 1))
    }

    /// Whether networks on one circuit reach each other unless switched off (ER-12, CON-6).
    pub fn vnet_to_vnet_over_circuit(self) -> bool {
        !self.has(day(2023, 6, 1))
    }

    /// Whether circuits may link networks of other tenants (ISO-2).
    pub fn cross_tenant_links(self) -> CrossTenantLinks {
        if self.has(day(2017, 1, 1)) { CrossTenantLinks::ByAuthorisation } else { CrossTenantLinks::Deny2016 }
    }

    /// User-defined routes per table (section 25).
    pub fn routes_per_table(self) -> usize {
        if self.has(day(2024, 10, 1)) { 600 } else { 400 }
    }
}

/// From this day a Microsoft peering advertises nothing without a route filter (MSP-8).
pub const ROUTE_FILTER_REQUIRED: Date = day(2017, 8, 1);
/// From this day new circuits have no public peering (PUB-1).
pub const PUBLIC_PEERING_CLOSED: Date = day(2018, 4, 1);
/// Virtual networks created after this day have private subnets by default (OUT-4).
pub const PRIVATE_SUBNETS_DEFAULT: Date = day(2026, 3, 31);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_profiles_hold_what_the_rules_list() {
        let sizes = NoneProfile::ALL.map(|p| p.prefixes().len());
        assert_eq!(sizes, [4, 3, 5, 15, 16, 17, 21]);
        for profile in NoneProfile::ALL {
            for prefix in profile.prefixes() {
                assert_eq!(*prefix, prefix.trunc(), "{profile:?}");
            }
        }
    }

    /// SYS-4.
    #[test]
    fn the_era_picks_the_profile() {
        assert_eq!(Era(None).none_profile(), NoneProfile::Documented4);
        assert_eq!(Era(Some("2019-05-01".parse().unwrap())).none_profile(), NoneProfile::Legacy3);
        assert_eq!(Era(Some("2023-05-01".parse().unwrap())).none_profile(), NoneProfile::Documented4);
    }
}
