//! Textbook designs with their outcome: `tests/data/bgp/scenarios/<name>/design.toml` is the design, with a drawing and
//! its source at the head; `expected.toml` says what stands where. What is expected was reasoned from the RFCs, not
//! read from the engine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use azroute::bgp::decision::Step;
use azroute::bgp::{BgpChange, Engine, LearnedFrom, NotAccepted, Stage, Standing};
use azroute::model::ResourceId;
use azroute::model::bgp::{AsPath, BgpDesign, Community, LargeCommunity, Origin, PathAttributes};
use ipnet::IpNet;
use serde::Deserialize;

/// What is expected of a design, and of the same after something fails.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    #[serde(default)]
    route: Vec<Route>,
    #[serde(default)]
    passed: Vec<Passed>,
    /// Sessions over their prefix limit.
    #[serde(default)]
    over_limit: Vec<String>,
    #[serde(default)]
    after: Vec<After>,
}

/// A failure or a repair; those before it stand.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    #[serde(default)]
    session_down: Vec<ResourceId>,
    #[serde(default)]
    session_up: Vec<ResourceId>,
    #[serde(default)]
    link_down: Vec<ResourceId>,
    #[serde(default)]
    speaker_down: Vec<ResourceId>,
    #[serde(default)]
    route: Vec<Route>,
    #[serde(default)]
    passed: Vec<Passed>,
}

/// The attributes that are looked at.
#[derive(Default, Deserialize)]
struct Attributes {
    as_path: Option<AsPath>,
    next_hop: Option<IpAddr>,
    origin: Option<Origin>,
    local_preference: Option<u32>,
    med: Option<u32>,
    #[serde(default)]
    no_med: bool,
    communities: Option<BTreeSet<Community>>,
    large_communities: Option<BTreeSet<LargeCommunity>>,
    originator_id: Option<Ipv4Addr>,
    cluster_list: Option<Vec<Ipv4Addr>>,
    atomic_aggregate: Option<bool>,
    aggregator: Option<Ipv4Addr>,
    /// A name that is none of these.
    #[serde(flatten)]
    unknown: BTreeMap<String, toml::Value>,
}

/// A speaker's best route.
#[derive(Deserialize)]
struct Route {
    speaker: ResourceId,
    prefix: IpNet,
    /// It has none.
    #[serde(default)]
    none: bool,
    /// The session it came over, or `local`.
    from: Option<String>,
    /// The next hops of all routes used at once.
    used: Option<BTreeSet<IpAddr>>,
    /// Sessions whose routes lost, and where.
    #[serde(default)]
    lost: BTreeMap<String, Step>,
    #[serde(flatten)]
    attributes: Attributes,
}

/// What a speaker sends over a session.
#[derive(Deserialize)]
struct Passed {
    session: ResourceId,
    /// Who sends.
    speaker: ResourceId,
    prefix: IpNet,
    sent: bool,
    /// Why it is not sent, or not kept, as the library names it.
    reason: Option<String>,
    /// How many routes are sent.
    count: Option<usize>,
    #[serde(flatten)]
    attributes: Attributes,
}

impl Attributes {
    fn check(&self, found: &PathAttributes, at: &str) {
        assert!(self.unknown.is_empty(), "{at}: what is {:?}?", self.unknown.keys());
        fn equal<T: PartialEq + std::fmt::Debug>(expected: Option<&T>, found: &T, at: &str, what: &str) {
            if let Some(expected) = expected {
                assert_eq!(found, expected, "{at}: {what}");
            }
        }
        equal(self.as_path.as_ref(), &found.as_path, at, "AS path");
        equal(self.next_hop.map(Some).as_ref(), &found.next_hop, at, "next hop");
        equal(self.origin.as_ref(), &found.origin, at, "origin");
        equal(self.local_preference.map(Some).as_ref(), &found.local_preference, at, "LOCAL_PREF");
        equal(self.med.map(Some).as_ref(), &found.med, at, "MED");
        equal(self.no_med.then_some(None).as_ref(), &found.med, at, "MED");
        equal(self.originator_id.map(Some).as_ref(), &found.originator_id, at, "originator");
        equal(self.atomic_aggregate.as_ref(), &found.atomic_aggregate, at, "ATOMIC_AGGREGATE");
        let aggregator = found.aggregator.map(|a| a.address);
        equal(self.aggregator.map(Some).as_ref(), &aggregator, at, "AGGREGATOR");
        if let Some(expected) = &self.cluster_list {
            assert_eq!(found.cluster_list.ids(), expected, "{at}: cluster list");
        }
        let communities = found.communities.standard().iter().copied().collect();
        equal(self.communities.as_ref(), &communities, at, "communities");
        let large = found.communities.large().iter().copied().collect();
        equal(self.large_communities.as_ref(), &large, at, "large communities");
    }
}

