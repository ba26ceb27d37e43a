//! SYS: what the platform gives every subnet.

use azroute::model::{NoneProfile, PeeringState, RouteNextHopType, ServiceEndpoint, Topology};
use azroute::resolve::{Disposition, DropReason, Egress, NextHop, Place};

use crate::selection::support::{S, Steps, base, ip, net, peered, space};

const NONE: &str = "Active Default None SYS-3";

/// One row per prefix of the space, in every subnet; subnets make none.
#[test]
fn sys_1_a_vnet_local_row_per_prefix_of_the_space() {
    let lab = space(&["10.0.0.0/16", "10.5.0.0/16"]).subnet("v", "t", "10.5.7.0/24").lab();
    for subnet in [S, "v/subnets/nva", "v/subnets/t", "v/subnets/GatewaySubnet"] {
        assert_eq!(lab.at(subnet, "10.0.0.0/16"), ["Active Default VnetLocal SYS-1"], "{subnet}");
        assert_eq!(lab.at(subnet, "10.5.0.0/16"), ["Active Default VnetLocal SYS-1"], "{subnet}");
        for own in ["10.0.0.0/24", "10.5.7.0/24", "10.0.100.0/24", "10.0.255.0/27"] {
            assert!(lab.at(subnet, own).is_empty(), "{subnet} {own}");
        }
    }
    assert_eq!(lab.hop("10.5.200.1"), "VnetLocal 10.5.0.0/16");
}

#[test]
fn sys_2_a_default_to_the_internet() {
    let lab = base().lab();
    for subnet in [S, "v/subnets/GatewaySubnet"] {
        assert_eq!(lab.at(subnet, "0.0.0.0/0"), ["Active Default Internet SYS-2"]);
    }
    assert_eq!(lab.hop("9.255.255.255"), "Internet 0.0.0.0/0");
    assert!(matches!(lab.end(S, "9.255.255.255"), Disposition::Egress(Egress::Internet(_))));
}

#[test]
fn sys_3_four_reserved_ranges_drop_at_the_source() {
    let lab = base().lab();
    for (prefix, inside, outside) in [
        ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
        ("172.16.0.0/12", "172.31.255.255", "172.32.0.0"),
        ("192.168.0.0/16", "192.168.0.0", "192.169.0.0"),
        ("100.64.0.0/10", "100.127.255.255", "100.128.0.0"),
    ] {
        assert_eq!(lab.s(prefix), [NONE]);
        assert_eq!(lab.dropped(S, inside), DropReason::NoneRoute(net(prefix)));
        assert_eq!(lab.answer(S, inside).hops().count(), 1, "at the source, nowhere else");
        assert_eq!(lab.hop(outside), "Internet 0.0.0.0/0");
    }
    assert_eq!(lab.rows(S).iter().filter(|r| r.next_hop_type.as_str() == "None").count(), 4);
}

/// The era chooses the list, the knob overrules the era.
#[test]
fn sys_4_the_era_has_its_own_reserved_ranges() {
    let day = |text: &str| base().as_of(text.parse().unwrap());
    for old in ["2016-06-01", "2021-11-30", "2021-12-31"] {
        let lab = day(old).lab();
        assert!(lab.s("172.16.0.0/12").is_empty(), "{old}");
        assert_eq!(lab.s("10.0.0.0/8"), [NONE]);
        assert_eq!(lab.hop("172.20.0.1"), "Internet 0.0.0.0/0");
    }
    assert_eq!(day("2022-01-01").lab().hop("172.20.0.1"), "None 172.16.0.0/12");
    let overruled = day("2019-06-01").knob(|k| k.none_profile = Some(NoneProfile::Documented4)).lab();
    assert_eq!(overruled.hop("172.20.0.1"), "None 172.16.0.0/12");
    let overruled = base().knob(|k| k.none_profile = Some(NoneProfile::Legacy3)).lab();
    assert_eq!(overruled.hop("172.20.0.1"), "Internet 0.0.0.0/0");
}

