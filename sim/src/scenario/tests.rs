//! What is refused, and how; what is shipped runs as it says.

use super::*;
use expect_test::{Expect as Shown, expect};

const GOOD: &str = r#"
[regions]
eu = { nodes = 2 }
us = { nodes = 1 }
[load]
clients = 3
duration = "20s"
"#;

fn refused(text: &str, shown: &Shown) {
    let error = Scenario::from_toml(text).unwrap_err();
    shown.assert_eq(&error.to_string());
}

fn with(more: &str) -> String {
    format!("{GOOD}{more}")
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known() {
    refused(
        &with("durration = \"3s\""),
        &expect![
            "line 8, column 1: [load] has no key `durration`, did you mean `duration`?; its keys are clients, xmpp, rooms, lines-per-minute, duration"
        ],
    );
    refused(
        &with("[[faults]]\nat = \"1s\"\nkrash = \"eu-1\""),
        &expect![
            "line 10, column 1: a fault has no key `krash`, did you mean `crash`?; its keys are at, for, by, to, cut, isolate, one-way, loss, slow-links, crash, upgrade, drain, disk-full, disk-slow, clock-ahead, clock-behind, move"
        ],
    );
}

#[test]
fn a_bad_unit_is_refused_with_an_example() {
    let text = with("[links]\nbetween = [{ regions = [\"eu\", \"us\"], rtt = \"80 parsecs\" }]");
    refused(
        &text,
        &expect![[
            r#"line 9, column 44: "80 parsecs" is not what belongs here: expected a time, like 80ms, 2s, 1m or 1h"#
        ]],
    );
    refused(
        &with("[links]\nfar = { loss = 0.5 }"),
        &expect!["line 9, column 16: 0.5 is not what belongs here: expected a share, like 0.5% or 30%"],
    );
    refused(
        &with("[links]\nfar = { rate = \"0mbit\" }"),
        &expect![[
            r#"line 9, column 16: "0mbit" is not what belongs here: expected a rate above zero; a link that carries nothing is a cut"#
        ]],
    );
}

#[test]
fn an_impossible_topology_is_refused() {
    refused(
        &GOOD.replace("nodes = 1", "nodes = 0"),
        &expect!["line 4, column 16: 0 nodes in region us are not possible: 1 to 200 are"],
    );
    refused(
        &GOOD.replace("nodes = 2", "nodes = 2, zones = 3"),
        &expect!["line 3, column 27: 3 zones need at least as many nodes, and region eu has 2"],
    );
    let text = with("[links]\nbetween = [{ regions = [\"eu\", \"uss\"], rtt = \"80ms\" }]");
    refused(&text, &expect!["line 9, column 31: there is no region `uss`, did you mean `us`?; there are eu, us"]);
    refused(
        "[load]\nclients = 1\nduration = \"5s\"",
        &expect![
            "line 1, column 1: `regions` is missing: a scenario has regions, such as `[regions]` with `eu = { nodes = 3 }`"
        ],
    );
}

#[test]
fn a_fault_that_cannot_be_is_refused() {
    refused(
        &with("[[faults]]\nat = \"30s\"\ncrash = \"eu-1\""),
        &expect!["line 9, column 6: nothing breaks after the load, which ends after 20 s"],
    );
    refused(
        &with("[[faults]]\nat = \"3s\"\ncrash = \"eu-3\""),
        &expect![
            "line 10, column 9: there is no region or node `eu-3`, did you mean `eu-1`?; there are eu, us, eu-1, eu-2, us-1"
        ],
    );
    refused(
        &with("[[faults]]\nat = \"3s\"\ncut = [\"eu\", \"eu-1\"]"),
        &expect!["line 10, column 7: a node is on both sides of this cut"],
    );
    refused(
        &with("[[faults]]\nat = \"3s\"\ncrash = \"eu-1\"\nisolate = \"eu-2\""),
        &expect!["line 10, column 9: `crash` is a second thing that breaks: give it a [[faults]] of its own"],
    );
    refused(
        &with("[[faults]]\nat = \"3s\"\nupgrade = \"eu-1\"\n[[faults]]\nat = \"9s\"\nupgrade = \"eu\""),
        &expect![[
            r#"line 13, column 11: eu-1 is the next version then already: end its other upgrade with `for` before"#
        ]],
    );
}

#[test]
fn toml_that_is_none_is_refused_with_its_place() {
    let error = read_plan("[regions\neu = 1", None).unwrap_err();
    assert_eq!(error.line, 1, "{error}");
}

#[test]
fn every_example_of_the_table_of_faults_is_taken() {
    for like in faults::examples() {
        let text = with(&format!(
            "[[faults]]\nat = \"3s\"\nfor = \"1s\"\n{}",
            like.replace(", by", "\nby").replace(", to", "\nto")
        ));
        let plan = read_plan(&text, None).unwrap_or_else(|error| panic!("{like}: {error}"));
        assert!(!plan.faults.is_empty(), "{like}");
        assert!(plan.check().is_ok(), "{like}");
    }
}

#[test]
fn a_plan_is_told_from_a_scenario() {
    let plan = read_plan(GOOD, Some(7)).unwrap();
    assert_eq!(plan.seed, 7);
    assert_eq!(read_plan(&plan.to_toml(), None).unwrap(), plan);
}

#[test]
fn a_plan_that_names_what_is_not_there_is_refused_with_the_place() {
    let mut plan = read_plan(GOOD, None).unwrap();
    plan.faults.push(crate::Fault { at_ms: 1, kind: crate::FaultKind::Node(crate::NodeFault::Crash(9)) });
    let text = plan.to_toml();
    let error = read_plan(&text, None).unwrap_err();
    let line = text.lines().nth(error.line - 1).unwrap();
    assert!(line.contains("[faults.do"), "{error} at {line}");
}

#[test]
fn a_plan_with_a_version_that_there_is_not_is_refused_with_the_place() {
    let refused = |change: &dyn Fn(&mut crate::Plan)| {
        let mut plan = read_plan(GOOD, None).unwrap();
        change(&mut plan);
        let text = plan.to_toml();
        let error = read_plan(&text, None).unwrap_err();
        (text.lines().nth(error.line - 1).unwrap().to_owned(), error.message)
    };
    let fault = |kind: crate::NodeFault| crate::Fault { at_ms: 1, kind: crate::FaultKind::Node(kind) };
    let (line, message) = refused(&|plan| plan.faults = [0, 0].map(crate::NodeFault::Upgrade).map(fault).to_vec());
    assert!(line.contains("[faults.do"), "{line}");
    assert_eq!(message, "fault upgrade: there is no such version of the node");
    let (line, message) = refused(&|plan| {
        plan.nodes[1].release = crate::Release::Previous;
        plan.faults = vec![fault(crate::NodeFault::Upgrade(0))];
    });
    assert!(line.contains("[faults.do"), "{line}");
    assert_eq!(message, "fault upgrade: that version would not speak with every other node's");
    let (line, message) = refused(&|plan| {
        plan.nodes[1].release = crate::Release::Previous;
        plan.nodes[2].release = crate::Release::Next;
    });
    assert_eq!(line, "release = \"previous\"");
    assert_eq!(message, "node eu-2: its version does not speak with every other node's");
    let text =
        read_plan(GOOD, None).unwrap().to_toml().replacen("starts_at_ms = 0", "starts_at_ms = 0\nrelease = \"old\"", 1);
    let error = read_plan(&text, None).unwrap_err();
    assert_eq!(text.lines().nth(error.line - 1), Some("release = \"old\""), "{error}");
}

/// Every scenario that is shipped.
const SHIPPED: &[(&str, &str)] = &[
    ("three-regions", include_str!("../../scenarios/three-regions.toml")),
    ("community-mesh", include_str!("../../scenarios/community-mesh.toml")),
    ("one-datacenter", include_str!("../../scenarios/one-datacenter.toml")),
    ("quiet-wan", include_str!("../../scenarios/quiet-wan.toml")),
    ("long-cut", include_str!("../../scenarios/long-cut.toml")),
    ("nodes-down", include_str!("../../scenarios/nodes-down.toml")),
];

#[test]
fn what_is_shipped_holds() {
    for (name, text) in SHIPPED {
        let plan = read_plan(text, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        let report = crate::run(&plan);
        assert!(report.violations.is_empty(), "{name}: {:?} {:?}", report.violations, report.measures);
        assert!(!plan.expect.is_empty(), "{name} expects nothing");
    }
}
