//! The machine of one client connection, whatever its protocol.
//!
//! Drive it: feed [`Session::handle_bytes`], [`Session::handle_event`], [`Session::handle_answer`], [`Session::handle_tls`] and
//! [`Session::handle_timeout`]; after each, drain [`Session::poll_output`]. [`Session::next_timeout`] says when to call again.
//!
//! A session may outlive its connection. After [`Output::Keep`] the shell keeps it, and remembers it by that key, also when
//! [`Session::is_detached`] says so after [`Session::handle_eof`] or any other call: then the connection is to be closed and the session still
//! driven. Another connection's session that says [`Output::Resume`] with the key is to be taken apart by [`Session::hand_over`], and what that gives
//! is for [`Session::handle_passage`] of the one that was kept, with the connection. Where there is none, it is told by
//! [`Session::handle_no_resumption`].
//!
//! After [`Output::Close`] nothing more comes out; tell the core with a `Quit` only if the session did not (it emits its own).

use crate::command::{Command, CommandId, Refusal, Reply};
use crate::event::Event;
use crate::render::Renders;
use crate::sasl::TokenCheck;
use crate::slot::Upload;
use crate::{irc, xmpp};
use bytes::Bytes;
use lavina_crdt::account::ScramCredentials;
use lavina_crdt::clock::Now;
use lavina_crdt::names::AccountName;
use std::net::IpAddr;
use std::sync::Arc;

/// What every session of a node needs to know of it.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The mesh's domain: accounts are `name@domain`.
    pub domain: String,
    /// The domain of rooms: `rooms.` and the domain.
    pub rooms_domain: String,
    /// This node's name as IRC clients see it (a host name).
    pub node_name: String,
    /// The network's name (ISUPPORT NETWORK).
    pub network: String,
    /// Message of the day, by lines; empty for none.
    pub motd: Vec<String>,
    /// What is kept of the password that IRC clients need who are not logged in, where there is one (PASS).
    pub password: Option<ScramCredentials>,
    /// Whether new accounts may be registered by clients.
    pub registration: bool,
    /// Whether passwords in clear (SASL PLAIN) are taken over an unencrypted connection; only for loopback.
    pub plain_without_tls: bool,
    /// Unix time in milliseconds at which the node started.
    pub started_ms: u64,
    /// From it come the salts that accounts which do not exist seem to have: known to all nodes of the mesh (so that the answer is the same
    /// everywhere and after a restart) and to nobody else.
    pub salt_secret: [u8; 32],
    /// How fast one client may ask.
    pub flood: Flood,
    /// How clients are told to come in TLS (IRCv3 `sts`), where they are.
    pub sts: Option<Sts>,
    /// What is kept of the password of IRC's gateways (IRCv3 `webirc`), where there are any.
    pub webirc: Option<ScramCredentials>,
    /// Where those who run the mesh are reached (XEP-0157): what for, and addresses as URIs.
    pub contacts: Vec<(ContactKind, Vec<String>)>,
    /// What clients may use beside XMPP (XEP-0215).
    pub services: Vec<ExternalService>,
    /// Where files may be put, where they may.
    pub upload: Option<Upload>,
    /// The node's URL of HTTP, without a slash at the end, where it shows pages.
    pub pages: Option<String>,
    /// Whether people of other servers can be reached.
    pub abroad: bool,
    /// Who knows tokens of login services (SASL OAUTHBEARER), where there are any.
    pub tokens: Option<Arc<dyn TokenCheck>>,
    /// The public key by which push services know the mesh (RFC 8292), in base64, where the node sends push messages.
    pub vapid: Option<String>,
}

/// A service that clients may use beside XMPP (XEP-0215).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalService {
    /// Its type, as registered: `stun`, `turn` and others.
    pub kind: String,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// `udp` or `tcp`.
    pub transport: &'static str,
    /// How clients get in, where not everybody does.
    pub access: Option<ServiceAccess>,
}

/// How clients get into a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceAccess {
    /// By credentials that end, made with a secret that the service knows.
    Shared(String),
    /// By the same credentials for all.
    Fixed {
        /// Name.
        username: String,
        /// Password.
        password: String,
    },
}

/// What somebody who runs the mesh is asked for (XEP-0157 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContactKind {
    /// Somebody's abuse.
    Abuse,
    /// How the server is run.
    Admin,
    /// What is thought of it.
    Feedback,
    /// What it costs.
    Sales,
    /// Holes in it.
    Security,
    /// Whether it works.
    Status,
    /// Help.
    Support,
}

