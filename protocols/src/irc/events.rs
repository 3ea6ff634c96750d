//! Events as lines. What looks the same for all sessions with the same capabilities is rendered once and shared
//! ([`crate::render`]); the rest is rendered for the session.

use super::Caps;
use super::message::Line;
use super::modes;
use super::names::{letter, source_of, standings};
use super::numerics::{ERR_YOUREBANNEDCREEP, RPL_KNOCK, RPL_LOGGEDOUT};
use super::people::{away_text, record_away_text};
use super::said::{self, Look, author_source, channel_name};
use super::{Now, Session};
use crate::event::{CloseReason, Conversation, Event, Leave, Occupant, Person, Said};
use crate::render::{RenderClass, Renders};
use bytes::{Bytes, BytesMut};
use lavina_crdt::ids::MsgId;
use lavina_crdt::names::{AccountName, Nick, RoomName};
use lavina_crdt::presence::SessionRecord;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Marks render classes as IRC's.
const IRC_CLASS: u64 = 1 << 63;
/// Bytes of text that fit into a line whatever the names are.
const SHORT_BYTES: usize = 64;
/// Names of occupants in one notice about a cut at most; the others are counted.
const NAMED_MAX: usize = 10;

const STAMPS: Caps = Caps::SERVER_TIME.with(Caps::ACCOUNT_TAG);

/// What JOIN says of who comes (IRCv3 `extended-join`).
pub(super) struct Joining<'a> {
    pub(super) source: &'a str,
    pub(super) account: Option<&'a AccountName>,
    pub(super) realname: &'a str,
    pub(super) channel: &'a str,
    /// What the coming is known by.
    pub(super) id: Option<MsgId>,
}

impl Joining<'_> {
    pub(super) fn line(&self, look: &Look<'_>) -> Line {
        let line = look.stamp(self.bare(look), look.wall_ms, self.account);
        let named = self.id.filter(|_| look.caps.has(Caps::MESSAGE_TAGS));
        named.iter().fold(line, |line, id| line.tag("msgid", &id.to_string()))
    }

    fn bare(&self, look: &Look<'_>) -> Line {
        if look.caps.has(Caps::EXTENDED_JOIN) {
            let account = self.account.map_or("*", |account| account.as_str());
            Line::with_text(self.source, "JOIN", &[self.channel, account], self.realname)
        } else {
            Line::new(self.source, "JOIN", &[self.channel])
        }
    }
}

/// What somebody's coming into a room is known by, on every node.
pub(super) fn joining_id(room: &RoomName, person: &Person) -> Option<MsgId> {
    Some(MsgId::of_place(room, person.record.rooms.get(room)?.since, person.session))
}

/// PART.
pub(super) fn part_line(source: &str, channel: &str, reason: &str) -> Line {
    if reason.is_empty() {
        Line::new(source, "PART", &[channel])
    } else {
        Line::with_text(source, "PART", &[channel], reason)
    }
}

