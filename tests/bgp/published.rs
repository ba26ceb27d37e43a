//! Published tables of BGP speakers, computed: the cases of `data/cases/published.yaml` that print what gateways and
//! routers learned or advertised, each against a design in `data/bgp/published` that says the same as the case.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use azroute::bgp::{Engine, LearnedFrom, Stage};
use azroute::model::ResourceId;
use azroute::model::bgp::{Asn, BgpDesign};
use ipnet::IpNet;
use serde::Deserialize;

/// A file of `data/bgp/published`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rebuilt {
    tables: Vec<Table>,
    design: BgpDesign,
}

/// Which published table is which speaker's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    at: String,
    speaker: ResourceId,
    /// What it sends over this session; none is what it has learned.
    session: Option<ResourceId>,
    /// Routes of internal peers are not listed.
    #[serde(default)]
    external: bool,
    /// The prefixes that are listed; none is all.
    #[serde(default)]
    prefixes: Vec<IpNet>,
}

#[derive(Deserialize)]
struct Published {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    expect: Expect,
}

#[derive(Deserialize)]
struct Expect {
    #[serde(default)]
    bgp: Vec<Printed>,
}

#[derive(Deserialize)]
struct Printed {
    at: String,
    #[serde(default)]
    rows: Vec<Row>,
    #[serde(default)]
    paths: BTreeMap<IpNet, Vec<Vec<Asn>>>,
}

/// Only the rows that are compared are read in full.
#[derive(Deserialize)]
struct Row {
    prefix: IpNet,
    #[serde(default)]
    next_hop: NextHops,
    #[serde(default)]
    as_path: Vec<Asn>,
}

#[derive(Default, Deserialize)]
#[serde(untagged)]
enum NextHops {
    #[default]
    None,
    One(String),
    Several(Vec<String>),
}

impl NextHops {
    fn only(&self) -> Option<IpAddr> {
        match self {
            Self::None => None,
            Self::One(one) => Some(one.parse().unwrap()),
            Self::Several(several) => panic!("{several:?} is no one next hop"),
        }
    }
}

type Line = (IpNet, Option<IpAddr>, Vec<Asn>);

fn computed(engine: &Engine, table: &Table) -> Vec<Line> {
    let listed = |prefix: &IpNet| table.prefixes.is_empty() || table.prefixes.contains(prefix);
    let mut lines: Vec<Line> = match &table.session {
        Some(session) => engine
            .adj_rib_out(session, &table.speaker, Stage::PostPolicy)
            .into_iter()
            .map(|r| (r.prefix, r.attributes.next_hop, r.attributes.as_path.asns().collect()))
            .collect(),
        None => {
            let mut lines = Vec::new();
            for prefix in engine.rib(&table.speaker) {
                for entry in prefix.entries {
                    let own: ResourceId = match entry.route.from {
                        LearnedFrom::Local(_) => table.speaker.clone(),
                        LearnedFrom::Neighbor { speaker, .. } => speaker.clone(),
                    };
                    let gateway =
                        |id: &ResourceId| id.as_str().rsplit_once('-').map(|(name, _)| name.to_owned());
                    if table.external && gateway(&own) == gateway(&table.speaker) {
                        continue;
                    }
                    let attributes = entry.route.attributes;
                    lines.push((prefix.prefix, attributes.next_hop, attributes.as_path.asns().collect()));
                }
            }
            lines
        }
    };
    lines.retain(|(prefix, ..)| listed(prefix));
    lines.sort();
    lines
}

#[test]
fn tables_of_speakers_are_as_published() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let text = std::fs::read_to_string(data.join("cases/published.yaml")).unwrap();
    let published: Published = serde_saphyr::from_str(&text).unwrap();
    let mut files: Vec<_> =
        std::fs::read_dir(data.join("bgp/published")).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let mut compared = 0;
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let id = name.split('.').next().unwrap();
        let case = published.cases.iter().find(|case| case.id == id).unwrap();
        let rebuilt: Rebuilt = toml::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let engine = Engine::build(&rebuilt.design).unwrap();
        for table in &rebuilt.tables {
            let printed = case.expect.bgp.iter().find(|printed| printed.at == table.at).unwrap();
            let found = computed(&engine, table);
            if printed.rows.is_empty() {
                for (prefix, paths) in &printed.paths {
                    let mut found: Vec<&Vec<Asn>> =
                        found.iter().filter(|(p, ..)| p == prefix).map(|(.., path)| path).collect();
                    found.dedup();
                    let mut paths: Vec<&Vec<Asn>> = paths.iter().collect();
                    found.sort();
                    paths.sort();
                    found.dedup();
                    assert_eq!(found, paths, "{name}: {} {prefix}", table.at);
                    compared += paths.len();
                }
                continue;
            }
            let mut expected: Vec<Line> = printed
                .rows
                .iter()
                .map(|row| (row.prefix, row.next_hop.only(), row.as_path.clone()))
                .collect();
            expected.sort();
            assert_eq!(found, expected, "{name}: {}", table.at);
            compared += expected.len();
        }
    }
    assert_eq!(compared, 64, "rows and paths compared");
}
