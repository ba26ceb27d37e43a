//! Several regions on the same circuits.

use ipnet::IpNet;

use super::{
    CIRCUITS_PER_LOCATION, GenerateError, Hub, HubAndSpoke, MEET_ME, Plan, Random, id, prefixes, turn,
};
use crate::model::bgp::{AsPath, BgpSession, BgpSpeaker, Origination, PathAttributes};
use crate::model::{
    Advertisement, Asn, CircuitLink, CircuitPeering, CircuitSkuTier, Connection, ConnectionType, Document,
    ExpressRouteCircuit, Limits, LinkRole, OnPremisesSite, PeeringType, ResourceId, Router,
};

/// The size of a network of several regions: a hub in each, every hub's gateway linked to every circuit, and one
/// datacentre that announces the same prefixes over all of them.
///
/// The hubs are those of [`HubAndSpoke`], with as many spokes each; what exceeds a limit of section 25 is refused in the
/// same way, and the number of spokes of a hub with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regions {
    /// Hubs, each in a region of its own.
    pub hubs: usize,
    /// Spokes of each hub.
    pub spokes_per_hub: usize,
    /// Subnets of each spoke.
    pub subnets_per_spoke: usize,
    /// Premium circuits, each linked to every hub.
    pub circuits: usize,
    /// Prefixes that the datacentre announces over each link of each circuit.
    pub learned_routes: usize,
    /// Whether routers of the datacentre announce them by BGP: a core, and an edge for each link. Otherwise they are
    /// declared.
    pub speakers: bool,
    /// Whether the limits hold; also the knob of the document.
    pub limits: Limits,
    /// The seed of everything that is not counted above.
    pub seed: u64,
}

impl Default for Regions {
    /// Three regions of 400 spokes, four circuits, and as many prefixes as the gateways' SKU holds (ER-20).
    fn default() -> Self {
        Self {
            hubs: 3,
            spokes_per_hub: 400,
            subnets_per_spoke: 1,
            circuits: 4,
            learned_routes: 9_500,
            speakers: true,
            limits: Limits::Enforce,
            seed: 1,
        }
    }
}

/// The datacentre's own number.
const DATACENTRE: Asn = Asn(65_001);

/// A network of several regions of this size.
///
/// # Errors
/// The limit that the size exceeds, or the part of the address plan that it does not fit.
pub fn regions(design: &Regions) -> Result<Document, GenerateError> {
    let of_hub = HubAndSpoke {
        spokes: design.spokes_per_hub,
        subnets_per_spoke: design.subnets_per_spoke,
        circuits: design.circuits,
        learned_routes: design.learned_routes,
        vpn_sites: 0,
        limits: design.limits,
        ..HubAndSpoke::default()
    };
    of_hub.check()?;
    if design.limits == Limits::Enforce && of_hub.hubs() > 1 {
        let (what, legal) = ("spokes of a hub", super::PEERINGS_PER_NETWORK);
        return Err(GenerateError::Limit { what, asked: design.spokes_per_hub, legal });
    }
    let mut document = Document::new();
    document.knobs.limits = design.limits;
    let mut random = Random::new(design.seed);
    let mut plan = Plan { next: 0x0a00_0000 };
    let learned: Vec<IpNet> =
        prefixes(design.learned_routes, random.next_u64()).into_iter().map(IpNet::V4).collect();
    for number in 0..design.hubs {
        // A subscription for each region: 1,000 networks at most.
        let hub = Hub::build(&mut document, &of_hub, &mut plan, number, number)?;
        let table = hub.table(&mut document, &of_hub, &learned, &mut random);
        for spoke in 0..design.spokes_per_hub {
            let named = number * design.spokes_per_hub + spoke;
            hub.spoke(&mut document, &of_hub, &mut plan, named, number, &table)?;
        }
        for circuit in 0..design.circuits {
            document.connections.push(Connection::new(
                id(number, "connections", &format!("er-{number}-circuit-{circuit}")),
                ConnectionType::ExpressRoute,
                hub.gateway_id("er"),
                circuit_id(circuit),
            ));
        }
    }
    datacentre(&mut document, design, learned);
    Ok(document)
}

fn circuit_id(n: usize) -> ResourceId {
    id(0, "expressRouteCircuits", &format!("circuit-{n}"))
}

/// Circuits, and what is told over them.
fn datacentre(document: &mut Document, design: &Regions, learned: Vec<IpNet>) {
    let mut site = OnPremisesSite::new("datacentre", []);
    let core = site.router_id("core");
    site.routers.push(Router { name: "core".to_owned(), ..Router::default() });
    let mut originate: Vec<(Asn, Vec<IpNet>)> = Vec::new();
    // As many groups as a real table has origins.
    for (origin, group) in (65_100..=65_163).cycle().map(Asn).zip(learned.chunks(64)) {
        match originate.iter_mut().find(|(known, _)| *known == origin) {
            Some((_, prefixes)) => prefixes.extend_from_slice(group),
            None => originate.push((origin, group.to_vec())),
        }
    }
    if design.speakers {
        let origination = |(origin, prefixes): &(Asn, Vec<IpNet>)| Origination {
            prefixes: prefixes.clone(),
            attributes: PathAttributes { as_path: AsPath::sequence([*origin]), ..PathAttributes::default() },
            policies: Vec::new(),
        };
        let originate = originate.iter().map(origination).collect();
        let speaker = BgpSpeaker { id: core.clone(), asn: DATACENTRE, originate, ..BgpSpeaker::default() };
        document.bgp_speakers.push(speaker);
    }
    for n in 0..design.circuits {
        let mut circuit = ExpressRouteCircuit::new(circuit_id(n));
        circuit.sku_tier = CircuitSkuTier::Premium;
        circuit.bandwidth_in_mbps = Some(10_000);
        circuit.peering_location = Some(turn(&MEET_ME, n / CIRCUITS_PER_LOCATION).to_owned());
        let mut peering = CircuitPeering::new(PeeringType::AzurePrivatePeering);
        peering.peer_asn = Some(DATACENTRE);
        circuit.peerings.push(peering);
        for role in LinkRole::BOTH {
            let name = format!("edge-{n}-{}", role.as_str());
            let edge = site.router_id(&name);
            site.routers.push(Router { name, ..Router::default() });
            let link = CircuitLink { edge_router: Some(edge.clone()), up: true };
            match role {
                LinkRole::Primary => circuit.primary = link,
                LinkRole::Secondary => circuit.secondary = link,
            }
            if design.speakers {
                let speaker = BgpSpeaker { id: edge.clone(), asn: DATACENTRE, ..BgpSpeaker::default() };
                document.bgp_speakers.push(speaker);
                let mut inside = BgpSession::new(edge.child("sessions", "core"), core.clone(), edge.clone());
                (inside.a.next_hop_self, inside.b.next_hop_self) = (true, true);
                let azure = circuit.id.child("peerings", "AzurePrivatePeering").child("links", role.as_str());
                let outside = BgpSession::new(edge.child("sessions", "azure"), edge, azure);
                document.bgp_sessions.extend([inside, outside]);
            }
        }
        if !design.speakers {
            for (origin, prefixes) in &originate {
                let path = [DATACENTRE, *origin];
                site.advertisements.push(Advertisement::new(&circuit.id, prefixes.iter().copied(), path));
            }
        }
        document.express_route_circuits.push(circuit);
    }
    site.prefixes = learned;
    document.on_premises_sites.push(site);
}
