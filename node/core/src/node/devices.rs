//! Devices that are told of what is said to an account while nobody looks: which of it they are told, and where they are.
//!
//! A device is a register of its account, so every node knows it. It is told by the home of who says something, once: of direct messages, and of
//! what names its owner in a room that they are in. What the register holds is the shell's and the protocol's matter.

use super::{Node, SessionNumber};
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::{MessageKind, Principal};
use lavina_crdt::ids::SessionId;
use lavina_crdt::names::{AccountName, RoomName};
use lavina_crdt::room::Rank;
use lavina_protocols::command::Refusal;
use lavina_protocols::event::{Conversation, Said};
use lavina_protocols::push;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::access::CLIENT_REGISTERS;
use super::invitations::own_author;
use super::io::{Device, Output};

/// Most devices of an account: a person has a few, and every message costs a request to each.
const DEVICES_MAX: usize = 8;

/// The accounts that have devices, with these by the keys of their registers.
pub(super) type Devices = BTreeMap<AccountName, BTreeMap<String, Vec<u8>>>;

fn prefix() -> String {
    format!("{CLIENT_REGISTERS}{}", push::PREFIX)
}

impl<S: Store> Node<S> {
    /// Whether a register is a device.
    pub(super) fn is_device(key: &str) -> bool {
        key.strip_prefix(CLIENT_REGISTERS).is_some_and(|key| key.starts_with(push::PREFIX))
    }

    /// An account's registers may say something else than before of its devices.
    pub(super) fn learn_devices(&mut self, account: &AccountName) {
        let prefix = prefix();
        let view = self.replicas.account(account);
        let set = view.into_iter().flat_map(|view| view.registers().iter(&prefix));
        let devices: BTreeMap<String, Vec<u8>> = set
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| (key.to_owned(), value.to_vec()))
            .take(DEVICES_MAX)
            .collect();
        if devices.is_empty() {
            self.devices.remove(account);
        } else {
            self.devices.insert(account.clone(), devices);
        }
    }

    /// Whether an account may have one more device, or has this one already.
    pub(super) fn may_add_device(&self, number: SessionNumber, key: &str) -> Result<(), Refusal> {
        let (account, _) = self.logged_in(number)?;
        let full = self.devices.get(&account).is_some_and(|devices| {
            devices.len() >= DEVICES_MAX && !devices.contains_key(&format!("{CLIENT_REGISTERS}{key}"))
        });
        if full { Err(Refusal::TooMany("devices")) } else { Ok(()) }
    }

    /// A device's push service knows nothing of it any more.
    pub(super) fn on_device_gone(&mut self, now: Now, account: AccountName, key: String) {
        if !Self::is_device(&key) || self.register(&account, &key).is_none() {
            return;
        }
        // Of no session: what the account's service says is taken for the account's own word.
        let Some(author) = own_author(SessionId { node: self.me(), number: 0 }, &account, "") else { return };
        if self.set_register(now, account, author, key, Vec::new()).is_err() {
            self.count("devices_not_forgotten");
        }
    }

    /// Something was said by a session of this node.
    pub(super) fn tell_devices(&mut self, said: &Arc<Said>) {
        let is_told = matches!(said.content.kind, MessageKind::Message | MessageKind::Letter | MessageKind::Notice);
        if self.devices.is_empty() || !is_told || said.content.redaction().is_some() {
            return;
        }
        let devices: Vec<Device> = match &said.conversation {
            Conversation::Direct { from, to: Principal::Account(to), .. }
                if *from != Principal::Account(to.clone()) =>
            {
                self.devices_of(to)
            }
            Conversation::Direct { .. } => Vec::new(),
            Conversation::Room(room) => {
                let named = self.devices.keys().filter(|account| self.is_named(account, room, said));
                named.flat_map(|account| self.devices_of(account)).collect()
            }
        };
        if !devices.is_empty() {
            self.out.push_back(Output::Push(devices, Arc::clone(said)));
        }
    }

    fn devices_of(&self, account: &AccountName) -> Vec<Device> {
        let all = self.devices.get(account).into_iter().flatten();
        let device = |(key, value): (&String, &Vec<u8>)| Device {
            account: account.clone(),
            key: key.clone(),
            value: value.clone(),
        };
        all.map(device).collect()
    }

    /// Whether somebody who is in a room and sees what is said there is named.
    fn is_named(&self, account: &AccountName, room: &RoomName, said: &Said) -> bool {
        let who = Principal::Account(account.clone());
        let author = said.author.principal();
        if who == author || self.may_reach(&author, &who).is_err() {
            return false;
        }
        let sessions = self.people.directory().sessions_of(account);
        let mut places = sessions.filter_map(|session| self.people.get(session)?.rooms.get(room));
        let is_seen = said.content.least == Rank::None || self.room_state(room).rank(&who) >= said.content.least;
        is_seen && places.any(|place| mentions(&said.content.text, place.nick.as_str()))
    }
}

/// Whether a text has a nick as a word of its own.
fn mentions(text: &str, nick: &str) -> bool {
    let (text, nick) = (text.to_lowercase(), nick.to_lowercase());
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    text.match_indices(&nick).any(|(at, found)| {
        let (before, after) = (text.get(..at), text.get(at + found.len()..));
        !is_part(before.and_then(|before| before.chars().next_back()))
            && !is_part(after.and_then(|after| after.chars().next()))
    })
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn a_name_is_a_word_of_its_own_in_any_case() {
        for text in ["alice: hello", "hello Alice", "(ALICE)", "hey @alice!", "malice and alice"] {
            assert!(mentions(text, "Alice"), "{text}");
        }
        for text in ["malice", "alice2", "alice_away", "al ice", ""] {
            assert!(!mentions(text, "alice"), "{text}");
        }
    }
}
