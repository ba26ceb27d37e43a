//! Tables that Azure printed, as what a site offers: an export of a real deployment feeds the model with the routes that
//! its circuits and gateways hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::bgp::{AsPath, SegmentKind};
use crate::model::tables::{ExpressRouteCircuitRoutesTable, GatewayRoute, GatewayRouteOrigin};
use crate::model::{
    Advertisement, Asn, Connection, ConnectionType, Document, GatewayType, LinkRole, OnPremisesSite,
    PeeringType, ResourceId,
};

/// Whose table it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RoutesOf {
    /// One link of a circuit's peering: `az network express-route list-route-tables --path primary|secondary`.
    CircuitLink {
        /// The circuit.
        circuit: ResourceId,
        /// The peering.
        peering: PeeringType,
        /// The link.
        link: LinkRole,
    },
    /// What a gateway has learned over all of its connections: `az network vnet-gateway list-learned-routes`.
    Gateway {
        /// The gateway.
        gateway: ResourceId,
    },
    /// What the gateway of a connection has learned over this connection.
    Connection {
        /// The connection.
        connection: ResourceId,
        /// The addresses of the connection's peers (`sourcePeer`): of Microsoft's edge for a circuit, of the device for
        /// a VPN. Empty: they are told apart by what is declared.
        source_peers: Vec<IpAddr>,
    },
}

impl RoutesOf {
    /// The resource it belongs to.
    pub fn resource(&self) -> &ResourceId {
        match self {
            Self::CircuitLink { circuit, .. } => circuit,
            Self::Gateway { gateway } => gateway,
            Self::Connection { connection, .. } => connection,
        }
    }
}

/// What a table says that a site advertises, and what else stood in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfferedRoutes {
    /// What the site advertises, one for each path, sorted; the prefixes of each sorted.
    pub advertisements: Vec<Advertisement>,
    /// Rows that no site outside Azure offered, in the order of the table.
    pub left_out: Vec<LeftOutRoute>,
}

/// A row that is no offer of a site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOutRoute {
    /// The prefix.
    pub network: IpNet,
    /// The AS path, as printed.
    pub as_path: AsPath,
    /// Why.
    pub reason: LeftOutReason,
}

impl fmt::Display for LeftOutRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]: {}", self.network, self.as_path, self.reason)
    }
}

/// Why a row is no offer of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LeftOutReason {
    /// Azure's own: nothing but Azure's systems in the path. A virtual network's space, a host route to a peer, a service.
    AzureOriginated,
    /// A gateway, Route Server or hub passed it on.
    PassedOnByAzure,
    /// It came from another circuit, by Global Reach (ER-15).
    GlobalReach,
    /// The gateway's twin passed it on; the twin's own row says the same.
    FromTwin,
    /// It came over another connection than the one asked about.
    OtherConnection,
    /// Nothing tells over which of the gateway's connections it came: name the connection.
    UnknownConnection,
    /// Another row, or another table, has the prefix over the same link.
    Repeated,
    /// A document says what is announced over this link or connection; it counts.
    Declared,
}

impl LeftOutReason {
    /// The reason in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AzureOriginated => "originated by Azure",
            Self::PassedOnByAzure => "passed on by Azure",
            Self::GlobalReach => "from another circuit, by Global Reach",
            Self::FromTwin => "from the gateway's other instance",
            Self::OtherConnection => "over another connection",
            Self::UnknownConnection => "over a connection that cannot be told: name it",
            Self::Repeated => "another row has the prefix",
            Self::Declared => "a document says what is announced there",
        }
    }
}

