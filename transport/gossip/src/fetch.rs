//! Getting a room that somebody here looks at and that this node does not hold: from the nearest node that has something of it.
//!
//! The nearest holder is asked for it, and for who only looks at it the others what they have: a holder may be behind, cut off from another one or without
//! room on its disk. What the nearest has not given comes from them. When it has nothing, all others are asked at once, since the room may be new, or that holder new to it. Where
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
/// Longest that what the others have is waited for once the nearest has given all, from the beginning on, milliseconds.
const SURVEY_MS_MAX: u64 = 300;
/// How long who did not give what it said to have is asked after all others.
const DOUBTED_MS: u64 = 60_000;
/// Most rooms asked for at a time; whoever wants more goes on with what is here.
const OPEN_MAX: usize = 4_096;

/// A holder that can be asked, and its round trip.
pub(crate) type Source = (u64, NodeId);

#[derive(Debug)]
struct Open {
    /// Who has not been asked yet, in the order in which they are.
    sources: Vec<Source>,
    /// Who has been asked and has not answered.
    asked: BTreeSet<NodeId>,
    /// What those who answered have; empty when nothing.
    there: VersionVector,
    /// From whom it is to come.
    from: BTreeSet<NodeId>,
    /// Who was asked what it has, and has not said it.
    surveyed: BTreeSet<NodeId>,
    /// What those have that said it.
    offers: BTreeMap<NodeId, VersionVector>,
    /// Whether all that was to come is here.
    is_here: bool,
    /// How long what others have is waited for.
    survey_us: u64,
    /// What was here when something came last.
    here: VersionVector,
    due_us: u64,
    ends_us: u64,
}

impl Open {
    /// The nearest of those who have said that they have something that is not here, and were not asked for it.
    fn next_offer(&mut self) -> Option<(NodeId, VersionVector)> {
        self.offers.retain(|_, theirs| !self.here.covers(theirs));
        let nearest = self.sources.iter().map(|(_, node)| *node).find(|node| self.offers.contains_key(node))?;
        self.sources.retain(|(_, node)| *node != nearest);
        self.offers.remove(&nearest).map(|theirs| (nearest, theirs))
    }

    /// Another holder is asked for what it has said to have, and waited for in place of who was before.
    fn ask_for(&mut self, now: Now, node: NodeId, theirs: VersionVector) -> Step {
        self.from.clear();
        self.asked.insert(node);
        self.there = theirs;
        self.is_here = false;
        self.ends_us = self.ends_us.min(now.deadline_ms(WHOLE_MS));
        self.due_us = now.deadline_ms(STALLED_MS).min(self.ends_us);
        Step::Ask(vec![node])
    }
}