fn from(from: LearnedFrom<'_>) -> String {
    match from {
        LearnedFrom::Local(_) => "local".to_owned(),
        LearnedFrom::Neighbor { session, .. } => session.to_string(),
    }
}

fn check(engine: &Engine, routes: &[Route], passed: &[Passed], name: &str) {
    for expected in routes {
        let at = format!("{name}: {} {}", expected.speaker, expected.prefix);
        let rib = engine.routes(&expected.speaker, &expected.prefix);
        for (session, step) in &expected.lost {
            let rib = rib.as_ref().unwrap_or_else(|| panic!("{at}: no routes"));
            let lost = rib.entries.iter().find(|e| from(e.route.from) == *session);
            let standing = lost.unwrap_or_else(|| panic!("{at}: nothing over {session}")).standing;
            let Standing::Lost { step: found, .. } = standing else { panic!("{at}: {session} did not lose") };
            assert_eq!(found, *step, "{at}: {session} lost");
        }
        let best = engine.best(&expected.speaker, &expected.prefix);
        if expected.none {
            assert_eq!(best, None, "{at}");
            continue;
        }
        let best = best.unwrap_or_else(|| panic!("{at}: no route"));
        expected.attributes.check(best.attributes, &at);
        if let Some(session) = &expected.from {
            assert_eq!(from(best.from), *session, "{at}: from");
        }
        if let Some(used) = &expected.used {
            let hops: BTreeSet<IpAddr> =
                rib.unwrap().used().filter_map(|e| e.route.attributes.next_hop).collect();
            assert_eq!(&hops, used, "{at}: used");
        }
    }
    for expected in passed {
        let Passed { session, speaker, prefix, .. } = expected;
        let at = format!("{name}: {prefix} from {speaker} over {session}");
        let sent = engine.adj_rib_out(session, speaker, Stage::PostPolicy);
        let sent: Vec<_> = sent.iter().filter(|p| p.prefix == *prefix).collect();
        assert_eq!(!sent.is_empty(), expected.sent, "{at}");
        if let Some(count) = expected.count {
            assert_eq!(sent.len(), count, "{at}");
        }
        if let Some(first) = sent.first() {
            expected.attributes.check(&first.attributes, &at);
        }
        if let Some(reason) = &expected.reason {
            let found = if expected.sent {
                let other = engine
                    .speakers()
                    .find(|s| *s != speaker && engine.not_accepted(session, s, prefix).is_some());
                match other.and_then(|s| engine.not_accepted(session, s, prefix)) {
                    Some(NotAccepted::Refused(refusal)) => format!("{refusal:?}"),
                    other => format!("{other:?}"),
                }
            } else {
                format!("{:?}", engine.not_sent(session, speaker, prefix).unwrap())
            };
            assert!(found.contains(reason.as_str()), "{at}: {found}, expected {reason}");
        }
    }
}

fn run(folder: &Path) {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let read = |file: &str| {
        std::fs::read_to_string(folder.join(file)).unwrap_or_else(|e| panic!("{name}/{file}: {e}"))
    };
    let design: BgpDesign = toml::from_str(&read("design.toml")).unwrap_or_else(|e| panic!("{name}: {e}"));
    let expected: Expected = toml::from_str(&read("expected.toml")).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(!expected.route.is_empty(), "{name} expects nothing");
    let mut engine = Engine::build(&design).unwrap_or_else(|e| panic!("{name}: {e}"));
    check(&engine, &expected.route, &expected.passed, &name);
    let over: Vec<&str> = engine.over_limit().map(ResourceId::as_str).collect();
    assert_eq!(over, expected.over_limit, "{name}: over limit");
    for (n, after) in expected.after.iter().enumerate() {
        let changes: Vec<BgpChange> = (after.session_down.iter().cloned().map(BgpChange::SessionDown))
            .chain(after.session_up.iter().cloned().map(BgpChange::SessionUp))
            .chain(after.link_down.iter().cloned().map(BgpChange::LinkDown))
            .chain(after.speaker_down.iter().cloned().map(BgpChange::SpeakerDown))
            .collect();
        engine.apply(&changes).unwrap();
        check(&engine, &after.route, &after.passed, &format!("{name}, after {}", n + 1));
    }
}

#[test]
fn scenarios() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bgp/scenarios");
    let mut folders: Vec<_> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    assert!(folders.len() >= 20);
    // All failures at once: one wrong expectation says little of the others.
    let failed: Vec<_> =
        folders.iter().filter(|folder| std::panic::catch_unwind(|| run(folder)).is_err()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}
