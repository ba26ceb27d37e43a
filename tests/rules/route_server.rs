//! Route Server as a BGP speaker (section 17 of the rules): appliances that peer with it, branches that it exchanges.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use azroute::Network;
use azroute::bgp::NotSent;
use azroute::model::bgp::AsPath;
use azroute::model::{Asn, Document, RouteSource, Topology};

/// A hub with a Route Server, an appliance, an ExpressRoute gateway and a VPN gateway; a branch over VPN, a datacentre over
/// a circuit, and a partner's network that the appliance reaches by a tunnel of its own.
///
/// ```text
///   dc 192.168.0.0/16 (65001) == er1 ==+-- ergw --+
///                                      hub 10.1.0.0/16, rs (65515), spoke 10.4.0.0/16
///   branch 10.2.0.0/16 (65003) ------- vpngw -----+--- nva 10.1.1.4 (65002) ~~~ pgw (65010), partner 10.0.0.0/16
/// ```
const LAB: &str = r#"
    virtual_networks = [
        { id = "hub", address_space = ["10.1.0.0/16"], subnets = [
            { name = "GatewaySubnet", address_prefixes = ["10.1.5.0/27"] },
            { name = "RouteServerSubnet", address_prefixes = ["10.1.2.0/27"] },
            { name = "inside", address_prefixes = ["10.1.1.0/24"] },
            { name = "web", address_prefixes = ["10.1.10.0/24"] },
        ], peerings = [
            { name = "spoke", remote_virtual_network = "spoke", allow_gateway_transit = true, allow_forwarded_traffic = true },
        ] },
        { id = "spoke", address_space = ["10.4.0.0/16"], subnets = [
            { name = "web", address_prefixes = ["10.4.10.0/24"] },
        ], peerings = [
            { name = "hub", remote_virtual_network = "hub", use_remote_gateways = true, allow_forwarded_traffic = true },
        ] },
        { id = "partner", address_space = ["10.0.0.0/16"], subnets = [
            { name = "GatewaySubnet", address_prefixes = ["10.0.0.0/27"] },
            { name = "web", address_prefixes = ["10.0.10.0/24"] },
        ] },
    ]
    network_interfaces = [
        { id = "nva-nic", enable_ip_forwarding = true, ip_configurations = [
            { name = "a", subnet = "hub/subnets/inside", private_ip_address = "10.1.1.4", primary = true },
        ] },
        { id = "spoke-vm", ip_configurations = [
            { name = "a", subnet = "spoke/subnets/web", private_ip_address = "10.4.10.4", primary = true },
        ] },
        { id = "partner-vm", ip_configurations = [
            { name = "a", subnet = "partner/subnets/web", private_ip_address = "10.0.10.4", primary = true },
        ] },
    ]
    network_virtual_appliances = [{ id = "nva", network_interfaces = ["nva-nic"] }]
    virtual_network_gateways = [
        { id = "ergw", virtual_network = "hub", gateway_type = "ExpressRoute" },
        { id = "vpngw", virtual_network = "hub", gateway_type = "Vpn", asn = 65004, active_active = true, bgp_peering_addresses = ["10.1.5.4", "10.1.5.5"] },
        { id = "pgw", virtual_network = "partner", gateway_type = "Vpn", asn = 65010 },
    ]
    local_network_gateways = [{ id = "branch-lng" }, { id = "nva-lng", site = "nva" }]
    connections = [
        { id = "er", connection_type = "ExpressRoute", virtual_network_gateway = "ergw", peer = "er1" },
        { id = "vpn", connection_type = "IPsec", virtual_network_gateway = "vpngw", peer = "branch-lng", enable_bgp = true },
        { id = "partner-nva", connection_type = "IPsec", virtual_network_gateway = "pgw", peer = "nva-lng", enable_bgp = true },
    ]
    express_route_circuits = [{ id = "er1", peerings = [{ peering_type = "AzurePrivatePeering" }] }]
    on_premises_sites = [
        { id = "dc", prefixes = ["192.168.0.0/16"] },
        { id = "branch", prefixes = ["10.2.0.0/16"] },
    ]
    bgp_speakers = [
        { id = "dc", asn = 65001, originate = [{ prefixes = ["192.168.0.0/16"] }] },
        { id = "branch", asn = 65003, originate = [{ prefixes = ["10.2.0.0/16"] }] },
        { id = "nva", asn = 65002, originate = [{ prefixes = ["10.1.10.0/24"] }] },
    ]
    [[route_servers]]
    id = "rs"
    virtual_network = "hub"
    virtual_router_ips = ["10.1.2.4", "10.1.2.5"]
    allow_branch_to_branch_traffic = true
    [[bgp_sessions]]
    id = "dc-primary"
    a = { speaker = "dc" }
    b = { speaker = "er1/peerings/AzurePrivatePeering/links/primary" }
    [[bgp_sessions]]
    id = "branch-vpn"
    a = { speaker = "branch" }
    b = { speaker = "vpn" }
    [[bgp_sessions]]
    id = "nva-rs"
    a = { speaker = "nva", addresses = ["10.1.1.4"] }
    b = { speaker = "rs" }
    [[bgp_sessions]]
    id = "nva-partner"
    a = { speaker = "nva" }
    b = { speaker = "partner-nva" }
