//! The networks, as neither program writes them down.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// A router is its position. Router ids follow positions, so that "lowest id" means the same in both programs.
pub(crate) struct Topology {
    pub(crate) name: String,
    /// The system of each router.
    pub(crate) systems: Vec<u32>,
    /// Links with their cost. Between systems the cost is ignored.
    pub(crate) links: Vec<(usize, usize, u32)>,
    /// Sessions; the flag makes the second router a client of the first, a reflector.
    pub(crate) sessions: Vec<(usize, usize, bool)>,
    /// Routers that announce every prefix, each over one session.
    pub(crate) announcers: Vec<usize>,
    pub(crate) prefixes: Vec<Ipv4Net>,
    /// Every prefix has a path of its own.
    pub(crate) unique: bool,
}

impl Topology {
    fn new(name: String, prefixes: u32, unique: bool) -> Self {
        let prefix = |i: u32| Ipv4Net::new(Ipv4Addr::from(0x0100_0000 + (i << 8)), 24).expect("a length");
        Self {
            name,
            systems: Vec::new(),
            links: Vec::new(),
            sessions: Vec::new(),
            announcers: Vec::new(),
            prefixes: (0..prefixes).map(prefix).collect(),
            unique,
        }
    }

    /// One system: two reflectors, all others their clients; four external peers.
    pub(crate) fn reflectors(routers: usize, prefixes: u32, unique: bool) -> Self {
        let mut new = Self::new(format!("rr {routers} x {prefixes}"), prefixes, unique);
        new.systems = vec![65_000; routers];
        for i in 0..routers {
            for k in 1..=2 {
                let cost = u32::try_from(1 + (i * 7 + k * 3) % 10).expect("small");
                new.links.push((i, (i + k) % routers, cost));
            }
        }
        new.sessions.push((0, 1, false));
        for client in 2..routers {
            new.sessions.extend([(0, client, true), (1, client, true)]);
        }
        for border in 2..6 {
            new.announcer(border);
        }
        new
    }

    /// A system a router, in a row; an external peer at both ends.
    pub(crate) fn chain(routers: usize, prefixes: u32, unique: bool) -> Self {
        let mut new = Self::new(format!("chain {routers} x {prefixes}"), prefixes, unique);
        for i in 0..routers {
            new.router();
            if i > 0 {
                new.external(i - 1, i);
            }
        }
        new.announcer(0);
        new.announcer(routers - 1);
        new
    }

    /// A fat tree of `k` ports, a system a router; external peers at the first switch of four pods.
    pub(crate) fn fat_tree(k: usize, prefixes: u32, unique: bool) -> Self {
        let half = k / 2;
        let mut new = Self::new(format!("fat {k} x {prefixes}"), prefixes, unique);
        for _ in 0..half * half + k * k {
            new.router();
        }
        let (upper, lower) = (|pod: usize, i: usize| half * half + pod * half + i, half * half + k * half);
        for pod in 0..k {
            for i in 0..half {
                for j in 0..half {
                    new.external(i * half + j, upper(pod, i));
                    new.external(upper(pod, i), lower + pod * half + j);
                }
            }
        }
        for pod in 0..4 {
            new.announcer(lower + pod * half);
        }
        new
    }

    fn router(&mut self) -> usize {
        let router = self.systems.len();
        self.systems.push(60_000 + u32::try_from(router).expect("small"));
        router
    }

    fn external(&mut self, a: usize, b: usize) {
        self.links.push((a, b, 1));
        self.sessions.push((a, b, false));
    }

    fn announcer(&mut self, at: usize) {
        let router = self.router();
        self.external(router, at);
        self.announcers.push(router);
    }

    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.name, if self.unique { "(b)" } else { "(a)" })
    }

    /// The path that an announcer gives a prefix, without its own number.
    pub(crate) fn path(&self, announcer: usize, prefix: usize) -> Vec<u32> {
        let first = 100 + u32::try_from(announcer).expect("small");
        let second = 100_000 + u32::try_from(prefix).expect("small");
        if self.unique { vec![first, second] } else { vec![first] }
    }

    /// The session that goes down: the first announcer's, as its two ends and its position.
    pub(crate) fn lost(&self) -> (usize, usize, usize) {
        let position = self.sessions.iter().position(|s| s.0 == self.announcers[0]).expect("its session");
        (self.announcers[0], self.sessions[position].1, position)
    }

    pub(crate) fn router_id(router: usize) -> Ipv4Addr {
        Ipv4Addr::from(0x0A00_0001 + u32::try_from(router).expect("small"))
    }
}

/// What one router uses for a prefix, in both programs' common words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// The neighbour it came from; itself for a route of its own.
    pub(crate) from: usize,
    /// The router that the packet is sent towards.
    pub(crate) next_hop: usize,
    pub(crate) as_path: Vec<u32>,
    pub(crate) originator: Option<usize>,
    pub(crate) clusters: Vec<usize>,
}
