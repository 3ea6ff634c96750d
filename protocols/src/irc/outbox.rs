//! What the session wants from its shell, in order: its own lines gathered into one buffer, shared buffers between them.

use super::message::Line;
use crate::session::Output;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    ready: VecDeque<Output>,
    /// Lines not yet made into an output.
    gathering: BytesMut,
}

impl Outbox {
    /// Adds a line, with one more tag in front where there is one.
    pub(super) fn line(&mut self, line: &Line, first: Option<(&str, &str)>) {
        line.write(&mut self.gathering, first);
    }

    /// Adds bytes that other sessions share.
    pub(super) fn shared(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.flush();
            self.ready.push_back(Output::Send(bytes));
        }
    }

    /// Adds anything else.
    pub(super) fn push(&mut self, output: Output) {
        self.flush();
        self.ready.push_back(output);
    }

    fn flush(&mut self) {
        if !self.gathering.is_empty() {
            let gathered = std::mem::take(&mut self.gathering);
            self.ready.push_back(Output::Send(gathered.freeze()));
        }
    }

    /// The next one.
    pub(super) fn poll(&mut self) -> Option<Output> {
        if self.ready.is_empty() {
            self.flush();
        }
        self.ready.pop_front()
    }
}
