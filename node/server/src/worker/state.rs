//! All connections of one worker.

use super::link::{Arrival, ConnectionNumber, Link, Moving, Wants, Wish};
use super::number::{SLOTS_MAX, compose, slot};
use super::resumptions::Found;
use super::socket::WriteHalf;
use super::{FromCore, Order, Worker};
use crate::shell::inbox::Inbound;
use lavina_core::node::{Input, SessionNumber};
use lavina_crdt::clock::Now;
use lavina_protocols::render::Renders;
use std::collections::BTreeSet;
use std::rc::Rc;
use tokio::sync::{Notify, mpsc};

/// Reason shown to others when a client is cut for reading too slowly.
const SLOW_READER: &str = "Read too slowly";

/// What a connection's task is to do.
pub(super) enum Next {
    /// Wait for this.
    Wait(Wants),
    /// Take the connection to the worker of that session.
    Move(SessionNumber, Box<Moving>),
    /// End.
    End,
}

/// The connections.
pub(super) struct State {
    worker: Worker,
    links: Links,
    counter: u64,
    due: Due,
    /// What goes to the core at the end of the turn.
    inputs: Vec<Input>,
    /// Scratch for what TLS unseals.
    plain: Vec<u8>,
    /// The core has too much to do: nothing is read.
    held: bool,
}

/// The table.
#[derive(Default)]
struct Links {
    places: Vec<Option<Link>>,
    free: Vec<usize>,
}

impl Links {
    fn get(&mut self, number: SessionNumber) -> Option<&mut Link> {
        self.places.get_mut(slot(number))?.as_mut().filter(|link| link.number() == number)
    }

    /// A free place; `None` when there are too many connections.
    fn reserve(&mut self) -> Option<usize> {
        if let Some(place) = self.free.pop() {
            return Some(place);
        }
        let place = self.places.len();
        (place < SLOTS_MAX).then(|| {
            self.places.push(None);
            place
        })
    }

    fn put(&mut self, place: usize, link: Link) {
        if let Some(free) = self.places.get_mut(place) {
            *free = Some(link);
        }
    }

    fn take(&mut self, number: SessionNumber) -> Option<Link> {
        let place = slot(number);
        let link = self.places.get_mut(place)?.take_if(|link| link.number() == number)?;
        self.free.push(place);
        Some(link)
    }

    fn iter(&self) -> impl Iterator<Item = &Link> {
        self.places.iter().flatten()
    }
}

/// What is to be done with connections at the end of a turn or later.
#[derive(Default)]
struct Due {
    /// Connections with something to write.
    dirty: Vec<SessionNumber>,
    /// When connections want to be looked at; a connection is in it at most once.
    timers: BTreeSet<(u64, SessionNumber)>,
}

impl Due {
    /// After anything was done with a connection: its timer and its place among those to write.
    fn settle(&mut self, link: &mut Link) {
        if link.is_due() && !std::mem::replace(&mut link.dirty, true) {
            self.dirty.push(link.number());
        }
        let Some(next) = link.next_timeout() else { return };
        // A later time is left to the earlier look: most timers are only ever pushed back.
        if link.armed.is_some_and(|armed| armed <= next) {
            return;
        }
        if let Some(armed) = link.armed.replace(next) {
            self.timers.remove(&(armed, link.number()));
        }
        self.timers.insert((next, link.number()));
    }
}

