//! One link: the stream between this node and another server (RFC 6120), or a component of this one (XEP-0114).
//!
//! A stream that this node has opened carries stanzas from one of its domains to one of the other server's; one that it has taken carries them the other
//! way, for each pair of domains that has been proven. Either may carry them both ways where both sides say so (XEP-0288). Between servers nothing but
//! the negotiation itself goes in clear.
//!
//! Knows no other stream: what it cannot tell alone, it asks of the hub by what it gives out ([`Did`]).

mod component;
mod ours;
mod taken;

use super::super::element::{Element, Node, write_attr};
use super::super::error::StreamError;
use super::super::jid;
use super::super::ns;
use super::super::xml::{LIMITS_BEFORE_LOGIN, Limits, Parser, Token};
use super::config::{Federation, PeerTls};
use bytes::Bytes;
use lavina_crdt::clock::Now;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// What another server may send: its clients' largest stanzas, and what it adds.
const LIMITS: Limits = Limits { stanza_bytes: 256 * 1024, elements: 2048 };
/// From the connection to the first proven pair: two round trips of TLS and five of XML over a slow line, and a dialback.
const NEGOTIATION_MS_MAX: u64 = 40_000;
/// After so much silence of ours a space is sent, so that a broken connection is noticed (RFC 6120 section 4.6.1).
const SPACE_MS: u64 = 60_000;
/// After so long without a stanza a stream of ours is closed.
const IDLE_MS_MAX: u64 = 900_000;
/// Pairs of domains that one stream may carry: a server with some hosts and services.
const PAIRS_MAX: usize = 64;
/// Dialbacks of one stream that wait for an answer.
const ASKED_MAX: usize = 8;

/// Two domains between which stanzas go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    /// Ours.
    pub(super) own: String,
    /// The other server's.
    pub(super) remote: String,
}

/// A key that another server has shown, to be shown to whom it claims to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) pair: Pair,
    pub(super) stream_id: String,
    pub(super) key: String,
}

/// What a stream is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Opened here, to say something to a server.
    Out(Pair),
    /// Opened here, to ask a server whether a key is its own.
    Verify(Shown),
    /// Taken here, of a server.
    In,
    /// Taken here, of a component.
    Component,
}

/// What a stream has done or wants.
#[derive(Debug)]
pub(super) enum Did {
    Send(Bytes),
    StartTls,
    /// Stanzas may be sent for the pair.
    Ready(Pair),
    /// The other side has proven who it is.
    Proven(Pair),
    /// A stanza of a pair that was proven.
    Stanza(Element),
    /// Another server's key is to be verified; then [`Stream::on_verified`].
    Ask(Shown),
    /// What the server says of a key.
    Answer(Shown, bool),
    /// The stream is over; close the connection when everything has been sent. The reason is for the log.
    Over(&'static str),
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Header,
    Features,
    StartTls,
    Handshake,
    Sasl,
    Dialback,
    Open,
    Over,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    federation: Arc<Federation>,
    pub(super) role: Role,
    parser: Parser,
    phase: Phase,
    tls: Option<PeerTls>,
    /// A fresh name for each stream that is taken, and the other side's for one that was opened.
    stream_id: String,
    seed: [u8; 32],
    headers: u64,
    header_sent: bool,
    /// Whom the other side's header is from and to.
    header: Option<Pair>,
    proven: BTreeSet<Pair>,
    asked: usize,
    authenticated: bool,
    tried_external: bool,
    bidi: bool,
    deadline: u64,
    stanza_at: u64,
    said_at: u64,
    outputs: VecDeque<Did>,
    now: Now,
}

impl Stream {
    /// The domains that it is to or of, as far as they are known.
    pub(super) fn remotes(&self) -> impl Iterator<Item = &str> {
        let opened = match &self.role {
            Role::Out(pair) => Some(pair),
            Role::Verify(shown) => Some(&shown.pair),
            Role::In | Role::Component => None,
        };
        self.proven.iter().chain(opened).map(|pair| pair.remote.as_str())
    }

    /// Somebody else is welcome from here on.
    pub(super) fn set_federation(&mut self, federation: &Arc<Federation>) {
        self.federation = Arc::clone(federation);
    }

