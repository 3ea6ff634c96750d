//! All connections of one worker.

use super::link::{Arrival, Link, Wants};
use super::number::{SLOTS_MAX, compose, slot};
use super::{FromCore, Worker};
use crate::shell::inbox::Inbound;
use lavina_core::node::{Input, SessionNumber};
use lavina_crdt::clock::Now;
use lavina_protocols::render::Renders;
use std::collections::BTreeSet;
use std::rc::Rc;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

/// Reason shown to others when a client is cut for reading too slowly.
const SLOW_READER: &str = "Read too slowly";

/// The table.
pub(super) struct State {
    worker: Worker,
    links: Vec<Option<Link>>,
    free: Vec<usize>,
    open: usize,
    counter: u64,
    /// Connections with something to write.
    dirty: Vec<SessionNumber>,
    /// What goes to the core at the end of the turn.
    inputs: Vec<Input>,
    /// When connections want to be looked at; a connection is in it at most once.
    timers: BTreeSet<(u64, SessionNumber)>,
    renders: Renders,
    /// Scratch for what TLS unseals.
    plain: Vec<u8>,
    /// The core has too much to do: nothing is read.
    held: bool,
}

impl State {
    pub(super) fn new(worker: Worker) -> Self {
        Self {
            worker,
            links: Vec::new(),
            free: Vec::new(),
            open: 0,
            counter: crate::identity::random_u64(),
            dirty: Vec::new(),
            inputs: Vec::new(),
            timers: BTreeSet::new(),
            renders: Renders::default(),
            plain: Vec::new(),
            held: false,
        }
    }

    fn now(&self) -> Now {
        self.worker.clock.now()
    }

    /// Takes a connection in; `None` when there are too many.
    pub(super) fn insert(
        &mut self,
        arrival: Arrival,
        socket: Rc<OwnedWriteHalf>,
    ) -> Option<(SessionNumber, Rc<Notify>)> {
        let place = match self.free.pop() {
            Some(place) => place,
            None if self.links.len() < SLOTS_MAX => {
                self.links.push(None);
                self.links.len() - 1
            }
            None => return None,
        };
        self.counter = self.counter.wrapping_add(1);
        let number = compose(self.counter, place, self.worker.index);
        let now = self.now();
        let mut link = Link::new(number, arrival, socket, now);
        let begun = link.begin(now, &mut self.inputs);
        let wake = Rc::clone(&link.wake);
        if let Some(free) = self.links.get_mut(place) {
            *free = Some(link);
        }
        self.open += 1;
        self.worker.metrics.connections.add(1);
        if begun.is_err() {
            self.remove(number);
            return None;
        }
        self.settle(number);
        Some((number, wake))
    }

    fn link(&mut self, number: SessionNumber) -> Option<&mut Link> {
        self.links.get_mut(slot(number))?.as_mut().filter(|link| link.number() == number)
    }

    /// What the connection's task is to wait for; `None` when the connection is over.
    pub(super) fn wants(&self, number: SessionNumber) -> Option<Wants> {
        let link = self.links.get(slot(number))?.as_ref().filter(|link| link.number() == number)?;
        Some(link.wants(self.held))
    }

    /// Bytes from a client.
    pub(super) fn on_bytes(&mut self, number: SessionNumber, bytes: &[u8]) {
        let now = self.now();
        self.worker.metrics.bytes_in.add_len(bytes.len());
        let (mut plain, mut inputs) = (std::mem::take(&mut self.plain), std::mem::take(&mut self.inputs));
        if let Some(link) = self.link(number)
            && let Err(error) = link.on_bytes(now, bytes, &mut plain, &mut inputs)
        {
            tracing::debug!(%error, "a client's TLS failed");
            link.on_eof(now, "TLS failed", &mut inputs);
            self.worker.metrics.tls_failures.add(1);
        }
        (self.plain, self.inputs) = (plain, inputs);
        self.settle(number);
    }

    /// The client sends no more, or the connection broke.
    pub(super) fn on_eof(&mut self, number: SessionNumber, reason: &str) {
        let now = self.now();
        let mut inputs = std::mem::take(&mut self.inputs);
        if let Some(link) = self.link(number) {
            link.on_eof(now, reason, &mut inputs);
        }
        self.inputs = inputs;
        self.settle(number);
    }

    /// The socket takes bytes again.
    pub(super) fn on_writable(&mut self, number: SessionNumber) {
        self.write(number);
    }

