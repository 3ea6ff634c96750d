//! What a message is to an earlier one, in IRC's words: REDACT (`draft/message-redaction`), the client tags `+reply`, `+draft/react` and `+typing`.
//!
//! What came with tags goes to other IRC clients with the very same tags; for what came from elsewhere they are made here.

use super::channel::is_channel;
use super::message::{Line, clip};
use super::messaging::target_of;
use super::said::{Look, author_source};
use super::{Caps, Message, Now, Session};
use crate::command::{Command, MessageRef, Refusal, Relate, Related, Reply};
use crate::event::Said;
use lavina_crdt::content::Content;
use lavina_crdt::relation::{REACTION_BYTES_MAX, REASON_BYTES_MAX, Relation, Typing};

const REPLY: [&str; 2] = ["+draft/reply", "+reply"];
const REACT: [&str; 2] = ["+draft/react", "+react"];
const UNREACT: [&str; 2] = ["+draft/unreact", "+unreact"];
const TYPING: [&str; 2] = ["+typing", "+draft/typing"];

fn value<'a>(tags: &'a [(String, String)], names: [&str; 2]) -> Option<&'a str> {
    tags.iter()
        .find(|(name, value)| names.contains(&name.as_str()) && !value.is_empty())
        .map(|(_, value)| value.as_str())
}

/// The relation that a message's tags stand for.
pub(super) fn of_tags(tags: &[(String, String)]) -> Option<(MessageRef, Relate)> {
    let to = value(tags, REPLY)?.parse().ok().map(MessageRef::Id)?;
    let short = |text: &&str| text.len() <= REACTION_BYTES_MAX && !text.contains(['\r', '\n']);
    let relate = match (value(tags, REACT).filter(short), value(tags, UNREACT).filter(short)) {
        (Some(one), _) => Relate::AddReaction(one.to_owned()),
        (None, Some(one)) => Relate::RemoveReaction(one.to_owned()),
        (None, None) => Relate::Reply,
    };
    Some((to, relate))
}

/// The sign of writing that a message's tags are.
pub(super) fn typing_of_tags(tags: &[(String, String)]) -> Option<Typing> {
    match value(tags, TYPING)? {
        "active" => Some(Typing::Active),
        "paused" => Some(Typing::Paused),
        "done" => Some(Typing::Done),
        _ => None,
    }
}

/// The tags that say what the content's relation and sign of writing say, one set for each line that is needed; none where the content came
/// with tags of its own.
pub(super) fn tags_for(content: &Content) -> Vec<Vec<(String, String)>> {
    let tag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    if !content.tags.is_empty() {
        return vec![content.tags.clone()];
    }
    match (content.relation.as_deref(), content.typing) {
        (Some(Relation::Reply(to)), _) => vec![vec![tag(REPLY[0], &to.to_string())]],
        (Some(Relation::React(reaction)), _) => {
            let to = reaction.to.to_string();
            let added = reaction.added().map(|one| vec![tag(REPLY[0], &to), tag(REACT[0], one)]);
            let removed = reaction.removed().map(|one| vec![tag(REPLY[0], &to), tag(UNREACT[0], one)]);
            added.chain(removed).collect()
        }
        (Some(Relation::Edit(_) | Relation::Redact(_)) | None, Some(typing)) => {
            let state = match typing {
                Typing::Active => "active",
                Typing::Paused => "paused",
                Typing::Done => "done",
            };
            vec![vec![tag(TYPING[0], state)]]
        }
        (Some(Relation::Edit(_) | Relation::Redact(_)) | None, None) => Vec::new(),
    }
}

/// The line that tells a redaction; none for clients that did not ask for such.
pub(super) fn redact_line(look: &Look<'_>, said: &Said, target: &str) -> Option<Line> {
    let redact = said.content.redaction().filter(|_| look.caps.has(Caps::MESSAGE_REDACTION))?;
    let (source, of) = (author_source(&said.author), redact.of.to_string());
    Some(if redact.reason.is_empty() {
        Line::new(&source, "REDACT", &[target, &of])
    } else {
        Line::with_text(&source, "REDACT", &[target, &of], &redact.reason)
    })
}

/// REDACT.
pub(super) fn redact(session: &mut Session, _now: Now, message: &Message<'_>) {
    let (name, id) = (message.param(0).unwrap_or_default().to_owned(), message.param(1).unwrap_or_default().to_owned());
    let reason = clip(message.param(2).unwrap_or_default(), REASON_BYTES_MAX).to_owned();
    let Some(target) = target_of(session, &name) else {
        session.fail("REDACT", "INVALID_TARGET", &[&name], "You cannot delete messages from there");
        return;
    };
    let Ok(of) = id.parse() else {
        session.fail("REDACT", "UNKNOWN_MSGID", &[&name, &id], "This message does not exist or is too old");
        return;
    };
    let (of, how) = (MessageRef::Id(of), Relate::Redact(reason));
    let related = Related { target, of, how, content: Content::signal() };
    session.ask(Command::Relate(Box::new(related)), move |session, now, answer| match answer {
        Ok(Reply::Said(said)) => session.show_own(now, &said),
        Ok(_) => {}
        Err(Refusal::NoSuchMessage) => {
            session.fail("REDACT", "UNKNOWN_MSGID", &[&name, &id], "This message does not exist or is too old");
        }
        Err(Refusal::NoSuchNick | Refusal::NoSuchAccount | Refusal::NoSuchOccupant) => {
            session.fail("REDACT", "INVALID_TARGET", &[&name], "You cannot delete messages from there");
        }
        Err(Refusal::Denied(lavina_crdt::room::Denied::NoRoom | lavina_crdt::room::Denied::NotPresent))
            if is_channel(&name) =>
        {
            session.fail("REDACT", "INVALID_TARGET", &[&name], "You cannot delete messages from there");
        }
        Err(_) => {
            session.fail("REDACT", "REDACT_FORBIDDEN", &[&name, &id], "You are not authorised to delete this message");
        }
    });
}
