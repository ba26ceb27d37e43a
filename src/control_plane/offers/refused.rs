//! Sessions that Azure does not set up.

use super::super::bgp::Bgp;
use super::super::{EventKind, LearnedOver};
use super::Builder;
use crate::rule::Rule;

impl Builder<'_> {
    /// Tells of sessions whose other end has a number that Azure keeps for itself (BGP-2).
    pub(super) fn refused(&mut self, bgp: &Bgp) {
        let document = self.topology.document();
        for (over, asn) in &bgp.wiring.refused {
            let (id, what) = match over {
                LearnedOver::Circuit(c, peering, link) => {
                    let what = format!("the {} session of {}", link.as_str(), peering.as_str());
                    (&document.express_route_circuits[*c].id, what)
                }
                LearnedOver::Connection(n) => (&document.connections[*n].id, "the BGP session".to_owned()),
                LearnedOver::HubPeer(h, _) => (&document.virtual_hubs[*h].id, "a BGP session".to_owned()),
                LearnedOver::RouteServer(r) => (&document.route_servers[*r].id, "a BGP session".to_owned()),
            };
            let detail = format!("{what} stays down: the other end's number {asn} is not accepted");
            self.event(EventKind::SessionDown, id, Rule::BGP_2, detail);
        }
    }
}