impl Session {
    /// Takes an event in and tells the client.
    pub(super) fn on_event(&mut self, now: Now, event: &Arc<Event>, renders: &mut Renders) {
        match &**event {
            Event::Said(said) => match &said.conversation {
                Conversation::Room(_) => self.shared(now, event, renders),
                Conversation::Direct { .. } => self.on_direct(now, said),
            },
            Event::Joined { occupant, .. } => {
                // The session's own place is told by the answer to its JOIN.
                if !self.is_here(&occupant.people) {
                    self.shared(now, event, renders);
                }
            }
            Event::Entered(view) => self.on_entered(now, view),
            Event::Left { room, own, .. } => {
                if !*own || self.rooms.remove(room) {
                    self.shared(now, event, renders);
                }
            }
            Event::NickChanged { person, new, .. } => {
                if self.session_id() == Some(person.session) {
                    if self.me.nick == new.as_str() {
                        return;
                    }
                    self.me.nick = new.to_string();
                }
                self.shared(now, event, renders);
            }
            Event::PersonChanged { person, .. } => {
                if self.session_id() == Some(person.session) {
                    self.on_self_changed(now, person);
                } else {
                    self.shared(now, event, renders);
                }
            }
            Event::Quit { .. }
            | Event::RoomChanged { .. }
            | Event::Unreachable { .. }
            | Event::Reachable { .. }
            | Event::Caught { .. } => {
                self.shared(now, event, renders);
                self.tell_room_notes(now, event);
            }
            Event::Invited { room, by, nick, .. } => {
                if nick.as_str() == self.me.nick || self.caps.has(Caps::INVITE_NOTIFY) {
                    let line = Line::new(&author_source(by), "INVITE", &[nick.as_str(), &channel_name(room)]);
                    self.tell(now, |look| vec![look.stamp(line, look.wall_ms, by.account.as_ref())]);
                }
            }
            Event::Knocked { room, by, text } => {
                let words = if text.is_empty() { String::new() } else { format!(": {text}") };
                let middle = [self.me.nick.as_str(), &channel_name(room), &author_source(by)];
                let text = format!("has asked for an invite{words}");
                let line = Line::with_text(&self.config.node_name, RPL_KNOCK, &middle, &text);
                self.tell(now, |look| vec![look.stamp(line, look.wall_ms, None)]);
            }
            Event::WatchedChanged { old, person } => {
                if self.caps.has(Caps::EXTENDED_MONITOR) {
                    self.tell(now, |look| person_changed(look, old, person, &person.record.nick));
                }
            }
            Event::Noted { person, key, value } => {
                let nick = person.record.nick.to_string();
                let source = source_of(&person.record.nick, person);
                self.tell_note(now, &source, &nick, key, value.as_deref());
            }
            Event::Renamed { old, view, by, reason } => self.on_renamed(now, old, view, by, reason),
            Event::Watched { nick, person } => self.on_watched(now, nick, person.as_ref()),
            Event::Marked { of, at_ms } => self.on_marked(of, *at_ms),
            Event::Netsplit { nodes, rooms, gone } => {
                let nodes = self.server_names(nodes);
                let reason = format!("{} {}", nodes.0, nodes.1);
                self.on_many(now, event, rooms, renders, |look, here| {
                    batch(look, "netsplit", &nodes, split(gone, here, &reason))
                });
            }
            Event::Netjoin { nodes, rooms, back } => {
                let nodes = self.server_names(nodes);
                self.on_many(now, event, rooms, renders, |look, here| {
                    batch(look, "netjoin", &nodes, joins(look, back, here))
                });
            }
            Event::Notice(text) => {
                let line = Line::with_text(&self.config.node_name, "NOTICE", &[&self.me.nick], text);
                self.tell(now, |look| vec![look.stamp(line, look.wall_ms, None)]);
            }
            Event::Wallops { by, text } => {
                let line = Line::with_text(&author_source(by), "WALLOPS", &[], text);
                self.tell(now, |look| vec![look.stamp(line, look.wall_ms, by.account.as_ref())]);
            }
            Event::Closed { reason, words, .. } => self.on_closed(now, *reason, words),
            // XMPP's: contacts and stanzas between clients have no lines.
            Event::RosterPush { .. }
            | Event::Shown { .. }
            | Event::Blocked { .. }
            | Event::Subscription(..)
            | Event::ContactPresence { .. }
            | Event::Abandoned { .. }
            | Event::Waiting(_)
            | Event::Abroad(..)
            | Event::Ended(_)
            | Event::Forwarded(_)
            | Event::Whisper { .. } => {}
        }
    }

    /// The session's own record changed without its asking: its account went to an earlier registration.
    fn on_self_changed(&mut self, now: Now, person: &Person) {
        if self.me.account.is_some() && person.record.account.is_none() {
            let middle = [self.me.nick.as_str(), &self.source()];
            let line = Line::with_text(&self.config.node_name, RPL_LOGGEDOUT, &middle, "You are now logged out");
            self.tell(now, |look| vec![look.stamp(line, look.wall_ms, None)]);
        }
        self.me.account.clone_from(&person.record.account);
    }

    fn on_closed(&mut self, now: Now, reason: CloseReason, words: &str) {
        if reason == CloseReason::Barred {
            let text = format!("You are banned from this server: {words}");
            let line = Line::with_text(&self.config.node_name, ERR_YOUREBANNEDCREEP, &[&self.me.nick], &text);
            self.tell(now, |_| vec![line]);
        }
        if words.is_empty() {
            self.ended(closing(reason));
        } else {
            self.ended(&format!("Closing link: {} ({words})", self.host));
        }
    }

    fn is_here(&self, people: &[Person]) -> bool {
        people.iter().any(|person| self.session_id() == Some(person.session))
    }

