//! Stream management (XEP-0198): acknowledgements, without resumption.
//!
//! **Invariant:** a stanza is acknowledged when what it asked for has been done, so never before a message is durable.

use super::element::Element;
use super::error::StreamError;
use super::link::Link;
use super::ns;

/// An element of the protocol.
pub(crate) fn on_element(link: &mut Link, element: &Element) -> Result<(), StreamError> {
    match element.name.as_str() {
        "enable" if link.is_counting() => link.reply_nonza(&failed("unexpected-request")),
        "enable" => {
            link.reply_nonza(&Element::new("enabled", ns::SM));
            link.count_handled();
        }
        "resume" => link.reply_nonza(&failed("item-not-found")),
        "r" => link.request_acknowledgement(),
        // Nothing is sent again, so nobody counts what has arrived.
        "a" => {}
        _ => return Err(StreamError::new("unsupported-stanza-type")),
    }
    Ok(())
}

fn failed(condition: &str) -> Element {
    Element::new("failed", ns::SM).child(Element::new(condition, ns::STANZA_ERRORS))
}
