//! Operators of the mesh: OPER, KILL, WALLOPS, REHASH (RFC 2812 sections 3.1.4, 3.7.1, 4.7 and 4.2, modern.ircdocs.horse "Operator Messages").
//!
//! A name and a password are checked here against what the core knows of the node's configuration, as a log-in is.

use super::message::{Line, clip};
use super::numerics::*;
use super::registration::REASON_BYTES_MAX;
use super::{Answer, Message, Now, Session};
use crate::command::{Command, Refusal, Reply};
use crate::operator::{Operator, OperatorCommand, OperatorReply};
use crate::sasl::matches_password;
use lavina_crdt::names::Nick;

/// Failed attempts before the connection is closed: as for log-ins.
const FAILURES_MAX: u16 = 5;

impl Session {
    /// Asks for something that needs the right; `then` hears of what was granted.
    pub(super) fn ask_operator(
        &mut self,
        verb: &'static str,
        command: OperatorCommand,
        then: impl FnOnce(&mut Self, Now, OperatorReply) + Send + Sync + 'static,
    ) {
        self.ask(Command::Operator(command), move |session, now, answer| match answer {
            Ok(Reply::Operator(reply)) => then(session, now, reply),
            Ok(_) => {}
            Err(Refusal::NotOperator) => session.no_privileges(),
            Err(refusal) => session.refuse_unknown(verb, &refusal),
        });
    }

    /// 481.
    pub(super) fn no_privileges(&mut self) {
        self.numeric(ERR_NOPRIVILEGES, &[], "Permission Denied- You're not an IRC operator");
    }

    fn oper_failed(&mut self) {
        self.sasl.failures += 1;
        self.numeric(ERR_PASSWDMISMATCH, &[], "Password incorrect");
        if self.sasl.failures >= FAILURES_MAX {
            self.answers.settle(&mut self.out, &self.config.node_name);
            self.end("Too many failed attempts", Some("Too many failed attempts"));
        }
    }
}

/// OPER: a name and its password. An operator that the configuration names by account alone needs no password: the log-in was the proof.
pub(super) fn oper(session: &mut Session, _now: Now, message: &Message<'_>) {
    let name = message.param(0).unwrap_or_default().to_owned();
    let password = message.param(1).unwrap_or_default().to_owned();
    session.answers.hold();
    let look_up = Command::Operator(OperatorCommand::LookUp(name));
    session.ask(look_up, move |session, _, answer| {
        let operator = match answer {
            Ok(Reply::Operator(OperatorReply::Operator(operator))) => operator,
            Ok(_) | Err(_) => None,
        };
        match operator.filter(|operator| session.is_operator(operator, &password)) {
            Some(operator) => {
                let become_one = Command::Operator(OperatorCommand::Become(operator.name));
                session.ask(become_one, |session, _, answer| on_operator(session, &answer));
            }
            None => session.oper_failed(),
        }
    });
}

impl Session {
    fn is_operator(&self, operator: &Operator, password: &str) -> bool {
        let has_account = operator.account.is_none() || operator.account == self.me.account;
        let has_password = match &operator.password {
            Some(kept) => self.may_send_password() && matches_password(kept, password),
            None => operator.account.is_some(),
        };
        has_account && has_password
    }
}

fn on_operator(session: &mut Session, answer: &Answer) {
    if answer.is_err() {
        return session.oper_failed();
    }
    session.numeric(RPL_YOUREOPER, &[], "You are now an IRC operator");
    let nick = session.me.nick.clone();
    let line = Line::with_text(&session.config.node_name, "MODE", &[&nick], "+o");
    session.reply(line);
}

/// KILL: the sessions that go by the nick end, wherever they are.
pub(super) fn kill(session: &mut Session, _now: Now, message: &Message<'_>) {
    let names = message.param(0).unwrap_or_default();
    let reason = clip(message.param(1).unwrap_or("No reason given"), REASON_BYTES_MAX).to_owned();
    for name in names.split(',').filter(|name| !name.is_empty()).take(super::messaging::TARGETS_MAX) {
        let name = name.to_owned();
        if name.eq_ignore_ascii_case(&session.config.node_name) {
            session.numeric(ERR_CANTKILLSERVER, &[], "You can't kill a server!");
            continue;
        }
        let Ok(nick) = Nick::new(&name) else {
            session.no_such_nick(&name);
            continue;
        };
        let kill = Command::Operator(OperatorCommand::Kill { nick, reason: reason.clone() });
        session.ask(kill, move |session, _, answer| match answer {
            Ok(_) => {}
            Err(Refusal::NotOperator) => session.no_privileges(),
            Err(Refusal::NoSuchNick) => session.no_such_nick(&name),
            Err(refusal) => session.refuse_unknown("KILL", &refusal),
        });
    }
}

/// WALLOPS: to everybody on every node who has +w.
pub(super) fn wallops(session: &mut Session, _now: Now, message: &Message<'_>) {
    let Some(text) = message.param(0) else {
        return session.numeric(ERR_NEEDMOREPARAMS, &["WALLOPS"], "Not enough parameters");
    };
    session.ask_operator("WALLOPS", OperatorCommand::Wallops(text.to_owned()), |_, _, _| {});
}

/// REHASH: this node reads its configuration and certificates again. What came of it is told by a notice.
pub(super) fn rehash(session: &mut Session, _now: Now, _message: &Message<'_>) {
    session.ask_operator("REHASH", OperatorCommand::Reload, |session, _, _| {
        session.numeric(RPL_REHASHING, &["lavina.toml"], "Rehashing");
    });
}
