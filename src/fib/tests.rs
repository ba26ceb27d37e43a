//! Every layout against a linear scan.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;

use super::*;

const SHAPES: [Shape; 4] = [Shape::Fit, Shape::Large, Shape::Small, Shape::Exact];

/// The last of the longest prefixes that hold an address.
fn scan(routes: &[(IpNet, u32)], address: IpAddr) -> Option<(IpNet, u32)> {
    let holding = routes.iter().filter(|(prefix, _)| prefix.contains(&address));
    holding.max_by_key(|(prefix, _)| prefix.prefix_len()).map(|(prefix, handle)| (prefix.trunc(), *handle))
}

/// Addresses at which the answer may change: both ends of every prefix, and what lies beside them.
fn edges(routes: &[(IpNet, u32)]) -> Vec<IpAddr> {
    let mut found = vec![
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V4(Ipv4Addr::BROADCAST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
    ];
    for (prefix, _) in routes {
        match prefix {
            IpNet::V4(net) => {
                let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
                for bits in
                    [first.wrapping_sub(1), first, first + (last - first) / 2, last, last.wrapping_add(1)]
                {
                    found.push(IpAddr::V4(Ipv4Addr::from_bits(bits)));
                }
            }
            IpNet::V6(net) => {
                let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
                for bits in
                    [first.wrapping_sub(1), first, first + (last - first) / 2, last, last.wrapping_add(1)]
                {
                    found.push(IpAddr::V6(Ipv6Addr::from_bits(bits)));
                }
            }
        }
    }
    found
}

/// Compiles in every shape and both flavours, and asks in every way.
fn check(mut routes: Vec<(IpNet, u32)>, more: &[IpAddr]) {
    routes.sort_by_key(|(prefix, _)| prefix.trunc());
    let mut addresses = edges(&routes);
    addresses.extend_from_slice(more);
    let expected: Vec<_> = addresses.iter().map(|address| scan(&routes, *address)).collect();
    let v4: Vec<Ipv4Addr> =
        addresses.iter().filter_map(|a| if let IpAddr::V4(a) = a { Some(*a) } else { None }).collect();
    let v6: Vec<Ipv6Addr> =
        addresses.iter().filter_map(|a| if let IpAddr::V6(a) = a { Some(*a) } else { None }).collect();
    for shape in SHAPES {
        for keep in [true, false] {
            let fib = Fib::compile(routes.iter().copied(), keep, shape).unwrap();
            for (address, expected) in addresses.iter().zip(&expected) {
                let handle = expected.map(|(_, handle)| handle);
                assert_eq!(fib.longest_match(*address), handle, "{shape:?} {keep} {address}");
                let found = fib.longest_match_prefix(*address);
                assert_eq!(found.map(|found| found.handle), handle, "{shape:?} {keep} {address}");
                let prefix = expected.map(|(prefix, _)| prefix).filter(|_| keep);
                assert_eq!(found.and_then(|found| found.prefix), prefix, "{shape:?} {keep} {address}");
            }
            let mut found = vec![7; addresses.len()];
            fib.longest_match_many(&addresses, &mut found);
            let handles = expected.iter().map(|e| e.map_or(Fib::NONE, |(_, handle)| handle));
            assert!(handles.eq(found.iter().copied()), "{shape:?} {keep}: a mixed batch differs");
            let mut found = vec![7; v4.len()];
            fib.longest_match_many_v4(&v4, &mut found);
            let single = v4.iter().map(|a| fib.longest_match_v4(*a).unwrap_or(Fib::NONE));
            assert!(single.eq(found), "{shape:?} {keep}: an IPv4 batch differs");
            let mut twin = vec![7; v4.len()];
            dispatch::plain4(&fib.inner.v4, &v4, &mut twin, fib.inner.mask);
            let mut found = vec![7; v4.len()];
            fib.longest_match_many_v4(&v4, &mut found);
            assert_eq!(found, twin, "{shape:?} {keep}: instructions make a difference");
            let mut found = vec![7; v6.len()];
            fib.longest_match_many_v6(&v6, &mut found);
            let single = v6.iter().map(|a| fib.longest_match_v6(*a).unwrap_or(Fib::NONE));
            assert!(single.eq(found), "{shape:?} {keep}: an IPv6 batch differs");
        }
    }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn bits4() -> impl Strategy<Value = u32> {
    // Crowded and far apart.
    prop_oneof![any::<u32>(), (0..4096_u32).prop_map(|low| 0x0a00_0000 | low), Just(0), Just(u32::MAX)]
}

fn bits6() -> impl Strategy<Value = u128> {
    let base = 0x2001_0db8_u128 << 96;
    prop_oneof![
        any::<u128>(),
        any::<u16>().prop_map(move |low| base | u128::from(low) << 80),
        any::<u16>().prop_map(move |low| base | u128::from(low)),
        any::<u16>().prop_map(move |low| base | u128::from(low) << 64),
        Just(0),
        Just(u128::MAX)
    ]
}

fn route() -> impl Strategy<Value = (IpNet, u32)> {
    let handle = prop_oneof![
        0..4_u32,
        Just(253),
        Just(254),
        Just(255),
        Just(65_533),
        Just(65_534),
        0..=Fib::MAX_ROUTE
    ];
    let v4 = (bits4(), 0..=32_u8)
        .prop_map(|(bits, length)| IpNet::V4(Ipv4Net::new(Ipv4Addr::from_bits(bits), length).unwrap()));
    let v6 = (bits6(), 0..=128_u8)
        .prop_map(|(bits, length)| IpNet::V6(Ipv6Net::new(Ipv6Addr::from_bits(bits), length).unwrap()));
    (prop_oneof![v4, v6], handle)
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        bits4().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        bits6().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)))
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_layout_is_a_linear_scan(
        routes in prop::collection::vec(route(), 0..80),
        more in prop::collection::vec(address(), 0..80),
    ) {
        check(routes, &more);
    }

    #[test]
    fn few_values_merge(
        routes in prop::collection::vec((route(), 0..3_u32), 0..200),
        more in prop::collection::vec(address(), 0..40),
    ) {
        check(routes.into_iter().map(|((prefix, _), value)| (prefix, value)).collect(), &more);
    }
}

