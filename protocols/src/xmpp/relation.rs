//! What a message is to an earlier one, in XMPP's words: retraction (XEP-0424) and moderation (0425), reactions (0444), replies (0461),
//! corrections (0308), and signs of writing (0085).
//!
//! What came with such elements goes to other XMPP clients with the very same ones; for what came from elsewhere they are made here. In rooms a
//! message goes by its stanza id, between people by the id that its author's client gave it; what an author says of an own message may name
//! it by that in rooms too.
//!
//! **Invariant:** that a message was moderated is said by the room alone.

use super::client::Client;
use super::datetime;
use super::element::Element;
use super::error::StanzaError;
use super::iq::Request;
use super::jid::{Address, Domains};
use super::link::Link;
use super::muc::message::on_own;
use super::pending::{Asked, Awaited};
use super::{message, ns, sid};
use crate::command::{Command, MessageRef, Refusal, Relate, Related, Reply, Target};
use crate::event::{Conversation, Said};
use lavina_crdt::content::{Content, MessageKind};
use lavina_crdt::relation::{REACTION_BYTES_MAX, REACTIONS_MAX, REASON_BYTES_MAX, Redacted, Relation, Typing};

/// What a stanza is to an earlier one.
pub(crate) fn of(stanza: &Element, in_room: bool) -> Option<(MessageRef, Relate)> {
    stanza.elements().find_map(|child| {
        let how = match (child.name.as_str(), child.ns.as_str()) {
            ("retract", ns::RETRACT) => Relate::Redact(reason(child)),
            ("reactions", ns::REACTIONS) => Relate::SetReactions(reactions(child)),
            ("replace", ns::CORRECT) => Relate::Edit,
            ("reply", ns::REPLY) => Relate::Reply,
            _ => return None,
        };
        let id = child.get_attr("id").filter(|id| !id.is_empty())?;
        let own = in_room || how == Relate::Edit;
        let given = if own { MessageRef::Own(id.to_owned()) } else { MessageRef::Given(id.to_owned()) };
        Some((id.parse().map_or(given, MessageRef::Id), how))
    })
}

fn reactions(element: &Element) -> Vec<String> {
    let all = element.elements().filter(|child| child.is("reaction", ns::REACTIONS));
    let mut all: Vec<String> = all.map(|one| one.content().trim().to_owned()).collect();
    all.retain(|one| !one.is_empty() && one.len() <= REACTION_BYTES_MAX && !one.contains('\n'));
    all.truncate(REACTIONS_MAX);
    all
}

fn reason(element: &Element) -> String {
    let reason = element.elements().find(|child| child.name == "reason").map(Element::content).unwrap_or_default();
    let mut reason = reason.replace(['\n', '\r'], " ").trim().to_owned();
    while reason.len() > REASON_BYTES_MAX {
        reason.pop();
    }
    reason
}

/// Says a content, which may be about an earlier message.
pub(crate) fn say(
    link: &mut Link,
    asked: &Asked,
    target: Target,
    relation: Option<(MessageRef, Relate)>,
    content: Content,
) {
    let Some((of, how)) = relation else {
        link.ask(Command::Say(target, content), Awaited::Said(asked.clone()));
        return;
    };
    let pending = match how {
        Relate::Redact(_) => Awaited::Retracted(Box::new((asked.clone(), target.clone(), content.clone()))),
        Relate::Reply | Relate::AddReaction(_) | Relate::RemoveReaction(_) | Relate::SetReactions(_) | Relate::Edit => {
            Awaited::Said(asked.clone())
        }
    };
    let mut content = content;
    if matches!(how, Relate::Redact(_) | Relate::SetReactions(_)) {
        // The words are for clients that know nothing better (XEP-0428); each protocol has better ones here.
        content.text.clear();
        content.kind = MessageKind::Signal;
    }
    let is_redaction = matches!(how, Relate::Redact(_));
    let command = Command::Relate(Box::new(Related { target, of, how, content }));
    if is_redaction {
        // It may have to be said in another way, and what the client says next comes after it.
        link.ask_and_hold(command, pending);
    } else {
        link.ask(command, pending);
    }
}

/// The answer to a retraction. One of a message that is not known here goes on as it came: the other side may know it.
pub(crate) fn on_retracted(
    client: &mut Client,
    link: &mut Link,
    (asked, target, content): (Asked, Target, Content),
    answer: Result<Reply, Refusal>,
) {
    match answer {
        Err(Refusal::NoSuchMessage) => link.ask(Command::Say(target, content), Awaited::Said(asked)),
        answer => message::on_said(client, link, &asked, answer),
    }
}

