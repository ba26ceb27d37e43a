//! A speaker's neighbours.

use std::net::{IpAddr, Ipv4Addr};

use super::decision::SessionKind;
use super::engine::Engine;
use super::plan::EndIx;
use crate::model::ResourceId;
use crate::model::bgp::{AddressFamily, Asn};

/// A neighbour of a speaker: the other end of one of its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbor<'e> {
    /// The session.
    pub session: &'e ResourceId,
    /// The neighbour.
    pub speaker: &'e ResourceId,
    /// The number that it shows.
    pub asn: Asn,
    /// Whether it is of the same system.
    pub internal: bool,
    /// Whether the session is established.
    pub established: bool,
    /// Its address; none where nothing declares one, so that the engine had to make one up.
    pub address: Option<IpAddr>,
    /// The speaker's own address, as `address`.
    pub local_address: Option<IpAddr>,
    /// Whether the session carries a family.
    families: (bool, bool),
}

impl Neighbor<'_> {
    /// Whether the session carries routes of a family.
    pub fn carries(&self, family: AddressFamily) -> bool {
        match family {
            AddressFamily::Ipv4Unicast => self.families.0,
            AddressFamily::Ipv6Unicast => self.families.1,
        }
    }
}

impl Engine {
    /// The neighbours of a speaker, in the order of its sessions' ids. Empty where there is no such speaker.
    pub fn neighbors(&self, speaker: &ResourceId) -> impl Iterator<Item = Neighbor<'_>> {
        let plan = &self.plan;
        let own = plan.by_id.get(speaker).copied();
        let ends = plan.ends.iter().zip(0..).filter(move |(end, _)| Some(end.speaker) == own);
        ends.map(|(end, e)| {
            let e: EndIx = e;
            let far = &plan.ends[(e ^ 1) as usize];
            let v4 = end.families.0;
            Neighbor {
                session: &plan.sessions[e as usize / 2].id,
                speaker: &plan.speakers[end.peer as usize].id,
                asn: end.peer_info.asn,
                internal: end.kind == SessionKind::Ibgp,
                established: self.live.up(plan, e),
                address: self.declared(far.own(v4)),
                local_address: self.declared(end.own(v4)),
                families: end.families,
            }
        })
    }

    /// An address that something declares: none of those that stand in for a speaker without one.
    pub(crate) fn declared(&self, address: IpAddr) -> Option<IpAddr> {
        let v4 = match address {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(v6) => v6.to_ipv4_mapped(),
        };
        let stands_in = v4.is_some_and(|v4| {
            let at = u32::from(v4).checked_sub(u32::from(Ipv4Addr::new(10, 255, 0, 1)));
            let speaker = at.and_then(|at| self.plan.speakers.get(at as usize));
            speaker.is_some_and(|s| s.receiver.router_id == v4)
        });
        (!stands_in).then_some(address)
    }
}
