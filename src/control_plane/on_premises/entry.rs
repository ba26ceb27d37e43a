//! Where packets from Azure arrive outside it.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::LearnedOver;
use super::{Announcer, OnPremises, RouterIx};
use crate::model::{LinkRole, PeeringType, ResourceId};

impl OnPremises {
    /// Where packets from Azure arrive over one link of a circuit: its edge router, else the sites that advertise the
    /// longest prefix for the destination there.
    pub(crate) fn circuit_entry(
        &self,
        circuit: (usize, &ResourceId),
        peering: PeeringType,
        link: LinkRole,
        destination: IpAddr,
    ) -> Vec<RouterIx> {
        if let Some(routers) = self.session_edges.get(&LearnedOver::Circuit(circuit.0, peering, link)) {
            return routers.clone();
        }
        match self.edges.get(&(circuit.0, link)) {
            Some(routers) => routers.clone(),
            None => self.announcers(circuit.1, peering, Some(link), destination),
        }
    }

    /// Where packets from Azure arrive over a VPN connection.
    pub(crate) fn connection_entry(
        &self,
        connection: (usize, &ResourceId),
        peer: &ResourceId,
        destination: IpAddr,
    ) -> Vec<RouterIx> {
        if let Some(routers) = self.session_edges.get(&LearnedOver::Connection(connection.0)) {
            return routers.clone();
        }
        if let Some(routers) = self.connection_edges.get(&connection.0) {
            return routers.clone();
        }
        let direct = self.announcers(connection.1, PeeringType::AzurePrivatePeering, None, destination);
        if direct.is_empty() {
            return self.announcers(peer, PeeringType::AzurePrivatePeering, None, destination);
        }
        direct
    }

    fn announcers(
        &self,
        over: &ResourceId,
        peering: PeeringType,
        link: Option<LinkRole>,
        destination: IpAddr,
    ) -> Vec<RouterIx> {
        let standing = &self.exits.standing;
        let Some(over) = standing.announced.get_index_of(&(over.clone(), peering)) else {
            return Vec::new();
        };
        let here = |(at, (only, _)): &&(usize, Announcer)| {
            *at == over && (only.is_none() || link.is_none() || *only == link)
        };
        let covering = standing.announced_at.covering(&IpNet::from(destination));
        let longest = covering.into_iter().rev().find(|(_, sites)| sites.iter().any(|s| here(&s)));
        let Some((_, sites)) = longest else { return Vec::new() };
        let mut routers = Vec::new();
        for (_, (_, site)) in sites.iter().filter(here) {
            if let Some(first) = self.by_site[*site].first()
                && !routers.contains(first)
            {
                routers.push(*first);
            }
        }
        routers
    }
}
