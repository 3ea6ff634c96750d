//! XMPP (RFC 6120, 6121, 7622): the machine of one client connection.
//!
//! | file | holds |
//! |---|---|
//! | `tag`, `xml`, `element` | bytes to trees of elements and back |
//! | `framing` | the same stream as messages over WebSocket |
//! | `bosh/` | the same stream in requests of HTTP |
//! | `stream`, `auth`, `sasl2`, `bind` | the stream from its header to a bound resource |
//! | `link`, `pending` | the way out, and what is owed to the client in which order |
//! | `client`, `stanza`, `iq` | a bound client: where its stanzas go |
//! | `events` | what the core tells |
//! | `muc/` | rooms, a file for each part of XEP-0045 |
//! | `s2s/` | links to other servers and to components, and the people there |
//! | all others | one extension or part of RFC 6121 each |
//!
//! **Invariant:** everything a client is shown as somebody's is stamped here: `from`, stanza ids, occupant ids and delays that a client writes
//! itself are taken out or refused. Nothing here knows a socket, other sessions, or how rooms are kept.

mod archive;
mod auth;
mod avatar;
mod bind;
mod blocking;
mod bookmarks;
pub mod bosh;
mod caps;
mod carbons;
mod client;
mod data;
mod datetime;
mod delay;
mod disco;
mod element;
mod error;
mod events;
mod external;
mod fast;
mod framing;
mod invitation;
mod invite_link;
mod iq;
mod jid;
mod language;
mod last_activity;
mod link;
mod message;
mod muc;
mod ns;
mod offline;
mod paging;
mod pending;
mod ping;
mod presence;
mod private;
mod pubsub;
mod push;
mod quiet;
mod registration;
mod relation;
mod roster;
pub mod s2s;
mod sasl2;
mod services;
mod sid;
mod stanza;
mod stream;
mod stream_management;
mod subscription;
mod tag;
mod time;
mod unacked;
mod upload;
mod vcard;
mod version;
mod xml;

#[cfg(test)]
mod tests;

pub use invite_link::{INVITE_PATH, InviteLink, InvitedTo};
pub use stream_management::Passage;

use crate::command::{CommandId, Refusal, Reply};
use crate::event::{CloseReason, Event};
use crate::flood::Bucket;
use crate::render::Renders;
use crate::session::{Connection, Output, SessionConfig, Tls};
use client::Client;
use element::Element;
use error::StreamError;
use framing::{Outgoing, Reader};
use lavina_crdt::clock::Now;
use lavina_crdt::names::AccountName;
use link::Link;
use pending::Pending;
use std::sync::Arc;
use xml::{LIMITS, LIMITS_BEFORE_LOGIN, Token};

/// From the connection to a bound resource: enough for people with slow lines, too short to collect idle connections.
const LOGIN_MS_MAX: u64 = 30_000;
/// After so much silence a client is asked whether it is there.
const IDLE_MS_MAX: u64 = 180_000;
/// And after so much more it is taken for gone.
const PING_MS_MAX: u64 = 60_000;
/// Acknowledgements may come so many times as often as stanzas: a client answers each request of the server's, and may ask with each stanza of its own.
const ACKS_FACTOR: u32 = 10;
/// Unread input: the shell stops reading when asked to, so this only holds what one of its reads can bring.
const UNREAD_BYTES_MAX: usize = 1024 * 1024;

/// One connection.
#[derive(Debug)]
pub struct Session {
    link: Link,
    parser: Reader,
    /// Where the client takes messages instead of a stream.
    outgoing: Option<Box<Outgoing>>,
    phase: Phase,
    /// Whether both sides' stream headers are out.
    open: bool,
    /// When the session ends if nothing happens (before binding), or a sign of life is due (after it).
    deadline: u64,
    /// A sign of life has been asked for.
    pinged: bool,
    /// The stream ends, with an error or in peace, once the client has what it is owed.
    ending: Option<Option<StreamError>>,
    bucket: Bucket,
    /// What acknowledgements and requests for them are paced by.
    acks: Bucket,
    /// What an empty bucket keeps waiting, and until when.
    waiting: Option<(Element, u64)>,
    /// Nothing is read until it is known whether an earlier stream can be resumed (XEP-0198).
    resuming: Option<stream_management::Resuming>,
    /// The invitation by which an account may be registered.
    invited: Option<registration::Invited>,
}

/// How far the stream has come.
#[derive(Debug)]
enum Phase {
    /// Nobody has logged in; the log-in that is under way, and how many log-ins and registrations have come to nothing.
    Anonymous { login: Option<Box<auth::Login>>, attempts: u8 },
    /// STARTTLS has been agreed on; the shell does the handshake.
    Handshake,
    /// Logged in, without a resource.
    Authenticated(AccountName),
    /// Bound.
    Bound(Box<Client>),
    /// Over.
    Closed,
}

