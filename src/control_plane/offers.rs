//! What each gateway, Route Server and hub offers to the networks it serves.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::bgp::{self, Azure, Bgp};
use super::on_premises::{self, may_join, microsoft_prefixes};
use super::scope::{is_default_route, is_private, same_region, same_tenant};
use super::{
    ControlPlane, Domain, DomainOwner, Event, EventKind, LearnedOver, Links, Offer, PublicPrefix, Session,
    Subscription, Transit, Via,
};
use crate::bgp::DesignError;
use crate::model::bgp::{AddressFamily, AsPath, Origination, PathAttributes};
use crate::model::{
    Advertisement, Asn, CircuitSkuTier, Connection, ConnectionType, CrossTenantLinks, Entity,
    ExpressRouteCircuit, GatewayType, HubRoutingPreference, Limits, LinkRole, PUBLIC_PEERING_CLOSED,
    PeeringType, ResourceId, Topology, VirtualNetworkGateway, VpnType,
};
use crate::rule::Rule;

/// Settles the control plane of a topology.
///
/// # Errors
/// BGP outside Azure that cannot be right.
pub(crate) fn converge(topology: &Topology) -> Result<ControlPlane, DesignError> {
    let mut build = Builder::new(topology);
    let mut plane = ControlPlane::default();
    build.domains(&mut plane);
    plane.subscriptions = build.subscriptions(&plane.domains);
    let bgp = build.outside()?;
    plane.told_by_sites = match &bgp {
        Some(bgp) => bgp.told_by_sites(topology),
        None => topology.document().on_premises_sites.iter().map(|s| s.advertisements.clone()).collect(),
    };
    build.listen(&plane.told_by_sites);
    build.computed = bgp.as_ref().map_or_else(Vec::new, Bgp::computed);
    let unsettled: Vec<IpNet> = bgp.as_ref().map_or_else(Vec::new, |bgp| bgp.engine.unsettled().collect());
    if let Some(first) = unsettled.first() {
        let detail = format!("BGP does not settle for {first} ({} prefixes)", unsettled.len());
        build.event(EventKind::Unsettled, &ResourceId::new("bgp_sessions"), Rule::ER_11, detail);
    }
    let gateways = &topology.document().virtual_network_gateways;
    plane.printed_next_hops = gateways.iter().map(|gateway| build.printed_next_hops(gateway)).collect();
    for at in 0..plane.domains.len() {
        let offers = match plane.domains[at].owner {
            DomainOwner::VirtualNetwork(_) => build.gateway_offers(&plane, at),
            DomainOwner::Hub(hub) => build.hub_offers(hub),
        };
        plane.domains[at].offers = offers;
    }
    plane.microsoft_peering = build.microsoft_peering();
    plane.events = std::mem::take(&mut build.events);
    if topology.document().knobs.limits == Limits::Enforce {
        plane.down_sessions = std::mem::take(&mut build.exceeded);
    }
    let served = std::mem::take(&mut build.served);
    plane.on_premises = on_premises::build(topology, &plane, &served, bgp);
    Ok(plane)
}

/// What the builders of offers share.
pub(super) struct Builder<'t> {
    topology: &'t Topology,
    /// Connections by owning gateway.
    connections: HashMap<usize, Vec<usize>>,
    /// Sites' advertisements by what they go over.
    advertisements: HashMap<ResourceId, Vec<Advertisement>>,
    /// Virtual networks whose space a gateway advertises: its own and those that use it (PEER-6).
    pub(super) served: BTreeMap<usize, Vec<usize>>,
    /// Sessions that BGP computes: what is declared to be learned over them does not count.
    computed: Vec<LearnedOver>,
    events: Vec<Event>,
    /// Sessions whose limit was found exceeded.
    exceeded: BTreeSet<Session>,
}

impl<'t> Builder<'t> {
    fn new(topology: &'t Topology) -> Self {
        let document = topology.document();
        let mut connections: HashMap<usize, Vec<usize>> = HashMap::new();
        for (i, connection) in document.connections.iter().enumerate() {
            if let Some(Entity::Gateway(gateway)) = topology.entity(&connection.virtual_network_gateway) {
                connections.entry(gateway).or_default().push(i);
            }
        }
        Self {
            topology,
            connections,
            advertisements: HashMap::new(),
            served: BTreeMap::new(),
            computed: Vec::new(),
            events: Vec::new(),
            exceeded: BTreeSet::new(),
        }
    }

    /// Notes what sites tell Azure.
    fn listen(&mut self, told: &[Vec<Advertisement>]) {
        for advertisement in told.iter().flatten() {
            self.advertisements.entry(advertisement.over.clone()).or_default().push(advertisement.clone());
        }
    }

    /// BGP outside Azure, with what Azure tells it. Global Reach tells one customer what another announces (ER-15), so
    /// this goes on until nothing is new.
    fn outside(&mut self) -> Result<Option<Bgp>, DesignError> {
        let topology = self.topology;
        let mut reached: BTreeMap<usize, Vec<Origination>> = BTreeMap::new();
        let mut rounds = 0;
        loop {
            let Some(bgp) = bgp::converge(topology, &mut Told { build: self, reached: &reached })? else {
                return Ok(None);
            };
            let now = joined(topology, &bgp.told_by_sites(topology));
            rounds += 1;
            if now == reached || rounds == GLOBAL_REACH_ROUNDS {
                return Ok(Some(bgp));
            }
            reached = now;
        }
    }

