//! Questions about people, and what one says of oneself: WHOIS, WHOWAS, USERHOST, ISON, AWAY, SETNAME. RFC 2812 sections 3.6 and 4.

use super::message::{Line, clip};
use super::names::{prefix, shown};
use super::numerics::*;
use super::registration::REALNAME_BYTES_MAX;
use super::said::channel_name;
use super::{Caps, Message, Now, Session};
use crate::command::{Command, Gone, PresenceChange, Reply, Standing};
use crate::event::Person;
use lavina_crdt::modes::UserMode;
use lavina_crdt::names::Nick;
use lavina_crdt::presence::Show;

/// Longest away message, in bytes; advertised as AWAYLEN.
pub(super) const AWAY_BYTES_MAX: usize = 300;
/// Nicks in one USERHOST or ISON at most (RFC 2812 section 4.8 has 5).
const NICKS_MAX: usize = 16;
/// Bytes of channels in one line of WHOIS.
const CHANNELS_BYTES: usize = 380;

/// What to say of somebody who is not there, `None` when they are.
pub(super) fn away_text(person: &Person) -> Option<String> {
    if let Some(since) = person.unreachable_since {
        return Some(format!("unreachable since {}", super::time::format(since.ms())));
    }
    record_away_text(&person.record)
}

/// The same without regard to whether their node can be reached.
pub(super) fn record_away_text(record: &lavina_crdt::presence::SessionRecord) -> Option<String> {
    match record.show {
        Show::Available | Show::Chatty => None,
        Show::Away | Show::ExtendedAway if record.status.is_empty() => Some("Away".to_owned()),
        Show::DoNotDisturb if record.status.is_empty() => Some("Do not disturb".to_owned()),
        Show::Away | Show::ExtendedAway | Show::DoNotDisturb => Some(record.status.clone()),
    }
}

/// WHOIS: with two parameters the first one names a server and does not matter here.
pub(super) fn whois(session: &mut Session, _now: Now, message: &Message<'_>) {
    let Some(name) = message.param(1).or_else(|| message.param(0)) else {
        return session.numeric(ERR_NONICKNAMEGIVEN, &[], "No nickname given");
    };
    let name = name.split(',').next().unwrap_or_default().to_owned();
    let Ok(nick) = Nick::new(&name) else { return end_of_whois(session, &name, &[], &[], 0) };
    session.ask(Command::LookUpNick(nick), move |session, _, answer| match answer {
        Ok(Reply::LookedUp(people, standings, idle_ms)) => end_of_whois(session, &name, &people, &standings, idle_ms),
        Ok(_) | Err(_) => end_of_whois(session, &name, &[], &[], 0),
    });
}

fn end_of_whois(session: &mut Session, name: &str, people: &[Person], standings: &[Standing], idle_ms: u64) {
    match people.first() {
        Some(first) => write_whois(session, first, people, standings, idle_ms),
        None => session.no_such_nick(name),
    }
    session.numeric(RPL_ENDOFWHOIS, &[name], "End of /WHOIS list");
}

fn write_whois(session: &mut Session, first: &Person, people: &[Person], standings: &[Standing], idle_ms: u64) {
    let record = &first.record;
    let nick = record.nick.as_str();
    session.numeric(RPL_WHOISUSER, &[nick, &record.user, &record.host, "*"], &record.realname);
    let mut line = String::new();
    for standing in standings {
        let mark = prefix(shown(standing.rank, standing.in_lasting_room));
        let room = format!("{mark}{}", channel_name(&standing.room));
        if !line.is_empty() && line.len() + room.len() >= CHANNELS_BYTES {
            session.numeric(RPL_WHOISCHANNELS, &[nick], &line);
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&room);
    }
    if !line.is_empty() {
        session.numeric(RPL_WHOISCHANNELS, &[nick], &line);
    }
    if people.iter().any(|person| person.record.modes.has(UserMode::Operator)) {
        session.numeric(RPL_WHOISOPERATOR, &[nick], "is an IRC operator");
    }
    let network = session.config.network.clone();
    let server = session.server_name(&first.node);
    session.numeric(RPL_WHOISSERVER, &[nick, &server], &network);
    let away: Option<Vec<String>> = people.iter().map(away_text).collect();
    if let Some(text) = away.and_then(|texts| texts.into_iter().next()) {
        session.numeric(RPL_AWAY, &[nick], &text);
    }
    if let Some(account) = &record.account {
        session.numeric(RPL_WHOISACCOUNT, &[nick, account.as_str()], "is logged in as");
    }
    if record.modes.has(UserMode::Bot) {
        session.numeric(RPL_WHOISBOT, &[nick], "is a bot");
    }
    if people.iter().all(|person| person.record.secure) {
        session.numeric(RPL_WHOISSECURE, &[nick], "is using a secure connection");
    }
    if people.len() > 1 {
        session.numeric(RPL_WHOISSPECIAL, &[nick], &format!("is connected {} times", people.len()));
    }
    let signed_on = (record.signed_on.ms() / 1000).to_string();
    let idle = (idle_ms / 1000).to_string();
    session.numeric(RPL_WHOISIDLE, &[nick, &idle, &signed_on], "seconds idle, signon time");
}

