//! The room document: who may do what, what is banned, which modes are on, what the topic is.
//!
//! An Automerge document carries the changes and their causal order; [`RoomDoc`] adds the rights: an act counts when its
//! author held the right in the state at its causal past, and when no concurrent act by somebody at least as senior took
//! that right away. See [`RoomDoc::apply`].

mod change;
mod doc;
mod fold;
mod graph;
mod mask;
mod register;
mod rights;
mod snapshot;
mod story;
mod vocabulary;

#[cfg(test)]
mod tests;

pub use change::ACTS_MAX;
pub use doc::{Applied, RoomDoc};
pub use mask::MASK_BYTES_MAX;
pub use story::Told;
pub use vocabulary::Vocabulary;

use crate::clock::Hlc;
use crate::content::Principal;
use crate::ids::SessionId;
use crate::names::{AccountName, Nick, NickKey, RoomName};
use crate::notes::{self, Notes};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Standing in a room, least first. IRC shows q a o h v; XMPP owner, admin, moderator, (moderator), participant with voice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Rank {
    /// No standing.
    #[default]
    None,
    /// On the member list: may enter a members-only (+i) room. XMPP affiliation `member`; IRC invite exception.
    Member,
    /// May speak in a moderated room. IRC +v.
    Voice,
    /// IRC +h.
    HalfOp,
    /// IRC +o, XMPP role moderator.
    Operator,
    /// IRC +a, XMPP affiliation admin.
    Admin,
    /// IRC +q, XMPP affiliation owner.
    Founder,
}

/// A mask on a ban list (modern.ircdocs.horse, "Ban Channel Mode"): `nick!user@host` with `*` and `?`, or an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mask {
    /// Glob over `nick!user@host`, lower case.
    Glob(String),
    /// One account, however connected: IRC extban `$a:`/`~a:`, XMPP affiliation outcast.
    Account(AccountName),
    /// Whoever is not logged in: IRC extban `$U`.
    Guests,
    /// Whom the mask within means is only kept from speaking: IRC extban `$m:`.
    Mute(Box<Mask>),
}

/// Flags of a room that are either on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Flag {
    /// IRC +i, XMPP members-only.
    InviteOnly,
    /// IRC +m, XMPP moderated.
    Moderated,
    /// IRC +n: nobody outside speaks in. On by default.
    NoExternal,
    /// IRC +s, XMPP hidden.
    Secret,
    /// IRC +t: only half-op and above set the topic. On by default.
    TopicLocked,
    /// IRC +R: only accounts come in.
    RegisteredOnly,
    /// Stays when empty: IRC +P / a registered channel, XMPP persistent.
    Persistent,
    /// IRC +C: no requests to clients (CTCP) other than actions.
    NoRequests,
    /// IRC +M: only accounts, and whoever has a voice, speak.
    RegisteredSpeak,
    /// IRC +u: who has no voice sees only those who have one.
    Auditorium,
    /// Not yet given free by its founder, who is inside and sets it up (XEP-0045 section 10.1.1): nobody else comes in.
    Locked,
    /// Whose account an occupant is, is shown to moderators only (XEP-0045 section 4.2, semi-anonymous).
    Anonymous,
    /// Nobody's in particular, as long as it is not [`Flag::Persistent`] too: from [`Rank::Operator`] up all are equals, the last of them may step
    /// down, and who finds it without any begins it anew. IRC channels that are not registered.
    Level,
}

