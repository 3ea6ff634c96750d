//! Direct messages that found nobody who takes them. Where they begin is a register of the receiver's account, one for each account that has said
//! such a message, so that what is said on both sides of a cut merges; the messages themselves are in the history. The next session that takes
//! messages, at whatever node, asks once where they begin, and is given what follows. What guests say is in the history alone.
//!
//! Who takes a message may be at a node that is lost and not known to be: it waits as well once that is known, unless a client was given it before, which
//! that client's node says ([`crate::underway`]).

use super::{Node, SessionNumber};
use crate::signal::Signal;
use crate::store::Store;
use crate::underway::{Sent, UNDERWAY_MS};
use lavina_crdt::clock::Now;
use lavina_crdt::content::{Author, MessageKind, Principal};
use lavina_crdt::ids::{MsgId, NodeId, SessionId};
use lavina_crdt::names::AccountName;
use lavina_crdt::presence::SessionRecord;
use lavina_protocols::command::Refusal;
use lavina_protocols::event::{Conversation, Event, Said};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Before the name of who has said it.
const WAITING: &str = "waiting/";

/// For how long a message may not have reached who was there, milliseconds: until its node is known to be lost, and others know that it waits.
const FRESH_MS: u64 = 2 * UNDERWAY_MS;

impl<S: Store> Node<S> {
    /// The sessions of an account that take messages which are for the account. One behind a cut may be gone with its node: if it is not, it has
    /// what was said once the cut is over.
    fn takers(&self, account: &AccountName) -> impl Iterator<Item = (SessionId, &Arc<SessionRecord>)> {
        let sessions = self.people.directory().sessions_of(account);
        let records = sessions.filter_map(|session| Some((session, self.people.get(session)?)));
        records.filter(|(session, record)| {
            record.available && record.priority >= 0 && self.splits.since(session.node).is_none()
        })
    }

    /// The nodes of the sessions that something is given to which is kept for an account, for a resource or for all. What is for a client that is
    /// there, however reachable it says to be, goes to it (RFC 6121 section 8.5.3.1).
    fn given_at(&self, account: &AccountName, resource: Option<&str>) -> BTreeSet<NodeId> {
        let has_it = |session: &SessionId| {
            let record = self.people.get(*session);
            record.is_some_and(|record| record.resource.as_deref() == resource)
                && self.splits.since(session.node).is_none()
        };
        let named =
            self.people.directory().sessions_of(account).filter(|session| resource.is_some() && has_it(session));
        named.chain(self.takers(account).map(|(session, _)| session)).map(|session| session.node).collect()
    }

    /// Something was said by a session of this node's: where nobody is there to take it, it waits.
    pub(super) fn note_waiting(&mut self, now: Now, said: &Said) -> Result<(), Refusal> {
        let Some((account, resource)) = kept_for(said) else { return Ok(()) };
        let nodes = self.given_at(account, resource);
        let (account, author) = (account.clone(), said.author.as_ref().clone());
        if nodes.is_empty() {
            return self.wait(now, &account, author, said.id);
        }
        if !nodes.contains(&self.me()) {
            self.underway.add(now, Sent { id: said.id, account, author }, nodes);
        }
        Ok(())
    }

    /// Something was shown to sessions here: the node at which it was said is told, should this one be lost. What is older comes from the history.
    pub(super) fn say_got(&mut self, now: Now, said: &Said) {
        let by = said.author.session;
        let is_fresh = now.wall_ms.saturating_sub(said.id.hlc().ms()) < UNDERWAY_MS;
        if by.node != self.me()
            && is_fresh
            && let Some((account, resource)) = kept_for(said)
            && self.given_at(account, resource).contains(&self.me())
        {
            self.signal(now, by, &Signal::Got(said.id));
        }
    }

    /// A node is lost, or has forgotten its sessions: what was said for these alone, and none of them was given, waits.
    pub(super) fn note_lost(&mut self, now: Now, node: NodeId) {
        let mut noted = BTreeSet::new();
        for Sent { id, account, author } in self.underway.lose(now, node) {
            // They are in order, and what waits from one on covers all that follow.
            if noted.insert((account.clone(), author.account.clone())) && self.wait(now, &account, author, id).is_err()
            {
                self.count("waiting_not_noted");
            }
        }
    }

    fn wait(&mut self, now: Now, account: &AccountName, author: Author, id: MsgId) -> Result<(), Refusal> {
        let Some(writer) = &author.account else { return Ok(()) };
        let key = format!("{WAITING}{writer}");
        if self.register(account, &key).and_then(|value| parse(&value)).is_some_and(|first| first <= id) {
            return Ok(());
        }
        self.set_register(now, account.clone(), author, key, id.to_string().into_bytes())
    }

