//! Delayed delivery (XEP-0203) and forwarding (XEP-0297).

use super::datetime;
use super::element::Element;
use super::ns;

/// `<delay/>`: said at this time, kept by this JID.
pub(crate) fn delay(from: &str, at_ms: u64) -> Element {
    Element::new("delay", ns::DELAY).attr("from", from).attr("stamp", datetime::format(at_ms))
}

/// A message inside another, with the time it was said at.
pub(crate) fn forwarded(at_ms: Option<u64>, message: Element) -> Element {
    let stamp = at_ms.map(|at_ms| Element::new("delay", ns::DELAY).attr("stamp", datetime::format(at_ms)));
    Element::new("forwarded", ns::FORWARD).maybe_child(stamp).child(message)
}
