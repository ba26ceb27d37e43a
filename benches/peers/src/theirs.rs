//! A topology in bgpsim.

use bgpsim::prelude::{BasicEventQueue, GlobalOspf, Ipv4Prefix, Network, RouterId};
use ipnet::Ipv4Net;

use crate::topology::{Chosen, Topology};

pub(crate) type Simulated = Network<Ipv4Prefix, BasicEventQueue<Ipv4Prefix>, GlobalOspf>;

pub(crate) fn router(position: usize) -> RouterId {
    RouterId::new(position)
}

/// Routers, links and sessions, nothing announced.
pub(crate) fn network(topology: &Topology) -> Simulated {
    let mut network = Simulated::default();
    network.set_msg_limit(None);
    for (position, system) in topology.systems.iter().enumerate() {
        assert_eq!(network.add_router(format!("r{position}"), *system), router(position));
    }
    let links = topology.links.iter();
    network.add_links_from(links.clone().map(|(a, b, _)| (router(*a), router(*b)))).expect("links");
    let inside = links.filter(|(a, b, _)| topology.systems[*a] == topology.systems[*b]);
    let weights = inside.flat_map(|(a, b, cost)| {
        let (a, b, cost) = (router(*a), router(*b), f64::from(*cost));
        [(a, b, cost), (b, a, cost)]
    });
    network.set_link_weights_from(weights).expect("weights");
    let sessions = topology.sessions.iter().map(|(a, b, client)| (router(*a), router(*b), Some(*client)));
    network.set_bgp_session_from(sessions).expect("sessions");
    network
}

/// Announces everything; each call converges, which is this program's own way and its faster one.
pub(crate) fn announce_all(topology: &Topology, network: &mut Simulated) {
    for announcer in 0..topology.announcers.len() {
        for prefix in 0..topology.prefixes.len() {
            announce(topology, network, announcer, prefix);
        }
    }
}

pub(crate) fn announce(topology: &Topology, network: &mut Simulated, announcer: usize, prefix: usize) {
    let at = topology.announcers[announcer];
    let path = topology.path(at, prefix);
    network.advertise_route(router(at), topology.prefixes[prefix], path, None, []).expect("converges");
}

pub(crate) fn withdraw(topology: &Topology, network: &mut Simulated, prefix: usize) {
    network.withdraw_route(router(topology.announcers[0]), topology.prefixes[prefix]).expect("converges");
}

pub(crate) fn set_session(topology: &Topology, network: &mut Simulated, up: bool) {
    let (a, b, _) = topology.lost();
    network.set_bgp_session(router(a), router(b), up.then_some(false)).expect("converges");
}

pub(crate) fn chosen(network: &Simulated, at: usize, prefix: Ipv4Net) -> Option<Chosen> {
    let best = network.get_router(router(at)).expect("a router").bgp.get_exact(prefix.into())?;
    Some(Chosen {
        from: best.from_id.index(),
        next_hop: best.route.next_hop.index(),
        as_path: best.route.as_path.iter().map(|asn| asn.0).collect(),
        originator: best.route.originator_id.map(RouterId::index),
        clusters: best.route.cluster_list.iter().map(|id| id.index()).collect(),
    })
}
