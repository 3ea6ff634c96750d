//! JOIN, PART, TOPIC, KICK, INVITE, LIST. RFC 2812 section 3.2.

use super::message::{Line, clip};
use super::modes::TOPIC_BYTES_MAX;
use super::names::{Reveal, write_names};
use super::numerics::*;
use super::registration::REASON_BYTES_MAX;
use super::said::{Look, author_source, channel_name};
use super::{Answer, Caps, Message, Now, Session, events, metadata, playback};
use crate::command::{Command, Refusal, Reply, RoomSummary, Target};
use crate::event::RoomView;
use lavina_crdt::content::Author;
use lavina_crdt::glob;
use lavina_crdt::names::{Nick, RoomName};
use lavina_crdt::room::{Act, Denied, Topic};
use std::sync::Arc;

/// Channels in one command at most; advertised in TARGMAX.
pub(super) const CHANNELS_MAX: usize = 32;

/// Whether that is meant to be a channel.
pub(super) fn is_channel(name: &str) -> bool {
    name.starts_with('#')
}

/// The room of a channel's name.
pub(super) fn room_of(name: &str) -> Option<RoomName> {
    RoomName::new(name.strip_prefix('#')?).ok()
}

impl Session {
    pub(super) fn no_such_channel(&mut self, name: &str) {
        self.numeric(ERR_NOSUCHCHANNEL, &[name], "No such channel");
    }

    /// The rooms of a list of channels; what is none is answered at once.
    pub(super) fn rooms_of(&mut self, list: &str) -> Vec<RoomName> {
        let mut rooms = Vec::new();
        for (index, name) in list.split(',').filter(|name| !name.is_empty()).enumerate() {
            if index >= CHANNELS_MAX {
                self.numeric(ERR_TOOMANYTARGETS, &[name], "Too many targets");
                break;
            }
            match room_of(name) {
                Some(room) => rooms.push(room),
                None => self.no_such_channel(name),
            }
        }
        rooms
    }
}

/// JOIN: channels with keys, or `0` to leave all.
pub(super) fn join(session: &mut Session, _now: Now, message: &Message<'_>) {
    let list = message.param(0).unwrap_or_default();
    if list == "0" {
        // Which rooms those are is known once the answers before have come.
        session.answers.hold();
        session.ask(Command::Sync, |session, now, _| {
            for room in session.rooms.clone() {
                leave(session, now, room, String::new());
            }
        });
        return;
    }
    let mut keys = message.param(1).unwrap_or_default().split(',').map(str::to_owned);
    let mut wanted = Vec::new();
    for (index, name) in list.split(',').filter(|name| !name.is_empty()).enumerate() {
        let key = keys.next().filter(|key| !key.is_empty());
        match room_of(name) {
            _ if index >= CHANNELS_MAX => return session.numeric(ERR_TOOMANYTARGETS, &[name], "Too many targets"),
            Some(room) => wanted.push((room, key)),
            None => session.no_such_channel(name),
        }
    }
    if !wanted.is_empty() {
        // Marks, notes and what was missed are asked for once the client is inside.
        session.answers.hold();
    }
    for (room, key) in wanted {
        let command = Command::Join { room: room.clone(), nick: None, key };
        session.ask(command, move |session, now, answer| match answer {
            Ok(Reply::Joined(view, fresh)) => on_joined(session, now, &view, fresh),
            Ok(_) => {}
            Err(Refusal::Elsewhere(to, _)) => forward(session, &room, to),
            Err(refusal) => session.refuse_join(&channel_name(&room), &refusal),
        });
    }
}

/// The channel lets nobody in now and names another (+f): one step, so that two that name each other are no circle.
fn forward(session: &mut Session, from: &RoomName, to: RoomName) {
    let (from, target) = (channel_name(from), channel_name(&to));
    session.numeric(ERR_LINKCHANNEL, &[&from, &target], "Forwarding to another channel");
    let command = Command::Join { room: to, nick: None, key: None };
    session.ask(command, move |session, now, answer| match answer {
        Ok(Reply::Joined(view, fresh)) => on_joined(session, now, &view, fresh),
        Ok(_) => {}
        Err(Refusal::Elsewhere(_, denied)) => session.refuse_join(&target, &Refusal::Denied(denied)),
        Err(refusal) => session.refuse_join(&target, &refusal),
    });
}

