//! CHATHISTORY (IRCv3 `draft/chathistory`): pages of history in the protocol's own terms. Which messages somebody may see is decided by
//! the core.

use super::channel::room_of;
use super::happened;
use super::message::Line;
use super::said::{self, Look, channel_name};
use super::{Answer, Caps, Message, Now, Session};
use crate::command::{Bound, Command, ConversationName, HistoryOf, HistoryQuery, Refusal, Reply, Target};
use crate::event::{Conversation, Said};
use lavina_crdt::content::MessageKind;
use lavina_crdt::ids::MsgId;
use lavina_crdt::names::{AccountName, Nick};
use std::sync::Arc;

/// Messages of one page at most; advertised as CHATHISTORY. What a client shows at once many times over, and yet one page stays far below the
/// limit of what may be queued for it.
pub(super) const MESSAGES_MAX: usize = 500;

type Fault = (&'static str, String, &'static str);

/// What a client asks for.
#[derive(Clone, Debug)]
enum Wanted {
    Range { after: Option<Bound>, before: Option<Bound>, newest: bool },
    Around(Bound),
}

/// CHATHISTORY.
pub(super) fn chathistory(session: &mut Session, _now: Now, message: &Message<'_>) {
    let subcommand = message.param(0).unwrap_or_default().to_ascii_uppercase();
    let outcome = if subcommand == "TARGETS" {
        targets(session, message.params())
    } else {
        messages(session, &subcommand, message.params())
    };
    if let Err((code, context, text)) = outcome {
        let shown = if subcommand.is_empty() { "*" } else { subcommand.as_str() };
        let context: Vec<&str> =
            std::iter::once(shown).chain((!context.is_empty()).then_some(context.as_str())).collect();
        session.fail("CHATHISTORY", code, &context, text);
    }
}

fn invalid(context: &str, text: &'static str) -> Fault {
    ("INVALID_PARAMS", context.to_owned(), text)
}

fn messages(session: &mut Session, subcommand: &str, params: &[&str]) -> Result<(), Fault> {
    let count = match subcommand {
        "LATEST" | "BEFORE" | "AFTER" | "AROUND" => 4,
        "BETWEEN" => 5,
        _ => return Err(invalid("", "Unknown command")),
    };
    check_count(params, count)?;
    let &[_, target, first, ref rest @ ..] = params else { return Err(invalid("", "Insufficient parameters")) };
    let limit = parse_limit(rest.last().copied().unwrap_or_default())?;
    let wanted = match subcommand {
        "LATEST" => {
            let after = if first == "*" { None } else { Some(parse_bound(first)?) };
            Wanted::Range { after, before: None, newest: true }
        }
        "BEFORE" => Wanted::Range { after: None, before: Some(parse_bound(first)?), newest: true },
        "AFTER" => Wanted::Range { after: Some(parse_bound(first)?), before: None, newest: false },
        "AROUND" => Wanted::Around(parse_bound(first)?),
        _ => between(parse_bound(first)?, parse_bound(rest.first().copied().unwrap_or_default())?),
    };
    let of = history_of(target).ok_or_else(|| no_target(target))?;
    if matches!(&of, HistoryOf::Room(room) if !session.rooms.contains(room)) {
        return Err(no_target(target));
    }
    fetch(session, subcommand.to_owned(), target.to_owned(), of, wanted, limit);
    Ok(())
}

fn no_target(target: &str) -> Fault {
    ("INVALID_TARGET", target.to_owned(), "Messages could not be retrieved")
}

fn check_count(params: &[&str], count: usize) -> Result<(), Fault> {
    match params.len().cmp(&count) {
        std::cmp::Ordering::Less => Err(invalid("", "Insufficient parameters")),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(invalid("", "Too many parameters")),
    }
}

fn parse_limit(text: &str) -> Result<usize, Fault> {
    match text.parse::<usize>() {
        Ok(0) => Ok(MESSAGES_MAX),
        Ok(limit) => Ok(limit.min(MESSAGES_MAX)),
        Err(_) => Err(invalid(text, "Invalid limit")),
    }
}

fn parse_bound(text: &str) -> Result<Bound, Fault> {
    if let Some(id) = text.strip_prefix("msgid=") {
        return id.parse::<MsgId>().map(Bound::Id).map_err(|_| invalid(text, "Invalid message id"));
    }
    parse_time(text).map(Bound::Time)
}

