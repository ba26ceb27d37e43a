//! A policy interpreter that looks everything up anew and copies everything: written from the declared types' words, and
//! from nothing of the library's own evaluation.

use std::net::IpAddr;

use azroute::bgp::Settings;
use azroute::model::bgp::{
    Actions, AddressFamily, AsPath, Asn, Communities, Community, CommunityOption, Comparison, Conditions,
    DefaultPolicy, ExtendedCommunity, LargeCommunity, MatchSet, MatchSetOptions, PathAttributes,
    PolicyResult, PrependAsn, PrivateAsAction, RouteType, RoutingPolicy, Segment, SegmentKind, SetCommunity,
    SetMed, SetNextHop, SetNumber, SourceProtocol,
};
use ipnet::IpNet;
use regex_lite::Regex;

/// A route, with everything a policy may see.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) prefix: IpNet,
    pub(crate) neighbor: Option<IpAddr>,
    pub(crate) own_address: Option<IpAddr>,
    pub(crate) own_asn: Asn,
    pub(crate) peer_asn: Option<Asn>,
    pub(crate) route_type: RouteType,
    pub(crate) source_protocol: SourceProtocol,
    pub(crate) igp_cost: Option<u32>,
    pub(crate) export: bool,
    pub(crate) settings: Settings,
    pub(crate) attributes: PathAttributes,
}

/// What a statement did: policy, statement's number, whether it matched.
pub(crate) type Step = (String, usize, bool);

/// What became of a route.
#[derive(Debug, PartialEq)]
pub(crate) struct Result {
    pub(crate) accepted: bool,
    pub(crate) next_hop_set: bool,
    pub(crate) attributes: PathAttributes,
    pub(crate) steps: Vec<Step>,
}

/// Runs policies by name.
pub(crate) fn evaluate(
    declared: &RoutingPolicy,
    names: &[String],
    default: DefaultPolicy,
    route: &Route,
) -> Result {
    let mut run = Run {
        declared,
        route,
        default: default == DefaultPolicy::AcceptRoute,
        now: route.attributes.clone(),
        next_hop_set: false,
        steps: Vec::new(),
    };
    let accepted = names.iter().find_map(|name| run.policy(name)).unwrap_or(run.default);
    Result { accepted, next_hop_set: accepted && run.next_hop_set, attributes: run.now, steps: run.steps }
}

struct Run<'a> {
    declared: &'a RoutingPolicy,
    route: &'a Route,
    default: bool,
    now: PathAttributes,
    next_hop_set: bool,
    steps: Vec<Step>,
}

