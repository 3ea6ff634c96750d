//! What an account's owner asks about it and its sessions: a part of [`Command`](crate::command::Command) and
//! [`Reply`](crate::command::Reply). All but [`AccountCommand::Info`], [`AccountCommand::ByCertificate`] and [`AccountCommand::Secret`] need the session
//! to be logged in.

use crate::event::Person;
use lavina_crdt::account::Credentials;
use lavina_crdt::ids::{MsgId, SessionId};
use lavina_crdt::invitation::{Invitation, InvitationId};
use lavina_crdt::names::AccountName;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountCommand {
    /// The session is logged in no more. [`AccountReply::Done`].
    LogOut,
    /// What is known of an account. [`AccountReply::Info`].
    Info(AccountName),
    /// All sessions of the own account, on all nodes. [`AccountReply::Sessions`].
    Sessions,
    /// Ends sessions of the own account, on whatever node: one, or all but the asker's. [`AccountReply::Ended`].
    End(Option<SessionId>),
    /// Whether the account stays in its rooms with no session anywhere; its sessions go by its name then. `None`: as is usual on this mesh.
    /// [`AccountReply::Done`] once durable.
    SetAlwaysOn(Option<bool>),
    /// Until when a device has seen what was said. [`AccountReply::Seen`].
    Seen(String),
    /// Sets it, milliseconds since the Unix epoch. [`AccountReply::Done`].
    SetSeen(String, u64),
    /// Fingerprints (SHA-256, hexadecimal) of certificates that stand for a password. [`AccountReply::Certificates`].
    Certificates,
    /// Sets them. [`AccountReply::Done`] once durable.
    SetCertificates(Vec<String>),
    /// Whose certificate has that fingerprint. [`AccountReply::Named`].
    ByCertificate(String),
    /// What is kept of an account's password and one of its registers below `secret/`, for the session to check a log-in against. No client is shown
    /// either. [`AccountReply::Secret`].
    Secret(AccountName, String),
    /// Where the direct messages begin that none of the account's sessions took; from now on they count as taken. [`AccountReply::Waiting`].
    TakeWaiting,
    /// The session was given messages and has not said that it has got them, from this one on: unless another one that was there by then takes
    /// messages, they wait for the next. [`AccountReply::Done`].
    WaitsFrom(MsgId),
    /// Of what waits by [`AccountCommand::WaitsFrom`], unless it has been given to somebody, only this message and what follows does; with `None`
    /// nothing. [`AccountReply::Done`].
    WaitsOnlyFrom(Option<MsgId>),
    /// The session's client could not go on with an earlier session of the account: that one, where it is, ends, and what the client says again of
    /// what it had said there is taken as said once. [`AccountReply::Done`].
    StartOver(Option<Left>),
    /// The session's client does not look, and something was said to it: where it wants to be woken, it is. [`AccountReply::Done`].
    Wake,
    /// Whom the session's account may invite to register. [`AccountReply::Inviting`].
    Inviting,
    /// Invites; the session's account is put in as who does. [`AccountReply::Done`] once durable, [`Refusal::NotOperator`](crate::command::Refusal) where it
    /// may not.
    Invite(InvitationId, Invitation),
    /// An invitation that can be used. [`AccountReply::Invitation`].
    Invitation(InvitationId),
    /// The session's account was invited by that one to be its contact, and is from here on. [`AccountReply::Done`] once durable.
    Meet(AccountName, InvitationId),
    /// When an account whose presence the asker sees was last there. [`AccountReply::LastActive`].
    LastActive(AccountName),
}

/// A session that its client has left, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Which.
    pub session: SessionId,
    /// What only its client knows of it.
    pub key: String,
    /// How many stanzas the client has got there.
    pub got: u32,
}

/// Whom somebody may invite to register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inviting {
    /// Nobody.
    Nobody,
    /// Who becomes a contact.
    Contacts,
    /// Anybody, under a name that is kept for them too.
    Anybody,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountReply {
    /// It is done.
    Done,
    /// An account; `None` when there is none of that name.
    Info(Option<AccountInfo>),
    /// Sessions.
    Sessions(Vec<Person>),
    /// How many sessions were told to end.
    Ended(usize),
    /// A time in milliseconds since the Unix epoch; `None` for a device that is new.
    Seen(Option<u64>),
    /// Fingerprints.
    Certificates(Vec<String>),
    /// An account's name.
    Named(Option<AccountName>),
    /// See [`AccountCommand::Secret`]; `None` for an account that does not exist.
    Secret(Option<Box<(Credentials, Option<Vec<u8>>)>>),
    /// A message; `None` when none waits.
    Waiting(Option<MsgId>),
    /// See [`AccountCommand::Inviting`].
    Inviting(Inviting),
    /// `None` when there is none, or it was used, or its time is over.
    Invitation(Option<Invitation>),
    /// `None` where it is not known.
    LastActive(Option<LastActive>),
}

/// An account as anybody may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountInfo {
    /// Its name.
    pub name: AccountName,
    /// When it was registered, milliseconds since the Unix epoch.
    pub registered_ms: u64,
    /// How many sessions it has.
    pub sessions: usize,
    /// Whether it stays in its rooms with no session anywhere.
    pub is_always_on: bool,
    /// What its owner has chosen of that; `None`: what is usual on this mesh.
    pub always_on_choice: Option<bool>,
}

/// When an account was last there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastActive {
    /// It is there.
    There,
    /// It went.
    Gone {
        /// When, milliseconds since the Unix epoch.
        at_ms: u64,
        /// With what words; may be empty.
        words: String,
    },
}
