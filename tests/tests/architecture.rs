//! The arrows between the crates, as ARCHITECTURE.md draws them, and that nothing pure can reach a socket, a thread pool or a clock.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Package and the packages of ours that it may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("lavina-crdt", &[]),
    ("lavina-protocols", &["lavina-crdt"]),
    ("lavina-gossip", &["lavina-crdt"]),
    ("lavina-quic", &["lavina-crdt", "lavina-gossip"]),
    ("lavina-libp2p", &["lavina-crdt", "lavina-quic"]),
    ("lavina-core", &["lavina-crdt", "lavina-protocols", "lavina-gossip"]),
    ("lavina-sim", &["lavina-crdt", "lavina-protocols", "lavina-gossip", "lavina-core"]),
    (
        "lavina",
        &[
            "lavina-crdt",
            "lavina-protocols",
            "lavina-gossip",
            "lavina-quic",
            "lavina-libp2p",
            "lavina-core",
            "lavina-sim",
        ],
    ),
    ("lavina-tests", &[]),
];

/// Functions of (state, now, input).
const PURE: &[&str] = &["lavina-crdt", "lavina-protocols", "lavina-gossip", "lavina-core", "lavina-sim"];

/// Crates that do IO or run threads.
const IMPURE: &[&str] =
    &["tokio", "mio", "socket2", "quinn", "quinn-udp", "async-io", "smol", "rayon", "axum", "hyper"];

/// Normal dependencies of every package in the lock file, by name.
struct Graph(BTreeMap<String, BTreeSet<String>>);

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The platform that this runs on: dependencies of others are not in the local registry.
fn platform() -> String {
    let about = String::from_utf8(run(Command::new("rustc").arg("-vV"))).unwrap();
    about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

impl Graph {
    fn read() -> Self {
        let arguments = ["metadata", "--format-version=1", "--offline", "--filter-platform", &platform()];
        let metadata: Value = serde_json::from_slice(&run(Command::new(env!("CARGO")).args(arguments))).unwrap();
        let names: BTreeMap<&str, &str> = list(&metadata["packages"])
            .map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()))
            .collect();
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let uses = graph.entry(names[node["id"].as_str().unwrap()].to_owned()).or_default();
            for dependency in list(&node["deps"]) {
                if list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null()) {
                    uses.insert(names[dependency["pkg"].as_str().unwrap()].to_owned());
                }
            }
        }
        Self(graph)
    }

    fn uses(&self, package: &str) -> &BTreeSet<String> {
        &self.0[package]
    }

    /// The way from a package to another, if there is one.
    fn way(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut ways = vec![vec![from.to_owned()]];
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop() {
            let end = way.last().unwrap();
            if end == to {
                return Some(way);
            }
            if seen.insert(end.clone()) {
                ways.extend(self.uses(end).iter().map(|next| [way.as_slice(), std::slice::from_ref(next)].concat()));
            }
        }
        None
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

#[test]
fn crates_use_only_what_lies_below_them() {
    let graph = Graph::read();
    for (package, allowed) in ARROWS {
        let ours = graph.uses(package).iter().filter(|name| ARROWS.iter().any(|(known, _)| known == name));
        let wrong: Vec<_> = ours.filter(|name| !allowed.contains(&name.as_str())).collect();
        assert!(wrong.is_empty(), "{package} must not use {wrong:?}");
    }
}

#[test]
fn every_crate_of_the_workspace_is_in_the_picture() {
    let graph = Graph::read();
    let ours: Vec<_> = graph.0.keys().filter(|name| name.starts_with("lavina")).collect();
    for name in ours {
        assert!(ARROWS.iter().any(|(known, _)| known == name), "{name} has no place in ARROWS");
    }
}

#[test]
fn nothing_impure_lies_below_the_pure_crates() {
    let graph = Graph::read();
    for package in PURE {
        for impure in IMPURE {
            let way = graph.way(package, impure);
            assert!(way.is_none(), "{package} reaches {impure}: {}", way.unwrap_or_default().join(" -> "));
        }
    }
}
