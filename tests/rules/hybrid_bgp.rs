//! Computed BGP outside Azure: what routers announce arrives at subnets, and what they learn steers their packets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use azroute::Network;
use azroute::model::bgp::Origination;
use azroute::model::{Change, Document, RouteSource, Topology};

/// A datacentre with two edge routers, one on each link of a circuit; `extra` goes behind the document.
///
/// ```text
///   dc (192.168.0.0/16, AS 65001)         er1                hub 10.0.0.0/16 (AS 65515)
///     r1 ------------------- primary ----- MSEE ---+
///     | (cost 10)                                  +--- gw ---- hub/subnets/web
///     r2 ------------------- secondary --- MSEE ---+
/// ```
const DATACENTRE: &str = r#"
    virtual_networks = [{ id = "hub", address_space = ["10.0.0.0/16"], subnets = [
        { name = "GatewaySubnet", address_prefixes = ["10.0.255.0/27"] },
        { name = "web", address_prefixes = ["10.0.1.0/24"] },
    ] }]
    virtual_network_gateways = [{ id = "gw", virtual_network = "hub", gateway_type = "ExpressRoute", asn = 65515 }]
    connections = [{ id = "c1", connection_type = "ExpressRoute", virtual_network_gateway = "gw", peer = "er1" }]
    [[express_route_circuits]]
    id = "er1"
    peerings = [{ peering_type = "AzurePrivatePeering" }]
    primary = { edge_router = "dc/routers/r1" }
    secondary = { edge_router = "dc/routers/r2" }
    [[on_premises_sites]]
    id = "dc"
    prefixes = ["192.168.0.0/16"]
    routers = [{ name = "r1" }, { name = "r2" }]
    [[bgp_speakers]]
    id = "r1"
    asn = 65001
    router = "dc/routers/r1"
    originate = [{ prefixes = ["192.168.0.0/16"] }]
    [[bgp_speakers]]
    id = "r2"
    asn = 65001
    router = "dc/routers/r2"
    originate = [{ prefixes = ["192.168.0.0/16"] }]
    [[bgp_sessions]]
    id = "ibgp"
    a = { speaker = "r1", next_hop_self = true }
    b = { speaker = "r2", next_hop_self = true }
    [[bgp_sessions]]
    id = "primary"
    a = { speaker = "r1" }
    b = { speaker = "er1/peerings/AzurePrivatePeering/links/primary" }
    [[bgp_sessions]]
    id = "secondary"
    a = { speaker = "r2" }
    b = { speaker = "er1/peerings/AzurePrivatePeering/links/secondary" }
"#;

fn document(text: &str) -> Document {
    toml::from_str(text).unwrap()
}