    pub(super) fn new(now: Now, federation: Arc<Federation>, role: Role, tls: Option<PeerTls>, seed: [u8; 32]) -> Self {
        let mut stream = Self {
            federation,
            role,
            parser: Parser::new(LIMITS_BEFORE_LOGIN),
            phase: Phase::Header,
            tls,
            stream_id: String::new(),
            seed,
            headers: 0,
            header_sent: false,
            header: None,
            proven: BTreeSet::new(),
            asked: 0,
            authenticated: false,
            tried_external: false,
            bidi: false,
            deadline: now.deadline_ms(NEGOTIATION_MS_MAX),
            stanza_at: now.mono_us,
            said_at: now.mono_us,
            outputs: VecDeque::new(),
            now,
        };
        if stream.is_ours() {
            stream.send_header();
        }
        stream
    }

    /// Whether it was opened here.
    fn is_ours(&self) -> bool {
        matches!(self.role, Role::Out(_) | Role::Verify(_))
    }

    /// The pair that a stream of ours is for.
    pub(super) fn pair(&self) -> Option<&Pair> {
        match &self.role {
            Role::Out(pair) => Some(pair),
            Role::Verify(shown) => Some(&shown.pair),
            Role::In | Role::Component => None,
        }
    }

    pub(super) fn poll(&mut self) -> Option<Did> {
        self.outputs.pop_front()
    }

    pub(super) fn on_bytes(&mut self, now: Now, bytes: &[u8]) {
        self.now = now;
        // What was sent in clear behind <starttls/> is not to be believed (RFC 6120 section 5.4.3.3).
        if matches!(self.phase, Phase::Handshake | Phase::Over) {
            return;
        }
        self.parser.push(bytes);
        while !matches!(self.phase, Phase::Handshake | Phase::Over) {
            match self.parser.next() {
                None => return,
                Some(Ok(Token::Open(root, default_ns))) => self.on_header(&root, &default_ns),
                Some(Ok(Token::Stanza(element))) => self.on_element(element),
                Some(Ok(Token::Close)) => self.close("the other side has closed the stream"),
                Some(Err(error)) => self.fail(error.into()),
            }
        }
    }

    /// TLS is there: the stream begins anew.
    pub(super) fn on_tls(&mut self, now: Now, tls: PeerTls) {
        self.now = now;
        if self.phase != Phase::Handshake {
            return;
        }
        self.tls = Some(tls);
        self.restart(LIMITS_BEFORE_LOGIN);
    }

    /// The connection is gone.
    pub(super) fn on_closed(&mut self) {
        self.over("the connection has ended");
    }

    pub(super) fn next_timeout(&self) -> Option<u64> {
        match self.phase {
            Phase::Over => None,
            Phase::Open => {
                let idle = self.is_ours().then(|| self.stanza_at + IDLE_MS_MAX * 1000);
                Some(idle.unwrap_or(u64::MAX).min(self.said_at + SPACE_MS * 1000))
            }
            Phase::Header | Phase::Features | Phase::StartTls | Phase::Handshake | Phase::Sasl | Phase::Dialback => {
                Some(self.deadline)
            }
        }
    }

    pub(super) fn on_timeout(&mut self, now: Now) {
        self.now = now;
        if self.next_timeout().is_none_or(|at| at > now.mono_us) {
            return;
        }
        if self.phase != Phase::Open {
            self.fail(StreamError::new("connection-timeout"));
        } else if self.is_ours() && self.stanza_at + IDLE_MS_MAX * 1000 <= now.mono_us {
            self.close("nothing was said for long");
        } else {
            self.send(" ");
        }
    }

    /// Sends a stanza; the hub knows that it may.
    pub(super) fn send_stanza(&mut self, now: Now, stanza: &Element) {
        self.now = now;
        self.stanza_at = now.mono_us;
        self.send(stanza.to_stanza());
    }

    /// Ends it in peace.
    pub(super) fn close(&mut self, reason: &'static str) {
        if self.header_sent && self.phase != Phase::Over {
            self.send("</stream:stream>");
        }
        self.over(reason);
    }

    /// Ends it with a stream error (RFC 6120 section 4.9).
    pub(super) fn fail(&mut self, error: StreamError) {
        if self.phase == Phase::Over {
            return;
        }
        if !self.header_sent {
            self.send_header();
        }
        self.send(format!("{}</stream:stream>", error.write()));
        self.over(if error.text.is_empty() { error.condition } else { error.text });
    }

