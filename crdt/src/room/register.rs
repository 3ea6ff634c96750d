//! The registers of a room's state, and which of them each act writes.

use super::{Act, Ban, Flag, Mask, Rank, RoomState, Topic};
use crate::content::{Author, Principal};
use crate::ids::OrderKey;

/// One independent part of the state: concurrent acts conflict exactly when they write one register.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Register {
    Created,
    Rank(Principal),
    Mark(Principal, Rank),
    Ban(Mask),
    Exception(Mask),
    InviteException(Mask),
    Flag(Flag),
    Key,
    Limit,
    Topic,
    Forward,
    Title,
    Description,
    Closed,
    Note(String),
    Moved,
    Former,
}

impl Register {
    /// Whose rank it is.
    pub(super) fn ranked(&self) -> Option<&Principal> {
        if let Self::Rank(who) = self { Some(who) } else { None }
    }

    /// Which ban it is.
    pub(super) fn banned(&self) -> Option<&Mask> {
        if let Self::Ban(mask) = self { Some(mask) } else { None }
    }

    /// Which exception from bans it is.
    pub(super) fn excepted(&self) -> Option<&Mask> {
        if let Self::Exception(mask) = self { Some(mask) } else { None }
    }
}

/// What `act` by `author` writes.
pub(super) fn written(act: &Act, author: &Author) -> Vec<Register> {
    match act {
        Act::Create => {
            let flags = Act::FLAGS_OF_A_NEW_ROOM.map(Register::Flag);
            [Register::Created, Register::Rank(author.principal())].into_iter().chain(flags).collect()
        }
        Act::SetRank { who, .. } => vec![Register::Rank(who.clone())],
        Act::SetMark { who, rank, .. } => vec![Register::Mark(who.clone(), *rank)],
        Act::SetBan { mask, .. } => vec![Register::Ban(mask.clone())],
        Act::SetException { mask, .. } => vec![Register::Exception(mask.clone())],
        Act::SetInviteException { mask, .. } => vec![Register::InviteException(mask.clone())],
        Act::SetFlag { flag, .. } => vec![Register::Flag(*flag)],
        Act::SetKey(_) => vec![Register::Key],
        Act::SetLimit(_) => vec![Register::Limit],
        Act::SetTopic(_) => vec![Register::Topic],
        Act::SetForward(_) => vec![Register::Forward],
        Act::SetTitle(_) => vec![Register::Title],
        Act::SetDescription(_) => vec![Register::Description],
        Act::SetClosed(_) => vec![Register::Closed],
        Act::SetNote { key, .. } => vec![Register::Note(key.clone())],
        Act::SetMoved(_) => vec![Register::Moved],
        Act::SetFormer(_) => vec![Register::Former],
    }
}

/// The standing that `act` leaves in a rank register it writes.
pub(super) fn rank_given(act: &Act) -> Rank {
    if let Act::SetRank { rank, .. } = act { *rank } else { Rank::Founder }
}

/// Whether `act` bans.
pub(super) fn is_ban(act: &Act) -> bool {
    matches!(act, Act::SetBan { ban: Some(_), .. })
}

/// Whether a flag is on after `act`, which writes its register.
pub(super) fn flag_given(act: &Act) -> bool {
    matches!(act, Act::Create | Act::SetFlag { on: true, .. })
}

impl RoomState {
    /// Writes everything that `act` writes.
    pub(super) fn perform(&mut self, act: &Act, author: &Author, at: OrderKey) {
        for register in written(act, author) {
            self.write(&register, act, author, at);
        }
    }

    /// Writes the one register, which `act` writes.
    pub(super) fn write(&mut self, register: &Register, act: &Act, author: &Author, at: OrderKey) {
        let listed = |reason: &str| Ban { reason: reason.to_owned(), by: author.nick.clone(), at: at.hlc };
        match register {
            Register::Created => self.created = Some(at.hlc),
            Register::Rank(who) => {
                self.ranks.remove(who);
                let rank = rank_given(act);
                if rank > Rank::None {
                    self.ranks.insert(who.clone(), rank);
                }
            }
            Register::Mark(who, rank) => {
                let marks = self.marks.entry(who.clone()).or_default();
                if let Act::SetMark { on: true, .. } = act {
                    marks.insert(*rank);
                } else {
                    marks.remove(rank);
                }
                if marks.is_empty() {
                    self.marks.remove(who);
                }
            }
            Register::Flag(flag) if flag_given(act) => {
                self.flags.insert(*flag);
            }
            Register::Flag(flag) => {
                self.flags.remove(flag);
            }
            Register::Ban(mask) => {
                self.bans.remove(mask);
                if let Act::SetBan { ban: Some(reason), .. } = act {
                    self.bans.insert(mask.clone(), listed(reason));
                }
            }
            Register::Exception(mask) => {
                self.exceptions.remove(mask);
                if let Act::SetException { on: true, .. } = act {
                    self.exceptions.insert(mask.clone(), listed(""));
                }
            }
            Register::InviteException(mask) => {
                self.invite_exceptions.remove(mask);
                if let Act::SetInviteException { on: true, .. } = act {
                    self.invite_exceptions.insert(mask.clone(), listed(""));
                }
            }
            Register::Key => {
                if let Act::SetKey(key) = act {
                    self.key.clone_from(key);
                }
            }
            Register::Limit => {
                if let Act::SetLimit(limit) = act {
                    self.limit = *limit;
                }
            }
            Register::Topic => {
                if let Act::SetTopic(text) = act {
                    let topic = Topic { text: text.clone(), by: author.nick.clone(), at: at.hlc };
                    self.topic = (!text.is_empty()).then_some(topic);
                }
            }
            Register::Forward => {
                if let Act::SetForward(room) = act {
                    self.forward.clone_from(room);
                }
            }
            Register::Title => {
                if let Act::SetTitle(title) = act {
                    self.title = (!title.is_empty()).then(|| title.clone());
                }
            }
            Register::Description => {
                if let Act::SetDescription(text) = act {
                    self.description = (!text.is_empty()).then(|| text.clone());
                }
            }
            Register::Note(key) => {
                self.notes.remove(key);
                if let Act::SetNote { value: Some(value), .. } = act {
                    self.notes.insert(key.clone(), value.clone());
                }
            }
            Register::Moved => {
                if let Act::SetMoved(room) = act {
                    self.moved.clone_from(room);
                }
            }
            Register::Former => {
                if let Act::SetFormer(room) = act {
                    self.former = Some(room.clone());
                }
            }
            Register::Closed => {
                if let Act::SetClosed(closed) = act {
                    self.closed.clone_from(closed);
                    if closed.is_none() {
                        self.opened = at.hlc;
                    }
                }
            }
        }
    }
}
