//! Looking into nodes: what they keep of rooms, whoever may see it, what is on their disks, and, through a session of its own, what they
//! answer to questions outside the protocols.

use super::World;
use lavina_core::node::{Input, SessionMeta};
use lavina_core::store::Store;
use lavina_crdt::ids::{MsgId, Scope, SessionId};
use lavina_crdt::names::{Nick, RoomName};
use lavina_crdt::presence::SessionRecord;
use lavina_crdt::room::RoomState;
use lavina_crdt::version::VersionVector;
use lavina_protocols::command::{Bound, Command, CommandId, HistoryOf, HistoryQuery, Open, Refusal, Reply};
use lavina_protocols::event::{Person, Said};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Session number of the probe at every node.
pub(crate) const PROBE: u64 = u64::MAX;

impl World {
    /// Opens the probe's session at a node that is up.
    pub(crate) fn probe_open(&mut self, node: usize) {
        let meta = SessionMeta { host: "probe".to_owned(), address: None, secure: true };
        self.input(node, Input::SessionOpened(PROBE, meta));
        if let Ok(nick) = Nick::new(&format!("probe{}", self.plan.nodes[node].name)) {
            let open =
                Open { nick, user: "probe".to_owned(), realname: String::new(), resource: None, available: false };
            self.ask(node, Command::Open(open));
        }
    }

    /// Asks a node something that it can answer at once.
    pub(crate) fn ask(&mut self, node: usize, command: Command) -> Option<Result<Reply, Refusal>> {
        self.probe_answer = None;
        self.input(node, Input::Command(PROBE, CommandId(0), command));
        self.probe_answer.take()
    }

    /// The state of a room at a node that holds it.
    pub(crate) fn room_state(&mut self, node: usize, room: &RoomName) -> Option<Arc<RoomState>> {
        if !self.holds(node, &Scope::Room(room.clone())) {
            return None;
        }
        self.nodes[node].core.as_mut()?.look_at_room_state(room)
    }

    /// The hosts, which are one a client, of the occupants of a room as a node shows them.
    ///
    /// What a node does not hold it knows from what other nodes say of their sessions only: it fetches the room before it shows anybody who is in it, and learns
    /// then whom the room's acts have put out who have no home that would say so.
    pub(crate) fn occupants(&self, node: usize, room: &RoomName) -> BTreeSet<String> {
        let knows_acts = self.holds(node, &Scope::Room(room.clone()));
        let people = self.people_in(node, room);
        let told = people.iter().filter(|(session, _)| knows_acts || self.node_of(*session).is_some());
        told.map(|(_, record)| record.host.clone()).collect()
    }

    /// The node that a session is at, unless it is one that stands for an account.
    fn node_of(&self, session: SessionId) -> Option<usize> {
        (0..self.nodes.len()).find(|node| self.id(*node) == session.node)
    }

    /// Hosts of accounts that are always on and in a room without a session: nobody is logged in under their names, as where a node that had lost its disk
    /// did not know them when they came back.
    pub(crate) fn without_session(&self, node: usize, room: &RoomName) -> BTreeSet<String> {
        let mut inside = self.people_in(node, room);
        let people = self.nodes[node].core.as_ref().map(lavina_core::node::Node::look_at_people).unwrap_or_default();
        let is_known = |alone: &SessionRecord| {
            people.iter().any(|person| {
                self.by_id.contains_key(&person.session.node)
                    && person.record.account == alone.account
                    && person.record.nick.key() == alone.nick.key()
            })
        };
        // Who stands for an account is at no node.
        inside.retain(|(session, record)| !self.by_id.contains_key(&session.node) && !is_known(record));
        inside.into_iter().map(|(_, record)| record.host.clone()).collect()
    }

    /// Who is in a room as a node keeps it, shut to strangers or not.
    pub(crate) fn people_in(&self, node: usize, room: &RoomName) -> Vec<(SessionId, Arc<SessionRecord>)> {
        let inside = self.nodes[node].core.iter().flat_map(|core| core.look_at_people_in(room));
        inside.map(|(session, record)| (session, Arc::clone(record))).collect()
    }

