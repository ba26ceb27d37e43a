//! Tables of prefixes as routers in the default-free zone have them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::Random;

/// Of 10,000 IPv4 prefixes (a table of 901,899, January 2024): length, how many, how many of 100 lie inside another one.
const LENGTHS_V4: &[(u8, u32, u32)] = &[
    (11, 1, 4),
    (12, 3, 10),
    (13, 6, 17),
    (14, 13, 15),
    (15, 23, 22),
    (16, 150, 24),
    (17, 91, 46),
    (18, 153, 50),
    (19, 276, 39),
    (20, 472, 54),
    (21, 563, 55),
    (22, 1204, 45),
    (23, 1070, 57),
    (24, 5962, 51),
    (32, 10, 99),
];

/// The same of 160,147 IPv6 prefixes.
const LENGTHS_V6: &[(u8, u32, u32)] = &[
    (28, 12, 44),
    (29, 273, 1),
    (30, 41, 44),
    (31, 18, 46),
    (32, 1408, 25),
    (33, 183, 81),
    (34, 163, 72),
    (35, 65, 62),
    (36, 374, 57),
    (37, 55, 75),
    (38, 101, 52),
    (39, 86, 82),
    (40, 838, 76),
    (41, 56, 53),
    (42, 144, 80),
    (43, 63, 43),
    (44, 897, 72),
    (45, 97, 82),
    (46, 190, 53),
    (47, 197, 79),
    (48, 4714, 59),
    (56, 1, 96),
    (64, 11, 97),
    (127, 4, 100),
];

/// Prefixes with an origin AS each, in order, none twice: lengths and nesting follow a real table's, whatever the size.
///
/// A prefix that is to lie inside another one takes a shorter one at random, mostly one that was made lately, so that
/// some hold many; it has the other's origin in two of three cases. Counts are met as long as there is room.
pub fn internet_table(v4: usize, v6: usize, seed: u64) -> Vec<(IpNet, u32)> {
    let mut random = Random::new(seed);
    let mut table = BTreeMap::new();
    for (count, lengths, v4) in [(v4, LENGTHS_V4, true), (v6, LENGTHS_V6, false)] {
        let total: usize = lengths.iter().map(|(_, share, _)| *share as usize).sum();
        let mut made: Vec<(IpNet, u32)> = Vec::new();
        let mut due = 0;
        for (length, share, inside) in lengths {
            due += count * *share as usize;
            let goal = due / total;
            let shorter = made.len();
            let mut tries = 0;
            while made.len() < goal && tries < 16 * count {
                tries += 1;
                let outer = if shorter > 0 && random.below(100) < *inside {
                    let at = random.next_u64() % shorter as u64;
                    usize::try_from(at).ok().and_then(|at| made.get(at)).copied()
                } else {
                    None
                };
                let origin = match outer {
                    Some((_, origin)) if random.below(3) < 2 => origin,
                    _ => 1 + random.below(70_000),
                };
                let Some(prefix) = draw(outer.map(|(prefix, _)| prefix), v4, *length, &mut random) else {
                    continue;
                };
                if table.insert(prefix, origin).is_none() {
                    made.push((prefix, origin));
                }
            }
        }
    }
    table.into_iter().collect()
}

/// A prefix of a length, in another or anywhere in what is given out: 1.0.0.0 to 223.255.255.255, and some 60 /16s of
/// 2000::/3.
fn draw(outer: Option<IpNet>, v4: bool, length: u8, random: &mut Random) -> Option<IpNet> {
    let wide = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
    let address = match outer {
        Some(IpNet::V4(net)) => {
            let host = u32::try_from(wide & u128::from(net.hostmask().to_bits())).ok()?;
            IpAddr::V4(Ipv4Addr::from_bits(net.network().to_bits() | host))
        }
        Some(IpNet::V6(net)) => {
            IpAddr::V6(Ipv6Addr::from_bits(net.network().to_bits() | wide & net.hostmask().to_bits()))
        }
        None if v4 => {
            let first = 1 + random.below(223);
            IpAddr::V4(Ipv4Addr::from_bits(first << 24 | random.bits() >> 8))
        }
        None => {
            const BLOCKS: [u128; 7] = [0x2001, 0x2400, 0x2600, 0x2800, 0x2a00, 0x2a10, 0x2c0f];
            let block = BLOCKS.get(random.below(7) as usize)? + u128::from(random.below(12));
            IpAddr::V6(Ipv6Addr::from_bits(block << 112 | wide >> 16))
        }
    };
    IpNet::new(address, length).ok().map(|net| net.trunc())
}