impl fmt::Display for LeftOutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the site behind a circuit's link advertises over it, by the link's own table. `document` tells whose routes the
/// others are: the peering's subnets, gateways on the circuit and their ASNs, Global Reach.
///
/// Microsoft's ASN at the front of a path is taken off (an advertisement is as Microsoft received it), sets count as one
/// of their numbers, as elsewhere in the model.
pub fn circuit_offers(
    rows: &[ExpressRouteCircuitRoutesTable],
    circuit: &ResourceId,
    peering: PeeringType,
    link: LinkRole,
    document: &Document,
) -> OfferedRoutes {
    let declared = document.express_route_circuits.iter().find(|c| c.id == *circuit);
    let customer = |next_hop: &IpAddr| {
        let peering = declared.and_then(|c| c.peerings.iter().find(|p| p.peering_type == peering))?;
        let subnets = match link {
            LinkRole::Primary => {
                [peering.primary_peer_address_prefix, peering.ipv6_primary_peer_address_prefix]
            }
            LinkRole::Secondary => {
                [peering.secondary_peer_address_prefix, peering.ipv6_secondary_peer_address_prefix]
            }
        };
        let of_family = subnets.into_iter().flatten().find(|s| s.addr().is_ipv4() == next_hop.is_ipv4())?;
        Some(of_family.contains(next_hop))
    };
    let joined = declared.is_some_and(|c| !c.global_reach.is_empty())
        || document.express_route_circuits.iter().any(|c| c.global_reach.contains(circuit));
    let gateways: BTreeSet<Asn> = document
        .connections
        .iter()
        .filter(|c| c.peer == *circuit)
        .filter_map(|c| document.virtual_network_gateways.iter().find(|g| g.id == c.virtual_network_gateway))
        .map(|g| g.asn)
        .collect();
    let mut offers = Offers::default();
    for row in rows {
        let path = &row.path.as_path;
        // A next hop on the link itself is the customer's, whatever the path looks like.
        let from_customer = row.next_hop.as_ref().and_then(customer);
        let (own, edge) = without_edge(path);
        let reason = match own.first() {
            None => Some(LeftOutReason::AzureOriginated),
            Some(_) if edge && (joined && from_customer != Some(true) || from_customer == Some(false)) => {
                Some(LeftOutReason::GlobalReach)
            }
            Some(first) if is_azures(*first) || gateways.contains(first) => {
                Some(passed_on(own.iter().all(|asn| is_azures(*asn) || gateways.contains(asn))))
            }
            Some(_) => None,
        };
        let over = Over { over: circuit.clone(), peering, link: Some(link) };
        offers.row(row.network, path, reason.map_or(Ok((over, own)), Err));
    }
    offers.finish()
}

/// What sites advertise to a gateway, by the routes that it has learned: over each connection what came over it, or over
/// one connection only, where it is named. `source_peers` are the peers of that connection; where they are empty, peers
/// are told apart by what `document` declares: a local network gateway's BGP address or ASN, the one circuit of a gateway.
///
/// Microsoft's ASN at the front of a path is taken off, and what came over a circuit is advertised on both of its links:
/// a gateway's table does not tell them apart.
pub fn gateway_offers(
    rows: &[GatewayRoute],
    gateway: &ResourceId,
    connection: Option<&ResourceId>,
    source_peers: &[IpAddr],
    document: &Document,
) -> OfferedRoutes {
    let lines = Lines::new(gateway, document);
    let mut offers = Offers::default();
    for row in rows {
        let path = &row.as_path;
        let (own, edge) = without_edge(path);
        let azures = |asn: &Asn| is_azures(*asn) || lines.asn == Some(*asn) || lines.twins.contains(asn);
        let reason = match (&row.origin, own.first()) {
            (Some(GatewayRouteOrigin::Network), _) | (_, None) => Some(LeftOutReason::AzureOriginated),
            (Some(GatewayRouteOrigin::IBgp), _) => Some(LeftOutReason::FromTwin),
            (_, Some(first)) if azures(first) => Some(passed_on(own.iter().all(azures))),
            _ => None,
        };
        let taken = match reason {
            Some(reason) => Err(reason),
            None => lines.over(row, &own, edge, connection, source_peers).map(|over| (over, own)),
        };
        offers.row(row.network, path, taken);
    }
    offers.finish()
}

fn passed_on(only_azure: bool) -> LeftOutReason {
    if only_azure { LeftOutReason::AzureOriginated } else { LeftOutReason::PassedOnByAzure }
}