/// The sign of writing that a stanza is, where it is nothing else.
pub(crate) fn typing(stanza: &Element) -> Option<Typing> {
    let beside = |child: &Element| {
        matches!(child.ns.as_str(), ns::CHAT_STATES | ns::HINTS | ns::SID) || child.is("thread", ns::CLIENT)
    };
    if !stanza.elements().all(beside) {
        return None;
    }
    let state = stanza.elements().find(|child| child.ns == ns::CHAT_STATES)?;
    match state.name.as_str() {
        "composing" => Some(Typing::Active),
        "paused" => Some(Typing::Paused),
        "active" | "inactive" | "gone" => Some(Typing::Done),
        _ => None,
    }
}

/// The elements that say what the content's relation and sign of writing say; none where it came with elements of its own.
pub(crate) fn elements(domains: &Domains, said: &Said) -> Vec<Element> {
    let content = &said.content;
    if let Some(redacted) = &said.redacted {
        return vec![tombstone(domains, said, redacted)];
    }
    if !content.payloads.is_empty() && !is_moderated(said) {
        return Vec::new();
    }
    match (content.relation.as_deref(), content.typing) {
        (Some(Relation::Reply(of)), _) => vec![Element::new("reply", ns::REPLY).attr("id", of.to_string())],
        (Some(Relation::Edit(of)), _) => vec![Element::new("replace", ns::CORRECT).attr("id", of.to_string())],
        (Some(Relation::React(reaction)), _) => {
            let reactions = reaction.now.iter().map(|one| Element::new("reaction", ns::REACTIONS).text(one.as_str()));
            vec![Element::new("reactions", ns::REACTIONS).attr("id", reaction.to.to_string()).children(reactions)]
        }
        (Some(Relation::Redact(redact)), _) => {
            let by = redact.moderated.then(|| moderated(domains, said, &said.author));
            let words = redact.reason.as_str();
            let words = (!words.is_empty()).then(|| Element::new("reason", ns::RETRACT).text(words));
            let retract = Element::new("retract", ns::RETRACT).attr("id", redact.of.to_string());
            vec![retract.maybe_child(by).maybe_child(words)]
        }
        (None, Some(typing)) => {
            let state = match typing {
                Typing::Active => "composing",
                Typing::Paused => "paused",
                Typing::Done => "active",
            };
            vec![Element::new(state, ns::CHAT_STATES)]
        }
        (None, None) => Vec::new(),
    }
}

/// What is left of a message in the archive (XEP-0424 section 5, XEP-0425 section 4).
fn tombstone(domains: &Domains, said: &Said, redacted: &Redacted) -> Element {
    let by = redacted.moderated.then(|| moderated(domains, said, &redacted.by));
    let words = redacted.reason.as_str();
    let words = (!words.is_empty()).then(|| Element::new("reason", ns::RETRACT).text(words));
    Element::new("retracted", ns::RETRACT)
        .attr("id", redacted.id.to_string())
        .attr("stamp", datetime::format(redacted.id.hlc().ms()))
        .maybe_child(by)
        .maybe_child(words)
}

fn moderated(domains: &Domains, said: &Said, by: &lavina_crdt::content::Author) -> Element {
    let moderated = Element::new("moderated", ns::MODERATE);
    match &said.conversation {
        Conversation::Room(room) => {
            moderated.attr("by", domains.occupant(room, &by.nick)).child(sid::occupant_id(room, &by.principal()))
        }
        Conversation::Direct { .. } => moderated,
    }
}

/// Whether a moderator takes a message back: then it is the room that says so.
pub(crate) fn is_moderated(said: &Said) -> bool {
    said.content.redaction().is_some_and(|redact| redact.moderated)
}

/// `<moderate/>` (XEP-0425 section 3).
pub(crate) fn on_moderate(_: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    let Some(Address::Room(room)) = request.to else { return Err(StanzaError::ITEM_NOT_FOUND) };
    let id = request.payload.get_attr("id").and_then(|id| id.parse().ok());
    if !request.set || request.payload.get("retract", ns::RETRACT).is_none() {
        return Err(StanzaError::BAD_REQUEST);
    }
    let of = MessageRef::Id(id.ok_or(StanzaError::ITEM_NOT_FOUND)?);
    let how = Relate::Redact(reason(&request.payload));
    let related = Related { target: Target::Room(room), of, how, content: Content::signal() };
    link.ask(Command::Relate(Box::new(related)), Awaited::Moderated(request.asked));
    Ok(())
}

/// The answer to it: the room's word comes first.
pub(crate) fn on_moderated(client: &mut Client, link: &mut Link, asked: &Asked, answer: Result<Reply, Refusal>) {
    match answer {
        Ok(reply) => {
            if let Reply::Said(said) = &reply
                && let Conversation::Room(room) = &said.conversation
            {
                on_own(client, link, room, said);
            }
            link.send(&asked.result(None));
        }
        Err(refusal) => link.send(&asked.error(refusal)),
    }
}

/// The elements that a message came with, or those that stand for what it is.
pub(crate) fn with_elements(domains: &Domains, stanza: Element, said: &Said) -> Element {
    let stanza = if is_moderated(said) { stanza } else { message::with_payloads(stanza, said) };
    stanza.children(elements(domains, said))
}
