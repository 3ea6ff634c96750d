//! The state machine: see [`Node`]. This file drives; each area of commands and inputs is a file beside it.

mod abroad;
mod access;
mod accounts;
mod admin;
mod always_on;
mod bars;
mod blocks;
mod clock;
mod closing;
mod commands;
mod companions;
mod contacts;
mod devices;
mod effects;
mod gauges;
mod heads;
mod history;
mod invitations;
mod io;
mod knock;
mod lapse;
mod last_active;
mod level;
mod marks;
mod mesh;
mod moving;
mod names;
mod notes;
mod operators;
mod passing;
mod places;
mod presence;
mod questions;
mod relate;
mod reports;
mod room_lists;
mod rooms;
mod rooms_held;
mod say;
mod shown;
mod signals;
mod split;
mod start_over;
#[cfg(test)]
mod tests;
mod versions;
mod waiting;
mod wake;
mod watch;
mod writes;

pub use lavina_gossip::gauges::Gauge;

pub use io::{
    AdminCommand, AdminReply, Device, Input, InvitationView, Limits, MeshIdentity, NodeConfig, Output, SessionMeta,
    SessionNumber, Status,
};

use crate::farewells::Farewells;
use crate::gone;
use crate::interest::Interest;
use crate::invites::Invites;
use crate::kicks::Kicks;
use crate::knocks::Knocks;
use crate::last_seen::LastSeen;
use crate::lookalikes::Lookalikes;
use crate::paces::Paces;
use crate::people::People;
use crate::quotas::Quotas;
use crate::replica::Replicas;
use crate::rosters::Rosters;
use crate::sessions::{Outputs, Sessions};
use crate::splits::Splits;
use crate::store::{BatchId, Store, StoreError};
use crate::underway::Underway;
use crate::watches::Watches;
use lavina_crdt::clock::Now;
use lavina_crdt::content::Author;
use lavina_crdt::ids::{NodeId, SessionId};
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::names::{AccountName, NickKey, RoomName};
use lavina_crdt::presence::PresenceMap;
use lavina_crdt::room::RoomState;
use lavina_gossip::frame::Frame;
use lavina_gossip::machine::{self, Gossip};
use lavina_protocols::command::CommandId;
use lavina_protocols::event::CloseReason;
use lavina_protocols::operator::Operator;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// One node. Drive it: [`Node::handle`] with each input that is there, then drain [`Node::poll_output`]. What is written between two drains is one
/// batch with one signature, and what changes of presence is one update, so a shell under load does better to drain seldom.
///
/// Inputs are carried out in order, each with all that it causes here, before the next.
/// Nothing written goes to a peer, and no answer to a writing command to its session, before [`Input::Persisted`].
#[derive(Debug)]
pub struct Node<S> {
    config: NodeConfig,
    replicas: Replicas<S>,
    gossip: Gossip,
    clock: clock::Clock,
    heads: heads::HeadsTold,
    quotas: Quotas,
    presence: PresenceMap,
    /// This start's number, for presence and membership.
    incarnation: u64,
    people: People,
    interest: Interest,
    held: rooms_held::RoomsHeld,
    paces: Paces,
    lists: room_lists::RoomLists,
    sessions: Sessions,
    rosters: Rosters,
    kicks: Kicks,
    invites: Invites,
    farewells: Farewells,
    knocks: Knocks,
    underway: Underway,
    /// Whose nicks are nobody's any more.
    gone: gone::Memory,
    /// Rooms that go by another name here, which does not know yet what it takes over: from which, by whom, why.
    moves: BTreeMap<RoomName, (RoomName, Author, String)>,
    /// The most sessions there were at a time, in the mesh and here.
    most: (usize, usize),
    /// Foreign sessions shown under a derived nick, by the nick they have lost.
    masked_nicks: BTreeMap<NickKey, BTreeSet<SessionId>>,
    splits: Splits,
    lookalikes: Lookalikes,
    watches: Watches,
    /// The session that speaks for people of other servers.
    gateway: Option<SessionNumber>,
    devices: devices::Devices,
    last_seen: LastSeen,
    /// States of rooms, as far as they were asked for.
    states: BTreeMap<RoomName, Arc<RoomState>>,
    catch_ups: effects::CatchUps,
    /// Comings and goings gathered for one event.
    together: presence::Together,
    /// Operators whose writes are not durable yet.
    admins_waiting: VecDeque<(BatchId, u64)>,
    /// Names of nodes, for people.
    names: BTreeMap<NodeId, Arc<str>>,
    out: Outputs,
    /// Whose command is at work: its writes put barriers before its session.
    acting: Option<(SessionNumber, CommandId)>,
    sending: presence::Sending,
    writes: writes::Writes,
    gossip_timeout: Option<u64>,
    timeout_told: Option<u64>,
    /// Whose certificate has which fingerprint.
    certificates: BTreeMap<String, AccountName>,
    /// Sessions that stand for accounts that are always on.
    always_on: BTreeMap<SessionId, AccountName>,
    /// Who may become an operator here.
    operators: Vec<Operator>,
    draining: bool,
    /// When the last input came of those whose end is not done yet.
    unsettled: Option<Now>,
    counters: BTreeMap<&'static str, u64>,
}

