//! Getting a room that somebody here looks at and that this node does not hold: from the nearest node that has something of it.
//!
//! The nearest holder is asked first. When it has nothing, all others are asked at once, since the room may be new, or that holder new to it. Where
//! nobody answers in time the asker goes on with what is here, and the rest comes by sync: nobody waits for a cut to heal.

use crate::gauges::Gauge;
use lavina_crdt::clock::Now;
use lavina_crdt::ids::{NodeId, Scope};
use lavina_crdt::names::RoomName;
use lavina_crdt::version::VersionVector;
use std::collections::{BTreeMap, BTreeSet};

/// Least time that a holder has for its answer, milliseconds; at least three round trips are waited too.
const ANSWER_MS_MIN: u64 = 300;
/// Longest that a holder has for it.
const ANSWER_MS_MAX: u64 = 1_500;
/// Longest that what a holder has is waited for, milliseconds: who comes in then sees the rest come.
const WHOLE_MS: u64 = 10_000;
/// The same while nothing of it comes: a holder may lie, or not be able to read its disk.
const STALLED_MS: u64 = 2_000;
/// How long who did not give what it said to have is asked after all others.
const DOUBTED_MS: u64 = 60_000;
/// Most rooms asked for at a time; whoever wants more goes on with what is here.
const OPEN_MAX: usize = 4_096;

/// A holder that can be asked, and its round trip.
pub(crate) type Source = (u64, NodeId);

#[derive(Debug)]
struct Open {
    /// Who has not been asked yet, nearest first.
    sources: Vec<Source>,
    /// Who has been asked and has not answered.
    asked: BTreeSet<NodeId>,
    /// What those who answered have; empty when nothing.
    there: VersionVector,
    /// From whom it is to come.
    from: BTreeSet<NodeId>,
    /// How much was here when something came last.
    here: u64,
    due_us: u64,
    ends_us: u64,
}

/// What to do about a room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask these.
    Ask(Vec<NodeId>),
    /// Nothing at the moment.
    Wait,
    /// It is over; whether what was to come has.
    Over(bool),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    open: BTreeMap<RoomName, Open>,
    /// Who did not give what it said to have, until when it is asked last.
    doubted: BTreeMap<NodeId, u64>,
}

impl Fetches {
    pub(crate) fn gauge(&self) -> Gauge {
        Gauge::passing("rooms asked for", self.open.len(), OPEN_MAX)
    }

    /// A room is wanted; `sources` hold it, nearest first.
    pub(crate) fn begin(&mut self, now: Now, room: &RoomName, mut sources: Vec<Source>) -> Step {
        if self.open.contains_key(room) {
            return Step::Wait;
        }
        if self.open.len() >= OPEN_MAX {
            return Step::Over(false);
        }
        self.doubted.retain(|_, until_us| *until_us > now.mono_us);
        sources.sort_by_key(|(_, node)| self.doubted.contains_key(node));
        let open = Open {
            sources,
            asked: BTreeSet::new(),
            there: VersionVector::default(),
            from: BTreeSet::new(),
            here: 0,
            due_us: 0,
            ends_us: u64::MAX,
        };
        self.open.insert(room.clone(), open);
        self.ask(now, room, 1)
    }

    /// Asks the next `count` of those who have not been asked.
    fn ask(&mut self, now: Now, room: &RoomName, count: usize) -> Step {
        let Some(open) = self.open.get_mut(room) else { return Step::Wait };
        let next: Vec<Source> = open.sources.drain(..count.min(open.sources.len())).collect();
        let Some((farthest_us, _)) = next.last().copied() else {
            return if open.asked.is_empty() { self.end(room, false) } else { Step::Wait };
        };
        let wait_us = farthest_us.saturating_mul(3).clamp(ANSWER_MS_MIN * 1000, ANSWER_MS_MAX * 1000);
        open.due_us = now.mono_us.saturating_add(wait_us);
        let nodes: Vec<NodeId> = next.into_iter().map(|(_, node)| node).collect();
        open.asked.extend(&nodes);
        Step::Ask(nodes)
    }

