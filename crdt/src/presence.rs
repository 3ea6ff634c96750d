//! Presence: which sessions there are, under which nicks, in which rooms. Owned by the node that has the session, versioned, never
//! stored, gone with the node. A record is never changed, only replaced, so whoever has one shares it.
//!
//! One [`PresenceMap`] holds every node's claims. A node's own records are changed with [`PresenceMap::put`]; what peers say comes in
//! with [`PresenceMap::merge`], a join of a state-based CRDT: a greater incarnation replaces all of a node's records, and
//! within one incarnation each session's greatest version wins.

use crate::clock::Hlc;
use crate::content::is_prefix_part;
use crate::ids::{NodeId, SessionId};
use crate::modes::UserModes;
use crate::mutant::{self, Mutant};
use crate::names::{AccountName, Nick, RoomName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How reachable a person says to be (RFC 6121 section 4.7.2.1; IRC AWAY).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Show {
    /// Here.
    #[default]
    Available,
    /// XMPP `chat`.
    Chatty,
    /// IRC AWAY; XMPP `away`.
    Away,
    /// XMPP `xa`.
    ExtendedAway,
    /// XMPP `dnd`.
    DoNotDisturb,
}

/// A place in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The nick shown in this room; an IRC session has the same in every room.
    pub nick: Nick,
    /// When the place was taken: kicks with a later stamp end it, and the earlier of two claims keeps the nick.
    pub since: Hlc,
}

/// One session as everybody sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// The account, when logged in.
    pub account: Option<AccountName>,
    /// The nick by which it is addressed outside rooms.
    pub nick: Nick,
    /// When the nick was claimed.
    pub nick_since: Hlc,
    /// IRC user part.
    pub user: String,
    /// Cloaked host.
    pub host: String,
    /// IRC realname.
    pub realname: String,
    /// XMPP resource; `None` for an IRC session.
    pub resource: Option<String>,
    /// XMPP priority (RFC 6121 section 4.7.2.3); below 0 takes no messages to the bare JID. 0 for IRC.
    pub priority: i8,
    /// Whether an XMPP session sent initial presence; always true for IRC.
    pub available: bool,
    /// How reachable.
    pub show: Show,
    /// Away message or XMPP status text.
    pub status: String,
    /// Further presence payloads of an XMPP session (entity capabilities, avatar hash), serialised XML.
    pub payloads: Vec<String>,
    /// Rooms it is in.
    pub rooms: BTreeMap<RoomName, Place>,
    /// Whether the connection is encrypted (WHOIS 671).
    pub secure: bool,
    /// Modes.
    pub modes: UserModes,
    /// When it signed on.
    pub signed_on: Hlc,
}

/// What one node says of some of its sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceUpdate {
    /// Whose sessions.
    pub node: NodeId,
    /// Grows with every start of the node.
    pub incarnation: u64,
    /// Highest version this update brings the receiver to, when it had everything up to `after`.
    pub version: u64,
    /// Version this update builds on; 0 when it is everything.
    pub after: u64,
    /// Session number -> (version, record; `None` when it has ended).
    pub records: BTreeMap<u64, (u64, Option<Arc<SessionRecord>>)>,
}

/// One change as seen by this replica, in the order it took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceChange {
    /// Which session.
    pub session: SessionId,
    /// What it was before; `None` when new.
    pub old: Option<Arc<SessionRecord>>,
    /// What it is; `None` when gone.
    pub new: Option<Arc<SessionRecord>>,
}

/// Most ended sessions of a node that are remembered, so that peers can be told of just them; a peer that is further behind gets everything.
/// A few minutes of a busy node.
pub const ENDED_MAX: usize = 1024;

/// One node's sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct NodeSessions {
    incarnation: u64,
    /// Highest version held; everything up to it is here. 0: nothing, or forgotten.
    version: u64,
    /// Ended sessions up to this version may be forgotten.
    floor: u64,
    live: BTreeMap<u64, (u64, Arc<SessionRecord>)>,
    /// Version of the end -> session number.
    ended: BTreeMap<u64, u64>,
}

/// Every node's sessions as known here.
#[derive(Clone, Debug, Default)]
pub struct PresenceMap {
    nodes: BTreeMap<NodeId, NodeSessions>,
    changes: u64,
}

/// Two are equal that know the same, whatever came before it.
impl PartialEq for PresenceMap {
    fn eq(&self, other: &Self) -> bool {
        self.nodes == other.nodes
    }
}

impl Eq for PresenceMap {}

impl NodeSessions {
    /// Version of what is known of a session; 0 when nothing is.
    fn version_of(&self, number: u64) -> u64 {
        match self.live.get(&number) {
            Some((version, _)) => *version,
            None => self.ended.iter().rev().find(|(_, ended)| **ended == number).map_or(0, |(version, _)| *version),
        }
    }

