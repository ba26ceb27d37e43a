//! The paper that the project started from (a provider's guide to ExpressRoute of 2016), statement by statement: how each
//! is represented, and how it is answered. One test a row of the map; a row that has no routing effect asserts its
//! representation and says so.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::net::IpAddr;

use azroute::Network;
use azroute::model::{
    Advertisement, Change, Date, Document, EffectiveNextHopType, Knobs, LinkRole, NetworkVirtualAppliance,
    OverlayTunnel, PeeringType, ResourceId, RouteSource, RouteState, Tenant, Topology, TopologyBuilder,
    TunnelEnd,
};
use azroute::resolve::{
    Answer, Disposition, DispositionKind, DropReason, Egress, Flow, Place, SnatIdentity, Source,
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn document(toml: &str) -> Document {
    toml::from_str(toml).unwrap()
}

fn network(document: Document) -> Network {
    Network::build(&Topology::new(document).unwrap()).unwrap()
}

fn built(builder: TopologyBuilder) -> Network {
    Network::build(&builder.build().unwrap()).unwrap()
}

fn ask(network: &Network, from: &str, to: &str) -> Answer {
    network.resolve(from, ip(to)).unwrap_or_else(|error| panic!("{from} -> {to}: {error}")).into_answer()
}

fn kind(network: &Network, from: &str, to: &str) -> DispositionKind {
    ask(network, from, to).disposition().kind()
}

/// Whether every way passes a place whose id is `id` or starts with it.
fn passes(answer: &Answer, id: &str) -> bool {
    answer.paths().all(|path| {
        path.hops().iter().any(|hop| {
            hop.place.id().is_some_and(|at| {
                at.as_str() == id || at.as_str().strip_prefix(id).is_some_and(|rest| rest.starts_with('/'))
            })
        })
    })
}

fn next_hop_type(answer: &Answer) -> EffectiveNextHopType {
    answer.next_hop().route().unwrap().next_hop_type
}

/// The links of the circuit that the answer's ways take, by path.
fn links(answer: &Answer) -> Vec<LinkRole> {
    let mut links: Vec<_> = answer
        .hops()
        .filter_map(|hop| match &hop.place {
            Place::Msee { link, .. } => Some(*link),
            _ => None,
        })
        .collect();
    links.sort();
    links.dedup();
    links
}

fn finds(network: &Network, text: &str) -> bool {
    network.findings().iter().any(|finding| finding.to_string().contains(text))
}

/// A virtual network with a circuit to a datacentre: the customer's own, both links.
const ONE_CIRCUIT: &str = r#"
[[virtual_networks]]
id = "vnet"
address_space = ["10.20.0.0/16"]
subnets = [
    { name = "GatewaySubnet", address_prefixes = ["10.20.255.0/27"] },
    { name = "app", address_prefixes = ["10.20.0.0/24"] },
]

[[network_interfaces]]
id = "vm"
ip_configurations = [{ subnet = "vnet/subnets/app", private_ip_address = "10.20.0.4" }]

[[virtual_network_gateways]]
id = "gateway"
virtual_network = "vnet"
gateway_type = "ExpressRoute"

[[connections]]
id = "connection"
connection_type = "ExpressRoute"
virtual_network_gateway = "gateway"
peer = "circuit"

[[express_route_circuits]]
id = "circuit"
bandwidth_in_mbps = 1000
peerings = [{ peering_type = "AzurePrivatePeering", peer_asn = 65020 }]
primary = { edge_router = "dc/routers/ce-1" }
secondary = { edge_router = "dc/routers/ce-2" }

[[on_premises_sites]]
id = "dc"
prefixes = ["10.50.0.0/16"]
routers = [{ name = "ce-1", asn = 65020 }, { name = "ce-2", asn = 65020 }]

[[bgp_speakers]]
id = "ce-1"
asn = 65020
router = "dc/routers/ce-1"
originate = [{ prefixes = ["10.50.0.0/16"] }]

[[bgp_speakers]]
id = "ce-2"
asn = 65020
router = "dc/routers/ce-2"
originate = [{ prefixes = ["10.50.0.0/16"] }]

[[bgp_sessions]]
id = "inside"
a = { speaker = "ce-1", next_hop_self = true }
b = { speaker = "ce-2", next_hop_self = true }

[[bgp_sessions]]
id = "on-primary"
a = { speaker = "ce-1" }
b = { speaker = "circuit/peerings/AzurePrivatePeering/links/primary" }

[[bgp_sessions]]
id = "on-secondary"
a = { speaker = "ce-2" }
b = { speaker = "circuit/peerings/AzurePrivatePeering/links/secondary" }
"#;

/// The same routers' sessions on a second circuit.
fn join_circuit(document: &mut Document, circuit: &str) {
    for at in [1, 2] {
        let mut session = document.bgp_sessions[at].clone();
        session.id = format!("{}-{circuit}", session.id).into();
        session.b.speaker = session.b.speaker.as_str().replacen("circuit", circuit, 1).into();
        document.bgp_sessions.push(session);
    }
}

/// Both of the datacentre's routers announce more.
fn announce(document: &mut Document, prefix: &str) {
    for speaker in &mut document.bgp_speakers {
        speaker.originate[0].prefixes.push(prefix.parse().unwrap());
    }
}

/// Two customers with the same addresses behind one provider, each on its own circuit.
fn connect_through() -> Document {
    let mut text = r#"
        [[on_premises_sites]]
        id = "provider"
        role = "Provider"
        prefixes = ["10.100.0.0/16"]
        routers = [{ name = "edge-1", asn = 65010 }, { name = "edge-2", asn = 65010 }]
    "#
    .to_owned();
    for customer in ["red", "blue"] {
        text.push_str(
            &r#"
            [[tenants]]
            name = "TENANT"
            [[virtual_networks]]
            id = "vnet-TENANT"
            tenant = "TENANT"
            address_space = ["10.20.0.0/16"]
            subnets = [
                { name = "GatewaySubnet", address_prefixes = ["10.20.255.0/27"] },
                { name = "app", address_prefixes = ["10.20.0.0/24"] },
            ]
            [[network_interfaces]]
            id = "vm-TENANT"
            ip_configurations = [{ subnet = "vnet-TENANT/subnets/app", private_ip_address = "10.20.0.4" }]
            [[virtual_network_gateways]]
            id = "gateway-TENANT"
            virtual_network = "vnet-TENANT"
            gateway_type = "ExpressRoute"
            [[connections]]
            id = "connection-TENANT"
            connection_type = "ExpressRoute"
            virtual_network_gateway = "gateway-TENANT"
            peer = "circuit-TENANT"
            [[express_route_circuits]]
            id = "circuit-TENANT"
            tenant = "TENANT"
            peerings = [{ peering_type = "AzurePrivatePeering", peer_asn = 65010 }]
            primary = { edge_router = "provider/routers/edge-1" }
            secondary = { edge_router = "provider/routers/edge-2" }
            [[on_premises_sites]]
            id = "site-TENANT"
            tenant = "TENANT"
            prefixes = ["10.50.0.0/16"]
            [[bgp_speakers]]
            id = "site-TENANT"
            asn = 65030
            originate = [{ prefixes = ["10.50.0.0/16"] }]
            [[bgp_speakers]]
            id = "edge-1-TENANT"
            asn = 65010
            tenant = "TENANT"
            router = "provider/routers/edge-1"
            [[bgp_speakers]]
            id = "edge-2-TENANT"
            asn = 65010
            tenant = "TENANT"
            router = "provider/routers/edge-2"
            [[bgp_sessions]]
            id = "access-1-TENANT"
            a = { speaker = "site-TENANT" }
            b = { speaker = "edge-1-TENANT" }
            [[bgp_sessions]]
            id = "access-2-TENANT"
            a = { speaker = "site-TENANT" }
            b = { speaker = "edge-2-TENANT" }
            [[bgp_sessions]]
            id = "inside-TENANT"
            a = { speaker = "edge-1-TENANT", next_hop_self = true }
            b = { speaker = "edge-2-TENANT", next_hop_self = true }
            [[bgp_sessions]]
            id = "on-primary-TENANT"
            a = { speaker = "edge-1-TENANT" }
            b = { speaker = "circuit-TENANT/peerings/AzurePrivatePeering/links/primary" }
            [[bgp_sessions]]
            id = "on-secondary-TENANT"
            a = { speaker = "edge-2-TENANT" }
            b = { speaker = "circuit-TENANT/peerings/AzurePrivatePeering/links/secondary" }
            [[on_premises_links]]
            id = "access-TENANT-1"
            a = "site-TENANT"
            b = "provider/routers/edge-1"
            tenant = "TENANT"
            [[on_premises_links]]
            id = "access-TENANT-2"
            a = "site-TENANT"
            b = "provider/routers/edge-2"
            tenant = "TENANT"
            "#
            .replace("TENANT", customer),
        );
    }
    document(&text)
}

/// Row 1 (ER-1, ISO-2): a circuit comes as a redundant pair and belongs to one customer.
#[test]
fn seed_01_a_circuit_is_a_redundant_pair_tied_to_one_customer() {
    let answer = ask(&network(document(ONE_CIRCUIT)), "vm", "10.50.1.1");
    assert_eq!(links(&answer), LinkRole::BOTH);
    assert_eq!(answer.paths().count(), 2);

    // In 2016 a circuit did not serve another customer's network; today an authorisation lets it.
    let mut shared = connect_through();
    for connection in &mut shared.connections {
        connection.peer = "circuit-red".into();
    }
    let today = network(shared.clone());
    assert_eq!(
        next_hop_type(&ask(&today, "vm-blue", "10.50.1.1")),
        EffectiveNextHopType::VirtualNetworkGateway
    );
    shared.as_of = Date::new(2016, 9, 1);
    let then = network(shared);
    assert_eq!(next_hop_type(&ask(&then, "vm-blue", "10.50.1.1")), EffectiveNextHopType::None);
    assert_eq!(kind(&then, "vm-red", "10.50.1.1"), DispositionKind::OnPremises);
}

/// Row 2 (ER-1, BGP-9): the two connections should end on different routers. Where they do not, every way passes one.
#[test]
fn seed_02_the_links_end_on_different_routers() {
    let mut document = document(ONE_CIRCUIT);
    let apart = network(document.clone());
    assert!(!passes(&ask(&apart, "vm", "10.50.1.1"), "dc/routers/ce-1"));
    document.express_route_circuits[0].secondary = document.express_route_circuits[0].primary.clone();
    document.bgp_sessions[2].a.speaker = "ce-1".into();
    let together = network(document);
    assert!(passes(&ask(&together, "vm", "10.50.1.1"), "dc/routers/ce-1"));
}

/// Row 2, the lint.
#[test]
fn seed_02_both_links_on_one_router_are_reported() {
    let mut document = document(ONE_CIRCUIT);
    assert!(!finds(&network(document.clone()), "circuit"));
    document.express_route_circuits[0].secondary = document.express_route_circuits[0].primary.clone();
    document.bgp_sessions[2].a.speaker = "ce-1".into();
    assert!(finds(&network(document), "circuit"));
}

/// Row 3 (BW-7, ER-18): caps mean several circuits for a large customer; one network takes several, and weights choose
/// (ER-8).
#[test]
fn seed_03_a_large_customer_has_several_circuits() {
    let mut document = document(ONE_CIRCUIT);
    let mut second = document.express_route_circuits[0].clone();
    second.id = "circuit-2".into();
    document.upsert(second);
    let mut connection = document.connections[0].clone();
    connection.id = "connection-2".into();
    connection.peer = "circuit-2".into();
    document.upsert(connection);
    join_circuit(&mut document, "circuit-2");
    let equal = network(document.clone());
    let answer = ask(&equal, "vm", "10.50.1.1");
    assert_eq!(answer.paths().count(), 4, "both links of both circuits (ER-9): {answer}");
    document.connections[1].routing_weight = 100;
    let weighted = network(document);
    assert!(passes(&ask(&weighted, "vm", "10.50.1.1"), "circuit-2"));
}

/// Row 3, the lint: a Standard circuit takes ten networks.
#[test]
fn seed_03_more_networks_than_a_circuit_takes_are_reported() {
    let with = |count: usize| {
        let mut text = ONE_CIRCUIT.to_owned();
        for n in 1..count {
            text.push_str(
                &r#"
                [[virtual_networks]]
                id = "vnet-NUMBER"
                address_space = ["10.NUMBER.0.0/16"]
                subnets = [{ name = "GatewaySubnet", address_prefixes = ["10.NUMBER.0.0/27"] }]
                [[virtual_network_gateways]]
                id = "gateway-NUMBER"
                virtual_network = "vnet-NUMBER"
                gateway_type = "ExpressRoute"
                [[connections]]
                id = "connection-NUMBER"
                connection_type = "ExpressRoute"
                virtual_network_gateway = "gateway-NUMBER"
                peer = "circuit"
                "#
                .replace("NUMBER", &(100 + n).to_string()),
            );
        }
        network(document(&text))
    };
    let (ten, eleven) = (with(10), with(11));
    assert!(!finds(&ten, "circuit"), "{:?}", ten.findings());
    assert!(finds(&eleven, "circuit"), "{:?}", eleven.findings());
}

/// Row 4 (CSP-1): connect-through, the customer crosses the provider's network.
#[test]
fn seed_04_connect_through_crosses_the_provider() {
    let network = network(connect_through());
    for customer in ["red", "blue"] {
        let there = ask(&network, &format!("site-{customer}"), "10.20.0.4");
        assert_eq!(there.disposition().kind(), DispositionKind::Delivered, "{there}");
        assert!(passes(&there, "provider") && passes(&there, &format!("circuit-{customer}")), "{there}");
        let back = ask(&network, &format!("vm-{customer}"), "10.50.1.1");
        assert_eq!(
            back.dispositions().into_iter().collect::<Vec<_>>(),
            [&Disposition::OnPremises(ResourceId::new(format!("site-{customer}")))]
        );
        assert!(passes(&back, "provider"), "{back}");
    }
}

/// Row 5 (CSP-3): the customer's other subscriptions use the Internet or a link of their own.
#[test]
fn seed_05_other_subscriptions_do_not_use_the_circuit() {
    let mut document = connect_through();
    let mut own = connect_through().virtual_networks[0].clone();
    own.id = "vnet-own".into();
    own.address_space = vec!["10.30.0.0/16".parse().unwrap()];
    own.subnets.remove(0);
    own.subnets[0].address_prefixes = vec!["10.30.0.0/24".parse().unwrap()];
    document.upsert(own);
    let network = network(document);
    let inside = ask(&network, "vnet-own/subnets/app", "10.50.1.1");
    assert_eq!(
        inside.disposition(),
        &Disposition::Dropped(DropReason::NoneRoute("10.0.0.0/8".parse().unwrap()))
    );
    let outside = ask(&network, "vnet-own/subnets/app", "192.0.2.20");
    assert_eq!(outside.disposition(), &Disposition::Egress(Egress::Internet(SnatIdentity::DefaultOutbound)));
    assert!(!passes(&outside, "circuit-red"));
}

/// Row 6 (CSP-2): one circuit a customer, though the provider is one.
#[test]
fn seed_06_each_customer_has_a_circuit_of_its_own() {
    let document = connect_through();
    let owners: Vec<_> = document.express_route_circuits.iter().filter_map(|c| c.tenant.clone()).collect();
    assert_eq!(owners, ["red", "blue"]);
    let network = network(document);
    for (customer, other) in [("red", "blue"), ("blue", "red")] {
        for (from, to) in [(format!("vm-{customer}"), "10.50.1.1"), (format!("site-{customer}"), "10.20.0.4")]
        {
            let answer = ask(&network, &from, to);
            assert!(passes(&answer, &format!("circuit-{customer}")), "{answer}");
            assert!(!answer.paths().any(|path| path.passes(&format!("circuit-{other}").as_str().into())));
        }
    }
}

/// Row 6, the lint: two customers on one circuit.
#[test]
fn seed_06_a_shared_circuit_is_reported() {
    let mut document = connect_through();
    assert!(!finds(&network(document.clone()), "circuit-red"));
    for connection in &mut document.connections {
        connection.peer = "circuit-red".into();
    }
    assert!(finds(&network(document), "circuit-red"));
}

/// The provider's policies for one customer: its edge on the secondary link announces a longer path to Azure, and prefers
/// what it hears there.
fn steered(document: &mut Document, tenant: &str) {
    document.routing_policy = toml::from_str::<Document>(
        r#"
        [[routing_policy.policy_definitions]]
        name = "standby"
        statements = [{ actions = { set_as_path_prepend = { repeat = 1 }, policy_result = "accept_route" } }]
        [[routing_policy.policy_definitions]]
        name = "preferred"
        statements = [{ actions = { set_local_preference = 200, policy_result = "accept_route" } }]
        "#,
    )
    .unwrap()
    .routing_policy;
    let id = format!("on-secondary-{tenant}");
    let session = document.bgp_sessions.iter_mut().find(|s| s.id.as_str() == id).unwrap();
    session.a.export_policies = vec!["standby".to_owned()];
    session.a.import_policies = vec!["preferred".to_owned()];
}

/// Row 7 (CSP-1, ER-8, ER-11): the provider steers by its edges' policies: to the site a longer AS path on the secondary
/// link makes it the standby (ER-10), to Azure its own preference decides.
#[test]
fn seed_07_the_provider_steers_traffic() {
    let plain = network(connect_through());
    assert_eq!(links(&ask(&plain, "vm-red", "10.50.1.1")), LinkRole::BOTH);
    let mut document = connect_through();
    steered(&mut document, "red");
    let network = network(document);
    assert_eq!(links(&ask(&network, "vm-red", "10.50.1.1")), [LinkRole::Primary]);
    assert_eq!(links(&ask(&network, "site-red", "10.20.0.4")), [LinkRole::Secondary]);
}

/// Row 7 beside row 24: steering one customer leaves the other's traffic (ISO-1).
#[test]
fn seed_07_steering_one_customer_leaves_the_other() {
    let mut document = connect_through();
    steered(&mut document, "red");
    let network = network(document);
    let blue = ask(&network, "site-blue", "10.20.0.4");
    assert_eq!(
        blue.disposition(),
        &Disposition::Delivered(Place::NetworkInterface("vm-blue".into())),
        "{blue}"
    );
    assert!(passes(&blue, "circuit-blue"), "{blue}");
    assert_eq!(links(&ask(&network, "vm-blue", "10.50.1.1")), LinkRole::BOTH);
}

/// Row 8 (CSP-4): connect-to, the customer builds and keeps the circuit.
#[test]
fn seed_08_connect_to_is_the_customers_own_circuit() {
    let network = network(document(ONE_CIRCUIT));
    let answer = ask(&network, "dc", "10.20.0.4");
    assert_eq!(
        answer.disposition(),
        &Disposition::Delivered(Place::NetworkInterface("vm".into())),
        "{answer}"
    );
    assert!(passes(&answer, "dc") && passes(&answer, "circuit") && passes(&answer, "gateway"));
}

/// Row 9 (CSP-5): the customer's routers need both the provider's and the virtual networks' routes.
#[test]
fn seed_09_customer_routers_need_both_sets_of_routes() {
    let mut text = ONE_CIRCUIT.to_owned();
    text.push_str(
        r#"
        [[on_premises_sites]]
        id = "provider"
        prefixes = ["10.100.0.0/16"]
        [[on_premises_links]]
        id = "interconnect"
        a = "dc"
        b = "provider"
        [[bgp_speakers]]
        id = "provider"
        asn = 65010
        [[bgp_sessions]]
        id = "interconnect-bgp"
        a = { speaker = "ce-1" }
        b = { speaker = "provider" }
        "#,
    );
    let mut document = document(&text);
    let missing = network(document.clone());
    assert_eq!(kind(&missing, "vm", "10.100.0.1"), DispositionKind::Dropped);
    document.bgp_speakers[2].originate.push(azroute::model::bgp::Origination {
        prefixes: vec!["10.100.0.0/16".parse().unwrap()],
        ..Default::default()
    });
    let both = network(document.clone());
    let there = ask(&both, "vm", "10.100.0.1");
    assert_eq!(there.disposition(), &Disposition::OnPremises("provider".into()), "{there}");
    assert!(passes(&there, "dc"));
    let back = ask(&both, "provider", "10.20.0.4");
    assert_eq!(back.disposition().kind(), DispositionKind::Delivered, "{back}");
    assert!(passes(&back, "dc"));
    // Without the networks' routes towards the provider there is no way back.
    document.bgp_sessions.iter_mut().find(|s| s.id.as_str() == "interconnect-bgp").unwrap().shutdown = true;
    assert_eq!(kind(&network(document), "provider", "10.20.0.4"), DispositionKind::Dropped);
}

/// Row 10 (BW-1): 50 Mbps to 10 Gbps. A figure of the circuit; it steers nothing.
#[test]
fn seed_10_bandwidths_are_kept() {
    for mbps in [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000] {
        let mut document = document(ONE_CIRCUIT);
        document.express_route_circuits[0].bandwidth_in_mbps = Some(mbps);
        let text = toml::to_string(&document).unwrap();
        assert_eq!(toml::from_str::<Document>(&text).unwrap(), document);
        assert_eq!(kind(&network(document), "vm", "10.50.1.1"), DispositionKind::OnPremises);
    }
}

/// Row 11 (BW-4): raised live, lowered by a rebuild.
#[test]
fn seed_11_a_change_of_bandwidth_is_a_change_of_the_circuit() {
    let before = network(document(ONE_CIRCUIT));
    let set = |mbps| [Change::SetBandwidth { circuit: "circuit".into(), bandwidth_in_mbps: mbps }];
    let raise = before.transitions(&set(2_000)).unwrap();
    assert!(!raise[0].downtime() && raise[0].meanwhile().is_none());
    let raised = before.apply(&set(2_000)).unwrap();
    let [old, new] = [&before, &raised].map(|network| ask(network, "vm", "10.50.1.1"));
    assert_eq!((old.next_hop(), old.dispositions()), (new.next_hop(), new.dispositions()));
    assert_eq!(new.path().bandwidth().unwrap().guaranteed_in_mbps, 2_000);
    // Lowering takes the circuit away and brings another.
    let lower = before.transitions(&set(500)).unwrap();
    assert!(lower[0].downtime(), "{}", lower[0]);
    let away = before.apply(&[lower[0].meanwhile().unwrap()]).unwrap();
    assert_eq!(kind(&away, "vm", "10.50.1.1"), DispositionKind::Dropped);
}

/// Row 12 (CSP-6, ER-19): many virtual networks and subscriptions share a circuit.
#[test]
fn seed_12_several_networks_share_a_circuit() {
    let mut text = ONE_CIRCUIT.to_owned();
    text.push_str(
        r#"
        [[virtual_networks]]
        id = "/subscriptions/2/vnet"
        address_space = ["10.21.0.0/16"]
        subnets = [
            { name = "GatewaySubnet", address_prefixes = ["10.21.255.0/27"] },
            { name = "db", address_prefixes = ["10.21.0.0/24"] },
        ]
        [[virtual_network_gateways]]
        id = "gateway-2"
        virtual_network = "/subscriptions/2/vnet"
        gateway_type = "ExpressRoute"
        [[connections]]
        id = "connection-2"
        connection_type = "ExpressRoute"
        virtual_network_gateway = "gateway-2"
        peer = "circuit"
        "#,
    );
    let network = network(document(&text));
    for from in ["vm", "db"] {
        assert_eq!(kind(&network, from, "10.50.1.1"), DispositionKind::OnPremises);
    }
    assert_eq!(kind(&network, "dc", "10.20.0.4"), DispositionKind::Delivered);
    assert_eq!(kind(&network, "dc", "10.21.0.4"), DispositionKind::Delivered);
    // Between the two only with both gateways' consent (ER-12).
    assert_eq!(kind(&network, "vm", "10.21.0.4"), DispositionKind::Dropped);
}

/// A circuit of 2016 with all three peerings.
fn three_peerings() -> Document {
    let mut document = microsoft_peering();
    document.as_of = Date::new(2016, 9, 1);
    document.express_route_circuits[0].created = Date::new(2016, 1, 1);
    let mut public = document.express_route_circuits[0].peerings[1].clone();
    public.peering_type = PeeringType::AzurePublicPeering;
    public.route_filter = None;
    document.express_route_circuits[0].peerings.push(public);
    // An Azure service that Microsoft peering does not announce.
    document.service_tags[0].address_prefixes.push("192.0.2.0/25".parse().unwrap());
    document
}

/// Row 13 (PUB-1, MSP-1, ER-1): three kinds of traffic on one circuit, or on several.
#[test]
fn seed_13_peerings_are_a_subset_of_three() {
    let document = three_peerings();
    for peering in
        [PeeringType::AzurePrivatePeering, PeeringType::AzurePublicPeering, PeeringType::MicrosoftPeering]
    {
        assert!(document.express_route_circuits[0].peering(peering).is_some());
    }
    let then = network(document);
    let circuit = || ResourceId::new("circuit");
    assert_eq!(kind(&then, "vm", "10.50.1.1"), DispositionKind::OnPremises);
    let public = ask(&then, "dc", "192.0.2.20");
    assert_eq!(public.disposition(), &Disposition::Egress(Egress::PublicPeering(circuit())), "{public}");
    let microsoft = ask(&network(microsoft_peering()), "dc", "198.51.100.10");
    assert_eq!(
        microsoft.disposition(),
        &Disposition::Egress(Egress::MicrosoftPeering(circuit())),
        "{microsoft}"
    );
    // Public peering was retired (PUB-1): today the site uses its own Internet exit.
    let today = then.apply(&[Change::SetAsOf(None)]).unwrap();
    let retired = ask(&today, "dc", "192.0.2.20");
    assert_eq!(retired.disposition(), &Disposition::OnPremisesInternet("dc".into()), "{retired}");
}

/// Row 13, the lint: three peerings on one circuit mix postures.
#[test]
fn seed_13_a_mixed_posture_is_reported() {
    assert!(finds(&network(three_peerings()), "circuit"));
}

/// Row 14 (ER-1, BGP-9): the domains end on identical routers, active-active.
#[test]
fn seed_14_both_links_carry_traffic() {
    let network = network(document(ONE_CIRCUIT));
    let answer = ask(&network, "vm", "10.50.1.1");
    assert_eq!(links(&answer), LinkRole::BOTH, "{answer}");
    assert!(!answer.is_mixed());
    // Each router uses its own link (RFC 4271: external routes before internal ones).
    for (from, link) in [("dc/routers/ce-1", LinkRole::Primary), ("dc/routers/ce-2", LinkRole::Secondary)] {
        assert_eq!(links(&ask(&network, from, "10.20.0.4")), [link]);
    }
    // A flow takes one, the same one each time.
    let flow = Flow::tcp("vm", 50_000, ip("10.50.1.1"), 443);
    let answer = network.evaluate(&flow).unwrap();
    assert_eq!(links(&answer).len(), 1);
    assert_eq!(answer, network.evaluate(&flow).unwrap());
    // With one link down the other carries all.
    let degraded = network
        .apply(&[Change::SetLink { circuit: "circuit".into(), link: LinkRole::Primary, up: false }])
        .unwrap();
    assert_eq!(links(&ask(&degraded, "vm", "10.50.1.1")), [LinkRole::Secondary]);
    assert_eq!(links(&ask(&degraded, "dc/routers/ce-1", "10.20.0.4")), [LinkRole::Secondary]);
}

/// A site with Microsoft peering, and a service behind it.
fn microsoft_peering() -> Document {
    let mut text = ONE_CIRCUIT.to_owned();
    text.push_str(
        r#"
        [[bgp_service_communities]]
        community = "12076:51002"
        prefixes = ["198.51.100.0/24"]
        [[route_filters]]
        id = "filter"
        communities = ["12076:51002"]
        [[service_tags]]
        name = "AzureCloud"
        address_prefixes = ["198.51.100.0/24"]
        "#,
    );
    let mut document = document(&text);
    document.express_route_circuits[0].peerings.extend(
        toml::from_str::<Document>(
            r#"
            [[express_route_circuits]]
            id = "x"
            peerings = [{ peering_type = "MicrosoftPeering", peer_asn = 65020, route_filter = "filter", advertised_public_prefixes = ["203.0.113.0/24"] }]
            "#,
        )
        .unwrap()
        .express_route_circuits
        .remove(0)
        .peerings,
    );
    let site = &mut document.on_premises_sites[0];
    site.internet_breakout = true;
    site.nat_pool = Some("203.0.113.0/24".parse().unwrap());
    site.advertisements.push(Advertisement {
        peering: PeeringType::MicrosoftPeering,
        ..Advertisement::new("circuit", ["203.0.113.0/24".parse().unwrap()], [65020.into()])
    });
    document
}

/// Row 15 (MSP-8): route filters choose what Microsoft peering announces.
#[test]
fn seed_15_route_filters_choose_what_is_announced() {
    let filtered = network(microsoft_peering());
    let by_peering = ask(&filtered, "dc", "198.51.100.10");
    assert!(passes(&by_peering, "circuit"), "{by_peering}");
    let mut without = microsoft_peering();
    without.express_route_circuits[0].peerings[1].route_filter = None;
    let by_internet = ask(&network(without), "dc", "198.51.100.10");
    assert_eq!(by_internet.disposition(), &Disposition::OnPremisesInternet("dc".into()), "{by_internet}");
}

/// Row 16 (MSP-3, MSP-12, PUB-4): public addresses on Microsoft peering are owned and validated.
#[test]
fn seed_16_unvalidated_public_prefixes_are_not_accepted() {
    let accepted = ask(&network(microsoft_peering()), "vm", "203.0.113.9");
    assert_eq!(next_hop_type(&accepted), EffectiveNextHopType::Internet);
    assert_eq!(
        accepted.disposition(),
        &Disposition::Egress(Egress::MicrosoftPeering("circuit".into())),
        "{accepted}"
    );
    let mut pending = microsoft_peering();
    pending.express_route_circuits[0].peerings[1].validated = false;
    let refused = ask(&network(pending), "vm", "203.0.113.9");
    assert!(matches!(refused.disposition(), Disposition::Egress(Egress::Internet(_))), "{refused}");
}

/// Row 17 (GWR-1, ER-23): the gateway provides routing to virtual networks.
#[test]
fn seed_17_the_gateway_routes_for_the_network() {
    let with = network(document(ONE_CIRCUIT));
    let subnet = ResourceId::new("vnet/subnets/app");
    let learned = |network: &Network| -> Vec<String> {
        let rows = network.effective_routes(&subnet).unwrap().rows();
        let from_gateway = rows.iter().filter(|row| row.source == RouteSource::VirtualNetworkGateway);
        from_gateway.map(|row| row.prefix.to_string()).collect()
    };
    assert_eq!(learned(&with), ["10.50.0.0/16"]);
    assert!(passes(&ask(&with, "dc", "10.20.0.4"), "gateway"));
    let without =
        with.apply(&[Change::Remove("connection".into()), Change::Remove("gateway".into())]).unwrap();
    assert!(learned(&without).is_empty());
    assert_eq!(kind(&without, "vm", "10.50.1.1"), DispositionKind::Dropped);
}

fn rows(network: &Network, subnet: &str) -> Vec<(String, EffectiveNextHopType, RouteState)> {
    let rows = network.effective_routes(&subnet.into()).unwrap().rows();
    rows.iter().map(|row| (row.prefix.to_string(), row.next_hop_type, row.state)).collect()
}

/// Row 18 (SYS-1 to SYS-3): a new virtual network has a default table.
#[test]
fn seed_18_a_network_is_born_with_system_routes() {
    let builder =
        || Topology::builder().virtual_network("v", &["10.0.0.0/16"]).subnet("v", "s", "10.0.0.0/24");
    let mut today = rows(&built(builder()), "v/subnets/s");
    today.sort();
    let expect = |none: &[&str]| {
        let mut rows = vec![
            ("10.0.0.0/16".to_owned(), EffectiveNextHopType::VnetLocal, RouteState::Active),
            ("0.0.0.0/0".to_owned(), EffectiveNextHopType::Internet, RouteState::Active),
        ];
        for prefix in none {
            rows.push(((*prefix).to_owned(), EffectiveNextHopType::None, RouteState::Active));
        }
        rows.sort();
        rows
    };
    assert_eq!(today, expect(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]));
    // Output of 2016 to 2021 lacks 172.16.0.0/12 (SYS-4).
    let mut then = rows(&built(builder().as_of(Date::new(2016, 9, 1).unwrap())), "v/subnets/s");
    then.sort();
    assert_eq!(then, expect(&["10.0.0.0/8", "192.168.0.0/16", "100.64.0.0/10"]));
}

