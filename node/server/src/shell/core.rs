//! The core's thread: owns the [`Node`], takes whatever waits for it, and hands out what comes of it, once a round to each receiver.

use super::clock::Clock;
use super::inbox::{AdminAnswer, Inbound, Inbox, Progress};
use super::mesh::{Outlet, PeerOrder};
use super::metrics::Metrics;
use super::push;
use super::writer::WriteQueue;
use crate::worker::{FromCore, Order, number};
use lavina_core::node::{AdminReply, Input, Node, Output, SessionNumber};
use lavina_core::store::{BatchId, Store};
use lavina_protocols::command::Refusal;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Inputs after which a round ends and its outputs go out: a few milliseconds of work, so that load gathers and nobody waits long.
const INPUTS_PER_ROUND_MAX: usize = 1024;

/// Batches given to the writer and not yet durable above which the core takes nothing but the writer's word. Each is about one message.
const BATCHES_OUTSTANDING_MAX: u64 = 8192;

/// What the core's thread is made of.
pub(crate) struct CoreThread<S> {
    /// The machine.
    pub(crate) node: Node<S>,
    /// The time.
    pub(crate) clock: Clock,
    /// What comes in.
    pub(crate) inbox: Arc<Inbox>,
    /// The way to the disk.
    pub(crate) writer: Arc<WriteQueue>,
    /// The way to the clients.
    pub(crate) workers: Vec<mpsc::Sender<Order>>,
    /// The way to the peers.
    pub(crate) peers: Outlet,
    /// The way to who reads the configuration again.
    pub(crate) reload: mpsc::Sender<SessionNumber>,
    /// The way to who sends push messages, where they are sent.
    pub(crate) push: Option<mpsc::Sender<push::Order>>,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
}

impl<S: Store> CoreThread<S> {
    /// Runs until told to stop.
    pub(crate) fn run(self) {
        let to_workers = self.workers.iter().map(|_| Vec::new()).collect();
        let mut round = Round {
            thread: self,
            to_workers,
            to_peers: Vec::new(),
            admin: BTreeMap::new(),
            admin_next: 0,
            answers: Vec::new(),
            deadline: None,
            given: BatchId(0),
            persisted: BatchId(0),
            handled: 0,
        };
        round.hand_out();
        while round.turn() {}
    }
}

struct Round<S> {
    thread: CoreThread<S>,
    to_workers: Vec<Vec<FromCore>>,
    to_peers: Vec<PeerOrder>,
    admin: BTreeMap<u64, AdminAnswer>,
    admin_next: u64,
    answers: Vec<(u64, Result<AdminReply, Refusal>)>,
    /// When the machine wants to be called, microseconds.
    deadline: Option<u64>,
    given: BatchId,
    persisted: BatchId,
    handled: usize,
}

impl<S: Store> Round<S> {
    /// One round; `false` at the end.
    fn turn(&mut self) -> bool {
        let hold = self.given.0.saturating_sub(self.persisted.0) >= BATCHES_OUTSTANDING_MAX;
        if hold {
            self.thread.metrics.core_holds.add(1);
        }
        let deadline = self.deadline.map(|deadline| self.thread.clock.instant(deadline));
        let taken = self.thread.inbox.take(deadline, hold);
        if taken.stop {
            return false;
        }
        for progress in taken.progress {
            self.on_progress(progress);
        }
        for inbound in taken.inbound {
            match inbound {
                Inbound::Inputs(inputs) => inputs.into_iter().for_each(|input| self.handle(input)),
                Inbound::Admin(command, answer) => {
                    self.admin_next += 1;
                    self.admin.insert(self.admin_next, answer);
                    self.handle(Input::Admin(self.admin_next, command));
                }
            }
        }
        if self.deadline.is_some_and(|deadline| deadline <= self.thread.clock.now().mono_us) {
            self.deadline = None;
            self.handle(Input::Timeout);
        }
        self.hand_out();
        self.thread.metrics.core_ticks.add(1);
        true
    }

