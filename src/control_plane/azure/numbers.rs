//! Numbers that a session of Azure's does not take from its other end (BGP-2): the session stays down.

use std::collections::HashMap;

use super::{Use, Wiring};
use crate::control_plane::LearnedOver;
use crate::model::bgp::BgpDesign;
use crate::model::{Asn, ResourceId, Topology};

/// Whether a customer may not have this number there. The page on ExpressRoute keeps 65516 too, those on VPN and Route
/// Server do not (CON-13); a Route Server takes 16 bits.
pub(crate) fn refuses(over: LearnedOver, asn: Asn) -> bool {
    asn.is_reserved_by_azure()
        || match over {
            LearnedOver::Circuit(..) => asn.0 == 65_516,
            LearnedOver::Connection(_) | LearnedOver::HubPeer(..) => false,
            LearnedOver::RouteServer(_) => asn.0 > 65_535,
        }
}

/// The number that Azure was told the other end has, for sites whose announcements are declared.
pub(super) fn configured(topology: &Topology, over: LearnedOver) -> Option<Asn> {
    let document = topology.document();
    match over {
        LearnedOver::Circuit(c, peering, _) => document.express_route_circuits[c].peering(peering)?.peer_asn,
        LearnedOver::Connection(n) => topology.local_network_gateway(&document.connections[n].peer)?.asn,
        LearnedOver::RouteServer(_) | LearnedOver::HubPeer(..) => None,
    }
}

/// Shuts the document's sessions whose other end has such a number.
pub(super) fn shut(topology: &Topology, design: &mut BgpDesign, wiring: &mut Wiring) {
    let numbers: HashMap<&ResourceId, Asn> =
        topology.document().bgp_speakers.iter().map(|s| (&s.id, s.asn)).collect();
    let at: HashMap<ResourceId, usize> =
        design.sessions.iter().enumerate().map(|(at, s)| (s.id.clone(), at)).collect();
    let mut refused = Vec::new();
    for session in &wiring.sessions {
        let Use::Outside { over, .. } = session.what else { continue };
        let Some(found) = at.get(&session.id).map(|at| &mut design.sessions[*at]) else { continue };
        let end = if found.a.speaker == session.peer { &found.a } else { &found.b };
        let own = numbers.get(&session.peer).copied();
        let Some(asn) = end.local_as.as_ref().map(|local| local.asn).or(own) else { continue };
        if refuses(over, asn) {
            found.shutdown = true;
            refused.push((over, asn));
        }
    }
    for refusal in refused {
        wiring.refuse(refusal);
    }
}
