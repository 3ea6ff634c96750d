//! STARTTLS (RFC 6120 section 5) and SASL (section 6), with channel binding types announced (XEP-0440).

use super::element::Element;
use super::error::StreamError;
use super::fast::Tokens;
use super::pending::Pending;
use super::sasl2::Request;
use super::{Phase, Session, external, ns};
use crate::command::{Command, Refusal, Reply};
use crate::sasl::{Exchange, Failure, Mechanism, Step, Surroundings};
use crate::session::Output;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lavina_crdt::account::Credentials;
use lavina_crdt::names::AccountName;

/// Failed log-ins and registrations on one connection before it is closed (RFC 6120 section 6.4.5 suggests 2 to 5). Each costs a key derivation.
const ATTEMPTS_MAX: u8 = 5;

/// Salt of new credentials.
pub(crate) const SALT_BYTES: usize = 16;

/// Answers that a log-in waits for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// What is kept of the password.
    Credentials,
    /// Whose certificate was shown, and who the client wants to be.
    Certificate(Option<AccountName>),
    /// The log-in itself.
    LogIn(Box<Proven>),
}

/// A log-in whose proof has been given.
#[derive(Debug)]
pub(crate) struct Proven {
    account: AccountName,
    /// What is to be said with the success.
    data: Vec<u8>,
    credentials: Option<Credentials>,
    profile: Profile,
    tokens: Option<Tokens>,
}

/// How the client frames the exchange, and what it wants along with it.
#[derive(Clone, Debug)]
pub(crate) enum Profile {
    /// RFC 6120 section 6.
    Plain,
    /// XEP-0388.
    Extensible(Box<Request>),
}

impl Profile {
    const fn ns(&self) -> &'static str {
        match self {
            Self::Plain => ns::SASL,
            Self::Extensible(_) => ns::SASL2,
        }
    }
}

/// A log-in that is under way.
#[derive(Debug)]
pub(crate) struct Login {
    profile: Profile,
    /// `None` while a token is looked at.
    exchange: Option<Exchange>,
    /// What is kept of the password, once it has been looked up.
    credentials: Option<Credentials>,
    /// Whether the client's certificate is the proof.
    external: bool,
}

impl Session {
    /// `<mechanisms/>` and the channel bindings; nothing where only an unprotected log-in would be possible.
    pub(super) fn sasl_features(&self) -> Vec<Element> {
        let offered: Vec<Element> =
            self.mechanism_names().map(|name| Element::new("mechanism", ns::SASL).text(name)).collect();
        if offered.is_empty() {
            return Vec::new();
        }
        let mut features = vec![Element::new("mechanisms", ns::SASL).children(offered)];
        let bindings: Vec<Element> = self
            .bindings()
            .map(|name| Element::new("channel-binding", ns::SASL_CHANNEL_BINDING).attr("type", name))
            .collect();
        if !bindings.is_empty() {
            features.push(Element::new("sasl-channel-binding", ns::SASL_CHANNEL_BINDING).children(bindings));
        }
        features
    }