#[test]
fn sys_5_observed_lists_of_reserved_ranges() {
    let of = |profile| {
        let lab = base().knob(|k| k.none_profile = Some(profile)).lab();
        let rows = lab.rows(S);
        let none = rows.iter().filter(|r| r.next_hop_type.as_str() == "None");
        (none.map(|r| r.prefix.to_string()).collect::<Vec<_>>(), lab)
    };
    let legacy = ["10.0.0.0/8", "100.64.0.0/10", "192.168.0.0/16"];
    let sorted = |lists: &[&[&str]]| {
        let mut all: Vec<_> = lists.concat().into_iter().map(net).collect();
        all.sort();
        all.into_iter().map(|p| p.to_string()).collect::<Vec<_>>()
    };
    let seen = [
        "25.4.0.0/14",
        "198.18.0.0/15",
        "157.59.0.0/16",
        "40.109.0.0/16",
        "104.147.0.0/16",
        "104.146.0.0/17",
        "40.108.0.0/17",
        "23.103.0.0/18",
        "20.35.252.0/22",
    ];
    let until_2022 = ["25.48.0.0/12", "25.33.0.0/16", "25.41.0.0/20"];
    let back = ["172.16.0.0/12", "127.0.0.0/8"];
    let from_2024 = [
        "25.148.0.0/15",
        "25.150.0.0/16",
        "25.152.0.0/14",
        "25.156.0.0/16",
        "25.159.0.0/16",
        "25.176.0.0/13",
        "25.184.0.0/14",
    ];
    assert_eq!(of(NoneProfile::Legacy3).0, sorted(&[&legacy]));
    assert_eq!(of(NoneProfile::Legacy3x2021).0, sorted(&[&legacy, &["25.33.80.0/20", "25.41.3.0/25"]]));
    assert_eq!(of(NoneProfile::Seen2021_11).0, sorted(&[&legacy, &seen, &until_2022]));
    assert_eq!(of(NoneProfile::Seen2022).0, sorted(&[&legacy, &seen, &until_2022, &back]));
    assert_eq!(of(NoneProfile::Seen2024).0, sorted(&[&legacy, &seen, &from_2024, &back]));
    for profile in [NoneProfile::Seen2021_11, NoneProfile::Seen2022, NoneProfile::Seen2024] {
        assert_eq!(of(profile).1.hop("198.18.0.1"), "None 198.18.0.0/15", "{profile:?}");
    }
    assert_eq!(of(NoneProfile::Documented4).1.hop("198.18.0.1"), "Internet 0.0.0.0/0");
}

/// A prefix of the space equal to, around, inside and beside a reserved range.
#[test]
fn sys_6_own_space_against_reserved_ranges() {
    let equal = space(&["10.0.0.0/8"]).lab();
    assert_eq!(equal.s("10.0.0.0/8"), ["Active Default VnetLocal SYS-1", "Absent Default None SYS-6"]);
    let around = space(&["10.0.0.0/7"]).lab();
    assert_eq!(around.s("10.0.0.0/8"), ["Absent Default None SYS-6"]);
    assert_eq!(around.s("10.0.0.0/7"), ["Active Default VnetLocal SYS-1"]);
    assert_eq!(around.hop("10.200.0.1"), "VnetLocal 10.0.0.0/7");
    let inside = space(&["10.0.0.0/9"]).lab();
    assert_eq!(inside.s("10.0.0.0/8"), [NONE]);
    assert_eq!(inside.hop("10.127.0.1"), "VnetLocal 10.0.0.0/9");
    assert_eq!(inside.hop("10.128.0.1"), "None 10.0.0.0/8");
    let beside = space(&["10.0.0.0/16", "20.0.0.0/16"]).lab();
    assert_eq!(beside.s("192.168.0.0/16"), [NONE]);
    assert_eq!(beside.hop("20.0.9.9"), "VnetLocal 20.0.0.0/16");
}

#[test]
fn sys_7_none_row_gives_way_to_a_user_row_of_its_prefix() {
    let lab =
        base().udr(&[("10.0.0.0/8", "NVA"), ("192.168.0.0/17", "NVA"), ("172.16.0.0/12", "None")]).lab();
    assert_eq!(lab.s("10.0.0.0/8"), ["Active User VirtualAppliance UDR-2", "Absent Default None SYS-7"]);
    // Whatever the user route's next hop.
    assert_eq!(lab.s("172.16.0.0/12"), ["Active User None UDR-2", "Absent Default None SYS-7"]);
    // Exactly its prefix: a half of it leaves the row.
    assert_eq!(lab.s("192.168.0.0/16"), [NONE]);
    assert!(lab.rows(S).iter().all(|r| !(r.prefix == net("10.0.0.0/8") && r.source.as_str() == "Default")));
}

