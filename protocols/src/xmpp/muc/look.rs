//! How a client shows itself in one room (XEP-0045 sections 7.2.2 and 7.7): presence that is sent to a room says it there alone, presence to everybody says
//! it in all rooms. Only what differs is kept, with the session's record, so that it is the same for the occupants of every node.

use crate::command::{Command, PresenceChange};
use crate::xmpp::client::Client;
use crate::xmpp::element::{Element, Node};
use crate::xmpp::link::Link;
use crate::xmpp::presence::{self, PAYLOADS_BYTES_MAX};
use crate::xmpp::xml::parse_standalone;
use crate::xmpp::{avatar, ns};
use lavina_crdt::looks;
use lavina_crdt::names::RoomName;
use lavina_crdt::presence::SessionRecord;

/// What a presence stanza shows of its sender.
fn of(client: &Client, stanza: &Element) -> Element {
    let mut look = avatar::in_presence(client, Element { attrs: Vec::new(), ..stanza.clone() });
    look.children.retain(is_shown);
    look
}

/// Whether a child of a presence says how its sender looks to occupants.
fn is_shown(node: &Node) -> bool {
    let Node::Element(child) = node else { return false };
    !presence::is_of_rooms(child) && !child.is("priority", ns::CLIENT)
}

/// The client enters a room: where it says nothing of itself with that, it is there as it is elsewhere.
pub(super) fn show_at_join(client: &mut Client, link: &mut Link, room: &RoomName, stanza: &Element) {
    if stanza.children.iter().any(is_shown) {
        show(client, link, room, stanza);
    } else if !client.account.is_remote() && client.looks.remove(room).is_some() {
        tell(client, link);
    }
}

/// The client says something of itself in a room. Somebody of another server has one way to look, which is the newest.
pub(super) fn show(client: &mut Client, link: &mut Link, room: &RoomName, stanza: &Element) {
    if client.account.is_remote() {
        return;
    }
    let look = of(client, stanza);
    let elsewhere =
        client.presence.as_ref().map_or_else(|| Element::new("presence", ns::CLIENT), |said| of(client, said));
    let old = client.looks.remove(room);
    let new = (look != elsewhere).then(|| look.to_standalone());
    if old == new {
        client.looks.extend(old.map(|old| (room.clone(), old)));
        return;
    }
    client.looks.retain(|other, _| client.rooms.contains_key(other));
    let bytes: usize = client.looks.values().map(String::len).sum();
    if let Some(new) = new.filter(|new| bytes + new.len() <= PAYLOADS_BYTES_MAX) {
        client.looks.insert(room.clone(), new);
    }
    tell(client, link);
}

fn tell(client: &Client, link: &mut Link) {
    let change = PresenceChange { payloads: Some(payloads(client)), ..PresenceChange::default() };
    client.tell(link, Command::SetPresence(change));
}

/// The payloads of the client's presence, for everywhere and for rooms.
pub(crate) fn payloads(client: &Client) -> Vec<String> {
    let said = client.presence.as_ref().map(|said| avatar::in_presence(client, said.clone()));
    let mut payloads = said.as_ref().map(presence::payloads_of).unwrap_or_default();
    payloads.extend(client.looks.iter().map(|(room, look)| looks::payload(room, look)));
    payloads
}

/// A presence stanza that says how a session looks in a room; without `from`.
pub(super) fn of_record(record: &SessionRecord, room: &RoomName) -> Element {
    let look = looks::look(&record.payloads, room).and_then(parse_standalone);
    match look.filter(|look| look.is("presence", ns::CLIENT)) {
        // It may come from any node.
        Some(mut look) => {
            look.attrs.clear();
            look.children.retain(is_shown);
            look
        }
        None => presence::of_record(record),
    }
}

/// Whether a change is of how a session looks in rooms, and of this one is none.
pub(super) fn is_of_other_rooms(old: &SessionRecord, new: &SessionRecord, room: &RoomName) -> bool {
    looks::differ(&old.payloads, &new.payloads)
        && old.account == new.account
        && of_record(old, room) == of_record(new, room)
}
