//! Sites and appliances that speak BGP, in place of lists of what they advertise.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::sketch::far_prefixes;
use crate::model::bgp::{
    Actions, AsPath, BgpSession, BgpSpeaker, Conditions, DefaultPolicy, MatchSet, MaximumPaths, Origination,
    PathAttributes, PolicyDefinition, PolicyResult, PrefixRange, PrefixSet, Statement,
};
use crate::model::{
    Advertisement, Asn, Connection, Document, ExpressRouteCircuit, LinkRole, OnPremisesSite, PeeringType,
    ResourceId, VirtualNetworkGateway, VpnType,
};

/// One of Azure's ends that a site has a session with: its id in a session.
fn ends_of_circuit(
    circuit: &ExpressRouteCircuit,
) -> impl Iterator<Item = (PeeringType, LinkRole, ResourceId)> {
    circuit.peerings.iter().filter(|p| p.enabled).flat_map(|peering| {
        let kind = peering.peering_type;
        LinkRole::BOTH.map(|link| {
            let id = circuit.id.child("peerings", kind.as_str()).child("links", link.as_str());
            (kind, link, id)
        })
    })
}

/// The ids of all ends that an advertisement is over: a circuit's links, or the connections of a name.
fn ends(document: &Document, told: &Advertisement) -> BTreeSet<ResourceId> {
    let circuit = document.express_route_circuits.iter().find(|c| c.id == told.over);
    let of_circuit = circuit
        .into_iter()
        .flat_map(ends_of_circuit)
        .filter(|(peering, link, _)| *peering == told.peering && told.link.is_none_or(|only| only == *link));
    let connections = document.connections.iter().filter(|c| c.id == told.over || c.peer == told.over);
    let of_vpn = connections.filter(|_| circuit.is_none()).map(|c| c.id.clone());
    of_circuit.map(|(.., id)| id).chain(of_vpn).collect()
}

/// Every end that a site faces: of a circuit all, so that it hears what Microsoft says there.
fn faced(document: &Document, told: &Advertisement) -> BTreeSet<ResourceId> {
    let circuit = document.express_route_circuits.iter().find(|c| c.id == told.over);
    match circuit {
        Some(circuit) => ends_of_circuit(circuit).map(|(.., id)| id).collect(),
        None => ends(document, told),
    }
}

fn runs_bgp(gateway: &VirtualNetworkGateway) -> bool {
    gateway.vpn_type == VpnType::RouteBased && gateway.sku.as_deref() != Some("Basic")
}

/// A speaker with its sessions and what their policies name.
type Spoken = (BgpSpeaker, Vec<BgpSession>, Vec<(PrefixSet, PolicyDefinition)>);

/// What a session may say: these prefixes and nothing else.
fn only(name: &str, prefixes: impl Iterator<Item = IpNet>) -> (PrefixSet, PolicyDefinition) {
    let set = PrefixSet { name: name.to_owned(), prefixes: prefixes.map(PrefixRange::exact).collect() };
    let known = MatchSet { set: name.to_owned(), ..MatchSet::default() };
    let accept = Statement {
        conditions: Conditions { match_prefix_set: Some(known), ..Conditions::default() },
        actions: Actions { policy_result: Some(PolicyResult::AcceptRoute), ..Actions::default() },
        ..Statement::default()
    };
    (set, PolicyDefinition { name: name.to_owned(), statements: vec![accept] })
}

/// The speaker that announces what a site is declared to advertise; none where one speaker cannot say it: paths that
/// begin with several numbers, one prefix by several paths over different ends, several routers, a tunnel without BGP.
fn speaker_of(document: &Document, site: &OnPremisesSite) -> Option<Spoken> {
    let first = site.advertisements.first()?.as_path.first().copied()?;
    // Of several routers each has sessions of its own, which a list does not tell.
    if site.routers.len() > 1 {
        return None;
    }
    if first.is_reserved_by_azure() || site.advertisements.iter().any(|a| a.as_path.first() != Some(&first)) {
        return None;
    }
    let all: BTreeSet<ResourceId> =
        site.advertisements.iter().flat_map(|told| faced(document, told)).collect();
    // Without BGP (VPN-1) there is nobody to speak to, and a list says what is configured.
    let silent = |connection: &Connection| {
        let gateway = document.virtual_network_gateways.iter();
        let gateway = gateway.filter(|g| g.id == connection.virtual_network_gateway);
        !connection.enable_bgp || gateway.into_iter().any(|g| !runs_bgp(g))
    };
    if document.connections.iter().any(|c| all.contains(&c.id) && silent(c)) {
        return None;
    }
    let taken = |other: &OnPremisesSite| {
        other.id != site.id
            && other.advertisements.iter().any(|a| faced(document, a).iter().any(|end| all.contains(end)))
    };
    let has_session =
        |end: &ResourceId| document.bgp_sessions.iter().any(|s| s.a.speaker == *end || s.b.speaker == *end);
    if all.iter().any(has_session) || document.on_premises_sites.iter().any(taken) {
        return None;
    }
    // Over one end the shortest path of a prefix counts.
    let mut over: BTreeMap<ResourceId, BTreeMap<IpNet, &[Asn]>> = BTreeMap::new();
    for told in &site.advertisements {
        for end in ends(document, told) {
            let at = over.entry(end).or_default();
            for prefix in &told.prefixes {
                let known = at.entry(prefix.trunc()).or_insert(&told.as_path);
                if told.as_path.len() < known.len() {
                    *known = &told.as_path;
                }
            }
        }
    }
    let mut paths: BTreeMap<IpNet, &[Asn]> = BTreeMap::new();
    for (prefix, path) in over.values().flatten() {
        if *paths.entry(*prefix).or_insert(path) != *path {
            return None;
        }
    }
    let mut by_path: BTreeMap<&[Asn], Vec<IpNet>> = BTreeMap::new();
    for (prefix, path) in paths {
        // The speaker's own number comes in front of it.
        by_path.entry(path.get(1..).unwrap_or_default()).or_default().push(prefix);
    }
    let originate = |(path, prefixes): (&[Asn], Vec<IpNet>)| Origination {
        prefixes,
        attributes: PathAttributes {
            as_path: AsPath::sequence(path.iter().copied()),
            // Against whatever it hears, as a list stands: weight says nothing to the speaker's profile.
            local_preference: Some(u32::from(u16::MAX)),
            ..PathAttributes::default()
        },
        policies: Vec::new(),
    };
    let speaker = BgpSpeaker {
        id: site.id.clone(),
        asn: first,
        originate: by_path.into_iter().map(originate).collect(),
        // A list takes every way home that there is.
        maximum_paths: MaximumPaths { ebgp: Some(32), ibgp: Some(32) },
        ..BgpSpeaker::default()
    };
    let mut sessions = Vec::new();
    let mut policies = Vec::new();
    for end in &all {
        let name = format!("{}-to-{}", site.id, end.as_str().replace('/', "-"));
        let mut session = BgpSession::new(name.clone(), &site.id, end);
        session.a.default_import_policy = Some(DefaultPolicy::AcceptRoute);
        session.a.default_export_policy = Some(DefaultPolicy::RejectRoute);
        if let Some(told) = over.get(end) {
            policies.push(only(&name, told.keys().copied()));
            session.a.export_policies = vec![name];
        }
        sessions.push(session);
    }
    Some((speaker, sessions, policies))
}

