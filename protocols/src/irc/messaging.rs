//! PRIVMSG, NOTICE, TAGMSG: what is said, towards the core. What comes back is rendered in [`super::said`].
//!
//! RFC 2812 section 3.3, IRCv3 `message-tags` and `echo-message`, CTCP (modern.ircdocs.horse/ctcp).
//!
//! **Invariant:** of a client's tags only client-only ones (`+name`) get past here: what the server stamps, no client can.

use super::channel::{is_channel, room_of};
use super::history::shown_target;
use super::message::{LINE_BYTES_MAX, Line};
use super::multiline;
use super::names::status_target;
use super::numerics::*;
use super::people::away_text;
use super::playback;
use super::relation;
use super::said::{self, Look};
use super::services::{self, Service};
use super::{Answer, Caps, Message, Now, Session};
use crate::command::{Command, Related, Reply, Target};
use crate::event::{Conversation, Said};
use lavina_crdt::content::{Content, MessageKind};
use lavina_crdt::names::{AccountName, Nick};
use lavina_crdt::room::Rank;
use std::sync::Arc;

/// Targets of one message at most; advertised in TARGMAX.
pub(super) const TARGETS_MAX: usize = 4;

/// PRIVMSG.
pub(super) fn privmsg(session: &mut Session, now: Now, message: &Message<'_>) {
    if multiline::take(session, message, MessageKind::Message) {
        return;
    }
    if message.param(0).is_none() {
        session.numeric(ERR_NORECIPIENT, &[], "No recipient given (PRIVMSG)");
    } else if message.param(1).is_none() {
        session.numeric(ERR_NOTEXTTOSEND, &[], "No text to send");
    } else {
        say(session, now, message, MessageKind::Message);
    }
}

/// NOTICE: never answered by an error either, lest two robots answer each other (RFC 2812 section 3.3.2).
pub(super) fn notice(session: &mut Session, now: Now, message: &Message<'_>) {
    if !multiline::take(session, message, MessageKind::Notice)
        && message.param(0).is_some()
        && message.param(1).is_some()
    {
        say(session, now, message, MessageKind::Notice);
    }
}

/// TAGMSG.
pub(super) fn tagmsg(session: &mut Session, now: Now, message: &Message<'_>) {
    if !session.caps.has(Caps::MESSAGE_TAGS) {
        session.numeric(ERR_UNKNOWNCOMMAND, &["TAGMSG"], "Unknown command");
        return;
    }
    if !client_tags(message).is_empty() {
        say(session, now, message, MessageKind::Signal);
    }
}

fn say(session: &mut Session, now: Now, message: &Message<'_>, kind: MessageKind) {
    let text = message.param(1).filter(|_| kind != MessageKind::Signal).map(neutral).unwrap_or_default();
    let tags = if session.caps.has(Caps::MESSAGE_TAGS) { client_tags(message) } else { Vec::new() };
    let typing = relation::typing_of_tags(&tags).filter(|_| kind == MessageKind::Signal);
    let content = Content { kind, tags, typing, ..Content::text(text) };
    let verb: &'static str = match kind {
        MessageKind::Message | MessageKind::Letter => "PRIVMSG",
        MessageKind::Notice => "NOTICE",
        MessageKind::Signal => "TAGMSG",
    };
    let mut targets: Vec<&str> = Vec::new();
    for target in message.param(0).unwrap_or_default().split(',').filter(|target| !target.is_empty()) {
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    for (index, name) in targets.into_iter().enumerate() {
        if index >= TARGETS_MAX {
            session.numeric(ERR_TOOMANYTARGETS, &[name], "Too many targets");
            return;
        }
        if kind == MessageKind::Message && playback::said(session, now, name, message) {
            continue;
        }
        if let (Some(service), MessageKind::Message) = (Service::by_name(name), kind) {
            services::said(session, service, message.param(1).unwrap_or_default());
            continue;
        }
        match addressed(session, name) {
            Some((target, least)) => {
                let content = Content { least, ..content.clone() };
                say_to(session, verb, name.to_owned(), target, content);
            }
            None => nobody(session, verb, name),
        }
    }
}

/// There is nobody by that name.
fn nobody(session: &mut Session, verb: &str, name: &str) {
    if verb == "NOTICE" {
        return;
    }
    if is_channel(name) || status_target(name).is_some() {
        session.numeric(ERR_NOSUCHCHANNEL, &[name], "No such channel");
    } else {
        session.no_such_nick(name);
    }
}

/// Says what a client sent in several lines.
pub(super) fn say_lines(
    session: &mut Session,
    _now: Now,
    kind: MessageKind,
    name: &str,
    tags: Vec<(String, String)>,
    text: String,
    joints: Vec<u32>,
) {
    let verb = if kind == MessageKind::Notice { "NOTICE" } else { "PRIVMSG" };
    match addressed(session, name) {
        Some((target, least)) => {
            let content = Content { kind, tags, joints, least, ..Content::text(text) };
            ask_to_say(session, verb, name.to_owned(), target, content);
        }
        None => nobody(session, verb, name),
    }
}

/// Whom a message is for; in a channel with a mark before its name, who has that standing.
fn addressed(session: &Session, name: &str) -> Option<(Target, Rank)> {
    match status_target(name) {
        Some((least, channel)) => room_of(channel).map(|room| (Target::Room(room), least)),
        None => target_of(session, name).map(|target| (target, Rank::None)),
    }
}

