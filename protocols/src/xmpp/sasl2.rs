//! Log-in and all that follows it in one step: Extensible SASL Profile (XEP-0388) with Bind 2 (XEP-0386), resumption (XEP-0198) and tokens (XEP-0484) inline.
//!
//! After the password or the token is proven, what the client asked for along with it is done one after the other: a token, the
//! earlier stream or else a resource, with what is to be on from its first moment. The success says what came of each.

use super::auth::Profile;
use super::client::Client;
use super::element::Element;
use super::error::StreamError;
use super::fast::{self, Tokens, Verdict};
use super::pending::Pending;
use super::stream::write_features;
use super::{IDLE_MS_MAX, LIMITS, Phase, Session, archive, bind, datetime, ns, stream_management};
use crate::account::{AccountCommand, AccountReply};
use crate::command::{Command, Refusal, Reply};
use crate::event::HistoryPage;
use crate::sasl::Mechanism;
use crate::sasl::token::{Claim, TokenMechanism};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lavina_crdt::account::Credentials;
use lavina_crdt::names::AccountName;

/// Longest name of a client's software that becomes a part of the resource, in bytes.
const TAG_BYTES_MAX: usize = 64;

/// What a client asks for along with the log-in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// The id of the client's installation.
    client: Option<String>,
    resume: Option<Element>,
    bind: Option<Element>,
    /// A token for this mechanism.
    wants_token: Option<TokenMechanism>,
    /// The token that it shows is to be good no more.
    ends_token: bool,
}

/// A log-in whose proof has been given.
#[derive(Debug)]
pub(crate) struct Progress {
    request: Request,
    success: Element,
    /// What is kept of the password.
    credentials: Option<Credentials>,
    /// The tokens of the client, where it has shown one.
    tokens: Option<Tokens>,
}

/// A token that was shown.
#[derive(Debug)]
pub(crate) struct Shown {
    claim: Claim,
    mechanism: TokenMechanism,
    binding: Vec<u8>,
    request: Box<Request>,
}

/// Answers that a log-in waits for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// What a token that was shown is checked against.
    Shown(Box<Shown>),
    /// The register with the client's tokens, to put a new one into.
    Tokens(Box<Progress>),
    /// A new token, or none, is in the register.
    Issued(Box<Progress>, Option<Element>),
    /// The oldest message of the archive.
    Oldest(Box<Progress>, Box<Client>),
    /// The newest one; the oldest as it is to be shown.
    Newest(Box<Progress>, Box<Client>, Option<Element>),
}

impl Progress {
    /// The answer so far goes out with these elements in it.
    fn say(self, children: impl IntoIterator<Item = Element>) -> Element {
        self.success.children(children)
    }

    /// The answer to a client that goes on with an earlier stream.
    pub(crate) fn resumed(self, full: &str) -> Element {
        self.say([identifier(full)])
    }
}

fn identifier(jid: &str) -> Element {
    Element::new("authorization-identifier", ns::SASL2).text(jid)
}

impl Request {
    fn of(authenticate: &Element) -> Self {
        let agent = authenticate.get("user-agent", ns::SASL2);
        let fast = authenticate.get("fast", ns::FAST);
        let wants = authenticate.get("request-token", ns::FAST).and_then(|token| token.get_attr("mechanism"));
        Self {
            client: agent.and_then(|agent| agent.get_attr("id")).map(str::to_owned),
            resume: authenticate.get("resume", ns::SM).cloned(),
            bind: authenticate.get("bind", ns::BIND2).cloned(),
            wants_token: wants.and_then(TokenMechanism::parse),
            ends_token: fast.is_some_and(|fast| matches!(fast.get_attr("invalidate"), Some("true" | "1"))),
        }
    }
}

