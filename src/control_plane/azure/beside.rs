//! The ExpressRoute and the VPN gateway of one network tell each other what they learned, and pass none of it on (COEX-4):
//! it shows in their tables and nowhere else.

use super::policies;
use super::speakers::{Azure, accepting, speaks};
use super::{AzureSession, Use, Wiring};
use crate::model::bgp::{AddressFamily, BgpDesign, BgpSession, SessionEnd};
use crate::model::{Asn, GatewayType};

impl Azure<'_> {
    /// Sessions between gateways that stand beside each other. Where a Route Server exchanges branches it stands between
    /// them (ARS-5).
    pub(super) fn beside(&self, design: &mut BgpDesign, wiring: &mut Wiring) {
        let document = self.topology.document();
        let internal = |g: &&crate::model::VirtualNetworkGateway| g.asn == Asn::AZURE_GATEWAY;
        let of_type = |wanted: GatewayType| {
            document
                .virtual_network_gateways
                .iter()
                .filter(move |g| g.gateway_type == wanted)
                .filter(internal)
        };
        for express_route in of_type(GatewayType::ExpressRoute) {
            let exchanged = document.route_servers.iter().any(|s| {
                s.allow_branch_to_branch_traffic && s.virtual_network == express_route.virtual_network
            });
            if exchanged || self.topology.virtual_network(&express_route.virtual_network).is_none() {
                continue;
            }
            for vpn in of_type(GatewayType::Vpn).filter(|g| speaks(g)) {
                if vpn.virtual_network != express_route.virtual_network {
                    continue;
                }
                let id = express_route.id.child("beside", vpn.id.as_str());
                let end = |gateway| SessionEnd {
                    import_policies: vec![policies::FROM_BESIDE.to_owned()],
                    export_policies: vec![policies::TO_BESIDE.to_owned()],
                    ..accepting(gateway)
                };
                design.sessions.push(BgpSession {
                    id: id.clone(),
                    a: end(&express_route.id),
                    b: end(&vpn.id),
                    families: vec![AddressFamily::Ipv4Unicast],
                    ..BgpSession::default()
                });
                let (speaker, peer) = (express_route.id.clone(), vpn.id.clone());
                wiring.push(AzureSession { id, speaker, peer, what: Use::Beside });
            }
        }
    }
}
