//! XMPP over HTTP requests (BOSH: XEP-0124, XEP-0206): the machine of one session, between a client's requests and a stream.
//!
//! Drive it: [`Bosh::open`] with the body of the first request, then [`Bosh::handle_request`] with each other one, [`Bosh::handle_stream`] with what
//! the stream's other end says and [`Bosh::handle_stream_end`] when it is over; after each, drain [`Bosh::poll_output`]. [`Bosh::next_timeout`] says
//! when to call [`Bosh::handle_timeout`].
//!
//! The other end is a session as for any other connection: what is here is HTTP's side only, and knows nothing of what stanzas mean. A session has at
//! most so many requests open as it allows; what it answered last is kept, so that an answer lost on its way is said again.

mod body;

use super::element::Element;
use super::framing::Writer;
use super::ns;
use super::xml::{LIMITS, Parser, Token, parse_standalone};
use body::Body;
use bytes::Bytes;
use lavina_crdt::clock::Now;
use std::collections::{BTreeMap, VecDeque};

/// Longest body of a request in bytes: some stanzas of the largest size.
pub const BODY_BYTES_MAX: usize = 192 * 1024;

/// Longest that a request waits for something to say, seconds; intermediaries cut what is silent for longer.
const WAIT_SECONDS_MAX: u64 = 60;
/// Most requests that are kept waiting at a time: one is what clients ask for.
const HOLD_MAX: usize = 2;
/// So long may a client be without a request, seconds: a round trip and a slow browser.
const INACTIVITY_SECONDS: u64 = 60;
/// So long where it says that it will be away (section 10).
const PAUSE_SECONDS_MAX: u64 = 120;
/// Shortest time between two requests with nothing in them of a client that lets none wait, seconds.
const POLLING_SECONDS: u64 = 2;
/// The version of XEP-0124 that is spoken.
const VERSION: &str = "1.11";
/// Largest request number (section 14.1): what a script's number holds exactly.
const RID_MAX: u64 = (1 << 53) - 1;
/// What waits for a request that takes it, in bytes; above it the client reads too slowly.
const READY_BYTES_MAX: usize = 1024 * 1024;

/// What a session wants from its shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The answer to the request of that number, which was given to [`Bosh::open`] or [`Bosh::handle_request`].
    Answer(u64, String),
    /// Give these bytes to the stream's other end.
    Send(Bytes),
    /// The session is over: close the stream, and forget its name. Requests that are still open were answered before.
    Close,
}

/// A request that is open.
#[derive(Debug)]
struct Held {
    ticket: u64,
    rid: u64,
    until: u64,
}

/// One session.
#[derive(Debug)]
pub struct Bosh {
    sid: String,
    to: String,
    from: Option<String>,
    lang: Option<String>,
    wait_seconds: u64,
    hold: usize,
    acknowledges: bool,
    writer: Writer,
    /// The number of the request that is to be handled next.
    next: u64,
    /// Requests that came ahead of their turn.
    early: BTreeMap<u64, (u64, Body)>,
    /// Requests that have been handled and not answered, oldest first.
    held: VecDeque<Held>,
    /// What was answered last, so that it can be said again.
    answered: VecDeque<(u64, String)>,
    /// Elements that wait for a request.
    ready: VecDeque<Bytes>,
    ready_bytes: usize,
    /// The attributes of the answer to the first request, until it has been given.
    greeting: bool,
    stream_id: String,
    /// When the client is taken for gone; microseconds.
    deadline: Option<u64>,
    /// When a request with nothing in it came last; microseconds.
    polled: Option<u64>,
    over: bool,
    outputs: VecDeque<Output>,
}

/// The name of the session that a request is of; `None` for one that opens a session.
///
/// # Errors
/// The answer to what is no request at all.
pub fn session_of(request: &[u8]) -> Result<Option<String>, String> {
    let body = Body::parse(request).map_err(terminate)?;
    Ok(body.get("sid").map(str::to_owned))
}

/// The answer to a request of a session that is not there.
#[must_use]
pub fn unknown_session() -> String {
    terminate("item-not-found")
}

