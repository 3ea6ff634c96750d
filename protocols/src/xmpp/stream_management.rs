//! Stream management (XEP-0198): acknowledgements both ways, and a session that outlives its connection.
//!
//! A client whose connection breaks stays where it is for a while: present, in its rooms, with everything kept that it is sent. It comes back over
//! another connection to the same node; what it has not got is sent again. How the new connection finds the old session is the shell's
//! business (see [`crate::session`]).
//!
//! To another node it comes as a new session, since what a stream is owed is known where it is alone. The id of the stream says which session that
//! was: it ends, where it still is, knowing how much its client has got. Its account's own messages beyond that, which are noted from the moment
//! that the connection is gone, so that they outlive the node, are given to the new one ([`super::offline`]); what the client says again, the core
//! knows again.
//!
//! **Invariant:** a stanza is acknowledged when what it asked for has been done, so never before a message is durable.

use super::client::Client;
use super::element::Element;
use super::error::{StanzaError, StreamError};
use super::framing::Reader;
use super::link::Link;
use super::pending::{Asked, Pending};
use super::sasl2::Progress;
use super::xml::LIMITS;
use super::{IDLE_MS_MAX, Phase, Session, ns, offline};
use crate::account::{AccountCommand, Left};
use crate::command::Command;
use crate::session::{Connection, Output, ResumptionKey};
use lavina_crdt::clock::Now;
use lavina_crdt::ids::{NodeId, SessionId};

/// How long a session waits for its client: the time of a tunnel or of a walk out of the network.
const DETACHED_MS_MAX: u64 = 600_000;
/// Longest id of an earlier stream that is looked for: ours are shorter.
const ID_BYTES_MAX: usize = 128;

/// A client that wants to go on with an earlier stream.
#[derive(Debug)]
pub(super) struct Resuming {
    /// How many stanzas it has got on it.
    handled: u32,
    /// Which stream.
    id: String,
    /// The log-in that the answer goes into, where it came with one.
    login: Option<Box<Progress>>,
}

/// A connection on its way from one session to another.
#[derive(Debug)]
pub struct Passage {
    connection: Connection,
    /// What has come over it and has not been read.
    parser: Reader,
    resuming: Resuming,
}

/// Whether an element acknowledges or asks to be acknowledged (section 4): no stanza, so a client is not kept from its stanzas by it.
pub(super) fn is_ack(element: &Element) -> bool {
    element.is("a", ns::SM) || element.is("r", ns::SM)
}

/// An element of the protocol from a bound client.
pub(crate) fn on_element(client: &mut Client, link: &mut Link, element: &Element) -> Result<(), StreamError> {
    match element.name.as_str() {
        "enable" if link.is_counting() => link.reply_nonza(&failed("unexpected-request", None)),
        "enable" => {
            let (enabled, key) = enabled(client, link, element);
            link.start_counting(enabled, key);
        }
        // Section 5: only before a resource is bound.
        "resume" => link.reply_nonza(&failed("unexpected-request", None)),
        "r" => link.request_acknowledgement(),
        "a" => {
            let handled = handled(element).ok_or(StreamError::new("bad-format"))?;
            link.on_acknowledgement(handled)?;
            if client.noted {
                offline::note(client, link);
            }
        }
        _ => return Err(StreamError::new("unsupported-stanza-type")),
    }
    Ok(())
}

/// The answer to `<enable/>` (section 3), and by what the client may come back, where it wants to.
pub(crate) fn enabled(client: &Client, link: &mut Link, enable: &Element) -> (Element, Option<ResumptionKey>) {
    let enabled = Element::new("enabled", ns::SM);
    if !matches!(enable.get_attr("resume"), Some("true" | "1")) {
        return (enabled, None);
    }
    let key = ResumptionKey { account: client.account.clone(), id: id_of(&link.token(), client.session) };
    let enabled =
        enabled.attr("id", key.id.as_str()).attr("resume", "true").attr("max", (DETACHED_MS_MAX / 1000).to_string());
    (enabled, Some(key))
}

/// The id of a stream: a secret, and the session's own id, so that another node knows which it was.
fn id_of(secret: &str, session: SessionId) -> String {
    let node = blake3::Hash::from(session.node.0).to_hex();
    format!("{secret}-{:016x}-{node}", session.number)
}

/// The session that an id names.
fn session_of(id: &str) -> Option<SessionId> {
    let (rest, node) = id.rsplit_once('-')?;
    let (_, number) = rest.rsplit_once('-')?;
    let node = NodeId(*blake3::Hash::from_hex(node).ok()?.as_bytes());
    Some(SessionId { node, number: u64::from_str_radix(number, 16).ok()? })
}

fn handled(element: &Element) -> Option<u32> {
    element.get_attr("h")?.trim().parse().ok()
}

fn failed(condition: &str, handled: Option<u32>) -> Element {
    Element::new("failed", ns::SM)
        .maybe_attr("h", handled.map(|handled| handled.to_string()))
        .child(Element::new(condition, ns::STANZA_ERRORS))
}

