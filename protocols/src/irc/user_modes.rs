//! MODE of a nick: what one says of oneself. RFC 2812 section 3.1.5, modern.ircdocs.horse "User Modes".
//!
//! `x` is always on, since no address is ever shown, and `r` while one is logged in; asking for either changes nothing. `o` can only be given back. There are no
//! server notices to choose from (`s`).

use super::message::Line;
use super::numerics::*;
use super::{Message, Session};
use crate::command::{Command, Reply};
use lavina_crdt::modes::{UserMode, UserModes};
use lavina_crdt::names::Nick;

/// Letters of modes that are switched. In the order shown.
pub(super) const LETTERS: &[(char, UserMode)] = &[
    ('B', UserMode::Bot),
    ('i', UserMode::Invisible),
    ('o', UserMode::Operator),
    ('R', UserMode::RegisteredOnly),
    ('w', UserMode::Wallops),
];

/// What is on, as letters; `r` for who is logged in.
fn letters(modes: UserModes, is_logged_in: bool) -> String {
    let on = LETTERS.iter().filter(|(_, mode)| modes.has(*mode)).map(|(letter, _)| *letter);
    std::iter::once('+').chain(on).chain(is_logged_in.then_some('r')).chain(['x']).collect()
}

/// MODE with a nick.
pub(super) fn user_mode(session: &mut Session, message: &Message<'_>) {
    let name = message.param(0).unwrap_or_default().to_owned();
    if !name.eq_ignore_ascii_case(&session.me.nick) {
        return other(session, name);
    }
    let wanted = message.param(1).map(|modes| parse(session, modes)).unwrap_or_default();
    let asks = message.param(1).is_none();
    if wanted.is_empty() && !asks {
        return;
    }
    session.ask(Command::SetModes(wanted), move |session, _, answer| match answer {
        Ok(Reply::Modes(_, modes)) if asks => {
            let is_logged_in = session.me.account.is_some();
            session.numeric_words(RPL_UMODEIS, &[&letters(modes, is_logged_in)]);
        }
        Ok(Reply::Modes(old, new)) => tell(session, old, new),
        Ok(_) => {}
        Err(refusal) => session.refuse_unknown("MODE", &refusal),
    });
}

/// Somebody else's modes are theirs.
fn other(session: &mut Session, name: String) {
    let Ok(nick) = Nick::new(&name) else { return session.no_such_nick(&name) };
    session.ask(Command::FindNick(nick), move |session, _, answer| match answer {
        Ok(Reply::People(people)) if people.is_empty() => session.no_such_nick(&name),
        Ok(_) | Err(_) => session.numeric(ERR_USERSDONTMATCH, &[], "Cannot change mode for other users"),
    });
}

fn parse(session: &mut Session, modes: &str) -> Vec<(UserMode, bool)> {
    let mut wanted: Vec<(UserMode, bool)> = Vec::new();
    let (mut on, mut unknown) = (true, false);
    for c in modes.chars() {
        match (c, LETTERS.iter().find(|(letter, _)| *letter == c)) {
            ('+', _) => on = true,
            ('-', _) => on = false,
            // RFC 2812 section 3.1.5: who is no operator cannot become one by MODE; asking is not an error.
            (_, Some((_, UserMode::Operator))) if on => {}
            (_, Some((_, mode))) => {
                wanted.retain(|(other, _)| other != mode);
                wanted.push((*mode, on));
            }
            ('r' | 's' | 'x', None) => {}
            (_, None) => unknown = true,
        }
    }
    if unknown {
        session.numeric(ERR_UMODEUNKNOWNFLAG, &[], "Unknown MODE flag");
    }
    wanted
}

/// Says what has changed.
fn tell(session: &mut Session, old: UserModes, new: UserModes) {
    let mut text = String::new();
    for (sign, on) in [('+', true), ('-', false)] {
        let changed = LETTERS.iter().filter(|(_, mode)| new.has(*mode) == on && old.has(*mode) != on);
        let letters: String = changed.map(|(letter, _)| *letter).collect();
        if !letters.is_empty() {
            text.push(sign);
            text.push_str(&letters);
        }
    }
    if !text.is_empty() {
        let line = Line::with_text(&session.source(), "MODE", &[&session.me.nick], &text);
        session.reply(line);
    }
}
