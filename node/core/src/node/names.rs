//! Claims of nicks: who may take one, and what becomes of who has lost one to a claim from behind a cut (invariant L9).
//!
//! Claims are settled alike on every node, by the rule of the directory. Each home renames its own losers; nobody is ended.

use super::Node;
use super::presence::Why;
use crate::lookalikes::is_reserved;
use crate::people::principal;
use crate::store::Store;
use lavina_crdt::clock::{Hlc, Now};
use lavina_crdt::content::Principal;
use lavina_crdt::directory::{claimed, derived_nick};
use lavina_crdt::ids::SessionId;
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::names::{AccountName, Nick, NickKey};
use lavina_crdt::presence::SessionRecord;
use lavina_protocols::command::Refusal;
use lavina_protocols::event::CloseReason;
use std::collections::BTreeSet;
use std::sync::Arc;

impl<S: Store> Node<S> {
    /// Whether `who` may take a nick.
    pub(super) fn may_claim(&self, nick: &Nick, who: &Principal) -> Result<(), Refusal> {
        if is_reserved(nick.as_str()) {
            return Err(Refusal::NickInUse);
        }
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

    /// Before a record is shown: settles its claims against those of others, so that no two people are ever shown under one nick. Who loses
    /// goes by the derived nick at once, here as on every node; the home node of a foreign loser will say so itself.
    pub(super) fn settle_claims(&mut self, now: Now, session: SessionId, record: &mut Arc<SessionRecord>) {
        let shown = self.people.get(session).cloned();
        for key in claimed(record).into_keys() {
            let mine = claim(session, record, &key);
            if shown.as_ref().is_some_and(|shown| claim(session, shown, &key) == mine) {
                continue;
            }
            let rivals = self.rivals(&key, session, &principal(session, record));
            if mutant::is_planted(Mutant::NickKillsBoth) {
                rivals.iter().for_each(|(rival, _)| self.end_rival(now, *rival));
            }
            let is_own = |rival: SessionId| mutant::is_planted(Mutant::NickToOwn) && rival.node == self.me();
            let is_first = |rival| mutant::is_planted(Mutant::NickByArrival) || is_own(rival);
            if rivals.iter().any(|(rival, theirs)| *theirs < mine || is_first(*rival)) {
                self.count("nicks_lost");
                self.mask_nick(session, record, &key);
                continue;
            }
            for (rival, _) in rivals {
                self.count("nicks_lost");
                self.lose_nick(now, rival, &key);
            }
        }
    }

    fn end_rival(&mut self, now: Now, rival: SessionId) {
        if let Some(number) = self.sessions.number(rival) {
            self.disconnect(now, number, CloseReason::Replaced);
        }
    }

    /// Sessions of others that claim a nick, and how strongly.
    fn rivals(&self, key: &NickKey, session: SessionId, who: &Principal) -> Vec<(SessionId, Option<Strength>)> {
        let directory = self.people.directory();
        let all = directory.holders(key).chain(directory.losers(key)).filter(|other| *other != session);
        let of_others = all.filter_map(|other| {
            let record = self.people.get(other)?;
            (principal(other, record) != *who).then(|| (other, claim(other, record, key)))
        });
        of_others.collect()
    }

    fn lose_nick(&mut self, now: Now, loser: SessionId, key: &NickKey) {
        let why = Why { forced: true, ..Why::default() };
        if self.sessions.number(loser).is_some() {
            let since = self.replicas.stamp(now);
            self.change_own(now, loser, &why, |record| {
                if record.nick.key() == *key {
                    record.nick_since = since;
                }
                give_up(loser, record, key);
            });
        } else if let Some(record) = self.people.get(loser) {
            let mut record = Arc::clone(record);
            give_up(loser, Arc::make_mut(&mut record), key);
            self.show_settled(now, loser, Some(record), &why);
            // After it is shown: giving the nick up is itself a change of claims, and must not bring it back.
            self.masked_nicks.entry(key.clone()).or_default().insert(loser);
        }
    }

    fn mask_nick(&mut self, loser: SessionId, record: &mut Arc<SessionRecord>, key: &NickKey) {
        give_up(loser, Arc::make_mut(record), key);
        if loser.node != self.me() {
            self.masked_nicks.entry(key.clone()).or_default().insert(loser);
        }
    }

    /// Claims to these nicks have changed: who lost one of them to somebody who is gone has it again, unless its home has renamed it.
    pub(super) fn unmask_nicks(&mut self, now: Now, nicks: &BTreeSet<NickKey>) {
        for key in nicks {
            for session in self.masked_nicks.remove(key).unwrap_or_default() {
                let Some(record) = self.told(session) else { continue };
                self.show(now, session, Some(record), &Why { forced: true, ..Why::default() });
            }
        }
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

/// How strong a claim is: the least wins. The rule of the directory: the registered owner, then the earliest, then the smallest id.
type Strength = (bool, Hlc, SessionId);

fn claim(session: SessionId, record: &SessionRecord, key: &NickKey) -> Option<Strength> {
    let owner = record.account.as_ref().is_some_and(|account| account.nick_key() == *key);
    let since = claimed(record).get(key).copied()?;
    Some((!owner, since, session))
}

fn give_up(loser: SessionId, record: &mut SessionRecord, key: &NickKey) {
    let places = record.rooms.values_mut().map(|place| &mut place.nick);
    for nick in places.chain([&mut record.nick]).filter(|nick| nick.key() == *key) {
        *nick = derived_nick(nick, loser);
    }
}

/// The account name whose owner a nick would be.
pub(super) fn account_of(nick: &Nick) -> Option<AccountName> {
    AccountName::new(nick.as_str()).ok()
}
