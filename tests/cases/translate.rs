//! From a case's words to a [`Document`]: what is given is stated, what is missing is filled in and told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use azroute::model::{
    AddressPrefix, AzureFirewall, Backend, Document, FrontendIpConfiguration, LoadBalancer, NetworkInterface,
    NetworkSecurityGroup, NetworkVirtualAppliance, NoneProfile, OnPremisesSite, OverlayTunnel,
    PrivateEndpoint, PrivateEndpointNetworkPolicies, ResourceId, RouteNextHopType, RouteTable,
    ServiceEndpoint, Snat, Subnet, TunnelEnd, UserDefinedRoute, VirtualNetwork, VirtualNetworkPeering,
};
use ipnet::IpNet;
use serde::Deserialize;

use super::places::{Places, Position, Spot, Station, host, id, vnet_id};
use super::schema::{Given, Nva, OnPrem, Vms, Words, prefix};
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
    /// What words mean in a document that a supplement states.
    pub(crate) terms: Terms,
}

/// What the words of a case mean in a document that a supplement states.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Terms {
    /// Places: an id, `service:address`, `internet:address`; on paths also `microsoft` and `internet`.
    #[serde(default)]
    pub(crate) places: BTreeMap<String, String>,
    /// Destinations.
    #[serde(default)]
    pub(crate) addresses: BTreeMap<String, IpAddr>,
    /// Who stands behind a destination that a translation made.
    #[serde(default)]
    pub(crate) behind: BTreeMap<String, String>,
}

/// The prefix that stands for the prefixes of a service whose endpoint is on.
pub(crate) const SERVICE: &str = "203.0.113.0/24";

pub(crate) fn same(a: &str, b: &str) -> bool {
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

pub(crate) struct Network {
    pub(crate) name: String,
    pub(crate) space: Vec<IpNet>,
    region: String,
}

pub(crate) struct Gate {
    pub(crate) name: String,
    pub(crate) vnet: String,
    pub(crate) express_route: bool,
    pub(crate) asn: Option<u32>,
    pub(crate) index: Option<usize>,
}

pub(crate) struct Translator<'a> {
    pub(crate) given: &'a Given,
    pub(crate) moment: &'a Moment,
    pub(crate) scene: Scene,
    pub(crate) networks: Vec<Network>,
    pub(crate) gateways: Vec<Gate>,
}

impl Translator<'_> {
    pub(crate) fn assume(&mut self, text: impl Into<String>) {
        self.scene.assumptions.insert(text.into());
    }

    pub(crate) fn unused(&mut self, text: impl Into<String>) {
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

    pub(crate) fn network_named(&self, name: &str) -> Option<String> {
        self.networks.iter().find(|n| same(&n.name, name)).map(|n| n.name.clone())
    }

    /// The network a part belongs to: as named, by its address, or the only one.
    pub(crate) fn home(&self, name: Option<&str>, ip: Option<IpAddr>) -> Option<String> {
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
    pub(crate) fn links(&self, circuit: &super::schema::Circuit) -> Vec<String> {
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
    pub(crate) fn express_route_gateway(&mut self, name: &str) -> Option<usize> {
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

    pub(crate) fn server_home(&self, server: &super::schema::RouteServer) -> Option<String> {
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
                // Dual-stack networks: every subnet has a /64 as well (V6-1).
                let six = network.space.iter().find(|net| net.addr().is_ipv6() && net.prefix_len() <= 64);
                if let (true, Some(six)) = (prefix.addr().is_ipv4(), six) {
                    let block = six.subnets(64).ok().and_then(|mut blocks| blocks.nth(vnet.subnets.len()));
                    subnet.address_prefixes.extend(block);
                }
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
}

pub(crate) fn site_id(site: &OnPrem) -> ResourceId {
    id("sites", site.names().next().unwrap_or("site"))
}

pub(crate) fn gateway_id(name: &str) -> ResourceId {
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
