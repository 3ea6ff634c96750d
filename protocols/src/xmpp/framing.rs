//! XMPP over WebSocket (RFC 7395): one message is one whole element, and the stream's own tags are `<open/>` and `<close/>`.
//!
//! [`Reader`] gives the same tokens for messages as for the bytes of a stream, and [`Outgoing`] makes messages of the bytes that a stream would
//! carry, so that nothing else of a session knows which of the two its connection is. TLS is below WebSocket: STARTTLS is not on offer there
//! (section 3.9). Knows nothing of WebSocket's own frames.

use super::element::{Element, write_attr};
use super::ns;
use super::xml::{Limits, Parser, Token, XmlError};
use crate::session::Output;
use bytes::Bytes;
use std::collections::VecDeque;

/// What the client sends, whichever way it comes.
#[derive(Debug)]
pub(super) enum Reader {
    /// As the bytes of a stream.
    Stream(Parser),
    /// As messages.
    Messages(Messages),
}

/// Messages that wait to be read.
#[derive(Debug)]
pub(super) struct Messages {
    limits: Limits,
    waiting: VecDeque<Bytes>,
    bytes: usize,
    /// The stream's header has come.
    opened: bool,
    /// The stream is over: by its end or by an error.
    ended: bool,
}

impl Reader {
    /// At the beginning of a stream.
    pub(super) fn new(framed: bool, limits: Limits) -> Self {
        if framed {
            Self::Messages(Messages { limits, waiting: VecDeque::new(), bytes: 0, opened: false, ended: false })
        } else {
            Self::Stream(Parser::new(limits))
        }
    }

    /// See [`Parser::restart`].
    pub(super) fn restart(&mut self, limits: Limits) {
        match self {
            Self::Stream(parser) => parser.restart(limits),
            Self::Messages(messages) => {
                messages.limits = limits;
                messages.opened = false;
            }
        }
    }

    /// See [`Parser::relax`].
    pub(super) fn relax(&mut self, limits: Limits) {
        match self {
            Self::Stream(parser) => parser.relax(limits),
            Self::Messages(messages) => messages.limits = limits,
        }
    }

    /// More bytes, or one whole message.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Stream(parser) => parser.push(bytes),
            Self::Messages(messages) => messages.push(bytes),
        }
    }

    /// How many bytes wait to be read.
    pub(super) fn unread(&self) -> usize {
        match self {
            Self::Stream(parser) => parser.unread(),
            Self::Messages(messages) => messages.bytes,
        }
    }

    /// The next token, `None` when more is needed.
    pub(super) fn next(&mut self) -> Option<Result<Token, XmlError>> {
        match self {
            Self::Stream(parser) => parser.next(),
            Self::Messages(messages) => messages.next(),
        }
    }
}

impl Messages {
    fn push(&mut self, message: &[u8]) {
        if !self.ended {
            self.bytes += message.len();
            self.waiting.push_back(Bytes::copy_from_slice(message));
        }
    }

    fn next(&mut self) -> Option<Result<Token, XmlError>> {
        if self.ended {
            return None;
        }
        let Some(message) = self.waiting.pop_front() else {
            // An idle connection holds no queue.
            self.waiting = VecDeque::new();
            return None;
        };
        self.bytes -= message.len();
        let token = self.token(&message);
        self.ended = matches!(token, Err(_) | Ok(Token::Close));
        Some(token)
    }

    /// What a message says.
    fn token(&mut self, message: &[u8]) -> Result<Token, XmlError> {
        let element = element(message, self.limits)?;
        if element.is("close", ns::FRAMING) {
            return Ok(Token::Close);
        }
        if std::mem::replace(&mut self.opened, true) {
            return Ok(Token::Stanza(element));
        }
        // Section 3.4: the attributes are those of a stream header, and whatever else comes first is judged as one. What follows declares
        // its own namespace.
        let header = if element.is("open", ns::FRAMING) {
            Element { name: "stream".to_owned(), ns: ns::STREAM.to_owned(), ..element }
        } else {
            element
        };
        Ok(Token::Open(header, ns::CLIENT.to_owned()))
    }
}

/// The one element that a message is (section 3.3.3).
fn element(message: &[u8], limits: Limits) -> Result<Element, XmlError> {
    if message.first() != Some(&b'<') {
        return Err(XmlError::NotWellFormed);
    }
    let mut parser = Parser::inside(limits);
    parser.push(message);
    let Some(Token::Stanza(element)) = parser.next().transpose()? else { return Err(XmlError::NotWellFormed) };
    if parser.next().is_some() || parser.unread() > 0 || parser.is_within() {
        return Err(XmlError::NotWellFormed);
    }
    Ok(element)
}

