//! NickServ: an account, its password, its certificates and its sessions.

use super::{Row, Service, account_named};
use crate::account::{AccountCommand, AccountReply};
use crate::command::{Command, Refusal, Reply};
use crate::irc::auth;
use crate::irc::numerics::RPL_LOGGEDOUT;
use crate::irc::{Answer, Session};
use crate::sasl::derive_credentials;
use lavina_crdt::names::{AccountName, Nick};

/// Certificates of one account at most: one for each device of a busy person.
const CERTIFICATES_MAX: usize = 16;

pub(super) const ROWS: &[Row] = &[
    ("REGISTER", 1, "<password>", "makes your nick an account", register),
    ("IDENTIFY", 1, "[account] <password>", "logs you in", identify),
    ("LOGOUT", 0, "", "logs you out", logout),
    ("PASSWD", 2, "<old> <new>", "changes your password", passwd),
    ("INFO", 0, "[account]", "shows an account", info),
    ("SET", 2, "ALWAYS-ON ON|OFF|DEFAULT", "stay in your channels when you are not connected", set),
    ("SESSIONS", 0, "", "shows where you are logged in", sessions),
    ("CLIENTS", 0, "[LIST | LOGOUT <number>|ALL]", "shows or ends your sessions", clients),
    ("GHOST", 1, "<nick>", "ends your other sessions of that nick", ghost),
    ("CERT", 1, "LIST | ADD <fingerprint> | DEL <fingerprint>", "certificates that log you in (SASL EXTERNAL)", cert),
];

fn say(session: &mut Session, text: &str) {
    session.service(Service::Nick, text);
}

fn refuse(session: &mut Session, refusal: &Refusal) {
    session.service_refuses(Service::Nick, refusal);
}

fn ask(
    session: &mut Session,
    command: AccountCommand,
    then: impl FnOnce(&mut Session, AccountReply) + Send + Sync + 'static,
) {
    session.ask(Command::Account(command), move |session, _, answer| match answer {
        Ok(Reply::Account(reply)) => then(session, reply),
        Ok(_) => {}
        Err(refusal) => refuse(session, &refusal),
    });
}

fn register(session: &mut Session, params: &[&str]) {
    let Some(account) = account_named(session, Service::Nick, &session.me.nick.clone()) else { return };
    if session.me.account.is_some() {
        return say(session, "You are logged in already.");
    }
    if !session.may_register() {
        return say(session, "Accounts cannot be registered over this connection.");
    }
    let salt = session.random();
    let credentials = match derive_credentials(params.first().copied().unwrap_or_default(), salt) {
        Ok(credentials) => credentials,
        Err(error) => return say(session, &format!("That cannot be a password: {error}.")),
    };
    session.ask(Command::RegisterAccount(account.clone(), credentials, None), move |session, _, answer| match answer {
        Ok(_) => {
            say(session, "Account created.");
            log_in(session, account);
        }
        Err(Refusal::AccountExists) => say(session, "That name is taken, or looks like one that is."),
        Err(refusal) => refuse(session, &refusal),
    });
}

fn log_in(session: &mut Session, account: AccountName) {
    session.ask(Command::LogIn(account.clone()), move |session, _, answer: Answer| match answer {
        Ok(_) => {
            auth::logged_in(session, account.clone());
            say(session, &format!("You're now logged in as {account}."));
        }
        Err(refusal) => refuse(session, &refusal),
    });
}

fn identify(session: &mut Session, params: &[&str]) {
    let (name, password) = match params {
        [name, password, ..] => ((*name).to_owned(), (*password).to_owned()),
        [password] => (session.me.nick.clone(), (*password).to_owned()),
        [] => return,
    };
    if session.me.account.is_some() {
        return say(session, "You are logged in already.");
    }
    auth::check_password(session, &name, &password, |session, account| match account {
        Some(account) => log_in(session, account),
        None => say(session, "Invalid account or password."),
    });
}

fn logout(session: &mut Session, _params: &[&str]) {
    ask(session, AccountCommand::LogOut, |session, _| {
        session.me.account = None;
        let source = session.source();
        session.numeric(RPL_LOGGEDOUT, &[&source], "You are now logged out");
        say(session, "You are logged out.");
    });
}

fn passwd(session: &mut Session, params: &[&str]) {
    let [old, new, ..] = params else { return };
    let Some(account) = session.me.account.clone() else { return refuse(session, &Refusal::NeedsAccount) };
    let salt = session.random();
    let credentials = match derive_credentials(new, salt) {
        Ok(credentials) => credentials,
        Err(error) => return say(session, &format!("That cannot be a password: {error}.")),
    };
    auth::check_password(session, account.as_str(), old, |session, account| {
        if account.is_none() {
            return say(session, "The old password is wrong.");
        }
        session.ask(Command::SetCredentials(credentials), |session, _, answer| match answer {
            Ok(_) => say(session, "Your password is changed."),
            Err(refusal) => refuse(session, &refusal),
        });
    });
}

fn info(session: &mut Session, params: &[&str]) {
    let own = session.me.account.as_ref().map_or(session.me.nick.as_str(), |account| account.as_str()).to_owned();
    let name = params.first().map_or(own, |name| (*name).to_owned());
    let Some(account) = account_named(session, Service::Nick, &name) else { return };
    ask(session, AccountCommand::Info(account), |session, reply| {
        let AccountReply::Info(Some(info)) = reply else { return say(session, "There is no such account.") };
        say(session, &format!("Account: {}", info.name));
        say(session, &format!("Registered at: {}", crate::irc::time::format(info.registered_ms)));
        say(session, &format!("Sessions: {}", info.sessions));
        if info.is_always_on {
            say(session, "Always on.");
        }
    });
}

