//! Streams: headers (RFC 6120 section 4.7), features (section 4.3.2), and what comes before a resource is bound.

use super::element::{Element, write_attr};
use super::error::StreamError;
use super::jid::Address;
use super::xml::{LIMITS, LIMITS_BEFORE_LOGIN, Limits};
use super::{IDLE_MS_MAX, LOGIN_MS_MAX, Phase, Session, caps, disco, ns};
use crate::session::SessionConfig;
use std::fmt::Write;

impl Session {
    /// The client's stream header.
    pub(super) fn on_header(&mut self, root: &Element, default_ns: &str) {
        self.send_header(root.get_attr("from"));
        if let Err(error) = self.check_header(root, default_ns) {
            self.fail(error);
            return;
        }
        self.send_features();
    }

    fn check_header(&self, root: &Element, default_ns: &str) -> Result<(), StreamError> {
        if root.ns != ns::STREAM {
            return Err(StreamError::new("invalid-namespace"));
        }
        if root.name != "stream" {
            return Err(StreamError::new("bad-format"));
        }
        if default_ns != ns::CLIENT {
            return Err(StreamError::new("invalid-namespace"));
        }
        let to = root.get_attr("to").unwrap_or(&self.link.domains.server);
        if self.link.domains.parse(to) != Ok(Address::Server) {
            return Err(StreamError::new("host-unknown"));
        }
        // RFC 6120 section 4.7.5: major versions must be equal.
        if root.get_attr("version").is_none_or(|version| version.split('.').next() != Some("1")) {
            return Err(StreamError::new("unsupported-version"));
        }
        Ok(())
    }

    /// Our stream header, with a fresh id.
    pub(super) fn send_header(&mut self, to: Option<&str>) {
        let id = self.link.token();
        let mut header = String::from("<?xml version='1.0'?><stream:stream");
        write_attr(&mut header, "xmlns", ns::CLIENT);
        write_attr(&mut header, "xmlns:stream", ns::STREAM);
        write_attr(&mut header, "from", &self.link.domains.server);
        if let Some(to) = to {
            write_attr(&mut header, "to", to);
        }
        write_attr(&mut header, "id", &id);
        header.push_str(" version='1.0' xml:lang='en'>");
        self.link.send_bytes(header);
        self.open = true;
    }

    /// `<stream:features/>`.
    pub(super) fn send_features(&mut self) {
        let features = match &self.phase {
            Phase::Anonymous { .. } => self.features_before_login(),
            Phase::Authenticated(_) => features_after_login(&self.link.config),
            Phase::Bound(_) | Phase::Handshake | Phase::Closed => Vec::new(),
        };
        self.link.send_bytes(write_features(&features));
    }

    fn features_before_login(&self) -> Vec<Element> {
        let mut features = Vec::new();
        if self.can_start_tls() {
            let required = (!self.link.config.plain_without_tls).then(|| Element::new("required", ns::TLS));
            features.push(Element::new("starttls", ns::TLS).maybe_child(required));
        }
        features.extend(self.sasl_features());
        features.extend(self.sasl2_feature());
        features.extend(self.registration_features());
        features.push(limits(LIMITS_BEFORE_LOGIN, LOGIN_MS_MAX));
        features
    }

    /// Whether STARTTLS is on offer.
    pub(super) fn can_start_tls(&self) -> bool {
        self.link.connection.starttls && self.link.connection.tls.is_none()
    }

    /// A child of the stream.
    pub(super) fn on_element(&mut self, element: Element) {
        match &mut self.phase {
            Phase::Anonymous { .. } => self.on_element_before_login(&element),
            Phase::Authenticated(_) => self.on_element_before_binding(&element),
            Phase::Bound(client) => {
                if let Err(error) = client.on_element(&mut self.link, element) {
                    self.fail(error);
                }
            }
            Phase::Handshake | Phase::Closed => {}
        }
    }

    fn on_element_before_login(&mut self, element: &Element) {
        match (element.name.as_str(), element.ns.as_str()) {
            ("starttls", ns::TLS) => self.on_starttls(),
            (_, ns::SASL) => self.on_sasl(element),
            (_, ns::SASL2) => self.on_sasl2(element),
            ("iq", ns::CLIENT)
                if element.elements().any(|child| [ns::REGISTER, ns::PARS].contains(&child.ns.as_str())) =>
            {
                self.on_registration(element);
            }
            (_, ns::SM) => self.on_management_before_binding(element),
            // RFC 6120 section 4.9.3.12.
            (_, ns::CLIENT) => self.fail(StreamError::new("not-authorized")),
            _ => self.fail(StreamError::new("unsupported-stanza-type")),
        }
    }

    fn on_element_before_binding(&mut self, element: &Element) {
        if element.ns == ns::SM {
            self.on_management_before_binding(element);
            return;
        }
        match element.elements().next() {
            Some(payload) if element.is("iq", ns::CLIENT) && payload.is("bind", ns::BIND) => {
                self.on_bind(element, payload);
            }
            // RFC 6120 section 7.1: no stanza before a resource is bound.
            Some(_) | None => self.fail(StreamError::new("not-authorized")),
        }
    }
}

/// What is left to negotiate where a resource came with the log-in; `managed`: stream management did as well.
pub(super) fn features_when_bound(config: &SessionConfig, managed: bool) -> Vec<Element> {
    let management = (!managed).then(|| Element::new("sm", ns::SM));
    let more = [
        Element::new("csi", ns::CSI),
        Element::new("ver", ns::ROSTER_VERSIONS),
        Element::new("sub", ns::PRE_APPROVAL),
        limits(LIMITS, IDLE_MS_MAX),
    ];
    management.into_iter().chain(more).chain(caps::features(&disco::server(config))).collect()
}

/// `<stream:features/>` as it is written.
pub(in crate::xmpp) fn write_features(features: &[Element]) -> String {
    let mut out = String::from("<stream:features>");
    for feature in features {
        // Writing to a String cannot fail.
        let _ = write!(out, "{}", feature.to_standalone());
    }
    out.push_str("</stream:features>");
    out
}

/// What a client may send (XEP-0478).
fn limits(limits: Limits, idle_ms: u64) -> Element {
    Element::new("limits", ns::STREAM_LIMITS)
        .text_child("max-bytes", limits.stanza_bytes.to_string())
        .text_child("idle-seconds", (idle_ms / 1000).to_string())
}

fn features_after_login(config: &SessionConfig) -> Vec<Element> {
    let session = Element::new("session", ns::SESSION).child(Element::new("optional", ns::SESSION));
    let mut features = vec![Element::new("bind", ns::BIND), session];
    features.extend(features_when_bound(config, false));
    features
}
