//! Lints over peerings and gateway transit.

use super::{FindingCode, Lint, Severity, is_basic};
use crate::control_plane::DomainOwner;
use crate::model::same_region;
use crate::model::{GatewayType, PeeringState, ResourceId, VirtualNetworkPeering};
use crate::rule::Rule;

impl Lint<'_> {
    pub(super) fn peerings(&mut self) {
        for (v, vnet) in self.document.virtual_networks.iter().enumerate() {
            let remote: Vec<&str> = vnet
                .peerings
                .iter()
                .filter(|half| half.use_remote_gateways)
                .map(|half| half.name.as_str())
                .collect();
            let owns = self.plane.domains.iter().any(|d| d.owner == DomainOwner::VirtualNetwork(v));
            let code = FindingCode::RemoteGatewayConflict;
            if remote.len() > 1 {
                let message = format!(
                    "`useRemoteGateways` is set on {} peerings ({}), at most one may have it",
                    remote.len(),
                    super::list(&remote)
                );
                self.add(code, Severity::Error, &vnet.id, Rule::PEER_7, message);
            }
            if owns && !remote.is_empty() {
                let message = "`useRemoteGateways` is set, but the virtual network has a gateway of its own";
                self.add(code, Severity::Error, &vnet.id, Rule::PEER_7, message);
            }
            for (h, half) in vnet.peerings.iter().enumerate() {
                let id = vnet.id.child("virtualNetworkPeerings", &half.name);
                // A far network that is not part of the topology is an unresolved reference, no more.
                if let Some(far) = self.vnet(&half.remote_virtual_network) {
                    if self.halves.get(&(v, far)) == Some(&h) {
                        self.pair(v, far, half, &id);
                    }
                    if half.use_remote_gateways {
                        self.remote_gateway(v, far, &id);
                    }
                } else if matches!(
                    half.peering_state,
                    Some(PeeringState::Initiated | PeeringState::Disconnected)
                ) {
                    self.not_connected(&id, half);
                }
            }
        }
    }

    fn not_connected(&mut self, id: &ResourceId, half: &VirtualNetworkPeering) {
        let message = match half.peering_state {
            Some(PeeringState::Disconnected) => "the other half was deleted: no routes, no traffic",
            Some(PeeringState::Initiated) => "the other half does not exist yet: no routes, no traffic",
            _ => "the far network has no half that points back: no routes, no traffic",
        };
        self.add(FindingCode::PeeringNotConnected, Severity::Warning, id, Rule::PEER_1, message);
    }

    fn pair(&mut self, v: usize, far: usize, half: &VirtualNetworkPeering, id: &ResourceId) {
        let remote = &self.document.virtual_networks[far];
        let up = matches!(half.peering_state, None | Some(PeeringState::Connected));
        let Some(back) = self.halves.get(&(far, v)).map(|h| &remote.peerings[*h]) else {
            self.not_connected(id, half);
            return;
        };
        if !up {
            self.not_connected(id, half);
        }
        if !half.allow_virtual_network_access && back.allow_virtual_network_access {
            let message = format!(
                "`allowVirtualNetworkAccess` is off here and on in `{}`: nothing passes in either direction",
                remote.id.name()
            );
            self.add(FindingCode::PeeringAccessDiffers, Severity::Warning, id, Rule::PEER_4, message);
        }
        if up && half.peer_complete_vnets && !half.remote_address_space.is_empty() {
            let sorted = |space: &[ipnet::IpNet]| {
                let mut space: Vec<_> = space.iter().map(ipnet::IpNet::trunc).collect();
                space.sort_unstable();
                space.dedup();
                space
            };
            let (synced, now) = (sorted(&half.remote_address_space), sorted(&remote.address_space));
            if synced != now {
                let message = format!(
                    "routes {}, but `{}` has {} now: the peering needs a sync",
                    super::list(&synced),
                    remote.id.name(),
                    super::list(&now)
                );
                self.add(FindingCode::PeeringOutOfSync, Severity::Warning, id, Rule::PEER_1, message);
            }
        }
    }

    /// PEER-6, PEER-7: what `useRemoteGateways` needs at the other side.
    fn remote_gateway(&mut self, v: usize, far: usize, id: &ResourceId) {
        let remote = &self.document.virtual_networks[far];
        let name = remote.id.name();
        let back = self.halves.get(&(far, v)).map(|h| &remote.peerings[*h]);
        if back.is_some_and(|back| !back.allow_gateway_transit) {
            let message =
                format!("`useRemoteGateways` is set, but `{name}` does not set `allowGatewayTransit`");
            self.add(FindingCode::GatewayTransitNotAllowed, Severity::Error, id, Rule::PEER_6, message);
        }
        let domain = self.plane.domains.iter().find(|d| d.owner == DomainOwner::VirtualNetwork(far));
        let Some(domain) = domain else {
            let message = format!("`useRemoteGateways` is set, but `{name}` has no gateway");
            self.add(FindingCode::RemoteGatewayMissing, Severity::Warning, id, Rule::PEER_6, message);
            return;
        };
        let code = FindingCode::GatewayTransitUnsupported;
        let basic = domain.express_route.is_empty()
            && domain.route_server.is_none()
            && domain.vpn.iter().any(|g| {
                let gateway = &self.document.virtual_network_gateways[*g];
                gateway.gateway_type == GatewayType::Vpn && is_basic(gateway.sku.as_deref())
            });
        if basic {
            let message =
                format!("the VPN gateway of `{name}` is of the SKU Basic, which has no gateway transit");
            self.add(code, Severity::Error, id, Rule::PEER_7, message);
        }
        let global = !same_region(&self.document.virtual_networks[v], remote);
        if global && !self.topology.era().global_gateway_transit() {
            let message =
                format!("`{name}` is in another region: gateway transit came there about 2019 only");
            self.add(code, Severity::Error, id, Rule::PEER_7, message);
        }
    }
}
