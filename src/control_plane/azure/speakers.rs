//! Who speaks in Azure, and with whom.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use super::super::LearnedOver;
use super::super::on_premises::{may_join, microsoft_prefixes};
use super::{AzureSession, Use, Wiring, hub_of, msee};
use super::{numbers, policies};
use crate::model::bgp::{
    AddressFamily, AsPath, BgpDesign, BgpSession, BgpSpeaker, Communities, Community, DefaultPolicy,
    Origination, PathAttributes, Profile, SessionEnd,
};
use crate::model::{
    Advertisement, Asn, CircuitPeering, Connection, ConnectionType, Entity, ExpressRouteCircuit, GatewayType,
    HubRoutingPreference, LinkRole, PeeringType, ResourceId, Topology, VirtualNetworkGateway, VpnType,
};

/// The number of stand-ins for sites: it never shows, since they are transparent.
pub(super) const DECLARED: Asn = Asn(4_294_967_294);

/// What a gateway knows by itself stands against all that it learns.
const OWN_WEIGHT: u32 = 65_535;

pub(super) const FAMILIES: [AddressFamily; 2] = [AddressFamily::Ipv4Unicast, AddressFamily::Ipv6Unicast];

/// What Azure's speakers are made of.
pub(crate) struct Azure<'t> {
    pub(in super::super) topology: &'t Topology,
    /// Networks that each gateway advertises, its own first.
    pub(in super::super) served: &'t BTreeMap<usize, Vec<usize>>,
    /// Networks that take routes from each Route Server, its own among them.
    pub(in super::super) of_server: &'t BTreeMap<usize, Vec<usize>>,
    /// By connection to a circuit: whether it carries routes (ISO-2, ER-5).
    pub(in super::super) carries: &'t [bool],
    /// By gateway: whether networks of its circuits may use it (ER-12).
    pub(in super::super) lets_in: &'t [bool],
}

/// The part of a design that a document's sessions attach to.
pub(crate) struct Declared {
    pub(in super::super) wiring: Wiring,
    /// For sites' declared advertisements, by what they go over.
    told: HashMap<ResourceId, Vec<Advertisement>>,
}

/// Whether a gateway runs BGP (VPN-1).
pub(super) fn speaks(gateway: &VirtualNetworkGateway) -> bool {
    gateway.vpn_type == VpnType::RouteBased
        && !gateway.sku.as_deref().is_some_and(|sku| sku.eq_ignore_ascii_case("Basic"))
}

