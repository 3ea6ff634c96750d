//! Message carbons (XEP-0280): an account's clients each see all of its conversations.

use super::client::Client;
use super::delay;
use super::element::Element;
use super::error::StanzaError;
use super::iq::Request;
use super::link::Link;
use super::ns;

/// Which way the copied message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To another resource of the account.
    Received,
    /// From another resource of the account.
    Sent,
}

/// `<enable/>` or `<disable/>`.
pub(crate) fn on_switch(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    if !request.set {
        return Err(StanzaError::BAD_REQUEST);
    }
    client.carbons = request.payload.name == "enable";
    link.reply(&request.asked.result(None));
    Ok(())
}

/// The copy: `message` is as the other resource sent or got it, with `from` and `to`.
pub(crate) fn wrap(bare: &str, way: Way, message: Element) -> Element {
    let name = match way {
        Way::Received => "received",
        Way::Sent => "sent",
    };
    let kind = message.get_attr("type").unwrap_or("chat").to_owned();
    let copy = Element::new(name, ns::CARBONS).child(delay::forwarded(None, message));
    Element::new("message", ns::CLIENT).attr("from", bare).attr("type", kind).child(copy)
}

/// Whether its sender wants no copies made (section 5).
pub(crate) fn is_private(payloads: &[Element]) -> bool {
    payloads.iter().any(|payload| payload.is("private", ns::CARBONS))
}
