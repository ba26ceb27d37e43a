//! What carries a tunnel, and where a path is clear.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use azroute::Network;
use azroute::model::{
    BgpServiceCommunity, CircuitPeering, Connection, ConnectionType, LocalNetworkGateway, OverlayTunnel,
    PeeringType, PublicIpAddress, RouteFilter, TopologyBuilder, TunnelEnd,
};
use azroute::resolve::{Carrier, Leg, Place, ResolveError};
use azroute::rule::Rule;

use crate::walk::support::*;

/// `dc` behind `c1` and, by the connection `ipsec`, behind `vpngw` with 10.50.1.0/24.
fn tunnelled(change: impl FnOnce(&mut Connection)) -> TopologyBuilder {
    let mut connection = Connection::new("ipsec", ConnectionType::IPsec, "vpngw", "lng");
    connection.enable_bgp = true;
    change(&mut connection);
    let local =
        LocalNetworkGateway { id: "lng".into(), site: Some("dc".into()), ..LocalNetworkGateway::default() };
    let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
    dc.advertisements.push(advertise("ipsec", &["10.50.1.0/24"]));
    let mut gateway = vpn_gateway("vpngw", "v");
    gateway.public_ip_addresses = vec!["gw-ip".into()];
    gateway.bgp_peering_addresses = vec![ip("10.0.255.5")];
    er(base())
        .with(gateway)
        .with(PublicIpAddress { id: "gw-ip".into(), ip_address: Some(ip("198.51.100.20")) })
        .with(local)
        .with(connection)
        .with(dc)
}

/// Microsoft peering on `c1` that carries 198.51.100.0/24, and a pool for it.
fn microsoft(builder: TopologyBuilder) -> TopologyBuilder {
    builder
        .with(RouteFilter { id: "f".into(), communities: vec!["12076:51002".into()] })
        .with(BgpServiceCommunity {
            community: "12076:51002".into(),
            prefixes: nets(&["198.51.100.0/24"]),
            ..BgpServiceCommunity::default()
        })
        .configure(|d| {
            let mut peering = CircuitPeering::new(PeeringType::MicrosoftPeering);
            peering.route_filter = Some("f".into());
            d.express_route_circuits[0].peerings.push(peering);
            let dc = d.on_premises_sites.iter_mut().find(|site| site.id.as_str() == "dc").unwrap();
            dc.nat_pool = Some(net("203.0.113.0/28"));
        })
}

fn carrier(network: &Network) -> Option<Carrier> {
    network.underlay(&"ipsec".into()).unwrap().map(|underlay| underlay.carrier().clone())
}

/// What the hop that enters the tunnel says, on the way there and on the way back.
fn named(network: &Network) -> Vec<Option<Carrier>> {
    let there = network.resolve("vm", ip("10.50.1.9")).unwrap();
    assert_way(&there, "vm > vpngw > dc");
    let mut named = vec![there.path().hops()[1].underlay.clone()];
    // The site sends by ExpressRoute where both are up (COEX-5): only the way there is tunnelled.
    named.extend(network.resolve("dc", ip("10.0.0.4")).unwrap().path().hops()[0].underlay.clone().map(Some));
    named
}

#[test]
fn enc_3_a_tunnel_on_private_addresses_runs_over_private_peering() {
    let network = build(tunnelled(|connection| connection.use_local_azure_ip_address = true));
    let expected = Carrier::PrivatePeering("c1".into());
    assert_eq!(carrier(&network), Some(expected.clone()));
    assert_eq!(named(&network), [Some(expected)]);
    let underlay = network.underlay(&"ipsec".into()).unwrap().unwrap();
    assert_eq!(ways(underlay.answer())[0], "dc > c1:primary > ergw > vpngw");
    assert_eq!(underlay.answer().header().destination, ip("10.0.255.5"));
    // The outer packets are clear, what is inside is not.
    assert!(!underlay.answer().path().is_encrypted());
    assert!(network.resolve("vm", ip("10.50.1.9")).unwrap().path().is_encrypted());
    // Without an address of its own the gateway is where GatewaySubnet is.
    let unnamed = tunnelled(|connection| connection.use_local_azure_ip_address = true).configure(|d| {
        for gateway in &mut d.virtual_network_gateways {
            gateway.bgp_peering_addresses.clear();
        }
    });
    assert_eq!(carrier(&build(unnamed)), Some(Carrier::PrivatePeering("c1".into())));
}