/// Shows the session its own coming into a channel.
pub(super) fn on_joined(session: &mut Session, now: Now, view: &Arc<RoomView>, fresh: bool) {
    let new = session.rooms.insert(view.name.clone());
    if !fresh && !new {
        return;
    }
    let config = Arc::clone(&session.config);
    let look = Look { caps: session.caps, node: &config.node_name, wall_ms: now.wall_ms };
    let channel = channel_name(&view.name);
    let mut people = view.occupants.iter().flat_map(|occupant| &occupant.people);
    let own = people.find(|person| session.session_id() == Some(person.session));
    let joined = events::Joining {
        source: &session.source(),
        account: session.me.account.as_ref(),
        realname: &session.me.realname.clone(),
        channel: &channel,
        id: own.and_then(|person| events::joining_id(&view.name, person)),
    };
    let line = joined.line(&look);
    session.reply(line);
    if let Some(topic) = &view.state.topic {
        write_topic(session, &channel, topic);
    }
    let view = Arc::clone(view);
    session.mark_of_joined(&view.name.clone(), move |session| {
        if !session.caps.has(Caps::NO_IMPLICIT_NAMES) {
            write_names(session, &view, Reveal::Inside);
        }
        metadata::sync_joined(session, &view);
        playback::play_joined(session, now, &view.name);
    });
}

/// PART.
pub(super) fn part(session: &mut Session, now: Now, message: &Message<'_>) {
    let reason = clip(message.param(1).unwrap_or_default(), REASON_BYTES_MAX).to_owned();
    for room in session.rooms_of(message.param(0).unwrap_or_default()) {
        leave(session, now, room, reason.clone());
    }
}

/// The time of it is that of the command, as others see it, and not of its answer, which may wait for the disk.
fn leave(session: &mut Session, now: Now, room: RoomName, reason: String) {
    let command = Command::Part { room: room.clone(), reason: reason.clone() };
    session.ask(command, move |session, _, answer| match answer {
        // Nothing is left to say when the event of it has come first.
        Ok(_) if session.rooms.remove(&room) => {
            let config = Arc::clone(&session.config);
            let look = Look { caps: session.caps, node: &config.node_name, wall_ms: now.wall_ms };
            let line = events::part_line(&session.source(), &channel_name(&room), &reason);
            let line = look.stamp(line, now.wall_ms, session.me.account.as_ref());
            session.reply(line);
        }
        Ok(_) => {}
        Err(refusal) => session.refuse_in("PART", &channel_name(&room), &refusal),
    });
}

/// TOPIC: shows or sets it.
pub(super) fn topic(session: &mut Session, _now: Now, message: &Message<'_>) {
    let name = message.param(0).unwrap_or_default().to_owned();
    let Some(room) = room_of(&name) else { return session.no_such_channel(&name) };
    match message.params().get(1) {
        Some(text) => {
            let act = Act::SetTopic(clip(text, TOPIC_BYTES_MAX).to_owned());
            session.ask(Command::Act(room, vec![act]), move |session, _, answer| {
                if let Err(refusal) = answer {
                    session.refuse_in("TOPIC", &name, &refusal);
                }
            });
        }
        None => session.ask(Command::RoomInfo(room), move |session, _, answer| match answer {
            Ok(Reply::Room(Some(view))) => match &view.state.topic {
                Some(topic) => write_topic(session, &channel_name(&view.name), topic),
                None => session.numeric(RPL_NOTOPIC, &[&channel_name(&view.name)], "No topic is set"),
            },
            Ok(_) => session.no_such_channel(&name),
            Err(refusal) => session.refuse_in("TOPIC", &name, &refusal),
        }),
    }
}