"#;

fn network(change: impl Fn(&mut Document)) -> Network {
    let mut document: Document = toml::from_str(LAB).unwrap();
    change(&mut document);
    Network::build(&Topology::new(document).unwrap()).unwrap()
}

fn lab() -> Network {
    network(|_| ())
}

/// A speaker's AS path for a prefix.
fn path(network: &Network, speaker: &str, prefix: &str) -> Option<String> {
    let best = network.bgp().unwrap().best(&speaker.into(), &prefix.parse().unwrap());
    best.map(|best| best.attributes.as_path.to_string())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Rows of gateway source: prefix and printed next hops.
fn rows(network: &Network, subnet: &str) -> Vec<String> {
    let rows = network.effective_routes(&subnet.into()).unwrap().rows();
    rows.into_iter()
        .filter(|row| row.source == RouteSource::VirtualNetworkGateway)
        .map(|row| format!("{} {:?}", row.prefix, row.next_hop_ip_addresses))
        .collect()
}

fn places(network: &Network, from: &str, to: &str) -> String {
    let answer = network.resolve(from, ip(to)).unwrap();
    let hops: Vec<String> = answer.path().hops().iter().map(|hop| hop.place.to_string()).collect();
    format!("{} => {}", hops.join(" > "), answer.disposition())
}

/// ARS-7: however long the path over ExpressRoute is; the edge takes nothing from the gateway that it would have to keep
/// the datacentre's route back for.
#[test]
fn ars_7_a_long_path_over_expressroute_is_programmed() {
    let both = |path: Vec<u32>| {
        network(move |d| {
            let dc = &mut d.bgp_speakers[0].originate[0];
            (dc.attributes.as_path, dc.attributes.local_preference) =
                (AsPath::sequence(path.iter().copied().map(Asn)), Some(200));
            let prefix = dc.prefixes[0];
            d.bgp_speakers[2].originate[0].prefixes.push(prefix);
        })
    };
    for network in [both(vec![]), both(vec![65_001]), both(vec![65_001; 4])] {
        assert!(network.bgp().unwrap().unsettled().next().is_none());
        let found = rows(&network, "spoke/subnets/web");
        assert!(found.contains(&"192.168.0.0/16 []".to_owned()), "{found:?}");
    }
}

#[test]
fn ars_2_what_an_appliance_announces_is_a_gateway_row_with_its_address() {
    let network = lab();
    assert_eq!(
        rows(&network, "spoke/subnets/web"),
        ["10.0.0.0/16 [10.1.1.4]", "10.2.0.0/16 [10.1.5.4, 10.1.5.5]", "192.168.0.0/16 []",]
    );
    // ARS-3: what is inside the network, 10.1.10.0/24, is injected neither there nor in spokes.
    assert!(!rows(&network, "hub/subnets/web").iter().any(|row| row.starts_with("10.1.10.0/24")));
}

#[test]
fn ars_5_branches_are_exchanged_where_the_switch_is_on() {
    let network = lab();
    assert_eq!(path(&network, "nva", "10.2.0.0/16").as_deref(), Some("65515 65004 65003"));
    assert_eq!(path(&network, "nva", "192.168.0.0/16").as_deref(), Some("65515 12076 65001"));
    assert_eq!(path(&network, "branch", "10.0.0.0/16").as_deref(), Some("65004 65515 65002 65010"));
    assert_eq!(path(&network, "branch", "192.168.0.0/16").as_deref(), Some("65004 65515 12076 65001"));
    assert_eq!(
        path(&network, "dc", "10.2.0.0/16").as_deref(),
        Some("12076"),
        "private numbers stay in Azure"
    );
    // ER-6: networks in any case, by the Route Server and by the gateways.
    for (speaker, expected) in [("nva", "65515"), ("branch", "65004"), ("dc", "12076")] {
        assert_eq!(path(&network, speaker, "10.4.0.0/16").as_deref(), Some(expected));
    }
    let off = self::network(|d| d.route_servers[0].allow_branch_to_branch_traffic = false);
    assert_eq!(path(&off, "nva", "10.2.0.0/16"), None);
    assert_eq!(path(&off, "branch", "192.168.0.0/16"), None);
    assert_eq!(path(&off, "dc", "10.0.0.0/16"), None);
    assert_eq!(path(&off, "nva", "10.4.0.0/16").as_deref(), Some("65515"));
    // ARS-2 does not ask for the switch.
    assert_eq!(rows(&off, "spoke/subnets/web"), rows(&network, "spoke/subnets/web"));
}

/// ARS-5, WALK-16: packets take the way that the routes came.
#[test]
fn ars_5_packets_pass_from_branch_to_branch() {
    let network = lab();
    assert_eq!(
        places(&network, "spoke-vm", "10.0.10.4"),
        "network interface spoke-vm > appliance nva (nva-nic) > gateway pgw > network interface partner-vm => \
         Delivered(network interface partner-vm)"
    );
    assert_eq!(
        places(&network, "partner-vm", "10.4.10.4"),
        "network interface partner-vm > gateway pgw > appliance nva (nva-nic) > network interface spoke-vm => \
         Delivered(network interface spoke-vm)"
    );
    assert_eq!(
        places(&network, "branch", "10.0.10.4"),
        "on-premises branch > gateway vpngw > appliance nva (nva-nic) > gateway pgw > network interface partner-vm => \
         Delivered(network interface partner-vm)"
    );
    assert!(places(&network, "branch", "192.168.1.1").ends_with("=> OnPremises(dc)"));
    assert!(places(&network, "dc", "10.2.1.1").ends_with("=> OnPremises(branch)"));
    let off = self::network(|d| d.route_servers[0].allow_branch_to_branch_traffic = false);
    assert!(
        places(&off, "branch", "192.168.1.1").contains("Drop(NoRoute"),
        "{}",
        places(&off, "branch", "192.168.1.1")
    );
}

/// ARS-8, BGP-4: NO_ADVERTISE keeps a route at the Route Server; every other community is ignored.
#[test]
fn ars_8_no_advertise_keeps_a_route_local() {
    let with = |community: &'static str| {
        network(move |d| {
            let nva = d.bgp_speakers.iter_mut().find(|s| s.id.as_str() == "nva").unwrap();
            nva.originate[0].prefixes = vec!["10.9.0.0/16".parse().unwrap()];
            let communities = vec![community.parse().unwrap()];
            nva.originate[0].attributes.communities =
                azroute::model::bgp::Communities::new(communities, [], []);
            // A route that carries it leaves its own speaker only by a policy in its way; this one is the customer's.
            nva.profile = azroute::model::bgp::Profile::Gobgp3;
        })
    };
    let local = with("no-advertise");
    assert!(rows(&local, "spoke/subnets/web").contains(&"10.9.0.0/16 [10.1.1.4]".to_owned()));
    assert_eq!(path(&local, "dc", "10.9.0.0/16"), None);
    let prefix = "10.9.0.0/16".parse().unwrap();
    let why = local.bgp().unwrap().not_sent(&"rs/branches/ergw".into(), &"rs".into(), &prefix);
    assert!(matches!(why, Some(NotSent::WellKnownCommunity(_))), "{why:?}");
    let exported = with("no-export");
    assert_eq!(path(&exported, "dc", "10.9.0.0/16").as_deref(), Some("12076"));
}

