//! The machine: routes each input to the part that is concerned, runs the timers, and gathers what goes out.
//!
//! Holds no rule of its own but who may speak (the admitted) and how a signal finds its node.

use crate::arrivals::{Arrivals, Closes};
use crate::disseminate::{Dissemination, Whom};
use crate::fetch::{Fetches, Source, Step};
use crate::frame::Frame;
use crate::gauges::Gauge;
use crate::holders::{self, Holders};
use crate::inflight::{InFlight, run_end};
use crate::links::{Link, Links};
use crate::machine::{Counters, GossipConfig, Input, Output, Peer, PeerStatus, Replica};
use crate::membership::Membership;
use crate::outbox::Outbox;
use crate::presence::PresenceExchange;
use crate::sync::Sync;
use crate::tree::scope_hash;
use bytes::Bytes;
use lavina_crdt::clock::Now;
use lavina_crdt::entry::{Hash, Run};
use lavina_crdt::ids::{NodeId, Origin, Scope, SessionId};
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::names::RoomName;
use lavina_crdt::presence::PresenceMap;
use lavina_crdt::version::VersionVector;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};

/// Largest signal passed on: it is a stanza or a line, not a file.
const SIGNAL_BYTES_MAX: usize = 64 * 1024;
/// Marks in one [`Frame::Durable`]: far below the largest frame.
const MARKS_MAX: usize = 4_096;
/// Gaps answered in one frame, and the most bytes for each: what was lost on the way is little, the rest is for sync.
const RESENDS_MAX: usize = 16;
const RESEND_BYTES_MAX: usize = 64 * 1024;
/// Most holders that are asked for a room: its homes, and some of those with occupants.
const SOURCES_MAX: usize = 8;
/// When a room that this node has come into is asked for once more, milliseconds: presence has passed most ways, and the longest, by then.
const AGAIN_MS: [u64; 2] = [300, 1_000];
/// Most rooms begun to be fetched in one round because this node is to hold them again.
const WHOLE_PER_ROUND_MAX: usize = 16;
/// What the round trip to a peer counts as until it is measured, microseconds.
const FETCH_ROUND_TRIP_US: u64 = 300_000;
/// Connections remembered of nodes that the roster does not hold yet.
const EARLY_MAX: usize = 1_024;
/// Rounds of timers in one call: a timer may set another for now, but not for ever.
const TIMER_ROUNDS_MAX: usize = 8;

/// What the parts read while they act.
pub(crate) struct View<'a> {
    pub(crate) now: Now,
    pub(crate) links: &'a Links,
    pub(crate) holders: &'a Holders,
    pub(crate) replica: &'a dyn Replica,
}

/// Membership, dissemination and sync of one node.
///
/// Drive it: [`Gossip::handle`] with each input, then drain [`Gossip::poll_output`]. Give the roster first, and [`Input::Durable`] with all
/// that the replica holds. [`Output::Timeout`] says when it must be called next if nothing else happens.
///
/// Whatever frames, signatures and entries mean, the machine takes a [`Output::Received`] run for true only when [`Input::Verified`] and
/// [`Input::Durable`] say so.
#[derive(Debug)]
pub struct Gossip {
    links: Links,
    holders: Holders,
    fetches: Fetches,
    thin: usize,
    /// Rooms that this node has come into, to be asked for again when all must have heard of it.
    again: BTreeSet<(u64, RoomName)>,
    /// Rooms of which too little is here to answer for them.
    partial: BTreeMap<Hash, RoomName>,
    membership: Membership,
    spread: Dissemination,
    flights: InFlight,
    arrivals: Arrivals,
    sync: Sync,
    presence: PresenceExchange,
    rng: Xoshiro256PlusPlus,
    out: Outbox,
    /// Acknowledgements to send at the end of this input.
    marks: BTreeMap<NodeId, Vec<(Scope, Origin, u64)>>,
    /// Connected before the roster named them.
    early: BTreeSet<NodeId>,
    timeout_us: Option<u64>,
}

