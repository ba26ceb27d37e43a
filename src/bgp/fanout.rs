//! Who hears the same: a speaker's neighbours in batches.
//!
//! A reflector tells hundreds of clients one thing. Everything that needs a look at either end's settings is done once
//! for a batch; what is left for each neighbour stands here together, so that telling it costs a few comparisons.

use std::net::{IpAddr, Ipv4Addr};

use super::decision::SessionKind;
use super::plan::{End, EndIx, SlotIx, Speaker, SpeakerIx};
use crate::model::bgp::{Asn, PathAttributes};

/// The neighbours of a speaker.
#[derive(Debug, Default)]
pub(super) struct Fanout {
    /// Those that are looked at one by one.
    pub(super) singles: Vec<EndIx>,
    pub(super) batches: Vec<Vec<Target>>,
    /// Routes from others go no further: all neighbours are internal and none is a client (RFC 4271 section 9.2.1).
    pub(super) ends_here: bool,
}

/// A neighbour that keeps what it hears as it comes, unless it is named in it.
#[derive(Debug)]
pub(super) struct Target {
    /// The end that sends.
    pub(super) end: EndIx,
    /// Where the neighbour keeps it.
    pub(super) slot: SlotIx,
    pub(super) speaker: SpeakerIx,
    asn: Asn,
    router_id: Ipv4Addr,
    cluster_id: Ipv4Addr,
    addresses: [IpAddr; 3],
}

impl Target {
    /// Whether attributes speak of the neighbour itself: then it may get something else than the others, or refuse it.
    pub(super) fn is_named_in(&self, attributes: &PathAttributes) -> bool {
        attributes.next_hop.is_some_and(|hop| self.addresses.contains(&hop))
            || attributes.originator_id == Some(self.router_id)
            || attributes.cluster_list.ids().contains(&self.cluster_id)
            || attributes.as_path.count(self.asn) > 0
    }
}

impl Fanout {
    /// The neighbours of a speaker; slots and update groups are known.
    pub(super) fn new(speaker: &Speaker, speakers: &[Speaker], ends: &[End]) -> Self {
        let mut new = Self::default();
        for &e in &speaker.ends {
            let (end, far) = (&ends[e as usize], &ends[(e ^ 1) as usize]);
            let neighbor = &speakers[end.peer as usize];
            if !is_plain(speaker, end, far, neighbor) {
                new.singles.push(e);
                continue;
            }
            let alike = |batch: &&mut Vec<Target>| {
                batch.first().is_some_and(|first| {
                    let other = &ends[first.end as usize];
                    other.update_group == end.update_group
                        && other.families == end.families
                        && speakers[first.speaker as usize].settings == neighbor.settings
                })
            };
            let target = Target {
                end: e,
                slot: far.slots.start,
                speaker: end.peer,
                asn: neighbor.receiver.asn,
                router_id: neighbor.receiver.router_id,
                cluster_id: neighbor.receiver.cluster_id,
                addresses: [end.peer_info.address.unwrap_or(far.own_v4), far.own_v4, far.own_v6],
            };
            match new.batches.iter_mut().find(alike) {
                Some(batch) => batch.push(target),
                None => new.batches.push(vec![target]),
            }
        }
        let (batches, alone): (Vec<_>, Vec<_>) = new.batches.into_iter().partition(|batch| batch.len() > 1);
        new.batches = batches;
        new.singles.extend(alone.iter().flatten().map(|target| target.end));
        new.singles.sort_unstable();
        let is_inside =
            |end: &End| end.kind == SessionKind::Ibgp && !end.client && end.default_originate.is_none();
        new.ends_here = speaker.ends.iter().all(|e| is_inside(&ends[*e as usize]));
        new
    }
}

/// Whether an end sends, and its neighbour takes, nothing but what the update group and the settings say.
fn is_plain(speaker: &Speaker, end: &End, far: &End, neighbor: &Speaker) -> bool {
    let rewrites = end.as_override || end.remove_private_as.is_some() || end.default_originate.is_some();
    let renamed = end.local_as.is_some() || far.local_as.is_some() || end.transparent;
    let confederation = end.kind == SessionKind::ConfedEbgp
        || speaker.receiver.confederation.is_some()
        || neighbor.receiver.confederation.is_some();
    far.slots.len() == 1 && far.imports_plainly && !rewrites && !renamed && !confederation
}
