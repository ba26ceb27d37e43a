//! The network that most tests start from, and answers as short texts.

use std::net::IpAddr;

use azroute::Network;
use azroute::model::{
    Advertisement, Asn, CircuitPeering, Connection, ConnectionType, EffectiveRouteRow, ExpressRouteCircuit,
    GatewayType, Knobs, LearnedRoute, LocalNetworkGateway, OnPremisesNextHop, OnPremisesRoute,
    OnPremisesSite, PeeringType, PrivateEndpoint, PublicIpAddress, ServiceTag, Topology, TopologyBuilder,
    VirtualNetworkGateway,
};
use azroute::resolve::{Answer, Disposition, DropReason, Source};
use azroute::selection::CandidateState;
use ipnet::IpNet;

/// The subnet that is asked unless a test says otherwise.
pub(crate) const S: &str = "v/subnets/s";
/// The appliance's address.
pub(crate) const NVA: &str = "10.0.100.4";

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Virtual network `v` 10.0.0.0/16 with subnets `s`, `nva` (appliance `fw` at 10.0.100.4) and `GatewaySubnet`.
pub(crate) fn base() -> TopologyBuilder {
    space(&["10.0.0.0/16"])
}

/// As [`base`], with another address space.
pub(crate) fn space(prefixes: &[&str]) -> TopologyBuilder {
    Topology::builder()
        .virtual_network("v", prefixes)
        .subnet("v", "s", "10.0.0.0/24")
        .subnet("v", "nva", "10.0.100.0/24")
        .subnet("v", "GatewaySubnet", "10.0.255.0/27")
        .appliance("fw", "v/subnets/nva", NVA)
}

/// A virtual network `p` 10.1.0.0/16 with subnet `a` 10.1.1.0/24, peered with `v`.
pub(crate) fn peered() -> TopologyBuilder {
    base().virtual_network("p", &["10.1.0.0/16"]).subnet("p", "a", "10.1.1.0/24").peer("v", "p")
}

/// A spoke `p` of hub `v` with gateway transit.
pub(crate) fn transit() -> TopologyBuilder {
    base()
        .virtual_network("p", &["10.1.0.0/16"])
        .subnet("p", "a", "10.1.1.0/24")
        .peer_with_gateway_transit("v", "p")
}

/// What the tests add step by step.
pub(crate) trait Steps {
    /// Routes of table `rt`, bound to `s`; `NVA` is the appliance.
    fn udr(self, routes: &[(&str, &str)]) -> Self;
    /// ExpressRoute gateway `er` of `v`, declared to have learned these prefixes.
    fn er(self, prefixes: &[&str]) -> Self;
    /// VPN gateway `vpn` of `v`, declared to have learned these prefixes.
    fn vpn(self, prefixes: &[&str]) -> Self;
    /// Circuit `id`, connected to `er` with this weight.
    fn circuit(self, id: &str, weight: u16) -> Self;
    /// Site `id` that has and advertises a prefix over a circuit or connection.
    fn site(self, id: &str, prefix: &str, over: &str) -> Self;
    /// A route that the operator of `site` gave its routers, into a VPN connection or a circuit.
    fn sends(self, site: &str, prefix: &str, into: OnPremisesNextHop) -> Self;
    /// Local network gateway and connection `id` from `vpn`, with static prefixes.
    fn branch(self, id: &str, prefixes: &[&str], bgp: bool) -> Self;
    /// A service tag.
    fn tag(self, name: &str, prefixes: &[&str]) -> Self;
    /// A private endpoint `pe`.
    fn endpoint(self, subnet: &str, address: &str) -> Self;
    /// Changes the knobs.
    fn knob(self, change: impl FnOnce(&mut Knobs)) -> Self;
    /// Computes it.
    fn lab(self) -> Lab;
}

impl Steps for TopologyBuilder {
    fn udr(self, routes: &[(&str, &str)]) -> Self {
        let mut builder = self;
        for (prefix, hop) in routes {
            let name = prefix.replace(['/', '.', ':'], "-");
            builder = match *hop {
                "NVA" => builder.route("rt", &name, prefix, "VirtualAppliance", &[NVA]),
                hop => builder.route("rt", &name, prefix, hop, &[]),
            };
        }
        builder.bind(S, "rt")
    }

    fn er(self, prefixes: &[&str]) -> Self {
        self.with(gateway("er", GatewayType::ExpressRoute, prefixes))
    }

    fn vpn(self, prefixes: &[&str]) -> Self {
        self.with(gateway("vpn", GatewayType::Vpn, prefixes))
    }

    fn circuit(self, id: &str, weight: u16) -> Self {
        let mut circuit = ExpressRouteCircuit::new(id);
        circuit.peerings.push(CircuitPeering::new(PeeringType::AzurePrivatePeering));
        let mut connection = Connection::new(format!("{id}-conn"), ConnectionType::ExpressRoute, "er", id);
        connection.routing_weight = weight;
        self.with(circuit).with(connection)
    }

    fn site(self, id: &str, prefix: &str, over: &str) -> Self {
        let mut site = OnPremisesSite::new(id, [net(prefix)]);
        site.advertisements.push(Advertisement::new(over, [net(prefix)], [Asn(65001)]));
        self.with(site)
    }

