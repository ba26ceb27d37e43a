//! The oracle: what the rules say, computed slowly and obviously.
//!
//! Everything here is a linear scan over the [`Document`]: no index, no trie, no cache, no code of the stages that it
//! checks. It imports the model and nothing else ([`bgp`] also the policies). Each step names the rule it carries out; where the rules leave a
//! choice, the choice is written beside it with the word "Choice".
//!
//! [`effective_rows`] is the reference algorithm of section 8, [`next_hop`] looks an address up in its rows, and
//! [`walk`] follows a packet from table to table. [`customer_edges`] is Microsoft's choice among the ways to a customer.

pub mod bgp;
mod edge;
mod gateways;
mod propagation;
mod walk;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::{
    AddressPrefix, BgpShadow, Document, EffectiveNextHopType, EffectiveRouteRow, Era, PeeringState,
    ResourceId, RouteNextHopType, RouteSource, RouteState, RouteTable, SePrecedence, Subnet, VirtualNetwork,
    VirtualNetworkPeering,
};

pub use edge::customer_edges;
pub use gateways::{GatewayKind, GatewayMember, gateway_members};
pub use walk::walk;

/// The rows that Azure would print for a subnet, Active and Invalid, sorted; absent ones are left out. `None` where the
/// document has no such subnet.
pub fn effective_rows(document: &Document, subnet: &ResourceId) -> Option<Vec<EffectiveRouteRow>> {
    let (vnet, subnet) = find_subnet(document, subnet)?;
    let mut rows: Vec<EffectiveRouteRow> = settle(document, vnet, candidates(document, vnet, subnet))
        .into_iter()
        .map(|row| EffectiveRouteRow {
            prefix: row.prefix,
            source: row.source,
            state: if row.active { RouteState::Active } else { RouteState::Invalid },
            next_hop_type: row.hop,
            next_hop_ip_addresses: row.addresses,
            name: row.name,
        })
        .collect();
    rows.sort();
    rows.dedup();
    Some(rows)
}

/// The row that decides for an address, as its prefix and next hop type: longest match over the Active rows, service
/// endpoints first where nothing beats them (SE-4). `None` where the document has no such subnet.
///
/// Two answers have no prefix: a host address of the platform, given as `VnetLocal` (SYS-14; see
/// [`is_platform_host`]), and an address that no row covers, given as `None` (SEL-13).
pub fn next_hop(
    document: &Document,
    subnet: &ResourceId,
    dst: IpAddr,
) -> Option<(Option<IpNet>, EffectiveNextHopType)> {
    let rows = effective_rows(document, subnet)?;
    if is_platform_host(dst) {
        return Some((None, EffectiveNextHopType::VnetLocal));
    }
    Some(match look_up(document, &rows, dst) {
        Some(row) => (Some(row.prefix), row.next_hop_type),
        None => (None, EffectiveNextHopType::None),
    })
}

/// The row that decides for an address (SEL-2, SE-4).
fn look_up<'a>(
    document: &Document,
    rows: &'a [EffectiveRouteRow],
    dst: IpAddr,
) -> Option<&'a EffectiveRouteRow> {
    let longest = |only_endpoints: bool| {
        let mut best: Option<&EffectiveRouteRow> = None;
        for row in rows {
            if row.state != RouteState::Active || !row.prefix.contains(&dst) {
                continue;
            }
            if only_endpoints && row.next_hop_type != EffectiveNextHopType::VirtualNetworkServiceEndpoint {
                continue;
            }
            if best.is_none_or(|b| row.prefix.prefix_len() > b.prefix.prefix_len()) {
                best = Some(row);
            }
        }
        best
    };
    if document.knobs.se_precedence == SePrecedence::Documented
        && let Some(row) = longest(true)
    {
        return Some(row);
    }
    longest(false)
}

/// Whether the host answers an address before any table is asked (SYS-14).
pub fn is_platform_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets() == [168, 63, 129, 16] || v4.octets() == [169, 254, 169, 254],
        IpAddr::V6(_) => false,
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Finding things.

fn find_vnet<'a>(document: &'a Document, id: &ResourceId) -> Option<&'a VirtualNetwork> {
    document.virtual_networks.iter().find(|v| v.id == *id)
}

fn find_subnet<'a>(document: &'a Document, id: &ResourceId) -> Option<(&'a VirtualNetwork, &'a Subnet)> {
    for vnet in &document.virtual_networks {
        for subnet in &vnet.subnets {
            if vnet.subnet_id(&subnet.name) == *id {
                return Some((vnet, subnet));
            }
        }
    }
    None
}

