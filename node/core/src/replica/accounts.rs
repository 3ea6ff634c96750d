//! Accounts and their registers, as the accounts' scopes say.
//!
//! A name registered on both sides of a cut belongs to the earlier registration. What was written under the later one is kept apart, under
//! its creation, and counts for nobody who logs in by the name.

use super::room::read_tail;
use super::{Effect, Replicas, Scope};
use crate::store::{Store, StoreError};
use lavina_crdt::account::Credentials;
use lavina_crdt::chain;
use lavina_crdt::entry::{Body, Entry};
use lavina_crdt::ids::{Dot, OrderKey};
use lavina_crdt::names::AccountName;
use lavina_crdt::register::RegisterSet;
use std::collections::BTreeMap;

/// Register of an account's credentials, where they were changed after the registration.
const CREDENTIALS: &str = "credentials";

/// Who, beside the account itself, may write which of its registers: the first segment of the key, and the rule.
const WRITERS: &[(&str, Writer)] = &[
    // The subscription exchange (RFC 6121 section 3) changes both rosters: a contact may write the entry about itself.
    ("roster", Writer::Contact),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    /// The account that the second segment names.
    Contact,
}

/// One account. Equal on all nodes that have the same entries, in whatever order they came.
#[derive(Clone, Debug, Default)]
pub struct Account {
    creations: BTreeMap<OrderKey, Credentials>,
    /// By creation and key.
    registers: BTreeMap<(Dot, String), (OrderKey, Vec<u8>)>,
    changed: Option<Credentials>,
}

impl Account {
    /// The creation that holds the name.
    fn holder(&self) -> Option<Dot> {
        self.creations.first_key_value().map(|(key, _)| key.dot())
    }

    /// Since when it exists; `None` when only registers of it have arrived.
    #[must_use]
    pub fn created(&self) -> Option<OrderKey> {
        self.creations.first_key_value().map(|(key, _)| *key)
    }

    /// What is kept of its password.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.changed.as_ref().or_else(|| self.creations.values().next())
    }

    /// The value of a register; removed ones have none.
    #[must_use]
    pub fn register(&self, key: &str) -> Option<&[u8]> {
        let (_, value) = self.registers.get(&(self.holder()?, key.to_owned()))?;
        (!value.is_empty()).then_some(value.as_slice())
    }

    /// All registers whose key begins with `prefix`, in key order.
    pub fn registers<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let holder = self.holder();
        let from = holder.map(|holder| self.registers.range((holder, prefix.to_owned())..));
        from.into_iter()
            .flatten()
            .take_while(move |((of, key), _)| Some(*of) == holder && key.starts_with(prefix))
            .filter(|(_, (_, value))| !value.is_empty())
            .map(|((_, key), (_, value))| (key.as_str(), value.as_slice()))
    }

    fn create(&mut self, at: OrderKey, credentials: Credentials) -> bool {
        let before = self.holder();
        self.creations.insert(at, credentials);
        self.changed = self.register(CREDENTIALS).and_then(|value| postcard::from_bytes(value).ok());
        self.holder() != before
    }

    /// Whether the register that counts for the name has another value.
    fn set(&mut self, at: OrderKey, set: RegisterSet) -> bool {
        let Some(of) = set.of else { return false };
        let slot = (of, set.key);
        if self.registers.get(&slot).is_some_and(|(known, _)| *known >= at) {
            return false;
        }
        let credentials = slot.1 == CREDENTIALS;
        let old = self.registers.insert(slot, (at, set.value.clone()));
        let counts = self.holder() == Some(of);
        if counts && credentials {
            self.changed = postcard::from_bytes(&set.value).ok();
        }
        counts && old.is_none_or(|(_, old)| old != set.value)
    }
}

/// Whether `author` may write a register of `account`.
fn may_write(account: &AccountName, author: &AccountName, key: &str) -> bool {
    if author == account {
        return true;
    }
    let (first, rest) = key.split_once('/').unwrap_or((key, ""));
    WRITERS.iter().any(|(segment, writer)| match writer {
        Writer::Contact => *segment == first && rest == author.as_str(),
    })
}

impl<S: Store> Replicas<S> {
    pub(super) fn load_accounts(&mut self) -> Result<(), StoreError> {
        let scopes: Vec<Scope> =
            self.scopes.keys().filter(|scope| matches!(scope, Scope::Account(_))).cloned().collect();
        for scope in scopes {
            let Scope::Account(account) = &scope else { continue };
            let mut entries = Vec::new();
            for (origin, next) in self.durable(&scope).iter() {
                read_tail(&self.store, &scope, origin, 0, next, &mut |entry| entries.push(entry))?;
            }
            for entry in entries {
                self.apply_account(account, &entry, &mut Vec::new());
            }
        }
        Ok(())
    }

    pub(super) fn apply_account(&mut self, account: &AccountName, entry: &Entry, effects: &mut Vec<Effect>) {
        let at = entry.order_key();
        let body = chain::body(entry);
        if let Body::AccountCreate(create) = body {
            if create.name == *account
                && self.accounts.entry(account.clone()).or_default().create(at, create.credentials)
            {
                effects.push(Effect::Account(account.clone()));
            }
        } else if let Body::Register(set) = body
            && self.may_set(account, entry, &set.key)
        {
            let key = set.key.clone();
            if self.accounts.entry(account.clone()).or_default().set(at, set) {
                effects.push(Effect::Register { account: account.clone(), key, at });
            }
        }
    }

    fn may_set(&mut self, account: &AccountName, entry: &Entry, key: &str) -> bool {
        let author = entry.author.as_ref().filter(|author| self.is_home_of(entry, author));
        let may =
            author.and_then(|author| author.account.as_ref()).is_some_and(|author| may_write(account, author, key));
        if !may {
            self.counters.entries_denied += 1;
        }
        may
    }

    /// Names the creation that a register of an account rests on, where the caller has not.
    pub(super) fn complete(&self, scope: &Scope, body: &mut Body) {
        if let (Scope::Account(account), Body::Register(set)) = (scope, body)
            && set.of.is_none()
        {
            set.of = self.accounts.get(account).and_then(Account::holder);
        }
    }

    /// An account that exists.
    pub fn account(&self, name: &AccountName) -> Option<&Account> {
        self.accounts.get(name).filter(|account| account.created().is_some())
    }

    /// The accounts that exist, in name order.
    pub fn accounts(&self) -> impl Iterator<Item = (&AccountName, &Account)> + '_ {
        self.accounts.iter().filter(|(_, account)| account.created().is_some())
    }
}