    /// A session was given messages and has not said that it has got them, from this one on. Another one that was there has them; one that came
    /// later is told of them.
    pub(super) fn waits_from(&mut self, now: Now, number: SessionNumber, id: MsgId) -> Result<(), Refusal> {
        let (account, author) = self.logged_in(number)?;
        let me = self.sessions.id(number);
        let has_it =
            |(session, record): (SessionId, &Arc<SessionRecord>)| session != me && record.signed_on <= id.hlc();
        if self.takers(&account).any(has_it) {
            return Ok(());
        }
        let here = self.taker_here(&account, Some(me));
        match here {
            Some(number) => self.sessions.deliver(vec![number], Event::Waiting(id), &mut self.out),
            None => self.wait(now, &account, author, id)?,
        }
        Ok(())
    }

    /// Of what the account's sessions said to wait, unless somebody was given it, only this message and what follows does.
    pub(super) fn waits_only_from(
        &mut self,
        now: Now,
        number: SessionNumber,
        id: Option<MsgId>,
    ) -> Result<(), Refusal> {
        let (account, author) = self.logged_in(number)?;
        let key = format!("{WAITING}{account}");
        let known = self.register(&account, &key).and_then(|value| parse(&value));
        if known.is_none() || known == id {
            return Ok(());
        }
        let value = id.map(|id| id.to_string().into_bytes()).unwrap_or_default();
        self.set_register(now, account, author, key, value)
    }

    /// A session of this node's that takes an account's messages and asks nobody but its node for what waits.
    fn taker_here(&self, account: &AccountName, without: Option<SessionId>) -> Option<SessionNumber> {
        let with_resource = |(_, record): &(SessionId, &Arc<SessionRecord>)| record.resource.is_some();
        let mut here = self.takers(account).filter(with_resource).filter(|(session, _)| Some(*session) != without);
        here.find_map(|(session, _)| self.sessions.number(session))
    }

    /// Where the messages begin that nobody took; from now on they count as taken.
    pub(super) fn take_waiting(&mut self, now: Now, number: SessionNumber) -> Result<Option<MsgId>, Refusal> {
        let (account, author) = self.logged_in(number)?;
        let Some(view) = self.replicas.account(&account) else { return Ok(None) };
        let set = view.registers().iter(WAITING).filter(|(_, value)| !value.is_empty());
        let waiting: Vec<(String, Option<MsgId>)> = set.map(|(key, value)| (key.to_owned(), parse(value))).collect();
        for (key, _) in &waiting {
            self.set_register(now, account.clone(), author.clone(), key.clone(), Vec::new())?;
        }
        Ok(waiting.into_iter().filter_map(|(_, id)| id).min())
    }

    /// A node says that a message waits, which did not know of a session here that takes it. One that was there when the message was said has got it.
    /// One that came later is told of it where nobody may have got it: a session of the account's own never did, or it was said just now, maybe for
    /// a node that was lost. What was said long ago and is told of now comes from behind a cut, and so does the message itself.
    pub(super) fn on_waiting(&mut self, now: Now, account: &AccountName, key: &str) {
        if !key.starts_with(WAITING) || self.acting.is_some() {
            return;
        }
        let Some(first) = self.register(account, key).and_then(|value| parse(&value)) else { return };
        let Some(number) = self.taker_here(account, None) else { return };
        let Ok((_, author)) = self.logged_in(number) else { return };
        let is_own = key.strip_prefix(WAITING) == Some(account.as_str());
        let is_fresh = now.wall_ms.saturating_sub(first.hlc().ms()) < FRESH_MS;
        let came_later = self.people.get(author.session).is_some_and(|record| record.signed_on > first.hlc());
        if came_later && (is_own || is_fresh) {
            self.sessions.deliver(vec![number], Event::Waiting(first), &mut self.out);
        }
        if self.set_register(now, account.clone(), author, key.to_owned(), Vec::new()).is_err() {
            self.count("waiting_not_noted");
        }
    }
}

/// For whom a message is kept until they have it, and for which of their clients.
fn kept_for(said: &Said) -> Option<(&AccountName, Option<&str>)> {
    let Conversation::Direct { from, to: to @ Principal::Account(account), .. } = &said.conversation else {
        return None;
    };
    let is_kept = matches!(said.content.kind, MessageKind::Message | MessageKind::Letter);
    let waits = from != to && !account.is_remote() && is_kept && said.content.via_room.is_none();
    waits.then_some((account, said.content.to_resource.as_deref()))
}

fn parse(value: &[u8]) -> Option<MsgId> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