    fn end(&mut self, room: &RoomName, complete: bool) -> Step {
        self.open.remove(room);
        Step::Over(complete)
    }

    /// A holder says what it has of a room; `here` is what is here.
    pub(crate) fn on_holding(
        &mut self,
        now: Now,
        from: NodeId,
        room: &RoomName,
        theirs: &VersionVector,
        here: &VersionVector,
    ) -> Step {
        let Some(open) = self.open.get_mut(room) else { return Step::Wait };
        if !open.asked.remove(&from) {
            return Step::Wait;
        }
        if theirs.is_empty() {
            if !open.there.is_empty() || !open.asked.is_empty() {
                return Step::Wait;
            }
            // Nobody who was asked has anything of it: the others are asked, and if there are none it is new.
            return if open.sources.is_empty() { self.end(room, true) } else { self.ask(now, room, usize::MAX) };
        }
        if open.there.is_empty() {
            open.ends_us = now.deadline_ms(WHOLE_MS);
            open.here = here.total();
            open.due_us = now.deadline_ms(STALLED_MS);
        }
        open.there.merge(theirs);
        open.from.insert(from);
        self.on_here(now, room, here)
    }

    /// More of a room is here.
    pub(crate) fn on_here(&mut self, now: Now, room: &RoomName, here: &VersionVector) -> Step {
        let Some(open) = self.open.get_mut(room).filter(|open| !open.there.is_empty()) else { return Step::Wait };
        if here.covers(&open.there) {
            return self.end(room, true);
        }
        if here.total() > open.here {
            open.here = here.total();
            open.due_us = now.deadline_ms(STALLED_MS).min(open.ends_us);
        }
        Step::Wait
    }

    /// A peer is lost: what it was asked, others are.
    pub(crate) fn on_lost(&mut self, now: Now, peer: NodeId) -> Vec<(RoomName, Step)> {
        let concerned = |open: &Open| {
            open.asked.contains(&peer)
                || open.from.contains(&peer)
                || open.sources.iter().any(|(_, node)| *node == peer)
        };
        let rooms: Vec<RoomName> =
            self.open.iter().filter(|(_, open)| concerned(open)).map(|(room, _)| room.clone()).collect();
        let mut steps = Vec::new();
        for room in rooms {
            let Some(open) = self.open.get_mut(&room) else { continue };
            open.sources.retain(|(_, node)| *node != peer);
            open.asked.remove(&peer);
            if open.from.remove(&peer) && open.from.is_empty() {
                open.there = VersionVector::default();
            }
            if open.asked.is_empty() && open.from.is_empty() {
                let step = self.ask(now, &room, 1);
                steps.push((room, step));
            }
        }
        steps
    }

    pub(crate) fn on_time(&mut self, now: Now) -> Vec<(RoomName, Step)> {
        let due = |(room, open): (&RoomName, &Open)| (open.due_us <= now.mono_us).then(|| room.clone());
        let due: Vec<RoomName> = self.open.iter().filter_map(due).collect();
        let mut steps = Vec::new();
        for room in due {
            let Some(open) = self.open.get_mut(&room) else { continue };
            let is_answered = !open.from.is_empty();
            self.doubted.extend(open.from.iter().map(|node| (*node, now.deadline_ms(DOUBTED_MS))));
            open.asked.clear();
            let step = if is_answered { self.end(&room, false) } else { self.ask(now, &room, usize::MAX) };
            steps.push((room, step));
        }
        steps
    }

    pub(crate) fn deadline_us(&self) -> Option<u64> {
        self.open.values().map(|open| open.due_us).min()
    }