impl Azure<'_> {
    /// Whether anything in the topology speaks BGP for Azure.
    pub(in super::super) fn speaks(&self) -> bool {
        let document = self.topology.document();
        !(document.express_route_circuits.is_empty()
            && document.virtual_network_gateways.is_empty()
            && document.route_servers.is_empty()
            && document.virtual_hubs.is_empty())
    }

    /// Adds Azure's speakers and the sessions among them.
    pub(in super::super) fn join(&self, design: &mut BgpDesign) -> Declared {
        policies::common(&mut design.routing_policy);
        let mut declared = Declared { wiring: Wiring::default(), told: HashMap::new() };
        for advertisement in self.topology.document().on_premises_sites.iter().flat_map(|s| &s.advertisements)
        {
            declared.told.entry(advertisement.over.clone()).or_default().push(advertisement.clone());
        }
        self.edges(design);
        self.gateways(design, &mut declared.wiring);
        self.join_hubs(design, &mut declared.wiring);
        self.global_reach(design, &mut declared.wiring);
        self.servers(design, &mut declared.wiring);
        self.beside(design, &mut declared.wiring);
        declared
    }

    fn edges(&self, design: &mut BgpDesign) {
        for circuit in &self.topology.document().express_route_circuits {
            for peering in circuit.peerings.iter().filter(|p| p.enabled) {
                for link in LinkRole::BOTH {
                    let id = msee(&circuit.id, peering.peering_type, link);
                    let carried = || microsoft_prefixes(self.topology, circuit, peering.peering_type);
                    let originate = match peering.peering_type {
                        PeeringType::MicrosoftPeering => carried(),
                        // Tens of thousands of prefixes, for who hears them only.
                        PeeringType::AzurePublicPeering if self.listened_to(&id) => {
                            self.by_region(&carried())
                        }
                        PeeringType::AzurePublicPeering | PeeringType::AzurePrivatePeering => Vec::new(),
                    };
                    design.speakers.push(BgpSpeaker {
                        id,
                        asn: Asn::MICROSOFT_EDGE,
                        profile: Profile::AzureMsee,
                        originate,
                        ..BgpSpeaker::default()
                    });
                }
            }
        }
    }

    /// The routing preference of the Route Server beside a gateway.
    fn preference(&self, gateway: &VirtualNetworkGateway) -> Option<HubRoutingPreference> {
        let servers = &self.topology.document().route_servers;
        let beside = servers.iter().find(|s| s.virtual_network == gateway.virtual_network);
        beside.map(|s| s.hub_routing_preference)
    }

    fn space(&self, networks: Option<&Vec<usize>>) -> Vec<(usize, Vec<IpNet>)> {
        let document = self.topology.document();
        let of =
            |v: &usize| (*v, document.virtual_networks[*v].address_space.iter().map(IpNet::trunc).collect());
        networks.into_iter().flatten().map(of).collect()
    }

    /// Networks as announcements; those for private peering with the communities of each (ER-24).
    fn originations(&self, networks: Option<&Vec<usize>>, named: bool) -> Vec<Origination> {
        let document = self.topology.document();
        let origination = |(v, prefixes): (usize, Vec<IpNet>)| {
            let network = &document.virtual_networks[v];
            let communities = network.regional_bgp_community.iter().chain(&network.bgp_community);
            let told: Vec<Community> = communities.filter(|_| named).filter_map(|c| c.parse().ok()).collect();
            let attributes = PathAttributes {
                weight: Some(OWN_WEIGHT),
                communities: Communities::new(told, [], []),
                ..PathAttributes::default()
            };
            Origination { prefixes, attributes, policies: Vec::new() }
        };
        self.space(networks).into_iter().map(origination).collect()
    }

    fn gateways(&self, design: &mut BgpDesign, wiring: &mut Wiring) {
        let document = self.topology.document();
        for (g, gateway) in document.virtual_network_gateways.iter().enumerate() {
            // The gateways of a hub speak with its voice.
            if hub_of(self.topology, g).is_some() {
                continue;
            }
            let profile = match gateway.gateway_type {
                GatewayType::ExpressRoute => Profile::AzureExpressRouteGateway,
                GatewayType::Vpn if speaks(gateway) => Profile::AzureVpnGateway,
                GatewayType::Vpn | GatewayType::LocalGateway => continue,
            };
            let on_circuits = gateway.gateway_type == GatewayType::ExpressRoute;
            let mut originate = self.originations(self.served.get(&g), on_circuits);
            if gateway.gateway_type == GatewayType::Vpn {
                originate.extend(self.static_routes(&gateway.id));
            }
            let id = gateway.id.clone();
            design.speakers.push(BgpSpeaker {
                id,
                asn: gateway.asn,
                profile,
                originate,
                ..BgpSpeaker::default()
            });
        }
        let policy = &mut design.routing_policy;
        let mut to_from: Vec<Option<(String, String)>> = vec![None; document.virtual_network_gateways.len()];
        for (c, connection) in document.connections.iter().enumerate() {
            let Some((g, gateway)) = self.owner(connection) else { continue };
            let Some((circuit_ix, circuit)) = self.circuit(connection) else { continue };
            if gateway.gateway_type != GatewayType::ExpressRoute
                || hub_of(self.topology, g).is_some()
                || circuit.peering(PeeringType::AzurePrivatePeering).is_none()
            {
                continue;
            }
            let index = position(g);
            let (to, from) = to_from[g]
                .get_or_insert_with(|| {
                    let lets_in = self.lets_in[g];
                    let wans = gateway.allow_virtual_wan_traffic.unwrap_or(lets_in);
                    (
                        policies::to_msee(policy, index, (lets_in, wans)),
                        policies::from_msee(policy, index, (lets_in, wans)),
                    )
                })
                .clone();
            let preference = self.preference(gateway).unwrap_or_default();
            let (weight, _) = policies::express_route_weights(preference, connection.routing_weight);
            for link in LinkRole::BOTH {
                let edge = msee(&circuit.id, PeeringType::AzurePrivatePeering, link);
                let id = connection.id.child("links", link.as_str());
                let up = connection.connected && self.carries[c] && circuit.link(link).up;
                design.sessions.push(BgpSession {
                    id: id.clone(),
                    a: SessionEnd {
                        import_policies: vec![policies::FROM_GATEWAY.to_owned()],
                        export_policies: vec![policies::TO_GATEWAY.to_owned()],
                        weight: Some(policies::USUAL_WEIGHT),
                        ..accepting(&edge)
                    },
                    b: SessionEnd {
                        import_policies: vec![from.clone()],
                        export_policies: vec![to.clone()],
                        weight: Some(weight),
                        ..accepting(&gateway.id)
                    },
                    shutdown: !up,
                    families: FAMILIES.to_vec(),
                    ..BgpSession::default()
                });
                let what = Use::Gateway { circuit: circuit_ix, link, connection: c, gateway: g };
                wiring.push(AzureSession { id, speaker: edge, peer: gateway.id.clone(), what });
            }
        }
        self.between_gateways(design, wiring);
    }

    /// Prefixes of local network gateways, which a VPN gateway tells its other peers (VPN-3).
    fn static_routes(&self, gateway: &ResourceId) -> Vec<Origination> {
        let document = self.topology.document();
        let mine = document.connections.iter().filter(|c| {
            c.virtual_network_gateway == *gateway && c.connected && c.connection_type == ConnectionType::IPsec
        });
        let mut prefixes: Vec<IpNet> = mine
            .filter_map(|c| self.topology.local_network_gateway(&c.peer))
            .flat_map(|local| local.address_prefixes.iter().map(IpNet::trunc))
            .filter(|p| p.addr().is_ipv4())
            .collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        if prefixes.is_empty() {
            return Vec::new();
        }
        let attributes = PathAttributes { weight: Some(OWN_WEIGHT), ..PathAttributes::default() };
        vec![Origination { prefixes, attributes, policies: Vec::new() }]
    }

    /// VNet-to-VNet connections that run BGP both ways, one session a pair (VPN-6).
    fn between_gateways(&self, design: &mut BgpDesign, wiring: &mut Wiring) {
        let document = self.topology.document();
        let runs =
            |c: &&Connection| c.connection_type == ConnectionType::Vnet2Vnet && c.enable_bgp && c.connected;
        for (c, connection) in document.connections.iter().enumerate().filter(|(_, c)| runs(c)) {
            let Some((g, gateway)) = self.owner(connection) else { continue };
            let back = document.connections.iter().enumerate().skip(c + 1).filter(|(_, c)| runs(c)).find(
                |(_, other)| other.peer == gateway.id && other.virtual_network_gateway == connection.peer,
            );
            let Some((b, other)) = back else { continue };
            let Some((far, remote)) = self.owner(other) else { continue };
            if !(speaks(gateway) && speaks(remote)) || far == g {
                continue;
            }
            let id = connection.id.child("vnet2vnet", other.id.as_str());
            let (a, b_end) = (self.vpn_end(design, g), self.vpn_end(design, far));
            design.sessions.push(BgpSession {
                id: id.clone(),
                a,
                b: b_end,
                families: vec![AddressFamily::Ipv4Unicast],
                ..BgpSession::default()
            });
            let what = Use::Transit { near: (g, c), far: (far, b) };
            wiring.push(AzureSession { id, speaker: gateway.id.clone(), peer: remote.id.clone(), what });
        }
    }

    /// A VPN gateway's end of a session with a site or another gateway.
    fn vpn_end(&self, design: &mut BgpDesign, g: usize) -> SessionEnd {
        let gateway = &self.topology.document().virtual_network_gateways[g];
        let policy = &mut design.routing_policy;
        let (name, import) = (format!("azure/gateways/{g}/to-site"), format!("azure/gateways/{g}/from-site"));
        if policy.policy_definitions.iter().all(|p| p.name != name) {
            let space = flat_space(&self.space(self.served.get(&g)));
            policies::to_site(policy, position(g), &space);
            policies::from_site(policy, position(g), &space);
        }
        SessionEnd {
            addresses: first_of_family(&gateway.bgp_peering_addresses),
            import_policies: vec![import],
            export_policies: vec![name],
            weight: Some(policies::USUAL_WEIGHT),
            ..accepting(&gateway.id)
        }
    }

    /// Circuits joined by Global Reach: every edge of one with every edge of the other, so that one link of each will do.
    /// The edges are one system, which passes nothing on from inside: pairwise, not transitive (ER-15).
    fn global_reach(&self, design: &mut BgpDesign, wiring: &mut Wiring) {
        let circuits = &self.topology.document().express_route_circuits;
        for (c, circuit) in circuits.iter().enumerate() {
            for (o, other) in circuits.iter().enumerate().skip(c + 1) {
                if !may_join(circuit, other) {
                    continue;
                }
                let from_other = policies::reached(&mut design.routing_policy, position(o));
                let from_here = policies::reached(&mut design.routing_policy, position(c));
                let private = PeeringType::AzurePrivatePeering;
                let reached = |edge: &ResourceId, policy: &String| SessionEnd {
                    import_policies: vec![policy.clone()],
                    weight: Some(policies::USUAL_WEIGHT),
                    ..accepting(edge)
                };
                for link in LinkRole::BOTH {
                    for far in LinkRole::BOTH {
                        let (a, b) = (msee(&circuit.id, private, link), msee(&other.id, private, far));
                        let id = a.child("globalReach", b.as_str());
                        design.sessions.push(BgpSession {
                            id: id.clone(),
                            a: reached(&a, &from_other),
                            b: reached(&b, &from_here),
                            shutdown: !(circuit.link(link).up && other.link(far).up),
                            families: FAMILIES.to_vec(),
                            ..BgpSession::default()
                        });
                        let what = Use::GlobalReach { near: (c, link), far: (o, far) };
                        wiring.push(AzureSession { id, speaker: a, peer: b, what });
                    }
                }
            }
        }
    }

    fn servers(&self, design: &mut BgpDesign, wiring: &mut Wiring) {
        let document = self.topology.document();
        for (r, server) in document.route_servers.iter().enumerate() {
            let mut originate = self.originations(self.of_server.get(&r), false);
            // VPN and Route Server carry IPv4 only (ARS-14).
            for origination in &mut originate {
                origination.prefixes.retain(|p| p.addr().is_ipv4());
            }
            originate.extend(declared_of_appliances(server));
            design.speakers.push(BgpSpeaker {
                id: server.id.clone(),
                asn: Asn::AZURE_GATEWAY,
                profile: Profile::AzureRouteServer,
                originate,
                ..BgpSpeaker::default()
            });
            if !server.allow_branch_to_branch_traffic {
                continue;
            }
            for (g, gateway) in document.virtual_network_gateways.iter().enumerate() {
                if gateway.virtual_network != server.virtual_network {
                    continue;
                }
                let policy = &mut design.routing_policy;
                let preferred = policies::by_preference(policy, server.hub_routing_preference);
                let end = match gateway.gateway_type {
                    GatewayType::ExpressRoute => {
                        let (_, weight) = policies::express_route_weights(server.hub_routing_preference, 0);
                        SessionEnd {
                            export_policies: vec![policies::EXPRESS_ROUTE_TO_SERVER.to_owned()],
                            weight: Some(weight),
                            ..accepting(&gateway.id)
                        }
                    }
                    GatewayType::Vpn if speaks(gateway) => {
                        let space = flat_space(&self.space(self.served.get(&g)));
                        SessionEnd {
                            import_policies: vec![preferred.clone()],
                            export_policies: vec![policies::vpn_to_server(policy, position(g), &space)],
                            ..accepting(&gateway.id)
                        }
                    }
                    _ => continue,
                };
                let id = server.id.child("branches", gateway.id.as_str());
                design.sessions.push(BgpSession {
                    id: id.clone(),
                    a: SessionEnd {
                        import_policies: vec![preferred],
                        export_policies: vec![policies::TO_BRANCH.to_owned()],
                        route_reflector_client: gateway.asn == Asn::AZURE_GATEWAY,
                        ..accepting(&server.id)
                    },
                    b: end,
                    families: vec![AddressFamily::Ipv4Unicast],
                    ..BgpSession::default()
                });
                let (speaker, peer) = (server.id.clone(), gateway.id.clone());
                wiring.push(AzureSession { id, speaker, peer, what: Use::Branch });
            }
        }
    }

    pub(super) fn owner(&self, connection: &Connection) -> Option<(usize, &VirtualNetworkGateway)> {
        match self.topology.entity(&connection.virtual_network_gateway) {
            Some(Entity::Gateway(g)) => Some((g, &self.topology.document().virtual_network_gateways[g])),
            _ => None,
        }
    }

    pub(super) fn circuit(&self, connection: &Connection) -> Option<(usize, &ExpressRouteCircuit)> {
        match self.topology.entity(&connection.peer) {
            Some(Entity::Circuit(c)) => Some((c, &self.topology.document().express_route_circuits[c])),
            _ => None,
        }
    }

    /// Azure's end of a session with the world outside: its speaker, whether it is up, and which families it carries.
    pub(in super::super) fn end(
        &self,
        design: &mut BgpDesign,
        wiring: &mut Wiring,
        over: LearnedOver,
    ) -> Option<(SessionEnd, bool, &'static [AddressFamily])> {
        let document = self.topology.document();
        match over {
            LearnedOver::Circuit(c, peering, link) => {
                let circuit = &document.express_route_circuits[c];
                // A disabled peering has no edge to stand on.
                let found = circuit.peering(peering)?;
                let mut import = Vec::new();
                match peering {
                    PeeringType::AzurePrivatePeering => import.push(policies::FROM_CUSTOMER),
                    _ => {
                        if !found.validated {
                            import.push(policies::NOT_VALIDATED);
                        }
                        let public = peering == PeeringType::AzurePublicPeering;
                        import.push(if public {
                            policies::FROM_PUBLIC_CUSTOMER
                        } else {
                            policies::FROM_MICROSOFT_CUSTOMER
                        });
                    }
                }
                let end = SessionEnd {
                    addresses: peer_addresses(found, link)
                        .into_iter()
                        .map(|(_, microsoft)| microsoft)
                        .collect(),
                    import_policies: import.into_iter().map(str::to_owned).collect(),
                    export_policies: vec![policies::TO_CUSTOMER.to_owned()],
                    weight: (peering == PeeringType::AzurePrivatePeering).then_some(policies::USUAL_WEIGHT),
                    ..accepting(&msee(&circuit.id, peering, link))
                };
                Some((end, circuit.link(link).up, &FAMILIES))
            }
            LearnedOver::Connection(n) => {
                let connection = &document.connections[n];
                let (g, gateway) = self.owner(connection)?;
                if gateway.gateway_type != GatewayType::Vpn || !speaks(gateway) {
                    return None;
                }
                let end = match hub_of(self.topology, g) {
                    Some(h) => self.hub_branch_end(design, &mut wiring.hubs, h, (n, connection)),
                    None => self.vpn_end(design, g),
                };
                Some((end, connection.connected && connection.enable_bgp, &FAMILIES[..1]))
            }
            LearnedOver::RouteServer(r) => {
                let server = &document.route_servers[r];
                let end = SessionEnd {
                    addresses: first_of_family(&server.virtual_router_ips),
                    import_policies: vec![policies::FROM_APPLIANCE.to_owned()],
                    export_policies: vec![policies::TO_APPLIANCE.to_owned()],
                    weight: Some(policies::USUAL_WEIGHT),
                    ..accepting(&server.id)
                };
                Some((end, true, &FAMILIES[..1]))
            }
            LearnedOver::HubPeer(h, peer) => {
                let end = self.hub_peer_end(design, &mut wiring.hubs, (h, peer));
                Some((end, true, &FAMILIES[..1]))
            }
        }
    }

    /// Stand-ins for sites whose announcements are declared, over every end that no session of the document has.
    pub(in super::super) fn stand_ins(
        &self,
        design: &mut BgpDesign,
        declared: &mut Declared,
        taken: impl Fn(LearnedOver) -> bool,
    ) {
        numbers::shut(self.topology, design, &mut declared.wiring);
        let document = self.topology.document();
        let mut ends = Vec::new();
        for (c, circuit) in document.express_route_circuits.iter().enumerate() {
            for peering in circuit.peerings.iter().filter(|p| p.enabled) {
                for link in LinkRole::BOTH {
                    let over = LearnedOver::Circuit(c, peering.peering_type, link);
                    let id = msee(&circuit.id, peering.peering_type, link);
                    let keys = vec![&circuit.id];
                    ends.push((
                        over,
                        id.child("customer", "declared"),
                        keys,
                        (peering.peering_type, Some(link)),
                    ));
                }
            }
        }
        for (n, connection) in document.connections.iter().enumerate() {
            if connection.connection_type == ConnectionType::IPsec {
                let id = connection.id.child("site", "declared");
                let keys = vec![&connection.id, &connection.peer];
                let private = PeeringType::AzurePrivatePeering;
                ends.push((LearnedOver::Connection(n), id, keys, (private, None)));
            }
        }
        for (over, id, keys, (peering, link)) in ends {
            if taken(over) {
                continue;
            }
            let Some((end, up, families)) = self.end(design, &mut declared.wiring, over) else { continue };
            let told = keys.into_iter().flat_map(|key| declared.told.get(key).into_iter().flatten());
            let told = told.filter(|a| {
                a.peering == peering && a.link.is_none_or(|only| link.is_none_or(|link| only == link))
            });
            let told: Vec<&Advertisement> = told.collect();
            let refused =
                numbers::configured(self.topology, over).filter(|asn| up && numbers::refuses(over, *asn));
            if let Some(asn) = refused {
                declared.wiring.refuse((over, asn));
            }
            let azure_asn = match over {
                LearnedOver::Connection(n) => {
                    self.owner(&document.connections[n]).map_or(Asn::AZURE_GATEWAY, |(_, g)| g.asn)
                }
                _ => Asn::MICROSOFT_EDGE,
            };
            let asn = own_number(&told, azure_asn);
            let mut originate = announced(told.into_iter(), peering, azure_asn);
            originate.extend(self.registered(over, &originate));
            // What is declared is announced, whatever is heard.
            for origination in &mut originate {
                origination.attributes.weight = Some(OWN_WEIGHT);
            }
            let profile = Profile::AzureExpressRouteGateway;
            design.speakers.push(BgpSpeaker {
                id: id.clone(),
                asn,
                profile,
                originate,
                ..BgpSpeaker::default()
            });
            for family in families {
                let session = session_id(&id, *family);
                design.sessions.push(BgpSession {
                    id: session.clone(),
                    a: end.clone(),
                    b: SessionEnd { transparent: true, ..accepting(&id) },
                    families: vec![*family],
                    shutdown: !up || refused.is_some(),
                    ..BgpSession::default()
                });
                declared.wiring.push(AzureSession {
                    id: session,
                    speaker: end.speaker.clone(),
                    peer: id.clone(),
                    what: Use::Outside { over, family: *family },
                });
            }
        }
    }

    /// On Microsoft and public peering what is registered counts as announced where nothing is said of it.
    fn registered(&self, over: LearnedOver, told: &[Origination]) -> Option<Origination> {
        let LearnedOver::Circuit(c, peering, _) = over else { return None };
        if peering == PeeringType::AzurePrivatePeering {
            return None;
        }
        let circuit = &self.topology.document().express_route_circuits[c];
        let registered = &circuit.peering(peering)?.advertised_public_prefixes;
        let silent = |p: &IpNet| told.iter().all(|o| !o.prefixes.contains(p));
        let prefixes: Vec<IpNet> = registered.iter().map(IpNet::trunc).filter(silent).collect();
        (!prefixes.is_empty()).then(|| Origination { prefixes, ..Origination::default() })
    }
}