/// BGP-5, ARS-10: a Route Server drops what 65515 is in, unless the appliance takes it out.
#[test]
fn ars_10_bgp_5_what_another_route_server_told_needs_as_override() {
    let relayed = |path: &'static str| {
        network(move |d| {
            let nva = d.bgp_speakers.iter_mut().find(|s| s.id.as_str() == "nva").unwrap();
            nva.originate[0].prefixes = vec!["20.0.0.0/16".parse().unwrap()];
            nva.originate[0].attributes.as_path = path.parse().unwrap();
        })
    };
    assert!(!rows(&relayed("64000 65515"), "spoke/subnets/web").iter().any(|r| r.starts_with("20.0.0.0/16")));
    assert!(!rows(&relayed("0"), "spoke/subnets/web").iter().any(|r| r.starts_with("20.0.0.0/16")), "BGP-6");
    assert!(rows(&relayed("64000 64000"), "spoke/subnets/web").iter().any(|r| r.starts_with("20.0.0.0/16")));
}

/// ARS-6: of one prefix that the circuit, VPN and the appliance bring, the routing preference decides who passes on what.
#[test]
fn ars_6_the_routing_preference_decides_what_is_passed_on() {
    use azroute::model::HubRoutingPreference::{AsPath, ExpressRoute, VpnGateway};
    let shared = |preference, prepends: usize| {
        network(move |d| {
            d.route_servers[0].hub_routing_preference = preference;
            for speaker in &mut d.bgp_speakers {
                let more = match speaker.id.as_str() {
                    "dc" => vec![azroute::model::Asn(65001); prepends],
                    _ => Vec::new(),
                };
                speaker.originate.push(azroute::model::bgp::Origination {
                    prefixes: vec!["10.77.0.0/16".parse().unwrap()],
                    attributes: azroute::model::bgp::PathAttributes {
                        as_path: azroute::model::bgp::AsPath::sequence(more),
                        ..Default::default()
                    },
                    policies: Vec::new(),
                });
            }
        })
    };
    let row = |network: &Network| {
        rows(network, "spoke/subnets/web").into_iter().find(|r| r.starts_with("10.77.0.0/16")).unwrap()
    };
    for preference in [ExpressRoute, AsPath] {
        let same = shared(preference, 0);
        // VPN and appliance: one number; the circuit: 12076 and one.
        let expected = if preference == ExpressRoute { "[]" } else { "[10.1.1.4, 10.1.5.4, 10.1.5.5]" };
        assert_eq!(row(&same), format!("10.77.0.0/16 {expected}"));
    }
    assert_eq!(row(&shared(ExpressRoute, 5)), "10.77.0.0/16 []", "never by path");
    assert_eq!(row(&shared(VpnGateway, 0)), "10.77.0.0/16 [10.1.1.4, 10.1.5.4, 10.1.5.5]");
}

