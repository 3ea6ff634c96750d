//! What people note about themselves: an account's are registers of its scope, a guest's go with its presence. Who is told of a change: those who
//! share a room with the person, who watch the nick, and the person's other sessions.

use super::commands::Asker;
use super::presence::Why;
use super::{Node, SessionNumber};
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::ids::SessionId;
use lavina_crdt::names::AccountName;
use lavina_crdt::notes::{self, NOTES_MAX, Notes};
use lavina_crdt::presence::SessionRecord;
use lavina_crdt::room::Denied;
use lavina_protocols::command::{Refusal, Reply};
use lavina_protocols::event::Event;
use std::collections::BTreeSet;
use std::sync::Arc;

impl<S: Store> Node<S> {
    /// What a session's person notes.
    pub(super) fn notes_of(&self, record: &SessionRecord) -> Option<Arc<Notes>> {
        let notes = match &record.account {
            Some(account) => self.replicas.account(account).map(|account| notes::of_registers(account.registers()))?,
            None => notes::of_payloads(&record.payloads),
        };
        (!notes.is_empty()).then(|| Arc::new(notes))
    }

    pub(super) fn set_note(
        &mut self,
        now: Now,
        asker: &Asker,
        key: String,
        value: Option<String>,
    ) -> Result<Reply, Refusal> {
        if !notes::is_key(&key) || !value.as_deref().is_none_or(notes::is_value) {
            return Err(Refusal::Denied(Denied::Malformed));
        }
        let mut noted = self.notes_of(&asker.record).map(|notes| Notes::clone(&notes)).unwrap_or_default();
        if value.is_some() && !noted.contains_key(&key) && noted.len() >= NOTES_MAX {
            return Err(Refusal::TooMany("notes"));
        }
        if let Some(account) = asker.record.account.clone() {
            let author = self.author(asker.session, &asker.record, &asker.record.nick);
            let bytes = value.unwrap_or_default().into_bytes();
            self.set_register(now, account, author, format!("{}{key}", notes::REGISTERS), bytes)?;
            return Ok(Reply::Done);
        }
        match &value {
            Some(value) => noted.insert(key, value.clone()),
            None => noted.remove(&key),
        };
        let payloads = notes::with_notes(&asker.record.payloads, &noted);
        if payloads != asker.record.payloads {
            let record = SessionRecord { payloads, ..SessionRecord::clone(&asker.record) };
            super::access::check(&record)?;
            self.put_own(now, asker.session, Some(record), &Why { actor: Some(asker.number), ..Why::default() });
        }
        Ok(Reply::Done)
    }

    /// A register of an account has another value: tells of it when it is a note.
    pub(super) fn on_note(&mut self, account: &AccountName, key: &str) {
        let Some(key) = key.strip_prefix(notes::REGISTERS).filter(|key| notes::is_key(key)) else { return };
        let sessions: Vec<SessionId> = self.people.directory().sessions_of(account).collect();
        let Some(first) = sessions.first().and_then(|session| self.person(*session)) else { return };
        let value = first.notes.as_ref().and_then(|notes| notes.get(key).cloned());
        let mut to: BTreeSet<SessionNumber> = BTreeSet::new();
        for session in &sessions {
            to.extend(self.who_may_know_of(*session));
        }
        self.tell_note(to, Event::Noted { person: first, key: key.to_owned(), value });
    }

    /// A guest's record has changed: tells what it notes otherwise than before.
    pub(super) fn on_guest_notes(&mut self, session: SessionId, old: &SessionRecord, new: &SessionRecord) {
        if new.account.is_some() || old.payloads == new.payloads {
            return;
        }
        let (before, after) = (notes::of_payloads(&old.payloads), notes::of_payloads(&new.payloads));
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let Some(person) = self.person(session) else { return };
        let to = self.who_may_know_of(session);
        for key in keys.into_iter().filter(|key| before.get(*key) != after.get(*key)) {
            let value = after.get(key).cloned();
            self.tell_note(to.clone(), Event::Noted { person: person.clone(), key: key.clone(), value });
        }
    }

    /// Sessions here that share a room with a session, watch its nick, or are it.
    fn who_may_know_of(&self, session: SessionId) -> BTreeSet<SessionNumber> {
        let Some(record) = self.people.get(session) else { return BTreeSet::new() };
        let who = crate::people::principal(session, record);
        let in_rooms = self.in_any_but(record.rooms.keys(), None, Some(&who)).into_iter();
        in_rooms.chain(self.watches.of(&record.nick.key())).chain(self.sessions.number(session)).collect()
    }

    /// Without the session that did it.
    fn tell_note(&mut self, mut to: BTreeSet<SessionNumber>, event: Event) {
        if let Some((actor, _)) = self.acting {
            to.remove(&actor);
        }
        self.sessions.deliver(to.into_iter().collect(), event, &mut self.out);
    }
}