impl Gossip {
    /// A machine that knows nobody yet. `seed` feeds its own generator.
    #[must_use]
    pub fn new(config: GossipConfig, seed: u64) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self {
            membership: Membership::new(&config, rng.random()),
            holders: Holders::new(config.me, config.replicas),
            fetches: Fetches::default(),
            thin: 0,
            again: BTreeSet::new(),
            partial: BTreeMap::new(),
            links: Links::new(config.me, config.place),
            spread: Dissemination::new(config.gateway_patience_ms),
            flights: InFlight::default(),
            arrivals: Arrivals::default(),
            sync: Sync::new(config.sync_period_ms, config.linger_ms),
            presence: PresenceExchange::new(config.generation),
            rng,
            out: Outbox::default(),
            marks: BTreeMap::new(),
            early: BTreeSet::new(),
            timeout_us: None,
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Now, input: Input, replica: &dyn Replica, presence: &PresenceMap) {
        if matches!(input, Input::Timeout) {
            self.timeout_us = None;
        }
        match input {
            Input::Roster(roster) => self.on_roster(now, roster, presence),
            Input::PeerUp(peer) => self.on_peer_up(now, peer, presence),
            Input::PeerDown(peer) => self.on_peer_down(now, peer, replica),
            Input::RoundTrip(peer, us) => self.links.set_round_trip(peer, us),
            Input::Frame(from, frame) => self.on_frame(now, from, frame, replica, presence),
            Input::Datagram(from, packet) => self.on_packet(now, from, &packet),
            Input::Appended(runs) => self.on_appended(now, runs),
            Input::Interest(changes) => self.on_interest(now, changes),
            Input::Partial(rooms) => {
                self.partial.extend(rooms.into_iter().map(|room| (holders::room(&room).1, room)));
            }
            Input::Fetch(room) => self.on_fetch(now, room, false, replica),
            Input::FetchAll(room) => self.on_fetch(now, room, true, replica),
            Input::Verified { from, runs, refuted, relay } => {
                for (scope, origin) in refuted {
                    self.arrivals.refute(scope_hash(&scope), origin);
                }
                self.on_verified(now, from, &runs, relay, replica);
            }
            Input::Durable(vectors) => self.on_durable(now, &vectors, replica),
            Input::Presence(update) => self.presence.on_own(update, &self.links, &mut self.out),
            Input::Signal(to, bytes) => self.on_signal(to, bytes),
            Input::Compare => {
                let peers: Vec<NodeId> = self.links.connected().collect();
                for peer in peers {
                    self.sync.on_up(now, peer, &self.links);
                }
            }
            Input::Timeout => {}
        }
        for _ in 0..TIMER_ROUNDS_MAX {
            if self.deadline_us() > now.mono_us {
                break;
            }
            self.on_time(now, replica, presence);
        }
        self.spread.flush(&mut self.out);
        self.flush_marks();
        let deadline_us = self.deadline_us();
        if self.timeout_us != Some(deadline_us) {
            self.timeout_us = Some(deadline_us);
            self.out.push(Output::Timeout(deadline_us));
        }
    }

