//! What a client is told, protocol-neutral. An event is made once, shared by reference, and rendered once per distinct way of
//! rendering it (see [`crate::render`]).

use crate::abroad::{Remote, Told};
use bytes::Bytes;
use lavina_crdt::clock::Hlc;
use lavina_crdt::content::{Author, Content, Principal};
use lavina_crdt::ids::{MsgId, SessionId};
use lavina_crdt::names::{AccountName, Nick, RoomName};
use lavina_crdt::notes::Notes;
use lavina_crdt::presence::SessionRecord;
use lavina_crdt::relation::Redacted;
use lavina_crdt::room::{Act, Rank, RoomState};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One session and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Which.
    pub session: SessionId,
    /// Its record. The record's `rooms` holds only rooms that the receiver may know of where this is the answer to a question.
    pub record: Arc<SessionRecord>,
    /// The name of the node that has it, for WHOIS.
    pub node: Arc<str>,
    /// Since when its node is out of reach, where it is.
    pub unreachable_since: Option<Hlc>,
    /// What the person notes about themselves; `None` for nothing.
    pub notes: Option<Arc<Notes>>,
}

impl Person {
    /// Whose rights it acts with.
    #[must_use]
    pub fn principal(&self) -> Principal {
        match &self.record.account {
            Some(account) => Principal::Account(account.clone()),
            None => Principal::Guest(self.session),
        }
    }
}

/// A nick's place in a room: one or several sessions of one principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// The nick in this room.
    pub nick: Nick,
    /// Its standing.
    pub rank: Rank,
    /// Standings that it has beneath, highest first, for those who show several.
    pub beneath: Vec<Rank>,
    /// Whether the room is one that stays: in others who made it is no more than an operator to those who show such things.
    pub in_lasting_room: bool,
    /// Its sessions, in id order; never empty.
    pub people: Vec<Person>,
}

/// A room as one asker may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomView {
    /// Name.
    pub name: RoomName,
    /// State.
    pub state: Arc<RoomState>,
    /// Occupants, in nick-key order.
    pub occupants: Vec<Occupant>,
    /// The asker's own nick in it, when inside.
    pub own_nick: Option<Nick>,
    /// Whether this join created the room.
    pub created: bool,
}

/// Where something was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conversation {
    /// In a room.
    Room(RoomName),
    /// Between two people. `to_nick` is the receiver's nick as the sender's node knew it.
    Direct {
        /// Who speaks (principal).
        from: Principal,
        /// Who is spoken to.
        to: Principal,
        /// The nick of who is spoken to.
        to_nick: Nick,
    },
}

/// Something said, live or from history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its public id; its time is `id.hlc()`.
    pub id: MsgId,
    /// Where.
    pub conversation: Conversation,
    /// By whom.
    pub author: Arc<Author>,
    /// What.
    pub content: Arc<Content>,
    /// Whether it comes later than it was said (catch-up after a cut): XMPP shows `<delay/>`, a plain IRC client sees it
    /// between the marks of [`Event::Caught`].
    pub late: bool,
    /// Whether a robot said it, as far as is known now.
    pub by_bot: bool,
    /// Who took it back: then nothing is left of the content, and only history shows that there was something.
    pub redacted: Option<Arc<Redacted>>,
}

/// How a place ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leave {
    /// By PART, with a reason.
    Part(String),
    /// By removal.
    Kick {
        /// By whom.
        by: Author,
        /// Why.
        reason: String,
        /// Whether it was for a ban set with it or before it (XMPP status 301 instead of 307).
        banned: bool,
        /// When, and the id of the entry, where one says so of this occupant alone.
        id: Option<MsgId>,
    },
}

/// A page of history, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryPage {
    /// The messages.
    pub messages: Vec<Arc<Said>>,
    /// What was done among them, oldest first, where that was asked for.
    pub events: Vec<Arc<Happened>>,
    /// Whether the range holds no more in the direction asked.
    pub complete: bool,
}

/// Something done in a room, from history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Its public id; its time is `id.hlc()`.
    pub id: MsgId,
    /// Where.
    pub room: RoomName,
    /// By whom.
    pub author: Arc<Author>,
    /// What.
    pub what: Happening,
}

/// What is done in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Acts upon its state.
    Acts(Vec<Act>),
    /// Somebody was removed.
    Kicked {
        /// The nick, as names are compared.
        nick: String,
        /// Why; may be empty.
        reason: String,
    },
}

