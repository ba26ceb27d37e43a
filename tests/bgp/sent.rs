//! What is sent on, for the three profiles that were measured on running routers: FRR 8.4, BIRD 2.0, GoBGP 3.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use azroute::bgp::{Engine, Passed, Stage};
use azroute::model::bgp::BgpDesign;
use serde::Deserialize;

/// A router under test, one neighbour that announces, one that listens, all on one network.
#[derive(Deserialize)]
struct Table {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    /// The AS of who announces; the router's is 65000.
    from: u32,
    /// The AS of who listens; none is who announces.
    to: Option<u32>,
    /// The listener is a client.
    #[serde(default)]
    client: bool,
    /// What is announced.
    attributes: toml::Table,
    frr: String,
    bird: String,
    gobgp: String,
}

/// Every row of the table, in what the listener is sent: path, next hop and the rest, or `none`.
const TABLE: &str = r#"
    [[case]]
    name = "external to external: own AS, no MED, communities, third party's next hop"
    from = 65001
    to = 65003
    attributes = { med = 50, communities = ["65001:7"] }
    frr = "65000 65001 via .2, communities 65001:7"
    bird = "65000 65001 via .2, communities 65001:7"
    gobgp = "65000 65001 via .1, communities 65001:7"

    [[case]]
    name = "external to internal: local preference, MED and next hop stay"
    from = 65001
    to = 65000
    attributes = { med = 50 }
    frr = "65001 via .2, MED 50, LP 100"
    bird = "65001 via .2, MED 50, LP 100"
    gobgp = "65001 via .2, MED 50, LP 100"

    [[case]]
    name = "internal to external: neither local preference nor MED"
    from = 65000
    to = 65003
    attributes = { as_path = "65001", med = 50, local_preference = 150 }
    frr = "65000 65001 via .2"
    bird = "65000 65001 via .2"
    gobgp = "65000 65001 via .1"

    [[case]]
    name = "internal to internal"
    from = 65000
    to = 65000
    attributes = { as_path = "65001" }
    frr = "none"
    bird = "none"
    gobgp = "none"

    [[case]]
    name = "reflected: originator, cluster list; FRR adds MED 0"
    from = 65000
    to = 65000
    client = true
    attributes = { as_path = "65001", local_preference = 150 }
    frr = "65001 via .2, MED 0, LP 150, originator 2.2.2.2, clusters 1.1.1.1"
    bird = "65001 via .2, LP 150, originator 2.2.2.2, clusters 1.1.1.1"
    gobgp = "65001 via .2, LP 150, originator 2.2.2.2, clusters 1.1.1.1"

    [[case]]
    name = "reflected with a MED: it stays"
    from = 65000
    to = 65000
    client = true
    attributes = { as_path = "65001", med = 50 }
    frr = "65001 via .2, MED 50, LP 100, originator 2.2.2.2, clusters 1.1.1.1"
    bird = "65001 via .2, MED 50, LP 100, originator 2.2.2.2, clusters 1.1.1.1"
    gobgp = "65001 via .2, MED 50, LP 100, originator 2.2.2.2, clusters 1.1.1.1"

    [[case]]
    name = "reflected once more: the originator stays, the cluster goes in front"
    from = 65000
    to = 65000
    client = true
    attributes = { as_path = "65001", med = 50, originator_id = "9.9.9.9", cluster_list = ["8.8.8.8"] }
    frr = "65001 via .2, MED 50, LP 100, originator 9.9.9.9, clusters 1.1.1.1 8.8.8.8"
    bird = "65001 via .2, MED 50, LP 100, originator 9.9.9.9, clusters 1.1.1.1 8.8.8.8"
    gobgp = "65001 via .2, MED 50, LP 100, originator 9.9.9.9, clusters 1.1.1.1 8.8.8.8"

    [[case]]
    name = "NO_EXPORT to external"
    from = 65000
    to = 65003
    attributes = { as_path = "65001", communities = ["no-export"] }
    frr = "none"
    bird = "none"
    gobgp = "65000 65001 via .1, communities no-export"

    [[case]]
    name = "NO_EXPORT to internal"
    from = 65009
    to = 65000
    attributes = { communities = ["no-export"] }
    frr = "65009 via .2, LP 100, communities no-export"
    bird = "65009 via .2, LP 100, communities no-export"
    gobgp = "65009 via .2, LP 100, communities no-export"

    [[case]]
    name = "NO_ADVERTISE to internal"
    from = 65000
    to = 65000
    client = true
    attributes = { as_path = "65001", communities = ["no-advertise"] }
    frr = "none"
    bird = "none"
    gobgp = "65001 via .2, LP 100, communities no-advertise, originator 2.2.2.2, clusters 1.1.1.1"

    [[case]]
    name = "the receiver's AS in the path"
    from = 65001
    to = 65003
    attributes = { as_path = "65003 65004" }
    frr = "65000 65001 65003 65004 via .2"
    bird = "65000 65001 65003 65004 via .2"
    gobgp = "none"

    [[case]]
    name = "back to the peer it came from"
    from = 65001
    attributes = {}
    frr = "65000 65001 via .1"
    bird = "none"
    gobgp = "none"

    [[case]]
    name = "back to the internal peer it came from"
    from = 65000
    attributes = { as_path = "65001" }
    frr = "none"
    bird = "none"
    gobgp = "none"

    [[case]]
    name = "private AS inside the path, large communities"
    from = 65001
    to = 65003
    attributes = { as_path = "64999 3356", large_communities = ["65001:1:2"], extended_communities = ["rt:65001:5"] }
    frr = "65000 65001 64999 3356 via .2, extended rt:65001:5, large 65001:1:2"
    bird = "65000 65001 64999 3356 via .2, extended rt:65001:5, large 65001:1:2"
    gobgp = "65000 65001 64999 3356 via .1, extended rt:65001:5, large 65001:1:2"