    /// One domain per network that has gateways or a Route Server, in the document's order, then one per hub.
    fn domains(&mut self, plane: &mut ControlPlane) {
        let document = self.topology.document();
        let vnet_of = |id: &ResourceId| match self.topology.entity(id) {
            Some(Entity::VirtualNetwork(v)) => Some(v),
            _ => None,
        };
        let mut by_vnet: BTreeMap<usize, Domain> = BTreeMap::new();
        let empty = |v: usize| Domain {
            owner: DomainOwner::VirtualNetwork(v),
            route_server: None,
            express_route: Vec::new(),
            vpn: Vec::new(),
            preference: HubRoutingPreference::default(),
            transit: Transit::Allowed,
            offers: Vec::new(),
        };
        for (g, gateway) in document.virtual_network_gateways.iter().enumerate() {
            let Some(v) = vnet_of(&gateway.virtual_network) else { continue };
            let domain = by_vnet.entry(v).or_insert_with(|| empty(v));
            match gateway.gateway_type {
                GatewayType::ExpressRoute => domain.express_route.push(g),
                GatewayType::Vpn => domain.vpn.push(g),
                GatewayType::LocalGateway => {}
            }
        }
        for (r, server) in document.route_servers.iter().enumerate() {
            let Some(v) = vnet_of(&server.virtual_network) else { continue };
            let domain = by_vnet.entry(v).or_insert_with(|| empty(v));
            domain.route_server = Some(r);
            domain.preference = server.hub_routing_preference;
        }
        by_vnet.retain(|_, d| d.route_server.is_some() || !d.express_route.is_empty() || !d.vpn.is_empty());
        plane.domains = by_vnet.into_values().collect();
        // Basic VPN gateways give no transit (PEER-7): where one stands beside others, those that use the network's
        // gateways from outside see a domain without it.
        for at in 0..plane.domains.len() {
            let domain = &plane.domains[at];
            let vpn: Vec<usize> = domain
                .vpn
                .iter()
                .copied()
                .filter(|g| !is_basic(&document.virtual_network_gateways[*g]))
                .collect();
            let others = domain.route_server.is_some() || !domain.express_route.is_empty() || !vpn.is_empty();
            if vpn.len() == domain.vpn.len() {
                continue;
            }
            if others {
                let transit = Domain {
                    owner: domain.owner,
                    route_server: domain.route_server,
                    express_route: domain.express_route.clone(),
                    vpn,
                    preference: domain.preference,
                    transit: Transit::Only,
                    offers: Vec::new(),
                };
                plane.domains.push(transit);
            }
            plane.domains[at].transit = Transit::Never;
        }
        for h in 0..document.virtual_hubs.len() {
            plane.domains.push(Domain {
                owner: DomainOwner::Hub(h),
                route_server: None,
                express_route: Vec::new(),
                vpn: Vec::new(),
                preference: document.virtual_hubs[h].hub_routing_preference,
                transit: Transit::Never,
                offers: Vec::new(),
            });
        }
    }

    /// Where each network takes gateway routes from: its own domain, else a remote one (PEER-6, PEER-7), else its hub
    /// (UDR-5 gives the same order).
    fn subscriptions(&mut self, domains: &[Domain]) -> Vec<Option<Subscription>> {
        let document = self.topology.document();
        let of_network = |wanted: fn(Transit) -> bool| -> HashMap<usize, usize> {
            let networks = domains.iter().enumerate().filter_map(|(d, domain)| match domain.owner {
                DomainOwner::VirtualNetwork(v) if wanted(domain.transit) => Some((v, d)),
                _ => None,
            });
            networks.collect()
        };
        let own = of_network(|transit| transit != Transit::Only);
        let transit = of_network(|transit| transit != Transit::Never);
        let mut hub_of: HashMap<usize, Subscription> = HashMap::new();
        for (d, domain) in domains.iter().enumerate() {
            let DomainOwner::Hub(h) = domain.owner else { continue };
            for connection in &document.virtual_hubs[h].virtual_network_connections {
                if let Some(Entity::VirtualNetwork(v)) =
                    self.topology.entity(&connection.remote_virtual_network)
                {
                    let default_route = connection.enable_internet_security;
                    hub_of.entry(v).or_insert(Subscription { domain: d, default_route });
                }
            }
        }
        let mut subscriptions = Vec::with_capacity(document.virtual_networks.len());
        for (v, vnet) in document.virtual_networks.iter().enumerate() {
            let whole = |domain: usize| Subscription { domain, default_route: true };
            let remote = || {
                vnet.peerings.iter().filter(|half| half.use_remote_gateways).find_map(|half| {
                    let Some(Entity::VirtualNetwork(hub)) =
                        self.topology.entity(&half.remote_virtual_network)
                    else {
                        return None;
                    };
                    let reverse = self.topology.reverse_peering(vnet, half)?;
                    let global = !same_region(vnet, &document.virtual_networks[hub]);
                    let usable = self.topology.is_connected(vnet, half)
                        && reverse.allow_gateway_transit
                        && (!global || self.topology.era().global_gateway_transit());
                    usable.then(|| transit.get(&hub).copied())?
                })
            };
            let subscription = match own.get(&v) {
                Some(domain) => Some(whole(*domain)),
                None => remote().map(whole).or_else(|| hub_of.get(&v).copied()),
            };
            if let Some(Subscription { domain, .. }) = subscription
                && matches!(domains[domain].owner, DomainOwner::VirtualNetwork(_))
            {
                for gateway in domains[domain].express_route.iter().chain(&domains[domain].vpn) {
                    self.served.entry(*gateway).or_default().push(v);
                }
            }
            subscriptions.push(subscription);
        }
        // A gateway's own network comes first.
        for (gateway, served) in &mut self.served {
            let own = document.virtual_network_gateways.get(*gateway).and_then(|g| vnet_ix(self.topology, g));
            served.sort_by_key(|v| (Some(*v) != own, *v));
        }
        subscriptions
    }

