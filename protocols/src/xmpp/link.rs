//! The way out of a session: bytes to the client, commands to the core, and the order between them.
//!
//! What a client is told keeps the order of what it asked (RFC 6120 section 10.1): an answer that is known at once waits behind those that the core
//! still owes. [`Link::reply`] is for such answers, [`Link::send`] for everything that is due at this moment: events, and the answer
//! that has just come in.

use super::element::Element;
use super::jid::Domains;
use super::pending::Pending;
use crate::command::{Command, CommandId};
use crate::session::{Connection, Output, SessionConfig};
use bytes::Bytes;
use lavina_crdt::clock::Now;
use std::collections::VecDeque;
use std::sync::Arc;

/// Answers a session may be owed before it stops reading: enough to pipeline a start with many rooms, small enough that one session's
/// backlog stays in the tens of kilobytes.
const SLOTS_MAX: usize = 64;

/// What an idle connection may keep of its output queue: a message is two outputs.
const IDLE_QUEUE_LEN_MAX: usize = 8;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) config: Arc<SessionConfig>,
    pub(crate) domains: Domains,
    pub(crate) connection: Connection,
    pub(crate) now: Now,
    outputs: VecDeque<Output>,
    slots: VecDeque<Slot>,
    next_command: u64,
    tokens: u64,
    /// While set, no more input is read: the next step depends on this answer.
    hold: Option<CommandId>,
    /// The stanza that the hold is for is still to be counted as handled.
    handled_after_hold: bool,
    /// The beginnings of stanzas to this client, up to and with `to`, once it has a full JID.
    heads: Option<Heads>,
    /// Stanzas handled since stream management was enabled (XEP-0198); `None` before.
    handled: Option<u32>,
}

/// One thing the client is owed, in order.
#[derive(Debug)]
enum Slot {
    /// The core's answer to a command, and what it was asked for.
    Answer(CommandId, Pending),
    /// Bytes that are ready.
    Ready(Vec<Bytes>),
    /// A stanza is handled when everything before is done.
    Handled,
    /// XEP-0198 `<a/>`.
    Acknowledge,
}

#[derive(Debug)]
struct Heads {
    iq: Bytes,
    message: Bytes,
    presence: Bytes,
}

impl Link {
    pub(crate) fn new(now: Now, config: Arc<SessionConfig>, connection: Connection) -> Self {
        let domains = Domains::new(&config);
        Self {
            config,
            domains,
            connection,
            now,
            outputs: VecDeque::new(),
            slots: VecDeque::new(),
            next_command: 0,
            tokens: 0,
            hold: None,
            handled_after_hold: false,
            heads: None,
            handled: None,
        }
    }

    /// From here on stanzas are addressed to this full JID.
    pub(crate) fn address(&mut self, full: &str) {
        let head = |name: &str| {
            let mut head = format!("<{name}");
            super::element::write_attr(&mut head, "to", full);
            Bytes::from(head)
        };
        self.heads = Some(Heads { iq: head("iq"), message: head("message"), presence: head("presence") });
    }

    /// Sends a stanza with this client's address.
    pub(crate) fn send(&mut self, stanza: &Element) {
        for bytes in self.render(stanza) {
            self.send_bytes(bytes);
        }
    }

    /// Sends a stanza with the address it has: one to the bare JID stays so (RFC 6121 section 8.5.2.1).
    pub(crate) fn send_unchanged(&mut self, stanza: &Element) {
        self.send_bytes(stanza.to_stanza());
    }

    /// Sends the rest of a stanza of that name, as [`Element::to_stanza_tail`] gives it.
    pub(crate) fn send_tail(&mut self, name: &str, tail: Bytes) {
        self.send_bytes(self.head(name));
        self.send_bytes(tail);
    }

    /// Sends bytes as they are.
    pub(crate) fn send_bytes(&mut self, bytes: impl Into<Bytes>) {
        self.outputs.push_back(Output::Send(bytes.into()));
    }

    /// Sends a stanza behind the answers that the core still owes.
    pub(crate) fn reply(&mut self, stanza: &Element) {
        let bytes = self.render(stanza);
        self.push(Slot::Ready(bytes));
    }

    /// Sends an element that is no stanza behind the answers that the core still owes.
    pub(crate) fn reply_nonza(&mut self, element: &Element) {
        self.push(Slot::Ready(vec![Bytes::from(element.to_stanza())]));
    }

    /// Hands a command to the core; `pending` says what its answer is for.
    pub(crate) fn ask(&mut self, command: Command, pending: impl Into<Pending>) {
        let id = self.issue(command);
        self.slots.push_back(Slot::Answer(id, pending.into()));
    }