impl Phase {
    const FRESH: Self = Self::Anonymous { login: None, attempts: 0 };
}

impl Session {
    /// A new connection.
    #[must_use]
    pub fn new(now: Now, config: Arc<SessionConfig>, connection: Connection) -> Self {
        Self {
            bucket: Bucket::new(config.flood),
            acks: Bucket::new(config.flood.times(ACKS_FACTOR)),
            parser: Reader::new(connection.framed, LIMITS_BEFORE_LOGIN),
            outgoing: connection.framed.then(Box::default),
            link: Link::new(now, config, connection),
            phase: Phase::FRESH,
            open: false,
            deadline: now.deadline_ms(LOGIN_MS_MAX),
            pinged: false,
            ending: None,
            waiting: None,
            resuming: None,
            invited: None,
        }
    }

    /// See [`crate::session::Session::handle_bytes`].
    pub fn handle_bytes(&mut self, now: Now, bytes: &[u8]) {
        self.link.now = now;
        match self.phase {
            // What was sent in clear after <starttls/> is not to be believed (RFC 6120 section 5.4.3.3).
            Phase::Handshake | Phase::Closed => return,
            _ if self.ending.is_some() => return,
            Phase::Bound(_) => {
                self.deadline = now.deadline_ms(IDLE_MS_MAX);
                self.pinged = false;
            }
            Phase::Anonymous { .. } | Phase::Authenticated(_) => {}
        }
        self.parser.push(bytes);
        self.drive();
        if self.parser.unread() > UNREAD_BYTES_MAX {
            self.fail_now(StreamError::policy("too much at once"));
        }
    }

    /// See [`crate::session::Session::handle_eof`].
    pub fn handle_eof(&mut self, now: Now, reason: &str) {
        self.link.now = now;
        if !self.detach() {
            self.end(reason);
        }
    }

    /// See [`crate::session::Session::handle_event`].
    pub fn handle_event(&mut self, now: Now, event: &Arc<Event>, renders: &mut Renders) {
        self.link.now = now;
        if let Event::Closed { reason, elsewhere, .. } = event.as_ref() {
            self.on_closed(*reason, elsewhere.as_deref());
        } else if let Event::Abandoned { key, got } = event.as_ref() {
            self.on_abandoned(key, *got);
        } else if let Phase::Bound(client) = &mut self.phase {
            client.on_event(&mut self.link, event, renders);
            self.end_lost();
        }
    }

    /// See [`crate::session::Session::handle_answer`].
    pub fn handle_answer(&mut self, now: Now, id: CommandId, answer: Result<Reply, Refusal>) {
        self.link.now = now;
        let Some(pending) = self.link.take(id) else { return };
        match pending {
            Pending::Login(waiting) => self.on_login_answer(waiting, answer),
            Pending::Registration(waiting) => self.on_registration_answer(waiting, answer),
            Pending::Bind(waiting) => self.on_bind_answer(waiting, answer),
            Pending::Inline(waiting) => self.on_inline_answer(waiting, answer),
            Pending::Client(waiting) => {
                if let Phase::Bound(client) = &mut self.phase {
                    client.on_answer(&mut self.link, *waiting, answer);
                }
            }
            Pending::Nothing => {}
        }
        self.link.settle();
        self.end_lost();
        self.end_in_order();
        self.drive();
    }

    /// See [`crate::session::Session::handle_tls`].
    pub fn handle_tls(&mut self, now: Now, tls: Tls) {
        self.link.now = now;
        if matches!(self.phase, Phase::Handshake) {
            self.link.connection.tls = Some(tls);
            self.parser = Reader::new(false, LIMITS_BEFORE_LOGIN);
            self.open = false;
            self.phase = Phase::FRESH;
        }
    }

