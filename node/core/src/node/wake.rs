//! Clients that are to be woken when something is said to their account ([`lavina_protocols::wake`]).
//!
//! Exactly one node does it. A client with a session is woken by the home of that, which knows whether anybody looks; one without by the node at
//! which the message was said. A session behind a cut counts as none: better woken twice than not at all.

use super::access::CLIENT_REGISTERS;
use super::commands::Asker;
use super::invitations::own_author;
use super::{Node, SessionNumber};
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::{MessageKind, Principal};
use lavina_crdt::names::AccountName;
use lavina_protocols::abroad::{Remote, Told};
use lavina_protocols::command::{Refusal, Reply};
use lavina_protocols::event::{Conversation, Said};
use lavina_protocols::wake::{REGISTERS, WAKES_MAX, Wake};

impl<S: Store> Node<S> {
    fn wakes(&self, account: &AccountName) -> Vec<(String, Wake)> {
        let prefix = format!("{CLIENT_REGISTERS}{REGISTERS}");
        let Some(view) = self.replicas.account(account) else { return Vec::new() };
        let set = view.registers().iter(&prefix).filter_map(|(key, value)| {
            let key = key.strip_prefix(CLIENT_REGISTERS)?;
            Some((key.to_owned(), Wake::decode(value)?))
        });
        set.take(WAKES_MAX).collect()
    }

    /// Something was said here: wakes the receiver's clients that have no session.
    pub(super) fn wake_absent(&mut self, said: &Said) {
        let Conversation::Direct { from, to: to @ Principal::Account(account), .. } = &said.conversation else {
            return;
        };
        let is_kept = matches!(said.content.kind, MessageKind::Message | MessageKind::Letter);
        if from == to || !is_kept || account.is_remote() {
            return;
        }
        for (key, wake) in self.wakes(account) {
            if !self.has_session_with(account, &wake.resource) {
                self.wake_up(account.clone(), key, wake);
            }
        }
    }

    fn has_session_with(&self, account: &AccountName, resource: &str) -> bool {
        let mut sessions = self.people.directory().sessions_of(account);
        sessions.any(|id| {
            let record = self.people.get(id).filter(|_| self.splits.since(id.node).is_none());
            record.is_some_and(|record| record.resource.as_deref() == Some(resource))
        })
    }

    /// A session's client does not look, and wants to be woken.
    pub(super) fn wake_own(&mut self, number: SessionNumber) -> Result<(), Refusal> {
        let (account, _) = self.logged_in(number)?;
        let record = self.people.get(self.sessions.id(number)).ok_or(Refusal::NotOpen)?;
        let resource = record.resource.clone().unwrap_or_default();
        for (key, wake) in self.wakes(&account).into_iter().filter(|(_, wake)| wake.resource == resource) {
            self.wake_up(account.clone(), key, wake);
        }
        Ok(())
    }

    fn wake_up(&mut self, account: AccountName, key: String, wake: Wake) {
        let to = Remote { account: wake.service.clone(), resource: wake.part.clone() };
        let told = Told::Wake { account, key, wake: Box::new(wake) };
        if self.tell_abroad(to, told).is_err() {
            self.count("wakes_without_a_way");
        } else {
            self.count("wakes");
        }
    }

    /// A service takes no words for a client any more.
    pub(super) fn unwakeable(
        &mut self,
        now: Now,
        asker: &Asker,
        account: AccountName,
        key: &str,
    ) -> Result<Reply, Refusal> {
        let service = asker.record.account.as_ref();
        let is_theirs = |(known, wake): &(String, Wake)| known == key && Some(&wake.service) == service;
        if !self.wakes(&account).iter().any(is_theirs) {
            return Err(Refusal::NoSuchAccount);
        }
        let author = own_author(asker.session, &account, &asker.record.host).ok_or(Refusal::NotOpen)?;
        self.set_register(now, account, author, format!("{CLIENT_REGISTERS}{key}"), Vec::new())?;
        Ok(Reply::Done)
    }
}
