//! NAMES, and the ranks of occupants as IRC shows them. RFC 2812 section 3.2.5, IRCv3 `multi-prefix` and `userhost-in-names`.

use super::channel::{CHANNELS_MAX, room_of};
use super::message::LINE_BYTES_MAX;
use super::numerics::*;
use super::said::channel_name;
use super::{Caps, Message, Now, Session};
use crate::command::{Command, Reply};
use crate::event::{Occupant, Person, RoomView};
use lavina_crdt::modes::UserMode;
use lavina_crdt::names::Nick;
use lavina_crdt::room::{Flag, Rank};

/// Bytes that a line of names has for names, with the longest nick and channel before them.
const NAMES_BYTES: usize = LINE_BYTES_MAX - 220;

/// Whether the names are for somebody inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reveal {
    /// Who has just come in, and is among them.
    Inside,
    /// Who is inside and asks: an auditorium is the same for all who have no voice, without themselves.
    Asking,
    Outside,
}

/// A rank as IRC shows it: founders are those of registered channels, of others whoever made it is an operator.
pub(super) const fn shown(rank: Rank, in_lasting_room: bool) -> Rank {
    match rank {
        Rank::Founder if !in_lasting_room => Rank::Operator,
        Rank::None | Rank::Member | Rank::Voice | Rank::HalfOp | Rank::Operator | Rank::Admin | Rank::Founder => rank,
    }
}

/// The mode letter of a rank, where IRC shows it.
pub(super) const fn letter(rank: Rank) -> Option<char> {
    match rank {
        Rank::None | Rank::Member => None,
        Rank::Voice => Some('v'),
        Rank::HalfOp => Some('h'),
        Rank::Operator => Some('o'),
        Rank::Admin => Some('a'),
        Rank::Founder => Some('q'),
    }
}

/// The standings of an occupant as IRC shows them, highest first.
pub(super) fn standings(rank: Rank, beneath: &[Rank], in_lasting_room: bool) -> impl Iterator<Item = Rank> {
    let highest = shown(rank, in_lasting_room);
    std::iter::once(highest).chain(beneath.iter().copied().filter(move |rank| *rank < highest))
}

/// The marks before an occupant's nick: the highest, or all for a client with `multi-prefix`.
pub(super) fn prefixes(caps: Caps, occupant: &Occupant) -> String {
    let standings = standings(occupant.rank, &occupant.beneath, occupant.in_lasting_room);
    let most = if caps.has(Caps::MULTI_PREFIX) { usize::MAX } else { 1 };
    standings.take(most).map(prefix).collect()
}

/// The mark before a nick.
pub(super) const fn prefix(rank: Rank) -> &'static str {
    match rank {
        Rank::None | Rank::Member => "",
        Rank::Voice => "+",
        Rank::HalfOp => "%",
        Rank::Operator => "@",
        Rank::Admin => "&",
        Rank::Founder => "~",
    }
}

/// Marks as they stand before a channel's name, for who has that standing or a higher one; advertised as STATUSMSG.
pub(super) const STATUS_MARKS: &str = "~&@%+";

/// The channel in the target of a message, and from which standing on it is for somebody: of several marks the least (ISUPPORT STATUSMSG).
pub(super) fn status_target(name: &str) -> Option<(Rank, &str)> {
    let channel = name.trim_start_matches(|mark| STATUS_MARKS.contains(mark));
    let marks = name.strip_suffix(channel).filter(|marks| !marks.is_empty() && channel.starts_with('#'))?;
    let ranks = [Rank::Voice, Rank::HalfOp, Rank::Operator, Rank::Admin, Rank::Founder];
    ranks.into_iter().find(|rank| marks.contains(prefix(*rank))).map(|rank| (rank, channel))
}

/// `nick!user@host` of somebody under a nick.
pub(super) fn source_of(nick: &Nick, person: &Person) -> String {
    format!("{nick}!{}@{}", person.record.user, person.record.host)
}

/// NAMES.
pub(super) fn names(session: &mut Session, _now: Now, message: &Message<'_>) {
    let Some(list) = message.param(0) else {
        session.numeric(RPL_ENDOFNAMES, &["*"], "End of /NAMES list");
        return;
    };
    for (index, name) in list.split(',').filter(|name| !name.is_empty()).enumerate() {
        if index >= CHANNELS_MAX {
            return session.numeric(ERR_TOOMANYTARGETS, &[name], "Too many targets");
        }
        // Of what cannot be a channel as much is said as of one that is not there (modern.ircdocs.horse, NAMES).
        let Some(room) = room_of(name) else {
            session.numeric(RPL_ENDOFNAMES, &[name], "End of /NAMES list");
            continue;
        };
        session.ask(Command::RoomInfo(room.clone()), move |session, _, answer| {
            if let Ok(Reply::Room(Some(view))) = answer {
                let reveal = if view.own_nick.is_some() { Reveal::Asking } else { Reveal::Outside };
                write_names(session, &view, reveal);
            } else {
                session.numeric(RPL_ENDOFNAMES, &[&channel_name(&room)], "End of /NAMES list");
            }
        });
    }
}

/// Whether somebody outside is shown an occupant: invisible people are not (modern.ircdocs.horse, NAMES).
pub(super) fn is_seen(reveal: Reveal, occupant: &Occupant) -> bool {
    let is_invisible = |person: &Person| person.record.modes.has(UserMode::Invisible);
    reveal != Reveal::Outside || !occupant.people.iter().all(is_invisible)
}

/// The names of a channel's occupants; of a secret one only to those inside.
pub(super) fn write_names(session: &mut Session, view: &RoomView, reveal: Reveal) {
    let channel = channel_name(&view.name);
    let secret = view.state.has(Flag::Secret);
    if reveal != Reveal::Outside || !secret {
        let symbol = if secret { "@" } else { "=" };
        let mut line = String::new();
        let is_audience = |occupant: &Occupant| {
            view.state.has(Flag::Auditorium)
                && occupant.rank < Rank::Voice
                && Some(&occupant.nick) == view.own_nick.as_ref()
        };
        let seen = view.occupants.iter().filter(|occupant| is_seen(reveal, occupant));
        for occupant in seen.filter(|occupant| reveal != Reveal::Asking || !is_audience(occupant)) {
            let item = item(session, occupant);
            if !line.is_empty() && line.len() + item.len() >= NAMES_BYTES {
                session.numeric(RPL_NAMREPLY, &[symbol, &channel], &line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&item);
        }
        if !line.is_empty() {
            session.numeric(RPL_NAMREPLY, &[symbol, &channel], &line);
        }
    }
    session.numeric(RPL_ENDOFNAMES, &[&channel], "End of /NAMES list");
}

fn item(session: &Session, occupant: &Occupant) -> String {
    let mark = prefixes(session.caps, occupant);
    match occupant.people.first() {
        Some(person) if session.caps.has(Caps::USERHOST_IN_NAMES) => {
            format!("{mark}{}", source_of(&occupant.nick, person))
        }
        Some(_) | None => format!("{mark}{}", occupant.nick),
    }
}
