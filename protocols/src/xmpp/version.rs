//! Software version (XEP-0092).

use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::iq::Request;
use super::link::Link;
use super::ns;

/// Which software this is; not on which system, which is nobody's business.
pub(crate) fn on_version(_: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    if request.set {
        return Err(StanzaError::BAD_REQUEST);
    }
    let query = Element::new("query", ns::VERSION)
        .text_child("name", "Lavina")
        .text_child("version", env!("CARGO_PKG_VERSION"));
    link.reply(&request.asked.result(Some(query)));
    Ok(())
}
