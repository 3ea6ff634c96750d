//! A stream that was opened here: what its receiver asks for, until stanzas may go.

use super::super::super::element::Element;
use super::super::super::error::StreamError;
use super::super::super::ns;
use super::{Did, LIMITS, Phase, Role, Stream, dialback, written};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

impl Stream {
    pub(super) fn on_element_of_ours(&mut self, element: Element) {
        match (self.phase, element.name.as_str(), element.ns.as_str()) {
            (Phase::Features, "features", ns::STREAM) => self.on_features(&element),
            (Phase::StartTls, "proceed", ns::TLS) => {
                self.phase = Phase::Handshake;
                self.outputs.push_back(Did::StartTls);
            }
            (Phase::Sasl, "success", ns::SASL) => {
                self.authenticated = true;
                self.restart(LIMITS);
            }
            (Phase::Sasl, "failure", ns::SASL) => self.begin_dialback(),
            (Phase::Dialback, "result" | "verify", ns::DIALBACK) => self.on_dialback_answer(&element),
            (Phase::Open, _, ns::SERVER) => self.on_stanza(element),
            (Phase::Open, _, ns::DIALBACK) => {}
            _ => self.fail(StreamError::new("unsupported-stanza-type")),
        }
    }

    pub(super) fn on_features(&mut self, features: &Element) {
        let Some(pair) = self.pair().cloned() else { return };
        let Some(tls) = &self.tls else {
            if features.get("starttls", ns::TLS).is_none() {
                return self.close("the other server does not encrypt");
            }
            self.phase = Phase::StartTls;
            return self.send(Element::new("starttls", ns::TLS).to_standalone());
        };
        let is_certified = tls.is_for(&pair.remote);
        if !is_certified && !self.federation.dialback {
            return self.close("the other server has no certificate that is trusted");
        }
        if self.authenticated {
            return self.open();
        }
        if let Role::Verify(shown) = &self.role {
            let verify = dialback("verify", &pair).attr("id", shown.stream_id.as_str()).text(shown.key.as_str());
            self.phase = Phase::Dialback;
            return self.send(written(&verify));
        }
        if is_certified && features.get("bidi", ns::BIDI_FEATURE).is_some() && !self.bidi {
            self.bidi = true;
            self.send(Element::new("bidi", ns::BIDI).to_standalone());
        }
        let mechanisms = features.get("mechanisms", ns::SASL);
        let offers = mechanisms.is_some_and(|list| list.elements().any(|one| one.content().trim() == "EXTERNAL"));
        if offers && !self.tried_external {
            self.tried_external = true;
            self.phase = Phase::Sasl;
            let auth = Element::new("auth", ns::SASL).attr("mechanism", "EXTERNAL").text(STANDARD.encode(&pair.own));
            return self.send(auth.to_standalone());
        }
        self.begin_dialback();
    }

    pub(super) fn begin_dialback(&mut self) {
        let Some(pair) = self.pair().cloned() else { return };
        let key = self.federation.dialback_key(&pair.remote, &pair.own, &self.stream_id);
        self.phase = Phase::Dialback;
        self.send(written(&dialback("result", &pair).text(key)));
    }

    pub(super) fn on_dialback_answer(&mut self, element: &Element) {
        let is_valid = element.get_attr("type") == Some("valid");
        match (&self.role, element.name.as_str()) {
            (Role::Verify(shown), "verify") => {
                self.outputs.push_back(Did::Answer(shown.clone(), is_valid));
                self.close("the question is answered");
            }
            (Role::Out(_), "result") if is_valid => self.open(),
            (Role::Out(_), "result") => self.close("the other server does not believe who we are"),
            _ => self.fail(StreamError::new("unsupported-stanza-type")),
        }
    }

    pub(super) fn open(&mut self) {
        let Some(pair) = self.pair().cloned() else { return };
        self.parser.relax(LIMITS);
        self.phase = Phase::Open;
        self.stanza_at = self.now.mono_us;
        if self.bidi {
            self.proven.insert(pair.clone());
        }
        self.outputs.push_back(Did::Ready(pair));
    }
}
