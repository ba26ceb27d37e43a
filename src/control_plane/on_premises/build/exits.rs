//! Exits over circuits, connections and tunnels.

use ipnet::IpNet;

use super::super::{ExitKind, LEARNED, LEARNED_BY_VPN, RouterIx, Scope, TUNNEL};
use super::{Build, microsoft_prefixes};
use crate::control_plane::{LearnedOver, Session};
use crate::model::{Entity, ExpressRouteCircuit, LinkRole, PeeringType};

impl Build<'_> {
    /// Where a circuit's link ends: its edge router, else every site that advertises over it.
    pub(super) fn circuit_ends(
        &mut self,
        c: usize,
        circuit: &ExpressRouteCircuit,
        peering: PeeringType,
        link: LinkRole,
    ) -> Vec<RouterIx> {
        if let Some(routers) = self.world.session_edges.get(&LearnedOver::Circuit(c, peering, link)) {
            return routers.clone();
        }
        if let Some(id) = &circuit.link(link).edge_router {
            let routers = self.routers_of(id);
            if !routers.is_empty() {
                self.world.edges.insert((c, link), routers.clone());
                return routers;
            }
        }
        let mut routers = Vec::new();
        for peering in
            [PeeringType::AzurePrivatePeering, PeeringType::MicrosoftPeering, PeeringType::AzurePublicPeering]
        {
            for (only, site) in
                self.world.exits.standing.announced.get(&(circuit.id.clone(), peering)).into_iter().flatten()
            {
                let first = self.world.by_site[*site].first().copied();
                if only.is_none_or(|only| only == link)
                    && let Some(first) = first
                    && !routers.contains(&first)
                {
                    routers.push(first);
                }
            }
        }
        routers
    }

    /// Whether the session that carries a prefix is down: each family has its own.
    fn session_down(&self, circuit: usize, peering: PeeringType, link: LinkRole, prefix: &IpNet) -> bool {
        self.down.contains(&Session { circuit, peering, link, ipv6: prefix.addr().is_ipv6() })
    }

    pub(super) fn circuits(&mut self) {
        let document = self.topology.document();
        for (c, circuit) in document.express_route_circuits.iter().enumerate() {
            let scope = Scope::Tenant(circuit.tenant.clone());
            for link in LinkRole::BOTH {
                let private = PeeringType::AzurePrivatePeering;
                let ends = self.circuit_ends(c, circuit, private, link);
                if !circuit.link(link).up {
                    continue;
                }
                if circuit.peering(private).is_some() {
                    for (prefix, kind) in self.private_prefixes(c, link) {
                        for at in &ends {
                            let over = LearnedOver::Circuit(c, private, link);
                            self.azure_exit(over, *at, prefix, kind.clone(), LEARNED, scope.clone());
                        }
                    }
                }
                for peering in [PeeringType::MicrosoftPeering, PeeringType::AzurePublicPeering] {
                    let ends = self.circuit_ends(c, circuit, peering, link);
                    for prefix in microsoft_prefixes(self.topology, circuit, peering)
                        .into_iter()
                        .flat_map(|o| o.prefixes)
                    {
                        if self.session_down(c, peering, link, &prefix) {
                            continue;
                        }
                        for at in &ends {
                            let kind = ExitKind::Public { circuit: c, link, peering };
                            let over = LearnedOver::Circuit(c, peering, link);
                            self.azure_exit(over, *at, prefix, kind, LEARNED, scope.clone());
                        }
                    }
                }
            }
        }
    }

    pub(super) fn connections(&mut self) {
        let document = self.topology.document();
        for (n, connection) in document.connections.iter().enumerate() {
            let Some(Entity::Gateway(g)) = self.topology.entity(&connection.virtual_network_gateway) else {
                continue;
            };
            let Some(local) = self.topology.local_network_gateway(&connection.peer) else { continue };
            let spoken = self.world.session_edges.get(&LearnedOver::Connection(n)).cloned();
            let mut ends = local.site.as_ref().map_or_else(Vec::new, |site| self.routers_of(site));
            if !ends.is_empty() {
                self.world.connection_edges.insert(n, ends.clone());
            }
            for over in [&connection.id, &connection.peer] {
                let key = (over.clone(), PeeringType::AzurePrivatePeering);
                for (_, site) in self.world.exits.standing.announced.get(&key).into_iter().flatten() {
                    if ends.is_empty() || !self.world.connection_edges.contains_key(&n) {
                        let first = self.world.by_site[*site].first().copied();
                        ends.extend(first.filter(|r| !ends.contains(r)));
                    }
                }
            }
            if !connection.connected {
                continue;
            }
            let ends = spoken.unwrap_or(ends);
            let tenant = self.connection_tenant(n);
            for prefix in self.vpn_prefixes(n, connection, g) {
                if prefix.addr().is_ipv4() {
                    for at in &ends {
                        let kind = ExitKind::Vpn { connection: n };
                        let (over, scope) = (LearnedOver::Connection(n), Scope::Tenant(tenant.clone()));
                        self.azure_exit(over, *at, prefix, kind, LEARNED_BY_VPN, scope);
                    }
                }
            }
        }
    }

    pub(super) fn tunnels(&mut self) {
        for (t, tunnel) in self.topology.document().overlay_tunnels.iter().enumerate() {
            for (near, far, forward) in [(&tunnel.a, &tunnel.b, true), (&tunnel.b, &tunnel.a, false)] {
                for at in self.routers_of(&near.node) {
                    let scope = self.site_scope(self.world.routers[at].site);
                    for prefix in &far.prefixes {
                        self.exit(
                            at,
                            *prefix,
                            ExitKind::Tunnel { tunnel: t, forward },
                            TUNNEL,
                            scope.clone(),
                        );
                    }
                }
            }
        }
    }
}
