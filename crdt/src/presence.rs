//! Presence: which sessions there are, under which nicks, in which rooms. Owned by the node that has the session, versioned, never
//! stored, gone with the node.
//!
//! One [`PresenceMap`] holds every node's claims. A node's own records are changed with [`PresenceMap::put`]; what peers say comes in
//! with [`PresenceMap::merge`], a join of a state-based CRDT: a greater incarnation replaces all of a node's records, and
//! within one incarnation each session's greatest version wins.

use crate::clock::Hlc;
use crate::ids::{NodeId, SessionId};
use crate::names::{AccountName, Nick, RoomName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    pub records: BTreeMap<u64, (u64, Option<SessionRecord>)>,
}

/// One change as seen by this replica, in the order it took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceChange {
    /// Which session.
    pub session: SessionId,
    /// What it was before; `None` when new.
    pub old: Option<SessionRecord>,
    /// What it is; `None` when gone.
    pub new: Option<SessionRecord>,
}

/// Every node's sessions as known here.
#[derive(Clone, Debug, Default)]
pub struct PresenceMap {}

impl PresenceMap {
    /// A map with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets (or with `None` ends) one of `session.node`'s own sessions at the incarnation given; returns the change.
    pub fn put(&mut self, _incarnation: u64, _session: SessionId, _record: Option<SessionRecord>) -> PresenceChange {
        unimplemented!()
    }

    /// Takes in what a node says of its sessions. Returns the changes in session order; an update that is old in every part returns none.
    /// `Err` gives the version held when there is a gap: ask for everything after it.
    ///
    /// # Errors
    /// The version from which the sender must repeat.
    pub fn merge(&mut self, _update: &PresenceUpdate) -> Result<Vec<PresenceChange>, u64> {
        unimplemented!()
    }

    /// Everything of `node` newer than `after` (0: everything), `None` when nothing is known of the node.
    #[must_use]
    pub fn since(&self, _node: NodeId, _after: u64) -> Option<PresenceUpdate> {
        unimplemented!()
    }

    /// node -> (incarnation, version) held: what a peer needs to know to send the rest.
    #[must_use]
    pub fn versions(&self) -> BTreeMap<NodeId, (u64, u64)> {
        unimplemented!()
    }

    /// Forgets all sessions of a node (its grace time ended, or it was revoked). Its incarnation is remembered, so that late updates of
    /// the same incarnation bring it back only as a whole.
    pub fn drop_node(&mut self, _node: NodeId) -> Vec<PresenceChange> {
        unimplemented!()
    }

    /// One session.
    #[must_use]
    pub fn get(&self, _session: SessionId) -> Option<&SessionRecord> {
        unimplemented!()
    }

    /// All sessions, in id order.
    pub fn iter(&self) -> impl Iterator<Item = (SessionId, &SessionRecord)> + '_ {
        std::iter::empty()
    }

    /// All sessions of a node, in id order.
    pub fn of_node(&self, _node: NodeId) -> impl Iterator<Item = (SessionId, &SessionRecord)> + '_ {
        std::iter::empty()
    }
}