/// The route table that acts on a subnet (UDR-1); on `GatewaySubnet` only since mid-2016 (UDR-12).
fn bound_table<'a>(document: &'a Document, subnet: &Subnet) -> Option<&'a RouteTable> {
    let era = Era(document.as_of);
    if subnet.name.eq_ignore_ascii_case("GatewaySubnet") && !era.gateway_subnet_route_tables() {
        return None;
    }
    let id = subnet.route_table.as_ref()?;
    document.route_tables.iter().find(|t| t.id == *id)
}

/// Whether `inner` is `outer` or lies inside it.
fn within(inner: &IpNet, outer: &IpNet) -> bool {
    outer.addr().is_ipv4() == inner.addr().is_ipv4()
        && outer.prefix_len() <= inner.prefix_len()
        && outer.contains(&inner.network())
}

fn host_prefix(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

fn is_default_route(prefix: &IpNet) -> bool {
    prefix.prefix_len() == 0
}

/// Region names agree without regard to case and blanks. Choice: a region that is not stated is the same region.
fn same_region(a: Option<&str>, b: Option<&str>) -> bool {
    let fold = |s: &str| -> String {
        s.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect()
    };
    match (a, b) {
        (Some(a), Some(b)) => fold(a) == fold(b),
        _ => true,
    }
}

/// Whether a half of a peering is connected: both halves must be (PEER-1).
fn peering_is_connected(document: &Document, owner: &VirtualNetwork, half: &VirtualNetworkPeering) -> bool {
    let up = |half: &VirtualNetworkPeering| {
        half.peering_state.is_none() || half.peering_state == Some(PeeringState::Connected)
    };
    if !up(half) {
        return false;
    }
    match find_vnet(document, &half.remote_virtual_network) {
        None => true,
        Some(remote) => reverse_half(remote, owner).is_some_and(up),
    }
}

/// The half that `remote` owns and that points at `owner`.
fn reverse_half<'a>(remote: &'a VirtualNetwork, owner: &VirtualNetwork) -> Option<&'a VirtualNetworkPeering> {
    remote.peerings.iter().find(|p| p.remote_virtual_network == owner.id)
}

/// The prefixes that a half of a peering routes: the far space as last synced, else the far network's own; with subnet
/// peering the listed far subnets (PEER-15).
fn peered_space(document: &Document, half: &VirtualNetworkPeering) -> Vec<IpNet> {
    let remote = find_vnet(document, &half.remote_virtual_network);
    let mut prefixes = Vec::new();
    if half.peer_complete_vnets {
        if !half.remote_address_space.is_empty() {
            prefixes.extend(half.remote_address_space.iter().map(IpNet::trunc));
        } else if let Some(remote) = remote {
            prefixes.extend(remote.address_space.iter().map(IpNet::trunc));
        }
    } else if let Some(remote) = remote {
        for subnet in &remote.subnets {
            if half.remote_subnet_names.iter().any(|name| name.eq_ignore_ascii_case(&subnet.name)) {
                prefixes.extend(subnet.address_prefixes.iter().map(IpNet::trunc));
            }
        }
    }
    if half.enable_only_ipv6_peering {
        prefixes.retain(|p| p.addr().is_ipv6());
    }
    prefixes
}

/// The connected halves that a network owns.
fn connected_halves<'a>(document: &Document, vnet: &'a VirtualNetwork) -> Vec<&'a VirtualNetworkPeering> {
    vnet.peerings.iter().filter(|half| peering_is_connected(document, vnet, half)).collect()
}

/// The prefixes of a service tag, by name without case.
fn tag_prefixes(document: &Document, name: &str) -> Vec<IpNet> {
    let mut prefixes = Vec::new();
    for tag in &document.service_tags {
        if tag.name.eq_ignore_ascii_case(name) {
            prefixes.extend(tag.address_prefixes.iter().map(IpNet::trunc));
        }
    }
    prefixes
}

// ---------------------------------------------------------------------------------------------------------------------
// Candidates.

/// A route before and after the contest.
#[derive(Clone, Debug)]
struct Row {
    prefix: IpNet,
    source: RouteSource,
    hop: EffectiveNextHopType,
    addresses: Vec<IpAddr>,
    name: Option<String>,
    /// UDR-11: lower wins among user routes of one prefix.
    tag_rank: (u8, String),
    /// Whether it may win at all (SEL-5, SEL-8).
    eligible: bool,
    active: bool,
}

