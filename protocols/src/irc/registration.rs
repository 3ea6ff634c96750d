//! From the first line to the welcome: CAP, PASS, NICK, USER, and QUIT. Logging in is in [`super::auth`].
//!
//! RFC 2812 section 3.1, IRCv3 `capability-negotiation`. NICK after registration is here as well.

use super::auth;
use super::caps::{self, Caps};
use super::message::{Line, clip};
use super::numerics::*;
use super::{Answer, Message, Now, Phase, Session, isupport, metadata, multiline, people, persistence, server};
use crate::command::{Command, Open, Refusal, Reply};
use crate::sasl::matches_password;
use crate::session::Sts;
use lavina_crdt::names::Nick;
use lavina_crdt::notes::{KEY_BYTES_MAX, NOTES_MAX, VALUE_BYTES_MAX};

/// Longest realname, in bytes; advertised as NAMELEN. Leaves room for everything else in a WHO line.
pub(super) const REALNAME_BYTES_MAX: usize = 150;
/// Longest user part, in bytes; advertised as USERLEN.
pub(super) const USER_BYTES_MAX: usize = 16;
/// Longest reason of QUIT, PART and KICK, in bytes; advertised as KICKLEN.
pub(super) const REASON_BYTES_MAX: usize = 300;
/// Longest password of the network looked at, in bytes: hashing is what it costs.
const PASSWORD_BYTES_MAX: usize = 256;
/// How much of the list of capabilities goes into one line.
const CAP_LINE_BYTES: usize = 400;

/// What is known before the welcome.
#[derive(Debug, Default)]
pub(super) struct Registration {
    nick: Option<Nick>,
    user: Option<(String, String)>,
    /// CAP was begun and CAP END has not come.
    negotiating: bool,
    /// What PASS said: `account:password`, or the network's password.
    pass: Option<String>,
}

impl Session {
    fn registration(&mut self) -> Option<&mut Registration> {
        match &mut self.phase {
            Phase::Registering(registration) => Some(registration),
            Phase::Registered(_) | Phase::Closed => None,
        }
    }

    /// Remembers an away message for the welcome.
    pub(super) fn away_from_the_start(&mut self, text: Option<String>) {
        let gone = text.is_some();
        self.own().away = text;
        if gone {
            self.numeric(RPL_NOWAWAY, &[], "You have been marked as being away");
        } else {
            self.numeric(RPL_UNAWAY, &[], "You are no longer marked as being away");
        }
    }

    /// Whether nothing has been said yet that belongs to registering.
    pub(super) fn is_pristine(&mut self) -> bool {
        self.registration().is_some_and(|known| known.nick.is_none() && known.user.is_none() && !known.negotiating)
    }

    /// Whether a nick has been given.
    pub(super) fn has_nick(&self) -> bool {
        self.me.nick != "*"
    }

    /// Becomes visible once all that is needed is known.
    fn advance(&mut self) {
        let Some(registration) = self.registration() else { return };
        if registration.negotiating {
            return;
        }
        let (Some(nick), Some((user, realname))) = (registration.nick.clone(), registration.user.clone()) else {
            return;
        };
        if let Some(Sts { port: Some(port), required: true, .. }) = self.config.sts
            && self.tls.is_none()
        {
            let error = format!("This network takes encrypted connections only: use TLS on port {port}");
            self.end("TLS required", Some(&error));
            return;
        }
        self.answers.hold();
        if self.me.account.is_none() {
            let pass = self.registration().and_then(|registration| registration.pass.take());
            let is_let_in = self.knows_password(pass.as_deref());
            match pass.filter(|pass| pass.contains(':')) {
                Some(pass) if !is_let_in || self.config.password.is_none() => {
                    return auth::log_in_with_pass(self, &pass);
                }
                Some(_) | None if !is_let_in => return self.pass_checked(false),
                Some(_) | None => {}
            }
        }
        let open = Open { nick, user, realname, resource: None, available: true };
        self.ask(Command::Open(open), on_opened);
    }

