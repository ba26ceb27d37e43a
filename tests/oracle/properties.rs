//! What must hold of every design: changes that change nothing, or only what they name (the end of the rules' section on
//! worked vectors), and what the answers of one network have to do with each other.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::IpAddr;

use azroute::Network;
use azroute::model::{
    AddressPrefix, Advertisement, Asn, CircuitPeering, Connection, ConnectionType, Document,
    EffectiveNextHopType as Kind, EffectiveRouteRow, ExpressRouteCircuit, GatewayType, Knobs, LearnedRoute,
    OnPremisesSite, PeeringType, ResourceId, RouteNextHopType, RouteSource, RouteTable, Subnet, Tenant,
    Topology, UserDefinedRoute, VirtualNetwork, VirtualNetworkGateway,
};
use azroute::resolve::{Answer, Disposition, DropReason, Flow, NextHop, ResolveError, Source};
use azroute::testing::strategies::{self, probe_addresses};
use ipnet::IpNet;
use proptest::prelude::*;
use serde_json::Value;

/// `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 96;
    }
    config
}

/// Any design, under the default knobs.
fn designs() -> impl Strategy<Value = Document> {
    strategies::any_topology().prop_map(|mut document| {
        document.knobs = Knobs::default();
        document
    })
}

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub(crate) fn build(document: &Document) -> Network {
    Network::build(&Topology::new(document.clone()).unwrap()).unwrap()
}

pub(crate) fn subnets(document: &Document) -> Vec<ResourceId> {
    document.virtual_networks.iter().flat_map(|v| v.subnets.iter().map(|s| v.subnet_id(&s.name))).collect()
}

pub(crate) fn sites(document: &Document) -> Vec<ResourceId> {
    document.on_premises_sites.iter().map(|s| s.id.clone()).collect()
}

/// Some of the addresses where an answer may change; `salt` varies which.
pub(crate) fn probes(document: &Document, salt: usize) -> Vec<IpAddr> {
    let all = probe_addresses(document);
    let step = (all.len() / 24).max(1);
    all.into_iter().skip(salt % step).step_by(step).collect()
}

pub(crate) fn rows(network: &Network, subnet: &ResourceId) -> Vec<EffectiveRouteRow> {
    network.effective_routes(subnet).unwrap().rows()
}

/// The answer as it is printed; a question that cannot be asked as its error.
pub(crate) fn printed(network: &Network, source: &ResourceId, destination: IpAddr) -> String {
    match network.resolve(source, destination) {
        Ok(answer) => answer.to_string(),
        Err(error) => error.to_string(),
    }
}

/// What the first table says, and of which length.
pub(crate) fn first(
    network: &Network,
    source: &ResourceId,
    destination: IpAddr,
) -> Option<(Kind, Vec<IpAddr>)> {
    let hop = network.next_hop(source, destination).ok()?;
    hop.route().map(|row| (row.next_hop_type, row.next_hop_ip_addresses.clone()))
}

pub(crate) fn ends(answer: &Answer) -> BTreeSet<Disposition> {
    answer.paths().take(256).map(|path| path.disposition().clone()).collect()
}

/// Everything that can be said of two networks is the same at these places.
pub(crate) fn same(
    before: &Network,
    after: &Network,
    document: &Document,
    salt: usize,
) -> Result<(), TestCaseError> {
    for subnet in subnets(document) {
        prop_assert_eq!(rows(before, &subnet), rows(after, &subnet), "{}", subnet);
    }
    for source in subnets(document).into_iter().chain(sites(document)) {
        for probe in probes(document, salt) {
            prop_assert_eq!(printed(before, &source, probe), printed(after, &source, probe));
        }
    }
    Ok(())
}

/// Lists whose order carries no meaning. A place with several prefixes sends from the first one, so those stay.
const UNORDERED: &[&str] = &[
    "subnets",
    "peerings",
    "address_space",
    "address_prefixes",
    "routes",
    "learned_routes",
    "advertisements",
    "service_endpoints",
    "locations",
    "backends",
    "virtual_network_connections",
    "private_ip_addresses",
    "remote_subnet_names",
    "next_hop_ip_addresses",
    "remote_address_space",
    "host_ranges",
    "global_reach",
];