impl Row {
    fn system(prefix: IpNet, hop: EffectiveNextHopType) -> Self {
        Self {
            prefix,
            source: RouteSource::Default,
            hop,
            addresses: Vec::new(),
            name: None,
            tag_rank: (0, String::new()),
            eligible: true,
            active: true,
        }
    }

    fn is_system_none(&self) -> bool {
        self.source == RouteSource::Default && self.hop == EffectiveNextHopType::None
    }

    fn is_gateway(&self) -> bool {
        self.source == RouteSource::VirtualNetworkGateway
    }

    fn is_user(&self) -> bool {
        self.source == RouteSource::User
    }

    /// SEL-5: rows of the network, of its peers, and of service endpoints.
    fn is_protected(&self, precedence: SePrecedence) -> bool {
        self.source == RouteSource::Default
            && match self.hop {
                EffectiveNextHopType::VnetLocal
                | EffectiveNextHopType::VNetPeering
                | EffectiveNextHopType::VNetGlobalPeering
                | EffectiveNextHopType::ConnectedGroup => true,
                EffectiveNextHopType::VirtualNetworkServiceEndpoint => precedence == SePrecedence::Documented,
                _ => false,
            }
    }

    /// The contest at one prefix: the highest class wins (SEL-4, SEL-5, SE-4).
    fn class(&self, precedence: SePrecedence) -> u8 {
        match (self.source, self.hop) {
            // SE-4: nothing beats a service endpoint, or everything but the platform's defaults does.
            (RouteSource::Default, EffectiveNextHopType::VirtualNetworkServiceEndpoint) => match precedence {
                SePrecedence::Documented => 9,
                SePrecedence::LabObserved => 3,
            },
            (RouteSource::User, _) => 8,
            (RouteSource::Default, EffectiveNextHopType::VnetLocal) => 7,
            (
                RouteSource::Default,
                EffectiveNextHopType::VNetPeering | EffectiveNextHopType::VNetGlobalPeering,
            ) => 6,
            (RouteSource::Default, EffectiveNextHopType::ConnectedGroup) => 5,
            (RouteSource::VirtualNetworkGateway, _) => 4,
            (RouteSource::Default, EffectiveNextHopType::InterfaceEndpoint) => 2,
            _ => 1,
        }
    }
}

/// Every route that is offered to a subnet, before any of them beats another.
fn candidates(document: &Document, vnet: &VirtualNetwork, subnet: &Subnet) -> Vec<Row> {
    let table = bound_table(document, subnet);
    let mut rows = system_rows(document, vnet);
    let hide_peers = table.is_some_and(|t| t.disable_peering_route);
    if !hide_peers {
        // PEER-13 takes peering rows away; what the mesh and a virtual hub give is not a peering object's. Choice.
        rows.extend(peering_rows(document, vnet));
    }
    for row in connected_group_rows(document, vnet) {
        // PEER-14: for one prefix the peering row is kept.
        if !rows.iter().any(|r| r.prefix == row.prefix && is_peering(r.hop)) {
            rows.push(row);
        }
    }
    rows.extend(gateways::hub_prefix_row(document, vnet));
    rows.extend(service_endpoint_rows(document, subnet));
    rows.extend(private_endpoint_rows(document, vnet));
    if !table.is_some_and(|t| t.disable_bgp_route_propagation) {
        // UDR-15 removes all of them alike.
        rows.extend(gateway_rows(document, vnet, hide_peers));
    }
    if let Some(table) = table {
        rows.extend(user_rows(document, vnet, table));
    }
    // V6-5: a network without IPv6 space has no IPv6 rows of any kind. Choice: this holds for user rows as well.
    if !has_ipv6(vnet) {
        rows.retain(|r| r.prefix.addr().is_ipv4());
    }
    rows
}

fn has_ipv6(vnet: &VirtualNetwork) -> bool {
    vnet.address_space.iter().any(|p| p.addr().is_ipv6())
}

fn is_peering(hop: EffectiveNextHopType) -> bool {
    matches!(hop, EffectiveNextHopType::VNetPeering | EffectiveNextHopType::VNetGlobalPeering)
}