fn write_topic(session: &mut Session, channel: &str, topic: &Topic) {
    if topic.text.is_empty() {
        return;
    }
    session.numeric(RPL_TOPIC, &[channel], &topic.text);
    session.numeric_words(RPL_TOPICWHOTIME, &[channel, topic.by.as_str(), &(topic.at.ms() / 1000).to_string()]);
}

/// KICK.
pub(super) fn kick(session: &mut Session, _now: Now, message: &Message<'_>) {
    let names: Vec<&str> = message.param(0).unwrap_or_default().split(',').collect();
    let reason = clip(message.param(2).unwrap_or(&session.me.nick), REASON_BYTES_MAX).to_owned();
    let victims = message.param(1).unwrap_or_default();
    for (index, victim) in victims.split(',').filter(|victim| !victim.is_empty()).enumerate() {
        if index >= super::messaging::TARGETS_MAX {
            return session.numeric(ERR_TOOMANYTARGETS, &[victim], "Too many targets");
        }
        // One channel for all, or as many channels as nicks (RFC 2812 section 3.2.8).
        let name = names.get(if names.len() == 1 { 0 } else { index }).copied().unwrap_or_default();
        let Some(room) = room_of(name) else { return session.no_such_channel(name) };
        let Ok(nick) = Nick::new(victim) else {
            session.not_in_channel(victim, name);
            continue;
        };
        let (victim, channel) = (victim.to_owned(), name.to_owned());
        let command = Command::Kick { room, nick, reason: reason.clone() };
        session.ask(command, move |session, _, answer| match answer {
            Ok(_) => {}
            Err(Refusal::NoSuchOccupant | Refusal::NoSuchNick) => session.not_in_channel(&victim, &channel),
            Err(refusal) => session.refuse_in("KICK", &channel, &refusal),
        });
    }
}

impl Session {
    /// 441.
    pub(super) fn not_in_channel(&mut self, nick: &str, channel: &str) {
        self.numeric(ERR_USERNOTINCHANNEL, &[nick, channel], "They aren't on that channel");
    }
}

/// INVITE; without parameters it lists where one is invited (modern.ircdocs.horse, RPL_INVITELIST).
pub(super) fn invite(session: &mut Session, _now: Now, message: &Message<'_>) {
    match message.params().len() {
        0 => return list_invitations(session),
        1 => return session.numeric(ERR_NEEDMOREPARAMS, &["INVITE"], "Not enough parameters"),
        _ => {}
    }
    let name = message.param(0).unwrap_or_default().to_owned();
    let channel = message.param(1).unwrap_or_default().to_owned();
    let Some(room) = room_of(&channel) else { return session.no_such_channel(&channel) };
    let Ok(nick) = Nick::new(&name) else { return session.no_such_nick(&name) };
    let command = Command::Invite { room, whom: Target::Nick(nick), reason: String::new() };
    session.ask(command, move |session, _, answer| match answer {
        Ok(_) => session.numeric_words(RPL_INVITING, &[&name, &channel]),
        Err(Refusal::AlreadyPresent) => {
            session.numeric(ERR_USERONCHANNEL, &[&name, &channel], "is already on channel");
        }
        Err(Refusal::NoSuchNick) => session.no_such_nick(&name),
        Err(refusal) => session.refuse_in("INVITE", &channel, &refusal),
    });
}