/// Row 19 (SYS-1, SYS-2, GWR-1): what a default table reaches: the subnet, other subnets, the Internet, another
/// virtual network by VPN, on-premises by VPN or ExpressRoute.
#[test]
fn seed_19_five_kinds_of_reachability() {
    let text = r#"
        [[virtual_networks]]
        id = "a"
        address_space = ["10.1.0.0/16"]
        subnets = [
            { name = "GatewaySubnet", address_prefixes = ["10.1.255.0/27"] },
            { name = "one", address_prefixes = ["10.1.1.0/24"] },
            { name = "two", address_prefixes = ["10.1.2.0/24"] },
        ]
        [[virtual_networks]]
        id = "b"
        address_space = ["10.2.0.0/16"]
        subnets = [
            { name = "GatewaySubnet", address_prefixes = ["10.2.255.0/27"] },
            { name = "far", address_prefixes = ["10.2.1.0/24"] },
        ]
        [[virtual_network_gateways]]
        id = "vpn-a"
        virtual_network = "a"
        gateway_type = "Vpn"
        [[virtual_network_gateways]]
        id = "vpn-b"
        virtual_network = "b"
        gateway_type = "Vpn"
        [[connections]]
        id = "a-to-b"
        connection_type = "Vnet2Vnet"
        virtual_network_gateway = "vpn-a"
        peer = "vpn-b"
        [[connections]]
        id = "b-to-a"
        connection_type = "Vnet2Vnet"
        virtual_network_gateway = "vpn-b"
        peer = "vpn-a"
        [[connections]]
        id = "a-to-branch"
        connection_type = "IPsec"
        virtual_network_gateway = "vpn-a"
        peer = "lgw-branch"
        [[local_network_gateways]]
        id = "lgw-branch"
        address_prefixes = ["10.60.0.0/16"]
        site = "branch"
        [[on_premises_sites]]
        id = "branch"
        prefixes = ["10.60.0.0/16"]
    "#;
    let vpn = network(document(text));
    for (to, next_hop, end) in [
        ("10.1.1.9", EffectiveNextHopType::VnetLocal, DispositionKind::Delivered),
        ("10.1.2.9", EffectiveNextHopType::VnetLocal, DispositionKind::Delivered),
        ("192.0.2.9", EffectiveNextHopType::Internet, DispositionKind::Egress),
        ("10.2.1.9", EffectiveNextHopType::VirtualNetworkGateway, DispositionKind::Delivered),
        ("10.60.0.9", EffectiveNextHopType::VirtualNetworkGateway, DispositionKind::OnPremises),
    ] {
        let answer = ask(&vpn, "a/subnets/one", to);
        assert_eq!((next_hop_type(&answer), answer.disposition().kind()), (next_hop, end), "{answer}");
    }
    let circuit = ask(&network(document(ONE_CIRCUIT)), "vm", "10.50.1.1");
    assert_eq!(next_hop_type(&circuit), EffectiveNextHopType::VirtualNetworkGateway);
}

