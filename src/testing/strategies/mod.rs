//! Proptest strategies for designs: small, legal by construction, and shrinking to the few resources that matter.
//!
//! Each shape (such as [`hub_and_spoke`]) is a set of small choices put through a plain function that hands out address
//! space by slot; [`dressed`] then adds what can be added to any design: route tables, service endpoints, private
//! endpoints, outages, knobs and an era. Few values are rejected, because what [`Topology::new`] refuses is not built.
//!
//! [`Topology::new`]: crate::model::Topology::new

mod bgp;
mod disturbances;
mod dressing;
mod policy;
mod probe;
mod sketch;
mod speakers;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::model::{
    Advertisement, BgpShadow, Connection, ConnectionType, CrossTenantLinks, Date, Document, ForwardedTraffic,
    HubVirtualNetworkConnection, Knobs, LearnedRoute, Limits, NoneProfile, OnPremisesLink, OnPremisesNextHop,
    OnPremisesRoute, OnPremisesSite, Router, SePrecedence, SiteRole, Tenant, VirtualHub,
};

pub use bgp::{
    bgp_attributes, bgp_changes, bgp_disagreeing, bgp_graph, bgp_independent, bgp_origination, bgp_prefixes,
    bgp_settled, bgp_wild,
};
pub use disturbances::{failures, flows};
pub use dressing::{changes, dressed, with_private_endpoints, with_route_tables};
pub use policy::{as_path, communities, path_attributes, policy_address, policy_prefix, routing_policy};
pub use probe::probe_addresses;
pub use speakers::{speaking, spoken};

use sketch::{
    Claims, Flags, Kit, Space, add_network, claims, coexisting_kit, equip, flags, kit, path, peer, space, v4,
};

/// Any IPv4 prefix without host bits; shrinks to 0.0.0.0/0.
pub fn ipv4_prefix() -> impl Strategy<Value = Ipv4Net> {
    (any::<u32>(), 0_u8..=32)
        .prop_map(|(bits, len)| Ipv4Net::new(Ipv4Addr::from(bits), len).unwrap_or_default().trunc())
}

/// Any IPv6 prefix without host bits; shrinks to ::/0.
pub fn ipv6_prefix() -> impl Strategy<Value = Ipv6Net> {
    (any::<u128>(), 0_u8..=128)
        .prop_map(|(bits, len)| Ipv6Net::new(Ipv6Addr::from(bits), len).unwrap_or_default().trunc())
}

/// Any prefix of either family.
pub fn prefix() -> impl Strategy<Value = IpNet> {
    prop_oneof![ipv4_prefix().prop_map(IpNet::V4), ipv6_prefix().prop_map(IpNet::V6)]
}

/// Any address of either family.
pub fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from(bits))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from(bits))),
    ]
}

/// The address space of one network: one or two IPv4 prefixes and perhaps an IPv6 one, none overlapping another. Spaces
/// of different slots do not overlap either.
pub fn address_space(slot: u8) -> impl Strategy<Value = Vec<IpNet>> {
    space().prop_map(move |s| s.prefixes(slot % 16))
}

/// Every knob, the defaults first.
pub fn knobs() -> impl Strategy<Value = Knobs> {
    let profile = proptest::option::weighted(0.2, select(NoneProfile::ALL.to_vec()));
    (
        profile,
        select(vec![SePrecedence::Documented, SePrecedence::LabObserved]),
        select(vec![BgpShadow::ByAddressSpace, BgpShadow::ByActiveRow]),
        select(vec![Limits::Enforce, Limits::LintOnly]),
        select(vec![ForwardedTraffic::Receiver, ForwardedTraffic::BothEnds]),
        select(vec![None, Some(CrossTenantLinks::ByAuthorisation), Some(CrossTenantLinks::Deny2016)]),
        any::<bool>(),
    )
        .prop_map(
            |(
                none_profile,
                se_precedence,
                bgp_shadow,
                limits,
                forwarded_traffic,
                cross_tenant_links,
                strict_hosts,
            )| {
                Knobs {
                    none_profile,
                    se_precedence,
                    bgp_shadow,
                    limits,
                    forwarded_traffic,
                    cross_tenant_links,
                    strict_hosts,
                }
            },
        )
}

/// A day on each side of every era switch (section 30), today first.
pub fn era() -> impl Strategy<Value = Option<Date>> {
    let mut days = vec![None];
    for (year, month) in
        [(2016, 3), (2016, 9), (2018, 6), (2020, 2), (2021, 11), (2022, 5), (2023, 2), (2023, 9), (2026, 6)]
    {
        days.push(Date::new(year, month, 1));
    }
    select(days)
}

