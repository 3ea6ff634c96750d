//! How far an account has read (IRCv3 `draft/read-marker`): a register of its scope for each conversation, told to all its sessions on all nodes.

use super::{Node, SessionNumber};
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::names::{AccountName, RoomName};
use lavina_protocols::command::{Marked, Refusal, Reply};
use lavina_protocols::event::Event;

/// Where the registers' keys begin.
const PREFIX: &str = "mark/";
/// Longest name of somebody, bytes.
const NAME_BYTES_MAX: usize = 128;

fn key(of: &Marked) -> String {
    match of {
        Marked::Room(room) => format!("{PREFIX}#{room}"),
        Marked::Person(name) => format!("{PREFIX}@{}", name.to_lowercase()),
    }
}

fn parse(key: &str) -> Option<Marked> {
    let name = key.strip_prefix(PREFIX)?;
    match name.strip_prefix('#') {
        Some(room) => RoomName::new(room).ok().map(Marked::Room),
        None => name.strip_prefix('@').map(|name| Marked::Person(name.to_owned())),
    }
}

impl<S: Store> Node<S> {
    /// Asks for a mark, or moves it on; it never goes back.
    pub(super) fn mark(
        &mut self,
        now: Now,
        number: SessionNumber,
        of: &Marked,
        at_ms: Option<u64>,
    ) -> Result<Reply, Refusal> {
        let (account, author) = self.logged_in(number)?;
        if matches!(of, Marked::Person(name) if name.is_empty() || name.len() > NAME_BYTES_MAX) {
            return Err(Refusal::NoSuchNick);
        }
        let known = self.mark_of(&account, &key(of));
        match at_ms.filter(|at_ms| known.is_none_or(|known| *at_ms > known)) {
            None => Ok(Reply::Mark(known)),
            Some(at_ms) => {
                self.set_register(now, account, author, key(of), at_ms.to_be_bytes().to_vec())?;
                Ok(Reply::Mark(Some(at_ms)))
            }
        }
    }

    fn mark_of(&self, account: &AccountName, key: &str) -> Option<u64> {
        self.register(account, key)?.try_into().ok().map(u64::from_be_bytes)
    }

    /// A register changed: tells the account's sessions here, without the one that asked for it, when it is a mark.
    pub(super) fn on_mark(&mut self, account: &AccountName, key: &str) {
        let (Some(of), Some(at_ms)) = (parse(key), self.mark_of(account, key)) else { return };
        let actor = self.acting.map(|(number, _)| number);
        let sessions = self.people.directory().sessions_of(account);
        let local = sessions.filter_map(|session| self.sessions.number(session));
        let to: Vec<SessionNumber> = local.filter(|number| Some(*number) != actor).collect();
        self.sessions.deliver(to, Event::Marked { of, at_ms }, &mut self.out);
    }
}
