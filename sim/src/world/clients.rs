//! Clients connect, act, and are sent bytes.

use super::node::Link;
use super::queue::Pending;
use super::{CLIENT_DELAY_US, RECONNECT_US, World};
use crate::client::Sent;
use crate::plan::{Action, Speaks};
use crate::record::ActRecord;
use bytes::Bytes;
use lavina_core::node::Input;
use lavina_protocols::session::{Connection, Session};
use rand::Rng;
use std::sync::Arc;

impl World {
    pub(super) fn on_connect(&mut self, client: usize) {
        if self.clients[client].connection != 0 {
            return;
        }
        let node = self.clients[client].node;
        if self.nodes[node].core.is_none() {
            self.queue.push(self.now_us + RECONNECT_US, Pending::Connect(client));
            return;
        }
        self.homes[client].insert(node);
        self.came_us = self.now_us;
        let number = self.next_connection;
        self.next_connection += 1;
        let now = self.nodes[node].now(self.now_us);
        let connection = Connection {
            host: format!("host{client}.cloak"),
            tls: None,
            starttls: false,
            framed: false,
            gateway: false,
            seed: self.rng.random(),
        };
        let config = Arc::clone(&self.nodes[node].sessions);
        let session = match self.clients[client].plan.speaks {
            Speaks::Irc => Session::irc(now, config, connection),
            Speaks::Xmpp => Session::xmpp(now, config, connection),
        };
        let link = Link { session, client, timeout_us: None, arrives_us: 0, unread: None };
        self.nodes[node].links.insert(number, link);
        self.nodes[node].dirty.push(number);
        self.note("connect", client, || format!("to node {node} as {number}"));
        let meta = lavina_core::node::SessionMeta { host: format!("host{client}.cloak"), address: None, secure: false };
        self.input(node, Input::SessionOpened(number, meta));
        let first = self.clients[client].connect(number);
        self.send_to_node(client, first.into_bytes());
    }

    /// Sends bytes to the client's node in chunks of any size.
    pub(super) fn send_to_node(&mut self, client: usize, bytes: Vec<u8>) {
        let number = self.clients[client].connection;
        let mut bytes = Bytes::from(bytes);
        let at_us = self.now_us + CLIENT_DELAY_US;
        while !bytes.is_empty() {
            let chunk = if self.rng.random_bool(0.8) { bytes.len() } else { self.rng.random_range(1..=bytes.len()) };
            self.queue.push(at_us, Pending::ToNode(client, number, bytes.split_to(chunk)));
        }
    }

    pub(super) fn on_bytes_to_node(&mut self, client: usize, number: u64, bytes: &[u8]) {
        let node = self.clients[client].home;
        let now = self.nodes[node].now(self.now_us);
        let words = || format!("client {client}: > {}", String::from_utf8_lossy(bytes).trim_end());
        self.trace.note_bytes(self.now_us, [client, node], bytes, words);
        if let Some(link) = self.nodes[node].touch(number) {
            link.session.handle_bytes(now, bytes);
            self.pump(node);
        }
    }

    pub(super) fn on_bytes_to_client(&mut self, client: usize, number: u64, bytes: &[u8]) {
        if self.clients[client].connection != number {
            return;
        }
        let words = || format!("client {client}: < {}", String::from_utf8_lossy(bytes).trim_end());
        self.trace.note_bytes(self.now_us, [client, usize::MAX], bytes, words);
        let before = self.clients[client].seen.len();
        let reply = self.clients[client].receive(self.now_us, bytes, &self.plan);
        for seen in &self.clients[client].seen[before..] {
            self.book.on_shown(self.now_us, client, &seen.text, &seen.id);
        }
        self.doubt_bans(client);
        self.look_at_joins(client);
        self.look_at_delays(client, before);
        if !reply.is_empty() {
            self.send_to_node(client, reply.into_bytes());
        }
    }

    /// A ban that is shown while the disk takes nothing stands in memory only, and is refused to who set it: nobody is promised it.
    fn doubt_bans(&mut self, client: usize) {
        let (now_us, home) = (self.now_us, self.clients[client].home);
        if self.nodes[home].disk.full || self.nodes[home].disk.ailing {
            self.clients[client].bans.retain(|_, seen| seen.at_us != now_us);
        }
    }

