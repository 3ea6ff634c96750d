//! What a client asks of the node, protocol-neutral, and what can come back.
//!
//! Each [`Command`] is answered exactly once, in order, by a [`Reply`] or a [`Refusal`] with the command's [`CommandId`]. An answer to a
//! command that writes comes after the write is durable, and later answers to the same session wait behind it.

use crate::abroad::AbroadCommand;
use crate::account::{AccountCommand, AccountReply};
use crate::event::{HistoryPage, Person, RoomView, Said};
use crate::operator::{OperatorCommand, OperatorReply};
use bytes::Bytes;
use lavina_crdt::account::Credentials;
use lavina_crdt::content::Content;
use lavina_crdt::ids::{MsgId, OrderKey, SessionId};
use lavina_crdt::invitation::InvitationId;
use lavina_crdt::modes::{UserMode, UserModes};
use lavina_crdt::names::{AccountName, Nick, RoomName};
use lavina_crdt::presence::{SessionRecord, Show};
use lavina_crdt::room::{Act, Denied, Rank};
use std::sync::Arc;

/// The session's own number for a command; answers carry it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// Whom a direct message or signal is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Everybody in a room.
    Room(RoomName),
    /// Whoever holds the nick: all sessions of that account, or the guest.
    Nick(Nick),
    /// An account, online or not; with `Some(resource)`, that XMPP session when it is online.
    Account(AccountName, Option<String>),
    /// The occupant of a room with that nick, addressed through the room (XEP-0045 section 7.5).
    Occupant(RoomName, Nick),
}

/// What a mark of reading is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marked {
    /// A room.
    Room(RoomName),
    /// The conversation with whoever goes by that name.
    Person(String),
}

/// How a client names an earlier message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageRef {
    /// By its public id.
    Id(MsgId),
    /// By the id that the asker's own client gave it ([`Content::client_id`]); found among the newest of the conversation.
    Own(String),
    /// By the id that its author's client gave it, whoever that is; found in the same way.
    Given(String),
}

/// What a message is to the earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relate {
    /// An answer.
    Reply,
    /// One reaction more (IRCv3 `draft/react`).
    AddReaction(String),
    /// One reaction less.
    RemoveReaction(String),
    /// These reactions instead of all that the asker had given (XEP-0444).
    SetReactions(Vec<String>),
    /// A correction.
    Edit,
    /// A redaction, with a reason that may be empty.
    Redact(String),
}

