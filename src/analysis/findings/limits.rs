//! The limits of section 25 that a declared design can exceed.

use std::collections::{BTreeMap, HashMap, HashSet};

use ipnet::IpNet;

use super::{FindingCode, Lint, Severity, is_gateway_subnet};
use crate::model::{
    AddressPrefix, Advertisement, Asn, ConnectionType, Entity, GatewayType, LinkRole, PeeringType,
    ResourceId, limits,
};
use crate::rule::Rule;

/// Whether this many are nine tenths of a limit or more, and not over it.
fn near(count: usize, limit: usize) -> bool {
    count <= limit && count * 10 >= limit * 9
}

/// The subscription of a full Azure id.
fn subscription(id: &ResourceId) -> Option<String> {
    let mut parts = id.as_str().split('/').skip_while(|part| !part.eq_ignore_ascii_case("subscriptions"));
    parts.nth(1).map(str::to_ascii_lowercase)
}

fn fold(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect()
}

impl<'n> Lint<'n> {
    pub(super) fn limits(&mut self) {
        self.route_tables();
        self.networks();
        self.addresses();
        self.security_groups();
        self.gateway_limits();
        self.circuit_limits();
        let by_target = self.advertisements();
        self.session_limits(&by_target);
        self.connection_limits(&by_target);
        self.route_server_limits();
        self.hub_limits();
        for nat in &self.document.nat_gateways {
            let count = nat.public_ip_addresses.len();
            if count > 16 {
                let message = format!("{count} public addresses, a NAT gateway takes 16");
                self.add(FindingCode::NatGatewayAddresses, Severity::Error, &nat.id, Rule::OUT_1, message);
            }
        }
    }

    /// VWAN-16: address spaces that are connected to a hub with routing intent; other hubs' do not count.
    fn hub_limits(&mut self) {
        for hub in self.document.virtual_hubs.iter().filter(|hub| hub.routing_intent.is_some()) {
            let spaces = hub.virtual_network_connections.iter();
            let count: usize = spaces
                .filter_map(|c| self.vnet(&c.remote_virtual_network))
                .map(|v| self.document.virtual_networks[v].address_space.len())
                .sum();
            let severity = if count > 600 { Severity::Error } else { Severity::Warning };
            if count > 540 {
                let message =
                    format!("{count} address spaces, a hub with routing intent takes 600 (nine tenths: 540)");
                self.add(FindingCode::HubAddressSpaces, severity, &hub.id, Rule::VWAN_16, message);
            }
        }
    }

    /// UDR-18 by era, UDR-10.
    fn route_tables(&mut self) {
        let era_limit = self.topology.era().routes_per_table();
        let (first, most, how) = match era_limit {
            400 if !self.since(2017, 1, 1) => (100, 400, "raised on request"),
            400 => (400, 400, ""),
            limit => (limit, 1_000, "managed by a network manager"),
        };
        for table in &self.document.route_tables {
            let count = table.routes.len();
            if count > most {
                let message = format!("{count} user-defined routes, a table holds at most {most}");
                self.add(FindingCode::RoutesPerTable, Severity::Error, &table.id, Rule::UDR_18, message);
            } else if count > first {
                let message = format!(
                    "{count} user-defined routes, a table holds {first}, and {most} only where {how}"
                );
                self.add(FindingCode::RoutesPerTable, Severity::Warning, &table.id, Rule::UDR_18, message);
            }
            let tags = table
                .routes
                .iter()
                .filter(|r| matches!(r.address_prefix, AddressPrefix::ServiceTag(_)))
                .count();
            if tags > 25 {
                let message = format!("{tags} routes for service tags, a table holds at most 25");
                let code = FindingCode::ServiceTagRoutesPerTable;
                self.add(code, Severity::Error, &table.id, Rule::UDR_10, message);
            }
        }
    }

