//! The routers of virtual hubs as speakers: one a hub, with its gateways, and one for each further route table.
//!
//! | Session | Id |
//! |---|---|
//! | MSEE and hub | `{connection}/links/{primary or secondary}` |
//! | Hub and VPN site | the document's, or `{connection}/declared`; for static prefixes `{connection}/prefixes` |
//! | Hub and appliance | the document's |
//! | Hubs of one virtual WAN | `{hub}/hubs/{hub}` |
//! | Hub and one of its tables | `{table}/hub` |
//!
//! All of them are one system, 65515: hubs tell each other what is their own and pass nothing on, as inside one system
//! (VWAN-8), with 65520 twice in front. A hub's default table is what of its routes carries the table's mark; further
//! tables are speakers of their own that choose from what is propagated to them (VWAN-1).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::hub_policies::{self as policies, Hub, HubKind, HubMark, standing};
use super::speakers::{Azure, DECLARED, FAMILIES, accepting, first_of_family, position};
use super::{AzureSession, Use, Wiring, msee};
use crate::control_plane::LearnedOver;
use crate::model::bgp::{
    AddPath, BgpDesign, BgpSession, BgpSpeaker, Communities, Origination, PathAttributes, Profile, SessionEnd,
};
use crate::model::{
    Asn, Connection, ConnectionType, Entity, GatewayType, HubNextHop, LinkRole, PeeringType, Propagation,
    ResourceId, RoutingIntent, Topology, VirtualHub,
};

/// Which way a hub sends packets, as positions in the document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum HubWay {
    /// Into the network of a connection.
    Connection(usize),
    /// To an address behind a connection (VWAN-15).
    Behind { connection: usize, address: IpAddr },
    /// To an appliance that peers with the hub.
    Appliance { peer: usize, address: IpAddr },
    /// Over a link of a connection to a circuit.
    Circuit { connection: usize, link: LinkRole },
    /// Over a VPN connection.
    Vpn { connection: usize },
    /// To another hub.
    Hub(usize),
    /// Through the firewall or appliance that stands in the hub.
    Firewall(ResourceId),
    /// To an address or a resource that nothing in the hub is known to have.
    Unknown(ResourceId),
}

/// A table of a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HubTable {
    pub(crate) hub: usize,
    pub(crate) name: String,
    labels: Vec<String>,
    /// Its speaker: for the default table the hub.
    pub(crate) speaker: ResourceId,
    pub(crate) is_default: bool,
}

/// What hubs add to the wiring.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hubs {
    /// Tables, by hub, the default one of each first.
    pub(crate) tables: Vec<HubTable>,
    /// Ways, each with its hub; marks name them by their place.
    pub(crate) ways: Vec<(usize, HubWay)>,
}

impl Hubs {
    fn way(&mut self, hub: usize, way: HubWay) -> HubMark {
        let known = self.ways.iter().position(|w| *w == (hub, way.clone()));
        let at = known.unwrap_or_else(|| {
            self.ways.push((hub, way));
            self.ways.len() - 1
        });
        HubMark::Way(position(at))
    }

    /// The default table of a hub.
    pub(crate) fn default_of(&self, hub: usize) -> Option<usize> {
        self.tables.iter().position(|t| t.hub == hub && t.is_default)
    }

    /// Every table that takes what is propagated so; in every hub of the virtual WAN.
    fn taking(&self, hubs: &[VirtualHub], hub: usize, propagation: &Propagation) -> Vec<HubMark> {
        let unsaid = propagation.labels.is_empty() && propagation.route_tables.is_empty();
        let takes = |table: &HubTable| {
            let labelled = |label: &String| table.labels.iter().any(|l| l.eq_ignore_ascii_case(label));
            let named = || propagation.route_tables.contains(&hubs[table.hub].route_table_id(&table.name));
            if unsaid { table.is_default } else { propagation.labels.iter().any(labelled) || named() }
        };
        let near = |table: &HubTable| one_wan(hubs, hub, table.hub);
        let found = self.tables.iter().enumerate().filter(|(_, t)| near(t) && takes(t));
        found.map(|(at, _)| HubMark::Table(position(at))).collect()
    }
}

