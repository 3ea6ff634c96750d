//! The machine: routes each input to the part that is concerned, runs the timers, and gathers what goes out.
//!
//! Holds no rule of its own but who may speak (the admitted). What is done about nodes that come and go, entries, rooms and signals is in a file each.

mod entries;
mod links;
mod rooms;
mod signals;

use self::entries::RESENDS_MAX;
use self::links::EARLY_MAX;
use crate::arrivals::Arrivals;
use crate::disseminate::{Dissemination, Whom};
use crate::fetch::Fetches;
use crate::frame::Frame;
use crate::gauges::Gauge;
use crate::holders::{self, Holders};
use crate::inflight::InFlight;
use crate::links::{Link, Links};
use crate::machine::{Counters, GossipConfig, Input, Output, PeerStatus, Replica};
use crate::membership::Membership;
use crate::outbox::Outbox;
use crate::presence::PresenceExchange;
use crate::sync::Sync;
use crate::tree::scope_hash;
use lavina_crdt::clock::Now;
use lavina_crdt::entry::Hash;
use lavina_crdt::ids::{NodeId, Origin, Scope};
use lavina_crdt::names::RoomName;
use lavina_crdt::presence::PresenceMap;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};

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
                sync.on_root(now, from, (entries, theirs), holders, out);
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
        let digest = self.presence.digest(presence, &self.links);
        if self.sync.on_time(&view, digest, &self.arrivals, &mut self.flights, &mut self.out) {
            self.flights.expire(now.mono_us);
            self.arrivals.expire(now.mono_us);
            self.look_who_holds(now);
            self.make_whole(now, replica);
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
