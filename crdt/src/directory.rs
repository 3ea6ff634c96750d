//! Who has which nick, and who is in which room: indexes over the sessions of a [`PresenceMap`](crate::presence::PresenceMap).
//!
//! A nick is one name in the whole mesh, whether claimed as a session's own or for its place in a room. Two claims are settled alike on
//! every node (invariant L9): the account of that name comes first, then the earlier claim, then the smaller session id. Sessions of one
//! account share a nick. Nobody is ended for losing: the home node renames its own losers ([`Directory::losers`], [`derived_nick`]).

use crate::base32;
use crate::clock::Hlc;
use crate::content::Principal;
use crate::ids::SessionId;
use crate::names::{AccountName, Nick, NickKey, RoomName};
use crate::presence::{PresenceChange, SessionRecord};
use std::collections::{BTreeMap, BTreeSet};

/// Occupants of a room: nick key -> the sessions that have it there.
pub type Occupants = BTreeMap<NickKey, BTreeSet<SessionId>>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Claim {
    since: Hlc,
    account: Option<AccountName>,
}

impl Claim {
    fn principal(&self, session: SessionId) -> Principal {
        match &self.account {
            Some(account) => Principal::Account(account.clone()),
            None => Principal::Guest(session),
        }
    }
}

/// The indexes. Keep them by handing every [`PresenceChange`] to [`Directory::apply`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    claims: BTreeMap<NickKey, BTreeMap<SessionId, Claim>>,
    rooms: BTreeMap<RoomName, Occupants>,
    accounts: BTreeMap<AccountName, BTreeSet<SessionId>>,
}

impl Directory {
    /// Of nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a change in. Returns the nick keys whose claims it touched: their holders may have changed.
    pub fn apply(&mut self, change: &PresenceChange) -> BTreeSet<NickKey> {
        let session = change.session;
        self.account_changed(session, change.old.as_deref(), change.new.as_deref());
        self.places_changed(session, change.old.as_deref(), change.new.as_deref());
        let old = change.old.as_deref().map(claims_of).unwrap_or_default();
        let new = change.new.as_deref().map(claims_of).unwrap_or_default();
        let mut touched = BTreeSet::new();
        for key in old.keys().filter(|key| !new.contains_key(*key)) {
            remove(&mut self.claims, key, session);
            touched.insert(key.clone());
        }
        for (key, claim) in new {
            if old.get(&key) != Some(&claim) {
                touched.insert(key.clone());
                self.claims.entry(key).or_default().insert(session, claim);
            }
        }
        touched
    }

    /// The session whose claim to a nick counts; with others of its account it holds it.
    #[must_use]
    pub fn holder(&self, key: &NickKey) -> Option<SessionId> {
        self.strongest(key).map(|(session, _)| session)
    }

    /// Whose the nick is.
    #[must_use]
    pub fn owner(&self, key: &NickKey) -> Option<Principal> {
        self.strongest(key).map(|(session, claim)| claim.principal(session))
    }

    /// All sessions that hold a nick, in id order.
    pub fn holders<'a>(&'a self, key: &'a NickKey) -> impl Iterator<Item = SessionId> + 'a {
        let owner = self.owner(key);
        let claims = self.claims.get(key).into_iter().flatten();
        claims.filter(move |(session, claim)| Some(claim.principal(**session)) == owner).map(|(session, _)| *session)
    }

    /// Sessions that claim a nick which is somebody else's, in id order.
    pub fn losers<'a>(&'a self, key: &'a NickKey) -> impl Iterator<Item = SessionId> + 'a {
        let owner = self.owner(key);
        let claims = self.claims.get(key).into_iter().flatten();
        claims.filter(move |(session, claim)| Some(claim.principal(**session)) != owner).map(|(session, _)| *session)
    }

    /// Whether somebody who is `who` could claim the nick and hold it: nobody else has it, or `who` is the account of that name.
    #[must_use]
    pub fn is_free_for(&self, key: &NickKey, who: &Principal) -> bool {
        match who {
            Principal::Account(account) if account.nick_key() == *key => true,
            Principal::Account(_) | Principal::Guest(_) => self.owner(key).is_none_or(|owner| owner == *who),
        }
    }

