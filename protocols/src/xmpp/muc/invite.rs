//! Invitations (XEP-0045 section 7.8.2, XEP-0249).

use crate::command::{Command, Target};
use crate::xmpp::element::Element;
use crate::xmpp::error::StanzaError;
use crate::xmpp::jid::Address;
use crate::xmpp::link::Link;
use crate::xmpp::ns;
use crate::xmpp::pending::{Asked, Awaited};
use lavina_crdt::content::Author;
use lavina_crdt::names::RoomName;

/// Invitations in one message.
const INVITES_MAX: usize = 16;

/// A message to a room that is not for all: an invitation through the room, or a word that one was declined, which nobody waits for.
pub(crate) fn on_message(link: &mut Link, asked: &Asked, room: RoomName, stanza: &Element) -> Result<(), StanzaError> {
    let Some(user) = stanza.get("x", ns::MUC_USER) else { return Err(StanzaError::BAD_REQUEST) };
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
    let jid = link.domains.room(room);
    let invite = Element::new("invite", ns::MUC_USER).attr("from", link.domains.author(by, None));
    let invite = if reason.is_empty() { invite } else { invite.text_child("reason", reason) };
    let direct = Element::new("x", ns::CONFERENCE)
        .attr("jid", jid.as_str())
        .maybe_attr("reason", (!reason.is_empty()).then_some(reason));
    let message = Element::new("message", ns::CLIENT)
        .attr("from", jid)
        .child(Element::new("x", ns::MUC_USER).child(invite))
        .child(direct);
    link.send(&message);
}
