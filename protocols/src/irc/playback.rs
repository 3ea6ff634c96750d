//! Messages to `*playback` (`znc.in/playback`, wiki.znc.in/Playback): how clients that were made for a bouncer ask for what they have missed.
//!
//! Times are seconds since the Unix epoch with a fraction. What is asked for holds for the channels the client is in, and for those that it joins
//! soon after, since some ask first and join then.

use super::channel::{is_channel, room_of};
use super::history::{MESSAGES_MAX, write_said};
use super::message::Line;
use super::said::channel_name;
use super::{Answer, Caps, Message, Now, Session};
use crate::command::{Bound, Command, ConversationName, HistoryOf, HistoryQuery, Reply, Target};
use lavina_crdt::names::{AccountName, RoomName};

/// How long a request holds for channels that are joined later, milliseconds.
const HOLDS_MS: u64 = 30_000;
/// Conversations of one request at most.
const TARGETS_MAX: usize = 64;
/// Who answers.
const NAME: &str = "*playback";

/// What the client has asked for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    after_ms: Option<u64>,
    before_ms: Option<u64>,
    /// Names of channels; `None`: all.
    channels: Option<Vec<RoomName>>,
    until_us: u64,
}

/// Takes a message to `*playback`; whether it was one.
pub(super) fn said(session: &mut Session, now: Now, name: &str, message: &Message<'_>) -> bool {
    if !session.caps.has(Caps::PLAYBACK) || !name.eq_ignore_ascii_case(NAME) {
        return false;
    }
    let words: Vec<&str> = message.param(1).unwrap_or_default().split_ascii_whitespace().collect();
    match words.split_first() {
        Some((verb, [targets, times @ ..])) if verb.eq_ignore_ascii_case("play") => play(session, now, targets, times),
        Some((verb, _)) if verb.eq_ignore_ascii_case("list") => list(session),
        // Nothing is kept for the client alone, so there is nothing to be cleared for it.
        Some((verb, _)) if verb.eq_ignore_ascii_case("clear") => {}
        _ => {
            let text = "play <target,...|*> [from] [to], or list";
            let line = Line::with_text("*playback!playback@znc.in", "PRIVMSG", &[&session.me.nick], text);
            session.reply(line);
        }
    }
    true
}

fn play(session: &mut Session, now: Now, targets: &str, times: &[&str]) {
    let time = |index: usize| times.get(index).and_then(|text| milliseconds(text));
    let names: Vec<&str> = targets.split(',').filter(|name| !name.is_empty()).take(TARGETS_MAX).collect();
    let all = names.contains(&"*");
    let channels = names.iter().filter(|name| is_channel(name)).filter_map(|name| room_of(name)).collect();
    let asked = Asked {
        after_ms: time(0).filter(|ms| *ms > 0),
        before_ms: time(1),
        channels: if all { None } else { Some(channels) },
        until_us: now.deadline_ms(HOLDS_MS),
    };
    let rooms: Vec<RoomName> = session.rooms.iter().filter(|room| asked.means(room)).cloned().collect();
    for room in rooms {
        let name = channel_name(&room);
        ask(session, &asked, HistoryOf::Room(room), name);
    }
    if all {
        ask(session, &asked, HistoryOf::Account, session.me.nick.clone());
    }
    for name in names.into_iter().filter(|name| !is_channel(name) && *name != "*") {
        if let Ok(account) = AccountName::new(name) {
            ask(session, &asked, HistoryOf::With(Target::Account(account, None)), name.to_owned());
        }
    }
    session.own().playback = Some(asked);
}

impl Asked {
    fn means(&self, room: &RoomName) -> bool {
        self.channels.as_ref().is_none_or(|channels| channels.contains(room))
    }
}

fn ask(session: &mut Session, asked: &Asked, of: HistoryOf, name: String) {
    let query = HistoryQuery {
        of,
        after: asked.after_ms.map(Bound::Time),
        before: asked.before_ms.map(Bound::Time),
        ids: Vec::new(),
        limit: MESSAGES_MAX,
        newest: true,
        texts: true,
        events: false,
    };
    session.ask(Command::History(query), move |session, now, answer: Answer| {
        if let Ok(Reply::History(page)) = answer
            && !page.messages.is_empty()
        {
            write_said(session, now, &name, &page.messages);
        }
    });
}

/// A channel was joined: what was asked for it before is shown now.
pub(super) fn play_joined(session: &mut Session, now: Now, room: &RoomName) {
    let asked = session.own.as_ref().and_then(|own| own.playback.clone());
    if let Some(asked) = asked.filter(|asked| asked.until_us > now.mono_us && asked.means(room)) {
        ask(session, &asked, HistoryOf::Room(room.clone()), channel_name(room));
    }
}

fn list(session: &mut Session) {
    let command = Command::HistoryTargets { from_ms: 0, to_ms: u64::MAX, limit: MESSAGES_MAX, newest: true };
    session.ask(command, |session, _, answer| {
        let Ok(Reply::Targets(targets)) = answer else { return };
        for (name, at_ms) in targets {
            let name = match name {
                ConversationName::Room(room) => channel_name(&room),
                ConversationName::Account(account) => account.to_string(),
            };
            let text = format!("{name} 0 {}.{:03}", at_ms / 1000, at_ms % 1000);
            let line = Line::with_text("*playback!playback@znc.in", "PRIVMSG", &[&session.me.nick], &text);
            session.reply(line);
        }
    });
}

/// Seconds with a fraction, as milliseconds.
fn milliseconds(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    seconds.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(millis)
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn times_are_seconds_with_a_fraction() {
        assert_eq!(milliseconds("1558374442"), Some(1_558_374_442_000));
        assert_eq!(milliseconds("1558374442.5"), Some(1_558_374_442_500));
        assert_eq!(milliseconds("0.123456"), Some(123));
        assert_eq!(milliseconds("x"), None);
        assert_eq!(milliseconds("1.x"), None);
    }
}
