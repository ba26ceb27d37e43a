//! The hybrid half of a document: gateways, circuits, VPN connections, Route Servers, hubs, and what they are declared to
//! have learned.

use std::collections::BTreeSet;

use std::net::IpAddr;

use azroute::model::bgp::{AsPath, BgpSession, BgpSpeaker, Origination, PathAttributes};
use azroute::model::{
    Advertisement, Asn, BgpConnection, CircuitPeering, Connection, ConnectionType, ExpressRouteCircuit,
    GatewayType, HubNextHop, HubRoute, HubRouteTable, HubVirtualNetworkConnection, LearnedRoute,
    LocalNetworkGateway, OnPremisesNextHop, OnPremisesRoute, OnPremisesSite, OverlayTunnel, PeeringType,
    ResourceId, RouteServer, TunnelEnd, VirtualHub, VirtualNetworkGateway,
};
use ipnet::IpNet;

use super::places::{bare, id, vnet_id};
use super::schema::{Learned, Nva, OnPrem, Words, prefix};
use super::translate::{Reading, Translator, gateway_id, nva_id, same, site_id};

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Gateway(usize),
    Site(usize),
    Nva(usize),
    Circuit(usize),
}

impl Translator<'_> {
    pub(crate) fn add_gateways(&mut self, reading: Reading) {
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

    pub(crate) fn circuits(&mut self) {
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
                    tenant: None,
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

    pub(crate) fn vpn(&mut self) {
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

    /// An appliance is the far end. With a number of its own it is a speaker, else what it announces is declared at the
    /// gateway.
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
            site: Some(nva_id(&nva.name)),
            ..LocalNetworkGateway::default()
        });
        if nva.asn.is_some() {
            self.speaker_of_nva(nva);
            let id = id("sessions", &format!("{} {connection}", nva.name));
            let session = BgpSession::new(id, nva_id(&nva.name), connection);
            self.scene.document.bgp_sessions.push(session);
            return;
        }
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

    /// An appliance as a BGP speaker, with what it announces.
    fn speaker_of_nva(&mut self, nva: &Nva) {
        let id = nva_id(&nva.name);
        if self.scene.document.bgp_speakers.iter().any(|s| s.id == id) {
            return;
        }
        let originate = nva.announced().map(|prefix| Origination {
            prefixes: vec![prefix],
            attributes: PathAttributes {
                as_path: AsPath::sequence(path_of_nva(nva, prefix).into_iter().skip(1)),
                ..PathAttributes::default()
            },
            policies: Vec::new(),
        });
        self.scene.document.bgp_speakers.push(BgpSpeaker {
            id,
            asn: Asn(nva.asn.unwrap_or(65001)),
            originate: originate.collect(),
            ..BgpSpeaker::default()
        });
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

    pub(crate) fn route_servers(&mut self) {
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
                let speaker = nva_id(&nva.name);
                if self.scene.document.bgp_speakers.iter().any(|s| s.id == speaker) {
                    let session_id = id("sessions", &format!("{} {name}", nva.name));
                    let mut session = BgpSession::new(session_id, speaker, made.id.clone());
                    session.a.addresses = vec![address];
                    self.scene.document.bgp_sessions.push(session);
                    continue;
                }
                made.learned_routes.extend(nva.announced().map(|prefix| LearnedRoute {
                    next_hop: Some(address),
                    ..LearnedRoute::new(prefix, path_of_nva(nva, prefix))
                }));
            }
            self.scene.document.route_servers.push(made);
        }
    }

    pub(crate) fn hubs(&mut self) {
        let given = self.given;
        let wan = (given.hubs.iter().filter(|h| !h.name.is_empty()).count() > 1).then(|| id("wans", "wan"));
        let preference = given.extra.get("hub_routing_preference").and_then(serde_json::Value::as_str);
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
                .map(|(name, _)| HubVirtualNetworkConnection::new((*name).clone(), vnet_id(name)))
                .collect();
            let static_route = |(n, route): (usize, &Learned)| {
                let address = route.next_hop?;
                let destinations = vec![prefix(&route.prefix)?];
                let next_hop = HubNextHop::IpAddress(address);
                Some(HubRoute { name: format!("route {n}"), destinations, next_hop })
            };
            let routes: Vec<HubRoute> =
                hub.static_routes.iter().enumerate().filter_map(static_route).collect();
            let mut made = VirtualHub {
                id: id("hubs", &hub.name),
                address_prefix: hub.prefix.as_deref().and_then(prefix),
                location: Some("region".to_owned()),
                virtual_wan: wan.clone(),
                virtual_network_connections: connections,
                route_next_hop_addresses: hub.router_printed.addresses().collect(),
                ..VirtualHub::default()
            };
            if let Some(found) = preference.and_then(|p| serde_json::from_value(p.into()).ok()) {
                made.hub_routing_preference = found;
            }
            if !routes.is_empty() {
                let name = VirtualHub::DEFAULT_ROUTE_TABLE.to_owned();
                made.route_tables.push(HubRouteTable { name, labels: Vec::new(), routes });
            }
            self.scene.document.virtual_hubs.push(made);
            if let Some(circuit) = &hub.er_circuit {
                self.hub_circuit(hub, circuit);
            }
            self.hub_sites(hub);
        }
    }

    /// A hub's circuit, with the sites behind it. Hubs may share one.
    fn hub_circuit(&mut self, hub: &super::schema::Hub, circuit: &str) {
        let given = self.given;
        let circuit_id = id("circuits", circuit);
        if self.scene.document.express_route_circuits.iter().all(|c| c.id != circuit_id) {
            let mut made = ExpressRouteCircuit::new(circuit_id.clone());
            made.peerings.push(CircuitPeering::new(PeeringType::AzurePrivatePeering));
            made.peering_location = Some(circuit.to_owned());
            if given.extra.get("global_reach").and_then(serde_json::Value::as_bool) == Some(true) {
                let others = given.hubs.iter().filter_map(|h| h.er_circuit.as_deref());
                made.global_reach = others.filter(|c| !same(c, circuit)).map(|c| id("circuits", c)).collect();
            }
            for site in given.on_prem.iter().filter(|s| s.circuit.0.iter().any(|c| same(c, circuit))) {
                let (announced, path) = (self.announced(site), path_of(site));
                let edge = self.site(site);
                made.primary.edge_router.get_or_insert_with(|| edge.clone());
                made.secondary.edge_router.get_or_insert_with(|| edge.clone());
                self.advertise(&edge, Advertisement::new(&circuit_id, announced, path));
            }
            self.scene.document.express_route_circuits.push(made);
        }
        let gateway_id = gateway_id(&format!("{} ER", hub.name));
        let mut gateway =
            VirtualNetworkGateway::new(gateway_id.clone(), id("hubs", &hub.name), GatewayType::ExpressRoute);
        gateway.route_next_hop_addresses = hub.msee_printed.addresses().collect();
        self.scene.document.virtual_network_gateways.push(gateway);
        let connection = id("connections", &format!("{} to {circuit}", hub.name));
        let connection = Connection::new(connection, ConnectionType::ExpressRoute, gateway_id, circuit_id);
        self.scene.document.connections.push(connection);
    }

    /// VPN sites of a hub.
    fn hub_sites(&mut self, hub: &super::schema::Hub) {
        let given = self.given;
        let ips: Words = hub
            .vpn_gateway
            .get("ips")
            .map_or_else(Words::default, |v| serde_json::from_value(v.clone()).unwrap_or_default());
        let sites: Vec<&OnPrem> =
            given.on_prem.iter().filter(|s| s.via.0.iter().any(|v| same(v, &hub.name))).collect();
        if sites.is_empty() {
            return;
        }
        let gateway_id = gateway_id(&format!("{} VPN", hub.name));
        let mut gateway =
            VirtualNetworkGateway::new(gateway_id.clone(), id("hubs", &hub.name), GatewayType::Vpn);
        gateway.enable_bgp = true;
        gateway.route_next_hop_addresses = ips.addresses().collect();
        self.scene.document.virtual_network_gateways.push(gateway);
        for site in sites {
            let (announced, path) = (self.announced(site), path_of(site));
            let me = self.site(site);
            let name = site.names().next().unwrap_or("site").to_owned();
            let local = id("localNetworkGateways", &format!("{name} at {}", hub.name));
            let connection = id("connections", &format!("{} to {name}", hub.name));
            self.scene.document.local_network_gateways.push(LocalNetworkGateway {
                id: local.clone(),
                asn: site.asn.map(Asn),
                bgp_peering_address: site.bgp_ip.addresses().next(),
                site: Some(me.clone()),
                ..LocalNetworkGateway::default()
            });
            let mut made =
                Connection::new(connection.clone(), ConnectionType::IPsec, gateway_id.clone(), local);
            made.enable_bgp = true;
            self.scene.document.connections.push(made);
            self.advertise(&me, Advertisement::new(&connection, announced, path));
        }
    }

    /// What a supplement declares to be learned.
    pub(crate) fn supplements(&mut self) {
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
                    tenant: None,
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