    fn gateway_offers(&mut self, plane: &ControlPlane, at: usize) -> Vec<Offer> {
        let document = self.topology.document();
        let domain = &plane.domains[at];
        let mut offers = Vec::new();
        for &g in domain.express_route.iter().chain(&domain.vpn) {
            let gateway = &document.virtual_network_gateways[g];
            let next_hops = plane.printed_next_hops[g].clone();
            let before = offers.len();
            self.declared_routes(g, gateway, &next_hops, &mut offers);
            for c in self.connections.get(&g).cloned().unwrap_or_default() {
                let connection = &document.connections[c];
                if !connection.connected {
                    continue;
                }
                match (gateway.gateway_type, connection.connection_type) {
                    (GatewayType::ExpressRoute, ConnectionType::ExpressRoute) => {
                        self.circuit_offers(g, c, connection, &next_hops, &mut offers);
                    }
                    (GatewayType::Vpn, ConnectionType::IPsec) => {
                        self.site_to_site_offers(g, c, connection, &next_hops, &mut offers);
                    }
                    (GatewayType::Vpn, ConnectionType::Vnet2Vnet) => {
                        self.vnet_to_vnet_offers(g, c, connection, &next_hops, &mut offers);
                    }
                    _ => {}
                }
            }
            if gateway.gateway_type == GatewayType::Vpn {
                self.default_site(g, gateway, &next_hops, &mut offers);
                for pool in &gateway.vpn_client_address_pools {
                    let via = Via::Vpn { gateway: g, connection: None, far: None };
                    offers.push(static_offer(*pool, via, &next_hops));
                }
                // VPN carries IPv4 only (VPN-13, V6-4).
                let refused = offers[before..].iter().filter(|o| o.prefix.addr().is_ipv6()).count();
                if refused > 0 {
                    let detail = format!("{refused} IPv6 prefixes: VPN gateways carry IPv4 only");
                    self.event(EventKind::RoutesRefused, &gateway.id, Rule::VPN_13, detail);
                    let tail = offers.split_off(before);
                    offers.extend(tail.into_iter().filter(|o| o.prefix.addr().is_ipv4()));
                }
            }
            self.capacity(gateway, offers.len() - before);
        }
        if let Some(r) = domain.route_server {
            self.route_server_offers(r, &mut offers);
        }
        offers
    }

    /// Routes that the gateway is declared to have learned.
    fn declared_routes(
        &mut self,
        g: usize,
        gateway: &VirtualNetworkGateway,
        next_hops: &[IpAddr],
        offers: &mut Vec<Offer>,
    ) {
        for route in &gateway.learned_routes {
            let connection = route.connection.as_ref().and_then(|id| match self.topology.entity(id) {
                Some(Entity::Connection(c)) => Some(c),
                _ => None,
            });
            let found = connection.map(|c| &self.topology.document().connections[c]);
            if found.is_some_and(|c| !c.connected) || route.as_path.contains(&gateway.asn) {
                continue;
            }
            let circuit = found.and_then(|c| self.circuit(c));
            let computed = |over: &LearnedOver| match over {
                LearnedOver::Circuit(c, PeeringType::AzurePrivatePeering, _) => circuit == Some(*c),
                LearnedOver::Circuit(..) => false,
                LearnedOver::Connection(n) => connection == Some(*n),
            };
            if self.computed.iter().any(computed) {
                continue;
            }
            if let (Some(found), Some(circuit)) = (found, circuit)
                && !self.circuit_connection_is_up(g, found, circuit)
            {
                continue;
            }
            let via = match gateway.gateway_type {
                GatewayType::ExpressRoute => {
                    let links = circuit.map_or(Links { primary: true, secondary: true }, |c| {
                        let circuit = &self.topology.document().express_route_circuits[c];
                        Links { primary: circuit.primary.up, secondary: circuit.secondary.up }
                    });
                    if !links.any() {
                        continue;
                    }
                    Via::ExpressRoute { gateway: g, connection, circuit, links, far: None }
                }
                // What came over a VNet-to-VNet connection goes on at the far gateway.
                _ => {
                    let far =
                        found.filter(|c| c.connection_type == ConnectionType::Vnet2Vnet).and_then(|c| {
                            match self.topology.entity(&c.peer) {
                                Some(Entity::Gateway(far)) => Some(far),
                                _ => None,
                            }
                        });
                    Via::Vpn { gateway: g, connection, far }
                }
            };
            offers.push(Offer {
                prefix: route.prefix.trunc(),
                via,
                as_path: route.as_path.clone(),
                weight: found.map_or(0, |c| c.routing_weight),
                is_static: false,
                next_hops: next_hops.to_vec(),
            });
        }
    }

    fn circuit(&self, connection: &Connection) -> Option<usize> {
        match self.topology.entity(&connection.peer) {
            Some(Entity::Circuit(c)) => Some(c),
            _ => None,
        }
    }

