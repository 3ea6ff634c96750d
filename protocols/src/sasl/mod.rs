//! Server side of SASL (RFC 4422), without IO and without a wire: both protocols put their own framing around it.
//!
//! An [`Exchange`] is one attempt to authenticate. Drive it: hand what the client sends, decoded, to
//! [`Exchange::handle_response`]. On [`Step::LookUp`] ask the core for that account's credentials and hand the answer to
//! [`Exchange::handle_credentials`]. On [`Step::Challenge`] send the bytes and wait for the next response. [`Step::Success`] and
//! [`Step::Failure`] end it. A client that begins without an initial response is to be sent an empty challenge first; the exchange
//! has no part in that.
//!
//! **Invariant:** the account of a success is the one whose password was proven. An authorization identity is only ever
//! compared with it, never taken instead of it.
//!
//! An unknown account is led through the same steps as a known one, with a salt that stays the same from attempt to attempt, and fails
//! at the end in the same way.

mod bearer;
mod password;
mod plain;
mod scram;
pub(crate) mod token;
mod verifier;

pub use bearer::TokenCheck;
pub(crate) use password::hmac;
pub use password::{ITERATIONS, PasswordError, derive_credentials, derive_credentials_with};
pub use verifier::{matches_password, parse_verifier, write_verifier};

use crate::session::Tls;
use lavina_crdt::account::Credentials;
use lavina_crdt::names::AccountName;
use std::sync::Arc;

/// Longest response taken, in bytes: room for the longest names, password and channel binding several times over.
pub const RESPONSE_BYTES_MAX: usize = 4096;

/// A hash function that SCRAM is used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
}

/// The mechanisms there are, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mechanism {
    /// RFC 4616: the password in clear.
    Plain,
    /// RFC 7628: a token of a login service.
    OAuthBearer,
    /// RFC 5802.
    ScramSha1,
    /// RFC 7677.
    ScramSha256,
    /// RFC 5802 with channel binding.
    ScramSha1Plus,
    /// RFC 7677 with channel binding.
    ScramSha256Plus,
}

impl Mechanism {
    /// All of them, strongest first: the order to offer them in.
    pub const ALL: [Self; 6] = [
        Self::ScramSha256Plus,
        Self::ScramSha1Plus,
        Self::ScramSha256,
        Self::ScramSha1,
        Self::OAuthBearer,
        Self::Plain,
    ];

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
        }
    }

    /// The mechanism of that name; IRC clients may write it in lower case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// Whether it binds to the TLS channel.
    #[must_use]
    pub const fn is_plus(self) -> bool {
        matches!(self, Self::ScramSha1Plus | Self::ScramSha256Plus)
    }
}

/// Why an exchange failed. What a client is told should not go beyond this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Not a message of the mechanism, or not one that belongs here.
    #[error("malformed request")]
    Malformed,
    /// Unknown account, wrong password, wrong proof or wrong channel binding: deliberately not told apart.
    #[error("not authorized")]
    NotAuthorized,
    /// The authorization identity is somebody else's.
    #[error("invalid authorization identity")]
    InvalidAuthzid,
    /// The client says that the server offers no channel binding, but it does: somebody in between took it off the list
    /// (RFC 5802 section 6).
    #[error("the server does support channel binding")]
    Downgrade,
    /// The client asks for a channel binding that this connection has not got.
    #[error("unsupported channel binding")]
    UnsupportedBinding,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The credentials of this account are needed: see [`Exchange::handle_credentials`].
    LookUp(AccountName),
    /// Send this and wait for a response.
    Challenge(Vec<u8>),
    /// It is them.
    Success {
        /// Who.
        account: AccountName,
        /// What the client is still to be told (SCRAM's server signature); empty for PLAIN. XMPP puts it into `<success/>`; in IRC, which
        /// has no place for it there, it goes as one more challenge, answered by an empty response.
        data: Vec<u8>,
    },
    /// It is over.
    Failure(Failure),
}