#[test]
fn enc_3_without_the_circuit_nothing_carries_a_tunnel_on_private_addresses() {
    let network = build(
        tunnelled(|connection| connection.use_local_azure_ip_address = true)
            .configure(|d| d.connections.retain(|connection| connection.id.as_str() == "ipsec")),
    );
    assert_eq!(carrier(&network), None, "the only way to the gateway is the tunnel itself");
}

#[test]
fn enc_6_a_tunnel_to_the_public_address_runs_over_microsoft_peering() {
    let network = build(microsoft(tunnelled(|_| {})));
    let expected = Carrier::MicrosoftPeering("c1".into());
    assert_eq!(carrier(&network), Some(expected.clone()));
    assert_eq!(named(&network), [Some(expected)]);
    let underlay = network.underlay(&"ipsec".into()).unwrap().unwrap();
    assert_eq!(ways(underlay.answer())[0], "dc > c1:primary > vpngw");
}

#[test]
fn enc_6_else_over_the_internet_where_the_site_has_an_exit() {
    let internet = tunnelled(|_| {}).configure(|d| {
        let dc = d.on_premises_sites.iter_mut().find(|site| site.id.as_str() == "dc").unwrap();
        dc.internet_breakout = true;
    });
    let network = build(internet);
    assert_eq!(named(&network), [Some(Carrier::Internet)]);
    let text = network.resolve("vm", ip("10.50.1.9")).unwrap().to_string();
    assert!(text.contains("encrypted  over the Internet"), "{text}");
    // Nothing leads to the public address: it cannot be told.
    assert_eq!(named(&build(tunnelled(|_| {}))), [None]);
}

#[test]
fn enc_2_an_overlays_underlay_is_its_outer_path() {
    let end = |node: &str, prefix: &str| TunnelEnd { node: node.into(), prefixes: nets(&[prefix]) };
    let mut dc = site("dc", &["10.50.0.0/16"], &[]);
    dc.advertisements = vec![advertise("c1", &["192.168.0.0/24"])];
    let built =
        routes(er(base()), "rt", &[("10.50.0.0/16", NVA)], &["v/subnets/s"]).with(dc).with(OverlayTunnel {
            id: "overlay".into(),
            a: end("fw", "10.0.0.0/16"),
            b: end("dc", "10.50.0.0/16"),
            encrypted: true,
        });
    let network = build(built);
    let underlay = network.underlay(&"overlay".into()).unwrap().unwrap();
    assert_eq!(underlay.carrier(), &Carrier::PrivatePeering("c1".into()));
    assert_eq!(ways(underlay.answer())[0], "fw > ergw > c1:primary > dc");
    let there = network.resolve("vm", ip("10.50.0.9")).unwrap();
    assert_eq!(there.path().hops()[1].underlay, Some(Carrier::PrivatePeering("c1".into())));
    let back = network.resolve("dc", ip("10.0.0.4")).unwrap();
    assert_eq!(back.path().hops()[0].underlay, Some(Carrier::PrivatePeering("c1".into())));
    let unknown = network.underlay(&"vm".into());
    assert!(matches!(unknown, Err(ResolveError::NotATunnel { .. })));
}

