//! Logging in and registering accounts: AUTHENTICATE (IRCv3 `sasl` 3.2), PASS with an account, REGISTER (IRCv3 `account-registration`).
//! The mechanisms themselves are in [`crate::sasl`].

use super::numerics::*;
use super::{Answer, Line, Message, Now, Session};
use crate::account::{AccountCommand, AccountReply};
use crate::command::{Command, Refusal, Reply};
use crate::sasl::{Exchange, Mechanism, Step, Surroundings, derive_credentials};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lavina_crdt::names::AccountName;

/// Bytes of base64 in one AUTHENTICATE line; a shorter one ends the message.
const CHUNK_BYTES: usize = 400;
/// Bytes of base64 in one message: what [`crate::sasl::RESPONSE_BYTES_MAX`] comes to.
const MESSAGE_BYTES_MAX: usize = crate::sasl::RESPONSE_BYTES_MAX / 3 * 4 + 4;
/// Failed attempts before the connection is closed: enough for typing errors, few enough to make guessing reconnect.
const FAILURES_MAX: u16 = 5;
/// RFC 4422 appendix A.
const EXTERNAL: &str = "EXTERNAL";
/// Accounts one connection may register.
const REGISTRATIONS_MAX: u16 = 3;

/// Where an attempt to authenticate is.
#[derive(Debug, Default)]
pub(super) struct Sasl {
    exchange: Option<Box<Exchange>>,
    /// EXTERNAL was asked for: the certificate is the proof (RFC 4422 appendix A).
    external: bool,
    /// Base64 that has come of a message.
    received: String,
    /// Proven, but the client has not yet acknowledged the last challenge.
    proven: Option<AccountName>,
    /// Wrong passwords, of accounts and of operators.
    pub(super) failures: u16,
    registrations: u16,
}

impl Session {
    /// Whether a password may cross this connection in clear.
    pub(super) fn may_send_password(&self) -> bool {
        self.tls.is_some() || self.config.plain_without_tls
    }

    /// Whether an account may be registered over this connection.
    pub(super) fn may_register(&self) -> bool {
        self.config.registration && self.may_send_password() && self.sasl.registrations < REGISTRATIONS_MAX
    }

    /// The fingerprint of the certificate that the client showed, as it is kept.
    pub(super) fn fingerprint(&self) -> Option<String> {
        self.tls.as_ref().and_then(|tls| tls.fingerprint.clone())
    }

    fn can_bind(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.exporter.is_some() || tls.server_end_point.is_some())
    }

    /// The mechanisms offered here, strongest first.
    pub(super) fn mechanisms(&self) -> impl Iterator<Item = Mechanism> + use<> {
        let (plus, plain) = (self.can_bind(), self.may_send_password());
        let bearer = plain && self.config.tokens.is_some();
        Mechanism::ALL.into_iter().filter(move |mechanism| match mechanism {
            Mechanism::Plain => plain,
            Mechanism::OAuthBearer => bearer,
            Mechanism::ScramSha256 => true,
            Mechanism::ScramSha256Plus => plus,
            // Every IRC client that knows SCRAM knows it with SHA-256.
            Mechanism::ScramSha1 | Mechanism::ScramSha1Plus => false,
        })
    }

    /// Their names, with EXTERNAL where the client has shown a certificate.
    pub(super) fn mechanism_names(&self) -> Vec<&'static str> {
        let external = self.fingerprint().map(|_| EXTERNAL);
        external.into_iter().chain(self.mechanisms().map(Mechanism::name)).collect()
    }

    fn exchange(&mut self, mechanism: Mechanism) -> Exchange {
        let nonce = STANDARD.encode(self.random::<24>());
        let surroundings = Surroundings {
            domain: &self.config.domain,
            tls: self.tls.as_ref(),
            plus_advertised: self.can_bind(),
            salt_secret: &self.config.salt_secret,
            offered: None,
            tokens: self.config.tokens.as_ref(),
        };
        Exchange::new(mechanism, surroundings, nonce)
    }

    fn sasl_over(&mut self) {
        self.sasl.exchange = None;
        self.sasl.external = false;
        self.sasl.proven = None;
        self.sasl.received = String::new();
    }

    fn sasl_failed(&mut self) {
        self.sasl_over();
        self.sasl.failures += 1;
        self.numeric(ERR_SASLFAIL, &[], "SASL authentication failed");
        if self.sasl.failures >= FAILURES_MAX {
            self.answers.settle(&mut self.out, &self.config.node_name);
            self.end("Too many failed log-ins", Some("Too many failed log-ins"));
        }
    }
}

/// AUTHENTICATE.
pub(super) fn authenticate(session: &mut Session, _now: Now, message: &Message<'_>) {
    let argument = message.param(0).unwrap_or_default();
    // Who logs in without having asked for the capability means the same by it.
    if argument == "*" {
        session.sasl_over();
        session.numeric(ERR_SASLABORTED, &[], "SASL authentication aborted");
    } else if session.me.account.is_some() && session.session_id().is_none() {
        // IRCv3 `sasl` 3.2, "SASL Reauthentication": after the welcome another account may be proven.
        session.numeric(ERR_SASLALREADY, &[], "You have already authenticated using SASL");
    } else if session.sasl.exchange.is_none() && session.sasl.proven.is_none() && !session.sasl.external {
        begin(session, argument);
    } else {
        receive(session, argument);
    }
}

