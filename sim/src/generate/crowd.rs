//! Traffic enough for a reader that does not read to be cut: somebody in its room says many long lines.

use crate::plan::{Action, ClientFault, ClientPlan, Fault, FaultKind, Speaks, Step};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IteratorRandom;

/// Long lines said: more bytes together than may wait for a client.
const LINES: u64 = 140;
/// Time between them, milliseconds.
const EVERY_MS: u64 = 20;

/// Adds steps to the scripts, where there is time for them before the healing.
pub(super) fn add(rng: &mut SmallRng, clients: &mut [ClientPlan], faults: &[Fault], heal_at_ms: u64) {
    let deaf = faults.iter().find_map(|fault| {
        let FaultKind::Client(ClientFault::Deaf(client)) = fault.kind else { return None };
        Some((fault.at_ms, client))
    });
    let floods = faults.iter().any(|fault| matches!(fault.kind, FaultKind::Client(ClientFault::Flood(..))));
    let Some((at_ms, deaf)) = deaf.filter(|(at_ms, _)| !floods && at_ms + LINES * EVERY_MS < heal_at_ms) else {
        return;
    };
    if rng.random_bool(0.5) {
        return;
    }
    let rooms = clients[deaf].rooms.clone();
    let talks = |(index, client): &(usize, &mut ClientPlan)| {
        *index != deaf && client.speaks == Speaks::Xmpp && client.rooms.iter().any(|room| rooms.contains(room))
    };
    let Some((_, talker)) = clients.iter_mut().enumerate().filter(talks).choose(rng) else { return };
    let Some(room) = talker.rooms.iter().copied().find(|room| rooms.contains(room)) else { return };
    for line in 0..LINES {
        let action = Action::Deed("long-line".to_owned(), room, deaf);
        talker.script.push(Step { at_ms: at_ms + line * EVERY_MS, action });
    }
    talker.script.sort_by_key(|step| step.at_ms);
}
