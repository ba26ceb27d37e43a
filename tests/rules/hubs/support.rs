//! Small virtual WANs.

use std::net::IpAddr;

use azroute::Network;
use azroute::model::bgp::{AsPath, BgpSession, BgpSpeaker, Origination, PathAttributes};
use azroute::model::{
    Advertisement, Asn, AzureFirewall, CircuitPeering, Connection, ConnectionType, Document,
    ExpressRouteCircuit, GatewayType, HubBgpConnection, HubRoutingPreference, HubVirtualNetworkConnection,
    LocalNetworkGateway, NetworkInterface, NetworkVirtualAppliance, OnPremisesSite, PeeringType,
    RoutingIntent, Subnet, Topology, VirtualHub, VirtualNetwork, VirtualNetworkGateway,
};
use ipnet::IpNet;

pub(super) const DEFAULT: &str = VirtualHub::DEFAULT_ROUTE_TABLE;

pub(super) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Prefixes with the AS path behind them.
pub(super) type Told<'a> = (&'a [&'a str], &'a [u32]);

/// A virtual WAN while it is written.
#[derive(Clone, Default)]
pub(super) struct Wan {
    pub(super) document: Document,
}

impl Wan {
    pub(super) fn new() -> Self {
        Self { document: Document::new() }
    }

    /// Hub `h{n}` with the prefix 10.20{n}.0.0/23.
    pub(super) fn hub(mut self, n: u8, preference: HubRoutingPreference) -> Self {
        self.document.virtual_hubs.push(VirtualHub {
            address_prefix: Some(net(&format!("10.20{n}.0.0/23"))),
            virtual_wan: Some("wan".into()),
            hub_routing_preference: preference,
            route_next_hop_addresses: vec![ip(&format!("198.51.100.{n}"))],
            ..VirtualHub::new(format!("h{n}"))
        });
        self
    }

    pub(super) fn change(mut self, hub: u8, change: impl FnOnce(&mut VirtualHub)) -> Self {
        let hub = format!("h{hub}");
        change(self.document.virtual_hubs.iter_mut().find(|h| h.id.as_str() == hub).unwrap());
        self
    }

    /// Network `v{n}` 10.{n}.0.0/16 with the host `vm{n}` 10.{n}.0.4 and the appliance `nva{n}` 10.{n}.9.4, connected
    /// to a hub as `v{n}`.
    pub(super) fn spoke(mut self, hub: u8, n: u8) -> Self {
        let id = format!("v{n}");
        let mut network = VirtualNetwork::new(&*id, [net(&format!("10.{n}.0.0/16"))]);
        network.subnets.push(Subnet::new("s", net(&format!("10.{n}.0.0/24"))));
        network.subnets.push(Subnet::new("nva", net(&format!("10.{n}.9.0/24"))));
        self.document.virtual_networks.push(network);
        for (name, subnet, address) in [("vm", "s", "0.4"), ("fw", "nva", "9.4")] {
            let address = ip(&format!("10.{n}.{address}"));
            let mut nic =
                NetworkInterface::new(format!("{name}{n}"), &*format!("{id}/subnets/{subnet}"), address);
            nic.enable_ip_forwarding = name == "fw";
            self.document.network_interfaces.push(nic);
        }
        let nva = NetworkVirtualAppliance::new(format!("nva{n}"), [format!("fw{n}").into()]);
        self.document.network_virtual_appliances.push(nva);
        let connection = HubVirtualNetworkConnection::new(&*id, &*id);
        self.change(hub, |hub| hub.virtual_network_connections.push(connection))
    }

    /// Changes the connection of a spoke.
    pub(super) fn connection(
        self,
        hub: u8,
        n: u8,
        change: impl FnOnce(&mut HubVirtualNetworkConnection),
    ) -> Self {
        self.change(hub, |hub| {
            let name = format!("v{n}");
            change(hub.virtual_network_connections.iter_mut().find(|c| c.name == name).unwrap());
        })
    }

    fn gateway(&mut self, hub: u8, kind: &str, gateway_type: GatewayType) -> String {
        let id = format!("h{hub}-{kind}");
        let gateways = &mut self.document.virtual_network_gateways;
        if gateways.iter().all(|g| g.id.as_str() != id) {
            let mut gateway = VirtualNetworkGateway::new(&*id, &*format!("h{hub}"), gateway_type);
            gateway.enable_bgp = true;
            gateways.push(gateway);
        }
        id
    }