/// ARS-11: a default that an appliance announces goes to the circuit's gateway, and not on by the VPN gateway (FT-11).
#[test]
fn ars_11_ft_11_a_default_goes_to_the_circuit_and_not_to_vpn() {
    let network = network(|d| {
        let nva = d.bgp_speakers.iter_mut().find(|s| s.id.as_str() == "nva").unwrap();
        nva.originate[0].prefixes = vec!["0.0.0.0/0".parse().unwrap()];
    });
    assert_eq!(path(&network, "dc", "0.0.0.0/0").as_deref(), Some("12076"));
    assert_eq!(path(&network, "branch", "0.0.0.0/0"), None);
    assert!(rows(&network, "spoke/subnets/web").contains(&"0.0.0.0/0 [10.1.1.4]".to_owned()));
}

/// ARS-12: more than 1,000 routes of one peer take its session down, and no other.
#[test]
fn ars_12_a_peer_past_its_limit_is_lost() {
    let network = network(|d| {
        let nva = d.bgp_speakers.iter_mut().find(|s| s.id.as_str() == "nva").unwrap();
        nva.originate[0].prefixes = (0..1_001_u32)
            .map(|i| format!("172.{}.{}.0/24", 16 + i / 256, i % 256).parse().unwrap())
            .collect();
    });
    assert_eq!(
        rows(&network, "spoke/subnets/web"),
        ["10.2.0.0/16 [10.1.5.4, 10.1.5.5]", "192.168.0.0/16 []"]
    );
    assert!(network.findings().iter().any(|f| f.message.contains("from one peer, at most 1000")));
}