/// An answer that ends a session (section 17.2).
fn terminate(condition: &str) -> String {
    body::element().attr("type", "terminate").attr("condition", condition).to_standalone()
}

impl Bosh {
    /// A session that the request opens; `sid` is a name that nobody can guess, and `ticket` is what the answer is for.
    ///
    /// # Errors
    /// The answer to a request that opens none.
    pub fn open(now: Now, request: &[u8], sid: String, ticket: u64) -> Result<Self, String> {
        let body = Body::parse(request).map_err(terminate)?;
        let rid = body.rid().ok_or_else(|| terminate("bad-request"))?;
        let to = body.get("to").ok_or_else(|| terminate("improper-addressing"))?.to_owned();
        let wait_seconds = body.number("wait").unwrap_or(WAIT_SECONDS_MAX).min(WAIT_SECONDS_MAX);
        let hold = usize::try_from(body.number("hold").unwrap_or(1)).unwrap_or(HOLD_MAX).min(HOLD_MAX);
        let mut session = Self {
            sid,
            to,
            from: body.get("from").map(str::to_owned),
            lang: body.lang().map(str::to_owned),
            wait_seconds,
            hold,
            acknowledges: body.get("ack") == Some("1"),
            writer: Writer::default(),
            next: rid,
            early: BTreeMap::new(),
            held: VecDeque::new(),
            answered: VecDeque::new(),
            ready: VecDeque::new(),
            ready_bytes: 0,
            greeting: true,
            stream_id: String::new(),
            deadline: None,
            polled: None,
            over: false,
            outputs: VecDeque::new(),
        };
        session.send_header();
        session.handle(now, rid, ticket, &body);
        Ok(session)
    }

    /// Another request of the session. It is answered by an [`Output::Answer`] with the same ticket.
    pub fn handle_request(&mut self, now: Now, request: &[u8], ticket: u64) {
        let body = match Body::parse(request) {
            Ok(body) => body,
            Err(condition) => return self.end_with(condition, Some(ticket)),
        };
        let Some(rid) = body.rid() else { return self.end_with("bad-request", Some(ticket)) };
        if let Some((_, answer)) = self.answered.iter().find(|(known, _)| *known == rid) {
            // Section 14.2: the answer was lost on its way.
            let again = answer.clone();
            self.outputs.push_back(Output::Answer(ticket, again));
            return;
        }
        if let Some(held) = self.held.iter_mut().find(|held| held.rid == rid) {
            // The connection of the first one broke: whoever asks now gets the answer.
            let first = std::mem::replace(&mut held.ticket, ticket);
            self.outputs.push_back(Output::Answer(first, body::element().to_standalone()));
            return;
        }
        if rid < self.next || rid >= self.next + self.requests() {
            return self.end_with("item-not-found", Some(ticket));
        }
        self.deadline = None;
        self.early.insert(rid, (ticket, body));
        while let Some((ticket, body)) = self.early.remove(&self.next) {
            self.handle(now, self.next, ticket, &body);
        }
    }

    /// Bytes of the stream's other end.
    pub fn handle_stream(&mut self, now: Now, bytes: &[u8]) {
        let mut elements = VecDeque::new();
        self.writer.push(bytes, &mut elements);
        for element in elements {
            self.on_element(element);
        }
        if self.ready_bytes > READY_BYTES_MAX {
            return self.end_with("policy-violation", None);
        }
        self.flush(now);
    }

    /// The stream's other end is gone.
    pub fn handle_stream_end(&mut self, now: Now) {
        self.over = true;
        self.flush(now);
    }

    /// See [`Bosh::next_timeout`].
    pub fn handle_timeout(&mut self, now: Now) {
        if self.deadline.is_some_and(|at| at <= now.mono_us) {
            self.end_with("item-not-found", None);
            return;
        }
        while self.held.front().is_some_and(|held| held.until <= now.mono_us) {
            self.answer(now);
        }
    }

    /// When to call [`Bosh::handle_timeout`], on the monotonic clock in microseconds.
    #[must_use]
    pub fn next_timeout(&self) -> Option<u64> {
        let held = self.held.iter().map(|held| held.until).min();
        [held, self.deadline].into_iter().flatten().min()
    }

