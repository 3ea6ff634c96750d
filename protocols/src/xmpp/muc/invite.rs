//! Invitations (XEP-0045 section 7.8.2, XEP-0249).

use super::voice;
use crate::command::{Command, Target};
use crate::event::Person;
use crate::xmpp::client::Client;
use crate::xmpp::element::Element;
use crate::xmpp::error::StanzaError;
use crate::xmpp::jid::{Address, Domains};
use crate::xmpp::link::Link;
use crate::xmpp::ns;
use crate::xmpp::pending::{Asked, Awaited, Pending};
use lavina_crdt::content::Author;
use lavina_crdt::names::{Nick, RoomName};

/// Invitations in one message.
const INVITES_MAX: usize = 16;

/// A message to a room that is not for all: an invitation through the room, a word that one is declined, or a form about voice.
pub(crate) fn on_message(
    client: &Client,
    link: &mut Link,
    asked: &Asked,
    room: RoomName,
    stanza: &Element,
) -> Result<(), StanzaError> {
    if voice::is_form(stanza) {
        return voice::on_form(link, asked, room, stanza);
    }
    let Some(user) = stanza.get("x", ns::MUC_USER) else { return Err(StanzaError::BAD_REQUEST) };
    if let Some(decline) = user.get("decline", ns::MUC_USER) {
        return pass_decline(client, link, &room, decline);
    }
    let invites: Vec<&Element> = user.elements().filter(|child| child.is("invite", ns::MUC_USER)).collect();
    if invites.len() > INVITES_MAX {
        return Err(StanzaError::POLICY_VIOLATION.text("too many invitations at once"));
    }
    let invites: Result<Vec<_>, _> = invites.into_iter().map(|invite| parse(link, invite)).collect();
    for (whom, reason) in invites? {
        link.ask(Command::Invite { room: room.clone(), whom, reason }, Awaited::Delivery(asked.clone()));
    }
    Ok(())
}

/// Section 7.8.2: who has invited is told that it is declined, and why.
fn pass_decline(client: &Client, link: &mut Link, room: &RoomName, decline: &Element) -> Result<(), StanzaError> {
    let (whom, reason) = parse(link, decline)?;
    let words = Element::new("decline", ns::MUC_USER);
    let words = if reason.is_empty() { words } else { words.text_child("reason", reason) };
    let message = Element::new("message", ns::CLIENT)
        .attr("to", link.domains.room(room))
        .child(Element::new("x", ns::MUC_USER).child(words));
    // An inviter who is gone, or on IRC, cannot be told.
    client.whisper(link, whom, &message, Pending::Nothing);
    Ok(())
}

/// Whether a stanza handed through is a word from a room: that an invitation is declined, or a request for voice.
pub(crate) fn is_word(stanza: &Element) -> bool {
    voice::is_form(stanza) || decline_of(stanza).is_some()
}

fn decline_of(stanza: &Element) -> Option<&Element> {
    stanza.get("x", ns::MUC_USER)?.get("decline", ns::MUC_USER)
}

/// The word as the room says it; `None` when it is not of a room.
pub(crate) fn as_word(
    domains: &Domains,
    from: &Person,
    via: Option<&(RoomName, Nick)>,
    stanza: &Element,
) -> Option<Element> {
    if let (Some((room, _)), Some(form)) = (via, stanza.get("x", ns::DATA)) {
        return Some(Element::new("message", ns::CLIENT).attr("from", domains.room(room)).child(form.clone()));
    }
    let Ok(Address::Room(room)) = domains.parse(stanza.get_attr("to")?) else { return None };
    let mut decline = decline_of(stanza)?.clone();
    let who = domains.person(from);
    decline.set_attr("from", who.split('/').next().unwrap_or_default());
    let user = Element::new("x", ns::MUC_USER).child(decline);
    Some(Element::new("message", ns::CLIENT).attr("from", domains.room(&room)).child(user))
}

fn parse(link: &Link, invite: &Element) -> Result<(Target, String), StanzaError> {
    let to = invite.get_attr("to").ok_or(StanzaError::BAD_REQUEST)?;
    let whom = match link.domains.parse(to).map_err(|_| StanzaError::JID_MALFORMED)? {
        Address::Account(account, _) => Target::Account(account, None),
        Address::Guest(nick) => Target::Nick(nick),
        Address::Foreign => return Err(StanzaError::REMOTE_SERVER_NOT_FOUND),
        Address::Server | Address::Rooms | Address::Room(_) | Address::Occupant(..) => {
            return Err(StanzaError::BAD_REQUEST);
        }
    };
    Ok((whom, invite.child_text("reason").unwrap_or_default()))
}

/// The client's account is invited.
pub(crate) fn on_invited(link: &mut Link, room: &RoomName, by: &Author, reason: &str) {
    let message = invitation(&link.domains, room, by, reason);
    link.send(&message);
}

/// An invitation as the room says it.
pub(crate) fn invitation(domains: &Domains, room: &RoomName, by: &Author, reason: &str) -> Element {
    let jid = domains.room(room);
    let invite = Element::new("invite", ns::MUC_USER).attr("from", domains.author(by, None));
    let invite = if reason.is_empty() { invite } else { invite.text_child("reason", reason) };
    let direct = Element::new("x", ns::CONFERENCE)
        .attr("jid", jid.as_str())
        .maybe_attr("reason", (!reason.is_empty()).then_some(reason));
    Element::new("message", ns::CLIENT)
        .attr("from", jid)
        .child(Element::new("x", ns::MUC_USER).child(invite))
        .child(direct)
}

/// Somebody outside asks to be let in: a word of the room to those who may do so.
pub(crate) fn on_knocked(link: &mut Link, room: &RoomName, by: &Author, text: &str) {
    let words = if text.is_empty() { String::new() } else { format!(": {text}") };
    let message = Element::new("message", ns::CLIENT)
        .attr("from", link.domains.room(room))
        .attr("type", "groupchat")
        .text_child("body", format!("{} ({}) asks to be invited{words}", by.nick, link.domains.author(by, None)));
    link.send(&message);
}
