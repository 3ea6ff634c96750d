//! Other servers (RFC 6120 section 4 and following, between servers) and components (XEP-0114): the machine of all of a node's links to them.
//!
//! | file | holds |
//! |---|---|
//! | `config` | what is configured, dialback keys, who is welcome |
//! | `stream` | one link, from its header to stanzas |
//! | `routes` | the ways to other servers, and what waits for them |
//! | `person` | somebody there, as a client of this node |
//! | `told` | what the core tells them |
//!
//! Drive it: tell it of connections, bytes, sessions' events and answers with the `handle_` functions; after each, drain [`Hub::poll_output`].
//! [`Hub::next_timeout`] says when to call [`Hub::handle_timeout`]. Connections and sessions go by numbers of the hub's own.
//!
//! Every node has its own links: what its sessions say goes out by them, and what comes in by them finds its receiver through the core.
//!
//! **Invariant:** nobody of another server speaks but from a domain that the link has proven, to a domain of this mesh.

mod config;
mod person;
mod routes;
mod stream;
mod told;

pub use config::{Certificate, Federation, PeerTls};

use super::element::Element;
use super::error::{StanzaError, StreamError};
use super::jid::{Address, Domains};
use super::ns;
use super::pending::Asked as Sender;
use super::xml::{LIMITS, parse_stanza};
use crate::abroad::{AbroadCommand, Remote, Told};
use crate::command::{Command, CommandId, Open, Refusal, Reply};
use crate::event::Event;
use crate::render::Renders;
use crate::session::SessionConfig;
use bytes::Bytes;
use lavina_crdt::clock::Now;
use lavina_crdt::names::{AccountName, Nick};
use person::{LOG_IN, OPEN, Person, Stage, Step};
use routes::{Route, Routes, Way};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use stream::{Did, Pair, Role, Shown, Stream, domain_of};

/// A connection, as the hub numbers them.
pub type ConnectionId = u64;
/// A session in the core, as the hub numbers them.
pub type SessionIndex = u64;

