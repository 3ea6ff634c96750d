//! Accounts: created once by their earliest registration, changed by registers of the account's scope.

use crate::base32;
use crate::content::Author;
use crate::ids::{Dot, OrderKey};
use crate::names::AccountName;
use crate::register::{RegisterSet, Registers};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The register that holds newer [`Credentials`], postcard.
pub const CREDENTIALS_KEY: &str = "credentials";

/// Most registrations of one name that are kept: one for each side of a many-way cut. Of more, the latest have no effect.
pub const CREATIONS_MAX: usize = 64;

/// What the server keeps of a password for one SCRAM mechanism (RFC 5802 section 3). The password itself is never kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScramCredentials {
    /// PBKDF2 rounds.
    pub iterations: u32,
    /// Salt, at least 16 bytes.
    pub salt: Vec<u8>,
    /// `StoredKey`.
    pub stored_key: Vec<u8>,
    /// `ServerKey`.
    pub server_key: Vec<u8>,
}

/// Credentials for both hash functions that clients ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// SCRAM-SHA-1.
    pub sha1: ScramCredentials,
    /// SCRAM-SHA-256.
    pub sha256: ScramCredentials,
}

/// The body of an entry that registers an account. The earliest by (hlc, origin, seq) holds the name; a later one is kept under
/// the derived name that [`derived_name`] gives, with its own password and registers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountCreate {
    /// The name wanted; equals the scope's.
    pub name: AccountName,
    /// The password's verifiers.
    pub credentials: Credentials,
}

/// The name under which a registration goes on that lost its own: the same on every node.
#[must_use]
pub fn derived_name(name: &AccountName, creation: Dot) -> AccountName {
    let key = postcard::to_stdvec(&(name, creation)).unwrap_or_default();
    name.with_suffix(&format!("-{}", base32::tag("lavina 1 derived account", &key)))
}

/// One registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Account {
    credentials: Credentials,
    registers: Registers,
}

/// One registration as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountView<'a> {
    /// When and where it was made. Its dot goes into [`RegisterSet::of`] of what its sessions write.
    pub created: OrderKey,
    registers: &'a Registers,
    first: &'a Credentials,
}

impl<'a> AccountView<'a> {
    /// The credentials that count: the register's when it is set and decodes, else those of the registration.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        let newer = self.registers.get(CREDENTIALS_KEY).and_then(|value| postcard::from_bytes(value).ok());
        newer.unwrap_or_else(|| self.first.clone())
    }

    /// Its registers.
    #[must_use]
    pub const fn registers(&self) -> &'a Registers {
        self.registers
    }
}

/// What an entry did to the accounts of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// Nothing.
    None,
    /// The account has come to be.
    Created,
    /// Another registration turned out to be earlier: the one that held the name goes on under this one, and its owner is to be told.
    Displaced(Dot, AccountName),
    /// A registration came that is not the earliest: it goes on under this name.
    Derived(Dot, AccountName),
    /// A register of the registration with this dot has another value.
    Register(Dot, String),
}

/// What an account's scope comes to, as a function of the set of its entries. Drive it: hand it every [`AccountCreate`] and [`RegisterSet`]
/// of the scope, in any order.
///
/// A register belongs to the registration that its author was logged in by ([`RegisterSet::of`]), so the owner of a registration that
/// loses its name in a merge keeps roster and password, and never gets at the winner's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    name: AccountName,
    accounts: BTreeMap<OrderKey, Account>,
    /// Registers of registrations that are not here yet.
    early: BTreeMap<Dot, Registers>,
}

impl AccountState {
    /// Of a scope without entries.
    #[must_use]
    pub const fn new(name: AccountName) -> Self {
        Self { name, accounts: BTreeMap::new(), early: BTreeMap::new() }
    }