/// RENAME (IRCv3 `draft/channel-rename`).
pub(super) fn rename(session: &mut Session, _now: Now, message: &Message<'_>) {
    let (old, new) = (message.param(0).unwrap_or_default().to_owned(), message.param(1).unwrap_or_default().to_owned());
    let reason = clip(message.param(2).unwrap_or_default(), REASON_BYTES_MAX).to_owned();
    let Some(room) = room_of(&old) else { return session.no_such_channel(&old) };
    let Some(to) = room_of(&new) else {
        return session.fail("RENAME", "CANNOT_RENAME", &[&old, &new], "That cannot be a channel's name");
    };
    let venue = format!("{to}@{}", session.config.rooms_domain);
    let only_case = room == to;
    let command = Command::RenameRoom { room, to, reason: reason.clone(), venue };
    session.ask(command, move |session, now, answer| match answer {
        // Names have no case here, so that nobody else sees a difference.
        Ok(_) if only_case => {
            let line = Line::with_text(&session.source(), "RENAME", &[&old, &new], &reason);
            session.tell(now, |look| vec![look.stamp(line, look.wall_ms, None)]);
        }
        Ok(_) => {}
        Err(Refusal::RoomExists) => {
            session.fail("RENAME", "CHANNEL_NAME_IN_USE", &[&old, &new], "The channel name is already taken");
        }
        Err(Refusal::Barred(why)) => session.fail("RENAME", "CANNOT_RENAME", &[&old, &new], &why),
        Err(refusal) => session.refuse_in("RENAME", &old, &refusal),
    });
}

impl Session {
    /// A channel that the session is in goes by another name: who does not know of that leaves the one and comes into the other.
    pub(super) fn on_renamed(&mut self, now: Now, old: &RoomName, view: &Arc<RoomView>, by: &Author, reason: &str) {
        if !self.rooms.remove(old) {
            return;
        }
        let config = Arc::clone(&self.config);
        let look = Look { caps: self.caps, node: &config.node_name, wall_ms: now.wall_ms };
        if self.caps.has(Caps::CHANNEL_RENAME) {
            self.rooms.insert(view.name.clone());
            let (from, to) = (channel_name(old), channel_name(&view.name));
            let line = Line::with_text(&author_source(by), "RENAME", &[&from, &to], reason);
            let line = look.stamp(line, now.wall_ms, by.account.as_ref());
            let own = self.session_id() == Some(by.session);
            return match self.answers.labeled().filter(|_| own) {
                Some(lines) => lines.push(line),
                None => self.out.line(&line, None),
            };
        }
        let line = events::part_line(&self.source(), &channel_name(old), reason);
        let line = look.stamp(line, now.wall_ms, self.me.account.as_ref());
        self.out.line(&line, None);
        self.on_entered(now, view);
    }
}

/// KNOCK: asks those inside for an invitation.
pub(super) fn knock(session: &mut Session, _now: Now, message: &Message<'_>) {
    let channel = message.param(0).unwrap_or_default().to_owned();
    let Some(room) = room_of(&channel) else { return session.no_such_channel(&channel) };
    let text = clip(message.param(1).unwrap_or_default(), REASON_BYTES_MAX).to_owned();
    session.ask(Command::Knock(room, text), move |session, _, answer| match answer {
        Ok(_) => session.numeric(RPL_KNOCKDLVR, &[&channel], "Your KNOCK has been delivered"),
        Err(Refusal::NeedsNoInvitation) => session.numeric(ERR_CHANOPEN, &[&channel], "Channel is open"),
        Err(Refusal::AlreadyPresent) => {
            session.numeric(ERR_KNOCKONCHAN, &[&channel], "You're already on that channel");
        }
        Err(Refusal::TooMany(_)) => session.numeric(ERR_TOOMANYKNOCK, &[&channel], "Too many KNOCKs (channel)"),
        Err(Refusal::Denied(Denied::Banned)) => {
            session.numeric(ERR_CANNOTKNOCK, &[&channel], "Cannot knock on channel (you are banned)");
        }
        Err(refusal) => session.refuse_in("KNOCK", &channel, &refusal),
    });
}

fn list_invitations(session: &mut Session) {
    session.ask(Command::ListInvitations, |session, _, answer| {
        if let Ok(Reply::Invitations(rooms)) = answer {
            for room in rooms {
                session.numeric_words(RPL_INVITELIST, &[&channel_name(&room)]);
            }
        }
        session.numeric(RPL_ENDOFINVITELIST, &[], "End of /INVITE list");
    });
}