/// One hub with any mix of gateways, Route Server and appliance, and up to four spokes.
pub fn hub_and_spoke() -> impl Strategy<Value = Document> {
    dressed(star(kit()))
}

/// A hub with an ExpressRoute and a VPN gateway (section 16), perhaps a Route Server between them.
pub fn coexistence() -> impl Strategy<Value = Document> {
    dressed(star(coexisting_kit()))
}

fn star(kit: impl Strategy<Value = Kit>) -> impl Strategy<Value = Document> {
    (space(), kit, vec((space(), flags()), 0..4)).prop_map(|(hub, kit, spokes)| {
        let mut document = Document::new();
        build_star(&mut document, "", 0, hub, &kit, &spokes, None);
        document
    })
}

/// A hub named `{name}hub` on a slot, and its spokes on the slots after it.
fn build_star(
    document: &mut Document,
    name: &str,
    slot: u8,
    hub: Space,
    kit: &Kit,
    spokes: &[(Space, Flags)],
    tenant: Option<&str>,
) {
    let hub = add_network(document, &format!("{name}hub"), slot, hub, tenant);
    equip(document, &hub, slot, kit, tenant);
    for (n, (space, flags)) in (1_u8..).zip(spokes) {
        let spoke = add_network(document, &format!("{name}spoke{n}"), slot + n, *space, tenant);
        peer(document, &hub, &spoke, *flags);
    }
}

/// Two hubs in two regions, each with spokes: perhaps peered globally, on one circuit (ER-12), or joined by
/// VNet-to-VNet tunnels.
pub fn multi_region() -> impl Strategy<Value = Document> {
    let region = || (space(), kit(), vec((space(), flags()), 0..3));
    let joined = (proptest::option::of(flags()), any::<bool>(), proptest::option::of(any::<[bool; 2]>()));
    dressed((region(), region(), joined).prop_map(|(west, east, (peered, circuit, tunnels))| {
        let mut document = Document::new();
        let spokes = |list: &[(Space, Flags)], at: u8| -> Vec<(Space, Flags)> {
            list.iter().map(|(s, f)| (s.in_region(at), *f)).collect()
        };
        build_star(&mut document, "w-", 0, west.0.in_region(0), &west.1, &spokes(&west.2, 0), None);
        build_star(&mut document, "e-", 8, east.0.in_region(1), &east.1, &spokes(&east.2, 1), None);
        if let Some(flags) = peered {
            peer(&mut document, &"w-hub".into(), &"e-hub".into(), flags);
        }
        if circuit && west.1.express_route.is_some() && east.1.express_route.is_some() {
            let far =
                Connection::new("e-hub-er-bow", ConnectionType::ExpressRoute, "e-hub-er", "w-hub-circuit0");
            document.connections.push(far);
        }
        if let Some(bgp) = tunnels
            && west.1.vpn.is_some()
            && east.1.vpn.is_some()
        {
            for (n, (from, to)) in [("w-hub-vpn", "e-hub-vpn"), ("e-hub-vpn", "w-hub-vpn")].iter().enumerate()
            {
                let id = format!("{from}-to-{to}");
                let mut tunnel = Connection::new(id, ConnectionType::Vnet2Vnet, *from, *to);
                tunnel.enable_bgp = bgp.get(n).copied().unwrap_or_default();
                document.connections.push(tunnel);
            }
        }
        document
    }))
}

/// Two tenants with the same address space, each with its own hub and spokes (ISO-1). Names begin with `a-` and `b-`.
pub fn tenants_with_overlapping_space() -> impl Strategy<Value = Document> {
    let tenant = || (space(), kit(), vec((space(), flags()), 0..3));
    dressed((tenant(), tenant()).prop_map(|(a, b)| {
        let mut document = Document::new();
        for (name, tenant) in [("a", &a), ("b", &b)] {
            document.tenants.push(Tenant::new(name));
            build_star(&mut document, &format!("{name}-"), 0, tenant.0, &tenant.1, &tenant.2, Some(name));
        }
        document
    }))
}

/// A customer behind a provider (CSP-1): customer site, provider network, the customer's own circuit, hub and spokes.
pub fn connect_through() -> impl Strategy<Value = Document> {
    dressed(csp(true))
}

/// A customer with a circuit of its own, and a provider that is reached through the customer (CSP-4).
pub fn connect_to() -> impl Strategy<Value = Document> {
    dressed(csp(false))
}