    fn networks(&mut self) {
        let mut per_region: BTreeMap<(String, String), usize> = BTreeMap::new();
        for vnet in &self.document.virtual_networks {
            for (code, what, count, limit) in [
                (FindingCode::SubnetsPerNetwork, "subnets", vnet.subnets.len(), 3_000),
                (FindingCode::PeeringsPerNetwork, "peerings", vnet.peerings.len(), 500),
            ] {
                if count > limit {
                    let message = format!("{count} {what}, a virtual network has at most {limit}");
                    self.add(code, Severity::Error, &vnet.id, None, message);
                }
            }
            if let (Some(subscription), Some(location)) = (subscription(&vnet.id), &vnet.location) {
                *per_region.entry((subscription, fold(location))).or_default() += 1;
            }
            for subnet in &vnet.subnets {
                for prefix in &subnet.address_prefixes {
                    if prefix.addr().is_ipv6() && prefix.prefix_len() != 64 {
                        let message = format!("{prefix}: an IPv6 subnet is exactly a /64");
                        let id = vnet.subnet_id(&subnet.name);
                        let code = FindingCode::Ipv6SubnetSize;
                        self.add(code, Severity::Error, id, Rule::V6_1, message);
                    }
                }
            }
        }
        for ((subscription, location), count) in per_region {
            if count > 1_000 {
                let message = format!("{count} virtual networks in {location}, at most 1000 are accepted");
                let id = format!("/subscriptions/{subscription}");
                self.add(FindingCode::NetworksPerSubscription, Severity::Error, id, None, message);
            }
        }
    }

    /// Private addresses of each network, and of it with its peers.
    fn addresses(&mut self) {
        let mut of_network = vec![0_usize; self.document.virtual_networks.len()];
        for ((v, _), nics) in self.sorted_nics() {
            for n in nics {
                of_network[v] += self.document.network_interfaces[*n].ip_configurations.len();
            }
        }
        for (v, vnet) in self.document.virtual_networks.iter().enumerate() {
            let peers = vnet.peerings.iter().filter_map(|p| self.vnet(&p.remote_virtual_network));
            let group = of_network[v] + peers.map(|far| of_network[far]).sum::<usize>();
            for (what, count, limit) in
                [("", of_network[v], 65_536), (" with those of its peers", group, 128_000)]
            {
                if count > limit {
                    let message = format!("{count} private addresses{what}, at most {limit} are accepted");
                    self.add(FindingCode::AddressesPerNetwork, Severity::Error, &vnet.id, None, message);
                }
            }
        }
    }

    fn sorted_nics(&self) -> BTreeMap<(usize, usize), &Vec<usize>> {
        self.nics.iter().map(|(at, nics)| (*at, nics)).collect()
    }

    fn security_groups(&mut self) {
        for group in &self.document.network_security_groups {
            let count = group.security_rules.len();
            if count > 1_000 {
                let message = format!("{count} rules, a security group holds at most 1000");
                self.add(FindingCode::RulesPerSecurityGroup, Severity::Error, &group.id, None, message);
            }
            let mut seen = HashMap::new();
            for rule in &group.security_rules {
                for side in [&rule.source_address_prefixes, &rule.destination_address_prefixes] {
                    if side.len() > 4_000 {
                        let message = format!(
                            "rule `{}` lists {} addresses on one side, at most 4000 are accepted",
                            rule.name,
                            side.len()
                        );
                        let code = FindingCode::AddressesPerSecurityRule;
                        self.add(code, Severity::Error, &group.id, None, message);
                    }
                }
                if let Some(first) = seen.insert((rule.direction, rule.priority), &rule.name) {
                    let message = format!(
                        "`{first}` and `{}` are both {} rules of priority {}",
                        rule.name, rule.direction, rule.priority
                    );
                    let code = FindingCode::DuplicateRulePriority;
                    self.add(code, Severity::Error, &group.id, Rule::NSG_2, message);
                }
            }
        }
    }