    /// Over a circuit: what sites advertise on its private peering (ER-7), and the other networks linked to it where
    /// both gateways let them in (ER-12).
    fn circuit_offers(
        &mut self,
        g: usize,
        c: usize,
        connection: &Connection,
        next_hops: &[IpAddr],
        offers: &mut Vec<Offer>,
    ) {
        let document = self.topology.document();
        let Some(circuit_ix) = self.circuit(connection) else { return };
        let circuit = &document.express_route_circuits[circuit_ix];
        if !self.circuit_connection_is_up(g, connection, circuit_ix) {
            return;
        }
        let mut found: BTreeMap<(IpNet, Vec<Asn>), Links> = BTreeMap::new();
        for link in LinkRole::BOTH {
            for (prefix, as_path) in self.session(circuit_ix, PeeringType::AzurePrivatePeering, link) {
                let links =
                    found.entry((prefix, as_path)).or_insert(Links { primary: false, secondary: false });
                match link {
                    LinkRole::Primary => links.primary = true,
                    LinkRole::Secondary => links.secondary = true,
                }
            }
        }
        let offer = |prefix, as_path, links, far| Offer {
            prefix,
            via: Via::ExpressRoute { gateway: g, connection: Some(c), circuit: Some(circuit_ix), links, far },
            as_path,
            weight: connection.routing_weight,
            is_static: false,
            next_hops: next_hops.to_vec(),
        };
        // The gateway drops what its own number is in (BGP-5); the edge has counted it (ER-4).
        let own = document.virtual_network_gateways[g].asn;
        for ((prefix, as_path), links) in found {
            if !as_path.contains(&own) {
                offers.push(offer(prefix, as_path, links, None));
            }
        }
        let links = Links { primary: circuit.primary.up, secondary: circuit.secondary.up };
        if !links.any() || !self.lets_vnets_in(g) {
            return;
        }
        for (o, other) in document.connections.iter().enumerate() {
            let Some(Entity::Gateway(far)) = self.topology.entity(&other.virtual_network_gateway) else {
                continue;
            };
            if o == c || far == g || !other.connected || self.circuit(other) != Some(circuit_ix) {
                continue;
            }
            if !self.lets_vnets_in(far) || !self.circuit_connection_is_up(far, other, circuit_ix) {
                continue;
            }
            for prefix in self.advertised_space(far) {
                offers.push(offer(prefix, vec![Asn::MICROSOFT_EDGE], links, Some(far)));
            }
        }
    }

    /// Whether a connection to a circuit carries routes: of a tenant that may link to it (ISO-2), with private peering,
    /// within what may be advertised to it (ER-5).
    fn circuit_connection_is_up(&mut self, g: usize, connection: &Connection, circuit: usize) -> bool {
        let circuit = &self.topology.document().express_route_circuits[circuit];
        if !self.may_link(g, circuit) {
            let detail = format!("`{}` belongs to another tenant", circuit.id);
            self.event(EventKind::ConnectionDown, &connection.id, Rule::ISO_2, detail);
            return false;
        }
        circuit.peering(PeeringType::AzurePrivatePeering).is_some()
            && !self.exceeds_advertisement_limit(g, connection)
    }

    /// Whether a gateway's network may be linked to a circuit of this owner (ISO-2).
    fn may_link(&self, g: usize, circuit: &ExpressRouteCircuit) -> bool {
        let document = self.topology.document();
        let knob =
            document.knobs.cross_tenant_links.unwrap_or_else(|| self.topology.era().cross_tenant_links());
        if knob == CrossTenantLinks::ByAuthorisation || circuit.tenant.is_none() {
            return true;
        }
        let tenant = vnet_ix(self.topology, &document.virtual_network_gateways[g])
            .and_then(|v| document.virtual_networks[v].tenant.as_deref());
        same_tenant(tenant, circuit.tenant.as_deref())
    }

    /// Whether a gateway takes traffic of other networks on its circuits (ER-12, CON-6).
    fn lets_vnets_in(&self, g: usize) -> bool {
        let gateway = &self.topology.document().virtual_network_gateways[g];
        gateway.allow_remote_vnet_traffic.unwrap_or_else(|| self.topology.era().vnet_to_vnet_over_circuit())
    }

    /// What arrives at Microsoft's edge on one session of a circuit, after its limit (ER-4, MSP-5) and loop check
    /// (BGP-5).
    fn session(&mut self, circuit_ix: usize, peering: PeeringType, link: LinkRole) -> Vec<(IpNet, Vec<Asn>)> {
        let document = self.topology.document();
        let circuit = &document.express_route_circuits[circuit_ix];
        if !circuit.link(link).up {
            return Vec::new();
        }
        let mut seen = HashSet::new();
        let mut routes = Vec::new();
        let mut count = [0_usize; 2];
        for advertisement in self.advertisements.get(&circuit.id).map_or(&[][..], Vec::as_slice) {
            if advertisement.peering != peering || advertisement.link.is_some_and(|only| only != link) {
                continue;
            }
            if advertisement.as_path.contains(&Asn::MICROSOFT_EDGE) {
                continue;
            }
            for prefix in &advertisement.prefixes {
                let prefix = prefix.trunc();
                if seen.insert(prefix) {
                    count[usize::from(prefix.addr().is_ipv6())] += 1;
                }
                routes.push((prefix, advertisement.as_path.clone()));
            }
        }
        let limits = [false, true].map(|ipv6| session_limit(circuit, peering, ipv6));
        let rule = if peering == PeeringType::AzurePrivatePeering { Rule::ER_4 } else { Rule::MSP_5 };
        for family in [false, true] {
            let (count, limit) = (count[usize::from(family)], limits[usize::from(family)]);
            if count <= limit {
                continue;
            }
            let first = self.exceeded.insert(Session { circuit: circuit_ix, peering, link, ipv6: family });
            let down = document.knobs.limits == Limits::Enforce;
            if first {
                let session = format!("{} session of {}", link.as_str(), peering.as_str());
                let detail = format!("{count} prefixes on the {session}, at most {limit} are accepted");
                self.event(EventKind::PrefixLimit, &circuit.id, rule, detail);
                if down {
                    self.event(EventKind::SessionDown, &circuit.id, rule, format!("the {session} is down"));
                }
            }
            if down {
                routes.retain(|(prefix, _)| prefix.addr().is_ipv6() != family);
            }
        }
        routes
    }

