//! Other servers (RFC 6120 section 4 and following, between servers) and components (XEP-0114): the machine of all of a node's links to them.
//!
//! | file | holds |
//! |---|---|
//! | `config` | what is configured, dialback keys, who is welcome |
//! | `stream` | one link, from its header to stanzas |
//! | `routes` | the ways to other servers, and what waits for them |
//! | `links`, `sending`, `hearing`, `sessions` | the hub's own work: connections, what goes out, what comes in, sessions in the core |
//! | `person` | somebody there, as a client of this node |
//! | `interest` | what clients there want to be told of what accounts publish |
//! | `told` | what the core tells them |
//!
//! Drive it: tell it of connections, bytes, sessions' events and answers with the `handle_` functions; after each, drain [`Hub::poll_output`].
//! [`Hub::next_timeout`] says when to call [`Hub::handle_timeout`]. Connections and sessions go by numbers of the hub's own.
//!
//! Every node has its own links: what its sessions say goes out by them, and what comes in by them finds its receiver through the core.
//!
//! **Invariant:** nobody of another server speaks but from a domain that the link has proven, to a domain of this mesh.

mod config;
mod directed;
mod hearing;
mod interest;
mod links;
mod people;
mod person;
mod routes;
mod sending;
mod sessions;
mod stream;
mod told;

pub use super::jid::dns_name;
pub use config::{Certificate, Federation, PeerTls};

use super::element::Element;
use super::error::{StanzaError, StreamError};
use super::jid::Domains;
use super::xml::parse_stanza;
use crate::abroad::Remote;
use crate::command::{Command, CommandId, Refusal, Reply};
use crate::event::Event;
use crate::render::Renders;
use crate::session::SessionConfig;
use bytes::Bytes;
use directed::Directed;
use interest::Interest;
use lavina_crdt::clock::Now;
use people::People;
use routes::Routes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use stream::{Pair, Role, Stream};

/// A connection, as the hub numbers them.
pub type ConnectionId = u64;
/// A session in the core, as the hub numbers them.
pub type SessionIndex = u64;

/// The session that speaks for everybody; a new one gets the next number.
const GATEWAY_AGAIN_MS: u64 = 5_000;
/// The resource of a component's session, by which other nodes find it.
const COMPONENT_RESOURCE: &str = "component";

/// What a hub wants from its shell.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a command is moved once; a box would cost every message an allocation")]
pub enum Output {
    /// Find the server of that domain and connect to it; then [`Hub::handle_connected`] or [`Hub::handle_unreachable`].
    Connect(ConnectionId, String),
    /// Send these bytes, after those before.
    Send(ConnectionId, Bytes),
    /// Send what is queued, then begin the TLS handshake, as the client of the server of that domain or (without) as the server; then
    /// [`Hub::handle_tls`].
    StartTls(ConnectionId, Option<String>),
    /// Send what is queued, then close. Nothing more comes for that connection.
    Close(ConnectionId, &'static str),
    /// A session for the core, of somebody at that domain.
    Opened(SessionIndex, String),
    /// It asks for something.
    Command(SessionIndex, CommandId, Command),
    /// It has ended, for that reason.
    Closed(SessionIndex, String),
}

/// Why a server was not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// The domain has no such server.
    NotFound,
    /// Nobody answers.
    Timeout,
}

/// What connects to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Another server.
    Server,
    /// A component of this one.
    Component,
}

/// What an answer of the core to the gateway is for.
#[derive(Debug)]
enum Waiting {
    /// Nobody waits for it.
    Nobody,
    /// The machine of somebody.
    Machine(Remote, CommandId),
    /// Whether another node has somebody's session.
    Elsewhere(Remote),
    /// Whether another node has the component of a domain.
    Component(Pair),
    /// The newest items of what somebody's client wants to be told of.
    Latest(Remote),
}

/// Whose a session is.
#[derive(Clone, Debug)]
enum Owner {
    Gateway,
    Person(Remote),
    Component(ConnectionId),
}

