//! Messages to everybody in a room, and its subject (XEP-0045 sections 7.4, 7.2.15, 8.1).

use super::{Held, Waiting as MucWaiting, join};
use crate::command::{Command, Refusal, Reply, Target};
use crate::event::Said;
use crate::xmpp::client::Client;
use crate::xmpp::delay::delay;
use crate::xmpp::element::Element;
use crate::xmpp::error::StanzaError;
use crate::xmpp::jid::Domains;
use crate::xmpp::link::Link;
use crate::xmpp::message::{content_of, with_content};
use crate::xmpp::pending::{Asked, Awaited};
use crate::xmpp::{ns, relation, sid};
use lavina_crdt::names::RoomName;
use lavina_crdt::room::{Act, Topic};
use std::sync::Arc;

/// A message of type groupchat to a room.
pub(crate) fn on_groupchat(
    client: &Client,
    link: &mut Link,
    asked: &Asked,
    room: RoomName,
    stanza: &Element,
) -> Result<(), StanzaError> {
    let has = |name: &str| stanza.get(name, ns::CLIENT).is_some();
    if has("subject") && !has("body") && !has("thread") {
        let topic = stanza.child_text("subject").unwrap_or_default();
        // Nothing answers a subject but the subject, which comes as an event where it is another one.
        let is_change = !topic.is_empty() || client.rooms.get(&room).is_none_or(|place| place.titled);
        let awaited = if is_change {
            Awaited::Delivery(asked.clone())
        } else {
            Awaited::Muc(MucWaiting::Untitled(asked.clone(), room.clone()))
        };
        link.ask(Command::Act(room, vec![Act::SetTopic(topic)]), awaited);
        return Ok(());
    }
    if let Some(content) = content_of(&link.domains, stanza)? {
        relation::say(link, asked, Target::Room(room), relation::of(stanza, true), content);
    }
    Ok(())
}

/// A subject that was none is none: the client is told what it would have been told else.
pub(super) fn on_untitled(
    client: &Client,
    link: &mut Link,
    asked: &Asked,
    room: &RoomName,
    answer: Result<Reply, Refusal>,
) {
    let message = match (answer, client.rooms.get(room)) {
        (Ok(_), Some(place)) => {
            let from = link.domains.occupant(room, &place.nick);
            subject(&link.domains, room, None, false).attr("from", from)
        }
        (Ok(_), None) => return,
        (Err(refusal), _) => asked.error(refusal),
    };
    link.send(&message);
}

/// The client's own message, durable: the reflection that tells it so.
pub(crate) fn on_own(client: &mut Client, link: &mut Link, room: &RoomName, said: &Arc<Said>) {
    if join::hold(client, link, room, || Held::Said(Arc::clone(said))) || !client.rooms.contains_key(room) {
        return;
    }
    let message = render(&link.domains, room, said, said.late);
    link.send(&message);
}

/// A room's message as everybody in it sees it.
pub(crate) fn render(domains: &Domains, room: &RoomName, said: &Said, delayed: bool) -> Element {
    let jid = domains.room(room);
    // XEP-0425 section 3: what a moderator does the room says.
    let moderated = relation::is_moderated(said);
    let from = if moderated { jid.clone() } else { domains.occupant(room, &said.author.nick) };
    let message = Element::new("message", ns::CLIENT).attr("from", from).attr("type", "groupchat");
    let delayed = delayed.then(|| delay(&jid, said.id.hlc().ms()));
    let author = (!moderated).then(|| sid::occupant_id(room, &said.author.principal()));
    with_content(domains, message, said).maybe_child(sid::of(&jid, said)).maybe_child(author).maybe_child(delayed)
}

/// The subject; at entry also where there is none, since it says that the history has ended.
pub(crate) fn subject(domains: &Domains, room: &RoomName, topic: Option<&Topic>, delayed: bool) -> Element {
    let topic = topic.filter(|topic| !topic.text.is_empty());
    let from = match topic {
        Some(topic) => domains.occupant(room, &topic.by),
        None => domains.room(room),
    };
    let text = topic.map(|topic| topic.text.as_str()).unwrap_or_default();
    let stamp = topic.filter(|_| delayed).map(|topic| delay(&domains.room(room), topic.at.ms()));
    Element::new("message", ns::CLIENT)
        .attr("from", from)
        .attr("type", "groupchat")
        .text_child("subject", text)
        .maybe_child(stamp)
}
