//! A topology in azroute.

use std::net::{IpAddr, Ipv4Addr};

use azroute::bgp::{BgpChange, Engine, LearnedFrom};
use azroute::model::ResourceId;
use azroute::model::bgp::{
    AsPath, Asn, BgpDesign, BgpSession, BgpSpeaker, IgpLink, Origination, PathAttributes,
};
use ipnet::{IpNet, Ipv4Net};

use crate::topology::{Chosen, Topology};

pub(crate) fn id(router: usize) -> ResourceId {
    format!("r{router:05}").into()
}

fn session_id(session: usize) -> ResourceId {
    format!("s{session:05}").into()
}

pub(crate) fn design(topology: &Topology) -> BgpDesign {
    let mut design = BgpDesign::default();
    for (router, system) in topology.systems.iter().enumerate() {
        let mut originate = Vec::new();
        if topology.announcers.contains(&router) {
            let attributes = |prefix| PathAttributes {
                as_path: AsPath::sequence(topology.path(router, prefix).into_iter().map(Asn)),
                ..PathAttributes::default()
            };
            let nets: Vec<IpNet> = topology.prefixes.iter().copied().map(IpNet::V4).collect();
            if topology.unique {
                originate.extend(nets.iter().enumerate().map(|(i, net)| Origination {
                    prefixes: vec![*net],
                    attributes: attributes(i),
                    policies: Vec::new(),
                }));
            } else {
                originate.push(Origination {
                    prefixes: nets,
                    attributes: attributes(0),
                    policies: Vec::new(),
                });
            }
        }
        design.speakers.push(BgpSpeaker {
            id: id(router),
            asn: Asn(*system),
            router_id: Some(Topology::router_id(router)),
            originate,
            ..BgpSpeaker::default()
        });
    }
    for (l, (a, b, cost)) in topology.links.iter().enumerate() {
        if topology.systems[*a] == topology.systems[*b] {
            design.links.push(IgpLink { id: format!("l{l:05}").into(), a: id(*a), b: id(*b), cost: *cost });
        }
    }
    for (s, (a, b, client)) in topology.sessions.iter().enumerate() {
        let mut session = BgpSession::new(session_id(s), id(*a), id(*b));
        session.a.route_reflector_client = *client;
        // As bgpsim always does with what it learned from outside.
        session.a.next_hop_self = true;
        session.b.next_hop_self = true;
        design.sessions.push(session);
    }
    design
}

pub(crate) fn down(topology: &Topology) -> BgpChange {
    BgpChange::SessionDown(session_id(topology.lost().2))
}

pub(crate) fn up(topology: &Topology) -> BgpChange {
    BgpChange::SessionUp(session_id(topology.lost().2))
}

pub(crate) fn withdraw(topology: &Topology, prefix: usize) -> BgpChange {
    BgpChange::Withdraw(id(topology.announcers[0]), vec![topology.prefixes[prefix].into()])
}

pub(crate) fn announce(topology: &Topology, prefix: usize) -> BgpChange {
    let path = topology.path(topology.announcers[0], prefix);
    BgpChange::Announce(
        id(topology.announcers[0]),
        Origination {
            prefixes: vec![topology.prefixes[prefix].into()],
            attributes: PathAttributes {
                as_path: AsPath::sequence(path.into_iter().map(Asn)),
                ..PathAttributes::default()
            },
            policies: Vec::new(),
        },
    )
}

fn position(id: Ipv4Addr) -> usize {
    (u32::from(id) - u32::from(Topology::router_id(0))) as usize
}

pub(crate) fn chosen(engine: &Engine, router: usize, prefix: Ipv4Net) -> Option<Chosen> {
    let best = engine.best(&id(router), &prefix.into())?;
    let from = match best.from {
        LearnedFrom::Neighbor { speaker, .. } => speaker.as_str()[1..].parse().expect("its position"),
        LearnedFrom::Local(_) => router,
    };
    Some(Chosen {
        from,
        next_hop: match best.attributes.next_hop {
            Some(IpAddr::V4(hop)) => position(hop),
            _ => router,
        },
        as_path: best.attributes.as_path.asns().map(|asn| asn.0).collect(),
        originator: best.attributes.originator_id.map(position),
        clusters: best.attributes.cluster_list.ids().iter().copied().map(position).collect(),
    })
}