    /// Sets one session; returns what it was.
    fn set(&mut self, number: u64, version: u64, record: Option<Arc<SessionRecord>>) -> Option<Arc<SessionRecord>> {
        match record {
            Some(record) => {
                self.ended.retain(|_, ended| *ended != number);
                self.live.insert(number, (version, record)).map(|(_, old)| old)
            }
            None => {
                self.ended.insert(version, number);
                while self.ended.len() > ENDED_MAX {
                    if let Some((version, _)) = self.ended.pop_first() {
                        self.floor = self.floor.max(version);
                    }
                }
                self.live.remove(&number).map(|(_, old)| old)
            }
        }
    }

    fn newer_than(&self, node: NodeId, after: u64) -> PresenceUpdate {
        let after = if after < self.floor { 0 } else { after };
        let live = self.live.iter().filter(|(_, (version, _))| *version > after);
        let mut records: BTreeMap<u64, (u64, Option<Arc<SessionRecord>>)> =
            live.map(|(number, (version, record))| (*number, (*version, Some(Arc::clone(record))))).collect();
        if after > 0 {
            let later = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
            records.extend(self.ended.range(later).map(|(version, number)| (*number, (*version, None))));
        }
        PresenceUpdate { node, incarnation: self.incarnation, version: self.version, after, records }
    }
}

impl SessionRecord {
    /// Whether the record can be written into lines and stanzas; names check themselves when they are made. Peers do not show a session whose
    /// record is not sound, so let none come to be.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let line = |text: &String| !text.contains(['\0', '\r', '\n']);
        let text = |text: &String| !text.contains(['\0', '\r']);
        is_prefix_part(&self.user)
            && is_prefix_part(&self.host)
            && line(&self.realname)
            && self.resource.as_ref().is_none_or(line)
            && text(&self.status)
            && self.payloads.iter().all(text)
    }
}

impl PresenceMap {
    /// A map with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets (or with `None` ends) one of `session.node`'s own sessions at the incarnation given; returns the change.
    pub fn put(&mut self, incarnation: u64, session: SessionId, record: Option<Arc<SessionRecord>>) -> PresenceChange {
        self.changes += 1;
        let node = self.nodes.entry(session.node).or_default();
        if node.incarnation < incarnation {
            *node = NodeSessions { incarnation, ..NodeSessions::default() };
        }
        node.version = node.version.saturating_add(1);
        let old = node.set(session.number, node.version, record.clone());
        PresenceChange { session, old, new: record }
    }

    /// Takes in what a node says of its sessions. Returns the changes in session order; an update that is old in every part returns none.
    /// `Err` gives the version held when there is a gap: ask for everything after it.
    ///
    /// # Errors
    /// The version from which the sender must repeat.
    pub fn merge(&mut self, update: &PresenceUpdate) -> Result<Vec<PresenceChange>, u64> {
        let held = self.nodes.get(&update.node).map_or((0, 0), |node| (node.incarnation, node.version));
        if update.incarnation < held.0 {
            return Ok(Vec::new());
        }
        let version = if update.incarnation == held.0 { held.1 } else { 0 };
        if update.after > version && !mutant::is_planted(Mutant::PresenceGap) {
            return Err(version);
        }
        if update.version < version {
            return Ok(Vec::new());
        }
        self.changes += 1;
        let node = self.nodes.entry(update.node).or_default();
        let mut before = BTreeMap::new();
        if node.incarnation < update.incarnation {
            let old = std::mem::take(node);
            node.incarnation = update.incarnation;
            before.extend(old.live.into_iter().map(|(number, (_, record))| (number, Some(record))));
        }
        if update.after == 0 {
            let gone = node.live.keys().filter(|number| !update.records.contains_key(number));
            let gone: Vec<u64> = gone.copied().collect();
            for number in gone {
                let old = node.live.remove(&number).map(|(_, record)| record);
                before.entry(number).or_insert(old);
            }
            // Which of its sessions have ended is not said, so peers that are behind are told everything.
            node.floor = node.floor.max(update.version);
        }
        for (number, (version, record)) in &update.records {
            if *version > node.version_of(*number) {
                let record = record.clone().filter(|record| record.is_sound());
                let old = node.set(*number, *version, record);
                before.entry(*number).or_insert(old);
            }
        }
        node.version = node.version.max(update.version);
        let node_id = update.node;
        let changes = before.into_iter().map(|(number, old)| {
            let new = node.live.get(&number).map(|(_, record)| Arc::clone(record));
            PresenceChange { session: SessionId { node: node_id, number }, old, new }
        });
        Ok(changes.filter(|change| change.old != change.new).collect())
    }

