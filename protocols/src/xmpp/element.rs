//! A tree of XML elements with resolved namespaces, how to build one and how to write it.
//!
//! Prefixes are not kept: an element knows its namespace, and is written with a default namespace declaration where that differs
//! from its parent's. Text is written with what XML cannot hold taken out, so no content can break a stream.

use super::ns;

/// What most stanzas fit into when they are written.
const STANZA_BYTES: usize = 512;

/// One element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Local name.
    pub(crate) name: String,
    /// Namespace; empty for none.
    pub(crate) ns: String,
    /// Attributes in the order written.
    pub(crate) attrs: Vec<Attr>,
    /// Children in document order.
    pub(crate) children: Vec<Node>,
}

/// One attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attr {
    /// Namespace; empty for an attribute without prefix.
    pub(crate) ns: String,
    /// Local name.
    pub(crate) name: String,
    /// Value, unescaped.
    pub(crate) value: String,
}

/// One child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// An element.
    Element(Element),
    /// Character data, unescaped.
    Text(String),
}

impl Element {
    /// An element with nothing in it.
    pub(crate) fn new(name: &str, ns: &str) -> Self {
        Self { name: name.to_owned(), ns: ns.to_owned(), attrs: Vec::new(), children: Vec::new() }
    }

    /// With an attribute.
    pub(crate) fn attr(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set_attr(name, value);
        self
    }

    /// With an attribute where there is a value.
    pub(crate) fn maybe_attr(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.attr(name, value),
            None => self,
        }
    }

    /// With a child.
    pub(crate) fn child(mut self, child: Self) -> Self {
        self.children.push(Node::Element(child));
        self
    }

    /// With a child where there is one.
    pub(crate) fn maybe_child(self, child: Option<Self>) -> Self {
        match child {
            Some(child) => self.child(child),
            None => self,
        }
    }

    /// With children.
    pub(crate) fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children.into_iter().map(Node::Element));
        self
    }

    /// With text; none at all where the text is empty.
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.children.push(Node::Text(text));
        }
        self
    }

    /// With a child in the same namespace that holds text.
    pub(crate) fn text_child(self, name: &str, text: impl Into<String>) -> Self {
        let child = Self::new(name, &self.ns).text(text);
        self.child(child)
    }

    /// Sets an attribute without namespace, in its old place where it has one.
    pub(crate) fn set_attr(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.attrs.iter_mut().find(|attr| attr.ns.is_empty() && attr.name == name) {
            Some(attr) => attr.value = value,
            None => self.attrs.push(Attr { ns: String::new(), name: name.to_owned(), value }),
        }
    }

    /// Takes an attribute away.
    pub(crate) fn remove_attr(&mut self, name: &str) {
        self.attrs.retain(|attr| !(attr.ns.is_empty() && attr.name == name));
    }

    /// An attribute's value.
    pub(crate) fn get_attr(&self, name: &str) -> Option<&str> {
        self.attrs.iter().find(|attr| attr.ns.is_empty() && attr.name == name).map(|attr| attr.value.as_str())
    }

    /// Whether it has this name and namespace.
    pub(crate) fn is(&self, name: &str, ns: &str) -> bool {
        self.name == name && self.ns == ns
    }

    /// The child elements.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first child of this name and namespace.
    pub(crate) fn get(&self, name: &str, ns: &str) -> Option<&Self> {
        self.elements().find(|child| child.is(name, ns))
    }

    /// Its character data, without that of child elements.
    pub(crate) fn content(&self) -> String {
        let mut text = String::new();
        for node in &self.children {
            if let Node::Text(part) = node {
                text.push_str(part);
            }
        }
        text
    }

    /// The text of the first child of this name in the element's own namespace.
    pub(crate) fn child_text(&self, name: &str) -> Option<String> {
        self.get(name, &self.ns).map(Self::content)
    }

    /// Written so that it stands for itself: with its namespace declared.
    pub(crate) fn to_standalone(&self) -> String {
        let mut out = String::with_capacity(STANZA_BYTES);
        self.write(&mut out, "");
        out
    }

    /// Written as a child of the stream, whose default namespace is `jabber:client`.
    pub(crate) fn to_stanza(&self) -> String {
        let mut out = String::with_capacity(STANZA_BYTES);
        self.write(&mut out, ns::CLIENT);
        out
    }

    /// What follows `<name` when written as a child of the stream: shared by all who get the stanza with attributes of their own before it.
    pub(crate) fn to_stanza_tail(&self) -> String {
        let mut out = String::with_capacity(STANZA_BYTES);
        self.write_tail(&mut out, ns::CLIENT);
        out
    }

    fn write(&self, out: &mut String, parent_ns: &str) {
        out.push('<');
        out.push_str(&self.name);
        self.write_tail(out, parent_ns);
    }

    fn write_tail(&self, out: &mut String, parent_ns: &str) {
        if self.ns != parent_ns {
            write_attr(out, "xmlns", &self.ns);
        }
        for (index, attr) in self.attrs.iter().enumerate() {
            if attr.ns.is_empty() {
                write_attr(out, &attr.name, &attr.value);
            } else if attr.ns == ns::XML {
                write_attr(out, &format!("xml:{}", attr.name), &attr.value);
            } else {
                write_attr(out, &format!("xmlns:a{index}"), &attr.ns);
                write_attr(out, &format!("a{index}:{}", attr.name), &attr.value);
            }
        }
        if self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for node in &self.children {
            match node {
                Node::Element(child) => child.write(out, &self.ns),
                Node::Text(text) => escape(out, text, false),
            }
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

/// ` name='value'`.
pub(crate) fn write_attr(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("='");
    escape(out, value, true);
    out.push('\'');
}

/// Whether XML 1.0 can hold the character (section 2.2, production `Char`).
pub(crate) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// What stands for a character in XML; nothing for what XML cannot hold; `None` for the character itself.
fn escaped(c: char, in_attribute: bool) -> Option<&'static str> {
    match c {
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '&' => Some("&amp;"),
        '\'' => Some("&apos;"),
        '"' => Some("&quot;"),
        // A bare carriage return would be read back as a line feed.
        '\r' => Some("&#13;"),
        // And in an attribute these would be read back as spaces.
        '\n' if in_attribute => Some("&#10;"),
        '\t' if in_attribute => Some("&#9;"),
        c if is_xml_char(c) => None,
        _ => Some(""),
    }
}

/// Appends a text; what needs no escape, mostly all, is copied as a whole.
fn escape(out: &mut String, text: &str, in_attribute: bool) {
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        if let Some(other) = escaped(c, in_attribute) {
            out.push_str(text.get(plain..at).unwrap_or_default());
            out.push_str(other);
            plain = at + c.len_utf8();
        }
    }
    out.push_str(text.get(plain..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_declared_where_they_change() {
        let element = Element::new("message", ns::CLIENT)
            .attr("id", "a'b")
            .child(Element::new("body", ns::CLIENT).text("1 < 2 & \u{2}3"))
            .child(Element::new("x", ns::MUC_USER).child(Element::new("item", ns::MUC_USER)));
        let written = element.to_stanza();
        assert_eq!(
            written,
            "<message id='a&apos;b'><body>1 &lt; 2 &amp; 3</body>\
             <x xmlns='http://jabber.org/protocol/muc#user'><item/></x></message>"
        );
        assert_eq!(format!("<message{}", element.to_stanza_tail()), written);
    }
}