fn csp(through: bool) -> impl Strategy<Value = Document> {
    (space(), coexisting_kit(), vec((space(), flags()), 1..3), claims(), any::<[bool; 2]>()).prop_map(
        move |(hub, mut kit, spokes, routes, links)| {
            kit.vpn = None;
            let mut document = Document::new();
            document.tenants.push(Tenant::new("customer"));
            build_star(&mut document, "", 0, hub, &kit, &spokes, Some("customer"));
            csp_sites(&mut document, through, &routes, links);
            document
        },
    )
}

/// The provider's and the customer's site, the line between them, and the one of them that holds the circuit.
fn csp_sites(document: &mut Document, through: bool, routes: &Claims, links: [bool; 2]) {
    let mut customer = OnPremisesSite::new("customer-site", [v4(10, 60, 0, 0, 16)]);
    customer.tenant = Some("customer".to_owned());
    let mut provider = OnPremisesSite::new("provider-site", [v4(10, 70, 0, 0, 16)]);
    provider.role = SiteRole::Provider;
    for site in [&mut customer, &mut provider] {
        for name in ["r1", "r2"] {
            site.routers.push(Router { name: name.to_owned(), ..Router::default() });
        }
    }
    let circuit_id = "hub-circuit0";
    let holder = if through { &mut provider } else { &mut customer };
    if let Some(circuit) = document.express_route_circuits.iter_mut().find(|c| c.id == circuit_id.into()) {
        circuit.primary.edge_router = Some(holder.router_id("r1"));
        circuit.secondary.edge_router = Some(holder.router_id("r2"));
        circuit.primary.up = links[0] || links[1];
    }
    let mut told = vec![v4(10, 60, 0, 0, 16)];
    if !through {
        told.push(v4(10, 70, 0, 0, 16));
    }
    holder.advertisements.push(Advertisement::new(circuit_id, told, path(2)));
    for (prefix, length) in routes {
        holder.advertisements.push(Advertisement::new(circuit_id, [*prefix], path(*length)));
    }
    // CSP-5: what the customer's routers know of the other side may be missing.
    if links[0] {
        let next_hop = OnPremisesNextHop::Site("provider-site".into());
        customer.routes.push(OnPremisesRoute {
            prefix: v4(10, 70, 0, 0, 16),
            next_hop,
            local_preference: 200,
            tenant: None,
        });
    }
    document.on_premises_sites.push(customer);
    document.on_premises_sites.push(provider);
    document.on_premises_links.push(OnPremisesLink {
        id: "line".into(),
        a: "customer-site".into(),
        b: "provider-site".into(),
        cost: 1,
        encrypted: links[1],
        tenant: None,
    });
}

/// Networks connected to a virtual hub (VWAN-2), some of them peered with each other.
pub fn virtual_hub() -> impl Strategy<Value = Document> {
    let spoke = || (space(), any::<bool>());
    let peered = proptest::option::weighted(0.3, flags());
    dressed((vec(spoke(), 1..4), claims(), peered, any::<bool>()).prop_map(
        |(spokes, learned, peered, printed)| {
            let mut document = Document::new();
            let mut hub = VirtualHub::new("vhub");
            hub.address_prefix = Some(v4(10, 100, 0, 0, 24));
            hub.learned_routes = learned.iter().map(|(p, n)| LearnedRoute::new(*p, path(*n))).collect();
            if printed {
                hub.route_next_hop_addresses = vec![IpAddr::V4(Ipv4Addr::new(20, 9, 9, 9))];
            }
            for (slot, (space, internet)) in (0_u8..).zip(&spokes) {
                let id = add_network(&mut document, &format!("spoke{slot}"), slot, *space, None);
                hub.virtual_network_connections.push(HubVirtualNetworkConnection {
                    enable_internet_security: *internet,
                    ..HubVirtualNetworkConnection::new(id.to_string(), id)
                });
            }
            document.virtual_hubs.push(hub);
            if let (Some(flags), true) = (peered, spokes.len() > 1) {
                peer(&mut document, &"spoke0".into(), &"spoke1".into(), flags);
            }
            document
        },
    ))
}

/// Any of the shapes above.
pub fn any_topology() -> impl Strategy<Value = Document> {
    prop_oneof![
        3 => hub_and_spoke().boxed(),
        2 => coexistence().boxed(),
        2 => multi_region().boxed(),
        1 => tenants_with_overlapping_space().boxed(),
        1 => connect_through().boxed(),
        1 => connect_to().boxed(),
        1 => virtual_hub().boxed(),
    ]
}
