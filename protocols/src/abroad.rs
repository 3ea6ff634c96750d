//! People of other servers: what they ask through a node's gateway, and what they are told through it.
//!
//! One session of each node, its gateway, speaks for all of them. Somebody who takes a place in a room gets a session of their own, under their
//! remote name ([`AccountName::remote`]); whoever only writes, asks or shows presence has none. How their servers are reached is the gateway's matter
//! alone.

use crate::command::{Command, RegisterView, SubscriptionStep};
use crate::event::{Person, Said};
use crate::wake::Wake;
use bytes::Bytes;
use lavina_crdt::content::Author;
use lavina_crdt::names::{AccountName, RoomName};
use std::sync::Arc;

/// Somebody of another server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remote {
    /// Their remote name.
    pub account: AccountName,
    /// One of their clients, where one is meant.
    pub resource: Option<String>,
}

/// What a gateway asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AbroadCommand {
    /// From here on the session is the node's gateway. [`Reply::Done`](crate::command::Reply::Done).
    Open,
    /// Somebody of another server asks for this; answered as the command is.
    Ask(Remote, Box<Command>),
    /// A stanza of somebody of another server, for the session that they have at another node.
    /// [`Reply::Done`](crate::command::Reply::Done); [`Refusal::NoSuchNick`](crate::command::Refusal::NoSuchNick) where there is none.
    Forward(Remote, Bytes),
    /// Somebody of another server wants to know how reachable an account is. [`Reply::Done`](crate::command::Reply::Done).
    Probe(Remote, AccountName),
    /// Of an account, where somebody of another server sees its presence, the newest register below each of the prefixes.
    /// [`Reply::Latest`](crate::command::Reply::Latest).
    Latest(Remote, AccountName, Vec<String>),
    /// A client of somebody of another server shows itself to an account here, so that other nodes need remember no longer that it did there.
    /// [`Reply::Done`](crate::command::Reply::Done).
    Shows(Remote, Showing),
    /// What an account publishes, that client of somebody of another server has been told here before it showed itself at another node.
    /// [`Reply::Done`](crate::command::Reply::Done).
    HasTold(Remote, AccountName),
}

/// That a client of somebody of another server shows itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Showing {
    /// To which account.
    pub to: AccountName,
    /// With which capabilities, as its presence names them.
    pub caps: String,
    /// Since when, milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// What somebody of another server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Somebody says something to them.
    Said(Arc<Said>),
    /// A stanza is handed through to them.
    Whisper {
        /// From which session.
        from: Person,
        /// The stanza as its sender wrote it; its `from` and `to` are to be replaced.
        stanza: Bytes,
    },
    /// An account takes a step of the subscription exchange; and what its request carries.
    Subscription(AccountName, SubscriptionStep, Bytes),
    /// Somebody whose presence they see came, changed or went.
    Presence {
        /// Who.
        person: Person,
        /// Whether it is there.
        available: bool,
    },
    /// A session that sees their presence wants to know of it.
    Probe(Person),
    /// The service is to wake a client of an account.
    Wake {
        /// Whose.
        account: AccountName,
        /// The register that holds the wish.
        key: String,
        /// The wish.
        wake: Box<Wake>,
    },
    /// They see an account's presence, whoever has said so at whatever node: who wants to know what it publishes is told.
    Sees(AccountName),
    /// That client of theirs shows itself at another node; of two in the same millisecond the one `wins` that it says so of.
    ShowsElsewhere {
        /// How.
        showing: Showing,
        /// Whether it counts for later than the same time here.
        wins: bool,
    },
    /// That client of theirs has been told by another node what an account publishes.
    HasBeenTold(AccountName),
    /// An account whose presence they see has set one of the registers that others may look at.
    Shown {
        /// Whose.
        account: AccountName,
        /// The register's key and value.
        register: RegisterView,
        /// The value of the register named by the key's part before its last slash, where it is set.
        parent: Option<Vec<u8>>,
    },
    /// They are invited.
    Invited {
        /// Where to.
        room: RoomName,
        /// By whom.
        by: Author,
        /// Why; may be empty.
        reason: String,
    },
}
