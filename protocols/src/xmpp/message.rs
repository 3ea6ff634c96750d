//! Messages between people (RFC 6121 section 5), and where a client's message stanzas go.

use super::carbons::{self, Way};
use super::client::Client;
use super::delay::delay;
use super::element::Element;
use super::error::StanzaError;
use super::jid::{Address, Domains, is_irc_resource};
use super::link::Link;
use super::pending::{Asked, Awaited, Pending};
use super::xml::{LIMITS, parse_standalone};
use super::{language, muc, ns, offline, relation, sid};
use crate::command::{Refusal, Reply, Target};
use crate::event::{Conversation, Said};
use lavina_crdt::content::{Content, MessageKind};
use lavina_crdt::room::Rank;
use std::sync::Arc;

/// Longest id of a client's, in bytes: it comes back to everybody who gets the message.
const CLIENT_ID_BYTES_MAX: usize = 256;

/// A message stanza of the client.
pub(crate) fn on_message(client: &mut Client, link: &mut Link, asked: Asked, to: Option<Address>, stanza: &Element) {
    let kind = stanza.get_attr("type").unwrap_or("normal");
    let done = match (kind, to) {
        // RFC 6121 section 8.5.3.1: to a resource that is there goes whatever it is.
        ("error" | "groupchat", Some(Address::Account(account, resource)))
            if resource.is_some() || account.is_remote() =>
        {
            let pending = if kind == "error" { Pending::Nothing } else { Awaited::Delivery(asked).into() };
            client.whisper(link, Target::Account(account, resource), stanza, pending);
            Ok(())
        }
        (_, Some(Address::Account(account, resource))) if client.account.is_remote() && is_for_who_is_there(stanza) => {
            client.whisper(link, Target::Account(account, resource), stanza, Pending::Nothing);
            Ok(())
        }
        ("error", Some(Address::Room(room) | Address::Occupant(room, _))) => {
            muc::leave::on_error(client, link, room, stanza);
            Ok(())
        }
        // Section 8.3.1: an error is answered by nothing.
        ("error", _) => Ok(()),
        ("groupchat", Some(Address::Room(room))) => muc::message::on_groupchat(client, link, &asked, room, stanza),
        ("groupchat", Some(Address::Occupant(..))) => Err(StanzaError::BAD_REQUEST),
        ("groupchat", _) => Err(StanzaError::SERVICE_UNAVAILABLE),
        (_, Some(Address::Room(room))) => muc::invite::on_message(client, link, &asked, room, stanza),
        (_, to) => address(client, to).and_then(|target| say(client, link, &asked, target, stanza)),
    };
    if let Err(error) = done {
        client.bounce(link, stanza, error);
    }
}

/// Whether a stanza from another server is no word between people: what is published there, what its archives hold, invitations of its rooms.
fn is_for_who_is_there(stanza: &Element) -> bool {
    let of_service = |child: &Element| {
        child.is("event", ns::PUBSUB_EVENT) || child.is("result", ns::MAM) || child.is("x", ns::MUC_USER)
    };
    stanza.get("body", ns::CLIENT).is_none() && stanza.elements().any(of_service)
}

fn address(client: &Client, to: Option<Address>) -> Result<Target, StanzaError> {
    match to {
        None => Ok(Target::Account(client.account.clone(), None)),
        Some(Address::Account(account, resource)) => {
            Ok(Target::Account(account, resource.filter(|resource| !is_irc_resource(resource))))
        }
        Some(Address::Guest(nick)) => Ok(Target::Nick(nick)),
        Some(Address::Occupant(room, nick)) => Ok(Target::Occupant(room, nick)),
        Some(Address::Server | Address::Rooms | Address::Room(_) | Address::Foreign) => {
            Err(StanzaError::SERVICE_UNAVAILABLE)
        }
    }
}

fn say(client: &Client, link: &mut Link, asked: &Asked, target: Target, stanza: &Element) -> Result<(), StanzaError> {
    let Some(mut content) = content_of(&link.domains, stanza)? else { return Ok(()) };
    match &target {
        Target::Account(_, resource) => {
            content.to_resource.clone_from(resource);
            content.from_resource = Some(client.resource.clone());
        }
        // A room does not tell its occupants' resources in messages.
        Target::Occupant(room, _) => content.via_room = Some(room.clone()),
        Target::Nick(_) | Target::Room(_) => content.from_resource = Some(client.resource.clone()),
    }
    relation::say(link, asked, target, relation::of(stanza, false), content);
    Ok(())
}