/// A virtual network with an appliance, and a route table on the subnet `web`.
fn with_route(prefix: &str, next_hop: &str, addresses: &[&str]) -> Network {
    built(
        Topology::builder()
            .virtual_network("v", &["10.0.0.0/16"])
            .subnet("v", "web", "10.0.0.0/24")
            .subnet("v", "nva", "10.0.100.0/24")
            .appliance("fw", "v/subnets/nva", "10.0.100.4")
            .route("rt", "custom", prefix, next_hop, addresses)
            .bind("v/subnets/web", "rt"),
    )
}

/// Row 20 (UDR-4, UDR-8): custom routes steer to appliances or block.
#[test]
fn seed_20_custom_routes_steer_or_block() {
    let steered = ask(&with_route("0.0.0.0/0", "VirtualAppliance", &["10.0.100.4"]), "web", "10.0.100.9");
    assert_eq!(next_hop_type(&steered), EffectiveNextHopType::VnetLocal);
    let steered = ask(&with_route("10.0.0.0/16", "VirtualAppliance", &["10.0.100.4"]), "web", "10.0.0.9");
    assert!(passes(&steered, "fw"), "{steered}");
    let blocked = ask(&with_route("192.0.2.0/24", "None", &[]), "web", "192.0.2.9");
    assert_eq!(
        blocked.disposition(),
        &Disposition::Dropped(DropReason::NoneRoute("192.0.2.0/24".parse().unwrap()))
    );
}

