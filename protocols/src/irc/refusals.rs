//! Refusals as numerics: what the core says in neutral words, in the words that IRC clients know.

use super::Session;
use super::numerics::*;
use crate::command::Refusal;
use lavina_crdt::room::Denied;

impl Session {
    /// A refusal of something asked about a channel, other than joining it or speaking in it.
    pub(super) fn refuse_in(&mut self, verb: &str, channel: &str, refusal: &Refusal) {
        match refusal {
            Refusal::Denied(denied) => match denied {
                Denied::NoRoom => self.numeric(ERR_NOSUCHCHANNEL, &[channel], "No such channel"),
                Denied::NotPresent => self.numeric(ERR_NOTONCHANNEL, &[channel], "You're not on that channel"),
                Denied::LastFounder => {
                    self.numeric(ERR_CHANOPRIVSNEEDED, &[channel], "The channel would be left without a founder");
                }
                Denied::Malformed => {
                    let text = "That is too long or holds a character that is not allowed";
                    self.numeric(ERR_UNKNOWNERROR, &[verb, channel], text);
                }
                Denied::Rank
                | Denied::Banned
                | Denied::Moderated
                | Denied::NoRequests
                | Denied::InviteOnly
                | Denied::BadKey
                | Denied::Full
                | Denied::NeedsAccount => {
                    self.numeric(ERR_CHANOPRIVSNEEDED, &[channel], "You're not channel operator");
                }
            },
            Refusal::NickInUse
            | Refusal::AccountExists
            | Refusal::NoSuchNick
            | Refusal::NoSuchAccount
            | Refusal::Blocked
            | Refusal::NoSuchOccupant
            | Refusal::AlreadyPresent
            | Refusal::NeedsAccount
            | Refusal::NotOpen
            | Refusal::TooMany(_)
            | Refusal::Storage
            | Refusal::NotOperator
            | Refusal::Elsewhere(..)
            | Refusal::Barred(_)
            | Refusal::WantsAccount
            | Refusal::NoSuchMessage => self.refuse_unknown(verb, refusal),
        }
    }

    /// A refusal of JOIN.
    pub(super) fn refuse_join(&mut self, channel: &str, refusal: &Refusal) {
        let (code, text) = match refusal {
            Refusal::Denied(Denied::Banned) => (ERR_BANNEDFROMCHAN, "Cannot join channel (+b)"),
            Refusal::Denied(Denied::InviteOnly) => (ERR_INVITEONLYCHAN, "Cannot join channel (+i)"),
            Refusal::Denied(Denied::BadKey) => (ERR_BADCHANNELKEY, "Cannot join channel (+k)"),
            Refusal::Denied(Denied::Full) => (ERR_CHANNELISFULL, "Cannot join channel (+l)"),
            Refusal::Denied(Denied::NeedsAccount) | Refusal::NeedsAccount => {
                (ERR_NEEDREGGEDNICK, "Cannot join channel (+R): log in first")
            }
            Refusal::Barred(why) => (ERR_BANNEDFROMCHAN, why.as_str()),
            Refusal::TooMany(_) => (ERR_TOOMANYCHANNELS, "You have joined too many channels"),
            Refusal::NickInUse => (ERR_BANNEDFROMCHAN, "Somebody in the channel has your nickname"),
            Refusal::Denied(_)
            | Refusal::AccountExists
            | Refusal::NoSuchNick
            | Refusal::NoSuchAccount
            | Refusal::Blocked
            | Refusal::NoSuchOccupant
            | Refusal::AlreadyPresent
            | Refusal::NotOpen
            | Refusal::Storage
            | Refusal::NotOperator
            | Refusal::Elsewhere(..)
            | Refusal::WantsAccount
            | Refusal::NoSuchMessage => return self.refuse_in("JOIN", channel, refusal),
        };
        self.numeric(code, &[channel], text);
    }

    /// A refusal of something said.
    pub(super) fn refuse_say(&mut self, verb: &str, target: &str, refusal: &Refusal) {
        match refusal {
            Refusal::Denied(Denied::NoRoom) => self.numeric(ERR_NOSUCHCHANNEL, &[target], "No such channel"),
            Refusal::Denied(Denied::Moderated) => {
                self.numeric(ERR_CANNOTSENDTOCHAN, &[target], "Cannot send to channel (+m)");
            }
            Refusal::Denied(Denied::Banned) => {
                self.numeric(ERR_CANNOTSENDTOCHAN, &[target], "Cannot send to channel (+b)");
            }
            Refusal::Denied(Denied::NoRequests) => {
                self.numeric(ERR_CANNOTSENDTOCHAN, &[target], "Cannot send to channel (+C)");
            }
            Refusal::Denied(Denied::NeedsAccount) => {
                self.numeric(ERR_CANNOTSENDTOCHAN, &[target], "Cannot send to channel (+M): log in first");
            }
            Refusal::Denied(_) => self.numeric(ERR_CANNOTSENDTOCHAN, &[target], "Cannot send to channel"),
            Refusal::WantsAccount => {
                let text = "You must be logged in to message this user";
                self.numeric(ERR_NEEDREGGEDNICK, &[target], text);
            }
            Refusal::NoSuchNick | Refusal::NoSuchAccount | Refusal::NoSuchOccupant => self.no_such_nick(target),
            Refusal::NickInUse
            | Refusal::Blocked
            | Refusal::AccountExists
            | Refusal::AlreadyPresent
            | Refusal::NeedsAccount
            | Refusal::NotOpen
            | Refusal::TooMany(_)
            | Refusal::Storage
            | Refusal::NotOperator
            | Refusal::Elsewhere(..)
            | Refusal::Barred(_)
            | Refusal::NoSuchMessage => self.refuse_unknown(verb, refusal),
        }
    }

    /// 401.
    pub(super) fn no_such_nick(&mut self, nick: &str) {
        self.numeric(ERR_NOSUCHNICK, &[nick], "No such nick/channel");
    }

    /// A refusal that has no numeric of its own.
    pub(super) fn refuse_unknown(&mut self, verb: &str, refusal: &Refusal) {
        let mut text = refusal.to_string();
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        self.numeric(ERR_UNKNOWNERROR, &[verb], &text);
    }
}