impl State {
    pub(super) fn new(worker: Worker) -> Self {
        Self {
            worker,
            links: Links::default(),
            counter: crate::identity::random_u64(),
            due: Due::default(),
            inputs: Vec::new(),
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
        mut arrival: Arrival,
        socket: Rc<WriteHalf>,
    ) -> Option<(ConnectionNumber, Rc<Notify>)> {
        let place = self.links.reserve()?;
        self.counter = self.counter.wrapping_add(1);
        let number = compose(self.counter, place, self.worker.index);
        let now = self.now();
        let begun = std::mem::take(&mut arrival.begun);
        let mut link = Link::new(number, arrival, socket, now);
        let begun = link.begin(now, begun, &mut self.inputs);
        let connection = link.connection();
        let wake = Rc::clone(&link.wake);
        self.due.settle(&mut link);
        self.links.put(place, link);
        self.worker.metrics.connections.add(1);
        if let Err(error) = begun {
            tracing::error!(%error, "TLS cannot begin");
            self.remove(number);
            return None;
        }
        Some((connection, wake))
    }

    /// The way to another worker, or to this one.
    pub(super) fn peer(&self, worker: usize) -> Option<mpsc::Sender<Order>> {
        self.worker.peers.get(worker).and_then(mpsc::WeakSender::upgrade)
    }

    /// What the connection's task is to do.
    pub(super) fn next(&mut self, connection: ConnectionNumber) -> Next {
        let held = self.held;
        let Some(link) = self.links.get(connection.session).filter(|link| link.connection() == connection) else {
            return Next::End;
        };
        let Some(to) = link.moves_to() else { return Next::Wait(link.wants(held)) };
        let moving = self.remove(connection.session).and_then(|link| link.leave(&mut self.inputs));
        moving.map_or(Next::End, |moving| Next::Move(to, Box::new(moving)))
    }

    /// Another connection goes on with a session. `None`: the session is gone.
    pub(super) fn take_over(
        &mut self,
        number: SessionNumber,
        moving: Moving,
        socket: Rc<WriteHalf>,
    ) -> Option<(ConnectionNumber, Rc<Notify>)> {
        let now = self.now();
        let link = self.links.get(number)?;
        link.take_over(now, moving, socket, &mut self.inputs);
        let taken = (link.connection(), Rc::clone(&link.wake));
        self.settle(now, number);
        self.worker.metrics.resumptions.add(1);
        Some(taken)
    }

    /// Bytes from a client.
    pub(super) fn on_bytes(&mut self, connection: ConnectionNumber, bytes: &[u8]) {
        let now = self.now();
        let number = connection.session;
        self.worker.metrics.bytes_in.add_len(bytes.len());
        let Some(link) = self.links.get(number).filter(|link| link.connection() == connection) else { return };
        if let Err(error) = link.on_bytes(now, bytes, &mut self.plain, &mut self.inputs) {
            tracing::debug!(%error, "a client's TLS failed");
            link.on_eof(now, "TLS failed", &mut self.inputs);
            self.worker.metrics.tls_failures.add(1);
        }
        self.settle(now, number);
    }

    /// The client sends no more, or the connection broke.
    pub(super) fn on_eof(&mut self, connection: ConnectionNumber, reason: &str) {
        let now = self.now();
        let number = connection.session;
        let Some(link) = self.links.get(number).filter(|link| link.connection() == connection) else { return };
        link.on_eof(now, reason, &mut self.inputs);
        self.settle(now, number);
    }

    /// The socket takes bytes again.
    pub(super) fn on_writable(&mut self, connection: ConnectionNumber) {
        if self.links.get(connection.session).is_some_and(|link| link.connection() == connection) {
            self.write(connection.session);
        }
    }

    /// After anything was done with a connection: its timer, its place among those to write, and what its session wants of this worker.
    fn settle(&mut self, now: Now, number: SessionNumber) {
        let Some(link) = self.links.get(number) else { return };
        self.due.settle(link);
        if link.has_wishes() {
            self.grant(now, number);
        }
    }

    fn grant(&mut self, now: Now, number: SessionNumber) {
        let Some(link) = self.links.get(number) else { return };
        let resumptions = &self.worker.resumptions;
        for wish in link.take_wishes() {
            match wish {
                Wish::Keep(key) => {
                    if !resumptions.keep(key, number) {
                        link.on_not_kept();
                    }
                }
                Wish::Forget(key, handled) => resumptions.forget(key, handled),
                Wish::Resume(key) => match resumptions.find(&key) {
                    Found::Session(to) if to != number => link.move_to(to),
                    Found::Session(_) | Found::Nothing => link.on_no_resumption(now, None, &mut self.inputs),
                    Found::Ended(handled) => link.on_no_resumption(now, Some(handled), &mut self.inputs),
                },
            }
        }
        self.due.settle(link);
    }

    /// One round of the core.
    pub(super) fn on_core(&mut self, said: Vec<FromCore>) {
        let now = self.now();
        let mut renders = Renders::default();
        let mut deliveries = 0;
        for said in said {
            match said {
                FromCore::Deliver(sessions, event) => {
                    deliveries += sessions.len();
                    for session in sessions {
                        let Some(link) = self.links.get(session) else { continue };
                        link.on_event(now, &event, &mut renders, &mut self.inputs);
                        self.due.settle(link);
                        if link.has_wishes() {
                            self.grant(now, session);
                        }
                    }
                }
                FromCore::Answer(session, id, answer) => {
                    deliveries += 1;
                    let Some(link) = self.links.get(session) else { continue };
                    link.on_answer(now, id, answer, &mut self.inputs);
                    self.settle(now, session);
                }
                FromCore::Disconnect(session, reason) => {
                    let Some(link) = self.links.get(session) else { continue };
                    tracing::debug!(?reason, "the core ends a session");
                    link.shut(now);
                    self.settle(now, session);
                }
            }
        }
        self.worker.metrics.deliveries.add_len(deliveries);
    }

    /// When the worker is to wake by itself, microseconds.
    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.due.timers.first().map(|(at, _)| *at)
    }

