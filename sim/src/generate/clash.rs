//! What chance alone seldom brings together: acts on both sides of a cut that contradict each other, and crashes with writes under way.

use super::STORM_FROM_MS;
use crate::plan::{Action, ClientPlan, DiskFault, Fault, FaultKind, NetFault, NodeFault, RoomPlan, Speaks, Step};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, IteratorRandom};

/// Operators that a founder makes before the storm.
const OPERATORS: usize = 3;
/// Clients that want one nick in one cut.
const RIVALS: usize = 4;
/// How long after a cut the acts that clash are done, milliseconds: soon, so that short cuts hold them apart too.
const CLASH_MS: u64 = 2_000;
/// How long before a crash the disk gets slow, and lines are said, milliseconds.
const UNDER_WAY_MS: u64 = 400;

/// Adds steps to the scripts: operators, then clashes in every cut and lines right before every crash.
pub(super) fn add(rng: &mut SmallRng, rooms: &[RoomPlan], clients: &mut [ClientPlan], faults: &[Fault]) {
    let operators: Vec<Vec<usize>> = (0..rooms.len()).map(|room| operators(rng, room, clients)).collect();
    for (room, (plan, operators)) in rooms.iter().zip(&operators).enumerate() {
        let Some(founder) = plan.founder else { continue };
        for (order, operator) in (0u64..).zip(operators) {
            step(&mut clients[founder], STORM_FROM_MS - 450 + 50 * order, Action::Op(room, *operator));
        }
    }
    for fault in faults {
        if let FaultKind::Net(NetFault::Partition(_) | NetFault::PartitionToo(_)) = fault.kind {
            rivals(rng, fault.at_ms, clients);
            for (room, (plan, operators)) in rooms.iter().zip(&operators).enumerate() {
                rule(rng, fault.at_ms, room, plan, operators, clients);
            }
        } else if let FaultKind::Node(NodeFault::Crash(node)) = fault.kind {
            last_words(rng, fault.at_ms, node, clients);
        }
    }
    for client in clients {
        client.script.sort_by_key(|step| step.at_ms);
    }
}

/// Makes most crashes hit a disk that is slow: then entries are known and answers wait, but nothing is durable.
pub(super) fn slow_disks_before_crashes(rng: &mut SmallRng, faults: &mut Vec<Fault>) {
    let crash = |fault: &Fault| {
        if let FaultKind::Node(NodeFault::Crash(node)) = fault.kind { Some((fault.at_ms, node)) } else { None }
    };
    let crashes: Vec<(u64, usize)> = faults.iter().filter_map(crash).collect();
    for (at_ms, node) in crashes {
        if rng.random_bool(0.7) {
            let slow = FaultKind::Disk(DiskFault::Slow(node, rng.random_range(100..900)));
            faults.push(Fault { at_ms: at_ms.saturating_sub(UNDER_WAY_MS), kind: slow });
            faults.push(Fault { at_ms: at_ms + 1, kind: FaultKind::Disk(DiskFault::Slow(node, 1)) });
        }
    }
}

fn operators(rng: &mut SmallRng, room: usize, clients: &[ClientPlan]) -> Vec<usize> {
    let inside = clients.iter().enumerate().filter(|(index, client)| *index != room && client.rooms.contains(&room));
    // Who comes late is not there to be made one.
    let early = inside.filter(|(_, client)| client.connect_at_ms + 1_500 < STORM_FROM_MS);
    early.map(|(index, _)| index).choose_multiple(rng, OPERATORS)
}

/// Several clients want the same nick at about the same time.
fn rivals(rng: &mut SmallRng, cut_ms: u64, clients: &mut [ClientPlan]) {
    let irc = clients.iter_mut().filter(|client| client.speaks == Speaks::Irc);
    let nick = format!("rival{}", rng.random_range(0..3));
    for client in irc.choose_multiple(rng, RIVALS) {
        step(client, soon(rng, cut_ms), Action::Nick(nick.clone()));
    }
}

/// Founder and operators use their rights, over each other too.
fn rule(
    rng: &mut SmallRng,
    cut_ms: u64,
    room: usize,
    plan: &RoomPlan,
    operators: &[usize],
    clients: &mut [ClientPlan],
) {
    let Some(founder) = plan.founder else { return };
    step(&mut clients[founder], soon(rng, cut_ms), Action::BanForGood(room));
    for operator in operators {
        let other = operators.choose(rng).copied().unwrap_or(founder);
        let at_ms = soon(rng, cut_ms);
        let action = match rng.random_range(0..6) {
            0 => Action::Kick(room, other),
            1 => Action::Deop(room, other),
            2 => Action::Deop(room, founder),
            3 => Action::Topic(room),
            4 => Action::Ban(room),
            _ => Action::BanForGood(room),
        };
        step(&mut clients[*operator], at_ms, action);
        if rng.random_bool(0.5) {
            step(&mut clients[*operator], soon(rng, cut_ms), Action::Ban(room));
        }
    }
    let Some(other) = operators.choose(rng).copied() else { return };
    if rng.random_bool(0.5) {
        step(&mut clients[other], soon(rng, cut_ms), Action::BanForGood(room));
        step(&mut clients[founder], soon(rng, cut_ms), Action::Deop(room, other));
    } else {
        step(&mut clients[founder], soon(rng, cut_ms), Action::Op(room, other));
    }
}

/// Clients of a node speak right before it crashes.
fn last_words(rng: &mut SmallRng, crash_ms: u64, node: usize, clients: &mut [ClientPlan]) {
    for client in clients.iter_mut().filter(|client| client.node == node) {
        let Some(room) = client.rooms.choose(rng).copied() else { continue };
        for _ in 0..3 {
            let at_ms = crash_ms - rng.random_range(0..UNDER_WAY_MS / 2);
            step(client, at_ms.max(client.connect_at_ms), Action::Say(room));
        }
    }
}

fn soon(rng: &mut SmallRng, cut_ms: u64) -> u64 {
    cut_ms + rng.random_range(1..CLASH_MS)
}

fn step(client: &mut ClientPlan, at_ms: u64, action: Action) {
    client.script.push(Step { at_ms, action });
}