impl Session {
    /// The stream feature (section 2.1); nothing without encryption.
    pub(super) fn sasl2_feature(&self) -> Option<Element> {
        if !self.offers(Mechanism::Plain) {
            return None;
        }
        let named = |name: &str, ns: &str| Element::new("mechanism", ns).text(name);
        let tokens = self.token_mechanisms().map(|mechanism| named(mechanism.name(), ns::FAST));
        let features = [ns::CARBONS, ns::CSI, ns::SM].map(|var| Element::new("feature", ns::BIND2).attr("var", var));
        let bind = Element::new("bind", ns::BIND2).child(Element::new("inline", ns::BIND2).children(features));
        let inline = Element::new("inline", ns::SASL2)
            .child(bind)
            .child(Element::new("sm", ns::SM))
            .child(Element::new("fast", ns::FAST).children(tokens));
        let authentication = Element::new("authentication", ns::SASL2)
            .children(self.mechanism_names().map(|name| named(name, ns::SASL2)))
            .child(inline);
        Some(authentication)
    }

    fn token_mechanisms(&self) -> impl Iterator<Item = TokenMechanism> {
        let tls = self.link.connection.tls.as_ref();
        TokenMechanism::ALL.into_iter().filter(move |mechanism| mechanism.binding(tls).is_some())
    }

    /// An element of the namespace.
    pub(super) fn on_sasl2(&mut self, element: &Element) {
        match element.name.as_str() {
            "authenticate" => self.on_authenticate(element),
            "response" => match STANDARD.decode(element.content().trim()) {
                Ok(response) => self.on_response(&response),
                Err(_) => self.refuse("incorrect-encoding"),
            },
            "abort" => self.refuse("aborted"),
            _ => self.fail(StreamError::new("unsupported-stanza-type")),
        }
    }

    fn on_authenticate(&mut self, element: &Element) {
        let request = Box::new(Request::of(element));
        let name = element.get_attr("mechanism").unwrap_or_default();
        let initial = element.get("initial-response", ns::SASL2);
        let initial = match initial.map(|initial| STANDARD.decode(initial.content().trim())) {
            None => None,
            Some(Ok(initial)) => Some(initial),
            Some(Err(_)) => {
                self.profile(Profile::Extensible(request));
                self.refuse("incorrect-encoding");
                return;
            }
        };
        let token = TokenMechanism::parse(name).filter(|_| element.get("fast", ns::FAST).is_some());
        if let Some(mechanism) = token {
            self.profile(Profile::Extensible(request.clone()));
            self.on_token(mechanism, &initial.unwrap_or_default(), request);
            return;
        }
        self.begin(name, initial, Profile::Extensible(request));
    }

    fn on_token(&mut self, mechanism: TokenMechanism, response: &[u8], request: Box<Request>) {
        let safe = self.offers(Mechanism::Plain);
        let binding = mechanism.binding(self.link.connection.tls.as_ref()).filter(|_| safe);
        let (Some(binding), Some(key)) = (binding, request.client.as_deref().and_then(fast::register)) else {
            self.refuse("invalid-mechanism");
            return;
        };
        match Claim::parse(response, &self.link.domains.server) {
            Ok(claim) => {
                let command = Command::Account(AccountCommand::Secret(claim.account.clone(), key));
                let shown = Shown { claim, mechanism, binding, request };
                self.link.ask_and_hold(command, Pending::Inline(Waiting::Shown(Box::new(shown))));
            }
            Err(failure) => self.refuse(super::auth::condition(failure)),
        }
    }

    /// The core's answer.
    pub(super) fn on_inline_answer(&mut self, waiting: Waiting, answer: Result<Reply, Refusal>) {
        match (waiting, answer) {
            (Waiting::Shown(shown), Ok(Reply::Account(AccountReply::Secret(kept)))) => self.check_token(*shown, kept),
            (Waiting::Shown(_), _) => self.refuse("temporary-auth-failure"),
            (Waiting::Tokens(progress), Ok(Reply::Account(AccountReply::Secret(Some(kept))))) => {
                let client = progress.request.client.clone().unwrap_or_default();
                self.issue_token(progress, Tokens::read(&client, kept.1.as_deref()));
            }
            (Waiting::Tokens(progress), _) => self.resume_or_bind(progress),
            (Waiting::Issued(mut progress, token), answer) => {
                if let (Ok(_), Some(token)) = (answer, token) {
                    progress.success = progress.success.child(token);
                }
                self.resume_or_bind(progress);
            }
            (Waiting::Oldest(progress, client), answer) => {
                let start = page(answer).messages.first().map(|said| archive::edge_of("start", said));
                let waiting = Waiting::Newest(progress, client, start);
                self.link.ask_and_hold(Command::History(archive::edge(None, true)), Pending::Inline(waiting));
            }
            (Waiting::Newest(progress, client, start), answer) => {
                let end = page(answer).messages.last().map(|said| archive::edge_of("end", said));
                let metadata = Element::new("metadata", ns::MAM).maybe_child(start).maybe_child(end);
                self.bound_inline(*progress, client, metadata);
            }
        }
    }