/// Whether two hubs exchange routes: those of one virtual WAN.
pub(crate) fn one_wan(hubs: &[VirtualHub], a: usize, b: usize) -> bool {
    a == b || (hubs[a].virtual_wan.is_some() && hubs[a].virtual_wan == hubs[b].virtual_wan)
}

/// Every table: built in or declared.
fn tables(hubs: &[VirtualHub]) -> Vec<HubTable> {
    let mut tables = Vec::new();
    for (h, hub) in hubs.iter().enumerate() {
        let is_default = |name: &str| name.eq_ignore_ascii_case(VirtualHub::DEFAULT_ROUTE_TABLE);
        let declared = hub.route_tables.iter().find(|t| is_default(&t.name));
        let mut labels = declared.map(|t| t.labels.clone()).unwrap_or_default();
        labels.push("default".to_owned());
        let name = VirtualHub::DEFAULT_ROUTE_TABLE.to_owned();
        tables.push(HubTable { hub: h, name, labels, speaker: hub.id.clone(), is_default: true });
        for table in &hub.route_tables {
            if is_default(&table.name) || table.name.eq_ignore_ascii_case(VirtualHub::NONE_ROUTE_TABLE) {
                continue;
            }
            tables.push(HubTable {
                hub: h,
                name: table.name.clone(),
                labels: table.labels.clone(),
                speaker: hub.route_table_id(&table.name),
                is_default: false,
            });
        }
    }
    tables
}

/// The hub of a gateway, where it serves one.
pub(crate) fn hub_of(topology: &Topology, gateway: usize) -> Option<usize> {
    match topology.entity(&topology.document().virtual_network_gateways[gateway].virtual_network) {
        Some(Entity::Hub(hub)) => Some(hub),
        _ => None,
    }
}

/// What a hub announces of its own, by prefix: static before networks.
type Own = BTreeMap<IpNet, (HubKind, BTreeSet<String>)>;

fn announce(own: &mut Own, prefix: IpNet, kind: HubKind, marks: &[HubMark]) {
    if prefix.addr().is_ipv6() {
        return;
    }
    let texts = || marks.iter().map(ToString::to_string).collect::<BTreeSet<String>>();
    match own.get_mut(&prefix.trunc()) {
        Some((known, marks)) if *known == kind => marks.extend(texts()),
        // Static routes come before networks (VWAN-3), whichever stands first.
        Some((known, _)) if *known == HubKind::Static || kind != HubKind::Static => {}
        _ => {
            own.insert(prefix.trunc(), (kind, texts()));
        }
    }
}