/// ER-5: what the Route Server learned counts towards what a gateway tells its circuit where branches are exchanged: past
/// 1,000 prefixes the connection is down.
#[test]
fn er_5_what_the_route_server_learned_counts_towards_the_connection() {
    let with = |count: u32, exchanged: bool| {
        network(move |d| {
            d.route_servers[0].allow_branch_to_branch_traffic = exchanged;
            let nva = d.bgp_speakers.iter_mut().find(|s| s.id.as_str() == "nva").unwrap();
            nva.originate[0].prefixes = (0..count)
                .map(|i| format!("172.{}.{}.0/24", 16 + i / 256, i % 256).parse().unwrap())
                .collect();
        })
    };
    let down = |network: &Network| path(network, "dc", "10.1.0.0/16").is_none();
    // Beside them: two networks, the branch, the partner's network.
    assert!(!down(&with(996, true)));
    let over = with(997, true);
    assert!(down(&over));
    assert!(!rows(&over, "spoke/subnets/web").iter().any(|row| row.starts_with("192.168.0.0/16")));
    assert!(over.findings().iter().any(|f| f.message.contains("1001 prefixes towards on-premises")));
    assert!(!down(&with(997, false)));
}

/// VPN-14: point-to-site pools are told neither to appliances nor, through the Route Server, to circuits.
#[test]
fn vpn_14_point_to_site_pools_are_not_exchanged() {
    let network = network(|d| {
        d.virtual_network_gateways[1].vpn_client_address_pools = vec!["172.16.201.0/24".parse().unwrap()];
    });
    assert!(rows(&network, "spoke/subnets/web").iter().any(|row| row.starts_with("172.16.201.0/24")));
    for speaker in ["nva", "dc", "rs"] {
        assert_eq!(path(&network, speaker, "172.16.201.0/24"), None, "{speaker}");
    }
}

/// BGP-2: a Route Server takes numbers of 16 bits, 65516 among them (CON-13).
#[test]
fn bgp_2_a_route_server_takes_16_bits() {
    let with = |asn: u32| {
        network(move |d| {
            let nva = d.bgp_speakers.iter_mut().find(|s| s.id.as_str() == "nva").unwrap();
            nva.asn = azroute::model::Asn(asn);
        })
    };
    let injected = |network: &Network| path(network, "rs", "10.0.0.0/16").is_some();
    assert!(injected(&with(65_516)));
    for asn in [70_000, 65_517] {
        let network = with(asn);
        assert!(!injected(&network), "{asn}");
        assert!(
            network.findings().iter().any(|f| f.message.contains(&format!("number {asn} is not"))),
            "{asn}"
        );
    }
}

#[test]
fn an_appliance_at_a_route_server_needs_its_address() {
    let mut document: Document = toml::from_str(LAB).unwrap();
    let session = document.bgp_sessions.iter_mut().find(|s| s.id.as_str() == "nva-rs").unwrap();
    session.a.addresses.clear();
    let error = Network::build(&Topology::new(document).unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`nva-rs`: addresses: `nva` needs its address: it is the next hop of what it announces"
    );
}