    fn check_token(&mut self, shown: Shown, kept: Option<Box<(Credentials, Option<Vec<u8>>)>>) {
        let Shown { claim, mechanism, binding, request } = shown;
        let client = request.client.clone().unwrap_or_default();
        let Some((credentials, register)) = kept.map(|kept| *kept) else {
            self.refuse("not-authorized");
            return;
        };
        let mut tokens = Tokens::read(&client, register.as_deref());
        match tokens.check(&claim, (mechanism, &binding), &credentials, self.link.now.wall_ms) {
            Verdict::Wrong => self.refuse("not-authorized"),
            Verdict::Expired => self.refuse("credentials-expired"),
            Verdict::Good { proof, is_due } => {
                let mut request = *request;
                if is_due && !request.ends_token {
                    request.wants_token.get_or_insert(mechanism);
                }
                if request.ends_token {
                    tokens.invalidate();
                }
                self.log_in(
                    claim.account,
                    proof,
                    Some(credentials),
                    Profile::Extensible(Box::new(request)),
                    Some(tokens),
                );
            }
        }
    }

    /// The account is logged in.
    pub(super) fn on_inline_login(
        &mut self,
        account: AccountName,
        data: &[u8],
        (request, credentials, tokens): (Request, Option<Credentials>, Option<Tokens>),
    ) {
        let data = (!data.is_empty()).then(|| Element::new("additional-data", ns::SASL2).text(STANDARD.encode(data)));
        let success = Element::new("success", ns::SASL2).maybe_child(data);
        self.parser.relax(LIMITS);
        self.phase = Phase::Authenticated(account.clone());
        let mut progress = Box::new(Progress { request, success, credentials, tokens });
        let key = progress.request.client.as_deref().and_then(fast::register);
        match (progress.tokens.take(), key) {
            (Some(tokens), _) => self.issue_token(progress, tokens),
            (None, Some(key)) if progress.request.wants_token.is_some() => {
                let command = Command::Account(AccountCommand::Secret(account, key));
                self.link.ask_and_hold(command, Pending::Inline(Waiting::Tokens(progress)));
            }
            (None, _) => self.resume_or_bind(progress),
        }
    }

    /// Puts a new token into the register where one is wanted, and writes what has changed.
    fn issue_token(&mut self, progress: Box<Progress>, mut tokens: Tokens) {
        let Progress { request, credentials, .. } = progress.as_ref();
        let key = request.client.as_deref().and_then(fast::register);
        let (Some(key), Some(credentials)) = (key, credentials) else { return self.resume_or_bind(progress) };
        let mechanism = request.wants_token.filter(|wanted| self.token_mechanisms().any(|offered| offered == *wanted));
        let token = mechanism.map(|mechanism| {
            let secret = format!("{}{}", self.link.token(), self.link.token());
            let expires_ms = tokens.add(mechanism, &secret, credentials, self.link.now.wall_ms);
            Element::new("token", ns::FAST).attr("expiry", datetime::format(expires_ms)).attr("token", secret)
        });
        if !tokens.has_changed() {
            return self.resume_or_bind(progress);
        }
        let command = Command::RegisterSet(key, tokens.write());
        self.link.ask_and_hold(command, Pending::Inline(Waiting::Issued(progress, token)));
    }