/// Row 21 (UDR-6): the paper says a custom route can send over a gateway, ExpressRoute included. The documentation says
/// VPN only (CON-2), and so does azroute.
#[test]
fn seed_21_a_custom_route_to_a_gateway_works_for_vpn_only() {
    let route = r#"
        [[route_tables]]
        id = "rt"
        routes = [{ name = "r", address_prefix = "10.77.0.0/16", next_hop_type = "VirtualNetworkGateway" }]
    "#;
    let mut by_express_route = document(&format!("{ONE_CIRCUIT}{route}"));
    by_express_route.virtual_networks[0].subnets[1].route_table = Some("rt".into());
    let mut by_vpn = by_express_route.clone();
    let answer = ask(&network(by_express_route), "vm", "10.77.0.1");
    assert_eq!(
        answer.disposition(),
        &Disposition::Dropped(DropReason::UnsupportedGatewayNextHop),
        "{answer}"
    );

    by_vpn.virtual_network_gateways[0].gateway_type = azroute::model::GatewayType::Vpn;
    by_vpn.express_route_circuits.clear();
    by_vpn.on_premises_sites.clear();
    by_vpn.bgp_speakers.clear();
    by_vpn.bgp_sessions.clear();
    by_vpn.connections = document(
        r#"
        [[connections]]
        id = "connection"
        connection_type = "IPsec"
        virtual_network_gateway = "gateway"
        peer = "lgw"
        "#,
    )
    .connections;
    by_vpn.upsert(
        document(
            r#"
            [[local_network_gateways]]
            id = "lgw"
            address_prefixes = ["10.77.0.0/16"]
            "#,
        )
        .local_network_gateways
        .remove(0),
    );
    let answer = ask(&network(by_vpn), "vm", "10.77.0.1");
    assert_eq!(answer.next_hop().route().unwrap().source, RouteSource::User);
    assert_eq!(answer.disposition().kind(), DispositionKind::OnPremises, "{answer}");
}