/// The same design, with a speaker of its number in place of the list of each chosen site. Sites whose lists no single
/// speaker could announce keep them.
pub fn spoken(document: &Document, chosen: impl Fn(&OnPremisesSite) -> bool) -> Document {
    let mut result = document.clone();
    for (at, site) in document.on_premises_sites.iter().enumerate().filter(|(_, site)| chosen(site)) {
        let Some((speaker, sessions, policies)) = speaker_of(document, site) else { continue };
        let (sets, definitions): (Vec<_>, Vec<_>) = policies.into_iter().unzip();
        result.routing_policy.prefix_sets.extend(sets);
        result.routing_policy.policy_definitions.extend(definitions);
        result.bgp_speakers.push(speaker);
        result.bgp_sessions.extend(sessions);
        if let Some(silent) = result.on_premises_sites.get_mut(at) {
            silent.advertisements.clear();
        }
    }
    result
}

/// What the appliances beside Route Servers announce: prefixes with the length of their paths.
type Told = Vec<(IpNet, u8)>;

/// Lets the appliance of each hub that has a Route Server peer with it.
fn appliances(document: &mut Document, told: &Told) {
    for server in document.route_servers.clone() {
        let beside = |nic: &ResourceId| {
            let found = document.network_interfaces.iter().find(|n| n.id == *nic)?;
            let address = found.ip_configurations.first()?;
            let here = address.subnet.parent().is_some_and(|vnet| vnet == server.virtual_network);
            address.private_ip_address.filter(|ip| here && ip.is_ipv4())
        };
        let appliance = document
            .network_virtual_appliances
            .iter()
            .find_map(|a| Some((a.id.clone(), a.network_interfaces.iter().find_map(beside)?)));
        let Some((id, address)) = appliance else { continue };
        let originate = told.iter().filter(|(prefix, _)| prefix.addr().is_ipv4());
        let originate = originate.map(|(prefix, length)| Origination {
            prefixes: vec![*prefix],
            attributes: PathAttributes {
                as_path: AsPath::sequence(vec![Asn(65_051); usize::from(*length)]),
                ..PathAttributes::default()
            },
            policies: Vec::new(),
        });
        document.bgp_speakers.push(BgpSpeaker {
            id: id.clone(),
            asn: Asn(65_050),
            originate: originate.collect(),
            ..BgpSpeaker::default()
        });
        let mut session = BgpSession::new(format!("{id}-to-rs"), id.clone(), server.id.clone());
        session.a.addresses = vec![address];
        document.bgp_sessions.push(session);
    }
}

/// Lets some sites of a design, and the appliances beside its Route Servers, speak BGP. Shrinks to no speaker.
pub fn speaking(base: impl Strategy<Value = Document>) -> impl Strategy<Value = Document> {
    let mut prefixes = far_prefixes();
    prefixes.sort_unstable();
    prefixes.dedup();
    let told = proptest::sample::subsequence(prefixes, 0..4)
        .prop_flat_map(|prefixes| prefixes.into_iter().map(|p| (Just(p), 0_u8..3)).collect::<Vec<_>>());
    (base, vec(select(vec![false, true, true]), 8), proptest::option::of(told)).prop_map(
        |(document, chosen, told)| {
            let position: BTreeMap<&ResourceId, usize> =
                document.on_premises_sites.iter().enumerate().map(|(n, site)| (&site.id, n)).collect();
            let speaks = |site: &OnPremisesSite| {
                position.get(&site.id).and_then(|n| chosen.get(n % 8)).copied().unwrap_or_default()
            };
            let mut result = spoken(&document, speaks);
            if let Some(told) = told {
                appliances(&mut result, &told);
            }
            result
        },
    )
}
