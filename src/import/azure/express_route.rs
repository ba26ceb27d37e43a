//! Circuits, their peerings, route filters and service communities.

use std::collections::HashSet;

use ipnet::IpNet;

use super::super::WarningKind;
use super::super::read::{Body, owner};
use crate::model::{
    BgpServiceCommunity, CircuitPeering, CircuitSkuTier, ExpressRouteCircuit, PeeringType, ResourceId,
    RouteFilter,
};

pub(super) fn circuit(body: &Body<'_>) -> ExpressRouteCircuit {
    let mut circuit = ExpressRouteCircuit::new(body.id);
    if let Some(sku) = body.inner("sku") {
        circuit.sku_tier = sku
            .word(
                "tier",
                &[
                    ("Local", CircuitSkuTier::Local),
                    ("Standard", CircuitSkuTier::Standard),
                    ("Premium", CircuitSkuTier::Premium),
                    ("Basic", CircuitSkuTier::Basic),
                ],
            )
            .unwrap_or_default();
    }
    if let Some(provider) = body.inner("serviceProviderProperties") {
        circuit.bandwidth_in_mbps = provider.number("bandwidthInMbps");
        circuit.peering_location = provider.text("peeringLocation");
        circuit.service_provider_name = provider.text("serviceProviderName");
    }
    if circuit.bandwidth_in_mbps.is_none()
        && let Some(gbps) = body.number::<f64>("bandwidthInGbps")
        && (0.0..1e6).contains(&gbps)
    {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
        let mbps = (gbps * 1000.0).round() as u32;
        circuit.bandwidth_in_mbps = Some(mbps);
    }
    circuit.macsec = body.id_in("expressRoutePort").is_some_and(|port| has_macsec(body, &port));
    if let Some(state) = body.text("serviceProviderProvisioningState")
        && !state.eq_ignore_ascii_case("Provisioned")
    {
        let reason =
            format!("`{state}`: a circuit that the provider has not set up is taken as one that works");
        body.warn(WarningKind::NotModelled, "serviceProviderProvisioningState", reason);
    }
    for peering in body.context.children(body.id, "expressroutecircuits/peerings") {
        circuit.global_reach.extend(global_reach(&peering, body.id));
        circuit.peerings.extend(self::peering(&peering));
    }
    circuit.global_reach.dedup();
    circuit
}

/// Whether every link of a Direct port has a MACsec key.
fn has_macsec(body: &Body<'_>, port: &ResourceId) -> bool {
    let Some(port) = body.context.store.get(port) else { return false };
    let links = body.context.body(port).list("links");
    let has_key =
        |link: &Body<'_>| link.inner("macSecConfig").is_some_and(|config| config.has("cakSecretIdentifier"));
    !links.is_empty() && links.iter().all(has_key)
}

/// Circuits that this peering is joined with (ER-15).
fn global_reach(body: &Body<'_>, own: &ResourceId) -> Vec<ResourceId> {
    let mut connections = body.context.children(body.id, "expressroutecircuits/peerings/connections");
    // The circuit that did not start it shows it here.
    connections.extend(body.list("peeredConnections"));
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for connection in connections {
        let far = connection.id_in("peerExpressRouteCircuitPeering").and_then(|id| owner(&id));
        let near = connection.id_in("expressRouteCircuitPeering").and_then(|id| owner(&id));
        let state = connection.text("circuitConnectionStatus");
        if state.is_some_and(|s| s.eq_ignore_ascii_case("Disconnected")) {
            let reason = "a Global Reach connection that is down was left out";
            connection.warn(WarningKind::NotModelled, "circuitConnectionStatus", reason);
            continue;
        }
        // Either end may be this circuit.
        for circuit in [far, near].into_iter().flatten().filter(|id| id != own) {
            connection.refers("global_reach", &circuit);
            if seen.insert(circuit.clone()) {
                found.push(circuit);
            }
        }
    }
    found
}