/// Microsoft's edge, gateways and hubs (BGP-1, BGP-2).
fn is_azures(asn: Asn) -> bool {
    matches!(asn.0, 8074 | 8075 | 12076 | 65515 | 65517..=65520)
}

/// A path as Microsoft's edge received it, and whether there was anything to take off (BGP-1).
fn without_edge(path: &AsPath) -> (Vec<Asn>, bool) {
    let mut numbers: Vec<Asn> = Vec::new();
    for (kind, asns) in path.segments() {
        match kind {
            SegmentKind::Sequence => numbers.extend_from_slice(asns),
            SegmentKind::Set => numbers.extend(asns.first()),
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => {}
        }
    }
    let edge = numbers.iter().take_while(|asn| **asn == Asn::MICROSOFT_EDGE).count();
    (numbers.split_off(edge), edge > 0)
}

/// What an advertisement goes over.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Over {
    over: ResourceId,
    peering: PeeringType,
    link: Option<LinkRole>,
}

/// The connections of a gateway.
struct Lines<'d> {
    document: &'d Document,
    asn: Option<Asn>,
    connections: Vec<&'d Connection>,
    /// Gateways at the far end of connections between virtual networks.
    twins: BTreeSet<Asn>,
}

impl<'d> Lines<'d> {
    fn new(gateway: &ResourceId, document: &'d Document) -> Self {
        let of = |id: &ResourceId| document.virtual_network_gateways.iter().find(|g| g.id == *id);
        let connections: Vec<_> =
            document.connections.iter().filter(|c| c.virtual_network_gateway == *gateway).collect();
        let far = connections.iter().filter(|c| c.connection_type == ConnectionType::Vnet2Vnet);
        let twins = far.filter_map(|c| of(&c.peer)).map(|g| g.asn).collect();
        Self { document, asn: of(gateway).map(|g| g.asn), connections, twins }
    }

    /// Over which connection a row came.
    fn over(
        &self,
        row: &GatewayRoute,
        own: &[Asn],
        edge: bool,
        only: Option<&ResourceId>,
        source_peers: &[IpAddr],
    ) -> Result<Over, LeftOutReason> {
        let named = |id: &ResourceId| {
            let connection = self.document.connections.iter().find(|c| c.id == *id);
            connection.map_or_else(
                || Over { over: id.clone(), peering: PeeringType::default(), link: None },
                over_connection,
            )
        };
        if let (Some(only), false) = (only, source_peers.is_empty()) {
            return match row.source_peer {
                Some(peer) if source_peers.contains(&peer) => Ok(named(only)),
                Some(_) => Err(LeftOutReason::OtherConnection),
                None => Err(LeftOutReason::UnknownConnection),
            };
        }
        let fitting: Vec<_> = self.connections.iter().filter(|c| self.fits(c, row, own, edge)).collect();
        match (only, fitting.as_slice()) {
            (None, [one]) => Ok(over_connection(one)),
            // A gateway of which no connection is declared: the caller knows.
            (Some(only), []) if self.connections.iter().all(|c| c.id == *only) => Ok(named(only)),
            (Some(only), [one]) if one.id == *only => Ok(over_connection(one)),
            (Some(only), several) if several.iter().any(|c| c.id == *only) => {
                Err(LeftOutReason::UnknownConnection)
            }
            (Some(_), [_, ..]) => Err(LeftOutReason::OtherConnection),
            _ => Err(LeftOutReason::UnknownConnection),
        }
    }

    /// Whether a row can have come over a connection.
    fn fits(&self, connection: &Connection, row: &GatewayRoute, own: &[Asn], edge: bool) -> bool {
        let gateway = self
            .document
            .virtual_network_gateways
            .iter()
            .find(|g| g.id == connection.virtual_network_gateway);
        match connection.connection_type {
            ConnectionType::ExpressRoute => {
                edge || gateway.is_some_and(|g| g.gateway_type == GatewayType::ExpressRoute)
            }
            ConnectionType::IPsec if !edge => {
                let local = self.document.local_network_gateways.iter().find(|l| l.id == connection.peer);
                let Some(local) = local else { return true };
                match (local.bgp_peering_address, row.source_peer) {
                    (Some(address), Some(peer)) => address == peer,
                    _ => local.asn.is_none_or(|asn| own.first() == Some(&asn)),
                }
            }
            _ => false,
        }
    }
}

