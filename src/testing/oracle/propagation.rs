//! What speakers pass on: the choice of an edge router between a customer and the networks on the circuit, and the
//! exchange between VPN gateways, by sending everything round until nothing changes.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::gateways::{advertised_space, connections_of, express_route_is_up, home_of, speaks_bgp};
use super::is_default_route;
use crate::model::{
    Asn, Connection, ConnectionType, Document, ExpressRouteCircuit, GatewayType, Limits, LinkRole,
    VirtualNetworkGateway,
};

/// A route as its receiver holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) prefix: IpNet,
    pub(super) path: Vec<Asn>,
}

/// Whether an edge router tells its gateways what the customer announces: not where a network's own announcement of the
/// same prefix has the shorter path there (BGP, RFC 4271 section 9.1.2.2; of equal ones the session with the lower name).
pub(super) fn customer_wins(
    document: &Document,
    circuit: &ExpressRouteCircuit,
    link: LinkRole,
    prefix: &IpNet,
    path: usize,
) -> bool {
    let customer =
        format!("{}/peerings/AzurePrivatePeering/links/{}/customer/declared", circuit.id, link.as_str());
    let announces = |connection: &&Connection| {
        let gateway =
            document.virtual_network_gateways.iter().find(|g| g.id == connection.virtual_network_gateway);
        gateway
            .filter(|g| g.gateway_type == GatewayType::ExpressRoute)
            .and_then(|g| home_of(document, g))
            .is_some_and(|home| {
                express_route_is_up(document, home, connection)
                    && advertised_space(document, home).contains(prefix)
            })
    };
    let mut networks = document
        .connections
        .iter()
        .filter(|c| c.connection_type == ConnectionType::ExpressRoute && c.peer == circuit.id)
        .filter(announces)
        .map(|c| format!("{}/links/{}", c.id, link.as_str()));
    match path {
        0 => true,
        1 => networks.all(|session| customer.to_ascii_lowercase() < session.to_ascii_lowercase()),
        _ => networks.next().is_none(),
    }
}

/// A session of two VPN gateways that run BGP, as positions of the gateways and of the connections that each owns.
struct Pair {
    id: String,
    ends: [(usize, usize); 2],
}

fn pairs(document: &Document) -> Vec<Pair> {
    let gateways = &document.virtual_network_gateways;
    let owner = |c: &Connection| gateways.iter().position(|g| g.id == c.virtual_network_gateway);
    let runs = |c: &Connection| {
        c.connection_type == ConnectionType::Vnet2Vnet
            && c.connected
            && owner(c)
                .is_some_and(|g| gateways[g].gateway_type == GatewayType::Vpn && speaks_bgp(&gateways[g], c))
    };
    let mut found = Vec::new();
    for (c, connection) in document.connections.iter().enumerate().filter(|(_, c)| runs(c)) {
        let later = document.connections.iter().enumerate().skip(c + 1);
        let back = later.filter(|(_, o)| runs(o)).find(|(_, o)| {
            o.peer == connection.virtual_network_gateway && o.virtual_network_gateway == connection.peer
        });
        if let (Some((b, other)), Some(g)) = (back, owner(connection))
            && let Some(far) = owner(other).filter(|far| *far != g)
        {
            let id = format!("{}/vnet2vnet/{}", connection.id, other.id);
            found.push(Pair { id, ends: [(g, c), (far, b)] });
        }
    }
    found
}