    /// One gateway of a kind a network, circuits by SKU and place (ER-18), the size of `GatewaySubnet` (COEX-6).
    fn gateway_limits(&mut self) {
        let mut circuits: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for connection in &self.document.connections {
            if let (Some(Entity::Gateway(g)), Some(Entity::Circuit(c))) = (
                self.topology.entity(&connection.virtual_network_gateway),
                self.topology.entity(&connection.peer),
            ) && connection.connection_type == ConnectionType::ExpressRoute
            {
                circuits.entry(g).or_default().push(c);
            }
        }
        for all in circuits.values_mut() {
            all.sort_unstable();
            all.dedup();
        }
        let mut of_network: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (g, gateway) in self.document.virtual_network_gateways.iter().enumerate() {
            if let Some(v) = self.vnet(&gateway.virtual_network) {
                of_network.entry(v).or_default().push(g);
            }
        }
        for (v, gateways) in of_network {
            let of_type = |wanted: GatewayType| {
                gateways
                    .iter()
                    .filter(|g| self.document.virtual_network_gateways[**g].gateway_type == wanted)
                    .count()
            };
            let (vpn, express_route) = (of_type(GatewayType::Vpn), of_type(GatewayType::ExpressRoute));
            let id = &self.document.virtual_networks[v].id;
            for (count, word) in [(vpn, "VPN"), (express_route, "ExpressRoute")] {
                if count > 1 {
                    let message = format!("{count} {word} gateways, a virtual network has at most one");
                    self.add(FindingCode::GatewaysPerNetwork, Severity::Error, id, None, message);
                }
            }
            let most =
                gateways.iter().filter_map(|g| circuits.get(g)).map(Vec::len).max().unwrap_or_default();
            self.gateway_subnet_size(v, vpn > 0, express_route > 0, most);
        }
        for (g, circuits) in circuits {
            let gateway = &self.document.virtual_network_gateways[g];
            let limit = limits::circuits(gateway.sku.as_deref());
            let (code, count) = (FindingCode::CircuitsPerGateway, circuits.len());
            if count > limit {
                let message = format!("{count} circuits, the gateway takes at most {limit}");
                self.add(code, Severity::Error, &gateway.id, Rule::ER_18, message);
            }
            let mut places: BTreeMap<String, usize> = BTreeMap::new();
            for c in circuits {
                if let Some(place) = &self.document.express_route_circuits[c].peering_location {
                    *places.entry(fold(place)).or_default() += 1;
                }
            }
            for (place, count) in places {
                let limit = limits::CIRCUITS_OF_A_LOCATION;
                if count > limit {
                    let message = format!(
                        "{count} circuits of the peering location {place}, at most {limit} are accepted"
                    );
                    self.add(code, Severity::Error, &gateway.id, Rule::ER_18, message);
                }
            }
        }
    }

    fn gateway_subnet_size(&mut self, v: usize, vpn: bool, express_route: bool, circuits: usize) {
        let vnet = &self.document.virtual_networks[v];
        let Some(s) = vnet.subnets.iter().position(is_gateway_subnet) else { return };
        let Some(prefix) = vnet.subnets[s].address_prefixes.iter().find(|p| p.addr().is_ipv4()) else {
            return;
        };
        let (severity, rule, needed) = match prefix.prefix_len() {
            30.. => (Severity::Error, None, "a gateway needs a /29 at least, a /27 is recommended"),
            28.. if vpn && express_route => {
                (Severity::Error, Some(Rule::COEX_6), "ExpressRoute beside VPN needs a /27 or larger")
            }
            28.. if express_route => {
                (Severity::Warning, Some(Rule::COEX_6), "ExpressRoute gateways need a /27 or larger")
            }
            28.. => (Severity::Info, None, "a /27 or larger is recommended"),
            27 if circuits > 8 => (Severity::Warning, Some(Rule::ER_18), "16 circuits need a /26 or larger"),
            _ => return,
        };
        let message = format!("{prefix}: {needed}");
        let id = self.subnet_id(v, s);
        self.add(FindingCode::GatewaySubnetSize, severity, id, rule, message);
    }

