//! The machine: routes each input to the part that is concerned, runs the timers, and gathers what goes out.
//!
//! Holds no rule of its own but who may speak (the admitted) and how a signal finds its node.

use crate::arrivals::Arrivals;
use crate::disseminate::Dissemination;
use crate::frame::Frame;
use crate::gauges::Gauge;
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
use lavina_crdt::entry::Run;
use lavina_crdt::ids::{NodeId, Origin, Scope, SessionId};
use lavina_crdt::mutant::{self, Mutant};
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
/// Connections remembered of nodes that the roster does not hold yet.
const EARLY_MAX: usize = 1_024;
/// Rounds of timers in one call: a timer may set another for now, but not for ever.
const TIMER_ROUNDS_MAX: usize = 8;

/// What the parts read while they act.
pub(crate) struct View<'a> {
    pub(crate) now: Now,
    pub(crate) links: &'a Links,
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
            links: Links::new(config.me, config.place),
            spread: Dissemination::new(config.gateway_patience_ms),
            flights: InFlight::default(),
            arrivals: Arrivals::default(),
            sync: Sync::new(config.sync_period_ms),
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
            Input::PeerDown(peer) => self.on_peer_down(now, peer),
            Input::RoundTrip(peer, us) => self.links.set_round_trip(peer, us),
            Input::Frame(from, frame) => self.on_frame(now, from, frame, replica, presence),
            Input::Datagram(from, packet) => self.on_packet(now, from, &packet),
            Input::Appended(runs) => self.on_appended(now, runs),
            Input::Verified { from, runs, refuted, relay } => {
                for (scope, origin) in refuted {
                    self.arrivals.refute(scope_hash(&scope), origin);
                }
                self.on_verified(now, from, &runs, relay, replica);
            }
            Input::Durable(vectors) => self.on_durable(now, &vectors),
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
        let changes = self.membership.on_up(now, peer, &mut self.links, &mut self.out);
        self.on_reach(now, &changes);
        self.sync.on_up(now, peer, &self.links);
        self.presence.tell(now, peer, presence, &self.links, &mut self.out);
    }

    fn on_peer_down(&mut self, now: Now, peer: NodeId) {
        self.early.remove(&peer);
        self.links.down(now, peer, &mut self.rng);
        self.membership.on_news(now);
        self.sync.on_lost(now, peer);
        self.forget(now, peer);
    }

    /// Everything that hung on a connection to the peer is void.
    fn forget(&mut self, now: Now, peer: NodeId) {
        self.flights.forget(peer);
        self.arrivals.forget(peer);
        self.sync.forget(peer);
        self.presence.forget(peer);
        self.marks.remove(&peer);
        self.spread.on_gone(now, peer, &self.links, &mut self.flights, &mut self.out);
    }

    fn on_reach(&mut self, now: Now, changes: &[(NodeId, bool)]) {
        for (node, up) in changes {
            if *up {
                self.sync.on_reach(now, *node, &self.links);
            } else {
                self.spread.on_gone(now, *node, &self.links, &mut self.flights, &mut self.out);
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
        let Self { links, sync, flights, arrivals, out, .. } = self;
        let view = View { now, links, replica };
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
                sync.on_root(from, entries, out);
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
            // What nodes say of clocks and contents is the core's.
            Frame::Clock(_) | Frame::Heads(_) => out.refuse(),
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
        let relayed = enters && self.links.near_live().next().is_some();
        for run in &runs {
            if enters {
                self.out.counters.entries_entered += u64::try_from(run.entries.len()).unwrap_or(u64::MAX);
            }
            let (key, origin) = (scope_hash(&run.scope), run.origin.origin());
            let durable = replica.vector(&run.scope).next(origin);
            if let Some(mark) = self.arrivals.on_run(now, from, key, run, durable, relayed, &mut self.out) {
                self.marks.entry(from).or_default().push(mark);
            }
        }
        if !runs.is_empty() {
            self.out.push(Output::Received { from, runs, relay });
        }
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
            let view = View { now, links: &self.links, replica };
            self.sync.catch_up.pump(&view, from, &self.sync.fresh, &mut self.flights, &mut self.out);
        }
    }

    fn on_appended(&mut self, now: Now, runs: Vec<Run>) {
        for run in runs.into_iter().filter(|run| !run.entries.is_empty()) {
            let (key, origin) = (scope_hash(&run.scope), run.origin.origin());
            self.sync.fresh.note(now.mono_us, key, origin, run.first, &mut self.out);
            self.spread.on_appended(now, run, &self.links, &mut self.flights, &mut self.out);
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
                self.spread.on_verified(now, from, run, &self.links, &mut self.flights, &mut self.out);
            }
        }
    }

    fn on_durable(&mut self, now: Now, vectors: &[(Scope, VersionVector)]) {
        for (scope, vector) in vectors {
            let key = scope_hash(scope);
            self.sync.on_durable(scope, key, vector);
            for (peer, mark) in self.arrivals.on_durable(now, key, vector) {
                self.marks.entry(peer).or_default().push(mark);
            }
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
        self.spread.on_time(now, &self.links, &mut self.flights, &mut self.out);
        let gaps = self.arrivals.gaps_due(now, |scope, origin| replica.vector(scope).next(origin));
        for (peer, gaps) in gaps {
            if self.links.is_connected(peer) {
                gaps.chunks(RESENDS_MAX).for_each(|part| self.out.send(peer, Frame::Resend(part.to_vec())));
            }
        }
        let view = View { now, links: &self.links, replica };
        let digest = || self.presence.digest(presence, &self.links);
        if self.sync.on_time(&view, digest, &self.arrivals, &mut self.flights, &mut self.out) {
            self.flights.expire(now.mono_us);
            self.arrivals.expire(now.mono_us);
        }
    }

    fn deadline_us(&self) -> u64 {
        let optional = [self.links.deadline_us(), self.spread.deadline_us(), self.arrivals.deadline_us()];
        let earliest = optional.into_iter().flatten().min().unwrap_or(u64::MAX);
        earliest.min(self.membership.deadline_us()).min(self.sync.deadline_us())
    }
}