/// What an exchange needs to know of its surroundings.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The mesh's domain: `account@domain` is taken for `account`.
    pub domain: &'a str,
    /// Encryption, where there is.
    pub tls: Option<&'a Tls>,
    /// Whether a -PLUS mechanism was offered to this client.
    pub plus_advertised: bool,
    /// See [`crate::session::SessionConfig::salt_secret`].
    pub salt_secret: &'a [u8; 32],
    /// What was offered to the client, as XEP-0474 section 2 writes it: SCRAM proves that nobody took anything off it. `None` where clients do
    /// not look for that.
    pub offered: Option<&'a str>,
    /// See [`crate::session::SessionConfig::tokens`].
    pub tokens: Option<&'a Arc<dyn TokenCheck>>,
}

/// One attempt to authenticate; see the module's head for how to drive it.
#[derive(Debug)]
pub struct Exchange {
    domain: String,
    salt_secret: [u8; 32],
    machine: Machine,
}

#[derive(Debug)]
enum Machine {
    Plain(plain::Plain),
    Bearer(bearer::Bearer),
    Scram(Box<scram::Scram>),
    Ended,
}

impl Exchange {
    /// A new attempt. `nonce` must be fresh and hard to guess, printable and without commas; it is the server's part of
    /// SCRAM's nonce.
    #[must_use]
    pub fn new(mechanism: Mechanism, surroundings: Surroundings<'_>, nonce: String) -> Self {
        let scram = |hash| Machine::Scram(Box::new(scram::Scram::new(hash, mechanism.is_plus(), surroundings, nonce)));
        let machine = match mechanism {
            Mechanism::Plain => Machine::Plain(plain::Plain::default()),
            Mechanism::OAuthBearer => Machine::Bearer(bearer::Bearer::new(surroundings.tokens.cloned())),
            Mechanism::ScramSha1 | Mechanism::ScramSha1Plus => scram(Hash::Sha1),
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => scram(Hash::Sha256),
        };
        Self { domain: surroundings.domain.to_owned(), salt_secret: *surroundings.salt_secret, machine }
    }

    /// What the client sent, decoded from base64.
    pub fn handle_response(&mut self, response: &[u8]) -> Step {
        let step = if response.len() > RESPONSE_BYTES_MAX {
            Err(Failure::Malformed)
        } else {
            match &mut self.machine {
                Machine::Plain(plain) => plain.on_response(response, &self.domain),
                Machine::Bearer(bearer) => bearer.on_response(response, &self.domain),
                Machine::Scram(scram) => scram.on_response(response, &self.domain),
                Machine::Ended => Err(Failure::Malformed),
            }
        };
        self.ended(step)
    }

    /// The credentials of the account that [`Step::LookUp`] named; `None` when there is no such account.
    pub fn handle_credentials(&mut self, credentials: Option<Credentials>) -> Step {
        let secret = &self.salt_secret;
        let step = match &mut self.machine {
            Machine::Plain(plain) => plain.on_credentials(credentials, secret),
            Machine::Scram(scram) => scram.on_credentials(credentials, secret),
            Machine::Bearer(_) | Machine::Ended => Err(Failure::Malformed),
        };
        self.ended(step)
    }

    fn ended(&mut self, step: Result<Step, Failure>) -> Step {
        let step = step.unwrap_or_else(Step::Failure);
        if matches!(step, Step::Success { .. } | Step::Failure(_)) {
            self.machine = Machine::Ended;
        }
        step
    }
}

/// The account that an identity names: bare, or `account@domain` with the mesh's own domain.
fn account_of(identity: &str, domain: &str) -> Option<AccountName> {
    let local = match identity.split_once('@') {
        Some((local, at)) if at.eq_ignore_ascii_case(domain) => local,
        Some(_) => return None,
        None => identity,
    };
    AccountName::new(local).ok()
}

/// **Invariant:** an authorization identity, where given, is the authenticated account itself.
fn check_authzid(authzid: &str, account: &AccountName, domain: &str) -> Result<(), Failure> {
    if authzid.is_empty() || account_of(authzid, domain).as_ref() == Some(account) {
        Ok(())
    } else {
        Err(Failure::InvalidAuthzid)
    }
}

/// The account for an identity that names none: nobody can register it, so looking it up finds nothing and the exchange takes the
/// same way as for any unknown account.
fn authenticating(identity: &str, domain: &str) -> Result<AccountName, Failure> {
    if identity.is_empty() {
        return Err(Failure::Malformed);
    }
    account_of(identity, domain).ok_or(Failure::NotAuthorized)
}

#[cfg(test)]
pub(crate) mod tests;