    /// Takes a registration in.
    pub fn create(&mut self, at: OrderKey, create: &AccountCreate) -> AccountChange {
        if create.name != self.name || self.accounts.contains_key(&at) {
            return AccountChange::None;
        }
        let held = self.accounts.first_key_value().map(|(held, _)| *held);
        let registers = self.early.remove(&at.dot()).unwrap_or_default();
        self.accounts.insert(at, Account { credentials: create.credentials.clone(), registers });
        if self.accounts.len() > CREATIONS_MAX {
            self.accounts.pop_last();
        }
        match held {
            None => AccountChange::Created,
            Some(held) if at < held => AccountChange::Displaced(held.dot(), derived_name(&self.name, held.dot())),
            Some(_) if self.accounts.contains_key(&at) => {
                AccountChange::Derived(at.dot(), derived_name(&self.name, at.dot()))
            }
            Some(_) => AccountChange::None,
        }
    }

    /// Takes a register in, written by `author`. It counts when it names a registration and the author's account goes by that registration's
    /// name, or went by this one; `roster/NAME` may also be written by the account of that name, as the subscription exchange
    /// (RFC 6121 section 3) changes both rosters, and `waiting/NAME`, which says that a message of that account found nobody there.
    pub fn set(&mut self, at: OrderKey, author: &Author, set: &RegisterSet) -> AccountChange {
        let Some(of) = set.of else { return AccountChange::None };
        let created = self.accounts.keys().find(|created| created.dot() == of).copied();
        let may_write = author.account.as_ref().is_some_and(|writer| {
            let is_by = |prefix| set.key.strip_prefix(prefix) == Some(writer.as_str());
            let is_contact = is_by("roster/") || is_by("waiting/");
            let is_own = || *writer == self.name || *writer == derived_name(&self.name, of);
            is_contact || is_own()
        });
        if !may_write {
            return AccountChange::None;
        }
        let Some(account) = created.and_then(|created| self.accounts.get_mut(&created)) else {
            if self.early.len() < CREATIONS_MAX || self.early.contains_key(&of) {
                self.early.entry(of).or_default().apply(at, set);
            }
            return AccountChange::None;
        };
        if account.registers.apply(at, set) {
            AccountChange::Register(of, set.key.clone())
        } else {
            AccountChange::None
        }
    }

    /// The account that has the scope's name; `None` before any registration.
    #[must_use]
    pub fn account(&self) -> Option<AccountView<'_>> {
        self.accounts.first_key_value().map(|(created, account)| view(*created, account))
    }

    /// All registrations with the names they go by, the winner first.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountName, AccountView<'_>)> + '_ {
        self.accounts.iter().enumerate().map(|(index, (created, account))| {
            let name = if index == 0 { self.name.clone() } else { derived_name(&self.name, created.dot()) };
            (name, view(*created, account))
        })
    }

    /// The registration that goes by `name`, which may be a derived one.
    #[must_use]
    pub fn by_name(&self, name: &AccountName) -> Option<AccountView<'_>> {
        if *name == self.name {
            return self.account();
        }
        let derived = self.accounts.iter().skip(1);
        let mut derived = derived.filter(|(created, _)| derived_name(&self.name, created.dot()) == *name);
        derived.next().map(|(created, account)| view(*created, account))
    }

    /// The name that a registration goes by: where to move its sessions after a merge.
    #[must_use]
    pub fn name_of(&self, creation: Dot) -> Option<AccountName> {
        self.accounts().find(|(_, account)| account.created.dot() == creation).map(|(name, _)| name)
    }
}

