//! One client connection: its session, perhaps TLS and WebSocket, and what waits to be written.

use super::outbox::{Outbox, PAUSE_BYTES};
use super::socket::{Socket, WriteHalf};
use super::tls::{TlsCell, TlsStream};
use super::websocket::{Subprotocol, WebSocket};
use crate::config::Networks;
use crate::shell::cloak::Cloak;
use crate::shell::limits::Place;
use bytes::Bytes;
use lavina_core::node::{Input, SessionMeta, SessionNumber};
use lavina_crdt::clock::Now;
use lavina_protocols::command::{Command, CommandId, Refusal, Reply};
use lavina_protocols::event::Event;
use lavina_protocols::render::Renders;
use lavina_protocols::session::{Connection, Output, ResumptionKey, Session, SessionConfig, Tls};
use lavina_protocols::xmpp::Passage;
use rustls::ServerConnection;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;

/// Longest TLS handshake, milliseconds: several slow round trips.
const HANDSHAKE_MS_MAX: u64 = 15_000;
/// Longest that a closing connection may take to read its last words, milliseconds.
const CLOSING_MS_MAX: u64 = 5_000;

/// How often a client over WebSocket is asked for a sign of life, milliseconds: intermediaries commonly cut what is silent for a minute.
const PING_EVERY_MS: u64 = 45_000;

/// Which machine serves a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// IRC.
    Irc,
    /// XMPP.
    Xmpp,
}

impl Protocol {
    /// Its registered names (RFC 7301 section 6; XEP-0368).
    pub(crate) fn alpn(self) -> &'static [&'static str] {
        match self {
            Self::Irc => &["irc"],
            Self::Xmpp => &["xmpp-client"],
        }
    }
}

/// What all connections of one listener have in common.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Which machine.
    pub(crate) protocol: Protocol,
    /// Whether TLS comes first.
    pub(crate) direct_tls: bool,
    /// The certificate.
    pub(crate) tls: Arc<TlsCell>,
    /// What the sessions need to know.
    pub(crate) session: Arc<SessionConfig>,
    /// Where gateways of IRC may come from.
    pub(crate) gateways: Networks,
    /// Hosts as others see them.
    pub(crate) cloak: Cloak,
}

/// A connection on its way to a worker.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The socket.
    pub(crate) socket: Socket,
    /// How it came.
    pub(crate) arrival: Arrival,
}

/// How a connection came.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// Where it came in.
    pub(crate) listener: Arc<Listener>,
    /// The cloaked host.
    pub(crate) host: String,
    /// The address; never shown.
    pub(crate) address: Option<std::net::IpAddr>,
    /// Seed of the session.
    pub(crate) seed: u64,
    /// Its place among the connections of its address.
    pub(crate) place: Place,
    /// What has happened on it.
    pub(crate) begun: Begun,
}

/// What has happened on a connection before the worker has it.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    /// TLS whose handshake is done.
    pub(crate) tls: Option<Box<ServerConnection>>,
    /// WebSocket whose opening handshake is done.
    pub(crate) websocket: Option<Subprotocol>,
    /// Whether the way to it is encrypted below what carries it: as a trusted proxy says, or in requests of HTTPS.
    pub(crate) secure: bool,
    /// Whether something else carries its bytes (BOSH), so that TLS cannot begin among them.
    pub(crate) carried: bool,
    /// Bytes that were read and not handled: inside of TLS where that is established.
    pub(crate) read: Vec<u8>,
}

/// One of the connections that a session has had, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionNumber {
    /// The session.
    pub(super) session: SessionNumber,
    /// Counts its connections.
    turn: u32,
}

/// What a session wants of its worker.
#[derive(Debug)]
pub(super) enum Wish {
    /// Who shows this key may take the session over.
    Keep(ResumptionKey),
    /// Nobody may any more.
    Forget(ResumptionKey, u32),
    /// To go on with the session of that key.
    Resume(ResumptionKey),
}

/// What a connection takes along to another session.
#[derive(Debug)]
pub(super) struct Moving {
    passage: Passage,
    address: Option<std::net::IpAddr>,
    place: Place,
    tls: Option<TlsStream>,
    websocket: Option<Box<WebSocket>>,
    ping_at: Option<u64>,
    outbox: Outbox,
}

