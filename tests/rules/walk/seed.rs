//! ISO, CSP, ENC: customers apart, the provider's two models, encryption.

use azroute::model::{
    CrossTenantLinks, Knobs, LinkRole, NetworkSecurityGroup, OnPremisesSite, OverlayTunnel, SecurityRule,
    SecurityRuleAccess, SecurityRuleDirection, SiteRole, Topology, TopologyBuilder, TunnelEnd,
};
use azroute::rule::Rule;

use super::support::*;

/// A customer's network 10.0.0.0/16 with `{tenant}-vm`, gateway `{tenant}-gw` and circuit `c{n}`.
fn customer(builder: TopologyBuilder, tenant: &str, n: usize) -> TopologyBuilder {
    let vnet = format!("{tenant}-v");
    let (gateway, circuit_id) = (format!("{tenant}-gw"), format!("c{n}"));
    let mut owned = circuit(&circuit_id);
    owned.tenant = Some(tenant.to_owned());
    let tenant_name = Some(tenant.to_owned());
    builder
        .virtual_network(&vnet, &["10.0.0.0/16"])
        .subnet(&vnet, "s", "10.0.0.0/24")
        .nic(&format!("{tenant}-vm"), &format!("{vnet}/subnets/s"), "10.0.0.4")
        .with(er_gateway(&gateway, &vnet))
        .with(owned)
        .with(er_connection(&gateway, &circuit_id))
        .configure(|d| d.virtual_networks.last_mut().unwrap().tenant = tenant_name)
}

fn dc(tenant: &str, over: &[&str]) -> OnPremisesSite {
    let mut dc = site(&format!("{tenant}-dc"), &["10.50.0.0/16"], over);
    dc.tenant = Some(tenant.to_owned());
    dc
}

/// Connect-through: two customers of one provider, with the same addresses everywhere. The provider's routers end both
/// circuits and advertise what each customer has.
pub(crate) fn two_customers() -> TopologyBuilder {
    let mut net = provider("isp");
    net.routers = vec![router("pe1"), router("pe2")];
    net.advertisements = vec![advertise("c1", &["10.50.0.0/16"]), advertise("c2", &["10.50.0.0/16"])];
    let mut built = Topology::builder().with(net);
    for (tenant, n) in [("contoso", 1), ("fabrikam", 2)] {
        let mut access = link(&format!("access-{tenant}"), &format!("{tenant}-dc"), "isp/routers/pe1");
        access.tenant = Some(tenant.to_owned());
        built = customer(built, tenant, n).with(dc(tenant, &[])).with(access).configure(|d| {
            let circuit = d.express_route_circuits.last_mut().unwrap();
            circuit.primary.edge_router = Some("isp/routers/pe1".into());
            circuit.secondary.edge_router = Some("isp/routers/pe2".into());
        });
    }
    built
}

#[test]
fn iso_1_equal_prefixes_of_two_tenants_never_meet() {
    let network = build(two_customers());
    let alone = build(two_customers().configure(|d| {
        d.virtual_networks.retain(|v| v.tenant.as_deref() == Some("contoso"));
        d.network_interfaces.retain(|n| n.id == "contoso-vm".into());
        d.express_route_circuits.retain(|c| c.tenant.as_deref() == Some("contoso"));
        d.virtual_network_gateways.retain(|g| g.id == "contoso-gw".into());
        d.connections.retain(|c| c.peer == "c1".into());
        d.on_premises_sites.retain(|s| s.id != "fabrikam-dc".into());
        d.on_premises_links.retain(|l| l.id == "access-contoso".into());
        d.on_premises_sites[0].advertisements.truncate(1);
    }));
    for (from, to) in [("contoso-vm", "10.50.0.9"), ("contoso-dc", "10.0.0.4"), ("contoso-dc", "10.77.0.1")] {
        let with = network.resolve(from, ip(to)).unwrap();
        assert_eq!(with, alone.resolve(from, ip(to)).unwrap(), "adding a tenant changes nothing of another");
    }
}

#[test]
fn iso_1_a_providers_route_into_one_tenants_circuit_is_that_tenants() {
    let built = two_customers().configure(|d| {
        d.on_premises_sites[0].routes = vec![given("10.0.0.0/16", by_circuit("c1", Some(LinkRole::Primary)))];
    });
    let network = build(built);
    let to = |from: &str| network.resolve(from, ip("10.0.0.4")).unwrap();
    assert_end(&to("contoso-dc"), "Delivered(network interface contoso-vm)");
    assert_way(&to("contoso-dc"), "contoso-dc > isp/routers/pe1 > c1:primary > contoso-gw > contoso-vm");
    assert_end(&to("fabrikam-dc"), "Delivered(network interface fabrikam-vm)");
}

