//! Somebody of another server, while there is something to do for them: the same machine that serves clients of this one, without a stream.
//!
//! Who has no place in a room has no session in the core: what the machine asks goes through the gateway. For a place in a room a session is opened
//! ([`Stage`]), which ends with the last place.

use super::super::bind;
use super::super::client::Client;
use super::super::element::Element;
use super::super::jid::{Address, Domains};
use super::super::link::Link;
use super::super::ns;
use super::super::pending::Pending;
use super::super::presence::change_of;
use super::super::xml::{Limits, Parser, Token};
use super::told;
use crate::abroad::Remote;
use crate::command::{Command, CommandId, Open, PresenceChange, Refusal, Reply};
use crate::event::{Conversation, Event};
use crate::flood::Bucket;
use crate::render::Renders;
use crate::session::{Connection, Output, SessionConfig};
use lavina_crdt::clock::Now;
use lavina_crdt::ids::{NodeId, SessionId};
use std::collections::VecDeque;
use std::sync::Arc;

/// Stanzas of one client that wait until what came before them is done.
const WAITING_MAX: usize = 256;
/// The command by which a session logs in; the machine's own are counted from one.
pub(super) const LOG_IN: CommandId = CommandId(1 << 62);
/// And by which it is opened.
pub(super) const OPEN: CommandId = CommandId((1 << 62) + 1);

/// Whether there is a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// None, and none is needed.
    Nowhere,
    /// It is being asked whether another node has one.
    Asking,
    /// One is being opened, under the name of so many tries.
    Opening(u64, u8),
    /// There is one.
    Open(u64),
}

/// What is to be done before the next stanza of theirs is handled.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing: it has been handled.
    Handled,
    /// Nothing can be done at the moment, or there is no stanza.
    Wait,
    /// They have said much in rooms: nothing is to be done until then, microseconds.
    Later(u64),
    /// It is to be asked whether another node has the session that the stanza is for.
    Ask(Element),
    /// A session is to be opened.
    Open,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) link: Link,
    pub(super) client: Client,
    pub(super) stage: Stage,
    /// How much they may say in rooms.
    bucket: Bucket,
    /// Stanzas that wait, and whether it is known that no other node has a session for them.
    waiting: VecDeque<(Element, bool)>,
}

impl Person {
    pub(super) fn new(now: Now, config: &Arc<SessionConfig>, remote: &Remote, seed: u64) -> Self {
        let domain = remote.account.domain().unwrap_or_default().to_owned();
        let connection = Connection { host: domain, tls: None, starttls: false, framed: false, gateway: false, seed };
        let mut link = Link::new(now, Arc::clone(config), connection);
        let nobody = SessionId { node: NodeId([0; 32]), number: 0 };
        let resource = remote.resource.clone().unwrap_or_default();
        let mut client = Client::new(&link.domains, remote.account.clone(), resource, nobody);
        client.full = told::address(&link.domains, remote);
        link.address(&client.full);
        Self { link, client, stage: Stage::Nowhere, bucket: Bucket::new(config.flood), waiting: VecDeque::new() }
    }

    /// Takes a stanza of theirs; `false` when too many wait.
    pub(super) fn push(&mut self, mut stanza: Element, checked: bool) -> bool {
        if self.waiting.len() >= WAITING_MAX {
            return false;
        }
        stanza.set_attr("from", self.client.full.as_str());
        self.waiting.push_back((stanza, checked));
        true
    }

    /// The stanza that waits first is done with.
    pub(super) fn pop(&mut self) -> Option<Element> {
        self.waiting.pop_front().map(|(stanza, _)| stanza)
    }

    /// No other node has the session that the first stanza is for.
    pub(super) fn check(&mut self) {
        if let Some((_, checked)) = self.waiting.front_mut() {
            *checked = true;
        }
    }