    /// Links by SKU and bandwidth (ER-19, ER-15), bandwidths (BW-1), circuits a subscription.
    fn circuit_limits(&mut self) {
        let mut linked: HashMap<usize, HashSet<&ResourceId>> = HashMap::new();
        for connection in &self.document.connections {
            if let Some(Entity::Circuit(c)) = self.topology.entity(&connection.peer) {
                let network = match self.topology.virtual_network_gateway(&connection.virtual_network_gateway)
                {
                    Some(gateway) => &gateway.virtual_network,
                    None => &connection.virtual_network_gateway,
                };
                linked.entry(c).or_default().insert(network);
            }
        }
        let mut reached: HashMap<usize, HashSet<usize>> = HashMap::new();
        for (c, circuit) in self.document.express_route_circuits.iter().enumerate() {
            for far in &circuit.global_reach {
                if let Some(Entity::Circuit(far)) = self.topology.entity(far) {
                    reached.entry(c).or_default().insert(far);
                    reached.entry(far).or_default().insert(c);
                }
            }
        }
        let mut per_subscription: BTreeMap<String, usize> = BTreeMap::new();
        for (c, circuit) in self.document.express_route_circuits.iter().enumerate() {
            if let Some(subscription) = subscription(&circuit.id) {
                *per_subscription.entry(subscription).or_default() += 1;
            }
            let networks = linked.get(&c).map_or(0, HashSet::len);
            let reach = reached.get(&c).map_or(0, HashSet::len);
            let limit = limits::links(circuit);
            if networks + reach > limit {
                let message = format!(
                    "{networks} virtual networks and {reach} circuits of Global Reach are linked, at most \
                     {limit} links are accepted"
                );
                self.add(FindingCode::LinksPerCircuit, Severity::Error, &circuit.id, Rule::ER_19, message);
            }
            if let Some(mbps) = circuit.bandwidth_in_mbps {
                let provider = limits::PROVIDER_BANDWIDTHS.contains(&mbps);
                let direct = limits::DIRECT_BANDWIDTHS.contains(&mbps);
                let message = match (provider, direct, circuit.service_provider_name.is_some()) {
                    (true, ..) | (_, true, false) => continue,
                    (_, true, true) => format!("{mbps} Mbps need ExpressRoute Direct, not a provider"),
                    _ => format!("no circuit has a bandwidth of {mbps} Mbps"),
                };
                self.add(FindingCode::CircuitBandwidth, Severity::Warning, &circuit.id, Rule::BW_1, message);
            }
        }
        for (subscription, count) in per_subscription {
            let limit = limits::CIRCUITS_PER_SUBSCRIPTION;
            if count > limit {
                let message = format!("{count} circuits, a subscription holds at most {limit}");
                let id = format!("/subscriptions/{subscription}");
                self.add(FindingCode::CircuitsPerSubscription, Severity::Error, id, None, message);
            }
        }
    }

    fn advertisements(&self) -> HashMap<&'n ResourceId, Vec<&'n Advertisement>> {
        let mut found: HashMap<&ResourceId, Vec<&Advertisement>> = HashMap::new();
        for advertisement in self.document.on_premises_sites.iter().flat_map(|site| &site.advertisements) {
            found.entry(&advertisement.over).or_default().push(advertisement);
        }
        found
    }

    /// Prefixes from on-premises over circuits, where they come near a limit (ER-4, MSP-5, PUB-5). What is over it is an
    /// event of the control plane.
    fn session_limits(&mut self, by_target: &HashMap<&ResourceId, Vec<&Advertisement>>) {
        for circuit in &self.document.express_route_circuits {
            let Some(told) = by_target.get(&circuit.id) else { continue };
            for peering in circuit.peerings.iter().filter(|p| p.enabled) {
                let rule = match peering.peering_type {
                    PeeringType::AzurePrivatePeering => Rule::ER_4,
                    PeeringType::AzurePublicPeering => Rule::PUB_5,
                    PeeringType::MicrosoftPeering => Rule::MSP_5,
                };
                let most_of = |ipv6| limits::accepted_prefixes(circuit.sku_tier, peering.peering_type, ipv6);
                let accepted = [most_of(false), most_of(true)];
                let word = peering.peering_type.as_str();
                let mut most = [0_usize; 2];
                for link in LinkRole::BOTH.into_iter().filter(|link| circuit.link(*link).up) {
                    let prefixes: HashSet<IpNet> = told
                        .iter()
                        .filter(|a| a.peering == peering.peering_type)
                        .filter(|a| a.link.is_none_or(|only| only == link))
                        .filter(|a| !a.as_path.contains(&Asn::MICROSOFT_EDGE))
                        .flat_map(|a| a.prefixes.iter().map(IpNet::trunc))
                        .collect();
                    let v6 = prefixes.iter().filter(|p| p.addr().is_ipv6()).count();
                    most = [most[0].max(prefixes.len() - v6), most[1].max(v6)];
                }
                for (count, (limit, family)) in
                    most.into_iter().zip(accepted.into_iter().zip(["IPv4", "IPv6"]))
                {
                    if near(count, limit) {
                        let message = format!("{count} of {limit} {family} prefixes on {word} are used");
                        let code = FindingCode::PrefixLimitNear;
                        self.add(code, Severity::Info, &circuit.id, rule, message);
                    }
                }
            }
        }
    }

