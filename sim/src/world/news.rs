//! What a node writes that runs a newer version than the oldest of its mesh: entries of a kind, registers, acts upon rooms and frames that the
//! oldest does not know. The entries go the way that all entries go; the frames are sent to every peer as they are.
//!
//! Nothing here is drawn: a node writes a little of everything as often as it can be followed, until the faults end.

use super::World;
use super::net::Fate;
use super::queue::Pending;
use crate::plan::{Release, release};
use bytes::{BufMut, Bytes, BytesMut};
use lavina_core::node::SessionNumber;
use lavina_crdt::entry::Body;
use lavina_crdt::ids::{OrderKey, Scope};
use lavina_crdt::names::RoomName;
use lavina_crdt::register::RegisterSet;
use lavina_crdt::room::Act;
use lavina_gossip::frame::{self, FrameError, KINDS, Lane};

/// How often a node writes, microseconds.
const PERIOD_US: u64 = 400_000;
/// Kind of the entries that only the previous version would know; the others' follow it.
const KIND: u16 = 900;
/// So many writes of the whole mesh go to registers of one name, then another is begun: what is written seldom stays as a merge has left it.
const WRITES_PER_REGISTER: usize = 32;

/// What newer versions have written, and what became of their connections.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) written: Vec<Written>,
    /// Connections that did not come about, or ended, for what a version does not speak or understand.
    pub(crate) disconnected: Vec<String>,
    turn: usize,
}

/// An entry of a kind that older versions do not know.
#[derive(Debug)]
pub(crate) struct Written {
    /// By which node.
    pub(crate) node: usize,
    pub(crate) scope: Scope,
    pub(crate) key: OrderKey,
    pub(crate) kind: u16,
    pub(crate) body: Vec<u8>,
    /// Whether its node's disk has had it.
    pub(crate) durable: bool,
}

impl World {
    /// A node has started: from here on it writes, when it knows more than others. What it had written and not made durable is gone, and its numbers
    /// are given again.
    pub(super) fn begin_news(&mut self, node: usize) {
        self.news.written.retain(|written| written.durable || written.node != node);
        if self.nodes[node].release > release::oldest(&self.plan) {
            self.queue.push(self.now_us + PERIOD_US, Pending::News(node, self.nodes[node].start));
        }
    }

    pub(super) fn on_news(&mut self, node: usize, start: u64) {
        let runs = self.nodes[node].core.as_ref().is_some_and(lavina_core::node::Node::is_serving);
        if self.nodes[node].start != start || self.nodes[node].core.is_none() || self.is_over() {
            return;
        }
        self.queue.push(self.now_us + PERIOD_US, Pending::News(node, start));
        if !runs {
            return;
        }
        self.news.turn += 1;
        self.write_entry(node);
        self.write_register(node);
        if release::oldest(&self.plan) == Release::Previous {
            self.write_title(node);
        }
        self.pump(node);
        self.send_unknown_frames(node);
    }

    /// One of the node's sessions, another each time.
    fn some_session(&self, node: usize) -> Option<(SessionNumber, usize)> {
        let links = &self.nodes[node].links;
        let (number, link) = links.iter().nth(self.news.turn % links.len().max(1))?;
        Some((*number, link.client))
    }

    fn some_room(&self) -> Option<RoomName> {
        let rooms = &self.plan.rooms;
        RoomName::new(&rooms.get(self.news.turn % rooms.len().max(1))?.name).ok()
    }

    fn write_entry(&mut self, node: usize) {
        let session = self.some_session(node);
        let account = session.and_then(|(_, client)| self.clients[client].account());
        let scope = match (self.news.turn % 4, account, self.some_room()) {
            (0, Some(account), _) => Scope::Account(account),
            (1, ..) | (_, _, None) => Scope::Mesh,
            (_, _, Some(room)) => Scope::Room(room),
        };
        let by = session.map(|(number, _)| number).filter(|_| self.news.turn.is_multiple_of(2));
        let kind = KIND + self.nodes[node].release.number();
        let bytes = format!("{} by node {node}", self.news.turn).into_bytes();
        let now = self.nodes[node].now(self.now_us);
        let Some(core) = &mut self.nodes[node].core else { return };
        let body = Body::Unknown { kind, bytes: bytes.clone() };
        if let Ok(key) = core.write_any(now, scope.clone(), by, body) {
            self.news.written.push(Written { node, scope, key, kind, body: bytes, durable: false });
            self.count("unknown-entry");
        }
    }