    /// Whether that is the network's password; where it has none, every one is.
    fn knows_password(&self, pass: Option<&str>) -> bool {
        let fits = |pass: &&str| pass.len() <= PASSWORD_BYTES_MAX;
        let Some(kept) = &self.config.password else { return true };
        pass.filter(fits).is_some_and(|pass| matches_password(kept, pass))
    }

    /// The log-in that PASS asked for is done.
    pub(super) fn pass_checked(&mut self, success: bool) {
        if success {
            self.advance();
        } else {
            self.numeric(ERR_PASSWDMISMATCH, &[], "Password incorrect");
            self.answers.settle(&mut self.out, &self.config.node_name);
            self.end("Password incorrect", Some("Password incorrect"));
        }
    }

    /// The capabilities that this session can have.
    fn offer(&self) -> Caps {
        let all = caps::TABLE.iter().fold(Caps::default(), |all, (_, cap)| all.with(*cap));
        let all = if self.config.registration && self.may_send_password() {
            all
        } else {
            all.without(Caps::ACCOUNT_REGISTRATION)
        };
        let all = if self.config.vapid.is_some() { all } else { all.without(Caps::WEBPUSH) };
        // A client that holds `account-registration` and the like loses nothing when the offer shrinks: each verb checks for itself.
        if self.mechanisms().next().is_some() { all } else { all.without(Caps::SASL) }
    }
}

/// CAP.
pub(super) fn cap(session: &mut Session, _now: Now, message: &Message<'_>) {
    let subcommand = message.param(0).unwrap_or_default();
    let argument = message.param(1).unwrap_or_default();
    match subcommand.to_ascii_uppercase().as_str() {
        "LS" => {
            let values = argument.parse::<u32>().is_ok_and(|version| version >= 302);
            if values {
                session.caps = session.caps.with(Caps::CAP_NOTIFY);
            }
            negotiate(session);
            list(session, "LS", session.offer(), values);
        }
        "LIST" => list(session, "LIST", session.caps, false),
        "REQ" => {
            negotiate(session);
            request(session, argument);
        }
        "END" => {
            if let Some(registration) = session.registration() {
                registration.negotiating = false;
                session.advance();
            }
        }
        _ => session.numeric(ERR_INVALIDCAPCMD, &[subcommand], "Invalid CAP command"),
    }
}

fn negotiate(session: &mut Session) {
    if let Some(registration) = session.registration() {
        registration.negotiating = true;
    }
}

fn list(session: &mut Session, subcommand: &str, set: Caps, values: bool) {
    let mut lines = vec![String::new()];
    let valued = |(name, cap): &(&str, Caps)| {
        let value = if values { value(session, *cap) } else { String::new() };
        format!("{name}{value}")
    };
    let items = caps::TABLE.iter().filter(|(_, cap)| set.has(*cap)).map(valued);
    // It cannot be asked for, so it is no capability of the table; without its value it says nothing.
    for item in items.chain(sts(session).filter(|_| values)) {
        match lines.last_mut() {
            // Only clients that gave a version know continued lists.
            Some(line) if !values || line.len() + item.len() < CAP_LINE_BYTES => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(&item);
            }
            Some(_) | None => lines.push(item),
        }
    }
    let last = lines.len() - 1;
    for (index, text) in lines.iter().enumerate() {
        let middle: &[&str] = if index == last { &[subcommand] } else { &[subcommand, "*"] };
        let line =
            Line::with_text(&session.config.node_name, "CAP", &[&[session.me.nick.as_str()], middle].concat(), text);
        session.reply(line);
    }
}

/// The policy of strict transport security (IRCv3 `sts`).
fn sts(session: &Session) -> Option<String> {
    let policy = session.config.sts?;
    if session.tls.is_some() {
        policy.seconds.map(|seconds| format!("sts=duration={seconds}"))
    } else {
        policy.port.map(|port| format!("sts=port={port}"))
    }
}