#[test]
fn nothing_matches_nothing() {
    check(Vec::new(), &[]);
    assert!(Fib::default().is_empty());
    assert_eq!(Fib::default().longest_match(IpAddr::V4(Ipv4Addr::LOCALHOST)), None);
}

#[test]
fn one_route_of_every_length() {
    for length in 0..=32 {
        check(vec![(IpNet::V4(Ipv4Net::new(Ipv4Addr::new(203, 0, 113, 77), length).unwrap()), 5)], &[]);
    }
    for length in 0..=128 {
        let address = "2001:db8:1:2:3:4:5:6".parse().unwrap();
        check(vec![(IpNet::V6(Ipv6Net::new(address, length).unwrap()), 5)], &[]);
    }
}

#[test]
fn nested_chains_of_every_length() {
    for bits in [0, u32::MAX, 0xcb00_714d] {
        let chain = |length| IpNet::V4(Ipv4Net::new(Ipv4Addr::from_bits(bits), length).unwrap());
        check((0..=32).map(|length| (chain(length), u32::from(length) * 1_000)).collect(), &[]);
    }
    for bits in [0, u128::MAX, 0x2001_0db8_0001_0002_0003_0004_0005_0006] {
        let chain = |length| IpNet::V6(Ipv6Net::new(Ipv6Addr::from_bits(bits), length).unwrap());
        check((0..=128).map(|length| (chain(length), u32::from(length) * 1_000)).collect(), &[]);
    }
}

#[test]
fn crowded_slots_are_searched() {
    // One /16 holds all, so that a slot of the radix step spans many nodes.
    let v4 = (0..20_000_u32)
        .map(|i| (IpNet::V4(Ipv4Net::new(Ipv4Addr::from_bits(0x0a00_0000 + i * 3), 32).unwrap()), i));
    let base = 0x2001_0db8_u128 << 96;
    let v6 = (0..20_000_u32).map(|i| {
        (IpNet::V6(Ipv6Net::new(Ipv6Addr::from_bits(base | u128::from(i * 3) << 80), 48).unwrap()), i)
    });
    let far = [(net("200.0.0.0/8"), 1), (net("fd00::/8"), 2)];
    let mut routes: Vec<_> = v4.chain(v6).chain(far).collect();
    routes.sort();
    for shape in SHAPES {
        let fib = Fib::compile(routes.iter().copied(), true, shape).unwrap();
        for (prefix, handle) in &routes {
            let found = fib.longest_match_prefix(prefix.network()).unwrap();
            assert_eq!((found.prefix, found.handle), (Some(*prefix), *handle), "{shape:?}");
            let behind = match prefix.broadcast() {
                IpAddr::V4(a) => IpAddr::V4(Ipv4Addr::from_bits(a.to_bits().wrapping_add(1))),
                IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from_bits(a.to_bits().wrapping_add(1))),
            };
            assert_eq!(fib.longest_match(behind), None, "{shape:?} {behind}");
        }
    }
}