/// What a session says, in messages.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    writer: Writer,
    ready: VecDeque<Bytes>,
}

impl Outgoing {
    /// The next output of a session whose outputs `next` gives.
    pub(super) fn poll(&mut self, mut next: impl FnMut() -> Option<Output>) -> Option<Output> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(Output::Send(message));
            }
            match next()? {
                Output::Send(bytes) => self.writer.push(&bytes, &mut self.ready),
                output @ (Output::Command(..)
                | Output::StartTls
                | Output::Relayed { .. }
                | Output::Close
                | Output::Keep(_)
                | Output::Forget(..)
                | Output::Resume(_)) => {
                    return Some(output);
                }
            }
        }
    }
}

/// Makes messages of what a stream would carry. It reads only what a session has written, in which `<` and `>` are nothing but the bounds of tags.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// What has come of the next message.
    pending: Vec<u8>,
    /// Up to here tags have been counted.
    counted: usize,
    /// Elements that are open.
    depth: usize,
}

impl Writer {
    /// Adds bytes; whole messages go to `messages`.
    pub(super) fn push(&mut self, bytes: &[u8], messages: &mut VecDeque<Bytes>) {
        self.pending.extend_from_slice(bytes);
        while let Some(end) = self.find_end() {
            let rest = self.pending.split_off(end);
            let element = std::mem::replace(&mut self.pending, rest);
            self.counted = 0;
            self.depth = 0;
            if let Some(message) = message(&element) {
                messages.push_back(message);
            }
        }
    }

    /// Where the first whole message ends.
    fn find_end(&mut self) -> Option<usize> {
        loop {
            let tail = self.pending.get(self.counted..)?;
            let start = self.counted + tail.iter().position(|byte| *byte == b'<')?;
            let tag = self.pending.get(start..)?;
            let length = tag.iter().position(|byte| *byte == b'>')? + 1;
            let tag = tag.get(..length)?;
            self.counted = start + length;
            if tag.starts_with(b"<?") || tag.starts_with(b"<stream:stream") || tag.starts_with(b"</stream:stream") {
                return Some(self.counted);
            }
            if tag.starts_with(b"</") {
                self.depth = self.depth.saturating_sub(1);
            } else if !tag.ends_with(b"/>") {
                self.depth += 1;
            }
            if self.depth == 0 {
                return Some(self.counted);
            }
        }
    }
}

/// A message of one thing that a stream would carry; `None` for what has no place among messages.
fn message(element: &[u8]) -> Option<Bytes> {
    let text = std::str::from_utf8(element).ok()?;
    let text = text.get(text.find('<')?..)?;
    if text.starts_with("<?") {
        return None;
    }
    if text.starts_with("</stream:stream") {
        return Some(framing("<close", "/>"));
    }
    if let Some(attributes) = text.strip_prefix("<stream:stream") {
        return Some(framing("<open", &format!("{}/>", without_declarations(attributes.strip_suffix('>')?))));
    }
    let name = text.find([' ', '/', '>'])?;
    let (open, rest) = text.split_at(name);
    let head = rest.split('>').next().unwrap_or_default();
    let mut out = String::with_capacity(text.len() + ns::STREAM.len() + 16);
    out.push_str(open);
    if open.starts_with("<stream:") {
        write_attr(&mut out, "xmlns:stream", ns::STREAM);
    } else if !head.contains(" xmlns='") {
        write_attr(&mut out, "xmlns", ns::CLIENT);
    }
    out.push_str(rest);
    Some(Bytes::from(out))
}

fn framing(open: &str, rest: &str) -> Bytes {
    let mut out = open.to_owned();
    write_attr(&mut out, "xmlns", ns::FRAMING);
    out.push_str(rest);
    Bytes::from(out)
}

/// The attributes of a stream header without what declares namespaces.
fn without_declarations(mut attributes: &str) -> String {
    let mut out = String::with_capacity(attributes.len());
    while let Some((name, rest)) = attributes.split_once("='") {
        let Some((value, after)) = rest.split_once('\'') else { break };
        if !name.trim_start().starts_with("xmlns") {
            out.push_str(&format!("{name}='{value}'"));
        }
        attributes = after;
    }
    out
}

#[cfg(test)]
mod tests;