/// One act upon the room's state: what the body of a document change says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// The room comes to be and its author is founder, unless an earlier creation exists.
    Create,
    /// Gives `who` a standing ([`Rank::None`] takes it away).
    SetRank {
        /// Whose.
        who: Principal,
        /// The new standing.
        rank: Rank,
    },
    /// Marks `who` with a standing beneath the one that counts, to be shown beside it and to be left with when that one is taken (IRCv3
    /// `multi-prefix`). It gives nobody a right.
    SetMark {
        /// Whose.
        who: Principal,
        /// Which: [`Rank::Voice`] to [`Rank::Admin`].
        rank: Rank,
        /// Whether it is there.
        on: bool,
    },
    /// Bans a mask, or lifts the ban.
    SetBan {
        /// What is banned.
        mask: Mask,
        /// `Some(reason)` bans, `None` lifts.
        ban: Option<String>,
    },
    /// Exempts a mask from bans (IRC +e), or ends the exemption.
    SetException {
        /// What is exempt.
        mask: Mask,
        /// Whether it is.
        on: bool,
    },
    /// Invites a mask past +i (IRC +I), or ends that.
    SetInviteException {
        /// What is invited.
        mask: Mask,
        /// Whether it is.
        on: bool,
    },
    /// Switches a flag.
    SetFlag {
        /// Which.
        flag: Flag,
        /// To what.
        on: bool,
    },
    /// Sets or removes the key (IRC +k, XMPP room password).
    SetKey(Option<String>),
    /// Sets or removes the limit of occupants (IRC +l).
    SetLimit(Option<u32>),
    /// Sets the topic; empty removes it.
    SetTopic(String),
    /// Names the room that is offered to whom this one does not let in (IRC +f), or none.
    SetForward(Option<RoomName>),
    /// Sets the room's name for people (XMPP `muc#roomconfig_roomname`); empty removes it.
    SetTitle(String),
    /// Sets what the room is about (XMPP `muc#roomconfig_roomdesc`); empty removes it.
    SetDescription(String),
    /// Closes the room (XMPP destroy): everybody is out, and whoever comes next is founder of a room in which nothing has been said. `None` opens
    /// it anew.
    SetClosed(Option<Closed>),
    /// Notes something about the room under a key (IRCv3 `metadata`); `None` removes it.
    SetNote {
        /// Under which key.
        key: String,
        /// What.
        value: Option<String>,
    },
    /// Says that the room goes by another name from here on, and that everybody in it is there; `None` takes it back.
    SetMoved(Option<RoomName>),
    /// Says by which name the room went before, so that what was said there is its history.
    SetFormer(RoomName),
}

/// With which words a room was closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Why; may be empty.
    pub reason: String,
    /// Where to go instead: a room address; may be empty.
    pub venue: String,
    /// The key of that room; may be empty.
    pub password: String,
}

/// Most masks on the lists of a room together that an author may bring about; a merge of both sides of a cut may come to more.
pub const MASKS_MAX: usize = 500;
/// Most bytes of a topic: what fits an IRC line of 8 KiB with tags.
pub const TOPIC_BYTES_MAX: usize = 4096;
/// Most bytes of a ban's reason, a key and a title: a line of IRC (RFC 2812 section 2.3).
pub const PHRASE_BYTES_MAX: usize = 512;

impl Act {
    /// Flags that a room has from its creation on.
    pub const FLAGS_OF_A_NEW_ROOM: [Flag; 2] = [Flag::NoExternal, Flag::TopicLocked];

    /// Whether the act can be said: its texts are within their limits and hold nothing that ends a line. One that cannot is refused as
    /// malformed by every replica, so ask before minting it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        match self {
            Self::Create
            | Self::SetRank { .. }
            | Self::SetFlag { .. }
            | Self::SetLimit(_)
            | Self::SetForward(_)
            | Self::SetMoved(_)
            | Self::SetFormer(_) => true,
            Self::SetMark { rank, .. } => (Rank::Voice..=Rank::Admin).contains(rank),
            Self::SetNote { key, value } => notes::is_key(key) && value.as_deref().is_none_or(notes::is_value),
            Self::SetBan { mask, ban } => mask.is_sound() && ban.as_deref().is_none_or(is_phrase),
            Self::SetException { mask, .. } | Self::SetInviteException { mask, .. } => mask.is_sound(),
            Self::SetKey(key) => {
                key.as_deref().is_none_or(|key| is_phrase(key) && !key.is_empty() && !key.chars().any(char::is_control))
            }
            Self::SetTopic(text) => text.len() <= TOPIC_BYTES_MAX && !text.contains(['\0', '\r']),
            Self::SetTitle(title) | Self::SetDescription(title) => is_phrase(title),
            Self::SetClosed(closed) => closed.as_ref().is_none_or(|closed| {
                [&closed.reason, &closed.venue, &closed.password].into_iter().all(|text| is_phrase(text))
            }),
        }
    }
}

/// The topic and who set it when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// The words.
    pub text: String,
    /// The setter's nick.
    pub by: Nick,
    /// When.
    pub at: Hlc,
}

/// A ban and its story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Why; may be empty.
    pub reason: String,
    /// The setter's nick.
    pub by: Nick,
    /// When.
    pub at: Hlc,
}

