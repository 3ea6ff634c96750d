//! The way out of a session: bytes to the client, commands to the core, and the order between them.
//!
//! What a client is told keeps the order of what it asked (RFC 6120 section 10.1): an answer that is known at once waits behind those that the core
//! still owes. [`Link::reply`] is for such answers, [`Link::send`] for everything that is due at this moment: events, and the answer
//! that has just come in.

use super::element::Element;
use super::error::StreamError;
use super::jid::Domains;
use super::ns;
use super::pending::Pending;
use super::quiet::Quiet;
use super::unacked::{Sent, Unacked};
use crate::command::{Command, CommandId};
use crate::session::{Connection, Output, ResumptionKey, SessionConfig};
use bytes::Bytes;
use lavina_crdt::clock::Now;
use std::collections::VecDeque;
use std::sync::Arc;

/// Answers a session may be owed before it stops reading: enough to pipeline a start with many rooms, small enough that one session's
/// backlog stays in the tens of kilobytes.
const SLOTS_MAX: usize = 64;

/// What an idle connection may keep of its output queue: a message is two outputs.
const IDLE_QUEUE_LEN_MAX: usize = 8;

/// Stanzas of presence alone that may wait until an acknowledgement is asked for.
const UNASKED_PRESENCES_MAX: u32 = 32;

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
    /// Stanzas sent since then.
    unacked: Option<Unacked>,
    /// By what the client may come back over another connection.
    key: Option<ResumptionKey>,
    attachment: Attachment,
    /// What waits while nobody looks at the client (XEP-0352).
    pub(super) quiet: Quiet,
}

/// Whether there is a connection to send over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attachment {
    /// There is.
    Attached,
    /// There was; what is sent waits for another one.
    Detached,
    /// There is another one, and what the core owes from before comes first.
    Resuming,
}

