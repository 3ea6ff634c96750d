//! A component's stream (XEP-0114 section 3).

use super::super::super::element::Element;
use super::super::super::error::StreamError;
use super::super::super::ns;
use super::{Did, LIMITS, Pair, Phase, Stream};

impl Stream {
    pub(super) fn on_element_of_component(&mut self, element: Element) {
        let Some(pair) = self.header.clone() else { return };
        if self.phase == Phase::Open {
            if element.ns == ns::COMPONENT {
                self.on_stanza(element)
            } else {
                self.fail(StreamError::new("invalid-xml"))
            }
            return;
        }
        if !element.is("handshake", ns::COMPONENT) {
            return self.fail(StreamError::new("not-authorized"));
        }
        if !self.federation.is_component(&pair.own, &self.stream_id, &element.content()) {
            return self.fail(StreamError::new("not-authorized"));
        }
        self.send("<handshake/>");
        self.parser.relax(LIMITS);
        self.phase = Phase::Open;
        let domain = Pair { own: self.federation.session.domain.clone(), remote: pair.own };
        self.outputs.push_back(Did::Ready(domain.clone()));
        self.outputs.push_back(Did::Proven(domain));
    }
}