/// SYS-1 to SYS-6, V6-2.
fn system_rows(document: &Document, vnet: &VirtualNetwork) -> Vec<Row> {
    let mut rows = Vec::new();
    for prefix in &vnet.address_space {
        rows.push(Row::system(prefix.trunc(), EffectiveNextHopType::VnetLocal));
    }
    let everything = |v6: bool| {
        if v6 { IpNet::V6(ipnet::Ipv6Net::default()) } else { IpNet::V4(ipnet::Ipv4Net::default()) }
    };
    rows.push(Row::system(everything(false), EffectiveNextHopType::Internet));
    if has_ipv6(vnet) {
        rows.push(Row::system(everything(true), EffectiveNextHopType::Internet));
    }
    let profile = document.knobs.none_profile.unwrap_or_else(|| Era(document.as_of).none_profile());
    for reserved in profile.prefixes() {
        let reserved = IpNet::V4(*reserved);
        // SYS-6: equal to or inside the network's own prefix, the reserved row is not there.
        if !vnet.address_space.iter().any(|own| within(&reserved, own)) {
            rows.push(Row::system(reserved, EffectiveNextHopType::None));
        }
    }
    rows
}

/// PEER-1, PEER-2, PEER-15.
fn peering_rows(document: &Document, vnet: &VirtualNetwork) -> Vec<Row> {
    let mut rows = Vec::new();
    for half in connected_halves(document, vnet) {
        let remote = find_vnet(document, &half.remote_virtual_network);
        let far_region = remote.and_then(|r| r.location.as_deref());
        let hop = if same_region(vnet.location.as_deref(), far_region) {
            EffectiveNextHopType::VNetPeering
        } else {
            EffectiveNextHopType::VNetGlobalPeering
        };
        for prefix in peered_space(document, half) {
            rows.push(Row::system(prefix, hop));
        }
    }
    rows
}

/// PEER-14: the spaces of the other members of the mesh. Choice: members of one group whatever their tenant.
fn connected_group_rows(document: &Document, vnet: &VirtualNetwork) -> Vec<Row> {
    let Some(group) = &vnet.connected_group else { return Vec::new() };
    let mut rows = Vec::new();
    for member in &document.virtual_networks {
        let together = member.connected_group.as_ref().is_some_and(|g| g.eq_ignore_ascii_case(group));
        if together && member.id != vnet.id {
            for prefix in &member.address_space {
                rows.push(Row::system(prefix.trunc(), EffectiveNextHopType::ConnectedGroup));
            }
        }
    }
    rows
}

/// SE-1, SE-7, V6-6.
fn service_endpoint_rows(document: &Document, subnet: &Subnet) -> Vec<Row> {
    let mut prefixes: Vec<IpNet> = Vec::new();
    for endpoint in &subnet.service_endpoints {
        if !endpoint.prefixes.is_empty() {
            prefixes.extend(endpoint.prefixes.iter().map(IpNet::trunc));
            continue;
        }
        let service = endpoint.service.rsplit('.').next().unwrap_or(&endpoint.service);
        if endpoint.locations.is_empty() || endpoint.locations.iter().any(|l| l == "*") {
            prefixes.extend(tag_prefixes(document, service));
        } else {
            for location in &endpoint.locations {
                let region: String = location.chars().filter(|c| !c.is_whitespace()).collect();
                prefixes.extend(tag_prefixes(document, &format!("{service}.{region}")));
            }
        }
    }
    prefixes.retain(|p| p.addr().is_ipv4());
    prefixes.sort();
    prefixes.dedup();
    prefixes
        .into_iter()
        .map(|p| Row::system(p, EffectiveNextHopType::VirtualNetworkServiceEndpoint))
        .collect()
}

/// The addresses of a private endpoint: stated, else those of its interfaces.
fn endpoint_addresses(document: &Document, endpoint: &crate::model::PrivateEndpoint) -> Vec<IpAddr> {
    if !endpoint.private_ip_addresses.is_empty() {
        return endpoint.private_ip_addresses.clone();
    }
    let mut addresses = Vec::new();
    for nic in &document.network_interfaces {
        if endpoint.network_interfaces.contains(&nic.id)
            || nic.private_endpoint.as_ref() == Some(&endpoint.id)
        {
            addresses.extend(nic.ip_configurations.iter().filter_map(|c| c.private_ip_address));
        }
    }
    addresses
}