/// The session and its connection.
pub(super) struct Link {
    number: SessionNumber,
    turn: u32,
    listener: Arc<Listener>,
    host: String,
    address: Option<std::net::IpAddr>,
    seed: u64,
    place: Place,
    session: Option<Session>,
    tls: Option<TlsStream>,
    websocket: Option<Box<WebSocket>>,
    /// Something else carries the bytes.
    carried: bool,
    outbox: Outbox,
    /// `None` while the session waits for its client to come back.
    socket: Option<Rc<WriteHalf>>,
    wishes: Vec<Wish>,
    /// Where the connection is to go.
    moves_to: Option<SessionNumber>,
    /// Wakes the connection's task: what it is to wait for has changed.
    pub(super) wake: Rc<Notify>,
    /// In the list of connections to write.
    pub(super) dirty: bool,
    /// The socket takes no more at the moment.
    blocked: bool,
    /// TLS begins when what is queued has been sent.
    starting_tls: bool,
    /// Closes when what is queued has been sent.
    closing: bool,
    /// The core knows of the session.
    known: bool,
    /// When waiting ends, whatever the session says; microseconds.
    deadline: Option<u64>,
    /// When WebSocket's next ping is due; microseconds.
    ping_at: Option<u64>,
    /// When the worker looks at this connection next; microseconds.
    pub(super) armed: Option<u64>,
}

/// What the connection's task is to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wants {
    pub(super) read: bool,
    pub(super) write: bool,
}

/// What a write has done.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) bytes: usize,
    pub(super) calls: u64,
    /// The connection is over.
    pub(super) done: bool,
    /// Why it broke, when it did.
    pub(super) broken: Option<io::Error>,
}

impl Link {
    pub(super) fn new(number: SessionNumber, arrival: Arrival, socket: Rc<WriteHalf>, now: Now) -> Self {
        Self {
            number,
            turn: 0,
            listener: arrival.listener,
            host: arrival.host,
            address: arrival.address,
            seed: arrival.seed,
            place: arrival.place,
            session: None,
            tls: None,
            websocket: None,
            carried: false,
            outbox: Outbox::default(),
            socket: Some(socket),
            wishes: Vec::new(),
            moves_to: None,
            wake: Rc::new(Notify::new()),
            dirty: false,
            blocked: false,
            starting_tls: false,
            closing: false,
            known: false,
            deadline: Some(now.deadline_ms(HANDSHAKE_MS_MAX)),
            ping_at: None,
            armed: None,
        }
    }

    /// Begins: with the handshake or with the session.
    pub(super) fn begin(&mut self, now: Now, begun: Begun, inputs: &mut Vec<Input>) -> Result<(), rustls::Error> {
        let Begun { tls, websocket, secure, carried, mut read } = begun;
        self.carried = carried;
        if let Some(subprotocol) = websocket {
            self.websocket = Some(Box::new(WebSocket::new(subprotocol)));
            self.ping_at = Some(now.deadline_ms(PING_EVERY_MS));
        }
        if let Some(connection) = tls {
            let mut tls = TlsStream::established(connection, &self.listener.tls.current());
            tls.drain(&mut read);
            let info = tls.binding();
            self.tls = Some(tls);
            self.open(now, Some(info), inputs);
        } else if self.listener.direct_tls {
            self.tls = Some(TlsStream::new(&self.listener.tls.current())?);
            return self.on_bytes(now, &read, &mut Vec::new(), inputs);
        } else {
            self.open(now, secure.then(Tls::default), inputs);
        }
        if !read.is_empty() {
            self.feed(now, &read, inputs);
        }
        Ok(())
    }

    fn open(&mut self, now: Now, tls: Option<Tls>, inputs: &mut Vec<Input>) {
        let secure = tls.is_some();
        let framed = self.websocket.is_some();
        let starttls = !secure && !framed && !self.carried && self.listener.protocol == Protocol::Xmpp;
        let gateway = !framed && self.listener.gateways.have(self.address);
        let connection = Connection { host: self.host.clone(), tls, starttls, framed, gateway, seed: self.seed };
        let config = Arc::clone(&self.listener.session);
        self.session = Some(match self.listener.protocol {
            Protocol::Irc => Session::irc(now, config, connection),
            Protocol::Xmpp => Session::xmpp(now, config, connection),
        });
        self.deadline = None;
        self.known = true;
        let meta = SessionMeta { host: self.host.clone(), address: self.address, secure };
        inputs.push(Input::SessionOpened(self.number, meta));
        self.pump(now, inputs, true);
    }

    pub(super) fn number(&self) -> SessionNumber {
        self.number
    }

    /// The connection that the session has.
    pub(super) fn connection(&self) -> ConnectionNumber {
        ConnectionNumber { session: self.number, turn: self.turn }
    }