#[test]
fn the_later_of_two_wins_and_host_bits_do_not_count() {
    let fib = Fib::by_route([(net("10.0.0.7/8"), 1), (net("10.0.0.0/8"), 2)]).unwrap();
    assert_eq!(fib.len(), 1);
    assert_eq!(fib.longest_match(net("10.9.9.9/32").addr()), Some(2));
}

#[test]
fn what_cannot_be_compiled_says_why() {
    let late = Fib::by_route([(net("10.0.0.0/16"), 1), (net("10.0.0.0/8"), 2)]).unwrap_err();
    assert_eq!(late, FibError::Unsorted { prefix: net("10.0.0.0/8"), previous: net("10.0.0.0/16") });
    assert!(Fib::by_value([(net("::/0"), 1), (net("0.0.0.0/0"), 2)]).is_err());
    let handle = Fib::MAX_ROUTE + 1;
    let error = Fib::by_route([(net("10.0.0.0/8"), handle)]).unwrap_err();
    assert_eq!(error, FibError::HandleOutOfRange { prefix: net("10.0.0.0/8"), handle, max: Fib::MAX_ROUTE });
    assert!(Fib::by_value([(net("10.0.0.0/8"), Fib::MAX_VALUE)]).is_ok());
    assert!(Fib::by_value([(net("10.0.0.0/8"), Fib::MAX_VALUE + 1)]).is_err());
}

#[test]
fn ranges_answer_what_they_say() {
    let v4 = [(Ipv4Addr::new(10, 0, 0, 3), Some(4)), (Ipv4Addr::new(10, 0, 0, 9), None)];
    let v6 = [("2001:db8::7".parse().unwrap(), Some(Fib::MAX_VALUE))];
    let fib = Fib::from_ranges(v4, v6).unwrap();
    let ask = |text: &str| fib.longest_match(text.parse().unwrap());
    assert_eq!([ask("10.0.0.2"), ask("10.0.0.3"), ask("10.0.0.8")], [None, Some(4), Some(4)]);
    assert_eq!([ask("10.0.0.9"), ask("2001:db8::6")], [None, None]);
    assert_eq!(ask("ffff::"), Some(Fib::MAX_VALUE));
    assert!(Fib::from_ranges([v4[1], v4[0]], v6).is_err());
}

#[test]
fn sizes_are_what_was_meant() {
    assert_eq!(size_of::<Fib>(), size_of::<usize>());
    assert_eq!(size_of::<words::Word>(), 12);
    assert_eq!(size_of::<Option<u32>>(), 8);
    assert!(Fib::default().memory() < 1_000, "{}", Fib::default().memory());
    // Far apart, as in a small part of an Internet table.
    let v4 = (0..1_000_u32).map(|i| (IpNet::V4(Ipv4Net::new(Ipv4Addr::from_bits(i << 22), 24).unwrap()), i));
    let fib = Fib::by_route(v4).unwrap();
    assert!(fib.memory() <= 24_000, "{}", fib.memory());
    let v6 = (0..1_000_u128).map(|i| {
        (
            IpNet::V6(Ipv6Net::new(Ipv6Addr::from_bits(0x2000 << 112 | i << 108), 48).unwrap()),
            u32::try_from(i).unwrap(),
        )
    });
    let fib = Fib::by_route(v6).unwrap();
    assert!(fib.memory() <= 24_000, "{}", fib.memory());
}