fn parse_time(text: &str) -> Result<u64, Fault> {
    let time = text.strip_prefix("timestamp=").and_then(super::time::parse);
    time.ok_or_else(|| invalid(text, "Invalid timestamp"))
}

/// The limit counts from the first bound, whichever is the later one.
fn between(first: Bound, second: Bound) -> Wanted {
    let ms = |bound: &Bound| match bound {
        Bound::Id(id) => id.hlc().ms(),
        Bound::Time(ms) => *ms,
    };
    let forwards = match (&first, &second) {
        (Bound::Id(first), Bound::Id(second)) => first <= second,
        (Bound::Id(_) | Bound::Time(_), Bound::Id(_) | Bound::Time(_)) => ms(&first) <= ms(&second),
    };
    if forwards {
        Wanted::Range { after: Some(first), before: Some(second), newest: false }
    } else {
        Wanted::Range { after: Some(second), before: Some(first), newest: true }
    }
}

fn history_of(target: &str) -> Option<HistoryOf> {
    if target.starts_with('#') {
        return room_of(target).map(HistoryOf::Room);
    }
    if target.contains('@') {
        // Somebody of another server.
        return AccountName::any(target).ok().map(|account| HistoryOf::With(Target::Account(account, None)));
    }
    Nick::new(target).ok().map(|nick| HistoryOf::With(Target::Nick(nick)))
}

fn fetch(session: &mut Session, subcommand: String, target: String, of: HistoryOf, wanted: Wanted, limit: usize) {
    let texts = !session.caps.has(Caps::EVENT_PLAYBACK);
    let queries = match &wanted {
        Wanted::Range { after, before, newest } => {
            vec![HistoryQuery {
                of: of.clone(),
                after: *after,
                before: *before,
                ids: Vec::new(),
                limit,
                newest: *newest,
                texts,
                events: !texts,
            }]
        }
        Wanted::Around(bound) => around(&of, *bound, limit, texts),
    };
    let last = queries.len() - 1;
    // A refusal leads to another question, and lines after this one are to wait for its answer.
    session.answers.hold();
    for (index, query) in queries.into_iter().enumerate() {
        let (subcommand, target, of, wanted) = (subcommand.clone(), target.clone(), of.clone(), wanted.clone());
        session.ask(Command::History(query), move |session, now, answer| {
            let refusal = gather(session, answer);
            if index < last {
                return;
            }
            match (refusal, by_account(&of)) {
                (None, _) => write_page(session, now, &target, limit),
                (Some(Refusal::NoSuchNick | Refusal::NoSuchAccount), Some(of)) => {
                    fetch(session, subcommand, target, of, wanted, limit);
                }
                (Some(refusal), _) => {
                    let code = if refusal == Refusal::NoSuchMessage || refusal == Refusal::Storage {
                        "MESSAGE_ERROR"
                    } else {
                        "INVALID_TARGET"
                    };
                    session.fail("CHATHISTORY", code, &[&subcommand, &target], "Messages could not be retrieved");
                }
            }
        });
    }
}

/// Somebody not here may still be an account with which there is a conversation.
fn by_account(of: &HistoryOf) -> Option<HistoryOf> {
    match of {
        HistoryOf::With(Target::Nick(nick)) => {
            let account = AccountName::new(nick.as_str()).ok()?;
            Some(HistoryOf::With(Target::Account(account, None)))
        }
        HistoryOf::With(_) | HistoryOf::Room(_) | HistoryOf::Account => None,
    }
}

/// Half before, the message itself, the rest after.
fn around(of: &HistoryOf, bound: Bound, limit: usize, texts: bool) -> Vec<HistoryQuery> {
    let query = |after, before, limit, newest| HistoryQuery {
        of: of.clone(),
        after,
        before,
        ids: Vec::new(),
        limit,
        newest,
        texts,
        events: !texts,
    };
    let half = limit / 2;
    let mut queries = Vec::new();
    if half > 0 {
        queries.push(query(None, Some(bound), half, true));
    }
    let itself = match bound {
        Bound::Id(id) => {
            queries.push(HistoryQuery { ids: vec![id], ..query(None, None, 1, false) });
            1
        }
        Bound::Time(_) => 0,
    };
    if limit - half > itself {
        // Time bounds are exclusive: what was said in that very millisecond belongs to the later half.
        let after = match bound {
            Bound::Id(id) => Bound::Id(id),
            Bound::Time(ms) => Bound::Time(ms.saturating_sub(1)),
        };
        queries.push(query(Some(after), None, limit - half - itself, false));
    }
    queries
}

