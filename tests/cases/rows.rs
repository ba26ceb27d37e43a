//! Comparison of an expected effective-route table with a computed one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use azroute::model::{EffectiveNextHopType, EffectiveRouteRow, RouteSource, RouteState};

use super::report::{Item, Outcome};
use super::schema::{ExpectedRow, ExpectedTable, prefix};

/// Whether the listing names every row, and of which kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Listing {
    Full,
    WithoutNoneRows,
    GatewayRowsOnly,
    ActiveOnly,
    /// Only rows of these next hop types are all there; none for a plain excerpt.
    Excerpt(Vec<EffectiveNextHopType>),
    Unknown(String),
}

impl Listing {
    pub(crate) fn of(table: &ExpectedTable) -> Self {
        match table.listing.as_deref().unwrap_or("excerpt") {
            "full" => Self::Full,
            "without_none_rows" => Self::WithoutNoneRows,
            "gateway_rows_only" => Self::GatewayRowsOnly,
            "active_only" => Self::ActiveOnly,
            "excerpt" => Self::Excerpt(
                table.complete_for.0.iter().filter_map(|w| EffectiveNextHopType::parse(w)).collect(),
            ),
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// Whether a computed row must stand in the listing.
    fn covers(&self, row: &EffectiveRouteRow) -> bool {
        match self {
            Self::Full => true,
            Self::WithoutNoneRows => {
                !(row.source == RouteSource::Default && row.next_hop_type == EffectiveNextHopType::None)
            }
            Self::GatewayRowsOnly => row.source == RouteSource::VirtualNetworkGateway,
            Self::ActiveOnly => row.state == RouteState::Active,
            Self::Excerpt(types) => types.contains(&row.next_hop_type),
            Self::Unknown(_) => false,
        }
    }

    fn is_plain_excerpt(&self) -> bool {
        matches!(self, Self::Unknown(_)) || *self == Self::Excerpt(Vec::new())
    }
}

/// A computed row as text.
pub(crate) fn text(row: &EffectiveRouteRow) -> String {
    let mut text = format!("{} {} {} {}", row.source, row.state, row.prefix, row.next_hop_type);
    for ip in &row.next_hop_ip_addresses {
        text.push_str(&format!(" {ip}"));
    }
    text
}

/// An expected row as text.
pub(crate) fn expected_text(row: &ExpectedRow) -> String {
    let part = |p: &Option<String>| p.clone().unwrap_or_else(|| "*".to_owned());
    let mut text = format!(
        "{} {} {} {}",
        part(&row.source),
        part(&row.state),
        part(&row.prefix),
        part(&row.next_hop_type)
    );
    for ip in &row.next_hop_ip.0 {
        text.push_str(&format!(" {ip}"));
    }
    text
}

/// Whether `shown` (an address, or one masked as `52.X.X.X`) can be this address.
fn shows(shown: &str, ip: IpAddr) -> bool {
    if let Ok(shown) = shown.parse::<IpAddr>() {
        return shown == ip;
    }
    let (parts, ip) = (shown.split('.').collect::<Vec<_>>(), ip.to_string());
    let octets: Vec<&str> = ip.split('.').collect();
    parts.len() == octets.len()
        && parts.iter().zip(octets).all(|(p, o)| p.eq_ignore_ascii_case("x") || *p == o)
}

/// Whether an author masked this address.
pub(crate) fn is_masked(shown: &str) -> bool {
    shown.parse::<IpAddr>().is_err()
        && shown.split('.').count() == 4
        && shown.split('.').all(|p| p.eq_ignore_ascii_case("x") || p.parse::<u8>().is_ok())
}

/// Whether the row is of the kind that the expectation describes, next hops aside. A missing key matches anything; a
/// prefix that is a placeholder matches every prefix.
fn is_kind(expected: &ExpectedRow, row: &EffectiveRouteRow) -> bool {
    let by = |text: &Option<String>, word: &str| text.as_ref().is_none_or(|t| t.eq_ignore_ascii_case(word));
    let place = expected.prefix.as_deref().and_then(prefix);
    let typed = expected.next_hop_type.as_deref().map(EffectiveNextHopType::parse);
    by(&expected.source, row.source.as_str())
        && by(&expected.state, row.state.as_str())
        && place.is_none_or(|p| p == row.prefix)
        && typed.is_none_or(|t| t == Some(row.next_hop_type))
}

/// What stands against a row's next hops, if anything.
fn hops_differ(expected: &ExpectedRow, row: &EffectiveRouteRow) -> Option<String> {
    for shown in &expected.next_hop_ip.0 {
        let found = row.next_hop_ip_addresses.iter().any(|ip| shows(shown, *ip));
        // A masked address says that there is one; which one, and whether azroute knows it, is open.
        let open = is_masked(shown) && row.next_hop_ip_addresses.is_empty();
        if !found && !open {
            let have: Vec<String> = row.next_hop_ip_addresses.iter().map(ToString::to_string).collect();
            return Some(format!("next hop {shown} is not among [{}]", have.join(", ")));
        }
    }
    None
}

/// Compares a table. `routed` tells whether any route for a prefix is known at the place, shown or not: where none is,
/// an expected gateway row lacks its input.
pub(crate) fn compare(
    key: &str,
    table: &ExpectedTable,
    computed: &[EffectiveRouteRow],
    known: &dyn Fn(ipnet::IpNet) -> bool,
) -> Vec<Item> {
    let listing = Listing::of(table);
    let mut items = Vec::new();
    for (j, expected) in table.rows.iter().enumerate() {
        let of_kind: Vec<&EffectiveRouteRow> = computed.iter().filter(|row| is_kind(expected, row)).collect();
        let outcome = if of_kind.is_empty() {
            missing(expected, computed, known)
        } else {
            let differences: Vec<Option<String>> =
                of_kind.iter().map(|row| hops_differ(expected, row)).collect();
            match differences.iter().find(|d| d.is_none()) {
                Some(_) => Outcome::Equal,
                None => Outcome::Different(differences.into_iter().flatten().next().unwrap_or_default()),
            }
        };
        items.push(Item::new(format!("{key}.rows[{j}]"), expected_text(expected), outcome));
    }
    for (j, text) in table.rows.other.iter().enumerate() {
        let outcome = Outcome::NotComparable("the row cannot be read".to_owned());
        items.push(Item::new(format!("{key}.unread[{j}]"), text.clone(), outcome));
    }
    for (j, absent) in table.absent.iter().enumerate() {
        let there: Vec<String> = computed.iter().filter(|row| is_kind(absent, row)).map(text).collect();
        let outcome = if there.is_empty() {
            Outcome::Equal
        } else {
            Outcome::Different(format!("there is {}", there.join("; ")))
        };
        items.push(Item::new(
            format!("{key}.absent[{j}]"),
            format!("absent: {}", expected_text(absent)),
            outcome,
        ));
    }
    if let Listing::Unknown(word) = &listing {
        let outcome = Outcome::NotComparable(format!("listing `{word}` is not known"));
        items.push(Item::new(format!("{key}.complete"), "nothing else".to_owned(), outcome));
    } else if !listing.is_plain_excerpt() {
        let more = unexpected(table, &listing, computed);
        let outcome = if more.is_empty() { Outcome::Equal } else { Outcome::Different(more.join("; ")) };
        items.push(Item::new(format!("{key}.complete"), "nothing else".to_owned(), outcome));
    }
    items
}

fn missing(
    expected: &ExpectedRow,
    computed: &[EffectiveRouteRow],
    known: &dyn Fn(ipnet::IpNet) -> bool,
) -> Outcome {
    let place = expected.prefix.as_deref().and_then(prefix);
    let near: Vec<String> = computed.iter().filter(|row| place == Some(row.prefix)).map(text).collect();
    let of_gateway =
        expected.source.as_deref().is_some_and(|s| s.eq_ignore_ascii_case("VirtualNetworkGateway"));
    match place {
        Some(place) if of_gateway && !known(place) => Outcome::NotComparable(
            "nothing that is given declares this route at a gateway of this place".to_owned(),
        ),
        Some(_) if near.is_empty() => Outcome::Different("no row".to_owned()),
        _ => Outcome::Different(format!("instead: {}", near.join("; "))),
    }
}

/// Computed rows, and next hops, that a complete listing does not have.
fn unexpected(table: &ExpectedTable, listing: &Listing, computed: &[EffectiveRouteRow]) -> Vec<String> {
    let mut more = Vec::new();
    for row in computed.iter().filter(|row| listing.covers(row)) {
        let of_kind: Vec<&ExpectedRow> =
            table.rows.iter().filter(|expected| is_kind(expected, row)).collect();
        if of_kind.is_empty() {
            // A row that stands with another state or type is reported there.
            let elsewhere = table.rows.iter().any(|e| {
                e.prefix.as_deref().and_then(prefix) == Some(row.prefix)
                    && !computed.iter().any(|c| is_kind(e, c))
            });
            if !elsewhere {
                more.push(format!("unexpected {}", text(row)));
            }
            continue;
        }
        let shown: BTreeSet<&String> = of_kind.iter().flat_map(|e| &e.next_hop_ip.0).collect();
        if shown.is_empty() {
            continue;
        }
        for ip in &row.next_hop_ip_addresses {
            if !shown.iter().any(|s| shows(s, *ip)) {
                more.push(format!("unexpected next hop {ip} of {}", row.prefix));
            }
        }
    }
    more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(
        source: RouteSource,
        state: RouteState,
        net: &str,
        hop: EffectiveNextHopType,
        ips: &[&str],
    ) -> EffectiveRouteRow {
        EffectiveRouteRow {
            prefix: net.parse().unwrap(),
            source,
            state,
            next_hop_type: hop,
            next_hop_ip_addresses: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
            name: None,
        }
    }

    fn expected(listing: &str, rows: &str) -> ExpectedTable {
        serde_saphyr::from_str(&format!("{{at: x, listing: {listing}, rows: [{rows}]}}")).unwrap()
    }

    fn computed() -> Vec<EffectiveRouteRow> {
        use {EffectiveNextHopType as Hop, RouteSource as Source, RouteState as State};
        vec![
            row(Source::Default, State::Active, "10.0.0.0/16", Hop::VnetLocal, &[]),
            row(Source::Default, State::Active, "10.0.0.0/8", Hop::None, &[]),
            row(
                Source::VirtualNetworkGateway,
                State::Active,
                "10.9.0.0/16",
                Hop::VirtualNetworkGateway,
                &["10.0.0.4", "10.0.0.5"],
            ),
        ]
    }

    fn outcomes(table: &ExpectedTable) -> Vec<(String, bool)> {
        let items = compare("t", table, &computed(), &|_| true);
        items.into_iter().map(|i| (i.key, i.outcome == Outcome::Equal)).collect()
    }

    const LOCAL: &str = "{source: Default, state: Active, prefix: 10.0.0.0/16, next_hop_type: VNetLocal}";
    const NONE: &str = "{source: Default, state: Active, prefix: 10.0.0.0/8, next_hop_type: None}";
    const GATEWAY: &str = "{source: VirtualNetworkGateway, state: Active, prefix: 10.9.0.0/16, \
                           next_hop_type: VirtualNetworkGateway, next_hop_ip: 10.0.0.4}, {source: VirtualNetworkGateway, \
                           state: Active, prefix: 10.9.0.0/16, next_hop_type: VirtualNetworkGateway, next_hop_ip: 10.0.0.5}";

    #[test]
    fn several_rows_are_one_set_of_next_hops() {
        let table = expected("full", &format!("{LOCAL}, {NONE}, {GATEWAY}"));
        assert!(outcomes(&table).iter().all(|(_, equal)| *equal));
        assert_eq!(outcomes(&table).len(), 5);
        let list = GATEWAY.split("}, {").next().unwrap().replace("10.0.0.4", "[10.0.0.4, 10.X.X.X]");
        let table = expected("gateway_rows_only", &format!("{list}}}"));
        assert!(outcomes(&table).iter().all(|(_, equal)| *equal));
    }

    #[test]
    fn a_planted_wrong_row_is_different() {
        for (from, to) in [
            ("VNetLocal", "VNetPeering"),
            ("10.0.0.0/16", "10.3.0.0/16"),
            ("Active", "Invalid"),
            ("Default", "User"),
        ] {
            let wrong = LOCAL.replace(from, to);
            assert_ne!(wrong, LOCAL);
            let table = expected("excerpt", &wrong);
            assert_eq!(outcomes(&table), [("t.rows[0]".to_owned(), false)], "{to}");
        }
        let table = expected("excerpt", &GATEWAY.replace("10.0.0.5", "10.0.0.6"));
        assert_eq!(outcomes(&table).iter().filter(|(_, equal)| !equal).count(), 1);
    }

    #[test]
    fn a_complete_listing_tells_what_it_lacks() {
        let find = |table: &ExpectedTable| {
            outcomes(table).into_iter().find(|(k, _)| k == "t.complete").map(|(_, e)| e)
        };
        assert_eq!(find(&expected("full", &format!("{LOCAL}, {GATEWAY}"))), Some(false));
        assert_eq!(find(&expected("without_none_rows", &format!("{LOCAL}, {GATEWAY}"))), Some(true));
        assert_eq!(find(&expected("gateway_rows_only", GATEWAY)), Some(true));
        assert_eq!(find(&expected("excerpt, complete_for: [VNetLocal]", LOCAL)), Some(true));
        assert_eq!(find(&expected("excerpt, complete_for: [None]", LOCAL)), Some(false));
        assert_eq!(find(&expected("excerpt", LOCAL)), None);
        // One next hop of two is not the whole.
        let half = GATEWAY.split("}, {").next().unwrap();
        assert_eq!(find(&expected("gateway_rows_only", &format!("{half}}}"))), Some(false));
    }

    #[test]
    fn absent_rows_and_rows_without_input() {
        let table: ExpectedTable = serde_saphyr::from_str(
            "{at: x, absent: [{prefix: 10.0.0.0/8}, {prefix: 10.0.0.0/8, next_hop_type: Internet}]}",
        )
        .unwrap();
        let items = compare("t", &table, &computed(), &|_| true);
        assert!(matches!(items[0].outcome, Outcome::Different(_)));
        assert_eq!(items[1].outcome, Outcome::Equal);
        let table = expected("excerpt", &GATEWAY.replace("10.9.", "10.8."));
        let items = compare("t", &table, &computed(), &|_| false);
        assert!(items.iter().all(|i| matches!(i.outcome, Outcome::NotComparable(_))));
    }
}