    /// See [`crate::session::Session::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Now) {
        self.link.now = now;
        self.drive();
        if now.mono_us < self.deadline {
            return;
        }
        if self.link.is_detached() {
            self.end("Connection lost");
        } else if matches!(self.phase, Phase::Bound(_)) && !self.pinged && self.ending.is_none() {
            self.pinged = true;
            self.deadline = now.deadline_ms(PING_MS_MAX);
            ping::ask(&mut self.link);
        } else {
            let error = StreamError::new("connection-timeout");
            if self.may_detach() {
                self.link.send_bytes(format!("{}</stream:stream>", error.write()));
                self.detach();
            } else {
                self.fail_now(error);
            }
        }
    }

    /// See [`crate::session::Session::next_timeout`].
    #[must_use]
    pub fn next_timeout(&self) -> Option<u64> {
        let until = self.waiting.as_ref().map(|(_, until)| *until);
        let next = until.map_or(self.deadline, |until| until.min(self.deadline));
        (!matches!(self.phase, Phase::Closed)).then_some(next)
    }

    /// See [`crate::session::Session::poll_output`].
    pub fn poll_output(&mut self) -> Option<Output> {
        match &mut self.outgoing {
            Some(outgoing) => outgoing.poll(|| self.link.poll_output()),
            None => self.link.poll_output(),
        }
    }

    /// See [`crate::session::Session::wants_pause`].
    #[must_use]
    pub fn wants_pause(&self) -> bool {
        self.link.is_blocked() || self.waiting.is_some() || self.resuming.is_some()
    }

    /// More has gathered for a client without a connection than is kept: it cannot go on from there.
    fn end_lost(&mut self) {
        if self.link.is_lost() {
            self.end("Connection lost");
        }
    }

    /// Handles what has been read, as long as nothing must be waited for.
    fn drive(&mut self) {
        while !self.link.is_blocked() && self.ending.is_none() {
            let idle = matches!(self.phase, Phase::Closed | Phase::Handshake);
            if idle || self.resuming.is_some() || self.link.is_detached() {
                return;
            }
            if let Some((_, until)) = self.waiting
                && self.link.now.mono_us < until
            {
                return;
            }
            if let Some((element, _)) = self.waiting.take() {
                self.admit(element);
                continue;
            }
            match self.parser.next() {
                None => return,
                Some(Ok(Token::Open(root, default_ns))) => self.on_header(&root, &default_ns),
                Some(Ok(Token::Stanza(element))) => self.admit(element),
                Some(Ok(Token::Close)) => self.on_stream_close(),
                Some(Err(error)) => self.fail(error.into()),
            }
        }
    }

    /// Handles an element, or keeps it until the client may ask again.
    fn admit(&mut self, element: Element) {
        let bucket = if stream_management::is_ack(&element) { &mut self.acks } else { &mut self.bucket };
        match bucket.take(self.link.now) {
            Ok(()) => self.on_element(element),
            Err(until) => self.waiting = Some((element, until)),
        }
    }

    /// The stream begins anew, over the same bytes (RFC 6120 section 4.3.3).
    fn restart(&mut self) {
        self.parser.restart(LIMITS);
        self.open = false;
    }

    /// Ends the stream with an error (RFC 6120 section 4.9.1.1: an error is always the end), after what the client is owed.
    fn fail(&mut self, error: StreamError) {
        self.ending = Some(Some(error));
        self.end_in_order();
    }

    fn on_stream_close(&mut self) {
        self.ending = Some(None);
        self.end_in_order();
    }

    fn end_in_order(&mut self) {
        if self.link.owes() {
            return;
        }
        match self.ending.take() {
            Some(Some(error)) => self.fail_now(error),
            Some(None) => {
                self.link.send_bytes("</stream:stream>");
                self.end("");
            }
            None => {}
        }
    }

    /// Ends the stream with an error at once.
    fn fail_now(&mut self, error: StreamError) {
        self.fail_with(&error.write(), if error.text.is_empty() { error.condition } else { error.text });
    }

    fn fail_with(&mut self, error: &str, reason: &str) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        if !self.open {
            // RFC 6120 section 4.9.1.2: an error comes inside a stream.
            self.send_header(None);
        }
        self.link.send_bytes(format!("{error}</stream:stream>"));
        self.end(reason);
    }

    fn on_closed(&mut self, reason: CloseReason, elsewhere: Option<&str>) {
        // Over HTTP a client has an address to ask and no host to connect to (RFC 7395 section 3.6).
        if let Some(host) = elsewhere.filter(|_| self.outgoing.is_none()) {
            self.fail_with(&StreamError::see_other_host(host), "see-other-host");
            return;
        }
        self.fail_now(match reason {
            CloseReason::Replaced => StreamError::new("conflict"),
            CloseReason::Shutdown => StreamError::new("system-shutdown"),
            CloseReason::SlowReader => StreamError::policy("the client reads too slowly"),
            CloseReason::Removed => StreamError::new("not-authorized"),
            CloseReason::Barred => StreamError::policy("operators keep you out"),
        });
    }

    fn end(&mut self, reason: &str) {
        if let Phase::Bound(client) = &mut self.phase {
            let gone = Element::new("presence", ns::CLIENT).attr("type", "unavailable");
            presence::take_back(client, &mut self.link, &gone);
            stream_management::give_back(client, &mut self.link);
        }
        if !matches!(self.phase, Phase::Closed) {
            self.link.quit(reason);
            self.link.output(Output::Close);
            self.phase = Phase::Closed;
        }
    }
}