    /// Whether the session's own command has set that off.
    fn is_own_doing(&self, event: &Event) -> bool {
        let own = self.session_id();
        if let Event::RoomChanged { by, acts, .. } = event {
            !acts.is_empty() && own == Some(by.session)
        } else if let Event::Left { how: Leave::Kick { by, .. }, .. } = event {
            own == Some(by.session)
        } else if let Event::NickChanged { person, forced, .. } = event {
            !forced && own == Some(person.session)
        } else {
            false
        }
    }

    /// Sends what all sessions of this one's class are sent.
    fn shared(&mut self, now: Now, event: &Arc<Event>, renders: &mut Renders) {
        let caps = self.caps.and(matters(event));
        let own = self.is_own_doing(event);
        let look = Look { caps, node: &self.config.node_name, wall_ms: now.wall_ms };
        if let Some(lines) = self.answers.labeled().filter(|_| own) {
            lines.extend(render(&look, event));
            return;
        }
        let class = RenderClass(IRC_CLASS | caps.bits());
        let bytes = renders.get_or_render(event, class, || encode(&render(&look, event)));
        self.out.shared(bytes);
    }

    /// Sends what only this session is sent.
    pub(super) fn tell(&mut self, now: Now, render: impl FnOnce(&Look<'_>) -> Vec<Line>) {
        let look = Look { caps: self.caps, node: &self.config.node_name, wall_ms: now.wall_ms };
        for line in render(&look) {
            self.out.line(&line, None);
        }
    }

    /// A direct message: to this person, or by another of their sessions, as clients know it from bouncers.
    fn on_direct(&mut self, now: Now, said: &Said) {
        let Conversation::Direct { from, to_nick, .. } = &said.conversation else { return };
        if !self.is_me(from) {
            let target = self.me.nick.clone();
            self.tell(now, |look| said::lines(look, said, &target, None));
        } else {
            self.tell(now, |look| said::lines(look, said, to_nick.as_str(), None));
        }
    }

    /// Clients know a split by two names of servers.
    fn server_names(&self, nodes: &(Arc<str>, Arc<str>)) -> (String, String) {
        (self.server_name(&nodes.0), self.server_name(&nodes.1))
    }

    /// Many leave or come at once: those who are in the same of these rooms are sent the same.
    fn on_many(
        &mut self,
        now: Now,
        event: &Arc<Event>,
        rooms: &BTreeSet<RoomName>,
        renders: &mut Renders,
        render: impl FnOnce(&Look<'_>, &[RoomName]) -> Bytes,
    ) {
        let here: Vec<RoomName> = self.rooms.intersection(rooms).cloned().collect();
        let caps = self.caps.and(matters(event));
        let look = Look { caps, node: &self.config.node_name, wall_ms: now.wall_ms };
        let class = RenderClass(IRC_CLASS | caps.bits());
        let bytes = renders.get_or_render_in(event, class, here, |here| render(&look, here));
        self.out.shared(bytes);
    }
}

/// Lines, with the account that each is about.
type Told = Vec<(Line, Option<AccountName>)>;

/// Who is gone from these rooms.
fn split(gone: &[(Person, Vec<(RoomName, Nick)>)], here: &[RoomName], reason: &str) -> Told {
    let mut lines = Vec::new();
    for (person, places) in gone {
        let shared: Vec<_> = places.iter().filter(|(room, _)| here.binary_search(room).is_ok()).cloned().collect();
        lines.extend(quit_lines(person, &shared, reason).map(|line| (line, person.record.account.clone())));
    }
    lines
}

/// Who comes into these rooms.
fn joins(look: &Look<'_>, back: &[(RoomName, Occupant)], here: &[RoomName]) -> Told {
    let mut lines = Vec::new();
    for (room, occupant) in back.iter().filter(|(room, _)| here.binary_search(room).is_ok()) {
        let channel = channel_name(room);
        let Some(person) = occupant.people.first() else { continue };
        let source = source_of(&occupant.nick, person);
        let account = person.record.account.clone();
        let joining = Joining {
            source: &source,
            account: account.as_ref(),
            realname: &person.record.realname,
            channel: &channel,
            id: None,
        };
        lines.push((joining.bare(look), account));
        lines.extend(rank_line(look.node, &channel, occupant).map(|line| (line, None)));
    }
    lines
}

/// Lines together, in a batch where the client knows batches (IRCv3 `netsplit` and `netjoin` batch types). The batch goes by its kind: it ends before
/// anything else is sent, and other batches have numbers.
fn batch(look: &Look<'_>, kind: &str, nodes: &(String, String), lines: Told) -> Bytes {
    if lines.is_empty() {
        return Bytes::new();
    }
    let batched = look.caps.has(Caps::BATCH);
    let inner = lines.into_iter().map(|(line, account)| {
        let line = if batched { line.tag("batch", kind) } else { line };
        look.stamp(line, look.wall_ms, account.as_ref())
    });
    if !batched {
        return encode(&inner.collect::<Vec<_>>());
    }
    let begin = Line::new(look.node, "BATCH", &[&format!("+{kind}"), kind, &nodes.0, &nodes.1]);
    let end = Line::new(look.node, "BATCH", &[&format!("-{kind}")]);
    encode(&std::iter::once(begin).chain(inner).chain([end]).collect::<Vec<_>>())
}

fn closing(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Replaced => "Closing link: replaced by another connection",
        CloseReason::Shutdown => "Closing link: the server is shutting down, reconnect to another",
        CloseReason::SlowReader => "Closing link: you read too slowly",
        CloseReason::Removed => "Closing link: removed by an operator",
        CloseReason::Barred => "Closing link: you are banned from this network",
    }
}

fn encode(lines: &[Line]) -> Bytes {
    let mut bytes = BytesMut::new();
    for line in lines {
        line.write(&mut bytes, None);
    }
    bytes.freeze()
}

/// The capabilities that the rendering of an event depends on.
fn matters(event: &Event) -> Caps {
    if let Event::Said(said) = event {
        let one_line = said.content.text.len() <= SHORT_BYTES && !said.content.text.contains('\n');
        let is_whole = one_line && said.content.joints.is_empty();
        let lines = if is_whole { Caps::default() } else { Caps::MULTILINE.with(Caps::BATCH) };
        STAMPS.with(Caps::MESSAGE_TAGS).with(Caps::MESSAGE_REDACTION).with(lines)
    } else if let Event::Joined { .. } = event {
        STAMPS.with(Caps::MESSAGE_TAGS).with(Caps::EXTENDED_JOIN).with(Caps::AWAY_NOTIFY)
    } else if let Event::PersonChanged { .. } = event {
        STAMPS.with(Caps::ACCOUNT_NOTIFY).with(Caps::AWAY_NOTIFY).with(Caps::SETNAME)
    } else if let Event::Unreachable { .. } | Event::Reachable { .. } = event {
        STAMPS.with(Caps::AWAY_NOTIFY)
    } else if let Event::RoomChanged { .. } | Event::Left { .. } = event {
        STAMPS.with(Caps::MESSAGE_TAGS)
    } else if let Event::Caught { .. } | Event::Netsplit { .. } = event {
        STAMPS.with(Caps::BATCH)
    } else if let Event::Netjoin { .. } = event {
        STAMPS.with(Caps::BATCH).with(Caps::EXTENDED_JOIN)
    } else {
        STAMPS
    }
}

/// The lines of an event that has no part of its own for each receiver.
fn render(look: &Look<'_>, event: &Event) -> Vec<Line> {
    match event {
        Event::Said(said) => match &said.conversation {
            Conversation::Room(room) => said::lines(look, said, &said::room_target(room, &said.content), None),
            Conversation::Direct { .. } => Vec::new(),
        },
        Event::Joined { room, occupant } => joined(look, room, occupant),
        Event::Left { room, occupant, how, .. } => left(look, room, occupant, how).into_iter().collect(),
        Event::Quit { person, places, reason } => {
            let account = person.record.account.as_ref();
            quit_lines(person, places, reason).map(|line| look.stamp(line, look.wall_ms, account)).collect()
        }
        Event::NickChanged { person, old, new, .. } => {
            let line = Line::with_text(&source_of(old, person), "NICK", &[], new.as_str());
            vec![look.stamp(line, look.wall_ms, person.record.account.as_ref())]
        }
        Event::PersonChanged { old, person, rooms } => {
            let mut nicks: Vec<&Nick> = rooms.iter().map(|(_, nick, _)| nick).collect();
            nicks.sort();
            nicks.dedup();
            nicks.into_iter().flat_map(|nick| person_changed(look, old, person, nick)).collect()
        }
        Event::RoomChanged { .. } => room_changed(look, event),
        Event::Unreachable { room, nodes, occupants, .. } => {
            let text = format!("{} out of reach: {} shown away until the network heals", list(nodes), named(occupants));
            let away = |person: &Person| away_text(person).or_else(|| Some("unreachable".to_owned()));
            cut(look, room, &text, occupants, away)
        }
        Event::Reachable { room, nodes, occupants } => {
            let text = format!("{} in reach again: {}", list(nodes), named(occupants));
            cut(look, room, &text, occupants, |person| record_away_text(&person.record))
        }
        Event::Caught { room, begin } => caught(look, room, *begin),
        Event::Invited { .. }
        | Event::Knocked { .. }
        | Event::WatchedChanged { .. }
        | Event::Noted { .. }
        | Event::Renamed { .. }
        | Event::Netsplit { .. }
        | Event::Netjoin { .. }
        | Event::RosterPush { .. }
        | Event::Shown { .. }
        | Event::Blocked { .. }
        | Event::Watched { .. }
        | Event::Marked { .. }
        | Event::Subscription(..)
        | Event::ContactPresence { .. }
        | Event::Abroad(..)
        | Event::Ended(_)
        | Event::Forwarded(_)
        | Event::Whisper { .. }
        | Event::Closed { .. }
        | Event::Wallops { .. }
        | Event::Abandoned { .. }
        | Event::Waiting(_)
        | Event::Entered(_)
        | Event::Notice(_) => Vec::new(),
    }
}

fn joined(look: &Look<'_>, room: &RoomName, occupant: &Occupant) -> Vec<Line> {
    let Some(person) = occupant.people.first() else { return Vec::new() };
    let (source, channel) = (source_of(&occupant.nick, person), channel_name(room));
    let account = person.record.account.as_ref();
    let id = joining_id(room, person);
    let joining = Joining { source: &source, account, realname: &person.record.realname, channel: &channel, id };
    let mut lines = vec![joining.line(look)];
    lines.extend(rank_line(look.node, &channel, occupant).map(|line| look.stamp(line, look.wall_ms, None)));
    if let Some(text) = away_text(person).filter(|_| look.caps.has(Caps::AWAY_NOTIFY)) {
        lines.push(look.stamp(Line::with_text(&source, "AWAY", &[], &text), look.wall_ms, account));
    }
    lines
}

/// The standings that somebody comes in with.
fn rank_line(node: &str, channel: &str, occupant: &Occupant) -> Option<Line> {
    let standings = standings(occupant.rank, &occupant.beneath, occupant.in_lasting_room);
    let letters: String = standings.filter_map(letter).collect();
    let nicks = letters.chars().map(|_| occupant.nick.as_str());
    let modes = format!("+{letters}");
    let words: Vec<&str> = [channel, &modes].into_iter().chain(nicks).collect();
    (!letters.is_empty()).then(|| Line::new(node, "MODE", &words))
}

fn left(look: &Look<'_>, room: &RoomName, occupant: &Occupant, how: &Leave) -> Option<Line> {
    let channel = channel_name(room);
    match how {
        Leave::Part(reason) => {
            let person = occupant.people.first()?;
            let line = part_line(&source_of(&occupant.nick, person), &channel, reason);
            Some(look.stamp(line, look.wall_ms, person.record.account.as_ref()))
        }
        Leave::Kick { by, reason, id, .. } => {
            let line = Line::with_text(&author_source(by), "KICK", &[&channel, occupant.nick.as_str()], reason);
            let line = look.stamp(line, id.map_or(look.wall_ms, |id| id.hlc().ms()), by.account.as_ref());
            // As event-playback gives it, so that a client knows it again.
            let named = id.filter(|_| look.caps.has(Caps::MESSAGE_TAGS));
            Some(named.iter().fold(line, |line, id| line.tag("msgid", &id.to_string())))
        }
    }
}

/// One QUIT for each nick by which somebody was known.
fn quit_lines<'a>(
    person: &'a Person,
    places: &[(RoomName, Nick)],
    reason: &'a str,
) -> impl Iterator<Item = Line> + use<'a> {
    let mut nicks: Vec<Nick> = places.iter().map(|(_, nick)| nick.clone()).collect();
    nicks.sort();
    nicks.dedup();
    nicks.into_iter().map(move |nick| Line::with_text(&source_of(&nick, person), "QUIT", &[], reason))
}