#[test]
fn iso_1_microsoft_peering_of_another_tenant_does_not_count() {
    let built = |tenant: &str| {
        let mut prefixes = azroute::model::CircuitPeering::new(azroute::model::PeeringType::MicrosoftPeering);
        prefixes.advertised_public_prefixes = nets(&["203.0.113.0/24"]);
        let at = usize::from(tenant == "fabrikam");
        two_customers().configure(move |d| d.express_route_circuits[at].peerings.push(prefixes))
    };
    let own = ask(built("contoso"), "contoso-vm", "203.0.113.9");
    assert_end(&own, "Egress(MicrosoftPeering of c1)");
    let foreign = ask(built("fabrikam"), "contoso-vm", "203.0.113.9");
    assert_end(&foreign, "Egress(Internet, default outbound access)");
}

#[test]
fn iso_2_circuits_link_across_tenants_by_era_or_knob() {
    let built = || {
        let mut foreign = circuit("c1");
        foreign.tenant = Some("contoso".into());
        er(base()).with(foreign).configure(|d| {
            d.virtual_networks[0].tenant = Some("fabrikam".into());
            d.on_premises_sites[0].tenant = Some("contoso".into());
        })
    };
    let knob = |links| {
        let knobs = Knobs { cross_tenant_links: Some(links), ..Knobs::default() };
        ends(&ask(built().knobs(knobs), "vm", "10.50.0.9"))
    };
    let dropped = ["Drop(NoneRoute, 10.0.0.0/8)"];
    assert_eq!(knob(CrossTenantLinks::ByAuthorisation), ["OnPremises(dc)"]);
    assert_eq!(knob(CrossTenantLinks::Deny2016), dropped);
    assert_end(&ask(built(), "vm", "10.50.0.9"), "OnPremises(dc)");
    let then = built().as_of("2016-10-01".parse().unwrap());
    assert_end(&ask(then.clone(), "vm", "10.50.0.9"), dropped[0]);
    assert_end(&ask(then, "dc", "10.0.0.4"), "Drop(NoRoute)");
}

#[test]
fn iso_3_networks_on_one_circuit_share_its_routing_domain() {
    let built = |second: &str| {
        let gateway = |id: &str, vnet: &str| {
            let mut gateway = er_gateway(id, vnet);
            gateway.allow_remote_vnet_traffic = Some(true);
            gateway
        };
        let built = er(base().virtual_network("w", &["10.9.0.0/16"]))
            .with(gateway("ergw", "v"))
            .with(gateway("wgw", "w"));
        let built = if second == "c1" { built } else { built.with(circuit(second)) };
        ends(&ask(built.with(er_connection("wgw", second)), "vm", "10.9.0.4"))
    };
    assert_eq!(built("c1"), ["Delivered(virtual network w)"]);
    assert_eq!(built("c2"), ["Drop(NoneRoute, 10.0.0.0/8)"]);
}

#[test]
fn iso_4_peering_crosses_tenants() {
    let built = spokes(base()).configure(|d| d.virtual_networks[1].tenant = Some("fabrikam".into()));
    assert_end(&ask(built, "vm", "10.1.0.4"), "Delivered(network interface pvm)");
}

#[test]
fn csp_1_connect_through_crosses_the_providers_network_both_ways() {
    let network = build(two_customers());
    let there = network.resolve("contoso-dc", ip("10.0.0.4")).unwrap();
    assert_eq!(
        ways(&there),
        ["contoso-dc > isp/routers/pe1 > c1:primary > contoso-gw > contoso-vm"],
        "the nearest edge"
    );
    let back = network.resolve("contoso-vm", ip("10.50.0.9")).unwrap();
    assert_eq!(
        ways(&back),
        [
            "contoso-vm > contoso-gw > c1:primary > isp/routers/pe1 > contoso-dc",
            "contoso-vm > contoso-gw > c1:secondary > isp/routers/pe2 > isp/routers/pe1 > contoso-dc"
        ]
    );
}

#[test]
fn csp_1_a_longer_prefix_that_the_provider_announces_still_ends_at_the_customer() {
    let built = two_customers()
        .configure(|d| d.on_premises_sites[0].advertisements.push(advertise("c1", &["10.50.7.0/24"])));
    assert_end(&ask(built, "contoso-vm", "10.50.7.9"), "OnPremises(contoso-dc)");
}