fn network(text: &str) -> Network {
    Network::build(&Topology::new(document(text)).unwrap()).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The rows that a subnet has from its gateways.
fn gateway_rows(network: &Network, subnet: &str) -> Vec<String> {
    let effective = network.effective_routes(&subnet.into()).unwrap();
    let of_gateway =
        effective.rows().into_iter().filter(|row| row.source == RouteSource::VirtualNetworkGateway);
    of_gateway.map(|row| row.prefix.to_string()).collect()
}

/// BGP-11: routers outside see Azure's prefixes behind 12076 alone.
#[test]
fn what_routers_announce_arrives_at_the_subnet() {
    let network = network(DATACENTRE);
    assert_eq!(gateway_rows(&network, "hub/subnets/web"), ["192.168.0.0/16"]);
    let answer = network.resolve("hub/subnets/web", ip("192.168.1.1")).unwrap();
    assert_eq!(answer.disposition().to_string(), "OnPremises(dc)", "{answer}");
    let back = network.resolve("dc", ip("10.0.1.4")).unwrap();
    assert_eq!(back.disposition().to_string(), "Delivered(subnet hub/subnets/web)", "{back}");
    let engine = network.bgp().unwrap();
    let best = engine.best(&"r1".into(), &"10.0.0.0/16".parse().unwrap()).unwrap();
    assert_eq!(best.attributes.as_path.to_string(), "12076", "BGP-11");
}

/// The links over which packets leave, in the order of the paths.
fn links(network: &Network, source: &str, destination: &str) -> Vec<String> {
    let answer = network.resolve(source, ip(destination)).unwrap();
    let mut links: Vec<String> = answer
        .paths()
        .flat_map(|path| path.hops().iter().map(|hop| hop.place.to_string()).collect::<Vec<_>>())
        .filter(|place| place.contains("edge router"))
        .map(|place| if place.contains("primary") { "primary".to_owned() } else { "secondary".to_owned() })
        .collect();
    links.sort();
    links.dedup();
    links
}

/// ER-8, ER-10: a path prepended on one link leaves the other alone in use; both ways are the routers' own policy.
#[test]
fn prepending_and_local_preference_make_a_pair_active_and_passive() {
    assert_eq!(links(&network(DATACENTRE), "hub/subnets/web", "192.168.1.1"), ["primary", "secondary"]);
    let policy = r#"
        [routing_policy]
        policy_definitions = [
            { name = "longer", statements = [{ actions = { set_as_path_prepend = { repeat = 2 }, policy_result = "accept_route" } }] },
            { name = "lower", statements = [{ actions = { set_local_preference = 50, policy_result = "accept_route" } }] },
        ]
    "#;
    let passive = DATACENTRE.replace(
        "    a = { speaker = \"r2\" }\n",
        "    a = { speaker = \"r2\", export_policies = [\"longer\"], import_policies = [\"lower\"] }\n",
    );
    let network = network(&format!("{passive}{policy}"));
    assert_eq!(links(&network, "hub/subnets/web", "192.168.1.1"), ["primary"]);
    assert_eq!(links(&network, "dc/routers/r2", "10.0.1.4"), ["primary"], "r2 goes by r1");
}

/// Declared advertisements over a session that BGP computes do not count.
#[test]
fn computed_sessions_take_the_place_of_declared_lists() {
    let declared = DATACENTRE.replace(
        "    routers = [{ name = \"r1\" }, { name = \"r2\" }]\n",
        "    routers = [{ name = \"r1\" }, { name = \"r2\" }]\n    advertisements = [{ over = \"er1\", prefixes = [\"172.16.0.0/12\"] }]\n",
    );
    assert_eq!(gateway_rows(&network(&declared), "hub/subnets/web"), ["192.168.0.0/16"]);
    // With one link left to the list, both count.
    let half = declared.replace(
        "er1/peerings/AzurePrivatePeering/links/secondary",
        "er1/peerings/MicrosoftPeering/links/secondary",
    );
    assert_eq!(gateway_rows(&network(&half), "hub/subnets/web"), ["172.16.0.0/12", "192.168.0.0/16"]);
}

/// ER-4: past the limit the session is down, so the routers lose Azure's routes over it too.
#[test]
fn a_session_past_its_limit_is_down_at_both_ends() {
    let many: Vec<String> = (0..4001).map(|i| format!("\"172.{}.{}.0/24\"", 16 + i / 256, i % 256)).collect();
    let text = DATACENTRE.replacen(
        "originate = [{ prefixes = [\"192.168.0.0/16\"] }]",
        &format!("originate = [{{ prefixes = [{}] }}]", many.join(",")),
        1,
    );
    // r1 announces too much on the primary; r2 learns it over iBGP and announces it on the secondary.
    let network = network(&text);
    assert_eq!(gateway_rows(&network, "hub/subnets/web"), Vec::<String>::new());
    let engine = network.bgp().unwrap();
    assert!(engine.best(&"r1".into(), &"10.0.0.0/16".parse().unwrap()).is_none());
    let dropped = network.findings().iter().filter(|f| format!("{f:?}").contains("4002 prefixes")).count();
    assert!(dropped >= 2, "one for each link");
}

/// BGP-5: Microsoft's edge drops what its own number is in, so one circuit's routes do not come back over another.
#[test]
fn azure_routes_do_not_return_to_azure() {
    let network = network(DATACENTRE);
    let engine = network.bgp().unwrap();
    let secondary = "er1/peerings/AzurePrivatePeering/links/secondary".into();
    let prefix = "10.0.0.0/16".parse().unwrap();
    let refused = engine.not_accepted(&"secondary".into(), &secondary, &prefix);
    let withheld = engine.not_sent(&"secondary".into(), &"r2".into(), &prefix);
    assert!(refused.is_some() || withheld.is_some());
    let path = engine.best(&secondary, &prefix).unwrap().attributes.as_path.to_string();
    assert_eq!(path, "65515", "from the gateway alone");
}

/// What names nothing is refused, with the resource, the field and the reason.
#[test]
fn sessions_must_end_somewhere() {
    let wrong = DATACENTRE.replace("links/primary", "links/third");
    let topology = Topology::new(document(&wrong)).unwrap();
    let error = Network::build(&topology).unwrap_err().to_string();
    assert_eq!(
        error,
        "`primary`: speaker: `er1/peerings/AzurePrivatePeering/links/third` is neither a BGP speaker, nor a link of a \
         circuit's peering, nor a VPN connection, nor a Route Server, nor a BGP connection of a hub"
    );
    let lost = DATACENTRE.replace("router = \"dc/routers/r1\"", "router = \"dc/routers/r9\"");
    let error = Network::build(&Topology::new(document(&lost)).unwrap()).unwrap_err().to_string();
    assert!(error.starts_with("`r1`: router: names no site or router"), "{error}");
}

/// A provider (AS 64999) carries two tenants whose spaces overlap, each in a speaker of its own on one edge router
/// (CSP-1, ISO-1); each tenant reaches its own network only.
#[test]
fn a_provider_keeps_tenants_apart() {
    let mut text = String::from(
        r#"
        on_premises_sites = [
            { id = "pe", role = "Provider", routers = [{ name = "e1" }] },
            { id = "red-dc", tenant = "red", prefixes = ["192.168.0.0/16"] },
            { id = "blue-dc", tenant = "blue", prefixes = ["192.168.0.0/16"] },
        ]
        on_premises_links = [{ id = "lr", a = "red-dc", b = "pe" }, { id = "lb", a = "blue-dc", b = "pe" }]
        "#,
    );
    let mut lists: [Vec<String>; 6] = Default::default();
    for (tenant, asn) in [("red", 65101), ("blue", 65102)] {
        let entries = [
            format!(
                r#"{{ id = "{tenant}", tenant = "{tenant}", address_space = ["10.0.0.0/16"], subnets = [{{ name = "GatewaySubnet", address_prefixes = ["10.0.255.0/27"] }}, {{ name = "web", address_prefixes = ["10.0.1.0/24"] }}] }}"#
            ),
            format!(
                r#"{{ id = "gw-{tenant}", virtual_network = "{tenant}", gateway_type = "ExpressRoute", asn = 65515 }}"#
            ),
            format!(
                r#"{{ id = "c-{tenant}", connection_type = "ExpressRoute", virtual_network_gateway = "gw-{tenant}", peer = "er-{tenant}" }}"#
            ),
            format!(
                r#"{{ id = "er-{tenant}", tenant = "{tenant}", peerings = [{{ peering_type = "AzurePrivatePeering" }}], primary = {{ edge_router = "pe/routers/e1" }}, secondary = {{ edge_router = "pe/routers/e1" }} }}"#
            ),
            format!(
                r#"{{ id = "{tenant}-dc", asn = {asn}, originate = [{{ prefixes = ["192.168.0.0/16"] }}] }}, {{ id = "e1-{tenant}", asn = 64999, tenant = "{tenant}", router = "pe/routers/e1" }}"#
            ),
            format!(
                r#"{{ id = "s-{tenant}", a = {{ speaker = "{tenant}-dc" }}, b = {{ speaker = "e1-{tenant}" }} }}, {{ id = "p-{tenant}", a = {{ speaker = "e1-{tenant}" }}, b = {{ speaker = "er-{tenant}/peerings/AzurePrivatePeering/links/primary" }} }}, {{ id = "q-{tenant}", a = {{ speaker = "e1-{tenant}" }}, b = {{ speaker = "er-{tenant}/peerings/AzurePrivatePeering/links/secondary" }} }}"#
            ),
        ];
        for (list, entry) in lists.iter_mut().zip(entries) {
            list.push(entry);
        }
    }
    let names = [
        "virtual_networks",
        "virtual_network_gateways",
        "connections",
        "express_route_circuits",
        "bgp_speakers",
        "bgp_sessions",
    ];
    for (name, list) in names.iter().zip(&lists) {
        text.push_str(&format!("{name} = [{}]\n", list.join(", ")));
    }
    let network = network(&text);
    for tenant in ["red", "blue"] {
        let out = network.resolve(format!("{tenant}/subnets/web").as_str(), ip("192.168.1.1")).unwrap();
        assert_eq!(out.disposition().to_string(), format!("OnPremises({tenant}-dc)"), "{out}");
        let back = network.resolve(format!("{tenant}-dc").as_str(), ip("10.0.1.4")).unwrap();
        assert_eq!(
            back.disposition().to_string(),
            format!("Delivered(subnet {tenant}/subnets/web)"),
            "{back}"
        );
        assert!(back.to_string().contains(&format!("er-{tenant}")), "{back}");
    }
    let engine = network.bgp().unwrap();
    let best = engine.best(&"red-dc".into(), &"10.0.0.0/16".parse().unwrap()).unwrap();
    assert_eq!(best.attributes.as_path.to_string(), "64999 12076");
}

/// COEX-5 outside Azure: with a VPN behind the circuit, the router's own preference picks the circuit, and the VPN takes
/// over when its sessions are gone; over VPN it sees the gateway's number (BGP-11).
#[test]
fn a_vpn_stands_behind_the_circuit() {
    let text = DATACENTRE
        .replace(
            "virtual_network_gateways = [",
            "virtual_network_gateways = [{ id = \"vpn\", virtual_network = \"hub\", gateway_type = \"Vpn\", asn = 65515 }, ",
        )
        .replace(
            "connections = [",
            "local_network_gateways = [{ id = \"lng\", asn = 65001, bgp_peering_address = \"192.168.255.1\" }]\n    connections = [{ id = \"tunnel\", connection_type = \"IPsec\", virtual_network_gateway = \"vpn\", peer = \"lng\", enable_bgp = true }, ",
        );
    let text = format!(
        "{text}\n[[bgp_sessions]]\nid = \"over-vpn\"\na = {{ speaker = \"r1\", import_policies = [\"behind\"] }}\nb = {{ speaker = \"tunnel\" }}\n\
         [[routing_policy.policy_definitions]]\nname = \"behind\"\nstatements = [{{ actions = {{ set_local_preference = 90, policy_result = \"accept_route\" }} }}]\n"
    );
    let both = network(&text);
    assert_eq!(links(&both, "dc/routers/r1", "10.0.1.4"), ["primary"]);
    let engine = both.bgp().unwrap();
    let routes = engine.routes(&"r1".into(), &"10.0.0.0/16".parse().unwrap()).unwrap();
    let paths: Vec<String> = routes.entries.iter().map(|e| e.route.attributes.as_path.to_string()).collect();
    assert!(paths.contains(&"65515".to_owned()) && paths.contains(&"12076".to_owned()), "{paths:?}");
    let failed = text.replace("peerings = [{ peering_type = \"AzurePrivatePeering\" }]", "peerings = []");
    let vpn_only = network(&failed);
    let answer = vpn_only.resolve("dc/routers/r2", ip("10.0.1.4")).unwrap();
    assert_eq!(answer.disposition().to_string(), "Delivered(subnet hub/subnets/web)", "{answer}");
    assert!(answer.to_string().contains("via tunnel"), "{answer}");
    assert_eq!(gateway_rows(&vpn_only, "hub/subnets/web"), ["192.168.0.0/16", "192.168.255.1/32"]);
}

/// ER-15: Global Reach tells each site what the other announces, with its path behind Microsoft's number.
#[test]
fn global_reach_joins_two_sites() {
    let second = r#"
    [[express_route_circuits]]
    id = "er2"
    peering_location = "Dublin"
    peerings = [{ peering_type = "AzurePrivatePeering" }]
    global_reach = ["er1"]
    primary = { edge_router = "branch" }
    secondary = { edge_router = "branch" }
    [[on_premises_sites]]
    id = "branch"
    prefixes = ["172.16.0.0/16"]
    [[bgp_speakers]]
    id = "branch"
    asn = 65009
    originate = [{ prefixes = ["172.16.0.0/16"] }]
    [[bgp_sessions]]
    id = "branch-primary"
    a = { speaker = "branch" }
    b = { speaker = "er2/peerings/AzurePrivatePeering/links/primary" }
    "#;
    let network = network(&format!("{DATACENTRE}{second}"));
    let engine = network.bgp().unwrap();
    let path = |speaker: &str, prefix: &str| {
        let best = engine.best(&speaker.into(), &prefix.parse().unwrap());
        best.map(|b| b.attributes.as_path.to_string())
    };
    assert_eq!(path("branch", "192.168.0.0/16").as_deref(), Some("12076 12076 12076 65001"));
    assert_eq!(path("r2", "172.16.0.0/16").as_deref(), Some("12076 12076 12076 65009"));
    assert_eq!(path("branch", "10.0.0.0/16"), None, "the second circuit is linked to no gateway");
    let answer = network.resolve("branch", ip("192.168.7.7")).unwrap();
    assert_eq!(answer.disposition().to_string(), "OnPremises(dc)", "{answer}");
}

/// ER-11: routers whose policies never agree are found, with the prefix.
#[test]
fn routers_that_never_agree_are_a_finding() {
    // The bad gadget: each prefers the way over its neighbour to its own.
    let mut text = DATACENTRE.to_owned();
    text = text.replace(
        "    [[on_premises_sites]]\n    id = \"dc\"",
        "    [[on_premises_sites]]\n    id = \"o\"\n    [[on_premises_sites]]\n    id = \"g1\"\n    [[on_premises_sites]]\n    id = \"g2\"\n    [[on_premises_sites]]\n    id = \"g3\"\n    [[on_premises_sites]]\n    id = \"dc\"",
    );
    text.push_str(
        "[[bgp_speakers]]\nid = \"o\"\nasn = 65100\noriginate = [{ prefixes = [\"198.51.100.0/24\"] }]\n",
    );
    for i in 1..=3 {
        let next = i % 3 + 1;
        text.push_str(&format!("[[bgp_speakers]]\nid = \"g{i}\"\nasn = {}\n", 65100 + i));
        text.push_str(&format!(
            "[[bgp_sessions]]\nid = \"o{i}\"\na = {{ speaker = \"o\" }}\nb = {{ speaker = \"g{i}\" }}\n\
             [[bgp_sessions]]\nid = \"n{i}\"\na = {{ speaker = \"g{i}\", import_policies = [\"direct\"] }}\nb = {{ speaker = \"g{next}\" }}\n"
        ));
    }
    text.push_str(
        r#"
        [routing_policy]
        as_path_sets = [{ name = "two", members = ["^[0-9]+ 65100$"] }]
        [[routing_policy.policy_definitions]]
        name = "direct"
        statements = [
            { conditions = { match_as_path_set = { set = "two" } }, actions = { set_local_preference = 200, policy_result = "accept_route" } },
            { actions = { policy_result = "reject_route" } },
        ]
        "#,
    );
    let network = network(&text);
    let unsettled: Vec<String> = network.bgp().unwrap().unsettled().map(|p| p.to_string()).collect();
    assert_eq!(unsettled, ["198.51.100.0/24"]);
    let codes: Vec<_> = network.findings().iter().map(|f| f.code).collect();
    assert!(codes.contains(&azroute::analysis::FindingCode::BgpUnsettled), "{codes:?}");
}

/// GWR-1, BGP-4, ER-7: an explanation names each speaker on the way of the route, what it did by which rule, and the
/// attributes before and after.
#[test]
fn an_explanation_goes_back_to_where_the_route_entered() {
    let tagged = DATACENTRE.replacen(
        "originate = [{ prefixes = [\"192.168.0.0/16\"] }]",
        "originate = [{ prefixes = [\"192.168.0.0/16\"], attributes = { communities = [\"65001:7\"] } }]",
        1,
    );
    let network = network(&tagged);
    let explanation = network.explain("hub/subnets/web", ip("192.168.7.7")).unwrap();
    let [way] = explanation.propagations() else { unreachable!("{explanation}") };
    let speakers: Vec<&str> = way.speakers.iter().map(|s| s.speaker.as_str()).collect();
    assert_eq!(speakers, ["gw", "er1/peerings/AzurePrivatePeering/links/primary", "r1"]);
    let at_edge = way.speakers[1].passed.as_ref().unwrap();
    let rules: Vec<String> =
        at_edge.rules.iter().filter(|a| a.rule.is_some()).map(ToString::to_string).collect();
    assert_eq!(
        rules,
        [
            "BGP-4 (D) the customer's communities are ignored: communities 65001:7 -> none",
            "ER-7 (D) any prefix",
        ]
    );
    assert_eq!(at_edge.before.as_ref().unwrap().as_path.to_string(), "");
    assert_eq!(at_edge.after.as_path.to_string(), "65001");
    let text = explanation.to_string();
    assert!(text.contains("r1 (AS 65001) announces it, empty path"), "{text}");
    assert!(
        text.contains(
            "gw (AS 65515) has it from er1/peerings/AzurePrivatePeering/links/primary, path 12076 65001"
        ),
        "{text}"
    );
    // And the other way round: what the router outside follows.
    let back = network.explain("dc/routers/r1", ip("10.0.1.4")).unwrap();
    let first = &back.propagations()[0];
    assert_eq!(first.speakers.last().unwrap().speaker.as_str(), "gw");
    assert!(
        first.to_string().contains("BGP-11 (U) private numbers of Azure stay in it: as_path 65515 -> none"),
        "{first}"
    );
}

/// BGP-9: what a router announces and withdraws arrives at the subnet, as in a network built anew.
#[test]
fn prefixes_are_announced_and_withdrawn_in_a_network_that_stands() {
    let before = network(DATACENTRE);
    let origination =
        Origination { prefixes: vec!["198.51.100.0/24".parse().unwrap()], ..Origination::default() };
    let announce = Change::Announce { speaker: "r1".into(), origination };
    let announced = before.apply(std::slice::from_ref(&announce)).unwrap();
    assert_eq!(gateway_rows(&announced, "hub/subnets/web"), ["192.168.0.0/16", "198.51.100.0/24"]);
    assert_eq!(links(&announced, "hub/subnets/web", "198.51.100.1"), ["primary", "secondary"]);
    assert_eq!(gateway_rows(&before, "hub/subnets/web"), ["192.168.0.0/16"], "the old network stays");

    // Of two routers that announce a prefix one withdraws it: the other's link has it from the router beside it.
    let prefixes = vec!["192.168.0.0/16".parse().unwrap()];
    let withdraw = |speaker: &str| Change::Withdraw { speaker: speaker.into(), prefixes: prefixes.clone() };
    let one = announced.apply(&[withdraw("r2")]).unwrap();
    assert_eq!(gateway_rows(&one, "hub/subnets/web"), ["192.168.0.0/16", "198.51.100.0/24"]);
    let none = one.apply(&[withdraw("r1")]).unwrap();
    assert_eq!(gateway_rows(&none, "hub/subnets/web"), ["198.51.100.0/24"]);
    assert_eq!(none.topology().document().bgp_speakers[1].originate, []);
    // In one step, and with what the network was built of.
    let at_once = before.apply(&[announce, withdraw("r1"), withdraw("r2")]).unwrap();
    assert_eq!(at_once.topology().document(), none.topology().document());
    assert_eq!(gateway_rows(&at_once, "hub/subnets/web"), ["198.51.100.0/24"]);

    let error = none.apply(&[withdraw("r1")]).unwrap_err().to_string();
    assert_eq!(
        error,
        "the change names the announcement of a BGP speaker `r1`, which the topology does not hold"
    );
    assert!(none.apply(&[withdraw("r9")]).is_err());
}