/// A channel, a nick, or an account written as its address.
pub(super) fn target_of(session: &Session, name: &str) -> Option<Target> {
    if is_channel(name) {
        return room_of(name).map(Target::Room);
    }
    match name.split_once('@') {
        Some((local, domain)) if domain.eq_ignore_ascii_case(&session.config.domain) => {
            AccountName::new(local).ok().map(|account| Target::Account(account, None))
        }
        Some(_) if session.config.abroad => AccountName::any(name).ok().map(|remote| Target::Account(remote, None)),
        Some(_) => None,
        None => Nick::new(name).ok().map(Target::Nick),
    }
}

fn say_to(session: &mut Session, verb: &'static str, name: String, target: Target, content: Content) {
    // Cut where others would not see it is said to nobody (modern.ircdocs.horse, ERR_INPUTTOOLONG).
    let bytes = Line::with_text(&session.source(), verb, &[&name], "").len() + content.text.len();
    if bytes + 2 > LINE_BYTES_MAX && content.kind != MessageKind::Signal {
        session.numeric(ERR_INPUTTOOLONG, &[], "The line would be too long for others");
        return;
    }
    ask_to_say(session, verb, name, target, content);
}

fn ask_to_say(session: &mut Session, verb: &'static str, name: String, target: Target, content: Content) {
    let asked = match &target {
        Target::Nick(nick) if verb == "PRIVMSG" => Some(nick.clone()),
        Target::Nick(_) | Target::Room(_) | Target::Account(..) | Target::Occupant(..) => None,
    };
    let command = match relation::of_tags(&content.tags) {
        Some((of, how)) => Command::Relate(Box::new(Related { target, of, how, content })),
        None => Command::Say(target, content),
    };
    session.ask(command, move |session, now, answer| match answer {
        Ok(Reply::Said(said)) => {
            // What one says to oneself is heard, and echoed beside it (IRCv3 `echo-message`).
            if matches!(&said.conversation, Conversation::Direct { from, to, .. } if from == to) {
                session.hear_own(now, &said);
            }
            session.echo(now, &said);
        }
        Ok(_) => {}
        Err(_) if verb == "NOTICE" => {}
        Err(refusal) => session.refuse_say(verb, &name, &refusal),
    });
    if let Some(nick) = asked {
        session.ask(Command::FindNick(nick), tell_if_away);
    }
}

/// RPL_AWAY, when nobody of that nick is there.
fn tell_if_away(session: &mut Session, _now: Now, answer: Answer) {
    let Ok(Reply::People(people)) = answer else { return };
    let texts: Option<Vec<String>> = people.iter().map(away_text).collect();
    if let (Some(person), Some(text)) = (people.first(), texts.and_then(|texts| texts.into_iter().next())) {
        session.numeric(RPL_AWAY, &[person.record.nick.as_str()], &text);
    }
}

impl Session {
    /// What the session itself said (IRCv3 `echo-message`).
    fn echo(&mut self, now: Now, said: &Said) {
        if self.caps.has(Caps::ECHO_MESSAGE) {
            self.show_own(now, said);
        }
    }

    fn hear_own(&mut self, now: Now, said: &Said) {
        let target = self.me.nick.clone();
        self.tell(now, |look| said::lines(look, said, &target, None));
    }

    /// What the session itself said, as others see it.
    pub(super) fn show_own(&mut self, now: Now, said: &Said) {
        let target = shown_target(said);
        let config = Arc::clone(&self.config);
        let look = Look { caps: self.caps, node: &config.node_name, wall_ms: now.wall_ms };
        for line in said::lines(&look, said, &target, None) {
            self.reply(line);
        }
    }
}

/// Text as both protocols know it: a CTCP ACTION is `/me ` (XEP-0245); other CTCP stays as it is.
fn neutral(text: &str) -> String {
    match text.strip_prefix("\u{1}ACTION") {
        Some(action) if action.is_empty() || action.starts_with([' ', '\u{1}']) => {
            let words = action.trim_end_matches('\u{1}');
            format!("/me {}", words.strip_prefix(' ').unwrap_or(words))
        }
        Some(_) | None => text.to_owned(),
    }
}

/// Client-only tags, the last of each name.
pub(super) fn client_tags(message: &Message<'_>) -> Vec<(String, String)> {
    let mut tags: Vec<(String, String)> = Vec::new();
    for (key, value) in message.tags() {
        let Some(name) = key.strip_prefix('+') else { continue };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-./".contains(&byte)) {
            continue;
        }
        tags.retain(|(known, _)| known != key);
        tags.push((key.to_owned(), value.replace('\0', "")));
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_neutral_and_other_ctcp_is_left_alone() {
        assert_eq!(neutral("\u{1}ACTION waves\u{1}"), "/me waves");
        assert_eq!(neutral("\u{1}ACTION waves"), "/me waves");
        assert_eq!(neutral("\u{1}ACTION\u{1}"), "/me ");
        assert_eq!(neutral("\u{1}ACTIONABLE\u{1}"), "\u{1}ACTIONABLE\u{1}");
        assert_eq!(neutral("\u{1}VERSION\u{1}"), "\u{1}VERSION\u{1}");
    }

    #[test]
    fn only_client_only_tags_are_kept() {
        let line = "@time=1;msgid=x;account=root;+a=1;+;+b!=2;+draft/reply=m;+a=3 TAGMSG #a";
        let tags = client_tags(&Message::parse(line).unwrap());
        assert_eq!(tags, [("+draft/reply".to_owned(), "m".to_owned()), ("+a".to_owned(), "3".to_owned())]);
    }
}
