//! Requests for voice (XEP-0045 sections 7.13 and 8.6): a visitor asks, each moderator is shown a form, and one of them fills it in.

use super::{Waiting as MucWaiting, admin, occupant};
use crate::command::{Command, Refusal, Reply, Target};
use crate::event::{Person, RoomView};
use crate::xmpp::client::Client;
use crate::xmpp::data::{self, Answer};
use crate::xmpp::element::Element;
use crate::xmpp::error::StanzaError;
use crate::xmpp::link::Link;
use crate::xmpp::ns;
use crate::xmpp::pending::{Asked, Awaited, Pending};
use lavina_crdt::names::{Nick, RoomName};
use lavina_crdt::room::{Act, Denied, Flag, Rank};

/// The form's type.
const FORM_TYPE: &str = "http://jabber.org/protocol/muc#request";

/// A request that needs the room as it is.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// A visitor asks.
    Ask(Asked, RoomName),
    /// A moderator says yes to whoever has that nick.
    Grant(Asked, RoomName, Nick),
}

/// Whether a stanza holds such a form.
pub(crate) fn is_form(stanza: &Element) -> bool {
    stanza.get("x", ns::DATA).is_some_and(|form| {
        form.elements().any(|field| {
            field.get_attr("var") == Some("FORM_TYPE") && field.child_text("value").as_deref() == Some(FORM_TYPE)
        })
    })
}

/// A form that a client sends to a room.
pub(crate) fn on_form(link: &mut Link, asked: &Asked, room: RoomName, stanza: &Element) -> Result<(), StanzaError> {
    let Some((Answer::Submit, form)) = data::answer(stanza) else { return Ok(()) };
    let field = |name: &str| data::fields(form).find(|(var, _)| *var == name).map(|(_, values)| values);
    if field("muc#role").and_then(|values| values.into_iter().next()).as_deref() != Some("participant") {
        return Err(StanzaError::BAD_REQUEST);
    }
    let waiting = match field("muc#request_allow").map(|values| data::as_boolean(&values)) {
        None => Waiting::Ask(asked.clone(), room.clone()),
        Some(Some(true)) => {
            let nick = field("muc#roomnick").and_then(|values| Nick::new(values.first()?).ok());
            Waiting::Grant(asked.clone(), room.clone(), nick.ok_or(StanzaError::BAD_REQUEST)?)
        }
        Some(_) => return Ok(()),
    };
    link.ask_and_hold(Command::RoomInfo(room), Awaited::Muc(MucWaiting::Voice(waiting)));
    Ok(())
}

/// The core's answer.
pub(super) fn on_room(client: &Client, link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    let (Waiting::Ask(asked, _) | Waiting::Grant(asked, ..)) = &waiting;
    let asked = asked.clone();
    let done = admin::view_of(answer).and_then(|view| match waiting {
        Waiting::Ask(_, room) => ask(client, link, &room, &view),
        Waiting::Grant(asked, room, nick) => grant(client, link, asked, room, &view, &nick),
    });
    if let Err(error) = done {
        link.send(&asked.error(error));
    }
}

fn ask(client: &Client, link: &mut Link, room: &RoomName, view: &RoomView) -> Result<(), StanzaError> {
    let moderated = view.state.has(Flag::Moderated);
    let own = view.own_nick.as_ref().ok_or(StanzaError::from(Denied::NotPresent))?;
    let who = view.occupants.iter().find(|who| who.nick.key() == own.key());
    if who.is_none_or(|who| occupant::role(who.rank, moderated) != "visitor") {
        // Section 7.13 is for visitors; everybody else has what they ask for.
        return Ok(());
    }
    let form = data::form("form", FORM_TYPE)
        .child(data::choice("muc#role", "Requested role", "participant", &["participant"]))
        .child(data::field("muc#jid", "jid-single", "User ID", &client.full))
        .child(data::field("muc#roomnick", "text-single", "Room Nickname", own.as_str()))
        .child(data::boolean("muc#request_allow", "Grant voice to this person?", false));
    let message = Element::new("message", ns::CLIENT).child(form);
    for moderator in view.occupants.iter().filter(|who| occupant::role(who.rank, moderated) == "moderator") {
        client.whisper(link, Target::Occupant(room.clone(), moderator.nick.clone()), &message, Pending::Nothing);
    }
    Ok(())
}

fn grant(
    client: &Client,
    link: &mut Link,
    asked: Asked,
    room: RoomName,
    view: &RoomView,
    nick: &Nick,
) -> Result<(), StanzaError> {
    if view.state.rank(&client.principal()) < Rank::HalfOp {
        return Err(StanzaError::FORBIDDEN);
    }
    let who = view.occupants.iter().find(|who| who.nick.key() == nick.key()).ok_or(StanzaError::ITEM_NOT_FOUND)?;
    // Who has more than voice already is not to have less.
    if who.rank < Rank::Voice
        && let Some(who) = occupant::face(who).map(Person::principal)
    {
        link.ask(Command::Act(room, vec![Act::SetRank { who, rank: Rank::Voice }]), Awaited::Delivery(asked));
    }
    Ok(())
}