    /// The next thing the session wants; drain until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How many requests may be open at a time.
    fn requests(&self) -> u64 {
        u64::try_from(self.hold).unwrap_or(0) + 1
    }

    /// A request whose turn it is.
    fn handle(&mut self, now: Now, rid: u64, ticket: u64, body: &Body) {
        self.next = rid.min(RID_MAX) + 1;
        self.held.push_back(Held { ticket, rid, until: now.deadline_ms(self.wait_seconds * 1000) });
        if self.is_too_eager(now, body) {
            return self.end_with("policy-violation", None);
        }
        if body.restarts() {
            self.send_header();
        }
        for child in body.elements() {
            self.send(child.to_stanza());
        }
        let pause = body.number("pause");
        if body.get("type") == Some("terminate") {
            self.send("</stream:stream>".to_owned());
            self.over = true;
        }
        self.flush(now);
        // Section 11: no more wait than the client has asked for.
        while self.held.len() > self.hold && !self.greeting {
            self.answer(now);
        }
        if let Some(pause) = pause {
            while !self.held.is_empty() {
                self.answer(now);
            }
            self.deadline = Some(now.deadline_ms(pause.min(PAUSE_SECONDS_MAX) * 1000));
        }
    }

    /// Section 12: who lets no request wait asks again in good time.
    fn is_too_eager(&mut self, now: Now, body: &Body) -> bool {
        let is_poll = body.is_empty() && self.hold == 0 && !self.greeting;
        let before = if is_poll { self.polled.replace(now.mono_us) } else { None };
        before.is_some_and(|before| now.mono_us < before + POLLING_SECONDS * 1_000_000)
    }

    fn send(&mut self, text: String) {
        self.outputs.push_back(Output::Send(text.into()));
    }

    /// A stream header for the client's.
    fn send_header(&mut self) {
        let mut header = Element::new("stream", ns::STREAM).attr("to", self.to.as_str()).attr("version", "1.0");
        if let Some(from) = &self.from {
            header.set_attr("from", from.as_str());
        }
        let attributes = header.to_standalone();
        let attributes = attributes.split_once(' ').map_or("", |(_, rest)| rest);
        let attributes = attributes.strip_prefix(&format!("xmlns='{}' ", ns::STREAM)).unwrap_or(attributes);
        let attributes = attributes.strip_suffix("/>").unwrap_or(attributes);
        let mut lang = String::new();
        if let Some(name) = &self.lang {
            super::element::write_attr(&mut lang, "xml:lang", name);
        }
        self.send(format!(
            "<?xml version='1.0'?><stream:stream xmlns='{}' xmlns:stream='{}' {attributes}{lang}>",
            ns::CLIENT,
            ns::STREAM
        ));
    }

    /// One thing that the stream's other end says.
    fn on_element(&mut self, element: Bytes) {
        let text = String::from_utf8_lossy(&element);
        let Some(parsed) = Some(text.as_ref()).filter(|text| text.starts_with("<open ")).and_then(parse_standalone)
        else {
            if text.starts_with("<close ") {
                self.over = true;
            } else {
                self.ready_bytes += element.len();
                self.ready.push_back(element);
            }
            return;
        };
        parsed.get_attr("id").unwrap_or_default().clone_into(&mut self.stream_id);
    }

    /// Says what is ready, as soon as there is a request to say it in.
    fn flush(&mut self, now: Now) {
        if self.over {
            self.finish(now);
        } else if !self.ready.is_empty() && !self.held.is_empty() {
            self.answer(now);
        }
    }

    /// Answers the oldest request with what is ready.
    fn answer(&mut self, now: Now) {
        let Some(held) = self.held.pop_front() else { return };
        let mut head = body::element();
        if std::mem::take(&mut self.greeting) {
            head = self.greet(head, held.rid);
        } else if self.acknowledges && held.rid + 1 != self.next {
            // Section 9: up to which request all have come.
            head = head.attr("ack", (self.next - 1).to_string());
        }
        let text = self.fill(&head);
        self.remember(held.rid, &text);
        self.outputs.push_back(Output::Answer(held.ticket, text));
        if self.held.is_empty() {
            self.deadline = Some(now.deadline_ms(INACTIVITY_SECONDS * 1000));
        }
    }

