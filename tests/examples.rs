//! Every example runs, and prints what the sample environment must give.
//!
//! `cargo test` builds the examples, `cargo test --test examples` alone does not: they are brought up to date here.

#![cfg(feature = "import")]
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Where the examples lie, up to date: beside this program, with its profile and features (the default or all).
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--examples"]);
        if cfg!(feature = "testing") {
            build.arg("--all-features");
        }
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the examples build");
        let test = std::env::current_exe().expect("a running program has a path");
        test.parent().and_then(Path::parent).expect("tests are built into `deps`").join("examples")
    })
}

fn example(name: &str) -> PathBuf {
    folder().join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

fn run(name: &str, arguments: &[&str]) -> Output {
    Command::new(example(name))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap_or_else(|error| panic!("example {name}: {error}"))
}

/// What it prints, when it succeeds.
fn prints(name: &str, arguments: &[&str]) -> String {
    let output = run(name, arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} {arguments:?}\n{out}\n{err}");
    assert_eq!(err, "", "{name} {arguments:?}: the sample imports without a remark");
    out.into_owned()
}

/// What it says on standard error, when it fails.
fn fails(name: &str, arguments: &[&str]) -> String {
    let output = run(name, arguments);
    assert_eq!(output.status.code(), Some(1), "{name} {arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder of this process for scratch files.
fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("azroute-examples-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for scratch files");
    folder
}

/// Whether each text stands somewhere after the one before it.
fn assert_in_order(text: &str, expected: &[&str]) {
    let mut rest = text;
    for part in expected {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => panic!("`{part}` does not stand where expected in:\n{text}"),
        }
    }
}

/// The part of the tour that starts with this title, up to the line under the next one.
fn stop<'a>(tour: &'a str, title: &str) -> &'a str {
    let at = tour.find(title).unwrap_or_else(|| panic!("the tour has no `{title}`:\n{tour}"));
    let line = |from: usize| tour[from..].find("\n---").map(|n| from + n + 4);
    let own = line(at).expect("a title has a line under it");
    &tour[at..line(own).unwrap_or(tour.len())]
}

