//! METADATA (IRCv3 `draft/metadata-3`, and `draft/metadata-2` for clients that know that one only): what people note about themselves and about
//! channels.
//!
//! The two differ in the names of their failures and in how a change is told: by the numerics of an answer, or by a METADATA message. What a
//! client subscribes to is of the connection alone.

use super::channel::{is_channel, room_of};
use super::history::{close_batch, open_batch};
use super::message::Line;
use super::numerics::*;
use super::said::{author_source, channel_name};
use super::{Caps, Message, Now, Phase, Session};
use crate::command::{Command, Refusal, Reply};
use crate::event::{Event, Person, RoomView};
use lavina_crdt::names::{Nick, RoomName};
use lavina_crdt::notes::{NOTES_MAX, Notes, is_key, is_value};
use lavina_crdt::room::Act;
use std::collections::BTreeSet;

/// Keys that one client may subscribe to; advertised as max-subs.
pub(super) const SUBSCRIPTIONS_MAX: usize = 50;
/// Bytes of keys in one line.
const KEYS_BYTES: usize = 380;
/// Lines of one batch at most; of a channel with more the client asks for fewer keys.
const LINES_MAX: usize = 2_000;
/// What stands for all that a client sees.
const ALL: &str = "*ALL";

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Key,
    Target,
    Value,
    Params,
    Permission,
    Limit,
    NotSet,
}

/// METADATA.
pub(super) fn metadata(session: &mut Session, _now: Now, message: &Message<'_>) {
    let params: Vec<String> = message.params().iter().map(|param| (*param).to_owned()).collect();
    let (Some(target), Some(verb)) = (params.first().cloned(), params.get(1).map(|verb| verb.to_ascii_uppercase()))
    else {
        return fault(session, Fault::Params, &["*"]);
    };
    let rest = params.get(2..).unwrap_or_default().to_vec();
    let counts = match verb.as_str() {
        "GET" | "SUB" | "UNSUB" => !rest.is_empty(),
        "SET" => (1..=2).contains(&rest.len()),
        "LIST" | "CLEAR" | "SUBS" | "SYNC" => true,
        _ => {
            let shown = if verb.contains([' ', ':']) || verb.is_empty() { "*" } else { verb.as_str() };
            return fault(session, Fault::Params, &[shown]);
        }
    };
    let own = target == "*" || target.eq_ignore_ascii_case(&session.me.nick);
    match verb.as_str() {
        _ if !counts => fault(session, Fault::Params, &[&verb]),
        "SUB" | "UNSUB" | "SUBS" if !own => fault(session, Fault::Target, &[&target]),
        "SUB" => subscribe(session, &rest),
        "UNSUB" => unsubscribe(session, &rest),
        "SUBS" => subscriptions(session),
        _ if !matches!(session.phase, Phase::Registered(_)) => early(session, &target, &verb, &rest),
        "SYNC" if target == ALL => sync_all(session),
        _ => with_target(session, target, move |session, found| on_target(session, &found, &verb, &rest)),
    }
}

/// What METADATA is about.
enum Found {
    Me(Person),
    Person(Person),
    Room(std::sync::Arc<RoomView>),
}

impl Found {
    fn name(&self) -> String {
        match self {
            Self::Me(person) | Self::Person(person) => person.record.nick.to_string(),
            Self::Room(view) => channel_name(&view.name),
        }
    }

    fn notes(&self) -> Notes {
        match self {
            Self::Me(person) | Self::Person(person) => notes(person),
            Self::Room(view) => view.state.notes.clone(),
        }
    }
}

fn notes(person: &Person) -> Notes {
    person.notes.as_ref().map(|notes| Notes::clone(notes)).unwrap_or_default()
}

