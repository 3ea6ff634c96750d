//! Accounts and their registers, as the accounts' scopes say.
//!
//! A scope holds every registration of its name: the earliest goes by it, the others by derived names. Here an account is asked for by the
//! name it goes by, and what is written under a derived name goes to the scope it came from.

use super::room::read_tail;
use super::{Effect, Replicas, Scope};
use crate::store::{Store, StoreError};
use lavina_crdt::account::{AccountChange, AccountState, AccountView, derived_name};
use lavina_crdt::chain;
use lavina_crdt::entry::{Body, Entry};
use lavina_crdt::ids::Dot;
use lavina_crdt::names::AccountName;
use lavina_crdt::register::RegisterSet;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Accounts {
    /// By the name of the scope.
    states: BTreeMap<AccountName, AccountState>,
    /// Derived name -> the name of the scope.
    derived: BTreeMap<AccountName, AccountName>,
}

impl Accounts {
    /// The name of the scope that holds an account.
    fn home<'a>(&'a self, name: &'a AccountName) -> &'a AccountName {
        self.derived.get(name).unwrap_or(name)
    }

    fn get(&self, name: &AccountName) -> Option<AccountView<'_>> {
        self.states.get(self.home(name))?.by_name(name)
    }

    fn name_of(&self, home: &AccountName, creation: Dot) -> Option<AccountName> {
        self.states.get(home)?.name_of(creation)
    }

    /// Nothing is known of the scope of that name, until it is read again.
    pub(super) fn forget(&mut self, home: &AccountName) {
        self.states.remove(home);
        self.derived.retain(|_, of| of != home);
    }

    fn derive(&mut self, home: &AccountName, creation: Dot) -> AccountName {
        let name = derived_name(home, creation);
        self.derived.insert(name.clone(), home.clone());
        name
    }
}

impl<S: Store> Replicas<S> {
    pub(super) fn load_accounts(&mut self) -> Result<(), StoreError> {
        let homes: Vec<AccountName> = self.scopes.keys().filter_map(home).cloned().collect();
        for home in homes {
            let scope = Scope::Account(home.clone());
            let mut entries = Vec::new();
            for (origin, next) in self.durable(&scope).iter() {
                read_tail(&self.store, &scope, origin, 0, next, &mut |entry, _| entries.push(entry))?;
            }
            for entry in entries {
                self.apply_account(&home, &entry, &mut Vec::new());
            }
        }
        Ok(())
    }

    pub(super) fn apply_account(&mut self, home: &AccountName, entry: &Entry, effects: &mut Vec<Effect>) {
        let at = entry.order_key();
        let author = entry.author.as_ref().filter(|author| self.is_home_of(entry, author));
        let body = chain::body(entry);
        let state = self.accounts.states.entry(home.clone()).or_insert_with(|| AccountState::new(home.clone()));
        let change = match (&body, author) {
            (Body::AccountCreate(create), _) => state.create(at, create),
            (Body::Register(set), Some(author)) => state.set(at, author, set),
            (Body::Register(_), None)
            | (Body::Message(_) | Body::DocChange(_) | Body::Kick(_) | Body::Mesh(_) | Body::Unknown { .. }, _) => {
                AccountChange::None
            }
        };
        match change {
            AccountChange::None => {}
            AccountChange::Created => effects.push(Effect::Account(home.clone())),
            AccountChange::Displaced(creation, _) => {
                effects.push(Effect::Account(self.accounts.derive(home, creation)));
                effects.push(Effect::Account(home.clone()));
            }
            AccountChange::Derived(creation, _) => {
                effects.push(Effect::Account(self.accounts.derive(home, creation)));
            }
            AccountChange::Register(creation, key) => {
                let account = self.accounts.name_of(home, creation);
                effects.extend(account.map(|account| Effect::Register { account, key, at }));
            }
        }
    }

    /// The scope to write to, and the body with what the caller leaves out: a register belongs to the registration that goes by the name
    /// which the caller gave for the scope.
    pub(super) fn complete(&self, scope: Scope, body: Body) -> (Scope, Body) {
        let Scope::Account(name) = &scope else { return (scope, body) };
        let of = self.accounts.get(name).map(|account| account.created.dot());
        let home = Scope::Account(self.accounts.home(name).clone());
        let Body::Register(set) = body else { return (home, body) };
        (home, Body::Register(RegisterSet { of: set.of.or(of), ..set }))
    }

    /// The account that goes by a name.
    pub fn account(&self, name: &AccountName) -> Option<AccountView<'_>> {
        self.accounts.get(name)
    }

    /// The name that a registration goes by which went by `name` once.
    pub fn account_name(&self, name: &AccountName, creation: Dot) -> Option<AccountName> {
        self.accounts.name_of(self.accounts.home(name), creation)
    }

    /// All accounts by the names they go by.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountName, AccountView<'_>)> + '_ {
        self.accounts.states.values().flat_map(AccountState::accounts)
    }
}

fn home(scope: &Scope) -> Option<&AccountName> {
    match scope {
        Scope::Account(name) => Some(name),
        Scope::Mesh | Scope::Room(_) | Scope::Direct(..) => None,
    }
}
