//! From a case's words to a [`Document`]: what is given is stated, what is missing is filled in and told.

use std::collections::BTreeSet;
use std::net::IpAddr;

use azroute::model::{
    AddressPrefix, Advertisement, Asn, AzureFirewall, Backend, BgpConnection, CircuitPeering, Connection,
    ConnectionType, Document, ExpressRouteCircuit, FrontendIpConfiguration, GatewayType,
    HubVirtualNetworkConnection, LearnedRoute, LoadBalancer, LocalNetworkGateway, NetworkInterface,
    NetworkSecurityGroup, NetworkVirtualAppliance, NoneProfile, OnPremisesNextHop, OnPremisesRoute,
    OnPremisesSite, OverlayTunnel, PeeringType, PrivateEndpoint, PrivateEndpointNetworkPolicies, ResourceId,
    RouteNextHopType, RouteServer, RouteTable, ServiceEndpoint, Snat, Subnet, TunnelEnd, UserDefinedRoute,
    VirtualHub, VirtualNetwork, VirtualNetworkGateway, VirtualNetworkPeering,
};
use ipnet::IpNet;

use super::places::{Places, Position, Spot, Station, bare, host, id, vnet_id};
use super::schema::{Given, Learned, Nva, OnPrem, Vms, Words, prefix};
use super::steps::Moment;

/// What the source of a case leaves open and the runner tries in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Which reserved ranges the platform had.
    pub(crate) none_profile: NoneProfile,
    /// Whether networks on one circuit reach each other (they did by default until mid-2023, CON-6).
    pub(crate) through_circuit: bool,
}

/// A case as a document, and how its words map to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    pub(crate) document: Document,
    pub(crate) places: Places,
    /// What was filled in.
    pub(crate) assumptions: BTreeSet<String>,
    /// What is given and has no counterpart in the document.
    pub(crate) unused: BTreeSet<String>,
    /// Prefixes that a supplement declares to be learned.
    pub(crate) declared: BTreeSet<IpNet>,
}

/// The prefix that stands for the prefixes of a service whose endpoint is on.
pub(crate) const SERVICE: &str = "203.0.113.0/24";

fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Builds the document of one moment. `positions` are the places of its expected tables.
pub(crate) fn translate(moment: &Moment, positions: &[&str], reading: Reading) -> Scene {
    let mut translator = Translator {
        given: &moment.given,
        moment,
        scene: Scene::default(),
        networks: Vec::new(),
        gateways: Vec::new(),
    };
    translator.scene.document = Document::new();
    translator.run(positions, reading);
    translator.scene
}

struct Network {
    name: String,
    space: Vec<IpNet>,
    region: String,
}

struct Gate {
    name: String,
    vnet: String,
    express_route: bool,
    asn: Option<u32>,
    index: Option<usize>,
}

struct Translator<'a> {
    given: &'a Given,
    moment: &'a Moment,
    scene: Scene,
    networks: Vec<Network>,
    gateways: Vec<Gate>,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Gateway(usize),
    Site(usize),
    Nva(usize),
    Circuit(usize),
}

