//! Registers that an account shows to others: who may look, and who is told of changes.
//!
//! What of a register is for whom, its own text says, which the protocol's session reads; here is only who the asker is to the account.

use super::access::CLIENT_REGISTERS;
use super::{Node, SessionNumber};
use crate::store::Store;
use lavina_crdt::account::AccountView;
use lavina_crdt::ids::OrderKey;
use lavina_crdt::names::AccountName;
use lavina_protocols::abroad::Remote;
use lavina_protocols::command::{LookedAt, Refusal, RegisterView, Reply};
use lavina_protocols::event::Event;
use std::collections::BTreeMap;

/// Before the keys of registers that others may look at.
const SHOWN: &str = "shown/";
/// Most registers of one answer.
const REGISTERS_MAX: usize = 1_000;
/// Most prefixes of one question.
const PREFIXES_MAX: usize = 64;

impl<S: Store> Node<S> {
    pub(super) fn look_at(&self, number: SessionNumber, account: &AccountName, prefix: &str) -> Result<Reply, Refusal> {
        let (asker, _) = self.logged_in(number)?;
        self.look_at_as(&asker, account, prefix)
    }

    /// What an account shows to an asker.
    pub(super) fn look_at_as(
        &self,
        asker: &AccountName,
        account: &AccountName,
        prefix: &str,
    ) -> Result<Reply, Refusal> {
        let Some(looked_at) = self.replicas.account(account) else { return Ok(Reply::LookedAt(None)) };
        let theirs = self.roster_item(account, asker);
        let may_look = prefix.starts_with(SHOWN) || account == asker;
        let registers = if may_look { registers(looked_at, prefix) } else { Vec::new() };
        let sees = theirs.subscription.from || account == asker;
        Ok(Reply::LookedAt(Some(Box::new(LookedAt { sees, groups: theirs.groups, registers }))))
    }

    pub(super) fn latest(&self, number: SessionNumber, prefixes: &[String]) -> Result<Reply, Refusal> {
        let (asker, _) = self.logged_in(number)?;
        if prefixes.len() > PREFIXES_MAX {
            return Err(Refusal::TooMany("prefixes"));
        }
        let roster = self.rosters.get(&asker).into_iter().flat_map(BTreeMap::values);
        let seen = roster.filter(|item| item.subscription.to).map(|item| item.contact.clone());
        let accounts = std::iter::once(asker.clone()).chain(seen);
        Ok(Reply::Latest(self.latest_of(accounts, prefixes)))
    }

    /// The same of one account for somebody of another server.
    pub(super) fn latest_for(
        &self,
        remote: &Remote,
        account: &AccountName,
        prefixes: &[String],
    ) -> Result<Reply, Refusal> {
        if prefixes.len() > PREFIXES_MAX {
            return Err(Refusal::TooMany("prefixes"));
        }
        let is_seen = self.replicas.account(account).is_some()
            && self.roster_item(account, &remote.account).subscription.from
            && !self.blocks(account, &remote.account);
        Ok(Reply::Latest(self.latest_of(is_seen.then(|| account.clone()).into_iter(), prefixes)))
    }

    fn latest_of(
        &self,
        accounts: impl Iterator<Item = AccountName>,
        prefixes: &[String],
    ) -> Vec<(AccountName, RegisterView, Option<Vec<u8>>)> {
        let mut latest = Vec::new();
        for account in accounts {
            let Some(shown) = self.replicas.account(&account) else { continue };
            for prefix in prefixes.iter().filter(|prefix| prefix.starts_with(SHOWN)) {
                let newest = registers(shown, prefix).into_iter().max_by_key(|register| register.at);
                let Some(newest) = newest.filter(|_| latest.len() < REGISTERS_MAX) else { continue };
                let parent = self.parent(&account, &newest.key);
                latest.push((account.clone(), newest, parent));
            }
        }
        latest
    }

    fn parent(&self, account: &AccountName, key: &str) -> Option<Vec<u8>> {
        let (parent, _) = key.rsplit_once('/')?;
        self.register(account, &format!("{CLIENT_REGISTERS}{parent}"))
    }

    /// A register has another value: tells the account's sessions here, and those of accounts that see its presence.
    pub(super) fn on_shown(&mut self, account: &AccountName, key: &str, at: OrderKey) {
        let Some(key) = key.strip_prefix(CLIENT_REGISTERS).filter(|key| key.starts_with(SHOWN)) else { return };
        let mut to = self.xmpp_sessions(account, false);
        for watcher in self.rosters.watchers(account).filter(|watcher| !self.is_between(account, watcher)) {
            to.extend(self.xmpp_sessions(watcher, false));
        }
        if to.is_empty() && self.gateway.is_none() {
            return;
        }
        let value = self.register(account, &format!("{CLIENT_REGISTERS}{key}")).unwrap_or_default();
        let register = RegisterView { key: key.to_owned(), value, at };
        let parent = self.parent(account, key);
        self.show_register_abroad(account, &register, parent.as_ref());
        if to.is_empty() {
            return;
        }
        let event = Event::Shown { account: account.clone(), parent, register };
        self.sessions.deliver(to, event, &mut self.out);
    }
}

fn registers(account: AccountView<'_>, prefix: &str) -> Vec<RegisterView> {
    let prefix = format!("{CLIENT_REGISTERS}{prefix}");
    let view = |(key, value): (&str, &[u8])| {
        let shown = key.strip_prefix(CLIENT_REGISTERS)?;
        let at = account.registers().written(key)?;
        Some(RegisterView { key: shown.to_owned(), value: value.to_vec(), at })
    };
    account.registers().iter(&prefix).take(REGISTERS_MAX).filter_map(view).collect()
}
