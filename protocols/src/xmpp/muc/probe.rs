//! Presence probes to rooms and their occupants (XEP-0045 section 17.3): who is inside is shown how an occupant is, or, of the room, that it is inside.

use super::{Waiting as MucWaiting, occupant};
use crate::command::{Command, Refusal, Reply};
use crate::xmpp::client::Client;
use crate::xmpp::error::StanzaError;
use crate::xmpp::link::Link;
use crate::xmpp::pending::{Asked, Awaited};
use lavina_crdt::names::{Nick, RoomName};

/// Who is asked about, in which room; the client itself where nobody is named.
#[derive(Debug)]
pub(crate) struct Waiting {
    asked: Asked,
    room: RoomName,
    nick: Option<Nick>,
}

/// A probe.
pub(crate) fn on_probe(client: &Client, link: &mut Link, asked: Asked, room: RoomName, nick: Option<Nick>) {
    if !client.rooms.contains_key(&room) {
        link.reply(&asked.error(StanzaError::NOT_OCCUPANT));
        return;
    }
    let waiting = Waiting { asked, room: room.clone(), nick };
    link.ask(Command::RoomInfo(room), Awaited::Muc(MucWaiting::Probe(waiting)));
}

/// The room as it is.
pub(super) fn on_answer(client: &Client, link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    let Waiting { asked, room, nick } = waiting;
    let (Some(place), Ok(Reply::Room(Some(view)))) = (client.rooms.get(&room), answer) else {
        link.send(&asked.error(StanzaError::NOT_OCCUPANT));
        return;
    };
    let key = nick.as_ref().unwrap_or(&place.nick).key();
    let Some(who) = view.occupants.iter().find(|who| who.nick.key() == key) else {
        link.send(&asked.error(StanzaError::ITEM_NOT_FOUND));
        return;
    };
    let is_own = key == place.nick.key();
    let (sight, codes): (_, &[u16]) = if is_own { (place.sight().own(), &[110]) } else { (place.sight(), &[]) };
    let presence = occupant::available(&link.domains, &room, who, sight, codes);
    link.send(&presence);
}