/// The id of a session of one family.
pub(in super::super) fn session_id(id: &ResourceId, family: AddressFamily) -> ResourceId {
    match family {
        AddressFamily::Ipv4Unicast => id.clone(),
        AddressFamily::Ipv6Unicast => id.child("families", "ipv6"),
    }
}

/// The number of who announces, so that routes with it in their path come to nothing there (RFC 4271 section 9.1.2):
/// the one that all the paths begin with.
fn own_number(told: &[&Advertisement], azure: Asn) -> Asn {
    let mut firsts = told.iter().map(|a| a.as_path.first().copied());
    match firsts.next().flatten() {
        Some(first) if first != azure && firsts.all(|other| other == Some(first)) => first,
        _ => DECLARED,
    }
}

/// Declared announcements as a speaker makes them: of one prefix the path that is the shortest to Azure's end, of those
/// that it takes. A stand-in is one speaker for all who announce there, and so has to choose as Azure would.
fn announced<'a>(
    told: impl Iterator<Item = &'a Advertisement>,
    peering: PeeringType,
    azure: Asn,
) -> Vec<Origination> {
    let microsoft = peering == PeeringType::MicrosoftPeering;
    // A path with Azure's own number comes to nothing (BGP-5), one with numbers that no customer has neither (BGP-3);
    // private numbers do not count (MSP-6).
    let refused = |asn: &Asn| *asn == azure || (microsoft && (64_496..=64_511).contains(&asn.0));
    let rank = |path: &[Asn]| {
        let counted = path.iter().filter(|asn| !(microsoft && asn.is_private())).count();
        (path.iter().any(refused), counted)
    };
    let mut said: Vec<(IpNet, &[Asn])> = Vec::new();
    for advertisement in told {
        said.extend(advertisement.prefixes.iter().map(|p| (p.trunc(), advertisement.as_path.as_slice())));
    }
    said.sort_unstable_by(|(a, short), (b, long)| {
        a.cmp(b).then_with(|| (rank(short), *short).cmp(&(rank(long), *long)))
    });
    said.dedup_by_key(|(prefix, _)| *prefix);
    let mut by_path: BTreeMap<&[Asn], Vec<IpNet>> = BTreeMap::new();
    for (prefix, path) in said {
        by_path.entry(path).or_default().push(prefix);
    }
    by_path
        .into_iter()
        .map(|(path, prefixes)| Origination {
            prefixes,
            attributes: PathAttributes {
                as_path: AsPath::sequence(path.iter().copied()),
                ..PathAttributes::default()
            },
            policies: Vec::new(),
        })
        .collect()
}

