//! Leaving a room (XEP-0045 section 7.14).

use super::occupant;
use crate::command::Command;
use crate::xmpp::client::Client;
use crate::xmpp::element::Element;
use crate::xmpp::link::Link;
use crate::xmpp::ns;
use crate::xmpp::pending::Awaited;
use crate::xmpp::sid;
use lavina_crdt::names::RoomName;

/// Unavailable presence to a room or to a nick in it.
pub(crate) fn on_unavailable(_: &Client, link: &mut Link, room: RoomName, stanza: &Element) {
    let reason = stanza.child_text("status").unwrap_or_default();
    link.ask_and_hold(Command::Part { room: room.clone(), reason }, Awaited::Part(room));
}

/// An error of the client to a room, or to somebody in it: who does not understand what a room says is no occupant (section 7.14).
pub(crate) fn on_error(client: &Client, link: &mut Link, room: RoomName, stanza: &Element) {
    if client.rooms.contains_key(&room) && is_end(stanza) {
        let reason = "The client takes nothing of the room".to_owned();
        link.ask_and_hold(Command::Part { room: room.clone(), reason }, Awaited::Part(room));
    }
}

/// Whether an error says that who it is from is not there any more (XEP-0045 section 7.14).
pub(crate) fn is_end(stanza: &Element) -> bool {
    const ENDS: [&str; 9] = [
        "gone",
        "internal-server-error",
        "item-not-found",
        "jid-malformed",
        "recipient-unavailable",
        "redirect",
        "remote-server-not-found",
        "remote-server-timeout",
        "service-unavailable",
    ];
    let error = stanza.get("error", ns::CLIENT);
    error.is_some_and(|error| error.elements().any(|condition| ENDS.contains(&condition.name.as_str())))
}

/// The client is out, if it was in: its own unavailable presence is the last it gets from the room.
pub(crate) fn on_left(client: &mut Client, link: &mut Link, room: &RoomName, status: &str) {
    let Some(place) = client.rooms.remove(room) else { return };
    let item = occupant::item(&link.domains, None, occupant::affiliation(place.rank), "none");
    let presence = occupant::gone(&link.domains, room, &place.nick, None, item, &[110]);
    let presence = presence.child(sid::occupant_id(room, &client.principal()));
    let presence = if status.is_empty() { presence } else { presence.text_child("status", status) };
    link.send(&presence);
}
