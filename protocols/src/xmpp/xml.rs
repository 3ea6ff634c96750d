//! The XML that XMPP allows, read piece by piece: a stream header, then whole stanzas, then the end of the stream.
//!
//! Drive it: [`Parser::push`] bytes in any chunking, take [`Parser::next`] until `None`. What comes out does not depend on the
//! chunking. After an error nothing more comes out.
//!
//! RFC 6120 section 11: UTF-8 only, no comments, processing instructions, DTD, or entities other than the five. Everything is bounded; a stanza
//! that breaks a bound is an error of the stream. Knows nothing of what stanzas mean.

use super::element::{Attr, Element, Node, is_xml_char};
use super::ns;
use super::tag::{Tag, decode, parse_tag};

/// Deepest nesting, the stream itself counted: real stanzas stay under ten.
const DEPTH_MAX: usize = 32;
/// Attributes of one element, namespace declarations among them.
const ATTRIBUTES_MAX: usize = 64;
/// Namespace declarations of one element.
const NAMESPACE_DECLARATIONS_MAX: usize = 16;
/// Longest namespace name: each element keeps its own copy, so long ones would multiply.
const NAMESPACE_BYTES_MAX: usize = 256;

const CDATA_OPEN: &[u8] = b"<![CDATA[";
const CDATA_CLOSE: &[u8] = b"]]>";
const DECLARATION_OPEN: &[u8] = b"<?xml";
const DECLARATION_CLOSE: &[u8] = b"?>";

/// How large a stanza may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of a stanza or a stream header.
    pub(crate) stanza_bytes: usize,
    /// Elements of a stanza.
    pub(crate) elements: usize,
}

/// Before anybody has logged in: enough for SASL and registration.
pub(crate) const LIMITS_BEFORE_LOGIN: Limits = Limits { stanza_bytes: 8 * 1024, elements: 64 };
/// After log-in: RFC 6120 section 13.12 asks for at least 10,000 bytes; OMEMO messages to many devices need several times that.
pub(crate) const LIMITS: Limits = Limits { stanza_bytes: 64 * 1024, elements: 512 };

/// Why the bytes are no XMPP stream. Each is a stream error of the same name (RFC 6120 section 4.9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum XmlError {
    #[error("not well-formed")]
    NotWellFormed,
    #[error("restricted XML")]
    Restricted,
    #[error("a namespace prefix is not declared")]
    BadNamespacePrefix,
    #[error("only UTF-8 is taken")]
    UnsupportedEncoding,
    #[error("{0}")]
    Policy(&'static str),
}

/// What came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// The stream's root element, without children, and the default namespace it declares.
    Open(Element, String),
    /// A whole child of the root.
    Stanza(Element),
    /// The root element is closed.
    Close,
}

/// One direction of one stream.
#[derive(Debug)]
pub(crate) struct Parser {
    limits: Limits,
    buffer: Vec<u8>,
    /// Everything before it is done with.
    start: usize,
    /// Up to here the end of the token at `start` has been looked for.
    scanned: usize,
    /// The quote that is open at `scanned`.
    quote: Option<u8>,
    /// Nothing of this stream has been read yet: an XML declaration may come.
    pristine: bool,
    /// The root's name as written, once it is open.
    root: Option<String>,
    /// Elements that are open below the root.
    open: Vec<Open>,
    /// Declared prefixes, innermost last; the empty one is the default.
    scopes: Vec<(String, String)>,
    stanza_bytes: usize,
    stanza_elements: usize,
    ended: bool,
}

#[derive(Debug)]
struct Open {
    element: Element,
    name: String,
    scopes: usize,
}