fn with_target(session: &mut Session, target: String, then: impl FnOnce(&mut Session, Found) + Send + Sync + 'static) {
    if is_channel(&target) {
        let Some(room) = room_of(&target) else { return fault(session, Fault::Target, &[&target]) };
        session.answers.hold();
        return session.ask(Command::RoomInfo(room), move |session, _, answer| match answer {
            Ok(Reply::Room(Some(view))) => then(session, Found::Room(view)),
            Ok(_) | Err(_) => fault(session, Fault::Target, &[&target]),
        });
    }
    let name = if target == "*" { session.me.nick.clone() } else { target.clone() };
    let Ok(nick) = Nick::new(&name) else { return fault(session, Fault::Target, &[&target]) };
    session.answers.hold();
    session.ask(Command::FindNick(nick), move |session, _, answer| {
        let people = if let Ok(Reply::People(people)) = answer { people } else { Vec::new() };
        let me = people.iter().find(|person| session.session_id() == Some(person.session)).cloned();
        match (me, people.into_iter().next()) {
            (Some(me), _) => then(session, Found::Me(me)),
            (None, Some(person)) => then(session, Found::Person(person)),
            (None, None) => fault(session, Fault::Target, &[&target]),
        }
    });
}

fn on_target(session: &mut Session, found: &Found, verb: &str, rest: &[String]) {
    let name = found.name();
    match verb {
        "GET" => get(session, &name, &found.notes(), rest),
        "LIST" => list(session, &name, found.notes()),
        "SET" => set(session, found, rest),
        "CLEAR" => clear(session, found),
        _ => sync(session, found),
    }
}

/// Says what is wrong, in the words of the specification that the client has asked for.
fn fault(session: &mut Session, fault: Fault, context: &[&str]) {
    say_fault(session, "FAIL", fault, context, None);
}

fn say_fault(session: &mut Session, kind: &str, fault: Fault, context: &[&str], batch: Option<&str>) {
    let old = session.caps.has(Caps::METADATA_2);
    let (code, text) = match fault {
        Fault::Key if old => ("KEY_INVALID", "Invalid key"),
        Fault::Key => ("INVALID_KEY", "Invalid key"),
        Fault::Target => ("INVALID_TARGET", "Invalid metadata target"),
        Fault::Value if old => ("VALUE_INVALID", "Value is too long or holds what is not allowed"),
        Fault::Value => ("INVALID_VALUE", "Value is too long or holds what is not allowed"),
        Fault::Params if old => ("SUBCOMMAND_INVALID", "Invalid subcommand"),
        Fault::Params => ("INVALID_PARAMS", "Invalid parameters"),
        Fault::Permission => ("KEY_NO_PERMISSION", "Permission denied"),
        Fault::Limit => ("LIMIT_REACHED", "Metadata limit reached"),
        Fault::NotSet => ("KEY_NOT_SET", "Key not set"),
    };
    // A context is a word, whatever the client wrote.
    let context = context
        .iter()
        .map(|word| if word.is_empty() || word.contains(' ') || word.starts_with(':') { "*" } else { word });
    let middle: Vec<&str> = ["METADATA", code].into_iter().chain(context).collect();
    let line = Line::with_text(&session.config.node_name, kind, &middle, text);
    session.reply(in_batch(line, batch));
}

fn in_batch(line: Line, batch: Option<&str>) -> Line {
    batch.into_iter().fold(line, |line, batch| line.tag("batch", batch))
}

/// What a fault of one key among several is: with `draft/metadata-3` the others count all the same.
fn of_one(session: &Session) -> &'static str {
    if session.caps.has(Caps::METADATA_2) { "FAIL" } else { "WARN" }
}

fn value_line(session: &Session, name: &str, key: &str, value: Option<&str>) -> Line {
    let (node, nick) = (&session.config.node_name, session.me.nick.as_str());
    match value {
        Some(value) => Line::with_text(node, RPL_KEYVALUE, &[nick, name, key, "*"], value),
        None => Line::with_text(node, RPL_KEYNOTSET, &[nick, name, key], "Key not set"),
    }
}

fn get(session: &mut Session, name: &str, notes: &Notes, keys: &[String]) {
    let batch = open_batch(session, &["metadata", name]);
    for key in keys {
        if is_key(key) {
            let line = value_line(session, name, key, notes.get(key).map(String::as_str));
            session.reply(in_batch(line, batch.as_deref()));
        } else {
            say_fault(session, of_one(session), Fault::Key, &[key], batch.as_deref());
        }
    }
    close_batch(session, batch);
}