    /// Everything of `node` newer than `after` (0: everything), `None` when nothing is known of the node.
    #[must_use]
    pub fn since(&self, node: NodeId, after: u64) -> Option<PresenceUpdate> {
        self.nodes.get(&node).filter(|sessions| sessions.version > 0).map(|sessions| sessions.newer_than(node, after))
    }

    /// node -> (incarnation, version) held: what a peer needs to know to send the rest.
    #[must_use]
    pub fn versions(&self) -> BTreeMap<NodeId, (u64, u64)> {
        self.nodes.iter().map(|(node, sessions)| (*node, (sessions.incarnation, sessions.version))).collect()
    }

    /// How often this has changed: a moment in its life.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// The (incarnation, version) held of one node.
    #[must_use]
    pub fn version_of(&self, node: NodeId) -> Option<(u64, u64)> {
        self.nodes.get(&node).map(|sessions| (sessions.incarnation, sessions.version))
    }

    /// Forgets all sessions of a node (its grace time ended, or it was revoked). Its incarnation is remembered, so that late updates of
    /// the same incarnation bring it back only as a whole.
    pub fn drop_node(&mut self, node: NodeId) -> Vec<PresenceChange> {
        let Some(sessions) = self.nodes.get_mut(&node) else { return Vec::new() };
        self.changes += 1;
        let incarnation = sessions.incarnation;
        let old = std::mem::replace(sessions, NodeSessions { incarnation, ..NodeSessions::default() });
        let gone = old.live.into_iter().map(|(number, (_, record))| (SessionId { node, number }, record));
        gone.map(|(session, record)| PresenceChange { session, old: Some(record), new: None }).collect()
    }

    /// One session.
    #[must_use]
    pub fn get(&self, session: SessionId) -> Option<&Arc<SessionRecord>> {
        self.nodes.get(&session.node)?.live.get(&session.number).map(|(_, record)| record)
    }

