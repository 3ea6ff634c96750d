//! The gate of one session: holds what the session is sent, in order, behind writes that are not durable yet.
//!
//! A command that writes puts a barrier; its answer and everything after it, answers and events alike, wait until the barrier's batch
//! is durable. While no barrier is there the gate is open and nothing passes through it. It knows no room and no store.

use crate::store::BatchId;
use lavina_crdt::mutant::{self, Mutant};
use lavina_protocols::command::{CommandId, Refusal, Reply};
use lavina_protocols::event::Event;
use std::collections::VecDeque;
use std::sync::Arc;

/// Most items held for one session. A busy room brings some thousand events a second, and a commit takes milliseconds: who reaches
/// this has a disk that stalls for seconds, and is told to come back rather than kept in memory.
pub(crate) const HELD_MAX: usize = 8192;

/// Something for the session.
#[derive(Debug)]
pub(crate) enum Held {
    /// The answer to a command.
    Answer(CommandId, Box<Result<Reply, Refusal>>),
    /// An event.
    Event(Arc<Event>),
}

#[derive(Debug)]
enum Item {
    Barrier(BatchId, CommandId),
    Held(u64, Held),
}

/// More than [`HELD_MAX`] items wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    items: VecDeque<Item>,
}

impl Gate {
    /// Whether nothing waits: what comes goes out at once.
    pub(crate) fn is_open(&self) -> bool {
        self.items.is_empty()
    }

    /// How much waits, barriers too.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// From here on everything waits for `batch`, in which `command` has written.
    pub(crate) fn barrier(&mut self, batch: BatchId, command: CommandId) {
        self.items.push_back(Item::Barrier(batch, command));
    }

    /// Puts something behind what waits. Only for a gate that is not open. `turn` grows over all sessions of the node.
    pub(crate) fn hold(&mut self, turn: u64, held: Held) -> Result<(), Overflow> {
        if self.items.len() >= HELD_MAX && !mutant::is_planted(Mutant::NoBound) {
            return Err(Overflow);
        }
        self.items.push_back(Item::Held(turn, held));
        Ok(())
    }

    /// The next thing that may go out when everything up to `persisted` is durable.
    pub(crate) fn release(&mut self, persisted: BatchId) -> Option<(u64, Held)> {
        loop {
            match self.items.pop_front()? {
                Item::Held(turn, held) => return Some((turn, held)),
                Item::Barrier(batch, _) if batch <= persisted => {}
                barrier @ Item::Barrier(..) => {
                    self.items.push_front(barrier);
                    return None;
                }
            }
        }
    }

    /// The store does not take the writes: opens the gate, with the answers of the commands that wrote turned into refusals. Who came into a
    /// room that it made is told so all the same: it is there, and hears what is said; the making is kept in memory until there is room.
    pub(crate) fn fail(&mut self) -> Vec<(u64, Held)> {
        let mut failed = Vec::new();
        let mut out = Vec::new();
        for item in self.items.drain(..) {
            match item {
                Item::Barrier(_, command) => failed.push(command),
                Item::Held(turn, Held::Answer(id, answer)) => {
                    let is_inside = matches!(*answer, Ok(Reply::Joined(..)));
                    let is_refused = failed.contains(&id) && !is_inside;
                    let answer = if is_refused { Box::new(Err(Refusal::Storage)) } else { answer };
                    out.push((turn, Held::Answer(id, answer)));
                }
                Item::Held(turn, event @ Held::Event(_)) => out.push((turn, event)),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(id: u64) -> Held {
        Held::Answer(CommandId(id), Box::new(Ok(Reply::Done)))
    }

    fn ids(gate: &mut Gate, persisted: u64) -> Vec<u64> {
        let mut ids = Vec::new();
        while let Some((_, held)) = gate.release(BatchId(persisted)) {
            match held {
                Held::Answer(id, _) => ids.push(id.0),
                Held::Event(_) => ids.push(0),
            }
        }
        ids
    }

    #[test]
    fn later_answers_wait_behind_an_earlier_write() {
        let mut gate = Gate::default();
        gate.barrier(BatchId(1), CommandId(1));
        gate.hold(0, answer(1)).unwrap();
        gate.hold(0, answer(2)).unwrap();
        gate.barrier(BatchId(2), CommandId(3));
        gate.hold(0, answer(3)).unwrap();
        assert_eq!(ids(&mut gate, 0), [0u64; 0]);
        assert_eq!(ids(&mut gate, 1), [1, 2]);
        assert!(!gate.is_open());
        assert_eq!(ids(&mut gate, 2), [3]);
        assert!(gate.is_open());
    }

    #[test]
    fn a_failed_write_is_refused_and_what_wrote_nothing_is_not() {
        let mut gate = Gate::default();
        gate.barrier(BatchId(1), CommandId(1));
        gate.hold(0, answer(1)).unwrap();
        gate.hold(0, answer(2)).unwrap();
        let storage = |held: &(u64, Held)| matches!(&held.1, Held::Answer(_, answer) if matches!(**answer, Err(Refusal::Storage)));
        let out = gate.fail();
        assert_eq!(out.iter().map(storage).collect::<Vec<_>>(), [true, false]);
        assert!(gate.is_open());
    }

    #[test]
    fn who_made_a_room_that_was_not_written_is_told_that_it_is_inside() {
        let view = lavina_protocols::event::RoomView {
            name: lavina_crdt::names::RoomName::new("rust").unwrap(),
            state: Arc::default(),
            occupants: Vec::new(),
            own_nick: None,
            created: true,
        };
        let mut gate = Gate::default();
        gate.barrier(BatchId(1), CommandId(1));
        gate.hold(0, Held::Answer(CommandId(1), Box::new(Ok(Reply::Joined(Arc::new(view), true))))).unwrap();
        let out = gate.fail();
        let [(_, Held::Answer(_, answer))] = out.as_slice() else { panic!("{out:?}") };
        assert!(matches!(**answer, Ok(Reply::Joined(..))));
    }

    #[test]
    fn a_gate_holds_a_bounded_number_of_items() {
        let mut gate = Gate::default();
        gate.barrier(BatchId(1), CommandId(1));
        let held = (0..HELD_MAX * 2).map_while(|id| gate.hold(0, answer(id as u64)).ok()).count();
        assert!(held < HELD_MAX + 1);
        assert_eq!(gate.hold(0, answer(1)), Err(Overflow));
    }
}