/// PE-1, PE-2: host rows in the endpoint's own network and in those directly peered with it.
fn private_endpoint_rows(document: &Document, vnet: &VirtualNetwork) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for endpoint in &document.private_endpoints {
        let Some((home, _)) = find_subnet(document, &endpoint.subnet) else { continue };
        for address in endpoint_addresses(document, endpoint) {
            let here = home.id == vnet.id
                || connected_halves(document, vnet).iter().any(|half| {
                    half.remote_virtual_network == home.id
                        // Choice: a partial peering carries the host row of an endpoint that it reaches.
                        && (half.peer_complete_vnets && !half.enable_only_ipv6_peering
                            || peered_space(document, half).iter().any(|p| p.contains(&address)))
                });
            let row = Row::system(host_prefix(address), EffectiveNextHopType::InterfaceEndpoint);
            if here && !rows.iter().any(|r| r.prefix == row.prefix) {
                rows.push(row);
            }
        }
    }
    rows
}

/// GWR-1, GWR-2 with the filter of SEL-6.
fn gateway_rows(document: &Document, vnet: &VirtualNetwork, hide_peers: bool) -> Vec<Row> {
    let mut near: Vec<IpNet> = Vec::new();
    if !hide_peers {
        // SEL-8: peers hidden by PEER-13 do not count.
        for half in connected_halves(document, vnet) {
            near.extend(peered_space(document, half));
        }
    }
    near.extend(connected_group_rows(document, vnet).into_iter().map(|r| r.prefix));
    near.extend(gateways::hub_prefix_row(document, vnet).map(|r| r.prefix));
    near.extend(vnet.address_space.iter().map(IpNet::trunc));
    let by_space = document.knobs.bgp_shadow == BgpShadow::ByAddressSpace;
    let mut rows = Vec::new();
    for route in gateways::offered(document, vnet) {
        // SEL-6: refused where it is equal to or inside the receiver's own or directly peered space: absent. Gateways,
        // Route Server and hubs alike; the hub's own prefix is a protected row too (VWAN-2).
        if by_space && near.iter().any(|space| within(&route.prefix, space)) {
            continue;
        }
        rows.push(Row {
            prefix: route.prefix,
            source: RouteSource::VirtualNetworkGateway,
            hop: EffectiveNextHopType::VirtualNetworkGateway,
            addresses: route.addresses,
            ..Row::system(route.prefix, EffectiveNextHopType::VirtualNetworkGateway)
        });
    }
    rows
}

/// UDR-2, UDR-10, UDR-11, UDR-17.
fn user_rows(document: &Document, vnet: &VirtualNetwork, table: &RouteTable) -> Vec<Row> {
    let mut rows = Vec::new();
    for route in &table.routes {
        let (prefixes, tag_rank) = match &route.address_prefix {
            AddressPrefix::Cidr(prefix) => (vec![prefix.trunc()], (0, String::new())),
            AddressPrefix::ServiceTag(tag) => (tag_prefixes(document, tag), tag_order(tag)),
        };
        let hop = match route.next_hop_type {
            RouteNextHopType::VirtualNetworkGateway => EffectiveNextHopType::VirtualNetworkGateway,
            RouteNextHopType::VnetLocal => EffectiveNextHopType::VnetLocal,
            RouteNextHopType::Internet => EffectiveNextHopType::Internet,
            RouteNextHopType::VirtualAppliance | RouteNextHopType::VirtualApplianceEcmp => {
                EffectiveNextHopType::VirtualAppliance
            }
            RouteNextHopType::None => EffectiveNextHopType::None,
        };
        for prefix in prefixes {
            // V6-3: a tag holds both families, an appliance's address is of one. Choice: the other is left out.
            let family = |ip: &IpAddr| ip.is_ipv4() == prefix.addr().is_ipv4();
            if hop == EffectiveNextHopType::VirtualAppliance
                && !route.next_hop_ip_addresses.iter().all(family)
            {
                continue;
            }
            let mut addresses = match route.next_hop_type {
                // UDR-5, UDR-7, VOC-13. Choice: a user route to the gateway prints what the gateway's rows print.
                RouteNextHopType::VirtualNetworkGateway => gateways::designated_addresses(document, vnet),
                _ => route.next_hop_ip_addresses.clone(),
            };
            addresses.sort();
            addresses.dedup();
            rows.push(Row {
                source: RouteSource::User,
                addresses,
                name: Some(route.name.clone()),
                tag_rank: tag_rank.clone(),
                ..Row::system(prefix, hop)
            });
        }
    }
    rows
}