    /// ER-5: more than 1,000 IPv4 or 100 IPv6 prefixes towards on-premises take the connection down.
    fn exceeds_advertisement_limit(&mut self, g: usize, connection: &Connection) -> bool {
        let mut space = self.advertised_space(g);
        let document = self.topology.document();
        let home = vnet_ix(self.topology, &document.virtual_network_gateways[g]);
        for server in &document.route_servers {
            let here = matches!(self.topology.entity(&server.virtual_network), Some(Entity::VirtualNetwork(v)) if Some(v) == home);
            if here && server.allow_branch_to_branch_traffic {
                space.extend(server.learned_routes.iter().map(|route| route.prefix.trunc()));
            }
        }
        space.sort_unstable();
        space.dedup();
        let v6 = space.iter().filter(|p| p.addr().is_ipv6()).count();
        let v4 = space.len() - v6;
        if v4 <= 1_000 && v6 <= 100 {
            return false;
        }
        let detail = format!(
            "{v4} IPv4 and {v6} IPv6 prefixes towards on-premises, at most 1000 and 100 are accepted"
        );
        self.event(EventKind::PrefixLimit, &connection.id, Rule::ER_5, detail);
        let down = self.topology.document().knobs.limits == Limits::Enforce;
        if down {
            self.event(
                EventKind::ConnectionDown,
                &connection.id,
                Rule::ER_5,
                "the connection is down".to_owned(),
            );
        }
        down
    }

    /// What a gateway advertises: the spaces of its own network and of those that use it (ER-6, VPN-3).
    fn advertised_space(&self, g: usize) -> Vec<IpNet> {
        advertised_space(self.topology, &self.served, g)
    }

    /// Over a VPN connection: the local network gateway's prefixes, what its site advertises by BGP, and the device's
    /// own BGP address (GWR-1, GWR-3, VPN-2).
    fn site_to_site_offers(
        &mut self,
        g: usize,
        c: usize,
        connection: &Connection,
        next_hops: &[IpAddr],
        offers: &mut Vec<Offer>,
    ) {
        let document = self.topology.document();
        let gateway = &document.virtual_network_gateways[g];
        let via = Via::Vpn { gateway: g, connection: Some(c), far: None };
        let local = self.topology.local_network_gateway(&connection.peer);
        if let Some(local) = local {
            for prefix in &local.address_prefixes {
                offers.push(static_offer(*prefix, via.clone(), next_hops));
            }
        }
        if !connection.enable_bgp || is_basic(gateway) || gateway.vpn_type == VpnType::PolicyBased {
            return;
        }
        let learned = |prefix: IpNet, as_path: Vec<Asn>| Offer {
            prefix,
            via: via.clone(),
            as_path,
            weight: 0,
            is_static: false,
            next_hops: next_hops.to_vec(),
        };
        // The peer's own address is a host route of the gateway, whatever becomes of the session.
        if let Some(peer) = local.and_then(|l| l.bgp_peering_address) {
            offers.push(static_offer(IpNet::from(peer), via.clone(), next_hops));
        }
        let mut bgp = Vec::new();
        for over in [&connection.id, &connection.peer] {
            for advertisement in self.advertisements.get(over).map_or(&[][..], Vec::as_slice) {
                if advertisement.as_path.contains(&gateway.asn) {
                    continue;
                }
                let routes = advertisement.prefixes.iter();
                bgp.extend(routes.map(|p| learned(p.trunc(), advertisement.as_path.clone())));
            }
        }
        let v4 = bgp.iter().map(|o| o.prefix).filter(|p| p.addr().is_ipv4());
        let count = v4.collect::<HashSet<_>>().len();
        if count > VPN_LIMIT {
            let detail = format!("{count} prefixes over the connection, at most 4000 are accepted");
            self.event(EventKind::PrefixLimit, &connection.id, Rule::VPN_4, detail);
            if document.knobs.limits == Limits::Enforce {
                let detail = "the BGP session is down".to_owned();
                self.event(EventKind::SessionDown, &connection.id, Rule::VPN_4, detail);
                return;
            }
        }
        offers.extend(bgp);
    }