/// Over a circuit an advertisement goes over the circuit; over a VPN, over the connection.
fn over_connection(connection: &Connection) -> Over {
    let over = match connection.connection_type {
        ConnectionType::ExpressRoute => connection.peer.clone(),
        _ => connection.id.clone(),
    };
    Over { over, peering: PeeringType::AzurePrivatePeering, link: None }
}

/// Offers, gathered row by row: of one prefix over one link the shortest path, as one session carries one route.
#[derive(Default)]
struct Offers {
    best: BTreeMap<(Over, IpNet), (Vec<Asn>, AsPath)>,
    left_out: Vec<LeftOutRoute>,
}

impl Offers {
    fn row(&mut self, network: IpNet, path: &AsPath, taken: Result<(Over, Vec<Asn>), LeftOutReason>) {
        let mut leave = |as_path: AsPath, reason| {
            self.left_out.push(LeftOutRoute { network, as_path, reason });
        };
        match taken {
            Err(reason) => leave(path.clone(), reason),
            Ok((over, own)) => match self.best.entry((over, network)) {
                std::collections::btree_map::Entry::Vacant(slot) => {
                    slot.insert((own, path.clone()));
                }
                std::collections::btree_map::Entry::Occupied(mut slot) => {
                    let printed = if own.len() < slot.get().0.len() {
                        slot.insert((own, path.clone())).1
                    } else {
                        path.clone()
                    };
                    leave(printed, LeftOutReason::Repeated);
                }
            },
        }
    }

    fn finish(self) -> OfferedRoutes {
        let mut by_path: BTreeMap<(Over, Vec<Asn>), Vec<IpNet>> = BTreeMap::new();
        for ((over, network), (path, _)) in self.best {
            by_path.entry((over, path)).or_default().push(network);
        }
        let advertisements = by_path
            .into_iter()
            .map(|((Over { over, peering, link }, as_path), prefixes)| Advertisement {
                over,
                peering,
                link,
                prefixes,
                as_path,
            })
            .collect();
        OfferedRoutes { advertisements, left_out: self.left_out }
    }
}

/// Routes that were added to an importer, to be laid into its document.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) input: String,
    pub(super) of: RoutesOf,
    pub(super) site: ResourceId,
    pub(super) rows: Rows,
}

/// The rows of a table by their kind.
#[derive(Debug)]
pub(super) enum Rows {
    Circuit(Vec<ExpressRouteCircuitRoutesTable>),
    Gateway(Vec<GatewayRoute>),
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Circuit(rows) => rows.len(),
            Self::Gateway(rows) => rows.len(),
        }
    }
}

impl Sheet {
    /// What the table says, for a document.
    fn offers(&self, document: &Document) -> OfferedRoutes {
        match (&self.rows, &self.of) {
            (Rows::Circuit(rows), RoutesOf::CircuitLink { circuit, peering, link }) => {
                circuit_offers(rows, circuit, *peering, *link, document)
            }
            (Rows::Gateway(rows), RoutesOf::Gateway { gateway }) => {
                gateway_offers(rows, gateway, None, &[], document)
            }
            (Rows::Gateway(rows), RoutesOf::Connection { connection, source_peers }) => {
                let owner = document.connections.iter().find(|c| c.id == *connection);
                let gateway = owner.map(|c| c.virtual_network_gateway.clone()).unwrap_or_default();
                gateway_offers(rows, &gateway, Some(connection), source_peers, document)
            }
            // `Importer::add_routes` lets no other pair in.
            _ => OfferedRoutes::default(),
        }
    }