impl Parser {
    /// A parser at the beginning of a stream.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            quote: None,
            pristine: true,
            root: None,
            open: Vec::new(),
            scopes: Vec::new(),
            stanza_bytes: 0,
            stanza_elements: 0,
            ended: false,
        }
    }

    /// A parser for what stands for itself: elements without a stream around them.
    pub(crate) fn inside(limits: Limits) -> Self {
        // No tag has an empty name, so nothing closes it.
        Self { root: Some(String::new()), ..Self::new(limits) }
    }

    /// Whether an element has begun and not ended.
    pub(crate) fn is_within(&self) -> bool {
        !self.open.is_empty()
    }

    /// A new stream begins with the next byte that has not been read (RFC 6120 section 4.3.3).
    pub(crate) fn restart(&mut self, limits: Limits) {
        let rest = self.buffer.split_off(self.start.min(self.buffer.len()));
        *self = Self::new(limits);
        self.buffer = rest;
    }

    /// From here on stanzas may be larger.
    pub(crate) fn relax(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// More bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if !self.ended {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// How many bytes wait to be read.
    pub(crate) fn unread(&self) -> usize {
        self.buffer.len().saturating_sub(self.start)
    }

    /// The next token, `None` when more bytes are needed.
    pub(crate) fn next(&mut self) -> Option<Result<Token, XmlError>> {
        while !self.ended {
            match self.step() {
                Ok(Step::Nothing) => {}
                Ok(Step::Starved) => break,
                Ok(Step::Token(token)) => {
                    self.ended = matches!(token, Token::Close);
                    return Some(Ok(token));
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        self.buffer.drain(..self.start.min(self.buffer.len()));
        self.scanned = self.scanned.saturating_sub(self.start);
        self.start = 0;
        if self.buffer.is_empty() {
            // An idle connection holds no buffer.
            self.buffer = Vec::new();
        }
        None
    }

    fn step(&mut self) -> Result<Step, XmlError> {
        let rest = self.rest();
        match (rest.first(), rest.get(1)) {
            (None, _) => Ok(Step::Starved),
            (Some(b'<'), None) => Ok(Step::Starved),
            (Some(b'<'), Some(b'?')) => self.on_declaration(),
            (Some(b'<'), Some(b'!')) => self.on_cdata(),
            (Some(b'<'), Some(b'/')) => self.on_close_tag(),
            (Some(b'<'), Some(_)) => self.on_open_tag(),
            (Some(_), _) if self.open.is_empty() => self.on_space(),
            (Some(_), _) => self.on_text(),
        }
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Between stanzas there is only whitespace, which keeps connections alive (RFC 6120 section 4.6.1).
    fn on_space(&mut self) -> Result<Step, XmlError> {
        let space = self.rest().iter().take_while(|byte| is_space(**byte)).count();
        if space == 0 {
            return Err(XmlError::NotWellFormed);
        }
        // An XML declaration comes first or not at all.
        self.pristine = false;
        self.start += space;
        self.scanned = self.start;
        Ok(Step::Nothing)
    }

    fn on_text(&mut self) -> Result<Step, XmlError> {
        let from = self.scanned.max(self.start);
        let Some(end) = self.find(from, b"<") else { return self.starve(self.buffer.len()) };
        let bytes = self.take(end)?;
        let text = text_of(&bytes)?;
        if text.contains("]]>") {
            return Err(XmlError::NotWellFormed);
        }
        self.add_text(decode(&text).ok_or(XmlError::NotWellFormed)?);
        Ok(Step::Nothing)
    }

    fn on_cdata(&mut self) -> Result<Step, XmlError> {
        let rest = self.rest();
        let known = rest.len().min(CDATA_OPEN.len());
        if self.open.is_empty() || rest.get(..known) != CDATA_OPEN.get(..known) {
            return Err(XmlError::Restricted);
        }
        let body = self.start + CDATA_OPEN.len();
        let from = self.scanned.saturating_sub(CDATA_CLOSE.len() - 1).max(body);
        let Some(end) = self.find(from, CDATA_CLOSE) else { return self.starve(self.buffer.len()) };
        let bytes = self.take(end + CDATA_CLOSE.len())?;
        let bytes = bytes.get(CDATA_OPEN.len()..bytes.len().saturating_sub(CDATA_CLOSE.len())).unwrap_or_default();
        let text = text_of(bytes)?;
        self.add_text(text);
        Ok(Step::Nothing)
    }

    fn on_declaration(&mut self) -> Result<Step, XmlError> {
        let rest = self.rest();
        let known = rest.len().min(DECLARATION_OPEN.len());
        if !self.pristine || rest.get(..known) != DECLARATION_OPEN.get(..known) {
            return Err(XmlError::Restricted);
        }
        let Some(after) = rest.get(DECLARATION_OPEN.len()) else { return Ok(Step::Starved) };
        if !is_space(*after) {
            return Err(XmlError::Restricted);
        }
        let from = self.scanned.saturating_sub(1).max(self.start);
        let Some(end) = self.find(from, DECLARATION_CLOSE) else { return self.starve(self.buffer.len()) };
        let bytes = self.take(end + DECLARATION_CLOSE.len())?;
        self.pristine = false;
        let text = text_of(&bytes)?;
        let inner = text.trim_start_matches("<?").trim_end_matches("?>");
        let tag = parse_tag(inner).ok_or(XmlError::NotWellFormed)?;
        let encoding = tag.attrs.iter().find(|(name, _)| name == "encoding");
        if encoding.is_some_and(|(_, encoding)| !encoding.eq_ignore_ascii_case("utf-8")) {
            return Err(XmlError::UnsupportedEncoding);
        }
        if tag.attrs.first().is_none_or(|(name, version)| name != "version" || !version.starts_with("1.")) {
            return Err(XmlError::NotWellFormed);
        }
        Ok(Step::Nothing)
    }

    fn on_open_tag(&mut self) -> Result<Step, XmlError> {
        let mut quote = self.quote;
        let from = self.scanned.max(self.start);
        let tail = self.buffer.get(from..).unwrap_or_default();
        let end = tail.iter().position(|byte| match (quote, *byte) {
            (None, b'>') => true,
            (None, b'"' | b'\'') => {
                quote = Some(*byte);
                false
            }
            (Some(open), close) => {
                if open == close {
                    quote = None;
                }
                false
            }
            (None, _) => false,
        });
        self.quote = quote;
        let Some(end) = end else { return self.starve(self.buffer.len()) };
        let bytes = self.take(from + end + 1)?;
        self.pristine = false;
        let text = text_of(&bytes)?;
        let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or_default();
        let tag = parse_tag(inner).ok_or(XmlError::NotWellFormed)?;
        self.enter(tag)
    }

    fn enter(&mut self, tag: Tag) -> Result<Step, XmlError> {
        let depth = usize::from(self.root.is_some()) + self.open.len() + 1;
        if depth > DEPTH_MAX {
            return Err(XmlError::Policy("elements are nested too deeply"));
        }
        if self.root.is_some() {
            self.stanza_elements += 1;
            if self.stanza_elements > self.limits.elements {
                return Err(XmlError::Policy("the stanza has too many elements"));
            }
        }
        let scopes = self.scopes.len();
        let element = self.resolve(&tag)?;
        if self.root.is_none() {
            let default = self.lookup("").unwrap_or_default().to_owned();
            self.root = Some(tag.name);
            self.stanza_bytes = 0;
            return Ok(Step::Token(Token::Open(element, default)));
        }
        self.open.push(Open { element, name: tag.name, scopes });
        if tag.empty { Ok(self.leave()) } else { Ok(Step::Nothing) }
    }

    fn on_close_tag(&mut self) -> Result<Step, XmlError> {
        let from = self.scanned.max(self.start);
        let Some(end) = self.find(from, b">") else { return self.starve(self.buffer.len()) };
        let bytes = self.take(end + 1)?;
        let text = text_of(&bytes)?;
        let inner = text.strip_prefix("</").and_then(|text| text.strip_suffix('>')).unwrap_or_default();
        let name = inner.trim_end_matches([' ', '\t', '\r', '\n']);
        match self.open.last() {
            Some(open) if open.name == name => Ok(self.leave()),
            None if !name.is_empty() && self.root.as_deref() == Some(name) => Ok(Step::Token(Token::Close)),
            Some(_) | None => Err(XmlError::NotWellFormed),
        }
    }

    /// Closes the innermost element: it goes into its parent, or is a whole stanza.
    fn leave(&mut self) -> Step {
        let Some(Open { element, scopes, .. }) = self.open.pop() else { return Step::Nothing };
        self.scopes.truncate(scopes);
        if let Some(parent) = self.open.last_mut() {
            parent.element.children.push(Node::Element(element));
            return Step::Nothing;
        }
        self.stanza_bytes = 0;
        self.stanza_elements = 0;
        Step::Token(Token::Stanza(element))
    }

    fn add_text(&mut self, text: String) {
        let Some(open) = self.open.last_mut() else { return };
        if let Some(Node::Text(before)) = open.element.children.last_mut() {
            before.push_str(&text);
        } else if !text.is_empty() {
            open.element.children.push(Node::Text(text));
        }
    }

    /// Names of element and attributes with their namespaces (Namespaces in XML 1.0).
    fn resolve(&mut self, tag: &Tag) -> Result<Element, XmlError> {
        if tag.attrs.len() > ATTRIBUTES_MAX {
            return Err(XmlError::Policy("an element has too many attributes"));
        }
        self.declare(tag)?;
        let (prefix, name) = split(&tag.name);
        let ns = if prefix.is_empty() {
            self.lookup("").unwrap_or_default()
        } else {
            self.lookup(prefix).ok_or(XmlError::BadNamespacePrefix)?
        };
        let mut element = Element::new(name, ns);
        for (name, value) in &tag.attrs {
            let (prefix, name) = split(name);
            if prefix == "xmlns" || (prefix.is_empty() && name == "xmlns") {
                continue;
            }
            let ns = if prefix.is_empty() { "" } else { self.lookup(prefix).ok_or(XmlError::BadNamespacePrefix)? };
            if element.attrs.iter().any(|attr| attr.name == name && attr.ns == ns) {
                return Err(XmlError::NotWellFormed);
            }
            element.attrs.push(Attr { ns: ns.to_owned(), name: name.to_owned(), value: value.clone() });
        }
        Ok(element)
    }

    fn declare(&mut self, tag: &Tag) -> Result<(), XmlError> {
        let mut declared = Vec::new();
        for (name, value) in &tag.attrs {
            let prefix = match split(name) {
                ("", "xmlns") => "",
                ("xmlns", prefix) => prefix,
                _ => continue,
            };
            let reserved = value == ns::XMLNS || (value == ns::XML) != (prefix == "xml") || prefix == "xmlns";
            let undeclared = value.is_empty() && !prefix.is_empty();
            if reserved || undeclared || declared.contains(&prefix) {
                return Err(XmlError::NotWellFormed);
            }
            if value.len() > NAMESPACE_BYTES_MAX {
                return Err(XmlError::Policy("a namespace name is too long"));
            }
            declared.push(prefix);
            if declared.len() > NAMESPACE_DECLARATIONS_MAX {
                return Err(XmlError::Policy("an element declares too many namespaces"));
            }
            self.scopes.push((prefix.to_owned(), value.clone()));
        }
        Ok(())
    }

    fn lookup(&self, prefix: &str) -> Option<&str> {
        if prefix == "xml" {
            return Some(ns::XML);
        }
        self.scopes.iter().rev().find(|(known, _)| known == prefix).map(|(_, ns)| ns.as_str())
    }

    fn find(&self, from: usize, needle: &[u8]) -> Option<usize> {
        let tail = self.buffer.get(from..)?;
        tail.windows(needle.len()).position(|window| window == needle).map(|at| from + at)
    }

    /// The token at `start` has no end up to `scanned`: waits for more, unless what is there is too much already.
    fn starve(&mut self, scanned: usize) -> Result<Step, XmlError> {
        self.scanned = scanned;
        self.check_size(scanned.saturating_sub(self.start))?;
        Ok(Step::Starved)
    }

    /// The token's bytes, up to `end`.
    fn take(&mut self, end: usize) -> Result<Vec<u8>, XmlError> {
        self.check_size(end.saturating_sub(self.start))?;
        let bytes = self.buffer.get(self.start..end).unwrap_or_default().to_vec();
        self.stanza_bytes += bytes.len();
        self.start = end;
        self.scanned = end;
        self.quote = None;
        Ok(bytes)
    }

    fn check_size(&self, more: usize) -> Result<(), XmlError> {
        if self.stanza_bytes + more > self.limits.stanza_bytes {
            return Err(XmlError::Policy("the stanza is too large"));
        }
        Ok(())
    }
}

enum Step {
    Nothing,
    Starved,
    Token(Token),
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn split(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or(("", name))
}

/// Characters with line ends as XML 1.0 section 2.11 has them.
fn text_of(bytes: &[u8]) -> Result<String, XmlError> {
    let text = std::str::from_utf8(bytes).map_err(|_| XmlError::NotWellFormed)?;
    if !text.chars().all(is_xml_char) {
        return Err(XmlError::NotWellFormed);
    }
    if text.contains('\r') {
        return Ok(text.replace("\r\n", "\n").replace('\r', "\n"));
    }
    Ok(text.to_owned())
}

/// One element that stands for itself, as [`Element::to_standalone`] writes it; `None` when it is not one or breaks a bound.
pub(crate) fn parse_standalone(text: &str) -> Option<Element> {
    parse_below("<r>", text)
}

/// An element as [`Element::to_stanza`] writes it.
pub(crate) fn parse_stanza(text: &str) -> Option<Element> {
    parse_below(&format!("<r xmlns='{}'>", ns::CLIENT), text)
}

fn parse_below(root: &str, text: &str) -> Option<Element> {
    let mut parser = Parser::new(LIMITS);
    parser.push(root.as_bytes());
    parser.push(text.as_bytes());
    parser.push(b"</r>");
    let Some(Ok(Token::Open(..))) = parser.next() else { return None };
    let Some(Ok(Token::Stanza(element))) = parser.next() else { return None };
    matches!(parser.next(), Some(Ok(Token::Close))).then_some(element)
}

#[cfg(test)]
mod tests;