    fn over(&mut self, reason: &'static str) {
        if self.phase != Phase::Over {
            self.phase = Phase::Over;
            self.outputs.push_back(Did::Over(reason));
        }
    }

    fn send(&mut self, text: impl Into<String>) {
        self.said_at = self.now.mono_us;
        self.outputs.push_back(Did::Send(Bytes::from(text.into())));
    }

    fn restart(&mut self, limits: Limits) {
        self.parser.restart(limits);
        self.phase = Phase::Header;
        self.header_sent = false;
        if self.is_ours() {
            self.send_header();
        }
    }

    fn send_header(&mut self) {
        let mut header = String::from("<?xml version='1.0'?><stream:stream");
        let content = if self.role == Role::Component { ns::COMPONENT } else { ns::SERVER };
        write_attr(&mut header, "xmlns", content);
        write_attr(&mut header, "xmlns:stream", ns::STREAM);
        if self.role != Role::Component {
            write_attr(&mut header, "xmlns:db", ns::DIALBACK);
        }
        if let Some(pair) = self.pair().or(self.header.as_ref()) {
            write_attr(&mut header, "from", &pair.own);
            if !pair.remote.is_empty() {
                write_attr(&mut header, "to", &pair.remote);
            }
        }
        if !self.is_ours() {
            self.headers += 1;
            let id = blake3::Hasher::new_derive_key("lavina 1 stream between servers")
                .update(&self.seed)
                .update(&self.headers.to_be_bytes())
                .finalize();
            id.to_hex().as_str().get(..32).unwrap_or_default().clone_into(&mut self.stream_id);
            let id = self.stream_id.clone();
            write_attr(&mut header, "id", &id);
        }
        if self.role != Role::Component {
            header.push_str(" version='1.0'");
        }
        header.push('>');
        self.send(header);
        self.header_sent = true;
    }

    fn on_header(&mut self, root: &Element, default_ns: &str) {
        let name = |attr: &str| root.get_attr(attr).map(canonical).unwrap_or_default();
        if root.ns != ns::STREAM || root.name != "stream" {
            return self.fail(StreamError::new("invalid-namespace"));
        }
        match self.role {
            Role::Out(_) | Role::Verify(_) => {
                if default_ns != ns::SERVER {
                    return self.fail(StreamError::new("invalid-namespace"));
                }
                root.get_attr("id").unwrap_or_default().clone_into(&mut self.stream_id);
                if !is_version_1(root) {
                    return self.fail(StreamError::new("unsupported-version"));
                }
                self.phase = Phase::Features;
            }
            Role::In => {
                let pair = Pair { own: name("to"), remote: name("from") };
                self.header = self.federation.is_ours(&pair.own).then(|| pair.clone());
                self.send_header();
                if default_ns != ns::SERVER {
                    self.fail(StreamError::new("invalid-namespace"));
                } else if self.header.is_none() {
                    self.fail(StreamError::new("host-unknown"));
                } else if !pair.remote.is_empty() && !self.federation.is_welcome(&pair.remote) {
                    self.fail(StreamError::policy("there are to be no links between these servers"));
                } else if !is_version_1(root) {
                    self.fail(StreamError::new("unsupported-version"));
                } else {
                    self.phase = if self.authenticated { Phase::Open } else { Phase::Features };
                    self.send_features();
                }
            }
            Role::Component => {
                let domain = name("to");
                self.header = Some(Pair { own: domain.clone(), remote: String::new() });
                self.send_header();
                self.phase = Phase::Features;
                if default_ns != ns::COMPONENT {
                    self.fail(StreamError::new("invalid-namespace"));
                } else if !self.federation.components.contains_key(&domain) {
                    self.fail(StreamError::new("host-unknown"));
                }
            }
        }
    }

    /// Whether the other side's certificate says that it is who its header says.
    fn is_certified(&self) -> bool {
        let header = self.header.as_ref().filter(|header| !header.remote.is_empty());
        header.is_some_and(|header| self.tls.as_ref().is_some_and(|tls| tls.is_for(&header.remote)))
    }