/// One thing the client is owed, in order.
#[derive(Debug)]
enum Slot {
    /// The core's answer to a command, and what it was asked for.
    Answer(CommandId, Pending),
    /// A stanza that is ready.
    Ready(Sent),
    /// Bytes that are ready and no stanza.
    Nonza(Bytes),
    /// A stanza is handled when everything before is done.
    Handled,
    /// XEP-0198 `<a/>`.
    Acknowledge,
    /// The answer to `<enable/>`; what is sent after it counts.
    Enabled(Element, Option<ResumptionKey>),
    /// The answer to `<resume/>` goes into this element, or is one of its own; then what the client has not got is sent again.
    Resumed(Option<Element>),
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
            unacked: None,
            key: None,
            attachment: Attachment::Attached,
            quiet: Quiet::default(),
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
        let sent = self.render(stanza);
        self.send_stanza(sent);
    }

    /// Sends a stanza with the address it has: one to the bare JID stays so (RFC 6121 section 8.5.2.1).
    pub(crate) fn send_unchanged(&mut self, stanza: &Element) {
        self.send_stanza(Sent::whole(stanza.to_stanza()));
    }

    /// Sends the rest of a stanza of that name, as [`Element::to_stanza_tail`] gives it.
    pub(crate) fn send_tail(&mut self, name: &str, tail: Bytes) {
        self.send_stanza(Sent { head: self.head(name), tail });
    }

    /// Sends presences that follow one another, each as [`Element::to_stanza`] gives it.
    pub(crate) fn send_presences(&mut self, presences: &Bytes) {
        const OPEN: &[u8] = b"<presence";
        let mut rest = presences.clone();
        while !rest.is_empty() {
            // No presence holds another one, and no text a `<`.
            let next = rest.windows(OPEN.len()).skip(1).position(|window| window == OPEN);
            let one = rest.split_to(next.map_or(rest.len(), |next| next + 1));
            self.send_stanza(Sent::whole(one));
        }
    }

    /// Sends a stanza now, or when somebody looks at the client again.
    fn send_stanza(&mut self, stanza: Sent) {
        if self.quiet.is_off() {
            self.write_stanza(stanza);
            return;
        }
        for stanza in self.quiet.pass(stanza) {
            self.write_stanza(stanza);
        }
    }

    /// **Invariant:** everything that a client is sent as a stanza goes through here, so that it is counted.
    fn write_stanza(&mut self, stanza: Sent) {
        let Some(unacked) = &mut self.unacked else {
            self.send_bytes(stanza.head);
            self.send_bytes(stanza.tail);
            return;
        };
        if !unacked.push(&stanza, self.now.wall_ms)
            && let Some(key) = self.key.take()
        {
            self.outputs.push_back(Output::Forget(key, self.handled.unwrap_or_default()));
        }
        let pressing = stanza.is_pressing();
        self.send_bytes(stanza.head);
        self.send_bytes(stanza.tail);
        self.ask_for_acknowledgement(pressing);
    }

    fn ask_for_acknowledgement(&mut self, pressing: bool) {
        let Some(unacked) = &mut self.unacked else { return };
        if unacked.keeps() && !unacked.asked && (pressing || unacked.waiting() >= UNASKED_PRESENCES_MAX) {
            unacked.asked = self.attachment == Attachment::Attached;
            self.send_bytes(Element::new("r", ns::SM).to_stanza());
        }
    }

    /// Sends bytes as they are.
    pub(crate) fn send_bytes(&mut self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        if self.attachment == Attachment::Attached && !bytes.is_empty() {
            self.outputs.push_back(Output::Send(bytes));
        }
    }

    /// Sends a stanza behind the answers that the core still owes.
    pub(crate) fn reply(&mut self, stanza: &Element) {
        let sent = self.render(stanza);
        self.push(Slot::Ready(sent));
    }

    /// Sends an element that is no stanza behind the answers that the core still owes.
    pub(crate) fn reply_nonza(&mut self, element: &Element) {
        self.push(Slot::Nonza(Bytes::from(element.to_stanza())));
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
        if let Some(key) = self.key.take() {
            self.outputs.push_back(Output::Forget(key, self.handled.unwrap_or_default()));
        }
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
            Some(
                Slot::Ready(_)
                | Slot::Nonza(_)
                | Slot::Handled
                | Slot::Acknowledge
                | Slot::Enabled(..)
                | Slot::Resumed(_),
            )
            | None => None,
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
                Slot::Ready(stanza) => self.send_stanza(stanza),
                Slot::Nonza(bytes) => self.send_bytes(bytes),
                Slot::Handled => self.handled = self.handled.map(|handled| handled.wrapping_add(1)),
                Slot::Acknowledge => self.acknowledge(),
                Slot::Enabled(enabled, key) => self.enable(&enabled, key),
                Slot::Resumed(success) => self.resume(success),
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

    /// Stream management begins (XEP-0198 section 3): stanzas handled are counted from here on, and those sent from when `enabled` goes out.
    pub(crate) fn start_counting(&mut self, enabled: Element, key: Option<ResumptionKey>) {
        self.handled = Some(0);
        self.push(Slot::Enabled(enabled, key));
    }

    /// The same at once, for an answer that carries `<enabled/>` inside.
    pub(crate) fn count_from_here(&mut self, key: Option<ResumptionKey>) {
        self.handled = Some(0);
        self.unacked = Some(Unacked::new(key.is_some()));
        self.key.clone_from(&key);
        self.outputs.extend(key.map(Output::Keep));
    }

    fn enable(&mut self, enabled: &Element, key: Option<ResumptionKey>) {
        let handled = self.handled;
        self.send_bytes(enabled.to_stanza());
        self.count_from_here(key);
        self.handled = handled;
    }

    /// By what the client may come back, where it may.
    pub(crate) fn key(&self) -> Option<&ResumptionKey> {
        self.key.as_ref()
    }

    /// The client cannot come back after all.
    pub(crate) fn drop_key(&mut self) {
        self.key = None;
    }

    /// Whether the client's connection is gone.
    pub(crate) fn is_detached(&self) -> bool {
        self.attachment == Attachment::Detached
    }

    /// Whether the connection is gone and none can take its place.
    pub(crate) fn is_lost(&self) -> bool {
        self.attachment != Attachment::Attached && self.key.is_none()
    }

    /// The connection is gone: what is sent waits for another one.
    pub(crate) fn detach(&mut self) {
        // What nobody looked at is owed as well, and a stream begins with somebody who looks (XEP-0352 section 4.2).
        self.attachment = Attachment::Detached;
        self.slots.retain(|slot| !matches!(slot, Slot::Resumed(_)));
        self.wake();
    }

    /// Another connection is there, over which the client has got so many stanzas in all; `success` is what `<resumed/>` is to go into.
    pub(crate) fn attach(
        &mut self,
        connection: Connection,
        handled: u32,
        success: Option<Element>,
    ) -> Result<(), StreamError> {
        self.connection = connection;
        self.attachment = Attachment::Attached;
        if let Some(unacked) = &mut self.unacked {
            unacked.acknowledge(handled).map_err(StreamError::handled_too_high)?;
        }
        self.attachment = Attachment::Resuming;
        // The client must not be told less than what the core still works on, or it would say that again.
        self.push(Slot::Resumed(success));
        Ok(())
    }

    fn resume(&mut self, success: Option<Element>) {
        let (Some(key), Some(unacked)) = (&self.key, &mut self.unacked) else { return };
        let resumed = Element::new("resumed", ns::SM)
            .attr("previd", key.id.as_str())
            .attr("h", self.handled.unwrap_or_default().to_string());
        let again = unacked.again(&self.domains.server, self.now.wall_ms);
        unacked.asked = false;
        let pressing = unacked.is_pressing();
        self.attachment = Attachment::Attached;
        match success {
            Some(success) => {
                self.send_bytes(success.child(resumed).to_stanza());
                self.send_bytes(super::stream::write_features(&super::stream::features_when_bound(&self.config, true)));
            }
            None => self.send_bytes(resumed.to_stanza()),
        }
        for stanza in again {
            self.send_bytes(stanza.head);
            self.send_bytes(stanza.tail);
        }
        self.ask_for_acknowledgement(pressing);
    }

    /// XEP-0198 `<a/>`.
    pub(crate) fn on_acknowledgement(&mut self, handled: u32) -> Result<(), StreamError> {
        let Some(unacked) = &mut self.unacked else { return Ok(()) };
        unacked.asked = false;
        unacked.acknowledge(handled).map_err(StreamError::handled_too_high)?;
        let waits = unacked.is_pressing();
        self.ask_for_acknowledgement(waits);
        Ok(())
    }

    /// The client tells another session how many stanzas it has got here.
    pub(crate) fn on_last_acknowledgement(&mut self, handled: u32) {
        // More than it was sent is not to be believed; then it has what it has said here.
        let _ = self.unacked.as_mut().map(|unacked| unacked.acknowledge(handled));
    }

    /// Stanzas that the client never acknowledged.
    pub(crate) fn unread(&self) -> Vec<Element> {
        self.unacked.as_ref().map(|unacked| unacked.unread().collect()).unwrap_or_default()
    }

    /// Somebody looks at the client again (XEP-0352): what was held back goes out.
    pub(crate) fn wake(&mut self) {
        for stanza in self.quiet.end() {
            self.write_stanza(stanza);
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
        let element = Element::new("a", ns::SM).attr("h", handled);
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

    fn render(&self, stanza: &Element) -> Sent {
        Sent { head: self.head(&stanza.name), tail: Bytes::from(stanza.to_stanza_tail()) }
    }
}