fn set(session: &mut Session, params: &[&str]) {
    let wanted = params.get(1).map(|word| word.to_ascii_uppercase());
    let on = match (params.first().map(|key| key.to_ascii_uppercase()).as_deref(), wanted.as_deref()) {
        (Some("ALWAYS-ON"), Some("ON" | "TRUE")) => Some(true),
        (Some("ALWAYS-ON"), Some("OFF" | "FALSE")) => Some(false),
        (Some("ALWAYS-ON"), Some("DEFAULT")) => None,
        _ => return say(session, "SET ALWAYS-ON with ON, OFF or DEFAULT is expected."),
    };
    session.ask(Command::Account(AccountCommand::SetAlwaysOn(on)), move |session, now, answer| {
        if let Err(refusal) = answer {
            return refuse(session, &refusal);
        }
        session.learn_always_on(now, |session, info| {
            let text = if info.is_always_on {
                "You stay in your channels when you are not connected, on every node, under your account's name."
            } else {
                "You leave your channels with your last session."
            };
            say(session, text);
        });
    });
}

fn sessions(session: &mut Session, _params: &[&str]) {
    ask(session, AccountCommand::Sessions, |session, reply| {
        let AccountReply::Sessions(people) = reply else { return };
        say(session, &format!("You are connected {} times:", people.len()));
        for (number, person) in people.iter().enumerate() {
            let record = &person.record;
            let own = if session.session_id() == Some(person.session) { " (this one)" } else { "" };
            let since = crate::irc::time::format(record.signed_on.ms());
            let text =
                format!("{}: {} at {} on {} since {since}{own}", number + 1, record.nick, record.host, person.node);
            say(session, &text);
        }
    });
}

fn clients(session: &mut Session, params: &[&str]) {
    match params {
        [verb, which, ..] if verb.eq_ignore_ascii_case("LOGOUT") => end(session, which),
        [] | [_] => sessions(session, params),
        _ => say(session, "CLIENTS LIST, or CLIENTS LOGOUT with a number or ALL."),
    }
}

fn end(session: &mut Session, which: &str) {
    if which.eq_ignore_ascii_case("ALL") {
        return ask(session, AccountCommand::End(None), ended);
    }
    let Some(index) = which.parse::<usize>().ok().and_then(|number| number.checked_sub(1)) else {
        return say(session, "A number of the list is expected.");
    };
    ask(session, AccountCommand::Sessions, move |session, reply| {
        let AccountReply::Sessions(people) = reply else { return };
        match people.get(index) {
            Some(person) => ask(session, AccountCommand::End(Some(person.session)), ended),
            None => say(session, "There is no such session."),
        }
    });
}

fn ended(session: &mut Session, reply: AccountReply) {
    if let AccountReply::Ended(count) = reply {
        say(session, &format!("{count} sessions end."));
    }
}

fn ghost(session: &mut Session, params: &[&str]) {
    let Some(nick) = params.first().and_then(|name| Nick::new(name).ok()) else {
        return say(session, "That is not a nick.");
    };
    ask(session, AccountCommand::Sessions, move |session, reply| {
        let AccountReply::Sessions(people) = reply else { return };
        let own = session.session_id();
        let ghosts =
            people.iter().filter(|person| person.record.nick.key() == nick.key() && Some(person.session) != own);
        let ghosts: Vec<_> = ghosts.map(|person| person.session).collect();
        if ghosts.is_empty() {
            return say(session, "You have no other session of that nick.");
        }
        for ghost in ghosts {
            ask(session, AccountCommand::End(Some(ghost)), ended);
        }
    });
}

fn cert(session: &mut Session, params: &[&str]) {
    let verb = params.first().map(|verb| verb.to_ascii_uppercase()).unwrap_or_default();
    let fingerprint = params.get(1).and_then(|text| fingerprint(text)).or_else(|| session.fingerprint());
    ask(session, AccountCommand::Certificates, move |session, reply| {
        let AccountReply::Certificates(mut known) = reply else { return };
        match (verb.as_str(), fingerprint) {
            ("LIST", _) => {
                say(session, &format!("You have {} certificates.", known.len()));
                for fingerprint in known {
                    say(session, &fingerprint);
                }
                return;
            }
            ("ADD", Some(_)) if known.len() >= CERTIFICATES_MAX => return say(session, "You have too many already."),
            ("ADD", Some(new)) if known.contains(&new) => return say(session, "You have that one already."),
            ("ADD", Some(new)) => known.push(new),
            ("DEL", Some(old)) if known.contains(&old) => known.retain(|fingerprint| *fingerprint != old),
            ("DEL", Some(_)) => return say(session, "You have no such certificate."),
            ("ADD" | "DEL", None) => {
                return say(session, "A SHA-256 fingerprint of 64 hexadecimal digits is expected.");
            }
            _ => return say(session, "CERT LIST, CERT ADD or CERT DEL is expected."),
        }
        ask(session, AccountCommand::SetCertificates(known), |session, _| {
            say(session, "Your certificates are changed.")
        });
    });
}

/// A fingerprint as it is kept: 64 lower-case digits.
fn fingerprint(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != ':').collect::<String>().to_ascii_lowercase();
    (digits.len() == 64 && digits.chars().all(|c| c.is_ascii_hexdigit())).then_some(digits)
}