    /// The default site injects a default route by itself (FT-3), unless every connection to it is down.
    fn default_site(
        &self,
        g: usize,
        gateway: &VirtualNetworkGateway,
        next_hops: &[IpAddr],
        offers: &mut Vec<Offer>,
    ) {
        let (Some(site), Some(default)) = (&gateway.gateway_default_site, default_v4()) else { return };
        let document = self.topology.document();
        let mut to_site = self.connections.get(&g).cloned().unwrap_or_default();
        to_site.retain(|c| document.connections[*c].peer == *site);
        let up: Vec<usize> = to_site.iter().copied().filter(|c| document.connections[*c].connected).collect();
        if to_site.is_empty() {
            offers.push(static_offer(
                default,
                Via::Vpn { gateway: g, connection: None, far: None },
                next_hops,
            ));
        }
        for c in up {
            offers.push(static_offer(
                default,
                Via::Vpn { gateway: g, connection: Some(c), far: None },
                next_hops,
            ));
        }
    }

    /// Over a VNet-to-VNet connection: the far network's space and that of the networks that use its gateway; with BGP
    /// the far instances' addresses too (GWR-3).
    fn vnet_to_vnet_offers(
        &mut self,
        g: usize,
        c: usize,
        connection: &Connection,
        next_hops: &[IpAddr],
        offers: &mut Vec<Offer>,
    ) {
        let document = self.topology.document();
        let Some(Entity::Gateway(far)) = self.topology.entity(&connection.peer) else { return };
        let here = &document.virtual_network_gateways[g];
        let back: Vec<&Connection> = self
            .connections
            .get(&far)
            .into_iter()
            .flatten()
            .map(|o| &document.connections[*o])
            .filter(|other| other.connected && other.peer == here.id)
            .collect();
        if back.is_empty() {
            return;
        }
        let remote = &document.virtual_network_gateways[far];
        // BGP runs where both ends run it (VPN-6).
        let bgp = connection.enable_bgp
            && back.iter().any(|other| other.enable_bgp)
            && [here, remote].iter().all(|g| g.vpn_type == VpnType::RouteBased && !is_basic(g));
        let via = Via::Vpn { gateway: g, connection: Some(c), far: Some(far) };
        for prefix in self.advertised_space(far) {
            let mut offer = static_offer(prefix, via.clone(), next_hops);
            if bgp {
                offer.as_path = vec![remote.asn];
                offer.is_static = false;
            }
            offers.push(offer);
        }
        for address in remote.bgp_peering_addresses.iter().filter(|_| bgp) {
            offers.push(static_offer(IpNet::from(*address), via.clone(), next_hops));
        }
    }

    /// Routes that appliances gave a Route Server (ARS-2), within its limit (ARS-12), without loops (BGP-5) and ASN 0
    /// (BGP-6), IPv4 only (ARS-14).
    fn route_server_offers(&mut self, r: usize, offers: &mut Vec<Offer>) {
        let document = self.topology.document();
        let server = &document.route_servers[r];
        let mut by_peer: BTreeMap<IpAddr, Vec<&crate::model::LearnedRoute>> = BTreeMap::new();
        for route in &server.learned_routes {
            if let Some(next_hop) = route.next_hop {
                by_peer.entry(next_hop).or_default().push(route);
            }
        }
        for (next_hop, routes) in by_peer {
            if routes.len() > 1_000 {
                let detail = format!("{} routes from {next_hop}, at most 1000 are accepted", routes.len());
                self.event(EventKind::PrefixLimit, &server.id, Rule::ARS_12, detail);
                if document.knobs.limits == Limits::Enforce {
                    let detail = format!("the session with {next_hop} is down");
                    self.event(EventKind::SessionDown, &server.id, Rule::ARS_12, detail);
                    continue;
                }
            }
            for route in routes {
                let looped = route.as_path.iter().any(|asn| *asn == Asn::AZURE_GATEWAY || asn.0 == 0);
                if looped || route.prefix.addr().is_ipv6() {
                    continue;
                }
                offers.push(Offer {
                    prefix: route.prefix.trunc(),
                    via: Via::RouteServer { next_hop },
                    as_path: route.as_path.clone(),
                    weight: 0,
                    is_static: false,
                    next_hops: vec![next_hop],
                });
            }
        }
    }

    /// What a hub gives its networks: each other's spaces and what it is declared to know (VWAN-2).
    fn hub_offers(&mut self, h: usize) -> Vec<Offer> {
        let document = self.topology.document();
        let hub = &document.virtual_hubs[h];
        let mut offers = Vec::new();
        for connection in &hub.virtual_network_connections {
            let Some(Entity::VirtualNetwork(v)) = self.topology.entity(&connection.remote_virtual_network)
            else {
                continue;
            };
            for prefix in &document.virtual_networks[v].address_space {
                let via = Via::Hub { hub: h, vnet: Some(v), connection: None };
                offers.push(static_offer(*prefix, via, &hub.route_next_hop_addresses));
            }
        }
        for route in &hub.learned_routes {
            let via = Via::Hub { hub: h, vnet: None, connection: route.connection.clone() };
            let next_hops =
                route.next_hop.map_or_else(|| hub.route_next_hop_addresses.clone(), |ip| vec![ip]);
            let (prefix, as_path) = (route.prefix.trunc(), route.as_path.clone());
            offers.push(Offer { prefix, via, as_path, weight: 0, is_static: false, next_hops });
        }
        offers.retain(|o| o.prefix.addr().is_ipv4());
        offers
    }

