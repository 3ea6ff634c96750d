//! SASL EXTERNAL of clients (RFC 4422 appendix A, RFC 6120 section 6.3.4): a certificate that an account has named stands for its password.

use super::Session;
use super::auth::{Profile, Waiting};
use super::jid::Address;
use super::pending::Pending;
use crate::account::{AccountCommand, AccountReply};
use crate::command::{Command, Refusal, Reply};
use lavina_crdt::names::AccountName;

/// Its name.
pub(super) const NAME: &str = "EXTERNAL";

impl Session {
    /// The fingerprint of the certificate that the client has shown.
    pub(super) fn fingerprint(&self) -> Option<&String> {
        self.link.connection.tls.as_ref()?.fingerprint.as_ref()
    }

    /// A log-in by certificate begins. It has one message, the identity that is wanted, which may be empty (section 6.3.8).
    pub(super) fn begin_external(&mut self, initial: Option<Vec<u8>>) {
        match initial {
            Some(wanted) => self.on_external(&wanted),
            None => self.challenge(b""),
        }
    }

    /// The identity that is wanted.
    pub(super) fn on_external(&mut self, wanted: &[u8]) {
        let wanted = match std::str::from_utf8(wanted).map(|wanted| (wanted, self.link.domains.parse(wanted))) {
            Ok(("", _)) => None,
            Ok((_, Ok(Address::Account(account, None)))) => Some(account),
            Ok(_) | Err(_) => return self.refuse("invalid-authzid"),
        };
        let Some(fingerprint) = self.fingerprint().cloned() else { return self.refuse("invalid-mechanism") };
        let command = Command::Account(AccountCommand::ByCertificate(fingerprint));
        self.link.ask_and_hold(command, Pending::Login(Waiting::Certificate(wanted)));
    }

    /// Whose certificate it is.
    pub(super) fn on_certificate(
        &mut self,
        wanted: Option<AccountName>,
        profile: Profile,
        answer: Result<Reply, Refusal>,
    ) {
        let named = if let Ok(Reply::Account(AccountReply::Named(named))) = answer { named } else { None };
        match named {
            Some(account) if wanted.as_ref().is_none_or(|wanted| *wanted == account) => {
                self.log_in(account, Vec::new(), None, profile, None);
            }
            Some(_) => self.refuse("invalid-authzid"),
            None => self.refuse("not-authorized"),
        }
    }
}