fn begin(session: &mut Session, name: &str) {
    if name.eq_ignore_ascii_case(EXTERNAL) && session.fingerprint().is_some() {
        session.sasl.external = true;
        session.reply(Line::new("", "AUTHENTICATE", &["+"]));
        return;
    }
    match Mechanism::parse(name).filter(|wanted| session.mechanisms().any(|offered| offered == *wanted)) {
        Some(mechanism) => {
            session.sasl.exchange = Some(Box::new(session.exchange(mechanism)));
            session.reply(Line::new("", "AUTHENTICATE", &["+"]));
        }
        None => {
            let names = session.mechanism_names();
            session.numeric(RPL_SASLMECHS, &[&names.join(",")], "are available SASL mechanisms");
            session.sasl_failed();
        }
    }
}

/// Puts the chunks of a message together: 400 bytes of base64 mean that more follows, `+` stands for nothing.
fn receive(session: &mut Session, chunk: &str) {
    let received = session.sasl.received.len() + chunk.len();
    if chunk.len() > CHUNK_BYTES || received > MESSAGE_BYTES_MAX {
        session.sasl_over();
        session.numeric(ERR_SASLTOOLONG, &[], "SASL message too long");
        return;
    }
    if chunk != "+" {
        session.sasl.received.push_str(chunk);
        if chunk.len() == CHUNK_BYTES {
            return;
        }
    }
    let text = std::mem::take(&mut session.sasl.received);
    match STANDARD.decode(text) {
        Err(_) => session.sasl_failed(),
        Ok(data) if session.sasl.external => external(session, &data),
        Ok(data) => match session.sasl.proven.take() {
            Some(account) if data.is_empty() => log_in(session, account),
            Some(_) => session.sasl_failed(),
            None => {
                if let Some(step) = session.sasl.exchange.as_mut().map(|exchange| exchange.handle_response(&data)) {
                    on_step(session, step);
                }
            }
        },
    }
}

/// The certificate names the account; an authorization identity, where given, must be that account's.
fn external(session: &mut Session, data: &[u8]) {
    let Some(fingerprint) = session.fingerprint() else { return session.sasl_failed() };
    let wanted = String::from_utf8_lossy(data).into_owned();
    session.answers.hold();
    let command = Command::Account(AccountCommand::ByCertificate(fingerprint));
    session.ask(command, move |session, _, answer| {
        let named = if let Ok(Reply::Account(AccountReply::Named(named))) = answer { named } else { None };
        let is_wanted = |account: &AccountName| {
            wanted.is_empty() || AccountName::new(&wanted).is_ok_and(|wanted| wanted == *account)
        };
        match named.filter(is_wanted) {
            Some(account) => log_in(session, account),
            None => session.sasl_failed(),
        }
    });
}

fn on_step(session: &mut Session, step: Step) {
    match step {
        Step::LookUp(account) => {
            session.answers.hold();
            session.ask(Command::LookupCredentials(account), |session, _, answer| {
                let Some(credentials) = credentials_of(answer) else { return session.sasl_failed() };
                if let Some(exchange) = session.sasl.exchange.as_mut() {
                    let step = exchange.handle_credentials(credentials);
                    on_step(session, step);
                }
            });
        }
        Step::Challenge(data) => challenge(session, &data),
        Step::Success { account, data } if data.is_empty() => log_in(session, account),
        Step::Success { account, data } => {
            session.sasl.proven = Some(account);
            challenge(session, &data);
        }
        Step::Failure(_) => session.sasl_failed(),
    }
}

/// `None` when the core gave no answer to the question.
fn credentials_of(answer: Answer) -> Option<Option<lavina_crdt::account::Credentials>> {
    match answer {
        Ok(Reply::Credentials(credentials)) => Some(credentials),
        Err(Refusal::NoSuchAccount) => Some(None),
        Ok(_) | Err(_) => None,
    }
}

fn challenge(session: &mut Session, data: &[u8]) {
    let text = STANDARD.encode(data);
    let mut rest = text.as_str();
    loop {
        let (chunk, later) = rest.split_at(rest.len().min(CHUNK_BYTES));
        session.reply(Line::new("", "AUTHENTICATE", &[if chunk.is_empty() { "+" } else { chunk }]));
        rest = later;
        if chunk.len() < CHUNK_BYTES {
            return;
        }
    }
}

fn log_in(session: &mut Session, account: AccountName) {
    session.sasl_over();
    session.answers.hold();
    session.ask(Command::LogIn(account.clone()), move |session, _, answer| match answer {
        Ok(_) => {
            logged_in(session, account);
            session.numeric(RPL_SASLSUCCESS, &[], "SASL authentication successful");
        }
        Err(_) => session.sasl_failed(),
    });
}

