//! A stream that another server has opened: how it proves who it is, and what it may ask of who is asked about.

use super::super::super::element::Element;
use super::super::super::error::StreamError;
use super::super::super::ns;
use super::{ASKED_MAX, Did, LIMITS, PAIRS_MAX, Pair, Phase, Shown, Stream, canonical, dialback, written};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lavina_crdt::clock::Now;

impl Stream {
    pub(super) fn on_element_taken(&mut self, element: Element) {
        match (element.name.as_str(), element.ns.as_str()) {
            ("starttls", ns::TLS) if self.tls.is_none() => {
                self.phase = Phase::Handshake;
                self.send(Element::new("proceed", ns::TLS).to_standalone());
                self.outputs.push_back(Did::StartTls);
            }
            // RFC 6120 section 5.3.1: there is nothing else to do first.
            _ if self.tls.is_none() => self.fail(StreamError::policy("links between servers are encrypted")),
            ("auth", ns::SASL) if !self.authenticated => self.on_external(&element),
            ("bidi", ns::BIDI) => self.bidi = true,
            ("result", ns::DIALBACK) => self.on_key(&element),
            ("verify", ns::DIALBACK) => self.on_verify(&element),
            (_, ns::SERVER) => self.on_stanza(element),
            _ => self.fail(StreamError::new("unsupported-stanza-type")),
        }
    }

    /// RFC 6120 section 6.3, XEP-0178 section 3: the certificate says who it is.
    pub(super) fn on_external(&mut self, auth: &Element) {
        let refuse = |condition: &str| {
            Element::new("failure", ns::SASL).child(Element::new(condition, ns::SASL)).to_standalone()
        };
        let Some(pair) = self.header.clone() else { return };
        if auth.get_attr("mechanism") != Some("EXTERNAL") {
            return self.send(refuse("invalid-mechanism"));
        }
        let content = auth.content();
        let identity = match content.trim() {
            "" | "=" => Some(pair.remote.clone()),
            encoded => STANDARD
                .decode(encoded)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .map(|text| canonical(&text)),
        };
        if identity.as_deref() != Some(&pair.remote) || !self.is_certified() {
            return self.send(refuse("not-authorized"));
        }
        self.authenticated = true;
        self.prove(pair);
        self.send(Element::new("success", ns::SASL).to_standalone());
        self.parser.restart(LIMITS);
        self.phase = Phase::Header;
    }

    pub(super) fn prove(&mut self, pair: Pair) {
        self.proven.insert(pair.clone());
        self.outputs.push_back(Did::Proven(pair.clone()));
        if self.bidi {
            self.outputs.push_back(Did::Ready(pair));
        }
    }

    /// XEP-0220 section 2.1: another server says who it is.
    pub(super) fn on_key(&mut self, result: &Element) {
        let name = |attr: &str| result.get_attr(attr).map(canonical).unwrap_or_default();
        let pair = Pair { own: name("to"), remote: name("from") };
        if pair.remote.is_empty() || self.federation.is_ours(&pair.remote) {
            return self.fail(StreamError::new("invalid-from"));
        }
        let refusal = if !self.federation.is_ours(&pair.own) {
            Some("item-not-found")
        } else if !self.federation.is_welcome(&pair.remote) {
            Some("not-allowed")
        } else if self.proven.len() >= PAIRS_MAX || self.asked >= ASKED_MAX {
            Some("resource-constraint")
        } else if !self.federation.dialback && !self.tls.as_ref().is_some_and(|tls| tls.is_for(&pair.remote)) {
            Some("not-authorized")
        } else {
            None
        };
        if let Some(condition) = refusal {
            let error = Element::new("error", ns::SERVER).attr("type", "cancel");
            let error = error.child(Element::new(condition, ns::STANZA_ERRORS));
            return self.send(written(&dialback("result", &pair).attr("type", "error").child(error)));
        }
        if self.tls.as_ref().is_some_and(|tls| tls.is_for(&pair.remote)) {
            // What its certificate proves need not be asked for.
            return self.answer_key(pair, true);
        }
        self.asked += 1;
        self.outputs.push_back(Did::Ask(Shown { pair, stream_id: self.stream_id.clone(), key: result.content() }));
    }

    /// The server that another one claims to be has said whether a key is its own, or cannot be asked.
    pub(in crate::xmpp::s2s) fn on_verified(&mut self, now: Now, shown: &Shown, is_valid: bool) {
        self.now = now;
        if self.phase == Phase::Over || shown.stream_id != self.stream_id {
            return;
        }
        self.asked = self.asked.saturating_sub(1);
        self.answer_key(shown.pair.clone(), is_valid);
    }

    pub(super) fn answer_key(&mut self, pair: Pair, is_valid: bool) {
        let kind = if is_valid { "valid" } else { "invalid" };
        self.send(written(&dialback("result", &pair).attr("type", kind)));
        if is_valid {
            self.parser.relax(LIMITS);
            self.phase = Phase::Open;
            self.prove(pair);
        }
    }

    /// XEP-0220 section 2.3: another server asks whether a key is ours.
    pub(super) fn on_verify(&mut self, verify: &Element) {
        let name = |attr: &str| verify.get_attr(attr).map(canonical).unwrap_or_default();
        let pair = Pair { own: name("to"), remote: name("from") };
        let id = verify.get_attr("id").unwrap_or_default();
        let is_ours = self.federation.is_ours(&pair.own)
            && self.federation.is_our_key(&verify.content(), &pair.remote, &pair.own, id);
        let kind = if is_ours { "valid" } else { "invalid" };
        self.send(written(&dialback("verify", &pair).attr("id", id).attr("type", kind)));
    }
}
