//! Who holds which rooms, and getting those that are not here: what [`Holders`](crate::holders) and [`Fetches`](crate::fetch) say, carried out.

use super::{Gossip, View};
use crate::fetch::{Source, Step};
use crate::frame::Frame;
use crate::holders;
use crate::machine::{Output, Replica};
use crate::tree::scope_hash;
use lavina_crdt::clock::Now;
use lavina_crdt::entry::{Hash, Run};
use lavina_crdt::ids::{NodeId, Scope};
use lavina_crdt::names::RoomName;
use lavina_crdt::version::VersionVector;

/// Most holders that are asked for a room: its homes, and some of those with occupants.
const SOURCES_MAX: usize = 8;
/// When a room that this node has come into is asked for once more, milliseconds: presence has passed most ways, and the longest, by then.
const AGAIN_MS: [u64; 2] = [300, 1_000];
/// Most rooms begun to be fetched in one round because this node is to hold them again.
const WHOLE_PER_ROUND_MAX: usize = 16;
/// What the round trip to a peer counts as until it is measured, microseconds.
const FETCH_ROUND_TRIP_US: u64 = 300_000;

impl Gossip {
    /// Who counts as a home may be others than before, and fewer of them in reach.
    pub(super) fn look_who_holds(&mut self, now: Now) {
        if self.holders.look(now, &self.links) {
            self.sync.on_placement(now, &self.holders);
        }
        let thin = self.sync.thin(&self.links, &self.holders);
        if thin != self.thin {
            self.thin = thin;
            self.out.push(Output::Thin(thin));
        }
    }

    /// Of how many rooms whose home this node is fewer homes are in reach than there are to be.
    #[must_use]
    pub const fn thin(&self) -> usize {
        self.thin
    }

    /// How many rooms are here that this node is not to hold, and that not all of their homes have yet; of how many scopes whatever they are, while it is being
    /// emptied.
    #[must_use]
    pub fn to_hand_over(&self) -> usize {
        self.sync.to_hand_over()
    }

    /// Rooms that this node is to hold again, and of which it has a part only, are fetched.
    pub(super) fn make_whole(&mut self, now: Now, replica: &dyn Replica) {
        let is_wanted = |(key, room): &(&Hash, &RoomName)| self.holders.keeps_here(&Scope::Room((*room).clone()), key);
        let rooms = self.partial.iter().filter(is_wanted).map(|(_, room)| room.clone());
        for room in rooms.take(WHOLE_PER_ROUND_MAX).collect::<Vec<_>>() {
            self.on_fetch(now, room, false, replica);
        }
    }

    pub(super) fn on_interest(&mut self, now: Now, changes: Vec<(NodeId, RoomName, bool)>) {
        for (node, name, is_interested) in changes {
            let (scope, key) = holders::room(&name);
            self.holders.set_interested(node, key, is_interested);
            self.sync.on_interest(now, node, &scope, key, &self.holders);
            if node == self.links.me && is_interested && self.holders.is_on() {
                self.again.extend(AGAIN_MS.map(|after_ms| (now.deadline_ms(after_ms), name.clone())));
            }
        }
    }

    /// What was said before others knew that this node is there was not sent here: it is asked for, of the nearest home, since who is nearer may have come in just
    /// now too, and have missed the same.
    pub(super) fn ask_again(&mut self, now: Now, replica: &dyn Replica) {
        while let Some((_, room)) = self.again.first().filter(|(at_us, _)| *at_us <= now.mono_us).cloned() {
            self.again.pop_first();
            let homes = self.holders.homes(&holders::room(&room).1);
            let sources = self.sources(&room, |peer| homes.contains(&peer));
            self.fetch_from(now, room, sources, false, replica);
        }
    }

    /// A peer places rooms. One that does it otherwise counts as one that holds everything, until both are told the same.
    pub(super) fn on_placing(&mut self, now: Now, peer: NodeId, replicas: u16) {
        let is_alike = self.holders.replicas().is_some_and(|own| own.get() == usize::from(replicas));
        if is_alike && self.holders.set_placing(peer, true) {
            self.sync.on_placing(now, peer, &self.links);
        }
    }

    /// Whether this node has what its peers have of a room, as far as anybody can know: it is to hold it, and has something of it. Else
    /// [`Input::Fetch`](crate::machine::Input::Fetch) brings it.
    #[must_use]
    pub fn has(&self, room: &RoomName, replica: &dyn Replica) -> bool {
        let (scope, key) = holders::room(room);
        !self.holders.is_on()
            || (self.holders.keeps_here(&scope, &key)
                && !self.partial.contains_key(&key)
                && !replica.vector(&scope).is_empty())
    }

    /// Whether a room is being fetched for somebody here.
    #[must_use]
    pub fn is_fetching(&self, room: &RoomName) -> bool {
        self.fetches.is_open(&Scope::Room(room.clone())).is_some()
    }

    /// Whether not every node holds every room.
    #[must_use]
    pub fn is_placed(&self) -> bool {
        self.holders.is_on()
    }

    /// The connected peers that hold some rooms only.
    #[must_use]
    pub fn placing(&self) -> Vec<NodeId> {
        self.holders.placing().filter(|peer| self.links.is_connected(*peer)).collect()
    }

