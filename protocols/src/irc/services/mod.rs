//! NickServ and ChanServ: what IRC clients know as services, as conversations (`/msg NickServ HELP`) and as commands (`/NS`, `/CS`). They are no
//! sessions: every node answers for itself, from the same accounts and rooms.

mod chanserv;
mod nickserv;

use super::message::Line;
use super::{Message, Now, Session};
use crate::command::Refusal;
use lavina_crdt::names::AccountName;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Nick,
    Chan,
}

/// Name, how many parameters it needs at least, which, what it does, and how.
type Row = (&'static str, usize, &'static str, &'static str, fn(&mut Session, &[&str]));

impl Service {
    /// The service of that nick.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        [Self::Nick, Self::Chan].into_iter().find(|service| service.name().eq_ignore_ascii_case(name))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Nick => "NickServ",
            Self::Chan => "ChanServ",
        }
    }

    const fn rows(self) -> &'static [Row] {
        match self {
            Self::Nick => nickserv::ROWS,
            Self::Chan => chanserv::ROWS,
        }
    }
}

impl Session {
    /// A service says that it was not done.
    fn service_refuses(&mut self, service: Service, refusal: &Refusal) {
        let text = if *refusal == Refusal::NeedsAccount {
            "You are not logged in.".to_owned()
        } else {
            format!("That could not be done: {refusal}.")
        };
        self.service(service, &text);
    }

    /// A line from a service, as part of a response.
    fn service(&mut self, service: Service, text: &str) {
        let source = format!("{0}!{0}@{1}", service.name(), self.config.domain);
        let line = Line::with_text(&source, "NOTICE", &[&self.me.nick], text);
        self.reply(line);
    }
}

/// NS and NICKSERV.
pub(super) fn ns(session: &mut Session, _now: Now, message: &Message<'_>) {
    said(session, Service::Nick, &message.params().join(" "));
}

/// CS and CHANSERV.
pub(super) fn cs(session: &mut Session, _now: Now, message: &Message<'_>) {
    said(session, Service::Chan, &message.params().join(" "));
}

/// Something was said to a service.
pub(super) fn said(session: &mut Session, service: Service, text: &str) {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let Some((verb, params)) = words.split_first() else { return help(session, service, None) };
    if verb.eq_ignore_ascii_case("HELP") {
        return help(session, service, params.first().copied());
    }
    match service.rows().iter().find(|(name, ..)| name.eq_ignore_ascii_case(verb)) {
        Some((name, params_min, wanted, ..)) if params.len() < *params_min => {
            session.service(service, &format!("Not enough parameters: {name} {wanted}"));
        }
        Some((.., run)) => {
            // Most ask the core twice.
            session.answers.hold();
            run(session, params);
        }
        None => {
            let text = format!("Unknown command {verb}. /msg {} HELP shows what there is.", service.name());
            session.service(service, &text);
        }
    }
}

fn help(session: &mut Session, service: Service, about: Option<&str>) {
    let rows = service.rows().iter();
    let wanted = rows.filter(|(name, ..)| about.is_none_or(|wanted| name.eq_ignore_ascii_case(wanted)));
    let lines: Vec<String> = wanted.map(|(name, _, params, does, _)| format!("{name} {params}: {does}")).collect();
    if lines.is_empty() {
        session.service(service, "There is no such command.");
    }
    for line in lines {
        session.service(service, &line);
    }
}

/// A name that a person wrote as an account.
fn account_named(session: &mut Session, service: Service, name: &str) -> Option<AccountName> {
    let account = AccountName::new(name).ok();
    if account.is_none() {
        session.service(service, &format!("{name} cannot be an account's name."));
    }
    account
}

/// A code that says that somebody means it: the same every time for the same thing, and nothing that is typed by chance.
fn code(session: &Session, what: &str) -> String {
    let mut hasher = blake3::Hasher::new_keyed(&session.config.salt_secret);
    hasher.update(b"lavina 1 confirmation\0");
    hasher.update(session.me.account.as_ref().map_or("", |account| account.as_str()).as_bytes());
    hasher.update(b"\0");
    hasher.update(what.as_bytes());
    hasher.finalize().to_hex().as_str().get(..8).unwrap_or_default().to_owned()
}