/// What a VPN gateway hears over each of its VNet-to-VNet connections besides the far gateway's networks (VPN-3, VPN-6,
/// FT-11), by connection.
pub(super) fn passed_on(document: &Document, gateway: &VirtualNetworkGateway) -> Vec<(usize, Heard)> {
    let gateways = &document.virtual_network_gateways;
    let pairs = pairs(document);
    let space: Vec<Vec<IpNet>> = gateways
        .iter()
        .map(|g| home_of(document, g).map_or_else(Vec::new, |home| advertised_space(document, home)))
        .collect();
    // Held by each gateway, by prefix: the session's name and whether it is internal, with the path. A route of its own
    // has no session.
    type Held = BTreeMap<IpNet, Vec<(Option<(String, bool)>, Vec<Asn>)>>;
    let outside: Vec<Held> = gateways
        .iter()
        .enumerate()
        .map(|(g, gateway)| {
            let mut held = Held::new();
            if gateway.gateway_type != GatewayType::Vpn {
                return held;
            }
            let mut own = space[g].clone();
            for connection in connections_of(document, gateway, ConnectionType::IPsec) {
                let local = document.local_network_gateways.iter().find(|l| l.id == connection.peer);
                if let Some(local) = local.filter(|_| connection.connected) {
                    own.extend(local.address_prefixes.iter().map(IpNet::trunc));
                }
            }
            for prefix in own {
                held.entry(prefix).or_default().push((None, Vec::new()));
            }
            for (prefix, session, path) in announced(document, gateway) {
                held.entry(prefix).or_default().push((Some((session, false)), path));
            }
            held
        })
        .collect();
    let mut heard: BTreeMap<(usize, usize), Vec<Heard>> = BTreeMap::new();
    for _ in 0..=gateways.len() {
        let mut held = outside.clone();
        for (p, pair) in pairs.iter().enumerate() {
            let internal = gateways[pair.ends[0].0].asn == gateways[pair.ends[1].0].asn;
            for (to, (g, _)) in pair.ends.iter().enumerate() {
                for route in heard.get(&(p, to)).into_iter().flatten() {
                    let entry = (Some((pair.id.clone(), internal)), route.path.clone());
                    held[*g].entry(route.prefix).or_default().push(entry);
                }
            }
        }
        let mut next: BTreeMap<(usize, usize), Vec<Heard>> = BTreeMap::new();
        for (p, pair) in pairs.iter().enumerate() {
            for to in [0, 1] {
                let ((from, _), (receiver, _)) = (pair.ends[1 - to], pair.ends[to]);
                let internal = gateways[from].asn == gateways[receiver].asn;
                let mut sent = Vec::new();
                for (prefix, routes) in &held[from] {
                    // What it knows by itself, then the shortest path, then the session with the lower name.
                    let best = routes.iter().min_by_key(|(session, path)| {
                        (session.is_some(), path.len(), session.as_ref().map(|s| s.0.to_ascii_lowercase()))
                    });
                    let Some((session, path)) = best else { continue };
                    let learned = session.is_some();
                    let back = session.as_ref().is_some_and(|(id, _)| *id == pair.id);
                    let inside = session.as_ref().is_some_and(|(_, inside)| *inside) && internal;
                    let overlaps =
                        learned && space[from].iter().any(|own| crate::model::overlap(own, prefix));
                    if is_default_route(prefix) || back || inside || overlaps || prefix.addr().is_ipv6() {
                        continue;
                    }
                    let mut path = path.clone();
                    if !internal {
                        path.insert(0, gateways[from].asn);
                    }
                    if !path.contains(&gateways[receiver].asn) && takes(document, &gateways[receiver], prefix)
                    {
                        sent.push(Heard { prefix: *prefix, path });
                    }
                }
                next.insert((p, to), sent);
            }
        }
        if next == heard {
            break;
        }
        heard = next;
    }
    let mut found = Vec::new();
    for (p, pair) in pairs.iter().enumerate() {
        for to in [0, 1] {
            let ((far, _), (receiver, connection)) = (pair.ends[1 - to], pair.ends[to]);
            if gateways[receiver].id == gateway.id {
                let routes = heard.remove(&(p, to)).into_iter().flatten();
                let beyond = routes.filter(|route| !space[far].contains(&route.prefix));
                found.extend(beyond.map(|route| (connection, route)));
            }
        }
    }
    found
}

/// What sites announce to a VPN gateway by BGP, with the session's name.
fn announced(document: &Document, gateway: &VirtualNetworkGateway) -> Vec<(IpNet, String, Vec<Asn>)> {
    let mut found = Vec::new();
    for connection in connections_of(document, gateway, ConnectionType::IPsec) {
        if !connection.connected || !speaks_bgp(gateway, connection) {
            continue;
        }
        let mut best: BTreeMap<IpNet, &[Asn]> = BTreeMap::new();
        for advertisement in document.on_premises_sites.iter().flat_map(|s| &s.advertisements) {
            if advertisement.over != connection.id && advertisement.over != connection.peer {
                continue;
            }
            let path = advertisement.as_path.as_slice();
            for prefix in advertisement.prefixes.iter().map(IpNet::trunc).filter(|p| p.addr().is_ipv4()) {
                let known = best.entry(prefix).or_insert(path);
                if (path.len(), path) < (known.len(), *known) {
                    *known = path;
                }
            }
        }
        best.retain(|prefix, path| !path.contains(&gateway.asn) && takes(document, gateway, prefix));
        if best.len() > 4_000 && document.knobs.limits == Limits::Enforce {
            continue;
        }
        let session = format!("{}/site/declared", connection.id);
        found.extend(best.into_iter().map(|(prefix, path)| (prefix, session.clone(), path.to_vec())));
    }
    found
}

/// VPN-5: a VPN gateway takes nothing by BGP that is equal to, or inside, the networks it serves.
pub(super) fn takes(document: &Document, gateway: &VirtualNetworkGateway, prefix: &IpNet) -> bool {
    let space = home_of(document, gateway).map_or_else(Vec::new, |home| advertised_space(document, home));
    !space.iter().any(|own| own.contains(prefix))
}