/// Row 22 (UDR-2): the paper says a custom table replaces the default one. It is merged (CON-1).
#[test]
fn seed_22_a_custom_table_is_merged_with_the_default_one() {
    let network = with_route("192.0.2.0/24", "None", &[]);
    let rows = rows(&network, "v/subnets/web");
    for prefix in ["10.0.0.0/16", "0.0.0.0/0", "10.0.0.0/8", "192.0.2.0/24"] {
        assert!(rows.iter().any(|row| row.0 == prefix && row.2 == RouteState::Active), "{prefix}: {rows:?}");
    }
}

/// Row 23 (NSG-3): by default a security group lets the virtual network in and the Internet not.
#[test]
fn seed_23_security_groups_default_to_inside_only() {
    let mut document = document(ONE_CIRCUIT);
    document.network_security_groups =
        toml::from_str::<Document>("[[network_security_groups]]\nid = \"nsg\"\n")
            .unwrap()
            .network_security_groups;
    document.virtual_networks[0].subnets[1].network_security_group = Some("nsg".into());
    // A public range of the datacentre that Azure was never told about: to the security group it is the Internet.
    document.on_premises_sites[0].prefixes.push("203.0.113.0/24".parse().unwrap());
    let network = network(document);
    let inside = network.evaluate(&Flow::tcp("vnet/subnets/app", 50_000, ip("10.20.0.4"), 443)).unwrap();
    assert_eq!(inside.disposition().kind(), DispositionKind::Delivered, "{inside}");
    let from_dc =
        |source| network.evaluate(&Flow::tcp(Source::at("dc", ip(source)), 50_000, ip("10.20.0.4"), 443));
    let known = from_dc("10.50.1.1").unwrap();
    assert_eq!(known.disposition().kind(), DispositionKind::Delivered, "{known}");
    let unknown = from_dc("203.0.113.9").unwrap();
    assert!(
        matches!(unknown.disposition(), Disposition::Dropped(DropReason::NsgDeny { rule, .. }) if rule == "DenyAllInBound"),
        "{unknown}"
    );
}