/// What a session is told without having asked. Every room event goes to the sessions in that room, and to nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something was said. The speaking session gets [`crate::command::Reply::Said`] instead; other sessions of the same account get this.
    Said(Arc<Said>),
    /// A nick came into a room (its first session).
    Joined {
        /// Where.
        room: RoomName,
        /// Who; one person.
        occupant: Occupant,
    },
    /// The receiver is in a room because another session of its account went there.
    Entered(Arc<RoomView>),
    /// A nick left a room (its last session), not by leaving the mesh.
    Left {
        /// Where.
        room: RoomName,
        /// Who, as it was.
        occupant: Occupant,
        /// How.
        how: Leave,
        /// Whether the receiver is this occupant (the receiver is out of the room now).
        own: bool,
    },
    /// Somebody left the mesh. One event for all rooms shared with the receivers.
    Quit {
        /// Who.
        person: Person,
        /// The places that ended: room and nick there (only where no other session keeps the nick).
        places: Vec<(RoomName, Nick)>,
        /// Why.
        reason: String,
    },
    /// A nick changed everywhere. The receivers share a room with it, or are it; also how a session learns that it was renamed
    /// because another claim to its nick was older.
    NickChanged {
        /// Who, as it is now.
        person: Person,
        /// The nick it had.
        old: Nick,
        /// The nick it has.
        new: Nick,
        /// Rooms in which the nick shown changed, with the rank there.
        rooms: Vec<(RoomName, Rank)>,
        /// Whether the mesh renamed it, not its owner.
        forced: bool,
    },
    /// How reachable somebody in a shared room is has changed (away, show, status, log-in, realname); `rooms` are those with the nick there and rank.
    PersonChanged {
        /// As it was.
        old: Arc<SessionRecord>,
        /// As it is.
        person: Person,
        /// Places.
        rooms: Vec<(RoomName, Nick, Rank)>,
    },
    /// The room's state changed.
    RoomChanged {
        /// Where.
        room: RoomName,
        /// By whom.
        by: Author,
        /// When, and the id of the entry.
        id: MsgId,
        /// What was done, where it had an effect. Empty when the change follows from a merge.
        acts: Vec<Act>,
        /// As it was.
        old: Arc<RoomState>,
        /// As it is.
        new: Arc<RoomState>,
        /// Occupants whose rank changed, as they are now.
        ranks: Vec<Occupant>,
    },
    /// The receiver is invited.
    Invited {
        /// Where to.
        room: RoomName,
        /// By whom.
        by: Author,
        /// Whom: the nick.
        nick: Nick,
        /// Why; may be empty.
        reason: String,
    },
    /// Somebody outside asks to be invited; told to those in the room who may let people in.
    Knocked {
        /// Which room.
        room: RoomName,
        /// Who.
        by: Author,
        /// With which words; may be empty.
        text: String,
    },
    /// Nodes are out of reach: in this room these occupants are behind the cut. Sent once per room and cut.
    Unreachable {
        /// Where.
        room: RoomName,
        /// Names of the nodes, for people.
        nodes: Vec<Arc<str>>,
        /// Who is behind it.
        occupants: Vec<Occupant>,
        /// Since when.
        since: Hlc,
    },
    /// Nodes are in reach again, before anybody was shown as gone.
    Reachable {
        /// Where.
        room: RoomName,
        /// Names of the nodes.
        nodes: Vec<Arc<str>>,
        /// Who is back.
        occupants: Vec<Occupant>,
    },
    /// Many leave at once, with their node (IRCv3 netsplit batch): it has been out of reach for the grace time, or knows nothing of them any more. Receivers
    /// share at least one of the rooms.
    Netsplit {
        /// Name of the node that stayed and of one that went.
        nodes: (Arc<str>, Arc<str>),
        /// The rooms that they leave.
        rooms: BTreeSet<RoomName>,
        /// Who leaves, and from where.
        gone: Vec<(Person, Vec<(RoomName, Nick)>)>,
    },
    /// Many come, or return, at once (IRCv3 netjoin batch).
    Netjoin {
        /// Name of the node that stayed and of one that is back.
        nodes: (Arc<str>, Arc<str>),
        /// The rooms that they return to.
        rooms: BTreeSet<RoomName>,
        /// Who returns, and to where.
        back: Vec<(RoomName, Occupant)>,
    },
    /// Messages from behind a cut begin (`true`) or have ended (`false`) in a room.
    Caught {
        /// Where.
        room: RoomName,
        /// Begin or end.
        begin: bool,
    },
    /// Somebody with a watched nick came (who) or went (`None`).
    Watched {
        /// The nick.
        nick: Nick,
        /// Who has it.
        person: Option<Person>,
    },
    /// How reachable somebody with a watched nick is has changed, as in [`Event::PersonChanged`]; the receiver shares no room with them.
    WatchedChanged {
        /// As it was.
        old: Arc<SessionRecord>,
        /// As it is.
        person: Person,
    },
    /// Somebody whom the receiver shares a room with, watches or is has noted something about themselves.
    Noted {
        /// Who.
        person: Person,
        /// Under which key.
        key: String,
        /// What; `None` when it was removed.
        value: Option<String>,
    },
    /// The receiver's room goes by another name, with everybody and everything in it.
    Renamed {
        /// The name it had.
        old: RoomName,
        /// The room as it is, under its name.
        view: Arc<RoomView>,
        /// By whom.
        by: Author,
        /// Why; may be empty.
        reason: String,
    },
    /// The account has read further, on another of its sessions.
    Marked {
        /// What.
        of: crate::command::Marked,
        /// Until when, milliseconds.
        at_ms: u64,
    },
    /// A contact of the account changed in its roster (XMPP roster push; only to sessions that asked for the roster).
    RosterPush {
        /// Who, as it is now.
        item: crate::command::RosterItem,
        /// Whether it was removed.
        removed: bool,
        /// The version of the roster from now on (see [`crate::command::roster_version`]).
        version: String,
    },
    /// A contact asks for, grants or ends a subscription; and what its request carries.
    Subscription(AccountName, crate::command::SubscriptionStep, Bytes),
    /// A contact whose presence the receiver's account may see came, changed or went (`available` false). Also sent to the account's own other sessions.
    ContactPresence {
        /// Who: an account's session.
        person: Person,
        /// Whether it is there.
        available: bool,
    },
    /// The receiver's account has blocked somebody, or (with `on` false) ended that.
    Blocked {
        /// Whom.
        account: AccountName,
        /// Whether it is blocked.
        on: bool,
    },
    /// The receiver's account, or one whose presence it sees, has set one of the registers that others may look at.
    Shown {
        /// Whose.
        account: AccountName,
        /// The register's key and value.
        register: crate::command::RegisterView,
        /// The value of the register named by the key's part before its last slash, where it is set.
        parent: Option<Vec<u8>>,
    },
    /// A stanza handed through (see [`crate::command::Command::Whisper`]).
    Whisper {
        /// From which session.
        from: Person,
        /// Through which room and from which nick there, when addressed so.
        via: Option<(RoomName, Nick)>,
        /// The stanza as its sender wrote it; its `from` and `to` are to be replaced.
        stanza: Bytes,
    },
    /// The receiver's client goes on in another session of its account, maybe at another node.
    Abandoned {
        /// What only the client knows of the session.
        key: String,
        /// How many stanzas it has got here.
        got: u32,
    },
    /// Messages to the receiver's account, from this one on, reached nobody, and were said before the receiver was there.
    Waiting(MsgId),
    /// For the node's gateway: somebody of another server is to be told something.
    Abroad(Remote, Told),
    /// For the node's gateway: a session of this node has ended.
    Ended(Person),
    /// For a session of somebody of another server: their server has said this at another node.
    Forwarded(Bytes),
    /// The receiver's session is ended by the node.
    Closed {
        /// Why.
        reason: CloseReason,
        /// What there is to say about it; empty for the usual words.
        words: String,
        /// Where the client may go on instead, `host:port`.
        elsewhere: Option<String>,
    },
    /// An operator says something to all sessions that want to hear operators.
    Wallops {
        /// Who.
        by: Author,
        /// What.
        text: String,
    },
    /// A word from the node to the receiver (a derived account name, a storage problem, a drain).
    Notice(String),
}