    /// Whether the session wants something of its worker.
    pub(super) fn has_wishes(&self) -> bool {
        !self.wishes.is_empty()
    }

    /// What that is.
    pub(super) fn take_wishes(&mut self) -> Vec<Wish> {
        std::mem::take(&mut self.wishes)
    }

    /// The connection is to go to that session.
    pub(super) fn move_to(&mut self, to: SessionNumber) {
        self.moves_to = Some(to);
        self.wake.notify_one();
    }

    /// Where the connection is to go.
    pub(super) fn moves_to(&self) -> Option<SessionNumber> {
        self.moves_to
    }

    /// There is no session that the client could go on with.
    pub(super) fn on_no_resumption(&mut self, now: Now, handled: Option<u32>, inputs: &mut Vec<Input>) {
        if let Some(session) = &mut self.session {
            session.handle_no_resumption(now, handled);
            self.pump(now, inputs, true);
        }
        self.wake.notify_one();
    }

    /// The session ends with its connection.
    pub(super) fn on_not_kept(&mut self) {
        if let Some(session) = &mut self.session {
            session.handle_not_kept();
        }
    }

    /// Ends the session, which nobody has seen yet, and gives what its connection takes along.
    pub(super) fn leave(mut self, inputs: &mut Vec<Input>) -> Option<Moving> {
        let passage = self.session.as_mut()?.hand_over()?;
        if std::mem::take(&mut self.known) {
            inputs.push(Input::SessionClosed(self.number, String::new()));
        }
        let Self { address, place, tls, websocket, ping_at, outbox, .. } = self;
        Some(Moving { passage, address, place, tls, websocket, ping_at, outbox })
    }

    /// Goes on over another connection. One that is still there ends with a word.
    pub(super) fn take_over(&mut self, now: Now, moving: Moving, socket: Rc<WriteHalf>, inputs: &mut Vec<Input>) {
        if let Some(session) = &mut self.session {
            session.interrupt(now);
        }
        self.pump(now, inputs, false);
        self.let_go();
        let Moving { passage, address, place, tls, websocket, ping_at, outbox } = moving;
        self.socket = Some(socket);
        self.address = address;
        self.place = place;
        self.place.register();
        self.tls = tls;
        self.websocket = websocket;
        self.ping_at = ping_at;
        if let Some(websocket) = &mut self.websocket {
            websocket.widen();
        }
        self.outbox = outbox;
        self.wake = Rc::new(Notify::new());
        if self.known {
            inputs.push(Input::SessionMoved(self.number, address));
        }
        if let Some(session) = &mut self.session {
            session.handle_passage(now, passage);
        }
        self.pump(now, inputs, true);
    }

    /// Whether the session waits for its client to come back.
    pub(super) fn is_detached(&self) -> bool {
        !self.closing && self.socket.is_none() && self.session.as_ref().is_some_and(Session::is_detached)
    }

    /// Closes the connection, not the session: what can be written at once is.
    fn let_go(&mut self) {
        if self.socket.is_none() {
            return;
        }
        if let Some(websocket) = &mut self.websocket {
            websocket.end();
        }
        self.frame(false);
        // Whoever is not there any more does not read it.
        let _ = self.write_all();
        if let (Some(tls), Some(socket)) = (&mut self.tls, &self.socket) {
            tls.close(socket);
        }
        self.turn = self.turn.wrapping_add(1);
        self.socket = None;
        self.tls = None;
        self.websocket = None;
        self.ping_at = None;
        self.outbox = Outbox::default();
        self.blocked = false;
        self.deadline = None;
        self.wake.notify_one();
    }

    /// Bytes from the client. `plain` is scratch for what TLS unseals.
    pub(super) fn on_bytes(
        &mut self,
        now: Now,
        bytes: &[u8],
        plain: &mut Vec<u8>,
        inputs: &mut Vec<Input>,
    ) -> Result<(), rustls::Error> {
        let Some(tls) = &mut self.tls else {
            // What was sent in clear behind STARTTLS is dropped (RFC 6120 section 5.3.1 and 5.4.3.3).
            if !self.starting_tls && !self.closing {
                self.feed(now, bytes, inputs);
            }
            return Ok(());
        };
        plain.clear();
        let received = tls.receive(bytes, plain)?;
        if let Some(info) = received.established {
            match &mut self.session {
                Some(session) => {
                    session.handle_tls(now, info);
                    self.deadline = None;
                    self.pump(now, inputs, true);
                }
                None => self.open(now, Some(info), inputs),
            }
        }
        if !plain.is_empty() && !self.closing {
            self.feed(now, plain, inputs);
        }
        if received.closed {
            self.on_eof(now, "Connection closed", inputs);
        }
        Ok(())
    }