    /// Prefixes towards on-premises (ER-5) and over VPN connections (VPN-4).
    fn connection_limits(&mut self, by_target: &HashMap<&ResourceId, Vec<&Advertisement>>) {
        let mut served: HashMap<usize, [usize; 2]> = HashMap::new();
        for (v, subscription) in self.plane.subscriptions.iter().enumerate() {
            let Some(subscription) = subscription else { continue };
            let space = &self.document.virtual_networks[v].address_space;
            let v6 = space.iter().filter(|p| p.addr().is_ipv6()).count();
            let count = served.entry(subscription.domain).or_default();
            *count = [count[0] + space.len() - v6, count[1] + v6];
        }
        for (d, domain) in self.plane.domains.iter().enumerate() {
            let counts = served.get(&d).copied().unwrap_or_default();
            for g in &domain.express_route {
                for (count, (limit, family)) in counts
                    .into_iter()
                    .zip([(limits::ADVERTISED_PREFIXES, "IPv4"), (limits::ADVERTISED_PREFIXES_IPV6, "IPv6")])
                {
                    if near(count, limit) {
                        let message =
                            format!("{count} of {limit} {family} prefixes towards on-premises are used");
                        let id = &self.document.virtual_network_gateways[*g].id;
                        let code = FindingCode::PrefixLimitNear;
                        self.add(code, Severity::Info, id, Rule::ER_5, message);
                    }
                }
            }
        }
        for connection in &self.document.connections {
            if connection.connection_type != ConnectionType::IPsec || !connection.enable_bgp {
                continue;
            }
            let prefixes: HashSet<IpNet> = [&connection.id, &connection.peer]
                .into_iter()
                .filter_map(|over| by_target.get(over))
                .flatten()
                .flat_map(|a| a.prefixes.iter().map(IpNet::trunc))
                .collect();
            if near(prefixes.len(), limits::VPN_PREFIXES) {
                let (count, limit) = (prefixes.len(), limits::VPN_PREFIXES);
                let message = format!("{count} of {limit} prefixes over the connection are used");
                let code = FindingCode::PrefixLimitNear;
                self.add(code, Severity::Info, &connection.id, Rule::VPN_4, message);
            }
        }
    }

    /// ARS-12.
    fn route_server_limits(&mut self) {
        let early = !self.since(2022, 1, 1);
        for (r, server) in self.document.route_servers.iter().enumerate() {
            let peers = server.bgp_connections.len();
            if peers > limits::ROUTE_SERVER_PEERS {
                let limit = limits::ROUTE_SERVER_PEERS;
                let message = format!("{peers} BGP peers, a Route Server has at most {limit}");
                self.add(FindingCode::RouteServerPeers, Severity::Error, &server.id, Rule::ARS_12, message);
            }
            let mut by_peer: BTreeMap<_, usize> = BTreeMap::new();
            for route in &server.learned_routes {
                if let Some(peer) = route.next_hop {
                    *by_peer.entry(peer).or_default() += 1;
                }
            }
            for (peer, count) in by_peer {
                let (then, now) = (limits::ROUTE_SERVER_ROUTES_2021, limits::ROUTE_SERVER_ROUTES);
                let limit = if early { then } else { now };
                if near(count, limit) {
                    let message = format!("{count} of {limit} routes from {peer} are used");
                    let code = FindingCode::PrefixLimitNear;
                    self.add(code, Severity::Info, &server.id, Rule::ARS_12, message);
                } else if early && count > then && count <= now {
                    let message = format!("{count} routes from {peer}, at most {then} were accepted in 2021");
                    let code = FindingCode::PrefixLimit;
                    self.add(code, Severity::Warning, &server.id, Rule::ARS_12, message);
                }
            }
            let Some(d) = self.plane.domains.iter().position(|d| d.route_server == Some(r)) else { continue };
            let takes = |v: usize| self.plane.subscriptions[v].is_some_and(|s| s.domain == d);
            let machines: usize =
                self.sorted_nics().iter().filter(|((v, _), _)| takes(*v)).map(|(_, nics)| nics.len()).sum();
            let limit = limits::ROUTE_SERVER_MACHINES;
            if machines > limit {
                let message =
                    format!("{machines} interfaces, a Route Server is made for about {limit} machines");
                let code = FindingCode::RouteServerMachines;
                self.add(code, Severity::Warning, &server.id, Rule::ARS_12, message);
            }
        }
    }
}