    /// All entries of a scope on a node's disk, in order.
    pub(crate) fn entries(&self, node: usize, scope: &Scope) -> Vec<lavina_crdt::entry::Entry> {
        let mut entries = Vec::new();
        let visit = &mut |_: lavina_crdt::ids::OrderKey, sealed: &lavina_crdt::entry::SealedEntry| {
            entries.extend(lavina_crdt::chain::open(sealed));
            true
        };
        match self.nodes[node].store.scan(scope, None, None, false, visit) {
            Ok(()) => entries,
            Err(_) => Vec::new(),
        }
    }

    /// A room's whole history at a node, fetched in pages of a size, from the oldest or from the newest.
    pub(crate) fn history(
        &mut self,
        node: usize,
        room: &RoomName,
        page: usize,
        newest: bool,
    ) -> Result<Vec<Arc<Said>>, String> {
        let mut all: Vec<Arc<Said>> = Vec::new();
        loop {
            let edge = if newest { all.first() } else { all.last() };
            let bound = edge.map(|said| Bound::Id(said.id));
            let (after, before) = if newest { (None, bound) } else { (bound, None) };
            let of = HistoryOf::Room(room.clone());
            let query =
                HistoryQuery { of, after, before, ids: Vec::new(), limit: page, newest, texts: false, events: false };
            let Some(core) = &mut self.nodes[node].core else { return Err(format!("node {node} is down")) };
            let mut got = core
                .look_at_history(room, &query)
                .map_err(|refusal| format!("history of {room} at node {node} cannot be read: {refusal:?}"))?;
            if got.messages.is_empty() {
                return Ok(all);
            }
            let complete = got.complete;
            if newest {
                got.messages.append(&mut all);
                all = got.messages;
            } else {
                all.append(&mut got.messages);
            }
            if complete {
                return Ok(all);
            }
        }
    }

    /// Everybody a node knows.
    pub(crate) fn people(&self, node: usize) -> Vec<Person> {
        // Not by asking as a client: some do not want to be found.
        self.nodes[node].core.as_ref().map(lavina_core::node::Node::look_at_people).unwrap_or_default()
    }

    /// What a node has on its disk, as far as it counts.
    pub(crate) fn vectors(&self, node: usize) -> BTreeMap<Scope, VersionVector> {
        match &self.nodes[node].core {
            Some(core) => core.vectors(),
            None => self.nodes[node].store.vectors().unwrap_or_default(),
        }
    }

    /// What a node has of a scope on its disk, as far as it counts.
    pub(crate) fn vector(&self, node: usize, scope: &Scope) -> VersionVector {
        match &self.nodes[node].core {
            Some(core) => core.vector(scope),
            None => self.nodes[node].store.vectors().unwrap_or_default().remove(scope).unwrap_or_default(),
        }
    }

    /// The ids of all entries a node has on its disk, each with its scope, as the place of that among all scopes that are given.
    pub(crate) fn stored_ids(&self, node: usize, scopes: &mut BTreeMap<Scope, usize>) -> BTreeMap<MsgId, usize> {
        let mut ids = BTreeMap::new();
        for scope in self.vectors(node).into_keys() {
            let count = scopes.len();
            let place = *scopes.entry(scope.clone()).or_insert(count);
            let visit = &mut |key: lavina_crdt::ids::OrderKey, _: &lavina_crdt::entry::SealedEntry| {
                ids.entry(key.msg_id()).or_insert(place);
                true
            };
            if self.nodes[node].store.scan(&scope, None, None, false, visit).is_err() {
                break;
            }
        }
        ids
    }

    /// Whether two nodes are connected.
    pub(crate) fn are_connected(&self, one: usize, other: usize) -> bool {
        self.connection(one, other).is_some()
    }
}