/// Something said about an earlier message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub target: Target,
    /// Which message is meant.
    pub of: MessageRef,
    /// What this one is to it.
    pub how: Relate,
    /// What is said.
    pub content: Content,
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    // Who is there.
    /// What is kept of an account's password, for the session to check a SASL exchange against. [`Reply::Credentials`].
    LookupCredentials(AccountName),
    /// The session has authenticated as this account. [`Reply::Done`].
    LogIn(AccountName),
    /// Registers an account, maybe by an invitation. [`Reply::Done`], [`Refusal::AccountExists`], [`Refusal::NoSuchInvitation`].
    RegisterAccount(AccountName, Credentials, Option<InvitationId>),
    /// Changes the password of the session's account. [`Reply::Done`].
    SetCredentials(Credentials),
    /// Becomes visible under a nick. [`Reply::Opened`], [`Refusal::NickInUse`] (may be tried again with another).
    Open(Open),
    /// Changes the nick. [`Reply::Done`], [`Refusal::NickInUse`].
    ClaimNick(Nick),
    /// Changes how reachable the session is. [`Reply::Done`].
    SetPresence(PresenceChange),
    /// Changes the realname. [`Reply::Done`].
    SetRealname(String),
    /// Notes something about oneself under a key, with `None` nothing any more. [`Reply::Done`], with an account once durable;
    /// [`Refusal::TooMany`] when there is no room for more.
    SetNote(String, Option<String>),
    /// Switches own modes; [`UserMode::Operator`] can only be switched off. [`Reply::Modes`].
    SetModes(Vec<(UserMode, bool)>),
    /// What an account's owner asks. [`Reply::Account`].
    Account(AccountCommand),
    /// What the node's gateway to other servers asks.
    Abroad(AbroadCommand),
    /// What operators ask. [`Reply::Operator`]; [`Refusal::NotOperator`].
    Operator(OperatorCommand),
    /// Asks for nothing; answered when everything before it has been. [`Reply::Done`].
    Sync,
    /// Ends the session: it leaves its rooms with the reason. Answered by nothing.
    Quit(String),

    // Rooms.
    /// Takes a place in a room, creating it when there is none. [`Reply::Joined`]; [`Refusal::Denied`], [`Refusal::NickInUse`].
    Join {
        /// Which.
        room: RoomName,
        /// The nick wanted in this room; `None`: the session's.
        nick: Option<Nick>,
        /// The room's key, where it has one.
        key: Option<String>,
    },
    /// Gives the place up. [`Reply::Done`], [`Refusal::Denied`] with [`Denied::NotPresent`].
    Part {
        /// Which.
        room: RoomName,
        /// Why; may be empty.
        reason: String,
    },
    /// Changes the nick in one room (XMPP). [`Reply::Done`].
    SetRoomNick {
        /// Which.
        room: RoomName,
        /// The new nick.
        nick: Nick,
    },
    /// Says something. [`Reply::Said`] once durable; at once for what is kept nowhere ([`Content::is_passing`]).
    Say(Target, Content),
    /// Says something that is about an earlier message of the conversation: the content, with the relation put in. [`Reply::Said`] once durable. Of a
    /// message that is not there it is said without the relation; only for a redaction that is [`Refusal::NoSuchMessage`], and somebody
    /// else's message without a moderator's right [`Refusal::Denied`].
    Relate(Box<Related>),
    /// Acts upon a room's state, all or nothing. [`Reply::Done`] once durable.
    Act(RoomName, Vec<Act>),
    /// Gives the asker's room another name, with everybody and everything in it (IRCv3 `draft/channel-rename`). [`Reply::Done`] once durable;
    /// [`Refusal::RoomExists`].
    RenameRoom {
        /// Which.
        room: RoomName,
        /// The new name.
        to: RoomName,
        /// Why; may be empty.
        reason: String,
        /// The new address, for those who go by addresses.
        venue: String,
    },
    /// Removes an occupant. [`Reply::Done`] once durable.
    Kick {
        /// Which room.
        room: RoomName,
        /// Whom.
        nick: Nick,
        /// Why; may be empty.
        reason: String,
    },
    /// Invites somebody; lets them past +i once. [`Reply::Done`].
    Invite {
        /// Which room.
        room: RoomName,
        /// Whom: by nick or account.
        whom: Target,
        /// Why; may be empty.
        reason: String,
    },

    // Contacts (RFC 6121 sections 2 and 3).
    /// The roster of the session's account; from now on the session is told of changes. [`Reply::Roster`].
    RosterGet,
    /// Adds, renames or (with `None`) removes a contact. [`Reply::Done`] once durable.
    RosterSet(AccountName, Option<RosterEdit>),
    /// A step of the subscription exchange with a contact, and what a request carries as its sender wrote it, at most [`REQUEST_BYTES_MAX`] of it; empty
    /// where it carries nothing. [`Reply::Done`].
    Subscription(AccountName, SubscriptionStep, Bytes),
    /// Hands a stanza through to one session, or to all available ones of an account without a resource, unstored and best effort (IQ between
    /// clients, directed presence). [`Reply::Done`], [`Refusal::NoSuchNick`].
    Whisper(Target, Bytes),

    // Questions.
    /// A room as the asker may see it. [`Reply::Room`]: `None` when there is none or it is hidden from the asker.
    RoomInfo(RoomName),
    /// Rooms to which the asker is invited and has not come yet. [`Reply::Invitations`].
    ListInvitations,
    /// All rooms the asker may see. [`Reply::Rooms`].
    ListRooms,
    /// Sessions by nick (all that share it). [`Reply::People`], empty when nobody has it.
    FindNick(Nick),
    /// Sessions by nick, with the person's standing in their rooms (WHOIS). [`Reply::LookedUp`].
    LookUpNick(Nick),
    /// Who went by a nick that is nobody's any more, newest first, at most so many. [`Reply::Gone`].
    FindGone(Nick, usize),
    /// Asks those who may let people in to invite the asker (IRC KNOCK), with words that may be empty. [`Reply::Done`];
    /// [`Refusal::NeedsNoInvitation`], [`Refusal::AlreadyPresent`], [`Refusal::TooMany`] when asked again too soon.
    Knock(RoomName, String),
    /// Sessions whose `nick!user@host`, nick or realname match a glob (IRC WHO with a mask), those the asker may see, at most `limit`. [`Reply::People`].
    FindMask {
        /// Glob with `*` and `?`.
        mask: String,
        /// At most this many.
        limit: usize,
    },
    /// A page of history. [`Reply::History`].
    History(HistoryQuery),
    /// Conversations with messages in a time range (CHATHISTORY TARGETS). [`Reply::Targets`].
    HistoryTargets {
        /// From this time on, milliseconds.
        from_ms: u64,
        /// Up to and without this time.
        to_ms: u64,
        /// At most this many.
        limit: usize,
        /// Whether those are the newest (`true`) or the oldest.
        newest: bool,
    },
    /// Counts for LUSERS and the like. [`Reply::Counts`].
    Counts,
    /// How far the session's account has read a conversation; with a time (milliseconds), at least until then from now on. [`Reply::Mark`].
    Mark(Marked, Option<u64>),
    /// From now on the session is told when somebody with one of these nicks comes or goes, and of no others. [`Reply::People`]: who of them is there.
    Watch(Vec<Nick>),
    /// Reads one of the session account's registers (private storage, markers). [`Reply::Register`].
    RegisterGet(String),
    /// Whom the session's account blocks. [`Reply::Accounts`].
    Blocked,
    /// Blocks accounts, or (with `false`) ends that: neither hears of the other outside rooms. [`Reply::Done`] once durable.
    Block(Vec<AccountName>, bool),
    /// What an account shows of itself: registers whose keys begin with the prefix, and what the asker is to it. [`Reply::LookedAt`].
    LookAt(AccountName, String),
    /// Of the asker's account, and of each whose presence it sees, the newest register below each of the prefixes. [`Reply::Latest`].
    Latest(Vec<String>),
    /// The service that is asked takes no words for the client of an account whose wish that register holds ([`crate::wake`]).
    /// [`Reply::Done`] once durable.
    Unwakeable(AccountName, String),
    /// Sets one of the session account's registers. [`Reply::Done`] once durable.
    RegisterSet(String, Vec<u8>),
}