#[test]
fn checks_hold_break_and_survive() {
    let text = prints("checks", &[]);
    for line in [
        "from 2 positions to the Internet: traverses `fw`: holds (4 pairs looked at)",
        "spoke1/subnets/web DD",
        "151.101.0.0/16 from `spoke1/subnets/web` and 1 others: ",
        "broken from `spoke1/subnets/web` and 1 others to 151.101.0.0/16: ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn resolve_answers_one_question_of_the_sample() {
    // 0/0 to the firewall, which goes out with its own address (UDR-4, WALK-8).
    assert_in_order(
        &prints("resolve", &["nic-web-1", "203.0.113.77"]),
        &[
            "10.11.0.4 -> 203.0.113.77 from network interface nic-web-1",
            "next hop: VirtualAppliance 10.10.1.4 by 0.0.0.0/0 (User `default`",
            "appliance afw-hub",
            "=> Egress(Internet, firewall)",
            "nsg: not evaluated",
        ],
    );
    // With an active default route to an appliance no private range is dropped any more (SYS-9) …
    assert_in_order(
        &prints("resolve", &["nic-web-1", "172.31.0.1"]),
        &["VirtualAppliance 10.10.1.4 by 0.0.0.0/0", "appliance afw-hub"],
    );
    // … and without one it is (SYS-3).
    assert_in_order(
        &prints("resolve", &["nic-batch-1", "172.31.0.1"]),
        &["=> Drop(NoneRoute, 172.16.0.0/12)"],
    );
    // The host answers for itself, whatever the routes say (SYS-14).
    assert_in_order(&prints("resolve", &["nic-web-1", "168.63.129.16"]), &["=> PlatformHost"]);
    // Outbound without a user route: the subnet's NAT gateway (OUT-1).
    assert_in_order(
        &prints("resolve", &["nic-batch-1", "203.0.113.77"]),
        &["next hop: Internet by 0.0.0.0/0", "=> Egress(Internet, NAT gateway)"],
    );
    // A service endpoint escapes forced tunnelling (SE-3).
    assert_in_order(
        &prints("resolve", &["vnet-alder/subnets/snet-app", "198.51.100.10"]),
        &["VirtualNetworkServiceEndpoint by 198.51.100.0/26", "=> ServiceEndpoint("],
    );
}

#[test]
fn resolve_takes_the_tour() {
    let tour = prints("resolve", &[]);
    // Datacentre: out by firewall and circuit, both links; back by the GatewaySubnet's route (ER-23, WALK-11).
    let pair = stop(&tour, "The same server asks the datacentre");
    assert_in_order(
        pair,
        &[
            "VirtualAppliance 10.10.1.4 by 10.100.0.0/16 (User `datacentre`",
            "appliance afw-hub",
            "gateway vgw-er-hub",
            "edge router primary of circuit erc-meridian, AzurePrivatePeering",
            "=> OnPremises(meridian-dc)",
            "edge router secondary of circuit erc-meridian, AzurePrivatePeering",
            "=> OnPremises(meridian-dc)",
            "reply: 10.100.1.10 -> 10.11.0.4",
            "gateway vgw-er-hub",
            "appliance afw-hub",
            "=> Delivered(network interface nic-web-1)",
            "symmetric for every stateful hop",
        ],
    );
    // BGP is more specific than 0/0 (SEL-9); the VPN's static route of the same prefix lost to ExpressRoute (COEX-1).
    let explained = stop(&tour, "A tool server asks the datacentre");
    assert_in_order(
        explained,
        &[
            "next hop: VirtualNetworkGateway by 10.100.0.0/16 (VirtualNetworkGateway",
            "=> OnPremises(meridian-dc)",
        ],
    );
    assert!(explained.contains("COEX-1") && explained.contains("10.10.2.10"), "{explained}");
    // Firewall there, appliance pair back (WALK-10).
    let crossed = stop(&tour, "A web server asks a tool server");
    assert_in_order(
        crossed,
        &[
            "appliance afw-hub",
            "=> Delivered(network interface nic-tools-1)",
            "reply:",
            "load balancer lbi-nva",
            "=> Delivered(network interface nic-web-1)",
            "asymmetry:",
        ],
    );
    for (title, expected) in [
        (
            "A web server asks the lab",
            "=> Drop(ForwardedTrafficNotAllowed, vnet-lab/virtualNetworkPeerings/to-hub)",
        ),
        ("A web server asks the backup vault", "=> PrivateEndpoint(pe-backup)"),
        ("A batch server asks storage", "=> ServiceEndpoint("),
        ("A batch server asks the provider's public range", "=> Egress(MicrosoftPeering of erc-meridian)"),
        ("Alder's server asks the Internet", "=> Egress(Internet, from alder-dc)"),
        ("SSH from the datacentre", "=> Drop(NsgDeny, nsg-web inbound rule `deny-other-inbound`)"),
        ("Two customers own 10.20.0.4", "error: `10.20.0.4` stands for several places"),
    ] {
        assert_in_order(stop(&tour, title), &[expected]);
    }
    assert_in_order(
        stop(&tour, "Birch's desk asks Birch's server"),
        &[
            "10.50.1.1 -> 10.20.0.4",
            "on-premises meridian-dc/routers/edge-1",
            "circuit erc-birch",
            "gateway vgw-er",
            "=> Delivered(network interface nic-app-1)",
        ],
    );
}

#[test]
fn resolve_evaluates_flows() {
    let question = ["--flow", "tcp:443", "meridian-dc/hostRanges/monitoring", "10.11.0.4"];
    assert_in_order(
        &prints("resolve", &question),
        &["=> Delivered(network interface nic-web-1)", "nsg: evaluated"],
    );
}

#[test]
fn resolve_refuses_what_cannot_be_asked() {
    // Two customers own the address: the candidates are listed, none is guessed.
    assert_in_order(
        &fails("resolve", &["10.20.0.4", "10.50.1.10"]),
        &[
            "error: `10.20.0.4` stands for several places",
            "/resourceGroups/rg-alder-network/",
            "/networkInterfaces/nic-app-1\n",
            "/resourceGroups/rg-birch-network/",
            "/networkInterfaces/nic-app-1\n",
        ],
    );
    assert_in_order(&fails("resolve", &["nobody", "10.0.0.1"]), &["error:", "`nobody`"]);
    assert_in_order(
        &fails("resolve", &["nic-web-1", "here"]),
        &["error: the destination `here` is not an IP address"],
    );
    let both = ["--pair", "--flow", "tcp:443", "nic-web-1", "10.0.0.1"];
    assert_in_order(&fails("resolve", &both), &["error: `--pair`", "usage:"]);
    assert_in_order(&fails("resolve", &["--sideways"]), &["error: unknown flag `--sideways`", "usage:"]);
    assert_in_order(
        &fails("resolve", &["no-such-file.json", "a", "10.0.0.1"]),
        &["error: `no-such-file.json`"],
    );
    assert_in_order(&fails("resolve", &["README.md", "a", "10.0.0.1"]), &["error: `README.md`"]);
    assert_in_order(
        &fails("resolve", &["--flow", "tcp", "nic-web-1", "10.0.0.1"]),
        &["error: `tcp` is not a flow"],
    );
}

/// Part of an export: what was left out is named, and the rest answers.
#[test]
fn resolve_reads_files_and_names_what_is_missing() {
    let folder = "examples/data/provider/meridian";
    let [vnets, tables, firewalls] = ["vnet-list.json", "route-table-list.json", "firewall-list.json"]
        .map(|name| format!("{folder}/{name}"));
    let output = run("resolve", &[&vnets, &tables, &firewalls, "vnet-portal/subnets/snet-web", "10.12.0.9"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}");
    assert_in_order(
        &out,
        &[
            "appliance afw-hub",
            "VNetGlobalPeering by 10.12.0.0/16",
            "=> Delivered(subnet vnet-tools/subnets/snet-tools)",
        ],
    );
    assert_in_order(&err, &["note:", "nat_gateway names", "which is not part of the topology"]);
}

/// A document beside the export sets day and knobs: in 2019 no system route held 172.16.0.0/12 (SYS-4).
#[test]
fn documents_set_the_day_and_the_knobs() {
    let folder = scratch("day");
    let day = folder.join("day.json");
    std::fs::write(&day, r#"{"schema_version": 1, "as_of": "2019-05-01"}"#).expect("the document is written");
    let arguments =
        ["examples/data/provider", day.to_str().expect("the path is text"), "nic-batch-1", "172.31.0.1"];
    assert_in_order(
        &prints("resolve", &arguments),
        &["Internet by 0.0.0.0/0", "=> Egress(Internet, NAT gateway)"],
    );
    // A misspelt knob is a mistake, not a default.
    std::fs::write(&day, r#"{"schema_version": 1, "knobs": {"limit": "LintOnly"}}"#)
        .expect("the document is written");
    assert_in_order(
        &fails("resolve", &arguments),
        &["error: `", "day.json`: line ", ": unknown field `limit`"],
    );
    std::fs::remove_dir_all(&folder).expect("the scratch files go");
}

#[test]
fn effective_routes_have_azures_shape() {
    let text = prints("effective_routes", &["snet-batch"]);
    let value: serde_json::Value = serde_json::from_str(&text).expect("it prints JSON");
    let rows = value["value"].as_array().expect("the rows stand under `value`");
    let row = |prefix: &str| {
        rows.iter()
            .find(|row| row["addressPrefix"].as_array().is_some_and(|all| all.iter().any(|p| p == prefix)))
            .unwrap_or_else(|| panic!("no row for {prefix} in {text}"))
    };
    // VOC-8 to VOC-10.
    let members: Vec<&str> =
        rows[0].as_object().expect("a row is an object").keys().map(String::as_str).collect();
    assert_eq!(
        members,
        [
            "addressPrefix",
            "destinationServiceTags",
            "disableBgpRoutePropagation",
            "hasBgpOverride",
            "name",
            "nextHopIpAddress",
            "nextHopType",
            "source",
            "state",
            "tagMap"
        ]
    );
    assert_eq!(row("10.11.0.0/16")["nextHopType"], "VnetLocal");
    assert_eq!(row("10.10.0.0/16")["nextHopType"], "VNetPeering");
    assert_eq!(row("10.10.4.4/32")["nextHopType"], "InterfaceEndpoint");
    assert_eq!(row("198.51.100.0/26")["nextHopType"], "VirtualNetworkServiceEndpoint");
    assert_eq!(row("10.101.0.0/24")["nextHopIpAddress"][0], "192.0.2.13");
    assert_eq!(row("10.100.0.0/16")["source"], "VirtualNetworkGateway");
    assert_eq!(row("192.168.0.0/16")["nextHopType"], "None");
    assert_eq!(row("0.0.0.0/0")["state"], "Active");
}

#[test]
fn effective_routes_have_azures_columns() {
    let text = prints("effective_routes", &["-o", "table", "nic-web-1"]);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0].join(" "), "Source State Address Prefix Next Hop Type Next Hop IP");
    let has = |line: &[&str]| assert!(lines.iter().any(|l| l == line), "{line:?} is missing in\n{text}");
    has(&["User", "Active", "0.0.0.0/0", "VirtualAppliance", "10.10.1.4"]);
    has(&["Default", "Invalid", "0.0.0.0/0", "Internet"]);
    has(&["Default", "Active", "10.11.0.0/16", "VnetLocal"]);
    has(&["Default", "Active", "10.10.0.0/16", "VNetPeering"]);
    has(&["Default", "Active", "10.10.4.4/32", "InterfaceEndpoint"]);
    has(&["User", "Active", "10.100.0.0/16", "VirtualAppliance", "10.10.1.4"]);
    has(&["VirtualNetworkGateway", "Invalid", "10.100.0.0/16", "VirtualNetworkGateway"]);
    has(&["VirtualNetworkGateway", "Invalid", "10.101.0.0/24", "VirtualNetworkGateway", "192.0.2.13"]);
    // SYS-9: no reserved row is left.
    assert!(!lines.iter().any(|line| line.contains(&"None")), "{text}");
    assert_eq!(lines.len(), 2 + 9, "{text}");
}

#[test]
fn learned_routes_are_printed_and_compared() {
    let all = prints("learned_routes", &[]);
    // How wide a column is depends on what else stands in it.
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    for line in [
        "10.100.0.0/16 EBgp 12076-65010",
        "10.100.0.0/16 IBgp 12076-65010 32768 10.10.0.14",
        "10.100.0.0/16 192.168.254.1 0 65010 i",
    ] {
        assert!(all.lines().any(|found| words(found) == line), "{line}\n{all}");
    }
    let table = prints("learned_routes", &["-o", "table", "vgw-vpn-hub"]);
    assert!(
        words(table.lines().next().expect("a head"))
            == "Network NextHop Origin SourcePeer AsPath Weight LocalAddress",
        "{table}"
    );
    let dump = scratch("learned").join("dump.json");
    let path = dump.to_str().expect("a path of text");
    std::fs::write(&dump, prints("learned_routes", &["-o", "json", "erc-meridian"]))
        .expect("the dump is written");
    assert_eq!(prints("learned_routes", &["--compare", path, "erc-meridian"]), "5 rows equal\n");
    let second = run("learned_routes", &["--secondary", "--compare", path, "erc-meridian"]);
    let text = String::from_utf8_lossy(&second.stdout).into_owned();
    assert_eq!(second.status.code(), Some(1), "{text}");
    assert!(text.contains("different in nextHop"), "{text}");
    let ambiguous = fails("learned_routes", &["vgw-er"]);
    assert!(ambiguous.contains("stands for several"), "{ambiguous}");
    let unknown = fails("learned_routes", &["vgw-nowhere"]);
    assert!(unknown.contains("no gateway, Route Server or circuit is called `vgw-nowhere`"), "{unknown}");
}

#[test]
fn effective_routes_compare_with_a_dump() {
    let folder = scratch("dump");
    let dump = folder.join("dump.json");
    let path = dump.to_str().expect("the path is text");
    std::fs::write(&dump, prints("effective_routes", &["snet-batch"])).expect("the dump is written");
    prints("effective_routes", &["--compare", path, "snet-batch"]);
    let other = run("effective_routes", &["--compare", path, "snet-web"]);
    assert_eq!(other.status.code(), Some(1));
    std::fs::remove_dir_all(&folder).expect("the scratch files go");
}

#[test]
fn connect_through_crosses_the_provider() {
    let text = prints("connect_through", &[]);
    assert_in_order(
        &text,
        &[
            "on-premises birch-hq",
            "on-premises meridian/routers/edge-1",
            "circuit erc-birch",
            "=> Delivered(network interface nic-birch)",
            "every path crosses the provider: true; none uses the other's circuit: true",
            "on-premises cedar-hq",
            "circuit erc-cedar",
            "=> Delivered(network interface nic-cedar)",
            "every path crosses the provider: true; none uses the other's circuit: true",
            "=> OnPremises(birch-hq)",
            "=> Drop(NoneRoute, 10.0.0.0/8)",
            "=> Egress(Internet, public IP)",
            "error: `10.20.0.4` stands for several places",
        ],
    );
}

#[test]
fn connect_to_needs_both_sets_of_routes() {
    assert_in_order(
        &prints("connect_to", &[]),
        &[
            "on-premises meridian-dc/routers/core",
            "on-premises alder-dc/routers/ce-1",
            "circuit erc-alder",
            "=> Delivered(network interface nic-app)",
            "=> OnPremises(meridian-dc)",
            "to the server:  Delivered(network interface nic-app)",
            "to the operator: Drop(NoneRoute, 10.0.0.0/8)",
            "the first network still answers: OnPremises(meridian-dc)",
        ],
    );
}

/// FT-1, FT-5, FT-7, FT-8, FT-9.
#[test]
fn forced_tunnel_goes_home_first_and_fails_open() {
    let text = prints("forced_tunnel", &[]);
    let link = |link| {
        format!(
            "gateway er-works -> edge router {link} of circuit erc-works, AzurePrivatePeering -> on-premises works-dc/routers"
        )
    };
    assert_in_order(
        stop(&text, "Storage from `app`"),
        &[
            &link("primary"),
            "erc-works, MicrosoftPeering => Egress(MicrosoftPeering of erc-works)",
            &link("secondary"),
            "erc-works, MicrosoftPeering => Egress(MicrosoftPeering of erc-works)",
            "next hop: VirtualNetworkGateway by 0.0.0.0/0",
            "0.0.0.0/0 came this way:",
            "ce-1 (AS 65020) announces it",
            "198.51.100.0/24 came this way:",
        ],
    );
    assert_in_order(
        stop(&text, "The Internet from `app`"),
        &[
            "Egress(Internet, from works-dc)",
            "vnet-works/subnets/build -> Internet edge => Egress(Internet, default outbound access)",
        ],
    );
    assert_in_order(
        stop(&text, "The circuit is lost"),
        &[
            "vnet-works/subnets/app -> Internet edge => Egress(Internet, default outbound access)",
            "Egress(MicrosoftBackbone",
            "warning FailOpenDefault: `vnet-works/subnets/app`",
            "and after: nothing",
        ],
    );
}

/// ER-8, ER-10, ER-11: what each knob moves, and what it leaves.
#[test]
fn two_circuits_follow_each_knob() {
    let text = prints("two_circuits", &[]);
    let links = |title: &str| -> Vec<String> {
        let lines = stop(&text, title).lines().skip(2).take(4);
        lines.map(|line| line[36..].replace("erc-", "")).collect()
    };
    let (ams, lon) = ("ams/primary, ams/secondary", "lon/primary, lon/secondary");
    let both = format!("{ams}, {lon}");
    let home = ["ams/primary, lon/primary", "lon/primary"];
    assert_eq!(links("as it comes"), [&both, &both, home[0], home[1]]);
    assert_eq!(links("r-lon makes its path longer"), [ams, ams, home[0], home[1]]);
    assert_eq!(links("weight 100"), [lon, lon, home[0], home[1]]);
    assert_eq!(links("r-ams tells one half"), [lon, ams, home[0], home[1]]);
    assert_eq!(links("r-ams tells the half on its primary"), [lon, "ams/primary", home[0], home[1]]);
    assert_eq!(links("r-ams prefers"), [lon, "ams/primary", "ams/primary", "ams/primary"]);
    assert_in_order(
        stop(&text, "Why the upper half"),
        &["won   Active  192.168.128.0/17", "from cn-lon as-path 12076 65020 65020 65020", "beaten by SEL-2"],
    );
}

/// COEX-1, COEX-5.
#[test]
fn er_with_vpn_fails_over_and_may_be_asymmetric() {
    let text = prints("er_with_vpn", &[]);
    let normal = stop(&text, "The same prefix over both");
    assert_in_order(normal, &["out:", "gateway er ->", "home:", "gateway er ->", "symmetric for every"]);
    assert!(!normal.contains("gateway vpn"), "{normal}");
    let lost = stop(&text, "The circuit is lost");
    assert_in_order(lost, &["out:", "gateway vpn ->", "home:", "gateway vpn ->", "symmetric for every"]);
    assert!(!lost.contains("gateway er "), "{lost}");
    assert_in_order(
        stop(&text, "A longer prefix"),
        &["192.168.1.1\n", "gateway er ->", "192.168.9.1\n", "gateway vpn -> on-premises dc/routers/r-vpn"],
    );
    assert_in_order(
        stop(&text, "The routers at home prefer"),
        &[
            "out:",
            "gateway er ->",
            "home:",
            "gateway vpn ->",
            "asymmetry: `dc/routers/r-er` sees only the way there",
            "asymmetry: `dc/routers/r-vpn` sees only the way back",
        ],
    );
}

/// ISO-1, CSP-1, CSP-2: the same addresses, two answers.
#[test]
fn connect_through_bgp_keeps_two_customers_apart() {
    let text = prints("connect_through_bgp", &[]);
    for (customer, other) in [("birch", "cedar"), ("cedar", "birch")] {
        let part = stop(&text, &format!("{customer}: 10.20.0.4 from its site"));
        assert_in_order(
            part,
            &[
                &format!("on-premises {customer}-hq -> on-premises meridian/routers/edge-1"),
                &format!("circuit erc-{customer}"),
                &format!("=> Delivered(network interface nic-{customer})"),
                &format!("=> OnPremises({customer}-hq)"),
                &format!("nothing of {other}'s on the way: true"),
            ],
        );
        assert!(!part.contains(&format!("erc-{other}")), "{part}");
    }
    assert_in_order(
        stop(&text, "What the provider's first edge router"),
        &["edge-1-birch: path 12076 from `erc-birch/", "edge-1-cedar: path 12076 from `erc-cedar/"],
    );
    assert_in_order(&text, &["error: `10.20.0.4` stands for several places: `nic-birch`, `nic-cedar`"]);
}

/// CSP-4, CSP-5: what each missing set of routes breaks, and what it does not.
#[test]
fn connect_to_bgp_breaks_in_one_direction_at_a_time() {
    let text = prints("connect_to_bgp", &[]);
    assert_in_order(
        stop(&text, "Both datacentres"),
        &[
            "meridian-dc/routers/core -> on-premises alder-dc/routers/ce-1",
            "=> Delivered(network interface nic-app)",
            "on-premises alder-dc/routers/ce-1 -> on-premises meridian-dc/routers/core => OnPremises(meridian-dc)",
        ],
    );
    let ends = |title: &str| -> Vec<String> {
        let lines = stop(&text, title).lines().skip(2).take(4);
        lines.map(|line| line[29..].trim().to_owned()).collect()
    };
    let (vm, dropped) = ("Delivered(network interface nic-app)", "Drop(NoneRoute, 10.0.0.0/8)");
    assert_eq!(ends("The edge tells Azure"), [dropped, vm, "OnPremises(alder-dc)", vm]);
    let provider = ["OnPremises(meridian-dc)", "Drop(NoRoute)", "OnPremises(alder-dc)", vm];
    assert_eq!(ends("The edge tells the provider"), provider);
}

#[test]
fn what_if_leaves_the_first_network() {
    let text = prints("what_if", &[]);
    let degraded = text.find("primary link is down").expect("its title");
    let lost = text.find("both links are down").expect("its title");
    let routed = text.find("a route as specific as BGP's").expect("its title");
    assert_in_order(
        &text[..degraded],
        &["edge router primary", "edge router secondary", "=> OnPremises(meridian-dc)"],
    );
    assert!(!text[degraded..lost].contains("edge router primary"), "{text}");
    assert_in_order(&text[degraded..lost], &["edge router secondary", "=> OnPremises(meridian-dc)"]);
    assert_in_order(&text[lost..routed], &["gateway vgw-vpn-hub", "encrypted", "=> OnPremises(meridian-dc)"]);
    assert_in_order(
        &text[routed..],
        &["VirtualAppliance 10.10.2.10 by 10.100.0.0/16", "load balancer lbi-nva"],
    );
    // FT-9: forced tunnelling fails open.
    assert_in_order(
        &text,
        &[
            "alder's server to the Internet",
            "Egress(Internet, from alder-dc)",
            "Egress(Internet, default outbound access)",
        ],
    );
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = include_str!("../README.md");
    let command = "$ cargo run --release --example resolve -- ";
    let (_, shown) = readme.split_once(command).expect("the README shows a question");
    let (question, rest) = shown.split_once('\n').expect("and the answer below it");
    let (answer, _) = rest.split_once("```").expect("up to the end of the block");
    let arguments: Vec<&str> = question.split_whitespace().collect();
    assert_eq!(prints("resolve", &arguments), answer);
}

#[test]
fn import_reads_the_sample_without_a_remark() {
    let report = prints("import", &["examples/data/provider"]);
    assert_in_order(
        &report,
        &["on-premises.json", "  azroute document", "0 refused", "the topology holds 66 resources"],
    );
    for remark in ["warning:", "unresolved:", "refused:", "not modelled:"] {
        assert!(!report.contains(remark), "{report}");
    }
}

#[test]
fn bgp_decide_goes_on_after_a_bad_line() {
    let good = include_str!("../examples/data/bgp_decide/cases.json");
    let bad = r#"{"receiver": {"asn": 1}, "candidates": [{"peer": {"asn": 1, "router_id": "192.0.2.1", "kind": "x"}}]}"#;
    let mut child = Command::new(example("bgp_decide"))
        .args(["--profile", "bird-2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example starts");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(format!("{bad}\n\nno JSON\n{good}").as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1), "it tells of the bad lines in the end");
    let text = String::from_utf8(output.stdout).expect("it prints text");
    assert_eq!(text.lines().count(), 2 + good.lines().count());
    assert_in_order(
        &text,
        &[
            r#"{"line":1,"field":"candidates[0].peer.kind","error":"unknown variant `x`"#,
            r#"{"line":3,"error":"#,
            r#"{"line":4,"id":"the shorter path","best":1,"multipath":[1],"lost":[{"candidate":0,"step":"as_path_length","to":1}]}"#,
        ],
    );
    assert!(fails("bgp_decide", &["--profile", "ios"]).contains("unknown variant `ios`"));
}

#[test]
fn bgp_prints_every_table_and_one_explanation() {
    let text = prints("bgp", &[]);
    assert_in_order(
        &text,
        &[
            "local router ID is 10.0.0.3",
            "*>i192.0.2.0/24     10.0.0.1                10    100      0 64510 64496 i",
            "192.0.2.0/24 at `edge-2`, from `transit-a`",
            "lost by AS path length to the one from `core` over `rr-2`",
            "reflected: originator_id none -> 10.0.0.1",
            "policy `transit-in`, statement `mark`: matches",
        ],
    );
    let design = "examples/data/bgp/explain.toml";
    let missing = prints("bgp", &[design, "2001:db8:a::/48", "transit-b"]);
    assert_in_order(&missing, &["2001:db8:a::/48 at `transit-b`: no route", "the export policy rejects it"]);
    assert!(fails("bgp", &[design, "10.0.0.0/8", "nobody"]).contains("no such speaker"));
    assert!(fails("bgp", &["no-such.toml"]).contains("no-such.toml"));
}