/// The session ends: requests that the client never got are answered in its place (section 4, "as to an unavailable resource"). Messages
/// are in the history: the account's other clients have them, or they wait for the next one; of a client without a connection that is noted.
pub(crate) fn give_back(client: &mut Client, link: &mut Link) {
    let unread = link.unread();
    if !link.is_detached() {
        offline::note(client, link);
    }
    for stanza in unread {
        let asks = stanza.name == "iq" && matches!(stanza.get_attr("type"), Some("get" | "set"));
        let from = stanza.get_attr("from").and_then(|from| link.domains.parse(from).ok());
        let Some(target) = from.filter(|_| asks).and_then(super::jid::Address::client) else { continue };
        let error = Asked::of(&stanza).error(StanzaError::SERVICE_UNAVAILABLE);
        client.whisper(link, target, &error, Pending::Nothing);
    }
}

impl Session {
    /// An element of the protocol before a resource is bound: only an earlier stream can be resumed there, by who has logged in (section 3).
    pub(super) fn on_management_before_binding(&mut self, element: &Element) {
        if element.name != "resume" {
            self.link.reply_nonza(&failed("unexpected-request", None));
            return;
        }
        if let Err((failed, _)) = self.ask_to_resume(element, None) {
            self.link.reply_nonza(&failed);
        }
    }

    /// Asks the shell for the earlier stream; gives what is to be answered where there can be none, and the log-in.
    pub(super) fn ask_to_resume(
        &mut self,
        resume: &Element,
        login: Option<Box<Progress>>,
    ) -> Result<(), (Element, Option<Box<Progress>>)> {
        let Phase::Authenticated(account) = &self.phase else {
            return Err((failed("unexpected-request", None), login));
        };
        let Some(handled) = handled(resume) else { return Err((failed("bad-request", None), login)) };
        let id = resume.get_attr("previd").filter(|id| id.len() <= ID_BYTES_MAX);
        let Some(id) = id else { return Err((failed("item-not-found", None), login)) };
        let key = ResumptionKey { account: account.clone(), id: id.to_owned() };
        self.resuming = Some(Resuming { handled, id: id.to_owned(), login });
        self.link.output(Output::Resume(key));
        Ok(())
    }

    /// See [`crate::session::Session::handle_no_resumption`].
    pub fn handle_no_resumption(&mut self, now: Now, handled: Option<u32>) {
        self.link.now = now;
        let Some(resuming) = self.resuming.take() else { return };
        let left = session_of(&resuming.id).map(|session| Left { session, key: resuming.id, got: resuming.handled });
        self.link.ask(Command::Account(AccountCommand::StartOver(left)), Pending::Nothing);
        let failed = failed("item-not-found", handled);
        match resuming.login {
            None => self.link.reply_nonza(&failed),
            Some(login) => self.bind_inline(login, Some(failed)),
        }
        self.drive();
    }

    /// The client has gone on in another session.
    pub(super) fn on_abandoned(&mut self, key: &str, got: u32) {
        let Phase::Bound(client) = &mut self.phase else { return };
        if self.link.key().is_none_or(|known| known.id != key) {
            return;
        }
        self.link.on_last_acknowledgement(got);
        if self.link.is_detached() {
            offline::note(client, &mut self.link);
        }
        self.fail_now(StreamError::new("conflict"));
    }

    /// See [`crate::session::Session::handle_not_kept`].
    pub fn handle_not_kept(&mut self) {
        self.link.drop_key();
    }

    /// See [`crate::session::Session::hand_over`].
    pub fn hand_over(&mut self) -> Option<Passage> {
        let resuming = self.resuming.take()?;
        self.phase = Phase::Closed;
        let parser = std::mem::replace(&mut self.parser, Reader::new(false, LIMITS));
        Some(Passage { connection: self.link.connection.clone(), parser, resuming })
    }

    /// See [`crate::session::Session::handle_passage`].
    pub fn handle_passage(&mut self, now: Now, passage: Passage) {
        self.link.now = now;
        self.detach();
        let Passage { connection, parser, resuming } = passage;
        let Phase::Bound(client) = &self.phase else { return };
        let success = resuming.login.map(|login| login.resumed(&client.full));
        self.parser = parser;
        self.outgoing = connection.framed.then(Box::default);
        self.open = true;
        self.pinged = false;
        self.deadline = now.deadline_ms(IDLE_MS_MAX);
        if let Err(error) = self.link.attach(connection, resuming.handled, success) {
            // The client hears of it as of any other error.
            self.fail_now(error);
            return;
        }
        self.drive();
    }

    /// See [`crate::session::Session::interrupt`].
    pub fn interrupt(&mut self, now: Now) {
        self.link.now = now;
        if self.may_detach() {
            self.link.send_bytes(format!("{}</stream:stream>", StreamError::new("conflict").write()));
            self.detach();
        }
    }

    /// See [`crate::session::Session::is_detached`].
    #[must_use]
    pub fn is_detached(&self) -> bool {
        self.link.is_detached() && !matches!(self.phase, Phase::Closed)
    }

    /// Whether the session goes on without its connection.
    pub(super) fn may_detach(&self) -> bool {
        matches!(self.phase, Phase::Bound(_)) && self.ending.is_none() && self.link.key().is_some()
    }

    /// The connection is gone. `false`: and so is the session.
    pub(super) fn detach(&mut self) -> bool {
        if !self.may_detach() {
            return false;
        }
        let is_new = !self.link.is_detached();
        self.link.detach();
        if let Phase::Bound(client) = &mut self.phase
            && is_new
        {
            offline::note(client, &mut self.link);
        }
        // What has not been handled has not been acknowledged: the client says it again.
        self.parser = Reader::new(false, LIMITS);
        self.waiting = None;
        self.deadline = self.link.now.deadline_ms(DETACHED_MS_MAX);
        true
    }
}
