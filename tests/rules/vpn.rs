//! BGP of VPN gateways (sections 10, 14 and 15 of the rules), computed from the speakers at both ends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use azroute::Network;
use azroute::analysis::FindingCode;
use azroute::bgp::Stage;
use azroute::model::bgp::AsPath;
use azroute::model::{Asn, Document, RouteSource, Topology};
use azroute::rule::Rule;

/// Two branches on one gateway, a third behind the gateway of another network.
///
/// ```text
///   north 10.60.0.0/16 (65001) --+
///   south 10.61.0.0/16 (65003) --+-- vpngw (65004) - hub 10.1.0.0/16, spoke 10.4.0.0/16
///                                       | VNet-to-VNet
///   east 10.62.0.0/16 (65005) -------- pgw (65010) - partner 10.8.0.0/16
/// ```
const LAB: &str = r#"
    virtual_networks = [
        { id = "hub", address_space = ["10.1.0.0/16"], bgp_community = "12076:20001", subnets = [
            { name = "GatewaySubnet", address_prefixes = ["10.1.255.0/27"] },
            { name = "web", address_prefixes = ["10.1.1.0/24"] },
        ], peerings = [{ name = "spoke", remote_virtual_network = "spoke", allow_gateway_transit = true }] },
        { id = "spoke", address_space = ["10.4.0.0/16"], subnets = [
            { name = "web", address_prefixes = ["10.4.1.0/24"] },
        ], peerings = [{ name = "hub", remote_virtual_network = "hub", use_remote_gateways = true }] },
        { id = "partner", address_space = ["10.8.0.0/16"], subnets = [
            { name = "GatewaySubnet", address_prefixes = ["10.8.255.0/27"] },
            { name = "web", address_prefixes = ["10.8.1.0/24"] },
        ] },
    ]
    virtual_network_gateways = [
        { id = "vpngw", virtual_network = "hub", gateway_type = "Vpn", asn = 65004, active_active = true, bgp_peering_addresses = ["10.1.255.4", "10.1.255.5"] },
        { id = "pgw", virtual_network = "partner", gateway_type = "Vpn", asn = 65010 },
    ]
    local_network_gateways = [
        { id = "north-lng", site = "north" },
        { id = "south-lng", site = "south" },
        { id = "east-lng", site = "east" },
    ]
    connections = [
        { id = "to-north", connection_type = "IPsec", virtual_network_gateway = "vpngw", peer = "north-lng", enable_bgp = true },
        { id = "to-south", connection_type = "IPsec", virtual_network_gateway = "vpngw", peer = "south-lng", enable_bgp = true },
        { id = "to-east", connection_type = "IPsec", virtual_network_gateway = "pgw", peer = "east-lng", enable_bgp = true },
        { id = "there", connection_type = "Vnet2Vnet", virtual_network_gateway = "vpngw", peer = "pgw", enable_bgp = true },
        { id = "back", connection_type = "Vnet2Vnet", virtual_network_gateway = "pgw", peer = "vpngw", enable_bgp = true },
    ]
    on_premises_sites = [
        { id = "north", prefixes = ["10.60.0.0/16"] },
        { id = "south", prefixes = ["10.61.0.0/16"] },
        { id = "east", prefixes = ["10.62.0.0/16"] },
    ]
    bgp_speakers = [
        { id = "north", asn = 65001, originate = [{ prefixes = ["10.60.0.0/16"] }] },
        { id = "south", asn = 65003, originate = [{ prefixes = ["10.61.0.0/16"] }] },
        { id = "east", asn = 65005, originate = [{ prefixes = ["10.62.0.0/16"] }] },
    ]
    bgp_sessions = [
        { id = "north-vpn", a = { speaker = "north" }, b = { speaker = "to-north" } },
        { id = "south-vpn", a = { speaker = "south" }, b = { speaker = "to-south" } },
        { id = "east-vpn", a = { speaker = "east" }, b = { speaker = "to-east" } },
    ]
"#;

fn network(change: impl Fn(&mut Document)) -> Network {
    let mut document: Document = toml::from_str(LAB).unwrap();
    change(&mut document);
    Network::build(&Topology::new(document).unwrap()).unwrap()
}

