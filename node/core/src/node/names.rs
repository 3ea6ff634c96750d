//! Claims of nicks: who may take one, and what becomes of who has lost one to a claim from behind a cut (invariant L9).
//!
//! The directory settles every claim alike on every node. Each home renames its own losers; nobody is ended.

use super::Node;
use super::presence::Why;
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::Principal;
use lavina_crdt::directory::derived_nick;
use lavina_crdt::ids::SessionId;
use lavina_crdt::names::{AccountName, Nick, NickKey};
use lavina_protocols::command::Refusal;
use std::collections::BTreeSet;

impl<S: Store> Node<S> {
    /// Whether `who` may take a nick.
    pub(super) fn may_claim(&self, nick: &Nick, who: &Principal) -> Result<(), Refusal> {
        let free = self.people.directory().is_free_for(&nick.key(), who) && !self.registered_to_other(nick, who);
        if free { Ok(()) } else { Err(Refusal::NickInUse) }
    }

    /// Whether a nick is, or looks like, the name of an account that is not `who`.
    fn registered_to_other(&self, nick: &Nick, who: &Principal) -> bool {
        let own = match who {
            Principal::Account(account) => Some(account),
            Principal::Guest(_) => None,
        };
        // Who looks like itself may look like others too: its name was free to register.
        let is_own = own.is_some_and(|account| account.nick_key() == nick.key());
        !is_own && self.lookalikes.like(nick.as_str()).any(|account| Some(account) != own)
    }

    /// After a change: renames own sessions that lose a nick to somebody else.
    pub(super) fn resolve_nicks(&mut self, now: Now, nicks: &BTreeSet<NickKey>) {
        for key in nicks {
            let losers: Vec<SessionId> = self.people.directory().losers(key).collect();
            for loser in losers {
                if self.sessions.number(loser).is_some() {
                    self.count("nicks_lost");
                    self.take_nick_away(now, loser, key);
                }
            }
        }
    }

    fn take_nick_away(&mut self, now: Now, loser: SessionId, key: &NickKey) {
        let since = self.replicas.stamp(now);
        let why = Why { forced: true, ..Why::default() };
        self.change_own(now, loser, &why, |record| {
            if record.nick.key() == *key {
                record.nick = derived_nick(&record.nick, loser);
                record.nick_since = since;
            }
            for place in record.rooms.values_mut().filter(|place| place.nick.key() == *key) {
                place.nick = derived_nick(&place.nick, loser);
            }
        });
    }

    /// Gives an own session another nick, in the rooms too where it goes by the old one.
    pub(super) fn rename(&mut self, now: Now, session: SessionId, nick: &Nick) {
        let since = self.replicas.stamp(now);
        self.change_own(now, session, &Why::default(), |record| {
            let old = std::mem::replace(&mut record.nick, nick.clone());
            record.nick_since = since;
            for place in record.rooms.values_mut().filter(|place| place.nick == old) {
                place.nick = nick.clone();
            }
        });
    }
}

/// The account name whose owner a nick would be.
pub(super) fn account_of(nick: &Nick) -> Option<AccountName> {
    AccountName::new(nick.as_str()).ok()
}