/// What a Route Server is declared to have learned, for the other branches; without loops (BGP-5, BGP-6).
fn declared_of_appliances(server: &crate::model::RouteServer) -> Vec<Origination> {
    let mut by_path: BTreeMap<(&[Asn], Option<IpAddr>), Vec<IpNet>> = BTreeMap::new();
    for route in &server.learned_routes {
        let looped = route.as_path.iter().any(|asn| *asn == Asn::AZURE_GATEWAY || asn.0 == 0);
        if !looped && route.prefix.addr().is_ipv4() {
            by_path.entry((&route.as_path, route.next_hop)).or_default().push(route.prefix.trunc());
        }
    }
    let mark = super::Mark::Branch(super::Branch::Appliance).to_string().parse().ok();
    let origination = |((path, _), prefixes): ((&[Asn], _), _)| Origination {
        prefixes,
        attributes: PathAttributes {
            as_path: AsPath::sequence(path.iter().copied()),
            weight: Some(policies::USUAL_WEIGHT),
            communities: Communities::new([], [], mark),
            ..PathAttributes::default()
        },
        policies: Vec::new(),
    };
    by_path.into_iter().map(origination).collect()
}

/// The addresses of a peering's link: the customer's and Microsoft's, the first and second usable (ER-2).
pub(crate) fn peer_addresses(peering: &CircuitPeering, link: LinkRole) -> Vec<(IpAddr, IpAddr)> {
    let (v4, v6) = match link {
        LinkRole::Primary => (peering.primary_peer_address_prefix, peering.ipv6_primary_peer_address_prefix),
        LinkRole::Secondary => {
            (peering.secondary_peer_address_prefix, peering.ipv6_secondary_peer_address_prefix)
        }
    };
    let usable = |prefix: IpNet| {
        let mut hosts = prefix.trunc().hosts();
        // Of an IPv6 network the first address counts as a host, and is not used.
        let mut hosts = hosts.by_ref().skip_while(|h| *h == prefix.network());
        Some((hosts.next()?, hosts.next()?))
    };
    v4.into_iter().chain(v6).filter_map(usable).collect()
}

pub(super) fn accepting(speaker: &ResourceId) -> SessionEnd {
    SessionEnd {
        default_import_policy: Some(DefaultPolicy::AcceptRoute),
        default_export_policy: Some(DefaultPolicy::AcceptRoute),
        ..SessionEnd::new(speaker.clone())
    }
}

/// A session's end has one address of each family; both instances tell the same (BGP-9).
pub(super) fn first_of_family(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let first = |v4: bool| addresses.iter().find(move |a| a.is_ipv4() == v4).copied();
    first(true).into_iter().chain(first(false)).collect()
}

fn flat_space(space: &[(usize, Vec<IpNet>)]) -> Vec<IpNet> {
    space.iter().flat_map(|(_, prefixes)| prefixes.iter().copied()).collect()
}

/// Positions in a document fit.
pub(super) fn position(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
