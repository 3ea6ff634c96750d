//! Rooms that nobody asks for leave memory; the store has all of them, and the next who asks reads the room again. A node holds far more rooms than
//! people are in at any time.

use super::{Replicas, Scope};
use crate::store::Store;
use lavina_crdt::clock::Now;

/// Most states of rooms that were looked at and not loaded; a list of all rooms makes as many, and all are forgotten then.
const GLIMPSES_MAX: usize = 16_384;

/// Time, in rounds of as long as a room stays that nobody asks for.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    current: u64,
    ends_us: u64,
}

impl Rounds {
    pub(super) const fn current(&self) -> u64 {
        self.current
    }

    /// Whether a round has ended; the next begins.
    fn turn(&mut self, now: Now, round_ms: u64) -> bool {
        let is_over = now.mono_us >= self.ends_us;
        if is_over {
            self.current += 1;
            self.ends_us = now.deadline_ms(round_ms);
        }
        is_over
    }
}

impl<S: Store> Replicas<S> {
    /// Lets go of the rooms that nobody has asked for during a whole round, of which everything is durable and nothing waits.
    pub(super) fn let_go_of_idle_rooms(&mut self, now: Now) {
        if !self.idle.turn(now, self.room_idle_ms) {
            return;
        }
        let (scopes, last) = (&self.scopes, self.idle.current().saturating_sub(1));
        self.rooms.retain(|name, room| {
            let replica = scopes.get(&Scope::Room(name.clone()));
            let is_at_rest = replica.is_some_and(|replica| replica.pending.is_empty() && replica.log.held() == 0);
            !(is_at_rest && room.is_idle_since(last))
        });
        let mut glimpses = self.glimpses.borrow_mut();
        if glimpses.len() > GLIMPSES_MAX {
            glimpses.clear();
        }
    }

    /// How many rooms are in memory.
    pub fn rooms_loaded(&self) -> usize {
        self.rooms.len()
    }
}