fn value(session: &Session, cap: Caps) -> String {
    if cap == Caps::SASL {
        format!("={}", session.mechanism_names().join(","))
    } else if cap == Caps::ACCOUNT_REGISTRATION {
        let early = if session.config.password.is_none() { "before-connect," } else { "" };
        format!("={early}custom-account-name")
    } else if cap == Caps::METADATA_2 || cap == Caps::METADATA_3 {
        let limits = format!("max-subs={},max-keys={NOTES_MAX}", metadata::SUBSCRIPTIONS_MAX);
        format!("=before-connect,{limits},max-key-bytes={KEY_BYTES_MAX},max-value-bytes={VALUE_BYTES_MAX}")
    } else if cap == Caps::MULTILINE {
        format!("=max-bytes={},max-lines={}", multiline::BYTES_MAX, multiline::LINES_MAX)
    } else {
        String::new()
    }
}

/// All or nothing.
fn request(session: &mut Session, wanted: &str) {
    let offer = session.offer();
    let mut set = Some(session.caps);
    for item in wanted.split(' ').filter(|item| !item.is_empty()) {
        set = match (set, item.strip_prefix('-')) {
            (Some(set), Some(name)) => caps::by_name(name).map(|cap| set.without(cap)),
            (Some(set), None) => caps::by_name(item).filter(|cap| offer.has(*cap)).map(|cap| set.with(cap)),
            (None, _) => None,
        };
    }
    // One or the other (`draft/metadata-3`, "Relation with other specifications").
    let set = set.filter(|set| !set.has(Caps::METADATA_2.with(Caps::METADATA_3)));
    if let Some(set) = set {
        session.caps = set;
        if !session.hears_metadata()
            && let Some(own) = &mut session.own
        {
            own.subscribed.clear();
        }
        // Labels, like any tag of a client, need room before the line.
        if set.has(Caps::MESSAGE_TAGS) || set.has(Caps::MULTILINE) || set.has(Caps::LABELED_RESPONSE) {
            session.lines.allow_tags();
        }
    }
    let verdict = if set.is_some() { "ACK" } else { "NAK" };
    let line = Line::with_text(&session.config.node_name, "CAP", &[&session.me.nick, verdict], wanted);
    session.reply(line);
}

/// PASS: `account:password` logs in; any other one is the network's, and ignored where there is none.
pub(super) fn pass(session: &mut Session, _now: Now, message: &Message<'_>) {
    let password = message.param(0).map(str::to_owned);
    match session.registration() {
        Some(registration) => registration.pass = password,
        None => already_registered(session),
    }
}

fn already_registered(session: &mut Session) {
    session.numeric(ERR_ALREADYREGISTERED, &[], "You may not reregister");
}

/// USER.
pub(super) fn user(session: &mut Session, _now: Now, message: &Message<'_>) {
    if message.params().get(3).is_some_and(|realname| realname.is_empty()) {
        session.numeric(ERR_NEEDMOREPARAMS, &["USER"], "Not enough parameters");
        return;
    }
    let plain = |c: &char| c.is_ascii_alphanumeric() || "-_.~".contains(*c);
    let name = session.take_device(message.param(0).unwrap_or_default());
    let name: String = name.chars().filter(plain).take(USER_BYTES_MAX).collect();
    let name = if name.is_empty() { "user".to_owned() } else { name };
    let realname = clip(message.param(3).unwrap_or(&name), REALNAME_BYTES_MAX).to_owned();
    match session.registration() {
        Some(registration) => {
            registration.user = Some((name.clone(), realname.clone()));
            session.me.user = name;
            session.me.realname = realname;
            session.advance();
        }
        None => already_registered(session),
    }
}