fn person_changed(look: &Look<'_>, old: &SessionRecord, person: &Person, nick: &Nick) -> Vec<Line> {
    let source = source_of(nick, person);
    let new = &person.record;
    let mut lines = Vec::new();
    if old.account != new.account && look.caps.has(Caps::ACCOUNT_NOTIFY) {
        let account = new.account.as_ref().map_or("*", |account| account.as_str());
        lines.push(Line::new(&source, "ACCOUNT", &[account]));
    }
    let away = record_away_text(new);
    if record_away_text(old) != away && look.caps.has(Caps::AWAY_NOTIFY) {
        lines.push(away_line(&source, away.as_deref()));
    }
    if old.realname != new.realname && look.caps.has(Caps::SETNAME) {
        lines.push(Line::with_text(&source, "SETNAME", &[], &new.realname));
    }
    lines.into_iter().map(|line| look.stamp(line, look.wall_ms, new.account.as_ref())).collect()
}

fn away_line(source: &str, text: Option<&str>) -> Line {
    match text {
        Some(text) => Line::with_text(source, "AWAY", &[], text),
        None => Line::new(source, "AWAY", &[]),
    }
}

fn room_changed(look: &Look<'_>, event: &Event) -> Vec<Line> {
    let Event::RoomChanged { room, by, id, acts, old, new, ranks } = event else { return Vec::new() };
    let channel = channel_name(room);
    // What follows from a merge was done by nobody who could be named.
    let (source, account) =
        if acts.is_empty() { (look.node.to_owned(), None) } else { (author_source(by), by.account.as_ref()) };
    let mut lines: Vec<Line> = modes::changes(old, new, ranks)
        .iter()
        .map(|words| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            Line::new(&source, "MODE", &[&[channel.as_str()], words.as_slice()].concat())
        })
        .collect();
    let text =
        |state: &lavina_crdt::room::RoomState| state.topic.as_ref().map(|topic| topic.text.clone()).unwrap_or_default();
    if text(old) != text(new) {
        lines.push(Line::with_text(&source, "TOPIC", &[&channel], &text(new)));
    }
    let named = |line: Line| {
        if look.caps.has(Caps::MESSAGE_TAGS) { line.tag("msgid", &id.to_string()) } else { line }
    };
    // Several lines of one change share its time; an id names one line.
    let stamped = lines.into_iter().map(|line| look.stamp(line, id.hlc().ms(), account));
    stamped.enumerate().map(|(index, line)| if index == 0 { named(line) } else { line }).collect()
}

