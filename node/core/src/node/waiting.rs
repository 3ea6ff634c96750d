//! Direct messages that found nobody who takes them. Where they begin is a register of the receiver's account, one for each account that has said
//! such a message, so that what is said on both sides of a cut merges; the messages themselves are in the history. The next session that takes
//! messages, at whatever node, asks once where they begin, and is given what follows. What guests say is in the history alone.

use super::{Node, SessionNumber};
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::{Author, MessageKind, Principal};
use lavina_crdt::ids::{MsgId, SessionId};
use lavina_crdt::names::AccountName;
use lavina_protocols::command::Refusal;
use lavina_protocols::event::{Conversation, Said};

/// Before the name of who has said it.
const WAITING: &str = "waiting/";

impl<S: Store> Node<S> {
    /// Whether one of an account's sessions, but for `without`, takes messages that are for the account.
    fn takes_messages(&self, account: &AccountName, without: Option<SessionId>) -> bool {
        let sessions = self.people.directory().sessions_of(account).filter(|session| Some(*session) != without);
        let mut records = sessions.filter_map(|session| self.people.get(session));
        records.any(|record| record.available && record.priority >= 0)
    }

    /// Something was said by a session of this node's: where nobody is there to take it, it waits.
    pub(super) fn note_waiting(&mut self, now: Now, said: &Said) -> Result<(), Refusal> {
        let Conversation::Direct { from, to: to @ Principal::Account(account), .. } = &said.conversation else {
            return Ok(());
        };
        let is_kept = matches!(said.content.kind, MessageKind::Message | MessageKind::Letter);
        if from == to || !is_kept || said.content.via_room.is_some() || self.takes_messages(account, None) {
            return Ok(());
        }
        self.wait(now, &account.clone(), said.author.as_ref().clone(), said.id)
    }

    fn wait(&mut self, now: Now, account: &AccountName, author: Author, id: MsgId) -> Result<(), Refusal> {
        let Some(writer) = &author.account else { return Ok(()) };
        let key = format!("{WAITING}{writer}");
        if self.register(account, &key).and_then(|value| parse(&value)).is_some_and(|first| first <= id) {
            return Ok(());
        }
        self.set_register(now, account.clone(), author, key, id.to_string().into_bytes())
    }

    /// A session ends that was given messages and never said that it has got them, from this one on.
    pub(super) fn waits_from(&mut self, now: Now, number: SessionNumber, id: MsgId) -> Result<(), Refusal> {
        let (account, author) = self.logged_in(number)?;
        if self.takes_messages(&account, Some(self.sessions.id(number))) {
            return Ok(());
        }
        self.wait(now, &account, author, id)
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

    /// Another node says that a message waits, which did not know of a session here that takes it.
    pub(super) fn on_waiting(&mut self, now: Now, account: &AccountName, key: &str) {
        if !key.starts_with(WAITING) || self.acting.is_some() || self.register(account, key).is_none() {
            return;
        }
        let takes = |session: &SessionId| {
            let record = self.people.get(*session).filter(|_| self.sessions.number(*session).is_some());
            record.is_some_and(|record| record.resource.is_some() && record.available && record.priority >= 0)
        };
        let Some(session) = self.people.directory().sessions_of(account).find(takes) else { return };
        let Some(record) = self.people.get(session) else { return };
        let author = self.author(session, record, &record.nick);
        if self.set_register(now, account.clone(), author, key.to_owned(), Vec::new()).is_err() {
            self.count("waiting_not_noted");
        }
    }
}

fn parse(value: &[u8]) -> Option<MsgId> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