/// See the module's head.
#[derive(Debug)]
pub struct Hub {
    federation: Arc<Federation>,
    config: Arc<SessionConfig>,
    domains: Domains,
    seed: u64,
    now: Now,
    streams: BTreeMap<ConnectionId, Stream>,
    /// Connections that are not there yet, and what for.
    connecting: BTreeMap<ConnectionId, Role>,
    /// By which connection a server is asked for a key that was shown on which.
    verifying: BTreeMap<ConnectionId, ConnectionId>,
    routes: Routes,
    /// Components here, by domain.
    components: BTreeMap<String, (ConnectionId, SessionIndex)>,
    people: People,
    /// Who has said so much that what else they say waits, until when.
    paused: BTreeSet<(u64, Remote)>,
    /// Whom sessions of this mesh have shown themselves to there.
    directed: Directed,
    /// What clients there want to be told of.
    interest: Interest,
    sessions: BTreeMap<SessionIndex, Owner>,
    gateway: SessionIndex,
    /// When the gateway's session is opened again, microseconds.
    gateway_at: Option<u64>,
    waiting: BTreeMap<CommandId, Waiting>,
    next_connection: ConnectionId,
    next_session: SessionIndex,
    next_command: u64,
    outputs: VecDeque<Output>,
}

impl Hub {
    /// A hub without links. `seed` is random.
    #[must_use]
    pub fn new(now: Now, federation: Federation, seed: u64) -> Self {
        let config = Arc::new(SessionConfig { abroad: true, ..SessionConfig::clone(&federation.session) });
        let mut hub = Self {
            domains: Domains::new(&config),
            federation: Arc::new(federation),
            config,
            seed,
            now,
            streams: BTreeMap::new(),
            connecting: BTreeMap::new(),
            verifying: BTreeMap::new(),
            routes: Routes::default(),
            components: BTreeMap::new(),
            people: People::default(),
            paused: BTreeSet::new(),
            directed: Directed::default(),
            interest: Interest::default(),
            sessions: BTreeMap::new(),
            gateway: 0,
            gateway_at: None,
            waiting: BTreeMap::new(),
            next_connection: 0,
            next_session: 0,
            next_command: 0,
            outputs: VecDeque::new(),
        };
        hub.open_gateway();
        hub
    }

    /// The next thing the hub wants; drain until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Somebody has connected; with TLS where that came first.
    pub fn handle_accepted(&mut self, now: Now, caller: Caller, tls: Option<PeerTls>) -> ConnectionId {
        self.now = now;
        let id = self.fresh_connection();
        let role = match caller {
            Caller::Server => Role::In,
            Caller::Component => Role::Component,
        };
        self.begin(id, role, tls);
        id
    }

    /// A connection that was asked for is there; with TLS where that came first.
    pub fn handle_connected(&mut self, now: Now, id: ConnectionId, tls: Option<PeerTls>) {
        self.now = now;
        match self.connecting.remove(&id) {
            Some(role) => self.begin(id, role, tls),
            None => self.outputs.push_back(Output::Close(id, "nobody waits for it")),
        }
    }

    /// There is no way to a server that was to be connected to.
    pub fn handle_unreachable(&mut self, now: Now, id: ConnectionId, why: Unreachable) {
        self.now = now;
        let error = match why {
            Unreachable::NotFound => StanzaError::REMOTE_SERVER_NOT_FOUND,
            Unreachable::Timeout => StanzaError::REMOTE_SERVER_TIMEOUT,
        };
        if let Some(role) = self.connecting.remove(&id) {
            self.on_lost(id, &role, &error);
        }
    }