impl Azure<'_> {
    fn hubs(&self) -> &[VirtualHub] {
        &self.topology.document().virtual_hubs
    }

    /// What a hub's policies depend on.
    fn hub(&self, hubs: &Hubs, h: usize) -> Hub {
        let hub = &self.hubs()[h];
        let others = (0..self.hubs().len()).filter(|o| *o != h && one_wan(self.hubs(), h, *o)).count();
        let intent = hub.routing_intent.as_ref();
        let private = intent.is_some_and(|i| i.private_traffic.is_some());
        Hub {
            index: position(h),
            preference: hub.hub_routing_preference,
            several_remote_hubs: others > 1,
            intent: private,
            circuits_meet: private && intent.is_some_and(|i| i.express_route_transit),
            default_table: position(hubs.default_of(h).unwrap_or_default()),
        }
    }

    /// Adds the hubs' speakers with the sessions among them and with the edges of circuits.
    pub(super) fn join_hubs(&self, design: &mut BgpDesign, wiring: &mut Wiring) {
        if self.hubs().is_empty() {
            return;
        }
        policies::common(&mut design.routing_policy);
        wiring.hubs.tables = tables(self.hubs());
        for h in 0..self.hubs().len() {
            self.hub_speaker(design, &mut wiring.hubs, h);
        }
        self.between_hubs(design, wiring);
        for (c, connection) in self.topology.document().connections.iter().enumerate() {
            let Some((g, gateway)) = self.owner(connection) else { continue };
            let Some(h) = hub_of(self.topology, g) else { continue };
            match (gateway.gateway_type, connection.connection_type) {
                (GatewayType::ExpressRoute, ConnectionType::ExpressRoute) => {
                    self.hub_circuit(design, wiring, (h, g), (c, connection));
                }
                (GatewayType::Vpn, ConnectionType::IPsec) => {
                    self.hub_site(design, wiring, h, (c, connection));
                }
                _ => {}
            }
        }
    }

    fn hub_speaker(&self, design: &mut BgpDesign, hubs: &mut Hubs, h: usize) {
        let hub = &self.hubs()[h];
        let facts = self.hub(hubs, h);
        let mut own = Own::new();
        self.networks(hubs, h, &mut own);
        if let Some(prefix) = hub.address_prefix {
            announce(&mut own, prefix, HubKind::Hub, &[]);
        }
        let at_default = hubs.default_of(h).unwrap_or_default();
        for at in 0..hubs.tables.len() {
            if hubs.tables[at].hub != h {
                continue;
            }
            let table = hubs.tables[at].clone();
            let mut statics = Own::new();
            self.static_routes_of(hubs, &table, position(at), &mut statics);
            if table.is_default {
                for (prefix, (kind, marks)) in statics {
                    own.insert(prefix, (kind, marks));
                }
                continue;
            }
            design.speakers.push(BgpSpeaker {
                id: table.speaker.clone(),
                asn: Asn::AZURE_GATEWAY,
                profile: Profile::AzureVirtualHub,
                originate: originations(facts, statics),
                ..BgpSpeaker::default()
            });
            let policy = &mut design.routing_policy;
            let many = AddPath { send: u16::MAX, receive: false };
            design.sessions.push(BgpSession {
                id: table.speaker.child("sessions", "hub"),
                a: SessionEnd {
                    import_policies: vec![policies::SILENT.to_owned()],
                    export_policies: vec![facts.table_export(policy, position(at))],
                    route_reflector_client: true,
                    next_hop_self: true,
                    add_path: many,
                    ..accepting(&hub.id)
                },
                b: SessionEnd {
                    import_policies: vec![facts.selection(policy)],
                    export_policies: vec![policies::SILENT.to_owned()],
                    add_path: AddPath { send: 0, receive: true },
                    ..accepting(&table.speaker)
                },
                families: FAMILIES[..1].to_vec(),
                ..BgpSession::default()
            });
        }
        self.intent(hubs, h, position(at_default), &mut own);
        design.speakers.push(BgpSpeaker {
            id: hub.id.clone(),
            asn: Asn::AZURE_GATEWAY,
            profile: Profile::AzureVirtualHub,
            originate: originations(facts, own),
            ..BgpSpeaker::default()
        });
    }

    /// Connected networks, and what static routes of their connections reach behind them (VWAN-15).
    fn networks(&self, hubs: &mut Hubs, h: usize, own: &mut Own) {
        let hub = &self.hubs()[h];
        for (c, connection) in hub.virtual_network_connections.iter().enumerate() {
            let mut marks = hubs.taking(self.hubs(), h, &connection.propagation);
            marks.push(HubMark::Kind(HubKind::Network));
            if let Some(network) = self.topology.virtual_network(&connection.remote_virtual_network) {
                let mut marks = marks.clone();
                marks.push(hubs.way(h, HubWay::Connection(c)));
                for prefix in &network.address_space {
                    announce(own, *prefix, HubKind::Network, &marks);
                }
            }
            if connection.propagate_static_routes {
                for route in &connection.static_routes {
                    let address = route.next_hop_ip_address;
                    let mut marks = marks.clone();
                    marks.push(hubs.way(h, HubWay::Behind { connection: c, address }));
                    for prefix in &route.address_prefixes {
                        announce(own, *prefix, HubKind::Network, &marks);
                    }
                }
            }
        }
    }

    /// Static routes of a table (VWAN-3).
    fn static_routes_of(&self, hubs: &mut Hubs, table: &HubTable, at: u32, own: &mut Own) {
        let hub = &self.hubs()[table.hub];
        let declared = hub.route_tables.iter().filter(|t| t.name.eq_ignore_ascii_case(&table.name));
        for route in declared.flat_map(|t| &t.routes) {
            let ways: Vec<HubWay> = match &route.next_hop {
                HubNextHop::IpAddress(address) => {
                    let of = self.connection_with(hub, *address);
                    vec![of.map_or_else(
                        || HubWay::Unknown(ResourceId::new(address.to_string())),
                        |connection| HubWay::Behind { connection, address: *address },
                    )]
                }
                HubNextHop::Resource(id) => return_ways(self.topology, table.hub, id, &route.destinations),
            };
            for way in ways {
                let mark = hubs.way(table.hub, way);
                for prefix in &route.destinations {
                    let marks = [HubMark::Kind(HubKind::Static), HubMark::Table(at), mark];
                    announce(own, *prefix, HubKind::Static, &marks);
                }
            }
        }
    }

    /// The connection whose network holds an address, the longest prefix first.
    fn connection_with(&self, hub: &VirtualHub, address: IpAddr) -> Option<usize> {
        let mut spaces: Vec<(u8, usize)> = Vec::new();
        for (c, connection) in hub.virtual_network_connections.iter().enumerate() {
            let network = self.topology.virtual_network(&connection.remote_virtual_network);
            let space = network.map_or(&[][..], |n| &n.address_space);
            spaces.extend(space.iter().filter(|p| p.contains(&address)).map(|p| (p.prefix_len(), c)));
        }
        spaces.sort_by_key(|(length, c)| (std::cmp::Reverse(*length), *c));
        spaces.first().map(|(_, c)| *c)
    }

    /// The default route of routing intent, which connections take by their flag (VWAN-4, VWAN-11). What it calls private
    /// stays in the table (see [`hub_tables`](crate::control_plane::hub_tables)).
    fn intent(&self, hubs: &mut Hubs, h: usize, table: u32, own: &mut Own) {
        let intent = self.hubs()[h].routing_intent.as_ref();
        // Circuits that meet here hear of each other's ranges: a path with Microsoft's number would come to nothing at
        // its edge (VWAN-10).
        let ranges = intent.filter(|i| i.express_route_transit && i.private_traffic.is_some());
        for prefix in ranges.map(RoutingIntent::private_prefixes).unwrap_or_default() {
            announce(own, prefix, HubKind::Hub, &[]);
        }
        let Some(resource) = intent.and_then(|intent| intent.internet.as_ref()) else { return };
        let way = hubs.way(h, HubWay::Firewall(resource.clone()));
        let marks = [HubMark::Kind(HubKind::Static), HubMark::Table(table), way];
        if let Ok(default) = "0.0.0.0/0".parse() {
            announce(own, default, HubKind::Static, &marks);
        }
    }

    /// Hubs of one virtual WAN, every one with every other (VWAN-8).
    fn between_hubs(&self, design: &mut BgpDesign, wiring: &mut Wiring) {
        for a in 0..self.hubs().len() {
            for b in a + 1..self.hubs().len() {
                if !one_wan(self.hubs(), a, b) {
                    continue;
                }
                let mut end = |h: usize, other: usize| {
                    let facts = self.hub(&wiring.hubs, h);
                    let HubMark::Way(way) = wiring.hubs.way(h, HubWay::Hub(other)) else {
                        return SessionEnd::default();
                    };
                    let policy = &mut design.routing_policy;
                    SessionEnd {
                        import_policies: vec![
                            facts.hub_import(policy, position(other), way),
                            facts.selection(policy),
                        ],
                        export_policies: vec![facts.hub_export(policy)],
                        next_hop_self: true,
                        ..accepting(&self.hubs()[h].id)
                    }
                };
                let (near, far) = (end(a, b), end(b, a));
                let (one, other) = (self.hubs()[a].id.clone(), self.hubs()[b].id.clone());
                let id = one.child("hubs", other.as_str());
                design.sessions.push(BgpSession {
                    id: id.clone(),
                    a: near,
                    b: far,
                    families: FAMILIES[..1].to_vec(),
                    ..BgpSession::default()
                });
                wiring.push(AzureSession {
                    id,
                    speaker: one,
                    peer: other,
                    what: Use::Hubs { near: a, far: b },
                });
            }
        }
    }

    /// A connection of a hub's gateway to a circuit: a session with the edge of each link.
    fn hub_circuit(
        &self,
        design: &mut BgpDesign,
        wiring: &mut Wiring,
        (h, g): (usize, usize),
        (c, connection): (usize, &Connection),
    ) {
        let document = self.topology.document();
        let Some((circuit_ix, circuit)) = self.circuit(connection) else { return };
        if circuit.peering(PeeringType::AzurePrivatePeering).is_none() {
            return;
        }
        let hub = &self.hubs()[h];
        let facts = self.hub(&wiring.hubs, h);
        let own: Vec<u32> = (0..document.virtual_network_gateways.len())
            .filter(|g| hub_of(self.topology, *g) == Some(h))
            .map(position)
            .collect();
        let taking = wiring.hubs.taking(self.hubs(), h, &hub.branch_propagation);
        for link in LinkRole::BOTH {
            let mut marks = vec![HubMark::Kind(HubKind::ExpressRoute)];
            marks.extend(&taking);
            marks.push(wiring.hubs.way(h, HubWay::Circuit { connection: c, link }));
            let policy = &mut design.routing_policy;
            let edge = msee(&circuit.id, PeeringType::AzurePrivatePeering, link);
            let id = connection.id.child("links", link.as_str());
            let up = connection.connected && self.carries[c] && circuit.link(link).up;
            let lets_in = self.lets_in[g];
            design.sessions.push(BgpSession {
                id: id.clone(),
                a: SessionEnd {
                    export_policies: vec![super::policies::TO_GATEWAY.to_owned()],
                    weight: Some(super::policies::USUAL_WEIGHT),
                    ..accepting(&edge)
                },
                b: SessionEnd {
                    import_policies: vec![
                        facts.msee_import(policy, (position(c), link.as_str()), &own, lets_in, &marks),
                        facts.selection(policy),
                    ],
                    export_policies: vec![facts.msee_export(
                        policy,
                        (position(g), lets_in),
                        connection.enable_internet_security,
                    )],
                    ..accepting(&hub.id)
                },
                shutdown: !up,
                families: FAMILIES[..1].to_vec(),
                ..BgpSession::default()
            });
            let what = Use::Gateway { circuit: circuit_ix, link, connection: c, gateway: g };
            wiring.push(AzureSession { id, speaker: edge, peer: hub.id.clone(), what });
        }
    }

    /// A VPN site's static prefixes, told by a stand-in; what the site announces by BGP comes over a session of its own.
    fn hub_site(
        &self,
        design: &mut BgpDesign,
        wiring: &mut Wiring,
        h: usize,
        (c, connection): (usize, &Connection),
    ) {
        let Some(local) = self.topology.local_network_gateway(&connection.peer) else { return };
        // The address that the site speaks BGP from is a route too (GWR-3).
        let peer = local.bgp_peering_address.filter(|_| connection.enable_bgp).map(IpNet::from);
        let prefixes: Vec<IpNet> = local
            .address_prefixes
            .iter()
            .map(IpNet::trunc)
            .chain(peer)
            .filter(|p| p.addr().is_ipv4())
            .collect();
        if prefixes.is_empty() && connection.enable_bgp {
            return;
        }
        let id = connection.id.child("site", "prefixes");
        let over = LearnedOver::Connection(c);
        design.speakers.push(BgpSpeaker {
            id: id.clone(),
            asn: DECLARED,
            originate: vec![Origination { prefixes, ..Origination::default() }],
            ..BgpSpeaker::default()
        });
        let end = self.hub_branch_end(design, &mut wiring.hubs, h, (c, connection));
        let session = connection.id.child("sessions", "prefixes");
        design.sessions.push(BgpSession {
            id: session.clone(),
            a: end,
            b: SessionEnd { transparent: true, ..accepting(&id) },
            families: FAMILIES[..1].to_vec(),
            shutdown: !connection.connected,
            ..BgpSession::default()
        });
        // Without BGP this is how the site knows of Azure.
        if !connection.enable_bgp {
            let (speaker, peer, family) = (self.hubs()[h].id.clone(), id, FAMILIES[0]);
            wiring.push(AzureSession { id: session, speaker, peer, what: Use::Outside { over, family } });
        }
    }

    /// The hub's end of a session with a VPN site.
    pub(super) fn hub_branch_end(
        &self,
        design: &mut BgpDesign,
        hubs: &mut Hubs,
        h: usize,
        (c, connection): (usize, &Connection),
    ) -> SessionEnd {
        let facts = self.hub(hubs, h);
        let hub = &self.hubs()[h];
        let mut marks = vec![HubMark::Kind(HubKind::SiteToSite)];
        marks.extend(hubs.taking(self.hubs(), h, &hub.branch_propagation));
        marks.push(hubs.way(h, HubWay::Vpn { connection: c }));
        let gateway = self.owner(connection).map(|(_, gateway)| gateway);
        let policy = &mut design.routing_policy;
        let what = format!("connections/{c}");
        SessionEnd {
            addresses: gateway.map(|g| first_of_family(&g.bgp_peering_addresses)).unwrap_or_default(),
            import_policies: vec![facts.branch_import(policy, &what, &marks), facts.selection(policy)],
            export_policies: vec![facts.branch_export(policy, connection.enable_internet_security)],
            ..accepting(&hub.id)
        }
    }

    /// The hub's end of a session with an appliance in a connected network.
    pub(super) fn hub_peer_end(
        &self,
        design: &mut BgpDesign,
        hubs: &mut Hubs,
        (h, peer): (usize, usize),
    ) -> SessionEnd {
        let facts = self.hub(hubs, h);
        let hub = &self.hubs()[h];
        let declared = &hub.bgp_connections[peer];
        let address = declared.peer_ip;
        let connection =
            declared.hub_virtual_network_connection.as_ref().and_then(|id| match self.topology.entity(id) {
                Some(Entity::HubConnection(of, connection)) if of == h => Some(connection),
                _ => None,
            });
        let connection = connection.or_else(|| self.connection_with(hub, address));
        let through = connection.map(|c| &hub.virtual_network_connections[c]);
        let usual = Propagation::default();
        let mut marks = vec![HubMark::Kind(HubKind::Appliance)];
        marks.extend(hubs.taking(self.hubs(), h, through.map_or(&usual, |c| &c.propagation)));
        marks.push(hubs.way(h, HubWay::Appliance { peer, address }));
        let policy = &mut design.routing_policy;
        SessionEnd {
            import_policies: vec![
                facts.branch_import(policy, &format!("bgpConnections/{peer}"), &marks),
                facts.selection(policy),
            ],
            export_policies: vec![
                facts.branch_export(policy, through.is_some_and(|c| c.enable_internet_security)),
            ],
            ..accepting(&hub.id)
        }
    }
}