    fn feed(&mut self, now: Now, bytes: &[u8], inputs: &mut Vec<Input>) {
        let Some(websocket) = &mut self.websocket else {
            self.hear(now, bytes, inputs);
            return;
        };
        let heard = websocket.receive(bytes);
        for message in heard.messages {
            match self.listener.protocol {
                Protocol::Irc => self.hear(now, &[&message, &b"\n"[..]].concat(), inputs),
                Protocol::Xmpp => self.hear(now, &message, inputs),
            }
        }
        if heard.over {
            self.on_eof(now, "Connection closed", inputs);
        }
        self.frame(true);
    }

    fn hear(&mut self, now: Now, bytes: &[u8], inputs: &mut Vec<Input>) {
        if let Some(session) = self.session.as_mut().filter(|_| !self.closing) {
            session.handle_bytes(now, bytes);
            self.pump(now, inputs, true);
        }
    }

    /// Queues the frames that WebSocket has made. `excused`: they do not count against the reader.
    fn frame(&mut self, excused: bool) {
        if let Some(websocket) = &mut self.websocket {
            let frames = websocket.take_outgoing();
            if excused {
                self.outbox.excuse(frames.len());
            }
            self.outbox.push(frames);
        }
    }

    pub(super) fn on_event(&mut self, now: Now, event: &Arc<Event>, renders: &mut Renders, inputs: &mut Vec<Input>) {
        if let Some(session) = &mut self.session {
            session.handle_event(now, event, renders);
            self.pump(now, inputs, event.tells_of_many());
        }
    }

    pub(super) fn on_answer(
        &mut self,
        now: Now,
        id: CommandId,
        answer: Result<Reply, Refusal>,
        inputs: &mut Vec<Input>,
    ) {
        if matches!(answer, Ok(Reply::Opened(_))) {
            self.place.register();
            if let Some(websocket) = &mut self.websocket {
                websocket.widen();
            }
        }
        let paused = self.is_paused();
        if let Some(session) = &mut self.session {
            session.handle_answer(now, id, answer);
            self.pump(now, inputs, true);
        }
        self.wake_unless(paused);
    }

    /// The client is gone or is to go.
    pub(super) fn on_eof(&mut self, now: Now, reason: &str, inputs: &mut Vec<Input>) {
        if let Some(session) = &mut self.session {
            session.handle_eof(now, reason);
            self.pump(now, inputs, false);
        }
        if self.is_detached() {
            return;
        }
        if std::mem::take(&mut self.known) {
            inputs.push(Input::SessionClosed(self.number, reason.to_owned()));
        }
        self.close(now);
    }

    /// The time that [`Link::next_timeout`] named has come. `false`: the connection is over.
    pub(super) fn on_timeout(&mut self, now: Now, inputs: &mut Vec<Input>) -> bool {
        if self.deadline.is_some_and(|deadline| deadline <= now.mono_us) {
            self.on_eof(now, "Timed out", inputs);
            return false;
        }
        if let (Some(websocket), Some(at)) = (&mut self.websocket, self.ping_at)
            && at <= now.mono_us
        {
            websocket.ping();
            self.ping_at = Some(now.deadline_ms(PING_EVERY_MS));
            self.frame(false);
        }
        let paused = self.is_paused();
        if let Some(session) = self.session.as_mut().filter(|_| !self.closing)
            && session.next_timeout().is_some_and(|at| at <= now.mono_us)
        {
            session.handle_timeout(now);
            self.pump(now, inputs, false);
            self.wake_unless(paused);
        }
        true
    }

    /// When to call [`Link::on_timeout`], microseconds.
    pub(super) fn next_timeout(&self) -> Option<u64> {
        let session = self.session.as_ref().filter(|_| !self.closing).and_then(Session::next_timeout);
        let ping = self.ping_at.filter(|_| !self.closing);
        session.into_iter().chain(self.deadline).chain(ping).min()
    }

    fn is_paused(&self) -> bool {
        self.session.as_ref().is_some_and(Session::wants_pause)
    }

    /// Lets the task read again when the session was `paused` and is no more.
    fn wake_unless(&self, paused: bool) {
        if paused && !self.is_paused() {
            self.wake.notify_one();
        }
    }