fn announce(document: &mut Document, speaker: &str, prefixes: &[&str]) {
    let found = document.bgp_speakers.iter_mut().find(|s| s.id.as_str() == speaker).unwrap();
    found.originate[0].prefixes.extend(prefixes.iter().map(|p| p.parse::<ipnet::IpNet>().unwrap()));
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn path(network: &Network, speaker: &str, prefix: &str) -> Option<String> {
    let best = network.bgp().unwrap().best(&speaker.into(), &prefix.parse().unwrap());
    best.map(|best| best.attributes.as_path.to_string())
}

fn rows(network: &Network, subnet: &str) -> Vec<String> {
    let rows = network.effective_routes(&subnet.into()).unwrap().rows();
    rows.into_iter()
        .filter(|row| row.source == RouteSource::VirtualNetworkGateway)
        .map(|row| row.prefix.to_string())
        .collect()
}

fn end(network: &Network, from: &str, to: &str) -> String {
    network.resolve(from, ip(to)).unwrap().disposition().to_string()
}

/// BGP-2, CON-13: VPN takes 65516 and 32-bit numbers, and none of the others that Azure keeps.
#[test]
fn bgp_2_vpn_takes_65516_and_no_other_reserved_number() {
    let with = |asn: u32| network(move |d| d.bgp_speakers[0].asn = Asn(asn));
    for asn in [65_516, 4_200_000_001] {
        assert!(rows(&with(asn), "hub/subnets/web").contains(&"10.60.0.0/16".to_owned()), "{asn}");
    }
    for asn in [65_515, 65_517, 64_511, 12_076] {
        let network = with(asn);
        assert!(!rows(&network, "hub/subnets/web").contains(&"10.60.0.0/16".to_owned()), "{asn}");
        assert_eq!(path(&network, "north", "10.1.0.0/16"), None, "{asn}");
        let told = |f: &&azroute::analysis::Finding| {
            f.code == FindingCode::SessionDown
                && f.rule == Some(Rule::BGP_2)
                && f.resource.as_str() == "to-north"
        };
        assert_eq!(network.findings().iter().filter(told).count(), 1, "{asn}");
    }
}

/// VPN-3: a site hears of the network, of spokes that use the gateway, of static prefixes and of other branches, with the
/// gateway's number (BGP-11); of nothing that overlaps a network. Communities are told on private peering only (ER-24).
#[test]
fn vpn_3_a_site_hears_networks_static_prefixes_and_other_branches() {
    let network = network(|d| {
        d.local_network_gateways[1].address_prefixes = vec!["10.70.0.0/16".parse().unwrap()];
        announce(d, "south", &["10.0.0.0/8", "10.4.7.0/24", "172.16.0.0/12"]);
    });
    for (prefix, expected) in [
        ("10.1.0.0/16", Some("65004")),
        ("10.4.0.0/16", Some("65004")),
        ("10.70.0.0/16", Some("65004")),
        ("10.61.0.0/16", Some("65004 65003")),
        ("172.16.0.0/12", Some("65004 65003")),
        ("10.0.0.0/8", None),
        ("10.4.7.0/24", None),
        ("10.1.1.0/24", None),
    ] {
        assert_eq!(path(&network, "north", prefix).as_deref(), expected, "{prefix}");
    }
    let best = network.bgp().unwrap().best(&"north".into(), &"10.1.0.0/16".parse().unwrap()).unwrap();
    assert!(best.attributes.communities.is_empty());
}

/// VPN-5: the gateway refuses what is equal to, or inside, its network and the spokes that use it, and takes what is
/// around them; without transit the peer's prefix is taken, and the peering's route stays (SEL-5).
#[test]
fn vpn_5_the_gateway_refuses_its_networks_prefixes() {
    let announced = ["10.1.0.0/16", "10.1.7.0/24", "10.4.0.0/16", "10.4.9.0/24", "10.0.0.0/8"];
    let taken = |transit: bool| {
        let network = network(|d| {
            announce(d, "south", &announced);
            d.virtual_networks[1].peerings[0].use_remote_gateways = transit;
        });
        let bgp = network.bgp().unwrap();
        let routes = bgp.adj_rib_in(&"south-vpn".into(), &"vpngw".into(), Stage::PostPolicy);
        let mut prefixes: Vec<String> = routes.iter().map(|r| r.prefix.to_string()).collect();
        prefixes.sort();
        (end(&network, "hub/subnets/web", "10.4.9.9"), prefixes)
    };
    assert_eq!(taken(true).1, ["10.0.0.0/8", "10.61.0.0/16"]);
    let (to_spoke, without_transit) = taken(false);
    assert_eq!(without_transit, ["10.0.0.0/8", "10.4.0.0/16", "10.4.9.0/24", "10.61.0.0/16"]);
    assert_eq!(to_spoke, "Delivered(virtual network spoke)");
}

/// VPN-6: branches and networks reach each other over gateways where every connection on the way runs BGP.
#[test]
fn vpn_6_transit_between_branches_and_networks_needs_bgp_all_the_way() {
    let whole = network(|_| ());
    assert_eq!(path(&whole, "north", "10.61.0.0/16").as_deref(), Some("65004 65003"));
    assert_eq!(path(&whole, "north", "10.8.0.0/16").as_deref(), Some("65004 65010"));
    assert_eq!(path(&whole, "north", "10.62.0.0/16").as_deref(), Some("65004 65010 65005"));
    assert_eq!(path(&whole, "east", "10.4.0.0/16").as_deref(), Some("65010 65004"));
    assert_eq!(end(&whole, "north", "10.61.0.9"), "OnPremises(south)");
    assert_eq!(end(&whole, "north", "10.8.1.4"), "Delivered(subnet partner/subnets/web)");
    assert_eq!(end(&whole, "north", "10.62.0.9"), "OnPremises(east)");
    assert!(rows(&whole, "spoke/subnets/web").contains(&"10.62.0.0/16".to_owned()));
    for connection in ["there", "back"] {
        let half = network(|d| {
            d.connections.iter_mut().find(|c| c.id.as_str() == connection).unwrap().enable_bgp = false;
        });
        assert_eq!(path(&half, "north", "10.62.0.0/16"), None, "{connection}");
        assert!(!rows(&half, "hub/subnets/web").contains(&"10.62.0.0/16".to_owned()), "{connection}");
    }
}

/// FT-11: a default route is not passed on to other branches nor to the far gateway; the gateway's own networks take it
/// (FT-2).
#[test]
fn ft_11_ft_2_a_default_route_stays_with_the_gateway_that_learned_it() {
    let network = network(|d| announce(d, "south", &["0.0.0.0/0"]));
    for speaker in ["north", "pgw", "east"] {
        assert_eq!(path(&network, speaker, "0.0.0.0/0"), None, "{speaker}");
    }
    for subnet in ["hub/subnets/web", "spoke/subnets/web"] {
        assert!(rows(&network, subnet).contains(&"0.0.0.0/0".to_owned()), "{subnet}");
    }
    assert!(!rows(&network, "partner/subnets/web").contains(&"0.0.0.0/0".to_owned()));
}

/// VPN-7: of several tunnels to one site the shorter path carries all, equal ones share.
#[test]
fn vpn_7_tunnels_share_where_paths_are_equal() {
    let tunnels = |prepends: usize| {
        let network = network(|d| {
            d.local_network_gateways[1].site = Some("north".into());
            let mut second = d.bgp_speakers[0].clone();
            second.id = "north-2".into();
            second.router = Some("north/routers/b".into());
            second.originate[0].attributes.as_path = AsPath::sequence(vec![Asn(65_001); prepends]);
            d.bgp_speakers[0].router = Some("north/routers/a".into());
            d.on_premises_sites[0].routers = toml::from_str::<Document>(
                "on_premises_sites = [{ id = \"x\", routers = [{ name = \"a\" }, { name = \"b\" }] }]",
            )
            .unwrap()
            .on_premises_sites
            .remove(0)
            .routers;
            d.bgp_speakers.push(second);
            d.bgp_sessions[1].a.speaker = "north-2".into();
        });
        let answer = network.resolve("hub/subnets/web", ip("10.60.0.9")).unwrap();
        let mut via: Vec<String> =
            answer.hops().filter_map(|hop| hop.via.as_ref().map(ToString::to_string)).collect();
        via.sort();
        via.dedup();
        via
    };
    assert_eq!(tunnels(0), ["to-north", "to-south"]);
    assert_eq!(tunnels(2), ["to-north"]);
}

/// V6-4, VPN-13: a session over VPN carries no IPv6, whatever its families.
#[test]
fn v6_4_vpn_sessions_carry_no_ipv6() {
    let network = network(|d| {
        announce(d, "north", &["2001:db8:60::/48"]);
        d.bgp_sessions[0].families = vec![
            azroute::model::bgp::AddressFamily::Ipv4Unicast,
            azroute::model::bgp::AddressFamily::Ipv6Unicast,
        ];
    });
    assert_eq!(path(&network, "vpngw", "2001:db8:60::/48"), None);
    assert_eq!(path(&network, "vpngw", "10.60.0.0/16").as_deref(), Some("65001"));
}
