//! WEBIRC (IRCv3 `webirc`): a gateway says for whom it connects.
//!
//! From which networks a gateway may come, the shell knows; the password is checked here. The name that a gateway gives for the address is not shown:
//! hosts are cloaked alike for everybody.

use super::{Message, Now, Session};
use crate::sasl::matches_password;
use crate::session::{Output, Tls};
use lavina_crdt::names::NICK_BYTES_MAX;
use std::net::IpAddr;

/// Longest password looked at, in bytes: hashing is what it costs.
const PASSWORD_BYTES_MAX: usize = 4 * NICK_BYTES_MAX + 128;

/// WEBIRC: `password gateway hostname ip [options]`.
pub(super) fn webirc(session: &mut Session, _now: Now, message: &Message<'_>) {
    if !session.is_pristine() {
        session.end("WEBIRC came late", Some("WEBIRC comes first"));
        return;
    }
    let password = message.param(0).filter(|password| password.len() <= PASSWORD_BYTES_MAX).unwrap_or_default();
    let known = session.config.webirc.as_ref().filter(|_| session.gateway);
    if !known.is_some_and(|kept| matches_password(kept, password)) {
        session.end("Invalid WebIRC password", Some("Invalid WebIRC password"));
        return;
    }
    let Some(address) = message.param(3).and_then(|text| text.parse::<IpAddr>().ok()) else {
        session.end("Invalid WebIRC address", Some("Invalid WebIRC address"));
        return;
    };
    // It is secure only where both ways are; what could be bound to is the gateway's channel, not the client's.
    let secure = session.tls.is_some() && message.param(4).is_some_and(names_secure);
    session.tls = secure.then(Tls::default);
    session.gateway = false;
    session.out.push(Output::Relayed { address: address.to_canonical(), secure });
}

/// Whether the options name it, with a value or without.
fn names_secure(options: &str) -> bool {
    options.split(' ').any(|option| option.split('=').next() == Some("secure"))
}