    fn sends(self, site: &str, prefix: &str, into: OnPremisesNextHop) -> Self {
        self.configure(|d| {
            let site = d.on_premises_sites.iter_mut().find(|s| s.id == site.into()).unwrap();
            site.routes.push(OnPremisesRoute {
                prefix: net(prefix),
                next_hop: into,
                local_preference: 200,
                tenant: None,
            });
        })
    }

    fn branch(self, id: &str, prefixes: &[&str], bgp: bool) -> Self {
        let mut connection =
            Connection::new(id, ConnectionType::IPsec, "vpn", format!("{id}-device").as_str());
        connection.enable_bgp = bgp;
        self.with(connection).with(LocalNetworkGateway {
            id: format!("{id}-device").into(),
            address_prefixes: prefixes.iter().map(|p| net(p)).collect(),
            ..LocalNetworkGateway::default()
        })
    }

    fn tag(self, name: &str, prefixes: &[&str]) -> Self {
        let address_prefixes = prefixes.iter().map(|p| net(p)).collect();
        self.with(ServiceTag { name: name.into(), address_prefixes })
    }

    fn endpoint(self, subnet: &str, address: &str) -> Self {
        self.with(PrivateEndpoint {
            id: "pe".into(),
            subnet: subnet.into(),
            private_ip_addresses: vec![ip(address)],
            ..PrivateEndpoint::default()
        })
    }

    fn knob(self, change: impl FnOnce(&mut Knobs)) -> Self {
        self.configure(|d| change(&mut d.knobs))
    }

    fn lab(self) -> Lab {
        Lab { network: Network::build(&self.build().unwrap()).unwrap() }
    }
}

pub(crate) fn gateway(id: &str, kind: GatewayType, prefixes: &[&str]) -> VirtualNetworkGateway {
    let mut gateway = VirtualNetworkGateway::new(id, "v", kind);
    gateway.learned_routes = prefixes.iter().map(|p| LearnedRoute::new(net(p), [Asn(65001)])).collect();
    gateway
}

pub(crate) fn public_ip(id: &str, address: &str) -> PublicIpAddress {
    PublicIpAddress { id: id.into(), ip_address: Some(ip(address)) }
}

/// A network, asked in short words.
pub(crate) struct Lab {
    pub(crate) network: Network,
}

impl Lab {
    /// The candidates of exactly this prefix: `state source next-hop-type rule`, Active first, the absent ones last.
    pub(crate) fn at(&self, subnet: &str, prefix: &str) -> Vec<String> {
        let prefix = net(prefix);
        let routes = self.network.effective_routes(&subnet.into()).unwrap();
        let here = routes.candidates().iter().filter(|c| c.prefix == prefix);
        here.map(|c| format!("{} {} {} {}", c.state, c.source, c.next_hop_type, c.decided_by.rule)).collect()
    }

    /// As [`at`](Self::at), of `s`.
    pub(crate) fn s(&self, prefix: &str) -> Vec<String> {
        self.at(S, prefix)
    }

    /// The rows Azure would list for a subnet.
    pub(crate) fn rows(&self, subnet: &str) -> Vec<EffectiveRouteRow> {
        self.network.effective_routes(&subnet.into()).unwrap().rows()
    }

    /// The row of a prefix that is Active.
    pub(crate) fn active(&self, subnet: &str, prefix: &str) -> EffectiveRouteRow {
        let routes = self.network.effective_routes(&subnet.into()).unwrap();
        let mut here = routes
            .candidates()
            .iter()
            .filter(|c| c.prefix == net(prefix) && c.state == CandidateState::Active);
        let row = here.next().unwrap().row().unwrap();
        assert!(here.next().is_none());
        row
    }

    pub(crate) fn answer(&self, source: impl Into<Source>, destination: &str) -> Answer {
        self.network.resolve(source, ip(destination)).unwrap().into_answer()
    }

    /// The first hop's route: `next-hop-type prefix`.
    pub(crate) fn hop_from(&self, source: &str, destination: &str) -> String {
        let answer = self.answer(source, destination);
        let route = answer.next_hop().route().unwrap();
        format!("{} {}", route.next_hop_type, route.prefix)
    }

    /// As [`hop_from`](Self::hop_from), from `s`.
    pub(crate) fn hop(&self, destination: &str) -> String {
        self.hop_from(S, destination)
    }

    /// What becomes of the packet; the same on every equal-cost path.
    pub(crate) fn end(&self, source: &str, destination: &str) -> Disposition {
        let answer = self.answer(source, destination);
        let ends: Vec<_> = answer.paths().map(|path| path.disposition().clone()).collect();
        assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "{answer}");
        ends[0].clone()
    }

    /// Why it is dropped.
    pub(crate) fn dropped(&self, source: &str, destination: &str) -> DropReason {
        match self.end(source, destination) {
            Disposition::Dropped(reason) => reason,
            other => unreachable!("{other}: {}", self.answer(source, destination)),
        }
    }

    /// Whether some path passes a resource.
    pub(crate) fn passes(&self, source: &str, destination: &str, id: &str) -> bool {
        self.answer(source, destination).paths().any(|path| path.passes(&id.into()))
    }

    /// The rules that took part on the way.
    pub(crate) fn rules(&self, source: &str, destination: &str) -> Vec<&'static str> {
        let answer = self.answer(source, destination);
        let mut rules: Vec<_> =
            answer.hops().flat_map(|hop| &hop.decisions).map(|decision| decision.rule.id()).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}