impl Translator<'_> {
    fn assume(&mut self, text: impl Into<String>) {
        self.scene.assumptions.insert(text.into());
    }

    fn unused(&mut self, text: impl Into<String>) {
        self.scene.unused.insert(text.into());
    }

    fn run(&mut self, positions: &[&str], reading: Reading) {
        self.scene.document.knobs.none_profile = Some(reading.none_profile);
        self.report_extras();
        self.find_networks();
        self.find_gateways();
        self.find_places();
        let spaces: Vec<(String, Vec<IpNet>)> =
            self.networks.iter().map(|n| (n.name.clone(), n.space.clone())).collect();
        self.scene.places.allocate(&|name| {
            spaces.iter().find(|(n, _)| same(n, name)).map(|(_, s)| s.clone()).unwrap_or_default()
        });
        self.others();
        self.virtual_networks();
        self.peerings();
        self.route_tables(positions);
        self.interfaces();
        self.add_gateways(reading);
        self.circuits();
        self.vpn();
        self.route_servers();
        self.hubs();
        self.supplements();
        if self.moment.all_down {
            for connection in &mut self.scene.document.connections {
                connection.connected = false;
            }
            for gateway in &mut self.scene.document.virtual_network_gateways {
                gateway.learned_routes.clear();
            }
        }
    }

    fn report_extras(&mut self) {
        let given = self.given;
        let mut lines: Vec<String> = given.extra.keys().map(|k| format!("given.{k}")).collect();
        let mut add = |place: String, extra: &super::schema::Extra| {
            lines.extend(extra.keys().map(|key| format!("{place}.{key}")));
        };
        for (name, vnet) in &given.vnets.items {
            add(format!("vnets.{name}"), &vnet.extra);
            for (subnet, value) in &vnet.subnets.items {
                add(format!("vnets.{name}.subnets.{subnet}"), &value.extra);
            }
        }
        for gateway in given.gateways.iter() {
            add(format!("gateways.{}", gateway.name.as_deref().unwrap_or("?")), &gateway.extra);
        }
        for circuit in given.circuits.iter() {
            add(format!("circuits.{}", circuit.name), &circuit.extra);
        }
        for site in given.on_prem.iter() {
            add(format!("on_prem.{}", site.names().next().unwrap_or("?")), &site.extra);
        }
        for nva in given.nvas.iter() {
            add(format!("nvas.{}", nva.name), &nva.extra);
        }
        for peering in given.peerings.iter() {
            add(format!("peerings.{}", peering.from), &peering.extra);
        }
        for hub in given.hubs.iter() {
            add(format!("hubs.{}", hub.name), &hub.extra);
        }
        for server in given.route_server.iter().chain(given.route_servers.iter()) {
            add("route_server".to_owned(), &server.extra);
        }
        for (name, table) in &given.route_tables.items {
            add(format!("route_tables.{name}"), &table.extra);
            for route in table.routes.iter() {
                add(format!("route_tables.{name}.{}", route.name), &route.extra);
            }
        }
        for balancer in given.load_balancers.iter() {
            add("load_balancers".to_owned(), &balancer.extra);
        }
        for (place, other) in [
            ("vnets", &given.vnets.other),
            ("subnets", &given.subnets.other),
            ("peerings", &given.peerings.other),
            ("gateways", &given.gateways.other),
            ("circuits", &given.circuits.other),
            ("on_prem", &given.on_prem.other),
            ("nvas", &given.nvas.other),
            ("load_balancers", &given.load_balancers.other),
            ("hubs", &given.hubs.other),
            ("route_tables", &given.route_tables.other),
            ("connections", &given.connections.other),
        ] {
            lines.extend(
                other.iter().filter(|text| !same(text, "none")).map(|text| format!("{place}: {text}")),
            );
        }
        if let Some(firewall) = &given.firewall {
            lines.extend(firewall.extra.keys().map(|k| format!("firewall.{k}")));
        }
        if let Some(peering) = &given.subnet_peering {
            lines.extend(peering.extra.keys().map(|k| format!("subnet_peering.{k}")));
        }
        for line in lines {
            // `<router>_announces` is read with the sites; variants and alternatives with their phrases.
            let read = ["given.fix_", "given.variants", "given.alternatives", "given.global_reach"];
            if !line.ends_with("_announces") && !read.iter().any(|r| line.starts_with(r)) {
                self.unused(line);
            }
        }
    }

    /// The networks, with a space for those whose space the source does not tell.
    fn find_networks(&mut self) {
        let given = self.given;
        let apart = given.regions.as_str().is_some_and(|t| t.to_ascii_lowercase().contains("another region"));
        let known = |name: &str| given.vnets.items.keys().any(|v| same(v, name));
        let mut names: Vec<String> = given.vnets.items.keys().cloned().collect();
        for vnet in given.vnets.items.values() {
            if let Some(hub) = vnet.uses_remote_gateway.as_ref().filter(|h| !known(h)) {
                names.push(hub.clone());
            }
        }
        let bare_parts = !given.subnets.items.is_empty()
            || !given.vms.0.is_empty()
            || !given.routes_in_table.is_empty()
            || !given.circuits.is_empty()
            || given.gateways.iter().any(|g| g.vnet.is_none())
            || given.nvas.iter().any(|n| n.vnet.is_none());
        let in_hubs = given.hubs.iter().any(|hub| hub.er_circuit.is_some());
        if names.is_empty() && bare_parts && !in_hubs {
            names.push("VNet".to_owned());
            self.assume("a virtual network `VNet` that the source does not describe");
        }
        for (n, name) in names.into_iter().enumerate() {
            let vnet = given.vnets.items.get(&name).cloned().unwrap_or_default();
            let mut space: Vec<IpNet> = vnet.space.prefixes().collect();
            if let Some((_, extra)) = given.extra_space.iter().find(|(v, _)| same(v, &name)) {
                space.extend(extra.prefixes());
            }
            if space.is_empty() {
                let machines = |vms: &Vms| vms.0.iter().filter_map(|vm| vm.address).collect::<Vec<_>>();
                let mut inside = machines(&vnet.vms);
                inside.extend(vnet.subnets.items.values().flat_map(|s| machines(&s.vms)));
                inside.extend(machines(&given.vms));
                inside.extend(
                    vnet.subnets
                        .items
                        .values()
                        .filter_map(|s| prefix(s.prefix.as_deref()?))
                        .map(|p| p.addr()),
                );
                let guess = inside
                    .first()
                    .and_then(|ip| IpNet::new(*ip, 16).ok())
                    .unwrap_or_else(|| spare(u8::try_from(n % 250).unwrap_or(0)));
                space.push(guess.trunc());
                self.assume(format!("the space of {name} is {}", guess.trunc()));
            }
            let region = match vnet.region.as_deref().map(str::to_ascii_lowercase) {
                _ if apart => format!("region of {name}"),
                None => "region".to_owned(),
                Some(text) if text.starts_with("different") || text.starts_with("other") => {
                    format!("region of {name}")
                }
                Some(text) if text.starts_with("same as") => "region".to_owned(),
                Some(text) => text,
            };
            self.networks.push(Network { name, space, region });
        }
        self.scene.places.vnets = self.networks.iter().map(|n| n.name.clone()).collect();
    }

    fn network_of(&self, ip: IpAddr) -> Option<String> {
        let found = self.networks.iter().find(|n| n.space.iter().any(|p| p.contains(&ip)));
        found.map(|n| n.name.clone())
    }

    fn network_named(&self, name: &str) -> Option<String> {
        self.networks.iter().find(|n| same(&n.name, name)).map(|n| n.name.clone())
    }

    /// The network a part belongs to: as named, by its address, or the only one.
    fn home(&self, name: Option<&str>, ip: Option<IpAddr>) -> Option<String> {
        if let Some(name) = name {
            return self.network_named(name);
        }
        let only = || match &self.networks[..] {
            [one] => Some(one.name.clone()),
            _ => None,
        };
        ip.and_then(|ip| self.network_of(ip)).or_else(only)
    }

    fn find_gateways(&mut self) {
        for (i, gateway) in self.given.gateways.iter().enumerate() {
            let ip = gateway.bgp_ip.addresses().chain(gateway.bgp_ips.addresses()).next();
            let name = gateway.name.clone().unwrap_or_else(|| format!("gateway {}", i + 1));
            let remote = self.given.vnets.items.values().find_map(|v| v.uses_remote_gateway.as_deref());
            let Some(vnet) = self.home(gateway.vnet.as_deref().or(remote), ip) else {
                self.unused(format!("gateways.{name}: in no network"));
                continue;
            };
            let kind = gateway.kind.as_deref().unwrap_or("vpn").to_ascii_lowercase();
            let express_route = kind.starts_with("expressroute");
            self.gateways.push(Gate { name, vnet, express_route, asn: gateway.asn, index: Some(i) });
        }
        for circuit in self.given.circuits.iter() {
            let microsoft = circuit.peering.as_deref().is_some_and(|p| !p.eq_ignore_ascii_case("private"));
            if microsoft {
                continue;
            }
            for name in self.links(circuit) {
                self.express_route_gateway(&name);
            }
        }
        // On-premises behind an ExpressRoute gateway without a circuit: `circuits` adds one.
    }

    /// The gateways or networks a circuit is linked to, by name.
    fn links(&self, circuit: &super::schema::Circuit) -> Vec<String> {
        let mut names = circuit.linked.0.clone();
        let by_connections: Vec<String> = self
            .given
            .connections
            .iter()
            .filter_map(|c| c.ends.clone())
            .filter(|(_, b)| same(b, &circuit.name))
            .map(|(a, _)| a)
            .collect();
        if names.is_empty() {
            names.extend(by_connections);
        }
        if names.is_empty() {
            names.extend(
                self.given.both_linked_to.0.iter().filter(|n| self.network_named(n).is_some()).cloned(),
            );
        }
        if names.is_empty() {
            names.extend(self.gateways.iter().filter(|g| g.express_route).map(|g| g.name.clone()));
        }
        if names.is_empty()
            && let [one] = &self.networks[..]
        {
            names.push(one.name.clone());
        }
        names
    }

    /// The ExpressRoute gateway of this name or network; made up where the network has none.
    fn express_route_gateway(&mut self, name: &str) -> Option<usize> {
        if let Some(i) = self.gateways.iter().position(|g| same(&g.name, name)) {
            return Some(i);
        }
        let vnet = self.network_named(name)?;
        if let Some(i) = self.gateways.iter().position(|g| g.express_route && same(&g.vnet, &vnet)) {
            return Some(i);
        }
        self.assume(format!("an ExpressRoute gateway in {vnet}"));
        self.gateways.push(Gate {
            name: format!("ExpressRoute gateway of {vnet}"),
            vnet,
            express_route: true,
            asn: None,
            index: None,
        });
        Some(self.gateways.len() - 1)
    }

    fn spot(&mut self, spot: Spot) -> usize {
        self.scene.places.spots.push(spot);
        self.scene.places.spots.len() - 1
    }

    fn find_spot(&self, vnet: &str, name: &str) -> Option<usize> {
        self.scene.places.spots.iter().position(|s| same(&s.vnet, vnet) && same(&s.name, name))
    }

    /// The given subnet that holds the address, else one for it and its neighbours.
    fn spot_for(&mut self, vnet: &str, name: &str, ip: IpAddr, for_hosts: bool) -> usize {
        let near = |other: &IpAddr| match (ip, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => u32::from(a) >> 4 == u32::from(*b) >> 4,
            _ => false,
        };
        let found = self.scene.places.spots.iter().position(|s| {
            same(&s.vnet, vnet)
                && (s.prefix.is_some_and(|p| p.contains(&ip))
                    || (s.prefix.is_none() && s.for_hosts == for_hosts && s.addresses.iter().any(near)))
        });
        if let Some(i) = found {
            if self.scene.places.spots[i].prefix.is_none() {
                self.scene.places.spots[i].addresses.push(ip);
            }
            return i;
        }
        self.spot(Spot {
            vnet: vnet.to_owned(),
            name: name.to_owned(),
            prefix: None,
            addresses: vec![ip],
            invented: true,
            for_hosts,
            table: None,
        })
    }

    fn station(&mut self, name: &str, spot: usize, address: Option<IpAddr>, is_appliance: bool) {
        let name = name.to_owned();
        self.scene.places.stations.push(Station { name, spot, address, is_appliance });
    }

    fn find_places(&mut self) {
        let given = self.given;
        for (name, vnet) in &given.vnets.items {
            self.subnets_of(name, &vnet.subnets.items, &vnet.private_endpoints);
            for vm in &vnet.vms.0 {
                self.machine(name, vm);
            }
        }
        let first = self.networks.first().map(|n| n.name.clone());
        if let Some(first) = first.filter(|_| given.vnets.items.is_empty()) {
            self.subnets_of(&first, &given.subnets.items, &Words::default());
            for vm in &given.vms.0 {
                self.machine(&first, vm);
            }
            if !given.routes_in_table.is_empty() {
                self.named_spot(&first, "subnet", true);
            }
        }
        if let Some(firewall) = &given.firewall {
            let ip = firewall.ip.addresses().next();
            if let Some(vnet) = self.home(firewall.vnet.as_deref(), ip) {
                let words: Vec<&str> = firewall.subnet.as_deref().unwrap_or("").split_whitespace().collect();
                let at = self.named_spot(&vnet, "AzureFirewallSubnet", false);
                let spot = &mut self.scene.places.spots[at];
                spot.prefix = spot.prefix.or_else(|| words.iter().find_map(|w| prefix(w)));
                if spot.prefix.is_none() {
                    spot.addresses.extend(ip);
                }
            }
        }
        for (i, server) in given.route_server.iter().chain(given.route_servers.iter()).enumerate() {
            let ips: Vec<IpAddr> = server.ips.addresses().chain(server.ip.addresses()).collect();
            match self.server_home(server) {
                Some(vnet) => {
                    let at = self.named_spot(&vnet, "RouteServerSubnet", false);
                    if self.scene.places.spots[at].prefix.is_none() {
                        self.scene.places.spots[at].addresses.extend(ips);
                    }
                }
                None => self.unused(format!("route server {i}: in no network")),
            }
        }
        for i in 0..self.gateways.len() {
            let vnet = self.gateways[i].vnet.clone();
            let at = self.named_spot(&vnet, "GatewaySubnet", false);
            if self.scene.places.spots[at].prefix.is_none()
                && let Some(gateway) = self.gateways[i].index.and_then(|g| given.gateways.get(g))
            {
                let ips = gateway.bgp_ip.addresses().chain(gateway.bgp_ips.addresses());
                let space = self.networks.iter().find(|n| same(&n.name, &vnet)).map(|n| n.space.clone());
                let inside = |ip: &IpAddr| space.iter().flatten().any(|p| p.contains(ip));
                let ips: Vec<IpAddr> = ips
                    .chain(gateway.instance_ips.addresses())
                    .chain(gateway.private_ip.addresses())
                    .filter(inside)
                    .collect();
                self.scene.places.spots[at].addresses.extend(ips);
            }
        }
        for nva in given.nvas.iter() {
            let ip = nva.address();
            let Some(vnet) = self.home(nva.vnet.as_deref(), ip) else {
                self.unused(format!("nvas.{}: in no network", nva.name));
                continue;
            };
            let spot = match ip {
                Some(ip) => self.spot_for(&vnet, &format!("{} subnet", nva.name), ip, false),
                None => self.named_spot(&vnet, &format!("{} subnet", nva.name), false),
            };
            self.station(&nva.name, spot, ip, true);
        }
        for balancer in given.load_balancers.iter() {
            let Some(ip) = balancer.frontend.addresses().next() else { continue };
            let Some(vnet) = self.home(balancer.vnet.as_deref(), Some(ip)) else { continue };
            self.spot_for(&vnet, &format!("load balancer {ip} subnet"), ip, false);
        }
        // Somewhere for a machine that the case only mentions.
        for i in 0..self.networks.len() {
            let name = self.networks[i].name.clone();
            if self.scene.places.default_spot(&name).is_none() {
                self.named_spot(&name, "default", true);
            }
        }
    }

    fn server_home(&self, server: &super::schema::RouteServer) -> Option<String> {
        let ip = server.ips.addresses().chain(server.ip.addresses()).next();
        let peer = server.peers.0.iter().find_map(|p| self.given.nvas.iter().find(|n| same(&n.name, p)));
        self.home(server.vnet.as_deref(), ip)
            .or_else(|| peer.and_then(|nva| self.home(nva.vnet.as_deref(), nva.address())))
    }

    fn named_spot(&mut self, vnet: &str, name: &str, for_hosts: bool) -> usize {
        if let Some(i) = self.find_spot(vnet, name) {
            return i;
        }
        let invented = !["GatewaySubnet", "RouteServerSubnet", "subnet"].contains(&name);
        self.spot(Spot {
            vnet: vnet.to_owned(),
            name: name.to_owned(),
            prefix: None,
            addresses: Vec::new(),
            invented,
            for_hosts,
            table: None,
        })
    }

    fn subnets_of(
        &mut self,
        vnet: &str,
        subnets: &std::collections::BTreeMap<String, super::schema::Subnet>,
        loose_endpoints: &Words,
    ) {
        for (name, subnet) in subnets {
            let special = Spot {
                vnet: vnet.to_owned(),
                name: name.clone(),
                prefix: subnet.prefix.as_deref().and_then(prefix),
                addresses: Vec::new(),
                invented: false,
                for_hosts: true,
                table: subnet.route_table.clone(),
            };
            let for_hosts = !special.is_special();
            let at = self.spot(Spot { for_hosts, ..special });
            let mut inside: Vec<IpAddr> = subnet.private_endpoints.addresses().collect();
            for vm in &subnet.vms.0 {
                self.station(&vm.name, at, vm.address, false);
                inside.extend(vm.address);
            }
            if self.scene.places.spots[at].prefix.is_none() {
                self.scene.places.spots[at].addresses.extend(inside);
            }
        }
        for ip in loose_endpoints.addresses() {
            self.spot_for(vnet, "endpoint subnet", ip, false);
        }
    }

    fn machine(&mut self, vnet: &str, vm: &super::schema::Vm) {
        let spot = match vm.address {
            Some(ip) => self.spot_for(vnet, "default", ip, true),
            None => self.named_spot(vnet, "default", true),
        };
        self.station(&vm.name, spot, vm.address, false);
    }

    /// Names of what is not a subnet or interface.
    fn others(&mut self) {
        let mut names: Vec<(String, ResourceId)> = Vec::new();
        for site in self.given.on_prem.iter() {
            let site_id = site_id(site);
            names.extend(site.names().map(|name| (name.to_owned(), site_id.clone())));
        }
        names.extend(self.gateways.iter().map(|g| (g.name.clone(), gateway_id(&g.name))));
        names.extend(self.given.circuits.iter().map(|c| (c.name.clone(), id("circuits", &c.name))));
        names.extend(self.given.hubs.iter().map(|h| (h.name.clone(), id("hubs", &h.name))));
        for name in self.given.local_networks.keys() {
            names.push((name.clone(), id("sites", name)));
        }
        self.scene.places.others = names;
    }

    fn virtual_networks(&mut self) {
        let given = self.given;
        for network in &self.networks {
            let mut vnet = VirtualNetwork::new(vnet_id(&network.name), network.space.iter().copied());
            vnet.location = Some(network.region.clone());
            for spot in self.scene.places.spots.iter().filter(|s| same(&s.vnet, &network.name)) {
                let Some(prefix) = spot.prefix else { continue };
                let mut subnet = Subnet::new(&spot.name, prefix);
                let described = given
                    .vnets
                    .items
                    .get(&network.name)
                    .and_then(|v| v.subnets.items.get(&spot.name))
                    .or_else(|| given.subnets.items.get(&spot.name));
                if let Some(described) = described {
                    for (n, service) in described.service_endpoints.0.iter().enumerate() {
                        let name = if service.contains('.') { service } else { "Microsoft.Storage" };
                        let mut endpoint = ServiceEndpoint::new(name);
                        let n = u8::try_from(n).unwrap_or(0);
                        endpoint.prefixes.extend(if n == 0 { self::prefix(SERVICE) } else { Some(spare(n)) });
                        subnet.service_endpoints.push(endpoint);
                    }
                    if described.private_endpoint_udr_support {
                        subnet.private_endpoint_network_policies = PrivateEndpointNetworkPolicies::Enabled;
                    }
                }
                vnet.subnets.push(subnet);
            }
            self.scene.document.virtual_networks.push(vnet);
        }
        let mut endpoints = Vec::new();
        for (name, vnet) in &given.vnets.items {
            let inner = vnet.subnets.items.values().flat_map(|s| s.private_endpoints.addresses());
            endpoints.extend(inner.chain(vnet.private_endpoints.addresses()).map(|ip| (name.clone(), ip)));
        }
        for (name, ip) in endpoints {
            let spot = self
                .scene
                .places
                .spots
                .iter()
                .position(|s| same(&s.vnet, &name) && s.prefix.is_some_and(|p| p.contains(&ip)));
            let Some(spot) = spot else { continue };
            self.scene.document.private_endpoints.push(PrivateEndpoint {
                id: id("privateEndpoints", &ip.to_string()),
                subnet: self.scene.places.subnet_id(spot),
                private_ip_addresses: vec![ip],
                ..PrivateEndpoint::default()
            });
        }
        if let Some(firewall) = &given.firewall {
            let ip = firewall.ip.addresses().next();
            let at = self
                .home(firewall.vnet.as_deref(), ip)
                .and_then(|v| self.find_spot(&v, "AzureFirewallSubnet"));
            if let Some(at) = at {
                let subnet = Some(self.scene.places.subnet_id(at));
                self.scene.document.azure_firewalls.push(AzureFirewall {
                    id: id("azureFirewalls", "firewall"),
                    subnet,
                    private_ip_address: ip,
                    ..AzureFirewall::default()
                });
            }
        }
    }

    fn peerings(&mut self) {
        let mut halves: Vec<(String, VirtualNetworkPeering)> = Vec::new();
        for peering in self.given.peerings.iter() {
            let (from, to) = (self.network_named(&peering.from), self.network_named(&peering.to));
            let (Some(from), Some(to)) = (from, to) else {
                self.unused(format!("peering of {} and {}: no such network", peering.from, peering.to));
                continue;
            };
            if peering.allow_forwarded_traffic.is_none() {
                self.assume(format!("{from} to {to}: forwarded traffic allowed, no transit"));
            }
            let mut half = VirtualNetworkPeering::new(&to, vnet_id(&to));
            half.allow_virtual_network_access = peering.allow_vnet_access.unwrap_or(true);
            half.allow_forwarded_traffic = peering.allow_forwarded_traffic.unwrap_or(true);
            half.allow_gateway_transit = peering.allow_gateway_transit.unwrap_or(false);
            half.use_remote_gateways = peering.use_remote_gateways.unwrap_or(false);
            if let Some(subnets) = self.given.subnet_peering.as_ref().filter(|s| !s.complete_vnets) {
                half.peer_complete_vnets = false;
                let named = |words: &Words, vnet: &str| -> Vec<String> {
                    let of = |text: &String| {
                        text.split_once(' ').filter(|(v, _)| same(v, vnet)).map(|(_, s)| s.to_owned())
                    };
                    words.0.iter().filter_map(of).collect()
                };
                for words in [&subnets.local, &subnets.remote] {
                    half.local_subnet_names.extend(named(words, &from));
                    half.remote_subnet_names.extend(named(words, &to));
                }
            }
            halves.push((from, half));
        }
        for (name, vnet) in &self.given.vnets.items {
            let Some(hub) = vnet.uses_remote_gateway.as_deref().and_then(|h| self.network_named(h)) else {
                continue;
            };
            let mut up = VirtualNetworkPeering::new(&hub, vnet_id(&hub));
            up.use_remote_gateways = true;
            let mut down = VirtualNetworkPeering::new(name, vnet_id(name));
            down.allow_gateway_transit = true;
            halves.push((name.clone(), up));
            halves.push((hub, down));
        }
        for (from, half) in halves {
            if let Some(vnet) = self.scene.document.virtual_network_mut(&vnet_id(&from)) {
                vnet.peerings.push(half);
            }
        }
    }

    fn table_named(&self, name: &str) -> Option<String> {
        let tables = self.given.route_tables.items.keys();
        let first_state = format!("{name} (first state)");
        let mut exact = tables.clone().filter(|t| same(t, name));
        let mut first = tables.clone().filter(|t| same(t, &first_state));
        exact.next().or_else(|| first.next()).cloned()
    }

    fn route_tables(&mut self, positions: &[&str]) {
        let given = self.given;
        for (name, table) in &given.route_tables.items {
            let mut made = RouteTable::new(id("routeTables", name));
            made.disable_bgp_route_propagation = table.propagate_gateway_routes == Some(false);
            for route in table.routes.iter() {
                let Ok(next_hop_type) = route.next_hop_type.parse::<RouteNextHopType>() else {
                    self.unused(format!("route {}: next hop type {}", route.name, route.next_hop_type));
                    continue;
                };
                let target: AddressPrefix = match (route.prefix.as_deref(), route.service_tag.as_deref()) {
                    (Some(text), _) => match prefix(text) {
                        Some(prefix) => prefix.into(),
                        None => {
                            self.unused(format!("route {}: prefix {text}", route.name));
                            continue;
                        }
                    },
                    (None, Some(tag)) => tag.into(),
                    (None, None) => continue,
                };
                let route_name = if route.name.is_empty() { "route" } else { &route.name };
                let mut udr = UserDefinedRoute::new(route_name, target, next_hop_type);
                if next_hop_type.is_appliance() {
                    udr.next_hop_ip_addresses.extend(route.next_hop_ip.addresses());
                    if udr.next_hop_ip_addresses.is_empty() {
                        match self.named_address(&route.next_hop_ip) {
                            Some(ip) => udr.next_hop_ip_addresses.push(ip),
                            None => {
                                let hop = route.next_hop_ip.text();
                                self.unused(format!("route {}: next hop {hop}", route.name));
                                continue;
                            }
                        }
                    }
                    if udr.next_hop_ip_addresses.len() > 1 {
                        udr.next_hop_type = RouteNextHopType::VirtualApplianceEcmp;
                    }
                }
                made.routes.push(udr);
            }
            self.scene.document.route_tables.push(made);
        }
        if !given.routes_in_table.is_empty() {
            let mut made = RouteTable::new(id("routeTables", "table"));
            for (n, prefix) in given.routes_in_table.prefixes().enumerate() {
                made.routes.push(UserDefinedRoute::new(
                    format!("route{n}"),
                    prefix,
                    RouteNextHopType::Internet,
                ));
            }
            self.assume("the routes of the table lead to the Internet");
            self.scene.document.route_tables.push(made);
        }
        self.bind(positions);
    }

    /// The address that words such as `testvm2-address` mean.
    fn named_address(&self, words: &Words) -> Option<IpAddr> {
        let text = words.first()?.to_ascii_lowercase();
        let stations = self.scene.places.stations.iter().enumerate();
        let mut found = stations.filter(|(_, s)| text.starts_with(&s.name.to_ascii_lowercase()));
        let (i, _) = found.next()?;
        self.address_of(i)
    }

    /// The address of an interface: as given, or one of its subnet.
    fn address_of(&self, station: usize) -> Option<IpAddr> {
        let places = &self.scene.places;
        let me = &places.stations[station];
        me.address.or_else(|| {
            let before =
                places.stations[..station].iter().filter(|s| s.spot == me.spot && s.address.is_none());
            let n = u32::try_from(before.count()).ok()?;
            let block = places.spots[me.spot].prefix?;
            let taken = |ip: &IpAddr| places.stations.iter().any(|s| s.address == Some(*ip));
            (n..n + 200).map(|n| host(block, n)).find(|ip| !taken(ip))
        })
    }

    fn bind(&mut self, positions: &[&str]) {
        let mut bound: BTreeSet<String> = BTreeSet::new();
        let mut pairs: Vec<(usize, String)> = Vec::new();
        for (i, spot) in self.scene.places.spots.iter().enumerate() {
            let Some(name) = &spot.table else { continue };
            match self.table_named(name) {
                Some(table) => {
                    bound.insert(table.clone());
                    pairs.push((i, table));
                }
                None => {
                    let text =
                        format!("route table {name} of {} is not described: taken as empty", spot.name);
                    self.scene.assumptions.insert(text);
                }
            }
        }
        for (name, table) in &self.given.route_tables.items {
            for text in &table.associated_with.0 {
                let spots = self.scene.places.bound(text);
                if !spots.is_empty() {
                    bound.insert(name.clone());
                }
                pairs.extend(spots.into_iter().map(|spot| (spot, name.clone())));
            }
        }
        // Tables that the case binds to nothing belong to the places whose tables it shows.
        let mut shown: Vec<usize> = Vec::new();
        for position in positions {
            if let Some(Position::Azure { spot, .. }) = self.scene.places.find(position)
                && !shown.contains(&spot)
                && !pairs.iter().any(|(s, _)| *s == spot)
            {
                shown.push(spot);
            }
        }
        let loose: Vec<String> = self
            .given
            .route_tables
            .items
            .iter()
            .filter(|(name, t)| {
                !bound.contains(*name) && t.associated_with.is_empty() && !name.contains(" state)")
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in &loose {
            let letters = |text: &str| -> String {
                text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
            };
            let table = letters(name);
            let by_name = shown.iter().copied().find(|spot| {
                let vnet = letters(&self.scene.places.spots[*spot].vnet);
                table.contains(&vnet) || table.contains(vnet.trim_start_matches("my"))
            });
            let only = (loose.len() == 1 && shown.len() == 1).then(|| shown[0]);
            match by_name.or(only) {
                Some(spot) => {
                    let text = format!("route table {name} is on {}", self.scene.places.subnet_id(spot));
                    self.assume(text);
                    pairs.push((spot, name.clone()));
                }
                None => self.unused(format!("route table {name}: on no subnet")),
            }
        }
        if !self.given.routes_in_table.is_empty()
            && let Some(Position::Azure { spot, .. }) = self.scene.places.find("subnet")
        {
            pairs.push((spot, "table".to_owned()));
        }
        for (spot, table) in pairs {
            let subnet = self.scene.places.subnet_id(spot);
            if let Some(subnet) = self.scene.document.subnet_mut(&subnet) {
                subnet.route_table = Some(id("routeTables", &table));
            }
        }
    }

    fn nva(&self, name: &str) -> Option<&Nva> {
        self.given.nvas.iter().find(|n| same(&n.name, name))
    }

    fn interfaces(&mut self) {
        let given = self.given;
        let default_group = given.nsg.text().to_ascii_lowercase().contains("default rules");
        if default_group {
            let group =
                NetworkSecurityGroup { id: id("networkSecurityGroups", "default"), ..Default::default() };
            self.scene.document.network_security_groups.push(group);
        }
        for i in 0..self.scene.places.stations.len() {
            let Some(address) = self.address_of(i) else { continue };
            let (nic_id, name) =
                (self.scene.places.station_id(i), self.scene.places.stations[i].name.clone());
            let spot = self.scene.places.stations[i].spot;
            if self.scene.places.spots[spot].prefix.is_none() {
                self.unused(format!("{name}: its address is in no space"));
                continue;
            }
            self.scene.places.stations[i].address = Some(address);
            let subnet = self.scene.places.subnet_id(spot);
            let mut nic = NetworkInterface::new(nic_id.clone(), subnet, address);
            if default_group {
                nic.network_security_group = Some(id("networkSecurityGroups", "default"));
            }
            if self.scene.places.stations[i].is_appliance {
                let nva = self.nva(&name);
                nic.enable_ip_forwarding = nva.and_then(|n| n.ip_forwarding).unwrap_or(true);
                let mut appliance = NetworkVirtualAppliance::new(nva_id(&name), [nic_id]);
                if nva.is_some_and(|n| n.translates) {
                    appliance.snat = Snat::Internet;
                }
                self.scene.document.network_virtual_appliances.push(appliance);
            }
            self.scene.document.network_interfaces.push(nic);
        }
        for (n, balancer) in given.load_balancers.iter().enumerate() {
            let Some(frontend) = balancer.frontend.addresses().next() else { continue };
            let Some(Position::Azure { spot, .. }) = self.scene.places.at_address(frontend) else { continue };
            let name = balancer.name.clone().unwrap_or_else(|| format!("load balancer {}", n + 1));
            let backend = |text: &String| match text.parse::<IpAddr>() {
                Ok(ip) => Some(Backend { ip_address: Some(ip), ..Backend::default() }),
                Err(_) => match self.scene.places.find(text) {
                    Some(Position::Azure { station: Some(s), .. }) => {
                        let network_interface = Some(self.scene.places.station_id(s));
                        Some(Backend { network_interface, ..Backend::default() })
                    }
                    _ => None,
                },
            };
            let backends = balancer.backends.0.iter().filter_map(backend).collect();
            self.scene.document.load_balancers.push(LoadBalancer {
                id: id("loadBalancers", &name),
                frontend_ip_configurations: vec![FrontendIpConfiguration {
                    name: "frontend".to_owned(),
                    private_ip_address: Some(frontend),
                    subnet: Some(self.scene.places.subnet_id(spot)),
                    public_ip_address: None,
                }],
                backends,
                ..LoadBalancer::default()
            });
        }
        // Sites that end on an appliance: what stands behind it is behind a tunnel.
        for site in given.on_prem.iter() {
            let Some(nva) = site.terminates_on.as_deref().and_then(|n| self.nva(n)) else { continue };
            let hosts: Vec<IpNet> = site.prefixes.prefixes().chain(site.lan.prefixes()).collect();
            let nva_name = nva.name.clone();
            self.scene.document.upsert(OnPremisesSite::new(site_id(site), hosts.clone()));
            self.scene.document.overlay_tunnels.push(OverlayTunnel {
                id: id("overlayTunnels", &nva_name),
                a: TunnelEnd { node: nva_id(&nva_name), prefixes: Vec::new() },
                b: TunnelEnd { node: site_id(site), prefixes: hosts },
                encrypted: true,
            });
        }
    }

    fn add_gateways(&mut self, reading: Reading) {
        for i in 0..self.gateways.len() {
            let gate = &self.gateways[i];
            let kind = if gate.express_route { GatewayType::ExpressRoute } else { GatewayType::Vpn };
            let mut made = VirtualNetworkGateway::new(gateway_id(&gate.name), vnet_id(&gate.vnet), kind);
            if let Some(asn) = gate.asn {
                made.asn = Asn(asn);
            }
            if let Some(given) = gate.index.and_then(|g| self.given.gateways.get(g)) {
                made.active_active = given.active_active;
                made.bgp_peering_addresses = given
                    .bgp_ip
                    .addresses()
                    .chain(given.bgp_ips.addresses())
                    .chain(given.instance_ips.addresses())
                    .collect();
                made.enable_bgp = given.bgp.unwrap_or(!gate.express_route);
                made.route_next_hop_addresses = given.printed_next_hop.addresses().collect();
                if let Some(site) = &given.default_site {
                    made.gateway_default_site =
                        Some(id("localNetworkGateways", &format!("{site} at {}", gate.name)));
                }
            }
            if reading.through_circuit && gate.express_route {
                made.allow_remote_vnet_traffic = Some(true);
            }
            self.scene.document.virtual_network_gateways.push(made);
        }
    }

    fn gateway_mut(&mut self, name: &str) -> Option<&mut VirtualNetworkGateway> {
        let gateway = gateway_id(name);
        self.scene.document.virtual_network_gateways.iter_mut().find(|g| g.id == gateway)
    }

    /// What a site tells Azure.
    fn announced(&self, site: &OnPrem) -> Vec<IpNet> {
        let mut list: Vec<IpNet> = site
            .announces
            .prefixes()
            .chain(site.advertises.prefixes())
            .chain(site.announces_on_both.prefixes())
            .collect();
        for name in site.names() {
            let key = format!("{}_announces", name.to_ascii_lowercase());
            if let Some((_, value)) = self.given.extra.iter().find(|(k, _)| same(k, &key)) {
                let words: Words = serde_json::from_value(value.clone()).unwrap_or_default();
                list.extend(words.prefixes());
            }
        }
        if site.default_originate {
            list.extend(prefix("0.0.0.0/0"));
        }
        if list.is_empty() {
            list.extend(site.prefixes.prefixes().chain(site.lan.prefixes()));
            for name in &site.ibgp_to.0 {
                for other in self.given.on_prem.iter().filter(|s| s.names().any(|n| same(n, name))) {
                    list.extend(other.prefixes.prefixes().chain(other.lan.prefixes()));
                }
            }
        }
        list
    }

    /// Adds the site to the document, once.
    fn site(&mut self, site: &OnPrem) -> ResourceId {
        let site_id = site_id(site);
        if !self.scene.document.on_premises_sites.iter().any(|s| s.id == site_id) {
            let mut hosts: Vec<IpNet> =
                site.prefixes.prefixes().chain(site.lan.prefixes()).chain(site.subnet.prefixes()).collect();
            if hosts.is_empty() {
                hosts = self.announced(site);
            }
            let mut made = OnPremisesSite::new(site_id.clone(), hosts);
            made.internet_breakout = site.default_originate;
            self.scene.document.on_premises_sites.push(made);
        }
        site_id
    }

    fn advertise(&mut self, site: &ResourceId, advertisement: Advertisement) {
        if let Some(found) = self.scene.document.on_premises_sites.iter_mut().find(|s| s.id == *site) {
            found.advertisements.push(advertisement);
        }
    }

    fn circuits(&mut self) {
        let given = self.given;
        for circuit in given.circuits.iter() {
            let circuit_id = id("circuits", &circuit.name);
            let mut made = ExpressRouteCircuit::new(circuit_id.clone());
            let kind = match circuit.peering.as_deref() {
                Some(text) if text.to_ascii_lowercase().starts_with("microsoft") => {
                    PeeringType::MicrosoftPeering
                }
                Some(text) if text.to_ascii_lowercase().starts_with("public") => {
                    PeeringType::AzurePublicPeering
                }
                _ => PeeringType::AzurePrivatePeering,
            };
            let mut peering = CircuitPeering::new(kind);
            peering.peer_asn = circuit.peer_asn.map(Asn);
            peering.primary_peer_address_prefix = circuit.primary.as_deref().and_then(prefix);
            peering.secondary_peer_address_prefix = circuit.secondary.as_deref().and_then(prefix);
            made.peerings.push(peering);
            made.primary.up = !circuit.down;
            made.secondary.up = !circuit.down;
            if self.moment.global_reach {
                let others = given.circuits.iter().filter(|c| c.name != circuit.name);
                made.global_reach = others.map(|c| id("circuits", &c.name)).collect();
            }
            // What the circuit itself is said to bring.
            let brought: Vec<IpNet> =
                circuit.on_prem_advertises.prefixes().chain(circuit.on_prem.prefixes()).collect();
            let mut path: Vec<Asn> =
                circuit.as_path.0.iter().map(|w| Asn(w.parse().unwrap_or(65000))).collect();
            if path.first() == Some(&Asn::MICROSOFT_EDGE) {
                path.remove(0);
            }
            if path.is_empty() {
                path.extend(circuit.peer_asn.map(Asn));
            }
            if !brought.is_empty() {
                let name = circuit.on_prem.first().filter(|n| prefix(n).is_none());
                let place = name.map_or_else(|| format!("behind {}", circuit.name), str::to_owned);
                let site = id("sites", &place);
                let mut behind = OnPremisesSite::new(site.clone(), brought.clone());
                behind.advertisements.push(Advertisement::new(&circuit_id, brought, path.iter().copied()));
                made.primary.edge_router = Some(site.clone());
                made.secondary.edge_router = Some(site);
                self.scene.document.on_premises_sites.push(behind);
            }
            for site in given.on_prem.iter() {
                let over = |words: &Words| {
                    words.0.iter().any(|w| {
                        let w = w.to_ascii_lowercase();
                        let name = circuit.name.to_ascii_lowercase();
                        w == name || w.starts_with(&format!("{name} "))
                    })
                };
                let told = !(site.via.is_empty() && site.over.is_empty() && site.circuit.is_empty());
                let here = over(&site.via) || over(&site.over) || over(&site.circuit);
                let vpn_only = !told && given.connections.iter().any(|c| c.ends.is_none());
                if site.terminates_on.is_some() || (told && !here) || vpn_only {
                    continue;
                }
                let announced = self.announced(site);
                let edge = self.site(site);
                made.primary.edge_router.get_or_insert_with(|| edge.clone());
                made.secondary.edge_router.get_or_insert_with(|| edge.clone());
                for (prefixes, path) in by_path(site, announced, &circuit.prepends) {
                    self.advertise(&edge, Advertisement::new(&circuit_id, prefixes, path));
                }
                let preferred = circuit.preferred.iter().map(|(prefix, local_preference)| OnPremisesRoute {
                    prefix: *prefix,
                    next_hop: OnPremisesNextHop::Circuit {
                        circuit: circuit_id.clone(),
                        peering: kind,
                        link: None,
                    },
                    local_preference: *local_preference,
                });
                if let Some(made) = self.scene.document.on_premises_sites.iter_mut().find(|s| s.id == edge) {
                    made.routes.extend(preferred);
                }
            }
            self.scene.document.express_route_circuits.push(made);
            if kind != PeeringType::AzurePrivatePeering {
                continue;
            }
            for name in self.links(circuit) {
                let Some(gate) = self.express_route_gateway(&name) else {
                    self.unused(format!("circuit {}: linked to {name}", circuit.name));
                    continue;
                };
                let gate_name = self.gateways[gate].name.clone();
                let vnet = self.gateways[gate].vnet.clone();
                let told = given
                    .connections
                    .iter()
                    .find(|c| c.ends.as_ref().is_some_and(|(a, b)| same(b, &circuit.name) && same(a, &name)));
                let connection_name = told
                    .and_then(|c| c.name.clone())
                    .unwrap_or_else(|| format!("{gate_name} to {}", circuit.name));
                let mut connection = Connection::new(
                    id("connections", &connection_name),
                    ConnectionType::ExpressRoute,
                    gateway_id(&gate_name),
                    circuit_id.clone(),
                );
                connection.routing_weight = told
                    .map_or(0, |c| c.weight)
                    .max(circuit.connection_weight.or(circuit.weight).unwrap_or(0));
                let index = self.gateways[gate].index;
                connection.express_route_gateway_bypass =
                    index.and_then(|g| given.gateways.get(g)).and_then(|g| g.fastpath).unwrap_or(false);
                self.scene.document.connections.push(connection);
                let mut printed: Vec<IpAddr> = circuit
                    .printed_next_hop
                    .addresses()
                    .chain(circuit.printed_next_hops.addresses())
                    .chain(circuit.next_hops.addresses())
                    .collect();
                printed.extend(circuit.next_hops_at.get(&vnet).iter().flat_map(|w| w.addresses()));
                if let Some(gateway) = self.gateway_mut(&gate_name) {
                    for ip in printed {
                        if !gateway.route_next_hop_addresses.contains(&ip) {
                            gateway.route_next_hop_addresses.push(ip);
                        }
                    }
                }
            }
        }
        self.missing_circuit();
    }

    /// A site and an ExpressRoute gateway, and no circuit between them: there must be one.
    fn missing_circuit(&mut self) {
        let given = self.given;
        let gates: Vec<String> =
            self.gateways.iter().filter(|g| g.express_route).map(|g| g.name.clone()).collect();
        if !given.circuits.is_empty() || gates.is_empty() || given.on_prem.is_empty() {
            return;
        }
        self.assume("one circuit between the site and the ExpressRoute gateway");
        let circuit_id = id("circuits", "circuit");
        let mut made = ExpressRouteCircuit::new(circuit_id.clone());
        made.peerings.push(CircuitPeering::new(PeeringType::AzurePrivatePeering));
        for site in given.on_prem.iter().filter(|s| s.terminates_on.is_none() && s.via.is_empty()) {
            let announced = self.announced(site);
            let edge = self.site(site);
            made.primary.edge_router = Some(edge.clone());
            made.secondary.edge_router = Some(edge.clone());
            self.advertise(&edge, Advertisement::new(&circuit_id, announced, path_of(site)));
        }
        self.scene.document.express_route_circuits.push(made);
        for gate in gates {
            let mut connection = Connection::new(
                id("connections", &format!("{gate} to circuit")),
                ConnectionType::ExpressRoute,
                gateway_id(&gate),
                circuit_id.clone(),
            );
            let fast = |g: &&super::schema::Gateway| g.name.as_deref() == Some(&*gate) || g.name.is_none();
            connection.express_route_gateway_bypass =
                given.gateways.iter().find(fast).and_then(|g| g.fastpath).unwrap_or(false);
            self.scene.document.connections.push(connection);
        }
    }

    /// The end of a connection that this text names.
    fn end(&self, text: &str) -> Option<End> {
        let text = text.trim();
        let gateway = self.gateways.iter().position(|g| same(&g.name, text)).map(End::Gateway);
        let sites = &self.given.on_prem;
        let site = || sites.iter().position(|s| s.names().any(|n| same(n, text))).map(End::Site);
        let nva = || self.given.nvas.iter().position(|n| same(&n.name, text)).map(End::Nva);
        let circuit = || self.given.circuits.iter().position(|c| same(&c.name, text)).map(End::Circuit);
        gateway.or_else(site).or_else(nva).or_else(circuit)
    }

    /// The two ends of `a - b with BGP (...)`.
    fn ends(&self, text: &str) -> Option<(End, End)> {
        let text = bare(text);
        for (at, _) in text.match_indices('-') {
            let Some(a) = self.end(&text[..at]) else { continue };
            let mut rest = text[at + 1..].trim();
            loop {
                if let Some(b) = self.end(rest) {
                    return Some((a, b));
                }
                match rest.rsplit_once(' ') {
                    Some((shorter, _)) => rest = shorter.trim(),
                    None => break,
                }
            }
        }
        None
    }

    fn bgp_on(&self, text: &str, told: Option<bool>) -> Option<bool> {
        if told.is_some() {
            return told;
        }
        if let Some(list) = &self.given.bgp_enabled_on {
            let all = list.0.iter().any(|t| t.to_ascii_lowercase().starts_with("all"));
            return Some(all || list.0.iter().any(|t| same(t, text)));
        }
        text.to_ascii_lowercase().contains("bgp").then_some(true)
    }

    fn vpn(&mut self) {
        let given = self.given;
        let mut used_local: BTreeSet<String> = BTreeSet::new();
        let mut used_sites: BTreeSet<usize> = BTreeSet::new();
        let mut used_nvas: BTreeSet<usize> = BTreeSet::new();
        for connection in given.connections.iter() {
            let found = match &connection.ends {
                Some((a, b)) => self.end(a).zip(self.end(b)),
                None => self.ends(&connection.text),
            };
            let bgp = self.bgp_on(&connection.text, connection.bgp);
            match found {
                Some((End::Gateway(a), End::Gateway(b))) => {
                    let instance = connection.text.split("to instance ").nth(1);
                    let instance = instance.and_then(|t| t.trim_end_matches(')').trim().parse().ok());
                    self.between_gateways(a, b, bgp, instance, &mut used_local);
                    self.between_gateways(b, a, bgp, instance, &mut used_local);
                }
                Some((End::Gateway(g), End::Site(s)) | (End::Site(s), End::Gateway(g))) => {
                    used_sites.insert(s);
                    self.join_site(g, s, bgp, &mut used_local);
                }
                Some((End::Gateway(g), End::Nva(n)) | (End::Nva(n), End::Gateway(g))) => {
                    used_nvas.insert(n);
                    self.join_nva(g, n, &mut used_local);
                }
                _ if connection.ends.as_ref().is_some_and(|(_, b)| self.end(b).is_some()) => {}
                _ => self.unused(format!("connection {}", connection.text)),
            }
        }
        for (n, nva) in given.nvas.iter().enumerate() {
            for gateway in &nva.vpn_to.0 {
                if let (Some(End::Gateway(g)), false) = (self.end(gateway), used_nvas.contains(&n)) {
                    self.join_nva(g, n, &mut used_local);
                }
            }
        }
        let vpn: Vec<usize> = (0..self.gateways.len()).filter(|g| !self.gateways[*g].express_route).collect();
        for (s, site) in given.on_prem.iter().enumerate() {
            if used_sites.contains(&s) || site.terminates_on.is_some() {
                continue;
            }
            let mut gates: Vec<usize> = Vec::new();
            for text in site.via.0.iter().chain(&site.over.0) {
                if let Some(End::Gateway(g)) = self.end(text) {
                    gates.push(g);
                } else if text.to_ascii_lowercase().contains("vpn") && vpn.len() == 1 {
                    gates.push(vpn[0]);
                }
            }
            let told = !(site.via.is_empty() && site.over.is_empty() && site.circuit.is_empty());
            let over_circuit = !told && !self.scene.document.express_route_circuits.is_empty();
            if gates.is_empty() && !told && !over_circuit && vpn.len() == 1 && given.hubs.is_empty() {
                gates.extend(&vpn);
            }
            gates.dedup();
            for gate in gates {
                self.join_site(gate, s, None, &mut used_local);
            }
        }
        for (name, prefixes) in &given.local_networks {
            if used_local.contains(name) {
                continue;
            }
            let lower = name.to_ascii_lowercase();
            let gate = match lower.split_once(" as seen by ") {
                Some((_, gateway)) => match self.end(gateway) {
                    Some(End::Gateway(g)) => Some(g),
                    _ => None,
                },
                None if vpn.len() == 1 => Some(vpn[0]),
                None => None,
            };
            match gate {
                Some(gate) => self.join_static(gate, name, prefixes),
                None => self.unused(format!("local network {name}: at no gateway")),
            }
        }
    }

    fn local_gateway(&mut self, gate: usize, name: &str) -> (ResourceId, ResourceId) {
        let at = self.gateways[gate].name.clone();
        let local = id("localNetworkGateways", &format!("{name} at {at}"));
        let connection = id("connections", &format!("{at} to {name}"));
        self.scene.document.upsert(Connection::new(
            connection.clone(),
            ConnectionType::IPsec,
            gateway_id(&at),
            local.clone(),
        ));
        (local, connection)
    }

    fn set_bgp(&mut self, connection: &ResourceId, on: bool) {
        if let Some(found) = self.scene.document.connections.iter_mut().find(|c| c.id == *connection) {
            found.enable_bgp = on;
        }
    }

    fn join_static(&mut self, gate: usize, name: &str, prefixes: &Words) {
        let (local, _) = self.local_gateway(gate, name);
        let site = id("sites", name);
        self.scene.document.upsert(LocalNetworkGateway {
            id: local,
            address_prefixes: prefixes.prefixes().collect(),
            site: Some(site.clone()),
            ..LocalNetworkGateway::default()
        });
        let hosts: Vec<IpNet> = prefixes.prefixes().collect();
        let mut made = OnPremisesSite::new(site, hosts);
        made.internet_breakout = true;
        self.scene.document.upsert(made);
    }

    /// The static prefixes given for this far end.
    fn local_prefixes(&self, names: &[&str], gate: usize, used: &mut BTreeSet<String>) -> Vec<IpNet> {
        let at = &self.gateways[gate].name;
        let mut list = Vec::new();
        for (key, prefixes) in &self.given.local_networks {
            let hit =
                names.iter().any(|name| same(key, name) || same(key, &format!("{name} as seen by {at}")));
            if hit {
                used.insert(key.clone());
                list.extend(prefixes.prefixes());
            }
        }
        list
    }

    fn join_site(&mut self, gate: usize, site: usize, bgp: Option<bool>, used: &mut BTreeSet<String>) {
        let given = self.given;
        let Some(site) = given.on_prem.get(site) else { return };
        let names: Vec<&str> = site.names().collect();
        let Some(name) = names.first().copied() else { return };
        let off =
            self.gateways[gate].index.and_then(|g| given.gateways.get(g)).and_then(|g| g.bgp) == Some(false);
        let announced = self.announced(site);
        let speaks = bgp.unwrap_or(!off && (site.asn.is_some() || !announced.is_empty()));
        let mut statics = self.local_prefixes(&names, gate, used);
        if !speaks && statics.is_empty() {
            statics.clone_from(&announced);
        }
        let site_id = self.site(site);
        let (local, connection) = self.local_gateway(gate, name);
        self.set_bgp(&connection, speaks);
        let peer = site.bgp_ip.addresses().chain(site.fw_bgp_ip.addresses()).next();
        self.scene.document.upsert(LocalNetworkGateway {
            id: local,
            address_prefixes: statics,
            asn: site.asn.map(Asn),
            bgp_peering_address: peer.filter(|_| speaks),
            site: Some(site_id.clone()),
            ..LocalNetworkGateway::default()
        });
        if speaks {
            for (prefixes, path) in by_path(site, announced, &[]) {
                self.advertise(&site_id, Advertisement::new(&connection, prefixes, path));
            }
        }
    }

    /// An appliance is the far end: what it announces is declared at the gateway.
    fn join_nva(&mut self, gate: usize, nva: usize, used: &mut BTreeSet<String>) {
        let given = self.given;
        let Some(nva) = given.nvas.get(nva) else { return };
        let statics = self.local_prefixes(&[&nva.name], gate, used);
        let (local, connection) = self.local_gateway(gate, &nva.name);
        self.set_bgp(&connection, true);
        let peer = nva.bgp_source.addresses().chain(nva.loopback.addresses()).next();
        self.scene.document.upsert(LocalNetworkGateway {
            id: local,
            address_prefixes: statics,
            asn: nva.asn.map(Asn),
            bgp_peering_address: peer,
            ..LocalNetworkGateway::default()
        });
        let routes: Vec<LearnedRoute> = nva
            .announced()
            .map(|prefix| LearnedRoute {
                next_hop: peer,
                connection: Some(connection.clone()),
                ..LearnedRoute::new(prefix, path_of_nva(nva, prefix))
            })
            .collect();
        let name = self.gateways[gate].name.clone();
        if let Some(gateway) = self.gateway_mut(&name) {
            gateway.learned_routes.extend(routes);
        }
    }

    /// One direction between two Azure gateways: as `Vnet2Vnet`, or as a site where local networks say so.
    fn between_gateways(
        &mut self,
        near: usize,
        far: usize,
        bgp: Option<bool>,
        instance: Option<IpAddr>,
        used: &mut BTreeSet<String>,
    ) {
        let (near_name, far_name) = (self.gateways[near].name.clone(), self.gateways[far].name.clone());
        let both_speak = self.gateways[near].asn.is_some() && self.gateways[far].asn.is_some();
        let bgp = bgp.unwrap_or(both_speak);
        let statics = self.local_prefixes(&[&far_name], near, used);
        if statics.is_empty() {
            let connection_id = id("connections", &format!("{near_name} to {far_name}"));
            let mut connection = Connection::new(
                connection_id.clone(),
                ConnectionType::Vnet2Vnet,
                gateway_id(&near_name),
                gateway_id(&far_name),
            );
            // A session with one instance of an active-active gateway: the model's flag means all of them, so the
            // spaces come without it and the one peer's address is declared (GWR-3).
            connection.enable_bgp = bgp && instance.is_none();
            self.scene.document.upsert(connection);
            let far_vnet = &self.gateways[far].vnet;
            let far_space = self.networks.iter().filter(|n| same(&n.name, far_vnet)).flat_map(|n| &n.space);
            let peer = instance.filter(|ip| bgp && far_space.clone().any(|net| net.contains(ip)));
            let path = self.gateways[far].asn.map(Asn);
            if let (Some(peer), Some(gateway)) = (peer, self.gateway_mut(&near_name)) {
                gateway.learned_routes.push(LearnedRoute {
                    connection: Some(connection_id),
                    ..LearnedRoute::new(IpNet::from(peer), path)
                });
            }
            return;
        }
        let (local, connection) = self.local_gateway(near, &far_name);
        self.set_bgp(&connection, bgp);
        let far_vnet = self.gateways[far].vnet.clone();
        let space = self.networks.iter().find(|n| same(&n.name, &far_vnet)).map(|n| n.space.clone());
        let space = space.unwrap_or_default();
        self.scene.document.upsert(LocalNetworkGateway {
            id: local,
            address_prefixes: statics,
            asn: self.gateways[far].asn.map(Asn),
            ..LocalNetworkGateway::default()
        });
        if !bgp {
            return;
        }
        // What the far gateway announces of its own: its network and those that use it (VPN-3).
        let path: Vec<Asn> = self.gateways[far].asn.map(Asn).into_iter().collect();
        let users = self.given.peerings.iter().filter(|p| p.use_remote_gateways == Some(true));
        let spokes: Vec<&str> = users.filter(|p| same(&p.to, &far_vnet)).map(|p| p.from.as_str()).collect();
        let of_spokes = self.networks.iter().filter(|n| spokes.iter().any(|s| same(s, &n.name)));
        let routes: Vec<LearnedRoute> = space
            .iter()
            .chain(of_spokes.flat_map(|n| &n.space))
            .map(|prefix| LearnedRoute {
                connection: Some(connection.clone()),
                ..LearnedRoute::new(*prefix, path.iter().copied())
            })
            .collect();
        if let Some(gateway) = self.gateway_mut(&near_name) {
            gateway.learned_routes.extend(routes);
        }
    }

    fn route_servers(&mut self) {
        let given = self.given;
        for (i, server) in given.route_server.iter().chain(given.route_servers.iter()).enumerate() {
            let Some(vnet) = self.server_home(server) else { continue };
            let name = server.name.clone().unwrap_or_else(|| format!("route server {}", i + 1));
            let mut made = RouteServer {
                id: id("routeServers", &name),
                virtual_network: vnet_id(&vnet),
                virtual_router_ips: server.ips.addresses().chain(server.ip.addresses()).collect(),
                allow_branch_to_branch_traffic: server.branch_to_branch,
                hub_routing_preference: Default::default(),
                bgp_connections: Vec::new(),
                learned_routes: Vec::new(),
            };
            for nva in given.nvas.iter() {
                let at_home = self.home(nva.vnet.as_deref(), nva.address()).as_deref() == Some(&vnet);
                let listed = server.peers.0.iter().any(|p| same(p, &nva.name));
                if !(listed || (server.peers.is_empty() && at_home)) {
                    continue;
                }
                let station = self.scene.places.stations.iter().find(|s| same(&s.name, &nva.name));
                let Some(address) = station.and_then(|s| s.address) else { continue };
                let asn = Asn(nva.asn.unwrap_or(65001));
                made.bgp_connections.push(BgpConnection {
                    name: nva.name.clone(),
                    peer_ip: address,
                    peer_asn: asn,
                });
                made.learned_routes.extend(nva.announced().map(|prefix| LearnedRoute {
                    next_hop: Some(address),
                    ..LearnedRoute::new(prefix, path_of_nva(nva, prefix))
                }));
            }
            self.scene.document.route_servers.push(made);
        }
    }

    fn hubs(&mut self) {
        let given = self.given;
        for hub in given.hubs.iter().filter(|h| !h.name.is_empty()) {
            let of_hub = |v: &&(&String, &super::schema::Vnet)| {
                v.1.hub_connection.as_deref().is_some_and(|h| same(h, &hub.name))
            };
            let connections = given
                .vnets
                .items
                .iter()
                .collect::<Vec<_>>()
                .iter()
                .filter(of_hub)
                .map(|(name, _)| HubVirtualNetworkConnection {
                    name: (*name).clone(),
                    remote_virtual_network: vnet_id(name),
                    enable_internet_security: true,
                })
                .collect();
            let ips: Words = hub
                .vpn_gateway
                .get("ips")
                .map_or_else(Words::default, |v| serde_json::from_value(v.clone()).unwrap_or_default());
            let printed: Vec<IpAddr> = hub.router_printed.addresses().chain(ips.addresses()).collect();
            let mut made = VirtualHub {
                id: id("hubs", &hub.name),
                address_prefix: hub.prefix.as_deref().and_then(prefix),
                location: Some("region".to_owned()),
                virtual_wan: None,
                hub_routing_preference: Default::default(),
                virtual_network_connections: connections,
                learned_routes: Vec::new(),
                route_next_hop_addresses: printed,
            };
            made.learned_routes.extend(hub.static_routes.iter().filter_map(learned));
            for site in given.on_prem.iter() {
                let here = site.via.0.iter().any(|v| same(v, &hub.name))
                    || hub.er_circuit.as_deref().is_some_and(|c| site.circuit.0.iter().any(|s| same(s, c)));
                if !here {
                    continue;
                }
                let over_circuit = !site.circuit.is_empty();
                let mut path: Vec<Asn> = path_of(site);
                let next_hop = if over_circuit { hub.msee_printed.addresses().next() } else { None };
                if over_circuit {
                    path.insert(0, Asn::MICROSOFT_EDGE);
                }
                let peers = site.bgp_ip.addresses().map(IpNet::from);
                let told = self.announced(site).into_iter().chain(peers);
                made.learned_routes.extend(told.map(|prefix| LearnedRoute {
                    next_hop,
                    ..LearnedRoute::new(prefix, path.iter().copied())
                }));
            }
            self.scene.document.virtual_hubs.push(made);
        }
    }

    /// What a supplement declares to be learned.
    fn supplements(&mut self) {
        let given = self.given;
        let mut declared: Vec<IpNet> = Vec::new();
        for gate in 0..self.gateways.len() {
            let name = self.gateways[gate].name.clone();
            let Some(given) = self.gateways[gate].index.and_then(|g| given.gateways.get(g)) else { continue };
            let mut routes: Vec<LearnedRoute> = given.learned.iter().filter_map(learned).collect();
            for route in &mut routes {
                route.connection = self.connection_of(gate, &route.as_path);
            }
            declared.extend(routes.iter().map(|r| r.prefix));
            if let Some(gateway) = self.gateway_mut(&name) {
                gateway.learned_routes.extend(routes);
            }
        }
        for (i, server) in given.route_server.iter().chain(given.route_servers.iter()).enumerate() {
            let routes: Vec<LearnedRoute> = server.learned.iter().filter_map(learned).collect();
            declared.extend(routes.iter().map(|r| r.prefix));
            if let Some(made) = self.scene.document.route_servers.get_mut(i) {
                made.learned_routes.extend(routes);
            }
        }
        for hub in given.hubs.iter() {
            let routes: Vec<LearnedRoute> = hub.learned.iter().filter_map(learned).collect();
            declared.extend(routes.iter().map(|r| r.prefix));
            let hub_id = id("hubs", &hub.name);
            if let Some(made) = self.scene.document.virtual_hubs.iter_mut().find(|h| h.id == hub_id) {
                made.learned_routes.extend(routes);
            }
        }
        self.scene.declared = declared.into_iter().collect();
        for overlay in given.overlays.iter() {
            self.scene.document.overlay_tunnels.push(OverlayTunnel {
                id: id("overlayTunnels", &format!("{} - {}", overlay.a, overlay.b)),
                a: TunnelEnd { node: nva_id(&overlay.a), prefixes: overlay.behind_a.prefixes().collect() },
                b: TunnelEnd { node: nva_id(&overlay.b), prefixes: overlay.behind_b.prefixes().collect() },
                encrypted: true,
            });
        }
        for site in given.on_prem.iter() {
            let me = site_id(site);
            let document = &self.scene.document;
            let circuits = document
                .express_route_circuits
                .iter()
                .filter(|c| c.primary.edge_router.as_ref() == Some(&me))
                .map(|c| OnPremisesNextHop::Circuit {
                    circuit: c.id.clone(),
                    peering: PeeringType::AzurePrivatePeering,
                    link: None,
                });
            let at = |c: &&Connection| {
                document.local_network_gateways.iter().any(|l| l.id == c.peer && l.site.as_ref() == Some(&me))
            };
            let connections =
                document.connections.iter().filter(at).map(|c| OnPremisesNextHop::Connection(c.id.clone()));
            let ways: Vec<OnPremisesNextHop> = circuits.chain(connections).collect();
            let mut routes = Vec::new();
            for prefix in site.learns.prefixes() {
                let learned = |way: &OnPremisesNextHop| OnPremisesRoute {
                    prefix,
                    next_hop: way.clone(),
                    local_preference: 100,
                };
                routes.extend(ways.iter().map(learned));
            }
            if let Some(made) = self.scene.document.on_premises_sites.iter_mut().find(|s| s.id == me) {
                made.routes.extend(routes);
            }
        }
    }

    /// The connection over which a gateway hears this path: that to the neighbour of its newest number.
    fn connection_of(&self, gate: usize, path: &[Asn]) -> Option<ResourceId> {
        let newest = path.first()?;
        let at = gateway_id(&self.gateways[gate].name);
        let document = &self.scene.document;
        let far = |c: &&Connection| {
            let local = document.local_network_gateways.iter().find(|l| l.id == c.peer).and_then(|l| l.asn);
            let remote = document.virtual_network_gateways.iter().find(|g| g.id == c.peer).map(|g| g.asn);
            local.or(remote) == Some(*newest)
        };
        let mut found = document.connections.iter().filter(|c| c.virtual_network_gateway == at).filter(far);
        found.next().map(|c| c.id.clone())
    }
}

fn learned(route: &Learned) -> Option<LearnedRoute> {
    let prefix = prefix(&route.prefix)?;
    let path = route.as_path.iter().copied().map(Asn);
    Some(LearnedRoute { next_hop: route.next_hop, ..LearnedRoute::new(prefix, path) })
}

fn path_of(site: &OnPrem) -> Vec<Asn> {
    let told: Vec<Asn> = site.as_path.numbers().map(Asn).collect();
    if told.is_empty() { site.asn.map(Asn).into_iter().collect() } else { told }
}

/// What a site announces, by AS path: prefixes on which it (or the edge of a circuit) prepends apart from the others.
fn by_path(site: &OnPrem, announced: Vec<IpNet>, edge: &[(IpNet, usize)]) -> Vec<(Vec<IpNet>, Vec<Asn>)> {
    let mut groups: Vec<(Vec<IpNet>, Vec<Asn>)> = Vec::new();
    for prefix in announced {
        let mut path = path_of(site);
        let more: usize =
            site.prepends.iter().chain(edge).filter(|(p, _)| *p == prefix).map(|(_, n)| n).sum();
        if let Some(own) = path.first().copied() {
            path.splice(0..0, std::iter::repeat_n(own, more));
        }
        match groups.iter_mut().find(|(_, p)| *p == path) {
            Some((prefixes, _)) => prefixes.push(prefix),
            None => groups.push((vec![prefix], path)),
        }
    }
    groups
}

fn path_of_nva(nva: &Nva, prefix: IpNet) -> Vec<Asn> {
    let asn = Asn(nva.asn.unwrap_or(65001));
    let more: usize = nva.prepends.iter().filter(|(p, _)| *p == prefix).map(|(_, n)| n).sum();
    vec![asn; 1 + more]
}

fn site_id(site: &OnPrem) -> ResourceId {
    id("sites", site.names().next().unwrap_or("site"))
}

fn gateway_id(name: &str) -> ResourceId {
    id("gateways", name)
}

pub(crate) fn nva_id(name: &str) -> ResourceId {
    id("appliances", name)
}

/// Space that no case uses: a part of 100.64.0.0/10.
fn spare(n: u8) -> IpNet {
    let ip = IpAddr::V4(std::net::Ipv4Addr::new(100, 127, n, 0));
    IpNet::new(ip, 24).unwrap_or_else(|_| IpNet::from(ip))
}