#[test]
fn csp_2_each_customer_has_the_circuit_that_is_its_own() {
    let network = build(two_customers());
    for (tenant, own, foreign) in [("contoso", "c1", "c2"), ("fabrikam", "c2", "c1")] {
        let there = network.resolve(format!("{tenant}-dc").as_str(), ip("10.0.0.4")).unwrap();
        let back = network.resolve(format!("{tenant}-vm").as_str(), ip("10.50.0.9")).unwrap();
        for path in there.paths().chain(back.paths()) {
            assert!(path.passes(&own.into()) && !path.passes(&foreign.into()), "{path}");
        }
    }
}

#[test]
fn csp_3_other_subscriptions_use_the_internet_or_their_own_link() {
    let built = two_customers()
        .virtual_network("other", &["10.8.0.0/16"])
        .subnet("other", "s", "10.8.0.0/24")
        .configure(|d| {
            d.virtual_networks[2].tenant = Some("contoso".into());
            let dc = d.on_premises_sites.iter_mut().find(|s| s.id == "contoso-dc".into()).unwrap();
            dc.internet_breakout = true;
        });
    // Not over the provider's circuit, though the owner is the same: by the Internet, to what is public there.
    let private = ask(built.clone(), "contoso-dc", "10.8.0.4");
    assert_end(&private, "Drop(NoRoute)");
    let by_internet = ask(built.clone(), "contoso-dc", "203.0.113.9");
    assert_end(&by_internet, "Egress(Internet, from contoso-dc)");
    assert_end(&ask(built.clone(), "other/subnets/s", "10.50.0.9"), "Drop(NoneRoute, 10.0.0.0/8)");
    let public = ask(built.clone(), "other/subnets/s", "203.0.113.9");
    assert_end(&public, "Egress(Internet, default outbound access)");
    // A link of its own.
    let mut own = circuit("c9");
    own.tenant = Some("contoso".into());
    let linked = built.with(er_gateway("other-gw", "other")).with(own).with(er_connection("other-gw", "c9"));
    let linked = linked.configure(|d| {
        let dc = d.on_premises_sites.iter_mut().find(|s| s.id == "contoso-dc".into()).unwrap();
        dc.advertisements = vec![advertise("c9", &["10.50.0.0/16"])];
    });
    let answer = ask(linked, "contoso-dc", "10.8.0.4");
    assert_eq!(ways(&answer)[0], "contoso-dc > c9:primary > other-gw > other/subnets/s");
}

/// Connect-to: the customer's own datacentre ends its circuit; the provider's datacentre is behind it.
fn connect_to(linked: bool) -> TopologyBuilder {
    let hosted = OnPremisesSite { role: SiteRole::Provider, ..site("hosting", &["10.70.0.0/16"], &[]) };
    let mut dc = dc("contoso", &["c1"]);
    dc.advertisements[0].prefixes.push(net("10.70.0.0/16"));
    let built = customer(Topology::builder(), "contoso", 1).with(dc).with(hosted);
    if linked { built.with(link("wan", "contoso-dc", "hosting")) } else { built }
}

#[test]
fn csp_4_connect_to_passes_the_customers_network_to_the_providers_datacentre() {
    let answer = ask(connect_to(true), "contoso-vm", "10.70.0.9");
    assert_eq!(ways(&answer)[0], "contoso-vm > contoso-gw > c1:primary > contoso-dc > hosting");
    assert_end(&answer, "OnPremises(hosting)");
    assert_end(&ask(connect_to(true), "contoso-dc", "10.70.0.9"), "OnPremises(hosting)");
}

#[test]
fn csp_5_the_customers_edge_needs_both_routes() {
    // Without the link to the provider the packet ends where it was announced.
    assert_end(&ask(connect_to(false), "contoso-vm", "10.70.0.9"), "OnPremises(contoso-dc)");
    assert_end(&ask(connect_to(false), "contoso-dc", "10.70.0.9"), "OnPremises(contoso-dc)");
    // Without private peering no route to the networks.
    let silent = connect_to(true).configure(|d| d.express_route_circuits[0].peerings.clear());
    assert_end(&ask(silent.clone(), "contoso-dc", "10.0.0.4"), "Drop(NoRoute)");
    assert_end(&ask(silent, "contoso-dc", "10.70.0.9"), "OnPremises(hosting)");
    let pair = build(connect_to(true)).resolve_pair("contoso-vm", ip("10.50.0.9")).unwrap();
    assert!(pair.returns());
}

