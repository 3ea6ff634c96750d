//! The picture of a room (XEP-0486): the vCard that its owner stores for it.
//!
//! It is too large for the room's document, which is everywhere whole. It is a register of the owner who stored it; a note of the room says whose it
//! is and what the picture hashes to, so that what is shown is what was stored with the room's right.

use super::Waiting as MucWaiting;
use super::admin::view_of;
use crate::command::{Command, Refusal, Reply};
use crate::event::RoomView;
use crate::xmpp::avatar::hash_of;
use crate::xmpp::client::Client;
use crate::xmpp::element::Element;
use crate::xmpp::error::StanzaError;
use crate::xmpp::iq::Request;
use crate::xmpp::jid::Address;
use crate::xmpp::link::Link;
use crate::xmpp::pending::{Asked, Awaited, Pending};
use crate::xmpp::xml::parse_standalone;
use crate::xmpp::{ns, private};
use lavina_crdt::names::{AccountName, RoomName};
use lavina_crdt::room::{Act, Rank, RoomState};

/// The note of a room: account and hash.
pub(super) const NOTE: &str = "vcard";

/// A request for a room's vCard.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The room, whose vCard is to be shown.
    Show(Asked),
    /// The room, whose vCard is to be this.
    Store(Asked, RoomName, Box<Element>),
    /// The vCard, and what its picture is to hash to.
    Card(Asked, String),
}

/// Reads or writes it.
pub(crate) fn on_vcard(link: &mut Link, request: Request) -> Result<(), StanzaError> {
    let Some(Address::Room(room)) = request.to else { return Err(StanzaError::ITEM_NOT_FOUND) };
    let waiting = if request.set {
        Waiting::Store(request.asked, room.clone(), Box::new(request.payload))
    } else {
        Waiting::Show(request.asked)
    };
    link.ask_and_hold(Command::RoomInfo(room), Awaited::Muc(MucWaiting::Avatar(waiting)));
    Ok(())
}

/// The core's answer.
pub(super) fn on_answer(client: &Client, link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    let (asked, done) = match waiting {
        Waiting::Show(asked) => {
            let asks = view_of(answer).and_then(|view| show(link, asked.clone(), &view));
            (asked, asks.map(|()| None))
        }
        Waiting::Store(asked, room, card) => {
            let stores = view_of(answer).and_then(|view| store(client, link, asked.clone(), (&room, &view), &card));
            (asked, stores.map(|()| None))
        }
        Waiting::Card(asked, hash) => {
            let found = match answer {
                Ok(Reply::LookedAt(Some(found))) => found.registers,
                Ok(_) | Err(_) => Vec::new(),
            };
            let cards = found.into_iter().filter_map(|register| String::from_utf8(register.value).ok());
            let card =
                cards.filter_map(|text| parse_standalone(&text)).find(|card| hash_of(card) == Some(hash.clone()));
            (asked, card.map(Some).ok_or(StanzaError::ITEM_NOT_FOUND))
        }
    };
    match done {
        Ok(None) => {}
        Ok(card) => link.send(&asked.result(card)),
        Err(error) => link.send(&asked.error(error)),
    }
}

fn show(link: &mut Link, asked: Asked, view: &RoomView) -> Result<(), StanzaError> {
    let Some((account, hash)) = noted(&view.state) else {
        // XEP-0054 section 3.1: nothing is answered as an error or as a card without content; who has taken the picture away asks for the latter.
        link.send(&asked.result(Some(Element::new("vCard", ns::VCARD))));
        return Ok(());
    };
    let waiting = MucWaiting::Avatar(Waiting::Card(asked, hash.to_owned()));
    link.ask_and_hold(Command::LookAt(account, register(&view.name)), Awaited::Muc(waiting));
    Ok(())
}

fn store(
    client: &Client,
    link: &mut Link,
    asked: Asked,
    (room, view): (&RoomName, &RoomView),
    card: &Element,
) -> Result<(), StanzaError> {
    if view.state.rank(&client.principal()) != Rank::Founder {
        return Err(StanzaError::FORBIDDEN.text("only owners set the picture of a room"));
    }
    let note = match hash_of(card) {
        Some(hash) => {
            let value = private::value_of(card)?;
            link.ask(Command::RegisterSet(register(room), value), Pending::Nothing);
            Some(format!("{} {hash}", client.account))
        }
        // Setting an empty vCard takes the picture away.
        None if card.elements().next().is_none() => None,
        None => return Err(StanzaError::NOT_ACCEPTABLE.text("there is no picture in it")),
    };
    if note.is_none() && !view.state.notes.contains_key(NOTE) {
        link.send(&asked.result(None));
        return Ok(());
    }
    let act = Act::SetNote { key: NOTE.to_owned(), value: note };
    link.ask(Command::Act(room.clone(), vec![act]), Awaited::Done(asked));
    Ok(())
}

/// Who stored a room's vCard, and what its picture hashes to.
fn noted(state: &RoomState) -> Option<(AccountName, &str)> {
    let (account, hash) = state.notes.get(NOTE)?.split_once(' ')?;
    Some((AccountName::new(account).ok()?, hash))
}

/// The hash of a room's picture.
pub(super) fn hash(state: &RoomState) -> Option<&str> {
    noted(state).map(|(_, hash)| hash)
}

/// Where an owner keeps the vCard of a room.
fn register(room: &RoomName) -> String {
    let hash = blake3::Hasher::new_derive_key("lavina 1 vcard of a room").update(room.as_str().as_bytes()).finalize();
    format!("shown/room-vcard/{}", hash.to_hex().get(..24).unwrap_or_default())
}