    /// Takes what the session wants done. `excused`: what it sends does not count against the reader; the client asked for it, or it tells of many
    /// people at once.
    fn pump(&mut self, now: Now, inputs: &mut Vec<Input>, excused: bool) {
        let Some(session) = &mut self.session else { return };
        let (mut close, waited) = (false, self.outbox.bytes());
        while let Some(output) = session.poll_output() {
            match output {
                Output::Send(bytes) => match &mut self.websocket {
                    Some(websocket) => {
                        websocket.send(&bytes);
                        self.outbox.push(websocket.take_outgoing());
                    }
                    None => self.outbox.push(bytes),
                },
                Output::Command(id, command) => {
                    if self.known {
                        self.known = !matches!(command, Command::Quit(_));
                        inputs.push(Input::Command(self.number, id, command));
                    }
                }
                Output::StartTls => {
                    self.starting_tls = true;
                    self.deadline = Some(now.deadline_ms(HANDSHAKE_MS_MAX));
                }
                Output::Relayed { address, secure } => {
                    if self.place.move_to(address) {
                        self.address = Some(address);
                        self.host = self.listener.cloak.host(address);
                        session.handle_host(self.host.clone());
                        let meta = SessionMeta { host: self.host.clone(), address: self.address, secure };
                        inputs.push(Input::SessionOpened(self.number, meta));
                    } else {
                        self.outbox.push(Bytes::from_static(b"ERROR :Too many connections from your address\r\n"));
                        close = true;
                    }
                }
                Output::Close => close = true,
                Output::Keep(key) => self.wishes.push(Wish::Keep(key)),
                Output::Forget(key, handled) => self.wishes.push(Wish::Forget(key, handled)),
                Output::Resume(key) => self.wishes.push(Wish::Resume(key)),
            }
        }
        if excused {
            self.outbox.excuse(self.outbox.bytes() - waited);
        }
        let detached = session.is_detached();
        if detached && !self.closing {
            self.let_go();
        }
        if close {
            if std::mem::take(&mut self.known) {
                inputs.push(Input::SessionClosed(self.number, "Connection closed".to_owned()));
            }
            self.close(now);
        }
    }

    fn close(&mut self, now: Now) {
        if !std::mem::replace(&mut self.closing, true) {
            self.deadline = Some(now.deadline_ms(CLOSING_MS_MAX));
            if let Some(websocket) = &mut self.websocket {
                websocket.end();
            }
            self.frame(false);
        }
    }

    /// The core has ended the session, and it has said so: closes when what is queued has been sent.
    pub(super) fn shut(&mut self, now: Now) {
        self.known = false;
        self.close(now);
    }

    /// Writes what the socket takes.
    pub(super) fn write(&mut self) -> Written {
        let waited = self.outbox.bytes() >= PAUSE_BYTES;
        let written = self.write_all();
        if waited && self.outbox.bytes() < PAUSE_BYTES {
            self.wake.notify_one();
        }
        written
    }

    fn write_all(&mut self) -> Written {
        let mut written = Written::default();
        loop {
            let Some(socket) = &self.socket else {
                written.done = self.closing;
                return written;
            };
            let (bytes, calls, result) = match &mut self.tls {
                Some(tls) => tls.write(&mut self.outbox, socket),
                None => self.outbox.write(socket),
            };
            written.bytes += bytes;
            written.calls += calls;
            match result {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.block();
                    return written;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    written.broken = Some(error);
                    return written;
                }
            }
            self.blocked = false;
            if std::mem::take(&mut self.starting_tls) {
                match TlsStream::new(&self.listener.tls.current()) {
                    Ok(tls) => self.tls = Some(tls),
                    Err(error) => written.broken = Some(io::Error::other(error)),
                }
                return written;
            }
            if self.closing
                && let Some(tls) = &mut self.tls
            {
                tls.close(socket);
            }
            written.done = self.closing;
            return written;
        }
    }

    fn block(&mut self) {
        if !std::mem::replace(&mut self.blocked, true) {
            self.wake.notify_one();
        }
    }

    /// Whether more waits than may.
    pub(super) fn is_over(&self) -> bool {
        self.outbox.is_over()
    }

    /// Whether [`Link::write`] is to be called: it could write something, or the client is to be cut.
    pub(super) fn is_due(&self) -> bool {
        let waits = !self.outbox.is_empty() || self.tls.is_some() || self.starting_tls || self.closing;
        self.is_over() || (waits && !self.blocked)
    }

    /// What the connection's task is to wait for. `held`: the core has too much to do.
    pub(super) fn wants(&self, held: bool) -> Wants {
        let read =
            !held && !self.is_paused() && self.socket.is_some() && !self.closing && self.outbox.bytes() < PAUSE_BYTES;
        Wants { read, write: self.blocked }
    }
}
