//! Shrinking with an artificial bug: what is needed for it stays, everything else goes.

use super::*;
use crate::plan::{Action, FaultKind, NetFault, NodeFault};
use crate::{Sizes, generate};

/// A bug that needs a crash of a certain node, a cut, and a line said by a client of that node.
fn breaks(plan: &Plan) -> bool {
    let node = plan.nodes.iter().position(|node| node.name.ends_with("-2"));
    let crash = |node| plan.faults.iter().any(|fault| fault.kind == FaultKind::Node(NodeFault::Crash(node)));
    let cut = plan.faults.iter().any(|fault| matches!(fault.kind, FaultKind::Net(NetFault::Partition(_))));
    let said = |node| {
        let mut there = plan.clients.iter().filter(|client| client.node == node);
        there.any(|client| client.script.iter().any(|step| matches!(step.action, Action::Say(_))))
    };
    node.is_some_and(|node| crash(node) && said(node)) && cut
}

fn breaking() -> Plan {
    let plans = (0..).map(|seed| generate(seed, &Sizes { nodes: 7, clients: 20, ..Sizes::default() }));
    plans.into_iter().find(breaks).unwrap()
}

#[test]
fn what_the_bug_needs_stays_and_everything_else_goes() {
    let plan = breaking();
    let mut told = 0;
    let small = shrink(&plan, 2_000, breaks, |_| told += 1);
    assert!(breaks(&small) && told > 0);
    small.check().unwrap();
    let sizes = (small.faults.len(), small.clients.len(), small.rooms.len(), small.nodes.len(), parts::steps(&small));
    assert_eq!(sizes, (2, 1, 1, 1, 1), "{}", small.to_toml());
    assert!(small.heal_at_ms < plan.heal_at_ms);
}

#[test]
fn it_stops_when_the_runs_are_used_up() {
    let mut runs = 0;
    let small = shrink(
        &breaking(),
        7,
        |plan| {
            runs += 1;
            breaks(plan)
        },
        |_| {},
    );
    assert!(runs <= 7 && breaks(&small));
}

#[test]
fn numbers_follow_what_they_name() {
    let kind = FaultKind::Net(NetFault::Partition(vec![vec![0, 2], vec![1, 3]]));
    let new = |node: usize| (node != 1).then(|| if node > 1 { node - 1 } else { node });
    let changed = renumber::renumber(&kind, FaultKind::nodes, new);
    assert_eq!(changed, Some(FaultKind::Net(NetFault::Partition(vec![vec![0, 1], vec![2]]))));
    let gone = renumber::renumber(&FaultKind::Node(NodeFault::Crash(1)), FaultKind::nodes, new);
    assert_eq!(gone, None);
    let slow = crate::plan::DiskFault::Slow(2, 3);
    let changed = renumber::renumber(&FaultKind::Disk(slow), FaultKind::nodes, new);
    assert_eq!(changed, Some(FaultKind::Disk(crate::plan::DiskFault::Slow(1, 3))));
}
