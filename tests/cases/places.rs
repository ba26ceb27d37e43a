//! Where things stand: the names that a case uses for positions, and the subnets they mean.

use std::net::IpAddr;

use azroute::model::ResourceId;
use ipnet::IpNet;

/// A subnet to be: given, or made up because the case needs one.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) vnet: String,
    pub(crate) name: String,
    pub(crate) prefix: Option<IpNet>,
    /// Addresses that stand in it.
    pub(crate) addresses: Vec<IpAddr>,
    /// Made up here.
    pub(crate) invented: bool,
    /// Made up for hosts, or given and not special: a machine may stand in it.
    pub(crate) for_hosts: bool,
    /// The route table the case names for it.
    pub(crate) table: Option<String>,
}

impl Spot {
    pub(crate) fn is_special(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        ["gatewaysubnet", "routeserversubnet", "azurefirewallsubnet", "azurebastionsubnet"].contains(&&*name)
    }
}

/// An interface to be.
#[derive(Clone, Debug)]
pub(crate) struct Station {
    pub(crate) name: String,
    pub(crate) spot: usize,
    pub(crate) address: Option<IpAddr>,
    pub(crate) is_appliance: bool,
}

/// A place that a case names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Position {
    /// In Azure: the subnet, and the interface where one is meant.
    Azure { spot: usize, station: Option<usize> },
    /// Outside Azure, or a gateway: a resource that may start a packet.
    Other(ResourceId),
}

/// The places of one case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub(crate) vnets: Vec<String>,
    pub(crate) spots: Vec<Spot>,
    pub(crate) stations: Vec<Station>,
    /// Sites, routers, gateways, circuits and hubs by name.
    pub(crate) others: Vec<(String, ResourceId)>,
}

fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Text without what stands in parentheses.
pub(crate) fn bare(text: &str) -> String {
    let mut depth = 0;
    let kept: String = text
        .chars()
        .filter(|c| {
            match c {
                '(' => depth += 1,
                ')' => {
                    depth -= 1;
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Places {
    /// The subnet that a machine of this network stands in where the case does not say.
    pub(crate) fn default_spot(&self, vnet: &str) -> Option<usize> {
        let of = |i: &usize| same(&self.spots[*i].vnet, vnet);
        let hosts = |i: &usize| of(i) && self.spots[*i].for_hosts;
        let mut all = (0..self.spots.len()).filter(hosts);
        let with_machine = (0..self.spots.len())
            .filter(hosts)
            .find(|i| self.stations.iter().any(|s| s.spot == *i && !s.is_appliance));
        with_machine.or_else(|| all.next())
    }

    fn station(&self, name: &str, vnet: Option<&str>) -> Option<Position> {
        let found = self
            .stations
            .iter()
            .position(|s| same(&s.name, name) && vnet.is_none_or(|v| same(&self.spots[s.spot].vnet, v)))?;
        Some(Position::Azure { spot: self.stations[found].spot, station: Some(found) })
    }

    fn spot(&self, name: &str, vnet: Option<&str>) -> Option<Position> {
        let spot = self
            .spots
            .iter()
            .position(|s| same(&s.name, name) && vnet.is_none_or(|v| same(&s.vnet, v)) && !s.invented)?;
        Some(Position::Azure { spot, station: None })
    }

    fn vnet(&self, name: &str) -> Option<&str> {
        self.vnets.iter().find(|v| same(v, name)).map(String::as_str)
    }

    fn in_vnet(&self, name: &str) -> Option<Position> {
        let vnet = self.vnet(name)?;
        Some(Position::Azure { spot: self.default_spot(vnet)?, station: None })
    }

    fn exact(&self, text: &str) -> Option<Position> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return self.at_address(ip);
        }
        self.station(text, None)
            .or_else(|| self.spot(text, None))
            .or_else(|| self.in_vnet(text))
            .or_else(|| self.other(text).map(Position::Other))
    }

    /// A site, router, gateway, circuit or hub.
    pub(crate) fn other(&self, name: &str) -> Option<ResourceId> {
        self.others.iter().find(|(n, _)| same(n, name)).map(|(_, id)| id.clone())
    }

    /// Where this address stands: its interface, or the subnet that holds it.
    pub(crate) fn at_address(&self, ip: IpAddr) -> Option<Position> {
        if let Some(i) = self.stations.iter().position(|s| s.address == Some(ip)) {
            return Some(Position::Azure { spot: self.stations[i].spot, station: Some(i) });
        }
        let spot = self.spots.iter().position(|s| s.prefix.is_some_and(|p| p.contains(&ip)))?;
        Some(Position::Azure { spot, station: None })
    }

    /// The place that a case means by `text`.
    pub(crate) fn find(&self, text: &str) -> Option<Position> {
        let text = bare(text);
        if let Some(found) = self.exact(&text) {
            return Some(found);
        }
        let lower = text.to_ascii_lowercase();
        // "X in V", "X in V S".
        if let Some((what, place)) = lower.split_once(" in ")
            && let Some(found) = self.find_in(what, place)
        {
            return Some(found);
        }
        for prefix in ["a ", "the ", "any ", "each ", "nic of ", "nics of ", "vm of "] {
            if let Some(rest) = lower.strip_prefix(prefix)
                && let Some(found) = self.find(rest)
            {
                return Some(found);
            }
        }
        for suffix in [" outside nic", " inside nic", " nic", " nics", " vm", " vms", " subnet", "vm"] {
            if let Some(rest) = lower.strip_suffix(suffix) {
                let rest = rest.trim_end_matches(['-', ' ']);
                if let Some(found) = (!rest.is_empty()).then(|| self.find(rest)).flatten() {
                    return Some(found);
                }
            }
        }
        // "<network>-<machine>".
        for vnet in &self.vnets {
            let stem = vnet.to_ascii_lowercase();
            if let Some(rest) = lower.strip_prefix(&stem)
                && rest.starts_with(['-', ' ', '/'])
            {
                let name = rest.trim_start_matches(['-', ' ', '/']);
                return self
                    .station(name, Some(vnet))
                    .or_else(|| self.spot(name, Some(vnet)))
                    .or_else(|| self.in_vnet(vnet));
            }
        }
        // "testvm2" of "testvnet2".
        let renamed = lower.replace("vm", "vnet");
        (renamed != lower).then(|| self.in_vnet(&renamed)).flatten().or_else(|| self.only(&lower))
    }

    fn find_in(&self, what: &str, place: &str) -> Option<Position> {
        let what = what.trim_end_matches(" nics").trim_end_matches(" nic");
        if let Some(vnet) = self.vnet(place) {
            return self.station(what, Some(vnet)).or_else(|| self.in_vnet(vnet));
        }
        if let Some((vnet, subnet)) = place.split_once(' ')
            && let Some(vnet) = self.vnet(vnet)
        {
            return self.station(what, Some(vnet)).or_else(|| self.spot(subnet, Some(vnet)));
        }
        self.spot(place, None)
    }

    /// "VM", "VNet", "NVA": the only one there is.
    fn only(&self, what: &str) -> Option<Position> {
        match what {
            "vm" | "vnet" | "vnet vm" | "subnet" | "nic" | "nic of the subnet" | "workload" => {
                let mut spots = (0..self.spots.len()).filter(|i| self.spots[*i].for_hosts);
                let first = spots.next()?;
                let one_network = self.spots.iter().all(|s| same(&s.vnet, &self.spots[first].vnet));
                let best = self.default_spot(&self.spots[first].vnet)?;
                one_network.then_some(Position::Azure { spot: best, station: None })
            }
            "on-prem" | "on-premises" | "on-prem server" | "on-prem host" | "on-premises host" | "branch"
            | "site" => {
                let mut sites = self.others.iter().filter(|(_, id)| id.as_str().starts_with("sites/"));
                let first = sites.next()?;
                sites.all(|other| other.1 == first.1).then(|| Position::Other(first.1.clone()))
            }
            "nva" | "appliance" => {
                let mut found = (0..self.stations.len()).filter(|i| self.stations[*i].is_appliance);
                let first = found.next()?;
                let spot = self.stations[first].spot;
                found.next().is_none().then_some(Position::Azure { spot, station: Some(first) })
            }
            _ => None,
        }
    }

    /// The subnets that `associated_with` means.
    pub(crate) fn bound(&self, text: &str) -> Vec<usize> {
        let text = bare(text).to_ascii_lowercase();
        let usual = |i: &usize| self.spots[*i].for_hosts || !self.spots[*i].is_special();
        let all = 0..self.spots.len();
        if ["each subnet", "all subnets", "every subnet"].contains(&&*text) {
            return all.filter(usual).collect();
        }
        if let Some(part) = text.strip_prefix("all ").and_then(|t| t.strip_suffix(" subnets")) {
            let of = |i: &usize| self.spots[*i].vnet.to_ascii_lowercase().contains(part);
            return all.filter(|i| usual(i) && of(i)).collect();
        }
        if text == "gatewaysubnet" {
            return all.filter(|i| same(&self.spots[*i].name, "GatewaySubnet")).collect();
        }
        if let Some((subnet, vnet)) = text.rsplit_once(" of ") {
            let subnet = subnet.trim_start_matches("subnet ");
            if let Some(vnet) = self.vnet(vnet) {
                let named =
                    all.filter(|i| same(&self.spots[*i].vnet, vnet) && same(&self.spots[*i].name, subnet));
                return named.collect();
            }
            if subnet == "subnet" {
                return self.spot_of(vnet);
            }
        }
        self.spot_of(&text)
    }

    fn spot_of(&self, text: &str) -> Vec<usize> {
        match self.find(text) {
            Some(Position::Azure { spot, .. }) => vec![spot],
            _ => Vec::new(),
        }
    }

    /// Gives every subnet a prefix: around its addresses, or from what is free of its network's space.
    pub(crate) fn allocate(&mut self, spaces: &dyn Fn(&str) -> Vec<IpNet>) {
        let reserved: Vec<IpAddr> = self.spots.iter().flat_map(|s| s.addresses.clone()).collect();
        for i in 0..self.spots.len() {
            if self.spots[i].prefix.is_some() || self.spots[i].addresses.is_empty() {
                continue;
            }
            let spot = &self.spots[i];
            let Some(first) = spot.addresses.first().copied() else { continue };
            let lens: Vec<u8> =
                if first.is_ipv4() { (24..=32).rev().collect() } else { (64..=128).rev().collect() };
            // The widest block that holds all of its addresses and nobody else's.
            let mut best = None;
            for len in lens {
                let Ok(block) = IpNet::new(first, len) else { continue };
                let block = block.trunc();
                let holds_all = spot.addresses.iter().all(|ip| block.contains(ip));
                let others = reserved.iter().any(|ip| block.contains(ip) && !spot.addresses.contains(ip));
                let inside = spaces(&spot.vnet).iter().any(|space| space.contains(&block));
                if holds_all
                    && inside
                    && !others
                    && !self.taken(i, &block)
                    && len >= if first.is_ipv4() { 28 } else { 64 }
                {
                    best = Some(block);
                }
            }
            // Where a /28 does not hold them all, the narrowest wider one that does.
            if best.is_none() {
                best = (8..28).rev().filter_map(|len| IpNet::new(first, len).ok()).map(|b| b.trunc()).find(
                    |block| {
                        spot.addresses.iter().all(|ip| block.contains(ip))
                            && spaces(&spot.vnet).iter().any(|space| space.contains(block))
                            && !self.taken(i, block)
                    },
                );
            }
            self.spots[i].prefix = best;
        }
        for i in 0..self.spots.len() {
            if self.spots[i].prefix.is_some() || !self.spots[i].addresses.is_empty() {
                continue;
            }
            self.spots[i].prefix = self.free(i, &spaces(&self.spots[i].vnet), &reserved);
        }
    }

    fn taken(&self, me: usize, block: &IpNet) -> bool {
        self.spots.iter().enumerate().any(|(i, other)| {
            i != me
                && same(&other.vnet, &self.spots[me].vnet)
                && other.prefix.is_some_and(|p| p.contains(block) || block.contains(&p))
        })
    }

    fn free(&self, me: usize, spaces: &[IpNet], reserved: &[IpAddr]) -> Option<IpNet> {
        for space in spaces {
            let lens = if space.addr().is_ipv4() { [26, 27, 28, 29] } else { [64, 64, 64, 64] };
            for len in lens {
                let len = u8::max(len, space.prefix_len());
                let Ok(blocks) = space.subnets(len) else { continue };
                for block in blocks.take(4096) {
                    if !self.taken(me, &block) && !reserved.iter().any(|ip| block.contains(ip)) {
                        return Some(block);
                    }
                }
            }
        }
        None
    }

    /// The subnet's id.
    pub(crate) fn subnet_id(&self, spot: usize) -> ResourceId {
        vnet_id(&self.spots[spot].vnet).child("subnets", &self.spots[spot].name)
    }

    /// The interface's id.
    pub(crate) fn station_id(&self, station: usize) -> ResourceId {
        let station = &self.stations[station];
        id("networkInterfaces", &format!("{} in {}", station.name, self.spots[station.spot].vnet))
    }
}

/// An id that two kinds of resource of one name do not share.
pub(crate) fn id(kind: &str, name: &str) -> ResourceId {
    ResourceId::new(format!("{kind}/{}", name.replace('/', "-")))
}

pub(crate) fn vnet_id(name: &str) -> ResourceId {
    id("virtualNetworks", name)
}

/// A host of this prefix: the `n`th after those that Azure keeps.
pub(crate) fn host(prefix: IpNet, n: u32) -> IpAddr {
    let offset = if prefix.prefix_len() + 3 <= prefix.max_prefix_len() { 4 + n } else { 0 };
    match prefix.network() {
        IpAddr::V4(ip) => IpAddr::V4(u32::from(ip).wrapping_add(offset).into()),
        IpAddr::V6(ip) => IpAddr::V6(u128::from(ip).wrapping_add(u128::from(offset)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        let spot = |vnet: &str, name: &str, prefix: &str, for_hosts| Spot {
            vnet: vnet.to_owned(),
            name: name.to_owned(),
            prefix: prefix.parse().ok(),
            addresses: Vec::new(),
            invented: false,
            for_hosts,
            table: None,
        };
        Places {
            vnets: vec!["hub".to_owned(), "spoke1".to_owned()],
            spots: vec![
                spot("hub", "GatewaySubnet", "10.0.0.0/27", false),
                spot("hub", "apps", "10.0.1.0/24", true),
                spot("spoke1", "web", "", true),
            ],
            stations: vec![Station {
                name: "fw".to_owned(),
                spot: 1,
                address: "10.0.1.4".parse().ok(),
                is_appliance: true,
            }],
            others: vec![("London".to_owned(), ResourceId::new("sites/London"))],
        }
    }

    #[test]
    fn the_words_for_positions() {
        let places = places();
        let spot = |text: &str| match places.find(text) {
            Some(Position::Azure { spot, station }) => Some((spot, station)),
            _ => None,
        };
        assert_eq!(spot("VM in apps"), Some((1, None)));
        assert_eq!(spot("hub VM"), Some((1, None)));
        assert_eq!(spot("FW NIC in hub"), Some((1, Some(0))));
        assert_eq!(spot("10.0.1.4"), Some((1, Some(0))));
        assert_eq!(spot("10.0.1.9"), Some((1, None)));
        assert_eq!(spot("vm7 in spoke1 web"), Some((2, None)));
        assert_eq!(spot("Spoke1VM"), Some((2, None)));
        assert_eq!(spot("spoke1-vm3"), Some((2, None)));
        assert_eq!(spot("NVA NIC"), Some((1, Some(0))));
        assert_eq!(spot("elsewhere"), None);
        assert_eq!(places.find("London"), Some(Position::Other("sites/London".into())));
        assert_eq!(places.bound("GatewaySubnet of hub"), [0]);
        assert_eq!(places.bound("subnet of fw"), [1]);
        assert_eq!(places.bound("each subnet"), [1, 2]);
    }

    #[test]
    fn made_up_subnets_do_not_collide() {
        let mut places = places();
        places.allocate(&|_| vec!["10.0.0.0/16".parse().unwrap()]);
        assert_eq!(places.spots[2].prefix, "10.0.0.0/26".parse().ok());
        let mut again = self::places();
        again.spots[2].vnet = "hub".to_owned();
        again.allocate(&|_| vec!["10.0.0.0/16".parse().unwrap()]);
        assert_eq!(again.spots[2].prefix, "10.0.0.64/26".parse().ok());
    }
}
