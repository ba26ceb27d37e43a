//! A speaker's table as routers print it.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::decision::SessionKind;
use super::engine::Engine;
use super::plan::SpeakerIx;
use super::rib::{LearnedFrom, RibEntry, RibPrefix, Standing};
use crate::model::ResourceId;
use crate::model::bgp::{AddressFamily, Asn, Origin, SegmentKind};

/// Columns of the table, as FRR and IOS have them.
const STATUS: usize = 3;
const NETWORK: usize = 17;
const NEXT_HOP: usize = 16;

/// A speaker's table in the layout of `show ip bgp`: made by [`Engine::show`].
///
/// `*` is a route that can be used, `>` the best, `=` one used beside it, `i` one of an internal neighbour. A next hop
/// that cannot be reached takes the `*` away. Routes of one prefix stand in the order of their sessions' age.
#[derive(Clone, Debug)]
pub struct RouteTable<'e> {
    engine: &'e Engine,
    speaker: SpeakerIx,
    family: Option<AddressFamily>,
    inside: Option<IpNet>,
}

impl Engine {
    /// A speaker's table as routers print it; `None` where there is no such speaker. IPv4 comes first.
    pub fn show(&self, speaker: &ResourceId) -> Option<RouteTable<'_>> {
        let speaker = *self.plan.by_id.get(speaker)?;
        Some(RouteTable { engine: self, speaker, family: None, inside: None })
    }
}

impl RouteTable<'_> {
    /// One family only.
    #[must_use]
    pub fn family(self, family: AddressFamily) -> Self {
        Self { family: Some(family), ..self }
    }

    /// One prefix and what is inside it.
    #[must_use]
    pub fn inside(self, prefix: IpNet) -> Self {
        Self { inside: Some(prefix.trunc()), ..self }
    }

    fn shows(&self, prefix: &IpNet) -> bool {
        self.family.is_none_or(|family| family == AddressFamily::of(prefix))
            && self.inside.is_none_or(|outer| outer.contains(prefix))
    }

    /// Whether a route came from an internal neighbour.
    fn internal(&self, entry: &RibEntry<'_>) -> bool {
        let LearnedFrom::Neighbor { session, .. } = entry.route.from else { return false };
        let plan = &self.engine.plan;
        let session = plan.session_by_id.get(session);
        session.is_some_and(|s| plan.ends[2 * *s as usize].kind == SessionKind::Ibgp)
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, entry: &RibEntry<'_>, network: Option<&IpNet>) -> fmt::Result {
        let attributes = entry.route.attributes;
        let settings = &self.engine.plan.speakers[self.speaker as usize].settings;
        let own = matches!(entry.route.from, LearnedFrom::Local(_));
        let valid = own || entry.igp_cost.is_some() || !settings.checks_next_hop;
        f.write_str(if valid { "*" } else { " " })?;
        f.write_str(match entry.standing {
            Standing::Best => ">",
            Standing::Multipath => "=",
            Standing::Lost { .. } => " ",
        })?;
        f.write_str(if self.internal(entry) { "i" } else { " " })?;
        let network = network.map(IpNet::to_string).unwrap_or_default();
        column(f, &network, NETWORK, STATUS + NETWORK)?;
        let next_hop = match attributes.next_hop {
            Some(next_hop) => next_hop,
            None if matches!(entry.route.prefix, IpNet::V4(_)) => IpAddr::V4([0; 4].into()),
            None => IpAddr::V6([0; 16].into()),
        };
        column(f, &next_hop.to_string(), NEXT_HOP, STATUS + NETWORK + NEXT_HOP)?;
        let number = |number: Option<u32>| number.map(|n| n.to_string()).unwrap_or_default();
        write!(f, "{:>10}", number(attributes.med))?;
        write!(f, "{:>7}", number(attributes.local_preference))?;
        write!(f, "{:>7} ", attributes.weight.unwrap_or(0))?;
        for (kind, asns) in attributes.as_path.segments() {
            let (open, close, between) = match kind {
                SegmentKind::Sequence => ("", "", " "),
                SegmentKind::Set => ("{", "}", ","),
                SegmentKind::ConfedSequence => ("(", ")", " "),
                SegmentKind::ConfedSet => ("[", "]", ","),
            };
            let asns: Vec<String> = asns.iter().map(Asn::to_string).collect();
            write!(f, "{open}{}{close} ", asns.join(between))?;
        }
        writeln!(f, "{}", code(attributes.origin))
    }
}

/// A column; what does not leave a space goes on a line of its own, and the next column on the following one.
fn column(f: &mut fmt::Formatter<'_>, text: &str, width: usize, end: usize) -> fmt::Result {
    if text.len() < width { write!(f, "{text:<width$}") } else { write!(f, "{text}\n{:end$}", "") }
}

/// How tables show an origin.
pub(super) fn code(origin: Origin) -> &'static str {
    match origin {
        Origin::Igp => "i",
        Origin::Egp => "e",
        Origin::Incomplete => "?",
    }
}

impl fmt::Display for RouteTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let speaker = &self.engine.plan.speakers[self.speaker as usize];
        // Programs that read such tables look for these words; versions and instances do not exist here.
        let router_id = speaker.receiver.router_id;
        writeln!(f, "BGP table version is 0, local router ID is {router_id}, vrf id 0")?;
        let preference = speaker.settings.default_local_preference;
        writeln!(f, "Default local pref {preference}, local AS {}", speaker.receiver.asn)?;
        writeln!(f, "Status codes:  s suppressed, d damped, h history, * valid, > best, = multipath,")?;
        writeln!(f, "               i internal, r RIB-failure, S Stale, R Removed")?;
        writeln!(f, "Origin codes:  i - IGP, e - EGP, ? - incomplete")?;
        writeln!(f)?;
        writeln!(f, "   Network          Next Hop            Metric LocPrf Weight Path")?;
        let (mut routes, mut paths) = (0, 0);
        for RibPrefix { prefix, entries, .. } in self.engine.rib(&speaker.id) {
            if !self.shows(&prefix) {
                continue;
            }
            for (i, entry) in entries.iter().enumerate() {
                self.line(f, entry, (i == 0).then_some(&prefix))?;
                paths += 1;
            }
            routes += 1;
        }
        write!(f, "\nDisplayed  {routes} routes and {paths} total paths\n")
    }
}