    /// The rooms asked for of which entries have come.
    pub(crate) fn is_open(&self, scope: &Scope) -> Option<RoomName> {
        let Scope::Room(room) = scope else { return None };
        self.open.contains_key(room).then(|| room.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::ids::Origin;

    const ORIGIN: Origin = Origin([7; 16]);

    fn at(ms: u64) -> Now {
        Now { mono_us: ms * 1000, wall_ms: ms }
    }

    fn node(number: u8) -> NodeId {
        NodeId([number; 32])
    }

    fn room() -> RoomName {
        RoomName::new("rust").unwrap()
    }

    fn has(next: u64) -> VersionVector {
        VersionVector::from_iter([(ORIGIN, next)])
    }

    fn begun() -> Fetches {
        let mut fetches = Fetches::default();
        let sources = vec![(1_000, node(1)), (40_000, node(2)), (80_000, node(3))];
        assert_eq!(fetches.begin(at(0), &room(), sources), Step::Ask(vec![node(1)]));
        fetches
    }

    #[test]
    fn the_nearest_holder_gives_what_it_has() {
        let mut fetches = begun();
        assert_eq!(fetches.on_holding(at(2), node(1), &room(), &has(3), &has(0)), Step::Wait);
        assert_eq!(fetches.on_here(at(90), &room(), &has(2)), Step::Wait);
        assert_eq!(fetches.on_here(at(90), &room(), &has(3)), Step::Over(true));
        assert_eq!(fetches.deadline_us(), None);
    }

    #[test]
    fn a_room_that_no_holder_has_anything_of_is_new() {
        let mut fetches = begun();
        let nothing = VersionVector::default();
        let others = Step::Ask(vec![node(2), node(3)]);
        assert_eq!(fetches.on_holding(at(2), node(1), &room(), &nothing, &nothing), others);
        assert_eq!(fetches.on_holding(at(80), node(2), &room(), &nothing, &nothing), Step::Wait);
        assert_eq!(fetches.on_holding(at(160), node(3), &room(), &nothing, &nothing), Step::Over(true));
    }

    #[test]
    fn a_holder_that_is_new_to_a_room_hides_nothing_of_what_others_have() {
        let mut fetches = begun();
        let nothing = VersionVector::default();
        fetches.on_holding(at(2), node(1), &room(), &nothing, &nothing);
        assert_eq!(fetches.on_holding(at(80), node(2), &room(), &has(5), &nothing), Step::Wait);
        assert_eq!(fetches.on_here(at(90), &room(), &has(5)), Step::Over(true));
    }

    #[test]
    fn who_does_not_answer_is_passed_over_and_nobody_waits_long() {
        let mut fetches = begun();
        assert!(fetches.on_time(at(ANSWER_MS_MIN - 1)).is_empty());
        let others = Step::Ask(vec![node(2), node(3)]);
        assert_eq!(fetches.on_time(at(ANSWER_MS_MIN)), [(room(), others)]);
        assert_eq!(fetches.on_time(at(ANSWER_MS_MIN + ANSWER_MS_MAX)), [(room(), Step::Over(false))]);
    }

    #[test]
    fn a_holder_that_is_lost_on_the_way_is_replaced() {
        let mut fetches = begun();
        fetches.on_holding(at(2), node(1), &room(), &has(3), &has(0));
        assert_eq!(fetches.on_lost(at(3), node(1)), [(room(), Step::Ask(vec![node(2)]))]);
        assert_eq!(fetches.on_lost(at(4), node(3)), []);
        assert_eq!(fetches.on_lost(at(5), node(2)), [(room(), Step::Over(false))]);
    }

    #[test]
    fn who_says_to_have_more_than_it_gives_is_not_waited_for() {
        let mut fetches = begun();
        fetches.on_holding(at(2), node(1), &room(), &has(1_000), &has(0));
        assert_eq!(fetches.on_here(at(90), &room(), &has(5)), Step::Wait);
        assert!(fetches.on_time(at(STALLED_MS + 50)).is_empty(), "something has come");
        assert_eq!(fetches.on_time(at(STALLED_MS + 1_000)), [(room(), Step::Over(false))]);
        let sources = vec![(1_000, node(1)), (40_000, node(2))];
        assert_eq!(fetches.begin(at(4_000), &room(), sources), Step::Ask(vec![node(2)]), "nor asked first again");
    }

    #[test]
    fn a_room_is_asked_for_once_however_many_want_it() {
        let mut fetches = begun();
        assert_eq!(fetches.begin(at(1), &room(), vec![(1, node(9))]), Step::Wait);
        assert_eq!(fetches.begin(at(1), &RoomName::new("empty").unwrap(), Vec::new()), Step::Over(false));
    }
}
