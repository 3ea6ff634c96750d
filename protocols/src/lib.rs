//! Client protocols without IO: bytes from a client become [`Command`](command::Command)s, [`Event`](event::Event)s become bytes.
//!
//! A [`Session`](session::Session) is the machine of one connection. It knows nothing of sockets, of other sessions or of how rooms are kept; the
//! node's core sees only commands and gives events, so it never learns which protocol a client speaks.

pub mod abroad;
pub mod account;
pub mod command;
pub mod event;
mod flood;
pub mod irc;
pub mod operator;
pub mod proxy;
pub mod push;
pub mod render;
pub mod sasl;
pub mod session;
pub mod slot;
pub mod wake;
pub mod xmpp;