impl Run<'_> {
    /// Whether the policy accepts or rejects; none where it does neither.
    fn policy(&mut self, name: &str) -> Option<bool> {
        let Some(policy) = self.declared.policy_definitions.iter().find(|p| p.name == name) else {
            return Some(self.route.settings.undefined_policy == DefaultPolicy::AcceptRoute);
        };
        for (n, statement) in policy.statements.iter().enumerate() {
            let step = self.steps.len();
            self.steps.push((name.to_owned(), n + 1, false));
            if !self.all_hold(&statement.conditions) {
                continue;
            }
            self.steps[step].2 = true;
            self.act(&statement.actions);
            match statement.actions.policy_result {
                Some(PolicyResult::AcceptRoute) => return Some(true),
                Some(PolicyResult::RejectRoute) => return Some(false),
                Some(PolicyResult::NextPolicy) => return None,
                Some(PolicyResult::NextStatement) | None => {}
            }
        }
        None
    }

    fn all_hold(&mut self, c: &Conditions) -> bool {
        let (d, route, now) = (self.declared, self.route, &self.now);
        let missing = route.settings.undefined_set_matches;
        let mut holds = Vec::new();
        holds.extend(c.source_protocol.map(|p| p == route.source_protocol));
        let family = match route.prefix {
            IpNet::V4(_) => AddressFamily::Ipv4Unicast,
            IpNet::V6(_) => AddressFamily::Ipv6Unicast,
        };
        holds.extend(c.address_family.map(|f| f == family));
        holds.extend(c.route_type.map(|t| t == route.route_type));
        holds.extend(c.origin.map(|o| o == now.origin));
        holds.extend(c.med.map(|m| compare(m, now.med.unwrap_or(0).into())));
        let preference = now.local_preference.unwrap_or(route.settings.sum_local_preference_from);
        holds.extend(c.local_preference.map(|m| compare(m, preference.into())));
        holds.extend(c.community_count.map(|m| compare(m, now.communities.standard().len() as u64)));
        holds.extend(c.as_path_length.map(|m| compare(m, self.path_length())));
        if let Some(wanted) = &c.match_prefix_set {
            let set = d.prefix_sets.iter().find(|s| s.name == wanted.set);
            holds.push(set.map_or(missing, |set| {
                let matches = |range: &azroute::model::bgp::PrefixRange| {
                    let own = range.prefix.prefix_len();
                    let longest = if range.prefix.addr().is_ipv4() { 32 } else { 128 };
                    let (low, high) = match (range.ge, range.le) {
                        (None, None) => (own, own),
                        (Some(ge), None) => (ge, longest),
                        (None, Some(le)) => (own, le),
                        (Some(ge), Some(le)) => (ge, le),
                    };
                    let length = route.prefix.prefix_len();
                    length >= low && length <= high && is_in(route.prefix.addr(), &range.prefix)
                };
                one_value(wanted, set.prefixes.iter().map(matches))
            }));
        }
        if let Some(wanted) = &c.match_neighbor_set {
            let set = d.neighbor_sets.iter().find(|s| s.name == wanted.set);
            holds.push(set.map_or(missing, |set| one_address(wanted, &set.addresses, route.neighbor)));
        }
        if let Some(wanted) = &c.match_next_hop_set {
            let set = d.next_hop_sets.iter().find(|s| s.name == wanted.set);
            holds.push(set.map_or(missing, |set| one_address(wanted, &set.addresses, now.next_hop)));
        }
        if let Some(wanted) = &c.match_as_path_set {
            let set = d.as_path_sets.iter().find(|s| s.name == wanted.set);
            let text = now.as_path.to_string();
            holds.push(set.map_or(missing, |set| {
                let mut found = set.members.iter().map(|member| regex(member).is_match(&text));
                match wanted.options {
                    MatchSetOptions::Any => found.any(|f| f),
                    MatchSetOptions::All => found.all(|f| f),
                    MatchSetOptions::Invert => !found.any(|f| f),
                    MatchSetOptions::Exact => panic!("refused"),
                }
            }));
        }
        if let Some(wanted) = &c.match_community_set {
            let set = d.community_sets.iter().find(|s| s.name == wanted.set).map(|s| &s.members);
            holds.push(set.map_or(missing, |set| {
                communities::<Community>(wanted.options, set, now.communities.standard())
            }));
        }
        if let Some(wanted) = &c.match_extended_community_set {
            let set = d.extended_community_sets.iter().find(|s| s.name == wanted.set).map(|s| &s.members);
            holds.push(set.map_or(missing, |set| {
                communities::<ExtendedCommunity>(wanted.options, set, now.communities.extended())
            }));
        }
        if let Some(wanted) = &c.match_large_community_set {
            let set = d.large_community_sets.iter().find(|s| s.name == wanted.set).map(|s| &s.members);
            holds.push(set.map_or(missing, |set| {
                communities::<LargeCommunity>(wanted.options, set, now.communities.large())
            }));
        }
        if holds.contains(&false) {
            return false;
        }
        let default = self.default;
        c.call_policy.as_ref().is_none_or(|name| self.policy(name).unwrap_or(default))
    }

    fn path_length(&self) -> u64 {
        let mut length = 0;
        for (kind, asns) in self.now.as_path.segments() {
            length += match (kind, self.route.settings.as_path_confederation) {
                (SegmentKind::Sequence, _) | (SegmentKind::ConfedSequence, true) => asns.len() as u64,
                (SegmentKind::Set, _) | (SegmentKind::ConfedSet, true) => 1,
                (SegmentKind::ConfedSequence | SegmentKind::ConfedSet, false) => 0,
            };
        }
        length
    }

    fn act(&mut self, a: &Actions) {
        let (d, route) = (self.declared, self.route);
        if let Some(origin) = a.set_origin {
            self.now.origin = origin;
        }
        if let Some(number) = a.set_local_preference {
            let old = self.now.local_preference.unwrap_or(route.settings.sum_local_preference_from);
            self.now.local_preference = Some(changed(number, old));
        }
        match a.set_med {
            Some(SetMed::Number(number)) => self.now.med = Some(changed(number, self.now.med.unwrap_or(0))),
            Some(SetMed::Igp) if route.igp_cost.is_some() => self.now.med = route.igp_cost,
            Some(SetMed::Igp) | None => {}
        }
        if let Some(weight) = a.set_weight {
            self.now.weight = Some(weight);
        }
        if let Some(next_hop) = a.set_next_hop {
            let (value, set) = match next_hop {
                SetNextHop::Own => (route.own_address, true),
                SetNextHop::Peer if route.neighbor.is_none() => (self.now.next_hop, false),
                SetNextHop::Peer => (route.neighbor, true),
                SetNextHop::Unchanged => (self.now.next_hop, true),
                SetNextHop::Address(address) => (Some(address), true),
            };
            self.now.next_hop = value;
            self.next_hop_set |= set;
        }
        self.edit_path(|_, asn| Some(asn).filter(|asn| !a.set_as_path_exclude.contains(asn)));
        if let Some(action) = a.set_private_as {
            let outside: Vec<Asn> = self
                .now
                .as_path
                .segments()
                .filter(|(kind, _)| is_outside(*kind))
                .flat_map(|(_, asns)| asns.to_vec())
                .collect();
            let all = outside.iter().all(|asn| is_private(*asn));
            self.edit_path(|kind, asn| match action {
                _ if !is_outside(kind) || !is_private(asn) => Some(asn),
                PrivateAsAction::Remove => None,
                PrivateAsAction::Replace => Some(route.own_asn),
                PrivateAsAction::RemoveIfAll => Some(asn).filter(|_| !all),
            });
        }
        if a.set_as_override && route.export {
            self.edit_path(|_, asn| Some(if Some(asn) == route.peer_asn { route.own_asn } else { asn }));
        }
        if let Some(prepend) = &a.set_as_path_prepend {
            let given: Vec<Asn> = prepend.path.asns().collect();
            self.prepend(&given);
            let number = match prepend.asn {
                None | Some(PrependAsn::Own) => Some(route.own_asn),
                Some(PrependAsn::Asn(asn)) => Some(asn),
                Some(PrependAsn::Last) => {
                    let mut segments = self.now.as_path.segments();
                    match segments.find(|(kind, _)| is_outside(*kind)) {
                        Some((SegmentKind::Sequence, asns)) => Some(asns[0]),
                        _ => None,
                    }
                }
            };
            for _ in 0..prepend.repeat {
                self.prepend(number.as_slice());
            }
        }
        for change in &a.set_communities {
            let set = d.community_sets.iter().find(|s| Some(&s.name) == change.set.as_ref());
            let list = edited(change, set.map(|s| &s.members), self.now.communities.standard());
            let (e, l) = (self.now.communities.extended().to_vec(), self.now.communities.large().to_vec());
            self.now.communities = Communities::new(list, e, l);
        }
        for change in &a.set_extended_communities {
            let set = d.extended_community_sets.iter().find(|s| Some(&s.name) == change.set.as_ref());
            let list = edited(change, set.map(|s| &s.members), self.now.communities.extended());
            let (s, l) = (self.now.communities.standard().to_vec(), self.now.communities.large().to_vec());
            self.now.communities = Communities::new(s, list, l);
        }
        for change in &a.set_large_communities {
            let set = d.large_community_sets.iter().find(|s| Some(&s.name) == change.set.as_ref());
            let list = edited(change, set.map(|s| &s.members), self.now.communities.large());
            let (s, e) = (self.now.communities.standard().to_vec(), self.now.communities.extended().to_vec());
            self.now.communities = Communities::new(s, e, list);
        }
    }

    fn segments(&self) -> Vec<Segment> {
        self.now.as_path.segments().map(|(kind, asns)| Segment { kind, asns: asns.to_vec() }).collect()
    }

    fn edit_path(&mut self, change: impl Fn(SegmentKind, Asn) -> Option<Asn>) {
        let mut segments = self.segments();
        for segment in &mut segments {
            segment.asns = segment.asns.iter().filter_map(|asn| change(segment.kind, *asn)).collect();
        }
        self.now.as_path = AsPath::from_segments(segments);
    }

    fn prepend(&mut self, asns: &[Asn]) {
        let mut segments = vec![Segment { kind: SegmentKind::Sequence, asns: asns.to_vec() }];
        segments.append(&mut self.segments());
        self.now.as_path = AsPath::from_segments(segments);
    }
}

