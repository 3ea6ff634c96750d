//! Pings (XEP-0199), also to one's own place in a room (XEP-0410).

use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::iq::Request;
use super::link::Link;
use super::ns;
use lavina_crdt::names::{Nick, RoomName};

/// A client's ping.
pub(crate) fn on_ping(_: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    if request.set {
        return Err(StanzaError::BAD_REQUEST);
    }
    link.reply(&request.asked.result(None));
    Ok(())
}

/// Asks a silent client whether it is there; any answer is one.
pub(crate) fn ask(link: &mut Link) {
    let id = link.token();
    let iq = Element::new("iq", ns::CLIENT)
        .attr("from", link.domains.server.as_str())
        .attr("id", id)
        .attr("type", "get")
        .child(Element::new("ping", ns::PING));
    link.send(&iq);
}

/// Whether a request is a ping.
pub(crate) fn is_ping(iq: &Element) -> bool {
    iq.get("ping", ns::PING).is_some()
}

/// Whether an occupant is the client itself.
pub(crate) fn is_self(client: &Client, room: &RoomName, nick: &Nick) -> bool {
    client.rooms.get(room).is_some_and(|place| place.nick.key() == nick.key())
}