/// WHOWAS: nicks, then how many of each; without that, or with nothing above zero, all that is remembered (RFC 2812 section 3.6.3).
pub(super) fn whowas(session: &mut Session, _now: Now, message: &Message<'_>) {
    let Some(names) = message.param(0).map(str::to_owned) else {
        return session.numeric(ERR_NONICKNAMEGIVEN, &[], "No nickname given");
    };
    let count = message.param(1).and_then(|count| count.parse::<usize>().ok()).filter(|count| *count > 0);
    let each: Vec<String> =
        names.split(',').filter(|name| !name.is_empty()).take(NICKS_MAX).map(str::to_owned).collect();
    let last = each.len().saturating_sub(1);
    for (index, name) in each.into_iter().enumerate() {
        let end = (index == last).then(|| names.clone());
        match Nick::new(&name) {
            Ok(nick) => session.ask(Command::FindGone(nick, count.unwrap_or(usize::MAX)), move |session, _, answer| {
                let gone = if let Ok(Reply::Gone(gone)) = answer { gone } else { Vec::new() };
                write_whowas(session, &name, &gone, end.as_deref());
            }),
            Err(_) => write_whowas(session, &name, &[], end.as_deref()),
        }
    }
}

fn write_whowas(session: &mut Session, name: &str, gone: &[Gone], end: Option<&str>) {
    if gone.is_empty() {
        session.numeric(ERR_WASNOSUCHNICK, &[name], "There was no such nickname");
    }
    for Gone { record, node, at_ms } in gone {
        let nick = record.nick.as_str();
        session.numeric(RPL_WHOWASUSER, &[nick, &record.user, &record.host, "*"], &record.realname);
        if let Some(account) = &record.account {
            session.numeric(RPL_WHOISACCOUNT, &[nick, account.as_str()], "was logged in as");
        }
        let server = session.server_name(node);
        session.numeric(RPL_WHOISSERVER, &[nick, &server], &super::time::format(*at_ms));
    }
    if let Some(names) = end {
        session.numeric(RPL_ENDOFWHOWAS, &[names], "End of WHOWAS");
    }
}

/// AWAY.
pub(super) fn away(session: &mut Session, _now: Now, message: &Message<'_>) {
    let text = message.param(0).map(|text| clip(text, AWAY_BYTES_MAX).to_owned());
    if session.session_id().is_none() {
        // IRCv3 `draft/pre-away`: it holds from the welcome on.
        if session.caps.has(Caps::PRE_AWAY) {
            session.away_from_the_start(text);
        } else {
            session.numeric(ERR_NOTREGISTERED, &[], "You have not registered");
        }
        return;
    }
    set_away(session, text);
}

/// Tells the core; `None`: here again.
pub(super) fn set_away(session: &mut Session, text: Option<String>) {
    let gone = text.is_some();
    let change = PresenceChange {
        show: Some(if gone { Show::Away } else { Show::Available }),
        status: Some(text.unwrap_or_default()),
        ..PresenceChange::default()
    };
    session.ask(Command::SetPresence(change), move |session, _, answer| match answer {
        Ok(_) if gone => session.numeric(RPL_NOWAWAY, &[], "You have been marked as being away"),
        Ok(_) => session.numeric(RPL_UNAWAY, &[], "You are no longer marked as being away"),
        Err(refusal) => session.refuse_unknown("AWAY", &refusal),
    });
}

/// SETNAME (IRCv3 `setname`).
pub(super) fn setname(session: &mut Session, _now: Now, message: &Message<'_>) {
    let Some(name) = message.param(0).filter(|name| name.len() <= REALNAME_BYTES_MAX).map(str::to_owned) else {
        return session.fail("SETNAME", "INVALID_REALNAME", &[], "Realname is not valid");
    };
    session.ask(Command::SetRealname(name.clone()), move |session, _, answer| match answer {
        Ok(_) => {
            if session.caps.has(Caps::SETNAME) {
                let line = Line::with_text(&session.source(), "SETNAME", &[], &name);
                session.reply(line);
            }
            session.me.realname = name;
        }
        Err(_) => session.fail("SETNAME", "CANNOT_CHANGE_REALNAME", &[], "Realname cannot be changed"),
    });
}

/// USERHOST.
pub(super) fn userhost(session: &mut Session, _now: Now, message: &Message<'_>) {
    about_each(session, message.params(), RPL_USERHOST, |person| {
        let here = if away_text(person).is_some() { '-' } else { '+' };
        let operator = if person.record.modes.has(UserMode::Operator) { "*" } else { "" };
        format!("{}{operator}={here}{}@{}", person.record.nick, person.record.user, person.record.host)
    });
}

/// ISON.
pub(super) fn ison(session: &mut Session, _now: Now, message: &Message<'_>) {
    about_each(session, message.params(), RPL_ISON, |person| person.record.nick.to_string());
}

/// Asks for each nick and puts what is said of those found into one line.
fn about_each(session: &mut Session, names: &[&str], code: &'static str, say: fn(&Person) -> String) {
    let nicks: Vec<Nick> = names
        .iter()
        .flat_map(|names| names.split(' '))
        .filter_map(|name| Nick::new(name).ok())
        .take(NICKS_MAX)
        .collect();
    if nicks.is_empty() {
        return session.numeric(code, &[], "");
    }
    let last = nicks.len() - 1;
    for (index, nick) in nicks.into_iter().enumerate() {
        session.ask(Command::FindNick(nick), move |session, _, answer| {
            if let (Ok(Reply::People(people)), Some(gathered)) = (answer, session.answers.gathered()) {
                gathered.words.extend(people.first().map(say));
            }
            if index == last {
                let words = session.answers.gathered().map(|gathered| std::mem::take(&mut gathered.words));
                session.numeric(code, &[], &words.unwrap_or_default().join(" "));
            }
        });
    }
}
