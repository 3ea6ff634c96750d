//! What the parts of the machine have to say, in order, and what they count. Knows no rule.

use crate::frame::Frame;
use crate::machine::{Counters, Output};
use bytes::Bytes;
use lavina_crdt::ids::NodeId;
use std::collections::VecDeque;

/// Outputs not yet drained; emptied by the driver after every input, so that it holds the answers to one input only.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Output>,
    pub(crate) counters: Counters,
}

impl Outbox {
    pub(crate) fn push(&mut self, output: Output) {
        self.queue.push_back(output);
    }

    pub(crate) fn send(&mut self, to: NodeId, frame: Frame) {
        self.queue.push_back(Output::Send(to, frame.lane(), frame));
    }

    pub(crate) fn datagram(&mut self, to: NodeId, bytes: Bytes) {
        self.queue.push_back(Output::Datagram(to, bytes));
    }

    /// Counts something of a peer that is not taken.
    pub(crate) fn refuse(&mut self) {
        self.counters.frames_refused += 1;
    }

    /// Counts something forgotten because a table was full; sync repairs what comes of it.
    pub(crate) fn overflow(&mut self) {
        self.counters.tables_overflowed += 1;
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }
}