    /// What Azure prints as next hop of a gateway's routes (VOC-13).
    fn printed_next_hops(&self, gateway: &VirtualNetworkGateway) -> Vec<IpAddr> {
        let mut printed = if !gateway.route_next_hop_addresses.is_empty() {
            gateway.route_next_hop_addresses.clone()
        } else if gateway.gateway_type != GatewayType::Vpn {
            Vec::new()
        } else if gateway.active_active {
            gateway.bgp_peering_addresses.clone()
        } else {
            let document = self.topology.document();
            let address = |id: &ResourceId| match self.topology.entity(id) {
                Some(Entity::PublicIp(i)) => document.public_ip_addresses[i].ip_address,
                _ => None,
            };
            gateway.public_ip_addresses.iter().filter_map(address).collect()
        };
        printed.sort_unstable();
        printed.dedup();
        printed
    }

    /// ER-20: routes beyond the SKU's capacity are kept and reported.
    fn capacity(&mut self, gateway: &VirtualNetworkGateway, learned: usize) {
        if gateway.gateway_type != GatewayType::ExpressRoute {
            return;
        }
        let Some(sku) = &gateway.sku else { return };
        let capacity = match sku.to_ascii_lowercase().as_str() {
            "standard" | "ergw1az" => 4_000,
            "highperformance" | "ergw2az" | "ultraperformance" | "ergw3az" => 9_500,
            "ergwscale" => 60_000,
            _ => return,
        };
        if learned > capacity {
            let detail = format!("{learned} routes learned, `{sku}` is made for {capacity}");
            self.event(EventKind::GatewayRouteCapacityExceeded, &gateway.id, Rule::ER_20, detail);
        }
    }

    /// Public prefixes that customers advertise on Microsoft peering and Azure accepts: validated, not default, not
    /// private (MSP-3, MSP-4), within the limit (MSP-5).
    fn microsoft_peering(&mut self) -> Vec<PublicPrefix> {
        let document = self.topology.document();
        let mut accepted = Vec::new();
        for (c, circuit) in document.express_route_circuits.iter().enumerate() {
            self.public_peering_era(circuit);
            let Some(peering) = circuit.peering(PeeringType::MicrosoftPeering) else { continue };
            // By prefix and path length: the links that carry it.
            let mut prefixes: BTreeMap<(IpNet, usize), Links> = BTreeMap::new();
            for link in LinkRole::BOTH {
                let mut heard = self.session(c, PeeringType::MicrosoftPeering, link);
                if circuit.link(link).up {
                    // What is registered counts as advertised where nothing is said of it.
                    let silent = |p: &IpNet| !heard.iter().any(|(told, _)| told == p);
                    let registered = peering.advertised_public_prefixes.iter().map(IpNet::trunc);
                    let registered: Vec<IpNet> = registered.filter(silent).collect();
                    heard.extend(registered.into_iter().map(|p| (p, Vec::new())));
                }
                for (prefix, as_path) in heard {
                    let path = as_path.iter().filter(|asn| !asn.is_private()).count();
                    let links = prefixes.entry((prefix, path)).or_insert(Links::only(link));
                    *links = links.or(Links::only(link));
                }
            }
            let before = prefixes.len();
            prefixes.retain(|(prefix, _), _| !is_default_route(prefix) && !is_private(prefix));
            if prefixes.len() < before {
                let detail =
                    format!("{} default or private prefixes on Microsoft peering", before - prefixes.len());
                self.event(EventKind::RoutesRefused, &circuit.id, Rule::MSP_4, detail);
            }
            if !peering.validated && !prefixes.is_empty() {
                let detail = format!("{} prefixes on Microsoft peering are not validated", prefixes.len());
                self.event(EventKind::RoutesRefused, &circuit.id, Rule::MSP_3, detail);
                continue;
            }
            let public = |((prefix, path), links)| PublicPrefix { prefix, circuit: c, links, path };
            accepted.extend(prefixes.into_iter().map(public));
        }
        accepted
    }

    /// PUB-1: public peering on a circuit, or in an era, that cannot have it.
    fn public_peering_era(&mut self, circuit: &ExpressRouteCircuit) {
        if circuit.peering(PeeringType::AzurePublicPeering).is_none() {
            return;
        }
        if !self.topology.era().public_peering() {
            let detail = "public peering was retired on 2024-03-31 and carries nothing".to_owned();
            self.event(EventKind::SessionDown, &circuit.id, Rule::PUB_1, detail);
        } else if circuit.created.is_some_and(|day| day >= PUBLIC_PEERING_CLOSED) {
            let detail = "circuits created from 2018-04-01 on have no public peering".to_owned();
            self.event(EventKind::SessionDown, &circuit.id, Rule::PUB_1, detail);
        }
    }

    fn event(&mut self, kind: EventKind, resource: &ResourceId, rule: Rule, detail: String) {
        let event = Event { kind, resource: resource.clone(), rule, detail };
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }
}

/// How often routes may go round over Global Reach: it is pairwise (ER-15), so a second round finds nothing new unless
/// customers pass on what they learn.
const GLOBAL_REACH_ROUNDS: usize = 8;

/// Prefixes that a VPN connection accepts (VPN-4).
const VPN_LIMIT: usize = 4_000;

/// Prefixes that a session of a circuit accepts (ER-4, MSP-5).
fn session_limit(circuit: &ExpressRouteCircuit, peering: PeeringType, ipv6: bool) -> usize {
    match (peering, circuit.sku_tier) {
        (PeeringType::AzurePrivatePeering, _) if ipv6 => 100,
        (PeeringType::AzurePrivatePeering, CircuitSkuTier::Premium) => 10_000,
        (PeeringType::AzurePrivatePeering, _) => 4_000,
        _ => 200,
    }
}