/// What of LIST is wanted: channels by name or mask or not by one, by number of occupants, by age and by age of the topic (ELIST=CMNTU).
#[derive(Debug, Default)]
struct Filter {
    names: Vec<String>,
    not: Vec<String>,
    created: Age,
    topic: Age,
    more_than: Option<usize>,
    fewer_than: Option<usize>,
}

impl Filter {
    fn parse(text: &str) -> Self {
        let mut filter = Self::default();
        for item in text.split(',').filter(|item| !item.is_empty()).take(CHANNELS_MAX) {
            if let Some(age) = item.strip_prefix(['C', 'c']).and_then(Age::parse) {
                filter.created = age;
            } else if let Some(age) = item.strip_prefix(['T', 't']).and_then(Age::parse) {
                filter.topic = age;
            } else if let Some(mask) = item.strip_prefix('!') {
                filter.not.push(mask.to_lowercase());
            } else if let Some(count) = item.strip_prefix('>') {
                filter.more_than = count.parse().ok();
            } else if let Some(count) = item.strip_prefix('<') {
                filter.fewer_than = count.parse().ok();
            } else {
                filter.names.push(item.to_lowercase());
            }
        }
        filter
    }

    fn takes(&self, room: &RoomSummary, wall_ms: u64) -> bool {
        let channel = channel_name(&room.name);
        self.more_than.is_none_or(|count| room.occupants > count)
            && self.fewer_than.is_none_or(|count| room.occupants < count)
            && self.created.takes(room.created_ms, wall_ms)
            && self.topic.takes(room.topic_ms, wall_ms)
            && !self.not.iter().any(|mask| glob::matches(mask, &channel))
            && (self.names.is_empty() || self.names.iter().any(|mask| glob::matches(mask, &channel)))
    }
}

/// Limits of an age in minutes.
#[derive(Clone, Copy, Debug, Default)]
struct Age {
    less_than: Option<u64>,
    more_than: Option<u64>,
}

impl Age {
    /// `<minutes` or `>minutes`.
    fn parse(text: &str) -> Option<Self> {
        match (text.strip_prefix('<'), text.strip_prefix('>')) {
            (Some(minutes), _) => Some(Self { less_than: Some(minutes.parse().ok()?), more_than: None }),
            (None, Some(minutes)) => Some(Self { less_than: None, more_than: Some(minutes.parse().ok()?) }),
            (None, None) => None,
        }
    }

    /// Whether what came to be then has such an age; what never did has none.
    fn takes(self, at_ms: Option<u64>, wall_ms: u64) -> bool {
        if self.less_than.is_none() && self.more_than.is_none() {
            return true;
        }
        let Some(at_ms) = at_ms else { return false };
        let age_ms = wall_ms.saturating_sub(at_ms);
        let ms = |minutes: u64| minutes.saturating_mul(60_000);
        self.less_than.is_none_or(|minutes| age_ms < ms(minutes))
            && self.more_than.is_none_or(|minutes| age_ms > ms(minutes))
    }
}

/// LIST.
pub(super) fn list(session: &mut Session, _now: Now, message: &Message<'_>) {
    // Channels, conditions, or both, each a list (modern.ircdocs.horse, LIST).
    let filter = Filter::parse(&message.params().join(","));
    session.ask(Command::ListRooms, move |session, now, answer| on_rooms(session, now, &filter, answer));
}

fn on_rooms(session: &mut Session, now: Now, filter: &Filter, answer: Answer) {
    session.numeric(RPL_LISTSTART, &["Channel"], "Users  Name");
    if let Ok(Reply::Rooms(rooms)) = answer {
        for room in rooms.iter().filter(|room| filter.takes(room, now.wall_ms)) {
            let count = room.occupants.to_string();
            session.numeric(RPL_LIST, &[&channel_name(&room.name), &count], &room.topic);
        }
    }
    session.numeric(RPL_LISTEND, &[], "End of /LIST");
}
