//! What the core tells a bound client, and who of the files beside shows it.

use super::client::Client;
use super::element::{Element, Node};
use super::link::Link;
use super::xml::parse_standalone;
use super::{avatar, blocking, message, muc, ns, offline, presence, pubsub, push, roster, sid, subscription};
use crate::event::{Conversation, Event, Person};
use crate::render::Renders;
use lavina_crdt::names::{AccountName, Nick, RoomName};
use std::sync::Arc;

impl Client {
    /// An event.
    pub(crate) fn on_event(&mut self, link: &mut Link, event: &Arc<Event>, renders: &mut Renders) {
        link.quiet.tell(event);
        self.show(link, event, renders);
        link.quiet.told();
    }

    fn show(&mut self, link: &mut Link, event: &Arc<Event>, renders: &mut Renders) {
        match event.as_ref() {
            Event::Said(said) => match &said.conversation {
                Conversation::Room(room) => {
                    self.on_room_event(link, room, event, 0, renders);
                    if !said.content.text.is_empty() {
                        push::wake(self, link, true);
                    }
                }
                Conversation::Direct { .. } => message::on_direct(self, link, said),
            },
            Event::Joined { room, .. }
            | Event::Left { room, .. }
            | Event::RoomChanged { room, .. }
            | Event::Unreachable { room, .. }
            | Event::Reachable { room, .. } => self.on_room_event(link, room, event, 0, renders),
            Event::Quit { places, .. } => {
                self.on_rooms_event(link, places.iter().map(|(room, _)| room), event, renders);
            }
            Event::NickChanged { rooms, .. } => {
                self.on_rooms_event(link, rooms.iter().map(|(room, _)| room), event, renders);
            }
            Event::PersonChanged { rooms, .. } => {
                self.on_rooms_event(link, rooms.iter().map(|(room, ..)| room), event, renders);
            }
            Event::Netsplit { rooms, .. } | Event::Netjoin { rooms, .. } => {
                self.on_rooms_event(link, rooms.iter(), event, renders);
            }
            Event::Knocked { room, by, text } => muc::invite::on_knocked(link, room, by, text),
            Event::Invited { room, by, reason, .. } => muc::invite::on_invited(link, room, by, reason),
            Event::RosterPush { item, removed, version } => roster::push(self, link, item, *removed, version),
            Event::Subscription(contact, step, request) => subscription::on_event(self, link, contact, *step, request),
            Event::ContactPresence { person, available } => presence::on_contact(self, link, person, *available),
            Event::Blocked { account, on } => blocking::push(self, link, account, *on),
            Event::Shown { account, register, parent } => {
                pubsub::on_shown(self, link, account, register, parent.as_deref());
                if *account == self.account {
                    avatar::on_shown(self, link, register, parent.as_deref());
                }
            }
            Event::Whisper { from, via, stanza } => on_whisper(self, link, from, via.as_ref(), stanza),
            Event::Waiting(first) => offline::on_waiting(self, link, *first),
            Event::Notice(text) => on_notice(link, text),
            // Each message from behind a cut carries its own delay. The session itself sees to the end of a session. A room's new name is told
            // with the end of the old one (XEP-0045 section 10.9).
            Event::Caught { .. }
            | Event::Renamed { .. }
            | Event::Closed { .. }
            | Event::Abandoned { .. }
            | Event::Abroad(..)
            | Event::Ended(_)
            | Event::Forwarded(_)
            | Event::Entered(_)
            | Event::Wallops { .. }
            | Event::Watched { .. }
            | Event::WatchedChanged { .. }
            | Event::Noted { .. }
            | Event::Marked { .. } => {}
        }
    }

    /// An event in several rooms, of which the client may be in some. Each room is shown once.
    fn on_rooms_event<'a>(
        &mut self,
        link: &mut Link,
        rooms: impl Iterator<Item = &'a RoomName>,
        event: &Arc<Event>,
        renders: &mut Renders,
    ) {
        let mut rooms: Vec<&RoomName> = rooms.collect();
        rooms.sort();
        rooms.dedup();
        for (index, room) in (0..).zip(rooms) {
            self.on_room_event(link, room, event, index, renders);
        }
    }
}

/// A stanza from somebody's client (IQ or directed presence). It comes from another session, maybe through another node, so it is read anew.
fn on_whisper(client: &Client, link: &mut Link, from: &Person, via: Option<&(RoomName, Nick)>, stanza: &[u8]) {
    let Some(mut stanza) = std::str::from_utf8(stanza).ok().and_then(parse_standalone) else { return };
    let kind = stanza.get_attr("type").unwrap_or_default();
    let is_remote = from.record.account.as_ref().is_some_and(AccountName::is_remote);
    let expected = match stanza.name.as_str() {
        "iq" => matches!(kind, "get" | "set" | "result" | "error"),
        "presence" => matches!(kind, "" | "unavailable") || (kind == "error" && is_remote),
        "message" => is_remote || matches!(kind, "error" | "groupchat") || muc::invite::is_word(&stanza),
        _ => false,
    };
    if stanza.ns != ns::CLIENT || !expected {
        return;
    }
    if stanza.name == "message" && muc::invite::is_word(&stanza) {
        let word = muc::invite::as_word(&link.domains, from, via, &stanza);
        if let Some(word) = &word {
            link.send(word);
        }
        // A room of another server says such words itself.
        if word.is_some() || !is_remote {
            return;
        }
    }
    if is_remote {
        let is_forged =
            |node: &Node| matches!(node, Node::Element(child) if sid::is_forged_abroad(&link.domains, child));
        stanza.children.retain(|node| !is_forged(node));
    }
    let sender = match via {
        Some((room, nick)) => link.domains.occupant(room, nick),
        None => link.domains.person(from),
    };
    stanza.set_attr("from", sender);
    if stanza.get_attr("to").is_some_and(|to| to.eq_ignore_ascii_case(&client.bare)) {
        link.send_unchanged(&stanza);
    } else {
        stanza.remove_attr("to");
        link.send(&stanza);
    }
}

fn on_notice(link: &mut Link, text: &str) {
    let message = Element::new("message", ns::CLIENT)
        .attr("from", link.domains.server.as_str())
        .attr("type", "headline")
        .text_child("body", text);
    link.send(&message);
}
