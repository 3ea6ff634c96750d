//! Everything else that clients do: a few rows of the table of deeds for each, and answers to lines that they have seen.

use super::STORM_FROM_MS;
use crate::client::deeds::{Deed, Doer, Owed, TABLES};
use crate::plan::{Action, ClientPlan, RoomPlan, Speaks, Step};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

/// Deeds of a client, on average.
const DEEDS: usize = 7;
/// Deeds of a founder that only founders may do.
const RULINGS: usize = 3;
/// Answers of a client.
const REPLIES: usize = 3;

/// Adds deeds and answers to the scripts.
pub(super) fn add(rng: &mut SmallRng, rooms: &[RoomPlan], clients: &mut [ClientPlan], heal_at_ms: u64) {
    let count = clients.len();
    let all = TABLES.concat();
    for (index, client) in clients.iter_mut().enumerate() {
        let irc = client.speaks == Speaks::Irc;
        let can = |deed: &&Deed| deed.template(irc).is_some();
        let usual: Vec<&Deed> = all.iter().filter(can).filter(|deed| deed.doer == Doer::All).collect();
        let founds = rooms.iter().position(|room| room.founder == Some(index));
        for _ in 0..rng.random_range(0..2 * DEEDS) {
            let Some(deed) = usual.choose(rng) else { continue };
            // An end costs what the client would have done while it connects again.
            if deed.owed == Owed::End && rng.random_bool(0.5) {
                continue;
            }
            let room = client.rooms.choose(rng).copied().unwrap_or(0);
            let other = rng.random_range(0..count);
            push(rng, client, heal_at_ms, Action::Deed(deed.name.to_owned(), room, other));
        }
        let rulings: Vec<&Deed> = all.iter().filter(can).filter(|deed| deed.doer == Doer::Founder).collect();
        if let Some(room) = founds {
            for _ in 0..rng.random_range(0..=RULINGS) {
                let Some(deed) = rulings.choose(rng) else { continue };
                let other = rng.random_range(0..count);
                push(rng, client, heal_at_ms, Action::Deed(deed.name.to_owned(), room, other));
            }
        }
        for _ in 0..rng.random_range(0..2 * REPLIES) {
            let room = client.rooms.choose(rng).copied().unwrap_or(0);
            push(rng, client, heal_at_ms, Action::Reply(room));
        }
        client.script.sort_by_key(|step| step.at_ms);
    }
}

fn push(rng: &mut SmallRng, client: &mut ClientPlan, heal_at_ms: u64, action: Action) {
    client.script.push(Step { at_ms: rng.random_range(STORM_FROM_MS - 500..heal_at_ms), action });
}
