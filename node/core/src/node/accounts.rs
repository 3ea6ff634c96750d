//! What an account's owner asks about it: its sessions on all nodes, its certificates, its leave.

use super::access::CLIENT_REGISTERS;
use super::presence::Why;
use super::{Node, SessionNumber};
use crate::signal::Signal;
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::Author;
use lavina_crdt::ids::SessionId;
use lavina_crdt::names::AccountName;
use lavina_protocols::account::{AccountCommand, AccountInfo, AccountReply};
use lavina_protocols::command::{Refusal, Reply};
use lavina_protocols::event::{CloseReason, Person};

/// The register of the certificates that stand for an account's password: a fingerprint a line.
const CERTIFICATES: &str = "certificates";
/// Before the keys of registers that log-ins are checked against.
const SECRETS: &str = "client/secret/";
/// Longest value of it, bytes: a few dozen fingerprints.
const CERTIFICATES_BYTES_MAX: usize = 4096;

impl<S: Store> Node<S> {
    pub(super) fn account_command(
        &mut self,
        now: Now,
        number: SessionNumber,
        command: AccountCommand,
    ) -> Result<Reply, Refusal> {
        let reply = match command {
            AccountCommand::Info(account) => AccountReply::Info(self.account_info(account)),
            AccountCommand::ByCertificate(fingerprint) => {
                AccountReply::Named(self.certificates.get(&fingerprint).cloned())
            }
            AccountCommand::Secret(account, key) => {
                let key = format!("{CLIENT_REGISTERS}{key}");
                let register = self.register(&account, &key).filter(|_| key.starts_with(SECRETS));
                AccountReply::Secret(self.credentials(&account).map(|credentials| Box::new((credentials, register))))
            }
            AccountCommand::TakeWaiting => AccountReply::Waiting(self.take_waiting(now, number)?),
            AccountCommand::WaitsFrom(id) => {
                self.waits_from(now, number, id)?;
                AccountReply::Done
            }
            AccountCommand::WaitsOnlyFrom(id) => {
                self.waits_only_from(now, number, id)?;
                AccountReply::Done
            }
            AccountCommand::StartOver(left) => {
                self.start_over(now, number, left)?;
                AccountReply::Done
            }
            AccountCommand::Inviting => AccountReply::Inviting(self.inviting(number)),
            AccountCommand::Invite(id, invitation) => {
                self.invite_to_register(now, number, id, invitation)?;
                AccountReply::Done
            }
            AccountCommand::Invitation(id) => AccountReply::Invitation(self.invitation(now, id)),
            AccountCommand::Meet(inviter, id) => {
                self.meet(now, number, &inviter, id)?;
                AccountReply::Done
            }
            AccountCommand::Wake => {
                self.wake_own(number)?;
                AccountReply::Done
            }
            AccountCommand::LastActive(account) => AccountReply::LastActive(self.last_active(number, &account)?),
            AccountCommand::LogOut => self.log_out(now, number)?,
            AccountCommand::Sessions => AccountReply::Sessions(self.own_sessions(number)?),
            AccountCommand::End(which) => AccountReply::Ended(self.end_own(now, number, which)?),
            AccountCommand::SetAlwaysOn(choice) => {
                self.choose_always_on(now, number, choice)?;
                AccountReply::Done
            }
            AccountCommand::Seen(device) => AccountReply::Seen(self.seen(number, &device)?),
            AccountCommand::SetSeen(device, at_ms) => {
                self.set_seen(now, number, &device, at_ms)?;
                AccountReply::Done
            }
            AccountCommand::Certificates => AccountReply::Certificates(self.own_certificates(number)?),
            AccountCommand::SetCertificates(certificates) => {
                let (account, author) = self.logged_in(number)?;
                let value = certificates.join("\n").into_bytes();
                if value.len() > CERTIFICATES_BYTES_MAX {
                    return Err(Refusal::TooMany("certificates"));
                }
                self.set_register(now, account, author, CERTIFICATES.to_owned(), value)?;
                AccountReply::Done
            }
        };
        Ok(Reply::Account(reply))
    }

    fn account_info(&self, name: AccountName) -> Option<AccountInfo> {
        let registered_ms = self.replicas.account(&name)?.created.hlc.ms();
        let sessions = self.people.directory().sessions_of(&name).count();
        let is_always_on = self.is_always_on(&name);
        let always_on_choice = self.always_on_choice(&name);
        Some(AccountInfo { name, registered_ms, sessions, is_always_on, always_on_choice })
    }

    fn log_out(&mut self, now: Now, number: SessionNumber) -> Result<AccountReply, Refusal> {
        let session = self.sessions.get_mut(number).ok_or(Refusal::NotOpen)?;
        session.account.take().ok_or(Refusal::NeedsAccount)?;
        session.registration = None;
        let id = self.sessions.id(number);
        let why = Why { actor: Some(number), ..Why::default() };
        self.change_own(now, id, &why, |record| record.account = None);
        Ok(AccountReply::Done)
    }

    fn own_sessions(&self, number: SessionNumber) -> Result<Vec<Person>, Refusal> {
        let (account, _) = self.logged_in(number)?;
        let sessions = self.people.directory().sessions_of(&account);
        Ok(sessions.filter_map(|session| self.person(session)).collect())
    }

    fn end_own(&mut self, now: Now, number: SessionNumber, which: Option<SessionId>) -> Result<usize, Refusal> {
        let (account, by) = self.logged_in(number)?;
        let own = self.sessions.id(number);
        let meant = |session: &SessionId| which.map_or(*session != own, |which| *session == which);
        let ended: Vec<SessionId> = self.people.directory().sessions_of(&account).filter(meant).collect();
        for session in &ended {
            self.signal(now, *session, &Signal::Ended { by: by.clone() });
        }
        Ok(ended.len())
    }

    /// The owner of a session's account ends it from another session.
    pub(super) fn on_ended(&mut self, now: Now, number: SessionNumber, by: &Author) {
        let account = self.sessions.get(number).and_then(|session| session.account.as_ref());
        if account.is_some() && account == by.account.as_ref() {
            let words = format!("Ended by another session of {}", by.nick);
            self.disconnect_with(now, number, CloseReason::Removed, &words);
        } else {
            self.count("signals_without_right");
        }
    }

    fn own_certificates(&self, number: SessionNumber) -> Result<Vec<String>, Refusal> {
        let (account, _) = self.logged_in(number)?;
        Ok(self.certificates_of(&account))
    }

    fn certificates_of(&self, account: &AccountName) -> Vec<String> {
        let value = self.register(account, CERTIFICATES).unwrap_or_default();
        let text = String::from_utf8(value).unwrap_or_default();
        text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// An account's certificates may have changed. Of two accounts with one certificate the one that has it keeps it.
    pub(super) fn learn_certificates(&mut self, account: &AccountName) {
        self.certificates.retain(|_, owner| owner != account);
        for fingerprint in self.certificates_of(account) {
            self.certificates.entry(fingerprint).or_insert_with(|| account.clone());
        }
    }

    /// Whether a register is the one of certificates.
    pub(super) fn is_certificates(key: &str) -> bool {
        key == CERTIFICATES
    }
}