    /// Goes on with what waits.
    pub(super) fn step(&mut self, now: Now) -> Step {
        self.link.now = now;
        if self.link.is_blocked() || matches!(self.stage, Stage::Asking | Stage::Opening(..)) {
            return Step::Wait;
        }
        let Some((stanza, checked)) = self.waiting.front() else { return Step::Wait };
        let place = place_of(&self.link.domains, stanza);
        if self.stage == Stage::Nowhere && place.is_some() {
            if !checked {
                return Step::Ask(stanza.clone());
            }
            if place == Some(true) {
                return Step::Open;
            }
        }
        if place.is_some()
            && let Err(until) = self.bucket.take(now)
        {
            return Step::Later(until);
        }
        let Some(stanza) = self.pop() else { return Step::Wait };
        if matches!(self.stage, Stage::Open(_)) && stanza.name == "presence" && stanza.get_attr("type").is_none() {
            let change = PresenceChange { available: None, ..change_of(&stanza, true) };
            self.link.ask(Command::SetPresence(change), Pending::Nothing);
        }
        // What would end a client's stream says nothing here.
        let _ = self.client.on_element(&mut self.link, stanza);
        Step::Handled
    }

    /// How a session is opened.
    pub(super) fn open(&self, tried: u8) -> Option<Open> {
        let account = &self.client.account;
        Some(Open {
            nick: bind::nick_for(account, tried)?,
            user: if account.local().is_empty() { "server" } else { account.local() }.to_owned(),
            realname: account.to_string(),
            resource: Some(self.client.resource.clone()),
            available: false,
        })
    }

    pub(super) fn on_answer(&mut self, now: Now, id: CommandId, answer: Result<Reply, Refusal>) {
        self.link.now = now;
        match self.link.take(id) {
            Some(Pending::Client(awaited)) => self.client.on_answer(&mut self.link, *awaited, answer),
            Some(
                Pending::Nothing | Pending::Login(_) | Pending::Registration(_) | Pending::Bind(_) | Pending::Inline(_),
            )
            | None => {}
        }
        self.link.settle();
    }

    /// What the core tells their session. What is said to them outside rooms goes to them by the gateway of who says it.
    pub(super) fn on_event(&mut self, now: Now, event: &Arc<Event>, renders: &mut Renders) {
        let is_direct = matches!(
            event.as_ref(),
            Event::Said(said) if matches!(said.conversation, Conversation::Direct { .. })
        );
        if !is_direct {
            self.link.now = now;
            self.client.on_event(&mut self.link, event, renders);
        }
    }

    /// What the machine asks of the core, and what it says to them.
    pub(super) fn drain(&mut self) -> (Vec<(CommandId, Command)>, Vec<Element>) {
        let (mut commands, mut said) = (Vec::new(), Vec::new());
        while let Some(output) = self.link.poll_output() {
            match output {
                Output::Command(id, command) => commands.push((id, command)),
                Output::Send(bytes) => said.extend_from_slice(&bytes),
                Output::StartTls
                | Output::Relayed { .. }
                | Output::Close
                | Output::Keep(_)
                | Output::Forget(..)
                | Output::Resume(_) => {}
            }
        }
        (commands, parse_all(&said))
    }

    /// Whether nothing is left to do for them.
    pub(super) fn is_done(&self) -> bool {
        let is_settled = match self.stage {
            Stage::Nowhere => true,
            Stage::Open(_) => self.client.rooms.is_empty(),
            Stage::Asking | Stage::Opening(..) => false,
        };
        is_settled && self.waiting.is_empty() && !self.link.owes()
    }
}

/// Whether a stanza is for a room, and whether it asks to be let in.
fn place_of(domains: &Domains, stanza: &Element) -> Option<bool> {
    match domains.parse(stanza.get_attr("to")?) {
        Ok(Address::Occupant(..)) => {
            let enters = stanza.name == "presence" && stanza.get_attr("type").is_none();
            Some(enters && stanza.get("x", ns::MUC).is_some())
        }
        Ok(Address::Room(_)) => Some(false),
        Ok(Address::Server | Address::Account(..) | Address::Rooms | Address::Guest(_) | Address::Foreign) | Err(_) => {
            None
        }
    }
}

/// Stanzas that follow one another, as a client's stream has them.
fn parse_all(bytes: &[u8]) -> Vec<Element> {
    // What this node writes itself breaks no bound.
    let mut parser = Parser::new(Limits { stanza_bytes: usize::MAX, elements: usize::MAX });
    parser.push(format!("<r xmlns='{}'>", ns::CLIENT).as_bytes());
    parser.push(bytes);
    let mut stanzas = Vec::new();
    while let Some(Ok(token)) = parser.next() {
        if let Token::Stanza(stanza) = token {
            stanzas.push(stanza);
        }
    }
    stanzas
}