    /// Links a circuit to a hub by the connection `h{hub}-{circuit}`; the circuit comes into being with a site behind it.
    pub(super) fn circuit(mut self, hub: u8, circuit: &str, told: &[Told<'_>]) -> Self {
        let gateway = self.gateway(hub, "er", GatewayType::ExpressRoute);
        if self.document.express_route_circuits.iter().all(|c| c.id.as_str() != circuit) {
            let mut made = ExpressRouteCircuit::new(circuit);
            made.peerings.push(CircuitPeering::new(PeeringType::AzurePrivatePeering));
            made.peering_location = Some(format!("location of {circuit}"));
            self.document.express_route_circuits.push(made);
            self.site(&format!("{circuit}-site"), circuit, told);
        }
        let id = format!("h{hub}-{circuit}");
        let connection = Connection::new(id, ConnectionType::ExpressRoute, &*gateway, circuit);
        self.document.connections.push(connection);
        self
    }

    /// A VPN site that speaks BGP with a hub over the connection `h{hub}-{site}`.
    pub(super) fn vpn(mut self, hub: u8, site: &str, told: &[Told<'_>]) -> Self {
        let gateway = self.gateway(hub, "vpn", GatewayType::Vpn);
        self.document
            .local_network_gateways
            .push(LocalNetworkGateway { id: site.into(), ..LocalNetworkGateway::default() });
        let id = format!("h{hub}-{site}");
        let mut connection = Connection::new(&*id, ConnectionType::IPsec, &*gateway, site);
        connection.enable_bgp = true;
        self.document.connections.push(connection);
        self.site(&format!("{site}-site"), &id, told);
        self
    }

    fn site(&mut self, site: &str, over: &str, told: &[Told<'_>]) {
        let advertisement = |(prefixes, path): &Told<'_>| Advertisement {
            over: over.into(),
            peering: PeeringType::AzurePrivatePeering,
            link: None,
            prefixes: prefixes.iter().map(|p| net(p)).collect(),
            as_path: path.iter().copied().map(Asn).collect(),
        };
        self.document.on_premises_sites.push(OnPremisesSite {
            id: site.into(),
            prefixes: told.iter().flat_map(|(prefixes, _)| prefixes.iter().map(|p| net(p))).collect(),
            advertisements: told.iter().map(advertisement).collect(),
            ..OnPremisesSite::default()
        });
    }

    /// The appliance of a spoke peers with its hub, with the number 65010 + n; paths come behind that number.
    pub(super) fn peer(mut self, hub: u8, n: u8, told: &[Told<'_>]) -> Self {
        let asn = Asn(65010 + u32::from(n));
        let peer = HubBgpConnection {
            name: format!("nva{n}"),
            peer_ip: ip(&format!("10.{n}.9.4")),
            peer_asn: asn,
            hub_virtual_network_connection: None,
        };
        let origination = |(prefixes, path): &Told<'_>| Origination {
            prefixes: prefixes.iter().map(|p| net(p)).collect(),
            attributes: PathAttributes {
                as_path: AsPath::sequence(path.iter().copied().map(Asn)),
                ..PathAttributes::default()
            },
            policies: Vec::new(),
        };
        let id = format!("speaker{n}");
        self.document.bgp_speakers.push(BgpSpeaker {
            id: (&*id).into(),
            asn,
            router: Some(format!("nva{n}").into()),
            originate: told.iter().map(origination).collect(),
            ..BgpSpeaker::default()
        });
        let end = format!("h{hub}/bgpConnections/nva{n}");
        self.document.bgp_sessions.push(BgpSession::new(format!("peer{n}"), &*id, &*end));
        self.change(hub, |hub| hub.bgp_connections.push(peer))
    }

    /// A firewall `fw-h{hub}` in a hub with routing intent for private traffic, the Internet, or both.
    pub(super) fn intent(mut self, hub: u8, private: bool, internet: bool) -> Self {
        let id = format!("fw-h{hub}");
        self.document.azure_firewalls.push(AzureFirewall {
            id: (&*id).into(),
            virtual_hub: Some(format!("h{hub}").into()),
            private_ip_address: Some(ip(&format!("10.20{hub}.0.132"))),
            ..AzureFirewall::default()
        });
        let to = |on: bool| on.then(|| (&*id).into());
        let intent = RoutingIntent {
            private_traffic: to(private),
            internet: to(internet),
            ..RoutingIntent::default()
        };
        self.change(hub, |hub| hub.routing_intent = Some(intent))
    }

    pub(super) fn build(self) -> Network {
        Network::build(&Topology::new(self.document).unwrap()).unwrap()
    }
}

/// Routes of a hub's table, one text each.
pub(super) fn table(network: &Network, hub: u8, table: &str) -> Vec<String> {
    let routes = network.hub_effective_routes(&format!("h{hub}").into(), table).unwrap();
    let text = |route: &azroute::model::tables::VirtualHubEffectiveRoute| {
        let prefixes: Vec<String> = route.address_prefixes.iter().map(ToString::to_string).collect();
        let path: Vec<String> = route.as_path.asns().map(|asn| asn.0.to_string()).collect();
        let words = [prefixes.join(","), route.next_hop_type.clone().unwrap(), path.join("-")];
        words.join(" ").trim_end().to_owned()
    };
    routes.iter().map(text).collect()
}

/// The routes of a hub's default table for one prefix.
pub(super) fn row(network: &Network, hub: u8, prefix: &str) -> Vec<String> {
    let wanted = format!("{prefix} ");
    let rows = table(network, hub, DEFAULT).into_iter();
    rows.filter_map(|row| row.strip_prefix(&wanted).map(str::to_owned)).collect()
}

/// Where a packet from a host goes: the places of every way, and how it ends.
pub(super) fn ways(network: &Network, from: &str, to: &str) -> Vec<String> {
    let answer = network.resolve(from, ip(to)).unwrap();
    let place = |id: Option<&azroute::model::ResourceId>, text: String| id.map_or(text, ToString::to_string);
    answer
        .paths()
        .map(|path| {
            let mut hops: Vec<String> =
                path.hops().iter().map(|hop| place(hop.place.id(), hop.place.to_string())).collect();
            let end = path.disposition().to_string().replace("network interface ", "");
            hops.push(format!("=> {end}"));
            hops.join(" > ")
        })
        .collect()
}

/// The prefixes of a subnet's gateway rows with their next hops.
pub(super) fn gateway_rows(network: &Network, subnet: &str) -> Vec<String> {
    let effective = network.effective_routes(&subnet.into()).unwrap();
    let rows = effective.rows().into_iter();
    let of_gateway = rows.filter(|row| row.source == azroute::model::RouteSource::VirtualNetworkGateway);
    of_gateway
        .map(|row| {
            let hops: Vec<String> = row.next_hop_ip_addresses.iter().map(ToString::to_string).collect();
            format!("{} {}", row.prefix, hops.join(" ")).trim().to_owned()
        })
        .collect()
}