"#;

fn design(case: &Case, profile: &str) -> BgpDesign {
    let attributes = toml::Value::Table(case.attributes.clone());
    let client = case.client;
    let listener = case.to.unwrap_or(65099);
    let text = format!(
        r#"
        [[speakers]]
        id = "announces"
        # Sends what carries NO_ADVERTISE.
        profile = "gobgp-3"
        asn = {from}
        router_id = "2.2.2.2"
        interfaces = [{{ address = "192.0.2.2/24" }}]
        originate = [{{ prefixes = ["10.0.0.0/24"], attributes = {attributes} }}]
        [[speakers]]
        id = "router"
        asn = 65000
        router_id = "1.1.1.1"
        profile = "{profile}"
        interfaces = [{{ address = "192.0.2.1/24" }}]
        [[speakers]]
        id = "listens"
        asn = {listener}
        router_id = "3.3.3.3"
        interfaces = [{{ address = "192.0.2.3/24" }}]
        [[sessions]]
        id = "in"
        a = {{ speaker = "announces" }}
        b = {{ speaker = "router", ebgp_requires_policy = false }}
        [[sessions]]
        id = "out"
        a = {{ speaker = "router", ebgp_requires_policy = false, route_reflector_client = {client} }}
        b = {{ speaker = "listens" }}
        "#,
        from = case.from,
    );
    toml::from_str(&text).unwrap()
}

fn text(sent: &[Passed]) -> String {
    let [Passed { attributes: a, .. }] = sent else { return "none".to_owned() };
    let next_hop = a.next_hop.unwrap().to_string();
    let mut text = format!("{} via {}", a.as_path, next_hop.trim_start_matches("192.0.2"));
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&format!(", {name} {value}"));
        }
    };
    add("MED", join(a.med.as_slice()));
    add("LP", join(a.local_preference.as_slice()));
    add("communities", join(a.communities.standard()));
    add("extended", join(a.communities.extended()));
    add("large", join(a.communities.large()));
    add("originator", join(a.originator_id.as_slice()));
    add("clusters", join(a.cluster_list.ids()));
    text
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn routes_are_sent_on_as_measured() {
    let table: Table = toml::from_str(TABLE).unwrap();
    let mut wrong = Vec::new();
    for case in &table.case {
        for (profile, expected) in [("frr-8", &case.frr), ("bird-2", &case.bird), ("gobgp-3", &case.gobgp)] {
            let engine = Engine::build(&design(case, profile)).unwrap();
            let session = if case.to.is_some() { "out" } else { "in" };
            let sent = text(&engine.adj_rib_out(&session.into(), &"router".into(), Stage::PostPolicy));
            if sent != *expected {
                wrong.push(format!("{profile}, {}: {sent}, not {expected}", case.name));
            }
            // Both ends tell the same.
            let far = if case.to.is_some() { "listens" } else { "announces" };
            let received = text(&engine.adj_rib_in(&session.into(), &far.into(), Stage::PrePolicy));
            assert_eq!(received, sent, "{profile}, {}", case.name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