    fn on_progress(&mut self, progress: Progress) {
        match progress {
            Progress::Persisted(id) => {
                self.persisted = self.persisted.max(id);
                self.handle(Input::Persisted(id));
            }
            Progress::Failed(id, error) => {
                self.given = BatchId(id.0.saturating_sub(1));
                self.thread.writer.resume();
                self.handle(Input::PersistFailed(id, error));
            }
        }
    }

    fn handle(&mut self, input: Input) {
        let now = self.thread.clock.now();
        self.thread.node.handle(now, input);
        self.handled += 1;
        if self.handled.is_multiple_of(INPUTS_PER_ROUND_MAX) {
            self.hand_out();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.thread.node.poll_output() {
            self.route(output);
        }
    }

    fn route(&mut self, output: Output) {
        match output {
            Output::Deliver(sessions, event) => self.deliver(sessions, event),
            Output::Answer(session, id, answer) => self.hand_to_worker(session, FromCore::Answer(session, id, answer)),
            Output::Disconnect(session, reason) => self.hand_to_worker(session, FromCore::Disconnect(session, reason)),
            Output::Persist(batch) => {
                self.given = self.given.max(batch.id);
                self.thread.writer.push(batch);
            }
            Output::Send(peer, lane, frame) => self.to_peers.push(PeerOrder::Send(peer, lane, frame)),
            Output::Datagram(peer, bytes) => self.to_peers.push(PeerOrder::Datagram(peer, bytes)),
            Output::Dial(peer, addresses) => self.to_peers.push(PeerOrder::Dial(peer, addresses)),
            Output::Admitted(nodes) => self.to_peers.push(PeerOrder::Admitted(nodes)),
            Output::Hangup(peer, reason) => self.to_peers.push(PeerOrder::Hangup(peer, reason)),
            Output::AdminAnswer(id, answer) => self.answers.push((id, answer)),
            Output::Reload(session) => {
                // When as many wait already, the next reading is for this one too.
                let _ = self.thread.reload.try_send(session);
            }
            Output::Thin(0) => tracing::info!("all rooms have their home replicas in reach again"),
            Output::Thin(rooms) => {
                tracing::warn!(rooms, "rooms have fewer home replicas in reach than they are to have")
            }
            Output::Push(devices, said) => {
                if self.thread.push.as_ref().is_some_and(|push| push.try_send((devices, said)).is_err()) {
                    self.thread.metrics.pushes_dropped.add(1);
                }
            }
            Output::Timeout(at) => self.deadline = Some(at),
        }
    }

    fn deliver(&mut self, sessions: Vec<u64>, event: Arc<lavina_protocols::event::Event>) {
        if let [only] = self.to_workers.as_mut_slice() {
            only.push(FromCore::Deliver(sessions, event));
            return;
        }
        let mut shares = vec![Vec::new(); self.to_workers.len()];
        for session in sessions {
            if let Some(share) = shares.get_mut(number::worker(session)) {
                share.push(session);
            }
        }
        for (queue, share) in self.to_workers.iter_mut().zip(shares) {
            if !share.is_empty() {
                queue.push(FromCore::Deliver(share, Arc::clone(&event)));
            }
        }
    }

    fn hand_to_worker(&mut self, session: u64, what: FromCore) {
        if let Some(queue) = self.to_workers.get_mut(number::worker(session)) {
            queue.push(what);
        }
    }

    /// Gives each receiver what has gathered. Workers never wait for the core, so waiting for one of them here ends.
    fn hand_out(&mut self) {
        self.drain();
        for (worker, queue) in self.thread.workers.iter().zip(&mut self.to_workers) {
            if !queue.is_empty() {
                // A worker that is gone has no sessions left.
                let _ = worker.blocking_send(Order::FromCore(std::mem::take(queue)));
            }
        }
        if !self.to_peers.is_empty() {
            self.thread.peers.hand_over(std::mem::take(&mut self.to_peers));
        }
        // Last, so that what an operator's act has caused is on its way when the operator hears of it.
        for (id, answer) in self.answers.drain(..) {
            if let Some(to) = self.admin.remove(&id) {
                // Whoever asked may have gone.
                let _ = to.send(answer);
            }
        }
        self.thread.metrics.core_inputs.add_len(std::mem::take(&mut self.handled));
    }
}