/// Turns every list without order, those of resources included.
pub(crate) fn turned(document: &Document, by: usize) -> Document {
    fn turn(items: &mut [Value], by: usize) {
        if by.is_multiple_of(2) {
            items.reverse();
        }
        let count = items.len().max(1);
        items.rotate_left(by / 2 % count);
    }
    fn walk(value: &mut Value, by: usize, top: bool) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields.iter_mut() {
                    if let Value::Array(items) = value
                        && (top || UNORDERED.contains(&name.as_str()))
                    {
                        turn(items, by);
                    }
                    walk(value, by, false);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, by, false)),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(document).unwrap();
    walk(&mut value, by, true);
    serde_json::from_value(value).unwrap()
}

/// Gives every tenant another name.
fn renamed(document: &Document) -> Document {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields.iter_mut() {
                    if name == "tenant"
                        && let Value::String(tenant) = value
                    {
                        *tenant = format!("renamed {}", tenant.to_uppercase());
                    }
                    walk(value);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(document).unwrap();
    walk(&mut value);
    let mut renamed: Document = serde_json::from_value(value).unwrap();
    for tenant in &mut renamed.tenants {
        tenant.name = format!("renamed {}", tenant.name.to_uppercase());
    }
    renamed
}

/// A tenant that has nothing to do with the others, in the same addresses: a network, a gateway on a circuit of its own,
/// and a site that advertises a default.
pub(crate) fn with_a_stranger(document: &Document) -> Document {
    let tenant = || Some("stranger".to_owned());
    let mut more = document.clone();
    more.tenants.push(Tenant::new("stranger"));
    let mut vnet = VirtualNetwork::new("stranger-net", [net("10.0.0.0/8")]);
    vnet.tenant = tenant();
    vnet.subnets.push(Subnet::new("stranger-subnet", net("10.0.0.0/16")));
    let mut circuit = ExpressRouteCircuit::new("stranger-circuit");
    circuit.tenant = tenant();
    circuit.peerings =
        [PeeringType::AzurePrivatePeering, PeeringType::MicrosoftPeering].map(CircuitPeering::new).into();
    let mut site = OnPremisesSite::new("stranger-site", [net("192.168.0.0/16"), net("8.8.8.0/24")]);
    site.tenant = tenant();
    let prefixes = [net("0.0.0.0/0"), net("10.0.0.0/8"), net("192.168.0.0/16")];
    site.advertisements.push(Advertisement::new("stranger-circuit", prefixes, [Asn(64999)]));
    let mut public = Advertisement::new("stranger-circuit", [net("8.8.8.0/24")], [Asn(64999)]);
    public.peering = PeeringType::MicrosoftPeering;
    site.advertisements.push(public);
    more.upsert(vnet);
    more.upsert(VirtualNetworkGateway::new("stranger-gateway", "stranger-net", GatewayType::ExpressRoute));
    more.upsert(Connection::new(
        "stranger-connection",
        ConnectionType::ExpressRoute,
        "stranger-gateway",
        "stranger-circuit",
    ));
    more.upsert(circuit);
    more.upsert(site);
    more
}

/// A route of a table that has two halves: which table, which route, its prefix.
fn divisible(document: &Document, salt: usize) -> Option<(usize, usize, IpNet)> {
    let mut all = Vec::new();
    for (t, table) in document.route_tables.iter().enumerate() {
        for (r, route) in table.routes.iter().enumerate() {
            if let AddressPrefix::Cidr(prefix) = route.address_prefix
                && prefix.prefix_len() > 0
                && prefix.prefix_len() < prefix.max_prefix_len()
            {
                all.push((t, r, prefix));
            }
        }
    }
    let count = all.len();
    (count > 0).then(|| all[salt % count])
}

proptest! {
    #![proptest_config(config())]

    /// SEL-5, SEL-6: a gateway route equal to or inside what a network knows as its own or its peers' changes nothing.
    #[test]
    fn gateway_routes_in_known_space_change_nothing(mut document in designs(), salt in any::<usize>()) {
        // A peer that a table hides shields nothing there (PEER-13).
        for table in &mut document.route_tables {
            table.disable_peering_route = false;
        }
        let before = build(&document);
        let gateways: Vec<usize> = document
            .virtual_network_gateways
            .iter()
            .enumerate()
            .filter(|(_, g)| g.gateway_type != GatewayType::LocalGateway)
            .map(|(i, _)| i)
            .collect();
        prop_assume!(!gateways.is_empty());
        let gateway = gateways[salt % gateways.len()];
        let home = document.virtual_network_gateways[gateway].virtual_network.clone();
        let here: Vec<ResourceId> =
            subnets(&document).into_iter().filter(|s| s.parent().is_some_and(|p| p == home)).collect();
        let Some(asked) = here.first() else { return Ok(()) };
        let known = rows(&before, asked).into_iter().filter(|row| {
            row.source == RouteSource::Default
                && matches!(row.next_hop_type, Kind::VnetLocal | Kind::VNetPeering | Kind::VNetGlobalPeering | Kind::ConnectedGroup)
        });
        let mut told = document.clone();
        for row in known {
            let deeper = (row.prefix.prefix_len() + 3).min(row.prefix.max_prefix_len());
            let inside = row.prefix.subnets(deeper).unwrap().nth(salt % 8).unwrap_or(row.prefix);
            for prefix in [row.prefix, inside] {
                told.virtual_network_gateways[gateway].learned_routes.push(LearnedRoute::new(prefix, [Asn(65001)]));
            }
        }
        let after = build(&told);
        for subnet in &here {
            prop_assert_eq!(rows(&before, subnet), rows(&after, subnet), "{}", subnet);
            for probe in probes(&document, salt) {
                prop_assert_eq!(first(&before, subnet, probe), first(&after, subnet, probe), "{} {}", subnet, probe);
            }
        }
    }

    /// A user route to `None` changes outcomes inside its prefix only, and only towards a drop; one for the default
    /// also brings the reserved ranges back (SYS-9, SYS-10), which is a drop as well.
    #[test]
    fn a_user_route_to_none_only_drops(
        document in designs(),
        prefix in strategies::ipv4_prefix(),
        default in proptest::bool::weighted(0.2),
        salt in any::<usize>(),
    ) {
        prop_assume!(!document.route_tables.is_empty());
        let prefix = if default { net("0.0.0.0/0") } else { IpNet::V4(prefix) };
        let mut more = document.clone();
        let count = more.route_tables.len();
        let table = &mut more.route_tables[salt % count];
        prop_assume!(table.routes.iter().all(|r| r.address_prefix != prefix.into()));
        table.routes.push(UserDefinedRoute::new("none of it", prefix, RouteNextHopType::None));
        let (before, after) = (build(&document), build(&more));
        for subnet in subnets(&document) {
            for probe in probes(&document, salt) {
                let (Ok(was), Ok(is)) = (before.resolve(&subnet, probe), after.resolve(&subnet, probe)) else { continue };
                let hop = |answer: &Answer| answer.next_hop().route().map(|r| r.next_hop_type);
                if hop(&was) != hop(&is) {
                    prop_assert!(prefix.contains(&probe), "{} {}\n{}\n{}", subnet, probe, was, is);
                    // A host row that the new route took out may uncover the row of a peered subnet (PE-4, PEER-15).
                    prop_assert!(hop(&is) == Some(Kind::None) || hop(&was) == Some(Kind::InterfaceEndpoint), "{was}\n{is}");
                }
                let (was_ends, is_ends) = (ends(&was), ends(&is));
                if was_ends != is_ends {
                    prop_assert!(prefix.contains(&probe), "{} {}\n{}\n{}", subnet, probe, was, is);
                    for new in is_ends.difference(&was_ends) {
                        let drop = matches!(new, Disposition::Dropped(DropReason::NoneRoute(_)));
                        prop_assert!(drop, "{} {} {}\n{}\n{}", subnet, probe, new, was, is);
                    }
                }
            }
        }
    }

    /// The order in which things are declared changes no row, no path and no choice of a flow.
    #[test]
    fn order_changes_nothing(document in designs(), by in 0_usize..12, salt in any::<usize>()) {
        let other = turned(&document, by);
        let (before, after) = (build(&document), build(&other));
        for subnet in subnets(&document) {
            prop_assert_eq!(rows(&before, &subnet), rows(&after, &subnet), "{}", subnet);
        }
        for source in subnets(&document).into_iter().chain(sites(&document)) {
            for probe in probes(&document, salt) {
                // Which of a site's prefixes stands first is the address that it sends from: give it one.
                let address = if probe.is_ipv4() { "192.0.2.9" } else { "2001:db8::9" };
                let from = Source::at(source.clone(), address.parse().unwrap());
                let print = |answer: Result<Answer, _>| answer.map(|a| a.to_string()).map_err(|e: ResolveError| e.to_string());
                let of = |network: &Network| print(network.resolve(from.clone(), probe).map(azroute::resolve::Resolved::into_answer));
                prop_assert_eq!(of(&before), of(&after));
                let flow = Flow::tcp(from.clone(), 50_000, probe, 443);
                let taken = |network: &Network| print(network.resolve_flow(&flow));
                prop_assert_eq!(taken(&before), taken(&after));
            }
        }
    }

    /// A tenant's name is a name (ISO-1).
    #[test]
    fn renaming_tenants_changes_nothing(document in designs(), salt in any::<usize>()) {
        same(&build(&document), &build(&renamed(&document)), &document, salt)?;
    }

    /// What another tenant does is nobody else's business (ISO-1).
    #[test]
    fn a_stranger_changes_nothing(document in designs(), salt in any::<usize>()) {
        same(&build(&document), &build(&with_a_stranger(&document)), &document, salt)?;
    }

    /// UDR-2: an empty table with propagation on is no table.
    #[test]
    fn an_empty_route_table_changes_nothing(document in designs(), salt in any::<usize>()) {
        let mut more = document.clone();
        more.route_tables.push(RouteTable::new("empty of routes"));
        for vnet in &mut more.virtual_networks {
            for subnet in vnet.subnets.iter_mut().filter(|s| !s.name.eq_ignore_ascii_case("RouteServerSubnet")) {
                subnet.route_table.get_or_insert_with(|| "empty of routes".into());
            }
        }
        same(&build(&document), &build(&more), &document, salt)?;
    }

    /// A user route in two halves leads where the whole did, but for the default (FT-13), for halves that tie with
    /// another candidate, and for halves that reach the length that PE-4 asks for.
    #[test]
    fn halves_lead_where_the_whole_did(document in designs(), salt in any::<usize>()) {
        let Some((t, r, whole)) = divisible(&document, salt) else { return Ok(()) };
        let before = build(&document);
        let halves: Vec<IpNet> = whole.subnets(whole.prefix_len() + 1).unwrap().collect();
        let table = &document.route_tables[t].id;
        let bound: Vec<ResourceId> = document
            .virtual_networks
            .iter()
            .flat_map(|v| v.subnets.iter().filter(|s| s.route_table.as_ref() == Some(table)).map(|s| v.subnet_id(&s.name)))
            .collect();
        let stands = document.route_tables[t]
            .routes
            .iter()
            .any(|r| matches!(r.address_prefix, AddressPrefix::Cidr(p) if halves.contains(&p)));
        let ties = stands || bound.iter().any(|subnet| {
            let routes = before.effective_routes(subnet).unwrap();
            routes.candidates().iter().any(|c| halves.contains(&c.prefix))
        });
        let reaches = document.private_endpoints.iter().flat_map(|e| &e.private_ip_addresses).any(|ip| {
            let mut spaces = document.virtual_networks.iter().flat_map(|v| &v.address_space);
            whole.contains(ip) && spaces.any(|s| s.contains(ip) && s.prefix_len() == whole.prefix_len() + 1)
        });
        prop_assume!(!ties && !reaches);
        let mut split = document.clone();
        let route = split.route_tables[t].routes.remove(r);
        for (n, half) in halves.into_iter().enumerate() {
            let mut part = UserDefinedRoute::new(format!("half {n}"), half, route.next_hop_type);
            part.next_hop_ip_addresses.clone_from(&route.next_hop_ip_addresses);
            split.route_tables[t].routes.push(part);
        }
        let after = build(&split);
        for subnet in subnets(&document) {
            for probe in probes(&document, salt).into_iter().chain(around(whole)) {
                prop_assert_eq!(first(&before, &subnet, probe), first(&after, &subnet, probe), "{} {}", subnet, probe);
            }
        }
    }

    /// A what-if is the network built from the changed document, and leaves the old one as it was.
    #[test]
    fn a_what_if_is_a_network_of_its_own(
        (document, changes) in designs().prop_flat_map(|d| {
            let changes = strategies::changes(&d);
            (Just(d), changes)
        }),
        salt in any::<usize>(),
    ) {
        let network = build(&document);
        let what_if = network.apply(&changes).unwrap();
        let mut changed = document.clone();
        for change in &changes {
            changed.apply(change).unwrap();
        }
        prop_assert_eq!(what_if.topology().document(), &changed);
        same(&what_if, &build(&changed), &changed, salt)?;
        let scratch = build(&changed);
        prop_assert_eq!(what_if.findings(), scratch.findings());
        prop_assert_eq!(network.topology().document(), &document);
        same(&network, &build(&document), &document, salt)?;
    }

    /// The same input gives the same bytes.
    #[test]
    fn the_same_input_gives_the_same_bytes(document in designs(), salt in any::<usize>()) {
        let (one, two) = (build(&document), build(&document));
        same(&one, &two, &document, salt)?;
        prop_assert_eq!(format!("{:?}", one.findings()), format!("{:?}", two.findings()));
        for subnet in subnets(&document) {
            let text = |n: &Network| {
                let routes = n.effective_routes(&subnet).unwrap();
                routes.candidates().iter().map(|c| format!("{c}\n")).collect::<String>()
            };
            prop_assert_eq!(text(&one), text(&two));
            for probe in probes(&document, salt).into_iter().take(6) {
                let explained = |n: &Network| n.explain(&subnet, probe).map(|e| e.to_string());
                prop_assert_eq!(explained(&one), explained(&two));
            }
        }
    }

    /// SEL-12: a flow's way is one of those that `resolve` gives, the same one each time.
    #[test]
    fn a_flow_takes_one_of_the_ways(document in designs(), salt in any::<usize>(), port in 1024_u16..) {
        let network = build(&document);
        // Ports settle what had no answer.
        let open = |end: &Disposition| matches!(end, Disposition::NeedsFlow(_));
        for source in subnets(&document).into_iter().chain(sites(&document)) {
            for probe in probes(&document, salt) {
                let Ok(all) = network.resolve(&source, probe) else { continue };
                let ways = |answer: &Answer| {
                    answer
                        .paths()
                        .take(1024)
                        .map(|p| {
                            // A member that ends where the choice is made stands beside the others as a hop of its own.
                            let mut hops: Vec<_> = p.hops().iter().map(|h| (h.place.clone(), h.header)).collect();
                            hops.dedup();
                            (hops, p.disposition().clone())
                        })
                        .collect::<BTreeSet<_>>()
                };
                let all_ways = ways(&all);
                if all_ways.len() >= 1024 || ends(&all).iter().any(open) {
                    continue;
                }
                let flow = Flow::tcp(&source, port, probe, 443);
                let taken = network.resolve_flow(&flow).unwrap();
                prop_assert_eq!(&taken, &network.resolve_flow(&flow).unwrap());
                let taken = ways(&taken);
                prop_assert_eq!(taken.len(), 1);
                prop_assert!(taken.is_subset(&all_ways), "{} {} {:?}\n{}", source, probe, taken, all);
            }
        }
    }

    /// The first table's winner is the next hop, and every loser lost to something.
    #[test]
    fn the_winner_that_is_explained_is_the_next_hop(document in designs(), salt in any::<usize>()) {
        let network = build(&document);
        for subnet in subnets(&document) {
            for probe in probes(&document, salt) {
                let Ok(explained) = network.explain(&subnet, probe) else { continue };
                let NextHop::Route(matched) = network.next_hop(&subnet, probe).unwrap() else { continue };
                let decision = &explained.decisions()[0];
                let winner = decision.winner.as_ref().unwrap();
                prop_assert_eq!(winner.row().unwrap(), matched.route);
                prop_assert_eq!(winner.decided_by, matched.decided_by);
                prop_assert_eq!(explained.answer(), &network.resolve(&subnet, probe).unwrap());
                for loser in &decision.losers {
                    prop_assert_ne!(&loser.candidate, winner);
                    prop_assert!(loser.candidate.prefix.contains(&probe));
                }
            }
        }
    }
}

/// The edges of a prefix and of its halves.
fn around(prefix: IpNet) -> Vec<IpAddr> {
    let mut edges = vec![prefix.network(), prefix.broadcast()];
    edges.extend(prefix.subnets(prefix.prefix_len() + 1).into_iter().flatten().map(|half| half.network()));
    edges
}
