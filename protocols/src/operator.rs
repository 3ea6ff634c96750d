//! What operators of the mesh ask, and what they get: the part of [`Command`](crate::command::Command) and
//! [`Reply`](crate::command::Reply) that needs the right of an operator, and how one becomes one.

use lavina_crdt::account::ScramCredentials;
use lavina_crdt::barred::{Bar, Barred};
use lavina_crdt::names::{AccountName, Nick};
use std::sync::Arc;

/// An operator as a node's configuration names one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The name to give, and the one that others are shown.
    pub name: String,
    /// What is kept of the password, where there is one.
    pub password: Option<ScramCredentials>,
    /// The account that must be logged in, where one must.
    pub account: Option<AccountName>,
    /// Shown in WHOIS; empty for the usual words.
    pub title: String,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorCommand {
    /// What is known of the operator of that name, for the session to check a password against. Anybody may ask, as of an account.
    /// [`OperatorReply::Operator`].
    LookUp(String),
    /// The session has shown that it is the operator of that name. [`OperatorReply::Done`].
    Become(String),
    /// Gives the right back. [`OperatorReply::Done`].
    Resign,
    /// Ends the sessions that go by a nick, on whatever node. [`OperatorReply::Done`].
    Kill {
        /// Whom.
        nick: Nick,
        /// Why; may be empty.
        reason: String,
    },
    /// Says something to all sessions that want to hear operators. [`OperatorReply::Done`].
    Wallops(String),
    /// Keeps somebody out of the whole mesh or closes a room, with `None` lets them in again. [`OperatorReply::Done`] once durable,
    /// [`OperatorReply::NotThere`] when there is nothing to lift.
    Bar(Barred, Option<Bar>),
    /// Who is kept out. [`OperatorReply::Bars`].
    Bars,
    /// Reads the configuration and the certificates again; what comes of it is told later. [`OperatorReply::Done`].
    Reload,
    /// The operators of this node's configuration. [`OperatorReply::Operators`].
    Operators,
    /// Tells operators of somebody's abuse. Every account may. [`OperatorReply::Done`] once durable.
    Report {
        /// Whose: an address.
        whom: String,
        /// What is said of it.
        about: String,
    },
    /// The sessions of operators that are there, and the nodes. Anybody may ask. [`OperatorReply::Nodes`].
    Nodes,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorReply {
    /// It is done.
    Done,
    /// There is nothing to lift.
    NotThere,
    /// See [`OperatorCommand::LookUp`].
    Operator(Option<Operator>),
    /// Who is kept out, and since when (milliseconds since the Unix epoch).
    Bars(Vec<(Barred, Bar, u64)>),
    /// Operators.
    Operators(Vec<Operator>),
    /// Nodes, this one first.
    Nodes(Vec<NodeSummary>),
}

/// A node for LINKS and MAP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSummary {
    /// Its name.
    pub name: Arc<str>,
    /// Region and zone.
    pub place: (String, String),
    /// Whether it can be reached from here.
    pub in_reach: bool,
    /// How many sessions it has.
    pub sessions: usize,
    /// How many of them are operators.
    pub operators: usize,
    /// The round trip to it, microseconds, where it was measured.
    pub round_trip_us: Option<u64>,
}
