//! MARKREAD (IRCv3 `draft/read-marker`): how far a person has read, on all of their sessions. Who is not logged in has marks of this connection alone.

use super::channel::{is_channel, room_of};
use super::message::Line;
use super::said::channel_name;
use super::{Caps, Message, Now, Session};
use crate::command::{Command, Marked, Refusal, Reply};
use lavina_crdt::names::{Nick, RoomName};

/// Marks of a connection without an account at most; the others are not kept.
const OWN_MARKS_MAX: usize = 64;

/// MARKREAD.
pub(super) fn markread(session: &mut Session, _now: Now, message: &Message<'_>) {
    let Some(name) = message.param(0).map(str::to_owned) else {
        return session.fail("MARKREAD", "NEED_MORE_PARAMS", &[], "Missing parameters");
    };
    let Some(of) = marked(&name) else {
        return session.fail("MARKREAD", "INVALID_PARAMS", &[&name], "Invalid parameters");
    };
    let at_ms = match message.param(1) {
        None => None,
        Some(time) => match time.strip_prefix("timestamp=").and_then(super::time::parse) {
            Some(at_ms) => Some(at_ms),
            None => return session.fail("MARKREAD", "INVALID_PARAMS", &[time], "Invalid parameters"),
        },
    };
    session.ask(Command::Mark(of, at_ms), move |session, _, answer| match answer {
        Ok(Reply::Mark(at_ms)) => session.write_mark(&name, at_ms),
        Ok(_) => {}
        Err(Refusal::NeedsAccount | Refusal::NotOpen) => {
            let at_ms = session.own_mark(&name, at_ms);
            session.write_mark(&name, at_ms);
        }
        Err(_) => session.fail("MARKREAD", "INTERNAL_ERROR", &[&name], "The read timestamp could not be set"),
    });
}

fn marked(name: &str) -> Option<Marked> {
    if is_channel(name) {
        return room_of(name).map(Marked::Room);
    }
    Nick::new(name).ok().map(|nick| Marked::Person(nick.to_string()))
}

fn mark_line(node: &str, name: &str, at_ms: Option<u64>) -> Line {
    let time = at_ms.map_or("*".to_owned(), |at_ms| format!("timestamp={}", super::time::format(at_ms)));
    Line::new(node, "MARKREAD", &[name, &time])
}

impl Session {
    fn write_mark(&mut self, name: &str, at_ms: Option<u64>) {
        let line = mark_line(&self.config.node_name, name, at_ms);
        self.reply(line);
    }

    /// The mark of this connection alone, moved on when there is a later time.
    fn own_mark(&mut self, name: &str, at_ms: Option<u64>) -> Option<u64> {
        let key = name.to_lowercase();
        let known = self.own().marks.get(&key).copied();
        let newest = known.max(at_ms);
        if let Some(at_ms) = newest.filter(|_| known.is_some() || self.own().marks.len() < OWN_MARKS_MAX) {
            self.own().marks.insert(key, at_ms);
        }
        newest
    }

    /// The mark of a room just entered; `then` goes on with the response.
    pub(super) fn mark_of_joined(&mut self, room: &RoomName, then: impl FnOnce(&mut Self) + Send + Sync + 'static) {
        if !self.caps.has(Caps::READ_MARKER) {
            return then(self);
        }
        let name = channel_name(room);
        self.ask(Command::Mark(Marked::Room(room.clone()), None), move |session, _, answer| {
            let at_ms = if let Ok(Reply::Mark(at_ms)) = answer { at_ms } else { session.own_mark(&name, None) };
            session.write_mark(&name, at_ms);
            then(session);
        });
    }

    /// Another session of the person has read further.
    pub(super) fn on_marked(&mut self, of: &Marked, at_ms: u64) {
        if self.caps.has(Caps::READ_MARKER) {
            let name = match of {
                Marked::Room(room) => channel_name(room),
                Marked::Person(name) => name.clone(),
            };
            let line = mark_line(&self.config.node_name, &name, Some(at_ms));
            self.out.line(&line, None);
        }
    }
}
