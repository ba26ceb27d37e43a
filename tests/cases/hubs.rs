//! Tables of virtual hubs: `expect.hub_routes` against what the hubs hold.

use azroute::Network;
use azroute::model::VirtualHub;
use serde_json::Value;

use super::places::id;
use super::report::{Item, Outcome};
use super::schema::{Case, prefix};

/// Each row the case prints of a hub's default table.
pub(crate) fn compare(case: &Case, network: Result<&Network, &String>) -> Vec<Item> {
    let rows = case.expect.extra.get("hub_routes").and_then(Value::as_array);
    let rows = rows.into_iter().flatten().enumerate();
    rows.map(|(j, row)| {
        let outcome = match network {
            Ok(network) => held(row, network),
            Err(error) => Outcome::NotComparable(error.clone()),
        };
        Item::new(format!("hub_routes[{j}]"), row.to_string(), outcome)
    })
    .collect()
}

fn held(row: &Value, network: &Network) -> Outcome {
    let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
    let wanted = prefix(text("prefix"));
    let hub = id("hubs", text("hub"));
    let Some(routes) = network.hub_effective_routes(&hub, VirtualHub::DEFAULT_ROUTE_TABLE) else {
        return Outcome::NotComparable(format!("`{}` is no hub", text("hub")));
    };
    let path: Vec<u64> = row
        .get("as_path")
        .and_then(Value::as_array)
        .map(|numbers| numbers.iter().filter_map(Value::as_u64).collect())
        .unwrap_or_default();
    let mine: Vec<_> = routes.iter().filter(|r| r.address_prefixes.first() == wanted.as_ref()).collect();
    let same = mine.iter().any(|r| {
        let own: Vec<u64> = r.as_path.iter().map(|asn| u64::from(asn.0)).collect();
        r.next_hop_type.as_str() == text("next_hop_type") && own == path
    });
    if same {
        return Outcome::Equal;
    }
    let found: Vec<String> = mine.iter().map(ToString::to_string).collect();
    Outcome::Different(if found.is_empty() { "no such row".to_owned() } else { found.join("; ") })
}
