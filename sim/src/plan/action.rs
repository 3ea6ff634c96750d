//! What clients do.

use crate::client::deeds;
use serde::{Deserialize, Serialize};

/// Names of all actions.
pub(super) const NAMES: &[&str] =
    &["say", "tell", "topic", "ban-for-good", "ban", "unban", "op", "deop", "kick", "part", "join", "nick", "reply"];

/// What a client can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Says a line of its own making in a room.
    Say(usize),
    /// Says a line to the account of another client.
    Tell(usize),
    /// Sets a room's topic.
    Topic(usize),
    /// Bans a mask that nobody ever lifts.
    BanForGood(usize),
    /// Bans a mask that may be lifted.
    Ban(usize),
    /// Lifts the ban.
    Unban(usize),
    /// Makes another client operator: (room, client).
    Op(usize, usize),
    /// Takes that away: (room, client).
    Deop(usize, usize),
    /// Removes another client: (room, client).
    Kick(usize, usize),
    /// Leaves a room.
    Part(usize),
    /// Enters a room.
    Join(usize),
    /// Takes another nick (IRC).
    Nick(String),
    /// Says a line in answer to the one it saw last in the room.
    Reply(usize),
    /// Does what a row of the table of deeds says: (row, room, other client). A client whose protocol has no such row does nothing.
    Deed(String, usize, usize),
}

impl Action {
    /// Its name, for counting.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Say(_) => "say",
            Self::Tell(_) => "tell",
            Self::Topic(_) => "topic",
            Self::BanForGood(_) => "ban-for-good",
            Self::Ban(_) => "ban",
            Self::Unban(_) => "unban",
            Self::Op(..) => "op",
            Self::Deop(..) => "deop",
            Self::Kick(..) => "kick",
            Self::Part(_) => "part",
            Self::Join(_) => "join",
            Self::Nick(_) => "nick",
            Self::Reply(_) => "reply",
            Self::Deed(name, ..) => deeds::by_name(name).map_or("no such deed", |deed| deed.name),
        }
    }

    /// The room and the other client it names.
    #[must_use]
    pub fn indices(&self) -> (Option<usize>, Option<usize>) {
        match self {
            Self::Say(room)
            | Self::Topic(room)
            | Self::BanForGood(room)
            | Self::Ban(room)
            | Self::Unban(room)
            | Self::Part(room)
            | Self::Join(room)
            | Self::Reply(room) => (Some(*room), None),
            Self::Tell(other) => (None, Some(*other)),
            Self::Op(room, other) | Self::Deop(room, other) | Self::Kick(room, other) | Self::Deed(_, room, other) => {
                (Some(*room), Some(*other))
            }
            Self::Nick(_) => (None, None),
        }
    }
}
