//! MONITOR (IRCv3 `monitor`): who of a list comes and goes.

use super::message::Line;
use super::names::source_of;
use super::numerics::*;
use super::{Message, Now, Session};
use crate::command::{Command, Reply};
use crate::event::Person;
use lavina_crdt::names::Nick;

/// Nicks in the list at most; advertised as MONITOR.
pub(super) const TARGETS_MAX: usize = 100;
/// Bytes of nicks in one line.
const LIST_BYTES: usize = 380;

/// MONITOR.
pub(super) fn monitor(session: &mut Session, _now: Now, message: &Message<'_>) {
    let names = message.param(1).unwrap_or_default().to_owned();
    match message.param(0).unwrap_or_default() {
        "+" => add(session, &names),
        "-" => {
            let gone: Vec<_> =
                names.split(',').filter_map(|name| Nick::new(name).ok()).map(|nick| nick.key()).collect();
            session.own().monitored.retain(|nick| !gone.contains(&nick.key()));
            watch(session, |_, _| {});
        }
        "C" | "c" => {
            session.own().monitored.clear();
            watch(session, |_, _| {});
        }
        "L" | "l" => {
            let names = session.own().monitored.iter().map(Nick::to_string).collect();
            lists(session, RPL_MONLIST, names);
            session.numeric(RPL_ENDOFMONLIST, &[], "End of MONITOR list");
        }
        "S" | "s" => {
            let all = session.own().monitored.clone();
            watch(session, move |session, people| status(session, &all, people));
        }
        _ => session.numeric(ERR_NEEDMOREPARAMS, &["MONITOR"], "Unknown subcommand"),
    }
}

fn add(session: &mut Session, names: &str) {
    let mut added: Vec<Nick> = Vec::new();
    let mut nowhere = Vec::new();
    for name in names.split(',').filter(|name| !name.is_empty()) {
        let Ok(nick) = Nick::new(name) else {
            // Nobody can have it, so nobody has.
            if nowhere.len() < TARGETS_MAX && !name.contains(['\0', ' ']) {
                nowhere.push(name.to_owned());
            }
            continue;
        };
        if added.iter().any(|known| known.key() == nick.key()) {
            continue;
        }
        if session.own().monitored.iter().any(|known| known.key() == nick.key()) {
            added.push(nick);
        } else if session.own().monitored.len() < TARGETS_MAX {
            session.own().monitored.push(nick.clone());
            added.push(nick);
        } else {
            let limit = TARGETS_MAX.to_string();
            session.numeric(ERR_MONLISTFULL, &[&limit, name], "Monitor list is full");
        }
    }
    watch(session, move |session, people| {
        status(session, &added, people);
        lists(session, RPL_MONOFFLINE, nowhere);
    });
}

/// Tells the core the list; `then` gets who of it is there.
fn watch(session: &mut Session, then: impl FnOnce(&mut Session, &[Person]) + Send + Sync + 'static) {
    let nicks = session.own().monitored.clone();
    session.ask(Command::Watch(nicks), move |session, _, answer| match answer {
        Ok(Reply::People(people)) => then(session, &people),
        Ok(_) => {}
        Err(refusal) => session.refuse_unknown("MONITOR", &refusal),
    });
}

fn status(session: &mut Session, nicks: &[Nick], people: &[Person]) {
    let (mut here, mut gone) = (Vec::new(), Vec::new());
    for nick in nicks {
        match people.iter().find(|person| person.record.nick.key() == nick.key()) {
            Some(person) => here.push(source_of(&person.record.nick, person)),
            None => gone.push(nick.to_string()),
        }
    }
    lists(session, RPL_MONONLINE, here);
    lists(session, RPL_MONOFFLINE, gone);
    for nick in nicks {
        if let Some(person) = people.iter().find(|person| person.record.nick.key() == nick.key()) {
            session.sync_person(person);
        }
    }
}

/// As many lines as the names need; none for none.
fn lists(session: &mut Session, code: &str, names: Vec<String>) {
    let mut line = String::new();
    for name in names {
        if !line.is_empty() && line.len() + name.len() >= LIST_BYTES {
            session.numeric(code, &[], &line);
            line.clear();
        }
        if !line.is_empty() {
            line.push(',');
        }
        line.push_str(&name);
    }
    if !line.is_empty() {
        session.numeric(code, &[], &line);
    }
}

impl Session {
    /// Somebody of the list came or went.
    pub(super) fn on_watched(&mut self, now: Now, nick: &Nick, person: Option<&Person>) {
        let known = self.own().monitored.iter().find(|known| known.key() == nick.key());
        let Some(known) = known.map(Nick::to_string) else { return };
        let (code, text) = match person {
            Some(person) => (RPL_MONONLINE, source_of(&person.record.nick, person)),
            None => (RPL_MONOFFLINE, known),
        };
        let line = Line::with_text(&self.config.node_name, code, &[&self.me.nick], &text);
        self.tell(now, |look| vec![look.stamp(line, look.wall_ms, None)]);
        if let Some(person) = person {
            self.tell_notes_of(person);
        }
    }
}