/// The decision where the vendor is silent: gone as well, never Invalid.
#[test]
fn sys_7_none_row_gives_way_to_a_gateway_or_peering_row_of_its_prefix() {
    let lab = base()
        .er(&["10.0.0.0/8", "172.16.0.0/13"])
        .virtual_network("p", &["192.168.0.0/16"])
        .peer("v", "p")
        .lab();
    assert_eq!(
        lab.s("10.0.0.0/8"),
        ["Active VirtualNetworkGateway VirtualNetworkGateway GWR-1", "Absent Default None SYS-7"]
    );
    assert_eq!(lab.s("192.168.0.0/16"), ["Active Default VNetPeering PEER-1", "Absent Default None SYS-7"]);
    assert_eq!(lab.s("172.16.0.0/12"), [NONE]);
    assert_eq!(lab.hop("10.200.0.1"), "VirtualNetworkGateway 10.0.0.0/8");
}

#[test]
fn sys_8_azure_services_stay_on_the_backbone() {
    let lab = base().tag("Storage.WestEurope", &["198.51.100.0/25"]).lab();
    let backbone = |end| matches!(end, Disposition::Egress(Egress::MicrosoftBackbone(_)));
    assert!(backbone(lab.end(S, "198.51.100.127")));
    assert!(lab.rules(S, "198.51.100.127").contains(&"SYS-8"));
    assert!(!backbone(lab.end(S, "198.51.100.128")));
    assert_eq!(lab.hop("198.51.100.127"), lab.hop("198.51.100.128"), "the route is the same");
}

/// An active default to an appliance or a gateway takes the None rows with it, from a table or from a gateway.
#[test]
fn sys_9_a_default_to_an_appliance_or_gateway_removes_the_none_rows() {
    let ecmp = base()
        .route("rt", "d", "0.0.0.0/0", "VirtualApplianceEcmp", &["10.0.100.4", "10.0.100.5"])
        .bind(S, "rt");
    let vng = base().vpn(&[]).udr(&[("0.0.0.0/0", "VirtualNetworkGateway")]);
    for (name, lab, hop) in [
        ("appliance", base().udr(&[("0.0.0.0/0", "NVA")]).lab(), "VirtualAppliance 0.0.0.0/0"),
        ("appliances", ecmp.lab(), "VirtualAppliance 0.0.0.0/0"),
        ("user to gateway", vng.lab(), "VirtualNetworkGateway 0.0.0.0/0"),
        ("learned", base().er(&["0.0.0.0/0"]).lab(), "VirtualNetworkGateway 0.0.0.0/0"),
    ] {
        for prefix in ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"] {
            assert_eq!(lab.s(prefix), ["Absent Default None SYS-9"], "{name}");
        }
        assert_eq!(lab.hop("192.168.9.9"), hop, "{name}");
        // Other subnets of the network keep theirs, unless the default is the gateway's.
        let elsewhere = if name == "learned" { "Absent Default None SYS-9" } else { NONE };
        assert_eq!(lab.at("v/subnets/nva", "10.0.0.0/8"), [elsewhere], "{name}");
    }
    // Two halves are not a default (FT-13), and a refused default is not active (UDR-15).
    let halves = base().udr(&[("0.0.0.0/1", "NVA"), ("128.0.0.0/1", "NVA")]).lab();
    assert_eq!(halves.s("10.0.0.0/8"), [NONE]);
    let refused = base().er(&["0.0.0.0/0"]).udr(&[("198.51.100.0/24", "None")]);
    let refused = refused.configure(|d| d.route_tables[0].disable_bgp_route_propagation = true).lab();
    assert_eq!(refused.s("10.0.0.0/8"), [NONE]);
}

