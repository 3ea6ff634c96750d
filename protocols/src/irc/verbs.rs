//! The verbs there are: one row each. What they do is in the file of their family.

use super::numerics::{ERR_NEEDMOREPARAMS, ERR_NOTREGISTERED, ERR_UNKNOWNCOMMAND};
use super::{Message, Phase, Session};
use super::{
    auth, bars, channel, history, isupport, messaging, metadata, modes, monitor, multiline, names, oper, people,
    persistence, read_marker, registration, relation, server, services, stats, webirc, webpush, who,
};
use lavina_crdt::clock::Now;

type Run = fn(&mut Session, Now, &Message<'_>);

/// When a verb may be used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    Registered,
}

use When::{Always, Registered};

/// Name, how many parameters it needs at least, when, what it does. The most frequent first.
const VERBS: &[(&str, usize, When, Run)] = &[
    ("PRIVMSG", 0, Registered, messaging::privmsg),
    ("PING", 0, Always, server::ping),
    ("PONG", 0, Always, server::pong),
    ("TAGMSG", 1, Registered, messaging::tagmsg),
    ("NOTICE", 0, Registered, messaging::notice),
    ("JOIN", 1, Registered, channel::join),
    ("PART", 1, Registered, channel::part),
    ("MODE", 1, Registered, modes::mode),
    ("WHO", 0, Registered, who::who),
    ("CHATHISTORY", 1, Registered, history::chathistory),
    ("CAP", 1, Always, registration::cap),
    ("NICK", 0, Always, registration::nick),
    ("USER", 4, Always, registration::user),
    ("PASS", 1, Always, registration::pass),
    ("AUTHENTICATE", 1, Always, auth::authenticate),
    ("REGISTER", 3, Always, auth::register),
    ("VERIFY", 2, Always, auth::verify),
    ("WEBIRC", 4, Always, webirc::webirc),
    ("QUIT", 0, Always, registration::quit),
    ("ERROR", 0, Always, server::pong),
    ("BATCH", 1, Registered, multiline::batch),
    ("ISUPPORT", 0, Always, isupport::isupport),
    ("MONITOR", 1, Registered, monitor::monitor),
    ("MARKREAD", 0, Registered, read_marker::markread),
    ("PERSISTENCE", 1, Registered, persistence::persistence),
    ("METADATA", 0, Always, metadata::metadata),
    ("WEBPUSH", 1, Registered, webpush::webpush),
    ("REDACT", 2, Registered, relation::redact),
    ("TOPIC", 1, Registered, channel::topic),
    ("KICK", 2, Registered, channel::kick),
    ("INVITE", 0, Registered, channel::invite),
    ("LIST", 0, Registered, channel::list),
    ("NAMES", 0, Registered, names::names),
    ("WHOIS", 0, Registered, people::whois),
    ("WHOWAS", 0, Registered, people::whowas),
    ("RENAME", 2, Registered, channel::rename),
    ("KNOCK", 1, Registered, channel::knock),
    ("AWAY", 0, Always, people::away),
    ("SETNAME", 1, Registered, people::setname),
    ("USERHOST", 1, Registered, people::userhost),
    ("ISON", 1, Registered, people::ison),
    ("MOTD", 0, Registered, server::motd),
    ("LUSERS", 0, Registered, server::lusers),
    ("VERSION", 0, Registered, server::version),
    ("TIME", 0, Registered, server::time),
    ("INFO", 0, Registered, server::info),
    ("ADMIN", 0, Registered, server::admin),
    ("LINKS", 0, Registered, stats::links),
    ("MAP", 0, Registered, stats::map),
    ("STATS", 0, Registered, stats::stats),
    ("NS", 0, Registered, services::ns),
    ("NICKSERV", 0, Registered, services::ns),
    ("CS", 0, Registered, services::cs),
    ("CHANSERV", 0, Registered, services::cs),
    ("OPER", 2, Registered, oper::oper),
    ("KILL", 1, Registered, oper::kill),
    ("WALLOPS", 0, Registered, oper::wallops),
    ("REHASH", 0, Registered, oper::rehash),
    ("KLINE", 0, Registered, bars::kline),
    ("DLINE", 0, Registered, bars::dline),
    ("UNKLINE", 1, Registered, bars::unkline),
    ("UNDLINE", 1, Registered, bars::undline),
    ("HELP", 0, Registered, server::help),
    ("HELPOP", 0, Registered, server::help),
];

/// Handles one line.
pub(super) fn dispatch(session: &mut Session, now: Now, message: &Message<'_>) {
    let verb = VERBS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(message.command));
    let registered = matches!(session.phase, Phase::Registered(_));
    match verb {
        Some((_, _, Registered, _)) if !registered => {
            session.numeric(ERR_NOTREGISTERED, &[], "You have not registered");
        }
        Some((name, params_min, ..)) if message.params().len() < *params_min => {
            session.numeric(ERR_NEEDMOREPARAMS, &[name], "Not enough parameters");
        }
        Some((.., run)) => run(session, now, message),
        None => session.numeric(ERR_UNKNOWNCOMMAND, &[message.command], "Unknown command"),
    }
}

/// The names of all verbs, for HELP.
pub(super) fn all_names() -> impl Iterator<Item = &'static str> {
    VERBS.iter().map(|(name, ..)| *name)
}
