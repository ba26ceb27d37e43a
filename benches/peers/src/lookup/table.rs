//! Tables and streams of addresses.

use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use azroute::testing::generate::Random;
use ipnet::IpNet;

/// Addresses of a stream.
pub const STREAM: usize = 1 << 18;

/// Prefixes of one family in order, each with its origin.
pub struct Table {
    pub title: String,
    pub routes: Vec<(IpNet, u32)>,
}

impl Table {
    /// One prefix a line, with an optional origin AS; packed by gzip or not.
    pub fn read(path: &str) -> Vec<Self> {
        let mut bytes = std::fs::read(path).expect("a readable file");
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let packed = std::mem::take(&mut bytes);
            flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("gzip");
        }
        let mut routes = Vec::new();
        for line in BufReader::new(&bytes[..]).lines() {
            let line = line.expect("text");
            let mut words = line.split_whitespace();
            let Some(prefix) = words.next().filter(|word| !word.starts_with('#')) else { continue };
            let prefix: IpNet = prefix.parse().expect("a prefix");
            routes.push((prefix.trunc(), words.next().map_or(0, |origin| origin.parse().expect("an AS"))));
        }
        Self::split(path.rsplit('/').next().unwrap_or(path), routes)
    }

    /// A table of its own for each family that there is.
    pub fn split(title: &str, mut routes: Vec<(IpNet, u32)>) -> Vec<Self> {
        routes.sort();
        routes.dedup_by_key(|(prefix, _)| *prefix);
        let at = routes.partition_point(|(prefix, _)| matches!(prefix, IpNet::V4(_)));
        let v6 = routes.split_off(at);
        let table = |routes: Vec<_>| Self { title: format!("{title}, {} prefixes", routes.len()), routes };
        [routes, v6].into_iter().filter(|routes| !routes.is_empty()).map(table).collect()
    }

    /// A random part of it, in order.
    pub fn part(&self, count: usize) -> Self {
        let mut random = Random::new(7);
        let mut keyed: Vec<_> = self.routes.iter().map(|route| (random.next_u64(), *route)).collect();
        keyed.sort();
        keyed.truncate(count);
        let mut routes: Vec<_> = keyed.into_iter().map(|(_, route)| route).collect();
        routes.sort();
        Self { title: format!("{} of {}", routes.len(), self.title), routes }
    }

    /// One of 64 values by the origin.
    pub fn value(origin: u32) -> u32 {
        origin.wrapping_mul(0x9e37_79b1) >> 26
    }

    pub fn by_route(&self) -> impl Iterator<Item = (IpNet, u32)> + '_ {
        self.routes.iter().zip(0..).map(|((prefix, _), handle)| (*prefix, handle))
    }

    pub fn by_value(&self) -> impl Iterator<Item = (IpNet, u32)> + '_ {
        self.routes.iter().map(|(prefix, origin)| (*prefix, Self::value(*origin)))
    }

    fn is_v4(&self) -> bool {
        matches!(self.routes[0].0, IpNet::V4(_))
    }

    /// A random address in a prefix.
    fn within(prefix: &IpNet, random: &mut Random) -> IpAddr {
        let wide = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
        match prefix {
            IpNet::V4(net) => {
                let host = u32::try_from(wide & u128::from(u32::from(net.hostmask()))).expect("32 bits");
                IpAddr::V4(Ipv4Addr::from_bits(net.network().to_bits() | host))
            }
            IpNet::V6(net) => {
                IpAddr::V6(Ipv6Addr::from_bits(net.network().to_bits() | wide & net.hostmask().to_bits()))
            }
        }
    }

    fn pick(&self, random: &mut Random) -> usize {
        usize::try_from(random.next_u64() % self.routes.len() as u64).expect("an index")
    }

    /// The streams, each with its name. `hit` tells whether an address matches.
    pub fn streams(&self, hit: impl Fn(IpAddr) -> bool) -> Vec<(&'static str, Vec<IpAddr>)> {
        let mut random = Random::new(1);
        let everywhere = if self.is_v4() { "0.0.0.0/0" } else { "2000::/3" }.parse().expect("a prefix");
        let inside = (0..STREAM).map(|_| Self::within(&self.routes[self.pick(&mut random)].0, &mut random));
        let inside: Vec<_> = inside.collect();
        let uniform: Vec<_> = (0..STREAM).map(|_| Self::within(&everywhere, &mut random)).collect();
        // Ranks by a power law of exponent 1, over the prefixes in no order.
        let mut order: Vec<usize> = (0..self.routes.len()).collect();
        for at in (1..order.len()).rev() {
            let other = usize::try_from(random.next_u64() % (at as u64 + 1)).expect("an index");
            order.swap(at, other);
        }
        let zipf = (0..STREAM).map(|_| {
            let share = f64::from(random.below(1 << 30)) / f64::from(1 << 30);
            let rank = (order.len() as f64).powf(share) as usize - 1;
            Self::within(&self.routes[order[rank.min(order.len() - 1)]].0, &mut random)
        });
        let zipf: Vec<_> = zipf.collect();
        let mut misses = Vec::new();
        for _ in 0..STREAM * 64 {
            let address = Self::within(&everywhere, &mut random);
            if misses.len() < STREAM && !hit(address) {
                misses.push(address);
            }
        }
        // Inside the prefixes that most others hold.
        let mut open: Vec<IpNet> = Vec::new();
        let mut depths = Vec::new();
        for (prefix, _) in &self.routes {
            while open.last().is_some_and(|outer| !outer.contains(prefix)) {
                open.pop();
            }
            open.push(*prefix);
            depths.push((open.len(), *prefix));
        }
        depths.sort_by_key(|(depth, _)| std::cmp::Reverse(*depth));
        depths.truncate((depths.len() / 64).max(1));
        let deepest = (0..STREAM).map(|_| {
            let at = usize::try_from(random.next_u64() % depths.len() as u64).expect("an index");
            Self::within(&depths[at].1, &mut random)
        });
        let deepest: Vec<_> = deepest.collect();
        let mut streams =
            vec![("inside", inside), ("uniform", uniform), ("zipf", zipf), ("deepest", deepest)];
        if misses.len() == STREAM {
            streams.push(("misses", misses));
        }
        streams
    }
}