#[test]
fn sys_10_a_user_default_to_none_or_internet_keeps_the_none_rows() {
    for hop in ["None", "Internet"] {
        // Even where a gateway default lies beneath it.
        for builder in [base(), base().er(&["0.0.0.0/0"])] {
            let lab = builder.udr(&[("0.0.0.0/0", hop)]).lab();
            assert_eq!(lab.s("10.0.0.0/8"), [NONE], "{hop}");
            assert_eq!(lab.hop("192.168.9.9"), "None 192.168.0.0/16", "{hop}");
            assert_eq!(lab.hop("8.8.8.8"), format!("{hop} 0.0.0.0/0"));
        }
    }
}

#[test]
fn sys_11_the_system_default_is_invalid_under_a_user_one_and_absent_beside_a_learned_one() {
    let user = base().udr(&[("0.0.0.0/0", "NVA")]).lab();
    assert_eq!(
        user.s("0.0.0.0/0"),
        ["Active User VirtualAppliance UDR-2", "Invalid Default Internet SYS-11"]
    );
    let learned = base().er(&["0.0.0.0/0"]).lab();
    let gateway = "VirtualNetworkGateway VirtualNetworkGateway";
    assert_eq!(
        learned.s("0.0.0.0/0"),
        [format!("Active {gateway} GWR-1"), "Absent Default Internet SYS-11".to_owned()]
    );
    let both = || base().er(&["0.0.0.0/0"]).udr(&[("0.0.0.0/0", "NVA")]);
    assert_eq!(
        both().lab().s("0.0.0.0/0"),
        [
            "Active User VirtualAppliance UDR-2".to_owned(),
            format!("Invalid {gateway} SEL-4"),
            "Absent Default Internet SYS-11".to_owned(),
        ]
    );
    // Present in the subnet: a table that refuses gateway routes has no learned default.
    let refused = both().configure(|d| d.route_tables[0].disable_bgp_route_propagation = true).lab();
    assert_eq!(
        refused.s("0.0.0.0/0"),
        [
            "Active User VirtualAppliance UDR-2".to_owned(),
            "Invalid Default Internet SYS-11".to_owned(),
            format!("Absent {gateway} UDR-15"),
        ]
    );
}