    /// Whether this node is the first of a room's homes that are in reach, where rooms have homes.
    #[must_use]
    pub fn is_first_home(&self, room: &RoomName) -> bool {
        if self.holders.replicas().is_none() {
            return false;
        }
        let homes = self.holders.homes(&holders::room(room).1);
        let me = self.links.me;
        homes.iter().find(|home| **home == me || self.links.is_live(**home)) == Some(&me)
    }

    /// Whether a node that places rooms is to hold a scope, as far as this one knows.
    #[must_use]
    pub fn is_holder(&self, node: NodeId, scope: &Scope) -> bool {
        self.holders.is_placed(node, scope, &scope_hash(scope))
    }

    /// How often it has changed what this node is to hold: a moment in its life.
    #[must_use]
    pub const fn holding_changes(&self) -> u64 {
        self.holders.changes()
    }

    /// Whether a connected peer is taken to hold a scope.
    #[must_use]
    pub fn is_kept_by(&self, peer: NodeId, scope: &Scope) -> bool {
        self.holders.keeps(peer, scope, &scope_hash(scope))
    }

    /// Whether entries came of a room that this node is not to hold, and follow on others that it lacks: whoever sent them did not know yet, and to ask for
    /// all before them would bring here what does not belong here.
    pub(super) fn is_unplaced(&self, now: Now, run: &Run, replica: &dyn Replica) -> bool {
        let key = scope_hash(&run.scope);
        if self.holders.keeps_here(&run.scope, &key) || self.fetches.is_open(&run.scope).is_some() {
            return false;
        }
        let mut here = replica.vector(&run.scope);
        self.arrivals.add_to(now.mono_us, key, &mut here);
        run.first > here.next(run.origin.origin())
    }

    pub(super) fn on_fetch(&mut self, now: Now, room: RoomName, all: bool, replica: &dyn Replica) {
        let sources = self.sources(&room, |_| true);
        self.fetch_from(now, room, sources, all, replica);
    }

    /// Who can be asked for a room: those who are `preferred` first, and of these the nearest.
    fn sources(&self, room: &RoomName, preferred: impl Fn(NodeId) -> bool) -> Vec<Source> {
        let (scope, key) = holders::room(room);
        let holders =
            self.links.iter().filter(|(peer, _)| self.links.is_live(*peer) && self.holders.keeps(*peer, &scope, &key));
        let mut sources: Vec<Source> =
            holders.map(|(peer, link)| (link.round_trip_us.unwrap_or(FETCH_ROUND_TRIP_US), peer)).collect();
        sources.sort_unstable_by_key(|(round_trip_us, peer)| (!preferred(*peer), *round_trip_us, *peer));
        sources.truncate(SOURCES_MAX);
        sources
    }

    fn fetch_from(&mut self, now: Now, room: RoomName, sources: Vec<Source>, all: bool, replica: &dyn Replica) {
        let step = self.fetches.begin(now, &room, sources, all);
        self.on_step(room, step, replica);
    }

    pub(super) fn on_step(&mut self, room: RoomName, step: Step, replica: &dyn Replica) {
        match step {
            Step::Wait => {}
            Step::Ask(peers) => self.ask_for(Scope::Room(room), &peers, &[], replica),
            Step::Survey(nearest, others) => self.ask_for(Scope::Room(room), &[nearest], &others, replica),
            Step::Over(complete) => {
                let counters = &mut self.out.counters;
                if complete {
                    self.partial.remove(&holders::room(&room).1);
                }
                *(if complete { &mut counters.rooms_fetched } else { &mut counters.fetches_failed }) += 1;
                self.out.push(Output::Fetched(room, complete));
            }
        }
    }

    /// Asks for a scope, and asks others what they have of it.
    fn ask_for(&mut self, scope: Scope, givers: &[NodeId], others: &[NodeId], replica: &dyn Replica) {
        let vectors = vec![(scope.clone(), replica.vector(&scope))];
        for (peers, send) in [(givers, true), (others, false)] {
            for peer in peers {
                self.out.send(*peer, Frame::Ask { vectors: vectors.clone(), send });
            }
        }
    }

    pub(super) fn on_holding(
        &mut self,
        now: Now,
        from: NodeId,
        rows: Vec<(Scope, VersionVector)>,
        replica: &dyn Replica,
    ) {
        for (scope, theirs) in rows {
            if let Some(room) = self.fetches.is_open(&scope) {
                let here = self.here(now, &scope, replica);
                let step = self.fetches.on_holding(now, from, &room, &theirs, &here);
                self.on_step(room, step, replica);
            }
            let view = View { now, links: &self.links, holders: &self.holders, replica };
            self.sync.on_holding(&view, from, &scope, theirs, &mut self.flights, &mut self.out);
        }
    }

    /// What is here of a scope, on the disk or on its way there.
    pub(super) fn here(&self, now: Now, scope: &Scope, replica: &dyn Replica) -> VersionVector {
        let mut here = replica.vector(scope);
        self.arrivals.add_to(now.mono_us, scope_hash(scope), &mut here);
        here
    }

    /// More of a scope is here.
    pub(super) fn on_here(&mut self, now: Now, scope: &Scope, replica: &dyn Replica) {
        if let Some(room) = self.fetches.is_open(scope) {
            let here = self.here(now, scope, replica);
            let step = self.fetches.on_here(now, &room, &here);
            self.on_step(room, step, replica);
        }
    }
}