fn list(session: &mut Session, name: &str, notes: Notes) {
    let lines = notes.into_iter().map(|(key, value)| (name.to_owned(), key, Some(value)));
    write_batch(session, name, lines);
}

fn write_batch(session: &mut Session, name: &str, notes: impl Iterator<Item = (String, String, Option<String>)>) {
    let batch = open_batch(session, &["metadata", name]);
    for (of, key, value) in notes {
        let line = value_line(session, &of, &key, value.as_deref());
        session.reply(in_batch(line, batch.as_deref()));
    }
    close_batch(session, batch);
}

fn set(session: &mut Session, found: &Found, rest: &[String]) {
    let name = found.name();
    let Some(key) = rest.first().cloned() else { return };
    let value = rest.get(1).filter(|value| !value.is_empty()).cloned();
    if !is_key(&key) {
        return fault(session, Fault::Key, &[&key]);
    }
    if !value.as_deref().is_none_or(is_value) {
        let context = [key.as_str()];
        let context = if session.caps.has(Caps::METADATA_2) { &[] } else { context.as_slice() };
        return fault(session, Fault::Value, context);
    }
    if value.is_none() && session.caps.has(Caps::METADATA_2) && !found.notes().contains_key(&key) {
        return fault(session, Fault::NotSet, &[&name, &key]);
    }
    put(session, found, key, value, move |session, key, value, answer| match answer {
        Ok(()) => {
            let line = value_line(session, &name, key, value);
            session.reply(line);
        }
        Err(Refusal::TooMany(_)) if session.caps.has(Caps::METADATA_2) => fault(session, Fault::Limit, &[&name]),
        Err(Refusal::TooMany(_)) => fault(session, Fault::Limit, &["SET", &name, &NOTES_MAX.to_string()]),
        Err(Refusal::Storage) => session.refuse_unknown("METADATA", &Refusal::Storage),
        Err(_) => fault(session, Fault::Permission, &[&name, key]),
    });
}

/// Sets one note; `then` gets what came of it.
fn put(
    session: &mut Session,
    found: &Found,
    key: String,
    value: Option<String>,
    then: impl FnOnce(&mut Session, &str, Option<&str>, Result<(), Refusal>) + Send + Sync + 'static,
) {
    let command = match found {
        Found::Me(_) => Command::SetNote(key.clone(), value.clone()),
        Found::Room(view) => {
            let act = Act::SetNote { key: key.clone(), value: value.clone() };
            Command::Act(view.name.clone(), vec![act])
        }
        Found::Person(_) => {
            let denied = Refusal::Denied(lavina_crdt::room::Denied::Rank);
            return then(session, &key, value.as_deref(), Err(denied));
        }
    };
    session.ask(command, move |session, _, answer| then(session, &key, value.as_deref(), answer.map(|_| ())));
}

fn clear(session: &mut Session, found: &Found) {
    let (name, notes) = (found.name(), found.notes());
    let old = session.caps.has(Caps::METADATA_2);
    let command = match found {
        Found::Person(_) => return fault(session, Fault::Permission, &[&name, "*"]),
        Found::Room(view) => {
            let removed = notes.keys().map(|key| Act::SetNote { key: key.clone(), value: None }).collect();
            vec![Command::Act(view.name.clone(), removed)]
        }
        Found::Me(_) => notes.keys().map(|key| Command::SetNote(key.clone(), None)).collect(),
    };
    let last = command.len();
    let finish = move |session: &mut Session| {
        let lines = notes.into_iter().map(|(key, value)| (name.clone(), key, old.then_some(value)));
        write_batch(session, &name.clone(), lines);
    };
    if last == 0 {
        return finish(session);
    }
    let target = found.name();
    let mut finish = Some(finish);
    for (index, command) in (1..).zip(command) {
        let (finish, target) = (if index == last { finish.take() } else { None }, target.clone());
        session.ask(command, move |session, _, answer| match (answer, finish) {
            (Ok(_), Some(finish)) => finish(session),
            (Ok(_), None) => {}
            (Err(_), _) => fault(session, Fault::Permission, &[&target, "*"]),
        });
    }
}

