//! The shell around a core: timers, disk, and carrying outputs out until nothing more comes.

use super::node::Link;
use super::queue::Pending;
use super::{CLIENT_DELAY_US, COALESCE_US, COMMIT_US, REBOOT_US, World, probe};
use bytes::{Bytes, BytesMut};
use lavina_core::node::{Input, Output};
use lavina_core::store::{Store, StoreError};
use lavina_crdt::entry::Run;
use lavina_protocols::session;
use rand::Rng;

/// Bytes that may wait for a client that does not read (the shell's `UNASKED_BYTES_MAX`).
const UNREAD_BYTES_MAX: usize = 256 * 1024;

impl World {
    pub(super) fn on_node_timeout(&mut self, node: usize, start: u64, at_us: u64) {
        if self.nodes[node].start == start && self.nodes[node].timeout_us == at_us {
            self.nodes[node].timeout_us = u64::MAX;
            self.input(node, Input::Timeout);
        }
    }

    pub(super) fn on_session_timeout(&mut self, node: usize, number: u64) {
        let now = self.nodes[node].now(self.now_us);
        let due = |link: &Link| link.timeout_us.is_some_and(|at_us| at_us <= now.mono_us);
        if !self.nodes[node].links.get(&number).is_some_and(due) {
            return;
        }
        if let Some(link) = self.nodes[node].touch(number) {
            link.timeout_us = None;
            link.session.handle_timeout(now);
        }
        self.pump(node);
    }

    pub(super) fn on_commit_due(&mut self, node: usize, start: u64) {
        let current = self.nodes[node].start == start;
        let disk = &mut self.nodes[node].disk;
        if current && disk.due_us.is_some_and(|due_us| due_us <= self.now_us) {
            disk.due_us = None;
        }
        if !current || !disk.committing.is_empty() || disk.waiting.is_empty() {
            return;
        }
        disk.committing = std::mem::take(&mut disk.waiting);
        let took_us = COMMIT_US + self.rng.random_range(0..COMMIT_US) + disk.slow_ms * 1000;
        self.queue.push(self.now_us + took_us, Pending::Committed(node, start));
    }

    pub(super) fn on_committed(&mut self, node: usize, start: u64) {
        if self.nodes[node].start != start {
            return;
        }
        let batches = if self.book.is_full() { self.nodes[node].disk.committing.clone() } else { Vec::new() };
        if let Some(answer) = self.nodes[node].finish_commit() {
            if matches!(answer, Input::Persisted(_)) {
                let by_id = &self.by_id;
                let writer = |run: &Run| by_id.get(&run.origin.node).copied().unwrap_or(node);
                self.book.on_committed(self.now_us, node, &batches, writer);
            }
            self.note("disk", node, || format!("{answer:?}"));
            self.mark_durable(node);
            let damaged = matches!(answer, Input::PersistFailed(_, StoreError::Damaged(_)));
            self.input(node, answer);
            if damaged {
                self.queue.push(self.now_us + REBOOT_US, Pending::Reboot(node, start));
            }
        }
        if !self.nodes[node].disk.waiting.is_empty() {
            self.queue.push(self.now_us, Pending::CommitDue(node, start));
        }
    }

    /// A node whose store is damaged ends itself, and whoever runs it starts it again.
    pub(super) fn on_reboot(&mut self, node: usize, start: u64) {
        if self.nodes[node].start == start && self.nodes[node].core.is_some() {
            self.restart(node);
        }
    }

    pub(super) fn pump(&mut self, index: usize) {
        loop {
            let moved = self.pump_core(index) | self.pump_sessions(index);
            if !moved {
                break;
            }
        }
        self.serve_station(index);
    }

    pub(super) fn pump_core(&mut self, index: usize) -> bool {
        let mut moved = false;
        while let Some(output) = self.nodes[index].core.as_mut().and_then(lavina_core::node::Node::poll_output) {
            moved = true;
            self.on_output(index, output);
        }
        moved
    }

    pub(super) fn on_output(&mut self, index: usize, output: Output) {
        let now = self.nodes[index].now(self.now_us);
        match output {
            Output::Deliver(numbers, event) => {
                let node = &mut self.nodes[index];
                for number in numbers {
                    // Not by `touch`: the renders are borrowed too.
                    if let Some(link) = node.links.get_mut(&number) {
                        link.session.handle_event(now, &event, &mut node.renders);
                        node.dirty.push(number);
                    }
                }
            }
            Output::Answer(number, id, answer) => {
                if number == probe::PROBE {
                    self.probe_answer = Some(answer);
                } else if let Some(link) = self.nodes[index].touch(number) {
                    link.session.handle_answer(now, id, answer);
                }
            }
            Output::Disconnect(number, _) => self.close(index, number),
            Output::Persist(batch) => self.on_persist(index, batch),
            Output::Send(peer, lane, frame) => self.send_frame(index, peer, lane, frame),
            Output::Datagram(peer, bytes) => self.send_datagram(index, peer, bytes),
            Output::Dial(peer, _) => self.dial(index, peer),
            Output::Timeout(at_us) => {
                let at_us = at_us.max(self.now_us + 1);
                if self.nodes[index].timeout_us != at_us {
                    self.nodes[index].timeout_us = at_us;
                    self.queue.push(at_us, Pending::NodeTimeout(index, self.nodes[index].start, at_us));
                }
            }
            Output::Hangup(peer, reason) => {
                self.note("core hangs up", index, || reason.clone());
                if let Some(other) = self.by_id.get(&peer).copied() {
                    self.on_disconnected(index, other, &reason);
                }
                self.hang_up(index, peer, &reason);
            }
            Output::Admitted(nodes) => self.admit(index, nodes),
            Output::AdminAnswer(..) | Output::Reload(_) | Output::Thin(_) | Output::Push(..) => {}
        }
    }