    /// All sessions, in id order.
    pub fn iter(&self) -> impl Iterator<Item = (SessionId, &Arc<SessionRecord>)> + '_ {
        self.nodes.keys().flat_map(|node| self.of_node(*node))
    }

    /// All sessions of a node, in id order.
    pub fn of_node(&self, node: NodeId) -> impl Iterator<Item = (SessionId, &Arc<SessionRecord>)> + '_ {
        let sessions = self.nodes.get(&node).into_iter().flat_map(|sessions| &sessions.live);
        sessions.map(move |(number, (_, record))| (SessionId { node, number: *number }, record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, session};
    use proptest::prelude::*;

    const NODE: NodeId = NodeId([1; 32]);

    fn record(nick: &str, since: u64) -> Arc<SessionRecord> {
        Arc::new(testing::record(nick, since))
    }

    #[test]
    fn a_greater_incarnation_replaces_all_sessions() {
        let mut here = PresenceMap::new();
        let mut there = PresenceMap::new();
        there.put(1, session(1, 1), Some(record("alice", 1)));
        there.put(1, session(1, 2), Some(record("bob", 1)));
        here.merge(&there.since(NODE, 0).unwrap()).unwrap();
        let mut restarted = PresenceMap::new();
        restarted.put(2, session(1, 3), Some(record("carol", 9)));
        let changes = here.merge(&restarted.since(NODE, 0).unwrap()).unwrap();
        let kinds: Vec<_> = changes.iter().map(|c| (c.session.number, c.old.is_some(), c.new.is_some())).collect();
        assert_eq!(kinds, [(1, true, false), (2, true, false), (3, false, true)]);
        assert_eq!(here.merge(&there.since(NODE, 0).unwrap()), Ok(Vec::new()));
        assert_eq!(here.iter().count(), 1);
    }

    #[test]
    fn a_gap_says_from_where_to_repeat() {
        let mut here = PresenceMap::new();
        let mut there = PresenceMap::new();
        there.put(1, session(1, 1), Some(record("alice", 1)));
        here.merge(&there.since(NODE, 0).unwrap()).unwrap();
        there.put(1, session(1, 2), Some(record("bob", 1)));
        there.put(1, session(1, 1), None);
        assert_eq!(here.merge(&there.since(NODE, 2).unwrap()), Err(1));
        let changes = here.merge(&there.since(NODE, 1).unwrap()).unwrap();
        assert_eq!(changes.len(), 2);
        assert_eq!(here.versions()[&NODE], (1, 3));
        assert_eq!(PresenceMap::new().merge(&there.since(NODE, 1).unwrap()), Err(0));
    }

    #[test]
    fn a_dropped_node_comes_back_only_as_a_whole() {
        let mut here = PresenceMap::new();
        let mut there = PresenceMap::new();
        there.put(1, session(1, 1), Some(record("alice", 1)));
        here.merge(&there.since(NODE, 0).unwrap()).unwrap();
        assert_eq!(here.drop_node(NODE).len(), 1);
        there.put(1, session(1, 2), Some(record("bob", 1)));
        assert_eq!(here.merge(&there.since(NODE, 1).unwrap()), Err(0));
        assert_eq!(here.merge(&there.since(NODE, 0).unwrap()).unwrap().len(), 2);
    }

    #[test]
    fn forgotten_ends_are_told_by_telling_everything() {
        let mut here = PresenceMap::new();
        let mut there = PresenceMap::new();
        there.put(1, session(1, 0), Some(record("alice", 1)));
        here.merge(&there.since(NODE, 0).unwrap()).unwrap();
        there.put(1, session(1, 0), None);
        for number in 1..=u64::try_from(ENDED_MAX).unwrap() {
            there.put(1, session(1, number), Some(record("bob", 1)));
            there.put(1, session(1, number), None);
        }
        let update = there.since(NODE, 1).unwrap();
        assert_eq!((update.after, update.records.len()), (0, 0));
        assert_eq!(here.merge(&update).unwrap().len(), 1);
        assert_eq!(here.iter().count(), 0);
    }

    #[test]
    fn a_record_that_would_break_a_line_is_not_shown() {
        let mut there = PresenceMap::new();
        there.put(
            1,
            session(1, 1),
            Some(Arc::new(SessionRecord { realname: "a\r\nQUIT".to_owned(), ..testing::record("alice", 1) })),
        );
        let mut here = PresenceMap::new();
        assert_eq!(here.merge(&there.since(NODE, 0).unwrap()), Ok(Vec::new()));
        assert_eq!(here.iter().count(), 0);
    }

    /// What an owner of sessions 0..4 did, as all the updates that it ever could have sent.
    fn updates() -> impl Strategy<Value = (PresenceMap, Vec<PresenceUpdate>)> {
        proptest::collection::vec((0u64..4, proptest::option::of(0u64..9), 1u64..3), 1..12).prop_map(|acts| {
            let mut owner = PresenceMap::new();
            let mut sent = Vec::new();
            let mut incarnation = 1;
            for (number, since, step) in acts {
                incarnation = if step == 2 && since == Some(0) { incarnation + 1 } else { incarnation };
                owner.put(incarnation, session(1, number), since.map(|since| record("alice", since)));
                sent.extend((0..=owner.versions()[&NODE].1).filter_map(|after| owner.since(NODE, after)));
            }
            (owner, sent)
        })
    }

    /// Merges, and has a gap filled from `owner` the way sync does.
    fn take(map: &mut PresenceMap, update: &PresenceUpdate) {
        let _ = map.merge(update);
    }

    fn shown(map: &PresenceMap) -> Vec<(SessionId, Arc<SessionRecord>)> {
        map.iter().map(|(session, record)| (session, Arc::clone(record))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_order_with_repeats_ends_as_the_owner_has_it((owner, sent) in updates(), order in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
            let mut map = PresenceMap::new();
            for index in order {
                let update = index.get(&sent);
                take(&mut map, update);
                take(&mut map, update);
                prop_assert_eq!(map.merge(update).map(|changes| changes.is_empty()).unwrap_or(true), true);
            }
            let (incarnation, version) = map.versions().get(&NODE).copied().unwrap_or_default();
            let after = if incarnation == owner.versions()[&NODE].0 { version } else { 0 };
            map.merge(&owner.since(NODE, after).unwrap()).unwrap();
            prop_assert_eq!(shown(&map), shown(&owner));
            prop_assert_eq!(map.versions(), owner.versions());
        }

        #[test]
        fn complete_updates_commute((_, sent) in updates(), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
            let whole: Vec<_> = sent.iter().filter(|update| update.after == 0).collect();
            let (a, b) = (*a.get(&whole), *b.get(&whole));
            let mut one = PresenceMap::new();
            let mut other = PresenceMap::new();
            for update in [a, b] { take(&mut one, update); }
            for update in [b, a] { take(&mut other, update); }
            prop_assert_eq!(shown(&one), shown(&other));
        }

        #[test]
        fn changes_told_are_the_difference((_, sent) in updates(), order in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
            let mut map = PresenceMap::new();
            let mut told: BTreeMap<SessionId, Arc<SessionRecord>> = BTreeMap::new();
            for index in order {
                for change in map.merge(index.get(&sent)).unwrap_or_default() {
                    prop_assert_eq!(told.get(&change.session), change.old.as_ref());
                    match change.new {
                        Some(record) => told.insert(change.session, record),
                        None => told.remove(&change.session),
                    };
                }
            }
            prop_assert_eq!(told.into_iter().collect::<Vec<_>>(), shown(&map));
        }
    }
}
