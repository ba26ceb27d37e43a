//! What Azure's speakers do to routes, as RFC 9067 policies. A statement's name begins with the rule it stands for.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::{Branch, Mark};
use crate::model::bgp::{
    Actions, AsPathSet, CommunityOption, CommunitySet, Conditions, LargeCommunitySet, MatchSet,
    MatchSetOptions, PolicyDefinition, PolicyResult, PrefixRange, PrefixSet, Prepend, PrependAsn,
    PrivateAsAction, RouteType, RoutingPolicy, SetCommunity, Statement,
};
use crate::model::{Asn, HubRoutingPreference};

/// Names of the policies that do not depend on a resource.
pub(super) const FROM_CUSTOMER: &str = "azure/msee/from-customer";
pub(super) const FROM_MICROSOFT_CUSTOMER: &str = "azure/msee/microsoft/from-customer";
pub(super) const FROM_PUBLIC_CUSTOMER: &str = "azure/msee/public/from-customer";
pub(super) const NOT_VALIDATED: &str = "azure/msee/not-validated";
pub(super) const TO_CUSTOMER: &str = "azure/msee/to-customer";
pub(super) const TO_GATEWAY: &str = "azure/msee/to-gateway";
pub(super) const FROM_GATEWAY: &str = "azure/msee/from-gateway";
pub(super) const FROM_APPLIANCE: &str = "azure/route-server/from-appliance";
pub(super) const TO_APPLIANCE: &str = "azure/route-server/to-appliance";
pub(super) const TO_BRANCH: &str = "azure/route-server/to-branch";
pub(super) const EXPRESS_ROUTE_TO_SERVER: &str = "azure/expressroute-gateway/to-route-server";

pub(super) const FROM_BESIDE: &str = "azure/gateway/from-gateway-beside";
pub(super) const TO_BESIDE: &str = "azure/gateway/to-gateway-beside";

/// Sets.
const OF_GATEWAYS: &str = "azure/of-gateways";
const OF_CLOSED: &str = "azure/of-gateways-that-let-nobody-in";
const OF_HUBS: &str = "azure/of-hubs";
const OF_CLOSED_HUBS: &str = "azure/of-hubs-that-let-nobody-in";
const REACHED_GATEWAYS: &str = "azure/of-gateways-over-global-reach";
const MARKS: &str = "azure/marks";
const BRANCHES: &str = "azure/of-branches";
const ER_BRANCH: &str = "azure/of-expressroute";
const DEFAULTS: &str = "azure/default-routes";
const NOT_PUBLIC: &str = "azure/default-and-private";
const DOCUMENTATION_ASNS: &str = "azure/reserved-asns";
const NO_ADVERTISE: &str = "azure/no-advertise";

/// Of equal prefix, what a Route Server's routing preference puts first has the higher weight (ARS-6).
pub(super) const USUAL_WEIGHT: u32 = 200;
const PREFERRED: u32 = 300;
const DEFERRED: u32 = 100;
/// Of the weights that connections have (ER-8), above all and below all.
const ABOVE_CONNECTIONS: u32 = 40_000;