    /// The names of what is on offer, the certificate that the client has shown first.
    pub(super) fn mechanism_names(&self) -> impl Iterator<Item = &'static str> {
        let external = self.fingerprint().map(|_| external::NAME);
        let others = Mechanism::ALL.into_iter().filter(|mechanism| self.offers(*mechanism)).map(Mechanism::name);
        external.into_iter().chain(others)
    }

    fn bindings(&self) -> impl Iterator<Item = &'static str> {
        let tls = self.link.connection.tls.as_ref();
        let exporter = tls.is_some_and(|tls| tls.exporter.is_some()).then_some("tls-exporter");
        let end_point = tls.is_some_and(|tls| tls.server_end_point.is_some()).then_some("tls-server-end-point");
        exporter.into_iter().chain(end_point)
    }

    /// Mechanisms and channel bindings as XEP-0474 section 2 puts them together.
    fn offered(&self) -> String {
        let sorted = |names: &mut Vec<&str>| {
            names.sort_unstable();
            names.join("\u{1e}")
        };
        let offered = sorted(&mut self.mechanism_names().collect());
        let bindings = sorted(&mut self.bindings().collect());
        if bindings.is_empty() { offered } else { format!("{offered}\u{1f}{bindings}") }
    }

    /// Whether a mechanism may be used over this connection.
    pub(super) fn offers(&self, mechanism: Mechanism) -> bool {
        let safe = self.link.connection.tls.is_some() || self.link.config.plain_without_tls;
        match mechanism {
            Mechanism::Plain => safe,
            Mechanism::OAuthBearer => safe && self.link.config.tokens.is_some(),
            // Where encryption can be had, nobody logs in without it.
            Mechanism::ScramSha1 | Mechanism::ScramSha256 => safe || !self.can_start_tls(),
            Mechanism::ScramSha1Plus | Mechanism::ScramSha256Plus => self.bindings().next().is_some(),
        }
    }

    /// `<starttls/>`.
    pub(super) fn on_starttls(&mut self) {
        if !self.can_start_tls() {
            // RFC 6120 section 5.4.2.2: a failure ends the stream.
            self.link.send_bytes(Element::new("failure", ns::TLS).to_standalone());
            self.on_stream_close();
            return;
        }
        self.link.send_bytes(Element::new("proceed", ns::TLS).to_standalone());
        self.link.output(Output::StartTls);
        self.parser = super::Reader::new(false, super::LIMITS_BEFORE_LOGIN);
        self.phase = Phase::Handshake;
    }

    /// An element of the SASL namespace.
    pub(super) fn on_sasl(&mut self, element: &Element) {
        match element.name.as_str() {
            "auth" => self.on_auth(element),
            "response" => match decode(element) {
                Some(response) => self.on_response(&response.unwrap_or_default()),
                None => self.refuse("incorrect-encoding"),
            },
            "abort" => self.refuse("aborted"),
            _ => self.fail(StreamError::new("unsupported-stanza-type")),
        }
    }

    fn on_auth(&mut self, element: &Element) {
        let Some(initial) = decode(element) else {
            self.profile(Profile::Plain);
            self.refuse("incorrect-encoding");
            return;
        };
        self.begin(element.get_attr("mechanism").unwrap_or_default(), initial, Profile::Plain);
    }

    /// A log-in begins; nothing of it is known but its framing.
    pub(super) fn profile(&mut self, profile: Profile) {
        if let Phase::Anonymous { login, .. } = &mut self.phase {
            *login = Some(Box::new(Login { profile, exchange: None, credentials: None, external: false }));
        }
    }

    /// A log-in begins by that mechanism.
    pub(super) fn begin(&mut self, mechanism: &str, initial: Option<Vec<u8>>, profile: Profile) {
        self.profile(profile);
        if mechanism == external::NAME && self.fingerprint().is_some() {
            if let Phase::Anonymous { login: Some(login), .. } = &mut self.phase {
                login.external = true;
            }
            self.begin_external(initial);
            return;
        }
        let Some(mechanism) = Mechanism::parse(mechanism) else {
            self.refuse("invalid-mechanism");
            return;
        };
        if !self.offers(mechanism) {
            let unsafe_here = self.link.connection.tls.is_none();
            self.refuse(if unsafe_here { "encryption-required" } else { "invalid-mechanism" });
            return;
        }
        let nonce = self.link.token();
        let offered = self.offered();
        let surroundings = Surroundings {
            domain: &self.link.domains.server,
            tls: self.link.connection.tls.as_ref(),
            plus_advertised: self.offers(Mechanism::ScramSha256Plus),
            salt_secret: &self.link.config.salt_secret,
            offered: Some(&offered),
            tokens: self.link.config.tokens.as_ref(),
        };
        let fresh = Exchange::new(mechanism, surroundings, nonce);
        if let Phase::Anonymous { login: Some(login), .. } = &mut self.phase {
            login.exchange = Some(fresh);
        }
        match initial {
            Some(initial) => self.on_response(&initial),
            // RFC 6120 section 6.4.2: without an initial response the first challenge is empty.
            None => self.challenge(b""),
        }
    }

    /// Asks the client to go on.
    pub(super) fn challenge(&mut self, data: &[u8]) {
        let Phase::Anonymous { login: Some(login), .. } = &self.phase else { return };
        let challenge = Element::new("challenge", login.profile.ns());
        let challenge = if data.is_empty() { challenge } else { challenge.text(STANDARD.encode(data)) };
        self.link.send_bytes(challenge.to_standalone());
    }

    /// A client's response, decoded.
    pub(super) fn on_response(&mut self, response: &[u8]) {
        let step = if let Phase::Anonymous { login: Some(login), .. } = &mut self.phase {
            if login.external {
                return self.on_external(response);
            }
            login.exchange.as_mut().map(|exchange| exchange.handle_response(response))
        } else {
            None
        };
        match step {
            Some(step) => self.on_step(step),
            None => self.refuse("malformed-request"),
        }
    }

    fn on_step(&mut self, step: Step) {
        let Phase::Anonymous { login: Some(login), .. } = &mut self.phase else { return };
        match step {
            Step::LookUp(account) => {
                let pending = Pending::Login(Waiting::Credentials);
                self.link.ask_and_hold(Command::LookupCredentials(account), pending);
            }
            Step::Challenge(data) => self.challenge(&data),
            Step::Success { account, data } => {
                let (credentials, profile) = (login.credentials.take(), login.profile.clone());
                self.log_in(account, data, credentials, profile, None);
            }
            Step::Failure(failure) => self.refuse(condition(failure)),
        }
    }

    /// Somebody has proven who they are.
    pub(super) fn log_in(
        &mut self,
        account: AccountName,
        data: Vec<u8>,
        credentials: Option<Credentials>,
        profile: Profile,
        tokens: Option<Tokens>,
    ) {
        let command = Command::LogIn(account.clone());
        let proven = Proven { account, data, credentials, profile, tokens };
        self.link.ask_and_hold(command, Pending::Login(Waiting::LogIn(Box::new(proven))));
    }

    /// The core's answer to a step of a log-in.
    pub(super) fn on_login_answer(&mut self, waiting: Waiting, answer: Result<Reply, Refusal>) {
        match (waiting, answer) {
            (Waiting::Credentials, Ok(Reply::Credentials(credentials))) => {
                let Phase::Anonymous { login: Some(login), .. } = &mut self.phase else { return };
                login.credentials.clone_from(&credentials);
                let step = login.exchange.as_mut().map(|exchange| exchange.handle_credentials(credentials));
                if let Some(step) = step {
                    self.on_step(step);
                }
            }
            (Waiting::Certificate(wanted), answer) => {
                let Phase::Anonymous { login: Some(login), .. } = &self.phase else { return };
                let profile = login.profile.clone();
                self.on_certificate(wanted, profile, answer);
            }
            (Waiting::LogIn(proven), Ok(_)) => {
                if matches!(self.phase, Phase::Anonymous { .. }) {
                    self.logged_in(*proven);
                }
            }
            (Waiting::Credentials | Waiting::LogIn(..), _) => self.refuse("temporary-auth-failure"),
        }
    }

    fn logged_in(&mut self, proven: Proven) {
        let Proven { account, data, credentials, profile, tokens } = proven;
        match profile {
            Profile::Extensible(request) => self.on_inline_login(account, &data, (*request, credentials, tokens)),
            Profile::Plain => {
                let success = Element::new("success", ns::SASL);
                let success = if data.is_empty() { success } else { success.text(STANDARD.encode(data)) };
                self.link.send_bytes(success.to_standalone());
                self.phase = Phase::Authenticated(account);
                self.restart();
            }
        }
    }

    /// A log-in has come to nothing.
    pub(super) fn refuse(&mut self, condition: &str) {
        let ns =
            if let Phase::Anonymous { login: Some(login), .. } = &self.phase { login.profile.ns() } else { ns::SASL };
        let failure = Element::new("failure", ns).child(Element::new(condition, ns::SASL));
        self.link.send_bytes(failure.to_standalone());
        self.count_attempt();
    }

    /// One more attempt has come to nothing; the last one ends the stream.
    pub(super) fn count_attempt(&mut self) {
        let Phase::Anonymous { login, attempts } = &mut self.phase else { return };
        *login = None;
        *attempts = attempts.saturating_add(1);
        if *attempts >= ATTEMPTS_MAX {
            self.fail(StreamError::policy("too many attempts"));
        }
    }
}

/// What an element carries: `Some(None)` for nothing, `Some(Some(_))` for data (`=` for empty data), `None` for what is not base64.
fn decode(element: &Element) -> Option<Option<Vec<u8>>> {
    match element.content().trim() {
        "" => Some(None),
        "=" => Some(Some(Vec::new())),
        text => STANDARD.decode(text).ok().map(Some),
    }
}

/// RFC 6120 section 6.5.
pub(super) const fn condition(failure: Failure) -> &'static str {
    match failure {
        Failure::Malformed | Failure::UnsupportedBinding => "malformed-request",
        Failure::NotAuthorized | Failure::Downgrade => "not-authorized",
        Failure::InvalidAuthzid => "invalid-authzid",
    }
}