    /// Whose routes the table holds: of the circuit's owner, or of the network that the gateway stands in.
    fn tenant(&self, document: &Document) -> Option<String> {
        let owner = |id: &ResourceId| {
            let connection = document.connections.iter().find(|c| c.id == *id);
            connection.map_or(id, |c| &c.virtual_network_gateway).clone()
        };
        match &self.of {
            RoutesOf::CircuitLink { circuit, .. } => {
                document.express_route_circuits.iter().find(|c| c.id == *circuit)?.tenant.clone()
            }
            RoutesOf::Gateway { gateway: id } | RoutesOf::Connection { connection: id, .. } => {
                let owner = owner(id);
                let gateway = document.virtual_network_gateways.iter().find(|g| g.id == owner)?;
                document.virtual_networks.iter().find(|v| v.id == gateway.virtual_network)?.tenant.clone()
            }
        }
    }

    /// Whether the document knows the resource whose table it is.
    pub(super) fn is_known(&self, document: &Document) -> bool {
        match &self.of {
            RoutesOf::CircuitLink { circuit, .. } => {
                document.express_route_circuits.iter().any(|c| c.id == *circuit)
            }
            RoutesOf::Gateway { gateway } => {
                document.virtual_network_gateways.iter().any(|g| g.id == *gateway)
            }
            RoutesOf::Connection { connection, .. } => {
                document.connections.iter().any(|c| c.id == *connection)
            }
        }
    }
}

/// Lays tables into a document, as advertisements of their sites; gives the rows of each that were left out, in the order
/// of the tables. What is declared for a prefix over a link counts; then what the link's own table says, then what a
/// gateway's does, which cannot tell links apart.
pub(super) fn lay(sheets: &[Sheet], document: &mut Document) -> Vec<Vec<LeftOutRoute>> {
    let told = |document: &Document| -> Vec<Advertisement> {
        document.on_premises_sites.iter().flat_map(|s| s.advertisements.iter().cloned()).collect()
    };
    let mut known = vec![(LeftOutReason::Declared, told(document))];
    let mut left_out: Vec<Vec<LeftOutRoute>> = vec![Vec::new(); sheets.len()];
    let mut order: Vec<usize> = (0..sheets.len()).collect();
    order.sort_by_key(|at| matches!(sheets[*at].rows, Rows::Gateway(_)));
    for at in order {
        let sheet = &sheets[at];
        let mut offers = sheet.offers(document);
        for offered in &mut offers.advertisements {
            leave_known(offered, &known, &mut offers.left_out);
        }
        offers.advertisements.retain(|a| !a.prefixes.is_empty());
        left_out[at] = offers.left_out;
        known.push((LeftOutReason::Repeated, offers.advertisements.clone()));
        if offers.advertisements.is_empty() {
            continue;
        }
        match document.on_premises_sites.iter_mut().find(|s| s.id == sheet.site) {
            Some(site) => site.advertisements.append(&mut offers.advertisements),
            None => {
                let tenant = sheet.tenant(document);
                document.on_premises_sites.push(OnPremisesSite {
                    tenant,
                    advertisements: offers.advertisements,
                    ..OnPremisesSite::new(&sheet.site, [])
                });
            }
        }
    }
    left_out
}

/// Takes out of an advertisement what is known of the same link already.
fn leave_known(
    offered: &mut Advertisement,
    known: &[(LeftOutReason, Vec<Advertisement>)],
    left_out: &mut Vec<LeftOutRoute>,
) {
    let mut reasons: BTreeMap<IpNet, LeftOutReason> = BTreeMap::new();
    for (reason, advertisements) in known {
        for told in advertisements {
            let links = told.link.is_none() || offered.link.is_none() || told.link == offered.link;
            if told.over == offered.over && told.peering == offered.peering && links {
                for prefix in &told.prefixes {
                    reasons.entry(prefix.trunc()).or_insert(*reason);
                }
            }
        }
    }
    let as_path = AsPath::sequence(offered.as_path.iter().copied());
    offered.prefixes.retain(|prefix| {
        let reason = reasons.get(prefix);
        if let Some(reason) = reason {
            left_out.push(LeftOutRoute { network: *prefix, as_path: as_path.clone(), reason: *reason });
        }
        reason.is_none()
    });
}