    /// XEP-0386 section 4: an earlier stream comes before a new resource.
    fn resume_or_bind(&mut self, mut progress: Box<Progress>) {
        match progress.request.resume.take() {
            Some(resume) => {
                if let Err((failed, Some(progress))) = self.ask_to_resume(&resume, Some(progress)) {
                    self.bind_inline(progress, Some(failed));
                }
            }
            None => self.bind_inline(progress, None),
        }
    }

    /// There is no earlier stream, or none was asked for.
    pub(super) fn bind_inline(&mut self, mut progress: Box<Progress>, failed: Option<Element>) {
        let Phase::Authenticated(account) = &self.phase else { return };
        let account = account.clone();
        progress.success = progress.success.maybe_child(failed);
        let Some(bind) = &progress.request.bind else {
            let success = progress.say([identifier(&self.link.domains.account(&account))]);
            self.link.send_bytes(success.to_standalone());
            self.send_features();
            return;
        };
        let tag = bind.get("tag", ns::BIND2).map(Element::content).unwrap_or_default();
        let id = match &progress.request.client {
            Some(client) => resource_id(&account, client),
            None => self.link.token().get(..12).unwrap_or_default().to_owned(),
        };
        self.open_as(&account, bind::Waiting::inline(resource(&tag, &id), progress));
    }

    /// The resource is there: from here on the archive is complete, so what it ends with is looked up.
    pub(super) fn on_bound_inline(&mut self, progress: Box<Progress>, client: Box<Client>) {
        let waiting = Waiting::Oldest(progress, client);
        self.link.ask_and_hold(Command::History(archive::edge(None, false)), Pending::Inline(waiting));
    }

    /// No resource can be had: the client is logged in and may ask for one by itself.
    pub(super) fn on_unbound_inline(&mut self, mut progress: Box<Progress>) {
        progress.request.bind = None;
        self.bind_inline(progress, None);
    }

    fn bound_inline(&mut self, progress: Progress, mut client: Box<Client>, metadata: Element) {
        let wanted = progress.request.bind.clone().unwrap_or_default();
        client.carbons = wanted.get("enable", ns::CARBONS).is_some();
        let managed = wanted.get("enable", ns::SM);
        let managed = managed.map(|enable| stream_management::enabled(&client, &mut self.link, enable));
        let (enabled, key) = managed.map_or((None, None), |(enabled, key)| (Some(enabled), Some(key)));
        let bound = Element::new("bound", ns::BIND2).child(metadata).maybe_child(enabled);
        let success = progress.say([identifier(&client.full), bound]);
        self.link.send_bytes(success.to_standalone());
        self.link.send_bytes(write_features(&super::stream::features_when_bound(&self.link.config, key.is_some())));
        if let Some(key) = key {
            self.link.count_from_here(key);
        }
        if wanted.get("inactive", ns::CSI).is_some() {
            self.link.quiet.begin();
        }
        self.link.address(&client.full);
        self.deadline = self.link.now.deadline_ms(IDLE_MS_MAX);
        // What was sent before is in the archive, which such a client asks for.
        client.knows_archive = true;
        self.phase = Phase::Bound(client);
    }
}

fn page(answer: Result<Reply, Refusal>) -> HistoryPage {
    match answer {
        Ok(Reply::History(page)) => page,
        Ok(_) | Err(_) => HistoryPage::default(),
    }
}

/// The same for a client's installation at every log-in, so that a new session of it ends the one before; it does not tell the installation's id
/// (XEP-0386 section 4.1).
fn resource_id(account: &AccountName, client: &str) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("lavina 1 resource of a client");
    hasher.update(account.as_str().as_bytes()).update(b"\0").update(client.as_bytes());
    hasher.finalize().to_hex().as_str().get(..12).unwrap_or_default().to_owned()
}

fn resource(tag: &str, id: &str) -> String {
    let mut tag: String = tag.chars().filter(|c| !c.is_control()).collect();
    while tag.len() > TAG_BYTES_MAX {
        tag.pop();
    }
    let tag = tag.trim();
    if tag.is_empty() || bind::is_reserved(tag) { id.to_owned() } else { format!("{tag}/{id}") }
}