fn peering(body: &Body<'_>) -> Option<CircuitPeering> {
    let types = [
        ("AzurePrivatePeering", PeeringType::AzurePrivatePeering),
        ("AzurePublicPeering", PeeringType::AzurePublicPeering),
        ("MicrosoftPeering", PeeringType::MicrosoftPeering),
    ];
    // The peering's name is the same word.
    let by_name = || types.iter().find(|(word, _)| word.eq_ignore_ascii_case(body.name)).map(|(_, t)| *t);
    let Some(peering_type) = body.word("peeringType", &types).or_else(by_name) else {
        body.warn(WarningKind::Missing, "peeringType", "a peering without type was left out");
        return None;
    };
    let states = [("Enabled", true), ("Disabled", false)];
    let mut peering = CircuitPeering::new(peering_type);
    peering.enabled = body.word("state", &states).unwrap_or(true);
    peering.peer_asn = body.asn("peerASN").filter(|asn| asn.0 != 0);
    peering.primary_peer_address_prefix = body.prefix("primaryPeerAddressPrefix");
    peering.secondary_peer_address_prefix = body.prefix("secondaryPeerAddressPrefix");
    peering.route_filter = body.reference("routeFilter", "peerings.route_filter");
    let microsoft = body.inner("microsoftPeeringConfig");
    let mut configs: Vec<Body<'_>> = microsoft.into_iter().collect();
    if let Some(ipv6) = body.inner("ipv6PeeringConfig") {
        if ipv6.word("state", &states).unwrap_or(true) {
            peering.ipv6_primary_peer_address_prefix = ipv6.prefix("primaryPeerAddressPrefix");
            peering.ipv6_secondary_peer_address_prefix = ipv6.prefix("secondaryPeerAddressPrefix");
        }
        if let Some(filter) = ipv6.reference("routeFilter", "peerings.route_filter") {
            match &peering.route_filter {
                Some(one) if *one != filter => {
                    let reason = "a route filter of its own for IPv6 is not modelled; the one of IPv4 counts";
                    ipv6.warn(WarningKind::NotModelled, "routeFilter", reason);
                }
                _ => peering.route_filter = Some(filter),
            }
        }
        configs.extend(ipv6.inner("microsoftPeeringConfig"));
    }
    for config in configs {
        let advertised: Vec<IpNet> = config.prefixes("advertisedPublicPrefixes");
        let validated = config.word(
            "advertisedPublicPrefixesState",
            &[
                ("Configured", true),
                ("NotConfigured", false),
                ("Configuring", false),
                ("ValidationNeeded", false),
            ],
        );
        // A config that lists nothing has nothing to validate.
        if !advertised.is_empty() && validated == Some(false) {
            peering.validated = false;
        }
        peering.advertised_public_prefixes.extend(advertised);
    }
    Some(peering)
}

pub(super) fn route_filter(body: &Body<'_>) -> RouteFilter {
    let mut filter = RouteFilter { id: body.id.clone(), communities: Vec::new() };
    for rule in body.context.children(body.id, "routefilters/routefilterrules") {
        match rule.word("access", &[("Allow", true), ("Deny", false)]) {
            Some(true) => filter.communities.extend(rule.texts("communities")),
            Some(false) => {
                let reason = "a rule that denies was left out: what no rule allows is not advertised anyway";
                rule.warn(WarningKind::NotModelled, "access", reason);
            }
            None => rule.warn(WarningKind::Missing, "access", "the rule was left out"),
        }
    }
    filter
}

pub(super) fn service_communities(body: &Body<'_>) -> Vec<BgpServiceCommunity> {
    let list = body.list("bgpCommunities");
    list.iter()
        .filter_map(|c| {
            Some(BgpServiceCommunity {
                community: c.text("communityValue")?,
                name: c.text("communityName").unwrap_or_default(),
                prefixes: c.prefixes("communityPrefixes"),
                ..BgpServiceCommunity::default()
            })
        })
        .collect()
}