/// Row 24 (ISO-1): customers are kept apart, whatever their addresses.
#[test]
fn seed_24_tenants_do_not_meet() {
    let both = connect_through();
    let mut alone = connect_through();
    alone.tenants.retain(|t| t.name == "red");
    alone.virtual_networks.retain(|v| v.tenant.as_deref() == Some("red"));
    alone.bgp_sessions.retain(|s| !s.id.as_str().ends_with("-blue"));
    alone.bgp_speakers.retain(|s| !s.id.as_str().ends_with("-blue"));
    for id in [
        "vm-blue",
        "gateway-blue",
        "connection-blue",
        "circuit-blue",
        "site-blue",
        "access-blue-1",
        "access-blue-2",
    ] {
        assert!(alone.remove(&id.into()), "{id}");
    }
    let (both, alone) = (network(both), network(alone));
    for (from, to) in [("vm-red", "10.50.1.1"), ("site-red", "10.20.0.4"), ("vm-red", "192.0.2.1")] {
        assert_eq!(ask(&both, from, to), ask(&alone, from, to), "{from} -> {to}");
    }
    // An address that both own is no place.
    assert!(both.resolve("10.20.0.4", ip("10.50.1.1")).is_err());
    assert!(alone.resolve("10.20.0.4", ip("10.50.1.1")).is_ok());
}