pub(super) fn logged_in(session: &mut Session, account: AccountName) {
    let text = format!("You are now logged in as {account}");
    let source = session.source();
    session.numeric(RPL_LOGGEDIN, &[&source, account.as_str()], &text);
    session.me.account = Some(account);
}

/// Finds out whether that is the account's password; `then` gets the account when it is.
pub(super) fn check_password(
    session: &mut Session,
    account: &str,
    password: &str,
    then: impl FnOnce(&mut Session, Option<AccountName>) + Send + Sync + 'static,
) {
    if !session.may_send_password() {
        return then(session, None);
    }
    let mut exchange = session.exchange(Mechanism::Plain);
    let Step::LookUp(account) = exchange.handle_response(format!("\0{account}\0{password}").as_bytes()) else {
        return then(session, None);
    };
    session.answers.hold();
    session.ask(Command::LookupCredentials(account), move |session, _, answer| {
        let step = credentials_of(answer).map(|credentials| exchange.handle_credentials(credentials));
        let account = if let Some(Step::Success { account, .. }) = step { Some(account) } else { None };
        if account.is_none() {
            session.sasl.failures += 1;
        }
        then(session, account);
        if session.sasl.failures >= FAILURES_MAX {
            session.answers.settle(&mut session.out, &session.config.node_name);
            session.end("Too many failed log-ins", Some("Too many failed log-ins"));
        }
    });
}

/// Logs in with `account:password` as PASS gave it, before registration ends.
pub(super) fn log_in_with_pass(session: &mut Session, pass: &str) {
    let (account, password) = pass.split_once(':').unwrap_or_default();
    check_password(session, account, password, |session, account| {
        let Some(account) = account else { return session.pass_checked(false) };
        session.ask(Command::LogIn(account.clone()), move |session, _, answer| {
            let success = answer.is_ok();
            if success {
                logged_in(session, account);
            }
            session.pass_checked(success);
        });
    });
}

/// REGISTER: `REGISTER <account> <email> <password>`; an account needs no mail address here.
pub(super) fn register(session: &mut Session, _now: Now, message: &Message<'_>) {
    let wanted = match message.param(0) {
        Some("*") | None => session.me.nick.clone(),
        Some(name) => name.to_owned(),
    };
    let problem = if !session.config.registration || !session.may_send_password() {
        Some(("TEMPORARILY_UNAVAILABLE", "Accounts cannot be registered over this connection"))
    } else if session.me.account.is_some() {
        Some(("ALREADY_AUTHENTICATED", "You are logged in already"))
    } else if !session.has_nick() {
        Some(("NEED_NICK", "Choose a nickname first"))
    } else if session.config.password.is_some() && session.session_id().is_none() {
        // Who is logged in needs no password of the network: so nobody makes an account before they have shown it.
        return session.fail("REGISTER", "COMPLETE_CONNECTION_REQUIRED", &[], "Connect first");
    } else if session.sasl.registrations >= REGISTRATIONS_MAX {
        Some(("TEMPORARILY_UNAVAILABLE", "Too many registrations from this connection"))
    } else {
        None
    };
    if let Some((code, text)) = problem {
        let context = if code == "NEED_NICK" { "*" } else { &wanted };
        session.fail("REGISTER", code, &[context], text);
        return;
    }
    let Ok(account) = AccountName::new(&wanted) else {
        session.fail("REGISTER", "BAD_ACCOUNT_NAME", &[&wanted], "That cannot be an account's name");
        return;
    };
    session.sasl.registrations += 1;
    let salt = session.random();
    match derive_credentials(message.param(2).unwrap_or_default(), salt) {
        Err(error) => session.fail("REGISTER", "UNACCEPTABLE_PASSWORD", &[&wanted], &error.to_string()),
        Ok(credentials) => {
            session.answers.hold();
            let command = Command::RegisterAccount(account.clone(), credentials, None);
            session.ask(command, move |session, _, answer| on_registered(session, account, answer));
        }
    }
}

/// VERIFY: an account is good from the start, so no code is ever right.
pub(super) fn verify(session: &mut Session, _now: Now, message: &Message<'_>) {
    let account = message.param(0).unwrap_or("*").to_owned();
    if session.me.account.is_some() {
        session.fail("VERIFY", "ALREADY_AUTHENTICATED", &[&account], "You are logged in already");
    } else {
        session.fail("VERIFY", "INVALID_CODE", &[&account], "Accounts need no verification here: log in");
    }
}

fn on_registered(session: &mut Session, account: AccountName, answer: Answer) {
    match answer {
        Ok(_) => session.ask(Command::LogIn(account.clone()), move |session, _, answer| {
            let line = Line::with_text(
                &session.config.node_name,
                "REGISTER",
                &["SUCCESS", account.as_str()],
                "Account successfully registered",
            );
            session.reply(line);
            if answer.is_ok() {
                logged_in(session, account);
            }
        }),
        Err(Refusal::AccountExists) => {
            session.fail("REGISTER", "ACCOUNT_EXISTS", &[account.as_str()], "That account exists already");
        }
        Err(refusal) => {
            session.fail("REGISTER", "TEMPORARILY_UNAVAILABLE", &[account.as_str()], &refusal.to_string());
        }
    }
}
