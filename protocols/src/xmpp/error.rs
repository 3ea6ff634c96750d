//! Stanza errors (RFC 6120 section 8.3) and stream errors (section 4.9), and which of them a refusal is.

use super::element::Element;
use super::ns;
use super::unacked::TooHigh;
use super::xml::XmlError;
use crate::command::Refusal;
use lavina_crdt::room::Denied;

/// Whether and how a sender may try again (RFC 6120 section 8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Auth,
    Cancel,
    Modify,
    Wait,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Cancel => "cancel",
            Self::Modify => "modify",
            Self::Wait => "wait",
        }
    }
}

/// One stanza error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StanzaError {
    kind: Kind,
    condition: &'static str,
    text: String,
    /// A condition that an extension adds, with its namespace.
    more: Option<(&'static str, &'static str)>,
}

impl StanzaError {
    const fn new(kind: Kind, condition: &'static str) -> Self {
        Self { kind, condition, text: String::new(), more: None }
    }

    pub(crate) const BAD_REQUEST: Self = Self::new(Kind::Modify, "bad-request");
    pub(crate) const CONFLICT: Self = Self::new(Kind::Cancel, "conflict");
    pub(crate) const FEATURE_NOT_IMPLEMENTED: Self = Self::new(Kind::Cancel, "feature-not-implemented");
    pub(crate) const FORBIDDEN: Self = Self::new(Kind::Auth, "forbidden");
    pub(crate) const ITEM_NOT_FOUND: Self = Self::new(Kind::Cancel, "item-not-found");
    pub(crate) const JID_MALFORMED: Self = Self::new(Kind::Modify, "jid-malformed");
    pub(crate) const NOT_ACCEPTABLE: Self = Self::new(Kind::Modify, "not-acceptable");
    pub(crate) const NOT_ALLOWED: Self = Self::new(Kind::Cancel, "not-allowed");
    pub(crate) const NOT_AUTHORIZED: Self = Self::new(Kind::Auth, "not-authorized");
    pub(crate) const NOT_OCCUPANT: Self = Self::new(Kind::Cancel, "not-acceptable");
    pub(crate) const POLICY_VIOLATION: Self = Self::new(Kind::Modify, "policy-violation");
    pub(crate) const REGISTRATION_REQUIRED: Self = Self::new(Kind::Auth, "registration-required");
    pub(crate) const REMOTE_SERVER_NOT_FOUND: Self = Self::new(Kind::Cancel, "remote-server-not-found");
    pub(crate) const REMOTE_SERVER_TIMEOUT: Self = Self::new(Kind::Wait, "remote-server-timeout");
    pub(crate) const RESOURCE_CONSTRAINT: Self = Self::new(Kind::Wait, "resource-constraint");
    pub(crate) const SERVICE_UNAVAILABLE: Self = Self::new(Kind::Cancel, "service-unavailable");
    pub(crate) const UNEXPECTED_REQUEST: Self = Self::new(Kind::Wait, "unexpected-request");

    /// With words for people.
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// With the condition of an extension.
    pub(crate) fn with_condition(mut self, condition: &'static str, ns: &'static str) -> Self {
        self.more = Some((condition, ns));
        self
    }

    /// The `<error/>` element.
    pub(crate) fn to_element(&self) -> Element {
        let text = (!self.text.is_empty()).then(|| Element::new("text", ns::STANZA_ERRORS).text(self.text.as_str()));
        Element::new("error", ns::CLIENT)
            .attr("type", self.kind.name())
            .child(Element::new(self.condition, ns::STANZA_ERRORS))
            .maybe_child(text)
            .maybe_child(self.more.map(|(condition, ns)| Element::new(condition, ns)))
    }
}