/// Row 25 (FT-1): forced tunnelling over ExpressRoute.
#[test]
fn seed_25_a_default_route_from_the_site_takes_the_internet_traffic() {
    let mut document = document(ONE_CIRCUIT);
    document.on_premises_sites[0].internet_breakout = true;
    let open = network(document.clone());
    assert_eq!(kind(&open, "vm", "192.0.2.9"), DispositionKind::Egress);
    assert!(!passes(&ask(&open, "vm", "192.0.2.9"), "circuit"));
    announce(&mut document, "0.0.0.0/0");
    let forced = network(document);
    let answer = ask(&forced, "vm", "192.0.2.9");
    assert_eq!(next_hop_type(&answer), EffectiveNextHopType::VirtualNetworkGateway);
    assert!(passes(&answer, "circuit"), "{answer}");
    assert_eq!(answer.disposition(), &Disposition::OnPremisesInternet("dc".into()), "{answer}");
    // It fails open: with the circuit goes the route (FT-9).
    let down = |link| Change::SetLink { circuit: "circuit".into(), link, up: false };
    let lost = forced.apply(&[down(LinkRole::Primary), down(LinkRole::Secondary)]).unwrap();
    assert!(matches!(ask(&lost, "vm", "192.0.2.9").disposition(), Disposition::Egress(Egress::Internet(_))));
}