fn view(created: OrderKey, account: &Account) -> AccountView<'_> {
    AccountView { created, registers: &account.registers, first: &account.credentials }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{author, order_key};
    use proptest::prelude::*;

    fn credentials(of: u8) -> Credentials {
        let one = ScramCredentials { iterations: 4096, salt: vec![of; 16], stored_key: vec![of], server_key: vec![of] };
        Credentials { sha1: one.clone(), sha256: one }
    }

    fn alice() -> AccountName {
        AccountName::new("alice").unwrap()
    }

    fn create(of: u8) -> AccountCreate {
        AccountCreate { name: alice(), credentials: credentials(of) }
    }

    fn password(of: u8, creation: OrderKey) -> RegisterSet {
        let value = postcard::to_stdvec(&credentials(of)).unwrap();
        RegisterSet { key: CREDENTIALS_KEY.to_owned(), value, of: Some(creation.dot()) }
    }

    #[test]
    fn the_earlier_registration_keeps_the_name_and_the_other_goes_on() {
        let mut state = AccountState::new(alice());
        let (late, early) = (order_key(20, 1), order_key(10, 2));
        assert_eq!(state.create(late, &create(1)), AccountChange::Created);
        let derived = derived_name(&alice(), late.dot());
        assert_eq!(state.create(early, &create(2)), AccountChange::Displaced(late.dot(), derived.clone()));
        assert_eq!(state.account().map(|account| account.credentials()), Some(credentials(2)));
        assert_eq!(state.by_name(&derived).map(|account| account.credentials()), Some(credentials(1)));
        assert_eq!(state.name_of(late.dot()), Some(derived));
        assert_eq!(state.create(early, &create(2)), AccountChange::None);
    }

    #[test]
    fn a_losers_password_never_opens_the_winners_account() {
        let mut state = AccountState::new(alice());
        let (late, early) = (order_key(20, 1), order_key(10, 2));
        state.create(late, &create(1));
        let changed = state.set(order_key(30, 1), &author(1, "alice"), &password(9, late));
        assert_eq!(changed, AccountChange::Register(late.dot(), CREDENTIALS_KEY.to_owned()));
        assert_eq!(state.account().map(|account| account.credentials()), Some(credentials(9)));
        state.create(early, &create(2));
        assert_eq!(state.account().map(|account| account.credentials()), Some(credentials(2)));
        let derived = derived_name(&alice(), late.dot());
        assert_eq!(state.by_name(&derived).map(|account| account.credentials()), Some(credentials(9)));
        let renamed = Author { account: Some(derived), ..author(1, "alice") };
        assert_ne!(state.set(order_key(40, 1), &renamed, &password(8, late)), AccountChange::None);
        assert_eq!(state.set(order_key(41, 1), &renamed, &password(8, early)), AccountChange::None);
    }

    #[test]
    fn nobody_else_writes_an_accounts_registers() {
        let mut state = AccountState::new(alice());
        let created = order_key(10, 1);
        state.create(created, &create(1));
        assert_eq!(state.set(order_key(20, 1), &author(1, "eve"), &password(9, created)), AccountChange::None);
        let subscribed = RegisterSet { key: "roster/eve".to_owned(), ..password(9, created) };
        assert_ne!(state.set(order_key(20, 1), &author(1, "eve"), &subscribed), AccountChange::None);
        assert_eq!(state.set(order_key(20, 1), &author(1, "bob"), &subscribed), AccountChange::None);
        let nobodys = RegisterSet { of: None, ..password(9, created) };
        assert_eq!(state.set(order_key(20, 1), &author(1, "alice"), &nobodys), AccountChange::None);
        assert_eq!(state.account().map(|account| account.credentials()), Some(credentials(1)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_order_of_entries_ends_alike(
            writes in prop::collection::vec((0u64..8, 0usize..4), 0..10),
            order in Just((0usize..14).collect::<Vec<_>>()).prop_shuffle()
        ) {
            let creations: Vec<OrderKey> = (0..4).map(|index| order_key(10 - u64::from(index), index + 1)).collect();
            let run = |order: &[usize]| {
                let mut state = AccountState::new(alice());
                for index in order.iter().chain(order) {
                    match (creations.get(*index), writes.get(index.wrapping_sub(4))) {
                        (Some(at), _) => { state.create(*at, &create(u8::try_from(*index).unwrap())); }
                        (None, Some((hlc, of))) => {
                            let at = OrderKey { seq: u64::try_from(*index).unwrap(), ..order_key(20 + hlc, 1) };
                            state.set(at, &author(1, "alice"), &password(u8::try_from(*index).unwrap(), creations[*of]));
                        }
                        (None, None) => {}
                    }
                }
                state
            };
            let in_order: Vec<usize> = (0..14).collect();
            let state = run(&order);
            prop_assert_eq!(&state, &run(&in_order));
            prop_assert_eq!(state.account().map(|account| account.created), creations.last().copied());
        }
    }
}