    fn write_register(&mut self, node: usize) {
        let Some((number, client)) = self.some_session(node) else { return };
        let Some(account) = self.clients[client].account() else { return };
        let value = format!("{} by node {node}", self.news.turn).into_bytes();
        let body = Body::Register(RegisterSet {
            key: format!("newer/{}", self.news.turn / WRITES_PER_REGISTER),
            value,
            of: None,
        });
        let now = self.nodes[node].now(self.now_us);
        let Some(core) = &mut self.nodes[node].core else { return };
        if core.write_any(now, Scope::Account(account), Some(number), body).is_ok() {
            self.count("unknown-register");
        }
    }

    /// Gives a room a title, where somebody at the node may.
    fn write_title(&mut self, node: usize) {
        let Some(room) = self.some_room() else { return };
        let acts = [Act::SetTitle(format!("title {} by node {node}", self.news.turn))];
        let now = self.nodes[node].now(self.now_us);
        let numbers: Vec<SessionNumber> = self.nodes[node].links.keys().copied().collect();
        let Some(core) = &mut self.nodes[node].core else { return };
        if numbers.into_iter().any(|number| core.act_any(now, number, &room, &acts).is_ok()) {
            self.count("unknown-act");
        }
    }

    fn send_unknown_frames(&mut self, node: usize) {
        let lane = Lane::ALL[self.news.turn % Lane::ALL.len()];
        let kind = KINDS + u32::from(self.nodes[node].release.number());
        let mut bytes = BytesMut::new();
        bytes.put_slice(&postcard::to_stdvec(&kind).unwrap_or_default());
        bytes.put_slice(format!("{} by node {node}", self.news.turn).as_bytes());
        let bytes = bytes.freeze();
        for (one, other, _) in self.connections() {
            match (one == node, other == node) {
                (true, _) => self.send_bytes(node, other, lane, &bytes),
                (_, true) => self.send_bytes(node, one, lane, &bytes),
                (false, false) => {}
            }
        }
    }

    fn send_bytes(&mut self, from: usize, to: usize, lane: Lane, bytes: &Bytes) {
        let peer = self.id(to);
        if let Some(station) = &mut self.nodes[from].station {
            station.send_bytes(self.now_us, peer, lane, bytes.clone());
            self.serve_station(from);
        } else if let Fate::Arrives(at_us, epoch) =
            self.net.schedule(self.now_us, (from, to), lane, || bytes.len(), &mut self.rng)
        {
            self.queue.push(at_us, Pending::Bytes(from, to, epoch, bytes.clone()));
        }
    }

    /// Bytes are at the far end of their way: what a data plane does with a frame that it does not know, or cannot read.
    pub(super) fn on_bytes(&mut self, from: usize, to: usize, epoch: u64, bytes: &Bytes) {
        let stands = self.net.conn(from, to).is_some_and(|conn| conn.epoch == epoch);
        if !stands || !self.net.paths.passes_both(from, to) || self.nodes[to].core.is_none() {
            return;
        }
        match frame::decode(bytes) {
            Ok(frame) => self.frame_arrives(from, to, frame),
            Err(FrameError::Unknown(_)) => self.on_unknown_frame(from, to),
            Err(error @ (FrameError::TooLong(_) | FrameError::Malformed | FrameError::Trailing(_))) => {
                self.on_disconnected(to, from, &error.to_string());
                self.drop_connection(from, to);
            }
        }
    }

    /// A frame of a kind that this build does not know has come; a node of the version that sent it would know it.
    pub(super) fn on_unknown_frame(&mut self, from: usize, to: usize) {
        self.note("unknown frame", to, || format!("from {from}"));
        if self.nodes[to].release < self.nodes[from].release {
            self.count("unknown-frame");
        }
    }

    /// A node ends its connection to a peer, or has none to it, for what the peer said.
    pub(super) fn on_disconnected(&mut self, node: usize, peer: usize, reason: &str) {
        let (own, other) = (self.nodes[node].release, self.nodes[peer].release);
        self.news
            .disconnected
            .push(format!("node {node} ({own:?}) is not connected to node {peer} ({other:?}): {reason}"));
    }

    /// A node's disk has taken what it was given.
    pub(super) fn mark_durable(&mut self, node: usize) {
        let held = &self.nodes[node].disk.held;
        for written in self.news.written.iter_mut().filter(|written| !written.durable && written.node == node) {
            written.durable = held.get(&written.scope).is_some_and(|vector| vector.contains(written.key.dot()));
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.happened.entry(what).or_default() += 1;
    }
}