#[test]
fn csp_6_many_networks_of_a_customer_share_one_circuit() {
    let built = connect_to(true)
        .virtual_network("second", &["10.1.0.0/16"])
        .subnet("second", "s", "10.1.0.0/24")
        .with(er_gateway("second-gw", "second"))
        .with(er_connection("second-gw", "c1"))
        .configure(|d| d.virtual_networks[1].tenant = Some("contoso".into()));
    assert_end(&ask(built.clone(), "contoso-dc", "10.1.0.4"), "Delivered(subnet second/subnets/s)");
    assert_end(&ask(built.clone(), "contoso-dc", "10.0.0.4"), "Delivered(network interface contoso-vm)");
    assert_end(&ask(built, "second/subnets/s", "10.50.0.9"), "OnPremises(contoso-dc)");
}

// Encryption.

#[test]
fn enc_1_expressroute_is_clear_by_default() {
    let answer = ask(er(base()), "vm", "10.50.0.9");
    assert!(answer.hops().all(|hop| !hop.encrypted));
    assert!(!answer.path().is_encrypted());
}

/// An IPsec tunnel between `fw` (10.0.0.0/16) and `dc` (10.50.0.0/16).
fn overlay(encrypted: bool) -> TopologyBuilder {
    let end = |node: &str, prefix: &str| TunnelEnd { node: node.into(), prefixes: nets(&[prefix]) };
    let mut dc = site("dc", &["10.50.0.0/16"], &[]);
    dc.advertisements = vec![advertise("c1", &["192.168.0.0/24"])];
    routes(er(base()), "rt", &[("10.50.0.0/16", NVA)], &["v/subnets/s"]).with(dc).with(OverlayTunnel {
        id: "ipsec".into(),
        a: end("fw", "10.0.0.0/16"),
        b: end("dc", "10.50.0.0/16"),
        encrypted,
    })
}

#[test]
fn enc_2_an_overlay_tunnel_joins_its_ends_and_the_underlay_is_another_question() {
    let network = build(overlay(true));
    let there = network.resolve("vm", ip("10.50.0.9")).unwrap();
    assert_way(&there, "vm > fw > dc");
    assert_eq!(there.hops().nth(1).unwrap().via, Some("ipsec".into()));
    assert!(there.path().is_encrypted() && decided(&there, Rule::ENC_2));
    let back = network.resolve("dc", ip("10.0.0.4")).unwrap();
    assert_way(&back, "dc > fw > vm");
    assert!(back.path().is_encrypted());
    let underlay = network.resolve("fw", ip("192.168.0.1")).unwrap();
    assert!(underlay.path().passes(&"c1".into()) && !underlay.path().is_encrypted());
    assert!(!ask(overlay(false), "vm", "10.50.0.9").path().is_encrypted());
}

#[test]
fn enc_2_security_groups_see_the_tunnel_not_what_is_inside() {
    // The group denies every packet in, and lets the appliance send.
    let allow = SecurityRule::new("out", 100, SecurityRuleDirection::Outbound, SecurityRuleAccess::Allow);
    let deny = SecurityRule::new("in", 100, SecurityRuleDirection::Inbound, SecurityRuleAccess::Deny);
    let group = NetworkSecurityGroup { id: "strict".into(), security_rules: vec![allow, deny] };
    let built = overlay(true)
        .with(group)
        .configure_subnet("v/subnets/nva", |s| s.network_security_group = Some("strict".into()));
    let flow = azroute::resolve::Flow::tcp("dc", 50_000, ip("10.0.0.4"), 443);
    let answer = build(built).evaluate(&flow).unwrap();
    assert_end(&answer, "Delivered(network interface vm)");
}

#[test]
fn enc_2_tunnels_that_lead_into_each_other_end_as_a_loop() {
    let end = |node: &str| TunnelEnd { node: node.into(), prefixes: nets(&["10.77.0.0/16"]) };
    let between =
        |id: &str, a: &str, b: &str| OverlayTunnel { id: id.into(), a: end(a), b: end(b), encrypted: true };
    let built = routes(base(), "rt", &[("10.77.0.0/16", NVA)], &["v/subnets/s"])
        .appliance("fw2", "v/subnets/nva", "10.0.100.5")
        .with(between("t", "fw", "fw2"));
    assert_end(&ask(built, "vm", "10.77.0.1"), "Loop(appliance fw -> appliance fw2)");
    let sites = base()
        .with(site("a", &["10.60.0.0/16"], &[]))
        .with(site("b", &["10.61.0.0/16"], &[]))
        .with(between("t", "a", "b"));
    assert_end(&ask(sites, "a", "10.77.0.1"), "Loop(on-premises a -> on-premises b)");
}

