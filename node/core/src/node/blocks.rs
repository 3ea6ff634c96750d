//! Who does not want to hear of whom (XEP-0191): registers of the blocking account, so that every node of the mesh refuses alike.
//!
//! The blocked account learns no more than that the other is not there.

use super::commands::Asker;
use super::{Node, SessionNumber};
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::Principal;
use lavina_crdt::ids::SessionId;
use lavina_crdt::names::AccountName;
use lavina_protocols::command::{Refusal, Reply};
use lavina_protocols::event::Event;

/// Before the keys of the registers, which end in the blocked account's name.
const PREFIX: &str = "blocked/";
/// Most accounts that one account blocks.
const BLOCKED_MAX: usize = 1_000;

impl<S: Store> Node<S> {
    /// Whom the asker's account blocks.
    pub(super) fn blocked(&self, number: SessionNumber) -> Result<Reply, Refusal> {
        let (account, _) = self.logged_in(number)?;
        Ok(Reply::Accounts(self.blocked_by(&account)))
    }

    fn blocked_by(&self, account: &AccountName) -> Vec<AccountName> {
        let registers = self.replicas.account(account).map(|account| account.registers().iter(PREFIX));
        let names = registers.into_iter().flatten().filter_map(|(key, _)| key.strip_prefix(PREFIX));
        names.filter_map(|name| AccountName::any(name).ok()).collect()
    }

    pub(super) fn block(&mut self, now: Now, asker: &Asker, whom: &[AccountName], on: bool) -> Result<Reply, Refusal> {
        let account = asker.record.account.clone().ok_or(Refusal::NeedsAccount)?;
        if on && self.blocked_by(&account).len() + whom.len() > BLOCKED_MAX {
            return Err(Refusal::TooMany("blocked accounts"));
        }
        for other in whom {
            if *other == account || self.blocks(&account, other) == on {
                continue;
            }
            let author = self.author(asker.session, &asker.record, &asker.record.nick);
            let value = if on { b"1".to_vec() } else { Vec::new() };
            self.set_register(now, account.clone(), author, format!("{PREFIX}{other}"), value)?;
        }
        Ok(Reply::Done)
    }

    /// Whether an account blocks another.
    pub(super) fn blocks(&self, account: &AccountName, other: &AccountName) -> bool {
        let blocks = |name: &str| self.register(account, &format!("{PREFIX}{name}")).is_some();
        // Who blocks another server blocks everybody there (XEP-0191 section 3).
        blocks(other.as_str()) || other.domain().is_some_and(|domain| blocks(&format!("@{domain}")))
    }

    /// Whether two accounts see one another's presence, as far as blocks go.
    pub(super) fn is_between(&self, one: &AccountName, other: &AccountName) -> bool {
        self.blocks(one, other) || self.blocks(other, one)
    }

    /// Whether one may say something to another.
    pub(super) fn may_reach(&self, from: &Principal, to: &Principal) -> Result<(), Refusal> {
        match (from, to) {
            (Principal::Account(from), Principal::Account(to)) if self.blocks(from, to) => Err(Refusal::Blocked),
            (Principal::Account(from), Principal::Account(to)) if self.blocks(to, from) => Err(Refusal::NoSuchNick),
            (Principal::Account(_) | Principal::Guest(_), _) => Ok(()),
        }
    }

    /// A register says that somebody is blocked, or no more: the account's sessions here are told, and the other's see its sessions go or come.
    pub(super) fn on_block_register(&mut self, account: &AccountName, key: &str) {
        let Some(other) = key.strip_prefix(PREFIX).and_then(|name| AccountName::any(name).ok()) else { return };
        let on = self.blocks(account, &other);
        let own = self.xmpp_sessions(account, false);
        self.sessions.deliver(own, Event::Blocked { account: other.clone(), on }, &mut self.out);
        if !self.rosters.watchers(account).any(|watcher| *watcher == other) || self.blocks(&other, account) {
            return;
        }
        let to = self.xmpp_sessions(&other, false);
        let sessions: Vec<SessionId> = self.people.directory().sessions_of(account).collect();
        for session in sessions {
            let Some(person) = self.person(session).filter(|person| person.record.available) else { continue };
            self.sessions.deliver(to.clone(), Event::ContactPresence { person, available: !on }, &mut self.out);
        }
    }
}