/// Keeps the messages of one answer; gives the refusal where it was one.
fn gather(session: &mut Session, answer: Answer) -> Option<Refusal> {
    match answer {
        Ok(Reply::History(page)) => {
            if let Some(gathered) = session.answers.gathered() {
                gathered.said.extend(page.messages);
                gathered.happened.extend(page.events);
            }
            None
        }
        Ok(_) => None,
        Err(refusal) => Some(refusal),
    }
}

fn write_page(session: &mut Session, now: Now, target: &str, limit: usize) {
    let gathered = session.answers.gathered().map(std::mem::take).unwrap_or_default();
    let batch = open_batch(session, &["chathistory", target]);
    let config = Arc::clone(&session.config);
    let look = Look { caps: session.caps, node: &config.node_name, wall_ms: now.wall_ms };
    let texts = !session.caps.has(Caps::EVENT_PLAYBACK);
    let said = gathered.said.iter().filter(|said| !texts || said.content.kind != MessageKind::Signal);
    let said = said.map(|said| (said.id, said::lines(&look, said, &shown_target(said), batch.as_deref())));
    let done = gathered.happened.iter();
    let done = done.map(|done| (done.id, happened::lines(&look, done, batch.as_deref())));
    let mut all: Vec<(MsgId, Vec<Line>)> = said.chain(done).collect();
    all.sort_by_key(|(id, _)| *id);
    for line in all.into_iter().take(limit).flat_map(|(_, lines)| lines) {
        session.reply(line);
    }
    close_batch(session, batch);
}

/// Messages of one conversation, in a batch where the client knows batches.
pub(super) fn write_said(session: &mut Session, now: Now, target: &str, messages: &[Arc<Said>]) {
    let batch = open_batch(session, &["chathistory", target]);
    let config = Arc::clone(&session.config);
    let look = Look { caps: session.caps, node: &config.node_name, wall_ms: now.wall_ms };
    for line in messages.iter().flat_map(|said| said::lines(&look, said, &shown_target(said), batch.as_deref())) {
        session.reply(line);
    }
    close_batch(session, batch);
}

pub(super) fn shown_target(said: &Said) -> String {
    match &said.conversation {
        Conversation::Room(room) => said::room_target(room, &said.content),
        Conversation::Direct { to_nick, .. } => to_nick.to_string(),
    }
}

pub(super) fn open_batch(session: &mut Session, params: &[&str]) -> Option<String> {
    if !session.caps.has(Caps::BATCH) {
        return None;
    }
    let name = session.answers.batch_name();
    let start = format!("+{name}");
    let line = Line::new(&session.config.node_name, "BATCH", &[&[start.as_str()], params].concat());
    session.reply(line);
    Some(name)
}

pub(super) fn close_batch(session: &mut Session, batch: Option<String>) {
    if let Some(name) = batch {
        let line = Line::new(&session.config.node_name, "BATCH", &[&format!("-{name}")]);
        session.reply(line);
    }
}

fn targets(session: &mut Session, params: &[&str]) -> Result<(), Fault> {
    check_count(params, 4)?;
    let &[_, first, second, limit] = params else { return Err(invalid("", "Insufficient parameters")) };
    let (first, second, limit) = (parse_time(first)?, parse_time(second)?, parse_limit(limit)?);
    // Bounds are exclusive, the core's range begins with its first millisecond.
    let (from_ms, to_ms) = (first.min(second) + 1, first.max(second));
    // As with BETWEEN the limit counts from the first time.
    let newest = first > second;
    session.ask(Command::HistoryTargets { from_ms, to_ms, limit, newest }, |session, _, answer| match answer {
        Ok(Reply::Targets(targets)) => write_targets(session, &targets),
        Ok(_) => {}
        Err(refusal) => session.fail("CHATHISTORY", "MESSAGE_ERROR", &["TARGETS"], &refusal.to_string()),
    });
    Ok(())
}

fn write_targets(session: &mut Session, targets: &[(ConversationName, u64)]) {
    let batch = open_batch(session, &["draft/chathistory-targets"]);
    for (name, at_ms) in targets {
        let name = match name {
            ConversationName::Room(room) => channel_name(room),
            ConversationName::Account(account) => account.to_string(),
        };
        let params = ["TARGETS", &name, &super::time::format(*at_ms)];
        let line = Line::new(&session.config.node_name, "CHATHISTORY", &params);
        let line = batch.iter().fold(line, |line, batch| line.tag("batch", batch));
        session.reply(line);
    }
    close_batch(session, batch);
}