/// Somebody's standing in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which room.
    pub room: RoomName,
    /// What standing.
    pub rank: Rank,
    /// Whether the room is one that stays.
    pub in_lasting_room: bool,
}

/// Somebody who went by a nick and is gone, or goes by another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// As it was at last.
    pub record: Arc<SessionRecord>,
    /// The name of the node that had it.
    pub node: Arc<str>,
    /// When it went, milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// How a session becomes visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The nick wanted.
    pub nick: Nick,
    /// IRC user part.
    pub user: String,
    /// IRC realname.
    pub realname: String,
    /// XMPP resource wanted; `None` for IRC. When the account has a session with it already, that session is ended (RFC 6120 section 7.7.2.2).
    pub resource: Option<String>,
    /// Whether it counts as present at once (IRC) or only with initial presence (XMPP).
    pub available: bool,
}

/// Changes of reachability; `None` leaves a part as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresenceChange {
    /// Present at all (XMPP initial and unavailable presence).
    pub available: Option<bool>,
    /// How reachable.
    pub show: Option<Show>,
    /// Away message, status text.
    pub status: Option<String>,
    /// XMPP priority.
    pub priority: Option<i8>,
    /// XMPP payloads.
    pub payloads: Option<Vec<String>>,
}

/// What a client sets of a contact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RosterEdit {
    /// Name shown.
    pub name: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// Steps of RFC 6121 section 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionStep {
    /// Ask to see their presence.
    Subscribe,
    /// Let them see ours.
    Subscribed,
    /// See theirs no more.
    Unsubscribe,
    /// Let them see ours no more.
    Unsubscribed,
}

/// Which history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryOf {
    /// A room's.
    Room(RoomName),
    /// The session account's conversation with somebody: a nick or an account name.
    With(Target),
    /// All of the session account's direct conversations together (MAM of an account).
    Account,
}

/// A place in history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A message.
    Id(MsgId),
    /// A time, milliseconds since the Unix epoch.
    Time(u64),
}