impl<S: Store> Node<S> {
    /// A node over what its store holds. `seed` feeds its own generator; `now` is the time of the start.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(config: NodeConfig, store: S, now: Now, seed: u64) -> Result<Self, StoreError> {
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let me = NodeId(config.key.verifying_key().to_bytes());
        let replicas = Replicas::open(
            store,
            config.key.clone(),
            &config.mesh,
            &config.bootstrap,
            &config.limits,
            config.seals.clone(),
            now,
        )?;
        let kicks = Kicks::load(&replicas)?;
        // Half of the number space is left for the shell's count, so that ids keep the order of connections.
        let base = (random.random::<u64>() >> 1).wrapping_add(mutant::process_counter());
        let incarnation = replicas.incarnation();
        let gossip = Gossip::new(mesh::gossip_config(&config, me, incarnation), random.random());
        let clock = clock::Clock::new(config.limits.drift_ms_max, replicas.newest(), now);
        let mut node = Self {
            replicas,
            gossip,
            clock,
            heads: heads::HeadsTold::default(),
            quotas: Quotas::default(),
            presence: PresenceMap::new(),
            incarnation,
            people: People::new(me, base),
            interest: Interest::default(),
            held: rooms_held::RoomsHeld::default(),
            paces: Paces::new(config.limits.pace),
            lists: room_lists::RoomLists::default(),
            sessions: Sessions::new(me, base),
            rosters: Rosters::default(),
            kicks,
            invites: Invites::default(),
            farewells: Farewells::default(),
            knocks: Knocks::default(),
            underway: Underway::default(),
            gone: gone::Memory::default(),
            moves: BTreeMap::new(),
            most: (0, 0),
            masked_nicks: BTreeMap::new(),
            splits: Splits::default(),
            lookalikes: Lookalikes::default(),
            watches: Watches::default(),
            gateway: None,
            devices: devices::Devices::new(),
            last_seen: LastSeen::default(),
            states: BTreeMap::new(),
            catch_ups: BTreeMap::new(),
            together: presence::Together::default(),
            admins_waiting: VecDeque::new(),
            names: BTreeMap::new(),
            out: VecDeque::new(),
            acting: None,
            sending: presence::Sending::default(),
            writes: writes::Writes::default(),
            gossip_timeout: None,
            timeout_told: None,
            certificates: BTreeMap::new(),
            always_on: BTreeMap::new(),
            operators: config.operators.clone(),
            draining: false,
            unsettled: Some(now),
            counters: BTreeMap::new(),
            config,
        };
        node.on_roster_changed(now);
        node.learn_accounts(now);
        let vectors = node.replicas.vectors().map(|(scope, vector)| (scope.clone(), vector)).collect();
        node.gossip(now, machine::Input::Partial(node.replicas.partial().cloned().collect()));
        node.gossip(now, machine::Input::Durable(vectors));
        node.end_wait_for_time(now);
        Ok(node)
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Now, input: Input) {
        if let Some(input) = self.clock.pass(input) {
            self.take(now, input);
        }
        self.end_wait_for_time(now);
    }

    /// Carries out an input at a time of the shell's.
    fn take(&mut self, shell_now: Now, input: Input) {
        let now = self.clock.read(shell_now);
        match input {
            Input::SessionOpened(number, meta) => self.on_session_opened(now, number, meta),
            Input::SessionMoved(number, address) => self.on_session_moved(now, number, address),
            Input::Command(number, id, command) => self.on_command(now, number, id, command),
            Input::SessionClosed(number, reason) => self.end_session(now, number, &reason),
            Input::Persisted(batch) => self.on_persisted(now, batch),
            Input::PersistFailed(batch, error) => self.on_persist_failed(now, batch, error),
            Input::PeerUp(peer) => {
                self.tell_clock(shell_now, peer);
                self.gossip(now, machine::Input::PeerUp(peer));
            }
            Input::PeerDown(peer) => {
                self.heads.on_down(now, peer);
                self.gossip(now, machine::Input::PeerDown(peer));
                self.on_lister_gone(now, peer);
            }
            Input::RoundTrip(peer, us) => self.gossip(now, machine::Input::RoundTrip(peer, us)),
            Input::Frame(peer, frame) if self.is_over_quota(now, peer, &frame) => {}
            Input::Frame(peer, Frame::Clock(wall_ms)) => self.on_clock(shell_now, peer, wall_ms),
            Input::Frame(peer, Frame::Heads(rows)) => self.on_heads(peer, &rows),
            Input::Frame(peer, Frame::AskRooms) => self.on_ask_rooms(peer),
            Input::Frame(peer, Frame::Rooms { rows, more }) => self.on_rooms(now, peer, rows, more),
            Input::Frame(peer, frame) => self.gossip(now, machine::Input::Frame(peer, frame)),
            Input::Datagram(peer, bytes) => self.gossip(now, machine::Input::Datagram(peer, bytes)),
            Input::DeviceGone(account, key) => self.on_device_gone(now, account, key),
            Input::Admin(id, command) => self.on_admin(now, id, command),
            Input::Timeout => {
                self.tell_clocks(shell_now);
                self.on_timeout(now);
            }
        }
        self.resume_parked(now);
        self.unsettled = Some(now);
    }

    /// The next output; drain until `None`. What all inputs since the last drain wrote is one batch with one signature a scope, and comes last.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.out.is_empty()
            && let Some(now) = self.unsettled.take()
        {
            self.settle(now);
        }
        self.out.pop_front()
    }

    /// Whether a peer says too much with this frame; it is cut off then.
    fn is_over_quota(&mut self, now: Now, peer: NodeId, frame: &Frame) -> bool {
        let spent = self.quotas.spend(now, peer, frame);
        if let Err(excess) = spent {
            self.count("peers_over_quota");
            self.out.push_back(Output::Hangup(peer, excess.to_owned()));
        }
        spent.is_err()
    }

    /// The store it reads.
    pub fn store(&self) -> &S {
        self.replicas.store()
    }

    fn me(&self) -> NodeId {
        self.replicas.me()
    }

    fn on_timeout(&mut self, now: Now) {
        self.timeout_told = None;
        if self.gossip_timeout.is_some_and(|at| at <= now.mono_us) {
            self.gossip_timeout = None;
            self.gossip(now, machine::Input::Timeout);
        }
        let effects = self.replicas.timeout(now);
        self.on_effects(now, effects);
        self.on_split_timeout(now);
        self.on_write_timeout(now);
        self.end_catch_ups(now);
        self.end_list(now);
        self.resume_paced(now);
    }

    /// What inputs leave to be done at their end: sessions over a bound end, presence goes out, the batch is closed, the timer is set.
    fn settle(&mut self, now: Now) {
        for number in self.sessions.take_overflowed() {
            self.count("sessions_too_slow");
            self.disconnect(now, number, CloseReason::SlowReader);
        }
        self.send_presence(now);
        while let Some(batch) = self.replicas.take_batch(now) {
            if mutant::is_planted(Mutant::PushBeforeFsync) {
                let own = batch.runs.iter().filter(|run| run.origin.node == self.me()).cloned().collect();
                self.gossip(now, machine::Input::Appended(own));
            }
            self.out.push_back(Output::Persist(batch));
        }
        self.tell_timeout();
    }

    fn tell_timeout(&mut self) {
        let timeouts = [
            self.gossip_timeout,
            self.replicas.next_timeout(),
            self.splits.next_timeout(),
            self.clock.next_timeout(),
            self.writes.next_timeout(),
            self.sending.next_timeout(),
            self.catch_ups.values().min().copied(),
            self.lists.next_timeout(),
            self.held.next_timeout(),
        ];
        let Some(next) = timeouts.into_iter().flatten().min() else { return };
        if self.timeout_told.is_none_or(|told| told != next) {
            self.timeout_told = Some(next);
            self.out.push_back(Output::Timeout(next));
        }
    }

    fn count(&mut self, name: &'static str) {
        *self.counters.entry(name).or_default() += 1;
    }
}