/// Every route and every edge of a table that changed, against one compiled from what there is.
fn follows(rib: &Rib, more: &[(IpNet, u32)]) {
    let routes: Vec<_> = rib.iter().collect();
    let positions = routes.iter().zip(0..).map(|((prefix, _), at)| (*prefix, at));
    let fresh = Fib::by_route(positions).unwrap();
    assert_eq!(rib.len(), fresh.len());
    for address in edges(&routes).into_iter().chain(edges(more)) {
        let expected = fresh.longest_match(address).map(|at| routes[at as usize].1);
        assert_eq!(rib.longest_match(address), expected, "{address}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_changes_is_what_is_compiled_anew(
        start in prop::collection::vec(route(), 0..40),
        changes in prop::collection::vec((route(), any::<bool>()), 0..60),
    ) {
        let mut rib = Rib::from_routes(start.iter().copied()).unwrap();
        follows(&rib, &start);
        let all: Vec<_> = start.iter().copied().chain(changes.iter().map(|(route, _)| *route)).collect();
        for ((prefix, handle), announce) in changes {
            rib.update([(prefix, announce.then_some(handle))]).unwrap();
            prop_assert_eq!(rib.get(&prefix), announce.then_some(handle));
        }
        follows(&rib, &all);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn changes_of_one_call_are_taken_in_turn(
        start in prop::collection::vec(route(), 1..40),
        changes in prop::collection::vec((any::<prop::sample::Index>(), route(), 0_u8..4), 8..80),
    ) {
        let mut rib = Rib::from_routes(start.iter().copied()).unwrap();
        let mut expected: BTreeMap<IpNet, u32> = BTreeMap::new();
        expected.extend(start.iter().map(|(prefix, handle)| (prefix.trunc(), *handle)));
        // Prefixes that are there, that come up again, and others.
        let mut all = start.clone();
        let changes: Vec<(IpNet, Option<u32>)> = changes
            .into_iter()
            .map(|(at, route, kind)| {
                all.push(route);
                let prefix = if kind == 0 { route.0 } else { at.get(&all).0 };
                (prefix, (kind != 1).then_some(route.1))
            })
            .collect();
        for (prefix, handle) in &changes {
            match handle {
                Some(handle) => drop(expected.insert(prefix.trunc(), *handle)),
                None => drop(expected.remove(&prefix.trunc())),
            }
        }
        rib.update(changes).unwrap();
        prop_assert!(rib.iter().eq(expected));
        follows(&rib, &all);
    }
}

#[test]
fn words_are_mended() {
    // Enough ranges for words, by every other /24 of 64 /10s' worth of space.
    let nets =
        (0..150_000_u32).map(|i| Ipv4Net::new(Ipv4Addr::from_bits(0x0100_0000 + (i << 9)), 24).unwrap());
    let mut rib = Rib::from_routes(nets.map(|net| (IpNet::V4(net), net.network().to_bits()))).unwrap();
    assert!(matches!(rib.fib.inner.v4, Layout4::Words32(_)));
    let mut random = 1_u32;
    let mut touched = Vec::new();
    for step in 0..400 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = [8, 17, 18, 20, 23, 24, 26, 32][step % 8];
        let address = Ipv4Addr::from_bits(0x0100_0000 + (random >> 7));
        let net = IpNet::V4(Ipv4Net::new(address, length).unwrap());
        rib.update([(net, (step % 3 != 0).then_some(random))]).unwrap();
        touched.push((net, 0));
        if step % 5 == 0 {
            // What is taken back again.
            let back = touched[touched.len() / 2].0;
            rib.update([(back, None)]).unwrap();
        }
    }
    follows(&rib, &touched);
    // Many in one call: what is there with another handle, what goes, what goes and comes back.
    let some: Vec<(IpNet, u32)> = rib.iter().step_by(997).collect();
    let other = some.iter().map(|(net, handle)| (*net, Some(handle ^ 1)));
    let gone = some.iter().step_by(3).map(|(net, _)| (*net, None));
    let back = some.iter().step_by(6).map(|(net, handle)| (*net, Some(*handle)));
    rib.update(other.chain(gone).chain(back)).unwrap();
    for (at, (net, handle)) in some.iter().enumerate() {
        let expected = match at {
            at if at % 6 == 0 => Some(*handle),
            at if at % 3 == 0 => None,
            _ => Some(handle ^ 1),
        };
        assert_eq!(rib.get(net), expected, "{net}");
    }
    touched.extend(some);
    assert!(matches!(rib.fib.inner.v4, Layout4::Words32(_)));
    follows(&rib, &touched);
}