    /// Sessions of an account, in id order.
    pub fn sessions_of<'a>(&'a self, account: &AccountName) -> impl Iterator<Item = SessionId> + 'a {
        self.accounts.get(account).into_iter().flatten().copied()
    }

    /// Sessions of whoever it is.
    #[must_use]
    pub fn sessions_of_principal(&self, who: &Principal) -> Vec<SessionId> {
        match who {
            Principal::Account(account) => self.sessions_of(account).collect(),
            Principal::Guest(session) => vec![*session],
        }
    }

    /// Who is in a room; `None` when nobody is.
    #[must_use]
    pub fn occupants(&self, room: &RoomName) -> Option<&Occupants> {
        self.rooms.get(room)
    }

    /// Rooms with somebody inside, in name order.
    pub fn rooms(&self) -> impl Iterator<Item = (&RoomName, &Occupants)> + '_ {
        self.rooms.iter()
    }

    fn strongest(&self, key: &NickKey) -> Option<(SessionId, &Claim)> {
        let rank = |session: &SessionId, claim: &Claim| {
            let is_owner = claim.account.as_ref().is_some_and(|account| account.as_str() == key.as_str());
            (!is_owner, claim.since, *session)
        };
        let claims = self.claims.get(key)?.iter();
        claims.min_by_key(|(session, claim)| rank(session, claim)).map(|(session, claim)| (*session, claim))
    }

    fn account_changed(&mut self, session: SessionId, old: Option<&SessionRecord>, new: Option<&SessionRecord>) {
        let old = old.and_then(|record| record.account.as_ref());
        let new = new.and_then(|record| record.account.as_ref());
        if old == new {
            return;
        }
        if let Some(account) = old
            && let Some(sessions) = self.accounts.get_mut(account)
        {
            sessions.remove(&session);
            if sessions.is_empty() {
                self.accounts.remove(account);
            }
        }
        if let Some(account) = new {
            self.accounts.entry(account.clone()).or_default().insert(session);
        }
    }

    fn places_changed(&mut self, session: SessionId, old: Option<&SessionRecord>, new: Option<&SessionRecord>) {
        let nick_in = |record: Option<&SessionRecord>, room: &RoomName| {
            record.and_then(|record| record.rooms.get(room)).map(|place| place.nick.clone())
        };
        for (room, place) in old.into_iter().flat_map(|record| &record.rooms) {
            if nick_in(new, room).as_ref() != Some(&place.nick) {
                self.leave(room, &place.nick.key(), session);
            }
        }
        for (room, place) in new.into_iter().flat_map(|record| &record.rooms) {
            if nick_in(old, room).as_ref() != Some(&place.nick) {
                let occupants = self.rooms.entry(room.clone()).or_default();
                occupants.entry(place.nick.key()).or_default().insert(session);
            }
        }
    }

    fn leave(&mut self, room: &RoomName, key: &NickKey, session: SessionId) {
        let Some(occupants) = self.rooms.get_mut(room) else { return };
        if let Some(sessions) = occupants.get_mut(key) {
            sessions.remove(&session);
            if sessions.is_empty() {
                occupants.remove(key);
            }
        }
        if occupants.is_empty() {
            self.rooms.remove(room);
        }
    }
}

fn remove(claims: &mut BTreeMap<NickKey, BTreeMap<SessionId, Claim>>, key: &NickKey, session: SessionId) {
    if let Some(of_key) = claims.get_mut(key) {
        of_key.remove(&session);
        if of_key.is_empty() {
            claims.remove(key);
        }
    }
}

/// The nicks that a record claims, outside rooms and in them, each with the time of its earliest claim. Who takes its own nick along into a
/// room claims it no earlier for having been there before.
#[must_use]
pub fn claimed(record: &SessionRecord) -> BTreeMap<NickKey, Hlc> {
    let own = record.nick.key();
    let mut claims = BTreeMap::from([(own.clone(), record.nick_since)]);
    for place in record.rooms.values().filter(|place| place.nick != record.nick && place.nick.key() != own) {
        let since = claims.entry(place.nick.key()).or_insert(place.since);
        *since = place.since.min(*since);
    }
    claims
}

fn claims_of(record: &SessionRecord) -> BTreeMap<NickKey, Claim> {
    let claim = |since| Claim { since, account: record.account.clone() };
    claimed(record).into_iter().map(|(key, since)| (key, claim(since))).collect()
}

