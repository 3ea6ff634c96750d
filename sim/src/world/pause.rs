//! Nodes that stand still, as a process does under SIGSTOP: nothing is handled, what comes waits in the kernel's buffers, timers are late,
//! and peers hear nothing. When the node goes on it finds all of that at once.

use super::World;
use super::net;
use super::queue::Pending;

/// Most datagrams that wait in a socket's buffer; the rest is lost.
const DATAGRAMS_MAX: usize = 256;

/// What has come for a node that stands still, in order. Streams are held back by their senders' windows, so only datagrams are lost.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    events: Vec<Pending>,
    datagrams: usize,
}

impl Backlog {
    /// Puts an event behind the others.
    pub(super) fn push(&mut self, event: Pending) {
        if matches!(event, Pending::Datagram(..) | Pending::Packet(..)) {
            if self.datagrams == DATAGRAMS_MAX {
                return;
            }
            self.datagrams += 1;
        }
        self.events.push(event);
    }
}

impl World {
    /// The event, unless it is for a node that stands still: then it waits there.
    pub(super) fn unless_paused(&mut self, event: Pending) -> Option<Pending> {
        let node = match &event {
            Pending::Connect(client) => self.clients[*client].node,
            Pending::ToNode(client, ..) => self.clients[*client].home,
            Pending::NodeTimeout(node, ..)
            | Pending::SessionTimeout(node, _)
            | Pending::Committed(node, _)
            | Pending::CommitDue(node, _)
            | Pending::Reboot(node, _)
            | Pending::Frame(_, node, ..)
            | Pending::FrameAgain(_, node, ..)
            | Pending::Bytes(_, node, ..)
            | Pending::News(node, _)
            | Pending::Datagram(_, node, _)
            | Pending::StationTime(node, ..)
            | Pending::Late(node, ..) => *node,
            Pending::Packet(_, _, packet) => self.at_address(packet.to)?,
            Pending::Fault(_)
            | Pending::Heal
            | Pending::Step(..)
            | Pending::ToClient(..)
            | Pending::Hangup(..)
            | Pending::Dialled(..)
            | Pending::IdleCheck(..)
            | Pending::RoundTrip(..)
            | Pending::Boot(_)
            | Pending::Kill(_)
            | Pending::Resume(..)
            | Pending::Again(_)
            | Pending::Sample
            | Pending::Look => return Some(event),
        };
        if self.nodes[node].paused_us.is_none() {
            return Some(event);
        }
        self.nodes[node].backlog.push(event);
        None
    }

    /// Stops a node for a time.
    pub(super) fn pause(&mut self, node: usize, ms: u64) {
        if self.nodes[node].core.is_none() || self.nodes[node].paused_us.is_some() {
            return;
        }
        self.nodes[node].paused_us = Some(self.now_us);
        self.book.on_pause(self.now_us, node, true);
        self.give_up_at(node);
        self.queue.push(self.now_us + ms * 1000, Pending::Resume(node, self.now_us));
        for (one, other, epoch) in self.net.connections() {
            if one == node || other == node {
                self.queue.push(self.now_us + net::IDLE_US, Pending::IdleCheck(one, other, epoch, self.now_us));
            }
        }
    }

    pub(super) fn on_resume(&mut self, node: usize, since_us: u64) {
        if self.nodes[node].paused_us == Some(since_us) {
            self.resume(node);
        }
    }

    /// A node that stands still goes on.
    pub(super) fn resume(&mut self, node: usize) {
        if self.nodes[node].paused_us.take().is_none() {
            return;
        }
        self.note("goes on", node, String::new);
        self.book.on_pause(self.now_us, node, false);
        self.nodes[node].resumed_us = self.now_us;
        for event in std::mem::take(&mut self.nodes[node].backlog).events {
            self.queue.push(self.now_us, event);
        }
    }
}