fn compare(comparison: Comparison, number: u64) -> bool {
    match comparison {
        Comparison::Eq(n) => number == u64::from(n),
        Comparison::Ge(n) => number >= u64::from(n),
        Comparison::Le(n) => number <= u64::from(n),
    }
}

fn changed(number: SetNumber, old: u32) -> u32 {
    let old = i64::from(old);
    let new = match number {
        SetNumber::Value(n) => i64::from(n),
        SetNumber::Add(n) => old + i64::from(n),
        SetNumber::Subtract(n) => old - i64::from(n),
    };
    u32::try_from(new.clamp(0, i64::from(u32::MAX))).unwrap()
}

fn bits(address: IpAddr) -> (bool, u128) {
    match address {
        IpAddr::V4(a) => (true, u128::from(u32::from(a)) << 96),
        IpAddr::V6(a) => (false, u128::from(a)),
    }
}

/// Whether the first bits agree, as many as the prefix is long.
fn is_in(address: IpAddr, net: &IpNet) -> bool {
    let ((family, a), (other, b)) = (bits(address), bits(net.addr()));
    family == other && (net.prefix_len() == 0 || (a ^ b) >> (128 - u32::from(net.prefix_len())) == 0)
}

fn one_value(wanted: &MatchSet, mut members: impl Iterator<Item = bool>) -> bool {
    match wanted.options {
        MatchSetOptions::Any | MatchSetOptions::All => members.any(|m| m),
        MatchSetOptions::Invert => !members.any(|m| m),
        MatchSetOptions::Exact => panic!("refused"),
    }
}