/// NICK, before and after registration.
pub(super) fn nick(session: &mut Session, _now: Now, message: &Message<'_>) {
    let Some(wanted) = message.param(0) else {
        session.numeric(ERR_NONICKNAMEGIVEN, &[], "No nickname given");
        return;
    };
    let Ok(nick) = Nick::new(wanted) else {
        session.numeric(ERR_ERRONEUSNICKNAME, &[wanted], "Erroneous nickname");
        return;
    };
    if let Some(registration) = session.registration() {
        registration.nick = Some(nick);
        session.me.nick = wanted.to_owned();
        session.advance();
    } else if wanted != session.me.nick {
        // Later lines are answered to the nick that comes of it.
        session.answers.hold();
        session.ask(Command::ClaimNick(nick.clone()), move |session, _, answer| match answer {
            Ok(_) => session.nick_is(&nick),
            Err(refusal) => session.refuse_nick(nick.as_str(), &refusal),
        });
    }
}

impl Session {
    /// Takes note of the session's own new nick, and says so unless the event has come first.
    pub(super) fn nick_is(&mut self, nick: &Nick) {
        if self.me.nick != nick.as_str() {
            let line = Line::with_text(&self.source(), "NICK", &[], nick.as_str());
            self.me.nick = nick.to_string();
            self.reply(line);
        }
    }

    fn refuse_nick(&mut self, nick: &str, refusal: &Refusal) {
        if *refusal == Refusal::NickInUse {
            self.numeric(ERR_NICKNAMEINUSE, &[nick], "Nickname is already in use");
        } else {
            self.refuse_unknown("NICK", refusal);
        }
    }
}

fn on_opened(session: &mut Session, now: Now, answer: Answer) {
    let opened = match answer {
        Ok(Reply::Opened(opened)) => opened,
        Ok(_) => return,
        Err(refusal) => {
            if let Refusal::Barred(words) = &refusal {
                session.barred(words);
                return;
            }
            let wanted = std::mem::replace(&mut session.me.nick, "*".to_owned());
            if let Some(registration) = session.registration() {
                registration.nick = None;
            }
            session.refuse_nick(&wanted, &refusal);
            return;
        }
    };
    let away = session.own.as_mut().and_then(|own| own.away.take());
    session.phase = Phase::Registered(opened.session);
    session.me.nick = opened.nick.to_string();
    session.me.account.clone_from(&opened.account);
    welcome(session, now);
    metadata::note_earlier(session);
    server::lusers_then(session, |_| {});
    persistence::tell(session, now);
    metadata::burst_then(session, server::write_motd);
    session.resume(opened);
    if away.is_some() {
        people::set_away(session, away);
    }
}

fn welcome(session: &mut Session, now: Now) {
    let config = std::sync::Arc::clone(&session.config);
    let (nick, node) = (session.me.nick.clone(), config.node_name.as_str());
    session.numeric(RPL_WELCOME, &[], &format!("Welcome to the {} network, {nick}", config.network));
    session.numeric(RPL_YOURHOST, &[], &format!("Your host is {node}, running version {}", server::VERSION));
    let created = super::time::format(config.started_ms);
    session.numeric(RPL_CREATED, &[], &format!("This server was started {created}"));
    session.numeric_words(RPL_MYINFO, &[node, server::VERSION, "BRiorwx", "beIfiklmnstuCMPRqaohv", "beIfklqaohv"]);
    isupport::write(session, now);
}

/// QUIT: what the client is still owed comes first, such as the echo of what it has just said.
pub(super) fn quit(session: &mut Session, _now: Now, message: &Message<'_>) {
    // The mark keeps a reason from passing for what the server says of a cut.
    let reason = message.param(0).map_or("Quit".to_owned(), |text| format!("Quit: {}", clip(text, REASON_BYTES_MAX)));
    session.answers.hold();
    session.ask(Command::Sync, move |session, _, _| {
        if session.session_id().is_some() {
            // As others see it, for clients that wait for it.
            let line = Line::with_text(&session.source(), "QUIT", &[], &reason);
            session.reply(line);
            session.answers.settle(&mut session.out, &session.config.node_name);
        }
        session.end(&reason, Some(&format!("Closing link: {} ({reason})", session.host)));
    });
}