    /// One round of the core.
    pub(super) fn on_core(&mut self, said: Vec<FromCore>) {
        let now = self.now();
        let mut inputs = std::mem::take(&mut self.inputs);
        let mut renders = std::mem::take(&mut self.renders);
        let mut deliveries = 0;
        for said in said {
            match said {
                FromCore::Deliver(sessions, event) => {
                    deliveries += sessions.len();
                    for session in sessions {
                        if let Some(link) = self.link(session) {
                            link.on_event(now, &event, &mut renders, &mut inputs);
                        }
                        self.settle(session);
                    }
                }
                FromCore::Answer(session, id, answer) => {
                    deliveries += 1;
                    if let Some(link) = self.link(session) {
                        link.on_answer(now, id, answer, &mut inputs);
                    }
                    self.settle(session);
                }
                FromCore::Disconnect(session, reason) => {
                    if let Some(link) = self.link(session) {
                        link.on_disconnect(now, reason);
                    }
                    self.settle(session);
                }
            }
        }
        self.worker.metrics.deliveries.add_len(deliveries);
        // A round's last event would keep its bytes alive until the next one.
        drop(renders);
        self.inputs = inputs;
    }

    /// After anything was done with a connection: its timer and its place among those to write.
    fn settle(&mut self, number: SessionNumber) {
        let Some(link) = self.link(number) else { return };
        let newly_dirty = link.is_due() && !std::mem::replace(&mut link.dirty, true);
        let (next, armed) = (link.next_timeout(), link.armed);
        // A later time is left to the earlier look: most timers are only ever pushed back.
        let rearm = next.filter(|next| armed.is_none_or(|armed| *next < armed));
        if rearm.is_some() {
            link.armed = rearm;
        }
        if newly_dirty {
            self.dirty.push(number);
        }
        if let Some(next) = rearm {
            if let Some(armed) = armed {
                self.timers.remove(&(armed, number));
            }
            self.timers.insert((next, number));
        }
    }

    /// When the worker is to wake by itself, microseconds.
    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Hands commands to the core, writes what is queued, looks at timers.
    pub(super) fn end_turn(&mut self) {
        self.run_timers();
        self.hand_in();
        for number in std::mem::take(&mut self.dirty) {
            self.write(number);
        }
        self.hand_in();
    }

    fn hand_in(&mut self) {
        if !self.inputs.is_empty() && !self.worker.inbox.push(Inbound::Inputs(std::mem::take(&mut self.inputs))) {
            self.held = true;
        }
    }

    fn run_timers(&mut self) {
        let Some((first, _)) = self.timers.first() else { return };
        let now = self.now();
        if *first > now.mono_us {
            return;
        }
        let later = self.timers.split_off(&(now.mono_us + 1, 0));
        let due = std::mem::replace(&mut self.timers, later);
        let mut inputs = std::mem::take(&mut self.inputs);
        for (_, number) in due {
            let alive = self.link(number).is_none_or(|link| {
                link.armed = None;
                link.on_timeout(now, &mut inputs)
            });
            if alive { self.settle(number) } else { self.remove(number) }
        }
        self.inputs = inputs;
    }

    fn write(&mut self, number: SessionNumber) {
        let now = self.now();
        let Some(link) = self.link(number) else { return };
        link.dirty = false;
        let written = link.write();
        let over = link.is_over();
        self.worker.metrics.bytes_out.add_len(written.bytes);
        self.worker.metrics.writes.add(written.calls);
        if !over && !written.done && written.broken.is_none() {
            return;
        }
        let reason = match &written.broken {
            Some(error) => error.to_string(),
            None => SLOW_READER.to_owned(),
        };
        if over {
            self.worker.metrics.slow_readers.add(1);
        }
        let mut inputs = std::mem::take(&mut self.inputs);
        if let Some(link) = self.link(number) {
            link.on_eof(now, &reason, &mut inputs);
        }
        self.inputs = inputs;
        self.remove(number);
    }

    fn remove(&mut self, number: SessionNumber) {
        let place = slot(number);
        let Some(link) = self.links.get_mut(place).and_then(|link| link.take_if(|link| link.number() == number)) else {
            return;
        };
        if let Some(armed) = link.armed {
            self.timers.remove(&(armed, number));
        }
        link.wake.notify_one();
        self.free.push(place);
        self.open -= 1;
        self.worker.metrics.connections.less(1);
    }

    /// Closes everything once what is queued has been written.
    pub(super) fn close_all(&mut self) {
        let now = self.now();
        let numbers: Vec<SessionNumber> = self.links.iter().flatten().map(Link::number).collect();
        for number in numbers {
            if let Some(link) = self.link(number) {
                link.shut(now);
            }
            self.settle(number);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// Whether the core has too much to do.
    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// The core has room again.
    pub(super) fn unhold(&mut self) {
        self.held = false;
        for link in self.links.iter().flatten() {
            link.wake.notify_one();
        }
    }
}
