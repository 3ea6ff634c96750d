//! A list of all rooms on a node that does not hold all: the homes of the others are asked which of theirs anybody may see.
//!
//! Each room is told by the first of its homes that is in reach. The answers are kept for a moment, so that many who ask at a time cost one question, and who asks
//! waits no longer than a slow link takes; whoever has not answered by then is left out.

use super::rooms_held::Queue;
use super::{Node, Output};
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::ids::NodeId;
use lavina_crdt::names::RoomName;
use lavina_crdt::room::Flag;
use lavina_gossip::frame::{Frame, RoomRow};
use std::collections::{BTreeMap, BTreeSet};

/// How long answers are taken for what is so, milliseconds.
const KEPT_MS: u64 = 10_000;
/// Longest that who asks waits for answers, milliseconds.
const WAIT_MS: u64 = 1_500;
/// Most rooms of one answer, and most that are kept: far more than anybody reads, some megabytes.
const ROWS_MAX: usize = 4_096;
const KEPT_MAX: usize = 65_536;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct RoomLists {
    rows: BTreeMap<RoomName, RoomRow>,
    /// When they are out of date; `None` before the first question.
    kept_until: Option<u64>,
    /// Who has not answered, and until when that is waited for.
    asked: BTreeSet<NodeId>,
    wait_until: Option<u64>,
    /// Who waits for the answers.
    waiting: BTreeSet<Queue>,
}

impl RoomLists {
    pub(super) const fn next_timeout(&self) -> Option<u64> {
        self.wait_until
    }

    /// What homes have said of rooms.
    pub(super) fn rows(&self) -> impl Iterator<Item = &RoomRow> {
        self.rows.values()
    }
}

impl<S: Store> Node<S> {
    /// Whether a list has to wait for what the homes of rooms say.
    pub(super) fn awaits_list(&mut self, now: Now, queue: &Queue) -> bool {
        if !self.gossip.is_placed() || self.lists.kept_until.is_some_and(|until| until > now.mono_us) {
            return false;
        }
        if self.lists.wait_until.is_none() {
            self.lists.asked = self.gossip.placing().into_iter().collect();
            if self.lists.asked.is_empty() {
                return false;
            }
            self.lists.rows.clear();
            self.lists.wait_until = Some(now.deadline_ms(WAIT_MS));
            for peer in self.lists.asked.clone() {
                let frame = Frame::AskRooms;
                self.out.push_back(Output::Send(peer, frame.lane(), frame));
            }
        }
        self.lists.waiting.insert(queue.clone());
        true
    }

    /// A peer asks which of the rooms whose first home this node is anybody may see.
    pub(super) fn on_ask_rooms(&mut self, from: NodeId) {
        if !self.names.contains_key(&from) {
            return;
        }
        let mut rows = Vec::new();
        for name in self.replicas.rooms() {
            if !self.gossip.is_first_home(&name) || !self.has_room(&name) {
                continue;
            }
            let state = self.load_room(&name);
            if state.has(Flag::Secret) || state.created.is_none() {
                continue;
            }
            rows.push(RoomRow {
                topic: state.topic.as_ref().map(|topic| topic.text.clone()).unwrap_or_default(),
                title: state.title.clone().unwrap_or_default(),
                created_ms: state.created.map(|at| at.ms()),
                topic_ms: state.topic.as_ref().map(|topic| topic.at.ms()),
                stays: state.has(Flag::Persistent) && state.is_open(),
                name,
            });
        }
        let mut parts: Vec<Vec<RoomRow>> = rows.chunks(ROWS_MAX).map(<[RoomRow]>::to_vec).collect();
        let last = parts.pop().unwrap_or_default();
        let frames = parts.into_iter().map(|rows| Frame::Rooms { rows, more: true });
        for frame in frames.chain([Frame::Rooms { rows: last, more: false }]) {
            self.out.push_back(Output::Send(from, frame.lane(), frame));
        }
    }

    /// A peer says which rooms there are.
    pub(super) fn on_rooms(&mut self, now: Now, from: NodeId, rows: Vec<RoomRow>, more: bool) {
        if !self.lists.asked.contains(&from) {
            return;
        }
        let room = KEPT_MAX.saturating_sub(self.lists.rows.len());
        self.lists.rows.extend(rows.into_iter().take(room).map(|row| (row.name.clone(), row)));
        if !more {
            self.lists.asked.remove(&from);
            self.end_list(now);
        }
    }

    /// A peer is gone, and answers nothing.
    pub(super) fn on_lister_gone(&mut self, now: Now, peer: NodeId) {
        if self.lists.asked.remove(&peer) {
            self.end_list(now);
        }
    }

    /// Lets those go on who wait, when all have answered or it has been long enough.
    pub(super) fn end_list(&mut self, now: Now) {
        let is_over = self.lists.wait_until.is_some_and(|until| until <= now.mono_us || self.lists.asked.is_empty());
        if !is_over {
            return;
        }
        self.lists.wait_until = None;
        self.lists.asked.clear();
        self.lists.kept_until = Some(now.deadline_ms(KEPT_MS));
        for queue in std::mem::take(&mut self.lists.waiting) {
            self.resume(now, &queue);
        }
    }
}