/// The policies and sets of [`super`] that no resource has for its own.
pub(super) fn common(policy: &mut RoutingPolicy) {
    let regex = |name: &str, members: &[&str]| LargeCommunitySet {
        name: name.to_owned(),
        members: members.iter().map(ToString::to_string).collect(),
    };
    policy.large_community_sets.extend([
        regex(OF_GATEWAYS, &["^12076:1:"]),
        regex(OF_CLOSED, &["^12076:2:0$"]),
        regex(OF_HUBS, &["^12076:10:"]),
        regex(OF_CLOSED_HUBS, &["^12076:10:", "^12076:2:0$"]),
        regex(REACHED_GATEWAYS, &["^12076:1:", "^12076:3:"]),
        regex(MARKS, &["^12076:[0-9]+:"]),
        regex(BRANCHES, &["^12076:4:"]),
        regex(ER_BRANCH, &[&Mark::Branch(Branch::ExpressRoute).to_string()]),
    ]);
    policy.as_path_sets.push(AsPathSet {
        name: DOCUMENTATION_ASNS.to_owned(),
        members: vec!["_(6449[6-9]|6450[0-9]|6451[01])_".to_owned()],
    });
    policy
        .community_sets
        .push(CommunitySet { name: NO_ADVERTISE.to_owned(), members: vec!["65535:65282".to_owned()] });
    let parse = |texts: &[&str]| texts.iter().filter_map(|t| t.parse().ok()).collect::<Vec<IpNet>>();
    let defaults = parse(&["0.0.0.0/0", "::/0"]);
    let private = parse(&["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]);
    let exact = || defaults.iter().copied().map(PrefixRange::exact);
    policy.prefix_sets.extend([
        PrefixSet { name: DEFAULTS.to_owned(), prefixes: exact().collect() },
        PrefixSet {
            name: NOT_PUBLIC.to_owned(),
            prefixes: exact().chain(private.into_iter().map(PrefixRange::or_longer)).collect(),
        },
    ]);
    let ignored = || statement("BGP-4: the customer's communities are ignored", any(), without_communities());
    let refused =
        |rule: &str| statement(&format!("{rule}: no default, no private"), prefixes(NOT_PUBLIC), reject());
    let reserved = || {
        let conditions =
            Conditions { match_as_path_set: Some(of(DOCUMENTATION_ASNS)), ..Conditions::default() };
        statement("BGP-3: numbers that no customer has", conditions, reject())
    };
    let public_only = Actions { set_private_as: Some(PrivateAsAction::Remove), ..Actions::default() };
    let branch = |branch| with_mark(&[Mark::Branch(branch)]);
    policy.policy_definitions.extend([
        definition(FROM_CUSTOMER, [ignored(), statement("ER-7: any prefix", any(), accept())]),
        definition(
            FROM_MICROSOFT_CUSTOMER,
            [
                refused("MSP-4"),
                reserved(),
                ignored(),
                statement("MSP-6: private numbers count for nothing", any(), public_only.clone()),
                statement("MSP-2: both ways", any(), accept()),
            ],
        ),
        // Private numbers stay: stripping is told of Microsoft peering only (PUB-7).
        definition(
            FROM_PUBLIC_CUSTOMER,
            [refused("PUB-5"), ignored(), statement("PUB-3: for replies", any(), accept())],
        ),
        definition(NOT_VALIDATED, [statement("MSP-3: not validated", any(), reject())]),
        definition(
            TO_CUSTOMER,
            [
                statement(
                    "ER-15: over Global Reach only what sites announce",
                    large(REACHED_GATEWAYS, MatchSetOptions::All),
                    reject(),
                ),
                statement("BGP-11: private numbers of Azure stay in it", large_any(OF_GATEWAYS), public_only),
                statement("BGP-11: marks stay in Azure", any(), without_marks()),
                statement("ER-6: networks, not subnets", any(), accept()),
            ],
        ),
        definition(
            TO_GATEWAY,
            [
                statement(
                    "ER-12: networks of one circuit hear of each other",
                    large_any(OF_GATEWAYS),
                    Actions { set_as_override: true, ..accept() },
                ),
                statement("GWR-1: what customers announce", any(), accept()),
            ],
        ),
        // Else an edge that believes the gateway, and so keeps back what would correct it, is a stable state as well.
        definition(
            FROM_GATEWAY,
            [statement(
                "ARS-7: what a customer announces stands before what branches send back",
                large_any(BRANCHES),
                Actions { set_weight: Some(DEFERRED), ..accept() },
            )],
        ),
        definition(
            FROM_BESIDE,
            [statement(
                "COEX-4: known, and not passed on",
                any(),
                Actions {
                    set_weight: Some(0),
                    set_communities: vec![change(CommunityOption::Add, &["no-advertise"])],
                    ..accept()
                },
            )],
        ),
        definition(
            TO_BESIDE,
            [
                statement("ER-6: the gateway knows its networks itself", local(), reject()),
                statement("COEX-4: what it learned", any(), accept()),
            ],
        ),
        definition(
            FROM_APPLIANCE,
            [
                statement(
                    "ARS-8: NO_ADVERTISE is honoured",
                    Conditions { match_community_set: Some(of(NO_ADVERTISE)), ..Conditions::default() },
                    Actions {
                        set_communities: vec![change(CommunityOption::Replace, &["no-advertise"])],
                        policy_result: Some(PolicyResult::AcceptRoute),
                        ..branch(Branch::Appliance)
                    },
                ),
                ignored(),
                statement(
                    "ARS-2: what appliances announce",
                    any(),
                    Actions { policy_result: Some(PolicyResult::AcceptRoute), ..branch(Branch::Appliance) },
                ),
            ],
        ),
        definition(
            TO_APPLIANCE,
            [
                statement("ARS-5: marks stay in Azure", any(), without_marks()),
                statement("ARS-5: networks, and branches where they are exchanged", any(), accept()),
            ],
        ),
        definition(
            TO_BRANCH,
            [
                statement("ARS-5: branches to branches", large_any(BRANCHES), accept()),
                statement("ER-6: the gateway knows its networks itself", any(), reject()),
            ],
        ),
        definition(
            EXPRESS_ROUTE_TO_SERVER,
            [
                statement("ER-6: the server knows its networks itself", local(), reject()),
                statement(
                    "ARS-5: branches to branches",
                    any(),
                    Actions {
                        policy_result: Some(PolicyResult::AcceptRoute),
                        ..branch(Branch::ExpressRoute)
                    },
                ),
            ],
        ),
    ]);
}

/// What a gateway tells the MSEEs: its networks, and what its Route Server got from other branches.
pub(super) fn to_msee(policy: &mut RoutingPolicy, gateway: u32, (lets_in, wans): (bool, bool)) -> String {
    let name = format!("azure/gateways/{gateway}/to-msee");
    let marked = Actions {
        policy_result: Some(PolicyResult::AcceptRoute),
        ..with_mark(&[Mark::Gateway(gateway), Mark::LetsIn(lets_in), Mark::LetsWansIn(wans)])
    };
    policy.policy_definitions.push(definition(
        &name,
        [
            statement("ER-6: the networks' spaces", local(), marked.clone()),
            statement("ARS-5: branches to branches", large_any(BRANCHES), marked),
            statement("ER-14: no transit between circuits", any(), reject()),
        ],
    ));
    name
}

/// What a gateway takes from MSEEs: other networks only where both sides let each other in (ER-12).
pub(super) fn from_msee(policy: &mut RoutingPolicy, gateway: u32, (lets_in, wans): (bool, bool)) -> String {
    let name = format!("azure/gateways/{gateway}/from-msee");
    let own = format!("azure/gateways/{gateway}");
    policy
        .large_community_sets
        .push(LargeCommunitySet { name: own.clone(), members: vec![Mark::Gateway(gateway).to_string()] });
    let closed = if lets_in { large_any(OF_CLOSED) } else { large_any(OF_GATEWAYS) };
    let closed_wans = if wans { large(OF_CLOSED_HUBS, MatchSetOptions::All) } else { large_any(OF_HUBS) };
    policy.policy_definitions.push(definition(
        &name,
        [
            statement("BGP-5: its own networks come back", large_any(&own), reject()),
            statement("ER-12: virtual WANs, where both let them in", closed_wans, reject()),
            statement("ER-12: virtual WANs that may", large_any(OF_HUBS), accept()),
            statement("ER-12: other networks, where both let them in", closed, reject()),
            statement("GWR-1: one row a prefix", any(), accept()),
        ],
    ));
    name
}

/// What arrives over Global Reach from a circuit (ER-16).
pub(super) fn reached(policy: &mut RoutingPolicy, circuit: u32) -> String {
    let name = format!("azure/circuits/{circuit}/reached");
    if policy.policy_definitions.iter().any(|p| p.name == name) {
        return name;
    }
    let longer = Prepend { asn: Some(PrependAsn::Asn(Asn::MICROSOFT_EDGE)), repeat: 2, ..Prepend::default() };
    policy.policy_definitions.push(definition(
        &name,
        [statement(
            "ER-16: two more of Microsoft's numbers",
            any(),
            Actions {
                set_as_path_prepend: Some(longer),
                policy_result: Some(PolicyResult::AcceptRoute),
                ..with_mark(&[Mark::Reached(circuit)])
            },
        )],
    ));
    name
}

/// What a VPN gateway takes from a site or another gateway: nothing equal to, or inside, the networks it serves (VPN-5).
pub(super) fn from_site(policy: &mut RoutingPolicy, gateway: u32, space: &[IpNet]) -> String {
    let name = format!("azure/gateways/{gateway}/from-site");
    let inside = format!("azure/gateways/{gateway}/inside");
    policy.prefix_sets.push(PrefixSet {
        name: inside.clone(),
        prefixes: space.iter().copied().map(PrefixRange::or_longer).collect(),
    });
    policy.policy_definitions.push(definition(
        &name,
        [
            statement("VPN-5: equal to or inside the networks", prefixes(&inside), reject()),
            statement("BGP-4: the customer's communities are ignored", any(), without_communities()),
            statement("VPN-6: what sites announce", any(), accept()),
        ],
    ));
    name
}

/// What a VPN gateway tells a site: its networks and other branches, but no default and nothing that overlaps them.
pub(super) fn to_site(policy: &mut RoutingPolicy, gateway: u32, space: &[IpNet]) -> String {
    let name = format!("azure/gateways/{gateway}/to-site");
    let overlapping = format!("azure/gateways/{gateway}/overlapping");
    let mut around: BTreeSet<IpNet> = BTreeSet::new();
    for prefix in space {
        around.extend(std::iter::successors(prefix.supernet(), IpNet::supernet));
    }
    let inside = space.iter().copied().map(PrefixRange::or_longer);
    policy.prefix_sets.push(PrefixSet {
        name: overlapping.clone(),
        prefixes: inside.chain(around.into_iter().map(PrefixRange::exact)).collect(),
    });
    policy.policy_definitions.push(definition(
        &name,
        [
            statement("FT-11: no default route", prefixes(DEFAULTS), reject()),
            statement("VPN-3: networks and static prefixes", local(), accept()),
            statement("VPN-3: nothing that overlaps them", prefixes(&overlapping), reject()),
            statement("VPN-3: marks stay in Azure", any(), without_marks()),
            statement("VPN-6: branches to branches", any(), accept()),
        ],
    ));
    name
}

/// What a VPN gateway tells its Route Server (ARS-5).
pub(super) fn vpn_to_server(policy: &mut RoutingPolicy, gateway: u32, space: &[IpNet]) -> String {
    let name = format!("azure/gateways/{gateway}/to-route-server");
    let own = format!("azure/gateways/{gateway}/space");
    policy.prefix_sets.push(PrefixSet {
        name: own.clone(),
        prefixes: space.iter().copied().map(PrefixRange::exact).collect(),
    });
    policy.policy_definitions.push(definition(
        &name,
        [
            statement("FT-11: no default route", prefixes(DEFAULTS), reject()),
            statement("ER-6: the server knows its networks itself", prefixes(&own), reject()),
            statement(
                "ARS-5: branches to branches",
                any(),
                Actions {
                    policy_result: Some(PolicyResult::AcceptRoute),
                    ..with_mark(&[Mark::Branch(Branch::Vpn)])
                },
            ),
        ],
    ));
    name
}

/// How what comes from a Route Server, or arrives there from gateways, stands against other routes (ARS-6).
pub(super) fn by_preference(policy: &mut RoutingPolicy, preference: HubRoutingPreference) -> String {
    let (text, weight) = match preference {
        HubRoutingPreference::ExpressRoute => ("expressroute", PREFERRED),
        HubRoutingPreference::VpnGateway => ("vpn", DEFERRED),
        HubRoutingPreference::AsPath => ("as-path", USUAL_WEIGHT),
    };
    let name = format!("azure/route-server/prefers-{text}");
    if policy.policy_definitions.iter().all(|p| p.name != name) {
        let weighted = |weight| Actions { set_weight: Some(weight), ..accept() };
        policy.policy_definitions.push(definition(
            &name,
            [
                statement("ARS-6: ExpressRoute, as preferred", large_any(ER_BRANCH), weighted(weight)),
                statement("ARS-6: VPN and appliances", any(), weighted(USUAL_WEIGHT)),
            ],
        ));
    }
    name
}

/// The weight of an ExpressRoute gateway's own connections, and of what its Route Server tells it (ER-8, ARS-6).
pub(super) fn express_route_weights(preference: HubRoutingPreference, connection: u16) -> (u32, u32) {
    match preference {
        HubRoutingPreference::ExpressRoute => (u32::from(connection) + 1, 0),
        HubRoutingPreference::VpnGateway => (u32::from(connection) + 1, ABOVE_CONNECTIONS),
        HubRoutingPreference::AsPath => (USUAL_WEIGHT, USUAL_WEIGHT),
    }
}

pub(super) fn definition(name: &str, statements: impl IntoIterator<Item = Statement>) -> PolicyDefinition {
    PolicyDefinition { name: name.to_owned(), statements: statements.into_iter().collect() }
}

pub(super) fn statement(name: &str, conditions: Conditions, actions: Actions) -> Statement {
    Statement { name: name.to_owned(), conditions, actions }
}

pub(super) fn any() -> Conditions {
    Conditions::default()
}

fn local() -> Conditions {
    Conditions { route_type: Some(RouteType::Local), ..Conditions::default() }
}

fn of(set: &str) -> MatchSet {
    MatchSet { set: set.to_owned(), options: MatchSetOptions::Any }
}

pub(super) fn prefixes(set: &str) -> Conditions {
    Conditions { match_prefix_set: Some(of(set)), ..Conditions::default() }
}

pub(super) fn large(set: &str, options: MatchSetOptions) -> Conditions {
    let matched = MatchSet { set: set.to_owned(), options };
    Conditions { match_large_community_set: Some(matched), ..Conditions::default() }
}

pub(super) fn large_any(set: &str) -> Conditions {
    large(set, MatchSetOptions::Any)
}

pub(super) fn accept() -> Actions {
    Actions { policy_result: Some(PolicyResult::AcceptRoute), ..Actions::default() }
}

pub(super) fn reject() -> Actions {
    Actions { policy_result: Some(PolicyResult::RejectRoute), ..Actions::default() }
}

pub(super) fn change(option: CommunityOption, communities: &[&str]) -> SetCommunity {
    SetCommunity { option, communities: communities.iter().map(ToString::to_string).collect(), set: None }
}

pub(super) fn without_communities() -> Actions {
    let nothing = || vec![change(CommunityOption::Replace, &[])];
    Actions {
        set_communities: nothing(),
        set_extended_communities: nothing(),
        set_large_communities: nothing(),
        ..Actions::default()
    }
}

pub(super) fn without_marks() -> Actions {
    let marks = SetCommunity {
        option: CommunityOption::Remove,
        communities: Vec::new(),
        set: Some(MARKS.to_owned()),
    };
    Actions { set_large_communities: vec![marks], ..Actions::default() }
}

fn with_mark(marks: &[Mark]) -> Actions {
    let texts: Vec<String> = marks.iter().map(ToString::to_string).collect();
    with_texts(&texts)
}

pub(super) fn with_texts(marks: &[String]) -> Actions {
    let added = SetCommunity { option: CommunityOption::Add, communities: marks.to_vec(), set: None };
    Actions { set_large_communities: vec![added], ..Actions::default() }
}
