//! What clients do beside the actions that the plan's own checks follow closely: one row a deed, with its bytes in each protocol that has it.
//!
//! Placeholders: `{room}`, `{other}` (another client's nick), `{account}` (its account), `{me}`, `{text}` (never said before), `{id}` (the id
//! of the line the client saw last), `{n}` (a fresh stanza id), `{rooms}` and `{domain}`, `{long}` and `{huge}` (many bytes).

use super::{DOMAIN, ROOMS};

/// What is owed for a deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    /// Whatever the protocol has to say, which may be nothing.
    Anything,
    /// An error.
    Error,
    /// The end of the connection.
    End,
}

/// Who does it in generated plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doer {
    /// Anybody.
    All,
    /// The room's founder.
    Founder,
}

/// A stanza.
#[derive(Clone, Copy, Debug)]
enum Stanza {
    Raw(&'static str),
    /// A request: type, address, payload.
    Iq(&'static str, &'static str, &'static str),
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deed {
    /// Its name in plans and counters.
    pub(crate) name: &'static str,
    pub(crate) doer: Doer,
    pub(crate) owed: Owed,
    irc: Option<&'static str>,
    xmpp: Option<Stanza>,
}

const fn irc(name: &'static str, line: &'static str) -> Deed {
    Deed { name, doer: Doer::All, owed: Owed::Anything, irc: Some(line), xmpp: None }
}

const fn raw(name: &'static str, stanza: &'static str) -> Deed {
    Deed { name, doer: Doer::All, owed: Owed::Anything, irc: None, xmpp: Some(Stanza::Raw(stanza)) }
}

const fn iq(name: &'static str, kind: &'static str, to: &'static str, payload: &'static str) -> Deed {
    Deed { name, doer: Doer::All, owed: Owed::Anything, irc: None, xmpp: Some(Stanza::Iq(kind, to, payload)) }
}

const ROOM: &str = "{room}@{rooms}";
const SERVER: &str = "{domain}";
const SELF: &str = "";
/// Bytes of `{long}`: more than an IRC line holds, less than a stanza.
const LONG_BYTES: usize = 2_000;
/// Bytes of `{huge}`: more than a stanza holds.
const HUGE_BYTES: usize = 70_000;

impl Deed {
    const fn and_iq(self, kind: &'static str, to: &'static str, payload: &'static str) -> Self {
        Self { xmpp: Some(Stanza::Iq(kind, to, payload)), ..self }
    }

    const fn and_raw(self, stanza: &'static str) -> Self {
        Self { xmpp: Some(Stanza::Raw(stanza)), ..self }
    }

    const fn founder(self) -> Self {
        Self { doer: Doer::Founder, ..self }
    }

    const fn error(self) -> Self {
        Self { owed: Owed::Error, ..self }
    }

    const fn end(self) -> Self {
        Self { owed: Owed::End, ..self }
    }

    /// Its template in a protocol, as a whole line or stanza.
    pub(crate) fn template(&self, speaks_irc: bool) -> Option<String> {
        if speaks_irc {
            return self.irc.map(|line| format!("{line}\r\n"));
        }
        self.xmpp.map(|stanza| match stanza {
            Stanza::Raw(text) => text.to_owned(),
            Stanza::Iq(kind, "", payload) => format!("<iq type='{kind}' id='{{n}}'>{payload}</iq>"),
            Stanza::Iq(kind, to, payload) => format!("<iq type='{kind}' id='{{n}}' to='{to}'>{payload}</iq>"),
        })
    }
}

/// Fills a template's placeholders.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = template.replace("{rooms}", ROOMS).replace("{domain}", DOMAIN);
    for (name, value) in values {
        text = text.replace(name, value);
    }
    if text.contains("{long}") {
        text = text.replace("{long}", &"l".repeat(LONG_BYTES));
    }
    if text.contains("{huge}") {
        text = text.replace("{huge}", &"h".repeat(HUGE_BYTES));
    }
    text
}

/// The row of that name.
pub(crate) fn by_name(name: &str) -> Option<&'static Deed> {
    TABLES.iter().flat_map(|table| table.iter()).find(|deed| deed.name == name)
}

/// All rows.
pub(crate) const TABLES: &[&[Deed]] = &[TALK, RIGHTS, PEOPLE, HISTORY, SERVICE, KEPT, BAD];

const TALK: &[Deed] = &[
    irc("notice", "NOTICE #{room} :{text}"),
    irc("notice-to", "NOTICE {other} :{text}")
        .and_raw("<message type='headline' to='{account}@{domain}'><body>{text}</body></message>"),
    irc("slash-me", "PRIVMSG #{room} :\u{1}ACTION {text}\u{1}")
        .and_raw("<message type='groupchat' to='{room}@{rooms}'><body>/me {text}</body></message>"),
    irc("ctcp", "PRIVMSG {other} :\u{1}VERSION\u{1}"),
    irc("typing", "@+typing=active TAGMSG #{room}").and_raw(
        "<message type='groupchat' to='{room}@{rooms}'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
    ),
    irc("typing-to", "@+typing=active TAGMSG {other}").and_raw(
        "<message type='chat' to='{account}@{domain}'><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
    ),
    irc("react", "@+draft/react=yes;+draft/reply={id} TAGMSG #{room}").and_raw(
        "<message type='groupchat' to='{room}@{rooms}'><reactions xmlns='urn:xmpp:reactions:0' id='{id}'><reaction>y</reaction></reactions></message>",
    ),
    irc("two-targets", "PRIVMSG #{room},{other} :{text}"),
    raw("many-lines", "<message type='groupchat' to='{room}@{rooms}'><body>{text}\nand\n\nmore</body></message>"),
    raw("long-line", "<message type='groupchat' to='{room}@{rooms}'><body>{text} {long}</body></message>"),
    raw("whisper", "<message type='chat' to='{room}@{rooms}/{other}'><body>{text}</body><x xmlns='http://jabber.org/protocol/muc#user'/></message>"),
    raw("receipt", "<message type='chat' to='{account}@{domain}'><received xmlns='urn:xmpp:receipts' id='{id}'/></message>"),
    raw("forged-stamps", "<message type='groupchat' to='{room}@{rooms}'><body>{text}</body><stanza-id xmlns='urn:xmpp:sid:0' by='{room}@{rooms}' id='forged'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/></message>"),
    irc("forged-tags", "@time=2001-01-01T00:00:00.000Z;msgid=forged;account=root PRIVMSG #{room} :{text}"),
];

const RIGHTS: &[Deed] = &[
    irc("mode-key", "MODE #{room} +k sesame").founder(),
    irc("mode-no-key", "MODE #{room} -k sesame").founder(),
    irc("mode-limit", "MODE #{room} +l 5").founder(),
    irc("mode-no-limit", "MODE #{room} -l").founder(),
    irc("mode-invite-only", "MODE #{room} +i").founder(),
    irc("mode-open", "MODE #{room} -i").founder(),
    irc("mode-moderated", "MODE #{room} +m").founder(),
    irc("mode-free", "MODE #{room} -m").founder(),
    irc("mode-external", "MODE #{room} -n").founder(),
    irc("mode-no-external", "MODE #{room} +n").founder(),
    irc("mode-secret", "MODE #{room} +s").founder(),
    irc("mode-public", "MODE #{room} -s").founder(),
    irc("mode-topic-free", "MODE #{room} -t").founder(),
    irc("mode-topic-locked", "MODE #{room} +t").founder(),
    irc("mode-registered", "MODE #{room} +R").founder(),
    irc("mode-unregistered", "MODE #{room} -R").founder(),
    irc("mode-persistent", "MODE #{room} +P").founder(),
    irc("mode-no-requests", "MODE #{room} +C").founder(),
    irc("mode-requests", "MODE #{room} -C").founder(),
    irc("mode-forward", "MODE #{room} +f #{room}").founder(),
    irc("mode-no-forward", "MODE #{room} -f").founder(),
    irc("mute-nobody", "MODE #{room} +b $m:*!*@nowhere").founder(),
    irc("modes-together", "MODE #{room} +mv-m+t {other}").founder(),
    irc("voice", "MODE #{room} +v {other}").founder().and_iq("set", ROOM, "<query xmlns='http://jabber.org/protocol/muc#admin'><item role='participant' nick='{other}'/></query>"),
    irc("devoice", "MODE #{room} -v {other}").founder().and_iq("set", ROOM, "<query xmlns='http://jabber.org/protocol/muc#admin'><item role='visitor' nick='{other}'/></query>"),
    irc("halfop", "MODE #{room} +h {other}").founder(),
    irc("dehalfop", "MODE #{room} -h {other}").founder(),
    irc("admin", "MODE #{room} +a {other}").founder().and_iq("set", ROOM, "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='admin' jid='{account}@{domain}'/></query>"),
    irc("deadmin", "MODE #{room} -a {other}").founder(),
    irc("member", "MODE #{room} +I $a:{account}").founder().and_iq("set", ROOM, "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member' jid='{account}@{domain}'/></query>"),
    irc("no-member", "MODE #{room} -I $a:{account}").founder().and_iq("set", ROOM, "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='none' jid='{account}@{domain}'/></query>"),
    irc("founder", "MODE #{room} +q {other}").founder().and_iq("set", ROOM, "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='owner' jid='{account}@{domain}'/></query>"),
    irc("step-down", "MODE #{room} -q {me}").founder(),
    irc("ban-account", "MODE #{room} +b $a:{account}").and_iq("set", ROOM, "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='outcast' jid='{account}@{domain}'><reason>{text}</reason></item></query>"),
    irc("unban-account", "MODE #{room} -b $a:{account}").and_iq("set", ROOM, "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='none' jid='{account}@{domain}'/></query>"),
    irc("ban-nick", "MODE #{room} +b {other}!*@*"),
    irc("unban-nick", "MODE #{room} -b {other}!*@*"),
    irc("ban-host", "MODE #{room} +b *!*@{other}.nowhere"),
    irc("except", "MODE #{room} +e {other}!*@*").founder(),
    irc("unexcept", "MODE #{room} -e {other}!*@*").founder(),
    irc("ban-list", "MODE #{room} +b").and_iq("get", ROOM, "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='outcast'/></query>"),
    irc("except-list", "MODE #{room} +e"),
    irc("invited-list", "MODE #{room} +I"),
    irc("mode-query", "MODE #{room}"),
    iq("list-members", "get", ROOM, "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member'/></query>"),
    iq("list-admins", "get", ROOM, "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='admin'/></query>"),
    iq("list-owners", "get", ROOM, "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='owner'/></query>"),
    iq("list-moderators", "get", ROOM, "<query xmlns='http://jabber.org/protocol/muc#admin'><item role='moderator'/></query>"),
    iq("config-form", "get", ROOM, "<query xmlns='http://jabber.org/protocol/muc#owner'/>"),
    iq("config-title", "set", ROOM, "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field><field var='muc#roomconfig_roomname'><value>{text}</value></field><field var='muc#roomconfig_moderatedroom'><value>0</value></field><field var='muc#roomconfig_publicroom'><value>1</value></field></x></query>").founder(),
    iq("config-hidden", "set", ROOM, "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field><field var='muc#roomconfig_publicroom'><value>0</value></field></x></query>").founder(),
    iq("config-cancel", "set", ROOM, "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='cancel'/></query>").founder(),
    irc("invite", "INVITE {other} #{room}").and_raw("<message to='{room}@{rooms}'><x xmlns='http://jabber.org/protocol/muc#user'><invite to='{account}@{domain}'><reason>{text}</reason></invite></x></message>"),
    raw("invite-direct", "<message to='{account}@{domain}'><x xmlns='jabber:x:conference' jid='{room}@{rooms}'/></message>"),
    raw("decline", "<message to='{room}@{rooms}'><x xmlns='http://jabber.org/protocol/muc#user'><decline to='{account}@{domain}'/></x></message>"),
    irc("join-with-key", "JOIN #{room} sesame").and_raw("<presence to='{room}@{rooms}/{me}'><x xmlns='http://jabber.org/protocol/muc'><password>sesame</password><history maxstanzas='0'/></x></presence>"),
];

const PEOPLE: &[Deed] = &[
    irc("away", "AWAY :{text}").and_raw("<presence><show>away</show><status>{text}</status></presence>"),
    irc("back", "AWAY").and_raw("<presence/>"),
    raw("show-dnd", "<presence><show>dnd</show></presence>"),
    raw("show-xa", "<presence><show>xa</show><priority>5</priority></presence>"),
    raw("show-in-room", "<presence to='{room}@{rooms}/{me}'><show>chat</show></presence>"),
    raw("directed-presence", "<presence to='{account}@{domain}'/>"),
    raw("subscribe", "<presence type='subscribe' to='{account}@{domain}'/>"),
    raw("subscribed", "<presence type='subscribed' to='{account}@{domain}'/>"),
    raw("unsubscribe", "<presence type='unsubscribe' to='{account}@{domain}'/>"),
    raw("unsubscribed", "<presence type='unsubscribed' to='{account}@{domain}'/>"),
    raw("probe", "<presence type='probe' to='{account}@{domain}'/>"),
    iq("roster-get", "get", SELF, "<query xmlns='jabber:iq:roster'/>"),
    iq(
        "roster-set",
        "set",
        SELF,
        "<query xmlns='jabber:iq:roster'><item jid='{account}@{domain}' name='{text}'><group>sim</group></item></query>",
    ),
    iq(
        "roster-remove",
        "set",
        SELF,
        "<query xmlns='jabber:iq:roster'><item jid='{account}@{domain}' subscription='remove'/></query>",
    ),
    iq("vcard-get", "get", "{account}@{domain}", "<vCard xmlns='vcard-temp'/>"),
    iq("vcard-set", "set", SELF, "<vCard xmlns='vcard-temp'><FN>{text}</FN></vCard>"),
    irc("names", "NAMES #{room}").and_iq("get", ROOM, "<query xmlns='http://jabber.org/protocol/disco#items'/>"),
    irc("who", "WHO {other}"),
    irc("who-room", "WHO #{room}"),
    irc("whox", "WHO #{room} %tcuhnfar,42"),
    irc("whois", "WHOIS {other}").and_iq(
        "get",
        "{account}@{domain}",
        "<query xmlns='http://jabber.org/protocol/disco#info'/>",
    ),
    irc("whowas", "WHOWAS {other}"),
    irc("userhost", "USERHOST {other} {me}"),
    irc("ison", "ISON {other} nobody"),
    irc("setname", "SETNAME :{text}"),
    irc("user-mode", "MODE {me} +i"),
    irc("user-mode-query", "MODE {me}"),
    raw("nick-in-room", "<presence to='{room}@{rooms}/{me}x'/>"),
];

const HISTORY: &[Deed] = &[
    irc("history-latest", "CHATHISTORY LATEST #{room} * 10").and_iq("set", ROOM, "<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>10</max><before/></set></query>"),
    irc("history-before", "CHATHISTORY BEFORE #{room} msgid={id} 10").and_iq("set", ROOM, "<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>10</max><before>{id}</before></set></query>"),
    irc("history-after", "CHATHISTORY AFTER #{room} msgid={id} 10").and_iq("set", ROOM, "<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>10</max><after>{id}</after></set></query>"),
    irc("history-around", "CHATHISTORY AROUND #{room} msgid={id} 10"),
    irc("history-between", "CHATHISTORY BETWEEN #{room} msgid={id} timestamp=2033-01-01T00:00:00.000Z 10").and_iq("set", ROOM, "<query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field><field var='start'><value>2020-01-01T00:00:00Z</value></field><field var='end'><value>2033-01-01T00:00:00Z</value></field></x></query>"),
    irc("history-since", "CHATHISTORY LATEST #{room} timestamp=2020-01-01T00:00:00.000Z 10"),
    irc("history-targets", "CHATHISTORY TARGETS timestamp=2020-01-01T00:00:00.000Z timestamp=2033-01-01T00:00:00.000Z 10"),
    irc("history-direct", "CHATHISTORY LATEST {other} * 10").and_iq("set", SELF, "<query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field><field var='with'><value>{account}@{domain}</value></field></x></query>"),
    iq("history-account", "set", SELF, "<query xmlns='urn:xmpp:mam:2' queryid='q'><set xmlns='http://jabber.org/protocol/rsm'><max>5</max></set></query>"),
    iq("history-flipped", "set", ROOM, "<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>5</max><before/></set><flip-page/></query>"),
    iq("history-form", "get", SELF, "<query xmlns='urn:xmpp:mam:2'/>"),
    iq("history-edges", "get", ROOM, "<metadata xmlns='urn:xmpp:mam:2'/>"),
    iq("history-prefs", "get", SELF, "<prefs xmlns='urn:xmpp:mam:2'/>"),
];

const SERVICE: &[Deed] = &[
    irc("list", "LIST").and_iq("get", "{rooms}", "<query xmlns='http://jabber.org/protocol/disco#items'/>"),
    irc("motd", "MOTD"),
    irc("lusers", "LUSERS"),
    irc("version", "VERSION").and_iq("get", SERVER, "<query xmlns='jabber:iq:version'/>"),
    irc("time", "TIME").and_iq("get", SERVER, "<time xmlns='urn:xmpp:time'/>"),
    irc("info", "INFO"),
    irc("admins", "ADMIN"),
    irc("links", "LINKS"),
    irc("help", "HELP"),
    irc("helpop", "HELPOP JOIN"),
    irc("cap-list", "CAP LIST"),
    irc("cap-drop", "CAP REQ :-labeled-response"),
    irc("pong", "PONG :x"),
    irc("ping", "PING :{text}").and_iq("get", SERVER, "<ping xmlns='urn:xmpp:ping'/>"),
    iq("ping-room", "get", ROOM, "<ping xmlns='urn:xmpp:ping'/>"),
    iq("ping-self", "get", "{room}@{rooms}/{me}", "<ping xmlns='urn:xmpp:ping'/>"),
    iq("disco-server", "get", SERVER, "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
    iq("disco-items", "get", SERVER, "<query xmlns='http://jabber.org/protocol/disco#items'/>"),
    iq("disco-rooms", "get", "{rooms}", "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
    iq("disco-room", "get", ROOM, "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
    iq("session", "set", SELF, "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>"),
    iq("carbons-on", "set", SELF, "<enable xmlns='urn:xmpp:carbons:2'/>"),
    iq("carbons-off", "set", SELF, "<disable xmlns='urn:xmpp:carbons:2'/>"),
    iq(
        "private-set",
        "set",
        SELF,
        "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'><conference jid='{room}@{rooms}'/></storage></query>",
    ),
    iq("private-get", "get", SELF, "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>"),
    iq("register-form", "get", SERVER, "<query xmlns='jabber:iq:register'/>"),
    raw("sm-enable", "<enable xmlns='urn:xmpp:sm:3'/>"),
    raw("sm-request", "<r xmlns='urn:xmpp:sm:3'/>"),
    raw("sm-answer", "<a xmlns='urn:xmpp:sm:3' h='0'/>"),
    raw("sm-resume", "<resume xmlns='urn:xmpp:sm:3' previd='nothing' h='0'/>"),
    irc("quit", "QUIT :{text}").and_raw("</stream:stream>").end(),
];

/// What is kept of people and rooms, and what only operators of the mesh may do.
const KEPT: &[Deed] = &[
    irc("note", "METADATA * SET status :{text}"),
    irc("note-nothing", "METADATA * SET status"),
    irc("note-room", "METADATA #{room} SET url :{text}").founder(),
    irc("notes-of", "METADATA {other} LIST"),
    irc("note-get", "METADATA #{room} GET url status"),
    irc("notes-clear", "METADATA * CLEAR"),
    irc("notes-follow", "METADATA * SUB status url"),
    irc("notes-sync", "METADATA #{room} SYNC"),
    irc("mark", "MARKREAD #{room} timestamp=2026-01-01T00:00:00.000Z").and_iq("set", SELF, "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:xmpp:mds:displayed:0'><item id='{room}@{rooms}'><displayed xmlns='urn:xmpp:mds:displayed:0'><stanza-id xmlns='urn:xmpp:sid:0' by='{room}@{rooms}' id='{id}'/></displayed></item></publish></pubsub>"),
    irc("mark-query", "MARKREAD #{room}"),
    irc("account-info", "NS INFO {account}"),
    irc("account-sessions", "PRIVMSG NickServ :SESSIONS"),
    irc("account-certificates", "NS CERT LIST"),
    irc("account-always-on", "NS SET ALWAYS-ON ON"),
    irc("account-not-always-on", "NS SET ALWAYS-ON OFF"),
    irc("room-register", "CS REGISTER #{room}"),
    irc("room-info", "PRIVMSG ChanServ :INFO #{room}"),
    irc("room-access", "CS ACCESS #{room}"),
    irc("room-amode", "CS AMODE #{room} +v {account}").founder(),
    irc("room-op", "CS OP #{room} {other}").founder(),
    irc("room-deop", "CS DEOP #{room} {other}").founder(),
    irc("redact", "REDACT #{room} {id} :{text}").and_iq("set", ROOM, "<moderate xmlns='urn:xmpp:message-moderate:1' id='{id}'><retract xmlns='urn:xmpp:message-retract:1'/><reason>{text}</reason></moderate>"),
    irc("monitor", "MONITOR + {other},nobody"),
    irc("monitor-list", "MONITOR S"),
    irc("knock", "KNOCK #{room} :{text}"),
    irc("oper", "OPER root").error(),
    irc("kill", "KILL {other} :{text}").error(),
    irc("kline", "KLINE 1m *@{other}.nowhere :{text}").error(),
    irc("dline", "DLINE 1m 192.0.2.0/24 :{text}").error(),
    irc("wallops", "WALLOPS :{text}").error(),
    irc("rehash", "REHASH").error(),
];

const BAD: &[Deed] = &[
    irc("bad-verb", "FROBNICATE #{room}").error().and_iq("get", SERVER, "<frob xmlns='urn:nothing'/>"),
    irc("bad-count", "JOIN").error().and_iq("set", ROOM, "<query xmlns='http://jabber.org/protocol/muc#admin'/>"),
    irc("bad-room-name", "JOIN #a\u{7}b").error().and_raw("<presence to='@{rooms}/x'/>"),
    irc("bad-nick", "NICK 9,!").error(),
    irc("bad-mode", "MODE #{room} +Z").error(),
    irc("bad-limit", "MODE #{room} +l -5").error(),
    irc("bad-key", "MODE #{room} +k a,b").error(),
    irc("bad-mask", "MODE #{room} +b $z:odd").error(),
    irc("bad-history", "CHATHISTORY LATEST #{room} msgid=nothing 10").error().and_iq("set", ROOM, "<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>10</max><after>nothing</after></set></query>"),
    irc("bad-history-verb", "CHATHISTORY SIDEWAYS #{room} * 10").error(),
    irc("too-long", "PRIVMSG #{room} :{long}").error(),
    irc("too-many-tags", "@+a={long}{long}{long} PRIVMSG #{room} :{text}").error(),
    irc("many-targets", "PRIVMSG a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z :{text}").error(),
    irc("no-text", "PRIVMSG #{room}").error(),
    irc("to-nobody", "PRIVMSG nobody :{text}").error().and_raw("<message type='chat' to='nobody@{domain}'><body>{text}</body></message>"),
    irc("no-such-room", "PRIVMSG #nowhere :{text}").error().and_raw("<message type='groupchat' to='nowhere@{rooms}'><body>{text}</body></message>"),
    irc("nothing-registered", "REGISTER * * password").error(),
    irc("login-again", "AUTHENTICATE PLAIN"),
    irc("user-again", "USER a 0 * :a").error(),
    irc("empty-lines", "\r\n\r\n :"),
    irc("long-garbage", "{long} {long}").error(),
    raw("bad-jid", "<message to='a@@b'><body>{text}</body></message>").error(),
    raw("foreign", "<message to='a@elsewhere.example'><body>{text}</body></message>").error(),
    raw("forged-from", "<message from='root@{domain}' to='{account}@{domain}'><body>{text}</body></message>").end(),
    raw("no-payload", "<iq type='get' id='{n}'/>").error(),
    raw("bad-affiliation", "<iq type='set' id='{n}' to='{room}@{rooms}'><query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='king' jid='{account}@{domain}'/></query></iq>").error(),
    raw("destroy", "<iq type='set' id='{n}' to='{room}@{rooms}'><query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query></iq>"),
    raw("not-xml", "<message><<<").end(),
    raw("crossed-tags", "<message><body></message></body>").end(),
    raw("comment", "<!-- hello -->").end(),
    raw("entity", "<message to='{room}@{rooms}'><body>&bomb;</body></message>").end(),
    raw("doctype", "<!DOCTYPE x [<!ENTITY bomb 'x'>]>").end(),
    raw("huge-stanza", "<message to='{account}@{domain}'><body>{huge}</body></message>").end(),
    raw("deep", "<message><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>").end(),
    raw("unknown-stanza", "<frob xmlns='jabber:client'/>").end(),
];