/// What Azure tells the world outside over its sessions.
struct Told<'a, 't> {
    build: &'a mut Builder<'t>,
    /// By circuit: what comes over Global Reach.
    reached: &'a BTreeMap<usize, Vec<Origination>>,
}

impl Azure for Told<'_, '_> {
    /// Private peering: the spaces behind each linked gateway (ER-6) and what Global Reach brings (ER-15). The other
    /// peerings: Microsoft's prefixes with their communities (MSP-8, PUB-2).
    fn told(&mut self, circuit: usize, peering: PeeringType) -> Vec<Origination> {
        let document = self.build.topology.document();
        let declared = &document.express_route_circuits[circuit];
        if peering != PeeringType::AzurePrivatePeering {
            return microsoft_prefixes(self.build.topology, declared, peering);
        }
        let mut prefixes = Vec::new();
        for connection in &document.connections {
            let Some(Entity::Gateway(g)) = self.build.topology.entity(&connection.virtual_network_gateway)
            else {
                continue;
            };
            if connection.connected
                && connection.peer == declared.id
                && self.build.circuit_connection_is_up(g, connection, circuit)
            {
                prefixes.extend(self.build.advertised_space(g));
            }
        }
        let mut told = vec![Origination { prefixes, ..Origination::default() }];
        told.extend(self.reached.get(&circuit).into_iter().flatten().cloned());
        told
    }

    fn told_by_vpn(&mut self, connection: usize) -> Vec<IpNet> {
        let topology = self.build.topology;
        match topology.entity(&topology.document().connections[connection].virtual_network_gateway) {
            Some(Entity::Gateway(g)) => self.build.advertised_space(g),
            _ => Vec::new(),
        }
    }

    fn limit(&self, over: LearnedOver, family: AddressFamily) -> Option<usize> {
        let document = self.build.topology.document();
        (document.knobs.limits == Limits::Enforce).then(|| match over {
            LearnedOver::Circuit(c, peering, _) => {
                let ipv6 = family == AddressFamily::Ipv6Unicast;
                session_limit(&document.express_route_circuits[c], peering, ipv6)
            }
            LearnedOver::Connection(_) => VPN_LIMIT,
        })
    }
}

/// What each circuit's customer learns over Global Reach: what the others announce, with their paths.
fn joined(topology: &Topology, told: &[Vec<Advertisement>]) -> BTreeMap<usize, Vec<Origination>> {
    let circuits = &topology.document().express_route_circuits;
    let mut joined: BTreeMap<usize, Vec<Origination>> = BTreeMap::new();
    for (c, circuit) in circuits.iter().enumerate() {
        for other in circuits.iter().filter(|other| other.id != circuit.id && may_join(circuit, other)) {
            let mut by_path: BTreeMap<&[Asn], BTreeSet<IpNet>> = BTreeMap::new();
            for advertisement in told.iter().flatten() {
                let carried = advertisement.over == other.id
                    && advertisement.peering == PeeringType::AzurePrivatePeering
                    && LinkRole::BOTH.iter().any(|link| {
                        other.link(*link).up && advertisement.link.is_none_or(|only| only == *link)
                    });
                if carried {
                    by_path.entry(&advertisement.as_path).or_default().extend(&advertisement.prefixes);
                }
            }
            joined.entry(c).or_default().extend(by_path.into_iter().map(|(path, prefixes)| Origination {
                prefixes: prefixes.into_iter().collect(),
                attributes: PathAttributes {
                    as_path: AsPath::sequence(path.iter().copied()),
                    ..PathAttributes::default()
                },
                policies: Vec::new(),
            }));
        }
    }
    joined.retain(|_, told| !told.is_empty());
    joined
}

/// The Basic SKU of VPN: no BGP (VPN-1), no transit (PEER-7).
fn is_basic(gateway: &VirtualNetworkGateway) -> bool {
    gateway.gateway_type == GatewayType::Vpn
        && gateway.sku.as_deref().is_some_and(|sku| sku.eq_ignore_ascii_case("Basic"))
}

/// What a gateway advertises: the spaces of its own network and of those that use it (ER-6, VPN-3).
pub(super) fn advertised_space(
    topology: &Topology,
    served: &BTreeMap<usize, Vec<usize>>,
    g: usize,
) -> Vec<IpNet> {
    let document = topology.document();
    let mut space: Vec<IpNet> = Vec::new();
    for v in served.get(&g).map_or(&[][..], Vec::as_slice) {
        space.extend(document.virtual_networks[*v].address_space.iter().map(IpNet::trunc));
    }
    space
}

fn static_offer(prefix: IpNet, via: Via, next_hops: &[IpAddr]) -> Offer {
    let prefix = prefix.trunc();
    Offer { prefix, via, as_path: Vec::new(), weight: 0, is_static: true, next_hops: next_hops.to_vec() }
}

fn default_v4() -> Option<IpNet> {
    "0.0.0.0/0".parse().ok()
}

fn vnet_ix(topology: &Topology, gateway: &VirtualNetworkGateway) -> Option<usize> {
    match topology.entity(&gateway.virtual_network) {
        Some(Entity::VirtualNetwork(v)) => Some(v),
        _ => None,
    }
}
