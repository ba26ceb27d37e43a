//! Rows of the tables that Azure's BGP speakers print, in the words of the operations that print them: the shape in
//! which what was printed and what is computed are compared.
//!
//! | Operation | Row |
//! |---|---|
//! | `az network vnet-gateway list-learned-routes`, `list-advertised-routes` | [`GatewayRoute`] |
//! | `az network routeserver peering list-learned-routes`, `list-advertised-routes` | [`GatewayRoute`], in a [`PeerRouteList`] |
//! | `az network vnet-gateway list-bgp-peer-status` | [`BgpPeerStatus`] |
//! | `az network express-route list-route-tables` | [`ExpressRouteCircuitRoutesTable`] |
//! | `az network express-route list-route-tables-summary` | [`ExpressRouteCircuitRoutesTableSummary`] |
//! | `az network vhub get-effective-routes` | [`VirtualHubEffectiveRoute`] |
//! | `az network vhub connection … inbound-routes`, `outbound-routes` | [`EffectiveRouteMapRoute`] |
//!
//! Each is written and read as Azure writes it: AS paths as text (joined by `-`, in a circuit's table by blanks), a
//! circuit's local preference and state as text, members that say nothing left out or empty. Reading here is strict: a
//! member that cannot be understood is an error of the format's library. `import::effective_routes` reads the same tables
//! from anything that people paste, and reports what it does not understand.

mod circuit;
mod gateway;
mod hub;
mod text;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use circuit::{
    CircuitPath, ExpressRouteCircuitRoutesTable, ExpressRouteCircuitRoutesTableSummary, StatePfxRcd,
};
pub use gateway::{BgpPeerState, BgpPeerStatus, GatewayNextHop, GatewayRoute, GatewayRouteOrigin};
pub use hub::{EffectiveRouteMapRoute, VirtualHubEffectiveRoute};

/// A row of one of Azure's tables: what a [`ListResult`] prints, and what comparisons pair.
pub trait TableRow: Clone + Ord {
    /// What a row is about: a prefix, prefixes or a neighbour. Rows about other things are never compared.
    type Subject: Clone + Ord + fmt::Debug;

    /// The columns, as `-o table` heads them.
    const COLUMNS: &'static [&'static str];

    /// What this row is about.
    fn subject(&self) -> Self::Subject;

    /// The cells under [`COLUMNS`](Self::COLUMNS), empty where the row says nothing.
    fn cells(&self) -> Vec<String>;

    /// The members, by Azure's names, in which two rows differ. A member that one of them does not say is not compared;
    /// the AS path is always said.
    fn differences(&self, other: &Self) -> Vec<&'static str>;
}

/// Where two values are both there and differ, the member's name.
fn differ<T: PartialEq>(found: &mut Vec<&'static str>, name: &'static str, a: Option<&T>, b: Option<&T>) {
    if let (Some(a), Some(b)) = (a, b)
        && a != b
    {
        found.push(name);
    }
}

/// A text for a cell; none is empty.
fn cell<T: fmt::Display>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

/// A list as Azure wraps it: `{"value": […]}`. Displayed as `-o table` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ListResult<T> {
    /// The rows.
    pub value: Vec<T>,
}

/// Routes that a gateway learned, or advertises to one peer.
pub type GatewayRouteListResult = ListResult<GatewayRoute>;
/// The BGP peers of a gateway.
pub type BgpPeerStatusListResult = ListResult<BgpPeerStatus>;
/// The route table of one link of a circuit.
pub type ExpressRouteCircuitsRoutesTableListResult = ListResult<ExpressRouteCircuitRoutesTable>;
/// The neighbours of one link of a circuit.
pub type ExpressRouteCircuitsRoutesTableSummaryListResult = ListResult<ExpressRouteCircuitRoutesTableSummary>;
/// The effective routes of a hub, of one of its tables or of one of its connections.
pub type VirtualHubEffectiveRouteList = ListResult<VirtualHubEffectiveRoute>;

impl<T> Default for ListResult<T> {
    fn default() -> Self {
        Self { value: Vec::new() }
    }
}

impl<T> From<Vec<T>> for ListResult<T> {
    fn from(value: Vec<T>) -> Self {
        Self { value }
    }
}

impl<T: TableRow> fmt::Display for ListResult<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table(f, T::COLUMNS, &self.value.iter().map(T::cells).collect::<Vec<_>>())
    }
}

/// What a Route Server prints for one of its peers: the routes of each instance, by the instance's name
/// (`RouteServiceRole_IN_0`, `RouteServiceRole_IN_1`). Displayed as one table an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerRouteList {
    /// The routes, by instance.
    pub instances: BTreeMap<String, Vec<GatewayRoute>>,
}

impl PeerRouteList {
    /// The name of an instance, by its number from 0.
    pub fn instance(number: usize) -> String {
        format!("RouteServiceRole_IN_{number}")
    }

    /// Every route of every instance.
    pub fn routes(&self) -> impl Iterator<Item = &GatewayRoute> {
        self.instances.values().flatten()
    }
}

impl fmt::Display for PeerRouteList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, routes)) in self.instances.iter().enumerate() {
            if at > 0 {
                f.write_str("\n\n")?;
            }
            writeln!(f, "{name}")?;
            table(f, GatewayRoute::COLUMNS, &routes.iter().map(TableRow::cells).collect::<Vec<_>>())?;
        }
        Ok(())
    }
}

/// A table with a line of dashes under its head, columns two blanks apart, no blanks at the ends of lines.
fn table(f: &mut fmt::Formatter<'_>, columns: &[&str], rows: &[Vec<String>]) -> fmt::Result {
    let width = |at: usize, name: &str| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|text| text.chars().count());
        cells.chain([name.len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = columns.iter().enumerate().map(|(at, name)| width(at, name)).collect();
    let line = |f: &mut fmt::Formatter<'_>, cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}"));
        f.write_str(padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    line(f, &columns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    f.write_str("\n")?;
    line(f, &widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>())?;
    for row in rows {
        f.write_str("\n")?;
        line(f, row)?;
    }
    Ok(())
}