    /// Bytes of a connection, in any chunking.
    pub fn handle_bytes(&mut self, now: Now, id: ConnectionId, bytes: &[u8]) {
        self.now = now;
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.on_bytes(now, bytes);
            self.drain_stream(id);
        }
    }

    /// The TLS handshake that was asked for is done.
    pub fn handle_tls(&mut self, now: Now, id: ConnectionId, tls: PeerTls) {
        self.now = now;
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.on_tls(now, tls);
            self.drain_stream(id);
        }
    }

    /// A connection has ended.
    pub fn handle_closed(&mut self, now: Now, id: ConnectionId) {
        self.now = now;
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.on_closed();
            self.drain_stream(id);
        }
    }

    /// What the core tells sessions.
    pub fn handle_event(&mut self, now: Now, sessions: &[SessionIndex], event: &Arc<Event>, renders: &mut Renders) {
        self.now = now;
        for session in sessions {
            match self.sessions.get(session).cloned() {
                Some(Owner::Gateway) => {
                    if let Event::Abroad(to, told) = event.as_ref() {
                        self.tell(to, told);
                    } else if let Event::Ended(person) = event.as_ref() {
                        self.take_back(person);
                    }
                }
                Some(Owner::Person(remote)) => self.on_person_event(&remote, event, renders),
                Some(Owner::Component(id)) => {
                    if let Event::Forwarded(bytes) = event.as_ref()
                        && let Some(stanza) = parse(bytes)
                    {
                        self.send_over(id, &stanza);
                    }
                }
                None => {}
            }
        }
    }

    /// The answer to a command.
    pub fn handle_answer(&mut self, now: Now, session: SessionIndex, id: CommandId, answer: Result<Reply, Refusal>) {
        self.now = now;
        match self.sessions.get(&session).cloned() {
            Some(Owner::Gateway) => self.on_gateway_answer(id, answer),
            Some(Owner::Person(remote)) => self.on_person_answer(&remote, session, id, answer),
            Some(Owner::Component(_)) => self.on_component_session(session, id, &answer),
            None => {}
        }
    }

    /// The core has ended a session.
    pub fn handle_ended(&mut self, now: Now, session: SessionIndex) {
        self.now = now;
        match self.sessions.remove(&session) {
            Some(Owner::Gateway) => {
                self.waiting.clear();
                // What they have asked is answered by nobody.
                self.people.retain_open();
                self.gateway_at = Some(now.deadline_ms(GATEWAY_AGAIN_MS));
            }
            Some(Owner::Person(remote)) => self.expel(&remote),
            Some(Owner::Component(id)) => self.close(id, StreamError::new("reset")),
            None => {}
        }
    }

    /// When to call [`Hub::handle_timeout`], on the monotonic clock in microseconds.
    #[must_use]
    pub fn next_timeout(&self) -> Option<u64> {
        let paused = self.paused.first().map(|(until, _)| *until);
        self.streams.values().filter_map(Stream::next_timeout).chain(self.gateway_at).chain(paused).min()
    }

    /// See [`Hub::next_timeout`].
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        if self.gateway_at.is_some_and(|at| at <= now.mono_us) {
            self.gateway_at = None;
            self.open_gateway();
        }
        while self.paused.first().is_some_and(|(until, _)| *until <= now.mono_us) {
            let Some((_, remote)) = self.paused.pop_first() else { break };
            self.go_on(&remote);
        }
        let due = |stream: &Stream| stream.next_timeout().is_some_and(|at| at <= now.mono_us);
        let due: Vec<ConnectionId> = self.streams.iter().filter(|(_, stream)| due(stream)).map(|(id, _)| *id).collect();
        for id in due {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.on_timeout(now);
                self.drain_stream(id);
            }
        }
    }

    /// Other servers are welcome from here on than before: who is not any more is put out of rooms, and their links end.
    pub fn handle_lists(&mut self, now: Now, allow: Vec<String>, block: Vec<String>) {
        self.now = now;
        self.federation = Arc::new(Federation { allow, block, ..Federation::clone(&self.federation) });
        let is_unwelcome = |domain: &str| !self.federation.is_welcome(domain) && !self.components.contains_key(domain);
        let gone: Vec<Remote> = self.people.all();
        let gone = gone.into_iter().filter(|remote| remote.account.domain().is_some_and(is_unwelcome));
        let gone: Vec<Remote> = gone.collect();
        let links: Vec<ConnectionId> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.role != Role::Component && stream.remotes().any(is_unwelcome))
            .map(|(id, _)| *id)
            .collect();
        for remote in gone {
            self.expel(&remote);
        }
        for stream in self.streams.values_mut() {
            stream.set_federation(&self.federation);
        }
        for id in links {
            self.close(id, StreamError::policy("this server has nothing to do with yours any more"));
        }
    }

    /// Ends all links, after a word to the people there that they are in no room any more.
    pub fn handle_stop(&mut self, now: Now) {
        self.now = now;
        let inside: Vec<Remote> = self.people.all();
        for remote in inside {
            self.expel(&remote);
        }
        let all: Vec<ConnectionId> = self.streams.keys().copied().collect();
        for id in all {
            self.close(id, StreamError::new("system-shutdown"));
        }
    }
}

/// The stanza that another node's hub has written.
fn parse(bytes: &[u8]) -> Option<Element> {
    std::str::from_utf8(bytes).ok().and_then(parse_stanza)
}

#[cfg(test)]
mod tests;
