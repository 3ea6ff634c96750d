//! IRC: the session of one connection, its lines to [`Command`]s and events back to lines.
//!
//! The session is driven as [`crate::session::Session`] says. A line is parsed (`message`), looked up in `verbs` and handled by the file of its
//! family; what that asks of the core is remembered with what to do with the answer (`answers`), so that the client gets its
//! responses in the order of its lines. Events are rendered in `events`.
//!
//! Follows modern.ircdocs.horse and the IRCv3 specifications; what is offered of the latter is in `caps`.
//!
//! **Invariant:** nothing a client says about who it is, when it speaks or what id its message has gets past `messaging`.

mod always_on;
mod answers;
mod auth;
mod bars;
mod caps;
mod channel;
mod events;
mod happened;
mod history;
mod isupport;
mod lines;
mod message;
mod messaging;
mod metadata;
mod modes;
mod monitor;
mod multiline;
mod names;
mod numerics;
mod oper;
mod outbox;
mod people;
mod persistence;
mod playback;
mod read_marker;
mod refusals;
mod registration;
mod relation;
mod said;
mod server;
mod services;
mod stats;
mod time;
mod user_modes;
mod verbs;
mod webirc;
mod webpush;
mod who;

pub(crate) use webpush::push_line;

use crate::command::{Command, CommandId, Refusal, Reply};
use crate::event::Event;
use crate::flood::Bucket;
use crate::render::Renders;
use crate::session::{Connection, Output, SessionConfig, Tls};
use answers::Answers;
use caps::Caps;
use lavina_crdt::clock::Now;
use lavina_crdt::content::Principal;
use lavina_crdt::ids::SessionId;
use lavina_crdt::names::{AccountName, Nick, RoomName};
use lavina_crdt::notes::Notes;
use lines::{Lines, Next};
use message::{Line, Message, ParseError};
use numerics::{ERR_INPUTTOOLONG, ERR_UNKNOWNERROR};
use outbox::Outbox;
use registration::Registration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Time from the connection to the end of registration: a person who types it makes it, a connection that only sits there does not.
const REGISTRATION_MS_MAX: u64 = 30_000;
/// For how long a client may send faster than its pace: a long paste passes, a flood does not.
const FLOOD_MS_MAX: u64 = 120_000;
/// Silence after which the client is asked whether it is there.
const IDLE_MS_MAX: u64 = 120_000;
/// Time it has to answer.
const PONG_MS_MAX: u64 = 60_000;

type Answer = Result<Reply, Refusal>;
/// What to do with the answer to a command.
type Then = Box<dyn FnOnce(&mut Session, Now, Answer) + Send + Sync>;

/// Where the connection is in its life.
#[derive(Debug)]
enum Phase {
    /// Before the welcome.
    Registering(Registration),
    /// After it.
    Registered(SessionId),
    /// Over: nothing is read or said.
    Closed,
}

/// How the client appears.
#[derive(Debug)]
struct Me {
    /// `*` until there is one.
    nick: String,
    user: String,
    realname: String,
    account: Option<AccountName>,
}

/// What few clients make use of, apart so that the others stay small.
#[derive(Debug, Default)]
struct Own {
    /// The list of MONITOR.
    monitored: Vec<Nick>,
    /// Marks of reading of somebody without an account.
    marks: BTreeMap<String, u64>,
    /// The away message given before the welcome.
    away: Option<String>,
    /// The batch that the client is sending.
    multiline: Option<multiline::Open>,
    /// Keys of METADATA of which the client wants to hear.
    subscribed: Vec<String>,
    /// What was noted before the welcome.
    notes: Notes,
    /// What was asked of `*playback`.
    playback: Option<playback::Asked>,
    /// What happens while the session is in rooms that its client has not been told of yet.
    unentered: Option<Vec<Arc<Event>>>,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    config: Arc<SessionConfig>,
    host: String,
    tls: Option<Tls>,
    /// Whether a gateway may say here for whom it connects.
    gateway: bool,
    /// What random bytes are made of, and how often it has been used.
    seed: (u64, u64),
    phase: Phase,
    me: Me,
    caps: Caps,
    /// The rooms this session is in.
    rooms: BTreeSet<RoomName>,
    own: Option<Box<Own>>,
    lines: Lines,
    answers: Answers,
    out: Outbox,
    bucket: Bucket,
    /// Whether the next line waits until nothing is owed.
    turning: bool,
    /// Until when an empty bucket keeps lines waiting.
    held_until_us: Option<u64>,
    /// Since when lines have waited again and again; zero when they have not.
    flooding_since_us: u64,
    begun_us: u64,
    heard_us: u64,
    pinged_us: Option<u64>,
    /// Whether any line has come.
    spoken: bool,
    sasl: auth::Sasl,
    /// What is kept for the account, where it is always on, or of the device, where the client named one.
    kept: Option<Box<always_on::Kept>>,
}