/// The effective state of a room: equal on every replica that has the same entries (invariant L1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomState {
    /// When it was created, by the creation that counts; `None` before any.
    pub created: Option<Hlc>,
    /// Everybody with a standing above [`Rank::None`].
    pub ranks: BTreeMap<Principal, Rank>,
    /// Standings beneath those, as [`Act::SetMark`] says; empty sets are not kept.
    pub marks: BTreeMap<Principal, BTreeSet<Rank>>,
    /// IRC +b.
    pub bans: BTreeMap<Mask, Ban>,
    /// IRC +e.
    pub exceptions: BTreeMap<Mask, Ban>,
    /// IRC +I.
    pub invite_exceptions: BTreeMap<Mask, Ban>,
    /// Flags that are on.
    pub flags: BTreeSet<Flag>,
    /// IRC +k.
    pub key: Option<String>,
    /// IRC +l.
    pub limit: Option<u32>,
    /// The topic.
    pub topic: Option<Topic>,
    /// IRC +f.
    pub forward: Option<RoomName>,
    /// The room's name for people.
    pub title: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// What is noted about it.
    pub notes: Notes,
    /// By which name it goes now, where it has another one.
    pub moved: Option<RoomName>,
    /// By which name it went before, as who moved it says; that name's room is to say so too.
    pub former: Option<RoomName>,
    /// With which words it was closed; `None` while it is open.
    pub closed: Option<Closed>,
    /// When it was last opened anew: what was said before is nobody's any more. Zero for one that never was.
    pub opened: Hlc,
}

/// Somebody is removed from a room: the body of a kick entry. Needs [`Rank::HalfOp`] and more than the target's rank (operators may
/// kick operators, and in a level room all from operators up one another). Takes effect at the target's home node on places taken before the kick's stamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kick {
    /// Whose place: the nick's key.
    pub nick: NickKey,
    /// Whose rights: for comparing ranks.
    pub who: Principal,
    /// The sessions meant.
    pub sessions: Vec<SessionId>,
    /// Why; may be empty.
    pub reason: String,
}

impl Kick {
    /// Whether every protocol can say it; one that cannot has no effect anywhere.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        is_phrase(&self.reason)
    }
}

fn is_phrase(text: &str) -> bool {
    text.len() <= PHRASE_BYTES_MAX && !text.contains(['\0', '\r', '\n'])
}

/// What a right is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Right<'a> {
    /// Speak in the room.
    Speak {
        /// Whether the author is in the room.
        present: bool,
        /// Whether it is a request to clients, see [`Content::is_request`](crate::content::Content::is_request).
        is_request: bool,
    },
    /// Perform an act.
    Act(&'a Act),
    /// Remove somebody.
    Kick(&'a Kick),
    /// Invite somebody.
    Invite,
    /// Take back what others have said (IRCv3 `draft/message-redaction`, XEP-0425).
    Moderate,
}

/// Why a right is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Denied {
    /// Nothing by that name.
    #[error("no such room")]
    NoRoom,
    /// Needs a higher rank.
    #[error("needs a higher rank")]
    Rank,
    /// Banned.
    #[error("banned")]
    Banned,
    /// The room is moderated and the author has no voice.
    #[error("the room is moderated")]
    Moderated,
    /// Not an occupant, and the room takes nothing from outside.
    #[error("not an occupant")]
    NotPresent,
    /// Invite-only.
    #[error("invite only")]
    InviteOnly,
    /// Wrong key.
    #[error("wrong key")]
    BadKey,
    /// Full.
    #[error("the room is full")]
    Full,
    /// The room takes no requests to clients.
    #[error("the room takes no requests to clients")]
    NoRequests,
    /// Needs an account.
    #[error("needs an account")]
    NeedsAccount,
    /// It would leave the room without a founder or operator.
    #[error("the room would be left without a founder")]
    LastFounder,
    /// It holds a text that is too long or has a character that is not allowed there.
    #[error("a text is too long or holds a character that is not allowed")]
    Malformed,
}

impl RoomState {
    /// The standing of a principal.
    #[must_use]
    pub fn rank(&self, who: &Principal) -> Rank {
        self.ranks.get(who).copied().unwrap_or_default()
    }

    /// The standings beneath the one that counts, highest first.
    #[must_use]
    pub fn beneath(&self, who: &Principal) -> Vec<Rank> {
        let rank = self.rank(who);
        let marks = self.marks.get(who).into_iter().flatten().rev();
        marks.copied().filter(|mark| *mark < rank).collect()
    }

    /// Whether a place that was taken then can still be held: it is open, and has not been closed since.
    #[must_use]
    pub fn is_open_to(&self, since: Hlc) -> bool {
        self.closed.is_none() && since >= self.opened
    }

    /// Whether it is there for people: created, and not closed.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.created.is_some() && self.closed.is_none()
    }

    /// Whether a flag is on.
    #[must_use]
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    /// Whether from operators up all are equals here: see [`Flag::Level`].
    #[must_use]
    pub fn is_level(&self) -> bool {
        self.has(Flag::Level) && !self.has(Flag::Persistent)
    }

    /// Whether it is level and nobody has an operator's standing or a higher one.
    #[must_use]
    pub fn is_headless(&self) -> bool {
        self.is_level() && self.ranks.values().all(|rank| *rank < Rank::Operator)
    }
}
