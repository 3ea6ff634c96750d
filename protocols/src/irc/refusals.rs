//! Refusals as numerics: what the core says in neutral words, in the words that IRC clients know.

use super::Session;
use super::channel::room_of;
use super::numerics::*;
use crate::command::Refusal;
use lavina_crdt::room::Denied;

impl Session {
    /// A refusal of something asked about a channel, other than joining it or speaking in it.
    pub(super) fn refuse_in(&mut self, verb: &str, channel: &str, refusal: &Refusal) {
        let Refusal::Denied(denied) = refusal else { return self.refuse_unknown(verb, refusal) };
        match denied {
            Denied::NoRoom => self.numeric(ERR_NOSUCHCHANNEL, &[channel], "No such channel"),
            Denied::NotPresent => self.numeric(ERR_NOTONCHANNEL, &[channel], "You're not on that channel"),
            Denied::LastFounder => {
                self.numeric(ERR_CHANOPRIVSNEEDED, &[channel], "The channel would be left without a founder");
            }
            Denied::Malformed => {
                let text = "That is too long or holds a character that is not allowed";
                self.numeric(ERR_UNKNOWNERROR, &[verb, channel], text);
            }
            // RFC 2812 section 5.2: what needs to be inside comes before what needs a standing.
            Denied::Rank if ["TOPIC", "KICK"].contains(&verb) && !self.is_inside(channel) => {
                self.numeric(ERR_NOTONCHANNEL, &[channel], "You're not on that channel");
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
        }
    }

    fn is_inside(&self, channel: &str) -> bool {
        room_of(channel).is_some_and(|room| self.rooms.contains(&room))
    }

    /// A refusal of JOIN.
    pub(super) fn refuse_join(&mut self, channel: &str, refusal: &Refusal) {
        let denied = if let Refusal::Denied(denied) = refusal { Some(*denied) } else { None };
        let (code, text) = if let Some(Denied::Banned) = denied {
            (ERR_BANNEDFROMCHAN, "Cannot join channel (+b)")
        } else if let Some(Denied::InviteOnly) = denied {
            (ERR_INVITEONLYCHAN, "Cannot join channel (+i)")
        } else if let Some(Denied::BadKey) = denied {
            (ERR_BADCHANNELKEY, "Cannot join channel (+k)")
        } else if let Some(Denied::Full) = denied {
            (ERR_CHANNELISFULL, "Cannot join channel (+l)")
        } else if denied == Some(Denied::NeedsAccount) || *refusal == Refusal::NeedsAccount {
            (ERR_NEEDREGGEDNICK, "Cannot join channel (+R): log in first")
        } else if let Refusal::Barred(why) = refusal {
            (ERR_BANNEDFROMCHAN, why.as_str())
        } else if let Refusal::TooMany(_) = refusal {
            (ERR_TOOMANYCHANNELS, "You have joined too many channels")
        } else if *refusal == Refusal::NickInUse {
            (ERR_BANNEDFROMCHAN, "Somebody in the channel has your nickname")
        } else {
            return self.refuse_in("JOIN", channel, refusal);
        };
        self.numeric(code, &[channel], text);
    }

    /// A refusal of something said.
    pub(super) fn refuse_say(&mut self, verb: &str, target: &str, refusal: &Refusal) {
        if [Refusal::NoSuchNick, Refusal::NoSuchAccount, Refusal::NoSuchOccupant].contains(refusal) {
            return self.no_such_nick(target);
        }
        if *refusal == Refusal::WantsAccount {
            return self.numeric(ERR_NEEDREGGEDNICK, &[target], "You must be logged in to message this user");
        }
        let Refusal::Denied(denied) = *refusal else { return self.refuse_unknown(verb, refusal) };
        if denied == Denied::NoRoom {
            return self.numeric(ERR_NOSUCHCHANNEL, &[target], "No such channel");
        }
        let why = if denied == Denied::Moderated {
            " (+m)"
        } else if denied == Denied::Banned {
            " (+b)"
        } else if denied == Denied::NoRequests {
            " (+C)"
        } else if denied == Denied::NeedsAccount {
            " (+M): log in first"
        } else {
            ""
        };
        self.numeric(ERR_CANNOTSENDTOCHAN, &[target], &format!("Cannot send to channel{why}"));
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