    /// The attributes of the first answer (section 7.2; XEP-0206 section 4).
    fn greet(&self, head: Element, rid: u64) -> Element {
        let mut head = head
            .attr("sid", self.sid.as_str())
            .attr("wait", self.wait_seconds.to_string())
            .attr("requests", self.requests().to_string())
            .attr("hold", self.hold.to_string())
            .attr("inactivity", INACTIVITY_SECONDS.to_string())
            .attr("maxpause", PAUSE_SECONDS_MAX.to_string())
            .attr("polling", POLLING_SECONDS.to_string())
            .attr("from", self.to.as_str())
            .attr("ver", VERSION)
            .attr("authid", self.stream_id.as_str());
        if self.acknowledges {
            head.set_attr("ack", rid.to_string());
        }
        body::with_xmpp(body::with_xmpp(head, "version", "1.0"), "restartlogic", "true")
    }

    /// An answer with everything that is ready in it.
    fn fill(&mut self, head: &Element) -> String {
        let mut text = head.to_standalone();
        if self.ready.is_empty() {
            return text;
        }
        text.truncate(text.len() - "/>".len());
        text.push('>');
        for element in self.ready.drain(..) {
            text.push_str(&String::from_utf8_lossy(&element));
        }
        self.ready_bytes = 0;
        text.push_str("</body>");
        text
    }

    fn remember(&mut self, rid: u64, answer: &str) {
        self.answered.push_back((rid, answer.to_owned()));
        while self.answered.len() > HOLD_MAX + 1 {
            self.answered.pop_front();
        }
    }

    /// The stream is over: what it said last goes out with the word of the end, when there is a request for it.
    fn finish(&mut self, now: Now) {
        let Some(held) = self.held.pop_front() else {
            if self.ready.is_empty() {
                self.outputs.push_back(Output::Close);
            } else if self.deadline.is_none() {
                self.deadline = Some(now.deadline_ms(INACTIVITY_SECONDS * 1000));
            }
            return;
        };
        let failed = self.ready.iter().any(|element| element.starts_with(b"<stream:error"));
        let mut head = body::element().attr("type", "terminate");
        if failed {
            head.set_attr("condition", "remote-stream-error");
        }
        let text = self.fill(&head);
        self.remember(held.rid, &text);
        self.outputs.push_back(Output::Answer(held.ticket, text));
        for held in std::mem::take(&mut self.held) {
            self.outputs
                .push_back(Output::Answer(held.ticket, body::element().attr("type", "terminate").to_standalone()));
        }
        self.outputs.push_back(Output::Close);
    }

    /// Ends the session for a reason of HTTP's side.
    fn end_with(&mut self, condition: &str, asked: Option<u64>) {
        let held = std::mem::take(&mut self.held).into_iter().map(|held| held.ticket);
        let early = std::mem::take(&mut self.early).into_values().map(|(ticket, _)| ticket);
        let tickets: Vec<u64> = held.chain(early).chain(asked).collect();
        for ticket in tickets {
            self.outputs.push_back(Output::Answer(ticket, terminate(condition)));
        }
        self.over = true;
        self.deadline = None;
        self.ready.clear();
        self.outputs.push_back(Output::Close);
    }
}

/// The one element that a request is.
fn parse(request: &[u8]) -> Option<Element> {
    let limits = super::xml::Limits { stanza_bytes: BODY_BYTES_MAX, elements: LIMITS.elements };
    let text = std::str::from_utf8(request).ok()?.trim();
    // A declaration of XML may stand before it.
    let text = match text.strip_prefix("<?xml") {
        Some(rest) => rest.split_once("?>")?.1.trim_start(),
        None => text,
    };
    let mut parser = Parser::inside(limits);
    parser.push(text.as_bytes());
    let Some(Ok(Token::Stanza(element))) = parser.next() else { return None };
    (parser.next().is_none() && parser.unread() == 0 && !parser.is_within()).then_some(element)
}

#[cfg(test)]
mod tests;