/// A request for one page. Bounds are exclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Which history.
    pub of: HistoryOf,
    /// Later than this.
    pub after: Option<Bound>,
    /// Earlier than this.
    pub before: Option<Bound>,
    /// Exactly these messages (MAM `ids`); other bounds still hold.
    pub ids: Vec<MsgId>,
    /// At most this many; the core caps it.
    pub limit: usize,
    /// Whether the page is the newest part of the range (`true`) or the oldest. Messages come oldest first either way.
    pub newest: bool,
    /// Whether only what has a text is wanted: no signals, reactions, redactions.
    pub texts: bool,
    /// Whether of a room what was done in it is wanted too, among what was said.
    pub events: bool,
}

/// Answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// It is done.
    Done,
    /// See [`Command::LookupCredentials`]; `None` for an account that does not exist.
    Credentials(Option<Credentials>),
    /// The session is visible.
    Opened(Opened),
    /// The place is taken; `fresh` when this session was not there before.
    Joined(Arc<RoomView>, bool),
    /// It is said: exactly what the others get.
    Said(Arc<Said>),
    /// A roster.
    Roster(Vec<RosterItem>),
    /// One room.
    Room(Option<Arc<RoomView>>),
    /// Rooms: name, occupants, topic.
    Rooms(Vec<RoomSummary>),
    /// Sessions.
    People(Vec<Person>),
    /// Sessions, where the person is, and for how many milliseconds they have said nothing.
    LookedUp(Vec<Person>, Vec<Standing>, u64),
    /// Who went by a nick, newest first.
    Gone(Vec<Gone>),
    /// History.
    History(HistoryPage),
    /// Conversations and the time of their newest message in the range, oldest first.
    Targets(Vec<(ConversationName, u64)>),
    /// Numbers.
    Counts(Counts),
    /// The modes before and after.
    Modes(UserModes, UserModes),
    /// See [`AccountCommand`].
    Account(AccountReply),
    /// See [`OperatorCommand`].
    Operator(OperatorReply),
    /// A register's value.
    Register(Option<Vec<u8>>),
    /// Rooms.
    Invitations(Vec<RoomName>),
    /// A mark of reading, milliseconds.
    Mark(Option<u64>),
    /// Accounts.
    Accounts(Vec<AccountName>),
    /// What an account shows; `None` when there is no such account.
    LookedAt(Option<Box<LookedAt>>),
    /// Accounts' newest registers, with that of the key's parent, where it is set.
    Latest(Vec<(AccountName, RegisterView, Option<Vec<u8>>)>),
}

/// An account as an asker sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookedAt {
    /// Whether the asker's account sees its presence.
    pub sees: bool,
    /// The groups in which it has the asker's account.
    pub groups: Vec<String>,
    /// The registers asked for, in key order.
    pub registers: Vec<RegisterView>,
}

/// A register and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterView {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Vec<u8>,
    /// When it was set, which orders them.
    pub at: OrderKey,
}

/// The name of a conversation in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversationName {
    /// A room.
    Room(RoomName),
    /// Somebody.
    Account(AccountName),
}

/// What a newly visible session is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The session's id.
    pub session: SessionId,
    /// The nick it got.
    pub nick: Nick,
    /// The account it is logged in as.
    pub account: Option<AccountName>,
    /// Whether that account is always on.
    pub is_always_on: bool,
    /// The rooms it is in from the start: the account is always on, or others of its sessions go by the nick.
    pub resumed: Vec<Arc<RoomView>>,
}

/// One line of LIST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSummary {
    /// Name.
    pub name: RoomName,
    /// How many nicks are inside.
    pub occupants: usize,
    /// Topic, or nothing.
    pub topic: String,
    /// Title, or nothing.
    pub title: String,
    /// When it was created, milliseconds.
    pub created_ms: Option<u64>,
    /// When the topic was set, milliseconds.
    pub topic_ms: Option<u64>,
}

/// Numbers of the mesh as known here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions of all nodes.
    pub sessions: usize,
    /// The most that were at a time since this node began.
    pub sessions_max: usize,
    /// Sessions here.
    pub sessions_here: usize,
    /// The most that were here at a time.
    pub sessions_here_max: usize,
    /// Connections here that are not yet anybody.
    pub unknown: usize,
    /// Sessions of all nodes that are not found by a mask.
    pub invisible: usize,
    /// Operators of all nodes.
    pub operators: usize,
    /// Rooms.
    pub rooms: usize,
    /// Nodes, this one too.
    pub nodes: usize,
}