    pub(super) fn on_hangup(&mut self, client: usize, number: u64) {
        if self.clients[client].connection != number {
            return;
        }
        let node = self.clients[client].home;
        let node_lives = self.nodes[node].core.is_some() && self.nodes[node].up_since_us + RECONNECT_US < self.now_us;
        let own_will = self.clients[client].left.contains(&number);
        // Who was not logged in, say because the node did not know of the account yet, had no nick to be thrown out over.
        let was_in = self.clients[client].ready;
        if node_lives && !own_will && was_in {
            self.clients[client].thrown_out.push(number);
        }
        self.note("hangup", client, || number.to_string());
        self.clients[client].disconnected(self.now_us);
        self.queue.push(self.now_us + RECONNECT_US, Pending::Connect(client));
    }

    /// Whether a client does not read, and so does nothing either.
    fn is_deaf(&self, client: usize) -> bool {
        let client = &self.clients[client];
        self.nodes[client.home].links.get(&client.connection).is_some_and(|link| link.unread.is_some())
    }

    pub(super) fn on_step(&mut self, client: usize, step: usize) {
        if !self.clients[client].ready || self.is_deaf(client) {
            return;
        }
        let action = self.clients[client].plan.script[step].action.clone();
        if let Action::Deed(name, room, other) = &action {
            return self.do_deed(client, name, *room, *other);
        }
        *self.happened.entry(action.name()).or_default() += 1;
        let (room, other) = action.indices();
        let room_name = room.map(|room| self.plan.rooms[room].name.clone()).unwrap_or_default();
        let other_nick = other.map(|other| {
            let other = &self.clients[other];
            if matches!(action, Action::Tell(_)) { other.plan.nick.clone() } else { other.nick.clone() }
        });
        let other_nick = other_nick.unwrap_or_default();
        if let Action::Nick(nick) = &action {
            self.clients[client].nick_asked.clone_from(nick);
        }
        if let Action::Join(_) = action {
            self.ask_to_join(client, &room_name);
        }
        let text = self.clients[client].fresh_text(client);
        self.note_act(client, action.name(), room, &other_nick, &text);
        let bytes = match &action {
            Action::Say(_) | Action::Tell(_) | Action::Reply(_) => {
                self.say(client, &action, room, &room_name, &other_nick, text)
            }
            Action::Ban(_) | Action::Unban(_) => self.clients[client].wire.act(&action, &room_name, "", "odd"),
            Action::BanForGood(_) => {
                let client = &mut self.clients[client];
                let bytes = client.wire.act(&action, &room_name, "", &text);
                let wire_mask = client.wire.mask(&text);
                client.bans_asked.insert((room_name, wire_mask), (room.unwrap_or(0), text));
                bytes
            }
            Action::Topic(_)
            | Action::Op(..)
            | Action::Deop(..)
            | Action::Kick(..)
            | Action::Part(_)
            | Action::Join(_)
            | Action::Nick(_)
            | Action::Deed(..) => self.clients[client].wire.act(&action, &room_name, &other_nick, &text),
        };
        self.send_to_node(client, bytes.into_bytes());
    }

    /// Keeps an act for the record; what is said is kept as a line.
    pub(super) fn note_act(&mut self, client: usize, name: &str, room: Option<usize>, whom: &str, text: &str) {
        let (node, at_us) = (self.clients[client].home, self.now_us);
        let room = room.map(|room| self.plan.rooms[room].name.clone());
        let whom = (!whom.is_empty()).then(|| whom.to_owned());
        let text = if matches!(name, "topic" | "ban-for-good") { text.to_owned() } else { String::new() };
        if !matches!(name, "say" | "tell" | "reply") {
            self.book.on_act(|| ActRecord { client, node, name: name.to_owned(), room, whom, text, at_us });
        }
    }

    fn say(
        &mut self,
        client: usize,
        action: &Action,
        room: Option<usize>,
        room_name: &str,
        other: &str,
        text: String,
    ) -> String {
        let healthy = self.is_healthy(self.clients[client].home);
        let inside = self.clients[client].inside.contains_key(room_name);
        let sent = Sent {
            room,
            to: action.indices().1,
            at_us: self.now_us,
            connection: self.clients[client].connection,
            acked: None,
            expected: healthy && inside && room.is_some() && !self.clients[client].flooded,
            given_up_us: None,
        };
        let named = room.map(|_| room_name);
        self.book.on_said(self.now_us, client, self.clients[client].node, &text, named);
        let client = &mut self.clients[client];
        let answered =
            client.last_seen(room_name).filter(|_| matches!(action, Action::Reply(_))).map(|seen| seen.id.clone());
        let bytes = match answered {
            Some(id) => client.wire.reply(room_name, &text, &id),
            None => client.wire.act(action, room_name, other, &text),
        };
        client.sent.insert(text, sent);
        bytes
    }
}