/// UDR-11: regional tag, global tag, `AzureCloud` of a region, `AzureCloud`. Choice: two tags of one kind by name.
fn tag_order(tag: &str) -> (u8, String) {
    let tag = tag.to_ascii_lowercase();
    let rank = match (tag.starts_with("azurecloud"), tag.contains('.')) {
        (false, true) => 1,
        (false, false) => 2,
        (true, true) => 3,
        (true, false) => 4,
    };
    (rank, tag)
}

// ---------------------------------------------------------------------------------------------------------------------
// The contest.

/// The reference algorithm of section 8, from candidates to rows.
fn settle(document: &Document, vnet: &VirtualNetwork, mut rows: Vec<Row>) -> Vec<Row> {
    let precedence = document.knobs.se_precedence;

    // SEL-8, ByActiveRow: a gateway row inside a protected row that no user route beat may not win.
    if document.knobs.bgp_shadow == BgpShadow::ByActiveRow {
        let standing: Vec<IpNet> = rows
            .iter()
            .filter(|r| r.is_protected(precedence))
            .filter(|r| {
                !rows
                    .iter()
                    .any(|o| o.is_user() && o.prefix == r.prefix && o.class(precedence) > r.class(precedence))
            })
            .map(|r| r.prefix)
            .collect();
        for row in rows.iter_mut().filter(|r| r.is_gateway()) {
            row.eligible = !standing.iter().any(|p| within(&row.prefix, p));
        }
    }

    // SEL-3, SEL-4, SEL-5: at each prefix the highest class wins.
    let gateway_default = |v4: bool| {
        rows.iter().any(|r| r.is_gateway() && is_default_route(&r.prefix) && r.prefix.addr().is_ipv4() == v4)
    };
    let gateway_defaults = [gateway_default(true), gateway_default(false)];
    let contest = rows.clone();
    for row in &mut rows {
        let beaten = contest.iter().any(|other| {
            other.eligible
                && other.prefix == row.prefix
                && (other.class(precedence) > row.class(precedence)
                    || (other.is_user() && row.is_user() && other.tag_rank < row.tag_rank))
        });
        row.active = row.eligible && !beaten;
    }
    rows.retain(|row| {
        // SYS-7: a beaten None row is gone.
        if row.is_system_none() && !row.active {
            return false;
        }
        // SYS-11: the system default is gone where a gateway default stands, Active or not.
        let system_default = row.source == RouteSource::Default
            && row.hop == EffectiveNextHopType::Internet
            && is_default_route(&row.prefix);
        let at = usize::from(row.prefix.addr().is_ipv6());
        !(system_default && gateway_defaults.get(at).copied().unwrap_or(false))
    });

    private_endpoint_policies(document, vnet, &mut rows);

    // SYS-9, SYS-10.
    let private_space_follows = rows.iter().any(|r| {
        r.active
            && is_default_route(&r.prefix)
            && r.prefix.addr().is_ipv4()
            && (r.is_user() || r.is_gateway())
            && matches!(
                r.hop,
                EffectiveNextHopType::VirtualAppliance | EffectiveNextHopType::VirtualNetworkGateway
            )
    });
    if private_space_follows {
        rows.retain(|r| !r.is_system_none());
    }
    rows
}

/// PE-4, PE-5, PE-8: a user route at least as long as the endpoint network's prefix takes its host row out, where the
/// endpoint's subnet says that route tables apply.
fn private_endpoint_policies(document: &Document, vnet: &VirtualNetwork, rows: &mut [Row]) {
    if !Era(document.as_of).private_endpoint_policies() {
        return;
    }
    let user: Vec<IpNet> = rows.iter().filter(|r| r.is_user()).map(|r| r.prefix).collect();
    for row in rows.iter_mut().filter(|r| r.hop == EffectiveNextHopType::InterfaceEndpoint) {
        let address = row.prefix.addr();
        for endpoint in &document.private_endpoints {
            if !endpoint_addresses(document, endpoint).contains(&address) {
                continue;
            }
            let Some((home, subnet)) = find_subnet(document, &endpoint.subnet) else { continue };
            let near = home.id == vnet.id
                || connected_halves(document, vnet).iter().any(|p| p.remote_virtual_network == home.id);
            if !near || !subnet.private_endpoint_network_policies.route_tables_apply() {
                continue;
            }
            let Some(space) = home.address_space.iter().find(|p| p.contains(&address)) else { continue };
            if user.iter().any(|p| p.contains(&address) && p.prefix_len() >= space.prefix_len()) {
                row.active = false;
            }
        }
    }
}