impl Session {
    /// A new connection.
    #[must_use]
    pub fn new(now: Now, config: Arc<SessionConfig>, connection: Connection) -> Self {
        Self {
            bucket: Bucket::new(config.flood),
            config,
            host: connection.host,
            tls: connection.tls,
            gateway: connection.gateway,
            seed: (connection.seed, 0),
            phase: Phase::Registering(Registration::default()),
            me: Me { nick: "*".to_owned(), user: "*".to_owned(), realname: String::new(), account: None },
            caps: Caps::default(),
            rooms: BTreeSet::new(),
            own: None,
            lines: Lines::default(),
            answers: Answers::default(),
            out: Outbox::default(),
            turning: false,
            held_until_us: None,
            flooding_since_us: 0,
            begun_us: now.mono_us,
            heard_us: now.mono_us,
            pinged_us: None,
            spoken: false,
            sasl: auth::Sasl::default(),
            kept: None,
        }
    }

    /// See [`crate::session::Session::handle_bytes`].
    pub fn handle_bytes(&mut self, now: Now, bytes: &[u8]) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.heard_us = now.mono_us;
        self.pinged_us = None;
        self.hear(now);
        self.lines.push(bytes);
        self.work(now);
        self.keep_seen(now);
    }

    /// See [`crate::session::Session::handle_eof`].
    pub fn handle_eof(&mut self, _now: Now, reason: &str) {
        self.end(reason, None);
    }

    /// See [`crate::session::Session::handle_event`].
    pub fn handle_event(&mut self, now: Now, event: &Arc<Event>, renders: &mut Renders) {
        if !matches!(self.phase, Phase::Closed) && !self.keeps_for_later(event) {
            self.on_event(now, event, renders);
        }
    }

    /// See [`crate::session::Session::handle_answer`].
    pub fn handle_answer(&mut self, now: Now, id: CommandId, answer: Result<Reply, Refusal>) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        if let Some(then) = self.answers.answered(id) {
            then(self, now, answer);
            self.answers.settle(&mut self.out, &self.config.node_name);
            self.work(now);
        }
    }

    /// See [`crate::session::Session::handle_tls`].
    pub fn handle_tls(&mut self, _now: Now, tls: Tls) {
        self.tls = Some(tls);
    }

    /// See [`crate::session::Session::handle_host`].
    pub fn handle_host(&mut self, host: String) {
        self.host = host;
    }

    /// See [`crate::session::Session::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Now) {
        if self.held_until_us.is_some_and(|until| until <= now.mono_us) {
            self.held_until_us = None;
            self.work(now);
        }
        match self.phase {
            Phase::Registering(_) if self.registration_end_us() <= now.mono_us => {
                self.end("Registration timeout", Some("Registration timeout"));
            }
            Phase::Registered(_) => self.check_idle(now),
            Phase::Registering(_) | Phase::Closed => {}
        }
    }

    /// See [`crate::session::Session::next_timeout`].
    #[must_use]
    pub fn next_timeout(&self) -> Option<u64> {
        let liveness = match self.phase {
            Phase::Registering(_) => self.registration_end_us(),
            Phase::Registered(_) => match self.pinged_us {
                Some(pinged) => pinged.saturating_add(PONG_MS_MAX * 1000),
                None => self.heard_us.saturating_add(IDLE_MS_MAX * 1000),
            },
            Phase::Closed => return None,
        };
        Some(self.held_until_us.map_or(liveness, |held| held.min(liveness)))
    }

    /// See [`crate::session::Session::poll_output`].
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.poll()
    }

    /// See [`crate::session::Session::wants_pause`].
    #[must_use]
    pub fn wants_pause(&self) -> bool {
        !self.lines.is_empty() && (self.answers.is_full() || self.turning || self.held_until_us.is_some())
    }

    fn registration_end_us(&self) -> u64 {
        self.begun_us.saturating_add(REGISTRATION_MS_MAX * 1000)
    }

    fn check_idle(&mut self, now: Now) {
        match self.pinged_us {
            Some(pinged) if pinged.saturating_add(PONG_MS_MAX * 1000) <= now.mono_us => {
                let seconds = (IDLE_MS_MAX + PONG_MS_MAX) / 1000;
                let reason = format!("Ping timeout: {seconds} seconds");
                self.end(&reason, Some(&reason));
            }
            None if self.heard_us.saturating_add(IDLE_MS_MAX * 1000) <= now.mono_us => {
                self.pinged_us = Some(now.mono_us);
                self.out.line(&Line::with_text("", "PING", &[], &self.config.node_name), None);
            }
            Some(_) | None => {}
        }
    }

    /// Handles the lines that may be handled.
    fn work(&mut self, now: Now) {
        while !matches!(self.phase, Phase::Closed) && !self.answers.is_full() && self.held_until_us.is_none() {
            let Some(next) = self.lines.peek() else { return };
            // What is owed is written as it was asked for, whether the answers have come already or not.
            self.turning = !self.answers.is_empty() && is_cap(next);
            if self.turning {
                return;
            }
            if !self.bucket.is_strained(now) {
                self.flooding_since_us = 0;
            }
            if let Err(until_us) = self.bucket.take(now) {
                if self.flooding_since_us == 0 {
                    self.flooding_since_us = now.mono_us;
                } else if self.flooding_since_us.saturating_add(FLOOD_MS_MAX * 1000) <= now.mono_us {
                    return self.end("Excess flood", Some("Excess flood: you have been sending too fast for too long"));
                }
                self.held_until_us = Some(until_us);
                return;
            }
            match self.lines.take() {
                Some(Next::Line(line)) => self.on_line(now, &line),
                Some(Next::TooLong) => {
                    self.answers.begin(None);
                    self.numeric(ERR_INPUTTOOLONG, &[], "Input line was too long");
                }
                None => {}
            }
            self.answers.settle(&mut self.out, &self.config.node_name);
        }
    }

    fn on_line(&mut self, now: Now, line: &[u8]) {
        let first = !std::mem::replace(&mut self.spoken, true);
        let text = String::from_utf8_lossy(line);
        match Message::parse(&text) {
            Err(ParseError::Empty) => {}
            Err(_) if first => self.end("Not IRC", Some("This port speaks IRC")),
            Ok(message) if first && is_foreign(message.command) => self.end("Not IRC", Some("This port speaks IRC")),
            Ok(message) => {
                self.answers.begin(self.label(&message));
                if matches!(text, std::borrow::Cow::Owned(_)) {
                    let hint = "Message rejected, your IRC software MUST use UTF-8 encoding on this network";
                    self.fail(message.command, "INVALID_UTF8", &[], hint);
                } else {
                    verbs::dispatch(self, now, &message);
                }
            }
            Err(_) => {
                self.answers.begin(None);
                self.numeric(ERR_UNKNOWNERROR, &["*"], "That is not an IRC message");
            }
        }
    }

    fn own(&mut self) -> &mut Own {
        self.own.get_or_insert_default()
    }

    /// The label to put on the response (IRCv3 `labeled-response`).
    fn label(&self, message: &Message<'_>) -> Option<String> {
        const LABEL_BYTES_MAX: usize = 64;
        if !self.caps.has(Caps::LABELED_RESPONSE.with(Caps::BATCH)) {
            return None;
        }
        message.tag("label").filter(|label| !label.is_empty() && label.len() <= LABEL_BYTES_MAX).map(Into::into)
    }

    /// Asks the core; `then` gets the answer and writes into the same response.
    fn ask(&mut self, command: Command, then: impl FnOnce(&mut Self, Now, Answer) + Send + Sync + 'static) {
        let id = self.answers.ask(Box::new(then));
        self.out.push(Output::Command(id, command));
    }

    /// Adds a line to the response being written.
    fn reply(&mut self, line: Line) {
        self.answers.push(line);
    }

    /// Adds a numeric with text for people.
    fn numeric(&mut self, code: &str, middle: &[&str], text: &str) {
        let line = Line::with_text(&self.config.node_name, code, &[&[self.me.nick.as_str()], middle].concat(), text);
        self.reply(line);
    }

    /// Adds a numeric with words only.
    fn numeric_words(&mut self, code: &str, words: &[&str]) {
        let line = Line::new(&self.config.node_name, code, &[&[self.me.nick.as_str()], words].concat());
        self.reply(line);
    }

    /// Adds a FAIL (IRCv3 `standard-replies`).
    fn fail(&mut self, command: &str, code: &str, context: &[&str], text: &str) {
        let line = Line::with_text(&self.config.node_name, "FAIL", &[&[command, code], context].concat(), text);
        self.reply(line);
    }

    /// Random bytes, as hard to guess as the node's secret. A generator's state would be a good part of what an idle session keeps.
    fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut hasher = blake3::Hasher::new_keyed(&self.config.salt_secret);
        hasher.update(b"lavina 1 irc random\0");
        hasher.update(&self.seed.0.to_be_bytes());
        hasher.update(&self.seed.1.to_be_bytes());
        self.seed.1 += 1;
        let mut bytes = [0; N];
        hasher.finalize_xof().fill(&mut bytes);
        bytes
    }

    /// `nick!user@host` of this session.
    fn source(&self) -> String {
        format!("{}!{}@{}", self.me.nick, self.me.user, self.host)
    }

    /// The session's id, once registered.
    fn session_id(&self) -> Option<SessionId> {
        match self.phase {
            Phase::Registered(id) => Some(id),
            Phase::Registering(_) | Phase::Closed => None,
        }
    }

    /// Whether that is this session's principal.
    fn is_me(&self, principal: &Principal) -> bool {
        match principal {
            Principal::Account(account) => self.me.account.as_ref() == Some(account),
            Principal::Guest(session) => self.me.account.is_none() && self.session_id() == Some(*session),
        }
    }

    /// Ends the session by itself: the core is told `reason`, the client `error` where it is still there.
    fn end(&mut self, reason: &str, error: Option<&str>) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        if let Some(error) = error {
            self.out.line(&Line::with_text("", "ERROR", &[], error), None);
        }
        self.say_seen();
        self.phase = Phase::Closed;
        let id = self.answers.unanswered();
        self.out.push(Output::Command(id, Command::Quit(reason.to_owned())));
        self.out.push(Output::Close);
    }

    /// The node has ended the session.
    fn ended(&mut self, error: &str) {
        self.out.line(&Line::with_text("", "ERROR", &[], error), None);
        self.phase = Phase::Closed;
        self.out.push(Output::Close);
    }
}

/// A browser that was made to talk to this port (cross-protocol scripting) gives itself away with its first word, and so does a proxy that is not
/// known as one.
fn is_foreign(command: &str) -> bool {
    ["PROXY", "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "CONNECT", "PATCH", "TRACE"].contains(&command)
}

/// Whether a line is a CAP: from there on other capabilities count.
fn is_cap(line: &[u8]) -> bool {
    let after = |line: &'_ [u8]| line.iter().position(|byte| *byte == b' ').map_or(line.len(), |space| space + 1);
    let mut rest = line;
    for mark in [b'@', b':'] {
        if rest.first() == Some(&mark) {
            rest = rest[after(rest)..].trim_ascii_start();
        }
    }
    rest.get(..3).is_some_and(|verb| verb.eq_ignore_ascii_case(b"CAP"))
        && rest.get(3).is_none_or(u8::is_ascii_whitespace)
}

#[cfg(test)]
mod tests;