fn one_address(wanted: &MatchSet, set: &[IpNet], address: Option<IpAddr>) -> bool {
    one_value(wanted, set.iter().map(|net| address.is_some_and(|a| is_in(a, net))))
}

fn regex(text: &str) -> Regex {
    Regex::new(&text.replace('_', r"(^|[ ,{}()\[\]]|$)")).unwrap()
}

/// Whether a member stands for this community.
fn stands_for<T: std::str::FromStr + PartialEq + ToString>(member: &str, community: &T) -> bool {
    match member.parse::<T>() {
        Ok(plain) => plain == *community,
        Err(_) => regex(member).is_match(&community.to_string()),
    }
}

fn communities<T: std::str::FromStr + PartialEq + ToString>(
    options: MatchSetOptions,
    set: &[String],
    communities: &[T],
) -> bool {
    let matched = |member: &String| communities.iter().any(|c| stands_for(member, c));
    match options {
        MatchSetOptions::Any => set.iter().any(matched),
        MatchSetOptions::All => set.iter().all(matched),
        MatchSetOptions::Invert => !set.iter().any(matched),
        MatchSetOptions::Exact => {
            set.iter().all(matched) && communities.iter().all(|c| set.iter().any(|m| stands_for(m, c)))
        }
    }
}

fn edited<T>(change: &SetCommunity, set: Option<&Vec<String>>, old: &[T]) -> Vec<T>
where
    T: std::str::FromStr<Err: std::fmt::Debug> + PartialEq + ToString + Copy,
{
    let members: Vec<&String> = change.communities.iter().chain(set.into_iter().flatten()).collect();
    let read = || members.iter().map(|text| text.parse::<T>().unwrap());
    match change.option {
        CommunityOption::Add => old.iter().copied().chain(read()).collect(),
        CommunityOption::Remove => {
            old.iter().copied().filter(|c| !members.iter().any(|m| stands_for(m, c))).collect()
        }
        CommunityOption::Replace => read().collect(),
    }
}

fn is_private(asn: Asn) -> bool {
    (64512..=65534).contains(&asn.0) || (4_200_000_000..=4_294_967_294).contains(&asn.0)
}

fn is_outside(kind: SegmentKind) -> bool {
    matches!(kind, SegmentKind::Sequence | SegmentKind::Set)
}