/// Strict transport security.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sts {
    /// The port of TLS, told to who is not on it; `None` where nobody else reads along.
    pub port: Option<u16>,
    /// For how long clients are to keep to TLS, in seconds; told to who is in it. `None`: nothing is told.
    pub seconds: Option<u64>,
    /// Whether who comes without TLS is told where to come, and nothing else.
    pub required: bool,
}

/// Most rooms one session may be in.
pub const ROOMS_MAX: usize = 200;

/// A token bucket: one line or stanza costs one token. With an empty bucket input waits, nothing is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flood {
    /// How many tokens the bucket holds.
    pub burst: u32,
    /// How many come in a second.
    pub per_second: u32,
}

impl Flood {
    /// A paste or a client that joins its rooms goes through at once; ten lines a second is more than anybody types.
    pub const DEFAULT: Self = Self { burst: 60, per_second: 10 };
    /// No limit: for benchmarks and trusted bridges.
    pub const NONE: Self = Self { burst: u32::MAX, per_second: u32::MAX };

    /// As many times as many tokens.
    pub(crate) const fn times(self, factor: u32) -> Self {
        Self { burst: self.burst.saturating_mul(factor), per_second: self.per_second.saturating_mul(factor) }
    }
}

impl SessionConfig {
    /// The configuration of a node of `domain` with everything else at its default: the node is called like the domain, registration
    /// is closed, there is no message of the day and the salt secret is all zero, which is to be replaced.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            rooms_domain: format!("rooms.{domain}"),
            node_name: domain.to_owned(),
            network: domain.to_owned(),
            motd: Vec::new(),
            password: None,
            registration: false,
            plain_without_tls: false,
            started_ms: 0,
            salt_secret: [0; 32],
            flood: Flood::DEFAULT,
            sts: None,
            webirc: None,
            contacts: Vec::new(),
            services: Vec::new(),
            upload: None,
            pages: None,
            abroad: false,
            tokens: None,
            vapid: None,
        }
    }
}

/// What a session knows of its connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The cloaked host that others see.
    pub host: String,
    /// Encryption, when the connection began with it.
    pub tls: Option<Tls>,
    /// Whether STARTTLS can be offered.
    pub starttls: bool,
    /// Whether the client's bytes come as whole messages (WebSocket), one a call of [`Session::handle_bytes`]. In XMPP each is one element, and
    /// each [`Output::Send`] is one message; IRC has lines either way.
    pub framed: bool,
    /// Whether it comes from where gateways may be (IRCv3 `webirc`).
    pub gateway: bool,
    /// Seed for nonces and stream ids.
    pub seed: u64,
}

/// What the TLS layer says once a handshake is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// `tls-exporter` channel binding (RFC 9266): 32 bytes; only with TLS 1.3.
    pub exporter: Option<[u8; 32]>,
    /// `tls-server-end-point` channel binding (RFC 5929 section 4): hash of the server's certificate.
    pub server_end_point: Option<Vec<u8>>,
    /// SHA-256 of the certificate that the client showed, in hexadecimal.
    pub fingerprint: Option<String>,
}

/// What a session wants from its shell.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a command is moved once; a box would cost every message an allocation")]
pub enum Output {
    /// Hand this to the core.
    Command(CommandId, Command),
    /// Send these bytes, after those before.
    Send(Bytes),
    /// Send what is queued, then begin the TLS handshake; discard anything received in clear after it. Call [`Session::handle_tls`] when done.
    StartTls,
    /// A gateway says that it is somebody else who connects: who from here on counts as the client for bans and limits. Call
    /// [`Session::handle_host`].
    Relayed {
        /// The client's address.
        address: IpAddr,
        /// Whether the whole way is encrypted.
        secure: bool,
    },
    /// Send what is queued, then close.
    Close,
    /// Who shows this key may take the session over.
    Keep(ResumptionKey),
    /// Nobody may any more; the client's stanzas of which so many were handled.
    Forget(ResumptionKey, u32),
    /// The client asks to go on with the session of that key over this connection. Nothing is read until the shell has answered.
    Resume(ResumptionKey),
}

/// What a client shows to go on with a session: its account's name, which it has proven, and a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResumptionKey {
    /// Whose session.
    pub account: AccountName,
    /// Which of them; nobody can guess it.
    pub id: String,
}