/// Row 26 (ENC-1, ENC-2): a circuit is not encrypted; IPsec or a pair of firewalls over it is.
#[test]
fn seed_26_encryption_is_an_overlay() {
    let mut document = document(ONE_CIRCUIT);
    let clear = network(document.clone());
    assert!(!ask(&clear, "vm", "10.50.1.1").paths().any(|path| path.is_encrypted()));

    document.virtual_networks[0]
        .subnets
        .push(azroute::model::Subnet::new("nva", "10.20.9.0/24".parse().unwrap()));
    let mut nic = azroute::model::NetworkInterface::new("fw-nic", "vnet/subnets/nva", ip("10.20.9.4"));
    nic.enable_ip_forwarding = true;
    document.upsert(nic);
    document.upsert(NetworkVirtualAppliance::new("fw", ["fw-nic".into()]));
    document.upsert(OverlayTunnel {
        id: "tunnel".into(),
        a: TunnelEnd { node: "fw".into(), prefixes: vec!["10.20.0.0/24".parse().unwrap()] },
        b: TunnelEnd { node: "dc/routers/ce-1".into(), prefixes: vec!["10.50.0.0/16".parse().unwrap()] },
        encrypted: true,
    });
    let mut table = azroute::model::RouteTable::new("rt");
    table.routes.push(azroute::model::UserDefinedRoute::to_appliance("dc", "10.50.0.0/16", ip("10.20.9.4")));
    document.upsert(table);
    document.virtual_networks[0].subnets[1].route_table = Some("rt".into());
    let answer = ask(&network(document), "vm", "10.50.1.1");
    assert_eq!(answer.disposition().kind(), DispositionKind::OnPremises, "{answer}");
    assert!(passes(&answer, "fw"), "{answer}");
    assert!(answer.hops().any(|hop| hop.via == Some("tunnel".into()) && hop.encrypted), "{answer}");
}

/// Row 27: who defines security policy, customer or provider, has no routing effect: free text of a tenant.
#[test]
fn seed_27_who_decides_is_metadata() {
    let plain = connect_through();
    let mut described = plain.clone();
    described
        .upsert(Tenant { name: "red".to_owned(), description: "policy is set by the provider".to_owned() });
    assert_ne!(plain, described);
    let (plain, described) = (network(plain), network(described));
    assert_eq!(ask(&plain, "vm-red", "10.50.1.1"), ask(&described, "vm-red", "10.50.1.1"));
    assert_eq!(ask(&plain, "vm-red", "10.50.1.1").knobs(), &Knobs::default());
}