#[test]
fn enc_3_over_private_peering_encryption_holds_only_where_the_tunnels_route_wins() {
    let built = |vpn_prefix: &str| {
        let mut connection =
            azroute::model::Connection::new("ipsec", azroute::model::ConnectionType::IPsec, "vpngw", "lng");
        connection.enable_bgp = true;
        connection.use_local_azure_ip_address = true;
        let local = azroute::model::LocalNetworkGateway {
            id: "lng".into(),
            site: Some("dc".into()),
            ..Default::default()
        };
        let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
        dc.advertisements.push(advertise("ipsec", &[vpn_prefix]));
        er(base()).with(vpn_gateway("vpngw", "v")).with(local).with(connection).with(dc)
    };
    let longer = ask(built("10.50.1.0/24"), "vm", "10.50.1.9");
    assert_way(&longer, "vm > vpngw > dc");
    assert!(longer.path().is_encrypted());
    let same = ask(built("10.50.0.0/16"), "vm", "10.50.1.9");
    assert!(same.path().passes(&"ergw".into()) && !same.path().is_encrypted(), "{same}");
}

#[test]
fn enc_4_every_step_outside_must_be_encrypted() {
    let vpn = |encrypted| {
        let mut wan = link("wan", "s2s-site", "dc2");
        wan.encrypted = encrypted;
        let built = branch(base().with(vpn_gateway("vpngw", "v")), "s2s", "10.60.0.0/16");
        let built = built.with(site("dc2", &["10.61.0.0/16"], &[])).with(wan);
        built.configure(|d| d.on_premises_sites[0].advertisements[0].prefixes.push(net("10.61.0.0/16")))
    };
    assert!(ask(vpn(false), "vm", "10.60.0.9").path().is_encrypted());
    assert!(!ask(vpn(false), "vm", "10.61.0.9").path().is_encrypted(), "a clear link behind the tunnel");
    assert!(ask(vpn(true), "vm", "10.61.0.9").path().is_encrypted());
    assert!(ask(vpn(true), "dc2", "10.0.0.4").path().is_encrypted());
    assert!(!ask(base(), "vm", "8.8.8.8").path().is_encrypted(), "the Internet is clear");
    // Equal-cost links of which one is clear: not encrypted, by neither name.
    let mut safe = link("wan2", "s2s-site", "dc2");
    safe.encrypted = true;
    let mixed = ask(vpn(false).with(safe), "dc2", "10.0.0.4");
    assert!(!mixed.path().is_encrypted(), "{mixed}");
}

#[test]
fn enc_5_macsec_covers_the_customers_edge_to_the_edge_router() {
    let built = || er(base()).configure(|d| d.express_route_circuits[0].macsec = true);
    let answer = ask(built(), "vm", "10.50.0.9");
    for hop in answer.hops() {
        let msee = matches!(hop.place, azroute::resolve::Place::Msee { .. });
        assert_eq!(hop.encrypted, msee, "{answer}");
    }
    assert!(answer.path().is_encrypted());
    assert!(ask(built(), "dc", "10.0.0.4").path().is_encrypted());
    // It covers that hop only: a clear link behind it shows.
    let behind = built()
        .with(site("dc2", &["10.51.0.0/16"], &[]))
        .with(link("wan", "dc", "dc2"))
        .configure(|d| d.on_premises_sites[0].advertisements[0].prefixes.push(net("10.51.0.0/16")));
    assert!(!ask(behind, "vm", "10.51.0.9").path().is_encrypted());
}

#[test]
fn enc_6_the_underlay_to_the_gateways_public_address_may_be_microsoft_peering() {
    let built = er(base())
        .with(azroute::model::RouteFilter { id: "f".into(), communities: vec!["12076:51002".into()] })
        .with(azroute::model::BgpServiceCommunity {
            community: "12076:51002".into(),
            prefixes: nets(&["198.51.100.0/24"]),
            ..azroute::model::BgpServiceCommunity::default()
        })
        .configure(|d| {
            let mut peering =
                azroute::model::CircuitPeering::new(azroute::model::PeeringType::MicrosoftPeering);
            peering.route_filter = Some("f".into());
            d.express_route_circuits[0].peerings.push(peering);
        });
    // 198.51.100.20 is the gateway's public address.
    assert_end(&ask(built, "dc", "198.51.100.20"), "Egress(MicrosoftPeering of c1)");
}
