//! Plans with pieces left out, and with less time.

use super::renumber::renumber;
use crate::plan::{Action, Fault, Plan, Step};

/// Least time between the last happening and healing, milliseconds.
const TAIL_MS: u64 = 500;

/// New index of each kept piece.
fn numbers(kept: &[bool]) -> Vec<Option<usize>> {
    let mut next = 0;
    let number = |kept: &bool| {
        next += usize::from(*kept);
        kept.then(|| next - 1)
    };
    kept.iter().map(number).collect()
}

fn retain<T>(list: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    list.retain(|_| kept.next().copied().unwrap_or(true));
}

pub(super) fn keep_faults(plan: &Plan, kept: &[bool]) -> Option<Plan> {
    let mut plan = plan.clone();
    retain(&mut plan.faults, kept);
    Some(plan)
}

pub(super) fn keep_clients(plan: &Plan, kept: &[bool]) -> Option<Plan> {
    let mut plan = plan.clone();
    let new = numbers(kept);
    retain(&mut plan.clients, kept);
    for room in &mut plan.rooms {
        room.founder = room.founder.and_then(|founder| new[founder]);
    }
    actions(&mut plan, |action| {
        renumber(action, |action| action.indices().1.into_iter().collect(), |other| new[other])
    });
    plan.faults = faults(&plan.faults, |fault| renumber(&fault.kind, |kind| kind.clients(), |client| new[client]));
    Some(plan)
}

pub(super) fn keep_rooms(plan: &Plan, kept: &[bool]) -> Option<Plan> {
    let mut plan = plan.clone();
    let new = numbers(kept);
    retain(&mut plan.rooms, kept);
    for client in &mut plan.clients {
        client.rooms = client.rooms.iter().filter_map(|room| new[*room]).collect();
    }
    actions(&mut plan, |action| renumber(action, |action| action.indices().0.into_iter().collect(), |room| new[room]));
    Some(plan)
}

/// Clients of a node that goes connect to the first that stays.
pub(super) fn keep_nodes(plan: &Plan, kept: &[bool]) -> Option<Plan> {
    let mut plan = plan.clone();
    let new = numbers(kept);
    retain(&mut plan.nodes, kept);
    for client in &mut plan.clients {
        client.node = new[client.node].unwrap_or(0);
    }
    plan.faults = faults(&plan.faults, |fault| renumber(&fault.kind, |kind| kind.nodes(), |node| new[node]));
    (!plan.nodes.is_empty()).then_some(plan)
}

pub(super) fn steps(plan: &Plan) -> usize {
    plan.clients.iter().map(|client| client.script.len()).sum()
}

pub(super) fn keep_steps(plan: &Plan, kept: &[bool]) -> Option<Plan> {
    let mut plan = plan.clone();
    let mut from = 0;
    for client in &mut plan.clients {
        let count = client.script.len();
        retain(&mut client.script, kept.get(from..from + count)?);
        from += count;
    }
    Some(plan)
}

fn actions(plan: &mut Plan, new: impl Fn(&Action) -> Option<Action>) {
    for client in &mut plan.clients {
        let steps = client.script.iter();
        client.script = steps.filter_map(|step| Some(Step { at_ms: step.at_ms, action: new(&step.action)? })).collect();
    }
}

fn faults(faults: &[Fault], new: impl Fn(&Fault) -> Option<crate::plan::FaultKind>) -> Vec<Fault> {
    faults.iter().filter_map(|fault| Some(Fault { at_ms: fault.at_ms, kind: new(fault)? })).collect()
}

/// Ways to make a plan shorter; each is tried as long as it works.
pub(super) const SHORTER: &[fn(&Plan) -> Option<Plan>] = &[heal_after_last, halve_tail];

fn last_ms(plan: &Plan) -> u64 {
    let steps = plan.clients.iter().flat_map(|client| client.script.iter().map(|step| step.at_ms));
    let connects = plan.clients.iter().map(|client| client.connect_at_ms);
    steps.chain(connects).chain(plan.faults.iter().map(|fault| fault.at_ms)).max().unwrap_or(0)
}

fn heal_after_last(plan: &Plan) -> Option<Plan> {
    let heal_at_ms = last_ms(plan) + TAIL_MS;
    (heal_at_ms < plan.heal_at_ms).then(|| Plan { heal_at_ms, ..plan.clone() })
}

/// Half the way from the last happening to the healing.
fn halve_tail(plan: &Plan) -> Option<Plan> {
    let last_ms = last_ms(plan);
    let heal_at_ms = last_ms + plan.heal_at_ms.saturating_sub(last_ms) / 2;
    (heal_at_ms + TAIL_MS < plan.heal_at_ms).then(|| Plan { heal_at_ms, ..plan.clone() })
}