    /// As [`Link::ask`]; nothing more is read before the answer is handled.
    pub(crate) fn ask_and_hold(&mut self, command: Command, pending: impl Into<Pending>) {
        let id = self.issue(command);
        self.hold = Some(id);
        self.slots.push_back(Slot::Answer(id, pending.into()));
    }

    /// Ends the session in the core; that has no answer.
    pub(crate) fn quit(&mut self, reason: &str) {
        self.issue(Command::Quit(reason.to_owned()));
        self.slots.clear();
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() && self.outputs.capacity() > IDLE_QUEUE_LEN_MAX {
            // An idle connection holds no queue.
            self.outputs = VecDeque::new();
            self.slots.shrink_to_fit();
        }
        output
    }

    /// What the answer to a command was asked for. Answers come in order, so this is the first one owed.
    pub(crate) fn take(&mut self, id: CommandId) -> Option<Pending> {
        let at = self.slots.iter().position(|slot| matches!(slot, Slot::Answer(known, _) if *known == id))?;
        match self.slots.remove(at) {
            Some(Slot::Answer(id, pending)) => {
                if self.hold == Some(id) {
                    self.hold = None;
                }
                Some(pending)
            }
            Some(Slot::Ready(_) | Slot::Handled | Slot::Acknowledge) | None => None,
        }
    }

    /// An answer has been dealt with: what waited for it goes out.
    pub(crate) fn settle(&mut self) {
        if self.handled_after_hold && self.hold.is_none() {
            self.handled_after_hold = false;
            self.slots.push_back(Slot::Handled);
        }
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(slot) = self.slots.pop_front() {
            match slot {
                Slot::Answer(..) => {
                    self.slots.push_front(slot);
                    return;
                }
                Slot::Ready(parts) => self.outputs.extend(parts.into_iter().map(Output::Send)),
                Slot::Handled => self.handled = self.handled.map(|handled| handled.wrapping_add(1)),
                Slot::Acknowledge => self.acknowledge(),
            }
        }
    }

    /// Whether the client is still owed something.
    pub(crate) fn owes(&self) -> bool {
        !self.slots.is_empty()
    }

    /// Whether input is to wait.
    pub(crate) fn is_blocked(&self) -> bool {
        self.hold.is_some() || self.slots.len() >= SLOTS_MAX
    }

    /// Starts to count handled stanzas (XEP-0198 section 4).
    pub(crate) fn count_handled(&mut self) {
        self.handled = Some(0);
    }

    /// Whether handled stanzas are counted.
    pub(crate) fn is_counting(&self) -> bool {
        self.handled.is_some()
    }

    /// The stanza that has just been dispatched is handled once its answers are out.
    pub(crate) fn mark_handled(&mut self) {
        if self.hold.is_some() {
            self.handled_after_hold = self.is_counting();
        } else if self.is_counting() {
            self.push(Slot::Handled);
        }
    }

    /// The client asks for an acknowledgement.
    pub(crate) fn request_acknowledgement(&mut self) {
        if self.is_counting() {
            self.push(Slot::Acknowledge);
        }
    }

    /// Text that nobody can guess and that never comes twice: for stream ids, nonces, resources.
    pub(crate) fn token(&mut self) -> String {
        blake3::Hash::from(self.random()).to_hex().as_str().get(..32).unwrap_or_default().to_owned()
    }

    /// Random bytes from the connection's seed.
    pub(crate) fn random(&mut self) -> [u8; 32] {
        self.tokens += 1;
        *blake3::Hasher::new_derive_key("lavina 1 xmpp token")
            .update(&self.connection.seed.to_be_bytes())
            .update(&self.tokens.to_be_bytes())
            .finalize()
            .as_bytes()
    }

    fn acknowledge(&mut self) {
        let handled = self.handled.unwrap_or_default().to_string();
        let element = Element::new("a", super::ns::SM).attr("h", handled);
        self.send_bytes(element.to_stanza());
    }

    fn issue(&mut self, command: Command) -> CommandId {
        self.next_command += 1;
        let id = CommandId(self.next_command);
        self.outputs.push_back(Output::Command(id, command));
        id
    }

    fn push(&mut self, slot: Slot) {
        self.slots.push_back(slot);
        self.flush();
    }

    fn head(&self, name: &str) -> Bytes {
        match (&self.heads, name) {
            (Some(heads), "iq") => heads.iq.clone(),
            (Some(heads), "message") => heads.message.clone(),
            (Some(heads), "presence") => heads.presence.clone(),
            (Some(_), _) | (None, _) => Bytes::from(format!("<{name}")),
        }
    }

    fn render(&self, stanza: &Element) -> Vec<Bytes> {
        vec![self.head(&stanza.name), Bytes::from(stanza.to_stanza_tail())]
    }
}