/// What a stanza says; `None` when it says nothing at all.
pub(crate) fn content_of(domains: &Domains, stanza: &Element) -> Result<Option<Content>, StanzaError> {
    let bodies = || stanza.elements().filter(|child| child.is("body", ns::CLIENT));
    let body = bodies().find(|body| body.attrs.is_empty()).or_else(|| bodies().next());
    let mut content = Content::text(body.map(Element::content).unwrap_or_default());
    if content.text.contains('\r') {
        content.text = content.text.replace("\r\n", "\n").replace('\r', "\n");
    }
    let mut bytes = 0;
    for payload in stanza.elements() {
        if body.is_some_and(|body| std::ptr::eq(body, payload)) || sid::is_forged_stamp(domains, payload) {
            continue;
        }
        let payload = payload.to_standalone();
        bytes += payload.len();
        content.payloads.push(payload);
    }
    content.payloads.extend(body.and_then(|body| language::kept(stanza, body)));
    if bytes + content.text.len() > LIMITS.stanza_bytes {
        return Err(StanzaError::POLICY_VIOLATION.text("the message is too large"));
    }
    if content.text.is_empty() {
        content.typing = relation::typing(stanza);
    }
    content.kind = match stanza.get_attr("type") {
        _ if content.text.is_empty() => MessageKind::Signal,
        Some("headline") => MessageKind::Notice,
        Some("chat" | "groupchat") => MessageKind::Message,
        Some(_) | None => MessageKind::Letter,
    };
    let origin_id = stanza.get("origin-id", ns::SID).and_then(|origin| origin.get_attr("id"));
    let id = stanza.get_attr("id").or(origin_id).unwrap_or_default();
    if id.len() > CLIENT_ID_BYTES_MAX {
        return Err(StanzaError::POLICY_VIOLATION.text("the id is too long"));
    }
    id.clone_into(&mut content.client_id);
    Ok((!content.text.is_empty() || !content.payloads.is_empty()).then_some(content))
}

/// The answer to something said.
pub(crate) fn on_said(client: &mut Client, link: &mut Link, asked: &Asked, answer: Result<Reply, Refusal>) {
    match answer {
        Ok(Reply::Said(said)) => match &said.conversation {
            Conversation::Room(room) => muc::message::on_own(client, link, room, &said),
            Conversation::Direct { from, to, .. } if from == to => on_direct(client, link, &said),
            Conversation::Direct { .. } => {}
        },
        Ok(_) => {}
        Err(refusal) => link.send(&asked.error(refusal)),
    }
}

/// A message of one of the account's own conversations: for this client, or a copy of what another of the account's clients got or sent.
pub(crate) fn on_direct(client: &mut Client, link: &mut Link, said: &Arc<Said>) {
    let Conversation::Direct { from, to, .. } = &said.conversation else { return };
    let me = client.principal();
    let message = render(&link.domains, said, &client.bare);
    if *to != me {
        if *from == me {
            copy(client, link, Way::Sent, message);
        }
        return;
    }
    let elsewhere = said.content.to_resource.as_ref().filter(|resource| client.siblings.contains(*resource));
    let mine = said.content.to_resource.as_ref() == Some(&client.resource);
    let outside = said.content.via_room.as_ref().is_some_and(|room| !client.rooms.contains_key(room));
    // RFC 6121 section 8.5.3.2: a resource that is not there any more stands for the bare JID; section 8.5.2.1.1: which takes in who is available.
    if mine || (elsewhere.is_none() && !outside && client.takes_messages()) {
        let mut message = message;
        if said.late {
            message = message.child(delay(&link.domains.server, said.id.hlc().ms()));
        }
        offline::on_given(client, link, said);
        // To the address that the sender wrote; through a room, and from a client without addresses, to this client's.
        if said.content.to_resource.is_some() || said.content.via_room.is_some() {
            message.remove_attr("to");
            link.send(&message);
        } else {
            link.send_unchanged(&message);
        }
    } else {
        copy(client, link, Way::Received, message);
    }
}