impl Event {
    /// An [`Event::Netsplit`].
    #[must_use]
    pub fn netsplit(nodes: (Arc<str>, Arc<str>), gone: Vec<(Person, Vec<(RoomName, Nick)>)>) -> Self {
        let rooms = gone.iter().flat_map(|(_, places)| places).map(|(room, _)| room.clone()).collect();
        Self::Netsplit { nodes, rooms, gone }
    }

    /// An [`Event::Netjoin`].
    #[must_use]
    pub fn netjoin(nodes: (Arc<str>, Arc<str>), back: Vec<(RoomName, Occupant)>) -> Self {
        let rooms = back.iter().map(|(room, _)| room.clone()).collect();
        Self::Netjoin { nodes, rooms, back }
    }

    /// Whether it tells of many people, and so may be long through nobody's doing.
    #[must_use]
    pub const fn tells_of_many(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Reachable { .. } | Self::Netsplit { .. } | Self::Netjoin { .. })
    }
}

/// Why the node ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Another session took the same resource (RFC 6120 section 4.9.3.3 `conflict`).
    Replaced,
    /// The node is shutting down.
    Shutdown,
    /// The session reads too slowly.
    SlowReader,
    /// An operator ended it.
    Removed,
    /// Operators keep this person or network out.
    Barred,
}
