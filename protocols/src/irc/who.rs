//! WHO, with the fields of WHOX (IRCv3 `whox`). RFC 2812 section 3.6.1.

use super::channel::room_of;
use super::message::{Line, clip};
use super::names::{Reveal, is_seen, prefixes};
use super::numerics::*;
use super::people::away_text;
use super::said::channel_name;
use super::{Message, Now, Session};
use crate::command::{Command, Reply};
use crate::event::Person;
use lavina_crdt::modes::UserMode;
use lavina_crdt::names::Nick;
use std::collections::BTreeSet;

/// People shown for a mask at most: more is not a question about somebody.
const PEOPLE_MAX: usize = 200;
/// Longest mask, in bytes.
const MASK_BYTES_MAX: usize = 128;

/// Fields of WHOX in the order in which they are sent.
const FIELDS: &str = "tcuihsnfdlaor";

/// What a client wants to see.
#[derive(Clone, Debug)]
struct Fields {
    letters: String,
    token: String,
}

impl Fields {
    /// `%fields,token`.
    fn parse(text: &str) -> Option<Self> {
        let (letters, token) = text.split_once('%')?.1.split_once(',').unwrap_or((text.split_once('%')?.1, ""));
        let token_fits = token.len() <= 3 && token.bytes().all(|byte| byte.is_ascii_digit());
        let token = if token_fits && !token.is_empty() { token } else { "0" };
        Some(Self { letters: letters.to_owned(), token: token.to_owned() })
    }
}

/// One row of the answer.
struct Row<'a> {
    channel: &'a str,
    nick: &'a Nick,
    marks: String,
    person: &'a Person,
}

/// WHO.
pub(super) fn who(session: &mut Session, _now: Now, message: &Message<'_>) {
    let mask = clip(message.param(0).unwrap_or("*"), MASK_BYTES_MAX).to_owned();
    let fields = message.param(1).and_then(Fields::parse);
    // RFC 2812 section 3.6.1: only operators.
    let operators = message.param(1).and_then(|flags| flags.split('%').next()).is_some_and(|flags| flags.contains('o'));
    let is_wanted = move |person: &Person| !operators || person.record.modes.has(UserMode::Operator);
    match room_of(&mask) {
        Some(room) => session.ask(Command::RoomInfo(room), move |session, _, answer| {
            if let Ok(Reply::Room(Some(view))) = answer {
                let channel = channel_name(&view.name);
                let reveal = if view.own_nick.is_some() { Reveal::Inside } else { Reveal::Outside };
                for occupant in view.occupants.iter().filter(|occupant| is_seen(reveal, occupant)) {
                    if let Some(person) = occupant.people.first().filter(|person| is_wanted(person)) {
                        let row = Row {
                            channel: &channel,
                            nick: &occupant.nick,
                            marks: prefixes(session.caps, occupant),
                            person,
                        };
                        write(session, fields.as_ref(), &row);
                    }
                }
            }
            session.numeric(RPL_ENDOFWHO, &[&mask], "End of WHO list");
        }),
        None => {
            let command = Command::FindMask { mask: mask.clone(), limit: PEOPLE_MAX };
            session.ask(command, move |session, _, answer| {
                if let Ok(Reply::People(people)) = answer {
                    // Several sessions of a nick are one person.
                    let mut seen = BTreeSet::new();
                    let wanted = people.iter().filter(|person| is_wanted(person));
                    let each = wanted.filter(|person| seen.insert(person.record.nick.key()));
                    for person in each.take(PEOPLE_MAX) {
                        let row = Row { channel: "*", nick: &person.record.nick, marks: String::new(), person };
                        write(session, fields.as_ref(), &row);
                    }
                }
                session.numeric(RPL_ENDOFWHO, &[&mask], "End of WHO list");
            });
        }
    }
}

fn write(session: &mut Session, fields: Option<&Fields>, row: &Row<'_>) {
    let here = if away_text(row.person).is_some() { 'G' } else { 'H' };
    let record = &row.person.record;
    let operator = if record.modes.has(UserMode::Operator) { "*" } else { "" };
    let bot = if record.modes.has(UserMode::Bot) { "B" } else { "" };
    let flags = format!("{here}{operator}{bot}{}", row.marks);
    let server = session.server_name(&row.person.node);
    let Some(fields) = fields else {
        let words = [row.channel, &record.user, &record.host, &server, row.nick.as_str(), &flags];
        session.numeric(RPL_WHOREPLY, &words, &format!("0 {}", record.realname));
        return;
    };
    let mut words = vec![session.me.nick.as_str()];
    for letter in FIELDS.chars().filter(|letter| fields.letters.contains(*letter)) {
        words.push(match letter {
            't' => &fields.token,
            'c' => row.channel,
            'u' => &record.user,
            'i' => "255.255.255.255",
            'h' => &record.host,
            's' => &server,
            'n' => row.nick.as_str(),
            'f' => &flags,
            'd' | 'l' => "0",
            'a' => record.account.as_ref().map_or("0", |account| account.as_str()),
            'o' => "n/a",
            _ => continue,
        });
    }
    let node = &session.config.node_name;
    let line = if fields.letters.contains('r') {
        Line::with_text(node, RPL_WHOSPCRPL, &words, &record.realname)
    } else {
        Line::new(node, RPL_WHOSPCRPL, &words)
    };
    session.reply(line);
}