/// Whether a message is one to the client's account.
pub(crate) fn is_to(client: &Client, said: &Said) -> bool {
    matches!(&said.conversation, Conversation::Direct { to, .. } if *to == client.principal())
}

fn copy(client: &Client, link: &mut Link, way: Way, message: Element) {
    let payloads: Vec<Element> = message.elements().cloned().collect();
    if client.carbons && !carbons::is_private(&payloads) {
        link.send(&carbons::wrap(&client.bare, way, message));
    }
}

/// A direct message with `from` and `to`, as the archive of `owner` (a bare JID) has it.
pub(crate) fn render(domains: &Domains, said: &Said, owner: &str) -> Element {
    let content = &said.content;
    let (from, to) = correspondents(domains, said);
    let kind = match content.kind {
        MessageKind::Message | MessageKind::Signal => "chat",
        MessageKind::Notice => "headline",
        MessageKind::Letter => "normal",
    };
    let message = Element::new("message", ns::CLIENT).attr("from", from).attr("to", to).attr("type", kind);
    let message = with_content(domains, message, said);
    let via_room = content.via_room.as_ref().map(|_| Element::new("x", ns::MUC_USER));
    message.maybe_child(via_room).maybe_child(sid::of(owner, said))
}

/// Who wrote a direct message, and to whom, as their addresses.
pub(crate) fn correspondents(domains: &Domains, said: &Said) -> (String, String) {
    let Conversation::Direct { to, to_nick, .. } = &said.conversation else { return Default::default() };
    if let Some(room) = &said.content.via_room {
        return (domains.occupant(room, &said.author.nick), domains.occupant(room, to_nick));
    }
    let to = domains.principal(to, to_nick);
    let to = match &said.content.to_resource {
        Some(resource) => format!("{to}/{resource}"),
        None => to,
    };
    (domains.author(&said.author, said.content.from_resource.as_deref()), to)
}

/// Id, body and payloads. A message from IRC has no id of its client's, so it goes by its public one.
pub(crate) fn with_content(domains: &Domains, message: Element, said: &Said) -> Element {
    let content = &said.content;
    let id = if content.client_id.is_empty() { said.id.to_string() } else { content.client_id.clone() };
    let mut message = message.attr("id", id);
    if !content.text.is_empty() {
        let mark = for_whom(content.least).map(|whom| format!("[for {whom}] ")).unwrap_or_default();
        message = message.text_child("body", mark + &plain(&content.text));
    }
    language::restore(relation::with_elements(domains, message, said))
}

/// The payloads that a message came with.
pub(crate) fn with_payloads(message: Element, said: &Said) -> Element {
    message.children(said.content.payloads.iter().filter_map(|payload| parse_standalone(payload)))
}

/// For whom in a room something is said that is not for everybody.
const fn for_whom(least: Rank) -> Option<&'static str> {
    match least {
        Rank::None => None,
        Rank::Member => Some("members"),
        Rank::Voice => Some("who has a voice"),
        Rank::HalfOp | Rank::Operator => Some("moderators"),
        Rank::Admin => Some("admins"),
        Rank::Founder => Some("owners"),
    }
}

/// Text without the formatting codes of IRC clients (modern.ircdocs.horse/formatting), which XML could not hold.
fn plain(text: &str) -> String {
    if !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '\u{3}' => rest = skip_colours(rest, 2, |c| c.is_ascii_digit()),
            '\u{4}' => rest = skip_colours(rest, 6, |c| c.is_ascii_hexdigit()),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// What follows a colour code: up to two colours of so many digits, with a comma between.
fn skip_colours(text: &str, digits: usize, is_digit: fn(char) -> bool) -> &str {
    let skip = |text: &str| text.chars().take(digits).take_while(|c| is_digit(*c)).count();
    let foreground = skip(text);
    let rest = text.get(foreground..).unwrap_or_default();
    match rest.strip_prefix(',') {
        Some(after) if foreground > 0 && skip(after) > 0 => after.get(skip(after)..).unwrap_or_default(),
        Some(_) | None => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_codes_of_irc_are_taken_out() {
        assert_eq!(plain("a\u{2}b\u{3}04,12c\u{3},d\u{f}\u{4}ff00aae\nf\u{3}1234"), "abc,de\nf34");
    }
}
