//! The element around everything in a request and an answer (XEP-0124 section 4).

use super::super::element::{Attr, Element};
use super::super::ns;

/// One request.
#[derive(Debug)]
pub(super) struct Body(Element);

/// An answer with nothing in it.
pub(super) fn element() -> Element {
    Element::new("body", ns::BOSH)
}

/// With an attribute of XEP-0206.
pub(super) fn with_xmpp(mut element: Element, name: &str, value: &str) -> Element {
    element.attrs.push(Attr { ns: ns::XBOSH.to_owned(), name: name.to_owned(), value: value.to_owned() });
    element
}

impl Body {
    /// From the bytes of a request; else the condition that ends the session (section 17.2).
    pub(super) fn parse(request: &[u8]) -> Result<Self, &'static str> {
        let body = super::parse(request).filter(|body| body.is("body", ns::BOSH));
        body.map(Self).ok_or("bad-request")
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get_attr(name)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// Its number, where it is one that a session can go on from.
    pub(super) fn rid(&self) -> Option<u64> {
        self.number("rid").filter(|rid| (1..super::RID_MAX).contains(rid))
    }

    pub(super) fn lang(&self) -> Option<&str> {
        self.of_namespace(ns::XML, "lang")
    }

    /// Whether the stream is to begin anew (XEP-0206 section 5).
    pub(super) fn restarts(&self) -> bool {
        self.of_namespace(ns::XBOSH, "restart") == Some("true")
    }

    pub(super) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.0.elements()
    }

    /// Whether it asks for nothing but to be answered.
    pub(super) fn is_empty(&self) -> bool {
        let says = self.restarts() || self.get("type").is_some() || self.get("pause").is_some();
        !says && self.elements().next().is_none()
    }

    fn of_namespace(&self, ns: &str, name: &str) -> Option<&str> {
        let attr = self.0.attrs.iter().find(|attr| attr.ns == ns && attr.name == name)?;
        Some(attr.value.as_str())
    }
}
