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

/// Name, how many parameters it needs at least, when it may be used, what it does, and for people: which parameters and what they come to.
type Verb = (&'static str, usize, When, Run, &'static str, &'static str);

/// The most frequent first.
const VERBS: &[Verb] = &[
    (
        "PRIVMSG",
        0,
        Registered,
        messaging::privmsg,
        "<target>{,<target>} :<text>",
        "says something to people and channels",
    ),
    ("PING", 0, Always, server::ping, "<token>", "asks whether the server is there"),
    ("PONG", 0, Always, server::pong, "<token>", "answers PING"),
    ("TAGMSG", 1, Registered, messaging::tagmsg, "<target>", "sends tags without a text (message-tags)"),
    (
        "NOTICE",
        0,
        Registered,
        messaging::notice,
        "<target>{,<target>} :<text>",
        "says something that nobody answers by itself",
    ),
    (
        "JOIN",
        1,
        Registered,
        channel::join,
        "<channel>{,<channel>} [<key>{,<key>}] | 0",
        "enters channels, or leaves all",
    ),
    ("PART", 1, Registered, channel::part, "<channel>{,<channel>} [:<reason>]", "leaves channels"),
    (
        "MODE",
        1,
        Registered,
        modes::mode,
        "<channel or nick> [<modes> [<parameters>]]",
        "shows or changes what a channel is, who is what in it, or what you are",
    ),
    ("WHO", 0, Registered, who::who, "<channel, nick or mask> [o] [%<fields>[,<token>]]", "lists people"),
    (
        "CHATHISTORY",
        1,
        Registered,
        history::chathistory,
        "LATEST|BEFORE|AFTER|AROUND <target> <where> <limit> | BETWEEN <target> <where> <where> <limit> | TARGETS <when> <when> <limit>",
        "reads what was said before",
    ),
    ("CAP", 1, Always, registration::cap, "LS [302] | LIST | REQ :<capabilities> | END", "negotiates capabilities"),
    ("NICK", 0, Always, registration::nick, "<nick>", "takes a nick"),
    ("USER", 4, Always, registration::user, "<name> 0 * :<realname>", "says who connects"),
    (
        "PASS",
        1,
        Always,
        registration::pass,
        "<account>:<password> | <password>",
        "logs in while connecting, or gives the network's password",
    ),
    ("AUTHENTICATE", 1, Always, auth::authenticate, "<mechanism or data>", "logs in (SASL)"),
    ("REGISTER", 3, Always, auth::register, "<account or *> <mail address or *> <password>", "makes an account"),
    ("VERIFY", 2, Always, auth::verify, "<account> <code>", "is never needed here"),
    ("WEBIRC", 4, Always, webirc::webirc, "<password> <gateway> <host> <address> [:<options>]", "is for gateways"),
    ("QUIT", 0, Always, registration::quit, "[:<reason>]", "disconnects you"),
    ("ERROR", 0, Always, server::pong, ":<reason>", "is what the server says last"),
    (
        "BATCH",
        1,
        Registered,
        multiline::batch,
        "+<reference> draft/multiline <target> | -<reference>",
        "holds the lines of one message together",
    ),
    ("ISUPPORT", 0, Always, isupport::isupport, "", "lists what the server supports"),
    (
        "MONITOR",
        1,
        Registered,
        monitor::monitor,
        "+|- <nick>{,<nick>} | C | L | S",
        "tells you who of a list comes and goes",
    ),
    (
        "MARKREAD",
        0,
        Registered,
        read_marker::markread,
        "<target> [timestamp=<when>]",
        "shows or sets how far you have read",
    ),
    (
        "PERSISTENCE",
        1,
        Registered,
        persistence::persistence,
        "GET | SET ON|OFF|DEFAULT",
        "shows or sets whether you stay in your channels when you are not connected",
    ),
    (
        "METADATA",
        0,
        Always,
        metadata::metadata,
        "<target> GET|LIST|SET|CLEAR|SUB|UNSUB|SUBS|SYNC [<parameters>]",
        "shows or sets what is noted about people and channels",
    ),
    (
        "WEBPUSH",
        1,
        Registered,
        webpush::webpush,
        "REGISTER <endpoint> <keys> | UNREGISTER <endpoint> | VAPIDPUBKEY",
        "has a device told of what is said to you",
    ),
    ("REDACT", 2, Registered, relation::redact, "<target> <msgid> [:<reason>]", "takes back what was said"),
    ("TOPIC", 1, Registered, channel::topic, "<channel> [:<topic>]", "shows or sets a channel's topic"),
    ("KICK", 2, Registered, channel::kick, "<channel> <nick>{,<nick>} [:<reason>]", "puts people out of a channel"),
    (
        "INVITE",
        0,
        Registered,
        channel::invite,
        "[<nick> <channel>]",
        "lets somebody into a channel, or lists where you are invited",
    ),
    (
        "LIST",
        0,
        Registered,
        channel::list,
        "[<channel or mask>{,<condition>}]",
        "lists channels; conditions are >n, <n, C>n, C<n, T>n, T<n and !mask",
    ),
    ("NAMES", 0, Registered, names::names, "<channel>{,<channel>}", "lists who is in channels"),
    ("WHOIS", 0, Registered, people::whois, "[<server>] <nick>", "shows what is known of somebody"),
    ("WHOWAS", 0, Registered, people::whowas, "<nick>{,<nick>} [<count>]", "shows who had a nick before"),
    ("RENAME", 2, Registered, channel::rename, "<channel> <channel> [:<reason>]", "gives a channel another name"),
    ("KNOCK", 1, Registered, channel::knock, "<channel> [:<text>]", "asks to be invited"),
    ("AWAY", 0, Always, people::away, "[:<text>]", "marks you as away, or as back"),
    ("SETNAME", 1, Registered, people::setname, ":<realname>", "changes your real name"),
    ("USERHOST", 1, Registered, people::userhost, "<nick>{ <nick>}", "shows the hosts of people"),
    ("ISON", 1, Registered, people::ison, "<nick>{ <nick>}", "says who of these is connected"),
    ("MOTD", 0, Registered, server::motd, "[<server>]", "shows the message of the day"),
    ("LUSERS", 0, Registered, server::lusers, "", "counts people, channels and nodes"),
    ("VERSION", 0, Registered, server::version, "[<server>]", "shows the version and what is supported"),
    ("TIME", 0, Registered, server::time, "[<server>]", "shows the server's time"),
    ("INFO", 0, Registered, server::info, "[<server>]", "shows what server this is"),
    ("ADMIN", 0, Registered, server::admin, "[<server>]", "shows whom to turn to"),
    ("LINKS", 0, Registered, stats::links, "[<mask>]", "lists the nodes"),
    ("MAP", 0, Registered, stats::map, "", "shows the nodes and how far they are"),
    ("STATS", 1, Registered, stats::stats, "<letter>", "shows figures: u, l, p; for operators o, k, d, g"),
    ("NS", 0, Registered, services::ns, "<command>", "talks to NickServ"),
    ("NICKSERV", 0, Registered, services::ns, "<command>", "talks to NickServ: accounts, passwords, sessions"),
    ("CS", 0, Registered, services::cs, "<command>", "talks to ChanServ"),
    (
        "CHANSERV",
        0,
        Registered,
        services::cs,
        "<command>",
        "talks to ChanServ: registered channels and who is what in them",
    ),
    ("OPER", 2, Registered, oper::oper, "<name> <password>", "makes you an operator of the network"),
    ("KILL", 1, Registered, oper::kill, "<nick>{,<nick>} [:<reason>]", "disconnects somebody (operators)"),
    ("WALLOPS", 0, Registered, oper::wallops, ":<text>", "tells all who have mode w (operators)"),
    ("REHASH", 0, Registered, oper::rehash, "", "reads the configuration again (operators)"),
    (
        "KLINE",
        0,
        Registered,
        bars::kline,
        "[[<duration>] <mask> [:<reason>]]",
        "keeps people out, or lists who is (operators)",
    ),
    (
        "DLINE",
        0,
        Registered,
        bars::dline,
        "[[<duration>] <network> [:<reason>]]",
        "keeps networks out, or lists which are (operators)",
    ),
    ("UNKLINE", 1, Registered, bars::unkline, "<mask>", "lets people in again (operators)"),
    ("UNDLINE", 1, Registered, bars::undline, "<network>", "lets a network in again (operators)"),
    ("HELP", 0, Registered, server::help, "[<command>]", "shows what commands take and do"),
    ("HELPOP", 0, Registered, server::help, "[<command>]", "is the same as HELP"),
];

/// Handles one line.
pub(super) fn dispatch(session: &mut Session, now: Now, message: &Message<'_>) {
    let verb = VERBS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(message.command));
    let registered = matches!(session.phase, Phase::Registered(_));
    match verb {
        Some((_, _, Registered, ..)) if !registered => {
            session.numeric(ERR_NOTREGISTERED, &[], "You have not registered");
        }
        Some((name, params_min, ..))
            if message.params().len() < *params_min || says_nothing(name, *params_min, message) =>
        {
            session.numeric(ERR_NEEDMOREPARAMS, &[name], "Not enough parameters");
        }
        Some((_, _, _, run, ..)) => run(session, now, message),
        None => session.numeric(ERR_UNKNOWNCOMMAND, &[message.command], "Unknown command"),
    }
}

/// Verbs that have words of their own (IRCv3 `standard-replies`) for what is missing.
const WITH_FAULTS: &[&str] = &[
    "AUTHENTICATE",
    "BATCH",
    "CAP",
    "CHATHISTORY",
    "PERSISTENCE",
    "REDACT",
    "REGISTER",
    "RENAME",
    "SETNAME",
    "VERIFY",
    "WEBPUSH",
];

/// Whether what a verb is about is missing, as in `JOIN :`.
fn says_nothing(name: &str, params_min: usize, message: &Message<'_>) -> bool {
    params_min > 0 && message.param(0).is_none() && !WITH_FAULTS.contains(&name)
}

/// A verb's name, its parameters and what they come to, for HELP.
pub(super) fn usage(subject: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let verb = VERBS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(subject));
    verb.map(|(name, _, _, _, params, does)| (*name, *params, *does))
}

/// The names of all verbs, for HELP.
pub(super) fn all_names() -> impl Iterator<Item = &'static str> {
    VERBS.iter().map(|(name, ..)| *name)
}