/// A bare network has the rows of SYS-1 to SYS-3 and no other; each feature adds its own.
#[test]
fn sys_12_optional_rows_come_with_what_they_stand_for() {
    let types = |lab: &crate::selection::support::Lab| {
        let mut all: Vec<_> = lab.rows(S).iter().map(|r| r.next_hop_type.as_str()).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    assert_eq!(types(&base().lab()), ["Internet", "None", "VnetLocal"]);
    assert_eq!(base().lab().rows(S).len(), 6);
    let all = peered()
        .er(&["10.50.0.0/16"])
        .endpoint("p/subnets/a", "10.1.1.4")
        .tag("Storage", &["198.51.100.0/24"])
        .configure_subnet(S, |s| s.service_endpoints.push(ServiceEndpoint::new("Microsoft.Storage")))
        .virtual_network("m", &["10.9.0.0/16"])
        .configure(|d| {
            for at in [0, 2] {
                d.virtual_networks[at].connected_group = Some("mesh".to_owned());
            }
        })
        .lab();
    assert_eq!(
        types(&all),
        [
            "ConnectedGroup",
            "InterfaceEndpoint",
            "Internet",
            "None",
            "VNetPeering",
            "VirtualNetworkGateway",
            "VirtualNetworkServiceEndpoint",
            "VnetLocal",
        ]
    );
}

/// A user route may name none of the platform's own types, and overriding leaves the row in sight.
#[test]
fn sys_13_system_routes_are_overridden_never_deleted() {
    for platform in ["VNetPeering", "VirtualNetworkServiceEndpoint", "InterfaceEndpoint", "ConnectedGroup"] {
        assert!(platform.parse::<RouteNextHopType>().is_err(), "{platform}");
    }
    let lab = peered().udr(&[("10.0.0.0/16", "None"), ("10.1.0.0/16", "None"), ("0.0.0.0/0", "None")]).lab();
    for (prefix, row) in [
        ("10.0.0.0/16", "Invalid Default VnetLocal SEL-7"),
        ("10.1.0.0/16", "Invalid Default VNetPeering SEL-7"),
        ("0.0.0.0/0", "Invalid Default Internet SYS-11"),
    ] {
        assert_eq!(lab.s(prefix), ["Active User None UDR-2", row]);
    }
    // What is bound to one subnet overrides nothing in another.
    assert_eq!(lab.at("v/subnets/nva", "10.0.0.0/16"), ["Active Default VnetLocal SYS-1"]);
}

#[test]
fn sys_14_platform_hosts_answer_before_any_table() {
    let lab = base()
        .er(&["0.0.0.0/0", "168.63.0.0/16"])
        .udr(&[("0.0.0.0/0", "NVA"), ("168.63.129.16/32", "None"), ("169.254.0.0/16", "None")])
        .lab();
    for host in ["168.63.129.16", "169.254.169.254"] {
        let answer = lab.answer(S, host);
        assert_eq!(*answer.next_hop(), NextHop::PlatformHost);
        assert_eq!(*answer.disposition(), Disposition::PlatformHost);
        assert_eq!(lab.rules(S, host), ["SYS-14"]);
    }
    assert_eq!(lab.hop("168.63.129.17"), "VirtualNetworkGateway 168.63.0.0/16");
    assert_eq!(lab.hop("169.254.169.253"), "None 169.254.0.0/16");
}

#[test]
fn sys_15_nothing_lies_beneath_the_vnet_local_row() {
    let with =
        |routes: &[(&str, &str)]| base().nic("a", S, "10.0.0.4").nic("b", S, "10.0.0.5").udr(routes).lab();
    let diverted = with(&[("10.0.0.0/16", "NVA")]);
    assert_eq!(diverted.hop_from("a", "10.0.0.5"), "VirtualAppliance 10.0.0.0/16");
    assert!(diverted.passes("a", "10.0.0.5", "fw"));
    assert_eq!(diverted.end("a", "10.0.0.5"), Disposition::Delivered(Place::NetworkInterface("b".into())));
    let restored = with(&[("10.0.0.0/16", "NVA"), ("10.0.0.0/24", "VnetLocal")]);
    assert_eq!(restored.hop_from("a", "10.0.0.5"), "VnetLocal 10.0.0.0/24");
    assert!(!restored.passes("a", "10.0.0.5", "fw"));
    assert!(restored.passes("a", "10.0.7.7", "fw"), "only its own subnet was restored");
}

#[test]
fn sys_16_an_address_that_nobody_owns() {
    let builder = || peered().nic("a", S, "10.0.0.4");
    let lab = builder().lab();
    assert_eq!(lab.end(S, "10.0.0.77"), Disposition::Delivered(Place::Subnet(S.into())));
    assert_eq!(lab.end(S, "10.0.7.7"), Disposition::Delivered(Place::VirtualNetwork("v".into())));
    assert_eq!(lab.end(S, "10.1.1.77"), Disposition::Delivered(Place::Subnet("p/subnets/a".into())));
    assert_eq!(lab.hop("10.1.1.77"), "VNetPeering 10.1.0.0/16");
    let strict = builder().knob(|k| k.strict_hosts = true).lab();
    for nobody in ["10.0.0.77", "10.0.7.7", "10.1.1.77"] {
        assert_eq!(strict.dropped(S, nobody), DropReason::NoSuchHost);
        assert_eq!(strict.hop(nobody), lab.hop(nobody), "the next hop is the same");
    }
    assert_eq!(strict.end(S, "10.0.0.4"), Disposition::Delivered(Place::NetworkInterface("a".into())));
    // The far network of a peering may be unknown altogether.
    let unknown = Topology::builder()
        .virtual_network("v", &["10.0.0.0/16"])
        .subnet("v", "s", "10.0.0.0/24")
        .peer_with("v", "gone", |half| {
            half.remote_address_space = vec![net("10.7.0.0/16")];
            half.peering_state = Some(PeeringState::Connected);
        })
        .lab();
    let answer = unknown.network.resolve(S, ip("10.7.0.1")).unwrap();
    assert_eq!(*answer.disposition(), Disposition::Delivered(Place::VirtualNetwork("gone".into())));
}