    fn send_features(&mut self) {
        let mut features = Vec::new();
        if self.tls.is_none() {
            features.push(Element::new("starttls", ns::TLS).child(Element::new("required", ns::TLS)));
        } else {
            if !self.authenticated {
                if self.is_certified() {
                    let external = Element::new("mechanism", ns::SASL).text("EXTERNAL");
                    features.push(Element::new("mechanisms", ns::SASL).child(external));
                }
                features.push(Element::new("bidi", ns::BIDI_FEATURE));
            }
            features.push(
                Element::new("dialback", ns::DIALBACK_FEATURE).child(Element::new("errors", ns::DIALBACK_FEATURE)),
            );
            let limits = Element::new("limits", ns::STREAM_LIMITS);
            features.push(limits.text_child("max-bytes", LIMITS.stanza_bytes.to_string()));
        }
        self.send(super::super::stream::write_features(&features));
    }

    fn on_element(&mut self, element: Element) {
        if element.is("error", ns::STREAM) {
            return self.close("the other side ends the stream with an error");
        }
        match self.role.clone() {
            Role::Out(_) | Role::Verify(_) => self.on_element_of_ours(element),
            Role::In => self.on_element_taken(element),
            Role::Component => self.on_element_of_component(element),
        }
    }

    fn on_stanza(&mut self, mut stanza: Element) {
        if !matches!(stanza.name.as_str(), "message" | "presence" | "iq") {
            return self.fail(StreamError::new("unsupported-stanza-type"));
        }
        let domain = |attr: &str| stanza.get_attr(attr).and_then(domain_of);
        // RFC 6120 section 8.1.1.2 and 8.1.2.2.
        let (Some(from), Some(to)) = (domain("from"), domain("to")) else {
            return self.fail(StreamError::new("improper-addressing"));
        };
        let is_proven = match &self.role {
            Role::Component => self.header.as_ref().is_some_and(|header| header.own == from),
            Role::Out(_) | Role::Verify(_) | Role::In => {
                self.proven.contains(&Pair { own: to.clone(), remote: from.clone() })
            }
        };
        if !is_proven {
            let known = self.proven.iter().any(|pair| pair.remote == from);
            let condition = match self.role {
                Role::In if self.proven.is_empty() => "not-authorized",
                Role::In if known => "improper-addressing",
                Role::In | Role::Out(_) | Role::Verify(_) | Role::Component => "invalid-from",
            };
            return self.fail(StreamError::new(condition));
        }
        self.stanza_at = self.now.mono_us;
        into_client_namespace(&mut stanza);
        self.outputs.push_back(Did::Stanza(stanza));
    }
}

/// What is content between servers or of components is read as clients have it.
fn into_client_namespace(element: &mut Element) {
    if element.ns == ns::SERVER || element.ns == ns::COMPONENT {
        ns::CLIENT.clone_into(&mut element.ns);
    }
    for child in &mut element.children {
        if let Node::Element(child) = child {
            into_client_namespace(child);
        }
    }
}

/// An element of dialback from our domain to the other.
fn dialback(name: &str, pair: &Pair) -> Element {
    Element::new(name, ns::DIALBACK).attr("from", pair.own.as_str()).attr("to", pair.remote.as_str())
}

/// Written with the prefix that the stream header declares (XEP-0220 section 2): some servers know no other.
fn written(element: &Element) -> String {
    let mut out = format!("<db:{}", element.name);
    for attr in &element.attrs {
        write_attr(&mut out, &attr.name, &attr.value);
    }
    out.push('>');
    let inner = Element::new("r", ns::SERVER);
    let inner = Element { children: element.children.clone(), ..inner }.to_standalone();
    let inner = inner.split_once('>').map_or("", |(_, rest)| rest);
    out.push_str(inner.strip_suffix("</r>").unwrap_or_default());
    out.push_str(&format!("</db:{}>", element.name));
    out
}

/// The domain of an address, in the form in which domains are compared.
pub(super) fn domain_of(address: &str) -> Option<String> {
    let bare = address.split('/').next().unwrap_or_default();
    let domain = bare.rsplit('@').next().filter(|domain| !domain.is_empty())?;
    Some(canonical(domain))
}

fn canonical(domain: &str) -> String {
    jid::domain(domain).into_owned()
}

fn is_version_1(root: &Element) -> bool {
    root.get_attr("version").is_some_and(|version| version.split('.').next() == Some("1"))
}
