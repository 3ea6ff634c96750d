//! In which language a message says to be (RFC 6120 section 8.1.5): a server neither changes nor deletes `xml:lang`. The text of a message is every
//! protocol's, so what its stanza and its body say of that travels beside it as a payload.

use super::element::{Attr, Element, Node};
use super::ns;

/// The namespace of the payload.
const OWN: &str = "urn:lavina:language";
/// Longest tag that is kept, in bytes: RFC 5646 section 4.4.1 has 35 for those that need no extensions.
const TAG_BYTES_MAX: usize = 64;

/// The payload that keeps the languages of a stanza and of its body, where these name any.
pub(super) fn kept(stanza: &Element, body: &Element) -> Option<String> {
    let kept = Element::new("said", OWN).maybe_attr("stanza", of(stanza)).maybe_attr("body", of(body));
    (!kept.attrs.is_empty()).then(|| kept.to_standalone())
}

fn of(element: &Element) -> Option<&str> {
    let named = element.attrs.iter().find(|attr| attr.ns == ns::XML && attr.name == "lang")?.value.as_str();
    is_tag(named).then_some(named)
}

fn is_tag(text: &str) -> bool {
    (1..=TAG_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Gives a message its languages back.
pub(super) fn restore(mut message: Element) -> Element {
    let is_kept = |node: &Node| matches!(node, Node::Element(child) if child.is("said", OWN));
    let Some(at) = message.children.iter().position(is_kept) else { return message };
    let Node::Element(kept) = message.children.remove(at) else { return message };
    message.children.retain(|node| !is_kept(node));
    name(&mut message, kept.get_attr("stanza"));
    let body = message.children.iter_mut().find_map(|node| match node {
        Node::Element(child) if child.is("body", ns::CLIENT) => Some(child),
        Node::Element(_) | Node::Text(_) => None,
    });
    if let Some(body) = body {
        name(body, kept.get_attr("body"));
    }
    message
}

fn name(element: &mut Element, tag: Option<&str>) {
    if let Some(tag) = tag.filter(|tag| is_tag(tag)) {
        element.attrs.push(Attr { ns: ns::XML.to_owned(), name: "lang".to_owned(), value: tag.to_owned() });
    }
}