    /// Hands commands to the core, writes what is queued, looks at timers.
    pub(super) fn end_turn(&mut self) {
        self.run_timers();
        self.hand_in();
        for number in std::mem::take(&mut self.due.dirty) {
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
        let now = self.now();
        while self.due.timers.first().is_some_and(|(at, _)| *at <= now.mono_us) {
            let Some((_, number)) = self.due.timers.pop_first() else { return };
            let Some(link) = self.links.get(number) else { continue };
            link.armed = None;
            if link.on_timeout(now, &mut self.inputs) {
                self.settle(now, number);
            } else {
                self.settle(now, number);
                self.remove(number);
            }
        }
    }

    fn write(&mut self, number: SessionNumber) {
        let Some(link) = self.links.get(number) else { return };
        link.dirty = false;
        let written = link.write();
        self.worker.metrics.bytes_out.add_len(written.bytes);
        self.worker.metrics.writes.add(written.calls);
        let reason = match written.broken {
            Some(error) => error.to_string(),
            None if link.is_over() => {
                self.worker.metrics.slow_readers.add(1);
                SLOW_READER.to_owned()
            }
            None if written.done => "Connection closed".to_owned(),
            None => return,
        };
        let now = self.now();
        if let Some(link) = self.links.get(number) {
            link.on_eof(now, &reason, &mut self.inputs);
        }
        self.settle(now, number);
        if !self.links.get(number).is_some_and(|link| link.is_detached()) {
            self.remove(number);
        }
    }

    fn remove(&mut self, number: SessionNumber) -> Option<Link> {
        let link = self.links.take(number)?;
        if let Some(armed) = link.armed {
            self.due.timers.remove(&(armed, number));
        }
        link.wake.notify_one();
        self.worker.metrics.connections.less(1);
        Some(link)
    }

    /// Closes everything once what is queued has been written.
    pub(super) fn close_all(&mut self) {
        let now = self.now();
        let numbers: Vec<SessionNumber> = self.links.iter().map(Link::number).collect();
        for number in numbers {
            let Some(link) = self.links.get(number) else { continue };
            link.shut(now);
            self.due.settle(link);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.iter().next().is_none()
    }

    /// Whether the core has too much to do.
    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// The core has room again.
    pub(super) fn unhold(&mut self) {
        self.held = false;
        for link in self.links.iter() {
            link.wake.notify_one();
        }
    }
}
