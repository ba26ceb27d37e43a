//! Lints over gateways, connections, circuits and Route Servers.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::{FindingCode, Lint, Severity, is_basic};
use crate::control_plane::DomainOwner;
use crate::model::{
    Asn, CircuitSkuTier, ConnectionType, Entity, ExpressRouteCircuit, GatewayType, LocalNetworkGateway,
    PeeringType, ROUTE_FILTER_REQUIRED, ResourceId, SiteRole, VirtualNetworkGateway, VpnType, overlap,
};
use crate::rule::Rule;

fn speaks_no_bgp(gateway: &VirtualNetworkGateway) -> bool {
    gateway.vpn_type == VpnType::PolicyBased || is_basic(gateway.sku.as_deref())
}

impl Lint<'_> {
    pub(super) fn gateways(&mut self) {
        self.circuits();
        self.shared_circuits();
        self.numbers();
        self.vpn_gateways();
        self.local_gateways();
        self.together();
    }

    /// ER-1, MSP-8, ER-15.
    fn circuits(&mut self) {
        for circuit in &self.document.express_route_circuits {
            if let (Some(a), Some(b)) = (&circuit.primary.edge_router, &circuit.secondary.edge_router)
                && a == b
                && self.is_one_router(a)
            {
                let message = format!("both links end on `{}`: the circuit is lost with it", a.name());
                let code = FindingCode::CircuitLinksShareRouter;
                self.add(code, Severity::Warning, &circuit.id, Rule::ER_1, message);
            }
            let enabled = circuit.peerings.iter().filter(|p| p.enabled);
            let domains: Vec<&str> = enabled.map(|p| p.peering_type.as_str()).collect();
            if domains.len() > 1 && domains.contains(&PeeringType::AzurePrivatePeering.as_str()) {
                let message = format!(
                    "{} share one circuit, its bandwidth and its edge: private and public postures mix",
                    domains.join(", ")
                );
                self.add(FindingCode::MixedPeerings, Severity::Info, &circuit.id, Rule::BW_2, message);
            }
            self.route_filter(circuit);
            for far in &circuit.global_reach {
                if let Some(Entity::Circuit(far)) = self.topology.entity(far) {
                    self.global_reach(circuit, &self.document.express_route_circuits[far]);
                }
            }
        }
    }

    /// A site stands for one router where it declares exactly one; without any, its routers are not told apart.
    fn is_one_router(&self, id: &ResourceId) -> bool {
        match self.topology.entity(id) {
            Some(Entity::Router(..)) => true,
            Some(Entity::Site(s)) => self.document.on_premises_sites[s].routers.len() == 1,
            _ => false,
        }
    }

    fn route_filter(&mut self, circuit: &ExpressRouteCircuit) {
        let Some(peering) = circuit.peering(PeeringType::MicrosoftPeering) else { return };
        let required = self.topology.era().has(ROUTE_FILTER_REQUIRED)
            && peering.configured.is_none_or(|day| day >= ROUTE_FILTER_REQUIRED);
        let message = match &peering.route_filter {
            None => "Microsoft peering without a route filter: nothing is advertised",
            Some(id) => match self.topology.entity(id) {
                Some(Entity::RouteFilter(f)) if self.document.route_filters[f].communities.is_empty() => {
                    "the route filter of Microsoft peering allows no community: nothing is advertised"
                }
                _ => return,
            },
        };
        if required {
            let code = FindingCode::RouteFilterMissing;
            self.add(code, Severity::Warning, &circuit.id, Rule::MSP_8, message);
        }
    }

    fn global_reach(&mut self, circuit: &ExpressRouteCircuit, far: &ExpressRouteCircuit) {
        let code = FindingCode::GlobalReachUnsupported;
        for end in [circuit, far] {
            if end.sku_tier == CircuitSkuTier::Local {
                let message = format!(
                    "Global Reach with `{}`: the SKU Local of `{}` has none",
                    far.id.name(),
                    end.id.name()
                );
                self.add(code, Severity::Error, &circuit.id, Rule::ER_15, message);
            }
        }
        let across = [(circuit, far), (far, circuit)]
            .into_iter()
            .find(|(a, b)| !a.reaches_area(b.geopolitical_area.as_deref()));
        if let Some((end, _)) = across {
            let message = format!(
                "Global Reach with `{}`: across geopolitical areas both need the SKU Premium, `{}` has not",
                far.id.name(),
                end.id.name()
            );
            self.add(code, Severity::Error, &circuit.id, Rule::ER_15, message);
        }
        if let (Some(here), Some(there)) = (&circuit.peering_location, &far.peering_location)
            && here.eq_ignore_ascii_case(there)
        {
            let message = format!(
                "Global Reach with `{}`: both circuits are in {here}, peering locations must differ",
                far.id.name()
            );
            self.add(code, Severity::Error, &circuit.id, Rule::ER_15, message);
        }
    }

    /// CSP-2, ISO-2: the tenants of a circuit, of the networks linked to it and of the customers that use it.
    fn shared_circuits(&mut self) {
        let mut tenants: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        for connection in &self.document.connections {
            let Some(Entity::Circuit(c)) = self.topology.entity(&connection.peer) else { continue };
            let gateway = self.topology.virtual_network_gateway(&connection.virtual_network_gateway);
            if let Some(vnet) = gateway.and_then(|g| self.topology.virtual_network(&g.virtual_network)) {
                let name = vnet.tenant.as_deref().unwrap_or("the default tenant").to_ascii_lowercase();
                tenants.entry(c).or_default().insert(name);
            }
        }
        for site in self.document.on_premises_sites.iter().filter(|s| s.role == SiteRole::Customer) {
            let Some(tenant) = &site.tenant else { continue };
            for advertisement in &site.advertisements {
                if let Some(Entity::Circuit(c)) = self.topology.entity(&advertisement.over) {
                    tenants.entry(c).or_default().insert(tenant.to_ascii_lowercase());
                }
            }
        }
        for (c, mut names) in tenants {
            let circuit = &self.document.express_route_circuits[c];
            names.extend(circuit.tenant.as_ref().map(|t| t.to_ascii_lowercase()));
            if names.len() > 1 {
                let message = format!(
                    "serves several tenants ({}), who are not isolated from each other on it",
                    super::list(&names)
                );
                let code = FindingCode::CircuitShared;
                self.add(code, Severity::Warning, &circuit.id, Rule::CSP_2, message);
            }
        }
    }

    /// BGP-2.
    fn numbers(&mut self) {
        let mut reserved: Vec<(&ResourceId, Asn, String)> = Vec::new();
        for circuit in &self.document.express_route_circuits {
            for peering in circuit.peerings.iter().filter(|p| p.enabled) {
                // The page on ExpressRoute keeps 65516 too.
                if let Some(asn) = peering.peer_asn.filter(|a| a.is_reserved_by_azure() || a.0 == 65_516) {
                    reserved.push((
                        &circuit.id,
                        asn,
                        format!("peer ASN of {}", peering.peering_type.as_str()),
                    ));
                }
            }
        }
        let spoken: BTreeSet<&ResourceId> =
            self.document.connections.iter().filter(|c| c.enable_bgp).map(|c| &c.peer).collect();
        for local in &self.document.local_network_gateways {
            if let Some(asn) = local.asn.filter(|a| a.is_reserved_by_azure() && spoken.contains(&local.id)) {
                reserved.push((&local.id, asn, "ASN of the VPN device".to_owned()));
            }
        }
        for gateway in &self.document.virtual_network_gateways {
            let asn = gateway.asn;
            if gateway.gateway_type == GatewayType::Vpn
                && gateway.enable_bgp
                && asn != Asn::AZURE_GATEWAY
                && asn.is_reserved_by_azure()
            {
                reserved.push((&gateway.id, asn, "ASN of the gateway".to_owned()));
            }
        }
        let mut wide: Vec<(&ResourceId, Asn, String)> = Vec::new();
        for server in &self.document.route_servers {
            for peer in &server.bgp_connections {
                let what = format!("ASN of the peer `{}`", peer.name);
                if peer.peer_asn.is_reserved_by_azure() {
                    reserved.push((&server.id, peer.peer_asn, what));
                } else if peer.peer_asn.0 > 65_535 {
                    wide.push((&server.id, peer.peer_asn, what));
                }
            }
        }
        let code = FindingCode::ReservedAsn;
        for (id, asn, what) in reserved {
            let message = format!("{what}: {asn} is reserved");
            self.add(code, Severity::Error, id, Rule::BGP_2, message);
        }
        for (id, asn, what) in wide {
            let message = format!("{what}: {asn} has more than 16 bits, which a Route Server does not take");
            self.add(code, Severity::Error, id, Rule::BGP_2, message);
        }
    }

    /// VPN-1.
    fn vpn_gateways(&mut self) {
        let code = FindingCode::BgpUnsupported;
        for gateway in &self.document.virtual_network_gateways {
            if gateway.gateway_type == GatewayType::Vpn && gateway.enable_bgp && speaks_no_bgp(gateway) {
                let message = "BGP is on, but Basic and policy-based VPN gateways have none";
                self.add(code, Severity::Error, &gateway.id, Rule::VPN_1, message);
            }
        }
        for connection in &self.document.connections {
            let gateway = self.topology.virtual_network_gateway(&connection.virtual_network_gateway);
            if connection.enable_bgp
                && matches!(connection.connection_type, ConnectionType::IPsec | ConnectionType::Vnet2Vnet)
                && gateway.is_some_and(|g| g.gateway_type == GatewayType::Vpn && speaks_no_bgp(g))
            {
                let message = "BGP is on, but the gateway is Basic or policy-based: nothing is learned";
                self.add(code, Severity::Error, &connection.id, Rule::VPN_1, message);
            }
        }
    }

    /// VPN-9: two tunnels to one site need BGP on both, and prefixes that do not overlap. Prefixes of different sites
    /// may lie inside each other; equal ones may not.
    fn local_gateways(&mut self) {
        type Tunnel<'d> = (&'d LocalNetworkGateway, bool);
        let mut by_gateway: BTreeMap<&ResourceId, Vec<Tunnel<'_>>> = BTreeMap::new();
        for connection in &self.document.connections {
            if connection.connection_type == ConnectionType::IPsec
                && let Some(local) = self.topology.local_network_gateway(&connection.peer)
            {
                let tunnels = by_gateway.entry(&connection.virtual_network_gateway).or_default();
                tunnels.push((local, connection.enable_bgp));
            }
        }
        let code = FindingCode::OverlappingLocalGateways;
        let mut messages: Vec<(&ResourceId, String)> = Vec::new();
        for (gateway, tunnels) in by_gateway {
            let mut owner: BTreeMap<IpNet, &LocalNetworkGateway> = BTreeMap::new();
            for (local, _) in &tunnels {
                for prefix in &local.address_prefixes {
                    if let Some(other) = owner.insert(prefix.trunc(), local)
                        && other.id != local.id
                    {
                        let message =
                            format!("`{}` and `{}` both have {prefix}", other.id.name(), local.id.name());
                        messages.push((gateway, message));
                    }
                }
            }
            let mut by_site: BTreeMap<&ResourceId, Vec<Tunnel<'_>>> = BTreeMap::new();
            for tunnel in tunnels {
                if let Some(site) = &tunnel.0.site {
                    by_site.entry(site).or_default().push(tunnel);
                }
            }
            for (site, tunnels) in by_site.into_iter().filter(|(_, tunnels)| tunnels.len() > 1) {
                if tunnels.iter().any(|(_, bgp)| !bgp) {
                    let message =
                        format!("{} tunnels to `{}`, not all of them with BGP", tunnels.len(), site.name());
                    messages.push((gateway, message));
                }
                let pairs = tunnels.iter().enumerate().flat_map(|(i, a)| {
                    tunnels[i + 1..].iter().map(move |b| (a.0, b.0)).filter(|(a, b)| a.id != b.id)
                });
                for (a, b) in pairs.take(super::SCAN) {
                    let inside = a.address_prefixes.iter().find_map(|p| {
                        b.address_prefixes
                            .iter()
                            .find(|q| p.trunc() != q.trunc() && overlap(p, q))
                            .map(|q| (p, q))
                    });
                    if let Some((p, q)) = inside {
                        let (a, b) = (a.id.name(), b.id.name());
                        let message = format!("`{a}` has {p} and `{b}` {q}, both towards `{}`", site.name());
                        messages.push((gateway, message));
                    }
                }
            }
        }
        for (gateway, message) in messages {
            self.add(code, Severity::Warning, gateway, Rule::VPN_9, message);
        }
    }

    /// COEX-6, ARS-5: a VPN gateway beside ExpressRoute or a Route Server.
    fn together(&mut self) {
        for domain in &self.plane.domains {
            if !matches!(domain.owner, DomainOwner::VirtualNetwork(_)) {
                continue;
            }
            for g in &domain.vpn {
                let gateway = &self.document.virtual_network_gateways[*g];
                if !domain.express_route.is_empty() && speaks_no_bgp(gateway) {
                    let message = "beside ExpressRoute a VPN gateway must be route-based and not Basic";
                    let code = FindingCode::CoexistenceUnsupported;
                    self.add(code, Severity::Error, &gateway.id, Rule::COEX_6, message);
                }
                let server = domain.route_server.map(|r| &self.document.route_servers[r]);
                if server.is_some_and(|server| server.allow_branch_to_branch_traffic)
                    && (!gateway.active_active || gateway.asn != Asn::AZURE_GATEWAY)
                {
                    let message = "to exchange routes with the Route Server the gateway must be active-active with ASN 65515";
                    let code = FindingCode::RouteServerGatewayUnsupported;
                    self.add(code, Severity::Error, &gateway.id, Rule::ARS_5, message);
                }
            }
        }
    }
}