/// The nick that a session which lost `nick` is renamed to: the same on every node.
#[must_use]
pub fn derived_nick(nick: &Nick, session: SessionId) -> Nick {
    let mut id = session.node.0.to_vec();
    id.extend(session.number.to_be_bytes());
    nick.with_suffix(&format!("_{}", base32::tag("lavina 1 derived nick", &id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::{Place, PresenceMap};
    use crate::testing::{record, session};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn key(nick: &str) -> NickKey {
        Nick::new(nick).unwrap().key()
    }

    fn came(session: SessionId, record: impl Into<Arc<SessionRecord>>) -> PresenceChange {
        PresenceChange { session, old: None, new: Some(record.into()) }
    }

    fn of_account(account: &str, record: SessionRecord) -> SessionRecord {
        SessionRecord { account: Some(AccountName::new(account).unwrap()), ..record }
    }

    fn in_room(room: &str, nick: &str, since: u64, mut record: SessionRecord) -> SessionRecord {
        let place = Place { nick: Nick::new(nick).unwrap(), since: Hlc(since) };
        record.rooms.insert(RoomName::new(room).unwrap(), place);
        record
    }

    #[test]
    fn a_nick_taken_in_a_room_is_claimed_from_then_on() {
        let room = RoomName::new("rust").unwrap();
        let since = |nick: &str, joined: u64, claimed: u64| {
            let nick = Nick::new(nick).unwrap();
            let place = Place { nick: nick.clone(), since: Hlc::from_ms(joined) };
            SessionRecord {
                nick,
                nick_since: Hlc::from_ms(claimed),
                rooms: BTreeMap::from([(room.clone(), place)]),
                ..record("somebody", claimed)
            }
        };
        let mut directory = Directory::new();
        directory.apply(&came(session(1, 1), since("ann", 100, 400)));
        directory.apply(&came(session(2, 2), since("ann", 200, 300)));
        assert_eq!(directory.holder(&key("ann")), Some(session(2, 2)));
    }

    #[test]
    fn the_earlier_claim_keeps_the_nick() {
        let mut directory = Directory::new();
        directory.apply(&came(session(1, 1), record("Alice", 20)));
        directory.apply(&came(session(2, 1), record("alice", 10)));
        assert_eq!(directory.holder(&key("ALICE")), Some(session(2, 1)));
        assert_eq!(directory.losers(&key("alice")).collect::<Vec<_>>(), [session(1, 1)]);
    }

    #[test]
    fn the_registered_owner_comes_before_an_earlier_claim() {
        let mut directory = Directory::new();
        directory.apply(&came(session(1, 1), record("alice", 10)));
        directory.apply(&came(session(2, 1), of_account("alice", record("alice", 20))));
        directory.apply(&came(session(3, 1), of_account("alice", record("alice", 30))));
        assert_eq!(directory.holder(&key("alice")), Some(session(2, 1)));
        assert_eq!(directory.holders(&key("alice")).count(), 2);
        assert_eq!(directory.losers(&key("alice")).collect::<Vec<_>>(), [session(1, 1)]);
        assert!(!directory.is_free_for(&key("alice"), &Principal::Guest(session(1, 1))));
    }

    #[test]
    fn sessions_of_one_account_share_a_nick() {
        let mut directory = Directory::new();
        directory.apply(&came(session(1, 1), of_account("bob", record("bobby", 10))));
        directory.apply(&came(session(2, 1), in_room("rust", "Bobby", 30, of_account("bob", record("bob", 20)))));
        assert_eq!(directory.losers(&key("bobby")).count(), 0);
        assert_eq!(directory.occupants(&RoomName::new("rust").unwrap()).unwrap().len(), 1);
        assert_eq!(directory.sessions_of(&AccountName::new("bob").unwrap()).count(), 2);
    }

    #[test]
    fn a_derived_nick_is_short_and_a_nick() {
        let nick = Nick::new(&"x".repeat(32)).unwrap();
        let derived = derived_nick(&nick, session(1, 1));
        assert!(Nick::new(derived.as_str()).is_ok());
        assert_ne!(derived, derived_nick(&nick, session(1, 2)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn kept_step_by_step_it_equals_one_made_anew(
            steps in prop::collection::vec((0u64..3, 0u8..5, 0u64..5, 0u8..4), 0..24)
        ) {
            let mut map = PresenceMap::new();
            let mut kept = Directory::new();
            for (number, nick, since, kind) in steps {
                let nick = ["a", "b", "c", "d", "e"][usize::from(nick)];
                let next = match kind {
                    0 => None,
                    1 => Some(record(nick, since)),
                    2 => Some(of_account("a", in_room("one", nick, since, record("a", since)))),
                    _ => Some(in_room("one", "b", since, in_room("two", nick, since, record("b", since)))),
                };
                kept.apply(&map.put(1, session(1, number), next.map(Arc::new)));
            }
            let mut anew = Directory::new();
            for (session, record) in map.iter() {
                anew.apply(&came(session, Arc::clone(record)));
            }
            prop_assert_eq!(&kept, &anew);
        }
    }
}