fn cut(
    look: &Look<'_>,
    room: &RoomName,
    text: &str,
    occupants: &[Occupant],
    away: impl Fn(&Person) -> Option<String>,
) -> Vec<Line> {
    let mut lines = vec![look.stamp(notice(look, room, text), look.wall_ms, None)];
    if look.caps.has(Caps::AWAY_NOTIFY) {
        for occupant in occupants {
            let Some(person) = occupant.people.first() else { continue };
            let line = away_line(&source_of(&occupant.nick, person), away(person).as_deref());
            lines.push(look.stamp(line, look.wall_ms, person.record.account.as_ref()));
        }
    }
    lines
}

fn notice(look: &Look<'_>, room: &RoomName, text: &str) -> Line {
    Line::with_text(look.node, "NOTICE", &[&channel_name(room)], text)
}

fn list(nodes: &[Arc<str>]) -> String {
    nodes.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ")
}

fn named(occupants: &[Occupant]) -> String {
    let mut text =
        occupants.iter().take(NAMED_MAX).map(|occupant| occupant.nick.as_str()).collect::<Vec<_>>().join(", ");
    if occupants.len() > NAMED_MAX {
        text.push_str(&format!(" and {} more", occupants.len() - NAMED_MAX));
    }
    text
}

/// The marks around messages from behind a cut: a client that shows each message with its time can do without them.
fn caught(look: &Look<'_>, room: &RoomName, begin: bool) -> Vec<Line> {
    if look.caps.has(Caps::BATCH.with(Caps::SERVER_TIME)) {
        return Vec::new();
    }
    let text =
        if begin { "--- said meanwhile on the other side of the cut:" } else { "--- end of what was said there" };
    vec![look.stamp(notice(look, room, text), look.wall_ms, None)]
}
