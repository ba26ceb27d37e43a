//! A network that learns a large table, such as the Internet's, over its circuits.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{GenerateError, Random};
use crate::model::{Advertisement, Asn, Document, LinkRole, ResourceId};

/// How differently the prefixes of a learned table are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Announced {
    /// All alike, over both links of every circuit.
    Alike,
    /// In this many ways, chosen by a fixed hash of the origin AS: each way is another set of links, so that the next
    /// hops differ. Circuits have two links each, and `n` links make `2^n - 1` sets.
    ByOrigin(u32),
    /// Each with an AS path of its own, over both links of every circuit: no two prefixes share a route group.
    Each,
}

/// The AS that announces everything.
const FIRST: Asn = Asn(65_001);
/// Numbers for private use of four octets (RFC 6996): paths of their own are told apart by these.
const PRIVATE: u32 = 4_200_000_000;
const PRIVATE_COUNT: usize = 94_967_295;

/// Lets the last site of a document announce prefixes, each with its origin AS, over the private peering of all its
/// circuits; gives the number of prefixes. Tables this large exceed the limit of a circuit (ER-4): they are for
/// [`Limits::LintOnly`](crate::model::Limits::LintOnly). The site is told apart from its own hosts: what it announces is
/// not added to its prefixes.
///
/// ```
/// use azroute::model::Limits;
/// use azroute::testing::generate::{self, Announced, HubAndSpoke};
///
/// let size = HubAndSpoke { circuits: 2, learned_routes: 0, limits: Limits::LintOnly, ..HubAndSpoke::default() };
/// let mut document = generate::hub_and_spoke(&size)?;
/// let table = [("198.51.100.0/24", 64_496), ("203.0.113.0/24", 64_497)];
/// let table = table.map(|(prefix, origin)| (prefix.parse().unwrap(), origin));
/// assert_eq!(generate::announce(&mut document, table, Announced::ByOrigin(15))?, 2);
/// # Ok::<(), azroute::testing::generate::GenerateError>(())
/// ```
///
/// # Errors
/// More ways than the links of the circuits can make, more prefixes of their own paths than there are private numbers, or
/// a document without sites.
pub fn announce(
    document: &mut Document,
    table: impl IntoIterator<Item = (IpNet, u32)>,
    announced: Announced,
) -> Result<usize, GenerateError> {
    let circuits: Vec<ResourceId> = document.express_route_circuits.iter().map(|c| c.id.clone()).collect();
    let Some(site) = document.on_premises_sites.last_mut() else {
        return Err(GenerateError::Limit { what: "sites that announce", asked: 1, legal: 0 });
    };
    let told = &mut site.advertisements;
    let mut count = 0;
    if announced == Announced::Each {
        for (n, (prefix, origin)) in table.into_iter().enumerate() {
            let own = u32::try_from(n).ok().filter(|_| n < PRIVATE_COUNT).ok_or(GenerateError::Limit {
                what: "AS paths",
                asked: n,
                legal: PRIVATE_COUNT,
            })?;
            let path = [FIRST, Asn(PRIVATE + own)].into_iter().chain(origin_of(origin));
            told.extend(circuits.iter().map(|c| Advertisement::new(c, [prefix], path.clone())));
            count += 1;
        }
        return Ok(count);
    }
    let ways = match announced {
        Announced::ByOrigin(ways) => ways.max(1),
        _ => 1,
    };
    let links = 2 * circuits.len();
    let sets =
        u32::try_from(links).ok().and_then(|links| 1_u32.checked_shl(links)).map_or(u32::MAX, |n| n - 1);
    if ways > sets {
        let (asked, legal) = (ways as usize, sets as usize);
        return Err(GenerateError::Limit { what: "ways of announcing", asked, legal });
    }
    let mut by_way: BTreeMap<u32, Vec<IpNet>> = BTreeMap::new();
    for (prefix, origin) in table {
        by_way.entry(way_of(origin, ways)).or_default().push(prefix);
        count += 1;
    }
    for (way, prefixes) in by_way {
        // One way alone is over all links, else the number of the way is the set of its links.
        let set = if ways == 1 { sets } else { way + 1 };
        for (c, circuit) in (0..).zip(&circuits) {
            let on = |link: u32| 2 * c + link < 32 && set >> (2 * c + link) & 1 == 1;
            let link = match (on(0), on(1)) {
                (false, false) => continue,
                (true, true) => None,
                (true, false) => Some(LinkRole::Primary),
                (false, true) => Some(LinkRole::Secondary),
            };
            let over = Advertisement::new(circuit, prefixes.iter().copied(), [FIRST]);
            told.push(Advertisement { link, ..over });
        }
    }
    Ok(count)
}

/// The way of an origin AS among this many: a fixed hash, the same everywhere.
pub fn way_of(origin: u32, ways: u32) -> u32 {
    Random::new(u64::from(origin)).below(ways)
}

/// Numbers that Azure takes in a path: not 0, which tables say where the origin is a set (BGP-6), nor its own (BGP-5).
fn origin_of(origin: u32) -> Option<Asn> {
    let own = [Asn::MICROSOFT_EDGE, Asn::AZURE_GATEWAY];
    Some(Asn(origin)).filter(|asn| origin != 0 && !own.contains(asn))
}
