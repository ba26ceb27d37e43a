//! Which gateway route wins a prefix: the part of selection that all networks of one domain share (SEL-11).

use std::net::IpAddr;
use std::sync::Arc;

use crate::control_plane::{Domain, DomainOwner, Offer, Offers, Via};
use crate::model::{Asn, HubRoutingPreference, ResourceId};
use crate::prefix_table::PrefixTable;
use crate::rule::Rule;

/// The routes of one domain: for each prefix the group of prefixes that are offered alike, decided once.
#[derive(Debug, Default)]
pub(crate) struct GatewayTable {
    /// By number of the group: with the domain it is the behaviour of a route.
    pub(crate) groups: Vec<GatewayGroup>,
    /// The group of each prefix; shared with the domain's offers and the compiled tables.
    pub(crate) by_prefix: Arc<PrefixTable<u32>>,
}

/// The winners of the prefixes of a group, an equal-cost set, and those they beat. Positions in the domain's offers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GatewayGroup {
    pub(crate) members: Vec<usize>,
    pub(crate) losers: Vec<(usize, Rule)>,
    /// What Azure prints: every member's next hops, sorted.
    pub(crate) next_hops: Vec<IpAddr>,
}

impl GatewayGroup {
    /// The rule that made the members win, or that made the row where nothing competed.
    pub(crate) fn decided_by(&self) -> Rule {
        self.losers.first().map_or(Rule::GWR_1, |(_, rule)| *rule)
    }
}

impl GatewayTable {
    /// Ranks the offers of a domain, once for each group. `connection_id` names a connection, for the tie of ER-9.
    pub(crate) fn select(domain: &Domain, connection_id: impl Fn(usize) -> ResourceId) -> Self {
        let offers = &domain.offers;
        let decide = |of_group: &[u32]| {
            let alive = of_group.iter().filter_map(|offer| usize::try_from(*offer).ok()).collect();
            let mut rank = Rank { offers, alive, losers: Vec::new() };
            rank.run(domain, &connection_id);
            let mut members = rank.alive;
            members.sort_by(|a, b| offers[*a].via.cmp(&offers[*b].via));
            members.dedup_by(|a, b| offers[*a].via == offers[*b].via);
            let mut next_hops: Vec<IpAddr> =
                members.iter().flat_map(|o| offers[*o].next_hops.iter().copied()).collect();
            next_hops.sort_unstable();
            next_hops.dedup();
            GatewayGroup { members, losers: rank.losers, next_hops }
        };
        Self { groups: offers.groups().map(decide).collect(), by_prefix: Arc::clone(&offers.by_prefix) }
    }
}

/// Offers of one prefix, eliminated step by step; every loser keeps the rule that beat it.
struct Rank<'d> {
    offers: &'d Offers,
    alive: Vec<usize>,
    losers: Vec<(usize, Rule)>,
}

impl Rank<'_> {
    fn run(&mut self, domain: &Domain, connection_id: impl Fn(usize) -> ResourceId) {
        if self.alive.len() < 2 {
            return;
        }
        if matches!(domain.owner, DomainOwner::Hub(_)) {
            // What hubs declare is already chosen; among several the shorter path stays (VWAN-6).
            self.keep_least(|_| true, path_length, |_| Rule::VWAN_6);
            return;
        }
        // Each kind chooses its own best first, then the kinds compete.
        self.within(is_express_route, |rank, mine| {
            rank.keep_least(mine, |o| u16::MAX - o.weight, |_| Rule::ER_8);
            rank.keep_least(mine, path_length, |_| Rule::ER_8);
            if domain.route_server.is_some() {
                let connection = |o: &Offer| match &o.via {
                    Via::ExpressRoute { connection: Some(c), .. } => Some(connection_id(*c)),
                    _ => None,
                };
                rank.keep_least(mine, connection, |_| Rule::ER_9);
            }
        });
        self.within(is_vpn, |rank, mine| {
            rank.keep_least(mine, |o| u8::from(!o.is_static), |_| Rule::VPN_2);
            rank.keep_least(mine, path_length, |_| Rule::VPN_7);
        });
        self.within(is_injected, |rank, mine| rank.keep_least(mine, path_length, |_| Rule::ARS_4));
        // Without a Route Server there is no preference setting: ExpressRoute first (COEX-1).
        let preference = if domain.route_server.is_some() {
            domain.preference
        } else {
            HubRoutingPreference::ExpressRoute
        };
        let all: Kind = |_| true;
        match preference {
            HubRoutingPreference::VpnGateway => {
                self.keep_least(all, |o| u8::from(is_express_route(o)), |_| Rule::ARS_6);
            }
            HubRoutingPreference::AsPath => self.keep_least(all, path_length, |_| Rule::ARS_6),
            _ => {}
        }
        self.keep_least(
            all,
            |o| u8::from(!is_express_route(o)),
            |loser| match loser.via {
                Via::RouteServer { .. } => Rule::ARS_7,
                _ => Rule::COEX_1,
            },
        );
        if self.alive.first().is_some_and(|o| !is_express_route(&self.offers[*o])) {
            self.keep_least(all, path_length, |_| Rule::ARS_6);
        }
    }

    fn within(&mut self, kind: Kind, choose: impl FnOnce(&mut Self, Kind)) {
        if self.alive.iter().filter(|o| kind(&self.offers[**o])).count() > 1 {
            choose(self, kind);
        }
    }

    /// Of one kind, keeps the offers with the least key; the others lose by the rule given for them.
    fn keep_least<K: Ord>(&mut self, kind: Kind, key: impl Fn(&Offer) -> K, rule: impl Fn(&Offer) -> Rule) {
        let offers = self.offers;
        let mine = self.alive.iter().filter(|o| kind(&offers[**o]));
        let Some(least) = mine.map(|o| key(&offers[*o])).min() else { return };
        let losers = &mut self.losers;
        self.alive.retain(|o| {
            let stays = !kind(&offers[*o]) || key(&offers[*o]) == least;
            if !stays {
                losers.push((*o, rule(&offers[*o])));
            }
            stays
        });
    }
}

/// A kind of offers: what only they compare among themselves.
type Kind = fn(&Offer) -> bool;

fn is_express_route(offer: &Offer) -> bool {
    matches!(offer.via, Via::ExpressRoute { .. })
}

fn is_vpn(offer: &Offer) -> bool {
    matches!(offer.via, Via::Vpn { .. })
}

fn is_injected(offer: &Offer) -> bool {
    matches!(offer.via, Via::RouteServer { .. })
}

/// The AS path's length as Azure sees it: Microsoft's edge adds its own number on ExpressRoute.
fn path_length(offer: &Offer) -> usize {
    let edge = is_express_route(offer) && offer.as_path.first() != Some(&Asn::MICROSOFT_EDGE);
    offer.as_path.len() + usize::from(edge)
}