/// Refusals as XEP-0045 (sections 7.2, 7.4, 8, 9) and RFC 6121 section 8.5 word them.
impl From<Refusal> for StanzaError {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        let error = match refusal {
            Refusal::Denied(denied) | Refusal::Elsewhere(_, denied) => denied.into(),
            Refusal::NickInUse
            | Refusal::AccountExists
            | Refusal::AlreadyPresent
            | Refusal::RoomExists
            | Refusal::NeedsNoInvitation => Self::CONFLICT,
            Refusal::NoSuchNick | Refusal::NoSuchAccount => Self::SERVICE_UNAVAILABLE,
            Refusal::NoSuchOccupant | Refusal::NoSuchMessage | Refusal::NoSuchInvitation => Self::ITEM_NOT_FOUND,
            Refusal::NeedsAccount => Self::REGISTRATION_REQUIRED,
            // XEP-0191 section 3.6.
            Refusal::Blocked => Self::NOT_OCCUPANT.with_condition("blocked", ns::BLOCKING_ERRORS),
            Refusal::NotOpen => Self::UNEXPECTED_REQUEST,
            Refusal::TooMany(_) => Self::RESOURCE_CONSTRAINT,
            Refusal::Storage => Self::RESOURCE_CONSTRAINT,
            Refusal::NotOperator | Refusal::Barred(_) | Refusal::WantsAccount => Self::FORBIDDEN,
        };
        error.text(text)
    }
}

impl From<Denied> for StanzaError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NoRoom => Self::ITEM_NOT_FOUND,
            Denied::Rank | Denied::Banned | Denied::Moderated | Denied::NoRequests => Self::FORBIDDEN,
            Denied::NotPresent => Self::NOT_OCCUPANT,
            Denied::InviteOnly | Denied::NeedsAccount => Self::REGISTRATION_REQUIRED,
            Denied::BadKey => Self::NOT_AUTHORIZED,
            Denied::Full => Self::SERVICE_UNAVAILABLE,
            Denied::LastFounder => Self::CONFLICT,
            Denied::Malformed => Self::NOT_ACCEPTABLE,
        }
    }
}

/// A stream error: the end of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamError {
    /// RFC 6120 section 4.9.3.
    pub(crate) condition: &'static str,
    /// Words for people; may be empty.
    pub(crate) text: &'static str,
    /// XEP-0198 section 4: what `<handled-count-too-high/>` says.
    too_high: Option<TooHigh>,
}

impl StreamError {
    /// A condition without words.
    pub(crate) const fn new(condition: &'static str) -> Self {
        Self { condition, text: "", too_high: None }
    }

    /// A broken bound or rule of this server.
    pub(crate) const fn policy(text: &'static str) -> Self {
        Self { condition: "policy-violation", text, too_high: None }
    }

    /// An acknowledgement of what was never sent.
    pub(crate) const fn handled_too_high(too_high: TooHigh) -> Self {
        Self { condition: "undefined-condition", text: "", too_high: Some(too_high) }
    }

    /// As it is written of a stream that is to go on elsewhere (RFC 6120 section 4.9.3.19), `host:port`.
    pub(crate) fn see_other_host(host: &str) -> String {
        let there = Element::new("see-other-host", ns::STREAM_ERRORS).text(host).to_standalone();
        format!("<stream:error>{there}</stream:error>")
    }

    /// `<stream:error/>` as it is written.
    pub(crate) fn write(self) -> String {
        let text = if self.text.is_empty() {
            String::new()
        } else {
            Element::new("text", ns::STREAM_ERRORS).text(self.text).to_standalone()
        };
        let more = self.too_high.map_or_else(String::new, |too_high| {
            Element::new("handled-count-too-high", ns::SM)
                .attr("h", too_high.handled.to_string())
                .attr("send-count", too_high.sent.to_string())
                .to_standalone()
        });
        format!("<stream:error><{} xmlns='{}'/>{text}{more}</stream:error>", self.condition, ns::STREAM_ERRORS)
    }
}

impl From<XmlError> for StreamError {
    fn from(error: XmlError) -> Self {
        match error {
            XmlError::NotWellFormed => Self::new("not-well-formed"),
            XmlError::Restricted => Self::new("restricted-xml"),
            XmlError::BadNamespacePrefix => Self::new("bad-namespace-prefix"),
            XmlError::UnsupportedEncoding => Self::new("unsupported-encoding"),
            XmlError::Policy(text) => Self::policy(text),
        }
    }
}