/// Where a resource that a static route names is: a connection, and behind it the next hop of the connection's own static
/// route, where there is one for the prefix; or the firewall or appliance in the hub.
fn return_ways(topology: &Topology, h: usize, id: &ResourceId, destinations: &[IpNet]) -> Vec<HubWay> {
    let document = topology.document();
    match topology.entity(id) {
        Some(Entity::HubConnection(of, connection)) if of == h => {
            let declared = &document.virtual_hubs[h].virtual_network_connections[connection];
            let covers = |p: &IpNet| destinations.iter().any(|d| p.contains(d));
            let behind = declared.static_routes.iter().filter(|r| r.address_prefixes.iter().any(covers));
            let ways: Vec<HubWay> =
                behind.map(|r| HubWay::Behind { connection, address: r.next_hop_ip_address }).collect();
            if ways.is_empty() { vec![HubWay::Connection(connection)] } else { ways }
        }
        Some(Entity::Firewall(_) | Entity::Appliance(_)) => vec![HubWay::Firewall(id.clone())],
        _ => vec![HubWay::Unknown(id.clone())],
    }
}

/// A hub's own routes as announcements, those with the same marks together.
fn originations(hub: Hub, own: Own) -> Vec<Origination> {
    let mut by_marks: BTreeMap<(HubKind, BTreeSet<String>), Vec<IpNet>> = BTreeMap::new();
    for (prefix, (kind, mut marks)) in own {
        marks.insert(HubMark::Kind(kind).to_string());
        by_marks.entry((kind, marks)).or_default().push(prefix);
    }
    by_marks
        .into_iter()
        .map(|((kind, marks), prefixes)| {
            let standing = standing(hub.preference, kind, None, hub.several_remote_hubs);
            let large = marks.iter().filter_map(|mark| mark.parse().ok());
            Origination {
                prefixes,
                attributes: PathAttributes {
                    weight: Some(standing.weight),
                    med: Some(standing.med),
                    communities: Communities::new([], [], large),
                    ..PathAttributes::default()
                },
                policies: Vec::new(),
            }
        })
        .collect()
}
