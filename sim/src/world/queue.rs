//! The event queue: what happens next, ties broken by the order of scheduling.

use crate::plan::NodeFault;
use crate::wire::Packet;
use bytes::Bytes;
use lavina_core::node::Input;
use lavina_gossip::frame::Frame;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::net::SocketAddr;

/// One event to come.
#[derive(Clone, Debug)]
pub(crate) enum Pending {
    /// A fault of the plan.
    Fault(usize),
    /// The plan's time of faults is over: everything heals.
    Heal,
    /// A client connects.
    Connect(usize),
    /// A client does a step of its script.
    Step(usize, usize),
    /// Bytes from a client reach its node; the number is the connection's.
    ToNode(usize, u64, Bytes),
    /// Bytes from a node reach a client.
    ToClient(usize, u64, Bytes),
    /// A client learns that its connection is gone.
    Hangup(usize, u64),
    /// A node asked to be woken; the number is the start's.
    NodeTimeout(usize, u64, u64),
    /// A session's own timer.
    SessionTimeout(usize, u64),
    /// A disk commit is done.
    Committed(usize, u64),
    /// A node that ended itself because its store is damaged is started again; the number is the start's.
    Reboot(usize, u64),
    /// A node's disk may commit what waits.
    CommitDue(usize, u64),
    /// A dialled connection stands, if the way is still free: (from, to).
    Dialled(usize, usize),
    /// A frame reaches the far end: (from, to, connection, frame).
    Frame(usize, usize, u64, Box<Frame>),
    /// A frame that came, or was held back, comes a second time: (from, to, connection, frame).
    FrameAgain(usize, usize, u64, Box<Frame>),
    /// A frame that its sender alone may know reaches the far end: (from, to, connection, frame).
    Bytes(usize, usize, u64, Bytes),
    /// A datagram reaches the far end.
    Datagram(usize, usize, Bytes),
    /// Connections over which nothing passes are looked for.
    IdleCheck(usize, usize, u64, u64),
    /// The ends of a connection measure its round trip.
    RoundTrip(usize, usize, u64),
    /// A packet reaches the far end: (from, its source address, packet).
    Packet(usize, SocketAddr, Box<Packet>),
    /// A node's station asked to be woken; the number is the start's.
    StationTime(usize, u64, u64),
    /// A node starts, if it is down.
    Boot(usize),
    /// A node is killed, if it is up.
    Kill(usize),
    /// A node that stands still goes on; the time is when it was stopped.
    Resume(usize, u64),
    /// A fault of a node that could not come yet.
    Again(NodeFault),
    /// What a node's shell had for it while it stood still: (node, start, input).
    Late(usize, u64, Box<Input>),
    /// A node writes what only its version knows; the number is the start's.
    News(usize, u64),
    /// Nodes are compared while the run goes on.
    Sample,
    /// A look at whether the mesh is equal again.
    Look,
}

/// Events by time.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    next: u64,
    events: BinaryHeap<Reverse<Event>>,
}

/// An event with its time and its number.
#[derive(Debug)]
struct Event {
    at: (u64, u64),
    what: Pending,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}

impl Queue {
    /// Schedules an event.
    pub(crate) fn push(&mut self, at_us: u64, event: Pending) {
        self.next += 1;
        self.events.push(Reverse(Event { at: (at_us, self.next), what: event }));
    }

    /// The next event and its time.
    pub(crate) fn pop(&mut self) -> Option<(u64, Pending)> {
        self.events.pop().map(|Reverse(Event { at: (at_us, _), what })| (at_us, what))
    }
}