/// The session that speaks for everybody; a new one gets the next number.
const GATEWAY_AGAIN_MS: u64 = 5_000;
/// People of other servers with something to do at a time: a large room's of each of many servers.
const PEOPLE_MAX: usize = 20_000;
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
    people: BTreeMap<Remote, Person>,
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
            people: BTreeMap::new(),
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
            Some(Owner::Component(_)) | None => {}
        }
    }

    /// The core has ended a session.
    pub fn handle_ended(&mut self, now: Now, session: SessionIndex) {
        self.now = now;
        match self.sessions.remove(&session) {
            Some(Owner::Gateway) => {
                self.waiting.clear();
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
        self.streams.values().filter_map(Stream::next_timeout).chain(self.gateway_at).min()
    }

    /// See [`Hub::next_timeout`].
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        if self.gateway_at.is_some_and(|at| at <= now.mono_us) {
            self.gateway_at = None;
            self.open_gateway();
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

    /// Ends all links, after a word to the people there that they are in no room any more.
    pub fn handle_stop(&mut self, now: Now) {
        self.now = now;
        let inside: Vec<Remote> = self.people.keys().cloned().collect();
        for remote in inside {
            self.expel(&remote);
        }
        let all: Vec<ConnectionId> = self.streams.keys().copied().collect();
        for id in all {
            self.close(id, StreamError::new("system-shutdown"));
        }
    }

    // Links.

    fn fresh_connection(&mut self) -> ConnectionId {
        self.next_connection += 1;
        self.next_connection
    }

    fn begin(&mut self, id: ConnectionId, role: Role, tls: Option<PeerTls>) {
        let seed = blake3::Hasher::new_derive_key("lavina 1 link")
            .update(&self.seed.to_be_bytes())
            .update(&id.to_be_bytes())
            .finalize();
        let stream = Stream::new(self.now, Arc::clone(&self.federation), role, tls, *seed.as_bytes());
        self.streams.insert(id, stream);
        self.drain_stream(id);
    }

    fn close(&mut self, id: ConnectionId, error: StreamError) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.fail(error);
            self.drain_stream(id);
        }
    }

    /// Does what a stream wants.
    fn drain_stream(&mut self, id: ConnectionId) {
        while let Some(did) = self.streams.get_mut(&id).and_then(Stream::poll) {
            match did {
                Did::Send(bytes) => self.outputs.push_back(Output::Send(id, bytes)),
                Did::StartTls => {
                    let domain = self.streams.get(&id).and_then(Stream::pair).map(|pair| pair.remote.clone());
                    self.outputs.push_back(Output::StartTls(id, domain));
                }
                Did::Ready(pair) => self.on_ready(id, &pair),
                Did::Proven(pair) => self.on_proven(id, pair),
                Did::Stanza(stanza) => self.on_stanza(Some(id), stanza),
                Did::Ask(shown) => self.verify(id, shown),
                Did::Answer(shown, is_valid) => self.on_verified(id, &shown, is_valid),
                Did::Over(reason) => {
                    let Some(stream) = self.streams.remove(&id) else { return };
                    self.outputs.push_back(Output::Close(id, reason));
                    self.on_lost(id, &stream.role, &StanzaError::REMOTE_SERVER_TIMEOUT.text(reason));
                    return;
                }
            }
        }
    }

    /// A connection is gone, or does not come.
    fn on_lost(&mut self, id: ConnectionId, role: &Role, error: &StanzaError) {
        if let Role::Verify(shown) = role {
            self.on_verified(id, shown, false);
        }
        for pair in self.routes.close(id) {
            self.on_unreachable(&pair, error);
        }
        if let Role::Component = role {
            let gone: Vec<String> =
                self.components.iter().filter(|(_, (of, _))| *of == id).map(|(domain, _)| domain.clone()).collect();
            for domain in gone {
                let Some((_, session)) = self.components.remove(&domain) else { continue };
                if self.sessions.remove(&session).is_some() {
                    self.outputs.push_back(Output::Closed(session, "The component is gone".to_owned()));
                }
                self.expel_domain(&domain);
            }
        }
    }

    fn on_unreachable(&mut self, pair: &Pair, error: &StanzaError) {
        for stanza in self.routes.fail(self.now.mono_us, pair, error) {
            self.bounce(&stanza, error.clone());
        }
    }

    /// Stanzas may go out for the pair.
    fn on_ready(&mut self, id: ConnectionId, pair: &Pair) {
        let is_component = self.streams.get(&id).is_some_and(|stream| stream.role == Role::Component);
        if !is_component {
            for stanza in self.routes.open(pair, id) {
                self.send_over(id, &stanza);
            }
        }
    }

    /// Somebody has proven who they are: a component is there for all nodes.
    fn on_proven(&mut self, id: ConnectionId, pair: Pair) {
        if self.streams.get(&id).is_none_or(|stream| stream.role != Role::Component) {
            return;
        }
        let Ok(account) = AccountName::remote(None, &pair.remote) else { return };
        if let Some((old, _)) = self.components.get(&pair.remote) {
            // XEP-0114 knows no two of one domain: who comes later has it.
            self.close(*old, StreamError::new("conflict"));
        }
        let session = self.open_session(Owner::Component(id), &pair.remote);
        self.components.insert(pair.remote, (id, session));
        let nick = super::bind::nick_for(&account, 0).or_else(|| Nick::new("component").ok());
        self.outputs.push_back(Output::Command(session, LOG_IN, Command::LogIn(account.clone())));
        if let Some(nick) = nick {
            let open = Open {
                nick,
                user: COMPONENT_RESOURCE.to_owned(),
                realname: account.to_string(),
                resource: Some(COMPONENT_RESOURCE.to_owned()),
                available: false,
            };
            self.outputs.push_back(Output::Command(session, OPEN, Command::Open(open)));
        }
    }

    /// A key that was shown on a stream is to be shown to the server that it claims to be of.
    fn verify(&mut self, asker: ConnectionId, shown: Shown) {
        let id = self.fresh_connection();
        self.verifying.insert(id, asker);
        self.outputs.push_back(Output::Connect(id, shown.pair.remote.clone()));
        self.connecting.insert(id, Role::Verify(shown));
    }

    fn on_verified(&mut self, id: ConnectionId, shown: &Shown, is_valid: bool) {
        let Some(asker) = self.verifying.remove(&id) else { return };
        if let Some(stream) = self.streams.get_mut(&asker) {
            stream.on_verified(self.now, shown, is_valid);
            self.drain_stream(asker);
        }
    }

    // What goes out.

    fn tell(&mut self, to: &Remote, told: &Told) {
        if let Some(stanza) = told::render(&self.domains, to, told) {
            self.send(stanza);
        }
    }

    /// Sends a stanza of this mesh to another server.
    fn send(&mut self, stanza: Element) {
        let domain = |attr: &str| stanza.get_attr(attr).and_then(domain_of);
        let (Some(own), Some(remote)) = (domain("from"), domain("to")) else { return };
        if let Some((id, _)) = self.components.get(&remote) {
            let id = *id;
            return self.send_over(id, &stanza);
        }
        if !self.domains.are(&own) || self.domains.are(&remote) {
            return;
        }
        let pair = Pair { own, remote };
        match self.routes.take(self.now.mono_us, &pair, stanza) {
            Way::Now(id, stanza) => self.send_over(id, &stanza),
            Way::Later => {}
            Way::Find => self.find(&pair),
            Way::Back(stanza, error) => self.bounce(&stanza, error),
        }
    }

    fn send_over(&mut self, id: ConnectionId, stanza: &Element) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.send_stanza(self.now, stanza);
            self.drain_stream(id);
        }
    }

    /// Looks for the way of a pair: another node may have the component of that domain.
    fn find(&mut self, pair: &Pair) {
        let Some(Route::Asking(waiting)) = self.routes.get_mut(pair) else { return };
        let (Some(first), Ok(account)) = (waiting.front(), AccountName::remote(None, &pair.remote)) else { return };
        let bytes = Bytes::from(first.to_stanza());
        let component = Remote { account, resource: Some(COMPONENT_RESOURCE.to_owned()) };
        self.ask(AbroadCommand::Forward(component, bytes), Waiting::Component(pair.clone()));
    }

    fn on_component_answer(&mut self, pair: &Pair, is_there: bool) {
        let Some(Route::Asking(waiting)) = self.routes.get_mut(pair) else { return };
        if is_there {
            waiting.pop_front();
            if waiting.is_empty() {
                self.routes.remove(pair);
            } else {
                self.find(pair);
            }
        } else if self.federation.is_welcome(&pair.remote) {
            let id = self.fresh_connection();
            self.routes.connect(pair, id);
            self.connecting.insert(id, Role::Out(pair.clone()));
            self.outputs.push_back(Output::Connect(id, pair.remote.clone()));
        } else {
            self.on_unreachable(pair, &StanzaError::REMOTE_SERVER_NOT_FOUND);
        }
    }

    /// A stanza cannot be delivered: who said it is told (RFC 6120 section 8.3.3), as if the other side had.
    fn bounce(&mut self, stanza: &Element, error: StanzaError) {
        let (Some(from), Some(to)) = (stanza.get_attr("from"), stanza.get_attr("to")) else { return };
        if domain_of(from).is_some_and(|domain| domain == self.domains.rooms)
            && let Some(remote) = self.remote_of(to)
        {
            // A room has no use for who cannot be told what is said in it.
            self.expel(&remote);
        }
        let kind = stanza.get_attr("type").unwrap_or_default();
        let is_asked = match stanza.name.as_str() {
            "iq" => matches!(kind, "get" | "set"),
            "message" => kind != "error",
            _ => matches!(kind, "" | "subscribe"),
        };
        if is_asked {
            let answer = Sender::of(stanza).error(error).attr("to", from);
            self.on_stanza(None, answer);
        }
    }

    // What comes in.

    fn remote_of(&self, address: &str) -> Option<Remote> {
        match self.domains.parse(address) {
            Ok(Address::Account(account, resource)) if account.is_remote() => Some(Remote { account, resource }),
            Ok(
                Address::Account(..)
                | Address::Server
                | Address::Rooms
                | Address::Room(_)
                | Address::Occupant(..)
                | Address::Guest(_)
                | Address::Foreign,
            )
            | Err(_) => None,
        }
    }

    /// A stanza from somebody whose domain has been proven.
    fn on_stanza(&mut self, by: Option<ConnectionId>, stanza: Element) {
        let (Some(from), Some(to)) = (stanza.get_attr("from"), stanza.get_attr("to")) else { return };
        let Some(domain) = domain_of(to) else { return };
        let Some(remote) = self.remote_of(from) else {
            let malformed = Sender::of(&stanza).error(StanzaError::JID_MALFORMED).attr("to", from);
            return if let Some(id) = by {
                self.send_over(id, &malformed)
            };
        };
        if !self.domains.are(&domain) {
            return self.on_stanza_between(by, stanza, &domain);
        }
        if stanza.get_attr("type") == Some("error") && domain == self.domains.rooms && is_end(&stanza) {
            // XEP-0045 section 7.14: who cannot be reached is no occupant.
            return self.expel(&remote);
        }
        if stanza.name == "presence" && stanza.get_attr("type") == Some("probe") {
            if let Ok(Address::Account(account, _)) = self.domains.parse(to) {
                self.ask(AbroadCommand::Probe(remote, account), Waiting::Nobody);
            }
            return;
        }
        if stanza.to_stanza().len() > LIMITS.stanza_bytes {
            let large = StanzaError::POLICY_VIOLATION.text("the stanza is too large");
            let answer = Sender::of(&stanza).error(large).attr("to", from);
            return if stanza.get_attr("type") != Some("error") {
                self.send(answer)
            };
        }
        self.hear(&remote, stanza, false);
    }

    /// A component says something to somebody who is not of this mesh: another component, or nobody.
    fn on_stanza_between(&mut self, by: Option<ConnectionId>, stanza: Element, domain: &str) {
        if let Some((id, _)) = self.components.get(domain) {
            let id = *id;
            return self.send_over(id, &stanza);
        }
        let kind = stanza.get_attr("type").unwrap_or_default();
        if let (Some(id), Some(from)) = (by, stanza.get_attr("from"))
            && !matches!(kind, "error" | "result")
        {
            let answer = Sender::of(&stanza).error(StanzaError::REMOTE_SERVER_NOT_FOUND).attr("to", from);
            self.send_over(id, &answer);
        }
    }

    /// Gives a stanza to the machine of who says it.
    fn hear(&mut self, remote: &Remote, stanza: Element, checked: bool) {
        if !self.people.contains_key(remote) {
            if self.people.len() >= PEOPLE_MAX {
                return;
            }
            self.seed = self.seed.wrapping_add(1);
            self.people.insert(remote.clone(), Person::new(self.now, &self.config, remote, self.seed));
        }
        let Some(person) = self.people.get_mut(remote) else { return };
        if person.push(stanza.clone(), checked) {
            self.go_on(remote);
        } else if let Some(from) = stanza.get_attr("from").filter(|_| stanza.get_attr("type") != Some("error")) {
            let answer = Sender::of(&stanza).error(StanzaError::RESOURCE_CONSTRAINT).attr("to", from);
            self.send(answer);
        }
    }

    /// Handles what somebody has said, as far as nothing must be waited for.
    fn go_on(&mut self, remote: &Remote) {
        loop {
            let Some(person) = self.people.get_mut(remote) else { return };
            match person.step(self.now) {
                Step::Handled => {
                    if self.drain_person(remote).is_none() {
                        return;
                    }
                }
                Step::Wait => break,
                Step::Ask(stanza) => {
                    person.stage = Stage::Asking;
                    let forward = AbroadCommand::Forward(remote.clone(), Bytes::from(stanza.to_stanza()));
                    self.ask(forward, Waiting::Elsewhere(remote.clone()));
                    return;
                }
                Step::Open => return self.open_person(remote),
            }
        }
        if self.drain_person(remote).is_some() {
            self.end_if_done(remote);
        }
    }

    /// Hands on what somebody's machine wants; `None` when they are gone.
    fn drain_person(&mut self, remote: &Remote) -> Option<()> {
        let person = self.people.get_mut(remote)?;
        let stage = person.stage;
        let (commands, said) = person.drain();
        for (id, command) in commands {
            match stage {
                Stage::Open(session) => self.outputs.push_back(Output::Command(session, id, command)),
                Stage::Nowhere | Stage::Asking | Stage::Opening(..) => {
                    let ask = AbroadCommand::Ask(remote.clone(), Box::new(command));
                    self.ask(ask, Waiting::Machine(remote.clone(), id));
                }
            }
        }
        for stanza in said {
            self.send(stanza);
        }
        self.people.contains_key(remote).then_some(())
    }

    fn end_if_done(&mut self, remote: &Remote) {
        let Some(person) = self.people.get(remote).filter(|person| person.is_done()) else { return };
        let stage = person.stage;
        self.people.remove(remote);
        if let Stage::Open(session) = stage
            && self.sessions.remove(&session).is_some()
        {
            self.outputs.push_back(Output::Closed(session, String::new()));
        }
    }

    /// Ends somebody's session: their places in rooms end with it.
    fn expel(&mut self, remote: &Remote) {
        let Some(person) = self.people.remove(remote) else { return };
        for (room, place) in &person.client.rooms {
            let gone = Element::new("presence", ns::CLIENT)
                .attr("from", self.domains.occupant(room, &place.nick))
                .attr("to", person.client.full.as_str())
                .attr("type", "unavailable")
                .child(out_of_room());
            self.send(gone);
        }
        if let Stage::Open(session) | Stage::Opening(session, _) = person.stage
            && self.sessions.remove(&session).is_some()
        {
            self.outputs.push_back(Output::Closed(session, "Their server is out of reach".to_owned()));
        }
    }

    fn expel_domain(&mut self, domain: &str) {
        let there: Vec<Remote> =
            self.people.keys().filter(|remote| remote.account.domain() == Some(domain)).cloned().collect();
        for remote in there {
            self.expel(&remote);
        }
    }

    fn on_person_event(&mut self, remote: &Remote, event: &Arc<Event>, renders: &mut Renders) {
        if let Event::Forwarded(bytes) = event.as_ref() {
            if let Some(stanza) = parse(bytes) {
                self.hear(remote, stanza, true);
            }
            return;
        }
        let Some(person) = self.people.get_mut(remote) else { return };
        person.on_event(self.now, event, renders);
        self.go_on(remote);
    }

    // Sessions in the core.

    fn open_session(&mut self, owner: Owner, host: &str) -> SessionIndex {
        let session = self.next_session;
        self.next_session += 1;
        self.sessions.insert(session, owner);
        self.outputs.push_back(Output::Opened(session, host.to_owned()));
        session
    }

    fn open_gateway(&mut self) {
        let host = self.domains.server.clone();
        self.gateway = self.open_session(Owner::Gateway, &host);
        self.ask(AbroadCommand::Open, Waiting::Nobody);
    }

    /// Asks the core something through the gateway.
    fn ask(&mut self, command: AbroadCommand, waiting: Waiting) {
        self.next_command += 1;
        let id = CommandId(self.next_command);
        self.waiting.insert(id, waiting);
        self.outputs.push_back(Output::Command(self.gateway, id, Command::Abroad(command)));
    }

    fn on_gateway_answer(&mut self, id: CommandId, answer: Result<Reply, Refusal>) {
        match self.waiting.remove(&id) {
            Some(Waiting::Machine(remote, id)) => {
                if let Some(person) = self.people.get_mut(&remote) {
                    person.on_answer(self.now, id, answer);
                    self.go_on(&remote);
                }
            }
            Some(Waiting::Elsewhere(remote)) => {
                if let Some(person) = self.people.get_mut(&remote) {
                    person.stage = Stage::Nowhere;
                    if answer.is_ok() {
                        person.pop();
                    } else {
                        person.check();
                    }
                    self.go_on(&remote);
                }
            }
            Some(Waiting::Component(pair)) => self.on_component_answer(&pair, answer.is_ok()),
            Some(Waiting::Nobody) | None => {}
        }
    }

    fn open_person(&mut self, remote: &Remote) {
        let domain = remote.account.domain().unwrap_or_default().to_owned();
        let session = self.open_session(Owner::Person(remote.clone()), &domain);
        let log_in = Command::LogIn(remote.account.clone());
        self.outputs.push_back(Output::Command(session, LOG_IN, log_in));
        self.open_as(remote, session, 0);
    }

    /// Opens somebody's session under a nick that may be free.
    fn open_as(&mut self, remote: &Remote, session: SessionIndex, tried: u8) {
        let Some(person) = self.people.get_mut(remote) else { return };
        let open = if tried > super::bind::NICKS_MAX { None } else { person.open(tried) };
        match open {
            Some(open) => {
                person.stage = Stage::Opening(session, tried);
                self.outputs.push_back(Output::Command(session, OPEN, Command::Open(open)));
            }
            None => self.refuse_person(remote, session, Refusal::NickInUse),
        }
    }

    /// Somebody cannot be let in.
    fn refuse_person(&mut self, remote: &Remote, session: SessionIndex, refusal: Refusal) {
        if self.sessions.remove(&session).is_some() {
            self.outputs.push_back(Output::Closed(session, String::new()));
        }
        let Some(person) = self.people.get_mut(remote) else { return };
        person.stage = Stage::Nowhere;
        let (stanza, full) = (person.pop(), person.client.full.clone());
        if let Some(stanza) = stanza {
            self.send(Sender::of(&stanza).error(refusal).attr("to", full));
        }
        self.go_on(remote);
    }

    fn on_person_answer(
        &mut self,
        remote: &Remote,
        session: SessionIndex,
        id: CommandId,
        answer: Result<Reply, Refusal>,
    ) {
        let Some(person) = self.people.get_mut(remote) else { return };
        match (id, person.stage, answer) {
            (OPEN, Stage::Opening(..), Ok(Reply::Opened(opened))) => {
                person.client.session = opened.session;
                person.stage = Stage::Open(session);
            }
            (OPEN, Stage::Opening(_, tried), Err(Refusal::NickInUse)) => {
                return self.open_as(remote, session, tried + 1);
            }
            (OPEN, Stage::Opening(..), Err(refusal)) => return self.refuse_person(remote, session, refusal),
            (LOG_IN | OPEN, ..) => return,
            (_, _, answer) => person.on_answer(self.now, id, answer),
        }
        self.go_on(remote);
    }
}

/// The stanza that another node's hub has written.
fn parse(bytes: &[u8]) -> Option<Element> {
    std::str::from_utf8(bytes).ok().and_then(parse_stanza)
}

/// XEP-0045 section 7.14: the room is out of reach for them.
fn out_of_room() -> Element {
    let item = Element::new("item", ns::MUC_USER).attr("affiliation", "none").attr("role", "none");
    let status = |code: &str| Element::new("status", ns::MUC_USER).attr("code", code);
    Element::new("x", ns::MUC_USER).child(item).child(status("110")).child(status("332"))
}

/// Whether an error says that who it is from is not there any more (XEP-0045 section 7.14).
fn is_end(stanza: &Element) -> bool {
    const ENDS: [&str; 9] = [
        "gone",
        "internal-server-error",
        "item-not-found",
        "jid-malformed",
        "recipient-unavailable",
        "redirect",
        "remote-server-not-found",
        "remote-server-timeout",
        "service-unavailable",
    ];
    let error = stanza.get("error", ns::CLIENT);
    error.is_some_and(|error| error.elements().any(|condition| ENDS.contains(&condition.name.as_str())))
}

#[cfg(test)]
mod tests;
