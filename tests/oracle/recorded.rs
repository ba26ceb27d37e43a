//! Recorded environments against what Azure printed for them. The files are other people's: they are read from the folder
//! that `AZROUTE_DATA` names, and the tests say so and pass where it is unset.

#![cfg(feature = "import")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it compared"
)]

use std::path::{Path, PathBuf};

use azroute::Network;
use azroute::analysis::compare;
use azroute::import::{Importer, effective_routes};
use azroute::model::{
    Document, EffectiveRouteRow, NoneProfile, ResourceId, Subnet, Topology, VirtualNetwork,
};

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("AZROUTE_DATA").map(PathBuf::from);
    if folder.is_none() {
        // Not `eprintln!`: the test harness would keep that to itself.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"SKIPPED: AZROUTE_DATA is unset, recorded environments are not compared\n",
        );
    }
    folder
}

fn import(folder: &Path, files: &[&str]) -> Document {
    let mut importer = Importer::new();
    for file in files {
        importer.add(file, &std::fs::read(folder.join(file)).unwrap()).unwrap();
    }
    importer.into_document().0
}

fn observed(folder: &Path, file: &str) -> Vec<(String, Vec<EffectiveRouteRow>)> {
    let routes = effective_routes::parse(file, &std::fs::read(folder.join(file)).unwrap()).unwrap();
    routes.effective().map(|(name, rows)| (name.unwrap_or_default().to_owned(), rows.to_vec())).collect()
}

/// Computed rows under each None profile; the profiles under which they equal the observed ones.
fn equal_under(document: &Document, subnet: &str, observed: &[EffectiveRouteRow]) -> Vec<NoneProfile> {
    let mut document = document.clone();
    let mut equal = Vec::new();
    for profile in NoneProfile::ALL {
        document.knobs.none_profile = Some(profile);
        let network = Network::build(&Topology::new(document.clone()).unwrap()).unwrap();
        let computed = network.effective_routes(&ResourceId::new(subnet)).unwrap().rows();
        let difference = compare(&computed, observed);
        println!("{subnet} under {profile:?}: {difference}");
        if difference.is_equal() {
            equal.push(profile);
        }
    }
    equal
}

/// A machine alone in its network. Its None rows are those of 2021-11 with 172.16.0.0/12 back and 127.0.0.0/8 not yet.
#[test]
fn nic_effective_routes() {
    let Some(folder) = data() else { return };
    let document = import(
        &folder,
        &[
            "arm/recorded/nic-effective-routes/resources.json",
            "arm/recorded/nic-effective-routes/deployment-template.json",
        ],
    );
    let observed =
        observed(&folder, "effective-routes/recorded/nic-effective-routes--01-effectiveRouteTable.json");
    assert_eq!(observed[0].1.len(), 18);
    assert_eq!(
        equal_under(&document, "conveniencevm1Subnet", &observed[0].1),
        [NoneProfile::Seen2021_11Plus172]
    );
}

/// A network that is all of 10.0.0.0/8, 2016-17. The recording holds the interface but not its network: its space is
/// taken from the printed `VnetLocal` row, so that row alone proves nothing; the default and the None rows do.
#[test]
fn legacy_nic_effective_routes() {
    let Some(folder) = data() else { return };
    let file = "effective-routes/recorded/legacy-nic-effective-routes--04-effectiveRouteTable.json";
    let observed = observed(&folder, file);
    let space = "10.0.0.0/8".parse().unwrap();
    let mut document = import(&folder, &["arm/recorded/legacy-nic-effective-routes/resources.json"]);
    let subnet = document.network_interfaces[0].ip_configurations[0].subnet.clone();
    let mut network = VirtualNetwork::new(subnet.parent().unwrap(), [space]);
    network.subnets.push(Subnet::new(subnet.name(), "10.0.0.0/16".parse().unwrap()));
    document.upsert(network);
    assert_eq!(equal_under(&document, subnet.as_str(), &observed[0].1), [NoneProfile::Documented4]);
}

/// Two spokes whose user routes lead to an appliance in the hub.
#[test]
fn hub_spoke_udr_nva() {
    let Some(folder) = data() else { return };
    let document = import(&folder, &["arm/synthetic/hub-spoke-udr-nva/resources.json"]);
    let sections = observed(&folder, "effective-routes/text/route-server-next-hop-ip.txt");
    let mut compared = 0;
    for (machine, rows) in &sections {
        let machine = machine.split(" / ").next().unwrap();
        let nic = format!("{machine}-nic");
        if !document.network_interfaces.iter().any(|n| n.id.name().eq_ignore_ascii_case(&nic)) {
            continue;
        }
        let network = Network::build(&Topology::new(document.clone()).unwrap()).unwrap();
        let computed = network.effective_routes(&ResourceId::new(&*nic)).unwrap().rows();
        let difference = compare(&computed, rows);
        assert!(difference.is_equal(), "{machine}:\n{difference}");
        compared += 1;
    }
    assert_eq!(compared, 2, "{:?}", sections.iter().map(|s| &s.0).collect::<Vec<_>>());
}