/// ENC-6: an appliance in another network of Azure as the far end of a VPN connection.
#[test]
fn enc_6_between_an_appliance_and_a_gateway_of_azure() {
    let built = |tagged: bool| {
        let local = LocalNetworkGateway {
            id: "lng".into(),
            gateway_ip_address: Some(ip("198.51.103.4")),
            address_prefixes: nets(&["10.9.0.0/16"]),
            site: Some("csr".into()),
            ..LocalNetworkGateway::default()
        };
        let mut gateway = vpn_gateway("vpngw", "v");
        gateway.public_ip_addresses = vec!["gw-ip".into()];
        let public =
            |id: &str, address: &str| PublicIpAddress { id: id.into(), ip_address: Some(ip(address)) };
        let mut builder = base()
            .virtual_network("w", &["10.9.0.0/16"])
            .subnet("w", "nva", "10.9.100.0/24")
            .appliance("far", "w/subnets/nva", "10.9.100.4")
            .with(azroute::model::NetworkVirtualAppliance::new("csr", ["far".into()]))
            .with(gateway)
            .with(public("gw-ip", "198.51.100.20"))
            .with(public("far-ip", "198.51.103.4"))
            .with(local)
            .with(Connection::new("ipsec", ConnectionType::IPsec, "vpngw", "lng"))
            .configure(|d| {
                let far = d.network_interfaces.iter_mut().find(|nic| nic.id.as_str() == "far").unwrap();
                far.ip_configurations[0].public_ip_address = Some("far-ip".into());
            });
        if tagged {
            let prefixes = nets(&["198.51.100.0/24"]);
            let cloud = azroute::model::ServiceTag { name: "AzureCloud".into(), address_prefixes: prefixes };
            builder = builder.with(cloud);
        }
        build(builder)
    };
    assert_eq!(carrier(&built(false)), Some(Carrier::Internet));
    assert_eq!(carrier(&built(true)), Some(Carrier::Azure), "between public addresses of Azure (SYS-8)");
}

#[test]
fn enc_4_the_first_clear_hop_is_named() {
    let place = |builder: TopologyBuilder, source: &str, destination: &str| {
        let answer = ask(builder, source, destination);
        let path = answer.path();
        assert_eq!(path.is_encrypted(), path.first_clear_hop().is_none());
        path.first_clear_hop().map(|hop| hop.place.clone())
    };
    let msee = Place::Msee {
        circuit: "c1".into(),
        link: azroute::model::LinkRole::Primary,
        peering: PeeringType::AzurePrivatePeering,
    };
    assert_eq!(place(er(base()), "vm", "10.50.0.9"), Some(msee));
    assert_eq!(place(er(base()), "dc", "10.0.0.4"), Some(Place::OnPremises("dc".into())));
    let macsec = er(base()).configure(|d| d.express_route_circuits[0].macsec = true);
    assert_eq!(place(macsec.clone(), "vm", "10.50.0.9"), None);
    assert_eq!(place(base(), "vm", "8.8.8.8"), Some(Place::NetworkInterface("vm".into())));
    // Over a clear link behind the encrypted one.
    let behind = macsec
        .with(site("dc2", &["10.51.0.0/16"], &[]))
        .with(link("wan", "dc", "dc2"))
        .configure(|d| d.on_premises_sites[0].advertisements[0].prefixes.push(net("10.51.0.0/16")));
    assert_eq!(place(behind, "vm", "10.51.0.9"), Some(Place::OnPremises("dc".into())));
}

/// ENC-1, ENC-4: towards a customer's public prefix Microsoft peering is clear, with MACsec it is not.
#[test]
fn enc_4_microsoft_peering_towards_a_customer_is_clear() {
    let built = |macsec: bool| {
        let mut dc = site("dc", &["10.50.0.0/16"], &["c1"]);
        dc.advertisements.push(advertise_on("c1", &["203.0.113.0/24"], PeeringType::MicrosoftPeering));
        build(er(base()).with(dc).configure(move |d| {
            d.express_route_circuits[0].macsec = macsec;
            d.express_route_circuits[0].peerings.push(CircuitPeering::new(PeeringType::MicrosoftPeering));
        }))
    };
    for leg in [Leg::Initiate, Leg::Reply] {
        for macsec in [false, true] {
            let answer = built(macsec).resolve_leg("vm", ip("203.0.113.9"), leg).unwrap().into_answer();
            assert_eq!(answer.path().is_encrypted(), macsec, "{leg}: {answer}");
        }
    }
    assert!(decided(&built(false).resolve("vm", ip("203.0.113.9")).unwrap(), Rule::MSP_13));
}