fn subscribe(session: &mut Session, keys: &[String]) {
    let mut taken = Vec::new();
    let (mut fresh, mut over) = (false, None);
    for key in keys {
        if taken.contains(key) {
            continue;
        }
        if !is_key(key) {
            say_fault(session, of_one(session), Fault::Key, &[key], None);
        } else if session.own().subscribed.contains(key) {
            taken.push(key.clone());
        } else if session.own().subscribed.len() >= SUBSCRIPTIONS_MAX {
            over = Some(key.clone());
            break;
        } else {
            session.own().subscribed.push(key.clone());
            taken.push(key.clone());
            fresh = true;
        }
    }
    write_keys(session, RPL_METADATASUBOK, &taken, None);
    if let Some(key) = over {
        if session.caps.has(Caps::METADATA_2) {
            let middle = ["METADATA", "TOO_MANY_SUBS", key.as_str()];
            let line = Line::with_text(&session.config.node_name, "FAIL", &middle, "Too many subscriptions");
            session.reply(line);
        } else {
            fault(session, Fault::Limit, &["SUB", &key, &SUBSCRIPTIONS_MAX.to_string()]);
        }
    }
    if !fresh || session.session_id().is_none() {
        return;
    }
    if session.caps.has(Caps::METADATA_2) {
        for room in session.rooms.clone() {
            sync_later(session, &channel_name(&room));
        }
    } else {
        sync_later(session, ALL);
    }
}

fn sync_later(session: &mut Session, target: &str) {
    session.numeric(ERR_METADATASYNCLATER, &[target, "0"], "Please synchronize metadata now");
}

fn unsubscribe(session: &mut Session, keys: &[String]) {
    let mut ended = Vec::new();
    for key in keys {
        if is_key(key) {
            session.own().subscribed.retain(|known| known != key);
            ended.push(key.clone());
        } else {
            say_fault(session, of_one(session), Fault::Key, &[key], None);
        }
    }
    write_keys(session, RPL_METADATAUNSUBOK, &ended, None);
}

fn subscriptions(session: &mut Session) {
    let keys = session.own().subscribed.clone();
    let batch = open_batch(session, &["metadata-subs"]);
    write_keys(session, RPL_METADATASUBS, &keys, batch.as_deref());
    close_batch(session, batch);
}

/// As many lines as the keys need; none for none.
fn write_keys(session: &mut Session, code: &str, keys: &[String], batch: Option<&str>) {
    let mut rest = keys;
    while !rest.is_empty() {
        let (mut bytes, mut count) = (0, 0);
        while let Some(key) = rest.get(count)
            && (count == 0 || (bytes + key.len() < KEYS_BYTES && count < super::isupport::TOKENS_MAX))
        {
            (bytes, count) = (bytes + key.len() + 1, count + 1);
        }
        let (now, later) = rest.split_at(count);
        let words: Vec<&str> =
            std::iter::once(session.me.nick.as_str()).chain(now.iter().map(String::as_str)).collect();
        let line = Line::new(&session.config.node_name, code, &words);
        session.reply(in_batch(line, batch));
        rest = later;
    }
}

/// What of somebody's or something's notes the client has subscribed to.
fn wanted(session: &Session, name: &str, notes: &Notes) -> Vec<(String, String, Option<String>)> {
    let own = session.own.as_ref();
    let is_wanted = |key: &String| own.is_some_and(|own| own.subscribed.contains(key));
    let wanted = notes.iter().filter(|(key, _)| is_wanted(key));
    wanted.map(|(key, value)| (name.to_owned(), key.clone(), Some(value.clone()))).collect()
}

/// What is subscribed to of a room and of everybody in it.
fn wanted_of_room(
    session: &Session,
    view: &RoomView,
    seen: &mut BTreeSet<String>,
) -> Vec<(String, String, Option<String>)> {
    let mut all = wanted(session, &channel_name(&view.name), &view.state.notes);
    for occupant in &view.occupants {
        let Some(person) = occupant.people.first() else { continue };
        if let Some(notes) = person.notes.as_ref().filter(|_| seen.insert(occupant.nick.to_string())) {
            all.extend(wanted(session, occupant.nick.as_str(), notes));
        }
    }
    all
}