/// What to do about a room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask these for it.
    Ask(Vec<NodeId>),
    /// Ask the first for it, and the others what they have of it.
    Survey(NodeId, Vec<NodeId>),
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

    /// A room is wanted; `sources` hold it, in the order in which they are asked. Whether `all` is wanted that any of them has, or what the nearest has will do.
    pub(crate) fn begin(&mut self, now: Now, room: &RoomName, mut sources: Vec<Source>, all: bool) -> Step {
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
            surveyed: BTreeSet::new(),
            offers: BTreeMap::new(),
            is_here: false,
            survey_us: 0,
            here: VersionVector::default(),
            due_us: 0,
            ends_us: u64::MAX,
        };
        self.open.insert(room.clone(), open);
        match self.ask(now, room, 1) {
            Step::Ask(nearest) if all => self.survey(now, room, nearest),
            step @ (Step::Ask(_) | Step::Survey(..) | Step::Wait | Step::Over(_)) => step,
        }
    }

    /// Asks the others what they have, but those who said to have what they did not give.
    fn survey(&mut self, now: Now, room: &RoomName, nearest: Vec<NodeId>) -> Step {
        let (Some(open), [first]) = (self.open.get_mut(room), nearest.as_slice()) else { return Step::Ask(nearest) };
        let others = open.sources.iter().filter(|(_, node)| !self.doubted.contains_key(node));
        let farthest_us = others.clone().map(|(round_trip_us, _)| *round_trip_us).max().unwrap_or_default();
        open.surveyed = others.map(|(_, node)| *node).collect();
        let wait_us = farthest_us.saturating_mul(3).min(SURVEY_MS_MAX * 1000);
        open.survey_us = now.mono_us.saturating_add(wait_us);
        if open.surveyed.is_empty() {
            Step::Ask(nearest)
        } else {
            Step::Survey(*first, open.surveyed.iter().copied().collect())
        }
    }

    /// Asks the next `count` of those who have not been asked.
    fn ask(&mut self, now: Now, room: &RoomName, count: usize) -> Step {
        let Some(open) = self.open.get_mut(room) else { return Step::Wait };
        let next: Vec<Source> = open.sources.drain(..count.min(open.sources.len())).collect();
        let Some(farthest_us) = next.iter().map(|(round_trip_us, _)| *round_trip_us).max() else {
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
        if open.surveyed.remove(&from) {
            open.offers.insert(from, theirs.clone());
            return if open.is_here { self.on_here(now, room, here) } else { Step::Wait };
        }
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
            open.here = here.clone();
            open.due_us = now.deadline_ms(STALLED_MS);
        }
        open.there.merge(theirs);
        open.from.insert(from);
        self.on_here(now, room, here)
    }

    /// More of a room is here.
    pub(crate) fn on_here(&mut self, now: Now, room: &RoomName, here: &VersionVector) -> Step {
        let Some(open) = self.open.get_mut(room).filter(|open| !open.there.is_empty()) else { return Step::Wait };
        open.is_here = here.covers(&open.there);
        if open.is_here {
            return self.on_all_here(now, room, here);
        }
        if here.total() > open.here.total() {
            open.here = here.clone();
            open.due_us = now.deadline_ms(STALLED_MS).min(open.ends_us);
        }
        Step::Wait
    }

    /// All that was to come is here: goes on with what others have beside it.
    fn on_all_here(&mut self, now: Now, room: &RoomName, here: &VersionVector) -> Step {
        let Some(open) = self.open.get_mut(room) else { return Step::Wait };
        open.here = here.clone();
        if let Some((node, theirs)) = open.next_offer() {
            return open.ask_for(now, node, theirs);
        }
        if open.surveyed.is_empty() || open.survey_us <= now.mono_us {
            return self.end(room, true);
        }
        open.due_us = open.survey_us;
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
            open.offers.remove(&peer);
            if open.surveyed.remove(&peer) && open.surveyed.is_empty() && open.is_here {
                open.due_us = now.mono_us;
                continue;
            }
            if open.from.remove(&peer) && open.from.is_empty() {
                open.there = VersionVector::default();
            }
            if open.asked.is_empty() && open.from.is_empty() {
                open.is_here = false;
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
            if open.is_here {
                let step = self.end(&room, true);
                steps.push((room, step));
                continue;
            }
            let is_answered = !open.from.is_empty();
            self.doubted.extend(open.from.iter().map(|node| (*node, now.deadline_ms(DOUBTED_MS))));
            open.asked.clear();
            let offer = if now.mono_us < open.ends_us { open.next_offer() } else { None };
            let step = match offer {
                Some((node, theirs)) => open.ask_for(now, node, theirs),
                None if is_answered => self.end(&room, false),
                None => self.ask(now, &room, usize::MAX),
            };
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
        assert_eq!(fetches.begin(at(0), &room(), sources, true), Step::Survey(node(1), vec![node(2), node(3)]));
        fetches
    }

    /// As when the others have said that they have as much as the first gives.
    fn surveyed() -> Fetches {
        let mut fetches = begun();
        assert_eq!(fetches.on_holding(at(1), node(2), &room(), &has(3), &has(0)), Step::Wait);
        assert_eq!(fetches.on_holding(at(1), node(3), &room(), &has(2), &has(0)), Step::Wait);
        fetches
    }

    #[test]
    fn the_nearest_holder_gives_what_it_has() {
        let mut fetches = surveyed();
        assert_eq!(fetches.on_holding(at(2), node(1), &room(), &has(3), &has(0)), Step::Wait);
        assert_eq!(fetches.on_here(at(90), &room(), &has(2)), Step::Wait);
        assert_eq!(fetches.on_here(at(90), &room(), &has(3)), Step::Over(true));
        assert_eq!(fetches.deadline_us(), None);
    }

    #[test]
    fn what_the_nearest_holder_lacks_another_one_gives() {
        let mut fetches = begun();
        assert_eq!(fetches.on_holding(at(2), node(1), &room(), &has(3), &has(0)), Step::Wait);
        assert_eq!(fetches.on_here(at(9), &room(), &has(3)), Step::Wait);
        assert_eq!(fetches.on_holding(at(40), node(2), &room(), &has(5), &has(3)), Step::Ask(vec![node(2)]));
        assert_eq!(fetches.on_holding(at(80), node(3), &room(), &has(5), &has(3)), Step::Wait);
        assert_eq!(fetches.on_holding(at(80), node(2), &room(), &has(5), &has(3)), Step::Wait);
        assert_eq!(fetches.on_here(at(81), &room(), &has(5)), Step::Over(true));
    }

    #[test]
    fn what_others_have_is_not_waited_for_when_they_do_not_say() {
        let mut fetches = begun();
        fetches.on_holding(at(2), node(1), &room(), &has(3), &has(0));
        assert_eq!(fetches.on_here(at(9), &room(), &has(3)), Step::Wait);
        assert!(fetches.on_time(at(200)).is_empty());
        assert_eq!(fetches.on_time(at(240)), [(room(), Step::Over(true))]);
        let mut fetches = begun();
        fetches.on_holding(at(2), node(1), &room(), &has(3), &has(0));
        fetches.on_here(at(9), &room(), &has(3));
        assert!(fetches.on_lost(at(20), node(2)).is_empty() && fetches.on_lost(at(20), node(3)).is_empty());
        assert_eq!(fetches.on_time(at(20)), [(room(), Step::Over(true))]);
    }

    #[test]
    fn a_room_that_no_holder_has_anything_of_is_new() {
        let mut fetches = begun();
        let nothing = VersionVector::default();
        let others = Step::Ask(vec![node(2), node(3)]);
        for other in [2, 3] {
            fetches.on_holding(at(1), node(other), &room(), &nothing, &nothing);
        }
        assert_eq!(fetches.on_holding(at(2), node(1), &room(), &nothing, &nothing), others);
        assert_eq!(fetches.on_holding(at(80), node(2), &room(), &nothing, &nothing), Step::Wait);
        assert_eq!(fetches.on_holding(at(160), node(3), &room(), &nothing, &nothing), Step::Over(true));
    }

    #[test]
    fn a_holder_that_is_new_to_a_room_hides_nothing_of_what_others_have() {
        let mut fetches = begun();
        let nothing = VersionVector::default();
        for other in [2, 3] {
            fetches.on_holding(at(2), node(other), &room(), &has(5), &nothing);
        }
        assert_eq!(fetches.on_holding(at(2), node(1), &room(), &nothing, &nothing), Step::Ask(vec![node(2), node(3)]));
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
        let mut fetches = surveyed();
        fetches.on_holding(at(2), node(1), &room(), &has(1_000), &has(0));
        assert_eq!(fetches.on_here(at(90), &room(), &has(5)), Step::Wait);
        assert!(fetches.on_time(at(STALLED_MS + 50)).is_empty(), "something has come");
        assert_eq!(fetches.on_time(at(STALLED_MS + 1_000)), [(room(), Step::Over(false))]);
        let sources = vec![(1_000, node(1)), (40_000, node(2))];
        assert_eq!(fetches.begin(at(4_000), &room(), sources, true), Step::Ask(vec![node(2)]), "nor asked first again");
    }

    #[test]
    fn what_a_holder_keeps_to_itself_another_one_gives() {
        let mut fetches = surveyed();
        fetches.on_holding(at(2), node(1), &room(), &has(3), &has(0));
        assert_eq!(fetches.on_time(at(2 + STALLED_MS)), [(room(), Step::Ask(vec![node(2)]))]);
        assert_eq!(fetches.on_holding(at(2_100), node(2), &room(), &has(3), &has(0)), Step::Wait);
        assert_eq!(fetches.on_here(at(2_101), &room(), &has(3)), Step::Over(true));
    }

    #[test]
    fn who_gave_what_it_had_is_not_doubted_for_another_one_that_does_not() {
        let mut fetches = begun();
        fetches.on_holding(at(2), node(1), &room(), &has(3), &has(0));
        fetches.on_here(at(9), &room(), &has(3));
        assert_eq!(fetches.on_holding(at(40), node(2), &room(), &has(1_000), &has(3)), Step::Ask(vec![node(2)]));
        fetches.on_holding(at(80), node(2), &room(), &has(1_000), &has(3));
        fetches.on_holding(at(80), node(3), &room(), &has(3), &has(3));
        assert_eq!(fetches.on_time(at(40 + STALLED_MS)), [(room(), Step::Over(false))]);
        let sources = vec![(1_000, node(1)), (40_000, node(2))];
        assert_eq!(fetches.begin(at(3_000), &room(), sources, false), Step::Ask(vec![node(1)]));
    }

    #[test]
    fn when_the_nearest_does_not_answer_one_is_asked_that_has_said_what_it_has() {
        let mut fetches = begun();
        fetches.on_holding(at(40), node(3), &room(), &has(3), &has(0));
        assert_eq!(fetches.on_time(at(ANSWER_MS_MIN)), [(room(), Step::Ask(vec![node(3)]))]);
        fetches.on_holding(at(400), node(3), &room(), &has(3), &has(0));
        assert_eq!(fetches.on_here(at(401), &room(), &has(3)), Step::Over(true));
    }

    #[test]
    fn a_room_is_asked_for_once_however_many_want_it() {
        let mut fetches = begun();
        assert_eq!(fetches.begin(at(1), &room(), vec![(1, node(9))], true), Step::Wait);
        assert_eq!(fetches.begin(at(1), &RoomName::new("empty").unwrap(), Vec::new(), true), Step::Over(false));
    }
}