/// One connection's session.
#[derive(Debug)]
pub enum Session {
    /// IRC.
    Irc(Box<irc::Session>),
    /// XMPP.
    Xmpp(Box<xmpp::Session>),
}

macro_rules! each {
    ($session:expr, $inner:ident => $call:expr) => {
        match $session {
            Session::Irc($inner) => $call,
            Session::Xmpp($inner) => $call,
        }
    };
}

impl Session {
    /// A new IRC connection.
    #[must_use]
    pub fn irc(now: Now, config: Arc<SessionConfig>, connection: Connection) -> Self {
        Self::Irc(Box::new(irc::Session::new(now, config, connection)))
    }

    /// A new XMPP connection.
    #[must_use]
    pub fn xmpp(now: Now, config: Arc<SessionConfig>, connection: Connection) -> Self {
        Self::Xmpp(Box::new(xmpp::Session::new(now, config, connection)))
    }

    /// Bytes from the client, in any chunking; of a framed connection one whole message.
    pub fn handle_bytes(&mut self, now: Now, bytes: &[u8]) {
        each!(self, inner => inner.handle_bytes(now, bytes));
    }

    /// The client closed its side or the connection broke.
    pub fn handle_eof(&mut self, now: Now, reason: &str) {
        each!(self, inner => inner.handle_eof(now, reason));
    }

    /// An event from the core.
    pub fn handle_event(&mut self, now: Now, event: &Arc<Event>, renders: &mut Renders) {
        each!(self, inner => inner.handle_event(now, event, renders));
    }

    /// The answer to a command.
    pub fn handle_answer(&mut self, now: Now, id: CommandId, answer: Result<Reply, Refusal>) {
        each!(self, inner => inner.handle_answer(now, id, answer));
    }

    /// The TLS handshake asked for with [`Output::StartTls`] is done.
    pub fn handle_tls(&mut self, now: Now, tls: Tls) {
        each!(self, inner => inner.handle_tls(now, tls));
    }

    /// The cloaked host of who is there after [`Output::Relayed`].
    pub fn handle_host(&mut self, host: String) {
        match self {
            Self::Irc(session) => session.handle_host(host),
            // Nothing in XMPP relays like that.
            Self::Xmpp(_) => {}
        }
    }

    /// The time that [`Session::next_timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Now) {
        each!(self, inner => inner.handle_timeout(now));
    }

    /// When to call [`Session::handle_timeout`], on the monotonic clock in microseconds.
    #[must_use]
    pub fn next_timeout(&self) -> Option<u64> {
        each!(self, inner => inner.next_timeout())
    }

    /// The next thing the session wants; drain until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        each!(self, inner => inner.poll_output())
    }

    /// Whether the session has more unread input than it wants to handle now: the shell stops reading until this is false again.
    #[must_use]
    pub fn wants_pause(&self) -> bool {
        each!(self, inner => inner.wants_pause())
    }

    /// Whether the session goes on without its connection, which is to be closed.
    #[must_use]
    pub fn is_detached(&self) -> bool {
        match self {
            Self::Irc(_) => false,
            Self::Xmpp(session) => session.is_detached(),
        }
    }

    /// Ends the connection with a word, not the session, where another one is to take its place.
    pub fn interrupt(&mut self, now: Now) {
        match self {
            Self::Irc(_) => {}
            Self::Xmpp(session) => session.interrupt(now),
        }
    }

    /// Gives what another session needs to go on over this one's connection, and is over; without a word to the core. `None` when it has not asked for
    /// another session.
    pub fn hand_over(&mut self) -> Option<xmpp::Passage> {
        match self {
            Self::Irc(_) => None,
            Self::Xmpp(session) => session.hand_over(),
        }
    }

    /// The session is not kept when its connection ends: the shell keeps too many already.
    pub fn handle_not_kept(&mut self) {
        match self {
            Self::Irc(_) => {}
            Self::Xmpp(session) => session.handle_not_kept(),
        }
    }

    /// The session goes on over another connection.
    pub fn handle_passage(&mut self, now: Now, passage: xmpp::Passage) {
        match self {
            Self::Irc(_) => {}
            Self::Xmpp(session) => session.handle_passage(now, passage),
        }
    }

    /// There is no session of the key that was asked for; of one that has ended it may be known how many stanzas it handled.
    pub fn handle_no_resumption(&mut self, now: Now, handled: Option<u32>) {
        match self {
            Self::Irc(_) => {}
            Self::Xmpp(session) => session.handle_no_resumption(now, handled),
        }
    }
}
