//! Entity time (XEP-0202).

use super::client::Client;
use super::datetime;
use super::element::Element;
use super::error::StanzaError;
use super::iq::Request;
use super::link::Link;
use super::ns;

/// The node's clock, in UTC.
pub(crate) fn on_time(_: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    if request.set {
        return Err(StanzaError::BAD_REQUEST);
    }
    let time = Element::new("time", ns::TIME)
        .text_child("tzo", "+00:00")
        .text_child("utc", datetime::format(link.now.wall_ms));
    link.reply(&request.asked.result(Some(time)));
    Ok(())
}
