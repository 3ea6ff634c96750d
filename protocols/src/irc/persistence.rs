//! PERSISTENCE (`draft/persistence`): whether an account stays in its channels when it is not connected, for programs to ask and set. For people it is
//! `/msg NickServ SET ALWAYS-ON`.

use super::message::Line;
use super::{Caps, Message, Now, Session};
use crate::account::{AccountCommand, AccountInfo};
use crate::command::Command;

/// PERSISTENCE.
pub(super) fn persistence(session: &mut Session, now: Now, message: &Message<'_>) {
    if session.me.account.is_none() {
        return session.fail("PERSISTENCE", "ACCOUNT_REQUIRED", &[], "You are not logged in");
    }
    let word = |index| message.param(index).map(str::to_ascii_uppercase);
    let choice = match (word(0).as_deref(), word(1).as_deref()) {
        (Some("GET"), None) => return session.learn_always_on(now, write_status),
        (Some("SET"), Some("ON")) => Some(true),
        (Some("SET"), Some("OFF")) => Some(false),
        (Some("SET"), Some("DEFAULT")) => None,
        _ => return session.fail("PERSISTENCE", "INVALID_PARAMS", &[], "Invalid parameters"),
    };
    session.answers.hold();
    let command = Command::Account(AccountCommand::SetAlwaysOn(choice));
    session.ask(command, move |session, now, answer| match answer {
        Ok(_) => session.learn_always_on(now, write_status),
        Err(refusal) => session.fail("PERSISTENCE", "UNKNOWN_ERROR", &[], &refusal.to_string()),
    });
}

fn write_status(session: &mut Session, info: &AccountInfo) {
    let choice = match info.always_on_choice {
        Some(true) => "ON",
        Some(false) => "OFF",
        None => "DEFAULT",
    };
    let effective = if info.is_always_on { "ON" } else { "OFF" };
    let line = Line::new(&session.config.node_name, "PERSISTENCE", &["STATUS", choice, effective]);
    session.reply(line);
}

/// Tells a client that wants to know, as a part of the welcome.
pub(super) fn tell(session: &mut Session, now: Now) {
    if session.caps.has(Caps::PERSISTENCE) {
        session.learn_always_on(now, write_status);
    }
}