    /// The next output; drain until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop()
    }

    /// The counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.out.counters.clone()
    }

    /// What is known of each peer: whether connected, whether held to be in reach, how many entries it is known to lack.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStatus> {
        let status = |(node, link): (NodeId, &Link)| PeerStatus {
            node,
            place: link.place.clone(),
            connected: link.connected(),
            in_reach: link.in_reach(),
            via: if link.connected() || !link.in_reach() { None } else { self.way_to(node) },
            round_trip_us: link.round_trip_us,
            unacknowledged: self.flights.entries(node),
        };
        self.links.iter().map(status).collect()
    }

    /// The peers that are connected.
    #[must_use]
    pub fn connected(&self) -> Vec<NodeId> {
        self.links.connected().collect()
    }

    pub(crate) fn tables(&self) -> Vec<Gauge> {
        let mut gauges = vec![
            Gauge::standing("early connections", self.early.len(), EARLY_MAX),
            Gauge::passing("acknowledgements to send", self.marks.len(), 0),
        ];
        gauges.push(self.fetches.gauge());
        gauges.extend(self.spread.gauges());
        gauges.extend(self.flights.gauges());
        gauges.extend(self.arrivals.gauges());
        gauges.extend(self.sync.gauges());
        gauges
    }

    fn on_roster(&mut self, now: Now, roster: Vec<Peer>, presence: &PresenceMap) {
        for gone in self.links.set_roster(now, roster) {
            self.sync.on_gone(gone);
            self.forget(now, gone);
        }
        let changes = self.membership.on_roster(&mut self.links, &mut self.out);
        self.on_reach(now, &changes);
        self.look_who_holds(now);
        let early: Vec<NodeId> = self.early.iter().copied().filter(|node| self.links.is_admitted(*node)).collect();
        for peer in early {
            self.early.remove(&peer);
            self.on_peer_up(now, peer, presence);
        }
    }

    fn on_peer_up(&mut self, now: Now, peer: NodeId, presence: &PresenceMap) {
        if !self.links.up(now, peer) {
            if peer != self.links.me && self.early.len() < EARLY_MAX {
                self.early.insert(peer);
            }
            return;
        }
        // What was on an earlier connection is lost with it.
        self.forget(now, peer);
        if let Some(replicas) = self.holders.replicas() {
            self.out.send(peer, Frame::Placing(u16::try_from(replicas.get()).unwrap_or(u16::MAX)));
        }
        let changes = self.membership.on_up(now, peer, &mut self.links, &mut self.out);
        self.on_reach(now, &changes);
        self.sync.on_up(now, peer, &self.links);
        self.presence.tell(now, peer, presence, &self.links, &mut self.out);
    }

    fn on_peer_down(&mut self, now: Now, peer: NodeId, replica: &dyn Replica) {
        self.early.remove(&peer);
        self.links.down(now, peer, &mut self.rng);
        self.membership.on_news(now);
        self.sync.on_lost(now, peer);
        self.forget(now, peer);
        for (room, step) in self.fetches.on_lost(now, peer) {
            self.on_step(room, step, replica);
        }
    }

    /// Everything that hung on a connection to the peer is void.
    fn forget(&mut self, now: Now, peer: NodeId) {
        self.flights.forget(peer);
        self.arrivals.forget(peer);
        self.sync.forget(peer);
        self.presence.forget(peer);
        self.marks.remove(&peer);
        self.holders.set_placing(peer, false);
        let whom = Whom { links: &self.links, holders: &self.holders };
        self.spread.on_gone(now, peer, whom, &mut self.flights, &mut self.out);
    }

    fn on_reach(&mut self, now: Now, changes: &[(NodeId, bool)]) {
        for (node, up) in changes {
            if *up {
                self.sync.on_reach(now, *node, &self.links);
            } else {
                let whom = Whom { links: &self.links, holders: &self.holders };
                self.spread.on_gone(now, *node, whom, &mut self.flights, &mut self.out);
            }
        }
    }

    fn on_packet(&mut self, now: Now, from: NodeId, packet: &[u8]) {
        if !self.links.is_admitted(from) {
            self.out.refuse();
            return;
        }
        self.links.heard(now, from);
        let changes = self.membership.on_packet(now, from, packet, &mut self.links, &mut self.out);
        self.on_reach(now, &changes);
    }

    fn on_frame(&mut self, now: Now, from: NodeId, frame: Frame, replica: &dyn Replica, presence: &PresenceMap) {
        if !self.links.is_admitted(from) {
            self.out.refuse();
            return;
        }
        self.links.heard(now, from);
        let Self { links, holders, partial, sync, flights, arrivals, out, .. } = self;
        let view = View { now, links, holders, replica };
        match frame {
            Frame::Push { runs, relay } => self.on_runs(now, from, runs, relay, replica),
            Frame::Delta { runs, more } => {
                sync.on_delta(now, from, more);
                // What comes from another region by sync enters this one here, once.
                let relay = !links.is_near(from);
                self.on_runs(now, from, runs, relay, replica);
            }
            Frame::Durable(marks) => self.on_marks(now, from, &marks, replica),
            Frame::Root { entries, presence: theirs } => {
                sync.on_root(from, entries, holders, out);
                if self.presence.on_digest(now, from, theirs, presence, links, out) {
                    sync.differs(from);
                }
            }
            Frame::Buckets(buckets) => sync.on_buckets(&view, from, buckets, arrivals, out),
            Frame::Vectors { buckets, vectors, answer } => {
                sync.on_vectors(&view, from, buckets, vectors, answer, arrivals, flights, out);
            }
            Frame::Changed { vectors, answer } => {
                sync.on_changed(&view, from, vectors, answer, arrivals, flights, out);
            }
            Frame::PresenceHave(have) => {
                sync.differs(from);
                self.presence.on_have(now, from, &have, presence, links, out);
            }
            Frame::Presence(update) => self.presence.on_update(now, from, update, presence, links, out),
            Frame::Signal { to, bytes, hops } => self.on_signal_frame(to, bytes, hops),
            Frame::Membership(packet) => self.on_packet(now, from, &packet),
            Frame::Resend(pairs) => self.on_resend(now, from, &pairs, replica),
            Frame::Placing(replicas) => self.on_placing(now, from, replicas),
            Frame::Ask { vectors, send } => sync.on_ask(&view, from, vectors, send, partial, flights, out),
            Frame::Holding(rows) => self.on_holding(now, from, rows, replica),
            // What nodes say of clocks, contents and what rooms there are is the core's.
            Frame::Clock(_) | Frame::Heads(_) | Frame::AskRooms | Frame::Rooms { .. } => out.refuse(),
        }
    }

    /// A peer has later entries of these, but not those from here on: whatever was on its way is lost.
    fn on_resend(&mut self, now: Now, from: NodeId, pairs: &[(Scope, Origin, u64)], replica: &dyn Replica) {
        let relay = !self.links.is_near(from);
        for (scope, origin, first) in pairs.iter().take(RESENDS_MAX) {
            let run = replica.run(scope, *origin, *first, RESEND_BYTES_MAX).filter(|run| run.first == *first);
            if let Some(run) = run {
                self.out.counters.entries_resent += u64::try_from(run.entries.len()).unwrap_or(u64::MAX);
                self.spread.resend(now, from, relay, &run, &mut self.flights, &mut self.out);
            }
        }
    }

    fn on_runs(&mut self, now: Now, from: NodeId, mut runs: Vec<Run>, relay: bool, replica: &dyn Replica) {
        let sent = runs.len();
        runs.retain(|run| !run.entries.is_empty() && run_end(run) < u64::MAX);
        if runs.len() < sent {
            self.out.refuse();
        }
        let enters = !self.links.is_near(from);
        for run in &runs {
            if enters {
                self.out.counters.entries_entered += u64::try_from(run.entries.len()).unwrap_or(u64::MAX);
            }
            let (key, origin) = (scope_hash(&run.scope), run.origin.origin());
            let durable = replica.vector(&run.scope).next(origin);
            if run.first > durable && self.is_unplaced(now, run, replica) {
                self.out.counters.entries_unplaced += u64::try_from(run.entries.len()).unwrap_or(u64::MAX);
                continue;
            }
            let closes = self.closes(enters, run, &key, durable);
            if let Some(mark) = self.arrivals.on_run(now, from, key, run, durable, closes, &mut self.out) {
                self.marks.entry(from).or_default().push(mark);
            }
        }
        if !runs.is_empty() {
            self.out.push(Output::Received { from, runs, relay });
        }
    }

    /// What may bring what is missing before a run, if anything is.
    fn closes(&self, enters: bool, run: &Run, key: &Hash, durable: u64) -> Closes {
        let is_newcomer = |room: &RoomName| self.again.iter().any(|(_, entered)| entered == room);
        if run.first > durable
            && let Scope::Room(room) = &run.scope
            && is_newcomer(room)
        {
            return Closes::Not;
        }
        let is_relayed = enters && self.links.near_live().any(|peer| self.holders.keeps(peer, &run.scope, key));
        if is_relayed { Closes::Relay } else { Closes::Near }
    }

    fn on_marks(&mut self, now: Now, from: NodeId, marks: &[(Scope, Origin, u64)], replica: &dyn Replica) {
        let mut batch_done = false;
        for (scope, origin, next) in marks {
            let key = scope_hash(scope);
            self.flights.acknowledged(now.mono_us, from, key, *origin, *next);
            self.spread.on_acknowledged(now, from, key, *origin, *next);
            batch_done |= self.sync.catch_up.on_acknowledged(from, key, *origin, *next);
        }
        if batch_done {
            let view = View { now, links: &self.links, holders: &self.holders, replica };
            self.sync.catch_up.pump(&view, from, &self.sync.fresh, &mut self.flights, &mut self.out);
        }
    }

    fn on_appended(&mut self, now: Now, runs: Vec<Run>) {
        for run in runs.into_iter().filter(|run| !run.entries.is_empty()) {
            let (key, origin) = (scope_hash(&run.scope), run.origin.origin());
            self.sync.fresh.note(now.mono_us, key, origin, run.first, &mut self.out);
            let whom = Whom { links: &self.links, holders: &self.holders };
            self.spread.on_appended(now, run, whom, &mut self.flights, &mut self.out);
        }
    }

    fn on_verified(&mut self, now: Now, from: NodeId, runs: &[Run], relay: bool, replica: &dyn Replica) {
        let mut brings_new = false;
        for run in runs {
            let origin = run.origin.origin();
            if run_end(run) > replica.vector(&run.scope).next(origin) {
                self.sync.fresh.note(now.mono_us, scope_hash(&run.scope), origin, run.first, &mut self.out);
                brings_new = true;
            }
        }
        if !brings_new {
            self.sync.on_nothing_new(from);
        }
        if relay && !mutant::is_planted(Mutant::RelayNothing) {
            for run in runs {
                let whom = Whom { links: &self.links, holders: &self.holders };
                self.spread.on_verified(now, from, run, whom, &mut self.flights, &mut self.out);
            }
        }
        for run in runs {
            self.on_here(now, &run.scope, replica);
        }
    }

    fn on_durable(&mut self, now: Now, vectors: &[(Scope, VersionVector)], replica: &dyn Replica) {
        for (scope, vector) in vectors {
            let key = scope_hash(scope);
            self.sync.on_durable(now, scope, key, vector, &self.holders);
            for (peer, mark) in self.arrivals.on_durable(now, key, vector) {
                self.marks.entry(peer).or_default().push(mark);
            }
            self.on_here(now, scope, replica);
        }
    }

    fn flush_marks(&mut self) {
        for (peer, marks) in std::mem::take(&mut self.marks) {
            if self.links.is_connected(peer) {
                marks.chunks(MARKS_MAX).for_each(|part| self.out.send(peer, Frame::Durable(part.to_vec())));
            }
        }
    }

    /// To the session's node, or through one other that is in reach.
    fn on_signal(&mut self, to: SessionId, bytes: Bytes) {
        if to.node == self.links.me {
            self.out.push(Output::Signal(to, bytes));
        } else if bytes.len() > SIGNAL_BYTES_MAX || !self.links.is_admitted(to.node) {
            self.out.counters.signals_dropped += 1;
        } else if self.links.is_connected(to.node) {
            self.out.send(to.node, Frame::Signal { to, bytes, hops: 0 });
        } else if let Some(via) = self.way_to(to.node) {
            self.out.send(via, Frame::Signal { to, bytes, hops: 1 });
        } else {
            self.out.counters.signals_dropped += 1;
        }
    }

    fn on_signal_frame(&mut self, to: SessionId, bytes: Bytes, hops: u8) {
        if to.node == self.links.me {
            self.out.push(Output::Signal(to, bytes));
        } else if hops > 0 && bytes.len() <= SIGNAL_BYTES_MAX && self.links.is_connected(to.node) {
            self.out.send(to.node, Frame::Signal { to, bytes, hops: 0 });
        } else {
            self.out.counters.signals_dropped += 1;
        }
    }

    /// A live peer that is likely connected to a node that this one is not: of that node's region, else the one nearest by.
    fn way_to(&self, node: NodeId) -> Option<NodeId> {
        let region = &self.links.get(node)?.place.region;
        let live = self.links.iter().filter(|(peer, _)| *peer != node && self.links.is_live(*peer));
        let key = |(peer, link): &(NodeId, &Link)| {
            (link.place.region != *region, link.round_trip_us.unwrap_or(u64::MAX), *peer)
        };
        live.min_by_key(key).map(|(peer, _)| peer)
    }

    fn on_time(&mut self, now: Now, replica: &dyn Replica, presence: &PresenceMap) {
        self.links.on_time(now, &mut self.rng, &mut self.out);
        let changes = self.membership.on_time(now, &mut self.links, &mut self.out);
        self.on_reach(now, &changes);
        let whom = Whom { links: &self.links, holders: &self.holders };
        self.spread.on_time(now, whom, &mut self.flights, &mut self.out);
        let gaps = self.arrivals.gaps_due(now, |scope, origin| replica.vector(scope).next(origin));
        for (peer, gaps) in gaps {
            if self.links.is_connected(peer) {
                gaps.chunks(RESENDS_MAX).for_each(|part| self.out.send(peer, Frame::Resend(part.to_vec())));
            }
        }
        self.ask_again(now, replica);
        for (room, step) in self.fetches.on_time(now) {
            self.on_step(room, step, replica);
        }
        let view = View { now, links: &self.links, holders: &self.holders, replica };
        self.sync.hand_over(&view, &mut self.out);
        let digest = || self.presence.digest(presence, &self.links);
        if self.sync.on_time(&view, digest, &self.arrivals, &mut self.flights, &mut self.out) {
            self.flights.expire(now.mono_us);
            self.arrivals.expire(now.mono_us);
            self.look_who_holds(now);
            self.make_whole(now, replica);
        }
    }

    /// Who counts as a home may be others than before, and fewer of them in reach.
    fn look_who_holds(&mut self, now: Now) {
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

    /// How many rooms are here that this node is not to hold, and that not all of their homes have yet.
    #[must_use]
    pub fn to_hand_over(&self) -> usize {
        self.sync.to_hand_over()
    }

    /// Rooms that this node is to hold again, and of which it has a part only, are fetched.
    fn make_whole(&mut self, now: Now, replica: &dyn Replica) {
        let is_wanted = |(key, room): &(&Hash, &RoomName)| self.holders.keeps_here(&Scope::Room((*room).clone()), key);
        let rooms = self.partial.iter().filter(is_wanted).map(|(_, room)| room.clone());
        for room in rooms.take(WHOLE_PER_ROUND_MAX).collect::<Vec<_>>() {
            self.on_fetch(now, room, false, replica);
        }
    }

    fn on_interest(&mut self, now: Now, changes: Vec<(NodeId, RoomName, bool)>) {
        for (node, name, is_interested) in changes {
            let (scope, key) = holders::room(&name);
            self.holders.set_interested(node, key, is_interested);
            self.sync.on_held(now, &scope, key, &self.holders);
            if node == self.links.me && is_interested && self.holders.is_on() {
                self.again.extend(AGAIN_MS.map(|after_ms| (now.deadline_ms(after_ms), name.clone())));
            }
        }
    }

    /// What was said before others knew that this node is there was not sent here: it is asked for.
    fn ask_again(&mut self, now: Now, replica: &dyn Replica) {
        while let Some((_, room)) = self.again.first().filter(|(at_us, _)| *at_us <= now.mono_us).cloned() {
            self.again.pop_first();
            self.on_fetch(now, room, false, replica);
        }
    }

    /// A peer places rooms. One that does it otherwise counts as one that holds everything, until both are told the same.
    fn on_placing(&mut self, now: Now, peer: NodeId, replicas: u16) {
        let is_alike = self.holders.replicas().is_some_and(|own| own.get() == usize::from(replicas));
        if is_alike && self.holders.set_placing(peer, true) {
            self.sync.on_placing(now, peer, &self.links, &self.holders);
        }
    }

    /// Whether this node has what its peers have of a room, as far as anybody can know: it is to hold it, and has something of it. Else
    /// [`Input::Fetch`] brings it.
    #[must_use]
    pub fn has(&self, room: &RoomName, replica: &dyn Replica) -> bool {
        let (scope, key) = holders::room(room);
        !self.holders.is_on()
            || (self.holders.keeps_here(&scope, &key)
                && !self.partial.contains_key(&key)
                && !replica.vector(&scope).is_empty())
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

    /// Whether this node is the first of a room's homes that are in reach.
    #[must_use]
    pub fn is_first_home(&self, room: &RoomName) -> bool {
        let homes = self.holders.homes(&holders::room(room).1);
        let me = self.links.me;
        homes.iter().find(|home| **home == me || self.links.is_live(**home)) == Some(&me)
    }

    /// Whether a node that places rooms is to hold a scope, as far as this one knows.
    #[must_use]
    pub fn is_holder(&self, node: NodeId, scope: &Scope) -> bool {
        self.holders.is_placed(node, scope, &scope_hash(scope))
    }

    /// Whether a connected peer is taken to hold a scope.
    #[must_use]
    pub fn is_kept_by(&self, peer: NodeId, scope: &Scope) -> bool {
        self.holders.keeps(peer, scope, &scope_hash(scope))
    }

    /// Whether entries came of a room that this node is not to hold, and follow on others that it lacks: whoever sent them did not know yet, and to ask for
    /// all before them would bring here what does not belong here.
    fn is_unplaced(&self, now: Now, run: &Run, replica: &dyn Replica) -> bool {
        let key = scope_hash(&run.scope);
        if self.holders.keeps_here(&run.scope, &key) || self.fetches.is_open(&run.scope).is_some() {
            return false;
        }
        let mut here = replica.vector(&run.scope);
        self.arrivals.add_to(now.mono_us, key, &mut here);
        run.first > here.next(run.origin.origin())
    }

    fn on_fetch(&mut self, now: Now, room: RoomName, all: bool, replica: &dyn Replica) {
        let (scope, key) = holders::room(&room);
        let mut sources: Vec<Source> = self
            .links
            .iter()
            .filter(|(peer, _)| self.links.is_live(*peer) && self.holders.keeps(*peer, &scope, &key))
            .map(|(peer, link)| (link.round_trip_us.unwrap_or(FETCH_ROUND_TRIP_US), peer))
            .collect();
        sources.sort_unstable();
        sources.truncate(SOURCES_MAX);
        let step = self.fetches.begin(now, &room, sources, all);
        self.on_step(room, step, replica);
    }

    fn on_step(&mut self, room: RoomName, step: Step, replica: &dyn Replica) {
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

    fn on_holding(&mut self, now: Now, from: NodeId, rows: Vec<(Scope, VersionVector)>, replica: &dyn Replica) {
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
    fn here(&self, now: Now, scope: &Scope, replica: &dyn Replica) -> VersionVector {
        let mut here = replica.vector(scope);
        self.arrivals.add_to(now.mono_us, scope_hash(scope), &mut here);
        here
    }

    /// More of a scope is here.
    fn on_here(&mut self, now: Now, scope: &Scope, replica: &dyn Replica) {
        if let Some(room) = self.fetches.is_open(scope) {
            let here = self.here(now, scope, replica);
            let step = self.fetches.on_here(now, &room, &here);
            self.on_step(room, step, replica);
        }
    }

    fn deadline_us(&self) -> u64 {
        let optional = [
            self.links.deadline_us(),
            self.spread.deadline_us(),
            self.arrivals.deadline_us(),
            self.fetches.deadline_us(),
            self.again.first().map(|(at_us, _)| *at_us),
        ];
        let earliest = optional.into_iter().flatten().min().unwrap_or(u64::MAX);
        earliest.min(self.membership.deadline_us()).min(self.sync.deadline_us())
    }
}