/// A batch of what the client has subscribed to, as its specification wants it.
fn write_sync(session: &mut Session, name: &str, notes: Vec<(String, String, Option<String>)>) {
    if notes.len() > LINES_MAX {
        return sync_later(session, name);
    }
    if !session.caps.has(Caps::METADATA_2) {
        return write_batch(session, name, notes.into_iter());
    }
    let batch = open_batch(session, &["metadata", name]);
    for (of, key, value) in notes {
        let line =
            Line::with_text(&session.config.node_name, "METADATA", &[&of, &key, "*"], &value.unwrap_or_default());
        session.reply(in_batch(line, batch.as_deref()));
    }
    close_batch(session, batch);
}

fn sync(session: &mut Session, found: &Found) {
    let name = found.name();
    let notes = match found {
        Found::Me(person) | Found::Person(person) => wanted(session, &name, &notes(person)),
        Found::Room(view) => wanted_of_room(session, view, &mut BTreeSet::new()),
    };
    write_sync(session, &name, notes);
}

/// Of all rooms the client is in, of everybody there, of whom it watches and of itself.
fn sync_all(session: &mut Session) {
    let rooms: Vec<RoomName> = session.rooms.iter().cloned().collect();
    let own = Nick::new(&session.me.nick).ok();
    let nicks: Vec<Nick> = session.own().monitored.iter().cloned().chain(own).collect();
    session.answers.hold();
    let rooms = rooms.into_iter().map(Command::RoomInfo);
    let commands: Vec<Command> = rooms.chain(nicks.into_iter().map(Command::FindNick)).collect();
    let last = commands.len();
    if last == 0 {
        return write_sync(session, ALL, Vec::new());
    }
    for (index, command) in (1..).zip(commands) {
        session.ask(command, move |session, _, answer| {
            let mut gathered = session.answers.gathered().map(std::mem::take).unwrap_or_default();
            match answer {
                Ok(Reply::Room(Some(view))) => {
                    gathered.notes.extend(wanted_of_room(session, &view, &mut gathered.seen));
                }
                Ok(Reply::People(people)) => {
                    if let Some(person) =
                        people.first().filter(|person| gathered.seen.insert(person.record.nick.to_string()))
                    {
                        gathered.notes.extend(wanted(session, person.record.nick.as_str(), &notes(person)));
                    }
                }
                Ok(_) | Err(_) => {}
            }
            if index == last {
                write_sync(session, ALL, gathered.notes);
            } else if let Some(kept) = session.answers.gathered() {
                *kept = gathered;
            }
        });
    }
}

/// Before the welcome there is nobody but oneself, and what is noted waits for it (`before-connect`).
fn early(session: &mut Session, target: &str, verb: &str, rest: &[String]) {
    if target != "*" {
        return fault(session, Fault::Target, &[target]);
    }
    let notes = session.own().notes.clone();
    match (verb, rest) {
        ("GET", keys) => get(session, "*", &notes, keys),
        ("LIST", _) => list(session, "*", notes),
        ("SET", [key, ..]) if !is_key(key) => fault(session, Fault::Key, &[key]),
        ("SET", [key, value]) if !value.is_empty() => {
            if !is_value(value) {
                return fault(session, Fault::Value, &[key]);
            }
            if notes.len() >= NOTES_MAX && !notes.contains_key(key) {
                return fault(session, Fault::Limit, &["SET", "*", &NOTES_MAX.to_string()]);
            }
            session.own().notes.insert(key.clone(), value.clone());
            let line = value_line(session, "*", key, Some(value));
            session.reply(line);
        }
        ("SET", [key, ..]) => {
            session.own().notes.remove(key);
            let line = value_line(session, "*", key, None);
            session.reply(line);
        }
        ("CLEAR", _) => {
            session.own().notes.clear();
            let old = session.caps.has(Caps::METADATA_2);
            let lines = notes.into_iter().map(|(key, value)| ("*".to_owned(), key, old.then_some(value)));
            write_batch(session, "*", lines);
        }
        _ => sync_later(session, "*"),
    }
}