    pub(super) fn on_persist(&mut self, index: usize, batch: lavina_core::store::Batch) {
        let urgent = batch.urgent;
        let own = self.nodes[index].store.origin().origin();
        let calm = batch.urgent && self.is_whole();
        self.book.on_persist(self.now_us, index, own, &batch, calm);
        let node = &mut self.nodes[index];
        node.disk.waiting.push(batch);
        let at_us = self.now_us + if urgent { 0 } else { COALESCE_US };
        if node.disk.due_us.is_none_or(|due_us| at_us < due_us) {
            node.disk.due_us = Some(at_us);
            self.queue.push(at_us, Pending::CommitDue(index, node.start));
        }
    }

    pub(super) fn pump_sessions(&mut self, index: usize) -> bool {
        let mut moved = false;
        let mut numbers = std::mem::take(&mut self.nodes[index].dirty);
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            let mut bytes = BytesMut::new();
            while let Some(output) =
                self.nodes[index].links.get_mut(&number).and_then(|link| link.session.poll_output())
            {
                moved = true;
                match output {
                    session::Output::Send(more) => bytes.extend_from_slice(&more),
                    other @ (session::Output::Command(..)
                    | session::Output::StartTls
                    | session::Output::Relayed { .. }
                    | session::Output::Close
                    | session::Output::Keep(_)
                    | session::Output::Forget(..)
                    | session::Output::Resume(_)) => {
                        self.write(index, number, bytes.split().freeze());
                        self.on_session_output(index, number, other);
                    }
                }
            }
            self.write(index, number, bytes.freeze());
            self.arm_session(index, number);
        }
        moved
    }

    pub(super) fn on_session_output(&mut self, index: usize, number: u64, output: session::Output) {
        match output {
            session::Output::Command(id, command) => {
                let now_us = self.now_us;
                self.nodes[index].input(now_us, Input::Command(number, id, command));
                self.pump_core(index);
            }
            session::Output::Send(bytes) => self.write(index, number, bytes),
            // A connection that ends takes its session with it.
            session::Output::Resume(_) => {
                let now = self.nodes[index].now(self.now_us);
                if let Some(link) = self.nodes[index].touch(number) {
                    link.session.handle_no_resumption(now, None);
                }
            }
            session::Output::StartTls
            | session::Output::Relayed { .. }
            | session::Output::Keep(_)
            | session::Output::Forget(..) => {}
            session::Output::Close => self.close(index, number),
        }
    }

    /// Writes to a connection what its session has for the client, all at once as the real shell does.
    fn write(&mut self, index: usize, number: u64, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let at_us = self.now_us + CLIENT_DELAY_US;
        let Some(link) = self.nodes[index].links.get_mut(&number) else { return };
        if let Some(unread) = &mut link.unread {
            unread.push(bytes);
            let waiting: usize = unread.iter().map(Bytes::len).sum();
            if waiting > UNREAD_BYTES_MAX {
                self.cut_slow_reader(index, number);
            }
            return;
        }
        link.arrives_us = at_us;
        self.queue.push(at_us, Pending::ToClient(link.client, number, bytes));
    }

    /// More waits for a client than may: its connection ends, as the real shell does it, and whoever is in its rooms is told why.
    fn cut_slow_reader(&mut self, index: usize, number: u64) {
        if let Some(link) = self.nodes[index].links.get(&number) {
            self.clients[link.client].left.insert(number);
        }
        *self.happened.entry("slow-reader-cut").or_default() += 1;
        self.close(index, number);
    }

    pub(super) fn close(&mut self, index: usize, number: u64) {
        if let Some(link) = self.nodes[index].links.remove(&number) {
            let at_us = self.now_us.max(link.arrives_us) + CLIENT_DELAY_US;
            self.queue.push(at_us, Pending::Hangup(link.client, number));
            let now_us = self.now_us;
            self.nodes[index].input(now_us, Input::SessionClosed(number, "Connection closed".to_owned()));
        }
    }

    fn arm_session(&mut self, index: usize, number: u64) {
        if let Some(link) = self.nodes[index].links.get_mut(&number) {
            let next = link.session.next_timeout();
            if next != link.timeout_us {
                link.timeout_us = next;
                if let Some(at_us) = next {
                    self.queue.push(at_us.max(self.now_us + 1), Pending::SessionTimeout(index, number));
                }
            }
        }
    }
}
