//! Microsoft's edge: by which circuits it sends to a customer's public address.

use std::net::IpAddr;

use ipnet::IpNet;

use super::walk::is_private;
use crate::model::{
    Asn, CircuitPeering, Document, ExpressRouteCircuit, Limits, LinkRole, OnPremisesSite, PeeringType,
    ResourceId, SiteRole,
};

/// A route at Microsoft's edge.
struct Heard {
    prefix: IpNet,
    /// The length of the path that counts.
    path: usize,
    way: (ResourceId, PeeringType, LinkRole),
}

/// The circuits' links by which Microsoft's edge sends packets of a tenant to a public address, sorted; empty where the
/// Internet leads there (MSP-7). Replies may take public peering (PUB-3).
pub fn customer_edges(
    document: &Document,
    tenant: Option<&str>,
    destination: IpAddr,
    reply: bool,
) -> Vec<(ResourceId, PeeringType, LinkRole)> {
    let mut heard = Vec::new();
    for circuit in &document.express_route_circuits {
        if same(circuit.tenant.as_deref(), tenant) {
            hear(document, circuit, PeeringType::MicrosoftPeering, &mut heard);
            if reply {
                hear(document, circuit, PeeringType::AzurePublicPeering, &mut heard);
            }
        }
    }
    heard.retain(|route| route.prefix.contains(&destination));
    // Longest prefix, ExpressRoute at equal length.
    let longest = heard.iter().map(|route| route.prefix.prefix_len()).max();
    let internet = document
        .on_premises_sites
        .iter()
        .filter(|site| site.role == SiteRole::Provider || same(site.tenant.as_deref(), tenant))
        .flat_map(|site| &site.internet_prefixes)
        .filter(|prefix| prefix.prefix_len() > 0 && prefix.contains(&destination))
        .map(IpNet::prefix_len)
        .max();
    if internet > longest {
        return Vec::new();
    }
    heard.retain(|route| Some(route.prefix.prefix_len()) == longest);
    let shortest = heard.iter().map(|route| route.path).min();
    heard.retain(|route| Some(route.path) == shortest);
    let mut ways: Vec<_> = heard.into_iter().map(|route| route.way).collect();
    ways.sort();
    ways.dedup();
    ways
}

fn same(a: Option<&str>, b: Option<&str>) -> bool {
    a.map(str::to_ascii_lowercase) == b.map(str::to_ascii_lowercase)
}

/// What one peering of a circuit brings, link by link.
fn hear(document: &Document, circuit: &ExpressRouteCircuit, kind: PeeringType, heard: &mut Vec<Heard>) {
    let Some(peering) = circuit.peerings.iter().find(|p| p.peering_type == kind && p.enabled) else { return };
    let public = kind == PeeringType::AzurePublicPeering;
    // PUB-1.
    let retired = document.as_of.is_none_or(|day| day.to_string().as_str() >= "2024-03-31");
    let late = circuit.created.is_some_and(|day| day.to_string().as_str() >= "2018-04-01");
    // MSP-3, PUB-5.
    if !peering.validated || (public && (retired || late)) {
        return;
    }
    for link in LinkRole::BOTH.into_iter().filter(|link| circuit.link(*link).up) {
        for (prefix, as_path) in session(document, circuit, peering, link) {
            // MSP-4, PUB-5: neither default nor private; public peering is IPv4 only.
            let refused = prefix.prefix_len() == 0
                || is_private(prefix.network())
                || (public && prefix.addr().is_ipv6());
            if refused {
                continue;
            }
            // MSP-6, PUB-7.
            let path = as_path.iter().filter(|asn| public || !asn.is_private()).count();
            heard.push(Heard { prefix, path, way: (circuit.id.clone(), kind, link) });
        }
    }
}

/// What arrives on one session: told by sites, or registered and told by nobody.
fn session(
    document: &Document,
    circuit: &ExpressRouteCircuit,
    peering: &CircuitPeering,
    link: LinkRole,
) -> Vec<(IpNet, Vec<Asn>)> {
    let told = |site: &OnPremisesSite| -> Vec<(IpNet, Vec<Asn>)> {
        let mut told = Vec::new();
        for advertisement in &site.advertisements {
            let here = advertisement.over == circuit.id
                && advertisement.peering == peering.peering_type
                && advertisement.link.is_none_or(|only| only == link);
            if here {
                told.extend(
                    advertisement.prefixes.iter().map(|p| (p.trunc(), advertisement.as_path.clone())),
                );
            }
        }
        told
    };
    let mut routes: Vec<(IpNet, Vec<Asn>)> = document.on_premises_sites.iter().flat_map(told).collect();
    // What is registered is announced like the rest, and goes down with it.
    let registered: Vec<IpNet> = peering
        .advertised_public_prefixes
        .iter()
        .map(IpNet::trunc)
        .filter(|p| !routes.iter().any(|(told, _)| told == p))
        .collect();
    // A path with Microsoft's own number says something, which comes to nothing (BGP-5).
    routes.retain(|(_, as_path)| !as_path.contains(&Asn::MICROSOFT_EDGE));
    routes.extend(registered.into_iter().map(|p| (p, Vec::new())));
    // MSP-5, PUB-5: 200 prefixes of a family take the family's session down.
    if document.knobs.limits == Limits::Enforce {
        for v4 in [true, false] {
            let mut distinct: Vec<IpNet> =
                routes.iter().map(|(p, _)| *p).filter(|p| p.addr().is_ipv4() == v4).collect();
            distinct.sort();
            distinct.dedup();
            if distinct.len() > 200 {
                routes.retain(|(p, _)| p.addr().is_ipv4() != v4);
            }
        }
    }
    routes
}