/// Notes what was said before the welcome.
pub(super) fn note_earlier(session: &mut Session) {
    let notes = session.own.as_mut().map(|own| std::mem::take(&mut own.notes)).unwrap_or_default();
    for (key, value) in notes {
        session.ask(Command::SetNote(key, Some(value)), |_, _, _| {});
    }
}

/// Shows a client that wants to know its own notes, as a part of the welcome, then goes on.
pub(super) fn burst_then(session: &mut Session, then: fn(&mut Session)) {
    let Some(nick) = Nick::new(&session.me.nick).ok().filter(|_| session.hears_metadata()) else {
        // Behind the answers that come before.
        return session.ask(Command::Sync, move |session, _, _| then(session));
    };
    session.ask(Command::FindNick(nick), move |session, _, answer| {
        let people = if let Ok(Reply::People(people)) = answer { people } else { Vec::new() };
        let own = people.iter().find(|person| session.session_id() == Some(person.session));
        let name = session.me.nick.clone();
        let all: Vec<_> = own
            .map(notes)
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (name.clone(), key, Some(value)))
            .collect();
        write_sync(session, &name, all);
        then(session);
    });
}

/// Shows what is noted about a channel just entered and about those in it.
pub(super) fn sync_joined(session: &mut Session, view: &RoomView) {
    if !session.hears_metadata() {
        return;
    }
    let notes = wanted_of_room(session, view, &mut BTreeSet::new());
    if !notes.is_empty() || session.caps.has(Caps::METADATA_3) {
        write_sync(session, &channel_name(&view.name), notes);
    }
}

impl Session {
    /// Whether the client knows METADATA, which needs batches.
    pub(super) fn hears_metadata(&self) -> bool {
        let knows = self.caps.has(Caps::METADATA_2) || self.caps.has(Caps::METADATA_3);
        knows && self.caps.has(Caps::BATCH)
    }

    fn is_subscribed(&self, key: &str) -> bool {
        self.hears_metadata() && self.own.as_ref().is_some_and(|own| own.subscribed.iter().any(|known| known == key))
    }

    /// A note of somebody or of a room has changed.
    pub(super) fn tell_note(&mut self, now: Now, source: &str, name: &str, key: &str, value: Option<&str>) {
        if !self.is_subscribed(key) {
            return;
        }
        let line = if self.caps.has(Caps::METADATA_2) {
            Line::with_text(source, "METADATA", &[name, key, "*"], value.unwrap_or_default())
        } else {
            value_line(self, name, key, value)
        };
        self.tell(now, |look| vec![look.stamp(line, look.wall_ms, None)]);
    }

    /// What is noted about a room has changed, by others.
    pub(super) fn tell_room_notes(&mut self, now: Now, event: &Event) {
        let Event::RoomChanged { room, by, old, new, .. } = event else { return };
        if old.notes == new.notes || self.session_id() == Some(by.session) {
            return;
        }
        let keys: BTreeSet<&String> = old.notes.keys().chain(new.notes.keys()).collect();
        let (name, source) = (channel_name(room), author_source(by));
        for key in keys.into_iter().filter(|key| old.notes.get(*key) != new.notes.get(*key)) {
            self.tell_note(now, &source, &name, key, new.notes.get(key).map(String::as_str));
        }
    }

    /// Somebody watched is there, or was found there: shows what is subscribed to of them.
    pub(super) fn sync_person(&mut self, person: &Person) {
        if self.hears_metadata() {
            let name = person.record.nick.to_string();
            let notes = wanted(self, &name, &notes(person));
            if !notes.is_empty() || self.caps.has(Caps::METADATA_3) {
                write_sync(self, &name, notes);
            }
        }
    }

    /// The same outside of any response.
    pub(super) fn tell_notes_of(&mut self, person: &Person) {
        self.answers.begin(None);
        self.sync_person(person);
        self.answers.settle(&mut self.out, &self.config.node_name);
    }
}