/// Subscription state of a contact as RFC 6121 section 2.1.2.5 names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Subscription {
    /// The account sees the contact's presence.
    pub to: bool,
    /// The contact sees the account's presence.
    pub from: bool,
    /// The account has asked (`ask='subscribe'`).
    pub asked: bool,
    /// The contact has asked and waits for an answer ("pending in"); not shown in the roster.
    pub asked_by: bool,
    /// Should the contact ask, it may see the account's presence (section 3.4, "pre-approval"). Stored behind everything else, since older versions
    /// know nothing of it.
    #[serde(skip)]
    pub approved: bool,
}

/// Most that is kept of what a request carries, bytes: a name, a greeting and the hash of an avatar take some hundred; strangers may send as many requests
/// as an account may have contacts.
pub const REQUEST_BYTES_MAX: usize = 4096;

/// One contact.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RosterItem {
    /// Who.
    pub contact: AccountName,
    /// Name shown.
    pub name: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Who sees whom.
    pub subscription: Subscription,
    /// Whether the account put it in its roster (or only a request is pending).
    pub listed: bool,
    /// What the contact's request carries while it waits for an answer (section 3.1.3), at most [`REQUEST_BYTES_MAX`]. Stored behind everything else.
    #[serde(skip)]
    pub request: Bytes,
}

/// The version of a roster (RFC 6121 section 2.6): the same for the same listed contacts, in name order, on every node.
pub fn roster_version<'a>(items: impl Iterator<Item = &'a RosterItem>) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("lavina 1 roster version");
    for item in items.filter(|item| item.listed) {
        let Subscription { to, from, asked, approved, .. } = item.subscription;
        // No text holds a line break, so that it parts them.
        let words = [item.contact.as_str(), &item.name].into_iter().chain(item.groups.iter().map(String::as_str));
        for word in words {
            hasher.update(word.as_bytes()).update(b"\n");
        }
        hasher.update(&[u8::from(to), u8::from(from), u8::from(asked) | u8::from(approved) << 1, b'\n']);
    }
    hasher.finalize().to_hex().as_str().get(..16).unwrap_or_default().to_owned()
}

/// Why a command is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A right is missing.
    #[error("{0}")]
    Denied(Denied),
    /// Somebody else has the nick.
    #[error("the nick is in use")]
    NickInUse,
    /// The account name is taken.
    #[error("the account name is taken")]
    AccountExists,
    /// Nobody by that name.
    #[error("nobody by that name")]
    NoSuchNick,
    /// No such account.
    #[error("no such account")]
    NoSuchAccount,
    /// The asker's account blocks whom it is for.
    #[error("you block them")]
    Blocked,
    /// No such occupant in that room.
    #[error("no such occupant")]
    NoSuchOccupant,
    /// There is a room of that name.
    #[error("there is a room of that name")]
    RoomExists,
    /// The room lets the asker in without an invitation.
    #[error("the room is open")]
    NeedsNoInvitation,
    /// Already there.
    #[error("already in the room")]
    AlreadyPresent,
    /// It needs an account, and the session is not logged in.
    #[error("log in first")]
    NeedsAccount,
    /// The session is not visible yet.
    #[error("not registered")]
    NotOpen,
    /// A named bound is reached (rooms per session, ...): which.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// The store does not take writes (disk full or failing); nothing was written.
    #[error("the server cannot store anything at the moment")]
    Storage,
    /// It needs the right of an operator.
    #[error("you are not an operator")]
    NotOperator,
    /// The room does not let the asker in, and offers another one instead.
    #[error("{1}")]
    Elsewhere(RoomName, Denied),
    /// Operators keep this person, network or room out.
    #[error("{0}")]
    Barred(String),
    /// The receiver takes direct messages from accounts only.
    #[error("only who is logged in may write to them")]
    WantsAccount,
    /// There is no such invitation, or it was used, or is for another name.
    #[error("the invitation is not known, was used, or is for another name")]
    NoSuchInvitation,
    /// The message id of a bound is not known here.
    #[error("no such message")]
    NoSuchMessage,
}
